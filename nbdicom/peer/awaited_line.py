"""How an event loop calls a peer: each call has an association of its own, which is released when the call is over.

None is kept for the next call: nobody would release it when the loop has ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from nbdicom import aio
from nbdicom.aio.opening import Opening
from nbdicom.config import OperationsWindow
from nbdicom.core.negotiation import ContextLike, PresentationContext
from nbdicom.core.streams import DataSink
from nbdicom.core.trace import Tracer
from nbdicom.errors import NbdicomError
from nbdicom.memory import is_memory
from nbdicom.operations.handlers import Handlers
from nbdicom.operations.requests import StoreRequest
from nbdicom.peer.calling import Caller, Calls, Inbox, Line
from nbdicom.receiver import Receiver, StoredFile, storage_support

if TYPE_CHECKING:
    from nbdicom.peer.awaited import AsyncPeer

__all__ = ["Awaiting"]

T = TypeVar("T")


class Awaiting(Caller):
    """Calls *peer* from a task."""

    stops = (asyncio.CancelledError, KeyboardInterrupt)  # they go on always: a timeout or a group of tasks waits for it

    peer: AsyncPeer

    def load(self) -> None:
        """The loop's transport, too, where it is used."""
        super().load()
        if not is_memory(self.peer.host):
            import nbdicom.aio.transport  # noqa: F401

    async def resolve(self) -> Sequence[Any]:
        """By the loop, which asks the system in a thread."""
        import socket

        loop = asyncio.get_running_loop()
        return await loop.getaddrinfo(self.peer.host, self.peer.port, type=socket.SOCK_STREAM)

    async def open(self, contexts: Iterable[ContextLike], *, window: OperationsWindow, trace: Tracer) -> Calls:
        """One of its own, as always."""
        return await self.peer.associate(contexts, window=window, trace=trace)

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

    def inbox(self, folder: Path, listen: tuple[str, int], sink: Callable[[StoreRequest], DataSink]) -> Inbox:
        """A server in the same loop."""
        return _AwaitedInbox(self.peer, folder, listen, sink)

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


class _AwaitedInbox(Inbox):
    """A server in the loop; in memory one that the loop serves step by step, so that a PACS of this thread reaches it."""

    def __init__(
        self, peer: AsyncPeer, folder: Path, listen: tuple[str, int], sink: Callable[[StoreRequest], DataSink]
    ) -> None:
        super().__init__()
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()
        self._listening: AbstractContextManager[Receiver] | Opening[aio.Server]
        host, port = listen
        if is_memory(host):
            receiver = Receiver(
                folder, ae_title=peer.calling, host=host, port=port, on_stored=self._arrived, sink=sink,
                timeouts=peer.timeouts, limits=peer.limits,
            )  # fmt: skip
            self._listening = receiver.beside()
        else:
            self._listening = aio.serve(
                Handlers(sink=sink, store=self._take), ae_title=peer.calling, host=host, port=port,
                contexts=storage_support(peer.limits.max_length_received), tls=peer.listening_tls, timeouts=peer.timeouts,
                limits=peer.limits,
            )  # fmt: skip

    async def _take(self, request: StoreRequest) -> int:
        self._arrived(StoredFile.of(request))
        return 0x0000

    def _arrived(self, stored: StoredFile) -> None:
        """In memory whoever sends does the receiver's work, in its own thread."""
        self.stored[str(stored.sop_instance_uid)] = stored
        self._loop.call_soon_threadsafe(self._news.set)

    async def wait_for(self, count: int, seconds: float | None) -> None:
        try:
            async with asyncio.timeout(seconds):
                while len(self.stored) < count:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            pass  # the result says how many are missing

    async def __aenter__(self) -> Self:
        if isinstance(self._listening, AbstractContextManager):
            self._listening.__enter__()
        else:
            await self._listening.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if isinstance(self._listening, AbstractContextManager):
            self._listening.__exit__(kind, error, traceback)
        else:
            await self._listening.__aexit__(kind, error, traceback)
