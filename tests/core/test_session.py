"""Whole sessions in memory: cut at every byte, timed by a clock of our own, and two cores joined without a socket."""

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from nbdicom.config import Limits, OperationsWindow
from nbdicom.core import command as c
from nbdicom.core import pdu as p
from nbdicom.core.association import AssociationCore, Invocation
from nbdicom.core.dimse import Received
from nbdicom.core.machine import Sta
from nbdicom.core.negotiation import Proposal, Support, context_of, negotiate, propose
from nbdicom.core.streams import BytesSource
from nbdicom.core.trace import Quirk, Released
from nbdicom.core.upper_layer import WINDOW, Role, UpperLayer
from nbdicom.errors import (
    AssociationAborted,
    AssociationRejected,
    AssociationReleased,
    LocalProtocolError,
    RemoteProtocolError,
)
from nbdicom.status import Status
from nbdicom.uids import UID

CT = UID("1.2.840.10008.5.1.4.1.1.2")
CONTEXTS = ("Verification", "CTImageStorage", "StudyRootQueryRetrieveInformationModelFind")
ECHO_ID, STORE_ID, FIND_ID = 1, 3, 5


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Sink:
    def __init__(self) -> None:
        self.data, self.closed, self.writes = b"", [], 0

    def write(self, views: Any) -> None:
        self.writes += 1
        self.data += b"".join(views)

    def close(self, complete: bool) -> None:
        self.closed.append(complete)


def feed(core: AssociationCore | UpperLayer, data: bytes) -> None:
    """Bytes into the window, in pieces that fit it."""
    while data:
        view = core.get_buffer()
        size = min(len(view), len(data))
        view[:size] = data[:size]
        core.buffer_updated(size)
        data = data[size:]


class Pair:
    """A requestor and an acceptor; `exchange` carries their bytes until nobody has any."""

    def __init__(
        self, *, window: int = 1, lengths: tuple[int, int] = (131_072, 131_072), trace: Any = None, **limits: int
    ) -> None:
        self.clock = Clock()
        self.sinks: list[Sink] = []
        options: Any = {"clock": self.clock, "artim": 30.0, "trace": trace}
        self.a = AssociationCore(Role.REQUESTOR, limits=Limits(max_length_received=lengths[0], **limits), **options)
        self.b = AssociationCore(
            Role.ACCEPTOR, limits=Limits(max_length_received=lengths[1], **limits), open_sink=self.sink, **options
        )
        self.queue: dict[int, list[bytes]] = {id(self.a): [], id(self.b): []}
        operations = OperationsWindow(invoked=window, performed=window)
        self.rq = propose(
            Proposal(called_ae_title="B", calling_ae_title="A", contexts=tuple(map(context_of, CONTEXTS)),
                     max_length_received=lengths[0], window=operations)
        )  # fmt: skip
        support = Support.of(CONTEXTS, max_length_received=lengths[1])
        self.support = Support(contexts=support.contexts, max_length_received=lengths[1], window=operations)

    def sink(self, context: Any, message: Any) -> Sink:
        self.sinks.append(Sink())
        return self.sinks[-1]

    def write(self, core: AssociationCore, batches: Iterator[list[Any]]) -> None:
        for batch in batches:
            self.queue[id(core)] += [bytes(part) for part in batch]

    def exchange(self) -> None:
        moving = True
        while moving:
            moving = False
            for core, other in ((self.a, self.b), (self.b, self.a)):
                data = b"".join([*self.queue[id(core)], *core.data_to_send()])
                self.queue[id(core)] = []
                if data:
                    moving = True
                    feed(other, data)
                if core.close_transport and not other.close_transport:
                    other.eof_received()
                    moving = True

    def associate(self) -> "Pair":
        self.a.request(self.rq)
        self.a.connected()
        self.b.connected()
        self.exchange()
        assert self.b.associate_rq is not None
        self.b.accept(*negotiate(self.b.associate_rq, self.support))
        self.exchange()
        assert self.a.is_established and self.b.is_established
        return self

    def invoke(self, context_id: int, message: c.Request, data: bytes | None = None) -> Invocation:
        invocation = Invocation()
        source = None if data is None else BytesSource(data)
        self.write(self.a, self.a.send(context_id, message, source, invocation))
        self.exchange()
        return invocation

    def respond(self, context_id: int, response: c.Response, data: bytes | None = None) -> None:
        self.write(self.b, self.b.send(context_id, response, None if data is None else BytesSource(data), None))
        self.exchange()

    def answer(self, status: int = 0) -> Received:
        request = self.b.requests.popleft()
        assert isinstance(request.message, c.Request)
        kind = c.response_class(type(request.message))
        self.respond(
            request.context.context_id,
            kind(message_id_being_responded_to=request.message.message_id, status=Status(status)),
        )
        if not Status(status).is_pending:
            self.b.performed(request)
        return request


