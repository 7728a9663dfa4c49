"""What an engineer asks of a peer that refuses: what it accepts, what was said on the wire, what comes."""

import csv
import io
import json
import signal
from pathlib import Path

import pytest
from pydicom import DataElement, Dataset

import nbdicom as nd
from nbdicom.pacs.samples import sample_instances

from .conftest import LIMIT, nbdicom, serving

FIND = "StudyRootQueryRetrieveInformationModelFind"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    for number, image in zip(range(2), sample_instances(), strict=False):
        image.save_as(folder / f"{number}.dcm", enforce_file_format=True)
    return folder


# ------------------------------------------------------------------------------- negotiate


def test_negotiate_shows_what_is_accepted() -> None:
    contexts = ["Verification", ("CT Image Storage", ["ExplicitVRLittleEndian"])]
    with nd.Server(nd.Handlers(), ae_title="SCP", contexts=contexts) as server:
        at = f"SCP@127.0.0.1:{server.address[1]}"
        done = nbdicom("negotiate", at)
        assert done.returncode == 0 and done.stderr == ""  # the usual ones are a question, not a demand
        assert "2 of 2 presentation contexts" in done.stdout
        (refused,) = (part for part in done.stdout.split("\n") if part.startswith("refused, "))
        assert refused.startswith("refused, abstract-syntax-not-supported (3): Patient Root") and "✗" not in done.stdout
        wanted = ["-c", "CTImageStorage=JPEG2000Lossless,ExplicitVRLittleEndian", "-c", "1.2.840.10008.1.1"]
        records = json.loads(nbdicom("negotiate", at, *wanted, "--json").stdout)
        assert [one["accepted"] for one in records] == [True, True]
        assert records[0]["transfer_syntax"] == "1.2.840.10008.1.2.1" and len(records[0]["proposed"]) == 2
        refused = nbdicom("negotiate", at, *wanted, "-c", "CTImageStorage=JPEG2000Lossless", "--csv")
        assert refused.returncode == 1 and "refused 1 of 3" in refused.stderr
        assert [row["result"] for row in csv.DictReader(io.StringIO(refused.stdout))] == ["0", "0", "4"]
        nothing = nbdicom("negotiate", at, "-c", "MRImageStorage")
        assert nothing.returncode == 1 and "refused 1 of 1" in nothing.stderr and "MR Image Storage" in nothing.stdout
        wrong = nbdicom("negotiate", at, "-c", "CTImagStorage")
        assert wrong.returncode == 1 and "CTImageStorage" in wrong.stderr and not wrong.stdout


def test_negotiate_asks_for_the_role() -> None:
    contexts = [nd.PresentationContext(nd.UID.of("CTImageStorage"), scu_role=True, scp_role=True)]
    with nd.Server(nd.Handlers(), ae_title="SCP", contexts=contexts) as server:
        at = f"SCP@127.0.0.1:{server.address[1]}"
        assert "SCP" in nbdicom("negotiate", at, "-c", "CTImageStorage", "--scp").stdout.splitlines()[3]


# ------------------------------------------------------------------------------- record, trace


def test_what_was_said_is_recorded_and_shown(pacs: str, tmp_path: Path) -> None:
    pytest.importorskip("dpkt", reason="dpkt is not installed")
    for name in ("wire.jsonl", "wire.pcap"):
        done = nbdicom("find", pacs, "-k", "PatientName=Marlowe*", "--record", tmp_path / name)
        assert done.returncode == 0 and f"recorded in {tmp_path / name}" in done.stderr
        assert b"Marlowe" not in (tmp_path / name).read_bytes()
        shown = nbdicom("trace", tmp_path / name)
        assert shown.returncode == 0, shown.stderr
        assert "C-FIND-RQ (1)" in shown.stdout and "A-RELEASE-RP" in shown.stdout and "began 20" in shown.stdout
        one = nbdicom("trace", tmp_path / name, "0", "2").stdout
        assert "Called AE title" in one and "NBPACS" in one and "StudyInstanceUID" in one and "XXXXXXX" in one
        events = json.loads(nbdicom("trace", tmp_path / name, "--json").stdout)
        assert "C-FIND-RQ" in {event["name"] for event in events} and events[0]["time"].startswith("20")
        assert nbdicom("trace", tmp_path / name, "99").returncode == 1
        port = int(pacs.rpartition(":")[2])
        assert "C-FIND-RQ" in nbdicom("trace", tmp_path / name, "--port", port).stdout
        assert "nothing went over the wire" in nbdicom("trace", tmp_path / name, "--port", 104).stdout


