"""What went over the wire as arrows between two sides: a control PDU, or a message with all its P-DATA-TF PDUs.

Where both sides are in this process, the event of sending and that of receiving are two ends of one arrow.  PDUs arrive
in the order in which they were sent, so the n-th that one side sent is the n-th that the other received.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from nbdicom.core import pdu as p
from nbdicom.core.command import Message, Request, Response
from nbdicom.core.machine import Sta
from nbdicom.core.trace import MessageReceived, MessageSent, PDUReceived, PDUSent, Transition
from nbdicom.core.upper_layer import Role
from nbdicom.table import counted, printable
from nbdicom.trace.recording import Entry, TracedAssociation, decoded
from nbdicom.uids import UID

__all__ = ["Arrow", "Connection", "connections", "in_order"]

_P_DATA_TF = p.PDataTF.pdu_type


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrow:
    """A control PDU or a message, on its way from one side to the other."""

    number: int = -1  #: its place in the recording
    connection: int = -1
    from_requestor: bool
    name: str
    message: Message | None = None
    context_id: int | None = None
    pdus: tuple[PDUSent | PDUReceived, ...] = ()  #: as recorded by the side that recorded more of them
    sent: float | None = None  #: when its first PDU went out, where that side is recorded
    received: float | None = None  #: when it was there whole
    sent_entry: int | None = None  #: number of the event
    received_entry: int | None = None

    @property
    def time(self) -> float:
        """When it was sent, or else received."""
        time = self.sent if self.sent is not None else self.received
        return 0.0 if time is None else time

    @property
    def length(self) -> int:
        """Bytes of its PDUs."""
        return sum(event.length for event in self.pdus)

    @property
    def whole(self) -> bool:
        """Whether all of its bytes were recorded."""
        return bool(self.pdus) and all(len(event.data) >= event.length for event in self.pdus)

    @property
    def label(self) -> str:
        """Name, Message ID and status of a message."""
        if isinstance(self.message, Request):
            return f"{self.name} ({self.message.message_id})"
        if isinstance(self.message, Response):
            status = self.message.status
            number = self.message.message_id_being_responded_to
            return f"{self.name} ({number}) {status.category} {int(status):04X}H"
        return self.name

    @property
    def detail(self) -> str:
        """What it says, in one line."""
        if self.message is not None:
            count = f"{len(self.pdus)} P-DATA-TF, " if self.pdus else ""
            about = _about(self.message) if isinstance(self.message, Request) else ""
            return f"{count}{self.length} bytes{about}"
        pdu = decoded(self.pdus[0].data) if self.pdus else None
        words = ""
        if isinstance(pdu, p.AAssociateRQ):
            words = (
                f", {printable(pdu.calling_ae_title)} calls {printable(pdu.called_ae_title)},"
                f" {counted(len(pdu.presentation_contexts), 'presentation context')}"
            )
        elif isinstance(pdu, p.AAssociateAC):
            accepted = sum(c.result == p.ContextResult.ACCEPTANCE for c in pdu.presentation_contexts)
            words = f", {accepted} of {counted(len(pdu.presentation_contexts), 'presentation context')} accepted"
        elif isinstance(pdu, p.AAssociateRJ):
            words = f", {p.reject_in_words(int(pdu.result), int(pdu.source), pdu.reason_diag)}"
        elif isinstance(pdu, p.AAbort):
            words = f", {p.abort_in_words(int(pdu.source), pdu.reason_diag)}"
        return f"{self.length} bytes{words}"

    @property
    def is_bad(self) -> bool:
        """Whether it says that something went wrong."""
        if isinstance(self.message, Response):
            return self.message.status.is_failure
        return self.message is None and (
            not self.pdus
            or self.pdus[0].pdu_type in (p.AAssociateRJ.pdu_type, p.AAbort.pdu_type)
            or self.pdus[0].pdu_type not in p.PDU_TYPES
        )


def _about(message: Message) -> str:
    for name in ("affected_sop_class_uid", "requested_sop_class_uid"):
        if uid := getattr(message, name, None):
            return f", {printable(UID(uid).name)}"
    return ""


@dataclass(slots=True)
class Connection:
    """One transport connection: its two sides as far as they are recorded, and what went over it."""

    number: int
    requestor: TracedAssociation | None = None
    acceptor: TracedAssociation | None = None
    arrows: list[Arrow] = field(default_factory=list)
    states: dict[Role, list[tuple[int, Sta]]] = field(default_factory=dict)  #: (number of the event, state after it)

    @property
    def sides(self) -> list[TracedAssociation]:
        """The sides that are recorded, the requestor first."""
        return [side for side in (self.requestor, self.acceptor) if side is not None]

    @property
    def titles(self) -> tuple[str, str]:
        """Calling and called AE title, as far as they are known."""
        rq = next((side.request for side in self.sides if side.request is not None), None)
        if rq is None:
            return "requestor", "acceptor"
        return printable(rq.calling_ae_title) or "requestor", printable(rq.called_ae_title) or "acceptor"

    @property
    def address(self) -> str:
        """The acceptor's address, where a connection stood."""
        if self.requestor is not None and self.requestor.peer:
            return self.requestor.peer
        return self.acceptor.local if self.acceptor is not None else ""

    @property
    def outcome(self) -> str:
        """How it ended."""
        return self.sides[0].outcome

    @property
    def title(self) -> str:
        """The connection in one line."""
        calling, called = self.titles
        where = f" at {self.address}" if self.address else ""
        return f"{calling} \N{RIGHTWARDS ARROW} {called}{where}: {self.outcome}"

    def transfer_syntax(self, context_id: int | None) -> UID | None:
        """The transfer syntax of an accepted presentation context, or None where that is not known."""
        for side in self.sides:
            answer = side.answer
            if isinstance(answer, p.AAssociateAC):
                for context in answer.presentation_contexts:
                    if context.context_id == context_id and context.result == p.ContextResult.ACCEPTANCE:
                        return context.transfer_syntax
        return None


