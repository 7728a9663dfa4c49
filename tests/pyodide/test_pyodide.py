"""Pyodide itself: what a page with nothing but a browser can do, run by Node.js.

``NBDICOM_PYODIDE`` names the folder of the npm package.  numpy and pandas are not in it, so tables are not; what they need
is tried without sockets and threads in `tests/test_memory_examples.py`.
"""

import json
import os
import shutil
import subprocess
from importlib.metadata import distribution
from pathlib import Path

import pytest

HERE = Path(__file__).parent
NEEDED = ("pydicom", "tabulate")  #: what is imported; without compiled modules
NODE, PYODIDE = shutil.which("node"), os.environ.get("NBDICOM_PYODIDE", "")

pytestmark = [
    pytest.mark.extended,
    pytest.mark.timeout(200),
    pytest.mark.skipif(NODE is None, reason="Node.js is not installed"),
    pytest.mark.skipif(not PYODIDE, reason="NBDICOM_PYODIDE does not say where Pyodide is"),
]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """What the program told in the end."""
    site = tmp_path_factory.mktemp("site")
    for name in NEEDED:
        for file in distribution(name).files or ():
            if file.parts[0] != ".." and not {"__pycache__", "test_files"} & set(file.parts):
                (site / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file.locate(), site / file)
    package = tmp_path_factory.mktemp("package")
    shutil.copytree(HERE.parents[1] / "nbdicom", package / "nbdicom", ignore=shutil.ignore_patterns("__pycache__"))
    assert NODE is not None
    command = [NODE, str(HERE / "run.mjs"), PYODIDE, str(HERE / "program.py"), str(site), str(package)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180)
    # A callback of the event loop that fails is told on stderr alone.
    assert done.returncode == 0 and "Exception" not in done.stderr, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])


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
