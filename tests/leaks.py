"""After every test of drivers, archive and faults the threads, descriptors and temporary files are those of before."""

from __future__ import annotations

import gc
import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

__all__ = ["descriptors", "nothing_left"]

LIMIT = 30.0  #: seconds that a thread has to end


def descriptors() -> dict[str, str]:
    """The open descriptors of this process, and what they are."""
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            found[name] = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            continue  # the descriptor of this listing
    return found


@contextmanager
def nothing_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, but: str = "") -> Iterator[None]:
    """Fail if something is left over; what is temporary goes to a folder beside that of the test.

    *but* is a part of the names of files that may stay open if they are not in the folder of the test.
    """
    temporary = tmp_path.with_name(f"{tmp_path.name}-temporary")
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    threads, before = set(threading.enumerate()), descriptors()
    yield
    servers = {thread.name for thread in threads}  # a server that lives on may have taken another thread
    new_threads = [thread for thread in threading.enumerate() if thread not in threads and thread.name not in servers]
    for thread in new_threads:
        thread.join(LIMIT)
    left = [thread.name for thread in new_threads if thread.is_alive()]
    assert not left, f"threads left: {left}"
    new = _new(before, tmp_path, but)
    if new:
        gc.collect()  # what nobody holds any more is no leak
        new = _new(before, tmp_path, but)
    assert not new, f"descriptors left: {new}"
    assert not list(temporary.iterdir()), f"temporary files left: {list(temporary.iterdir())}"
    parts = [str(path) for path in tmp_path.rglob("*.part")]
    assert not parts, f"half received files left: {parts}"


def _new(before: dict[str, str], tmp_path: Path, but: str) -> dict[str, str]:
    found = {name: what for name, what in descriptors().items() if before.get(name) != what}
    return {name: what for name, what in found.items() if not but or but not in what or str(tmp_path) in what}
