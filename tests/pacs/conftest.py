from collections.abc import Iterator
from pathlib import Path

import pytest

from nbdicom.pacs import Pacs
from tests.leaks import nothing_left


@pytest.fixture(autouse=True)
def nothing_left_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every thread, descriptor and temporary file that a test makes is gone when it ends; the PACS of a module lives on."""
    with nothing_left(tmp_path, monkeypatch, but=".sqlite"):
        yield


@pytest.fixture
def pacs(tmp_path, nothing_left_over):
    """A PACS in a folder of its own, not listening."""
    pacs = Pacs(tmp_path / "root", durability="none")
    yield pacs
    pacs.stop()


@pytest.fixture
def handlers(pacs):
    return pacs.handlers()
