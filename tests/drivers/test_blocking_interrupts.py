"""Ctrl-C at every place where the blocking driver can be, and what is on the wire afterwards.

| interrupted while                            | then                                                                  |
|----------------------------------------------|-----------------------------------------------------------------------|
| waiting, or in code of the user              | C-CANCEL, drained to the final response, the association is usable    |
| inside recv or while parsing                 | A-ABORT, closed                                                       |
| between two PDUs of an outgoing message      | A-ABORT, closed                                                       |
| in the middle of a PDU                       | closed without a further byte                                         |
| again, while it cancels                      | closed at once                                                        |
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from scripted import (
    A_ABORT_USER,
    CT,
    FAST,
    FIND,
    LIMIT,
    STORE_ID,
    Arrived,
    Instance,
    Scripted,
    Sink,
    Wire,
    Zeros,
    a_associate_rq,
    dial,
    message,
    when_waiting,
)

from nbdicom.blocking import Association, Server
from nbdicom.blocking.transport import Transport
from nbdicom.core.command import CCancelRQ, CEchoRQ, CFindRQ, CGetRQ, CMoveRQ, CStoreRQ, CStoreRSP
from nbdicom.core.pdu import AAssociateRQ, AReleaseRQ
from nbdicom.errors import AssociationError
from nbdicom.operations.handlers import Handlers
from nbdicom.operations.requests import StoreRequest
from nbdicom.uids import UID


def interrupt() -> None:
    """What Ctrl-C does: SIGINT to this process, KeyboardInterrupt in the main thread."""
    signal.raise_signal(signal.SIGINT)


def cancelled(wire: Wire, request: Arrived, **counts: int) -> None:
    """The peer's side of a cancel: C-CANCEL for this request, its final response, and the association still works."""
    cancel = wire.request(CCancelRQ)
    assert cancel.message.message_id_being_responded_to == request.message.message_id
    assert cancel.context_id == request.context_id
    wire.answer(request, 0xFE00, **counts)
    echo = wire.request(CEchoRQ)
    wire.answer(echo, 0)
    wire.released()


def usable(association: Association) -> None:
    assert association.is_established
    assert association.echo() == 0
    association.release()


def over(association: Association) -> None:
    assert not association.is_established
    with pytest.raises(AssociationError):
        association.echo()
    association.release()


# ------------------------------------------------------------------------------- while waiting

OPERATIONS: dict[str, tuple[type, Callable[[Association], Any]]] = {
    "C-FIND": (CFindRQ, lambda association: association.find(b"keys")),
    "C-MOVE": (CMoveRQ, lambda association: association.move(b"keys", destination="STORE")),
    "C-GET": (CGetRQ, lambda association: association.get(b"keys")),
}


@pytest.mark.parametrize("pending", [0, 3])
@pytest.mark.parametrize("service", OPERATIONS)
def test_while_waiting(service: str, pending: int) -> None:
    kind, operation = OPERATIONS[service]

    def script(wire: Wire) -> None:
        request = wire.request(kind)
        for _ in range(pending):
            wire.answer(request, 0xFF00)
        cancelled(wire, request)

    with Scripted(script) as acceptor:
        association = dial(acceptor.address)
        responses = operation(association)
        for _ in range(pending):
            next(responses)
        when_waiting(association, interrupt)
        with pytest.raises(KeyboardInterrupt):
            next(responses)
        assert responses.status == 0xFE00
        assert list(responses) == []
        usable(association)


def test_while_waiting_in_the_system_call() -> None:
    """The same with a signal from outside, at the very moment when the main thread enters the system call."""
    waiting = threading.Event()

    def script(wire: Wire) -> None:
        cancelled(wire, wire.request(CFindRQ))

    def killer() -> None:
        if waiting.wait(LIMIT):
            os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=killer)
    thread.start()
    try:
        with Scripted(script) as acceptor:
            association = dial(acceptor.address)
            responses = association.find(b"keys")
            when_waiting(association, waiting.set)
            with pytest.raises(KeyboardInterrupt):
                next(responses)
            usable(association)
    finally:
        waiting.set()
        thread.join()


