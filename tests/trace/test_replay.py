"""A recorded session as the peer of our own SCU and SCP, of another toolkit, and of one that departs from the script."""

import asyncio
import shutil
import subprocess
from pathlib import Path

import pydicom
import pytest
from pydicom.data import get_testdata_file

import nbdicom as nd
from nbdicom.core.trace import PDUSent
from nbdicom.errors import TranscriptError
from nbdicom.trace import Recorder, Recording

from .conftest import FIND, handlers

CT = "1.2.840.10008.5.1.4.1.1.2"


def sent(wire: Recording, association: int) -> list[bytes]:
    return [e.event.data for e in wire.entries if e.association == association and isinstance(e.event, PDUSent)]


def test_as_an_scp_it_says_the_same_bytes(found: Recorder) -> None:
    with nd.FakePeer(found) as fake, nd.record(payload=None) as wire:
        frame = nd.Peer(fake).studies()
        reports = fake.wait()
    assert frame["PatientName"].tolist() == [f"Marlowe^Anna{n}" for n in range(4)]
    assert [report.ok for report in reports] == [True] and reports[0].played == len(reports[0].turns) == 10
    heard = [a for a in wire.arrows if not a.from_requestor]
    recorded = [a for a in found.arrows if not a.from_requestor]
    assert [e.data for a in heard for e in a.pdus] == [e.data for a in recorded for e in a.pdus]


def test_from_a_redacted_file(found: Recorder, tmp_path: Path) -> None:
    path = found.save(tmp_path / "find.jsonl")
    with nd.FakePeer(path) as fake:
        frame = nd.Peer(fake).studies()
    assert frame["PatientName"].tolist() == ["XXXXXXX^XXXXX"] * 4


def test_what_only_one_side_recorded(server: nd.Server) -> None:
    peer = nd.Peer("PACS", *server.address, trace=True)
    peer.studies()
    with nd.FakePeer(peer.trace) as fake:
        assert len(nd.Peer(fake).studies()) == 4
    acceptor = nd.Server(handlers(), ae_title="PACS", contexts=["Verification", FIND], trace=True)
    with acceptor:
        nd.Peer("PACS", *acceptor.address).studies()
        acceptor.trace.settle()
        with nd.FakePeer(acceptor.trace) as fake:
            assert len(nd.Peer(fake).studies()) == 4


def test_an_scu_that_proposes_and_numbers_otherwise(found: Recorder) -> None:
    contexts = ["Verification", (FIND, "ImplicitVRLittleEndian"), (FIND, ["ExplicitVRLittleEndian"])]
    with nd.FakePeer(found) as fake:
        peer = nd.Peer(fake, max_pdu=64)
        with peer.associate(contexts) as association:
            accepted = association.negotiation.accepted
            assert [c.context_id for c in accepted] == [5]
            association._driver.core._next_message_id = 77
            matches = list(association.find({"PatientID": "", "QueryRetrieveLevel": "STUDY"}))
        (report,) = fake.wait()
    assert len(matches) == 4 and report.ok


def test_as_an_scu_it_says_the_same_bytes(server: nd.Server, found: Recorder) -> None:
    with nd.record(payload=None) as wire:
        (report,) = nd.replay(found, f"PACS@{server.address[0]}:{server.address[1]}")
    assert report.ok, report
    assert [str(side.role) for side in wire.associations] == ["acceptor"]
    arrows = [a for a in wire.arrows if a.from_requestor]
    assert [e.data for a in arrows for e in a.pdus] == sent(found, 0)


def test_an_scp_that_answers_otherwise(found: Recorder) -> None:
    none = nd.Handlers(find=lambda request: iter(()))
    for other, words in (
        (nd.Server(none, ae_title="PACS", contexts=[FIND]), "C-FIND-RSP with 0000H Success"),
        (nd.Server(none, ae_title="OTHER", contexts=[FIND]), "called-AE-title-not-recognized"),
        (nd.Server(none, ae_title="PACS", contexts=["Verification"]), "presentation context 1"),
        (nd.Server(none, ae_title="PACS", contexts=[(FIND, "ImplicitVRLittleEndian")]), "instead of Explicit"),
    ):
        with other:
            (report,) = nd.replay(found, "PACS@{}:{}".format(*other.address))
        assert not report and words in report.failure
        assert "as recorded" in str(report) and report.failure in report._repr_html_()
        assert report.to_frame()["result"].iloc[report.played] == report.failure


def test_an_scu_that_departs_from_the_script(found: Recorder) -> None:
    with nd.FakePeer(found) as fake:
        assert "abstract-syntax-not-supported" in str(nd.Peer(fake).echo())
        with pytest.raises(nd.AssociationAborted):
            nd.Peer(fake).associate([FIND])
        reports = fake.wait(2)
    assert sorted(r.failure for r in reports) == [
        "A-RELEASE-RQ instead of C-FIND-RQ",
        "only 1 connections were recorded",
    ]
    assert "Fake peer PACS@" in repr(fake) and len(fake.to_frame()) == 2


def test_again_and_again(found: Recorder) -> None:
    with nd.FakePeer(found, repeat=True) as fake:
        for _ in range(3):  # each on an association of its own, as it was recorded
            assert len(nd.Peer(fake, timeouts=nd.Timeouts(linger=0)).studies()) == 4
        assert [r.ok for r in fake.wait(3)] == [True] * 3


