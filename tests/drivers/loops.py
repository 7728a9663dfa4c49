"""The asyncio driver with a blocking face, so that one table of cases runs over both drivers.

An event loop runs in a thread; every call of the face is a coroutine there.  Only tests have a use for it.
"""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import Coroutine, Iterator
from types import TracebackType
from typing import Any, Self

from nbdicom import aio

PATIENCE = 60.0  #: seconds for any call; what is shorter is asked of the driver itself


class Loop:
    """An event loop in a thread of its own; made when it is first used."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._associations: weakref.WeakSet[aio.Association] = weakref.WeakSet()

    @property
    def elsewhere(self) -> bool:
        """It runs, and not in this thread."""
        return self._loop is not None and not self._loop.is_closed() and threading.current_thread() is not self._thread

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(target=self._loop.run_forever, name="event loop of a test")
            self._thread.start()
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE)

    def associate(self, address: tuple[str, int], **options: Any) -> LoopAssociation:
        async def opened() -> aio.Association:
            return await aio.associate(address, **options)

        association = self.run(opened())
        self._associations.add(association)
        return LoopAssociation(self, association)

    def close(self) -> None:
        """Stop; every task must have ended by then."""
        if self._loop is None or self._thread is None:
            return

        async def settle() -> list[str]:
            for association in list(self._associations):
                association._driver.abort()
            others = asyncio.all_tasks() - {asyncio.current_task()}
            left = (await asyncio.wait(others, timeout=PATIENCE))[1] if others else ()
            return [repr(task) for task in left]

        left = self.run(settle())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        self._loop.close()
        assert not left, f"tasks left: {left}"


class LoopResponses:
    """`nbdicom.aio.Responses` as an iterator; the request is on the wire when it is made."""

    def __init__(self, loop: Loop, responses: aio.Responses[Any]) -> None:
        self._loop = loop
        self._responses: Any = responses

        async def begin() -> None:
            await responses  # not to be the result of a future, which would keep it

        loop.run(begin())

    def __del__(self) -> None:
        async def drop(box: list[Any]) -> None:
            box.clear()

        box, self._responses = [self._responses], None
        if self._loop.elsewhere:  # dropped where its destructor belongs, and all of that has happened afterwards
            self._loop.run(drop(box))

    @property
    def status(self) -> Any:
        return self._responses.status

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        async def step() -> tuple[bool, Any]:
            try:
                return True, await anext(self._responses)
            except StopAsyncIteration:
                return False, None

        more, value = self._loop.run(step())
        if not more:
            raise StopIteration
        return value

    def to_frame(self) -> Any:
        return self._loop.run(self._responses.to_frame())

    def cancel(self) -> None:
        self._loop.run(self._responses.cancel())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.cancel()


class LoopAssociation:
    """`nbdicom.aio.Association` with calls that block."""

    def __init__(self, loop: Loop, association: aio.Association) -> None:
        self._loop = loop
        self._association = association

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._association, name)
        if name in ("find", "store", "get", "move"):
            return lambda *args, **options: LoopResponses(self._loop, value(*args, **options))
        if asyncio.iscoroutinefunction(value):
            return lambda *args, **options: self._loop.run(value(*args, **options))
        return value

    def abort(self) -> None:
        async def aborted() -> None:
            await self._association.abort()

        self._loop.run(aborted())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.release()
        else:
            self.abort()


class LoopServer:
    """`nbdicom.aio.Server` with calls that block."""

    def __init__(self, loop: Loop, *args: Any, **options: Any) -> None:
        self._loop = loop
        self._server = aio.Server(*args, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._server, name)

    @property
    def associations(self) -> list[LoopAssociation]:
        return [LoopAssociation(self._loop, association) for association in self._server.associations]

    def start(self) -> Self:
        self._loop.run(self._server.start())
        return self

    def close(self, timeout: float = 5.0) -> None:
        self._loop.run(self._server.close(timeout))

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
