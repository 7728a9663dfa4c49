"""DIMSE-N by hand, both sides: what is sent, what is answered, whatever the handlers do (PS3.7 section 10)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from by_hand import CODEC, CT, IMPLICIT, Acceptor, Hand, context, fail, refuse
from hypothesis import given
from hypothesis import strategies as st

from nbdicom.core.command import (
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
    Response,
)
from nbdicom.core.dimse import Received
from nbdicom.errors import AssociationAborted
from nbdicom.operations import scu
from nbdicom.operations.handlers import Handlers
from nbdicom.operations.requests import NCreateRequest, NormalizedRequest, Refuse, Reply
from nbdicom.status import Status
from nbdicom.uids import UID

PRINTER, META = UID("1.2.840.10008.5.1.1.16"), UID("1.2.840.10008.5.1.1.9")
PULL, PUSH = UID("1.2.840.10008.5.1.4.34.6.3"), UID("1.2.840.10008.5.1.4.34.6.1")
ONE = UID("1.2.3")

_AFFECTED = {"message_id": 7, "affected_sop_class_uid": PRINTER, "affected_sop_instance_uid": ONE}
_REQUESTED = {"message_id": 7, "requested_sop_class_uid": PRINTER, "requested_sop_instance_uid": ONE}
#: service -> its request, the class of its response
CASES: dict[str, tuple[Request, type[Response]]] = {
    "n_event_report": (NEventReportRQ(**_AFFECTED, event_type_id=3), NEventReportRSP),
    "n_get": (NGetRQ(**_REQUESTED, attribute_identifier_list=(0x00100010,)), NGetRSP),
    "n_set": (NSetRQ(**_REQUESTED), NSetRSP),
    "n_action": (NActionRQ(**_REQUESTED, action_type_id=4), NActionRSP),
    "n_create": (NCreateRQ(**_AFFECTED), NCreateRSP),
    "n_delete": (NDeleteRQ(**_REQUESTED), NDeleteRSP),
}
every_service = pytest.mark.parametrize("service", CASES)
with_data = pytest.mark.parametrize("service", [name for name in CASES if name != "n_delete"])


def ask(
    service: str,
    handler: Callable[[Any], Any] | None,
    *,
    abstract_syntax: UID = PRINTER,
    message: Request | None = None,
    **changes: Any,
) -> Acceptor:
    acceptor = Acceptor(Handlers(**{service: handler}))
    acceptor.perform(Received(context(abstract_syntax, 9), message or CASES[service][0], **changes))
    return acceptor


# ------------------------------------------------------------------------------- performing


@every_service
@pytest.mark.parity("A.5 what a handler knows")
def test_the_handler_gets_what_was_asked(service: str) -> None:
    asked: list[NormalizedRequest] = []

    def handler(request: NormalizedRequest) -> Any:
        asked.append(request)
        return None if service == "n_delete" else {"a": 1}

    acceptor = ask(service, handler, data=b'{"k": "v"}')
    (request,) = asked
    assert (request.sop_class_uid, request.sop_instance_uid) == (PRINTER, ONE)
    assert request.calling_ae_title == "SCU" and request.transfer_syntax == IMPLICIT
    assert request.data == b'{"k": "v"}' and request.dataset() == {"k": "v"}
    assert getattr(request, "event_type_id", 3) == 3 and getattr(request, "action_type_id", 4) == 4
    assert getattr(request, "attribute_identifier_list", (0x00100010,)) == (0x00100010,)
    response = acceptor.only
    assert type(response) is CASES[service][1]
    assert (response.status, response.message_id_being_responded_to) == (0x0000, 7)
    assert (response.affected_sop_class_uid, response.affected_sop_instance_uid) == (PRINTER, ONE)
    assert acceptor.sent[0].context_id == 9


#: what a handler returns -> status, data set of the response
RESULTS: dict[str, tuple[Any, int, bytes | None]] = {
    "a mapping": ({"a": 1}, 0x0000, b'{"a": 1}'),
    "bytes": (b"raw", 0x0000, b"raw"),
    "a failure": (0x0112, 0x0112, None),
    "a Status": (Status(0x0124), 0x0124, None),
    "a warning": (0x0116, 0x0116, None),
    "status and data set": ((0x0107, {"a": 1}), 0x0107, b'{"a": 1}'),
    "success and data set": ((0x0000, {"a": 1}), 0x0000, b'{"a": 1}'),
    "failure and nothing": ((0x0110, None), 0x0110, None),
    "failure and data set": ((0x0110, {"a": 1}), 0x0110, None),  # a reply belongs to what was done
}


@with_data
@pytest.mark.parametrize("result", RESULTS)
def test_what_a_handler_returns_is_answered(service: str, result: str) -> None:
    value, status, data = RESULTS[result]
    acceptor = ask(service, lambda request: value)
    assert acceptor.failures == []
    assert acceptor.only.status == status
    sent = acceptor.sent[0].data
    assert (None if sent is None else b"".join(bytes(view) for view, _ in sent.chunks(99))) == data
    if data is not None:
        assert getattr(acceptor.only, "event_type_id", 3) == 3 and getattr(acceptor.only, "action_type_id", 4) == 4


@pytest.mark.parametrize("service", [name for name in CASES if name != "n_get"])
def test_nothing_is_success(service: str) -> None:
    for nothing in (None, 0x0000, (0x0000, None)):
        acceptor = ask(service, lambda request, nothing=nothing: nothing)
        assert (acceptor.only.status, acceptor.sent[0].data, acceptor.failures) == (0x0000, None, [])


MISTAKES: dict[str, Callable[[Any], Any]] = {
    "str": lambda request: "0000",
    "str and status": lambda request: ("0000", None),
    "status and str": lambda request: (0x0000, "PATIENT^NAME"),
    "status and number": lambda request: (0x0000, 5),
    "True": lambda request: True,
    "False": lambda request: False,
    "float": lambda request: 0.0,
    "negative": lambda request: -1,
    "17 bits": lambda request: (0x10000, None),
    "three": lambda request: (0x0000, None, None),
    "one": lambda request: (0x0000,),
    "pending": lambda request: 0xFF00,
    "a warning of another service": lambda request: 0xB304,
    "a warning of nobody": lambda request: (0xB123, None),
    "not to be encoded": lambda request: {"a": object()},
    "KeyError": fail(KeyError("PATIENT^NAME")),
    "sys.exit": fail(SystemExit(1)),
    "AssociationAborted": fail(AssociationAborted("the next PACS aborted")),
    "Refuse pending": refuse(0xFF00),
}


@every_service
@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_of_the_handler_is_a_processing_failure(service: str, mistake: str) -> None:
    acceptor = ask(service, MISTAKES[mistake])
    assert acceptor.only.status == 0x0110
    assert len(acceptor.failures) == 1
    assert "PATIENT" not in (acceptor.only.error_comment or "")


@every_service
def test_a_failure_that_no_table_has_is_sent_and_reported(service: str) -> None:
    for handler in (lambda request: 0xC301, refuse(0xC301)):
        acceptor = ask(service, handler)
        assert acceptor.only.status == 0xC301 and len(acceptor.failures) == 1
    private = UID("1.2.3.4")
    asked = {"affected": {"affected_sop_class_uid": private}, "requested": {"requested_sop_class_uid": private}}
    kind = "affected" if hasattr(CASES[service][0], "affected_sop_class_uid") else "requested"
    message = replace(CASES[service][0], **asked[kind])
    for status in (0xC301, 0xB123):  # a private SOP Class has its own
        acceptor = ask(service, lambda request, status=status: status, abstract_syntax=private, message=message)
        assert acceptor.only.status == status and acceptor.failures == []


@pytest.mark.parametrize("nothing", [None, 0x0000, (0x0000, None)])
def test_a_get_without_attributes_is_a_mistake(nothing: Any) -> None:
    acceptor = ask("n_get", lambda request: nothing)
    assert acceptor.only.status == 0x0110 and len(acceptor.failures) == 1


def test_a_delete_with_a_data_set_is_a_mistake() -> None:
    acceptor = ask("n_delete", lambda request: {"a": 1})
    assert acceptor.only.status == 0x0110 and len(acceptor.failures) == 1


things = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.binary(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=5), inner, max_size=2)
        | st.builds(Status, st.integers(0, 0xFFFF))
    ),
    max_leaves=5,
)


@given(service=st.sampled_from(sorted(CASES)), thing=things, raised=st.booleans())
def test_whatever_a_handler_does_there_is_one_answer(service: str, thing: Any, raised: bool) -> None:
    def handler(request: Any) -> Any:
        if raised:
            raise Refuse(thing, thing)
        return thing

    acceptor = ask(service, handler)
    status = acceptor.only.status
    assert 0 <= status <= 0xFFFF and not status.is_pending
    if acceptor.failures:
        assert status.is_failure
    if status.is_failure:
        assert acceptor.sent[0].data is None


@every_service
def test_a_refusal_is_answered(service: str) -> None:
    acceptor = ask(service, refuse(0x0112, "no such film"))
    assert (acceptor.only.status, acceptor.only.error_comment) == (0x0112, "no such film")
    assert acceptor.failures == []


@every_service
def test_a_data_set_that_is_too_large_is_a_resource_limitation(service: str) -> None:
    acceptor = ask(service, lambda request: pytest.fail("asked"), sink_error=MemoryError("too large"))
    assert acceptor.only.status == 0x0213


@every_service
def test_our_own_association_ends_the_operation(service: str) -> None:
    """Nobody is left to answer to: the driver's error passes."""

    def gone(number: int) -> None:
        raise AssociationAborted("gone")

    acceptor = Acceptor(Handlers(**{service: lambda request: 0x0110}), at_send=gone)
    with pytest.raises(AssociationAborted):
        acceptor.perform(Received(context(PRINTER), CASES[service][0]))


