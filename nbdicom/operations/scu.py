"""The invoking side: C-ECHO, C-FIND, C-STORE, C-GET, C-MOVE (PS3.7 9.1, PS3.4 A to C) and the N-services (PS3.7 10.1).

Each function is one operation.  It returns the final Status; what comes before is delivered one by one.  Whether a Failure
raises is decided by the driver, in one place.
"""

from __future__ import annotations

from collections.abc import Iterable

from nbdicom.core.command import (
    CEchoRQ,
    CFindRQ,
    CGetRQ,
    CMoveRQ,
    CStoreRQ,
    NActionRQ,
    NCreateRQ,
    NDeleteRQ,
    NEventReportRQ,
    NGetRQ,
    NSetRQ,
    Priority,
    Request,
    Response,
    SubOperationCounts,
)
from nbdicom.core.dimse import Received
from nbdicom.core.negotiation import NegotiatedContext, Negotiation
from nbdicom.core.streams import BytesSource
from nbdicom.errors import (
    AssociationError,
    DataSetError,
    LocalProtocolError,
    NbdicomError,
    NoPresentationContext,
    system_reason,
)
from nbdicom.operations.contexts import context_of_instance
from nbdicom.operations.effects import Call, Deliver, Operation, Receive, Send
from nbdicom.operations.requests import Codec, Match, Reply, StorableInstance, Stored, SubOperations
from nbdicom.status import Status
from nbdicom.uids import UID

__all__ = [
    "echo",
    "echo_request",
    "find",
    "get",
    "move",
    "n_action",
    "n_create",
    "n_delete",
    "n_event_report",
    "n_get",
    "n_set",
    "store",
]


def echo(context: NegotiatedContext) -> Operation:
    """C-ECHO (PS3.7 9.1.5)."""
    yield echo_request(context)
    received: Received = yield Receive()
    return _response(received).status


def echo_request(context: NegotiatedContext) -> Send:
    """What `echo` sends; a driver may do without the operation, which does nothing else than to wait for the response."""
    return Send(context.context_id, CEchoRQ(affected_sop_class_uid=context.abstract_syntax))


def find(
    context: NegotiatedContext, identifier: bytes, codec: Codec, priority: Priority = Priority.MEDIUM
) -> Operation:
    """C-FIND (PS3.7 9.1.2): delivers a `Match` for each pending response."""
    request = CFindRQ(affected_sop_class_uid=context.abstract_syntax, priority=priority)
    yield Send(context.context_id, request, BytesSource(identifier))
    while True:
        received: Received = yield Receive()
        status = _response(received).status
        if not status.is_pending:
            return status
        syntax = received.context.transfer_syntax
        assert syntax is not None
        yield Deliver(Match(received.data or b"", syntax, status, codec))


def store(
    negotiation: Negotiation,
    instances: Iterable[StorableInstance],
    codec: Codec,
    *,
    priority: Priority = Priority.MEDIUM,
    originator: tuple[str, int] | None = None,
) -> Operation:
    """C-STORE of many instances (PS3.7 9.1.1), as many at once as the operations window allows.

    Delivers a `Stored` for each, also for one that could not be sent: one bad file does not stop the others.
    ``originator`` is (AE title, Message ID) of the C-MOVE that this is a part of.
    """
    window = negotiation.window.invoked or 0xFFFF
    outstanding: dict[int, Stored] = {}
    last = Status(0)
    for instance in instances:
        stored = Stored(instance)
        source = None
        try:
            if (unsendable := getattr(instance, "unsendable", None)) is not None:
                raise unsendable
            context = context_of_instance(negotiation, instance, codec)
            # Before there is room in the window: the file is read while the peer works at the one before.
            source = yield Call(instance.open, (context.transfer_syntax,))
        except (NbdicomError, OSError) as error:
            stored.error = _why_not_sent(error)
        try:
            while len(outstanding) >= window:
                last = yield from _one_stored(outstanding)
            if source is not None:
                request = _request(instance, priority, originator)
                message_id = yield from _sent(stored, Send(context.context_id, request, source))
        finally:
            if source is not None:
                source.close()
        if stored.error is not None:
            yield Deliver(stored)
        else:
            stored.transfer_syntax = context.transfer_syntax
            outstanding[message_id] = stored
    while outstanding:
        last = yield from _one_stored(outstanding)
    return last


