"""Who may associate, and with what: the acceptor's answer to an A-ASSOCIATE-RQ (PS3.8 7.1, 9.3.4)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from nbdicom.core.negotiation import Negotiation, Support, application_context_known, negotiate, title_problem
from nbdicom.core.pdu import AAssociateAC, AAssociateRJ, AAssociateRQ
from nbdicom.operations.handlers import Reject

__all__ = ["Admission"]

_PERMANENT, _TRANSIENT = 1, 2
_USER, _PRESENTATION = 1, 3


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
        ``calling(ae_title, host)`` tells whether a caller is known; else it is rejected 1/1/3.
    accept : callable, optional
        `Handlers.accept`.
    """

    ae_title: str
    support: Support
    any_called: bool = False
    calling: Callable[[str, str], bool] | None = None
    accept: Callable[[AAssociateRQ, str], Support | Reject | None] | None = None

    def decide(
        self, rq: AAssociateRQ, peer: tuple[str, int], *, full: bool = False
    ) -> tuple[AAssociateAC | AAssociateRJ, Negotiation | None]:
        """The answer, and the negotiation where it is an acceptance.  *full*: no room for another association.

        Raises
        ------
        RemoteProtocolError
            If the request breaks a rule that leaves nothing to answer but an abort.
        """
        host, port = peer
        if not application_context_known(rq):
            return _reject(_PERMANENT, _USER, 2), None
        if title_problem(rq.called_ae_title) or not (self.any_called or rq.called_ae_title == self.ae_title):
            return _reject(_PERMANENT, _USER, 7), None
        if title_problem(rq.calling_ae_title) or not (self.calling is None or self.calling(rq.calling_ae_title, host)):
            return _reject(_PERMANENT, _USER, 3), None
        if full:
            return _reject(_TRANSIENT, _PRESENTATION, 2), None
        support = self.support
        if self.accept is not None:
            decision = self.accept(rq, f"{host}:{port}")
            if isinstance(decision, Reject):
                return _reject(decision.result, decision.source, decision.reason_diag), None
            support = decision or support
        return negotiate(rq, support)


def _reject(result: int, source: int, reason_diag: int) -> AAssociateRJ:
    return AAssociateRJ(result=result, source=source, reason_diag=reason_diag)
