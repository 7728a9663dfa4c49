"""A transport that is secured by TLS: the same verbs as a plain one, with OpenSSL between the socket and the core.

OpenSSL works on buffers in memory here, and never on the socket: what is read and written stays under our deadlines.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Sequence
from typing import cast

from nbdicom.blocking.transport import Transport
from nbdicom.core.streams import Buffer
from nbdicom.tls import TLS, secured_in_words, why_tls_failed

__all__ = ["SecureTransport"]

_RECORDS = 1 << 18  #: bytes that are encrypted at once


class SecureTransport(Transport):
    """One connected socket with TLS on it (PS3.15 Annex B); `handshake` comes first.

    Parameters
    ----------
    connection : socket.socket
        Connected; it belongs to the transport from now on.
    tls : TLS
        What to use.
    host : str, optional
        Requestor: whom we call.  An acceptor gives None.
    """

    def __init__(self, connection: socket.socket, tls: TLS, host: str | None) -> None:
        super().__init__(connection)
        self.prompt = False  # what the kernel has is no data yet
        connection.setblocking(False)
        self._tls = tls
        self._is_server = host is None
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = tls.server_context if host is None else tls.client_context
        name = None if host is None else tls.server_hostname or host
        self._ssl = context.wrap_bio(self._incoming, self._outgoing, server_side=host is None, server_hostname=name)
        # OpenSSL's object is not made for two threads, and a reader and a writer may be two.
        self._guard = threading.Lock()
        self._cipher = memoryview(b"")  # encrypted, not yet taken by the kernel
        self._owed = 0  # bytes of the caller in `_cipher`: told as taken when the kernel has taken all of it
        self._ended = False
        self._buffer = memoryview(bytearray(_RECORDS))

    @property
    def secured(self) -> str:
        """Version, cipher suite and the peer's certificate, in words."""
        return secured_in_words(self._ssl, self.certificate)

    def handshake(self, deadline: float | None) -> None:
        """Agree on keys and look at the peer's certificate.

        Raises
        ------
        OSError
            ssl.SSLError, TimeoutError at the deadline, or ConnectionError.
        """
        while True:
            try:
                self._ssl.do_handshake()
            except ssl.SSLWantReadError:
                self._flush_until(deadline)
                if not self.wait(deadline):
                    raise TimeoutError("no answer in the handshake") from None
                try:
                    data = self._socket.recv(1 << 14)
                except (BlockingIOError, InterruptedError):
                    continue
                if not data:
                    raise ConnectionResetError("the peer closed the connection in the handshake") from None
                self._incoming.write(data)
            except ssl.SSLError:
                self._flush_until(deadline)  # the alert that says why
                raise
            else:
                break
        self._flush_until(deadline)
        self.certificate = self._tls.checked(self._ssl, server=self._is_server)
        self._hot = True  # what the peer sent right behind its last message may be in our buffer: no poll would tell

    def explain(self, error: OSError) -> tuple[str, str] | None:
        """As `Transport.explain`; the peer may refuse our certificate only after its own handshake is over."""
        return why_tls_failed(error) if isinstance(error, ssl.SSLError) else super().explain(error)

    # --------------------------------------------------------------------------- reading

    def read(self, view: memoryview) -> int | None:
        """As `Transport.read`."""
        filled = 0
        while filled < len(view):
            with self._guard:
                size = self._decrypt(view[filled:])
            if size is None:
                break  # no whole record is here
            if size == 0:
                if not filled:
                    return 0
                break
            filled += size
        with self._guard:
            self._flush()  # a key update may want an answer
        self._hot = self._ended or filled == len(view)
        return filled or None

    def _decrypt(self, view: memoryview) -> int | None:
        while True:
            try:
                return cast("int", self._ssl.read(len(view), view))
            except ssl.SSLWantReadError:
                if self._ended:
                    return 0
                try:
                    size = self._socket.recv_into(self._buffer)
                except (BlockingIOError, InterruptedError):
                    return None
                if size:
                    self._incoming.write(self._buffer[:size])
                else:
                    self._ended = True
                    self._incoming.write_eof()
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                # A stream that is cut is noticed: an association ends by A-RELEASE or A-ABORT, not by its connection.
                self._ended = True
                return 0
            except ssl.SSLError:
                self._flush()  # the alert that says why, if the kernel takes it at once
                raise

    # --------------------------------------------------------------------------- writing

    def write(self, buffers: Sequence[Buffer]) -> int:
        """As `Transport.write`; what was encrypted counts when the kernel has all of it."""
        with self._guard:
            if not self._flush():
                return 0
            if self._owed:
                owed, self._owed = self._owed, 0
                return owed
            chunk = _joined(buffers, _RECORDS)
            if not chunk:
                return 0
            self._ssl.write(chunk)
            if self._flush():
                return len(chunk)
            self._owed = len(chunk)
            return 0

    def _flush(self) -> bool:
        """Give what is encrypted to the kernel; True if it has taken all."""
        while self._cipher or self._outgoing.pending:
            if not self._cipher:
                self._cipher = memoryview(self._outgoing.read())
            try:
                self._cipher = self._cipher[self._socket.send(self._cipher) :]
            except (BlockingIOError, InterruptedError):
                return False
        return True

    def _flush_until(self, deadline: float | None) -> None:
        while not self._flush():
            if not self.wait(deadline, read=False, write=True):
                raise TimeoutError("the peer takes nothing in the handshake")

    def finish(self) -> None:
        """As `Transport.finish`, with a close_notify before."""
        with self._guard:
            try:
                self._ssl.unwrap()
            except OSError:
                pass  # the peer's own is not waited for
            try:
                self._flush()
            except OSError:
                pass  # the peer was faster
        super().finish()


def _joined(buffers: Sequence[Buffer], most: int) -> bytes:
    """The first *most* bytes of *buffers* as one piece: OpenSSL gathers nothing."""
    pieces: list[Buffer] = []
    for buffer in buffers:
        piece = memoryview(buffer)[:most]
        pieces.append(piece)
        most -= len(piece)
        if not most:
            break
    return b"".join(pieces)
