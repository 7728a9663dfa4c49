"""The wire, arrow by arrow: choose a PDU or message, and see its bytes beside their fields, or the states at that moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbdicom.notebook.controls import Panel, button, html, list_box, message, widgets
from nbdicom.table import printable
from nbdicom.trace.arrows import in_order

if TYPE_CHECKING:
    from nbdicom.trace.arrows import Arrow, Connection
    from nbdicom.trace.recording import Recording
    from nbdicom.trace.views import DissectedArrow

__all__ = ["TraceExplorer"]

_ROWS = 14
_DISSECTION, _STATES, _LADDER = "Bytes and fields", "States", "Ladder"


class TraceExplorer(Panel):
    """Look through a recording.

    The list has every control PDU and every message; the arrow keys go through it.  Beside it stands what was chosen:
    bytes and fields, the states of one side up to that moment, or the ladder.

    Parameters
    ----------
    wire : Recording
        What was recorded, or is being recorded: Refresh takes what has come since.

    Examples
    --------
    >>> with nd.record() as wire:  # doctest: +SKIP
    ...     nd.Peer(pacs).studies()
    >>> nd.TraceExplorer(wire)  # doctest: +SKIP
    """

    _instead = "wire.ladder() and wire[3]"

    def __init__(self, wire: Recording) -> None:
        super().__init__()
        w = widgets(self._instead)
        self.wire = wire
        self._arrows: list[Arrow] = []
        self._connections: list[Connection] = []
        wide = {"description_width": "initial"}
        self.find = w.Text(
            description="Find", placeholder="C-FIND, Failure, A-ABORT ...", continuous_update=True, style=wide,
            layout={"width": "260px"}, tooltip="Show the arrows with these words only",
        )  # fmt: skip
        self.view = w.ToggleButtons(
            description="Show",
            options=[_DISSECTION, _STATES, _LADDER],
            style={**wide, "button_width": "auto"},
            layout={"width": "auto"},
        )
        self.view.add_class("nbd-unseen")
        self.refresh_button = button(
            "Refresh", self.refresh, icon="refresh", tooltip="Take what has been recorded since"
        )
        self.arrows = w.Select(description="Arrow", options=[], rows=_ROWS, style=wide, layout={"width": "auto"})
        self.arrows.add_class("nbd-rows")
        self.code = html("")
        self.message = html()
        self.shown = html("")
        self.find.observe(lambda _: self._list(), "value")
        self.arrows.observe(lambda _: self._look(), "value")
        self.view.observe(lambda _: self._look(), "value")
        self._show(
            w.HBox([self.find, self.refresh_button, self.view], layout={"flex_flow": "row wrap", "grid_gap": "0 10px"}),
            self.message, list_box(self.arrows), self.code, self.shown,
        )  # fmt: skip
        self.refresh()

    @property
    def selected(self) -> DissectedArrow | None:
        """What is chosen, taken apart."""
        return None if self.arrows.value is None else self.wire[self.arrows.value]

    def refresh(self) -> None:
        """Take what has been recorded since."""
        self._connections = self.wire.connections
        self._arrows = in_order(self._connections)
        self._list()

    # ------------------------------------------------------------------------------- inside

    def _list(self) -> None:
        words = self.find.value.lower().split()
        start = self._arrows[0].time if self._arrows else 0.0
        last = self._arrows[-1] if self._arrows else None
        widths = (0, 0) if last is None else (len(f"[{last.number}]"), len(f"{(last.time - start) * 1000:.2f}"))
        lines = [(self._line(arrow, start, widths), arrow.number) for arrow in self._arrows]
        found = [(line, number) for line, number in lines if all(word in line.lower() for word in words)]
        before = self.arrows.value
        self.arrows.options = found
        numbers = [number for _, number in found]
        self.arrows.value = before if before in numbers else numbers[0] if numbers else None
        nothing = f"no arrow has the words {self.find.value}" if self._arrows else "nothing went over the wire yet"
        self.message.value = "" if found else message(nothing)
        self._look()

    def _line(self, arrow: Arrow, start: float, widths: tuple[int, int]) -> str:
        one, other = self._connections[arrow.connection].titles
        way = f"{one} \N{RIGHTWARDS ARROW} {other}" if arrow.from_requestor else f"{other} \N{RIGHTWARDS ARROW} {one}"
        number, time = f"[{arrow.number}]".ljust(widths[0]), f"{(arrow.time - start) * 1000:.2f}".rjust(widths[1])
        # A list folds ordinary spaces.
        return f"{number} {time}".replace(" ", "\N{NO-BREAK SPACE}") + printable(f" ms  {way}  {arrow.label}")

    def _look(self) -> None:
        number = self.arrows.value
        if number is None:
            self.code.value = self.shown.value = ""
            return
        side = self._connections[self._arrows[number].connection].sides[0].number
        shown: Any
        if self.view.value == _LADDER:
            code, shown = "wire.ladder()", self.wire.ladder()
        elif self.view.value == _STATES:
            code, shown = f"wire.states({side}, until={number})", self.wire.states(side, until=number)
        else:
            code, shown = f"wire[{number}]", self.wire[number]
        self.code.value = f"<code>{code}</code>"
        self.shown.value = shown._repr_html_()
