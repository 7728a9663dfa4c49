"""`QueryForm`: a query typed into controls, which shows the line of Python that does the same.

Form and code are twins: what is typed becomes a `Query` by the same checks as in a cell, and ``form.query``,
``form.results`` and ``form.code`` are there for the next cell.  A value that cannot be sent is told at its control.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbdicom import privacy
from nbdicom.errors import QueryError
from nbdicom.notebook.controls import (
    Field,
    Panel,
    Press,
    button,
    cancel_button,
    discard,
    failure,
    grid,
    html,
    literal,
    message,
    status_line,
    text,
    widgets,
)
from nbdicom.notebook.grid import ResultsGrid
from nbdicom.peer.query import Query, attribute
from nbdicom.peer.values import wire
from nbdicom.peer.worklist import WorklistQuery
from nbdicom.table import counted, printable

if TYPE_CHECKING:
    import pandas

    from nbdicom.job import Job, Snapshot
    from nbdicom.peer import Peer

__all__ = ["QueryForm"]

_MODALITIES = "CT MR US CR DX MG NM PT XA RF OT SR PR SEG RTSTRUCT RTPLAN RTDOSE ES OP ECG".split()  # noqa: SIM905


@dataclass(frozen=True, slots=True)
class _Kind:
    """A kind of question: the method of `Peer` that asks it, and its controls as (keyword, label, kind, placeholder)."""

    method: str
    controls: tuple[tuple[str, str, str, str], ...]


_NAME = ("PatientName", "Patient name", "text", "DOE*")
_ID = ("PatientID", "Patient ID", "text", "")
_STUDY = ("StudyInstanceUID", "Study Instance UID", "text", "1.2.840...")
_ACCESSION = ("AccessionNumber", "Accession number", "text", "")
_KINDS = {
    "Patients": _Kind("patients", (
        _NAME, _ID, ("PatientBirthDate", "Birth date", "dates", ""), ("PatientSex", "Sex", "M F O", ""),
    )),
    "Studies": _Kind("studies", (
        _NAME, _ID, ("StudyDate", "Study date", "dates", ""), ("ModalitiesInStudy", "Modalities", "modalities", ""),
        ("StudyDescription", "Description", "text", "*Chest*"), _ACCESSION,
    )),
    "Series": _Kind("series", (
        _STUDY, ("Modality", "Modality", " ".join(_MODALITIES), ""),
        ("SeriesDescription", "Description", "text", "*axial*"), ("SeriesNumber", "Series number", "text", ""),
    )),
    "Instances": _Kind("instances", (
        _STUDY, ("SeriesInstanceUID", "Series Instance UID", "text", "1.2.840..."),
        ("InstanceNumber", "Instance number", "text", ""), ("SOPInstanceUID", "SOP Instance UID", "text", ""),
    )),
    "Worklist": _Kind("worklist", (
        _NAME, _ID, ("ScheduledProcedureStepStartDate", "Scheduled date", "dates", ""),
        ("Modality", "Modality", " ".join(_MODALITIES), ""), ("ScheduledStationAETitle", "Station AE title", "text", ""),
        _ACCESSION,
    )),
}  # fmt: skip


class QueryForm(Panel):
    """Query a peer.

    Parameters
    ----------
    peer : Peer
        Whom to ask.
    name : str
        What the peer is called in the line of code that the form shows.
    level : str
        What is asked for first: ``"patients"``, ``"studies"``, ``"series"``, ``"instances"`` or ``"worklist"``.
    limit : int
        At most so many rows, 0 for all; can be changed in the form.
    to, listen : optional
        For the retrieval of what is chosen; see `ResultsGrid`.

    Examples
    --------
    >>> form = QueryForm(Peer("PACS@127.0.0.1:11112"))  # doctest: +SKIP
    >>> form.results  # doctest: +SKIP
    """

    def __init__(
        self,
        peer: Peer,
        *,
        name: str = "pacs",
        level: str = "studies",
        limit: int = 200,
        to: str | Path = "retrieved",
        listen: Any = None,
    ) -> None:
        super().__init__()
        self._instead = f'{name}.studies(PatientName="DOE*")'
        w = widgets(self._instead)
        self.peer = peer
        self.job: Job[pandas.DataFrame] | None = None  #: the search that was started last
        self.results: pandas.DataFrame | None = None  #: its answers, as a DataFrame
        self._name = name
        self._fields: dict[tuple[str, str], Field] = {}
        self._further: list[Field] = []
        levels = [one for one in _KINDS if one.lower() == level.lower()]
        if not levels:
            raise QueryError(f"{level!r} is nothing to ask for", hint=f"level is one of {', '.join(_KINDS).lower()}")
        self.level = w.Dropdown(
            options=list(_KINDS), value=levels[0], description="Find", style={"description_width": "initial"},
            tooltip="What to find",
        )  # fmt: skip
        self.limit = w.BoundedIntText(
            value=limit, min=0, max=1_000_000, description="At most (0 = all)",
            style={"description_width": "initial"}, layout={"width": "210px"},
        )  # fmt: skip
        self._ask = Press(self.search)
        self.search_button = button("Search", self._ask, icon="search", style="primary", tooltip="Search (Enter)")
        self.cancel_button = cancel_button(lambda: self.job, "the search")
        self.clear_button = button("Clear", self.clear, icon="eraser", tooltip="Empty all fields")
        self.keyword = w.Combobox(
            options=_keywords(), description="Further key", placeholder="StudyID", continuous_update=True,
            ensure_option=False, style={"description_width": "initial"}, layout={"width": "auto"},
        )  # fmt: skip
        add = Press(self.add_key).follow(self.keyword)
        self.add_button = button("Add key", add, icon="plus")
        self._keyword = Field("", self.keyword, self.add_button)
        self._code, self._unplaced, self._status, self._form = html(), html(), html(), grid([])
        self._rows = ResultsGrid(_nothing(), peer=peer, to=to, listen=listen, name="form")
        self._rows.widget.layout.display = "none"
        self.level.observe(lambda _: self._lay_out(), "value")
        self.limit.observe(lambda _: self._check(), "value")
        self._show(
            w.HBox([self.level, self.limit], layout={"flex_flow": "row wrap", "grid_gap": "2px 16px"}),
            self._form,
            self._keyword.box,
            self._code,
            w.HBox([self.search_button, self.cancel_button, self.clear_button]),
            self._unplaced,
            self._status,
            self._rows.widget,
        )
        self._lay_out()

    # --------------------------------------------------------------------------- what it says

    @property
    def keys(self) -> dict[str, Any]:
        """What is filled in: keyword and value, as a person would write them."""
        return {field.keyword: _shortened(field.value) for field in self._visible() if field.value is not None}

    @property
    def columns(self) -> list[str]:
        """Further keys without a value: attributes that the answers shall have."""
        return [field.keyword for field in self._further if field.value is None]

    @property
    def query(self) -> Query | WorklistQuery:
        """What is filled in, as a checked query.

        Raises
        ------
        QueryError
            If it cannot be sent; the form shows the same words.
        """
        if self.level.value == "Worklist":
            return WorklistQuery.of(columns=self.columns, **self.keys)
        return Query.of(self.level.value, columns=self.columns, **self.keys)

    @property
    def code(self) -> str:
        """The line of Python that does the same."""
        return self._line(self.keys)

    @property
    def selection(self) -> pandas.DataFrame:
        """The rows of `results` that are chosen."""
        return self._rows.selection

    @property
    def grid(self) -> ResultsGrid:
        """The table of results below the form."""
        return self._rows

    def field(self, keyword: str) -> Field:
        """The control of *keyword* in the form as it is laid out now.

        Raises
        ------
        QueryError
            If there is none.
        """
        found = next((one for one in self._visible() if one.keyword == keyword), None)
        if found is None:
            raise QueryError(f"the form has no field for {keyword}", hint="add_key adds one")
        return found

    # --------------------------------------------------------------------------- what it does

    def search(self) -> Job[pandas.DataFrame] | None:
        """Ask; the answers are in `results` when the returned job is over.  None if the query cannot be sent."""
        from nbdicom.job import Job

        if not self._check():
            self._unplaced.value = status_line("not sent: see the marked field")
            return None
        self.cancel()
        query, limit, peer = self.query, self.limit.value or None, self.peer
        job: Job[pandas.DataFrame] = Job(
            lambda job: peer.find(query, limit=limit, progress=job), label=f"C-FIND at {peer.ae_title}"
        )
        self.job = job
        job.watch(lambda now: self._watch(job, now))
        job.start()
        return job

    def cancel(self) -> None:
        """Cancel the search that is under way (C-CANCEL)."""
        if self.job is not None:
            self.job.cancel()

    def clear(self) -> None:
        """Empty all fields, and take the further keys away."""
        self._ask.forget()
        further, self._further = self._further, []
        for field in self._fields.values():
            field.clear()
        self._lay_out()
        discard(*(field.box for field in further))

    def add_key(self, keyword: str | None = None, value: str = "") -> None:
        """Add a field for a further key with this *value*: *keyword*, by default the one that is typed in the form."""
        name = (self.keyword.value if keyword is None else keyword).strip()
        try:
            if not name:
                raise QueryError("type a keyword such as StudyID, or a tag such as 0009,1001")
            known = attribute(name)
            if any(field.keyword == known.keyword for field in self._visible()):
                raise QueryError(f"{known.keyword} has a field already")
        except QueryError as error:
            self._keyword.say(error)
            return
        control = text(known.keyword, placeholder="value, or a column", value=value)
        remove = button("Remove", lambda: self._remove(field), icon="times", tooltip=f"Remove {known.keyword}")
        field = Field(known.keyword, control, remove)
        self._wire(field)
        self._further.append(field)
        self.keyword.value = ""
        self._lay_out()

    # --------------------------------------------------------------------------- inside

    def _remove(self, field: Field) -> None:
        self._further = [one for one in self._further if one is not field]
        self._lay_out()
        discard(field.box)
        self.keyword.focus()  # which goes with the button else

    def _end(self) -> None:
        self.cancel()
        self._rows.close()
        discard(*(field.box for field in self._fields.values()))  # those of all levels

    def _visible(self) -> list[Field]:
        kind = _KINDS[self.level.value]
        return [self._field(*control) for control in kind.controls] + self._further

    def _field(self, keyword: str, label: str, kind: str, placeholder: str) -> Field:
        """The field of a key; one that two levels share keeps its value."""
        found = self._fields.get((keyword, kind))
        if found is None:
            found = self._fields[keyword, kind] = Field(keyword, *_controls(label, kind, placeholder))
            self._wire(found)
        return found

    def _wire(self, field: Field) -> None:
        field.observe(lambda _: self._check())
        self._ask.follow(*(control for control in field.controls if hasattr(control, "value")))

    def _lay_out(self) -> None:
        self._rows.retrievable = self.level.value != "Worklist"
        self._form.children = [field.box for field in self._visible()]
        self._keyword.say(None)
        self._check()

    def _check(self) -> bool:
        """Tell what is wrong where it is; True if the query can be sent."""
        visible = self._visible()
        good = True
        for field in visible:
            problem = _problem(field)
            field.say(problem)
            good = good and problem is None
        unplaced: object = None
        if good:
            try:
                _ = self.query
            except QueryError as error:
                good = False
                place = next((f for f in visible if f.keyword in error.message), None)
                if place is None:
                    unplaced = error
                elif f"needs {place.keyword}" in error.message and not any(f.value is not None for f in visible):
                    place.say(f"{place.keyword} is needed")  # nothing has been typed yet: no lecture
                else:
                    place.say(error)
        self._code.value = f"<code>{escape(printable(self._line(self.keys, masked=True)))}</code>"
        self._unplaced.value = status_line(unplaced)
        self.search_button.disabled = not good
        return good

    def _line(self, keys: Mapping[str, Any], masked: bool = False) -> str:
        shown = {name: privacy.shown(name, value) if masked else value for name, value in keys.items()}
        parts = [f"{name}={literal(value)}" for name, value in shown.items() if name.isidentifier()]
        others = {name: value for name, value in shown.items() if not name.isidentifier()}
        if self.columns:
            parts.append(f"columns={literal(self.columns)}")
        if self.limit.value:
            parts.append(f"limit={self.limit.value}")
        if others:
            parts.append(
                "**{" + ", ".join(f"{literal(name)}: {literal(value)}" for name, value in others.items()) + "}"
            )
        return f"{self._name}.{_KINDS[self.level.value].method}({', '.join(parts)})"

    def _watch(self, job: Job[pandas.DataFrame], now: Snapshot) -> None:
        if job is not self.job:
            return  # another search was started
        self.cancel_button.offer(now.state == "running")
        if now.is_over and job.result is not None:
            self.results = job.result
            self._rows.frame = self.results
            self._rows.widget.layout.display = ""
        words, problem = [f"{job.label}: {now}"], ""
        if now.is_over and job.error is not None and now.state != "cancelled":
            words, problem = [], failure(job)
        if now.is_over and job.result is not None:
            words = [job.result.dicom.caption if len(job.result.columns) else "no rows"]
            if problem:  # which says why
                words = [f"{counted(len(job.result), 'row')}, INCOMPLETE"]
            words += [f"\N{WARNING SIGN} {notice}" for notice in job.notices]
            if now.state == "cancelled":
                words.append("cancelled: these are the answers that had come")
        elif self.results is not None and len(self.results):
            words.append("the rows below are those of the search before")
        self._status.value = message(problem) + status_line(*words, announced=now.state != "running")


def _controls(label: str, kind: str, placeholder: str) -> list[Any]:
    w = widgets("")
    style = {"description_width": "initial"}
    if kind == "text":
        return [text(label, placeholder)]
    if kind == "dates":
        layout = {"width": "auto"}
        return [
            w.DatePicker(description=f"{label} from", style=style, layout=layout),
            w.DatePicker(description="to", style=style, layout=layout, tooltip=f"{label} to"),
        ]
    if kind == "modalities":
        return [
            w.SelectMultiple(
                options=_MODALITIES, description=label, rows=4, style=style, tooltip="Any of these; several by Ctrl",
                layout={"width": "auto"},
            )
        ]  # fmt: skip
    options = [("any", "")] + [(one, one) for one in kind.split()]
    return [w.Dropdown(options=options, value="", description=label, style=style, layout={"width": "auto"})]


def _problem(field: Field) -> QueryError | None:
    """What is wrong with the value of a field by itself."""
    try:
        known = attribute(field.keyword)
        wire(known.keyword, known.vr, field.value)
    except QueryError as error:
        return error
    return None


def _shortened(value: Any) -> Any:
    """A value as a person would write it: dates in ISO, one modality without a list, text without blanks around it."""
    if isinstance(value, tuple):
        first, last = ("" if one is None else f"{one:%Y-%m-%d}" if isinstance(one, date) else one for one in value)
        return first if first == last else (first or None, last or None)
    if isinstance(value, list) and len(value) == 1:
        return value[0]
    return value.strip() if isinstance(value, str) else value


def _keywords() -> list[str]:
    """Keywords that are offered: all that the query knows a level for; any other may be typed."""
    from nbdicom.peer.query import LEVEL_OF_KEY

    return sorted(LEVEL_OF_KEY)


def _nothing() -> pandas.DataFrame:
    import pandas

    import nbdicom.peer.frames  # noqa: F401

    return pandas.DataFrame({"StudyInstanceUID": pandas.Series([], dtype="string")})
