"""What odd peers make us hold is bounded, and holds up nobody else: counted and measured, never timed (PS3.8 D.1, E.1)."""

from __future__ import annotations

import threading
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace

import pytest
import scripted
from scripted import (
    CT,
    ECHO_ID,
    FAST,
    GET_ID,
    LIMIT,
    STORE_ID,
    Serve,
    Sink,
    Wire,
    Zeros,
    a_associate_rq,
    accept_all,
    find_rq,
    message,
    p_data,
    pdv,
    store_rq,
)

from nbdicom.config import Limits
from nbdicom.core.association import AssociationCore, Invocation
from nbdicom.core.command import CEchoRQ, CEchoRSP, CFindRSP, CGetRQ, CStoreRQ, CStoreRSP, encode_command
from nbdicom.core.pdu import encode_pdu
from nbdicom.core.upper_layer import Role
from nbdicom.operations.handlers import Handlers
from nbdicom.operations.requests import FindRequest
from nbdicom.uids import UID

MB = 1 << 20


@pytest.fixture
def traced() -> Iterator[None]:
    """Python's memory is measured."""
    tracemalloc.start()
    yield
    tracemalloc.stop()


def grown(since: int) -> int:
    """The highest number of bytes that Python held since it held *since*."""
    return tracemalloc.get_traced_memory()[1] - since


def held() -> int:
    """The bytes that Python holds now; the peak is forgotten."""
    tracemalloc.reset_peak()
    return tracemalloc.get_traced_memory()[0]


def requestor(maximum: int) -> AssociationCore:
    """Our side of an association with an acceptor that takes P-DATA-TF of *maximum* bytes."""
    core = AssociationCore(Role.REQUESTOR, clock=lambda: 0.0, limits=Limits(), artim=30)
    rq = a_associate_rq()
    core.request(rq)
    core.connected()
    core.data_to_send()
    answer = encode_pdu(accept_all(rq, maximum=maximum))
    core.get_buffer()[: len(answer)] = answer
    core.buffer_updated(len(answer))
    assert core.is_established
    return core


@pytest.mark.parametrize("maximum", [8, 9, 16])
def test_the_smallest_maximum_length_is_sent_in_bounded_pieces(traced: None, maximum: int) -> None:
    """Two bytes of data in a PDU, if it has to be: the source is asked for little at a time, and never ahead of the wire."""
    core = requestor(maximum)
    asked: list[int] = []
    source = Zeros(20_000, at=asked.append)
    store = CStoreRQ(affected_sop_class_uid=CT, affected_sop_instance_uid=UID("1.2.3"))
    before, pdus, data = held(), 0, 0
    for number, batch in enumerate(core.send(STORE_ID, store, source, Invocation())):
        assert len(batch) <= 1024 + 2 * 60, "more buffers than a gathering write takes"
        assert len(asked) <= number + 1, "the source is read ahead"
        for header, fragment in zip(batch[::2], batch[1::2], strict=True):
            assert len(header) + len(fragment) <= maximum + 6 and len(fragment) % 2 == 0
            pdus += 1
            data += len(fragment) if not header[11] & 1 else 0
    assert data == 20_000 and pdus > 20_000 // maximum
    assert grown(before) < MB // 2


def test_ten_thousand_tiny_fragments(serve: Serve, traced: None) -> None:
    """Two bytes each, in PDUs of their own; another peer is served between any two of them."""
    sink = Sink()
    command = encode_command(
        CStoreRQ(message_id=1, affected_sop_class_uid=CT, affected_sop_instance_uid=UID("1.2.3")), data_set=True
    )
    tiny = p_data(pdv(STORE_ID, 0, b"ab"))
    with serve(Handlers(sink=lambda request: sink, store=lambda request: 0)) as server:
        with Wire.associated(server.address) as wire, Wire.associated(server.address) as other:
            before = held()
            wire.send(p_data(pdv(STORE_ID, 3, command)))
            for _ in range(10):
                wire.send(tiny * 1000)
                other.echo()
            assert sink.closed == []  # the other one was served before the message had an end
            wire.send(p_data(pdv(STORE_ID, 2, b"ab")))
            assert wire.request(CStoreRSP).message.status == 0
            assert sink.size == 20_002
            assert grown(before) < 4 * MB
            wire.release()
            other.release()


def test_ten_thousand_tiny_fragments_in_memory(serve: Serve, traced: None) -> None:
    """Where the data set is collected in memory, it costs its bytes, not its fragments."""
    sizes: list[int] = []
    tiny = p_data(pdv(3, 0, b"ab"))
    begin = find_rq()[: -len(p_data(pdv(3, 2, b"")))]

    def find(request: FindRequest) -> list[bytes]:
        sizes.append(len(request.data))
        return []

    with serve(Handlers(find=find)) as server, Wire.associated(server.address) as wire:
        before = held()
        wire.send(begin, *[tiny * 1000] * 10, p_data(pdv(3, 2, b"")))
        assert wire.request(CFindRSP).message.status == 0
        assert sizes == [20_000] and grown(before) < 4 * MB
        wire.release()


def test_segments_of_one_byte(serve: Serve, traced: None) -> None:
    """Each byte is a segment of its own; another peer is served after each hundred of them."""
    whole = store_rq(bytes(2000))
    echo = message(ECHO_ID, CEchoRQ(message_id=1))
    with serve(Handlers(store=lambda request: 0)) as server:
        with Wire.associated(server.address) as wire, Wire.associated(server.address) as other:
            before = held()
            for index in range(len(whole)):
                wire.send(whole[index : index + 1])
                if index % 100 == 0:
                    other.send(echo)
                    assert other.request(CEchoRSP).message.status == 0
            assert wire.request(CStoreRSP).message.status == 0
            assert grown(before) < 4 * MB
            wire.release()
            other.release()


@pytest.mark.parametrize("service", ["C-FIND", "C-GET"])
def test_a_reader_that_does_not_read(serve: Serve, traced: None, service: str) -> None:
    """What is made for it is what the kernel's buffers hold and one write; others are served while it waits."""
    over, made = threading.Event(), 0

    def find(request: FindRequest) -> Iterator[bytes]:
        nonlocal made
        try:
            while True:
                made += 100_000
                yield bytes(100_000)
        finally:
            over.set()

    def count(chunk: int) -> None:
        nonlocal made
        made += MB

    class Endless(Zeros):
        def close(self) -> None:
            super().close()
            over.set()

    source = Endless(1 << 30, at=count)
    with serve(Handlers(find=find, get=lambda request: [source]), timeouts=replace(FAST, network=0.3)) as server:
        with Wire.associated(server.address) as wire:
            before = held()
            get = CGetRQ(message_id=1, affected_sop_class_uid=UID("1.2.840.10008.5.1.4.1.2.2.3"))
            wire.send(find_rq() if service == "C-FIND" else message(GET_ID, get, b""))
            served = 0
            with scripted.dial(server.address) as association:
                while not (served and over.is_set()) and served < 1000:
                    assert association.echo() == 0
                    served += 1
            assert over.wait(LIMIT), "it is served for ever"
            assert made < 32 * MB and grown(before) < 16 * MB
