"""The page of parity is made from the tests, and is current."""

import ast
from pathlib import Path

import pytest

from . import parity

PAGE = parity.ROOT.parent / "docs" / "parity.md"


def test_the_page_is_current() -> None:
    """``python -m tests.parity > docs/parity.md`` writes it."""
    assert PAGE.read_text() == parity.page()


def test_rows_have_names_of_their_own() -> None:
    names = [row.name for row in parity.ROWS]
    assert len(names) == len(set(names)) > 140
    assert {row.section for row in parity.ROWS} == {f"A.{number}" for number in range(1, 12)}


def test_what_is_claimed_is_a_row() -> None:
    assert set(parity.claims()) <= {row.name for row in parity.ROWS}


def test_every_claim_is_found() -> None:
    """A mark that the reader of the sources does not see would be lost in silence."""
    written = 0
    for path in parity.ROOT.rglob("test_*.py"):
        if path == Path(__file__):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.parity":
                written += len(node.args)
    assert written == sum(map(len, parity.claims().values()))


def test_the_marker_is_known(pytestconfig: pytest.Config) -> None:
    assert any(line.startswith("parity(") for line in pytestconfig.getini("markers"))
