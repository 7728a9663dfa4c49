"""The DICOM Upper Layer at work: bytes in, indications and buffers out (PS3.8 section 9).

Its input has the shape of `asyncio.BufferedProtocol`: fill `get_buffer()`, say how much with `buffer_updated()`.  What it
has to say is in `indications()`, what has to be sent in `data_to_send()`, and `close_transport` tells when to close.
It owns the state machine, the ARTIM deadline, and the fast path of P-DATA-TF in both directions.

Nothing is allocated by an announced length: control PDUs are bounded from their header, and the fragments of a P-DATA-TF
are handed on as they arrive, as views that are valid until the next `get_buffer()`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from struct import Struct

from nbdicom.config import Limits
from nbdicom.core import pdu as p
from nbdicom.core.events import DataReceived, DataSent
from nbdicom.core.fields import OfFields
from nbdicom.core.machine import NEXT, TABLE, Action, Evt, Sta
from nbdicom.core.quirks import quirks_of_pdu
from nbdicom.core.streams import Buffer, DataSource
from nbdicom.core.trace import Connected, PDUReceived, PDUSent, Quirk, Secured, Trace, Transition
from nbdicom.errors import LocalProtocolError, RemoteProtocolError

__all__ = [
    "AbortIndication",
    "AssociateConfirmation",
    "AssociateIndication",
    "Indication",
    "PAbortIndication",
    "ReleaseConfirmation",
    "ReleaseIndication",
    "Role",
    "UpperLayer",
]

#: Bytes of the receive window where data flow: a CT slice and its header come in one read where many send at once.
#: With half of it eight senders are a tenth slower.
WINDOW = 544 << 10
_FIRST_WINDOW = 1 << 14  #: bytes of it before: messages fit, and an association that does nothing costs 50 kB, not 550
_PDU_HEADER = Struct(">BxI")
_PDV_HEADER = Struct(">IBB")
_DATA_HEADER = Struct(">BBIIBB")
_MOST_FRAGMENT = 1 << 20  #: bytes of a fragment where the peer announces no limit
_MOST_BATCH = 1 << 20  #: bytes given to one gathering write
_MOST_VECTORS = 500  #: fragments in one gathering write (two buffers each; IOV_MAX is 1024)
_MOST_STRANGE = 256  #: bytes shown of what is no PDU
_P_DATA_TF = p.PDataTF.pdu_type
#: Looked at with every PDU: in Python 3.11 a member of an enumeration takes 100 ns to be found.
_STA1, _STA6, _STA7, _STA8, _STA13 = Sta.STA1, Sta.STA6, Sta.STA7, Sta.STA8, Sta.STA13
_RELEASE_RQ, _RELEASE_RP = p.AReleaseRQ(), p.AReleaseRP()


class Role(StrEnum):
    """Which side of the association we are."""

    REQUESTOR = "requestor"
    ACCEPTOR = "acceptor"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class AssociateIndication(OfFields):
    """An A-ASSOCIATE-RQ waits for our answer (Sta3)."""

    rq: p.AAssociateRQ


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class AssociateConfirmation(OfFields):
    """The answer to our A-ASSOCIATE-RQ."""

    answer: p.AAssociateAC | p.AAssociateRJ


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ReleaseIndication(OfFields):
    """The peer wants to release; ``collision`` if we asked at the same time."""

    collision: bool = False


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ReleaseConfirmation(OfFields):
    """The peer agreed to our release."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class AbortIndication(OfFields):
    """The peer sent A-ABORT."""

    source: int
    reason_diag: int


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class PAbortIndication(OfFields):
    """The association ended by our own upper layer (``error`` says why) or with the transport connection (None)."""

    error: RemoteProtocolError | None = None


Indication = (
    AssociateIndication
    | AssociateConfirmation
    | ReleaseIndication
    | ReleaseConfirmation
    | AbortIndication
    | PAbortIndication
)

