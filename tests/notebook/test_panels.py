"""Saved peers, the server panel, thumbnails, worklist and performed steps: against real SCPs on loopback."""

import base64
import json
import re
import threading

import pytest
from pydicom.dataset import FileMetaDataset

import nbdicom as nd
from nbdicom.errors import NbdicomError, OperationFailed
from nbdicom.notebook import thumbnails
from nbdicom.peer.registry import Peers
from tests.interleaving import interleaved, pausing

from ..peer.conftest import ct
from .waiting import LIMIT, until

# ------------------------------------------------------------------------------- saved peers


@pytest.fixture
def saved(tmp_path):
    return Peers(tmp_path / "config" / "peers.json")


def test_peers_are_saved_and_found(saved) -> None:
    assert list(saved) == [] and len(saved) == 0
    saved.add("pacs", "PACS@10.0.0.5:104", calling="ME", charset="ISO_IR 100")
    saved.add("other", nd.Peer("X@[::1]:11112"))
    again = Peers(saved.path)
    assert list(again) == ["pacs", "other"] and "pacs" in again
    assert (again["pacs"].address, again["pacs"].calling, again["pacs"].charset) == (
        "PACS@10.0.0.5:104",
        "ME",
        "ISO_IR 100",
    )
    assert again["other"].address == "X@[::1]:11112"
    assert "PACS@10.0.0.5:104" in str(again) and again.to_frame().shape == (2, 4)
    again.remove("pacs")
    assert list(saved) == ["other"]


@pytest.mark.parametrize(
    ("action", "problem"),
    [
        (lambda saved: saved["pcas"], "no saved peer is called 'pcas'"),
        (lambda saved: saved.remove("x"), "no saved peer"),
        (lambda saved: saved.add(" ", "P@h:1"), "needs a name"),
        (lambda saved: saved.add("x", "nonsense"), "not the address"),
    ],
)
def test_what_is_no_peer(saved, action, problem) -> None:
    with pytest.raises(NbdicomError, match=problem):
        action(saved)


@pytest.mark.parametrize("content", ["{", "[]", '{"a": 1}'])
def test_a_file_that_is_broken_is_left_alone(saved, content) -> None:
    saved.path.parent.mkdir()
    saved.path.write_text(content)
    with pytest.raises(NbdicomError, match=r"peers\.json"):
        saved.add("x", "P@h:1")
    assert saved.path.read_text() == content


