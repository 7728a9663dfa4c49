"""Summaries say every reason once."""

import pytest

from nbdicom.peer.results import Sent, StoreResult


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
    assert head.endswith(f"{len(messages)} FAILED:") and named == lines
