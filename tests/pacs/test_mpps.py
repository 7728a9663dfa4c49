"""Performed procedure steps and availability: the states of PS3.4 Annex F, what must be there, what the worklist learns."""

import threading

import pytest
from pacs_requests import CT, made, normalized, store, worklist

from nbdicom.blocking import Server, associate
from nbdicom.core.negotiation import PresentationContext
from nbdicom.errors import OperationFailed, PacsError
from nbdicom.operations.handlers import Handlers
from nbdicom.operations.requests import Refuse
from nbdicom.pacs import Pacs
from nbdicom.uids import UID

MPPS, RETRIEVE = "ModalityPerformedProcedureStep", "ModalityPerformedProcedureStepRetrieve"
IAN = "InstanceAvailabilityNotification"
STATUS = "PerformedProcedureStepStatus"


def started(**changes):
    """The attributes of an N-CREATE; None leaves one out."""
    attributes = {
        "ScheduledStepAttributesSequence": [{"StudyInstanceUID": "1.2.3", "ScheduledProcedureStepID": "S1"}],
        "PatientName": "Doe^John",
        "PatientID": "P1",
        "PerformedProcedureStepID": "PP1",
        "PerformedStationAETitle": "CT1",
        "PerformedProcedureStepStartDate": "20260705",
        "PerformedProcedureStepStartTime": "0810",
        STATUS: "IN PROGRESS",
        "Modality": "CT",
    }
    return {keyword: value for keyword, value in {**attributes, **changes}.items() if value is not None}


def ended(status="COMPLETED", **changes):
    """The modifications of the last N-SET."""
    modifications = {
        STATUS: status,
        "PerformedProcedureStepEndDate": "20260705",
        "PerformedProcedureStepEndTime": "0830",
        "PerformedSeriesSequence": [{"ProtocolName": "Head", "SeriesInstanceUID": "1.2.3.4"}],
    }
    return {keyword: value for keyword, value in {**modifications, **changes}.items() if value is not None}


@pytest.fixture
def scheduled(pacs):
    pacs.worklist.add(
        PatientName="Doe^John", PatientID="P1", StudyInstanceUID="1.2.3", ScheduledProcedureStepID="S1",
        Modality="CT", ScheduledStationAETitle="CT1",
    )  # fmt: skip
    return pacs


def status_of_entry(pacs):
    return [entry["ScheduledProcedureStepSequence"][0]["ScheduledProcedureStepStatus"]
            for entry in pacs.worklist.entries(over=True)]  # fmt: skip


@pytest.mark.parametrize("final", ["COMPLETED", "DISCONTINUED"])
def test_a_step_from_begin_to_end(scheduled, handlers, final):
    assert normalized(handlers, "n_create", MPPS, "1.1", started()) is None
    assert status_of_entry(scheduled) == ["STARTED"]
    assert len(worklist(handlers, PatientID="")) == 1
    assert normalized(handlers, "n_set", MPPS, "1.1", {"PerformedProcedureStepDescription": "Größe"}) is None
    assert normalized(handlers, "n_set", MPPS, "1.1", ended(final)) is None
    assert status_of_entry(scheduled) == [final]
    assert worklist(handlers, PatientID="") == []
    tags = (0x00400252, 0x00400254, 0x00400280)
    assert normalized(handlers, "n_get", RETRIEVE, "1.1", attribute_identifier_list=tags) == {
        STATUS: final,
        "PerformedProcedureStepDescription": "Größe",
    }
    everything = normalized(handlers, "n_get", RETRIEVE, "1.1")
    assert everything["PatientID"] == "P1"
    assert everything["PatientBirthDate"] == ""  # type 2, and not sent
    assert everything == scheduled.procedure_steps.attributes("1.1")


