"""The pages lead somewhere: each is in the index, each link ends at a file and a heading, each command is one."""

import json
import re
import shlex
from importlib.util import find_spec
from pathlib import Path

import pytest

from nbdicom.cli.parser import make_parser

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md")), *sorted((ROOT / "tests").glob("*.md"))]
LESSONS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def text_of(path: Path) -> str:
    """The prose of a page or lesson, without its examples."""
    if path.suffix == ".ipynb":
        cells = json.loads(path.read_text())["cells"]
        text = "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    else:
        text = path.read_text()
    return re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)


def links_of(path: Path) -> list[str]:
    """Where its links lead that stay in this repository."""
    found = re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]*`", "", text_of(path)))
    return [link for link in found if not re.match(r"\w+:", link)]


def anchors_of(path: Path) -> set[str]:
    """Its headings as GitHub and JupyterLab make anchors of them: the latter keeps capitals."""
    headings = re.findall(r"^#+ (.+)$", text_of(path), flags=re.M)
    plain = [heading.replace("`", "").strip() for heading in headings]
    github = {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in plain}
    return github | {one.replace(" ", "-") for one in plain}


@pytest.mark.parametrize("path", [*PAGES, *LESSONS], ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    for link in links_of(path):
        where, _, anchor = link.partition("#")
        target = (path.parent / where).resolve() if where else path
        assert target.exists(), link
        assert not anchor or anchor in anchors_of(target), link


def test_every_page_is_in_the_index() -> None:
    listed = set(links_of(DOCS / "README.md"))
    assert {path.name for path in DOCS.glob("*.md")} - {"README.md"} <= listed


def test_every_folder_of_tests_is_in_their_map() -> None:
    told = (ROOT / "tests" / "README.md").read_text()
    folders = {path.name for path in (ROOT / "tests").iterdir() if any(path.glob("*.py"))}
    assert not [name for name in folders if f"`{name}/`" not in told]


def commands_of(path: Path) -> list[str]:
    """The command lines in its blocks and in its text, without what is said about them."""
    text = path.read_text()
    blocks = re.findall(r"^```(?:sh)?\n(.*?)^```", text, flags=re.M | re.S)
    found = [*"\n".join(blocks).splitlines(), *re.findall(r"`([^`\n]+)`", text_of(path))]
    return [line.partition("  #")[0].strip() for line in found if re.match(r"(nbdicom|python -m) [a-z]", line)]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_exist_and_have_their_options(path: Path) -> None:
    parsers = next(action.choices for action in make_parser()._actions if action.choices)
    for line in commands_of(path):
        words = shlex.split(line)
        if words[0] == "python":
            assert find_spec(words[2]), line
        else:
            assert words[1] in parsers, line
            known = {option for action in parsers[words[1]]._actions for option in action.option_strings}
            named = re.findall(r"(?<![\w-])--?[a-z][a-z-]*", line)
            assert set(named) <= known, line


def test_the_commands_of_the_page_are_whole() -> None:
    blocks = re.findall(r"^```sh\n(.*?)^```", (DOCS / "cli.md").read_text(), flags=re.M | re.S)
    lines = [line for line in "\n".join(blocks).splitlines() if line.startswith("nbdicom ")]
    assert len(lines) > 4
    for line in lines:
        make_parser().parse_args(shlex.split(line, comments=True)[1:])


def test_the_readme_names_every_command() -> None:
    row = next(line for line in (ROOT / "README.md").read_text().splitlines() if line.startswith("| `nbdicom` |"))
    assert set(re.findall(r"`([a-z ]+)`", row)[1].split()) == set(
        next(action.choices for action in make_parser()._actions if action.choices)
    )
