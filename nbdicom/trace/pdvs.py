"""Command set and data set of a message from the P-DATA-TF PDUs that were recorded (PS3.8 9.3.5, E.2)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from nbdicom.core.trace import PDUReceived, PDUSent

__all__ = ["Joined", "PlacedFragment", "fragments", "joined"]


class PlacedFragment(NamedTuple):
    """A fragment in the bytes that were recorded of a P-DATA-TF."""

    start: int
    stop: int  #: of what was recorded
    length: int  #: that it has
    context_id: int
    header: int  #: message control header

    @property
    def is_command(self) -> bool:
        """Bit 0 of the message control header."""
        return bool(self.header & 1)

    @property
    def is_last(self) -> bool:
        """Bit 1 of the message control header."""
        return bool(self.header & 2)


def fragments(data: bytes) -> Iterator[PlacedFragment]:
    """The fragments of one P-DATA-TF, as far as its bytes were recorded."""
    position = 6
    while position + 6 <= len(data):
        length = int.from_bytes(data[position : position + 4], "big") - 2
        if length < 0:
            return
        start = position + 6
        yield PlacedFragment(start, min(start + length, len(data)), length, data[position + 4], data[position + 5])
        position = start + length


@dataclass(frozen=True, slots=True)
class Joined:
    """A message as far as it was recorded; what comes after the first gap is left out."""

    command: bytes
    data: bytes
    data_length: int  #: bytes that the data set has, as far as the PDUs tell
    whole: bool


def joined(pdus: Sequence[PDUSent | PDUReceived]) -> Joined:
    """Join the fragments of a message."""
    parts: dict[bool, list[bytes]] = {True: [], False: []}
    gap = {True: False, False: False}
    data_length = 0
    for event in pdus:
        seen = 6
        for piece in fragments(event.data):
            seen = piece.start + piece.length
            if not piece.is_command:
                data_length += piece.length
            if not gap[piece.is_command]:
                parts[piece.is_command].append(event.data[piece.start : piece.stop])
            gap[piece.is_command] |= piece.stop - piece.start < piece.length
        if seen < event.length:  # fragments of which not even the header was recorded
            gap = {True: True, False: True}
            data_length += max(0, event.length - seen - 6) if parts[True] else 0
    return Joined(b"".join(parts[True]), b"".join(parts[False]), data_length, not any(gap.values()))
