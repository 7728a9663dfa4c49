"""Plays a case against an SCP and writes down what it did."""

from __future__ import annotations

import socket
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from nbdicom.core.command import CEchoRQ, Message, Response, decode_command
from nbdicom.core.pdu import (
    PDU,
    AAbort,
    AAssociateAC,
    AAssociateRJ,
    AAssociateRQ,
    AReleaseRP,
    AReleaseRQ,
    PDataTF,
    decode_pdu,
    encode_pdu,
)
from nbdicom.errors import RemoteProtocolError
from tests.drivers.scripted import A_RELEASE_RQ, ECHO_ID, a_associate_rq, message
from tests.hostile.answers import Event
from tests.hostile.case import ABSOLUTE
from tests.hostile.cases import WITHIN, Case

__all__ = ["LAST", "Listener", "NotApplicable", "Observed", "echoes", "play", "send"]

PROBE = 0x7777  #: Message ID of the echo that tells whether the association goes on
QUIET = 0.15  #: seconds without an event after which the probe is sent
_WITHIN = frozenset(case.name for case in WITHIN)
_PIECE = 1 << 16
_KINDS: dict[type[PDU], str] = {
    AAssociateAC: "AC", AAssociateRJ: "RJ", AAbort: "ABORT", AReleaseRP: "RP", AAssociateRQ: "RQ", AReleaseRQ: "RELEASE",
}  # fmt: skip


class NotApplicable(Exception):
    """The peer has not what the case needs."""


@dataclass(slots=True)
class Observed:
    """What a peer did in a case."""

    events: list[Event] = field(default_factory=list)
    seconds: float = 0.0  #: from the last byte sent to the first event
    ended: float = 0.0  #: to the end of the case

    def __str__(self) -> str:
        return ", ".join(map(str, self.events[:6])) + (", ..." if len(self.events) > 6 else "")


