"""The values that operations exchange with people: requests for handlers (SCP), results for callers (SCU)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from nbdicom.core.command import (
    CFindRQ,
    CGetRQ,
    CMoveRQ,
    CStoreRQ,
    NActionRQ,
    NCreateRQ,
    NDeleteRQ,
    NEventReportRQ,
    NGetRQ,
    NSetRQ,
    Request,
    Response,
)
from nbdicom.core.dimse import Received
from nbdicom.core.negotiation import NegotiatedContext, Negotiation
from nbdicom.core.streams import DataSink, DataSource
from nbdicom.errors import NbdicomError
from nbdicom.status import Status, StatusCategory
from nbdicom.table import Table, printable
from nbdicom.uids import UID

if TYPE_CHECKING:
    import pandas

__all__ = [
    "Codec",
    "EchoRequest",
    "FindRequest",
    "Match",
    "NActionRequest",
    "NCreateRequest",
    "NDeleteRequest",
    "NEventReportRequest",
    "NGetRequest",
    "NSetRequest",
    "NormalizedRequest",
    "ReceivedInstance",
    "Refuse",
    "Reply",
    "RetrieveRequest",
    "StorableInstance",
    "StoreRequest",
    "Stored",
    "SubOperations",
]


class Codec(Protocol):
    """The edge to a data set library, given to operations by the driver (`nbdicom.data`)."""

    def encode(self, value: Any, transfer_syntax: str) -> bytes:
        """A Dataset, a mapping of keywords to values, or bytes (taken as they are) in a transfer syntax."""
        ...

    def decode(self, data: bytes, transfer_syntax: str) -> Any:
        """The Dataset of encoded bytes."""
        ...

    def convertible(self, source: str, target: str) -> bool:
        """Whether a data set may be re-encoded from one transfer syntax to the other without loss."""
        ...

    def instance(self, item: Any) -> StorableInstance:
        """What can be sent, made from a path, a Dataset, or what is one already."""
        ...


class StorableInstance(Protocol):
    """A SOP Instance that can be sent by C-STORE (PS3.4 Annex B): what it is, and its data set when it is wanted."""

    @property
    def sop_class_uid(self) -> UID:
        """SOP Class UID."""
        ...

    @property
    def sop_instance_uid(self) -> UID:
        """SOP Instance UID."""
        ...

    @property
    def transfer_syntax(self) -> UID:
        """The transfer syntax in which the data set is encoded now."""
        ...

    def open(self, transfer_syntax: UID) -> DataSource:
        """The data set in *transfer_syntax*; converted only where nothing is lost.

        Raises
        ------
        DataSetError, OSError
            If it cannot be read or not be converted.
        """
        ...


class Refuse(Exception):
    """Raised by a handler to answer with a failure (or warning) status (PS3.7 Annex C).

    *comment* goes to the peer as Error Comment (0000,0902), *error_id* as Error ID (0000,0903) of a DIMSE-N response,
    where a service defines one.

    >>> raise Refuse(0xA700, "disk full")
    Traceback (most recent call last):
    ...
    nbdicom.operations.requests.Refuse: A700H disk full
    """

    def __init__(self, status: int, comment: object = "", *, error_id: int | None = None) -> None:
        self.status = status
        self.error_id = error_id
        self.comment = str(comment or "")
        super().__init__(f"{int(status):04X}H {self.comment}".rstrip())


# ------------------------------------------------------------------------------- for handlers


@dataclass(slots=True, kw_only=True, repr=False, eq=False)
class _Asked:
    """What every request carries: who asks, in which context, with which message."""

    negotiation: Negotiation
    peer: str  #: the peer's address, "host:port"
    context: NegotiatedContext
    message: Request
    codec: Codec
    #: what arrived, where all of it has
    received: Received | None = None
    #: reads what has come meanwhile, where nobody else does
    look: Callable[[], None] | None = None

    def __repr__(self) -> str:
        who = f"{printable(self.calling_ae_title)} at {self.peer}"
        return f"<{type(self).__name__} of {who}: {self.context.abstract_syntax.name}>"  # no data: it may go into a log

    @property
    def cancelled(self) -> bool:
        """True as soon as a C-CANCEL request for this operation has arrived."""
        if self.received is None:
            return False
        if self.look is not None and not self.received.cancelled:
            self.look()
        return self.received.cancelled

    @property
    def calling_ae_title(self) -> str:
        """Who asks."""
        return self.negotiation.calling_ae_title

    @property
    def transfer_syntax(self) -> UID:
        """The transfer syntax of the presentation context."""
        assert self.context.transfer_syntax is not None
        return self.context.transfer_syntax


class EchoRequest(_Asked):
    """C-ECHO (PS3.4 Annex A)."""

    __slots__ = ()


@dataclass(slots=True, kw_only=True, repr=False, eq=False)
class StoreRequest(_Asked):
    """C-STORE (PS3.4 Annex B).  The data set is in ``data``, or in the ``sink`` that `Handlers.sink` gave for it."""

    message: CStoreRQ
    data: bytes | None = None
    sink: Any = None

    @property
    def sop_class_uid(self) -> UID:
        """Affected SOP Class UID."""
        return self.message.affected_sop_class_uid

    @property
    def sop_instance_uid(self) -> UID:
        """Affected SOP Instance UID; text of the peer, never a file name."""
        return self.message.affected_sop_instance_uid

    def dataset(self) -> Any:
        """The data set as a pydicom Dataset, where it is in memory."""
        return self.codec.decode(self.data or b"", self.transfer_syntax)


@dataclass(slots=True, kw_only=True, repr=False, eq=False)
class FindRequest(_Asked):
    """C-FIND (PS3.4 C.4.1).  A handler may set ``pending_status`` to FF01H: an optional key is not supported."""

    message: CFindRQ
    data: bytes
    pending_status: int = 0xFF00

    @property
    def model(self) -> UID:
        """The information model: Affected SOP Class UID."""
        return self.message.affected_sop_class_uid

    def identifier(self) -> Any:
        """The query as a pydicom Dataset."""
        return self.codec.decode(self.data, self.transfer_syntax)


@dataclass(slots=True, kw_only=True, repr=False, eq=False)
class RetrieveRequest(_Asked):
    """C-GET or C-MOVE (PS3.4 C.4.2, C.4.3)."""

    message: CGetRQ | CMoveRQ
    data: bytes

    @property
    def model(self) -> UID:
        """The information model: Affected SOP Class UID."""
        return self.message.affected_sop_class_uid

    @property
    def move_destination(self) -> str | None:
        """The AE title of a C-MOVE; None for a C-GET."""
        return self.message.move_destination if isinstance(self.message, CMoveRQ) else None

    def identifier(self) -> Any:
        """The query as a pydicom Dataset."""
        return self.codec.decode(self.data, self.transfer_syntax)


@dataclass(slots=True, kw_only=True, repr=False, eq=False)
class NormalizedRequest(_Asked):
    """What the six DIMSE-N requests share (PS3.7 10.1): a SOP Instance, and perhaps a data set."""

    data: bytes | None = None  #: the data set as it came, None where none came

    @property
    def sop_class_uid(self) -> UID:
        """Affected or Requested SOP Class UID.  Under a Meta SOP Class it is another than the context's."""
        message: Any = self.message
        uid: UID = (
            message.affected_sop_class_uid
            if isinstance(message, NEventReportRQ | NCreateRQ)
            else message.requested_sop_class_uid
        )
        return uid

    @property
    def sop_instance_uid(self) -> UID:
        """Affected or Requested SOP Instance UID; text of the peer, never a file name."""
        message: Any = self.message
        uid: UID | None = (
            message.affected_sop_instance_uid
            if isinstance(message, NEventReportRQ | NCreateRQ)
            else message.requested_sop_instance_uid
        )
        return uid or UID("")

    def dataset(self) -> Any:
        """The data set as a pydicom Dataset; an empty one where none came."""
        return self.codec.decode(self.data or b"", self.transfer_syntax)


