"""Odd, broken and hostile requestors against our server (PS3.8 9.2, 9.3; PS3.7 6.3): the right bytes, and others are served.

What can be said as bytes and their answer alone is in the lists of `tests/hostile`; here is what needs a handler, a
second connection, a look at what is left, or the exact reason of an abort.  After each requestor the server serves the
next association as if nothing had been.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import scripted
from scripted import (
    A_ABORT_USER,
    A_RELEASE_RP,
    A_RELEASE_RQ,
    CONTEXTS,
    CT,
    ECHO_ID,
    EXPLICIT,
    FAST,
    FIND,
    FIND_ID,
    GET_ID,
    IMPLICIT,
    LIMIT,
    MOVE,
    MOVE_ID,
    STORE_ID,
    VERIFICATION,
    Dial,
    Instance,
    Serve,
    Sink,
    Wire,
    Zeros,
    a_abort,
    a_associate_rj,
    a_associate_rq,
    echo_rq,
    find_rq,
    message,
    p_data,
    pdv,
    served,
    store_rq,
)

from nbdicom.blocking import Server
from nbdicom.config import Limits
from nbdicom.core.command import (
    CEchoRQ,
    CEchoRSP,
    CFindRQ,
    CFindRSP,
    CGetRQ,
    CMoveRQ,
    CStoreRQ,
    CStoreRSP,
    encode_command,
)
from nbdicom.core.negotiation import PresentationContext, Support
from nbdicom.core.pdu import (
    AAssociateAC,
    AAssociateRQ,
    AbstractSyntax,
    ApplicationContext,
    AReleaseRP,
    ContextResult,
    Item,
    MaximumLength,
    PresentationContextRQ,
    TransferSyntaxItem,
    UserInformation,
    encode_pdu,
)
from nbdicom.core.trace import PDUReceived
from nbdicom.operations.handlers import Abort, Handlers, Reject
from nbdicom.operations.requests import FindRequest, StoreRequest
from nbdicom.status import Status
from nbdicom.uids import UID

SHORT = 0.3  #: seconds of the timer that a test is about; no other ends anything


@pytest.fixture
def dial() -> Dial:
    """The driver of whoever is served beside the odd ones is of no importance."""
    return scripted.dial


@pytest.fixture
def server(serve: Serve, dial: Dial, caplog: pytest.LogCaptureFixture) -> Iterator[Server]:
    """A server that works after the test as before, and that had no reason for a traceback."""
    caplog.set_level(logging.INFO, "nbdicom")
    with serve() as running:
        yield running
        with dial(running.address) as association:
            assert association.echo() == 0
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []


def whole(rq: AAssociateRQ) -> bytes:
    return encode_pdu(rq)


# ------------------------------------------------------------------------------- before an association (Sta2)


@pytest.mark.parametrize("pdu", [A_ABORT_USER, a_abort(1), bytes.fromhex("07 00 00000004 0000 ffff"), b""])
@pytest.mark.parity("A.11 abort before the request is processed")
def test_an_abort_before_an_association(server: Server, pdu: bytes) -> None:
    """Sta2, AA-2: closed without an answer; so is a connection that closes (AA-5)."""
    with Wire.connect(server.address) as wire:
        wire.send(pdu)
        if not pdu:
            wire.finish()
        assert wire.rest() == b""


def nothing_comes(wire: Wire) -> bool:
    """To the end of the stream; what reached a connection that was closed already is answered with a reset."""
    try:
        return wire.rest() == b""
    except ConnectionResetError:
        return True


@pytest.mark.parametrize("sent", [0, 1, 5, 6, 40, -1], ids=lambda sent: f"{sent} bytes")
def test_silence_before_the_request_is_whole(serve: Serve, sent: int) -> None:
    """ARTIM from accept to the whole A-ASSOCIATE-RQ: closed without a PDU (AA-2); others are served meanwhile."""
    with serve(timeouts=replace(FAST, artim=SHORT)) as server, Wire.connect(server.address) as wire:
        wire.send(whole(a_associate_rq())[:sent])
        served(server.address)
        assert nothing_comes(wire)


def test_a_request_byte_by_byte_does_not_restart_artim(serve: Serve) -> None:
    request = whole(a_associate_rq())
    never = threading.Event()
    with serve(timeouts=replace(FAST, artim=SHORT)) as server, Wire.connect(server.address) as wire:
        sent = 0
        try:
            while sent < len(request) - 1 and not never.wait(0.02):
                wire.send(request[sent : sent + 1])
                sent += 1
        except OSError:
            pass  # closed on us, as it should be
        else:
            raise AssertionError("a request that takes seconds was waited for")


def test_who_has_released_may_call_again_at_once(serve: Serve) -> None:
    """An association that is released counts no longer, though its connection is not closed yet."""
    with serve(limits=Limits(associations=1)) as server, Wire.associated(server.address) as first:
        first.send(scripted.A_RELEASE_RQ)
        first.expect(AReleaseRP)
        with Wire.associated(server.address) as second:
            second.echo()


@pytest.mark.parity("A.7 silent clients")
def test_many_half_open_connections_keep_nobody_out(serve: Serve) -> None:
    with serve(timeouts=replace(FAST, artim=SHORT), limits=Limits(associations=10)) as server:
        silent = [Wire.connect(server.address) for _ in range(10)]
        try:
            for wire in silent:
                try:
                    wire.send(b"\x01")
                except OSError:
                    pass  # its time was over before it had said so much
            served(server.address)
            assert all(map(nothing_comes, silent))
        finally:
            for wire in silent:
                wire.close()


# ------------------------------------------------------------------------------- rejections


def changed(rq: AAssociateRQ, **changes: Any) -> bytes:
    return whole(replace(rq, **changes))


def raw_titles(called: bytes = b"SCP".ljust(16), calling: bytes = b"SCU".ljust(16)) -> bytes:
    request = whole(a_associate_rq())
    return request[:10] + called + calling + request[42:]


@pytest.mark.parametrize(
    ("request_", "triple"),
    [
        (raw_titles(called=b"OTHER".ljust(16)), (1, 1, 7)),
        (raw_titles(calling=b" " * 16), (1, 1, 3)),
        (raw_titles(calling=b"SCU\n".ljust(16)), (1, 1, 3)),
        (changed(a_associate_rq(), protocol_version=2), (1, 2, 2)),
        (
            changed(
                a_associate_rq(),
                items=(ApplicationContext(application_context_name=UID("1.2.3")), *a_associate_rq().items[1:]),
            ),
            (1, 1, 2),
        ),
    ],
    ids=[
        "called unknown",
        "calling empty",
        "calling with control character",
        "version 2",
        "another application context",
    ],
)
@pytest.mark.parity("A.1 access", "A.6 reject triples")
def test_rejections(server: Server, request_: bytes, triple: tuple[int, int, int]) -> None:
    with Wire.connect(server.address) as wire:
        wire.send(request_)
        assert wire.rest() == a_associate_rj(*triple)


def test_titles_padded_with_nuls(server: Server) -> None:
    """Not the standard's padding, but that of some modalities."""
    with Wire.connect(server.address) as wire:
        wire.send(raw_titles(called=b"SCP".ljust(16, b"\0")))
        wire.expect(AAssociateAC)
        wire.echo()
        wire.release()


