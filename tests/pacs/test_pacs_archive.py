"""Storing (PS3.4 Annex B): what is answered, what is on the disk then, and what a start makes of an interruption."""

import hashlib
import logging
import os
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from pacs_requests import EXPLICIT, IMPLICIT, encode, find, made, retrieve, status_of, store, store_request, values

from nbdicom.config import Limits
from nbdicom.errors import PacsError
from nbdicom.pacs import Pacs
from nbdicom.pacs.storage import ObjectStore


def files(pacs, folder="objects"):
    return sorted(path for path in (pacs.root / folder).rglob("*") if path.is_file())


def nothing_left(pacs):
    return not files(pacs) and not files(pacs, "incoming") and pacs.counts()["instances"] == 0


# ------------------------------------------------------------------------------- what is answered


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT])
def test_stored_bit_for_bit(pacs, handlers, syntax):
    data = encode(made(PixelData=os.urandom(4000)), syntax)
    assert store(handlers, made(), syntax) in (0x0000,)
    request, data = store_request(made(2, PixelData=os.urandom(4000)), syntax)
    request.sink = handlers.sink(request)
    request.sink.write([memoryview(data)[:777], memoryview(data)[777:]])
    request.sink.close(True)
    assert handlers.store(request) == 0x0000
    instance = pacs.instance("1.2.3.2")
    stored = instance.path.read_bytes()
    assert stored[instance.offset :] == data
    assert stored[:132] == bytes(128) + b"DICM"
    assert instance.digest == hashlib.sha256(data).hexdigest()
    assert instance.size == len(stored)
    assert not files(pacs, "incoming")


def test_data_set_in_memory_is_stored_too(pacs, handlers):
    request, data = store_request(made())
    request.data = data
    assert handlers.store(request) == 0x0000
    assert pacs.counts()["instances"] == 1


def test_who_wants_to_know_is_told_what_was_stored_and_his_troubles_are_his_own(tmp_path, caplog):
    caplog.set_level(logging.DEBUG, "nbdicom.pacs")  # at no level: what a program says of its errors may be a patient's
    told = []

    def on_stored(stored, calling_ae_title):
        told.append((stored.sop_instance_uid, stored.path.is_file(), calling_ae_title))
        raise ValueError(stored.sop_instance_uid)

    pacs = Pacs(tmp_path, durability="none", on_stored=on_stored)
    handlers = pacs.handlers()
    request, _ = store_request(made())
    assert store(handlers, made()) == 0x0000
    assert store(handlers, b"", sop_class=made()["SOPClassUID"], sop_instance="1.2.3.9") == 0xA900
    pacs.stop()
    assert told == [("1.2.3.1", True, request.calling_ae_title)]
    assert "on_stored failed: ValueError" in caplog.text and "1.2.3.1" not in caplog.text


def test_private_sop_class(pacs, handlers):
    assert store(handlers, made(SOPClassUID="1.2.999.1.2")) == 0x0000


@pytest.mark.parametrize(
    ("content", "command", "status"),
    [
        (made(), {"sop_instance": "1.2.3.99"}, 0xA900),
        (made(), {"sop_class": "1.2.840.10008.5.1.4.1.1.4"}, 0xA900),
        (made(SOPInstanceUID=None), {"sop_instance": "1.2.3.1"}, 0xA900),
        (made(StudyInstanceUID=None), {}, 0xA900),
        (made(SeriesInstanceUID=""), {}, 0xA900),
        (encode(made())[:-3], {"sop_class": made()["SOPClassUID"], "sop_instance": "1.2.3.1"}, 0xC000),
        (b"\x08\0\x05\0ISO_IR 100", {"sop_class": made()["SOPClassUID"], "sop_instance": "1.2.3.1"}, 0xC000),
        (b"", {"sop_class": made()["SOPClassUID"], "sop_instance": "1.2.3.1"}, 0xA900),
    ],
    ids=["instance", "class", "no instance", "no study", "no series", "truncated", "rubbish", "empty"],
)
def test_refused_and_nothing_kept(pacs, handlers, content, command, status):
    assert store(handlers, content, **command) == status
    assert nothing_left(pacs)


