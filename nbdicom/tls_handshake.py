"""An acceptor's side of the TLS handshake: what a requestor offers is looked at before OpenSSL gets it (RFC 9325 3.7).

The drivers make their handshakes themselves; `nbdicom.tls` gives them an `AcceptorContext`.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable

__all__ = ["ALPN", "AcceptorContext", "offered_protocols"]

ALPN = "dicom"  #: registered by IANA for DICOM over TLS

_MOST_HELLO = 1 << 18  #: bytes of a ClientHello, after which OpenSSL may say what is wrong with it
_NO_APPLICATION_PROTOCOL = bytes((21, 3, 3, 0, 2, 2, 120))  #: a fatal alert (RFC 7301 3.2)


class _AcceptorObject(ssl.SSLObject):
    """The acceptor's side of one connection: the whole ClientHello is looked at before OpenSSL gets it.

    Where nobody sees how the handshake ends (asyncio closes the connection and says nothing to either side), the first
    error goes to ``failed``, and OpenSSL's alert goes out because more seems to be wanted; then the error is raised.  Who
    does not speak TLS understands no alert, and would not hang up: there the error is raised at once.
    """

    incoming: ssl.MemoryBIO
    outgoing: ssl.MemoryBIO
    failed: Callable[[ssl.SSLError], object] | None = None
    _hello: bytes | None = b""
    _speaks_tls = False
    _error: ssl.SSLError | None = None

    def do_handshake(self) -> None:
        if self._error is not None:
            raise self._error
        try:
            if self._hello is not None:
                self._look()
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as error:
            if self.failed is None:
                raise
            self._error = error
            self.failed(error)
            if not self._speaks_tls:
                raise
            raise ssl.SSLWantReadError from error

    def _look(self) -> None:
        assert self._hello is not None
        self._hello += self.incoming.read()
        self._speaks_tls = self._hello[:1] == b"\x16"  # a handshake record (RFC 8446 5.1)
        protocols = offered_protocols(self._hello)
        if protocols is None and len(self._hello) < _MOST_HELLO:
            raise ssl.SSLWantReadError
        if protocols and ALPN.encode() not in protocols:
            self.outgoing.write(_NO_APPLICATION_PROTOCOL)
            raise ssl.SSLError(ssl.SSL_ERROR_SSL, "no application protocol in common")
        self.incoming.write(self._hello)
        self._hello = None


class AcceptorContext(ssl.SSLContext):
    """Makes connections that know their buffers."""

    sslobject_class = _AcceptorObject
    failed: Callable[[ssl.SSLError], object] | None = None

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """As that of `ssl.SSLContext`."""
        made = super().wrap_bio(incoming, outgoing, server_side, server_hostname, session)
        assert isinstance(made, _AcceptorObject)
        made.incoming, made.outgoing, made.failed = incoming, outgoing, self.failed
        return made


# ------------------------------------------------------------------------------- what a client offers


def offered_protocols(hello: bytes | bytearray) -> list[bytes] | None:
    """The application protocols in a ClientHello (RFC 8446 4.1.2, RFC 7301); [] if it offers none, None if more must come.

    Python's `ssl` tells an acceptor which protocol was agreed on, but not that others were offered and none fitted.  What
    is no ClientHello offers nothing here; the handshake will say so.
    """
    body = bytearray()
    position = 0
    while True:  # the message may be cut into several records
        if len(hello) < position + 5:
            return None if not hello or hello[0] == 22 else []
        if hello[position] != 22:
            return []
        length = int.from_bytes(hello[position + 3 : position + 5], "big")
        body += hello[position + 5 : position + 5 + length]
        position += 5 + length
        if len(body) >= 4:
            whole = 4 + int.from_bytes(body[1:4], "big")
            if body[0] != 1 or len(body) >= whole:
                break
        if len(hello) < position:
            return None
    try:
        return _alpn(bytes(body[4:whole])) if body[0] == 1 else []
    except IndexError:
        return []


def _alpn(hello: bytes) -> list[bytes]:
    at = 34  # version and random
    at += 1 + hello[at]  # session ID
    at += 2 + int.from_bytes(hello[at : at + 2], "big")  # cipher suites
    at += 1 + hello[at]  # compression methods
    end = at + 2 + int.from_bytes(hello[at : at + 2], "big")
    at += 2
    while at + 4 <= min(end, len(hello)):
        kind, length = int.from_bytes(hello[at : at + 2], "big"), int.from_bytes(hello[at + 2 : at + 4], "big")
        if kind == 16:
            names, protocols, here = hello[at + 6 : at + 4 + length], [], 0
            while here < len(names):
                protocols.append(names[here + 1 : here + 1 + names[here]])
                here += 1 + names[here]
            return protocols
        at += 4 + length
    return []
