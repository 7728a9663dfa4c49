"""Whole data sets as plain values: keywords, text, numbers, and lists of mappings for sequences (PS3.5 section 7.5).

For data sets that are kept and compared rather than passed on: worklist items, procedure steps, workitems.  Text is text
whatever its character set was, so what came in two character sets can be joined.  The way back is
`nbdicom.data.flat.encode_elements`.
"""

from __future__ import annotations

from typing import Any

from nbdicom.config import Limits
from nbdicom.data.elements import (
    CHARACTER_SET,
    ITEM,
    ITEM_END,
    MOST_TOGETHER,
    SEQUENCE_END,
    UNDEFINED,
    Buffer,
    element_head,
    opened,
    undefined_end,
)
from nbdicom.data.values import Charset, check_count, known_vr, plan_of, value_of
from nbdicom.errors import DataSetError

__all__ = ["Reader", "decode_nested"]


def decode_nested(data: Buffer, transfer_syntax: str, limits: Limits | None = None) -> dict[str, Any]:
    """A data set as a mapping of keywords (``"gggg,eeee"`` where there is none) to values.

    Text is ``str``, several values are a list, numbers are numbers, an empty value is ``""``; a sequence is a list of
    mappings.  Bulk data and the values of elements that the dictionary does not know are bytes.

    Raises
    ------
    DataSetError
        If the data set cannot be read, or is beyond one of *limits*.

    Examples
    --------
    >>> from nbdicom.data.flat import encode_elements
    >>> data = encode_elements({"PatientID": "7", "ReferencedStudySequence": [{"StudyID": "1"}]}, "1.2.840.10008.1.2")
    >>> decode_nested(data, "1.2.840.10008.1.2")
    {'ReferencedStudySequence': [{'StudyID': '1'}], 'PatientID': '7'}
    """
    bounds = limits or Limits()
    view, implicit = opened(data, transfer_syntax, bounds)
    return Reader(view, bounds).level(0, len(view), implicit, None, 0)[0]


class Reader:
    """Goes through the bytes once, however deep they are nested: where an item ends is known when it has been read.

    Parameters
    ----------
    view : memoryview
        A data set in little endian, or a part of it.
    limits : Limits
        What it may cost.
    """

    def __init__(self, view: memoryview, limits: Limits) -> None:
        self._view = view
        self.limits = limits
        self._room = limits.elements

    def level(
        self, position: int, stop: int, implicit: bool, inherited: Charset | None, depth: int, until: int = 0
    ) -> tuple[dict[str, Any], int]:
        """The elements up to *stop*, or to the delimiter *until*, and where what follows begins."""
        limits = self.limits
        if depth > limits.sequence_depth:
            raise DataSetError(f"sequences nested deeper than {limits.sequence_depth}")
        found: dict[int, tuple[str, Any]] = {}
        charset = Charset(("",)) if inherited is None else inherited
        while True:
            if position >= stop:
                if until:
                    raise DataSetError("a sequence is cut off")
                break
            tag, raw_vr, length, start = element_head(self._view, position, stop, implicit)
            if until and tag in (until, SEQUENCE_END):
                # Some encoders forget the end of an item; the end of the sequence closes both.
                position = start if tag == until else position
                break
            if len(found) >= MOST_TOGETHER:
                raise DataSetError(f"more than {MOST_TOGETHER} elements beside one another")
            self._room -= 1
            if self._room < 0:
                raise DataSetError(f"a data set of more than {limits.elements} elements")
            vr = raw_vr.decode("latin-1")
            known = known_vr(vr, tag)
            # An unknown sequence is always encoded with implicit VR (PS3.5 6.2.2).
            inner = implicit or vr == "UN"
            end = start + length
            if known == "SQ" and tag != CHARACTER_SET:
                # What names its character set stands before all sequences (PS3.5 7.1).
                items, position = self.items(start, stop, length, inner, charset, depth + 1)
                found[tag] = known, items
                continue
            position = end
            if length == UNDEFINED:
                end, position, self._room = undefined_end(
                    self._view, start, stop, inner, limits, self._room, limits.items
                )
            if end > stop:
                raise DataSetError(
                    f"element ({tag >> 16:04X},{tag & 0xFFFF:04X}) of {length} bytes where {stop - start} are left"
                )
            if tag == CHARACTER_SET:
                known = "CS"  # whatever a peer calls it
                charset = Charset.of({tag: (known, self._view[start:end])}, None)
            found[tag] = known, self._view[start:end]
        kept = {plan_of(tag).name: self.value(tag, *found[tag], charset) for tag in sorted(found) if self.is_kept(tag)}
        if inherited is not None:
            inherited.doubted = inherited.doubted or charset.doubted
        return kept, position

    def items(
        self, position: int, stop: int, length: int, implicit: bool, charset: Charset, depth: int
    ) -> tuple[list[dict[str, Any]], int]:
        """The items of a sequence (PS3.5 7.5) of this *length*, and where what follows begins."""
        items: list[dict[str, Any]] = []
        end = stop if length == UNDEFINED else position + length
        if end > stop:
            raise DataSetError("a sequence is cut off")
        while position < end:
            tag, _, length_of_item, start = element_head(self._view, position, end, True)
            if tag == SEQUENCE_END:
                return items, start if length == UNDEFINED else end
            if tag != ITEM:
                raise DataSetError(f"({tag >> 16:04X},{tag & 0xFFFF:04X}) where an item of a sequence is due")
            if len(items) >= self.limits.items:
                raise DataSetError(f"a sequence of more than {self.limits.items} items")
            if length_of_item == UNDEFINED:
                item, position = self.level(start, end, implicit, charset, depth, ITEM_END)
            else:
                position = start + length_of_item
                if position > end:
                    raise DataSetError("an item of a sequence is cut off")
                item, _ = self.level(start, position, implicit, charset, depth)
            items.append(item)
        if length == UNDEFINED:
            raise DataSetError("a sequence is cut off")
        return items, end

    def value(self, tag: int, vr: str, raw: Any, charset: Charset) -> Any:
        """What is kept of an element: of a sequence its items, else of its bytes."""
        if vr == "SQ":
            return raw
        if "," in plan_of(tag).name:
            return bytes(raw)
        check_count(raw, vr, self.limits)
        value = value_of(raw, vr, charset)
        if isinstance(value, memoryview):
            value = bytes(value)
        return list(value) if isinstance(value, tuple) else value

    def is_kept(self, tag: int) -> bool:
        """Not group lengths, which are retired, nor the character set: text has none any more."""
        return bool(tag & 0xFFFF) and tag != CHARACTER_SET
