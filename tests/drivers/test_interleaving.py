"""Threads that lose the interpreter in between: any two lines of the driver may have the work of another one between them.

Left to itself the interpreter changes threads in few places.  Here a thread sleeps for an instant at lines that a seed has
chosen, so that another one comes there before it goes on.
"""

from __future__ import annotations

import random
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from types import FrameType
from typing import Any

import pytest
import scripted
from scripted import CONTEXTS, LIMIT, Scripted, Wire, Zeros

import nbdicom as nd
from nbdicom.blocking import Server, server, wire
from nbdicom.config import OperationsWindow
from nbdicom.core.negotiation import Support
from nbdicom.errors import AssociationError
from nbdicom.operations.handlers import Handlers
from nbdicom.playback import FakePeer, peers

_SHARE = 0.05  #: of the lines at which a thread lets others go first
_INSTANT = 1e-4  #: seconds
_FILES = {module.__file__ for module in (peers, server, wire)}


def pausing(seed: str) -> Callable[[FrameType, str, Any], Any]:
    """What `sys.settrace` takes: the thread lets others go first at lines that *seed* chooses."""
    chosen = random.Random(seed)

    def at_line(frame: FrameType, event: str, argument: object) -> Any:
        if event == "line" and chosen.random() < _SHARE:
            time.sleep(_INSTANT)
        return at_line

    return lambda frame, event, argument: at_line if frame.f_code.co_filename in _FILES else None


def interleaved(works: list[Callable[[], object]], seed: int) -> list[BaseException]:
    """Do all of these works at once, each in a thread of its own; what they raised."""
    errors: list[BaseException] = []
    start = threading.Barrier(len(works))

    def do(work: Callable[[], object], number: int) -> None:
        sys.settrace(pausing(f"{seed} {number}"))
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
        thread.join(2 * LIMIT)
    assert not any(thread.is_alive() for thread in threads)
    return errors


@pytest.mark.parametrize("seed", range(16))
def test_one_thread_reads_at_a_time(seed: int) -> None:
    """Two at once would read into the same buffer, and the stream of the peer would be torn."""
    window = OperationsWindow(invoked=8, performed=8)
    support = Support.of(CONTEXTS)
    handlers = Handlers(find=lambda request: (b"match  %d" % number for number in range(30)))

    def ask() -> None:
        for _ in range(8):
            assert len(list(association.find(b"keys"))) == 30

    with Server(handlers, ae_title="SCP", contexts=support, window=window, timeouts=scripted.FAST) as acceptor:
        with scripted.dial(acceptor.address, window=window) as association:
            assert interleaved([ask] * 3, seed) == []


@pytest.mark.parametrize("seed", range(6))
def test_a_server_listens_once(seed: int) -> None:
    """Whoever starts and closes it at the same time: who is last starts it, and it serves."""
    acceptor = Server(Handlers(), ae_title="SCP", contexts=CONTEXTS, timeouts=scripted.FAST)

    def start_and_close() -> None:
        for _ in range(3):
            acceptor.start()
            acceptor.close()
        acceptor.start()

    assert interleaved([start_and_close] * 3, seed) == []
    with scripted.dial(acceptor.address) as association:
        assert association.echo() == 0
    acceptor.close()  # after which no thread and no socket is left


def test_who_waits_to_write_sees_that_another_thread_aborts() -> None:
    """The peer takes nothing, and no timer ends the wait."""
    stuck, over, ended = threading.Event(), threading.Event(), list[BaseException]()

    def script(wire: Wire) -> None:
        assert over.wait(2 * LIMIT)

    def send() -> None:
        try:
            list(association.store([Zeros(64 << 20)]))
        except AssociationError as error:
            ended.append(error)

    with Scripted(script) as acceptor:
        association = scripted.dial(acceptor.address, timeouts=replace(scripted.FAST, network=None))
        scripted.when_waiting(association, stuck.set)
        sender = threading.Thread(target=send)
        sender.start()
        assert stuck.wait(LIMIT)
        association.abort()
        sender.join(LIMIT)
        over.set()
        assert len(ended) == 1


@pytest.mark.parametrize("seed", range(12))
def test_a_fake_peer_waits_for_all_that_it_plays(seed: int) -> None:
    """A connection that it has accepted when it is stopped comes to its end before `stop` returns."""
    with Server(Handlers(), ae_title="SCP", contexts=CONTEXTS, timeouts=scripted.FAST) as acceptor, nd.record() as wire:
        scripted.dial(acceptor.address).release()
    fake = FakePeer(wire)
    threading.settrace(pausing(f"{seed}"))
    try:
        fake.start()
    finally:
        threading.settrace(None)  # type: ignore[arg-type]
    assert fake._listener is not None
    address = fake._listener.getsockname()

    def call() -> None:
        with suppress(OSError):
            socket.create_connection(address, LIMIT).close()

    assert interleaved([fake.stop, call], seed) == []
    assert not [thread for thread in fake._threads if thread.is_alive()]
