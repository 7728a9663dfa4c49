"""Contenders in turn, round after round, and what comes out: medians, and medians of the ratios of each round."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from benchmarks.stage import Acceptor

__all__ = ["Contender", "Outcome", "Workload", "ratio", "run"]


@dataclass
class Contender:
    """One way to do the work.

    ``work`` does it once and gives what the requestor measured; ``amount`` says how much it was, in units.  ``acceptor``
    is metered from outside.  ``rounds`` bounds how often a slow one is run.
    """

    name: str
    work: Callable[[], dict[str, Any]]
    amount: float = 1.0
    acceptor: Acceptor | None = None
    rounds: int | None = None


@dataclass
class Workload:
    """Contenders at the same work.

    ``unit`` is that of the figures: a rate (``/s``, ``MB/s``), where more is better, or ``s``, ``ms`` where less is.
    ``references`` are the contenders that the ratios refer to.
    """

    name: str
    title: str
    unit: str
    contenders: list[Contender]
    references: tuple[str, ...] = ()

    @property
    def is_rate(self) -> bool:
        return self.unit.endswith("/s")


@dataclass
class Outcome:
    """What one contender did in all rounds."""

    name: str
    values: list[float | None] = field(default_factory=list)  #: one for each round, None where it was not run
    requestor: list[dict[str, Any]] = field(default_factory=list)
    acceptor: list[dict[str, Any]] = field(default_factory=list)

    @property
    def median(self) -> float | None:
        known = [value for value in self.values if value is not None]
        return median(known) if known else None

    def most(self, side: str, what: str) -> Any:
        """The median of a meter of one side; None if it has none."""
        known = [told[what] for told in getattr(self, side) if told.get(what) is not None]
        return median(known) if known else None


def run(
    workload: Workload, rounds: int, *, seconds: float, say: Callable[[str], None] = lambda text: None
) -> dict[str, Any]:
    """Run every contender once a round, in an order that turns, at most *seconds* in all; the result as JSON has it."""
    outcomes = {contender.name: Outcome(contender.name) for contender in workload.contenders}
    failures: dict[str, str] = {}
    load = os.getloadavg()[0]
    deadline = time.monotonic() + seconds
    done = 0
    for number in range(rounds):
        if number and time.monotonic() > deadline:
            break
        done += 1
        turn = number % len(workload.contenders)
        for contender in workload.contenders[turn:] + workload.contenders[:turn]:
            outcome = outcomes[contender.name]
            if contender.name in failures or (contender.rounds is not None and number >= contender.rounds):
                outcome.values.append(None)
                continue
            if contender.acceptor is not None:
                contender.acceptor.begin()
            try:
                told = contender.work()
            except (RuntimeError, OSError) as error:
                failures[contender.name] = str(error).strip().rpartition("\n")[2]
                outcome.values.append(None)
                continue
            if contender.acceptor is not None:
                outcome.acceptor.append(contender.acceptor.end())
            outcome.requestor.append(told)
            outcome.values.append(contender.amount / told["seconds"] if workload.is_rate else told["seconds"])
        say(f"{workload.name}: round {number + 1} of {rounds}")
    kept = [outcome for outcome in outcomes.values() if outcome.median is not None]
    return {
        "title": workload.title,
        "unit": workload.unit,
        "rounds": done,
        "load_before": round(load, 2),
        "failures": failures,
        "contenders": {
            outcome.name: {
                "median": outcome.median,
                "values": outcome.values,
                "ratios": {
                    reference: ratio(outcome, outcomes[reference])
                    for reference in workload.references
                    if reference in outcomes and reference != outcome.name
                },
                "requestor": {what: outcome.most("requestor", what) for what in ("cpu", "memory", "fairness")},
                "acceptor": {what: outcome.most("acceptor", what) for what in ("cpu", "memory")},
            }
            for outcome in kept
        },
    }


def ratio(one: Outcome, other: Outcome) -> float | None:
    """The median of the ratios of the rounds in which both ran; for a contender of fewer rounds, of the medians."""
    pairs = [(a, b) for a, b in zip(one.values, other.values, strict=True) if a is not None and b]
    if pairs:
        return median(a / b for a, b in pairs)
    return None
