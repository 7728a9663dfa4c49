"""Data sets as mappings: read from a request, matched by the keys of a query, cut down to an answer, checked for types.

Matching is that of PS3.4 C.2.2.2, with the keys of `nbdicom.pacs.matching`, and with sequences (C.2.2.2.6): a sequence key
matches if one item of the sequence matches all keys of its item.  An attribute with an empty key is returned and matches
everything; an empty sequence key returns the whole sequence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from nbdicom.config import Limits
from nbdicom.data.values import dictionary_vr, tag_named
from nbdicom.errors import DataSetError, PacsError
from nbdicom.operations.requests import Refuse
from nbdicom.pacs.matching import Key, Period, parse_key
from nbdicom.pacs.workflow.database import Attributes, dump
from nbdicom.uids import UID

__all__ = [
    "Keys",
    "attributes_of",
    "chosen",
    "joined",
    "read",
    "read_identifier",
    "require",
    "same",
    "text_of",
    "words",
]

_EXPLICIT = UID("1.2.840.10008.1.2.1")
_NEVER_MATCHED = frozenset(("OB", "OD", "OF", "OL", "OV", "OW", "UN", "AT"))
_NO_KEYS = frozenset(("SpecificCharacterSet", "TimezoneOffsetFromUTC"))
_LONGEST_KEPT = 32 << 20  #: characters of one that has been changed, as it is kept
_LONGEST = 16 << 20  #: bytes of a data set; a commitment of 100 000 objects fits
_KEPT = Limits(elements=500_000)  #: as many as such a commitment may have, and some more
_ASKED = Limits(elements=5_000)  #: of an identifier, as in `nbdicom.pacs.query`

_NOTHING: tuple[object, ...] = (None, "", [], b"")

_MISSING_ATTRIBUTE, _MISSING_VALUE = 0x0120, 0x0121


def words(text: str) -> frozenset[str]:
    """A set of keywords, written as text."""
    return frozenset(text.split())


def attributes_of(value: Any) -> Attributes:
    """A data set of the user's, a Dataset or a mapping of keywords to values, as it is kept.

    Raises
    ------
    PacsError
        If it cannot be encoded: an unknown keyword, or a value that does not fit its VR.
    """
    from nbdicom.data import codec
    from nbdicom.data.nested import decode_nested

    try:
        return decode_nested(codec.encode(value, _EXPLICIT), _EXPLICIT)
    except DataSetError as error:
        raise PacsError(
            f"this is no data set: {error.message}", hint="a mapping has keywords of PS3.6 and values"
        ) from error


def read(data: bytes | None, transfer_syntax: str) -> Attributes:
    """The data set of a DIMSE-N request, which is kept, told to others, and compared with what they ask for.

    Raises
    ------
    Refuse
        0110H if it cannot be decoded, or could not be sent again: one such value would spoil the answers to everybody who
        asks for it.  0213H if it is too long.
    """
    from nbdicom.data.flat import encode_elements

    attributes = _decoded(data, transfer_syntax, _KEPT, undecodable=0x0110, too_long=0x0213)
    try:
        encode_elements(attributes, _EXPLICIT)
    except DataSetError as error:
        raise Refuse(0x0110, error.message) from error
    return attributes


def joined(attributes: Attributes, changes: Mapping[str, Any]) -> Attributes:
    """A data set with what an N-SET changes.

    Raises
    ------
    Refuse
        0213H if that becomes too long: request by request it could grow for ever, and each would read and write all of it.
    """
    whole = {**attributes, **changes}
    if len(dump(whole)) > _LONGEST_KEPT:
        raise Refuse(0x0213, f"a data set of more than {_LONGEST_KEPT} characters")
    return whole


def read_identifier(data: bytes | None, transfer_syntax: str) -> Attributes:
    """The identifier of a C-FIND request.

    Raises
    ------
    Refuse
        C000H if it cannot be decoded, A700H if it is too long.
    """
    return _decoded(data, transfer_syntax, _ASKED, undecodable=0xC000, too_long=0xA700)


def _decoded(
    data: bytes | None, transfer_syntax: str, limits: Limits, *, undecodable: int, too_long: int
) -> Attributes:
    from nbdicom.data.nested import decode_nested

    if data is not None and len(data) > _LONGEST:
        raise Refuse(too_long, f"a data set of more than {_LONGEST} bytes")
    try:
        attributes = decode_nested(data or b"", transfer_syntax, limits)
    except DataSetError as error:
        raise Refuse(undecodable, "the data set cannot be decoded") from error
    for keyword in _misfits(attributes):
        raise Refuse(undecodable, f"{keyword} is, or is not, a sequence")
    return attributes


def _misfits(attributes: Mapping[str, Any]) -> Iterator[str]:
    """Which attributes have items where the dictionary knows values, or values where it knows items.

    With an explicit VR that can be sent, and nothing that goes through the items of a sequence could make sense of it.
    """
    for keyword, value in attributes.items():
        items = [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []
        is_sequence = items != [] or value == []
        if "," not in keyword and value != "" and is_sequence != (dictionary_vr(keyword) == "SQ"):
            yield keyword
        for item in items:
            yield from _misfits(item)


def chosen(attributes: Mapping[str, Any], tags: Iterable[int]) -> Attributes:
    """What N-GET answers: the attributes with these tags, or all of them if there are none (PS3.7 10.1.2)."""
    wanted = frozenset(tags)  # a command has room for 16 000, and to look each of them up would take 15 us
    return {keyword: value for keyword, value in attributes.items() if not wanted or tag_named(keyword) in wanted}


def text_of(attributes: Mapping[str, Any], keyword: str) -> str:
    """One value as text; ``""`` where there is none."""
    value = attributes.get(keyword, "")
    if isinstance(value, list):
        value = value[0] if value else ""
    return value.strip() if isinstance(value, str) else "" if isinstance(value, Mapping | bytes) else str(value)


def same(one: Any, other: Any) -> bool:
    """Whether two values say the same; nothing is said by what is empty or missing (PS3.5 7.4.3)."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return all(same(one.get(keyword), other.get(keyword)) for keyword in one.keys() | other.keys())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other) or (one in _NOTHING and other in _NOTHING)


