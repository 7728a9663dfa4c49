"""What the index wants to know of an object: its short attributes, and that its data set can be read to the end."""

from __future__ import annotations

from struct import calcsize
from typing import Any

from nbdicom.config import Limits

__all__ = ["read_values"]

_LONGEST = 1024  #: bytes of a value that the index keeps
_MOST_NUMBERS = 64  #: numbers of a value that the index keeps
_PIXEL_DATA = 0x7FE00010


def read_values(data: memoryview, transfer_syntax: str, limits: Limits | None = None) -> dict[str, Any]:
    """The short attributes of a data set, by keyword: text, tuples of text, numbers, tuples of numbers.

    Only what is short is decoded: what a value may cost must not be for the sender to say.  *data* may be a mapped file
    of any size; of its bulk nothing is touched.

    Raises
    ------
    DataSetError
        If the data set cannot be read to its end, or goes beyond one of *limits*.
    """
    from nbdicom.data.elements import decode_elements
    from nbdicom.data.values import NUMBERS, TEXT, Charset, plan_of, text_of, value_of

    elements = decode_elements(data, transfer_syntax, limits)
    short = {tag: element for tag, element in elements.items() if len(element[1]) <= _LONGEST}
    charset = Charset.of(short, None)
    values: dict[str, Any] = {}
    for tag, (vr, raw) in short.items():
        group = tag >> 16
        if group & 1 or group < 0x0008 or tag & 0xFFFF == 0 or tag >= _PIXEL_DATA:
            continue
        keyword, known = plan_of(tag)
        if "," in keyword:
            continue  # the dictionary does not know it
        if vr not in ("", "UN"):
            known = vr
        if known in TEXT:
            values[keyword] = text_of(bytes(raw), known, charset)
        elif known in NUMBERS and len(raw) <= _MOST_NUMBERS * calcsize("<" + NUMBERS[known]):
            values[keyword] = value_of(raw, known, charset)
    return values
