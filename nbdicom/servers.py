"""The servers that run in this process, so that a cell which is run again replaces what it started before.

This is the one place with state at the level of a module: a notebook forgets its variables, but not its ports.
"""

from __future__ import annotations

import atexit
import threading
from typing import Protocol, TypeVar

from nbdicom.table import Table

__all__ = ["Runnable", "replace_running", "running", "running_table", "stop_all", "stopped"]


class Runnable(Protocol):
    """What can be registered: something with an AE title that can be stopped."""

    ae_title: str

    @property
    def address(self) -> str:
        """``AET@host:port``."""
        ...

    def stop(self) -> None:
        """Stop it; called again it does nothing."""
        ...


R = TypeVar("R", bound=Runnable)

_lock = threading.RLock()
_running: dict[str, Runnable] = {}


def replace_running(server: R) -> None:
    """Register *server*, which is about to start; one of the same AE title is stopped first."""
    with _lock:
        earlier = _running.get(server.ae_title)
        if earlier is not None and earlier is not server:
            earlier.stop()
        _running[server.ae_title] = server


def stopped(server: Runnable) -> None:
    """*server* has stopped: forget it."""
    with _lock:
        if _running.get(server.ae_title) is server:
            del _running[server.ae_title]


def running() -> list[Runnable]:
    """The servers that this process runs."""
    with _lock:
        return list(_running.values())


def running_table() -> Table:
    """The servers that this process runs, as a table."""
    rows = [(server.ae_title, server.address, type(server).__name__) for server in running()]
    return Table("Servers of this process", ("AE title", "address", "kind"), rows)


@atexit.register
def stop_all() -> None:
    """Stop every server of this process; done by itself when the interpreter ends."""
    for server in running():
        server.stop()
