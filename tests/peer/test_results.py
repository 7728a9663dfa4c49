"""Summaries say every reason once."""

from pathlib import Path

import pytest

from nbdicom.peer.pulled import PulledSeries, PullResult
from nbdicom.peer.query import Level
from nbdicom.peer.results import Answer, Moved, MoveResult, Retrieved, RetrieveResult, Sent, StoreResult
from nbdicom.peer.selection import Target
from nbdicom.status import Status
from nbdicom.uids import UID


def _result(*messages: str) -> StoreResult:
    rows = tuple(Sent(source=f"{k}.dcm", message=message) for k, message in enumerate(messages))
    return StoreResult(rows=rows, peer="PACS@host:104", seconds=0.1)


@pytest.mark.parametrize(
    ("messages", "lines"),
    [
        (["a"], ["  0.dcm: a"]),
        (["a", "b", "a"], ["  0.dcm: a", "  2.dcm: a", "  1.dcm: b"]),
        (["a"] * 40, ["  0.dcm, 1.dcm, 2.dcm and 37 more: a"]),
        (["a", "b", "c", "d", "e", "f", "f", "g"],
         [f"  {k}.dcm: {letter}" for k, letter in enumerate("abcde")] + ["  and 3 more for other reasons"]),
    ],
)  # fmt: skip
def test_failures_by_reason(messages, lines):
    head, *named = _result(*messages).summary.split("\n")
    what = "1 instance" if len(messages) == 1 else f"{len(messages)} instances"
    assert head.endswith(f"; {what} FAILED:") and named == lines


ROWS = {"peer": "PACS@host:104", "seconds": 0.1}
HERE = Retrieved(sop_instance_uid=UID("1.2"), ok=True, size=10)
TARGET = Target(Level.STUDY, {"StudyInstanceUID": "1.2"})
SUCCESS, FAILED = Status(0), Status(0xA701)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([HERE], ["1 of 1 instance retrieved"]),
        ([HERE] * 5 + [Retrieved(sop_instance_uid=None, message="gone", count=15)],
         ["5 of 20 instances retrieved", "; 15 instances FAILED:\n  15 unnamed: gone"]),
        ([Retrieved(sop_instance_uid=UID("1.3"), message="gone")],
         ["0 of 1 instance retrieved", "; 1 instance FAILED:\n  1.3: gone"]),
        ([Retrieved(sop_instance_uid=None, message="study 1.2: it has none", count=0)],
         ["0 of 0 instances", "; 1 request FAILED:\n  study 1.2: it has none"]),
        ([HERE, Retrieved(sop_instance_uid=UID("1.3"), message="gone"),
          Retrieved(sop_instance_uid=None, message="none", count=0)],
         ["1 of 2 instances", "; 1 instance FAILED, 1 request FAILED:"]),
        ([Retrieved(sop_instance_uid=UID(f"1.{k}"), message="gone") for k in range(4)]
         + [Retrieved(sop_instance_uid=None, message="gone", count=9)], ["1.0, 1.1, 1.2 and 10 more: gone"]),
    ],
)  # fmt: skip
def test_numbers_of_a_retrieval(rows, words):
    summary = RetrieveResult(rows=tuple(rows), folder=Path("to"), **ROWS).summary
    assert all(word in summary for word in words), summary


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        (
            [Answer(target=TARGET, status=SUCCESS, completed=1)],
            ["1 of 1 request moved", "1 instance by the peer's count"],
        ),
        ([Answer(target=TARGET, status=SUCCESS)], ["the peer does not count"]),
        ([Answer(target=TARGET, status=FAILED)] * 2, ["0 of 2 requests moved", "; 2 requests FAILED:"]),
    ],
)
def test_numbers_of_a_move(answers, words):
    summary = MoveResult(rows=tuple(Moved(answer=one) for one in answers), destination="X", **ROWS).summary
    assert all(word in summary for word in words), summary


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([{"series": "1.2", "named": 20, "missing": tuple(map(str, range(20))), "state": "incomplete", "message": "gone"}],
         ["0 of 1 series complete: 0 of 20 instances", "; 1 series NOT COMPLETE:\n  series 1.2: incomplete, gone"]),
        ([{"series": "1.2", "counted": 20, "state": "incomplete", "message": "gone"}], ["0 of 20 instances"]),
        ([{"series": "1.2", "named": 1, "counted": 20, "missing": ("1",), "state": "incomplete"}], ["0 of 1 instance from"]),
        ([{"series": None, "state": "unproven", "message": "silent"}] * 2,
         ["0 of 2 parts complete", "2 parts NOT COMPLETE"]),
    ],
)  # fmt: skip
def test_numbers_of_a_pull(rows, words):
    series = tuple(PulledSeries(study="1", **row) for row in rows)
    summary = PullResult(rows=series, folder=Path("to"), manifest=Path("to/m"), **ROWS).summary
    assert all(word in summary for word in words), summary


def test_what_to_try_is_said_once():
    hints = ["compare them", "", "ask", "compare them", "never seen: it was stored"]
    rows = tuple(Sent(source=str(k), message="m", hint=hint, ok=k == 4) for k, hint in enumerate(hints))
    shown = str(StoreResult(rows=rows, **ROWS))
    assert shown.count("→") == 2 and "→ compare them" in shown and "→ ask" in shown and "never seen" not in shown
