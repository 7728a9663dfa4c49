"""A socket that listens, and the thread that accepts; nothing polls."""

from __future__ import annotations

import logging
import select
import socket
import threading
from collections.abc import Callable

from nbdicom.address import listening_socket

__all__ = ["SocketListener"]

_log = logging.getLogger("nbdicom.server")
_BACKLOG = 128


class SocketListener:
    """Listen, and have ``begin(connection, address)`` called for each connection, in one thread.

    Parameters
    ----------
    host, port : str, int
        Where; port 0 takes a free one.
    begin : callable
        Gets the socket, which belongs to it from then on, and the peer's host and port.  It must not wait.
    name : str
        Whose it is, for the thread and the log.

    Raises
    ------
    OSError, OverflowError
        If the address cannot be listened on.
    """

    def __init__(
        self, host: str, port: int, begin: Callable[[socket.socket, tuple[str, int]], None], name: str
    ) -> None:
        self._name = name
        self._begin = begin
        self._closing = False
        self._listener = listening_socket(host, port, _BACKLOG)
        self._listener.setblocking(False)
        self.address: tuple[str, int] = self._listener.getsockname()[:2]
        self._wake = socket.socketpair()
        self._thread = threading.Thread(target=self._accept, name=f"nbdicom {name}", daemon=True)
        self._thread.start()

    def close(self, timeout: float) -> None:
        """Stop listening."""
        self._closing = True
        self._wake[1].send(b"\0")
        self._thread.join(timeout)
        self._listener.close()
        for end in self._wake:
            end.close()

    def _accept(self) -> None:
        listener, wake = self._listener, self._wake[0]
        while not self._closing:
            select.select([listener, wake], [], [])
            if self._closing:
                return
            try:
                connection, address = listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                continue
            except OSError as error:
                # Out of descriptors, say: the connections wait in the backlog; a moment later there may be room.
                _log.warning("%s: cannot accept a connection: %s", self._name, error.strerror)
                select.select([wake], [], [], 0.1)
                continue
            try:
                # On a socket for both families a caller from IPv4 has an IPv6 address that contains its own.
                self._begin(connection, (address[0].removeprefix("::ffff:"), address[1]))
            except (OSError, RuntimeError) as error:
                _log.warning("%s: cannot serve a connection: %s", self._name, type(error).__name__)
                connection.close()
