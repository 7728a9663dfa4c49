"""The seven PDUs and every item in them: PS3.8 section 9.3 and Annex D, PS3.7 Annex D.3.3.

One dataclass for each, named as in the standard; the annotations are the rows of its table.  `decode_pdu`,
`encode_pdu` and `annotate` work from them.  P-DATA-TF is declared here for showing and for tests; the transfer itself is
in `nbdicom.core.upper_layer`, which never makes an object per fragment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from struct import Struct
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, TypeVar, dataclass_transform

from nbdicom.core.fields import OfFields
from nbdicom.core.layout import (
    AE_TITLE,
    COUNTED_BYTES,
    COUNTED_UID,
    COUNTED_UIDS,
    REST,
    REST_TEXT,
    REST_UID,
    U8,
    U16,
    U32,
    Span,
    annotate_fields,
    decode_fields,
    encode_fields,
    reserved,
)
from nbdicom.core.memo import by_identity, by_value
from nbdicom.errors import LocalProtocolError, RemoteProtocolError
from nbdicom.uids import UID

__all__ = [
    "BEFORE_ITEMS",
    "DICOM_APPLICATION_CONTEXT",
    "FIXED_LENGTH_TYPES",
    "PDU",
    "PDU_TYPES",
    "AAbort",
    "AAssociateAC",
    "AAssociateRJ",
    "AAssociateRQ",
    "AReleaseRP",
    "AReleaseRQ",
    "AbortReason",
    "AbortSource",
    "AbstractSyntax",
    "ApplicationContext",
    "AsynchronousOperationsWindow",
    "ContextResult",
    "ImplementationClassUID",
    "ImplementationVersionName",
    "Item",
    "MaximumLength",
    "PDataTF",
    "PresentationContextAC",
    "PresentationContextRQ",
    "PresentationDataValue",
    "RejectResult",
    "RejectSource",
    "SCPSCURoleSelection",
    "SOPClassCommonExtendedNegotiation",
    "SOPClassExtendedNegotiation",
    "TransferSyntaxItem",
    "UnknownItem",
    "UserIdentityAC",
    "UserIdentityRQ",
    "UserIdentityType",
    "UserInformation",
    "abort_in_words",
    "annotate",
    "check_items",
    "decode_pdu",
    "encode_pdu",
    "every",
    "in_words",
    "is_remembered",
    "pdu_name",
    "reject_in_words",
    "reject_reason",
    "unknown_pdu",
    "user_information",
    "without_secrets",
]

_ITEM_HEADER = Struct(">BBH")  #: type, reserved, length
_MOST_ITEMS = 1024  #: that are remembered
_NOTHING = -1  #: bytes of an item that is read anew each time
_LONGEST_REMEMBERED = 1 << 15  #: bytes of a variable part that is not read anew: 128 contexts have 8 to 30 KB
_MOST_REMEMBERED = 2048  #: items and sub-items of one; so many fit into that, and become 5 MB in memory

DICOM_APPLICATION_CONTEXT = UID("1.2.840.10008.3.1.1.1")

_T = TypeVar("_T", bound=type)


class PDU(OfFields):
    """What all PDUs have: a type and a table."""

    __slots__ = ()
    pdu_type: ClassVar[int]
    name: ClassVar[str]
    table: ClassVar[str]


class Item(OfFields):
    """What all items and sub-items have: a type and a table."""

    __slots__ = ()
    longest_remembered: ClassVar[int] = 256  #: bytes of one that is not read anew
    item_type: ClassVar[int]
    name: ClassVar[str]
    table: ClassVar[str]


_pdu_types: dict[int, type[PDU]] = {}  # filled by the decorator below while this module loads

#: Every PDU by its type.
PDU_TYPES: Mapping[int, type[PDU]] = MappingProxyType(_pdu_types)


@dataclass_transform(kw_only_default=True, frozen_default=True)
def _pdu(pdu_type: int, name: str, table: str) -> Callable[[_T], _T]:
    def declare(cls: _T) -> _T:
        made: Any = dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)(cls)
        made.pdu_type, made.name, made.table = pdu_type, name, table
        _pdu_types[pdu_type] = made
        return made  # type: ignore[no-any-return]

    return declare


@dataclass_transform(kw_only_default=True, frozen_default=True)
def _item(item_type: int, name: str, table: str) -> Callable[[_T], _T]:
    def declare(cls: _T) -> _T:
        made: Any = dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)(cls)
        made.item_type, made.name, made.table = item_type, name, table
        return made  # type: ignore[no-any-return]

    return declare


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class UnknownItem(Item):
    """An item of a type that is not defined here: kept for those who look, and skipped (PS3.8 9.3.1)."""

    unknown_type: int
    data: bytes
    name: ClassVar[str] = "Unknown item"
    table: ClassVar[str] = "PS3.8 9.3.1"


@lru_cache(_MOST_ITEMS)
def _remembered(cls: type[Item], body: bytes) -> Item:
    """An item that was read before: peers differ in their titles, and hardly in what they propose.

    Reading one costs 2 to 8 us, and an A-ASSOCIATE PDU may have hundreds of them.
    """
    return decode_fields(cls, memoryview(body), 0, len(body))


def _headers(data: memoryview, start: int, stop: int) -> Iterator[tuple[int, int, int]]:
    """Where the items between *start* and *stop* begin, where their bodies do, and where they end."""
    while start < stop:
        body = start + 4
        if body > stop or (end := body + int.from_bytes(data[start + 2 : body], "big")) > stop:
            raise RemoteProtocolError("an item that is longer than what holds it", rule="PS3.8 9.3.1", reason_diag=6)
        yield start, body, end
        start = end


class _Items:
    """The variable part of a PDU or item: items one after the other, each with type, a reserved byte and a length."""

    def __init__(self, *classes: Any) -> None:
        self._classes: dict[int, Any] = {cls.item_type: cls for cls in classes}

    def encode(self, value: tuple[Item, ...]) -> bytes:
        parts: list[bytes] = []
        for item in value:
            if isinstance(item, UnknownItem):
                kind, body = item.unknown_type, item.data
            else:
                kind, body = item.item_type, encode_fields(item)
            if len(body) > 0xFFFF:
                raise LocalProtocolError(f"{item.name} item of {len(body)} bytes does not fit into its 16-bit length")
            parts += (_ITEM_HEADER.pack(kind, 0, len(body)), body)
        return b"".join(parts)

    def decode(self, data: memoryview, start: int, stop: int) -> tuple[tuple[Item, ...], int]:
        items: list[Item] = []
        for first, body, end in _headers(data, start, stop):
            cls = self._classes.get(data[first])
            if cls is None:
                items.append(UnknownItem(data[first], bytes(data[body:end])))
            elif end - body > cls.longest_remembered:
                items.append(decode_fields(cls, data, body, end))
            else:
                items.append(_remembered(cls, bytes(data[body:end])))
        return tuple(items), stop

    def annotate(self, data: memoryview, start: int, stop: int, depth: int) -> Iterator[Span]:
        for first, body, end in _headers(data, start, stop):
            cls = self._classes.get(data[first], UnknownItem)
            yield Span(first, end, depth, cls.name, None, cls.table)
            depth_inside = depth + 1
            yield Span(first, first + 1, depth_inside, "item_type", f"{data[first]:02X}H {cls.name}", cls.table)
            yield Span(first + 1, first + 2, depth_inside, "reserved", data[first + 1], cls.table)
            yield Span(first + 2, body, depth_inside, "item_length", end - body, cls.table)
            if cls is UnknownItem:
                yield Span(body, end, depth_inside, "data", bytes(data[body:end]), cls.table)
            else:
                yield from annotate_fields(cls, data, body, end, depth_inside, cls.table)


# ------------------------------------------------------------------------------- closed sets


class RejectResult(IntEnum):
    """PS3.8 Table 9-21, Result."""

    PERMANENT = 1
    TRANSIENT = 2


class RejectSource(IntEnum):
    """PS3.8 Table 9-21, Source."""

    SERVICE_USER = 1
    ACSE = 2
    PRESENTATION = 3


_REJECT_REASONS: dict[tuple[int, int], str] = {  # PS3.8 Table 9-21, Reason/Diag. by source
    (1, 1): "no-reason-given",
    (1, 2): "application-context-name-not-supported",
    (1, 3): "calling-AE-title-not-recognized",
    (1, 7): "called-AE-title-not-recognized",
    (2, 1): "no-reason-given",
    (2, 2): "protocol-version-not-supported",
    (3, 1): "temporary-congestion",
    (3, 2): "local-limit-exceeded",
}


class AbortSource(IntEnum):
    """PS3.8 Table 9-26, Source."""

    SERVICE_USER = 0
    SERVICE_PROVIDER = 2


class AbortReason(IntEnum):
    """PS3.8 Table 9-26, Reason/Diag. of the service-provider."""

    NOT_SPECIFIED = 0
    UNRECOGNIZED_PDU = 1
    UNEXPECTED_PDU = 2
    UNRECOGNIZED_PDU_PARAMETER = 4
    UNEXPECTED_PDU_PARAMETER = 5
    INVALID_PDU_PARAMETER_VALUE = 6


class ContextResult(IntEnum):
    """PS3.8 Table 9-18, Result/Reason of a presentation context."""

    ACCEPTANCE = 0
    USER_REJECTION = 1
    NO_REASON = 2
    ABSTRACT_SYNTAX_NOT_SUPPORTED = 3
    TRANSFER_SYNTAXES_NOT_SUPPORTED = 4


class UserIdentityType(IntEnum):
    """PS3.7 Table D.3-14, User-Identity-Type."""

    USERNAME = 1
    USERNAME_AND_PASSCODE = 2
    KERBEROS = 3
    SAML = 4
    JWT = 5


def in_words(kind: type[IntEnum], value: int) -> str:
    """The name of an enumerated value as the standard spells it.

    >>> in_words(ContextResult, 3)
    'abstract-syntax-not-supported'
    """
    member = kind._value2member_map_.get(value)
    return "reserved value" if member is None else member.name.lower().replace("_", "-")


def reject_reason(source: int, reason_diag: int) -> str:
    """The words of Reason/Diag. in an A-ASSOCIATE-RJ (PS3.8 Table 9-21)."""
    return _REJECT_REASONS.get((source, reason_diag), "reserved value")


def reject_in_words(result: int, source: int, reason_diag: int) -> str:
    """The triple of an A-ASSOCIATE-RJ in words and numbers.

    >>> reject_in_words(1, 1, 7)
    'rejected-permanent (1) by the service-user (1): called-AE-title-not-recognized (7)'
    """
    kind = {1: "rejected-permanent", 2: "rejected-transient"}.get(result, "reserved value")
    who = {1: "service-user", 2: "service-provider (ACSE)", 3: "service-provider (presentation)"}.get(
        source, "reserved value"
    )
    return f"{kind} ({result}) by the {who} ({source}): {reject_reason(source, reason_diag)} ({reason_diag})"


def abort_in_words(source: int, reason_diag: int) -> str:
    """Source and reason of an A-ABORT in words and numbers; with source 0 the reason means nothing (PS3.8 9.3.8).

    >>> abort_in_words(2, 2)
    'service-provider (2): unexpected-pdu (2)'
    """
    if source == AbortSource.SERVICE_USER:
        return "service-user (0)"
    who = "service-provider" if source == AbortSource.SERVICE_PROVIDER else "reserved value"
    return f"{who} ({source}): {in_words(AbortReason, reason_diag)} ({reason_diag})"


# ------------------------------------------------------------------------------- items of PS3.8


@_item(0x10, "Application Context", "PS3.8 Table 9-12")
class ApplicationContext(Item):
    """Application Context item."""

    application_context_name: Annotated[UID, REST_UID] = DICOM_APPLICATION_CONTEXT


@_item(0x30, "Abstract Syntax", "PS3.8 Table 9-14")
class AbstractSyntax(Item):
    """Abstract Syntax sub-item."""

    abstract_syntax_name: Annotated[UID, REST_UID]


@_item(0x40, "Transfer Syntax", "PS3.8 Table 9-15")
class TransferSyntaxItem(Item):
    """Transfer Syntax sub-item."""

    transfer_syntax_name: Annotated[UID, REST_UID]


@_item(0x20, "Presentation Context (proposed)", "PS3.8 Table 9-13")
class PresentationContextRQ(Item):
    """Presentation Context item of an A-ASSOCIATE-RQ."""

    context_id: Annotated[int, U8]
    reserved: Annotated[bytes, reserved(3)] = bytes(3)
    items: Annotated[tuple[Item, ...], _Items(AbstractSyntax, TransferSyntaxItem)] = ()

    @property
    def abstract_syntaxes(self) -> tuple[UID, ...]:
        """The abstract syntax names; the standard wants exactly one."""
        return tuple([item.abstract_syntax_name for item in self.items if isinstance(item, AbstractSyntax)])

    @property
    def transfer_syntaxes(self) -> tuple[UID, ...]:
        """The proposed transfer syntax names."""
        return tuple([item.transfer_syntax_name for item in self.items if isinstance(item, TransferSyntaxItem)])


@_item(0x21, "Presentation Context (answered)", "PS3.8 Table 9-18")
class PresentationContextAC(Item):
    """Presentation Context item of an A-ASSOCIATE-AC."""

    context_id: Annotated[int, U8]
    reserved: Annotated[int, U8] = 0
    result: Annotated[ContextResult | int, U8] = ContextResult.ACCEPTANCE
    reserved_2: Annotated[int, U8] = 0
    items: Annotated[tuple[Item, ...], _Items(TransferSyntaxItem)] = ()

    @property
    def transfer_syntax(self) -> UID | None:
        """The transfer syntax; not significant unless the context is accepted."""
        for item in self.items:
            if isinstance(item, TransferSyntaxItem):
                return item.transfer_syntax_name
        return None


# ------------------------------------------------------------------------------- user information of PS3.8 D.1, PS3.7 D.3.3


@_item(0x51, "Maximum Length", "PS3.8 Table D.1-1")
class MaximumLength(Item):
    """Maximum Length sub-item: the longest P-DATA-TF that its sender takes; 0 is no limit."""

    maximum_length_received: Annotated[int, U32]


@_item(0x52, "Implementation Class UID", "PS3.7 Table D.3-1")
class ImplementationClassUID(Item):
    """Implementation Class UID sub-item."""

    implementation_class_uid: Annotated[UID, REST_UID]


@_item(0x53, "Asynchronous Operations Window", "PS3.7 Table D.3-7")
class AsynchronousOperationsWindow(Item):
    """Asynchronous Operations Window sub-item; 0 is unlimited."""

    maximum_number_operations_invoked: Annotated[int, U16] = 1
    maximum_number_operations_performed: Annotated[int, U16] = 1


@_item(0x54, "SCP/SCU Role Selection", "PS3.7 Table D.3-9")
class SCPSCURoleSelection(Item):
    """SCP/SCU Role Selection sub-item: the roles that the requestor takes for this SOP Class."""

    sop_class_uid: Annotated[UID, COUNTED_UID]
    scu_role: Annotated[int, U8]
    scp_role: Annotated[int, U8]


@_item(0x55, "Implementation Version Name", "PS3.7 Table D.3-3")
class ImplementationVersionName(Item):
    """Implementation Version Name sub-item: 1 to 16 characters."""

    implementation_version_name: Annotated[str, REST_TEXT]


@_item(0x56, "SOP Class Extended Negotiation", "PS3.7 Table D.3-11")
class SOPClassExtendedNegotiation(Item):
    """SOP Class Extended Negotiation sub-item."""

    sop_class_uid: Annotated[UID, COUNTED_UID]
    service_class_application_information: Annotated[bytes, REST] = b""


@_item(0x57, "SOP Class Common Extended Negotiation", "PS3.7 Table D.3-12")
class SOPClassCommonExtendedNegotiation(Item):
    """SOP Class Common Extended Negotiation sub-item (version 0)."""

    sop_class_uid: Annotated[UID, COUNTED_UID]
    service_class_uid: Annotated[UID, COUNTED_UID]
    related_general_sop_class_identification: Annotated[tuple[str, ...], COUNTED_UIDS] = ()
    reserved: Annotated[bytes, REST] = b""


@_item(0x58, "User Identity (proposed)", "PS3.7 Table D.3-14")
class UserIdentityRQ(Item):
    """User Identity sub-item of an A-ASSOCIATE-RQ.  Its repr hides the fields: they are secrets."""

    longest_remembered = _NOTHING
    user_identity_type: Annotated[UserIdentityType | int, U8]
    positive_response_requested: Annotated[int, U8] = 0
    primary_field: Annotated[bytes, COUNTED_BYTES] = b""
    secondary_field: Annotated[bytes, COUNTED_BYTES] = b""

    def __repr__(self) -> str:
        return f"UserIdentityRQ(user_identity_type={self.user_identity_type!r}, ...)"


@_item(0x59, "User Identity (answered)", "PS3.7 Table D.3-15")
class UserIdentityAC(Item):
    """User Identity sub-item of an A-ASSOCIATE-AC."""

    longest_remembered = _NOTHING
    server_response: Annotated[bytes, COUNTED_BYTES] = b""

    def __repr__(self) -> str:
        return "UserIdentityAC(...)"


_USER_ITEMS = (
    MaximumLength,
    ImplementationClassUID,
    AsynchronousOperationsWindow,
    SCPSCURoleSelection,
    ImplementationVersionName,
    SOPClassExtendedNegotiation,
    SOPClassCommonExtendedNegotiation,
    UserIdentityRQ,
    UserIdentityAC,
)

ItemT = TypeVar("ItemT", bound=Item)


@_item(0x50, "User Information", "PS3.8 Table 9-16")
class UserInformation(Item):
    """User Information item; its sub-items may come in any order (PS3.8 9.3.2.3)."""

    longest_remembered = _NOTHING  # there may be a user identity in it
    items: Annotated[tuple[Item, ...], _Items(*_USER_ITEMS)] = ()

    def first(self, cls: type[ItemT]) -> ItemT | None:
        """The first sub-item of this class, or None."""
        for item in self.items:
            if isinstance(item, cls):
                return item
        return None

    def every(self, cls: type[ItemT]) -> list[ItemT]:
        """All sub-items of this class."""
        return every(self.items, cls)


# ------------------------------------------------------------------------------- PDUs


def every(items: tuple[Item, ...], cls: type[ItemT]) -> list[ItemT]:
    """All items of this class."""
    return [item for item in items if isinstance(item, cls)]


def is_remembered(items: tuple[Item, ...]) -> bool:
    """Whether a variable part may be remembered: not with a user identity in it, nor with more items than people propose."""
    many = sum(1 + len(getattr(item, "items", ())) for item in items) > _MOST_REMEMBERED
    return not many and not any(
        isinstance(said, UserIdentityRQ | UserIdentityAC)
        for item in items
        if isinstance(item, UserInformation)
        for said in item.items
    )


def user_information(items: tuple[Item, ...]) -> UserInformation:
    """The user information among the items of an A-ASSOCIATE PDU; an empty one where it is missing."""
    for item in items:
        if isinstance(item, UserInformation):
            return item
    return UserInformation()


class _VariablePart(_Items):
    """The items of an A-ASSOCIATE PDU, which follow its titles: one that was read or written is not read or written anew.

    Peers differ in their titles, and hardly in what they propose: 128 contexts take 1.5 ms to read, negotiate and answer,
    and 0.1 ms from the second time on.
    """

    def __init__(self, *classes: Any) -> None:
        super().__init__(*classes)
        self._written = by_identity(lambda body, items: len(body) > _LONGEST_REMEMBERED or not is_remembered(items))(
            super().encode
        )
        self._read = by_value(lambda items, body: len(body) > _LONGEST_REMEMBERED or not is_remembered(items))(
            self._decoded
        )

    def encode(self, value: tuple[Item, ...]) -> bytes:
        return self._written(value)

    def decode(self, data: memoryview, start: int, stop: int) -> tuple[tuple[Item, ...], int]:
        return self._read(bytes(data[start:stop])), stop

    def _decoded(self, body: bytes) -> tuple[Item, ...]:
        return super().decode(memoryview(body), 0, len(body))[0]


class _Associate(PDU):
    """What A-ASSOCIATE-RQ and -AC share: the items, found by kind."""

    __slots__ = ()
    items: tuple[Item, ...]

    @property
    def application_context_name(self) -> UID | None:
        """The application context name, or None where the item is missing."""
        for item in self.items:
            if isinstance(item, ApplicationContext):
                return item.application_context_name
        return None

    @property
    def user_information(self) -> UserInformation:
        """The user information; an empty one where the item is missing."""
        return user_information(self.items)


@_pdu(0x01, "A-ASSOCIATE-RQ", "PS3.8 Table 9-11")
class AAssociateRQ(_Associate):
    """A-ASSOCIATE-RQ PDU."""

    protocol_version: Annotated[int, U16] = 1
    reserved: Annotated[int, U16] = 0
    called_ae_title: Annotated[str, AE_TITLE]
    calling_ae_title: Annotated[str, AE_TITLE]
    reserved_2: Annotated[bytes, reserved(32)] = bytes(32)
    items: Annotated[tuple[Item, ...], _VariablePart(ApplicationContext, PresentationContextRQ, UserInformation)] = ()

    @property
    def presentation_contexts(self) -> list[PresentationContextRQ]:
        """The proposed presentation contexts."""
        return every(self.items, PresentationContextRQ)


@_pdu(0x02, "A-ASSOCIATE-AC", "PS3.8 Table 9-17")
class AAssociateAC(_Associate):
    """A-ASSOCIATE-AC PDU; the two titles repeat the request and are not tested when received (PS3.8 9.3.3)."""

    protocol_version: Annotated[int, U16] = 1
    reserved: Annotated[int, U16] = 0
    called_ae_title: Annotated[str, AE_TITLE] = ""
    calling_ae_title: Annotated[str, AE_TITLE] = ""
    reserved_2: Annotated[bytes, reserved(32)] = bytes(32)
    items: Annotated[tuple[Item, ...], _VariablePart(ApplicationContext, PresentationContextAC, UserInformation)] = ()

    @property
    def presentation_contexts(self) -> list[PresentationContextAC]:
        """The answered presentation contexts."""
        return every(self.items, PresentationContextAC)


@_pdu(0x03, "A-ASSOCIATE-RJ", "PS3.8 Table 9-21")
class AAssociateRJ(PDU):
    """A-ASSOCIATE-RJ PDU."""

    reserved: Annotated[int, U8] = 0
    result: Annotated[RejectResult | int, U8]
    source: Annotated[RejectSource | int, U8]
    reason_diag: Annotated[int, U8]


@dataclass(frozen=True, slots=True, kw_only=True)
class PresentationDataValue:
    """One PDV item of a P-DATA-TF (PS3.8 Table 9-23 and Annex E.2)."""

    context_id: int
    message_control_header: int
    fragment: bytes

    @property
    def is_command(self) -> bool:
        """Bit 0: command (1) or data set (0)."""
        return bool(self.message_control_header & 1)

    @property
    def is_last(self) -> bool:
        """Bit 1: the last fragment of its command or data set."""
        return bool(self.message_control_header & 2)


class _PDVs:
    """Presentation Data Value items: a 32-bit length, context ID, message control header, fragment."""

    def encode(self, value: tuple[PresentationDataValue, ...]) -> bytes:
        return b"".join(
            (len(v.fragment) + 2).to_bytes(4, "big") + bytes((v.context_id, v.message_control_header)) + v.fragment
            for v in value
        )

    def _bounds(self, data: memoryview, start: int, stop: int) -> Iterator[tuple[int, int]]:
        while start < stop:
            end = start + 4 + int.from_bytes(data[start : start + 4], "big")
            if start + 6 > stop or end < start + 6 or end > stop:
                raise RemoteProtocolError("a PDV that does not fit its P-DATA-TF", rule="PS3.8 9.3.5.1", reason_diag=6)
            yield start, end
            start = end

    def decode(self, data: memoryview, start: int, stop: int) -> tuple[tuple[PresentationDataValue, ...], int]:
        return tuple(
            PresentationDataValue(
                context_id=data[first + 4],
                message_control_header=data[first + 5],
                fragment=bytes(data[first + 6 : end]),
            )
            for first, end in self._bounds(data, start, stop)
        ), stop

    def annotate(self, data: memoryview, start: int, stop: int, depth: int) -> Iterator[Span]:
        table = "PS3.8 Table 9-23"
        for first, end in self._bounds(data, start, stop):
            header = data[first + 5]
            words = f"{header:02X}H {'command' if header & 1 else 'data set'}{', last fragment' if header & 2 else ''}"
            inside = depth + 1
            yield Span(first, end, depth, "Presentation Data Value", None, table)
            yield Span(first, first + 4, inside, "item_length", end - first - 4, table)
            yield Span(first + 4, first + 5, inside, "context_id", data[first + 4], table)
            yield Span(first + 5, first + 6, inside, "message_control_header", words, "PS3.8 E.2")
            yield Span(first + 6, end, inside, "fragment", f"{end - first - 6} bytes", table)


@_pdu(0x04, "P-DATA-TF", "PS3.8 Table 9-22")
class PDataTF(PDU):
    """P-DATA-TF PDU."""

    items: Annotated[tuple[PresentationDataValue, ...], _PDVs()]


@_pdu(0x05, "A-RELEASE-RQ", "PS3.8 Table 9-24")
class AReleaseRQ(PDU):
    """A-RELEASE-RQ PDU."""

    reserved: Annotated[bytes, reserved(4)] = bytes(4)


@_pdu(0x06, "A-RELEASE-RP", "PS3.8 Table 9-25")
class AReleaseRP(PDU):
    """A-RELEASE-RP PDU."""

    reserved: Annotated[bytes, reserved(4)] = bytes(4)


@_pdu(0x07, "A-ABORT", "PS3.8 Table 9-26")
class AAbort(PDU):
    """A-ABORT PDU."""

    reserved: Annotated[bytes, reserved(2)] = bytes(2)
    source: Annotated[AbortSource | int, U8] = AbortSource.SERVICE_USER
    reason_diag: Annotated[int, U8] = 0


#: Types whose length is fixed to 4 bytes (PS3.8 9.3.4, 9.3.6 to 9.3.8).
FIXED_LENGTH_TYPES = frozenset({0x03, 0x05, 0x06, 0x07})


def pdu_name(pdu_type: int) -> str:
    """The name of a PDU type, or its number where the standard defines none."""
    cls = PDU_TYPES.get(pdu_type)
    return cls.name if cls else f"PDU of unknown type {pdu_type:02X}H"


_ANOTHER_PORT = "another service listens there: check the port"
_SECURED = "this port expects TLS: give tls= (on the command line --tls)"
#: What begins with a byte that begins no PDU, and what its reader can do about it.
_STRANGERS = {
    0x15: ("a TLS alert", _SECURED),
    0x16: ("a TLS handshake", _SECURED),
    0x32: ("FTP or SMTP", _ANOTHER_PORT),
    0x3C: ("a web page", _ANOTHER_PORT),
    0x47: ("a request of HTTP", _ANOTHER_PORT),
    0x48: ("an answer of HTTP", "this is the port of a web server (HTTP), of a DICOMweb interface perhaps: check the port"),
    0x50: ("a request of HTTP", _ANOTHER_PORT),
    0x53: ("SSH", _ANOTHER_PORT),
}


def unknown_pdu(pdu_type: int) -> RemoteProtocolError:
    """What to say of bytes that are no PDU: their first one often tells whose they are.

    >>> unknown_pdu(0x48).message
    'PDU of unknown type 48H, as an answer of HTTP begins [PS3.8 9.3.1]'
    """
    like, hint = _STRANGERS.get(pdu_type, ("", "check that this is the port of the DICOM service"))
    begins = f", as {like} begins" if like else ""
    return RemoteProtocolError(
        f"PDU of unknown type {pdu_type:02X}H{begins}", rule="PS3.8 9.3.1", reason_diag=1, hint=hint
    )


def encode_pdu(pdu: PDU) -> bytes:
    """The whole PDU as bytes.

    >>> encode_pdu(AReleaseRQ()).hex()
    '05000000000400000000'
    """
    body = encode_fields(pdu)
    return bytes((pdu.pdu_type, 0)) + len(body).to_bytes(4, "big") + body


def decode_pdu(pdu_type: int, body: bytes | bytearray) -> PDU:
    """Read the *body* (everything after type, reserved byte and length) of a PDU.

    Raises
    ------
    RemoteProtocolError
        If the type is unknown or a length inside does not fit what holds it.
    """
    cls = PDU_TYPES.get(pdu_type)
    if cls is None:
        raise unknown_pdu(pdu_type)
    return decode_fields(cls, memoryview(body), 0, len(body))


BEFORE_ITEMS = 68  #: bytes of an A-ASSOCIATE PDU behind its length and before its items: version, titles, reserved
#: Bytes of an item before its sub-items.
_BEFORE_SUB_ITEMS = {
    PresentationContextRQ.item_type: 4,
    PresentationContextAC.item_type: 4,
    UserInformation.item_type: 0,
}


def check_items(pdu_type: int, body: bytes | bytearray, most: int) -> None:
    """Count the items and sub-items of an A-ASSOCIATE PDU by their lengths, which takes a tenth of the time to read them.

    Raises
    ------
    RemoteProtocolError
        If there are more than *most*.
    """
    if pdu_type not in (AAssociateRQ.pdu_type, AAssociateAC.pdu_type) or len(body) <= _ITEM_HEADER.size * most:
        return
    data, left = memoryview(body), most
    try:
        for first, start, end in _headers(data, BEFORE_ITEMS, len(data)):
            left -= 1
            if (before := _BEFORE_SUB_ITEMS.get(data[first])) is not None:
                for kind, inner, stop in _headers(data, start + before, end):
                    left -= 1
                    if data[kind] == SOPClassCommonExtendedNegotiation.item_type:
                        left -= (stop - inner) // 16  # a list of UIDs; few are shorter
                    if left < 0:
                        break
            if left < 0:
                break
    except RemoteProtocolError:
        return  # who reads it says what is wrong
    if left < 0:
        raise RemoteProtocolError(
            f"{pdu_name(pdu_type)} of more than {most} items and sub-items", rule="PS3.8 9.3", reason_diag=6
        )


def without_secrets(pdu: bytes) -> bytes:
    """A whole PDU for people to look at: passcode, ticket, assertion, token and response of a user identity are asterisks.

    A user name stays.  Of an A-ASSOCIATE PDU that cannot be read only the fixed part is given.
    """
    if pdu[0] not in (AAssociateRQ.pdu_type, AAssociateAC.pdu_type) or not (b"\x58\0" in pdu or b"\x59\0" in pdu):
        return pdu
    shown = bytearray(pdu)
    kind = None
    try:
        for span in annotate(pdu):
            if span.name == "user_identity_type":
                kind = span.value
            secret = span.name in ("secondary_field", "server_response")
            if secret or (span.name == "primary_field" and kind not in (1, 2)):
                start = span.start + 2  # its length is no secret
                shown[start : span.stop] = b"*" * (span.stop - start)
    except RemoteProtocolError:
        return pdu[: 6 + BEFORE_ITEMS]
    return bytes(shown)


def annotate(pdu: bytes) -> Iterator[Span]:
    """Every field of a whole PDU with the place where its bytes stand, for views and lessons.

    What holds others (an item, say) comes before them, with the depth one less; what stands before a broken place comes
    before the error.

    >>> [span.name for span in annotate(encode_pdu(AAbort()))]
    ['pdu_type', 'reserved', 'pdu_length', 'reserved', 'source', 'reason_diag']

    Raises
    ------
    RemoteProtocolError
        See `decode_pdu`.
    """
    view = memoryview(pdu)
    cls = PDU_TYPES.get(view[0]) if len(view) >= 6 else None
    if cls is None:
        raise RemoteProtocolError(f"PDU of unknown type {view[0]:02X}H" if pdu else "no PDU", rule="PS3.8 9.3.1")
    yield Span(0, 1, 0, "pdu_type", f"{view[0]:02X}H {cls.name}", cls.table)
    yield Span(1, 2, 0, "reserved", view[1], cls.table)
    yield Span(2, 6, 0, "pdu_length", int.from_bytes(view[2:6], "big"), cls.table)
    yield from annotate_fields(cls, view, 6, len(view), 0, cls.table)
