"""Properties that hold for any bytes, and a good session that is damaged at every byte; the seeds are fixed.

``python -m tests.hostile.fuzz`` runs the same targets for as long as you like, guided by coverage where there is atheris.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from nbdicom.core.pdu import encode_pdu
from tests.drivers.scripted import A_RELEASE_RQ, a_associate_rq, echo_rq, find_rq, store_rq
from tests.hostile.fuzz import SEEDS, TARGETS, Acceptor, damaged

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # pydicom's, of tags that nobody knows

BOUNDED = settings(max_examples=300, deadline=None, database=None, suppress_health_check=list(HealthCheck))


@seed(1)
@BOUNDED
@given(data=st.binary(max_size=2000))
@pytest.mark.parametrize("target", TARGETS)
def test_any_bytes(target: str, data: bytes) -> None:
    TARGETS[target](data)


@pytest.mark.parametrize("target", TARGETS)
def test_good_bytes_that_were_damaged(target: str) -> None:
    """Bits flipped, pieces cut, doubled and swapped: 400 variants of each seed."""
    for number, good in enumerate(SEEDS[target]):
        generator = random.Random(number)
        TARGETS[target](good)
        for _ in range(400):
            TARGETS[target](damaged(good, generator))


#: A good association: request, an echo, an object, a query, the release.
SESSION = (
    encode_pdu(a_associate_rq()),
    echo_rq(1),
    store_rq(b"data of an object ", message_id=2),
    find_rq(3),
    A_RELEASE_RQ,
)


def _variants() -> Iterator[tuple[str, bytes]]:
    whole = b"".join(SESSION)
    for at in range(len(whole)):
        yield f"cut at {at}", whole[:at]
        for bit in (0, 3, 7):
            yield f"bit {bit} of {at}", whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1 :]
        yield f"byte {at} twice", whole[: at + 1] + whole[at:]


def play(session: bytes) -> Acceptor:
    """Whoever has sent its request waits for the answer (P-DATA before it would be an abort in Sta3)."""
    acceptor = Acceptor()
    acceptor.feed(session[: len(SESSION[0])])
    acceptor.feed(session[len(SESSION[0]) :])
    return acceptor


def test_a_good_session_damaged_at_every_byte() -> None:
    """Cut, stalled, and with flipped bits at each of its bytes: the core ends in a state of Table 9-10 and says why."""
    for name, variant in _variants():
        play(variant).end(stalled=name.startswith("cut"))
    assert play(b"".join(SESSION)).performed == 3


#: What the fuzzing has found, made small: each had raised something else than the error that is meant for it.
FINDINGS = {
    "a character set with a NUL inside": (
        "data_set",
        bytes.fromhex("08000500 04000000 61006220 10001000 04000000 c3c3c3c3"),
    ),
    "a VR that nobody knows, in big endian": ("data_set", bytes.fromhex("0010 0010 534f 0002 4142")),
    "a character set of a VR that nobody knows": (
        "data_set",
        bytes.fromhex("0800 0500 5858 0400 49534f20 1000 1000 504e 0400 41424344"),
    ),
    "a number for a character set": (
        "data_set",
        bytes.fromhex("0800 0500 5553 0200 0100 1000 1000 504e 0400 41424344"),
    ),
    "the same after a group length": (
        "data_set",
        bytes.fromhex("0008 0000 554c 0004 00000000 0010 0010 534f 0002 4142"),
    ),
}


@pytest.mark.parametrize("finding", FINDINGS)
def test_what_fuzzing_has_found(finding: str) -> None:
    target, data = FINDINGS[finding]
    TARGETS[target](data)
