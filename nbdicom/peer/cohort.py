"""The folder of a pull: a file for each instance, and a manifest that says what each file is.

::

    data/manifest.jsonl
    data/<Study Instance UID>/<Series Instance UID>/<SOP Instance UID>.dcm

The UIDs of the path are those in the data set itself.  A line of the manifest is appended when the file has its name, so
whatever ends a pull, the next one finds what is there.  No value of a patient is in it, and no path is made of one.
"""

from __future__ import annotations

import errno
import json
import logging
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbdicom.data.identity import data_set_digest, identity_of
from nbdicom.data.lock import FolderLock
from nbdicom.data.part10 import read_header
from nbdicom.data.sink import FreeSpace, Part10Sink, header_for, made_folder, safe_name
from nbdicom.errors import DataSetError, NbdicomError, system_reason
from nbdicom.table import printable

if TYPE_CHECKING:
    from nbdicom.operations.requests import StoreRequest

__all__ = ["MANIFEST", "CohortFolder", "Kept", "alone_in"]

_log = logging.getLogger("nbdicom.peer")

MANIFEST = "manifest.jsonl"
_LOCK = "manifest.lock"  #: there as long as somebody pulls into the folder

#: What file systems say that know no locks.
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL)


@contextmanager
def alone_in(folder: Path, *, looks: bool = False) -> Iterator[None]:
    """Pull into *folder*, which nobody else does as long as this lasts.

    Who only *looks* may do so where nothing can be written, and where the file system knows no locks nobody is kept out.

    Raises
    ------
    NbdicomError
        If another pull has it, or it cannot be used.
    """
    lock: FolderLock | None = None
    try:
        lock = FolderLock(folder / _LOCK)
    except BlockingIOError as error:
        raise NbdicomError(
            f"another pull uses the folder {printable(folder)} ({printable(error.strerror)})",
            hint="wait until that one has ended, or pull into another folder",
        ) from error
    except OSError as error:
        if not looks and error.errno not in _NO_LOCKS:
            raise NbdicomError(
                f"the folder {printable(folder)} cannot be used: {system_reason(error)}",
                hint="choose a folder that you may write to; tries=0 only looks at what is there",
            ) from error
        _log.info("the folder of a pull has no lock: %s", system_reason(error))
    try:
        yield
    finally:
        if lock is not None:
            lock.release()


@dataclass(frozen=True, slots=True)
class Kept:
    """One instance in the folder, as its line of the manifest has it."""

    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax: str
    study: str
    series: str
    path: str  #: below the folder
    bytes: int  #: of the file
    sha256: str  #: of its data set
    problem: str = ""  #: why it is not what it should be

    def record(self) -> dict[str, Any]:
        """The line of the manifest."""
        line = {
            "SOPInstanceUID": self.sop_instance_uid,
            "SOPClassUID": self.sop_class_uid,
            "TransferSyntaxUID": self.transfer_syntax,
            "StudyInstanceUID": self.study,
            "SeriesInstanceUID": self.series,
            "path": self.path,
            "bytes": self.bytes,
            "sha256": self.sha256,
        }
        return {**line, "problem": self.problem} if self.problem else line

    @classmethod
    def of(cls, line: Mapping[str, Any]) -> Kept:
        """The instance of a line."""
        return cls(
            sop_instance_uid=str(line["SOPInstanceUID"]),
            sop_class_uid=str(line["SOPClassUID"]),
            transfer_syntax=str(line["TransferSyntaxUID"]),
            study=str(line["StudyInstanceUID"]),
            series=str(line["SeriesInstanceUID"]),
            path=str(line["path"]),
            bytes=int(line["bytes"]),
            sha256=str(line["sha256"]),
            problem=str(line.get("problem", "")),
        )