@pytest.mark.parametrize(
    ("abstract_syntax", "sop_class", "status"),
    [
        (PRINTER, PRINTER, 0x0000),
        (META, PRINTER, 0x0000),  # PS3.4 H.3.1: the Meta SOP Class stands for its SOP Classes
        (PULL, PUSH, 0x0000),  # PS3.4 CC.3.1: a workitem keeps the class that it was created under
        (PRINTER, PUSH, 0x0118),
        (CT, UID("1.2.840.10008.5.1.4.1.1.4"), 0x0118),
        (PRINTER, UID("1.2.3.4"), 0x0118),
        (UID("1.2.3.4"), PRINTER, 0x0118),
        (UID("1.2.3.4"), UID("1.2.3.4"), 0x0000),
    ],
)
def test_a_sop_class_belongs_to_its_context(abstract_syntax: UID, sop_class: UID, status: int) -> None:
    message = NDeleteRQ(message_id=7, requested_sop_class_uid=sop_class, requested_sop_instance_uid=ONE)
    assert ask("n_delete", lambda request: 0, abstract_syntax=abstract_syntax, message=message).statuses == [status]


@pytest.mark.parity("A.11 instance UID of N-CREATE-RSP")
def test_create_without_instance_uid_is_given_one() -> None:
    asked: list[NCreateRequest] = []
    message = NCreateRQ(message_id=7, affected_sop_class_uid=PRINTER)
    for _ in range(2):
        acceptor = ask("n_create", lambda request: asked.append(request), message=message)
        assert acceptor.only.affected_sop_instance_uid == asked[-1].sop_instance_uid
    first, second = asked
    assert first.assigned and first.sop_instance_uid.is_valid and first.sop_instance_uid != second.sop_instance_uid
    assert ask("n_create", refuse(0x0110), message=message).only.affected_sop_instance_uid is None


