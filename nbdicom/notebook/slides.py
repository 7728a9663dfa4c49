"""The viewer without the canvas: ipywidgets' own slider and player, and a PNG of each slice from the kernel."""

from __future__ import annotations

import sys
import threading
from typing import Any

import ipywidgets
import traitlets

from nbdicom.errors import DataSetError
from nbdicom.notebook.controls import discard, html, message, status_line
from nbdicom.notebook.images import rate_of
from nbdicom.notebook.pixels import OWN, Stack, picture, window_in

__all__ = ["Slides"]


class Slides(traitlets.HasTraits):  # type: ignore[misc]
    """The slices of one stack at a time.

    Parameters
    ----------
    size : int
        Width of the picture in pixels of the screen.
    """

    index = traitlets.Int(0)  #: of the slice that is shown, from 0
    window = traitlets.Any(OWN)  #: `OWN`, `RANGE`, or centre and width

    def __init__(self, *, size: int) -> None:
        super().__init__()
        w = ipywidgets
        wide = {"description_width": "initial"}
        self._stack: Stack | None = None
        self.slider = w.IntSlider(
            description="Slice", min=1, style=wide, readout=False, layout={"width": f"{size - 110}px"}
        )
        self.number = w.BoundedIntText(description="Number of the slice", min=1, layout={"width": "80px"})
        self.number.add_class("nbd-unseen")
        # The player runs in the browser.  Its own buttons have no names, so it is not shown, and these work it.
        self.player = w.Play(min=1, layout={"display": "none"}, tooltip="Player")
        self.play_button = w.ToggleButton(description="Play", icon="play", layout={"width": "auto"}, tooltip="Play")
        self.repeat = w.Checkbox(description="again and again", indent=False, layout={"width": "auto"})
        self.rate = w.BoundedIntText(
            value=10, min=1, max=50, description="Frames per second", style=wide, layout={"width": "190px"}
        )
        self._links = [
            w.jslink((self.player, "value"), (self.slider, "value")),
            w.jslink((self.player, "playing"), (self.play_button, "value")),
            w.jslink((self.player, "repeat"), (self.repeat, "value")),
        ]
        self.image = w.Image(format="png", width=size, layout={"max_width": "100%", "object_fit": "contain"})
        self.says, self.problem = html(), html()
        for control in (self.slider, self.number):
            control.observe(lambda change: setattr(self, "index", change["new"] - 1), "value")
        self.play_button.observe(self._say_play, "value")
        self.rate.observe(lambda change: setattr(self.player, "interval", 1000 // change["new"]), "value")
        self.observe(lambda _: self._draw(), ["index", "window"])
        self._slices = w.HBox([self.slider, self.number], layout={"align_items": "center"})
        self._player = w.HBox(
            [self.play_button, self.rate, self.repeat, self.player],
            layout={"flex_flow": "row wrap", "grid_gap": "0 10px"},
        )
        self.widget = w.VBox([self._slices, self._player, self.image, self.says, self.problem])

    def load(self, stack: Stack) -> None:
        """Show another stack, from its middle."""
        self._stack = None  # nothing is drawn before all is set
        count = len(stack)
        self.slider.max = self.player.max = self.number.max = count
        self.index, self.window = count // 2, OWN
        for control in (self._slices, self._player):
            control.layout.display = "" if count > 1 else "none"
        self.rate.value = round(rate_of(stack.frames[0]))
        self._stack = stack
        self._draw()
        if sys.platform != "emscripten":  # no threads there: each slice is decoded when it is shown
            threading.Thread(target=self._ahead, args=(stack,), name="nbdicom viewer", daemon=True).start()

    def leave(self) -> None:
        """Nobody looks any more."""
        stack, self._stack = self._stack, None
        if stack is not None:
            stack.forget()
        discard(*self._links)

    def _ahead(self, stack: Stack) -> None:
        """Decode what will be wanted next, nearest first, until all is there or no room is left."""
        while stack is self._stack and not stack.is_full:
            here = self.index
            wanted = next((k for k in sorted(range(len(stack)), key=lambda k: abs(k - here)) if not stack.has(k)), None)
            if wanted is None:
                return
            try:
                _ = stack[wanted]
            except DataSetError:
                return  # told when it is to be shown

    def _draw(self) -> None:
        index = self.index
        self.slider.value = self.number.value = index + 1
        if self._stack is None:
            return
        frame = self._stack.frames[index]
        words = f"{frame.name}; {index + 1} of {len(self._stack)}"
        self.says.value = status_line(words, announced=not self.play_button.value)
        try:
            pixels = self._stack[index]
            window = None if pixels.is_colour else window_in(self.window, frame, self._stack, index)
            self.image.value = picture(frame, pixels, window)
            self.problem.value = ""
        except DataSetError as error:
            self.problem.value = message(error)

    def _say_play(self, change: Any) -> None:
        self.play_button.description, self.play_button.icon = ("Pause", "pause") if change["new"] else ("Play", "play")