def test_where_they_are(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("NBDICOM_CONFIG", str(tmp_path / "here"))
    assert nd.peers.path == tmp_path / "here" / "peers.json"
    monkeypatch.delenv("NBDICOM_CONFIG")
    assert nd.peers.path.name == "peers.json" and "nbdicom" in str(nd.peers.path)


def test_the_manager(saved) -> None:
    with nd.serve(ae_title="STORESCP") as scp:
        manager = nd.PeerManager(saved)
        manager.name.value, manager.ae_title.value, manager.host.value = "mine", "STORESCP", "127.0.0.1"
        manager.port.value = scp._server.address[1]
        manager.test_button.click()
        assert manager.job.wait(LIMIT).ok and "verified" in manager._report.value
        manager.save_button.click()
        address = scp.address
        assert manager.choice.value == "mine" and json.loads(saved.path.read_text())["mine"]["address"] == address
    manager.test_button.click()
    assert not manager.job.wait(LIMIT) and "refused" in manager._report.value
    manager.host.value = ""
    assert manager.test() is None and "no host" in manager._problem.value
    again = nd.PeerManager(saved)
    again.choice.value = "mine"
    assert again.peer.address == address
    again.remove_button.click()
    assert list(saved) == [] and again.choice.options == ()
    again.remove_button.click()
    assert "choose a saved peer" in again._problem.value


def test_a_list_that_has_been_broken_meanwhile(saved) -> None:
    saved.add("mine", "PACS@10.0.0.5:104")
    manager = nd.PeerManager(saved)
    saved.path.write_text("{")
    manager.choice.value = "mine"
    assert "peers.json" in manager._problem.value and manager.host.value == ""
    manager.save_button.click()
    assert saved.path.read_text() == "{"


# ------------------------------------------------------------------------------- a server, and thumbnails


def image(series: str, number: int):
    dataset = ct(series, number)
    dataset.Modality, dataset.SeriesDescription = "CT", "axial"
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    dataset.BitsStored, dataset.HighBit, dataset.PhotometricInterpretation = 16, 15, "MONOCHROME2"
    return dataset


@pytest.fixture
def panel(tmp_path):
    """A function that makes a panel, which is stopped at the end."""
    made = []

    def make(**options):
        made.append(nd.ServerPanel(tmp_path / "in", ae_title="PANEL", **options))
        return made[-1]

    yield make
    for one in made:
        one.stop().wait(LIMIT)


@pytest.mark.parametrize("kind", ["receiver", "pacs"])
def test_a_server_with_a_switch(panel, kind) -> None:
    panel = panel(kind=kind)
    assert panel.stop_button.resting and "stopped" in panel._status.value
    panel.start_button.click()
    panel.job.wait(LIMIT)
    until(lambda: panel.start_button.resting and "listening as PANEL@127.0.0.1" in panel._status.value)
    peer = nd.Peer(panel.server, calling="SENDER")
    with peer.associate():
        until(lambda: "SENDER" in panel._associations.value)
    assert peer.store([image("1.2.1", 1), image("1.2.1", 2), image("1.2.2", 1)]).ok
    until(lambda: "3 objects received" in panel._status.value)
    panel.thumbnails.wait(LIMIT)
    assert panel.thumbnails.counts == {"1.2.1": 2, "1.2.2": 1}
    until(lambda: "CT Image Storage" in panel._received.value)
    if kind == "pacs":
        until(lambda: "it has 1 patient, 1 study, 2 series, 3 instances" in panel._status.value)
        assert len(peer.series(StudyInstanceUID=image("1.2.1", 1).StudyInstanceUID)) == 2
    panel.stop_button.click()
    panel.job.wait(LIMIT)
    until(lambda: "stopped: 3 objects received" in panel._status.value)
    assert not panel.server.running and panel._associations.value == "" and not panel.start_button.resting


def test_the_server_of_the_panel_is_a_line_of_code(panel) -> None:
    panel = panel(kind="pacs", allow={"CT1": "127.0.0.1:104"})
    folder = panel.folder.value
    assert panel.code == f"""nd.Pacs("{folder}", ae_title="PANEL", allow={{'CT1': '127.0.0.1:104'}}).start()"""
    panel.kind.value, panel.allow, panel.host.value = "demo", None, "0.0.0.0"
    assert panel.code == f'nd.demo_pacs(root="{folder}", ae_title="PANEL", host="0.0.0.0")'
    panel.kind.value, panel.port.value, panel.folder.value = "receiver", 11112, folder + '/a "b"'
    assert panel.code.endswith("""/a "b"', ae_title="PANEL", host="0.0.0.0", port=11112)""")
    panel.host.value, panel.port.value = "127.0.0.1", 0
    with eval(panel.code, {"nd": nd}) as server:  # our own line
        assert str(server.folder) == panel.folder.value


def test_another_server_of_the_panel_takes_the_place_of_the_first(panel) -> None:
    panel = panel()
    panel.start().wait(LIMIT)
    first = panel.server
    panel.kind.value = "demo"
    panel.start().wait(LIMIT)
    assert not first.running and panel.server.running
    assert len(nd.Peer(panel.server).patients()) >= 5
    panel.server.stop()  # by other hands
    until(lambda: "stopped" in panel._status.value and not panel.start_button.resting)


@pytest.mark.parametrize("kind", ["receiver", "pacs"])
@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("folder", " ", "name a folder"),
        ("folder", "/proc/nothing", ""),
        ("host", "203.0.113.1", "cannot listen"),
        ("ae_title", "", "AE title"),
    ],
)
def test_a_server_that_cannot_start(panel, kind, field, value, problem) -> None:
    panel = panel(kind=kind)
    getattr(panel, field).value = value
    panel.start_button.click()
    until(lambda: panel._problem.value)
    assert problem in panel._problem.value and "role='alert'" in panel._problem.value
    until(lambda: not panel.start_button.resting and panel.stop_button.resting)
    assert panel.server is None


def test_nothing_else_is_served() -> None:
    with pytest.raises(NbdicomError, match="kind is one of receiver, pacs, demo"):
        nd.ServerPanel(kind="printer")


