"""Long work that holds no cell: a retrieval behind a button, or started by one cell and looked at in another.

One worker thread does the work, one ticker shows it at 10 Hz and once more at the end.  The rules, each of which was
measured on ipykernel 6.31, 7.3 and 7.4:

* Network work is never done on the kernel's main thread by a widget's callback, nor on the callback's own thread: a Cancel
  button beside work that blocks is a dead button.
* The worker runs in a copy of the caller's context, so that what it prints goes to the cell that started it.
* Views set traits of widgets, and nothing else; at most ten times a second, because Jupyter drops messages above 1000 a
  second.
* A cell that waits looks up every tenth of a second, so that the kernel's interrupt is answered, and cancels the work.
"""

from __future__ import annotations

import contextvars
import logging
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from html import escape
from typing import Any, Generic, Self, TypeVar

from nbdicom.blocking.interrupt import PERIOD, Interrupt, Interrupted
from nbdicom.errors import OperationCancelled, in_words
from nbdicom.peer.notices import PeerWarning, collected, notify
from nbdicom.privacy import trace_of
from nbdicom.shown import discard, shown
from nbdicom.table import counted, printable

__all__ = ["Job", "Snapshot", "progress_widget"]

T = TypeVar("T")

_log = logging.getLogger("nbdicom.job")
_SAID = 10.0  #: seconds between two words that are announced while work goes on
_ANNOUNCED = "role='status' aria-live='polite'"
_UNSEEN = "position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)"
_GRACE = 15.0  #: seconds that an interrupted `Job.wait` gives the work: C-CANCEL, final response, release


@dataclass(frozen=True, slots=True)
class Snapshot:
    """How far a job was at one moment.

    ``state`` is one of waiting, running, cancelling, done, incomplete, failed, cancelled.
    """

    state: str = "waiting"
    done: int = 0
    total: int | None = None
    unit: str = ""
    size: int = 0  #: bytes
    seconds: float = 0.0
    note: str = ""

    @property
    def is_over(self) -> bool:
        """Whether nothing will change any more."""
        return self.state in ("done", "incomplete", "failed", "cancelled")

    @property
    def remaining(self) -> float | None:
        """Seconds until the end if it goes on like this; None where that cannot be said."""
        if self.is_over or not self.done or not self.total or self.done > self.total:
            return None
        return self.seconds / self.done * (self.total - self.done)

    def __str__(self) -> str:
        if self.is_over and self.note:
            return f"{self.state}: {self.note}"
        parts = [self.state]
        if self.done or self.total:
            words = counted(self.total or self.done, self.unit) if self.unit else str(self.total or self.done)
            parts.append(words if self.total is None or not self.total else f"{self.done} of {words}")
        if self.size:
            rate = f", {self.size / 1e6 / self.seconds:.1f} MB/s" if self.seconds > 0.2 else ""
            parts.append(f"{self.size / 1e6:.1f} MB{rate}")
        if self.is_over:
            parts.append(f"{self.seconds:.1f} s")
        elif self.remaining is not None and self.seconds > 1:
            parts.append(f"about {self.remaining:.0f} s left")
        return ", ".join(parts) + (f": {self.note}" if self.note else "")


class _View:
    """One who watches; is told one thing after the other, so that the end is the last, and told once.

    The first word comes from who watches and the others from the ticker: without order, a view that comes while the job
    ends could hear of the end, and then that it is running.
    """

    def __init__(self, view: Callable[[Snapshot], object]) -> None:
        self._view = view
        self._turn = threading.Lock()
        self._is_over = False

    def tell(self, job: Job[Any]) -> None:
        with self._turn:
            now = job.snapshot
            if not self._is_over:
                self._is_over = now.is_over
                self._view(now)


