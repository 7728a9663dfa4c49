"""Collecting what the core tells: a bounded ring of events, of as many associations as there are.

A recorder is asked once for each association and gives a trace of its own for it; so it is known which association, and
which side of it, an event belongs to, also where both sides are in this process.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from nbdicom.core.events import DataReceived, DataSent
from nbdicom.core.machine import Sta
from nbdicom.core.trace import PDUReceived, PDUSent, Trace, TraceEvent, Transition, tracers
from nbdicom.core.upper_layer import Role
from nbdicom.running import attach, detach
from nbdicom.trace.recording import Entry, Recording, TracedAssociation

__all__ = ["Recorder", "record"]

_EVERYTHING = 1 << 62  #: as many payload bytes as there can be
_SETTLE = 5.0  #: seconds that an acceptor in this process has to see the end of what its requestor has ended


class Recorder(Recording):
    """A recording that grows: give it to ``trace=`` of `associate`, `Peer` or `Server`.

    Parameters
    ----------
    events : int
        So many events are kept; the oldest make room.
    size : int
        So many bytes of PDUs are kept, likewise.
    payload : int or None
        Bytes that are copied of the fragments of each P-DATA-TF; 0 copies none, None all of them, which a replay of
        objects needs.

    Examples
    --------
    >>> wire = Recorder(payload=0)
    >>> trace = wire.association("requestor")
    >>> len(wire.associations), len(wire.entries)
    (1, 0)
    """

    harmless = True  #: it cannot fail, so `recorder_of` gives it as it is

    def __init__(self, *, events: int = 100_000, size: int = 64 << 20, payload: int | None = 4096) -> None:
        self.epoch = time.time() - time.monotonic()
        self.payload = _EVERYTHING if payload is None else payload
        self._most_events = events
        self._most_bytes = size
        self._lock = threading.Condition()  # events come from the threads of many associations
        self._ring: deque[Entry] = deque()
        self._bytes = 0
        self._count = 0
        self._begun = 0
        self._live: dict[int, TracedAssociation] = {}
        self._kept: dict[int, int] = {}  # events of each association that are in the ring
        self._stopped = False

    # --------------------------------------------------------------------------- collecting

    def association(self, role: str) -> Trace | None:
        """The trace for an association that begins now; None after `stop`."""
        with self._lock:
            if self._stopped:
                return None
            about = TracedAssociation(self._begun, Role(role))
            self._live[about.number] = about
            self._kept[about.number] = 0
            self._begun += 1
        return _Channel(self, about)

    def stop(self) -> None:
        """No further associations; those that have begun are recorded to their end."""
        with self._lock:
            self._stopped = True

    def take(self, about: TracedAssociation, event: TraceEvent) -> None:
        """One event of one association; raw bytes, which another trace may have asked for, are not kept twice."""
        if isinstance(event, DataSent | DataReceived):
            return
        with self._lock:
            about.note(event)
            self._ring.append(Entry(self._count, about.number, event))
            self._count += 1
            self._kept[about.number] = self._kept.get(about.number, 0) + 1
            self._bytes += _size(event)
            while len(self._ring) > self._most_events or self._bytes > self._most_bytes:
                self._drop()
            if isinstance(event, Transition) and event.after is Sta.STA1:
                self._lock.notify_all()

    def _drop(self) -> None:
        oldest = self._ring.popleft()
        self._bytes -= _size(oldest.event)
        about = self._live.get(oldest.association)
        if about is None:
            return
        about.forget(oldest.event)
        self._kept[about.number] -= 1
        if not self._kept[about.number] and about.ended is not None:
            del self._live[about.number], self._kept[about.number]

    def settle(self) -> None:
        """Wait until acceptors of this process have seen the end of what their peers have ended."""
        with self._lock:
            self._lock.wait_for(lambda: not any(map(self._half_ended, self._live.values())), _SETTLE)

    def _half_ended(self, about: TracedAssociation) -> bool:
        """Whether it waits for the close, or the other side, which is recorded too, is at its end already."""
        if about.state is Sta.STA13:
            return True
        return about.ended is None and any(
            other.ended is not None and other.local == about.peer and other.peer == about.local
            for other in self._live.values()
            if other.local
        )

    def clear(self) -> None:
        """Forget what was recorded; associations that are under way go on being recorded."""
        with self._lock:
            self._ring.clear()
            self._bytes = 0
            self._live = {n: about for n, about in self._live.items() if about.ended is None}
            self._kept = dict.fromkeys(self._live, 0)
            for about in self._live.values():
                about.dropped_sent, about.dropped_received = about.pdus_sent, about.pdus_received

    # --------------------------------------------------------------------------- what was collected

    @property
    def associations(self) -> Sequence[TracedAssociation]:
        """The associations, each side one, in the order in which they began."""
        with self._lock:
            return tuple(self._live.values())

    @property
    def entries(self) -> Sequence[Entry]:
        """The events that are kept, as they are now."""
        with self._lock:
            return tuple(self._ring)


class _Channel:
    """The trace of one association."""

    __slots__ = ("_about", "_recorder", "payload")

    def __init__(self, recorder: Recorder, about: TracedAssociation) -> None:
        self._recorder = recorder
        self._about = about
        self.payload = recorder.payload

    def __call__(self, event: TraceEvent) -> None:
        self._recorder.take(self._about, event)


def _size(event: TraceEvent) -> int:
    return len(event.data) if isinstance(event, PDUSent | PDUReceived) else 0


@contextmanager
def record(*, events: int = 100_000, size: int = 64 << 20, payload: int | None = 4096) -> Iterator[Recorder]:
    """Record every association that is opened in this block, or accepted by a server of this process meanwhile.

    Opened is what this thread opens, and what threads or tasks open that run in a copy of its context; so it does not
    matter whether `Peer.find`, a pull or `associate` itself does it.  An association that has begun is recorded to its
    end.

    Parameters
    ----------
    events, size, payload
        See `Recorder`.

    Examples
    --------
    >>> import nbdicom as nd
    >>> with nd.Server(nd.Handlers(), ae_title="ECHO", contexts=["Verification"]) as server:
    ...     with nd.record() as wire:
    ...         ok = nd.Peer("ECHO", *server.address).echo().ok
    >>> [str(side.role) for side in wire.associations]
    ['requestor', 'acceptor']
    """
    recorder = Recorder(events=events, size=size, payload=payload)
    token = tracers.set((*tracers.get(), recorder))
    attach(recorder)
    try:
        yield recorder
    finally:
        tracers.reset(token)
        recorder.stop()
        detach(recorder)
        recorder.settle()