@pytest.mark.parity("A.1 access")
def test_callers_that_are_not_known(serve: Serve, dial: Dial) -> None:
    asked: list[tuple[str, str]] = []

    def calling(title: str, host: str) -> bool:
        asked.append((title, host))
        return title == "FRIEND"

    with serve(calling=calling, any_called=True) as server:
        with Wire.connect(server.address) as wire:
            wire.send(a_associate_rq(calling="STRANGER"))
            assert wire.rest() == a_associate_rj(1, 1, 3)
        with dial(server.address, calling="FRIEND", called="WHATEVER") as association:
            assert association.echo() == 0
    assert asked == [("STRANGER", "127.0.0.1"), ("FRIEND", "127.0.0.1")]


@pytest.mark.parametrize("where", ["calling", "accept"])
@pytest.mark.parametrize("error", [ValueError("PATIENT^NAME"), SystemExit(1)], ids=["ValueError", "sys.exit"])
def test_a_check_of_the_user_that_fails(
    serve: Serve, where: str, error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    """The caller is let down softly (a rejection or an abort), the server goes on."""

    def check(*args: Any) -> Any:
        raise error

    changes = {"calling": check} if where == "calling" else {}
    handlers = Handlers(accept=check) if where == "accept" else Handlers()
    with serve(handlers, **changes) as server:
        for _ in range(2):
            with Wire.connect(server.address) as wire:
                wire.send(a_associate_rq())
                assert wire.rest()[:1] in (b"\x03", b"\x07")
    assert "PATIENT" not in caplog.text


@pytest.mark.parity("A.11 rejection by a handler", "A.5 EVT_REQUESTED")
def test_accept_decides(serve: Serve) -> None:
    def accept(rq: AAssociateRQ, peer: str) -> Any:
        assert peer.startswith("127.0.0.1:")
        if rq.calling_ae_title == "NO":
            return Reject(2, 1, 1)
        if rq.calling_ae_title == "NOBODY":
            return Abort()
        return Support.of(["Verification"]) if rq.calling_ae_title == "LITTLE" else None

    with serve(Handlers(accept=accept)) as server:
        with Wire.connect(server.address) as wire:
            wire.send(a_associate_rq(calling="NO"))
            assert wire.rest() == a_associate_rj(2, 1, 1)
        with Wire.connect(server.address) as wire:
            wire.send(a_associate_rq(calling="NOBODY"))
            assert wire.rest() == bytes((7, 0, 0, 0, 0, 4, 0, 0, 0, 0))  # A-ABORT of the service user
        for calling, accepted in (("LITTLE", 1), ("SCU", 5)):
            with Wire.connect(server.address) as wire:
                wire.send(a_associate_rq(calling=calling))
                answer = wire.expect(AAssociateAC)
                assert [c.result for c in answer.presentation_contexts].count(0) == accepted
                wire.echo()
                wire.release()


def test_a_rejection_that_the_standard_does_not_have_is_a_mistake_of_ours(serve: Serve) -> None:
    """The caller is still answered, instead of a connection that ends without a word."""
    with serve(Handlers(accept=lambda rq, peer: Reject(300, 1, 1))) as server:
        with Wire.connect(server.address) as wire:
            wire.send(a_associate_rq())
            assert wire.rest() == a_associate_rj(2, 1, 1)


# ------------------------------------------------------------------------------- odd requests


def context_rq(context_id: int, *items: Item) -> PresentationContextRQ:
    return PresentationContextRQ(context_id=context_id, items=items)


ABSTRACT = AbstractSyntax(abstract_syntax_name=VERIFICATION)
TRANSFER = TransferSyntaxItem(transfer_syntax_name=IMPLICIT)
GOOD = context_rq(1, ABSTRACT, TRANSFER)


def request_with(
    *contexts: Item, user: tuple[Item, ...] = (MaximumLength(maximum_length_received=16_384),)
) -> AAssociateRQ:
    return AAssociateRQ(
        called_ae_title="SCP",
        calling_ae_title="SCU",
        items=(ApplicationContext(), *contexts, UserInformation(items=user)),
    )


@pytest.mark.parametrize(
    "request_",
    [
        request_with(context_rq(2, ABSTRACT, TRANSFER)),
        request_with(context_rq(0, ABSTRACT, TRANSFER)),
        request_with(GOOD, GOOD),
        request_with(context_rq(1, TRANSFER)),
        request_with(context_rq(1, ABSTRACT, ABSTRACT, TRANSFER)),
        request_with(context_rq(1)),
        *(request_with(GOOD, user=(MaximumLength(maximum_length_received=length),)) for length in (1, 5, 7)),
    ],
    ids=["even ID", "ID 0", "ID twice", "no abstract syntax", "two", "neither", "length 1", "length 5", "length 7"],
)
def test_requests_that_cannot_be_answered(server: Server, request_: AAssociateRQ) -> None:
    """Aborted or rejected, never accepted."""
    with Wire.connect(server.address) as wire:
        wire.send(request_)
        rest = wire.rest()
        assert len(rest) == 10 and rest[0] in (3, 7)


def test_128_contexts(server: Server) -> None:
    contexts = [PresentationContext(UID(f"1.2.3.{number}"), (IMPLICIT,)) for number in range(127)]
    with Wire.connect(server.address) as wire:
        wire.send(a_associate_rq([*contexts, (VERIFICATION, IMPLICIT)]))
        answer = wire.expect(AAssociateAC)
        assert [c.context_id for c in answer.presentation_contexts] == list(range(1, 256, 2))
        assert [c.result for c in answer.presentation_contexts] == [3] * 127 + [0]
        wire.send(message(255, CEchoRQ(message_id=1)))
        assert wire.request(CEchoRSP).context_id == 255
        wire.release()


def test_no_context_at_all(server: Server) -> None:
    """No rule of PS3.8 9.3.2 is kept by it; whatever is answered, nobody is accepted into a useless association for ever."""
    with Wire.connect(server.address) as wire:
        wire.send(request_with())
        pdu = wire.pdu()
        if isinstance(pdu, AAssociateAC):
            wire.release()
        else:
            assert wire.rest() == b""


def test_contexts_are_answered_one_by_one(server: Server) -> None:
    contexts = [
        (VERIFICATION, IMPLICIT),
        (VERIFICATION, "1.2.840.10008.1.2.4.50"),
        ("1.2.3", IMPLICIT),
        (VERIFICATION, [EXPLICIT, IMPLICIT]),
    ]
    with Wire.connect(server.address) as wire:
        wire.send(a_associate_rq(contexts))  # type: ignore[arg-type]
        answer = wire.expect(AAssociateAC)
        assert [(c.context_id, c.result) for c in answer.presentation_contexts] == [
            (1, ContextResult.ACCEPTANCE),
            (3, ContextResult.TRANSFER_SYNTAXES_NOT_SUPPORTED),
            (5, ContextResult.ABSTRACT_SYNTAX_NOT_SUPPORTED),
            (7, ContextResult.ACCEPTANCE),
        ]
        assert answer.presentation_contexts[3].transfer_syntax == IMPLICIT
        wire.release()


# ------------------------------------------------------------------------------- in an association (Sta6)

STORE_COMMAND = encode_command(
    CStoreRQ(message_id=1, affected_sop_class_uid=CT, affected_sop_instance_uid=UID("1.2.3")), data_set=True
)


@pytest.mark.parametrize(
    ("pdu", "expected"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", a_abort(1)),
        (bytes.fromhex("05 00 00000005 0000000000"), a_abort(6)),
        (bytes.fromhex("01 00 ffffffff"), a_abort(6)),
        (bytes.fromhex("04 00 ffffffff"), a_abort(6)),
        (bytes.fromhex("04 00 00020001"), a_abort(6)),
        (bytes.fromhex("04 00 00000000"), a_abort(6)),
        (bytes.fromhex("04 00 00000006 00000001 0903"), a_abort(6)),
        (bytes.fromhex("04 00 00000006 00000100 0903"), a_abort(6)),
        (p_data(pdv(11, 3, STORE_COMMAND)), a_abort(5)),
        (p_data(pdv(STORE_ID, 3, STORE_COMMAND), pdv(ECHO_ID, 0, b"ab")), a_abort(0)),
        (p_data(pdv(STORE_ID, 3, STORE_COMMAND)) + echo_rq(), a_abort(0)),
        (p_data(pdv(STORE_ID, 3, STORE_COMMAND)) + p_data(pdv(STORE_ID, 3, STORE_COMMAND)), a_abort(0)),
        (p_data(pdv(STORE_ID, 0, b"ab")), a_abort(0)),
        (p_data(pdv(STORE_ID, 3, b"\x08\0\x05\0\x02\0\0\0ab")), A_ABORT_USER),
        (p_data(pdv(STORE_ID, 3, b"")), A_ABORT_USER),
        (echo_rq(5)[:-4] + b"\xff\xff\xff\xff", A_ABORT_USER),
        (message(FIND_ID, CFindRSP(message_id_being_responded_to=1, status=Status(0))), A_ABORT_USER),
        (p_data(*[pdv(STORE_ID, 1, b"")] * 2000), a_abort(0)),
        (b"".join(p_data(pdv(STORE_ID, 1, bytes(1 << 15))) for _ in range(3)), a_abort(0)),
    ],
    ids=[
        "HTTP",
        "RELEASE-RQ of 5 bytes",
        "RQ of 4 GiB",
        "P-DATA of 4 GiB",
        "P-DATA longer than announced",
        "P-DATA without PDV",
        "PDV of length 1",
        "PDV beyond its PDU",
        "unknown context",
        "data set in another context",
        "command before the end of a data set",
        "the same in the same context",
        "data set without command",
        "group 0008 in a command set",
        "empty command set",
        "element beyond the command set",
        "response that nobody waits for",
        "empty fragments",
        "command set without end",
    ],
)
def test_what_cannot_be_is_answered_with_an_abort(server: Server, pdu: bytes, expected: bytes) -> None:
    with Wire.associated(server.address) as wire:
        wire.echo()
        wire.send(pdu)
        got = wire.aborted()
        assert got == expected or (expected == a_abort(0) and got[8] == 2)


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (CStoreRQ(message_id=7, affected_sop_class_uid=FIND, affected_sop_instance_uid=UID("1.2.3")), 0x0122),
        (CStoreRQ(message_id=7, affected_sop_class_uid=UID(""), affected_sop_instance_uid=UID("1.2.3")), 0x0122),
    ],
    ids=["another class", "no class"],
)
def test_a_request_of_another_class_is_refused(server: Server, command: CStoreRQ, status: int) -> None:
    with Wire.associated(server.address) as wire:
        wire.send(message(STORE_ID, command, b"data"))
        response = wire.request(CStoreRSP).message
        assert (response.status, response.message_id_being_responded_to) == (status, 7)
        wire.echo()
        wire.release()


