"""Bad input beside good: what a peer that sends in crumbs, or does not read, costs the acceptor and the others."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.rounds import Contender, Workload
from benchmarks.stage import Stage

#: What the bad peer does while a good one works.
HABITS = {
    "alone": "nothing: there is no other peer",
    "good": "it is a good one: it sends echoes, too, and waits for each answer",
    "segments": "it sends its messages in segments of one byte",
    "fragments": "it sends data sets in fragments of two bytes, 10 000 for each object",
    "length 8": "it announces a maximum length of 8, so that every answer goes out in crumbs",
    "no reading": "it asks for 10 000 answers and does not read them",
}


def hostile(stage: Stage) -> Iterator[Workload]:
    """Echoes of a good peer while a bad one is connected, and the acceptor's memory."""
    count = stage.size(2000, 30)
    contenders = []
    acceptor = stage.python("hostile", called="NBDICOM", folder=True)
    for name in HABITS if not stage.quick else ("alone", "good", "segments", "fragments"):

        def work(name: str = name) -> dict:
            return stage.run("hostile", "beside", habit=name, count=count, **acceptor.address)

        contenders.append(Contender(name, work, count, acceptor))
    yield Workload("hostile", "C-ECHO of a good peer beside a bad one", "/s", contenders, ("alone", "good"))
