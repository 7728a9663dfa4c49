"""One column of answers: wire values to a typed pandas Series (PS3.5 6.2).

A value that is not what its value representation asks for becomes missing, and the warning names the attribute and how
many there were, never the value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from math import isfinite
from typing import Any

import numpy as np
import pandas as pd

from nbdicom.peer.notices import UndecodableValues, notify
from nbdicom.peer.query import Attribute
from nbdicom.vr import tag_text

__all__ = ["as_sent", "parse_column"]

_MISSING = object()
_INTEGER_VRS = frozenset({"IS", "US", "UL", "SS", "SL", "SV"})
_FLOAT_VRS = frozenset({"DS", "FL", "FD"})
_RAW_VRS = frozenset({"OB", "OW", "OF", "OD", "OL", "OV", "UN", "SQ"})

_ONE_WORD_VRS = frozenset({"DA", "UV", *_INTEGER_VRS, *_FLOAT_VRS})

_TIME = re.compile(r"(\d\d)(?::?(\d\d)(?::?(\d\d)(?:\.(\d{1,6}))?)?)?")
_MOMENT = re.compile(r"(\d{4})(\d\d)?(\d\d)?(\d\d)?(\d\d)?(\d\d)?(\.\d{1,6})?([+-]\d{4})?")
_SHOWN_MOMENT = re.compile(
    r"(\d{4})(?:-(\d\d))?(?:-(\d\d))?(?: (\d\d)(?::(\d\d))?(?::(\d\d))?(\.\d{1,6})?)?(?:([+-]\d\d):(\d\d))?"
)
_SHOWN_TAG = re.compile(r"([0-9a-fA-F]{4}),([0-9a-fA-F]{4})")
_WHOLE = re.compile(r"[+-]?[0-9]+")
_DECIMAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_DAY = re.compile(r"(\d{4})\.?(\d\d)\.?(\d\d)")  # with dots: ACR-NEMA, to be understood (PS3.5 6.2)


def parse_column(known: Attribute, values: Sequence[Any]) -> pd.Series[Any]:
    """A typed column.

    Parameters
    ----------
    known : Attribute
        Whose values they are.
    values : sequence
        As the wire has them: None for absent, ``""`` for empty, a string or a number, or a tuple of several.

    In text columns (names and times, too) an empty value is ``""`` and an absent attribute is missing; a column of dates or
    numbers has both as missing; one of several values as ``()``.
    """
    parse = _PARSERS.get(known.vr, _text)
    words = _different(known, values)
    read = [_read(known, parse, word) for word in words]
    items, unreadable = [item for item, _ in read], [wrong for _, wrong in read]
    if len(words) < len(values):
        where = dict(zip(words, range(len(words)), strict=True))
        places = np.fromiter(map(where.__getitem__, values), np.intp, len(values))
        array, bad = _array(known, items).take(places), int(np.array(unreadable)[places].sum())
    else:
        array, bad = _array(known, items), sum(unreadable)
    if bad:
        what = f"{bad} value{'s' if bad > 1 else ''} of {known.keyword} cannot be read as {known.vr}"
        notify(UndecodableValues(f"{what}; shown as missing, parse=False leaves what was sent"))
    return pd.Series(array)


def as_sent(vr: str, value: Any) -> Any:
    """One value of a column as the wire has it, where that is something else: dates, times and tags.

    >>> as_sent("DT", "2024-05-03 10:15+01:00"), as_sent("TM", "10:15"), as_sent("AT", "0018,1063")
    ('202405031015+0100', '1015', 1577059)
    """
    if vr == "DA" and isinstance(value, date):
        return f"{value.year:04}{value.month:02}{value.day:02}"
    if not isinstance(value, str):
        return value
    if vr == "DA":
        return value.replace("-", "")
    if vr == "TM":
        return value.replace(":", "")
    if vr == "DT" and (moment := _SHOWN_MOMENT.fullmatch(value)):
        return "".join(part or "" for part in moment.groups())
    if vr == "AT" and (tag := _SHOWN_TAG.fullmatch(value)):
        return int(tag[1], 16) << 16 | int(tag[2], 16)
    return value


def _different(known: Attribute, values: Sequence[Any]) -> Sequence[Any]:
    """Each value once: most columns have few different ones, and only those are read."""
    if known.vr in _RAW_VRS:
        return values
    try:
        return list(dict.fromkeys(values))
    except TypeError:  # a list, say: it has no hash
        return values


def _read(known: Attribute, parse: Callable[[Any], Any], value: Any) -> tuple[Any, int]:
    """What a value of the wire is in the table, and how many of its values cannot be read."""
    if parse is _text and type(value) is str and not known.multiple:
        return value.strip(" \0"), 0
    if known.vr == "SQ":
        return value if isinstance(value, tuple) else (), 0
    if isinstance(value, tuple):
        several = tuple(one for one in value if not _is_empty(one))
    else:
        several = () if _is_empty(value) else (value,)
    if known.multiple or known.vr in _RAW_VRS:
        found = tuple(parsed for one in several if (parsed := _try(parse, one)) is not _MISSING)
        item = found if known.multiple else found[0] if found else None
        return item, len(several) - len(found)
    if not several:
        # Text tells an empty value from an attribute that is not there; dates and numbers have one word for both.
        return None if value is None or known.vr in _ONE_WORD_VRS else "", 0
    if len(several) == 1 or parse in (_text, _name):
        # A backslash in text that should have one value: it is what the peer has, so it stays text.
        parsed = _try(parse, several[0] if len(several) == 1 else "\\".join(map(str, several)))
        return (None, 1) if parsed is _MISSING else (parsed, 0)
    return None, 1


def _array(known: Attribute, items: list[Any]) -> Any:
    if known.multiple or known.vr in _RAW_VRS:
        return pd.Series(items, dtype="object").array
    if known.vr == "DA":
        return np.array(items, dtype="datetime64[s]")  # in seconds: birth dates of the year 1111 do occur
    if known.vr in _INTEGER_VRS:
        return pd.array(items, dtype="Int64")
    if known.vr == "UV":
        return pd.array(items, dtype="UInt64")
    if known.vr in _FLOAT_VRS:
        return np.array(items, dtype="float64")
    return pd.array(items, dtype="string")


def _is_empty(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip(" \0"))


def _try(parse: Callable[[Any], Any], value: Any) -> Any:
    try:
        return parse(value)
    except (ValueError, TypeError, OverflowError):
        return _MISSING


def _text(value: Any) -> str:
    if isinstance(value, (bytes, memoryview)):
        raise TypeError
    return str(value).strip(" \0")


def _raw(value: Any) -> Any:
    return bytes(value) if isinstance(value, memoryview) else value


def _name(value: Any) -> str:
    """A person name as it is written in a query: without the delimiters that pad it (PS3.5 6.2.1)."""
    groups = [group.rstrip("^ ") for group in str(value).strip(" \0").split("=")]
    return "=".join(groups).rstrip("=")


def _day(value: Any) -> date:
    found = _DAY.fullmatch(str(value).strip(" \0"))
    if not found:
        raise ValueError
    return date(*map(int, found.groups()))


def _clock(value: Any) -> str:
    found = _TIME.fullmatch(str(value).strip(" \0"))
    if not found or int(found[1]) > 23 or int(found[2] or 0) > 59 or int(found[3] or 0) > 60:
        raise ValueError
    hour, minute, second, fraction = found.groups()
    text = ":".join(part for part in (hour, minute, second) if part)
    return f"{text}.{fraction}" if fraction and fraction.strip("0") else text


def _moment(value: Any) -> str:
    found = _MOMENT.fullmatch(str(value).strip(" \0"))
    if not found:
        raise ValueError
    year, month, day, hour, minute, second, fraction, offset = found.groups()
    date(int(year), int(month or 1), int(day or 1))
    if int(hour or 0) > 23 or int(minute or 0) > 59 or int(second or 0) > 60:
        raise ValueError
    text = "-".join(part for part in (year, month, day) if part)
    if hour:
        text += " " + ":".join(part for part in (hour, minute, second) if part) + (fraction or "")
    return text + (f"{offset[:3]}:{offset[3:]}" if offset else "")


def _integer(value: Any) -> int:
    if isinstance(value, str) and not _WHOLE.fullmatch(value.strip(" \0")):
        raise ValueError  # int() takes 1_000, too
    number = int(value)
    if not -(2**63) <= number < 2**63:
        raise ValueError
    return number


def _unsigned(value: Any) -> int:
    number = int(value)
    if not 0 <= number < 2**64:
        raise ValueError
    return number


def _decimal(value: Any) -> float:
    if not isinstance(value, str):
        return float(value)
    if not _DECIMAL.fullmatch(value.strip(" \0")):
        raise ValueError  # float() takes 1_000 and nan, too
    number = float(value.strip(" \0"))
    if not isfinite(number):
        raise ValueError
    return number


_PARSERS: Mapping[str, Callable[[Any], Any]] = {
    "DA": _day, "TM": _clock, "DT": _moment, "PN": _name, "AT": tag_text, "UV": _unsigned,
    **dict.fromkeys(_INTEGER_VRS, _integer), **dict.fromkeys(_FLOAT_VRS, _decimal), **dict.fromkeys(_RAW_VRS, _raw),
}  # fmt: skip
