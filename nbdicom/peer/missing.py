"""What a C-GET did not bring for want of a presentation context: which instances, and how to ask for them again.

One association has 128 contexts.  A peer may have more SOP Classes than that, and it may have instances in transfer
syntaxes that stood together with others in one context, of which the acceptor chose another one.  Such instances fail.
By C-FIND the peer says what they are (PS3.4 C.6.1.1, C.6.2.1); then they are asked for by name, on as many associations
as it takes, each transfer syntax in a context of its own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

from nbdicom.core.negotiation import MAX_CONTEXTS, Negotiation, PresentationContext
from nbdicom.peer.contexts import retrieve_contexts, single_contexts
from nbdicom.peer.line import Line
from nbdicom.peer.query import InformationModel, Level
from nbdicom.peer.selection import LIST_OF_UIDS, Target
from nbdicom.uids import storage_sop_classes

__all__ = ["Missing", "find_instances", "in_associations", "in_targets", "of_other_classes", "tried"]


@dataclass(frozen=True, slots=True)
class Missing:
    """One instance that a peer has, and did not send."""

    series: Mapping[str, str]  #: the unique keys above it
    sop_instance_uid: str
    sop_class_uid: str  #: "" where the peer does not say (SOP Class UID is an optional key)
    transfer_syntaxes: tuple[str, ...] = ()  #: in which the peer has it; empty where it does not say

    @property
    def contexts(self) -> list[PresentationContext]:
        """In which it may come."""
        return single_contexts(self.sop_class_uid, self.transfer_syntaxes)


def find_instances(line: Line, target: Target, model: InformationModel) -> Iterator[Missing]:
    """All instances of *target*, or below it, with their SOP Classes as far as the peer names them.

    From level to level, with the unique keys of all levels above: that is what every peer has to support (PS3.4 C.4.1.2.1).
    """
    from nbdicom.data import decode_columns

    def ask(level: Level, keys: Mapping[str, str], *more: str) -> list[tuple[Any, ...]]:
        names = (level.unique_key, *more)
        identifier = {"QueryRetrieveLevel": level.value, **keys, **dict.fromkeys(names, "")}
        with line.association().find(identifier, model=model.find) as responses:
            found = [(match.data, match.transfer_syntax) for match in responses]
        columns = decode_columns(found)
        return list(zip(*(columns.get(name, [None] * len(found)) for name in names), strict=True))

    parents = [{key: str(value) for key, value in target.keys.items() if key != Level.IMAGE.unique_key}]
    for level in (one for one in Level if target.level.depth < one.depth < Level.IMAGE.depth):
        parents = [
            {**keys, level.unique_key: uid}
            for keys in parents
            for uid in chain.from_iterable(_texts(value) for (value,) in ask(level, keys))
        ]
    named = frozenset(target.instances)
    for keys in parents:
        for uids, classes, syntaxes in ask(Level.IMAGE, keys, "SOPClassUID", "AvailableTransferSyntaxUID"):
            for uid in _texts(uids):
                if not named or uid in named:
                    yield Missing(keys, uid, (*_texts(classes), "")[0], _texts(syntaxes))


def _texts(value: object) -> tuple[str, ...]:
    """The values of a UID attribute, which may have none."""
    values = value if isinstance(value, (tuple, list)) else str(value or "").split("\\")
    return tuple(text for text in (str(one).strip(" \0") for one in values) if text)


def tried(negotiation: Negotiation) -> set[tuple[str, str]]:
    """SOP Classes with the transfer syntaxes in which instances could come, or which the peer does not take at all.

    Of the syntaxes of an accepted context only the chosen one was tried; those of a refused one were refused together.
    """
    return {
        (context.abstract_syntax, syntax)
        for context in negotiation.contexts
        for syntax in ((context.transfer_syntax,) if context.transfer_syntax is not None else context.proposed)
    }


def in_associations(
    missing: Iterable[Missing], known: Collection[tuple[str, str]], model: InformationModel
) -> list[tuple[list[PresentationContext], list[Target]]]:
    """What to propose and what to ask for, one association after the other.

    Parameters
    ----------
    missing : iterable of Missing
        What has not arrived.
    known : collection
        See `tried`: what has no other context to come in is not asked for again.
    model : InformationModel
        Its C-GET takes one context of each association.
    """
    get = PresentationContext(model.get)
    groups: list[tuple[dict[PresentationContext, None], list[Missing]]] = []
    for one in sorted(missing, key=lambda one: (one.sop_class_uid, one.transfer_syntaxes)):
        needed = [context for context in one.contexts if _is_new(context, known)] if one.sop_class_uid else []
        if not needed:
            continue
        if not groups or len({**groups[-1][0], **dict.fromkeys(needed)}) > MAX_CONTEXTS:
            groups.append(({get: None}, []))
        groups[-1][0].update(dict.fromkeys(needed))
        groups[-1][1].append(one)
    return [(list(contexts), in_targets(ones)) for contexts, ones in groups]


def of_other_classes(
    known: Collection[tuple[str, str]], model: InformationModel
) -> Iterator[list[PresentationContext]]:
    """For instances of a SOP Class that nobody names: every storage SOP Class that was not proposed yet."""
    proposed = {sop_class for sop_class, _ in known}
    others = [uid for uid in storage_sop_classes() if uid not in proposed]
    room = (MAX_CONTEXTS - 1) // 2  # two contexts for each
    for start in range(0, len(others), room):
        yield [PresentationContext(model.get), *retrieve_contexts(others[start : start + room])]


def _is_new(context: PresentationContext, known: Collection[tuple[str, str]]) -> bool:
    return all((context.abstract_syntax, syntax) not in known for syntax in context.transfer_syntaxes)


def in_targets(missing: Iterable[Missing]) -> list[Target]:
    """The requests for these instances: each for instances of one series."""
    series: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for one in missing:
        series.setdefault(tuple(one.series.items()), []).append(one.sop_instance_uid)
    return [
        Target(Level.IMAGE, {**dict(keys), Level.IMAGE.unique_key: tuple(uids[start : start + LIST_OF_UIDS])})
        for keys, uids in series.items()
        for start in range(0, len(uids), LIST_OF_UIDS)
    ]
