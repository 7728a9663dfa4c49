"""When Success (0000H) is answered, and what survives what: ``"full"``, ``"batch"`` or ``"none"``.

full
    The object is on the disk, under its name and in the index, before it is answered.  It survives a power cut.  Senders
    that store at the same time share the commits of the index, and of the file system's journal.
batch
    It is answered when the object is whole, under its name and in the index; at most a second later it is on the disk.
    It survives the end of this process at once, a power cut after that second.
none
    The same without the second: the system writes it when it likes.

Where the process did not end in order, what may have been lost is read back and compared with its digest at the next start
(`Unsynced` remembers since when), so that a file of zeros is never offered.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal

from nbdicom.errors import system_reason

__all__ = ["Durability", "Syncer", "Unsynced", "sync_file", "sync_folder"]

_log = logging.getLogger("nbdicom.pacs")

Durability = Literal["full", "batch", "none"]

BATCH_SECONDS = 1.0  #: how long an object may wait for its sync with ``"batch"``
_SLACK = 2.0  #: seconds that clocks of files may be coarse


def sync_file(path: str | Path) -> None:
    """Have a file on the disk.

    Raises
    ------
    OSError
        If it is not.  That is final: a second fsync may say yes to what was lost.
    """
    # Windows syncs only what may be written.
    descriptor = os.open(path, os.O_RDONLY if os.name == "posix" else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(path: str | Path) -> None:
    """Have the names in a folder on the disk; not needed, and not possible, on Windows."""
    if os.name == "posix":
        sync_file(path)


class Unsynced:
    """Remembers, in the store itself, since when objects may not be on the disk."""

    def __init__(self, root: Path) -> None:
        self._path = root / "unsynced"

    def since(self) -> float | None:
        """The time (of files) from which on objects are doubtful; None if all is well."""
        try:
            return self._path.stat().st_mtime - _SLACK
        except FileNotFoundError:
            return None

    def begin(self) -> None:
        """From now on objects may be lost; this note itself is on the disk when it returns."""
        self._path.touch()
        sync_file(self._path)
        sync_folder(self._path.parent)

    def synced(self, at: float) -> None:
        """All that was stored before *at* is on the disk."""
        os.utime(self._path, (at, at))

    def end(self) -> None:
        """Nothing is doubtful any more."""
        self._path.unlink(missing_ok=True)


class Syncer:
    """Brings objects to the disk a moment after they were answered, many at a time (``"batch"``).

    What could not be synced stays doubtful until the next start, and with it all that comes after: that the disk takes a
    later sync says nothing about an earlier one.

    Parameters
    ----------
    index : Path
        The index; its write-ahead log is synced with the objects that it records.
    unsynced : Unsynced
        Told how far it came.
    failed : callable
        Called when something could not be synced: nothing more should be answered in the hope of a sync that follows.
    """

    def __init__(self, index: Path, unsynced: Unsynced, failed: Callable[[], object]) -> None:
        self._index = index
        self._unsynced = unsynced
        self._tell = failed
        self._has_failed = False
        self._waiting: list[Path] = []
        self._news = threading.Condition()
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="nbdicom sync", daemon=True)
        self._thread.start()

    def add(self, paths: Iterable[Path]) -> None:
        """These objects are whole and recorded, and not on the disk yet."""
        with self._news:
            self._waiting.extend(paths)
            self._news.notify()

    def close(self) -> bool:
        """Sync what waits and end; False if something could not be synced."""
        with self._news:
            self._ended = True
            self._news.notify()
        self._thread.join()
        return not self._has_failed

    def _run(self) -> None:
        while True:
            with self._news:
                self._news.wait_for(lambda: self._waiting or self._ended)
                if not self._ended:
                    self._news.wait_for(lambda: self._ended, BATCH_SECONDS)  # others join this batch
                batch, self._waiting = self._waiting, []
            if not batch:
                return
            try:
                at = time.time()
                self._sync(batch)
                if not self._has_failed:
                    self._unsynced.synced(at)
            except Exception as error:  # of the disk or not: they were answered, and are not known to be there
                _log.error(
                    "%d objects could not be synced (%s): they are checked at the next start, and from now on each is synced"
                    " before it is answered",
                    len(batch),
                    system_reason(error),
                )
                self._has_failed = True
                self._tell()

    def _sync(self, batch: list[Path]) -> None:
        wal = self._index.with_name(f"{self._index.name}-wal")
        for path in batch:
            _if_there(sync_file, path)
        for folder in {path.parent for path in batch}:
            sync_folder(folder)
        # A commit is valid as soon as its frames are in the log, by their checksums.
        _if_there(sync_file, wal)
        _if_there(sync_file, self._index)


def _if_there(sync: Callable[[Path], None], path: Path) -> None:
    try:
        sync(path)
    except FileNotFoundError:
        pass  # removed meanwhile: nothing to keep
