"""What a DICOM file begins with: preamble, prefix and File Meta Information (PS3.10 section 7)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from struct import Struct

from nbdicom.core.negotiation import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from nbdicom.data.elements import LONG_VRS, decode_elements
from nbdicom.errors import DataSetError
from nbdicom.table import printable
from nbdicom.uids import UID

__all__ = ["FileHeader", "part10_header", "read_header"]

_EXPLICIT_LE, _IMPLICIT_LE = UID("1.2.840.10008.1.2.1"), UID("1.2.840.10008.1.2")
_SHORT = Struct("<HH2sH")
_MOST_META = 1 << 16  #: bytes of a File Meta Information that is believed
_HEAD = 1 << 14  #: bytes of a data set in which its SOP UIDs are looked for


@dataclass(frozen=True, slots=True)
class FileHeader:
    """What is known of a file without reading its data set.

    ``data_offset`` is where the data set starts, in bytes; ``transfer_syntax`` is guessed for a file without meta
    information, which is then a bare data set.
    """

    sop_class_uid: UID
    sop_instance_uid: UID
    transfer_syntax: UID
    data_offset: int
    source_ae_title: str | None = None


def read_header(path: str | Path) -> FileHeader:
    """Read the beginning of a DICOM file, also of one without preamble or without File Meta Information.

    Raises
    ------
    DataSetError
        If it is not a DICOM file or does not say what it contains; the message names the file and the cause.
    OSError
        If it cannot be read.
    """
    path = path if isinstance(path, Path) else Path(path)
    name = printable(path.name)
    with path.open("rb") as file:
        # One read has all of nearly every file: what follows a long or strange beginning is read when it is missing.
        data = file.read(_HEAD)
        start = 132 if data[128:132] == b"DICM" else 0
        meta, offset = _read_meta(data, start)
        if len(data) == _HEAD and (offset > _HEAD // 2 or not meta):
            data += file.read(_MOST_META)
            meta, offset = _read_meta(data, start)
        if offset > len(data):
            raise DataSetError(f"{name}: the File Meta Information is cut off")
        syntax = _text(meta, 0x00020010)
        head = data[offset : offset + _HEAD]
    if not head:
        raise DataSetError(f"{name}: there is no data set in the file")
    if syntax is None:
        if start == 0 and not meta and not _plausible(head):
            raise DataSetError(f"{name}: not a DICOM file")
        syntax = _guess(head)
    sop_class, sop_instance = _text(meta, 0x00020002), _text(meta, 0x00020003)
    if sop_class is None or sop_instance is None:
        found = _sop_uids(head, syntax)
        sop_class, sop_instance = sop_class or found[0], sop_instance or found[1]
    if not sop_class:
        raise DataSetError(f"{name}: has no SOP Class UID", hint="it says not what it is, so it cannot be sent")
    if not sop_instance:
        raise DataSetError(
            f"{name}: has no SOP Instance UID", hint="it cannot be told from others, so it cannot be sent"
        )
    return FileHeader(UID(sop_class), UID(sop_instance), UID(syntax), offset, _text(meta, 0x00020016))


def _read_meta(data: bytes, start: int) -> tuple[dict[int, bytes], int]:
    """The elements of group 0002, and where the data set starts: behind the end of *data* if they are cut off.

    The group length is not needed and not trusted.
    """
    meta: dict[int, bytes] = {}
    position = start
    while position + 8 <= len(data):
        group, element, vr, length = _SHORT.unpack_from(data, position)
        if group != 0x0002:
            break
        value = position + 8
        if vr in LONG_VRS:
            if position + 12 > len(data):
                break
            length, value = int.from_bytes(data[position + 8 : position + 12], "little"), position + 12
        meta[group << 16 | element] = data[value : value + length]
        position = value + length
    if data[position : position + 2] == b"\2\0" and len(data) - position < 12:
        return meta, len(data) + 1  # the head of an element is begun and not finished
    return meta, position


def _text(meta: dict[int, bytes], tag: int) -> str | None:
    raw = meta.get(tag)
    return None if raw is None else raw.decode("latin-1").strip("\0 ") or None


def _plausible(head: bytes) -> bool:
    """Whether bytes without any header look like a data set: they start with a low even group and a sane length."""
    if len(head) < 8:
        return False
    group, element, vr, _ = _SHORT.unpack_from(head, 0)
    if group != 0x0008 or element > 0x2000:
        return False
    return (vr.isalpha() and vr.isupper()) or int.from_bytes(head[4:8], "little") < 1 << 16


def _guess(head: bytes) -> str:
    vr = head[4:6]
    return _EXPLICIT_LE if vr.isalpha() and vr.isupper() else _IMPLICIT_LE


def _sop_uids(head: bytes, syntax: str) -> tuple[str | None, str | None]:
    """SOP Class and Instance UID from the first elements of the data set."""
    elements: dict[int, bytes] = {}
    if syntax in (_EXPLICIT_LE, _IMPLICIT_LE):
        # The head is cut off somewhere behind group 0008: what has been read until then is what is wanted.
        position = 0
        while position + 8 <= len(head):
            group, element, vr, length = _SHORT.unpack_from(head, position)
            if syntax == _IMPLICIT_LE:
                length = int.from_bytes(head[position + 4 : position + 8], "little")
            elif vr in LONG_VRS:
                break
            tag, value = group << 16 | element, position + 8
            if tag > 0x00080018 or value + length > len(head):
                break
            elements[tag] = head[value : value + length]
            position = value + length
    else:
        elements = {tag: bytes(value) for tag, (_, value) in decode_elements(head, syntax).items()}
    return _text(elements, 0x00080016), _text(elements, 0x00080018)


def part10_header(
    *, sop_class_uid: str, sop_instance_uid: str, transfer_syntax: str, source_ae_title: str | None = None
) -> bytes:
    """Preamble, prefix and File Meta Information for a data set that is written as it came.

    The preamble is all zeros: it does not travel over the network, and nothing of a peer gets into it.

    >>> len(part10_header(sop_class_uid="1.2", sop_instance_uid="1.3", transfer_syntax="1.2.840.10008.1.2")) % 2
    0
    """
    before, behind = _around(sop_class_uid, transfer_syntax, source_ae_title)
    body = before + _element(0x0003, b"UI", sop_instance_uid) + behind
    return bytes(128) + b"DICM" + _SHORT.pack(0x0002, 0x0000, b"UL", 4) + len(body).to_bytes(4, "little") + body


@lru_cache(maxsize=256)
def _around(sop_class_uid: str, transfer_syntax: str, source_ae_title: str | None) -> tuple[bytes, bytes]:
    """What stands before and behind the SOP Instance UID: the same for all that one sender sends of a kind."""
    version = _SHORT.pack(0x0002, 0x0001, b"OB", 0) + (2).to_bytes(4, "little") + b"\0\1"
    behind = [
        _element(0x0010, b"UI", transfer_syntax),
        _element(0x0012, b"UI", IMPLEMENTATION_CLASS_UID),
        _element(0x0013, b"SH", IMPLEMENTATION_VERSION_NAME),
    ]
    if source_ae_title:
        behind.append(_element(0x0016, b"AE", source_ae_title))
    return version + _element(0x0002, b"UI", sop_class_uid), b"".join(behind)


def _element(element: int, vr: bytes, text: str) -> bytes:
    raw = text.encode("latin-1", "replace")
    raw += b"" if not len(raw) & 1 else b"\0" if vr == b"UI" else b" "
    return _SHORT.pack(0x0002, element, vr, len(raw)) + raw
