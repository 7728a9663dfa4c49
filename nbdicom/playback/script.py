"""What one side of a recorded connection says and hears, and how far that was played."""

from __future__ import annotations

from dataclasses import dataclass

from nbdicom.core.upper_layer import Role
from nbdicom.errors import TranscriptError
from nbdicom.table import Table, Tabular, printable
from nbdicom.trace.arrows import Arrow, Connection
from nbdicom.trace.pdvs import joined

__all__ = ["ReplayReport", "Turn", "script"]


@dataclass(frozen=True, slots=True)
class Turn:
    """One line of a script: say this, or wait until this is heard."""

    arrow: Arrow
    say: bool


@dataclass(frozen=True, slots=True, repr=False)
class ReplayReport(Tabular):
    """How far one connection was played; true if the peer did what the recorded one did, to the end.

    ``failure`` says what was heard instead, or not heard; it is empty where nothing failed.
    """

    title: str
    turns: tuple[Turn, ...]
    played: int
    failure: str = ""

    @property
    def ok(self) -> bool:
        """Whether the script was played to its end."""
        return not self.failure

    def __bool__(self) -> bool:
        return self.ok

    def table(self) -> Table:
        """One row for each line of the script."""
        rows, marks = [], []
        for number, turn in enumerate(self.turns):
            done = number < self.played
            failed = bool(self.failure) and number == self.played
            rows.append(
                (
                    f"[{turn.arrow.number}]",
                    "we say" if turn.say else "we hear",
                    printable(turn.arrow.label),
                    "as recorded" if done else self.failure if failed else "not reached",
                )
            )
            marks.append("ok" if done else "bad" if failed else "")
        verdict = "played to the end" if self.ok else f"ended after {self.played} of {len(self.turns)}"
        notes = [self.failure] if self.failure and self.played >= len(self.turns) else []
        return Table(f"{self.title}: {verdict}", ("arrow", "who", "what", "result"), rows, notes=notes, marks=marks)


def script(connection: Connection, role: Role) -> tuple[Turn, ...]:
    """What *role* says and hears on a recorded connection, in the order in which that side did.

    Raises
    ------
    TranscriptError
        If what it says was not recorded whole.
    """
    speaks_first = role is Role.REQUESTOR
    recorded = connection.requestor if speaks_first else connection.acceptor
    turns = []
    for arrow in connection.arrows:
        say = arrow.from_requestor == speaks_first
        mine, other = (arrow.sent_entry, arrow.received_entry) if say else (arrow.received_entry, arrow.sent_entry)
        if not say and recorded is not None and mine is None:
            continue  # it never came to this side
        if say and not (arrow.whole and (arrow.message is None or joined(arrow.pdus).whole)):
            raise TranscriptError(
                f"[{arrow.number}] {printable(arrow.label)} was not recorded whole, so it cannot be said again",
                hint="record with payload=None, and save that",
            )
        turns.append((mine if mine is not None else other or 0, Turn(arrow, say)))
    return tuple(turn for _, turn in sorted(turns, key=lambda pair: pair[0]))
