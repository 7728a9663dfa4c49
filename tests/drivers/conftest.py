"""What every test of the drivers has: nothing may be left over, and nobody waits for ever."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator

import pytest

from scripted import LIMIT, descriptors


@pytest.fixture(autouse=True)
def nothing_left_over() -> Iterator[None]:
    """Every thread and every descriptor that a test starts is gone when it ends."""
    gc.collect()
    threads, before = set(threading.enumerate()), descriptors()
    yield
    for thread in set(threading.enumerate()) - threads:
        thread.join(LIMIT)
    gc.collect()
    left = [thread.name for thread in set(threading.enumerate()) - threads]
    assert not left, f"threads left: {left}"
    after = descriptors()
    new = {name: what for name, what in after.items() if before.get(name) != what}
    assert not new, f"descriptors left: {new}"
