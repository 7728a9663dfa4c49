"""The calls for a hospital's workflow: commit, mpps and workitems, against the embedded PACS."""

import threading

import pandas as pd
import pytest
from pydicom import Dataset

from nbdicom import Pacs, Peer
from nbdicom.errors import LocalProtocolError, OperationFailed, QueryError
from nbdicom.pacs.samples import sample_instances
from nbdicom.peer.notices import IncompleteTransfer
from tests.ports import free_port

CT = "1.2.840.10008.5.1.4.1.1.2"


@pytest.fixture(scope="module")
def images():
    """Two images of one study."""
    samples = sample_instances()
    return [next(samples) for _ in range(2)]


@pytest.fixture
def pacs():
    with Pacs(durability="none", report_pauses=(0.01,) * 100) as pacs:
        yield pacs


@pytest.fixture
def peer(pacs):
    return Peer(pacs, calling="CT1")


# ------------------------------------------------------------------------------- commit


@pytest.fixture
def asking(pacs, peer_of):
    """Who asks for commitment: a `Peer`, or an `AsyncPeer`."""
    return peer_of(pacs, calling="CT1")


@pytest.mark.parametrize("what", ["result", "table", "data sets"])
def test_commit_on_the_same_association(pacs, asking, images, what):
    stored = asking.store(images)
    given = {"result": stored, "table": stored.to_frame(), "data sets": images}[what]
    committed = asking.commit(given)
    assert committed.ok and committed.event_type == 1 and len(committed) == 2
    assert set(committed.to_frame()["RetrieveAETitle"]) == {"NBPACS"}
    assert "2 of 2 instances committed" in str(committed)


def test_commit_on_a_new_association(pacs, asking, images):
    """The PACS reports on an association of its own, since ours has no room for a report."""
    port = free_port()
    pacs.allow["CT1"] = ("127.0.0.1", port)
    associations = pacs.reports._associations
    pacs.reports._associations = lambda: ()  # as a PACS that always reports on a new association
    try:
        committed = asking.commit(asking.store(images), listen=("127.0.0.1", port))
    finally:
        pacs.reports._associations = associations
    assert committed.ok
    assert not [thread for thread in threading.enumerate() if "commitment" in thread.name]


def test_commit_says_what_is_not_kept(pacs, asking, images):
    asking.store(images)
    missing = {"SOPClassUID": CT, "SOPInstanceUID": "1.2.3"}
    with pytest.warns(IncompleteTransfer, match="no such object instance"):
        committed = asking.commit(images, missing)
    assert not committed.ok and committed.event_type == 2
    frame = committed.to_frame().set_index("SOPInstanceUID")
    assert frame.loc["1.2.3", "status"] == "0112H"
    assert frame["ok"].sum() == 2
    with pytest.raises(OperationFailed, match="no such object instance"):
        asking.commit(missing, raise_on_error=True)


def test_commit_without_a_report(pacs, asking, images):
    pacs.reports.stop()
    with pytest.warns(IncompleteTransfer, match="no report came"):
        committed = asking.commit(images, timeout=0.05)
    assert committed.event_type is None and "listen=" in str(committed)


@pytest.mark.parametrize("items", [(), ({"SOPInstanceUID": "1.2"},)])
def test_nothing_to_commit(asking, items):
    with pytest.raises(QueryError):
        asking.commit(*items)


# ------------------------------------------------------------------------------- mpps


@pytest.fixture
def entries(pacs, peer):
    """A worklist of two entries, as a table."""
    for number, modality in ((1, "CT"), (2, "MR")):
        pacs.worklist.add(
            PatientName="Köhler^Jürgen", PatientID=f"P{number}", PatientBirthDate="19710930", Modality=modality,
            ScheduledStationAETitle="CT1", ScheduledProcedureStepDescription="Head",
        )  # fmt: skip
    return peer.worklist()


def statuses(pacs):
    return [entry["ScheduledProcedureStepSequence"][0]["ScheduledProcedureStepStatus"]
            for entry in pacs.worklist.entries(over=True)]  # fmt: skip


