"""What the index wants to know of an object: its short attributes, and that its data set can be read to the end."""

from __future__ import annotations

from struct import calcsize
from typing import Any

from nbdicom.config import Limits
from nbdicom.data.elements import CHARACTER_SET, decode_elements
from nbdicom.data.values import Charset, plan_of, text_of, value_of
from nbdicom.pacs.rows import Attributes, Placed, place
from nbdicom.vr import NUMBERS, TEXT

__all__ = ["HeaderReader"]

_LONGEST = 1024  #: bytes of a value that the index keeps
_MOST_NUMBERS = 64  #: numbers of a value that the index keeps
_PIXEL_DATA = 0x7FE00010
_SHORT = 64  #: bytes of a value that is remembered
_MOST_KNOWN = 4096  #: values that are remembered; then all are forgotten


class HeaderReader:
    """Reads the attributes of objects that come one after the other.

    Of the slices of a series all but ten or so have the same values: what bytes meant the last time is looked up, and of
    the time of a header a third is left.

    Parameters
    ----------
    limits : Limits, optional
        What a data set may cost to read.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._known: dict[tuple[int, str, bytes, tuple[str, ...]], tuple[str, Any, Placed | None] | None] = {}

    def read(self, data: memoryview, transfer_syntax: str, *, size: int | None = None) -> Attributes:
        """The short attributes of a data set.

        Only what is short is decoded: what a value may cost must not be for the sender to say.  *data* may be a mapped file
        of any size; of its bulk nothing is touched.

        Parameters
        ----------
        data : memoryview
            The data set, or with *size* its beginning.
        transfer_syntax : str
            Its encoding.
        size : int, optional
            Bytes of the whole data set.

        Raises
        ------
        DataSetError
            If the data set cannot be read to its end, or goes beyond one of the limits; also if more than the end of the
            pixel data is missing.
        """
        elements = decode_elements(data, transfer_syntax, self._limits, size=size)
        if CHARACTER_SET in elements and len(elements[CHARACTER_SET][1]) > _LONGEST:
            del elements[CHARACTER_SET]
        charset = Charset.of(elements, None)
        values: dict[str, Any] = {}
        placed: list[Placed] = []
        known = self._known
        for tag, (vr, raw) in elements.items():
            if len(raw) > _LONGEST:
                continue
            key = tag, vr, bytes(raw), charset.names
            try:
                found = known[key]
            except KeyError:
                found = _meaning(tag, vr, raw, charset)
                if len(raw) <= _SHORT:
                    if len(known) >= _MOST_KNOWN:
                        known.clear()
                    known[key] = found
            if found is not None:
                keyword, value, indexed = found
                values[keyword] = value
                if indexed is not None:
                    placed.append(indexed)
        return Attributes(values, placed)


def _meaning(tag: int, vr: str, raw: memoryview, charset: Charset) -> tuple[str, Any, Placed | None] | None:
    """Keyword and value of an element, and how the index keeps it; None if it keeps nothing."""
    group = tag >> 16
    if group & 1 or group < 0x0008 or tag & 0xFFFF == 0 or tag >= _PIXEL_DATA:
        return None
    keyword, known = plan_of(tag)
    if "," in keyword:
        return None  # the dictionary does not know it
    if vr not in ("", "UN"):
        known = vr
    value: Any
    if known in TEXT:
        value = text_of(bytes(raw), known, charset)
    elif known in NUMBERS and len(raw) <= _MOST_NUMBERS * calcsize("<" + NUMBERS[known]):
        value = value_of(raw, known, charset)
    else:
        return None
    return keyword, value, place(keyword, value)