class Job(Generic[T]):
    """Work in a thread of its own, with progress and an end that can be asked for.

    Parameters
    ----------
    work : callable
        ``work(job)``; what it returns is the job's `result`.  It may call `report`, and gives the job as ``progress=`` to
        the methods of a `Peer`.
    label : str
        What it is, for people.
    finish : callable, optional
        Called with the result by `wait`, in the thread that waits.

    Examples
    --------
    >>> job = Job(lambda job: sum(range(10)), label="a sum").start()
    >>> job.wait(), job.state
    (45, 'done')

    >>> job = Job(lambda job: pacs.store("folder", progress=job), label="store").start()  # doctest: +SKIP
    """

    def __init__(
        self, work: Callable[[Job[T]], T], *, label: str = "job", finish: Callable[[T], object] | None = None
    ) -> None:
        self.label = label
        self.error: BaseException | None = None  #: what ended it, if not its result
        self.notices: list[PeerWarning] = []  #: warnings about what the peer answered
        self._work = work
        self._finish = finish
        self._value: T | None = None
        self._lock = threading.Lock()
        self._interrupt = Interrupt()
        self._over = threading.Event()  # the work has ended
        self._shown = threading.Event()  # and the views have been told
        self._snapshot = Snapshot()
        self._began = 0.0
        self._views: list[_View] = []
        self._ticker: threading.Thread | None = None

    # --------------------------------------------------------------------------- called by the work

    def report(
        self,
        done: int | None = None,
        total: int | None = None,
        *,
        size: int | None = None,
        unit: str | None = None,
        note: str | None = None,
    ) -> None:
        """So many (*done*) are done of so many (*total*) of a *unit*, with *size* bytes and a *note*; None has not changed.

        Raises
        ------
        Interrupted
            If the job was cancelled.
        """
        given = {"done": done, "total": total, "size": size, "unit": unit, "note": note}
        with self._lock:
            self._snapshot = replace(self._snapshot, **{k: v for k, v in given.items() if v is not None})  # type: ignore[arg-type]
        self.check()

    def check(self) -> None:
        """End the work if the job was cancelled; for work that does not wait for a peer.

        Raises
        ------
        Interrupted
            Let it pass; what was open is closed on its way.
        """
        self._interrupt.deliver()

    # --------------------------------------------------------------------------- called by people

    def start(self) -> Self:
        """Begin; returns the job at once (in a browser, which has no threads, when it is over)."""
        with self._lock:
            if self._ticker is not None:
                return self
            self._began = time.monotonic()
            self._snapshot = replace(self._snapshot, state="running")
            self._ticker = self._thread(self._tick, "progress")
        if sys.platform == "emscripten":  # a browser has no threads for us: it is done here and now
            self._run()
            self._tick()
            return self
        try:
            self._thread(self._run, "work").start()
        except (RuntimeError, MemoryError):  # no thread can be had: it can be started again, and nobody waits for it
            with self._lock:
                self._ticker, self._snapshot = None, replace(self._snapshot, state="waiting")
            raise
        self._ticker.start()
        return self

    def cancel(self) -> None:
        """Ask it to end; returns at once.

        A C-FIND, C-GET or C-MOVE is cancelled by C-CANCEL and its association released; what has arrived is kept.
        """
        with self._lock:
            if self._snapshot.state == "running":
                self._snapshot = replace(self._snapshot, state="cancelling")
        self._interrupt.request()

    @property
    def running(self) -> bool:
        """True from `start` to the end."""
        return self._ticker is not None and not self._over.is_set()

    @property
    def snapshot(self) -> Snapshot:
        """How far it is."""
        with self._lock:
            snapshot = self._snapshot
        if self._ticker is None or snapshot.is_over:
            return snapshot
        return replace(snapshot, seconds=time.monotonic() - self._began)

    @property
    def state(self) -> str:
        """The state in a word; see `Snapshot`."""
        return self.snapshot.state

    @property
    def result(self) -> T | None:
        """What the work returned; of one that was cancelled or failed what there was; None while it runs."""
        return self._value

    def wait(self, timeout: float | None = None) -> T:
        """Wait for the end; the kernel's interrupt (or Ctrl-C) cancels the job.

        Parameters
        ----------
        timeout : float, optional
            Seconds.

        Returns
        -------
        object
            The result; of a retrieval that was cancelled, what had arrived.

        Raises
        ------
        TimeoutError
            If it still runs; it goes on.
        OperationCancelled
            If it was cancelled and nothing is left of it.
        """
        until = None if timeout is None else time.monotonic() + timeout
        try:
            while not self._over.wait(PERIOD if until is None else max(0.0, min(PERIOD, until - time.monotonic()))):
                if until is not None and time.monotonic() >= until:
                    raise TimeoutError(f"{self.label} still runs after {timeout:g} s")
        except KeyboardInterrupt:
            self.cancel()
            self._over.wait(_GRACE)
            raise
        if threading.current_thread() is not self._ticker:
            self._shown.wait(1.0)
        if self.error is not None:
            raise self.error
        notices, self.notices = self.notices, []
        for notice in notices:
            notify(notice)
        if self._finish is not None:
            self._finish(self._value)  # type: ignore[arg-type]
        return self._value  # type: ignore[return-value]

    def watch(self, view: Callable[[Snapshot], object]) -> None:
        """Have *view* called with a `Snapshot` now, at most ten times a second when something changes, and at the end.

        It runs in a thread: it may set traits of widgets, and must not display or print.
        """
        one = _View(view)
        with self._lock:
            self._views.append(one)
        one.tell(self)

    # --------------------------------------------------------------------------- inside

    def _thread(self, target: Callable[[], object], name: str) -> threading.Thread:
        context = contextvars.copy_context()
        return threading.Thread(target=context.run, args=(target,), name=f"nbdicom {self.label} {name}", daemon=True)

    def _run(self) -> None:
        state, note = "done", None
        try:
            with self._interrupt.listening(), collected() as self.notices:
                self._value = self._work(self)
            if self._interrupt.delivered:
                state = "cancelled"
            if summary := getattr(self._value, "summary", None):
                note = str(summary)
                if state == "done" and not self._value:
                    state = "incomplete"
        except Interrupted:
            state, self.error = "cancelled", OperationCancelled(f"{self.label}: cancelled")
        except BaseException as error:
            state, self.error = "failed", error
            self._value = getattr(error, "results", None)
            note = in_words(error)  # not more than may be shown; `wait` raises it for who wants all of it
        with self._lock:
            note = self._snapshot.note if note is None else note
            seconds = time.monotonic() - self._began
            self._snapshot = replace(self._snapshot, state=state, note=note, seconds=seconds)
        self._over.set()

    def _tick(self) -> None:
        shown: Snapshot | None = None
        while not self._over.wait(PERIOD):
            with self._lock:
                changed = self._snapshot
            if changed is not shown:
                shown = changed
                self._show()
        self._show()
        self._shown.set()

    def _show(self) -> None:
        with self._lock:
            views = list(self._views)
        for view in views:
            try:
                view.tell(self)
            except Exception as error:  # a view that breaks must not take the others with it
                _log.warning("a view of %s failed: %s", self.label, type(error).__name__)
                _log.debug("%s", trace_of(error))

    # --------------------------------------------------------------------------- to look at

    def __repr__(self) -> str:
        return f"<Job {self.label}: {self.snapshot}>"

    def widget(self) -> Any:
        """A bar, a line of text and a Cancel button, of ipywidgets' own models."""
        return progress_widget(self)

    def _repr_mimebundle_(self, **options: Any) -> Mapping[str, Any]:
        bundle = {"text/plain": repr(self), "text/html": f"<p>{escape(printable(repr(self)))}</p>"}
        try:
            view = self.widget()
        except ImportError:
            return bundle
        shown(view, lambda: discard(view))  # the view: the job goes on
        return {**view._repr_mimebundle_(**options), **bundle}


