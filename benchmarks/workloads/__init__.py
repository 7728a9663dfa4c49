"""What is measured: a group of workloads in each module, by name in `GROUPS`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from benchmarks.rounds import Workload
from benchmarks.stage import Stage
from benchmarks.workloads import answers, associations, hostile, messages, objects, series, starting

__all__ = ["GROUPS"]

#: Name -> what prepares its workloads, one after the other; each is run before the next one is prepared.
GROUPS: Mapping[str, Callable[[Stage], Iterator[Workload]]] = {
    "echo": messages.echo,
    "associate": associations.associate,
    "store": objects.store,
    "durable": objects.durable,
    "large": objects.large,
    "find": answers.find,
    "answer": answers.answer,
    "retrieve": objects.retrieve,
    "together": associations.together,
    "idle": associations.idle,
    "link": messages.link,
    "start": starting.start,
    "index": series.index,
    "hostile": hostile.hostile,
}
