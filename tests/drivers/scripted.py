"""Peers that follow a script: one end of a connection, played byte by byte or PDU by PDU.

No peer waits for anything longer than `LIMIT`; a script that fails (an assert, a peer that is silent) fails the test that
started it.
"""

from __future__ import annotations

import selectors
import socket
import struct
import threading
import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeVar

from nbdicom.blocking import Association, associate
from nbdicom.config import OperationsWindow, Timeouts
from nbdicom.core.command import (
    CCancelRQ,
    CEchoRQ,
    CEchoRSP,
    CFindRQ,
    CStoreRQ,
    Message,
    Request,
    decode_command,
    encode_command,
    response_class,
)
from nbdicom.core.negotiation import ContextLike, PresentationContext, Proposal, Support, context_of, negotiate, propose
from nbdicom.core.pdu import (
    PDU,
    AAbort,
    AAssociateAC,
    AAssociateRQ,
    AReleaseRP,
    AReleaseRQ,
    PDataTF,
    PresentationDataValue,
    decode_pdu,
    encode_pdu,
)
from nbdicom.core.streams import BytesSource
from nbdicom.errors import AssociationError
from nbdicom.status import Status
from nbdicom.uids import UID

LIMIT = (
    30.0  #: seconds that a scripted peer waits for anything: what works takes none of them, however slow the machine is
)
#: no timer ends anything here before the peer does
FAST = Timeouts(
    connect=LIMIT, association=LIMIT, artim=LIMIT, network=LIMIT, dimse=LIMIT, idle=2 * LIMIT, cancel=LIMIT, release=LIMIT,
    closing=0.02,
)  # fmt: skip

IMPLICIT, EXPLICIT = UID("1.2.840.10008.1.2"), UID("1.2.840.10008.1.2.1")
VERIFICATION, CT, MR = UID("1.2.840.10008.1.1"), UID("1.2.840.10008.5.1.4.1.1.2"), UID("1.2.840.10008.5.1.4.1.1.4")
FIND, MOVE, GET = (UID(f"1.2.840.10008.5.1.4.1.2.2.{number}") for number in (1, 2, 3))
#: one context for each service: Message IDs and contexts 1, 3, 5, 7, 9 in this order
CONTEXTS: list[ContextLike] = [
    (VERIFICATION, IMPLICIT),
    (FIND, IMPLICIT),
    (MOVE, IMPLICIT),
    (GET, IMPLICIT),
    PresentationContext(CT, (IMPLICIT,), True, True),
]
ECHO_ID, FIND_ID, MOVE_ID, GET_ID, STORE_ID = 1, 3, 5, 7, 9

A_ABORT_USER = bytes.fromhex("07 00 00000004 0000 00 00")
A_RELEASE_RQ = bytes.fromhex("05 00 00000004 00000000")
A_RELEASE_RP = bytes.fromhex("06 00 00000004 00000000")


def a_abort(reason_diag: int) -> bytes:
    """A-ABORT of the service provider (PS3.8 Table 9-26)."""
    return bytes.fromhex("07 00 00000004 0000 02") + bytes([reason_diag])


def a_associate_rj(result: int, source: int, reason_diag: int) -> bytes:
    """A-ASSOCIATE-RJ (PS3.8 Table 9-21)."""
    return bytes.fromhex("03 00 00000004 00") + bytes([result, source, reason_diag])


def a_associate_rq(
    contexts: Iterable[ContextLike] = (), *, called: str = "SCP", calling: str = "SCU", maximum: int = 0, **changes: Any
) -> AAssociateRQ:
    """An A-ASSOCIATE-RQ, by default for `CONTEXTS`."""
    given = tuple(map(context_of, contexts or CONTEXTS))
    return propose(
        Proposal(
            called_ae_title=called, calling_ae_title=calling, contexts=given, max_length_received=maximum, **changes
        )
    )


def accept_all(rq: AAssociateRQ, *, maximum: int = 16_384, window: OperationsWindow | None = None) -> AAssociateAC:
    """An A-ASSOCIATE-AC that accepts what is proposed."""
    offered = [(context.abstract_syntaxes[0], context.transfer_syntaxes) for context in rq.presentation_contexts]
    support = Support.of(offered, max_length_received=maximum)
    if window is not None:
        support = Support(contexts=support.contexts, max_length_received=maximum, window=window)
    return negotiate(rq, support)[0]


