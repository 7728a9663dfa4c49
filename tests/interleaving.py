"""Threads that lose the interpreter in between: any two lines of a module may have the work of another thread between them.

Left to itself the interpreter changes threads in few places.  Here a thread pauses for an instant at lines that a seed has
chosen, so that another one comes there before it goes on.
"""

from __future__ import annotations

import random
import sys
import threading
from collections.abc import Callable
from types import FrameType, ModuleType
from typing import Any

__all__ = ["interleaved", "pausing"]

LIMIT = 60.0  #: seconds that all of them have
_SHARE = 0.05  #: of the lines at which a thread lets others go first
_INSTANT = 1e-4  #: seconds


def pausing(seed: str, *modules: ModuleType) -> Callable[[FrameType, str, Any], Any]:
    """What `sys.settrace` takes: the thread lets others go first at lines of *modules* that *seed* chooses."""
    never = threading.Event()
    chosen, files = random.Random(seed), {module.__file__ for module in modules}

    def at_line(frame: FrameType, event: str, argument: object) -> Any:
        if event == "line" and chosen.random() < _SHARE:
            never.wait(_INSTANT)
        return at_line

    return lambda frame, event, argument: at_line if frame.f_code.co_filename in files else None


def interleaved(works: list[Callable[[], object]], seed: int, *modules: ModuleType) -> list[BaseException]:
    """Do all of these works at once, each in a thread of its own that pauses in *modules*; what they raised."""
    errors: list[BaseException] = []
    start = threading.Barrier(len(works))

    def do(work: Callable[[], object], number: int) -> None:
        sys.settrace(pausing(f"{seed} {number}", *modules))
        try:
            start.wait(LIMIT)
            work()
        except BaseException as error:
            errors.append(error)
        finally:
            sys.settrace(None)

    threads = [threading.Thread(target=do, args=(work, number)) for number, work in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT)
    assert not any(thread.is_alive() for thread in threads)
    return errors
