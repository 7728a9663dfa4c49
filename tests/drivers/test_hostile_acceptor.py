"""Our SCU against acceptors that break every rule (PS3.8 9.2, 9.3; PS3.7 6.3, 9.3): clear errors, right bytes, no waiting.

What can be said as bytes and what the requestor does then is in the list of `tests/hostile/acceptors.py`; here is what
needs a look at the exception, at several contexts, or at what is left.  Each acceptor is a script over a raw socket; the
association is over in time, says why, and leaves nothing behind.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from scripted import (
    A_ABORT_USER,
    A_RELEASE_RP,
    A_RELEASE_RQ,
    ECHO_ID,
    EXPLICIT,
    FAST,
    FIND,
    FIND_ID,
    IMPLICIT,
    LIMIT,
    MR,
    STORE_ID,
    Dial,
    Instance,
    Scripted,
    Wire,
    Zeros,
    a_abort,
    a_associate_rj,
    accept_all,
    echo_rq,
    message,
    p_data,
    pdv,
    store_rq,
)

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
    NEventReportRQ,
    encode_command,
)
from nbdicom.core.machine import Evt, Sta
from nbdicom.core.pdu import (
    AAssociateAC,
    AAssociateRQ,
    ApplicationContext,
    AReleaseRP,
    AReleaseRQ,
    AsynchronousOperationsWindow,
    MaximumLength,
    PresentationContextAC,
    TransferSyntaxItem,
    UserInformation,
    encode_pdu,
)
from nbdicom.core.trace import Transition
from nbdicom.errors import (
    AssociationAborted,
    AssociationError,
    AssociationRejected,
    AssociationReleased,
    NbdicomError,
    NoPresentationContext,
    OperationFailed,
    OperationTimeout,
    RemoteProtocolError,
)
from nbdicom.operations.handlers import Handlers
from nbdicom.operations.requests import StoreRequest
from nbdicom.status import Status
from nbdicom.uids import UID

SHORT = 0.3  #: seconds of the timer that a test is about; no other ends anything


def answers(*pieces: Any) -> Callable[[Wire], None]:
    """A script that takes the A-ASSOCIATE-RQ, sends these bytes instead of an answer, and expects our A-ABORT."""

    def script(wire: Wire) -> None:
        wire.expect(AAssociateRQ)
        wire.send(*pieces)
        wire.finish()
        script.rest = wire.rest()  # type: ignore[attr-defined]

    return script


# ------------------------------------------------------------------------------- instead of an A-ASSOCIATE-AC


def test_silence(dial: Dial) -> None:
    def script(wire: Wire) -> None:
        wire.expect(AAssociateRQ)
        assert wire.aborted() == A_ABORT_USER

    with Scripted(script, associated=False) as acceptor, pytest.raises(OperationTimeout, match="association"):
        dial(acceptor.address, timeouts=replace(FAST, association=SHORT))


def test_an_answer_byte_by_byte_takes_no_longer_than_allowed(dial: Dial) -> None:
    """`Timeouts.association` bounds the whole establishment; a byte now and then does not prolong it."""
    over = threading.Event()

    def script(wire: Wire) -> None:
        answer = encode_pdu(accept_all(wire.expect(AAssociateRQ)))
        for index in range(len(answer)):
            if over.wait(0.05):
                return
            try:
                wire.send(answer[index : index + 1])
            except OSError:
                return  # closed on us, as it should be
        raise AssertionError("an answer that took ten seconds was waited for")

    with Scripted(script, associated=False) as acceptor:
        try:
            with pytest.raises(OperationTimeout):
                dial(acceptor.address, timeouts=replace(FAST, association=SHORT, artim=SHORT))
        finally:
            over.set()


@pytest.mark.parametrize("how", ["close", "reset", "close at once"])
def test_no_answer(dial: Dial, how: str) -> None:
    def script(wire: Wire) -> None:
        if how != "close at once":
            wire.expect(AAssociateRQ)
        if how == "reset":
            wire.reset()

    with (
        Scripted(script, associated=False) as acceptor,
        pytest.raises(AssociationAborted, match="closed the connection"),
    ):
        dial(acceptor.address)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/html\r\n\r\n<html></html>",
        b"\x15\x03\x01\x00\x02\x02\x16",
        b"220 mail.example.org ESMTP\r\n",
        bytes(100),
        b"\xff" * 100,
        b"\x08",
    ],
    ids=["HTTP", "TLS", "SMTP", "zeros", "ones", "one byte"],
)
def test_an_answer_that_is_no_dicom(dial: Dial, answer: bytes) -> None:
    script = answers(answer)
    with Scripted(script, associated=False) as acceptor:
        with pytest.raises(AssociationAborted, match="unknown type") as caught:
            dial(acceptor.address)
    assert (caught.value.source, caught.value.reason_diag) == (2, 1)
    assert isinstance(caught.value.__cause__, RemoteProtocolError)
    assert script.rest == a_abort(1)  # type: ignore[attr-defined]


@pytest.mark.parametrize(("source", "reason"), [(0, 0), (2, 0), (2, 6), (1, 3), (255, 255)])
def test_an_abort(dial: Dial, source: int, reason: int) -> None:
    script = answers(bytes.fromhex("07 00 00000004 0000") + bytes([source, reason]))
    with Scripted(script, associated=False) as acceptor:
        with pytest.raises(AssociationAborted, match="the peer aborted") as caught:
            dial(acceptor.address)
    assert (caught.value.source, caught.value.reason_diag) == (source, reason)
    assert script.rest == b""  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "triple",
    [
        (1, 1, 1),
        (1, 1, 3),
        (1, 1, 7),
        (1, 2, 2),
        (2, 3, 1),
        (2, 3, 2),
        (0, 0, 0),
        (3, 1, 7),
        (1, 4, 1),
        (255, 255, 255),
    ],
)
@pytest.mark.parity("A.1 failure to associate", "A.6 reject triples")
def test_a_rejection(dial: Dial, triple: tuple[int, int, int]) -> None:
    """Legal or not, the three numbers come out as they are, with words."""
    script = answers(a_associate_rj(*triple))
    with Scripted(script, associated=False) as acceptor:
        with pytest.raises(AssociationRejected) as caught:
            dial(acceptor.address)
    error = caught.value
    assert (error.result, error.source, error.reason_diag) == triple
    assert error.negotiation.rejection == triple
    for number in triple:
        assert f"({number})" in error.message
    assert script.rest == b""  # type: ignore[attr-defined]


# ------------------------------------------------------------------------------- odd A-ASSOCIATE-ACs


def ac(*items: Any, user: Any = (MaximumLength(maximum_length_received=16_384),)) -> bytes:
    return encode_pdu(AAssociateAC(items=(ApplicationContext(), *items, UserInformation(items=tuple(user)))))


def answered(context_id: int, result: int = 0, *syntaxes: str) -> PresentationContextAC:
    return PresentationContextAC(
        context_id=context_id,
        result=result,
        items=tuple(TransferSyntaxItem(transfer_syntax_name=UID(syntax)) for syntax in syntaxes),
    )


ECHO_ACCEPTED = answered(ECHO_ID, 0, IMPLICIT)


def echoes(answer: bytes) -> Callable[[Wire], None]:
    """A script that answers the request with *answer*, then one C-ECHO, then the release."""

    def script(wire: Wire) -> None:
        wire.expect(AAssociateRQ)
        wire.send(answer)
        wire.answer(wire.request(CEchoRQ), 0)
        wire.released()

    return script


@pytest.mark.parametrize("result", [1, 2, 3, 4, 5, 255])
@pytest.mark.parametrize(
    "syntaxes", [(), ("",), ("rubbish",), (IMPLICIT, EXPLICIT)], ids=["none", "empty", "rubbish", "two"]
)
@pytest.mark.parity("A.11 empty transfer syntax in a refused context")
def test_a_refused_context_needs_no_transfer_syntax(dial: Dial, result: int, syntaxes: tuple[str, ...]) -> None:
    """Its transfer syntax item is "not significant" (PS3.8 9.3.3.2), whatever stands there."""
    refused = [answered(context_id, result, *syntaxes) for context_id in (3, 5, 7, 9)]
    with Scripted(echoes(ac(ECHO_ACCEPTED, *refused)), associated=False) as acceptor:
        with dial(acceptor.address) as association:
            with pytest.raises(NoPresentationContext) as caught:
                association.find(b"keys")
            assert caught.value.abstract_syntax == FIND
            assert caught.value.refused is not None and f"({result})" in caught.value.refused
            assert association.echo() == 0


@pytest.mark.parametrize(
    "answer",
    [
        ac(ECHO_ACCEPTED),
        ac(ECHO_ACCEPTED, user=()),
        ac(ECHO_ACCEPTED, answered(2, 0, IMPLICIT), answered(0, 0, IMPLICIT), answered(255, 0, IMPLICIT)),
        ac(answered(FIND_ID, 0, EXPLICIT), ECHO_ACCEPTED),
        ac(answered(FIND_ID, 0), ECHO_ACCEPTED),
        ac(answered(FIND_ID, 0, ""), ECHO_ACCEPTED),
        ac(ECHO_ACCEPTED, user=(MaximumLength(maximum_length_received=0),)),
        ac(ECHO_ACCEPTED, user=(MaximumLength(maximum_length_received=8),)),
        ac(ECHO_ACCEPTED, user=(AsynchronousOperationsWindow(),)),
    ],
    ids=[
        "contexts missing",
        "no user information",
        "contexts that nobody proposed",
        "syntax that nobody proposed",
        "accepted without syntax",
        "accepted with an empty syntax",
        "no maximum length",
        "smallest maximum length",
        "window that nobody proposed",
    ],
)
def test_odd_answers_that_leave_a_context_to_work_with(dial: Dial, answer: bytes) -> None:
    with Scripted(echoes(answer), associated=False) as acceptor, dial(acceptor.address) as association:
        with pytest.raises(NoPresentationContext):
            association.find(b"keys")
        assert association.echo() == 0


def test_no_context_is_accepted(dial: Dial) -> None:
    """Legal (PS3.8 7.1.1.14); the association is of no use, and every operation says why."""

    def script(wire: Wire) -> None:
        wire.expect(AAssociateRQ)
        wire.send(ac(*(answered(context_id, 3) for context_id in (1, 3, 5, 7, 9))))
        wire.released()

    with Scripted(script, associated=False) as acceptor, dial(acceptor.address) as association:
        with pytest.raises(NoPresentationContext):
            association.echo()
        (stored,) = association.store([Instance()])
        assert isinstance(stored.error, NoPresentationContext)


@pytest.mark.parametrize("maximum", [8, 9, 13, 100, 16_384, 0])
def test_no_pdu_is_longer_than_the_peer_allows(dial: Dial, maximum: int) -> None:
    """Every fragment is even, every P-DATA-TF within the limit (PS3.8 D.1, E.1); checked while they arrive."""
    data = bytes(range(256)) * 4

    def script(wire: Wire) -> None:
        wire.send(accept_all(wire.expect(AAssociateRQ), maximum=maximum))
        got = b""
        while True:
            header = wire.exactly(12)
            length = int.from_bytes(header[2:6], "big")
            assert header[0] == 4
            assert not maximum or length <= maximum
            assert int.from_bytes(header[6:10], "big") == length - 4  # one PDV
            fragment = wire.exactly(length - 6)
            assert len(fragment) % 2 == 0
            if not header[11] & 1:
                got += fragment
                if header[11] & 2:
                    break
        assert got == data
        wire.send(message(STORE_ID, CStoreRSP(message_id_being_responded_to=1, status=Status(0))))
        wire.released()

    with Scripted(script, associated=False) as acceptor, dial(acceptor.address) as association:
        (stored,) = association.store([Instance(1, data)])
        assert stored.ok


# ------------------------------------------------------------------------------- odd responses


def responds(*pieces: bytes, kind: type = CFindRQ, expected: bytes | None = None) -> Callable[[Wire], None]:
    """A script that takes a request, answers with *pieces*, and then expects the A-ABORT *expected*."""

    def script(wire: Wire) -> None:
        wire.request(kind)
        wire.send(*pieces)
        if expected is not None:
            assert wire.aborted() == expected

    return script


def find_rsp(
    status: int = 0xFF00, data: bytes | None = b"match ", message_id: int = 1, context_id: int = FIND_ID
) -> bytes:
    return message(context_id, CFindRSP(message_id_being_responded_to=message_id, status=Status(status)), data)


@pytest.mark.parametrize("message_id", [0, 2, 0xFFFF])
def test_a_response_to_a_message_that_was_never_sent(dial: Dial, message_id: int) -> None:
    script = responds(find_rsp(0, None, message_id), expected=A_ABORT_USER)
    with Scripted(script) as acceptor:
        association = dial(acceptor.address)
        with pytest.raises(AssociationAborted, match="Message ID"):
            list(association.find(b"keys"))
        assert not association.is_established


def test_a_second_final_response(dial: Dial) -> None:
    script = responds(find_rsp(0, None), find_rsp(0, None), expected=A_ABORT_USER)
    with Scripted(script) as acceptor:
        association = dial(acceptor.address)
        list(association.find(b"keys"))
        with pytest.raises(AssociationAborted, match="Message ID"):
            association.echo()


OTHERS: dict[str, tuple[type, Callable[[Any], Any]]] = {
    "C-ECHO": (CEchoRQ, lambda association: association.echo()),
    "C-FIND": (CFindRQ, lambda association: list(association.find(b"keys"))),
    "C-STORE": (CStoreRQ, lambda association: list(association.store([Instance()]))),
    "C-GET": (CGetRQ, lambda association: list(association.get(b"keys"))),
    "C-MOVE": (CMoveRQ, lambda association: list(association.move(b"keys", destination="AE"))),
}


@pytest.mark.parametrize("status", [0x0000, 0xFF00])
@pytest.mark.parametrize("service", OTHERS)
def test_a_response_of_another_service(dial: Dial, service: str, status: int) -> None:
    """The Message ID is right, the service is not: the peer is confused, and no exception of ours may leak."""
    kind, operation = OTHERS[service]
    wrong = CFindRSP if service == "C-ECHO" else CEchoRSP

    def script(wire: Wire) -> None:
        request = wire.request(kind)
        wire.send(message(request.context_id, wrong(message_id_being_responded_to=1, status=Status(status))))
        assert wire.aborted() == A_ABORT_USER

    with Scripted(script) as acceptor:
        association = dial(acceptor.address)
        with pytest.raises(AssociationAborted, match="RSP"):
            operation(association)
        assert not association.is_established


@pytest.mark.parametrize("service", ["C-ECHO", "C-STORE"])
def test_a_pending_response_where_there_is_none(dial: Dial, service: str) -> None:
    """C-ECHO and C-STORE have one response (PS3.7 9.1.1, 9.1.5): Pending is an error, not a success and not a crash."""
    kind, operation = OTHERS[service]

    def script(wire: Wire) -> None:
        request = wire.request(kind)
        wire.answer(request, 0xFF00)
        wire.answer(request, 0x0000)
        wire.rest()

    with Scripted(script) as acceptor:
        association = dial(acceptor.address)
        try:
            outcome = operation(association)
        except NbdicomError:
            pass
        else:
            assert service == "C-STORE" and [stored.ok for stored in outcome] == [False]
        association.abort()


@pytest.mark.parametrize("status", [0x0001, 0x0107, 0x0116, 0xB000, 0xBFFF])
def test_warnings_are_returned(dial: Dial, status: int) -> None:
    def script(wire: Wire) -> None:
        wire.answer(wire.request(CEchoRQ), status)
        wire.answer(wire.request(CFindRQ), status)
        wire.released()

    with Scripted(script) as acceptor, dial(acceptor.address) as association:
        assert association.echo() == status
        responses = association.find(b"keys")
        assert list(responses) == []
        assert responses.status == status


@pytest.mark.parametrize("status", [0x0002, 0x0110, 0x0122, 0x1234, 0xA700, 0xC0FF, 0xD000, 0xFE01, 0xFF02, 0xFFFF])
def test_unknown_statuses_are_failures(dial: Dial, status: int) -> None:
    def script(wire: Wire) -> None:
        request = wire.request(CFindRQ)
        wire.answer(request, 0xFF00, b"match ")
        wire.answer(request, status)
        wire.answer(wire.request(CEchoRQ), 0)
        wire.released()

    with Scripted(script) as acceptor, dial(acceptor.address) as association:
        responses = association.find(b"keys")
        assert next(responses).data == b"match "
        with pytest.raises(OperationFailed) as caught:
            next(responses)
        assert caught.value.status == status
        assert association.echo() == 0


def test_a_cancel_that_nobody_asked_for(dial: Dial) -> None:
    from nbdicom.errors import OperationCancelled

    def script(wire: Wire) -> None:
        wire.answer(wire.request(CFindRQ), 0xFE00)
        wire.answer(wire.request(CEchoRQ), 0)
        wire.released()

    with Scripted(script) as acceptor, dial(acceptor.address) as association:
        with pytest.raises(OperationCancelled):
            list(association.find(b"keys"))
        assert association.echo() == 0


def test_an_identifier_beyond_the_limit_is_an_error_and_not_an_empty_match(dial: Dial) -> None:
    def script(wire: Wire) -> None:
        request = wire.request(CFindRQ)
        wire.answer(request, 0xFF00, bytes(2000))
        wire.answer(request, 0x0000)
        wire.rest()

    with Scripted(script) as acceptor:
        association = dial(acceptor.address, limits=Limits(data_set=1000))
        with pytest.raises(NbdicomError, match="1000"):
            list(association.find(b"keys"))
        association.abort()


@pytest.mark.parity("A.1 timeouts", "A.2 no answer")
def test_silence_after_a_request(dial: Dial) -> None:
    with Scripted(responds(kind=CEchoRQ, expected=a_abort(0))) as acceptor:
        association = dial(acceptor.address, timeouts=replace(FAST, dimse=SHORT))
        with pytest.raises(OperationTimeout, match="C-ECHO"):
            association.echo()
        assert not association.is_established
        with pytest.raises(AssociationError):
            association.echo()


@pytest.mark.parametrize(
    "piece",
    [
        find_rsp()[:40],
        message(FIND_ID, CFindRSP(message_id_being_responded_to=1, status=Status(0xFF00)), b"")[
            : -len(p_data(pdv(3, 2, b"")))
        ],
    ],
    ids=["half a PDU", "the data set is missing"],
)
def test_silence_in_a_response(dial: Dial, piece: bytes) -> None:
    with Scripted(responds(piece, expected=a_abort(0))) as acceptor:
        association = dial(acceptor.address, timeouts=replace(FAST, dimse=SHORT, network=SHORT))
        with pytest.raises(OperationTimeout):
            list(association.find(b"keys"))


def test_the_connection_closes_at_every_byte_of_a_response(dial: Dial) -> None:
    """F12 from the other side: FIN at each offset; a partial match is never delivered."""
    whole = find_rsp(data=b"first ") + find_rsp(data=b"second") + find_rsp(0, None)
    first, second = len(find_rsp(data=b"first ")), 2 * len(find_rsp(data=b"first "))
    assert second == len(find_rsp(data=b"first ") + find_rsp(data=b"second"))

    def closing(offset: int) -> Callable[[Wire], None]:
        def script(wire: Wire) -> None:
            wire.request(CFindRQ)
            wire.send(whole[:offset])

        return script

    offsets = range(0, len(whole), 3)
    with Scripted(*map(closing, offsets)) as acceptor:
        for offset in offsets:
            association = dial(acceptor.address)
            got = []
            with pytest.raises(AssociationAborted, match="closed the connection"):
                for match in association.find(b"keys"):
                    got.append(match.data)
            assert got == [b"first ", b"second"][: (offset >= first) + (offset >= second)]


# ------------------------------------------------------------------------------- PDUs and PDVs that cannot be

COMMAND = encode_command(CFindRSP(message_id_being_responded_to=1, status=Status(0xFF00)), data_set=True)
BARE = encode_command(CFindRSP(message_id_being_responded_to=1, status=Status(0xFF00)), data_set=False)
FINAL = encode_command(CFindRSP(message_id_being_responded_to=1, status=Status(0)), data_set=False)


@pytest.mark.parametrize(
    ("piece", "expected"),
    [
        (find_rsp(context_id=11), a_abort(5)),
        (find_rsp(context_id=2), a_abort(5)),
        (find_rsp(context_id=0), a_abort(5)),
        (bytes.fromhex("04 00 00020001"), a_abort(6)),
        (bytes.fromhex("04 00 ffffffff"), a_abort(6)),
        (bytes.fromhex("04 00 00000000"), a_abort(6)),
        (bytes.fromhex("04 00 00000004 00000000"), a_abort(6)),
        (bytes.fromhex("04 00 00000006 00000001 0303"), a_abort(6)),
        (bytes.fromhex("04 00 00000006 00000003 0303"), a_abort(6)),
        (bytes.fromhex("04 00 0000000a 00000002 0301 00000000"), a_abort(6)),
        (bytes.fromhex("05 00 00000005 0000000000"), a_abort(6)),
        (bytes.fromhex("07 00 00000003 000000"), a_abort(6)),
        (p_data(pdv(FIND_ID, 3, BARE), pdv(FIND_ID, 2, b"")), a_abort(0)),
        (p_data(pdv(FIND_ID, 2, b"no command before")), a_abort(0)),
        (p_data(pdv(FIND_ID, 3, COMMAND), pdv(FIND_ID, 3, COMMAND)), a_abort(0)),
        (p_data(pdv(FIND_ID, 3, COMMAND), pdv(ECHO_ID, 2, b"")), a_abort(0)),
        (p_data(pdv(FIND_ID, 1, COMMAND[:20]), pdv(ECHO_ID, 3, COMMAND[20:])), a_abort(0)),
        (p_data(*[pdv(FIND_ID, 1, b"")] * 2000), a_abort(0)),
        (b"".join(p_data(pdv(FIND_ID, 1, bytes(1 << 15))) for _ in range(3)), a_abort(0)),
        (p_data(pdv(FIND_ID, 3, b"rubbish")), A_ABORT_USER),
        (p_data(pdv(FIND_ID, 3, b"")), A_ABORT_USER),
        (p_data(pdv(FIND_ID, 3, bytes.fromhex("0800 0500 0a000000") + b"ISO_IR 100")), A_ABORT_USER),
        (p_data(pdv(FIND_ID, 3, bytes.fromhex("0000 0001 02000000 0880"))), A_ABORT_USER),
    ],
    ids=[
        "unknown context",
        "even context",
        "context 0",
        "longer than announced",
        "4 GiB",
        "no PDV",
        "half a PDV header",
        "PDV of length 1",
        "PDV beyond its PDU",
        "rest behind a PDV",
        "RELEASE-RQ of 5 bytes",
        "ABORT of 3 bytes",
        "data set that was not announced",
        "data set without command",
        "command in a data set",
        "data set in another context",
        "command in two contexts",
        "empty fragments",
        "command set without end",
        "no command set",
        "empty command set",
        "group 0008",
        "unknown command field",
    ],
)
def test_what_cannot_be_is_answered_with_an_abort(dial: Dial, piece: bytes, expected: bytes) -> None:
    def script(wire: Wire) -> None:
        wire.request(CFindRQ)
        wire.send(piece)
        got = wire.aborted()
        # Source and reason; where the standard names no reason, any of the provider's is right.
        assert got == expected or (expected == a_abort(0) and got[8] == 2)

    with Scripted(script) as acceptor:
        association = dial(acceptor.address)
        with pytest.raises(AssociationAborted, match="broke the protocol") as caught:
            list(association.find(b"keys"))
        assert isinstance(caught.value.__cause__, RemoteProtocolError)
        assert "PS3." in str(caught.value)
        assert not association.is_established


@pytest.mark.parametrize(
    "pieces",
    [
        [find_rsp()[:1], find_rsp()[1:]],
        [find_rsp() + find_rsp() + find_rsp(0, None)[:3], find_rsp(0, None)[3:]],
        [p_data(pdv(FIND_ID, 0xFD, COMMAND[:10]), pdv(FIND_ID, 0xFF, COMMAND[10:]), pdv(FIND_ID, 0xFE, b"match "))],
        [p_data(pdv(FIND_ID, 3, COMMAND)), p_data(pdv(FIND_ID, 0, b"")), p_data(pdv(FIND_ID, 2, b"match "))],
        [p_data(pdv(FIND_ID, 3, COMMAND), pdv(FIND_ID, 2, b"match "), pdv(FIND_ID, 3, FINAL))],
        [
            p_data(pdv(FIND_ID, 1, COMMAND[:7])),
            p_data(pdv(FIND_ID, 3, COMMAND[7:])),
            p_data(pdv(FIND_ID, 2, b"match ")),
        ],
    ],
    ids=[
        "cut after a byte",
        "several in a segment",
        "reserved bits",
        "empty fragment",
        "two messages",
        "odd fragments",
    ],
)
def test_what_is_odd_but_legal_is_understood(dial: Dial, pieces: list[bytes]) -> None:
    def script(wire: Wire) -> None:
        wire.request(CFindRQ)
        for piece in pieces:
            wire.send(piece)
        if len(pieces) == 1 and b"".join(pieces).endswith(FINAL):
            pass
        elif find_rsp(0, None)[3:] not in pieces:
            wire.send(find_rsp(0, None))
        wire.released()

    with Scripted(script) as acceptor, dial(acceptor.address) as association:
        got = [match.data for match in association.find(b"keys")]
        assert got and set(got) == {b"match "}


# ------------------------------------------------------------------------------- abort, release, collision


@pytest.mark.parametrize(("source", "reason"), [(0, 0), (2, 1), (2, 6), (1, 3)])
def test_an_abort_in_the_middle(dial: Dial, source: int, reason: int) -> None:
    def script(wire: Wire) -> None:
        wire.answer(wire.request(CFindRQ), 0xFF00, b"match ")
        wire.send(bytes.fromhex("07 00 00000004 0000") + bytes([source, reason]))
        assert wire.rest() == b""

    with Scripted(script) as acceptor:
        association = dial(acceptor.address)
        responses = association.find(b"keys")
        assert next(responses).data == b"match "
        with pytest.raises(AssociationAborted) as caught:
            next(responses)
        assert (caught.value.source, caught.value.reason_diag) == (source, reason)
        assert list(responses) == []
        assert not association.is_established


def test_the_acceptor_releases_while_nobody_waits(dial: Dial) -> None:
    established, released = threading.Event(), threading.Event()

    def script(wire: Wire) -> None:
        assert established.wait(LIMIT)
        wire.send(AReleaseRQ())
        released.set()
        # What we send before we have read the request is P-DATA in Sta7, which is delivered (AR-6); then our A-RELEASE-RP.
        assert wire.rest().endswith(A_RELEASE_RP)

    with Scripted(script) as acceptor:
        association = dial(acceptor.address)
        established.set()
        assert released.wait(LIMIT)
        with pytest.raises(AssociationReleased):
            association.echo()
        with pytest.raises(AssociationReleased):
            association.echo()
        association.release()


def test_the_acceptor_releases_in_an_operation(dial: Dial) -> None:
    def script(wire: Wire) -> None:
        wire.request(CFindRQ)
        wire.send(AReleaseRQ())
        assert wire.rest() == A_RELEASE_RP

    with Scripted(script) as acceptor:
        association = dial(acceptor.address)
        with pytest.raises(AssociationReleased):
            list(association.find(b"keys"))


def test_release_collision(dial: Dial) -> None:
    """Both ask at once: the requestor answers first, and waits for the acceptor's answer (PS3.8 7.2.2.7, Sta9, Sta11)."""
    transitions: list[tuple[Sta, Evt, Sta]] = []

    def trace(event: Any) -> None:
        if isinstance(event, Transition):
            transitions.append((event.before, event.event, event.after))

    def script(wire: Wire) -> None:
        wire.expect(AReleaseRQ)
        wire.send(AReleaseRQ())
        wire.expect(AReleaseRP)
        wire.send(AReleaseRP())
        assert wire.rest() == b""

    with Scripted(script) as acceptor:
        dial(acceptor.address, trace=trace).release()
    assert transitions[-4:] == [
        (Sta.STA6, Evt.EVT11, Sta.STA7),
        (Sta.STA7, Evt.EVT12, Sta.STA9),
        (Sta.STA9, Evt.EVT14, Sta.STA11),
        (Sta.STA11, Evt.EVT13, Sta.STA1),
    ]