@pytest.mark.parametrize(
    ("attributes", "status"),
    [
        (started(Modality=None), 0x0120),
        (started(Modality=""), 0x0121),
        (started(ScheduledStepAttributesSequence=None), 0x0120),
        (started(ScheduledStepAttributesSequence=[]), 0x0121),
        (started(ScheduledStepAttributesSequence=[{}]), 0x0120),
        (started(**{STATUS: "COMPLETED"}), 0x0106),
        (started(**{STATUS: None}), 0x0120),
        (b"\x01", 0x0110),
        (started(PatientName=None, PatientID=None), None),
    ],
    ids=lambda value: f"{value:04X}" if isinstance(value, int) else "",
)
def test_what_a_new_step_must_have(pacs, handlers, attributes, status):
    assert normalized(handlers, "n_create", MPPS, "1.1", attributes) == status
    assert (pacs.procedure_steps.attributes("1.1") is None) == (status is not None)


@pytest.mark.parametrize(
    ("modifications", "status"),
    [
        (ended(PerformedProcedureStepEndDate=None), 0x0121),
        (ended(PerformedSeriesSequence=None), 0x0121),
        (ended(PerformedSeriesSequence=[{"SeriesInstanceUID": "1.2"}]), 0x0120),
        (ended("DISCONTINUED", PerformedSeriesSequence=None), None),
        (ended("PAUSED"), 0x0106),
        ({"PatientID": "P2"}, 0x0106),
        ({"PatientID": "P1"}, None),
        # As it is: also where the SCP has filled in what the modality left out.
        ({"ScheduledStepAttributesSequence": started()["ScheduledStepAttributesSequence"]}, None),
        ({"ScheduledStepAttributesSequence": [{"StudyInstanceUID": "1.2.4"}]}, 0x0106),
        ({"ReferencedPatientSequence": [], "OtherPatientIDsSequence": [], "StudyID": ""}, None),
        ({"ReferencedPatientSequence": [{"ReferencedSOPInstanceUID": "1.2"}]}, 0x0106),
    ],
)
def test_what_may_be_set(handlers, modifications, status):
    normalized(handlers, "n_create", MPPS, "1.1", started())
    before = normalized(handlers, "n_get", RETRIEVE, "1.1")
    assert normalized(handlers, "n_set", MPPS, "1.1", modifications) == status
    if status is not None:
        assert normalized(handlers, "n_get", RETRIEVE, "1.1") == before


def test_no_step_twice_and_none_that_is_not_there(handlers):
    assert normalized(handlers, "n_set", MPPS, "1.1", {}) == 0x0112
    assert normalized(handlers, "n_get", RETRIEVE, "1.1") == 0x0112
    normalized(handlers, "n_create", MPPS, "1.1", started())
    assert normalized(handlers, "n_create", MPPS, "1.1", started()) == 0x0111
    assert normalized(handlers, "n_get", MPPS, "1.1") == 0x0211  # only under the Retrieve SOP Class


def test_after_its_end_a_step_is_not_updated(pacs):
    """The status and the Error ID of PS3.4 Table F.7.2-2, on the wire."""
    with pacs.start(), associate((pacs.host, pacs.port), called=pacs.ae_title, contexts=[MPPS]) as modality:
        uid = modality.n_create(MPPS, started()).sop_instance_uid  # the SCP makes one up where none is given
        modality.n_set(MPPS, uid, ended())
        with pytest.raises(OperationFailed, match="may no longer be updated") as refused:
            modality.n_set(MPPS, uid, {"PerformedProcedureStepDescription": "late"})
        assert refused.value.status == 0x0110
        assert "COMPLETED" in str(pacs.procedure_steps)


def notification(**changes):
    instance = {
        "ReferencedSOPClassUID": "1.2.840.10008.5.1.4.1.1.2", "ReferencedSOPInstanceUID": "1.2.3.1",
        "InstanceAvailability": "ONLINE", "RetrieveAETitle": "NBPACS", **changes,
    }  # fmt: skip
    series = {"SeriesInstanceUID": "1.2.3.0", "ReferencedSOPSequence": [instance]}
    return {"StudyInstanceUID": "1.2.3", "ReferencedSeriesSequence": [series]}


