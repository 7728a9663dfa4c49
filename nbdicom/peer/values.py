"""Key values: from what a person writes in Python to what goes on the wire (PS3.4 C.2.2.2, PS3.5 6.2).

`wire` is the only way in.  It knows one value representation at a time; which attributes exist and where they may be
used is the business of `nbdicom.peer.query`.  An error names the attribute and the form that is wanted, never the
value: keys are patient data.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, time, timedelta
from typing import Any

from nbdicom.errors import QueryError
from nbdicom.vr import INTEGERS, SINGLE_TEXT

__all__ = ["values_of", "wire"]

_DAY = r"\d{8}|\d{4}-\d\d-\d\d|\d{4}-\d\d|\d{4}"
_DAYS = re.compile(rf"({_DAY})?\s*-\s*({_DAY})?")
_TIME = r"\d\d(?::?[0-5]\d(?::?[0-6]\d(?:\.\d{1,6})?)?)?"
_TIMES = re.compile(rf"({_TIME})?\s*-\s*({_TIME})?")
_MOMENT = r"\d{4}(?:\d\d){0,5}(?:\.\d{1,6})?(?:[+-]\d{4})?"
_MOMENTS = re.compile(rf"(?:{_MOMENT})|(?:{_MOMENT})?-(?:{_MOMENT})?")


_AS_TEXT = "read the file with dtype=str: as numbers, identifiers lose their zeros and digits"


def wire(keyword: str, vr: str, value: Any, *, combined: bool = False) -> Any:
    r"""The value of a key as it is sent: a string, or a number for a binary value representation.

    Parameters
    ----------
    keyword : str
        The attribute, for messages.
    vr : str
        Its value representation.
    value : object
        None, ``""`` and ``"*"`` are universal matching.  Text may have wildcards where PS3.4 C.2.2.2.4 allows them.  A
        list (or any other iterable) is several values.  Dates and times are Python's, pandas', ISO or DICOM strings; a
        tuple ``(first, last)``, a slice or a pandas Period or Interval is a range, with None for an open end; ``"2024"``
        and ``"2024-05"`` are the whole year and month.
    combined : bool
        Combined date and time matching is asked for (PS3.4 C.2.2.2.5): a range of times may go over midnight then.

    Raises
    ------
    QueryError
        If the standard does not allow such a value here; the message does not repeat it.

    Examples
    --------
    >>> wire("StudyDate", "DA", ("2024-01-01", None))
    '20240101-'
    >>> wire("ModalitiesInStudy", "CS", ["CT", "MR"])
    'CT\\MR'
    """
    if value is None:
        return ""
    if vr == "SQ":
        return _sequence(keyword, value)
    if isinstance(value, str) and value.strip() in ("", "*"):
        return ""  # "*" alone is the same as universal matching (PS3.4 C.2.2.2.4), in every VR
    if vr in ("DA", "TM", "DT"):
        return _temporal(keyword, vr, value, combined)
    if vr in SINGLE_TEXT and isinstance(value, str):
        return _text(keyword, vr, value)
    if isinstance(value, tuple) and len(value) == 2 and (vr in INTEGERS or vr in ("IS", "DS", "FL", "FD")):
        raise _refused(
            keyword, vr, "has no ranges [PS3.4 C.2.2.2.5]", "filter the table by it; several values are written as a list"
        )
    if vr in ("LO", "SH") and getattr(getattr(value, "dtype", None), "kind", "") in ("i", "u"):
        # Of a column, that is: 471 may have been 00471, which is somebody else.
        raise _refused(keyword, vr, "takes text, not numbers that somebody has read from a file", _AS_TEXT)
    values = values_of(keyword, value)
    if vr in INTEGERS or vr in ("FL", "FD"):
        numbers = [_number(keyword, vr, item) for item in values]
        return numbers[0] if len(numbers) == 1 else tuple(numbers)
    if vr in SINGLE_TEXT:
        if len(values) > 1:
            raise _refused(keyword, vr, "takes one value, not a list")
        return _text(keyword, vr, values[0])
    convert = _CONVERTERS.get(vr)
    if convert is None:
        raise _refused(keyword, vr, "cannot be a key of a query")
    return "\\".join(convert(keyword, vr, item) for item in values)


def values_of(keyword: str, value: Any) -> list[Any]:
    """*value* as a list: its items if it is a list, tuple, Series, array or another iterable, else itself.

    Raises
    ------
    QueryError
        For an empty list, which on the wire would match everything, and for a missing or blank value in a list.
    """
    if isinstance(value, str):
        items = value.split("\\")
        if len(items) > 1 and not all(map(str.strip, items)):  # on the wire the empty one would match everything
            raise QueryError(
                f"{keyword}: between backslashes a value is missing", hint="one backslash stands between two"
            )
        return items
    dimensions = getattr(value, "ndim", 1)
    if dimensions > 1:  # iterating over a table would give the names of its columns
        raise QueryError(f"{keyword} takes the values of one column, not a table", hint=f"pass table[{keyword!r}]")
    if dimensions and isinstance(value, Iterable) and not isinstance(value, (bytes, Mapping)) and not _is_name(value):
        items = [_plain(keyword, item, "leave it out, with .dropna() for instance") for item in value]
        if not items:
            raise QueryError(
                f"{keyword}: an empty list of values",
                hint="as a key it would match everything; None says so on purpose",
            )
        if any(item is None or isinstance(item, str) and not item.strip() for item in items):
            raise QueryError(f"{keyword}: a value is missing in the list", hint="leave it out: column[column != '']")
        return items
    return [_plain(keyword, value)]


def _plain(keyword: str, value: Any, instead: str = "None asks for all on purpose") -> Any:
    """A Python value for a numpy or pandas scalar, without loading either; missing values are refused."""
    kind = type(value).__name__
    if kind in ("NAType", "NaTType") or (isinstance(value, float) and value != value):
        raise QueryError(f"{keyword}: the value is missing (NaN, NaT or NA)", hint=instead)
    if kind == "datetime64":
        return value.astype("datetime64[us]").item()
    if hasattr(value, "item") and not isinstance(value, (str, bytes)):
        return value.item()
    return value


def _is_name(value: object) -> bool:
    return type(value).__name__ == "PersonName"  # pydicom's; iterable in some versions, but one value


def _refused(keyword: str, vr: str, problem: str, hint: str | None = None) -> QueryError:
    return QueryError(f"{keyword} ({vr}) {problem}", hint=hint)


def _has_wildcard(text: str) -> bool:
    return "*" in text or "?" in text


def _no_wildcards(keyword: str, vr: str, text: str, instead: str) -> None:
    if _has_wildcard(text):
        raise _refused(keyword, vr, "does not allow the wildcards * and ? [PS3.4 C.2.2.2.4]", instead)


# ------------------------------------------------------------------------------- text and numbers


def _text(keyword: str, vr: str, value: Any) -> str:
    if isinstance(value, (bool, float, bytes)) or not (isinstance(value, (str, int)) or _is_name(value)):
        hint = _AS_TEXT if isinstance(value, float) else None
        raise _refused(keyword, vr, f"takes text, not {type(value).__name__}", hint)
    text = str(value)
    if any(ord(c) < 0x20 for c in text) and vr not in SINGLE_TEXT:
        raise _refused(keyword, vr, "has a control character in its value")
    if vr == "AE" and len(text) > 16:
        raise _refused(keyword, vr, "is longer than 16 characters")
    return text


def _code(keyword: str, vr: str, value: Any) -> str:
    # A code string has no lower case letters (PS3.5 6.2), so there is only one thing that "ct" can mean.
    return _text(keyword, vr, value).upper()


def _uid(keyword: str, vr: str, value: Any) -> str:
    if not isinstance(value, str):
        as_text = "read the file with dtype=str: a UID that is read as a number has lost digits"
        raise _refused(keyword, vr, f"takes a UID as text, not {type(value).__name__}", as_text)
    text = value.strip(" \0")
    instead = "give the whole UID, a list of UIDs, or None for all"
    _no_wildcards(keyword, vr, text, instead)
    if not re.fullmatch(r"[0-9.]{1,64}", text):
        raise _refused(keyword, vr, "has a value that is not a UID: 1 to 64 digits and dots [PS3.5 9.1]", instead)
    return text


def _integer_string(keyword: str, vr: str, value: Any) -> str:
    if isinstance(value, str):
        _no_wildcards(keyword, vr, value, "give the number, or None for all")
    if isinstance(value, bool) or not re.fullmatch(r"\s*[+-]?\d{1,12}\s*", str(value)):
        raise _refused(keyword, vr, "takes a whole number")
    return str(int(value))


def _decimal_string(keyword: str, vr: str, value: Any) -> str:
    if isinstance(value, str):
        _no_wildcards(keyword, vr, value, "give the number, or None for all")
        text = value.strip()
    else:
        text = "" if isinstance(value, bool) else f"{value:.10g}" if isinstance(value, float) else str(value)
    if not re.fullmatch(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", text) or len(text) > 16:
        raise _refused(keyword, vr, "takes a number of at most 16 characters")
    return text


def _age(keyword: str, vr: str, value: Any) -> str:
    text = str(value).strip().upper()
    _no_wildcards(keyword, vr, text, "give an age such as '045Y', or None for all")
    if not re.fullmatch(r"\d{1,3}[DWMY]", text):
        raise _refused(keyword, vr, "takes an age such as '045Y', '006M', '002W' or '010D'")
    return text.zfill(4)


def _number(keyword: str, vr: str, value: Any) -> int | float:
    if isinstance(value, str):
        _no_wildcards(keyword, vr, value, "give the number, or None for all")
    try:
        if isinstance(value, bool):
            raise ValueError
        if vr in ("FL", "FD"):
            return float(value)
        first, last = INTEGERS[vr]
        number = int(value)
        if number != float(value) or not first <= number <= last:
            raise ValueError
    except (TypeError, ValueError):
        raise _refused(keyword, vr, "takes a number in the range of its value representation") from None
    return number


def _raw(keyword: str, vr: str, value: Any) -> Any:
    if not isinstance(value, (str, int)) or isinstance(value, bool):
        raise _refused(keyword, vr, "takes text")
    return str(value)


_CONVERTERS: Mapping[str, Callable[[str, str, Any], str]] = {
    **dict.fromkeys(("AE", "LO", "PN", "SH", "UC"), _text),
    "CS": _code, "UI": _uid, "IS": _integer_string, "DS": _decimal_string, "AS": _age, "UN": _raw,
}  # fmt: skip


def _sequence(keyword: str, value: Any) -> Any:
    """The items of a sequence key as mappings; PS3.4 C.2.2.2.6 allows one, and that is the caller's business."""
    if isinstance(value, str) and not value.strip(" *"):
        return []
    if isinstance(value, Mapping) or _is_dataset(value):
        return [_item(value)]
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes)):
        items = list(value)
        if all(isinstance(item, Mapping) or _is_dataset(item) for item in items):
            return [_item(item) for item in items]
    raise _refused(keyword, "SQ", "is a sequence: it takes a Dataset, a mapping, a list of them, or None")


