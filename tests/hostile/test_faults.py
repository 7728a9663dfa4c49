"""Failing disks and networks, F1 to F24: each a test with a name, here or where its neighbours are (`ELSEWHERE`)."""

from __future__ import annotations

import ast
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from nbdicom.blocking import Server
from nbdicom.config import Limits, Timeouts
from nbdicom.core.command import CStoreRQ, CStoreRSP
from nbdicom.core.pdu import encode_pdu
from nbdicom.data import codec
from nbdicom.errors import NbdicomError, PacsError
from nbdicom.operations.handlers import Handlers
from nbdicom.pacs import Pacs
from nbdicom.uids import UID
from tests.drivers.scripted import (
    A_ABORT_USER,
    CONTEXTS,
    CT,
    FAST,
    IMPLICIT,
    LIMIT,
    STORE_ID,
    Wire,
    a_associate_rj,
    a_associate_rq,
    dial,
    message,
)
from tests.hostile.targets import started
from tests.leaks import descriptors

TESTS = Path(__file__).parents[1]
ROOT = TESTS.parent

#: Fault -> where it is tested: file and name of the test, several where the fault has several sides.
WHERE = {
    "F1": [
        "hostile/test_faults.py::test_f1_disk_full",
        "pacs/test_pacs_archive.py::test_disk_full_while_the_index_is_written",
    ],
    "F2": [
        "pacs/test_pacs_crash.py::test_killed_at",
    ],
    "F3": [
        "hostile/test_faults.py::test_f3_power_cut",
        "hostile/test_faults.py::test_f3_power_cut_with_batch",
        "hostile/test_faults.py::test_f3_order_of_the_system_calls",
    ],
    "F4": [
        "pacs/test_pacs_archive.py::test_disk_full_or_broken",
        "hostile/test_faults.py::test_f4_a_sync_that_fails_is_final",
        "hostile/test_faults.py::test_f4_a_sync_that_fails_behind_an_answer",
    ],
    "F5": [
        "pacs/test_pacs_archive.py::test_same_bytes_again",
        "pacs/test_pacs_archive.py::test_ten_threads_store_the_same_object",
    ],
    "F6": [
        "pacs/test_pacs_archive.py::test_other_bytes_with_the_same_uid",
    ],
    "F7": [
        "pacs/test_pacs_archive.py::test_study_belongs_to_the_first_patient",
        "pacs/test_pacs_archive.py::test_same_patient_id_from_two_issuers",
        "pacs/test_pacs_archive.py::test_series_uid_in_two_studies",
    ],
    "F8": [
        "pacs/test_pacs_archive.py::test_rows_without_file_are_dropped",
        "pacs/test_pacs_archive.py::test_object_files_without_row_are_adopted",
        "pacs/test_pacs_archive.py::test_file_of_another_size_is_set_aside",
        "pacs/test_pacs_archive.py::test_damaged_index_is_made_again_from_the_objects",
        "hostile/test_faults.py::test_f8_an_object_that_has_rotted",
        "hostile/test_faults.py::test_f8_a_file_that_is_gone_fails_alone",
    ],
    "F9": [
        "pacs/test_pacs_archive.py::test_index_locked_by_another_process",
        "hostile/test_faults.py::test_f9_a_locked_index_delays_no_echo",
    ],
    "F10": [
        "pacs/test_pacs_archive.py::test_two_servers_on_one_folder",
        "hostile/test_faults.py::test_f10_another_process_on_one_folder",
    ],
    "F11": [
        "hostile/test_faults.py::test_f11_sixteen_associations_store_at_once",
    ],
    "F12": [
        "drivers/test_hostile_requestor.py::test_the_requestor_ends_at_every_byte",
    ],
    "F13": [
        "drivers/test_hostile_requestor.py::test_the_requestor_stalls_at_every_byte",
    ],
    "F14": [
        "drivers/test_hostile_requestor.py::test_the_requestor_is_gone_before_the_response",
    ],
    "F15": [
        "hostile/test_faults.py::test_f15_network_partition",
    ],
    "F16": [
        "drivers/test_hostile_requestor.py::test_a_requestor_that_reads_nothing",
    ],
    "F17": [
        "hostile/test_faults.py::test_f17_a_destination_that_fails",
    ],
    "F18": [
        "hostile/test_faults.py::test_f18_a_move_is_cancelled",
    ],
    "F19": [
        "hostile/test_faults.py::test_f19_descriptors_run_out",
    ],
    "F20": [
        "hostile/test_faults.py::test_f20_threads_run_out",
    ],
    "F21": [
        "hostile/test_faults.py::test_f21_a_handler_that_raises",
    ],
    "F22": [
        "hostile/test_faults.py::test_f22_odd_folders",
        "hostile/test_faults.py::test_f22_a_read_only_store_says_so_at_once",
        "hostile/test_faults.py::test_f22_no_room_for_files",
        "hostile/test_faults.py::test_f22_the_clock_jumps",
    ],
    "F23": [
        "hostile/test_faults.py::test_f23_stopped_in_a_transfer",
        "hostile/test_faults.py::test_f23_sigterm_in_a_transfer",
    ],
    "F24": [
        "hostile/test_faults.py::test_f24_no_socket_is_inherited",
    ],
}


