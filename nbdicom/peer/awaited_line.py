"""How an event loop calls a peer: each call has an association of its own, which is released when the call is over.

None is kept for the next call: nobody would release it when the loop has ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from nbdicom import aio
from nbdicom.core.negotiation import PresentationContext
from nbdicom.errors import NbdicomError
from nbdicom.peer.calling import Caller, Line

if TYPE_CHECKING:
    from nbdicom.peer.awaited import AsyncPeer

__all__ = ["Awaiting"]

T = TypeVar("T")


class Awaiting(Caller):
    """Calls *peer* from a task."""

    stops = (asyncio.CancelledError, KeyboardInterrupt)  # they go on always: a timeout or a group of tasks waits for it

    peer: AsyncPeer

    def line(self, contexts: Sequence[PresentationContext]) -> Line:
        """A line to the peer."""
        return _AwaitedLine(self.peer, contexts)

    async def together(self, verbs: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
        """A task for each, if there are several."""
        if len(verbs) == 1:
            return [await verbs[0]]
        tasks = [asyncio.ensure_future(verb) for verb in verbs]
        try:
            return await asyncio.gather(*tasks)
        except BaseException:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            raise

    async def pause(self) -> None:
        """Other tasks go on here."""
        await asyncio.sleep(0)


class _AwaitedLine(Line):
    """The association of one call."""

    def __init__(self, peer: AsyncPeer, contexts: Sequence[PresentationContext]) -> None:
        self._peer = peer
        self._contexts = tuple(contexts)
        self._association: aio.Association | None = None
        self._reused = False

    async def association(self) -> aio.Association:
        """That the peer has released or aborted it is known already: the loop reads always."""
        association = self._association
        self._reused = association is not None and association.is_established
        if association is None or not association.is_established:
            self._association = association = await self._peer.associate(self._contexts)
        return association

    async def repeat(self) -> bool:
        association, self._association = self._association, None
        if association is not None:
            await association.release()
        return self._reused

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Release it; after a cancellation, too, which was answered by C-CANCEL.  Abort after a mistake of ours."""
        association, self._association = self._association, None
        if association is None:
            return
        if kind is None or issubclass(kind, (NbdicomError, asyncio.CancelledError)):
            await association.release()  # nothing happens where it is over already
        else:
            await association.abort()
