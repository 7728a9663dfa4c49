"""`SeriesViewer`: the images of a series, with slices, window, player and metadata.

Of ipywidgets' own models; with anywidget installed (the extra ``viewer``) the picture is a canvas that gets the values
themselves: window and level follow the mouse in the browser, and the wheel goes through the slices.
"""

from __future__ import annotations

import importlib.util
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from nbdicom.errors import DataSetError, NbdicomError
from nbdicom.notebook.controls import Panel, html, message, status_line, widgets
from nbdicom.notebook.images import Frame, Series, Stack, picture, rate_of, series_of, window_of
from nbdicom.notebook.metadata import Metadata

if TYPE_CHECKING:
    import numpy

__all__ = ["SeriesViewer", "view"]

#: Windows by name, (centre, width) in Hounsfield units; what radiology departments commonly use.
_PRESETS = {
    "Soft tissue": (40.0, 400.0), "Lung": (-600.0, 1500.0), "Bone": (400.0, 1800.0), "Brain": (40.0, 80.0),
    "Liver": (60.0, 160.0), "Mediastinum": (50.0, 350.0),
}  # fmt: skip
_OWN, _RANGE, _BY_HAND = "As the object says", "Whole range", "By hand"


def view(source: Any, **options: Any) -> SeriesViewer:
    """Look at images: a file, a folder, Datasets, a `RetrieveResult`, a `Receiver`.

    Parameters
    ----------
    source, **options
        Those of `SeriesViewer`.

    Raises
    ------
    DataSetError
        If there is no image in it.

    Examples
    --------
    >>> view("retrieved")  # doctest: +SKIP
    """
    return SeriesViewer(source, **options)


