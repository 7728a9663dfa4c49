"""The command as a user runs it: a process of its own.

Most of the time that a command takes is spent on imports, so most of them are forks of a process that has done them.
"""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

LIMIT = 60
ENVIRONMENT = {**os.environ, "COLUMNS": "200", "PYTHONWARNINGS": ""}


PARENT = """
import json, os, runpy, sys
import matplotlib, numpy, pandas, pydicom
import nbdicom.cli, nbdicom.pacs, nbdicom.peer

for line in sys.stdin:
    asked = json.loads(line)
    if not os.fork():
        break
    print(os.waitstatus_to_exitcode(os.wait()[1]), flush=True)
else:
    sys.exit()
os.chdir(asked["cwd"])
os.environ.clear()
os.environ.update(asked["environment"])
for number, (path, flags) in enumerate([(os.devnull, os.O_RDONLY), *((one, os.O_WRONLY) for one in asked["output"])]):
    os.dup2(os.open(path, flags), number)
sys.stdin = open(0)
sys.argv = ["nbdicom", *asked["arguments"]]
runpy.run_module("nbdicom", run_name="__main__", alter_sys=True)
"""


class Parent:
    """A process whose children are commands."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process = subprocess.Popen(
            [sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT
        )

    def run(self, arguments: list[str], cwd: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
        assert self._process.stdin is not None and self._process.stdout is not None
        output = [self._folder / "stdout", self._folder / "stderr"]
        for path in output:
            path.write_bytes(b"")
        asked = {"arguments": arguments, "cwd": str(cwd), "environment": environment, "output": list(map(str, output))}
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        status = int(self._process.stdout.readline())
        return subprocess.CompletedProcess(arguments, status, *(path.read_text() for path in output))

    def close(self) -> None:
        self._process.communicate(timeout=LIMIT)


@pytest.fixture(scope="session", autouse=True)
def parent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    global _parent
    _parent = Parent(tmp_path_factory.mktemp("commands"))
    yield
    _parent.close()


_parent: Parent


def nbdicom(*arguments: object, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return _parent.run(list(map(str, arguments)), cwd or Path.cwd(), {**ENVIRONMENT, **environment})


def from_scratch(*arguments: object) -> subprocess.CompletedProcess[str]:
    """The same in a process that has imported nothing."""
    return subprocess.run(
        [sys.executable, "-m", "nbdicom", *map(str, arguments)],
        capture_output=True, text=True, timeout=LIMIT, env=ENVIRONMENT, stdin=subprocess.DEVNULL,
    )  # fmt: skip


@contextmanager
def serving(command: str, *arguments: object) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A running ``nbdicom pacs`` or ``nbdicom receive`` and the address that it prints (with --json on stderr)."""
    process = subprocess.Popen(
        [sys.executable, "-m", "nbdicom", command, "--port", "0", *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT,
    )  # fmt: skip
    try:
        told = process.stderr if "--json" in arguments else process.stdout
        assert told is not None
        line = told.readline()
        found = re.search(r"\S+@\S+:\d+", line)
        assert found, line + (process.stderr.read() if process.poll() is not None and process.stderr else "")
        yield process, found[0]
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.communicate(timeout=LIMIT)


@pytest.fixture(scope="session")
def pacs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving("pacs", "--root", tmp_path_factory.mktemp("pacs"), "--sample") as (_, address):
        yield address


@pytest.fixture(scope="session")
def study(pacs: str) -> str:
    """The Study Instance UID of a small study."""
    answer = nbdicom("find", pacs, "-k", "StudyDescription=Chest PA and lateral", "--csv")
    header, row = answer.stdout.splitlines()[:2]
    return row.split(",")[header.split(",").index("StudyInstanceUID")]