class CohortFolder:
    """What has been pulled into one folder, and the sink for what comes; it fits `Handlers.sink`.

    Parameters
    ----------
    root : Path
        The folder; it is made if it is not there.
    source : str
        Whom the instances come from, for the manifest.
    free_space : int
        Bytes that stay free on the file system.
    """

    def __init__(self, root: Path, *, source: str, free_space: int = 0) -> None:
        self.root = root
        self.manifest = root / MANIFEST
        self.free = FreeSpace(root, free_space)
        self._source = source
        self._lock = threading.Lock()  # associations that arrive at once write to one manifest
        made_folder(root)
        self._kept: dict[str, Kept] = {}
        self._series: dict[str, set[str]] = {}  # of each series the instances
        for kept in _read(self.manifest):
            self._know(kept)

    def find(self, uid: str, series: Mapping[str, str] | None = None) -> Kept | None:
        """The instance, if its file is there and as long as it was; also a file that the manifest does not know.

        Parameters
        ----------
        uid : str
            SOP Instance UID.
        series : mapping, optional
            The unique keys of the series in which it should be.
        """
        kept = self._kept.get(uid)
        if kept is not None:
            return kept if _size(self.root / kept.path) == kept.bytes else None
        if series is None:
            return None
        path = self._place(series.get("StudyInstanceUID"), series.get("SeriesInstanceUID"), uid)
        return self._adopted(uid, path) if path.is_file() else None

    def of_series(self, keys: Mapping[str, str]) -> list[Kept]:
        """What is there of a study or series, by the UIDs of *keys*; nothing if it has none."""
        study, series = keys.get("StudyInstanceUID"), keys.get("SeriesInstanceUID")
        if series:
            known = [self._kept[uid] for uid in sorted(self._series.get(series, ()))]
        else:
            known = [one for one in self._kept.values() if study and one.study == study]
        return [one for one in known if study in (None, one.study) and self.find(one.sop_instance_uid)]

    def beside(self, uids: Collection[str]) -> int:
        """How many instances are there that are none of these."""
        others = (kept for uid, kept in self._kept.items() if uid not in uids)
        return sum(_size(self.root / kept.path) == kept.bytes for kept in others)

    def is_whole(self, kept: Kept) -> bool:
        """Whether the data set of a file still has its digest: every byte is read."""
        try:
            return data_set_digest(self.root / kept.path) == kept.sha256
        except (OSError, DataSetError):
            return False

    # ------------------------------------------------------------------------------- what comes

    def __call__(self, request: StoreRequest) -> Part10Sink:
        """The sink for an instance that arrives."""
        return _Filed(self, request)

    def filed(self, uid: str, sop_class: str, syntax: str, part: Path) -> tuple[Path, Mapping[str, Any]]:
        """Where the file *part* belongs by the UIDs in its data set, and what the manifest will say of it."""
        problem = ""
        try:
            study, series, own = identity_of(part)
        except DataSetError as error:
            study = series = own = ""
            problem = f"its data set cannot be read: {error.message}"
        else:
            if own != uid:
                problem = "its data set has another SOP Instance UID"
            elif not study or not series:
                problem = "its data set names no study or no series"
        path = self._place(study, series, uid)
        path.parent.mkdir(parents=True, exist_ok=True)
        about = {
            "SOPInstanceUID": uid,
            "SOPClassUID": sop_class,
            "TransferSyntaxUID": syntax,
            "StudyInstanceUID": study,
            "SeriesInstanceUID": series,
            "path": str(path.relative_to(self.root)),
            "problem": problem,
        }
        return path, about

    def note(self, kept: Kept) -> None:
        """Append an instance to the manifest."""
        with self._lock:
            self._append([kept.record()])
            self._know(kept)

    def note_beside(self, kept: Kept) -> None:
        """Append an instance that is here already with other bytes: of these that line says where they are."""
        line = kept.record()
        line["beside"] = line.pop("path")
        _log.warning("SOP Instance %s came with other bytes than are here: kept beside", printable(kept.sop_instance_uid))
        with self._lock:
            self._append([line])

    def is_sound(self, uid: str, path: Path) -> bool:
        """Whether *path* is what its line says of this instance: every byte is read."""
        kept = self._kept.get(uid)
        return kept is not None and not kept.problem and self.root / kept.path == path and self.is_whole(kept)

    def conclude(self, series: Iterable[Mapping[str, Any]]) -> None:
        """Append what a pull came to, a line for each series; where nothing can be written, its result says it alone."""
        try:
            with self._lock:
                self._append(series)
        except OSError as error:
            _log.warning("the manifest of a pull cannot be written: %s", system_reason(error))

    def _know(self, kept: Kept) -> None:
        before = self._kept.get(kept.sop_instance_uid)
        if before is not None:
            self._series[before.series].discard(before.sop_instance_uid)
        self._kept[kept.sop_instance_uid] = kept
        self._series.setdefault(kept.series, set()).add(kept.sop_instance_uid)

    def _append(self, lines: Iterable[Mapping[str, Any]]) -> None:
        stamp = {"from": self._source, "when": datetime.now().astimezone().isoformat(timespec="seconds")}
        text = "".join(json.dumps({**line, **stamp}) + "\n" for line in lines)
        with self.manifest.open("a", encoding="utf-8") as file:
            if file.tell() and not _ends_whole(self.manifest):
                text = "\n" + text  # the last line was torn off by what ended an earlier pull
            file.write(text)

    def _place(self, study: str | None, series: str | None, uid: str) -> Path:
        above = [safe_name(one).removesuffix(".dcm") if one else "unknown" for one in (study, series)]
        return self.root.joinpath(*above, safe_name(uid))

    def _adopted(self, uid: str, path: Path) -> Kept | None:
        """A file that has its place and no line in the manifest."""
        try:
            header, size, digest = read_header(path), path.stat().st_size, data_set_digest(path)
        except (OSError, DataSetError):
            return None
        place, about = self.filed(uid, header.sop_class_uid, header.transfer_syntax, path)
        if place != path or about["problem"]:
            return None
        kept = Kept.of({**about, "bytes": size, "sha256": digest})
        try:
            self.note(kept)
        except OSError as error:  # it is here all the same
            _log.warning("the manifest of a pull cannot be written: %s", system_reason(error))
            self._know(kept)
        return kept


