"""Peers that go on, but hardly: a byte now and then holds nothing open, and a flood does not either (PS3.8 9.1.4, 9.3.8)."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
import scripted
from scripted import (
    FAST,
    GET_ID,
    LIMIT,
    STORE_ID,
    Dial,
    Scripted,
    Serve,
    Wire,
    Zeros,
    a_abort,
    a_associate_rq,
    find_rq,
    message,
    p_data,
    pdv,
    served,
    store_rq,
)

from nbdicom.core.command import CFindRQ, CFindRSP, CGetRQ, CStoreRQ, encode_command
from nbdicom.core.pdu import AAbort, AAssociateAC, AReleaseRQ
from nbdicom.errors import OperationTimeout
from nbdicom.operations.handlers import Handlers
from nbdicom.operations.requests import FindRequest
from nbdicom.status import Status
from nbdicom.uids import UID

SHORT = 0.3  #: seconds of the timer that a test is about; no other ends anything
PENDING = CFindRSP(message_id_being_responded_to=1, status=Status(0xFF00))


def drip(wire: Wire, *pieces: bytes, over: threading.Event) -> threading.Thread:
    """Send the pieces, the last of them again and again with pauses, until the peer has had enough or it is *over*."""

    def run() -> None:
        try:
            wire.send(*pieces)
            while not over.wait(0.02):
                wire.send(pieces[-1])
        except OSError:
            pass  # closed on us, as it should be

    thread = threading.Thread(target=run, name="drip")
    thread.start()
    return thread


TINY = p_data(pdv(STORE_ID, 0, b"ab"))
COMMAND_OF_STORE = store_rq(b"")[: -len(p_data(pdv(STORE_ID, 2, b"")))]


@pytest.mark.parametrize(
    "pieces",
    [
        (COMMAND_OF_STORE, TINY),
        (COMMAND_OF_STORE, p_data(pdv(STORE_ID, 0, b""))),
        (p_data(pdv(STORE_ID, 1, b"\0")),),
    ],
    ids=["a data set", "empty fragments", "a command set"],
)
def test_a_message_in_tiny_pdus_is_no_progress(serve: Serve, pieces: tuple[bytes, ...]) -> None:
    """Whole PDUs come in time, the message does not: the slot is free again, and others were served meanwhile."""
    over = threading.Event()
    with serve(Handlers(store=lambda request: 0), timeouts=replace(FAST, network=SHORT)) as server:
        with Wire.associated(server.address) as wire:
            thread = drip(wire, *pieces, over=over)
            try:
                served(server.address)
                assert wire.aborted() == a_abort(0)
            finally:
                over.set()
                thread.join()


def test_objects_in_crumbs_arrive_whole(serve: Serve) -> None:
    """10 000 fragments of two bytes, twice, then one in segments of a byte: all are stored, and others served meanwhile."""
    data = bytes(range(250)) * 80
    stored: list[bytes] = []

    def in_crumbs(number: int) -> bytes:
        return message(
            STORE_ID,
            CStoreRQ(message_id=number, affected_sop_class_uid=scripted.CT, affected_sop_instance_uid=UID("1.2.3")),
            data,
            fragment=2,
        )

    with serve(Handlers(store=lambda request: stored.append(request.data) or 0)) as server:
        with Wire.associated(server.address) as wire, scripted.dial(server.address) as association:
            for number in (1, 2):
                wire.send(in_crumbs(number))
                assert association.echo() == 0
                wire.message()
            for byte in store_rq(data[:400], message_id=3):
                wire.send(bytes((byte,)))
            assert association.echo() == 0
            wire.message()
            wire.release()
    assert stored == [data, data, data[:400]]


def test_a_slow_line_is_progress(serve: Serve) -> None:
    """16 KiB within `Timeouts.network` are enough, however many times longer the message takes in all."""
    pause, stored = threading.Event(), []
    whole = store_rq(bytes(200_000))
    seconds = replace(FAST, network=2, idle=2)
    begun = time.monotonic()
    with serve(Handlers(store=lambda request: stored.append(len(request.data)) or 0), timeouts=seconds) as server:
        with Wire.associated(server.address) as wire:
            for start in range(0, len(whole), 1 << 14):
                wire.send(whole[start : start + (1 << 14)])
                pause.wait(0.18)
            wire.message()
            wire.release()
    assert stored == [200_000] and time.monotonic() - begun > 2


def test_a_requestor_that_waits_for_our_answer_is_not_idle(serve: Serve) -> None:
    """`Timeouts.idle` is about associations on which nothing is asked; how long an object takes is not its business."""
    get = CGetRQ(message_id=1, affected_sop_class_uid=UID("1.2.840.10008.5.1.4.1.2.2.3"))
    with serve(Handlers(get=lambda request: [scripted.Instance()]), timeouts=replace(FAST, idle=SHORT)) as server:
        with Wire.associated(server.address) as wire:
            wire.send(message(GET_ID, get, b""))
            store = wire.request(CStoreRQ)
            threading.Event().wait(3 * SHORT)  # it writes to a slow disk
            wire.answer(store, 0)
            assert wire.message().message.status == 0
            assert wire.aborted() == a_abort(0)  # now it is


def test_a_response_in_tiny_pdus(dial: Dial) -> None:
    over = threading.Event()

    def script(wire: Wire) -> None:
        wire.request(CFindRQ)
        command = p_data(pdv(3, 3, encode_command(PENDING, data_set=True)))
        thread = drip(wire, command, p_data(pdv(3, 0, b"ab")), over=over)
        try:
            assert wire.aborted() == a_abort(0)
        finally:
            over.set()
            thread.join()

    with Scripted(script) as acceptor:
        association = dial(acceptor.address, timeouts=replace(FAST, dimse=SHORT, network=SHORT))
        with pytest.raises(OperationTimeout, match="silent for 0.3 s"):
            list(association.find(b"keys"))
        assert not association.is_established


def test_a_release_that_is_answered_with_data_for_ever(dial: Dial) -> None:
    """Sta7, AR-6: they are taken, and `Timeouts.release` counts from our A-RELEASE-RQ all the same."""
    over = threading.Event()

    def script(wire: Wire) -> None:
        wire.request(CFindRQ)
        wire.expect(AReleaseRQ)
        thread = drip(wire, message(3, PENDING, b"match "), over=over)
        try:
            wire.aborted()
        finally:
            over.set()
            thread.join()

    with Scripted(script) as acceptor:
        association = dial(acceptor.address, timeouts=replace(FAST, release=SHORT, artim=SHORT))
        responses = association.find(b"keys")
        association.release()
        assert responses.status is None
        assert not association.is_established


@pytest.mark.parametrize("what", [bytes(1 << 16), message(3, PENDING, b"match ") * 100], ids=["garbage", "messages"])
def test_a_flood_after_our_abort_is_not_read_for_ever(dial: Dial, what: bytes) -> None:
    """Sta13: it is read away until ARTIM, so that no reset destroys our A-ABORT, and then no more."""
    closed = threading.Event()

    def script(wire: Wire) -> None:
        wire.expect(AAbort)
        wire.socket.settimeout(2 * LIMIT)
        try:
            while True:
                wire.send(what)
        except (ConnectionError, TimeoutError) as error:
            assert not isinstance(error, TimeoutError), "neither read nor closed"
        closed.set()

    with Scripted(script) as acceptor:
        association = dial(acceptor.address, timeouts=replace(FAST, artim=SHORT))
        association.abort()
        assert closed.wait(4 * LIMIT)


def test_a_flood_after_the_last_word_of_an_acceptor(serve: Serve) -> None:
    """Sta13 of the acceptor, where every PDU that is understood has its answer (AA-7): it has an end, too."""
    with serve(timeouts=replace(FAST, artim=SHORT)) as server, Wire.connect(server.address) as wire:
        wire.send(a_associate_rq(called="OTHER"))
        try:
            while True:
                wire.send(a_associate_rq())
        except ConnectionError:
            pass
        served(server.address)


@pytest.mark.parametrize("service", ["C-FIND", "C-GET"])
def test_a_peer_that_reads_a_little_now_and_then(serve: Serve, service: str) -> None:
    """F16: a window that opens by a few bytes is no progress either; what we hold for it is what one write holds."""
    closed, over = threading.Event(), threading.Event()  # the second is never set
    source = Zeros(64 << 20)

    def find(request: FindRequest) -> Iterator[bytes]:
        try:
            while True:
                yield bytes(100_000)
        finally:
            closed.set()

    with serve(Handlers(find=find, get=lambda request: [source]), timeouts=replace(FAST, network=SHORT)) as server:
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(server.address)
        with Wire(connection) as wire:
            wire.send(a_associate_rq())
            wire.expect(AAssociateAC)
            get = CGetRQ(message_id=1, affected_sop_class_uid=UID("1.2.840.10008.5.1.4.1.2.2.3"))
            wire.send(find_rq() if service == "C-FIND" else message(GET_ID, get, b""))
            until = time.monotonic() + 2 * LIMIT
            served(server.address)
            while not (closed.is_set() or source.closed):
                assert wire.socket.recv(256)
                assert time.monotonic() < until, "it is served for ever"
                over.wait(0.02)
