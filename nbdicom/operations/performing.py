"""What every performing operation shares: its association, its handler's mistakes, the status that comes of them (PS3.7 C).

A handler decides; what it gets wrong becomes a failure status, is reported, and the association goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from nbdicom.core.command import Request, response_class
from nbdicom.core.dimse import Received
from nbdicom.core.negotiation import Negotiation
from nbdicom.core.streams import BytesSource
from nbdicom.errors import AssociationError, NbdicomError
from nbdicom.operations.effects import Call, Next, Operation, Send
from nbdicom.operations.handlers import Handlers
from nbdicom.operations.requests import Codec, Refuse, StorableInstance
from nbdicom.status import Status
from nbdicom.uids import sop_class

__all__ = [
    "HANDLER_ERRORS",
    "Destination",
    "Elsewhere",
    "HandlerMistake",
    "Link",
    "answer",
    "asked",
    "call",
    "final_status",
    "kind_of",
    "next_of",
    "reply",
    "status_of",
    "verdict",
]

HANDLER_ERRORS = (Exception, SystemExit)  #: what a handler may raise without ending anything but its own operation


class Destination(Protocol):
    """An association to a C-MOVE destination; the driver's own `Association` is one."""

    def store(self, instances: Sequence[StorableInstance], *, originator: tuple[str, int] | None = None) -> Any:
        """Send the instances; an iterator of `Stored`."""
        ...

    def release(self) -> Any:
        """Release it."""
        ...

    def abort(self) -> Any:
        """Abort it."""
        ...


@dataclass(slots=True, eq=False)
class Link:
    """What an SCP operation knows of its association."""

    negotiation: Negotiation
    peer: str
    codec: Codec
    handlers: Handlers
    #: ``associate(address, ae_title, instances)`` opens the association of a C-MOVE
    associate: Callable[[tuple[Any, ...], str, Sequence[StorableInstance]], Any]
    #: ``failed(request, exception)`` reports what a handler raised
    failed: Callable[[Request, BaseException], None]
    #: ``stored(received, status)`` reports what was answered to a C-STORE
    stored: Callable[[Received, Status], None] | None = None
    #: ``look()`` reads what the peer has sent meanwhile, where nobody does while a handler runs
    look: Callable[[], None] | None = None


class HandlerMistake(NbdicomError):
    """A handler gave what does not belong there.  Logged with its text, which names types and statuses, never values."""


class Elsewhere(Exception):
    """An AssociationError that a handler raised: about another association, not about the one that is served."""

    def __init__(self, error: AssociationError) -> None:
        super().__init__(str(error))
        self.error = error


def call(function: Callable[..., Any], *args: Any) -> Operation:
    """`Call`, with the associations of the handler kept apart from ours."""
    try:
        return (yield Call(function, args))
    except AssociationError as error:
        raise Elsewhere(error) from error


def next_of(iterator: Any) -> Operation:
    """`Next`, likewise."""
    try:
        return (yield Next(iterator))
    except AssociationError as error:
        raise Elsewhere(error) from error


def status_of(value: Any, *, pending: bool = False) -> int:
    """The status that a handler gave: 0 to 0xFFFF, and pending only where more responses follow.

    Raises
    ------
    HandlerMistake
        If it is anything else.
    """
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 0xFFFF:
        if Status(value).is_pending == pending:
            return value
        raise HandlerMistake(
            f"the handler gave status {value:04X}H where {'a' if pending else 'no'} pending one belongs"
        )
    raise HandlerMistake(f"the handler gave {kind_of(value)} where a status is expected", hint="0x0000 to 0xFFFF")


def verdict(
    link: Link, received: Received, raised: BaseException, failure: int, what: str = "handler failed"
) -> tuple[int, str | None]:
    """Status and comment for what a handler raised: its refusal, or *failure*."""
    message = received.message
    assert isinstance(message, Request)
    if isinstance(raised, Elsewhere):
        raised = raised.error
    if isinstance(raised, Refuse):
        try:
            return final_status(link, received, raised.status), raised.comment
        except HandlerMistake as error:
            raised = error
    link.failed(message, raised)
    if isinstance(raised, NbdicomError):
        return failure, raised.message
    return failure, f"{what}: {type(raised).__name__}"


def final_status(link: Link, received: Received, value: Any) -> int:
    """The final status that a handler gave, held against the table of its service.

    A failure that the standard does not define is sent as it is and reported; it says what is meant.  A warning that it
    does not define says nothing at all to the peer.  Private SOP Classes define their own.

    Raises
    ------
    HandlerMistake
        If it is no final status, or such a warning.
    """
    if value == 0x0000 and type(value) in (int, Status):
        return 0x0000  # nearly every answer
    code = status_of(value)
    abstract_syntax = received.context.abstract_syntax
    status = Status(code, received.message.name.rpartition("-")[0], sop_class=abstract_syntax)
    if status.is_defined or sop_class(abstract_syntax) is None:
        return code
    mistake = HandlerMistake(f"the handler gave status {code:04X}H, which {status.service} does not define here")
    if not status.is_failure:
        raise mistake
    assert isinstance(received.message, Request)
    link.failed(received.message, mistake)
    return code


def kind_of(value: Any) -> str:
    """What a handler gave, without its value."""
    return "nothing" if value is None else f"a {type(value).__name__}"


def asked(link: Link, received: Received) -> dict[str, Any]:
    """What every request carries."""
    return {
        "negotiation": link.negotiation,
        "peer": link.peer,
        "context": received.context,
        "message": received.message,
        "codec": link.codec,
        "received": received,
        "look": link.look,
    }


def answer(
    received: Received, status: int, comment: str | None = None, data: bytes | None = None, **fields: Any
) -> Operation:
    """The final response of the simple services, with a data set if there is one."""
    yield reply(received, status, comment, data, **fields)


def reply(
    received: Received, status: int, comment: str | None = None, data: bytes | None = None, **fields: Any
) -> Send:
    """What `answer` sends."""
    message = received.message
    assert isinstance(message, Request)
    response = response_class(type(message))(
        message_id_being_responded_to=message.message_id,
        status=Status(status),
        error_comment=(comment or "")[:64] or None,
        **fields,
    )
    if hasattr(response, "affected_sop_class_uid"):
        uid = getattr(message, "affected_sop_class_uid", None) or getattr(message, "requested_sop_class_uid", None)
        response.affected_sop_class_uid = uid or None
    return Send(received.context.context_id, response, None if data is None else BytesSource(data))