class Listener:
    """Events from the bytes of a connection."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._data = bytearray()
        self._command = bytearray()
        self._context_id = 0
        self._message: Message | None = None

    def next(self, seconds: float) -> Event | None:
        """The next event; None if there is none in time."""
        deadline = time.monotonic() + seconds
        while True:
            event = self._event()
            if event is not None:
                return event
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            self._socket.settimeout(left)
            try:
                piece = self._socket.recv(_PIECE)
            except TimeoutError:
                return None
            except OSError:
                piece = b""
            if not piece:
                return Event("JUNK") if self._data else Event("END")
            self._data += piece

    def _event(self) -> Event | None:
        while len(self._data) >= 6:
            length = int.from_bytes(self._data[2:6], "big")
            if length > 1 << 24:
                return Event("JUNK")
            if len(self._data) < 6 + length:
                return None
            body = bytes(self._data[6 : 6 + length])
            kind = self._data[0]
            del self._data[: 6 + length]
            try:
                event = self._event_of(decode_pdu(kind, body))
            except RemoteProtocolError:
                return Event("JUNK")
            if event is not None:
                return event
        return None

    def _event_of(self, pdu: PDU) -> Event | None:
        for cls, kind in _KINDS.items():
            if isinstance(pdu, cls):
                return Event(kind, pdu)
        if not isinstance(pdu, PDataTF):
            return Event("JUNK", pdu)
        for item in pdu.items:
            if item.is_command:
                self._command += item.fragment
                if item.is_last:
                    self._message, has_data = decode_command(self._command)
                    self._context_id = item.context_id
                    self._command.clear()
                    if not has_data:
                        return self._complete()
            elif item.is_last:
                return self._complete()
        return None

    def _complete(self) -> Event:
        message, self._message = self._message, None
        if message is None:
            return Event("JUNK")
        return self.complete(self._context_id, message)

    def complete(self, context_id: int, message: Message) -> Event:
        """The event of a message."""
        if not isinstance(message, Response):
            return Event("JUNK")
        if message.message_id_being_responded_to == PROBE:
            return Event(
                "ECHO" if message.status == 0 else "RSP", None, None if message.status == 0 else message.status
            )
        return Event("RSP", None, int(message.status))


LAST = ("RJ", "ABORT", "RP", "END", "JUNK")


def play(
    address: tuple[str, int],
    called: str,
    case: Case,
    *,
    patience: float = 3.0,
    timers: float = 0.0,
    absolute: Path = ABSOLUTE,
) -> Observed:
    """Play one case.

    Parameters
    ----------
    patience : float
        Seconds that a peer may take for an answer.
    timers : float
        Seconds of the peer's timers, for the cases that wait for them.
    absolute : Path
        Stands instead of `ABSOLUTE`, and is as long.

    Raises
    ------
    NotApplicable
        If the peer does not accept the presentation contexts that it needs.
    """
    observed = Observed()
    started = time.monotonic()
    within = case.name in _WITHIN
    with socket.create_connection(address, patience) as connection:
        connection.settimeout(patience)
        listener = Listener(connection)
        if within:
            _associate(connection, listener, called, case, patience)
        limit = patience + (timers if case.timer else 0.0)
        pieces = [piece.replace(bytes(ABSOLUTE), bytes(absolute)) for piece in case.play(called)]
        for number, piece in enumerate(pieces):
            if number and piece:
                event = listener.next(limit)
                observed.events.append(event or Event("SILENT"))
            # A byte at a time: within half a second, or beyond the timers where the case is about them.
            pace = (2 * timers if case.timer else 0.5) / max(len(piece), 1) if case.drip else 0.0
            send(connection, piece, pace)
        sent = time.monotonic()
        up = within
        answers = sum(event.kind == "RSP" for event in observed.events)
        while True:
            waits = limit
            if up and not case.timer and answers >= case.answer.messages:
                waits = QUIET
            event = listener.next(waits)
            if event is None:
                if up and not case.timer:
                    break
                observed.events.append(Event("SILENT"))
                break
            observed.seconds = observed.seconds or time.monotonic() - sent
            observed.events.append(event)
            if event.kind in LAST:
                break
            if event.kind == "AC":
                up = True
            answers += event.kind == "RSP" and event.status not in (0xFF00, 0xFF01)
            if up and answers >= case.answer.messages and (event.kind == "AC" or answers):
                break
        if up and not case.timer and (not observed.events or observed.events[-1].kind not in (*LAST, "SILENT")):
            _probe(connection, listener, observed, patience)
    observed.ended = time.monotonic() - started
    return observed


def _associate(connection: socket.socket, listener: Listener, called: str, case: Case, patience: float) -> None:
    connection.sendall(encode_pdu(a_associate_rq(called=called)))
    event = listener.next(patience)
    if event is None or not isinstance(event.pdu, AAssociateAC):
        raise NotApplicable(f"no association: {event}")
    accepted = {context.context_id for context in event.pdu.presentation_contexts if context.result == 0}
    if missing := set(case.needs) - accepted:
        raise NotApplicable(f"presentation contexts {sorted(missing)} are not accepted")


def send(connection: socket.socket, piece: bytes, pace: float = 0.0) -> None:
    """Send a piece; an empty one ends our side.  *pace* is the pause after each byte, in seconds."""
    pause = threading.Event()
    try:
        if not piece:
            connection.shutdown(socket.SHUT_WR)
        elif pace:
            for k in range(len(piece)):
                connection.sendall(piece[k : k + 1])
                pause.wait(pace)
        else:
            connection.sendall(piece)
    except OSError:
        pass  # the peer does not want it: what it says instead is read next


def _probe(connection: socket.socket, listener: Listener, observed: Observed, patience: float) -> None:
    """An echo and a release: whether the association goes on as if nothing had been."""
    answer = next((event.pdu for event in observed.events if isinstance(event.pdu, AAssociateAC)), None)
    echo = answer is None or any(c.context_id == ECHO_ID and c.result == 0 for c in answer.presentation_contexts)
    if echo:
        send(connection, message(ECHO_ID, CEchoRQ(message_id=PROBE)), 0.0)
    while echo:
        event = listener.next(patience)
        observed.events.append(event or Event("SILENT"))
        if event is None or event.kind in LAST:
            return
        if event.kind == "ECHO":
            break
    send(connection, A_RELEASE_RQ, 0.0)
    event = listener.next(patience)
    if event is not None:
        observed.events.append(event)


def echoes(address: tuple[str, int], called: str, seconds: float) -> float | None:
    """The seconds that an ordinary peer needs for an association with one C-ECHO; None if it is not served in time."""
    deadline = time.monotonic() + seconds
    begun = time.monotonic()
    while time.monotonic() < deadline:
        try:
            with socket.create_connection(address, seconds) as connection:
                connection.settimeout(seconds)
                listener = Listener(connection)
                connection.sendall(
                    encode_pdu(a_associate_rq([("1.2.840.10008.1.1", "1.2.840.10008.1.2")], called=called))
                )
                event = listener.next(deadline - time.monotonic())
                if event is None or event.kind != "AC":
                    continue
                observed = Observed()
                _probe(connection, listener, observed, deadline - time.monotonic())
                if observed.events and observed.events[0].kind == "ECHO":
                    return time.monotonic() - begun
        except OSError:
            threading.Event().wait(0.05)
    return None
