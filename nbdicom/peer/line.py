"""How a thread that waits calls a peer: what it awaits is there when the call returns, so nothing ever suspends.

The association of a call is an idle one if there is one that fits, else a new one; again after it broke.  When the call is
over it stays open for `Timeouts.linger` seconds, for the next call.  It belongs to one call at a time: several threads that
call a peer at once have one each.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextvars import copy_context
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from nbdicom.blocking import Association, Responses
from nbdicom.blocking.interrupt import PERIOD, Interrupt, Interrupted, look_up
from nbdicom.config import OperationsWindow
from nbdicom.core.negotiation import ContextLike, Negotiation, PresentationContext
from nbdicom.core.streams import DataSink
from nbdicom.core.trace import Tracer
from nbdicom.errors import NbdicomError
from nbdicom.memory import is_memory
from nbdicom.operations.requests import (
    Match,
    ReceivedInstance,
    StorableInstance,
    Stored,
    StoreRequest,
    SubOperations,
)
from nbdicom.peer.calling import Caller, Calls, Inbox, Line
from nbdicom.running import idle
from nbdicom.status import Status

if TYPE_CHECKING:
    from concurrent.futures import Future

    from nbdicom.peer.entity import RemoteEntity
    from nbdicom.receiver import StoredFile

__all__ = ["Waiting", "run"]

T = TypeVar("T")


def run(verb: Coroutine[Any, Any, T]) -> T:
    """The result of a verb of a `Waiting` caller.

    Examples
    --------
    >>> async def verb() -> str:
    ...     return "done"
    >>> run(verb())
    'done'
    """
    try:
        verb.send(None)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
    verb.close()
    raise RuntimeError(f"{verb} waits for an event loop, and there is none")


def side_by_side(verbs: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """What several verbs give, each run in a thread of its own; see `Caller.together`.

    The threads are none of an executor: for those an interpreter that ends would wait, until the last instance is here.
    """
    from concurrent.futures import FIRST_EXCEPTION, Future, wait  # most calls are on one association

    interrupts, futures = [Interrupt() for _ in verbs], [Future[T]() for _ in verbs]

    def work(verb: Coroutine[Any, Any, T], interrupt: Interrupt, future: Future[T]) -> None:
        try:
            with interrupt.listening():
                result = run(verb)
        except BaseException as error:
            future.set_exception(error)
        else:
            future.set_result(result)

    threads: list[threading.Thread] = []
    try:
        for number, given in enumerate(zip(verbs, interrupts, futures, strict=True)):
            thread = threading.Thread(
                target=copy_context().run, args=(work, *given), name=f"nbdicom-call {number}", daemon=True
            )
            thread.start()
            threads.append(thread)
        going, failed = set(futures), None
        while going and failed is None:
            ended, going = wait(going, PERIOD, FIRST_EXCEPTION)
            failed = next((error for future in ended if (error := future.exception())), None)
            look_up()
    finally:  # where all have ended, this stops nobody
        for verb in verbs[len(threads) :]:
            verb.close()  # there was no thread for it
        for interrupt in interrupts:
            interrupt.request()
        for thread in threads:
            thread.join()
    if failed is not None:
        raise failed
    return [future.result() for future in futures]


class Waiting(Caller):
    """Calls *peer* from a thread that waits."""

    stops = (KeyboardInterrupt,)
    returning = (Interrupted,)  # who cancels a `Job` wants what it has

    peer: RemoteEntity

    def load(self) -> None:
        """Sockets and OpenSSL, too, where they are used."""
        super().load()
        if not is_memory(self.peer.host):
            import nbdicom.blocking.transport
        if self.peer.tls is not None:
            import nbdicom.blocking.secure  # noqa: F401

    async def resolve(self) -> Sequence[Any]:
        """By the system, while this thread waits."""
        import socket

        return socket.getaddrinfo(self.peer.host, self.peer.port, type=socket.SOCK_STREAM)

    async def open(self, contexts: Iterable[ContextLike], *, window: OperationsWindow, trace: Tracer) -> Calls:
        """None that is idle."""
        return _Calls(self.peer.associate(contexts, window=window, trace=trace))

    def line(self, contexts: Sequence[PresentationContext]) -> Line:
        """A line to the peer."""
        return _WaitingLine(self.peer, contexts)

    async def together(self, verbs: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
        """A thread for each, and this one waits; in memory one after the other, since there they are one thread's."""
        if len(verbs) == 1 or is_memory(self.peer.host):
            try:
                return [await verb for verb in verbs]
            finally:
                for verb in verbs:
                    verb.close()  # those that have not begun
        return side_by_side(verbs)

    def inbox(self, folder: Path, listen: tuple[str, int], sink: Callable[[StoreRequest], DataSink]) -> Inbox:
        """A `nbdicom.Receiver`."""
        return _WaitingInbox(self.peer, folder, listen, sink)

    async def pause(self) -> None:
        """The Cancel of a `Job` is heard here."""
        look_up()


