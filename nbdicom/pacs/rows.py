"""The rows of the index: what is written for an object, and what is taken away with it."""

from __future__ import annotations

import json
import logging
import math
import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from nbdicom.pacs.matching import fold_name, plain_date_time
from nbdicom.pacs.schema import COLUMNS, Level, level_of
from nbdicom.table import printable

__all__ = ["Attributes", "Placed", "Record", "Writer", "delete", "place"]

_log = logging.getLogger("nbdicom.pacs")

_TOGETHER = 32  #: instances of one statement; SQLite takes 999 parameters at least
_MOST_SERIES = 256  #: that are remembered, then all are forgotten
_MOST_SHARED = 8192  #: characters of the JSON of one that is: what memory it takes is not for a sender to say


class Placed(NamedTuple):
    """One attribute as the index keeps it."""

    keyword: str
    level: Level | None  #: whose JSON has it; None if it has a column
    value: Any


def place(keyword: str, value: Any) -> Placed | None:
    """Where an attribute goes, and what of it: text as on the wire, numbers, lists of numbers; None if nothing is kept."""
    if value is None or value == "":
        return None
    column = COLUMNS.get(keyword)
    if column is not None:
        text = _text(value)
        return Placed(keyword, None, plain_date_time(text) if text and column.vr in ("DA", "TM") else text)
    if isinstance(value, str):
        return Placed(keyword, level_of(keyword), _text(value))
    items = value if isinstance(value, (tuple, list)) else (value,)
    if not all(isinstance(item, (int, float)) for item in items):
        return Placed(keyword, level_of(keyword), _text(value))
    if all(map(math.isfinite, items)):  # JSON has no word for the others
        return Placed(keyword, level_of(keyword), list(value) if isinstance(value, tuple) else value)
    return None


class Attributes:
    """The attributes of one object: as they were decoded, and as the index keeps them.

    Made before the index is locked, since it takes more time than the statements.

    Parameters
    ----------
    values : mapping
        Keyword to value: text as on the wire, numbers, tuples of them.
    placed : iterable of Placed, optional
        What `place` said of each of them, if that is known already.
    """

    __slots__ = ("_columns", "_more", "values")

    def __init__(self, values: Mapping[str, Any], placed: Iterable[Placed] | None = None) -> None:
        self.values = values
        self._columns: dict[str, str | None] = {}
        self._more: dict[Level, dict[str, Any]] = {level: {} for level in Level}
        if placed is None:
            placed = filter(None, map(place, values.keys(), values.values()))
        for keyword, level, value in placed:
            if level is None:
                self._columns[keyword] = value
            else:
                self._more[level][keyword] = value

    def text(self, keyword: str) -> str | None:
        """What a column has: None where there is no value, so that nothing but the universal key matches it."""
        return self._columns.get(keyword)

    def row(self, level: Level) -> dict[str, str | None]:
        """The columns of a level."""
        return {keyword: self._columns.get(keyword) for keyword in _KEYWORDS[level]}

    def more(self, level: Level) -> dict[str, Any]:
        """The attributes of a level that have no column, for JSON."""
        return self._more[level]

    @property
    def patient_identity(self) -> str:
        """What two objects must share to belong to one patient.

        The Patient ID and its issuer; where there is no Patient ID, name and birth date as well, lest all those without
        one become one person.
        """
        key = [self.text("PatientID"), self.text("IssuerOfPatientID")]
        if not key[0]:
            key += [*fold_name(self.text("PatientName") or ""), self.text("PatientBirthDate")]
        return json.dumps(key)


#: What says to which series, study and patient an object belongs.
_KEYS_OF_SERIES = (
    "SeriesInstanceUID", "StudyInstanceUID", "PatientID", "IssuerOfPatientID", "PatientName", "PatientBirthDate",
)  # fmt: skip
_KEYWORDS = {level: tuple(column.keyword for column in COLUMNS.values() if column.level is level) for level in Level}


def _text(value: Any) -> str | None:
    if isinstance(value, (tuple, list)):
        value = "\\".join("" if item is None else str(item) for item in value)
    return str(value).replace("\0", "").strip(" ").encode("utf-8", "replace").decode("utf-8") or None


#: The columns of an instance, as `Writer.add` fills them.
_INSTANCE_COLUMNS = (
    "series", *_KEYWORDS[Level.IMAGE], "transfer_syntax", "object", "size", "offset", "digest", "received", "source", "more",
)  # fmt: skip
_INSERT = f"INSERT INTO instances ({', '.join(_INSTANCE_COLUMNS)}) VALUES "
_ROW = f"({', '.join('?' * len(_INSTANCE_COLUMNS))})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What the index is told of one object."""

    attributes: Attributes
    transfer_syntax: str
    object: str  #: the name of its file
    size: int  #: of the file
    offset: int  #: where the data set begins in it
    digest: bytes  #: SHA-256 of the data set
    received: str  #: when, in ISO 8601 with UTC offset
    source: str | None = None  #: calling AE title


def _dump(more: Mapping[str, Any]) -> str | None:
    return json.dumps(more, ensure_ascii=False, separators=(",", ":"), allow_nan=False) if more else None