def _is_dataset(value: Any) -> bool:
    return hasattr(value, "to_json_dict") and hasattr(value, "iterall")  # a pydicom Dataset, without loading pydicom


def _item(value: Any) -> dict[Any, Any]:
    if isinstance(value, Mapping):
        return dict(value)
    return {
        int(element.tag): [_item(item) for item in element.value] if element.VR == "SQ" else _single(element.value)
        for element in value
    }


def _single(value: Any) -> Any:
    return str(value) if _is_name(value) else value


# ------------------------------------------------------------------------------- dates and times


def _temporal(keyword: str, vr: str, value: Any, combined: bool) -> str:
    """One date or time, or a range (PS3.4 C.2.2.2.5)."""
    if isinstance(value, slice):
        if value.step is not None:
            raise _refused(keyword, vr, "takes a slice without a step")
        value = (value.start, value.stop)
    kind = type(value).__name__  # pandas' own ways to say a span of time; pandas is not loaded to find out
    if kind == "Period":
        value = (value.start_time, value.end_time)
    elif kind == "Interval":
        value = _ends(vr, value)
    if isinstance(value, tuple):
        if len(value) != 2:
            raise _refused(keyword, vr, "takes a range as a tuple of two: (first, last)", "None is an open end")
        return _range(keyword, vr, value[0], value[1], combined)
    if isinstance(value, Iterable) and not isinstance(value, str):
        raise _refused(keyword, vr, "takes one value or a range, not a list", "write a range as a tuple: (first, last)")
    value = _plain(keyword, value)
    if isinstance(value, str):
        text = value.strip()
        _no_wildcards(keyword, vr, text, "give a range: ('2024-01-01', '2024-12-31'), with None for an open end")
        if vr == "DT" and _MOMENTS.fullmatch(text):
            return text
        pattern = {"DA": _DAYS, "TM": _TIMES}.get(vr)
        single = {"DA": _DAY, "TM": _TIME}.get(vr, "")
        if pattern and not re.fullmatch(single, text) and (both := pattern.fullmatch(text)):
            return _range(keyword, vr, both[1], both[2], combined)
    first, last = _span(keyword, vr, value)
    return first if first == last else f"{first}-{last}"


