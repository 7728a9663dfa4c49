"""A script against a live peer: whole PDUs over one connection, said and heard in turn (PS3.8 9.3, PS3.7 6.3)."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from struct import Struct

from nbdicom.blocking.transport import Transport
from nbdicom.core import pdu as p
from nbdicom.core.command import COMMAND_DICTIONARY, Message, Request, Response, annotate_command, decode_command
from nbdicom.errors import RemoteProtocolError
from nbdicom.playback.script import Turn
from nbdicom.trace.arrows import Arrow
from nbdicom.trace.pdvs import joined
from nbdicom.uids import UID

__all__ = ["Player", "Wire"]

_HEADER = Struct(">BBIIBB")
_MOST_PDU = 64 << 20  #: bytes of one PDU that a live peer may send us
_LINGER = 2.0  #: seconds to let the peer close first
_P_DATA_TF = p.PDataTF.pdu_type
_IMPLICIT = UID("1.2.840.10008.1.2")
_MESSAGE_ID = {COMMAND_DICTIONARY[name][0] for name in ("message_id", "message_id_being_responded_to")}


class Departure(Exception):
    """The live peer does otherwise than the recorded one; *release*: by asking for the release."""

    def __init__(self, words: str, *, release: bool = False) -> None:
        super().__init__(words)
        self.end: p.PDU = p.AReleaseRP() if release else p.AAbort(source=p.AbortSource.SERVICE_USER)


@dataclass(slots=True)
class _Heard:
    """A control PDU or a whole message of the live peer."""

    name: str
    pdu: p.PDU | None = None
    message: Message | None = None
    context_id: int = 0


class Wire:
    """Whole PDUs over one connection, each within a deadline."""

    def __init__(self, transport: Transport, timeout: float) -> None:
        self._transport = transport
        self._timeout = timeout
        self._buffer = bytearray()
        self._view = memoryview(bytearray(1 << 16))

    def say(self, data: bytes) -> None:
        """Write all of *data*."""
        rest = memoryview(data)
        deadline = time.monotonic() + self._timeout
        while rest:
            taken = self._transport.write([rest])
            rest = rest[taken:]
            if not taken and not self._transport.wait(deadline, read=False, write=True):
                raise Departure("the peer reads nothing")

    def hear(self) -> bytes:
        """The next PDU; empty at the end of the stream."""
        deadline = time.monotonic() + self._timeout
        while True:
            if len(self._buffer) >= 6:
                length = 6 + int.from_bytes(self._buffer[2:6], "big")
                if length > _MOST_PDU:
                    raise Departure(f"a PDU of {length} bytes")
                if len(self._buffer) >= length:
                    whole = bytes(self._buffer[:length])
                    del self._buffer[:length]
                    return whole
            if not self._transport.wait(deadline):
                raise Departure(f"nothing for {self._timeout:g} s")
            size = self._transport.read(self._view)
            if size == 0:
                return b""
            self._buffer += self._view[: size or 0]

    def leave(self) -> None:
        """Wait for the peer to close, a moment, and close."""
        self._transport.finish()
        deadline = time.monotonic() + min(self._timeout, _LINGER)
        with contextlib.suppress(OSError):
            while self._transport.wait(deadline) and self._transport.read(self._view) != 0:
                pass
        self._transport.close()


@dataclass
class Player:
    """Plays one side of one recorded connection against a live peer."""

    turns: tuple[Turn, ...]
    wire: Wire
    called: str = ""  #: requestor: the AE title to call instead of the recorded one
    played: int = 0
    contexts: dict[int, int] = field(default_factory=dict)  #: recorded context ID -> that of the live association
    message_ids: dict[int, int] = field(default_factory=dict)  #: recorded Message ID of the peer -> its live one
    most: int = 0  #: maximum length that the live peer announced; 0 is no limit
    live: p.AAssociateRQ | None = None  #: acceptor: what the live requestor proposes
    recorded: p.AAssociateRQ | None = None  #: acceptor: what the recorded one proposed

    def play(self) -> str:
        """Follow the script; returns what went otherwise, or nothing."""
        try:
            for turn in self.turns:
                if turn.say:
                    self._say(turn.arrow)
                else:
                    self._hear(turn.arrow)
                self.played += 1
        except Departure as departure:
            self.give_up(departure.end)
            return str(departure)
        except RemoteProtocolError as error:
            self.give_up(p.AAbort(source=p.AbortSource.SERVICE_PROVIDER, reason_diag=error.reason_diag))
            return error.message
        except OSError as error:
            return f"the connection broke: {error.strerror}"
        finally:
            self.wire.leave()
        return ""

    def give_up(self, end: p.PDU) -> None:
        """Say *end* and nothing more."""
        with contextlib.suppress(OSError, Departure):
            self.wire.say(p.encode_pdu(end))

    # --------------------------------------------------------------------------- say

    def _say(self, arrow: Arrow) -> None:
        if arrow.message is not None:
            for piece in self._message(arrow):
                self.wire.say(piece)
            return
        whole = b"".join(event.data for event in arrow.pdus)
        if arrow.name == p.AAssociateRQ.name and self.called:
            rq = p.decode_pdu(whole[0], whole[6:])
            assert isinstance(rq, p.AAssociateRQ)
            if rq.called_ae_title != self.called:
                whole = p.encode_pdu(replace(rq, called_ae_title=self.called))
        elif arrow.name == p.AAssociateAC.name:
            whole = self._accept(whole)
        self.wire.say(whole)

    def _accept(self, whole: bytes) -> bytes:
        """The recorded A-ASSOCIATE-AC for what the live requestor proposes."""
        answer = p.decode_pdu(whole[0], whole[6:])
        assert isinstance(answer, p.AAssociateAC) and self.live is not None and self.recorded is not None
        if self.live.presentation_contexts == self.recorded.presentation_contexts:
            self.contexts = {c.context_id: c.context_id for c in answer.presentation_contexts}
            return whole
        proposed = {c.context_id: c for c in self.recorded.presentation_contexts}
        free = {c.context_id: c for c in self.live.presentation_contexts}
        answers: dict[int, p.PresentationContextAC] = {}
        for recorded in answer.presentation_contexts:
            wanted = proposed.get(recorded.context_id)
            like = next((c for c in free.values() if wanted is not None and _serves(c, wanted, recorded)), None)
            if like is not None:
                del free[like.context_id]
                self.contexts[recorded.context_id] = like.context_id
                answers[like.context_id] = replace(recorded, context_id=like.context_id)
        for context in free.values():
            syntax = p.TransferSyntaxItem(transfer_syntax_name=(context.transfer_syntaxes or (_IMPLICIT,))[0])
            answers[context.context_id] = p.PresentationContextAC(
                context_id=context.context_id, result=p.ContextResult.ABSTRACT_SYNTAX_NOT_SUPPORTED, items=(syntax,)
            )
        others = [item for item in answer.items if not isinstance(item, p.PresentationContextAC)]
        in_order = [answers[number] for number in sorted(answers)]
        items = (*others[:1], *in_order, *others[1:])
        return p.encode_pdu(replace(answer, items=items))

    def _message(self, arrow: Arrow) -> Iterator[bytes]:
        """The PDUs of a message, as recorded where the live peer allows it."""
        assert arrow.context_id is not None
        context_id = self.contexts.get(arrow.context_id)
        if context_id is None:
            raise Departure(f"presentation context {arrow.context_id} of the recording is not accepted here")
        parts = joined(arrow.pdus)
        command = self._renumbered(parts.command, arrow.message)
        fits = not self.most or all(event.length - 6 <= self.most for event in arrow.pdus)
        if fits and context_id == arrow.context_id and command == parts.command:
            yield from (event.data for event in arrow.pdus)
            return
        yield from _fragments(context_id, command, 1, self.most)
        if parts.data_length:
            yield from _fragments(context_id, parts.data, 0, self.most)

    def _renumbered(self, command: bytes, message: Message | None) -> bytes:
        """A response answers the live Message ID; so does a C-CANCEL."""
        if not isinstance(message, Response):
            return command
        live = self.message_ids.get(message.message_id_being_responded_to)
        return command if live is None else _with_message_id(command, live)

    # --------------------------------------------------------------------------- hear

    def _hear(self, arrow: Arrow) -> None:
        heard = self._next()
        if heard.name != arrow.name:
            words = ""
            if isinstance(heard.pdu, p.AAssociateRJ):
                words = f": {p.reject_in_words(int(heard.pdu.result), int(heard.pdu.source), heard.pdu.reason_diag)}"
            elif isinstance(heard.pdu, p.AAbort):
                words = f" by the {p.abort_in_words(int(heard.pdu.source), heard.pdu.reason_diag)}"
            raise Departure(f"{heard.name}{words} instead of {arrow.name}", release=isinstance(heard.pdu, p.AReleaseRQ))
        if isinstance(heard.pdu, p.AAssociateRQ):
            self.live = heard.pdu
            recorded = p.decode_pdu(arrow.pdus[0].pdu_type, arrow.pdus[0].data[6:])
            self.recorded = recorded if isinstance(recorded, p.AAssociateRQ) else heard.pdu
            self.most = _maximum(heard.pdu.user_information)
        elif isinstance(heard.pdu, p.AAssociateAC):
            self.most = _maximum(heard.pdu.user_information)
            self.contexts = {
                c.context_id: c.context_id
                for c in heard.pdu.presentation_contexts
                if c.result == p.ContextResult.ACCEPTANCE
            }
            self._same_syntaxes(arrow, heard.pdu)
        elif heard.message is not None:
            self._same_message(arrow, heard)

    def _same_syntaxes(self, arrow: Arrow, live: p.AAssociateAC) -> None:
        recorded = p.decode_pdu(arrow.pdus[0].pdu_type, arrow.pdus[0].data[6:])
        assert isinstance(recorded, p.AAssociateAC)
        now = {c.context_id: c for c in live.presentation_contexts}
        for context in recorded.presentation_contexts:
            if context.result != p.ContextResult.ACCEPTANCE:
                continue
            answer = now.get(context.context_id)
            if answer is not None and answer.result == context.result:
                if answer.transfer_syntax != context.transfer_syntax:
                    names = [UID(c.transfer_syntax or "").name for c in (answer, context)]
                    raise Departure(f"context {context.context_id} accepted with {names[0]} instead of {names[1]}")

    def _same_message(self, arrow: Arrow, heard: _Heard) -> None:
        mine, theirs = arrow.message, heard.message
        if isinstance(mine, Response) and isinstance(theirs, Response) and int(mine.status) != int(theirs.status):
            raise Departure(f"{theirs.name} with {theirs.status} instead of {mine.status}")
        for name in ("affected_sop_class_uid", "requested_sop_class_uid"):
            before, now = getattr(mine, name, None), getattr(theirs, name, None)
            if isinstance(mine, Request) and before != now:
                raise Departure(f"{heard.name} for {UID(now or '').name} instead of {UID(before or '').name}")
        if isinstance(mine, Request) and isinstance(theirs, Request):
            self.message_ids[mine.message_id] = theirs.message_id

    def _next(self) -> _Heard:
        """The next control PDU, or the next message whole."""
        parts: dict[bool, bytearray] = {True: bytearray(), False: bytearray()}
        heard: _Heard | None = None
        has_data = False
        while True:
            data = self.wire.hear()
            if not data:
                return _Heard("the end of the connection")
            if data[0] not in p.PDU_TYPES:
                return _Heard(p.pdu_name(data[0]))
            if data[0] != _P_DATA_TF:
                return _Heard(p.pdu_name(data[0]), p.decode_pdu(data[0], data[6:]))
            decoded = p.decode_pdu(data[0], data[6:])
            assert isinstance(decoded, p.PDataTF)
            for value in decoded.items:
                parts[value.is_command] += value.fragment
                if value.is_command and value.is_last:
                    message, has_data = decode_command(parts[True])
                    heard = _Heard(message.name, message=message, context_id=value.context_id)
                elif value.is_last:
                    has_data = False
            if heard is not None and not has_data:
                return heard


def _serves(live: p.PresentationContextRQ, wanted: p.PresentationContextRQ, answer: p.PresentationContextAC) -> bool:
    """Whether the recorded answer can be given to this proposal."""
    if live.abstract_syntaxes != wanted.abstract_syntaxes:
        return False
    accepted = answer.result == p.ContextResult.ACCEPTANCE
    return not accepted or answer.transfer_syntax in live.transfer_syntaxes


def _maximum(info: p.UserInformation) -> int:
    item = info.first(p.MaximumLength)
    return item.maximum_length_received if item is not None else 0


def _with_message_id(command: bytes, message_id: int) -> bytes:
    changed = bytearray(command)
    for span in annotate_command(command):
        if int.from_bytes(command[span.start + 2 : span.start + 4], "little") in _MESSAGE_ID:
            changed[span.start + 8 : span.start + 10] = message_id.to_bytes(2, "little")
    return bytes(changed)


def _fragments(context_id: int, data: bytes, header: int, most: int) -> Iterator[bytes]:
    size = ((most - 6) & ~1) if most else 1 << 16
    for start in range(0, max(len(data), 1), size):
        piece = data[start : start + size]
        last = 2 if start + size >= len(data) else 0
        yield _HEADER.pack(_P_DATA_TF, 0, len(piece) + 6, len(piece) + 2, context_id, header | last) + piece