@pytest.mark.parity("A.11 requests that reach a requestor")
def test_data_after_our_release_request_is_taken(dial: Dial) -> None:
    """Sta7, AR-6: a late response is no reason to abort."""

    def script(wire: Wire) -> None:
        wire.request(CFindRQ)
        wire.expect(AReleaseRQ)
        wire.send(find_rsp(), find_rsp(0, None), AReleaseRP())
        assert wire.rest() == b""

    with Scripted(script) as acceptor:
        association = dial(acceptor.address)
        responses = association.find(b"keys")
        association.release()
        assert responses.status is None


@pytest.mark.parametrize(
    "answer", [b"", a_abort(0), A_RELEASE_RQ[:5], b"\xff" * 10], ids=["silence", "abort", "half", "garbage"]
)
def test_release_ends_whatever_the_peer_says(dial: Dial, answer: bytes) -> None:
    def script(wire: Wire) -> None:
        wire.expect(AReleaseRQ)
        wire.send(answer)
        rest = wire.rest()
        assert rest in (b"", A_ABORT_USER, a_abort(1))

    with Scripted(script) as acceptor:
        association = dial(acceptor.address, timeouts=replace(FAST, release=SHORT))
        association.release()
        assert not association.is_established


def test_release_waits_as_long_as_it_is_told(dial: Dial) -> None:
    """`Timeouts.release` is for those who say nothing."""

    def script(wire: Wire) -> None:
        wire.expect(AReleaseRQ)
        threading.Event().wait(3 * SHORT)
        wire.send(A_RELEASE_RP)
        assert wire.rest() == b""  # and no A-ABORT

    with Scripted(script) as acceptor:
        dial(acceptor.address, timeouts=replace(FAST, release=SHORT)).release(LIMIT)


