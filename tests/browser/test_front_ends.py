"""The same form in the other front ends that are here: Notebook 7, and Voila, which shows outputs alone."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from .lab import Lab, Page

pytestmark = pytest.mark.extended

#: Notebook says this of its own settings when it starts, with whatever in the page.
_FOREIGN = {"Cannot read properties of undefined (reading 'schema')"}

FORM = """
import nbdicom as nd
form = nd.QueryForm(nd.Peer(nd.demo_pacs()), to="retrieved in FRONT END")
form
"""


@pytest.fixture
def page(lab: Lab) -> Iterator[Page]:
    """A page of its own at the same server, with the same kernels."""
    page = lab.another()
    yield page
    page.leave()
    lab.end_kernels()


def search_and_retrieve(page: Page, picture: Path) -> None:
    """What the form does wherever it is shown: search, list, choose, retrieve, show."""
    form = page.page.locator(".nbd-form").first
    form.get_by_label("Patient name").fill("Mar*")
    form.locator("code", has_text="Mar*").wait_for()
    form.get_by_label("Patient name").press("Enter")
    page.choose(0, [0, 1])
    form.get_by_text("2 of 3 rows selected").wait_for()
    form.get_by_role("button", name="Retrieve").click()
    form.get_by_text("38 of 38 instances retrieved").first.wait_for()
    form.get_by_role("img", name="Image of series 3 CT Lung cor").wait_for()
    form.get_by_role("button", name="Show images").click()
    form.locator("canvas.nbd-canvas[data-drawn]").wait_for()
    page.picture(picture)
    assert page.nameless() == []
    assert [error for error in page.errors if error not in _FOREIGN] == []


def test_notebook_7(page: Page, lab: Lab, pictures: Path) -> None:
    pytest.importorskip("notebook", reason="notebook is not installed")
    lab.write("form-7.ipynb", [FORM.replace("FRONT END", "Notebook")])
    page.go("notebooks/form-7.ipynb")
    page.until_ready("form-7.ipynb")
    page.run_all()
    search_and_retrieve(page, pictures / "notebook-7.png")


def test_voila(page: Page, lab: Lab, pictures: Path) -> None:
    pytest.importorskip("voila", reason="voila is not installed")
    lab.write("form-voila.ipynb", [FORM.replace("FRONT END", "Voila")])
    page.go("voila/render/form-voila.ipynb")
    search_and_retrieve(page, pictures / "voila.png")