class Writer:
    """Writes the rows of objects.

    Objects come by the series: which rows those of late belong to is remembered, since nobody else writes to the index.

    Parameters
    ----------
    connection : sqlite3.Connection
        The one that writes; its transactions are the caller's.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._series: dict[tuple[str | None, ...], tuple[int, dict[str, Any]]] = {}

    def add(self, records: Iterable[Record]) -> None:
        """Write the rows of objects; if it raises, the transaction has to be rolled back, and `forget` to be called."""
        rows: list[tuple[Any, ...]] = []
        added: Counter[int] = Counter()
        for record in records:
            series, shared = self._series_of(record.attributes)
            more = record.attributes.more(Level.IMAGE)
            if shared is not more:
                # Only what differs from the series' first instance; "" says that this one does not have the attribute.
                own = {keyword: value for keyword, value in more.items() if shared.get(keyword) != value}
                more = own | {keyword: "" for keyword in shared if keyword not in more}
            else:
                more = {}
            rows.append(
                (
                    series,
                    *record.attributes.row(Level.IMAGE).values(),
                    record.transfer_syntax,
                    record.object,
                    record.size,
                    record.offset,
                    record.digest,
                    record.received,
                    record.source,
                    _dump(more),
                )
            )
            added[series] += 1
        for start in range(0, len(rows), _TOGETHER):
            # One statement for many rows: each lets the interpreter go twice, and others want it.
            some = rows[start : start + _TOGETHER]
            self._connection.execute(_INSERT + ", ".join([_ROW] * len(some)), sum(some, ()))
        for series, count in added.items():
            self._connection.execute("UPDATE series SET instances = instances + ? WHERE id = ?", (count, series))

    def forget(self) -> None:
        """What is remembered may not be there any more: rows were deleted, or a transaction was rolled back."""
        self._series.clear()

    def _series_of(self, attributes: Attributes) -> tuple[int, dict[str, Any]]:
        """The row of an object's series, and the attributes that its instances share; made if this is the first one."""
        key = tuple(map(attributes.text, _KEYS_OF_SERIES))
        known = self._series.get(key)
        if known is not None:
            return known
        series, shared, size = self._find_series(attributes)
        if size <= _MOST_SHARED:
            if len(self._series) >= _MOST_SERIES:
                self._series.clear()
            self._series[key] = series, shared
        return series, shared

    def _find_series(self, attributes: Attributes) -> tuple[int, dict[str, Any], int]:
        """The same from the index, with the length of the JSON."""
        study, other_patient = self._study(attributes)
        series_uid = attributes.text("SeriesInstanceUID")
        found = self._connection.execute(
            "SELECT s.id, m.more FROM series s LEFT JOIN series_more m ON m.id = s.id"
            " WHERE s.SeriesInstanceUID = ? AND s.study = ?",
            (series_uid, study),
        ).fetchone()
        if found is not None:
            return found[0], json.loads(found[1] or "{}"), len(found[1] or "")
        more = attributes.more(Level.IMAGE)
        text = _dump(more)
        series = self._put("series", {"study": study, **attributes.row(Level.SERIES)})
        self._put("series_more", {"id": series, "more": text})
        if other_patient:
            _log.warning(
                "study %s: series %s arrives with another patient; it is kept with the first",
                printable(attributes.text("StudyInstanceUID")),
                printable(series_uid),
            )
        return series, more, len(text or "")

    def _study(self, attributes: Attributes) -> tuple[int, bool]:
        """The study's row, and whether it belongs to another patient than the object says: the first one keeps it."""
        connection = self._connection
        uid, identity = attributes.text("StudyInstanceUID"), attributes.patient_identity
        found = connection.execute(
            "SELECT t.id, p.identity FROM studies t JOIN patients p ON p.id = t.patient WHERE t.StudyInstanceUID = ?",
            (uid,),
        ).fetchone()
        if found is not None:
            return found[0], found[1] != identity
        row = connection.execute("SELECT id FROM patients WHERE identity = ?", (identity,)).fetchone()
        if row is not None:
            patient = row[0]
        else:
            more = _dump(attributes.more(Level.PATIENT))
            patient = self._put("patients", {"identity": identity, **attributes.row(Level.PATIENT), "more": more})
            groups = fold_name(attributes.text("PatientName") or "")
            connection.executemany(
                "INSERT INTO names VALUES (?, ?, ?)", [(patient, k, name) for k, name in enumerate(groups) if name]
            )
        study = {"patient": patient, **attributes.row(Level.STUDY), "more": _dump(attributes.more(Level.STUDY))}
        return self._put("studies", study), False

    def _put(self, table: str, row: Mapping[str, Any]) -> int:
        cursor = self._connection.execute(
            f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", tuple(row.values())
        )
        assert cursor.lastrowid is not None
        return cursor.lastrowid


def delete(connection: sqlite3.Connection, number: int) -> None:
    """Delete an object by its number, and the series, study and patient that are empty without it."""
    row = connection.execute(
        "SELECT s.id, t.id, p.id FROM instances i JOIN series s ON s.id = i.series JOIN studies t ON t.id = s.study"
        " JOIN patients p ON p.id = t.patient WHERE i.id = ?",
        (number,),
    ).fetchone()
    connection.execute("DELETE FROM instances WHERE id = ?", (number,))
    if row is None:
        return
    series, study, patient = row
    connection.execute("UPDATE series SET instances = instances - 1 WHERE id = ?", (series,))
    connection.execute(
        "DELETE FROM series WHERE id = ? AND NOT EXISTS (SELECT 1 FROM instances WHERE series = ?)", (series, series)
    )
    connection.execute("DELETE FROM series_more WHERE id = ? AND id NOT IN (SELECT id FROM series)", (series,))
    connection.execute(
        "DELETE FROM studies WHERE id = ? AND NOT EXISTS (SELECT 1 FROM series WHERE study = ?)", (study, study)
    )
    connection.execute(
        "DELETE FROM patients WHERE id = ? AND NOT EXISTS (SELECT 1 FROM studies WHERE patient = ?)", (patient, patient)
    )
    connection.execute("DELETE FROM names WHERE patient = ? AND patient NOT IN (SELECT id FROM patients)", (patient,))
