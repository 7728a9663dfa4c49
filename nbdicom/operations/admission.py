"""Who may associate, and with what: the acceptor's answer to an A-ASSOCIATE-RQ (PS3.8 7.1, 9.3.4)."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from nbdicom.address import join_address
from nbdicom.core.association import AssociationCore
from nbdicom.core.identity import UserIdentity
from nbdicom.core.negotiation import Negotiation, Support, application_context_known, negotiate, title_problem
from nbdicom.core.pdu import (
    AAssociateAC,
    AAssociateRJ,
    AAssociateRQ,
    Item,
    UserIdentityAC,
    UserIdentityRQ,
    UserIdentityType,
)
from nbdicom.errors import RemoteProtocolError
from nbdicom.operations.handlers import Abort, Reject
from nbdicom.table import counted, printable

__all__ = ["Admission", "Verdict"]

_PERMANENT, _TRANSIENT = 1, 2
_USER, _ACSE, _PRESENTATION = 1, 2, 3


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be answered to a request; ``failure`` is what a check of the user (or the request itself) raised."""

    who: str
    answer: AAssociateAC | AAssociateRJ | Abort
    negotiation: Negotiation | None = None
    failure: Exception | SystemExit | None = None
    called: str = ""  #: the title that was called

    @property
    def is_mistake(self) -> bool:
        """A check of ours failed: nothing that the peer could help."""
        return self.failure is not None and not isinstance(self.failure, RemoteProtocolError)

    def give(self, core: AssociationCore) -> str:
        """Accept, reject or abort; the driver has to send it.  Returns what was done, for a log."""
        if isinstance(self.failure, RemoteProtocolError):
            core.break_off(self.failure)
            return f"aborted the request of {self.who}: {printable(self.failure.message)}"
        if isinstance(self.answer, AAssociateAC):
            assert self.negotiation is not None
            core.accept(self.answer, self.negotiation)
            accepted, proposed = len(self.negotiation.accepted), len(self.negotiation.contexts)
            if accepted < proposed:
                return f"accepted {self.who}, {accepted} of {counted(proposed, 'presentation context')}"
            return f"accepted {self.who}"
        if isinstance(self.answer, Abort):
            core.abort()
            return f"aborted the request of {self.who}"
        core.reject(self.answer)
        if self.failure is not None:
            # Its kind only: the text of an error may quote a patient's data.
            return f"the check of {self.who} failed: {type(self.failure).__name__}"
        return f"rejected {self.who}, which called {printable(self.called)!r}: {core.error}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """The rules of one acceptor.

    Parameters
    ----------
    ae_title : str
        Our title; a request for another one is rejected 1/1/7 unless ``any_called``.
    support : Support
        What we negotiate with.
    calling : callable, optional
        ``calling(ae_title, host)`` tells whether a caller is known; else it is rejected 1/1/3.  Without
        it everybody is, but those who call themselves by blanks.
    accept : callable, optional
        `Handlers.accept`.
    identity : callable, optional
        `Handlers.identity`; what it refuses is rejected 1/2/1.
    """

    ae_title: str
    support: Support
    any_called: bool = False
    calling: Callable[[str, str], bool] | None = None
    accept: Callable[[AAssociateRQ, str], Support | Reject | Abort | None] | None = None
    identity: Callable[[UserIdentity | None, AAssociateRQ], bool | bytes] | None = None

    @property
    def asks(self) -> bool:
        """Whether code of the user is asked."""
        return not (self.calling is None and self.accept is None and self.identity is None)

    def judge(
        self,
        rq: AAssociateRQ,
        peer: tuple[str, int],
        *,
        full: bool = False,
        titles: Collection[str] | None = None,
    ) -> Verdict:
        """`decide`, and what becomes of its failures: a check of the user that fails rejects for the time being (2/1/1)."""
        who = f"{printable(rq.calling_ae_title)} ({join_address(*peer)})"
        try:
            return Verdict(who, *self.decide(rq, peer, full=full, titles=titles), called=rq.called_ae_title)
        except (Exception, SystemExit) as error:
            return Verdict(who, _reject(_TRANSIENT, _USER, 1), failure=error)

    def decide(
        self,
        rq: AAssociateRQ,
        peer: tuple[str, int],
        *,
        full: bool = False,
        titles: Collection[str] | None = None,
    ) -> tuple[AAssociateAC | AAssociateRJ | Abort, Negotiation | None]:
        """The answer, and the negotiation where it is an acceptance.

        *full*: no room for another association.  *titles*: the calling AE titles that the peer's certificate allows (TLS);
        None for any.

        Raises
        ------
        RemoteProtocolError
            If the request breaks a rule that leaves nothing to answer but an abort.
        """
        if not application_context_known(rq):
            return _reject(_PERMANENT, _USER, 2), None
        if title_problem(rq.called_ae_title) or not (self.any_called or rq.called_ae_title == self.ae_title):
            return _reject(_PERMANENT, _USER, 7), None
        # A blank title "shall not be used" (PS3.8 9.3.2), but devices do it: whoever wants to serve them says so.
        title = rq.calling_ae_title
        welcome = bool(title) if self.calling is None else self.calling(title, peer[0])
        if (title and title_problem(title)) or not welcome:
            return _reject(_PERMANENT, _USER, 3), None
        if titles is not None and rq.calling_ae_title not in titles:
            return _reject(_PERMANENT, _USER, 3), None  # a title alone proves nothing
        if full:
            return _reject(_TRANSIENT, _PRESENTATION, 2), None
        items: tuple[Item, ...] = ()
        if self.identity is not None:
            verdict, items = _verify(self.identity, rq)
            if not verdict:
                return _reject(_PERMANENT, _ACSE, 1), None  # PS3.7 D.3.3.7.3
        support = self.support
        if self.accept is not None:
            decision = self.accept(rq, join_address(*peer))
            if isinstance(decision, Reject):
                return _reject(decision.result, decision.source, decision.reason_diag), None
            if isinstance(decision, Abort):
                return decision, None
            support = decision or support
        return negotiate(rq, support, items)


def _verify(
    handler: Callable[[UserIdentity | None, AAssociateRQ], bool | bytes], rq: AAssociateRQ
) -> tuple[bool, tuple[Item, ...]]:
    """Ask the handler; the item that confirms the identity is there only if it was asked for (PS3.7 D.3.3.7)."""
    item = rq.user_information.first(UserIdentityRQ)
    # A type that the standard does not define is not supported, which is the same as no identity at all.
    known = item is not None and item.user_identity_type in UserIdentityType._value2member_map_
    identity = UserIdentity.of(item) if item is not None and known else None
    verdict = handler(identity, rq)
    if not isinstance(verdict, bool | bytes):
        raise TypeError(f"the identity handler gave {type(verdict).__name__} where a bool or bytes are expected")
    if verdict is False:
        return False, ()
    if identity is None or not identity.positive_response:
        return True, ()
    return True, (UserIdentityAC(server_response=verdict if isinstance(verdict, bytes) else b""),)


def _reject(result: int, source: int, reason_diag: int) -> AAssociateRJ:
    return AAssociateRJ(result=result, source=source, reason_diag=reason_diag)
