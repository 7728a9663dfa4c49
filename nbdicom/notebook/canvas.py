"""The canvas of the viewer: one anywidget, no build step, no code from the network.

The browser keeps the slices that are nearest to the one that is shown, and asks for those that it lacks, one after the other
(``canvas.js``).  So going through the slices, playing them and setting the window need no word from the kernel, and nothing
piles up on the way.  The kernel answers, and hears ten times a second where the browser is.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import Any

import anywidget
import numpy
import traitlets

from nbdicom.errors import DataSetError
from nbdicom.notebook.images import Frame, aspect, rate_of
from nbdicom.notebook.pixels import OWN, RANGE, Pixels, Stack, window_in

__all__ = ["Canvas"]


class Canvas(anywidget.AnyWidget):  # type: ignore[misc]
    """The slices of one stack at a time.

    Pixels are sent as messages and are no part of the widget's state, so none of them is saved with a notebook.

    Parameters
    ----------
    size : int
        Width of the picture in pixels of the screen.
    room : int
        Bytes of slices that the browser keeps.
    """

    _esm = Path(__file__).with_name("canvas.js").read_text(encoding="utf-8")
    _css = Path(__file__).with_name("canvas.css").read_text(encoding="utf-8")
    #: Counts the stacks, so that a slice of the last one is not taken for one of this.
    series = traitlets.Int(0).tag(sync=True)
    count = traitlets.Int(0).tag(sync=True)
    index = traitlets.Int(0).tag(sync=True)  #: of the slice that is shown, from 0
    window = traitlets.Any(OWN).tag(sync=True)  #: `OWN`, `RANGE`, or a list of centre and width
    rate = traitlets.Int(10).tag(sync=True)  #: frames per second
    words = traitlets.Unicode("").tag(sync=True)  #: what it is, until the first slice is there
    size = traitlets.Int(512).tag(sync=True)
    room = traitlets.Int(256 << 20).tag(sync=True)

    def __init__(self, *, size: int, room: int) -> None:
        super().__init__(size=size, room=room)
        self._stack: Stack | None = None
        self._lock = threading.Lock()
        self._wanted: list[int] = []
        self._worker: threading.Thread | None = None
        self.on_msg(self._asked)

    @property
    def widget(self) -> Canvas:
        """What is displayed."""
        return self

    def load(self, stack: Stack) -> None:
        """Show another stack, from its middle."""
        with self._lock:
            self._stack, self._wanted = stack, []
            series = self.series + 1
        first = stack.frames[0]
        with self.hold_sync(), self.hold_trait_notifications():
            self.count, self.index, self.window = len(stack), len(stack) // 2, OWN
            self.rate, self.words, self.series = round(rate_of(first)), first.name, series

    def leave(self) -> None:
        """Nobody looks any more."""
        with self._lock:
            self._forget()

    def _forget(self) -> None:
        """Keep no slices; whoever comes back asks for them anew."""
        self._wanted = []
        if self._stack is not None:
            self._stack.forget()

    @traitlets.validate("index")  # type: ignore[untyped-decorator]
    def _within(self, proposal: Any) -> int:
        index: int = proposal["value"]
        return int(numpy.clip(index, 0, max(self.count - 1, 0)))

    # --------------------------------------------------------------------------- what the browser asks for

    def _asked(self, _: Any, content: Any, buffers: Any) -> None:
        """The browser lacks some slices.  They are decoded in a thread, because a callback shall not wait."""
        with self._lock:
            if self._stack is None or content.get("series") != self.series:
                return
            if content.get("left"):
                self._forget()
                return
            new = [k for k in content.get("frames", ()) if k in range(len(self._stack)) and k not in self._wanted]
            self._wanted[:0] = new  # what was asked for last is where the browser is now
            if self._worker is not None or not new:
                return
            self._worker = threading.Thread(target=self._answer, name="nbdicom viewer", daemon=True)
        if sys.platform == "emscripten":  # no threads there
            self._answer()
        else:
            self._worker.start()

    def _answer(self) -> None:
        while True:
            with self._lock:
                if not self._wanted or self._stack is None:
                    self._worker = None
                    return
                index, stack, series = self._wanted.pop(0), self._stack, self.series
            frame = stack.frames[index]
            about: dict[str, Any] = {"series": series, "index": index, "words": frame.name}
            try:
                told, numbers = on_the_wire(frame, stack, index)
            except DataSetError as error:
                self.send({**about, "problem": str(error)})
            else:
                self.send({**about, **told}, [numbers])


def on_the_wire(frame: Frame, stack: Stack, index: int) -> tuple[dict[str, Any], bytes]:
    """A slice as it is sent: what the browser has to know of it, and its values as bytes in little endian.

    Raises
    ------
    DataSetError
        If it cannot be decoded.
    """
    pixels = stack[index]
    kind, numbers = _numbers(pixels)
    rows, columns = pixels.stored.shape[:2]
    told = {"kind": kind, "rows": rows, "columns": columns, "aspect": aspect(frame)}
    if not pixels.is_colour:
        told |= {
            "slope": pixels.slope, "intercept": pixels.intercept, "inverted": frame.is_inverted,
            **{window: window_in(window, frame, stack, index) for window in (OWN, RANGE)},
        }  # fmt: skip
    return told, numbers.tobytes()


def _numbers(pixels: Pixels) -> tuple[str, numpy.ndarray[Any, Any]]:
    """The name of a type of number that the browser has, and the values in it."""
    stored = pixels.stored
    if pixels.is_colour:
        return "rgb", stored
    whole = stored.dtype.kind in "iu" and stored.dtype.itemsize <= 2
    kind = stored.dtype.name if whole else "float32"
    return kind, stored.astype(numpy.dtype(kind).newbyteorder("<"), copy=False)
