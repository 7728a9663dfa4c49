"""Queries by the Query/Retrieve service class (PS3.4 Annex C): an identifier becomes one SQL statement.

C-FIND gives one mapping for each entity at the queried level, taken from a cursor while it is sent; C-GET and C-MOVE
give the instances below the unique keys.  The identifier is read without a library's Dataset, so that a value which is
no number where a number should be is no error but simply matches nothing.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

from nbdicom.config import Limits
from nbdicom.core.extended import QueryOptions
from nbdicom.data.values import dictionary_vr
from nbdicom.errors import DataSetError
from nbdicom.operations.requests import FindRequest, Refuse, RetrieveRequest
from nbdicom.pacs.index import Entry, Index
from nbdicom.pacs.matching import AnyOf, Key, Period, parse_key
from nbdicom.pacs.schema import COLUMNS, COMPUTED, TABLES, UNIQUE_KEYS, Column, Computed, Level, level_of
from nbdicom.table import printable
from nbdicom.uids import UID
from nbdicom.vr import ENCODED, INTEGERS

__all__ = ["MODELS", "Patience", "find", "select"]

_log = logging.getLogger("nbdicom.pacs")

#: Levels of the information models that are served (PS3.4 C.6), by the UID without its last component; that one is the
#: service: 1 FIND, 2 MOVE, 3 GET.
MODELS: Mapping[str, tuple[Level, ...]] = {
    "1.2.840.10008.5.1.4.1.2.1": tuple(Level),  # Patient Root
    "1.2.840.10008.5.1.4.1.2.2": (Level.STUDY, Level.SERIES, Level.IMAGE),  # Study Root
    "1.2.840.10008.5.1.4.1.2.3": (Level.PATIENT, Level.STUDY),  # Patient/Study Only (retired)
}

#: In an identifier, but no keys: they say how to read it, or the answer sets them (PS3.4 C.4.1.1.3).
_NO_KEYS = frozenset(
    ("SpecificCharacterSet", "QueryRetrieveLevel", "QueryRetrieveView", "RetrieveAETitle", "InstanceAvailability")
)
#: Answered with what the object says and never matched: in an identifier it says how the times there are meant.
_ZONE = "TimezoneOffsetFromUTC"
_MOST_IDENTIFIER = 4 << 20  #: bytes of an identifier; a list of 60 000 UIDs fits
_MOST_INSTANCES = 0x10000  #: one more than the counters of a C-GET or C-MOVE can count
#: What an identifier may cost: each of its elements is looked up, and there are 5 000 in PS3.6.
_LIMITS = Limits(elements=5_000)
_MOST_PATHS = 100  #: keywords that one call of an SQL function extracts from JSON
_TOGETHER = 100  #: matches that are sent together at most
_A_WHILE = 0.01  #: seconds after which what has been found is sent
_NEVER_MATCHED = frozenset(("SQ", "OB", "OW", "OF", "OD", "OL", "OV", "UN", "AT"))


@dataclass(slots=True)
class _Find:
    """A planned C-FIND: the statement, and where each key of the answer comes from."""

    level: Level
    constants: dict[str, Any] = field(default_factory=dict)
    columns: list[str] = field(default_factory=list)  #: keywords, in the order of the first selected expressions
    more: dict[str, str] = field(default_factory=dict)  #: keywords that come from JSON, with their VRs
    pieces: list[list[str]] = field(default_factory=list)  #: keywords of each selected piece of JSON
    plain: set[str] = field(default_factory=set)  #: keywords whose VR allows nothing but ASCII
    supported: bool = True  #: False: an optional key is not supported, which FF01H says (PS3.4 C.4.1.1.4)
    matchers: list[Key] = field(default_factory=list)  #: keys that Python applies
    statement: str = ""
    parameters: list[Any] = field(default_factory=list)


class Patience:
    """How long SQLite may look for the next row; `Patience.over` is a progress handler, which ends the statement by True.

    Parameters
    ----------
    seconds : float, optional
        `Timeouts.query`.
    cancelled : callable
        Whether the peer wants no more.
    """

    STEPS = 100_000  #: steps of SQLite's virtual machine between two looks; a few milliseconds

    def __init__(self, seconds: float | None, cancelled: Callable[[], bool] = lambda: False) -> None:
        self._seconds = seconds
        self._cancelled = cancelled
        self.expired = False
        self.again()

    def again(self) -> None:
        """A row has come: the time starts anew, since what follows may wait for the peer."""
        self._until = None if self._seconds is None else time.monotonic() + self._seconds

    def over(self) -> bool:
        """Whether to stop."""
        self.expired = self._until is not None and time.monotonic() >= self._until
        return self.expired or self._cancelled()

    @contextmanager
    def bounding(self, connection: sqlite3.Connection) -> Iterator[None]:
        """While this lasts, SQLite looks at the clock in what it does on this connection."""
        connection.set_progress_handler(self.over, self.STEPS)
        try:
            yield
        finally:
            connection.set_progress_handler(None, 0)

    def check(self) -> None:
        """The same for what Python compares, between two comparisons.

        Raises
        ------
        Refuse
            A700H; whoever has cancelled is told so by others.
        """
        if self.over():
            raise Refuse(0xA700, "the query takes too long; restrict it")


def find(
    index: Index, request: FindRequest, *, ae_title: str, limit: int, seconds: float | None = None
) -> Iterator[list[Mapping[str, Any]]]:
    """The matches of a C-FIND request, one mapping of keywords to values for each entity, in lists to be sent together.

    The identifier is checked before this returns; the index is read while the matches are taken.

    Raises
    ------
    Refuse
        A900H for an identifier that does not fit the model; B001H after *limit* matches; A700H when a match is not found
        within *seconds*; C000H where the index fails.
    """
    levels = _model(request.model, "1")
    agreed = request.context.extended
    options = agreed if isinstance(agreed, QueryOptions) else QueryOptions()
    plan = _plan_find(_identifier(request), levels, relational=options.relational, date_time=options.date_time)
    plan.constants["RetrieveAETitle"] = ae_title
    if not plan.supported:
        request.pending_status = 0xFF01
    return _matches(index, plan, request, limit, seconds)


def _matches(
    index: Index, plan: _Find, request: FindRequest, limit: int, seconds: float | None
) -> Iterator[list[Mapping[str, Any]]]:
    patience = Patience(seconds, lambda: request.cancelled)
    try:
        with index.reader() as connection:
            matchers = plan.matchers

            def matches(value: object, k: int) -> bool:
                patience.check()  # SQLite does not look at the clock while we compare; its own error follows from ours
                return matchers[k].matches_any(value)

            connection.create_function("matches", 2, matches)
            # A C-CANCEL may come while SQLite looks for a match that is far away.  An open cursor would hold the
            # connection's next user to the state of today.
            with patience.bounding(connection), closing(connection.cursor()) as cursor:
                together: list[Mapping[str, Any]] = []
                since = time.monotonic()
                for number, row in enumerate(cursor.execute(plan.statement, plan.parameters)):
                    if number >= limit:
                        if together:
                            yield together
                        _log.warning("C-FIND: more than %d matches; the peer was told that these are not all", limit)
                        raise Refuse(0xB001, f"the first {limit} matches")
                    together.append(_answer(plan, row))
                    # The first match goes out at once; a list is sent when it is long, or has taken a while.
                    if number == 0 or len(together) >= _TOGETHER or time.monotonic() - since > _A_WHILE:
                        yield together
                        together = []
                        since = time.monotonic()
                    patience.again()
                if together:
                    yield together
    except sqlite3.Error as error:
        if request.cancelled:
            return
        if patience.expired:
            _log.warning("C-FIND: given up after %g s without a match", seconds)
            raise Refuse(0xA700, "the query takes too long; restrict it") from error
        _log.error("C-FIND: the index cannot be read: %s", printable(error))
        raise Refuse(0xC000, "the index cannot be read") from error


def _answer(plan: _Find, row: Sequence[Any]) -> dict[str, Any]:
    answer = dict(plan.constants)
    for keyword, value in zip(plan.columns, row, strict=False):
        text = "" if value is None else str(value)
        answer[keyword] = text if text.isascii() or keyword not in plan.plain else _ascii(text)
    # The last JSON column that knows a key wins: the instance before its series.
    for keywords, text in zip(plan.pieces, row[len(plan.columns) :], strict=True):
        if text is not None:
            for keyword, value in zip(keywords, json.loads(text)[1:], strict=True):
                if value is not None:
                    answer[keyword] = _fit(value, plan.more[keyword])
    return answer


def _fit(value: Any, vr: str) -> Any:
    """A value that can be encoded with its VR, whatever VR it had in the object; one odd object spoils no answer."""
    values = value if isinstance(value, list) else [value]
    if vr in INTEGERS:
        low, high = INTEGERS[vr]
        fits = all(isinstance(v, int) and low <= v <= high for v in values)
        return _single(values) if fits else ""
    if vr in ("FL", "FD"):
        return _single(values) if all(isinstance(v, (int, float)) for v in values) else ""
    text = "\\".join(map(str, values))
    return text if text.isascii() or vr in ENCODED else _ascii(text)


def _single(values: list[Any]) -> Any:
    return values[0] if len(values) == 1 else tuple(values)


def _ascii(text: str) -> str:
    return text.encode("ascii", "replace").decode("ascii")


def _plan_find(identifier: Mapping[str, Any], levels: Sequence[Level], *, relational: bool, date_time: bool) -> _Find:
    """One SELECT statement for an identifier.

    Parameters
    ----------
    identifier : mapping
        Keywords (or ``"gggg,eeee"``) and their values as they came.
    levels : sequence of Level
        What the information model has.
    relational : bool
        Whether relational queries were agreed to (PS3.4 C.4.1.2.2.1): keys of lower levels count, too.  That unique keys
        of upper levels may be missing is so for everybody.
    date_time : bool
        Whether combined date-time matching was agreed to (PS3.4 C.2.2.2.5.3).
    """
    level = _level(identifier, levels)
    plan = _Find(level, {"QueryRetrieveLevel": level.name})
    selected: list[str] = []
    conditions: list[str] = []
    below: list[tuple[str, Column | Computed, Key | None]] = []
    needed = {level}
    ordered = False
    if "InstanceAvailability" in identifier:
        plan.constants["InstanceAvailability"] = "ONLINE"
    # The unique keys of the level and of those above it are always answered: without them nothing can be retrieved.
    unique = [UNIQUE_KEYS[above] for above in levels if above <= level]
    periods = _periods(identifier) if date_time else []
    combined = {keyword for *pair, _ in periods for keyword in pair}
    identifier = {
        keyword: "" if keyword in combined or keyword == _ZONE else value for keyword, value in identifier.items()
    }
    for keyword in dict.fromkeys((*unique, *(k for k in identifier if k not in _NO_KEYS))):
        value = identifier.get(keyword)
        entry: Column | Computed | None = COLUMNS.get(keyword) or COMPUTED.get(keyword)
        if entry is not None and entry.level <= level:
            plan.columns.append(keyword)
            if entry.vr not in ENCODED:
                plan.plain.add(keyword)
            selected.append(entry.sql)
            needed.add(entry.level)
            key = parse_key(entry.vr, value)
            if key is not None:
                condition, parameters = _condition(plan, entry, key)
                conditions.append(condition)
                plan.parameters += parameters
                ordered |= isinstance(key, AnyOf) and keyword == UNIQUE_KEYS.get(Level(max(level - 1, 0)))
            continue
        if entry is not None and relational and entry.level in levels:
            below.append((keyword, entry, parse_key(entry.vr, value)))
            continue
        vr = dictionary_vr(keyword)
        if entry is not None or vr in _NEVER_MATCHED or not _is_kept(keyword, level):
            plan.supported = False  # and it is not in the answer (PS3.4 C.2.2.1.3)
            continue
        plan.more[keyword] = vr
        plan.constants[keyword] = ""
        needed.add(min(level_of(keyword), level))
        key = parse_key(vr, value)
        if key is not None:
            conditions.append(f"matches({_json_value(keyword, level)}, {len(plan.matchers)})")
            plan.matchers.append(key)
    if below:
        conditions.append(_below(plan, selected, below, periods))
    kept = {keyword: entry.sql for keyword in plan.columns if (entry := COLUMNS.get(keyword)) and entry.level <= level}
    kept |= {keyword: _json_value(keyword, level) for keyword in plan.more}
    for date, clock, period in periods:
        if date in kept and clock in kept:
            condition, parameters = period.sql(kept[date], kept[clock])
            conditions.append(condition)
            plan.parameters += parameters
    for column, keywords in _json_pieces(list(plan.more), level):
        paths = "".join(f", '$.{keyword}'" for keyword in keywords)
        # A path that nothing has is asked for, too, so that the result is always an array.
        selected.append(f"json_extract({column}, '$._'{paths})")
        plan.pieces.append(keywords)
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    # Sorting has a price: nothing can be sent before everything is found.  Within one parent it is small.
    order = {Level.SERIES: " ORDER BY s.SeriesNumber, s.id", Level.IMAGE: " ORDER BY i.InstanceNumber, i.id"}
    plan.statement = (
        f"SELECT {', '.join(selected)} FROM {_tables(level, needed, bool(plan.more))}{where}"
        f"{order.get(level, '') if ordered else ''}"
    )
    return plan


def _periods(identifier: Mapping[str, Any]) -> list[tuple[str, str, Period]]:
    """The dates and times of an identifier that ask for one period: their keywords, and what they ask for."""
    found = []
    for date, value in identifier.items():
        clock = f"{date.removesuffix('Date')}Time"
        if (
            date.endswith("Date")
            and clock in identifier
            and (dictionary_vr(date), dictionary_vr(clock)) == ("DA", "TM")
        ):
            period = Period.of(parse_key("DA", value), parse_key("TM", identifier[clock]))
            if period is not None:
                found.append((date, clock, period))
    return found


def _below(
    plan: _Find,
    selected: list[str],
    keys: Sequence[tuple[str, Column | Computed, Key | None]],
    periods: Sequence[tuple[str, str, Period]],
) -> str:
    """The condition that one entity below matches all keys of lower levels; what those have in common is selected.

    An answer has one value for each key: where the matching entities differ it is empty.
    """
    lowest = max(entry.level for _, entry, _ in keys)
    steps = [level for level in Level if plan.level < level <= lowest]
    tables = [f"{TABLES[level][0]} {TABLES[level][1]}" for level in steps]
    links = [f"{TABLES[level][1]}.{_PARENTS[level]} = {TABLES[Level(level - 1)][1]}.id" for level in steps]
    parameters: list[Any] = []
    for _, entry, key in keys:
        if key is not None:
            condition, more = _condition(plan, entry, key)
            links.append(condition)
            parameters += more
    known = {keyword: entry.sql for keyword, entry, _ in keys}
    for date, clock, period in periods:
        if date in known and clock in known:
            condition, more = period.sql(known[date], known[clock])
            links.append(condition)
            parameters += more
    source = f"FROM {', '.join(tables)} WHERE {' AND '.join(links)}"
    before: list[Any] = []  # what is selected stands before the conditions, and so do its parameters
    for keyword, entry, _ in keys:
        plan.columns.append(keyword)
        if entry.vr not in ENCODED:
            plan.plain.add(keyword)
        selected.append(f"(SELECT CASE WHEN count(DISTINCT {entry.sql}) = 1 THEN min({entry.sql}) END {source})")
        before += parameters
    plan.parameters = [*before, *plan.parameters, *parameters]
    return f"EXISTS (SELECT 1 {source})"


#: The column that says to what an entity belongs.
_PARENTS = {Level.STUDY: "patient", Level.SERIES: "study", Level.IMAGE: "series"}


def _condition(plan: _Find, entry: Column | Computed, key: Key) -> tuple[str, list[Any]]:
    if entry.keyword == "PatientName":
        return key.sql("p.id")
    if entry.vr == "PN":  # rare enough to be compared one by one
        plan.matchers.append(key)
        return f"matches({entry.sql}, {len(plan.matchers) - 1})", []
    if isinstance(entry, Computed) and entry.exists:
        condition, parameters = key.sql(entry.element)
        return entry.exists.format(condition), parameters
    return key.sql(entry.sql)


def _tables(level: Level, needed: set[Level], more: bool) -> str:
    """The level's own table, joined upwards as far as something is needed."""
    name, alias = TABLES[level]
    text = f"{name} {alias}"
    if level >= Level.IMAGE and (more or min(needed) < Level.IMAGE):
        text += " JOIN series s ON s.id = i.series"
    if level >= Level.SERIES and min(needed) < Level.SERIES:
        text += " JOIN studies t ON t.id = s.study"
    if level >= Level.STUDY and min(needed) < Level.STUDY:
        text += " JOIN patients p ON p.id = t.patient"
    if level >= Level.SERIES and more:
        text += " LEFT JOIN series_more sm ON sm.id = s.id"
    return text


