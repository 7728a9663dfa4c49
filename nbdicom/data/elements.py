"""The elements of a data set in its bytes, sequences and their items (PS3.5 section 7): heads, lengths and ends.

What a value means is said in `nbdicom.data.values`.
"""

from __future__ import annotations

from struct import Struct

from nbdicom.config import Limits
from nbdicom.errors import DataSetError
from nbdicom.table import printable
from nbdicom.uids import transfer_syntax as registered

__all__ = [
    "CHARACTER_SET", "EXPLICIT_HEAD", "IMPLICIT_HEAD", "ITEM", "ITEM_END", "LONG", "LONG_VRS", "MOST_TOGETHER",
    "SEQUENCE_END", "UNDEFINED", "Buffer", "decode_elements", "element_head", "elements_of", "opened", "undefined_end",
]  # fmt: skip

Buffer = bytes | bytearray | memoryview

UNDEFINED = 0xFFFFFFFF
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
CHARACTER_SET = 0x00080005
_PIXEL_DATA = 0x7FE00010
MOST_TOGETHER = 100_000  #: elements of one level, of which each takes 300 bytes of memory; in sequences there may be more
_MOST_CONVERTED = 50_000  #: elements of a data set that is read and written by pydicom, which takes 30 us for each
IMPLICIT_HEAD = Struct("<HHI")
EXPLICIT_HEAD = Struct("<HH2sH")
_BIG_ENDIAN_HEAD = Struct(">HH2sH")
LONG = Struct("<I")
#: VRs with a length of four bytes (PS3.5 7.1.2)
LONG_VRS = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"})


def decode_elements(
    data: Buffer, transfer_syntax: str, limits: Limits | None = None, *, size: int | None = None
) -> dict[int, tuple[str, memoryview]]:
    """The elements of the top level: tag -> (VR, value); the VR is ``""`` where the encoding is implicit.

    Values are views into *data*; that of an undefined length ends before its delimiter.

    Parameters
    ----------
    data : bytes-like
        The data set; or, with *size*, its beginning, which has to have all of it but the end of the pixel data.
    transfer_syntax : str
        Its encoding.
    limits : Limits, optional
        What it may cost.
    size : int, optional
        Bytes of the whole data set, of which *data* is the beginning.

    Raises
    ------
    DataSetError
        If the data set is cut off, or beyond one of *limits*: nested too deep, of too many elements or items, or growing
        too much when it is inflated; with *size* also where the beginning is not enough.
    """
    bounds = limits or Limits()
    if size == len(data):
        size = None
    facts = registered(transfer_syntax)
    if size is not None and facts is not None and facts.converted:
        raise DataSetError("the beginning of a data set that has to be converted says nothing")
    view, implicit = opened(data, transfer_syntax, bounds)
    return elements_of(view, implicit, bounds, size)


def opened(data: Buffer, transfer_syntax: str, limits: Limits) -> tuple[memoryview, bool]:
    """A data set in little endian, not deflated, and whether its VRs are implicit.

    Raises
    ------
    DataSetError
        If it grows beyond *limits* by that.
    """
    facts = registered(transfer_syntax)
    if facts is not None and facts.converted:
        return memoryview(_little_endian(data, transfer_syntax, limits)), False
    return memoryview(data), facts is not None and facts.implicit_vr


def elements_of(
    view: memoryview, implicit: bool, bounds: Limits, size: int | None = None
) -> dict[int, tuple[str, memoryview]]:
    """`decode_elements` for little endian bytes that are not deflated: a data set, or an item of a sequence."""
    elements: dict[int, tuple[str, memoryview]] = {}
    position, held = 0, len(view)
    stop = held if size is None else size
    room = bounds.elements
    while position < stop:
        if implicit and position + 8 <= held:
            # What `element_head` does, without the call: half of a C-FIND answer's time.
            group, element, length = IMPLICIT_HEAD.unpack_from(view, position)
            tag, vr = group << 16 | element, b""
            position += 8
        else:
            tag, vr, length, position = element_head(view, position, held, implicit)
        if length == UNDEFINED:
            frames = tag == _PIXEL_DATA  # of a whole slide there may be very many
            most_items = bounds.elements if frames else bounds.items
            end, after, room = undefined_end(view, position, held, implicit or vr == b"UN", bounds, room, most_items)
        else:
            end = after = position + length
            if end > held and (end > stop or tag != _PIXEL_DATA):
                raise DataSetError(
                    f"element ({tag >> 16:04X},{tag & 0xFFFF:04X}) of {length} bytes where {held - position} are left"
                )
        elements[tag] = (vr.decode("latin-1") if vr else "", view[position:end])
        position = after
        if len(elements) > MOST_TOGETHER:
            raise DataSetError(f"more than {MOST_TOGETHER} elements beside one another")
        if len(elements) > room:
            raise DataSetError(f"a data set of more than {bounds.elements} elements")
    return elements


