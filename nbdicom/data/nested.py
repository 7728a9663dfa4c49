"""Whole data sets as plain values: keywords, text, numbers, and lists of mappings for sequences (PS3.5 section 7.5).

For data sets that are kept and compared rather than passed on: worklist items, procedure steps, workitems.  Text is text
whatever its character set was, so what came in two character sets can be joined.  The way back is
`nbdicom.data.flat.encode_elements`.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import Any

from nbdicom.config import Limits
from nbdicom.data.flat import (
    _CHARACTER_SET,
    Buffer,
    _Charset,
    _element,
    _little_endian,
    _plan,
    _undefined,
    _value,
    decode_elements,
)
from nbdicom.errors import DataSetError
from nbdicom.uids import transfer_syntax as registered

__all__ = ["decode_nested"]

_IMPLICIT, _EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_UNDEFINED = 0xFFFFFFFF
_HEAD = Struct("<HHI")


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
    facts = registered(transfer_syntax)
    if facts is not None and (facts.deflated or facts.big_endian):
        data, transfer_syntax = _little_endian(data, transfer_syntax, bounds), _EXPLICIT
    return _level(memoryview(data), transfer_syntax, None, bounds, 0)


def _level(view: memoryview, syntax: str, inherited: _Charset | None, limits: Limits, depth: int) -> dict[str, Any]:
    if depth > limits.sequence_depth:
        raise DataSetError(f"sequences nested deeper than {limits.sequence_depth}")
    elements = decode_elements(view, syntax, limits)
    charset = _Charset.of(elements, None) if inherited is None or _CHARACTER_SET in elements else inherited
    values: dict[str, Any] = {}
    for tag in sorted(elements):
        vr, raw = elements[tag]
        if tag & 0xFFFF == 0 or tag == _CHARACTER_SET:
            continue  # group lengths are retired; text has no character set any more
        plan = _plan(tag)
        known = vr if vr not in ("", "UN") else plan.vr
        if known == "SQ":
            # An unknown sequence is always encoded with implicit VR (PS3.5 6.2.2).
            inner = _IMPLICIT if vr == "UN" else syntax
            values[plan.name] = [_level(item, inner, charset, limits, depth + 1) for item in _items(raw, inner, limits)]
        elif "," in plan.name:
            values[plan.name] = bytes(raw)
        else:
            value = _value(raw, known, charset)
            if isinstance(value, memoryview):
                value = bytes(value)
            values[plan.name] = list(value) if isinstance(value, tuple) else value
    return values


def _items(view: memoryview, syntax: str, limits: Limits) -> Iterator[memoryview]:
    """The items of a sequence, each as the bytes of its data set."""
    position, stop, count = 0, len(view), 0
    while position < stop:
        count += 1
        if count > limits.items:
            raise DataSetError(f"a sequence of more than {limits.items} items")
        if position + 8 > stop:
            raise DataSetError("a sequence is cut off")
        group, element, length = _HEAD.unpack_from(view, position)
        tag, position = group << 16 | element, position + 8
        if tag == _SEQUENCE_END:
            return
        if tag != _ITEM:
            raise DataSetError(f"({group:04X},{element:04X}) where an item of a sequence is due")
        if length == _UNDEFINED:
            end, after = _item_end(view, position, stop, syntax == _IMPLICIT, limits)
        else:
            end = after = position + length
        if end > stop:
            raise DataSetError("an item of a sequence is cut off")
        yield view[position:end]
        position = after


def _item_end(view: memoryview, position: int, stop: int, implicit: bool, limits: Limits) -> tuple[int, int]:
    """Where an item of undefined length ends, and where the next one starts."""
    while True:
        tag, vr, length, value = _element(view, position, stop, implicit)
        if tag == _ITEM_END:
            return position, value
        if length == _UNDEFINED:
            inner = implicit or vr == b"UN"
            _, position, _ = _undefined(view, value, stop, inner, limits, limits.elements, limits.items)
        else:
            position = value + length
