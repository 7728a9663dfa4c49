"""What every side measures about itself: seconds, CPU seconds, and how much memory it needed beyond what it had."""

from __future__ import annotations

import json
import math
import multiprocessing.dummy
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

_FEW = 10  #: objects
_PATIENCE = 120  #: seconds until all senders have their associations


def memory(field: str, pid: int | str = "self") -> int:
    """Bytes of VmRSS or VmHWM of a process; 0 where there is no /proc."""
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(field):
                return int(line.split()[1]) << 10
    except OSError:
        pass
    return 0


def forget_peak(pid: int | str = "self") -> None:
    """Let the peak begin anew at what the process has now."""
    try:
        Path(f"/proc/{pid}/clear_refs").write_text("5")
    except OSError:
        pass  # not Linux, or not ours: the peak is that of the whole life then


def cpu(pid: int) -> float:
    """CPU seconds of a process and of its children that have ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def measured(work: Callable[[], Any]) -> dict[str, Any]:
    """Run *work*; its seconds, CPU seconds and memory, with whatever else it tells."""
    before = memory("VmRSS")
    forget_peak()
    cpu_before, started = time.process_time(), time.perf_counter()
    told = work() or {}
    seconds, used = time.perf_counter() - started, time.process_time() - cpu_before
    return {"seconds": seconds, "cpu": used, "memory": max(0, memory("VmHWM") - before), **told}


def at_once(count: int, sender: Callable[[int], Iterator[int | None]], *, processes: bool = True) -> dict[str, Any]:
    """Many senders at once, a process each, as modalities are, or a thread; it begins when all of them are ready.

    ``sender(number)`` opens its association, yields once, and then yields the status of each object that it stores.
    """
    context: Any = multiprocessing.get_context("fork") if processes else multiprocessing.dummy
    ready, told = context.Queue(), context.Queue()
    # A byte for each: the kernel wakes them faster than a barrier, where the last begins when the first is done.
    begin, let_begin = os.pipe()
    used = time.process_time if processes else time.thread_time

    def run(number: int) -> None:
        times: list[float] = []
        failed, before = 0, 0.0
        try:
            statuses = sender(number)
            try:
                next(statuses)
            finally:
                ready.put(number)
            os.read(begin, 1)
            before = used()
            times.append(time.perf_counter())
            for status in statuses:
                times.append(time.perf_counter())
                failed += status != 0x0000
        except Exception:  # what fails is what is counted
            traceback.print_exc()
            failed += 1
        told.put((times, failed, used() - before))

    senders = [context.Process(target=run, args=(number,)) for number in range(count)]
    for one in senders:
        one.start()
    for _ in senders:
        ready.get(timeout=_PATIENCE)
    os.write(let_begin, bytes(count))
    results = [told.get() for _ in senders]
    for one in senders:
        one.join()
    os.close(begin)
    os.close(let_begin)
    times = [times for times, _, _ in results if times]
    return {
        "failed": sum(failed for _, failed, _ in results),
        "seconds": max((each[-1] for each in times), default=0.0) - min((each[0] for each in times), default=0.0),
        "cpu": sum(seconds for _, _, seconds in results),
        "fairness": _fairness(times),
    }


def _fairness(times: list[list[float]]) -> float | None:
    """While all of them store: the most objects that one has stored, to the fewest; None of too few to tell."""
    if not times or min(map(len, times)) <= _FEW:
        return None
    begin, end = max(each[0] for each in times), min(each[-1] for each in times)
    if begin >= end:  # the first has done before the last begins
        return None
    stored = [sum(begin < at <= end for at in each) for each in times]
    return max(stored) / min(stored) if min(stored) else math.inf


def slow_syncs(seconds: float) -> None:
    """Let every `os.fsync` of this process take longer by so many seconds, as on a slower disk, or one behind a network."""
    if not seconds:
        return
    sync = os.fsync

    def slow(descriptor: int) -> None:
        sync(descriptor)
        time.sleep(seconds)

    os.fsync = slow  # type: ignore[assignment]


def report(told: dict[str, Any]) -> None:
    """The one line of JSON that a requestor prints."""
    print(json.dumps(told), flush=True)


def ready(port: int) -> None:
    """Say that the acceptor listens, and serve until standard input ends."""
    print(f"ready {port}", flush=True)
    sys.stdin.read()


def run(main: Callable[[], None]) -> None:
    """Run a side; what it raises ends the process at once, also where threads of a library would keep it."""
    try:
        main()
    except Exception:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)


def arguments() -> tuple[str, dict[str, Any]]:
    """The verb and its arguments; ``@path`` is a file that has them and is removed."""
    verb, text = sys.argv[1:3]
    if text.startswith("@"):
        file = Path(text[1:])
        text = file.read_text()
        file.unlink()
    return verb, json.loads(text)
