"""The wire made visible: what went over it, in which states, when, and what every byte means.

`record` (or ``trace=True``) makes a `Recorder`; it and what `load` reads from a file are a `Recording`, which has the views:
summary, ladder, dissection, state machine, table of events.  All of them are made from the declarations of `nbdicom.core`.
`on` and `fan_out` make observers: functions that are called with events of some kinds.

`observing` and `recorder` take events, `recording` keeps them; `arrows` makes messages of them, `pdvs` joins the fragments
of one, `dissection` takes bytes apart and `words` says what they mean.  `ladder`, `states` (drawn by `diagram`) and `views`
are what is seen, `page` is their HTML; `transcript`, `redact`, `capture` (in), `packets` (out) and `files` are about
files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbdicom.core.events import (
    Aborted,
    Accepted,
    DataReceived,
    DataSent,
    Disconnected,
    Established,
    Rejected,
    Released,
    Requested,
)
from nbdicom.core.trace import (
    Connected,
    MessageReceived,
    MessageSent,
    PDUReceived,
    PDUSent,
    Quirk,
    Secured,
    Trace,
    TraceEvent,
    Tracer,
    Transition,
    fan_out,
)
from nbdicom.later import later
from nbdicom.trace.observing import on

if TYPE_CHECKING:
    from nbdicom.trace.arrows import Arrow, Connection
    from nbdicom.trace.capture import load_capture
    from nbdicom.trace.dissection import Dissection, dissect
    from nbdicom.trace.ladder import Ladder
    from nbdicom.trace.recorder import Recorder, record
    from nbdicom.trace.recording import Entry, Recording, TracedAssociation
    from nbdicom.trace.states import StatePath
    from nbdicom.trace.transcript import load

#: What is loaded when it is asked for: an association that nobody records needs none of it.
_LATER = {
    "Arrow": "nbdicom.trace.arrows",
    "Connection": "nbdicom.trace.arrows",
    "Dissection": "nbdicom.trace.dissection",
    "Entry": "nbdicom.trace.recording",
    "Ladder": "nbdicom.trace.ladder",
    "load": "nbdicom.trace.transcript",
    "load_capture": "nbdicom.trace.capture",
    "Recorder": "nbdicom.trace.recorder",
    "Recording": "nbdicom.trace.recording",
    "StatePath": "nbdicom.trace.states",
    "TracedAssociation": "nbdicom.trace.recording",
    "dissect": "nbdicom.trace.dissection",
    "record": "nbdicom.trace.recorder",
}

__all__ = [
    "Aborted",
    "Accepted",
    "Arrow",
    "Connected",
    "Connection",
    "DataReceived",
    "DataSent",
    "Disconnected",
    "Dissection",
    "Entry",
    "Established",
    "Ladder",
    "MessageReceived",
    "MessageSent",
    "PDUReceived",
    "PDUSent",
    "Quirk",
    "Recorder",
    "Recording",
    "Rejected",
    "Released",
    "Requested",
    "Secured",
    "StatePath",
    "Trace",
    "TraceEvent",
    "TracedAssociation",
    "Tracer",
    "Transition",
    "dissect",
    "fan_out",
    "load",
    "load_capture",
    "on",
    "record",
]

__getattr__ = later(__name__, _LATER)
