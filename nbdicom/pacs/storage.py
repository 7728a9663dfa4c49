"""The object files: how bytes that arrive become a file that stays, and how it is read again.

A file's name is ours, made by hashing the SOP Instance UID; no text of a peer becomes part of a path.  An object is
written to ``incoming`` in the same file system, synced, renamed to its place in ``objects`` and the folder is synced:
whatever is seen under an object's name is whole.  The data set is kept bit for bit as it was received, behind a
preamble of zeros and File Meta Information of our own (PS3.10 7.1).

Paths are text where an object passes: a `Path` is made and joined in 10 us, and it would be eight of them for each.
"""
# ruff: noqa: PTH105, PTH108, PTH118

from __future__ import annotations

import hashlib
import logging
import mmap
import os
import secrets
import weakref
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from nbdicom.core.streams import DataSource
from nbdicom.data.lock import FolderLock
from nbdicom.data.sink import FreeSpace, PartFile
from nbdicom.errors import PacsError
from nbdicom.operations.requests import Refuse
from nbdicom.pacs.durability import sync_folder
from nbdicom.table import printable
from nbdicom.uids import UID

__all__ = ["FOLDERS", "Incoming", "ObjectStore", "StoredInstance", "folder_unusable", "object_name", "store_lock"]

_log = logging.getLogger("nbdicom.pacs")

_SUFFIX = ".dcm"
FOLDERS = tuple(f"{k:02x}" for k in range(256))  #: of ``objects``: the first two letters of a name
_HEAD = 1 << 15  #: bytes of a data set that are at hand when it is complete


def object_name(sop_instance_uid: str) -> str:
    """The name of an object's file.

    >>> object_name("1.2.3")
    'ded83518653cb4f1a655c5692d7a3f75cf2b46ad64eaea99f9601fa9'
    """
    return hashlib.sha224(sop_instance_uid.encode("utf-8", "surrogateescape")).hexdigest()


def folder_unusable(error: OSError, root: Path) -> PacsError:
    """Why the folder *root* cannot be used, in words."""
    return PacsError(
        f"the folder {root} cannot be used: {error.strerror}", hint="choose a folder that you may write to"
    )


@dataclass(frozen=True, slots=True)
class StoredInstance:
    """An object of the store; it can be sent (it is a `StorableInstance`)."""

    sop_class_uid: UID
    sop_instance_uid: UID
    transfer_syntax: UID
    path: Path  #: its Part 10 file; read it, but leave it as it is
    offset: int  #: where the data set begins in the file
    size: int  #: bytes of the file
    digest: str  #: SHA-256 of the data set, in hexadecimal

    def open(self, transfer_syntax: UID) -> DataSource:
        """The data set as a stream; re-encoded only where nothing is lost.

        Raises
        ------
        DataSetError, OSError
            If the file is gone, or cannot be converted.
        """
        from nbdicom.data.source import FileSource, InstanceFile

        if transfer_syntax == self.transfer_syntax:
            return FileSource(self.path, self.offset)
        return InstanceFile(self.path).open(transfer_syntax)


class Incoming(PartFile):
    """A `DataSink` for one object: the file under a temporary name, the digest of its data set, and its beginning.

    It stays until `ObjectStore.keep` gives it its name; if it is let go before, the file goes with it.
    """

    def __init__(self, part: str, header: bytes, *, limit: int, free: FreeSpace | None = None) -> None:
        super().__init__(part, header, digest=True, free=free)
        self.offset = len(header)  #: where the data set begins in the file
        self._limit = limit
        self.head = bytearray()  #: the data set's first 32 KiB or some more, and all of it if it is no longer
        assert self._descriptor is not None
        self._discard = weakref.finalize(self, _discard, self._descriptor, part, os.getpid())

    def write(self, views: Sequence[memoryview]) -> None:
        """Append the next bytes of the data set."""
        if self.size + sum(map(len, views)) > self._limit:
            raise Refuse(0xA700, f"object of more than {self._limit} bytes")
        super().write(views)
        for view in views:
            if len(self.head) >= _HEAD:
                break
            self.head += view[:_HEAD]

    def close(self, complete: bool) -> None:
        """Nothing more comes: keep what there is for the handler, or drop it."""
        if not complete:
            self.drop()

    def view(self) -> memoryview:
        """The data set in memory as far as it is looked at; one of a gigabyte costs the pages that are read."""
        assert self._descriptor is not None
        file = mmap.mmap(self._descriptor, self.offset + self.size, access=mmap.ACCESS_READ)
        return memoryview(file)[self.offset :]

    def rename(self, path: str) -> None:
        """Give the file its name; from now on it stays.

        Raises
        ------
        OSError
            If it cannot have it; the file is removed then.
        """
        self._discard.detach()
        self._end()
        try:
            os.replace(self.part, path)
        except OSError:
            with suppress(FileNotFoundError):
                os.unlink(self.part)
            raise

    def drop(self) -> None:
        """Remove the file, if it has not been renamed."""
        self._descriptor = None
        self._discard()