def test_requests_that_do_not_wait_for_their_responses(server: Server) -> None:
    """500 at once where a window of 1 is agreed: answered in order, or aborted; never lost, never mixed up."""
    with Wire.associated(server.address) as wire:
        wire.send(b"".join(echo_rq(number) for number in range(1, 501)))
        assert [wire.request(CEchoRSP).message.message_id_being_responded_to for _ in range(500)] == list(range(1, 501))
        wire.release()


def test_release_with_a_request_outstanding(serve: Serve) -> None:
    """Its responses may still come before the A-RELEASE-RP (AR-7); the association ends in any case."""
    entered, go = threading.Event(), threading.Event()

    def find(request: FindRequest) -> Iterator[bytes]:
        entered.set()
        assert go.wait(LIMIT)
        yield b"late"

    with serve(Handlers(find=find)) as server, Wire.associated(server.address) as wire:
        wire.send(find_rq())
        assert entered.wait(LIMIT)
        wire.send(A_RELEASE_RQ)
        go.set()
        assert wire.rest().endswith(A_RELEASE_RP)


def test_release_instead_of_the_answer_to_a_sub_operation(serve: Serve) -> None:
    """In Sta7 the peer may send no P-DATA, so the answer will never come: nobody waits for it."""
    source = Instance()
    with serve(Handlers(get=lambda request: [source, Instance(2)])) as server, Wire.associated(server.address) as wire:
        get = CGetRQ(message_id=1, affected_sop_class_uid=UID("1.2.840.10008.5.1.4.1.2.2.3"))
        wire.send(message(GET_ID, get, b"keys"))
        wire.request(CStoreRQ)
        wire.send(A_RELEASE_RQ)
        assert wire.rest() == A_RELEASE_RP
    assert source.closed == source.opened == 1


