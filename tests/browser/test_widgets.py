"""The forms as people use them: typed into, pressed and scrolled in a real JupyterLab."""

import re
from pathlib import Path

import pytest

from .lab import Lab

FORM = [
    """
import nbdicom as nd
pacs = nd.Peer(nd.demo_pacs())
form = nd.QueryForm(pacs, to="retrieved by the form")
form
""",
    """
same = eval(form.code)
print(len(form.results), "rows;", "twins" if same.equals(form.results) else "strangers", form.query.matching)
print(len(form.selection), "selected;", len(form.grid.result.paths), "retrieved")
""",
]

PANELS = [
    """
import nbdicom as nd
pacs = nd.Peer(nd.demo_pacs())
browser = nd.Browser(pacs, to="retrieved by the browser")
browser
""",
    """
panel = nd.ServerPanel("received by the panel", kind="pacs", ae_title="PANEL")
panel
""",
    """
from nbdicom.pacs.samples import sample_instances
images = [one for one in sample_instances() if one.Modality == "CT"][:40]
with nd.Peer(panel.server, calling="MODALITY").associate() as association:
    sent = nd.Peer(panel.server, calling="MODALITY").store(images, progress=False)
print(sent.ok)
""",
    """
import tempfile
from nbdicom.peer.registry import Peers
manager = nd.PeerManager(Peers(tempfile.mkdtemp() + "/peers.json"))
manager
""",
]

SLOW = [
    """
import threading
import nbdicom as nd
from nbdicom.data import instance
from nbdicom.pacs.samples import sample_instances

class Slow:
    "An instance that takes its time."

    def __init__(self, image):
        self.instance = instance(image)

    def __getattr__(self, name):
        return getattr(self.instance, name)

    def open(self, transfer_syntax):
        threading.Event().wait(0.1)
        return self.instance.open(transfer_syntax)

images = [Slow(one) for one in sample_instances() if one.Modality == "CT"][:40] * 500
contexts = [nd.PresentationContext("1.2.840.10008.5.1.4.1.1.2", scu_role=True, scp_role=True),
            "StudyRootQueryRetrieveInformationModelGet"]
server = nd.Server(nd.Handlers(get=lambda request: images), ae_title="SLOW", contexts=contexts)
server.start()
pacs = nd.Peer("SLOW", *server.address)
job = pacs.retrieve(StudyInstanceUID="1.2.3", to="slowly", wait=False)
job
""",
    "print('a cell runs beside it:', job.running)",
    """
import warnings
warnings.simplefilter("ignore")
again = pacs.retrieve(StudyInstanceUID="1.2.3", to="slowly too", wait=False)
display(again)
again.wait()
""",
    "print('after both:', job.state, len(job.result.paths) > 0, again.state, again.result is not None)\nserver.close()",
]


UNDER_WAY = re.compile(r"running, [1-9]\d* of")


