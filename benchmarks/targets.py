"""What nbdicom wants to reach, each as a ratio of two contenders of one run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["TARGETS", "Target", "reached"]

Results = Mapping[str, Any]  #: workload name -> its result


@dataclass(frozen=True)
class Target:
    """``measure`` gives the figure, or None where it was not measured; ``limit`` is the least or the most it may be."""

    work: str
    limit: float
    what: str
    measure: Callable[[Results], float | None]
    at_most: bool = False

    def is_met(self, value: float) -> bool:
        return value <= self.limit if self.at_most else value >= self.limit


def _ratio(workload: str, contender: str, reference: str) -> Callable[[Results], float | None]:
    def measure(results: Results) -> float | None:
        found = results.get(workload, {}).get("contenders", {}).get(contender)
        return None if found is None else found["ratios"].get(reference)

    return measure


def _meter(
    workload: str, contender: str, side: str, what: str, scale: float = 1.0
) -> Callable[[Results], float | None]:
    def measure(results: Results) -> float | None:
        found = results.get(workload, {}).get("contenders", {}).get(contender)
        value = None if found is None else found[side].get(what)
        return None if value is None else value * scale

    return measure


_MB = 1 / (1 << 20)

TARGETS = (
    Target("C-ECHO, nbdicom to nbdicom", 0.6, "x raw Python", _ratio("echo", "nbdicom", "raw")),
    Target("C-ECHO, nbdicom to nbdicom", 30, "x pynetdicom", _ratio("echo", "nbdicom", "pynetdicom")),
    Target(
        "C-ECHO to DCMTK, which waits for acknowledgements", 100, "x a plain client",
        _ratio("echo", "nbdicom to DCMTK", "plain client to DCMTK"),
    ),
    Target(
        "C-ECHO to Orthanc, likewise", 100, "x a plain client",
        _ratio("echo", "nbdicom to Orthanc", "plain client to Orthanc"),
    ),
    Target("associations, 1 context", 30, "x pynetdicom", _ratio("associate-1", "nbdicom", "pynetdicom")),
    Target("associations, 1 context", 0.5, "x raw Python", _ratio("associate-1", "nbdicom", "raw")),
    Target("C-STORE, nbdicom to DCMTK, 16 384", 1.0, "x storescu", _ratio("store-16384", "nbdicom to DCMTK", "DCMTK")),
    Target("C-STORE, nbdicom to DCMTK, 131 072", 1.0, "x storescu", _ratio("store-131072", "nbdicom to DCMTK", "DCMTK")),
    *(
        Target(
            f"C-STORE, DCMTK to nbdicom, {length}", 1.0, f"x storescp {mode}",
            _ratio(f"store-{length.replace(' ', '')}", "DCMTK to nbdicom", other),
        )
        for mode, other in (("-B, its default", "DCMTK, decoding"), ("+B", "DCMTK"))
        for length in ("16 384", "131 072")
    ),
    Target(
        "C-STORE with full durability, 8 associations", 1.0, "x one fsync for each object",
        _ratio("durable", "nbdicom, 8 associations", "one fsync for each object"),
    ),
    Target(
        "the same, where a sync takes 5 ms more", 1.0, "x one fsync for each object",
        _ratio("durable-slow", "nbdicom, 8 associations", "one fsync for each object"),
    ),
    Target("C-STORE, nbdicom to nbdicom, 131 072", 0.7, "x raw copy", _ratio("store-131072", "nbdicom", "raw")),
    Target("C-STORE, nbdicom to nbdicom, 16 384", 0.5, "x raw copy", _ratio("store-16384", "nbdicom", "raw")),
    Target("C-STORE, nbdicom to nbdicom, 16 384", 0.95, "x DCMTK to DCMTK", _ratio("store-16384", "nbdicom", "DCMTK")),
    Target("C-STORE, nbdicom to nbdicom, 16 384", 10, "x pynetdicom", _ratio("store-16384", "nbdicom", "pynetdicom")),
    Target("C-STORE, nbdicom to nbdicom, 131 072", 10, "x pynetdicom", _ratio("store-131072", "nbdicom", "pynetdicom")),
    Target(
        "1.5 GB object, memory of the requestor", 64, "MB", _meter("large-1500", "nbdicom", "requestor", "memory", _MB),
        at_most=True,
    ),
    Target(
        "1.5 GB object, memory of the acceptor", 64, "MB", _meter("large-1500", "nbdicom", "acceptor", "memory", _MB),
        at_most=True,
    ),
    Target(
        "C-FIND into a DataFrame", 15, "x pynetdicom", _ratio("find", "nbdicom, DataFrame", "pynetdicom, DataFrame")
    ),
    Target("C-FIND acceptor, from the index", 5, "x pynetdicom", _ratio("answer", "nbdicom", "pynetdicom")),
    Target("C-FIND acceptor, from the index", 1.0, "x Orthanc", _ratio("answer", "nbdicom", "Orthanc")),
    Target("C-GET from dcmqrscp", 1.0, "x getscu -B, its default", _ratio("get", "nbdicom from DCMTK", "DCMTK, decoding")),
    Target("C-GET from dcmqrscp", 1.0, "x getscu +B", _ratio("get", "nbdicom from DCMTK", "DCMTK")),
    Target("100 associations that store at once", 3, "x pynetdicom", _ratio("together-100", "nbdicom", "pynetdicom")),
    Target(
        "100 associations, most to fewest objects", 2.0, "x", _meter("together-100", "nbdicom", "requestor", "fairness"),
        at_most=True,
    ),
    Target("200 idle associations, CPU", 0.0, "s", _meter("idle", "nbdicom", "requestor", "cpu"), at_most=True),
    Target(
        "200 idle associations, memory of each", 0.2, "MB", _meter("idle", "nbdicom", "requestor", "memory", _MB),
        at_most=True,
    ),
    Target("25 ms each way, window 32", 15, "x window 1", _ratio("link", "window 32", "window 1")),
    Target("10 ms round trip, 50 kB objects, window 16", 10, "x window 1", _ratio("small", "window 16", "window 1")),
    Target("import nbdicom", 0.3, "x import pydicom", _ratio("import", "import nbdicom", "import pydicom"), at_most=True),
    Target(
        "nbdicom echo, the whole process", 0.4, "x pynetdicom's echoscu",
        _ratio("command", "nbdicom echo", "pynetdicom echoscu"), at_most=True,
    ),
)  # fmt: skip


def reached(results: Results) -> list[dict[str, Any]]:
    """The targets with what was measured, as JSON has them."""
    rows = []
    for target in TARGETS:
        value = target.measure(results)
        rows.append(
            {
                "work": target.work,
                "target": f"{'<=' if target.at_most else '>='} {target.limit:g} {target.what}",
                "measured": value,
                "met": None if value is None else target.is_met(value),
            }
        )
    return rows