def store() -> c.CStoreRQ:
    return c.CStoreRQ(affected_sop_class_uid=CT, affected_sop_instance_uid=UID("1.2.3"))


# ------------------------------------------------------------------------------- associations


def test_an_echo() -> None:
    pair = Pair().associate()
    invocation = pair.invoke(ECHO_ID, c.CEchoRQ())
    assert pair.a.outstanding == 1
    pair.answer()
    assert invocation.inbox.popleft().message.status == 0
    assert pair.a.outstanding == invocation.outstanding == 0


def test_the_acceptors_first_request_comes_with_its_answer() -> None:
    """In Sta6 an acceptor may send at once; one read may bring both PDUs (PS3.8 Table 9-10, AE-3 and DT-2)."""
    pair = Pair()
    pair.a.request(pair.rq)
    pair.a.connected()
    pair.b.connected()
    pair.exchange()
    assert pair.b.associate_rq is not None
    pair.b.accept(*negotiate(pair.b.associate_rq, pair.support))
    together = b"".join(pair.b.data_to_send())
    for batch in pair.b.send(1, c.CEchoRQ(), None, Invocation()):
        together += b"".join(map(bytes, batch))
    feed(pair.a, together)
    assert pair.a.is_established and pair.a.error is None
    assert [type(received.message) for received in pair.a.requests] == [c.CEchoRQ]


def test_a_release() -> None:
    pair = Pair().associate()
    pair.a.release()
    pair.exchange()
    assert isinstance(pair.a.error, AssociationReleased) and isinstance(pair.b.error, AssociationReleased)
    assert pair.a.close_transport and pair.a.state is Sta.STA1


def test_a_release_collision() -> None:
    pair = Pair().associate()
    pair.a.release()
    pair.b.release()
    pair.exchange()
    for core in (pair.a, pair.b):
        assert isinstance(core.error, AssociationReleased)
        assert core.state is Sta.STA1 and core.close_transport


def test_an_abort() -> None:
    pair = Pair().associate()
    pair.a.abort()
    pair.exchange()
    assert isinstance(pair.b.error, AssociationAborted)
    assert "service-user (0)" in str(pair.b.error) and pair.b.error.source == 0
    assert pair.b.close_transport


@pytest.mark.parametrize(
    "end",
    [
        lambda pair: feed(pair.a, p.encode_pdu(p.AAbort(source=2, reason_diag=2))),
        lambda pair: feed(pair.a, p.encode_pdu(p.AReleaseRQ())),
        lambda pair: feed(pair.a, b"GET / HTTP/1.1"),
        lambda pair: pair.a.eof_received(),
        lambda pair: pair.a.give_up("the peer was silent for 60 s"),
        lambda pair: (pair.a.release(), pair.exchange()),
    ],
    ids=["aborted", "released by the peer", "no PDU", "connection lost", "silence", "released"],
)
def test_whoever_waits_is_told_what_to_try(end: Callable[[Pair], object]) -> None:
    pair = Pair().associate()
    end(pair)
    assert pair.a.error is not None and pair.a.error.hint


@pytest.mark.parametrize(
    "after",
    [p.AAbort(), p.AReleaseRQ(), p.PDataTF(items=()), None],
    ids=["A-ABORT", "A-RELEASE-RQ", "P-DATA-TF", "no PDU"],
)
@pytest.mark.parametrize("end", [p.AReleaseRP(), p.AAbort(source=2, reason_diag=0)], ids=["released", "aborted"])
def test_what_follows_the_end_in_the_same_segment_is_not_read(end: p.PDU, after: p.PDU | None) -> None:
    pair = Pair().associate()
    pair.a.release()
    pair.a.data_to_send()
    feed(pair.a, p.encode_pdu(end) + (b"GET /" if after is None else p.encode_pdu(after)))
    assert pair.a.state is Sta.STA1 and pair.a.close_transport and not pair.a.receiving
    assert isinstance(pair.a.error, AssociationReleased if isinstance(end, p.AReleaseRP) else AssociationAborted)
    assert pair.a.data_to_send() == []


