"""The `binder/` folder, checked without docker: repo2docker renders its Dockerfile, and the rules of its files hold."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BINDER = ROOT / "binder"


@pytest.mark.parametrize("name", ["postBuild", "start"])
def test_scripts_can_be_run(name: str) -> None:
    script = BINDER / name
    text = script.read_text()
    assert os.access(script, os.X_OK)
    assert text.startswith("#!") and "\r" not in text
    assert "set -e" in text
    assert "sudo" not in text and "apt-get" not in text


def test_start_hands_over() -> None:
    assert (BINDER / "start").read_text().rstrip().endswith('exec "$@"')


def test_start_runs_its_command() -> None:
    done = subprocess.run(
        [BINDER / "start", sys.executable, "-c", "print('handed over')"], capture_output=True, text=True, timeout=30
    )
    assert done.stdout == "handed over\n"


def test_the_package_itself_is_installed() -> None:
    """With a binder/ folder, files of the root are ignored: the requirements must name the package."""
    assert ".[notebook]" in (BINDER / "requirements.txt").read_text().splitlines()
    assert (BINDER / "runtime.txt").read_text().strip() == "python-3.12"
    assert not (BINDER / "environment.yml").exists()


def test_repo2docker_renders_it() -> None:
    program = shutil.which("jupyter-repo2docker", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if program is None:
        pytest.skip("jupyter-repo2docker is not installed")
    done = subprocess.run(
        [program, "--no-build", "--debug", "."], cwd=ROOT, capture_output=True, text=True, timeout=100
    )
    dockerfile = done.stdout + done.stderr
    assert done.returncode == 0, dockerfile[-2000:]
    assert "binder/requirements.txt" in dockerfile
    assert "binder/postBuild" in dockerfile and "binder/start" in dockerfile
    assert "python=3.12" in dockerfile


def test_the_badge_opens_the_first_notebook() -> None:
    readme = (ROOT / "README.md").read_text()
    assert "urlpath=lab/tree/notebooks/00_first_light.ipynb" in readme
    assert (ROOT / "notebooks" / "00_first_light.ipynb").is_file()