def test_class_of_another_context(pacs, handlers):
    request, _ = store_request(made())
    request.message.affected_sop_class_uid = "1.2.840.10008.5.1.4.1.1.4"
    assert status_of(handlers.sink, request) == 0x0122
    assert nothing_left(pacs)


def test_same_bytes_again(pacs, handlers):
    assert store(handlers, made()) == 0x0000
    before = [(path, path.stat().st_mtime_ns) for path in files(pacs)]
    assert store(handlers, made()) == 0x0000
    assert [(path, path.stat().st_mtime_ns) for path in files(pacs)] == before
    assert pacs.counts()["instances"] == 1
    assert not files(pacs, "incoming")


def rot(pacs, uid="1.2.3.1"):
    """Same size, other bytes."""
    path = pacs.instance(uid).path
    path.write_bytes(path.read_bytes()[:-1] + b"!")


def test_same_bytes_again_where_the_first_were_damaged(pacs, handlers):
    """Success says that they are there, so they are looked at: a modality that sends anew mends what has rotted."""
    store(handlers, made())
    rot(pacs)
    assert store(handlers, made()) == 0x0000
    instance = pacs.instance("1.2.3.1")
    assert instance.path.read_bytes()[instance.offset :] == encode(made())
    assert pacs.counts() == {"patients": 1, "studies": 1, "series": 1, "instances": 1}
    assert len(files(pacs, "damaged")) == 1
    assert pacs.scrub()


def test_an_object_that_comes_again_while_it_is_scrubbed_is_not_taken_away(pacs, handlers, monkeypatch):
    store(handlers, made(1))
    store(handlers, made(2))
    rot(pacs, "1.2.3.2")
    sender = threading.Thread(target=store, args=(handlers, made(2)))
    set_aside = ObjectStore.set_aside

    def meanwhile(self, path):
        sender.start()
        return set_aside(self, path)

    monkeypatch.setattr(ObjectStore, "set_aside", meanwhile)
    assert not pacs.scrub()
    sender.join()
    assert pacs.scrub().checked == 2
    assert pacs.counts()["instances"] == 2


@pytest.mark.parametrize(
    "other",
    [{"PixelData": bytes(7) + b"x"}, {"PatientID": "P2"}, {"StudyInstanceUID": "9.9"}, {"SOPClassUID": "1.2.9"}],
)
def test_other_bytes_with_the_same_uid(pacs, handlers, other):
    assert store(handlers, made()) == 0x0000
    digest = pacs.instance("1.2.3.1").digest
    assert store(handlers, made(**other)) == 0x0111
    assert pacs.instance("1.2.3.1").digest == digest
    assert (len(files(pacs)), len(files(pacs, "incoming"))) == (1, 0)
    assert pacs.counts() == {"patients": 1, "studies": 1, "series": 1, "instances": 1}


@pytest.mark.parametrize("uid", ["../../etc/passwd", "/abs/olute", "..", "1.2/3", "1.2\n3", "a" * 64])
def test_names_of_files_are_ours(pacs, handlers, uid):
    store(handlers, made(SOPInstanceUID=uid, StudyInstanceUID="../x", SeriesInstanceUID="..", PatientID="../../.."))
    outside = [path for path in pacs.root.parent.rglob("*") if pacs.root not in path.parents and path != pacs.root]
    assert not outside
    assert all(set(path.stem + path.parent.name) <= set("0123456789abcdef") for path in files(pacs))


