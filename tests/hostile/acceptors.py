"""What odd, broken and hostile acceptors answer, and what a requestor says then: the list of cases, mirrored.

A case is one association of a requestor that wants one service.  ``answer`` stands instead of the A-ASSOCIATE-AC; where
there is none the association is accepted, and ``pieces`` come after the request of the service.  ``shall`` is as in `Case`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from nbdicom.core.command import (
    CCancelRQ,
    CEchoRQ,
    CEchoRSP,
    CFindRSP,
    CGetRSP,
    CStoreRQ,
    Message,
    Request,
    encode_command,
    response_class,
)
from nbdicom.core.pdu import (
    AAssociateAC,
    AAssociateRQ,
    Item,
    MaximumLength,
    PresentationContextAC,
    TransferSyntaxItem,
    UserInformation,
    encode_pdu,
)
from nbdicom.data import codec
from nbdicom.status import Status
from nbdicom.uids import UID
from tests.drivers.scripted import (
    A_ABORT_USER,
    A_RELEASE_RP,
    A_RELEASE_RQ,
    CT,
    FIND,
    IMPLICIT,
    a_associate_rj,
    accept_all,
    message,
    p_data,
    pdv,
)
from tests.hostile.answers import Abort, Answer, Closed, Either, Released, Releases, Responds, Several
from tests.hostile.case import ABSOLUTE, BROKEN, PATHS, UNEXPECTED, UNKNOWN, malformed, sized

__all__ = ["ACCEPTORS", "AcceptorCase", "Call"]


@dataclass(frozen=True, slots=True)
class Call:
    """What a requestor has asked for."""

    rq: AAssociateRQ
    context_id: int  #: of its request
    request: Request
    absolute: Path = ABSOLUTE  #: stands instead of it where an object is named by a path

    def context_of(self, abstract_syntax: str) -> int:
        """The presentation context of a SOP Class; 0 if it was not proposed."""
        found = (c.context_id for c in self.rq.presentation_contexts if abstract_syntax in c.abstract_syntaxes)
        return next(found, 0)

    def syntax_of(self, abstract_syntax: str) -> UID:
        """The transfer syntax that `accept_all` takes for it."""
        found = (
            c.transfer_syntaxes[0] for c in self.rq.presentation_contexts if abstract_syntax in c.abstract_syntaxes
        )
        return next(found, IMPLICIT)

    def response(self, status: int, data: bytes | None = None, **fields: object) -> bytes:
        """A response to the request, as the PDUs of its message."""
        kind = response_class(type(self.request))
        given = {"message_id_being_responded_to": self.request.message_id, "status": Status(status), **fields}
        return message(self.context_id, kind(**given), data)  # type: ignore[arg-type]

    def said(self, response: Message, data: bytes | None = None) -> bytes:
        """Another message in the context of the request."""
        return message(self.context_id, response, data)


Pieces = Callable[[Call], list[bytes]]


@dataclass(frozen=True, slots=True)
class AcceptorCase:
    """One association with an acceptor, and what its requestor does."""

    name: str
    section: str
    service: str  #: echo, find, get
    due: Answer
    shall: bool = True
    told: str = "error"  #: what the user of the requestor has to hear: error, ok, or any
    answer: Callable[[AAssociateRQ], list[bytes]] | None = None  #: instead of an A-ASSOCIATE-AC
    pieces: Pieces | None = None  #: instead of the response
    release: bytes = A_RELEASE_RP  #: instead of the A-RELEASE-RP
    endless: bool = False  #: the last piece again and again, until the requestor says something
    timer: bool = False
    drip: bool = False

    def __str__(self) -> str:
        return f"acceptor: {self.name}"


ABORTED = Abort()
FAILED = Either(Releases(), ABORTED)  #: the operation has failed: the requestor releases or aborts


# ------------------------------------------------------------------------------- instead of an A-ASSOCIATE-AC (Sta5)


def _ac(rq: AAssociateRQ, **changes: object) -> AAssociateAC:
    return replace(accept_all(rq), **changes)  # type: ignore[arg-type]


def _with_items(rq: AAssociateRQ, *items: Item, user: tuple[Item, ...] | None = None) -> bytes:
    """An A-ASSOCIATE-AC with these items in the place of the contexts, and this user information."""
    ac = accept_all(rq)
    information = ac.user_information if user is None else UserInformation(items=user)
    return encode_pdu(replace(ac, items=(ac.items[0], *items, information)))


def _contexts(rq: AAssociateRQ, result: int, *syntaxes: str) -> list[Item]:
    items = tuple(TransferSyntaxItem(transfer_syntax_name=UID(syntax)) for syntax in syntaxes)
    ids = [context.context_id for context in rq.presentation_contexts]
    return [PresentationContextAC(context_id=number, result=result, items=items) for number in ids]


def _user(rq: AAssociateRQ, extra: bytes) -> bytes:
    """An A-ASSOCIATE-AC with further sub-items at the end of its user information, which is its last item."""
    body = encode_pdu(accept_all(rq))[6:]
    start = body.rindex(b"\x50\x00", 0, body.index(b"\x51\x00\x00\x04"))
    length = int.from_bytes(body[start + 2 : start + 4], "big") + len(extra)
    return sized(b"\x02", body[: start + 2] + length.to_bytes(2, "big") + body[start + 4 :] + extra)


def _instead() -> Iterator[AcceptorCase]:
    def case(
        name: str,
        section: str,
        answer: Callable[[AAssociateRQ], list[bytes]],
        due: Answer,
        shall: bool = True,
        told: str = "error",
        **more: bool,
    ) -> AcceptorCase:
        return AcceptorCase(f"Sta5: {name}", section, "echo", due, shall, told, answer, **more)  # type: ignore[arg-type]

    for name, hello in {
        "HTTP": b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/html\r\n\r\n<html></html>",
        "a TLS alert": b"\x15\x03\x01\x00\x02\x02\x16",
        "SMTP": b"220 mail.example.org ESMTP\r\n",
        "zeros": bytes(100),
        "ones": b"\xff" * 100,
    }.items():
        yield case(name, "PS3.8 Table 9-10 Evt19", lambda rq, hello=hello: [hello, b""], UNKNOWN)
    yield case("a byte that begins no PDU", "PS3.8 9.2", lambda rq: [b"\x08", b""], Either(UNKNOWN, Closed()), False)
    for name, pdu in {
        "A-RELEASE-RQ": A_RELEASE_RQ,
        "A-RELEASE-RP": A_RELEASE_RP,
        "P-DATA-TF": message(1, CEchoRQ(message_id=1)),
    }.items():
        yield case(name, "PS3.8 Table 9-10 AA-8", lambda rq, pdu=pdu: [pdu], UNEXPECTED)
    yield case("A-ASSOCIATE-RQ", "PS3.8 Table 9-10 AA-8", lambda rq: [encode_pdu(rq)], UNEXPECTED)
    for kind, what in ((3, "A-ASSOCIATE-RJ"), (5, "A-RELEASE-RQ"), (7, "A-ABORT")):
        for length in (0, 3, 5, 0xFFFFFFFF):
            pdu = struct.pack(">BxI", kind, length) + bytes(min(length, 16))
            due: Answer = Abort(2) if kind != 7 else Either(Abort(2), Closed())
            yield case(f"{what} of {length:,} bytes", "PS3.8 9.3", lambda rq, pdu=pdu: [pdu, b""], due)
    yield case("AC of 16 bytes", "PS3.8 9.3.3", lambda rq: [sized(b"\x02", bytes(16))], BROKEN)
    for length in (0x7FFFFFFF, 0xFFFFFFFF):
        pdu = struct.pack(">BxI", 2, length) + bytes(100)
        yield case(f"AC of {length:,} bytes", "local limit", lambda rq, pdu=pdu: [pdu], Abort(2), False)
    for source, reason in ((0, 0), (2, 1), (2, 6), (1, 3), (255, 255)):
        pdu = bytes.fromhex("07 00 00000004 0000") + bytes((source, reason))
        yield case(f"A-ABORT {source}/{reason}", "PS3.8 Table 9-10 AA-3", lambda rq, pdu=pdu: [pdu], Closed())
    for triple in ((1, 1, 1), (1, 1, 7), (1, 2, 2), (2, 3, 2), (0, 0, 0), (3, 1, 7), (255, 255, 255)):
        rj = a_associate_rj(*triple)
        name = "A-ASSOCIATE-RJ {}/{}/{}".format(*triple)
        yield case(name, "PS3.8 Table 9-10 AE-4", lambda rq, rj=rj: [rj], Closed(), triple[0] in (1, 2))
    yield case("the connection ends", "PS3.8 Table 9-10 AA-4", lambda rq: [b""], Closed())
    yield case("it ends inside the AC", "PS3.8 Table 9-10 AA-4", lambda rq: [encode_pdu(_ac(rq))[:50], b""], Closed())
    broken: dict[str, Callable[[AAssociateRQ], bytes]] = {
        "item beyond the AC": lambda rq: encode_pdu(_ac(rq)).replace(b"\x10\x00\x00\x15", b"\x10\x00\xff\xff", 1),
        "the last item is a byte short": lambda rq: sized(b"\x02", encode_pdu(_ac(rq))[6:-1]),
        "half an item header at the end": lambda rq: sized(b"\x02", encode_pdu(_ac(rq))[6:] + b"\x21\x00"),
        "sub-item beyond its item": lambda rq: _user(rq, bytes.fromhex("52 00 00ff") + b"1.2"),
        "half a sub-item header": lambda rq: _user(rq, b"\x52\x00\x00"),
        "role selection beyond its item": lambda rq: _user(rq, bytes.fromhex("54 00 0006 00ff") + b"1.2\1"),
        "16 000 items that claim 64 kB each": lambda rq: sized(
            b"\x02", encode_pdu(_ac(rq))[6:] + b"\x21\x00\xff\xff" * 16_000
        ),
    }
    for name, make in broken.items():
        yield case(name, "PS3.8 9.2 Evt19", lambda rq, make=make: [make(rq)], Abort(2))
    for maximum in range(1, 8):
        yield case(
            f"maximum length {maximum}: nothing fits",
            "PS3.8 D.1, E.1",
            lambda rq, maximum=maximum: [
                _with_items(rq, *_contexts(rq, 0, IMPLICIT), user=(MaximumLength(maximum_length_received=maximum),))
            ],
            ABORTED,
            False,
        )
    for result in (1, 2, 3, 4):
        yield case(
            f"no context is accepted ({result})",
            "PS3.8 7.1.1.14",
            lambda rq, result=result: [_with_items(rq, *_contexts(rq, result, IMPLICIT))],
            FAILED,
            False,
        )
    for name, syntaxes in {"none": (), "an empty one": ("",), "rubbish": ("rubbish",)}.items():
        yield case(
            f"a refused context with {name} for a transfer syntax",
            "PS3.8 9.3.3.2: not significant",
            lambda rq, syntaxes=syntaxes: [_with_items(rq, *_contexts(rq, 3, *syntaxes))],
            FAILED,
            False,
        )
    yield case("no context is answered", "PS3.8 9.3.3.2", lambda rq: [_with_items(rq)], FAILED, False)
    yield case(
        "a transfer syntax that nobody proposed",
        "PS3.8 9.3.3.2",
        lambda rq: [_with_items(rq, *_contexts(rq, 0, "1.2.840.10008.1.2.4.50"))],
        FAILED,
        False,
    )
    yield case("AC twice", "PS3.8 Table 9-10 AA-8", lambda rq: [encode_pdu(_ac(rq)) * 2], UNEXPECTED, True, "any")

    works: dict[str, tuple[Callable[[AAssociateRQ], bytes], bool]] = {
        "an ordinary AC": (lambda rq: encode_pdu(_ac(rq)), True),
        "other titles than were called (not tested)": (
            lambda rq: encode_pdu(_ac(rq, called_ae_title="OTHER", calling_ae_title="ANOTHER")),
            True,
        ),
        "reserved bytes": (lambda rq: b"\x02\xff" + encode_pdu(_ac(rq))[2:], True),
        "an item of type 77H": (lambda rq: sized(b"\x02", encode_pdu(_ac(rq))[6:] + b"\x77\0\0\3???"), True),
        "a sub-item of type 7FH": (lambda rq: _user(rq, b"\x7f\0\0\3???"), True),
        "maximum length 0": (
            lambda rq: encode_pdu(accept_all(rq, maximum=0)),
            True,
        ),
        "maximum length 8": (lambda rq: encode_pdu(accept_all(rq, maximum=8)), False),
        "no maximum length": (lambda rq: _with_items(rq, *_contexts(rq, 0, IMPLICIT), user=()), False),
        "a window that nobody proposed": (lambda rq: _user(rq, bytes.fromhex("53 00 0004 0010 0010")), False),
        "roles that nobody proposed": (
            lambda rq: _user(rq, bytes.fromhex("54 00 0015 0011") + b"1.2.840.10008.1.1" + b"\1\1"),
            False,
        ),
        "an identity that nobody claimed": (lambda rq: _user(rq, bytes.fromhex("59 00 0004 0002 4142")), False),
        "a version name of 40 bytes": (lambda rq: _user(rq, bytes.fromhex("55 00 0028") + b"V" * 40), False),
        "items in reverse order": (lambda rq: encode_pdu(_ac(rq, items=tuple(reversed(_ac(rq).items)))), False),
        "contexts that nobody proposed": (
            lambda rq: _with_items(
                rq,
                *_contexts(rq, 0, IMPLICIT),
                PresentationContextAC(
                    context_id=255, result=0, items=(TransferSyntaxItem(transfer_syntax_name=IMPLICIT),)
                ),
            ),
            False,
        ),
    }
    for name, (make, shall) in works.items():
        yield case(name, "PS3.8 9.3.3", lambda rq, make=make: [make(rq)], Releases(), shall, "ok")
    yield case("AC byte by byte", "PS3.8 9.1", lambda rq: [encode_pdu(_ac(rq))], Releases(), True, "ok", drip=True)
    for sent, name in ((0, "silence"), (40, "half an AC, then silence")):
        yield case(
            name, "local limit", lambda rq, sent=sent: [encode_pdu(_ac(rq))[:sent]] if sent else [], ABORTED, False,
            timer=True,
        )  # fmt: skip


# ------------------------------------------------------------------------------- instead of a C-ECHO-RSP (Sta6)


def _echo_rsp(call: Call, *, data: bool = False) -> bytes:
    """The command set of the response that is due."""
    response = CEchoRSP(message_id_being_responded_to=call.request.message_id, status=Status(0))
    return encode_command(response, data_set=data)


def _echo() -> Iterator[AcceptorCase]:
    def case(
        name: str, section: str, pieces: Pieces, due: Answer, shall: bool = True, told: str = "error", **more: bool
    ) -> AcceptorCase:
        return AcceptorCase(f"Sta6: {name}", section, "echo", due, shall, told, None, pieces, **more)  # type: ignore[arg-type]

    def raw(pdu: bytes) -> Pieces:
        return lambda call: [pdu]

    def fragments(*given: tuple[int, Callable[[Call], bytes]]) -> Pieces:
        return lambda call: [p_data(*(pdv(call.context_id, header, make(call)) for header, make in given))]

    table = "PS3.8 Table 9-10 AA-8"
    yield case("A-ASSOCIATE-AC", table, lambda call: [encode_pdu(accept_all(call.rq))], UNEXPECTED)
    yield case("A-ASSOCIATE-RQ", table, lambda call: [encode_pdu(call.rq)], UNEXPECTED)
    yield case("A-ASSOCIATE-RJ", table, raw(a_associate_rj(1, 1, 1)), UNEXPECTED)
    yield case("A-RELEASE-RP", table, raw(A_RELEASE_RP), UNEXPECTED)
    yield case("A-RELEASE-RQ instead of an answer", "PS3.8 Table 9-10 AR-2", raw(A_RELEASE_RQ), Released())
    for source, reason in ((0, 0), (2, 1), (1, 3), (255, 255)):
        pdu = bytes.fromhex("07 00 00000004 0000") + bytes((source, reason))
        yield case(f"A-ABORT {source}/{reason}", "PS3.8 Table 9-10 AA-3", raw(pdu), Closed())
    yield case("the connection ends", "PS3.8 Table 9-10 AA-4", raw(b""), Closed())
    yield case(
        "it ends inside the response", "PS3.8 Table 9-10 AA-4", lambda call: [call.response(0)[:30], b""], Closed()
    )
    for name, section, pdu, answer in malformed():
        yield case(name, section, raw(pdu), answer)
    for number, name in ((201, "unknown"), (2, "even"), (0, "0")):
        yield case(
            f"a PDV in context {name}",
            "PS3.8 9.3.5.1",
            lambda call, number=number: [p_data(pdv(number, 3, _echo_rsp(call)))],
            BROKEN,
        )
    order = "PS3.8 E.1"
    yield case("a data set without command", order, fragments((2, lambda call: b"ab")), ABORTED)
    yield case(
        "a command before the end of a data set",
        order,
        fragments((3, lambda call: _echo_rsp(call, data=True)), (0, lambda call: b"ab"), (3, _echo_rsp)),
        ABORTED,
    )
    yield case("2 000 empty fragments", "local limit", fragments(*[(1, lambda call: b"")] * 2000), ABORTED, False)
    yield case(
        "a command set of 20 MB",
        "local limit",
        lambda call: [p_data(pdv(call.context_id, 1, bytes(16_000))) * 1250],
        ABORTED,
        False,
    )
    commands = {
        "no command set": b"rubbish!",
        "an empty command set": b"",
        "group 0008 in a command set": bytes.fromhex("0800 0500 0a000000") + b"ISO_IR 100",
        "a command set in explicit VR": bytes.fromhex("0000 0001 5553 0200 3080"),
        "Command Field 0000H": bytes.fromhex("0000 0001 02000000 0000"),
        "Command Field 8066H": bytes.fromhex("0000 0001 02000000 6680"),
        "an element of 4 GiB": struct.pack("<HHI", 0, 2, 0xFFFFFFF0) + b"1.2",
    }
    for name, command in commands.items():
        yield case(name, "PS3.7 6.3.1", fragments((3, lambda call, command=command: command)), ABORTED)
    for number in (0, 999, 0xFFFF):
        rsp = CEchoRSP(message_id_being_responded_to=number, status=Status(0))
        yield case(f"a response to Message ID {number}", "PS3.7 9.3", lambda call, rsp=rsp: [call.said(rsp)], ABORTED)
    yield case(
        "a response of another service",
        "PS3.7 9.3",
        lambda call: [call.said(CFindRSP(message_id_being_responded_to=call.request.message_id, status=Status(0)))],
        ABORTED,
        False,
    )
    yield case("Pending, where one response is due", "PS3.7 9.1.5", lambda call: [call.response(0xFF00)], FAILED, False)
    for status in (0x0110, 0x0122, 0x0211, 0xA700, 0xC0FF, 0xFE00, 0x1234):
        yield case(
            f"status {status:04X}H",
            "PS3.7 C",
            lambda call, status=status: [call.response(status)],
            FAILED,
            False,
            "any",
        )
    yield case("the response twice", "PS3.7 9.3", lambda call: [call.response(0) * 2], FAILED, False, "any")
    yield case(
        "a data set that was not announced",
        "PS3.7 E.1",
        lambda call: [call.response(0) + p_data(pdv(call.context_id, 2, b"ab"))],
        Either(ABORTED, Several(Releases(), ABORTED), Releases()),
        False,
        "any",
    )
    yield case(
        "C-CANCEL before the response",
        "PS3.7 9.3.2.3",
        lambda call: [call.said(CCancelRQ(message_id_being_responded_to=1)) + call.response(0)],
        Releases(),
        False,
        "any",
    )
    shapes: dict[str, tuple[Pieces, bool]] = {
        "the response": (lambda call: [call.response(0)], True),
        "the response in two PDVs": (
            fragments((1, lambda call: _echo_rsp(call)[:12]), (3, lambda call: _echo_rsp(call)[12:])),
            True,
        ),
        "the response in odd fragments": (
            fragments((1, lambda call: _echo_rsp(call)[:11]), (3, lambda call: _echo_rsp(call)[11:])),
            False,
        ),
        "an empty last fragment": (fragments((1, _echo_rsp), (3, lambda call: b"")), True),
        "reserved bits of the message control header": (fragments((0xFF, _echo_rsp)), True),
        "the response byte by byte in PDVs": (
            lambda call: [
                b"".join(
                    p_data(pdv(call.context_id, 3 if k == len(_echo_rsp(call)) - 1 else 1, _echo_rsp(call)[k : k + 1]))
                    for k in range(len(_echo_rsp(call)))
                )
            ],
            False,
        ),
    }
    for name, (pieces, shall) in shapes.items():
        yield case(name, "PS3.8 E.2, 9.1", pieces, Releases(), shall, "ok")
    yield case("a byte at a time", "PS3.8 9.1", lambda call: [call.response(0)], Releases(), True, "ok", drip=True)
    silence = Abort(2, 0)
    yield case("silence after the request", "local limit", lambda call: [], silence, False, timer=True)
    yield case(
        "half a response, then silence", "local limit", lambda call: [call.response(0)[:30]], silence, False, timer=True
    )
    yield case(
        "a data set is announced and does not come",
        "PS3.7 E.1",
        fragments((3, lambda call: _echo_rsp(call, data=True))),
        silence,
        False,
        timer=True,
    )


def _releases() -> Iterator[AcceptorCase]:
    """What comes instead of an A-RELEASE-RP (Sta7)."""

    def case(name: str, release: bytes, then: Answer | None, shall: bool = True) -> AcceptorCase:
        due = Releases() if then is None else Several(Releases(), then)
        return AcceptorCase(
            f"Sta7: {name}", "PS3.8 Table 9-10", "echo", due, shall, "any", None, lambda call: [call.response(0)], release
        )  # fmt: skip

    yield case("A-RELEASE-RQ, a collision (AR-8, AR-9)", A_RELEASE_RQ, Released())
    yield case("A-ABORT (AA-3)", A_ABORT_USER, Closed())
    yield case("an unknown PDU (AA-8)", bytes.fromhex("09 00 00000004 00000000"), UNKNOWN)
    yield case("A-ASSOCIATE-RJ (AA-8)", a_associate_rj(1, 1, 1), UNEXPECTED)
    yield case("A-RELEASE-RP of 5 bytes", sized(b"\x06", bytes(5)), Abort(2))
    # Delivered to the user (AR-6), to whom a second response means nothing.
    late = message(1, CEchoRSP(message_id_being_responded_to=1, status=Status(0)))
    yield case("P-DATA-TF, then A-RELEASE-RP (AR-6)", late + A_RELEASE_RP, Either(ABORTED, Closed()), False)


# ------------------------------------------------------------------------------- C-FIND and C-GET


def _find() -> Iterator[AcceptorCase]:
    def case(
        name: str, pieces: Pieces, due: Answer, shall: bool = False, told: str = "any", **more: bool
    ) -> AcceptorCase:
        return AcceptorCase(
            f"C-FIND: {name}", "PS3.4 C.4.1", "find", due, shall, told, None, pieces, **more  # type: ignore[arg-type]
        )  # fmt: skip

    nested = struct.pack("<HHIHHI", 0x0040, 0xA730, 0xFFFFFFFF, 0xFFFE, 0xE000, 0xFFFFFFFF) * 5000
    nested_explicit = struct.pack("<HH2sHIHHI", 0x0040, 0xA730, b"SQ", 0, 0xFFFFFFFF, 0xFFFE, 0xE000, 0xFFFFFFFF) * 5000

    def match_of(call: Call) -> bytes:
        return codec.encode({"QueryRetrieveLevel": "STUDY", "PatientID": "P1"}, call.syntax_of(FIND))

    def implicit(call: Call) -> bool:
        return call.syntax_of(FIND) == IMPLICIT

    def with_identifier(make: Callable[[Call], bytes | None]) -> Pieces:
        return lambda call: [call.response(0xFF00, make(call)) + call.response(0)]

    def pending(call: Call) -> bytes:
        return call.response(0xFF00, match_of(call))

    anything = Either(Releases(), ABORTED)
    cancelled = Several(Responds("C-CANCEL-RQ"), Releases())
    yield case("nothing is found", lambda call: [call.response(0)], Releases(), True, "ok")
    yield case("one match", with_identifier(match_of), Releases(), True, "ok")
    yield case("Pending without identifier", with_identifier(lambda call: None), anything)
    yield case("noise as identifier", with_identifier(lambda call: bytes(range(1, 255))), anything)
    yield case("a cut identifier", with_identifier(lambda call: match_of(call)[:-3]), anything)
    yield case(
        "5 000 nested sequences",
        with_identifier(lambda call: match_of(call) + (nested if implicit(call) else nested_explicit)),
        anything,
    )
    yield case(
        "an element of 4 GiB",
        with_identifier(
            lambda call: (
                match_of(call)
                + (
                    struct.pack("<HHI", 0x11, 0x1010, 0xFFFFFFF0)
                    if implicit(call)
                    else b"\x11\0\x10\x10OB\0\0\xf0\xff\xff\xff"
                )
                + b"ab"
            )
        ),
        anything,
    )
    yield case("a final response with identifier", lambda call: [call.response(0, match_of(call))], anything)
    yield case(
        "control characters in a match",
        with_identifier(lambda call: codec.encode({"PatientID": "P\x1b[31m\n1"}, call.syntax_of(FIND))),
        anything,
    )
    yield case(
        "a match, then a response to another Message ID",
        lambda call: [
            pending(call)
            + call.said(CFindRSP(message_id_being_responded_to=call.request.message_id + 7, status=Status(0)))
        ],
        ABORTED,
        True,
        "error",
    )
    yield case("a match, then A-ABORT", lambda call: [pending(call) + A_ABORT_USER], Closed(), True, "error")
    yield case("a match, then the end", lambda call: [pending(call), b""], Closed(), True, "error")
    yield case("2 000 matches", lambda call: [pending(call) * 2000 + call.response(0)], Either(Releases(), cancelled))
    yield case(
        "matches without end, to a user who cancels after 1 000",
        lambda call: [pending(call) * 100],
        Either(cancelled, ABORTED, Several(Responds("C-CANCEL-RQ"), ABORTED)),
        endless=True,
    )
    yield case("status FE00 without C-CANCEL", lambda call: [call.response(0xFE00)], anything)


def _get() -> Iterator[AcceptorCase]:
    def case(name: str, pieces: Pieces, due: Answer, told: str = "any", shall: bool = False) -> AcceptorCase:
        return AcceptorCase(f"C-GET: {name}", "PS3.4 C.4.3", "get", due, shall, told, None, pieces)

    def data_of(call: Call, uid: str, **values: object) -> bytes:
        given = {
            "SOPClassUID": CT,
            "SOPInstanceUID": uid.replace(str(ABSOLUTE), str(call.absolute)),
            "StudyInstanceUID": "1.2.3",
            "SeriesInstanceUID": "1.2.3.0",
            "PatientID": "HOSTILE",
            **values,
        }
        return codec.encode(given, call.syntax_of(CT))

    def sub(call: Call, uid: str, data: bytes | None, *, sop_class: UID = CT, message_id: int = 11) -> bytes:
        uid = uid.replace(str(ABSOLUTE), str(call.absolute))
        rq = CStoreRQ(message_id=message_id, affected_sop_class_uid=sop_class, affected_sop_instance_uid=UID(uid))
        return message(call.context_of(CT), rq, data)

    def final(call: Call, status: int = 0, completed: int = 1, failed: int = 0, remaining: int | None = None) -> bytes:
        response = CGetRSP(
            message_id_being_responded_to=call.request.message_id,
            status=Status(status),
            number_of_remaining_sub_operations=remaining,
            number_of_completed_sub_operations=completed,
            number_of_failed_sub_operations=failed,
            number_of_warning_sub_operations=0,
        )
        return call.said(response)

    one = Responds("C-STORE-RSP")
    stored = Several(one, Releases())
    either = Either(stored, ABORTED, Several(one, ABORTED))
    yield case(
        "an object", lambda call: [sub(call, "1.2.3.1", data_of(call, "1.2.3.1")), final(call)], stored, "ok", True
    )
    for path in PATHS:
        yield case(
            f"SOP Instance UID {ascii(path[:24])}",
            lambda call, path=path: [sub(call, path, data_of(call, path)), final(call)],
            either,
        )
    yield case("no data set", lambda call: [sub(call, "1.2.3.2", None), final(call)], either)
    yield case("noise", lambda call: [sub(call, "1.2.3.3", bytes(range(1, 256)) + b"\0"), final(call)], either)
    yield case(
        "a class that is not that of the context",
        lambda call: [sub(call, "1.2.3.4", data_of(call, "1.2.3.4"), sop_class=UID("1.2.3")), final(call)],
        either,
    )
    yield case(
        "another UID in the data set",
        lambda call: [sub(call, "1.2.3.5", data_of(call, "1.2.3.6")), final(call)],
        either,
    )
    twice = Either(Several(one, one, Releases()), ABORTED, Several(one, ABORTED))
    yield case(
        "the same UID with other bytes",
        lambda call: [
            sub(call, "1.2.3.7", data_of(call, "1.2.3.7")),
            sub(call, "1.2.3.7", data_of(call, "1.2.3.7", PatientID="ANOTHER")),
            final(call, completed=2),
        ],
        twice,
    )
    yield case(
        "counters that lie: Success with failures", lambda call: [final(call, 0, 0, 5)], Either(Releases(), ABORTED)
    )
    yield case(
        "counters that lie: remaining grows",
        lambda call: [final(call, 0xFF00, 1, 0, 5) + final(call, 0xFF00, 1, 0, 65_535) + final(call, 0, 65_535)],
        Either(Releases(), ABORTED),
    )
    yield case("counters that lie: nothing came", lambda call: [final(call, 0, 12)], Either(Releases(), ABORTED))
    yield case(
        "the final response before the end of an object",
        lambda call: [sub(call, "1.2.3.8", bytes(100))[:-20] + final(call)],
        ABORTED,
        "error",
        True,
    )
    yield case(
        "an object without end",
        lambda call: [sub(call, "1.2.3.9", bytes(100_000))[:-2000], b""],
        Either(Closed(), Several(one, Closed())),
        "error",
        True,
    )


ACCEPTORS: tuple[AcceptorCase, ...] = (*_instead(), *_echo(), *_releases(), *_find(), *_get())
