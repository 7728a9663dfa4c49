"""The SQLite index: who, what and where, for every object of the store.

One connection writes, under one lock, in WAL mode with ``synchronous=FULL``: what was committed is on the disk.
Writers that wait for the lock are served together by the one that has it, in a single transaction, so that sixteen
associations cost little more than one.  Readers take connections from a pool and never wait for the writer.

The index holds nothing that the objects do not: when it is damaged it is set aside and made again from them.
"""

from __future__ import annotations

import contextlib
import json
import logging
import math
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbdicom.errors import PacsError
from nbdicom.pacs.matching import fold_name, plain_date_time
from nbdicom.pacs.schema import APPLICATION_ID, COLUMNS, SCHEMA, SCHEMA_VERSION, Level, level_of
from nbdicom.table import printable

__all__ = ["Entry", "Index", "IndexDamaged", "IndexFailed", "Record", "patient_identity"]

_log = logging.getLogger("nbdicom.pacs")

_BUSY_SECONDS = 5.0  #: how long a statement waits for another process that holds the file
_CHECKED_WHOLE = 256 << 20  #: bytes up to which the index is read and checked at every start; about 1 s
_IDLE_READERS = 8


class IndexDamaged(Exception):
    """The file is no index of ours, or SQLite finds it corrupt."""


class IndexFailed(Exception):
    """A write to the index did not happen: the disk is full, or another process holds the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What the index is told of one object."""

    values: Mapping[str, Any]  #: keyword to value: text as on the wire, numbers, lists of numbers
    transfer_syntax: str
    object: str  #: the name of its file
    size: int  #: of the file
    offset: int  #: where the data set begins in it
    digest: bytes  #: SHA-256 of the data set
    received: str  #: when, in ISO 8601 with UTC offset
    source: str | None = None  #: calling AE title


@dataclass(frozen=True, slots=True)
class Entry:
    """What the index answers about one object."""

    id: int
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax: str
    object: str
    size: int
    offset: int
    digest: bytes

    #: The selected expressions that make an entry.
    SQL = "i.id, i.SOPClassUID, i.SOPInstanceUID, i.transfer_syntax, i.object, i.size, i.offset, i.digest"


@dataclass(slots=True)
class _Batch:
    records: Sequence[Record]
    done: bool = False
    error: Exception | None = None


