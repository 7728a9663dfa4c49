"""One JupyterLab and one page for all tests of this folder."""

import os
import shutil
from collections.abc import Generator, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from .lab import CHROMIUM, Lab, Page, browser, jupyterlab

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A browser, two servers and a kernel on a busy machine: a test of this folder may fail once, and the report says so."""
    for item in items if config.pluginmanager.has_plugin("rerunfailures") else ():
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"))
            for name in ("jupyterlab", "playwright"):  # not imported to see: two seconds, in every process of the suite
                item.add_marker(pytest.mark.skipif(find_spec(name) is None, reason=f"{name} is not installed"))
            item.add_marker(pytest.mark.timeout(180))
            item.add_marker(pytest.mark.flaky(reruns=1))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that fails shows what stood on the page, and the next one finds a fresh page."""
    report = yield
    if report.failed:
        pages = [one for one in getattr(item, "funcargs", {}).values() if isinstance(one, Page)]
        report.sections += [("the page", page.text()) for page in pages]
        for page in pages:
            if isinstance(page, Lab):
                page.reload()
    return report


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str, Path]]:
    """The address and the token of a server, and its folder."""
    root, private = tmp_path_factory.mktemp("lessons"), tmp_path_factory.mktemp("jupyter")
    for path in NOTEBOOKS.glob("*.ipynb"):
        shutil.copyfile(path, root / path.name)
    with jupyterlab(root, private) as (address, token):
        yield address, token, root


@pytest.fixture(scope="package")  # not longer: while Playwright runs, no other event loop can in this thread
def lab(server: tuple[str, str, Path]) -> Iterator[Lab]:
    with browser() as chromium:
        yield Lab(chromium.new_page(viewport={"width": 1400, "height": 2600}), *server)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Where screenshots go: a folder that is kept if one is named."""
    folder = Path(os.environ.get("NBDICOM_SCREENSHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
