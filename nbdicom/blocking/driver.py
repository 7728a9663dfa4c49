"""The engine of the blocking driver: operations of one association, run by whoever calls, over one `Wire`.

Operations are finished by the driver, never by the garbage collector.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, cast

from nbdicom.blocking.interrupt import Interrupted
from nbdicom.blocking.wire import Wire
from nbdicom.config import Limits, Timeouts
from nbdicom.core.association import AssociationCore, Invocation
from nbdicom.core.command import CCancelRQ, Request
from nbdicom.core.dimse import Received
from nbdicom.core.negotiation import Negotiation
from nbdicom.errors import AssociationError, OperationTimeout
from nbdicom.operations.effects import END, Call, Deliver, Next, Operation, Receive, Send
from nbdicom.operations.handlers import Handlers
from nbdicom.operations.outcome import is_pending, raise_unless_established
from nbdicom.operations.requests import Codec, StorableInstance
from nbdicom.operations.serving import Serving
from nbdicom.privacy import trace_of, words_of

if TYPE_CHECKING:
    from nbdicom.blocking.transport import Transport
    from nbdicom.blocking.turns import Turns
    from nbdicom.memory import Connection

__all__ = ["Driver"]

_log = logging.getLogger("nbdicom.association")

_DEEPEST = 8  #: a C-GET reads while it waits, and performs what it reads; pipelined ones must not exhaust the stack

#: ``associate(address, ae_title, instances)`` opens the second association of a C-MOVE
OpenDestination = Callable[["Driver", tuple[Any, ...], str, Sequence[StorableInstance]], Any]


class Driver(Wire):
    """Runs the operations of one association.

    Parameters
    ----------
    core : AssociationCore
        The protocol.
    transport : Transport or Connection
        The connection; it belongs to the driver from now on.
    peer : str
        "host:port", for messages.
    handlers : Handlers
        Services for requests of the peer.
    timeouts, limits
        See `nbdicom.config`.
    open_destination : callable
        Opens the association of a C-MOVE that we perform.
    turns : Turns, optional
        Shared with the other associations of a server.
    """

    def __init__(
        self,
        core: AssociationCore,
        transport: Transport | Connection,
        *,
        peer: str,
        handlers: Handlers,
        timeouts: Timeouts,
        limits: Limits,
        open_destination: OpenDestination,
        turns: Turns | None = None,
    ) -> None:
        from nbdicom.data import codec

        super().__init__(core, transport, timeouts, turns)
        self.peer = peer
        self.limits = limits
        self.codec: Codec = codec
        self._abandoned: list[tuple[Invocation, bool]] = []
        self._depth = 0  # requests that are performed inside of one another
        self.serving = Serving(
            core,
            peer=peer,
            codec=codec,
            handlers=handlers,
            associate=lambda address, title, instances: open_destination(self, address, title, instances),
            failed=self._handler_failed,
            look=self._read_if_readable,
        )

    @property
    def negotiation(self) -> Negotiation:
        """What was negotiated."""
        negotiation = self.core.negotiation
        assert negotiation is not None
        return negotiation

    # --------------------------------------------------------------------------- from its begin to its end

    def establish(self, until: float | None = None) -> None:
        """Requestor: from the connection to the answer, which must be there at *until*."""
        try:
            self.connected()
            self.flush()
            limit = self.timeouts.association
            if until is None and limit is not None:
                until = time.monotonic() + limit
            self.wait(lambda: self.core.is_established, None, until=until)
            raise_unless_established(self.core, limit)
        except BaseException:
            self.abort()
            raise

    def serve(self) -> None:
        """Acceptor: perform the peer's requests until the association is over."""
        try:
            self.wait(bool, self.timeouts.idle, what="requests")  # which is never true
        except OperationTimeout:
            pass  # aborted, as it should be
        finally:
            self.close()

    def release(self, timeout: float | None = None) -> None:
        """Release in order, or abort if the peer does not agree in time; nothing if it is over already.

        *timeout* is in seconds, instead of `Timeouts.release`; a handler at work in another thread has as long to end first.
        """
        if self.closed:
            return
        limit = self.timeouts.release if timeout is None else timeout
        try:
            if self.core.is_established:
                self.settle_abandoned()
                # What the peer has asked can only be answered before (PS3.8 7.2.2).  Who reads performs.
                self._perform_requests()
                if self._depth and self._reader != threading.get_ident():
                    self.wait_until_served(limit)
            until = time.monotonic() + limit
            # What another thread is sending is sent to its end: no data follow an A-RELEASE-RQ (PS3.8 7.2).
            if self._message_lock.acquire(timeout=limit):
                try:
                    with self._lock:
                        if self.core.is_established:
                            self.core.release()
                finally:
                    self._message_lock.release()
                self.flush()
                self.wait(lambda: self.core.error is not None, None, until=until)
            if self.core.error is None:
                self.abort()
        except (OperationTimeout, AssociationError):
            pass  # it is over, which is what was asked for
        except BaseException:
            self.abort()
            raise
        self.close()

    # --------------------------------------------------------------------------- requests of the peer

    def attend(self) -> None:
        """Do what a peer in this process waits for, unless another thread is at it."""
        reading = self._reading
        if self.closed or (reading and not cast("Connection", self.transport).waits_here):
            return
        self._reading = False  # a handler may wait for something in its turn, in this very thread
        try:
            self._perform_requests()
            self.flush()
        finally:
            self._reading = reading

    def _perform_requests(self) -> bool:
        """Perform the requests of the peer that have arrived; True if there was one."""
        performed = False
        if self._depth >= _DEEPEST:
            return False  # whoever is performing takes them when it has finished
        while self.core.requests and not self.closed:
            try:
                received = self.core.requests.popleft()
            except IndexError:
                break  # another thread was faster
            performed = True
            answer = self.serving.perform(received)
            operation, invocation = None, None
            self._depth += 1
            try:
                if isinstance(answer, Send):
                    self._transmit(answer.context_id, answer.message, answer.data, None)
                else:
                    operation, invocation = answer, Invocation()
                    self.advance(operation, invocation, performing=True)
            except AssociationError:
                pass  # over while we answered: whoever waits is told by the core
            except BaseException as interrupt:
                if operation is not None and invocation is not None:
                    self.answer_after(interrupt, operation, invocation)
                if threading.current_thread() is threading.main_thread() or isinstance(interrupt, Interrupted):
                    raise  # Ctrl-C or its like; in a server's thread it can only be a handler that raised it
            finally:
                self._depth -= 1
                if operation is not None:
                    operation.close()
                with self._lock:
                    self.core.performed(received)
                    if self._waiting:
                        self._arrived.notify_all()
        return performed

    def wait_until_served(self, seconds: float | None) -> bool:
        """For a thread that does not read: wait until the peer's requests are answered; whether that is so."""
        with self._lock:
            self._waiting += 1
            try:
                self._arrived.wait_for(lambda: self.core.is_over or not self.core.performing, seconds)
            finally:
                self._waiting -= 1
            return self.is_established and not self.core.performing

    def answer_after(self, interrupt: BaseException, operation: Operation, invocation: Invocation) -> None:
        """A handler was interrupted: the peer still gets its answer, or it would wait for ever."""
        if not self.resumable or getattr(operation, "gi_frame", None) is None:
            return
        try:
            failure = RuntimeError(f"interrupted by {type(interrupt).__name__}")
            self.advance(operation, invocation, performing=True, error=failure)
        except (RuntimeError, AssociationError):
            pass  # it could not be answered; the interrupt is what counts

    def _handler_failed(self, request: Request, error: BaseException) -> None:
        _log.warning("%s from %s: %s", request.name, self.peer, words_of(error))
        _log.debug("%s", trace_of(error))

    # --------------------------------------------------------------------------- operations, driven

    def advance(
        self,
        operation: Operation,
        invocation: Invocation,
        *,
        resume: Any = None,
        error: BaseException | None = None,
        performing: bool = False,
        stepwise: bool = False,
        what: str = "",
    ) -> tuple[type, Any]:
        """Run an operation to its next `Deliver` or its end.

        Returns ``(Deliver, value)`` or ``(StopIteration, result)``; with *stepwise* also ``(Receive, None)`` where it would
        have to wait, to be resumed with what `receive` gives, and ``(Send, None)`` after a pending response.
        """
        answer: Any = resume
        while True:
            try:
                effect = operation.send(answer) if error is None else operation.throw(error)
            except StopIteration as stop:
                return StopIteration, stop.value
            answer = error = None
            try:
                if isinstance(effect, Receive):
                    if stepwise:
                        return Receive, None
                    answer = self.receive(invocation, what)
                elif isinstance(effect, Deliver):
                    return Deliver, effect.value
                elif isinstance(effect, Send):
                    answer = self._transmit(
                        effect.context_id, effect.message, effect.data, invocation, more=effect.more
                    )
                    if performing and not effect.more and not self.closed and is_pending(effect.message):
                        if stepwise:
                            return Send, None
                        self._read_if_readable()  # a C-CANCEL may have come
                elif isinstance(effect, Call):
                    answer = effect.function(*effect.args)
                else:
                    assert isinstance(effect, Next)
                    answer = next(cast("Iterator[Any]", effect.iterator), END)
            except (Exception, SystemExit) as raised:
                error = raised

    def ask(self, request: Send, what: str) -> Received:
        """One request and its one response.  Nothing is delivered and nothing can be cancelled, so no operation is needed.

        Through an operation and its iterator a C-ECHO took twice as long.
        """
        if self._abandoned:
            self.settle_abandoned()
        invocation = Invocation()
        try:
            self._transmit(request.context_id, request.message, request.data, invocation)
            received: Received = self.receive(invocation, what)
        except KeyboardInterrupt:
            if not self.resumable:
                self.abort()
            else:
                self.finish(invocation, cancellable=False)
            raise
        except Exception:
            self.finish(invocation, cancellable=False)
            raise
        return received

    def finish(self, invocation: Invocation, *, cancellable: bool) -> None:
        """Nobody wants what is still to come of an operation: cancel it, await its end, or abort after `Timeouts.cancel`.

        What has come lies in the inbox.
        """
        try:
            if cancellable and invocation.outstanding and self.is_established:
                self.send_cancel(invocation)
            if self.is_established:
                self.wait(lambda: not invocation.outstanding, None, until=time.monotonic() + self.timeouts.cancel)
            if invocation.outstanding:
                self.abort()
        except (OperationTimeout, AssociationError):
            pass  # aborted or lost: over, which is what was asked for
        except BaseException:
            self.abort()
            raise

    def receive(self, invocation: Invocation, what: str = "") -> Any:
        """The next thing in the inbox of an operation; waits for it, and raises what ended the association."""
        if not invocation.inbox:
            self.wait(invocation.inbox.__len__, self.timeouts.dimse, what)
            if not invocation.inbox:
                raise self._over()
        return invocation.inbox.popleft()

    def settle_abandoned(self) -> None:
        """Cancel operations whose iterators were dropped, and see them end."""
        while self._abandoned:
            invocation, cancellable = self._abandoned.pop()
            if invocation.outstanding and self.core.is_established:
                if cancellable:
                    self.send_cancel(invocation)
                deadline = time.monotonic() + self.timeouts.cancel
                self.wait(lambda one=invocation: not one.outstanding, None, until=deadline)  # type: ignore[misc]
                if invocation.outstanding:
                    self.abort()

    def send_cancel(self, invocation: Invocation) -> None:
        """C-CANCEL for the last request of an operation."""
        cancel = CCancelRQ(message_id_being_responded_to=invocation.message_id)
        self._transmit(invocation.context_id, cancel, None, None)

    def abandon(self, invocation: Invocation, cancellable: bool) -> None:
        """Nobody iterates any more; settled before the next operation.  Safe in a destructor: no I/O."""
        invocation.abandoned = True
        self._abandoned.append((invocation, cancellable))
