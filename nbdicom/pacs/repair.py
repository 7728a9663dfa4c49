"""Putting right at the start what an interruption, a full disk or a hand in the folder left behind.

Half received files go (`ObjectStore.clear_incoming`), whole objects without a row are adopted, rows without a file are
dropped with a line in the log, a damaged index is set aside and made again from the objects.  Nothing that might be of
use is deleted or overwritten, and doing it twice changes nothing.  The same is asked of the whole archive by `scrub`.
"""

from __future__ import annotations

import logging
import math
import mmap
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from nbdicom.blocking.interrupt import look_up
from nbdicom.data.identity import data_set_digest
from nbdicom.errors import DataSetError, PacsError
from nbdicom.pacs.databases import set_database_aside
from nbdicom.pacs.header import HeaderReader
from nbdicom.pacs.index import Entry, Index, IndexDamaged, IndexFailed
from nbdicom.pacs.rows import Record
from nbdicom.pacs.storage import FOLDERS, ObjectStore, object_name
from nbdicom.table import Table, Tabular, printable

__all__ = ["Checked", "Scrubbed", "damage_of", "open_index", "repair", "scrub", "withdraw"]

_log = logging.getLogger("nbdicom.pacs")

_BATCH = 256  #: objects that are recorded in one transaction


def open_index(path: Path, *, durable: bool) -> Index:
    """The index, or a new one where it cannot be trusted; the damaged file keeps its content under another name.

    Raises
    ------
    PacsError
        If it cannot be opened for writing.
    """
    try:
        return Index(path, durable=durable)
    except IndexDamaged as error:
        set_database_aside(path, "the index is set aside as %s and made again from the objects: %s", error)
    try:
        return Index(path, durable=durable)
    except IndexDamaged as error:
        raise PacsError(f"the index {path} cannot be made: {error}") from error


def repair(store: ObjectStore, index: Index) -> None:
    """Bring files and rows together again.

    What is adopted is so in the order in which it came, as far as the times of the files tell, since the first object of a
    study speaks for it: nobody touches a file after it has come.  Those of the same few milliseconds go by their names.

    Raises
    ------
    PacsError
        If the index cannot be written.
    """
    lost: list[int] = []
    unknown: list[tuple[float, str]] = []
    for prefix, files in store.scan():
        look_up()
        rows = index.objects(prefix)
        for name, (number, size) in rows.items():
            if files.get(name) != size:
                lost.append(number)
                what = "is gone" if name not in files else f"has {files[name]} bytes instead of {size}"
                _log.error("object %s: the file %s; it is no longer offered", name, what)
                if name in files:
                    _set_aside(store, name)
        unknown += [(_changed(store.path(name)), name) for name in files.keys() - rows.keys()]
    unknown.sort()
    adopted = 0
    for start in range(0, len(unknown), _BATCH):
        look_up()
        adopted += _adopt(store, index, [name for _, name in unknown[start : start + _BATCH]])
    if lost:
        try:
            index.remove(lost)
        except IndexFailed as error:
            raise _unwritable(index, error) from error
    if adopted:
        _log.warning("%d objects that the index did not know were adopted", adopted)


@dataclass(frozen=True, slots=True)
class Checked:
    """One object that was read back; ``damage`` says what is wrong, "" nothing."""

    sop_instance_uid: str
    object: str
    size: int
    damage: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class Scrubbed(Tabular):
    """How many objects were read back, and which of them are not what was received."""

    checked: int
    bytes: int
    damaged: tuple[Checked, ...]

    @classmethod
    def of(cls, checks: Iterable[Checked]) -> Scrubbed:
        """Count; the sound ones are not kept."""
        count = size = 0
        damaged = []
        for check in checks:
            count += 1
            size += check.size
            if check.damage:
                damaged.append(check)
        return cls(count, size, tuple(damaged))

    def __bool__(self) -> bool:
        """True if everything is sound."""
        return not self.damaged

    def table(self) -> Table:
        """One row for each damaged object."""
        rows = [(printable(one.sop_instance_uid), one.damage, one.object) for one in self.damaged]
        title = f"{self.checked} objects ({self.bytes:,} bytes) read back, {len(rows)} damaged"
        return Table(title, ("SOP Instance UID", "damage", "object"), rows)