def _ends(vr: str, interval: Any) -> tuple[Any, Any]:
    """The first and the last of a pandas Interval: of an open end at midnight the day is not in it."""
    one = timedelta(days=1) if vr == "DA" else timedelta()
    left, right = interval.left, interval.right
    if interval.open_left and isinstance(left, datetime) and left.time() == time():
        left += one
    if interval.open_right and isinstance(right, datetime) and right.time() == time():
        right -= one
    return left, right


def _range(keyword: str, vr: str, first: Any, last: Any, combined: bool) -> str:
    begin = "" if first is None or first == "" else _span(keyword, vr, _plain(keyword, first))[0]
    end = "" if last is None or last == "" else _span(keyword, vr, _plain(keyword, last))[1]
    if begin and end and begin.ljust(14, "0") > end.ljust(14, "9") and not (combined and vr == "TM"):
        over_midnight = "options=QueryOptions(date_time=True) lets it go over midnight" if vr == "TM" else None
        raise _refused(keyword, vr, "has a range that ends before it begins", over_midnight)
    return f"{begin}-{end}" if begin or end else ""


def _span(keyword: str, vr: str, value: Any) -> tuple[str, str]:
    """The first and the last value that one expression means; they differ for a year or a month alone."""
    if vr == "DA":
        return _day_span(keyword, value)
    text = _clock(keyword, value) if vr == "TM" else _moment(keyword, value)
    return text, text


