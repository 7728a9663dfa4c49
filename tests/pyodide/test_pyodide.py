"""Pyodide itself: what a page with nothing but a browser can do, run by Node.js.

``NBDICOM_PYODIDE`` names the folder of the npm package.  numpy and pandas are not in it: tables are tried in an older one
(`test_tables.py`), and the examples of the documentation without sockets and threads (`tests/test_memory_examples.py`).
"""

import os
from pathlib import Path

import pytest

from .within import add, needs, told_by

PYODIDE = os.environ.get("NBDICOM_PYODIDE", "")

pytestmark = needs(PYODIDE, "NBDICOM_PYODIDE does not say where Pyodide is", timeout=200)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """What the program told in the end."""
    site = tmp_path_factory.mktemp("site")
    add(site, "pydicom", "tabulate")
    return told_by("program.py", Path(PYODIDE), site, timeout=180)


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("platform", "emscripten"),
        ("echo", True),
        ("stored", 12),
        ("found", ["1.2.3"]),
        ("dissected", True),
        ("got", [True, sorted(f"1.2.3.4.5.{number}.dcm" for number in range(1, 13))]),
        ("again", 12),
        ("files", 12),
        ("moved", [True, 12]),
        ("aio", [0, 0]),
        ("awaited", [1, 12, 12, 12]),
        (
            "arrows",
            [
                "A-ASSOCIATE-RQ", "A-ASSOCIATE-AC", "C-FIND-RQ (1)", "C-FIND-RSP (1) Pending FF00H",
                "C-FIND-RSP (1) Success 0000H", "A-RELEASE-RQ", "A-RELEASE-RP",
            ],
        ),
    ],
)  # fmt: skip
def test_in_the_browsers_python(told: dict[str, object], what: str, expected: object) -> None:
    assert told[what] == expected
