"""Presentation contexts from what is to be sent, so that nobody has to know the word (PS3.8 9.3.2.2)."""

from __future__ import annotations

from collections.abc import Iterable

from nbdicom.core.negotiation import MAX_CONTEXTS, PresentationContext
from nbdicom.operations.requests import Codec, StorableInstance
from nbdicom.uids import DEFAULT_TRANSFER_SYNTAXES, UID

__all__ = ["group_by_association", "storage_contexts"]


def storage_contexts(instances: Iterable[StorableInstance], codec: Codec) -> list[PresentationContext]:
    """One context for each SOP Class and transfer syntax of the instances.

    A transfer syntax of its own context is accepted or refused alone, so that a peer which takes only the first syntax of
    a list cannot surprise us.  Where a data set may be re-encoded without loss, the default syntaxes are offered in the
    same context.
    """
    contexts: dict[tuple[UID, UID], PresentationContext] = {}
    for instance in instances:
        key = (instance.sop_class_uid, instance.transfer_syntax)
        if key not in contexts:
            others = (
                syntax
                for syntax in DEFAULT_TRANSFER_SYNTAXES
                if syntax != key[1] and codec.convertible(key[1], syntax)
            )
            contexts[key] = PresentationContext(key[0], (key[1], *others))
    return list(contexts.values())


def group_by_association(instances: Iterable[StorableInstance], codec: Codec) -> list[list[StorableInstance]]:
    """The instances in groups whose contexts fit into one association each, in their order."""
    groups: list[list[StorableInstance]] = []
    keys: set[tuple[UID, UID]] = set()
    for instance in instances:
        keys.add((instance.sop_class_uid, instance.transfer_syntax))
        if not groups or len(keys) > MAX_CONTEXTS:
            groups.append([])
            keys = {(instance.sop_class_uid, instance.transfer_syntax)}
        groups[-1].append(instance)
    return groups
