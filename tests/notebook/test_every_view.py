"""Rules that hold for every view: whose models it is made of, names for all that can be used, words beside colours."""

import re

import numpy as np
import pytest
from pydicom.dataset import FileMetaDataset

import nbdicom as nd
from nbdicom.job import Job, progress_widget
from nbdicom.peer.registry import Peers

from ..peer.conftest import ct

LIMIT = 60
#: What a person reads or is held by; all else is used.
_SEEN = {"HTMLModel", "LabelModel", "VBoxModel", "HBoxModel", "GridBoxModel", "BoxModel", "LayoutModel"}


def image(number: int):
    dataset = ct("1.2.1", number)
    dataset.Modality, dataset.SeriesDescription, dataset.PatientName = "CT", "axial", "Doe^Jane"
    dataset.Rows = dataset.Columns = 8
    dataset.PixelData = np.full((8, 8), 1000, "<i2").tobytes()
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation, dataset.SamplesPerPixel = 15, 1, 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    return dataset


def _grid(pacs, tmp_path):
    grid = nd.ResultsGrid(pacs.studies(), to=tmp_path)
    grid.rows.value = (0,)
    grid.retrieve().wait(LIMIT)
    return grid


def _form(level):
    def make(pacs, tmp_path):
        form = nd.QueryForm(pacs, level=level)
        form.add_key("StudyID")
        if not form.search_button.disabled:
            form.search().wait(LIMIT)
        return form

    return make


def _browser(pacs, tmp_path):
    browser = nd.Browser(pacs, to=tmp_path)
    browser.load().wait(LIMIT)
    browser.lists["PATIENT"].value = 0
    return browser


def _viewer(canvas):
    def make(pacs, tmp_path):
        viewer = nd.view([image(k) for k in range(3)], canvas=canvas)
        viewer.attributes_button.value = True
        return viewer

    return make


def _job(pacs, tmp_path):
    class Shown:
        widget = progress_widget(Job(lambda job: 1, label="a job"))

    return Shown()


def _explorer(pacs, tmp_path):
    with nd.record() as wire:
        pacs.echo()
    return nd.TraceExplorer(wire)


VIEWS = {
    **{f"QueryForm {level}": _form(level) for level in ("patients", "studies", "series", "instances", "worklist")},
    "ResultsGrid": _grid,
    "Browser": _browser,
    "PeerManager": lambda pacs, tmp_path: nd.PeerManager(Peers(tmp_path / "peers.json")),
    "ServerPanel": lambda pacs, tmp_path: nd.ServerPanel(tmp_path),
    "WorklistForm": lambda pacs, tmp_path: nd.WorklistForm(pacs),
    "SeriesViewer, canvas": _viewer(True),
    "SeriesViewer, image": _viewer(False),
    "Thumbnails": lambda pacs, tmp_path: nd.Thumbnails([image(1)]),
    "TraceExplorer": _explorer,
    "Job": _job,
}


@pytest.fixture(scope="module")
def pacs():
    with nd.demo_pacs() as server:
        yield nd.Peer(server)


@pytest.fixture(scope="module")
def models(pacs, tmp_path_factory):
    """For each view all widgets in it."""
    made = {name: make(pacs, tmp_path_factory.mktemp("view")) for name, make in VIEWS.items()}
    return {name: (view, list(every(view.widget))) for name, view in made.items()}


def every(widget):
    yield widget
    for child in getattr(widget, "children", ()):
        yield from every(child)


def test_every_public_view_is_looked_at() -> None:
    public = {name for name in dir(nd) if isinstance(getattr(nd, name), type)}
    views = {name for name in public if issubclass(getattr(nd, name), nd.QueryForm.__base__)}
    assert views == {name.split(" ")[0].rstrip(",") for name in VIEWS} - {"Job"}


@pytest.mark.parametrize("name", VIEWS)
def test_models_are_those_of_ipywidgets(models, name) -> None:
    """So that every front end with ipywidgets shows them: no JavaScript of ours but the canvas, none from the network."""
    for widget in models[name][1]:
        module = widget._model_module
        if module == "anywidget":
            assert name.endswith("canvas") and "import" not in re.sub(r"(?m)^export .*$", "", widget._esm)
            assert "http" not in widget._esm and "require" not in widget._esm
        else:
            assert module in ("@jupyter-widgets/base", "@jupyter-widgets/controls"), widget
        for text in (getattr(widget, "value", None), getattr(widget, "description", None)):
            if isinstance(text, str):
                assert "<script" not in text and "<link" not in text and "@import" not in text
                assert "http" not in text.replace("http://www.w3.org", ""), text


@pytest.mark.parametrize("name", VIEWS)
def test_whatever_can_be_used_has_a_name(models, name) -> None:
    """The description is a label, also where it is not seen."""
    for widget in models[name][1]:
        if widget._model_name in _SEEN:
            continue
        if widget._model_name in ("IntProgressModel", "ImageModel"):
            pass  # ipywidgets gives them no name; the line beside them says all, see below
        elif widget._model_module == "anywidget":
            assert widget.words and "ariaLabel" in widget._esm and "tabIndex" in widget._esm
        else:
            name_of_it = widget.tooltip if widget._model_name == "PlayModel" else widget.description
            assert name_of_it.strip(), widget


@pytest.mark.parametrize("name", VIEWS)
def test_states_and_problems_are_announced_and_said_in_words(models, name) -> None:
    """A colour comes with a word; a line that changes has a role."""
    texts = [one.value for one in models[name][1] if one._model_name == "HTMLModel"]
    lines = [text for text in texts if "nbd-message" in text.replace(".nbd-message", "")]
    assert all("role='alert'" in text and "\N{WARNING SIGN}" in text for text in lines)
    for text in texts:
        for cell in re.findall(r"<td class='(?:ok|bad)'[^>]*>(.*?)</td>", text):
            assert re.search(r"\w", re.sub(r"<[^>]*>", "", cell))
    bars = [one for one in models[name][1] if one._model_name in ("IntProgressModel", "ImageModel")]
    assert all("alt='" in text for text in texts if "<img" in text)
    announced = [text for text in texts if "role='status'" in text and "aria-live='polite'" in text]
    assert len(announced) >= len(bars)


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_says_its_line_of_code_where_there_is_no_front_end(models, name) -> None:
    view = models[name][0]
    if name != "Job":
        assert view._instead in repr(view) and view._instead and "Doe" not in repr(view)
        bundle = view._repr_mimebundle_()
        assert bundle["text/plain"] == repr(view)
        assert bundle["application/vnd.jupyter.widget-view+json"]["model_id"] == view.widget.model_id
