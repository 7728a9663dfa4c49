"""What is played before there is an association, in Sta2: strangers, broken requests, rejections (PS3.8 9.2, 9.3)."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import replace

from nbdicom.core.command import (
    CEchoRQ,
)
from nbdicom.core.pdu import (
    AAssociateRQ,
    AbstractSyntax,
    ApplicationContext,
    Item,
    MaximumLength,
    PresentationContextRQ,
    TransferSyntaxItem,
    UserInformation,
    encode_pdu,
)
from nbdicom.uids import UID
from tests.drivers.scripted import (
    A_ABORT_USER,
    A_RELEASE_RP,
    A_RELEASE_RQ,
    ECHO_ID,
    IMPLICIT,
    VERIFICATION,
    a_associate_rj,
    a_associate_rq,
    message,
)
from tests.hostile.answers import (
    Abort,
    Accepted,
    Closed,
    Either,
    Rejected,
    Several,
)
from tests.hostile.case import Case, bytes_of, rq_of, sized

__all__ = ["BEFORE"]


# ------------------------------------------------------------------------------- before an association (Sta2)

AC_BODY = b"\0\1\0\0" + b"SCP".ljust(16) + b"SCU".ljust(16) + bytes(32)
INVALID = Abort(0)  #: AA-1, an A-ABORT of the service user


def _raw(change: Callable[[bytes], bytes]) -> Callable[[str], list[bytes]]:
    return lambda called: [change(encode_pdu(a_associate_rq(called=called)))]


def _titles(called: bytes | None = None, calling: bytes | None = None) -> Callable[[str], list[bytes]]:
    def change(rq: bytes) -> bytes:
        return rq[:10] + (called or rq[10:26]) + (calling or rq[26:42]) + rq[42:]

    return _raw(change)


def _user(extra: bytes) -> Callable[[str], list[bytes]]:
    """The request with further sub-items at the end of its user information."""

    def change(rq: bytes) -> bytes:
        body = rq[6:]
        start = body.rindex(b"\x50\x00", 0, body.index(b"\x51\x00\x00\x04"))
        length = int.from_bytes(body[start + 2 : start + 4], "big") + len(extra)
        return sized(b"\x01", body[: start + 2] + length.to_bytes(2, "big") + body[start + 4 :] + extra)

    return _raw(change)


def _tail(extra: bytes) -> Callable[[str], list[bytes]]:
    return _raw(lambda rq: sized(b"\x01", rq[6:] + extra))


ABSTRACT = AbstractSyntax(abstract_syntax_name=VERIFICATION)
TRANSFER = TransferSyntaxItem(transfer_syntax_name=IMPLICIT)


def _context(context_id: int, *items: Item) -> PresentationContextRQ:
    return PresentationContextRQ(context_id=context_id, items=items or (ABSTRACT, TRANSFER))


def _with(
    *contexts: Item, user: tuple[Item, ...] = (MaximumLength(maximum_length_received=16_384),)
) -> Callable[[str], list[bytes]]:
    return lambda called: [
        encode_pdu(
            AAssociateRQ(
                called_ae_title=called,
                calling_ae_title="SCU",
                items=(ApplicationContext(), *contexts, UserInformation(items=user)),
            )
        )
    ]


def _strangers() -> Iterator[Case]:
    """What is no DICOM: Evt19 in Sta2, AA-1."""
    table = {
        "HTTP": b"GET / HTTP/1.1\r\nHost: pacs\r\n\r\n",
        "a TLS ClientHello": bytes.fromhex("16 03 01 00c8 01 0000c4 0303") + bytes(200),
        "SSH": b"SSH-2.0-OpenSSH_9.2\r\n",
        "HL7": b"\x0bMSH|^~\\&|A|B|C|D|2026||ADT^A01|1|P|2.5\r\x1c\r",
        "zeros": bytes(64),
        "ones": b"\xff" * 64,
        "PDU of type 00H": bytes.fromhex("00 00 00000004 00000000"),
        "PDU of type 08H": bytes.fromhex("08 00 00000004 00000000"),
        "PDU of type FFH": bytes.fromhex("ff 00 00000004 00000000"),
    }
    for name, hello in table.items():
        yield Case(f"Sta2: {name}", "PS3.8 9.2 Evt19", bytes_of(hello), INVALID)


def _wrong_pdus() -> Iterator[Case]:
    """Table 9-10, column Sta2."""
    table = {
        "A-ASSOCIATE-AC": sized(b"\x02", AC_BODY + encode_pdu(a_associate_rq())[74:]),
        "A-ASSOCIATE-RJ": a_associate_rj(1, 1, 1),
        "P-DATA-TF": message(ECHO_ID, CEchoRQ(message_id=1)),
        "A-RELEASE-RQ": A_RELEASE_RQ,
        "A-RELEASE-RP": A_RELEASE_RP,
    }
    for name, pdu in table.items():
        yield Case(f"Sta2: {name}", "PS3.8 Table 9-10", bytes_of(pdu), INVALID)
    for source, reason in ((0, 0), (1, 3), (2, 1), (2, 6), (255, 255)):
        abort = bytes.fromhex("07 00 00000004 0000") + bytes((source, reason))
        yield Case(f"Sta2: A-ABORT {source}/{reason}", "PS3.8 9.2 AA-2", bytes_of(abort), Closed())
    yield Case("Sta2: the connection ends", "PS3.8 9.2 AA-5", bytes_of(b""), Closed())
    yield Case(
        "Sta2: it ends inside the request", "PS3.8 9.2 AA-5", lambda called: [rq_of()(called)[0][:50], b""], Closed()
    )


def _broken_requests() -> Iterator[Case]:
    """A-ASSOCIATE-RQ whose lengths do not fit: Evt19."""
    item = b"\x10\x00\x00\x15"
    table: dict[str, Callable[[str], list[bytes]]] = {
        "RQ of no bytes": bytes_of(bytes.fromhex("01 00 00000000")),
        "RQ of 67 bytes": bytes_of(sized(b"\x01", b"\0\1\0\0" + bytes(63))),
        "item beyond the RQ": _raw(lambda rq: rq.replace(item, b"\x10\x00\xff\xff", 1)),
        "the last item is a byte short": _raw(lambda rq: sized(b"\x01", rq[6:-1])),
        "half an item header at the end": _tail(b"\x20\x00"),
        "sub-item beyond its item": _user(bytes.fromhex("52 00 00ff") + b"1.2"),
        "half a sub-item header": _user(b"\x52\x00\x00"),
        "maximum length of two bytes": _user(bytes.fromhex("51 00 0002 4000")),
        "role selection beyond its item": _user(bytes.fromhex("54 00 0006 00ff") + b"1.2\1"),
        "role selection of three bytes": _user(bytes.fromhex("54 00 0003 00ff 01")),
        "window of one byte": _user(bytes.fromhex("53 00 0001 00")),
        "extended negotiation beyond its item": _user(bytes.fromhex("56 00 0004 ffff 312e")),
        "user identity beyond its item": _user(bytes.fromhex("58 00 000b 02 01 ffff 55534552 0001 50")),
        "user identity of one byte": _user(bytes.fromhex("58 00 0001 02")),
        "16 000 items that claim 64 kB each": _tail(b"\x20\x00\xff\xff" * 16_000),
    }
    for name, play in table.items():
        shall = name not in ("maximum length of two bytes", "window of one byte")
        yield Case(f"Sta2: {name}", "PS3.8 9.2 Evt19", play, INVALID, shall)
    for length in (0x7FFFFFFF, 0xFFFFFFFF):
        header = struct.pack(">BxI", 1, length)
        yield Case(f"Sta2: RQ of {length:,} bytes", "local limit", bytes_of(header + bytes(68)), INVALID, False)
    for kind, name in (
        (4, "P-DATA-TF"),
        (5, "A-RELEASE-RQ"),
        (6, "A-RELEASE-RP"),
        (7, "A-ABORT"),
        (3, "A-ASSOCIATE-RJ"),
    ):
        header = struct.pack(">BxI", kind, 0xFFFFFFFF) + bytes(16)
        yield Case(f"Sta2: {name} of 4 GiB", "PS3.8 9.3, Evt19", bytes_of(header), INVALID, kind != 4)
    for kind, name in ((5, "A-RELEASE-RQ"), (7, "A-ABORT")):
        for length in (0, 3, 5):
            pdu = bytes_of(sized(bytes([kind]), bytes(length)))
            yield Case(f"Sta2: {name} of {length} bytes", "PS3.8 9.3.6, 9.3.8", pdu, Either(INVALID, Closed()), False)


def _rejections() -> Iterator[Case]:
    for version in (0, 2, 0xFFFE):
        play = rq_of(lambda rq, version=version: replace(rq, protocol_version=version))
        yield Case(f"RJ: protocol version {version}", "PS3.8 9.3.4", play, Rejected((1, 2, 2)))
    context = (1, 1, 2)
    yield Case(
        "RJ: no application context",
        "PS3.8 7.1.1.2",
        rq_of(lambda rq: replace(rq, items=rq.items[1:])),
        Either(Rejected(context), INVALID),
    )
    for name in ("1.2.3", "1.2.840.10008.3.1.1.2", ""):
        item = ApplicationContext(application_context_name=UID(name))
        play = rq_of(lambda rq, item=item: replace(rq, items=(item, *rq.items[1:])))
        yield Case(f"RJ: application context {name!r}", "PS3.8 7.1.1.2", play, Rejected(context))
    called, calling = Rejected((1, 1, 7)), Rejected((1, 1, 3))
    yield Case("RJ: called title of spaces", "PS3.8 9.3.2", _titles(called=b" " * 16), Either(called, calling))
    yield Case("RJ: calling title of spaces", "PS3.8 9.3.2", _titles(calling=b" " * 16), Either(called, calling))
    yield Case("RJ: called title unknown", "PS3.8 9.3.4", _titles(called=b"NOBODYSTITLE".ljust(16)), called, False)
    yield Case(
        "RJ: called title in small letters",
        "PS3.5 6.2",
        lambda called: _titles(called=called.lower().encode().ljust(16))(called),
        Rejected((1, 1, 7)),
        False,
    )
    for name, title in {
        "a backslash": b"SC\\P",
        "a newline": b"SCU\nX",
        "an escape": b"SCU\x1b[31m",
        "a NUL inside": b"S\0CU",
        "a path": b"../../\\etc",
        "bytes beyond ASCII": b"SC\xc3\x9c",
    }.items():
        yield Case(
            f"RJ: calling title with {name}", "PS3.5 6.2, PS3.8 9.3.2", _titles(calling=title.ljust(16)), calling
        )
        yield Case(f"RJ: called title with {name}", "PS3.5 6.2, PS3.8 9.3.2", _titles(called=title.ljust(16)), called)


def _acceptances() -> Iterator[Case]:
    """What is no reason to reject."""
    yield Case("AC: an ordinary request", "PS3.8 9.3.3", rq_of(), Accepted())
    yield Case("AC: the request byte by byte", "PS3.8 9.1", rq_of(), Accepted(), drip=True)
    yield Case(
        "AC: called title with leading spaces",
        "PS3.8 9.3.2",
        lambda called: _titles(called=called.encode().rjust(16))(called),
        Accepted(),
    )
    yield Case("AC: calling title with spaces", "PS3.8 9.3.2", _titles(calling=b"  S C U".ljust(16)), Accepted())
    for version in (1, 3, 0xFFFF):
        play = rq_of(lambda rq, version=version: replace(rq, protocol_version=version))
        yield Case(f"AC: protocol version {version}", "PS3.8 9.3.2: only bit 0 is tested", play, Accepted())
    for name, change in {
        "of the PDU header": lambda rq: rq[:1] + b"\xff" + rq[2:],
        "of the fixed part": lambda rq: rq[:8] + b"\xff\xff" + rq[10:42] + b"\xff" * 32 + rq[74:],
        "of the first item": lambda rq: rq[:75] + b"\xff" + rq[76:],
    }.items():
        yield Case(f"AC: reserved bytes {name}", "PS3.8 9.3: not tested", _raw(change), Accepted())
    yield Case(
        "AC: reserved bytes of a context",
        "PS3.8 9.3.2.2: not tested",
        _raw(lambda rq: rq.replace(bytes.fromhex("01 00 00 00 30 00"), bytes.fromhex("01 ff ff ff 30 ff"), 1)),
        Accepted(),
    )
    yield Case(
        "AC: items in reverse order",
        "PS3.8 9.3.1",
        rq_of(lambda rq: replace(rq, items=tuple(reversed(rq.items)))),
        Accepted(),
        False,
    )
    for kind in (0x00, 0x22, 0x3F, 0x60, 0xFF):
        yield Case(
            f"AC: an item of type {kind:02X}H",
            "PS3.8 9.3.1: ignored and skipped",
            _tail(bytes([kind, 0, 0, 3]) + b"???"),
            Accepted(),
        )
    for kind in (0x4F, 0x5A, 0x7F, 0xFF):
        yield Case(
            f"AC: a user information sub-item of type {kind:02X}H",
            "PS3.7 D.2, PS3.8 9.3.1",
            _user(bytes([kind, 0, 0, 3]) + b"???"),
            Accepted(),
        )
    sub_items = {
        "user name": bytes.fromhex("58 00 000a 01 00 0004 55534552 0000"),
        "user name and passcode": bytes.fromhex("58 00 000b 02 00 0004 55534552 0001 50"),
        "an unknown type of user identity": bytes.fromhex("58 00 0006 ff 00 0000 0000"),
        "extended negotiation of a class that is not proposed": bytes.fromhex("56 00 0005 0003") + b"1.2",
        "common extended negotiation": bytes.fromhex("57 00 000c 0003") + b"1.2" + bytes.fromhex("0003") + b"1.3\0\0",
        "a window of 16/16": bytes.fromhex("53 00 0004 0010 0010"),
        "an unlimited window": bytes.fromhex("53 00 0004 0000 0000"),
        "roles 1/1 of a class that is not proposed": bytes.fromhex("54 00 0007 0003") + b"1.2" + bytes.fromhex("01 01"),
        "roles 0/0": bytes.fromhex("54 00 0015 0011") + b"1.2.840.10008.1.1" + bytes.fromhex("00 00"),
        "a version name of 40 bytes": bytes.fromhex("55 00 0028") + b"V" * 40,
    }
    for name, items in sub_items.items():
        shall = name not in ("a version name of 40 bytes", "common extended negotiation")
        yield Case(f"AC: {name}", "PS3.7 D.3.3", _user(items), Accepted(), shall)
    yield Case(
        "AC: a positive response that was not asked for is not sent",
        "PS3.7 D.3.3.7",
        _user(sub_items["user name and passcode"]),
        Accepted(without=(0x59,)),
    )
    yield Case("AC: no window is answered where none was offered", "PS3.7 D.3.3.3", rq_of(), Accepted(without=(0x53,)))
    yield Case(
        "AC: no role is answered where none was offered", "PS3.7 D.3.3.4", _with(_context(1)), Accepted(without=(0x54,))
    )
    for length in (0, 8, 16_384, 0xFFFFFFFF):
        yield Case(
            f"AC: maximum length {length}",
            "PS3.8 D.1",
            _with(_context(1), user=(MaximumLength(maximum_length_received=length),)),
            Accepted(),
            length != 8,
        )
    yield Case("AC: no maximum length", "PS3.8 D.1", _with(_context(1), user=()), Accepted(), False)


def _contexts() -> Iterator[Case]:
    odd = Either(INVALID, Rejected(), Abort(2))
    for name, contexts in {
        "even ID": [_context(2)],
        "ID 0": [_context(0)],
        "an ID twice": [_context(1), _context(1)],
    }.items():
        yield Case(f"contexts: {name}", "PS3.8 9.3.2.2", _with(*contexts), odd)
    useless = Either(odd, Accepted(results={1: (1, 2, 3, 4)}, echo=False))
    for name, items in {
        "no abstract syntax": (TRANSFER,),
        "two abstract syntaxes": (ABSTRACT, ABSTRACT, TRANSFER),
        "no transfer syntax": (ABSTRACT,),
    }.items():
        yield Case(
            f"contexts: {name}", "PS3.8 9.3.2.2", _with(_context(1, *items)), useless, name != "two abstract syntaxes"
        )
    unknown = TransferSyntaxItem(transfer_syntax_name=UID("1.2.3.4"))
    yield Case(
        "contexts: abstract syntax of another service",
        "PS3.8 9.3.3.2",
        _with(_context(1), _context(3, AbstractSyntax(abstract_syntax_name=UID("1.2.840.10008.5.1.1.9")), TRANSFER)),
        Accepted(results={1: (0,), 3: (3,)}),
    )
    yield Case(
        "contexts: transfer syntax unknown",
        "PS3.8 9.3.3.2",
        _with(_context(1), _context(3, ABSTRACT, unknown)),
        Accepted(results={1: (0,), 3: (4,)}),
    )
    yield Case(
        "contexts: one of several transfer syntaxes",
        "PS3.8 9.3.3.2",
        _with(_context(1, ABSTRACT, unknown, TRANSFER)),
        Accepted(results={1: (0,)}),
    )
    yield Case(
        "contexts: none is acceptable",
        "PS3.8 7.1.1.14",
        _with(_context(1, ABSTRACT, unknown)),
        Either(Accepted(results={1: (4,)}, echo=False), Rejected()),
        False,
    )
    yield Case("contexts: none at all", "PS3.8 9.3.2", _with(), Either(Accepted(results={}, echo=False), odd), False)
    yield Case(
        "contexts: not in the order of their IDs",
        "PS3.8 9.3.2",
        _with(_context(5), _context(3), _context(1)),
        Accepted(results={1: (0,), 3: (0,), 5: (0,)}),
    )
    many = [_context(number) for number in range(1, 256, 2)]
    yield Case("contexts: 128", "PS3.8 9.3.2.2", _with(*many), Accepted(results=dict.fromkeys(range(1, 256, 2), (0,))))
    strangers = [
        _context(n, AbstractSyntax(abstract_syntax_name=UID("1.2.840.10008.5.1.1.9")), TRANSFER)
        for n in range(3, 256, 2)
    ]
    yield Case(
        "contexts: 127 that are refused, one that is not",
        "PS3.8 9.3.3.2",
        _with(_context(1), *strangers),
        Accepted(results={1: (0,), **dict.fromkeys(range(3, 256, 2), (3,))}),
    )
    for length in (1, 3, 5, 6, 7):
        yield Case(
            f"maximum length {length}: nothing fits",
            "PS3.8 D.1, E.1",
            _with(_context(1), user=(MaximumLength(maximum_length_received=length),)),
            odd,
            False,
        )


def _ends() -> Iterator[Case]:
    """Sta13: what comes after our last word (PS3.8 9.2, AA-6, AA-7, AA-2)."""
    bad = rq_of(lambda rq: replace(rq, protocol_version=2))
    again = Several(Rejected((1, 2, 2)), Abort())
    yield Case(
        "Sta13: A-ASSOCIATE-RQ after a rejection",
        "PS3.8 9.2 AA-7",
        lambda called: [bad(called)[0], rq_of()(called)[0]],
        again,
    )
    yield Case(
        "Sta13: an unknown PDU after a rejection",
        "PS3.8 9.2 AA-7",
        lambda called: [bad(called)[0], bytes.fromhex("09 00 00000004 00000000")],
        again,
    )
    yield Case(
        "Sta13: A-ABORT after a rejection",
        "PS3.8 9.2 AA-2",
        lambda called: [bad(called)[0], A_ABORT_USER],
        Several(Rejected((1, 2, 2)), Closed()),
    )
    for name, pdu in {"P-DATA-TF": message(ECHO_ID, CEchoRQ(message_id=1)), "A-RELEASE-RQ": A_RELEASE_RQ}.items():
        yield Case(
            f"Sta13: {name} after a rejection is ignored",
            "PS3.8 9.2 AA-6",
            lambda called, pdu=pdu: [bad(called)[0], pdu + A_ABORT_USER],
            Several(Rejected((1, 2, 2)), Closed()),
        )
    yield Case(
        "Sta13: after our abort the rest is read away",
        "PS3.8 9.1.4 note 1",
        bytes_of(b"GET / HTTP/1.1\r\n" + bytes(1_000_000), b""),
        INVALID,
    )


def _timers() -> Iterator[Case]:
    """ARTIM from the connection to the whole request, not started anew by bytes (PS3.8 9.1.5, AA-2)."""
    for sent in (0, 1, 5, 6, 50, -1):
        yield Case(
            f"ARTIM: {sent if sent >= 0 else 'all but one'} bytes, then silence",
            "PS3.8 9.1.5, Evt18",
            lambda called, sent=sent: [rq_of()(called)[0][:sent]],
            Closed(),
            timer=True,
        )
    yield Case(
        "ARTIM: a byte now and then",
        "PS3.8 9.1.5",
        lambda called: [rq_of()(called)[0][:-1]],
        Closed(),
        timer=True,
        drip=True,
    )


BEFORE: tuple[Case, ...] = (
    *_strangers(), *_wrong_pdus(), *_broken_requests(), *_rejections(), *_acceptances(), *_contexts(), *_ends(), *_timers(),
)  # fmt: skip
