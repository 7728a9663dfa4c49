"""What the tests of operations drive them with: a codec of JSON, instances in memory, and a driver made of asserts."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from nbdicom.config import OperationsWindow
from nbdicom.core.command import Message, Request, encode_command
from nbdicom.core.dimse import Received
from nbdicom.core.negotiation import NegotiatedContext, Negotiation
from nbdicom.core.streams import BytesSource
from nbdicom.errors import DataSetError
from nbdicom.operations.effects import END, Call, Deliver, Effect, Next, Operation, Receive, Send
from nbdicom.operations.handlers import Handlers
from nbdicom.operations.performing import Link
from nbdicom.operations.requests import Refuse, StorableInstance
from nbdicom.operations.scp import perform
from nbdicom.status import Status
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

    def instance(self, item: Any) -> StorableInstance:
        if not hasattr(item, "sop_instance_uid"):
            raise DataSetError(f"{item} is no instance")
        made: StorableInstance = item
        return made


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

    def receives(self, message: Message | object, data: bytes | None = None, *, syntax: UID = IMPLICIT) -> None:
        """The operation waits; it gets *message*, in a context of this transfer syntax."""
        assert isinstance(self.effect, Receive), self.effect
        self.answer(Received(context(syntax=syntax), message, data) if isinstance(message, Message) else message)

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


@dataclass
class Acceptor:
    """The driver of an operation, and what became visible of it.

    ``answers`` are the messages for its Receives; ``at_send`` is called with the number of each message sent, so that a test
    can cancel or break the association at that moment.
    """

    handlers: Handlers
    destination: Callable[..., Any] | None = None
    contexts: tuple[NegotiatedContext, ...] = ()
    answers: list[Any] = field(default_factory=list)
    at_send: Callable[[int], None] = lambda number: None
    sent: list[Send] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)
    stored: list[Status] = field(default_factory=list)
    opened: list[tuple[Any, ...]] = field(default_factory=list)

    def link(self) -> Link:
        def associate(*args: Any) -> Any:
            self.opened.append(args)
            assert self.destination is not None
            return self.destination(*args)

        return Link(
            negotiation=negotiation(*self.contexts),
            peer="127.0.0.1:40000",
            codec=CODEC,
            handlers=self.handlers,
            associate=associate,
            failed=lambda request, error: self.failures.append(error),
            stored=lambda received, status: self.stored.append(status),
        )

    def perform(self, received: Received) -> None:
        self.drive(perform(self.link(), received))

    def drive(self, operation: Operation) -> None:
        """Serve effects as a driver does: what a Call, a Next or a Send raises is thrown into the operation."""
        answer, error = None, None
        while True:
            try:
                effect = operation.send(answer) if error is None else operation.throw(error)
            except StopIteration:
                return
            answer = error = None
            try:
                if isinstance(effect, Send):
                    encode_command(effect.message, data_set=effect.data is not None)
                    self.at_send(len(self.sent))
                    self.sent.append(effect)
                    answer = 1000 + len(self.sent) if isinstance(effect.message, Request) else None
                elif isinstance(effect, Call):
                    answer = effect.function(*effect.args)
                elif isinstance(effect, Next):
                    answer = next(effect.iterator, END)
                else:
                    assert isinstance(effect, Receive)
                    answer = self.answers.pop(0)
                    if isinstance(answer, Exception):
                        raise answer
            except (Exception, SystemExit) as raised:
                error = raised

    @property
    def responses(self) -> list[Any]:
        return [send.message for send in self.sent if not isinstance(send.message, Request)]

    @property
    def statuses(self) -> list[int]:
        return [int(message.status) for message in self.responses]

    @property
    def only(self) -> Any:
        """The one response."""
        (message,) = self.responses
        return message


def cancel(received: Received, when: int) -> Callable[[int], None]:
    """A C-CANCEL request that arrives with message number *when*."""

    def at_send(number: int) -> None:
        if number == when:
            received.cancelled = True

    return at_send


def refuse(status: int, comment: Any = "") -> Callable[[Any], Any]:
    def handler(request: Any) -> Any:
        raise Refuse(status, comment)

    return handler


def fail(error: BaseException) -> Callable[[Any], Any]:
    def handler(request: Any) -> Any:
        raise error

    return handler
