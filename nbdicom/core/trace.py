"""Trace events: what the wire and the machine did, as values (PS3.8 9.2, 9.3; PS3.7 9.3).

A trace is any callable that takes a `TraceEvent`.  The core tests for it once per PDU; without one nothing is built.
A P-DATA-TF is reported with its header and length, and with as many bytes of its fragments as the ``payload`` of the trace
asks for: none if it has no such attribute, and then none is copied.  The bytes of the connection itself are told to a trace
whose ``raw`` is true.

Who wants to see several associations is a `Tracer`: it is asked once for each of them.  `tracers` has those of the context
that we are in, so that a block of code can be recorded without telling every call in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Protocol

from nbdicom.core.command import Message
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
from nbdicom.core.fields import OfFields
from nbdicom.core.machine import Action, Evt, Sta
from nbdicom.core.pdu import pdu_name
from nbdicom.table import printable

__all__ = [
    "Connected",
    "MessageReceived",
    "MessageSent",
    "PDUReceived",
    "PDUSent",
    "Quirk",
    "Secured",
    "Together",
    "Trace",
    "TraceEvent",
    "Tracer",
    "Transition",
    "fan_out",
    "traced_by",
    "tracers",
]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Connected(OfFields):
    """The transport connection stands, between these two addresses (``host:port``)."""

    time: float
    local: str
    peer: str

    def __str__(self) -> str:
        return f"  {self.local} - {self.peer}"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class PDUSent(OfFields):
    """A PDU went out; ``data`` are its bytes, of a P-DATA-TF the first twelve and the payload that was asked for."""

    time: float
    pdu_type: int
    length: int
    data: bytes

    def __str__(self) -> str:
        return f"> {pdu_name(self.pdu_type)} ({self.length} bytes)"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class PDUReceived(OfFields):
    """A PDU came in; ``data`` are its bytes, of a P-DATA-TF its header and the payload that was asked for.

    With payload it is told when the PDU is whole, without when its header is there; in either case before what it causes.
    ``length`` is what its header announces.
    """

    time: float
    pdu_type: int
    length: int
    data: bytes

    def __str__(self) -> str:
        return f"< {pdu_name(self.pdu_type)} ({self.length} bytes)"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Transition(OfFields):
    """The state machine took one step of Table 9-10."""

    time: float
    event: Evt
    before: Sta
    action: Action
    after: Sta

    def __str__(self) -> str:
        return f"  {self.before} {self.event} {self.action} -> {self.after}"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class MessageSent(OfFields):
    """A DIMSE message goes out."""

    time: float
    context_id: int
    message: Message

    def __str__(self) -> str:
        return f"> {self.message.name}"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class MessageReceived(OfFields):
    """A DIMSE message has come in whole."""

    time: float
    context_id: int
    message: Message

    def __str__(self) -> str:
        return f"< {self.message.name}"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Secured(OfFields):
    """The connection is secured by TLS; ``text`` says how, and what certificate the peer showed."""

    time: float
    text: str

    def __str__(self) -> str:
        return f"  TLS: {printable(self.text)}"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Quirk(OfFields):
    """The peer did something otherwise than the standard says, and we put up with it; ``text`` completes "the peer ..."."""

    time: float
    text: str

    def __str__(self) -> str:
        return f"! the peer {printable(self.text)}"


TraceEvent = (
    Connected
    | Secured
    | PDUSent
    | PDUReceived
    | Transition
    | MessageSent
    | MessageReceived
    | Quirk
    | Requested
    | Accepted
    | Rejected
    | Established
    | Released
    | Aborted
    | Disconnected
    | DataSent
    | DataReceived
)
Trace = Callable[[TraceEvent], None]


class Tracer(Protocol):
    """Who wants the traces of several associations, and has to know which is which."""

    def association(self, role: str) -> Trace | None:
        """The trace for an association that begins now; *role* is ours in it.  None: this one is of no interest."""
        ...


#: The tracers of this context; a driver asks each of them when it makes an association.
tracers: ContextVar[tuple[Tracer, ...]] = ContextVar("nbdicom_tracers", default=())


class _Several:
    """Several traces as one."""

    def __init__(self, traces: list[Trace]) -> None:
        self._traces = traces
        self.payload: int = max(getattr(trace, "payload", 0) for trace in traces)
        self.raw: bool = any(getattr(trace, "raw", False) for trace in traces)

    def __call__(self, event: TraceEvent) -> None:
        for trace in self._traces:
            trace(event)


def traced_by(role: str, takers: Iterable[Trace | Tracer | None]) -> Trace | None:
    """The one trace of an association that begins now, made of everybody's who wants one; None if nobody does."""
    traces: list[Trace] = []
    for taker in takers:
        ask = getattr(taker, "association", None)
        trace = taker if ask is None else ask(role)
        if trace is not None:
            traces.append(trace)  # type: ignore[arg-type]
    return _Several(traces) if len(traces) > 1 else traces[0] if traces else None


class Together:
    """Several traces and tracers as one tracer; made by `fan_out`."""

    def __init__(self, takers: tuple[Trace | Tracer | None, ...]) -> None:
        self.takers = takers

    def association(self, role: str) -> Trace | None:
        """The one trace of all of them."""
        return traced_by(role, self.takers)


def fan_out(*takers: Trace | Tracer | None) -> Together:
    """Several traces and tracers as one tracer.

    >>> seen = []
    >>> fan_out(seen.append, None, seen.append).association("requestor")(Connected(0.0, "a:1", "b:2"))
    >>> len(seen)
    2
    """
    return Together(takers)
