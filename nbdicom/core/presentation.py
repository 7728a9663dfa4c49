"""What is negotiated, as values: contexts proposed and supported, and the outcome as a table.

`Proposal` and `Support` are the two sides' input to `nbdicom.core.negotiation`; a `Negotiation` is what both know
afterwards (PS3.8 7.1.1.13 to 7.1.1.14, PS3.7 Annex D.3).  Everything that is negotiated for one SOP Class stands in its
`PresentationContext`: transfer syntaxes, roles, extended and common extended negotiation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from nbdicom.config import OperationsWindow
from nbdicom.core.extended import Extended, in_short
from nbdicom.core.fields import OfFields
from nbdicom.core.identity import UserIdentity
from nbdicom.core.pdu import ContextResult, Item, in_words, reject_in_words
from nbdicom.errors import NoPresentationContext
from nbdicom.table import Table, Tabular, printable
from nbdicom.uids import DEFAULT_TRANSFER_SYNTAXES, UID

__all__ = [
    "DEFAULT_MAXIMUM_LENGTH",
    "MAX_CONTEXTS",
    "STORAGE_SERVICE_CLASS",
    "TRANSCODE_IT",
    "ContextLike",
    "NegotiatedContext",
    "Negotiation",
    "PresentationContext",
    "Proposal",
    "Support",
    "context_of",
    "contexts_of",
]

MAX_CONTEXTS = 128  #: odd context IDs 1 to 255 (PS3.8 9.3.2.2)
_ACCEPTANCE = ContextResult.ACCEPTANCE
DEFAULT_MAXIMUM_LENGTH = 16_384  #: assumed where a peer does not say (it shall, PS3.8 D.1)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class PresentationContext(OfFields):
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
    extended : QueryOptions, RetrieveOptions, StorageOptions or bytes, optional
        SOP Class Extended Negotiation: what the requestor asks for, or what the acceptor supports (PS3.7 D.3.3.5).
    service_class_uid : UID, optional
        The Service Class of a SOP Class that the peer may not know (requestor; PS3.7 D.3.3.6).
    related_general_sop_classes : tuple of UID
        SOP Classes as whose instances the peer may treat those of this one (requestor; PS3.7 D.3.3.6, PS3.4 B.3.1.4).

    Examples
    --------
    >>> from nbdicom.core.extended import QueryOptions
    >>> model = UID.of("StudyRootQueryRetrieveInformationModelFind")
    >>> PresentationContext(model, extended=QueryOptions(relational=True)).extended.relational
    True
    """

    abstract_syntax: UID
    transfer_syntaxes: tuple[UID, ...] = DEFAULT_TRANSFER_SYNTAXES
    scu_role: bool | None = None
    scp_role: bool | None = None
    extended: Extended | None = None
    service_class_uid: UID | None = None
    related_general_sop_classes: tuple[UID, ...] = ()


ContextLike = PresentationContext | str | tuple[str, Sequence[str] | str]


def context_of(like: ContextLike) -> PresentationContext:
    """A presentation context from what a person types: a UID, keyword or name, alone or with transfer syntaxes.

    >>> context_of(("CT Image Storage", "JPEG2000Lossless")).transfer_syntaxes
    (UID('1.2.840.10008.1.2.4.90'),)
    """
    if isinstance(like, PresentationContext):
        return like
    if isinstance(like, str):
        return _context_named(like)
    abstract_syntax, transfer_syntaxes = like
    names = [transfer_syntaxes] if isinstance(transfer_syntaxes, str) else list(transfer_syntaxes)
    return PresentationContext(UID.of(abstract_syntax), tuple(UID.of(name) for name in names))


def contexts_of(like: ContextLike | Iterable[ContextLike]) -> tuple[PresentationContext, ...]:
    """Several presentation contexts; one name alone is one context, and no list of letters.

    >>> [context.abstract_syntax.keyword for context in contexts_of("Verification")]
    ['Verification']
    """
    several: Iterable[Any] = (like,) if isinstance(like, (str, PresentationContext)) else like
    return tuple(map(context_of, several))