def test_late_matches_are_drained_after_an_interrupt() -> None:
    def script(wire: Wire) -> None:
        request = wire.request(CFindRQ)
        wire.request(CCancelRQ)
        for _ in range(500):
            wire.answer(request, 0xFF00, b"late")
        wire.answer(request, 0x0000)  # the race: it was complete before the C-CANCEL came
        wire.answer(wire.request(CEchoRQ), 0)
        wire.released()

    with Scripted(script) as acceptor:
        association = dial(acceptor.address)
        responses = association.find(b"keys")
        when_waiting(association, interrupt)
        with pytest.raises(KeyboardInterrupt):
            next(responses)
        assert responses.status == 0
        usable(association)


def test_a_peer_that_does_not_hear_the_cancel_is_aborted() -> None:
    def script(wire: Wire) -> None:
        request = wire.request(CFindRQ)
        wire.request(CCancelRQ)
        wire.answer(request, 0xFF00, b"one more")
        assert wire.aborted() == A_ABORT_USER

    with Scripted(script) as acceptor:
        association = dial(acceptor.address, timeouts=replace(FAST, cancel=0.1))
        responses = association.find(b"keys")
        when_waiting(association, interrupt)
        with pytest.raises(KeyboardInterrupt):
            next(responses)
        assert responses.status is None
        over(association)


def test_a_peer_that_answers_a_cancel_with_endless_matches_is_aborted() -> None:
    """`Timeouts.cancel` bounds the whole of it, not the silence between two matches."""

    def script(wire: Wire) -> None:
        request = wire.request(CFindRQ)
        wire.request(CCancelRQ)
        with pytest.raises(OSError):
            while True:
                wire.answer(request, 0xFF00, b"late")

    with Scripted(script) as acceptor:
        association = dial(acceptor.address, timeouts=replace(FAST, cancel=0.2, artim=0.1))
        responses = association.find(b"keys")
        when_waiting(association, interrupt)
        with pytest.raises(KeyboardInterrupt):
            next(responses)
        over(association)


def test_endless_matches_of_a_query_that_was_dropped_end_in_an_abort() -> None:
    def script(wire: Wire) -> None:
        request = wire.request(CFindRQ)
        wire.answer(request, 0xFF00, b"first")
        wire.request(CCancelRQ)
        with pytest.raises(OSError):
            while True:
                wire.answer(request, 0xFF00, b"late")

    with Scripted(script) as acceptor:
        association = dial(acceptor.address, timeouts=replace(FAST, cancel=0.2, artim=0.1))
        next(association.find(b"keys"))
        with pytest.raises(AssociationError):
            association.echo()
        over(association)


@pytest.mark.parametrize("service", ["C-ECHO", "C-STORE"])
def test_what_cannot_be_cancelled_is_waited_for(service: str) -> None:
    """C-ECHO and C-STORE know no cancel (PS3.7 9.3.2.3): the response is awaited, the association is usable."""
    again = threading.Event()

    def script(wire: Wire) -> None:
        request = wire.message()
        assert again.wait(LIMIT)
        wire.answer(request, 0)
        wire.answer(wire.request(CEchoRQ), 0)
        wire.released()

    with Scripted(script) as acceptor:
        association = dial(acceptor.address)
        when_waiting(association, interrupt)
        with pytest.raises(KeyboardInterrupt):
            # The second wait is the one for the response that is still due.
            when_waiting(association, again.set, number=2)
            if service == "C-ECHO":
                association.echo()
            else:
                next(association.store([Instance()]))
        usable(association)


def test_in_code_of_the_user_between_two_matches() -> None:
    """The interrupt hits the body of the loop: the iterator is dropped, and the next operation cancels the query."""

    def script(wire: Wire) -> None:
        request = wire.request(CFindRQ)
        wire.answer(request, 0xFF00, b"match")
        cancelled(wire, request)

    with Scripted(script) as acceptor:
        association = dial(acceptor.address)
        try:
            for _ in association.find(b"keys"):
                interrupt()
        except KeyboardInterrupt:
            pass
        usable(association)


