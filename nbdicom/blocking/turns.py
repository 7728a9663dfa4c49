"""Turns, so that many associations that send at once are served alike.

Left to themselves threads are not: one that has just worked has the interpreter again before one that sleeps is awake, and
of a hundred senders some wait for others to end.
"""

from __future__ import annotations

import os
import threading
from collections import deque

__all__ = ["Turns"]


class Turns:
    """Lets a few work at once, in the order in which they came.

    >>> turns = Turns(1)
    >>> turns.take()
    True
    >>> turns.give()

    Parameters
    ----------
    at_once : int, optional
        How many may work at once; twice the number of CPUs if it is not said, since some of them wait for a disk.
    patience : float
        Seconds after which nobody waits any longer: who has a turn may be writing to a disk that hangs.
    """

    __slots__ = ("_free", "_lock", "_patience", "_waiting")

    def __init__(self, at_once: int | None = None, *, patience: float = 0.1) -> None:
        self._patience = patience
        self._free = [True] * (at_once or 2 * (os.cpu_count() or 1))  # turns that nobody has
        self._lock = threading.Lock()
        self._waiting: deque[threading.Lock] = deque()

    @property
    def waiting(self) -> int:
        """How many wait for a turn."""
        return len(self._waiting)

    def take(self) -> bool:
        """Wait for a turn; False if it took too long, and there is none to give back."""
        try:
            return self._free.pop()  # nearly always there is one
        except IndexError:
            pass
        mine = threading.Lock()
        mine.acquire()
        with self._lock:
            self._waiting.append(mine)
            self._next()  # one may have been given back before anybody knew that we wait
        if mine.acquire(timeout=self._patience):
            return True
        with self._lock:
            if mine in self._waiting:
                self._waiting.remove(mine)
                return False
        return True  # it came in this very moment

    def give(self) -> None:
        """The turn is over: it goes to who has waited longest."""
        if self._waiting:
            with self._lock:
                if self._waiting:
                    self._waiting.popleft().release()
                    return
        self._free.append(True)
        if self._waiting:  # somebody came in between, and may not have seen it
            with self._lock:
                self._next()

    def _next(self) -> None:
        """Whoever has waited longest gets a turn that is free; the lock is ours."""
        while self._waiting:
            try:
                self._free.pop()
            except IndexError:
                return  # somebody who just came was faster
            self._waiting.popleft().release()
