"""The grid: which cells there are, which there cannot be and why, and how the outcome is shown.

A test says to which cell it belongs with `cell`; the recorder collects the outcomes of a pytest run, and `table` prints
them. What is not tested is said to be so, with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pytest

from nbdicom.table import Table

OPERATIONS = ("echo", "store", "find", "get", "move")
ROLES = ("SCU", "SCP")
PEERS = ("DCMTK", "Orthanc", "pynetdicom")

#: Cells that cannot be: (operation, nbdicom's role, peer) -> why.
IMPOSSIBLE = {
    ("get", "SCP", "Orthanc"): "Orthanc 1.10 is no C-GET SCU: REST offers echo, store, find, and retrieval by C-MOVE",
}

F = TypeVar("F", bound=Callable[..., Any])


def cell_mark(operation: str, role: str, peer: str, tool: str) -> pytest.MarkDecorator:
    """The mark of one cell; *tool* is the program that is at the other end."""
    assert operation in OPERATIONS and role in ROLES and peer in PEERS, (operation, role, peer)
    return pytest.mark.cell(operation, role, peer, tool)


def cell(operation: str, role: str, peer: str, tool: str) -> Callable[[F], F]:
    """Mark a test as a part of one cell."""
    return cell_mark(operation, role, peer, tool)


@dataclass
class Outcome:
    """The outcome of one test."""

    name: str
    tool: str
    result: str  #: passed, skipped or failed
    detail: str = ""  #: the reason of a skip, the last line of a failure


@dataclass(eq=False)  # pytest keeps its plugins in sets
class Recorder:
    """A pytest plugin that keeps the outcomes by cell; what belongs to no cell is kept under its file."""

    cells: dict[tuple[str, str, str], list[Outcome]] = field(default_factory=dict)
    others: list[Outcome] = field(default_factory=list)
    _marks: dict[str, list[tuple[str, str, str, str]]] = field(default_factory=dict)
    collected_badly: list[str] = field(default_factory=list)

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            self._marks[item.nodeid] = [mark.args for mark in item.iter_markers("cell")]

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.collected_badly.append(f"{report.nodeid}: {report.longreprtext.strip().splitlines()[-1]}")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when != "call" and report.outcome == "passed":
            return
        name = report.nodeid.rpartition("::")[2]
        if report.outcome == "skipped":
            where = report.longrepr
            detail = where[2].removeprefix("Skipped: ") if isinstance(where, tuple) else "expected to fail"
        elif report.outcome == "failed":
            crash = getattr(report.longrepr, "reprcrash", None)
            lines = str(crash.message if crash else report.longrepr).strip().splitlines()
            detail = lines[0] if lines else ""
        else:
            detail = ""
        marks = self._marks.get(report.nodeid, [])
        for operation, role, peer, tool in marks:
            outcome = Outcome(name, tool, report.outcome, detail)
            self.cells.setdefault((operation, role, peer), []).append(outcome)
        if not marks:
            self.others.append(Outcome(name, report.nodeid.partition("::")[0], report.outcome, detail))

    @property
    def missing(self) -> list[tuple[str, str, str]]:
        """The cells that should be there and in which nothing was run."""
        grid = ((operation, role, peer) for operation in OPERATIONS for role in ROLES for peer in PEERS)
        return [key for key in grid if key not in self.cells and key not in IMPOSSIBLE]

    @property
    def all(self) -> list[Outcome]:
        """Every outcome once."""
        return [*(outcome for outcomes in self.cells.values() for outcome in outcomes), *self.others]


def table(recorder: Recorder, versions: dict[str, str]) -> Table:
    """The matrix, with notes for whatever did not pass."""
    notes: dict[str, None] = {}
    rows, marks = [], []
    for operation in OPERATIONS:
        for role in ROLES:
            cells = [_cell(recorder, (operation, role, peer), notes) for peer in PEERS]
            row = [f"C-{operation.upper()}", f"nbdicom is {role}", *cells]
            rows.append(row)
            marks.append("bad" if any("FAIL" in text for text in row) else "ok")
    failures = [f"FAILED {outcome.name}: {outcome.detail}" for outcome in recorder.all if outcome.result == "failed"]
    columns = ("operation", "role", *(f"{peer} {versions.get(peer, '')}".strip() for peer in PEERS))
    count = sum(outcome.result == "passed" for outcome in recorder.all)
    others = [outcome for outcome in recorder.others if outcome.result == "passed"]
    return Table(
        "Interoperability: nbdicom with other implementations, on loopback sockets",
        columns,
        rows,
        notes=[*notes, *dict.fromkeys(failures), *recorder.collected_badly,
               f"{count} tests passed, {len(others)} of them beyond the cells (transfer syntaxes, lengths, memory)"],
        marks=marks,
        widths=(None, None, 28, 28, 28),
    )  # fmt: skip


def _cell(recorder: Recorder, key: tuple[str, str, str], notes: dict[str, None]) -> str:
    outcomes = recorder.cells.get(key, [])
    where = f"C-{key[0].upper()} with nbdicom as {key[1]}, {key[2]}"
    if key in IMPOSSIBLE:
        notes[f"{where}: {IMPOSSIBLE[key]}"] = None
        return "cannot be (see below)"
    if not outcomes:
        return "not run"
    for outcome in outcomes:
        if outcome.result == "skipped":
            notes[f"{where}: skipped, {outcome.detail}"] = None
    parts = []
    for word, result in (("FAIL", "failed"), ("pass", "passed"), ("skip", "skipped")):
        tools = _tools(outcome for outcome in outcomes if outcome.result == result)
        parts += [f"{word} {tools}"] if tools else []
    return "; ".join(parts)


def _tools(outcomes: Iterable[Outcome]) -> str:
    counts: dict[str, int] = {}
    for outcome in outcomes:
        counts[outcome.tool] = counts.get(outcome.tool, 0) + 1
    return ", ".join(f"{tool} ({count})" for tool, count in counts.items())