# ------------------------------------------------------------------------------- what must be there


def require(attributes: Attributes, types: str) -> None:
    """Check that what shall be there is there (types 1 and 2 of PS3.5 7.4).

    Parameters
    ----------
    attributes : mapping
        The data set.
    types : str
        Lines of a keyword and its type.  ``1`` has a value; ``2`` may be empty, and becomes so where it is missing; ``3``
        may be missing.  A line that is indented belongs to the items of the sequence above it.

    Raises
    ------
    Refuse
        0120H for an attribute that is missing, 0121H for one that has no value; the comment names it.
    """
    _require(attributes, _tree(types.splitlines()), "")


_Tree = dict[str, tuple[str, "_Tree"]]


def _tree(lines: Iterable[str]) -> _Tree:
    root: _Tree = {}
    stack: list[tuple[int, _Tree]] = [(-1, root)]
    for line in lines:
        if line.strip():
            indent = len(line) - len(line.lstrip())
            keyword, kind = line.split()
            while stack[-1][0] >= indent:
                stack.pop()
            children: _Tree = {}
            stack[-1][1][keyword] = kind, children
            stack.append((indent, children))
    return root


def _require(attributes: Attributes, tree: _Tree, where: str) -> None:
    for keyword, (kind, children) in tree.items():
        value = attributes.get(keyword)
        if value is None:
            if kind == "1":
                raise Refuse(_MISSING_ATTRIBUTE, f"{where}{keyword} is missing")
            if kind == "2":
                attributes[keyword] = ""
        elif kind == "1" and value in _NOTHING:
            raise Refuse(_MISSING_VALUE, f"{where}{keyword} has no value")
        for item in value if children and isinstance(value, list) else ():
            _require(item, children, f"{keyword} > ")


# ------------------------------------------------------------------------------- queries


@dataclass(slots=True)
class Keys:
    """The keys of an identifier, or of an item of one of its sequences."""

    returned: dict[str, Keys | None] = field(default_factory=dict)  #: for sequences the keys of their items
    tests: dict[str, Key] = field(default_factory=dict)
    period: Period | None = None
    moment: tuple[str, str] = ("", "")  #: the attributes that *period* is about

    @classmethod
    def of(cls, identifier: Mapping[str, Any], *, moment: tuple[str, str] | None = None) -> Keys:
        """The keys that an identifier has.

        *moment* names a date and a time that mean one point in time: two ranges of these are one period, from the first
        date at the first time to the last date at the last time (PS3.4 Table K.6-1).
        """
        keys = cls()
        for keyword, value in identifier.items():
            if keyword in _NO_KEYS:
                continue
            vr = dictionary_vr(keyword)
            if vr == "SQ":
                items = value if isinstance(value, list) else []
                keys.returned[keyword] = cls.of(items[0], moment=moment) if items and items[0] else None
                continue
            keys.returned[keyword] = None
            key = None if vr in _NEVER_MATCHED else parse_key(vr, value)
            if key is not None:
                keys.tests[keyword] = key
        if moment is not None:
            keys.period = Period.of(*(keys.tests.get(keyword) for keyword in moment))
            if keys.period is not None:
                keys.moment = moment
                for keyword in moment:
                    del keys.tests[keyword]
        return keys

    def match(self, attributes: Mapping[str, Any], check: Callable[[], object] = bool) -> bool:
        """Whether a data set has what the keys ask for; *check* is called between two comparisons, and may raise."""
        return (
            all(_matches(key, attributes.get(keyword), check) for keyword, key in self.tests.items())
            and (self.period is None or self.period.matches(*(text_of(attributes, word) for word in self.moment)))
            and all(
                any(keys.match(item, check) for item in attributes.get(keyword) or [{}])
                for keyword, keys in self.returned.items()
                if keys is not None
            )
        )

    def answer(self, attributes: Mapping[str, Any]) -> Attributes:
        """What a match tells: the attributes that were asked for, empty where the data set does not have them."""
        told: Attributes = {}
        for keyword, keys in self.returned.items():
            value = attributes.get(keyword, "")
            if keys is not None:
                value = [keys.answer(item) for item in value or [] if keys.match(item)]
            told[keyword] = value
        return told


def _matches(key: Key, value: Any, check: Callable[[], object]) -> bool:
    values = value if isinstance(value, list) else [value]
    return any(check() or part.matches_any(item) for part in key.parts for item in values)
