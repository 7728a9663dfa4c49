"""The wire made visible: what went over it, in which states, when, and what every byte means.

`record` (or ``trace=True``) makes a `Recorder`; it and what `load` reads from a file are a `Recording`, which has the views:
summary, ladder, dissection, state machine, table of events.  All of them are made from the declarations of `nbdicom.core`.
"""

from nbdicom.trace.recorder import Recorder, record
from nbdicom.trace.recording import Entry, Recording, TracedAssociation

__all__ = ["Entry", "Recorder", "Recording", "TracedAssociation", "record"]
