"""A question whose answer is cut off, divided by study date, and within a day by study time.

Many a PACS sends no more than so many matches, and some say Success (0000H) after the last that they send.  The dates that
came of a cut off answer tell where to divide: at the last one where they are in order, else in their middle.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from nbdicom.core.streams import Buffer
from nbdicom.errors import DataSetError, QueryError
from nbdicom.peer.query import Level, Query
from nbdicom.status import Status

__all__ = ["Division", "Indivisible", "divided", "divisible"]

_DATE, _TIME = "StudyDate", "StudyTime"
_USUAL = date(1970, 1, 1).toordinal(), date(2100, 1, 1).toordinal()  #: days, where nothing that came says where to divide
_LAST_SECOND = 24 * 3600 - 1
_FEW, _ROUND = 100, 50  #: from how many matches on a multiple of what is suspected to be a limit
_CUT_OFF = (0xA700, 0xB001, 0xFE00)  #: final statuses; nobody cancelled


class Indivisible(Exception):
    """A question cannot be divided any further; the text says why."""


def divisible(query: object) -> Query:
    """The query, with dates and times among what it asks for.

    Raises
    ------
    QueryError
        If it is none at STUDY level, or has times that belong to its dates.
    """
    if not isinstance(query, Query) or query.level is not Level.STUDY:
        raise QueryError(
            "complete= divides a question by StudyDate, so it is for studies",
            hint="ask for the studies first, and go on with the table",
        )
    if query.options is not None and query.options.date_time and query.keys.get(_TIME):
        raise QueryError("complete= does not divide combined dates and times", hint="leave StudyTime out")
    return replace(query, keys={_DATE: "", _TIME: "", **query.keys})


class Division:
    """Divides the questions of one call whose answers are cut off.

    Parameters
    ----------
    complete : True or int
        The number of matches after which the peer cuts off, if that is known.  Otherwise B001H, A700H and FE00H say that it
        did, and an answer with a round number of matches is suspected: two more questions show what is in it.
    room : int
        How many questions more there may be.
    """

    def __init__(self, complete: bool | int, room: int) -> None:
        self._limit = None if complete is True else complete
        self._room = room
        self.made = 0  #: how many questions were divided
        self.stuck = ""  #: why an answer that was cut off stays so
        self.unmatched: set[str] = set()  #: what was divided by although nothing was asked: those without it match no part

    def parts(self, query: Query, status: Status | None, answer: Sequence[tuple[Buffer, str]]) -> Sequence[Query]:
        """What is to be asked since the *answer* to the *query* is not whole: two questions, or nothing."""
        from nbdicom.data import decode_columns

        if not self._is_cut_off(status, len(answer)):
            return ()
        try:
            if self._room < 2:
                raise Indivisible("it would be more questions than Limits.queries allows")
            parts = divided(query, decode_columns(answer))
        except (Indivisible, DataSetError) as reason:
            self.stuck = str(reason)
            return ()
        self.made += 1
        self._room -= 2
        keyword = _DATE if parts[0].keys[_DATE] != query.keys[_DATE] else _TIME
        if not query.keys[keyword]:
            self.unmatched.add(keyword)
        return parts

    def _is_cut_off(self, status: Status | None, matches: int) -> bool:
        if status is not None and status in _CUT_OFF:
            return True
        if self._limit is not None:
            return matches >= self._limit
        return matches >= _FEW and matches % _ROUND == 0


def divided(query: Query, came: Mapping[str, Sequence[Any]]) -> tuple[Query, Query]:
    """The question as two, which together ask for the same studies.

    But for those without a date, where the question had none, and within a day those without a time: these match no range.

    Parameters
    ----------
    query : Query
        The question; it is at STUDY level.
    came : mapping
        The columns of what came as an answer, as `decode_columns` gives them; empty if nothing came.

    Raises
    ------
    Indivisible
        If it is as narrow as can be, or the peer does not match by dates or times.

    Examples
    --------
    >>> parts = divided(Query.of(StudyDate="2024"), {"StudyDate": ["20240105", "20240220", "20240401"]})
    >>> [part.matching["StudyDate"] for part in parts]
    ['20240101-20240331', '20240401-20241231']
    """
    first, last = _ends(query.keys.get(_DATE, ""))
    if not first or first != last:
        day = _middle(_DATE, _day(first), _day(last), _each(_day, came, _DATE), _USUAL)
        before, after = _day_text(day - 1), _day_text(day)
        return _with(query, _DATE, first, before), _with(query, _DATE, after, last)
    first, last = _ends(query.keys.get(_TIME, ""))
    if first and first == last:
        raise Indivisible("it asks for one time of one day")
    begin, end = _second(first.ljust(6, "0")), _second(last.ljust(6, "9"))
    second = _middle(_TIME, begin or 0, _LAST_SECOND if end is None else end, _each(_second, came, _TIME), (0, 0))
    # The fraction of a second before is the first part's: 115959.5 would lie between 115959 and 120000.
    before, after = f"{_second_text(second - 1)}.999999", _second_text(second)
    return _with(query, _TIME, first, before), _with(query, _TIME, after, last)


def _middle(
    keyword: str, first: int | None, last: int | None, came: Sequence[int | None], usual: tuple[int, int]
) -> int:
    """Where the second part begins, of a range with both ends in it; None is an open end."""
    in_their_order = [value for value in came if value is not None]
    seen = sorted(in_their_order)
    if seen and (first is not None and seen[0] < first or last is not None and seen[-1] > last):
        raise Indivisible(f"the peer does not match by {keyword}")
    if came and not seen:
        raise Indivisible(f"the peer does not say {keyword}")
    if seen and in_their_order == seen:  # the oldest came: all but the last day have come whole
        middle = seen[-1]
    elif seen and in_their_order == seen[::-1]:
        middle = seen[0] + 1
    elif seen:
        middle = seen[len(seen) // 2]
    else:
        low, high = usual[0] if first is None else first, usual[1] if last is None else last
        middle = low + (high - low + 1) // 2
        if (first is None and middle <= low) or (last is None and middle >= high):
            raise Indivisible("nothing came by which it could be divided")
    if middle == first:
        middle += 1
    if last is not None and middle > last:
        raise Indivisible(f"it is as narrow as it can be by {keyword}")
    return middle


def _with(query: Query, keyword: str, first: str, last: str) -> Query:
    return replace(query, keys={**query.keys, keyword: first if first == last else f"{first}-{last}"})


def _ends(text: str) -> tuple[str, str]:
    first, hyphen, last = text.partition("-")
    return (first, last) if hyphen else (first, first)


def _each(read: Any, came: Mapping[str, Sequence[Any]], keyword: str) -> list[int | None]:
    rows = max(map(len, came.values()), default=0)
    return [read(str(value or "").strip()) for value in came.get(keyword, [None] * rows)]


def _day(text: str) -> int | None:
    """The number of a day; None if it is no date."""
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:])).toordinal() if re.fullmatch(r"\d{8}", text) else None
    except ValueError:
        return None


def _day_text(number: int) -> str:
    return date.fromordinal(number).isoformat().replace("-", "")


def _second(text: str) -> int | None:
    """The second of a day, of which minutes and seconds may be left out; None if it is no time."""
    digits = re.fullmatch(r"(\d\d)(\d\d)?(\d\d)?(?:\.\d{1,6})?", text)
    if digits is None:
        return None
    hours, minutes, seconds = (min(int(part or 0), most) for part, most in zip(digits.groups(), (23, 59, 59), strict=True))
    return hours * 3600 + minutes * 60 + seconds


def _second_text(number: int) -> str:
    return f"{number // 3600:02}{number // 60 % 60:02}{number % 60:02}"