@lru_cache(256)
def _context_named(name: str) -> PresentationContext:
    return PresentationContext(UID.of(name))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Proposal(OfFields):
    """What a requestor proposes."""

    called_ae_title: str
    calling_ae_title: str
    contexts: tuple[PresentationContext, ...]
    max_length_received: int = 131_072
    window: OperationsWindow = field(default_factory=OperationsWindow)
    identity: UserIdentity | None = None
    user_items: tuple[Item, ...] = ()  #: further user information, as it is to be sent


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Support(OfFields):
    """What an acceptor supports.

    ``contexts`` has one entry for each abstract syntax; ``any_abstract_syntax`` are the transfer syntaxes with which
    every other one is accepted, too (a promiscuous storage SCP).  A SOP Class that is not supported is accepted like one of
    the general SOP Classes that the requestor relates it to, if one of them is (PS3.7 D.3.3.6).

    By default a requestor may have 16 operations outstanding: they are performed one after the other, and the time on the
    network is no longer lost between two of them.
    """

    contexts: Mapping[str, PresentationContext]
    any_abstract_syntax: tuple[UID, ...] = ()
    max_length_received: int = 131_072
    window: OperationsWindow = field(default_factory=lambda: OperationsWindow(performed=16))

    def __post_init__(self) -> None:
        """Keep the contexts as they are now."""
        object.__setattr__(self, "contexts", MappingProxyType(dict(self.contexts)))

    @classmethod
    def of(
        cls,
        contexts: Sequence[ContextLike],
        *,
        max_length_received: int = 131_072,
        window: OperationsWindow | None = None,
    ) -> Support:
        """From a list of contexts; two entries of one abstract syntax are joined, and what the later one says holds."""
        by_syntax: dict[str, PresentationContext] = {}
        for context in contexts_of(contexts):
            known = by_syntax.get(context.abstract_syntax, context)
            by_syntax[context.abstract_syntax] = replace(
                known,
                transfer_syntaxes=tuple(dict.fromkeys((*known.transfer_syntaxes, *context.transfer_syntaxes))),
                **{
                    name: value
                    for name in ("scu_role", "scp_role", "extended")
                    if (value := getattr(context, name)) is not None
                },
            )
        if window is None:
            return cls(contexts=by_syntax, max_length_received=max_length_received)
        return cls(contexts=by_syntax, max_length_received=max_length_received, window=window)

    def for_syntax(self, abstract_syntax: str, related: Sequence[str] = ()) -> PresentationContext | None:
        """What is supported for an abstract syntax, or for the first that is supported of those it is *related* to."""
        found = self.contexts.get(abstract_syntax)
        for uid in related:
            found = found or self.contexts.get(uid)
        if found is None and self.any_abstract_syntax:
            return PresentationContext(UID(abstract_syntax), self.any_abstract_syntax)
        return found


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class NegotiatedContext(OfFields):
    """One presentation context after negotiation.

    ``scu_role`` and ``scp_role`` are the *requestor's* roles as agreed; ``transfer_syntax`` is None unless accepted.
    ``extended_proposed`` is what the requestor asked for by SOP Class Extended Negotiation, ``extended`` what the acceptor
    answered; None is no item.
    """

    context_id: int
    abstract_syntax: UID
    proposed: tuple[UID, ...]
    result: ContextResult | int
    transfer_syntax: UID | None = None
    scu_role: bool = True
    scp_role: bool = False
    roles_proposed: tuple[bool, bool] | None = None
    extended_proposed: Extended | None = None
    extended: Extended | None = None
    service_class_uid: UID | None = None
    related_general_sop_classes: tuple[UID, ...] = ()

    @property
    def accepted(self) -> bool:
        """True if data may be exchanged in this context."""
        return self.result == _ACCEPTANCE and self.transfer_syntax is not None

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