@pytest.mark.parametrize(
    ("attributes", "status"),
    [
        (notification(), None),
        (notification(InstanceAvailability="SOON"), 0x0106),
        (notification(RetrieveAETitle=""), 0x0121),
        ({"StudyInstanceUID": "1.2.3"}, 0x0120),
    ],
)
def test_instance_availability(pacs, handlers, attributes, status):
    assert normalized(handlers, "n_create", IAN, "1.1", attributes, calling="ARCHIVE") == status
    assert len(pacs.availability.notifications()) == (status is None)
    if status is None:
        assert normalized(handlers, "n_create", IAN, "1.1", attributes) == 0x0111
        assert "ONLINE" in str(pacs.availability)
        assert "ARCHIVE" in str(pacs.availability)


# ------------------------------------------------------------------------------- told to others

NOTIFICATION = UID.of("ModalityPerformedProcedureStepNotification")
SOON = 60.0  #: seconds that nothing here ever needs


class Ris:
    """A RIS that is told of steps and of what is available."""

    def __init__(self):
        self.events, self.available = [], []
        self.refusals = []  #: of notifications: functions that tell the status
        self._news = threading.Condition()
        self.handlers = Handlers(n_event_report=self._event, n_create=self._notified)

    def _event(self, request):
        with self._news:
            assert request.data is None  # Table F.9.2-1 has no attributes
            self.events.append((request.sop_class_uid, request.sop_instance_uid, request.event_type_id))
            self._news.notify_all()

    def _notified(self, request):
        with self._news:
            self.available.append(request.dataset())
            self._news.notify_all()
        if self.refusals:
            raise Refuse(self.refusals.pop(0)())

    def wait(self, events=0, available=0):
        def enough():
            return len(self.events) >= events and len(self.available) >= available

        with self._news:
            assert self._news.wait_for(enough, SOON), (self.events, len(self.available))

    def server(self):
        role = PresentationContext(NOTIFICATION, scu_role=True, scp_role=True)
        return Server(self.handlers, ae_title="RIS", contexts=[role, IAN])


def references(*uids):
    images = [{"ReferencedSOPClassUID": CT, "ReferencedSOPInstanceUID": uid} for uid in uids]
    series = {"ProtocolName": "Head", "SeriesInstanceUID": "1.2.3.4", "ReferencedImageSequence": images}
    return [series]


@pytest.mark.parity("A.4 Modality Performed Procedure Step")
def test_others_are_told_of_a_step_and_of_its_images(tmp_path):
    ris = Ris()
    with ris.server() as server:
        where = {"allow": {"RIS": server.address}, "notify_steps": ["RIS"], "notify_availability": ["RIS"]}
        with Pacs(tmp_path, durability="none", report_pauses=(0.01,) * 100_000, **where) as pacs:
            handlers = pacs.handlers()
            here = made(1)
            store(handlers, here)
            normalized(handlers, "n_create", MPPS, "1.1", started())
            normalized(handlers, "n_set", MPPS, "1.1", {"PerformedProcedureStepDescription": "Head"})
            images = references(here["SOPInstanceUID"], "9.9.9")
            normalized(handlers, "n_set", MPPS, "1.1", ended(PerformedSeriesSequence=images))
            ris.wait(events=3, available=1)
            assert ris.events == [(NOTIFICATION, "1.1", event) for event in (1, 4, 2)]
            (told,) = ris.available
            assert told.StudyInstanceUID == "1.2.3"
            (step,) = told.ReferencedPerformedProcedureStepSequence
            assert (step.ReferencedSOPClassUID, step.ReferencedSOPInstanceUID) == (UID.of(MPPS), "1.1")
            (series,) = told.ReferencedSeriesSequence
            found = [
                (item.ReferencedSOPInstanceUID, item.InstanceAvailability, item.RetrieveAETitle)
                for item in series.ReferencedSOPSequence
            ]
            assert found == [(here["SOPInstanceUID"], "ONLINE", "NBPACS"), ("9.9.9", "UNAVAILABLE", "NBPACS")]
            assert pacs.availability.announce(here["StudyInstanceUID"]) == 1
            ris.wait(available=2)
            again = ris.available[1]
            assert not again.ReferencedPerformedProcedureStepSequence
            assert [
                item.ReferencedSOPInstanceUID for item in again.ReferencedSeriesSequence[0].ReferencedSOPSequence
            ] == [here["SOPInstanceUID"]]
            assert pacs.reports.wait(SOON)
            with pytest.raises(PacsError, match="nothing of this study"):
                pacs.availability.announce("1.2.99")