def _day_span(keyword: str, value: Any) -> tuple[str, str]:
    if isinstance(value, date):  # a datetime and a pandas Timestamp are dates, too
        text = f"{value:%Y%m%d}".zfill(8)
        return text, text
    text = str(value).strip() if isinstance(value, (str, int)) and not isinstance(value, bool) else ""
    if not re.fullmatch(_DAY, text) and re.fullmatch(r"\d{4}-\d\d-\d\d[T ][\d:.]+", text):
        text = text[:10]  # what str() makes of a Timestamp
    if not re.fullmatch(_DAY, text):
        raise _refused(keyword, "DA", "takes a date or a range of dates", "write '2024-01-31', '20240131' or a date")
    digits = text.replace("-", "")
    try:
        year, month, day = int(digits[:4]), int(digits[4:6] or 1), int(digits[6:8] or 1)
        date(year, month, day)
    except ValueError:
        raise _refused(keyword, "DA", "has a date that is not in the calendar") from None
    if len(digits) == 8:
        return digits, digits
    last_month = month if len(digits) == 6 else 12
    return f"{year:04}{month:02}01", f"{year:04}{last_month:02}{monthrange(year, last_month)[1]:02}"


def _clock(keyword: str, value: Any) -> str:
    if isinstance(value, (time, datetime)):
        return f"{value:%H%M%S}" + (f".{value.microsecond:06}" if value.microsecond else "")
    text = str(value).strip() if isinstance(value, str) else ""
    if not re.fullmatch(_TIME, text) or int(text[:2]) > 23:
        raise _refused(keyword, "TM", "takes a time or a range of times", "write '09:30', '093000' or a datetime.time")
    return text.replace(":", "")


def _moment(keyword: str, value: Any) -> str:
    if isinstance(value, str):
        if re.fullmatch(_MOMENT, value.strip()):
            return value.strip()
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            value = None
    if isinstance(value, datetime):
        fraction = f".{value.microsecond:06}" if value.microsecond else ""
        return f"{value:%Y%m%d%H%M%S}{fraction}{value:%z}"
    if isinstance(value, date):
        return f"{value:%Y%m%d}"
    raise _refused(keyword, "DT", "takes a date and time or a range of them", "write '2024-01-31T09:30' or a datetime")
