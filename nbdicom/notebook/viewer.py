"""`SeriesViewer`: the images of a series, with slices, window, player and metadata.

What shows the slices is one of two, with the same few traits: the `Canvas` if anywidget is installed (the extra ``viewer``),
to which the browser's own half belongs, and else `Slides`, of ipywidgets' own models.
"""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

from nbdicom.errors import DataSetError
from nbdicom.notebook.controls import Filling, Panel, html, message, widgets
from nbdicom.notebook.images import Frame, Series, series_of
from nbdicom.notebook.metadata import Metadata
from nbdicom.notebook.pixels import OWN, RANGE, Stack, Window, picture, window_in

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
        Bytes of decoded frames that are kept: so many in the kernel, and with the canvas so many in the browser.

    Raises
    ------
    DataSetError
        If there is no image in it.

    Examples
    --------
    >>> viewer = SeriesViewer("retrieved")  # doctest: +SKIP
    >>> viewer.index = 120  # doctest: +SKIP
    >>> viewer.window = (-600, 1500)  # doctest: +SKIP
    """

    _instead = "nbdicom.show(source)"

    def __init__(self, source: Any, *, size: int = 512, canvas: bool | None = None, cache: int = 256 << 20) -> None:
        super().__init__()
        w = widgets(self._instead)
        self.series: list[Series] = series_of(source)
        self._cache = cache
        self._filling = Filling()
        wide = {"description_width": "initial"}
        names = [f"{one.name} ({len(one.frames)})" for one in self.series]
        self.choice = w.Dropdown(
            options=[(name, k) for k, name in enumerate(names)], value=0, description="Series", style=wide,
            layout={"width": "auto", "max_width": f"{size}px"},
        )  # fmt: skip
        self.preset = w.Dropdown(options=[_OWN, _RANGE], description="Window", style=wide, layout={"width": "auto"})
        self.centre = w.FloatText(description="Centre", style=wide, step=10, layout={"width": "130px"})
        self.width = w.FloatText(description="Width", style=wide, step=10, layout={"width": "130px"})
        self._problem = html()
        if canvas is None:
            canvas = importlib.util.find_spec("anywidget") is not None
        self.screen: Any = _canvas(size, cache) if canvas else _slides(size)
        self.metadata = Metadata()
        self.metadata.widget.layout.display = "none"
        self.attributes_button = w.ToggleButton(
            description="Attributes",
            icon="list",
            layout={"width": "auto"},
            tooltip="Show the attributes of this object",
        )
        self.choice.observe(lambda change: self._open(change["new"]), "value")
        self.preset.observe(lambda change: self._choose(change["new"]), "value")
        for control in (self.centre, self.width):
            control.observe(lambda _: self._typed(), "value")
        self.screen.observe(lambda _: self._follow(), ["index", "window"])
        self.attributes_button.observe(lambda _: self._describe(), "value")
        self._windows = w.HBox([self.preset, self.centre, self.width], layout={"flex_flow": "row wrap"})
        self._show(
            w.HBox([self.choice], layout={"display": "" if len(self.series) > 1 else "none"}),
            self.screen.widget,
            self._windows,
            self._problem,
            w.HBox([self.attributes_button]),
            self.metadata.widget,
        )
        self._open(0)

    def _end(self) -> None:
        self.metadata.close()
        self.screen.leave()

    # --------------------------------------------------------------------------- what is shown

    @property
    def index(self) -> int:
        """Which slice is shown, from 0; may be set.

        Raises
        ------
        DataSetError
            If there is none of that number.
        """
        return int(self.screen.index)

    @index.setter
    def index(self, index: int) -> None:
        count = len(self._stack)
        if not 0 <= index < count:
            raise DataSetError(f"there is no slice {index}: the series has {count}, counted from 0")
        self.screen.index = int(index)

    @property
    def frame(self) -> Frame:
        """The frame that is shown."""
        return self._stack.frames[self.index]

    @property
    def values(self) -> numpy.ndarray[Any, Any]:
        """Its values in the units of the modality, or its colours."""
        return self._stack[self.index].values

    @property
    def window(self) -> tuple[float, float]:
        """Centre and width; may be set."""
        return window_in(self.screen.window, self.frame, self._stack, self.index)

    @window.setter
    def window(self, window: Window) -> None:
        centre, width = map(float, window)
        if not width > 0:
            raise DataSetError("the width of a window is more than 0")
        self.screen.window = [centre, width]

    def png(self) -> bytes:
        """The picture as it is shown, as PNG."""
        return picture(self.frame, self._stack[self.index], None if self.frame.is_colour else self.window)

    # --------------------------------------------------------------------------- callbacks

    def _open(self, number: int) -> None:
        """Show another series, from its middle."""
        with self._filling:
            stack = Stack(self.series[number].frames, cache=self._cache)
            is_ct = stack.frames[0].header.get("Modality") == "CT"
            self.preset.options = [_OWN, _RANGE, *(_PRESETS if is_ct else ()), _BY_HAND]
            self._stack = stack
            self.screen.load(stack)
        self._follow()

    def _follow(self) -> None:
        """Another slice or window is shown, whoever chose it: the controls say so."""
        with self._filling.choice() as by_user:
            if by_user:
                self._say()

    def _say(self) -> None:
        with self._filling:
            self._problem.value = ""
            self._windows.layout.display = "none" if self.frame.is_colour else ""
            self.preset.value = self._name_of(self.screen.window)
            try:
                self.centre.value, self.width.value = self.window
            except DataSetError:
                pass  # where the slice is shown, it is told why it is not
            self._describe()

    def _name_of(self, window: Window) -> str:
        if isinstance(window, str):
            return _OWN if window == OWN else _RANGE
        known = (name for name, one in _PRESETS.items() if one == tuple(window) and name in self.preset.options)
        return next(known, _BY_HAND)

    def _choose(self, name: str) -> None:
        """A window by its name."""
        with self._filling.choice() as by_user:
            if by_user:
                by_hand = self.centre.value, self.width.value
                self.screen.window = {_OWN: OWN, _RANGE: RANGE}.get(name) or list(_PRESETS.get(name, by_hand))

    def _typed(self) -> None:
        with self._filling.choice() as by_user:
            if by_user:
                try:
                    self.window = (self.centre.value, self.width.value)
                except DataSetError as error:
                    self._problem.value = message(error)

    def _describe(self) -> None:
        wanted = bool(self.attributes_button.value)
        self.metadata.widget.layout.display = "" if wanted else "none"
        if wanted:
            self.metadata.dataset = self.frame.header


def _canvas(size: int, room: int) -> Any:
    from nbdicom.notebook.canvas import Canvas

    return Canvas(size=size, room=room)


def _slides(size: int) -> Any:
    from nbdicom.notebook.slides import Slides

    return Slides(size=size)
