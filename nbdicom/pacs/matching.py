"""Attribute matching of C-FIND (PS3.4 C.2.2.2): what a key of an identifier means, in SQL and in Python.

`parse_key` makes a `Key` of a VR and the value that was sent.  A key is rendered as an SQL condition for the attributes
that have a column, and applied as `Key.matches` to those that the index keeps as JSON.  Both renderings of a kind of
matching stand side by side, and the tests run every case through both.

Rules that the standard leaves to the implementation, as they are decided here: names are compared without regard to case,
component group by component group, and empty components at the end do not count; a date or time that is written with less
precision stands for the whole interval; offsets from UTC are not compared; of several values any may match.

One rule departs from the standard.  An entity without a value for a required key would match every key (C.2.2.1.2); here
it matches the universal key alone, as in most archives: who asks for a name does not expect the nameless.
"""

from __future__ import annotations

import re
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from nbdicom.operations.requests import Refuse
from nbdicom.vr import SINGLE_TEXT

__all__ = [
    "AnyOf",
    "Between",
    "Key",
    "Name",
    "Number",
    "Period",
    "Wildcard",
    "fold_name",
    "parse_key",
    "plain_date_time",
]

Condition = tuple[str, list[Any]]

#: PS3.4 C.2.2.2.4: the VRs in which "*" and "?" are wildcards.
_WILDCARD_VRS = frozenset(("AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"))
_NUMBER_VRS = frozenset(("IS", "DS", "FL", "FD", "SL", "SS", "SV", "UL", "US", "UV"))
_RANGE_VRS = frozenset(("DA", "TM", "DT"))

_HIGH = "\x7f"  #: sorts after every character of a date or time, so "1030" + _HIGH ends the minute
_MANY = 500  #: values of a list from which on they travel as one parameter; SQLite limits the number of parameters
_LONGEST = 4096  #: characters of a pattern; no value that may have so many has ever been looked for by one
_LONGEST_NAME = 512  #: characters of a name that is brought into its composed form; one has 194 at most (PS3.5 6.2)
_LONGEST_VALUE = 16_384  #: characters of a value that is compared with a pattern; what is longer is a text to be read


class Key(ABC):
    """A key that restricts something; universal matching (PS3.4 C.2.2.2.3) has none."""

    __slots__ = ()

    @property
    def parts(self) -> tuple[Key, ...]:
        """The keys of which any has to match; each is compared without a look at the clock."""
        return (self,)

    @abstractmethod
    def sql(self, expression: str) -> Condition:
        """A condition on an SQL expression, and its parameters."""

    @abstractmethod
    def matches(self, value: str) -> bool:
        """Whether one value of an entity, never an empty one, matches."""

    def matches_any(self, value: object) -> bool:
        """Whether any value of an attribute matches; text has its values separated by backslashes."""
        if value is None or value == "":
            return False
        values = value.split("\\") if isinstance(value, str) else [value]
        return any(self.matches(text) for item in values if (text := str(item).strip(" ")))


@dataclass(frozen=True, slots=True)
class AnyOf(Key):
    """Single value matching and list of UID matching (PS3.4 C.2.2.2.1, C.2.2.2.2); the case counts."""

    values: tuple[str, ...]

    def sql(self, expression: str) -> Condition:
        """Equality, or membership."""
        if len(self.values) == 1:
            return f"{expression} = ?", list(self.values)
        if len(self.values) > _MANY:
            import json

            return f"{expression} IN (SELECT value FROM json_each(?))", [json.dumps(self.values)]
        return f"{expression} IN ({', '.join('?' * len(self.values))})", list(self.values)

    def matches(self, value: str) -> bool:
        """Equality, or membership."""
        return value in self.values


@dataclass(frozen=True, slots=True)
class Wildcard(Key):
    """Wild card matching (PS3.4 C.2.2.2.4): "*" is any sequence of characters, "?" any one; the case counts."""

    pattern: str

    @property
    def text(self) -> str:
        """What is compared."""
        return self.pattern

    def sql(self, expression: str) -> Condition:
        """GLOB, in which "[" would start a set of characters, and bounds from which an index can begin."""
        condition, parameters = f"{expression} GLOB ?", [_glob(self.pattern)]
        prefix = _prefix(self.pattern)
        if prefix:
            condition = f"({expression} >= ? AND {expression} < ? AND {condition})"
            parameters = [prefix, _successor(prefix), *parameters]
        return condition, parameters

    def matches(self, value: str) -> bool:
        """The same by hand; no regular expression, whose backtracking a peer could make expensive."""
        return len(value) <= _LONGEST_VALUE and _wildcard(self.pattern, value)


