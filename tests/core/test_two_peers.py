"""Two peers that keep to the standard, whatever crosses on the way between them: neither ever accuses the other, and
everything that was begun comes to an end (PS3.8 7.2, Table 9-10; PS3.7 9.3.2.3, D.3.3.3).

Hypothesis chooses what both do, in which order, and how many bytes arrive in between.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from nbdicom.config import Limits, OperationsWindow
from nbdicom.core import command as c
from nbdicom.core.association import AssociationCore, Invocation
from nbdicom.core.dimse import Received
from nbdicom.core.machine import Sta
from nbdicom.core.negotiation import Proposal, Support, context_of, negotiate, propose
from nbdicom.core.streams import BytesSource
from nbdicom.core.upper_layer import Role
from nbdicom.errors import AssociationAborted, AssociationReleased
from nbdicom.status import Status
from nbdicom.uids import UID

CT = UID("1.2.840.10008.5.1.4.1.1.2")
GET = UID("1.2.840.10008.5.1.4.1.2.2.3")
CONTEXTS = ("Verification", "CTImageStorage", "StudyRootQueryRetrieveInformationModelGet")
ECHO_ID, STORE_ID, GET_ID = 1, 3, 5
DATA = bytes(range(256)) * 48  # several batches of the shortest fragments


class Side:
    """A core, its wire, and a driver that does one thing at a time, by its rules."""

    def __init__(self, role: Role, clock: Any) -> None:
        self.sinks: list[list[bool]] = []
        self.core = AssociationCore(
            role,
            clock=clock,
            limits=Limits(max_length_received=16),
            artim=30.0,
            open_sink=lambda context, request: self,  # type: ignore[arg-type,return-value]
        )
        self.out = bytearray()
        self.sending: Iterator[list[Any]] | None = None  # a message whose rest has not gone out
        self.invoked: list[Invocation] = []
        self.performing: list[Received] = []
        self.sub_operations: dict[int, Invocation] = {}  # of a C-GET that is performed, by its Message ID
        self.aborted = False

    def write(self, views: Any) -> None:
        """A sink: nothing is kept."""

    def close(self, complete: bool) -> None:
        """A sink: it does not matter."""

    def flush(self) -> None:
        self.out += b"".join(self.core.data_to_send())

    def send(self, context_id: int, message: c.Message, data: bytes | None, invocation: Invocation | None) -> None:
        """As the drivers do: one message at a time, and none on an association that is over."""
        try:
            if self.core.error is None:
                source = None if data is None else BytesSource(data)
                self.sending = iter(self.core.send(context_id, message, source, invocation))
                self.go_on()
                while self.sending is not None and data is not DATA:
                    self.go_on()
        except AssociationReleased:
            self.sending = None

    def go_on(self) -> None:
        """The next batch of what is being sent."""
        if self.sending is not None:
            if self.core.error is not None:
                self.sending = None
                return
            batch = next(self.sending, None)
            if batch is None:
                self.sending = None
            else:
                self.out += b"".join(map(bytes, batch))

    def invoke(self, context_id: int, message: c.Request, data: bytes | None) -> Invocation | None:
        if self.sending is not None or not self.core.is_established or self.core.has_no_room(message):
            return None
        invocation = Invocation()
        self.invoked.append(invocation)
        self.send(context_id, message, data, invocation)
        return invocation

    def do(self, what: str) -> None:
        core = self.core
        if what == "echo":
            self.invoke(ECHO_ID, c.CEchoRQ(), None)
        elif what == "store":
            message = c.CStoreRQ(affected_sop_class_uid=CT, affected_sop_instance_uid=UID("1.2.3"))
            self.invoke(STORE_ID, message, DATA)
        elif what == "get":
            self.invoke(GET_ID, c.CGetRQ(affected_sop_class_uid=GET), b"identifier")
        elif what == "cancel":
            for invocation in self.invoked[-1:]:
                if invocation.outstanding and self.sending is None and core.is_established:
                    cancel = c.CCancelRQ(message_id_being_responded_to=invocation.message_id)
                    self.send(invocation.context_id, cancel, None, None)
        elif what == "begin" and core.requests and core.error is None:
            self.performing.append(core.requests.popleft())
        elif what == "sub-operation":
            self.sub_operation()
        elif what == "answer" and self.performing:
            self.answer(self.performing[0])
        elif what == "go on":
            self.go_on()
        elif what == "release" and core.is_established and self.sending is None:
            core.release()
        elif what == "abort" and core.is_established:
            self.aborted = True
            core.abort()
        self.flush()

    def sub_operation(self) -> None:
        """A C-STORE of the C-GET that is performed; it is not looked first whether the peer has released meanwhile."""
        for received in self.performing:
            message = received.message
            if isinstance(message, c.CGetRQ) and self.sending is None and not self.core.invoked:
                invocation = Invocation()
                self.sub_operations[message.message_id] = invocation
                request = c.CStoreRQ(affected_sop_class_uid=CT, affected_sop_instance_uid=UID("1.2.3"))
                self.send(STORE_ID, request, b"data", invocation)
                return

    def answer(self, received: Received) -> None:
        message = received.message
        assert isinstance(message, c.Request)
        invocation = self.sub_operations.get(message.message_id)
        if self.sending is not None or (invocation and invocation.outstanding and self.core.error is None):
            return  # the sub-operation is waited for
        self.performing.remove(received)
        self.sub_operations.pop(message.message_id, None)
        response = c.response_class(type(message))(
            message_id_being_responded_to=message.message_id, status=Status(0xFE00 if received.cancelled else 0)
        )
        self.send(received.context.context_id, response, None, None)
        self.core.performed(received)

    @property
    def busy(self) -> bool:
        """True while there is something to do; requests that wait are nobody's where the association is over."""
        return bool(self.out or self.sending or self.performing or (self.core.error is None and self.core.performing))

    def finish(self) -> None:
        """Everything that was begun."""
        while self.sending is not None:
            self.go_on()
        while self.core.requests and self.core.error is None:
            self.performing.append(self.core.requests.popleft())
        for received in list(self.performing):
            self.answer(received)
        self.flush()


