"""`ResultsGrid`: a table of answers to choose rows from, and to retrieve them.

It is a list box: what a keyboard and a screen reader know how to use, in every front end.  It shows a page of a few
hundred rows at a time; filter and order are those of all rows, and what is selected stays so on every page.
"""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbdicom import privacy
from nbdicom.notebook.controls import (
    Filling,
    Panel,
    button,
    discard,
    html,
    list_box,
    literal,
    status_line,
    text,
    widgets,
)
from nbdicom.notebook.lines import Lines
from nbdicom.notebook.retrieval import Retrieval
from nbdicom.table import Table, printable

if TYPE_CHECKING:
    import pandas

    from nbdicom.job import Job, Snapshot
    from nbdicom.notebook.images import Series
    from nbdicom.notebook.viewer import SeriesViewer
    from nbdicom.peer import Peer
    from nbdicom.peer.pulled import PullResult
    from nbdicom.peer.results import RetrieveResult

__all__ = ["ResultsGrid", "row_details"]

_PAGE = 500  #: rows in the list at once
_PIXELS = 7.3  #: width of a character in the list
_AS_FOUND = "as found"


class ResultsGrid(Panel):
    """Choose rows of a table of answers.

    Parameters
    ----------
    frame : DataFrame
        Answers of `Peer.find`, or any table with key columns.
    peer : Peer, optional
        Whom to retrieve from; by default the peer that the table says.
    to : str or Path
        The folder that is proposed for what is retrieved.
    listen : optional
        See `Peer.retrieve`: for peers that offer no C-GET.
    name : str
        What the form is called in the line of code that it shows.

    Examples
    --------
    >>> grid = ResultsGrid(pacs.studies())  # doctest: +SKIP
    >>> grid.selection.dicom.series()  # doctest: +SKIP
    """

    _instead = 'df.dicom.retrieve("folder")'

    def __init__(
        self,
        frame: pandas.DataFrame,
        *,
        peer: Peer | None = None,
        to: str | Path = "retrieved",
        listen: Any = None,
        name: str = "grid",
    ) -> None:
        super().__init__()
        w = widgets(self._instead)
        self.peer = peer
        self.listen = listen
        self._name = name
        self._frame = frame
        self._lines = Lines(frame)
        self._found: list[int] = []  # the rows that the filter lets through, in order
        self._chosen: list[int] = []
        self._opening: Job[list[Series]] | None = None  # reads the headers of the images that are to be shown
        self._images: SeriesViewer | None = None
        self._all = False  # whether they were chosen by the button
        self._observers: list[Callable[[], object]] = []
        self._filling = Filling()
        self.filter = text("Rows with", "part of any value", width="260px")
        wide = {"description_width": "initial"}
        self.sort = w.Dropdown(
            options=[_AS_FOUND], description="Sort by", tooltip="Sort by", style=wide, layout={"width": "auto"}
        )
        self.descending = w.Checkbox(
            description="descending", tooltip="The last one first", indent=False, layout={"width": "auto"}
        )
        self.page = w.BoundedIntText(
            value=1, min=1, max=1, description="Page", tooltip="Page of the list", style=wide, layout={"width": "110px"}
        )
        self.previous_button = button("Previous", lambda: self._turn(-1), icon="arrow-left", tooltip="Previous page")
        self.next_button = button("Next", lambda: self._turn(1), icon="arrow-right", tooltip="Next page")
        for control in (self.filter, self.sort, self.descending):
            control.observe(lambda _: self._changed(self._find), "value")
        self.page.observe(lambda _: self._changed(lambda: self._list(self.page.value)), "value")
        self.rows = w.SelectMultiple(
            rows=12, description="Rows", layout={"width": "auto"}, tooltip="Choose several by Shift or Ctrl"
        )
        self.rows.add_class("nbd-rows")
        self.rows.add_class("nbd-unseen")
        self.rows.observe(self._choose, "value")
        self.all_button = button("Select all", self._choose_all, icon="check-square-o")
        self.none_button = button("Select none", self._choose_none, icon="square-o")
        self._retrieval = retrieval = Retrieval(
            self._start, self._line, lambda: bool(self._chosen), to=to, nothing="nothing is selected"
        )
        self.folder, self.way, self.retrieve_button = retrieval.folder, retrieval.way, retrieval.button
        self.show_button = button("Show images", self._open_viewer, icon="picture-o")
        self.show_button.disabled = True
        self._head, self._count, self._details, self._place = html(), html(), html(), html()
        self._problem, self._jobs, self._viewer = retrieval.problem, retrieval.jobs, w.VBox()
        row = {"flex_flow": "row wrap", "align_items": "center", "grid_gap": "0 10px"}
        tools = w.HBox([self.filter, self.sort, self.descending], layout=row)
        choosing = w.HBox([self.all_button, self.none_button, self._count], layout=row)
        self._pages = w.HBox([self.previous_button, self.page, self.next_button, self._place], layout=row)
        retrieval.row.children = (*retrieval.row.children, self.show_button)
        self._actions = w.VBox([retrieval.row, retrieval.box])
        self._list_box = list_box(self.rows, self._head, overflow="auto")
        self._show(
            tools,
            self._list_box,
            self._pages,
            choosing,
            self._details,
            self._actions,
            self._viewer,
        )
        self.frame = frame

    # --------------------------------------------------------------------------- what it has

    @property
    def frame(self) -> pandas.DataFrame:
        """The table; setting another one empties the selection."""
        return self._frame

    @frame.setter
    def frame(self, frame: pandas.DataFrame) -> None:
        lines = Lines(frame)
        with self._filling:
            self._frame, self._lines, self._chosen, self._all = frame, lines, [], False
            self._head.value = f"<div class='nbd-head'>{escape(lines.head)}</div>"
            # A list box alone would not scroll sideways.
            width = f"{(sum(lines.widths) + 2 * len(lines.widths)) * _PIXELS + 30:.0f}px"
            self.rows.layout.min_width = self._head.layout.min_width = width
            by = self.sort.value
            self.sort.options = [_AS_FOUND, *lines.names]
            self.sort.value = by if by in lines.names else _AS_FOUND
            self._find()

    @property
    def selection(self) -> pandas.DataFrame:
        """The rows that are chosen, a table like any other; all columns, whatever the list shows."""
        chosen: pandas.DataFrame = self._frame.iloc[sorted(self._chosen)]
        return chosen

    @property
    def job(self) -> Job[RetrieveResult | PullResult] | None:
        """The retrieval that was started last."""
        return self._retrieval.job

    @property
    def result(self) -> RetrieveResult | PullResult | None:
        """What the last retrieval brought; None before its end."""
        return None if self.job is None else self.job.result

    def observe(self, action: Callable[[], object]) -> None:
        """Call *action* when another selection is made."""
        self._observers.append(action)

    @property
    def retrievable(self) -> bool:
        """Whether there are buttons to retrieve: not for a worklist."""
        return bool(self._actions.layout.display != "none")

    @retrievable.setter
    def retrievable(self, yes: bool) -> None:
        self._actions.layout.display = "" if yes else "none"

    # --------------------------------------------------------------------------- list and selection

    def _changed(self, action: Callable[[], object]) -> None:
        with self._filling.choice() as by_user:
            if by_user:
                action()

    def _find(self) -> None:
        """Find the rows that the filter lets through, in the order that is asked for, and list their first page."""
        with self._filling:
            found = self._lines.matching(self.filter.value)
            if self.sort.value != _AS_FOUND:
                kept = set(found)
                found = [k for k in self._lines.order(self.sort.value, descending=self.descending.value) if k in kept]
            elif self.descending.value:
                found.reverse()
            kept = set(found)
            self._found, self._chosen = found, [k for k in self._chosen if k in kept]
            self._list(1)

    def _list(self, page: int) -> None:
        """Fill the list with a page of what was found."""
        with self._filling:
            self.page.max = max(1, -(-len(self._found) // _PAGE))
            self.page.value = min(max(1, page), self.page.max)
            shown, chosen = self._shown(), set(self._chosen)
            self.rows.value = ()
            self.rows.options = [(self._lines[k], k) for k in shown]
            self.rows.rows = max(3, min(12, len(shown)))
            self.rows.value = [k for k in shown if k in chosen]
            self._tell()

    def _turn(self, pages: int) -> None:
        self._list(self.page.value + pages)

    def _shown(self) -> list[int]:
        """The rows of the page that is listed."""
        return self._found[(self.page.value - 1) * _PAGE : self.page.value * _PAGE]

    def _choose(self, change: Any) -> None:
        with self._filling.choice() as by_user:
            if by_user:
                # Of other pages, what was chosen there stays; after "Select all" a choice begins anew.
                here = set(self._shown())
                elsewhere = [] if self._all else [k for k in self._chosen if k not in here]
                self._chosen, self._all = [*elsewhere, *change["new"]], False
                self._tell()

    def _choose_all(self) -> None:
        with self._filling:
            self._chosen, self._all = list(self._found), True
            self.rows.value = self._shown()
            self._tell()

    def _choose_none(self) -> None:
        with self._filling:
            self._chosen, self._all = [], False
            self.rows.value = ()
            self._tell()

    def _tell(self) -> None:
        total, found, chosen = len(self._frame), len(self._found), len(self._chosen)
        words = f"{chosen} of {total} rows selected"
        if elsewhere := chosen - len(self.rows.value):
            words += f", {elsewhere} of them on other pages"
        if found != total:
            words += f", {found} match"
        self._count.value = status_line(words)
        pages, page = self.page.max, self.page.value
        self._pages.layout.display = "" if pages > 1 else "none"
        self._place.value = f"of {pages}: rows {(page - 1) * _PAGE + 1} to {min(page * _PAGE, found)} of {found}"
        self.previous_button.resting = "this is the first page" if page == 1 else ""
        self.next_button.resting = "this is the last page" if page == pages else ""
        self.all_button.description = f"Select all {found}"
        self.none_button.resting = "" if chosen else "nothing is selected"
        self._retrieval.tell()
        self._details.value = row_details(self._frame, sorted(self._chosen)[0]) if chosen else ""
        for action in self._observers:
            action()

    # --------------------------------------------------------------------------- retrieval

    def retrieve(self) -> Job[RetrieveResult | PullResult] | None:
        """Retrieve what is chosen, in the `way` that is chosen; the job is shown with a Cancel button.

        None if it could not be started.
        """
        return self._retrieval.begin()

    def _line(self, verb: str, folder: str) -> str:
        given = [folder]
        if self._name == "grid" and self.peer is not None:
            given.append("peer=grid.peer")
        if self.listen is not None:
            given.append(f"listen={literal(self.listen)}")
        return f"{self._name}.selection.dicom.{verb}({', '.join(given)})"

    def _start(self, verb: str, folder: str) -> Job[Any]:
        start = getattr(self.selection.dicom, verb)
        job: Job[Any] = start(folder, peer=self.peer, listen=self.listen, wait=False)

        def offer(now: Snapshot) -> None:
            self.show_button.disabled = not (now.is_over and job.result is not None and job.result.paths)

        job.watch(offer)
        return job

    def _open_viewer(self) -> None:
        """Show the images; the headers of a large retrieval take a moment, so they are read in a job."""
        from nbdicom.job import Job, progress_widget
        from nbdicom.notebook.images import series_of
        from nbdicom.notebook.viewer import SeriesViewer

        if self.result is None or not self.result.paths:
            return
        paths = self.result.paths
        self._close_viewer()
        job: Job[list[Series]] = Job(lambda job: series_of(paths), label="reading headers")

        def show(now: Snapshot) -> None:
            if now.is_over and job is self._opening and job.result is not None:
                self._images = SeriesViewer(job.result)
                self._viewer.children = (self._images.widget,)
                discard(progress)

        self._opening, progress = job, progress_widget(job)
        self._viewer.children = (progress,)
        job.watch(show)
        job.start()

    def _close_viewer(self) -> None:
        before, self._viewer.children = self._viewer.children, ()
        if self._opening is not None:
            self._opening.cancel()
        if self._images is not None:
            self._images.close()
        self._opening = self._images = None
        discard(*before)

    def _end(self) -> None:
        self._close_viewer()
        self._retrieval.close()


def row_details(frame: pandas.DataFrame, position: int) -> str:
    """One row with everything, to read and to copy from."""
    from nbdicom.peer.frames import shown_text

    label = printable(frame.index[position])
    named = [(str(name), shown_text(value)) for name, value in frame.iloc[position].items()]
    rows = [(name, privacy.shown(name, value)) for name, value in named if value]
    body = Table(f"Row {label}", ("attribute", "value"), rows)._repr_html_()
    return f"<details><summary>Details of row {escape(label)}, with whole UIDs</summary>{body}</details>"