@dataclass(frozen=True, slots=True)
class Between(Key):
    """Range matching (PS3.4 C.2.2.2.5) of DA, TM and DT, and a single value of these, which is a short range."""

    first: str
    last: str

    def sql(self, expression: str) -> Condition:
        """Dates and times sort as text; what is written shorter than the first one, but may be it, sorts before that."""
        conditions, parameters = [], []
        if len(self.first) == 8 and self.first.isdigit():
            conditions.append(f"{expression} >= ?")  # a day is always written as a whole, and the index can begin there
            parameters.append(self.first)
        elif self.first:
            conditions.append(f"({expression} >= ? OR instr(?, {expression}) = 1)")
            parameters += [self.first, self.first]
        if self.last:
            conditions.append(f"{expression} <= ?")
            parameters.append(self.last + _HIGH)
        return f"({' AND '.join(conditions)})", parameters

    def matches(self, value: str) -> bool:
        """The same on a value that may be written in the way of ACR-NEMA."""
        value = plain_date_time(value)
        begun = value >= self.first or self.first.startswith(value)
        return begun and (not self.last or value <= self.last + _HIGH)


@dataclass(frozen=True, slots=True)
class Period:
    """A range of dates and a range of times that mean one period (PS3.4 C.2.2.2.5.3): where both sides agreed to that.

    From the first date at the first time to the last date at the last time, not these hours of each of these days.  It is
    no `Key`, since it is about two attributes.
    """

    dates: Between
    times: Between

    @classmethod
    def of(cls, dates: Key | None, times: Key | None) -> Period | None:
        """The period of two keys; None where they are no two ranges, or of one day, for which both readings are the same."""
        if isinstance(dates, Between) and isinstance(times, Between) and dates.first != dates.last:
            return cls(dates, times)
        return None

    def sql(self, date: str, time: str) -> Condition:
        """A condition on the SQL expressions of a date and a time."""
        condition, parameters = self.dates.sql(date)
        if self.dates.first and self.times.first:
            begun, more = Between(self.times.first, "").sql(time)
            condition += f" AND ({date} <> ? OR {begun})"
            parameters += [self.dates.first, *more]
        if self.dates.last and self.times.last:
            condition += f" AND ({date} <> ? OR {time} <= ?)"
            parameters += [self.dates.last, self.times.last + _HIGH]
        return f"({condition})", parameters

    def matches(self, date: str, time: str) -> bool:
        """The same on values."""
        if not self.dates.matches_any(date):
            return False
        date = plain_date_time(date)
        if date == self.dates.first and self.times.first and not Between(self.times.first, "").matches_any(time):
            return False
        return not (date == self.dates.last and self.times.last and not Between("", self.times.last).matches_any(time))


@dataclass(frozen=True, slots=True)
class Number(Key):
    """Single value matching of numbers: "1", "01" and "+1" are the same value."""

    value: float

    def sql(self, expression: str) -> Condition:
        """Equality of numbers; SQLite would take text without a number in it for zero."""
        return f"({expression} = ? AND typeof({expression}) <> 'text')", [self.value]

    def matches(self, value: str) -> bool:
        """Equality of numbers."""
        try:
            return float(value) == self.value
        except ValueError:
            return False


@dataclass(frozen=True, slots=True)
class Name(Key):
    """Matching of person names (PS3.4 C.2.2.2.1, PS3.5 6.2): without regard to case.

    ``groups`` has a folded pattern, or "", for each component group.  One group alone is looked for in all three.
    """

    groups: tuple[str, ...]

    @property
    def text(self) -> str:
        """What is compared."""
        return "=".join(self.groups)

    def sql(self, expression: str) -> Condition:
        """A condition on ``names``, where *expression* is the patient's number: each group is found by index."""
        if len(self.groups) == 1:
            condition, parameters = _name_condition(self.groups[0])
            return f"{expression} IN (SELECT patient FROM names WHERE {condition})", parameters
        conditions, parameters = [], []
        for component, pattern in enumerate(self.groups):
            if pattern:
                condition, more = _name_condition(pattern)
                conditions.append(
                    f"{expression} IN (SELECT patient FROM names WHERE {condition} AND component = {component})"
                )
                parameters += more
        return f"({' AND '.join(conditions)})", parameters

    def matches(self, value: str) -> bool:
        """The same on a name as it is written in a data set."""
        groups = fold_name(value)
        if len(self.groups) == 1:
            return any(_name_matches(self.groups[0], group) for group in groups if group)
        padded = (*groups, "", "", "")
        return all(not pattern or _name_matches(pattern, padded[k]) for k, pattern in enumerate(self.groups))