def test_a_step_from_the_worklist_to_its_end(pacs, peer, entries, images):
    row = entries[entries["PatientID"] == "P1"]
    with peer.mpps(row) as step:
        assert step.status == "IN PROGRESS" and statuses(pacs) == ["STARTED", "SCHEDULED"]
        step.add(images)
        step.update(PerformedProcedureStepDescription="Head, plain")
    assert step.status == "COMPLETED" and statuses(pacs) == ["COMPLETED", "SCHEDULED"]
    kept = pacs.procedure_steps.attributes(step.sop_instance_uid)
    assert kept["PatientName"] == "Köhler^Jürgen" and kept["PatientBirthDate"] == "19710930"
    assert kept["PerformedStationAETitle"] == "CT1" and kept["PerformedProcedureStepDescription"] == "Head, plain"
    (scheduled,) = kept["ScheduledStepAttributesSequence"]
    assert scheduled["StudyInstanceUID"] == row["StudyInstanceUID"].iloc[0] == step.study_instance_uid
    series = kept["PerformedSeriesSequence"]
    assert [one["SeriesInstanceUID"] for one in series] == list(dict.fromkeys(i.SeriesInstanceUID for i in images))
    assert sum(len(one["ReferencedImageSequence"]) for one in series) == 2
    assert len(peer.worklist()) == 1
    with pytest.raises(LocalProtocolError, match="COMPLETED"):
        step.complete()


def test_an_exception_discontinues_the_step(pacs, peer, entries):
    with pytest.raises(ZeroDivisionError):
        with peer.mpps(entries.iloc[1]) as step:
            1 / 0  # noqa: B018
    assert step.status == "DISCONTINUED" and statuses(pacs) == ["SCHEDULED", "DISCONTINUED"]


def test_a_step_without_a_worklist(pacs, peer):
    entry = Dataset()
    entry.StudyInstanceUID, entry.Modality, entry.PatientID = "1.2.3", "US", "P9"
    step = peer.mpps(entry, PerformedStationAETitle="US1").begin()
    step.discontinue()
    assert pacs.procedure_steps.attributes(step.sop_instance_uid)["PerformedStationAETitle"] == "US1"


@pytest.mark.parametrize("entry", [None, {"StudyInstanceUID": "1.2.3"}, pd.DataFrame({"Modality": ["CT", "CT"]})])
def test_what_is_no_entry(peer, entry):
    with pytest.raises(QueryError):
        peer.mpps(entry)


def test_a_step_that_the_peer_refuses(peer):
    with pytest.raises(OperationFailed) as refused:
        peer.mpps({"StudyInstanceUID": "1.2.3", "Modality": "CT"}, PerformedStationAETitle=None).begin()
    assert refused.value.status == 0x0121


# ------------------------------------------------------------------------------- workitems


def test_a_workitem_from_push_to_completion(pacs, peer):
    uid = peer.workitems.create(ProcedureStepLabel="CAD", PatientID="P1", PatientName="Köhler^Jürgen")
    found = peer.workitems.find(PatientName="köhler*")
    assert list(found["SOPInstanceUID"]) == [uid] and found["ProcedureStepState"].iloc[0] == "SCHEDULED"
    with peer.workitems.claim(uid) as work:
        assert peer.workitems.get(uid).ProcedureStepState == "IN PROGRESS"
        with pytest.raises(OperationFailed) as second:
            peer.workitems.claim(uid)
        assert second.value.status == 0xC301
        work.progress(50, "half way")
        work.perform(station="CAD1", workitem="110004", meaning="CAD")
    assert work.state == "COMPLETED"
    dataset = peer.workitems.get(uid)
    assert dataset.ProcedureStepState == "COMPLETED" and "TransactionUID" not in dataset


def test_a_workitem_that_is_given_up_and_one_that_is_cancelled(pacs, peer):
    first, second = (peer.workitems.create(ProcedureStepLabel=label) for label in "AB")
    with pytest.raises(ZeroDivisionError):
        with peer.workitems.claim(first):
            1 / 0  # noqa: B018
    assert peer.workitems.cancel(second, "not needed").is_success
    assert set(peer.workitems.find()["ProcedureStepState"]) == {"CANCELED"}


def test_subscriptions(pacs, peer):
    with pytest.raises(OperationFailed) as unknown:
        peer.workitems.subscribe()
    assert unknown.value.status == 0xC308
    pacs.allow["CT1"] = ("127.0.0.1", 1)
    uid = peer.workitems.create(ProcedureStepLabel="A")
    assert peer.workitems.subscribe(lock=True).is_success and peer.workitems.subscribe(uid).is_success
    assert "CT1" in str(pacs.workitems.subscriptions)
    assert peer.workitems.unsubscribe(uid).is_success and peer.workitems.unsubscribe().is_success
    assert "CT1" not in str(pacs.workitems.subscriptions)


@pytest.mark.parametrize("missing", [pd.NA, None, float("nan"), ""])
def test_commitment_of_rows_without_a_class(missing: object) -> None:
    rows = pd.DataFrame({"SOPClassUID": [missing], "SOPInstanceUID": ["1.2.3"]})
    with pytest.raises(QueryError, match="commitment needs"):
        Peer("NOBODY@127.0.0.1:1").commit(rows)