class Index:
    """The index of one store.

    Parameters
    ----------
    path : Path
        The SQLite file; made if it does not exist.
    durable : bool
        False leaves out the syncs of each commit.

    Raises
    ------
    IndexDamaged
        If the file cannot be trusted.
    PacsError
        If it cannot be opened or written.
    """

    def __init__(self, path: Path, *, durable: bool = True) -> None:
        self.path = path
        self._durable = durable
        self._write_lock = threading.Lock()
        self._queue_lock = threading.Lock()
        self._queue: list[_Batch] = []
        self._idle: list[sqlite3.Connection] = []
        self._closed = False
        try:
            self._writer = self._connect()
            try:
                self._check()
                self._create()
            except BaseException:
                self._writer.close()
                raise
        except sqlite3.Error as error:
            if _is_damage(error):
                raise IndexDamaged(str(error)) from error
            raise PacsError(
                f"the index {path} cannot be opened for writing: {error}",
                hint="check the permissions and the free space",
            ) from error

    def close(self) -> None:
        """Close every connection that is not in use; the last one folds the write-ahead log into the file."""
        with self._queue_lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()
        with self._write_lock:
            self._writer.close()

    # --------------------------------------------------------------------------- opening

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            # FULL syncs the log at every commit; NORMAL only at checkpoints, and may lose the last commits.
            connection.execute(f"PRAGMA synchronous = {'FULL' if self._durable else 'NORMAL'}")
        except BaseException:
            connection.close()
            raise
        return connection

    def _check(self) -> None:
        """Whether this is our file, in our version, and whole."""
        (application,) = self._writer.execute("PRAGMA application_id").fetchone()
        (version,) = self._writer.execute("PRAGMA user_version").fetchone()
        (tables,) = self._writer.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if tables == 0:
            return
        if application != APPLICATION_ID or version != SCHEMA_VERSION:
            raise IndexDamaged(f"it is of another kind or version (application {application:x}, version {version})")
        if self.path.stat().st_size <= _CHECKED_WHOLE:
            (verdict,) = self._writer.execute("PRAGMA quick_check(1)").fetchone()
            if verdict != "ok":
                raise IndexDamaged(verdict)

    def _create(self) -> None:
        (tables,) = self._writer.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if tables == 0:
            self._writer.executescript(
                f"BEGIN IMMEDIATE; {SCHEMA} PRAGMA application_id = {APPLICATION_ID};"
                f"PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
            )
        else:
            # A file that cannot be written shall say so now, not at the first object.
            self._writer.execute("BEGIN IMMEDIATE")
            self._writer.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            self._writer.execute("COMMIT")

    # --------------------------------------------------------------------------- reading

    @contextlib.contextmanager
    def reader(self) -> Iterator[sqlite3.Connection]:
        """A connection for this use alone; it goes back to the pool, not to the thread, since threads come and go."""
        with self._queue_lock:
            connection = self._idle.pop() if self._idle else None
        if connection is None:
            connection = self._connect()
            connection.execute("PRAGMA query_only = ON")
        try:
            yield connection
        finally:
            with self._queue_lock:
                keep = not self._closed and len(self._idle) < _IDLE_READERS
                if keep:
                    self._idle.append(connection)
            if not keep:
                connection.close()

    def entry(self, sop_instance_uid: str) -> Entry | None:
        """The object with this SOP Instance UID."""
        with self.reader() as connection:
            row = connection.execute(
                f"SELECT {Entry.SQL} FROM instances i WHERE i.SOPInstanceUID = ?", (sop_instance_uid,)
            ).fetchone()
        return Entry(*row) if row else None

    def objects(self, prefix: str) -> dict[str, tuple[int, int]]:
        """Names of files that begin with *prefix*: the number of the row and the size of the file."""
        with self.reader() as connection:
            rows = connection.execute(
                "SELECT object, id, size FROM instances WHERE object >= ? AND object < ?", (prefix, prefix + "~")
            )
            return {name: (number, size) for name, number, size in rows}

    def counts(self) -> dict[str, int]:
        """How many patients, studies, series and instances there are."""
        with self.reader() as connection:
            return {
                table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
                for table in ("patients", "studies", "series", "instances")
            }

    # --------------------------------------------------------------------------- writing

    def add(self, records: Sequence[Record]) -> None:
        """Record objects; when this returns they are committed.

        Whoever has the lock commits for everybody who waits for it.

        Raises
        ------
        IndexFailed
            If they were not recorded.
        """
        batch = _Batch(records)
        with self._queue_lock:
            self._queue.append(batch)
        with self._write_lock:
            if not batch.done:
                with self._queue_lock:
                    batches, self._queue = self._queue, []
                self._commit(batches)
        if batch.error is not None:
            raise IndexFailed(str(batch.error)) from batch.error

    def _commit(self, batches: Sequence[_Batch]) -> None:
        connection = self._writer
        try:
            connection.execute("BEGIN IMMEDIATE")
            for batch in batches:
                connection.execute("SAVEPOINT batch")
                try:
                    for record in batch.records:
                        _insert(connection, record)
                except (sqlite3.IntegrityError, sqlite3.DataError, ValueError, OverflowError) as error:
                    # This object cannot be recorded; the others of the transaction have nothing to do with it.
                    connection.execute("ROLLBACK TO batch")
                    batch.error = error
                connection.execute("RELEASE batch")
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            _log.error("the index cannot be written: %s", printable(error))
            if connection.in_transaction:
                with contextlib.suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
            for batch in batches:
                batch.error = batch.error or error
        finally:
            for batch in batches:
                batch.done = True

    def remove(self, numbers: Iterable[int]) -> None:
        """Forget objects by the number of their row, and what is empty without them."""
        connection = self._writer
        with self._write_lock:
            try:
                connection.execute("BEGIN IMMEDIATE")
                for number in numbers:
                    _delete(connection, number)
                connection.execute("COMMIT")
            except sqlite3.Error as error:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise IndexFailed(str(error)) from error


def _is_damage(error: sqlite3.Error) -> bool:
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


# ------------------------------------------------------------------------------- rows


