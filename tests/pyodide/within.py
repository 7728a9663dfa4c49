"""A program in Pyodide, with nbdicom and with packages that have no compiled modules."""

import json
import shutil
import subprocess
from importlib.metadata import distribution
from pathlib import Path

import pytest

HERE = Path(__file__).parent
NODE = shutil.which("node")


def needs(folder: str, otherwise: str, *, timeout: float) -> list[pytest.MarkDecorator]:
    """The marks of a file of tests that needs Node.js and a *folder* of the environment."""
    return [
        pytest.mark.extended,
        pytest.mark.timeout(timeout),
        pytest.mark.skipif(NODE is None, reason="Node.js is not installed"),
        pytest.mark.skipif(not folder, reason=otherwise),
    ]


def add(site: Path, *names: str) -> None:
    """Copy installed packages into *site*."""
    for name in names:
        for file in distribution(name).files or ():
            if file.parts[0] != ".." and not {"__pycache__", "test_files"} & set(file.parts):
                (site / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file.locate(), site / file)


def told_by(program: str, pyodide: Path, site: Path, *, timeout: float) -> dict[str, object]:
    """What *program* of this folder told in the end; it imports from *site*, which is given our own package."""
    shutil.copytree(HERE.parents[1] / "nbdicom", site / "nbdicom", ignore=shutil.ignore_patterns("__pycache__"))
    assert NODE is not None
    command = [NODE, str(HERE / "run.mjs"), str(pyodide), str(HERE / program), str(site)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
    # A callback of the event loop that fails is told on stderr alone.
    assert done.returncode == 0 and "Exception" not in done.stderr, done.stdout + done.stderr
    told: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return told