def deliver(side: Side, other: Side, size: int) -> None:
    """So many bytes of what a side has written arrive at the other."""
    while size and side.out:
        view = other.core.get_buffer()
        piece = bytes(side.out[: min(size, len(view))])
        view[: len(piece)] = piece
        del side.out[: len(piece)]
        size -= len(piece)
        other.core.buffer_updated(len(piece))
        other.flush()


def associated(clock: Any, window: int) -> tuple[Side, Side]:
    a, b = Side(Role.REQUESTOR, clock), Side(Role.ACCEPTOR, clock)
    operations = OperationsWindow(invoked=window, performed=window)
    contexts = tuple(map(context_of, CONTEXTS))
    a.core.request(
        propose(
            Proposal(
                called_ae_title="B", calling_ae_title="A", contexts=contexts, max_length_received=16, window=operations
            )
        )
    )
    a.core.connected()
    b.core.connected()
    a.flush()
    deliver(a, b, 1 << 20)
    assert b.core.associate_rq is not None
    support = Support.of(contexts, max_length_received=16, window=operations)
    b.core.accept(*negotiate(b.core.associate_rq, support))
    b.flush()
    deliver(b, a, 1 << 20)
    assert a.core.is_established and b.core.is_established
    return a, b


VERBS = (
    "echo", "store", "get", "cancel", "begin", "begin", "sub-operation", "answer", "answer", "go on", "go on", "release"
)  # fmt: skip
STEPS = st.lists(
    st.tuples(st.booleans(), st.sampled_from(VERBS) | st.sampled_from((*VERBS, "abort")) | st.integers(1, 300)),
    max_size=60,
)
#: A C-GET is performed, and its next sub-operation meets the release of the peer.
CROSSING = [(True, "get"), (True, 300), (False, "begin"), (True, "release"), (True, 300), (False, "sub-operation")]


@given(STEPS, st.sampled_from((1, 2, 0)))
@example(CROSSING, 1)
@settings(max_examples=300, deadline=None)
def test_whatever_crosses_nobody_is_accused_and_everything_ends(steps: list[tuple[bool, str | int]], window: int) -> None:
    now = [1000.0]
    a, b = associated(lambda: now[0], window)
    released = [False, False]
    for first, step in steps:
        side, other = (a, b) if first else (b, a)
        if isinstance(step, int):
            deliver(side, other, step)
        else:
            before = side.core.state
            side.do(step)
            released[not first] |= step == "release" and before is Sta.STA6 and side.core.state is Sta.STA7
    for _ in range(200):
        for side, other in ((a, b), (b, a)):
            side.finish()
            deliver(side, other, 1 << 20)
            if side.core.close_transport and not side.out and other.core.state is not Sta.STA1:
                other.core.eof_received()
        if not any(one.busy for one in (a, b)):
            break
    for side in (a, b):
        now[0] += 31
        side.core.time_reached(now[0])  # both have aborted: each waits for the other to close
        error = side.core.error
        assert error is None or error.__cause__ is None, error
        assert not side.busy
        if a.aborted or b.aborted:
            assert isinstance(error, AssociationAborted | AssociationReleased) and side.core.state is Sta.STA1
        elif any(released):
            assert isinstance(error, AssociationReleased) and side.core.state is Sta.STA1
        else:
            assert side.core.is_established and not side.core.outstanding
    if released == [True, False] and not (a.aborted or b.aborted or b.invoked or b.sub_operations):
        assert not a.core.outstanding, "what was asked before the release is answered before it"