@pytest.mark.parametrize("service", ["C-FIND", "C-GET", "C-MOVE"])
def test_an_identifier_beyond_the_limit_is_not_an_empty_one(serve: Serve, service: str) -> None:
    """An empty identifier is a universal query: it must not be what becomes of one that was too long."""
    asked: list[bytes] = []

    def handler(request: Any) -> list[Any]:
        asked.append(request.data)
        return []

    handlers = Handlers(find=handler, get=handler, move=handler, destination=lambda title: ("127.0.0.1", 104))
    requests = {
        "C-FIND": (FIND_ID, CFindRQ(message_id=1, affected_sop_class_uid=FIND)),
        "C-GET": (GET_ID, CGetRQ(message_id=1, affected_sop_class_uid=UID("1.2.840.10008.5.1.4.1.2.2.3"))),
        "C-MOVE": (MOVE_ID, CMoveRQ(message_id=1, affected_sop_class_uid=MOVE, move_destination="AE")),
    }
    with serve(handlers, limits=Limits(data_set=1000)) as server, Wire.associated(server.address) as wire:
        wire.send(message(*requests[service], bytes(2000)))
        assert wire.message().message.status.is_failure
        wire.send(message(*requests[service], bytes(1000)))
        assert wire.message().message.status == 0
        wire.release()
    assert asked == [bytes(1000)]


