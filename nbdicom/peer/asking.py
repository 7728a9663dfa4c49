"""Many requests of one call: one after the other on an association, or shared by several associations."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from nbdicom.core.negotiation import PresentationContext
from nbdicom.errors import AssociationError, NbdicomError, OperationTimeout
from nbdicom.peer.calling import Caller, Calls, cancelled

__all__ = ["End", "ask_each"]

Wanted = TypeVar("Wanted")


@dataclass(frozen=True, slots=True)
class End(Generic[Wanted]):
    """How it ended: what was not asked and why not, and what stopped it (see `Caller.stops`)."""

    left: Sequence[Wanted] = ()
    error: NbdicomError | None = None
    stop: BaseException | None = None


async def ask_each(
    caller: Caller,
    contexts: Sequence[PresentationContext],
    wanted: Sequence[Wanted],
    ask: Callable[[Calls, Wanted], Awaitable[bool | None]],
    associations: int = 1,
) -> End[Wanted]:
    """Ask for each in turn, as long as there is an association and nobody stops it.

    Of several associations each takes the next one when it is through with one; where the peer does not want so many,
    those that there are do it all.  What is not done with is asked for again, on a new association: then *ask* gives True.

    Raises
    ------
    AssociationError, OperationTimeout
        If not even the first one can be asked.
    """
    left, begun = deque(wanted), False

    async def on_one_association() -> NbdicomError | None:
        nonlocal begun
        async with caller.line(contexts) as line:
            while left:
                try:
                    association = await line.association()
                except (AssociationError, OperationTimeout) as error:
                    return error
                try:
                    one = left.popleft()
                except IndexError:
                    break  # another association was faster
                begun = True
                if await ask(association, one):
                    left.appendleft(one)
        return None

    try:
        lines = [on_one_association() for _ in range(min(associations, len(wanted)))]
        errors = [error for error in await caller.together(lines) if error is not None]
    except caller.stops as stop:
        if not begun:
            raise
        return End(left, cancelled(), stop)
    if errors and not begun:
        raise errors[0]
    return End(left, *errors[:1])
