"""The SQLite index: who, what and where, for every object of the store.

One connection writes, under one lock, in WAL mode with ``synchronous=FULL``: what was committed is on the disk.
Readers take connections from a pool and never wait for the writer.

The index holds nothing that the objects do not: when it is damaged it is set aside and made again from them.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from nbdicom.pacs.databases import connect, journal, make_database, unopened
from nbdicom.pacs.rows import Record, Writer, delete
from nbdicom.pacs.schema import APPLICATION_ID, SCHEMA, SCHEMA_VERSION
from nbdicom.table import printable

__all__ = ["Entry", "Index", "IndexDamaged", "IndexFailed"]

_log = logging.getLogger("nbdicom.pacs")

_CHECKED_WHOLE = 256 << 20  #: bytes up to which the index is read and checked at every start; about 1 s
_IDLE_READERS = 8


class IndexDamaged(Exception):
    """The file is no index of ours, or SQLite finds it corrupt."""


class IndexFailed(Exception):
    """A write to the index did not happen: the disk is full, or another process holds the file."""


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
    error: BaseException | None = None


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
        self._pool_lock = threading.Lock()
        self._idle: list[sqlite3.Connection] = []
        self._closed = False
        try:
            make_database(path)
            self._writer = self._connect()
            try:
                self._check()
                self._create()
                self._rows = Writer(self._writer)
            except BaseException:
                self._writer.close()
                raise
        except sqlite3.Error as error:
            if _is_damage(error):
                raise IndexDamaged(str(error)) from error
            raise unopened("index", path, error) from error

    def close(self) -> None:
        """Close every connection that is not in use; the last one folds the write-ahead log into the file."""
        with self._pool_lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()
        with self._write_lock:
            self._writer.close()

    # --------------------------------------------------------------------------- opening

    def _connect(self) -> sqlite3.Connection:
        connection = connect(self.path)
        try:
            journal(connection, durable=self._durable)
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
        with self._pool_lock:
            connection = self._idle.pop() if self._idle else None
        if connection is None:
            connection = self._connect()
            connection.execute("PRAGMA query_only = ON")
        try:
            yield connection
        finally:
            with self._pool_lock:
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

    def entries(self, prefix: str) -> list[Entry]:
        """The objects whose files' names begin with *prefix*."""
        with self.reader() as connection:
            rows = connection.execute(
                f"SELECT {Entry.SQL} FROM instances i WHERE object >= ? AND object < ?", (prefix, prefix + "~")
            )
            return [Entry(*row) for row in rows]

    def counts(self) -> dict[str, int]:
        """How many patients, studies, series and instances there are."""
        with self.reader() as connection:
            return {
                table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
                for table in ("patients", "studies", "series", "instances")
            }

    # --------------------------------------------------------------------------- writing

    def add(self, records: Sequence[Record]) -> None:
        """Record objects, all of them or none; when this returns they are committed.

        Raises
        ------
        IndexFailed
            If they were not recorded.
        """
        (error,) = self.add_each([records])
        if error is not None:
            raise error

    def add_each(self, parts: Sequence[Sequence[Record]]) -> list[IndexFailed | None]:
        """Record several parts in one transaction: for each None, or why it was not recorded."""
        batches = [_Batch(records) for records in parts]
        with self._write_lock:
            self._commit(batches)
        return [None if batch.error is None else _failed(batch.error) for batch in batches]

    def _commit(self, batches: Sequence[_Batch]) -> None:
        try:
            try:
                with self._transaction():
                    self._rows.add(record for batch in batches for record in batch.records)
            except sqlite3.OperationalError:
                raise  # the disk, not an object
            except Exception:
                # One of them cannot be recorded; the others have nothing to do with it.
                with self._transaction():
                    for batch in batches:
                        self._add_apart(batch)
        except BaseException as error:
            _log.error("the index cannot be written: %s", printable(error))
            for batch in batches:
                batch.error = batch.error or error
            if not isinstance(error, sqlite3.Error):
                raise  # an interrupt of the user's, say: nobody else may believe that all is well

    def _add_apart(self, batch: _Batch) -> None:
        """Record one part, or say in it why not; within a transaction."""
        self._writer.execute("SAVEPOINT batch")
        try:
            self._rows.add(batch.records)
        except sqlite3.OperationalError:
            raise
        except Exception as error:
            self._rows.forget()
            self._writer.execute("ROLLBACK TO batch")
            batch.error = error
        self._writer.execute("RELEASE batch")

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        """All of it is committed when it ends, or nothing."""
        connection = self._writer
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            connection.execute("COMMIT")
        except BaseException:
            self._rows.forget()
            with contextlib.suppress(sqlite3.Error):
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
            raise

    def remove(self, numbers: Iterable[int]) -> None:
        """Forget objects by the number of their row, and what is empty without them."""
        with self._write_lock:
            self._rows.forget()
            try:
                with self._transaction():
                    for number in numbers:
                        delete(self._writer, number)
            except sqlite3.Error as error:
                raise IndexFailed(str(error)) from error


def _failed(error: BaseException) -> IndexFailed:
    failed = IndexFailed(str(error))
    failed.__cause__ = error
    return failed


def _is_damage(error: sqlite3.Error) -> bool:
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
