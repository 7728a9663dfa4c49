"""The engine of the asyncio driver: one `AssociationCore` that an `asyncio.BufferedProtocol` feeds.

The rules that keep it right:

1. The event loop reads, always; what arrives is filed by the core, and requests of the peer are performed at once, whether
   anybody waits for something or not.
2. It stops reading only while answers lie about that nobody takes, so that memory does not depend on a fast peer.
3. A batch of whole PDUs is given to the transport, and has gone before the source is asked for the next: memory does not
   depend on a slow peer either, and a cancelled task leaves no PDU torn.
4. One message at a time on the wire; control PDUs may pass between two of its batches.
5. Coroutine functions run in the loop.  Plain functions of handlers run in a thread, one for each association, so that a
   handler that blocks keeps no other association waiting.
6. Operations are finished by the driver, never by the garbage collector.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import logging
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from nbdicom.address import join_address
from nbdicom.aio.transport import acknowledge, addresses, give, tune
from nbdicom.config import Limits, Timeouts
from nbdicom.core.association import AssociationCore, Invocation
from nbdicom.core.command import CCancelRQ, Message, Request, Response
from nbdicom.core.dimse import Received
from nbdicom.core.machine import Sta
from nbdicom.core.negotiation import Negotiation
from nbdicom.core.streams import Buffer, DataSource
from nbdicom.errors import AssociationAborted, AssociationError, LocalProtocolError, NbdicomError, OperationTimeout
from nbdicom.operations.effects import END, Call, Deliver, Next, Operation, Receive, Send
from nbdicom.operations.handlers import Handlers, succeed
from nbdicom.operations.requests import Codec, StorableInstance
from nbdicom.operations.serving import Serving
from nbdicom.privacy import trace_of
from nbdicom.table import printable

if TYPE_CHECKING:
    from nbdicom.tls import TLS, PeerCertificate

__all__ = ["Driver"]

_log = logging.getLogger("nbdicom.association")

_LINGER = 2.0  #: seconds that the peer has to close after our last PDU, so that no reset destroys it
_TICK = 0.001  #: seconds that an alarm of the loop may ring early
_MOST_HELD = 500  #: buffers that are held for one write
_MOST_PERFORMED = 8  #: requests of the peer that are performed at once; a handler may use the association it serves
_MOST_UNCLAIMED = 4 << 20  #: bytes that may come while answers lie about that nobody takes

#: ``await associate(driver, address, ae_title, instances)`` opens the second association of a C-MOVE
OpenDestination = Callable[["Driver", tuple[str, int], str, Sequence[StorableInstance]], Coroutine[Any, Any, Any]]


class Driver(asyncio.BufferedProtocol):
    """Reads, writes and runs operations for one association, in the loop that is running when it is made.

    Parameters
    ----------
    core : AssociationCore
        The protocol; its clock must be that of the loop.
    handlers : Handlers
        Services for requests of the peer.
    timeouts, limits
        See `nbdicom.config`.
    open_destination : callable
        Opens the association of a C-MOVE that we perform.
    peer : str
        "host:port", for messages; an acceptor learns it with the connection.
    accepted : callable, optional
        Acceptor: called with the driver when its connection stands.
    context : Context, optional
        In which requests of the peer are performed; by default that of whoever makes the driver.
    tls : TLS, optional
        What the connection is secured by; the transport does it, the driver looks at the certificate.
    """

    def __init__(
        self,
        core: AssociationCore,
        *,
        handlers: Handlers,
        timeouts: Timeouts,
        limits: Limits,
        open_destination: OpenDestination,
        peer: str = "",
        accepted: Callable[[Driver], None] | None = None,
        context: contextvars.Context | None = None,
        tls: TLS | None = None,
    ) -> None:
        from nbdicom.data import codec

        self.core = core
        self.peer = peer
        self.timeouts = timeouts
        self.limits = limits
        self.codec: Codec = codec
        self.closed = False
        self.loop = asyncio.get_running_loop()
        self.transport: asyncio.Transport | None = None
        self.certificate: PeerCertificate | None = None
        self.refused: OSError | None = None  #: why the peer's certificate is not accepted
        self._tls = tls
        self._accepted = accepted
        self._context = context or contextvars.copy_context()
        self._open_destination = open_destination
        self._socket: Any = None
        self._gone = self.loop.create_future()  # the connection is closed
        self._waiters: set[asyncio.Future[None]] = set()  # who waits for news of any kind
        self._drained: asyncio.Future[None] | None = None  # while the transport has something to send
        self._message_lock = asyncio.Lock()  # one message at a time on the wire
        self._held: list[Buffer] = []  # whole messages that go out with the next one
        self._settling = asyncio.Lock()
        self._alarm: asyncio.TimerHandle | None = None
        self._farewell: asyncio.TimerHandle | None = None
        self._last_word: asyncio.TimerHandle | None = None
        self._finished = False  # our side of the connection has ended
        self._stopping = False  # the server is closing: nobody is waited for
        self._bytes = 0  # received, so that silence can be told from progress
        self._unclaimed = 0  # received since anybody wanted something
        self._wanted = 0  # waits for the peer: reading must go on
        self._busy = 0  # handlers that are running: the silence is ours
        self._paused = False
        self._tasks: set[asyncio.Task[Any]] = set()
        self._performing: set[asyncio.Task[None]] = set()
        self._owners: dict[Invocation, asyncio.Task[Any] | None] = {}  # which task waits for which operation
        self._abandoned: list[tuple[Invocation, bool]] = []
        self._thread: ThreadPoolExecutor | None = None
        self.serving = Serving(
            core, peer=peer, codec=codec, handlers=handlers, associate=self._associate, failed=self._handler_failed
        )

    async def _associate(self, address: tuple[str, int], ae_title: str, instances: Sequence[StorableInstance]) -> Any:
        return await self._open_destination(self, address, ae_title, instances)

    @property
    def negotiation(self) -> Negotiation:
        """What was negotiated."""
        negotiation = self.core.negotiation
        assert negotiation is not None
        return negotiation

    @property
    def is_established(self) -> bool:
        """True while operations can be invoked."""
        return self.core.is_established and not self.closed

    # --------------------------------------------------------------------------- what the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection stands."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._socket = tune(transport)
        if not self.peer:
            host, port = (transport.get_extra_info("peername") or ("?", 0))[:2]
            # On a socket for both families a caller from IPv4 has an IPv6 address that contains its own.
            self.peer = self.serving.peer = join_address(host.removeprefix("::ffff:"), port)
        secured = None
        if self._tls is not None:
            from nbdicom.tls import secured_in_words

            connection = transport.get_extra_info("ssl_object")
            try:
                self.certificate = self._tls.checked(connection, server=self._accepted is not None)
            except OSError as error:
                self.refused = error
                transport.abort()
                return
            secured = secured_in_words(connection, self.certificate)
        self.core.connected(addresses(transport) if self.core.traced else None, secured=secured)
        self.changed()
        if self._accepted is not None:
            self._accepted(self)

    def get_buffer(self, sizehint: int) -> memoryview:
        """The core's receive window."""
        return self.core.get_buffer()

    def buffer_updated(self, nbytes: int) -> None:
        """Bytes have come: they are parsed and filed; data sets go to their sinks."""
        self._bytes += nbytes
        self._unclaimed += nbytes
        self.core.buffer_updated(nbytes)
        self.changed()
        if self._unclaimed > _MOST_UNCLAIMED and not self._wanted and not self._paused and self.transport is not None:
            if self.core.requests or any(invocation.inbox for invocation in self._owners):
                self._paused = True
                self.transport.pause_reading()

    def eof_received(self) -> bool:
        """The peer will send nothing more; asyncio closes the connection."""
        self.core.eof_received()
        self.changed()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is closed, by whomever."""
        self.closed = True
        known = self.core.error
        self.core.eof_received(self._told(exc))
        if known is None and self.core.error is not None:
            self.core.error.__cause__ = exc
        self.core.dimse.discard()
        for timer in (self._alarm, self._farewell, self._last_word):
            if timer is not None:
                timer.cancel()
        if not self._gone.done():
            self._gone.set_result(None)
        self.resume_writing()
        self._end_thread()
        self._wake()

    def _told(self, error: Exception | None) -> AssociationError | None:
        """What TLS says about the end of the connection: the peer may refuse our certificate after its own handshake."""
        if self._tls is None or error is None:
            return None
        from nbdicom.tls import is_tls, why_tls_failed

        if not is_tls(error):
            return None
        words, hint = why_tls_failed(error)
        return AssociationAborted(words, hint=hint)

    def pause_writing(self) -> None:
        """The kernel takes nothing more for the moment."""
        if self._drained is None:
            self._drained = self.loop.create_future()

    def resume_writing(self) -> None:
        """All of what was given to the transport has gone."""
        drained, self._drained = self._drained, None
        if drained is not None and not drained.done():
            drained.set_result(None)

    def changed(self) -> None:
        """Whenever the core may have changed: send what it has to say, perform, keep its time, close, tell who waits."""
        core = self.core
        if waiting := core.data_to_send():
            if self.transport is not None and not self.transport.is_closing() and not self._finished:
                self.transport.write(b"".join(waiting))
        if self.closed and core.close_transport and self.transport is not None:
            self.transport.close()
        self._perform_requests()
        self._set_alarm()
        if core.is_over:
            self._close()
        self._wake()

    def _set_alarm(self) -> None:
        """The core's own time (ARTIM, that of a PDU) runs whether anybody waits or not.

        A deadline that moves away, as that of each PDU does, leaves the alarm where it is: it looks again when it rings.
        """
        at = self.core.deadline()
        if at is None or (self._alarm is not None and self._alarm.when() <= at):
            return
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = self.loop.call_at(at, self._alarm_rings)

    def _alarm_rings(self) -> None:
        self._alarm = None
        at = self.core.deadline()
        if at is not None and self.loop.time() + _TICK >= at:
            self.core.time_reached(at)
        self.changed()

    def _wake(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._waiters.clear()

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """A task that somebody holds on to until it ends."""
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # --------------------------------------------------------------------------- its end

    async def release(self, timeout: float | None = None) -> None:
        """Release in order, or abort if the peer does not agree in time; nothing if it is over already.

        *timeout* is in seconds, instead of `Timeouts.release`.
        """
        try:
            if self.is_established:
                await self.settle_abandoned()
            if self.is_established:
                self.core.release()
                self.changed()
                await self.wait(
                    lambda: self.core.error is not None, self.timeouts.release if timeout is None else timeout
                )
        except (OperationTimeout, AssociationError):
            pass  # it is over, which is what was asked for
        except BaseException:
            self.abort()
            raise
        await self.close()

    def abort(self, error: AssociationError | None = None) -> None:
        """Abort the association (A-ABORT, PS3.8 7.3); does nothing if it is over already."""
        if not self.closed:
            self.core.abort(error)
            self.changed()
            self._close()

    async def close(self) -> None:
        """Close, and wait until the connection is gone."""
        self._close()
        await asyncio.shield(self._gone)

    def _close(self) -> None:
        """Begin to close: what is written goes out, then the peer has a moment to close first."""
        if self.closed:
            return
        self.closed = True
        transport = self.transport
        if transport is None:
            if not self._gone.done():
                self._gone.set_result(None)
            return
        seconds = min(_LINGER, self.timeouts.artim)
        if self._paused:
            self._paused = False
            transport.resume_reading()  # or the end of the stream would never be seen
        if self.core.state is not Sta.STA13 or not transport.can_write_eof() or transport.is_closing():
            transport.close()
        elif self.core.upper_layer.listens_on and not self._stopping:
            # After our last word PDUs still get what Table 9-10 has for them.
            self._last_word = self.loop.call_later(self.timeouts.closing, self._finish)
        else:
            self._finish()
        self._farewell = self.loop.call_later(seconds, transport.abort)
        self._wake()

    def _finish(self) -> None:
        """End our side of the connection; the peer may still be read."""
        if self.transport is not None and not self.transport.is_closing() and not self._finished:
            self._finished = True
            self.transport.write_eof()

    def _over(self) -> AssociationError:
        """Why the association is over, for the caller; nobody needs the connection any more."""
        self._close()
        return self.core.error or AssociationAborted("the association is over")

    def _end_thread(self) -> None:
        if self.closed and not self._performing and self._thread is not None:
            self._thread.shutdown(wait=False)
            self._thread = None

    # --------------------------------------------------------------------------- waiting

    async def establish(self) -> None:
        """Requestor: from the connection to the answer."""
        try:
            limit = self.timeouts.association
            until = None if limit is None else self.loop.time() + limit
            await self.wait(lambda: self.core.is_established, None, until=until)
            if self.core.error is not None:
                raise self.core.error
            if not self.core.is_established:
                raise OperationTimeout(
                    f"the peer did not answer the association request (A-ASSOCIATE-RQ) within {limit:g} s",
                    hint="something listens there, but is it a DICOM application? Timeouts sets how long to wait",
                )
        except BaseException as error:
            self.abort()
            if not isinstance(error, asyncio.CancelledError):
                await self.close()
            raise

    async def serve(self) -> None:
        """Acceptor: until the association is over.  Requests are performed as they come."""
        try:
            await self.wait(lambda: False, self.timeouts.idle, what="requests", wants=False)
        except OperationTimeout:
            pass  # aborted, as it should be
        await self.close()

    async def wait(
        self,
        ready: Callable[[], object],
        silence: float | None,
        what: str = "",
        *,
        until: float | None = None,
        wants: bool = True,
    ) -> None:
        """Wait until *ready*, until the association is over, or *until* this time.

        *wants* is False for a wait that does not need the peer to send: reading may be paused meanwhile.

        Raises
        ------
        OperationTimeout
            After *silence* seconds without a byte; the association is aborted then.
        """
        core = self.core
        bytes_before, since, was_busy = self._bytes, self.loop.time(), False
        self._wanted += wants
        try:
            while not (ready() or core.is_over or self._gone.done()):
                now = self.loop.time()
                if until is not None and now >= until:
                    return
                if self._bytes != bytes_before or self._busy or was_busy:
                    bytes_before, since, was_busy = self._bytes, now, bool(self._busy)
                patience = None if self._busy else silence
                if core.receiving and not self._busy and self.timeouts.network is not None:
                    # A PDU or message that has begun is expected to go on.
                    patience = min(silence or self.timeouts.network, self.timeouts.network)
                if patience is not None and now >= since + patience and core.error is None:
                    timeout = OperationTimeout(
                        f"the peer was silent for {patience:g} s while we waited for {what or 'its answer'}",
                        hint="the peer may be busy or stuck; Timeouts sets how long to wait",
                    )
                    self.abort()
                    raise timeout
                await self._news(until if patience is None else min(since + patience, until or since + patience))
        finally:
            self._wanted -= wants

    async def _news(self, deadline: float | None) -> None:
        """Wait until something changes, at most until *deadline*."""
        acknowledge(self._socket)
        if self._wanted:
            self._claim()
        waiter = self.loop.create_future()
        self._waiters.add(waiter)
        timer = None if deadline is None else self.loop.call_at(deadline, _done, waiter)
        try:
            await waiter
        finally:
            self._waiters.discard(waiter)
            if timer is not None:
                timer.cancel()

    def _claim(self) -> None:
        """Somebody takes what comes: go on reading."""
        self._unclaimed = 0
        if self._paused:
            self._paused = False
            if self.transport is not None and not self.transport.is_closing():
                self.transport.resume_reading()

    # --------------------------------------------------------------------------- requests of the peer

    def _perform_requests(self) -> None:
        """Begin to perform the requests of the peer that have arrived."""
        core = self.core
        while core.requests and not self.closed and len(self._performing) < _MOST_PERFORMED:
            work = self._perform(core.requests.popleft())
            task = self.loop.create_task(work, context=self._context.copy())
            self._performing.add(task)
            task.add_done_callback(self._performed)
            self._claim()

    def _performed(self, task: asyncio.Task[None]) -> None:
        self._performing.discard(task)
        self.changed()  # there may be room for the next request, or a release that waited for this one
        self._end_thread()

    async def _perform(self, received: Received) -> None:
        invocation = Invocation()
        operation = self.serving.perform(received)
        try:
            await self.advance(operation, invocation, performing=True)
        except AssociationError:
            pass  # over while we answered: whoever waits is told by the core
        except Exception as error:
            # Ours, not the handler's, whose errors became a status.  Its kind only: the text may quote a patient's data.
            _log.error("%s from %s: %s", received.message.name, self.peer, type(error).__name__)
            _log.debug("%s", trace_of(error))
            self.abort()
        finally:
            try:
                operation.close()
            except ValueError:
                pass  # cancelled while the handler's thread is inside of a generator, which ends when that returns
            self.forget(invocation)
            self.core.performed(received)

    def _handler_failed(self, request: Request, error: BaseException) -> None:
        # Kind and place of the error only: its text may quote a patient's data.  Our own texts never do.
        what = printable(error.message) if isinstance(error, NbdicomError) else type(error).__name__
        _log.warning("%s from %s: %s", request.name, self.peer, what)
        _log.debug("%s", trace_of(error))

    async def stop(self, reason: str, timeout: float) -> None:
        """Abort the association for *reason*; handlers may end what they do, at most *timeout* seconds."""
        self._stopping = True
        self.abort(AssociationAborted(reason, source=0, reason_diag=0))
        if self._performing:
            await asyncio.wait(self._performing, timeout=timeout)
        for task in (*self._performing, *self._tasks):
            task.cancel()
        await self.close()

    # --------------------------------------------------------------------------- writing

    async def _write(self, buffers: Sequence[Buffer]) -> None:
        """Give whole PDUs to the transport, and wait until they have gone."""
        transport = self.transport
        if transport is None or self.closed or transport.is_closing():
            raise self._over()
        give(transport, buffers)
        if self._drained is not None:
            await self._until_drained(transport)

    async def _until_drained(self, transport: asyncio.Transport) -> None:
        limit = self.timeouts.network
        self._wanted += 1
        self._claim()
        try:
            while self._drained is not None:
                left = transport.get_write_buffer_size()
                await asyncio.wait((self._drained,), timeout=limit)
                if self._drained is not None and transport.get_write_buffer_size() >= left:
                    self.core.eof_received(
                        AssociationAborted(
                            f"the peer reads nothing: no byte was taken for {limit:g} s",
                            hint="it may be stuck; Timeouts.network sets how long to wait",
                        )
                    )
                    transport.abort()
                    raise self._over()
        finally:
            self._wanted -= 1
        if self.core.error is not None:
            raise self._over()

    async def _transmit(
        self,
        context_id: int,
        message: Message,
        data: DataSource | None,
        invocation: Invocation | None,
        *,
        more: bool = False,
    ) -> int | None:
        """Send one message, or with *more* keep it for the write of the next one; returns the Message ID of a request.

        While the operations window is full, a request waits for the operations of other tasks.
        """
        while True:
            if isinstance(message, Request) and self._can_wait(invocation):
                await self.wait(lambda: not self._can_wait(invocation), self.timeouts.dimse)
            async with self._message_lock:
                if isinstance(message, Request):
                    if self._can_wait(invocation):
                        continue  # another task was faster
                    assert invocation is not None
                    self._owners[invocation] = asyncio.current_task()
                await self._send(context_id, message, data, invocation, more)
                return message.message_id if isinstance(message, Request) else None

    def _can_wait(self, invocation: Invocation | None) -> bool:
        """The window is full, and another task will make room; a task that waits for itself would wait for ever."""
        if not self.core.window_full or self.core.error is not None:
            return False
        me = asyncio.current_task()
        return any(
            other is not invocation and other.outstanding and task is not me and task is not None and not task.done()
            for other, task in self._owners.items()
        )

    async def _send(
        self,
        context_id: int,
        message: Message,
        data: DataSource | None,
        invocation: Invocation | None,
        more: bool,
    ) -> None:
        if self.core.error is not None:
            raise self._over()
        batches = self.core.send(context_id, message, data, invocation)
        begun = False
        try:
            for batch in batches:
                if self.core.error is not None:
                    raise self._over()
                if self._held:
                    batch = [*self._held, *batch]
                    self._held.clear()
                if more and len(batch) < _MOST_HELD:
                    self._held = batch
                    continue
                begun = True
                await self._write(batch)
        except LocalProtocolError:
            if self.core.error is not None:
                raise self._over() from None
            raise
        except BaseException:
            # Nothing but an A-ABORT may follow a message that is cut off.
            if begun:
                self.abort()
            else:
                self.core.withdraw(message)
            raise

    # --------------------------------------------------------------------------- operations, driven

    async def advance(
        self,
        operation: Operation,
        invocation: Invocation,
        *,
        resume: Any = None,
        performing: bool = False,
        stop_at_receive: bool = False,
        what: str = "",
    ) -> tuple[type, Any]:
        """Run an operation to its next `Deliver` or its end.

        Returns ``(Deliver, value)``, ``(StopIteration, result)``, or ``(Receive, None)`` where it would have to wait and
        *stop_at_receive* is set; the caller resumes it with what `receive` gives.
        """
        answer = resume
        error: BaseException | None = None
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
                    answer = await self.receive(invocation, what)
                elif isinstance(effect, Deliver):
                    return Deliver, effect.value
                elif isinstance(effect, Send):
                    answer = await self._transmit(
                        effect.context_id, effect.message, effect.data, invocation, more=effect.more
                    )
                    if performing and not effect.more and _is_pending(effect.message):
                        await asyncio.sleep(0)  # a C-CANCEL may have come
                elif isinstance(effect, Call):
                    answer = await self._call(effect.function, effect.args, in_thread=performing and not effect.ours)
                else:
                    assert isinstance(effect, Next)
                    answer = await self._next(effect.iterator, in_thread=performing)
            except (Exception, SystemExit) as raised:
                error = raised
            except asyncio.CancelledError as raised:
                task = asyncio.current_task()
                if task is None or task.cancelling():
                    raise
                error = RuntimeError("what a handler awaited was cancelled")
                error.__cause__ = raised

    async def receive(self, invocation: Invocation, what: str = "") -> Any:
        """The next thing in the inbox of an operation; waits for it, and raises what ended the association."""
        if not invocation.inbox:
            await self.wait(lambda: invocation.inbox, self.timeouts.dimse, what)
            if not invocation.inbox:
                raise self._over()
        return invocation.inbox.popleft()

    async def _call(self, function: Callable[..., Any], args: tuple[Any, ...], *, in_thread: bool) -> Any:
        self._busy += in_thread
        try:
            if in_thread and not _is_quick(function):
                result = await self.in_thread(function, *args)
            else:
                result = function(*args)
            return await result if inspect.isawaitable(result) else result
        finally:
            self._not_busy(in_thread)

    async def _next(self, iterator: Any, *, in_thread: bool) -> Any:
        self._busy += in_thread
        try:
            if not hasattr(iterator, "__anext__"):
                return await self.in_thread(next, iterator, END) if in_thread else next(iterator, END)
            try:
                return await iterator.__anext__()
            except StopAsyncIteration:
                return END
        finally:
            self._not_busy(in_thread)

    def _not_busy(self, was: bool) -> None:
        self._busy -= was
        if was and not self._busy:
            self._wake()  # the silence of the peer begins now

    async def in_thread(self, function: Callable[..., Any], *args: Any) -> Any:
        """Run a plain function of a handler in the thread of this association, so that the loop goes on."""
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"nbdicom {self.peer}")
        run = contextvars.copy_context().run
        return await self.loop.run_in_executor(self._thread, run, _guarded, function, args)

    async def settle_abandoned(self) -> None:
        """Cancel operations whose iterators were dropped, and see them end."""
        async with self._settling:
            while self._abandoned:
                invocation, cancellable = self._abandoned.pop()
                if invocation.outstanding and self.core.is_established:
                    if cancellable:
                        await self.send_cancel(invocation)
                    until = self.loop.time() + self.timeouts.cancel
                    await self.wait(lambda one=invocation: not one.outstanding, None, until=until)  # type: ignore[misc]
                    if invocation.outstanding:
                        self.abort()
                self.forget(invocation)

    async def _settle(self) -> None:
        try:
            await self.settle_abandoned()
        except (OperationTimeout, AssociationError):
            pass  # over: nothing is left to be settled, and the next call is told

    async def send_cancel(self, invocation: Invocation) -> None:
        """C-CANCEL for the last request of an operation."""
        for message_id in invocation.message_ids[-1:]:
            cancel = CCancelRQ(message_id_being_responded_to=message_id)
            await self._transmit(invocation.context_id, cancel, None, None)

    def abandon(self, invocation: Invocation, cancellable: bool) -> None:
        """Nobody iterates any more: it is settled soon.  Safe in a destructor, whatever thread that runs in: no I/O."""
        invocation.abandoned = True
        self._abandoned.append((invocation, cancellable))
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self._settle_soon)

    def _settle_soon(self) -> None:
        if self._abandoned and self.is_established:
            self.spawn(self._settle())

    def forget(self, invocation: Invocation) -> None:
        """The operation is over."""
        self._owners.pop(invocation, None)
        if self._paused:
            self._claim()  # what it did not take is nobody's any more


def _is_pending(message: Message) -> bool:
    return isinstance(message, Response) and message.status.is_pending


def _is_quick(function: Callable[..., Any]) -> bool:
    """It does not block the loop: it only makes an awaitable, or is our own default."""
    return (
        inspect.iscoroutinefunction(function)
        or inspect.isasyncgenfunction(function)
        or function is succeed
        or hasattr(function, "__self__")
        and inspect.isasyncgen(function.__self__)
    )


def _guarded(function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    """In a thread nobody can be interrupted, and a future takes no StopIteration: mistakes of a handler like others."""
    try:
        return function(*args)
    except (KeyboardInterrupt, StopIteration) as error:
        raise RuntimeError(f"a handler raised {type(error).__name__}") from error


def _done(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