def scrub(
    store: ObjectStore,
    index: Index,
    alone: Callable[[set[str]], AbstractContextManager[None]],
    *,
    since: float = 0.0,
) -> Iterator[Checked]:
    """Read objects back and compare them with the digest that was taken when they were received.

    What is damaged is no longer offered: its row is removed, its file moved to ``damaged``.

    Parameters
    ----------
    store : ObjectStore
        The files.
    index : Index
        What they should be.
    alone : callable
        ``alone(SOP Instance UIDs)`` is a context in which nobody else stores them.
    since : float
        Only files that were changed after this time (in seconds since 1970).
    """
    for prefix in FOLDERS:
        for entry in index.entries(prefix):
            if since and _changed(store.path(entry.object)) < since:
                continue
            damage = damage_of(store, entry)
            if damage:
                with alone({entry.sop_instance_uid}):
                    if index.entry(entry.sop_instance_uid) != entry:
                        continue  # it was removed meanwhile, or is another one now
                    damage = damage_of(store, entry)
                    if damage:
                        try:
                            withdraw(store, index, entry, damage)
                        except IndexFailed as error:
                            raise _unwritable(index, error) from error
            yield Checked(entry.sop_instance_uid, entry.object, entry.size, damage)


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return math.inf  # to be looked at


def damage_of(store: ObjectStore, entry: Entry) -> str:
    """What is wrong with the file of an object, "" nothing."""
    try:
        whole = data_set_digest(store.path(entry.object), entry.offset) == entry.digest.hex()
    except FileNotFoundError:
        return "its file is gone"
    except OSError as error:
        return f"its file cannot be read: {error.strerror}"
    return "" if whole else "its bytes are others than were received"


def withdraw(store: ObjectStore, index: Index, entry: Entry, damage: str) -> None:
    """An object that is damaged is offered no longer, and nobody may store it meanwhile.

    The file goes first.  A row without a file is dropped at the next start; a file without a row would be adopted there,
    and what it has become be taken for what was received.

    Raises
    ------
    IndexFailed, OSError
        If it stays.
    """
    _log.error("object %s: %s; it is no longer offered", entry.object, damage)
    if store.has(entry.object):
        _set_aside(store, entry.object)
    index.remove([entry.id])


def _adopt(store: ObjectStore, index: Index, names: Sequence[str]) -> int:
    """Record object files that have no row; one that is not whole is set aside."""
    records, reader = [], HeaderReader()
    for name in names:
        try:
            records.append(_read_record(store.path(name), name, reader))
        except DataSetError as error:
            _log.error("object %s: no row, and no whole object: %s", name, printable(error.message))
            _set_aside(store, name)
    try:
        index.add(records)
    except IndexFailed as error:
        raise _unwritable(index, error) from error
    return len(records)


def _set_aside(store: ObjectStore, name: str) -> None:
    aside = store.set_aside(store.path(name))
    _log.error("object %s: the file was moved to %s", name, f"{aside.parent.name}/{aside.name}")


def _unwritable(index: Index, error: Exception) -> PacsError:
    return PacsError(f"the index {index.path} cannot be written: {error}", hint="check the free space")


def _read_record(path: Path, name: str, reader: HeaderReader) -> Record:
    """What the index needs to know, from the file alone.

    Raises
    ------
    DataSetError
        If the file is not the whole object that its name promises.
    """
    from nbdicom.data.part10 import read_header

    header = read_header(path)
    if object_name(header.sop_instance_uid) != name:
        raise DataSetError("the file belongs to another SOP Instance UID")
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        with (
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
            memoryview(mapped) as view,
            view[header.data_offset :] as data,
        ):
            attributes = reader.read(data, header.transfer_syntax)
    values = attributes.values
    if values.get("SOPInstanceUID") != header.sop_instance_uid or values.get("SOPClassUID") != header.sop_class_uid:
        raise DataSetError("data set and file meta information differ")
    return Record(
        attributes=attributes,
        transfer_syntax=header.transfer_syntax,
        object=name,
        size=status.st_size,
        offset=header.data_offset,
        digest=bytes.fromhex(data_set_digest(path, header.data_offset)),
        received=datetime.fromtimestamp(status.st_mtime, UTC).isoformat(timespec="seconds"),
        source=header.source_ae_title,
    )
