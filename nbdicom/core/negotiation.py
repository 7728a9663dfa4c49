"""Association negotiation: what is proposed, what the acceptor makes of it, and the result as a table.

`propose` makes the A-ASSOCIATE-RQ of a `Proposal`; `negotiate` is the acceptor's answer to one by its own order of
preference; `conclude` is what the requestor reads in the answer.  Both sides end with a `Negotiation`
(PS3.8 7.1.1.13 to 7.1.1.14 and 9.3, PS3.7 Annex D.3).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

from nbdicom.config import OperationsWindow
from nbdicom.core.extended import agreed as agreed_information
from nbdicom.core.extended import options_of, raw
from nbdicom.core.identity import UserIdentity
from nbdicom.core.memo import by_identity
from nbdicom.core.pdu import (
    DICOM_APPLICATION_CONTEXT,
    AAssociateAC,
    AAssociateRJ,
    AAssociateRQ,
    AbstractSyntax,
    ApplicationContext,
    AsynchronousOperationsWindow,
    ContextResult,
    ImplementationClassUID,
    ImplementationVersionName,
    Item,
    MaximumLength,
    PresentationContextAC,
    PresentationContextRQ,
    SCPSCURoleSelection,
    SOPClassCommonExtendedNegotiation,
    SOPClassExtendedNegotiation,
    TransferSyntaxItem,
    UserIdentityAC,
    UserIdentityRQ,
    UserInformation,
    encode_pdu,
    every,
    is_remembered,
    user_information,
)
from nbdicom.core.presentation import (
    DEFAULT_MAXIMUM_LENGTH,
    MAX_CONTEXTS,
    STORAGE_SERVICE_CLASS,
    ContextLike,
    NegotiatedContext,
    Negotiation,
    PresentationContext,
    Proposal,
    Support,
    context_of,
    contexts_of,
)
from nbdicom.errors import LocalProtocolError, RemoteProtocolError
from nbdicom.uids import DEFAULT_TRANSFER_SYNTAXES, UID

__all__ = [
    "IMPLEMENTATION_CLASS_UID",
    "IMPLEMENTATION_VERSION_NAME",
    "MAX_CONTEXTS",
    "ContextLike",
    "NegotiatedContext",
    "Negotiation",
    "PresentationContext",
    "Proposal",
    "Support",
    "application_context_known",
    "conclude",
    "context_of",
    "contexts_of",
    "negotiate",
    "propose",
    "title_problem",
]

#: 2.25 and a UUID made once for this implementation: unique without a registered root (PS3.5 B.2).
IMPLEMENTATION_CLASS_UID = UID("2.25.313577215190268403958720149635274108837")
IMPLEMENTATION_VERSION_NAME = "NBDICOM_0_1"

_MOST_REMEMBERED = 64  #: proposals
_ACCEPTANCE = ContextResult.ACCEPTANCE

#: A context as the acceptor sees it: ID, abstract syntax, transfer syntaxes proposed, result, transfer syntax chosen.
_Chosen = tuple[int, UID, tuple[UID, ...], ContextResult, UID | None]


# ------------------------------------------------------------------------------- requestor


def propose(proposal: Proposal) -> AAssociateRQ:
    """The A-ASSOCIATE-RQ of a proposal: context IDs 1, 3, 5 ... in the order given.

    Raises
    ------
    LocalProtocolError
        If there is no context, more than 128, one without transfer syntax, an AE title that the standard forbids, or what
        does not fit into its field (a user identity of 64 KiB, say).
    """
    for title in (proposal.called_ae_title, proposal.calling_ae_title):
        if problem := title_problem(title):
            raise LocalProtocolError(f"AE title {title!r} {problem} [PS3.5 6.2]")
    what = proposal.contexts, proposal.max_length_received, proposal.window
    try:
        items = _proposed_again(*what)
    except TypeError:  # with a list in it, say: it may be another one the next time
        items = _proposed(*what)
    if proposal.identity is not None or proposal.user_items:
        ours = list(user_information(items).items)
        if proposal.identity is not None:
            ours.append(proposal.identity.item())
        items = _fitting((*items[:-1], UserInformation(items=(*_in_order(*ours), *proposal.user_items))))
    return AAssociateRQ(
        called_ae_title=proposal.called_ae_title, calling_ae_title=proposal.calling_ae_title, items=items
    )


def _proposed(
    proposed: tuple[PresentationContext, ...], max_length_received: int, window: OperationsWindow
) -> tuple[Item, ...]:
    """The items of an A-ASSOCIATE-RQ, but for who the user is."""
    if not 1 <= len(proposed) <= MAX_CONTEXTS:
        raise LocalProtocolError(f"{len(proposed)} presentation contexts; 1 to {MAX_CONTEXTS} are possible")
    contexts: list[Item] = []
    # One item of each kind for a SOP Class, however many contexts it has.
    about: dict[tuple[type[Item], UID], Item] = {}
    for index, context in enumerate(proposed):
        if not context.transfer_syntaxes:
            raise LocalProtocolError(f"presentation context for {context.abstract_syntax.name} without transfer syntax")
        contexts.append(
            PresentationContextRQ(
                context_id=2 * index + 1,
                items=(
                    AbstractSyntax(abstract_syntax_name=context.abstract_syntax),
                    *(TransferSyntaxItem(transfer_syntax_name=syntax) for syntax in context.transfer_syntaxes),
                ),
            )
        )
        for item in _class_items(context):
            about[type(item), context.abstract_syntax] = item
    ours = _in_order(*_our_items(max_length_received), *_window_item(window), *about.values())
    return _fitting((ApplicationContext(), *contexts, UserInformation(items=ours)))


_proposed_again = lru_cache(_MOST_REMEMBERED)(_proposed)


def _fitting(items: tuple[Item, ...]) -> tuple[Item, ...]:
    """The items, if each fits into its fields: that is said now, and not when a connection stands."""
    encode_pdu(AAssociateRQ(called_ae_title="", calling_ae_title="", items=items))
    return items


def _class_items(context: PresentationContext) -> list[Item]:
    """Roles, extended and common extended negotiation of one SOP Class."""
    items: list[Item] = []
    uid = context.abstract_syntax
    if context.scu_role is not None or context.scp_role is not None:
        scu, scp = int(context.scu_role is not False), int(bool(context.scp_role))
        items.append(SCPSCURoleSelection(sop_class_uid=uid, scu_role=scu, scp_role=scp))
    if context.extended is not None:
        items.append(
            SOPClassExtendedNegotiation(
                sop_class_uid=uid, service_class_application_information=raw(context.extended, uid)
            )
        )
    if context.service_class_uid is not None or context.related_general_sop_classes:
        items.append(
            SOPClassCommonExtendedNegotiation(
                sop_class_uid=uid,
                service_class_uid=context.service_class_uid or STORAGE_SERVICE_CLASS,
                related_general_sop_class_identification=context.related_general_sop_classes,
            )
        )
    return items


class _Said:
    """What an A-ASSOCIATE-RQ or -AC says in its user information, of the association and of SOP Classes."""

    def __init__(self, info: UserInformation) -> None:
        self.first = info.first
        self.roles = {r.sop_class_uid: (bool(r.scu_role), bool(r.scp_role)) for r in info.every(SCPSCURoleSelection)}
        self.extended = {
            e.sop_class_uid: e.service_class_application_information for e in info.every(SOPClassExtendedNegotiation)
        }
        self.common = {c.sop_class_uid: c for c in info.every(SOPClassCommonExtendedNegotiation)}

    @property
    def identity(self) -> UserIdentity | None:
        item = self.first(UserIdentityRQ)
        return UserIdentity.of(item) if item else None

    def related(self, uid: UID) -> tuple[UID, ...]:
        common = self.common.get(uid)
        return tuple(map(UID, common.related_general_sop_class_identification)) if common else ()

    def context(
        self,
        context_id: int,
        uid: UID,
        proposed: tuple[UID, ...],
        result: ContextResult | int = ContextResult.NO_REASON,
        transfer_syntax: UID | None = None,
        answer: _Said | None = None,
    ) -> NegotiatedContext:
        """A context for the SOP Class *uid*, with what we say of it and what the *answer* says to that."""
        roles, extended, common = self.roles.get(uid), self.extended.get(uid), self.common.get(uid)
        answered = answer.extended.get(uid) if answer and extended is not None else None
        final = _agree(roles, answer.roles.get(uid) if answer else None)
        return NegotiatedContext(
            context_id=context_id,
            abstract_syntax=uid,
            proposed=proposed,
            result=result,
            transfer_syntax=transfer_syntax,
            scu_role=final[0],
            scp_role=final[1],
            roles_proposed=roles,
            extended_proposed=None if extended is None else options_of(uid, extended),
            extended=None if answered is None else options_of(uid, answered),
            service_class_uid=common.service_class_uid if common else None,
            related_general_sop_classes=self.related(uid),
        )


def conclude(rq: AAssociateRQ, answer: AAssociateAC | AAssociateRJ) -> Negotiation:
    """What the requestor knows after the answer to its request.

    Raises
    ------
    RemoteProtocolError
        If the answer has no usable maximum length.
    """
    calling, called = rq.calling_ae_title, rq.called_ae_title
    if isinstance(answer, AAssociateRJ):
        offered = _Said(rq.user_information)
        return Negotiation(
            calling_ae_title=calling,
            called_ae_title=called,
            requestor=True,
            contexts=tuple(
                offered.context(context.context_id, context.abstract_syntaxes[0], context.transfer_syntaxes)
                for context in rq.presentation_contexts
            ),
            identity=offered.identity,
            rejection=(int(answer.result), int(answer.source), answer.reason_diag),
        )
    concluded = _concluded(rq.items, answer.items)
    quirks = concluded.quirks
    if (answer.called_ae_title, answer.calling_ae_title) != (called, calling):
        quirks += ("answers with other AE titles than it was called with, which are not tested (PS3.8 9.3.3)",)
    if not answer.protocol_version & 1:
        quirks += (f"accepts with the protocol version {answer.protocol_version}, without bit 0 (PS3.8 9.3.3)",)
    return replace(concluded, calling_ae_title=calling, called_ae_title=called, quirks=quirks)


@by_identity(lambda result, asked, answered: not (is_remembered(asked) and is_remembered(answered)))
def _concluded(asked: tuple[Item, ...], answered: tuple[Item, ...]) -> Negotiation:
    """What comes of it whatever the titles are."""
    offered = _Said(user_information(asked))
    info = user_information(answered)
    agreed = _Said(info)
    answers = every(answered, PresentationContextAC)
    replies = {reply.context_id: reply for reply in answers}
    contexts = {}
    for proposed in every(asked, PresentationContextRQ):
        context_id, syntaxes = proposed.context_id, proposed.transfer_syntaxes
        result: ContextResult | int = ContextResult.NO_REASON
        syntax = None
        if (reply := replies.get(context_id)) is not None:
            # The transfer syntax of a refused context is not significant (PS3.8 9.3.3.2), and one that was not proposed
            # cannot be used.
            result = reply.result
            if result == _ACCEPTANCE and (named := reply.transfer_syntax) in syntaxes:
                syntax = named
        uid = proposed.abstract_syntaxes[0]
        contexts[context_id] = offered.context(context_id, uid, syntaxes, result, syntax, agreed)
    confirmed, identity = agreed.first(UserIdentityAC), offered.identity
    maximum = offered.first(MaximumLength)
    return Negotiation(
        calling_ae_title="",
        called_ae_title="",
        requestor=True,
        contexts=tuple(contexts.values()),
        max_length_send=_maximum_length(agreed),
        max_length_received=maximum.maximum_length_received if maximum else 0,
        window=_window(offered, agreed, requestor=True),
        window_proposed=_window_proposed(offered, requestor=True),
        peer_implementation_class_uid=_class_uid(agreed),
        peer_implementation_version_name=_version_name(agreed),
        identity=identity,
        identity_response=confirmed.server_response if confirmed and identity and identity.positive_response else None,
        user_items=info.items,
        quirks=_quirks_of_answer(answers, contexts, offered, agreed),
    )


def _quirks_of_answer(
    answers: Sequence[PresentationContextAC],
    contexts: Mapping[int, NegotiatedContext],
    offered: _Said,
    agreed: _Said,
) -> tuple[str, ...]:
    """What an acceptor does that the standard does not provide for; none of it is a reason to give up."""
    quirks = []
    missing = dict.fromkeys(contexts)
    for reply in answers:
        context_id, result = reply.context_id, reply.result
        missing.pop(context_id, None)
        context = contexts.get(context_id)
        if context is None:
            quirks.append(f"answers presentation context {context_id}, which was not proposed")
        elif result == _ACCEPTANCE:
            syntax = reply.transfer_syntax
            if syntax not in context.proposed:
                what = f"{syntax.name}, which was not proposed" if syntax else "no transfer syntax"
                quirks.append(f"accepts presentation context {context_id} with {what}: it cannot be used")
        elif reply.transfer_syntax is None:
            quirks.append(f"leaves the transfer syntax out of presentation context {context_id}, which it refuses")
        if not 0 <= result <= 4:
            quirks.append(f"answers presentation context {context_id} with the reserved result {int(result)}")
    if missing:
        quirks.append(
            f"does not answer the presentation contexts {', '.join(map(str, missing))}: they count as refused"
        )
    for uid, roles in agreed.roles.items():
        if (was := offered.roles.get(uid)) is None:
            quirks.append(f"answers roles for {uid.name}, for which none were offered")
        elif (roles[0] and not was[0]) or (roles[1] and not was[1]):
            quirks.append(f"accepts a role for {uid.name} that was not offered")
    identity = offered.first(UserIdentityRQ)
    if agreed.first(UserIdentityAC) and not (identity and identity.positive_response_requested):
        quirks.append("confirms a user identity although nobody asked it to")
    given, wanted = agreed.first(AsynchronousOperationsWindow), offered.first(AsynchronousOperationsWindow)
    if given and not wanted:
        quirks.append("answers an operations window that was not proposed: 1 holds")
    return (*quirks, *_quirks_of_user_information(agreed))


def _quirks_of_user_information(info: _Said) -> tuple[str, ...]:
    quirks = []
    if info.first(MaximumLength) is None:
        quirks.append(f"announces no maximum length: {DEFAULT_MAXIMUM_LENGTH} is assumed")
    if info.first(ImplementationClassUID) is None:
        quirks.append("gives no implementation class UID")
    return tuple(quirks)


# ------------------------------------------------------------------------------- acceptor


def negotiate(
    rq: AAssociateRQ, support: Support, user_items: tuple[Item, ...] = ()
) -> tuple[AAssociateAC, Negotiation]:
    """The acceptor's answer to *rq*, by its own order of preference, and what it will know of the association.

    Raises
    ------
    RemoteProtocolError
        If the request breaks a rule that leaves nothing to negotiate: context IDs that are even, zero or used twice, a
        context without exactly one abstract syntax, a maximum length into which no fragment fits.
    """
    calling, called = rq.calling_ae_title, rq.called_ae_title
    answer, agreement = _negotiated(rq.items, support, user_items)
    quirks = agreement.quirks if calling else (*agreement.quirks, "calls itself by a blank AE title (PS3.8 9.3.2)")
    ac = AAssociateAC(called_ae_title=called, calling_ae_title=calling, reserved_2=rq.reserved_2, items=answer)
    return ac, replace(agreement, calling_ae_title=calling, called_ae_title=called, quirks=quirks)


@by_identity(lambda result, asked, support, user_items: bool(user_items) or not is_remembered(asked))
def _negotiated(
    asked: tuple[Item, ...], support: Support, user_items: tuple[Item, ...]
) -> tuple[tuple[Item, ...], Negotiation]:
    """The items of the answer, and what comes of it whatever the titles are."""
    info = user_information(asked)
    offered = _Said(info)
    answers: list[Item] = []
    chosen: list[_Chosen] = []
    about: dict[tuple[type[Item], UID], Item] = {}
    shown: dict[UID, tuple[Item, ...]] = {}  # one item for each transfer syntax
    seen: set[int] = set()
    for proposed in every(asked, PresentationContextRQ):
        abstract_syntax, syntaxes = _one_abstract_syntax(proposed, seen), proposed.transfer_syntaxes
        ours = support.for_syntax(abstract_syntax, offered.related(abstract_syntax))
        result, syntax = _choose(syntaxes, ours)
        if ours is not None and result is _ACCEPTANCE:
            for item in _class_answers(abstract_syntax, offered, ours):
                about[type(item), abstract_syntax] = item
        # A refused context still carries a transfer syntax item, which nobody tests (PS3.8 9.3.3.2).
        name = syntax or (syntaxes[0] if syntaxes else DEFAULT_TRANSFER_SYNTAXES[1])
        if name not in shown:
            shown[name] = (TransferSyntaxItem(transfer_syntax_name=name),)
        answers.append(PresentationContextAC(context_id=proposed.context_id, result=result, items=shown[name]))
        chosen.append((proposed.context_id, abstract_syntax, syntaxes, result, syntax))
    answer_info = UserInformation(
        items=_in_order(
            *_our_items(support.max_length_received),
            *_window_answer(offered, support.window),
            *about.values(),
            *user_items,
        )
    )
    agreed = _Said(answer_info)
    confirmed = agreed.first(UserIdentityAC)
    return (ApplicationContext(), *answers, answer_info), Negotiation(
        calling_ae_title="",
        called_ae_title="",
        requestor=False,
        contexts=tuple([offered.context(*context, agreed) for context in chosen]),
        max_length_send=_maximum_length(offered),
        max_length_received=support.max_length_received,
        window=_window(offered, agreed, requestor=False),
        window_proposed=_window_proposed(offered, requestor=False),
        peer_implementation_class_uid=_class_uid(offered),
        peer_implementation_version_name=_version_name(offered),
        identity=offered.identity,
        identity_response=confirmed.server_response if confirmed else None,
        user_items=info.items,
        quirks=_quirks_of_request(chosen, offered),
    )


def _one_abstract_syntax(proposed: PresentationContextRQ, seen: set[int]) -> UID:
    if not proposed.context_id & 1 or proposed.context_id in seen:
        raise RemoteProtocolError(
            f"presentation context ID {proposed.context_id}, which is even or used twice",
            rule="PS3.8 9.3.2.2",
            reason_diag=6,
        )
    seen.add(proposed.context_id)
    named = proposed.abstract_syntaxes
    if len(named) != 1:
        raise RemoteProtocolError(
            f"presentation context with {len(named)} abstract syntaxes", rule="PS3.8 9.3.2.2", reason_diag=6
        )
    return named[0]


def _choose(proposed: tuple[UID, ...], ours: PresentationContext | None) -> tuple[ContextResult, UID | None]:
    """The first transfer syntax of our own list that was proposed."""
    if ours is None or not ours.transfer_syntaxes:
        return ContextResult.ABSTRACT_SYNTAX_NOT_SUPPORTED, None
    for syntax in ours.transfer_syntaxes:
        if syntax in proposed:
            return _ACCEPTANCE, syntax
    return ContextResult.TRANSFER_SYNTAXES_NOT_SUPPORTED, None


def _class_answers(uid: UID, offered: _Said, ours: PresentationContext) -> list[Item]:
    """Roles and extended negotiation; common extended negotiation is never answered (PS3.7 D.3.3.6)."""
    items: list[Item] = []
    if (roles := offered.roles.get(uid)) is not None:
        # Never 1 where 0 was offered (PS3.7 D.3.3.4).  An acceptor without an opinion agrees to what is offered.
        scu, scp = roles[0] and ours.scu_role is not False, roles[1] and ours.scp_role is not False
        items.append(SCPSCURoleSelection(sop_class_uid=uid, scu_role=int(scu), scp_role=int(scp)))
    if (asked := offered.extended.get(uid)) is not None:
        if (information := agreed_information(asked, ours.extended, uid)) is not None:
            items.append(
                SOPClassExtendedNegotiation(sop_class_uid=uid, service_class_application_information=information)
            )
    return items


def _quirks_of_request(chosen: Sequence[_Chosen], offered: _Said) -> tuple[str, ...]:
    quirks = []
    uids: set[UID] = set()
    for context_id, abstract_syntax, syntaxes, _, _ in chosen:
        if not syntaxes:
            quirks.append(f"proposes presentation context {context_id} without a transfer syntax")
        uids.add(abstract_syntax)
        uids.update(syntaxes)
    quirks += [f"proposes {uid!s}, which is no UID (PS3.5 9.1)" for uid in sorted(uids) if not uid.is_valid]
    return (*quirks, *_quirks_of_user_information(offered))


def title_problem(title: str) -> str | None:
    """Why *title* is no AE title (PS3.5 6.2), or None if it is one.

    >>> title_problem("A" * 17)
    'has more than 16 characters'
    """
    if not title.strip(" "):
        return "is empty"
    if len(title) > 16:
        return "has more than 16 characters"
    if not (title.isascii() and title.isprintable()) or "\\" in title:
        return "has a backslash, a control character or one that is not ASCII"
    return None


def application_context_known(rq: AAssociateRQ) -> bool:
    """Whether the request names the DICOM application context; else it is rejected 1/1/2."""
    return rq.application_context_name == DICOM_APPLICATION_CONTEXT


def _in_order(*items: Item) -> tuple[Item, ...]:
    """By item type: any order is right, but some old applications expect this one (PS3.8 9.3.2.3)."""
    return tuple(sorted(items, key=lambda item: item.item_type))


def _our_items(max_length_received: int) -> tuple[Item, ...]:
    return (
        MaximumLength(maximum_length_received=max_length_received),
        ImplementationClassUID(implementation_class_uid=IMPLEMENTATION_CLASS_UID),
        ImplementationVersionName(implementation_version_name=IMPLEMENTATION_VERSION_NAME),
    )


def _window_item(window: OperationsWindow) -> tuple[Item, ...]:
    if window == OperationsWindow():
        return ()  # absent means 1/1 (PS3.7 D.3.3.3), and some peers stumble over the item
    return (
        AsynchronousOperationsWindow(
            maximum_number_operations_invoked=window.invoked, maximum_number_operations_performed=window.performed
        ),
    )


def _window_answer(info: _Said, window: OperationsWindow) -> tuple[Item, ...]:
    """Never more than was proposed, and nothing where nothing was (PS3.7 D.3.3.3)."""
    asked = info.first(AsynchronousOperationsWindow)
    if asked is None:
        return ()
    return (
        AsynchronousOperationsWindow(
            maximum_number_operations_invoked=_smaller(asked.maximum_number_operations_invoked, window.performed),
            maximum_number_operations_performed=_smaller(asked.maximum_number_operations_performed, window.invoked),
        ),
    )


def _window_proposed(info: _Said, *, requestor: bool) -> OperationsWindow | None:
    """The requestor's proposal, from the point of view of the side that looks at it."""
    item = info.first(AsynchronousOperationsWindow)
    if item is None:
        return None
    both = item.maximum_number_operations_invoked, item.maximum_number_operations_performed
    invoked, performed = both if requestor else reversed(both)
    return OperationsWindow(invoked=invoked, performed=performed)


