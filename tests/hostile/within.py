"""What is played within an association, in Sta6: PDUs, fragments, command sets, services (PS3.8 9.2, 9.3; PS3.7; PS3.4)."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from nbdicom.core.command import (
    CCancelRQ,
    CEchoRQ,
    CFindRQ,
    CFindRSP,
    CGetRQ,
    CMoveRQ,
    CStoreRQ,
    NActionRQ,
    NGetRQ,
    encode_command,
)
from nbdicom.core.pdu import (
    encode_pdu,
)
from nbdicom.data import codec
from nbdicom.status import Status
from nbdicom.uids import UID
from tests.drivers.scripted import (
    A_RELEASE_RP,
    A_RELEASE_RQ,
    CT,
    ECHO_ID,
    FIND,
    FIND_ID,
    GET,
    GET_ID,
    IMPLICIT,
    MOVE,
    MOVE_ID,
    STORE_ID,
    VERIFICATION,
    a_associate_rj,
    a_associate_rq,
    message,
    p_data,
    pdv,
)
from tests.hostile.answers import (
    Abort,
    Answer,
    Closed,
    Either,
    Message,
    Released,
    Served,
    Several,
)
from tests.hostile.case import BROKEN, PATHS, UNEXPECTED, Case, bytes_of, malformed, rq_of, sized

__all__ = ["WITHIN"]


AC_BODY = b"\0\1\0\0" + b"SCP".ljust(16) + b"SCU".ljust(16) + bytes(32)

# ------------------------------------------------------------------------------- in an association (Sta6)

STORE_COMMAND = encode_command(
    CStoreRQ(message_id=1, affected_sop_class_uid=CT, affected_sop_instance_uid=UID("1.2.3")), data_set=True
)
ECHO_COMMAND = encode_command(CEchoRQ(message_id=9), data_set=False)
#: Source 0 where the fault is in the DIMSE message: the service user decides.  The provider's abort says the same.
ABORTED = Abort()


def _sta6() -> Iterator[Case]:
    def case(
        name: str, section: str, pdu: bytes, answer: Answer, shall: bool = True, needs: tuple[int, ...] = (ECHO_ID,)
    ) -> Case:
        return Case(f"Sta6: {name}", section, bytes_of(pdu), answer, shall, needs)

    yield Case("Sta6: A-ASSOCIATE-RQ", "PS3.8 Table 9-10 AA-8", rq_of(), UNEXPECTED, True, (ECHO_ID,))
    yield case(
        "A-ASSOCIATE-AC",
        "PS3.8 Table 9-10 AA-8",
        sized(b"\x02", AC_BODY + encode_pdu(a_associate_rq())[74:]),
        UNEXPECTED,
    )
    yield case("A-ASSOCIATE-RJ", "PS3.8 Table 9-10 AA-8", a_associate_rj(1, 1, 1), UNEXPECTED)
    yield case("A-RELEASE-RP", "PS3.8 Table 9-10 AA-8", A_RELEASE_RP, UNEXPECTED)
    yield case("A-RELEASE-RQ", "PS3.8 Table 9-10 AR-2", A_RELEASE_RQ, Released())
    for source, reason in ((0, 0), (2, 6), (1, 3), (255, 255)):
        pdu = bytes.fromhex("07 00 00000004 0000") + bytes((source, reason))
        yield case(f"A-ABORT {source}/{reason}", "PS3.8 Table 9-10 AA-3", pdu, Closed())
    yield case("the connection ends", "PS3.8 Table 9-10 AA-4", b"", Closed())
    for name, section, pdu, answer in malformed():
        yield case(name, section, pdu, answer)
    yield case("A-ASSOCIATE-RQ of 4 GiB", "local limit", bytes.fromhex("01 00 ffffffff") + bytes(80), Abort(2), False)
    pdu = bytes.fromhex("04 00 00000006 fffffffc 0103")
    yield case("PDV of 4 GiB minus 4", "PS3.8 9.3.5, D.1", pdu, BROKEN)
    for context_id, name in ((11, "unknown"), (2, "even"), (0, "0"), (255, "255")):
        yield case(f"PDV in context {name}", "PS3.8 9.3.5.1", p_data(pdv(context_id, 3, ECHO_COMMAND)), BROKEN)

    store = (STORE_ID,)
    order = "PS3.8 E.1"
    yield case(
        "a data set in another context",
        order,
        p_data(pdv(STORE_ID, 3, STORE_COMMAND), pdv(ECHO_ID, 0, b"ab")),
        ABORTED,
        True,
        store,
    )
    yield case(
        "a command in two contexts",
        order,
        p_data(pdv(STORE_ID, 1, STORE_COMMAND[:20])) + p_data(pdv(ECHO_ID, 3, STORE_COMMAND[20:])),
        ABORTED,
        True,
        store,
    )
    yield case(
        "a command before the end of a data set",
        order,
        p_data(pdv(STORE_ID, 3, STORE_COMMAND))
        + p_data(pdv(STORE_ID, 0, b"ab"))
        + p_data(pdv(STORE_ID, 3, STORE_COMMAND)),
        ABORTED,
        True,
        store,
    )
    yield case(
        "a command in another context before the end of a data set",
        order,
        p_data(pdv(STORE_ID, 3, STORE_COMMAND))
        + p_data(pdv(STORE_ID, 0, b"ab"))
        + p_data(pdv(ECHO_ID, 3, ECHO_COMMAND)),
        ABORTED,
        True,
        store,
    )
    yield case("a data set without command", order, p_data(pdv(STORE_ID, 2, b"ab")), ABORTED, True, store)
    yield case(
        "a data set that the command does not announce",
        "PS3.7 E.1",
        p_data(pdv(ECHO_ID, 3, ECHO_COMMAND), pdv(ECHO_ID, 2, b"ab")),
        Either(ABORTED, Several(Message(0), ABORTED)),
    )
    yield case(
        "2 000 empty fragments", "PS3.8 E.1, local limit", p_data(*[pdv(ECHO_ID, 1, b"")] * 2000), ABORTED, False
    )
    yield case(
        "a command set of 20 MB",
        "local limit",
        b"".join(p_data(pdv(ECHO_ID, 1, bytes(16_000))) for _ in range(1250)),
        ABORTED,
        False,
    )

    good = "PS3.8 E.2, 9.1"
    served = Served(Message(0))
    shapes = {
        "an echo": p_data(pdv(ECHO_ID, 3, ECHO_COMMAND)),
        "an echo in two PDVs": p_data(pdv(ECHO_ID, 1, ECHO_COMMAND[:12]), pdv(ECHO_ID, 3, ECHO_COMMAND[12:])),
        "an echo in two PDUs": p_data(pdv(ECHO_ID, 1, ECHO_COMMAND[:12])) + p_data(pdv(ECHO_ID, 3, ECHO_COMMAND[12:])),
        "an echo in odd fragments": p_data(pdv(ECHO_ID, 1, ECHO_COMMAND[:11]), pdv(ECHO_ID, 3, ECHO_COMMAND[11:])),
        "an echo with an empty last fragment": p_data(pdv(ECHO_ID, 1, ECHO_COMMAND)) + p_data(pdv(ECHO_ID, 3, b"")),
        "reserved bits of the message control header": p_data(pdv(ECHO_ID, 0xFF, ECHO_COMMAND)),
        "reserved byte of the PDU header": b"\x04\xff" + p_data(pdv(ECHO_ID, 3, ECHO_COMMAND))[2:],
        "an echo byte by byte in PDVs": b"".join(
            p_data(pdv(ECHO_ID, 3 if k == len(ECHO_COMMAND) - 1 else 1, ECHO_COMMAND[k : k + 1]))
            for k in range(len(ECHO_COMMAND))
        ),
    }
    for name, pdu in shapes.items():
        yield case(name, good, pdu, served, name not in ("an echo in odd fragments", "an echo byte by byte in PDVs"))
    yield Case("Sta6: a byte at a time", "PS3.8 9.1", bytes_of(shapes["an echo"]), served, needs=(ECHO_ID,), drip=True)
    yield case(
        "release with the echo in one segment",
        "PS3.8 9.2 AR-2",
        shapes["an echo"] + A_RELEASE_RQ,
        Either(Several(Message(0), Released()), Released()),
    )


def _command(
    field: int, *, drop: tuple[int, ...] = (), add: bytes = b"", data: int = 0x0101, uid: bytes = b"1.2.840.10008.1.1\0"
) -> bytes:
    """A command set by hand: (0000,0002), Command Field, Message ID 5, Command Data Set Type."""
    elements = {
        0x0002: uid,
        0x0100: struct.pack("<H", field),
        0x0110: struct.pack("<H", 5),
        0x0800: struct.pack("<H", data),
    }
    body = b"".join(struct.pack("<HHI", 0, e, len(v)) + v for e, v in elements.items() if e not in drop) + add
    return struct.pack("<HHII", 0, 0, 4, len(body)) + body


def _element(element: int, value: bytes) -> bytes:
    return struct.pack("<HHI", 0, element, len(value)) + value


def _with_data_set_type(value: int) -> bytes:
    before = struct.pack("<HHIH", 0, 0x0800, 2, 0x0001)
    assert before in STORE_COMMAND
    return STORE_COMMAND.replace(before, struct.pack("<HHIH", 0, 0x0800, 2, value))


def _dimse() -> Iterator[Case]:
    echo = (ECHO_ID,)

    def case(
        name: str, section: str, pdu: bytes, answer: Answer, shall: bool = True, needs: tuple[int, ...] = echo
    ) -> Case:
        return Case(f"DIMSE: {name}", section, bytes_of(pdu), answer, shall, needs)

    def sent(command: bytes, context_id: int = ECHO_ID) -> bytes:
        return p_data(pdv(context_id, 3, command))

    decode = "PS3.7 6.3.1"
    explicit = bytes.fromhex("0000 0201 5549 1200") + b"1.2.840.10008.1.1\0" + bytes.fromhex("0000 0001 5553 0200 3000")
    yield case("an empty command set", decode, sent(b""), ABORTED)
    yield case("noise as a command set", decode, sent(bytes(range(256))), ABORTED)
    yield case("a command set in explicit VR", decode, sent(explicit), ABORTED)
    yield case(
        "a command set in big endian",
        decode,
        sent(bytes.fromhex("0000 0100 0000 0002 0030 0000 0110 00000002 0001")),
        ABORTED,
    )
    yield case("group 0008 in a command set", decode, sent(struct.pack("<HHI", 8, 5, 2) + b"ab"), ABORTED)
    yield case(
        "an element of 2 164 260 863 bytes", decode, sent(struct.pack("<HHI", 0, 2, 2164260863) + b"1.2"), ABORTED
    )
    yield case("an element beyond the command set", decode, sent(_command(0x30)[:-2] + b""), ABORTED)
    yield case("no Command Field", "PS3.7 E.1", sent(_command(0x30, drop=(0x0100,))), ABORTED)
    yield case("no Message ID", "PS3.7 9.3.5", sent(_command(0x30, drop=(0x0110,))), ABORTED)
    refused = Served(Message(0x0211, 0x0122, 0x0110))
    for field in (0x0000, 0x0040, 0x0666, 0x7FFF):
        yield case(f"Command Field {field:04X}H", "PS3.7 C.5", sent(_command(field)), Either(ABORTED, refused), True)
    for field in (0x8030, 0x8001, 0x8020):
        rsp = sent(_command(field, drop=(0x0110,), add=_element(0x0120, b"\5\0") + _element(0x0900, b"\0\0")))
        yield case(
            f"a response ({field:04X}H) that nobody waits for", "PS3.7 9.3", rsp, Either(ABORTED, Served()), False
        )
    yield case("no group length", "PS3.7 E.1", sent(_command(0x30)[12:]), Either(Served(Message(0)), ABORTED), False)
    yield case(
        "a wrong group length",
        "PS3.7 E.1",
        sent(_command(0x30)[:8] + b"\xff\xff\0\0" + _command(0x30)[12:]),
        Either(Served(Message(0)), ABORTED),
        False,
    )
    yield case(
        "an element that the message does not have",
        "PS3.7 E.1",
        sent(_command(0x30, add=_element(0x1031, b"\1\0"))),
        Served(Message(0)),
    )
    yield case(
        "a text element of odd length",
        "PS3.7 E.1",
        sent(_command(0x30, uid=b"1.2.840.10008.1.1")),
        Either(Served(Message(0)), ABORTED),
        False,
    )
    yield case(
        "an echo whose class is missing",
        "PS3.7 9.3.5, C.5",
        sent(_command(0x30, drop=(0x0002,))),
        Either(Served(Message(0, 0x0212, 0x0122, 0x0118)), ABORTED),
        False,
    )
    yield case(
        "an echo of another class",
        "PS3.7 C.5",
        sent(_command(0x30, uid=b"1.2.840.10008.1.2\0")),
        Either(Served(Message(0, 0x0122, 0x0118)), ABORTED),
        False,
    )
    for value in (0x0000, 0x0102, 0xFFFF):
        command = _with_data_set_type(value)
        yield case(
            f"Command Data Set Type {value:04X}H announces a data set",
            "PS3.7 E.1",
            sent(command, STORE_ID) + p_data(pdv(STORE_ID, 2, _data_set())),
            Served(Message()),
            True,
            (ECHO_ID, STORE_ID),
        )
    yield case("the same Message ID after its response", "PS3.7 9.3", sent(_command(0x30)), Served(Message(0)))
    yield case(
        "Message ID in use",
        "PS3.7 C.5",
        sent(_command(0x30)) + sent(_command(0x30)),
        Either(Several(Message(0), Message(0, 0x0210)), Several(Message(0), ABORTED), ABORTED),
        False,
    )
    yield case(
        "100 requests at once",
        "PS3.7 D.3.3.3",
        b"".join(message(ECHO_ID, CEchoRQ(message_id=k)) for k in range(1, 101)),
        Either(Served(*[Message(0, 0x0213)] * 100), ABORTED),
        False,
    )
    yield case(
        "C-CANCEL of nothing", "PS3.7 9.3.2.3", message(ECHO_ID, CCancelRQ(message_id_being_responded_to=1)), Served()
    )
    yield case(
        "C-CANCEL of nothing in the context of C-FIND",
        "PS3.7 9.3.2.3",
        message(FIND_ID, CCancelRQ(message_id_being_responded_to=4711)),
        Served(),
        True,
        (ECHO_ID, FIND_ID),
    )

    other = "PS3.7 C.5"
    yield case(
        "C-FIND on Verification",
        other,
        message(ECHO_ID, CFindRQ(message_id=5, affected_sop_class_uid=VERIFICATION), b""),
        Either(refused, ABORTED),
        True,
    )
    yield case(
        "C-STORE on Verification",
        other,
        message(
            ECHO_ID,
            CStoreRQ(message_id=5, affected_sop_class_uid=VERIFICATION, affected_sop_instance_uid=UID("1.2")),
            b"ab",
        ),
        Either(Served(STORE_FAILED), ABORTED),
        False,
    )
    yield case(
        "N-GET on Verification",
        other,
        message(
            ECHO_ID, NGetRQ(message_id=5, requested_sop_class_uid=VERIFICATION, requested_sop_instance_uid=UID("1.2"))
        ),
        Either(refused, ABORTED),
        True,
    )
    yield case(
        "N-ACTION on Verification",
        other,
        message(
            ECHO_ID,
            NActionRQ(
                message_id=5,
                requested_sop_class_uid=VERIFICATION,
                requested_sop_instance_uid=UID("1.2"),
                action_type_id=1,
            ),
            b"",
        ),
        Either(refused, ABORTED),
        True,
    )


def _data_set(**values: object) -> bytes:
    return codec.encode(
        {
            "SOPClassUID": CT,
            "SOPInstanceUID": "1.2.3",
            "StudyInstanceUID": "1.2.3.1",
            "SeriesInstanceUID": "1.2.3.2",
            "PatientID": "HOSTILE",
            "PatientName": "Hostile^Case",
            **values,
        },
        IMPLICIT,
    )


def _store_rq(data: bytes | None, uid: str = "1.2.3", sop_class: UID = CT) -> bytes:
    return message(
        STORE_ID, CStoreRQ(message_id=5, affected_sop_class_uid=sop_class, affected_sop_instance_uid=UID(uid)), data
    )


#: Failure statuses of C-STORE (PS3.4 Table B.2-1): A7xx, A9xx, Cxxx, 01xx and 02xx of PS3.7.
STORE_FAILED = Message(*range(0xA700, 0xA800), *range(0xA900, 0xAA00), *range(0xC000, 0xD000), *range(0x0105, 0x0220))


def _storage() -> Iterator[Case]:
    needs = (ECHO_ID, STORE_ID)
    where = "PS3.4 B.2.3"

    def case(name: str, data: bytes, answer: Answer, shall: bool = True) -> Case:
        return Case(f"C-STORE: {name}", where, bytes_of(data), answer, shall, needs)

    failed = Served(STORE_FAILED)
    refused = Either(failed, ABORTED)
    anything = Either(Served(Message()), ABORTED)
    yield case(
        "a class that is not that of the context",
        _store_rq(_data_set(), sop_class=UID("1.2.840.10008.5.1.4.1.1.4")),
        refused,
    )
    yield case("no data set", _store_rq(None), refused)
    yield case("an empty data set", _store_rq(b""), refused, False)
    yield case("noise", _store_rq(bytes(range(1, 256)) + b"\0"), refused, False)
    yield case("a data set that is cut off", _store_rq(_data_set(PatientComments="x" * 200)[:-40]), refused, False)
    yield case(
        "an element of 4 GiB",
        _store_rq(_data_set() + struct.pack("<HHI", 0x0011, 0x1010, 0xFFFFFFF0) + b"ab"),
        refused,
        False,
    )
    yield case(
        "20 000 nested sequences",
        _store_rq(
            _data_set() + struct.pack("<HHIHHI", 0x0040, 0xA730, 0xFFFFFFFF, 0xFFFE, 0xE000, 0xFFFFFFFF) * 20_000
        ),
        refused,
        False,
    )
    yield case(
        "another SOP Instance UID in the data set",
        _store_rq(_data_set(SOPInstanceUID="1.2.4")),
        Served(Message(*range(0xA900, 0xAA00), 0xB007)),
        False,
    )
    yield case(
        "another SOP Class UID in the data set",
        _store_rq(_data_set(SOPClassUID="1.2.840.10008.5.1.4.1.1.4")),
        Served(Message(*range(0xA900, 0xAA00), 0xB007)),
        False,
    )
    first, other = _store_rq(_data_set()), _store_rq(_data_set(PatientName="Another^One"))
    twice = Served(Message(0), Message(0, 0x0111, 0xB000))
    yield Case("C-STORE: the same object twice", where, bytes_of(first, first), twice, False, needs)
    changed = Served(Message(), Message())
    yield Case("C-STORE: the same object with other bytes", where, bytes_of(first, other), changed, False, needs)
    for uid in PATHS:
        shown = ascii(uid[:24])
        yield case(f"SOP Instance UID {shown}", _store_rq(_data_set(SOPInstanceUID=uid), uid), anything, False)
        yield case(
            f"Study Instance UID {shown}",
            _store_rq(_data_set(StudyInstanceUID=uid, SOPInstanceUID="1.2.9"), "1.2.9"),
            anything,
            False,
        )
    yield case(
        "Patient ID with a path",
        _store_rq(_data_set(PatientID="../../../../hostile", SOPInstanceUID="1.2.10"), "1.2.10"),
        anything,
        False,
    )


def _queries() -> Iterator[Case]:
    def find_rq(**keys: object) -> bytes:
        return message(FIND_ID, CFindRQ(message_id=5, affected_sop_class_uid=FIND), codec.encode(keys, IMPLICIT))

    needs = (ECHO_ID, FIND_ID)

    def case(
        name: str,
        pdu: bytes,
        answer: Answer,
        shall: bool = True,
        needs: tuple[int, ...] = needs,
        section: str = "PS3.4 C.4",
    ) -> Case:
        return Case(name, section, bytes_of(pdu), answer, shall, needs)

    matches = Served(Message(0, skip=(0xFF00, 0xFF01)))
    failed = Served(
        Message(*range(0xA700, 0xA800), *range(0xA900, 0xAA00), *range(0xC000, 0xD000), *range(0x0105, 0x0220))
    )
    yield case("C-FIND: nothing is found", find_rq(QueryRetrieveLevel="STUDY", PatientID="NOBODY"), Served(Message(0)))
    yield case("C-FIND: no level", find_rq(PatientID="X"), Either(failed, matches), False)
    yield case("C-FIND: an unknown level", find_rq(QueryRetrieveLevel="HOSPITAL"), Either(failed, matches), False)
    yield case(
        "C-FIND: an empty identifier",
        message(FIND_ID, CFindRQ(message_id=5, affected_sop_class_uid=FIND), b""),
        Either(failed, matches),
        False,
    )
    yield case(
        "C-FIND: noise as identifier",
        message(FIND_ID, CFindRQ(message_id=5, affected_sop_class_uid=FIND), bytes(range(1, 255))),
        Either(failed, ABORTED),
        False,
    )
    yield case(
        "C-FIND: a cut identifier",
        message(
            FIND_ID,
            CFindRQ(message_id=5, affected_sop_class_uid=FIND),
            codec.encode({"QueryRetrieveLevel": "STUDY", "PatientID": "ABCDEFGH"}, IMPLICIT)[:-6],
        ),
        Either(failed, ABORTED),
        False,
    )
    yield case(
        "C-FIND: no identifier",
        message(FIND_ID, CFindRQ(message_id=5, affected_sop_class_uid=FIND)),
        Either(failed, matches, ABORTED),
        False,
    )
    for text in (
        "' OR '1'='1",
        "%",
        "_",
        '"; DROP TABLE studies; --',
        "*" * 60,
        "?" * 60,
        "[a-z]*",
        "A\0B",
        "(a+)+$",
        "\\\\\\\\",
        "{}",
        "%s%s%s%n",
    ):
        pdu = find_rq(QueryRetrieveLevel="STUDY", PatientID=text, StudyInstanceUID="")
        yield case(f"C-FIND: Patient ID {ascii(text[:20])}", pdu, matches, False)
    nested = struct.pack("<HHIHHI", 0x0040, 0xA730, 0xFFFFFFFF, 0xFFFE, 0xE000, 0xFFFFFFFF) * 5000
    deep = message(
        FIND_ID,
        CFindRQ(message_id=5, affected_sop_class_uid=FIND),
        codec.encode({"QueryRetrieveLevel": "STUDY"}, IMPLICIT) + nested,
    )
    yield case("C-FIND: 5 000 nested sequences", deep, Either(failed, ABORTED), False)

    move = (ECHO_ID, MOVE_ID)
    identifier = codec.encode({"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": "1.2.3.4.5.6.7"}, IMPLICIT)
    for title in ("NOBODYKNOWS", "127.0.0.1:104", "..", "*", ""):
        rq = message(MOVE_ID, CMoveRQ(message_id=5, affected_sop_class_uid=MOVE, move_destination=title), identifier)
        yield case(
            f"C-MOVE: to {title!r}", rq, Served(Message(0xA801)), title == "NOBODYKNOWS", move, "PS3.4 C.4.2.1.5"
        )
    get = (ECHO_ID, GET_ID)
    rq = message(GET_ID, CGetRQ(message_id=5, affected_sop_class_uid=GET), identifier)
    yield case("C-GET: nothing is found", rq, Served(Message(0, *range(0xA700, 0xA800))), False, get, "PS3.4 C.4.3")
    rq = message(GET_ID, CGetRQ(message_id=5, affected_sop_class_uid=GET), b"")
    yield case("C-GET: an empty identifier", rq, failed, False, get, "PS3.4 C.4.3")
    response = message(FIND_ID, CFindRSP(message_id_being_responded_to=1, status=Status(0xFF00)), b"ab")
    yield case("C-FIND: a response to the SCP", response, Either(ABORTED, Served()), False)


def _stalls() -> Iterator[Case]:
    """What has begun and does not go on: closed by a timer of the peer."""
    whole = message(
        STORE_ID, CStoreRQ(message_id=1, affected_sop_class_uid=CT, affected_sop_instance_uid=UID("1.2.3")), bytes(2000)
    )
    ended = Abort(2, 0)  # the provider gives up, for no reason with a number (PS3.8 9.3.8)
    local = "local limit"
    needs = (STORE_ID,)
    for name, sent in {"half a header": 3, "half a command": 40, "half a data set": len(whole) - 500}.items():
        yield Case(f"timers: {name}, then silence", local, bytes_of(whole[:sent]), ended, False, needs, timer=True)
    announced = p_data(pdv(STORE_ID, 3, STORE_COMMAND))
    yield Case(
        "timers: a data set is announced and does not come", "PS3.7 E.1", bytes_of(announced), ended, False, needs, True
    )
    yield Case("timers: an idle association", local, bytes_of(), ended, False, (ECHO_ID,), timer=True)
    yield Case("timers: a PDU byte by byte", local, bytes_of(whole[:-1]), ended, False, needs, timer=True, drip=True)


WITHIN: tuple[Case, ...] = (*_sta6(), *_dimse(), *_storage(), *_queries(), *_stalls())
