"""What the forms that retrieve have in common: a folder, a way, a button, the line of code, the job and what it brings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbdicom.errors import NbdicomError
from nbdicom.notebook.controls import (
    Press,
    button,
    discard,
    html,
    instead,
    literal,
    message,
    status_line,
    text,
    widgets,
)
from nbdicom.notebook.thumbnails import Thumbnails
from nbdicom.table import printable

if TYPE_CHECKING:
    from nbdicom.job import Job, Snapshot
    from nbdicom.peer.pulled import PullResult
    from nbdicom.peer.results import RetrieveResult

__all__ = ["Retrieval"]

#: The two verbs of a table of answers, in the words of a person who has to choose.
_WAYS = {"retrieve": "once, what the peer sends", "pull": "until it is proven complete"}

_BUSY = "a retrieval is under way: wait for it, or cancel it"


class Retrieval:
    """Retrieves what is chosen in a form, and shows a thumbnail of each series as objects arrive.

    Parameters
    ----------
    start : callable
        ``start(verb, folder)`` makes the job, by ``"retrieve"`` or ``"pull"``, and may raise an NbdicomError.
    code : callable
        ``code(verb, folder)`` is the line of Python that does the same; the folder is a literal.
    chosen : callable
        Whether anything is chosen.
    to : str or Path
        The folder that is proposed.
    nothing : str
        What to say where nothing is chosen.
    """

    def __init__(
        self,
        start: Callable[[str, str], Job[Any]],
        code: Callable[[str, str], str],
        chosen: Callable[[], bool],
        *,
        to: str | Path,
        nothing: str,
    ) -> None:
        w = widgets("")
        self.job: Job[RetrieveResult | PullResult] | None = None  #: the one that was started last
        self.strip: Thumbnails | None = None  #: what it has brought, in pictures
        self._start, self._code_of, self._chosen, self._nothing = start, code, chosen, nothing
        self.folder = text("Folder", value=str(to), width="260px")
        self.way = w.Dropdown(
            options=[(words, verb) for verb, words in _WAYS.items()], description="Retrieve",
            tooltip="How to retrieve", style={"description_width": "initial"}, layout={"width": "auto"},
        )  # fmt: skip
        self._pressed: Job[Any] | None = None  # what the last press has started
        press = Press(self._press, lambda: instead(self._pressed, self._press)).follow(self.folder)
        self.button = button("Retrieve", press, icon="download", style="primary")
        self.problem, self.jobs, self.code, self.report = html(), w.VBox(), html(), html()
        for control in (self.folder, self.way):
            control.observe(lambda _: self.tell(), "value")
        self.row = w.HBox([self.folder, self.way, self.button], layout={"flex_flow": "row wrap", "grid_gap": "0 10px"})
        self.box = w.VBox([self.code, self.problem, self.jobs, self.report])

    @property
    def is_under_way(self) -> bool:
        """Whether a job is running."""
        return self.job is not None and not self.job.snapshot.is_over

    def tell(self) -> None:
        """Say what can be done now, and in which line of code."""
        chosen = self._chosen()
        self.button.disabled = not chosen
        self.button.resting = _BUSY if self.is_under_way else ""
        line = self._code_of(self.way.value, literal(self.folder.value.strip()))
        self.code.value = f"<code>{escape(printable(line))}</code>" if chosen else ""

    def begin(self) -> Job[Any] | None:
        """Start; None if it could not be started."""
        from nbdicom.job import progress_widget

        self.problem.value = ""
        folder = self.folder.value.strip()
        if not self._chosen():
            self.problem.value = message(self._nothing)
        elif self.is_under_way:
            self.problem.value = status_line(_BUSY)
        elif not folder:
            self.problem.value = message("name a folder for the files")
        if self.problem.value:
            return None
        strip = Thumbnails()
        try:
            job = strip.follow(partial(self._start, self.way.value, folder), folder)
        except NbdicomError as error:
            self.problem.value = message(error)
            return None
        self.job, self.report.value = job, ""
        self.button.resting = _BUSY
        before, self.strip = self.strip, strip
        shown, self.jobs.children = self.jobs.children, (progress_widget(job), strip.widget)
        if before is not None:
            before.close()
        discard(*shown)
        job.watch(lambda now: self._watch(job, now))
        return job

    def close(self) -> None:
        """Cancel what is under way; its form is closed."""
        if self.job is not None:
            self.job.cancel()
        if self.strip is not None:
            self.strip.close()

    def _press(self) -> None:
        self._pressed = self.begin() or self._pressed

    def _watch(self, job: Job[Any], now: Snapshot) -> None:
        if job is not self.job or not now.is_over:
            return
        self.tell()
        if self.problem.value == status_line(_BUSY):
            self.problem.value = ""
        if job.result is not None:
            rows = replace(job.result.table(), title="What failed comes first")._repr_html_()
            self.report.value = f"<details><summary>Row by row</summary>{rows}</details>"
