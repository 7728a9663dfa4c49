"""A socket that listens, and the threads that serve its connections: one leads, the others follow; nothing polls.

The leader waits for the next connection and serves it itself, after it has let a follower lead; who has served, follows.
So no connection is handed from one thread to another, and hardly one has to wait for a thread to start, which takes 80 us.
"""

from __future__ import annotations

import contextvars
import logging
import select
import socket
import threading
import time
from collections.abc import Callable

from nbdicom.address import listening_socket

__all__ = ["SocketListener"]

_log = logging.getLogger("nbdicom.server")
_BACKLOG = 128
_MOST_IDLE = 4  #: threads without a connection, the leader among them; one more ends


class SocketListener:
    """Listen, and have ``serve(connection, address)`` called for each connection, in a thread that is its own so long.

    Parameters
    ----------
    host, port : str, int
        Where; port 0 takes a free one.
    serve : callable
        Gets the socket, which belongs to it from then on, and the peer's host and port.
    name : str
        Whose it is, for the threads and the log.

    Raises
    ------
    OSError, OverflowError
        If the address cannot be listened on.
    """

    def __init__(
        self, host: str, port: int, serve: Callable[[socket.socket, tuple[str, int]], None], name: str
    ) -> None:
        self._name = name
        self._serve = serve
        self._closing = False
        self._listener = listening_socket(host, port, _BACKLOG)
        self._listener.setblocking(False)
        self.address: tuple[str, int] = self._listener.getsockname()[:2]
        self._wake = socket.socketpair()
        self._lock = threading.Lock()
        self._threads: set[threading.Thread] = set()
        self._idle = 0  # threads without a connection
        self._leading = threading.Lock()
        self._start_thread()

    def close(self) -> None:
        """Stop listening; connections that are served go on."""
        self._closing = True
        self._wake[1].send(b"\0")
        with self._leading:  # nobody waits for the listener any more
            self._listener.close()

    def join(self, deadline: float) -> None:
        """Wait for all threads but this one, until *deadline* at most (of `time.monotonic`)."""
        with self._lock:
            threads = self._threads - {threading.current_thread()}
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        for end in self._wake:
            end.close()

    def _start_thread(self) -> None:
        thread = threading.Thread(target=self._work, name=f"nbdicom {self._name}", daemon=True)
        with self._lock:
            self._threads.add(thread)
            self._idle += 1
        try:
            thread.start()
        except RuntimeError:
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
        listener, wake = self._listener, self._wake[0]
        while not self._closing:
            select.select([listener, wake], [], [])
            if self._closing:
                break
            try:
                connection, address = listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                continue
            except OSError as error:
                # Out of descriptors, say: the connections wait in the backlog; a moment later there may be room.
                _log.warning("%s: cannot accept a connection: %s", self._name, error.strerror)
                select.select([wake], [], [], 0.1)
                continue
            with self._lock:
                self._idle -= 1
                alone = not self._idle
            try:
                if alone:
                    self._start_thread()
            except RuntimeError as error:  # nobody else can lead: we go on
                with self._lock:
                    self._idle += 1
                _log.warning("%s: cannot serve a connection: %s", self._name, type(error).__name__)
                connection.close()
                continue
            # On a socket for both families a caller from IPv4 has an IPv6 address that contains its own.
            return connection, (address[0].removeprefix("::ffff:"), address[1])
        return None

    def _served(self, connection: socket.socket, address: tuple[str, int]) -> None:
        try:
            self._serve(connection, address)
        except (OSError, RuntimeError) as error:
            _log.warning("%s: cannot serve a connection: %s", self._name, type(error).__name__)
            connection.close()
