"""The workflow database: what a hospital has to remember beside its images.

A file of its own, apart from the index.  The index can be made again from the objects at any time and is thrown away
when it is damaged; what is here (appointments, procedure steps, promises, undelivered reports) is written nowhere else.

One connection under one lock: what happens here happens a few times a minute, not a thousand times a second.
"""

from __future__ import annotations

import base64
import contextlib
import json
import logging
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nbdicom.errors import PacsError
from nbdicom.pacs.databases import connect, journal, make_database, set_database_aside, unopened

__all__ = ["Attributes", "Database", "dump", "load", "now"]

_log = logging.getLogger("nbdicom.pacs")

#: A data set as it is kept: see `nbdicom.data.nested`.
Attributes = dict[str, Any]

_APPLICATION_ID = 0x6E624457  #: "nbDW" in the file's header

#: What each version of the file added; the number of those that were applied is the file's ``user_version``.
_MIGRATIONS = (
    """
    CREATE TABLE worklist (id INTEGER PRIMARY KEY, study TEXT NOT NULL, step TEXT NOT NULL, starts TEXT NOT NULL,
        status TEXT NOT NULL, attributes TEXT NOT NULL, UNIQUE (study, step));
    CREATE INDEX worklist_by_start ON worklist (starts);
    CREATE TABLE performed_steps (uid TEXT PRIMARY KEY, status TEXT NOT NULL, source TEXT NOT NULL,
        changed TEXT NOT NULL, attributes TEXT NOT NULL);
    CREATE TABLE availability (uid TEXT PRIMARY KEY, source TEXT NOT NULL, received TEXT NOT NULL,
        attributes TEXT NOT NULL);
    CREATE TABLE commitments (id INTEGER PRIMARY KEY, ae_title TEXT NOT NULL, transaction_uid TEXT NOT NULL,
        asked TEXT NOT NULL, request TEXT NOT NULL, result TEXT, UNIQUE (ae_title, transaction_uid));
    CREATE TABLE workitems (uid TEXT PRIMARY KEY, state TEXT NOT NULL, transaction_uid TEXT, changed TEXT NOT NULL,
        attributes TEXT NOT NULL);
    CREATE TABLE subscriptions (ae_title TEXT NOT NULL, uid TEXT NOT NULL, lock INTEGER NOT NULL,
        PRIMARY KEY (ae_title, uid)) WITHOUT ROWID;
    CREATE TABLE global_subscriptions (ae_title TEXT PRIMARY KEY, lock INTEGER NOT NULL, keys TEXT);
    CREATE TABLE reports (id INTEGER PRIMARY KEY AUTOINCREMENT, ae_title TEXT NOT NULL, sop_class TEXT NOT NULL,
        sop_instance TEXT NOT NULL, subject TEXT NOT NULL, event_type INTEGER, information TEXT, made TEXT NOT NULL,
        attempts INTEGER NOT NULL DEFAULT 0, problem TEXT NOT NULL DEFAULT '', delivered TEXT);
    CREATE INDEX reports_to_deliver ON reports (ae_title, id) WHERE delivered IS NULL;
    """,
)


def now() -> str:
    """The time as it is recorded: UTC, in seconds."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def dump(attributes: Mapping[str, Any]) -> str:
    """A data set as JSON."""
    return json.dumps(attributes, ensure_ascii=False, default=lambda raw: {"base64": base64.b64encode(raw).decode()})


def load(text: str) -> Attributes:
    """The data set of `dump`."""
    attributes: Attributes = json.loads(text, object_hook=_bytes)
    return attributes


def _bytes(value: dict[str, Any]) -> Any:
    return base64.b64decode(value["base64"]) if value.keys() == {"base64"} else value


class Database:
    """The workflow database of one store.

    Parameters
    ----------
    path : Path
        The SQLite file; made, or brought up to date, when it is opened.
    durable : bool
        False leaves out the syncs of each commit.

    Raises
    ------
    PacsError
        If it cannot be opened, or a newer version of nbdicom made it.
    """

    def __init__(self, path: Path, *, durable: bool = True) -> None:
        self.path = path
        self._lock = threading.RLock()
        try:
            self._connection = self._open(durable)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise unopened("database", path, error) from error
            set_database_aside(path, "the workflow database is set aside as %s, and its content with it: %s", error)
            self._connection = self._open(durable)

    def _open(self, durable: bool) -> sqlite3.Connection:
        make_database(self.path)
        connection = connect(self.path)
        try:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            (application,) = connection.execute("PRAGMA application_id").fetchone()
            if version > len(_MIGRATIONS) or application not in (0, _APPLICATION_ID):
                raise PacsError(
                    f"the database {self.path} is of another kind or of a newer version",
                    hint="use the version of nbdicom that made it, or another folder",
                )
            (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            if verdict != "ok":
                raise sqlite3.DatabaseError(verdict)
            journal(connection, durable=durable)
            steps = "".join(_MIGRATIONS[version:])
            connection.executescript(
                f"BEGIN IMMEDIATE; {steps} PRAGMA application_id = {_APPLICATION_ID};"
                f"PRAGMA user_version = {len(_MIGRATIONS)}; COMMIT;"
            )
        except BaseException:
            connection.close()
            raise
        return connection

    def close(self) -> None:
        """Close the file; the write-ahead log is folded into it."""
        with self._lock:
            self._connection.close()

    @contextlib.contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """The connection, for statements that change nothing.

        Raises
        ------
        PacsError
            If SQLite fails.
        """
        with self._lock, _explaining():
            yield self._connection

    @contextlib.contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """A transaction: committed at the end, rolled back by an exception.

        Raises
        ------
        PacsError
            If SQLite fails; nothing has been changed then.
        """
        with self._lock, _explaining():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise


@contextlib.contextmanager
def _explaining() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise PacsError(
            f"the workflow database fails: {error}", hint="check the free space, and that nobody else has the file open"
        ) from error