@dataclass(frozen=True, slots=True)
class OneOf(Key):
    r"""Several values of which any may match, for more than UIDs: people ask for ``CT\MR``.

    Without extended negotiation the standard does not say what that means; with it, all have to match (PS3.4 C.2.2.2.8),
    to which we do not agree.
    """

    keys: tuple[Key, ...]

    @property
    def parts(self) -> tuple[Key, ...]:
        """The keys."""
        return self.keys

    def sql(self, expression: str) -> Condition:
        """The conditions joined by OR."""
        conditions, parameters = [], []
        for key in self.keys:
            condition, more = key.sql(expression)
            conditions.append(condition)
            parameters += more
        return f"({' OR '.join(conditions)})", parameters

    def matches(self, value: str) -> bool:
        """Whether any key matches."""
        return any(key.matches(value) for key in self.keys)


@dataclass(frozen=True, slots=True)
class Text(Key):
    """A key of LT, ST, UT or UR: one value whatever it contains, backslashes too."""

    key: Key

    def sql(self, expression: str) -> Condition:
        """That of the key; a column has one value anyway."""
        return self.key.sql(expression)

    def matches(self, value: str) -> bool:
        """That of the key."""
        return self.key.matches(value)

    def matches_any(self, value: object) -> bool:
        """Whether the value matches, as a whole."""
        text = "" if value is None else str(value).strip(" ")
        return text != "" and self.matches(text)


# ------------------------------------------------------------------------------- from the identifier


def parse_key(vr: str, value: object) -> Key | None:
    """What the value of a key asks for; None is universal matching.

    Parameters
    ----------
    vr : str
        The attribute's VR.
    value : str, number, sequence of these, or None
        The value in the identifier; text may still hold its values separated by backslashes.

    Examples
    --------
    >>> parse_key("LO", "HEAD*")
    Wildcard(pattern='HEAD*')
    >>> parse_key("DA", "20260101-")
    Between(first='20260101', last='')
    >>> parse_key("UI", "") is None
    True

    Raises
    ------
    Refuse
        A700H for a pattern that is too long, or too many of them.
    """
    if isinstance(value, str) and vr not in SINGLE_TEXT:
        value = value.split("\\")
    values: Sequence[object] = value if isinstance(value, (list, tuple)) else [value]
    texts = ["" if item is None else str(item).strip(" \0") for item in values]
    # A text of nothing but asterisks matches whatever there is, and also what is not there (PS3.4 C.2.2.2.4).
    if not any(texts) or any(text and not text.strip("*") for text in texts):
        return None
    keys = [_parse_value(vr, text) for text in texts if text]
    if len(keys) > 1 and all(isinstance(key, AnyOf) for key in keys):
        return AnyOf(tuple(text for text in texts if text))
    patterns = [key for key in keys if isinstance(key, Wildcard | Name)]
    if len(keys) > _MANY or any(len(key.text) > _LONGEST for key in patterns):
        raise Refuse(0xA700, f"more than {_MANY} patterns, or one of more than {_LONGEST} characters")
    key = keys[0] if len(keys) == 1 else OneOf(tuple(keys))
    return Text(key) if vr in SINGLE_TEXT else key


def _parse_value(vr: str, text: str) -> Key:
    if vr in _RANGE_VRS:
        return _range(vr, text)
    if vr in _NUMBER_VRS:
        try:
            return Number(float(text))
        except ValueError:
            return AnyOf((text,))
    if vr == "PN":
        return Name(fold_name(text))
    if vr in _WILDCARD_VRS and ("*" in text or "?" in text):
        return Wildcard(re.sub(r"\*+", "*", text))
    return AnyOf((text,))


#: A DT value; what follows a hyphen is an offset where it can be one (PS3.5 6.2: -1200 to +1400).
_DATE_TIME = re.compile(r"\d{4,14}(?:\.\d{1,6})?(?:[+-](?:0\d|1[0-4])[0-5]\d)?")