class NEventReportRequest(NormalizedRequest):
    """N-EVENT-REPORT (PS3.7 10.1.1): an SCP tells what happened.  The data set is the Event Information."""

    __slots__ = ()

    message: NEventReportRQ

    @property
    def event_type_id(self) -> int:
        """Which kind of event, as the service defines it."""
        return self.message.event_type_id


class NGetRequest(NormalizedRequest):
    """N-GET (PS3.7 10.1.2): values of attributes are wanted."""

    __slots__ = ()

    message: NGetRQ

    @property
    def attribute_identifier_list(self) -> tuple[int, ...]:
        """The tags that are wanted; empty: all of them."""
        return self.message.attribute_identifier_list or ()


class NSetRequest(NormalizedRequest):
    """N-SET (PS3.7 10.1.3).  The data set is the Modification List."""

    __slots__ = ()

    message: NSetRQ


class NActionRequest(NormalizedRequest):
    """N-ACTION (PS3.7 10.1.4).  The data set is the Action Information."""

    __slots__ = ()

    message: NActionRQ

    @property
    def action_type_id(self) -> int:
        """Which action, as the service defines it."""
        return self.message.action_type_id


@dataclass(slots=True, kw_only=True, repr=False, eq=False)
class NCreateRequest(NormalizedRequest):
    """N-CREATE (PS3.7 10.1.5).  The data set is the Attribute List.

    ``sop_instance_uid`` is always there: where the peer gave none, a new one (``assigned``), which the response tells.
    """

    message: NCreateRQ
    assigned: bool = False