class _WaitingLine(Line):
    """The association of one call; one that is idle and was proposed more fits, too."""

    def __init__(self, peer: RemoteEntity, contexts: Sequence[PresentationContext]) -> None:
        self._peer = peer
        self._contexts = tuple(contexts)
        self._proposed = self._contexts
        self._association: Association | None = None
        self._reused = False  # whether `association` gave one that was there before

    async def association(self) -> _Calls:
        """That the peer has released or aborted an idle one is seen here, before anything is sent on it."""
        self._reused = True
        if self._association is None or not self._association.is_alive():
            self._association = self._take() or self._open()
        return _Calls(self._association)

    def _take(self) -> Association | None:
        """An idle one."""
        terms = self._peer.terms()

        def fits(other: tuple[Any, tuple[PresentationContext, ...]]) -> bool:
            return terms is not None and other[0] == terms and set(self._contexts) <= set(other[1])

        found = idle.take(self._where, fits)
        if found is None:
            return None
        association: Association
        association, (_, self._proposed) = found
        return association

    def _open(self) -> Association:
        self._reused = False
        association = self._peer.associate(self._contexts)
        self._proposed = self._contexts
        return association

    @property
    def _where(self) -> tuple[str, int]:
        return self._peer.host, self._peer.port

    async def repeat(self) -> bool:
        association, self._association = self._association, None
        if association is not None:
            association.release()
        return self._reused

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Let it rest, or release it after an error of the peer or the network; abort when interrupted."""
        association, self._association = self._association, None
        if association is None:
            return
        if kind is None or issubclass(kind, Interrupted):  # answered by C-CANCEL, it is as good as before
            self._rest(association)
        elif issubclass(kind, NbdicomError):
            association.release()  # nothing happens where it is over already
        else:
            association.abort()

    def _rest(self, association: Association) -> None:
        terms, seconds = self._peer.terms(), self._peer.timeouts.linger
        # In memory a new one costs nothing, and nobody releases it.
        resting = seconds > 0 and not is_memory(self._peer.host)
        if resting and terms is not None and association.is_established and not association.outstanding:
            idle.put(self._where, (terms, self._proposed), association, seconds)
        else:
            association.release()


class _WaitingInbox(Inbox):
    """A receiver, whose threads tell the one that waits."""

    def __init__(
        self, peer: RemoteEntity, folder: Path, listen: tuple[str, int], sink: Callable[[StoreRequest], DataSink]
    ) -> None:
        from nbdicom.receiver import Receiver

        super().__init__()
        self._news = threading.Condition()
        receiver = Receiver(
            folder, ae_title=peer.calling, host=listen[0], port=listen[1], on_stored=self._take, sink=sink,
            tls=peer.listening_tls, timeouts=peer.timeouts, limits=peer.limits,
        )  # fmt: skip
        self._listening = receiver.beside()  # a receiver of the user's, or of another retrieval, goes on

    def _take(self, stored: StoredFile) -> None:
        with self._news:
            self.stored[str(stored.sop_instance_uid)] = stored
            self._news.notify_all()

    async def wait_for(self, count: int, seconds: float | None) -> None:
        with self._news:
            self._news.wait_for(lambda: len(self.stored) >= count, seconds)

    async def __aenter__(self) -> Self:
        self._listening.__enter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._listening.__exit__(kind, error, traceback)


class _Calls:
    """An association of a thread that waits."""

    def __init__(self, association: Association) -> None:
        self._association = association

    @property
    def negotiation(self) -> Negotiation:
        return self._association.negotiation

    @property
    def is_established(self) -> bool:
        return self._association.is_established

    async def echo(self) -> Status:
        return self._association.echo()

    def find(self, identifier: Any, *, model: str) -> _Answers[Match]:
        return _Answers(self._association.find(identifier, model=model))

    def store(self, instances: Iterable[StorableInstance | Any]) -> _Answers[Stored]:
        return _Answers(self._association.store(instances))

    def get(
        self, identifier: Any, *, model: str, sink: Callable[[StoreRequest], DataSink]
    ) -> _Answers[ReceivedInstance | SubOperations]:
        return _Answers(self._association.get(identifier, model=model, sink=sink))

    def move(self, identifier: Any, *, destination: str, model: str) -> _Answers[SubOperations]:
        return _Answers(self._association.move(identifier, destination=destination, model=model))

    async def release(self) -> None:
        self._association.release()


class _Answers(Generic[T]):
    """The answers to one operation of a thread that waits."""

    def __init__(self, responses: Responses[T]) -> None:
        self._responses = responses

    @property
    def status(self) -> Status | None:
        return self._responses.status

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        for value in self._responses:
            return value
        raise StopAsyncIteration

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._responses.cancel()
