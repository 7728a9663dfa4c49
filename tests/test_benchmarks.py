"""The benchmarks run, and what they write becomes the page; nothing here says how fast anything is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.page import page
from benchmarks.rounds import Contender, Workload, run
from benchmarks.targets import TARGETS, reached
from benchmarks.workloads import GROUPS

ROOT = Path(__file__).parents[1]


def quick(file: Path, *workloads: str) -> dict:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    argv = [sys.executable, "-m", "benchmarks", "--quick", *workloads, "--json", str(file)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=110, env=environment, cwd=ROOT)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return json.loads(file.read_text())


#: Together all that there are, in parts that take about as long as each other; `store` and `find` have a test of their own.
PARTS = [
    ("associate", "echo", "together", "idle", "large"),
    ("retrieve", "start"),
    ("answer", "durable", "link"),
    ("index", "hostile"),
]


@pytest.mark.extended
@pytest.mark.parametrize("part", PARTS, ids="-".join)
def test_every_workload_runs(part, tmp_path):
    told = quick(tmp_path / "performance.json", *part)
    assert not any(result["failures"] for result in told["workloads"].values())
    assert all(outcome["median"] for result in told["workloads"].values() for outcome in result["contenders"].values())


def test_no_workload_is_forgotten():
    assert sorted(["store", "find", *(name for part in PARTS for name in part)]) == sorted(GROUPS)


@pytest.mark.extended
def test_a_quick_run_writes_what_the_page_is_made_of(tmp_path):
    file = tmp_path / "performance.json"
    quick(file, "find")
    told = quick(file, "store")  # what is in the file already stays
    assert set(told["workloads"]) == {"store-16384", "find"}
    assert told["workloads"]["find"]["command"] == "python -m benchmarks --quick --rounds 5 --seconds 90 find"
    ours = told["workloads"]["store-16384"]["contenders"]["nbdicom"]
    assert ours["median"] > 0 and ours["ratios"]["raw"] > 0
    assert ours["requestor"]["cpu"] > 0
    text = page(told, file.name)
    assert "| nbdicom " in text and "## Targets" in text


def test_ratios_are_medians_of_the_rounds_in_which_both_ran():
    seconds = {"slow": iter([4.0, 8.0]), "fast": iter([2.0, 2.0, 1.0])}

    def contender(name, rounds=None):
        return Contender(name, lambda: {"seconds": next(seconds[name]), "cpu": 0.0}, 8, rounds=rounds)

    workload = Workload("w", "work", "/s", [contender("slow", rounds=2), contender("fast")], ("slow",))
    told = run(workload, 3, seconds=60)["contenders"]
    assert told["fast"]["values"] == [4.0, 4.0, 8.0]
    assert told["fast"]["ratios"] == {"slow": pytest.approx((2 + 4) / 2)}
    assert told["slow"]["values"] == [2.0, 1.0, None]


def test_a_contender_that_fails_is_named_and_the_others_go_on():
    def fails():
        raise RuntimeError("no such peer")

    workload = Workload("w", "work", "/s", [Contender("bad", fails), Contender("good", lambda: {"seconds": 1.0})], ())
    told = run(workload, 2, seconds=60)
    assert told["failures"] == {"bad": "no such peer"}
    assert list(told["contenders"]) == ["good"]


def test_targets_say_what_is_not_measured():
    assert {row["met"] for row in reached({})} == {None}
    assert len(reached({})) == len(TARGETS)
