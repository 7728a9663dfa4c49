"""What the index and the workflow database have in common: files of SQLite that few may read, opened alike.

What they are for, and what becomes of a damaged one, differs: see `nbdicom.pacs.index` and `nbdicom.pacs.workflow.database`.
"""

from __future__ import annotations

import logging
import os
import sqlite3
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from nbdicom.errors import PacsError
from nbdicom.pacs.durability import sync_folder
from nbdicom.table import printable

__all__ = ["BUSY_SECONDS", "connect", "journal", "make_database", "set_database_aside", "unopened"]

_log = logging.getLogger("nbdicom.pacs")

BUSY_SECONDS = 5.0  #: how long a statement waits for another process that holds the file


def make_database(path: Path) -> None:
    """Make an empty file for a database if there is none, with the mode of an object's file.

    SQLite would make it for everybody to read who may enter the folder, and there are names of patients in it; what it
    makes beside the file gets the file's mode.  Where it cannot be made, SQLite says why.
    """
    with suppress(OSError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640))
        sync_folder(path.parent)


def set_database_aside(path: Path, told: str, error: Exception) -> None:
    """Give a database that is damaged another name, with what SQLite keeps beside it; *told* is for the log.

    Its content is not lost: somebody may want to look at it.
    """
    aside = f"{path.name}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%S%f}"
    _log.error(told, aside, printable(error))
    for ending in ("", "-wal", "-shm"):
        old = path.with_name(path.name + ending)
        if old.exists():
            old.rename(path.with_name(aside + ending))


def connect(path: Path) -> sqlite3.Connection:
    """A connection for any thread, on which nothing begins a transaction by itself."""
    return sqlite3.connect(
        path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=256
    )


def journal(connection: sqlite3.Connection, *, durable: bool) -> None:
    """Write ahead: readers do not wait for the writer.  Without *durable* the last commits may be lost.

    FULL syncs the log at every commit, NORMAL only at checkpoints.
    """
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")


def unopened(what: str, path: Path, error: sqlite3.Error) -> PacsError:
    """Why a database cannot be used at all."""
    return PacsError(
        f"the {what} {path} cannot be opened for writing: {error}", hint="check the permissions and the free space"
    )
