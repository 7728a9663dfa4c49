"""What peers do otherwise than the standard says: each is put up with, and told to who traces.

Every test plays the quirk of a peer that was met in the field.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from scripted import (
    CONTEXTS,
    CT,
    ECHO_ID,
    FIND,
    FIND_ID,
    IMPLICIT,
    MOVE,
    MOVE_ID,
    STORE_ID,
    VERIFICATION,
    Scripted,
    Wire,
    a_associate_rq,
    accept_all,
    message,
    p_data,
    pdv,
)

from nbdicom.config import Limits
from nbdicom.core.command import (
    CCancelRQ,
    CEchoRQ,
    CEchoRSP,
    CFindRQ,
    CMoveRQ,
    CMoveRSP,
    CStoreRQ,
    CStoreRSP,
    NActionRQ,
    NDeleteRQ,
    NEventReportRQ,
    NGetRQ,
    encode_command,
)
from nbdicom.core.negotiation import PresentationContext, Support
from nbdicom.core.pdu import AAssociateAC, AAssociateRJ, AAssociateRQ, PresentationContextAC, encode_pdu
from nbdicom.core.trace import Quirk
from nbdicom.errors import AssociationAborted, AssociationRejected, NoPresentationContext, OperationFailed
from nbdicom.operations.handlers import Handlers
from nbdicom.uids import UID

COMMITMENT = UID("1.2.840.10008.1.20.1")
Dial, Serve = Callable[..., Any], Callable[..., Any]


def quirks(events: list[Any]) -> str:
    """What the trace says about the peer."""
    return "; ".join(str(event) for event in events if isinstance(event, Quirk))


# ------------------------------------------------------------------------------- requestors: association


def raw(rq: AAssociateRQ, at: int, data: bytes) -> bytes:
    """An A-ASSOCIATE-RQ with some of its bytes changed."""
    whole = encode_pdu(rq)
    return whole[:at] + data + whole[at + len(data) :]


def padded_uids(rq: AAssociateRQ) -> bytes:
    """Every UID item of even length, with a NUL where it was odd."""
    whole = encode_pdu(rq)
    for uid in (VERIFICATION, IMPLICIT):
        name = uid.encode()
        item = len(name).to_bytes(2, "big") + name
        whole = whole.replace(item, (len(name) + 1).to_bytes(2, "big") + name + b"\0")
    context = whole.index(b"\x20\0", 74)
    length = int.from_bytes(whole[context + 2 : context + 4], "big") + 2
    whole = whole[: context + 2] + length.to_bytes(2, "big") + whole[context + 4 :]
    return whole[:2] + (len(whole) - 6).to_bytes(4, "big") + whole[6:]


ECHO_ONLY = a_associate_rq([(VERIFICATION, IMPLICIT)])


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (raw(ECHO_ONLY, 26, b"SCU".ljust(16, b"\0")), "pads AE titles with NUL"),
        (raw(ECHO_ONLY, 10, b"SCP\0".ljust(16)), "pads AE titles with NUL"),
        (raw(ECHO_ONLY, 10, b"  SCP".ljust(16)), ""),  # blanks mean nothing: no quirk at all
        (raw(ECHO_ONLY, 26, b" " * 16), "blank AE title"),
        (raw(ECHO_ONLY, 42, b"\xff" * 32), ""),  # reserved bytes are not tested
        (padded_uids(ECHO_ONLY), "pads UIDs"),
        (encode_pdu(a_associate_rq([(VERIFICATION, IMPLICIT), (UID("1.2.LOCALIZER.03"), IMPLICIT)])), "no UID"),
        (encode_pdu(a_associate_rq([(VERIFICATION, [IMPLICIT, UID("1.2.840.113709.1.2.2")])])), ""),
    ],
    ids=["NUL", "NUL and blanks", "blanks", "blank calling", "reserved", "padded UIDs", "no UID", "private syntax"],
)
def test_association_requests(serve: Serve, request_: bytes, words: str) -> None:
    events: list[Any] = []
    with serve(trace=events.append, calling=lambda title, host: True) as server, Wire.connect(server.address) as wire:
        wire.send(request_)
        wire.expect(AAssociateAC)
        wire.echo()
        wire.release()
    assert words in quirks(events) if words else not quirks(events)


def test_several_contexts_for_one_abstract_syntax(serve: Serve) -> None:
    """Each is answered by itself, and data may come in any of them."""
    explicit = UID("1.2.840.10008.1.2.1")
    contexts = [(CT, explicit), (CT, IMPLICIT), (CT, [explicit, IMPLICIT])]
    with serve(contexts=[(CT, [IMPLICIT, explicit])]) as server:
        with Wire.associated(server.address, a_associate_rq(contexts)) as wire:
            for context_id in (1, 3, 5):
                command = CStoreRQ(message_id=1, affected_sop_class_uid=CT, affected_sop_instance_uid=UID("1.2.3"))
                wire.send(message(context_id, command, b"data"))
                assert wire.request(CStoreRSP).message.status == 0
            wire.release()


# ------------------------------------------------------------------------------- requestors: messages


def element(number: int, value: bytes) -> bytes:
    return b"\0\0" + number.to_bytes(2, "little") + len(value).to_bytes(4, "little") + value


def number(value: int) -> bytes:
    return value.to_bytes(2, "little")


ECHO_ELEMENTS = [
    element(0x0002, b"1.2.840.10008.1.1\0"), element(0x0100, number(0x30)), element(0x0110, number(7)),
    element(0x0800, number(0x0101)),
]  # fmt: skip


def grouped(*elements: bytes, length: int | None = None) -> bytes:
    body = b"".join(elements)
    return element(0x0000, (len(body) if length is None else length).to_bytes(4, "little")) + body


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (grouped(*ECHO_ELEMENTS), ""),
        (b"".join(ECHO_ELEMENTS), "without group length"),
        (grouped(*ECHO_ELEMENTS, length=1), "wrong group length: 1 instead of"),
        (grouped(*ECHO_ELEMENTS[1:], ECHO_ELEMENTS[0]), "(0000,0002) out of order"),
        (grouped(*ECHO_ELEMENTS[:2], element(0x0110, number(7) + number(8)), ECHO_ELEMENTS[3]), "values of message_id"),
        (grouped(*ECHO_ELEMENTS, element(0x5010, b"ab")), "(0000,5010), which PS3.7 does not define"),
        (grouped(*ECHO_ELEMENTS[:3], element(0x0700, b""), ECHO_ELEMENTS[3]), "leaves priority empty"),
        (grouped(element(0x0002, b"1.2.840.10008.1.1 "), *ECHO_ELEMENTS[1:]), "with a blank"),
        (grouped(element(0x0002, b"1.2.840.10008.1.1"), *ECHO_ELEMENTS[1:]), "odd length"),
    ],
)  # fmt: skip
def test_command_sets(serve: Serve, command: bytes, words: str) -> None:
    events: list[Any] = []
    with serve(trace=events.append) as server, Wire.associated(server.address) as wire:
        wire.send(p_data(pdv(ECHO_ID, 3, command)))
        answer = wire.request(CEchoRSP).message
        assert (answer.status, answer.message_id_being_responded_to) == (0, 7)
        wire.release()
    assert words in quirks(events) if words else not quirks(events)


@pytest.mark.parametrize("title", ["TITLE\\WITH\\MORE", "A TITLE OF MORE THAN 16", "T\x01"])
def test_a_bad_move_originator(serve: Serve, title: str) -> None:
    events: list[Any] = []
    command = CStoreRQ(message_id=1, affected_sop_class_uid=CT, affected_sop_instance_uid=UID("1.2.3"))
    encoded = encode_command(command, data_set=True)[12:] + element(
        0x1030, title.encode().ljust(-(-len(title) // 2) * 2)
    )
    with serve(trace=events.append) as server, Wire.associated(server.address) as wire:
        wire.send(p_data(pdv(STORE_ID, 3, grouped(encoded))), p_data(pdv(STORE_ID, 2, b"data")))
        assert wire.request(CStoreRSP).message.status == 0
        wire.release()
    assert "move_originator_application_entity_title that is no AE title" in quirks(events)


def test_instance_uids_that_are_none(serve: Serve) -> None:
    events: list[Any] = []
    stored: list[str] = []
    handlers = Handlers(store=lambda request: stored.append(request.sop_instance_uid) or 0)
    command = CStoreRQ(message_id=1, affected_sop_class_uid=CT, affected_sop_instance_uid=UID("1.2.LOCALIZER.003"))
    with serve(handlers, trace=events.append) as server, Wire.associated(server.address) as wire:
        wire.send(message(STORE_ID, command, b"data"))
        assert wire.request(CStoreRSP).message.status == 0
        wire.release()
    assert stored == ["1.2.LOCALIZER.003"] and "affected_sop_instance_uid that is no UID" in quirks(events)


def test_fragments_of_odd_length(serve: Serve) -> None:
    """Also of a data set that is odd as a whole: it is kept byte for byte."""
    events: list[Any] = []
    data: list[bytes] = []
    handlers = Handlers(store=lambda request: data.append(request.data) or 0)
    command = CStoreRQ(message_id=1, affected_sop_class_uid=CT, affected_sop_instance_uid=UID("1.2.3"))
    encoded = encode_command(command, data_set=True)
    with serve(handlers, trace=events.append) as server, Wire.associated(server.address) as wire:
        wire.send(
            p_data(pdv(STORE_ID, 1, encoded[:7])), p_data(pdv(STORE_ID, 3, encoded[7:])),
            p_data(pdv(STORE_ID, 0, b"abc"), pdv(STORE_ID, 0, b""), pdv(STORE_ID, 2, b"defg")),
        )  # fmt: skip
        assert wire.request(CStoreRSP).message.status == 0
        wire.release()
    assert data == [b"abcdefg"] and quirks(events).count("odd length") == 1  # said once


@pytest.mark.parametrize("beyond", [2, 6, 12, 100_000])
def test_pdus_longer_than_announced(serve: Serve, beyond: int) -> None:
    """Many count the header of the PDU in, or out; the fragments go on as they come, so it costs nothing."""
    events: list[Any] = []
    data: list[int] = []
    handlers = Handlers(store=lambda request: data.append(len(request.data)) or 0)
    command = CStoreRQ(message_id=1, affected_sop_class_uid=CT, affected_sop_instance_uid=UID("1.2.3"))
    support = Support.of(CONTEXTS, max_length_received=16_384)
    size = 16_384 - 6 + beyond
    tolerant = Limits(p_data_tf=1 << 20)
    with (
        serve(handlers, contexts=support, trace=events.append, limits=tolerant) as server,
        Wire.associated(server.address) as wire,
    ):
        wire.send(
            p_data(pdv(STORE_ID, 3, encode_command(command, data_set=True))), p_data(pdv(STORE_ID, 2, bytes(size)))
        )
        assert wire.request(CStoreRSP).message.status == 0
        wire.release()
    assert data == [size] and "longer than the 16384 bytes" in quirks(events)


def test_a_cancel_of_nothing_and_of_everything(serve: Serve) -> None:
    with serve() as server, Wire.associated(server.address) as wire:
        for message_id in (0, 1, 0xFFFF):
            wire.send(message(FIND_ID, CCancelRQ(message_id_being_responded_to=message_id)))
        wire.echo()
        wire.release()


# ------------------------------------------------------------------------------- acceptors: association


def answering(change: Callable[[AAssociateAC], Any]) -> Callable[[Wire], None]:
    """A script that accepts everything, with the answer changed, and echoes."""

    def script(wire: Wire) -> None:
        rq = wire.expect(AAssociateRQ)
        wire.send(change(accept_all(rq)))
        wire.answer(wire.request(CEchoRQ), 0)
        wire.released()

    return script


def without_syntax(ac: AAssociateAC) -> AAssociateAC:
    items = [
        PresentationContextAC(context_id=3, result=3) if getattr(item, "context_id", 0) == 3 else item
        for item in ac.items
    ]
    return AAssociateAC(called_ae_title=ac.called_ae_title, calling_ae_title=ac.calling_ae_title, items=tuple(items))


def with_titles(called: bytes, calling: bytes) -> Callable[[AAssociateAC], bytes]:
    def change(ac: AAssociateAC) -> bytes:
        whole = encode_pdu(ac)
        return whole[:10] + called.ljust(16) + calling.ljust(16) + whole[42:]

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda ac: ac, ""),
        (without_syntax, "leaves the transfer syntax out of presentation context 3, which it refuses"),
        (with_titles(b"SOMEBODY", b"ELSE"), "other AE titles"),
        (with_titles(b"\0\x01\xff\x1b[2J", b"\xe4\xf6\xfc"), "other AE titles"),
        (with_titles(b"", b""), "other AE titles"),
    ],
    ids=["none", "refused without syntax", "other titles", "garbage", "blank"],
)
def test_association_answers(dial: Dial, change: Callable[[AAssociateAC], Any], words: str) -> None:
    events: list[Any] = []
    with Scripted(answering(change), associated=False) as acceptor:
        association = dial(acceptor.address, trace=events.append)
        assert association.echo() == 0
        association.release()
    assert words in quirks(events) if words else not quirks(events)
    assert "\x1b" not in quirks(events)


def test_a_transfer_syntax_that_was_not_proposed(dial: Dial) -> None:
    """The context is of no use; the error says whose choice it was, and the others work."""
    events: list[Any] = []

    def other(ac: AAssociateAC) -> bytes:
        whole, wrong = encode_pdu(ac), b"\0\x111.2.840.10008.1.5"
        at = whole.index(b"\0\x111.2.840.10008.1.2", whole.index(bytes((0x21, 0)), whole.index(bytes((0x21, 0))) + 4))
        return whole[:at] + wrong + whole[at + len(wrong) :]

    with Scripted(answering(other), associated=False) as acceptor:
        association = dial(acceptor.address, trace=events.append)
        with pytest.raises(NoPresentationContext):
            association.find({"QueryRetrieveLevel": "STUDY"}, model=FIND)
        assert association.echo() == 0
        association.release()
    assert "1.2.840.10008.1.5, which was not proposed" in quirks(events)


@pytest.mark.parametrize("triple", [(1, 1, 99), (3, 1, 1), (1, 9, 1), (0, 0, 0)])
def test_reserved_values_of_a_rejection(dial: Dial, triple: tuple[int, int, int]) -> None:
    events: list[Any] = []

    def script(wire: Wire) -> None:
        wire.expect(AAssociateRQ)
        wire.send(AAssociateRJ(result=triple[0], source=triple[1], reason_diag=triple[2]))

    with Scripted(script, associated=False) as acceptor, pytest.raises(AssociationRejected, match="reserved") as caught:
        dial(acceptor.address, trace=events.append)
    assert (caught.value.result, caught.value.source, caught.value.reason_diag) == triple
    assert "reserved values" in quirks(events)


def test_a_reserved_source_of_an_abort(dial: Dial) -> None:
    events: list[Any] = []

    def script(wire: Wire) -> None:
        wire.request(CEchoRQ)
        wire.send(bytes.fromhex("07 00 00000004 0000 01 05"))

    with Scripted(script) as acceptor:
        association = dial(acceptor.address, trace=events.append)
        with pytest.raises(AssociationAborted) as caught:
            association.echo()
    assert (caught.value.source, caught.value.reason_diag) == (1, 5)
    assert "reserved source 1" in quirks(events)


# ------------------------------------------------------------------------------- acceptors: messages


def test_responses_without_what_is_optional(dial: Dial) -> None:
    """No Affected SOP Class UID (Mirth), and one that is not that of the request."""

    def script(wire: Wire) -> None:
        wire.answer(wire.request(CEchoRQ), 0)
        wire.answer(wire.request(CEchoRQ), 0, affected_sop_class_uid=CT)
        wire.released()

    with Scripted(script) as acceptor:
        association = dial(acceptor.address)
        assert association.echo() == association.echo() == 0
        association.release()


def test_normalized_responses_without_what_is_optional(dial: Dial) -> None:
    """Neither classes and instances nor Action and Event Type IDs come back."""

    def script(wire: Wire) -> None:
        for kind in (NActionRQ, NGetRQ, NEventReportRQ, NDeleteRQ):
            wire.answer(wire.request(kind), 0)
        wire.released()

    with Scripted(script) as acceptor:
        contexts = [PresentationContext(COMMITMENT, scu_role=True, scp_role=True)]
        association = dial(acceptor.address, contexts=contexts)
        assert association.n_action(COMMITMENT, "1.2.3", 1).status == 0
        assert association.n_get(COMMITMENT, "1.2.3").status == 0
        assert association.n_event_report(COMMITMENT, "1.2.3", 2).status == 0
        assert association.n_delete(COMMITMENT, "1.2.3").status == 0
        association.release()


def test_counters_with_several_values_or_none(dial: Dial) -> None:
    events: list[Any] = []

    def script(wire: Wire) -> None:
        arrived = wire.request(CMoveRQ)
        ids = number(arrived.message.message_id)
        for status, counters in (
            (0xFF00, [element(0x1020, number(2) + number(9)), element(0x1021, number(1) + number(8))]),
            (0xFF00, [element(0x1021, b"")]),
            (0xFF00, []),
            (0x0000, []),
        ):
            command = grouped(
                element(0x0100, number(0x8021)), element(0x0120, ids), element(0x0800, number(0x0101)),
                element(0x0900, number(status)), *counters,
            )  # fmt: skip
            wire.send(p_data(pdv(MOVE_ID, 3, command)))
        wire.released()

    with Scripted(script) as acceptor:
        association = dial(acceptor.address, trace=events.append)
        answers = list(association.move({"QueryRetrieveLevel": "STUDY"}, destination="X", model=MOVE))
        association.release()
    assert [(a.remaining, a.completed) for a in answers] == [(2, 1), (None, None), (None, None), (None, None)]
    assert "several values of number_of_remaining" in quirks(events) and "empty" in quirks(events)


def test_a_data_set_after_a_pending_move_response(dial: Dial) -> None:
    """MV300 sends one; and the error comment and offending element that others add are shown."""

    def script(wire: Wire) -> None:
        arrived = wire.request(CMoveRQ)
        for status, data, fields in (
            (0xFF00, b"\x08\0\x05\0\0\0\0\0", {}),
            (0xA702, None, {"error_comment": "out of tapes", "offending_element": (0x00100020,)}),
        ):
            response = CMoveRSP(message_id_being_responded_to=arrived.message.message_id, status=status, **fields)
            wire.send(message(MOVE_ID, response, data))
        wire.released()

    with Scripted(script) as acceptor:
        association = dial(acceptor.address)
        with pytest.raises(OperationFailed, match="out of tapes"):
            list(association.move({"QueryRetrieveLevel": "STUDY"}, destination="X", model=MOVE))
        association.release()


def test_success_with_failed_sub_operations(dial: Dial) -> None:
    """The counters are given as they are: what really arrived is counted by who receives it."""
    events: list[Any] = []

    def script(wire: Wire) -> None:
        arrived = wire.request(CMoveRQ)
        wire.answer(arrived, 0, number_of_completed_sub_operations=1, number_of_failed_sub_operations=3)
        wire.released()

    with Scripted(script) as acceptor:
        association = dial(acceptor.address, trace=events.append)
        (answer,) = association.move({"QueryRetrieveLevel": "STUDY"}, destination="X", model=MOVE)
        association.release()
    assert (answer.completed, answer.failed) == (1, 3)
    assert "says Success although it counts 3 failed" in quirks(events)


@pytest.mark.parametrize("status", [0xC502, 0xC004, 0x0001, 0x1234, 0xFFFF])
def test_statuses_that_nobody_defines(dial: Dial, status: int) -> None:
    """The number is kept, and the association goes on."""

    def script(wire: Wire) -> None:
        wire.answer(wire.request(CFindRQ), status)
        wire.answer(wire.request(CEchoRQ), 0)
        wire.released()

    with Scripted(script) as acceptor:
        association = dial(acceptor.address)
        responses = association.find({"QueryRetrieveLevel": "STUDY"}, model=FIND)
        try:
            assert list(responses) == []
        except OperationFailed as failed:
            assert failed.status == status
        assert responses.status == status and f"{status:04X}H" in str(responses.status)
        assert association.echo() == 0
        association.release()


def test_a_limit_of_matches_is_no_failure(dial: Dial) -> None:
    """B001H, a recent addition to PS3.4: a warning, so the matches before it count."""

    def script(wire: Wire) -> None:
        arrived = wire.request(CFindRQ)
        wire.answer(arrived, 0xFF00, b"")
        wire.answer(arrived, 0xB001)
        wire.released()

    with Scripted(script) as acceptor:
        association = dial(acceptor.address)
        responses = association.find({"QueryRetrieveLevel": "STUDY"}, model=FIND)
        assert len(list(responses)) == 1 and responses.status == 0xB001
        association.release()


# ------------------------------------------------------------------------------- our side of it


def test_we_never_send_what_we_put_up_with(serve: Serve, dial: Dial) -> None:
    """Two of us talk, and neither has anything to say about the other."""
    events: list[Any] = []
    handlers = Handlers(find=lambda request: iter([b""] * 3), store=lambda request: 0)
    context = PresentationContext(CT, (IMPLICIT,), True, True)
    with serve(handlers, contexts=[VERIFICATION, FIND, context], trace=events.append, limits=Limits()) as server:
        with dial(server.address, contexts=[VERIFICATION, FIND, context], trace=events.append) as association:
            association.echo()
            list(association.find({"QueryRetrieveLevel": "STUDY"}, model=FIND))
    assert events and not quirks(events)