#: What to try where a data set is in another transfer syntax than the peer takes.
TRANSCODE_IT = "have it transcoded (transcode=True, --transcode), or propose a context with a transfer syntax of the peer's"
_WHAT_TO_TRY: dict[int, str] = {
    ContextResult.USER_REJECTION: "the peer's configuration does not allow it",
    ContextResult.NO_REASON: "the peer gives no reason; ask its administrator",
    ContextResult.ABSTRACT_SYNTAX_NOT_SUPPORTED: "the peer does not offer this service",
    ContextResult.TRANSFER_SYNTAXES_NOT_SUPPORTED: "propose another transfer syntax",
}


def _instead(name: str, refused: NegotiatedContext) -> str | None:
    """Advice for who needs what was refused; a retrieval can be had in another way."""
    if name.endswith(" - GET") and refused.result == ContextResult.ABSTRACT_SYNTAX_NOT_SUPPORTED:
        return f"{refused.what_to_try}; it may send by C-MOVE: retrieve or pull with listen= (nbdicom pull --listen)"
    return refused.what_to_try or None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Negotiation(Tabular):
    """The outcome of A-ASSOCIATE as both sides see it.

    ``max_length_send`` is what the peer announced and we obey (0: no limit), ``max_length_received`` what we announced.
    ``rejection`` is (result, source, reason_diag) of an A-ASSOCIATE-RJ, else None.  ``identity`` is the user identity that
    the requestor sent, ``identity_response`` the acceptor's positive response to it (None: there was none).
    """

    calling_ae_title: str
    called_ae_title: str
    requestor: bool
    contexts: tuple[NegotiatedContext, ...] = ()
    max_length_send: int = DEFAULT_MAXIMUM_LENGTH
    max_length_received: int = 131_072
    window: OperationsWindow = field(default_factory=OperationsWindow)
    peer_implementation_class_uid: UID | None = None
    peer_implementation_version_name: str | None = None
    rejection: tuple[int, int, int] | None = None
    window_proposed: OperationsWindow | None = None  #: the requestor's proposal as we see it; None: no item
    identity: UserIdentity | None = None
    identity_response: bytes | None = None
    user_items: tuple[Item, ...] = ()  #: the peer's user information, as it came
    quirks: tuple[str, ...] = ()  #: what the peer did otherwise than the standard says, and we put up with

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
        candidates = [c for c in self.contexts if c.abstract_syntax == abstract_syntax]
        usable = [c for c in candidates if c.accepted and (c.scu_role if self.requestor == as_scu else c.scp_role)]
        if transfer_syntax is None and usable:
            return usable[0]
        for context in usable:
            if context.transfer_syntax == transfer_syntax:
                return context
        fitting = [
            context
            for context in usable
            if convertible and transfer_syntax and context.transfer_syntax
            and convertible(transfer_syntax, context.transfer_syntax)
        ]  # fmt: skip
        if fitting:
            return min(fitting, key=_rank)
        name = UID(abstract_syntax).name
        if usable:
            syntaxes = ", ".join(c.transfer_syntax.name for c in usable if c.transfer_syntax)
            tried = [c for c in candidates if not c.accepted and transfer_syntax in c.proposed]
            verdict = f", for which it said {tried[0].result_in_words}" if tried else ""
            raise NoPresentationContext(
                f"{name}: accepted only with {syntaxes}, the data set is {UID(transfer_syntax or '').name}{verdict}",
                abstract_syntax=abstract_syntax,
                refused=syntaxes,
                hint=TRANSCODE_IT,
            )
        if any(c.accepted for c in candidates):
            raise NoPresentationContext(
                f"{name}: accepted, but not in the role of {'SCU' if as_scu else 'SCP'} for us",
                abstract_syntax=abstract_syntax,
                refused="role",
                hint="the peer did not agree to SCP/SCU role selection for this SOP Class",
            )
        if candidates:
            refused = candidates[0]
            encoding = refused.result == ContextResult.TRANSFER_SYNTAXES_NOT_SUPPORTED
            raise NoPresentationContext(
                f"{name}: refused by {printable(self.called_ae_title)}: {refused.result_in_words}",
                abstract_syntax=abstract_syntax,
                refused=refused.result_in_words,
                hint=TRANSCODE_IT if encoding and transfer_syntax else _instead(name, refused),
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
        peer = self.peer_implementation_version_name or "not given"
        return (
            f"maximum length: we take {_length(self.max_length_received)}, the peer takes {_length(self.max_length_send)}",
            f"operations window: {_window(self.window)}"
            + (
                f" (asked for: {_window(self.window_proposed)})"
                if self.window_proposed not in (None, self.window)
                else ""
            ),
            *self._user_notes(),
            *self._class_notes(),
            f"peer's implementation: {printable(peer)} ({printable(self.peer_implementation_class_uid or 'no class UID')})",
            *(f"quirk of the peer: {printable(quirk)}" for quirk in self.quirks),
        )

    def _user_notes(self) -> tuple[str, ...]:
        if self.identity is None:
            return ()
        if self.identity_response:
            answer = f"confirmed, with a response of {len(self.identity_response)} bytes"
        elif self.identity_response is not None:
            answer = "confirmed"
        elif self.identity.positive_response:
            answer = "not confirmed: the peer may not have looked at it"
        else:
            answer = "no confirmation was asked for"
        return (f"user identity: {self.identity}; {answer}",)

    def _class_notes(self) -> tuple[str, ...]:
        """Extended and common extended negotiation, once for each SOP Class."""
        notes: dict[str, None] = {}
        for c in self.contexts:
            name = printable(c.abstract_syntax.name)
            if c.extended_proposed is not None:
                asked, answered = in_short(c.extended_proposed), in_short(c.extended)
                notes[f"extended negotiation, {name}: asked for {asked}; answered {answered}"] = None
            if c.service_class_uid is not None:
                general = (
                    ", ".join(printable(uid.name) for uid in c.related_general_sop_classes) or "no general SOP Class"
                )
                service = printable(_SERVICE_CLASSES.get(c.service_class_uid, c.service_class_uid))
                notes[f"common extended negotiation, {name}: {service}, related to {general}"] = None
        return tuple(notes)


def _roles(context: NegotiatedContext) -> str:
    agreed = _names((context.scu_role, context.scp_role))
    if context.roles_proposed is None:
        return agreed
    asked = _names(context.roles_proposed)
    return f"{agreed} (asked for {asked})" if context.accepted and asked != agreed else asked


def _names(roles: tuple[bool, bool]) -> str:
    return "/".join(name for name, on in zip(("SCU", "SCP"), roles, strict=True) if on) or "none"


#: Into which transfer syntax a data set is rather converted: those that keep its value representations come first.
_BEST = tuple(UID(f"1.2.840.10008.1.2{tail}") for tail in (".1", ".1.99", ".2", ""))


def _rank(context: NegotiatedContext) -> int:
    syntax = context.transfer_syntax
    return _BEST.index(syntax) if syntax in _BEST else len(_BEST)


def _length(value: int) -> str:
    return f"{value} bytes" if value else "no limit"


def _window(window: OperationsWindow | None) -> str:
    invoked, performed = (window.invoked, window.performed) if window else (1, 1)
    return f"{invoked or 'unlimited'} invoked, {performed or 'unlimited'} performed"


#: Service Class UIDs of PS3.6 Table A-1 that common extended negotiation names.
STORAGE_SERVICE_CLASS = UID("1.2.840.10008.4.2")
_SERVICE_CLASSES = {
    STORAGE_SERVICE_CLASS: "Storage Service Class",
    "1.2.840.10008.5.1.4.34.6": "Unified Procedure Step Service Class",
}
