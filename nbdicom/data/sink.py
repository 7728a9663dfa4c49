"""What arrives, written to files: whole or not at all, under names that are ours (PS3.10 section 7).

Paths are text where an object passes: a `Path` is made and joined in 10 us, and it would be four of them for each.
"""
# ruff: noqa: PTH105, PTH108, PTH118, PTH120

from __future__ import annotations

import errno
import hashlib
import operator
import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from nbdicom.data.part10 import part10_header, read_header
from nbdicom.errors import DataSetError, NbdicomError, system_reason
from nbdicom.table import printable
from nbdicom.uids import UID

__all__ = ["FolderSink", "FreeSpace", "Part10Sink", "PartFile", "header_for", "made_folder", "safe_name"]

_PIECE = 1 << 20  #: bytes that are compared at once
_MOST_VECTORS = 512  #: views of one gathering write (IOV_MAX is 1024)
_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)  #: Windows would write text


class FreeSpace:
    """Sees to it that a store leaves room on its file system.

    Parameters
    ----------
    folder : Path
        Where the files are.
    floor : int
        Bytes that have to stay free (`Limits.free_space`).
    """

    EVERY = 8 << 20  #: bytes that all together may write between two looks at the file system

    def __init__(self, folder: Path, floor: int) -> None:
        self._folder = folder
        self._floor = floor
        self._unseen = self.EVERY  #: bytes since the last look that found room

    def take(self, size: int) -> None:
        """So many bytes are going to be written: is there room, as far as that is looked at now?

        Raises
        ------
        OSError
            See `ask`.
        """
        self._unseen += size
        if self._unseen >= self.EVERY:
            self.ask()
            self._unseen = 0

    def ask(self) -> None:
        """Is there room?

        Raises
        ------
        OSError
            ENOSPC, if less than the floor is free.
        """
        if self._floor and shutil.disk_usage(self._folder).free < self._floor:
            raise OSError(errno.ENOSPC, "not enough free space")


