"""Notifications: which events tell what becomes of an association, on both sides; observers that fail (docs/events.md)."""

from __future__ import annotations

import logging
import threading
from typing import Any, get_args

import pytest

import nbdicom as nd
from nbdicom.core.pdu import AAssociateRJ
from nbdicom.errors import AssociationError, AssociationRejected
from nbdicom.operations.handlers import Reject
from nbdicom.trace import (
    Aborted,
    Accepted,
    Connected,
    DataReceived,
    DataSent,
    Disconnected,
    Established,
    MessageReceived,
    MessageSent,
    PDUReceived,
    PDUSent,
    Rejected,
    Released,
    Requested,
    TraceEvent,
    Tracer,
    Transition,
    fan_out,
    on,
)

LIFE = (Connected, Requested, Accepted, Rejected, Established, Released, Aborted, Disconnected)


def names(events: list[Any]) -> list[str]:
    return [
        type(event).__name__ + ("" if not hasattr(event, "by_peer") else "<" if event.by_peer else ">")
        for event in events
    ]


def both_sides(use: Any, **options: Any) -> tuple[list[Any], list[Any]]:
    """What observers of the requestor and of the acceptor are told while an association is used."""
    here: list[Any] = []
    there: list[Any] = []
    ended = threading.Event()
    observers = fan_out(on(LIFE, there.append), on(Disconnected, lambda event: ended.set()))
    options = {"handlers": nd.Handlers(), "ae_title": "SCP", "contexts": ["Verification"], **options}
    with nd.Server(trace=observers, **options) as server:
        trace = on(LIFE, here.append)
        try:
            use(nd.associate(server.address, called="SCP", contexts=["Verification"], trace=trace))
        except AssociationError:
            pass
        assert ended.wait(60)
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
def test_a_life_and_its_release() -> None:
    here, there = both_sides(lambda association: association.release())
    assert names(here) == ["Requested>", "Connected", "Accepted<", "Established", "Released>", "Disconnected"]
    assert names(there) == ["Connected", "Requested<", "Accepted>", "Established", "Released<", "Disconnected"]
    requested, accepted, established = here[0], here[2], here[3]
    assert requested.rq.called_ae_title == "SCP" and requested.rq == there[1].rq
    assert accepted.ac == there[2].ac
    assert established.negotiation.accepted and there[3].negotiation.calling_ae_title == "NBDICOM"
    assert here[1].peer == there[0].local and here[1].local == there[0].peer
    assert all(str(event) for event in here)


@pytest.mark.parity("A.5 EVT_REJECTED")
def test_a_rejection() -> None:
    here, there = both_sides(None, handlers=nd.Handlers(accept=lambda rq, peer: Reject(1, 1, 3)))
    assert names(here) == ["Requested>", "Connected", "Rejected<", "Disconnected"]
    assert names(there) == ["Connected", "Requested<", "Rejected>", "Disconnected"]
    assert here[2].rj == there[2].rj == AAssociateRJ(result=1, source=1, reason_diag=3)
    assert "calling-AE-title-not-recognized" in str(here[2])


@pytest.mark.parity("A.5 EVT_ABORTED")
def test_an_abort() -> None:
    here, there = both_sides(lambda association: association.abort())
    assert names(here)[-2:] == ["Aborted>", "Disconnected"]
    assert names(there)[-2:] == ["Aborted<", "Disconnected"]
    assert (there[-2].error.source, there[-2].error.reason_diag) == (0, 0)
    assert "the peer aborted" in str(there[-2])


def test_a_connection_that_is_lost() -> None:
    def cut(association: Any) -> None:
        association._driver.transport.close()

    _, there = both_sides(cut)
    assert names(there)[-2:] == ["Aborted<", "Disconnected"]
    assert "closed the connection" in there[-2].error.message


