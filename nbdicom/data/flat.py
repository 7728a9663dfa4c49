"""The flat codec: one level of a data set as tags and values, without making a Dataset (PS3.5 sections 6 and 7).

For identifiers and headers.  Sequences are stepped over unless they are asked for; values are converted by a plan for each
tag that comes from pydicom's dictionary once.  A C-FIND identifier of 17 elements takes about 10 us, against
200 us through a Dataset.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from struct import Struct, calcsize, unpack
from typing import Any, NamedTuple

from nbdicom.config import Limits
from nbdicom.errors import DataSetError
from nbdicom.table import printable
from nbdicom.uids import transfer_syntax as registered

__all__ = ["check_character_set", "decode_columns", "decode_elements", "encode_elements", "tag_of"]

Buffer = bytes | bytearray | memoryview

_UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_PIXEL_DATA = 0x7FE00010
_CHARACTER_SET = 0x00080005
_MOST_PLANS = 10_000  #: plans that are remembered; which tags there are is for peers to say
_DEFAULT_REPERTOIRE = "iso8859"  #: what pydicom calls ISO-IR 6
_IMPLICIT = Struct("<HHI")
_EXPLICIT = Struct("<HH2sH")
_LONG = Struct("<I")
_LONG_VRS = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"})
_NUMBERS = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d", "UV": "Q", "SV": "q", "AT": "HH"}
_ONE_TEXT = frozenset({"LT", "ST", "UT", "UR"})  #: a backslash is a character there
_ENCODED = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})  #: in the Specific Character Set (PS3.5 6.1.2.3)
_TEXT = _ONE_TEXT | _ENCODED | {"AE", "AS", "CS", "DA", "DS", "DT", "IS", "TM", "UI"}


class _Plan(NamedTuple):
    """How the values of a tag are shown: its name in a table and its VR."""

    name: str
    vr: str


@lru_cache(maxsize=_MOST_PLANS)
def _plan(tag: int) -> _Plan:
    from pydicom.datadict import dictionary_VR, keyword_for_tag

    name = keyword_for_tag(tag) or f"{tag >> 16:04x},{tag & 0xFFFF:04x}"
    try:
        return _Plan(name, dictionary_VR(tag)[:2])  # "US or SS" is read as its first
    except KeyError:
        return _Plan(name, "UN")


@lru_cache(maxsize=_MOST_PLANS)
def _tag(key: str) -> int:
    from pydicom.datadict import tag_for_keyword

    tag = tag_for_keyword(key)
    if tag is not None:
        return int(tag)
    group, comma, element = key.partition(",")
    try:
        if comma:
            return int(group, 16) << 16 | int(element, 16)
    except ValueError:
        pass
    raise DataSetError(f"{key!r} is neither a keyword nor a tag as gggg,eeee")


def tag_of(attribute: str | int) -> int:
    """The tag of an attribute given as keyword, as "gggg,eeee", or as the number itself.

    >>> f"{tag_of('PatientID'):08X}"
    '00100020'

    Raises
    ------
    DataSetError
        If it is none of them.
    """
    return int(attribute) if isinstance(attribute, int) else _tag(attribute)


# ------------------------------------------------------------------------------- reading


def decode_elements(
    data: Buffer, transfer_syntax: str, limits: Limits | None = None
) -> dict[int, tuple[str, memoryview]]:
    """The elements of the top level: tag -> (VR, value); the VR is ``""`` where the encoding is implicit.

    Values are views into *data*; that of an undefined length ends before its delimiter.

    Raises
    ------
    DataSetError
        If the data set is cut off, or beyond one of *limits*: nested too deep, of too many elements or items, or growing
        too much when it is inflated.
    """
    bounds = limits or Limits()
    facts = registered(transfer_syntax)
    if facts is not None and (facts.deflated or facts.big_endian):
        data = _little_endian(data, transfer_syntax, bounds)
        implicit = False
    else:
        implicit = facts is not None and facts.implicit_vr
    return _level(memoryview(data), implicit, bounds)


def _level(view: memoryview, implicit: bool, bounds: Limits) -> dict[int, tuple[str, memoryview]]:
    elements: dict[int, tuple[str, memoryview]] = {}
    position, stop = 0, len(view)
    room = bounds.elements
    while position < stop:
        if implicit and position + 8 <= stop:  # what `_element` does, without the call: half of a C-FIND answer's time
            group, element, length = _IMPLICIT.unpack_from(view, position)
            tag, vr = group << 16 | element, b""
            position += 8
        else:
            tag, vr, length, position = _element(view, position, stop, implicit)
        if length == _UNDEFINED:
            frames = tag == _PIXEL_DATA  # of a whole slide there may be very many
            most_items = bounds.elements if frames else bounds.items
            end, after, room = _undefined(view, position, stop, implicit or vr == b"UN", bounds, room, most_items)
        else:
            end = after = position + length
            if end > stop:
                raise DataSetError(
                    f"element ({tag >> 16:04X},{tag & 0xFFFF:04X}) of {length} bytes where {stop - position} are left"
                )
        elements[tag] = (vr.decode("latin-1") if vr else "", view[position:end])
        position = after
        if len(elements) > room:
            raise DataSetError(f"a data set of more than {bounds.elements} elements")
    return elements


def _element(view: memoryview, position: int, stop: int, implicit: bool) -> tuple[int, bytes, int, int]:
    """The head of an element: tag, VR, length, and where its value starts."""
    if position + 8 > stop:
        raise DataSetError("the data set is cut off inside an element")
    if implicit:
        group, element, length = _IMPLICIT.unpack_from(view, position)
        return group << 16 | element, b"", length, position + 8
    group, element, vr, length = _EXPLICIT.unpack_from(view, position)
    if group == 0xFFFE:  # items and delimiters have no VR
        return group << 16 | element, b"", _LONG.unpack_from(view, position + 4)[0], position + 8
    if vr in _LONG_VRS:
        if position + 12 > stop:
            raise DataSetError("the data set is cut off inside an element")
        return group << 16 | element, vr, _LONG.unpack_from(view, position + 8)[0], position + 12
    if not vr.isalpha() or not vr.isupper():
        raise DataSetError(f"element ({group:04X},{element:04X}) has no VR: the encoding is not explicit")
    return group << 16 | element, vr, length, position + 8


def _undefined(
    view: memoryview,
    position: int,
    stop: int,
    implicit: bool,
    limits: Limits,
    room: int,
    most_items: int,
    ends_with: int = _SEQUENCE_END,
) -> tuple[int, int, int]:
    """Step over a value of undefined length: where it ends, where the next element starts, and how many are still allowed.

    With a stack instead of recursion: nesting is the peer's choice (PS3.5 7.5).
    """
    stack: list[tuple[int, bool]] = [(ends_with, implicit)]
    items = [0]  # of each sequence on the stack
    while True:
        ends_with, implicit = stack[-1]
        tag, vr, length, value = _element(view, position, stop, implicit)
        if tag in (ends_with, _SEQUENCE_END):
            # Some encoders forget the end of an item; the end of the sequence closes both.
            while (ended := stack.pop()[0]) != tag:
                if not stack:
                    raise DataSetError("a sequence delimiter where there is no sequence")
            if not stack:
                return position, value, room
            if ended == _SEQUENCE_END:
                items.pop()
            position = value
            continue
        if tag == _ITEM:
            items[-1] += 1
            if items[-1] > most_items:
                raise DataSetError(f"a sequence of more than {most_items} items")
        else:
            room -= 1
            if room < 0:
                raise DataSetError(f"a data set of more than {limits.elements} elements")
        if length == _UNDEFINED:
            if len(stack) >= 2 * limits.sequence_depth:
                raise DataSetError(f"sequences nested deeper than {limits.sequence_depth}")
            if tag != _ITEM:
                items.append(0)
            stack.append((_ITEM_END if tag == _ITEM else _SEQUENCE_END, implicit or vr == b"UN"))
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
    return codec.encode(codec.decode(bytes(data), transfer_syntax), "1.2.840.10008.1.2.1")


def decode_columns(
    identifiers: Iterable[tuple[Buffer, str]],
    *,
    fallback_charset: str | None = None,
    sequences: bool = False,
    doubtful: dict[str, int] | None = None,
) -> dict[str, list[Any]]:
    """Many data sets as columns: keyword -> one value for each data set.

    Parameters
    ----------
    identifiers : iterable of (bytes, str)
        Encoded data sets with their transfer syntaxes.
    fallback_charset : str, optional
        A Specific Character Set for data sets that name none although they need one, such as ``"ISO_IR 100"``.
    sequences : bool
        Read sequences, too: as tuples of items, each a mapping of keywords to values.
    doubtful : dict, optional
        Takes for each keyword how many values are not in their character set.  What cannot be decoded has U+FFFD in its
        place; where no character set is named, UTF-8 and then Latin-1 are a guess.

    Returns
    -------
    dict
        Keywords (``"gggg,eeee"`` where there is none) in the order of their tags.  None is absent, ``""`` is empty, text
        is text, several values are a tuple, numbers are numbers, sequences and bulk data are views of bytes.

    Raises
    ------
    DataSetError
        If a data set cannot be read.
    """
    bounds = Limits()
    columns: dict[int, list[Any]] = {}
    count = 0
    for data, syntax in identifiers:
        elements = decode_elements(data, syntax, bounds)
        charset = _Charset.of(elements, fallback_charset)
        for tag, (vr, value) in elements.items():
            if tag & 0xFFFF == 0:
                continue  # group length, retired
            column = columns.get(tag)
            if column is None:
                column = columns[tag] = [None] * count
            elif len(column) < count:
                column += [None] * (count - len(column))
            known = vr if vr not in ("", "UN") else _plan(tag).vr
            if known in _TEXT:
                column.append(_text(bytes(value), known, charset))
            elif sequences and known == "SQ":
                column.append(_read_items(value, vr != known, charset, bounds, [bounds.elements]))
            else:
                column.append(_value(value, known, charset))
            if charset.doubted:
                charset.doubted = False
                if doubtful is not None:
                    name = _plan(tag).name
                    doubtful[name] = doubtful.get(name, 0) + 1
        count += 1
    for column in columns.values():
        column += [None] * (count - len(column))
    return {_plan(tag).name: columns[tag] for tag in sorted(columns)}


def _read_items(
    view: memoryview, implicit: bool, charset: _Charset, limits: Limits, room: list[int], depth: int = 1
) -> tuple[dict[str, Any], ...]:
    """The items of a sequence (PS3.5 7.5); an item inherits the character set, and may name its own.

    *room* is how many elements are still allowed, in all items on all levels.
    """
    if depth > limits.sequence_depth:
        raise DataSetError(f"sequences nested deeper than {limits.sequence_depth}")
    items: list[dict[str, Any]] = []
    position, stop = 0, len(view)
    while position < stop:
        tag, _, length, position = _element(view, position, stop, implicit)
        if tag == _SEQUENCE_END:
            break
        if tag != _ITEM:
            raise DataSetError("a sequence has something else than items in it")
        if length == _UNDEFINED:
            end, after, _ = _undefined(view, position, stop, implicit, limits, room[0], limits.items, _ITEM_END)
        else:
            end = after = position + length
            if end > stop:
                raise DataSetError("an item is cut off")
        elements = _level(view[position:end], implicit, limits)
        room[0] -= len(elements) + 1
        if room[0] < 0 or len(items) >= limits.items:
            raise DataSetError(f"a data set of more than {limits.elements} elements or {limits.items} items")
        inner = _Charset.of(elements, None) if _CHARACTER_SET in elements else charset
        item = {}
        for one, (vr, value) in elements.items():
            known = vr if vr not in ("", "UN") else _plan(one).vr
            if known == "SQ":
                item[_plan(one).name] = _read_items(value, vr != known, inner, limits, room, depth + 1)
            else:
                item[_plan(one).name] = _value(value, known, inner)
        charset.doubted = charset.doubted or inner.doubted
        items.append(item)
        position = after
    return tuple(items)


def _text(data: bytes, vr: str, charset: _Charset) -> Any:
    try:
        text = data.decode("ascii")
        if "\x1b" in text and vr in _ENCODED:
            text = charset.decode(data, vr)
    except UnicodeDecodeError:
        text = charset.decode(data, vr) if vr in _ENCODED else data.decode("latin-1")
    text = text.rstrip("\0 ")
    if vr in _ONE_TEXT:
        return text
    if "\\" not in text:
        return text.lstrip(" ")
    return tuple(part.strip(" \0") for part in text.split("\\"))


def _value(raw: memoryview, vr: str, charset: _Charset) -> Any:
    if vr in _TEXT:
        return _text(bytes(raw), vr, charset)
    kind = _NUMBERS.get(vr)
    if kind is None:
        return raw
    size = calcsize("<" + kind)
    numbers = [unpack("<" + kind, raw[k : k + size]) for k in range(0, len(raw) - size + 1, size)]
    values = [pair[0] << 16 | pair[1] if vr == "AT" else pair[0] for pair in numbers]
    if not values:
        return ""
    return values[0] if len(values) == 1 else tuple(values)


class _Charset:
    """The Specific Character Set of one data set (PS3.3 C.12.1.1.2), looked up only when a value needs it."""

    __slots__ = ("_names", "doubted")

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names
        self.doubted = False  #: whether a value was not in it

    @classmethod
    def of(cls, elements: Mapping[int, tuple[str, memoryview]], fallback: str | None) -> _Charset:
        raw = bytes(elements[_CHARACTER_SET][1]) if _CHARACTER_SET in elements else b""
        text = raw.decode("latin-1").strip("\0 ") or (fallback or "")
        return cls(tuple(name.strip() for name in text.split("\\")))

    def decode(self, data: bytes, vr: str) -> str:
        encodings = _encodings(self._names)
        if b"\x1b" in data:
            from pydicom.charset import decode_bytes
            from pydicom.valuerep import PN_DELIMS, TEXT_VR_DELIMS

            text = decode_bytes(data, encodings, PN_DELIMS if vr == "PN" else TEXT_VR_DELIMS)
            self.doubted = self.doubted or "\N{REPLACEMENT CHARACTER}" in text
            return text
        try:
            if encodings[0] != _DEFAULT_REPERTOIRE:
                return data.decode(encodings[0])
        except UnicodeDecodeError:
            self.doubted = True
            return data.decode(encodings[0], errors="replace")
        # The default repertoire is ASCII (PS3.5 6.1.2.2), and this is not: the peer forgot to name a character set.
        self.doubted = True
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            return data.decode("latin-1")


@lru_cache(maxsize=256)
def _encodings(names: tuple[str, ...]) -> tuple[str, ...]:
    import warnings

    from pydicom.charset import convert_encodings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an unknown name is read as the default repertoire
        try:
            return tuple(convert_encodings(list(names)))
        except (LookupError, ValueError):  # an unknown name, or no name at all
            return (_DEFAULT_REPERTOIRE,)


def check_character_set(names: str) -> None:
    """Refuse what is no Specific Character Set (PS3.3 C.12.1.1.2).

    Raises
    ------
    DataSetError
        With the usual ones in its hint.
    """
    from pydicom.charset import python_encoding

    for name in names.split("\\"):
        if name.strip() not in python_encoding:
            raise DataSetError(
                f"{name!r} is not a Specific Character Set of DICOM [PS3.3 C.12.1.1.2]",
                hint="ISO_IR 192 is UTF-8, ISO_IR 100 Latin-1, ISO_IR 144 Cyrillic, ISO_IR 13 Japanese, GB18030 Chinese",
            )


# ------------------------------------------------------------------------------- writing


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
    by_tag = {(_tag(key) if isinstance(key, str) else int(key)): value for key, value in elements.items()}
    if _CHARACTER_SET not in by_tag and any(map(_needs_unicode, by_tag.values())):
        by_tag[_CHARACTER_SET] = "ISO_IR 192"
    named = by_tag.get(_CHARACTER_SET)
    names = tuple(named) if isinstance(named, list | tuple) else tuple(str(named or "").split("\\"))
    parts = []
    for tag in sorted(by_tag):
        if tag & 0xFFFF == 0 or tag >> 16 in (0x0000, 0x0002):
            continue
        vr, value = _plan(tag).vr, by_tag[tag]
        if type(value) is str and vr in _TEXT and value.isascii():
            raw = value.encode("ascii")  # nearly every value of an answer: a third of the time of the long way
        else:
            raw = _encode_value(value, vr, names, explicit, tag)
        if len(raw) & 1:
            raw += b"\0" if vr in ("UI", "OB", "UN") else b" "
        group, element = tag >> 16, tag & 0xFFFF
        if not explicit:
            parts.append(_IMPLICIT.pack(group, element, len(raw)) + raw)
        elif vr.encode() in _LONG_VRS:
            parts.append(_EXPLICIT.pack(group, element, vr.encode(), 0) + _LONG.pack(len(raw)) + raw)
        elif len(raw) > 0xFFFF:
            # A long list of UIDs, say: explicit VR knows it as UN (PS3.5 6.2.2 note 7).
            parts.append(_EXPLICIT.pack(group, element, b"UN", 0) + _LONG.pack(len(raw)) + raw)
        else:
            parts.append(_EXPLICIT.pack(group, element, vr.encode(), len(raw)) + raw)
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
        if vr in _NUMBERS:
            pack = Struct("<" + _NUMBERS[vr]).pack
            return b"".join(pack(v >> 16, v & 0xFFFF) if vr == "AT" else pack(v) for v in values)
        text = "\\".join("" if v is None else str(v) for v in values)
        if text.isascii():
            return text.encode("ascii")
        if vr not in _ENCODED:
            raise ValueError("not ASCII")
        return _encode_text(text, vr, names)
    except (ValueError, TypeError, ArithmeticError, LookupError) as error:
        raise DataSetError(f"a value of {_plan(tag).name} does not fit its VR {vr}") from error
    except Exception as error:  # struct.error is no subclass of anything above
        raise DataSetError(f"a value of {_plan(tag).name} does not fit its VR {vr}") from error


def _items(value: Any, names: tuple[str, ...], explicit: bool) -> Iterator[bytes]:
    items = [value] if isinstance(value, Mapping) else list(value)
    for item in items:
        inherited = {} if names == ("",) else {_CHARACTER_SET: list(names)}
        body = _encode_level({**inherited, **item} if any(map(_needs_unicode, item.values())) else item, explicit)
        yield _IMPLICIT.pack(0xFFFE, 0xE000, len(body)) + body


def _encode_text(text: str, vr: str, names: tuple[str, ...]) -> bytes:
    from pydicom.charset import encode_string

    encodings = list(_encodings(names))
    if vr != "PN":
        return encode_string(text, encodings)
    return b"\\".join(
        b"=".join(b"^".join(encode_string(part, encodings) for part in group.split("^")) for group in name.split("="))
        for name in text.split("\\")
    )
