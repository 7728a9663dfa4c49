"""After every test the number of threads, descriptors and temporary files is what it was before."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.drivers.scripted import DIALED, LIMIT, descriptors


def _temporary() -> set[str]:
    return {name for name in os.listdir(tempfile.gettempdir()) if name.startswith("nbdicom")}


@pytest.fixture(autouse=True)
def nothing_left_over(tmp_path: Path) -> Iterator[None]:
    threads, before, files = set(threading.enumerate()), descriptors(), _temporary()
    yield
    try:
        for thread in set(threading.enumerate()) - threads:
            thread.join(LIMIT)
        left = [thread.name for thread in set(threading.enumerate()) - threads]
        assert not left, f"threads left: {left}"
        new = {name: what for name, what in descriptors().items() if before.get(name) != what}
        assert not new, f"descriptors left: {new}"
        assert _temporary() <= files, f"temporary files left: {_temporary() - files}"
        parts = [str(path) for path in tmp_path.rglob("*.part")]
        assert not parts, f"half received files left: {parts}"
    finally:
        for association in list(DIALED):
            association._driver.transport.close()
        DIALED.clear()