def element_head(view: memoryview, position: int, stop: int, implicit: bool) -> tuple[int, bytes, int, int]:
    """The head of an element: tag, VR, length, and where its value starts."""
    if position + 8 > stop:
        raise DataSetError("the data set is cut off inside an element")
    if implicit:
        group, element, length = IMPLICIT_HEAD.unpack_from(view, position)
        return group << 16 | element, b"", length, position + 8
    group, element, vr, length = EXPLICIT_HEAD.unpack_from(view, position)
    if group == 0xFFFE:  # items and delimiters have no VR
        return group << 16 | element, b"", LONG.unpack_from(view, position + 4)[0], position + 8
    if vr in LONG_VRS:
        if position + 12 > stop:
            raise DataSetError("the data set is cut off inside an element")
        return group << 16 | element, vr, LONG.unpack_from(view, position + 8)[0], position + 12
    if not vr.isalpha() or not vr.isupper():
        raise DataSetError(f"element ({group:04X},{element:04X}) has no VR: the encoding is not explicit")
    return group << 16 | element, vr, length, position + 8


def undefined_end(
    view: memoryview,
    position: int,
    stop: int,
    implicit: bool,
    limits: Limits,
    room: int,
    most_items: int,
    ends_with: int = SEQUENCE_END,
) -> tuple[int, int, int]:
    """Step over a value of undefined length: where it ends, where the next element starts, and how many are still allowed.

    With a stack instead of recursion: nesting is the peer's choice (PS3.5 7.5).
    """
    stack: list[tuple[int, bool]] = [(ends_with, implicit)]
    items = [0]  # of each sequence on the stack
    while True:
        ends_with, implicit = stack[-1]
        tag, vr, length, value = element_head(view, position, stop, implicit)
        if tag in (ends_with, SEQUENCE_END):
            # Some encoders forget the end of an item; the end of the sequence closes both.
            while (ended := stack.pop()[0]) != tag:
                if not stack:
                    raise DataSetError("a sequence delimiter where there is no sequence")
            if not stack:
                return position, value, room
            if ended == SEQUENCE_END:
                items.pop()
            position = value
            continue
        if tag == ITEM:
            items[-1] += 1
            if items[-1] > most_items:
                raise DataSetError(f"a sequence of more than {most_items} items")
        else:
            room -= 1
            if room < 0:
                raise DataSetError(f"a data set of more than {limits.elements} elements")
        if length == UNDEFINED:
            if len(stack) >= 2 * limits.sequence_depth:
                raise DataSetError(f"sequences nested deeper than {limits.sequence_depth}")
            if tag != ITEM:
                items.append(0)
            stack.append((ITEM_END if tag == ITEM else SEQUENCE_END, implicit or vr == b"UN"))
            position = value
        else:
            position = value + length
            if position > stop:
                raise DataSetError("a sequence is cut off")


def _little_endian(data: Buffer, transfer_syntax: str, limits: Limits) -> bytes:
    """Explicit VR Little Endian from the encodings that nobody reads flat, which takes as much memory as they are long."""
    from nbdicom.data.codec import codec, inflate

    facts = registered(transfer_syntax)
    if facts is not None and facts.deflated:
        return inflate(memoryview(data), limits)
    if len(data) > limits.inflated:
        raise DataSetError(f"a data set of more than {limits.inflated} bytes in {printable(transfer_syntax)}")
    if facts is not None and facts.big_endian:
        _count_big_endian(memoryview(data))
    return codec.encode(codec.decode(bytes(data), transfer_syntax), "1.2.840.10008.1.2.1")


def _count_big_endian(view: memoryview) -> None:
    """Step through a data set in Explicit VR Big Endian, into its sequences and items, and count.

    Raises
    ------
    DataSetError
        If there are too many elements, or what follows cannot be told.
    """
    position, stop, room = 0, len(view), _MOST_CONVERTED
    while position + 8 <= stop:
        group, _, vr, length = _BIG_ENDIAN_HEAD.unpack_from(view, position)
        position += 8
        if group == 0xFFFE:
            continue  # the elements of an item follow
        room -= 1
        if room < 0:
            raise DataSetError(f"a data set of more than {_MOST_CONVERTED} elements in big endian")
        if vr in LONG_VRS:
            length = int.from_bytes(view[position : position + 4], "big")
            position += 4
            if vr == b"SQ":
                continue  # its items follow
            if length == UNDEFINED:
                raise DataSetError("a value of undefined length in big endian")
        position += length