class SeriesViewer(Panel):
    """The images of one series at a time.

    Parameters
    ----------
    source : object
        A file, a folder, a Dataset, a `RetrieveResult` or `Receiver`, a table with a column ``path``, or a list of these.
    size : int
        Width of the picture in pixels of the screen.
    canvas : bool, optional
        Whether to use the canvas; by default if anywidget is installed.
    cache : int
        Bytes of decoded frames that are kept.

    Raises
    ------
    DataSetError
        If there is no image in it.
    """

    _instead = "nbdicom.show(source)"

    def __init__(self, source: Any, *, size: int = 512, canvas: bool | None = None, cache: int = 256 << 20) -> None:
        super().__init__()
        w = widgets(self._instead)
        self.series: list[Series] = series_of(source)
        self._cache = cache
        self._stack = Stack(self.series[0].frames, cache=cache)
        self._drawing = threading.RLock()  # a callback and another callback may run at the same time
        self._quiet: int | None = None  # the thread that sets controls itself, and hears nothing of it
        wide = {"description_width": "initial"}
        names = [f"{one.name} ({len(one.frames)})" for one in self.series]
        self.choice = w.Dropdown(
            options=[(name, k) for k, name in enumerate(names)], value=0, description="Series", style=wide,
            layout={"width": "auto", "max_width": f"{size}px"},
        )  # fmt: skip
        self.slider = w.IntSlider(description="Slice", style=wide, readout=False, layout={"width": f"{size - 110}px"})
        self.number = w.BoundedIntText(description="Number of the slice", min=1, layout={"width": "80px"})
        self.number.add_class("nbd-unseen")
        # The player runs in the browser.  Its own buttons have no names, so it is not shown, and these work it.
        self.player = w.Play(layout={"display": "none"}, tooltip="Player")
        self.play_button = w.ToggleButton(description="Play", icon="play", layout={"width": "auto"}, tooltip="Play")
        self.repeat = w.Checkbox(description="again and again", indent=False, layout={"width": "auto"})
        self.rate = w.BoundedIntText(
            value=10, min=1, max=50, description="Frames per second", style=wide, layout={"width": "190px"}
        )
        w.jslink((self.player, "value"), (self.slider, "value"))
        w.jslink((self.player, "playing"), (self.play_button, "value"))
        w.jslink((self.player, "repeat"), (self.repeat, "value"))
        self.preset = w.Dropdown(options=[_OWN, _RANGE], description="Window", style=wide, layout={"width": "auto"})
        self.centre = w.FloatText(description="Centre", style=wide, step=10, layout={"width": "130px"})
        self.width = w.FloatText(description="Width", style=wide, step=10, layout={"width": "130px"})
        self._problem, self._says = html(), html()
        if canvas is None:
            canvas = importlib.util.find_spec("anywidget") is not None
        self.canvas = _canvas(size) if canvas else None
        self.image = w.Image(format="png", width=size, layout={"max_width": "100%", "object_fit": "contain"})
        self.metadata = Metadata()
        self.metadata.widget.layout.display = "none"
        self.attributes_button = w.ToggleButton(
            description="Attributes",
            icon="list",
            layout={"width": "auto"},
            tooltip="Show the attributes of this object",
        )
        self.choice.observe(lambda change: self._open(change["new"]), "value")
        self.slider.observe(lambda change: self._slice(change["new"]), "value")
        self.number.observe(lambda change: self._slice(change["new"] - 1), "value")
        self.preset.observe(lambda _: self._window(), "value")
        for control in (self.centre, self.width):
            control.observe(lambda _: self._typed(), "value")
        if self.canvas is not None:
            self.canvas.observe(lambda change: self._slice(change["new"]), "index")
            self.canvas.observe(lambda _: self._dragged(), ["centre", "width"])
        self.play_button.observe(self._say_play, "value")
        self.rate.observe(lambda change: setattr(self.player, "interval", 1000 // change["new"]), "value")
        self.attributes_button.observe(lambda _: self._describe(), "value")
        self._slices = w.HBox([self.slider, self.number], layout={"align_items": "center"})
        self._player = w.HBox(
            [self.play_button, self.rate, self.repeat, self.player],
            layout={"flex_flow": "row wrap", "grid_gap": "0 10px"},
        )
        self._windows = w.HBox([self.preset, self.centre, self.width], layout={"flex_flow": "row wrap"})
        self._show(
            w.HBox([self.choice], layout={"display": "" if len(self.series) > 1 else "none"}),
            self._slices,
            self._player,
            self.canvas if self.canvas is not None else self.image,
            self._says,
            self._problem,
            self._windows,
            w.HBox([self.attributes_button]),
            self.metadata.widget,
        )
        self._open(0)

    # --------------------------------------------------------------------------- what is shown

    @property
    def frame(self) -> Frame:
        """The frame that is shown."""
        return self._stack.frames[int(self.slider.value)]

    @property
    def values(self) -> numpy.ndarray[Any, Any]:
        """Its values in the units of the modality, or its colours."""
        return self._stack[self.slider.value]

    @property
    def window(self) -> tuple[float, float]:
        """Centre and width."""
        return float(self.centre.value), float(self.width.value)

    @window.setter
    def window(self, window: tuple[float, float]) -> None:
        with self._drawing:
            with self._silently():
                self.centre.value, self.width.value = window
                self.preset.value = next(
                    (n for n, one in _PRESETS.items() if one == window and n in self.preset.options), _BY_HAND
                )
            self._draw()

    def png(self) -> bytes:
        """The picture as it is shown, as PNG."""
        return picture(self.frame, self.values, self.window if self.values.ndim == 2 else None)

    # --------------------------------------------------------------------------- callbacks

    @contextmanager
    def _silently(self) -> Iterator[None]:
        before, self._quiet = self._quiet, threading.get_ident()
        try:
            yield
        finally:
            self._quiet = before

    @property
    def _is_quiet(self) -> bool:
        return self._quiet == threading.get_ident()

    def _open(self, number: int) -> None:
        """Show another series, from its middle."""
        with self._drawing:
            self._stack = Stack(self.series[number].frames, cache=self._cache)
            count = len(self._stack)
            with self._silently():
                self.slider.max = self.player.max = count - 1
                self.number.max = count
                self.slider.value = self.player.value = count // 2
                self.number.value = count // 2 + 1
                for control in (self._slices, self._player):
                    control.layout.display = "" if count > 1 else "none"
                self.rate.value = round(rate_of(self._stack.frames[0]))
                is_ct = self._stack.frames[0].header.get("Modality") == "CT"
                self.preset.options = [_OWN, _RANGE, *(_PRESETS if is_ct else ()), _BY_HAND]
                self.preset.value = _OWN
            self._window()
        stack = self._stack
        if sys.platform != "emscripten":  # a browser has no threads for us: each slice is decoded when it is shown
            threading.Thread(target=self._ahead, args=(stack,), name="nbdicom viewer", daemon=True).start()

    def _ahead(self, stack: Stack) -> None:
        """Decode what will be wanted next, nearest first, until all is there or no room is left."""
        while stack is self._stack and not stack.is_full:
            here = self.slider.value
            wanted = next((k for k in sorted(range(len(stack)), key=lambda k: abs(k - here)) if not stack.has(k)), None)
            if wanted is None:
                return
            try:
                _ = stack[wanted]
            except DataSetError:
                return  # told when it is to be shown

    def _slice(self, index: int) -> None:
        if self._is_quiet:
            return
        with self._drawing:
            with self._silently():
                index = min(max(index, 0), len(self._stack) - 1)
                self.slider.value, self.number.value = index, index + 1
            if self.preset.value in (_OWN, _RANGE):
                self._window()
            else:
                self._draw()

    def _window(self) -> None:
        """Centre and width by the choice of a name."""
        if self._is_quiet:
            return
        with self._drawing:
            name = self.preset.value
            try:
                if self.values.ndim == 2 and name != _BY_HAND:
                    window = _PRESETS.get(name)
                    if window is None:
                        values = self.values
                        low, high = float(values.min()), float(values.max())
                        whole = (low + high) / 2, max(high - low, 1.0)
                        window = window_of(self.frame, values) if name == _OWN else whole
                    with self._silently():
                        self.centre.value, self.width.value = window
            except NbdicomError:
                pass  # `_draw` tells
            self._draw()

    def _typed(self) -> None:
        if self._is_quiet:
            return
        if self.width.value <= 0:
            self._problem.value = message("the width of a window is more than 0")
            return
        self.window = (self.centre.value, self.width.value)

    def _dragged(self) -> None:
        if not self._is_quiet and self.canvas is not None and (self.canvas.centre, self.canvas.width) != self.window:
            self.window = (round(self.canvas.centre, 1), round(self.canvas.width, 1))

    def _draw(self) -> None:
        with self._drawing:
            self._problem.value = ""
            try:
                values = self.values
            except NbdicomError as error:
                self._problem.value = message(error)
                self._says.value = status_line(self.frame.name)
                return
            colour = values.ndim == 3
            self._windows.layout.display = "none" if colour else ""
            frame, place = self.frame, f"{self.slider.value + 1} of {len(self._stack)}"
            words = f"{frame.name}; {place}"
            if self.canvas is not None:
                with self._silently():  # what it is told is no drag
                    self.canvas.put(
                        frame, values, self.slider.value, None if colour else self.window, words, len(self._stack)
                    )
            else:
                self.image.value = picture(frame, values, None if colour else self.window)
            self._says.value = status_line(words)
            self._describe()

    def _describe(self) -> None:
        wanted = bool(self.attributes_button.value)
        self.metadata.widget.layout.display = "" if wanted else "none"
        if wanted:
            self.metadata.dataset = self.frame.header

    def _say_play(self, change: Any) -> None:
        self.play_button.description, self.play_button.icon = ("Pause", "pause") if change["new"] else ("Play", "play")


def _canvas(size: int) -> Any:
    from nbdicom.notebook.canvas import canvas

    return canvas(size)
