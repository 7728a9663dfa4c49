"""One thread for the plain functions of an association's handlers, which follow one another in it.

Not one of `concurrent.futures`: an interpreter that ends waits for those, and a handler may block for ever.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from queue import SimpleQueue
from typing import Any, TypeVar

__all__ = ["Worker"]

T = TypeVar("T")

_Work = tuple["Future[Any]", Callable[..., Any], tuple[Any, ...], dict[str, Any]]


class Worker(Executor):
    """A thread of its own that begins at once, and does what it is given until it is told to end.

    Parameters
    ----------
    name : str
        Of the thread.

    Raises
    ------
    RuntimeError
        If there is no thread to be had.

    Examples
    --------
    >>> worker = Worker("adds")
    >>> worker.submit(sum, [1, 2]).result()
    3
    >>> worker.shutdown()
    """

    def __init__(self, name: str) -> None:
        self._work: SimpleQueue[_Work | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def submit(self, function: Callable[..., T], /, *args: Any, **options: Any) -> Future[T]:
        """Have ``function(*args, **options)`` called when what was given before is done; what it returns or raises."""
        future: Future[T] = Future()
        self._work.put((future, function, args, options))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End when all is done; with *wait* this waits for it."""
        self._work.put(None)
        if wait:
            self._thread.join()

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            future, function, args, options = work
            del work
            if not future.set_running_or_notify_cancel():
                continue
            try:
                result = function(*args, **options)
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(result)
            del future, function, args, options
