"""Whole data sets as plain values: keywords, text, numbers, and lists of mappings for sequences (PS3.5 section 7.5).

For data sets that are kept and compared rather than passed on: worklist items, procedure steps, workitems.  Text is text
whatever its character set was, so what came in two character sets can be joined.  The way back is
`nbdicom.data.flat.encode_elements`.
"""

from __future__ import annotations

from typing import Any

from nbdicom.config import Limits
from nbdicom.data.elements import CHARACTER_SET, Buffer, elements_of, opened, sequence_items
from nbdicom.data.values import Charset, known_vr, plan_of, value_of
from nbdicom.errors import DataSetError

__all__ = ["decode_nested"]


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
    return _level(view, implicit, None, bounds, 0)


def _level(view: memoryview, implicit: bool, inherited: Charset | None, limits: Limits, depth: int) -> dict[str, Any]:
    if depth > limits.sequence_depth:
        raise DataSetError(f"sequences nested deeper than {limits.sequence_depth}")
    elements = elements_of(view, implicit, limits)
    charset = Charset.of(elements, None) if inherited is None or CHARACTER_SET in elements else inherited
    values: dict[str, Any] = {}
    for tag in sorted(elements):
        vr, raw = elements[tag]
        if tag & 0xFFFF == 0 or tag == CHARACTER_SET:
            continue  # group lengths are retired; text has no character set any more
        name, known = plan_of(tag).name, known_vr(vr, tag)
        if known == "SQ":
            # An unknown sequence is always encoded with implicit VR (PS3.5 6.2.2).
            inner = implicit or vr == "UN"
            items = sequence_items(raw, inner, limits)
            values[name] = [_level(item, inner, charset, limits, depth + 1) for item in items]
        elif "," in name:
            values[name] = bytes(raw)
        else:
            value = value_of(raw, known, charset)
            if isinstance(value, memoryview):
                value = bytes(value)
            values[name] = list(value) if isinstance(value, tuple) else value
    return values