def test_a_get_with_its_sub_operations(tmp_path: Path) -> None:
    """The fake peer sends C-STORE requests; ours answers them."""
    with nd.demo_pacs() as pacs:
        peer = nd.Peer(pacs)
        study = peer.studies().sort_values("NumberOfStudyRelatedInstances").head(1)
        with nd.record(payload=None) as wire:
            first = peer.get(study, to=tmp_path / "first", progress=False)
    with nd.FakePeer(wire) as fake:
        again = nd.Peer(fake).get(study, to=tmp_path / "again", progress=False)
        assert [r.ok for r in fake.wait()] == [True] * len(wire.connections)
    assert len(again.paths) == len(first.paths) > 0
    for one, other in zip(sorted(first.paths), sorted(again.paths), strict=True):
        assert pydicom.dcmread(one).PixelData == pydicom.dcmread(other).PixelData


def test_stores_in_a_window(server: nd.Server) -> None:
    path = str(get_testdata_file("CT_small.dcm", download=False))
    with nd.record(payload=None) as wire:
        assert nd.Peer("PACS", *server.address).store(path, path, progress=False)
    with nd.FakePeer(wire) as fake:
        assert nd.Peer(fake).store(path, path, progress=False)
    (report,) = nd.replay(wire, "PACS@{}:{}".format(*server.address))
    assert report.ok


def test_rejections_and_aborts_are_said_again(server: nd.Server) -> None:
    with nd.record() as wire, pytest.raises(nd.AssociationRejected):
        nd.associate(server.address, called="OTHER", contexts=["Verification"])
    with nd.FakePeer(wire) as fake:
        assert fake.address.startswith("OTHER@")
        with pytest.raises(nd.AssociationRejected, match="called-AE-title-not-recognized"):
            nd.Peer(fake).associate(["Verification"])


def test_what_was_not_recorded_whole_cannot_be_said(peer: nd.Peer) -> None:
    with nd.record(payload=20) as wire:
        peer.studies()
    with pytest.raises(TranscriptError, match="was not recorded whole"):
        nd.FakePeer(wire)
    with pytest.raises(TranscriptError, match="nothing went over the wire"):
        nd.FakePeer(Recording((), ()))
    with pytest.raises(nd.ConnectionFailed, match="not the address"):
        nd.replay(wire, "nowhere")


@pytest.mark.interop
def test_the_scu_of_another_toolkit(found: Recorder, tmp_path: Path) -> None:
    pynetdicom = pytest.importorskip("pynetdicom")
    query = pydicom.Dataset()
    query.QueryRetrieveLevel, query.PatientID = "STUDY", ""
    with nd.FakePeer(found.save(tmp_path / "find.jsonl", redact=False)) as fake:
        entity = pynetdicom.AE()
        entity.add_requested_context("1.2.840.10008.1.1")
        entity.add_requested_context("1.2.840.10008.5.1.4.1.2.2.1", "1.2.840.10008.1.2.1")
        host, port = fake.address.partition("@")[2].split(":")
        association = entity.associate(host, int(port), ae_title="PACS")
        assert association.is_established
        answers = list(association.send_c_find(query, "1.2.840.10008.5.1.4.1.2.2.1", msg_id=1234))
        association.release()
        (report,) = fake.wait()
    assert [identifier.PatientName for _, identifier in answers[:-1]] == [f"Marlowe^Anna{n}" for n in range(4)]
    assert answers[-1][0].Status == 0 and report.ok


@pytest.mark.interop
@pytest.mark.skipif(shutil.which("findscu") is None, reason="DCMTK is not installed")
def test_findscu_of_dcmtk_asks_a_fake_peer(server: nd.Server) -> None:
    """DCMTK proposes other contexts, numbers otherwise and leaves without a word if it does not like an answer."""
    program = ["findscu", "-v", "-S", "-aec", "PACS", "-k", "QueryRetrieveLevel=STUDY", "-k", "PatientID"]
    with nd.record(payload=None) as wire:
        nd.Peer("PACS", *server.address).studies()
    with nd.FakePeer(wire) as fake:
        host, port = fake.address.partition("@")[2].split(":")
        done = subprocess.run([*program, host, port], timeout=60, capture_output=True, text=True, check=True)
        (report,) = fake.wait()
    assert report.ok, report
    text = done.stdout + done.stderr
    assert text.count("Find Response") >= 4 or text.count("PatientID") >= 4


@pytest.mark.interop
@pytest.mark.skipif(shutil.which("echoscu") is None, reason="DCMTK is not installed")
def test_a_session_of_dcmtk_is_said_again_to_an_scp_of_ours(server: nd.Server) -> None:
    host, port = map(str, server.address)
    with nd.record() as wire:
        subprocess.run(["echoscu", "-aec", "PACS", host, port], timeout=60, check=True)
        wire.settle()
    (report,) = nd.replay(wire, f"PACS@{host}:{port}")
    assert report.ok, report


def test_an_event_loop_is_recorded_and_replayed(server: nd.Server) -> None:
    async def ask(address: tuple[str, int]) -> int:
        async with nd.aio.associate(address, called="PACS", contexts=[FIND]) as association:
            return len([m async for m in association.find({"PatientID": "", "QueryRetrieveLevel": "STUDY"})])

    with nd.record() as wire:
        assert asyncio.run(ask(server.address)) == 4
    assert sorted(str(side.role) for side in wire.associations) == ["acceptor", "requestor"]
    assert [side.outcome for side in wire.associations] == ["released"] * 2
    with nd.FakePeer(wire) as fake:
        host, port = fake.address.partition("@")[2].split(":")
        assert asyncio.run(ask((host, int(port)))) == 4
