"""Where a peer is: host and port, whose address that is, and in words why no connection came about (TCP; PS3.8 9.1.2)."""

# Sockets and ipaddress are imported by who uses them: in a browser there are none, and most commands need neither.
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbdicom.errors import ConnectionFailed, QueryError, system_reason

if TYPE_CHECKING:
    import socket

__all__ = [
    "BACKLOG",
    "addresses_of",
    "cannot_listen",
    "connection_failed",
    "is_loopback",
    "join_address",
    "listening_address",
    "listening_socket",
    "network_of",
    "plain_address",
    "socket_address",
    "split_address",
    "split_entity",
]

BACKLOG = 128  #: connections that wait at a socket of ours until they are accepted


def split_address(address: str | tuple[str, int]) -> tuple[str, int]:
    """Host and port of ``"host:port"``, ``"[v6]:port"`` or a tuple.

    >>> split_address("[::1]:104")
    ('::1', 104)

    Raises
    ------
    ValueError
        If there is no port between 1 and 65535.
    """
    host, port = address.rpartition(":")[::2] if isinstance(address, str) else address
    host = str(host).removeprefix("[").removesuffix("]")
    if not host or not str(port).isdigit() or not 0 < int(port) < 65536:
        raise ValueError(f"{address!r} is no address; write it as host:port, for instance 127.0.0.1:11112")
    return host, int(port)


def join_address(host: str, port: int) -> str:
    """Host and port in one string, as `split_address` reads them.

    >>> join_address("::1", 104)
    '[::1]:104'
    """
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def socket_address(name: Any) -> tuple[str, int]:
    """Host and port of an address as a socket tells it.

    On a socket for both families a caller from IPv4 has an IPv6 address that contains its own.

    >>> socket_address(("::ffff:10.0.0.7", 104, 0, 0))
    ('10.0.0.7', 104)
    """
    host, port = name[:2]
    return host.removeprefix("::ffff:"), port


def split_entity(address: Any, host: str | None = None, port: int | None = None) -> tuple[str, str, int]:
    """AE title, host and port of ``"AET@host:port"``, of an object that has such an ``address``, or given one by one.

    The ``address`` may be host and port alone, if the object has an ``ae_title``, too: a server is one.

    >>> split_entity("PACS@127.0.0.1:104")
    ('PACS', '127.0.0.1', 104)

    Raises
    ------
    ConnectionFailed
        If that is no address.
    """
    text, named = getattr(address, "address", address), getattr(address, "ae_title", None)
    if isinstance(text, tuple) and isinstance(named, str):
        text = f"{named}@{join_address(*text)}"
    if not isinstance(text, str):
        raise ConnectionFailed(f"a {type(address).__name__} is not an address", hint="write 'AET@host:port'")
    if host is not None or port is not None:
        title, rest = text, (host or "", 0 if port is None else port)
    else:
        title, at, rest_text = text.rpartition("@")
        if not at:
            raise ConnectionFailed(
                f"{text!r} is not the address of an application entity",
                hint="write 'AET@host:port', for instance 'PACS@127.0.0.1:104'",
            )
        head, _, tail = rest_text.rpartition(":")
        rest = (head, int(tail) if tail.isascii() and tail.isdigit() else 0)
    try:
        return (title, *split_address(rest))
    except ValueError:
        raise ConnectionFailed(
            f"{text!r} has no host or no port between 1 and 65535",
            hint="write 'AET@host:port', for instance 'PACS@127.0.0.1:11112'",
        ) from None


def network_of(host: str) -> str:
    """Whose connections count as one host's: an IPv4 address, or the /64 that an IPv6 address is in.

    A machine with IPv6 may take any address of its /64, and does so to be harder to follow (RFC 8981).

    >>> network_of("2001:db8:1:2:3::4"), network_of("::ffff:10.0.0.7"), network_of("10.0.0.7")
    ('2001:db8:1:2::/64', '10.0.0.7', '10.0.0.7')
    """
    if ":" not in host:
        return host
    from ipaddress import IPv6Address, IPv6Network

    try:
        address = IPv6Address(host.partition("%")[0])
    except ValueError:
        return host
    return str(address.ipv4_mapped or IPv6Network((address, 64), strict=False))


