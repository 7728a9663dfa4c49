"""What a C-GET did not bring for want of a presentation context: which instances, and how to ask for them again.

One association has 128 contexts.  A peer may have more SOP Classes than that, and it may have instances in transfer
syntaxes that stood together with others in one context, of which the acceptor chose another one.  Such instances fail.
By C-FIND the peer says what they are (PS3.4 C.6.1.1, C.6.2.1); then they are asked for by name, on as many associations
as it takes, each transfer syntax in a context of its own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from nbdicom.core.negotiation import MAX_CONTEXTS, Negotiation, PresentationContext
from nbdicom.peer.content import Held
from nbdicom.peer.contexts import COMPRESSED, retrieve_contexts, single_contexts
from nbdicom.peer.query import LIST_OF_UIDS, InformationModel, Level
from nbdicom.peer.selection import Target
from nbdicom.uids import UID, storage_sop_classes

__all__ = [
    "in_associations",
    "in_targets",
    "of_other_classes",
    "of_other_syntaxes",
    "one_way",
    "tried",
    "why_none",
    "why_not",
]

_USUAL = 8  #: compressed transfer syntaxes that archives store; the rest is too rare to be looked for blindly


def tried(negotiation: Negotiation) -> set[tuple[str, str]]:
    """SOP Classes with the transfer syntaxes in which instances could come, or which the peer does not take at all.

    Of the syntaxes of an accepted context only the chosen one was tried; those of a refused one were refused together.
    """
    return {
        (context.abstract_syntax, syntax)
        for context in negotiation.contexts
        for syntax in ((context.transfer_syntax,) if context.transfer_syntax is not None else context.proposed)
    }


def one_way(negotiation: Negotiation) -> set[UID]:
    """SOP Classes that were accepted, but not with the role of SCP for us (PS3.7 D.3.3.4): no C-GET can bring them."""
    return {
        context.abstract_syntax
        for context in negotiation.contexts
        if context.accepted
        and not context.scp_role
        and context.roles_proposed is not None
        and context.roles_proposed[1]
    }


def in_associations(
    missing: Iterable[Held], known: Collection[tuple[str, str]], model: InformationModel
) -> list[tuple[list[PresentationContext], list[Target]]]:
    """What to propose and what to ask for, one association after the other.

    Parameters
    ----------
    missing : iterable of Held
        What has not arrived.
    known : collection
        See `tried`: what has no other context to come in is not asked for again.
    model : InformationModel
        Its C-GET takes one context of each association.
    """
    get = PresentationContext(model.get)
    groups: list[tuple[dict[PresentationContext, None], list[Held]]] = []
    for one in sorted(missing, key=lambda one: (one.sop_class_uid, one.transfer_syntaxes)):
        contexts = single_contexts(one.sop_class_uid, one.transfer_syntaxes) if one.sop_class_uid else []
        needed = [context for context in contexts if _is_new(context, known)]
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


def of_other_syntaxes(
    known: Collection[tuple[str, str]], model: InformationModel
) -> Iterator[list[PresentationContext]]:
    """For instances of which nobody names the SOP Class: the classes that were proposed, each compressed syntax alone.

    Of the syntaxes of one context only one was chosen; the others come one after the other, the usual ones for all classes
    first.
    """
    classes = sorted({sop_class for sop_class, _ in known} - {model.get})
    contexts = [
        PresentationContext(UID(uid), (syntax,), scu_role=False, scp_role=True)
        for syntax in COMPRESSED[:_USUAL]
        for uid in classes
        if (uid, syntax) not in known
    ]
    for start in range(0, len(contexts), MAX_CONTEXTS - 1):
        yield [PresentationContext(model.get), *contexts[start : start + MAX_CONTEXTS - 1]]


def why_none(declined: Collection[UID]) -> str:
    """In words why nothing could be tried for what did not come: the peer does not answer the C-FIND that would tell."""
    if declined:
        names = ", ".join(sorted(uid.name for uid in declined))
        return f"the peer refused us the role of SCP, in which we would receive it, for {names}: try move"
    return (
        "the peer does not say by C-FIND what that is, so no further presentation context could be proposed for it: "
        "try move, whose destination is proposed what each instance needs"
    )


def why_not(one: Held, declined: Collection[UID]) -> str:
    """In words what was tried for an instance that did not come after all, and what is left to be tried."""
    if one.sop_class_uid in declined:
        return why_none({UID(one.sop_class_uid)})
    if not one.sop_class_uid:
        return (
            "the peer names neither its SOP Class nor its transfer syntax; every storage SOP Class was proposed, and the "
            "usual compressed transfer syntaxes one by one, so it may be in a rare one: try move"
        )
    name = UID(one.sop_class_uid).name
    if not one.transfer_syntaxes:
        return (
            f"{name} was proposed in every transfer syntax: the peer has another reason; try move, or look into its log"
        )
    names = ", ".join(UID(syntax).name for syntax in one.transfer_syntaxes)
    return (
        f"{name} was proposed in the transfer syntax that the peer has it in ({names}): try move, or look into its log"
    )


def _is_new(context: PresentationContext, known: Collection[tuple[str, str]]) -> bool:
    return all((context.abstract_syntax, syntax) not in known for syntax in context.transfer_syntaxes)


def in_targets(missing: Iterable[Held]) -> list[Target]:
    """The requests for these instances: each for instances of one series."""
    series: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for one in missing:
        series.setdefault(tuple(one.series.items()), []).append(one.sop_instance_uid)
    return [
        Target(Level.IMAGE, {**dict(keys), Level.IMAGE.unique_key: tuple(uids[start : start + LIST_OF_UIDS])})
        for keys, uids in series.items()
        for start in range(0, len(uids), LIST_OF_UIDS)
    ]