def test_an_object_beyond_the_limit(serve: Serve) -> None:
    sinks: list[Sink] = []

    def sink(request: StoreRequest) -> Sink:
        sinks.append(Sink())
        return sinks[-1]

    with serve(Handlers(sink=sink, store=lambda request: 0), limits=Limits(object_size=100_000)) as server:
        with Wire.associated(server.address) as wire:
            for size, status in ((100_001, 0xA700), (1_000_000, 0xA700), (100_000, 0)):
                wire.send(store_rq(bytes(size)))
                assert wire.request(CStoreRSP).message.status == status
            wire.release()
    assert [s.closed for s in sinks] == [[False], [False], [True]]


def test_a_store_without_data_set_is_not_a_success(serve: Serve) -> None:
    """Command Data Set Type says that none follows: there is no object to keep."""
    stored: list[Any] = []

    def store(request: StoreRequest) -> int:
        stored.append(request)
        return 0

    with serve(Handlers(store=store)) as server, Wire.associated(server.address) as wire:
        wire.send(store_rq(None))
        response = wire.request(CStoreRSP).message
        assert response.status.is_failure
        wire.echo()
        wire.release()
    assert stored == []


def test_the_maximum_length_that_is_announced_is_the_one_that_counts(serve: Serve) -> None:
    """A `Support` with its own maximum length, and no patience with longer PDUs: those up to it are taken."""
    plain = Support.of(CONTEXTS)
    for announced in (1000, 400_000):
        support = Support(contexts=plain.contexts, max_length_received=announced)
        with serve(contexts=support) as server:
            with Wire.associated(server.address) as wire:
                wire.send(p_data(pdv(STORE_ID, 3, STORE_COMMAND)), p_data(pdv(STORE_ID, 2, bytes(announced - 6))))
                assert wire.request(CStoreRSP).message.status == 0
                wire.send(p_data(pdv(STORE_ID, 3, STORE_COMMAND)), p_data(pdv(STORE_ID, 2, bytes(announced - 4))))
                assert wire.aborted() == a_abort(6)


