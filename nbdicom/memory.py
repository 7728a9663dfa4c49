"""A network in the memory of this process: the host ``"memory"``, without a socket and without a thread.

A server that listens on the host ``"memory"`` is found there by whoever connects to its port; everything else is as ever.

>>> import nbdicom as nd
>>> with nd.demo_pacs(host="memory") as pacs:
...     bool(nd.Peer(pacs).echo())
True

Two cores are joined: what one side writes goes straight into the core of the other.  There is no thread that serves, so
the work of either side is done by whoever waits for it, or by an event loop (`nbdicom.aio`).  Where the system has no
sockets (Pyodide in a browser), every host is in memory, and examples run there as they are.
"""

from __future__ import annotations

import errno
import itertools
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from nbdicom.core.association import AssociationCore
from nbdicom.core.streams import Buffer
from nbdicom.errors import ConnectionFailed

__all__ = ["HOST", "Connection", "Network", "is_memory"]

HOST = "memory"
_FIRST_FREE = 49152  #: where the ports begin that nobody has a use for (RFC 6335)
_MOST_WAITING = 8  #: requests that wait at the other side before it gets time for them
_GLANCE = 0.5  #: seconds after which a wait looks up, for Ctrl-C and for other threads


def is_memory(host: str) -> bool:
    """Whether this host is the memory of this process.

    >>> is_memory("memory"), is_memory("127.0.0.1")
    (True, False)
    """
    return host == HOST or sys.platform == "emscripten"


C = TypeVar("C", bound="Connection")


class Driver(Protocol):
    """What a connection needs of the driver at its end."""

    core: AssociationCore

    def feed(self, buffers: Sequence[Buffer]) -> None:
        """Bytes for the core."""
        ...

    def feed_end(self) -> None:
        """The end of the stream, for the core."""
        ...


class Connection:
    """One end of a connection; has the verbs of `nbdicom.blocking.transport.Transport`.

    `take`, `takes`, `backlog`, `end` and `tell_room` are for the other end, which may be one of an event loop.
    """

    certificate = None
    secured = None
    hot = False  # what comes is in the core already: there is never more to read
    prompt = False  # nor does anything come by itself
    patience = 0.0

    def __init__(self, address: str) -> None:
        self.address = address
        self.since: float | None = None
        self.other: Connection
        self.driver: Driver | None = None
        self.work: Callable[[], object] = lambda: None  #: does what this side has to do, as far as it comes
        self.pass_time: Callable[[], object] = lambda: None  #: no time passes by itself: what is overdue happens now
        self.moved = 0  # counts what went out, so that work can be told from idleness
        self._news = threading.Condition()
        self._fed = False  # something came since the last read
        self._ended = False  # nothing more will come
        self._woken = False  # another thread wants it to end
        self._waits: int | None = None  # the thread that waits here

    @property
    def addresses(self) -> tuple[str, str]:
        """Our address and the peer's."""
        return self.address, self.other.address

    def write(self, buffers: Sequence[Buffer]) -> int:
        """To the other side; how many bytes it took."""
        if self._ended:
            raise BrokenPipeError("the other side is closed")
        other = self.other
        other.catch_up()
        self.moved += 1
        return other.take(buffers)

    def catch_up(self) -> None:
        """Nobody else gives this side time, and what it has not performed lies in memory."""
        while self.backlog and self.go_on():
            pass

    def take(self, buffers: Sequence[Buffer]) -> int:
        """What the other side writes, into our core; all of it is taken."""
        self.pass_time()
        driver = self.driver
        if driver is None:
            raise BrokenPipeError("the other side is closed")
        driver.feed(buffers)
        self._tell()
        return sum(map(len, buffers))

    @property
    def backlog(self) -> int:
        """How much waits here for our work, if that is too much."""
        driver = self.driver
        waiting = 0 if driver is None else len(driver.core.requests)
        return waiting if waiting >= _MOST_WAITING else 0

    @property
    def takes(self) -> bool:
        """Whether something that is written to us is taken now."""
        return True

    def go_on(self) -> bool:
        """Do the work of this side; False if there was nothing to do."""
        before = self.moved
        self.work()
        return self.moved != before

    @property
    def waits_here(self) -> bool:
        """True if it is this thread that waits here: it may do more of its work, since it does nothing else."""
        return self._waits == threading.get_ident()

    def read(self, view: memoryview) -> int | None:
        """0 at the end of the stream; else None, since what came is in the core."""
        self._fed = False
        return 0 if self._ended or self._woken else None

    def receive(self, view: memoryview) -> int | None:
        """There is no kernel to wait in."""
        return self.read(view)

    def readable(self) -> bool:
        """True if a read would tell something."""
        self.other.pass_time()
        return self._has_news()

    def _has_news(self) -> bool:
        return self._fed or self._ended or self._woken

    def wait(self, deadline: float | None, *, read: bool = True, write: bool = False) -> bool:
        """Do the work of the other side until something comes; False at the deadline (of `time.monotonic`)."""
        before, self._waits = self._waits, threading.get_ident()
        try:
            return self._wait(deadline, read=read, write=write)
        finally:
            self._waits = before

    def _wait(self, deadline: float | None, *, read: bool, write: bool) -> bool:
        def ready() -> bool:
            return (write and self.other.takes) or (read and self._has_news())

        while not ready():
            if self.other.go_on():
                continue
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                return False
            if sys.platform == "emscripten":
                if left is None:
                    raise ConnectionAbortedError("nobody else runs here: nothing can come")
                continue
            with self._news:  # another thread may do something
                self._news.wait_for(ready, _GLANCE if left is None else min(left, _GLANCE))
        return True

    def _tell(self) -> None:
        with self._news:
            self._fed = True
            self._news.notify_all()

    def tell_room(self) -> None:
        """The other side takes something again."""
        with self._news:
            self._news.notify_all()

    def finish(self) -> None:
        """Nothing more will be written, or read: no byte is under way that a reset could destroy."""
        self._ended = True
        self.moved += 1
        self.other.end()

    def end(self) -> None:
        """The other side will write nothing more."""
        if not self._ended:
            self._ended = True
            driver = self.driver  # another thread may be about to close this end
            if driver is not None:
                driver.feed_end()
            self._tell()

    def wake(self) -> None:
        """Make a `wait` in another thread see the end of the stream."""
        self._woken = True
        self._tell()

    def cut(self) -> None:
        """Nobody waits for long to write: who waits looks up, and `close` is seen."""

    def handshake(self, deadline: float | None) -> None:
        """Nothing is secured in memory."""

    def explain(self, error: OSError) -> None:
        """Nothing more is known than the error says."""

    def close(self) -> None:
        """Close the connection; the other side gets time to do so, too."""
        self.finish()
        self.driver = None
        work, self.work = self.work, lambda: None
        self.pass_time = lambda: None
        self.other.work()
        work()  # whoever does the work of this side sees that it is over