def connections(associations: Iterable[TracedAssociation], entries: Sequence[Entry]) -> list[Connection]:
    """The connections of a recording with their arrows, which are numbered through in the order of time."""
    found: list[Connection] = []
    for side in associations:
        pair = next((c for c in found if _other_end(c, side)), None)
        if pair is None:
            pair = Connection(len(found))
            found.append(pair)
        if side.role is Role.REQUESTOR:
            pair.requestor = side
        else:
            pair.acceptor = side
    by_association: dict[int, list[Entry]] = {}
    for entry in entries:
        by_association.setdefault(entry.association, []).append(entry)
    arrows: list[tuple[Connection, Arrow]] = []
    for connection in found:
        joined: dict[tuple[bool, int], Arrow] = {}
        for side in connection.sides:
            events = by_association.get(side.number, [])
            connection.states[side.role] = [
                (e.number, e.event.after) for e in events if isinstance(e.event, Transition)
            ]
            for key, arrow in _one_side(side, events):
                twin = joined.get(key)
                joined[key] = arrow if twin is None else _joined(twin, arrow)
        arrows += [(connection, arrow) for arrow in joined.values()]
    arrows.sort(key=lambda pair: (pair[1].time, pair[1].sent_entry or pair[1].received_entry or 0))
    for number, (connection, arrow) in enumerate(arrows):
        connection.arrows.append(replace(arrow, number=number, connection=connection.number))
    return found


def in_order(found: Iterable[Connection]) -> list[Arrow]:
    """What went over all of these connections, by its numbers."""
    return sorted((arrow for connection in found for arrow in connection.arrows), key=lambda arrow: arrow.number)


