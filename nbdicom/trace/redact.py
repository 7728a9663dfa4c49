"""A recording without patient values: overwritten in place, so that every length and every offset stays (PS3.15 Annex E).

What is overwritten:

* of data sets every text but UIDs and what says how to read the rest (`KEPT`); names and texts become ``X``, separators and
  wildcards stay; digits of numbers and ages become 0; a date becomes 19000101, a time 000000;
* of data sets everything that may hold text or a picture: OB, OW, OD, OF, OL, OV, UN, and so every private element whose VR
  is not known;
* of command sets the Error Comment, which is the peer's free text; AE titles, UIDs and numbers stay;
* of A-ASSOCIATE PDUs the fields of a user identity; of what is no PDU all but its first bytes.

Notifications (`nbdicom.core.events`) are left out: the PDUs say the same.

It fails closed: what cannot be taken apart (a compressed data set, one whose transfer syntax or beginning was not recorded,
one that is broken) becomes zeros.  Binary numbers and UIDs stay; UIDs are pseudonyms, not anonymous.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from nbdicom.core import pdu as p
from nbdicom.core.command import COMMAND_DICTIONARY, Message, Response, annotate_command
from nbdicom.core.events import Aborted, Accepted, Established, Rejected, Released, Requested
from nbdicom.core.trace import MessageReceived, MessageSent, PDUReceived, PDUSent, TraceEvent
from nbdicom.errors import DataSetError, RemoteProtocolError
from nbdicom.status import Status
from nbdicom.trace.pdvs import fragments
from nbdicom.trace.recording import Entry, Recording, TracedAssociation
from nbdicom.uids import UID

__all__ = ["KEPT", "redact_data_set", "redacted"]

#: Text elements that say how to read the others, or what is asked for, and nothing about a person.
KEPT = frozenset(
    {
        "SpecificCharacterSet", "QueryRetrieveLevel", "RetrieveAETitle", "InstanceAvailability", "Modality",
        "ModalitiesInStudy", "PhotometricInterpretation", "ModalityLUTType", "TimezoneOffsetFromUTC",
    }
)  # fmt: skip

_AS_THEY_ARE = frozenset({"UI", "AT", "US", "SS", "UL", "SL", "UV", "SV", "FL", "FD"})
_NUMBERS = frozenset({"IS", "DS", "AS"})
_TEXTS = frozenset({"AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"})
_STAYS = frozenset(b"^=\\*?")
_A_DATE = b"19000101" + b"0" * 18
_DIGITS = re.compile(rb"[0-9]+")
_STRANGE = 8  #: bytes of what is no PDU that stay
_COMMENT = f"{COMMAND_DICTIONARY['error_comment'][0]:04X}"
_IDENTITY = ("primary_field", "secondary_field", "server_response")


def redacted(recording: Recording) -> Recording:
    """The same recording without patient values; times, lengths, order and everything of the protocol stay."""
    streams: dict[tuple[int, bool], _Stream] = {}
    sides = {side.number: side for side in recording.associations}
    buffers: dict[int, bytearray] = {}
    for entry in recording.entries:
        event = entry.event
        if isinstance(event, PDUSent | PDUReceived) and event.pdu_type == p.PDataTF.pdu_type:
            buffer = buffers[entry.number] = bytearray(event.data)
            key = entry.association, isinstance(event, PDUSent)
            stream = streams.setdefault(key, _Stream(_syntaxes(sides.get(entry.association))))
            stream.take(buffer, event.length)
    for stream in streams.values():
        stream.end()
    entries = [
        Entry(e.number, e.association, _event(e.event, buffers.get(e.number)))
        for e in recording.entries
        if not isinstance(e.event, Requested | Accepted | Rejected | Established | Released | Aborted)
    ]
    associations = [
        replace(side, associate_rq=_control(side.associate_rq), associate_answer=_control(side.associate_answer))
        for side in recording.associations
    ]
    return Recording(associations, entries, epoch=recording.epoch)


def _event(event: TraceEvent, buffer: bytearray | None) -> TraceEvent:
    if isinstance(event, PDUSent | PDUReceived):
        return replace(event, data=_control(event.data) if buffer is None else bytes(buffer))
    if isinstance(event, MessageSent | MessageReceived):
        return replace(event, message=_without_comment(event.message))
    return event


def _without_comment(message: Message) -> Message:
    if not isinstance(message, Response) or not message.error_comment:
        return message
    comment = "X" * len(message.error_comment)
    status = Status(int(message.status), getattr(message.status, "service", ""), comment)
    return replace(message, error_comment=comment, status=status)


def _control(data: bytes) -> bytes:
    """A control PDU without the fields of a user identity."""
    if not data:
        return data
    if data[0] not in p.PDU_TYPES:
        return data[:_STRANGE] + b"X" * (len(data) - _STRANGE)
    if data[0] not in (p.AAssociateRQ.pdu_type, p.AAssociateAC.pdu_type):
        return data
    shown = bytearray(data)
    end = 0
    try:
        for span in p.annotate(data):
            end = span.stop if span.value is not None else span.start
            if span.name in _IDENTITY:
                start = span.start + 2  # its length stays
                shown[start : span.stop] = b"X" * (span.stop - start)
    except RemoteProtocolError:
        shown[end:] = bytes(len(shown) - end)
    return bytes(shown)


def _syntaxes(side: TracedAssociation | None) -> Callable[[int], UID | None]:
    answer = side.answer if side is not None else None
    if not isinstance(answer, p.AAssociateAC):
        return lambda context_id: None
    known = {c.context_id: c.transfer_syntax for c in answer.presentation_contexts}
    return known.get


@dataclass(slots=True)
class _Part:
    """A command set or a data set in the buffers that hold its fragments."""

    places: list[tuple[bytearray, int, int]] = field(default_factory=list)
    gap: bool = False  #: the bytes after the last place were not recorded

    def add(self, buffer: bytearray, start: int, stop: int, length: int) -> None:
        if self.gap:
            buffer[start:stop] = bytes(stop - start)  # nobody knows where an element begins in it
            return
        self.places.append((buffer, start, stop))
        self.gap = stop - start < length

    def rewrite(self, change: Callable[[bytes, bool], bytes]) -> None:
        data = b"".join(bytes(buffer[start:stop]) for buffer, start, stop in self.places)
        changed = change(data, self.gap)
        assert len(changed) == len(data)
        position = 0
        for buffer, start, stop in self.places:
            buffer[start:stop] = changed[position : position + stop - start]
            position += stop - start


class _Stream:
    """What one side of an association sent, or received, P-DATA-TF by P-DATA-TF."""

    def __init__(self, syntax: Callable[[int], UID | None]) -> None:
        self._syntax = syntax
        self._command: _Part | None = None
        self._data: _Part | None = None  # None: no data set is expected, whatever comes is not known
        self._context_id = 0

    def take(self, buffer: bytearray, length: int) -> None:
        seen = 6
        for piece in fragments(bytes(buffer)):
            seen = piece.start + piece.length
            self._context_id = piece.context_id
            place = (buffer, piece.start, piece.stop, piece.length)
            if piece.is_command:
                if self._command is None:
                    self.end()
                    self._command = _Part()
                self._command.add(*place)
                if piece.is_last:
                    self._command.rewrite(_command)
                    self._command, self._data = None, _Part()
            else:
                part = self._data or _Part(gap=True)
                part.add(*place)
                if piece.is_last:
                    self.end()
        if seen + 6 <= len(buffer):
            buffer[seen:] = bytes(len(buffer) - seen)  # what is no fragment
        elif seen < length:  # not even the headers of all fragments were recorded
            self._lost()

    def _lost(self) -> None:
        if self._command is not None:
            self._command.gap = True
        if self._data is not None:
            self._data.gap = True

    def end(self) -> None:
        """The message is over, or what was recorded of it."""
        if self._command is not None:
            self._command.rewrite(_command)
        if self._data is not None:
            syntax = self._syntax(self._context_id)
            self._data.rewrite(lambda data, cut: redact_data_set(data, syntax, cut=cut))
        self._command = self._data = None


def _command(data: bytes, cut: bool) -> bytes:
    changed = bytearray(data)
    end = 0
    try:
        for span in annotate_command(data):
            if span.name.endswith(f"(0000,{_COMMENT})"):
                changed[span.start + 8 : span.stop] = _text(data[span.start + 8 : span.stop])
            end = span.stop
    except RemoteProtocolError:
        changed[end:] = bytes(len(data) - end)
    return bytes(changed)


def redact_data_set(data: bytes, transfer_syntax: str | None, *, cut: bool = False) -> bytes:
    r"""A data set, or with *cut* the beginning of one, without patient values; it is as long as before.

    >>> from nbdicom.data import encode_elements
    >>> raw = encode_elements({"PatientName": "Doe^Jane", "StudyDate": "20240229-"}, "1.2.840.10008.1.2")
    >>> redact_data_set(raw, "1.2.840.10008.1.2")[8:]
    b'19000101- \x10\x00\x10\x00\x08\x00\x00\x00XXX^XXXX'
    """
    from nbdicom.data.placed import placed_elements

    changed = bytearray(data)
    end = 0
    try:
        if transfer_syntax is None:
            raise DataSetError("the negotiation was not recorded")
        for element in placed_elements(data, transfer_syntax, cut=cut):
            end = element.value if element.holds_others else element.stop
            if not element.holds_others and element.keyword not in KEPT:
                changed[element.value : element.stop] = _value(data[element.value : element.stop], element.vr)
    except DataSetError:
        pass  # what follows is not known, and goes
    changed[end:] = bytes(len(data) - end)
    return bytes(changed)


def _value(value: bytes, vr: str) -> bytes:
    if vr in _AS_THEY_ARE:
        return value
    if vr in _TEXTS:
        return _text(value)
    if vr in ("DA", "DT"):
        return _DIGITS.sub(lambda found: _A_DATE[: len(found.group())].ljust(len(found.group()), b"0"), value)
    if vr == "TM" or vr in _NUMBERS:
        return _DIGITS.sub(lambda found: b"0" * len(found.group()), value)
    return bytes(len(value))


def _text(value: bytes) -> bytes:
    """X for every byte but separators, wildcards and the padding."""
    text = value.rstrip(b"\0 ")
    return bytes(byte if byte in _STAYS else 0x58 for byte in text) + value[len(text) :]
