"""numpy and pandas in Pyodide: answers as DataFrames, and objects with pixels, run by Node.js.

``NBDICOM_PYODIDE_TABLES`` names a folder with the npm packages of Pyodide 0.27 and of numpy for it (emscripten-forge's),
and the wheel of pandas; `.ci/run` fills it.  There is no newer Pyodide for which both can be had as packages.
"""

import os
import tarfile
import zipfile
from pathlib import Path

import pytest

from .within import add, needs, told_by

FOLDER = os.environ.get("NBDICOM_PYODIDE_TABLES", "")

pytestmark = needs(FOLDER, "NBDICOM_PYODIDE_TABLES does not say where numpy and pandas for Pyodide are", timeout=400)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """What the program told in the end."""
    root = tmp_path_factory.mktemp("root")
    (numpy,) = Path(FOLDER).glob("node_modules/@emscripten-forge/numpy/pkg/*.tar.gz")
    (pandas,) = Path(FOLDER).glob("pandas-*.whl")
    with tarfile.open(numpy) as archive:
        archive.extractall(root, filter="data")
    site = root / "lib" / "python3.12" / "site-packages"
    with zipfile.ZipFile(pandas) as wheel:
        wheel.extractall(site)
    add(site, "pydicom", "tabulate", "python-dateutil", "six")
    return told_by("tables.py", Path(FOLDER, "node_modules", "pyodide"), site, timeout=380)


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("platform", "emscripten"),
        ("types", ["DataFrame", "datetime64[s]", "string"]),
        ("dates", ["20210111", "11110302"]),
        ("instances", 5),
        ("series", [4, [2, 3]]),
        ("got", [True, 5]),
        ("table", ["0000H"]),
        ("pixels", True),
        ("awaited", True),
        ("html", True),
    ],
)
def test_tables_in_the_browsers_python(told: dict[str, object], what: str, expected: object) -> None:
    assert told[what] == expected
