"""After every test the number of threads, descriptors and temporary files is what it was before."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.drivers.scripted import DIALED, LIMIT, descriptors


@pytest.fixture(autouse=True)
def nothing_left_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    threads, before = set(threading.enumerate()), descriptors()
    yield
    try:
        for thread in set(threading.enumerate()) - threads:
            thread.join(LIMIT)
        left = [thread.name for thread in set(threading.enumerate()) - threads]
        assert not left, f"threads left: {left}"
        new = {name: what for name, what in descriptors().items() if before.get(name) != what}
        assert not new, f"descriptors left: {new}"
        assert not list(temporary.iterdir()), f"temporary files left: {list(temporary.iterdir())}"
        parts = [str(path) for path in tmp_path.rglob("*.part")]
        assert not parts, f"half received files left: {parts}"
    finally:
        for association in list(DIALED):
            association._driver.transport.close()
        DIALED.clear()
