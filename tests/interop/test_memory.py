"""An object of 1 GB goes through both ends without going through their memory; in a hurry, one of 256 MB."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from . import corpus, peers

SIZES = [256 << 20, pytest.param(1 << 30, marks=pytest.mark.extended)]
MOST = 64 << 20  #: bytes that the peak may rise by
_HERE = Path(__file__).parent
_EVERY = 61_000_003  #: between two marks in the pixels; odd, so that they move through every buffer
_MARK = b"\xa5one mark"

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read from Linux's /proc")


def peak(pid: int) -> int:
    """The most resident memory that a process had since `forget_peak`, in bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) << 10


def forget_peak(pid: int) -> int:
    """Make what a process has now its peak (proc(5), clear_refs), and tell it."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    return peak(pid)


@pytest.fixture
def room(size):
    """A folder with room for two copies: in memory where there is enough of it, else on the disk."""
    needed = 2 * size + (512 << 20)
    places = [where for where in ("/dev/shm", tempfile.gettempdir()) if os.path.isdir(where)]
    free = {where: shutil.disk_usage(where).free for where in places}
    available = int(Path("/proc/meminfo").read_text().split("MemAvailable:")[1].split()[0]) << 10
    if "/dev/shm" in free:
        free["/dev/shm"] = min(free["/dev/shm"], available // 2)
    for where, size in free.items():
        if size > needed:
            with tempfile.TemporaryDirectory(prefix="nbdicom-memory-", dir=where) as folder:
                yield Path(folder)
            return
    pytest.skip(f"no folder has {needed >> 20} MB of room")


def instance(path: Path, number: int, pixels: int) -> Path:
    """A Part 10 file whose Pixel Data is a hole in the file, but for a few marks: it is never built in memory."""
    ds = corpus.dataset(corpus.SERIES[0], number, size=2)
    # One study for each, so that a retrieval by study is about one object.
    ds.StudyInstanceUID, ds.SeriesInstanceUID = corpus.study_uid(number), corpus.series_uid(number, 1)
    ds.Rows, ds.Columns, ds.NumberOfFrames = 1024, 1024, max(1, pixels >> 21)
    del ds.PixelData
    ds.save_as(path, enforce_file_format=True)
    with path.open("r+b") as file:
        start = file.seek(0, os.SEEK_END)
        file.write(b"\xe0\x7f\x10\x00OW\0\0" + pixels.to_bytes(4, "little"))
        for offset in range(0, pixels, _EVERY):
            file.seek(start + 12 + offset)
            file.write(_MARK)
        file.truncate(start + 12 + pixels)
    return path


def assert_arrived(sent: Path, arrived: Path) -> None:
    """Same length, same head, same marks at the same places; without reading what was a hole."""
    head, other = _head(sent), _head(arrived)
    size = sent.stat().st_size - head
    assert arrived.stat().st_size - other == size
    places = [*range(0, 4096, 512), *_marks(sent, head), size - 512]
    with sent.open("rb") as a, arrived.open("rb") as b:
        for place in places:
            a.seek(head + place)
            b.seek(other + place)
            assert a.read(512) == b.read(512), f"differs after {place} bytes"


def _head(path: Path) -> int:
    with path.open("rb") as file:
        start = file.read(144)
    return 144 + int.from_bytes(start[140:144], "little")


def _marks(path: Path, head: int) -> list[int]:
    with path.open("rb") as file:
        begin = file.read(8192).index(b"\xe0\x7f\x10\x00OW") + 12 - head
    marks = list(range(begin, path.stat().st_size - head - 512, _EVERY))
    with path.open("rb") as file:
        for mark in marks:
            file.seek(head + mark)
            assert file.read(len(_MARK)) == _MARK
    return marks


class Scu:
    """The SCU's process."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(_HERE / "one_gigabyte.py"), "scu"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment(),
        )

    def do(self, does: str, address: str, *positional: str, **keywords: str) -> str:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps([does, address, positional, keywords]) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline() or "null")
        assert answer is not None and answer["ok"] and answer["rows"] == 1, answer
        return answer["said"]

    def __enter__(self) -> Scu:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(_HERE.parent.parent)}


@pytest.mark.timeout(240)
@pytest.mark.parity("A.8 STORE_SEND_CHUNKED_DATASET", "A.8 STORE_RECV_CHUNKED_DATASET")
@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size >> 20} MB")
def test_a_big_object_is_stored_and_retrieved_without_memory(room, size):
    small, big = instance(room / "small.dcm", 501, 1 << 20), instance(room / "big.dcm", 502, size)
    port, destination = peers.free_port(), peers.free_port()
    argv = [sys.executable, _HERE / "one_gigabyte.py", "scp", str(port), "BIG", room / "pacs", str(destination)]
    rises: dict[str, int] = {}
    with peers.Program(argv, room, port, "BIG", env=environment()) as scp, Scu() as scu:

        def measured(name: str, does: str, *args: str, **keywords: str) -> None:
            before = forget_peak(scu.process.pid), forget_peak(scp.pid)
            scu.do(does, scp.address, *args, **keywords)
            rises[f"{name}, SCU"] = peak(scu.process.pid) - before[0]
            rises[f"{name}, SCP"] = peak(scp.pid) - before[1]

        for path in (small, big):  # the second one's figures stay
            measured("C-STORE", "store", str(path))
        assert_arrived(big, biggest(room / "pacs"))
        for how in ("get", "move"):
            to, listen = room / how, f"{peers.LOOPBACK}:{destination}"
            for number in (501, 502):
                uid = corpus.study_uid(number)
                measured(f"C-{how.upper()}", "retrieve", to=str(to), method=how, listen=listen, StudyInstanceUID=uid)
            assert_arrived(big, biggest(to))
            shutil.rmtree(to)
    figures = {what: f"{rise / 2**20:.1f} MB" for what, rise in rises.items()}
    print(figures)
    assert max(rises.values()) <= MOST, figures


def biggest(folder: Path) -> Path:
    return max((path for path in folder.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
