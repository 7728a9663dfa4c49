"""Which cell shows what: a form that no cell shows any more is closed.

A form is some fifty to two hundred models, in the kernel and in the browser, and neither lets go of them by itself.  A cell
that runs again makes new ones and the old ones are out of sight for ever; so when a cell has run, what it had shown in its
run before, and what now no cell shows, is closed.  A program that does not say which cell it runs (a terminal, nbclient)
runs each of them once; there nothing is closed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nbdicom.shell import running_shell

__all__ = ["Cells", "discard", "shown"]


def discard(*widgets: Any) -> None:
    """Close these widgets with all that is in them: the kernel and the browser keep a model for each until somebody does."""
    for one in widgets:
        inside = [getattr(one, name, None) for name in ("layout", "style")]
        one.close()  # first, so that the browser takes down one view and not each that is in it
        discard(*getattr(one, "children", ()), *(part for part in inside if hasattr(part, "close")))


def shown(what: object, close: Callable[[], object]) -> None:
    """The cell that is running shows *what*, and it is *close* that ends it; nothing happens where no cell is running."""
    shell = running_shell()
    if hasattr(shell, "kernel"):
        Cells.of(shell).show(what, close)


class Cells:
    """What the cells of one kernel show.

    Parameters
    ----------
    running : callable
        The id of the cell that is running in the thread of the caller; None if there is none.
    """

    def __init__(self, running: Callable[[], str | None]) -> None:
        self._running = running
        self._now: dict[str, dict[int, tuple[object, Callable[[], object]]]] = {}  # in the run that is not over
        self._last: dict[str, dict[int, tuple[object, Callable[[], object]]]] = {}  # in the last run

    @staticmethod
    def of(shell: Any) -> Cells:
        """The one of this IPython, which keeps it among those whom it tells that a cell has run."""
        told = shell.events.callbacks["post_run_cell"]
        known = next((one.__self__ for one in told if isinstance(getattr(one, "__self__", None), Cells)), None)
        if known is None:
            known = Cells(lambda: _cell(shell.kernel))
            shell.events.register("post_run_cell", known.over)
        return known

    def show(self, what: object, close: Callable[[], object]) -> None:
        """The cell that is running shows *what*."""
        cell = self._running()
        if cell is not None:
            self._now.setdefault(cell, {})[id(what)] = what, close

    def over(self, result: object = None) -> None:
        """The cell that is running has run: close what it showed in its run before, and no cell shows now."""
        cell = self._running()
        if cell is None:
            return
        before, self._last[cell] = self._last.get(cell, {}), self._now.pop(cell, {})
        for key, (_, close) in before.items():
            if not any(key in shown for shown in self._last.values()):
                close()


def _cell(kernel: Any) -> str | None:
    """The cell whose request is being answered; None for a callback of a widget."""
    request = kernel.get_parent() or {}
    if request.get("header", {}).get("msg_type") != "execute_request":
        return None
    cell: str | None = request.get("metadata", {}).get("cellId")
    return cell
