"""One association without input or output: upper layer, messages, operations and deadlines as one object.

A driver feeds it bytes and time, writes what it gives, and runs the operations.  `AssociationCore` knows which message
belongs to which operation: responses by their Message ID, requests by arrival.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from nbdicom.config import Limits
from nbdicom.core.command import (
    CCancelRQ,
    CFindRSP,
    CGetRQ,
    CommandWriter,
    Message,
    Request,
    Response,
    SubOperationCounts,
    command_name,
)
from nbdicom.core.dimse import Dimse, OpenSink, Received
from nbdicom.core.events import Aborted, Accepted, Disconnected, Established, Rejected, Released, Requested
from nbdicom.core.machine import Sta
from nbdicom.core.negotiation import Negotiation, conclude
from nbdicom.core.pdu import AAssociateAC, AAssociateRJ, AAssociateRQ, abort_in_words, reject_in_words
from nbdicom.core.quirks import quirks_of_command, quirks_of_message
from nbdicom.core.streams import Buffer, DataSource, MemoryBudget
from nbdicom.core.trace import MessageReceived, MessageSent, Trace, TraceEvent
from nbdicom.core.upper_layer import (
    AbortIndication,
    AssociateConfirmation,
    AssociateIndication,
    Indication,
    PAbortIndication,
    ReleaseConfirmation,
    Role,
    UpperLayer,
)
from nbdicom.errors import (
    AssociationAborted,
    AssociationError,
    AssociationRejected,
    AssociationReleased,
    LocalProtocolError,
    RemoteProtocolError,
)

__all__ = ["AssociationCore", "Invocation"]

_MOST_WAITING = 8192  #: requests, refused ones included, that wait for their turn: one read has room for 7 000
_MOST_OUTSTANDING = 0xFFFF  #: requests: there are no more Message IDs
#: Looked at with every message: in Python 3.11 a member of an enumeration takes 100 ns to be found.
_STA1, _STA6, _STA7, _STA8, _STA13 = Sta.STA1, Sta.STA6, Sta.STA7, Sta.STA8, Sta.STA13
#: We asked for the release: nothing but an A-ABORT may follow (PS3.8 7.2.2).
_RELEASING = (Sta.STA7, Sta.STA9, Sta.STA10, Sta.STA11, Sta.STA12)
_NO_ASSOCIATION = (Sta.STA1, Sta.STA2, Sta.STA4, Sta.STA13)

_REJECT_HINTS = {
    (1, 2): "the peer does not speak the DICOM application context: is it a DICOM application?",
    (1, 3): "register our calling AE title with the peer, or use one that it knows; titles are case-sensitive",
    (1, 7): "ask the peer's administrator for its AE title; titles are case-sensitive",
    (2, 2): "the peer speaks another version of the upper layer protocol",
    (3, 1): "the peer is busy: try again later",
    (3, 2): "the peer has too many associations: close some or try again later",
}
_NO_REASON = ((1, 1), (2, 1))
_ASK = "the peer's log should say why"
_ABORTED = f"{_ASK}; trace=True (--record) records what led to it"
_UNWELCOME = f"some peers abort for callers that they do not know: check both AE titles; {_ASK}"
_ANOTHER = "open a new association for what is left to do"


def _what_to_try(source: int, reason: int, *, identified: bool) -> str:
    """Advice for who was rejected; user identities are refused without a reason (PS3.7 D.3.3.7)."""
    if (source, reason) not in _NO_REASON:
        return _REJECT_HINTS.get((source, reason), _ASK)
    if identified:
        return "the peer may not accept the user identity that we sent; its log should say"
    return (
        "the peer may want a user identity (identity=, --user), serve nothing of what was proposed, or have a rule of its "
        "own; its log should say"
    )


class Invocation:
    """An operation that we invoked, and the responses that wait for it."""

    __slots__ = ("abandoned", "begins", "context_id", "inbox", "message_id", "outstanding", "owner", "piled")

    def __init__(self) -> None:
        self.inbox: deque[Any] = deque()
        self.outstanding = 0  # requests without their final response
        self.message_id = self.context_id = 0  # of the last request, for C-CANCEL
        self.piled = 0  # bytes of data sets that came since the inbox was empty
        self.abandoned = False  # nobody waits any more: late responses are dropped
        self.owner: Any = None  # the thread or task that asked, for the driver
        self.begins: Callable[[], None] | None = None  # called by the driver when there is room for its request


class AssociationCore:
    """The protocol side of one association (PS3.8 7, PS3.7 7).

    Parameters
    ----------
    role : Role
        Requestor or acceptor.
    clock : callable
        Monotonic time in seconds.
    limits : Limits
        Bounds on what the peer may send.
    artim : float
        Seconds of the ARTIM timer.
    pdu_seconds : float, optional
        Seconds from the first byte of a PDU to its last.
    open_sink : callable, optional
        Where data sets of C-STORE requests go.
    memory : MemoryBudget, optional
        What the associations of one server may hold in memory together.
    trace : callable, optional
        Gets every `TraceEvent`.
    """

    def __init__(
        self,
        role: Role,
        *,
        clock: Callable[[], float],
        limits: Limits,
        artim: float,
        pdu_seconds: float | None = None,
        open_sink: OpenSink | None = None,
        memory: MemoryBudget | None = None,
        trace: Trace | None = None,
    ) -> None:
        self.dimse = Dimse(limits, self._message_received, open_sink, self._listen, self._refusal, memory)
        if trace is not None:
            self.dimse.command_seen = self._command_seen
        self.upper_layer = UpperLayer(
            role,
            clock=clock,
            limits=limits,
            artim=artim,
            pdu_seconds=pdu_seconds,
            p_data=self.dimse.fragment,
            fragments=self.dimse.fragments,
            command=self.dimse.command,
            flush=self.dimse.flush,
            heard=self._listen,
            trace=trace,
        )
        self.negotiation: Negotiation | None = None
        self.error: AssociationError | None = None  #: why the association is over, for everybody who waits
        self.associate_rq: AAssociateRQ | None = None  #: acceptor: the request that waits for an answer
        self.requests: deque[Received] = deque()  #: requests of the peer that wait to be performed
        self.messages = 0  #: messages received, so that a driver can tell silence from progress
        self._clock = clock
        self._limits = limits
        self._trace = trace
        self._connected = False  # and nobody was told of the end
        self._rq: AAssociateRQ | None = None
        self._release_waits = False  # the peer's release, for the answers to what it asked before
        self._next_message_id = 1
        self._writer = CommandWriter()
        #: our operations that have no final response yet, by Message ID, and the Command Field of the response
        self.invoked: dict[int, tuple[Invocation, int]] = {}
        self._performing: dict[int, Received] = {}
        # The driver's verbs are those of the upper layer; bound once, they cost no second call.
        self.get_buffer = self.upper_layer.get_buffer
        self.buffer_updated = self.upper_layer.buffer_updated
        self.data_to_send = self.upper_layer.data_to_send
        self.deadline = self.upper_layer.deadline

    # --------------------------------------------------------------------------- bytes and time

    def eof_received(self, error: AssociationError | None = None) -> None:
        """The transport connection is closed; *error* tells more about it than the machine can know."""
        if error is not None:
            self._over(error)
        self.upper_layer.eof_received()
        self._listen()

    def time_reached(self, now: float) -> None:
        """Time has passed."""
        self.upper_layer.time_reached(now)
        self._listen()

    @property
    def close_transport(self) -> bool:
        """True when the driver has to close the connection (after writing what is left to write)."""
        return self.upper_layer.close_transport

    @property
    def is_over(self) -> bool:
        """True when nothing more is to be said, only to be sent and closed (an A-ABORT in Sta2 tells no user of it)."""
        upper_layer = self.upper_layer
        return self.error is not None or upper_layer.close_transport or upper_layer.state is _STA13

    # --------------------------------------------------------------------------- the association

    @property
    def state(self) -> Sta:
        """The state of the upper layer."""
        return self.upper_layer.state

    @property
    def traced(self) -> bool:
        """True if somebody sees the trace events."""
        return self._trace is not None

    @property
    def is_established(self) -> bool:
        """True while operations can be invoked."""
        return self.upper_layer.state is _STA6

    @property
    def receiving(self) -> bool:
        """True in the middle of a PDU or of a message of the peer: more is due without anybody asking."""
        return self.upper_layer.receiving or self.dimse.receiving

    def is_quiet(self, seconds: float) -> bool:
        """True while nothing is half received, and no time runs out within so many seconds: a wait needs no clock."""
        upper_layer = self.upper_layer
        return (
            upper_layer.between
            and self.dimse.context is None
            and (upper_layer.artim is None or upper_layer.artim - self._clock() > seconds)
        )

    def request(self, rq: AAssociateRQ) -> None:
        """Request the association (requestor)."""
        self._rq = rq
        self._tell(Requested, False, rq)
        self.upper_layer.a_associate(rq)

    def connected(
        self, addresses: tuple[str, str] | None = None, *, at: float | None = None, secured: str | None = None
    ) -> None:
        """The transport connection stands, between our address and the peer's; see `UpperLayer.connected`."""
        self._connected = True
        self.upper_layer.connected(addresses, at=at, secured=secured)

    def accept(self, answer: AAssociateAC, negotiation: Negotiation) -> None:
        """Accept the association (acceptor)."""
        self.associate_rq = None
        self.upper_layer.a_associate_response(answer)
        self._tell(Accepted, False, answer)
        self._established(negotiation)

    def reject(self, answer: AAssociateRJ) -> None:
        """Reject the association (acceptor)."""
        self.associate_rq = None
        self.upper_layer.a_associate_response(answer)
        self._tell(Rejected, False, answer)
        words = reject_in_words(int(answer.result), int(answer.source), answer.reason_diag)
        self._over(AssociationReleased(f"we rejected the association: {words}"))

    def release(self) -> None:
        """Request the release."""
        self.upper_layer.a_release()

    def abort(self, error: AssociationError | None = None) -> None:
        """Abort; *error* is what everybody who waits will be told."""
        if self.state in (Sta.STA1, Sta.STA2, Sta.STA13):
            return
        self.upper_layer.a_abort()
        self._over(error or AssociationAborted("we aborted the association", source=0, reason_diag=0))
        self._listen()

    def break_off(self, error: RemoteProtocolError) -> None:
        """What the peer proposes or answers cannot be: we abort as the provider, and say what *error* says (Evt19)."""
        if self.state not in _NO_ASSOCIATION:
            self.upper_layer.a_p_abort(error)
            self._listen()

    def give_up(self, silence: str) -> None:
        """The peer was silent for too long, as *silence* says: we abort as the provider, for no reason with a number.

        Whose timer it is decides (PS3.8 9.3.8): `abort` is for the user, who may have lost interest at any time.
        """
        if self.state in _NO_ASSOCIATION:
            return
        self._over(
            AssociationAborted(
                f"we aborted the association: {silence}",
                source=2,
                reason_diag=0,
                hint="the peer may be busy or stuck; Timeouts (--timeout) sets how long to wait",
            )
        )
        self.upper_layer.a_p_abort(RemoteProtocolError(silence, rule="Timeouts"))
        self._listen()

    def _established(self, negotiation: Negotiation) -> None:
        self.negotiation = negotiation
        for quirk in negotiation.quirks:
            self._quirk(quirk)
        self.upper_layer.max_length_send = negotiation.max_length_send
        self.upper_layer.max_length_received = negotiation.max_length_received
        self.dimse.contexts = {c.context_id: c for c in negotiation.accepted}
        self._tell(Established, negotiation)

    def _listen(self) -> None:
        for said in self.upper_layer.indications():
            self._indicated(said)
        if self._connected and self.state is _STA1:  # every way there closes the connection
            self._connected = False
            self._tell(Disconnected)

    def _indicated(self, said: Indication) -> None:
        if isinstance(said, AssociateIndication):
            self.associate_rq = said.rq
            self._tell(Requested, True, said.rq)
        elif isinstance(said, AssociateConfirmation):
            self._confirmed(said.answer)
        elif isinstance(said, AbortIndication):
            words = abort_in_words(said.source, said.reason_diag)
            self._over(
                AssociationAborted(
                    f"the peer aborted the association: {words}",
                    source=said.source,
                    reason_diag=said.reason_diag,
                    hint=_ABORTED if self.negotiation is not None else _UNWELCOME,
                ),
                by_peer=True,
            )
        elif isinstance(said, PAbortIndication):
            if said.error:
                self._over(_aborted_by_us(said.error, self.negotiation is not None))
            else:
                self._over(_connection_lost(self.negotiation is not None), by_peer=True)
        elif isinstance(said, ReleaseConfirmation):
            if self.state is Sta.STA12:  # a collision: the acceptor's side answers last (PS3.8 7.2.2)
                self.upper_layer.a_release_response()
            elif self.state is not _STA1:
                return  # what came in the same read has disrupted it, and is told next
            self._over(AssociationReleased("the association is released", hint=_ANOTHER))
        elif said.collision:
            if self.state is Sta.STA9:  # the requestor's side answers first
                self.upper_layer.a_release_response()
        elif self.state is _STA8:  # else it has been disrupted, as above
            self._release_indicated()

    def _release_indicated(self) -> None:
        """The peer asks for the release, and gets it when what it asked before is answered (AR-7).

        That is as far as it has an end: long answers are cut short.  One that waits for an answer of the peer (of a C-GET)
        has none: in Sta7 the peer may send no P-DATA.
        """
        if (self.requests or self._performing) and not self.invoked:
            self._release_waits = True
            for received in self._performing.values():
                received.cancelled = True
        else:
            self._released()

    def _released(self) -> None:
        self._release_waits = False
        self.upper_layer.a_release_response()
        self._over(AssociationReleased("the peer released the association", hint=_ANOTHER), by_peer=True)

    def _confirmed(self, answer: AAssociateAC | AAssociateRJ) -> None:
        assert self._rq is not None
        try:
            negotiation = conclude(self._rq, answer)
        except RemoteProtocolError as error:
            self.break_off(error)
            return
        if isinstance(answer, AAssociateAC):
            self._tell(Accepted, True, answer)
            self._established(negotiation)
            return
        self._tell(Rejected, True, answer)
        self.negotiation = negotiation
        triple = (int(answer.result), int(answer.source), answer.reason_diag)
        rejected = AssociationRejected(
            f"the peer rejected the association: {reject_in_words(*triple)}",
            result=triple[0],
            source=triple[1],
            reason_diag=triple[2],
            hint=_what_to_try(*triple[1:], identified=negotiation.identity is not None),
        )
        rejected.negotiation = negotiation
        self._over(rejected)

    def _quirk(self, text: str) -> None:
        self.upper_layer.quirk(text)

    def _command_seen(self, raw: bytes | bytearray) -> None:
        for text in quirks_of_command(raw):
            self._quirk(text)

    def _tell(self, event: Callable[..., TraceEvent], *facts: Any) -> None:
        if self._trace is not None:
            self._trace(event(self._clock(), *facts))

    def _over(self, error: AssociationError, *, by_peer: bool = False) -> None:
        if self.error is None:
            error.negotiation = error.negotiation or self.negotiation
            self.error = error
            if isinstance(error, AssociationAborted):
                self._tell(Aborted, by_peer, error)
            elif isinstance(error, AssociationReleased) and self.negotiation is not None:
                self._tell(Released, by_peer)
        self.dimse.discard()

    # --------------------------------------------------------------------------- messages

    def _message_received(self, received: Received) -> None:
        message = received.message
        self.messages += 1
        if self._trace is not None:
            self._trace(MessageReceived(self._clock(), received.context.context_id, message))
            for text in quirks_of_message(received, by_requestor=self.upper_layer.role is Role.ACCEPTOR):
                self._quirk(text)
        if isinstance(message, Response):
            self._response_received(received, message)
        elif isinstance(message, CCancelRQ):
            performed = self._performing.get(message.message_id_being_responded_to)
            if performed is not None:  # else it is over already: ignored (PS3.7 9.3.2.3)
                performed.cancelled = True
            self.dimse.taken(received)
        elif isinstance(message, Request):
            if self.upper_layer.state is _STA7:  # it may still come (AR-6), but nothing can be answered
                self.dimse.taken(received)
                return
            before = self._performing.get(message.message_id)
            if before is not None and not before.answered:
                raise RemoteProtocolError(f"Message ID {message.message_id} is in use", rule="PS3.7 C.5.9", source=0)
            if len(self.requests) > _MOST_WAITING:
                raise RemoteProtocolError(
                    f"more than {_MOST_WAITING} requests without waiting for an answer", rule="PS3.7 D.3.3.3", source=0
                )
            if received.refused is None:
                self._performing[message.message_id] = received
            self.requests.append(received)

    def _refusal(self, message: Request) -> int | None:
        """The status of a request that is one too many, before its data set is taken (PS3.7 D.3.3.3, C.5.22).

        Some peers negotiate a window and ignore the outcome.  That is put up with while it costs us nothing: requests
        are performed one after the other, and what waits is bounded by `Limits.operations`.
        """
        if self.upper_layer.state is _STA7:
            return 0x0110  # which nobody is told: see `_message_received`
        performing = self._performing
        if not performing:
            return None
        if len(performing) >= self._limits.operations and message.message_id not in performing:
            return 0x0213
        window = self.negotiation.window.performed if self.negotiation else 1
        if window and len(performing) >= window and self._trace is not None:
            if sum(not one.answered for one in performing.values()) >= window:
                self._quirk(f"has more than {window} requests outstanding, which is all that was agreed")
        return None

    def _response_received(self, received: Received, response: Response) -> None:
        message_id = response.message_id_being_responded_to
        invocation, expected = self.invoked.get(message_id, (None, 0))
        if invocation is None or expected != response.command_field:
            asked = f"where {command_name(expected)} is due" if expected else "which is not outstanding"
            raise RemoteProtocolError(
                f"{response.name} to Message ID {message_id}, {asked}", rule="PS3.7 9.3", source=0
            )
        status = response.status
        pending = status == 0xFF00 or status == 0xFF01
        if pending and not isinstance(response, CFindRSP | SubOperationCounts):
            raise RemoteProtocolError(
                f"{response.name} that is pending, where one response is due", rule="PS3.7 9.1", source=0
            )
        if status != 0x0000 and status != 0xFF00:  # the others mean what the service says
            response.status = status.of(received.context.abstract_syntax)
        elif isinstance(response, SubOperationCounts) and (failed := response.number_of_failed_sub_operations):
            if status == 0x0000:
                self._quirk(f"says Success although it counts {failed} failed sub-operations")
        if not pending:
            del self.invoked[message_id]
            invocation.outstanding -= 1
        if not invocation.abandoned:
            if not invocation.inbox:
                invocation.piled = 0
            invocation.inbox.append(received)
            if received.data is not None or len(invocation.inbox) > self._limits.responses:
                self._bound(invocation, received)
        # What lies in an inbox is bounded there; the budget is for what a server has not got round to yet.
        if received.data is not None:
            self.dimse.taken(received)

    def _bound(self, invocation: Invocation, received: Received) -> None:
        """Responses that come while nobody takes them (another thread reads for its own) must not fill the memory."""
        invocation.piled += len(received.data or b"")
        if invocation.piled > self._limits.association_memory:  # since the inbox was empty: look what is left of it
            invocation.piled = sum(len(getattr(one, "data", None) or b"") for one in invocation.inbox)
        waiting = len(invocation.inbox)
        if waiting > self._limits.responses or invocation.piled > self._limits.association_memory:
            raise RemoteProtocolError(
                f"{waiting} responses of one operation that nobody has taken", rule="Limits.responses", source=0
            )

    def send(
        self, context_id: int, message: Message, data: DataSource | None, invocation: Invocation | None
    ) -> Iterable[list[Buffer]]:
        """The buffers of a message, to be written list by list; a request gets its Message ID here.

        Raises
        ------
        LocalProtocolError
            If the state or the operations window does not allow it.
        AssociationReleased
            If the release is under way.
        """
        upper_layer = self.upper_layer
        if upper_layer.state is not _STA6:
            self._may_send(message)
        if isinstance(message, Request):
            assert invocation is not None
            outstanding = self.invoked
            if outstanding and self.has_no_room(message):
                if not self.window_full:
                    raise LocalProtocolError(
                        f"{message.name} while another one is outstanding: nothing tells whose instances come then",
                        hint="finish or cancel the other one first, or use another association",
                    )
                raise LocalProtocolError(
                    f"{message.name} while {len(outstanding)} operations are outstanding, which is all that was"
                    " agreed [PS3.7 D.3.3.3]",
                    hint="finish or cancel the other operation first, or propose an operations window",
                )
            message_id = self._next_message_id
            while message_id in outstanding:
                message_id = message_id % 0xFFFF + 1
            self._next_message_id = message_id % 0xFFFF + 1
            message.message_id = message_id
            outstanding[message_id] = invocation, message.command_field | 0x8000
            invocation.message_id = message_id
            invocation.outstanding += 1
            invocation.context_id = context_id
        elif isinstance(message, Response) and not message.status.is_pending:
            # The peer may have it, and ask anew, before whoever performs knows that it has gone.
            performed = self._performing.get(message.message_id_being_responded_to)
            if performed is not None:
                performed.answered = True
        if self._trace is not None:
            self._trace(MessageSent(self._clock(), context_id, message))
        if data is None:
            return (upper_layer.p_command(context_id, self._writer.encode(message, data_set=False)),)
        return upper_layer.p_data(context_id, self._writer.encode(message, data_set=True), data)

    def _may_send(self, message: Message) -> None:
        """Raise what keeps a message from being sent in another state than Sta6."""
        state = self.upper_layer.state
        if state in _RELEASING:
            raise AssociationReleased("we have asked for the release: nothing more can be sent", hint=_ANOTHER)
        if state is _STA8 and isinstance(message, Request):
            # Table 9-10 would let it pass (AR-7), but the peer, in Sta7, could not answer it.
            raise AssociationReleased("the peer asks for the release: it would not answer", hint=_ANOTHER)
        self.upper_layer.may_send()

    def withdraw(self, message: Message) -> None:
        """A request that `send` prepared never began to go out: forget it."""
        if isinstance(message, Request) and message.message_id in self.invoked:
            self.invoked.pop(message.message_id)[0].outstanding -= 1

    @property
    def window_full(self) -> bool:
        """True while the operations window allows no further request."""
        window = self.negotiation.window.invoked if self.negotiation else 1
        return len(self.invoked) >= (window or _MOST_OUTSTANDING)

    def has_no_room(self, message: Message) -> bool:
        """True while this request has to wait: the window is full, or it is one of two C-GETs.

        Nothing in a C-STORE request tells to which C-GET it belongs (PS3.4 C.4.3), so there is only one at a time.
        """
        if self.window_full:
            return True
        response = message.command_field | 0x8000
        return isinstance(message, CGetRQ) and any(expected == response for _, expected in list(self.invoked.values()))

    @property
    def owners(self) -> set[Any]:
        """Who waits for our operations that have no final response yet."""
        return {invocation.owner for invocation, _ in self.invoked.values()}

    @property
    def outstanding(self) -> int:
        """How many of our operations wait for their final response."""
        return len(self.invoked)

    @property
    def performing(self) -> bool:
        """True while requests of the peer wait for their final response."""
        return bool(self._performing)

    def performed(self, received: Received) -> None:
        """The operation of this request has sent its final response."""
        if received.data is not None:
            self.dimse.taken(received)
        if isinstance(received.message, Request) and self._performing.get(received.message.message_id) is received:
            del self._performing[received.message.message_id]
        if self._release_waits and not self.requests and not self._performing and self.state is _STA8:
            self._released()


def _aborted_by_us(error: RemoteProtocolError, established: bool) -> AssociationAborted:
    usual = "trace=True (--record) records it: the peer's maker will want to see that"
    aborted = AssociationAborted(
        f"we aborted the association because the peer broke the protocol: {error.message}",
        source=error.source,
        reason_diag=error.reason_diag,
        hint=usual if established or not error.hint else error.hint,  # a first answer tells who gives it
    )
    aborted.__cause__ = error
    return aborted


def _connection_lost(established: bool) -> AssociationAborted:
    if established:
        return AssociationAborted(
            "the peer closed the connection without release or abort",
            hint="it may have ended, or something in between cut the connection; its log should say",
        )
    return AssociationAborted(
        "the peer closed the connection without answering the association request",
        hint="is it a DICOM application? Some hide from callers they do not know: check titles and TLS",
    )
