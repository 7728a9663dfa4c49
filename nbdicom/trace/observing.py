"""Notifications: any number of observers of trace events, none of which can do harm (PS3.8 7, PS3.7 7.1).

An observer is a function that is called with the events of some kinds:

>>> from nbdicom.trace import Established, Released, fan_out, on
>>> seen = []
>>> observers = fan_out(on(Established, seen.append), on(Released, seen.append))

and is given to ``trace=`` of `associate`, `Peer` or a server.  What it returns is not looked at; what it raises is logged,
once for each kind of mistake, and the association goes on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, TypeVar, overload

from nbdicom.core.events import DataReceived, DataSent
from nbdicom.core.trace import Together, Trace, TraceEvent, Tracer
from nbdicom.privacy import trace_of

__all__ = ["guarded", "on", "recorder_of"]

_log = logging.getLogger("nbdicom.trace")

E = TypeVar("E", bound=TraceEvent)
F = TypeVar("F", bound=TraceEvent)


class _On:
    """An observer of some kinds of events."""

    def __init__(self, kinds: tuple[type, ...], observer: Callable[[Any], object], payload: int) -> None:
        self.payload = payload
        self.raw = bool({DataSent, DataReceived} & set(kinds))
        self._kinds = kinds
        self._observer = observer

    def __call__(self, event: TraceEvent) -> None:
        if isinstance(event, self._kinds):
            self._observer(event)


@overload
def on(kind: type[E], observer: Callable[[E], object], *, payload: int = 0) -> Trace: ...
@overload
def on(kind: tuple[type[E], type[F]], observer: Callable[[E | F], object], *, payload: int = 0) -> Trace: ...
@overload
def on(kind: tuple[type[Any], ...], observer: Callable[[Any], object], *, payload: int = 0) -> Trace: ...
def on(kind: type[Any] | tuple[type[Any], ...], observer: Callable[[Any], object], *, payload: int = 0) -> Trace:
    """A trace that calls *observer* with the events of one kind or of several.

    Parameters
    ----------
    kind : type or tuple of types
        Such as ``Released`` or ``(PDUSent, PDUReceived)``, all of `nbdicom.trace`.
    observer : callable
        ``observer(event)``, in the thread of the association: what takes long holds that up.
    payload : int
        Bytes of the fragments of each P-DATA-TF that a PDU event is to have.

    Raises
    ------
    TypeError
        If *kind* is no kind of event or *observer* cannot be called.

    Examples
    --------
    >>> from nbdicom.trace import Connected
    >>> on(Connected, lambda event: print(event.peer))(Connected(0.0, "127.0.0.1:40000", "127.0.0.1:11112"))
    127.0.0.1:11112
    """
    kinds = kind if isinstance(kind, tuple) else (kind,)
    known: tuple[type, ...] = TraceEvent.__args__
    for one in kinds:
        if one not in known:
            names = ", ".join(event.__name__ for event in known)
            raise TypeError(f"{one!r} is no kind of trace event; there are {names}")
    if not callable(observer):
        raise TypeError(f"an observer is a function of one event, not a {type(observer).__name__}")
    return _On(kinds, observer, payload)


class _Guarded:
    """A trace of somebody else: what it raises is logged and forgotten."""

    harmless = True

    def __init__(self, trace: Trace) -> None:
        self.payload: int = getattr(trace, "payload", 0)
        self.raw: bool = getattr(trace, "raw", False)
        self._trace = trace
        self._known: set[tuple[type, type]] = set()

    def __call__(self, event: TraceEvent) -> None:
        try:
            self._trace(event)
        except Exception as error:
            self._failed(type(event), error)

    def _failed(self, kind: type, error: Exception) -> None:
        if (kind, type(error)) in self._known:
            return  # a mistake that is made with every PDU shall not fill the log
        self._known.add((kind, type(error)))
        # Its kind and place only: the text of an error may quote a patient's data.
        _log.warning("an observer failed with %s at %s", type(error).__name__, kind.__name__)
        _log.debug("%s", trace_of(error))


class _GuardedTracer:
    """A tracer of somebody else, likewise."""

    harmless = True

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def association(self, role: str) -> Trace | None:
        try:
            trace = self._tracer.association(role)
        except Exception as error:
            _log.warning("a tracer failed with %s", type(error).__name__)
            _log.debug("%s", trace_of(error))
            return None
        return None if trace is None else _Guarded(trace)


def guarded(taker: Trace | Tracer | None) -> Trace | Tracer | None:
    """The same trace or tracer, so that what it raises harms nothing; of `fan_out` each for itself."""
    if taker is None or getattr(taker, "harmless", False):
        return taker
    if isinstance(taker, Together):
        return Together(tuple(map(guarded, taker.takers)))
    return _Guarded(taker) if not hasattr(taker, "association") else _GuardedTracer(taker)


def recorder_of(trace: Trace | Tracer | bool | None) -> Trace | Tracer | None:
    """What a ``trace`` parameter stands for: True is a new recorder, False is none, an observer can do no harm."""
    if trace is True:
        from nbdicom.trace.recorder import Recorder  # most associations are not recorded

        return Recorder()
    return None if trace is False else guarded(trace)