def test_a_step_without_images_has_no_notification_and_keeps_no_other_waiting(tmp_path):
    """A notification has one series and one instance at least (PS3.4 Table R.3.2-1): a RIS would refuse the other kind."""
    ris = Ris()
    with ris.server() as server:
        where = {"allow": {"RIS": server.address}, "notify_availability": ["RIS"]}
        with Pacs(tmp_path, durability="none", report_pauses=(SOON,), **where) as pacs:
            handlers = pacs.handlers()
            normalized(handlers, "n_create", MPPS, "1.1", started())
            normalized(handlers, "n_set", MPPS, "1.1", ended("DISCONTINUED", PerformedSeriesSequence=[]))
            assert pacs.reports.wait(SOON)
            normalized(handlers, "n_create", MPPS, "1.2", started())
            normalized(handlers, "n_set", MPPS, "1.2", ended(PerformedSeriesSequence=references("9.9.9")))
            assert pacs.reports.wait(SOON)
            assert "no instances to tell of" in str(pacs.reports.to_frame()["state"].iloc[1])
    (told,) = ris.available
    assert told.ReferencedPerformedProcedureStepSequence[0].ReferencedSOPInstanceUID == "1.2"


def test_a_notification_is_made_anew_for_each_attempt_until_it_has_arrived(tmp_path):
    """What came between two attempts is ONLINE in the second; a duplicate is one whose answer was lost."""
    ris = Ris()
    with ris.server() as server:
        where = {"allow": {"RIS": server.address}, "notify_availability": ["RIS"]}
        with Pacs(tmp_path, durability="none", report_pauses=(0.01,) * 100_000, **where) as pacs:
            handlers = pacs.handlers()

            def not_yet():
                store(handlers, made(1))
                return 0x0110

            ris.refusals = [not_yet, lambda: 0x0111]
            normalized(handlers, "n_create", MPPS, "1.1", started())
            images = references(made(1)["SOPInstanceUID"])
            normalized(handlers, "n_set", MPPS, "1.1", ended(PerformedSeriesSequence=images))
            assert pacs.reports.wait(SOON)
    told = [one.ReferencedSeriesSequence[0].ReferencedSOPSequence[0] for one in ris.available]
    assert [instance.InstanceAvailability for instance in told] == ["UNAVAILABLE", "ONLINE"]


def test_who_is_associated_for_it_is_told_of_steps(tmp_path):
    ris = Ris()
    with Pacs(tmp_path, durability="none") as pacs:
        options = {"called": "NBPACS", "calling": "RIS", "contexts": [NOTIFICATION], "handlers": ris.handlers}
        with associate((pacs.host, pacs.port), **options) as association:
            normalized(pacs.handlers(), "n_create", MPPS, "1.1", started())
            normalized(pacs.handlers(), "n_set", MPPS, "1.1", ended("DISCONTINUED", PerformedSeriesSequence=[]))
            association.listen(SOON, until=lambda: len(ris.events) == 2)
            with pytest.raises(OperationFailed, match="0211H"):
                association.n_create(NOTIFICATION, {})
        assert [event for *_, event in ris.events] == [1, 3]


def test_an_announcement_needs_somebody_to_hear_it(tmp_path):
    with Pacs(tmp_path, durability="none") as pacs, pytest.raises(PacsError, match="nobody is to be notified"):
        pacs.availability.announce("1.2.3")