@pytest.mark.parametrize("announces", ["requestor", "acceptor"])
def test_a_negotiation_that_leaves_nothing_is_aborted_for_what_it_is(announces: str) -> None:
    """What the peer is told in the A-ABORT is what we are told ourselves (PS3.8 Table 9-26, AA-8)."""
    pair = Pair()
    tiny = p.MaximumLength(maximum_length_received=3)

    def changed(pdu: Any) -> bytes:
        return p.encode_pdu(replace(pdu, items=(*pdu.items[:-1], p.UserInformation(items=(tiny,)))))

    pair.a.request(pair.rq)
    pair.a.connected()
    pair.b.connected()
    if announces == "requestor":
        core = pair.b
        feed(core, changed(pair.rq))
        assert core.associate_rq is not None
        with pytest.raises(RemoteProtocolError) as caught:
            negotiate(core.associate_rq, pair.support)
        core.break_off(caught.value)
    else:
        core = pair.a
        core.data_to_send()
        feed(core, changed(negotiate(pair.rq, pair.support)[0]) + pdv(ECHO_ID, 3, ECHO))  # which is ignored (AA-6)
    assert core.data_to_send() == [p.encode_pdu(p.AAbort(source=2, reason_diag=6))]
    assert isinstance(core.error, AssociationAborted) and "maximum length 3" in str(core.error)
    assert (core.error.source, core.error.reason_diag) == (2, 6) and core.state is Sta.STA13
    core.break_off(RemoteProtocolError("too late", rule="PS3.8 9.3"))
    assert core.data_to_send() == []


@pytest.mark.parametrize(
    ("after", "words"),
    [
        (p.encode_pdu(p.AAbort(source=2, reason_diag=2)), "the peer aborted the association: service-provider (2)"),
        (p.encode_pdu(p.PDataTF(items=())), "P-DATA-TF in Sta8"),
        (p.encode_pdu(p.AReleaseRQ()), "A-RELEASE-RQ in Sta8"),
        (b"GET / HTTP/1.1", "unknown type 47H"),
    ],
    ids=["A-ABORT", "P-DATA-TF", "A-RELEASE-RQ", "no PDU"],
)
def test_a_release_that_is_disrupted_in_the_same_segment_is_none(after: bytes, words: str) -> None:
    """It has not been answered when the next PDU ends it (PS3.8 7.2.2, Table 9-10, Sta8)."""
    pair = Pair().associate()
    feed(pair.a, p.encode_pdu(p.AReleaseRQ()) + after)
    assert isinstance(pair.a.error, AssociationAborted) and words in str(pair.a.error)
    assert not any(data[0] == p.AReleaseRP.pdu_type for data in pair.a.data_to_send())


@pytest.mark.parametrize("waits", [False, True], ids=["at once", "after an answer"])
def test_a_trace_tells_who_released(waits: bool) -> None:
    events: list[Any] = []
    pair = Pair(trace=events.append).associate()
    if waits:
        pair.invoke(ECHO_ID, c.CEchoRQ())
    events.clear()
    feed(pair.b, p.encode_pdu(p.AReleaseRQ()))
    if waits:
        pair.b.performed(pair.b.requests.popleft())
    assert [event.by_peer for event in events if isinstance(event, Released)] == [True]


def test_a_rejection() -> None:
    pair = Pair()
    pair.a.request(pair.rq)
    pair.a.connected()
    pair.b.connected()
    pair.exchange()
    pair.b.reject(p.AAssociateRJ(result=1, source=1, reason_diag=3))
    pair.exchange()
    error = pair.a.error
    assert isinstance(error, AssociationRejected)
    assert (error.result, error.source, error.reason_diag) == (1, 1, 3)
    assert "register our calling AE title" in str(error)
    assert error.negotiation.rejection == (1, 1, 3)


def test_the_connection_is_lost_in_the_middle_of_an_object() -> None:
    pair = Pair().associate()
    batches = pair.a.send(STORE_ID, store(), BytesSource(bytes(1_000_000)), Invocation())
    feed(pair.b, b"".join(map(bytes, next(batches)))[:-1000])
    pair.b.eof_received()
    assert pair.sinks[0].closed == [False]
    assert isinstance(pair.b.error, AssociationAborted) and not pair.b.requests


# ------------------------------------------------------------------------------- fragments