def pdv(context_id: int, header: int, fragment: bytes) -> PresentationDataValue:
    return PresentationDataValue(context_id=context_id, message_control_header=header, fragment=fragment)


def p_data(*items: PresentationDataValue) -> bytes:
    return encode_pdu(PDataTF(items=items))


def message(context_id: int, command: Message, data: bytes | None = None, *, fragment: int = 16_000) -> bytes:
    """All the P-DATA-TF PDUs of a DIMSE message."""
    pdus = [p_data(pdv(context_id, 3, encode_command(command, data_set=data is not None)))]
    if data is not None:
        starts = range(0, max(len(data), 1), fragment)
        pdus += [
            p_data(pdv(context_id, 2 if start == starts[-1] else 0, data[start : start + fragment])) for start in starts
        ]
    return b"".join(pdus)


def echo_rq(message_id: int = 1) -> bytes:
    return message(ECHO_ID, CEchoRQ(message_id=message_id))


def store_rq(data: bytes | None = b"data", *, message_id: int = 1, sop_class: UID = CT) -> bytes:
    return message(
        STORE_ID,
        CStoreRQ(message_id=message_id, affected_sop_class_uid=sop_class, affected_sop_instance_uid=UID("1.2.3")),
        data,
    )


def find_rq(message_id: int = 1) -> bytes:
    return message(FIND_ID, CFindRQ(message_id=message_id, affected_sop_class_uid=FIND), b"")


def cancel_rq(message_id: int = 1, context_id: int = FIND_ID) -> bytes:
    return message(context_id, CCancelRQ(message_id_being_responded_to=message_id))


PDUT = TypeVar("PDUT", bound=PDU)
MessageT = TypeVar("MessageT", bound=Message)


@dataclass
class Arrived:
    """A DIMSE message that a scripted peer read."""

    context_id: int
    message: Any
    data: bytes | None


