"""The SCPs that are scored: nbdicom, peers that are installed, or one that runs somewhere."""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.hostile.case import ABSOLUTE
from tests.hostile.nbdicom_peer import TITLE
from tests.interop import peers
from tests.interop.peers import Program

__all__ = ["NAMES", "RAW", "Target", "external", "resident_memory", "started"]

_MEMORY = 100 << 20  #: bytes by which a case may let a process grow
RAW = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]")  #: control characters that are no line's end, in a log


def resident_memory(pid: int) -> int:
    """The resident memory of a process and its children, in bytes."""
    processes, total = [pid], 0
    while processes:
        folder = Path("/proc") / str(processes.pop())
        try:
            processes += map(int, (folder / f"task/{folder.name}/children").read_text().split())
            total += 4096 * int((folder / "statm").read_text().split()[1])
        except OSError:
            continue  # it has ended meanwhile
    return total


@dataclass
class Target:
    """An SCP, and what can be seen of it from outside."""

    name: str
    address: tuple[str, int]
    called: str
    timers: float = 0.0  #: seconds of its timers, where they are known to be short
    program: Program | None = None
    store: Path | None = None  #: the folder that its objects may be in
    around: Path | None = None  #: the folder around it, in which nothing may appear
    known: set[Path] = field(default_factory=set)
    lines: int = 0
    absolute: Path = ABSOLUTE  #: the absolute path that objects are named by for this target

    def __post_init__(self) -> None:
        if self.program is not None:  # several are played at together: each has its own, of the same length
            self.absolute = Path(f"/tmp/hostile-{self.program.port:08d}")

    def alive(self) -> bool:
        """Whether its process runs; True if it is not ours."""
        return self.program is None or self.program.alive

    def memory(self) -> int:
        """Its resident memory in bytes; 0 if it is not ours."""
        if self.program is None or not self.alive():
            return 0
        return resident_memory(self.program.pid)

    def strangers(self) -> set[Path]:
        """The files that are not in its store, where the names of our objects could lead."""
        if self.around is None or self.store is None:
            return set()
        found = {*self.around.rglob("*"), *self.absolute.parent.glob(f"{self.absolute.name}*")}
        return {path for path in found if path.is_file() and self.store not in path.parents}

    def flags(self, before: int) -> list[str]:
        """What a case left behind that it must not."""
        found = []
        if before and self.memory() - before > _MEMORY:
            found.append("memory")
        if new := self.strangers() - self.known:
            found.append("files outside of the store")
            self.known |= new
        if self.program is not None:
            log = (self.program.folder / "log.txt").read_bytes()
            fresh, self.lines = log[self.lines :], len(log)
            if RAW.search(fresh) or re.search(rb"^\s*3'?$", fresh, re.M):
                found.append("control characters in the log")
            if b"Traceback (most recent call last)" in fresh:
                found.append("traceback")
        return found


def _nbdicom(folder: Path, timers: float, driver: str = "blocking", durability: str = "none") -> Target:
    port = peers.free_port()
    (folder / "store").mkdir(parents=True)
    argv = [
        sys.executable,
        "-m",
        "tests.hostile.nbdicom_peer",
        port,
        folder / "store" / "root",
        timers,
        driver,
        durability,
    ]
    root = str(Path(__file__).parents[2])
    program = Program(list(map(str, argv)), folder, port, TITLE, env={"PYTHONPATH": root})
    return Target(
        f"nbdicom, {'asyncio' if driver == 'aio' else driver}",
        ("127.0.0.1", port),
        TITLE,
        timers,
        program,
        folder / "store",
        folder,
    )


def _nbdicom_aio(folder: Path, timers: float) -> Target:
    return _nbdicom(folder, timers, "aio")


def _nbdicom_full(folder: Path, timers: float) -> Target:
    return _nbdicom(folder, timers, durability="full")


def _of(name: str, program: Program, store: Path) -> Target:
    return Target(name, ("127.0.0.1", program.port), program.ae_title, 0.0, program, store, program.folder)


def _storescp(folder: Path, timers: float) -> Target:
    return _of(f"DCMTK {peers.dcmtk_version()} storescp", peers.storescp(folder), folder / "received")


def _dcmqrscp(folder: Path, timers: float) -> Target:
    return _of(f"DCMTK {peers.dcmtk_version()} dcmqrscp", peers.dcmqrscp(folder, destinations={}), folder / "store")


def _orthanc(folder: Path, timers: float) -> Target:
    return _of(f"Orthanc {peers.orthanc_version()}", peers.Orthanc(folder, modalities={}), folder / "storage")


def _pynetdicom(folder: Path, timers: float) -> Target:
    return _of(
        f"pynetdicom {peers.pynetdicom_version()} (an archive of a few lines)",
        peers.pynetdicom_scp(folder, destinations={}),
        folder / "store",
    )


NAMES: dict[str, Callable[[Path, float], Target]] = {
    "nbdicom": _nbdicom,
    "nbdicom-aio": _nbdicom_aio,
    "nbdicom-full": _nbdicom_full,
    "storescp": _storescp,
    "dcmqrscp": _dcmqrscp,
    "orthanc": _orthanc,
    "pynetdicom": _pynetdicom,
}


@contextmanager
def started(name: str, *, timers: float = 1.5) -> Iterator[Target]:
    """Start one of `NAMES` in a folder of its own.

    Raises
    ------
    Missing
        If it is not installed.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="nbdicom-hostile-")))
        target = NAMES[name](folder / "deep" / "peer", timers)  # so deep that a path upwards ends in the folder
        target.around = folder
        assert target.program is not None
        stack.enter_context(target.program)
        target.known = target.strangers()
        yield target


def external(address: str) -> Target:
    """An SCP that runs somewhere: ``AET@host:port``."""
    title, _, where = address.partition("@")
    host, _, port = where.rpartition(":")
    return Target(address, (host, int(port)), title)