def _request(instance: StorableInstance, priority: Priority, originator: tuple[str, int] | None) -> CStoreRQ:
    request = CStoreRQ(
        affected_sop_class_uid=instance.sop_class_uid,
        affected_sop_instance_uid=instance.sop_instance_uid,
        priority=priority,
    )
    if originator is not None:
        request.move_originator_application_entity_title, request.move_originator_message_id = originator
    return request


def _sent(stored: Stored, send: Send) -> Operation:
    """Send it; the Message ID, or None where its file fails meanwhile."""
    try:
        return (yield send)
    except (NbdicomError, OSError) as error:
        stored.error = _why_not_sent(error)
        return None


def _why_not_sent(error: NbdicomError | OSError) -> NbdicomError:
    """Why one instance could not be sent; what concerns all of them is raised."""
    if isinstance(error, OSError):
        return NbdicomError(f"cannot read the file: {system_reason(error)}")
    if isinstance(error, (AssociationError, LocalProtocolError)) and not isinstance(error, NoPresentationContext):
        raise error
    return error


def _one_stored(outstanding: dict[int, Stored]) -> Operation:
    received: Received = yield Receive()
    response = _response(received)
    stored = outstanding.pop(response.message_id_being_responded_to)
    stored.status = response.status
    yield Deliver(stored)
    return stored.status


def _response(received: Received) -> Response:
    assert isinstance(received.message, Response)  # only responses are filed in an operation's inbox
    if received.sink_error is not None:
        raise DataSetError(f"the data set of a {received.message.name} is lost: {received.sink_error}")
    return received.message


def _syntax(received: Received) -> UID:
    """In which its data set is encoded: that of the context in which it came, which peers choose."""
    assert received.context.transfer_syntax is not None
    return received.context.transfer_syntax


def get(context: NegotiatedContext, identifier: bytes, codec: Codec, priority: Priority = Priority.MEDIUM) -> Operation:
    """C-GET (PS3.7 9.1.3): delivers `SubOperations` for responses and `ReceivedInstance` for instances that arrived.

    The instances come as C-STORE requests on this association.  Nothing in the protocol ties them to the C-GET, so they
    are performed like any request of the peer; the driver puts what was received into the inbox of this operation.
    """
    request = CGetRQ(affected_sop_class_uid=context.abstract_syntax, priority=priority)
    yield Send(context.context_id, request, BytesSource(identifier))
    return (yield from _sub_operations(codec))


def move(
    context: NegotiatedContext,
    identifier: bytes,
    destination: str,
    codec: Codec,
    priority: Priority = Priority.MEDIUM,
) -> Operation:
    """C-MOVE (PS3.7 9.1.4): delivers `SubOperations` for each response."""
    request = CMoveRQ(affected_sop_class_uid=context.abstract_syntax, priority=priority, move_destination=destination)
    yield Send(context.context_id, request, BytesSource(identifier))
    return (yield from _sub_operations(codec))


def _sub_operations(codec: Codec) -> Operation:
    while True:
        received = yield Receive()
        if not isinstance(received, Received):
            yield Deliver(received)
            continue
        response = _response(received)
        assert isinstance(response, SubOperationCounts)
        yield Deliver(
            SubOperations(
                response.status,
                response.number_of_remaining_sub_operations,
                response.number_of_completed_sub_operations,
                response.number_of_failed_sub_operations,
                response.number_of_warning_sub_operations,
                () if response.status.is_pending else _failed_uids(received, codec),
            )
        )
        if not response.status.is_pending:
            return response.status