def progress_widget(job: Job[Any]) -> Any:
    """The view of a job.

    The state is in the words of a line; a bar has no role.  The line changes ten times a second, and whoever hears would
    hear each change, so the announced words (``role=status``) are others: a new state at once, how far it is now and then.
    """
    import ipywidgets

    from nbdicom.buttons import Button

    bar = ipywidgets.IntProgress(min=0, max=1, value=0, layout={"width": "180px", "flex": "0 0 auto"})
    line = ipywidgets.HTML(layout={"flex": "1 1 220px"})  # below the bar where there is no room beside it
    said = ipywidgets.HTML(layout={"margin": "0"})
    due = 0.0  # when the next words may be said
    cancel = Button(
        description="Cancel", icon="stop", tooltip=f"Cancel {job.label}", layout={"width": "auto", "flex": "0 0 auto"}
    )
    cancel.on_click(lambda _: job.cancel())

    def view(now: Snapshot) -> None:
        nonlocal due
        bar.max = now.total or max(1, now.done)
        bar.value = now.done if not now.is_over or now.state != "done" else bar.max
        bar.bar_style = {"done": "success", "failed": "danger", "incomplete": "warning", "cancelled": "warning"}.get(
            now.state, ""
        )
        text = "<br>".join(escape(printable(text)) for text in f"{job.label}: {now}".split("\n"))
        if now.state == "running" and time.monotonic() >= due:
            due = time.monotonic() + _SAID
            said.value = f"<div {_ANNOUNCED} style='{_UNSEEN}'>{text}</div>"
        elif now.state != "running":
            said.value = ""
        line.value = f"<div {'' if now.state == 'running' else _ANNOUNCED} style='line-height:1.45'>{text}</div>"
        cancel.offer(now.state == "running")

    job.watch(view)
    look = ipywidgets.HTML(Button.STYLE, layout={"display": "none"})
    return ipywidgets.HBox([bar, cancel, line, said, look], layout={"align_items": "center", "flex_flow": "row wrap"})
