"""`Thumbnails`: one small picture for each series, as its objects arrive."""

from __future__ import annotations

import base64
import os
import queue
import threading
import time
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbdicom.errors import DataSetError
from nbdicom.notebook.controls import Panel, discard, html, widgets
from nbdicom.notebook.images import Series, series_of
from nbdicom.notebook.pixels import decoded, picture

if TYPE_CHECKING:
    from nbdicom.job import Job, Snapshot

__all__ = ["Thumbnails"]

_SIZE = 112  #: pixels
_MOST = 40  #: series that have a picture


class Thumbnails(Panel):
    """A strip of pictures that grows; `add` may be called from any thread, and returns at once.

    Parameters
    ----------
    source : object, optional
        What is there already: a folder, files, a `RetrieveResult` or `Receiver`; see `SeriesViewer`.

    Examples
    --------
    >>> strip = Thumbnails()  # doctest: +SKIP
    >>> receiver = Receiver("incoming", on_stored=lambda stored: strip.add(stored.path))  # doctest: +SKIP
    """

    _instead = "nbdicom.view(source)"

    def __init__(self, source: Any = None) -> None:
        super().__init__()
        w = widgets(self._instead)
        self.counts: dict[str, int] = {}  #: Series Instance UID -> objects (or frames) so far
        self._boxes: dict[str, tuple[Any, Any]] = {}
        self._strip = w.HBox(layout={"flex_flow": "row wrap"})
        self._waiting: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._worker: threading.Thread | None = None
        self._known: set[Path] | None = None  #: what was in the folder when it was looked at
        self._added: set[Path] = set()
        self._show(self._strip)
        if source is not None:
            self._take(series_of(source))

    def _end(self) -> None:
        with self._lock:
            while not self._waiting.empty():
                self._waiting.get()

    def add(self, path: str | Path) -> None:
        """Another object has arrived in the file *path*; what is no image, or was added before, is passed over."""
        with self._lock:
            if self.is_closed or Path(path) in self._added:
                return
            self._added.add(Path(path))
            self._waiting.put(path)
            if self._worker is None:
                self._worker = threading.Thread(target=self._work, name="nbdicom thumbnails", daemon=True)
                self._worker.start()

    def look(self, folder: str | Path) -> None:
        """Add what is new in a folder, and in those below it; the first look only notes what is there already."""
        files = {Path(place, name) for place, _, names in os.walk(folder) for name in names if name.endswith(".dcm")}
        known, self._known = self._known, files
        for path in sorted(files - (files if known is None else known)):
            self.add(path)

    def follow(self, start: Callable[[], Job[Any]], folder: str | Path) -> Job[Any]:
        """*start* a retrieval, and show what it brings into *folder* as it arrives; closed if it cannot be started."""
        self.look(folder)  # what is there before the first object comes
        try:
            job = start()
        except BaseException:
            self.close()
            raise
        due = 0.0

        def show(now: Snapshot) -> None:
            nonlocal due
            began = time.monotonic()
            if now.is_over or began >= due:
                self.look(folder)
                # A folder of very many files is not looked at all the time.
                due = began + 10 * (time.monotonic() - began)
            if now.is_over and job.result is not None:
                for path in job.result.paths:  # a file that was there already, and is the same, is not written again
                    self.add(path)

        job.watch(show)
        return job

    def wait(self, timeout: float | None = None) -> None:
        """Wait until everything that was added is shown, at most *timeout* seconds."""
        worker = self._worker
        if worker is not None:
            worker.join(timeout)

    def _work(self) -> None:
        while True:
            with self._lock:
                if self._waiting.empty():
                    self._worker = None
                    return
                paths = [self._waiting.get()]  # with the lock: who closes takes what waits away
                while not self._waiting.empty() and len(paths) < 200:
                    paths.append(self._waiting.get())  # a burst is shown as one step
            try:
                self._take(series_of(paths))
            except DataSetError:
                pass  # none of them is an image

    def _take(self, found: list[Series]) -> None:
        w = widgets(self._instead)
        for series in found:
            self.counts[series.uid] = self.counts.get(series.uid, 0) + len(series.frames)
            if series.uid not in self._boxes:
                if len(self._boxes) >= _MOST:
                    continue
                image, label = html(), w.HTML(layout={"width": f"{_SIZE}px"})
                self._boxes[series.uid] = image, label
                self._draw(series, image)
                box = w.VBox([image, label], layout={"margin": "2px"})
                self._strip.children = (*self._strip.children, box)
                if self.is_closed:
                    discard(box)
            words = escape(f"{series.name} ({self.counts[series.uid]})")
            self._boxes[series.uid][1].value = f"<div style='font-size:11px;line-height:1.2'>{words}</div>"

    def _draw(self, series: Series, image: Any) -> None:
        """Show the frame in the middle; as HTML, because ipywidgets' own image has no name to be read out."""
        frame = series.frames[len(series.frames) // 2]
        try:
            data = base64.b64encode(picture(frame, decoded(frame), size=_SIZE)).decode("ascii")
            name = escape(f"Image of series {series.name}")
            image.value = f"<img alt='{name}' width='{_SIZE}' src='data:image/png;base64,{data}'>"
        except DataSetError:
            image.layout.display = "none"  # the label says what it is
