"""The performing side of DIMSE-C: what is answered to C-ECHO, C-STORE, C-FIND, C-GET and C-MOVE (PS3.4 B, C; PS3.7 9.1).

`perform` makes the operation that answers one request, or the answer itself where nobody has to be asked for it.  DIMSE-N
has a room of its own (`normalized`); what both share, the treatment of a handler's mistakes above all, is in `performing`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from nbdicom.core.command import (
    CEchoRQ,
    CEchoRSP,
    CFindRQ,
    CFindRSP,
    CGetRQ,
    CMoveRQ,
    CStoreRQ,
    CStoreRSP,
    Request,
    SubOperationCounts,
    response_class,
)
from nbdicom.core.dimse import Received
from nbdicom.core.streams import BytesSource
from nbdicom.errors import AssociationError, DataSetError, NbdicomError
from nbdicom.operations.contexts import context_of_instance, group_by_association
from nbdicom.operations.effects import END, Call, Operation, Receive, Send
from nbdicom.operations.handlers import succeed
from nbdicom.operations.normalized import perform_normalized
from nbdicom.operations.performing import (
    HANDLER_ERRORS,
    Destination,
    Elsewhere,
    HandlerMistake,
    Link,
    answer,
    asked,
    call,
    final_status,
    kind_of,
    next_of,
    reply,
    status_of,
    verdict,
)
from nbdicom.operations.requests import (
    EchoRequest,
    FindRequest,
    Refuse,
    RetrieveRequest,
    StorableInstance,
    Stored,
    StoreRequest,
)
from nbdicom.services import belongs, service
from nbdicom.status import Status, StatusCategory
from nbdicom.uids import ServiceClass

__all__ = ["perform"]

_SUCCESS = Status(0x0000)
_MOST_SUB_OPERATIONS = 0xFFFF  #: the counters are 16-bit


def perform(link: Link, received: Received) -> Operation | Send:
    """The operation that answers *received*, or its answer where no handler has to be asked."""
    message = received.message
    assert isinstance(message, Request)
    if received.refused is not None:
        return reply(received, received.refused)
    if isinstance(message, CEchoRQ):
        if link.handlers.echo is not succeed:
            return _echo(link, received, message)
        # A generator, its effects and the request that nobody looks at cost twice as much as all the rest of an answer.
        response = CEchoRSP(
            message_id_being_responded_to=message.message_id,
            status=_SUCCESS,
            affected_sop_class_uid=message.affected_sop_class_uid or None,
        )
        return Send(received.context.context_id, response)
    if isinstance(message, CStoreRQ):
        if link.handlers.store is not succeed:
            return _store(link, received, message)
        return _store_response(link, received, message, *(_problem(link, received, message) or (0x0000, None)))
    if isinstance(message, CFindRQ):
        return _find(link, received, message)
    if isinstance(message, CGetRQ | CMoveRQ):
        return _retrieve(link, received, message)
    return perform_normalized(link, received, message)


def _decide(
    link: Link, received: Received, handler: Callable[..., Any] | None, request: Any, failure: int
) -> Operation:
    """Ask a handler for a status: its own, the one it refuses with, or *failure* when it raises."""
    if handler is None:
        return 0x0122, None
    try:
        return final_status(link, received, (yield from call(handler, request))), None
    except AssociationError:
        raise  # ours: nobody is left to answer to
    except HANDLER_ERRORS as error:
        return verdict(link, received, error, failure)


def _echo(link: Link, received: Received, message: CEchoRQ) -> Operation:
    request = EchoRequest(**asked(link, received))
    status, comment = yield from _decide(link, received, link.handlers.echo, request, 0x0110)
    yield from answer(received, status, comment)


def _store(link: Link, received: Received, message: CStoreRQ) -> Operation:
    told = _problem(link, received, message)
    if told is None:
        request = StoreRequest(**asked(link, received), data=received.data, sink=received.sink)
        told = yield from _decide(link, received, link.handlers.store, request, 0xC000)
    yield _store_response(link, received, message, *told)


def _problem(link: Link, received: Received, message: CStoreRQ) -> tuple[int, str | None] | None:
    """Status and comment where there is nothing to store."""
    if message.affected_sop_class_uid != received.context.abstract_syntax:
        return 0x0122, "SOP Class is not that of the presentation context"
    if received.sink_error is not None:
        return verdict(link, received, received.sink_error, 0xA700, "cannot take the data set")
    if received.data is None and received.sink is None:
        return 0xC000, "no data set"
    return None


def _store_response(link: Link, received: Received, message: CStoreRQ, status: int, comment: str | None) -> Send:
    """The response, after whoever counts has been told."""
    if link.stored is not None:
        link.stored(received, Status(status, "C-STORE", comment, received.context.abstract_syntax))
    response = CStoreRSP(
        message_id_being_responded_to=message.message_id,
        status=Status(status),
        error_comment=(comment or "")[:64] or None,
        affected_sop_class_uid=message.affected_sop_class_uid or None,
        affected_sop_instance_uid=message.affected_sop_instance_uid or None,
    )
    return Send(received.context.context_id, response)


def _find(link: Link, received: Received, message: CFindRQ) -> Operation:
    if link.handlers.find is None:
        yield from answer(received, 0x0122)
        return
    syntax = received.context.transfer_syntax
    assert syntax is not None
    if not belongs(message.affected_sop_class_uid, received.context.abstract_syntax):
        yield from answer(received, 0x0122, "SOP Class does not belong to the presentation context")
        return
    if received.sink_error is not None:
        yield from answer(received, *verdict(link, received, received.sink_error, 0xA700, "cannot take the identifier"))
        return
    request = FindRequest(**asked(link, received), data=received.data or b"")
    status, comment = 0x0000, None
    matches: Any = None
    asked_service = service(received.context.abstract_syntax)
    # At most one match is returned, more are a failure (PS3.4 Q.4): the first is held back until there is no second.
    at_most_one = asked_service is not None and asked_service.service_class is ServiceClass.RELEVANT_PATIENT_INFORMATION
    held: Send | None = None
    try:
        matches = yield from call(link.handlers.find, request)
        if hasattr(matches, "__aiter__"):
            matches = aiter(matches)
        elif isinstance(matches, Iterable):
            matches = iter(matches)
        else:  # the commonest mistake: nothing is yielded, or a status is returned
            raise HandlerMistake(f"the handler gave {kind_of(matches)} where matches are expected: yield them")
        while True:
            match = yield from next_of(matches)
            if received.cancelled:
                status = 0xFE00
                break
            if match is END:
                break
            response = CFindRSP(
                message_id_being_responded_to=message.message_id,
                status=Status(status_of(request.pending_status, pending=True)),
                affected_sop_class_uid=message.affected_sop_class_uid,
            )
            # Matches that are there together go out together: a write for each costs as much as all the rest of it.
            together = match if isinstance(match, list) else [match]
            if at_most_one and (held is not None or len(together) > 1):
                raise Refuse(0xC100, "more than one match found")
            for number, one in enumerate(together, 1):
                data = BytesSource(link.codec.encode(one, syntax))
                held = Send(received.context.context_id, response, data, more=number < len(together))
                if not at_most_one:
                    yield held
        if at_most_one and held is not None and status == 0x0000:
            yield held
    except (AssociationError, GeneratorExit):
        _close_now(matches)  # nobody is left to answer to, and no effect is served any more
        raise
    except HANDLER_ERRORS as error:
        status, comment = verdict(link, received, error, 0xC000)
    if (close := getattr(matches, "close", None) or getattr(matches, "aclose", None)) is not None:
        try:
            yield Call(close)
        except HANDLER_ERRORS as error:
            link.failed(message, error)
    yield from answer(received, status, comment)


def _close_now(matches: Any) -> None:
    """Close a generator of matches outside of any effect (an asynchronous one is closed by its event loop)."""
    close = getattr(matches, "close", None)
    if close is not None:
        close()


# ------------------------------------------------------------------------------- C-GET and C-MOVE


@dataclass(slots=True, eq=False)
class _Counts:
    """The counters of one retrieve; their sum is constant (PS3.4 C.4.2.1.6)."""

    total: int
    completed: int = 0
    failed: int = 0
    warning: int = 0
    failed_uids: list[str] = field(default_factory=list)
    counted: list[str] = field(default_factory=list)  #: SOP Instance UIDs; results may come out of order

    @property
    def remaining(self) -> int:
        return self.total - self.completed - self.failed - self.warning

    def count(self, instance: StorableInstance, status: Status | None) -> None:
        self.counted.append(instance.sop_instance_uid)
        if status is not None and status.is_success:
            self.completed += 1
            return
        if status is not None and status.category is StatusCategory.WARNING:
            self.warning += 1
            return
        self.failed += 1
        self.failed_uids.append(instance.sop_instance_uid)

    def fail_the_rest(self, instances: Sequence[StorableInstance]) -> None:
        """What has not been counted yet has failed."""
        counted = Counter(self.counted)
        for instance in instances:
            if counted[instance.sop_instance_uid]:
                counted[instance.sop_instance_uid] -= 1
            else:
                self.count(instance, None)

    def final(self) -> int:
        """0000 is "no failures or warnings", B000 "one or more" (PS3.4 Tables C.4-2 and C.4-3)."""
        if not self.failed and not self.warning:
            return 0x0000
        return 0xB000 if self.completed or self.warning else 0xA702


def _retrieve(link: Link, received: Received, message: CGetRQ | CMoveRQ) -> Operation:
    moving = isinstance(message, CMoveRQ)
    handler = link.handlers.move if moving else link.handlers.get
    if handler is None:
        yield from answer(received, 0x0122)
        return
    if not belongs(message.affected_sop_class_uid, received.context.abstract_syntax):
        yield from answer(received, 0x0122, "SOP Class does not belong to the presentation context")
        return
    counts = _Counts(0)
    if received.sink_error is not None:
        failure = verdict(link, received, received.sink_error, 0xA702, "cannot take the identifier")
        yield from _counted(link, received, counts, *failure)
        return
    request = RetrieveRequest(**asked(link, received), data=received.data or b"")
    status, comment = 0x0000, None
    try:
        address = None
        if isinstance(message, CMoveRQ):
            if link.handlers.destination is not None:
                address = yield from call(link.handlers.destination, message.move_destination)
            if address is None:
                raise Refuse(0xA801, "move destination unknown")
        instances = yield from call(_instances_given, link, (yield from call(handler, request)))
        counts.total = len(instances)
        if address is not None:
            steps = _move_instances(link, received, message, address, instances, counts)
        else:
            steps = _get_instances(link, received, instances, counts)
        cancelled = (yield from steps) if counts.total else False
        status = 0xFE00 if cancelled else counts.final()
    except AssociationError:
        raise  # ours: nobody is left to answer to
    except HANDLER_ERRORS as error:
        status, comment = verdict(link, received, error, 0xC000)
    yield from _counted(link, received, counts, status, comment)


def _instances_given(link: Link, items: Iterable[Any]) -> list[StorableInstance]:
    """The instances that a handler gave; files are looked into.

    What cannot be sent is named by its kind only: the name of a file may be that of a patient, and goes to the peer.
    """
    if not isinstance(items, Iterable):
        raise HandlerMistake(f"the handler gave {kind_of(items)} where instances are expected")
    instances: list[StorableInstance] = []
    for item in items:
        if len(instances) == _MOST_SUB_OPERATIONS:
            raise Refuse(0xA701, "more instances than one request can count")
        try:
            instances.append(link.codec.instance(item))
        except DataSetError as error:
            raise HandlerMistake(f"the handler gave {kind_of(item)} that cannot be sent") from error
    return instances


def _counted(
    link: Link, received: Received, counts: _Counts, status: int, comment: str | None = None, *, more: bool = False
) -> Operation:
    """A response with counters; *remaining* only in pending and cancelled ones, the failed UIDs only in final ones."""
    message = received.message
    assert isinstance(message, CGetRQ | CMoveRQ)
    response = response_class(type(message))(
        message_id_being_responded_to=message.message_id,
        status=Status(status),
        error_comment=(comment or "")[:64] or None,
    )
    assert isinstance(response, SubOperationCounts)
    response.affected_sop_class_uid = message.affected_sop_class_uid  # type: ignore[attr-defined]
    if status in (0xFF00, 0xFE00):
        response.number_of_remaining_sub_operations = counts.remaining
    response.number_of_completed_sub_operations = counts.completed
    response.number_of_failed_sub_operations = counts.failed
    response.number_of_warning_sub_operations = counts.warning
    data = None
    if status not in (0xFF00, 0x0000) and counts.failed_uids and received.context.transfer_syntax:
        identifier = {"FailedSOPInstanceUIDList": tuple(counts.failed_uids)}
        data = BytesSource(link.codec.encode(identifier, received.context.transfer_syntax))
    yield Send(received.context.context_id, response, data, more)


def _get_instances(link: Link, received: Received, instances: Sequence[StorableInstance], counts: _Counts) -> Operation:
    """The C-STORE sub-operations of a C-GET, on the same association; returns True if cancelled."""
    ready: Send | None = yield from _prepared(link, received.message, instances[0])
    try:
        for number, instance in enumerate(instances, 1):
            if received.cancelled:
                return True
            sent, ready = ready, None
            if sent is not None and not (yield from _sent(link, received.message, sent)):
                sent = None
            if number < len(instances):
                # The file of the next one is read while the peer works at this one.
                ready = yield from _prepared(link, received.message, instances[number])
            counts.count(instance, None if sent is None else (yield from _stored()))
            if counts.remaining:
                # The next sub-operation follows at once: one write for both, and the peer wakes once.
                yield from _counted(link, received, counts, 0xFF00, more=True)
    finally:
        if ready is not None and ready.data is not None:
            ready.data.close()
    return False


def _prepared(link: Link, message: Any, instance: StorableInstance) -> Operation:
    """The request that sends an instance, whose file is open; None if it cannot be sent."""
    try:
        context = context_of_instance(link.negotiation, instance, link.codec)
        source = yield Call(instance.open, (context.transfer_syntax,))
    except (NbdicomError, OSError) as error:
        link.failed(message, error)
        return None
    return Send(context.context_id, _store_request(instance), source)


def _sent(link: Link, message: Any, send: Send) -> Operation:
    """Send it; False where its file cannot be read after all.  Once a part has gone out, that ends the association."""
    assert send.data is not None
    try:
        yield send
    except (DataSetError, OSError) as error:
        link.failed(message, error)
        return False
    finally:
        send.data.close()
    return True


def _stored() -> Operation:
    response: Received = yield Receive()
    assert isinstance(response.message, CStoreRSP)
    return response.message.status


def _store_request(instance: StorableInstance) -> CStoreRQ:
    return CStoreRQ(affected_sop_class_uid=instance.sop_class_uid, affected_sop_instance_uid=instance.sop_instance_uid)


def _move_instances(
    link: Link,
    received: Received,
    message: CMoveRQ | CGetRQ,
    address: tuple[Any, ...],
    instances: Sequence[StorableInstance],
    counts: _Counts,
) -> Operation:
    """The C-STORE sub-operations of a C-MOVE, on associations of their own; returns True if cancelled.

    One association has room for 128 presentation contexts; instances that need more go over several.
    """
    for group in group_by_association(instances, link.codec):
        if received.cancelled:
            break
        yield from _move_group(link, received, message, address, group, counts)
    return received.cancelled and counts.remaining > 0


def _move_group(
    link: Link,
    received: Received,
    message: CMoveRQ | CGetRQ,
    address: tuple[Any, ...],
    instances: Sequence[StorableInstance],
    counts: _Counts,
) -> Operation:
    assert isinstance(message, CMoveRQ)
    destination: Destination | None = None
    finished = False
    try:
        destination = yield from call(link.associate, address, message.move_destination, instances)
        originator = (link.negotiation.calling_ae_title, message.message_id)
        results = destination.store(instances, originator=originator)
        while not received.cancelled:
            stored: Any = yield from next_of(results)
            if stored is END:
                break
            assert isinstance(stored, Stored)
            counts.count(stored.instance, stored.status)
            if stored.error is not None:
                link.failed(message, stored.error)
            if counts.remaining:
                yield from _counted(link, received, counts, 0xFF00)
        finished = True
    except (AssociationError, GeneratorExit):
        if destination is not None:
            destination.abort()  # nobody is left to answer to, and no effect is served any more
        raise
    except HANDLER_ERRORS as error:
        # The destination is away, refuses or died: what has not arrived has failed, and the requestor is told so.
        link.failed(message, error.error if isinstance(error, Elsewhere) else error)
        counts.fail_the_rest(instances)
    if destination is not None:
        yield Call(destination.release if finished else destination.abort, ours=True)
