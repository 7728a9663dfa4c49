"""The workflow of a hospital with others at the other end: worklist, procedure steps, commitment, workitems (PS3.4)."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import nbdicom as nd
from nbdicom.errors import OperationFailed
from nbdicom.pacs.samples import sample_instances
from nbdicom.peer.notices import IncompleteTransfer

from . import peers
from .conftest import started

_PROGRAM = Path(peers.__file__).with_name("pynetdicom_workflow.py")


@pytest.fixture
def port():
    return peers.free_port()


@pytest.fixture
def pacs(port):
    """A PACS with two entries on its worklist, which knows pynetdicom's address."""
    with nd.Pacs(durability="none", allow={"MODALITY": ("127.0.0.1", port)}, report_pauses=(0.05,) * 100) as pacs:
        for modality, station, name in (("CT", "CT1", "Köhler^Jürgen"), ("MR", "MR1", "Doe^John")):
            pacs.worklist.add(
                PatientName=name, PatientID="P1", Modality=modality, ScheduledStationAETitle=station,
                ScheduledProcedureStepStartDate="20260705", ScheduledProcedureStepStartTime="0800",
            )  # fmt: skip
        yield pacs


@pytest.mark.parity(
    "A.4 Basic Worklist",
    "A.4 Modality Performed Procedure Step",
    "A.4 Storage Commitment",
    "A.4 Unified Procedure Step",
)
def test_pynetdicom_as_a_modality(pacs, port, tmp_path):
    """From the worklist to a workitem, in one process of pynetdicom's."""
    files = []
    samples = sample_instances()
    for number in range(2):
        files.append(tmp_path / f"{number}.dcm")
        next(samples).save_as(files[-1], enforce_file_format=True)
    argv = [peers.pynetdicom(), _PROGRAM, "scu", pacs.address, str(port), *files]
    said = json.loads(peers.run(argv).stdout.splitlines()[-1])
    assert said["worklist"] == [["Köhler^Jürgen", "CT1"]]
    assert said["step"] == ["0000", "0000", "0000", ["0110", "A710"]]
    assert said["kept"] == ["0000", "COMPLETED", "Größe"]
    assert said["stored"] == ["0000", "0000"]
    assert said["committed"] == [["0000", 1, 2, []], ["0000", 2, 2, ["0112"]]]
    assert said["workitem"] == ["0000", "0000", "0000", "C301", "C304", "0000", "0000"]
    assert said["found"] is True
    assert said["state"] == ["0000", "COMPLETED", False]
    assert said["events"] == [[1, "SCHEDULED"], [1, "IN PROGRESS"], [1, "COMPLETED"]]
    assert pacs.reports.wait(60)
    (entry,) = pacs.worklist.entries()
    assert entry["PatientName"] == "Doe^John"


@pytest.mark.parametrize(
    ("keys", "patients"),
    [
        ([], ["Doe^John", "Köhler^Jürgen"]),
        (["(0040,0100)[0].Modality=MR"], ["Doe^John"]),
        (["(0040,0100)[0].ScheduledProcedureStepStartDate=20260706-"], []),
        (["PatientName=doe*"], ["Doe^John"]),
        (["(0040,0100)[0].ScheduledStationAETitle=CT?"], ["Köhler^Jürgen"]),
    ],
)
def test_findscu_asks_for_a_worklist(pacs, tool, tmp_path, keys, patients):
    options = [part for key in ("PatientName", "(0040,0100)[0].Modality", *keys) for part in ("-k", key)]
    # Responses as files: what a terminal makes of their characters is no matter then.
    peers.run([tool("findscu"), "-W", "-X", "-aec", pacs.ae_title, *options, pacs.host, pacs.port], cwd=tmp_path)
    from pydicom import dcmread

    found = [dcmread(path, force=True) for path in sorted(tmp_path.glob("rsp*.dcm"))]
    assert sorted(str(ds.PatientName) for ds in found) == patients
    assert all(ds.ScheduledProcedureStepSequence[0].Modality in ("CT", "MR") for ds in found)


@pytest.fixture(params=["same", "new"])
def hospital(request, tmp_path, port):
    """pynetdicom as worklist, MPPS and commitment SCP; it reports on the same association or on a new one."""

    def make() -> peers.Program:
        own = peers.free_port()
        where = "same" if request.param == "same" else f"127.0.0.1:{port}"
        argv = [peers.pynetdicom(), _PROGRAM, "scp", str(own), "PYNETDICOM", where]
        return peers.Program(argv, tmp_path / "hospital", own, "PYNETDICOM")

    program = started(make)
    yield nd.Peer(program.address), None if request.param == "same" else ("127.0.0.1", port)
    program.stop()


@pytest.mark.parity("A.4 Basic Worklist", "A.4 Modality Performed Procedure Step", "A.4 Storage Commitment")
def test_pynetdicom_as_a_hospital(hospital):
    peer, listen = hospital
    entries = peer.worklist(Modality="CT")
    assert list(entries["PatientName"].astype(str)) == ["Köhler^Jürgen"]
    with peer.mpps(entries) as step:
        step.update(PerformedProcedureStepDescription="Head")
    with peer.associate(["ModalityPerformedProcedureStepRetrieve"]) as association:
        kept = association.n_get("ModalityPerformedProcedureStepRetrieve", step.sop_instance_uid).dataset()
    assert (kept.PerformedProcedureStepStatus, str(kept.PatientName)) == ("COMPLETED", "Köhler^Jürgen")

    instances = [{"SOPClassUID": "1.2.840.10008.5.1.4.1.1.2", "SOPInstanceUID": f"1.2.3.{k}"} for k in (1, 2)]
    committed = peer.commit(*instances, listen=listen, timeout=60)
    assert committed.ok and committed.event_type == 1
    lost = {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.2", "SOPInstanceUID": "1.2.3.404"}
    with pytest.warns(IncompleteTransfer, match=re.escape("1.2.3.404")):
        committed = peer.commit(*instances, lost, listen=listen, timeout=60)
    assert [row.ok for row in committed] == [True, True, False]


@pytest.mark.parametrize("hospital", ["same"], indirect=True)
@pytest.mark.parity("A.4 Unified Procedure Step")
def test_workitems_of_pynetdicom(hospital):
    """UPS Push, Pull and Watch, as a person in a notebook uses them."""
    workitems = hospital[0].workitems
    uid = workitems.create(ProcedureStepLabel="CAD")
    workitems.create(ProcedureStepLabel="other")
    assert workitems.subscribe(uid) == 0
    found = workitems.find(ProcedureStepLabel="CAD")
    assert list(found["SOPInstanceUID"]) == [uid] and list(found["ProcedureStepState"]) == ["SCHEDULED"]
    with workitems.claim(uid) as work:
        work.progress(50, "half")
        with pytest.raises(OperationFailed, match="C301H"):
            workitems.claim(uid)
        work.perform(station="CAD1")
    kept = workitems.get(uid)
    assert kept.ProcedureStepState == "COMPLETED"
    (performed,) = kept.UnifiedProcedureStepPerformedProcedureSequence
    assert performed.PerformedStationNameCodeSequence[0].CodeValue == "CAD1"
    assert workitems.unsubscribe(uid) == 0
    with pytest.raises(OperationFailed, match="C311H"):
        workitems.cancel(uid, "too late")