def test_every_fault_has_a_test() -> None:
    assert list(WHERE) == [f"F{number}" for number in range(1, 25)]
    for places in WHERE.values():
        for place in places:
            file, _, name = place.partition("::")
            names = {
                node.name
                for node in ast.walk(ast.parse((TESTS / file).read_text()))
                if isinstance(node, ast.FunctionDef)
            }
            assert name in names, place


def encoded(number: int, size: int = 5000, **values: object) -> bytes:
    return codec.encode(
        {"SOPClassUID": CT, "SOPInstanceUID": f"1.2.3.{number}", "StudyInstanceUID": "1.2.3", "SeriesInstanceUID": "1.2.3.0",
         "PatientID": "P1", "PatientName": "Doe^John", "PixelData": bytes([number & 0xFF]) * size, **values},
        IMPLICIT,
    )  # fmt: skip


def store(wire: Wire, number: int, size: int = 5000) -> int:
    command = CStoreRQ(message_id=1, affected_sop_class_uid=CT, affected_sop_instance_uid=UID(f"1.2.3.{number}"))
    wire.send(message(STORE_ID, command, encoded(number, size)))
    return int(wire.request(CStoreRSP).message.status)


def call(pacs: Pacs) -> Wire:
    return Wire.associated((pacs.host, pacs.port), a_associate_rq(called=pacs.ae_title))


def stored_bytes(pacs: Pacs, number: int) -> bytes | None:
    instance = pacs.instance(f"1.2.3.{number}")
    return None if instance is None else instance.path.read_bytes()[instance.offset :]


def child(program: str, *arguments: object, prefix: tuple[str, ...] = ()) -> str:
    """Run a program that imports this module as ``t``; what it printed."""
    run = subprocess.run(
        [*prefix, sys.executable, "-c", f"from tests.hostile import test_faults as t\n{program}", *map(str, arguments)],
        capture_output=True, text=True, timeout=100, check=False, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-3000:]
    return run.stdout


def namespace(kind: str, *needs: str) -> tuple[str, ...]:
    """The prefix of a command that runs in a namespace of its own; skips where that is not possible."""
    for tool in ("unshare", *needs):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    prefix = ("unshare", kind)
    if subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode:
        pytest.skip(f"unshare {kind} is not allowed here")
    return prefix


# ------------------------------------------------------------------------------- disks


def run_f1(folder: str) -> None:
    """In a mount namespace: a file system of 6 MB fills, is emptied a little, and takes objects again."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", folder], check=True)
    ballast = Path(folder) / "ballast"
    ballast.write_bytes(bytes(1 << 20))
    with Pacs(Path(folder) / "root", limits=Limits(free_space=0)) as pacs, call(pacs) as wire:
        statuses = [store(wire, number, 300_000) for number in range(30)]
        good = statuses.count(0)
        assert 0 < good < 30 and set(statuses) == {0, 0xA700}, statuses
        assert pacs.counts()["instances"] == good
        assert len(list((Path(folder) / "root" / "objects").rglob("*.dcm"))) == good
        assert not list((Path(folder) / "root" / "incoming").iterdir())
        wire.echo()
        ballast.unlink()
        assert store(wire, 100, 300_000) == 0
        for number, status in enumerate(statuses):
            assert stored_bytes(pacs, number) == (encoded(number, 300_000) if status == 0 else None)
    with Pacs(Path(folder) / "root", limits=Limits(free_space=0)) as pacs:
        assert pacs.counts()["instances"] == good + 1
    print("ok")


def test_f1_disk_full(tmp_path: Path) -> None:
    """A700H, no partial object, no row, the server lives; when space comes back the next object is stored."""
    assert child("import sys; t.run_f1(sys.argv[1])", tmp_path, prefix=namespace("-m", "mount")) == "ok\n"


class Disk:
    """What a disk has after a power cut: files as they were when they were synced, names as folders had them then."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.content: dict[int, bytes] = {}  # by inode
        self.names: dict[Path, dict[str, int]] = {}  # by folder
        self._fsync = os.fsync
        monkeypatch.setattr(os, "fsync", self.fsync)

    def fsync(self, descriptor: int) -> None:
        self._fsync(descriptor)
        path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        status = os.fstat(descriptor)
        if path.is_dir():
            self.names[path] = {entry.name: entry.inode() for entry in os.scandir(path) if entry.is_file()}
        else:
            self.content[status.st_ino] = os.pread(descriptor, status.st_size, 0)

    def after_the_cut(self, target: Path) -> Path:
        """The folder as it is found again; a file that was named but never synced is empty."""
        for folder, names in self.names.items():
            place = target / folder.relative_to(self.root)
            place.mkdir(parents=True, exist_ok=True)
            for name, inode in names.items():
                if not name.startswith("index.sqlite"):  # what SQLite syncs is not seen here: as if it were lost, too
                    (place / name).write_bytes(self.content.get(inode, b""))
        return target