@pytest.mark.parametrize("how", ["close", "reset"])
def test_release_of_a_connection_that_is_gone(dial: Dial, how: str) -> None:
    established, gone = threading.Event(), threading.Event()

    def script(wire: Wire) -> None:
        assert established.wait(LIMIT)
        wire.reset() if how == "reset" else wire.close()
        gone.set()

    with Scripted(script) as acceptor:
        association = dial(acceptor.address)
        established.set()
        assert gone.wait(LIMIT)
        association.release()
        assert not association.is_established


@pytest.mark.parametrize("how", ["close", "reset"])
def test_an_operation_on_a_connection_that_is_gone(dial: Dial, how: str) -> None:
    established, gone = threading.Event(), threading.Event()

    def script(wire: Wire) -> None:
        assert established.wait(LIMIT)
        wire.reset() if how == "reset" else wire.close()
        gone.set()

    with Scripted(script) as acceptor:
        association = dial(acceptor.address)
        established.set()
        assert gone.wait(LIMIT)
        with pytest.raises(AssociationAborted):
            association.echo()
        with pytest.raises(AssociationAborted):
            list(association.store([Instance()]))
        assert not association.is_established


def test_data_after_our_abort_is_ignored(dial: Dial) -> None:
    """Sta13, AA-6: what is on its way when we abort changes nothing any more."""

    def script(wire: Wire) -> None:
        wire.request(CFindRQ)
        wire.send(bytes.fromhex("08 00 00000000"))
        assert wire.pdu() is not None  # our A-ABORT
        wire.send(find_rsp(), find_rsp(0, None))
        wire.finish()
        wire.rest()

    with Scripted(script) as acceptor:
        association = dial(acceptor.address)
        with pytest.raises(AssociationAborted):
            list(association.find(b"keys"))


