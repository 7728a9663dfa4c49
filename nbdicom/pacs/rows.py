"""The rows of the index: what is written for an object, and what is taken away with it."""

from __future__ import annotations

import json
import logging
import math
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nbdicom.pacs.matching import fold_name, plain_date_time
from nbdicom.pacs.schema import COLUMNS, Level, level_of
from nbdicom.table import printable

__all__ = ["Attributes", "Record", "delete", "insert"]

_log = logging.getLogger("nbdicom.pacs")


class Attributes:
    """The attributes of one object as the index keeps them: text for each column, and the others by level.

    Made before the index is locked, since it takes half of the time of `insert`.

    Parameters
    ----------
    values : mapping
        Keyword to value: text as on the wire, numbers, lists of numbers.
    """

    __slots__ = ("_columns", "_more")

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._columns: dict[str, str | None] = {}
        self._more: dict[Level, dict[str, Any]] = {level: {} for level in Level}
        for keyword, value in values.items():
            if value is None or value == "":
                continue
            column = COLUMNS.get(keyword)
            if column is not None:
                text = _text(value)
                self._columns[keyword] = plain_date_time(text) if text and column.vr in ("DA", "TM") else text
            elif isinstance(value, str):
                self._more[level_of(keyword)][keyword] = _text(value)
            else:
                items = value if isinstance(value, (tuple, list)) else (value,)
                if not all(isinstance(item, (int, float)) for item in items):
                    self._more[level_of(keyword)][keyword] = _text(value)
                elif all(math.isfinite(item) for item in items):  # JSON has no word for the others
                    self._more[level_of(keyword)][keyword] = list(value) if isinstance(value, tuple) else value

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


_KEYWORDS = {level: tuple(column.keyword for column in COLUMNS.values() if column.level is level) for level in Level}


def _text(value: Any) -> str | None:
    if isinstance(value, (tuple, list)):
        value = "\\".join("" if item is None else str(item) for item in value)
    return str(value).replace("\0", "").strip(" ").encode("utf-8", "replace").decode("utf-8") or None


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


def _put(connection: sqlite3.Connection, table: str, row: Mapping[str, Any]) -> int:
    cursor = connection.execute(
        f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", tuple(row.values())
    )
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def insert(connection: sqlite3.Connection, record: Record) -> None:
    """Write the rows of one object, within a transaction of the caller."""
    attributes = record.attributes
    study, other_patient = _study(connection, attributes)
    series_uid = attributes.text("SeriesInstanceUID")
    found = connection.execute(
        "SELECT s.id, m.more FROM series s LEFT JOIN series_more m ON m.id = s.id"
        " WHERE s.SeriesInstanceUID = ? AND s.study = ?",
        (series_uid, study),
    ).fetchone()
    more = attributes.more(Level.IMAGE)
    if found is None:
        series = _put(connection, "series", {"study": study, **attributes.row(Level.SERIES)})
        _put(connection, "series_more", {"id": series, "more": _dump(more)})
        more = {}
        if other_patient:
            _log.warning(
                "study %s: series %s arrives with another patient; it is kept with the first",
                printable(attributes.text("StudyInstanceUID")),
                printable(series_uid),
            )
    else:
        # Only what differs from the series' first instance; "" says that this instance does not have the attribute.
        series, shared = found[0], json.loads(found[1] or "{}")
        own = {keyword: value for keyword, value in more.items() if shared.get(keyword) != value}
        more = own | {keyword: "" for keyword in shared if keyword not in more}
    _put(
        connection,
        "instances",
        {
            "series": series,
            **attributes.row(Level.IMAGE),
            "transfer_syntax": record.transfer_syntax,
            "object": record.object,
            "size": record.size,
            "offset": record.offset,
            "digest": record.digest,
            "received": record.received,
            "source": record.source,
            "more": _dump(more),
        },
    )
    connection.execute("UPDATE series SET instances = instances + 1 WHERE id = ?", (series,))


def _study(connection: sqlite3.Connection, attributes: Attributes) -> tuple[int, bool]:
    """The study's row, and whether it belongs to another patient than the object says: the first one keeps it."""
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
        patient = _put(connection, "patients", {"identity": identity, **attributes.row(Level.PATIENT), "more": more})
        groups = fold_name(attributes.text("PatientName") or "")
        connection.executemany(
            "INSERT INTO names VALUES (?, ?, ?)", [(patient, k, name) for k, name in enumerate(groups) if name]
        )
    study = {"patient": patient, **attributes.row(Level.STUDY), "more": _dump(attributes.more(Level.STUDY))}
    return _put(connection, "studies", study), False


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
