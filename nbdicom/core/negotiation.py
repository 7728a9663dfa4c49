"""Association negotiation: what is proposed, what the acceptor makes of it, and the result as a table.

`propose` makes the A-ASSOCIATE-RQ of a `Proposal`; `negotiate` is the acceptor's answer to one by its own order of
preference; `conclude` is what the requestor reads in the answer.  Both sides end with a `Negotiation`
(PS3.8 7.1.1.13 to 7.1.1.14 and 9.3, PS3.7 Annex D.3).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nbdicom.config import OperationsWindow
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
    TransferSyntaxItem,
    UserInformation,
    in_words,
    reject_in_words,
)
from nbdicom.errors import LocalProtocolError, NoPresentationContext, RemoteProtocolError
from nbdicom.table import Table, printable
from nbdicom.uids import DEFAULT_TRANSFER_SYNTAXES, UID

if TYPE_CHECKING:
    import pandas

__all__ = [
    "IMPLEMENTATION_CLASS_UID",
    "IMPLEMENTATION_VERSION_NAME",
    "ContextLike",
    "NegotiatedContext",
    "Negotiation",
    "PresentationContext",
    "Proposal",
    "Support",
    "conclude",
    "context_of",
    "negotiate",
    "propose",
    "title_problem",
]

#: 2.25 and a UUID made once for this implementation: unique without a registered root (PS3.5 B.2).
IMPLEMENTATION_CLASS_UID = UID("2.25.313577215190268403958720149635274108837")
IMPLEMENTATION_VERSION_NAME = "NBDICOM_0_1"

MAX_CONTEXTS = 128  #: odd context IDs 1 to 255 (PS3.8 9.3.2.2)
_DEFAULT_MAXIMUM_LENGTH = 16_384  #: assumed where a peer does not say (it shall, PS3.8 D.1)


@dataclass(frozen=True, slots=True)
class PresentationContext:
    """An abstract syntax and the transfer syntaxes for it: proposed by a requestor, or supported by an acceptor.

    Parameters
    ----------
    abstract_syntax : UID
        The SOP Class.
    transfer_syntaxes : tuple of UID
        In order of preference.  An acceptor takes the first of *its own* list that was proposed.
    scu_role, scp_role : bool, optional
        The requestor's roles: proposed (requestor) or agreed to (acceptor); None leaves the default roles, requestor as
        SCU and acceptor as SCP (PS3.7 D.3.3.4).
    """

    abstract_syntax: UID
    transfer_syntaxes: tuple[UID, ...] = DEFAULT_TRANSFER_SYNTAXES
    scu_role: bool | None = None
    scp_role: bool | None = None


ContextLike = PresentationContext | str | tuple[str, Sequence[str] | str]


def context_of(like: ContextLike) -> PresentationContext:
    """A presentation context from what a person types: a UID, keyword or name, alone or with transfer syntaxes.

    >>> context_of(("CT Image Storage", "JPEG2000Lossless")).transfer_syntaxes
    (UID('1.2.840.10008.1.2.4.90'),)
    """
    if isinstance(like, PresentationContext):
        return like
    if isinstance(like, str):
        return PresentationContext(UID.of(like))
    abstract_syntax, transfer_syntaxes = like
    names = [transfer_syntaxes] if isinstance(transfer_syntaxes, str) else list(transfer_syntaxes)
    return PresentationContext(UID.of(abstract_syntax), tuple(UID.of(name) for name in names))


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What a requestor proposes."""

    called_ae_title: str
    calling_ae_title: str
    contexts: tuple[PresentationContext, ...]
    max_length_received: int = 131_072
    window: OperationsWindow = field(default_factory=OperationsWindow)
    user_items: tuple[Item, ...] = ()  #: further user information: identity, extended negotiation


