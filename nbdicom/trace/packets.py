"""A recording as packets, for Wireshark and tcpdump: a pcap file with each connection as the TCP stream that it was.

A recording has PDUs and no packets, so the packets are made: a handshake, a segment for each PDU at the time at which it
was recorded (several for a long one), and the end.  Addresses and ports are those of the connection.  What went over TLS
is in clear, since that is how it was recorded.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import IO, TYPE_CHECKING

from nbdicom.address import split_address
from nbdicom.core import pdu as p
from nbdicom.core.trace import PDUReceived, PDUSent
from nbdicom.core.upper_layer import Role

if TYPE_CHECKING:
    from nbdicom.trace.arrows import Connection
    from nbdicom.trace.recording import Entry, Recording

__all__ = ["write_capture"]

_FILE = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 1 << 18, 101)  #: pcap 2.4, microseconds; packets begin with IP
_FIN, _SYN, _PUSH, _ACK = 1, 2, 8, 16
_SEGMENT = 32_768  #: bytes of a PDU in one packet
_MOST_PDU = 64 << 20  #: bytes; what announces more is no PDU, and is not filled up
_WHOLE = 1 << 32  #: TCP sequence numbers wrap
_P_DATA_TF = p.PDataTF.pdu_type


def write_capture(recording: Recording, file: IO[bytes]) -> None:
    """Write *recording* as a pcap file; what was not recorded of a P-DATA-TF is zeros."""
    entries: dict[int, list[Entry]] = {}
    for entry in recording.entries:
        entries.setdefault(entry.association, []).append(entry)
    packets = [
        packet for connection in recording.connections for packet in _packets(connection, entries, recording.epoch or 0.0)
    ]
    file.write(_FILE)
    for time, packet in sorted(packets, key=lambda pair: pair[0]):
        seconds, micros = divmod(round(time * 1_000_000), 1_000_000)
        file.write(struct.pack("<IIII", seconds, micros, len(packet), len(packet)))
        file.write(packet)


@dataclass(slots=True)
class _End:
    """One end of a connection: where it is, and the number of the next byte that it sends."""

    address: IPv4Address | IPv6Address
    port: int
    next: int = 0


def _packets(connection: Connection, entries: dict[int, list[Entry]], epoch: float) -> Iterator[tuple[float, bytes]]:
    said = sorted(
        (
            (event.time, number, requestor, event)
            for requestor in (True, False)
            for number, event in _in_order(connection, entries, requestor)
        ),
        key=lambda one: one[:2],
    )
    if not said:
        return
    ends = _ends(connection)
    now = epoch + said[0][0]
    for requestor, flags in ((True, _SYN), (False, _SYN | _ACK)):
        yield now, _segment(ends[requestor], ends[not requestor], flags)
        ends[requestor].next += 1
    yield now, _segment(ends[True], ends[False], _ACK)
    for time, _, requestor, event in said:
        now = epoch + time
        data = _whole(event)
        for start in range(0, len(data), _SEGMENT):
            piece = data[start : start + _SEGMENT]
            yield now, _segment(ends[requestor], ends[not requestor], _PUSH | _ACK, piece)
            ends[requestor].next = (ends[requestor].next + len(piece)) % _WHOLE
    if any(side.ended is not None for side in connection.sides):
        for requestor in (said[-1][2], not said[-1][2]):  # who spoke last closes first
            yield now, _segment(ends[requestor], ends[not requestor], _FIN | _ACK)
            ends[requestor].next += 1
        yield now, _segment(ends[said[-1][2]], ends[not said[-1][2]], _ACK)


def _in_order(
    connection: Connection, entries: dict[int, list[Entry]], requestor: bool
) -> Iterator[tuple[int, PDUSent | PDUReceived]]:
    """What one side said, as recorded by the side that recorded more of it."""
    told: list[list[tuple[int, PDUSent | PDUReceived]]] = [[]]
    for side in connection.sides:
        kind = PDUSent if (side.role is Role.REQUESTOR) is requestor else PDUReceived
        told.append([(e.number, e.event) for e in entries.get(side.number, ()) if isinstance(e.event, kind)])
    return iter(max(told, key=lambda one: sum(len(event.data) for _, event in one)))


def _whole(event: PDUSent | PDUReceived) -> bytes:
    """As many bytes as went over the wire, so that the next PDU stands where it stood."""
    missing = event.length - len(event.data) if event.pdu_type == _P_DATA_TF and event.length <= _MOST_PDU else 0
    return event.data + bytes(max(0, missing))


def _ends(connection: Connection) -> dict[bool, _End]:
    """The requestor's end (True) and the acceptor's; in memory there are no addresses, and some are made up."""
    one = connection.sides[0]
    places = (one.local, one.peer) if one.role is Role.REQUESTOR else (one.peer, one.local)
    try:
        (host, port), (peer, at) = map(split_address, places)
        ours, theirs = (ip_address(name.partition("%")[0]) for name in (host, peer))
    except ValueError:
        port, at = 49_152 + connection.number % 16_384, 11_112
        ours = theirs = IPv4Address("127.0.0.1")
    return {True: _End(ours, port), False: _End(theirs, at)}


def _segment(source: _End, target: _End, flags: int, data: bytes = b"") -> bytes:
    """A TCP segment in an IP packet (RFC 9293 3.1, RFC 791 3.1, RFC 8200 3)."""
    seen = target.next if flags & _ACK else 0
    tcp = struct.pack("!HHIIBBHHH", source.port, target.port, source.next, seen, 5 << 4, flags, 0xFFFF, 0, 0) + data
    ends = source.address.packed + target.address.packed
    check = _checksum(ends + struct.pack("!II", len(tcp), 6) + tcp)
    tcp = tcp[:16] + struct.pack("!H", check) + tcp[18:]
    if source.address.version == 6:
        return struct.pack("!IHBB", 6 << 28, len(tcp), 6, 64) + ends + tcp
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0x4000, 64, 6, 0) + ends
    return head[:10] + struct.pack("!H", _checksum(head)) + head[12:] + tcp


def _checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    total: int = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + bytes(len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