# ------------------------------------------------------------------------------- requestors that go away

REQUEST = encode_pdu(a_associate_rq())
WHOLE = REQUEST + store_rq(b"data of an object ") + A_RELEASE_RQ


def send_up_to(wire: Wire, offset: int) -> None:
    """The first *offset* bytes of the association; what follows the request is sent when it is accepted (Evt10 in Sta3)."""
    wire.send(WHOLE[: min(offset, len(REQUEST))])
    if offset > len(REQUEST):
        wire.expect(AAssociateAC)
        wire.send(WHOLE[len(REQUEST) : offset])


class Stores:
    """Handlers that count sinks and stores."""

    def __init__(self) -> None:
        self.sinks: list[Sink] = []
        self.stored = 0
        self.handlers = Handlers(sink=self.sink, store=self.store)

    def sink(self, request: StoreRequest) -> Sink:
        self.sinks.append(Sink())
        return self.sinks[-1]

    def store(self, request: StoreRequest) -> int:
        self.stored += 1
        return 0


@pytest.mark.parametrize("how", ["FIN", "RST", "A-ABORT"])
def test_the_requestor_ends_at_every_byte(serve: Serve, dial: Dial, how: str, caplog: pytest.LogCaptureFixture) -> None:
    """F12: at each offset of an association with one C-STORE; nothing is left, nothing half is kept, no traceback."""
    caplog.set_level(logging.INFO, "nbdicom")
    stores = Stores()
    data_ends = len(WHOLE) - len(A_RELEASE_RQ)
    with serve(stores.handlers) as server:
        offsets = range(0, len(WHOLE) + 1, 1 if how == "FIN" else 7)
        for offset in offsets:
            with Wire.connect(server.address) as wire:
                send_up_to(wire, offset)
                if how == "RST":
                    wire.reset()
                    continue
                if how == "A-ABORT":
                    wire.send(A_ABORT_USER)
                wire.finish()
                try:
                    wire.rest()
                except ConnectionResetError:
                    pass  # there was something that the server did not want to read
        with dial(server.address) as association:
            assert association.echo() == 0
    if how == "FIN":
        complete = sum(offset >= data_ends for offset in offsets)
        assert stores.stored == complete
        assert [sink.closed for sink in stores.sinks].count([True]) == complete
    assert all(sink.closed in ([True], [False]) for sink in stores.sinks)
    assert len([sink for sink in stores.sinks if sink.closed == [True]]) == stores.stored
    told = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    # With "Executing" begins what the debug mode of asyncio has to say of a slow machine.
    assert [words for words in told if not words.startswith("Executing ")] == []


def test_the_requestor_stalls_at_every_byte(serve: Serve) -> None:
    """F13: closed by its timer (ARTIM before the association, `network` inside a PDU, `idle` after); others are served."""
    stores = Stores()
    offsets = range(0, len(WHOLE), 9)
    timeouts, late = replace(FAST, artim=1, network=1, idle=1), 0
    with serve(stores.handlers, timeouts=timeouts, limits=Limits(associations_per_host=64)) as server:
        wires = []
        try:
            for offset in offsets:
                wires.append(Wire.connect(server.address))
                try:
                    send_up_to(wires[-1], offset)
                except (OSError, AssertionError):
                    late += 1  # it was us who stood still
            served(server.address)
            for wire in wires:
                try:
                    wire.rest()
                except ConnectionResetError:
                    late += 1
        finally:
            for wire in wires:
                wire.close()
    assert late < len(wires) / 2
    assert all(sink.closed in ([True], [False]) for sink in stores.sinks)


