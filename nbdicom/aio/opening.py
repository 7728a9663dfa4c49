"""What can be awaited to get it, or entered to have it for a block."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from types import TracebackType
from typing import Any, Generic, TypeVar

__all__ = ["Opening"]

T = TypeVar("T")


class Opening(Generic[T]):
    """``async with opening as thing`` or ``thing = await opening``; nothing happens before.

    Parameters
    ----------
    open_it : callable
        Gives the thing.
    leave : callable
        Its ``__aexit__``, as a function.
    """

    def __init__(self, open_it: Callable[[], Awaitable[T]], leave: Callable[..., Awaitable[None]]) -> None:
        self._open = open_it
        self._leave = leave
        self._thing: T | None = None

    def __await__(self) -> Generator[Any, Any, T]:
        return self._open().__await__()

    async def __aenter__(self) -> T:
        self._thing = thing = await self._open()
        return thing

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._leave(self._thing, kind, error, traceback)