class _Filed(Part10Sink):
    """A file that gets its place by the UIDs in its data set, and its line in the manifest."""

    def __init__(self, folder: CohortFolder, request: StoreRequest) -> None:
        self._folder = folder
        self._request = request
        path = folder.root / safe_name(request.sop_instance_uid)
        super().__init__(path, header_for(request), digest=True, free=folder.free)

    def close(self, complete: bool) -> None:
        """Give the file its place and its line, or remove it."""
        if not complete:
            super().close(False)
            return
        request = self._request
        try:
            self.path, about = self._folder.filed(
                str(request.sop_instance_uid),
                str(request.sop_class_uid),
                str(request.transfer_syntax),
                Path(self.part),
            )
        except BaseException:
            super().close(False)
            raise
        place = self.path
        # What is here already stays, as it came and under its own line: an archive may have an instance changed, or lie.
        self._overwrite = not self._folder.is_sound(str(request.sop_instance_uid), place)
        super().close(True)
        kept = Kept.of({**about, "bytes": self.path.stat().st_size, "sha256": self.sha256})
        if self.path == place:
            self._folder.note(kept)
        else:
            self._folder.note_beside(replace(kept, path=str(self.path.relative_to(self._folder.root))))


def _read(manifest: Path) -> Iterator[Kept]:
    """The instances of a manifest; a line that is no whole one is passed over."""
    if not manifest.exists():
        return
    with manifest.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            try:
                kept = Kept.of(json.loads(line))
            except (ValueError, KeyError, TypeError):
                continue  # what a pull came to, or the end of a manifest that was torn off
            if _is_below(kept.path):  # of others nothing is told
                yield kept


def _is_below(path: str) -> bool:
    """Whether a path of the manifest stays in the folder: somebody else may have written it."""
    parts = path.replace("\\", "/").split("/")
    return bool(parts[0]) and ":" not in parts[0] and ".." not in parts


def _ends_whole(manifest: Path) -> bool:
    with manifest.open("rb") as file:
        file.seek(-1, 2)
        return file.read(1) == b"\n"


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None
