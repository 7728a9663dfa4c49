"""What becomes of what was asked for: a status that is a Failure raises, a Warning does not (PS3.7 Annex C)."""

from __future__ import annotations

from nbdicom.core.association import AssociationCore
from nbdicom.core.command import Message, Response
from nbdicom.errors import OperationCancelled, OperationFailed, OperationTimeout
from nbdicom.status import Status, StatusCategory

__all__ = ["is_pending", "raise_for_status", "raise_unless_established", "what_to_try"]

#: By status, and by the service where it says something else in each.
_HINTS = {
    (0xA801, ""): "register the destination's AE title, host and port with the peer",
    (0xA701, ""): "ask for less, for instance one series at a time",
    (0xA702, "C-MOVE"): "the peer could send none of them: the destination may be away, or refuse these SOP Classes",
    (0xA702, "C-GET"): "the peer could send none of them: propose a context with scp_role=True for each SOP Class",
    (0xA900, "C-STORE"): "file meta information and data set may name different SOP Classes or instances: compare the two",
    (0xC000, "C-STORE"): "the object may be damaged, or lack what the peer needs; its log should say why",
    (0x0111, "C-STORE"): "the peer has another object of this SOP Instance UID: what is changed needs a new one",
    (0x0112, ""): "the peer has no instance of this UID: another system may have it, or it was deleted",
    (0x0120, ""): "add what the peer names, or what the table of this service in PS3.4 requires",
    (0x0121, ""): "give a value to what the peer names, or to what the table of this service in PS3.4 requires",
    (0x0122, ""): "the peer does not offer this service for this SOP Class",
    (0x0124, ""): "the peer does not allow it to our AE title",
    (0x0211, ""): "the peer does not perform this operation for this SOP Class",
    (0x0213, ""): "the peer is at a limit of its own: try again later, or ask for less at a time",
    (0xA700, ""): "the peer is at a limit of its own: try again later, or ask for less at a time",
}
_ELSE = "the peer's log should say why"


def is_pending(message: Message) -> bool:
    """Whether a message is a response that more will follow."""
    return isinstance(message, Response) and message.status.is_pending


def raise_unless_established(core: AssociationCore, seconds: float | None) -> None:
    """Raise why there is no association: what ended it, or that the peer did not answer within so many *seconds*.

    Raises
    ------
    AssociationError, OperationTimeout
        If there is none.
    """
    if core.error is not None:
        raise core.error
    if not core.is_established:
        raise OperationTimeout(
            f"the peer did not answer the association request (A-ASSOCIATE-RQ) within {seconds:g} s",
            hint="something listens there: another service, one that waits for TLS, or one that is stuck? "
            "Timeouts (--timeout) sets how long to wait",
        )


def what_to_try(status: Status, service: str) -> str:
    """Advice for a *status* that is a Failure of *service*, such as "C-FIND".

    >>> what_to_try(Status(0xA701), "C-MOVE")
    'ask for less, for instance one series at a time'
    """
    if status == 0xA900 and service != "C-STORE":
        return f"the peer does not accept this identifier for {service}: check level and keys"
    return _HINTS.get((int(status), service)) or _HINTS.get((int(status), ""), _ELSE)


def raise_for_status(status: Status, service: str, *, cancelling: bool = False) -> None:
    """Raise for a final *status* that is no success.

    Parameters
    ----------
    status : Status
        The final status.
    service : str
        What was asked for, such as "C-FIND".
    cancelling : bool
        We asked for the cancellation ourselves.

    Raises
    ------
    OperationFailed
        For a Failure.
    OperationCancelled
        For a Cancel that nobody asked for.
    """
    if status.category is StatusCategory.FAILURE:
        raise OperationFailed(f"{service} failed: {status}", status=status, hint=what_to_try(status, service))
    if status.category is StatusCategory.CANCEL and not cancelling:
        raise OperationCancelled(f"{service}: the peer cancelled the operation ({status})")
