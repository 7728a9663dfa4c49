"""The threads of an acceptor: one leads, the others follow, and who has served is used again."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import pytest
from scripted import LIMIT

from nbdicom.blocking.listener import SocketListener


@contextmanager
def listening(
    serve: Callable[[socket.socket], object], *, full: Callable[[], bool] = lambda: False
) -> Iterator[SocketListener]:
    def served(connection: socket.socket, address: tuple[str, int]) -> None:
        serve(connection)
        connection.close()  # after a failure the listener does, when it has been told

    listener = SocketListener("127.0.0.1", 0, served, full=full, reject=lambda connection: None, name="TEST")
    try:
        yield listener
    finally:
        listener.close()
        listener.join(time.monotonic() + LIMIT)
    assert not listener._threads


def call(listener: SocketListener) -> bytes:
    """Connect, and read to the end."""
    with socket.create_connection(listener.address, LIMIT) as connection:
        return connection.recv(10)


def test_one_after_the_other_needs_few_threads() -> None:
    threads: set[int] = set()

    def serve(connection: socket.socket) -> None:
        threads.add(threading.get_ident())

    with listening(serve) as listener:
        for _ in range(50):
            assert call(listener) == b""
    assert len(threads) <= 6  # nobody waits for the one that is just ending


def test_many_are_served_at_once() -> None:
    together = threading.Barrier(21)
    with listening(lambda connection: together.wait(LIMIT)) as listener:
        connections = [socket.create_connection(listener.address, LIMIT) for _ in range(20)]
        together.wait(LIMIT)  # breaks if one of them had to wait for another
        for connection in connections:
            assert connection.recv(1) == b""
            connection.close()


def test_what_is_set_in_the_context_is_for_one_connection() -> None:
    value: ContextVar[str] = ContextVar("value", default="nothing")
    seen: list[str] = []

    def serve(connection: socket.socket) -> None:
        seen.append(value.get())
        value.set("something of a patient")

    with listening(serve) as listener:
        for _ in range(20):
            call(listener)
    assert seen == ["nothing"] * 20


def test_who_fails_is_followed(caplog: pytest.LogCaptureFixture) -> None:
    """A connection that cannot be served is closed; its thread serves the next."""
    failures = iter([OSError("out of it"), RuntimeError("and again"), KeyError("and of no kind that is known")])

    def serve(connection: socket.socket) -> None:
        for error in failures:
            raise error
        connection.send(b"served")

    with listening(serve) as listener:
        assert [call(listener) for _ in range(4)] == [b"", b"", b"", b"served"]
    assert [record.getMessage().rpartition(" ")[2] for record in caplog.records] == ["OSError", "RuntimeError", "KeyError"]


def test_nobody_leads_any_more_after_the_end() -> None:
    """A connection that is served when the listener closes goes on; no other is let in."""
    entered, go = threading.Event(), threading.Event()

    def serve(connection: socket.socket) -> None:
        entered.set()
        assert go.wait(LIMIT)
        connection.send(b"served")

    with listening(serve) as listener, socket.create_connection(listener.address, LIMIT) as connection:
        assert entered.wait(LIMIT)
        listener.close()
        with pytest.raises(OSError):
            socket.create_connection(listener.address, 1)
        go.set()
        assert connection.recv(10) == b"served"


def test_who_leads_may_fail(caplog: pytest.LogCaptureFixture) -> None:
    """Else nobody would be let in any more, and nobody would know."""
    failures = iter([KeyError("of no kind that is known"), MemoryError()])

    def full() -> bool:
        for error in failures:
            raise error
        return False

    with listening(lambda connection: connection.send(b"served"), full=full) as listener:
        assert [call(listener) for _ in range(3)] == [b"", b"", b"served"]
    assert [record.getMessage() for record in caplog.records] == [
        "TEST: cannot accept a connection: KeyError", "TEST: cannot accept a connection: MemoryError",
    ]  # fmt: skip
