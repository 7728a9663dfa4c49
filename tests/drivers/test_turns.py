"""Many associations at once: each gets its turn, and one that does not end its turn holds nobody up for long."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import pytest
from scripted import CONTEXTS, LIMIT, Instance

from nbdicom.blocking import Server, associate
from nbdicom.blocking.turns import Turns
from nbdicom.core.streams import MemorySink
from nbdicom.operations.handlers import Handlers


def test_turns_are_given_in_the_order_of_coming() -> None:
    turns, order = Turns(1, patience=LIMIT), list[int]()
    assert turns.take()

    def work(number: int) -> None:
        assert turns.take()
        order.append(number)
        turns.give()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    deadline = time.monotonic() + LIMIT
    for number, thread in enumerate(threads, 1):
        thread.start()
        while turns.waiting < number:
            assert time.monotonic() < deadline
    turns.give()
    for thread in threads:
        thread.join(LIMIT)
    assert order == list(range(8))
    assert turns.take()  # all of them were given back


def test_a_turn_that_does_not_end_is_not_waited_for() -> None:
    turns = Turns(1, patience=0.01)
    assert turns.take()
    assert not turns.take()
    assert turns.waiting == 0
    turns.give()
    assert turns.take()


@pytest.mark.parametrize("at_once", [1, 3])
def test_no_turn_is_lost_and_none_is_made(at_once: int) -> None:
    """Nobody takes a lock where a turn is free: whoever comes while one is given back still gets it, or the next."""
    turns, working, most = Turns(at_once, patience=LIMIT), list[int](), list[int]()

    def work() -> None:
        for number in range(500):
            assert turns.take()
            working.append(number)
            most.append(len(working))
            working.pop()
            turns.give()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT)
    assert len(most) == 8 * 500 and max(most) <= at_once and turns.waiting == 0
    assert [turns.take() for _ in range(at_once)] == [True] * at_once
    turns._patience = 0.0
    assert not turns.take()


class Stuck:
    """A sink on a disk that hangs."""

    def __init__(self, go: threading.Event, stuck: threading.Semaphore) -> None:
        self._go, self._stuck = go, stuck

    def write(self, views: Sequence[memoryview]) -> None:
        self._stuck.release()
        assert self._go.wait(LIMIT)

    def close(self, complete: bool) -> None:
        pass


@pytest.fixture
def go() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def test_disks_that_hang_do_not_hold_up_the_others(go: threading.Event) -> None:
    """As many associations as may work at once, and one more, write to a disk that hangs; who comes then is served."""
    many = 2 * (os.cpu_count() or 1) + 1
    stuck = threading.Semaphore(0)
    data = bytes(1 << 20)

    def sink(request: Any) -> Stuck | MemorySink:
        return Stuck(go, stuck) if request.calling_ae_title == "STUCK" else MemorySink(len(data))

    handlers = Handlers(store=lambda request: 0x0000, sink=sink)
    senders: list[threading.Thread] = []
    with ExitStack() as stack:
        server = stack.enter_context(Server(handlers, ae_title="SCP", contexts=CONTEXTS))

        def send(number: int) -> None:
            with associate(server.address, called="SCP", calling="STUCK", contexts=CONTEXTS) as association:
                assert [stored.ok for stored in association.store([Instance(number, data)])] == [True]

        for number in range(many):
            senders.append(threading.Thread(target=send, args=(number,)))
            senders[-1].start()
        for _ in range(many):
            assert stuck.acquire(timeout=LIMIT)
        with associate(server.address, called="SCP", calling="GOOD", contexts=CONTEXTS) as association:
            assert association.echo() == 0
            assert [stored.ok for stored in association.store([Instance(99, data)])] == [True]
        go.set()
        for sender in senders:
            sender.join(LIMIT)
            assert not sender.is_alive()