_ACCUSING = (Action.AA_1, Action.AA_8)
_EVENT_OF_PDU = {0x01: Evt.EVT6, 0x02: Evt.EVT3, 0x03: Evt.EVT4, 0x05: Evt.EVT12, 0x06: Evt.EVT13, 0x07: Evt.EVT16}

PDataIndication = Callable[[int, int, memoryview, bool], None]


class UpperLayer:
    """One side of one association at the level of PDUs.

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
        Seconds from the first byte of a PDU to its last (`Timeouts.pdu`).
    p_data : callable
        ``p_data(context_id, message_control_header, view, end)`` is called for each piece of a fragment; *end* is True
        with the last piece of its PDV.  It may raise RemoteProtocolError.
    command : callable, optional
        ``command(context_id, raw)`` is called instead with a command set that is whole in one PDU and was read alone.
    fragments : callable, optional
        ``fragments(context_id)`` gives the list for fragments of a data set that are whole and not its last; None where
        they belong to no data set.
    flush : callable
        Called before borrowed views die.
    heard : callable
        Called when there may be indications after a read.
    trace : callable, optional
        Gets a `TraceEvent` for every PDU and transition; its ``payload`` says how many bytes of fragments it wants.
    """

    def __init__(
        self,
        role: Role,
        *,
        clock: Callable[[], float],
        limits: Limits,
        artim: float,
        pdu_seconds: float | None = None,
        p_data: PDataIndication,
        command: Callable[[int, bytearray], None] | None = None,
        fragments: Callable[[int], list[memoryview] | None] = lambda context_id: None,
        flush: Callable[[], None] = lambda: None,
        heard: Callable[[], None] = lambda: None,
        trace: Trace | None = None,
    ) -> None:
        self.role = role
        self.state = Sta.STA1
        self.close_transport = False
        self.max_length_send = 0  #: what the peer announced; set when the association is negotiated
        self.max_length_received = limits.max_length_received  #: what we announced; likewise
        self._clock = clock
        self._limits = limits
        self._artim_seconds = artim
        self.artim: float | None = None  #: when ARTIM expires
        self._pdu_seconds = pdu_seconds
        self.pdus = 0  #: whose header has come
        self._timed = (0, False)  # the PDU whose deadline is known, and whether it was half a header then
        self._pdu_deadline: float | None = None
        self._p_data = p_data
        self._command = command if trace is None else None
        self._fragments = fragments
        self._flush = flush
        self._heard = heard
        self._trace = trace
        self._raw = trace if getattr(trace, "raw", False) else None  #: who wants the bytes themselves
        self._payload: int = getattr(trace, "payload", 0)  # bytes of each P-DATA-TF that the trace wants to see
        self._kept: bytearray | None = None  # of the P-DATA-TF that is arriving, where its payload is wanted
        self._kept_length = 0
        self._quirks: set[str] = set()  # that were told
        self._pdv_begins = True  # the next piece of it is the first of its PDV
        if self._payload:
            self._take_p_data, self._p_data = p_data, self._keep_p_data
        self._rq: p.AAssociateRQ | None = None
        self.out: list[bytes] = []  #: what `data_to_send` will give; asked after every PDU, nearly always in vain
        self._indications: list[Indication] = []
        self._window = bytearray(_FIRST_WINDOW)
        self._view = memoryview(self._window)
        self._end = 0  # bytes in the window
        self._pdu_left = 0  # bytes of the current P-DATA-TF that have not come yet
        self._pdv_left = 0  # of its current PDV
        self._context_id = self._header = 0
        self._skip = 0  # bytes of an ignored PDU
        self._control: bytearray | None = None  # a control PDU that is longer than what has arrived
        self._control_type = self._control_length = 0
        self._deaf = False  # after an invalid PDU nothing more can be framed, and after the end nothing is meant for us
        self.fault: RemoteProtocolError | None = None  #: why what came first was answered by an A-ABORT (AA-1)
        self.between = True  #: the last read ended with a PDU

    # --------------------------------------------------------------------------- bytes in

    def get_buffer(self, sizehint: int = -1) -> memoryview:
        """The free part of the receive window; earlier views into it are no longer valid."""
        return self._view[self._end :] if self._end else self._view

    def buffer_updated(self, nbytes: int) -> bool:
        """*nbytes* have been written into the last `get_buffer()`; True if they were one command and nothing else.

        A message without a data set nearly always comes like that.  Then one look at its twelve bytes of headers does what
        the long way does in six calls, and there are no indications to be heard.
        """
        if self.between and nbytes > 12 and self._command is not None:
            pdu_type, _, length, pdv, context_id, header = _DATA_HEADER.unpack_from(self._window)
            limit = self.max_length_received
            if (
                header == 3
                and pdu_type == _P_DATA_TF
                and length + 6 == nbytes
                and pdv + 4 == length
                and (length <= limit or not limit)
                and (self.state is _STA6 or self.state is _STA7)
                and not length & 1
            ):
                self.pdus += 1
                try:
                    self._command(context_id, self._window[12:nbytes])
                except RemoteProtocolError as error:
                    self._invalid(error)
                    self.between = False
                    self._heard()
                    return False
                return True
        if self._raw is not None:
            self._raw(DataReceived(self._clock(), bytes(self._view[self._end : self._end + nbytes])))
        self._end += nbytes
        consumed = self._parse(self._end)
        self._flush()
        left = self._end - consumed
        if self._end == len(self._window) < WINDOW:  # it was filled: there is more
            rest = self._window[consumed:]
            self._window = bytearray(min(4 * len(self._window), WINDOW))
            self._view = memoryview(self._window)
            self._window[:left] = rest
        elif left and consumed:  # at most a header that is cut in two
            self._window[:left] = self._window[consumed : self._end]
        self._end = left
        self.between = not (left or self._pdu_left or self._skip or self._control is not None or self._deaf)
        if self._pdu_seconds is not None and self._timed != (begun := (self.pdus, left > 0)):
            self._time_pdu(begun)
        if self._indications or self.state is _STA1:  # in the middle of a data set nothing is
            self._heard()
        return False

    def _time_pdu(self, begun: tuple[int, bool]) -> None:
        """A PDU has begun with the last read: when it has to be whole.  Once per read, not per PDU: the path is hot."""
        self._timed = begun
        self._pdu_deadline = None
        if self._pdu_seconds is not None and self.receiving:
            pieces = 1 + (max(self._pdu_left, self._skip) >> 20)
            self._pdu_deadline = self._clock() + self._pdu_seconds * pieces

    def eof_received(self) -> None:
        """The transport connection is closed."""
        self._tell_kept()
        if (Evt.EVT17, self.state) in TABLE:
            self._fire(Evt.EVT17)
        self._close()

    def _parse(self, end: int) -> int:
        """Take PDUs out of the window up to *end*; returns how far it came.

        This is the receive hot path.  For a fragment of 16 KiB it costs about 1.5 us, one slice and one call.
        """
        position = 0
        view, window = self._view, self._window
        while True:
            if self._deaf:
                return end
            if self._pdv_left:
                size = min(end - position, self._pdv_left)
                if not size:
                    return position
                self._pdv_left -= size
                self._pdu_left -= size
                if not self._deliver(view[position : position + size], not self._pdv_left):
                    return end
                position += size
            elif self._pdu_left:
                if end - position < 6:
                    if self._pdu_left < 6:
                        self._invalid(_invalid_pdv())
                        return end
                    return position
                length, context_id, header = _PDV_HEADER.unpack_from(window, position)
                if length < 2 or length + 4 > self._pdu_left:
                    self._invalid(_invalid_pdv())
                    return end
                position += 6
                self._pdu_left -= 6
                self._pdv_left = length - 2
                if length & 1:
                    self.quirk("sends fragments of odd length (PS3.8 E.1)")
                self._context_id, self._header = context_id, header
                if not self._pdv_left and not self._deliver(view[position:position], True):
                    return end
            elif self._skip:
                size = min(end - position, self._skip)
                if not size:
                    return position
                self._skip -= size
                position += size
            elif self._control is not None:
                size = min(end - position, self._control_length - len(self._control))
                self._control += view[position : position + size]
                position += size
                if len(self._control) < self._control_length:
                    return position
                body, self._control = self._control, None
                self._control_pdu(self._control_type, body)
            else:
                if end - position < 6:
                    # An unknown type is refused from its first byte (a browser or a TLS client, say).
                    if end - position and window[position] not in p.PDU_TYPES:
                        self._tell_strange(window[position], end - position, view[position:end])
                        self._invalid(p.unknown_pdu(window[position]))
                    return end if self._deaf else position
                if end - position > 12 and self._begin_fragment(*_DATA_HEADER.unpack_from(window, position)):
                    position += 12
                    if not self._header and self._pdv_left <= end - position:
                        position = self._whole_fragments(position)
                    continue
                pdu_type, length = _PDU_HEADER.unpack_from(window, position)
                if self._trace is not None and pdu_type not in p.PDU_TYPES:
                    self._tell_strange(pdu_type, end - position, view[position:end])
                self._begin_pdu(pdu_type, length)
                position += 6

    def _whole_fragments(self, position: int) -> int:
        """Take the fragment of a data set that begins at *position*, is not its last and is whole, and all that are like it.

        Nearly all PDUs of a data set are as long as we allow, so their headers are equal.  Found by these twelve bytes a
        fragment of 16 KiB costs 0.4 us, a quarter of what it costs by itself.
        """
        views = self._fragments(self._context_id)
        if views is None:
            return position
        window, view, end, size = self._window, self._view, self._end, self._pdv_left
        head = bytes(window[position - 12 : position])
        views.append(view[position : position + size])
        position += size
        while window.startswith(head, position) and position + 12 + size <= end:
            views.append(view[position + 12 : position + 12 + size])
            position += 12 + size
            self.pdus += 1
        self._pdu_left = self._pdv_left = 0
        return position

    def _begin_fragment(self, pdu_type: int, _: int, length: int, pdv: int, context_id: int, header: int) -> bool:
        """A P-DATA-TF of one PDV, as nearly all are, begins in one step; False leaves it to the long way."""
        limit = self.max_length_received
        if (
            pdu_type != _P_DATA_TF
            or pdv + 4 != length
            or pdv <= 2
            or (length > limit and limit)
            or (self.state is not _STA6 and self.state is not _STA7)
            or self._trace is not None
        ):
            return False
        self.pdus += 1
        self._pdu_left = self._pdv_left = pdv - 2
        self._context_id, self._header = context_id, header
        return True

    def _begin_pdu(self, pdu_type: int, length: int) -> None:
        self.pdus += 1
        if pdu_type == _P_DATA_TF:
            if self._trace is not None:
                self._kept, self._kept_length = bytearray(_PDU_HEADER.pack(pdu_type, length)), length + 6
                if not self._payload:
                    self._tell_kept()
            if self.state is _STA6 or self.state is _STA7:  # DT-2, AR-6: no transition to make
                limit = self.max_length_received
                if length < 6:
                    self._invalid(_invalid_pdv())
                elif limit and length > max(limit, self._limits.p_data_tf):
                    self._invalid(
                        RemoteProtocolError(
                            f"P-DATA-TF of {length} bytes where at most {limit} were announced",
                            rule="PS3.8 D.1",
                            reason_diag=6,
                        )
                    )
                else:
                    # A longer one than announced breaks the rule, too, but costs nothing: its fragments go on as they come.
                    if limit and length > limit:
                        self.quirk(f"sends P-DATA-TFs that are longer than the {limit} bytes that we announced")
                    self._pdu_left = length
            else:
                self._skip = length
                self._tell_kept()
                self._unexpected(Evt.EVT10, "P-DATA-TF")
        elif pdu_type not in p.PDU_TYPES:
            self._invalid(p.unknown_pdu(pdu_type))
        elif (length != 4) if pdu_type in p.FIXED_LENGTH_TYPES else (length > self._limits.associate_pdu):
            if self._trace is not None:
                header = _PDU_HEADER.pack(pdu_type, length)
                self._trace(PDUReceived(self._clock(), pdu_type, length + 6, header))
            self._invalid(
                RemoteProtocolError(f"{p.pdu_name(pdu_type)} of {length} bytes", rule="PS3.8 9.3", reason_diag=6)
            )
        else:
            self._control, self._control_type, self._control_length = bytearray(), pdu_type, length

    def _deliver(self, view: memoryview, end: bool) -> bool:
        if self.state is not _STA6 and self.state is not _STA7:
            return True  # aborted while this PDU was on its way
        try:
            self._p_data(self._context_id, self._header, view, end)
        except RemoteProtocolError as error:
            if self.state is _STA13:
                return True  # what came before in this read had ended it, and was only heard now
            self._invalid(error)
            return False
        return True

    def _keep_p_data(self, context_id: int, header: int, view: memoryview, end: bool) -> None:
        """Stands before the service user where a trace wants payload: the PDU is told before what comes of it."""
        kept = self._kept
        if kept is not None:
            if self._pdv_begins:
                kept += _PDV_HEADER.pack(len(view) + self._pdv_left + 2, context_id, header)
            kept += view[: max(0, 12 + self._payload - len(kept))]
            if not self._pdu_left:
                self._tell_kept()
        self._pdv_begins = end
        self._take_p_data(context_id, header, view, end)

    def quirk(self, text: str) -> None:
        """The peer did something that we put up with: once for each association it is told to who traces."""
        if self._trace is not None and text not in self._quirks:
            self._quirks.add(text)
            self._trace(Quirk(self._clock(), text))

    def _tell_kept(self) -> None:
        """The P-DATA-TF whose bytes are kept is whole, or will never be."""
        kept, self._kept, self._pdv_begins = self._kept, None, True
        if kept is not None and self._trace is not None:
            self._trace(PDUReceived(self._clock(), _P_DATA_TF, self._kept_length, bytes(kept)))

    def _tell_strange(self, pdu_type: int, length: int, view: memoryview) -> None:
        """What begins like no PDU: as much as has come of it may tell what it is (a web server's answer, say)."""
        if self._trace is not None:
            self._trace(PDUReceived(self._clock(), pdu_type, length, bytes(view[:_MOST_STRANGE])))

    def _control_pdu(self, pdu_type: int, body: bytearray) -> None:
        try:
            p.check_items(pdu_type, body, self._limits.associate_items)
        except RemoteProtocolError as error:
            if self._trace is not None:  # its beginning, as where it is too long
                fixed = _PDU_HEADER.pack(pdu_type, len(body)) + body[: p.BEFORE_ITEMS]
                self._trace(PDUReceived(self._clock(), pdu_type, len(body) + 6, fixed))
            self._invalid(error)
            return
        if self._trace is not None:
            whole = p.without_secrets(_PDU_HEADER.pack(pdu_type, len(body)) + body)
            self._trace(PDUReceived(self._clock(), pdu_type, len(body) + 6, whole))
        try:
            received = p.decode_pdu(pdu_type, body)
        except RemoteProtocolError as error:
            self._invalid(error)
            return
        if self._trace is not None:
            for text in quirks_of_pdu(received, _PDU_HEADER.pack(pdu_type, len(body)) + body):
                self.quirk(text)
        event = _EVENT_OF_PDU[pdu_type]
        if TABLE.get((event, self.state)) in _ACCUSING:
            self._unexpected(event, p.pdu_name(pdu_type))
        else:
            self._fire(event, received)

    @property
    def listens_on(self) -> bool:
        """True for an acceptor that has said its last word (Sta13) and still understands what comes (AA-6, AA-7, AA-2)."""
        return self.role is Role.ACCEPTOR and self.state is _STA13 and not self._deaf and not self.close_transport

    @property
    def receiving(self) -> bool:
        """True in the middle of a PDU."""
        return not self._deaf and bool(self._end or self._pdu_left or self._skip or self._control is not None)

    # --------------------------------------------------------------------------- time

    def deadline(self) -> float | None:
        """When `time_reached` has to be called at the latest, by the clock; None for never."""
        pdu = self._pdu_deadline
        if pdu is None or not self.receiving:
            return self.artim
        return pdu if self.artim is None else min(pdu, self.artim)

    def time_reached(self, now: float) -> None:
        """Time has passed: ARTIM may have expired, or a PDU may take too long."""
        if self._pdu_deadline is not None and now >= self._pdu_deadline:
            self._pdu_deadline = None
            if self.receiving and (Evt.EVT15, self.state) in TABLE:
                # Before an association ARTIM ends it.
                self._invalid(
                    RemoteProtocolError(
                        f"a PDU was not whole {self._pdu_seconds:g} s after its first byte", rule="Timeouts.pdu"
                    )
                )
        if self.artim is not None and now >= self.artim:
            self.artim = None
            if (Evt.EVT18, self.state) in TABLE:
                self._fire(Evt.EVT18)

    # --------------------------------------------------------------------------- out

    def indications(self) -> list[Indication]:
        """What the peer or the machine has said since the last call."""
        said, self._indications = self._indications, []
        return said

    def data_to_send(self) -> list[bytes]:
        """Whole control PDUs to be sent now; they may go between two P-DATA-TF of a message, never inside one."""
        out, self.out = self.out, []
        self._tell_raw(out)
        return out

    def _tell_raw(self, out: Sequence[Buffer]) -> None:
        if out and self._raw is not None:
            self._raw(DataSent(self._clock(), b"".join(out)))

    # --------------------------------------------------------------------------- requests of the service user

    def a_associate(self, rq: p.AAssociateRQ) -> None:
        """Request an association; the transport connection comes next, then `connected()`."""
        self._rq = rq
        self._fire(Evt.EVT1)

    def connected(
        self, addresses: tuple[str, str] | None = None, *, at: float | None = None, secured: str | None = None
    ) -> None:
        """The transport connection stands, between our address and the peer's.

        For the trace: *at* is since when, if not since now, and *secured* says how TLS secures it.
        """
        if self._trace is not None and addresses is not None:
            self._trace(Connected(self._clock() if at is None else at, *addresses))
        if self._trace is not None and secured is not None:
            self._trace(Secured(self._clock(), secured))
        self._fire(Evt.EVT2 if self.role is Role.REQUESTOR else Evt.EVT5)

    def a_associate_response(self, answer: p.AAssociateAC | p.AAssociateRJ) -> None:
        """Accept or reject the association that was indicated."""
        self._fire(Evt.EVT7 if isinstance(answer, p.AAssociateAC) else Evt.EVT8, answer)

    def a_release(self) -> None:
        """Request the release."""
        self._fire(Evt.EVT11)

    def a_release_response(self) -> None:
        """Agree to the release that was indicated."""
        self._fire(Evt.EVT14)

    def a_abort(self, error: RemoteProtocolError | None = None) -> None:
        """Abort as the service user (source 0); *error* is what moved us, if anything did."""
        self._fire(Evt.EVT15)
        if error is not None:
            self._deaf = True
            self._indications.append(PAbortIndication(error))

    def a_p_abort(self, error: RemoteProtocolError) -> None:
        """Abort as the service provider (source 2), which cannot go on (PS3.8 7.4, 9.3.8).

        Table 9-10 knows no timer but ARTIM, and no negotiation that leaves nothing.  What it has is the action of Evt19.
        """
        self._fire(Evt.EVT19, error)

    def p_command(self, context_id: int, command: bytes) -> list[Buffer]:
        """The P-DATA-TF PDUs of a message without a data set, for one gathering write; nearly always one PDU.

        Whether it `may_send` has been asked.
        """
        length = len(command)
        limit = self.max_length_send
        if (length + 6 > limit and limit) or self._trace is not None:
            return next(self.p_data(context_id, command, None))
        return [_DATA_HEADER.pack(_P_DATA_TF, 0, length + 6, length + 2, context_id, 3) + command]

    def p_data(self, context_id: int, command: bytes, data: DataSource | None) -> Iterator[list[Buffer]]:
        """The P-DATA-TF PDUs of one message, as lists of buffers for gathering writes.

        Each fragment is as long as the peer allows and even (PS3.8 D.1, E.1).  Payload is never copied.  Between two
        lists control PDUs may be sent; within one a PDU must not be torn.

        Raises
        ------
        LocalProtocolError
            If the association is not (or no longer) in a state to transfer data.
        """
        limit = self.max_length_send
        fragment = min((limit - 6) & ~1, _MOST_FRAGMENT) if limit else _MOST_FRAGMENT
        batch: list[Buffer] = []
        self.may_send()
        for start in range(0, len(command), fragment):
            piece = command[start : start + fragment]
            last = start + fragment >= len(command)
            batch += (self._data_header(context_id, piece, 3 if last else 1), piece)
        if data is None:
            self._tell_raw(batch)
            yield batch
            return
        size = fragment * max(1, min(_MOST_BATCH // fragment, _MOST_VECTORS))
        whole = _DATA_HEADER.pack(_P_DATA_TF, 0, fragment + 6, fragment + 2, context_id, 0)
        for chunk, last in data.chunks(size):
            # All fragments but the last of a chunk are equally long and share one header object: at 16 KiB this halves
            # the cost of a fragment.
            length = len(chunk)
            if length > fragment:
                view = memoryview(chunk)
                tail = (length - 1) // fragment * fragment
                for start in range(0, tail, fragment):
                    batch += (whole, view[start : start + fragment])
                if self._trace is not None:
                    for start in range(0, tail, fragment):
                        seen = bytes(view[start : start + min(fragment, self._payload)])
                        self._trace(PDUSent(self._clock(), _P_DATA_TF, len(whole) + fragment, whole + seen))
                chunk = view[tail:]
            batch += (self._data_header(context_id, chunk, 2 if last else 0), chunk)
            self._tell_raw(batch)
            yield batch
            batch = []
            if not last:  # what is out is out, whatever has been read since
                self.may_send()

    def _data_header(self, context_id: int, fragment: Buffer, header: int) -> bytes:
        length = len(fragment)
        packed = _DATA_HEADER.pack(_P_DATA_TF, 0, length + 6, length + 2, context_id, header)
        if self._trace is not None:
            seen = bytes(memoryview(fragment)[: self._payload])
            self._trace(PDUSent(self._clock(), _P_DATA_TF, len(packed) + length, packed + seen))
        return packed

    def may_send(self) -> None:
        """Raise LocalProtocolError if no data may be transferred in this state."""
        if self.state is not _STA6 and self.state is not _STA8:  # DT-1, AR-7
            raise LocalProtocolError(f"P-DATA request in {self.state} ({self.state.meaning}) [PS3.8 Table 9-10]")

    # --------------------------------------------------------------------------- the machine

    def _fire(self, event: Evt, argument: object = None) -> None:
        before = self.state
        action = TABLE.get((event, before))
        if action is None:
            raise LocalProtocolError(f"{event} ({event.meaning}) in {before} ({before.meaning}) [PS3.8 Table 9-10]")
        chosen: Sta | None = getattr(self, action.method)(argument)
        self.state = chosen or NEXT[action][0]
        if self._trace is not None:
            self._trace(Transition(self._clock(), event, before, action, self.state))

    def _invalid(self, error: RemoteProtocolError) -> None:
        """Evt19, or the service user's abort where the fault is above the upper layer (source 0)."""
        if self._deaf:
            return
        self._tell_kept()
        self._pdu_left = self._pdv_left = self._skip = 0
        if error.source == 0 and (Evt.EVT15, self.state) in TABLE:
            self.a_abort(error)
        elif (Evt.EVT19, self.state) in TABLE:
            self._fire(Evt.EVT19, error)
        self._deaf = True

    def _unexpected(self, event: Evt, name: str) -> None:
        """A PDU that Table 9-10 answers with an abort (or ignores) in this state."""
        error = RemoteProtocolError(f"{name} in {self.state} ({self.state.meaning})", rule="PS3.8 9.2", reason_diag=2)
        self._fire(event, error)

    def _send(self, sent: p.PDU) -> None:
        data = p.encode_pdu(sent)
        self.out.append(data)
        if self._trace is not None:
            self._trace(PDUSent(self._clock(), sent.pdu_type, len(data), p.without_secrets(data)))

    def _start_artim(self) -> None:
        self.artim = self._clock() + self._artim_seconds

    def _close(self) -> None:
        self.artim = None
        self._deaf = True
        self.close_transport = True

    def _ae_1(self, _: object) -> None:
        """The driver opens the transport connection."""

    def _ae_2(self, _: object) -> None:
        assert self._rq is not None
        self._send(self._rq)

    def _ae_3(self, answer: p.AAssociateAC) -> None:
        self._indications.append(AssociateConfirmation(answer))

    def _ae_4(self, answer: p.AAssociateRJ) -> None:
        self._indications.append(AssociateConfirmation(answer))
        self._close()

    def _ae_5(self, _: object) -> None:
        self._start_artim()

    def _ae_6(self, rq: p.AAssociateRQ) -> Sta:
        if not rq.protocol_version & 1:  # only bit 0 is tested (PS3.8 9.3.2)
            self._send(p.AAssociateRJ(result=p.RejectResult.PERMANENT, source=p.RejectSource.ACSE, reason_diag=2))
            self._start_artim()
            return Sta.STA13
        self.artim = None
        self._indications.append(AssociateIndication(rq))
        return Sta.STA3

    def _ae_7(self, answer: p.AAssociateAC) -> None:
        self._send(answer)

    def _ae_8(self, answer: p.AAssociateRJ) -> None:
        self._send(answer)
        self._start_artim()

    def _ar_1(self, _: object) -> None:
        self._send(_RELEASE_RQ)

    def _ar_2(self, _: object) -> None:
        self._indications.append(ReleaseIndication())

    def _ar_3(self, _: object) -> None:
        self._indications.append(ReleaseConfirmation())
        self._close()

    def _ar_4(self, _: object) -> None:
        self._send(_RELEASE_RP)
        self._start_artim()

    def _ar_5(self, _: object) -> None:
        self.artim = None

    def _ar_8(self, _: object) -> Sta:
        self._indications.append(ReleaseIndication(collision=True))
        return Sta.STA9 if self.role is Role.REQUESTOR else Sta.STA10

    def _ar_9(self, _: object) -> None:
        self._send(_RELEASE_RP)

    def _ar_10(self, _: object) -> None:
        self._indications.append(ReleaseConfirmation())

    def _aa_1(self, error: object) -> None:
        if isinstance(error, RemoteProtocolError):
            self.fault = error
        self._send(p.AAbort(source=p.AbortSource.SERVICE_USER))
        self._start_artim()

    def _aa_2(self, _: object) -> None:
        self._close()

    def _aa_3(self, abort: p.AAbort) -> None:
        self._indications.append(AbortIndication(int(abort.source), abort.reason_diag))
        self._close()

    def _aa_4(self, _: object) -> None:
        self._indications.append(PAbortIndication())

    def _aa_5(self, _: object) -> None:
        self.artim = None

    def _aa_6(self, _: object) -> None:
        """Ignored."""

    def _aa_7(self, why: RemoteProtocolError | p.AAssociateRQ) -> None:
        reason = why.reason_diag if isinstance(why, RemoteProtocolError) else p.AbortReason.UNEXPECTED_PDU
        self._send(p.AAbort(source=p.AbortSource.SERVICE_PROVIDER, reason_diag=reason))

    def _aa_8(self, error: RemoteProtocolError) -> None:
        self._send(p.AAbort(source=p.AbortSource.SERVICE_PROVIDER, reason_diag=error.reason_diag))
        self._indications.append(PAbortIndication(error))
        self._start_artim()


def _invalid_pdv() -> RemoteProtocolError:
    return RemoteProtocolError("a PDV that does not fit its P-DATA-TF", rule="PS3.8 9.3.5.1", reason_diag=6)
