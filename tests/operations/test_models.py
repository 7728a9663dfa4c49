"""Queries and retrievals under every information model, by hand (PS3.4 C, K, Q, U, V, X, BB, CC, HH, II, JJ)."""

from __future__ import annotations

from typing import Any

import pytest
from by_hand import CT, VERIFICATION, Acceptor, Instance, context

from nbdicom.core.command import CFindRQ, CGetRQ, CStoreRSP
from nbdicom.core.dimse import Received
from nbdicom.operations.handlers import Handlers
from nbdicom.operations.requests import FindRequest, RetrieveRequest
from nbdicom.services import dimse_services
from nbdicom.status import Status
from nbdicom.uids import UID, sop_classes

FINDS = [entry.uid for entry in sop_classes() if "C-FIND" in dimse_services(entry.uid)]
GETS = [entry.uid for entry in sop_classes() if "C-GET" in dimse_services(entry.uid)]
RELEVANT = UID.of("BreastImagingRelevantPatientInformationQuery")


def find(model: UID, abstract_syntax: UID | None = None, *matches: Any) -> tuple[Acceptor, list[FindRequest]]:
    asked: list[FindRequest] = []

    def handler(request: FindRequest) -> tuple[Any, ...]:
        asked.append(request)
        return matches

    acceptor = Acceptor(Handlers(find=handler))
    received = Received(context(abstract_syntax or model), CFindRQ(message_id=7, affected_sop_class_uid=model), b"{}")
    acceptor.perform(received)
    return acceptor, asked


@pytest.mark.parametrize("model", FINDS, ids=lambda uid: uid.keyword)
def test_every_model_is_asked(model: UID) -> None:
    acceptor, (request,) = find(model, None, {"k": 1})
    assert request.model == model
    assert acceptor.statuses == [0xFF00, 0x0000]
    assert {message.affected_sop_class_uid for message in acceptor.responses} == {model}


@pytest.mark.parametrize("model", GETS, ids=lambda uid: uid.keyword)
def test_every_model_is_retrieved(model: UID) -> None:
    asked: list[RetrieveRequest] = []

    def get(request: RetrieveRequest) -> list[Instance]:
        asked.append(request)
        return [Instance(1)]

    stored = CStoreRSP(message_id_being_responded_to=1, status=Status(0))
    acceptor = Acceptor(Handlers(get=get), contexts=(context(CT, 5),), answers=[Received(context(CT, 5), stored)])
    acceptor.perform(Received(context(model), CGetRQ(message_id=7, affected_sop_class_uid=model), b"{}"))
    assert [request.model for request in asked] == [model]
    assert acceptor.statuses == [0x0000]


@pytest.mark.parametrize(
    ("matches", "statuses"),
    [((), [0x0000]), (({"k": 1},), [0xFF00, 0x0000]), (({"k": 1}, {"k": 2}), [0xC100]), (({},) * 9, [0xC100])],
)
@pytest.mark.parity("A.4 Relevant Patient Information")
def test_relevant_patient_information_has_one_match_at_most(matches: tuple[Any, ...], statuses: list[int]) -> None:
    """PS3.4 Q.4: more than one match is a failure, and then none is sent."""
    acceptor, _ = find(RELEVANT, None, *matches)
    assert acceptor.statuses == statuses
    assert acceptor.failures == []


@pytest.mark.parametrize(
    ("abstract_syntax", "model", "statuses"),
    [
        ("UnifiedProcedureStepPull", "UnifiedProcedureStepWatch", [0xFF00, 0x0000]),
        (
            "StudyRootQueryRetrieveInformationModelFind",
            "PatientRootQueryRetrieveInformationModelFind",
            [0xFF00, 0x0000],
        ),
        ("ModalityWorklistInformationModelFind", "StudyRootQueryRetrieveInformationModelFind", [0x0122]),
        (VERIFICATION, "StudyRootQueryRetrieveInformationModelFind", [0x0122]),
    ],
)
def test_a_model_belongs_to_its_context(abstract_syntax: str, model: str, statuses: list[int]) -> None:
    """What was not negotiated is not asked of a handler."""
    acceptor, asked = find(UID.of(model), UID.of(abstract_syntax), {"k": 1})
    assert acceptor.statuses == statuses
    assert len(asked) == (statuses != [0x0122])
    getter = Acceptor(Handlers(get=lambda request: pytest.fail("asked")))
    getter.perform(Received(context(VERIFICATION), CGetRQ(message_id=7, affected_sop_class_uid=UID.of(model)), b"{}"))
    assert getter.statuses == [0x0122]
