"""The whole suite is shared between the cores, file by file; a part of it runs in one process, where it can be followed."""

from __future__ import annotations

import os

import pytest


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    if config.args_source is pytest.Config.ArgsSource.TESTPATHS:
        return min(os.cpu_count() or 1, 4)
    config.option.dist = "no"
    return 0