@pytest.mark.parity(
    "A.5 EVT_PDU_SENT",
    "A.5 EVT_PDU_RECV",
    "A.5 EVT_DATA_SENT",
    "A.5 EVT_DATA_RECV",
    "A.5 EVT_DIMSE_SENT",
    "A.5 EVT_DIMSE_RECV",
    "A.5 EVT_FSM_TRANSITION",
)
def test_the_rest_of_the_events() -> None:
    """PDUs, messages, transitions and bytes; every observer sees what it asked for, and nothing else."""
    kinds = (Transition, PDUSent, PDUReceived, MessageSent, MessageReceived, DataSent, DataReceived)
    seen: dict[type, list[Any]] = {kind: [] for kind in kinds}
    observers = fan_out(*(on(kind, seen[kind].append) for kind in kinds))
    with nd.Server(nd.Handlers(), ae_title="SCP", contexts=["Verification"]) as server:
        with nd.associate(server.address, called="SCP", contexts=["Verification"], trace=observers) as association:
            association.echo()
    assert all(type(event) is kind for kind in kinds for event in seen[kind])
    assert [event.message.name for event in seen[MessageSent]] == ["C-ECHO-RQ"]
    assert [event.message.name for event in seen[MessageReceived]] == ["C-ECHO-RSP"]
    assert [event.pdu_type for event in seen[PDUSent]] == [0x01, 0x04, 0x05]
    assert [event.pdu_type for event in seen[PDUReceived]] == [0x02, 0x04, 0x06]
    for bytes_, pdus in ((seen[DataSent], seen[PDUSent]), (seen[DataReceived], seen[PDUReceived])):
        stream = b"".join(event.data for event in bytes_)
        assert len(stream) == sum(event.length for event in pdus)
        assert stream.startswith(pdus[0].data) and stream.endswith(pdus[-1].data)
    assert seen[Transition][0].before == 1 and seen[Transition][-1].after == 1


def test_bytes_are_copied_only_for_who_asks() -> None:
    assert not on(LIFE, print).raw  # type: ignore[attr-defined]
    seen: list[TraceEvent] = []
    with nd.Server(nd.Handlers(), ae_title="SCP", contexts=["Verification"]) as server:
        with nd.associate(server.address, called="SCP", contexts=["Verification"], trace=seen.append) as association:
            association.echo()
    assert not [event for event in seen if isinstance(event, DataSent | DataReceived)]
    assert {type(event) for event in seen} >= {*LIFE} - {Rejected, Aborted}


# ------------------------------------------------------------------------------- observers that fail


class Failing:
    """A tracer that cannot even begin."""

    def association(self, role: str) -> Any:
        raise KeyError("PATIENT^NAME")


@pytest.mark.parametrize("side", ["requestor", "acceptor"])
@pytest.mark.parity("A.5 exceptions of observers")
def test_an_exception_in_an_observer_is_logged_and_harms_nothing(side: str, caplog: pytest.LogCaptureFixture) -> None:
    seen: list[TraceEvent] = []

    def failing(event: TraceEvent) -> None:
        raise ValueError("PATIENT^NAME")

    observers: dict[str, Tracer | None] = {"requestor": None, "acceptor": None}
    observers[side] = fan_out(failing, Failing(), on(MessageReceived, failing), seen.append)
    with caplog.at_level(logging.WARNING, "nbdicom"):
        with nd.Server(nd.Handlers(), ae_title="SCP", contexts=["Verification"], trace=observers["acceptor"]) as server:
            with nd.associate(
                server.address, called="SCP", contexts=["Verification"], trace=observers["requestor"]
            ) as association:
                for _ in range(3):
                    assert association.echo() == 0x0000
    assert len([event for event in seen if isinstance(event, MessageReceived)]) == 3  # the others see everything
    lines = [record.getMessage() for record in caplog.records]
    assert "an observer failed with ValueError at MessageReceived" in lines
    assert "a tracer failed with KeyError" in lines
    assert not [line for line in lines if "PATIENT" in line]
    # Once for each kind of event: two observers fail at a message that has come in, one at everything else.
    assert lines.count("an observer failed with ValueError at MessageReceived") == 2
    assert lines.count("an observer failed with ValueError at PDUSent") == 1


def test_a_peer_has_observers_too() -> None:
    seen: list[Any] = []
    with nd.Server(nd.Handlers(), ae_title="SCP", contexts=["Verification"]) as server:
        peer = nd.Peer("SCP", *server.address, trace=on(Released, seen.append))
        assert peer.echo().ok
        peer.echo()
    assert len(seen) == 2


def test_a_rejected_request_is_still_told_to_its_caller() -> None:
    with nd.Server(nd.Handlers(), ae_title="SCP", contexts=["Verification"]) as server:
        with pytest.raises(AssociationRejected):
            nd.associate(server.address, called="OTHER", contexts=["Verification"], trace=on(Rejected, lambda e: 1 / 0))


@pytest.mark.parametrize("kind", [int, "Released", (Released, int), object, Tracer])
def test_what_is_no_kind_of_event(kind: Any) -> None:
    with pytest.raises(TypeError, match="no kind of trace event"):
        on(kind, print)


def test_what_is_no_observer() -> None:
    with pytest.raises(TypeError, match="a function of one event, not a str"):
        on(Released, "print")  # type: ignore[call-overload]


def test_every_event_is_exported() -> None:
    import nbdicom.trace as module

    for kind in get_args(TraceEvent):
        assert getattr(module, kind.__name__) is kind and kind.__name__ in module.__all__
