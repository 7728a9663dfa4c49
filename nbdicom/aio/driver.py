"""The engine of the asyncio driver: the operations of one association, over one `Wire`.

Coroutine functions run in the loop.  Plain functions of handlers run in a thread, one for each association, so that a
handler that blocks keeps no other association waiting.  Operations are finished by the driver, never by the garbage
collector.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import logging
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from nbdicom.aio.memory import MemoryTransport
from nbdicom.aio.wire import Wire
from nbdicom.aio.worker import Worker
from nbdicom.config import Limits, Timeouts
from nbdicom.core.association import AssociationCore, Invocation
from nbdicom.core.command import CCancelRQ, Request
from nbdicom.core.dimse import Received
from nbdicom.core.negotiation import Negotiation
from nbdicom.errors import AssociationAborted, AssociationError, OperationTimeout
from nbdicom.operations.effects import END, Call, Deliver, Next, Operation, Receive, Send, alone
from nbdicom.operations.handlers import Handlers, succeed
from nbdicom.operations.outcome import is_pending, raise_unless_established
from nbdicom.operations.requests import Codec, StorableInstance
from nbdicom.operations.serving import Serving
from nbdicom.privacy import trace_of, words_of

if TYPE_CHECKING:
    from nbdicom.tls import TLS

__all__ = ["Driver"]

_log = logging.getLogger("nbdicom.association")

_MOST_PERFORMED = 8  #: requests of the peer that are performed at once; a handler may use the association it serves

#: ``await associate(driver, address, ae_title, instances)`` opens the second association of a C-MOVE
OpenDestination = Callable[["Driver", tuple[str, int], str, Sequence[StorableInstance]], Coroutine[Any, Any, Any]]


class Driver(Wire):
    """Runs the operations of one association, in the loop that is running when it is made.

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

        super().__init__(core, timeouts=timeouts, peer=peer, accepted=accepted, tls=tls)
        self.limits = limits
        self.codec: Codec = codec
        self._context = context or contextvars.copy_context()
        self._open_destination = open_destination
        self._settling = asyncio.Lock()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._performing: set[asyncio.Task[None]] = set()
        self._abandoned: list[tuple[Invocation, bool]] = []
        self._thread: Worker | None = None
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

    def _peer_known(self) -> None:
        self.serving.peer = self.peer

    # --------------------------------------------------------------------------- from its begin to its end

    async def establish(self, until: float | None = None) -> None:
        """Requestor: from the connection to the answer, which must be there at *until*."""
        try:
            limit = self.timeouts.association
            if until is None and limit is not None:
                until = self.loop.time() + limit
            await self.wait(lambda: self.core.is_established, None, until=until)
            raise_unless_established(self.core, limit)
        except asyncio.CancelledError:
            self.abort()
            self.hang_up()
            raise
        except BaseException:
            self.abort()
            await self.close()
            raise

    async def serve(self) -> None:
        """Acceptor: until the association is over.  Requests are performed as they come."""
        try:
            await self.wait(lambda: False, self.timeouts.idle, what="requests", wants=False)
        except OperationTimeout:
            pass  # aborted, as it should be
        await self.close()

    async def release(self, timeout: float | None = None) -> None:
        """Release in order, or abort if the peer does not agree in time; nothing if it is over already.

        *timeout* is in seconds, instead of `Timeouts.release`; handlers that are at work have as long to end before.
        """
        limit = self.timeouts.release if timeout is None else timeout
        try:
            if self.is_established:
                await self.settle_abandoned()
                # What the peer has asked can only be answered before (PS3.8 7.2.2).  A handler may be who releases.
                me = asyncio.current_task()
                await self.wait(lambda: not self._performing - {me}, None, until=self.loop.time() + limit, wants=False)
            until = self.loop.time() + limit
            with suppress(TimeoutError):
                # What another task is sending is sent to its end: no data follow an A-RELEASE-RQ (PS3.8 7.2).
                async with asyncio.timeout_at(until), self._message_lock:
                    if self.is_established:
                        self.core.release()
                        self.changed()
                await self.wait(lambda: self.core.error is not None, None, until=until)
            if self.core.error is None:
                self.abort()
        except (OperationTimeout, AssociationError):
            pass  # it is over, which is what was asked for
        except BaseException:
            self.abort()
            self.hang_up()
            raise
        await self.close()

    async def stop(self, reason: str, timeout: float) -> None:
        """Abort the association for *reason*; handlers may end what they do, at most *timeout* seconds."""
        self._stopping = True
        self.abort(AssociationAborted(reason, source=0, reason_diag=0))
        if self._performing:
            await asyncio.wait(self._performing, timeout=timeout)
        for task in (*self._performing, *self._tasks):
            task.cancel()
        await self.close()

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """A task that somebody holds on to until it ends."""
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # --------------------------------------------------------------------------- requests of the peer

    def _perform_requests(self) -> None:
        """Begin to perform the requests of the peer that have arrived."""
        core = self.core
        while core.requests and not self.closed and len(self._performing) < _MOST_PERFORMED:
            work = self._perform(core.requests.popleft())
            task = self.loop.create_task(work, context=self._context.copy())
            self._performing.add(task)
            task.add_done_callback(self._performed)
            if not self.lies_about:  # the instances of a C-GET are performed, and then lie about like answers
                self._claim()

    def _performed(self, task: asyncio.Task[None]) -> None:
        self._performing.discard(task)
        self.changed()  # there may be room for the next request, or a release that waited for this one
        self._end_thread()

    async def _perform(self, received: Received) -> None:
        invocation = Invocation()
        performed = self.serving.perform(received)
        operation = alone(performed) if isinstance(performed, Send) else performed
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
        _log.warning("%s from %s: %s", request.name, self.peer, words_of(error))
        _log.debug("%s", trace_of(error))

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
                    if performing and not effect.more and is_pending(effect.message):
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

    async def in_thread(self, function: Callable[..., Any], *args: Any) -> Any:
        """Run a plain function of a handler in the thread of this association, so that the loop goes on.

        In memory there are no threads: it runs in the loop.
        """
        if isinstance(self.transport, MemoryTransport):
            return _guarded(function, args)
        if self._thread is None:
            self._thread = Worker(f"nbdicom {self.peer}")
        run = contextvars.copy_context().run
        return await self.loop.run_in_executor(self._thread, run, _guarded, function, args)

    def _end_thread(self) -> None:
        if self.closed and not self._performing and self._thread is not None:
            self._thread.shutdown(wait=False)
            self._thread = None

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
        cancel = CCancelRQ(message_id_being_responded_to=invocation.message_id)
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
