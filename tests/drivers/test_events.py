"""What observers are told of the life of an association: by each driver, in each role (docs/events.md)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from scripted import LIMIT, Dial, Serve, Wire

from nbdicom.core.pdu import AAssociateRJ
from nbdicom.errors import AssociationError
from nbdicom.operations.handlers import Handlers, Reject
from nbdicom.trace import (
    Aborted,
    Accepted,
    Connected,
    DataReceived,
    DataSent,
    Disconnected,
    Established,
    MessageReceived,
    PDUReceived,
    PDUSent,
    Rejected,
    Released,
    Requested,
    fan_out,
    on,
)

LIFE = (Connected, Requested, Accepted, Rejected, Established, Released, Aborted, Disconnected)


def names(events: list[Any]) -> list[str]:
    return [
        type(event).__name__ + ("" if not hasattr(event, "by_peer") else "<" if event.by_peer else ">")
        for event in events
    ]


def lives(
    serve: Serve, dial: Dial, use: Callable[[Any], None], handlers: Handlers | None = None
) -> tuple[list[Any], list[Any]]:
    """What the requestor's and the acceptor's observers are told while an association is used."""
    here: list[Any] = []
    there: list[Any] = []
    ended = threading.Event()
    watching = fan_out(on(LIFE, there.append), on(Disconnected, lambda event: ended.set()))
    with serve(handlers or Handlers(), trace=watching) as server:
        try:
            use(dial(server.address, trace=on(LIFE, here.append)))
        except AssociationError:
            pass
        assert ended.wait(LIMIT)
    return here, there


@pytest.mark.parity(
    "A.5 EVT_CONN_OPEN",
    "A.5 EVT_CONN_CLOSE",
    "A.5 EVT_REQUESTED",
    "A.5 EVT_ACCEPTED",
    "A.5 EVT_ESTABLISHED",
    "A.5 EVT_RELEASED",
    "A.5 EVT_ACSE_SENT",
    "A.5 EVT_ACSE_RECV",
)
def test_a_life_and_its_release(serve: Serve, dial: Dial) -> None:
    here, there = lives(serve, dial, lambda association: association.release())
    assert names(here) == ["Requested>", "Connected", "Accepted<", "Established", "Released>", "Disconnected"]
    assert names(there) == ["Connected", "Requested<", "Accepted>", "Established", "Released<", "Disconnected"]
    assert (here[1].local, here[1].peer) == (there[0].peer, there[0].local)
    assert here[0].rq == there[1].rq and here[2].ac == there[2].ac
    assert here[3].negotiation.accepted and there[3].negotiation.calling_ae_title == "SCU"
    assert all(str(event) for event in here)


@pytest.mark.parity("A.5 EVT_REJECTED")
def test_a_rejection(serve: Serve, dial: Dial) -> None:
    handlers = Handlers(accept=lambda rq, peer: Reject(1, 1, 3))
    here, there = lives(serve, dial, lambda association: None, handlers)
    assert names(here) == ["Requested>", "Connected", "Rejected<", "Disconnected"]
    assert names(there) == ["Connected", "Requested<", "Rejected>", "Disconnected"]
    assert here[2].rj == there[2].rj == AAssociateRJ(result=1, source=1, reason_diag=3)
    assert "calling-AE-title-not-recognized" in str(here[2])


@pytest.mark.parity("A.5 EVT_ABORTED")
def test_an_abort(serve: Serve, dial: Dial) -> None:
    here, there = lives(serve, dial, lambda association: association.abort())
    assert names(here)[-2:] == ["Aborted>", "Disconnected"]
    assert names(there)[-2:] == ["Aborted<", "Disconnected"]
    assert (there[-2].error.source, there[-2].error.reason_diag) == (0, 0)
    assert "the peer aborted" in str(there[-2])


def test_a_connection_that_is_lost(serve: Serve) -> None:
    _, there = lives(serve, lambda address, trace: Wire.associated(address), lambda wire: wire.close())
    assert names(there)[-2:] == ["Aborted<", "Disconnected"]
    assert "closed the connection" in there[-2].error.message


@pytest.mark.parity("A.5 EVT_DATA_SENT", "A.5 EVT_DATA_RECV")
def test_bytes_and_pdus_say_the_same(serve: Serve, dial: Dial) -> None:
    """Observers that fail stand beside them and change nothing."""
    kinds = (PDUSent, PDUReceived, DataSent, DataReceived, MessageReceived)
    here: dict[type, list[Any]] = {kind: [] for kind in kinds}
    there: dict[type, list[Any]] = {kind: [] for kind in kinds}

    def failing(event: Any) -> None:
        raise ValueError("an observer's mistake")

    ended = threading.Event()
    watching = fan_out(
        failing, *(on(kind, there[kind].append) for kind in kinds), on(Disconnected, lambda event: ended.set())
    )
    with serve(Handlers(), trace=watching) as server:
        trace = fan_out(failing, *(on(kind, here[kind].append) for kind in kinds))
        with dial(server.address, trace=trace) as association:
            for _ in range(3):
                assert association.echo() == 0x0000
        assert ended.wait(LIMIT)
    for one, other in ((here, there), (there, here)):
        sent = b"".join(event.data for event in one[DataSent])
        assert sent == b"".join(event.data for event in other[DataReceived])
        assert len(sent) == sum(event.length for event in one[PDUSent])
        assert [event.pdu_type for event in one[PDUSent]] == [event.pdu_type for event in other[PDUReceived]]
    assert len(here[MessageReceived]) == len(there[MessageReceived]) == 3
