"""Threads that come in between each other: two at one association, at one server, and at what is about to end."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from dataclasses import replace

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
from tests.interleaving import interleaved, pausing


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
            assert interleaved([ask] * 3, seed, wire) == []


@pytest.mark.parametrize("seed", range(6))
def test_a_server_listens_once(seed: int) -> None:
    """Whoever starts and closes it at the same time: who is last starts it, and it serves."""
    acceptor = Server(Handlers(), ae_title="SCP", contexts=CONTEXTS, timeouts=scripted.FAST)

    def start_and_close() -> None:
        for _ in range(3):
            acceptor.start()
            acceptor.close()
        acceptor.start()

    assert interleaved([start_and_close] * 3, seed, server) == []
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
    threading.settrace(pausing(f"{seed}", peers))
    try:
        fake.start()
    finally:
        threading.settrace(None)  # type: ignore[arg-type]
    assert fake._listener is not None
    address = fake._listener.getsockname()

    def call() -> None:
        with suppress(OSError):
            socket.create_connection(address, LIMIT).close()

    assert interleaved([fake.stop, call], seed, peers) == []
    assert not [thread for thread in fake._threads if thread.is_alive()]


def test_who_finds_the_association_over_does_not_hold_up_who_writes() -> None:
    """The one waits for the other to write its last PDU, and keeps nothing that the other one needs."""
    writes, done = threading.Event(), threading.Event()

    def write() -> None:
        with driver._write_lock:
            writes.set()
            until = time.monotonic() + LIMIT
            while not driver.closed:
                assert time.monotonic() < until
            with driver._lock:
                done.set()

    with Server(Handlers(), ae_title="SCP", contexts=CONTEXTS, timeouts=scripted.FAST) as acceptor:
        association = scripted.dial(acceptor.address)
        driver = association._driver
        writer = threading.Thread(target=write)
        writer.start()
        assert writes.wait(LIMIT)
        with driver._lock:
            driver.core.abort()
        with pytest.raises(AssociationError):
            association.echo()
        assert done.is_set()
        writer.join(LIMIT)
