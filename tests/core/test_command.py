"""DIMSE messages: golden bytes of PS3.7, the round trip of all 23, and command sets that are none."""

from collections.abc import Callable
from dataclasses import fields

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nbdicom.core import command as c
from nbdicom.errors import RemoteProtocolError
from nbdicom.status import Status
from nbdicom.uids import UID


def element(number: int, value: bytes) -> bytes:
    return b"\0\0" + number.to_bytes(2, "little") + len(value).to_bytes(4, "little") + value


def test_golden_echo() -> None:
    """PS3.7 Table 9.3-12, byte by byte."""
    body = (
        element(0x0002, b"1.2.840.10008.1.1\0")
        + element(0x0100, b"\x30\x00")
        + element(0x0110, b"\x07\x00")
        + element(0x0800, b"\x01\x01")
    )
    golden = element(0x0000, len(body).to_bytes(4, "little")) + body
    assert c.encode_command(c.CEchoRQ(message_id=7), data_set=False) == golden
    assert c.decode_command(golden) == (c.CEchoRQ(message_id=7), False)


@pytest.mark.parity("A.8 USE_SHORT_DIMSE_AET")
def test_golden_store_with_everything() -> None:
    message = c.CStoreRQ(
        message_id=1,
        affected_sop_class_uid=UID("1.2"),
        affected_sop_instance_uid=UID("1.2.3"),
        priority=c.Priority.LOW,
        move_originator_application_entity_title="ME",
        move_originator_message_id=5,
    )
    body = b"".join((
        element(0x0002, b"1.2\0"), element(0x0100, b"\1\0"), element(0x0110, b"\1\0"), element(0x0700, b"\2\0"),
        element(0x0800, b"\1\0"), element(0x1000, b"1.2.3\0"), element(0x1030, b"ME"), element(0x1031, b"\5\0"),
    ))  # fmt: skip
    assert c.encode_command(message, data_set=True)[12:] == body


def test_there_are_23_messages() -> None:
    assert len(c.MESSAGES) == 23
    requests = {field for field in c.MESSAGES if not field & 0x8000}
    assert {field | 0x8000 for field in requests - {0x0FFF}} == {field for field in c.MESSAGES if field & 0x8000}
    assert [c.command_name(f) for f in (0x0001, 0x0FFF, 0x8150, 0x4242)] == [
        "C-STORE-RQ",
        "C-CANCEL-RQ",
        "N-DELETE-RSP",
        "command 4242H",
    ]


uids = st.sampled_from([UID("1.2.3"), UID("1.2.840.10008.1.1"), UID("2.25.12345")])
u16 = st.integers(0, 0xFFFF)
texts = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="\\"), min_size=1, max_size=16)
VALUES = {
    "UI": uids,
    "US": u16,
    "AE": texts,
    "LO": texts,
    "AT": st.lists(st.integers(0, 0xFFFFFFFF), min_size=1, max_size=3).map(tuple),
}


@st.composite
def messages(draw: st.DrawFn) -> c.Message:
    cls = c.MESSAGES[draw(st.sampled_from(sorted(c.MESSAGES)))]
    values = {}
    for f in fields(cls):
        optional = f.name not in cls.mandatory and f.name != "message_id"
        if optional and draw(st.booleans()):
            continue
        value = draw(VALUES[c.COMMAND_DICTIONARY[f.name][1]])
        values[f.name] = Status(value) if f.name == "status" else value
    return cls(**values)


@given(messages(), st.booleans())
@settings(max_examples=500, deadline=None)
@pytest.mark.parity("A.11 action and event type")
def test_decoding_undoes_encoding(message: c.Message, data_set: bool) -> None:
    raw = c.encode_command(message, data_set=data_set)
    assert len(raw) % 2 == 0
    assert int.from_bytes(raw[8:12], "little") == len(raw) - 12
    assert c.decode_command(raw) == (message, data_set)
    assert c.decode_command(memoryview(bytearray(raw))) == (message, data_set)


@given(st.lists(st.tuples(messages(), st.integers(0, 0xFFFF), st.booleans()), max_size=4), st.booleans())
@settings(max_examples=300, deadline=None)
def test_who_remembers_the_last_command_set_reads_and_writes_the_same(
    said: list[tuple[c.Message, int, bool]], bytewise: bool
) -> None:
    """Each message comes as it is, under another Message ID, of another instance, and with a byte that is wrong."""
    reader, writer = c.CommandReader(), c.CommandWriter()
    for message, message_id, data_set in said:
        others = [getattr(message, "affected_sop_instance_uid", None), *map(UID, ("1.2.4", "1.2.40", "1.2.400000"))]
        for number, instance in zip((message.id_of(message), message_id, message_id, message_id), others, strict=True):
            setattr(message, message.id_name, number)
            if message.has_instance:
                message.affected_sop_instance_uid = instance  # type: ignore[attr-defined]
            raw = c.encode_command(message, data_set=data_set)
            assert writer.encode(message, data_set=data_set) == raw
            assert reader.decode(bytearray(raw) if bytewise else raw) == (message, data_set)
        for at in range(len(raw)):
            wrong = bytearray(raw)
            wrong[at] ^= 0xFF
            assert _outcome(reader.decode, wrong) == _outcome(c.decode_command, wrong)


def _outcome(decode: Callable[[bytearray], object], raw: bytearray) -> object:
    try:
        return decode(raw)
    except RemoteProtocolError as error:
        return str(error)


@given(st.binary(max_size=200))
@settings(max_examples=400, deadline=None)
def test_rubbish_is_one_kind_of_error(raw: bytes) -> None:
    try:
        c.decode_command(raw)
    except RemoteProtocolError as error:
        assert error.source == 0  # the service user aborts, not the upper layer


