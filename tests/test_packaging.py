"""What is installed: the package with its type marker and its lessons, and nothing else."""

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    hatchling = pytest.importorskip("hatchling.build", reason="hatchling is not installed")
    folder = tmp_path_factory.mktemp("wheel")
    program = f"import hatchling.build as b; b.build_wheel({str(folder)!r})"
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, timeout=60, capture_output=True)
    assert hatchling
    (path,) = folder.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        return set(archive.namelist())


def test_the_wheel_has_what_it_needs(wheel: set[str]) -> None:
    assert {"nbdicom/__init__.py", "nbdicom/py.typed", "nbdicom/lessons/00_first_light.ipynb"} <= wheel
    assert not [name for name in wheel if name.startswith(("tests/", "docs/", "benchmarks/", "notebooks/"))]


@pytest.mark.skipif(not (ROOT / ".ci" / "run").exists(), reason="the source distribution has no .ci")
def test_the_readme_has_two_commands_and_ci_runs_the_second() -> None:
    readme, ci = (ROOT / "README.md").read_text(), (ROOT / ".ci" / "run").read_text()
    commands = [line for line in readme.splitlines() if line.startswith("python3 -m venv")]
    assert len(commands) == 2
    assert commands[0].endswith("nbdicom demo")
    assert commands[1].endswith("-m pytest")
    assert "grep -E '^python3 -m venv .*pytest' README.md" in ci and "$test_command" in ci


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    page = (ROOT / "docs" / "dependencies.md").read_text()
    named = [*project["dependencies"], *(d for extra in project["optional-dependencies"].values() for d in extra)]
    for requirement in named:
        name = requirement.partition(">")[0].partition("[")[0]
        if name != "nbdicom" and not name.startswith("types-") and not name.endswith("-stubs"):
            assert name in page, name


def test_no_other_dicom_network_library_is_imported() -> None:
    for path in (ROOT / "nbdicom").rglob("*.py"):
        assert "pynetdicom" not in path.read_text(), path
