"""The performing side by hand: what is answered to whom, whatever the handlers do (PS3.7 9.1, PS3.4 B.2.3, C.4)."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from by_hand import (
    CODEC,
    CT,
    EXPLICIT,
    IMPLICIT,
    JPEG,
    MR,
    STUDY_FIND,
    STUDY_GET,
    STUDY_MOVE,
    VERIFICATION,
    Acceptor,
    Instance,
    cancel,
    context,
    fail,
    refuse,
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
    NActionRQ,
    NActionRSP,
    NCreateRQ,
    NCreateRSP,
    NDeleteRQ,
    NDeleteRSP,
    NEventReportRQ,
    NEventReportRSP,
    NGetRQ,
    NGetRSP,
    NSetRQ,
    NSetRSP,
    Request,
    SubOperationCounts,
)
from nbdicom.core.dimse import Received
from nbdicom.errors import (
    AssociationAborted,
    AssociationRejected,
    ConnectionFailed,
    DataSetError,
    NoPresentationContext,
    OperationTimeout,
)
from nbdicom.operations.effects import END, Call, Next, Send
from nbdicom.operations.handlers import Handlers
from nbdicom.operations.requests import (
    EchoRequest,
    FindRequest,
    Refuse,
    RetrieveRequest,
    Stored,
    StoreRequest,
)
from nbdicom.operations.scp import perform
from nbdicom.status import Status
from nbdicom.uids import UID

# ------------------------------------------------------------------------------- every request is answered

REQUESTS = [
    (CEchoRQ(message_id=7), CEchoRSP),
    (CStoreRQ(message_id=7, affected_sop_class_uid=CT, affected_sop_instance_uid=UID("1.2")), CStoreRSP),
    (CFindRQ(message_id=7, affected_sop_class_uid=CT), CFindRSP),
    (CGetRQ(message_id=7, affected_sop_class_uid=CT), CGetRSP),
    (CMoveRQ(message_id=7, affected_sop_class_uid=CT, move_destination="AE"), CMoveRSP),
]
N_REQUESTS = [
    (
        NEventReportRQ(message_id=7, affected_sop_class_uid=CT, affected_sop_instance_uid=UID("1.2"), event_type_id=1),
        NEventReportRSP,
    ),
    (NGetRQ(message_id=7, requested_sop_class_uid=CT, requested_sop_instance_uid=UID("1.2")), NGetRSP),
    (NSetRQ(message_id=7, requested_sop_class_uid=CT, requested_sop_instance_uid=UID("1.2")), NSetRSP),
    (
        NActionRQ(message_id=7, requested_sop_class_uid=CT, requested_sop_instance_uid=UID("1.2"), action_type_id=1),
        NActionRSP,
    ),
    (NCreateRQ(message_id=7, affected_sop_class_uid=CT), NCreateRSP),
    (NDeleteRQ(message_id=7, requested_sop_class_uid=CT, requested_sop_instance_uid=UID("1.2")), NDeleteRSP),
]


@pytest.mark.parametrize(("request_", "response"), REQUESTS, ids=lambda case: getattr(case, "name", None))
def test_a_service_without_handler_is_not_supported(request_: Request, response: type) -> None:
    acceptor = Acceptor(Handlers(echo=None))
    acceptor.perform(Received(context(context_id=9), request_, b""))
    assert type(acceptor.only) is response
    assert acceptor.only.status == 0x0122
    assert acceptor.only.message_id_being_responded_to == 7
    assert acceptor.sent[0].context_id == 9


@pytest.mark.parametrize(("request_", "response"), N_REQUESTS, ids=lambda case: getattr(case, "name", None))
def test_a_service_that_we_do_not_know_is_an_unrecognized_operation(request_: Request, response: type) -> None:
    acceptor = Acceptor(Handlers())
    acceptor.perform(Received(context(), request_, None))
    assert type(acceptor.only) is response
    assert acceptor.only.status == 0x0211
    assert acceptor.only.affected_sop_class_uid == CT


# ------------------------------------------------------------------------------- what a handler may do wrong

#: a return value that is no final status, or an exception; each is the handler's mistake and no reason to die
MISTAKES: dict[str, Callable[[Any], Any]] = {
    "None": lambda request: None,
    "str": lambda request: "0000",
    "True": lambda request: True,
    "False": lambda request: False,
    "float": lambda request: 0.0,
    "negative": lambda request: -1,
    "17 bits": lambda request: 0x10000,
    "huge": lambda request: 10**100,
    "list": lambda request: [0],
    "pending": lambda request: 0xFF00,  # a promise of more responses, which never come
    "ValueError": fail(ValueError("PATIENT^NAME")),
    "KeyError": fail(KeyError("PATIENT^NAME")),
    "StopIteration": fail(StopIteration("PATIENT^NAME")),
    "RecursionError": fail(RecursionError("PATIENT^NAME")),
    "MemoryError": fail(MemoryError("PATIENT^NAME")),
    "sys.exit": fail(SystemExit(1)),
    # A handler that asks another peer: that one is gone, the one that asked us is not.
    "ConnectionFailed": fail(ConnectionFailed("the next PACS refused the connection")),
    "AssociationAborted": fail(AssociationAborted("the next PACS aborted")),
    "Refuse 17 bits": refuse(0x1FFFF),
    "Refuse negative": refuse(-1),
    "Refuse pending": refuse(0xFF00),
}


def echo_request() -> Received:
    return Received(context(VERIFICATION), CEchoRQ(message_id=7))


def store_request(sop_class: UID = CT, data: bytes | None = b"data", **changes: Any) -> Received:
    message = CStoreRQ(message_id=7, affected_sop_class_uid=sop_class, affected_sop_instance_uid=UID("1.2.3"))
    return Received(context(CT), message, data, **changes)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_echo_survives_its_handler(mistake: str) -> None:
    acceptor = Acceptor(Handlers(echo=MISTAKES[mistake]))
    acceptor.perform(echo_request())
    assert acceptor.only.status.is_failure
    assert len(acceptor.failures) == 1
    assert "PATIENT" not in (acceptor.only.error_comment or "")


@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.parity("A.5 handlers that misbehave")
def test_store_survives_its_handler(mistake: str) -> None:
    acceptor = Acceptor(Handlers(store=MISTAKES[mistake]))
    acceptor.perform(store_request())
    assert acceptor.only.status.is_failure
    assert "PATIENT" not in (acceptor.only.error_comment or "")
    assert acceptor.stored == [acceptor.only.status]  # what is reported is what was answered


@pytest.mark.parametrize(
    ("comment", "sent"),
    [
        ("", None),
        ("disk full", "disk full"),
        (OSError(28, "No space left on device"), "[Errno 28] No space left on device"),
        ("x" * 65, "x" * 64),  # LO: 64 characters
        (None, None),
    ],
    ids=["empty", "text", "an exception", "long", "None"],
)
@pytest.mark.parametrize("service", ["C-ECHO", "C-STORE", "C-FIND", "C-GET"])
def test_a_refusal_is_answered_with_its_status_and_comment(service: str, comment: Any, sent: str | None) -> None:
    handler = refuse(0x0124, comment)
    acceptor = Acceptor(Handlers(echo=handler, store=handler, find=handler, get=handler))
    acceptor.perform(
        {
            "C-ECHO": echo_request(),
            "C-STORE": store_request(),
            "C-FIND": find_request(),
            "C-GET": get_request(),
        }[service]
    )
    assert (acceptor.only.status, acceptor.only.error_comment) == (0x0124, sent)
    assert acceptor.failures == []


@pytest.mark.parametrize("status", [0x0000, 0x0110, 0xA700, 0xA7FF, 0xB000, 0xC123, Status(0), Status(0xA900)])
def test_a_handler_decides_the_status(status: int) -> None:
    acceptor = Acceptor(Handlers(store=lambda request: status))
    acceptor.perform(store_request())
    assert acceptor.only.status == status
    assert acceptor.failures == []


@pytest.mark.parametrize(
    ("given", "answered"), [(0xA801, 0xA801), (0x1234, 0x1234), (0xB001, 0xC000), (0x0001, 0xC000), (0xB123, 0xC000)]
)
def test_a_status_that_the_service_does_not_define(given: int, answered: int) -> None:
    """A failure is one whatever its number; a warning that nobody knows says nothing, so it is a mistake."""
    acceptor = Acceptor(Handlers(store=lambda request: given))
    acceptor.perform(store_request())
    assert acceptor.only.status == answered
    assert len(acceptor.failures) == 1
    assert f"{given:04X}H" in str(acceptor.failures[0])


@pytest.mark.parity("A.5 what a handler knows")
def test_echo_tells_its_handler_who_asks() -> None:
    asked: list[EchoRequest] = []

    def handler(request: EchoRequest) -> int:
        asked.append(request)
        return 0

    Acceptor(Handlers(echo=handler)).perform(echo_request())
    assert asked[0].calling_ae_title == "SCU"
    assert asked[0].peer == "127.0.0.1:40000"
    assert asked[0].message.message_id == 7
    assert asked[0].transfer_syntax == IMPLICIT


# ------------------------------------------------------------------------------- C-STORE


def test_store_hands_the_data_set_to_its_handler() -> None:
    asked: list[StoreRequest] = []

    def handler(request: StoreRequest) -> int:
        asked.append(request)
        return 0

    acceptor = Acceptor(Handlers(store=handler))
    acceptor.perform(store_request(data=b'{"a": 1}'))
    assert asked[0].dataset() == {"a": 1}
    assert (asked[0].sop_class_uid, asked[0].sop_instance_uid) == (CT, "1.2.3")
    response = acceptor.only
    assert response.status == 0
    assert (response.affected_sop_class_uid, response.affected_sop_instance_uid) == (CT, "1.2.3")
    assert acceptor.stored == [0]


@pytest.mark.parametrize(
    ("received", "status", "comment"),
    [
        (store_request(MR), 0x0122, "SOP Class is not that of the presentation context"),
        (store_request(sink_error=Refuse(0x0124, "not you")), 0x0124, "not you"),
        (store_request(sink_error=OSError(28, "No space", "/PATIENT")), 0xA700, "cannot take the data set: OSError"),
    ],
    ids=["class of another context", "sink refuses", "sink fails"],
)
def test_store_is_refused_before_its_handler_is_asked(received: Received, status: int, comment: str) -> None:
    acceptor = Acceptor(Handlers(store=fail(AssertionError("the handler was asked"))))
    acceptor.perform(received)
    assert (acceptor.only.status, acceptor.only.error_comment) == (status, comment)
    assert acceptor.stored == [status]


# ------------------------------------------------------------------------------- C-FIND


def find_request(data: bytes = b"{}") -> Received:
    return Received(context(STUDY_FIND), CFindRQ(message_id=7, affected_sop_class_uid=STUDY_FIND), data)


class Matches:
    """An iterator of matches that notes whether it was closed; an exception among them is raised."""

    def __init__(self, *matches: Any) -> None:
        self._matches = iter(matches)
        self.closed = 0

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        match = next(self._matches)
        if isinstance(match, BaseException):
            raise match
        return match

    def close(self) -> None:
        self.closed += 1


@pytest.mark.parametrize("container", [list, tuple, iter, lambda matches: (match for match in matches), Matches])
@pytest.mark.parity("A.11 final responses", "A.11 no match")
def test_find_sends_one_pending_response_for_each_match(container: Callable[[Any], Iterable[Any]]) -> None:
    matches = [{"PatientID": "1"}, b"encoded", {"PatientID": "3"}]
    given = Matches(*matches) if container is Matches else container(matches)
    acceptor = Acceptor(Handlers(find=lambda request: given))
    acceptor.perform(find_request())
    assert acceptor.statuses == [0xFF00, 0xFF00, 0xFF00, 0x0000]
    sent = [send.data and b"".join(bytes(chunk) for chunk, _ in send.data.chunks(1000)) for send in acceptor.sent]
    assert sent == [b'{"PatientID": "1"}', b"encoded", b'{"PatientID": "3"}', None]
    for message in acceptor.responses:
        assert (message.message_id_being_responded_to, message.affected_sop_class_uid) == (7, STUDY_FIND)


def test_find_sends_the_matches_of_a_list_together() -> None:
    acceptor = Acceptor(Handlers(find=lambda request: [[b"one", b"two", b"three"], b"four", [b"five"], []]))
    acceptor.perform(find_request())
    assert acceptor.statuses == [0xFF00] * 5 + [0x0000]
    assert [send.more for send in acceptor.sent] == [True, True, False, False, False, False]


def test_a_match_that_cannot_be_encoded_costs_those_before_it_nothing() -> None:
    acceptor = Acceptor(Handlers(find=lambda request: [[b"one", b"two", object(), b"four"]]))
    acceptor.perform(find_request())
    assert acceptor.statuses == [0xFF00, 0xFF00, 0xC000]
    assert acceptor.sent[-1].more is False  # what was held for a write goes out with it


def test_find_may_say_that_an_optional_key_is_not_supported() -> None:
    def handler(request: FindRequest) -> Iterator[Any]:
        request.pending_status = 0xFF01
        yield {}

    acceptor = Acceptor(Handlers(find=handler))
    acceptor.perform(find_request())
    assert acceptor.statuses == [0xFF01, 0x0000]


@pytest.mark.parametrize("when", [0, 1, 2])
def test_find_stops_when_it_is_cancelled(when: int) -> None:
    matches = Matches({}, {}, {}, {})
    received = find_request()
    acceptor = Acceptor(Handlers(find=lambda request: matches), at_send=cancel(received, when))
    acceptor.perform(received)
    assert acceptor.statuses == [0xFF00] * (when + 1) + [0xFE00]
    assert matches.closed == 1
    assert acceptor.sent[-1].data is None


def test_find_that_is_cancelled_before_it_began_sends_no_match() -> None:
    matches = Matches({}, {})
    received = find_request()
    received.cancelled = True
    acceptor = Acceptor(Handlers(find=lambda request: matches))
    acceptor.perform(received)
    assert acceptor.statuses == [0xFE00]
    assert matches.closed == 1


def test_find_lets_its_handler_see_the_cancel() -> None:
    seen: list[bool] = []
    received = find_request()

    def handler(request: FindRequest) -> Iterator[Any]:
        try:
            yield {}
            yield {}
        finally:
            seen.append(request.cancelled)

    acceptor = Acceptor(Handlers(find=handler), at_send=cancel(received, 0))
    acceptor.perform(received)
    assert seen == [True]


def test_find_lets_its_handler_see_the_cancel_while_it_looks_for_the_next_match() -> None:
    seen: list[bool] = []
    received = find_request()

    def handler(request: FindRequest) -> Iterator[Any]:
        yield {}
        seen.append(request.cancelled)

    Acceptor(Handlers(find=handler), at_send=cancel(received, 0)).perform(received)
    assert seen == [True]


def test_get_and_move_let_their_handlers_see_the_cancel() -> None:
    seen: list[bool] = []

    def handler(request: RetrieveRequest) -> list[Instance]:
        seen.append(request.cancelled)
        received.cancelled = True
        seen.append(request.cancelled)
        return []

    handlers = Handlers(get=handler, move=handler, destination=lambda title: ("127.0.0.1", 104))
    for received in (get_request(), move_request()):
        Acceptor(handlers).perform(received)
    assert seen == [False, True] * 2


@pytest.mark.parametrize(
    ("error", "status", "comment"),
    [
        (Refuse(0xA700, "index is away"), 0xA700, "index is away"),
        (Refuse(0xB001), 0xB001, None),
        (DataSetError("no such key"), 0xC000, "no such key"),
        (ValueError("PATIENT^NAME"), 0xC000, "handler failed: ValueError"),
        (KeyError("PATIENT^NAME"), 0xC000, "handler failed: KeyError"),
        (SystemExit(1), 0xC000, "handler failed: SystemExit"),
        (AssociationAborted("the next PACS aborted"), 0xC000, "the next PACS aborted"),
    ],
    ids=lambda case: type(case).__name__ if isinstance(case, BaseException) else "",
)
@pytest.mark.parametrize("where", ["at once", "first match", "third match"])
@pytest.mark.parity("A.5 handlers that misbehave")
def test_find_survives_its_handler(where: str, error: BaseException, status: int, comment: str | None) -> None:
    matches = Matches(error) if where == "first match" else Matches({}, {}, error, {})
    acceptor = Acceptor(Handlers(find=fail(error) if where == "at once" else lambda request: matches))
    acceptor.perform(find_request())
    assert acceptor.statuses == [0xFF00] * (2 if where == "third match" else 0) + [status]
    assert acceptor.responses[-1].error_comment == comment
    assert matches.closed == (where != "at once")
    assert len(acceptor.failures) == (not isinstance(error, Refuse))


@pytest.mark.parametrize("mistake", [None, 5, True, 0x0000], ids=repr)
def test_find_survives_a_handler_that_gives_no_matches(mistake: Any) -> None:
    """Whoever forgets to yield is told so, and not that there was a TypeError."""
    acceptor = Acceptor(Handlers(find=lambda request: mistake))
    acceptor.perform(find_request())
    assert acceptor.statuses == [0xC000]
    assert len(acceptor.failures) == 1
    assert "yield" in (acceptor.responses[-1].error_comment or "")


@pytest.mark.parametrize("status", [0x0000, 0xC000, 0x1FFFF, -1])
def test_find_sends_only_pending_statuses_with_matches(status: int) -> None:
    """A handler that sets something else as its pending status has not understood it; the operation ends once."""

    def handler(request: FindRequest) -> Iterator[Any]:
        request.pending_status = status
        yield {}
        yield {}

    acceptor = Acceptor(Handlers(find=handler))
    acceptor.perform(find_request())
    assert [status in (0xFF00, 0xFF01) for status in acceptor.statuses[:-1]] == [True] * (len(acceptor.statuses) - 1)
    assert acceptor.responses[-1].status.is_failure


def test_find_survives_a_match_that_cannot_be_encoded(monkeypatch: pytest.MonkeyPatch) -> None:
    def encode(value: Any, transfer_syntax: str) -> bytes:
        if value == {"bad": 1}:
            raise DataSetError("a value that has no VR")
        return b""

    monkeypatch.setattr(CODEC, "encode", encode, raising=True)
    matches = Matches({}, {"bad": 1}, {})
    acceptor = Acceptor(Handlers(find=lambda request: matches))
    acceptor.perform(find_request())
    assert acceptor.statuses == [0xFF00, 0xC000]
    assert acceptor.responses[-1].error_comment == "a value that has no VR"
    assert matches.closed == 1


@pytest.mark.parametrize("when", [0, 1])
@pytest.mark.parity("A.11 requestor gone")
def test_find_ends_quietly_when_the_requestor_is_gone(when: int) -> None:
    """Nobody is left to answer to: the iterator is closed, nothing more is sent, no handler is blamed."""

    def gone(number: int) -> None:
        if number >= when:
            raise AssociationAborted("the peer closed the connection")

    matches = Matches({}, {}, {})
    acceptor = Acceptor(Handlers(find=lambda request: matches), at_send=gone)
    with pytest.raises(AssociationAborted):
        acceptor.perform(find_request())
    assert len(acceptor.sent) == when
    assert matches.closed == 1
    assert acceptor.failures == []


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_find_can_be_dropped_by_its_driver(steps: int) -> None:
    """A driver that is interrupted closes the generator; it must not ask for another effect then (PEP 342)."""
    matches = Matches({}, {}, {})
    operation = perform(Acceptor(Handlers(find=lambda request: matches)).link(), find_request())
    effect = next(operation)
    for _ in range(steps):
        answer = None
        if isinstance(effect, Call):
            answer = effect.function(*effect.args)
        elif isinstance(effect, Next):
            answer = next(effect.iterator, END)
        effect = operation.send(answer)
    operation.close()
    assert matches.closed == 1


# ------------------------------------------------------------------------------- C-GET


def get_request(data: bytes = b"{}") -> Received:
    return Received(context(STUDY_GET), CGetRQ(message_id=7, affected_sop_class_uid=STUDY_GET), data)


def store_rsp(status: int) -> Received:
    return Received(context(CT), CStoreRSP(message_id_being_responded_to=1001, status=Status(status, "C-STORE")))


def check_counters(acceptor: Acceptor, total: int) -> None:
    """The rules of PS3.4 C.4.2.1.6 to C.4.2.1.9 and C.4.3.1.x, for every response of one retrieve."""
    final = acceptor.responses[-1]
    assert not final.status.is_pending
    previous = -1
    for send in acceptor.sent:
        message = send.message
        if not isinstance(message, SubOperationCounts):
            continue
        completed = message.number_of_completed_sub_operations
        failed = message.number_of_failed_sub_operations
        warning = message.number_of_warning_sub_operations
        assert completed is not None and failed is not None and warning is not None
        done = completed + failed + warning
        remaining = message.number_of_remaining_sub_operations
        if message.status.is_pending or message.status == 0xFE00:
            assert remaining is not None
            assert done + remaining == total
        else:
            assert remaining is None
            assert done == total
        assert done > previous or message is final  # each response tells of progress
        previous = done
        if message.status.is_pending:
            assert message is not final
            assert send.data is None
        elif message.status == 0 or not failed:
            assert send.data is None
        else:
            assert len(failed_uids(send)) == failed
    assert final is acceptor.sent[-1].message


def failed_uids(send: Send) -> tuple[str, ...]:
    assert send.data is not None
    ((data, last),) = send.data.chunks(1 << 20)
    assert last
    identifier = CODEC.decode(bytes(data), IMPLICIT)
    assert isinstance(identifier, dict) and set(identifier) == {"FailedSOPInstanceUIDList"}
    return tuple(identifier["FailedSOPInstanceUIDList"])


def final_status(outcomes: Iterable[int]) -> int:
    """PS3.4 Table C.4-2/C.4-3: Success without failures and warnings, A702 if nothing arrived, else B000."""
    statuses = [Status(outcome, "C-STORE") for outcome in outcomes]
    if all(status.is_success for status in statuses):
        return 0x0000
    return 0xA702 if all(status.is_failure for status in statuses) else 0xB000


OUTCOMES = [
    combination for count in range(4) for combination in itertools.product((0x0000, 0xB000, 0xA700), repeat=count)
]


@pytest.mark.parametrize("outcomes", OUTCOMES, ids=lambda outcomes: "-".join(f"{o:04X}" for o in outcomes) or "none")
@pytest.mark.parity("A.11 all sub-operations failed", "A.11 failed list")
def test_get_counts_its_sub_operations(outcomes: tuple[int, ...]) -> None:
    instances = [Instance(number) for number in range(len(outcomes))]
    acceptor = Acceptor(
        Handlers(get=lambda request: instances), contexts=(context(CT, 5),), answers=[store_rsp(o) for o in outcomes]
    )
    acceptor.perform(get_request())
    assert [send.context_id for send in acceptor.sent if isinstance(send.message, CStoreRQ)] == [5] * len(outcomes)
    assert acceptor.responses[-1].status == final_status(outcomes)
    check_counters(acceptor, len(outcomes))
    if acceptor.sent[-1].data is not None:
        expected = [i.sop_instance_uid for i, o in zip(instances, outcomes, strict=True) if o == 0xA700]
        assert list(failed_uids(acceptor.sent[-1])) == expected
    assert all(source.closed == 1 for instance in instances for _, source in instance.opened)


@pytest.mark.parametrize("status", [0xFE00, 0x1234, 0xFFFF])
def test_get_counts_a_status_that_means_nothing_as_failed(status: int) -> None:
    acceptor = Acceptor(Handlers(get=lambda request: [Instance(1)]), answers=[store_rsp(status)])
    acceptor.perform(get_request())
    assert acceptor.statuses == [0xA702]
    check_counters(acceptor, 1)


@pytest.mark.parametrize("when", [0, 1, 2, 3])
def test_get_stops_when_it_is_cancelled(when: int) -> None:
    received = get_request()
    instances = [Instance(number) for number in range(4)]
    acceptor = Acceptor(
        Handlers(get=lambda request: instances),
        answers=[store_rsp(0), store_rsp(0xA700), store_rsp(0), store_rsp(0)],
        at_send=cancel(received, when),
    )
    acceptor.perform(received)
    final = acceptor.responses[-1]
    stores = sum(isinstance(send.message, CStoreRQ) for send in acceptor.sent)
    assert final.status == 0xFE00
    assert final.number_of_remaining_sub_operations == 4 - stores > 0
    check_counters(acceptor, 4)


def test_get_that_is_cancelled_with_its_last_instance_is_complete() -> None:
    """The race between C-CANCEL and the end: Success is as good an answer (PS3.7 9.3.2.3)."""
    received = get_request()
    acceptor = Acceptor(
        Handlers(get=lambda request: [Instance(1)]), answers=[store_rsp(0)], at_send=cancel(received, 0)
    )
    acceptor.perform(received)
    assert acceptor.statuses == [0x0000]


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        (Instance(2, error=FileNotFoundError(2, "No such file")), FileNotFoundError),
        (Instance(2, error=DataSetError("cut off")), DataSetError),
        (Instance(2, sop_class=MR), NoPresentationContext),
        (Instance(2, transfer_syntax=JPEG), NoPresentationContext),
    ],
    ids=["missing", "damaged", "class", "syntax"],
)
def test_get_counts_an_instance_that_cannot_be_sent_as_failed(bad: Instance, error: type[Exception]) -> None:
    acceptor = Acceptor(
        Handlers(get=lambda request: [Instance(1), bad, Instance(3)]), answers=[store_rsp(0), store_rsp(0)]
    )
    acceptor.perform(get_request())
    assert acceptor.responses[-1].status == 0xB000
    assert failed_uids(acceptor.sent[-1]) == (bad.sop_instance_uid,)
    assert [type(failure) for failure in acceptor.failures] == [error]
    check_counters(acceptor, 3)


@pytest.mark.parametrize(
    "error", [OSError(5, "the file became shorter"), DataSetError("cut off")], ids=["file", "data"]
)
def test_get_counts_an_instance_that_cannot_be_read_after_all_as_failed(error: Exception) -> None:
    """It could be opened, and fails before anything of it has gone out: the others go on, as in a C-MOVE."""

    errors = [error]

    def unreadable(number: int) -> None:
        if number == 2 and errors:  # after a C-STORE request and a pending response: the second C-STORE request
            raise errors.pop()

    instances = [Instance(number) for number in range(3)]
    acceptor = Acceptor(
        Handlers(get=lambda request: instances), answers=[store_rsp(0), store_rsp(0)], at_send=unreadable
    )
    acceptor.perform(get_request())
    assert acceptor.responses[-1].status == 0xB000
    assert failed_uids(acceptor.sent[-1]) == (instances[1].sop_instance_uid,)
    assert acceptor.failures == [error]
    assert all(source.closed == 1 for instance in instances for _, source in instance.opened)
    check_counters(acceptor, 3)


@pytest.mark.parity("A.11 encoding of a data set")
def test_get_converts_where_the_requestor_took_another_syntax() -> None:
    instance = Instance(1, transfer_syntax=EXPLICIT)
    acceptor = Acceptor(Handlers(get=lambda request: [instance]), answers=[store_rsp(0)])
    acceptor.perform(get_request())
    assert [syntax for syntax, _ in instance.opened] == [IMPLICIT]
    assert acceptor.statuses == [0x0000]


@pytest.mark.parametrize("when", range(4))
def test_get_ends_quietly_when_the_requestor_is_gone(when: int) -> None:
    def gone(number: int) -> None:
        if number >= when:
            raise AssociationAborted("the peer closed the connection")

    instances = [Instance(1), Instance(2)]
    acceptor = Acceptor(Handlers(get=lambda request: instances), answers=[store_rsp(0)] * 2, at_send=gone)
    with pytest.raises(AssociationAborted):
        acceptor.perform(get_request())
    assert len(acceptor.sent) == when
    assert all(source.closed == 1 for instance in instances for _, source in instance.opened)
    assert acceptor.failures == []


@pytest.mark.parametrize(
    ("handler", "status"),
    [
        (lambda request: None, 0xC000),
        (lambda request: iter([]), 0x0000),
        (lambda request: 5, 0xC000),
        (lambda request: [Instance(0), "PATIENT.dcm"], 0xC000),
        (lambda request: itertools.repeat(Instance(0), 0x10000), 0xA701),
        (lambda request: [], 0x0000),
        (fail(ValueError("PATIENT^NAME")), 0xC000),
        (fail(DataSetError("level is missing")), 0xC000),
        (fail(SystemExit(1)), 0xC000),
        (fail(AssociationAborted("the next PACS aborted")), 0xC000),
        (refuse(0xA900, "level is missing"), 0xA900),
    ],
    ids=[
        "None",
        "iterator",
        "int",
        "no instance",
        "too many",
        "nothing",
        "ValueError",
        "DataSetError",
        "sys.exit",
        "AssociationAborted",
        "Refuse",
    ],
)
@pytest.mark.parity("A.2 sub-operations", "A.5 handlers that misbehave")
def test_retrieve_survives_its_handler(handler: Callable[[Any], Any], status: int) -> None:
    for received, handlers in (
        (get_request(), Handlers(get=handler)),
        (move_request(), Handlers(move=handler, destination=lambda title: ("127.0.0.1", 104))),
    ):
        acceptor = Acceptor(handlers)
        acceptor.perform(received)
        assert acceptor.statuses == [status]
        assert "PATIENT" not in (acceptor.only.error_comment or "")
        assert acceptor.only.number_of_remaining_sub_operations is None
        assert acceptor.opened == []
        assert acceptor.sent[0].data is None


@pytest.mark.parity("A.5 what a handler knows")
def test_retrieve_tells_its_handler_what_is_asked() -> None:
    asked: list[RetrieveRequest] = []

    def handler(request: RetrieveRequest) -> list[Any]:
        asked.append(request)
        return []

    handlers = Handlers(get=handler, move=handler, destination=lambda title: ("127.0.0.1", 104))
    Acceptor(handlers).perform(get_request(b'{"a": 1}'))
    Acceptor(handlers).perform(move_request())
    assert [request.model for request in asked] == [STUDY_GET, STUDY_MOVE]
    assert [request.move_destination for request in asked] == [None, "STORE"]
    assert asked[0].identifier() == {"a": 1}


# ------------------------------------------------------------------------------- C-MOVE


def move_request() -> Received:
    message = CMoveRQ(message_id=7, affected_sop_class_uid=STUDY_MOVE, move_destination="STORE")
    return Received(context(STUDY_MOVE), message, b"{}")


class Destination:
    """A C-MOVE destination that answers with *outcomes*; an exception among them is raised, and later ones never come."""

    def __init__(self, *outcomes: int | Exception, reverse: bool = False) -> None:
        self.outcomes = outcomes
        self.reverse = reverse
        self.ended: list[str] = []
        self.originator: tuple[str, int] | None = None

    def store(self, instances: Any, *, originator: tuple[str, int] | None = None) -> Iterator[Stored]:
        self.originator = originator
        order = list(reversed(instances)) if self.reverse else list(instances)
        for instance, outcome in zip(order, self.outcomes, strict=False):
            if isinstance(outcome, Exception):
                raise outcome
            yield Stored(instance, Status(outcome, "C-STORE"))

    def release(self) -> None:
        self.ended.append("released")

    def abort(self) -> None:
        self.ended.append("aborted")


def mover(instances: Any, destination: Any, **changes: Any) -> Acceptor:
    handlers = Handlers(move=lambda request: instances, destination=lambda title: ("127.0.0.1", 104))
    given = destination if callable(destination) else lambda *args: destination
    return Acceptor(handlers, destination=given, **changes)


@pytest.mark.parametrize("destinations", [None, lambda title: None], ids=["no register", "not in it"])
def test_move_to_an_unknown_destination(destinations: Callable[[str], Any] | None) -> None:
    handlers = Handlers(move=fail(AssertionError("asked for instances")), destination=destinations)
    acceptor = Acceptor(handlers)
    acceptor.perform(move_request())
    assert acceptor.statuses == [0xA801]
    assert acceptor.opened == [] and acceptor.failures == []


@pytest.mark.parametrize("mistake", [ValueError("PATIENT"), SystemExit(1)], ids=["ValueError", "sys.exit"])
def test_move_survives_its_destination_handler(mistake: BaseException) -> None:
    acceptor = Acceptor(Handlers(move=lambda request: [Instance(1)], destination=fail(mistake)))
    acceptor.perform(move_request())
    assert acceptor.responses[-1].status.is_failure


@pytest.mark.parametrize("outcomes", OUTCOMES[1:], ids=lambda outcomes: "-".join(f"{o:04X}" for o in outcomes))
@pytest.mark.parity("A.11 move originator", "A.11 all sub-operations failed")
def test_move_counts_its_sub_operations(outcomes: tuple[int, ...]) -> None:
    instances = [Instance(number) for number in range(len(outcomes))]
    destination = Destination(*outcomes)
    acceptor = mover(instances, destination)
    acceptor.perform(move_request())
    assert acceptor.opened == [(("127.0.0.1", 104), "STORE", instances)]
    assert destination.originator == ("SCU", 7)
    assert destination.ended == ["released"]
    assert acceptor.responses[-1].status == final_status(outcomes)
    check_counters(acceptor, len(outcomes))


@pytest.mark.parity("A.11 nothing to send")
def test_move_of_nothing_opens_no_association() -> None:
    acceptor = mover([], fail(AssertionError("opened")))
    acceptor.perform(move_request())
    assert acceptor.statuses == [0x0000]
    assert acceptor.opened == []


REFUSALS = [
    ConnectionFailed("127.0.0.1:104 refused the connection"),
    AssociationRejected("called AE title not recognized", result=1, source=1, reason_diag=7),
    OperationTimeout("the peer was silent"),
    NoPresentationContext("refused", abstract_syntax=CT),
]


@pytest.mark.parametrize("error", REFUSALS, ids=lambda error: type(error).__name__)
def test_move_to_a_destination_that_cannot_be_reached(error: Exception) -> None:
    def unreachable(*args: Any) -> Any:
        raise error

    acceptor = mover([Instance(1), Instance(2)], unreachable)
    acceptor.perform(move_request())
    assert acceptor.statuses == [0xA702]
    assert failed_uids(acceptor.sent[-1]) == ("1.2.3.1", "1.2.3.2")
    assert acceptor.failures == [error]
    check_counters(acceptor, 2)


@pytest.mark.parametrize("reverse", [False, True], ids=["in order", "out of order"])
@pytest.mark.parametrize("before", [0, 1, 2])
def test_move_to_a_destination_that_dies_midway(before: int, reverse: bool) -> None:
    """What has not been answered has failed, and the list names exactly those (with a window, answers come in any order)."""
    instances = [Instance(number) for number in range(3)]
    destination = Destination(*[0] * before, AssociationAborted("the peer aborted"), reverse=reverse)
    acceptor = mover(instances, destination)
    acceptor.perform(move_request())
    assert acceptor.responses[-1].status == (0xB000 if before else 0xA702)
    missing = instances[: -before or None] if reverse else instances[before:]
    assert sorted(failed_uids(acceptor.sent[-1])) == sorted(i.sop_instance_uid for i in missing)
    assert destination.ended == ["aborted"]
    check_counters(acceptor, 3)


@pytest.mark.parametrize(
    "error", [OSError(5, "Input/output error"), ValueError("PATIENT^NAME")], ids=["OSError", "ValueError"]
)
def test_move_survives_what_else_can_go_wrong(error: Exception) -> None:
    """A source that fails in the middle, say: the rest has failed, the counters still add up."""
    destination = Destination(0, error)
    acceptor = mover([Instance(1), Instance(2), Instance(3)], destination)
    acceptor.perform(move_request())
    assert destination.ended == ["aborted"]
    final = acceptor.responses[-1]
    assert not final.status.is_success and not final.status.is_pending
    assert final.number_of_completed_sub_operations == 1
    assert final.number_of_failed_sub_operations == 2
    assert "PATIENT" not in (final.error_comment or "")


@pytest.mark.parametrize("when", [0, 1])
def test_move_stops_when_it_is_cancelled(when: int) -> None:
    received = move_request()
    destination = Destination(0, 0xA700, 0, 0)
    acceptor = mover([Instance(number) for number in range(4)], destination, at_send=cancel(received, when))
    acceptor.perform(received)
    assert acceptor.statuses == [0xFF00] * (when + 1) + [0xFE00]
    assert acceptor.responses[-1].number_of_remaining_sub_operations == 3 - when
    assert destination.ended == ["released"]
    check_counters(acceptor, 4)


@pytest.mark.parametrize("when", [0, 1])
def test_move_ends_its_second_association_when_the_requestor_is_gone(when: int) -> None:
    def gone(number: int) -> None:
        if number >= when:
            raise AssociationAborted("the peer closed the connection")

    destination = Destination(0, 0, 0)
    acceptor = mover([Instance(number) for number in range(3)], destination, at_send=gone)
    with pytest.raises(AssociationAborted):
        acceptor.perform(move_request())
    assert len(acceptor.sent) == when
    assert len(destination.ended) == 1


def test_move_ends_its_second_association_when_it_is_dropped() -> None:
    destination = Destination(0, 0, 0)
    operation = perform(mover([Instance(1), Instance(2)], destination).link(), move_request())
    effect = next(operation)
    while not isinstance(effect, Send):
        answer = None
        if isinstance(effect, Call):
            answer = effect.function(*effect.args)
        elif isinstance(effect, Next):
            answer = next(effect.iterator, END)
        effect = operation.send(answer)
    operation.close()
    assert destination.ended == ["aborted"]