ECHO = c.encode_command(c.CEchoRQ(message_id=7), data_set=False)


@pytest.mark.parametrize("stop", range(len(ECHO)))
def test_every_truncation(stop: int) -> None:
    """Between two elements a command set may end; what is missing then is an error if it is needed."""
    try:
        message, _ = c.decode_command(ECHO[:stop])
    except RemoteProtocolError:
        return
    assert isinstance(message, c.CEchoRQ) and message.message_id == 7


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "no Command Field"),
        (element(0x0100, b"\x42\x42"), "4242H"),
        (element(0x0100, b"\x30"), "no Command Field"),
        (element(0x0100, b"\x30\x00"), "Message ID"),
        (element(0x0100, b"\x30\x80") + element(0x0120, b"\1\0"), "status"),
        (element(0x0100, b"\x30\x80") + element(0x0900, b"\0\0"), "message_id_being_responded_to"),
        (element(0x0100, b"\xff\x0f"), "message_id_being_responded_to"),
        (b"\x08\x00" + element(0x0100, b"\x30\x00")[2:], "group 0000"),
        (element(0x0100, b"\x30\x00")[:-1], "group 0000"),
        (b"\0\0\2\0UI\x12\0" + b"1.2.840.10008.1.1\0", "group 0000"),
    ],
    ids=["empty", "unknown field", "odd field", "no Message ID", "no status", "no ID responded to", "cancel of nothing",
         "other group", "cut off", "explicit VR"],
)  # fmt: skip
def test_what_is_no_command_set(raw: bytes, words: str) -> None:
    with pytest.raises(RemoteProtocolError, match=words):
        c.decode_command(raw)


@pytest.mark.parametrize(
    ("raw", "data_set"),
    [(b"\x01\x01", False), (b"\x00\x00", True), (b"\x01\x00", True), (b"\x02\x01", True), (b"\xff\xff", True)],
)
def test_any_type_but_0101_means_that_a_data_set_follows(raw: bytes, data_set: bool) -> None:
    whole = element(0x0100, b"\x20\x00") + element(0x0110, b"\1\0") + element(0x0800, raw)
    assert c.decode_command(whole)[1] is data_set


def test_a_text_that_is_missing_is_an_empty_one_of_its_kind() -> None:
    message, _ = c.decode_command(
        c.encode_command(c.CMoveRQ(message_id=1, affected_sop_class_uid=UID(""), move_destination=""), data_set=True)
    )
    assert isinstance(message, c.CMoveRQ)
    assert type(message.affected_sop_class_uid) is UID and type(message.move_destination) is str


@pytest.mark.parity("A.11 command elements")
def test_what_peers_send_beside_the_standard() -> None:
    """Unknown and empty elements, a wrong group length, UIDs padded with blanks, counters with two values: all readable."""
    raw = b"".join((
        element(0x0000, b"\xff\xff\0\0"), element(0x0002, b"1.2.3 "), element(0x0003, b""), element(0x0100, b"\x21\x80"),
        element(0x0120, b"\1\0"), element(0x0800, b"\1\1"), element(0x0900, b"\0\0"), element(0x0902, b"so it is "),
        element(0x1020, b""), element(0x1021, b"\5\0\6\0"), element(0x5180, b"\0\0"), element(0x1022, b"\1\0"),
    ))  # fmt: skip
    message, _ = c.decode_command(raw)
    assert isinstance(message, c.CMoveRSP)
    assert message.affected_sop_class_uid == "1.2.3" and message.error_comment == "so it is"
    assert message.number_of_remaining_sub_operations is None
    assert message.number_of_completed_sub_operations == 5 and message.number_of_failed_sub_operations == 1


def test_a_data_set_that_is_stuck_to_a_failed_response_is_left_alone() -> None:
    raw = b"".join((
        element(0x0100, b"\x10\x80"), element(0x0120, b"\1\0"), element(0x0800, b"\1\1"), element(0x0900, b"\0\xc0"),
        b"\x08\0\x58\0\6\0\0\0001.2.3\0",
    ))  # fmt: skip
    assert c.decode_command(raw)[0].status == 0xC000  # type: ignore[attr-defined]


def test_a_status_knows_its_service_and_comment() -> None:
    raw = c.encode_command(
        c.CMoveRSP(message_id_being_responded_to=1, status=Status(0xA801), error_comment="who?"), data_set=False
    )
    status = c.decode_command(raw)[0].status  # type: ignore[attr-defined]
    assert "destination unknown" in str(status) and status.comment == "who?"


def test_an_error_id_is_written_as_the_standard_writes_it() -> None:
    """A710H of PS3.4 F.7.2.2.4, not 42768."""
    raw = c.encode_command(
        c.NSetRSP(message_id_being_responded_to=1, status=Status(0x0110), error_id=0xA710), data_set=False
    )
    assert {span.name: span.value for span in c.annotate_command(raw)}["Error ID (0000,0903)"] == "A710H"


def test_a_long_comment_is_cut_to_its_vr() -> None:
    raw = c.encode_command(
        c.CEchoRSP(message_id_being_responded_to=1, status=Status(0), error_comment="x" * 99), data_set=False
    )
    assert c.decode_command(raw)[0].error_comment == "x" * 64  # type: ignore[attr-defined]


def test_pynetdicom_encodes_the_same() -> None:
    theirs = pytest.importorskip("pynetdicom.dimse_messages", reason="pynetdicom is not installed")
    from pynetdicom.dimse_primitives import C_ECHO
    from pynetdicom.dsutils import encode

    primitive = C_ECHO()
    primitive.MessageID, primitive.AffectedSOPClassUID = 7, "1.2.840.10008.1.1"
    message = theirs.C_ECHO_RQ()
    message.primitive_to_message(primitive)
    assert encode(message.command_set, True, True) == ECHO
