"""Files in and out: headers of odd files, streams that copy nothing, sinks that are whole or nothing."""

import hashlib
import os
import shutil
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.data import get_testdata_file

from nbdicom.config import Limits
from nbdicom.core.streams import BytesSource
from nbdicom.data import (
    DatasetInstance,
    FileSource,
    FolderSink,
    InstanceFile,
    Skipped,
    codec,
    data_set_digest,
    instance,
    part10_header,
    read_header,
    scan,
)
from nbdicom.data.codec import deflate, inflate
from nbdicom.data.sink import FreeSpace, PartFile, safe_name
from nbdicom.errors import DataSetError
from nbdicom.uids import UID

IMPLICIT, EXPLICIT, BIG = UID("1.2.840.10008.1.2"), UID("1.2.840.10008.1.2.1"), UID("1.2.840.10008.1.2.2")
DEFLATED, J2K = UID("1.2.840.10008.1.2.1.99"), UID("1.2.840.10008.1.2.4.90")
CT = Path(str(get_testdata_file("CT_small.dcm", download=False)))


def joined(source, size: int = 4096) -> bytes:
    pieces = [(bytes(view), last) for view, last in source.chunks(size)]
    source.close()
    assert [last for _, last in pieces] == [False] * (len(pieces) - 1) + [True]
    assert all(len(piece) == size for piece, last in pieces if not last)
    return b"".join(piece for piece, _ in pieces)


@given(st.binary(max_size=5000), st.integers(1, 700).map(lambda n: 2 * n))
def test_sources_give_every_byte_in_order(data: bytes, size: int) -> None:
    assert joined(BytesSource(data), size) == data


@pytest.mark.parametrize("length", [0, 1, 2, 4095, 4096, 4097, 100_001])
def test_a_file_source_gives_the_rest_of_the_file(tmp_path: Path, length: int) -> None:
    data = os.urandom(length)
    (tmp_path / "f").write_bytes(b"header" + data)
    assert joined(FileSource(tmp_path / "f", 6)) == data + b"\0" * (length & 1)


def test_a_file_that_becomes_shorter_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(bytes(100_000))
    source = FileSource(tmp_path / "f", 0)
    chunks = source.chunks(1000)
    next(chunks)
    os.truncate(tmp_path / "f", 1500)
    with pytest.raises(OSError, match="shorter"):
        list(chunks)
    source.close()


# ------------------------------------------------------------------------------- headers


def test_a_data_set_has_one_digest_whoever_wrote_the_file(tmp_path: Path) -> None:
    offset = read_header(CT).data_offset
    body = CT.read_bytes()[offset:]
    other = tmp_path / "other.dcm"
    header = part10_header(
        sop_class_uid="1.2", sop_instance_uid="1.3", transfer_syntax=EXPLICIT, source_ae_title="SOMEBODY"
    )
    other.write_bytes(header + body)
    digest = hashlib.sha256(body).hexdigest()
    assert data_set_digest(CT) == data_set_digest(str(other)) == data_set_digest(other, len(header)) == digest
    other.write_bytes(header + body[:-1] + b"x")
    assert data_set_digest(other) != digest
    other.write_text("no DICOM")
    with pytest.raises(DataSetError):
        data_set_digest(other)


def test_a_usual_file() -> None:
    header, dataset = read_header(CT), pydicom.dcmread(CT)
    assert header.sop_class_uid == dataset.SOPClassUID and header.sop_instance_uid == dataset.SOPInstanceUID
    assert header.transfer_syntax == EXPLICIT
    assert CT.read_bytes()[header.data_offset :][:4] == b"\x08\x00\x05\x00"


def bare(syntax: UID) -> bytes:
    return codec.encode(pydicom.dcmread(CT), syntax)


META = part10_header(sop_class_uid="1.2.3", sop_instance_uid="1.2.4", transfer_syntax=EXPLICIT)


