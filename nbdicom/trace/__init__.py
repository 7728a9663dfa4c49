"""The wire made visible: what went over it, in which states, when, and what every byte means.

`record` (or ``trace=True``) makes a `Recorder`; it and what `load` reads from a file are a `Recording`, which has the views:
summary, ladder, dissection, state machine, table of events.  All of them are made from the declarations of `nbdicom.core`.
`on` and `fan_out` make observers: functions that are called with events of some kinds.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

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
from nbdicom.trace.observing import on
from nbdicom.trace.recorder import Recorder, record
from nbdicom.trace.recording import Entry, Recording, TracedAssociation

if TYPE_CHECKING:
    from nbdicom.trace.arrows import Arrow, Connection
    from nbdicom.trace.capture import load_capture
    from nbdicom.trace.dissection import Dissection, dissect
    from nbdicom.trace.ladder import Ladder
    from nbdicom.trace.states import StatePath
    from nbdicom.trace.transcript import load

#: What is loaded when it is asked for: an association that is recorded needs none of it.
_LATER = {
    "Arrow": "arrows",
    "Connection": "arrows",
    "Dissection": "dissection",
    "Ladder": "ladder",
    "load": "transcript",
    "load_capture": "capture",
    "StatePath": "states",
    "dissect": "dissection",
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


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'nbdicom.trace' has no attribute {name!r}")
    value = getattr(import_module(f"nbdicom.trace.{_LATER[name]}"), name)
    globals()[name] = value
    return value
