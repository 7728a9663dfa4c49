"""The event loop's way into the memory of this process: a transport without a socket (`nbdicom.memory`).

At the other end is an event loop as well, or a blocking driver.  A blocking acceptor has no thread: the loop does its work,
step by step, between two things that it reads.  What a blocking side in another thread writes is read by the loop.  Only a
blocking call in the loop's own thread cannot be answered by that loop, and is refused at once.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from nbdicom.core.streams import Buffer
from nbdicom.errors import ConnectionFailed, LocalProtocolError
from nbdicom.memory import HOST, Connection
from nbdicom.running import network

__all__ = ["End", "Listener", "MemoryTransport", "connect"]

P = TypeVar("P", bound=asyncio.BufferedProtocol)

_WHY = "an event loop cannot answer a blocking call of its own thread: it would have to run while it waits"


class End(Connection):
    """One end of a connection in memory, read by an event loop."""

    def __init__(self, address: str, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(address)
        self.loop = loop
        self.transport: MemoryTransport | None = None
        self.came: deque[memoryview] = deque()  # written by the other side, and not read yet

    @property
    def here(self) -> bool:
        """True in the thread of the loop, while it runs."""
        return asyncio._get_running_loop() is self.loop

    def soon(self, function: Callable[[], object]) -> None:
        """Call *function* in the loop; from whatever thread."""
        try:
            if self.here:
                self.loop.call_soon(function)
            else:
                self.loop.call_soon_threadsafe(function)
        except RuntimeError as error:
            raise BrokenPipeError("the event loop of the other side is closed") from error

    def take(self, buffers: Sequence[Buffer]) -> int:
        """What the other side writes; 0 if it has to wait until the loop has read what came before."""
        if self.transport is not None and self.transport.is_closing():
            raise BrokenPipeError("the other side is closed")
        paced = isinstance(self.other, End)  # it is told to pause
        if not paced and not self.here and self.came:
            return 0
        whole = b"".join(buffers)  # a source uses its buffer again
        self.came.append(memoryview(whole))
        if not paced and self.here and self.transport is not None:
            self.transport.deliver()  # a step of a blocking acceptor: nobody else runs before it ends
        else:
            self.soon(self._deliver)
        return len(whole)  # of what came is less here already

    @property
    def backlog(self) -> int:
        """Bytes that wait to be read."""
        return sum(map(len, self.came))

    @property
    def takes(self) -> bool:
        """Whether something that is written to us is taken now."""
        return self.here or not self.came

    def catch_up(self) -> None:
        """The loop reads when it has time."""

    def go_on(self) -> bool:
        """False: the loop does its work by itself, unless it is the loop that waits for it."""
        if self.here:
            raise LocalProtocolError(_WHY, hint="await it (nbdicom.aio), or make the call in another thread")
        return False

    def end(self) -> None:
        """The other side will write nothing more."""
        self._ended = True
        self._inform(self._deliver)

    def _inform(self, function: Callable[[], object]) -> None:
        try:
            self.soon(function)
        except BrokenPipeError:
            pass  # the loop is closed: nobody is left to be told

    @property
    def ended(self) -> bool:
        """True if the other side will write nothing more."""
        return self._ended

    def tell_room(self) -> None:
        """The other side takes something again."""
        self._inform(self._resume)

    def _deliver(self) -> None:
        if self.transport is not None:
            self.transport.deliver()

    def _resume(self) -> None:
        if self.transport is not None:
            self.transport.resume()


class MemoryTransport(asyncio.Transport):
    """The transport of one end, for an `asyncio.BufferedProtocol`.

    Parameters
    ----------
    end : End
        Our end of the connection.
    protocol : BufferedProtocol
        Who reads; it is told of the connection at once.
    """

    def __init__(self, end: End, protocol: asyncio.BufferedProtocol) -> None:
        names = (end.other.address.rpartition(":"), end.address.rpartition(":"))
        peer, ours = ((host, int(port)) for host, _, port in names)
        super().__init__({"peername": peer, "sockname": ours})
        self._end = end
        self._protocol = protocol
        self._closing = False
        self._finished = False  # our side has ended
        self._told_end = False
        self._reading = True
        self._full = False  # the protocol was told to pause
        self._delivering = False
        self._pumping = False
        end.transport = self
        protocol.connection_made(self)
        end.soon(self.deliver)

    # --------------------------------------------------------------------------- reading

    def deliver(self) -> None:
        """Give the protocol what came."""
        came, protocol = self._end.came, self._protocol
        if self._delivering:
            return  # whoever is at it goes on with it
        self._delivering = True
        moved = bool(came)
        try:
            while came and self._reading and not self._closing:
                view = came[0]
                window = memoryview(protocol.get_buffer(-1))
                size = min(len(window), len(view))
                window[:size] = view[:size]
                if size == len(view):
                    came.popleft()
                else:
                    came[0] = view[size:]
                protocol.buffer_updated(size)
        finally:
            self._delivering = False
        if not came and moved:
            self._end.other.tell_room()
        if self._end.ended and not came and not self._told_end and not self._closing:
            self._told_end = True
            if not protocol.eof_received():
                self.close()
        self._pump_soon()

    def is_reading(self) -> bool:
        """False while the protocol wants nothing."""
        return self._reading and not self._closing

    def pause_reading(self) -> None:
        """The protocol wants nothing for the moment."""
        self._reading = False

    def resume_reading(self) -> None:
        """The protocol takes what comes."""
        self._reading = True
        self._end.soon(self.deliver)

    # --------------------------------------------------------------------------- the other side's work

    def _pump_soon(self) -> None:
        """A blocking side has no thread: the loop does what it has to do."""
        if not self._pumping and not isinstance(self._end.other, End):
            self._pumping = True
            self._end.soon(self._pump)

    def _pump(self) -> None:
        self._pumping = False
        if self._reading and self._end.other.go_on():
            self._pump_soon()
        self.resume()

    # --------------------------------------------------------------------------- writing

    def write(self, data: Any) -> None:
        """To the other side."""
        self.writelines([data])

    def writelines(self, list_of_data: Iterable[Any]) -> None:
        """To the other side; it is taken at once, and the protocol pauses until it is read."""
        if self._closing or self._finished:
            return
        other = self._end.other
        self._end.moved += 1
        try:
            other.take(list(list_of_data))
        except BrokenPipeError:
            return  # its end is under way to us
        self._pump_soon()
        if other.backlog and not self._full:
            self._full = True
            self._protocol.pause_writing()

    def resume(self) -> None:
        """Go on writing, if the other side has read what was written."""
        if self._full and not self._end.other.backlog:
            self._full = False
            self._protocol.resume_writing()

    def get_write_buffer_size(self) -> int:
        """How much the other side has not looked at."""
        return self._end.other.backlog

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Nothing is held here: the limit is what was written last."""

    def can_write_eof(self) -> bool:
        """True: our side may end before the other one does."""
        return True

    def write_eof(self) -> None:
        """Nothing more will be written."""
        if not self._finished:
            self._finished = True
            self._end.moved += 1
            self._end.other.end()
            self._pump_soon()

    # --------------------------------------------------------------------------- its end

    def is_closing(self) -> bool:
        """True from `close` on."""
        return self._closing

    def close(self) -> None:
        """Close the connection."""
        if self._closing:
            return
        self._closing = True
        self.write_eof()
        self._end.came.clear()
        self._end.soon(self._lost)

    def abort(self) -> None:
        """Close the connection; nothing is under way that could be thrown away."""
        self.close()

    def _lost(self) -> None:
        self._protocol.connection_lost(None)
        self._end.other.tell_room()
        if not isinstance(self._end.other, End):
            self._end.other.work()  # it sees the end, and closes