@dataclass(frozen=True, slots=True, kw_only=True)
class Support:
    """What an acceptor supports.

    ``contexts`` has one entry for each abstract syntax; ``any_abstract_syntax`` are the transfer syntaxes with which
    every other one is accepted, too (a promiscuous storage SCP).
    """

    contexts: Mapping[str, PresentationContext]
    any_abstract_syntax: tuple[UID, ...] = ()
    max_length_received: int = 131_072
    window: OperationsWindow = field(default_factory=OperationsWindow)

    @classmethod
    def of(cls, contexts: Sequence[ContextLike], *, max_length_received: int = 131_072) -> Support:
        """From a list of contexts; two entries of one abstract syntax are joined."""
        by_syntax: dict[str, PresentationContext] = {}
        for context in map(context_of, contexts):
            known = by_syntax.get(context.abstract_syntax)
            syntaxes = dict.fromkeys((*(known.transfer_syntaxes if known else ()), *context.transfer_syntaxes))
            by_syntax[context.abstract_syntax] = PresentationContext(
                context.abstract_syntax, tuple(syntaxes), context.scu_role, context.scp_role
            )
        return cls(contexts=by_syntax, max_length_received=max_length_received)


@dataclass(frozen=True, slots=True, kw_only=True)
class NegotiatedContext:
    """One presentation context after negotiation.

    ``scu_role`` and ``scp_role`` are the *requestor's* roles as agreed; ``transfer_syntax`` is None unless accepted.
    """

    context_id: int
    abstract_syntax: UID
    proposed: tuple[UID, ...]
    result: ContextResult | int
    transfer_syntax: UID | None = None
    scu_role: bool = True
    scp_role: bool = False
    roles_proposed: tuple[bool, bool] | None = None

    @property
    def accepted(self) -> bool:
        """True if data may be exchanged in this context."""
        return self.result == ContextResult.ACCEPTANCE and self.transfer_syntax is not None

    @property
    def result_in_words(self) -> str:
        """Result/Reason as the standard words it, with its number."""
        if self.result == ContextResult.ACCEPTANCE:
            return "acceptance (0)" if self.transfer_syntax else "acceptance (0), but without a transfer syntax"
        return f"{in_words(ContextResult, self.result)} ({int(self.result)})"

    @property
    def what_to_try(self) -> str:
        """Advice for a refused context; empty for an accepted one."""
        return _WHAT_TO_TRY.get(int(self.result), "")


