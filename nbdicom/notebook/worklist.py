"""`WorklistForm`: what is scheduled, and what became of it: a worklist query, then MPPS."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from nbdicom.errors import NbdicomError
from nbdicom.notebook.controls import (
    Panel,
    Press,
    after,
    button,
    cancel_button,
    failure,
    html,
    message,
    status_line,
    text,
    widgets,
)
from nbdicom.notebook.form import QueryForm
from nbdicom.table import printable

if TYPE_CHECKING:
    import pandas

    from nbdicom.job import Job, Snapshot
    from nbdicom.peer import Peer
    from nbdicom.peer.procedure_step import PerformedProcedureStep

__all__ = ["WorklistForm"]

_COMPLETE = "N-SET, completed"
_ENDS = {"complete": "COMPLETED", "discontinue": "DISCONTINUED"}
_BUSY = "a report is on its way: wait for its answer, or cancel it"


class WorklistForm(Panel):
    """Query a worklist, and report on the step that is chosen.

    Parameters
    ----------
    peer : Peer
        The worklist.
    mpps : Peer, optional
        Who is told about performed steps; by default the worklist itself.
    name : str
        What the peer is called in the line of code.

    Examples
    --------
    >>> form = WorklistForm(Peer("RIS@127.0.0.1:11112", calling="CT1"))  # doctest: +SKIP
    """

    _instead = "ris.worklist(), and with ris.mpps(row) as step"

    def __init__(self, peer: Peer, *, mpps: Peer | None = None, name: str = "ris") -> None:
        super().__init__()
        w = widgets(self._instead)
        self.peer = peer
        self.mpps = mpps or peer
        self.form = QueryForm(peer, name=name, level="worklist")
        self.steps: list[PerformedProcedureStep] = []  #: what was begun here
        self._names: dict[int, str] = {}
        self._rows: dict[int, tuple[str, ...]] = {}  # which scheduled step each of them performs
        self._begun: tuple[str, tuple[str, ...]] = "", ()
        self.job: Job[PerformedProcedureStep] | None = None  #: the report that was sent last
        self.images = text(
            "Images of the step", "file or folder", tooltip="A step that is completed has made at least one series"
        )
        self.begin_button = button("Begin", self.begin, icon="play", tooltip="N-CREATE, in progress")
        complete, discontinue = (
            Press(partial(self.end, how), partial(self._end_again, how)).follow(self.images, enter=False)
            for how in ("complete", "discontinue")
        )
        self.complete_button = button("Complete", complete, icon="check", tooltip="N-SET, completed")
        self.discontinue_button = button("Discontinue", discontinue, icon="times", tooltip="N-SET, discontinued")
        self.cancel_button = cancel_button(lambda: self.job, "what is being reported")
        self.step = w.Dropdown(
            options=[], description="Performed step", style={"description_width": "initial"},
            layout={"width": "auto", "max_width": "calc(100% - 4px)"},
        )  # fmt: skip
        self._status, self._problem = html(status_line("choose one scheduled step above, and begin it")), html()
        self._show(
            self.form.widget,
            w.HBox([self.begin_button]),
            w.HBox(
                [self.step, self.images, self.complete_button, self.discontinue_button, self.cancel_button],
                layout={"flex_flow": "row wrap", "grid_gap": "0 10px"},
            ),
            self._status,
            self._problem,
        )

    def _end(self) -> None:
        if self.job is not None:
            self.job.cancel()
        self.form.close()

    def begin(self) -> Job[PerformedProcedureStep] | None:
        """Tell that the chosen step has begun.

        None if not exactly one is chosen, if a report is on its way, or if the step is in progress already: the second click
        of a double click, which may come before the answer or after it, begins nothing.
        """
        chosen, mpps = self.form.selection, self.mpps
        if len(chosen) != 1:
            self._problem.value = message(f"{len(chosen)} scheduled steps are chosen: choose one")
            return None
        row = _row(chosen)
        if any(self._rows[id(one)] == row and one.status == "IN PROGRESS" for one in self.steps):
            self._say_done("this step is in progress already: complete or discontinue it")
            return None
        if self._is_busy:
            return None
        self._begun = _name(chosen), row
        return self._report("N-CREATE, in progress", lambda: mpps.mpps(chosen).begin())

    def end(self, how: str) -> Job[PerformedProcedureStep] | None:
        """Tell that the performed step in the list is over; *how* is ``"complete"`` or ``"discontinue"``.

        None if nothing has been begun, if a report is on its way, or if the step has ended like this already.
        """
        if self.step.value is None:
            self._problem.value = message("nothing has been begun yet")
            return None
        if self._is_busy:
            return None
        step, images = self.steps[int(self.step.value)], self.images.value.strip()
        if step.status == _ENDS[how]:
            self._say_done(f"this step is {step.status.lower()} already")
            return None

        def work() -> PerformedProcedureStep:
            if images:
                from nbdicom.data import Skipped, scan

                if all(isinstance(one, Skipped) for one in scan([images])):
                    raise NbdicomError(
                        f"there is no DICOM object in {images}", hint="name a file or a folder with images"
                    )
                step.add(images)
            step.complete() if how == "complete" else step.discontinue()
            return step

        return self._report(_COMPLETE if how == "complete" else "N-SET, discontinued", work)

    def _end_again(self, how: str) -> None:
        """The images were named late: what has not ended without them ends with them."""

        def end() -> None:
            if self.steps[int(self.step.value)].status == "IN PROGRESS":
                self.end(how)
            else:
                self._problem.value = message("the step had ended before its images were named: it has none")

        after(self.job, end)  # a report on its way cannot be taken back

    def _say_done(self, words: str) -> None:
        """What was asked for is so already, as after a second click: no failure, and nothing to send."""
        self._problem.value, self._status.value = "", status_line(words)

    @property
    def _is_busy(self) -> bool:
        """Whether a report is on its way, which is told: what it brings would be lost to another one."""
        busy = self.job is not None and not self.job.snapshot.is_over
        if busy:
            self._problem.value = status_line(_BUSY)
        return busy

    def _report(self, what: str, work: Callable[[], PerformedProcedureStep]) -> Job[PerformedProcedureStep]:
        from nbdicom.job import Job

        self._problem.value = ""
        job: Job[PerformedProcedureStep] = Job(lambda job: work(), label=what)
        self.job = job
        job.watch(lambda now: self._watch(job, now))
        return job.start()

    def _watch(self, job: Job[PerformedProcedureStep], now: Snapshot) -> None:
        if job is not self.job:
            return
        for one in (self.begin_button, self.complete_button, self.discontinue_button):
            one.resting = "" if now.is_over else _BUSY
        self.cancel_button.offer(now.state == "running")
        unknown = "; whether the peer has taken it is not known" if now.state == "cancelled" else ""
        self._status.value = "" if now.state == "failed" else status_line(f"{job.label}: {now.state}{unknown}")
        if now.is_over and self._problem.value == status_line(_BUSY):
            self._problem.value = ""
        if now.state == "failed":
            missing = (
                "" if self.images.value.strip() else "\na step that is completed has made something: name its images"
            )
            self._problem.value = message(f"{failure(job)}{missing if job.label == _COMPLETE else ''}")
        if now.is_over and job.result is not None:
            if job.result not in self.steps:
                self.steps.append(job.result)
                self._names[id(job.result)], self._rows[id(job.result)] = self._begun
            self.step.options = [
                (f"{k + 1} {self._names[id(one)]}: {one.status}", k) for k, one in enumerate(self.steps)
            ]
            self.step.value = self.steps.index(job.result)


def _row(chosen: pandas.DataFrame) -> tuple[str, ...]:
    """What tells a scheduled step from others, whatever else a later answer says of it."""
    row = chosen.iloc[0]
    return tuple(str(row.get(name, "")) for name in ("StudyInstanceUID", "ScheduledProcedureStepID", "AccessionNumber"))


def _name(chosen: pandas.DataFrame) -> str:
    """What a scheduled step is called in the list: no word about the patient."""
    row = chosen.iloc[0]
    words = (row.get("ScheduledProcedureStepID"), row.get("ScheduledProcedureStepDescription"))
    return printable(" ".join(str(word) for word in words if isinstance(word, str) and word) or "step")
