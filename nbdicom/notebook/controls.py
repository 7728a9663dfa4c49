"""What the forms are made of: ipywidgets' own models, each with a label, messages in words, and a text for terminals.

Callbacks of widgets run on the kernel's main thread or on another one, by the version of ipykernel; they start jobs and
set traits, and do nothing that waits.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from html import escape
from typing import TYPE_CHECKING, Any

from nbdicom.errors import WHERE_RESULTS_ARE, NbdicomError, in_words
from nbdicom.shown import discard, shown
from nbdicom.table import printable

if TYPE_CHECKING:
    from nbdicom.job import Job, Snapshot

__all__ = [
    "Field",
    "Filling",
    "Panel",
    "Press",
    "WidgetsNotAvailable",
    "after",
    "button",
    "cancel_button",
    "discard",
    "failure",
    "grid",
    "html",
    "instead",
    "list_box",
    "literal",
    "message",
    "status_line",
    "text",
    "widgets",
]

_LATE = 1.0  #: seconds that a value may come after Enter was pressed

#: JupyterLab and Notebook take the arrow keys to go to the next cell, and letters to cut it or to make a new one, also from
#: a list that has the focus.  The element with the focus can say by an attribute that it wants its keys, but no widget can
#: set one, so a handler in HTML does.  Where a page forbids those, all is as it would be without.
_KEYS = (
    "this.closest('.nbd-form').addEventListener('focusin', event => event.target.matches('select') "
    "&& event.target.setAttribute('data-lm-suppress-shortcuts', 'true'))"
)

#: No label is cut ("PatientNa..."), and messages have a colour of the theme beside their words.
_STYLE = (
    f'<style onload="{_KEYS}">'
    ".nbd-form .widget-label{text-align:left}"
    # ipywidgets' own mark of the focus is a pixel of light blue, on a blue button.
    ".nbd-form :is(button,input[type=checkbox]):focus-visible{outline:2px solid var(--jp-content-font-color1,Highlight)}"
    ".nbd-form .nbd-message{color:var(--jp-error-color1,#cf222e);line-height:1.35;white-space:normal;font-size:12px}"
    ".nbd-form .nbd-status{line-height:1.45;white-space:normal}"
    ".nbd-form code{font-family:var(--jp-code-font-family,monospace);font-size:12px;white-space:pre-wrap;"
    "overflow-wrap:anywhere;background:var(--jp-layout-color2,#8882);padding:3px 6px;border-radius:2px;"
    "color:var(--jp-content-font-color1,inherit)}"
    # For those who see, the place of some controls says what they are; for those who hear, their label does.
    ".nbd-unseen>.widget-label{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}"
    ".nbd-rows select{overflow-x:auto;font-family:var(--jp-code-font-family,monospace);font-size:12px}"
    ".nbd-head{font-family:var(--jp-code-font-family,monospace);font-size:12px;font-weight:600;white-space:pre;"
    "overflow:hidden;padding-left:5px;color:var(--jp-content-font-color1,inherit)}</style>"
)


class WidgetsNotAvailable(NbdicomError):
    """There is no ipywidgets, so no form; every form has a twin in code."""


def widgets(instead: str) -> Any:
    """The module ipywidgets.

    Raises
    ------
    WidgetsNotAvailable
        If it is not installed; *instead* is what to type.
    """
    try:
        import ipywidgets
    except ImportError as error:
        raise WidgetsNotAvailable(
            f"forms need ipywidgets, which cannot be loaded: {error}", hint=f"use {instead}"
        ) from error
    return ipywidgets


class Panel:
    """What all forms have: a widget, shown by itself in a notebook, and a line of text where there is no front end.

    A form that no cell shows any more is closed, see `nbdicom.shown`.
    """

    _instead = ""  #: the line of code that does the same

    def __init__(self) -> None:
        self.widget: Any = None
        self.is_closed = False

    def close(self) -> None:
        """Take it off the page: what it has under way is cancelled, and neither kernel nor browser keep a widget of it.

        What it has found stays, as `results` and `selection`.
        """
        if not self.is_closed:
            self.is_closed = True
            self._end()
            discard(self.widget)

    def _end(self) -> None:
        """End what is under way, and discard the widgets that are not in `widget` now."""

    def _show(self, *children: Any) -> None:
        w = widgets(self._instead)
        from nbdicom.buttons import Button

        self.widget = w.VBox([html(_STYLE + Button.STYLE), *children])
        self.widget.add_class("nbd-form")

    def __repr__(self) -> str:
        how = "closed, make another one" if self.is_closed else "shown in a notebook"
        return f"<{type(self).__name__}: {how}; in code: {self._instead}>"

    def _repr_mimebundle_(self, **options: Any) -> Mapping[str, Any]:
        if self.is_closed:
            return {"text/plain": repr(self)}
        shown(self, self.close)
        bundle: Mapping[str, Any] = self.widget._repr_mimebundle_(**options)
        return {**bundle, "text/plain": repr(self)}


def html(value: str = "") -> Any:
    """A piece of HTML."""
    w = widgets("")
    return w.HTML(value, layout={"margin": "0"})


def text(label: str, placeholder: str = "", value: str = "", width: str = "auto", tooltip: str = "") -> Any:
    """A line to type into."""
    w = widgets("")
    return w.Text(
        value=value, description=label, placeholder=placeholder, tooltip=tooltip or label, continuous_update=True,
        style={"description_width": "initial"}, layout={"width": width},
    )  # fmt: skip


def button(label: str, action: Callable[[], object], *, icon: str = "", style: str = "", tooltip: str = "") -> Any:
    """A button; see `Button` for what it does instead of disabling itself."""
    widgets("")
    from nbdicom.buttons import Button

    made = Button(description=label, icon=icon, button_style=style, tooltip=tooltip or label, layout={"width": "auto"})
    made.on_click(lambda _: action())
    return made


def list_box(control: Any, *above: Any, **layout: str) -> Any:
    """A list with what stands *above* it."""
    return widgets("").VBox([*above, control], layout=layout)


def grid(children: list[Any], least: str = "290px") -> Any:
    """Controls beside each other, as many as there is room for."""
    w = widgets("")
    return w.GridBox(
        children, layout={"grid_template_columns": f"repeat(auto-fill, minmax({least}, 1fr))", "grid_gap": "2px 16px"}
    )


def cancel_button(job: Callable[[], Job[Any] | None], what: str) -> Any:
    """A button that cancels the job that is under way; its form says when there is one, by `Button.offer`."""

    def cancel() -> None:
        under_way = job()
        if under_way is not None:
            under_way.cancel()

    made = button("Cancel", cancel, icon="stop", tooltip=f"Cancel {what}")
    made.offer(False)
    return made


class Press:
    """What a button or Enter does; once more, when what was typed before arrives after it.

    A front end holds back what is typed while the kernel is busy, but not that Enter or the button was pressed.

    Parameters
    ----------
    action : callable
        What is done.
    again : callable, optional
        What is done when a value came late, if that is something else.

    Examples
    --------
    >>> press = Press(lambda: print("done"), lambda: print("once more"))
    >>> press.typed()
    >>> press()
    done
    >>> press.typed()
    once more
    >>> press.forget()
    >>> press.typed()
    """

    def __init__(self, action: Callable[[], object], again: Callable[[], object] | None = None) -> None:
        self._action = action
        self._again = again or action
        self._at = float("-inf")

    def __call__(self) -> None:
        """Enter, or the button."""
        self.forget()  # what the action itself changes was not typed
        self._action()
        self._at = time.monotonic()

    def follow(self, *controls: Any, enter: bool = True) -> Press:
        """The values of these *controls* may come late; *enter*: and Enter in them is a press."""
        for control in controls:
            control.observe(lambda _: self.typed(), "value")
            if enter:
                control.on_msg(lambda _, content, buffers: self() if content.get("event") == "submit" else None)
        return self

    def typed(self) -> None:
        """A value has changed."""
        pressed = self._at
        if time.monotonic() - pressed < _LATE:
            self.forget()
            self._again()
            self._at = pressed

    def forget(self) -> None:
        """What comes now does not belong to the last press."""
        self._at = float("-inf")


def after(job: Job[Any] | None, action: Callable[[], object]) -> None:
    """Do *action* when *job* is over; at once if there is none."""
    if job is None or job.snapshot.is_over:
        action()
        return
    first = threading.Lock()

    def look(now: Snapshot) -> None:
        if now.is_over and first.acquire(blocking=False):
            action()

    job.watch(look)


def instead(job: Job[Any] | None, action: Callable[[], object]) -> None:
    """Do *action* instead of *job*, which is cancelled."""
    if job is not None:
        job.cancel()
    after(job, action)


def message(problem: object) -> str:
    """What is wrong, for an element that screen readers announce."""
    return f"<div role='alert' class='nbd-message'>\N{WARNING SIGN} {_escaped(problem)}</div>" if problem else ""


def failure(job: Job[Any], kept: str = "they are shown below") -> str:
    """Why a job failed, in words, for `message`; *kept* says where the form has what had come before."""
    words = in_words(job.error).replace(WHERE_RESULTS_ARE, kept)
    return f"{job.label}: {words}" if " failed: " in words else f"{job.label} failed: {words}"


def status_line(*lines: object, announced: bool = True) -> str:
    """How it stands, for an element that screen readers announce.

    What changes several times a second, as while a job is running, is not *announced*: its beginning and its end are.
    """
    words = "<br>".join(_escaped(line) for line in lines if line)
    role = " role='status' aria-live='polite'" if announced else ""
    return f"<div{role} class='nbd-status'>{words}</div>"


def literal(value: Any) -> str:
    """A value as it stands in code, with double quotes."""
    if isinstance(value, str):
        quoted = repr(value)
        return f'"{quoted[1:-1]}"' if quoted[0] == "'" and '"' not in value else quoted
    if isinstance(value, (list, tuple)):
        inner = ", ".join(map(literal, value))
        return f"[{inner}]" if isinstance(value, list) else f"({inner})"
    return repr(value)


def _escaped(words: object) -> str:
    return "<br>".join(escape(printable(line)) for line in str(words).split("\n"))


class Filling:
    """Tells what controls report while they are being filled from what their user chooses.

    A list may be filled by the thread of a job, and choices arrive on the kernel's: a choice made while a list is filled
    waits until the list is full, and counts.

    Examples
    --------
    >>> filling = Filling()
    >>> with filling:
    ...     with filling.choice() as by_user:
    ...         print(by_user)
    False
    >>> with filling.choice() as by_user:
    ...     print(by_user)
    True
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._depth = 0

    def __enter__(self) -> None:
        self._lock.acquire()
        self._depth += 1

    def __exit__(self, *error: object) -> None:
        self._depth -= 1
        self._lock.release()

    @contextmanager
    def choice(self) -> Iterator[bool]:
        """Handle a change in here; true if it was not this thread's own filling that made it."""
        with self._lock:
            yield not self._depth


