"""``python -m tests.hostile [AET@host:port] [--peers]``: play every case and print the score.

Without an address nbdicom itself is started, by both drivers, and played at; ``--peers`` adds the SCPs that are installed,
each started beside it.  The exit status is 0 if nbdicom survived everything, nothing was late or flagged, and at least 95 %
of the answers were exact.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack

from tests.hostile.cases import every_case
from tests.hostile.score import Result, Score, run, table
from tests.hostile.targets import NAMES, Target, external, started
from tests.interop.peers import Missing


def score_of(name: str, options: argparse.Namespace) -> Score:
    """Start a peer, play at it; start it again whenever it has died or hangs."""
    stack = ExitStack()
    try:
        target = stack.enter_context(started(name))

        def restart() -> None:
            stack.close()
            fresh = stack.enter_context(started(name))
            for part in ("address", "program", "store", "around", "known", "lines"):
                setattr(target, part, getattr(fresh, part))

        return play_at(target, options, restart)
    finally:
        stack.close()


def play_at(target: Target, options: argparse.Namespace, restart: object = None) -> Score:
    """All cases that are asked for."""
    cases = [case for case in every_case(timers=target.timers > 0) if options.only in case.name]

    def told(result: Result) -> None:
        if options.verbose or (options.differences and (result.verdict != "exact" or result.flags)):
            flags = f" FLAGS {', '.join(result.flags)}" if result.flags else ""
            late = " LATE" if result.late else ""
            mark = "shall" if result.case.shall else "     "
            print(
                f"{result.verdict:14} {mark} {result.case.name}: {result.observed} (due: {result.case.answer}){flags}{late}"
            )

    return run(target, cases, restart=restart if callable(restart) else lambda: None, told=told)


def main(arguments: list[str]) -> int:
    """Play and print."""
    parser = argparse.ArgumentParser("python -m tests.hostile", description=__doc__)
    parser.add_argument("address", nargs="?", help="an SCP that runs: AET@host:port")
    parser.add_argument(
        "--peers", action="store_true", help="also DCMTK, Orthanc and pynetdicom, where they are installed"
    )
    parser.add_argument("--peer", action="append", default=[], choices=list(NAMES), help="this one (may be repeated)")
    parser.add_argument("--only", default="", help="cases whose name contains this")
    parser.add_argument("--verbose", action="store_true", help="a line for each case")
    parser.add_argument("--differences", action="store_true", help="a line for each case that is not exact")
    options = parser.parse_args(arguments)
    if options.address:
        print(table([play_at(external(options.address), options)]))
        return 0
    scores = []
    for name in options.peer or (
        [name for name in NAMES if name != "nbdicom-full"] if options.peers else ["nbdicom", "nbdicom-aio"]
    ):
        try:
            scores.append(score_of(name, options))
        except Missing as missing:
            print(f"skipped: {missing}")
    print(table(scores))
    return 0 if all(passed(score) for score in scores if score.name.startswith("nbdicom")) else 1


def passed(score: Score) -> bool:
    """The bar: everything survived, nothing late, no flag, 95 % of the answers exact."""
    exact = score.count("exact", shall=True) >= 0.95 * score.shall
    return score.survived == score.tried and exact and not score.flags and not score.late


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
