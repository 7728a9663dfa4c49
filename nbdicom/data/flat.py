"""A data set from a mapping of names to values, without making a Dataset (PS3.5 sections 6 and 7).

For identifiers and answers; `nbdicom.data.columns` reads them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from math import isfinite
from struct import Struct
from typing import Any

from nbdicom.data.elements import CHARACTER_SET, EXPLICIT_HEAD, IMPLICIT_HEAD, LONG, LONG_VRS
from nbdicom.data.unseen import unseen
from nbdicom.data.values import GB_2312, encodings_of, extended_text, plan_of, tag_named
from nbdicom.errors import DataSetError
from nbdicom.uids import transfer_syntax as registered
from nbdicom.vr import ENCODED, NUMBERS, TEXT

__all__ = ["encode_elements"]

_PN_DELIMITERS = re.compile(r"([\\^=])")
_DELIMITERS = re.compile(r"([\\\t\n\f\r])")
_DS_LENGTH = 16  #: characters of a decimal number


def encode_elements(elements: Mapping[Any, Any], transfer_syntax: str) -> bytes:
    """A mapping of keywords or tags to values as a data set.

    Values are text, numbers, sequences of these (several values), bytes (as they are), None (empty), and for a sequence
    a list of mappings.  Text that is not ASCII is encoded in the Specific Character Set of the mapping, or in UTF-8 with
    ``ISO_IR 192`` added.

    Raises
    ------
    DataSetError
        If a key is unknown or a value does not fit its VR.
    """
    from nbdicom.data.codec import codec, deflate

    facts = registered(transfer_syntax)
    explicit = not (facts is not None and facts.implicit_vr)
    encoded = _encode_level(elements, explicit)
    if facts is not None and facts.deflated:
        return deflate(encoded)
    if facts is not None and facts.big_endian:
        return codec.encode(codec.decode(encoded, "1.2.840.10008.1.2.1"), transfer_syntax)
    return encoded


def _encode_level(elements: Mapping[Any, Any], explicit: bool) -> bytes:
    by_tag = {(tag_named(key) if isinstance(key, str) else int(key)): value for key, value in elements.items()}
    if CHARACTER_SET not in by_tag and any(map(_needs_unicode, by_tag.values())):
        by_tag[CHARACTER_SET] = "ISO_IR 192"
    named = by_tag.get(CHARACTER_SET)
    names = tuple(named) if isinstance(named, list | tuple) else tuple(str(named or "").split("\\"))
    parts = []
    for tag in sorted(by_tag):
        if tag & 0xFFFF == 0 or tag >> 16 in (0x0000, 0x0002):
            continue
        vr, value = plan_of(tag).vr, by_tag[tag]
        if type(value) is str and vr in TEXT and value.isascii():
            raw = value.encode("ascii")  # nearly every value of an answer: a third of the time of the long way
        else:
            raw = _encode_value(value, vr, names, explicit, tag)
        if len(raw) & 1:
            raw += b"\0" if vr in ("UI", "OB", "UN") else b" "
        group, element = tag >> 16, tag & 0xFFFF
        if not explicit:
            parts.append(IMPLICIT_HEAD.pack(group, element, len(raw)) + raw)
        elif vr.encode() in LONG_VRS:
            parts.append(EXPLICIT_HEAD.pack(group, element, vr.encode(), 0) + LONG.pack(len(raw)) + raw)
        elif len(raw) > 0xFFFF:
            # A long list of UIDs, say: explicit VR knows it as UN (PS3.5 6.2.2 note 7).
            parts.append(EXPLICIT_HEAD.pack(group, element, b"UN", 0) + LONG.pack(len(raw)) + raw)
        else:
            parts.append(EXPLICIT_HEAD.pack(group, element, vr.encode(), len(raw)) + raw)
    return b"".join(parts)


def _needs_unicode(value: Any) -> bool:
    if isinstance(value, str):
        return not value.isascii()
    if value is None or isinstance(value, bytes | Mapping):
        return False
    return isinstance(value, Iterable) and any(map(_needs_unicode, value))


def _encode_value(value: Any, vr: str, names: tuple[str, ...], explicit: bool, tag: int) -> bytes:
    if value is None or value == "":
        return b""
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    if vr == "SQ":
        return b"".join(_items(value, names, explicit))
    values = list(value) if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    try:
        if vr in NUMBERS:
            pack = Struct("<" + NUMBERS[vr]).pack
            return b"".join(pack(v >> 16, v & 0xFFFF) if vr == "AT" else pack(v) for v in values)
        text = "\\".join("" if v is None else _text_of(v, vr) for v in values)
        if text.isascii():
            return text.encode("ascii")
        if vr not in ENCODED:
            raise ValueError("not ASCII")
    except Exception as error:  # the value is a caller's: of any type, and struct has an error of its own
        raise DataSetError(f"a value of {plan_of(tag).name} does not fit its VR {vr}") from error
    try:
        return _encode_text(text, vr, names)
    except (ValueError, LookupError) as error:
        charset = "\\".join(names) or "ISO_IR 6"
        raise DataSetError(
            f"a value of {plan_of(tag).name} is not in the Specific Character Set {charset}",
            hint="SpecificCharacterSet='ISO_IR 192' is UTF-8, which has everything",
        ) from error


def _text_of(value: Any, vr: str) -> str:
    """The text of one value; a number in as many characters as its VR has room for (PS3.5 6.2)."""
    if isinstance(value, float) and vr == "IS" and value.is_integer():
        return str(int(value))
    text = str(value)
    if isinstance(value, float) and vr == "DS" and (len(text) > _DS_LENGTH or not isfinite(value)):
        from pydicom.valuerep import format_number_as_ds

        if value.is_integer() and len(str(int(value))) <= _DS_LENGTH:
            return str(int(value))
        return format_number_as_ds(float(value))
    return text


def _items(value: Any, names: tuple[str, ...], explicit: bool) -> Iterator[bytes]:
    one = isinstance(value, Mapping) or hasattr(value, "group_dataset")
    for item in [value] if one else list(value):
        if hasattr(item, "group_dataset"):  # a pydicom Dataset, whose items() are elements and no values
            item = {int(element.tag): element.value for element in item}
        inherited = {} if names == ("",) else {CHARACTER_SET: list(names)}
        body = _encode_level({**inherited, **item} if any(map(_needs_unicode, item.values())) else item, explicit)
        yield IMPLICIT_HEAD.pack(0xFFFE, 0xE000, len(body)) + body


def _encode_text(text: str, vr: str, names: tuple[str, ...]) -> bytes:
    encodings = encodings_of(names)
    if len(encodings) == 1:
        return _encode_whole(text, encodings[0])
    # With code extensions each value, component and line starts in the first character set (PS3.5 6.1.2.5.3).
    pieces = (_PN_DELIMITERS if vr == "PN" else _DELIMITERS).split(text)
    return b"".join(piece.encode() if piece.isascii() else _encode_extended(piece, encodings, vr) for piece in pieces)


def _encode_whole(text: str, encoding: str) -> bytes:
    encoded = text.encode(encoding)
    if encoding == "shift_jis" and len(encoded) != len(text):
        raise ValueError("ISO_IR 13 has letters and half-width katakana, no kanji")
    return encoded


def _encode_extended(text: str, encodings: tuple[str, ...], vr: str) -> bytes:
    """Text with escape sequences.

    pydicom writes question marks for what is in none of the character sets, and GB 2312 without its escape sequence.
    """
    from pydicom.charset import encode_string

    with suppress(Warning), unseen():  # what is lost is answered by an error
        encoded = encode_string(text, list(encodings))
        for found in (encoded, GB_2312.encode() + encoded):
            if extended_text(found, encodings, vr) == text:
                return found
    raise ValueError("not in any of the character sets")
