"""A socket that listens, and the threads that serve its connections: one leads, the others follow; nothing polls.

The leader waits for the next connection and serves it itself, after it has let a follower lead; who has served, follows.
So no connection is handed from one thread to another, and hardly one has to wait for a thread to start, which takes 80 us.
"""

from __future__ import annotations

import contextvars
import logging
import selectors
import socket
import threading
import time
from collections.abc import Callable

from nbdicom.address import listening_socket, socket_address
from nbdicom.blocking.unserved import Unserved
from nbdicom.privacy import trace_of

__all__ = ["SocketListener"]

_log = logging.getLogger("nbdicom.server")
_MOST_UNSERVED = 64  #: connections that wait for their rejection; one more, and the oldest is closed
_MOST_IDLE = 4  #: threads without a connection, the leader among them; one more ends
_PAUSE = 0.1  #: seconds after what went wrong before the next connection is accepted


class SocketListener:
    """Listen, and have ``serve(connection, address)`` called for each connection, in a thread that is its own so long.

    Parameters
    ----------
    host, port : str, int
        Where; port 0 takes a free one.
    serve : callable
        Gets the socket, which belongs to it from then on, and the peer's host and port.
    full : callable
        Whether there is no room for another connection.
    reject : callable
        Gets the socket of a connection for which there is no room or no thread, and gives what rejects it; None if it is
        closed.
    name : str
        Whose it is, for the threads and the log.

    Raises
    ------
    OSError, OverflowError
        If the address cannot be listened on.
    """

    def __init__(
        self,
        host: str,
        port: int,
        serve: Callable[[socket.socket, tuple[str, int]], None],
        *,
        full: Callable[[], bool],
        reject: Callable[[socket.socket], Unserved | None],
        name: str,
    ) -> None:
        self._name = name
        self._serve = serve
        self._full = full
        self._reject = reject
        self._closing = threading.Event()
        self._unserved: list[Unserved] = []  # in the order of their coming; the leader's
        self._listener = listening_socket(host, port)
        self._listener.setblocking(False)
        self.address: tuple[str, int] = self._listener.getsockname()[:2]
        self._wake = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._wake[0], selectors.EVENT_READ)
        self._lock = threading.Lock()
        self._threads: set[threading.Thread] = set()
        self._idle = 0  # threads without a connection
        self._leading = threading.Lock()
        self._start_thread()

    def close(self) -> None:
        """Stop listening; connections that are served go on."""
        self._closing.set()
        self._wake[1].send(b"\0")
        with self._leading:  # nobody waits for the listener any more
            self._selector.close()
            self._listener.close()
            for one in self._unserved:
                one.close()

    def join(self, deadline: float) -> None:
        """Wait for all threads but this one, until *deadline* at most (of `time.monotonic`)."""
        with self._lock:
            threads = self._threads - {threading.current_thread()}
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        for end in self._wake:
            end.close()

    def drop(self) -> None:
        """Let go of the sockets without a word: after a fork they belong to the parent process."""
        self._selector.close()
        for end in (self._listener, *self._wake):
            end.close()
        for one in self._unserved:
            one.close()

    def _start_thread(self) -> None:
        thread = threading.Thread(target=self._work, name=f"nbdicom {self._name}", daemon=True)
        with self._lock:
            self._threads.add(thread)
            self._idle += 1
        try:
            thread.start()
        except (RuntimeError, MemoryError):
            with self._lock:
                self._threads.discard(thread)
                self._idle -= 1
            raise

    def _work(self) -> None:
        try:
            while True:
                with self._leading:
                    accepted = self._accept()
                if accepted is None:
                    return
                # A context of its own for each connection: what a handler sets there is nobody else's.
                contextvars.Context().run(self._served, *accepted)
                with self._lock:
                    if self._idle >= _MOST_IDLE:
                        return
                    self._idle += 1
        finally:
            with self._lock:
                self._threads.discard(threading.current_thread())

    def _accept(self) -> tuple[socket.socket, tuple[str, int]] | None:
        """The next connection, and somebody who will lead; None when we are closing."""
        accepted = None
        while accepted is None and not self._closing.is_set():
            try:
                accepted = self._accept_one()
            except Exception as error:  # whatever it is: if who leads ended, nobody would be let in any more
                _log.error("%s: cannot accept a connection: %s", self._name, type(error).__name__)
                _log.debug("%s", trace_of(error))
                self._closing.wait(_PAUSE)
        return accepted

    def _accept_one(self) -> tuple[socket.socket, tuple[str, int]] | None:
        """Wait for what comes next; None if it was no connection to be served."""
        until = min((one.until for one in self._unserved), default=None)
        left = None if until is None else max(0.0, until - time.monotonic())
        ready = self._selector.select(left)
        if self._closing.is_set():
            return None
        for one in [one for one in self._unserved if one.step()]:
            self._forget(one)
        if not any(key.fileobj is self._listener for key, _ in ready):
            return None
        try:
            connection, address = self._listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return None
        except OSError as error:
            # Out of descriptors, say: the connections wait in the backlog; a moment later there may be room.
            _log.warning("%s: cannot accept a connection: %s", self._name, error.strerror)
            self._closing.wait(_PAUSE)
            return None
        try:
            if not self._full() and self._is_followed():
                return connection, socket_address(address)
            self._turn_away(connection)
        except BaseException:
            connection.close()
            raise
        return None

    def _is_followed(self) -> bool:
        """Whether somebody leads when this thread serves: one who is idle, or a new one."""
        with self._lock:
            self._idle -= 1
            alone = not self._idle
        try:
            if alone:
                self._start_thread()
        except (RuntimeError, MemoryError) as error:  # nobody else can lead: we go on
            with self._lock:
                self._idle += 1
            _log.warning("%s: no thread for a connection: %s", self._name, type(error).__name__)
            return False
        return True

    def _turn_away(self, connection: socket.socket) -> None:
        unserved = self._reject(connection)
        if unserved is None:
            return
        self._unserved.append(unserved)
        self._selector.register(unserved, selectors.EVENT_READ)
        if len(self._unserved) > _MOST_UNSERVED:
            self._forget(self._unserved[0])

    def _forget(self, one: Unserved) -> None:
        self._selector.unregister(one)
        self._unserved.remove(one)
        one.close()

    def _served(self, connection: socket.socket, address: tuple[str, int]) -> None:
        try:
            self._serve(connection, address)
        except Exception as error:  # of the system nearly always
            _log.warning("%s: cannot serve a connection: %s", self._name, type(error).__name__)
            _log.debug("%s", trace_of(error))
            connection.close()
