"""The whole suite is shared between processes, file by file; a part of it runs in one process, where it can be followed.

Two folders are shared out whole, since what their tests have in common takes seconds to start: a browser with its
JupyterLab, and the archives of others.  What takes longest comes first, so that nobody waits for it in the end.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

TESTS = Path(__file__).parent
WHOLE = ("browser", "interop")
FIRST = (*WHOLE, "notebook", "cli", "hostile", "drivers")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """One process more than cores: much of the time a test waits for a timer, a browser or another process."""
    if config.args_source is pytest.Config.ArgsSource.TESTPATHS:
        return min((os.cpu_count() or 1) + 1, 5)
    config.option.dist = "no"
    return 0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    order = {name: rank for rank, name in enumerate(FIRST)}
    items.sort(key=lambda item: order.get(item.path.relative_to(TESTS).parts[0], len(FIRST)))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    from xdist.scheduler import LoadFileScheduling

    class Shared(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = str(super()._split_scope(nodeid))
            return next((folder for folder in WHOLE if file.startswith(f"tests/{folder}/")), file)

    config.option.loadscopereorder = False
    return Shared(config, log) if config.option.dist == "loadfile" else None