def test_files_are_no_programs_and_not_for_everybody(pacs, handlers):
    store(handlers, made())
    databases = [path for path in pacs.root.iterdir() if ".sqlite" in path.name]
    assert {"index.sqlite", "workflow.sqlite", "index.sqlite-wal"} <= {path.name for path in databases}
    assert all(path.stat().st_mode & 0o117 == 0 for path in [*files(pacs), *databases])


# ------------------------------------------------------------------------------- the hierarchy (whose study is it)


def test_study_belongs_to_the_first_patient(pacs, handlers, caplog):
    store(handlers, made(1))
    store(handlers, made(2, PatientID="SECRET", PatientName="Other^Name", SeriesInstanceUID="1.2.3.5"))
    assert pacs.counts() == {"patients": 1, "studies": 1, "series": 2, "instances": 2}
    assert set(values(handlers, "PatientID", "IMAGE", PatientID="")) == {"P1"}
    assert "another patient" in caplog.text
    assert "SECRET" not in caplog.text


def test_same_patient_id_from_two_issuers(pacs, handlers):
    store(handlers, made(1, IssuerOfPatientID="A"))
    store(handlers, made(2, IssuerOfPatientID="B", StudyInstanceUID="1.2.4"))
    store(handlers, made(3, IssuerOfPatientID="B", StudyInstanceUID="1.2.5", PatientName="Doe^J"))
    assert pacs.counts()["patients"] == 2


def test_nobody_is_not_everybody(pacs, handlers):
    store(handlers, made(1, PatientID=None))
    store(handlers, made(2, PatientID="", StudyInstanceUID="1.2.4"))
    store(handlers, made(3, PatientID="", StudyInstanceUID="1.2.5", PatientName="Other"))
    assert pacs.counts()["patients"] == 2


def test_series_uid_in_two_studies(pacs, handlers):
    store(handlers, made(1))
    store(handlers, made(2, StudyInstanceUID="1.2.4"))
    assert pacs.counts() == {"patients": 1, "studies": 2, "series": 2, "instances": 2}
    assert len(retrieve(handlers, "SERIES", SeriesInstanceUID="1.2.3.0")) == 2
    assert len(retrieve(handlers, "SERIES", StudyInstanceUID="1.2.4", SeriesInstanceUID="1.2.3.0")) == 1


