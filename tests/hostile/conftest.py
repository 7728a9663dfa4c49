"""After every test the number of threads, descriptors and temporary files is what it was before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.drivers.scripted import DIALED
from tests.leaks import nothing_left


@pytest.fixture(autouse=True)
def nothing_left_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    try:
        with nothing_left(tmp_path, monkeypatch):
            yield
    finally:
        for association in list(DIALED):
            association._driver.transport.close()
        DIALED.clear()