#: Where JSON is kept, from the top; a later one overrides an earlier one.
_JSON_COLUMNS: tuple[tuple[Level, str], ...] = (
    (Level.PATIENT, "p.more"),
    (Level.STUDY, "t.more"),
    (Level.SERIES, "sm.more"),
    (Level.IMAGE, "i.more"),
)


def _is_kept(keyword: str, level: Level) -> bool:
    home = level_of(keyword)
    return home <= level or (home is Level.IMAGE and level is Level.SERIES)


def _json_columns(keywords: Sequence[str], level: Level) -> list[str]:
    homes = {level_of(keyword) for keyword in keywords}
    if Level.IMAGE in homes:
        homes.add(Level.SERIES)
    return [column for home, column in _JSON_COLUMNS if home in homes and home <= level]


def _json_pieces(keywords: list[str], level: Level) -> Iterator[tuple[str, list[str]]]:
    """Which keywords to extract from which column: an SQL function takes 127 arguments."""
    for column in _json_columns(keywords, level):
        for start in range(0, len(keywords), _MOST_PATHS):
            yield column, keywords[start : start + _MOST_PATHS]


def _json_value(keyword: str, level: Level) -> str:
    columns = [f"json_extract({column}, '$.{keyword}')" for column in reversed(_json_columns([keyword], level))]
    return columns[0] if len(columns) == 1 else f"coalesce({', '.join(columns)})"