class Listener:
    """Listens in the memory of this process, for the running loop.

    Parameters
    ----------
    host, port : str, int
        Where; port 0 takes a free one.
    factory : callable
        Makes the protocol of a connection, in the loop.

    Raises
    ------
    OSError
        If somebody listens there.
    """

    def __init__(self, host: str, port: int, factory: Callable[[], asyncio.BufferedProtocol]) -> None:
        loop = asyncio.get_running_loop()

        def accept(connection: Connection, address: tuple[str, int]) -> None:
            assert isinstance(connection, End)
            if connection.here and not isinstance(connection.other, End):
                raise ConnectionFailed(
                    f"{HOST}:{self.address[1]} is served by the event loop of this thread. {_WHY.capitalize()}",
                    hint="await nbdicom.aio.associate(...), or serve with nbdicom.Server",
                )
            try:
                connection.soon(lambda: _joined(connection, factory))
            except BrokenPipeError as error:
                raise ConnectionFailed(
                    f"{HOST}:{self.address[1]}: the event loop of the server is closed",
                    hint="serve for as long as the loop runs: async with aio.serve(...)",
                ) from error

        self.address = host, network.listen(port, accept, lambda address: End(address, loop))

    def close(self) -> None:
        """Stop listening."""
        network.deaf(self.address[1])


def connect(factory: Callable[[], P], port: int) -> P:
    """Connect to who listens there.

    Raises
    ------
    ConnectionFailed
        If nobody does.
    """
    loop = asyncio.get_running_loop()
    return _joined(network.connect(port, lambda address: End(address, loop)), factory)


def _joined(end: End, factory: Callable[[], P]) -> P:
    protocol = factory()
    MemoryTransport(end, protocol)
    return protocol