# ------------------------------------------------------------------------------- peers that end while we stream


def test_an_abort_of_a_peer_that_no_longer_reads(dial: Dial) -> None:
    """The peer says A-ABORT and takes no more bytes: heard at once, not when `Timeouts.network` is over."""
    over = threading.Event()

    def script(wire: Wire) -> None:
        wire.exactly(1000)
        wire.send(a_abort(0))
        assert over.wait(LIMIT), "the abort was not heard"

    source = Zeros(64 << 20)
    with Scripted(script) as acceptor:
        association = dial(acceptor.address, timeouts=replace(FAST, network=2 * LIMIT, artim=0.1))
        try:
            with pytest.raises(AssociationAborted, match="the peer aborted") as caught:
                list(association.store([source]))
        finally:
            over.set()
    assert (caught.value.source, caught.value.reason_diag) == (2, 0)
    assert source.closed == 1


@pytest.mark.parametrize("size", [100_000, 8 << 20])
def test_an_abort_and_a_closed_connection_before_we_send(dial: Dial, size: int) -> None:
    """The A-ABORT waits in our socket when the write fails: it is read, and it is what the caller is told."""
    established, gone = threading.Event(), threading.Event()

    def script(wire: Wire) -> None:
        assert established.wait(LIMIT)
        wire.send(a_abort(6))
        wire.close()
        gone.set()

    with Scripted(script) as acceptor:
        association = dial(acceptor.address)
        established.set()
        assert gone.wait(LIMIT)
        with pytest.raises(AssociationAborted) as caught:
            list(association.store([Zeros(size)]))
    assert (caught.value.source, caught.value.reason_diag) == (2, 6)


