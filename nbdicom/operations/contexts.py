"""Presentation contexts from what is to be sent, so that nobody has to know the word (PS3.8 9.3.2.2)."""

from __future__ import annotations

from collections.abc import Iterable

from nbdicom.core.negotiation import MAX_CONTEXTS, NegotiatedContext, Negotiation, PresentationContext
from nbdicom.errors import NoPresentationContext
from nbdicom.operations.requests import Codec, StorableInstance
from nbdicom.uids import DEFAULT_TRANSFER_SYNTAXES

__all__ = ["context_of_instance", "group_by_association", "storage_contexts"]


def storage_contexts(instances: Iterable[StorableInstance], codec: Codec) -> list[PresentationContext]:
    """Presentation contexts in which all *instances* can be sent.

    One context for each SOP Class and transfer syntax: a syntax in a context of its own is accepted or refused alone, so a
    peer that prefers another one (or takes just the first of a list) does not make us re-encode what it would have taken
    as it is.  Where a data set may be re-encoded without loss, the other default syntaxes follow in one more context.
    """
    contexts: dict[PresentationContext, None] = {}
    for instance in instances:
        contexts.update(dict.fromkeys(_contexts_of(instance, codec)))
    return list(contexts)


def _contexts_of(instance: StorableInstance, codec: Codec) -> list[PresentationContext]:
    syntax = instance.transfer_syntax
    others = tuple(s for s in DEFAULT_TRANSFER_SYNTAXES if s != syntax and codec.convertible(syntax, s))
    own = PresentationContext(instance.sop_class_uid, (syntax,))
    contexts = [own, PresentationContext(instance.sop_class_uid, others)] if others else [own]
    # An instance that may be transcoded says into what; each alone, as above, so that the best of them can be chosen.
    alternatives = [one for one in getattr(instance, "alternatives", ()) if one not in others]
    return contexts + [PresentationContext(instance.sop_class_uid, (one,)) for one in alternatives]


def context_of_instance(negotiation: Negotiation, instance: StorableInstance, codec: Codec) -> NegotiatedContext:
    """The accepted context in which *instance* goes best: as it is, else converted, else (if it says so) transcoded.

    Raises
    ------
    NoPresentationContext
        If there is none.
    """
    uid, syntax = instance.sop_class_uid, instance.transfer_syntax
    try:
        return negotiation.context_for(uid, syntax, convertible=codec.convertible)
    except NoPresentationContext:
        more = getattr(instance, "convertible", None)
        if more is None:
            raise
        return negotiation.context_for(uid, syntax, convertible=more)


def group_by_association(instances: Iterable[StorableInstance], codec: Codec) -> list[list[StorableInstance]]:
    """The instances in groups whose contexts fit into one association each, in their order."""
    groups: list[list[StorableInstance]] = []
    contexts: set[PresentationContext] = set()
    for instance in instances:
        needed = _contexts_of(instance, codec)
        contexts.update(needed)
        if not groups or len(contexts) > MAX_CONTEXTS:
            groups.append([])
            contexts = set(needed)
        groups[-1].append(instance)
    return groups
