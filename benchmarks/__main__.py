"""``python -m benchmarks [--quick] [--rounds N] [--seconds S] [--json FILE] [workload ...]``.

All workloads with ``--rounds 3 --seconds 40`` take about twenty minutes on two cores that have nothing else to do.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.generated import Data
from benchmarks.page import target_table, workload_table
from benchmarks.rounds import run
from benchmarks.stage import Missing, Stage
from benchmarks.targets import reached
from benchmarks.workloads import GROUPS
from tests.interop.peers import dcmtk_version


def machine() -> dict[str, str]:
    """What the figures depend on."""
    facts = {"Python": platform.python_version(), "CPUs": str(os.cpu_count()), "system": platform.system()}
    for package in ("nbdicom", "pydicom", "pynetdicom"):
        try:
            facts[package] = version(package)
        except ImportError:
            facts[package] = "not installed"
    try:
        facts["DCMTK"] = dcmtk_version()
    except Missing:
        facts["DCMTK"] = "not installed"
    return facts


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("workloads", nargs="*", metavar="workload", help=f"of {', '.join(GROUPS)}; all by default")
    parser.add_argument("--quick", action="store_true", help="small sizes, one round: does it run?")
    parser.add_argument("--rounds", type=int, default=5, help="rounds at most (default 5)")
    parser.add_argument("--seconds", type=float, default=90, help="no new round after so many seconds (default 90)")
    parser.add_argument("--json", type=Path, help="write the results; other workloads in the file are kept")
    options = parser.parse_args()
    if unknown := set(options.workloads) - set(GROUPS):
        parser.error(f"no such workload: {', '.join(sorted(unknown))}")
    results: dict[str, Any] = {}
    failed = False
    data = Data(quick=options.quick)
    try:
        for name in options.workloads or GROUPS:
            peers = not options.quick or name == "store"  # a quick run meets those that start slowly there
            with Stage(quick=options.quick, data=data, peers=peers) as stage:
                started = time.monotonic()
                for workload in GROUPS[name](stage):
                    result = run(
                        workload, 1 if options.quick else options.rounds, seconds=options.seconds, say=_progress
                    )
                    result["left_out"] = dict(stage.left_out)
                    result["date"] = datetime.now(UTC).date().isoformat()
                    result["command"] = _command(options)
                    results[workload.name] = result
                    failed = failed or bool(result["failures"])
                    print(f"\n{result['title']} ({workload.name}, {time.monotonic() - started:.0f} s)\n")
                    print(workload_table(result))
                    for who, why in result["failures"].items():
                        print(f"{who} FAILED: {why}")
                for who, why in stage.left_out.items():
                    print(f"left out: {who}: {why}")
                sys.stdout.flush()
            if options.json:
                _write(options.json, results)
    finally:
        data.close()
    if not options.quick:
        print(f"\n{target_table([row for row in reached(results) if row['measured'] is not None])}")
    return 1 if failed else 0


def _command(options: argparse.Namespace) -> str:
    """The command that does the same again."""
    words = ["python -m benchmarks", *(["--quick"] if options.quick else [])]
    return " ".join([*words, f"--rounds {options.rounds} --seconds {options.seconds:g}", *options.workloads])


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        print(text, file=sys.stderr)


def _write(path: Path, results: dict[str, Any]) -> None:
    known = json.loads(path.read_text())["workloads"] if path.exists() else {}
    workloads = {**known, **results}
    told = {
        "machine": machine(),
        "targets": reached(workloads),
        "workloads": workloads,
    }
    path.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