def _discard(descriptor: int, part: str, process: int) -> None:
    if process != os.getpid():
        return  # we were forked, and it is the parent's
    try:
        os.close(descriptor)
        with suppress(FileNotFoundError):
            os.unlink(part)
    except OSError as error:
        _log.warning("a temporary file cannot be removed: %s", error.strerror)


class ObjectStore:
    """The files of one store.

    Parameters
    ----------
    root : Path
        The store's folder.
    durable : bool
        Whether folders are synced when a file gets its name.
    free_space : int
        Bytes that stay free on the file system.
    """

    def __init__(self, root: Path, *, durable: bool = True, free_space: int = 0) -> None:
        self.root = root
        self.incoming = root / "incoming"
        self.objects = root / "objects"
        self._prefix = os.path.join(self.objects, "")
        self._temporary = os.path.join(self.incoming, "")
        self.damaged = root / "damaged"
        self.durable = durable  #: False: whoever answers has something else that brings folders to the disk
        self._free = FreeSpace(root, free_space)
        try:
            self.incoming.mkdir(parents=True, exist_ok=True)
            self.objects.mkdir(exist_ok=True)
            have = {entry.name for entry in os.scandir(self.objects)}
            for name in FOLDERS:
                if name not in have:
                    (self.objects / name).mkdir()
            if durable:
                sync_folder(self.objects)
                sync_folder(root)
        except OSError as error:
            raise folder_unusable(error, root) from error

    def receive(self, header: bytes, *, limit: int) -> Incoming:
        """A new temporary file that begins with *header*."""
        part = f"{self._temporary}{os.urandom(16).hex()}.part"
        return Incoming(part, header, limit=limit, free=self._free)

    def path(self, name: str) -> Path:
        """Where the object with this name is."""
        return Path(self._name(name))

    def has(self, name: str) -> bool:
        """Whether there is an object file of this name."""
        return os.path.lexists(self._name(name))

    def _name(self, name: str) -> str:
        return f"{self._prefix}{name[:2]}{os.sep}{name[2:]}{_SUFFIX}"

    def keep(self, files: Sequence[tuple[Incoming, str]]) -> dict[str, OSError]:
        """Give files, which have been synced, their names for good, and sync the folders: one sync for many.

        Returns
        -------
        dict
            The names of those that could not be kept, and why; of these nothing is left.
        """
        failed: dict[str, OSError] = {}
        for file, name in files:
            try:
                file.rename(self._name(name))
            except OSError as error:
                failed[name] = error
        for letters in {name[:2] for _, name in files if name not in failed}:
            try:
                if self.durable:
                    sync_folder(self._prefix + letters)
            except OSError as error:
                failed.update({name: error for _, name in files if name[:2] == letters})
        self.remove(failed)
        for file, name in files:
            if name in failed:
                file.drop()
        return failed

    def remove(self, names: Iterable[str]) -> None:
        """Remove object files that no row of the index knows."""
        for name in names:
            try:
                self.path(name).unlink(missing_ok=True)
            except OSError as error:
                _log.warning("object %s cannot be removed: %s", name, error.strerror)

    # --------------------------------------------------------------------------- looking after

    def clear_incoming(self) -> int:
        """Remove what an interrupted reception left behind; the number of files."""
        left = [entry for entry in os.scandir(self.incoming) if entry.name.endswith(".part")]
        for entry in left:
            Path(entry.path).unlink(missing_ok=True)
        return len(left)

    def scan(self) -> Iterator[tuple[str, dict[str, int]]]:
        """For each folder its two letters, and the names and sizes of the object files in it."""
        for folder in FOLDERS:
            with os.scandir(self.objects / folder) as entries:
                yield (
                    folder,
                    {
                        folder + entry.name.removesuffix(_SUFFIX): entry.stat().st_size
                        for entry in entries
                        if entry.name.endswith(_SUFFIX) and entry.is_file(follow_symlinks=False)
                    },
                )

    def set_aside(self, path: Path) -> Path:
        """Move a file that cannot be used to ``damaged``, under a name that overwrites nothing; nothing is deleted."""
        self.damaged.mkdir(exist_ok=True)
        target = self.damaged / f"{path.name}.{secrets.token_hex(4)}"
        path.rename(target)
        if self.durable:  # else it could be back after a power cut
            sync_folder(self.damaged)
            sync_folder(path.parent)
        return target


def store_lock(root: Path) -> FolderLock:
    """Keeps two servers from using one store.

    Raises
    ------
    PacsError
        If another one has it, or the folder cannot be used.
    """
    try:
        return FolderLock(root / "lock")
    except BlockingIOError as error:
        raise PacsError(
            f"the folder {root} is in use by another server ({printable(error.strerror)})",
            hint="stop that one first, or choose another folder",
        ) from error
    except OSError as error:
        raise folder_unusable(error, root) from error