# ------------------------------------------------------------------------------- retrieval


def select(index: Index, request: RetrieveRequest, seconds: float | None = None) -> list[Entry]:
    """The objects that a C-GET or C-MOVE request asks for, in the order of series and images.

    Only unique keys select (PS3.4 C.4.2.2.1); a list of UIDs is allowed at every level, and keys of upper levels may be
    missing.

    Raises
    ------
    Refuse
        A900H where the level or its unique key is missing; A701H when it takes more than *seconds*; C000H where the index
        fails.
    """
    statement, parameters = _plan_retrieve(request)
    patience = Patience(seconds)
    try:
        with index.reader() as connection, patience.bounding(connection):
            rows = connection.execute(statement, parameters).fetchall()
    except sqlite3.Error as error:
        if patience.expired:
            raise Refuse(0xA701, "the selection takes too long") from error
        _log.error("retrieve: the index cannot be read: %s", printable(error))
        raise Refuse(0xC000, "the index cannot be read") from error
    return [Entry(*row) for row in rows]


def _plan_retrieve(request: RetrieveRequest) -> tuple[str, list[Any]]:
    levels = _model(request.model, "23")
    identifier = _identifier(request)
    level = _level(identifier, levels)
    conditions: list[str] = []
    parameters: list[Any] = []
    for above in Level:
        keyword = UNIQUE_KEYS[above]
        value = identifier.get(keyword)
        values = value.split("\\") if isinstance(value, str) else list(value or ())
        wanted = tuple(text for text in (str(item).strip(" \0") for item in values) if text)
        if wanted and above <= level:
            condition, more = AnyOf(wanted).sql(COLUMNS[keyword].sql)
            conditions.append(condition)
            parameters += more
        elif above is level:
            raise Refuse(0xA900, f"{keyword} is missing")
    statement = (
        f"SELECT {Entry.SQL} FROM instances i JOIN series s ON s.id = i.series JOIN studies t ON t.id = s.study "
        f"JOIN patients p ON p.id = t.patient WHERE {' AND '.join(conditions)} "
        f"ORDER BY t.StudyDate, t.id, s.SeriesNumber, s.id, i.InstanceNumber, i.id LIMIT {_MOST_INSTANCES}"
    )
    return statement, parameters


