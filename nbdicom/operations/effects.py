"""The closed set of effects that an operation may ask of its driver."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Any, Final

from nbdicom.core.command import Message
from nbdicom.core.streams import DataSource

__all__ = ["END", "Call", "Deliver", "Effect", "Next", "Operation", "Receive", "Send", "alone"]


class _End:
    """What `Next` answers when the iterator has no more."""

    def __repr__(self) -> str:
        return "END"


END: Final = _End()


@dataclass(slots=True)
class Send:
    """Send a message; the answer is its Message ID (of a request) or None (of a response).

    ``more`` says that the next effect is another `Send` and comes at once, so that both may go out in one write; only for
    data sets that are in memory.
    """

    context_id: int
    message: Message
    data: DataSource | None = None
    more: bool = False


@dataclass(slots=True)
class Receive:
    """Wait for the next response to any request of this operation; the answer is a
    `nbdicom.core.dimse.Received`, or what the driver put into the inbox of the operation.
    """


@dataclass(slots=True)
class Deliver:
    """Hand a value to whoever iterates over this operation."""

    value: Any


@dataclass(slots=True)
class Call:
    """Run code of the user, or code that does input and output; the answer is its result (awaited if it can be).

    ``ours`` marks a function of the driver itself, which needs no thread to keep others from waiting.
    """

    function: Callable[..., Any]
    args: tuple[Any, ...] = ()
    ours: bool = False


@dataclass(slots=True)
class Next:
    """Take the next value of an iterator of the user; the answer is the value or `END`."""

    iterator: Iterator[Any] | AsyncIterator[Any]


Effect = Send | Receive | Deliver | Call | Next
Operation = Generator[Effect, Any, Any]


def alone(effect: Effect) -> Operation:
    """The operation that is nothing but one effect."""
    yield effect