class Wire:
    """One end of a connection."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        connection.settimeout(LIMIT)

    @classmethod
    def connect(cls, address: tuple[str, int]) -> Wire:
        return cls(socket.create_connection(address, LIMIT))

    @classmethod
    def connect_from(cls, host: str, address: tuple[str, int]) -> Wire:
        """Connect from another address of the loopback network."""
        return cls(socket.create_connection(address, LIMIT, source_address=(host, 0)))

    @classmethod
    def associated_from(cls, host: str, address: tuple[str, int]) -> Wire:
        """`associated` from another address of the loopback network."""
        wire = cls.connect_from(host, address)
        wire.send(a_associate_rq())
        wire.expect(AAssociateAC)
        return wire

    @classmethod
    def associated(cls, address: tuple[str, int], rq: AAssociateRQ | None = None) -> Wire:
        """Connect, and establish an association for `CONTEXTS`."""
        wire = cls.connect(address)
        try:
            wire.send(rq or a_associate_rq())
            wire.expect(AAssociateAC)
        except BaseException:
            wire.close()
            raise
        return wire

    def send(self, *pieces: bytes | PDU) -> None:
        self.socket.sendall(b"".join(piece if isinstance(piece, bytes) else encode_pdu(piece) for piece in pieces))

    def exactly(self, size: int) -> bytes:
        """The next *size* bytes, or fewer at the end of the stream."""
        data = bytearray()
        while len(data) < size and (piece := self.socket.recv(min(size - len(data), 1 << 20))):
            data += piece
        return bytes(data)

    def pdu(self) -> PDU | None:
        """The next PDU; None at the end of the stream."""
        header = self.exactly(6)
        if not header:
            return None
        assert len(header) == 6, f"the stream ends inside a PDU header: {header.hex()}"
        length = int.from_bytes(header[2:], "big")
        body = self.exactly(length)
        assert len(body) == length, f"the stream ends inside a PDU of type {header[0]:02X}H"
        return decode_pdu(header[0], body)

    def expect(self, kind: type[PDUT]) -> PDUT:
        pdu = self.pdu()
        assert isinstance(pdu, kind), f"{kind.__name__} expected, {pdu} received"
        return pdu

    def message(self) -> Arrived:
        """The next DIMSE message."""
        command, data, whole = bytearray(), bytearray(), False
        has_data = context_id = None
        while not whole:
            for item in self.expect(PDataTF).items:
                context_id = item.context_id
                if item.is_command:
                    command += item.fragment
                    if item.is_last:
                        decoded, has_data = decode_command(command)
                        whole = not has_data
                else:
                    data += item.fragment
                    whole = item.is_last
        assert context_id is not None
        return Arrived(context_id, decoded, bytes(data) if has_data else None)

    def request(self, kind: type[MessageT]) -> Arrived:
        """The next message, which is a *kind*."""
        arrived = self.message()
        assert isinstance(arrived.message, kind), f"{kind.__name__} expected, {arrived.message} received"
        return arrived

    def answer(self, arrived: Arrived, status: int, data: bytes | None = None, **fields: Any) -> None:
        """A response to *arrived*."""
        assert isinstance(arrived.message, Request)
        response = response_class(type(arrived.message))(
            message_id_being_responded_to=arrived.message.message_id, status=Status(status), **fields
        )
        self.send(message(arrived.context_id, response, data))

    def echo(self, message_id: int = 77) -> None:
        """A C-ECHO that succeeds: the association works."""
        self.send(echo_rq(message_id))
        response = self.request(CEchoRSP).message
        assert (response.status, response.message_id_being_responded_to) == (0, message_id)

    def release(self) -> None:
        """Release as the requestor, to the end of the stream."""
        self.send(A_RELEASE_RQ)
        assert self.rest() == A_RELEASE_RP
        self.close()

    def released(self) -> None:
        """Be released."""
        self.expect(AReleaseRQ)
        self.send(AReleaseRP())

    def aborted(self) -> bytes:
        """Read to the end; the bytes of the A-ABORT that comes last.  Other PDUs may come before it."""
        last: PDU | None = None
        while (pdu := self.pdu()) is not None:
            last = pdu
        assert isinstance(last, AAbort), f"A-ABORT expected, {last} received"
        return encode_pdu(last)

    def rest(self) -> bytes:
        """Everything up to the end of the stream."""
        data = bytearray()
        while piece := self.socket.recv(1 << 20):
            data += piece
        return bytes(data)

    def finish(self) -> None:
        """Nothing more will be sent."""
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Close with RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def wait_until_ended(wires: Iterable[Wire], count: int) -> None:
    """Wait until so many of these connections have come to their end, without a word; whichever they are."""
    with selectors.DefaultSelector() as selector:
        for wire in wires:
            selector.register(wire.socket, selectors.EVENT_READ, wire)
        while count > 0:
            ready = selector.select(LIMIT)
            assert ready, f"{count} more connections ought to end"
            for key, _ in ready:
                assert key.data.rest() == b""
                selector.unregister(key.fileobj)
                count -= 1


class Scripted:
    """An acceptor that plays one script for each connection, in their order.

    A script gets the `Wire` after the association is established, unless *associated* is False.  The connection is closed
    when the script returns.
    """

    def __init__(self, *scripts: Callable[[Wire], None], associated: bool = True, **accepting: Any) -> None:
        self._scripts = scripts
        self._associated = associated
        self._accepting = accepting
        self._error: BaseException | None = None
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(LIMIT)
        self.address: tuple[str, int] = self._listener.getsockname()
        self.rq: AAssociateRQ | None = None
        self._thread = threading.Thread(target=self._run, name="scripted acceptor")

    def _run(self) -> None:
        try:
            for script in self._scripts:
                with Wire(self._listener.accept()[0]) as wire:
                    if self._associated:
                        self.rq = wire.expect(AAssociateRQ)
                        wire.send(accept_all(self.rq, **self._accepting))
                    script(wire)
        except BaseException as error:
            self._error = error

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._thread.join(2 * LIMIT)
        self._listener.close()
        assert not self._thread.is_alive(), "the scripted acceptor hangs"
        if self._error is not None:
            raise self._error


#: what `dial` opened, so that a test that fails leaves nothing to the next one
DIALED: weakref.WeakSet[Association] = weakref.WeakSet()


Dial = Callable[..., Any]  #: the fixture `dial`: an association of either driver
Serve = Callable[..., Any]  #: the fixture `serve`: a server of either driver


def dial(address: tuple[str, int], **changes: Any) -> Association:
    """An association with `CONTEXTS` and short timeouts."""
    given: dict[str, Any] = {"called": "SCP", "calling": "SCU", "contexts": CONTEXTS, "timeouts": FAST, **changes}
    association = associate(address, **given)
    DIALED.add(association)
    return association


def served(address: tuple[str, int], *, by: Dial | None = None, **changes: Any) -> None:
    """Somebody calls, is answered, and goes.

    Where the timers of the server are short they may end this, too: a machine that stands still for a second calls again.
    """
    for _ in range(20):
        try:
            with (by or dial)(address, **changes) as association:
                assert association.echo() == 0
                return
        except AssociationError:
            pass
    raise AssertionError("nobody is served any more")


def when_waiting(association: Association, act: Callable[[], object], *, number: int = 1) -> None:
    """Call *act* when the association waits for its peer the *number*-th time from now, just before the system call.

    At this point nothing is read or written: what *act* raises is what a signal would raise there.
    """
    transport = association._driver.transport
    calls = 0
    if not hasattr(transport, "_poll"):  # the asyncio driver
        driver: Any = association._driver
        news = driver._news

        async def counted(deadline: float | None) -> None:
            nonlocal calls
            calls += 1
            if calls == number:
                act()
            await news(deadline)

        driver._news = counted
        return

    def counting(wait: Any) -> Any:
        def waits(*args: Any) -> Any:
            nonlocal calls
            if args[0] != 0:  # a question that does not wait
                calls += 1
                if calls == number:
                    act()
            return wait(*args)

        return waits

    transport._poll = counting(transport._poll)  # type: ignore[method-assign]
    transport.receive = counting(transport.receive)  # type: ignore[method-assign]


# ------------------------------------------------------------------------------- data sets


class Instance:
    """A SOP Instance in memory."""

    def __init__(
        self, number: int = 1, data: bytes = b"data", *, sop_class: UID = CT, error: Exception | None = None
    ) -> None:
        self.sop_class_uid = sop_class
        self.sop_instance_uid = UID(f"1.2.3.{number}")
        self.transfer_syntax = IMPLICIT
        self.data = data
        self.error = error
        self.closed = 0
        self.opened = 0

    def open(self, transfer_syntax: UID) -> Any:
        if self.error is not None:
            raise self.error
        self.opened += 1
        return _Source(self)


class _Source(BytesSource):
    def __init__(self, instance: Instance) -> None:
        super().__init__(instance.data)
        self._instance = instance

    def close(self) -> None:
        self._instance.closed += 1


class Zeros:
    """A data set of *size* bytes that costs no memory; as an instance and as its source.

    ``at`` is called with the number of each chunk before it is given.
    """

    transfer_syntax = IMPLICIT
    sop_class_uid = CT

    def __init__(self, size: int, number: int = 1, at: Callable[[int], None] = lambda chunk: None) -> None:
        self.size = size
        self.sop_instance_uid = UID(f"1.2.3.{number}")
        self.at = at
        self.opened = self.closed = 0

    def open(self, transfer_syntax: UID) -> Zeros:
        self.opened += 1
        return self

    def chunks(self, size: int) -> Iterable[tuple[bytes, bool]]:
        piece, left, number = bytes(size), self.size, 0
        while left > size:
            self.at(number)
            yield piece, False
            left -= size
            number += 1
        self.at(number)
        yield piece[:left], True

    def close(self) -> None:
        self.closed += 1


class Sink:
    """A data sink that counts; *error* is raised with the first write, *closing* by close."""

    def __init__(self, error: BaseException | None = None, closing: BaseException | None = None) -> None:
        self.size = 0
        self.closed: list[bool] = []
        self._error = error
        self._closing = closing

    def write(self, views: Any) -> None:
        if self._error is not None:
            raise self._error
        self.size += sum(map(len, views))

    def close(self, complete: bool) -> None:
        self.closed.append(complete)
        if self._closing is not None:
            raise self._closing
