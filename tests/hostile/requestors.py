"""The requestors that are scored: nbdicom by both drivers, DCMTK's tools, pynetdicom.

Each is asked for one service at a port of ours, and says in the end what it told its user.  What is a library runs in a
process that lives on from case to case; a tool is started for each.
"""

from __future__ import annotations

import select
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from tests.hostile.targets import RAW, resident_memory
from tests.interop import peers

__all__ = ["REQUESTORS", "Requestor", "requestor"]

_MEMORY = 100 << 20  #: bytes by which a case may let a process grow
_ROOT = str(Path(__file__).parents[2])


class Requestor(Protocol):
    """What asks for a service."""

    name: str
    timers: float  #: seconds of its timers, where they are known to be short

    @property
    def absolute(self) -> Path:
        """Stands instead of `ABSOLUTE`, and is as long."""
        ...

    def start(self) -> None:
        """Be ready to be asked."""
        ...

    def begin(self, service: str, port: int) -> None:
        """Ask for a service at a port of the loopback interface."""
        ...

    def outcome(self, seconds: float) -> str | None:
        """What it told its user: ``ok``, ``error ...``, ``crash ...`` or ``died``; None if it says nothing in time."""
        ...

    def flags(self) -> list[str]:
        """What the last case left behind that it must not."""
        ...

    def close(self) -> None:
        """End whatever runs."""
        ...


class _Folder:
    """A folder that a requestor may write to, in one that it may not."""

    def __init__(self, folder: Path) -> None:
        self.around = folder
        self.absolute = Path(f"/tmp/hostile-{folder.parent.name[-8:]:_>8}")  # as long as `ABSOLUTE`
        self.inside = folder / "deep" / "deeper" / "received"
        self.inside.mkdir(parents=True)
        self.log = folder / "log.txt"
        self.log.touch()
        self._lines = 0
        self._known = self._strangers() | {self.log}

    def _strangers(self) -> set[Path]:
        found = {*self.around.parent.rglob("*"), *self.absolute.parent.glob(f"{self.absolute.name}*")}
        return {path for path in found if path.is_file() and self.inside not in path.parents}

    def flags(self) -> list[str]:
        found = []
        if new := self._strangers() - self._known:
            found.append("files outside of the folder")
            self._known |= new
            for path in new:
                if path.parent == self.absolute.parent:
                    path.unlink()
        log = self.log.read_bytes()
        fresh, self._lines = log[self._lines :], len(log)
        if RAW.search(fresh):
            found.append("control characters in the log")
        if b"Traceback (most recent call last)" in fresh:
            found.append("traceback")
        return found


class Worker:
    """A library in a process that takes a line for each service and answers with a line."""

    def __init__(self, name: str, argv: list[str], folder: Path, timers: float) -> None:
        self.name = name
        self.timers = timers
        self._argv = argv
        self._folder = _Folder(folder)
        self._process: subprocess.Popen[str] | None = None
        self._memory = 0

    @property
    def absolute(self) -> Path:
        return self._folder.absolute

    def start(self) -> None:
        log = self._folder.log.open("ab")
        self._process = subprocess.Popen(
            [*self._argv, str(self._folder.inside)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            cwd=self._folder.around,
            env=peers.environment({"PYTHONPATH": _ROOT}),
        )
        log.close()
        said = self._line(3 * peers.START)
        assert said == "ready", f"{self.name} does not start ({said}): {self._folder.log.read_text()[-2000:]}"

    def begin(self, service: str, port: int) -> None:
        if self._process is None or self._process.poll() is not None:
            self.close()
            self.start()
        assert self._process is not None and self._process.stdin is not None
        self._memory = resident_memory(self._process.pid)
        self._process.stdin.write(f"{service} {port}\n")
        self._process.stdin.flush()

    def outcome(self, seconds: float) -> str | None:
        said = self._line(seconds)
        if said is None:
            self.close()  # it hangs: a fresh one for the next case
        return said

    def _line(self, seconds: float) -> str | None:
        process = self._process
        assert process is not None and process.stdout is not None
        if not select.select([process.stdout], [], [], seconds)[0]:
            return None
        return process.stdout.readline().strip() or "died"

    def flags(self) -> list[str]:
        grown = (
            self._process is not None and self._memory and resident_memory(self._process.pid) - self._memory > _MEMORY
        )
        return [*(["memory"] if grown else []), *self._folder.flags()]

    def close(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    stream.close()


class Tools:
    """Command line tools, one for each service."""

    timers = 0.0

    def __init__(self, name: str, argv: Callable[[str, int, Path], list[str]], folder: Path) -> None:
        self.name = name
        self._argv = argv
        self._folder = _Folder(folder)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """There is nothing to start before it is asked."""

    @property
    def absolute(self) -> Path:
        return self._folder.absolute

    def begin(self, service: str, port: int) -> None:
        log = self._folder.log.open("ab")
        self._process = subprocess.Popen(
            self._argv(service, port, self._folder.inside),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=self._folder.around,
            env=peers.environment(None),
        )
        log.close()

    def outcome(self, seconds: float) -> str | None:
        assert self._process is not None
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.close()
            return None
        return "died" if code < 0 else f"error {code}" if code else "ok"

    def flags(self) -> list[str]:
        return self._folder.flags()

    def close(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()


def _dcmtk(service: str, port: int, folder: Path) -> list[str]:
    address = ["-aet", "SCU", "-aec", "SCP", "-to", "5", "-ta", "5", "-td", "5", "127.0.0.1", str(port)]
    keys = ["-S", "-k", "QueryRetrieveLevel=STUDY", "-k", "PatientID", "-k", "StudyInstanceUID=1.2.3"]
    more = {"echo": [], "find": [*keys, "--cancel", "1000"], "get": [*keys, "-od", str(folder)]}[service]
    return [peers.dcmtk(f"{service}scu"), *more, *address]


def _nbdicom(driver: str) -> Callable[[Path, float], Requestor]:
    def make(folder: Path, timers: float) -> Requestor:
        argv = [sys.executable, "-m", "tests.hostile.nbdicom_scu", driver, str(timers)]
        return Worker(f"nbdicom, {driver}", argv, folder, timers)

    return make


def _tools(folder: Path, timers: float) -> Requestor:
    return Tools(f"DCMTK {peers.dcmtk_version()} echoscu, findscu, getscu", _dcmtk, folder)


def _pynetdicom(folder: Path, timers: float) -> Requestor:
    argv = [peers.pynetdicom(), str(Path(__file__).with_name("pynetdicom_scu.py"))]
    return Worker(f"pynetdicom {peers.pynetdicom_version()}", argv, folder, 0.0)


REQUESTORS: dict[str, Callable[[Path, float], Requestor]] = {
    "nbdicom": _nbdicom("blocking"),
    "nbdicom-aio": _nbdicom("asyncio"),
    "dcmtk": _tools,
    "pynetdicom": _pynetdicom,
}


@contextmanager
def requestor(name: str, *, timers: float = 1.5) -> Iterator[Requestor]:
    """One of `REQUESTORS`, with a folder of its own.

    Raises
    ------
    Missing
        If it is not installed.
    """
    with tempfile.TemporaryDirectory(prefix="nbdicom-hostile-") as folder:
        made = REQUESTORS[name](Path(folder) / "requestor", timers)
        try:
            made.start()
            yield made
        finally:
            made.close()
