"""A lock on a folder: one at a time, whoever they are, and nothing of it stays when its holder is gone."""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from nbdicom.data import lock as module
from nbdicom.data.lock import FolderLock

HOLD = """
import sys
from pathlib import Path
from nbdicom.data.lock import FolderLock
held = FolderLock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
held.release()
"""


@contextmanager
def held_elsewhere(path: Path) -> Iterator[subprocess.Popen[str]]:
    """By another process, until its input ends or it is killed."""
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        yield process


def refused(path: Path) -> str:
    """What the one who comes too late is told."""
    with pytest.raises(BlockingIOError) as caught:
        FolderLock(path)
    return str(caught.value.strerror)


def test_one_of_two_in_a_process(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with FolderLock(path):
        assert re.fullmatch(r"this process, since \d{4}-\d\d-\d\d \d\d:\d\d", refused(path))
        assert path.exists()
    assert not path.exists()
    with FolderLock(path) as again:
        again.release()
        assert not path.exists()
        with FolderLock(path):
            again.release()  # once more does nothing, least of all to who has it now
            assert path.exists() and refused(path)


def test_one_of_two_processes(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with held_elsewhere(path) as other:
        assert refused(path).startswith(f"process {other.pid} on ")
        other.communicate("")
        assert other.returncode == 0 and not path.exists()
        FolderLock(path).release()


@pytest.mark.skipif(os.name != "posix", reason="there is no SIGKILL")
def test_who_is_killed_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with held_elsewhere(path) as other:
        other.send_signal(signal.SIGKILL)
        other.wait(60)
        assert path.exists()
        with FolderLock(path):
            assert "this process" in refused(path)
        assert not path.exists()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_process_holds_nothing(tmp_path: Path) -> None:
    """It lives on when the parent lets go, or is gone; and what it does at its end is not done to the parent's lock."""
    path = tmp_path / "lock"
    goes_on, go_on = os.pipe()
    ready, told = os.pipe()
    lock = FolderLock(path)
    child = os.fork()
    if not child:
        os.close(go_on)
        lock.release()
        os.write(told, b".")
        os.read(goes_on, 1)
        os._exit(0)
    try:
        assert os.read(ready, 1) == b"."
        assert path.exists() and "this process" in refused(path)
        lock.drop()  # as if the parent had been killed
        FolderLock(path).release()
    finally:
        for end in (go_on, goes_on, ready, told):
            os.close(end)
        os.waitpid(child, 0)


def test_many_one_after_the_other(tmp_path: Path) -> None:
    """Whoever has it removes the file, and somebody who has opened it before is not taken in by that."""
    path, inside, entered = tmp_path / "lock", threading.Semaphore(1), []

    def enter() -> None:
        while len(entered) < 400:
            try:
                with FolderLock(path):
                    assert inside.acquire(blocking=False), "two have it"
                    entered.append(1)
                    inside.release()
            except BlockingIOError:
                continue

    threads = [threading.Thread(target=enter) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(entered) >= 400 and not path.exists()


def test_the_file_is_removed_by_somebody_else(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with FolderLock(path):
        path.unlink()
        with FolderLock(path):
            pass
        path.write_text("of somebody else")
    assert path.read_text() == "of somebody else"


@pytest.mark.skipif(not hasattr(os, "O_NOFOLLOW"), reason="links are followed here")
def test_a_link_leads_nowhere(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "lock").symlink_to(tmp_path / "precious")
    with pytest.raises(OSError, match="symbolic links"):
        FolderLock(tmp_path / "lock")
    assert (tmp_path / "precious").read_text() == "precious"


def test_where_the_file_system_knows_no_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(descriptor: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(module, "_lock", unknown)
    with pytest.raises(OSError, match="No locks available"):
        FolderLock(tmp_path / "lock")
    assert not list(tmp_path.iterdir())


def test_there_is_no_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        FolderLock(tmp_path / "no" / "lock")