@pytest.mark.parametrize("how", ["close", "reset"])
def test_the_connection_ends_while_we_stream(dial: Dial, how: str) -> None:
    def script(wire: Wire) -> None:
        wire.exactly(100_000)
        wire.reset() if how == "reset" else wire.close()

    source = Zeros(64 << 20)
    with Scripted(script) as acceptor:
        association = dial(acceptor.address)
        with pytest.raises(AssociationAborted):
            list(association.store([source]))
        assert source.closed == 1
        assert not association.is_established


def test_a_peer_that_takes_nothing(dial: Dial) -> None:
    """Zero window: `Timeouts.network` ends it, and the error says what happened (nobody closed anything)."""
    over = threading.Event()

    def script(wire: Wire) -> None:
        assert over.wait(LIMIT)

    source = Zeros(64 << 20)
    with Scripted(script) as acceptor:
        association = dial(acceptor.address, timeouts=replace(FAST, network=SHORT))
        try:
            with pytest.raises((AssociationAborted, OperationTimeout)) as caught:
                list(association.store([source]))
        finally:
            over.set()
        assert source.closed == 1
        assert "closed the connection" not in str(caught.value)
        assert not association.is_established


# ------------------------------------------------------------------------------- requests of the acceptor


def test_requests_of_the_acceptor_are_answered_while_we_wait(dial: Dial) -> None:
    asked: list[StoreRequest] = []

    def store(request: StoreRequest) -> int:
        asked.append(request)
        return 0

    def script(wire: Wire) -> None:
        request = wire.request(CFindRQ)
        wire.echo()
        wire.send(store_rq(b"inbound"))
        assert wire.request(CStoreRSP).message.status == 0
        event = NEventReportRQ(
            message_id=9, affected_sop_class_uid=MR, affected_sop_instance_uid=UID("1.2"), event_type_id=1
        )
        wire.send(message(ECHO_ID, event, b"information "))
        assert wire.message().message.status == 0x0211
        wire.answer(request, 0)
        wire.released()

    with Scripted(script) as acceptor, dial(acceptor.address, handlers=Handlers(store=store)) as association:
        assert list(association.find(b"keys")) == []
    assert [request.data for request in asked] == [b"inbound"]


def test_a_request_that_reuses_a_message_id_that_is_in_use(dial: Dial) -> None:
    """PS3.7 C.5.3: duplicate invocation.  0210H would do as well; we abort, because what follows cannot be told apart."""

    def script(wire: Wire) -> None:
        wire.request(CFindRQ)
        wire.send(echo_rq(5) + echo_rq(5))
        rest = wire.rest()
        assert rest.endswith(A_ABORT_USER)

    with Scripted(script) as acceptor:
        association = dial(acceptor.address)
        with pytest.raises(AssociationAborted, match="in use"):
            list(association.find(b"keys"))