@pytest.mark.parametrize("length", [0, 8, 16, 1024, 4096, 16_384, 131_072])
@pytest.mark.parametrize("size", [0, 2, 10_000, 300_000])
def test_fragments_keep_the_peers_maximum_length(length: int, size: int) -> None:
    if length == 8 and size > 10_000:
        size = 10_000
    data = random.Random(size).randbytes(size)
    pair = Pair(lengths=(131_072, length)).associate()
    sent = b"".join(
        bytes(part) for batch in pair.a.send(STORE_ID, store(), BytesSource(data), Invocation()) for part in batch
    )
    position, payload, last = 0, b"", []
    while position < len(sent):
        body = int.from_bytes(sent[position + 2 : position + 6], "big")
        assert sent[position] == 4 and (not length or body <= length)
        item, context_id, header = (
            int.from_bytes(sent[position + 6 : position + 10], "big"),
            sent[position + 10],
            sent[position + 11],
        )
        assert context_id == STORE_ID and item == body - 4 and item % 2 == 0
        last.append(header)
        if not header & 1:
            payload += sent[position + 12 : position + 6 + body]
        position += 6 + body
    assert position == len(sent) and payload == data
    assert last.count(3) == 1 and last[-1] == 2 and last.count(2) == 1
    feed(pair.b, sent)
    assert pair.sinks[0].data == data and pair.sinks[0].closed == [True]


def test_no_gathering_write_is_too_long() -> None:
    pair = Pair(lengths=(131_072, 16)).associate()
    for batch in pair.a.send(STORE_ID, store(), BytesSource(bytes(50_000)), Invocation()):
        assert len(batch) <= 1024
        assert sum(map(len, batch)) <= 2 << 20


@pytest.mark.parametrize("step", [1, 2, 3, 7, 12, 13, 100, 200, 5000, None])
def test_it_makes_no_difference_how_the_bytes_arrive(step: int | None) -> None:
    """One byte at a time, in pieces, at random: the same messages, the same data, the same end."""
    pair = Pair(lengths=(131_072, 64)).associate()
    rng = random.Random(7)
    data = rng.randbytes(1000)
    session = b"".join(
        bytes(part) for batch in pair.a.send(STORE_ID, store(), BytesSource(data), Invocation()) for part in batch
    ) + p.encode_pdu(p.AReleaseRQ())
    while session:
        size = step or rng.randint(1, 60)
        feed(pair.b, session[:size])
        session = session[size:]
    assert [type(r.message) for r in pair.b.requests] == [c.CStoreRQ]
    assert pair.sinks[0].data == data and pair.sinks[0].closed == [True]
    assert pair.b.error is None, "the release waits for the answer"
    pair.b.performed(pair.b.requests.popleft())
    assert isinstance(pair.b.error, AssociationReleased)


@pytest.mark.parity("A.7 several PDVs in a PDU")
def test_two_pdvs_in_one_pdu_and_two_pdus_in_one_segment() -> None:
    pair = Pair().associate()
    command = c.encode_command(
        c.CStoreRQ(message_id=1, affected_sop_class_uid=CT, affected_sop_instance_uid=UID("1.2")), data_set=True
    )

    def pdv(header: int, fragment: bytes) -> p.PresentationDataValue:
        return p.PresentationDataValue(context_id=STORE_ID, message_control_header=header, fragment=fragment)

    first = p.PDataTF(items=(pdv(1, command[:10]), pdv(3, command[10:]), pdv(0, b"")))
    second = p.PDataTF(items=(pdv(0, b"data"), pdv(2, b"")))
    feed(pair.b, p.encode_pdu(first) + p.encode_pdu(second))
    assert pair.sinks[0].data == b"data" and pair.sinks[0].closed == [True]


def pdv(context_id: int, header: int, fragment: bytes) -> bytes:
    return p.encode_pdu(
        p.PDataTF(
            items=(p.PresentationDataValue(context_id=context_id, message_control_header=header, fragment=fragment),)
        )
    )


COMMAND = c.encode_command(
    c.CStoreRQ(message_id=1, affected_sop_class_uid=CT, affected_sop_instance_uid=UID("1.2")), data_set=True
)
ECHO = c.encode_command(c.CEchoRQ(message_id=1), data_set=False)


