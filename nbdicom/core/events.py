"""What becomes of an association, as trace events: the service primitives of PS3.8 section 7, and the bytes beneath them.

They stand beside the PDUs, messages and transitions of `nbdicom.core.trace`.  Each has what somebody who looks on wants to
know of it, and is told on both sides; ``by_peer`` tells who began it.
"""

from __future__ import annotations

from dataclasses import dataclass

from nbdicom.core.fields import OfFields
from nbdicom.core.negotiation import Negotiation
from nbdicom.core.pdu import AAssociateAC, AAssociateRJ, AAssociateRQ, reject_in_words
from nbdicom.errors import AssociationAborted
from nbdicom.table import printable

__all__ = [
    "Aborted",
    "Accepted",
    "DataReceived",
    "DataSent",
    "Disconnected",
    "Established",
    "Rejected",
    "Released",
    "Requested",
]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Disconnected(OfFields):
    """The transport connection is closed, or will be as soon as what is left to send is sent."""

    time: float

    def __str__(self) -> str:
        return "  connection closed"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class DataSent(OfFields):
    """Bytes that go out; told only to traces that ask for them (``raw``), since they are copied for it."""

    time: float
    data: bytes

    def __str__(self) -> str:
        return f"> {len(self.data)} bytes"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class DataReceived(OfFields):
    """Bytes of one read from the connection; likewise."""

    time: float
    data: bytes

    def __str__(self) -> str:
        return f"< {len(self.data)} bytes"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Requested(OfFields):
    """A-ASSOCIATE request or indication (PS3.8 7.1)."""

    time: float
    by_peer: bool
    rq: AAssociateRQ

    def __str__(self) -> str:
        return f"{_arrow(self.by_peer)} association requested: {_who(self.rq)}"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Accepted(OfFields):
    """A-ASSOCIATE response or confirmation that accepts."""

    time: float
    by_peer: bool
    ac: AAssociateAC

    def __str__(self) -> str:
        return f"{_arrow(self.by_peer)} association accepted"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Rejected(OfFields):
    """A-ASSOCIATE response or confirmation that rejects."""

    time: float
    by_peer: bool
    rj: AAssociateRJ

    def __str__(self) -> str:
        words = reject_in_words(int(self.rj.result), int(self.rj.source), self.rj.reason_diag)
        return f"{_arrow(self.by_peer)} association rejected: {words}"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Established(OfFields):
    """The association stands: operations may be invoked, in the contexts of ``negotiation``."""

    time: float
    negotiation: Negotiation

    def __str__(self) -> str:
        return f"  association established, {len(self.negotiation.accepted)} presentation contexts"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Released(OfFields):
    """The association was released in order (PS3.8 7.2)."""

    time: float
    by_peer: bool

    def __str__(self) -> str:
        return f"{_arrow(self.by_peer)} association released"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Aborted(OfFields):
    """The association was aborted, or its connection was lost (PS3.8 7.3, 7.4).

    ``error`` is what everybody who waits is told: by whom, with which source and reason.
    """

    time: float
    by_peer: bool
    error: AssociationAborted

    def __str__(self) -> str:
        return f"{_arrow(self.by_peer)} {printable(self.error.message)}"


def _arrow(by_peer: bool) -> str:
    return "<" if by_peer else ">"


def _who(rq: AAssociateRQ) -> str:
    return f"{printable(rq.calling_ae_title)} -> {printable(rq.called_ae_title)}"
