"""The command as a user runs it: a process of its own."""

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


def nbdicom(*arguments: object, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "nbdicom", *map(str, arguments)],
        capture_output=True, text=True, timeout=LIMIT, cwd=cwd, env={**ENVIRONMENT, **environment},
        stdin=subprocess.DEVNULL,
    )  # fmt: skip


@contextmanager
def pacs_process(*arguments: object) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A running ``nbdicom pacs`` and the address that it prints."""
    process = subprocess.Popen(
        [sys.executable, "-m", "nbdicom", "pacs", "--port", "0", *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"\S+@\S+:\d+", line)
        assert found, line + (process.stderr.read() if process.poll() is not None and process.stderr else "")
        yield process, found[0]
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.communicate(timeout=LIMIT)


@pytest.fixture(scope="session")
def pacs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with pacs_process("--root", tmp_path_factory.mktemp("pacs"), "--sample") as (_, address):
        yield address


@pytest.fixture(scope="session")
def study(pacs: str) -> str:
    """The Study Instance UID of a small study."""
    answer = nbdicom("find", pacs, "-k", "StudyDescription=Chest PA and lateral", "--csv")
    header, row = answer.stdout.splitlines()[:2]
    return row.split(",")[header.split(",").index("StudyInstanceUID")]
