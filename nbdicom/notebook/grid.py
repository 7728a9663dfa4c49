"""`ResultsGrid`: a table of answers to choose rows from, and to retrieve them.

It is a list box: what a keyboard and a screen reader know how to use, in every front end.  It shows a few hundred rows at
a time, and its filter looks at all.
"""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbdicom import privacy
from nbdicom.errors import NbdicomError
from nbdicom.notebook.controls import Filling, Panel, button, html, message, on_enter, status_line, text, widgets
from nbdicom.notebook.thumbnails import Thumbnails
from nbdicom.table import Table, printable

if TYPE_CHECKING:
    import pandas

    from nbdicom.job import Job, Snapshot
    from nbdicom.peer import Peer
    from nbdicom.peer.results import RetrieveResult

__all__ = ["ResultsGrid", "row_details"]

_MOST_ROWS = 500  #: in the list at once
_MOST_WIDTH = 26  #: characters of a column in the list; all of it is in the details
_PIXELS = 7.3  #: width of a character in the list
_SPACE = "\N{NO-BREAK SPACE}"  # a list box folds ordinary spaces


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

    Examples
    --------
    >>> grid = ResultsGrid(pacs.studies())  # doctest: +SKIP
    >>> grid.selection.dicom.series()  # doctest: +SKIP
    """

    _instead = 'df.dicom.retrieve("folder")'

    def __init__(
        self, frame: pandas.DataFrame, *, peer: Peer | None = None, to: str | Path = "retrieved", listen: Any = None
    ) -> None:
        super().__init__()
        w = widgets(self._instead)
        self.peer = peer
        self.listen = listen
        self.job: Job[RetrieveResult] | None = None  #: the retrieval that was started last
        self._frame = frame
        self._texts: list[list[str]] = []
        self._lower: list[str] | None = None
        self._found: list[int] = []
        self._chosen: list[int] = []
        self._observers: list[Callable[[], object]] = []
        self._filling = Filling()
        self.filter = text("Rows with", "part of any value", width="260px")
        self.filter.observe(lambda _: self._list(), "value")
        self.rows = w.SelectMultiple(
            rows=12, description="", layout={"width": "auto"}, tooltip="Rows; choose several by Shift or Ctrl"
        )
        self.rows.add_class("nbd-rows")
        self.rows.observe(self._choose, "value")
        self.all_button = button("Select all", self._choose_all, icon="check-square-o")
        self.folder = text("Folder", value=str(to), width="260px")
        self.retrieve_button = button("Retrieve", self.retrieve, icon="download", style="primary")
        self.show_button = button("Show images", self._open_viewer, icon="picture-o")
        self.show_button.disabled = True
        self._head, self._count, self._problem, self._details = html(), html(), html(), html()
        self._jobs, self._viewer = w.VBox(), w.VBox()
        on_enter(self.folder, self.retrieve)
        tools = w.HBox(
            [self.filter, self.all_button, self._count], layout={"flex_flow": "row wrap", "align_items": "center"}
        )
        self._actions = actions = w.HBox(
            [self.folder, self.retrieve_button, self.show_button], layout={"flex_flow": "row wrap"}
        )
        self._list_box = w.VBox([self._head, self.rows], layout={"overflow": "auto"})
        self._show(tools, self._list_box, self._details, actions, self._problem, self._jobs, self._viewer)
        self.frame = frame

    # --------------------------------------------------------------------------- what it has

    @property
    def frame(self) -> pandas.DataFrame:
        """The table; setting another one empties the selection."""
        return self._frame

    @frame.setter
    def frame(self, frame: pandas.DataFrame) -> None:
        self._frame = frame
        self._lower = None
        names, self._texts = _columns(frame)
        names = [printable(name) for name in names]
        pairs = zip(names, self._texts, strict=True)
        self._widths = [min(_MOST_WIDTH, max(map(len, [name, *column[:_MOST_ROWS]]))) for name, column in pairs]
        self._head.value = f"<div class='nbd-head'>{escape(_line(names, self._widths))}</div>"
        width = (
            f"{(sum(self._widths) + 2 * len(names)) * _PIXELS + 30:.0f}px"  # a list box alone would not scroll sideways
        )
        self.rows.layout.min_width = self._head.layout.min_width = width
        self._chosen = []
        self._list()

    @property
    def selection(self) -> pandas.DataFrame:
        """The rows that are chosen, a table like any other; all columns, whatever the list shows."""
        chosen: pandas.DataFrame = self._frame.iloc[sorted(self._chosen)]
        return chosen

    @property
    def result(self) -> RetrieveResult | None:
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

    def _list(self) -> None:
        """Fill the list with the rows that the filter lets through."""
        wanted = self.filter.value.strip().lower()
        count = len(self._frame)
        if not wanted:
            self._found = list(range(count))
        else:
            if self._lower is None:
                self._lower = ["\n".join(row).lower() for row in zip(*self._texts, strict=True)]
            self._found = [k for k, line in enumerate(self._lower) if wanted in line]
        shown = self._found[:_MOST_ROWS]
        with self._filling:
            self.rows.options = [(_line([column[k] for column in self._texts], self._widths), k) for k in shown]
            self.rows.rows = max(3, min(12, len(shown)))
            self._chosen = [k for k in self._chosen if k in set(self._found)]
            self.rows.value = [k for k in self._chosen if k in set(shown)]
        self._tell()

    def _choose(self, change: Any) -> None:
        with self._filling.choice() as by_user:
            if by_user:
                self._chosen = list(change["new"])
                self._tell()

    def _choose_all(self) -> None:
        self._chosen = list(self._found)
        with self._filling:
            self.rows.value = self._found[:_MOST_ROWS]
        self._tell()

    def _tell(self) -> None:
        total, found, chosen = len(self._frame), len(self._found), len(self._chosen)
        words = f"{chosen} of {total} rows selected"
        if found != total:
            words += f", {found} match"
        if found > _MOST_ROWS:
            words += f"; the first {_MOST_ROWS} are listed, the filter looks at all"
        self._count.value = status_line(words)
        self.all_button.description = f"Select all {found}"
        self.retrieve_button.disabled = not chosen
        self._details.value = row_details(self._frame, sorted(self._chosen)[0]) if chosen else ""
        for action in self._observers:
            action()

    # --------------------------------------------------------------------------- retrieval

    def retrieve(self) -> Job[RetrieveResult] | None:
        """Retrieve what is chosen; the job is shown with a Cancel button.  None if it could not be started."""
        from nbdicom.job import progress_widget

        self._problem.value = ""
        if not self._chosen:
            self._problem.value = message("nothing is selected")
            return None
        if not self.folder.value.strip():
            self._problem.value = message("name a folder for the files")
            return None
        try:
            job: Any = self.selection.dicom.retrieve(
                self.folder.value.strip(), peer=self.peer, listen=self.listen, wait=False
            )
        except NbdicomError as error:
            self._problem.value = message(error)
            return None
        self.job = job
        strip, folder = Thumbnails(), self.folder.value.strip()
        strip.look(folder)
        self._jobs.children = (progress_widget(job), strip.widget)
        job.watch(self._watch)
        job.watch(lambda now: strip.look(folder))
        return self.job

    def _watch(self, now: Snapshot) -> None:
        arrived = self.result is not None and bool(self.result.paths)
        self.show_button.disabled = not (now.is_over and arrived)

    def _open_viewer(self) -> None:
        """Show the images; the headers of a large retrieval take a moment, so they are read in a job."""
        from nbdicom.job import Job, progress_widget
        from nbdicom.notebook.images import Series, series_of
        from nbdicom.notebook.viewer import SeriesViewer

        if self.result is None or not self.result.paths:
            return
        paths = self.result.paths
        job: Job[list[Series]] = Job(lambda job: series_of(paths), label="reading headers")

        def show(now: Snapshot) -> None:
            if now.is_over and job.result is not None:
                self._viewer.children = (SeriesViewer(job.result).widget,)

        self._viewer.children = (progress_widget(job),)
        job.watch(show)
        job.start()


def _columns(frame: pandas.DataFrame) -> tuple[list[str], list[list[str]]]:
    """Names and texts of the columns that the list shows: those with values, without UIDs, which are in the details."""
    from nbdicom.peer.frames import shown_text

    names, texts = [], []
    for name in frame.columns:
        if str(name).endswith("UID") or str(name).endswith("UIDs") or str(name) == "SOPClassesInStudy":
            continue
        column = [str(privacy.shown(str(name), shown_text(value))) for value in frame[name]]
        if any(column):
            names.append(str(name))
            texts.append([printable(value) for value in column])
    if not names:
        names = [str(name) for name in frame.columns]
        texts = [[printable(shown_text(value)) for value in frame[name]] for name in frame.columns]
    return names, texts


def _line(cells: list[str], widths: list[int]) -> str:
    cut = (
        cell if len(cell) <= width else cell[: width - 1] + "\N{HORIZONTAL ELLIPSIS}"
        for cell, width in zip(cells, widths, strict=True)
    )
    return (_SPACE * 2).join(cell.ljust(width).replace(" ", _SPACE) for cell, width in zip(cut, widths, strict=True))


def row_details(frame: pandas.DataFrame, position: int) -> str:
    """One row with everything, to read and to copy from."""
    from nbdicom.peer.frames import shown_text

    label = printable(frame.index[position])
    named = [(str(name), shown_text(value)) for name, value in frame.iloc[position].items()]
    rows = [(name, privacy.shown(name, value)) for name, value in named if value]
    body = Table(f"Row {label}", ("attribute", "value"), rows)._repr_html_()
    return f"<details><summary>Details of row {escape(label)}, with whole UIDs</summary>{body}</details>"
