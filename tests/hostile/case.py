"""One hostile input and the answer to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nbdicom.core.pdu import AAssociateRQ, encode_pdu
from tests.drivers.scripted import a_associate_rq
from tests.hostile.answers import Answer

__all__ = ["ABSOLUTE", "PATHS", "Case", "bytes_of", "rq_of", "sized"]

ABSOLUTE = Path("/tmp/hostile-absolute")  #: whoever believes an absolute path writes here

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