def patient_identity(values: Mapping[str, Any]) -> str:
    """What two objects must share to belong to one patient.

    The Patient ID and its issuer; where there is no Patient ID, name and birth date as well, lest all those without one
    become one person.
    """
    key = [_text(values, "PatientID"), _text(values, "IssuerOfPatientID")]
    if not key[0]:
        key += [*fold_name(_text(values, "PatientName") or ""), _text(values, "PatientBirthDate")]
    return json.dumps(key)


def _text(values: Mapping[str, Any], keyword: str) -> str | None:
    """A value as a column keeps it: None where there is none, so that nothing but the universal key matches it."""
    value = values.get(keyword)
    if value is None or value == "":
        return None
    if isinstance(value, (tuple, list)):
        value = "\\".join("" if item is None else str(item) for item in value)
    text = str(value).replace("\0", "").strip(" ").encode("utf-8", "replace").decode("utf-8")
    column = COLUMNS.get(keyword)
    if column is not None and column.vr in ("DA", "TM"):
        text = plain_date_time(text)
    return text or None


def _row(values: Mapping[str, Any], level: Level) -> dict[str, str | None]:
    return {column.keyword: _text(values, column.keyword) for column in COLUMNS.values() if column.level is level}


def _more(values: Mapping[str, Any], level: Level) -> dict[str, Any]:
    """The attributes of a level that have no column, for JSON."""
    kept: dict[str, Any] = {}
    for keyword, value in values.items():
        if keyword not in COLUMNS and level_of(keyword) is level and value is not None and value != "":
            items = value if isinstance(value, (tuple, list)) else (value,)
            if not all(isinstance(item, (int, float)) for item in items):
                kept[keyword] = _text(values, keyword)
            elif all(math.isfinite(item) for item in items):  # JSON has no word for the others
                kept[keyword] = value
    return kept


def _dump(more: Mapping[str, Any]) -> str | None:
    return json.dumps(more, ensure_ascii=False, separators=(",", ":"), allow_nan=False) if more else None


def _put(connection: sqlite3.Connection, table: str, row: Mapping[str, Any]) -> int:
    cursor = connection.execute(
        f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", tuple(row.values())
    )
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def _insert(connection: sqlite3.Connection, record: Record) -> None:
    values = record.values
    study, other_patient = _study(connection, values)
    series_uid = _text(values, "SeriesInstanceUID")
    found = connection.execute(
        "SELECT s.id, m.more FROM series s LEFT JOIN series_more m ON m.id = s.id"
        " WHERE s.SeriesInstanceUID = ? AND s.study = ?",
        (series_uid, study),
    ).fetchone()
    more = _more(values, Level.IMAGE)
    if found is None:
        series = _put(connection, "series", {"study": study, **_row(values, Level.SERIES)})
        _put(connection, "series_more", {"id": series, "more": _dump(more)})
        more = {}
        if other_patient:
            _log.warning(
                "study %s: series %s arrives with another patient; it is kept with the first",
                printable(values.get("StudyInstanceUID")),
                printable(series_uid),
            )
    else:
        # Only what differs from the series' first instance; "" says that this instance does not have the attribute.
        series, shared = found[0], json.loads(found[1] or "{}")
        own = {keyword: value for keyword, value in more.items() if shared.get(keyword) != _plain(value)}
        more = own | {keyword: "" for keyword in shared if keyword not in more}
    _put(
        connection,
        "instances",
        {
            "series": series,
            **_row(values, Level.IMAGE),
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


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _study(connection: sqlite3.Connection, values: Mapping[str, Any]) -> tuple[int, bool]:
    """The study's row, and whether it belongs to another patient than the object says: the first one keeps it."""
    uid, identity = _text(values, "StudyInstanceUID"), patient_identity(values)
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
        more = _dump(_more(values, Level.PATIENT))
        patient = _put(connection, "patients", {"identity": identity, **_row(values, Level.PATIENT), "more": more})
        groups = fold_name(_text(values, "PatientName") or "")
        connection.executemany(
            "INSERT INTO names VALUES (?, ?, ?)", [(patient, k, name) for k, name in enumerate(groups) if name]
        )
    study = {"patient": patient, **_row(values, Level.STUDY), "more": _dump(_more(values, Level.STUDY))}
    return _put(connection, "studies", study), False


def _delete(connection: sqlite3.Connection, number: int) -> None:
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
