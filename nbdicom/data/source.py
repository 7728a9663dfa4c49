"""Instances to be sent, from files, folders and Datasets, with their data sets as streams (PS3.4 Annex B)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from nbdicom.core.streams import Buffer, BytesSource, DataSource
from nbdicom.data.codec import codec
from nbdicom.data.convert import DeflatingSource, InflatingSource, Transcodable
from nbdicom.data.part10 import FileHeader, read_header
from nbdicom.errors import DataSetError, system_reason
from nbdicom.table import printable
from nbdicom.uids import UID

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = [
    "DatasetInstance",
    "FileSource",
    "InstanceFile",
    "Skipped",
    "Unsendable",
    "instance",
    "native_syntax",
    "scan",
    "sendable",
]

_MEDIA_STORAGE_DIRECTORY = "1.2.840.10008.1.3.10"
_AHEAD = 1 << 20  #: bytes that are read when a file is opened
_EXPLICIT, _DEFLATED = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99"


class FileSource:
    """The rest of a file from an offset on, read into one buffer that is used again and again.

    Its beginning is read at once: whoever opens it waits for a peer next, and has time for that.
    """

    def __init__(self, path: str | Path, offset: int) -> None:
        path = path if isinstance(path, Path) else Path(path)  # making one anew takes 10 us
        self._offset = offset
        self._file: BinaryIO = path.open("rb", buffering=0)
        try:
            self._left = max(0, os.fstat(self._file.fileno()).st_size - offset)
            self._file.seek(offset)
            self._ahead = min(_AHEAD, self._left)  # bytes that are in the buffer already
            self._buffer = memoryview(bytearray(max(1, self._ahead)))
            self._fill(self._buffer[: self._ahead])
        except BaseException:
            self._file.close()
            raise

    def _fill(self, view: memoryview) -> None:
        while view:
            read = self._file.readinto(view)  # type: ignore[attr-defined]
            if not read:
                raise OSError(5, "the file became shorter while it was read")
            view = view[read:]

    def chunks(self, size: int) -> Iterator[tuple[Buffer, bool]]:
        """Yield ``(view, is_last)``; a view is valid until the next one.

        Raises
        ------
        OSError
            If the file becomes shorter while it is read.
        """
        buffer, wanted = self._buffer, min(size, self._left)
        filled, self._ahead = min(self._ahead, wanted), 0
        self._file.seek(self._offset + filled)
        if wanted > len(buffer):
            buffer = memoryview(bytearray(buffer[:filled]).ljust(wanted))
        while True:
            self._fill(buffer[filled:wanted])
            self._left -= wanted
            odd = self._left == 0 and wanted & 1
            # A data set of odd length breaks PS3.5 7.1.1; a fragment of odd length would break PS3.8 E.1, too.
            yield (bytes(buffer[:wanted]) + b"\0" if odd else buffer[:wanted]), self._left == 0
            if self._left == 0:
                return
            wanted, filled = min(size, self._left), 0

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class InstanceFile:
    """A DICOM file that can be sent; only its header has been read.

    Parameters
    ----------
    path : str or Path
        The file.

    Raises
    ------
    DataSetError, OSError
        See `read_header`.
    """

    __slots__ = ("header", "path")

    def __init__(self, path: str | Path) -> None:
        self.path = path if isinstance(path, Path) else Path(path)
        self.header: FileHeader = read_header(self.path)

    @property
    def sop_class_uid(self) -> UID:
        """SOP Class UID."""
        return self.header.sop_class_uid

    @property
    def sop_instance_uid(self) -> UID:
        """SOP Instance UID."""
        return self.header.sop_instance_uid

    @property
    def transfer_syntax(self) -> UID:
        """The transfer syntax of the file."""
        return self.header.transfer_syntax

    def open(self, transfer_syntax: UID) -> DataSource:
        """The data set as a stream; re-encoded where *transfer_syntax* is another uncompressed one.

        Deflating and inflating streams, every other conversion is made in memory.

        Raises
        ------
        DataSetError
            If it would have to be transcoded.
        """
        if transfer_syntax == self.transfer_syntax:
            return FileSource(self.path, self.header.data_offset)
        if (self.transfer_syntax, transfer_syntax) == (_EXPLICIT, _DEFLATED):
            return DeflatingSource(FileSource(self.path, self.header.data_offset))
        if (self.transfer_syntax, transfer_syntax) == (_DEFLATED, _EXPLICIT):
            return self._inflating()
        with self.path.open("rb") as file:
            file.seek(self.header.data_offset)
            return BytesSource(_converted(file.read(), self.transfer_syntax, transfer_syntax))

    def _inflating(self) -> DataSource:
        # Twice: a file that is damaged has to be known before its message begins, which cannot be taken back.
        with closing(InflatingSource(FileSource(self.path, self.header.data_offset))) as source:
            for _ in source.chunks(1 << 20):
                pass
        return InflatingSource(FileSource(self.path, self.header.data_offset))

    def __repr__(self) -> str:
        return f"<InstanceFile {printable(self.path)}: {printable(self.sop_class_uid.name)}>"


class DatasetInstance:
    """A pydicom Dataset that can be sent.

    Raises
    ------
    DataSetError
        If it has no SOP Class UID or SOP Instance UID.
    """

    __slots__ = ("dataset", "sop_class_uid", "sop_instance_uid", "transfer_syntax")

    def __init__(self, dataset: Dataset) -> None:
        meta = getattr(dataset, "file_meta", None) or {}
        values = []
        for keyword, name in (("SOPClassUID", "SOP Class UID"), ("SOPInstanceUID", "SOP Instance UID")):
            value = dataset.get(keyword) or meta.get(f"MediaStorage{keyword}")
            if not value:
                raise DataSetError(f"the Dataset has no {name}", hint=f"set {keyword} before it is sent")
            values.append(UID(str(value)))
        self.dataset = dataset
        self.sop_class_uid, self.sop_instance_uid = values
        self.transfer_syntax = UID(str(meta.get("TransferSyntaxUID") or native_syntax(dataset)))

    def open(self, transfer_syntax: UID) -> DataSource:
        """The data set, encoded.

        Raises
        ------
        DataSetError
            If it cannot be encoded, or would have to be transcoded.
        """
        if not codec.convertible(self.transfer_syntax, transfer_syntax):
            raise _not_convertible(self.transfer_syntax, transfer_syntax)
        return BytesSource(codec.encode(self.dataset, transfer_syntax))

    def __repr__(self) -> str:
        return f"<DatasetInstance {printable(self.sop_class_uid.name)}>"


def native_syntax(dataset: Dataset) -> str:
    """The transfer syntax of a Dataset without file meta: as it was read, or explicit for one made by hand."""
    implicit, little = dataset.original_encoding
    if implicit:
        return "1.2.840.10008.1.2"
    return "1.2.840.10008.1.2.2" if little is False else "1.2.840.10008.1.2.1"


def _converted(data: bytes, source: UID, target: UID) -> bytes:
    if not codec.convertible(source, target):
        raise _not_convertible(source, target)
    return codec.encode(codec.decode(data, source), target)


def _not_convertible(source: UID, target: UID) -> DataSetError:
    return DataSetError(
        f"a data set in {source.name} cannot be sent in {target.name} without transcoding its pixel data",
        hint="propose the transfer syntax of the data set, or transcode it first with pydicom",
    )


def instance(item: Any, *, transcode: bool = False) -> Any:
    """A `StorableInstance` from a path, a Dataset, or what is one already.

    With *transcode* its pixel data may be decoded and encoded anew where the peer takes it in no other way.

    Raises
    ------
    DataSetError, OSError
        If it cannot be one.
    """
    if transcode:
        return Transcodable(instance(item))
    if isinstance(item, str | os.PathLike):
        return InstanceFile(Path(item))
    if hasattr(item, "sop_instance_uid") and hasattr(item, "open"):
        return item
    if hasattr(item, "file_meta") or hasattr(item, "original_encoding"):
        return DatasetInstance(item)
    raise DataSetError(f"a {type(item).__name__} cannot be sent", hint="pass a path or a Dataset")


@dataclass(frozen=True, slots=True)
class Unsendable:
    """Takes the place of an instance where *item* is none: no such file, or not a DICOM file."""

    item: Any
    unsendable: DataSetError | OSError  #: why; `operations.scu.store` raises it for this one and goes on
    sop_class_uid: UID = UID("")
    sop_instance_uid: UID = UID("")
    transfer_syntax: UID = UID("")

    def open(self, transfer_syntax: UID) -> DataSource:
        """Raises what is wrong, whatever the *transfer_syntax*."""
        raise self.unsendable


def sendable(item: Any, *, transcode: bool = False) -> Any:
    """As `instance`, but what cannot be one is `Unsendable`: one bad file of many keeps no other from being sent."""
    try:
        return instance(item, transcode=transcode)
    except (DataSetError, OSError) as error:
        return Unsendable(item, error)


@dataclass(frozen=True, slots=True)
class Skipped:
    """Something that is not sent, and why."""

    path: Path | str
    reason: str


def scan(items: Iterable[Any]) -> Iterator[InstanceFile | DatasetInstance | Skipped]:
    """Instances from files, folders (with all that is below, in order) and Datasets.

    Nothing is raised: what is not DICOM, cannot be read or does not exist is `Skipped` with the reason.  A DICOMDIR is
    skipped, too: it is a table of contents, not an instance.
    """
    for item in items:
        if isinstance(item, str | os.PathLike):
            path = Path(item)
            if path.is_dir():
                for file in _files(path):
                    yield _scanned(file)
            else:
                yield _scanned(path)
        else:
            try:
                yield instance(item)
            except DataSetError as error:
                yield Skipped(type(item).__name__, str(error))


def _files(folder: Path) -> Iterator[Path]:
    """The files below *folder* in order; links to folders are not followed, so there are no circles."""
    for root, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            yield Path(root, name)


def _scanned(path: Path) -> InstanceFile | Skipped:
    if path.exists() and not path.is_file():
        return Skipped(path, "not a file but a pipe, a socket or a device")  # opening a pipe would wait for who writes
    try:
        found = InstanceFile(path)
    except DataSetError as error:
        return Skipped(path, error.message.removeprefix(f"{printable(path.name)}: "))
    except OSError as error:
        return Skipped(path, system_reason(error).lower())
    if found.sop_class_uid == _MEDIA_STORAGE_DIRECTORY:
        return Skipped(path, "a DICOMDIR is no instance")
    return found