def test_from_a_form_to_images(lab: Lab, pictures: Path) -> None:
    lab.write("form.ipynb", FORM)
    lab.open("form.ipynb")
    lab.run_cell(0)
    out = lab.outputs()
    out.get_by_label("Patient name").fill("Mar")
    out.get_by_label("Study date from").fill("2022-05-01")
    out.get_by_label("to", exact=True).fill("2021-01-01")
    out.get_by_text("ends before it begins").wait_for(timeout=60_000)
    assert out.get_by_role("button", name="Search").is_disabled()
    out.get_by_label("to", exact=True).fill("2030-01-01")
    out.get_by_label("Study date from").fill("2021-01-01")
    out.get_by_label("Further key").fill("StudyIDD")
    out.get_by_role("button", name="Add key").click()
    out.get_by_text("did you mean StudyID").wait_for(timeout=60_000)
    out.get_by_label("Patient name").fill("Mar*")
    lab.page.wait_for_function(
        "() => document.querySelector('.nbd-form code').innerText.includes('Mar*')", timeout=60_000
    )
    out.get_by_label("Patient name").press("Enter")
    lab.choose(0, [2])
    out.get_by_text("1 of 3 rows selected").wait_for(timeout=60_000)
    out.get_by_label("Rows", exact=True).focus()  # the notebook, in its command mode, leaves these keys to the list
    for key in ("Home", "Shift+ArrowDown"):
        lab.page.keyboard.press(key)
    out.get_by_text("2 of 3 rows selected").wait_for(timeout=60_000)
    out.get_by_role("button", name="Retrieve").click()
    out.get_by_text("38 of 38 instances retrieved").first.wait_for(timeout=60_000)
    out.get_by_role("button", name="Show images").click()
    out.get_by_label("Series").select_option(index=2)
    canvas = out.locator("canvas.nbd-canvas")
    canvas.wait_for(timeout=60_000)
    lab.page.wait_for_function("() => +document.querySelector('canvas.nbd-canvas').dataset.index > 1", timeout=60_000)
    before = int(canvas.get_attribute("data-index"))
    canvas.hover()
    lab.page.mouse.wheel(0, -100)
    lab.page.wait_for_function(
        "(before) => +document.querySelector('canvas.nbd-canvas').dataset.index === before - 1",
        arg=before,
        timeout=60_000,
    )
    canvas.press("x")  # which cuts the cell where the notebook hears it
    canvas.press("ArrowDown")
    lab.page.wait_for_function(
        "(before) => +document.querySelector('canvas.nbd-canvas').dataset.index === before", arg=before, timeout=60_000
    )
    width = out.get_by_label("Width").input_value()
    box = canvas.bounding_box()
    lab.page.mouse.move(box["x"] + 100, box["y"] + 100)
    lab.page.mouse.down()
    lab.page.mouse.move(box["x"] + 160, box["y"] + 90, steps=6)
    lab.page.mouse.up()
    out.get_by_label("Window", exact=True).and_(out.locator("select")).wait_for()
    lab.page.wait_for_function(
        "(width) => [...document.querySelectorAll('input')].every(one => one.value !== width)",
        arg=width,
        timeout=60_000,
    )
    lab.run_cell(1)
    out.get_by_text("38 retrieved").wait_for(timeout=60_000)
    text = " ".join(out.all_inner_texts())
    assert "3 rows; twins" in text and "2 selected; 38 retrieved" in text
    lab.both_themes(pictures, "form")
    lab.close()
    assert lab.errors == []


@pytest.mark.extended
def test_levels_a_server_and_saved_peers(lab: Lab, pictures: Path) -> None:
    lab.write("panels.ipynb", PANELS)
    lab.open("panels.ipynb")
    out = lab.outputs()
    lab.run_cell(0)
    out.get_by_label("Patient name").fill("Marlowe*")
    out.get_by_role("button", name="Load patients").click()
    for box in range(3):
        lab.choose(box, 0)
    lab.choose(3, 0)
    out.get_by_role("button", name="Retrieve this instance").click()
    out.get_by_text("1 of 1 instance retrieved").first.wait_for(timeout=60_000)
    lab.run_cell(1)
    out.get_by_role("button", name="Start").click()
    out.get_by_text("listening as PANEL@127.0.0.1").wait_for(timeout=60_000)
    lab.run_cell(2)
    out.get_by_text("40 objects received").wait_for(timeout=60_000)
    out.get_by_text("3 series, 40 instances").wait_for(timeout=60_000)
    out.get_by_role("img", name="Image of series 2 CT Chest 5.0 soft").first.wait_for(timeout=60_000)
    out.get_by_text("2 CT Chest 5.0 soft (24)").first.wait_for(timeout=60_000)
    lab.run_cell(3)
    out.get_by_label("Host").fill("127.0.0.1")
    out.get_by_label("AE title", exact=True).last.fill("NOBODY")
    out.get_by_label("Port", exact=True).fill("1")
    out.get_by_role("button", name="Test").click()
    out.get_by_text("refused").first.wait_for(timeout=60_000)
    lab.picture(pictures / "panels.png")
    out.get_by_role("button", name="Stop").click()
    out.get_by_text("stopped:").wait_for(timeout=60_000)
    lab.close()
    assert lab.errors == []


def test_cancel_by_button_and_by_interrupt(lab: Lab) -> None:
    lab.write("slow-job.ipynb", SLOW)
    lab.open("slow-job.ipynb")
    out = lab.outputs()
    lab.run_cell(0)
    out.get_by_text(UNDER_WAY).wait_for(timeout=60_000)
    lab.run_cell(1)
    out.get_by_text("a cell runs beside it: True").wait_for(timeout=60_000)
    out.get_by_role("button", name="Cancel").click()
    out.get_by_text("cancelled:").wait_for(timeout=60_000)
    lab.run_cell(2)
    out.get_by_text(UNDER_WAY).wait_for(timeout=60_000)
    lab.command("notebook:interrupt-kernel")
    lab.wait_for_cell(2)
    assert "KeyboardInterrupt" in " ".join(out.all_inner_texts())
    lab.run_cell(3)
    out.get_by_text("after both: cancelled True cancelled True").wait_for(timeout=60_000)
    lab.close()
    assert lab.errors == []
