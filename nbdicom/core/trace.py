"""Trace events: what the wire and the machine did, as values (PS3.8 9.2, 9.3; PS3.7 9.3).

A trace is any callable that takes a `TraceEvent`.  The core tests for it once per PDU; without one nothing is built.
A P-DATA-TF is reported with its header and length, never with its payload.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from nbdicom.core.command import Message
from nbdicom.core.machine import Action, Evt, Sta
from nbdicom.core.pdu import pdu_name

__all__ = ["MessageReceived", "MessageSent", "PDUReceived", "PDUSent", "Trace", "TraceEvent", "Transition"]


@dataclass(frozen=True, slots=True)
class PDUSent:
    """A PDU went out; ``data`` are its bytes, for a P-DATA-TF only its first twelve."""

    time: float
    pdu_type: int
    length: int
    data: bytes

    def __str__(self) -> str:
        return f"> {pdu_name(self.pdu_type)} ({self.length} bytes)"


@dataclass(frozen=True, slots=True)
class PDUReceived:
    """A PDU came in (a P-DATA-TF: its header has)."""

    time: float
    pdu_type: int
    length: int
    data: bytes

    def __str__(self) -> str:
        return f"< {pdu_name(self.pdu_type)} ({self.length} bytes)"


@dataclass(frozen=True, slots=True)
class Transition:
    """The state machine took one step of Table 9-10."""

    time: float
    event: Evt
    before: Sta
    action: Action
    after: Sta

    def __str__(self) -> str:
        return f"  {self.before} {self.event} {self.action} -> {self.after}"


@dataclass(frozen=True, slots=True)
class MessageSent:
    """A DIMSE message goes out."""

    time: float
    context_id: int
    message: Message

    def __str__(self) -> str:
        return f"> {self.message.name}"


@dataclass(frozen=True, slots=True)
class MessageReceived:
    """A DIMSE message has come in whole."""

    time: float
    context_id: int
    message: Message

    def __str__(self) -> str:
        return f"< {self.message.name}"


TraceEvent = PDUSent | PDUReceived | Transition | MessageSent | MessageReceived
Trace = Callable[[TraceEvent], None]
