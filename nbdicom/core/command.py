"""Command sets: the 23 DIMSE messages of PS3.7 section 9.3 and 10.3, and their codec (Annex E).

A message is a dataclass whose fields are keywords of the command dictionary (Table E.1-1) in snake case.  `encode_command`
and `decode_command` work from that dictionary; a command set is always Implicit VR Little Endian (PS3.7 6.3.1), which is
why this codec is flat and takes microseconds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from enum import IntEnum
from operator import attrgetter
from struct import Struct
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple, TypeVar, dataclass_transform

from nbdicom.core.fields import OfFields
from nbdicom.core.layout import Span
from nbdicom.errors import RemoteProtocolError
from nbdicom.status import Status
from nbdicom.uids import UID

__all__ = [
    "COMMAND_DICTIONARY",
    "COMMAND_ELEMENTS",
    "MESSAGES",
    "CCancelRQ",
    "CEchoRQ",
    "CEchoRSP",
    "CFindRQ",
    "CFindRSP",
    "CGetRQ",
    "CGetRSP",
    "CMoveRQ",
    "CMoveRSP",
    "CStoreRQ",
    "CStoreRSP",
    "CommandReader",
    "CommandWriter",
    "Message",
    "NActionRQ",
    "NActionRSP",
    "NCreateRQ",
    "NCreateRSP",
    "NDeleteRQ",
    "NDeleteRSP",
    "NEventReportRQ",
    "NEventReportRSP",
    "NGetRQ",
    "NGetRSP",
    "NSetRQ",
    "NSetRSP",
    "Priority",
    "Request",
    "Response",
    "SubOperationCounts",
    "annotate_command",
    "command_name",
    "decode_command",
    "encode_command",
    "response_class",
]

_T = TypeVar("_T", bound=type)
_TABLE = re.compile(r"PS3\.7 Table [0-9.]+-[0-9]+")


class Priority(IntEnum):
    """Priority (0000,0700), PS3.7 Table 9.3-1."""

    MEDIUM = 0
    HIGH = 1
    LOW = 2


#: PS3.7 Table E.1-1: field name -> (element number in group 0000, VR).  Group length, Command Field and Command Data
#: Set Type are made by the codec itself.
COMMAND_DICTIONARY: dict[str, tuple[int, str]] = {
    "affected_sop_class_uid": (0x0002, "UI"),
    "requested_sop_class_uid": (0x0003, "UI"),
    "message_id": (0x0110, "US"),
    "message_id_being_responded_to": (0x0120, "US"),
    "move_destination": (0x0600, "AE"),
    "priority": (0x0700, "US"),
    "status": (0x0900, "US"),
    "offending_element": (0x0901, "AT"),
    "error_comment": (0x0902, "LO"),
    "error_id": (0x0903, "US"),
    "affected_sop_instance_uid": (0x1000, "UI"),
    "requested_sop_instance_uid": (0x1001, "UI"),
    "event_type_id": (0x1002, "US"),
    "attribute_identifier_list": (0x1005, "AT"),
    "action_type_id": (0x1008, "US"),
    "number_of_remaining_sub_operations": (0x1020, "US"),
    "number_of_completed_sub_operations": (0x1021, "US"),
    "number_of_failed_sub_operations": (0x1022, "US"),
    "number_of_warning_sub_operations": (0x1023, "US"),
    "move_originator_application_entity_title": (0x1030, "AE"),
    "move_originator_message_id": (0x1031, "US"),
}
#: The same the other way round: element -> (name, VR).
COMMAND_ELEMENTS = {element: (name, vr) for name, (element, vr) in COMMAND_DICTIONARY.items()}

_COMMAND_FIELD, _DATA_SET_TYPE = 0x0100, 0x0800

_messages: dict[int, type[Message]] = {}  # filled by the decorator below while this module loads

#: Every message by its Command Field.
MESSAGES: Mapping[int, type[Message]] = MappingProxyType(_messages)


def _plan(cls: Any) -> tuple[tuple[int, str | None, str], ...]:
    rows: list[tuple[int, str | None, str]] = [
        (COMMAND_DICTIONARY[f.name][0], f.name, COMMAND_DICTIONARY[f.name][1]) for f in fields(cls)
    ]
    rows += [(_COMMAND_FIELD, None, "US"), (_DATA_SET_TYPE, None, "US")]
    return tuple(sorted(rows, key=lambda row: row[0]))


@dataclass_transform(kw_only_default=True)
def _message(command_field: int, name: str) -> Callable[[_T], _T]:
    def declare(cls: _T) -> _T:
        made: Any = dataclass(slots=True, kw_only=True, eq=False, repr=False)(cls)
        made.command_field, made.name = command_field, name
        made.table = _TABLE.match(made.__doc__).group()  # type: ignore[union-attr]  # each docstring begins with it
        made.service = name.rpartition("-")[0]
        made.plan = _plan(made)
        made.names = frozenset(f.name for f in fields(made))
        made.mandatory = tuple(f.name for f in fields(made) if f.default is f.default_factory)  # both MISSING
        made.id_name = "message_id" if "message_id" in made.names else "message_id_being_responded_to"
        made.id_of = attrgetter(made.id_name)
        made.alike = "number_of_remaining_sub_operations" not in made.names
        others = sorted(made.names - {made.id_name, "affected_sop_instance_uid"})
        # One name alone gives no tuple; the Message ID twice would do no harm, but two of another name are as good.
        made.has_instance = "affected_sop_instance_uid" in made.names
        made.others_of = attrgetter(*(others * 2 if len(others) == 1 else others)) if others else lambda message: ()
        _messages[command_field] = made
        return made  # type: ignore[no-any-return]

    return declare


@dataclass(slots=True, kw_only=True, eq=False, repr=False)
class Message(OfFields):
    """What all DIMSE messages have: a Command Field (0000,0100) and a name."""

    command_field: ClassVar[int]
    name: ClassVar[str]
    table: ClassVar[str]  #: where the standard defines its elements
    #: the elements in tag order: (element, field name or None where the codec knows the value, VR)
    plan: ClassVar[tuple[tuple[int, str | None, str], ...]]
    service: ClassVar[str]  #: the DIMSE service: the name without RQ or RSP
    names: ClassVar[frozenset[str]]  #: the fields
    mandatory: ClassVar[tuple[str, ...]]
    __hash__ = None  # type: ignore[assignment]  # it can change: its Message ID is given when it is sent
    id_name: ClassVar[str]  #: the field with the Message ID, our own or the one that is responded to
    id_of: ClassVar[Callable[[Any], int]]  #: gives it
    alike: ClassVar[bool]  #: whether one message hardly differs from the last; where it counts something, it does
    has_instance: ClassVar[bool]  #: whether there is an Affected SOP Instance UID
    #: gives the values of all other fields but the Affected SOP Instance UID
    others_of: ClassVar[Callable[[Any], tuple[Any, ...]]]


@dataclass(slots=True, kw_only=True, eq=False, repr=False)
class Request(Message):
    """A request; its Message ID is given by the association when it is sent."""

    message_id: int = 0


@dataclass(slots=True, kw_only=True, eq=False, repr=False)
class Response(Message):
    """A response, matched to its request by Message ID Being Responded To."""

    message_id_being_responded_to: int
    status: Status
    offending_element: tuple[int, ...] | None = None
    error_comment: str | None = None


@dataclass(slots=True, kw_only=True, eq=False, repr=False)
class SubOperationCounts(Response):
    """The counters of C-GET and C-MOVE responses (PS3.4 C.4.2.1.6 to C.4.2.1.9)."""

    number_of_remaining_sub_operations: int | None = None
    number_of_completed_sub_operations: int | None = None
    number_of_failed_sub_operations: int | None = None
    number_of_warning_sub_operations: int | None = None


# ------------------------------------------------------------------------------- DIMSE-C, PS3.7 9.3


@_message(0x0001, "C-STORE-RQ")
class CStoreRQ(Request):
    """PS3.7 Table 9.3-1."""

    affected_sop_class_uid: UID
    affected_sop_instance_uid: UID
    priority: Priority | int = Priority.MEDIUM
    move_originator_application_entity_title: str | None = None
    move_originator_message_id: int | None = None


@_message(0x8001, "C-STORE-RSP")
class CStoreRSP(Response):
    """PS3.7 Table 9.3-2."""

    affected_sop_class_uid: UID | None = None
    affected_sop_instance_uid: UID | None = None


@_message(0x0020, "C-FIND-RQ")
class CFindRQ(Request):
    """PS3.7 Table 9.3-3."""

    affected_sop_class_uid: UID
    priority: Priority | int = Priority.MEDIUM


@_message(0x8020, "C-FIND-RSP")
class CFindRSP(Response):
    """PS3.7 Table 9.3-4."""

    affected_sop_class_uid: UID | None = None


@_message(0x0FFF, "C-CANCEL-RQ")
class CCancelRQ(Message):
    """PS3.7 Table 9.3-5: the one request without a Message ID and without a response."""

    message_id_being_responded_to: int


@_message(0x0010, "C-GET-RQ")
class CGetRQ(Request):
    """PS3.7 Table 9.3-6."""

    affected_sop_class_uid: UID
    priority: Priority | int = Priority.MEDIUM


@_message(0x8010, "C-GET-RSP")
class CGetRSP(SubOperationCounts):
    """PS3.7 Table 9.3-7."""

    affected_sop_class_uid: UID | None = None


@_message(0x0021, "C-MOVE-RQ")
class CMoveRQ(Request):
    """PS3.7 Table 9.3-9."""

    affected_sop_class_uid: UID
    priority: Priority | int = Priority.MEDIUM
    move_destination: str


@_message(0x8021, "C-MOVE-RSP")
class CMoveRSP(SubOperationCounts):
    """PS3.7 Table 9.3-10."""

    affected_sop_class_uid: UID | None = None


@_message(0x0030, "C-ECHO-RQ")
class CEchoRQ(Request):
    """PS3.7 Table 9.3-12."""

    affected_sop_class_uid: UID = UID("1.2.840.10008.1.1")


@_message(0x8030, "C-ECHO-RSP")
class CEchoRSP(Response):
    """PS3.7 Table 9.3-13."""

    affected_sop_class_uid: UID | None = None


# ------------------------------------------------------------------------------- DIMSE-N, PS3.7 10.3


@dataclass(slots=True, kw_only=True, eq=False, repr=False)
class _NResponse(Response):
    affected_sop_class_uid: UID | None = None
    affected_sop_instance_uid: UID | None = None
    error_id: int | None = None


@_message(0x0100, "N-EVENT-REPORT-RQ")
class NEventReportRQ(Request):
    """PS3.7 Table 10.3-1."""

    affected_sop_class_uid: UID
    affected_sop_instance_uid: UID
    event_type_id: int


@_message(0x8100, "N-EVENT-REPORT-RSP")
class NEventReportRSP(_NResponse):
    """PS3.7 Table 10.3-2."""

    event_type_id: int | None = None


@_message(0x0110, "N-GET-RQ")
class NGetRQ(Request):
    """PS3.7 Table 10.3-3."""

    requested_sop_class_uid: UID
    requested_sop_instance_uid: UID
    attribute_identifier_list: tuple[int, ...] | None = None


@_message(0x8110, "N-GET-RSP")
class NGetRSP(_NResponse):
    """PS3.7 Table 10.3-4."""

    attribute_identifier_list: tuple[int, ...] | None = None


@_message(0x0120, "N-SET-RQ")
class NSetRQ(Request):
    """PS3.7 Table 10.3-5."""

    requested_sop_class_uid: UID
    requested_sop_instance_uid: UID


@_message(0x8120, "N-SET-RSP")
class NSetRSP(_NResponse):
    """PS3.7 Table 10.3-6."""

    attribute_identifier_list: tuple[int, ...] | None = None


@_message(0x0130, "N-ACTION-RQ")
class NActionRQ(Request):
    """PS3.7 Table 10.3-7."""

    requested_sop_class_uid: UID
    requested_sop_instance_uid: UID
    action_type_id: int


@_message(0x8130, "N-ACTION-RSP")
class NActionRSP(_NResponse):
    """PS3.7 Table 10.3-8."""

    action_type_id: int | None = None


@_message(0x0140, "N-CREATE-RQ")
class NCreateRQ(Request):
    """PS3.7 Table 10.3-9."""

    affected_sop_class_uid: UID
    affected_sop_instance_uid: UID | None = None


@_message(0x8140, "N-CREATE-RSP")
class NCreateRSP(_NResponse):
    """PS3.7 Table 10.3-10."""

    attribute_identifier_list: tuple[int, ...] | None = None


@_message(0x0150, "N-DELETE-RQ")
class NDeleteRQ(Request):
    """PS3.7 Table 10.3-11."""

    requested_sop_class_uid: UID
    requested_sop_instance_uid: UID


@_message(0x8150, "N-DELETE-RSP")
class NDeleteRSP(_NResponse):
    """PS3.7 Table 10.3-12."""


# ------------------------------------------------------------------------------- codec

_ELEMENT = Struct("<HHI")
_US = Struct("<HHIH")
_GROUP_LENGTH = Struct("<HHII")
_INSTANCE = COMMAND_DICTIONARY["affected_sop_instance_uid"][0]
_MOST_FORMS = 8  #: lengths of command sets that a reader remembers: more than there are in any dialogue
_NO_DATA_SET = 0x0101
_DATA_SET = 0x0001


def _encode_value(value: Any, vr: str) -> bytes:
    if vr == "AT":
        return b"".join((tag >> 16).to_bytes(2, "little") + (tag & 0xFFFF).to_bytes(2, "little") for tag in value)
    raw: bytes = value.encode("ascii" if vr == "UI" else "latin-1", "replace")
    if vr == "LO":
        raw = raw[:64]
    return raw + (b"\0" if vr == "UI" else b" ") if len(raw) & 1 else raw


def encode_command(message: Message, *, data_set: bool) -> bytes:
    """The command set of *message*; *data_set* tells whether a data set follows (Command Data Set Type).

    >>> encode_command(CEchoRQ(message_id=7), data_set=False).hex(" ", 4)[:26]
    '00000000 04000000 38000000'
    """
    parts = [b""]
    for element, name, vr in message.plan:
        if name is None:
            value = message.command_field if element == _COMMAND_FIELD else _DATA_SET if data_set else _NO_DATA_SET
        else:
            value = getattr(message, name)
            if value is None:
                continue
        if vr == "US":
            parts.append(_US.pack(0, element, 2, value))
        else:
            raw = _encode_value(value, vr)
            parts.append(_ELEMENT.pack(0, element, len(raw)) + raw)
    parts[0] = _GROUP_LENGTH.pack(0, 0, 4, sum(map(len, parts)))
    return b"".join(parts)


class _Blanks(NamedTuple):
    """Where in a command set stands what differs from message to message."""

    id_at: int  #: the Message ID, or the one that is responded to; -1 for nowhere
    uid_at: int  #: the Affected SOP Instance UID
    uid_end: int

    @classmethod
    def of(cls, raw: bytes, kind: type[Message]) -> _Blanks:
        """Those of a command set of this kind; where there is no UID, its places are both behind the Message ID."""
        wanted = COMMAND_DICTIONARY[kind.id_name][0]
        position, id_at = 0, -1
        while position + 8 <= len(raw):
            group, element, length = _ELEMENT.unpack_from(raw, position)
            position += 8
            if id_at < 0 and element == wanted and not group:
                if length != 2 or position + 2 > len(raw):
                    break
                id_at = position
            elif element == _INSTANCE and not group and length:
                if id_at < 0 or not kind.has_instance or position + length > len(raw):
                    break
                return cls(id_at, position, position + length)
            position += length
        return cls(id_at, id_at + 2, id_at + 2)


class _Form:
    """A command set with blanks: what was encoded or decoded last of its kind."""

    __slots__ = (
        "after", "before", "data_set", "has_uid", "id_at", "kind", "middle", "raw", "said", "uid_at", "uid_end", "values"
    )  # fmt: skip

    def __init__(self, raw: bytes, kind: type[Message], blanks: _Blanks, values: Any, data_set: bool) -> None:
        self.id_at, self.uid_at, self.uid_end = blanks
        self.has_uid = blanks.uid_at < blanks.uid_end
        self.before = raw[: blanks.id_at]
        self.middle = raw[blanks.id_at + 2 : blanks.uid_at]
        self.after = raw[blanks.uid_end :]
        self.kind, self.values, self.data_set = kind, values, data_set
        self.raw: bytes = b""  # of a message that may be given twice
        self.said: tuple[Message, bool] | None = None  # it


class CommandWriter:
    """Encodes the command sets of one association; what hardly differs from the last of its kind is not made anew.

    Message follows message with another Message ID, and perhaps another SOP Instance UID: of 7 us 1 or 2 are left.

    >>> writer = CommandWriter()
    >>> for number in 7, 8:
    ...     print(writer.encode(CEchoRQ(message_id=number), data_set=False)[48:58].hex())
    00001001020000000700
    00001001020000000800
    """

    __slots__ = ("_forms",)

    def __init__(self) -> None:
        self._forms: dict[type[Message], _Form] = {}

    def encode(self, message: Message, *, data_set: bool) -> bytes:
        """As `encode_command`."""
        kind = message.__class__
        form = self._forms.get(kind)
        if form is not None and data_set is form.data_set and kind.others_of(message) == form.values:
            number = kind.id_of(message).to_bytes(2, "little")
            uid = message.affected_sop_instance_uid if kind.has_instance else None  # type: ignore[attr-defined]
            if not uid and not form.has_uid:
                return form.before + number + form.after
            if uid and form.has_uid:
                raw = _encode_value(uid, "UI")
                length = len(raw).to_bytes(4, "little")
                rest = b"".join((form.before[12:], number, form.middle[:-4], length, raw, form.after))
                return _GROUP_LENGTH.pack(0, 0, 4, len(rest)) + rest
        raw = encode_command(message, data_set=data_set)
        if kind.alike:
            self._forms[kind] = _Form(raw, kind, _Blanks.of(raw, kind), kind.others_of(message), data_set)
        return raw


def _decode_value(raw: bytes | bytearray, vr: str) -> Any:
    if vr == "US":
        return int.from_bytes(raw[:2], "little") if len(raw) >= 2 else None
    if vr == "AT":
        return tuple(
            int.from_bytes(raw[k : k + 2], "little") << 16 | int.from_bytes(raw[k + 2 : k + 4], "little")
            for k in range(0, len(raw) - 3, 4)
        )
    text = raw.decode("latin-1").rstrip("\0 ")
    return UID(text) if vr == "UI" else text.lstrip(" ") if vr == "AE" else text


#: What a decoder needs of Table E.1-1: element -> (name, VR), and the first eight bytes of elements of VR US.
_ELEMENTS = COMMAND_ELEMENTS | {
    _COMMAND_FIELD: ("command_field", "US"),
    _DATA_SET_TYPE: ("command_data_set_type", "US"),
}
_NUMBERS = {_ELEMENT.pack(0, element, 2): name for element, (name, vr) in _ELEMENTS.items() if vr == "US"}


def decode_command(raw: bytes | bytearray | memoryview) -> tuple[Message, bool]:
    """Read a command set: the message, and whether a data set follows.

    Elements that the message does not define are skipped (peers send them), an empty optional element counts as absent,
    a text that is missing reads as ``""``.  The group length is not trusted and not needed.

    Raises
    ------
    RemoteProtocolError
        If it is not a command set, has no known Command Field, or lacks its Message ID or Status.
    """
    data = bytes(raw)
    values: dict[str, Any] = {}
    position, stop = 0, len(data)
    while position < stop:
        # Most elements are numbers of two bytes: found by their first eight bytes they cost 0.2 us, half of the long way.
        name = _NUMBERS.get(data[position : position + 8])
        if name is not None and position + 10 <= stop:
            if name not in values:
                values[name] = data[position + 8] | data[position + 9] << 8
            position += 10
            continue
        if position + 8 > stop:
            raise RemoteProtocolError("command set cut off inside an element", rule="PS3.7 E.1", source=0)
        group, element, length = _ELEMENT.unpack_from(data, position)
        position += 8
        if group and (values.get("command_field") or 0) & 0x8000:
            break  # a response with its data set stuck to it (Orthanc's failed C-GET): the command set has been read
        if group or position + length > stop:
            raise RemoteProtocolError(
                "command set that is not Implicit VR Little Endian of group 0000", rule="PS3.7 6.3.1", source=0
            )
        known = _ELEMENTS.get(element)
        if known is not None and length and known[0] not in values:
            values[known[0]] = _decode_value(data[position : position + length], known[1])
        position += length
    field, data_set_type = values.pop("command_field", None), values.pop("command_data_set_type", None)
    cls = MESSAGES.get(-1 if field is None else field)
    if cls is None:
        shown = "no Command Field" if field is None else f"Command Field {field:04X}H"
        raise RemoteProtocolError(f"command set with {shown}", rule="PS3.7 E.1", source=0)
    if not values.keys() <= cls.names:
        values = {name: value for name, value in values.items() if name in cls.names}
    if issubclass(cls, Request) and values.get("message_id") is None:
        raise RemoteProtocolError(f"{cls.name} without Message ID", rule="PS3.7 9.3", source=0)
    for name in cls.mandatory:
        if values.get(name) is None:
            if name in ("message_id_being_responded_to", "status"):
                raise RemoteProtocolError(f"{cls.name} without {name}", rule="PS3.7 9.3", source=0)
            vr = COMMAND_DICTIONARY[name][1]
            values[name] = 0 if vr == "US" else UID("") if vr == "UI" else ""
    if "status" in values:
        values["status"] = Status(values["status"], cls.service, values.get("error_comment"))
    return cls(**values), data_set_type not in (_NO_DATA_SET, None)


class CommandReader:
    """Reads the command sets of one association; what hardly differs from the last one of its length is not read again.

    Of the 9 us of reading a C-ECHO 2 are left, of the 13 of a C-STORE 4.

    >>> reader, writer = CommandReader(), CommandWriter()
    >>> for number in 7, 8:
    ...     reader.decode(writer.encode(CEchoRQ(message_id=number), data_set=False))
    (CEchoRQ(message_id=7, affected_sop_class_uid=UID('1.2.840.10008.1.1')), False)
    (CEchoRQ(message_id=8, affected_sop_class_uid=UID('1.2.840.10008.1.1')), False)
    """

    __slots__ = ("_forms",)

    def __init__(self) -> None:
        self._forms: dict[int, _Form] = {}  # by their length

    def decode(self, raw: bytes | bytearray) -> tuple[Message, bool]:
        """As `decode_command`; the pending responses to one C-FIND are one object."""
        form = self._forms.get(len(raw))
        if form is not None:
            if form.said is not None and raw == form.raw:
                return form.said
            at = form.id_at
            if raw.startswith(form.before) and raw.endswith(form.after):
                kind, values = form.kind, form.values
                values[kind.id_name] = raw[at] | raw[at + 1] << 8
                if not form.has_uid:
                    return kind(**values), form.data_set
                if raw.startswith(form.middle, at + 2):
                    values["affected_sop_instance_uid"] = _decode_value(raw[form.uid_at : form.uid_end], "UI")
                    return kind(**values), form.data_set
        raw = bytes(raw)
        said = message, has_data = decode_command(raw)
        kind = message.__class__
        if not kind.alike or (blanks := _Blanks.of(raw, kind)).id_at < 0:
            return said
        if len(self._forms) >= _MOST_FORMS:
            self._forms.clear()
        values = {name: getattr(message, name) for name in kind.names}
        self._forms[len(raw)] = form = _Form(raw, kind, blanks, values, has_data)
        if isinstance(message, CFindRSP):
            form.raw, form.said = raw, said
        return said


def command_name(command_field: int) -> str:
    """The name of a Command Field value.

    >>> command_name(0x8020)
    'C-FIND-RSP'
    """
    cls = MESSAGES.get(command_field)
    return cls.name if cls else f"command {command_field:04X}H"


def response_class(request: type[Request]) -> type[Response]:
    """The class of the responses to a class of requests: the same Command Field with the highest bit set."""
    cls = MESSAGES[request.command_field | 0x8000]
    assert issubclass(cls, Response)
    return cls


def annotate_command(raw: bytes) -> Iterator[Span]:
    """Every element of a command set with the place where its bytes stand and its value, for views and lessons.

    What stands before a broken place comes before the error.

    >>> [span.name for span in annotate_command(encode_command(CEchoRQ(message_id=7), data_set=False))][2]
    'Command Field (0000,0100)'

    Raises
    ------
    RemoteProtocolError
        If it is cut off inside an element.
    """
    position, message = 0, ""
    while position < len(raw):
        if position + 8 > len(raw):
            raise RemoteProtocolError("command set cut off inside an element", rule="PS3.7 E.1", source=0)
        group, element, length = _ELEMENT.unpack_from(raw, position)
        end = position + 8 + length
        if end > len(raw):
            raise RemoteProtocolError("command set cut off inside an element", rule="PS3.7 E.1", source=0)
        value = raw[position + 8 : end]
        known, vr = (None, "") if group else COMMAND_ELEMENTS.get(element, (None, ""))
        words: str = "Unknown element"
        shown: Any = value
        if known is not None:
            words, shown = _in_words(known), _decode_value(value, vr)
            if known == "priority" and shown in Priority._value2member_map_:
                shown = Priority(shown)
            elif known == "status" and shown is not None:
                shown = Status(shown, message.rpartition("-")[0])
            elif known == "error_id" and shown is not None:
                shown = f"{shown:04X}H"  # as the standard writes those that it defines
        elif (group, element) == (0, 0):
            words, shown = "Command Group Length", int.from_bytes(value, "little")
        elif (group, element) == (0, _COMMAND_FIELD):
            field = int.from_bytes(value, "little")
            message = command_name(field)
            words, shown = "Command Field", f"{field:04X}H {message}"
        elif (group, element) == (0, _DATA_SET_TYPE):
            kind = int.from_bytes(value, "little")
            words = "Command Data Set Type"
            shown = f"{kind:04X}H {'no data set' if kind == _NO_DATA_SET else 'a data set follows'}"
        yield Span(position, end, 0, f"{words} ({group:04X},{element:04X})", shown, "PS3.7 Table E.1-1")
        position = end


def _in_words(name: str) -> str:
    """The standard's spelling of a field name.

    >>> _in_words("affected_sop_class_uid")
    'Affected SOP Class UID'
    """
    return " ".join(w.upper() if w in ("sop", "uid", "id") else w.capitalize() for w in name.split("_"))
