"""Bytes between one `AssociationCore` and one `Transport`, moved by whoever calls.

The rules that keep it right:

1. Whoever waits, reads: a caller that needs a message reads if nobody does, files everything that came, and wakes others.
2. A blocked writer reads, or two peers that stream at each other would wait for ever.
3. One message at a time on the wire; control PDUs may pass between two of its PDUs.
4. Requests of the peer are performed by whoever reads, after reading.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from nbdicom.blocking.interrupt import current_interrupt
from nbdicom.config import Timeouts
from nbdicom.core.association import AssociationCore, Invocation
from nbdicom.core.command import Message, Request
from nbdicom.core.machine import Sta
from nbdicom.core.streams import Buffer, DataSource
from nbdicom.core.upper_layer import Role
from nbdicom.errors import AssociationAborted, AssociationError, LocalProtocolError, OperationTimeout
from nbdicom.memory import Connection

if TYPE_CHECKING:
    from nbdicom.blocking.transport import Transport
    from nbdicom.blocking.turns import Turns

__all__ = ["Wire"]

_MOST_HELD = 500  #: buffers that are held for one write (IOV_MAX is 1024)
#: bytes of a message that have to move before a wait for the peer starts anew: a byte now and then is no progress
_PROGRESS = 1 << 14
_CRUMB = 64  #: bytes of a read, for each PDU in it, that are a crumb
_MOST_CRUMBS = 16  #: one after the other, before whoever sends them waits
_CRUMBS_REMEMBERED = 1000  #: at most
_CRUMBS_AT_ONCE = 1 << 12  #: bytes that are read then
_BREATH = 0.001  #: seconds after which it goes on
_SHARE = 1 << 14  #: bytes of a read that are worth waiting for a turn; a command never does
_NOTHING = os.urandom(8)  #: nobody sends it: where it still stands after an interrupt, nothing has been read
_MOMENT = 0.01  #: seconds for which a peer that was heard is believed to be there, if one PDU is at stake
_LINGER = 2.0  #: seconds to drain what the peer still sends after our last PDU, so that no reset destroys it


class Wire:
    """Reads and writes for one association.

    Parameters
    ----------
    core : AssociationCore
        The protocol.
    transport : Transport or Connection
        The connection; it belongs to the wire from now on.
    timeouts : Timeouts
        See `nbdicom.config`.
    turns : Turns, optional
        Shared with other associations, so that all of them are served alike.
    """

    def __init__(
        self,
        core: AssociationCore,
        transport: Transport | Connection,
        timeouts: Timeouts,
        turns: Turns | None = None,
    ) -> None:
        self.core = core
        self.transport = transport
        self.timeouts = timeouts
        self.closed = False
        self._turns = turns
        self._lock = threading.RLock()  # guards the core
        self._arrived = threading.Condition(self._lock)  # notified after every read, where somebody waits for it
        self._waiting = 0  # threads that wait while another one reads
        self._message_lock = threading.RLock()  # one message at a time on the wire
        self._write_lock = threading.RLock()  # one list of whole PDUs at a time
        self._reading = False  # somebody reads
        self._reader = 0  # who
        self._in_io = False  # between the socket and the core: an interrupt here loses the position in the stream
        self._torn = False  # a PDU was written in part
        self._held: list[Buffer] = []  # whole messages that go out with the next one
        self._bytes = 0  # received, so that silence can be told from progress
        self._heard = 0.0  # when the last of them came
        self._crumbs = 0  # small pieces that came one after the other
        self._stop: str | None = None  # why another thread wants this association to end
        self._os_error: OSError | None = None

    @property
    def is_established(self) -> bool:
        """True while operations can be invoked."""
        return self.core.is_established and not self.closed

    @property
    def resumable(self) -> bool:
        """After an interrupt: whether the position in both streams is known."""
        return self.is_established and not self._in_io and not self._torn

    def _perform_requests(self) -> bool:
        """Perform the requests of the peer that have arrived; True if there was one."""
        raise NotImplementedError

    # --------------------------------------------------------------------------- its end

    def look(self) -> None:
        """See, without waiting, what the peer did while nobody was reading: it may have released or aborted."""
        if self.closed:
            return
        try:
            self._read_if_readable()
            self.flush()
        except AssociationError:
            pass  # it is over, and known to be
        if self.core.is_over:
            self.close()

    def abort(self) -> None:
        """Abort the association (A-ABORT, PS3.8 7.3); does nothing if it is over already."""
        if self.closed:
            return
        with self._lock:
            if not self._torn:
                self.core.abort()
        self.close()

    def end(self, reason: str) -> None:
        """Abort the association for *reason*."""
        with self._lock:
            self.core.abort(AssociationAborted(reason, source=0, reason_diag=0))
        self.close()

    def request_end(self, reason: str) -> None:
        """Make the thread that uses this association abort it soon; may be called from any thread."""
        self._stop = reason
        self.transport.wake()

    def close(self) -> None:
        """Send what is left to send, let the peer close first for a moment, close."""
        with self._lock:
            if self.closed:
                return
            self.closed = True
        self._stop_reader()
        try:
            # Another thread may be writing, and have taken over our last PDU to write it after its own.
            if self._write_lock.acquire(timeout=_LINGER):
                try:
                    if not self._torn and self._os_error is None:
                        self.flush()
                finally:
                    self._write_lock.release()
            else:
                self.transport.cut()  # it waits for a peer that takes nothing, and would do so when we are gone
            if not self._torn and self._os_error is None and self.core.state is Sta.STA13:
                # Nothing is under way in memory.
                over = not isinstance(self.transport, Connection) and self._hear_out()
                if not over:
                    self.transport.finish()
                    self._drain(time.monotonic() + min(_LINGER, self.timeouts.artim))
        except (OSError, OperationTimeout, AssociationError):
            pass  # the peer is gone: nothing is left to be polite to
        finally:
            with self._lock:
                if self.core.error is None or self.core.state is not Sta.STA1:
                    self.core.eof_received()  # Evt17: the machine comes to its end in Sta1
                self.core.dimse.discard()
                self._arrived.notify_all()
            self.transport.close()

    def _stop_reader(self) -> None:
        """Another thread may be waiting for the peer: it sees the end of the stream and leaves the socket to us."""
        with self._lock:
            if self._reading and self._reader != threading.get_ident():
                self.transport.wake()
                until = time.monotonic() + _LINGER
                while self._reading and (left := until - time.monotonic()) > 0:
                    self._wait_for_reader(left)

    def _hear_out(self) -> bool:
        """After our last word PDUs still get what Table 9-10 has for them; True if the peer has ended its side meanwhile.

        Else our side ends now, and the rest is read away.
        """
        upper_layer, deadline = self.core.upper_layer, time.monotonic() + self.timeouts.closing
        while upper_layer.listens_on and self._stop is None and self._more_before(deadline):
            size = self.transport.read(self.core.get_buffer())
            if size == 0:
                return not upper_layer.out
            if size:
                with self._lock:
                    self.core.buffer_updated(size)
                self.flush()
        return False

    def _drain(self, deadline: float) -> None:
        view = memoryview(bytearray(1 << 16))
        while self._more_before(deadline) and self.transport.read(view) != 0:
            pass

    def _more_before(self, deadline: float) -> bool:
        """Wait for something to read; whoever sends without end is not read beyond the deadline either."""
        return time.monotonic() < deadline and (self.transport.hot or self.transport.wait(deadline))

    def _over(self) -> AssociationError:
        """Why the association is over, for the caller; nobody needs the connection any more."""
        self.close()
        return self.core.error or AssociationAborted("the association is over")

    # --------------------------------------------------------------------------- reading

    def connected(self) -> None:
        """The transport connection stands."""
        transport = self.transport
        addresses = transport.addresses if self.core.traced else None
        secured = transport.secured
        with self._lock:  # the peer may be in this process, and quick to give us time
            self.core.connected(addresses, at=None if secured is None else transport.since, secured=secured)

    def wait(
        self, ready: Callable[[], object], silence: float | None, what: str = "", *, until: float | None = None
    ) -> None:
        """Read and perform until *ready*, until the association is over, or *until* this time.

        Raises
        ------
        OperationTimeout
            After *silence* seconds without a message or a good piece of one; the association is aborted then.
        """
        core, transport = self.core, self.transport
        since, messages, begun = time.monotonic(), core.messages, False  # a message or a PDU has
        bytes_before, goal = self._bytes, self._bytes + _PROGRESS
        # Between two PDUs no clock is needed for as long as the transport waits by itself.
        prompt = can_be_prompt = (
            transport.prompt
            and (until is None or until - since > transport.patience)
            and (silence is None or silence > transport.patience)
            and current_interrupt() is None
        )
        while True:
            if core.requests and self._perform_requests():
                since = time.monotonic()
            with self._lock:
                if ready() or core.is_over:
                    return
                if self._reading:
                    self._wait_for_reader(1.0)  # the limit only bounds a reader that was interrupted
                    mine = False
                else:
                    self._reading = mine = True
                    self._reader = threading.get_ident()
            patience = None
            if mine:
                try:
                    if prompt and core.is_quiet(transport.patience):
                        if (plain := self._take(prompt=True)) is None:
                            prompt = False
                        elif not plain:
                            self.flush()
                    else:
                        patience = silence
                        if core.receiving:
                            begun = True
                            if self.timeouts.network is not None:
                                # A PDU or message that has begun is expected to go on.
                                patience = min(silence or self.timeouts.network, self.timeouts.network)
                        deadline = None if patience is None else since + patience
                        for earlier in (core.deadline(), until):
                            if earlier is not None and (deadline is None or earlier < deadline):
                                deadline = earlier
                        if not self._read_once(deadline, prompt=prompt):
                            prompt = False
                finally:
                    self._reading = False
                    if self._waiting:
                        self._tell_waiting()
            if until is not None and time.monotonic() >= until:
                return
            if self._bytes != bytes_before and (core.messages != messages or not begun or self._bytes >= goal):
                since, messages, begun = self._heard, core.messages, False
                bytes_before, goal = self._bytes, self._bytes + _PROGRESS
                prompt = can_be_prompt and (until is None or until - since > transport.patience)
            elif mine and patience is not None and time.monotonic() >= since + patience and core.error is None:
                silence_was = f"the peer was silent for {patience:g} s while we waited for {what or 'its answer'}"
                with self._lock:
                    if not self._torn:
                        core.give_up(silence_was)
                self.close()
                raise OperationTimeout(
                    silence_was, hint="the peer may be busy or stuck; Timeouts (--timeout) sets how long to wait"
                )

    def _read_once(self, deadline: float | None, *, prompt: bool) -> bool:
        """One read from the socket into the core; at the deadline the core is told the time.  False if nothing came."""
        # With *prompt* no poll comes first, as between two PDUs: some peers send each in two pieces.
        prompt = prompt and not self.transport.hot
        if prompt and deadline is not None:
            prompt = deadline - time.monotonic() > self.transport.patience
        came = late = False
        if prompt or self.transport.hot or self.transport.wait(deadline):
            came = self._take(prompt=prompt) is not None
            # A peer that sends a byte now and then must not keep the core from being told the time.
            due = self.core.deadline()
            late = due is not None and time.monotonic() >= due
        else:
            late = True
        if late:
            with self._lock:
                self.core.time_reached(time.monotonic())
        self.flush()
        return came

    def _count_crumbs(self, pdus: int) -> None:
        """A peer that sends nothing but crumbs waits a moment after some of them, so that they cost others nothing.

        Each read has its price, and each PDU: 3 us, in which no other association has the interpreter.  Of crumbs less is
        read at once, more has come after a moment, and meanwhile the others are served.  One small piece now and then is
        nothing: some peers send the header of a PDU and its body apart.
        """
        self._crumbs = min(self._crumbs + pdus, _CRUMBS_REMEMBERED)
        if self._crumbs > _MOST_CRUMBS and self.core.upper_layer.role is Role.ACCEPTOR:
            with self._lock:
                self._arrived.wait(_BREATH)

    def _take(self, *, prompt: bool = False) -> bool | None:
        """What is there goes from the socket into the core; only the reader may call it.

        With *prompt* it waits a moment for something to be there.  The answer is None if nothing is, True for one command,
        after which the core has nothing else to say, and False for all else.
        """
        core, upper_layer = self.core, self.core.upper_layer
        pdus = upper_layer.pdus
        view = core.get_buffer()
        if self._crumbs > _MOST_CRUMBS:
            view = view[:_CRUMBS_AT_ONCE]
        plain = False
        if prompt:
            view[:8] = _NOTHING[: len(view)]
        try:
            self._in_io = True
            size = self.transport.receive(view) if prompt else self.transport.read(view)
            if size:
                turns = self._turns if size >= _SHARE else None
                if turns is not None and not turns.take():
                    turns = None
                try:
                    with self._lock:
                        self._bytes += size
                        self._heard = time.monotonic()
                        plain = core.buffer_updated(size)
                finally:
                    if turns is not None:
                        turns.give()
            elif size is not None:
                with self._lock:
                    if self._stop is not None:
                        core.abort(AssociationAborted(self._stop, source=0, reason_diag=0))
                    if core.error is None:
                        core.eof_received()
            self._in_io = False
        except OSError as error:
            self._in_io = False
            self._lost(error)
        except BaseException:
            if prompt and view[:8] == _NOTHING:
                self._in_io = False
            raise
        else:
            if size:
                pdus = upper_layer.pdus - pdus or 1
                if size < _CRUMB * pdus:
                    self._count_crumbs(pdus)
                elif self._crumbs:
                    self._crumbs //= 2  # between two data sets in crumbs there is a whole command
            return None if size is None else plain
        return False

    def feed(self, buffers: Sequence[Buffer]) -> None:
        """What the peer wrote goes into the core at once; for a peer in this process (`nbdicom.memory`)."""
        core = self.core
        with self._lock:
            self._in_io = True
            self._heard = time.monotonic()
            for buffer in buffers:
                left = memoryview(buffer)
                while left:
                    window = core.get_buffer()
                    size = min(len(window), len(left))
                    window[:size] = left[:size]
                    self._bytes += size
                    core.buffer_updated(size)
                    left = left[size:]
            self._in_io = False
            self._arrived.notify_all()

    def feed_end(self) -> None:
        """The peer in this process will write nothing more."""
        with self._lock:
            if self.core.error is None:
                self.core.eof_received()
            self._arrived.notify_all()

    def _lost(self, error: OSError) -> None:
        """The connection broke: the machine is told, and the cause is kept."""
        self._os_error = error
        words = self.transport.explain(error)
        told = AssociationAborted(words[0], hint=words[1]) if words else None
        with self._lock:
            known = self.core.error
            self.core.eof_received(told)
            if known is None and self.core.error is not None:
                self.core.error.__cause__ = error

    def _read_if_readable(self) -> None:
        """Read without waiting, unless somebody else does."""
        with self._lock:
            if self._reading or self.closed:
                return
            self._reading = True
            self._reader = threading.get_ident()
        try:
            if self.transport.readable():
                self._take()
        finally:
            self._reading = False
            if self._waiting:
                self._tell_waiting()

    def _tell_waiting(self) -> None:
        """We are no longer the reader: whoever waits looks what has come, and one of them reads.

        The flag is down before it is asked who waits, as a waiter looks at the flag after it has been counted.  It is not
        touched again: another one may be the reader by now.
        """
        with self._lock:
            self._arrived.notify_all()

    def _wait_for_reader(self, seconds: float) -> None:
        """Until the reader has read; the lock is ours before and after."""
        self._waiting += 1
        try:
            if self._reading:
                self._arrived.wait(seconds)
        finally:
            self._waiting -= 1

    # --------------------------------------------------------------------------- writing

    def flush(self) -> None:
        """Write the control PDUs that wait; where another thread is writing, it does so after its PDUs."""
        if not self.core.upper_layer.out or not self._write_lock.acquire(blocking=False):
            return
        try:
            with self._lock:
                waiting = self.core.data_to_send()
            if waiting:
                self._write(waiting)
        finally:
            self._write_lock.release()

    def _write(self, buffers: Sequence[Buffer]) -> None:
        """Write all of *buffers*; while the kernel takes nothing, read."""
        try:
            # An interrupt inside the system call leaves open how much was taken: torn until proven whole.
            self._torn = True
            taken = self.transport.write(buffers)
            whole = len(buffers[0]) if len(buffers) == 1 else sum(map(len, buffers))
            waiting = [] if taken == whole else _rest(buffers, taken)
            limit, goal, deadline = self.timeouts.network, 0, None
            while waiting:
                if goal <= 0:
                    goal, deadline = _PROGRESS, None if limit is None else time.monotonic() + limit
                while not (taken := self.transport.write(waiting)):
                    late = deadline is not None and time.monotonic() >= deadline
                    if late or not self.transport.wait(
                        deadline, read=not self._reading and not self.closed, write=True
                    ):
                        raise TimeoutError(f"hardly a byte was taken for {limit:g} s")
                    if not self.closed:
                        self._read_if_readable()
                        if self.core.close_transport:
                            raise ConnectionResetError("the peer closed the connection")
                goal -= taken
                waiting = _rest(waiting, taken)
            self._torn = False
        except OSError as error:
            if not self.closed:
                self._read_if_readable()  # the peer may have said why
            self._lost(error)
            raise self._over() from error

    def _transmit(
        self,
        context_id: int,
        message: Message,
        data: DataSource | None,
        invocation: Invocation | None,
        *,
        more: bool = False,
    ) -> int | None:
        """Send one message, or with *more* keep it for the write of the next one; returns the Message ID of a request.

        While the operations window is full, a request waits for the operations of other threads.
        """
        core = self.core
        if not isinstance(message, Request):
            with self._message_lock:
                self._send(context_id, message, data, invocation, more)
            return None
        assert invocation is not None
        invocation.owner = threading.current_thread()
        if not core.invoked and (data is not None or time.monotonic() - self._heard > _MOMENT):
            self._read_if_readable()  # the peer may have released or aborted while nobody was reading
            self.flush()
        while True:
            if core.invoked and self._has_to_wait(message):
                self.wait(lambda: not self._has_to_wait(message), self.timeouts.dimse)
            with self._message_lock:
                if core.invoked and self._has_to_wait(message):
                    continue  # another thread was faster
                if invocation.begins is not None and not core.has_no_room(message):
                    invocation.begins()
                self._send(context_id, message, data, invocation, more)
                return message.message_id

    def _has_to_wait(self, message: Message) -> bool:
        """There is no room, and another thread will make some; one that waits for itself would wait for ever."""
        if self.core.is_over:
            return False
        with self._lock:
            if not self.core.has_no_room(message):
                return False
            owners = self.core.owners
        return any(owner is not threading.current_thread() and owner.is_alive() for owner in owners if owner)

    def _send(
        self,
        context_id: int,
        message: Message,
        data: DataSource | None,
        invocation: Invocation | None,
        more: bool,
    ) -> None:
        core = self.core
        batches = None
        with self._lock:
            if core.error is None:
                batches = core.send(context_id, message, data, invocation)
        if batches is None:
            raise self._over()  # without the lock: it waits for who writes, and who writes needs it
        begun = False
        try:
            for batch in batches:
                if core.error is not None:
                    raise self._over()
                if self._held:
                    batch = [*self._held, *batch]
                    self._held.clear()
                if more and len(batch) < _MOST_HELD:
                    self._held = batch
                    continue
                with self._write_lock:
                    self._write(batch)
                begun = True
                if core.upper_layer.out:
                    self.flush()
            # After the last batch nothing is asked: another thread may have read the answer by now, and the end that came
            # with it.
        except LocalProtocolError:
            if self.core.error is not None:
                raise self._over() from None
            raise
        except BaseException:
            # Nothing but an A-ABORT may follow a message that is cut off between PDUs, and nothing at all a PDU that is
            # torn.
            if begun or self._torn:
                self.abort()
            else:
                with self._lock:
                    self.core.withdraw(message)
            raise


def _rest(buffers: Sequence[Buffer], taken: int) -> list[Buffer]:
    """What is left of *buffers* when the first *taken* bytes are gone."""
    for index, buffer in enumerate(buffers):
        size = len(buffer)
        if taken < size:
            return [memoryview(buffer)[taken:], *buffers[index + 1 :]]
        taken -= size
    return []
