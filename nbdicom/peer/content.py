"""What a peer says that it has: its series with their counts, and the instances in them, asked by C-FIND.

From level to level, with the unique keys of all levels above: that is what every peer has to support (PS3.4 C.4.1.2.1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nbdicom.peer.calling import Line
from nbdicom.peer.query import InformationModel, Level
from nbdicom.peer.selection import Target

__all__ = ["Held", "HeldSeries", "find_instances", "instances_in", "series_in"]

_COUNT = "NumberOfSeriesRelatedInstances"


@dataclass(frozen=True, slots=True)
class Held:
    """One instance that a peer has."""

    series: Mapping[str, str]  #: the unique keys above it
    sop_instance_uid: str
    sop_class_uid: str  #: "" where the peer does not say (SOP Class UID is an optional key)
    transfer_syntaxes: tuple[str, ...] = ()  #: in which the peer has it; empty where it does not say


@dataclass(frozen=True, slots=True)
class HeldSeries:
    """One series that a peer has."""

    keys: Mapping[str, str]  #: the unique keys down to it
    counted: int | None = None  #: its instances by the peer's count; None where the peer does not count
    modality: str = ""


async def series_in(line: Line, target: Target, model: InformationModel) -> list[HeldSeries]:
    """The series of *target*: all that are below it, or the one that it is or lies in.

    Raises
    ------
    OperationFailed, AssociationError
        If the peer does not say.
    """
    parents = [target.down_to_series]
    for level in (one for one in Level if target.level.depth < one.depth < Level.SERIES.depth):
        parents = [
            {**keys, level.unique_key: uid}
            for keys in parents
            for values in await _ask(line, level, keys, model)
            for uid in _texts(values[0])
        ]
    return [
        HeldSeries({**keys, Level.SERIES.unique_key: uid}, _number(count), " ".join(_texts(modality)))
        for keys in parents
        for uids, count, modality in await _ask(line, Level.SERIES, keys, model, _COUNT, "Modality")
        for uid in _texts(uids)
    ]


async def instances_in(line: Line, series: Mapping[str, str], model: InformationModel) -> list[Held]:
    """The instances of one series, with their SOP Classes as far as the peer names them.

    Raises
    ------
    OperationFailed, AssociationError
        If the peer does not say.
    """
    found = await _ask(line, Level.IMAGE, series, model, "SOPClassUID", "AvailableTransferSyntaxUID")
    return [
        Held(series, uid, (*_texts(classes), "")[0], _texts(syntaxes))
        for uids, classes, syntaxes in found
        for uid in _texts(uids)
    ]


async def find_instances(line: Line, target: Target, model: InformationModel) -> list[Held]:
    """All instances of *target*, or below it.

    Raises
    ------
    OperationFailed, AssociationError
        If the peer does not say.
    """
    below = target.level.depth < Level.SERIES.depth
    series = [one.keys for one in await series_in(line, target, model)] if below else [target.down_to_series]
    named = frozenset(target.instances)
    return [
        held
        for keys in series
        for held in await instances_in(line, keys, model)
        if not named or held.sop_instance_uid in named
    ]


async def _ask(
    line: Line, level: Level, keys: Mapping[str, str], model: InformationModel, *more: str
) -> list[tuple[Any, ...]]:
    """The unique key of *level*, and *more*, of everything at that level below *keys*."""
    from nbdicom.data import decode_columns

    names = (level.unique_key, *more)
    identifier = {"QueryRetrieveLevel": level.value, **dict.fromkeys(names, ""), **keys}
    association = await line.association()
    async with association.find(identifier, model=model.find) as matches:
        found = [(match.data, match.transfer_syntax) async for match in matches]
    columns = decode_columns(found)
    return list(zip(*(columns.get(name, [None] * len(found)) for name in names), strict=True))


def _texts(value: object) -> tuple[str, ...]:
    """The values of an attribute, which may have none."""
    values = value if isinstance(value, (tuple, list)) else str(value or "").split("\\")
    return tuple(text for text in (str(one).strip(" \0") for one in values) if text)


def _number(value: object) -> int | None:
    text = str(value).strip(" \0")
    return int(text) if text.isascii() and text.isdigit() else None
