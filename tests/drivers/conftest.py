"""What every test of the drivers has: nothing may be left over, and nobody waits for ever."""

from __future__ import annotations

import gc
import sys
import threading
import types
from collections.abc import Iterator

import pytest

try:
    from nbdicom.data import codec as _codec  # noqa: F401
except ImportError:  # TEMPORARY stub until nbdicom.data exists
    class _Codec:
        def encode(self, value, transfer_syntax):
            return value if isinstance(value, bytes) else __import__('json').dumps(value).encode()

        def decode(self, data, transfer_syntax):
            return __import__('json').loads(data)

        def convertible(self, a, b):
            return a == b

    module = types.ModuleType("nbdicom.data")
    module.codec = _Codec()
    module.instance = lambda thing: thing
    sys.modules["nbdicom.data"] = module

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
