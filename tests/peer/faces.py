"""`AsyncPeer` with verbs that block, so that one table of cases runs with both peers.

Each verb has an event loop of its own, in the thread of the test.  Only tests have a use for it.
"""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

from nbdicom import AsyncPeer


class Face:
    """An `AsyncPeer` that is used like a `Peer`; the parameters are those of both."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self.awaited = AsyncPeer(*args, **options)

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.awaited, name)
        if not inspect.iscoroutinefunction(value):
            return value
        return lambda *args, **options: asyncio.run(value(*args, **options))
