"""TCP connections of the event loop: how they are opened, tuned and written to (PS3.8 9.1.2).

asyncio sets TCP_NODELAY.  TCP_QUICKACK (Linux) is armed again before each wait, as the blocking driver does and for the same
reason: peers that leave Nagle's algorithm on cost 44 ms per operation without it.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from nbdicom.address import connection_failed
from nbdicom.core.streams import Buffer

__all__ = ["acknowledge", "address_text", "addresses", "give", "open_connection", "tune"]

P = TypeVar("P", bound=asyncio.BufferedProtocol)

_QUICKACK = getattr(socket, "TCP_QUICKACK", None)
#: From here on a list of buffers is worth a gathering write; below, joining is cheaper.
_LONG = 1 << 16
#: ``writelines`` gathers from Python 3.12 on; until 3.12.8 and 3.13.1 it forgot to pause the protocol (CVE-2024-12254),
#: so there, too, the buffers are joined.
_GATHERS = sys.version_info >= (3, 13, 2) or (3, 12, 9) <= sys.version_info < (3, 13)


async def open_connection(factory: Callable[[], P], host: str, port: int, timeout: float | None) -> P:
    """Connect to the first address of *host* that answers.

    Raises
    ------
    ConnectionFailed
        The cause (an OSError) tells a name that is not known, a port that nobody listens to, and silence apart.
    """
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(timeout):
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            for number, (family, _, _, _, address) in enumerate(found, 1):
                try:
                    return (await loop.create_connection(factory, str(address[0]), port, family=family))[1]
                except OSError:
                    if number == len(found):
                        raise
            raise OSError("the name has no address")
    except (OSError, UnicodeError) as error:  # TimeoutError is an OSError
        raise connection_failed(error, host, port, timeout) from error


def tune(transport: asyncio.Transport) -> Any:
    """Prepare a connection for our writing; returns its socket (or what the transport has in its place)."""
    # Above zero the transport says "enough": what is given to it is sent before the source is asked for more, since a
    # source uses its buffer again.
    transport.set_write_buffer_limits(high=0)
    connection = transport.get_extra_info("socket")
    try:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    except (OSError, AttributeError):
        pass  # no TCP: nothing to tune
    return connection


def address_text(host: str, port: int) -> str:
    """``host:port``, with brackets around an IPv6 address.

    >>> address_text("::1", 104)
    '[::1]:104'
    """
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def addresses(transport: asyncio.Transport) -> tuple[str, str] | None:
    """Our address and the peer's; None where there are none any more, or never were."""
    ends = [transport.get_extra_info(name) for name in ("sockname", "peername")]
    if not all(isinstance(end, tuple) for end in ends):
        return None
    return address_text(*ends[0][:2]), address_text(*ends[1][:2])


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