def _smaller(x: int, y: int) -> int:
    """The smaller of two limits of which 0 is unlimited."""
    return min(x or y, y or x)


def _window(offered: _Said, agreed: _Said, *, requestor: bool) -> OperationsWindow:
    asked, given = offered.first(AsynchronousOperationsWindow), agreed.first(AsynchronousOperationsWindow)
    if asked is None or given is None:
        return OperationsWindow()
    invoked = _smaller(asked.maximum_number_operations_invoked, given.maximum_number_operations_invoked)
    performed = _smaller(asked.maximum_number_operations_performed, given.maximum_number_operations_performed)
    # Both numbers are the requestor's; the acceptor performs what the requestor invokes.
    return (
        OperationsWindow(invoked=invoked, performed=performed)
        if requestor
        else OperationsWindow(invoked=performed, performed=invoked)
    )


def _agree(offered: tuple[bool, bool] | None, answered: tuple[bool, bool] | None) -> tuple[bool, bool]:
    """The requestor's roles: the default ones unless both sides spoke (PS3.7 D.3.3.4)."""
    if offered is None or answered is None:
        return True, False
    return offered[0] and answered[0], offered[1] and answered[1]


def _maximum_length(info: _Said) -> int:
    item = info.first(MaximumLength)
    if item is None:
        return DEFAULT_MAXIMUM_LENGTH
    if 0 < item.maximum_length_received < 8:
        raise RemoteProtocolError(
            f"maximum length {item.maximum_length_received}, into which no fragment fits",
            rule="PS3.8 D.1",
            reason_diag=6,
        )
    return item.maximum_length_received


def _class_uid(info: _Said) -> UID | None:
    item = info.first(ImplementationClassUID)
    return item.implementation_class_uid if item else None


def _version_name(info: _Said) -> str | None:
    item = info.first(ImplementationVersionName)
    return item.implementation_version_name if item else None
