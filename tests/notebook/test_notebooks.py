"""Every lesson runs from a clean kernel, and is committed without what a run left behind."""

import re
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = pytest.importorskip("nbclient", reason="nbclient is not installed")
    monkeypatch.delenv("NBDICOM_PACS", raising=False)
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    import nbformat  # two seconds, for whoever runs these tests and nobody else

    notebook = nbformat.read(path, as_version=4)
    for position, cell in reversed(list(enumerate(notebook.cells))):  # the code of the answers runs where it stands
        if cell.cell_type == "markdown":
            code = re.findall(r"^```python\n(.*?)^```", cell.source, flags=re.M | re.S)
            notebook.cells[position + 1 : position + 1] = map(nbformat.v4.new_code_cell, code)
    resources = {"metadata": {"path": str(tmp_path)}}
    client.NotebookClient(notebook, timeout=60, kernel_name="python3", resources=resources).execute()
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            text = output.get("text", "")
            assert "Traceback" not in text and "Warning" not in text, text


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_committed_clean(path: Path) -> None:
    import nbformat  # two seconds, for whoever runs these tests and nobody else

    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    assert set(notebook.metadata) <= {"kernelspec", "language_info"}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.outputs == [] and cell.execution_count is None
        assert "/home/" not in cell.source and "/work/" not in cell.source and "/Users/" not in cell.source


def test_the_three_lessons_are_there() -> None:
    assert [path.name for path in NOTEBOOKS[:3]] == [
        "00_first_light.ipynb",
        "01_negotiation.ipynb",
        "02_first_pull.ipynb",
    ]


def test_first_light_names_all_other_lessons() -> None:
    """The table at its end is the index; each name leads to a lesson, once."""
    text = NOTEBOOKS[0].read_text()
    assert sorted(re.findall(r"\]\((\w+\.ipynb)\)", text)) == [path.name for path in NOTEBOOKS[1:]]


def test_first_light_is_five_cells() -> None:
    import nbformat

    notebook = nbformat.read(NOTEBOOKS[0], as_version=4)
    assert sum(cell.cell_type == "code" for cell in notebook.cells) == 5
