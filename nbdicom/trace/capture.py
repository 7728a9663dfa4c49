"""Captures of tcpdump, Wireshark and the like as recordings (pcap and pcapng, by the dpkt package).

A capture has packets: out of order, twice, cut anywhere.  Each direction of each TCP connection is put in order and its PDUs
are taken out; they become what the receiving side would have recorded, PDUs and messages (PS3.8 9.3, E).  A capture shows no
states.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import import_module
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from nbdicom.address import join_address
from nbdicom.core import pdu as p
from nbdicom.core.command import decode_command
from nbdicom.core.machine import Sta
from nbdicom.core.trace import Connected, MessageReceived, MessageSent, PDUReceived, PDUSent, TraceEvent
from nbdicom.core.upper_layer import Role
from nbdicom.errors import RemoteProtocolError, TranscriptError
from nbdicom.trace.files import opened
from nbdicom.trace.pdvs import fragments
from nbdicom.trace.recording import Entry, Recording, TracedAssociation

__all__ = ["load_capture"]

_MOST_PDU = 64 << 20  #: bytes; what announces more is no PDU
_MOST_WAITING = 4096  #: packets that wait for an earlier one, which the capture may have missed
_P_DATA_TF = p.PDataTF.pdu_type
_RQ = p.AAssociateRQ.pdu_type
_HALF, _WHOLE = 1 << 31, 1 << 32  #: TCP sequence numbers wrap


def load_capture(path: str | os.PathLike[str], *, port: int | None = None) -> Recording:
    """Read the DICOM associations of a capture.

    Parameters
    ----------
    path : path
        A pcap or pcapng file.
    port : int, optional
        Only connections to this port; by default every one that begins with an A-ASSOCIATE-RQ.

    Returns
    -------
    Recording
        With the views, transcripts and replay of every recording.  Connections under TLS cannot be read and are left out,
        and so are those whose beginning was not captured.

    Raises
    ------
    TranscriptError
        If it cannot be read, is no capture, or the dpkt package is not installed.

    Examples
    --------
    >>> load_capture("wire.pcapng").ladder()  # doctest: +SKIP
    """
    live: dict[frozenset[str], _Conversation] = {}
    every: list[_Conversation] = []
    for packet in _packets(path):
        ends = frozenset((packet.source, packet.target))
        one = live.get(ends)
        if one is None or (packet.opens and one.pdus):
            one = live[ends] = _Conversation()
            every.append(one)
        one.take(packet)
    recording, left_out = _Recorded(), 0
    for one in every:
        requestor = one.requestor
        if requestor is not None and (port is None or one.ends[requestor].endswith(f":{port}")):
            recording.add(one, requestor)
        elif requestor is None and one.says_something and (port is None or any(e.endswith(f":{port}") for e in one.ends)):
            left_out += 1
    made = recording.made()
    made.left_out = left_out
    return made


@dataclass(frozen=True, slots=True)
class _Packet:
    """A TCP segment."""

    time: float
    source: str
    target: str
    sequence: int
    opens: bool  #: SYN without ACK
    begins: bool  #: SYN: its sequence number is that of the byte before the first
    ends: bool  #: FIN or RST
    data: bytes


def _packets(path: str | os.PathLike[str]) -> Iterator[_Packet]:
    try:
        dpkt: Any = import_module("dpkt")
    except ImportError:
        raise TranscriptError(
            "reading a capture needs the dpkt package", hint="pip install 'nbdicom[capture]'"
        ) from None
    name = Path(path).name
    with opened(path, "rb") as file:
        try:
            reader = dpkt.pcap.UniversalReader(file)
            link = reader.datalink()
        except (ValueError, dpkt.dpkt.Error):
            raise TranscriptError(f"{name} is no pcap or pcapng file") from None
        try:
            for time, raw in reader:
                packet = _segment(dpkt, link, raw)
                if packet is not None:
                    ip, tcp = packet
                    source, target = _end(ip.src, tcp.sport), _end(ip.dst, tcp.dport)
                    syn, ack = bool(tcp.flags & dpkt.tcp.TH_SYN), bool(tcp.flags & dpkt.tcp.TH_ACK)
                    ends = bool(tcp.flags & (dpkt.tcp.TH_FIN | dpkt.tcp.TH_RST))
                    yield _Packet(float(time), source, target, tcp.seq, syn and not ack, syn, ends, bytes(tcp.data))
        except dpkt.dpkt.Error:
            return  # the capture was stopped in the middle of a packet


def _segment(dpkt: Any, link: int, raw: bytes) -> tuple[Any, Any] | None:
    """The IP and TCP parts of a frame, or None for anything else."""
    frames = {
        dpkt.pcap.DLT_EN10MB: dpkt.ethernet.Ethernet,
        dpkt.pcap.DLT_LINUX_SLL: dpkt.sll.SLL,
        dpkt.pcap.DLT_LINUX_SLL2: dpkt.sll2.SLL2,
        dpkt.pcap.DLT_NULL: dpkt.loopback.Loopback,
        dpkt.pcap.DLT_LOOP: dpkt.loopback.Loopback,
    }
    try:
        frame = frames.get(link)
        if frame is None:  # raw IP: the first four bits are its version
            ip = (dpkt.ip6.IP6 if raw[:1] and raw[0] >> 4 == 6 else dpkt.ip.IP)(raw)
        else:
            ip = frame(raw).data
    except dpkt.dpkt.UnpackError:
        return None
    if not isinstance(ip, dpkt.ip.IP | dpkt.ip6.IP6) or not isinstance(ip.data, dpkt.tcp.TCP):
        return None
    return ip, ip.data


def _end(address: bytes, port: int) -> str:
    return join_address(str(ip_address(address)), port)


@dataclass(slots=True)
class _Direction:
    """The bytes of one direction, in order, and the PDUs in them."""

    expected: int | None = None  #: sequence number of the next byte
    waiting: dict[int, bytes] = field(default_factory=dict)
    buffer: bytearray = field(default_factory=bytearray)
    deaf: bool = False  #: what comes is no PDU

    def take(self, packet: _Packet) -> Iterator[bytes]:
        """PDUs that are whole now."""
        sequence = (packet.sequence + packet.begins) % _WHOLE
        if self.expected is None or packet.begins:
            self.expected = sequence
        if packet.data and not self.deaf and len(self.waiting) < _MOST_WAITING:
            known = self.waiting.get(sequence, b"")
            self.waiting[sequence] = max(known, packet.data, key=len)
        while (found := self._next()) is not None:
            self.buffer += found
        while not self.deaf and len(self.buffer) >= 6:
            length = 6 + int.from_bytes(self.buffer[2:6], "big")
            if self.buffer[0] not in p.PDU_TYPES or length > _MOST_PDU:
                self.deaf = True
                yield bytes(self.buffer)
            elif len(self.buffer) < length:
                return
            else:
                yield bytes(self.buffer[:length])
                del self.buffer[:length]

    def _next(self) -> bytes | None:
        """The next bytes in order; what was sent again is left out."""
        assert self.expected is not None
        for sequence in list(self.waiting):
            ahead = (sequence - self.expected) % _WHOLE
            if ahead == 0 or ahead >= _HALF:
                data = self.waiting.pop(sequence)[(self.expected - sequence) % _WHOLE :]
                if data:
                    self.expected = (self.expected + len(data)) % _WHOLE
                    return data
        return None


@dataclass(slots=True)
class _Conversation:
    """One TCP connection."""

    ends: dict[str, str] = field(default_factory=dict)  #: each end and its other end
    directions: dict[str, _Direction] = field(default_factory=dict)  #: by who sends
    pdus: list[tuple[float, str, bytes]] = field(default_factory=list)  #: when it was whole, who sent it
    ended: float | None = None  #: when the first side closed it

    def take(self, packet: _Packet) -> None:
        self.ends[packet.source], self.ends[packet.target] = packet.target, packet.source
        direction = self.directions.setdefault(packet.source, _Direction())
        self.pdus += [(packet.time, packet.source, pdu) for pdu in direction.take(packet)]
        if packet.ends and self.ended is None:
            self.ended = packet.time

    @property
    def says_something(self) -> bool:
        """Whether any bytes went over it."""
        return bool(self.pdus) or any(one.buffer or one.waiting for one in self.directions.values())

    @property
    def requestor(self) -> str | None:
        """Who sent the A-ASSOCIATE-RQ with which it begins; None if it does not."""
        return self.pdus[0][1] if self.pdus and self.pdus[0][2][0] == _RQ else None


class _Recorded:
    """Associations and events, both sides of each as far as they receive."""

    def __init__(self) -> None:
        self._associations: list[TracedAssociation] = []
        self._events: list[tuple[float, int, TraceEvent]] = []

    def add(self, conversation: _Conversation, requestor: str) -> None:
        sides: dict[str, TracedAssociation] = {}  # by whose PDUs it receives
        for local, peer in ((requestor, conversation.ends[requestor]), (conversation.ends[requestor], requestor)):
            side = TracedAssociation(
                len(self._associations), Role.REQUESTOR if local == requestor else Role.ACCEPTOR, local, peer
            )
            self._associations.append(side)
            self._told(side, Connected(conversation.pdus[0][0], local, peer))
            sides[peer] = side
        messages = {source: _Messages() for source in sides}
        for time, source, pdu in conversation.pdus:
            side, sender = sides[source], sides[conversation.ends[source]]
            shown = p.without_secrets(pdu)
            self._told(side, PDUReceived(time, pdu[0], len(pdu), shown))
            sender.note(PDUSent(time, pdu[0], len(pdu), shown))  # counted, and not told twice
            if pdu[0] == _P_DATA_TF:
                for event in messages[source].take(time, pdu):
                    self._told(side, event)
                    sender.note(MessageSent(time, event.context_id, event.message))
        for side in sides.values():
            side.ended = conversation.ended
            if side.ended is None:  # there is no more in the capture
                side.state = Sta.STA6 if isinstance(side.answer, p.AAssociateAC) else Sta.STA5

    def _told(self, side: TracedAssociation, event: TraceEvent) -> None:
        side.note(event)
        self._events.append((event.time, side.number, event))

    def made(self) -> Recording:
        in_order = sorted(self._events, key=lambda told: told[0])
        entries = (Entry(n, number, event) for n, (_, number, event) in enumerate(in_order))
        return Recording(self._associations, entries, epoch=0.0)


@dataclass(slots=True)
class _Messages:
    """The messages of one direction."""

    command: bytearray = field(default_factory=bytearray)
    waiting: MessageReceived | None = None  #: for the end of its data set

    def take(self, time: float, pdu: bytes) -> Iterator[MessageReceived]:
        for piece in fragments(pdu):
            if piece.is_command:
                self.command += pdu[piece.start : piece.stop]
            if not piece.is_last:
                continue
            if piece.is_command:
                try:
                    message, has_data = decode_command(self.command)
                except RemoteProtocolError:
                    message, has_data = None, False  # it stays a PDU without a message
                self.command.clear()
                told = None if message is None else MessageReceived(time, piece.context_id, message)
                if told is not None and not has_data:
                    yield told
                self.waiting = told if has_data else None
            elif self.waiting is not None:
                yield MessageReceived(time, piece.context_id, self.waiting.message)
                self.waiting = None
