"""A recording: events of one or many associations in the order in which they happened, and the views of them.

The views are loaded when they are asked for: an association that is not looked at costs no more than its events.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from nbdicom.core import pdu as p
from nbdicom.core.machine import Sta
from nbdicom.core.trace import (
    Connected,
    MessageReceived,
    MessageSent,
    PDUReceived,
    PDUSent,
    TraceEvent,
    Transition,
)
from nbdicom.core.upper_layer import Role
from nbdicom.errors import RemoteProtocolError

if TYPE_CHECKING:
    import os
    from pathlib import Path

    import pandas

    from nbdicom.table import Table
    from nbdicom.trace.arrows import Arrow, Connection
    from nbdicom.trace.ladder import Ladder
    from nbdicom.trace.states import StatePath
    from nbdicom.trace.views import DissectedArrow, Mermaid

__all__ = ["Entry", "Recording", "TracedAssociation", "decoded"]

_P_DATA_TF = p.PDataTF.pdu_type


@dataclass(frozen=True, slots=True)
class Entry:
    """One event, and which association it belongs to; ``number`` counts from the beginning of the recording."""

    number: int
    association: int
    event: TraceEvent


@dataclass(slots=True)
class TracedAssociation:
    """One side of one association as it was traced: who, with whom, how much, how it ended.

    What is counted here is counted from the beginning, also where a bounded recording has dropped the first events.
    """

    number: int
    role: Role
    local: str = ""  #: our address, ``host:port``; empty until the connection stands
    peer: str = ""
    began: float | None = None  #: seconds of the clock of its events
    ended: float | None = None
    state: Sta = Sta.STA1
    associate_rq: bytes = field(default=b"", repr=False)  #: the whole A-ASSOCIATE-RQ
    associate_answer: bytes = field(default=b"", repr=False)  #: the whole A-ASSOCIATE-AC or -RJ
    abort: bytes = b""  #: the whole A-ABORT, whoever sent it first
    released: bool = False  #: an A-RELEASE-RP was sent or received
    pdus_sent: int = 0
    pdus_received: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0
    messages_sent: int = 0
    messages_received: int = 0
    dropped_sent: int = 0  #: PDUs whose events are dropped
    dropped_received: int = 0

    def note(self, event: TraceEvent) -> None:
        """Take an event into account."""
        if self.began is None:
            self.began = event.time
        if isinstance(event, PDUSent):
            self.pdus_sent += 1
            self.bytes_sent += event.length
            self._control(event)
        elif isinstance(event, PDUReceived):
            self.pdus_received += 1
            self.bytes_received += event.length
            self._control(event)
        elif isinstance(event, Transition):
            self.state = event.after
            if event.after is Sta.STA1:
                self.ended = event.time
        elif isinstance(event, MessageSent):
            self.messages_sent += 1
        elif isinstance(event, MessageReceived):
            self.messages_received += 1
        elif isinstance(event, Connected):
            self.local, self.peer = event.local, event.peer

    def _control(self, event: PDUSent | PDUReceived) -> None:
        if event.pdu_type == p.AAssociateRQ.pdu_type:
            self.associate_rq = self.associate_rq or event.data
        elif event.pdu_type in (p.AAssociateAC.pdu_type, p.AAssociateRJ.pdu_type):
            self.associate_answer = self.associate_answer or event.data
        elif event.pdu_type == p.AAbort.pdu_type:
            self.abort = self.abort or event.data
        elif event.pdu_type == p.AReleaseRP.pdu_type:
            self.released = True

    def forget(self, event: TraceEvent) -> None:
        """The event is dropped from the recording."""
        if isinstance(event, PDUSent):
            self.dropped_sent += 1
        elif isinstance(event, PDUReceived):
            self.dropped_received += 1

    @property
    def request(self) -> p.AAssociateRQ | None:
        """The association request, or None where none was recorded or none that can be read."""
        pdu = decoded(self.associate_rq)
        return pdu if isinstance(pdu, p.AAssociateRQ) else None

    @property
    def answer(self) -> p.AAssociateAC | p.AAssociateRJ | None:
        """The answer to it."""
        pdu = decoded(self.associate_answer)
        return pdu if isinstance(pdu, p.AAssociateAC | p.AAssociateRJ) else None

    @property
    def outcome(self) -> str:
        """How it ended, in words; how far it is where it has not."""
        abort, answer = decoded(self.abort), self.answer
        if isinstance(abort, p.AAbort):
            return f"aborted by the {p.abort_in_words(int(abort.source), abort.reason_diag)}"
        if isinstance(answer, p.AAssociateRJ):
            return p.reject_in_words(int(answer.result), int(answer.source), answer.reason_diag)
        if self.released:
            return "released"
        if self.ended is not None:
            return "no association" if answer is None else "closed without release or abort"
        return self.state.meaning


def decoded(pdu: bytes) -> p.PDU | None:
    """A PDU as it was recorded; None where nothing was, or nothing that can be read."""
    try:
        return p.decode_pdu(pdu[0], pdu[6:]) if pdu else None
    except RemoteProtocolError:
        return None


class Recording:
    """Events of associations, complete or the last of them.

    Parameters
    ----------
    associations : iterable of TracedAssociation
        Whose events these are.
    entries : iterable of Entry
        In the order in which they happened.
    epoch : float, optional
        When the clock of the events was 0, in seconds since 1970 (UTC); by default that is not known.
    """

    epoch: float | None = None
    left_out: int = 0  #: connections of a capture that say something, and do not begin with an A-ASSOCIATE-RQ

    def __init__(
        self,
        associations: Iterable[TracedAssociation],
        entries: Iterable[Entry],
        *,
        epoch: float | None = None,
    ) -> None:
        self.epoch = epoch
        self._associations = tuple(associations)
        self._entries = tuple(entries)

    @property
    def associations(self) -> Sequence[TracedAssociation]:
        """The associations, each side one, in the order in which they began."""
        return self._associations

    @property
    def entries(self) -> Sequence[Entry]:
        """The events."""
        return self._entries

    # --------------------------------------------------------------------------- what went over the wire

    @property
    def connections(self) -> list[Connection]:
        """The transport connections, with what went over each."""
        from nbdicom.trace.arrows import connections

        return connections(self.associations, self.entries)

    @property
    def arrows(self) -> list[Arrow]:
        """Every control PDU and every message, in the order of time; their numbers are those of the ladder."""
        from nbdicom.trace.arrows import in_order

        return in_order(self.connections)

    def __len__(self) -> int:
        return len(self.arrows)

    def __getitem__(self, number: int) -> DissectedArrow:
        """An arrow taken apart; its number is that of the ladder."""
        from nbdicom.trace.arrows import in_order
        from nbdicom.trace.views import dissect_arrow

        found = self.connections
        arrows = in_order(found)
        if not -len(arrows) <= number < len(arrows):
            raise IndexError(f"there is no arrow {number}: the recording has {len(arrows)}, counted from 0")
        arrow = arrows[number]
        return dissect_arrow(found[arrow.connection], arrow)

    def of(self, association: int) -> Recording:
        """The part of it that belongs to one connection: both sides of the association with this number."""
        sides = next((c.sides for c in self.connections if association in [side.number for side in c.sides]), None)
        if sides is None:
            raise IndexError(f"there is no association {association}; summary() lists them")
        numbers = {side.number for side in sides}
        entries = (entry for entry in self.entries if entry.association in numbers)
        return Recording(sides, entries, epoch=self.epoch)

    # --------------------------------------------------------------------------- views

    @property
    def began(self) -> datetime | None:
        """When the first event was, in UTC; None where there is none, or no more is known than the order."""
        first = min((entry.event.time for entry in self.entries), default=None)
        return None if first is None or self.epoch is None else datetime.fromtimestamp(self.epoch + first, UTC)

    def summary(self) -> Table:
        """One row for each side of an association: who, how much, how it ended."""
        from nbdicom.trace.views import summary

        return summary(self)

    def ladder(self) -> Ladder:
        """Both sides, and what went from one to the other, with the states along the margin."""
        from nbdicom.trace.ladder import Ladder

        return Ladder(self.connections)

    def states(self, association: int | None = None, *, until: int | None = None) -> StatePath:
        """The path of one side through the state machine (PS3.8 Table 9-10); by default of the first one.

        With *until*, the number of an arrow, the path as far as that arrow and what it caused.
        """
        from nbdicom.trace.states import state_path

        return state_path(self, association, until)

    def to_frame(self) -> pandas.DataFrame:
        """Every event as a row: seconds since the first, association, kind, name, bytes, Message ID, status, state."""
        from nbdicom.trace.views import events

        return events(self)

    def to_mermaid(self) -> Mermaid:
        """The ladder as the source of a Mermaid sequence diagram, for documents; JupyterLab draws it."""
        from nbdicom.trace.views import mermaid

        return mermaid(self.connections)

    # --------------------------------------------------------------------------- files

    def redacted(self) -> Recording:
        """The same without patient values, overwritten in place; see `nbdicom.trace.redact`."""
        from nbdicom.trace.redact import redacted

        return redacted(self)

    def save(self, path: str | os.PathLike[str], *, redact: bool = True) -> Path:
        """Write it to a file that `load` reads; with *redact* without patient values (see `nbdicom.trace.redact`).

        Where the name ends in ``.pcap`` it is a capture, which Wireshark and tcpdump read (see `nbdicom.trace.packets`).
        """
        from nbdicom.trace.transcript import save

        return save(self, path, redact=redact)

    def __str__(self) -> str:
        return str(self.summary())

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return self.summary()._repr_html_()
