"""A TCP connection with deadlines (PS3.8 9.1.2): the only file of this driver that touches a socket's bytes.

`read` and `write` never wait; `wait` does, and a signal that interrupts it has changed nothing.  `receive` does both in one
system call, for a second or so: a poll before each read costs a fifth of a small message.  TCP_NODELAY is set once.
Peers that leave Nagle's algorithm on wait for our acknowledgement before they send the second half of an answer, which
costs 44 ms per operation.  TCP_QUICKACK (Linux) is therefore armed before a wait that follows a read: what we write carries
the acknowledgement of all that came before, and needs no packet of its own (7 us in a round trip of 30).  The buffer sizes
of the socket are left alone: setting them would switch the kernel's autotuning off.
"""

from __future__ import annotations

import errno
import math
import os
import select
import socket
import struct
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from nbdicom.address import connection_failed, join_address, socket_address
from nbdicom.blocking.interrupt import PATIENCE, PERIOD, current_interrupt
from nbdicom.core.streams import Buffer

if TYPE_CHECKING:
    from nbdicom.tls import PeerCertificate

__all__ = ["Transport", "connect"]

_QUICKACK = getattr(socket, "TCP_QUICKACK", None)
_MOST_VECTORS = 1024  #: IOV_MAX
_MAIN_THREAD = threading.main_thread().ident
_NOW = getattr(socket, "MSG_DONTWAIT", 0)  #: this read or write does not wait; without it (Windows) the socket must not
_TIMEVAL = struct.Struct("@ll")  #: seconds and microseconds, as SO_RCVTIMEO has them


def connect(host: str, port: int, timeout: float | None, bind: tuple[str, int] | None = None) -> Transport:
    """Open a TCP connection, to the first of the host's addresses that answers, before *timeout* seconds are over.

    *bind* is our own address; only addresses of the peer of the same family are tried then.

    Raises
    ------
    ConnectionFailed
        The cause (an OSError) tells a name that is not known, a port that nobody listens to, and silence apart.
    """
    try:
        return _connected(host, port, timeout, bind)
    except (OSError, UnicodeError) as error:
        raise connection_failed(error, host, port, timeout) from error


