"""Where a workload takes place: folders, processes, and the peers that this machine has.

Every process is started here, measured from outside where it cannot measure itself, and ended with the stage.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from benchmarks import generated
from benchmarks.sides.meter import cpu, forget_peak, memory
from tests.interop.peers import Missing, Orthanc, Program, dcmqrscp, dcmtk, free_port, pynetdicom

__all__ = ["NODELAY", "Acceptor", "Missing", "Stage"]

_ROOT = Path(__file__).parents[1]
_LONGEST = 900.0  #: seconds of one run of one requestor; a million series take minutes to load
_MOST_ARGUMENT = 100_000  #: bytes of one argument (Linux allows 128 KiB); longer ones go through a file
#: Modules are kept compiled, as those of an installed package are.
_ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
    "PYTHONPATH": str(_ROOT),
    "PYTHONWARNINGS": "ignore",
    "LC_ALL": "C.UTF-8",
}
#: DCMTK leaves Nagle's algorithm on unless this is set; without it it talks to itself at 23 messages a second.
NODELAY = {"TCP_NODELAY": "1"}


class Acceptor:
    """A process that serves: where it listens, and what it used since `begin`."""

    def __init__(self, called: str, port: int, pid: int, folder: Path | None = None) -> None:
        self.called, self.port, self.pid, self.folder = called, port, pid, folder
        self._cpu = self._memory = 0.0

    @property
    def address(self) -> dict[str, Any]:
        """What the sides take as options."""
        return {"called": self.called, "port": self.port}

    def begin(self) -> None:
        """A run begins: its meters start anew."""
        self.clear()
        self._memory = memory("VmRSS", self.pid)
        forget_peak(self.pid)
        self._cpu = cpu(self.pid)

    def end(self) -> dict[str, float]:
        """CPU seconds since then, and bytes of memory beyond what it had."""
        told = {"cpu": cpu(self.pid) - self._cpu, "memory": max(0, memory("VmHWM", self.pid) - self._memory)}
        self.clear()
        return told

    def clear(self) -> None:
        """Remove what it received: the files of all of them together would fill the memory, and slow down who comes last."""
        if self.folder is not None:
            for entry in self.folder.iterdir():
                entry.unlink()


class Stage:
    """One workload's folders and processes.

    Parameters
    ----------
    quick : bool
        Small sizes: it runs, and its figures mean nothing.
    data : generated.Data
        The files to send, made once for all workloads.
    peers : bool
        False leaves out the peers that take long to start.
    """

    def __init__(self, *, quick: bool, data: generated.Data, peers: bool = True) -> None:
        self.quick = quick
        self.peers = peers
        self.data = data
        self.left_out: dict[str, str] = {}  #: contender -> why
        self._stack = ExitStack()
        self._folders = 0

    def __enter__(self) -> Self:
        self.fast = Path(self._stack.enter_context(tempfile.TemporaryDirectory(dir=generated.fast_folder())))
        self.disk = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def size(self, full: int, quick: int) -> int:
        """How much to do."""
        return quick if self.quick else full

    def folder(self, *, disk: bool = False) -> Path:
        """A new empty folder, in memory if there is such a file system."""
        self._folders += 1
        folder = (self.disk if disk else self.fast) / str(self._folders)
        folder.mkdir()
        return folder

    # --------------------------------------------------------------------------- acceptors

    def python(self, side: str, verb: str = "serve", *, called: str = "", **options: Any) -> Acceptor:
        """Start a side as acceptor; ``folder=True`` gives it a folder for what it receives."""
        if side == "pynetdicom":
            self.need_pynetdicom()
        folder = None
        if options.get("folder") is True:
            folder = self.folder()
            options["folder"] = str(folder)
        process = subprocess.Popen(
            _argv(side, verb, options), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=_ENVIRONMENT
        )
        self._stack.callback(_end, process)
        assert process.stdout is not None
        line = process.stdout.readline().split()
        if line[:1] != ["ready"]:
            raise RuntimeError(f"{side} {verb} did not start")
        return Acceptor(called or side.upper(), int(line[1]), process.pid, folder)

    def storescp(self, *options: str, decoding: bool = False, env: Mapping[str, str] | None = None) -> Acceptor:
        """DCMTK's storescp, quiet, as Debian ships it or with `NODELAY`.

        It writes the data set bit by bit as it comes, which is faster than what it does by default, *decoding* it.
        """
        folder, port = self.folder(), free_port()
        mode = "-B" if decoding else "+B"
        argv = [dcmtk("storescp"), "-q", "-aet", "STORESCP", mode, "-od", folder, *options, str(port)]
        return self._program(Program(argv, self.folder(), port, "STORESCP", env), folder)

    def dcmqrscp(self, *, destinations: dict[str, int]) -> Acceptor:
        """DCMTK's archive, empty, with `NODELAY`."""
        program = dcmqrscp(self.folder(), destinations=destinations, max_pdu=131_072)
        program.argv.remove("-v")
        program.env = NODELAY
        return self._program(program)

    def orthanc(self) -> Acceptor:
        """Orthanc, empty, with its storage in memory."""
        self._need_time()
        return self._program(Orthanc(self.folder(), modalities={}))

    def _program(self, program: Program, folder: Path | None = None) -> Acceptor:
        self._stack.enter_context(program)
        return Acceptor(program.ae_title, program.port, program.pid, folder)

    def need_pynetdicom(self) -> None:
        """Raises Missing if it is not to be had."""
        self._need_time()
        pynetdicom()

    def _need_time(self) -> None:
        if not self.peers:
            raise Missing("it takes long to start")

    # --------------------------------------------------------------------------- requestors

    def run(self, side: str, verb: str, **options: Any) -> dict[str, Any]:
        """Run a side as requestor to its end; what it measured."""
        done = subprocess.run(
            _argv(side, verb, options), capture_output=True, text=True, env=_ENVIRONMENT, timeout=_LONGEST, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{side} {verb}: {done.stderr.strip()[-500:]}")
        told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        if told.get("failed"):
            raise RuntimeError(f"{side} {verb}: {told['failed']} failed")
        return told

    def hold(self, side: str, acceptor: Acceptor, count: int) -> subprocess.Popen[str]:
        """Open *count* associations in a process that keeps them until a line comes."""
        process = subprocess.Popen(
            _argv(side, "hold", {**acceptor.address, "count": count}), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True, env=_ENVIRONMENT,
        )  # fmt: skip
        self._stack.callback(_end, process)
        assert process.stdout is not None
        if process.stdout.readline().split()[:1] != ["ready"]:
            raise RuntimeError(f"{side} could not open {count} associations")
        return process

    def tool(
        self, *argv: Any, start: float = 0.0, env: Mapping[str, str] = NODELAY, cwd: Path | None = None
    ) -> dict[str, Any]:
        """Run a program to its end; *start* seconds of it are not counted (see `start_up`)."""
        started = time.perf_counter()
        process = subprocess.Popen(
            list(map(str, argv)), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={**_ENVIRONMENT, **env}, cwd=cwd,
        )  # fmt: skip
        # Its memory is not to be had this way: the peak of a process begins with that of the one that forked it.
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RuntimeError(f"{Path(str(argv[0])).name} ended with {process.returncode}")
        seconds = max(1e-6, time.perf_counter() - started - start)
        return {"seconds": seconds, "cpu": usage.ru_utime + usage.ru_stime}

    def start_up(self, tool: str) -> float:
        """Seconds that a tool of DCMTK needs to start and end; not counted where its work is measured."""
        return min(self.tool(dcmtk(tool), "--version")["seconds"] for _ in range(5))


def _argv(side: str, verb: str, options: dict[str, Any]) -> list[str]:
    module = side if side in ("raw", "proxy") else f"{side}_side"
    argument = json.dumps(options)
    if len(argument) > _MOST_ARGUMENT:
        with tempfile.NamedTemporaryFile("w", suffix=".json", delete=False) as file:
            file.write(argument)
        argument = f"@{file.name}"
    return [sys.executable, "-m", f"benchmarks.sides.{module}", verb, argument]


def _end(process: subprocess.Popen[str]) -> None:
    """Its standard input ends, and it with it; what does not listen is killed."""
    for stream in (process.stdin, process.stdout):
        assert stream is not None
        stream.close()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def free_memory() -> int:
    """Bytes that are free."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable"):
            return int(line.split()[1]) << 10
    return 0


def free_disk(folder: Path) -> int:
    """Bytes that a folder can take."""
    return shutil.disk_usage(folder).free