class Field:
    """One control with a place for what is wrong with its value."""

    def __init__(self, keyword: str, *controls: Any) -> None:
        w = widgets("")
        self.keyword = keyword
        self.controls = controls
        self._message = html()
        self._message.layout.display = "none"
        row = controls[0] if len(controls) == 1 else w.HBox(list(controls), layout={"flex_flow": "row wrap"})
        self.box = w.VBox([row, self._message])

    def say(self, problem: object) -> None:
        """Show *problem* under the control; None takes it away."""
        self._message.value = message(problem)
        self._message.layout.display = "" if problem else "none"

    @property
    def problem(self) -> str:
        """What is shown now, as HTML."""
        return str(self._message.value)

    @property
    def value(self) -> Any:
        """The value as a key of a query: text, a range of dates, a list; None for nothing."""
        values = [control.value for control in self.controls if hasattr(control, "value")]
        if len(values) == 2:  # two dates
            return (*values,) if any(values) else None
        (value,) = values
        return list(value) if isinstance(value, tuple) and value else value or None

    def clear(self) -> None:
        """Empty the control."""
        for control in self.controls:
            if isinstance(getattr(control, "value", None), tuple):
                control.value = ()
            elif hasattr(control, "value"):
                control.value = "" if isinstance(control.value, str) else None

    def observe(self, action: Callable[[Any], object]) -> None:
        """Call *action* when the value changes."""
        for control in self.controls:
            if hasattr(control, "value"):
                control.observe(action, "value")