def test_in_a_handler_of_the_user_while_instances_arrive() -> None:
    """C-GET: the instance that the handler was looking at is answered, else the peer would wait for ever for us."""
    answered: list[int] = []

    def script(wire: Wire) -> None:
        request = wire.request(CGetRQ)
        wire.send(
            message(
                STORE_ID,
                CStoreRQ(message_id=5, affected_sop_class_uid=CT, affected_sop_instance_uid=UID("1.2.3")),
                b"data",
            )
        )
        cancel = None
        for _ in range(2):
            arrived = wire.message()
            if isinstance(arrived.message, CStoreRSP):
                answered.append(int(arrived.message.status))
                assert arrived.message.status.is_failure
            else:
                assert isinstance(arrived.message, CCancelRQ)
                cancel = arrived
        assert cancel is not None and answered
        wire.answer(request, 0xFE00)
        wire.answer(wire.request(CEchoRQ), 0)
        wire.released()

    def store(request: StoreRequest) -> int:
        interrupt()
        return 0

    with Scripted(script) as acceptor:
        association = dial(acceptor.address)
        with pytest.raises(KeyboardInterrupt):
            next(association.get(b"keys", store=store))
        usable(association)


def test_while_the_association_is_requested(monkeypatch: pytest.MonkeyPatch) -> None:
    def script(wire: Wire) -> None:
        wire.expect(AAssociateRQ)
        assert wire.aborted() == A_ABORT_USER

    receive = Transport.receive
    waits: list[None] = []

    def interrupted_once(transport: Transport, view: memoryview) -> int | None:
        waits.append(None)
        if len(waits) == 1:
            interrupt()
        return receive(transport, view)

    monkeypatch.setattr(Transport, "receive", interrupted_once)
    with Scripted(script, associated=False) as acceptor, pytest.raises(KeyboardInterrupt):
        dial(acceptor.address)


def test_while_it_is_released() -> None:
    def script(wire: Wire) -> None:
        wire.expect(AReleaseRQ)
        assert wire.aborted() == A_ABORT_USER

    with Scripted(script) as acceptor:
        association = dial(acceptor.address)
        when_waiting(association, interrupt)
        with pytest.raises(KeyboardInterrupt):
            association.release()
        over(association)


# ------------------------------------------------------------------------------- inside recv, and while parsing


class Socket:
    """A socket that is interrupted: in `recv_into` after *received* bytes, in a write after *sent* bytes.

    A signal handler runs when the system call has done its work and before its result is seen; so here.
    """

    def __init__(self, real: socket.socket, *, received: int | None = None, sent: int | None = None) -> None:
        self._real = real
        self._received = received
        self._sent = sent

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def recv_into(self, view: memoryview, size: int = 0, flags: int = 0) -> int:
        if self._received is None:
            return self._real.recv_into(view, size, flags)
        limit, self._received = self._received, None
        if limit:
            self._real.recv_into(view[:limit], 0, socket.MSG_WAITALL)
        interrupt()
        raise AssertionError("nothing interrupted us")

    def send(self, data: Any, flags: int = 0) -> int:
        return self.sendmsg([data], (), flags)

    def sendmsg(self, buffers: Any, ancillary: Any = (), flags: int = 0) -> int:
        if self._sent is None:
            return self._real.sendmsg(buffers, ancillary, flags)
        joined = b"".join(buffers)
        limit = self._sent
        if limit >= len(joined):
            self._sent -= len(joined)
            self._real.sendall(joined)
            return len(joined)
        self._sent = None
        self._real.sendall(joined[:limit])
        interrupt()
        raise AssertionError("nothing interrupted us")


def test_inside_recv_before_the_first_byte() -> None:
    """The system call was interrupted while it waited: nothing is lost, as in any other wait."""

    def script(wire: Wire) -> None:
        cancelled(wire, wire.request(CFindRQ))

    with Scripted(script) as acceptor:
        association = dial(acceptor.address)
        responses = association.find(b"keys")
        transport = association._driver.transport
        transport._socket = Socket(transport._socket, received=0)  # type: ignore[assignment]
        with pytest.raises(KeyboardInterrupt):
            next(responses)
        usable(association)


@pytest.mark.parametrize("received", [1, 6, 11, 12, 50, 1000])
def test_inside_recv(received: int) -> None:
    """How far the stream was read is not known: nothing but an A-ABORT may follow."""

    def script(wire: Wire) -> None:
        wire.answer(wire.request(CFindRQ), 0xFF00, b"match")
        assert wire.aborted() == A_ABORT_USER

    with Scripted(script) as acceptor:
        association = dial(acceptor.address)
        responses = association.find(b"keys")
        transport = association._driver.transport
        transport._socket = Socket(transport._socket, received=received)  # type: ignore[assignment]
        with pytest.raises(KeyboardInterrupt):
            next(responses)
        over(association)
        assert list(responses) == []