def test_f3_power_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was answered with Success is found again from synced bytes and synced names alone."""
    disk = Disk(tmp_path / "root", monkeypatch)
    with Pacs(tmp_path / "root") as pacs, call(pacs) as wire:
        assert [store(wire, number) for number in range(8)] == [0] * 8
        found = disk.after_the_cut(tmp_path / "again")
        wire.release()
    with Pacs(found, ae_title="AGAIN") as pacs:
        assert pacs.counts()["instances"] == 8
        assert all(stored_bytes(pacs, number) == encoded(number) for number in range(8))


def test_f3_power_cut_with_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is lost in the last second is gone, not half there: never offered with other bytes than were received."""
    from nbdicom.pacs import durability

    monkeypatch.setattr(durability, "BATCH_SECONDS", 0.0)
    disk = Disk(tmp_path / "root", monkeypatch)
    synced = threading.Event()

    def cut(self: durability.Syncer, batch: list[Path]) -> None:
        raise OSError(5, "Input/output error")

    original = durability.Unsynced.synced

    def tell(self: durability.Unsynced, at: float) -> None:
        original(self, at)
        synced.set()

    monkeypatch.setattr(durability.Unsynced, "synced", tell)
    with Pacs(tmp_path / "root", durability="batch") as pacs, call(pacs) as wire:
        assert store(wire, 1) == 0
        assert synced.wait(LIMIT)
        monkeypatch.setattr(durability.Syncer, "_sync", cut)  # the power fails
        assert store(wire, 2) == 0
        found = disk.after_the_cut(tmp_path / "again")
        # The worst that file systems do: the name is there, the size is there, the bytes are zeros.
        lost = pacs.instance("1.2.3.2")
        assert lost is not None
        for name in ("index.sqlite", "index.sqlite-wal"):
            shutil.copy(tmp_path / "root" / name, found / name)
        copy = found / lost.path.relative_to(tmp_path / "root")
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(bytes(lost.size))
        wire.release()
    assert (tmp_path / "root" / "unsynced").exists()
    with Pacs(found, ae_title="AGAIN") as pacs:
        assert stored_bytes(pacs, 1) == encoded(1)
        assert pacs.instance("1.2.3.2") is None
    assert not (found / "unsynced").exists()


def run_f3(folder: str) -> None:
    """One object in a PACS, to be watched from outside; the names of what is done are system calls themselves."""
    with Pacs(Path(folder) / "root") as pacs, call(pacs) as wire:
        os.access("/the object is sent", os.F_OK)
        assert store(wire, 1) == 0
        os.access("/the answer has come", os.F_OK)
        wire.release()


def test_f3_order_of_the_system_calls(tmp_path: Path) -> None:
    """The file is synced, gets its name, the folder is synced, SQLite syncs its log; only then the answer is sent."""
    log = tmp_path / "calls"
    calls = "access,faccessat,faccessat2,fsync,fdatasync,rename,renameat,renameat2,sendmsg,sendto"
    prefix = ("strace", "-f", "-y", "-qq", "-e", f"trace={calls}", "-o", str(log))
    if shutil.which("strace") is None or subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode:
        pytest.skip("strace is not installed, or not allowed here")
    child("import sys; t.run_f3(sys.argv[1])", tmp_path, prefix=prefix)
    lines = log.read_text().splitlines()
    (begin,) = (number for number, line in enumerate(lines) if "/the object is sent" in line)
    (end,) = (number for number, line in enumerate(lines) if "/the answer has come" in line)
    steps = [
        next(name for name, pattern in _STEPS.items() if re.search(pattern, line))
        for line in lines[begin + 1 : end]
        if any(re.search(pattern, line) for pattern in _STEPS.values())
    ]
    # The first was sent by the requestor.
    assert steps == ["sent", "file synced", "named", "folder synced", "index synced", "sent"]


