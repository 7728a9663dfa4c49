"""Bytes between one `AssociationCore` and the event loop, which feeds it as an `asyncio.BufferedProtocol`.

The rules that keep it right:

1. The event loop reads, always; what arrives is filed by the core, and requests of the peer are performed at once, whether
   anybody waits for something or not.
2. It stops reading only while answers lie about that nobody takes, so that memory does not depend on a fast peer.
3. A batch of whole PDUs is given to the transport, and has gone before the source is asked for the next: memory does not
   depend on a slow peer either, and a cancelled task leaves no PDU torn.
4. One message at a time on the wire; control PDUs may pass between two of its batches.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from nbdicom.address import join_address, socket_address
from nbdicom.aio.transport import acknowledge, addresses, give, tune
from nbdicom.config import Timeouts
from nbdicom.core.association import AssociationCore, Invocation
from nbdicom.core.command import Message, Request
from nbdicom.core.machine import Sta
from nbdicom.core.streams import Buffer, DataSource
from nbdicom.errors import AssociationAborted, AssociationError, LocalProtocolError, OperationTimeout

if TYPE_CHECKING:
    from nbdicom.tls import TLS, PeerCertificate

__all__ = ["Wire"]

#: bytes of a message that have to move before a wait for the peer starts anew: a byte now and then is no progress
_PROGRESS = 1 << 14
_LINGER = 2.0  #: seconds that the peer has to close after our last PDU, so that no reset destroys it
_TICK = 0.001  #: seconds that an alarm of the loop may ring early
_MOST_HELD = 500  #: buffers that are held for one write
_MOST_UNCLAIMED = 4 << 20  #: bytes that may come while answers lie about that nobody takes


class Wire(asyncio.BufferedProtocol):
    """Reads and writes for one association, in the loop that is running when it is made.

    Parameters
    ----------
    core : AssociationCore
        The protocol; its clock must be that of the loop.
    timeouts : Timeouts
        See `nbdicom.config`.
    peer : str
        "host:port", for messages; an acceptor learns it with the connection.
    accepted : callable, optional
        Acceptor: called with the wire when its connection stands.
    tls : TLS, optional
        What the connection is secured by; the transport does it, the wire looks at the certificate.
    """

    def __init__(
        self,
        core: AssociationCore,
        *,
        timeouts: Timeouts,
        peer: str = "",
        accepted: Callable[[Any], None] | None = None,
        tls: TLS | None = None,
    ) -> None:
        self.core = core
        self.peer = peer
        self.caller = ("?", 0)  #: acceptor: host and port of who calls, once the connection stands
        self.timeouts = timeouts
        self.closed = False
        self.loop = asyncio.get_running_loop()
        self.transport: asyncio.Transport | None = None
        self.certificate: PeerCertificate | None = None
        self.refused: OSError | None = None  #: why the peer's certificate is not accepted
        self._tls = tls
        self._accepted = accepted
        self._socket: Any = None
        self._gone = self.loop.create_future()  # the connection is closed
        self._waiters: set[asyncio.Future[None]] = set()  # who waits for news of any kind
        self._drained: asyncio.Future[None] | None = None  # while the transport has something to send
        self._message_lock = asyncio.Lock()  # one message at a time on the wire
        self._held: list[Buffer] = []  # whole messages that go out with the next one
        self._alarm: asyncio.Handle | None = None
        self._rings_at = 0.0  # a handle knows it itself, but not that of the loop in a browser
        self._farewell: asyncio.TimerHandle | None = None
        self._last_word: asyncio.TimerHandle | None = None
        self._finished = False  # our side of the connection has ended
        self._stopping = False  # the server is closing: nobody is waited for
        self._bytes = 0  # received, so that silence can be told from progress
        self._unclaimed = 0  # received since anybody wanted something
        self._wanted = 0  # waits for the peer: reading must go on
        self._busy = 0  # handlers that are running: the silence is ours
        self._paused = False
        self._owners: dict[Invocation, asyncio.Task[Any] | None] = {}  # which task waits for which operation

    @property
    def is_established(self) -> bool:
        """True while operations can be invoked."""
        return self.core.is_established and not self.closed

    @property
    def lies_about(self) -> bool:
        """True while something has come for an operation, and nobody has taken it."""
        return any(invocation.inbox for invocation in self._owners)

    def _peer_known(self) -> None:
        """The acceptor knows now who calls."""
        raise NotImplementedError

    def _perform_requests(self) -> None:
        """Begin to perform the requests of the peer that have arrived."""
        raise NotImplementedError

    def _end_thread(self) -> None:
        """The thread of the handlers is not needed any more, if nobody works in it."""
        raise NotImplementedError

    # --------------------------------------------------------------------------- what the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection stands."""
        assert isinstance(transport, asyncio.Transport)
        self.calls_from(transport)
        self._socket = tune(transport)
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

    def calls_from(self, transport: asyncio.Transport) -> None:
        """On this connection, whether it is secured yet or not."""
        self.transport = transport
        if not self.peer:
            self.caller = socket_address(transport.get_extra_info("peername") or self.caller)
            self.peer = join_address(*self.caller)
            self._peer_known()

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
            if self.core.requests or self.lies_about:
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
        if at is None or (self._alarm is not None and self._rings_at <= at):
            return
        if self._alarm is not None:
            self._alarm.cancel()
        self._rings_at, self._alarm = at, self.loop.call_at(at, self._alarm_rings)

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

    # --------------------------------------------------------------------------- its end

    def abort(self, error: AssociationError | None = None) -> None:
        """Abort the association (A-ABORT, PS3.8 7.3); does nothing if it is over already."""
        if not self.closed:
            self.core.abort(error)
            self.changed()
            self._close()

    async def close(self) -> None:
        """Close, and wait until the connection is gone."""
        self._close()
        try:
            await asyncio.shield(self._gone)
        except asyncio.CancelledError:
            self.hang_up()
            raise

    def hang_up(self) -> None:
        """Close without waiting for the peer: who was cancelled waits for nobody, and the loop may be about to end.

        What was written still goes out; what the peer has sent and nobody has read makes a reset of the end.
        """
        self._close()
        if self.transport is not None:
            self.transport.close()

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
            try:
                self.transport.write_eof()
            except OSError:
                self.transport.abort()  # the peer has reset it, and the loop does not know it yet

    def _over(self) -> AssociationError:
        """Why the association is over, for the caller; nobody needs the connection any more."""
        self._close()
        return self.core.error or AssociationAborted("the association is over")

    # --------------------------------------------------------------------------- waiting

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

        *wants* is False for a wait that does not need the peer to send: reading may be paused meanwhile, and the peer is
        not silent while it waits for an answer of ours.

        Raises
        ------
        OperationTimeout
            After *silence* seconds without a message or a good piece of one; the association is aborted then.
        """
        core = self.core
        since, messages, begun = self.loop.time(), core.messages, core.receiving
        bytes_before, goal, was_busy = self._bytes, self._bytes + _PROGRESS, False
        self._wanted += wants
        try:
            while not (ready() or core.is_over or self._gone.done()):
                now = self.loop.time()
                if until is not None and now >= until:
                    return
                moved = self._bytes != bytes_before and (core.messages != messages or not begun or self._bytes >= goal)
                busy = bool(self._busy) or (not wants and core.performing)
                if moved or busy or was_busy:
                    since, messages, begun = now, core.messages, core.receiving
                    bytes_before, goal, was_busy = self._bytes, self._bytes + _PROGRESS, busy
                patience = None if busy else silence
                if core.receiving and not busy and self.timeouts.network is not None:
                    # A PDU or message that has begun is expected to go on.
                    patience = min(silence or self.timeouts.network, self.timeouts.network)
                if patience is not None and now >= since + patience and core.error is None:
                    silence_was = f"the peer was silent for {patience:g} s while we waited for {what or 'its answer'}"
                    core.give_up(silence_was)
                    self.changed()
                    self._close()
                    raise OperationTimeout(
                        silence_was, hint="the peer may be busy or stuck; Timeouts (--timeout) sets how long to wait"
                    )
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

    def _not_busy(self, was: bool) -> None:
        self._busy -= was
        if was and not self._busy:
            self._wake()  # the silence of the peer begins now

    def forget(self, invocation: Invocation) -> None:
        """The operation is over."""
        self._owners.pop(invocation, None)
        if self._paused and not self.lies_about:
            self._claim()  # what it did not take is nobody's any more

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
                if self._drained is not None and transport.get_write_buffer_size() > left - _PROGRESS:
                    self.core.eof_received(
                        AssociationAborted(
                            f"the peer reads nothing: hardly a byte was taken for {limit:g} s",
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
            if isinstance(message, Request) and self._can_wait(message, invocation):
                await self.wait(lambda: not self._can_wait(message, invocation), self.timeouts.dimse)
            async with self._message_lock:
                if isinstance(message, Request):
                    if self._can_wait(message, invocation):
                        continue  # another task was faster
                    assert invocation is not None
                    if invocation.begins is not None and not self.core.has_no_room(message):
                        invocation.begins()
                    self._owners[invocation] = asyncio.current_task()
                await self._send(context_id, message, data, invocation, more)
                return message.message_id if isinstance(message, Request) else None

    def _can_wait(self, message: Message, invocation: Invocation | None) -> bool:
        """There is no room, and another task will make some; a task that waits for itself would wait for ever."""
        if self.core.error is not None or not self.core.has_no_room(message):
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


def _done(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