def test_values_of_patients_are_recorded_on_demand(pacs: str, tmp_path: Path) -> None:
    find = ["find", pacs, "-k", "PatientName=Marlowe*", "--record"]
    assert nbdicom(*find, tmp_path / "all.jsonl", "--with-values").returncode == 0
    assert b"Marlowe".hex() in (tmp_path / "all.jsonl").read_text()
    assert nbdicom("trace", tmp_path / "all.jsonl", "--save", tmp_path / "less.pcap").returncode == 0
    assert b"Marlowe" not in (tmp_path / "less.pcap").read_bytes()
    assert nbdicom("trace", tmp_path / "all.jsonl", "--save", tmp_path / "as it was.pcap", "--with-values").returncode == 0
    assert b"Marlowe" in (tmp_path / "as it was.pcap").read_bytes()


def test_a_command_that_fails_is_recorded_too(pacs: str, tmp_path: Path) -> None:
    refused = nbdicom("find", pacs.replace("NBPACS", "OTHER"), "--record", tmp_path / "wire.jsonl", "--ladder")
    assert refused.returncode == 1 and "called-AE-title-not-recognized" in refused.stderr
    assert "A-ASSOCIATE-RJ" in refused.stderr  # the ladder
    assert "A-ASSOCIATE-RJ" in nbdicom("trace", tmp_path / "wire.jsonl").stdout
    nowhere = nbdicom("echo", pacs, "--record", tmp_path / "none" / "wire.jsonl")
    assert nowhere.returncode == 1 and "cannot be written" in nowhere.stderr


def test_a_pacs_is_recorded(tmp_path: Path) -> None:
    with serving("pacs", "--root", tmp_path / "pacs", "--record", tmp_path / "wire.jsonl", "-v") as (process, address):
        assert nbdicom("echo", address).returncode == 0
        assert nbdicom("echo", address.replace("NBPACS", "OTHER")).returncode == 1
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=LIMIT)
    assert "accepted NBDICOM" in said and "called-AE-title-not-recognized" in said
    assert "C-ECHO-RSP" in nbdicom("trace", tmp_path / "wire.jsonl").stdout


# ------------------------------------------------------------------------------- find


def test_find_asks_a_worklist_and_in_sequences() -> None:
    asked = []

    def find(request):
        asked.append(request.identifier())
        yield {
            "PatientName": "Marlowe^Anna", "PatientID": "7", "AccessionNumber": "A7",
            "ScheduledProcedureStepSequence": [{"Modality": "CT", "ScheduledStationAETitle": "CT1"}],
            "RequestedProcedureCodeSequence": [{"CodeValue": "T-1"}],
        }  # fmt: skip

    contexts = ["ModalityWorklistInformationModelFind", FIND, FIND.replace("Study", "Patient")]
    with nd.Server(nd.Handlers(find=find), ae_title="RIS", contexts=contexts) as server:
        at = f"RIS@127.0.0.1:{server.address[1]}"
        done = nbdicom("find", at, "--level", "worklist", "-k", "Modality=CT", "-k", "RequestedProcedurePriority")
        assert done.returncode == 0 and "Marlowe^Anna" in done.stdout and "CT1" in done.stdout, done.stderr
        assert asked[-1].ScheduledProcedureStepSequence[0].Modality == "CT"
        assert "RequestedProcedurePriority" in asked[-1]
        (record,) = json.loads(nbdicom("find", at, "--level", "WORKLIST", "--json").stdout)
        assert record["Modality"] == "CT" and record["PatientID"] == "7"
        keys = ["-k", "(0040,0100)[0].Modality=MR", "-k", "ScheduledProcedureStepSequence.ScheduledStationName"]
        assert nbdicom("find", at, "--level", "WORKLIST", *keys).returncode == 0  # as findscu takes them
        (step,) = asked[-1].ScheduledProcedureStepSequence
        assert step.Modality == "MR" and step.ScheduledStationName == ""
        for option in (["--fuzzy"], ["--model", "study"]):
            refused = nbdicom("find", at, "--level", "WORKLIST", *option)
            assert refused.returncode == 1 and "one information model" in refused.stderr
        keys = [
            "-k", "ProcedureCodeSequence.CodeValue=T-1", "-k", "ProcedureCodeSequence[0].CodeMeaning",
            "-k", "0008,1120.0008,1155",
        ]  # fmt: skip
        done = nbdicom("find", at, *keys, "--model", "patient", "-k", "PatientID=7")
        assert done.returncode == 0, done.stderr
        (item,) = asked[-1].ProcedureCodeSequence
        assert (item.CodeValue, item.CodeMeaning) == ("T-1", "")
        assert asked[-1].ReferencedPatientSequence[0].ReferencedSOPInstanceUID == ""
        codes = ["find", at, "--level", "WORKLIST", "-k", "RequestedProcedureCodeSequence"]
        (record,) = json.loads(nbdicom(*codes, "--json").stdout)
        assert record["RequestedProcedureCodeSequence"] == [{"CodeValue": "T-1"}]
        (row,) = csv.DictReader(io.StringIO(nbdicom(*codes, "--csv").stdout))
        assert json.loads(row["RequestedProcedureCodeSequence"]) == {"CodeValue": "T-1"}
        assert nbdicom("find", at, *keys[:2], *keys[:2]).returncode == 1
        assert "is no key" in nbdicom("find", at, "-k", "ProcedureCodeSequence.=1").stderr
        assert "CodeValu" in nbdicom("find", at, "-k", "ProcedureCodeSequence.CodeValu=1").stderr


