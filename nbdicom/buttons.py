"""A button that can rest: it is of no use just now, says why, and keeps the focus."""

from __future__ import annotations

from typing import Any

import ipywidgets
import traitlets

__all__ = ["Button"]


class Button(ipywidgets.Button):  # type: ignore[misc]
    """ipywidgets' own button, and the words why it is of no use now.

    One that disables itself because it was pressed throws whoever uses a keyboard back to the beginning of the page, and
    one that is enabled later has to be looked for again.  So what a press changes is not ``disabled``: the button grows pale
    (`STYLE`), its tooltip says why, and what it does tells the same, or does nothing.
    """

    STYLE = "<style>.nbd-resting{opacity:.45}</style>"

    resting = traitlets.Unicode("")  #: why it is of no use now; empty if it is of use

    def __init__(self, *, tooltip: str, **given: Any) -> None:
        super().__init__(tooltip=tooltip, **given)
        self._says: str = tooltip
        self.observe(lambda _: self._rest(), "resting")

    def offer(self, under_way: bool) -> None:
        """For one that cancels: whether there is anything to cancel."""
        self.resting = "" if under_way else "nothing is under way"

    def _rest(self) -> None:
        self.tooltip = f"{self._says}: {self.resting}" if self.resting else self._says
        (self.add_class if self.resting else self.remove_class)("nbd-resting")
