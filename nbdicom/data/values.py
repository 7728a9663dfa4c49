"""What the values of a data set mean: names and VRs of tags, character sets, text and numbers (PS3.5 section 6).

Values are converted by a plan for each tag that comes from pydicom's dictionary once.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from struct import calcsize, unpack
from typing import Any, NamedTuple

from nbdicom.config import Limits
from nbdicom.data.elements import CHARACTER_SET
from nbdicom.data.unseen import unseen
from nbdicom.errors import DataSetError
from nbdicom.vr import ENCODED, NUMBERS, SINGLE_TEXT, TEXT, tag_text

__all__ = [
    "GB_2312", "Charset", "Plan", "check_character_set", "check_count", "dictionary_vr", "encodings_of", "extended_text",
    "known_vr", "plan_of", "tag_named", "tag_of", "text_of", "value_of",
]  # fmt: skip

_MOST_PLANS = 10_000  #: plans that are remembered; which tags there are is for peers to say
_DEFAULT_REPERTOIRE = "iso8859"  #: what pydicom calls ISO-IR 6
GB_2312 = "\x1b$)A"  #: the escape sequence of ISO 2022 IR 58
_MOST_TERMS = 64  #: defined terms of a character set; there are not as many
_LONGEST_TERMS = 1024  #: characters that they have together


class Plan(NamedTuple):
    """How the values of a tag are shown: its name in a table and its VR."""

    name: str
    vr: str


@lru_cache(maxsize=_MOST_PLANS)
def plan_of(tag: int) -> Plan:
    """The plan of a tag; ``gggg,eeee`` is the name of one that the dictionary does not know."""
    number = tag_text(tag)
    if tag >> 16 & 1:
        return Plan(number, "UN")  # private: in no dictionary, and looking there takes 15 us
    from pydicom.datadict import dictionary_VR, keyword_for_tag

    name = keyword_for_tag(tag) or number
    try:
        return Plan(name, dictionary_VR(tag)[:2])  # "US or SS" is read as its first
    except KeyError:
        return Plan(name, "UN")


@lru_cache(maxsize=_MOST_PLANS)
def tag_named(key: str) -> int:
    """The tag of a keyword, or of ``"gggg,eeee"``; remembered."""
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


def dictionary_vr(keyword: str) -> str:
    """The VR of a keyword of PS3.6; UN for what is none.

    >>> dictionary_vr("PatientName"), dictionary_vr("PatentName")
    ('PN', 'UN')
    """
    from pydicom.datadict import tag_for_keyword

    tag = tag_for_keyword(keyword)
    return "UN" if tag is None else plan_of(tag).vr


def known_vr(vr: str, tag: int) -> str:
    """The VR that an element says; where it says none, or UN, that of the dictionary."""
    return plan_of(tag).vr if vr in ("", "UN") else vr


def tag_of(attribute: str | int) -> int:
    """The tag of an attribute given as keyword, as "gggg,eeee", or as the number itself.

    >>> f"{tag_of('PatientID'):08X}"
    '00100020'

    Raises
    ------
    DataSetError
        If it is none of them.
    """
    return int(attribute) if isinstance(attribute, int) else tag_named(attribute)


def text_of(data: bytes, vr: str, charset: Charset) -> Any:
    """The text of a value, without its padding; a tuple where there are several."""
    try:
        text = data.decode("ascii")
        if "\x1b" in text and vr in ENCODED:
            text = charset.decode(data, vr)
    except UnicodeDecodeError:
        text = charset.decode(data, vr) if vr in ENCODED else data.decode("latin-1")
    text = text.rstrip("\0 ")
    if vr in SINGLE_TEXT:
        return text
    if "\\" not in text:
        return text.lstrip(" ")
    return tuple(part.strip(" \0") for part in text.split("\\"))


def value_of(raw: memoryview, vr: str, charset: Charset) -> Any:
    """Text or numbers, a tuple where there are several; the bytes as they are for every other VR."""
    if vr in TEXT:
        return text_of(bytes(raw), vr, charset)
    kind = NUMBERS.get(vr)
    if kind is None:
        return raw
    count = len(raw) // calcsize("<" + kind)
    values: tuple[Any, ...] = unpack(f"<{count * len(kind)}{kind[0]}", raw[: count * calcsize("<" + kind)])
    if vr == "AT":
        values = tuple(group << 16 | element for group, element in zip(values[::2], values[1::2], strict=True))
    if not values:
        return ""
    return values[0] if count == 1 else values


def check_count(raw: memoryview, vr: str, limits: Limits) -> None:
    """Refuse an attribute of more values than anybody has a use for: each of two bytes becomes an object of sixty.

    Raises
    ------
    DataSetError
        If there are more than `Limits.items`.
    """
    if len(raw) <= limits.items:
        return
    if vr in NUMBERS:
        count = len(raw) // calcsize("<" + NUMBERS[vr])
    else:
        count = bytes(raw).count(b"\\") if vr in TEXT and vr not in SINGLE_TEXT else 0
    if count > limits.items:
        raise DataSetError(f"an attribute of more than {limits.items} values")


class Charset:
    """The Specific Character Set of one data set (PS3.3 C.12.1.1.2), looked up only when a value needs it."""

    __slots__ = ("doubted", "names")

    def __init__(self, names: tuple[str, ...]) -> None:
        few = len(names) <= _MOST_TERMS and sum(map(len, names)) <= _LONGEST_TERMS
        self.names = names if few else ("",)  #: its defined terms; what is no character set by its length alone is none
        self.doubted = False  #: whether a value was not in it

    @classmethod
    def of(cls, elements: Mapping[int, tuple[str, memoryview]], fallback: str | None) -> Charset:
        """That of a data set; *fallback* where it names none."""
        raw = bytes(elements[CHARACTER_SET][1]) if CHARACTER_SET in elements else b""
        text = raw.decode("latin-1").strip("\0 ") or (fallback or "")
        return cls(tuple(name.strip() for name in text.split("\\")))

    def decode(self, data: bytes, vr: str) -> str:
        """Text; `doubted` tells afterwards whether it was not in the character set."""
        encodings = encodings_of(self.names)
        if b"\x1b" in data:
            text = extended_text(data, encodings, vr)
            # An escape sequence that is left is one of a character set that is not named, or of none.
            self.doubted = self.doubted or "\N{REPLACEMENT CHARACTER}" in text or "\x1b" in text
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


def extended_text(data: bytes, encodings: tuple[str, ...], vr: str) -> str:
    """Text with escape sequences (PS3.5 6.1.2.5)."""
    from pydicom.charset import decode_bytes
    from pydicom.valuerep import PN_DELIMS, TEXT_VR_DELIMS

    text = decode_bytes(data, encodings, PN_DELIMS if vr == "PN" else TEXT_VR_DELIMS)
    return text.replace(GB_2312, "") if "iso_ir_58" in encodings else text  # pydicom leaves this one in the text


@lru_cache(maxsize=256)
def encodings_of(names: tuple[str, ...]) -> tuple[str, ...]:
    """Python's names for the encodings of a Specific Character Set."""
    from pydicom.charset import convert_encodings

    with unseen():  # an unknown name is read as the default repertoire
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
