"""What the index wants to know of an object: its short attributes, and that its data set can be read to the end."""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import Any

from nbdicom.config import Limits

__all__ = ["read_values"]

_LONGEST = 1024  #: bytes of a value that the index keeps
_MOST_NUMBERS = 64  #: numbers of a value that the index keeps
_PIXEL_DATA = 0x7FE00010
_BULK_VRS = frozenset(("SQ", "OB", "OD", "OF", "OL", "OV", "OW"))
_LONG_VRS = frozenset(("SV", "UC", "UN", "UR", "UT", "UV"))
_IMPLICIT, _EXPLICIT, _EXPLICIT_LONG = Struct("<HHI"), Struct("<HH2sH"), Struct("<HH2sHI")
_IMPLICIT_LE, _EXPLICIT_LE = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"


def read_values(data: memoryview, transfer_syntax: str, limits: Limits | None = None) -> dict[str, Any]:
    """The short attributes of a data set, by keyword: text, tuples of text, numbers, tuples of numbers.

    Only what is short is decoded: what a value may cost must not be for the sender to say.  *data* may be a mapped file
    of any size; of its bulk nothing is touched.

    Raises
    ------
    DataSetError
        If the data set cannot be read to its end, or goes beyond one of *limits*.
    """
    from nbdicom.data.columns import decode_columns
    from nbdicom.data.elements import decode_elements

    elements = decode_elements(data, transfer_syntax, limits)
    explicit = any(vr for vr, _ in elements.values())
    short = b"".join(_short(elements))
    values: dict[str, Any] = {}
    for keyword, (value,) in decode_columns([(short, _EXPLICIT_LE if explicit else _IMPLICIT_LE)]).items():
        if "," in keyword or isinstance(value, memoryview):
            continue
        if isinstance(value, tuple) and not isinstance(value[0], str) and len(value) > _MOST_NUMBERS:
            continue
        values[keyword] = value
    return values


def _short(elements: dict[int, tuple[str, memoryview]]) -> Iterator[bytes]:
    """The public elements before the pixel data that are short, as a data set of their own."""
    for tag, (vr, value) in elements.items():
        group, element = tag >> 16, tag & 0xFFFF
        if len(value) > _LONGEST or vr in _BULK_VRS or group & 1 or group < 0x0008 or tag >= _PIXEL_DATA:
            continue
        if not vr:
            head = _IMPLICIT.pack(group, element, len(value))
        elif vr in _LONG_VRS:
            head = _EXPLICIT_LONG.pack(group, element, vr.encode("ascii"), 0, len(value))
        else:
            head = _EXPLICIT.pack(group, element, vr.encode("ascii"), len(value))
        yield head + bytes(value)