class PartFile:
    """A file that is not whole yet, under a temporary name: what arrives is written to it as it comes.

    Parameters
    ----------
    part : str
        Its name; nothing may have it.
    header : bytes
        What `part10_header` made; it goes out with the first fragments, which is a write less.
    digest : bool
        Compute the SHA-256 of the data set on the way.
    free : FreeSpace, optional
        Asked while it is written.
    """

    def __init__(self, part: str, header: bytes, *, digest: bool = False, free: FreeSpace | None = None) -> None:
        self.part = part
        self.size = 0  #: bytes of the data set so far
        self._free = free
        self._header: memoryview | None = memoryview(header)
        self._digest = hashlib.sha256() if digest else None
        self._descriptor: int | None = os.open(part, _NEW, 0o640)

    @property
    def digest(self) -> bytes:
        """The SHA-256 of the data set so far; empty if it was not asked for."""
        return b"" if self._digest is None else self._digest.digest()

    def write(self, views: Sequence[memoryview]) -> None:
        """Append the views, which are borrowed."""
        assert self._descriptor is not None
        size = sum(map(len, views))
        if self._free is not None:
            self._free.take(size)
        if self._digest is not None:
            for view in views:
                self._digest.update(view)
        self.size += size
        if self._header is not None:
            views = [self._header, *views]
            size += len(self._header)
            self._header = None
        _write_all(self._descriptor, views, size)

    def sync(self) -> None:
        """Have the file on the disk.

        Raises
        ------
        OSError
            If it is not.  That is final: a second fsync may say yes to what was lost.
        """
        assert self._descriptor is not None
        os.fsync(self._descriptor)

    def _end(self) -> None:
        """Nothing more is written to it."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


class Part10Sink(PartFile):
    """Write one arriving data set as a Part 10 file.

    The file gets its name when it is whole: nobody ever sees a part of it.

    Parameters
    ----------
    path : str or Path
        The name that the file will have; its folder exists.
    header : bytes
        What `part10_header` made.
    digest : bool
        Compute the SHA-256 of the data set on the way, for ``sha256``.
    overwrite : bool
        Replace a file of that name.  Otherwise it stays: the same data set again is not kept twice, and another one gets a
        name of its own beside it, with its digest.  ``path`` has the name in any case.
    free : FreeSpace, optional
        Asked while it is written.
    """

    def __init__(
        self,
        path: str | Path,
        header: bytes,
        *,
        digest: bool = False,
        overwrite: bool = True,
        free: FreeSpace | None = None,
    ) -> None:
        self._name = os.fspath(path)
        self._overwrite = overwrite
        part = os.path.join(os.path.dirname(self._name), f".{os.urandom(8).hex()}.part")
        super().__init__(part, header, digest=digest, free=free)

    @property
    def path(self) -> Path:
        """The name that the file has when it is whole."""
        return Path(self._name)

    @path.setter
    def path(self, path: Path) -> None:
        self._name = os.fspath(path)

    @property
    def sha256(self) -> str | None:
        """The digest of the data set in hexadecimal, if it was asked for."""
        return self.digest.hex() or None

    def close(self, complete: bool) -> None:
        """Give the file its name, or remove it."""
        if self._descriptor is None:
            return
        try:
            try:
                if complete and self._header is not None:
                    _write_all(self._descriptor, [self._header], len(self._header))
            finally:
                self._end()
            if complete and self._overwrite:
                os.replace(self.part, self._name)
            elif complete:
                if not _take_name(self.part, self._name):
                    self._name = str(self._kept(Path(self.part)))
            else:
                self._remove()
        except BaseException:
            self._remove()
            raise

    def _remove(self) -> None:
        with suppress(FileNotFoundError):
            os.unlink(self.part)

    def _kept(self, part: Path) -> Path:
        """Give the file another name that nobody has, unless its data set is there already; where it is, then."""
        path = self.path
        while True:
            if _same_data_set(part, path):
                part.unlink()
                return path
            stem = f"{self.path.stem}-{_digest_of(part)[:16]}"
            if path.stem.startswith(stem):  # somebody else's file under a name that only ours should have
                stem += f"-{secrets.token_hex(4)}"
            path = self.path.with_name(stem + self.path.suffix)
            if _take_name(str(part), str(path)):
                return path


def _take_name(part: str, path: str) -> bool:
    """Rename *part* to *path*, unless there is something of that name: never over it, whoever is how fast."""
    try:
        os.link(part, path)
    except FileExistsError:
        return False
    except (OSError, AttributeError):
        # No links there, as on FAT or in a browser: the name is taken first, and the file put under it.
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640))
        except FileExistsError:
            return False
        os.replace(part, path)
    else:
        os.unlink(part)
    return True


def _same_data_set(one: Path, other: Path) -> bool:
    """Whether two files have the same data set in the same transfer syntax; who sent them is of no importance."""
    if other.is_symlink():
        return False  # what somebody laid there is not looked into
    try:
        a, b = read_header(one), read_header(other)
        same = a.transfer_syntax == b.transfer_syntax and (
            one.stat().st_size - a.data_offset == other.stat().st_size - b.data_offset
        )
        return same and all(map(operator.eq, _pieces(one, a.data_offset), _pieces(other, b.data_offset)))
    except (OSError, DataSetError):
        return False


def _pieces(path: Path, offset: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(offset)
        while piece := file.read(_PIECE):
            yield piece


def _digest_of(part: Path) -> str:
    with part.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_all(descriptor: int, views: Sequence[memoryview], size: int) -> None:
    """Write all views, which have *size* bytes; a gathering write may take less than it is given, and hardly ever does."""
    taken = _writev(descriptor, views[:_MOST_VECTORS])
    if taken == size:
        return
    waiting = list(views)
    while waiting:
        while waiting and taken >= len(waiting[0]):
            taken -= len(waiting.pop(0))
        if waiting:
            waiting[0] = waiting[0][taken:]
            taken = _writev(descriptor, waiting[:_MOST_VECTORS])


def _writev(descriptor: int, views: Sequence[memoryview]) -> int:
    if hasattr(os, "writev"):
        return os.writev(descriptor, views)
    return os.write(descriptor, b"".join(views))


def safe_name(sop_instance_uid: str) -> str:
    """A file name for a SOP Instance UID: the UID itself if it is one, else a digest of it.

    What a peer sends as a UID may be a path; a name of digits and dots cannot be, except ``..``, which is no UID.

    >>> safe_name("1.2.3")
    '1.2.3.dcm'
    >>> safe_name("../../etc/passwd").startswith("sha256-")
    True
    """
    if UID(sop_instance_uid).is_valid:
        return f"{sop_instance_uid}.dcm"
    return f"sha256-{hashlib.sha256(sop_instance_uid.encode('utf-8', 'surrogateescape')).hexdigest()[:32]}.dcm"


def made_folder(path: str | Path) -> Path:
    """The folder for what arrives: it is made if it is not there, and ``~`` is home.

    Raises
    ------
    NbdicomError
        If it cannot be: a file has its name, or nobody may write there.
    """
    folder = Path(path).expanduser()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = "it is a file" if isinstance(error, FileExistsError) else system_reason(error)
        raise NbdicomError(
            f"the folder {printable(folder)} cannot be used: {reason}", hint="choose a folder that you may write to"
        ) from error
    return folder


class FolderSink:
    """Give each arriving instance a `Part10Sink` in one folder; fits `Handlers.sink`.

    What is in the folder stays: an instance that comes again is kept once, and one that comes with other bytes under the
    same SOP Instance UID is kept beside the first.

    Parameters
    ----------
    folder : str or Path
        Where the files go; it is made if it is not there.
    digest : bool
        See `Part10Sink`.
    free_space : int
        Bytes that stay free on the file system.
    """

    def __init__(self, folder: str | Path, *, digest: bool = False, free_space: int = 0) -> None:
        self.folder = Path(folder)
        self._prefix = os.path.join(self.folder, "")
        free = FreeSpace(self.folder, free_space)
        self._options: dict[str, Any] = {"digest": digest, "free": free, "overwrite": False}
        self._made = False

    def __call__(self, request: Any) -> Part10Sink:
        """The sink for a `StoreRequest`."""
        if not self._made:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._made = True
        path = f"{self._prefix}{safe_name(request.sop_instance_uid)}"
        return Part10Sink(path, header_for(request), **self._options)


def header_for(request: Any) -> bytes:
    """What stands before the data set of a `StoreRequest` in a file, with who sent it."""
    negotiation = request.negotiation  # for a C-GET the peer that we called sends
    return part10_header(
        sop_class_uid=request.sop_class_uid,
        sop_instance_uid=request.sop_instance_uid,
        transfer_syntax=request.transfer_syntax,
        source_ae_title=str(negotiation.called_ae_title if negotiation.requestor else negotiation.calling_ae_title),
    )
