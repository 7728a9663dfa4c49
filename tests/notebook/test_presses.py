"""What is pressed: Cancel of every job, Enter before the value has arrived, and the two ways to retrieve."""

import threading

import pandas as pd
import pytest

import nbdicom as nd
from nbdicom.config import Timeouts
from nbdicom.data import instance
from nbdicom.errors import OperationCancelled
from nbdicom.notebook import controls
from nbdicom.notebook.controls import Press, instead
from nbdicom.peer import Peer
from nbdicom.peer.registry import Peers
from tests.drivers.scripted import Scripted

from ..peer.conftest import ct
from .waiting import LIMIT, until

PATIENT = Timeouts(connect=30, association=30, dimse=30, network=30, cancel=0.1, release=0.1, linger=0)
STEP = pd.DataFrame({"StudyInstanceUID": ["1.2.3"], "Modality": ["CT"], "ScheduledProcedureStepID": ["S1"]})


@pytest.fixture(autouse=True)
def no_hurry(monkeypatch) -> None:
    """A value may come late by as much as a loaded machine needs."""
    monkeypatch.setattr(controls, "_LATE", LIMIT)


def enter(control) -> None:
    """As a front end tells it; it may do so before it tells what was typed."""
    control._handle_custom_msg({"event": "submit"}, [])


# ------------------------------------------------------------------------------- Cancel


@pytest.fixture
def silent():
    """A peer that accepts the association and says nothing more, and the event that its request has come."""
    asked = threading.Event()

    def listen(wire):
        wire.socket.settimeout(LIMIT)
        wire.pdu()
        asked.set()
        while wire.pdu() is not None:
            pass

    with Scripted(listen) as scripted:
        yield Peer("SILENT", *scripted.address, timeouts=PATIENT), asked


def cancelled(job, button) -> None:
    until(lambda: not button.resting)
    button.click()
    with pytest.raises(OperationCancelled):
        job.wait(LIMIT)
    assert job.state == "cancelled"
    until(lambda: button.resting)


def test_a_search_is_cancelled(silent) -> None:
    peer, asked = silent
    form = nd.QueryForm(peer)
    form.search_button.click()
    assert asked.wait(LIMIT)
    cancelled(form.job, form.cancel_button)
    assert "cancelled" in form._status.value and "role='alert'" not in form._status.value


def test_a_list_of_the_browser_is_cancelled(silent) -> None:
    peer, asked = silent
    browser = nd.Browser(peer)
    job = browser.load()
    assert asked.wait(LIMIT)
    cancelled(job, browser.cancel_button)
    assert "cancelled" in browser._status.value and "role='alert'" not in browser._status.value


def test_a_report_on_a_step_is_cancelled(silent) -> None:
    peer, asked = silent
    form = nd.WorklistForm(peer)
    form.form.grid.frame = STEP
    form.form.grid.rows.value = (0,)
    form.begin_button.click()
    assert asked.wait(LIMIT)
    cancelled(form.job, form.cancel_button)
    assert "whether the peer has taken it is not known" in form._status.value
    assert not form.begin_button.resting and form._problem.value == "" and form.steps == []


def test_a_second_click_reports_nothing_twice() -> None:
    """It may come before the answer or after it."""
    begun, go_on = [], threading.Event()

    def create(request):
        begun.append(request.sop_instance_uid)
        go_on.wait(LIMIT)

    handlers = nd.Handlers(n_create=create)
    with nd.Server(handlers, ae_title="RIS", contexts=["ModalityPerformedProcedureStep"]).start() as server:
        form = nd.WorklistForm(nd.Peer("RIS", *server.address))
        form.form.grid.frame = STEP
        form.form.grid.rows.value = (0,)
        form.begin_button.click()
        until(lambda: begun)
        assert form.begin() is None and "on its way" in form._problem.value
        go_on.set()
        step = form.job.wait(LIMIT)
        assert form._problem.value == "" and form.steps == [step]
        assert form.begin() is None and "in progress already" in form._status.value and form._problem.value == ""
        assert begun == [step.sop_instance_uid]


def test_the_test_of_a_peer_is_cancelled(silent, tmp_path) -> None:
    peer, asked = silent
    manager = nd.PeerManager(Peers(tmp_path / "peers.json"))
    manager.ae_title.value, manager.host.value, manager.port.value = peer.ae_title, peer.host, peer.port
    manager.test_button.click()
    assert asked.wait(LIMIT)
    cancelled(manager.job, manager.cancel_button)
    assert "cancelled" in manager._report.value and not manager.test_button.resting


