"""How one thread interrupts another that waits for a peer.

Ctrl-C reaches the main thread only.  What works in another thread, for a button say, is interrupted by an `Interrupt`: it
is raised where Ctrl-C would be, so the same rules hold afterwards (see docs/architecture.md): C-CANCEL and a usable
association where the position in both streams is known, A-ABORT where it is not.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["PATIENCE", "PERIOD", "Interrupt", "Interrupted", "current_interrupt", "look_up"]

PATIENCE = 1.0  #: seconds of a wait after which the main thread looks up
PERIOD = 0.1  #: seconds between two looks at an `Interrupt` while its thread waits

_current: ContextVar[Interrupt | None] = ContextVar("nbdicom_interrupt", default=None)


class Interrupted(KeyboardInterrupt):
    """Another thread asked this one to stop; like Ctrl-C it is no `Exception`, so that nobody swallows it."""


class Interrupt:
    """A request to stop that is delivered once, to the thread that works in `listening`.

    Examples
    --------
    >>> interrupt = Interrupt()
    >>> with interrupt.listening():
    ...     interrupt.request()
    ...     try:
    ...         interrupt.deliver()
    ...     except Interrupted:
    ...         print("stopped")
    stopped
    """

    def __init__(self) -> None:
        self.requested = False
        self.delivered = False
        self._thread: int | None = None

    def request(self) -> None:
        """Ask the thread to stop; may be called from any thread, and more than once."""
        self.requested = True

    def deliver(self) -> None:
        """Raise `Interrupted` if it was asked for: once, and only in the thread that listens."""
        if self.requested and not self.delivered and self._thread == threading.get_ident():
            self.delivered = True
            raise Interrupted("cancelled")

    @contextmanager
    def listening(self) -> Iterator[None]:
        """While this lasts, the waits of this thread look at the request every `PERIOD` seconds."""
        self._thread = threading.get_ident()
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)
            self._thread = None


#: The `Interrupt` that this thread listens to; None in all others, which then wait without a look at the clock.
current_interrupt: Callable[[], Interrupt | None] = _current.get


def look_up() -> None:
    """End work that waits for no peer, a long loop say, if this thread was asked to stop.

    Raises
    ------
    Interrupted
        Let it pass.
    """
    interrupt = current_interrupt()
    if interrupt is not None:
        interrupt.deliver()
