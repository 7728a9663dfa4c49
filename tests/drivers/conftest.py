"""What every test of the drivers has: nothing may be left over, and nobody waits for ever."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from scripted import DIALED, LIMIT, descriptors


@pytest.fixture(autouse=True)
def nothing_left_over() -> Iterator[None]:
    """Every thread and every descriptor that a test starts is gone when it ends."""
    threads, before = set(threading.enumerate()), descriptors()
    yield
    try:
        for thread in set(threading.enumerate()) - threads:
            thread.join(LIMIT)
        left = [thread.name for thread in set(threading.enumerate()) - threads]
        assert not left, f"threads left: {left}"
        new = {name: what for name, what in descriptors().items() if before.get(name) != what}
        assert not new, f"descriptors left: {new}"
    finally:
        for association in list(DIALED):
            association._driver.transport.close()
        DIALED.clear()
