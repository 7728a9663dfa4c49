"""The views of the wire where they are looked at: in a JupyterLab, lit up by the pointer, and where nobody trusts them."""

from pathlib import Path

import pytest

from .lab import Lab

BACKGROUND = "element => getComputedStyle(element).backgroundColor"
NONE = "rgba(0, 0, 0, 0)"


@pytest.mark.extended
def test_the_wire(lab: Lab, pictures: Path) -> None:
    lab.open("03_the_wire.ipynb")
    lab.run_all()
    outputs = lab.outputs()
    text = " ".join(" ".join(outputs.all_inner_texts()).split())  # a title may have several lines
    assert "called-AE-title-not-recognized (7)" in text and "XXXXXXX^XXXX" in text
    ladder = outputs.get_by_role("img", name="Ladder of 6 messages and PDUs")
    assert ladder.count() == 1 and ladder.is_visible()
    assert not outputs.locator("pre.nbd-text").first.is_visible()
    assert ladder.locator("g > title").count() == 6
    box = ladder.bounding_box()
    assert box is not None and box["width"] > 400

    # A field lights up its bytes, by the pointer and by the keyboard; bytes light up their field.
    request = outputs.filter(has=lab.page.locator(".nbd-hex")).first
    title = request.locator("tr", has_text="Called AE title")
    bytes_of_it = request.locator(".nbd-hex span").get_by_text("NBPACS", exact=False).first
    assert bytes_of_it.evaluate(BACKGROUND) == NONE
    title.hover()
    assert bytes_of_it.evaluate(BACKGROUND) != NONE
    request.locator("tr", has_text="Protocol version").hover()
    assert bytes_of_it.evaluate(BACKGROUND) == NONE
    title.focus()
    assert bytes_of_it.evaluate(BACKGROUND) != NONE
    assert title.evaluate(BACKGROUND) != NONE
    lab.both_themes(pictures, "the-wire")
    lab.close()
    assert lab.errors == []


def test_a_notebook_that_is_not_trusted_shows_the_ladder_as_text(lab: Lab, pictures: Path) -> None:
    """JupyterLab takes styles and pictures out of outputs that it did not see being made."""
    import nbformat

    import nbdicom as nd

    with nd.Server(nd.Handlers(), ae_title="ECHO", contexts=["Verification"]) as server, nd.record() as wire:
        nd.Peer("ECHO", *server.address).echo()
    views = {"ladder": wire.ladder(), "states": wire.states(), "dissection": wire[3]}
    cells = []
    for name, view in views.items():
        output = nbformat.v4.new_output(
            "execute_result", {"text/html": view._repr_html_(), "text/plain": str(view)}, execution_count=1
        )
        cells.append(nbformat.v4.new_code_cell(name, outputs=[output], execution_count=1))
    notebook = nbformat.v4.new_notebook(cells=cells)
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(notebook, lab.root / "foreign.ipynb")
    lab.open("foreign.ipynb")
    outputs = lab.outputs()
    outputs.first.wait_for()
    assert outputs.locator("svg").count() == 0
    ladder, states = outputs.locator("pre.nbd-text").all()
    assert ladder.is_visible() and "C-ECHO-RSP (1) Success 0000H" in ladder.inner_text()
    assert states.is_visible() and "Sta1 → Sta4 → Sta5 → Sta6 → Sta7 → Sta1" in states.inner_text()
    whole = " ".join(outputs.all_inner_texts())
    assert "DT-1 [4]" in whole and "Command Field (0000,0100)" in whole
    lab.picture(pictures / "the-wire-not-trusted.png")
    lab.close()
    assert lab.errors == []
