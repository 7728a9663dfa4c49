"""One hostile input and the answer to it."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from nbdicom.core.pdu import AAssociateRQ, encode_pdu
from tests.drivers.scripted import a_associate_rq
from tests.hostile.answers import Abort, Answer, Closed, Either

__all__ = ["ABSOLUTE", "BROKEN", "PATHS", "UNEXPECTED", "UNKNOWN", "Case", "bytes_of", "malformed", "rq_of", "sized"]

ABSOLUTE = Path("/tmp/hostile-absolute")  #: whoever believes an absolute path writes here

UNEXPECTED, BROKEN, UNKNOWN = Abort(2, 2), Abort(2, 6, 5, 4, 0), Abort(2, 1)

#: What comes as a UID and would be a path, a command or a line of a log if somebody believed it.
PATHS = (
    "../../../hostile",
    str(ABSOLUTE),
    "..",
    ".",
    "..\\..\\hostile",
    "1.2.3/../../hostile",
    "a" * 300,
    "1.2\n3",
    "1.2\x1b[31m",
    "",
    "%s%n",
    "$(id)",
    "`id`",
    "|id",
    "NUL",
    "1.2.3;DROP TABLE instances",
)


@dataclass(frozen=True, slots=True)
class Case:
    """One input and the answer to it.

    ``play`` makes the bytes for a called AE title, in pieces: each is sent when the one before was answered (an empty piece
    ends our side of the connection).  ``needs`` are presentation contexts without which it does not apply.
    """

    name: str
    section: str
    play: Callable[[str], list[bytes]]
    answer: Answer
    shall: bool = True
    needs: tuple[int, ...] = ()
    timer: bool = False  #: it is about a timer of the peer: only where that is known to be short
    drip: bool = False  #: sent a byte at a time, with pauses

    def __str__(self) -> str:
        return self.name


def bytes_of(*pieces: bytes) -> Callable[[str], list[bytes]]:
    return lambda called: list(pieces)


def rq_of(change: Callable[[AAssociateRQ], AAssociateRQ] = lambda rq: rq) -> Callable[[str], list[bytes]]:
    """An A-ASSOCIATE-RQ for all contexts, changed."""
    return lambda called: [encode_pdu(change(a_associate_rq(called=called)))]


def sized(kind: bytes, body: bytes) -> bytes:
    """A PDU of any body."""
    return kind + b"\0" + len(body).to_bytes(4, "big") + body


def malformed() -> Iterator[tuple[str, str, bytes, Answer]]:
    """Bytes within an association that are no PDU, whoever sends them: name, section, bytes, and the answer to them."""
    for kind in (0x00, 0x08, 0x47, 0xFF):
        yield f"PDU of type {kind:02X}H", "PS3.8 9.3.8", bytes([kind, 0, 0, 0, 0, 4]) + bytes(4), UNKNOWN
    for kind, name in ((3, "A-ASSOCIATE-RJ"), (5, "A-RELEASE-RQ"), (6, "A-RELEASE-RP"), (7, "A-ABORT")):
        for length in (0, 3, 5, 0xFFFFFFFF):
            pdu = struct.pack(">BxI", kind, length) + bytes(min(length, 16))
            aborted: Answer = Abort(2) if kind != 7 else Either(Abort(2), Closed())
            yield f"{name} of {length:,} bytes", "PS3.8 9.3, fixed 00000004H", pdu, aborted
    for name, pdu in {
        "P-DATA-TF of 4 GiB": bytes.fromhex("04 00 ffffffff") + bytes(16),
        "P-DATA-TF longer than announced": struct.pack(">BxI", 4, 0x7FFFFFF0) + bytes(16),
        "P-DATA-TF without PDV": bytes.fromhex("04 00 00000000"),
        "P-DATA-TF of four bytes": bytes.fromhex("04 00 00000004 00000000"),
        "PDV of length 0": bytes.fromhex("04 00 00000006 00000000 0103"),
        "PDV of length 1": bytes.fromhex("04 00 00000006 00000001 0103"),
        "PDV beyond its PDU": bytes.fromhex("04 00 00000006 00000100 0103"),
        "PDV of 4 GiB": bytes.fromhex("04 00 00000006 ffffffff 0103"),
        "two bytes behind the last PDV": bytes.fromhex("04 00 00000008 00000002 0101 0000"),
    }.items():
        yield name, "PS3.8 9.3.5, D.1", pdu, BROKEN
