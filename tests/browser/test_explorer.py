"""The wire looked through in a JupyterLab: an arrow is chosen, its bytes light up, the state machine follows."""

from pathlib import Path

import pytest

from .lab import Lab

pytestmark = pytest.mark.extended

CELLS = [
    """
import nbdicom as nd
with nd.demo_pacs() as pacs, nd.Receiver(ae_title="DEST") as receiver:
    pacs.allow["DEST"] = ("127.0.0.1", receiver.port)
    peer = nd.Peer(pacs)
    series = peer.series(peer.studies(ModalitiesInStudy="CR").head(1))
    with nd.record() as wire:
        series.head(1).dicom.move(receiver)
explorer = nd.TraceExplorer(wire)
explorer
""",
    "wire.ladder()",
]
BACKGROUND = "element => getComputedStyle(element).backgroundColor"
NONE = "rgba(0, 0, 0, 0)"


def test_the_wire_is_looked_through(lab: Lab, pictures: Path) -> None:
    from playwright.sync_api import expect

    lab.write("explorer.ipynb", CELLS)
    lab.open("explorer.ipynb")
    lab.run_all()
    outputs = lab.outputs()
    arrows = outputs.locator("select").first
    arrows.wait_for()
    assert outputs.get_by_label("Arrow").count() == 1
    assert arrows.locator("option").count() >= 10
    # The keyboard goes through the list, in the notebook's command mode, too; letters cut no cell.
    arrows.focus()
    for key, shown in (("ArrowDown", 1), ("ArrowDown", 2), ("ArrowUp", 1), ("End", -1), ("Home", 0)):
        lab.page.keyboard.press(key)
        number = shown if shown >= 0 else arrows.locator("option").count() - 1
        outputs.locator("code", has_text=f"wire[{number}]").wait_for()
    lab.page.keyboard.press("x")
    assert arrows.evaluate("element => element === document.activeElement")
    # What is shown follows what is chosen.
    arrows.select_option(index=2)
    outputs.locator("code", has_text="wire[2]").wait_for()
    field = outputs.locator(".nbd-fields tr", has_text="Move Destination").first
    field.wait_for()
    lit = outputs.locator(".nbd-hex span").get_by_text("DEST", exact=False).first
    assert lit.evaluate(BACKGROUND) == NONE
    field.hover()
    assert lit.evaluate(BACKGROUND) != NONE
    outputs.locator(".nbd-fields tr", has_text="Priority").first.hover()
    assert lit.evaluate(BACKGROUND) == NONE
    lit.hover()  # and the other way round
    assert field.evaluate(BACKGROUND) != NONE
    lab.both_themes(pictures, "explorer-bytes")

    outputs.get_by_role("button", name="States").click()
    drawing = outputs.locator("svg.nbd-states")
    drawing.wait_for()
    assert drawing.locator("g.now").count() == 1 and "Sta6 (now)" in (drawing.locator("g.now").text_content() or "")
    assert drawing.locator("g.taken").count() >= 3
    lab.both_themes(pictures, "explorer-states")

    outputs.get_by_label("Find").fill("c-store-rsp")
    expect(arrows.locator("option")).to_have_count(1)
    assert "C-STORE-RSP" in (arrows.locator("option").text_content() or "")
    ladder = outputs.get_by_role("img", name="Ladder of").last
    assert {"NBDICOM", "NBPACS", "DEST"} <= set(ladder.locator("text").all_text_contents())
    lab.both_themes(pictures, "explorer-ladder")
    lab.close()
    assert lab.errors == []
