"""The invoking side by hand: each operation is a generator, and this file is its driver (PS3.7 9.1, PS3.4 B, C)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from by_hand import (
    CODEC,
    CT,
    EXPLICIT,
    IMPLICIT,
    JPEG,
    MR,
    STUDY_FIND,
    VERIFICATION,
    Hand,
    Instance,
    context,
    negotiation,
)

from nbdicom.core.command import (
    CEchoRQ,
    CEchoRSP,
    CFindRQ,
    CFindRSP,
    CGetRQ,
    CGetRSP,
    CMoveRQ,
    CMoveRSP,
    CStoreRQ,
    CStoreRSP,
    Priority,
)
from nbdicom.errors import AssociationAborted, DataSetError, NoPresentationContext
from nbdicom.operations import scu
from nbdicom.operations.effects import Call, Receive, Send
from nbdicom.operations.requests import Match, ReceivedInstance, Stored, SubOperations
from nbdicom.status import Status
from nbdicom.uids import UID


def store_rsp(message_id: int, status: int = 0) -> CStoreRSP:
    return CStoreRSP(message_id_being_responded_to=message_id, status=Status(status, "C-STORE"))


#: every category, known codes and codes that no table knows; none of them is an exception for an operation
FINAL_STATUSES = [0x0000, 0x0001, 0x0110, 0x0122, 0xA700, 0xA900, 0xB000, 0xC001, 0xFE00, 0x1234, 0xFFFF]


# ------------------------------------------------------------------------------- C-ECHO


@pytest.mark.parametrize("status", FINAL_STATUSES)
def test_echo_returns_the_status_of_the_response(status: int) -> None:
    hand = Hand(scu.echo(context(VERIFICATION, context_id=5)))
    sent = hand.sends(CEchoRQ)
    assert (sent.context_id, sent.data, sent.message.affected_sop_class_uid) == (5, None, VERIFICATION)
    hand.receives(CEchoRSP(message_id_being_responded_to=1, status=Status(status)))
    assert hand.ended and hand.result == status


# ------------------------------------------------------------------------------- C-FIND


def find_rsp(status: int) -> CFindRSP:
    return CFindRSP(message_id_being_responded_to=1, status=Status(status, "C-FIND"))


@pytest.mark.parity("A.2 C-FIND")
def test_find_sends_its_identifier_with_model_and_priority() -> None:
    hand = Hand(scu.find(context(STUDY_FIND, context_id=3), b"keys", CODEC, Priority.HIGH))
    sent = hand.sends(CFindRQ)
    assert sent.context_id == 3
    assert sent.message.affected_sop_class_uid == STUDY_FIND
    assert sent.message.priority is Priority.HIGH
    assert sent.data is not None and list(sent.data.chunks(100)) == [(b"keys", True)]


@pytest.mark.parametrize("final", FINAL_STATUSES)
@pytest.mark.parametrize("pending", [0, 1, 3])
def test_find_delivers_a_match_for_each_pending_response(pending: int, final: int) -> None:
    hand = Hand(scu.find(context(STUDY_FIND), b"keys", CODEC))
    hand.sends(CFindRQ)
    for number in range(pending):
        hand.receives(find_rsp(0xFF01 if number else 0xFF00), CODEC.encode({"number": number}, IMPLICIT))
        match = hand.delivers()
        assert isinstance(match, Match)
        assert match.status == (0xFF01 if number else 0xFF00)
        assert match.transfer_syntax == IMPLICIT
        assert match.dataset() == {"number": number}
    hand.receives(find_rsp(final))
    assert hand.ended and hand.result == final


def test_a_match_is_read_in_the_transfer_syntax_in_which_it_came() -> None:
    """A peer may answer in another context than it was asked in, and its data set is encoded as that one says."""
    hand = Hand(scu.find(context(STUDY_FIND, syntax=IMPLICIT), b"keys", CODEC))
    hand.sends(CFindRQ)
    hand.receives(find_rsp(0xFF00), b"match", syntax=EXPLICIT)
    match = hand.delivers()
    assert isinstance(match, Match) and match.transfer_syntax == EXPLICIT


def test_find_takes_a_pending_response_without_identifier_as_an_empty_match() -> None:
    hand = Hand(scu.find(context(STUDY_FIND), b"keys", CODEC))
    hand.sends(CFindRQ)
    hand.receives(find_rsp(0xFF00), None)
    match = hand.delivers()
    assert isinstance(match, Match) and match.data == b""


# ------------------------------------------------------------------------------- C-STORE


def play(hand: Hand) -> tuple[list[Send], list[Stored]]:
    """Run a store to its end against a peer that answers Success, the oldest request first."""
    sent: list[Send] = []
    outcomes: list[Stored] = []
    answered = 0
    while not hand.ended:
        if isinstance(hand.effect, Call):
            hand.calls()
        elif isinstance(hand.effect, Send):
            sent.append(hand.sends(CStoreRQ, len(sent) + 1))
        elif isinstance(hand.effect, Receive):
            answered += 1
            hand.receives(store_rsp(answered))
        else:
            outcomes.append(hand.delivers())
    return sent, outcomes


def test_store_sends_each_instance_in_its_context() -> None:
    instances = [Instance(1), Instance(2, sop_class=MR, transfer_syntax=JPEG)]
    hand = Hand(scu.store(negotiation(context(CT, 1), context(MR, 3, JPEG)), instances, CODEC, priority=Priority.LOW))
    sent, outcomes = play(hand)
    assert [send.context_id for send in sent] == [1, 3]
    for send, stored, instance in zip(sent, outcomes, instances, strict=True):
        assert send.message.affected_sop_instance_uid == instance.sop_instance_uid
        assert send.message.affected_sop_class_uid == instance.sop_class_uid
        assert send.message.priority is Priority.LOW
        assert send.message.move_originator_application_entity_title is None
        assert send.data is instance.opened[0][1]
        assert (stored.instance, stored.status, stored.transfer_syntax) == (instance, 0, instance.transfer_syntax)
        assert stored.ok
    assert hand.result == 0


def test_store_names_the_originator_of_a_move() -> None:
    hand = Hand(scu.store(negotiation(), [Instance(1)], CODEC, originator=("MOVER", 77)))
    hand.calls()
    message = hand.sends(CStoreRQ).message
    assert message.move_originator_application_entity_title == "MOVER"
    assert message.move_originator_message_id == 77


@pytest.mark.parametrize(
    ("window", "count", "most"), [(1, 4, 1), (2, 5, 2), (3, 2, 2), (0, 6, 6)], ids=["1", "2", "wider than needed", "0"]
)
def test_store_keeps_as_many_outstanding_as_the_window_allows(window: int, count: int, most: int) -> None:
    instances = [Instance(number) for number in range(count)]
    hand = Hand(scu.store(negotiation(window=window), instances, CODEC))
    outstanding: list[int] = []
    highest, next_id = 0, 100
    delivered = []
    while not hand.ended:
        if isinstance(hand.effect, Call):
            hand.calls()
        elif isinstance(hand.effect, Send):
            hand.sends(CStoreRQ, next_id)
            outstanding.append(next_id)
            highest = max(highest, len(outstanding))
            next_id += 1
        elif isinstance(hand.effect, Receive):
            # A peer with a window answers in any order: the last first.
            hand.receives(store_rsp(outstanding.pop()))
        else:
            delivered.append(hand.delivers().instance)
    assert highest == most
    assert sorted(i.sop_instance_uid for i in delivered) == sorted(i.sop_instance_uid for i in instances)


def test_store_matches_responses_by_message_id() -> None:
    instances = [Instance(1), Instance(2)]
    hand = Hand(scu.store(negotiation(window=2), instances, CODEC))
    for message_id in (10, 20):
        hand.calls()
        hand.sends(CStoreRQ, message_id)
    hand.receives(store_rsp(20, 0xA700))
    second = hand.delivers()
    hand.receives(store_rsp(10, 0xB000))
    first = hand.delivers()
    assert (first.instance, first.status, first.ok) == (instances[0], 0xB000, True)
    assert (second.instance, second.status, second.ok) == (instances[1], 0xA700, False)


def test_store_takes_instances_as_they_are_needed() -> None:
    taken: list[int] = []

    def endless() -> Iterator[Instance]:
        number = 0
        while True:
            number += 1
            taken.append(number)
            yield Instance(number)

    hand = Hand(scu.store(negotiation(window=2), endless(), CODEC))
    for number in (1, 2):
        hand.calls()
        hand.sends(CStoreRQ, number)
    assert isinstance(hand.effect, Call | Receive)
    assert len(taken) <= 3  # one ahead of the window at most
    hand.operation.close()


@pytest.mark.parametrize(
    "bad",
    [
        Instance(2, error=FileNotFoundError(2, "No such file", "/ward/PATIENT^NAME.dcm")),
        Instance(2, error=PermissionError(13, "Permission denied", "/ward/PATIENT^NAME.dcm")),
        Instance(2, error=DataSetError("cut off inside an element")),
        Instance(2, sop_class=MR),  # no context was negotiated for it
        Instance(2, transfer_syntax=JPEG),  # nor one for this transfer syntax
    ],
    ids=["missing", "forbidden", "damaged", "class", "syntax"],
)
def test_store_goes_on_after_an_instance_that_cannot_be_sent(bad: Instance) -> None:
    good = [Instance(1), Instance(3)]
    sent, outcomes = play(Hand(scu.store(negotiation(), [good[0], bad, good[1]], CODEC)))
    assert len(sent) == 2
    assert [stored.instance for stored in outcomes if stored.ok] == good
    (failed,) = [stored for stored in outcomes if not stored.ok]
    assert failed.instance is bad
    assert failed.status is None
    assert failed.error is not None
    assert "PATIENT" not in str(failed.error)
    if bad.error is None:
        assert isinstance(failed.error, NoPresentationContext)


@pytest.mark.parity("A.2 context choice")
def test_store_opens_in_a_convertible_syntax_where_its_own_was_refused() -> None:
    instance = Instance(1, transfer_syntax=EXPLICIT)
    hand = Hand(scu.store(negotiation(context(CT, 1, JPEG), context(CT, 3, IMPLICIT)), [instance], CODEC))
    hand.calls()
    assert hand.sends(CStoreRQ).context_id == 3
    assert [syntax for syntax, _ in instance.opened] == [IMPLICIT]


def test_store_closes_each_source_once_when_it_is_sent() -> None:
    instance = Instance(1)
    hand = Hand(scu.store(negotiation(), [instance], CODEC))
    hand.calls()
    assert instance.opened[0][1].closed == 0
    hand.sends(CStoreRQ)
    assert instance.opened[0][1].closed == 1
    hand.receives(store_rsp(1))
    hand.delivers()
    assert instance.opened[0][1].closed == 1


def test_store_closes_its_source_when_sending_fails() -> None:
    instance = Instance(1)
    hand = Hand(scu.store(negotiation(), [instance], CODEC))
    hand.calls()
    with pytest.raises(AssociationAborted):
        hand.fail(AssociationAborted("the peer is gone"))
    assert instance.opened[0][1].closed == 1


def test_store_closes_its_source_when_it_is_dropped() -> None:
    instance = Instance(1)
    hand = Hand(scu.store(negotiation(), [instance], CODEC))
    hand.calls()
    hand.operation.close()
    assert instance.opened[0][1].closed == 1


@pytest.mark.parametrize("how", ["failed", "dropped"])
def test_store_closes_the_source_that_it_opened_ahead(how: str) -> None:
    """The next instance may be opened while the window is full; it is closed whatever happens meanwhile."""
    instances = [Instance(1), Instance(2)]
    hand = Hand(scu.store(negotiation(window=1), instances, CODEC))
    while not isinstance(hand.effect, Receive):
        if isinstance(hand.effect, Call):
            hand.calls()
        else:
            hand.sends(CStoreRQ)
    if how == "dropped":
        hand.operation.close()
    else:
        with pytest.raises(AssociationAborted):
            hand.fail(AssociationAborted("the peer is gone"))
    assert [source.closed for instance in instances for _, source in instance.opened] == [1] * sum(
        len(instance.opened) for instance in instances
    )


def test_store_reports_a_source_that_fails_before_anything_was_sent() -> None:
    """A file that opens but cannot be read: the association is as it was, so the others are sent."""
    instances = [Instance(1), Instance(2)]
    hand = Hand(scu.store(negotiation(), instances, CODEC))
    hand.calls()
    hand.fail(OSError(5, "Input/output error"))
    sent, outcomes = play(hand)
    assert [stored.ok for stored in outcomes] == [False, True]
    assert outcomes[0].instance is instances[0] and outcomes[0].error is not None
    assert len(sent) == 1


@pytest.mark.parametrize(
    ("status", "ok"),
    [(0x0000, True), (0xB000, True), (0xB007, True), (0x0001, True)]
    + [(status, False) for status in (0xA700, 0xC000, 0x0122, 0x1234, 0xFFFF, 0xFE00, 0xFF00, 0xFF01)],
)
def test_only_success_and_warning_mean_that_the_peer_has_it(status: int, ok: bool) -> None:
    """Cancel and Pending are no answers to a C-STORE (PS3.4 B.2.3): nothing is known to be stored."""
    assert Stored(Instance(1), Status(status, "C-STORE")).ok is ok


def test_store_of_nothing_is_a_success() -> None:
    hand = Hand(scu.store(negotiation(), [], CODEC))
    assert hand.ended and hand.result == 0


# ------------------------------------------------------------------------------- C-GET and C-MOVE


def counted(kind: type[CGetRSP] | type[CMoveRSP], status: int, *counts: int | None) -> CGetRSP | CMoveRSP:
    remaining, completed, failed, warning = (*counts, None, None, None, None)[:4]
    return kind(
        message_id_being_responded_to=1,
        status=Status(status, "C-MOVE"),
        number_of_remaining_sub_operations=remaining,
        number_of_completed_sub_operations=completed,
        number_of_failed_sub_operations=failed,
        number_of_warning_sub_operations=warning,
    )


def get_hand() -> Hand:
    hand = Hand(scu.get(context(), b"keys", CODEC))
    sent = hand.sends(CGetRQ)
    assert sent.data is not None and list(sent.data.chunks(100)) == [(b"keys", True)]
    return hand


def test_get_delivers_instances_and_counters_in_their_order() -> None:
    hand = get_hand()
    instance = ReceivedInstance(CT, UID("1.2.3"), IMPLICIT, Status(0))
    hand.receives(instance)
    assert hand.delivers() is instance
    hand.receives(counted(CGetRSP, 0xFF00, 1, 1, 0, 0))
    assert hand.delivers() == SubOperations(Status(0xFF00), 1, 1, 0, 0)
    hand.receives(instance)
    assert hand.delivers() is instance
    hand.receives(counted(CGetRSP, 0x0000, None, 2, 0, 0))
    assert hand.delivers() == SubOperations(Status(0), None, 2, 0, 0)
    assert hand.ended and hand.result == 0


def test_move_names_its_destination() -> None:
    hand = Hand(scu.move(context(), b"keys", "STORE", CODEC, Priority.LOW))
    message = hand.sends(CMoveRQ).message
    assert (message.move_destination, message.priority) == ("STORE", Priority.LOW)


@pytest.mark.parametrize("final", FINAL_STATUSES)
def test_move_delivers_the_counters_of_every_response(final: int) -> None:
    hand = Hand(scu.move(context(), b"keys", "STORE", CODEC))
    hand.sends(CMoveRQ)
    hand.receives(counted(CMoveRSP, 0xFF00))  # a peer that does not count
    assert hand.delivers() == SubOperations(Status(0xFF00))
    hand.receives(counted(CMoveRSP, final, 1, 2, 3, 4))
    assert hand.delivers() == SubOperations(Status(final), 1, 2, 3, 4)
    assert hand.ended and hand.result == final


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (None, ()),
        (b"", ()),
        (b"\xff\xfe rubbish", ()),
        (b"{}", ()),
        (b'{"FailedSOPInstanceUIDList": null}', ()),
        (b'{"FailedSOPInstanceUIDList": ""}', ()),
        (b'{"FailedSOPInstanceUIDList": "1.2"}', ("1.2",)),
        (b'{"FailedSOPInstanceUIDList": ["1.2", "", "1.3"]}', ("1.2", "1.3")),
    ],
)
def test_failed_uids_of_a_final_response(data: bytes | None, expected: tuple[str, ...]) -> None:
    hand = Hand(scu.move(context(), b"keys", "STORE", CODEC))
    hand.sends(CMoveRQ)
    hand.receives(counted(CMoveRSP, 0xB000, None, 1, 2, 0), data)
    assert hand.delivers().failed_sop_instance_uids == expected


def test_failed_uids_are_not_looked_for_in_pending_responses() -> None:
    hand = Hand(scu.move(context(), b"keys", "STORE", CODEC))
    hand.sends(CMoveRQ)
    hand.receives(counted(CMoveRSP, 0xFF00, 1, 0, 1, 0), b'{"FailedSOPInstanceUIDList": "1.2"}')
    assert hand.delivers().failed_sop_instance_uids == ()