class NDeleteRequest(NormalizedRequest):
    """N-DELETE (PS3.7 10.1.6)."""

    __slots__ = ()

    message: NDeleteRQ


# ------------------------------------------------------------------------------- for callers


@dataclass(slots=True)
class Match:
    """One pending C-FIND response (PS3.7 9.1.2): its identifier as it came."""

    data: bytes
    transfer_syntax: UID
    status: Status
    codec: Codec

    def dataset(self) -> Any:
        """The identifier as a pydicom Dataset."""
        return self.codec.decode(self.data, self.transfer_syntax)


@dataclass(slots=True)
class Stored:
    """The outcome of one C-STORE (PS3.7 9.1.1): the peer's status, or the error that kept it from being sent."""

    instance: StorableInstance
    status: Status | None = None
    error: NbdicomError | None = None
    transfer_syntax: UID | None = None  #: in which it was sent

    @property
    def ok(self) -> bool:
        """True for Success and Warning: the peer has the instance."""
        return self.status is not None and self.status.category in (StatusCategory.SUCCESS, StatusCategory.WARNING)


@dataclass(slots=True)
class ReceivedInstance:
    """One instance that arrived by a C-STORE sub-operation (PS3.4 C.4.3), and what we answered."""

    sop_class_uid: UID
    sop_instance_uid: UID
    transfer_syntax: UID
    status: Status
    sink: DataSink | None = None
    data: bytes | None = None


@dataclass(slots=True)
class SubOperations:
    """The counters of one C-GET or C-MOVE response (PS3.4 C.4.2.1.6); None where the peer did not send them."""

    status: Status
    remaining: int | None = None
    completed: int | None = None
    failed: int | None = None
    warning: int | None = None
    failed_sop_instance_uids: tuple[UID, ...] = ()

    def table(self) -> Table:
        """The counters in one row; what failed, where the peer names it, below."""
        return Table(
            f"Sub-operations: {self.status}",
            ("remaining", "completed", "failed", "warning", "status"),
            [(self.remaining, self.completed, self.failed, self.warning, str(self.status))],
            notes=[f"failed: {printable(uid)}" for uid in self.failed_sop_instance_uids],
            marks=["bad" if self.status.is_failure or self.failed else "ok"],
            mark_column="status",
        )

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()

    def to_frame(self) -> pandas.DataFrame:
        """The counters as a DataFrame of one row."""
        return self.table().to_frame()


@dataclass(slots=True)
class Reply:
    """The response to a DIMSE-N request (PS3.7 10.1): its status, and what the peer tells besides."""

    status: Status
    sop_instance_uid: UID  #: as the peer gives it, else as we asked; of an N-CREATE the one that the peer assigned
    data: bytes | None  #: the data set as it came, None where none came
    transfer_syntax: UID
    codec: Codec
    message: Response  #: the command set: event and action type, attribute identifiers, offending elements

    def dataset(self) -> Any:
        """The attributes, or the reply to an event or action, as a pydicom Dataset; an empty one where none came."""
        return self.codec.decode(self.data or b"", self.transfer_syntax)