def test_find_reads_what_names_no_character_set() -> None:
    def find(request):
        answer = Dataset()
        answer.add(DataElement("PatientName", "PN", "KÖHLER^J".encode("latin-1")))
        yield answer

    with nd.Server(nd.Handlers(find=find), ae_title="OLD", contexts=[FIND]) as server:
        at = f"OLD@127.0.0.1:{server.address[1]}"
        done = nbdicom("find", at, "--charset", "ISO_IR 100")
        assert "KÖHLER^J" in done.stdout and "character set" not in done.stderr
        assert "not in the character set" in nbdicom("find", at).stderr
        assert "not a Specific Character Set" in nbdicom("find", at, "--charset", "ISO_IR 7").stderr


def test_deadlines(pacs: str) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        at = f"X@127.0.0.1:{silent.getsockname()[1]}"
        done = nbdicom("find", at, "--timeout", "association=0.2", "--timeout", "connect=5")
        assert done.returncode == 1 and "within 0.2 s" in done.stderr
    for wrong in ("association", "association=0", "association=x", "linger=1", "=1"):
        assert nbdicom("echo", pacs, "--timeout", wrong).returncode == 2


# ------------------------------------------------------------------------------- receive


@pytest.mark.parity("A.10 storescp")
def test_receive_prints_what_comes(files: Path, tmp_path: Path) -> None:
    with serving("receive", "--to", tmp_path / "here", "--ae-title", "STORE") as (process, address):
        assert nbdicom("store", address, files, "--calling", "CT1").returncode == 0
        process.send_signal(signal.SIGINT)
        said, told = process.communicate(timeout=LIMIT)
    assert process.returncode == 0 and "2 received" in told and "Traceback" not in told
    lines = said.splitlines()
    assert len(lines) == 2 and all(line.startswith("CT1: ") and "Little Endian" in line for line in lines)
    assert len(list((tmp_path / "here").glob("*.dcm"))) == 2


def test_receive_as_json_and_from_one_title_only(files: Path, tmp_path: Path) -> None:
    with serving("receive", "--to", tmp_path / "here", "--json", "--allow-calling", "CT1", "-v") as (process, address):
        refused = nbdicom("store", address, files, "--calling", "MR1")
        assert refused.returncode == 1 and "calling-AE-title-not-recognized" in refused.stderr
        assert nbdicom("store", address, files, "--calling", "CT1").returncode == 0
        process.send_signal(signal.SIGTERM)
        said, told = process.communicate(timeout=LIMIT)
    records = list(map(json.loads, said.splitlines()))
    assert len(records) == 2 and {one["calling_ae_title"] for one in records} == {"CT1"}
    assert all(Path(one["path"]).stat().st_size > one["bytes"] for one in records)
    assert "rejected MR1" in told


def test_what_nobody_reads_is_received_all_the_same(files: Path, tmp_path: Path) -> None:
    with serving("receive", "--to", tmp_path / "here") as (process, address):
        assert process.stdout is not None
        process.stdout.close()
        done = nbdicom("store", address, files)
        assert done.returncode == 0, done.stdout
        process.send_signal(signal.SIGTERM)
        process.wait(LIMIT)
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()
        process.stderr.close()
        process.stdout = process.stderr = None
    assert len(list((tmp_path / "here").glob("*.dcm"))) == 2
