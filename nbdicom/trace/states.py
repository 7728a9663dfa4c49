"""The path of one side through the state machine: drawn, and in the cells of Table 9-10 (PS3.8 9.2)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from html import escape
from math import inf
from typing import TYPE_CHECKING

from nbdicom.core.machine import TABLE, Action, Evt, Sta
from nbdicom.core.pdu import PDataTF
from nbdicom.core.trace import PDUReceived, PDUSent, Transition
from nbdicom.core.upper_layer import Role
from nbdicom.errors import LocalProtocolError
from nbdicom.table import Table, Tabular
from nbdicom.trace.diagram import state_diagram
from nbdicom.trace.page import page, with_fallback

if TYPE_CHECKING:
    import pandas

    from nbdicom.trace.recording import Entry, Recording, TracedAssociation

__all__ = ["StatePath", "Step", "state_path"]


@dataclass(frozen=True, slots=True)
class Step:
    """One cell of Table 9-10 that was gone through, ``times`` in a row."""

    seconds: float  #: since the beginning of this path
    before: Sta
    event: Evt
    action: Action
    after: Sta
    times: int = 1


@dataclass(frozen=True, slots=True, repr=False)
class StatePath(Tabular):
    """The steps of one side of one association.

    In the established association each P-DATA-TF is an event, too (Evt9, Evt10); those of one stay in a state are counted.
    """

    title: str
    steps: tuple[Step, ...]

    @property
    def states(self) -> list[Sta]:
        """The states in the order in which they were come to, from the first on."""
        if not self.steps:
            return []
        return [self.steps[0].before, *(s.after for s in self.steps if s.after is not s.before)]

    def table(self) -> Table:
        """One row for each step, in words."""
        rows = [
            (
                number,
                f"{step.seconds * 1000:.2f}",
                str(step.before),
                f"{step.event}{_times(step)}",
                step.event.meaning,
                str(step.action),
                step.action.meaning,
                str(step.after),
            )
            for number, step in enumerate(self.steps, 1)
        ]
        columns = ("step", "ms", "state", "event", "meaning", "action", "does", "next")
        return Table(self.title, columns, rows, notes=[self._line()])

    def _line(self) -> str:
        return " \N{RIGHTWARDS ARROW} ".join(map(str, self.states))

    def to_frame(self) -> pandas.DataFrame:
        """One row for each step."""
        import pandas

        rows = [
            (
                s.seconds,
                str(s.before),
                str(s.event),
                s.event.meaning,
                str(s.action),
                s.action.meaning,
                str(s.after),
                s.times,
            )
            for s in self.steps
        ]
        columns = ["seconds", "state", "event", "meaning", "action", "does", "next", "times"]
        return pandas.DataFrame(rows, columns=columns)

    def _repr_html_(self) -> str:
        drawn = with_fallback(f"{self.title}\n{self._line()}", self._drawing())
        return drawn + page(self._grid()) + self.table()._repr_html_()

    def _drawing(self) -> str:
        """The states, and the transitions of the path with the numbers of their steps."""
        taken: dict[tuple[Sta, Sta], list[str]] = {}
        for number, step in enumerate(self.steps, 1):
            words = f"[{number}] {step.event} {step.action}{_times(step)}"
            taken.setdefault((step.before, step.after), []).append(words)
        now = self.steps[-1].after if self.steps else None
        return state_diagram(taken, now, f"State machine. {self.title}. Path: {self._line()}")

    def _grid(self) -> str:
        """Table 9-10; a cell on the path says at which steps."""
        been: dict[tuple[Evt, Sta], list[str]] = {}
        for number, step in enumerate(self.steps, 1):
            been.setdefault((step.event, step.before), []).append(f"{number}{_times(step)}")
        now = self.steps[-1].after if self.steps else None
        head = "".join(
            f"<th scope='col' title='{escape(sta.meaning, quote=True)}' class='{'now' if sta is now else ''}'>"
            f"{sta}{' (now)' if sta is now else ''}</th>"
            for sta in Sta
        )
        body = "".join(
            f"<tr><th scope='row' title='{escape(evt.meaning, quote=True)}'>{evt}</th>"
            + "".join(_cell(evt, sta, been.get((evt, sta))) for sta in Sta)
            + "</tr>"
            for evt in Evt
        )
        caption = f"{escape(self.title)}; in brackets the steps that came through a cell of PS3.8 Table 9-10"
        return (
            f"<table class='nbd-grid'><caption>{caption}</caption>"
            f"<thead><tr><th></th>{head}</tr></thead><tbody>{body}</tbody></table>"
        )


def _times(step: Step) -> str:
    return f"\N{MULTIPLICATION SIGN}{step.times}" if step.times > 1 else ""


def _cell(evt: Evt, sta: Sta, been: list[str] | None) -> str:
    action = TABLE.get((evt, sta))
    if action is None:
        return "<td class='none'>.</td>"
    title = escape(action.meaning, quote=True)
    if been:
        return f"<td class='been' title='{title}'>{action} [{', '.join(been)}]</td>"
    return f"<td title='{title}'>{action}</td>"


def state_path(recording: Recording, association: int | None, until: int | None = None) -> StatePath:
    """The path of the side with this number, or of the first one, as far as the arrow *until*.

    Raises
    ------
    LocalProtocolError
        If there is no such side.
    """
    side = next((a for a in recording.associations if association in (None, a.number)), None)
    if side is None:
        there = ", ".join(str(a.number) for a in recording.associations) or "none"
        raise LocalProtocolError(f"no association {association} in this recording", hint=f"there are: {there}")
    end = inf if until is None else _end(recording, side, until)
    steps = _steps(side, [entry for entry in recording.entries if entry.number < end])
    now = side.state if until is None else steps[-1].after if steps else Sta.STA1
    return StatePath(_title(side, now), steps)


def _end(recording: Recording, side: TracedAssociation, until: int) -> float:
    """The number of the event with which the next arrow after *until* begins, for this side."""
    connection = next(c for c in recording.connections if side in c.sides)
    requestor = side.role is Role.REQUESTOR
    ends = (
        a.sent_entry if a.from_requestor == requestor else a.received_entry
        for a in connection.arrows
        if a.number > until
    )
    return next((number for number in ends if number is not None), inf)


def _title(side: TracedAssociation, now: Sta) -> str:
    whom = f" with {side.peer}" if side.peer else ""
    return f"Association {side.number}, {side.role}{whom}: {now} now, {now.meaning}"


def _steps(side: TracedAssociation, entries: Iterable[Entry]) -> tuple[Step, ...]:
    steps: list[Step] = []
    counted: dict[Evt, int] = {}  # steps of P-DATA-TF in this stay in a state
    state = None
    start = side.began or 0.0
    for entry in entries:
        event = entry.event
        if entry.association != side.number:
            continue
        if isinstance(event, Transition):
            steps.append(Step(event.time - start, event.before, event.event, event.action, event.after))
            state, counted = event.after, {}
        elif isinstance(event, PDUSent | PDUReceived) and event.pdu_type == PDataTF.pdu_type and state is not None:
            evt = Evt.EVT9 if isinstance(event, PDUSent) else Evt.EVT10
            action = TABLE.get((evt, state))
            if action is None or action not in _TRANSFER:
                continue  # its transition is told by itself
            if evt in counted:
                at = counted[evt]
                steps[at] = replace(steps[at], times=steps[at].times + 1)
            else:
                counted[evt] = len(steps)
                steps.append(Step(event.time - start, state, evt, action, state))
    return tuple(steps)


_TRANSFER: Sequence[Action] = (Action.DT_1, Action.DT_2, Action.AR_6, Action.AR_7)
