"""Every service class with pynetdicom at the other end, in both roles (PS3.4).

The cases are made from the table of services, so that none can be forgotten: a SOP Class that is added there is tried here.
One association carries a whole role; what the peer answered is looked at one service at a time.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset, FileMetaDataset

import nbdicom as nd
from nbdicom.core.command import CFindRSP
from nbdicom.core.negotiation import PresentationContext
from nbdicom.data import instance
from nbdicom.operations.requests import ReceivedInstance, Refuse, SubOperations
from nbdicom.services import dimse_services, meta_sop_class
from nbdicom.trace import MessageSent, on
from nbdicom.uids import UID, ServiceClass, sop_classes

from . import peers
from .conftest import started

_PROGRAM = Path(peers.__file__).with_name("pynetdicom_services.py")
EXPLICIT = UID("1.2.840.10008.1.2.1")
ONE = "1.2.3.4.5"
CT = UID.of("CTImageStorage")
COMMITMENT = UID.of("StorageCommitmentPushModel")
METAS = [UID.of("BasicGrayscalePrintManagementMeta"), UID.of("BasicColorPrintManagementMeta")]

CURRENT = [entry for entry in sop_classes() if not entry.retired and entry.uid not in METAS]
#: (SOP Class, DIMSE-N service), all of them
NORMALIZED = [(entry.uid, dimse) for entry in CURRENT for dimse in dimse_services(entry.uid) if dimse.startswith("N-")]
N_CLASSES = list(dict.fromkeys(uid for uid, _ in NORMALIZED))
NON_PATIENT = [entry.uid for entry in sop_classes(ServiceClass.NON_PATIENT_OBJECT_STORAGE)]
#: Patient/Study Only is retired but still spoken
MODELS = [
    (entry.uid, dimse)
    for entry in sop_classes()
    for dimse in dimse_services(entry.uid)
    if dimse in ("C-FIND", "C-GET", "C-MOVE")
    and (not entry.retired or entry.service_class is ServiceClass.QUERY_RETRIEVE)
]
CLASSES = list(dict.fromkeys([*N_CLASSES, *METAS, *(uid for uid, _ in MODELS), *NON_PATIENT, CT]))
CONTEXTS = [
    PresentationContext(uid, (EXPLICIT,), True, True)
    if uid in N_CLASSES or uid in NON_PATIENT or uid == CT
    else PresentationContext(uid, (EXPLICIT,))
    for uid in CLASSES
]
PAYLOAD = {"PatientComments": "to be answered", "PatientID": "interop"}

UNKNOWN_TO_PYNETDICOM = {UID.of("VOILUTBox")}
every_normalized = pytest.mark.parametrize(
    ("sop_class", "dimse"), NORMALIZED, ids=[f"{uid.keyword}-{dimse}" for uid, dimse in NORMALIZED]
)
every_model = pytest.mark.parametrize(
    ("model", "dimse"), MODELS, ids=[f"{uid.keyword}-{dimse}" for uid, dimse in MODELS]
)


def stored_class(model: UID) -> UID:
    """What an instance of a model is."""
    keyword = model.keyword
    for uid in NON_PATIENT:
        if keyword.startswith(uid.keyword.removesuffix("Storage").removeprefix("CT").removeprefix("XA")):
            return uid
    return CT


def test_there_is_something_to_try() -> None:
    assert len(CLASSES) <= 128
    assert len(N_CLASSES) >= 26 and len(MODELS) >= 40
    assert stored_class(UID.of("HangingProtocolInformationModelGet")).keyword == "HangingProtocolStorage"


def known(sop_class: UID) -> None:
    if sop_class in UNKNOWN_TO_PYNETDICOM:
        pytest.skip(f"pynetdicom has no service for the {sop_class.name}")


# ------------------------------------------------------------------------------- pynetdicom as SCP


@pytest.fixture(scope="module")
def destination():
    """Where pynetdicom moves to."""
    received: list[str] = []

    def store(request: Any) -> int:
        received.append(request.sop_instance_uid)
        return 0x0000

    contexts = [(uid, EXPLICIT) for uid in (*NON_PATIENT, CT)]
    with nd.Server(nd.Handlers(store=store), ae_title="DESTINATION", contexts=contexts, any_called=True) as server:
        yield server, received


@pytest.fixture(scope="module")
def reports():
    return []


@pytest.fixture(scope="module")
def scp(folder, destination):
    """pynetdicom as the SCP of everything."""

    def make() -> peers.Program:
        port = peers.free_port()
        destinations = json.dumps({"DESTINATION": destination[0].address[1]})
        argv = [peers.pynetdicom(), _PROGRAM, "scp", str(port), "PYNETDICOM", destinations, json.dumps(CLASSES)]
        return peers.Program(argv, folder / "services", port, "PYNETDICOM")

    program = started(make)
    yield program
    program.stop()


@pytest.fixture(scope="module")
def open_associations():
    """The association that the tests of this module share: one is enough as long as nobody breaks it."""
    shared: list[nd.Association] = []
    yield shared
    for one in shared:
        one.release()


@pytest.fixture
def association(scp, reports, open_associations):
    """An association with pynetdicom for every service."""
    if not open_associations or not open_associations[-1].is_established:
        one = nd.associate(
            (peers.LOOPBACK, scp.port),
            called="PYNETDICOM",
            contexts=CONTEXTS,
            handlers=nd.Handlers(n_event_report=reports.append),
            timeouts=nd.Timeouts(dimse=20),
        )
        assert len(one.negotiation.accepted) == len(CONTEXTS)
        open_associations.append(one)
    return open_associations[-1]


@every_normalized
@pytest.mark.parity(
    "A.2 N-GET",
    "A.2 N-SET",
    "A.2 N-ACTION",
    "A.2 N-CREATE",
    "A.2 N-DELETE",
    "A.2 N-EVENT-REPORT",
    "A.4 Application Event Logging",
    "A.4 Display System",
    "A.4 Instance Availability",
    "A.4 Media Creation",
    "A.4 Print Management",
    "A.4 Modality Performed Procedure Step",
    "A.4 RT Machine Verification",
    "A.4 Storage Commitment",
    "A.4 Storage Management",
    "A.4 Unified Procedure Step",
)
def test_normalized_to_pynetdicom(association, sop_class, dimse):
    known(sop_class)
    if dimse == "N-CREATE":
        reply = association.n_create(sop_class, PAYLOAD, sop_instance=ONE)
        assert reply.sop_instance_uid == ONE and reply.dataset().PatientComments == "to be answered"
    elif dimse == "N-GET":
        reply = association.n_get(sop_class, ONE, ["PatientID", "PatientComments"])
        assert reply.dataset().InstanceCreatorUID == ONE
        assert reply.dataset().PatientComments == "00100020,00104000"
    elif dimse == "N-SET":
        reply = association.n_set(sop_class, ONE, PAYLOAD)
        assert reply.dataset().PatientComments == "to be answered"
    elif dimse == "N-ACTION":
        reply = association.n_action(sop_class, ONE, 2, PAYLOAD)
        assert (reply.dataset().PatientID, reply.dataset().PatientComments) == ("interop", "2")
    elif dimse == "N-EVENT-REPORT":
        reply = association.n_event_report(sop_class, ONE, 3, PAYLOAD)
        assert (reply.dataset().PatientID, reply.dataset().PatientComments) == ("interop", "3")
    else:
        reply = association.n_delete(sop_class, ONE)
        with pytest.raises(nd.OperationFailed) as failed:
            association.n_delete(sop_class, "1.9.9")
        assert failed.value.status == 0x0112
    assert reply.status == 0x0000


@pytest.mark.parity("A.11 instance UID of N-CREATE-RSP")
def test_pynetdicom_assigns_an_instance_uid(association):
    reply = association.n_create("BasicFilmSession", PAYLOAD, meta_sop_class=METAS[0])
    assert reply.sop_instance_uid.is_valid


@pytest.mark.parametrize("meta", METAS, ids=lambda uid: uid.keyword)
@pytest.mark.parity("A.2 meta_uid")
def test_a_meta_sop_class_of_pynetdicom(association, meta):
    for sop_class in meta_sop_class(meta):
        for dimse in dimse_services(sop_class):
            if dimse == "N-SET":
                reply = association.n_set(sop_class, ONE, PAYLOAD, meta_sop_class=meta)
                assert reply.dataset().PatientComments == "to be answered"
            elif dimse == "N-GET":
                assert association.n_get(sop_class, ONE, meta_sop_class=meta).dataset().InstanceCreatorUID == ONE


@pytest.mark.parity("A.2 requests to a requestor", "A.4 Storage Commitment")
def test_pynetdicom_reports_on_the_same_association(association, reports):
    """Storage commitment: the report comes to the requestor, whenever it comes."""
    before = len(reports)
    association.n_action(COMMITMENT, COMMITMENT + ".1", 1, {"TransactionUID": "1.2.3.9"})
    assert association.listen(20, until=lambda: len(reports) > before)
    (report,) = [one for one in reports if one.dataset().get("TransactionUID") == "1.2.3.9"]
    assert (report.sop_class_uid, report.event_type_id) == (COMMITMENT, 1)


@every_model
@pytest.mark.parity(
    "A.4 Query/Retrieve",
    "A.4 Basic Worklist",
    "A.4 Hanging Protocol",
    "A.4 Color Palette",
    "A.4 Defined Procedure Protocol",
    "A.4 Implant Template",
    "A.4 Protocol Approval",
    "A.4 Inventory",
    "A.4 Relevant Patient Information",
    "A.4 Substance Administration",
)
def test_models_of_pynetdicom(association, destination, model, dimse):
    sop_class = stored_class(model)
    if dimse == "C-FIND":
        single = "RelevantPatient" in model.keyword
        query = {"PatientID": "", "PatientComments": "", "NumberOfStudyRelatedInstances": 1 if single else 3}
        matches = [match.dataset() for match in association.find(query, model=model)]
        assert [match.PatientID for match in matches] == [f"match {k}" for k in range(1 if single else 3)]
        assert {match.PatientComments for match in matches} == {model}
        return
    identifier = {"QueryRetrieveLevel": "IMAGE", "SOPInstanceUID": ONE, "SOPClassesInStudy": sop_class}
    if dimse == "C-GET":
        answers = list(association.get(identifier, model=model))
        (arrived,) = [answer for answer in answers if isinstance(answer, ReceivedInstance)]
        assert (arrived.sop_class_uid, arrived.sop_instance_uid) == (sop_class, ONE)
    else:
        received = destination[1]
        received.clear()
        answers = list(association.move(identifier, destination="DESTINATION", model=model))
        assert received == [ONE]
    last = answers[-1]
    assert isinstance(last, SubOperations)
    assert (last.status, last.completed, last.failed) == (0x0000, 1, 0)


@pytest.mark.parametrize("sop_class", NON_PATIENT, ids=lambda uid: uid.keyword)
@pytest.mark.parity("A.4 Non-Patient Object Storage")
def test_non_patient_objects_to_pynetdicom(association, sop_class):
    (stored,) = association.store([object_of(sop_class)])
    assert stored.ok


def object_of(sop_class: UID, uid: str = ONE) -> Any:
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID, ds.PatientID = sop_class, uid, "interop"
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = EXPLICIT
    return instance(ds)


# ------------------------------------------------------------------------------- pynetdicom as SCU


@dataclass
class Ours:
    """Our SCP of everything: it answers with what it is asked, and notes it."""

    calls: list[Any] = field(default_factory=list)
    destination: tuple[str, int] | None = None
    matches: dict[str, list[int]] = field(default_factory=dict)  #: model -> statuses of what went out

    def note(self, event: MessageSent) -> None:
        if isinstance(event.message, CFindRSP):
            self.matches.setdefault(str(event.message.affected_sop_class_uid), []).append(int(event.message.status))

    def answer(self, request: Any, **more: Any) -> Dataset:
        self.calls.append(request)
        ds = request.dataset()
        for keyword, value in more.items():
            setattr(ds, keyword, value)
        return ds

    def find(self, request: Any) -> Any:
        ds = request.identifier()
        for number in range(int(ds.NumberOfStudyRelatedInstances)):
            yield {"PatientID": f"match {number}", "PatientComments": request.model}

    def retrieve(self, request: Any) -> list[Any]:
        ds = request.identifier()
        return [object_of(UID(ds.SOPClassesInStudy), ds.SOPInstanceUID)]

    def delete(self, request: Any) -> None:
        if not request.sop_instance_uid.startswith("1.2.3"):
            raise Refuse(0x0112, "never heard of it")

    def action(self, request: Any) -> Dataset:
        return self.answer(request, PatientComments=str(request.action_type_id))

    def handlers(self) -> nd.Handlers:
        return nd.Handlers(
            n_create=self.answer,
            n_get=lambda request: self.answer(
                request,
                InstanceCreatorUID=request.sop_instance_uid,
                PatientComments=",".join(f"{tag:08X}" for tag in request.attribute_identifier_list),
            ),
            n_set=self.answer,
            n_action=self.action,
            n_event_report=lambda request: self.answer(request, PatientComments=str(request.event_type_id)),
            n_delete=self.delete,
            find=self.find,
            get=self.retrieve,
            move=self.retrieve,
            destination=lambda title: self.destination,
            store=lambda request: 0x0000,
        )


def to_call(sop_class: UID, dimse: str) -> dict[str, Any]:
    name = dimse.lower().replace("-", "_") if dimse.startswith("N-") else dimse[2:].lower()
    one: dict[str, Any] = {"call": name, "class": sop_class}
    if dimse.startswith("N-"):
        one |= {"instance": ONE, "dataset": PAYLOAD, "type": 3, "tags": [0x00100020, 0x00104000]}
    elif dimse == "C-FIND":
        one["dataset"] = {"PatientID": "", "NumberOfStudyRelatedInstances": 2}
    else:
        one["dataset"] = {
            "QueryRetrieveLevel": "IMAGE",
            "SOPInstanceUID": ONE,
            "SOPClassesInStudy": stored_class(sop_class),
        }
        one["destination"] = "DESTINATION"
    return one


@pytest.fixture(scope="module")
def said(folder, destination):
    """What pynetdicom was answered to all its calls, by (SOP Class, DIMSE service)."""
    asked = [*NORMALIZED, *MODELS, *((uid, "C-STORE") for uid in NON_PATIENT)]
    calls = [to_call(*one) for one in asked]
    for one, (_, dimse) in zip(calls, asked, strict=True):
        if dimse == "C-STORE":
            one["instance"] = ONE
    special = [
        {"call": "n_create", "class": UID.of("BasicFilmSession"), "meta": METAS[0], "dataset": PAYLOAD},
        {"call": "n_delete", "class": UID.of("BasicFilmBox"), "meta": METAS[1], "instance": "1.9.9"},
        {
            "call": "find",
            "class": UID.of("GeneralRelevantPatientInformationQuery"),
            "dataset": {"PatientID": "", "NumberOfStudyRelatedInstances": 2},
        },
    ]
    with_scp_role = [*N_CLASSES, *NON_PATIENT, CT]
    work = {"classes": CLASSES, "scp": with_scp_role, "calls": [*calls, *special]}
    path = folder / "services.json"
    path.write_text(json.dumps(work))
    try:
        interpreter = peers.pynetdicom()
    except peers.Missing as missing:
        pytest.skip(str(missing))
    ours = Ours(destination=destination[0].address)
    contexts = [(uid, EXPLICIT) for uid in CLASSES]
    with nd.Server(ours.handlers(), ae_title="OURS", contexts=contexts, trace=on(MessageSent, ours.note)) as server:
        address = f"OURS@{peers.LOOPBACK}:{server.address[1]}"
        run = peers.run([interpreter, _PROGRAM, "scu", address, path])
    answers = json.loads(run.stdout.splitlines()[-1])
    return dict(zip([*asked, "assigned", "refused", "several"], answers["results"], strict=True)), answers, ours


@every_normalized
@pytest.mark.parity(
    "A.5 EVT_N_GET",
    "A.5 EVT_N_SET",
    "A.5 EVT_N_ACTION",
    "A.5 EVT_N_CREATE",
    "A.5 EVT_N_EVENT_REPORT",
    "A.5 EVT_N_DELETE",
    "A.4 Application Event Logging",
    "A.4 Display System",
    "A.4 Instance Availability",
    "A.4 Media Creation",
    "A.4 Print Management",
    "A.4 Modality Performed Procedure Step",
    "A.4 RT Machine Verification",
    "A.4 Storage Commitment",
    "A.4 Storage Management",
    "A.4 Unified Procedure Step",
)
def test_normalized_from_pynetdicom(said, sop_class, dimse):
    answer = said[0][sop_class, dimse]
    assert answer["status"] == 0x0000
    told = answer["answer"]
    if dimse in ("N-CREATE", "N-SET"):
        assert told == PAYLOAD
    elif dimse == "N-GET":
        assert (told["InstanceCreatorUID"], told["PatientComments"]) == (ONE, "00100020,00104000")
    elif dimse != "N-DELETE":
        assert (told["PatientID"], told["PatientComments"]) == ("interop", "3")


@every_model
@pytest.mark.parity(
    "A.4 Query/Retrieve",
    "A.4 Basic Worklist",
    "A.4 Hanging Protocol",
    "A.4 Color Palette",
    "A.4 Defined Procedure Protocol",
    "A.4 Implant Template",
    "A.4 Protocol Approval",
    "A.4 Inventory",
    "A.4 Relevant Patient Information",
    "A.4 Substance Administration",
)
def test_models_from_pynetdicom(said, model, dimse):
    answer = said[0][model, dimse]
    if dimse == "C-FIND" and "RelevantPatient" in model.keyword:
        assert answer["statuses"] == [0xC100]  # two matches, where at most one is allowed
    elif dimse == "C-FIND":
        sent = said[2].matches[model]  # several times, where pynetdicom noticed itself that it had lost an answer
        assert sent[-3:] == [0xFF00, 0xFF00, 0x0000], "what we sent"
        if answer["statuses"] == [0xFF00, 0x0000]:
            pytest.skip("both matches went out; pynetdicom's two threads took one from each other")
        assert answer["statuses"] == [0xFF00, 0xFF00, 0x0000]
        assert [one.get("PatientComments") for one in answer["answers"]] == [model, model, None]
    else:
        assert answer["statuses"][-1] == 0x0000


@pytest.mark.parametrize("sop_class", NON_PATIENT, ids=lambda uid: uid.keyword)
@pytest.mark.parity("A.4 Non-Patient Object Storage")
def test_non_patient_objects_from_pynetdicom(said, sop_class):
    assert said[0][sop_class, "C-STORE"]["status"] == 0x0000


def test_what_pynetdicom_retrieved(said):
    gets = sum(dimse == "C-GET" for _, dimse in MODELS)
    assert said[1]["received"] == [ONE] * gets


def test_pynetdicom_is_given_an_instance_uid_and_refused(said):
    assert said[0]["assigned"]["status"] == 0x0000
    # Pynetdicom does not tell the UID.
    (request,) = [call for call in said[2].calls if getattr(call, "assigned", False)]
    assert request.sop_instance_uid.is_valid and request.sop_class_uid == UID.of("BasicFilmSession")
    assert said[0]["refused"]["status"] == 0x0112
