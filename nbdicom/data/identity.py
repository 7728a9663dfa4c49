"""Which instance a file is by its own data set, and whether it still is, whatever its name and File Meta Information say."""

from __future__ import annotations

import hashlib
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import NamedTuple

from nbdicom.config import Limits
from nbdicom.data.elements import UNDEFINED, element_head, opened, undefined_end
from nbdicom.data.part10 import read_header
from nbdicom.errors import DataSetError

__all__ = ["Identity", "data_set_digest", "identity_of"]

_SOP_INSTANCE, _STUDY, _SERIES = 0x00080018, 0x0020000D, 0x0020000E


class Identity(NamedTuple):
    """The UIDs in a data set; ``""`` for one that it does not have."""

    study: str
    series: str
    sop_instance: str


def identity_of(path: Path) -> Identity:
    """The UIDs of study, series and instance.  The file is mapped, and read only as far as Series Instance UID.

    Raises
    ------
    DataSetError
        If it is no DICOM file, or its data set cannot be read so far.
    OSError
        If it cannot be read.
    """
    header, limits = read_header(path), Limits()
    with (
        path.open("rb") as file,
        mmap(file.fileno(), 0, access=ACCESS_READ) as mapped,
        memoryview(mapped) as whole,
        whole[header.data_offset :] as body,
    ):
        view, implicit = opened(body, header.transfer_syntax, limits)
        with view:
            found = _values(view, implicit, limits)
    return Identity(found.get(_STUDY, ""), found.get(_SERIES, ""), found.get(_SOP_INSTANCE, ""))


def data_set_digest(path: str | Path, offset: int | None = None) -> str:
    """The SHA-256 of the data set in a file, in hexadecimal: all that stands behind the File Meta Information.

    It is what the archive keeps of each object (``StoredInstance.digest``) and a pull in its manifest (``sha256``), so that
    two files of one instance can be compared whoever has written them.  The file is read, not mapped: pages that were looked
    at would count as our memory.

    Parameters
    ----------
    path : str or Path
        A DICOM file.
    offset : int, optional
        Where the data set begins, in bytes, if that is known.

    Raises
    ------
    DataSetError
        If *offset* is not given and it is no DICOM file.
    OSError
        If it cannot be read.

    Examples
    --------
    >>> import nbdicom as nd
    >>> with nd.demo_pacs(host="memory") as pacs:
    ...     studies = nd.Peer(pacs).studies(ModalitiesInStudy="MR")
    ...     image = nd.Peer(pacs).instances(nd.Peer(pacs).series(studies)).SOPInstanceUID[0]
    ...     stored = pacs.instance(image)
    ...     data_set_digest(stored.path) == stored.digest
    True
    """
    start = read_header(path).data_offset if offset is None else offset
    with Path(path).open("rb") as file:
        file.seek(start)
        return hashlib.file_digest(file, "sha256").hexdigest()


def _values(view: memoryview, implicit: bool, limits: Limits) -> dict[int, str]:
    found: dict[int, str] = {}
    position, stop = 0, len(view)
    while position < stop:
        tag, vr, length, value = element_head(view, position, stop, implicit)
        if tag > _SERIES:
            break  # the elements of a data set are in the order of their tags (PS3.5 7.1)
        if length == UNDEFINED:
            _, position, _ = undefined_end(
                view, value, stop, implicit or vr == b"UN", limits, limits.elements, limits.items
            )
            continue
        position = value + length
        if position > stop:
            raise DataSetError("the data set is cut off inside an element")
        if tag in (_SOP_INSTANCE, _STUDY, _SERIES):
            found[tag] = bytes(view[value:position]).decode("latin-1").strip("\0 ")
    return found