def test_the_start_of_a_server_is_cancelled(tmp_path) -> None:
    panel = nd.ServerPanel(tmp_path / "demo", kind="demo", ae_title="PANEL")
    job = panel.start()
    panel.cancel_button.click()
    with pytest.raises(OperationCancelled):
        job.wait(LIMIT)
    until(lambda: panel.cancel_button.resting and not panel.start_button.resting)
    assert panel.server is None and panel._problem.value == "" and panel.stop_button.resting
    panel.kind.value = "pacs"
    panel.start().wait(LIMIT)  # the folder is free again
    assert panel.server.running
    panel.stop().wait(LIMIT)


# ------------------------------------------------------------------------------- Enter comes before the value


def test_a_press_and_what_was_typed_before_it() -> None:
    done = []
    press = Press(lambda: done.append("pressed"), lambda: done.append("again"))
    press.typed()
    press()
    press.typed()
    assert done == ["pressed", "again"]
    press.forget()
    press.typed()
    assert done == ["pressed", "again"]


def test_what_the_action_changes_itself_was_not_typed() -> None:
    done = []

    def action():
        done.append(1)
        press.typed()

    press = Press(action)
    press()
    press.typed()
    assert done == [1, 1]


def test_instead_of_a_job() -> None:
    go_on, done = threading.Event(), threading.Event()
    job = nd.Job(lambda job: (go_on.wait(LIMIT), job.check()), label="first").start()
    instead(job, done.set)
    assert not done.is_set()
    go_on.set()
    assert done.wait(LIMIT) and job.state == "cancelled"
    done.clear()
    instead(job, done.set)
    assert done.is_set()


@pytest.fixture(scope="module")
def pacs():
    with nd.demo_pacs(ae_title="PRESSED") as pacs:
        yield nd.Peer(pacs)


def test_the_browser_asks_again(pacs) -> None:
    browser = nd.Browser(pacs)
    enter(browser.name)
    browser.name.value = "Marl"
    browser.name.value = "Marlowe*"
    until(lambda: len(browser.lists["PATIENT"].options) == 1)


def test_a_further_key_comes_late(pacs) -> None:
    form = nd.QueryForm(pacs)
    enter(form.keyword)
    assert "type a keyword" in form._keyword.problem
    form.keyword.value = "StudyID"
    assert form.field("StudyID").keyword == "StudyID" and form._keyword.problem == "" and form.keyword.value == ""


def test_the_folder_comes_late(pacs, tmp_path) -> None:
    grid = nd.ResultsGrid(pacs.studies(limit=1), to=tmp_path / "first")
    grid.rows.value = (0,)
    enter(grid.folder)
    grid.folder.value = str(tmp_path / "meant")
    until(lambda: grid.result is not None and grid.result.folder == tmp_path / "meant")
    assert grid.job.wait(LIMIT).ok and grid._problem.value == ""


def test_the_address_comes_late(tmp_path) -> None:
    with nd.serve(ae_title="STORESCP") as scp:
        manager = nd.PeerManager(Peers(tmp_path / "peers.json"))
        manager.ae_title.value, manager.port.value = "STORESCP", scp.port
        enter(manager.ae_title)
        assert "no host" in manager._problem.value
        manager.host.value = "127.0.0.1"
        assert manager.job.wait(LIMIT).ok and manager._problem.value == ""


def test_a_field_that_comes_after_save_is_told_and_nothing_is_overwritten(tmp_path) -> None:
    manager = nd.PeerManager(Peers(tmp_path / "peers.json"))
    manager.name.value, manager.ae_title.value, manager.host.value = "p", "PACS", "127.0.0.1"
    manager.save_button.click()
    assert manager._problem.value == ""
    manager.name.value = "pacs"
    assert "save again" in manager._problem.value and list(manager.saved) == ["p"]


def test_another_saved_peer_that_is_chosen_was_not_typed(tmp_path) -> None:
    """Right after a press, too: nobody is called, and nothing is said to have changed."""
    with nd.serve(ae_title="STORESCP") as scp:
        manager = nd.PeerManager(Peers(tmp_path / "peers.json"))
        manager.saved.add("other", nd.Peer("OTHER", "192.0.2.1", 104))
        manager.name.value, manager.ae_title.value = "p", "STORESCP"
        manager.host.value, manager.port.value = "127.0.0.1", scp.port
        manager.save_button.click()
        manager.test_button.click()
        tested = manager.job
        manager.choice.value = "other"
        assert manager.job is tested and manager._problem.value == "" and manager.host.value == "192.0.2.1"
        assert tested.wait(LIMIT).ok


