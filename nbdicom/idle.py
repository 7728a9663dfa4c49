"""What is kept open for a moment in case it is needed again, and closed when it is not (PS3.8 7.2).

Nobody polls: one thread sleeps until the first of them is due, and ends with the last.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, Protocol

from nbdicom.privacy import trace_of, words_of

__all__ = ["Idle", "Resting"]

_log = logging.getLogger("nbdicom.peer")


class Resting(Protocol):
    """What can be kept: an association that nobody uses."""

    def is_alive(self) -> bool:
        """Whether it can be used, as far as can be seen without waiting."""
        ...

    def release(self, timeout: float | None = None) -> Any:
        """Close it in order."""
        ...

    def drop(self) -> Any:
        """Let go of it without a word: it belongs to another process."""
        ...


@dataclass(slots=True)
class _Entry:
    where: Hashable
    terms: Any
    thing: Any
    due: float


class Idle:
    """Things that rest, by where they lead to.  Every method may be called from any thread."""

    def __init__(self) -> None:
        self._news = threading.Condition()
        self._entries: list[_Entry] = []
        self._thread: threading.Thread | None = None

    def __len__(self) -> int:
        with self._news:
            return len(self._entries)

    def put(self, where: Hashable, terms: Any, thing: Resting, seconds: float) -> None:
        """Keep *thing* for *seconds*; it belongs to nobody until it is taken.

        Where no thread can be had to release it (at the end of the interpreter there is none), it is released now.
        """
        entry = _Entry(where, terms, thing, time.monotonic() + seconds)
        with self._news:
            if self._has_thread():
                self._entries.append(entry)
                self._news.notify_all()
                return
        thing.release()

    def _has_thread(self) -> bool:
        if self._thread is None:
            thread = threading.Thread(target=self._run, name="nbdicom idle associations", daemon=True)
            try:
                thread.start()
            except (RuntimeError, MemoryError):
                return False
            self._thread = thread
        return True

    def take(self, where: Hashable, fits: Callable[[Any], bool]) -> tuple[Any, Any] | None:
        """A thing that leads to *where*, whose terms fit, and that is alive, with its terms; else None.

        What leads there and is not taken is released: a peer that serves one association at a time would not answer another.
        """
        while True:
            with self._news:
                here = [entry for entry in self._entries if entry.where == where]
                found = next((entry for entry in here if fits(entry.terms)), None)
                leaving = [found] if found is not None else here
                self._entries = [entry for entry in self._entries if entry not in leaving]
            if found is None:
                for entry in leaving:
                    entry.thing.release()
                return None
            if found.thing.is_alive():
                return found.thing, found.terms
            found.thing.release()  # it is over; what it held is closed

    def clear(self, where: Hashable = None, timeout: float | None = None) -> None:
        """Release what leads to *where*, or everything."""
        with self._news:
            leaving = [entry for entry in self._entries if where in (None, entry.where)]
            self._entries = [entry for entry in self._entries if entry not in leaving]
            self._news.notify_all()
        for entry in leaving:
            entry.thing.release(timeout)

    def forget(self) -> None:
        """In a process that was forked: they are the parent's, and so is the thread."""
        leaving, self._entries, self._thread = self._entries, [], None
        self._news = threading.Condition()
        for entry in leaving:
            entry.thing.drop()

    def _run(self) -> None:
        while True:
            with self._news:
                if not self._entries:
                    self._thread = None
                    return
                first = min(self._entries, key=lambda entry: entry.due)
                left = first.due - time.monotonic()
                if left > 0:
                    self._news.wait(left)
                    continue
                self._entries.remove(first)
            try:
                first.thing.release()
            except Exception as error:  # the next ones wait for this thread
                _log.warning("an association that rested cannot be released: %s", words_of(error))
                _log.debug("%s", trace_of(error))