@pytest.mark.parametrize(
    ("charset", "name", "asked"),
    [
        ("ISO_IR 192", "Köhler^Jürgen", "köhler*"),
        ("ISO_IR 100", "Köhler^Jürgen", "KÖHLER^j*"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう", "山田*"),
        ("ISO_IR 192", "Yamada^Tarou=山田^太郎=やまだ^たろう", "=*太郎"),
        ("GB18030", "Wang^XiaoDong=王^小东", "wang*=王*"),
    ],
)
def test_names_in_other_scripts(pacs, handlers, charset, name, asked):
    from pydicom import Dataset

    dataset = Dataset()
    dataset.SpecificCharacterSet = charset
    for keyword, value in made(PatientName=name, ImageType=None, PixelData=None).items():
        setattr(dataset, keyword, value)
    uids = {"sop_class": dataset.SOPClassUID, "sop_instance": dataset.SOPInstanceUID}
    request, data = store_request(encode(dataset), **uids)
    request.data = data
    assert handlers.store(request) == 0x0000
    (match,), _ = find(handlers, "STUDY", PatientName=asked)
    assert match["PatientName"] == name
    from nbdicom.data import codec

    answer = codec.decode(encode(match), EXPLICIT)
    assert (str(answer.PatientName), answer.SpecificCharacterSet) == (name, "ISO_IR 192")


def test_answer_in_ascii_names_no_character_set(handlers):
    from nbdicom.data import codec

    store(handlers, made())
    (match,), _ = find(handlers, "STUDY", PatientName="")
    assert "SpecificCharacterSet" not in codec.decode(encode(match), EXPLICIT)


# ------------------------------------------------------------------------------- several at once


def test_ten_threads_store_into_one_study(tmp_path):
    with Pacs(tmp_path / "root") as pacs:
        handlers = pacs.handlers()
        start = threading.Barrier(10)

        def send(worker):
            start.wait()
            return [store(handlers, made(100 * worker + k, SeriesInstanceUID=f"1.2.3.0.{k % 2}")) for k in range(10)]

        with ThreadPoolExecutor(10) as pool:
            statuses = [status for result in pool.map(send, range(10)) for status in result]
        assert statuses == [0x0000] * 100
        assert pacs.counts() == {"patients": 1, "studies": 1, "series": 2, "instances": 100}
        assert values(handlers, "NumberOfStudyRelatedInstances", "STUDY", NumberOfStudyRelatedInstances="") == ["100"]
        assert len(files(pacs)) == 100


def test_ten_threads_store_the_same_object(pacs, handlers):
    start = threading.Barrier(10)

    def send(worker):
        start.wait()
        return store(handlers, made(PixelData=bytes([worker % 2] * 8)))

    with ThreadPoolExecutor(10) as pool:
        statuses = sorted(pool.map(send, range(10)))
    assert statuses == [0x0000] * 5 + [0x0111] * 5  # the first stays, with its twins
    assert (pacs.counts()["instances"], len(files(pacs)), len(files(pacs, "incoming"))) == (1, 1, 0)


class Waiting(list):
    """The queue of an archive, which tells how many have come."""

    def __init__(self):
        self.came = threading.Semaphore(0)

    def append(self, batch):
        super().append(batch)
        self.came.release()

    def until(self, count):
        assert all(self.came.acquire(timeout=60) for _ in range(count))


def test_writers_that_wait_are_committed_together(pacs, handlers):
    archive = pacs._open()
    commits, index = [], archive.index
    index._writer.set_trace_callback(lambda sql: commits.append(sql) if sql == "COMMIT" else None)
    with ThreadPoolExecutor(8) as pool:
        with archive._turn:
            archive._queue = waiting = Waiting()
            results = [pool.submit(store, handlers, made(k)) for k in range(8)]
            waiting.until(8)
        assert [result.result() for result in results] == [0x0000] * 8
    assert len(commits) == 1


def test_an_object_that_cannot_be_recorded_harms_no_other(pacs, handlers, monkeypatch):
    from nbdicom.pacs.rows import Writer

    add = Writer.add

    def picky(writer, records):
        records = list(records)
        add(writer, records)
        if any(record.attributes.text("InstanceNumber") == "3" for record in records):
            raise RuntimeError("a mistake of ours")

    monkeypatch.setattr(Writer, "add", picky)
    archive = pacs._open()
    with ThreadPoolExecutor(6) as pool:
        with archive._turn:
            archive._queue = waiting = Waiting()
            results = [pool.submit(store, handlers, made(k)) for k in range(6)]
            waiting.until(6)
        assert [result.result() for result in results] == [0, 0, 0, 0xA700, 0, 0]
    assert pacs.counts() == {"patients": 1, "studies": 1, "series": 1, "instances": 5}
    assert len(files(pacs)) == 5


# ------------------------------------------------------------------------------- failing disks


def failing(error):
    def fail(*args, **kwargs):
        raise OSError(error, os.strerror(error))

    return fail


@pytest.mark.parametrize("call", ["fsync", "writev"])
@pytest.mark.parametrize("error", [28, 5])
def test_disk_full_or_broken(tmp_path, monkeypatch, call, error):
    with Pacs(tmp_path / "root") as pacs:
        handlers = pacs.handlers()
        with monkeypatch.context() as broken:
            broken.setattr(os, call, failing(error))
            assert store(handlers, made()) == 0xA700
        assert nothing_left(pacs)
        assert store(handlers, made()) == 0x0000  # the space came back


def test_disk_full_while_the_index_is_written(pacs, handlers):
    index = pacs._open().index
    (pages,) = index._writer.execute("PRAGMA page_count").fetchone()
    index._writer.execute(f"PRAGMA max_page_count = {pages}")
    statuses = [store(handlers, made(k, PatientComments="x" * 1000, StudyInstanceUID=f"1.{k}")) for k in range(60)]
    refused = statuses.count(0xA700)
    assert refused and set(statuses) <= {0x0000, 0xA700}
    assert len(files(pacs)) == 60 - refused == pacs.counts()["instances"]
    assert not files(pacs, "incoming")
    index._writer.execute("PRAGMA max_page_count = 1000000")
    assert store(handlers, made(999)) == 0x0000


def test_index_locked_by_another_process(pacs, handlers, monkeypatch):
    index = pacs._open().index
    index._writer.execute("PRAGMA busy_timeout = 20")
    other = sqlite3.connect(index.path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    assert store(handlers, made()) == 0xA700
    other.execute("ROLLBACK")
    other.close()
    assert store(handlers, made()) == 0x0000


def test_object_beyond_the_limit(tmp_path):
    with Pacs(tmp_path, limits=Limits(object_size=1000)) as pacs:
        assert store(pacs.handlers(), made(PixelData=bytes(2000))) == 0xA700
        assert nothing_left(pacs)


def test_interrupted_reception_leaves_nothing(pacs, handlers):
    request, data = store_request(made())
    sink = handlers.sink(request)
    sink.write([memoryview(data)[:20]])
    assert len(files(pacs, "incoming")) == 1
    sink.close(False)
    assert nothing_left(pacs)


def test_object_that_no_handler_took_leaves_nothing(pacs, handlers):
    request, data = store_request(made())
    sink = handlers.sink(request)
    sink.write([memoryview(data)])
    sink.close(True)
    del sink
    assert nothing_left(pacs)


def test_file_gone_while_running(pacs, handlers):
    store(handlers, made(1))
    store(handlers, made(2))
    pacs.instance("1.2.3.1").path.unlink()
    assert store(handlers, made(1)) == 0x0000
    assert pacs.instance("1.2.3.1").path.exists()
    assert pacs.counts()["instances"] == 2


# ------------------------------------------------------------------------------- the next start


@pytest.fixture
def again(tmp_path):
    """Open the same folder again and again."""
    opened = []

    def open_it(**kwargs):
        while opened:
            opened.pop().stop()
        opened.append(Pacs(tmp_path / "root", durability="none", **kwargs))
        opened[-1].handlers()
        return opened[-1]

    yield open_it
    while opened:
        opened.pop().stop()


def fill(pacs, count=6):
    handlers = pacs.handlers()
    for k in range(count):
        assert store(handlers, made(k, SeriesInstanceUID=f"1.2.3.0.{k % 2}", StudyInstanceUID=f"1.2.{k % 3}")) == 0
    return pacs.counts()


def everything(pacs):
    keys = {"StudyDate": "", "SeriesNumber": "", "Rows": None, "ImageType": "", "SliceThickness": "", "PatientID": ""}
    matches, _ = find(pacs.handlers(), "IMAGE", **keys)
    return sorted(tuple(sorted(match.items())) for match in matches)


def test_nothing_happened(again):
    pacs = again()
    counts, content = fill(pacs), everything(pacs)
    pacs = again()
    assert (pacs.counts(), everything(pacs)) == (counts, content)


def test_half_received_files_are_removed(again):
    pacs = again()
    fill(pacs)
    (pacs.root / "incoming" / "abc.part").write_bytes(b"half")
    assert not files(again(), "incoming")


def test_rows_without_file_are_dropped(again, caplog):
    pacs = again()
    counts = fill(pacs)
    pacs.instance("1.2.3.1").path.unlink()
    pacs.instance("1.2.3.4").path.unlink()  # the other instance of the same series: the whole study goes
    pacs = again()
    assert pacs.counts() == {"patients": 1, "studies": 2, "series": 4, "instances": counts["instances"] - 2}
    assert "is gone" in caplog.text
    assert again().counts()["instances"] == counts["instances"] - 2


def test_file_of_another_size_is_set_aside(again):
    pacs = again()
    counts = fill(pacs)
    path = pacs.instance("1.2.3.1").path
    path.write_bytes(path.read_bytes()[:-1])
    pacs = again()
    assert pacs.counts()["instances"] == counts["instances"] - 1
    assert len(files(pacs, "damaged")) == 1
    assert store(pacs.handlers(), made(1, SeriesInstanceUID="1.2.3.0.1", StudyInstanceUID="1.2.1")) == 0x0000


@pytest.mark.parametrize("damage", ["gone", "empty", "rubbish", "truncated", "foreign", "version", "page"])
def test_damaged_index_is_made_again_from_the_objects(again, damage):
    pacs = again()
    counts, content = fill(pacs, 40), everything(pacs)
    path = pacs.root / "index.sqlite"
    pacs.stop()
    whole = path.read_bytes()
    if damage == "gone":
        path.unlink()
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "rubbish":
        path.write_bytes(b"rubbish" * 1000)
    elif damage == "truncated":
        path.write_bytes(whole[: len(whole) // 2])
    elif damage == "page":
        path.write_bytes(whole[:8192] + b"\xff" * 4096 + whole[12288:])
    else:
        connection = sqlite3.connect(path)
        connection.execute("PRAGMA application_id = 1" if damage == "foreign" else "PRAGMA user_version = 99")
        connection.close()
    before = path.read_bytes() if path.exists() else b""
    pacs = again()
    assert (pacs.counts(), everything(pacs)) == (counts, content)
    if before:
        (aside,) = [p for p in pacs.root.glob("index.sqlite.damaged-*") if not p.name.endswith(("-wal", "-shm"))]
        assert aside.read_bytes() == before
    assert len(list(again().root.glob("index.sqlite.damaged-*"))) <= 1


@pytest.mark.parametrize("first", [1, 2, 3])
def test_an_index_that_is_made_again_keeps_who_was_first(again, first):
    pacs = again()
    for number in (1, 2, 3):
        assert store(pacs.handlers(), made(number, PatientID=f"P{number}")) == 0
    for number in (1, 2, 3):
        os.utime(pacs.instance(f"1.2.3.{number}").path, (0, 1e9 + (number - first) % 3))
    pacs.stop()
    (pacs.root / "index.sqlite").unlink()
    assert set(values(again().handlers(), "PatientID", "IMAGE", PatientID="")) == {f"P{first}"}


def test_object_files_without_row_are_adopted(again, caplog):
    pacs = again()
    counts, content = fill(pacs), everything(pacs)
    index = pacs._open().index
    index.remove([index.entry("1.2.3.2").id, index.entry("1.2.3.3").id])
    assert pacs.counts()["instances"] == counts["instances"] - 2
    pacs = again()
    assert (pacs.counts(), everything(pacs)) == (counts, content)
    assert "adopted" in caplog.text


def test_file_that_is_no_object_is_set_aside(again):
    pacs = again()
    fill(pacs)
    (pacs.root / "objects" / "00" / f"{'1' * 54}.dcm").write_bytes(b"not DICOM")
    whole = pacs.instance("1.2.3.1").path
    (pacs.root / "objects" / "00" / f"{'2' * 54}.dcm").write_bytes(whole.read_bytes())  # under another one's name
    pacs = again()
    assert pacs.counts()["instances"] == 6
    assert len(files(pacs, "damaged")) == 2


def test_two_servers_on_one_folder(tmp_path):
    first = Pacs(tmp_path, durability="none").start()
    with pytest.raises(PacsError, match="in use by another server"):
        Pacs(tmp_path, ae_title="OTHER", durability="none").start()
    first.stop()
    Pacs(tmp_path, ae_title="OTHER", durability="none").start().stop()
