"""The IPython in which we run, if we do: the kernel of a notebook, or a terminal."""

from __future__ import annotations

import sys
from typing import Any

__all__ = ["running_shell"]


def running_shell() -> Any:
    """The IPython in which we run, or None; it is not loaded to find out."""
    return getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