@pytest.mark.parametrize("where", ["PDUReceived", "MessageReceived"])
def test_while_parsing(where: str) -> None:
    armed = False

    def trace(event: Any) -> None:
        if armed and type(event).__name__ == where:
            interrupt()

    def script(wire: Wire) -> None:
        wire.answer(wire.request(CFindRQ), 0xFF00, b"match")
        assert wire.aborted() == A_ABORT_USER

    with Scripted(script) as acceptor:
        association = dial(acceptor.address, trace=trace)
        responses = association.find(b"keys")
        armed = True
        with pytest.raises(KeyboardInterrupt):
            next(responses)
        over(association)


def test_while_a_sink_writes() -> None:
    """A sink is written to while the bytes are parsed; it is told that its object will never be whole."""

    class Interrupted(Sink):
        def write(self, views: Any) -> None:
            interrupt()

    sink = Interrupted()

    def script(wire: Wire) -> None:
        wire.request(CGetRQ)
        request = CStoreRQ(message_id=5, affected_sop_class_uid=CT, affected_sop_instance_uid=UID("1.2.3"))
        wire.send(message(STORE_ID, request, bytes(1000)))
        assert wire.aborted() == A_ABORT_USER

    with Scripted(script) as acceptor:
        association = dial(acceptor.address)
        with pytest.raises(KeyboardInterrupt):
            next(association.get(b"keys", sink=lambda request: sink))
        over(association)
    assert sink.closed == [False]


# ------------------------------------------------------------------------------- while sending


def test_before_the_first_byte_of_a_message() -> None:
    """Nothing has gone out yet: the association is as it was."""

    def at(chunk: int) -> None:
        interrupt()

    def script(wire: Wire) -> None:
        wire.answer(wire.request(CEchoRQ), 0)
        wire.released()

    source = Zeros(100, at=at)
    with Scripted(script) as acceptor:
        association = dial(acceptor.address)
        with pytest.raises(KeyboardInterrupt):
            association.store([source])
        assert source.closed == 1
        usable(association)


def test_between_two_pdus() -> None:
    def at(chunk: int) -> None:
        if chunk == 2:
            interrupt()

    def script(wire: Wire) -> None:
        assert wire.aborted() == A_ABORT_USER  # every PDU before it is whole, or `aborted` would fail

    source = Zeros(8 << 20, at=at)
    with Scripted(script) as acceptor:
        association = dial(acceptor.address)
        with pytest.raises(KeyboardInterrupt):
            association.store([source])
        assert source.closed == 1
        over(association)


@pytest.mark.parametrize("sent", [1, 6, 11, 12, 100, 200, 5000, 20_000])
def test_in_the_middle_of_a_pdu(sent: int) -> None:
    """No A-ABORT can be framed any more: the stream ends where it was torn."""
    got: list[bytes] = []

    def script(wire: Wire) -> None:
        got.append(wire.rest())

    source = Zeros(1 << 20)
    with Scripted(script) as acceptor:
        association = dial(acceptor.address)
        transport = association._driver.transport
        transport._socket = Socket(transport._socket, sent=sent)  # type: ignore[assignment]
        with pytest.raises(KeyboardInterrupt):
            association.store([source])
        assert source.closed == 1
        over(association)
    assert len(got[0]) == sent


def test_while_the_peer_does_not_take_our_bytes() -> None:
    """The kernel's buffer is full in the middle of a PDU, and we wait to write: torn as well."""
    torn: list[bytes] = []
    done = threading.Event()

    def script(wire: Wire) -> None:
        assert done.wait(LIMIT)
        torn.append(wire.rest())

    source = Zeros(64 << 20)
    with Scripted(script) as acceptor:
        association = dial(acceptor.address)
        when_waiting(association, interrupt)
        with pytest.raises(KeyboardInterrupt):
            association.store([source])
        done.set()
        assert source.closed == 1
        over(association)
    assert not torn[0].endswith(A_ABORT_USER)