_STEPS = {
    "file synced": r"f(data)?sync\(\d+<[^>]*/incoming/[^>]*\.part>",
    "named": r"rename\w*\(.*\.part.*/objects/",
    "folder synced": r"f(data)?sync\(\d+<[^>]*/objects[^>]*>",
    "index synced": r"f(data)?sync\(\d+<[^>]*/index\.sqlite-wal>",
    "sent": r"send(msg|to)\(",
}


def test_f4_a_sync_that_fails_is_final(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second fsync may say yes to what was lost: it is not asked again for this file, and the object is refused."""
    asked: list[int] = []

    def fsync(descriptor: int) -> None:
        inode = os.fstat(descriptor).st_ino
        assert inode not in asked
        if "incoming" in os.readlink(f"/proc/self/fd/{descriptor}"):
            asked.append(inode)
            raise OSError(5, "Input/output error")

    with Pacs(tmp_path / "root") as pacs, call(pacs) as wire:
        with monkeypatch.context() as broken:
            broken.setattr(os, "fsync", fsync)
            assert store(wire, 1) == 0xA700
        assert len(asked) == 1
        assert pacs.counts()["instances"] == 0 and not list((tmp_path / "root" / "incoming").iterdir())
        assert store(wire, 1) == 0
        wire.release()


@pytest.mark.parametrize("failure", [OSError(5, "Input/output error"), RuntimeError("nobody has thought of it")], ids=repr)
def test_f4_a_sync_that_fails_behind_an_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, failure: Exception
) -> None:
    """``"batch"``: what was answered stays doubtful until the next start, and from now on each object is synced before."""
    from nbdicom.pacs import durability

    monkeypatch.setattr(durability, "BATCH_SECONDS", 0.0)
    told = threading.Event()
    original = durability.Syncer._sync

    def fail(self: durability.Syncer, batch: list[Path]) -> None:
        told.set()
        raise failure

    with Pacs(tmp_path / "root", durability="batch") as pacs, call(pacs) as wire:
        archive = pacs._archive
        assert archive is not None and archive._syncer is not None
        with monkeypatch.context() as broken:
            broken.setattr(durability.Syncer, "_sync", fail)
            assert store(wire, 1) == 0
            assert told.wait(LIMIT)
            wait_until(lambda: archive._durable)
        assert "1 objects could not be synced" in caplog.text and archive._syncer._thread.is_alive()
        since = archive._unsynced.since()

        synced: list[str] = []
        monkeypatch.setattr(
            durability.Syncer, "_sync", lambda self, batch: (original(self, batch), synced.extend(map(str, batch)))
        )
        with monkeypatch.context() as broken:
            broken.setattr(os, "fsync", _broken_fsync)
            assert store(wire, 2) == 0xA700
        assert store(wire, 3) == 0
        wait_until(lambda: synced)  # it goes on
        assert archive._unsynced.since() == since
        wire.release()
    assert (tmp_path / "root" / "unsynced").exists()
    checked = []
    monkeypatch.setattr("nbdicom.pacs.repair.damage_of", lambda store, entry: checked.append(entry.sop_instance_uid))
    with Pacs(tmp_path / "root", ae_title="AGAIN") as pacs:
        assert pacs.counts()["instances"] == 2
    assert sorted(checked) == ["1.2.3.1", "1.2.3.3"]


def _broken_fsync(descriptor: int) -> None:
    raise OSError(5, "Input/output error")


def wait_until(ready: Callable[[], object]) -> None:
    pause, deadline = threading.Event(), time.monotonic() + LIMIT
    while not ready():
        assert time.monotonic() < deadline
        pause.wait(0.01)


def test_f8_an_object_that_has_rotted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Same size, other bytes: only reading it back shows it.  It is no longer offered; nothing is deleted."""
    from nbdicom.cli import main

    with Pacs(tmp_path / "root") as pacs, call(pacs) as wire:
        assert [store(wire, number) for number in range(5)] == [0] * 5
        wire.release()
        assert pacs.scrub() and pacs.scrub().checked == 5
        rotten = pacs.instance("1.2.3.3")
        assert rotten is not None
        with rotten.path.open("r+b") as file:
            file.seek(-10, 2)
            file.write(b"!")
    assert main(["pacs", "--root", str(tmp_path / "root"), "--scrub"]) == 1
    shown = capsys.readouterr().out
    assert "5 objects" in shown and "1 damaged" in shown and "1.2.3.3" in shown and "Doe" not in shown
    assert main(["pacs", "--root", str(tmp_path / "root"), "--scrub"]) == 0
    with Pacs(tmp_path / "root") as pacs, call(pacs) as wire:
        assert pacs.counts()["instances"] == 4 and pacs.instance("1.2.3.3") is None
        assert len(list((tmp_path / "root" / "damaged").iterdir())) == 1
        assert store(wire, 3) == 0  # it can be stored anew
        wire.release()


class Destination:
    """A storage SCP that does as a script says with each object."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.stored = 0
        self.server = Server(
            Handlers(store=self.store),
            ae_title="DEST",
            contexts=[("Verification", IMPLICIT), (CT, IMPLICIT)],
            timeouts=FAST,
        )

    def store(self, request: object) -> int:
        self.stored += 1
        return self.statuses.pop(0) if self.statuses else 0


def archive(tmp_path: Path, destination: tuple[str, int], count: int = 6, **changes: object) -> Pacs:
    pacs = Pacs(tmp_path / "root", durability="none", allow={"DEST": destination}, timeouts=FAST, **changes)  # type: ignore[arg-type]
    pacs.start()
    with call(pacs) as wire:
        assert [store(wire, number) for number in range(count)] == [0] * count
        wire.release()
    return pacs


def moved(pacs: Pacs, destination: str = "DEST") -> tuple[list[tuple[int, ...]], int]:
    """The counters (completed, failed, warning) of a C-MOVE of everything, and its final status."""
    identifier = codec.encode({"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": "1.2.3"}, IMPLICIT)
    with dial((pacs.host, pacs.port), called=pacs.ae_title) as association:
        responses = association.move(identifier, destination=destination)
        try:
            counts = [(r.completed, r.failed, r.warning) for r in responses]
        except NbdicomError:
            counts = []
        assert responses.status is not None
        final = responses.status
        assert association.echo() == 0
    return counts, int(final)


def test_f8_a_file_that_is_gone_fails_alone(tmp_path: Path) -> None:
    destination = Destination()
    with destination.server, archive(tmp_path, destination.server.address) as pacs:
        gone = pacs.instance("1.2.3.2")
        assert gone is not None
        gone.path.unlink()
        _, status = moved(pacs)
        assert (status, destination.stored) == (0xB000, 5)


_LOCKER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.read()
"""


def test_f9_a_locked_index_delays_no_echo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process holds the index: the object that waits for it is refused after a while, nobody else waits."""
    from nbdicom.pacs import databases

    monkeypatch.setattr(databases, "BUSY_SECONDS", 0.5)
    with Pacs(tmp_path / "root", durability="none") as pacs, call(pacs) as wire, call(pacs) as other:
        locker = subprocess.Popen(
            [sys.executable, "-c", _LOCKER, tmp_path / "root" / "index.sqlite"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert locker.stdout is not None
        try:
            assert locker.stdout.readline() == "locked\n"
            command = CStoreRQ(message_id=1, affected_sop_class_uid=CT, affected_sop_instance_uid=UID("1.2.3.1"))
            wire.send(message(STORE_ID, command, encoded(1)))
            for _ in range(20):
                other.echo()
            assert wire.request(CStoreRSP).message.status == 0xA700
        finally:
            locker.communicate(timeout=60)
        assert store(wire, 1) == 0
        wire.release()
        other.release()


def run_f10(folder: str) -> None:
    """In another process than the server of this folder."""
    try:
        Pacs(folder, ae_title="OTHER").start()
    except PacsError as error:
        print(error.message)


def test_f10_another_process_on_one_folder(tmp_path: Path) -> None:
    """The second server refuses in plain words, and the first goes on."""
    with Pacs(tmp_path / "root") as pacs, call(pacs) as wire:
        assert "in use by another server" in child("import sys; t.run_f10(sys.argv[1])", tmp_path / "root")
        assert store(wire, 1) == 0
        wire.release()


def test_f11_sixteen_associations_store_at_once(tmp_path: Path) -> None:
    """No lost rows, no deadlock; they share commits."""
    with Pacs(tmp_path / "root") as pacs:
        commits: list[str] = []
        writer = pacs._open().index._writer
        writer.set_trace_callback(lambda sql: commits.append(sql) if sql == "COMMIT" else None)
        ready = threading.Barrier(16)

        def sender(which: int) -> list[int]:
            with call(pacs) as wire:
                ready.wait(LIMIT)
                statuses = [store(wire, 100 * which + number, 200) for number in range(10)]
                wire.release()
            return statuses

        with ThreadPoolExecutor(16) as pool:
            assert sum(pool.map(sender, range(16)), []) == [0] * 160
        assert pacs.counts()["instances"] == 160 == pacs.scrub().checked
        assert len(commits) <= 160


# ------------------------------------------------------------------------------- networks


def run_f15() -> None:
    """In a network namespace: the loopback interface goes down under an association."""

    def link(state: str) -> None:
        subprocess.run(["ip", "link", "set", "lo", state], check=True)

    link("up")
    timeouts = Timeouts(artim=2, network=2, pdu=2, idle=2, dimse=2, closing=0.1)
    contexts = CONTEXTS
    with Server(Handlers(store=lambda request: 0), ae_title="SCP", contexts=contexts, timeouts=timeouts) as server:
        idle, stuck = dial(server.address, timeouts=timeouts), dial(server.address, timeouts=timeouts)
        assert idle.echo() == 0
        link("down")
        try:
            stuck.echo()
            raise AssertionError("an echo without a network")
        except NbdicomError as error:
            print(type(error).__name__)
        assert server.wait_until_left(LIMIT), "the acceptor waits for ever"
        link("up")
        with dial(server.address) as association:
            assert association.echo() == 0
        idle.abort()


def test_f15_network_partition() -> None:
    """No FIN, no RST, nothing: timers end both sides, and the next association works."""
    said = child("t.run_f15()", prefix=namespace("-n", "ip"))
    assert said in ("OperationTimeout\n", "AssociationAborted\n")


@pytest.mark.parametrize(
    ("statuses", "final", "stored"),
    [
        ((0, 0, 0xA700, 0, 0, 0), 0xB000, 6),
        ((0xA700,) * 6, 0xA702, 6),
        ((0xB000,) * 6, 0xB000, 6),
        ((0,) * 6, 0x0000, 6),
    ],
    ids=["one fails", "all fail", "warnings", "none fails"],
)
def test_f17_a_destination_that_fails(tmp_path: Path, statuses: tuple[int, ...], final: int, stored: int) -> None:
    destination = Destination(*statuses)
    with destination.server, archive(tmp_path, destination.server.address) as pacs:
        assert moved(pacs)[1] == final
        assert destination.stored == stored
        destination.server.close()
        assert moved(pacs)[1] & 0xFF00 == 0xA700  # nobody there any more
        assert moved(pacs, "NOBODY")[1] == 0xA801


def test_f18_a_move_is_cancelled(tmp_path: Path) -> None:
    entered, go = threading.Event(), threading.Event()

    class Slow(Destination):
        def store(self, request: object) -> int:
            entered.set()
            assert go.wait(LIMIT)
            return super().store(request)

    destination = Slow()
    identifier = codec.encode({"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": "1.2.3"}, IMPLICIT)
    with destination.server, archive(tmp_path, destination.server.address) as pacs:
        with dial((pacs.host, pacs.port), called=pacs.ae_title) as association:
            responses = association.move(identifier, destination="DEST")
            assert entered.wait(LIMIT)
            go.set()
            responses.cancel()
            assert responses.status is not None and responses.status in (0xFE00, 0x0000)  # the answer may win the race
            assert association.echo() == 0
        assert destination.server.wait_until_left(LIMIT)
        assert destination.server.associations == []


# ------------------------------------------------------------------------------- processes


def run_f19() -> None:
    """With 40 descriptors: a flood of connections, and an association that is established goes on."""
    import resource

    with Server(Handlers(), ae_title="SCP", contexts=CONTEXTS, timeouts=FAST, limits=Limits(half_open=1000)) as server:
        established = dial(server.address)
        flood = [Wire.connect(server.address) for _ in range(5)]
        used = max(int(name) for name in os.listdir("/proc/self/fd"))
        resource.setrlimit(resource.RLIMIT_NOFILE, (used + 12, used + 12))
        try:
            while True:
                flood.append(Wire.connect(server.address))
        except OSError as error:
            assert error.errno == 24  # EMFILE
        for _ in range(20):
            assert established.echo() == 0
        for wire in flood:
            wire.close()
        assert server.wait_until_left(LIMIT, connections=1)
        with dial(server.address) as association:
            assert association.echo() == 0
        established.release()
    print("ok")


def test_f19_descriptors_run_out() -> None:
    """The accept loop neither spins nor dies; who is there is served, and whoever comes when there is room again."""
    assert child("t.run_f19()") == "ok\n"


def run_f20() -> None:
    """The address space has no room for the stack of another thread, as under ``ulimit -v``."""
    import resource

    stack = 256 << 20
    with (
        Server(Handlers(), ae_title="SCP", contexts=CONTEXTS, timeouts=FAST) as server,
        dial(server.address) as established,
    ):
        silent, broken = Wire.connect(server.address), None
        used = 4096 * int(Path("/proc/self/statm").read_text().split()[0])
        threading.stack_size(stack)
        resource.setrlimit(resource.RLIMIT_AS, (used + stack // 2, resource.RLIM_INFINITY))
        try:
            threading.Thread(target=print).start()
            raise AssertionError("there is a thread to be had")
        except RuntimeError:
            pass  # can't start new thread
        waiting = Wire.connect(server.address)  # it says nothing, and keeps nobody waiting
        broken = Wire.connect(server.address)
        broken.send(b"GET / HTTP/1.1\r\n")
        assert broken.rest() == A_ABORT_USER
        for _ in range(20):
            with Wire.connect(server.address) as wire:
                whole = encode_pdu(a_associate_rq())
                wire.send(whole[:50])
                wire.send(whole[50:])
                assert wire.rest() == a_associate_rj(2, 3, 2)
        assert established.echo() == 0
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        with dial(server.address) as association:
            assert association.echo() == 0
        waiting.send(a_associate_rq())
        assert waiting.rest() == a_associate_rj(2, 3, 2)
        for wire in (silent, broken, waiting):
            wire.close()
    print("ok")


def test_f20_threads_run_out() -> None:
    """Really: the kernel gives no stack.  Whoever comes is told why (2/3/2), who is there is served, and later all are."""
    assert child("t.run_f20()") == "ok\n"


def test_more_connections_than_there_is_room_for() -> None:
    """Beyond all limits nobody gets a thread, and everybody an answer."""
    with Server(
        Handlers(), ae_title="SCP", contexts=CONTEXTS, timeouts=FAST, limits=Limits(associations=2, half_open=1)
    ) as server:
        wires = [Wire.associated(server.address) for _ in range(2)]
        wires += [Wire.connect(server.address) for _ in range(4)]
        try:
            with Wire.connect(server.address) as wire:
                wire.send(a_associate_rq())
                assert wire.rest() == a_associate_rj(2, 3, 2)
            wires[0].echo()
        finally:
            for wire in wires:
                wire.close()


@pytest.mark.parametrize(
    "raised",
    [ValueError("Doe^John"), SystemExit(1), KeyboardInterrupt(), MemoryError(), RecursionError()],
    ids=lambda raised: type(raised).__name__,
)
def test_f21_a_handler_that_raises(raised: BaseException, caplog: pytest.LogCaptureFixture) -> None:
    def store(request: object) -> int:
        raise raised

    caplog.set_level("DEBUG", "nbdicom")
    with Server(Handlers(store=store), ae_title="SCP", contexts=CONTEXTS, timeouts=FAST) as server:
        with Wire.associated(server.address) as wire:
            command = CStoreRQ(message_id=1, affected_sop_class_uid=CT, affected_sop_instance_uid=UID("1.2.3"))
            wire.send(message(STORE_ID, command, b"data"))
            assert wire.request(CStoreRSP).message.status == 0xC000
            wire.echo()
            wire.release()
    # An interrupt in a server's thread can only be the handler's: it is answered like a mistake of it.
    kind = "RuntimeError" if isinstance(raised, KeyboardInterrupt) else type(raised).__name__
    assert "Doe" not in caplog.text and kind in caplog.text


@pytest.mark.parametrize("value", [None, "0", 0x10000, -1, 1.5, True, 0xFF00, [0]])
def test_f21_a_handler_that_returns_nonsense(value: object) -> None:
    with Server(Handlers(store=lambda request: value), ae_title="SCP", contexts=CONTEXTS, timeouts=FAST) as server:
        with Wire.associated(server.address) as wire:
            command = CStoreRQ(message_id=1, affected_sop_class_uid=CT, affected_sop_instance_uid=UID("1.2.3"))
            wire.send(message(STORE_ID, command, b"data"))
            assert wire.request(CStoreRSP).message.status == 0xC000
            wire.echo()
            wire.release()


@pytest.mark.parametrize("name", ["Bilder vom Röntgen", "画像", "with space", "%s", "#?&"])
def test_f22_odd_folders(tmp_path: Path, name: str) -> None:
    with Pacs(tmp_path / name) as pacs, call(pacs) as wire:
        assert store(wire, 1) == 0
        assert stored_bytes(pacs, 1) == encoded(1)
        wire.release()


def run_f22(folder: str) -> None:
    """A store on a file system that turns read-only."""
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", folder], check=True)
    with Pacs(Path(folder) / "root") as pacs, call(pacs) as wire:
        assert store(wire, 1) == 0
    subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
    try:
        Pacs(Path(folder) / "root").start()
    except PacsError as error:
        print(error)


def test_f22_a_read_only_store_says_so_at_once(tmp_path: Path) -> None:
    said = child("import sys; t.run_f22(sys.argv[1])", tmp_path, prefix=namespace("-m", "mount"))
    assert "cannot be used" in said and "Read-only" in said


def run_f22_inodes(folder: str) -> None:
    """A file system that has room for bytes and none for files; then a file goes, and there is room again."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "nr_inodes=320", "tmpfs", folder], check=True)
    with Pacs(Path(folder) / "root", limits=Limits(free_space=0)) as pacs, call(pacs) as wire:
        statuses = [store(wire, number, 100) for number in range(120)]
        good = statuses.count(0)
        assert 0 < good < 120 and set(statuses) == {0, 0xA700}, statuses
        assert pacs.counts()["instances"] == good
        wire.echo()
        subprocess.run(["mount", "-o", "remount,nr_inodes=600", folder], check=True)
        assert store(wire, 200, 100) == 0
    print("ok")


def test_f22_no_room_for_files(tmp_path: Path) -> None:
    assert child("import sys; t.run_f22_inodes(sys.argv[1])", tmp_path, prefix=namespace("-m", "mount")) == "ok\n"


@pytest.mark.parametrize("jump", [-400 * 86_400, 400 * 86_400], ids=["back", "forward"])
def test_f22_the_clock_jumps(tmp_path: Path, jump: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a year, in the middle of an association: no timer is about the time of day, and what was stored is found."""
    real = time.time
    with Pacs(tmp_path / "root", durability="batch") as pacs, call(pacs) as wire:
        assert store(wire, 1) == 0
        monkeypatch.setattr(time, "time", lambda: real() + jump)
        assert store(wire, 2) == 0
        wire.echo()
        wire.release()
    with Pacs(tmp_path / "root", durability="batch") as pacs:
        assert pacs.counts()["instances"] == 2
        assert all(stored_bytes(pacs, number) == encoded(number) for number in (1, 2))


def test_f23_sigterm_in_a_transfer() -> None:
    """The program ends in order: the association is aborted, the port is free, and nothing half stays."""
    with started("nbdicom-full", timers=60) as target:
        assert target.program is not None and target.store is not None
        with Wire.associated(target.address, a_associate_rq(called=target.called)) as wire:
            assert store(wire, 1) == 0
            command = CStoreRQ(message_id=1, affected_sop_class_uid=CT, affected_sop_instance_uid=UID("1.2.3.2"))
            wire.send(message(STORE_ID, command, encoded(2, 100_000))[:-1000])
            os.kill(target.program.pid, signal.SIGTERM)
            wire.aborted()
        target.program.stop()
        assert not list(target.store.rglob("*.part"))
        target.program.start()  # at the same port
        with Wire.associated(target.address, a_associate_rq(called=target.called)) as wire:
            assert store(wire, 2) == 0
            wire.release()
        target.program.stop()
        with Pacs(target.store / "root", ae_title="AGAIN") as pacs:
            assert pacs.counts()["instances"] == 2


def test_f23_stopped_in_a_transfer(tmp_path: Path) -> None:
    """No half object stays, the port is free at once, and no thread is left (the fixture looks)."""
    with Pacs(tmp_path / "root", durability="none") as pacs:
        port = pacs.port
        with call(pacs) as wire:
            command = CStoreRQ(message_id=1, affected_sop_class_uid=CT, affected_sop_instance_uid=UID("1.2.3.1"))
            wire.send(message(STORE_ID, command, encoded(1, 100_000))[:-1000])
            pacs.stop()
            wire.aborted()
    with Pacs(tmp_path / "root", durability="none", port=port) as pacs, call(pacs) as wire:
        assert pacs.counts()["instances"] == 0
        assert store(wire, 1) == 0
        wire.release()


def test_f24_no_socket_is_inherited(tmp_path: Path) -> None:
    """A child of the process holds neither the listening socket nor an association nor the store's lock."""
    with Pacs(tmp_path / "root", durability="none") as pacs, call(pacs) as wire:
        mine = set(descriptors().values())
        run = subprocess.run(
            [
                sys.executable,
                "-c",
                "from tests.leaks import descriptors as d; print(*d().values(), sep='|')",
            ],
            capture_output=True,
            text=True,
            check=True,
            close_fds=False,
            timeout=60,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        theirs = set(run.stdout.strip().split("|"))
        sockets = {what for what in mine if what.startswith("socket:")}
        assert sockets and not sockets & theirs
        assert str(tmp_path / "root" / "lock") not in theirs
        wire.release()