@pytest.mark.parametrize(
    ("data", "abort", "words"),
    [
        (pdv(7, 3, ECHO), (2, 5), "context 7"),
        (pdv(2, 3, ECHO), (2, 5), "context 2"),
        (pdv(STORE_ID, 3, COMMAND) + pdv(STORE_ID, 3, ECHO), (2, 0), "before the end of a data set"),
        (pdv(STORE_ID, 1, COMMAND[:10]) + pdv(ECHO_ID, 3, COMMAND[10:]), (2, 0), "two presentation contexts"),
        (pdv(STORE_ID, 3, COMMAND) + pdv(ECHO_ID, 2, b"x"), (2, 0), "two presentation contexts"),
        (pdv(STORE_ID, 3, COMMAND) + pdv(ECHO_ID, 0, b"ab") * 3, (2, 0), "two presentation contexts"),
        (pdv(STORE_ID, 3, COMMAND) + pdv(STORE_ID, 0, b"ab") * 3 + pdv(7, 0, b"ab"), (2, 0), "two presentation"),
        (pdv(ECHO_ID, 2, b"data"), (2, 0), "no command announced"),
        (pdv(STORE_ID, 0, b"data") * 3, (2, 0), "no command announced"),
        (pdv(ECHO_ID, 1, b"") * 2000, (2, 0), "empty fragments"),
        (pdv(ECHO_ID, 1, bytes(60_000)) * 2, (2, 0), "more than 65536"),
        (b"\x04\0\0\0\0\0", (2, 6), "does not fit"),
        (b"\x04\0\0\0\0\x06\0\0\0\x01\x01\x03", (2, 6), "does not fit"),
        (b"\x04\0\0\0\0\x08\0\0\0\xff\x01\x03ab", (2, 6), "does not fit"),
        (b"\x04\0\0\0\0\x0a\0\0\0\x04\x01\x01ab\0\0", (2, 6), "does not fit"),
        (b"\x04\0\0\x02\0\x01", (2, 6), "at most 131072"),
        (b"\x04\0\xff\xff\xff\xff", (2, 6), "at most 131072"),
        (b"GET / HTTP/1.1\r\n", (2, 1), "unknown type 47H"),
        (b"\x09\0\0\0\0\0", (2, 1), "unknown type 09H"),
        (b"\x05\0\0\0\0\x05", (2, 6), "A-RELEASE-RQ of 5 bytes"),
        (b"\x01\0\x7f\xff\xff\xff", (2, 6), "A-ASSOCIATE-RQ of"),
        (pdv(ECHO_ID, 3, b"rubbish!"), (0, 0), "group 0000"),
        (
            pdv(ECHO_ID, 3, c.encode_command(c.CEchoRSP(message_id_being_responded_to=9, status=Status(0)), data_set=False)),
            (0, 0),
            "not outstanding",
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize("step", [1, 1 << 20])
def test_what_breaks_the_protocol(data: bytes, abort: tuple[int, int], words: str, step: int) -> None:
    if step == 1 and len(data) > 5000:
        pytest.skip("said with the whole segment")
    pair = Pair().associate()
    for start in range(0, len(data), step):
        feed(pair.b, data[start : start + step])
    assert pair.b.data_to_send() == [p.encode_pdu(p.AAbort(source=abort[0], reason_diag=abort[1]))]
    assert isinstance(pair.b.error, AssociationAborted) and words in str(pair.b.error)
    assert isinstance(pair.b.error.__cause__, RemoteProtocolError)
    assert pair.b.state is Sta.STA13
    feed(pair.b, b"more of the same" * 100)
    assert pair.b.data_to_send() == []


@pytest.mark.parity("A.7 lengths")
def test_memory_does_not_follow_announced_lengths() -> None:
    pair = Pair(lengths=(131_072, 0)).associate()
    feed(pair.b, pdv(STORE_ID, 3, COMMAND) + b"\x04\0\xff\xff\xff\xf0" + b"\xff\xff\xff\xec" + bytes((STORE_ID, 0)))
    for _ in range(10):
        feed(pair.b, bytes(1_000_000))
    assert len(pair.sinks[0].data) == 10_000_000 and len(pair.b.get_buffer()) > WINDOW - 100


@pytest.mark.parametrize("fault", ["open", "write", "close"])
def test_a_sink_that_fails_costs_its_object_and_not_the_association(fault: str) -> None:
    pair = Pair().associate()

    class Bad(Sink):
        def write(self, views: Any) -> None:
            if fault == "write":
                raise OSError(28, "No space left on device")

        def close(self, complete: bool) -> None:
            super().close(complete)
            if fault == "close":
                raise OSError(5, "Input/output error")

    def sink(context: Any, message: Any) -> Sink:
        if fault == "open":
            raise OSError(28, "No space left on device")
        pair.sinks.append(Bad())
        return pair.sinks[-1]

    pair.b.dimse.open_sink = sink
    pair.invoke(STORE_ID, store(), bytes(500_000))
    (received,) = pair.b.requests
    assert isinstance(received.sink_error, OSError)
    if fault != "open":
        assert pair.sinks[0].closed == ([True] if fault == "close" else [False])
    assert pair.b.is_established


def test_a_data_set_in_memory_has_a_limit() -> None:
    pair = Pair(data_set=1000).associate()
    pair.invoke(FIND_ID, c.CFindRQ(affected_sop_class_uid=UID("1.2.840.10008.5.1.4.1.2.2.1")), bytes(2000))
    (received,) = pair.b.requests
    assert isinstance(received.sink_error, MemoryError) and not received.data


# ------------------------------------------------------------------------------- operations


def test_responses_find_their_operations() -> None:
    pair = Pair(window=3).associate()
    find = c.CFindRQ(affected_sop_class_uid=UID("1.2.840.10008.5.1.4.1.2.2.1"))
    first, second = pair.invoke(FIND_ID, find, b"a "), pair.invoke(ECHO_ID, c.CEchoRQ())
    requests = list(pair.b.requests)
    assert [r.message.message_id for r in requests] == [1, 2]  # type: ignore[attr-defined]
    pair.respond(ECHO_ID, c.CEchoRSP(message_id_being_responded_to=2, status=Status(0)))
    for data in (b"x ", b"y "):
        pair.respond(FIND_ID, c.CFindRSP(message_id_being_responded_to=1, status=Status(0xFF00)), data)
    pair.respond(FIND_ID, c.CFindRSP(message_id_being_responded_to=1, status=Status(0)))
    assert [r.data for r in first.inbox] == [b"x ", b"y ", None]
    assert len(second.inbox) == 1 and pair.a.outstanding == 0


def test_the_operations_window() -> None:
    pair = Pair(window=2).associate()
    pair.invoke(ECHO_ID, c.CEchoRQ())
    pair.invoke(ECHO_ID, c.CEchoRQ())
    with pytest.raises(LocalProtocolError, match="D.3.3.3"):
        pair.invoke(ECHO_ID, c.CEchoRQ())
    pair.answer()
    pair.invoke(ECHO_ID, c.CEchoRQ())


def test_a_cancel_reaches_its_request() -> None:
    pair = Pair().associate()
    pair.invoke(FIND_ID, c.CFindRQ(affected_sop_class_uid=UID("1.2")), b"")
    pair.write(pair.a, pair.a.send(FIND_ID, c.CCancelRQ(message_id_being_responded_to=77), None, None))
    pair.exchange()
    assert not pair.b.requests[0].cancelled
    pair.write(pair.a, pair.a.send(FIND_ID, c.CCancelRQ(message_id_being_responded_to=1), None, None))
    pair.exchange()
    assert pair.b.requests[0].cancelled


def test_a_cancel_with_a_data_set_costs_nothing() -> None:
    """It has none (PS3.7 Table 9.3-5); what comes with it all the same is nobody's, and counts for nothing."""
    pair = Pair(association_memory=1000).associate()
    cancel = c.encode_command(c.CCancelRQ(message_id_being_responded_to=9), data_set=True)
    for _ in range(5):
        feed(pair.b, pdv(FIND_ID, 3, cancel) + pdv(FIND_ID, 2, bytes(600)))
    pair.invoke(FIND_ID, c.CFindRQ(affected_sop_class_uid=UID("1.2")), bytes(600))
    assert pair.b.requests[0].sink_error is None and pair.b.requests[0].data == bytes(600)


@pytest.mark.parametrize(
    ("context_id", "message", "data", "words"),
    [
        (ECHO_ID, c.CEchoRQ(message_id=1), None, ""),
        (ECHO_ID, c.CEchoRQ(message_id=1), b"data", "a C-ECHO-RQ with a data set"),
        (FIND_ID, c.CCancelRQ(message_id_being_responded_to=1), b"data", "a C-CANCEL-RQ with a data set"),
        (FIND_ID, c.CFindRQ(message_id=1, affected_sop_class_uid=UID("1.2")), b"data", ""),
        (FIND_ID, c.CFindRQ(message_id=1, affected_sop_class_uid=UID("1.2")), None, "a C-FIND-RQ without a data set"),
        (STORE_ID, replace(store(), message_id=1), b"data", ""),
        (STORE_ID, replace(store(), message_id=1), None, "a C-STORE-RQ without a data set"),
        (STORE_ID, c.NEventReportRQ(message_id=1, affected_sop_class_uid=CT, affected_sop_instance_uid=UID("1.2"),
                                    event_type_id=1), None, "N-EVENT-REPORT-RQ as SCP of CT Image Storage, which was not"),
    ],
)  # fmt: skip
def test_what_does_not_belong_to_a_message_is_told(
    context_id: int, message: c.Message, data: bytes | None, words: str
) -> None:
    events: list[Any] = []
    pair = Pair(trace=events.append).associate()
    sent = pdv(context_id, 3, c.encode_command(message, data_set=data is not None))
    feed(pair.b, sent + (b"" if data is None else pdv(context_id, 2, data)))
    told = [event.text for event in events if isinstance(event, Quirk)]
    assert pair.b.is_established and len(told) == bool(words) and words in "".join(told)


def test_a_request_in_a_role_that_was_not_agreed_is_told_and_served() -> None:
    """An SCP of C-GET that did not answer the role selection, say, and sends its C-STOREs all the same."""
    events: list[Any] = []
    pair = Pair(trace=events.append).associate()
    pair.write(pair.b, pair.b.send(STORE_ID, store(), BytesSource(b"data"), Invocation()))
    pair.exchange()
    (told,) = [event.text for event in events if isinstance(event, Quirk)]
    assert "C-STORE-RQ as SCU of CT Image Storage, which was not agreed" in told and pair.a.requests


def test_late_responses_of_an_abandoned_operation_are_dropped() -> None:
    pair = Pair().associate()
    invocation = pair.invoke(FIND_ID, c.CFindRQ(affected_sop_class_uid=UID("1.2")), b"")
    invocation.abandoned = True
    pair.respond(FIND_ID, c.CFindRSP(message_id_being_responded_to=1, status=Status(0xFF00)), b"x ")
    pair.answer(0xFE00)
    assert not invocation.inbox and pair.a.outstanding == 0 and pair.a.is_established


def test_message_ids_wrap_and_avoid_those_in_use() -> None:
    pair = Pair(window=0).associate()
    pair.invoke(ECHO_ID, c.CEchoRQ())
    pair.a._next_message_id = 0xFFFF
    assert pair.invoke(ECHO_ID, c.CEchoRQ()).message_id == 0xFFFF
    assert pair.invoke(ECHO_ID, c.CEchoRQ()).message_id == 2


def test_a_window_without_limit_ends_with_the_message_ids() -> None:
    pair = Pair(window=0).associate()
    pair.a.invoked = dict.fromkeys(range(1, 0x10000), (Invocation(), 0x8030))
    with pytest.raises(LocalProtocolError, match="65535"):
        pair.a.send(ECHO_ID, c.CEchoRQ(), None, Invocation())
    del pair.a.invoked[77]
    pair.write(pair.a, pair.a.send(ECHO_ID, one := c.CEchoRQ(), None, Invocation()))
    assert one.message_id == 77


def test_a_window_without_limit_has_room_for_what_one_read_brings() -> None:
    pair = Pair(window=0).associate()
    feed(pair.b, pdv(STORE_ID, 3, COMMAND) + pdv(STORE_ID, 0, bytes(100_000)) * 20 + pdv(STORE_ID, 2, b""))
    pair.b.performed(pair.b.requests.popleft())
    assert len(pair.b.get_buffer()) == WINDOW
    most = WINDOW // len(pdv(ECHO_ID, 3, ECHO))
    echoes = (c.encode_command(c.CEchoRQ(message_id=number + 1), data_set=False) for number in range(most))
    feed(pair.b, b"".join(pdv(ECHO_ID, 3, echo) for echo in echoes))
    assert pair.b.is_established and len(pair.b.requests) == most
    assert {received.refused for received in pair.b.requests} == {None, 0x0213}


def test_a_message_id_in_use_is_an_error_of_the_peer() -> None:
    pair = Pair().associate()
    feed(pair.b, pdv(ECHO_ID, 3, ECHO) * 2)
    assert isinstance(pair.b.error, AssociationAborted) and "in use" in str(pair.b.error)


def test_a_message_id_is_free_when_its_final_response_is_out() -> None:
    """The peer may have it, and ask anew, before whoever performs knows that all of it has gone."""
    pair = Pair().associate()
    feed(pair.b, pdv(ECHO_ID, 3, ECHO))
    first = pair.b.requests.popleft()
    pair.write(pair.b, pair.b.send(ECHO_ID, c.CEchoRSP(message_id_being_responded_to=1, status=Status(0)), None, None))
    feed(pair.b, pdv(ECHO_ID, 3, ECHO))
    second = pair.b.requests.popleft()
    pair.b.performed(first)
    assert pair.b.is_established and pair.b.performing  # the second one
    feed(pair.b, p.encode_pdu(p.AReleaseRQ()))
    assert pair.b.error is None and second.cancelled
    pair.b.performed(second)
    assert isinstance(pair.b.error, AssociationReleased) and not pair.b.performing


def test_nothing_is_sent_on_an_association_that_is_over() -> None:
    pair = Pair().associate()
    pair.a.abort()
    with pytest.raises(LocalProtocolError):
        list(pair.a.send(ECHO_ID, c.CEchoRQ(), None, Invocation()))


# ------------------------------------------------------------------------------- time


@pytest.mark.parametrize(
    "prepare",
    [lambda pair: None, lambda pair: feed(pair.b, b"\x01"), lambda pair: feed(pair.b, p.encode_pdu(pair.rq)[:100])],
    ids=["silence", "one byte", "half a request"],
)
def test_artim_ends_a_request_that_does_not_come(prepare: Callable[[Pair], None]) -> None:
    """ARTIM runs from the connection to the whole request; bytes do not restart it (PS3.8 9.1.5)."""
    pair = Pair()
    pair.b.connected()
    assert pair.b.deadline() == 1030.0
    pair.clock.now = 1029.0
    prepare(pair)
    pair.b.time_reached(pair.clock.now)
    assert not pair.b.close_transport and pair.b.deadline() == 1030.0
    pair.clock.now = 1030.0
    pair.b.time_reached(pair.clock.now)
    assert pair.b.close_transport and pair.b.state is Sta.STA1 and pair.b.data_to_send() == []


def test_artim_ends_a_connection_that_the_peer_keeps() -> None:
    pair = Pair().associate()
    pair.b.abort()
    assert pair.b.deadline() == 1030.0 and not pair.b.close_transport
    pair.clock.now = 1031.0
    pair.b.time_reached(pair.clock.now)
    assert pair.b.close_transport


def test_no_timer_runs_on_an_established_association() -> None:
    pair = Pair().associate()
    assert pair.a.deadline() is None and pair.b.deadline() is None


def test_a_request_that_crosses_our_release_is_not_performed() -> None:
    """P-DATA still comes in Sta7 (AR-6), but there is no way to answer it (PS3.8 Table 9-10)."""
    pair = Pair().associate()
    pair.a.release()
    for batch in pair.b.send(ECHO_ID, c.CEchoRQ(), None, Invocation()):
        feed(pair.a, b"".join(map(bytes, batch)))
    assert pair.a.state is Sta.STA7
    assert not pair.a.requests and not pair.a.performing
    pair.exchange()
    assert isinstance(pair.a.error, AssociationReleased) and isinstance(pair.b.error, AssociationReleased)


@pytest.mark.parametrize("before", [False, True], ids=["after", "before"])
def test_a_data_set_that_crosses_our_release_goes_nowhere(before: bool) -> None:
    """The object will not be acknowledged: where its command comes after the release, nothing is written for it."""
    pair = Pair().associate()
    sent = [b"".join(map(bytes, batch)) for batch in pair.a.send(STORE_ID, store(), BytesSource(b"data"), Invocation())]
    if before:
        feed(pair.b, b"".join(sent)[:-8])
    pair.b.release()
    feed(pair.b, b"".join(sent)[-8:] if before else b"".join(sent))
    assert [sink.closed for sink in pair.sinks] == ([[True]] if before else [])
    assert not pair.b.requests and not pair.b.performing
    pair.exchange()
    assert isinstance(pair.b.error, AssociationReleased)


def test_who_has_asked_for_the_release_says_nothing_more() -> None:
    """Neither a request nor an answer (PS3.8 7.2.2)."""
    pair = Pair().associate()
    feed(pair.b, pdv(ECHO_ID, 3, ECHO))
    pair.b.release()
    for message, invocation in (
        (c.CEchoRQ(), Invocation()),
        (c.CEchoRSP(message_id_being_responded_to=1, status=Status(0)), None),
    ):
        with pytest.raises(AssociationReleased, match="we have asked for the release"):
            pair.b.send(ECHO_ID, message, None, invocation)
    assert not pair.b.outstanding


def test_who_is_asked_for_the_release_answers_and_asks_nothing() -> None:
    """A request would never be answered, and a sub-operation of a C-GET would wait for that (PS3.8 Table 9-10, Sta7)."""
    pair = Pair().associate()
    pair.invoke(ECHO_ID, c.CEchoRQ())
    pair.a.release()
    pair.exchange()
    with pytest.raises(AssociationReleased, match="the peer asks for the release"):
        pair.b.send(STORE_ID, store(), BytesSource(b"data"), Invocation())
    assert pair.b.state is Sta.STA8 and not pair.b.outstanding
    pair.answer()
    pair.exchange()
    assert isinstance(pair.a.error, AssociationReleased) and not pair.a.outstanding


def test_what_is_out_is_out() -> None:
    """The answer and the end may have been read before the sender looks again: its message was sent all the same."""
    pair = Pair().associate()
    batches = pair.a.send(STORE_ID, store(), BytesSource(b"data"), Invocation())
    pair.write(pair.a, iter([next(batches)]))
    pair.exchange()
    pair.answer()
    pair.b.release()
    pair.exchange()
    assert isinstance(pair.a.error, AssociationReleased)
    assert list(batches) == []
