"""An association as a person uses it: calls that block, answers that are iterated.

The rules that keep this driver right:

1. Whoever waits, reads: a caller that needs a message reads if nobody does, files everything that came, and wakes others.
2. A blocked writer reads, or two peers that stream at each other would wait for ever.
3. One message at a time on the wire; control PDUs may pass between two of its PDUs.
4. Requests of the peer are performed by whoever reads, after reading.
5. Operations are finished by the driver, never by the garbage collector.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from types import TracebackType
from typing import Any, Generic, Self, TypeVar, cast

from nbdicom.blocking.transport import Transport, connect, split_address
from nbdicom.config import Limits, OperationsWindow, Timeouts
from nbdicom.core.association import AssociationCore, Invocation
from nbdicom.core.command import CCancelRQ, Message, Priority, Request
from nbdicom.core.dimse import Received
from nbdicom.core.machine import Sta
from nbdicom.core.negotiation import ContextLike, NegotiatedContext, Negotiation, Proposal, context_of, propose
from nbdicom.core.streams import Buffer, DataSink, DataSource
from nbdicom.core.trace import Trace
from nbdicom.core.upper_layer import Role
from nbdicom.errors import (
    AssociationAborted,
    AssociationError,
    LocalProtocolError,
    OperationCancelled,
    OperationFailed,
    OperationTimeout,
)
from nbdicom.operations import scu
from nbdicom.operations.contexts import storage_contexts
from nbdicom.operations.effects import END, Call, Deliver, Next, Operation, Receive, Send
from nbdicom.operations.handlers import Handlers
from nbdicom.operations.requests import (
    Codec,
    Match,
    ReceivedInstance,
    StorableInstance,
    Stored,
    StoreRequest,
    SubOperations,
)
from nbdicom.operations.scp import Link, perform
from nbdicom.status import Status, StatusCategory
from nbdicom.table import printable
from nbdicom.uids import UID

__all__ = ["Association", "Responses", "associate"]

T = TypeVar("T")

_log = logging.getLogger("nbdicom.association")

_LINGER = 2.0  #: seconds to drain what the peer still sends after our last PDU, so that no reset destroys it


def associate(
    address: str | tuple[str, int],
    *,
    called: str,
    calling: str = "NBDICOM",
    contexts: Iterable[ContextLike],
    handlers: Handlers | None = None,
    timeouts: Timeouts | None = None,
    limits: Limits | None = None,
    window: OperationsWindow | None = None,
    trace: Trace | None = None,
) -> Association:
    """Request an association (PS3.8 7.1).

    Parameters
    ----------
    address : str or (str, int)
        ``"host:port"``.
    called, calling : str
        AE titles of the peer and of ourselves, at most 16 characters, case-sensitive.
    contexts : iterable
        What to propose: SOP Classes by UID, keyword or name, ``(SOP Class, transfer syntaxes)`` or `PresentationContext`.
    handlers : Handlers, optional
        Services for requests that the peer may send on this association.
    timeouts, limits, window : optional
        See `nbdicom.config`.
    trace : callable, optional
        Gets every `TraceEvent`.

    Raises
    ------
    ConnectionFailed, AssociationRejected, AssociationAborted, OperationTimeout
        In the order of the steps; ``AssociationRejected.negotiation`` has the proposal.

    Examples
    --------
    >>> with associate("127.0.0.1:11112", called="PACS", contexts=["Verification"]) as a:  # doctest: +SKIP
    ...     a.echo()
    <Status 0000H Success: Success>
    """
    timeouts, limits = timeouts or Timeouts(), limits or Limits()
    proposal = Proposal(
        called_ae_title=called,
        calling_ae_title=calling,
        contexts=tuple(map(context_of, contexts)),
        max_length_received=limits.max_length_received,
        window=window or OperationsWindow(),
    )
    rq = propose(proposal)  # what cannot be proposed is said before a connection is opened
    host, port = split_address(address)
    core = AssociationCore(Role.REQUESTOR, clock=time.monotonic, limits=limits, artim=timeouts.artim, trace=trace)
    core.request(rq)
    transport = Transport(connect(host, port, timeouts.connect))
    association = Association(
        core, transport, peer=f"{host}:{port}", handlers=handlers or Handlers(), timeouts=timeouts, limits=limits
    )
    association._establish()
    return association


class Association:
    """An established association.  As a context manager it is released at the end, or aborted by an exception.

    Not made by hand: `associate` or a server makes it.
    """

    def __init__(
        self,
        core: AssociationCore,
        transport: Transport,
        *,
        peer: str,
        handlers: Handlers,
        timeouts: Timeouts,
        limits: Limits,
    ) -> None:
        from nbdicom.data import codec

        self.peer = peer  #: "host:port"
        self.timeouts = timeouts
        self.limits = limits
        self._core = core
        self._transport = transport
        self._handlers = handlers
        self._codec: Codec = codec
        self._lock = threading.Condition()  # guards the core; notified after every read
        self._message_lock = threading.RLock()  # one message at a time on the wire
        self._reading = False  # somebody reads
        self._in_io = False  # between the socket and the core: an interrupt here loses the position in the stream
        self._torn = False  # a PDU was written in part
        self._bytes = 0  # received, so that silence can be told from progress
        self._stop: str | None = None  # why another thread wants this association to end
        self._closed = False
        self._os_error: OSError | None = None
        self._abandoned: list[Invocation] = []
        self._stored: Callable[[Received, Status], None] | None = None

    # --------------------------------------------------------------------------- what it is

    @property
    def negotiation(self) -> Negotiation:
        """What was proposed, accepted and refused, as a table."""
        negotiation = self._core.negotiation
        assert negotiation is not None
        return negotiation

    @property
    def is_established(self) -> bool:
        """True while operations can be invoked, as far as is known without looking at the connection."""
        return self._core.is_established and not self._closed

    def __repr__(self) -> str:
        state = "established" if self.is_established else "over"
        names = self._core.negotiation
        who = f"{printable(names.calling_ae_title)} -> {printable(names.called_ae_title)} " if names else ""
        return f"<Association {who}{self.peer}, {state}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None:
            self.release()
        else:
            self.abort()

    def __del__(self) -> None:
        if not getattr(self, "_closed", True):
            self._transport.close()  # no I/O from a destructor, but no open descriptor either

    # --------------------------------------------------------------------------- operations

    def echo(self) -> Status:
        """Verify the peer (C-ECHO, PS3.4 Annex A).

        Raises
        ------
        NoPresentationContext, OperationFailed, OperationTimeout, AssociationError
        """
        context = self.negotiation.context_for("1.2.840.10008.1.1")
        responses: Responses[None] = Responses(self, scu.echo(context), "C-ECHO")
        for _ in responses:
            pass
        assert responses.status is not None
        return responses.status

    def find(
        self,
        identifier: Any,
        *,
        model: str = "StudyRootQueryRetrieveInformationModelFind",
        priority: Priority = Priority.MEDIUM,
    ) -> Responses[Match]:
        """Query (C-FIND, PS3.4 C.4.1).

        Parameters
        ----------
        identifier : Dataset, mapping or bytes
            The query; a mapping has keywords and values.
        model : str
            The information model, as UID or keyword.
        priority : Priority
            Most peers ignore it.

        Returns
        -------
        Responses of Match
            The request is on the wire.  Leaving the loop early cancels the query (C-CANCEL).
        """
        context = self.negotiation.context_for(UID.of(model))
        data = self._encode(identifier, context)
        return Responses(self, scu.find(context, data, self._codec, priority), "C-FIND", cancellable=True)

    def store(
        self,
        instances: Iterable[StorableInstance | Any],
        *,
        originator: tuple[str, int] | None = None,
        priority: Priority = Priority.MEDIUM,
    ) -> Responses[Stored]:
        """Send instances (C-STORE, PS3.4 Annex B), as many at once as the operations window allows.

        Parameters
        ----------
        instances : iterable
            Paths, Datasets or `StorableInstance` objects.
        originator : (str, int), optional
            AE title and Message ID of the C-MOVE that this belongs to.
        priority : Priority
            Most peers ignore it.

        Returns
        -------
        Responses of Stored
            One for each instance, with the peer's status or the error that kept it from being sent.
        """
        from nbdicom.data import instance

        storable = (instance(item) for item in instances)
        operation = scu.store(self.negotiation, storable, self._codec, priority=priority, originator=originator)
        return Responses(self, operation, "C-STORE", raises=False)

    def get(
        self,
        identifier: Any,
        *,
        model: str = "StudyRootQueryRetrieveInformationModelGet",
        sink: Callable[[StoreRequest], DataSink] | None = None,
        store: Callable[[StoreRequest], Any] | None = None,
        priority: Priority = Priority.MEDIUM,
    ) -> Responses[ReceivedInstance | SubOperations]:
        """Retrieve on this association (C-GET, PS3.4 C.4.3); the storage contexts need the SCP role for us.

        Parameters
        ----------
        identifier : Dataset, mapping or bytes
            Level and unique keys.
        model : str
            The information model, as UID or keyword.
        sink : callable, optional
            Where the bytes of each instance go (`Handlers.sink`); without it they are collected in memory.
        store : callable, optional
            Called with each instance that is complete (`Handlers.store`); returns the status to answer, by default Success.
        priority : Priority
            Most peers ignore it.

        Returns
        -------
        Responses
            `ReceivedInstance` for every instance that arrived, `SubOperations` for the peer's counters.
        """
        context = self.negotiation.context_for(UID.of(model))
        data = self._encode(identifier, context)
        handlers = replace(self._handlers, sink=sink, store=store or (lambda request: 0x0000))
        return Responses(
            self, scu.get(context, data, self._codec, priority), "C-GET", cancellable=True, handlers=handlers
        )

    def move(
        self,
        identifier: Any,
        *,
        destination: str,
        model: str = "StudyRootQueryRetrieveInformationModelMove",
        priority: Priority = Priority.MEDIUM,
    ) -> Responses[SubOperations]:
        """Have the peer send instances to a third AE (C-MOVE, PS3.4 C.4.2).

        Parameters
        ----------
        identifier : Dataset, mapping or bytes
            Level and unique keys.
        destination : str
            AE title of the receiver; the peer must know its address.
        model : str
            The information model, as UID or keyword.
        priority : Priority
            Most peers ignore it.
        """
        context = self.negotiation.context_for(UID.of(model))
        data = self._encode(identifier, context)
        return Responses(
            self, scu.move(context, data, destination, self._codec, priority), "C-MOVE", cancellable=True
        )

    def _encode(self, identifier: Any, context: NegotiatedContext) -> bytes:
        assert context.transfer_syntax is not None
        return self._codec.encode(identifier, context.transfer_syntax)

    # --------------------------------------------------------------------------- its end

    def release(self) -> None:
        """Release the association in order (PS3.8 7.2); aborts if the peer does not agree in `Timeouts.release`.

        Does nothing if the association is over already.
        """
        if self._closed:
            return
        try:
            if self._core.is_established:
                self._settle_abandoned()
            with self._lock:
                releasing = self._core.is_established
                if releasing:
                    self._core.release()
            if releasing:
                self._flush()
                self._wait(lambda: self._core.error is not None, self.timeouts.release)
        except (OperationTimeout, AssociationError):
            pass  # it is over, which is what was asked for
        except BaseException:
            self.abort()
            raise
        self._close()

    def abort(self) -> None:
        """Abort the association (A-ABORT, PS3.8 7.3); does nothing if it is over already."""
        if self._closed:
            return
        with self._lock:
            if not self._torn:
                self._core.abort()
        self._close()

    def request_end(self, reason: str) -> None:
        """Make the thread that uses this association abort it soon; may be called from any thread."""
        self._stop = reason
        self._transport.wake()

    def _close(self) -> None:
        """Send what is left to send, let the peer close first for a moment, close."""
        if self._closed:
            return
        self._closed = True
        try:
            if not self._torn and self._os_error is None:
                self._flush()
                if self._core.state is Sta.STA13:
                    self._transport.finish()
                    self._drain(time.monotonic() + min(_LINGER, self.timeouts.artim))
        except (OSError, OperationTimeout, AssociationError):
            pass  # the peer is gone: nothing is left to be polite to
        finally:
            with self._lock:
                if self._core.error is None:
                    self._core.eof_received()
                self._core.dimse.discard()
                self._lock.notify_all()
            self._transport.close()

    def _drain(self, deadline: float) -> None:
        view = memoryview(bytearray(1 << 16))
        while self._transport.read(view, deadline):
            pass

    # --------------------------------------------------------------------------- reading

    def _establish(self) -> None:
        """Requestor: from the connection to the answer."""
        try:
            self._core.connected()
            self._flush()
            self._wait(lambda: self._core.is_established, self.timeouts.association, what="A-ASSOCIATE")
            if self._core.error is not None:
                raise self._core.error
        except BaseException:
            self.abort()
            raise

    def serve(self) -> None:
        """Acceptor: perform the peer's requests until the association is over."""
        try:
            self._wait(lambda: False, self.timeouts.idle, what="requests")
        except OperationTimeout:
            pass  # aborted, as it should be
        finally:
            self._close()

    def _wait(self, ready: Callable[[], object], silence: float | None, what: str = "") -> None:
        """Read and perform until *ready*, or until the association is over.

        Raises
        ------
        OperationTimeout
            After *silence* seconds without a byte; the association is aborted then.
        """
        core = self._core
        bytes_before, since = self._bytes, time.monotonic()
        while True:
            self._perform_requests()
            with self._lock:
                if ready() or core.error is not None:
                    return
                if self._reading:
                    self._lock.wait(1.0)  # the reader notifies; the limit only bounds a reader that was interrupted
                    mine = False
                else:
                    self._reading = mine = True
            if mine:
                try:
                    deadline = None if silence is None else since + silence
                    artim = core.deadline()
                    if artim is not None and (deadline is None or artim < deadline):
                        deadline = artim
                    self._read_once(deadline)
                finally:
                    with self._lock:
                        self._reading = False
                        self._lock.notify_all()
            if self._bytes != bytes_before:
                bytes_before, since = self._bytes, time.monotonic()
            elif silence is not None and time.monotonic() >= since + silence and core.error is None:
                seconds = f"{silence:g} s"
                timeout = OperationTimeout(
                    f"the peer was silent for {seconds} while we waited for {what or 'its answer'}",
                    hint="the peer may be busy or stuck; Timeouts sets how long to wait",
                )
                self.abort()
                raise timeout

    def _read_once(self, deadline: float | None) -> None:
        """One read from the socket into the core; at the deadline the core is told the time."""
        core = self._core
        try:
            if not self._transport._hot and not self._transport.wait(deadline):
                size = None
            else:
                self._in_io = True
                size = self._transport.read(core.get_buffer(), deadline)
            with self._lock:
                if size is None:
                    core.time_reached(time.monotonic())
                elif size:
                    self._bytes += size
                    core.buffer_updated(size)
                elif self._stop is not None:
                    core.abort(AssociationAborted(self._stop, source=0, reason_diag=0))
                else:
                    core.eof_received()
                self._in_io = False
        except OSError as error:
            self._in_io = False
            self._lost(error)
        self._flush()

    def _lost(self, error: OSError) -> None:
        """The connection broke: the machine is told, and the cause is kept."""
        self._os_error = error
        with self._lock:
            known = self._core.error
            self._core.eof_received()
            if known is None and self._core.error is not None:
                self._core.error.__cause__ = error

    def _perform_requests(self) -> None:
        """Perform the requests of the peer that have arrived."""
        while self._core.requests and not self._closed:
            try:
                received = self._core.requests.popleft()
            except IndexError:
                return  # another thread was faster
            invocation = Invocation()
            operation = perform(self._link(), received)
            try:
                self._advance(operation, invocation, performing=True)
            except AssociationError:
                pass  # over while we answered: whoever waits is told by the core
            finally:
                operation.close()
                with self._lock:
                    self._core.performed(received)

    def _link(self) -> Link:
        return Link(
            negotiation=self.negotiation,
            peer=self.peer,
            codec=self._codec,
            handlers=self._handlers,
            associate=self._associate_destination,
            failed=self._handler_failed,
            stored=self._stored,
        )

    def _associate_destination(
        self, address: tuple[str, int], ae_title: str, instances: Sequence[StorableInstance]
    ) -> Association:
        """The second association of a C-MOVE; our title is the one that the requestor called."""
        return associate(
            address,
            called=ae_title,
            calling=self.negotiation.called_ae_title,
            contexts=storage_contexts(instances, self._codec),
            timeouts=self.timeouts,
            limits=self.limits,
        )

    def _handler_failed(self, request: Request, error: Exception) -> None:
        # Kind and place of the error only: its text may quote a patient's data.
        _log.warning("%s from %s: %s", request.name, self.peer, type(error).__name__)
        _log.debug("details", exc_info=error)

    # --------------------------------------------------------------------------- writing

    def _flush(self) -> None:
        """Write the control PDUs that wait."""
        with self._lock:
            waiting = self._core.data_to_send()
        if waiting:
            self._write(waiting)

    def _write(self, buffers: Sequence[Buffer]) -> None:
        """Write all of *buffers*; while the kernel takes nothing, read."""
        waiting = list(buffers)
        try:
            taken = self._transport.write(waiting)
            waiting = _rest(waiting, taken)
            while waiting:
                self._torn = True
                limit = self.timeouts.network
                deadline = None if limit is None else time.monotonic() + limit
                while not (taken := self._transport.write(waiting)):
                    if not self._transport.wait(deadline, read=not self._reading and not self._closed, write=True):
                        raise TimeoutError(f"the peer took nothing for {limit:g} s")
                    if not self._closed:
                        self._read_if_readable()
                waiting = _rest(waiting, taken)
            self._torn = False
        except OSError as error:
            self._lost(error)
            raise self._over() from error

    def _read_if_readable(self) -> None:
        with self._lock:
            if self._reading:
                return
            self._reading = True
        try:
            if self._transport.readable():
                view = self._core.get_buffer()
                self._in_io = True
                size = self._transport.read(view, time.monotonic())
                with self._lock:
                    if size:
                        self._bytes += size
                        self._core.buffer_updated(size)
                    elif size == 0:
                        self._core.eof_received()
                    self._in_io = False
                if size == 0:
                    raise ConnectionResetError("the peer closed the connection")
        finally:
            with self._lock:
                self._reading = False
                self._lock.notify_all()

    def _transmit(
        self, context_id: int, message: Message, data: DataSource | None, invocation: Invocation | None
    ) -> int | None:
        """Send one message; returns the Message ID of a request."""
        with self._message_lock:
            with self._lock:
                if self._core.error is not None:
                    raise self._over()
                batches = self._core.send(context_id, message, data, invocation)
            begun = False
            try:
                for batch in batches:
                    self._write(batch)
                    begun = True
                    if self._core.error is not None:
                        raise self._over()
            except LocalProtocolError:
                if self._core.error is not None:
                    raise self._over() from None
                raise
            except BaseException:
                # Nothing but an A-ABORT may follow a message that is cut off between PDUs, and nothing at all a PDU
                # that is torn.
                if begun or self._torn:
                    self.abort()
                else:
                    with self._lock:
                        self._core.withdraw(message)
                raise
        return message.message_id if isinstance(message, Request) else None

    def _over(self) -> AssociationError:
        return self._core.error or AssociationAborted("the association is over")

    # --------------------------------------------------------------------------- operations, driven

    def _advance(
        self, operation: Operation, invocation: Invocation, *, resume: Any = None, performing: bool = False,
        stop_at_receive: bool = False, what: str = "",
    ) -> tuple[type, Any]:
        """Run an operation to its next `Deliver` or its end.

        Returns ``(Deliver, value)``, ``(StopIteration, result)``, or ``(Receive, None)`` where it would have to wait and
        *stop_at_receive* is set; the caller resumes it with what `_receive` gives.
        """
        answer, error = resume, None
        while True:
            try:
                effect = operation.send(answer) if error is None else operation.throw(error)
            except StopIteration as stop:
                return StopIteration, stop.value
            answer = error = None
            try:
                if isinstance(effect, Receive):
                    if stop_at_receive:
                        return Receive, None
                    answer = self._receive(invocation, what)
                elif isinstance(effect, Deliver):
                    return Deliver, effect.value
                elif isinstance(effect, Send):
                    answer = self._transmit(effect.context_id, effect.message, effect.data, invocation)
                    if performing and not self._closed:
                        self._read_if_readable()  # a C-CANCEL, say
                elif isinstance(effect, Call):
                    answer = effect.function(*effect.args)
                else:
                    assert isinstance(effect, Next)
                    answer = next(cast("Iterator[Any]", effect.iterator), END)
            except Exception as raised:
                error = raised

    def _receive(self, invocation: Invocation, what: str = "") -> Any:
        if not invocation.inbox:
            self._wait(lambda: invocation.inbox, self.timeouts.dimse, what)
            if not invocation.inbox:
                raise self._over()
        return invocation.inbox.popleft()

    def _settle_abandoned(self) -> None:
        """Cancel operations whose iterators were dropped, and see them end."""
        while self._abandoned:
            invocation = self._abandoned.pop()
            if invocation.outstanding and self._core.is_established:
                self._send_cancel(invocation)
                self._wait(lambda one=invocation: not one.outstanding, self.timeouts.cancel)  # type: ignore[misc]

    def _send_cancel(self, invocation: Invocation) -> None:
        for message_id in invocation.message_ids[-1:]:
            self._transmit(invocation.context_id, CCancelRQ(message_id_being_responded_to=message_id), None, None)

    @contextmanager
    def _handling(self, handlers: Handlers | None, invocation: Invocation) -> Iterator[None]:
        """Serve the peer with *handlers* for the time being, and file what they stored for *invocation*."""
        if handlers is None:
            yield
            return

        def stored(received: Received, status: Status) -> None:
            message = received.message
            assert received.context.transfer_syntax is not None
            invocation.inbox.append(
                ReceivedInstance(
                    UID(getattr(message, "affected_sop_class_uid", "")),
                    UID(getattr(message, "affected_sop_instance_uid", "")),
                    received.context.transfer_syntax,
                    status,
                    received.sink,
                    received.data,
                )
            )

        before = self._handlers, self._stored, self._core.dimse.open_sink
        self._handlers, self._stored = handlers, stored
        self._core.dimse.open_sink = self._sink_opener(handlers)
        try:
            yield
        finally:
            self._handlers, self._stored, self._core.dimse.open_sink = before

    def _sink_opener(self, handlers: Handlers) -> Callable[[NegotiatedContext, Any], DataSink | None] | None:
        factory = handlers.sink
        if factory is None:
            return None

        def open_sink(context: NegotiatedContext, message: Any) -> DataSink | None:
            return factory(
                StoreRequest(
                    negotiation=self.negotiation, peer=self.peer, context=context, message=message, codec=self._codec
                )
            )

        return open_sink


