"""What a reader sees: the lessons in a real JupyterLab, in light and dark, and a cell that is interrupted."""

from pathlib import Path

import pytest

from .lab import Lab

SLOW_QUERY = [
    """
import threading
import nbdicom as nd

never = threading.Event()

def find(request):
    yield {"PatientID": "1"}
    while not request.cancelled:
        if never.wait(0.05):
            return
        yield {"PatientID": "2"}

server = nd.Server(nd.Handlers(find=find), ae_title="SLOW",
                   contexts=["Verification", "StudyRootQueryRetrieveInformationModelFind"]).start()
association = nd.associate(server.address, called="SLOW",
                           contexts=["Verification", "StudyRootQueryRetrieveInformationModelFind"])
""",
    """
for number, match in enumerate(association.find({'QueryRetrieveLevel': 'STUDY', 'PatientID': ''})):
    if number == 1:
        print('a match has come')
""",
    "print('still', association.is_established, association.echo())\nassociation.release()\nserver.close()",
]


def test_first_light(lab: Lab, pictures: Path) -> None:
    lab.open("00_first_light.ipynb")
    lab.run_all()
    outputs = lab.outputs()
    text = " ".join(outputs.all_inner_texts())
    assert "C-ECHO" in text and "0000H Success" in text
    assert "Marlowe^Anna" in text
    assert "24 of 24 instances retrieved" in text
    assert outputs.locator("img").count() == 1
    assert outputs.locator("table").count() >= 4
    lab.both_themes(pictures, "first-light")
    lab.close()
    assert lab.errors == []


@pytest.mark.extended
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("06_the_clinic", "transfer-syntaxes-not-supported (4)"),
        ("07_questions", "TRUNCATED"),
        ("08_objects_on_the_move", "series complete"),
        ("09_an_scp_of_your_own", "calling-AE-title-not-recognized (3)"),
        ("10_uids", "Abstract Syntax (PS3.8 Table 9-14)"),
        ("11_extended_negotiation", "it did NOT confirm the user"),
        ("12_the_life_of_an_association", "states that you have not seen: none"),
        ("13_who_may_listen", "unable to get local issuer certificate"),
        ("14_inside_a_file", "Expected implicit VR, but found explicit VR"),
        ("15_workitems", "LAB1 has decided -> CANCELED"),
    ],
)
def test_a_lesson(lab: Lab, pictures: Path, name: str, said: str) -> None:
    lab.open(f"{name}.ipynb")
    lab.run_all()
    text = " ".join(lab.outputs().all_inner_texts())
    assert said in text and "Traceback" not in text
    lab.both_themes(pictures, name)
    lab.close()
    assert lab.errors == []


def test_negotiation(lab: Lab, pictures: Path) -> None:
    lab.open("01_negotiation.ipynb")
    lab.run_all()
    tables = lab.outputs().locator("table")
    text = " ".join(tables.all_inner_texts())
    assert "\N{CHECK MARK} acceptance (0)" in text
    assert "\N{BALLOT X} transfer-syntaxes-not-supported (4)" in text
    assert "\N{BALLOT X} abstract-syntax-not-supported (3)" in text
    assert "called-AE-title-not-recognized (7)" in text
    headers = tables.first.locator("th[scope=col]").count()
    assert headers > 0
    lab.picture(pictures / "negotiation.png")
    lab.close()
    assert lab.errors == []


@pytest.mark.extended
def test_first_pull(lab: Lab, pictures: Path) -> None:
    lab.open("02_first_pull.ipynb")
    lab.run_all()
    text = " ".join(lab.outputs().all_inner_texts())
    assert "138 of 138 instances retrieved" in text
    assert lab.outputs().locator("img").count() == 2
    lab.picture(pictures / "first-pull.png")
    lab.close()
    assert lab.errors == []


def test_an_interrupted_query_leaves_the_association_usable(lab: Lab) -> None:
    lab.write("slow.ipynb", SLOW_QUERY)
    lab.open("slow.ipynb")
    lab.run_cell(0)
    lab.wait_for_cell(0)
    lab.run_cell(1)
    lab.outputs().get_by_text("a match has come").first.wait_for(timeout=60_000)
    lab.command("notebook:interrupt-kernel")
    lab.wait_for_cell(1)
    assert "KeyboardInterrupt" in " ".join(lab.outputs().all_inner_texts())
    lab.run_cell(2)
    lab.wait_for_cell(2)
    assert "still True 0000H Success" in " ".join(lab.outputs().all_inner_texts())
    lab.close()
