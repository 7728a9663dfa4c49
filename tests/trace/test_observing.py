"""Notifications: who sees which events; observers that fail (docs/events.md)."""

from __future__ import annotations

import logging
from typing import Any, get_args

import pytest

import nbdicom as nd
from nbdicom.errors import AssociationRejected
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


@pytest.mark.parametrize(("payload", "sizes"), [(0, (12, 6)), (10, (22, 22))])
def test_an_observer_says_how_much_of_the_fragments_it_wants(payload: int, sizes: tuple[int, int]) -> None:
    """Of what comes in without payload the header of the PDU is told alone, before there is any more."""
    seen: list[Any] = []
    observer = on((PDUSent, PDUReceived), seen.append, payload=payload)
    with nd.Server(nd.Handlers(), ae_title="SCP", contexts=["Verification"]) as server:
        with nd.associate(server.address, called="SCP", contexts=["Verification"], trace=observer) as association:
            association.echo()
    sent, received = [event for event in seen if event.pdu_type == 0x04]
    assert (len(sent.data), len(received.data)) == sizes and min(sent.length, received.length) > 22


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
