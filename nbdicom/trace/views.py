"""Tables and texts made of a recording: summary, events, an arrow taken apart, a Mermaid diagram."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from nbdicom.core import pdu as p
from nbdicom.core.command import Request, Response
from nbdicom.core.trace import (
    Connected,
    MessageReceived,
    MessageSent,
    PDUReceived,
    PDUSent,
    Quirk,
    TraceEvent,
    Transition,
)
from nbdicom.table import Table, counted, printable
from nbdicom.trace import dissection
from nbdicom.trace.arrows import Arrow, Connection, in_order
from nbdicom.trace.dissection import Dissection
from nbdicom.trace.page import page
from nbdicom.trace.pdvs import joined

if TYPE_CHECKING:
    import pandas

    from nbdicom.trace.recording import Recording

__all__ = ["DissectedArrow", "Mermaid", "dissect_arrow", "events", "mermaid", "summary"]

_MOST_PDUS = 3  #: of one message are shown; the others look alike
_LEFT_OUT = "{} of the capture left out: under TLS, of another service, or not captured whole (tcpdump -s 0)"


def summary(recording: Recording) -> Table:
    """One row for each side of an association."""
    rows = []
    for connection in recording.connections:
        calling, called = connection.titles
        for side in connection.sides:
            ms = None if side.began is None or side.ended is None else f"{(side.ended - side.began) * 1000:.1f}"
            rows.append(
                (
                    side.number,
                    side.role,
                    f"{calling} \N{RIGHTWARDS ARROW} {called}",
                    side.peer,
                    f"{side.pdus_sent} / {side.pdus_received}",
                    f"{side.bytes_sent} / {side.bytes_received}",
                    f"{side.messages_sent} / {side.messages_received}",
                    ms,
                    side.outcome,
                )
            )
    quirks = dict.fromkeys(str(e.event) for e in recording.entries if isinstance(e.event, Quirk))
    count = len(recording.entries)
    dropped = sum(side.dropped_sent + side.dropped_received for side in recording.associations)
    title = f"Recording: {counted(len(rows), 'side')} of associations, {count} events"
    return Table(
        title + (f"; {dropped} earlier PDUs made room" if dropped else ""),
        ("#", "our role", "calling \N{RIGHTWARDS ARROW} called", "peer", "PDUs", "bytes", "messages", "ms", "outcome"),
        rows,
        notes=[
            *quirks,
            *([_LEFT_OUT.format(counted(recording.left_out, "connection"))] if recording.left_out else []),
            *([f"began {recording.began:%Y-%m-%d %H:%M:%S.%f} UTC"] if recording.began else []),
            "PDUs, bytes and messages: sent / received",
            "look: .ladder()  .states()  [3] takes arrow 3 apart  .to_frame()  .to_mermaid()  .save(path)",
        ],
    )  # fmt: skip


# ------------------------------------------------------------------------------- events


def events(recording: Recording) -> pandas.DataFrame:
    """Every event as a row."""
    import pandas

    entries = sorted(recording.entries, key=lambda entry: entry.event.time)  # threads tell a little out of turn
    start = entries[0].event.time if entries else 0.0
    epoch = float("nan") if recording.epoch is None else recording.epoch
    roles = {side.number: str(side.role) for side in recording.associations}
    rows = [
        {
            "event": entry.number,
            "seconds": entry.event.time - start,
            "time": (epoch + entry.event.time) * 1e9,
            "association": entry.association,
            "role": roles.get(entry.association, ""),
            **_columns(entry.event),
        }
        for entry in entries
    ]
    frame = pandas.DataFrame(rows, columns=["event", "seconds", "time", "association", "role", *_COLUMNS])
    frame["time"] = pandas.to_datetime(frame["time"].astype(float), unit="ns", utc=True)
    integers = {"bytes": "Int64", "context_id": "Int64", "message_id": "Int64"}
    texts = dict.fromkeys(("role", "kind", "name", "status", "state", "detail"), "string")
    return frame.astype({**integers, **texts})


_COLUMNS = ("kind", "name", "bytes", "context_id", "message_id", "status", "state", "detail")


def _columns(event: TraceEvent) -> dict[str, Any]:
    if isinstance(event, PDUSent | PDUReceived):
        way = "sent" if isinstance(event, PDUSent) else "received"
        return {"kind": f"PDU {way}", "name": p.pdu_name(event.pdu_type), "bytes": event.length}
    if isinstance(event, MessageSent | MessageReceived):
        way = "sent" if isinstance(event, MessageSent) else "received"
        message = event.message
        columns: dict[str, Any] = {"kind": f"message {way}", "name": message.name, "context_id": event.context_id}
        if isinstance(message, Request):
            columns["message_id"] = message.message_id
        else:
            columns["message_id"] = getattr(message, "message_id_being_responded_to", None)
        if isinstance(message, Response):
            columns["status"] = str(message.status)
        return columns
    if isinstance(event, Transition):
        words = f"{event.before} {event.event} ({event.event.meaning}): {event.action.meaning}"
        return {"kind": "transition", "name": str(event.action), "state": str(event.after), "detail": words}
    if isinstance(event, Quirk):
        return {"kind": "quirk", "name": "", "detail": printable(f"the peer {event.text}")}
    if isinstance(event, Connected):
        return {"kind": "connected", "name": "transport connection", "detail": f"{event.local} - {event.peer}"}
    return {"kind": type(event).__name__.lower(), "name": "", "detail": printable(event).strip("<> ")}


# ------------------------------------------------------------------------------- one arrow


@dataclass(frozen=True, slots=True, repr=False)
class DissectedArrow:
    """A control PDU, or a message with its command set, its data set and its PDUs, each taken apart.

    ``wire[3]["Status"]`` looks for a field in all of them.
    """

    arrow: Arrow
    title: str
    parts: tuple[Dissection, ...]
    command: Dissection | None = None
    data: Dissection | None = None
    pdus: tuple[Dissection, ...] = ()
    notes: tuple[str, ...] = ()

    def __getitem__(self, key: int | str) -> Dissection:
        if isinstance(key, int):
            return self.parts[key]
        for part in self.parts:
            try:
                return part[key]
            except KeyError:
                continue
        raise KeyError(f"no field {key!r} in {self.title}")

    def __iter__(self) -> Iterator[Dissection]:
        return iter(self.parts)

    def _ipython_key_completions_(self) -> list[str]:
        return list(dict.fromkeys(name for part in self.parts for name in part._ipython_key_completions_()))

    def __len__(self) -> int:
        return len(self.parts)

    def __str__(self) -> str:
        return "\n\n".join([self.title, *map(str, self.parts), *self.notes])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        lines = "".join(f"<p>{escape(printable(note))}</p>" for note in self.notes)
        title = page(f"<p class='nbd-title'>{escape(printable(self.title))}</p>{lines}")
        return title + "".join(part._repr_html_() for part in self.parts)

    def to_frame(self) -> pandas.DataFrame:
        """The fields of all parts."""
        import pandas

        frames = []
        for part in self.parts:
            frame = part.to_frame()
            frame.insert(0, "part", part.title)
            frames.append(frame)
        return pandas.concat(frames, ignore_index=True)


def dissect_arrow(connection: Connection, arrow: Arrow) -> DissectedArrow:
    """Take an arrow apart."""
    calling, called = connection.titles
    way = (calling, called) if arrow.from_requestor else (called, calling)
    title = f"[{arrow.number}] {arrow.label}: {way[0]} \N{RIGHTWARDS ARROW} {way[1]}, {arrow.detail}"
    pdus = tuple(dissection.pdu(event.data, event.length) for event in arrow.pdus[:_MOST_PDUS])
    notes = []
    if len(arrow.pdus) > _MOST_PDUS:
        notes.append(f"{len(arrow.pdus) - _MOST_PDUS} more P-DATA-TF of this message")
    if arrow.message is None:
        return DissectedArrow(arrow, title, pdus, pdus=pdus, notes=tuple(notes))
    command = data = None
    told = joined(arrow.pdus)
    if told.command:
        command = dissection.command_set(told.command)
    if told.data_length:
        syntax = connection.transfer_syntax(arrow.context_id)
        if syntax is None:
            notes.append("the transfer syntax is not known: the negotiation was not recorded")
        elif told.data:
            data = dissection.data_set(told.data, syntax, told.data_length)
        else:
            notes.append(f"its data set of {told.data_length} bytes was not recorded: record(payload=...)")
    parts = tuple(part for part in (command, data, *pdus) if part is not None)
    return DissectedArrow(arrow, title, parts, command, data, pdus, tuple(notes))


# ------------------------------------------------------------------------------- Mermaid


class Mermaid(str):
    """The source of a Mermaid diagram; JupyterLab and GitHub draw it."""

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/vnd.mermaid": str(self), "text/plain": str(self)}


def mermaid(found: Sequence[Connection]) -> Mermaid:
    """A sequence diagram of *found*."""
    lines = ["sequenceDiagram"]
    for connection in found:
        for letter, title in zip("RA", connection.titles, strict=True):
            lines.append(f"    participant {letter}{connection.number} as {_plain(title)}")
    for arrow in in_order(found):
        ends = (f"R{arrow.connection}", f"A{arrow.connection}")
        one, other = ends if arrow.from_requestor else ends[::-1]
        lines.append(f"    {one}{'-x' if arrow.is_bad else '->>'}{other}: {_plain(arrow.label)}")
    return Mermaid("\n".join(lines) + "\n")


def _plain(text: str) -> str:
    """Text without a meaning to Mermaid: what a peer sent must not draw."""
    return "".join(c if c.isalnum() or c in " -_.()/" else f"#{ord(c)};" for c in printable(text))
