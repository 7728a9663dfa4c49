"""TCP connections of the event loop: how they are opened, tuned and written to (PS3.8 9.1.2).

asyncio sets TCP_NODELAY.  TCP_QUICKACK (Linux) is armed again before each wait, as the blocking driver does and for the same
reason: peers that leave Nagle's algorithm on cost 44 ms per operation without it.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from nbdicom.address import connection_failed, join_address, socket_address
from nbdicom.aio import memory
from nbdicom.config import Timeouts
from nbdicom.core.streams import Buffer
from nbdicom.errors import ConnectionFailed
from nbdicom.memory import is_memory

if TYPE_CHECKING:
    from nbdicom.tls import TLS

__all__ = ["acknowledge", "addresses", "give", "open_connection", "tune"]

_QUICKACK = getattr(socket, "TCP_QUICKACK", None)
#: From here on a list of buffers is worth a gathering write; below, joining is cheaper.
_LONG = 1 << 16
#: ``writelines`` gathers from Python 3.12 on; until 3.12.8 and 3.13.1 it forgot to pause the protocol (CVE-2024-12254),
#: so there, too, the buffers are joined.
_GATHERS = sys.version_info >= (3, 13, 2) or (3, 12, 9) <= sys.version_info < (3, 13)


async def open_connection(
    factory: Callable[[], asyncio.BufferedProtocol],
    host: str,
    port: int,
    timeouts: Timeouts,
    tls: TLS | None = None,
    bind: tuple[str, int] | None = None,
) -> float | None:
    """Connect to the first address of *host* that answers, from *bind* if that is given, and secure it with *tls*.

    Returns
    -------
    float, optional
        Until when the association must be established: `Timeouts.association` runs from the connection on, TLS included.

    Raises
    ------
    ConnectionFailed
        The cause (an OSError) tells a name that is not known, a port that nobody listens to, and silence apart.
    TLSFailed
        If the handshake fails.
    """
    if is_memory(host):
        if tls is not None:
            raise ConnectionFailed("TLS secures nothing in memory", hint="leave tls out, or connect to an address")
        memory.connect(factory, port)
        return None
    if tls is not None:
        tls.client_context  # noqa: B018  # a file that is missing is said before a connection is opened
    loop = asyncio.get_running_loop()
    try:
        connection = await _connected(host, port, timeouts.connect, bind)
    except (OSError, UnicodeError) as error:  # TimeoutError is an OSError
        raise connection_failed(error, host, port, timeouts.connect) from error
    until = None if timeouts.association is None else loop.time() + timeouts.association
    try:
        if tls is None:
            await loop.create_connection(factory, sock=connection)
            return until
        name = tls.server_hostname or host
        async with asyncio.timeout_at(until):
            context = tls.client_context
            await loop.create_connection(factory, sock=connection, ssl=context, server_hostname=name)
            return until
    except OSError as error:
        connection.close()
        if tls is None:
            raise connection_failed(error, host, port, timeouts.connect) from error
        from nbdicom.tls import tls_failed

        raise tls_failed(error, host, port) from error
    except BaseException:
        connection.close()
        raise


async def _connected(host: str, port: int, timeout: float | None, bind: tuple[str, int] | None) -> socket.socket:
    """Try the addresses one after the other; each gets its share of the time that is left, so a dead one costs not all."""
    loop = asyncio.get_running_loop()
    deadline = None if timeout is None else loop.time() + timeout
    problem = OSError(errno.EADDRNOTAVAIL, "the peer has no address of the family of ours")
    async with asyncio.timeout_at(deadline):
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        for left, (family, kind, protocol, _, address) in zip(range(len(found), 0, -1), found, strict=True):
            try:
                ours = None if bind is None else (await loop.getaddrinfo(*bind, family=family))[0][4]
            except socket.gaierror:
                continue
            connection = socket.socket(family, kind, protocol)
            try:
                connection.setblocking(False)
                if ours is not None:
                    connection.bind(ours)
                now = loop.time()
                async with asyncio.timeout_at(None if deadline is None else now + (deadline - now) / left):
                    await loop.sock_connect(connection, address)
            except OSError as error:
                connection.close()
                problem = error
            except BaseException:
                connection.close()
                raise
            else:
                return connection
    raise problem


def tune(transport: asyncio.Transport) -> Any:
    """Prepare a connection for our writing; returns its socket (or what the transport has in its place)."""
    # Above zero the transport says "enough": what is given to it is sent before the source is asked for more, since a
    # source uses its buffer again.
    # (asyncio's TLS pauses at the limit, TCP above it.)
    secured = transport.get_extra_info("ssl_object") is not None
    transport.set_write_buffer_limits(high=1 if secured else 0, low=0)
    connection = transport.get_extra_info("socket")
    try:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    except (OSError, AttributeError):
        pass  # no TCP: nothing to tune
    return connection


def addresses(transport: asyncio.Transport) -> tuple[str, str] | None:
    """Our address and the peer's; None where there are none any more, or never were."""
    ends = [transport.get_extra_info(name) for name in ("sockname", "peername")]
    if not all(isinstance(end, tuple) for end in ends):
        return None
    return join_address(*socket_address(ends[0])), join_address(*socket_address(ends[1]))


def acknowledge(connection: Any) -> None:
    """What was received is acknowledged at once."""
    if _QUICKACK is not None:
        try:
            connection.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)
        except (OSError, AttributeError):
            pass  # not TCP, or closed: the transport will tell


def give(transport: asyncio.WriteTransport, buffers: Sequence[Buffer]) -> None:
    """Write *buffers*, which must not change before the transport's own buffer is empty again."""
    if len(buffers) == 1:
        transport.write(buffers[0])
    elif _GATHERS and sum(map(len, buffers)) >= _LONG:
        transport.writelines(buffers)
    else:
        transport.write(b"".join(buffers))
