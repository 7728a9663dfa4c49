"""How a peer is called: all that the verbs of a peer know of a driver.

What a verb does (`finding`, `getting`, `receiving`, `pulling`, `storing`) is a coroutine that stands once.  It knows no
socket, no thread and no loop; it awaits a `Caller`, and the `Line`, `Calls` and `Answers` that come of it.  There are two:

* `nbdicom.peer.awaited_line.Awaiting` in an event loop, where a verb is awaited like any coroutine;
* `nbdicom.peer.line.Waiting` in a thread that waits.  Nothing that it gives ever suspends, so `nbdicom.peer.line.run` takes
  a verb from its beginning to its end in one go.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self, TypeVar

from nbdicom.config import OperationsWindow
from nbdicom.core.negotiation import ContextLike, Negotiation, PresentationContext
from nbdicom.core.streams import DataSink
from nbdicom.core.trace import Tracer
from nbdicom.errors import WHERE_RESULTS_ARE, NbdicomError, OperationCancelled
from nbdicom.operations.requests import (
    Match,
    ReceivedInstance,
    StorableInstance,
    Stored,
    StoreRequest,
    SubOperations,
)
from nbdicom.status import Status

if TYPE_CHECKING:
    from nbdicom.peer.entity import Remote
    from nbdicom.receiver import StoredFile

__all__ = ["Answers", "Caller", "Calls", "Inbox", "Line", "cancelled"]

T = TypeVar("T")
Value = TypeVar("Value", covariant=True)


class Answers(Protocol[Value]):
    """The answers to one operation; leaving the block cancels what can be cancelled."""

    @property
    def status(self) -> Status | None:
        """The final status, as soon as it is known."""
        ...

    def __aiter__(self) -> Self: ...

    async def __anext__(self) -> Value: ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...


class Calls(Protocol):
    """An association, as far as the verbs of a peer use it; see `nbdicom.aio.Association`."""

    @property
    def negotiation(self) -> Negotiation:
        """What was negotiated."""
        ...

    @property
    def is_established(self) -> bool:
        """True while operations can be invoked."""
        ...

    async def echo(self) -> Status:
        """C-ECHO."""
        ...

    def find(self, identifier: Any, *, model: str) -> Answers[Match]:
        """C-FIND."""
        ...

    def store(self, instances: Iterable[StorableInstance | Any]) -> Answers[Stored]:
        """C-STORE, of each instance."""
        ...

    def get(
        self, identifier: Any, *, model: str, sink: Callable[[StoreRequest], DataSink]
    ) -> Answers[ReceivedInstance | SubOperations]:
        """C-GET."""
        ...

    def move(self, identifier: Any, *, destination: str, model: str) -> Answers[SubOperations]:
        """C-MOVE."""
        ...

    async def release(self) -> None:
        """Release it; nothing happens where it is over already."""
        ...


class Line(ABC):
    """The association of one call, and another one after it broke.  Leaving the block gives it back, or ends it."""

    @abstractmethod
    async def association(self) -> Calls:
        """An association that stands.

        Raises
        ------
        AssociationError, OperationTimeout
            If none can be opened.
        """

    @abstractmethod
    async def repeat(self) -> bool:
        """After an association that was there before broke: whether the request may go out once more, on a new one.

        Only for a request that is safe to repeat, and to which nothing has come: the peer may have closed the association
        in the moment in which it was sent.
        """

    async def __aenter__(self) -> Self:
        return self

    @abstractmethod
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...


class Inbox(ABC):
    """A storage SCP under our calling AE title, which listens within its block; for a C-MOVE to ourselves."""

    def __init__(self) -> None:
        self.stored: dict[str, StoredFile] = {}  #: by SOP Instance UID: an instance that is sent twice is one file

    @abstractmethod
    async def wait_for(self, count: int, seconds: float | None) -> None:
        """Wait until so many have come, at most so long."""

    @abstractmethod
    async def __aenter__(self) -> Self: ...

    @abstractmethod
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...


class Caller(ABC):
    """Who calls *peer*, and how."""

    #: What ends a verb before its end: Ctrl-C, a task that is cancelled.
    stops: ClassVar[tuple[type[BaseException], ...]]
    #: Those after which what there is is the result.
    returning: ClassVar[tuple[type[BaseException], ...]] = ()

    def __init__(self, peer: Remote) -> None:
        self.peer = peer

    def load(self) -> None:
        """Load what an association takes, for one who measures it."""
        import nbdicom.data.codec  # noqa: F401

        if self.peer.tls is not None:
            with suppress(NbdicomError):  # a file that is missing is said when the association is opened
                self.peer.tls.client_context  # noqa: B018  # 100 ms, with the authorities that the system trusts

    @abstractmethod
    async def resolve(self) -> Sequence[Any]:
        """The addresses of the peer, as `socket.getaddrinfo` tells them.

        Raises
        ------
        OSError, UnicodeError
            If there is none.
        """

    @abstractmethod
    async def open(self, contexts: Iterable[ContextLike], *, window: OperationsWindow, trace: Tracer) -> Calls:
        """A new association, for one who wants to see it from its beginning and releases it.

        Raises
        ------
        AssociationError, OperationTimeout, ConnectionFailed
            If it cannot be opened.
        """

    @abstractmethod
    def line(self, contexts: Sequence[PresentationContext]) -> Line:
        """A line to the peer; *contexts* are proposed each time that it needs a new association."""

    @abstractmethod
    async def together(self, verbs: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
        """What several verbs give that go on at the same time; if one fails or is stopped, all others are stopped.

        No verb goes on when this has returned or raised.
        """

    @abstractmethod
    def inbox(self, folder: Path, listen: tuple[str, int], sink: Callable[[StoreRequest], DataSink]) -> Inbox:
        """What the peer sends to us at *listen* is received into *folder*; *sink* says where each instance goes."""

    @abstractmethod
    async def pause(self) -> None:
        """A moment in long work that waits for nobody: whoever else has to do something does it now."""

    def hand_over(self, result: T, stop: BaseException | None, what: str) -> T:
        """The *result*; or *stop* goes on its way, with the result in its ``results``.

        Parameters
        ----------
        result : object
            What there is.
        stop : BaseException, optional
            What ended the verb before its end (see `stops`).
        what : str
            What there is, in words.
        """
        if stop is None or isinstance(stop, self.returning):
            return result
        stop.results = result  # type: ignore[attr-defined]
        stop.add_note(f"{what}; {WHERE_RESULTS_ARE}")
        raise stop


def cancelled() -> OperationCancelled:
    """What became of that which was not done when the verb was stopped."""
    return OperationCancelled("cancelled before it was done")
