"""The worklist, the lessons with forms, and a peer that goes away: in a real JupyterLab."""

from pathlib import Path

import pytest

from .lab import Lab

pytestmark = pytest.mark.extended

WORKLIST = [
    """
import nbdicom as nd
hospital = nd.demo_pacs()
form = nd.WorklistForm(nd.Peer(hospital, calling="CT1"), name="scanner")
form
""",
    """
from itertools import islice
from nbdicom.pacs.samples import sample_instances
step = form.steps[0]
image = next(ds for ds in sample_instances() if ds.Modality == "CT")
image.StudyInstanceUID = step.study_instance_uid
image.save_as("made.dcm", enforce_file_format=True)
print("made")
""",
    "print(*[step.status for step in form.steps])\nhospital.stop()",
]

GONE = [
    """
import threading
import pandas as pd
import nbdicom as nd
from nbdicom.data import instance
from nbdicom.pacs.samples import sample_instances

images = [instance(one) for one in sample_instances() if one.Modality == "CT"][:20]
contexts = [nd.PresentationContext("1.2.840.10008.5.1.4.1.1.2", scu_role=True, scp_role=True),
            "StudyRootQueryRetrieveInformationModelGet"]
gone = threading.Event()

class Last:
    "The instance at which the peer goes away."

    def __getattr__(self, name):
        return getattr(images[5], name)

    def open(self, transfer_syntax):
        threading.Thread(target=lambda: (server.close(0.1), gone.set())).start()
        gone.wait(60)
        return images[5].open(transfer_syntax)

server = nd.Server(nd.Handlers(get=lambda request: [*images[:5], Last(), *images[6:]]), ae_title="GONE",
                   contexts=contexts).start()
studies = pd.DataFrame({"PatientID": ["A", "B", "C"], "StudyInstanceUID": ["1.2.3", "1.2.4", "1.2.5"]})
grid = nd.ResultsGrid(studies, peer=nd.Peer("GONE", *server.address), to="from one who went away")
grid
""",
    "print(grid.job.state, len(grid.result.paths), all(path.is_file() for path in grid.result.paths), len(grid.selection))",
]


def test_a_worklist_and_its_steps(lab: Lab, pictures: Path) -> None:
    lab.write("worklist.ipynb", WORKLIST)
    lab.open("worklist.ipynb")
    out = lab.outputs()
    lab.run_cell(0)
    out.get_by_label("Station AE title").fill("CT1")
    out.get_by_role("button", name="Begin").click()
    out.get_by_text("0 scheduled steps are chosen: choose one").wait_for(timeout=60_000)
    out.get_by_label("Station AE title").press("Enter")
    lab.choose(0, 0)
    out.get_by_role("button", name="Begin").click()
    out.get_by_label("Performed step").locator("option", has_text="IN PROGRESS").wait_for(state="attached")
    out.get_by_role("button", name="Complete").click()
    out.get_by_text("PerformedSeriesSequence").wait_for(timeout=60_000)
    lab.run_cell(1)
    out.get_by_text("made", exact=True).wait_for(timeout=60_000)
    out.get_by_label("Images of the step").fill("made.dcm")
    out.get_by_role("button", name="Complete").click()
    out.get_by_label("Performed step").locator("option", has_text="COMPLETED").wait_for(state="attached")
    lab.choose(0, 1)
    out.get_by_role("button", name="Begin").click()
    out.get_by_label("Performed step").locator("option", has_text="2 ").wait_for(state="attached")
    out.get_by_role("button", name="Discontinue").click()
    out.get_by_label("Performed step").locator("option", has_text="DISCONTINUED").wait_for(state="attached")
    lab.both_themes(pictures, "worklist")
    assert lab.nameless() == []
    lab.run_cell(2)
    lab.wait_for_cell(2)
    assert "COMPLETED DISCONTINUED" in out.last.inner_text()
    lab.close()
    assert lab.errors == []


def test_a_peer_that_goes_away_during_a_retrieval(lab: Lab, pictures: Path) -> None:
    lab.write("gone.ipynb", GONE)
    lab.open("gone.ipynb")
    out = lab.outputs()
    lab.run_cell(0)
    lab.choose(0, [0])
    out.get_by_role("button", name="Retrieve").click()
    out.get_by_text("the peer aborted the association").first.wait_for(timeout=60_000)
    assert "incomplete: 5 of 20 instances" in out.get_by_role("status").last.inner_text()
    # Nothing is frozen: the list, its order and the button can be used; what had arrived can be looked at.
    out.get_by_label("Sort by").select_option("PatientID")
    out.get_by_label("descending").check()
    lab.page.wait_for_function(
        "() => document.querySelector('.nbd-rows select').options[0].text.startsWith('C')", timeout=60_000
    )
    lab.picture(pictures / "gone.png")
    out.get_by_role("button", name="Show images").click()
    out.get_by_text("of 5").last.wait_for(timeout=60_000)
    lab.run_cell(1)
    out.get_by_text("incomplete 5 True 1").wait_for(timeout=60_000)
    out.get_by_role("button", name="Retrieve").click()
    out.get_by_text("refused").first.wait_for(timeout=60_000)
    lab.close()
    assert lab.errors == []


def test_forms_and_images(lab: Lab, pictures: Path) -> None:
    lab.open("04_forms_and_images.ipynb")
    lab.run_all()
    out = lab.outputs()
    text = " ".join(out.all_inner_texts())
    assert 'pacs.studies(PatientName="Mar*", limit=200)' in text
    assert 'pacs.studies(StudyDate=("2022-01-01", None), ModalitiesInStudy="CT", limit=200)' in text
    assert text.rstrip().endswith("True")
    out.locator("canvas.nbd-canvas").wait_for(timeout=60_000)
    out.get_by_text("done: ").first.wait_for(timeout=60_000)
    lab.both_themes(pictures, "forms-and-images")
    lab.close()
    assert lab.errors == []


def test_a_small_hospital(lab: Lab, pictures: Path) -> None:
    lab.open("05_a_small_hospital.ipynb")
    lab.run_all()
    text = " ".join(lab.outputs().all_inner_texts())
    assert "COMPLETED" in text and "4 of 5" in text
    lab.both_themes(pictures, "a-small-hospital")
    lab.close()
    assert lab.errors == []
