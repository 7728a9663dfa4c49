"""What runs in this process, at the level of a module: a notebook forgets its variables, but not its ports.

Servers, so that a cell which is run again replaces what it started before; acceptors that listen, so that `nbdicom.record`
finds them; associations that rest, and peers that a table leads back to; the ports of the host ``"memory"``.  A process that
is forked touches none of it.
"""

from __future__ import annotations

import atexit
import errno
import os
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol, TypeVar

from nbdicom.core.trace import Tracer
from nbdicom.errors import NbdicomError
from nbdicom.idle import Idle
from nbdicom.memory import Network
from nbdicom.table import Table

__all__ = [
    "Listener",
    "Runnable",
    "attach",
    "deaf",
    "detach",
    "hold",
    "idle",
    "in_loop",
    "listening",
    "network",
    "recalled",
    "remember",
    "replace_running",
    "running",
    "running_table",
    "served_by_this_thread",
    "stop_all",
    "stopped",
]


class Runnable(Protocol):
    """What can be registered: something with an AE title that can be stopped."""

    ae_title: str

    @property
    def address(self) -> str:
        """``AET@host:port``."""
        ...

    @property
    def port(self) -> int:
        """The port that it listens on, or is to listen on; 0 is any."""
        ...

    @property
    def running(self) -> bool:
        """Whether it listens."""
        ...

    def start(self) -> object:
        """Listen (again)."""
        ...

    def stop(self) -> None:
        """Stop it; called again it does nothing."""
        ...


class Held(Protocol):
    """What has threads, sockets or files of this process."""

    def drop(self) -> None:
        """Let go of them without a word: after a fork they belong to the parent process."""
        ...


class Listener(Held, Protocol):
    """An acceptor that listens, in whatever stands before it."""

    tracers: tuple[Tracer, ...]  #: who records its associations; read anew for each


class InLoop(Protocol):
    """A server in an event loop."""

    def is_served_by(self, thread: int) -> bool:
        """Whether it needs *thread* to answer."""
        ...


class Remembered(Protocol):
    """A peer, of which no more is known here than where it is and who calls."""

    calling: str

    @property
    def address(self) -> str:
        """``AET@host:port``."""
        ...


R = TypeVar("R", bound=Runnable)

_lock = threading.RLock()
_running: dict[str, Runnable] = {}
_listening: list[Listener] = []
_held: weakref.WeakSet[Held] = weakref.WeakSet()
_in_loops: weakref.WeakValueDictionary[int, InLoop] = weakref.WeakValueDictionary()  # by port
network = Network()  #: the ports of the host "memory" in this process
_peers: weakref.WeakValueDictionary[tuple[str, str], Remembered] = weakref.WeakValueDictionary()


def replace_running(server: R, begin: Callable[[], object]) -> None:
    """*begin* with *server*, in place of one of the same AE title, which goes on if that fails.

    The earlier one is stopped when the new one listens; before that only for what both cannot have, its port or (by *begin*
    itself) its folder, and then it is started again if the new one still cannot be.
    """
    with _lock:
        earlier = _running.get(server.ae_title)
    goes_on = earlier is not None and earlier is not server and earlier.running
    try:
        try:
            begin()
        except NbdicomError as error:
            if earlier is None or not earlier.running or earlier.port != server.port or not _is_taken(error):
                raise
            earlier.stop()
            begin()
    except BaseException:
        if earlier is not None and goes_on and not earlier.running:
            with suppress(NbdicomError):  # what hinders it hindered the new one, too, and that is said
                earlier.start()
        raise
    with _lock:
        earlier = _running.get(server.ae_title)
        _running[server.ae_title] = server
    if earlier is not None and earlier is not server:
        earlier.stop()  # without the lock: it waits for its handlers, and one of them may ask who runs
    if not server.running:  # another thread was quick to stop it, when it was not known here yet
        stopped(server)


def _is_taken(error: BaseException | None) -> bool:
    """Whether the cause of *error* is a port that somebody has."""
    while error is not None and getattr(error, "errno", None) != errno.EADDRINUSE:
        error = error.__cause__
    return error is not None


def stopped(server: Runnable) -> None:
    """*server* has stopped: forget it."""
    with _lock:
        if _running.get(server.ae_title) is server:
            del _running[server.ae_title]


def running() -> list[Runnable]:
    """The servers that this process runs."""
    with _lock:
        return list(_running.values())


def listening(server: Listener) -> None:
    """*server* listens from now on."""
    with _lock:
        _listening.append(server)


def deaf(server: Listener) -> None:
    """*server* does not listen any more."""
    with _lock:
        if server in _listening:
            _listening.remove(server)


def in_loop(server: InLoop, port: int) -> None:
    """*server* listens at *port* in the event loop of this thread."""
    with _lock:
        _in_loops[port] = server


def served_by_this_thread(port: int) -> bool:
    """Whether the server at a port of this machine is one that cannot answer as long as this thread waits for it."""
    server = _in_loops.get(port)
    return server is not None and server.is_served_by(threading.get_ident())


def hold(thing: Held) -> None:
    """*thing* opens what no forked process may touch."""
    with _lock:
        _held.add(thing)


def attach(tracer: Tracer) -> None:
    """Every acceptor of this process that listens now gives its associations to *tracer*, too."""
    with _lock:
        for server in _listening:
            server.tracers = (*server.tracers, tracer)


def detach(tracer: Tracer) -> None:
    """None of them does any more."""
    with _lock:
        for server in _listening:
            server.tracers = tuple(one for one in server.tracers if one is not tracer)


def remember(peer: Remembered) -> None:
    """A peer whose secrets stand in no table: it is found again by its address and ours, as long as somebody has it."""
    with _lock:
        _peers[peer.address, peer.calling] = peer


def recalled(address: str, calling: str) -> object | None:
    """The peer that was remembered, if it is still there."""
    with _lock:
        return _peers.get((address, calling))


def running_table() -> Table:
    """The servers that this process runs, as a table."""
    rows = [(server.ae_title, server.address, type(server).__name__) for server in running()]
    return Table("Servers of this process", ("AE title", "address", "kind"), rows)


#: Associations of this process that nobody uses at the moment; see `Timeouts.linger`.
idle = Idle()


def _forget() -> None:
    """In a process that was forked: servers, sockets and folders are the parent's.

    Their threads are not here, so whoever waited for one would wait for ever; and what is written into a socket, or removed
    from a folder, is missed there.
    """
    _lock.release()
    for one in (*_listening, *_held):
        one.drop()
    _running.clear()
    _listening.clear()
    _held.clear()
    _in_loops.clear()
    network.forget()
    idle.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_forget)


@atexit.register
def stop_all() -> None:
    """Release idle associations and stop every server of this process; done by itself when the interpreter ends."""
    idle.clear(timeout=1.0)
    for server in running():
        server.stop()
