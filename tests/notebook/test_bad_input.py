"""What goes wrong under a button: it is said where it happened, nothing is frozen, and nothing is lost."""

import threading

import pandas as pd
import pytest

import nbdicom as nd
from nbdicom.core.negotiation import PresentationContext
from nbdicom.data import instance
from nbdicom.errors import NbdicomError

from ..peer.conftest import ct

LIMIT = 60
STUDY = pd.DataFrame({"StudyInstanceUID": ["1.2.3"], "PatientID": ["1"]})
CT = "1.2.840.10008.5.1.4.1.1.2"


class Counted:
    """An instance that tells when it is asked for."""

    def __init__(self, image, asked):
        self.instance, self.asked = instance(image), asked

    def __getattr__(self, name):
        return getattr(self.instance, name)

    def open(self, transfer_syntax):
        self.asked()
        return self.instance.open(transfer_syntax)


class Archive:
    """A peer that gives ten images; before the sixth it does what it is told."""

    def __init__(self, before_the_sixth):
        self.images = [ct("1.2.3.1", k) for k in range(10)]
        self.act = before_the_sixth
        contexts = [
            PresentationContext(CT, scu_role=True, scp_role=True),
            "StudyRootQueryRetrieveInformationModelGet",
            "StudyRootQueryRetrieveInformationModelFind",
        ]
        handlers = nd.Handlers(get=self.get, find=lambda request: [{"StudyInstanceUID": "1.2.3", "PatientID": "1"}])
        self.server = nd.Server(handlers, ae_title="ARCHIVE", contexts=contexts).start()
        self.peer = nd.Peer("ARCHIVE", *self.server.address)

    def get(self, request):
        return [Counted(one, self.act if k == 5 else lambda: None) for k, one in enumerate(self.images)]


@pytest.fixture
def gone():
    """A peer that goes away in the middle of a retrieval."""
    over = threading.Event()

    def vanish():
        threading.Thread(target=lambda: (archive.server.close(0.1), over.set()), daemon=True).start()
        over.wait(LIMIT)

    archive = Archive(vanish)
    yield archive.peer
    archive.server.close()


@pytest.fixture
def held():
    """A peer that waits in the middle of a retrieval, and the event that it waits for."""
    go_on = threading.Event()
    archive = Archive(lambda: go_on.wait(LIMIT))
    yield archive.peer, go_on
    go_on.set()
    archive.server.close()


@pytest.mark.filterwarnings("ignore::nbdicom.peer.notices.PeerWarning")
def test_a_peer_that_goes_away_during_a_retrieval(gone, tmp_path) -> None:
    grid = nd.ResultsGrid(STUDY, peer=gone, to=tmp_path / "to")
    grid.rows.value = (0,)
    grid.retrieve_button.click()
    result = grid.job.wait(LIMIT)
    assert grid.job.state == "incomplete" and not result
    assert len(result.paths) == 5 and all(path.is_file() for path in result.paths)  # nothing is lost
    words = grid._jobs.children[0].children[2].value
    assert "5 of 10 instances" in words and "aborted the association" in words and "role='status'" in words
    assert not grid.retrieve_button.resting and not grid.show_button.disabled  # nothing is frozen
    assert grid.selection.StudyInstanceUID.tolist() == ["1.2.3"]
    grid.retrieve_button.click()  # now nobody is there at all
    with pytest.raises(NbdicomError):
        grid.job.wait(LIMIT)
    assert "refused" in grid._jobs.children[0].children[2].value and not grid.retrieve_button.resting
    assert all(path.is_file() for path in result.paths)


@pytest.mark.filterwarnings("ignore::nbdicom.peer.notices.PeerWarning")
def test_a_peer_that_goes_away_below_the_lists(gone, tmp_path) -> None:
    browser = nd.Browser(gone, to=tmp_path / "to")
    browser.load().wait(LIMIT)
    browser.lists["PATIENT"].value = 0
    for job in list(browser._loading.values()):
        job.wait(LIMIT)
    browser.lists["STUDY"].value = 0
    result = browser.retrieve().wait(LIMIT)
    assert browser.job.state == "incomplete" and len(result.paths) == 5
    assert "aborted the association" in browser._jobs.children[0].children[2].value
    job = browser.load()
    with pytest.raises(NbdicomError):
        job.wait(LIMIT)
    assert "refused" in browser._status.value and not browser.load_button.disabled


