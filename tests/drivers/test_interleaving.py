"""Threads that come in between each other: two at one association, at one server, and at what is about to end."""

from __future__ import annotations

import random
import socket
import threading
import time
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import scripted
from scripted import CONTEXTS, LIMIT, Instance, Scripted, Wire, Zeros

import nbdicom as nd
from nbdicom import memory
from nbdicom.blocking import Association, Server, attending, driver, listener, responses, server, wire
from nbdicom.blocking import association as association_module
from nbdicom.config import OperationsWindow
from nbdicom.core.negotiation import Support
from nbdicom.errors import AssociationError, NbdicomError
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
        with over._write_lock:
            writes.set()
            until = time.monotonic() + LIMIT
            while not over.closed:
                assert time.monotonic() < until
            with over._lock:
                done.set()

    with Server(Handlers(), ae_title="SCP", contexts=CONTEXTS, timeouts=scripted.FAST) as acceptor:
        association = scripted.dial(acceptor.address)
        over = association._driver
        writer = threading.Thread(target=write)
        writer.start()
        assert writes.wait(LIMIT)
        with over._lock:
            over.core.abort()
        with pytest.raises(AssociationError):
            association.echo()
        assert done.is_set()
        writer.join(LIMIT)


def echo(association: Association, acceptor: Server) -> None:
    for _ in range(20):
        association.echo()


def find(association: Association, acceptor: Server) -> None:
    for _ in range(3):
        list(association.find(b"keys"))


def find_some(association: Association, acceptor: Server) -> None:
    for _ in range(3):
        with association.find(b"keys") as matches:
            next(matches, None)


def store(association: Association, acceptor: Server) -> None:
    list(association.store([Instance(number) for number in range(3)]))


def look(association: Association, acceptor: Server) -> None:
    for _ in range(10):
        association.is_alive()
        acceptor.table()


def abort(association: Association, acceptor: Server) -> None:
    association.abort()


def release(association: Association, acceptor: Server) -> None:
    association.release()


def close(association: Association, acceptor: Server) -> None:
    acceptor.close()


def abort_there(association: Association, acceptor: Server) -> None:
    for one in acceptor.associations:
        one.abort()


@pytest.mark.parametrize("host", ["127.0.0.1", "memory"])
@pytest.mark.parametrize("end", [look, abort, release, close, abort_there])
@pytest.mark.parametrize("seed", range(6))
def test_whoever_ends_it_while_others_use_it(seed: int, end: Any, host: str) -> None:
    """They are told by an error of ours if at all; nobody waits for ever, and nothing is left."""
    chosen = random.Random(f"{seed} {end.__name__} {host}")
    works = [*chosen.sample([echo, find, find_some, store, look], 2), end]
    window = OperationsWindow(invoked=4, performed=4)
    handlers = Handlers(find=lambda request: (b"match  %d" % number for number in range(10)), store=lambda request: 0)
    options: dict[str, Any] = {"window": window, "timeouts": scripted.FAST}
    with Server(handlers, ae_title="SCP", contexts=Support.of(CONTEXTS), host=host, **options) as acceptor:
        association = scripted.dial(acceptor.address, **options)
        modules = (association_module, attending, driver, listener, memory, responses, server, wire)
        errors = interleaved([partial(work, association, acceptor) for work in works], seed, *modules)
        assert [error for error in errors if not isinstance(error, NbdicomError)] == []
        association.release()
        assert acceptor.wait_until_left(LIMIT)