def plain_address(host: str) -> str:
    """An IP address in one spelling: an IPv4 address that came through an IPv6 socket is still one.

    >>> plain_address("::ffff:10.0.0.7"), plain_address("FE80::1%eth0")
    ('10.0.0.7', 'fe80::1')
    """
    from ipaddress import ip_address

    address = ip_address(host.partition("%")[0])
    return str(getattr(address, "ipv4_mapped", None) or address)


def addresses_of(host: str) -> set[str]:
    """The IP addresses of a host, in one spelling; none if its name cannot be resolved."""
    import socket

    try:
        return {plain_address(str(item[4][0])) for item in socket.getaddrinfo(host, None)}
    except OSError:
        return set()


def is_loopback(host: str) -> bool:
    """Whether nobody reaches *host* from outside of this machine.

    >>> is_loopback("127.0.0.1"), is_loopback("0.0.0.0")
    (True, False)
    """
    from ipaddress import ip_address

    found = addresses_of(host)
    return bool(found) and all(ip_address(one).is_loopback for one in found)


def listening_address(listen: str | int | tuple[str, int]) -> tuple[str, int]:
    """Where we are to be reached: ``"host:port"``, or the port alone for all addresses of this machine.

    >>> listening_address(11113)
    ('0.0.0.0', 11113)

    Raises
    ------
    QueryError
        If that is no address.
    """
    try:
        return ("0.0.0.0", listen) if isinstance(listen, int) else split_address(listen)
    except ValueError as error:
        raise QueryError(f"listen: {error}") from None


def listening_socket(host: str, port: int) -> socket.socket:
    """A socket that listens; on every address of both families where *host* is ``""`` or ``"::"``.

    Raises
    ------
    OSError, OverflowError
        If it cannot.
    """
    import socket

    if host in ("", "::") and socket.has_dualstack_ipv6():
        return socket.create_server(("", port), family=socket.AF_INET6, backlog=BACKLOG, dualstack_ipv6=True)
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, *_, address = found[0]
    return socket.create_server(address[:2], family=family, backlog=BACKLOG)


def connection_failed(error: OSError | UnicodeError, host: str, port: int, timeout: float | None) -> ConnectionFailed:
    """The system's *error* in words: a name that is not known, a port that nobody listens to, and silence told apart.

    *timeout* is the number of seconds that were waited; None is the system's own limit.
    """
    if type(error).__name__ == "gaierror":
        return ConnectionFailed(
            f"host name {host!r} cannot be resolved: {getattr(error, 'strerror', error)}",
            hint="check the spelling, or use the IP address",
        )
    if isinstance(error, ConnectionRefusedError):
        return ConnectionFailed(
            f"{join_address(host, port)} refused the connection: nothing listens on this port",
            hint="check the port, and that the peer runs",
        )
    if isinstance(error, TimeoutError):
        waited = "the system's time limit" if timeout is None else f"{timeout:g} s"
        return ConnectionFailed(
            f"{join_address(host, port)} did not answer within {waited}",
            hint="check the address; a firewall may drop the packets",
        )
    return ConnectionFailed(
        f"no connection to {join_address(host, port)}: {system_reason(error)}", hint="check host and network"
    )


def cannot_listen(error: OSError | OverflowError, host: str, port: int) -> ConnectionFailed:
    """Why an address cannot be listened on, in words."""
    reason = getattr(error, "strerror", None) or str(error)
    return ConnectionFailed(
        f"cannot listen on {join_address(host, port)}: {reason}",
        hint="choose another port (0 takes a free one) or host",
    )