def test_thumbnails_of_what_is_there_and_of_what_is_no_image(tmp_path) -> None:
    strip = nd.Thumbnails([image("1.2.1", 1), image("1.2.1", 2)])
    (box,) = strip._strip.children
    picture = re.fullmatch(
        "<img alt='Image of series CT axial' width='112' src='data:image/png;base64,(.*)'>", box.children[0].value
    )
    assert base64.b64decode(picture[1])[:4] == b"\x89PNG" and "CT axial (2)" in box.children[1].value
    (tmp_path / "x.txt").write_text("x")
    strip.add(tmp_path / "x.txt")
    strip.wait(LIMIT)
    assert len(strip._strip.children) == 1


# ------------------------------------------------------------------------------- worklist and performed steps


@pytest.fixture
def ris():
    """A PACS with two steps on its worklist."""
    with nd.Pacs(ae_title="RIS", durability="none") as pacs:
        for number in (1, 2):
            pacs.worklist.add(
                PatientName="DOE^JANE", PatientID="P1", Modality="CT", ScheduledStationAETitle="CT1",
                ScheduledProcedureStepStartDate="20260301", ScheduledProcedureStepStartTime=f"080{number}",
                ScheduledProcedureStepID=f"S{number}",
            )  # fmt: skip
        yield nd.Peer(pacs, calling="CT1")


def test_the_worklist_form(ris, tmp_path) -> None:
    form = nd.WorklistForm(ris)
    form.form.search().wait(LIMIT)
    assert not form.form.grid.retrievable and form.form.code == "ris.worklist(limit=200)"
    assert form.form.results.ScheduledProcedureStepID.tolist() == ["S1", "S2"]
    assert form.begin() is None and "choose one" in form._problem.value
    assert form.end("complete") is None and "nothing has been begun" in form._problem.value
    form.form.grid.rows.value = (1,)
    form.begin_button.click()
    step = form.job.wait(LIMIT)
    assert step.status == "IN PROGRESS"
    assert form.step.options[0][0] == "1 S2: IN PROGRESS" and form._problem.value == ""
    form.end("complete")  # a step that has made nothing cannot be completed (PS3.4 F.7.2.2.2)
    with pytest.raises(OperationFailed):
        form.job.wait(LIMIT)
    assert "PerformedSeriesSequence" in form._problem.value and step.status == "IN PROGRESS"
    for nothing in ("/no such folder", str(tmp_path)):
        form.images.value = nothing
        with pytest.raises(NbdicomError, match="no DICOM object in"):
            form.end("complete").wait(LIMIT)
        assert "no DICOM object in" in form._problem.value and step.status == "IN PROGRESS"
    image("1.2.1", 1).save_as(tmp_path / "1.dcm")
    form.images.value = str(tmp_path)
    form.complete_button.click()
    form.job.wait(LIMIT)
    assert step.status == "COMPLETED" and form.step.options[0][0] == "1 S2: COMPLETED"
    form.complete_button.click()  # once more: it is done, and nothing has failed
    assert "completed already" in form._status.value and form._problem.value == "" and form.job.state == "done"
    form.discontinue_button.click()
    with pytest.raises(NbdicomError):
        form.job.wait(LIMIT)
    assert "COMPLETED" in form._problem.value and not form.begin_button.resting


def test_a_peer_without_a_worklist() -> None:
    with nd.serve(ae_title="STORESCP") as scp:
        form = nd.WorklistForm(nd.Peer(scp))
        with pytest.raises(OperationFailed):
            form.form.search().wait(LIMIT)
        assert "failed" in form.form._status.value


@pytest.mark.parametrize("seed", range(6))
def test_a_strip_that_is_closed_while_it_grows_leaves_no_thread(seed, tmp_path) -> None:
    """What waits is taken away by who closes it; the thread that would have shown it does not wait for more."""

    def grow_and_close() -> None:
        for _ in range(20):
            strip = nd.Thumbnails()
            strip.add(tmp_path / "1.dcm")
            strip.close()
            strip.wait(LIMIT)
            assert strip._worker is None

    threading.settrace(pausing(f"{seed}", thumbnails))
    try:
        assert interleaved([grow_and_close] * 2, seed, thumbnails) == []
    finally:
        threading.settrace(None)
