"""``nbdicom lab``: JupyterLab on a working copy of the notebooks, with a sample PACS beside it."""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbdicom
from nbdicom.errors import NbdicomError

__all__ = ["run"]

_FIRST = "00_first_light.ipynb"


def run(options: argparse.Namespace) -> int:
    """Start the PACS and JupyterLab; returns when JupyterLab ends."""
    if importlib.util.find_spec("jupyterlab") is None:
        raise NbdicomError(
            "JupyterLab is not installed", hint=f"{sys.executable} -m pip install 'nbdicom[notebook]', then nbdicom lab"
        )
    folder = Path(options.folder).expanduser()
    _copy_notebooks(folder)
    from nbdicom.pacs import demo_pacs

    with demo_pacs(ae_title="NBPACS") as pacs:
        print(f"nbdicom lab: sample PACS {pacs.address}; notebooks in {folder.resolve()}", flush=True)
        command = [
            sys.executable,
            "-m",
            "jupyterlab",
            *(["--no-browser"] if options.no_browser else []),
            *options.jupyter,
        ]
        process = subprocess.Popen([*command, str(folder / _FIRST)], env={**os.environ, "NBDICOM_PACS": pacs.address})
        try:
            return process.wait()
        except KeyboardInterrupt:
            # JupyterLab got the signal, too, and asks its user whether to stop.
            return process.wait()
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait(10)


def _copy_notebooks(folder: Path) -> None:
    """A copy to work in; notebooks that are there already are the user's and stay as they are."""
    folder.mkdir(parents=True, exist_ok=True)
    for notebook in sorted(_notebooks().glob("*.ipynb")):
        target = folder / notebook.name
        if not target.exists():
            shutil.copyfile(notebook, target)


def _notebooks() -> Path:
    """Where the notebooks are: inside the installed package, or beside it in a checkout."""
    package = Path(nbdicom.__file__).parent
    for folder in (package / "lessons", package.parent / "notebooks"):
        if (folder / _FIRST).is_file():
            return folder
    raise NbdicomError(
        "the notebooks are not installed", hint="install nbdicom again, or take them from its repository"
    )