def test_the_folder_of_a_server_comes_late(tmp_path) -> None:
    panel = nd.ServerPanel(tmp_path / "first", ae_title="PANEL")
    panel.start_button.click()
    panel.folder.value = str(tmp_path / "meant")
    until(lambda: panel.server is not None and panel.server.folder == tmp_path / "meant" and panel.server.running)
    until(lambda: panel.job.snapshot.is_over)
    panel.stop().wait(LIMIT)


def test_the_images_of_a_step_come_late(tmp_path) -> None:
    ct().save_as(tmp_path / "1.dcm", implicit_vr=False, little_endian=True)
    with nd.Pacs(ae_title="RIS", durability="none") as ris:
        form = nd.WorklistForm(nd.Peer(ris))
        form.form.grid.frame = STEP
        form.form.grid.rows.value = (0,)
        step = form.begin().wait(LIMIT)
        form.complete_button.click()
        form.images.value = str(tmp_path)
        until(lambda: step.status == "COMPLETED" and form.job.snapshot.is_over)
        assert form._problem.value == ""
        form.images.value = ""
        step = form.begin().wait(LIMIT)
        form.discontinue_button.click()
        assert form.job.wait(LIMIT).status == "DISCONTINUED"
        form.images.value = str(tmp_path)
        until(lambda: "had ended before its images were named" in form._problem.value)


# ------------------------------------------------------------------------------- two ways to retrieve


@pytest.mark.parametrize("verb", ["retrieve", "pull"])
def test_both_ways_of_the_grid(pacs, tmp_path, verb) -> None:
    form = nd.QueryForm(pacs, to=tmp_path / "here")
    form.search().wait(LIMIT)
    grid = form.grid
    grid.rows.value = (0, 1)
    grid.way.value = verb
    assert f'form.selection.dicom.{verb}("{tmp_path}/here")'.replace('"', "&quot;") in grid._retrieval.code.value
    result = grid.retrieve().wait(LIMIT)
    assert result.ok and not grid.show_button.disabled
    shown = grid._retrieval.report.value
    assert ("named" in shown) == (verb == "pull") and "Row by row" in shown
    if verb == "pull":
        again = grid.retrieve().wait(LIMIT)
        assert again.ok and again.new == 0 and "0 new" in grid._jobs.children[0].children[2].value
        assert eval(f'form.selection.dicom.{verb}("{tmp_path}/here")', {"form": form}).ok  # our own line


@pytest.mark.parametrize("verb", ["retrieve", "pull"])
def test_both_ways_of_the_browser(pacs, tmp_path, verb) -> None:
    browser = nd.Browser(pacs, to=tmp_path)
    browser.load().wait(LIMIT)
    browser.lists["PATIENT"].value = 0
    browser.way.value = verb
    line = f'browser.peer.{verb}(browser.selection, to="{tmp_path}", level="PATIENT", model="patient")'
    assert line.replace('"', "&quot;") in browser._retrieval.code.value
    assert browser.retrieve().wait(LIMIT).ok
    assert eval(line, {"browser": browser}).ok


def test_a_pull_that_is_not_complete_says_so(tmp_path) -> None:
    """The archive names two instances and sends one."""
    images = [ct("1.2.3.1", 1), ct("1.2.3.1", 2)]
    levels = {
        "STUDY": [{"StudyInstanceUID": "1.2.3", "PatientID": "P1"}],
        "SERIES": [
            {"StudyInstanceUID": "1.2.3", "SeriesInstanceUID": "1.2.3.1", "NumberOfSeriesRelatedInstances": "2"}
        ],
        "IMAGE": [
            {"StudyInstanceUID": "1.2.3", "SeriesInstanceUID": "1.2.3.1", "SOPInstanceUID": one.SOPInstanceUID}
            for one in images
        ],
    }
    contexts = [
        nd.core.negotiation.PresentationContext("1.2.840.10008.5.1.4.1.1.2", scu_role=True, scp_role=True),
        "StudyRootQueryRetrieveInformationModelGet",
        "StudyRootQueryRetrieveInformationModelFind",
    ]
    handlers = nd.Handlers(
        find=lambda request: levels[request.identifier().QueryRetrieveLevel], get=lambda request: [instance(images[0])]
    )
    with nd.Server(handlers, ae_title="HALF", contexts=contexts).start() as server:
        grid = nd.ResultsGrid(nd.Peer("HALF", *server.address).studies(), to=tmp_path)
        grid.rows.value = (0,)
        grid.way.value = "pull"
        grid.retrieve()
        until(lambda: grid._retrieval.report.value)
    words = grid._jobs.children[0].children[2].value
    assert grid.job.state == "incomplete" and "0 of 1 series complete: 1 of 2 instances" in words
    assert "1 series NOT COMPLETE" in words and "1 missing" in grid._retrieval.report.value
