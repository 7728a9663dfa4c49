"""What the tests of operations drive them with: a codec of JSON, instances in memory, and a driver made of asserts."""

from __future__ import annotations

import json

from nbdicom.config import OperationsWindow
from nbdicom.core.command import Message
from nbdicom.core.dimse import Received
from nbdicom.core.negotiation import NegotiatedContext, Negotiation
from nbdicom.core.streams import BytesSource
from nbdicom.errors import DataSetError
from nbdicom.operations.effects import Call, Deliver, Effect, Operation, Receive, Send
from nbdicom.uids import UID

IMPLICIT, EXPLICIT, JPEG = UID("1.2.840.10008.1.2"), UID("1.2.840.10008.1.2.1"), UID("1.2.840.10008.1.2.4.70")
VERIFICATION, CT, MR = UID("1.2.840.10008.1.1"), UID("1.2.840.10008.5.1.4.1.1.2"), UID("1.2.840.10008.5.1.4.1.1.4")
STUDY_FIND, STUDY_MOVE, STUDY_GET = (UID(f"1.2.840.10008.5.1.4.1.2.2.{k}") for k in (1, 2, 3))


class JSONCodec:
    """Data sets as JSON: enough for operations, which never look inside."""

    def encode(self, value: object, transfer_syntax: str) -> bytes:
        return value if isinstance(value, bytes) else json.dumps(value).encode()

    def decode(self, data: bytes, transfer_syntax: str) -> object:
        try:
            return json.loads(data)
        except ValueError as error:
            raise DataSetError("no JSON") from error

    def convertible(self, source: str, target: str) -> bool:
        return source == target or {source, target} <= {IMPLICIT, EXPLICIT}


CODEC = JSONCodec()


class Source(BytesSource):
    """A data source that counts how often it was closed."""

    closed = 0

    def close(self) -> None:
        self.closed += 1


class Instance:
    """A SOP Instance to send; *error* is what opening it raises."""

    def __init__(
        self, number: int, *, sop_class: UID = CT, transfer_syntax: UID = IMPLICIT, error: Exception | None = None
    ) -> None:
        self.sop_class_uid = sop_class
        self.sop_instance_uid = UID(f"1.2.3.{number}")
        self.transfer_syntax = transfer_syntax
        self.error = error
        self.opened: list[tuple[UID, Source]] = []

    def open(self, transfer_syntax: UID) -> Source:
        if self.error is not None:
            raise self.error
        source = Source(b"data of " + self.sop_instance_uid.encode())
        self.opened.append((transfer_syntax, source))
        return source


class Hand:
    """Drives an operation effect by effect."""

    def __init__(self, operation: Operation) -> None:
        self.operation = operation
        self.result: object = None
        self.ended = False
        self.effect: Effect | None = self._run(None)

    def _run(self, answer: object, error: BaseException | None = None) -> Effect | None:
        try:
            return self.operation.send(answer) if error is None else self.operation.throw(error)
        except StopIteration as stop:
            self.ended, self.result = True, stop.value
            return None

    def answer(self, value: object = None) -> None:
        self.effect = self._run(value)

    def fail(self, error: BaseException) -> None:
        self.effect = self._run(None, error)

    def sends(self, kind: type[Message], message_id: int | None = 1) -> Send:
        """The operation sends a message of this kind; it gets *message_id*."""
        assert isinstance(self.effect, Send), self.effect
        assert type(self.effect.message) is kind
        sent = self.effect
        self.answer(message_id)
        return sent

    def receives(self, message: Message | object, data: bytes | None = None) -> None:
        """The operation waits; it gets *message*."""
        assert isinstance(self.effect, Receive), self.effect
        self.answer(Received(context(), message, data) if isinstance(message, Message) else message)

    def delivers(self) -> object:
        assert isinstance(self.effect, Deliver), self.effect
        value = self.effect.value
        self.answer()
        return value

    def calls(self) -> None:
        """The operation calls something; it is called."""
        assert isinstance(self.effect, Call), self.effect
        try:
            value = self.effect.function(*self.effect.args)
        except Exception as error:
            self.fail(error)
        else:
            self.answer(value)


def context(abstract_syntax: UID = CT, context_id: int = 1, syntax: UID = IMPLICIT) -> NegotiatedContext:
    return NegotiatedContext(
        context_id=context_id, abstract_syntax=abstract_syntax, proposed=(syntax,), result=0, transfer_syntax=syntax
    )


def negotiation(*contexts: NegotiatedContext, window: int = 1) -> Negotiation:
    return Negotiation(
        calling_ae_title="SCU",
        called_ae_title="SCP",
        requestor=True,
        contexts=contexts or (context(),),
        window=OperationsWindow(invoked=window, performed=1),
    )