def test_one_retrieval_at_a_time(held, tmp_path) -> None:
    peer, go_on = held
    grid = nd.ResultsGrid(STUDY, peer=peer, to=tmp_path / "to")
    grid.rows.value = (0,)
    job = grid.retrieve()
    assert grid.retrieve_button.resting and not grid.retrieve_button.disabled
    assert grid.retrieve() is None and "is under way" in grid._problem.value
    grid.rows.value = ()
    grid.rows.value = (0,)
    assert grid.retrieve_button.resting and grid.job is job
    go_on.set()
    assert len(job.wait(LIMIT).paths) == 10 and not grid.retrieve_button.resting and grid._problem.value == ""


def test_what_was_found_stays_when_the_next_search_fails(tmp_path) -> None:
    """And what is typed meanwhile, and what is selected."""
    archive = Archive(lambda: None)
    form = nd.QueryForm(archive.peer)
    first = form.search().wait(LIMIT)
    form.grid.rows.value = (0,)
    archive.server.close()
    form.field("PatientName").controls[0].value = "Doe*"
    with pytest.raises(NbdicomError):
        form.search().wait(LIMIT)
    form.field("PatientName").controls[0].value = "Doe"  # which is about the next search
    assert "failed" in form._status.value and "refused" in form._status.value
    assert "those of the search before" in form._status.value
    form.field("PatientName").controls[0].value = "Doe*"
    assert form.results is first and len(form.selection) == 1 and form.keys == {"PatientName": "Doe*"}
    assert not form.search_button.disabled and form.cancel_button.resting


def test_many_answers_through_the_form() -> None:
    """A limit is kept by C-CANCEL, and said."""
    answers = ({"StudyInstanceUID": f"1.2.{k}", "PatientID": f"P{k}"} for k in range(100_000))
    model = "StudyRootQueryRetrieveInformationModelFind"
    server = nd.Server(nd.Handlers(find=lambda request: answers), ae_title="MANY", contexts=[model]).start()
    try:
        form = nd.QueryForm(nd.Peer("MANY", *server.address), limit=700)
        assert len(form.search().wait(LIMIT)) == 700
        assert "TRUNCATED: the peer has more" in form._status.value
        assert len(form.grid.rows.options) == 500 and "of 2: rows 1 to 500 of 700" in form.grid._place.value
    finally:
        server.close()


@pytest.mark.parametrize("way", ["retrieve", "pull"])
@pytest.mark.parametrize(("folder", "reason"), [("file", "it is a file"), ("file/below", "Not a directory")])
def test_a_folder_that_cannot_be_used_is_told_in_words(tmp_path, way, folder, reason) -> None:
    (tmp_path / "file").write_text("x")
    archive = Archive(lambda: None)
    try:
        grid = nd.ResultsGrid(STUDY, peer=archive.peer, to=tmp_path / folder)
        grid.rows.value, grid.way.value = (0,), way
        assert grid.retrieve() is None
    finally:
        archive.server.close()
    words = grid._problem.value
    assert f"{tmp_path / folder} cannot be used: {reason}" in words and "choose a folder" in words
    assert "Error" not in words and not grid.retrieve_button.resting and not grid._jobs.children


@pytest.mark.parametrize("kind", ["receiver", "pacs"])
def test_a_folder_that_a_server_cannot_use_is_told_in_words(tmp_path, kind) -> None:
    (tmp_path / "file").write_text("x")
    panel = nd.ServerPanel(tmp_path / "file", kind=kind)
    with pytest.raises((OSError, NbdicomError)):
        panel.start().wait(LIMIT)
    assert f"{tmp_path / 'file'} cannot be used: " in panel._problem.value and "choose a" in panel._problem.value