def test_half_a_pdu_is_a_matter_of_the_network_timeout(serve: Serve) -> None:
    """A PDU that has begun is expected to go on: `Timeouts.network`, not the patience for an idle association."""
    sink = Sink()
    timeouts = replace(FAST, network=SHORT)
    with serve(Handlers(sink=lambda request: sink, store=lambda request: 0), timeouts=timeouts) as server:
        with Wire.associated(server.address) as wire:
            wire.send(store_rq(bytes(1000))[:-100])
            assert wire.aborted()
    assert sink.closed == [False]


def test_half_an_association_request_is_no_error_of_ours(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "nbdicom.server")
    with serve(timeouts=replace(FAST, network=SHORT)) as server, Wire.connect(server.address) as wire:
        wire.send(encode_pdu(a_associate_rq())[:100])
        assert wire.rest() == b""
    (record,) = caplog.records
    assert record.levelno == logging.INFO
    assert "silent" in record.getMessage()


@pytest.mark.parity("A.1 timeouts")
def test_an_idle_association_is_aborted(serve: Serve) -> None:
    with serve(timeouts=replace(FAST, idle=1)) as server, Wire.associated(server.address) as wire:
        wire.echo()
        assert wire.aborted() == a_abort(0)


def test_the_requestor_is_gone_before_the_response(serve: Serve, dial: Dial) -> None:
    """F14: the object is stored, the response goes nowhere, nobody is alarmed."""
    entered, go, left = threading.Event(), threading.Event(), threading.Event()
    stores = Stores()

    def store(request: StoreRequest) -> int:
        entered.set()
        assert go.wait(LIMIT)
        status = stores.store(request)
        left.set()
        return status

    with serve(Handlers(sink=stores.sink, store=store)) as server:
        with Wire.associated(server.address) as wire:
            wire.send(store_rq())
            assert entered.wait(LIMIT)
            wire.reset()
            go.set()
        with dial(server.address) as association:
            assert association.echo() == 0
        assert left.wait(LIMIT)
    assert stores.stored == 1
    assert stores.sinks[0].closed == [True]


