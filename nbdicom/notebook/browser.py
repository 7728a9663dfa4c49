"""`Browser`: down from patients to studies, series and instances; each level is asked for when it is opened."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbdicom import privacy
from nbdicom.errors import NoPresentationContext
from nbdicom.notebook.controls import (
    Filling,
    Panel,
    Press,
    button,
    cancel_button,
    failure,
    html,
    list_box,
    literal,
    message,
    status_line,
    text,
    widgets,
)
from nbdicom.notebook.grid import row_details
from nbdicom.notebook.lines import isolated
from nbdicom.notebook.retrieval import Retrieval
from nbdicom.peer.query import Level
from nbdicom.table import printable

if TYPE_CHECKING:
    import pandas

    from nbdicom.job import Job, Snapshot
    from nbdicom.peer import Peer
    from nbdicom.peer.pulled import PullResult
    from nbdicom.peer.results import RetrieveResult

__all__ = ["Browser"]

#: What a list says of an entity; the first that has a value is enough, the rest follows in the order of the columns.
_SAYS = {
    Level.PATIENT: ("PatientName", "PatientID", "PatientBirthDate"),
    Level.STUDY: ("StudyDate", "ModalitiesInStudy", "StudyDescription", "NumberOfStudyRelatedInstances"),
    Level.SERIES: ("SeriesNumber", "Modality", "SeriesDescription", "NumberOfSeriesRelatedInstances"),
    Level.IMAGE: ("InstanceNumber", "SOPClassUID", "NumberOfFrames"),
}
_NAMES = {Level.PATIENT: "Patients", Level.STUDY: "Studies", Level.SERIES: "Series", Level.IMAGE: "Instances"}
_ONE = {Level.PATIENT: "patient", Level.STUDY: "study", Level.SERIES: "series", Level.IMAGE: "instance"}


class Browser(Panel):
    """Walk through what a peer has.

    Four list boxes, left to right; choosing an entry asks for what is below it.  What is chosen last can be retrieved.

    Parameters
    ----------
    peer : Peer
        Whom to ask.
    limit : int
        At most so many entries in a list.
    to, listen : optional
        For the retrieval, which shows a thumbnail of each series as objects arrive; see `ResultsGrid`.

    Examples
    --------
    >>> browser = Browser(pacs)  # doctest: +SKIP
    >>> browser.selection  # doctest: +SKIP
    """

    _instead = "pacs.patients(), then df.dicom.studies(), .series(), .instances()"

    def __init__(self, peer: Peer, *, limit: int = 500, to: str | Path = "retrieved", listen: Any = None) -> None:
        super().__init__()
        w = widgets(self._instead)
        self.peer = peer
        self.limit = limit
        self.listen = listen
        self._frames: dict[Level, pandas.DataFrame] = {}
        self._loading: dict[Level, Job[pandas.DataFrame]] = {}
        self._deepest: Level | None = None
        self._filling = Filling()
        self.name = text("Patient name", "DOE*, or nothing for all", width="320px")
        load = Press(self.load).follow(self.name)
        self.load_button = button("Load patients", load, icon="search", style="primary")
        self._asking: Job[pandas.DataFrame] | None = None  # the list that was asked for last
        self.cancel_button = cancel_button(lambda: self._asking, "what is asked for")
        self.lists: dict[Level, Any] = {}
        columns = []
        for level in Level:
            box = w.Select(options=[], rows=8, layout={"width": "auto"}, description=_NAMES[level], disabled=True)
            box.add_class("nbd-rows")
            box.add_class("nbd-unseen")
            box.observe(lambda change, level=level: self._open(level), "value")
            self.lists[level] = box
            columns.append(list_box(box, w.Label(_NAMES[level]), min_width="150px"))
        self._retrieval = retrieval = Retrieval(
            self._start, self._line, lambda: self._deepest is not None, to=to, nothing="choose an entry first"
        )
        self.folder, self.way, self.retrieve_button = retrieval.folder, retrieval.way, retrieval.button
        self._status, self._details = html(), html()
        self._problem, self._jobs = retrieval.problem, retrieval.jobs
        retrieval.tell()
        self._show(
            w.HBox([self.name, self.load_button, self.cancel_button], layout={"flex_flow": "row wrap"}),
            w.GridBox(
                columns,
                layout={"grid_template_columns": "repeat(auto-fit, minmax(min(100%, 400px), 1fr))", "grid_gap": "8px"},
            ),
            self._status,
            self._details,
            retrieval.row,
            retrieval.box,
        )

    # --------------------------------------------------------------------------- what it has

    @property
    def selection(self) -> pandas.DataFrame | None:
        """The entry that was chosen last, as a table of one row; None before that."""
        if self._deepest is None:
            return None
        return self._row(self._deepest)

    def frame(self, level: str) -> pandas.DataFrame | None:
        """What the list of this *level* has, as a table; None before it is loaded."""
        return self._frames.get(Level.of(level))

    # --------------------------------------------------------------------------- loading

    def load(self) -> Job[pandas.DataFrame]:
        """Ask for the patients."""
        name = self.name.value.strip()
        keys = {"PatientName": name} if name else {}
        peer, limit = self.peer, self.limit

        def patients(job: Job[pandas.DataFrame]) -> pandas.DataFrame:
            found: pandas.DataFrame
            try:
                found = peer.find("PATIENT", limit=limit, progress=job, **keys)
            except NoPresentationContext:
                # A peer of the Study Root model alone: its patients are those of its studies.
                found = peer.find("STUDY", limit=limit, progress=job, **keys)
                found = found.drop_duplicates("PatientID")
            return found

        return self._load(Level.PATIENT, patients)

    def _open(self, level: Level) -> None:
        """An entry was chosen: show it, and ask for what is below."""
        with self._filling.choice() as by_user:
            if by_user and self.lists[level].value is not None:
                self._go_down(level)

    def _go_down(self, level: Level) -> None:
        self._deepest = level
        row = self._row(level)
        self._details.value = row_details(row, 0)
        self.retrieve_button.description = f"Retrieve this {_ONE[level]}"
        self._retrieval.tell()
        if level is not Level.IMAGE:
            below = list(Level)[level.depth + 1]
            peer, limit = self.peer, self.limit
            self._load(below, lambda job: peer.find(below.value, row, limit=limit, progress=job))

    def _load(self, level: Level, work: Any) -> Job[pandas.DataFrame]:
        from nbdicom.job import Job

        job: Job[pandas.DataFrame] = Job(work, label=_NAMES[level])
        with self._filling:
            for one in list(Level)[level.depth :]:  # what was below belongs to another entry
                if one in self._loading:
                    self._loading.pop(one).cancel()
                self._frames.pop(one, None)
                self._fill(one)
            self._loading[level] = self._asking = job
        job.watch(lambda now: self._watch(level, job, now))
        return job.start()

    def _end(self) -> None:
        for job in self._loading.values():
            job.cancel()
        self._retrieval.close()

    def _watch(self, level: Level, job: Job[pandas.DataFrame], now: Snapshot) -> None:
        words, problem = str(now), ""
        cancelled = ", cancelled" if now.state == "cancelled" else ""
        with self._filling:
            if self._loading.get(level) is not job:
                return  # another entry was chosen above
            if job is self._asking:
                self.cancel_button.offer(now.state == "running")
            if now.is_over and job.result is not None:
                frame = self._frames[level] = _sorted(job.result, level)
                self._fill(level)
                more = f", and more: the list ends at {self.limit}" if frame.dicom.truncated else ""
                words = f"{len(frame)}{cancelled or more}"
        if now.is_over and job.error is not None and now.state != "cancelled":
            problem = failure(job, "the list shows them")
            words = "" if job.result is None else f"{len(job.result)}, INCOMPLETE"
        said = [f"{job.label}: {words}"] if words else []
        self._status.value = message(problem) + status_line(*said, *job.notices, announced=now.state != "running")

    def _fill(self, level: Level) -> None:
        frame, box = self._frames.get(level), self.lists[level]
        box.options = [] if frame is None else [(_says(frame, k, level), k) for k in range(len(frame))]
        box.value = None
        box.disabled = frame is None or not len(frame)

    def _row(self, level: Level) -> pandas.DataFrame:
        row: pandas.DataFrame = self._frames[level].iloc[[self.lists[level].value]]
        return row

    # --------------------------------------------------------------------------- retrieval

    @property
    def job(self) -> Job[RetrieveResult | PullResult] | None:
        """The retrieval that was started last."""
        return self._retrieval.job

    def retrieve(self) -> Job[RetrieveResult | PullResult] | None:
        """Retrieve the entry that was chosen last, in the `way` that is chosen; None if that cannot be started."""
        return self._retrieval.begin()

    def _how(self) -> dict[str, Any]:
        level = self._deepest
        assert level is not None
        how = {"level": level.value, "model": "patient" if level is Level.PATIENT else None, "listen": self.listen}
        return {name: value for name, value in how.items() if value is not None}

    def _line(self, verb: str, folder: str) -> str:
        given = [f"{name}={literal(value)}" for name, value in self._how().items()] if self._deepest else []
        return f"browser.peer.{verb}({', '.join(['browser.selection', f'to={folder}', *given])})"

    def _start(self, verb: str, folder: str) -> Job[Any]:
        job: Job[Any] = getattr(self.peer, verb)(self.selection, to=folder, wait=False, **self._how())
        return job


def _says(frame: pandas.DataFrame, position: int, level: Level) -> str:
    from nbdicom.peer.frames import shown_text
    from nbdicom.uids import UID

    row = frame.iloc[position]
    words = []
    for name in _SAYS[level]:
        value = shown_text(row.get(name))
        if name == "SOPClassUID":
            value = UID(value).name
        elif name.endswith("RelatedInstances") and value:
            value = f"({value})"
        if value:
            words.append(isolated(printable(privacy.shown(name, value))))
    return "  ".join(words) or printable(shown_text(row.get(level.unique_key)))


def _sorted(frame: pandas.DataFrame, level: Level) -> pandas.DataFrame:
    by = next((name for name in (*_SAYS[level][:1],) if name in frame.columns), None)
    found: pandas.DataFrame = frame.sort_values(by, kind="stable") if by else frame
    return found.reset_index(drop=True)