def _other_end(connection: Connection, side: TracedAssociation) -> bool:
    taken = connection.requestor if side.role is Role.REQUESTOR else connection.acceptor
    return taken is None and any(
        bool(side.local) and (other.local, other.peer) == (side.peer, side.local) for other in connection.sides
    )


def _one_side(side: TracedAssociation, entries: Sequence[Entry]) -> list[tuple[tuple[bool, int], Arrow]]:
    """The arrows of one side, each with its direction and the number of its last PDU in that direction."""
    requestor = side.role is Role.REQUESTOR
    made: list[tuple[tuple[bool, int], Arrow]] = []
    sent, received = side.dropped_sent, side.dropped_received
    sending: list[Entry] = []  # a message that goes out, and its PDUs so far
    arriving: list[Entry] = []  # P-DATA-TF PDUs of a message that is not yet whole

    def out(entries: list[Entry]) -> None:
        if entries:
            # A message that never began to go out has no PDU whose number it could have.
            number = sent if any(isinstance(e.event, PDUSent) for e in entries) else -1 - len(made)
            made.append(((requestor, number), _outgoing(requestor, entries)))

    def come(entries: list[Entry], whole: Entry | None = None) -> None:
        if entries or whole is not None:
            # A second message in one PDU, or one whose PDUs are dropped: nothing of the other side matches it.
            number = received if entries else -1 - len(made)
            made.append(((not requestor, number), _incoming(not requestor, entries, whole)))

    for entry in entries:
        event = entry.event
        if isinstance(event, MessageSent):
            out(sending)
            sending = [entry]
        elif isinstance(event, PDUSent):
            if event.pdu_type != _P_DATA_TF:
                out(sending)
                sending = []
                sent += 1
                out([entry])
            else:
                sent += 1
                sending.append(entry)
        elif isinstance(event, PDUReceived):
            if event.pdu_type != _P_DATA_TF:
                come(arriving)
                arriving = []
                received += 1
                come([entry])
            else:
                received += 1
                arriving.append(entry)
        elif isinstance(event, MessageReceived):
            come(arriving, entry)
            arriving = []
    out(sending)
    come(arriving)
    return made


def _outgoing(from_requestor: bool, entries: list[Entry]) -> Arrow:
    first = entries[0].event
    pdus = tuple(e.event for e in entries if isinstance(e.event, PDUSent))
    message = first if isinstance(first, MessageSent) else None
    return Arrow(
        from_requestor=from_requestor,
        name=message.message.name if message else p.pdu_name(pdus[0].pdu_type),
        message=message.message if message else None,
        context_id=message.context_id if message else None,
        pdus=pdus,
        sent=first.time,
        sent_entry=entries[0].number,
    )


def _incoming(from_requestor: bool, entries: list[Entry], whole: Entry | None) -> Arrow:
    event = whole.event if whole is not None else None
    message = event if isinstance(event, MessageReceived) else None
    pdus = tuple(e.event for e in entries if isinstance(e.event, PDUReceived))
    last = whole if whole is not None else entries[-1]
    return Arrow(
        from_requestor=from_requestor,
        name=message.message.name if message else p.pdu_name(pdus[0].pdu_type),
        message=message.message if message else None,
        context_id=message.context_id if message else None,
        pdus=pdus,
        received=last.event.time,
        received_entry=(entries[0] if entries else last).number,
    )


def _joined(one: Arrow, other: Arrow) -> Arrow:
    """The two ends of one arrow; the bytes are those of the side that recorded more."""
    more = max(one, other, key=lambda arrow: sum(len(event.data) for event in arrow.pdus))
    named = one if one.message is not None else other
    out, come = (one, other) if one.sent is not None else (other, one)
    return Arrow(
        from_requestor=one.from_requestor,
        name=named.name,
        message=named.message,
        context_id=named.context_id,
        pdus=more.pdus,
        sent=out.sent,
        received=come.received,
        sent_entry=out.sent_entry,
        received_entry=come.received_entry,
    )