# ------------------------------------------------------------------------------- identifiers


def _model(uid: str, services: str) -> tuple[Level, ...]:
    root, _, service = uid.rpartition(".")
    if root not in MODELS or service not in tuple(services):
        raise Refuse(0x0122, f"{printable(UID(uid).name)} is not served"[:64])
    return MODELS[root]


def _level(identifier: Mapping[str, Any], levels: Sequence[Level]) -> Level:
    asked = str(identifier.get("QueryRetrieveLevel") or "").strip(" \0")
    if not asked:
        raise Refuse(0xA900, "Query/Retrieve Level is missing")
    if asked not in Level.__members__:
        raise Refuse(0xA900, "Query/Retrieve Level is unknown")
    level = Level[asked]
    if level not in levels:
        raise Refuse(0xA900, f"this information model has no level {asked}")
    return level


def _identifier(request: FindRequest | RetrieveRequest) -> dict[str, Any]:
    from nbdicom.data.columns import decode_columns

    if len(request.data) > _MOST_IDENTIFIER:
        raise Refuse(0xA700, f"identifier of more than {_MOST_IDENTIFIER} bytes")
    try:
        columns = decode_columns([(request.data, request.transfer_syntax)], limits=_LIMITS)
    except DataSetError as error:
        raise Refuse(0xC000, "the identifier cannot be decoded") from error
    return {keyword: values[0] for keyword, values in columns.items()}