#: What serves a connection: the end that is to be its own, and where the requestor is.
Accept = Callable[[Connection, tuple[str, int]], None]


class Network:
    """The ports of a memory, and who listens on them; `nbdicom.running` has the one of this process."""

    def __init__(self) -> None:
        self._listening: dict[int, tuple[Accept, Callable[[str], Connection]]] = {}
        self._numbers = itertools.count(_FIRST_FREE)
        self._lock = threading.Lock()

    def listen(self, port: int, accept: Accept, end: Callable[[str], Connection] = Connection) -> int:
        """Have ``accept(connection, address)`` called for each connection; returns the port, a free one for 0.

        Parameters
        ----------
        port : int
            0 takes a free one.
        accept : callable
            Gets our end of the connection, and the host and port of the other; called by who connects.
        end : callable
            Makes our end of a connection from its address.

        Raises
        ------
        OSError
            If somebody listens there.
        """
        with self._lock:
            while not port or (port in self._listening and port >= _FIRST_FREE):
                port = next(self._numbers)
            if port in self._listening:
                raise OSError(errno.EADDRINUSE, "Address already in use")
            self._listening[port] = accept, end
        return port

    def deaf(self, port: int) -> None:
        """Nobody listens there any more."""
        with self._lock:
            self._listening.pop(port, None)

    def forget(self) -> None:
        """In a process that was forked: who listens does so in the parent."""
        self._lock = threading.Lock()  # the parent's may have been taken
        self._listening = {}

    def connect(self, port: int, ours: Callable[[str], C]) -> C:
        """A connection to who listens there; *ours* makes our end of it.

        Raises
        ------
        ConnectionFailed
            If nobody does.
        """
        with self._lock:
            found = self._listening.get(port)
            number = next(self._numbers)
        if found is None:
            raise ConnectionFailed(
                f"{HOST}:{port} refused the connection: nothing listens on this port of this process",
                hint="start the server first, with host='memory'",
            ) from ConnectionRefusedError()
        accept, end = found
        here, there = ours(f"{HOST}:{number}"), end(f"{HOST}:{port}")
        here.other, there.other = there, here
        accept(there, (HOST, number))
        return here
