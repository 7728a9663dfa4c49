"""A progress bar where somebody looks, and nothing where nobody does."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from threading import Lock
from types import TracebackType
from typing import Any, Protocol, Self, runtime_checkable

from nbdicom.shell import running_shell

__all__ = ["Part", "Progress", "ProgressLike", "Reporter", "is_interactive"]

_DELAY = 0.5  #: seconds before a bar is shown


@runtime_checkable
class Reporter(Protocol):
    """Who wants to know more than two numbers, a `Job` for instance."""

    def report(
        self, done: int | None = None, total: int | None = None, *, size: int | None = None, unit: str | None = None
    ) -> object:
        """So many are done of so many, with so many bytes; what is None has not changed."""
        ...


#: None: a bar if the session is interactive; a callable gets (done, total) and total may be None.
ProgressLike = bool | None | Reporter | Callable[[int, int | None], object]


def is_interactive() -> bool:
    """Whether a person watches: a notebook, or a terminal."""
    if hasattr(running_shell(), "kernel"):
        return True
    return sys.stderr is not None and sys.stderr.isatty()


class Progress:
    """How far a transfer is; as a context manager it closes its bar, whatever happens.

    Parameters
    ----------
    progress : bool, callable or None
        See `ProgressLike`.
    what : str
        The words before the bar.
    unit : str
        What is counted.
    total : int, optional
        How many there will be, as far as is known.
    """

    def __init__(self, progress: ProgressLike, what: str, *, unit: str, total: int | None = None) -> None:
        self.done = 0
        self.total = total
        self.size = 0
        self._lock = Lock()
        self._told = 0  # the sum of what parts have said that they will be
        self._reporter = progress if isinstance(progress, Reporter) else None
        self._report = progress if callable(progress) else None
        self._bar: Any = None
        self._begun = time.monotonic()
        self._delay = 0.0 if progress else _DELAY  # what is quick needs no bar, unless one was asked for
        if self._reporter is not None:
            self._reporter.report(0, total, unit=unit)
        if progress is True or (progress is None and is_interactive()):
            from tqdm.auto import tqdm

            self._bar = tqdm(total=total, desc=what, unit=unit, delay=self._delay)

    def advance(self, count: int = 1) -> None:
        """*count* more are done."""
        self.reach(self.done + count)

    def reach(self, done: int, total: int | None = None, *, size: int = 0) -> None:
        """So many are done, of so many; *size* more bytes have come."""
        step, self.done = done - self.done, done
        seconds = time.monotonic() - self._begun
        self.size += size
        if total is not None and total != self.total:
            self.total = total
            if self._bar is not None:
                self._bar.total = total
                if seconds >= self._delay:  # asked to refresh, tqdm shows its bar whatever the delay
                    self._bar.refresh()
        if self._bar is not None and size:
            text = f"{self.size / 1e6:.1f} MB, {self.size / 1e6 / max(seconds, 1e-3):.1f} MB/s"
            self._bar.set_postfix_str(text, refresh=False)
        if self._bar is not None and step:
            self._bar.update(step)
        if self._reporter is not None:
            self._reporter.report(self.done, self.total, size=self.size)
        elif self._report is not None:
            self._report(self.done, self.total)

    def part(self) -> Part:
        """The progress of one of several requests that are counted together; they may go on at the same time."""
        return Part(self)

    def _reach_part(self, step: int, told: int, size: int) -> None:
        with self._lock:
            self._told += told
            self.reach(self.done + step, self._told or None, size=size)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()


class Part:
    """How far one request is, of those whose `Progress` is *whole*."""

    def __init__(self, whole: Progress) -> None:
        self._whole = whole
        self.done = self._total = 0

    def reach(self, done: int, total: int | None = None, *, size: int = 0) -> None:
        """So many are done, of so many; *size* more bytes have come."""
        step, self.done = done - self.done, done
        told, self._total = (0, self._total) if total is None else (total - self._total, total)
        self._whole._reach_part(step, told, size)