_WHAT_TO_TRY: dict[int, str] = {
    ContextResult.USER_REJECTION: "the peer's configuration does not allow it",
    ContextResult.NO_REASON: "the peer gives no reason; ask its administrator",
    ContextResult.ABSTRACT_SYNTAX_NOT_SUPPORTED: "the peer does not offer this service",
    ContextResult.TRANSFER_SYNTAXES_NOT_SUPPORTED: "propose another transfer syntax",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Negotiation:
    """The outcome of A-ASSOCIATE as both sides see it.

    ``max_length_send`` is what the peer announced and we obey (0: no limit), ``max_length_received`` what we announced.
    ``rejection`` is (result, source, reason_diag) of an A-ASSOCIATE-RJ, else None.
    """

    calling_ae_title: str
    called_ae_title: str
    requestor: bool
    contexts: tuple[NegotiatedContext, ...] = ()
    max_length_send: int = _DEFAULT_MAXIMUM_LENGTH
    max_length_received: int = 131_072
    window: OperationsWindow = field(default_factory=OperationsWindow)
    peer_implementation_class_uid: UID | None = None
    peer_implementation_version_name: str | None = None
    rejection: tuple[int, int, int] | None = None
    user_items: tuple[Item, ...] = ()  #: the peer's user information, as it came

    @property
    def accepted(self) -> tuple[NegotiatedContext, ...]:
        """The accepted contexts."""
        return tuple(context for context in self.contexts if context.accepted)

    def context(self, context_id: int) -> NegotiatedContext | None:
        """The accepted context with this ID, or None."""
        return next((c for c in self.contexts if c.context_id == context_id and c.accepted), None)

    def context_for(
        self,
        abstract_syntax: str,
        transfer_syntax: str | None = None,
        *,
        as_scu: bool = True,
        convertible: Callable[[str, str], bool] | None = None,
    ) -> NegotiatedContext:
        """The accepted context in which *we* may act for this SOP Class.

        Parameters
        ----------
        abstract_syntax : str
            The SOP Class UID.
        transfer_syntax : str, optional
            The syntax in which the data set is encoded; an exact match is preferred.
        as_scu : bool
            Whether we act as SCU (True) or SCP of this SOP Class.
        convertible : callable, optional
            ``convertible(from, to)`` tells whether a data set may be re-encoded without loss.

        Raises
        ------
        NoPresentationContext
            With the acceptor's reason where the SOP Class was proposed.
        """
        name = UID(abstract_syntax).name
        candidates = [c for c in self.contexts if c.abstract_syntax == abstract_syntax]
        usable = [c for c in candidates if c.accepted and (c.scu_role if self.requestor == as_scu else c.scp_role)]
        if transfer_syntax is None and usable:
            return usable[0]
        for context in usable:
            if context.transfer_syntax == transfer_syntax:
                return context
        for context in usable:
            if convertible and transfer_syntax and context.transfer_syntax:
                if convertible(transfer_syntax, context.transfer_syntax):
                    return context
        if usable:
            syntaxes = ", ".join(c.transfer_syntax.name for c in usable if c.transfer_syntax)
            raise NoPresentationContext(
                f"{name}: accepted only with {syntaxes}, the data set is {UID(transfer_syntax or '').name}",
                abstract_syntax=abstract_syntax,
                refused=syntaxes,
                hint="propose a context with the transfer syntax of the data set, or transcode it first",
            )
        if candidates and any(c.accepted for c in candidates):
            raise NoPresentationContext(
                f"{name}: accepted, but not in the role of {'SCU' if as_scu else 'SCP'} for us",
                abstract_syntax=abstract_syntax,
                refused="role",
                hint="the peer did not agree to SCP/SCU role selection for this SOP Class",
            )
        if candidates:
            worst = candidates[0]
            raise NoPresentationContext(
                f"{name}: refused by {printable(self.called_ae_title)}: {worst.result_in_words}",
                abstract_syntax=abstract_syntax,
                refused=worst.result_in_words,
                hint=worst.what_to_try or None,
            )
        raise NoPresentationContext(
            f"{name}: not among the {len(self.contexts)} presentation contexts of this association",
            abstract_syntax=abstract_syntax,
            hint="propose it when the association is requested",
        )

    def table(self) -> Table:
        """The negotiation as a table: one row for each presentation context."""
        rows, marks = [], []
        for c in self.contexts:
            if self.rejection:
                verdict, outcome = "not negotiated", ""
            else:
                verdict = ("\N{CHECK MARK} " if c.accepted else "\N{BALLOT X} ") + c.result_in_words
                outcome = c.transfer_syntax.name if c.accepted and c.transfer_syntax else c.what_to_try
            name = c.abstract_syntax.name
            rows.append(
                (
                    c.context_id,
                    name if name == c.abstract_syntax else f"{name}\n{c.abstract_syntax}",
                    _roles(c),
                    "\n".join(syntax.name for syntax in c.proposed),
                    verdict,
                    outcome,
                )
            )
            marks.append("ok" if c.accepted else "bad")
        calling, called = printable(self.calling_ae_title), printable(self.called_ae_title)
        if self.rejection:
            verdict = f"rejected: {reject_in_words(*self.rejection)}"
        else:
            verdict = f"accepted, {len(self.accepted)} of {len(self.contexts)} presentation contexts"
        return Table(
            f"Association {calling} \N{RIGHTWARDS ARROW} {called}: {verdict}",
            ("ID", "abstract syntax", "role", "transfer syntaxes proposed", "result", "accepted, or what to try"),
            rows,
            notes=() if self.rejection else self._notes(),
            marks=marks,
        )

    def _notes(self) -> tuple[str, ...]:
        def length(value: int) -> str:
            return f"{value} bytes" if value else "no limit"

        def window(value: int) -> str:
            return str(value) if value else "unlimited"

        peer = self.peer_implementation_version_name or "not given"
        return (
            f"maximum length: we take {length(self.max_length_received)}, the peer takes {length(self.max_length_send)}",
            f"operations window: {window(self.window.invoked)} invoked, {window(self.window.performed)} performed",
            f"peer's implementation: {printable(peer)} ({printable(self.peer_implementation_class_uid or 'no class UID')})",
        )

    def __str__(self) -> str:
        return str(self.table())

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()

    def to_frame(self) -> pandas.DataFrame:
        """The table as a pandas DataFrame."""
        return self.table().to_frame()


def _roles(context: NegotiatedContext) -> str:
    agreed = "/".join(name for name, on in (("SCU", context.scu_role), ("SCP", context.scp_role)) if on) or "none"
    if context.roles_proposed is None or not context.accepted:
        return agreed if context.roles_proposed is None else _names(context.roles_proposed)
    asked = _names(context.roles_proposed)
    return agreed if asked == agreed else f"{agreed} (asked for {asked})"


def _names(roles: tuple[bool, bool]) -> str:
    return "/".join(name for name, on in zip(("SCU", "SCP"), roles, strict=True) if on) or "none"


# ------------------------------------------------------------------------------- requestor


def propose(proposal: Proposal) -> AAssociateRQ:
    """The A-ASSOCIATE-RQ of a proposal: context IDs 1, 3, 5 ... in the order given.

    Raises
    ------
    LocalProtocolError
        If there is no context, more than 128, one without transfer syntax, or an AE title that the standard forbids.
    """
    for title in (proposal.called_ae_title, proposal.calling_ae_title):
        if problem := title_problem(title):
            raise LocalProtocolError(f"AE title {title!r} {problem} [PS3.5 6.2]")
    if not 1 <= len(proposal.contexts) <= MAX_CONTEXTS:
        raise LocalProtocolError(f"{len(proposal.contexts)} presentation contexts; 1 to {MAX_CONTEXTS} are possible")
    contexts: list[Item] = []
    roles: dict[UID, SCPSCURoleSelection] = {}
    for index, context in enumerate(proposal.contexts):
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
        if context.scu_role is not None or context.scp_role is not None:
            roles[context.abstract_syntax] = SCPSCURoleSelection(
                sop_class_uid=context.abstract_syntax,
                scu_role=int(context.scu_role is not False),
                scp_role=int(bool(context.scp_role)),
            )
    return AAssociateRQ(
        called_ae_title=proposal.called_ae_title,
        calling_ae_title=proposal.calling_ae_title,
        items=(
            ApplicationContext(),
            *contexts,
            UserInformation(
                items=(
                    *_our_items(proposal.max_length_received),
                    *_window_item(proposal.window),
                    *roles.values(),
                    *proposal.user_items,
                )
            ),
        ),
    )


def conclude(rq: AAssociateRQ, answer: AAssociateAC | AAssociateRJ) -> Negotiation:
    """What the requestor knows after the answer to its request.

    Raises
    ------
    RemoteProtocolError
        If the answer has no usable maximum length.
    """
    mine = rq.user_information
    maximum = mine.first(MaximumLength)
    offered = {r.sop_class_uid: (bool(r.scu_role), bool(r.scp_role)) for r in mine.every(SCPSCURoleSelection)}
    if isinstance(answer, AAssociateRJ):
        refused = tuple(
            NegotiatedContext(
                context_id=c.context_id,
                abstract_syntax=c.abstract_syntaxes[0],
                proposed=c.transfer_syntaxes,
                result=ContextResult.NO_REASON,
                roles_proposed=offered.get(c.abstract_syntaxes[0]),
            )
            for c in rq.presentation_contexts
        )
        return Negotiation(
            calling_ae_title=rq.calling_ae_title,
            called_ae_title=rq.called_ae_title,
            requestor=True,
            contexts=refused,
            rejection=(int(answer.result), int(answer.source), answer.reason_diag),
        )
    info = answer.user_information
    answered = {context.context_id: context for context in answer.presentation_contexts}
    agreed = {r.sop_class_uid: (bool(r.scu_role), bool(r.scp_role)) for r in info.every(SCPSCURoleSelection)}
    contexts = []
    for proposed in rq.presentation_contexts:
        abstract_syntax = proposed.abstract_syntaxes[0]
        reply = answered.get(proposed.context_id)
        result = reply.result if reply else ContextResult.NO_REASON
        # The transfer syntax of a refused context is not significant (PS3.8 9.3.3.2), and one that was not proposed
        # cannot be used.
        syntax = reply.transfer_syntax if reply and result == ContextResult.ACCEPTANCE else None
        roles = offered.get(abstract_syntax)
        final = _agree(roles, agreed.get(abstract_syntax))
        contexts.append(
            NegotiatedContext(
                context_id=proposed.context_id,
                abstract_syntax=abstract_syntax,
                proposed=proposed.transfer_syntaxes,
                result=result,
                transfer_syntax=syntax if syntax in proposed.transfer_syntaxes else None,
                scu_role=final[0],
                scp_role=final[1],
                roles_proposed=roles,
            )
        )
    return Negotiation(
        calling_ae_title=rq.calling_ae_title,
        called_ae_title=rq.called_ae_title,
        requestor=True,
        contexts=tuple(contexts),
        max_length_send=_maximum_length(info),
        max_length_received=maximum.maximum_length_received if maximum else 0,
        window=_window(mine, info, requestor=True),
        peer_implementation_class_uid=_class_uid(info),
        peer_implementation_version_name=_version_name(info),
        user_items=info.items,
    )


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
    info = rq.user_information
    offered = {r.sop_class_uid: (bool(r.scu_role), bool(r.scp_role)) for r in info.every(SCPSCURoleSelection)}
    answers: list[Item] = []
    contexts: list[NegotiatedContext] = []
    role_answers: dict[UID, SCPSCURoleSelection] = {}
    seen: set[int] = set()
    for proposed in rq.presentation_contexts:
        if not proposed.context_id & 1 or proposed.context_id in seen:
            raise RemoteProtocolError(
                f"presentation context ID {proposed.context_id}, which is even or used twice",
                rule="PS3.8 9.3.2.2",
                reason_diag=6,
            )
        seen.add(proposed.context_id)
        if len(proposed.abstract_syntaxes) != 1:
            raise RemoteProtocolError(
                f"presentation context with {len(proposed.abstract_syntaxes)} abstract syntaxes",
                rule="PS3.8 9.3.2.2",
                reason_diag=6,
            )
        abstract_syntax = proposed.abstract_syntaxes[0]
        ours = support.contexts.get(abstract_syntax)
        preference = ours.transfer_syntaxes if ours else support.any_abstract_syntax
        syntax = next((syntax for syntax in preference if syntax in proposed.transfer_syntaxes), None)
        if not preference:
            result = ContextResult.ABSTRACT_SYNTAX_NOT_SUPPORTED
        elif syntax is None:
            result = ContextResult.TRANSFER_SYNTAXES_NOT_SUPPORTED
        else:
            result = ContextResult.ACCEPTANCE
        roles = offered.get(abstract_syntax)
        reply = None
        if roles is not None:
            # Never 1 where 0 was offered (PS3.7 D.3.3.4).  An acceptor without an opinion agrees to what is offered.
            allowed_scu = ours.scu_role if ours and ours.scu_role is not None else True
            allowed_scp = ours.scp_role if ours and ours.scp_role is not None else True
            reply = (roles[0] and allowed_scu, roles[1] and allowed_scp)
            if result is ContextResult.ACCEPTANCE:
                role_answers[abstract_syntax] = SCPSCURoleSelection(
                    sop_class_uid=abstract_syntax, scu_role=int(reply[0]), scp_role=int(reply[1])
                )
        final = _agree(roles, reply)
        # A refused context still carries a transfer syntax item, which nobody tests (PS3.8 9.3.3.2).
        shown = syntax or (
            proposed.transfer_syntaxes[0] if proposed.transfer_syntaxes else DEFAULT_TRANSFER_SYNTAXES[1]
        )
        answers.append(
            PresentationContextAC(
                context_id=proposed.context_id, result=result, items=(TransferSyntaxItem(transfer_syntax_name=shown),)
            )
        )
        contexts.append(
            NegotiatedContext(
                context_id=proposed.context_id,
                abstract_syntax=abstract_syntax,
                proposed=proposed.transfer_syntaxes,
                result=result,
                transfer_syntax=syntax,
                scu_role=final[0],
                scp_role=final[1],
                roles_proposed=roles,
            )
        )
    ours_items: list[Item] = [*_our_items(support.max_length_received)]
    asked = info.first(AsynchronousOperationsWindow)
    if asked is not None:
        ours_items.append(
            AsynchronousOperationsWindow(
                maximum_number_operations_invoked=_smaller(
                    asked.maximum_number_operations_invoked, support.window.performed
                ),
                maximum_number_operations_performed=_smaller(
                    asked.maximum_number_operations_performed, support.window.invoked
                ),
            )
        )
    answer_info = UserInformation(items=(*ours_items, *role_answers.values(), *user_items))
    ac = AAssociateAC(
        called_ae_title=rq.called_ae_title,
        calling_ae_title=rq.calling_ae_title,
        reserved_2=rq.reserved_2,
        items=(ApplicationContext(), *answers, answer_info),
    )
    return ac, Negotiation(
        calling_ae_title=rq.calling_ae_title,
        called_ae_title=rq.called_ae_title,
        requestor=False,
        contexts=tuple(contexts),
        max_length_send=_maximum_length(info),
        max_length_received=support.max_length_received,
        window=_window(info, answer_info, requestor=False),
        peer_implementation_class_uid=_class_uid(info),
        peer_implementation_version_name=_version_name(info),
        user_items=info.items,
    )


def title_problem(title: str) -> str | None:
    """Why *title* is no AE title (PS3.5 6.2), or None if it is one.

    >>> title_problem("A" * 17)
    'has more than 16 characters'
    """
    if not title.strip(" "):
        return "is empty"
    if len(title) > 16:
        return "has more than 16 characters"
    if any(not " " <= c <= "~" or c == "\\" for c in title):
        return "has a backslash, a control character or one that is not ASCII"
    return None


def application_context_known(rq: AAssociateRQ) -> bool:
    """Whether the request names the DICOM application context; else it is rejected 1/1/2."""
    return rq.application_context_name == DICOM_APPLICATION_CONTEXT


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


def _smaller(x: int, y: int) -> int:
    """The smaller of two limits of which 0 is unlimited."""
    return min(x or y, y or x)


def _window(rq: UserInformation, ac: UserInformation, *, requestor: bool) -> OperationsWindow:
    asked, given = rq.first(AsynchronousOperationsWindow), ac.first(AsynchronousOperationsWindow)
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


def _maximum_length(info: UserInformation) -> int:
    item = info.first(MaximumLength)
    if item is None:
        return _DEFAULT_MAXIMUM_LENGTH
    if 0 < item.maximum_length_received < 8:
        raise RemoteProtocolError(
            f"maximum length {item.maximum_length_received}, into which no fragment fits",
            rule="PS3.8 D.1",
            reason_diag=6,
        )
    return item.maximum_length_received


def _class_uid(info: UserInformation) -> UID | None:
    item = info.first(ImplementationClassUID)
    return item.implementation_class_uid if item else None


def _version_name(info: UserInformation) -> str | None:
    item = info.first(ImplementationVersionName)
    return item.implementation_version_name if item else None