@pytest.mark.parametrize(
    ("content", "syntax"),
    [
        (bare(EXPLICIT), EXPLICIT),
        (bare(IMPLICIT), IMPLICIT),
        (META[132:] + bare(EXPLICIT), EXPLICIT),
        (bytes(128) + b"DICM" + bare(IMPLICIT), IMPLICIT),
        (META[:132] + META[144:] + bare(EXPLICIT), EXPLICIT),
        (META + bytes.fromhex("02002600 5552 0000 0e000000") + b"dicom://pacs:1" + bare(EXPLICIT), EXPLICIT),
    ],
    ids=["explicit, bare", "implicit, bare", "no preamble", "no meta information", "no group length", "an address"],
)
def test_odd_files_can_be_sent(tmp_path: Path, content: bytes, syntax: UID) -> None:
    path = tmp_path / "odd.dcm"
    path.write_bytes(content)
    found = InstanceFile(path)
    assert found.transfer_syntax == syntax and found.sop_class_uid
    assert joined(found.open(syntax)) == bare(syntax)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no data set"),
        (b"hello world, this is text", "not a DICOM file"),
        (b"%PDF-1.4" + bytes(500), "not a DICOM file"),
        (bytes(1000), "not a DICOM file"),
        (bytes(128) + b"DICM", "no data set"),
        (META[:200], "cut off"),
        (META[:134], "cut off"),
        (META[:150], "cut off"),
        (META[:160], "cut off"),
        (META, "no data set"),
        (codec.encode({"PatientID": "SECRET", "ImageType": "X"}, EXPLICIT), "no SOP Class UID"),
        (codec.encode({"SOPClassUID": "1.2.3", "PatientID": "SECRET"}, EXPLICIT), "no SOP Instance UID"),
    ],
)
def test_what_is_no_instance_says_why(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "file.dcm"
    path.write_bytes(content)
    with pytest.raises(DataSetError, match=words) as caught:
        read_header(path)
    assert "file.dcm" in str(caught.value) and "SECRET" not in str(caught.value)


def test_every_truncation_of_the_header_is_one_kind_of_error(tmp_path: Path) -> None:
    path = tmp_path / "f"
    whole = CT.read_bytes()
    for stop in range(0, 900, 7):
        path.write_bytes(whole[:stop])
        try:
            read_header(path)
        except DataSetError:
            pass


# ------------------------------------------------------------------------------- instances


@pytest.mark.parametrize("target", [IMPLICIT, EXPLICIT, DEFLATED, BIG])
def test_conversion_loses_nothing(target: UID) -> None:
    encoded = joined(InstanceFile(CT).open(target))
    back = codec.encode(codec.decode(encoded, target), EXPLICIT)  # words of pixel data are turned in Big Endian
    assert codec.decode(back, EXPLICIT) == codec.decode(bare(EXPLICIT), EXPLICIT)


@pytest.mark.parity("A.2 context choice")
def test_compressed_data_are_never_converted() -> None:
    path = Path(str(get_testdata_file("JPEG2000.dcm", download=False)))
    with pytest.raises(DataSetError, match="transcod"):
        InstanceFile(path).open(EXPLICIT)
    with pytest.raises(DataSetError, match="transcod"):
        InstanceFile(CT).open(J2K)


@pytest.mark.parametrize(
    ("source", "target", "possible"),
    [(EXPLICIT, IMPLICIT, True), (BIG, EXPLICIT, True), (DEFLATED, IMPLICIT, True), (J2K, J2K, True), (J2K, EXPLICIT, False),
     (IMPLICIT, J2K, False), (UID("1.2.3"), UID("1.2.3"), True), (UID("1.2.3"), IMPLICIT, False)],
)  # fmt: skip
def test_what_can_be_converted(source: UID, target: UID, possible: bool) -> None:
    assert codec.convertible(source, target) is possible


def test_a_dataset_needs_its_uids() -> None:
    dataset = pydicom.dcmread(CT)
    assert instance(dataset).sop_instance_uid == dataset.SOPInstanceUID
    del dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPClassUID = None
    with pytest.raises(DataSetError, match="SOP Class UID"):
        DatasetInstance(dataset)
    with pytest.raises(DataSetError):
        instance(42)


def test_a_folder_with_other_files_among_dicom_ones(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "2.dcm").write_bytes(CT.read_bytes())
    (tmp_path / "a.dcm").write_bytes(CT.read_bytes())
    (tmp_path / "notes.txt").write_text("not DICOM")
    (tmp_path / "b" / "loop").symlink_to(tmp_path)
    found = list(scan([tmp_path, tmp_path / "missing"]))
    assert [f.path.name for f in found if isinstance(f, InstanceFile)] == ["a.dcm", "2.dcm"]
    assert {Path(f.path).name: f.reason for f in found if isinstance(f, Skipped) and Path(f.path).name != "loop"} == {
        "notes.txt": "not a DICOM file",
        "missing": "no such file or directory",
    }


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes in folders")
def test_a_pipe_in_a_folder_is_skipped_and_nobody_waits_for_its_other_end(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.dcm")
    assert [f.reason for f in scan([tmp_path, tmp_path / "pipe.dcm"]) if isinstance(f, Skipped)] == [
        "not a file but a pipe, a socket or a device"
    ] * 2


# ------------------------------------------------------------------------------- deflate


@pytest.mark.parity("A.11 deflated data sets")
def test_deflation() -> None:
    assert inflate(deflate(b"abc" * 1000)) == b"abc" * 1000
    assert len(deflate(b"abc")) % 2 == 0


@pytest.mark.parity("A.11 deflated data sets")
def test_a_bomb_is_stopped() -> None:
    machine = zlib.compressobj(9, wbits=-15)
    bomb = machine.compress(bytes(50_000_000)) + machine.flush()
    for limits in (Limits(inflated=1_000_000), Limits(inflation_ratio=100), Limits()):
        with pytest.raises(DataSetError, match="grows beyond"):
            inflate(bomb, limits)
    assert len(inflate(bomb, Limits(inflation_ratio=2000))) == 50_000_000


@pytest.mark.parametrize("data", [b"", b"rubbish!", deflate(b"abc" * 1000)[:-4]])
def test_damaged_deflation(data: bytes) -> None:
    with pytest.raises(DataSetError):
        inflate(data)


# ------------------------------------------------------------------------------- sinks


def request(uid: str = "1.2.3") -> SimpleNamespace:
    return SimpleNamespace(
        sop_class_uid="1.2.840.10008.5.1.4.1.1.2", sop_instance_uid=uid, transfer_syntax=EXPLICIT,
        negotiation=SimpleNamespace(requestor=True, called_ae_title="PACS", calling_ae_title="ME"),
    )  # fmt: skip


def test_what_arrives_is_written_bit_for_bit(tmp_path: Path) -> None:
    data = bare(EXPLICIT)
    sink = FolderSink(tmp_path / "new", digest=True)(request())
    view = memoryview(data)
    for start in range(0, len(data), 1000):
        sink.write([view[start : start + 300], view[start + 300 : start + 1000]])
        assert list((tmp_path / "new").glob("*.dcm")) == []
    sink.close(True)
    (path,) = (tmp_path / "new").iterdir()
    assert path == sink.path and path.name == "1.2.3.dcm"
    header = read_header(path)
    assert path.read_bytes()[header.data_offset :] == data and header.source_ae_title == "PACS"
    assert path.read_bytes()[:128] == bytes(128)
    assert sink.size == len(data) and sink.sha256


def test_all_files_of_a_store_share_the_bytes_between_two_looks_at_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = []

    def disk_usage(folder: Path) -> SimpleNamespace:
        looks.append(folder)
        return SimpleNamespace(free=10_000 if len(looks) < 3 else 9_999)

    monkeypatch.setattr(shutil, "disk_usage", disk_usage)
    monkeypatch.setattr(FreeSpace, "EVERY", 1000)
    free = FreeSpace(tmp_path, 10_000)
    files = [PartFile(str(tmp_path / f"{number}"), b"", free=free) for number in range(10)]
    piece = [memoryview(bytes(250))]
    for number, file in enumerate(files[:8]):
        file.write(piece)
        assert len(looks) == 1 + number // 4
    for file in files[8:]:  # once there is no room, nobody finds any until there is
        with pytest.raises(OSError, match="not enough free space"):
            file.write(piece)
    assert len(looks) == 4
    for file in files:
        os.close(file._descriptor)  # type: ignore[arg-type]


def test_what_does_not_arrive_whole_leaves_nothing(tmp_path: Path) -> None:
    sink = FolderSink(tmp_path)(request())
    sink.write([memoryview(b"half")])
    sink.close(False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "uid",
    [
        "../../etc/passwd",
        "/etc/passwd",
        "..",
        ".",
        "",
        "1.2/../3",
        "1.2.3\0",
        "a" * 300,
        "1.2.3\n",
        "~root",
        "1.2." + "3" * 70,
    ],
)
@pytest.mark.parity("A.11 file names from UIDs")
def test_names_from_the_wire_are_never_paths(tmp_path: Path, uid: str) -> None:
    name = safe_name(uid)
    assert name.startswith("sha256-") and "/" not in name and len(name) < 60
    sink = FolderSink(tmp_path / "in")(request(uid))
    sink.close(True)
    assert [p.relative_to(tmp_path).parts for p in tmp_path.rglob("*.dcm")] == [("in", name)]


def receive(folder: Path, data: bytes, uid: str = "1.2.3", sender: str = "PACS") -> Path:
    wanted = request(uid)
    wanted.negotiation.called_ae_title = sender
    sink = FolderSink(folder)(wanted)
    sink.write([memoryview(data)])
    sink.close(True)
    return sink.path


@pytest.mark.parametrize("links", ["hard links", "a file system without", "a system without"])
def test_what_is_in_the_folder_stays(tmp_path: Path, links: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same data set again, whoever sends it, is kept once; another one under the same UID beside the first."""
    if links == "a system without":
        monkeypatch.delattr("os.link")  # as in Pyodide
    elif links == "a file system without":

        def link(source: object, target: object) -> None:
            raise PermissionError(1, "Operation not permitted")  # as FAT says it

        monkeypatch.setattr("os.link", link)
    data, other = bare(EXPLICIT), bare(EXPLICIT)[:-2] + b"!!"
    first = receive(tmp_path, data)
    assert receive(tmp_path, data, sender="ANOTHER") == first
    beside = receive(tmp_path, other)
    assert beside != first and beside.name.startswith("1.2.3-") and beside.suffix == ".dcm"
    assert receive(tmp_path, other) == beside and receive(tmp_path, data) == first
    assert sorted(tmp_path.iterdir()) == sorted([first, beside])
    for path, sent in ((first, data), (beside, other)):
        assert path.read_bytes()[read_header(path).data_offset :] == sent


@pytest.mark.parametrize(
    "content", [b"", b"no DICOM at all", None], ids=["empty", "something else", "a link to nowhere"]
)
def test_what_is_no_object_of_ours_stays_too(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "1.2.3.dcm"
    if content is None:
        path.symlink_to(tmp_path / "nowhere")
    else:
        path.write_bytes(content)
    ours = receive(tmp_path, bare(EXPLICIT))
    assert ours != path and ours.is_file() and len(list(tmp_path.iterdir())) == 2
    assert content is None or path.read_bytes() == content


def test_two_at_once_under_one_uid(tmp_path: Path) -> None:
    """Both are begun before either is whole: each of the data sets is kept, whoever is first."""
    sinks = [FolderSink(tmp_path)(request()) for _ in range(4)]
    for number, sink in enumerate(sinks):
        sink.write([memoryview(bare(EXPLICIT)[:-1] + bytes([number % 2]))])
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda sink: sink.close(True), sinks))
    assert sinks[0].path == sinks[2].path != sinks[1].path == sinks[3].path
    assert sorted(tmp_path.iterdir()) == sorted({sink.path for sink in sinks})
