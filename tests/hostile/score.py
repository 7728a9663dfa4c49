"""Plays all cases against one SCP and counts: survived, hung, late, exact, flags."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from nbdicom.table import Table
from tests.hostile.cases import Case
from tests.hostile.player import NotApplicable, Observed, echoes, play
from tests.hostile.targets import Target

__all__ = ["Result", "Score", "run", "table"]

LATE = 2.0  #: seconds after which an answer, or the echo of somebody else, is late


@dataclass(frozen=True, slots=True)
class Result:
    """One case on one SCP."""

    case: Case
    verdict: str  #: exact, different, silent, died, hung, not applicable
    observed: str = ""
    flags: tuple[str, ...] = ()
    late: bool = False


@dataclass(slots=True)
class Score:
    """All cases on one SCP."""

    name: str
    results: list[Result] = field(default_factory=list)

    def count(self, *verdicts: str, shall: bool = False) -> int:
        return sum(r.verdict in verdicts and (r.case.shall or not shall) for r in self.results)

    @property
    def tried(self) -> int:
        return len(self.results) - self.count("not applicable")

    @property
    def survived(self) -> int:
        return self.count("exact", "different", "silent")

    @property
    def shall(self) -> int:
        return sum(r.case.shall and r.verdict != "not applicable" for r in self.results)

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
        observed = play(target.address, target.called, case, patience=patience, timers=2 * target.timers)
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


def run(
    target: Target,
    cases: Sequence[Case],
    *,
    restart: Callable[[], None] = lambda: None,
    told: Callable[[Result], None] = lambda result: None,
) -> Score:
    """Play all cases; *restart* is called when the peer has died or hangs."""
    score = Score(target.name)
    for case in cases:
        result = run_case(target, case)
        score.results.append(result)
        told(result)
        if result.verdict in ("died", "hung"):
            restart()
    return score


def table(scores: Sequence[Score]) -> Table:
    """The scores side by side."""
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
    columns = ("SCP", "inputs", "survived", "died", "hung", "silent", "late", 'exact ("shall")', "exact (all)", "flags")
    return Table("Malformed and hostile input", columns, rows)
