"""Plays a case against an SCP and counts: survived, hung, late, exact, flags."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from nbdicom.table import Table
from tests.hostile.cases import Case
from tests.hostile.player import NotApplicable, Observed, echoes, play
from tests.hostile.targets import Target

__all__ = ["LATE", "Playable", "Result", "Score", "as_markdown", "run_case", "table"]

_NOT_TRIED = ("not applicable", "not played")
LATE = 2.0  #: seconds after which an answer, or the echo of somebody else, is late


class Playable(Protocol):
    """A case of either list."""

    @property
    def name(self) -> str: ...
    @property
    def shall(self) -> bool: ...
    @property
    def timer(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Result:
    """One case on one peer."""

    case: Playable
    verdict: str  #: exact, different, silent, died, hung, not applicable, not played
    observed: str = ""
    flags: tuple[str, ...] = ()
    late: bool = False


@dataclass(slots=True)
class Score:
    """All cases on one peer."""

    name: str
    results: list[Result] = field(default_factory=list)

    def count(self, *verdicts: str, shall: bool = False) -> int:
        return sum(r.verdict in verdicts and (r.case.shall or not shall) for r in self.results)

    @property
    def tried(self) -> int:
        return len(self.results) - self.count(*_NOT_TRIED)

    @property
    def survived(self) -> int:
        return self.count("exact", "different", "silent")

    @property
    def shall(self) -> int:
        return sum(r.case.shall and r.verdict not in _NOT_TRIED for r in self.results)

    @property
    def flags(self) -> Counter[str]:
        return Counter(flag for r in self.results for flag in r.flags)

    @property
    def late(self) -> int:
        return sum(r.late for r in self.results)


def run_case(target: Target, case: Case, *, patience: float = 3.0) -> Result:
    """Play one case, and see whether somebody else is served after it."""
    before = target.memory()
    try:
        observed = play(
            target.address, target.called, case, patience=patience, timers=2 * target.timers, absolute=target.absolute
        )
    except NotApplicable as reason:
        return Result(case, "not applicable", str(reason))
    except OSError as error:
        observed = Observed()
        shown = f"cannot connect: {error.strerror or type(error).__name__}"
    else:
        shown = str(observed)
    seconds = echoes(target.address, target.called, 10.0)
    if not target.alive():
        verdict = "died"
    elif seconds is None:
        verdict = "hung"
    elif observed.events and observed.events[0].kind == "SILENT":
        verdict = "silent"
    else:
        verdict = "exact" if case.answer.fits(observed.events) else "different"
    late = not case.timer and (observed.seconds > LATE or (seconds or 0.0) > LATE)
    return Result(case, verdict, shown, tuple(target.flags(before)), late)


def table(title: str, what: str, scores: Sequence[Score]) -> Table:
    """The scores side by side; *what* the peers are."""
    rows = []
    for score in scores:
        exact, shall = score.count("exact", shall=True), score.shall
        flags = ", ".join(f"{count} {flag}" for flag, count in sorted(score.flags.items()))
        rows.append(
            (
                score.name,
                score.tried,
                score.survived,
                score.count("died"),
                score.count("hung"),
                score.count("silent"),
                score.late,
                f"{exact} of {shall} ({100 * exact / max(shall, 1):.0f} %)",
                f"{score.count('exact')} of {score.tried}",
                flags or "none",
            )
        )
    columns = (what, "inputs", "survived", "died", "hung", "silent", "late", 'exact ("shall")', "exact (all)", "flags")
    return Table(title, columns, rows)


def as_markdown(shown: Table) -> str:
    """A table for a page."""
    lines = [" | ".join(map(str, row)) for row in (shown.columns, ["---"] * len(shown.columns), *shown.rows)]
    return "\n".join(f"| {line} |" for line in lines)