def _connected(host: str, port: int, timeout: float | None, bind: tuple[str, int] | None) -> Transport:
    """Try the addresses one after the other; each gets its share of the time that is left, so a dead one costs not all.

    Unlike `socket.create_connection` it has one deadline, and another thread can interrupt it.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    problem = OSError(errno.EADDRNOTAVAIL, "the peer has no address of the family of ours")
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    for left, (family, kind, protocol, _, address) in zip(range(len(found), 0, -1), found, strict=True):
        try:
            ours = None if bind is None else socket.getaddrinfo(*bind, family=family, type=socket.SOCK_STREAM)[0][4]
        except socket.gaierror:
            continue
        now = time.monotonic()
        share = None if deadline is None else now + (deadline - now) / left
        connection = socket.socket(family, kind, protocol)
        try:
            if ours is not None:
                connection.bind(ours)
            transport = Transport(connection)
            transport.connect(address, share)
        except OSError as error:
            connection.close()
            problem = error
        except BaseException:
            connection.close()
            raise
        else:
            return transport
    raise problem


class Transport:
    """One connected socket (PS3.8 9.1.2).

    Parameters
    ----------
    connection : socket.socket
        Connected; it belongs to the transport from now on.
    patience : float
        Seconds for which `receive` waits.  What only a thread of a server waits for, which gets no signals, may take longer.
    """

    def __init__(self, connection: socket.socket, patience: float = PATIENCE) -> None:
        self.certificate: PeerCertificate | None = None  #: what the peer showed (TLS)
        self.since = time.monotonic()  #: when the connection stood
        self.prompt = False  #: whether there is `receive`
        self.patience = patience
        self._socket = connection
        try:
            if _NOW:
                connection.setsockopt(
                    socket.SOL_SOCKET, socket.SO_RCVTIMEO, _TIMEVAL.pack(int(patience), int(patience % 1 * 1e6))
                )
                self.prompt = True
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        except OSError:
            pass  # not TCP (a socket pair): nothing to tune
        if (connection.gettimeout() is None) is not self.prompt:
            connection.setblocking(self.prompt)
        self._hot = False  # the last read filled its buffer: there is more, no need to ask
        self._owes = False  # something was read since the last write, so an acknowledgement may be due
        self._reader: select.poll | None = None  # made when it is needed

    @property
    def is_within_this_machine(self) -> bool:
        """Whether both ends have the same address."""
        try:
            return bool(self._socket.getpeername()[0] == self._socket.getsockname()[0])
        except OSError:
            return False  # it is over already

    def connect(self, address: object, deadline: float | None) -> None:
        """Connect until *deadline*.

        Raises
        ------
        OSError
            TimeoutError at the deadline.
        """
        connection = self._socket
        connection.setblocking(False)
        code = connection.connect_ex(address)  # type: ignore[arg-type]  # as getaddrinfo gave it
        if code in (errno.EINPROGRESS, errno.EWOULDBLOCK, getattr(errno, "WSAEWOULDBLOCK", errno.EWOULDBLOCK)):
            if not self.wait(deadline, read=False, write=True):
                raise TimeoutError("no answer")
            code = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise OSError(code, os.strerror(code))
        if self.prompt:
            connection.setblocking(True)
        self.since = time.monotonic()

    def detach(self) -> socket.socket:
        """The socket, for another transport."""
        return self._socket

    @property
    def addresses(self) -> tuple[str, str] | None:
        """Our address and the peer's, each ``host:port``; None where there are none any more, or never were."""
        try:
            return _address(self._socket.getsockname()), _address(self._socket.getpeername())
        except OSError:
            return None  # the peer was faster

    @property
    def secured(self) -> str | None:
        """How it is secured, in words; None where it is not."""
        return None

    @property
    def hot(self) -> bool:
        """True if there is probably more to read: a wait would be a wasted system call."""
        return self._hot

    def read(self, view: memoryview) -> int | None:
        """Read what is there into *view*: bytes read, 0 at the end of the stream, None if there is nothing now."""
        try:
            size = self._socket.recv_into(view, 0, _NOW)
        except (BlockingIOError, InterruptedError):
            self._hot = False
            return None
        self._hot = size == len(view)
        self._owes = True
        return size

    def receive(self, view: memoryview) -> int | None:
        """As `read`, but wait for as long as the patience lasts: None if nothing came until then."""
        if self._owes:
            self._acknowledge()
        try:
            size = self._socket.recv_into(view)
        except (BlockingIOError, InterruptedError):
            return None
        self._hot = size == len(view)
        self._owes = True
        return size

    def write(self, buffers: Sequence[Buffer]) -> int:
        """Give as much as possible to the kernel: bytes taken, 0 if it takes nothing now."""
        self._owes = False
        try:
            if len(buffers) == 1:
                return self._socket.send(buffers[0], _NOW)
            return self._socket.sendmsg(buffers[:_MOST_VECTORS], (), _NOW)
        except (BlockingIOError, InterruptedError):
            return 0

    def wait(self, deadline: float | None, *, read: bool = True, write: bool = False) -> bool:
        """Wait until something can be read (or written); False at the deadline (of `time.monotonic`)."""
        if read and (self._owes or write):
            self._acknowledge()
        interrupt = current_interrupt()
        while True:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            glance = left
            if interrupt is not None:
                interrupt.deliver()
                glance = PERIOD if left is None else min(left, PERIOD)
            elif (left is None or left > PATIENCE) and threading.get_ident() == _MAIN_THREAD:
                # A Ctrl-C that comes in the instant before the system call begins does not end it, and is seen then.
                # Other threads get no signals, and sleep as long as they may.
                glance = PATIENCE
            if self._poll(glance, read, write):
                return True
            if glance == left:
                return False

    def readable(self) -> bool:
        """True if a read would not wait."""
        return self._hot or self._poll(0.0, True, False)

    def _acknowledge(self) -> None:
        if _QUICKACK is not None:
            try:
                self._socket.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)
            except OSError:
                pass  # not TCP, or closed: the poll will tell

    def _poll(self, seconds: float | None, read: bool, write: bool) -> bool:
        if not hasattr(select, "poll"):  # Windows
            readers, writers = [self._socket] if read else [], [self._socket] if write else []
            return any(select.select(readers, writers, [self._socket], seconds))
        poll = self._reader if read and not write else None
        if poll is None:
            poll = select.poll()
            poll.register(self._socket, (select.POLLIN if read else 0) | (select.POLLOUT if write else 0))
            if read and not write:
                self._reader = poll
        return bool(poll.poll(None if seconds is None else math.ceil(seconds * 1000)))

    def handshake(self, deadline: float | None) -> None:
        """Nothing to agree on where nothing is secured; see `SecureTransport.handshake`."""

    def explain(self, error: OSError) -> tuple[str, str] | None:
        """What broke the connection, in words and with a hint, where more is known than that it broke."""
        if isinstance(error, TimeoutError):
            hint = "it may be stuck; Timeouts.network sets how long to wait"
            return f"the peer reads nothing: {error}", hint
        return None

    def finish(self) -> None:
        """No more will be written; the peer may still be read."""
        self._shutdown(socket.SHUT_WR)

    def wake(self) -> None:
        """Make a `read` that waits in another thread see the end of the stream."""
        self._shutdown(socket.SHUT_RD)

    def cut(self) -> None:
        """Make a `write` that waits in another thread fail."""
        self._shutdown(socket.SHUT_RDWR)

    def _shutdown(self, how: int) -> None:
        try:
            self._socket.shutdown(how)
        except OSError:
            pass  # the peer was faster

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()


def _address(name: object) -> str:
    return join_address(*socket_address(name)) if isinstance(name, tuple) else ""