def _rest(buffers: list[Buffer], taken: int) -> list[Buffer]:
    """What is left of *buffers* when the first *taken* bytes are gone."""
    for index, buffer in enumerate(buffers):
        size = len(buffer)
        if taken < size:
            return [memoryview(buffer)[taken:], *buffers[index + 1 :]]
        taken -= size
    return []


class Responses(Generic[T]):
    """The answers to one operation, one by one.

    Iterate over it; leaving the loop early, `cancel()`, or a ``with`` block cancels what can be cancelled (C-FIND, C-GET,
    C-MOVE) and leaves the association usable.  ``status`` has the final status as soon as it is known.

    Raises (while iterating)
    ------------------------
    OperationFailed
        The final status is a Failure.
    OperationCancelled
        The peer says "cancelled" although nobody asked.
    OperationTimeout, AssociationError
        The association is over.
    """

    def __init__(
        self,
        association: Association,
        operation: Operation,
        service: str,
        *,
        cancellable: bool = False,
        raises: bool = True,
        handlers: Handlers | None = None,
    ) -> None:
        self.service = service
        self.status: Status | None = None
        self._association = association
        self._operation = operation
        self._cancellable = cancellable
        self._raises = raises
        self._invocation = Invocation()
        self._handling = association._handling(handlers, self._invocation)
        self._cancelling = False
        self._done = False
        self._waiting = False  # the operation stands at a Receive
        self._ahead: list[T] = []  # delivered before the first wait
        association._settle_abandoned()
        self._handling.__enter__()
        try:
            self._start()
        except BaseException:
            self._end()
            raise

    def _start(self) -> None:
        """Run to the first wait: when this returns, the request is on the wire."""
        kind, value = self._association._advance(
            self._operation, self._invocation, stop_at_receive=True, what=self.service
        )
        if kind is Deliver:
            self._ahead.append(value)
        elif kind is StopIteration:
            self._finish(value)
        else:
            self._waiting = True

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        if self._ahead:
            return self._ahead.pop()
        if self._done:
            raise StopIteration
        try:
            kind, value = self._resume()
        except KeyboardInterrupt:
            self._interrupted()
            raise
        except BaseException:
            self._end()
            raise
        if kind is Deliver:
            return value  # type: ignore[no-any-return]
        self._finish(value)
        self._raise_for_status()
        raise StopIteration

    def _resume(self) -> tuple[type, Any]:
        answer = None
        if self._waiting:
            answer = self._association._receive(self._invocation, self.service)
            self._waiting = False
        return self._association._advance(self._operation, self._invocation, resume=answer, what=self.service)

    def _finish(self, status: Any) -> None:
        self.status = status if isinstance(status, Status) else Status(0)
        self._end()

    def _end(self) -> None:
        if not self._done:
            self._done = True
            self._operation.close()
            self._handling.__exit__(None, None, None)

    def _raise_for_status(self) -> None:
        status = self.status
        if status is None or not self._raises:
            return
        if status.category is StatusCategory.FAILURE:
            raise OperationFailed(f"{self.service} failed: {status}", status=status, hint=_hint(status, self.service))
        if status.category is StatusCategory.CANCEL and not self._cancelling:
            raise OperationCancelled(f"{self.service}: the peer cancelled the operation ({status})")

    def cancel(self) -> None:
        """Cancel (C-CANCEL) and wait for the final response, at most `Timeouts.cancel` seconds; else abort.

        A C-ECHO or C-STORE cannot be cancelled: its response is awaited.  Does nothing when the operation is over.
        """
        if self._done:
            return
        self._cancelling = True
        association, invocation = self._association, self._invocation
        try:
            if self._cancellable and invocation.outstanding and association.is_established:
                association._send_cancel(invocation)
            deadline = time.monotonic() + association.timeouts.cancel
            while invocation.outstanding and association.is_established:
                left = deadline - time.monotonic()
                if left <= 0:
                    association.abort()
                    break
                association._wait(lambda: invocation.inbox, left, self.service)
                while invocation.inbox:
                    received = invocation.inbox.popleft()
                    message = getattr(received, "message", None)
                    status = getattr(message, "status", None)
                    if status is not None and not status.is_pending:
                        self.status = status
        except (OperationTimeout, AssociationError):
            pass  # aborted or lost: over, which is what was asked for
        except BaseException:
            association.abort()
            raise
        finally:
            self._end()

    def _interrupted(self) -> None:
        """Ctrl-C: cancel if the position in the stream is known, else abort."""
        association = self._association
        if association._in_io or association._torn or not association.is_established:
            association.abort()
            self._end()
        else:
            self.cancel()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.cancel()

    def __del__(self) -> None:
        # No I/O here: the association cancels it before its next operation.
        if not getattr(self, "_done", True) and self._invocation.outstanding:
            self._invocation.abandoned = True
            self._association._abandoned.append(self._invocation)
            self._end()

    def __repr__(self) -> str:
        return f"<Responses {self.service}: {self.status or 'under way'}>"


def _hint(status: Status, service: str) -> str | None:
    return {
        0xA801: "register the destination's AE title, host and port with the peer",
        0xA701: "ask for less, for instance one series at a time",
        0xA702: "see the table of sub-operations; the destination may refuse these SOP Classes",
        0xA900: f"the peer does not accept this identifier for {service}: check level and keys",
        0x0122: "the peer does not offer this service for this SOP Class",
        0x0124: "the peer does not allow it to our AE title",
    }.get(int(status))
