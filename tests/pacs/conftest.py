import pytest

from nbdicom.pacs import Pacs


@pytest.fixture
def pacs(tmp_path):
    """A PACS in a folder of its own, not listening."""
    pacs = Pacs(tmp_path / "root", durability="none")
    yield pacs
    pacs.stop()


@pytest.fixture
def handlers(pacs):
    return pacs.handlers()