def _range(vr: str, text: str) -> Key:
    if vr == "DT" and _DATE_TIME.fullmatch(text):
        point = plain_date_time(text)
        return Between(point, point)
    if vr == "DT":
        bounds = re.fullmatch(rf"({_DATE_TIME.pattern})?\s*-\s*({_DATE_TIME.pattern})?", text)
        first, last = (bounds[1] or "", bounds[2] or "") if bounds else (text, text)
    else:
        first, hyphen, last = text.partition("-")
        last = last if hyphen else first
    first, last = plain_date_time(first), plain_date_time(last)
    return Between(first, last) if first or last else AnyOf((text,))


def plain_date_time(text: str) -> str:
    """A date or time that sorts as text: no separators of ACR-NEMA, no zeros that say nothing, no offset from UTC.

    >>> plain_date_time("1997.07.15"), plain_date_time("10:30:00.500000")
    ('19970715', '103000.5')
    """
    text = text.strip(" ")
    if len(text) == 10 and text[4:5] == "." == text[7:8]:
        text = text.replace(".", "")
    text = re.sub(r"(?<=\d)[+-]\d{4}$", "", text.replace(":", ""))
    return text.rstrip("0").rstrip(".") if "." in text else text


# ------------------------------------------------------------------------------- names


def fold_name(text: str) -> tuple[str, ...]:
    """The component groups of a PN value, ready for comparison.

    >>> fold_name("Yamada^Tarou^^=山田^太郎")
    ('yamada^tarou', '山田^太郎')
    """
    # To bring marks of accents into their order takes the square of their number, while nothing else in this process runs.
    folded = (unicodedata.normalize("NFC", text) if len(text) <= _LONGEST_NAME else text).casefold()
    groups = ["^".join(part.strip() for part in group.split("^")).rstrip("^") for group in folded.split("=")[:3]]
    while len(groups) > 1 and not groups[-1]:
        groups.pop()
    return tuple(groups)


def _name_condition(pattern: str) -> Condition:
    if "*" not in pattern and "?" not in pattern:
        return "name = ?", [pattern]
    # "doe^*" asks also for a Doe without a given name, whose empty components are not written.
    condition, parameters = "(name GLOB ? OR name || '^^^^' GLOB ?)", [_glob(pattern)] * 2
    prefix = _prefix(pattern).rstrip("^")
    if prefix:
        condition = f"(name >= ? AND name < ? AND {condition})"
        parameters = [prefix, _successor(prefix), *parameters]
    return condition, parameters


def _name_matches(pattern: str, name: str) -> bool:
    if "*" not in pattern and "?" not in pattern:
        return pattern == name
    return 0 < len(name) <= _LONGEST_VALUE and (_wildcard(pattern, name) or _wildcard(pattern, name + "^^^^"))


# ------------------------------------------------------------------------------- wildcards


def _glob(pattern: str) -> str:
    return re.sub(r"\*+", "*", pattern.replace("[", "[[]"))


def _prefix(pattern: str) -> str:
    return re.split(r"[*?]", pattern, maxsplit=1)[0]


def _successor(prefix: str) -> str:
    """The least text that sorts after everything that begins with *prefix* (SQLite sorts by code point)."""
    return prefix + "\U0010ffff"


def _wildcard(pattern: str, text: str) -> bool:
    """All ways through the pattern at once, each a bit: every character of the text is looked at once.

    To begin again behind each place where the pattern could begin takes the product of both lengths, minutes for 30 kB.
    """
    characters, any_character, stars, end = _program(pattern)
    state = 1
    for character in text:
        state = (state & characters.get(character, any_character)) << 1 | state & stars
        if not state:
            return False
    return bool(state & end)


@lru_cache(64)
def _program(pattern: str) -> tuple[dict[str, int], int, int, int]:
    """A pattern as numbers: bit k stands for "k characters of the pattern have been found".

    From which of these a character leads on, for those that the pattern has and for any other; at which an asterisk
    takes whatever comes; and the last.
    """
    characters: dict[str, int] = {}
    any_character = stars = 0
    bit = 1
    for character in pattern:
        if character == "*":
            stars |= bit
            continue
        if character == "?":
            any_character |= bit
        else:
            characters[character] = characters.get(character, 0) | bit
        bit <<= 1
    return {character: bits | any_character for character, bits in characters.items()}, any_character, stars, bit
