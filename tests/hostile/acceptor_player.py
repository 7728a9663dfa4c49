"""Plays an acceptor's case against a requestor and writes down what it did, and what it told its user."""

from __future__ import annotations

import socket
import time
from pathlib import Path

from nbdicom.core.command import Message, Request, Response
from nbdicom.core.pdu import AAssociateRQ, encode_pdu
from tests.drivers.scripted import A_RELEASE_RP, accept_all
from tests.hostile.acceptors import AcceptorCase, Call
from tests.hostile.answers import Event
from tests.hostile.player import Listener, NotApplicable, Observed, send
from tests.hostile.requestors import Requestor
from tests.hostile.score import LATE, Result

__all__ = ["Stage"]

_END = 30.0  #: seconds after the last event in which a requestor has to have ended
_OVER = ("ABORT", "END", "JUNK", "RP")
_FLOOD = 10.0  #: seconds that an acceptor sends without end


class _FromRequestor(Listener):
    """Events of a requestor: its messages by name."""

    call: Call | None = None
    rq: AAssociateRQ
    absolute: Path

    def complete(self, context_id: int, message: Message) -> Event:
        if isinstance(message, Request) and self.call is None:
            self.call = Call(self.rq, context_id, message, self.absolute)
        return Event(message.name, None, int(message.status) if isinstance(message, Response) else None)


class Stage:
    """A port on which cases are played."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    def close(self) -> None:
        self._listener.close()

    def run_case(self, one: Requestor, case: AcceptorCase, *, patience: float = 3.0) -> Result:
        """Play one case, and see that the requestor ends and can be used again."""
        observed = Observed()
        limit = patience + (2 * one.timers if case.timer else 0.0)
        one.begin(case.service, self.port)
        self._listener.settimeout(patience + _END)
        try:
            connection = self._listener.accept()[0]
        except TimeoutError:
            return Result(case, "died" if one.outcome(0.0) == "died" else "hung", "no connection")
        with connection:
            connection.settimeout(limit)
            try:
                self._play(connection, case, observed, limit, one.absolute)
            except NotApplicable as reason:
                connection.close()
                one.outcome(_END)
                return Result(case, "not applicable", str(reason))
        told = one.outcome(_END)
        flags = one.flags()
        events = observed.events
        if told is None:
            verdict = "hung"
        elif told == "died":
            verdict = "died"
        elif events and events[-1].kind == "SILENT":
            verdict = "silent"
        else:
            verdict = "exact" if case.due.fits(events) else "different"
        if told is not None and told.startswith("crash"):
            flags.append("an exception that is not meant for users")
        if told == "ok" and case.told == "error":
            flags.append("believed it")
        if told is not None and told.startswith("error") and case.told == "ok":
            verdict = "different"
        late = not case.timer and observed.seconds > LATE
        return Result(case, verdict, f"{observed}; told {told}", tuple(flags), late)

    def _play(
        self, connection: socket.socket, case: AcceptorCase, observed: Observed, limit: float, absolute: Path
    ) -> None:
        listener = _FromRequestor(connection)
        listener.absolute = absolute
        first = listener.next(limit)
        if first is None or not isinstance(first.pdu, AAssociateRQ):
            raise NotApplicable(f"no A-ASSOCIATE-RQ: {first}")
        listener.rq = first.pdu
        pace = 0.0
        if case.answer is not None:
            for piece in case.answer(first.pdu):
                pace = 0.5 / max(len(piece), 1) if case.drip else 0.0
                send(connection, piece, pace)
        else:
            send(connection, encode_pdu(accept_all(first.pdu)))
            event = listener.next(limit)
            if event is None or listener.call is None:
                raise NotApplicable(f"no request: {event}")
            self._respond(connection, listener, case, listener.call, observed, limit)
        begun = time.monotonic()
        while not observed.events or observed.events[-1].kind not in _OVER:
            event = listener.next(limit)
            observed.seconds = observed.seconds or time.monotonic() - begun
            if event is not None and event.kind == "C-ECHO-RQ" and case.answer is not None:
                assert listener.call is not None  # the association is as good as any
                send(connection, listener.call.response(0))
                continue
            observed.events.append(event or Event("SILENT"))
            if event is None:
                return
            if event.kind == "RELEASE":
                send(connection, case.release)
                if case.release == A_RELEASE_RP:
                    return

    def _respond(
        self,
        connection: socket.socket,
        listener: _FromRequestor,
        case: AcceptorCase,
        call: Call,
        observed: Observed,
        limit: float,
    ) -> None:
        assert case.pieces is not None
        pieces = case.pieces(call)
        for number, piece in enumerate(pieces):
            if number and piece:
                event = listener.next(limit)
                observed.events.append(event or Event("SILENT"))
                if event is None or event.kind in _OVER:
                    return
            send(connection, piece, 0.5 / max(len(piece), 1) if case.drip else 0.0)
        if not case.endless:
            return
        until = time.monotonic() + _FLOOD
        while (event := listener.next(0.001)) is None and time.monotonic() < until:
            send(connection, pieces[-1])
        observed.events.append(event or Event("SILENT"))
        if event is not None and event.kind == "C-CANCEL-RQ":
            send(connection, call.response(0xFE00))