def _failed_uids(received: Received, codec: Codec) -> tuple[UID, ...]:
    """Failed SOP Instance UID List (0008,0058) of a final response; peers leave it out or send rubbish."""
    if not received.data:
        return ()
    try:
        value = codec.decode(received.data, _syntax(received)).get("FailedSOPInstanceUIDList")
    except NbdicomError:
        return ()
    values = [value] if isinstance(value, str) else list(value or ())
    return tuple(UID(uid) for uid in values if uid)


# ------------------------------------------------------------------------------- DIMSE-N
# The SOP Class of the message is given apart from the context: under a Meta SOP Class they differ.


def n_event_report(
    context: NegotiatedContext, sop_class: UID, sop_instance: UID, event_type_id: int, data: bytes | None, codec: Codec
) -> Operation:
    """N-EVENT-REPORT (PS3.7 10.1.1), sent by the SCP of a service: delivers its `Reply`."""
    request = NEventReportRQ(
        affected_sop_class_uid=sop_class, affected_sop_instance_uid=sop_instance, event_type_id=event_type_id
    )
    return (yield from _normalized(context, request, sop_instance, data, codec))


def n_get(
    context: NegotiatedContext, sop_class: UID, sop_instance: UID, attributes: tuple[int, ...], codec: Codec
) -> Operation:
    """N-GET (PS3.7 10.1.2) of these tags, or of all attributes if there are none: delivers its `Reply`."""
    request = NGetRQ(
        requested_sop_class_uid=sop_class,
        requested_sop_instance_uid=sop_instance,
        attribute_identifier_list=attributes or None,
    )
    return (yield from _normalized(context, request, sop_instance, None, codec))


def n_set(context: NegotiatedContext, sop_class: UID, sop_instance: UID, data: bytes, codec: Codec) -> Operation:
    """N-SET (PS3.7 10.1.3): delivers its `Reply`."""
    request = NSetRQ(requested_sop_class_uid=sop_class, requested_sop_instance_uid=sop_instance)
    return (yield from _normalized(context, request, sop_instance, data, codec))


def n_action(
    context: NegotiatedContext, sop_class: UID, sop_instance: UID, action_type_id: int, data: bytes | None, codec: Codec
) -> Operation:
    """N-ACTION (PS3.7 10.1.4): delivers its `Reply`."""
    request = NActionRQ(
        requested_sop_class_uid=sop_class, requested_sop_instance_uid=sop_instance, action_type_id=action_type_id
    )
    return (yield from _normalized(context, request, sop_instance, data, codec))


def n_create(
    context: NegotiatedContext, sop_class: UID, sop_instance: UID | None, data: bytes | None, codec: Codec
) -> Operation:
    """N-CREATE (PS3.7 10.1.5); without an instance UID the SCP assigns one: delivers its `Reply`."""
    request = NCreateRQ(affected_sop_class_uid=sop_class, affected_sop_instance_uid=sop_instance)
    return (yield from _normalized(context, request, sop_instance, data, codec))


def n_delete(context: NegotiatedContext, sop_class: UID, sop_instance: UID, codec: Codec) -> Operation:
    """N-DELETE (PS3.7 10.1.6): delivers its `Reply`."""
    request = NDeleteRQ(requested_sop_class_uid=sop_class, requested_sop_instance_uid=sop_instance)
    return (yield from _normalized(context, request, sop_instance, None, codec))


def _normalized(
    context: NegotiatedContext, request: Request, sop_instance: UID | None, data: bytes | None, codec: Codec
) -> Operation:
    yield Send(context.context_id, request, None if data is None else BytesSource(data))
    received: Received = yield Receive()
    response = _response(received)
    told: UID | None = getattr(response, "affected_sop_instance_uid", None)
    yield Deliver(
        Reply(response.status, told or sop_instance or UID(""), received.data, _syntax(received), codec, response)
    )
    return response.status