def test_a_cancel_that_is_torn_closes_the_connection() -> None:
    """C-CANCEL itself is interrupted in the middle of its PDU."""
    got: list[bytes] = []

    def script(wire: Wire) -> None:
        wire.request(CFindRQ)
        got.append(wire.rest())

    with Scripted(script) as acceptor:
        association = dial(acceptor.address)
        responses = association.find(b"keys")
        transport = association._driver.transport
        transport._socket = Socket(transport._socket, sent=10)  # type: ignore[assignment]
        when_waiting(association, interrupt)
        with pytest.raises(KeyboardInterrupt):
            next(responses)
        over(association)
    assert len(got[0]) == 10


# ------------------------------------------------------------------------------- the second Ctrl-C


def test_again_while_it_is_cancelled() -> None:
    def script(wire: Wire) -> None:
        request = wire.request(CFindRQ)
        wire.answer(request, 0xFF00, b"match")
        wire.request(CCancelRQ)
        assert wire.rest() in (b"", A_ABORT_USER)

    with Scripted(script) as acceptor:
        association = dial(acceptor.address)
        responses = association.find(b"keys")
        next(responses)
        when_waiting(association, interrupt)
        when_waiting(association, interrupt, number=2)
        with pytest.raises(KeyboardInterrupt):
            next(responses)
        over(association)
        assert list(responses) == []


# ------------------------------------------------------------------------------- handlers of a server


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
def test_a_handler_that_exits_does_not_take_the_association_with_it(error: type[BaseException]) -> None:
    """In a thread of a server nobody can be interrupted: these are mistakes of a handler like any other (F21)."""

    def bad(request: Any) -> Any:
        raise error

    handlers = Handlers(echo=bad, store=bad, find=bad, get=bad)
    with Server(handlers, ae_title="SCP", contexts=["Verification", CT, FIND], timeouts=FAST) as server:
        with Wire.associated(server.address, a_associate_rq(["Verification", CT, FIND])) as wire:
            for context_id, command in (
                (1, CEchoRQ(message_id=1)),
                (3, CStoreRQ(message_id=2, affected_sop_class_uid=CT, affected_sop_instance_uid=UID("1.2"))),
                (5, CFindRQ(message_id=3, affected_sop_class_uid=FIND)),
            ):
                wire.send(message(context_id, command, None if context_id == 1 else b""))
                response = wire.message().message
                assert response.status.is_failure
                assert response.message_id_being_responded_to == command.message_id
            wire.release()


# ------------------------------------------------------------------------------- a process of its own

CHILD = """
import sys
from nbdicom.blocking import associate

association = associate(("127.0.0.1", int(sys.argv[1])), called="SCP", contexts=[sys.argv[2], "Verification"])
responses = association.find(b"keys", model=sys.argv[2])
matches = 0
try:
    with responses:
        for match in responses:
            matches += 1
            print("match", flush=True)
except KeyboardInterrupt:
    print("interrupted after", matches, responses.status, flush=True)
print("echo", association.echo(), flush=True)
association.release()
print("released", flush=True)
"""


def test_sigint_in_a_process_with_a_slow_query() -> None:
    """A real signal, a real process: the query is cancelled, the association goes on, the process ends by itself."""
    interrupted = threading.Event()

    def script(wire: Wire) -> None:
        request = wire.request(CFindRQ)
        for _ in range(2):
            wire.answer(request, 0xFF00, b"match ")
        cancelled(wire, request)

    with (
        Scripted(script) as acceptor,
        subprocess.Popen(
            [sys.executable, "-c", CHILD, str(acceptor.address[1]), FIND], stdout=subprocess.PIPE, text=True
        ) as child,
    ):
        assert child.stdout is not None
        timer = threading.Timer(LIMIT, child.kill)
        timer.start()
        try:
            assert [child.stdout.readline() for _ in range(2)] == ["match\n"] * 2
            child.send_signal(signal.SIGINT)
            assert child.stdout.read().splitlines() == [
                "interrupted after 2 FE00H Cancel: Terminated by a C-CANCEL request",
                "echo 0000H Success",
                "released",
            ]
            assert child.wait(LIMIT) == 0
        finally:
            timer.cancel()
            timer.join()
            interrupted.set()
