"""What every side measures about itself: seconds, CPU seconds, and how much memory it needed beyond what it had."""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any


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