@pytest.mark.parametrize("how", ["FIN", "RST", "A-ABORT"])
@pytest.mark.parametrize("service", ["C-FIND", "C-GET"])
def test_the_requestor_is_gone_while_it_is_answered(
    serve: Serve, dial: Dial, service: str, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    """An endless answer ends: the generator of the handler is closed, the sources are, and no error is logged."""
    caplog.set_level(logging.INFO, "nbdicom")
    closed = threading.Event()
    instances = [Zeros(1 << 20, number) for number in range(100)]

    def find(request: FindRequest) -> Iterator[bytes]:
        try:
            while True:
                yield bytes(10_000)
        finally:
            closed.set()

    with serve(Handlers(find=find, get=lambda request: instances)) as server:
        with Wire.associated(server.address) as wire:
            if service == "C-FIND":
                wire.send(find_rq())
                wire.request(CFindRSP)
            else:
                get = CGetRQ(message_id=1, affected_sop_class_uid=UID("1.2.840.10008.5.1.4.1.2.2.3"))
                wire.send(message(GET_ID, get, b""))
                wire.request(CStoreRQ)
            if how == "RST":
                wire.reset()
            elif how == "A-ABORT":
                wire.send(A_ABORT_USER)
        if service == "C-FIND":
            assert closed.wait(LIMIT)
        with dial(server.address) as association:
            assert association.echo() == 0
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []
    assert [instance.closed for instance in instances] == [instance.opened for instance in instances]
    assert instances[0].opened == (service == "C-GET")


@pytest.mark.parametrize("service", ["C-FIND", "C-GET"])
def test_a_requestor_that_reads_nothing(serve: Serve, service: str) -> None:
    """F16: zero window; the network timeout ends it, bounded memory, others are served meanwhile."""
    closed = threading.Event()

    class Source(Zeros):
        def close(self) -> None:
            super().close()
            closed.set()

    source = Source(64 << 20)

    def find(request: FindRequest) -> Iterator[bytes]:
        try:
            while True:
                yield bytes(100_000)
        finally:
            closed.set()

    with serve(Handlers(find=find, get=lambda request: [source]), timeouts=replace(FAST, network=SHORT)) as server:
        with Wire.associated(server.address) as wire:
            if service == "C-FIND":
                wire.send(find_rq())
            else:
                get = CGetRQ(message_id=1, affected_sop_class_uid=UID("1.2.840.10008.5.1.4.1.2.2.3"))
                wire.send(message(GET_ID, get, b""))
            served(server.address)
            assert closed.wait(LIMIT)
            try:
                wire.rest()  # it comes to an end
            except ConnectionResetError:
                pass
    if service == "C-GET":
        assert source.closed == 1


def test_a_requestor_that_neither_answers_nor_goes(serve: Serve) -> None:
    """A C-STORE sub-operation that is never answered: `Timeouts.dimse` ends it."""
    with serve(Handlers(get=lambda request: [Instance(1)]), timeouts=replace(FAST, dimse=SHORT)) as server:
        with Wire.associated(server.address) as wire:
            get = CGetRQ(message_id=1, affected_sop_class_uid=UID("1.2.840.10008.5.1.4.1.2.2.3"))
            wire.send(message(GET_ID, get, b""))
            wire.request(CStoreRQ)
            assert wire.aborted() == a_abort(0)


def test_the_connection_stays_open_after_our_last_word(serve: Serve) -> None:
    """Sta13: what the peer does with a connection that is over is not waited for beyond ARTIM."""
    with serve(timeouts=replace(FAST, artim=1)) as server:
        wires = []

        def connect() -> Wire:
            wires.append(Wire.connect(server.address))
            return wires[-1]

        try:
            rejected = connect()
            rejected.send(a_associate_rq(called="OTHER"))
            assert rejected.rest() == a_associate_rj(1, 1, 7)
            aborted = connect()
            aborted.send(b"GET /")
            assert aborted.rest() == A_ABORT_USER
            released = connect()
            released.send(a_associate_rq())
            released.expect(AAssociateAC)
            released.send(A_RELEASE_RQ)
            released.expect(AReleaseRP)
            assert released.rest() == b""
            server.close()
        finally:
            for wire in wires:
                wire.close()


def test_a_flood_of_garbage_after_our_abort_is_read_away(serve: Serve) -> None:
    """The A-ABORT must not be lost to a reset because there were bytes that nobody read (PS3.8 9.1.4, note 1)."""
    with serve() as server, Wire.connect(server.address) as wire:
        wire.send(b"GET / HTTP/1.1\r\n" + bytes(1_000_000))
        wire.finish()
        assert wire.rest() == A_ABORT_USER


def test_who_is_gone_before_the_answer_to_its_release_keeps_no_thread() -> None:
    """The answer breaks in the thread that reads, which has nobody to wait for; one of three shows it on any machine."""
    asked, gone = threading.Semaphore(0), threading.Semaphore(0)

    def watch(event: Any) -> None:
        if isinstance(event, PDUReceived) and event.pdu_type == A_RELEASE_RQ[0]:
            asked.release()
            assert gone.acquire(timeout=LIMIT)

    seconds = []
    with Server(Handlers(), ae_title="SCP", contexts=CONTEXTS, timeouts=FAST, trace=watch) as server:
        for _ in range(3):
            with Wire.associated(server.address) as wire:
                wire.send(A_RELEASE_RQ)
                assert asked.acquire(timeout=LIMIT)
                wire.reset()
            since = time.monotonic()
            gone.release()
            assert server.wait_until_left(LIMIT)
            seconds.append(time.monotonic() - since)
    assert min(seconds) < 1, seconds


# ------------------------------------------------------------------------------- what the acceptor's log says


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "no association with .*as a request of HTTP begins"),
        (bytes.fromhex("16 03 01 00 c8 01 00"), "no association with .*as a TLS handshake begins"),
        (A_RELEASE_RQ, "no association with .*A-RELEASE-RQ in Sta2"),
        (a_associate_rq(called="OTHER"), r"rejected SCU .*, which called 'OTHER': .*called-AE-title-not-recognized"),
    ],
    ids=["HTTP", "TLS", "a release", "another title"],
)
def test_why_there_is_no_association_is_in_the_log(
    serve: Serve, said: Any, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "nbdicom.server")
    with serve() as server:
        with Wire.connect(server.address) as wire:
            wire.send(said)
            wire.rest()
        served(server.address)
    assert re.search(words, "\n".join(record.getMessage() for record in caplog.records))


def test_contexts_that_are_refused_are_counted_in_the_log(
    serve: Serve, dial: Dial, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "nbdicom.server")
    with serve() as server:
        with dial(server.address, contexts=[VERIFICATION, "1.2.3.4", "1.2.3.5"]):
            pass
        served(server.address)
    first, second = (r.getMessage() for r in caplog.records if "accepted" in r.getMessage())
    assert first.endswith(", 1 of 3 presentation contexts") and "presentation" not in second