# ------------------------------------------------------------------------------- invoking

CX = context(PRINTER, 5)
#: service -> (operation, the request that it sends, the data set with it, the response to it)
INVOKED: dict[str, tuple[Callable[[], Any], Request, bytes | None]] = {
    "n_event_report": (
        lambda: scu.n_event_report(CX, PRINTER, ONE, 3, b"data", CODEC),
        NEventReportRQ(affected_sop_class_uid=PRINTER, affected_sop_instance_uid=ONE, event_type_id=3),
        b"data",
    ),
    "n_get": (
        lambda: scu.n_get(CX, PRINTER, ONE, (0x00100010, 0x00100020), CODEC),
        NGetRQ(
            requested_sop_class_uid=PRINTER,
            requested_sop_instance_uid=ONE,
            attribute_identifier_list=(0x00100010, 0x00100020),
        ),
        None,
    ),
    "n_get of all": (
        lambda: scu.n_get(CX, PRINTER, ONE, (), CODEC),
        NGetRQ(requested_sop_class_uid=PRINTER, requested_sop_instance_uid=ONE),
        None,
    ),
    "n_set": (
        lambda: scu.n_set(CX, PRINTER, ONE, b"data", CODEC),
        NSetRQ(requested_sop_class_uid=PRINTER, requested_sop_instance_uid=ONE),
        b"data",
    ),
    "n_action": (
        lambda: scu.n_action(CX, PRINTER, ONE, 4, None, CODEC),
        NActionRQ(requested_sop_class_uid=PRINTER, requested_sop_instance_uid=ONE, action_type_id=4),
        None,
    ),
    "n_create": (
        lambda: scu.n_create(CX, PRINTER, None, b"data", CODEC),
        NCreateRQ(affected_sop_class_uid=PRINTER),
        b"data",
    ),
    "n_delete": (
        lambda: scu.n_delete(CX, PRINTER, ONE, CODEC),
        NDeleteRQ(requested_sop_class_uid=PRINTER, requested_sop_instance_uid=ONE),
        None,
    ),
}


@pytest.mark.parametrize("case", INVOKED)
@pytest.mark.parametrize("status", [0x0000, 0x0107, 0x0112])
def test_an_operation_sends_its_request_and_delivers_the_reply(case: str, status: int) -> None:
    operation, request, data = INVOKED[case]
    hand = Hand(operation())
    sent = hand.sends(type(request))
    assert (sent.context_id, sent.message) == (5, request)
    assert (None if sent.data is None else b"".join(bytes(view) for view, _ in sent.data.chunks(99))) == data
    response = CASES[case.split()[0]][1](message_id_being_responded_to=1, status=Status(status))
    if case == "n_create":
        response.affected_sop_instance_uid = UID("9.9")  # type: ignore[attr-defined]
    hand.receives(response, b'{"a": 1}')
    reply = hand.delivers()
    assert isinstance(reply, Reply)
    assert (reply.status, reply.dataset(), reply.message) == (status, {"a": 1}, response)
    assert reply.sop_instance_uid == ("9.9" if case == "n_create" else ONE)
    assert hand.ended and hand.result == status


@every_service
def test_a_refusal_with_an_error_id(service: str) -> None:
    def handler(request: Any) -> Any:
        raise Refuse(0x0110, "may no longer be updated", error_id=0xA710)

    answer = ask(service, handler).only
    assert (answer.status, answer.error_comment, answer.error_id) == (0x0110, "may no longer be updated", 0xA710)
