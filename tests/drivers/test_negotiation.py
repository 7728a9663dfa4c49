"""Negotiation as both ends use it: windows, roles, identities, related classes, and what is put up with (PS3.7 D.3)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from scripted import (
    CT,
    FIND,
    IMPLICIT,
    LIMIT,
    MOVE,
    VERIFICATION,
    Arrived,
    Dial,
    Instance,
    Scripted,
    Serve,
    Wire,
    a_associate_rq,
    echo_rq,
    store_rq,
)

import nbdicom as nd
from nbdicom.config import Limits, OperationsWindow
from nbdicom.core.command import CEchoRSP, CStoreRQ, CStoreRSP
from nbdicom.core.extended import QueryOptions
from nbdicom.core.identity import UserIdentity
from nbdicom.core.negotiation import PresentationContext, Support
from nbdicom.core.pdu import UnknownItem
from nbdicom.core.trace import Quirk
from nbdicom.errors import AssociationRejected
from nbdicom.operations.handlers import Handlers, known_users
from nbdicom.uids import UID

UNLIMITED = OperationsWindow(invoked=0, performed=0)


# ------------------------------------------------------------------------------- operations window, as SCU


@pytest.mark.parametrize(("window", "together"), [(1, 1), (8, 8), (16, 16), (0, 20)])
@pytest.mark.parity("A.2 operations window", "A.6 operations window")
def test_as_many_stores_at_once_as_agreed_and_responses_in_any_order(dial: Dial, window: int, together: int) -> None:
    """The peer answers a whole window in reverse; every instance gets its own status."""

    def script(wire: Wire) -> None:
        left = 20
        while left:
            batch: list[Arrived] = [wire.request(CStoreRQ) for _ in range(min(together, left))]
            for arrived in reversed(batch):
                number = int(arrived.message.affected_sop_instance_uid.rpartition(".")[2])
                wire.answer(arrived, 0xB000 + number)
            left -= len(batch)
        wire.released()

    wanted = OperationsWindow(invoked=window)
    with Scripted(script, window=UNLIMITED) as acceptor, dial(acceptor.address, window=wanted) as association:
        assert association.negotiation.window.invoked == window
        # The acceptor waits for a full window before it answers: fewer at once would be silence, more a wrong count.
        results = list(association.store([Instance(number) for number in range(1, 21)]))
    assert sorted((r.instance.sop_instance_uid, int(r.status or 0)) for r in results) == sorted(
        (f"1.2.3.{number}", 0xB000 + number) for number in range(1, 21)
    )


@pytest.mark.parametrize(
    ("asked", "allowed", "invoked"), [(1, 0, 1), (8, 4, 4), (4, 8, 4), (0, 4, 4), (4, 0, 4), (0, 0, 0)]
)
@pytest.mark.parity("A.5 EVT_ASYNC_OPS")
def test_the_window_that_both_sides_see(serve: Serve, dial: Dial, asked: int, allowed: int, invoked: int) -> None:
    server = serve(Handlers(), window=OperationsWindow(performed=allowed, invoked=2))
    with server, dial(server.address, window=OperationsWindow(invoked=asked, performed=3)) as association:
        association.echo()
        (acceptor,) = server.associations
        ours, theirs = association.negotiation.window, acceptor.negotiation.window
        assert (ours.invoked, ours.performed) == (theirs.performed, theirs.invoked) == (invoked, 2)


@pytest.mark.parametrize(
    "start",
    [
        lambda folder, **window: nd.serve(Handlers(), ae_title="SCP", **window),
        lambda folder, **window: nd.serve(to=folder, ae_title="SCP", **window),
        lambda folder, **window: nd.Pacs(folder, ae_title="SCP", **window).start(),
    ],
    ids=["a server", "a receiver", "a PACS"],
)
@pytest.mark.parametrize(("window", "invoked"), [({}, 16), ({"window": OperationsWindow(performed=3)}, 3)])
def test_every_server_has_a_window(
    tmp_path: Path, start: Callable[..., Any], window: dict[str, Any], invoked: int
) -> None:
    with (
        start(tmp_path / "in", **window) as server,
        nd.Peer(server).associate([VERIFICATION], window=OperationsWindow(invoked=32)) as association,
    ):
        assert association.negotiation.window == OperationsWindow(invoked=invoked)


# ------------------------------------------------------------------------------- operations window, as SCP


@pytest.mark.parametrize(("window", "noted"), [(1, True), (16, False), (0, False)])
def test_several_requests_in_flight_are_performed(serve: Serve, window: int, noted: bool) -> None:
    """Ten requests before the first answer: a peer that ignores the window is served, and the trace says so."""
    events: list[Any] = []
    stored: list[int] = []
    handlers = Handlers(store=lambda request: stored.append(request.message.message_id) or 0)
    server = serve(handlers, window=OperationsWindow(performed=window), trace=events.append)
    rq = a_associate_rq(window=OperationsWindow(invoked=0))
    with server, Wire.associated(server.address, rq) as wire:
        wire.send(*(store_rq(message_id=number) for number in range(1, 11)))
        answered = [wire.request(CStoreRSP).message for _ in range(10)]
        wire.release()
    assert [a.message_id_being_responded_to for a in answered] == stored == list(range(1, 11))
    assert {int(a.status) for a in answered} == {0}
    assert any(isinstance(e, Quirk) and "outstanding" in str(e) for e in events) is noted


def test_too_many_requests_in_flight_are_refused(serve: Serve) -> None:
    """Beyond `Limits.operations` each is answered 0213H, and its data set is not kept (PS3.7 C.5.22)."""
    stored: list[int] = []
    entered, go = threading.Event(), threading.Event()

    def store(request: Any) -> int:
        entered.set()
        assert go.wait(LIMIT)
        stored.append(request.message.message_id)
        return 0

    server = serve(Handlers(store=store), limits=Limits(operations=3))
    with server, Wire.associated(server.address, a_associate_rq(window=UNLIMITED)) as wire:
        wire.send(store_rq(message_id=1))
        assert entered.wait(LIMIT)
        wire.send(b"".join(store_rq(message_id=number) for number in range(2, 8)))  # one read, while 1 is performed
        go.set()
        statuses = {}
        for _ in range(7):
            message = wire.request(CStoreRSP).message
            statuses[message.message_id_being_responded_to] = int(message.status)
        wire.send(echo_rq(99))
        assert wire.request(CEchoRSP).message.status == 0
        wire.release()
    refused = {number for number, status in statuses.items() if status == 0x0213}
    assert refused and set(statuses) == set(range(1, 8))
    assert set(stored) == set(statuses) - refused and {statuses[number] for number in stored} == {0}


# ------------------------------------------------------------------------------- identity


@pytest.mark.parametrize(
    ("identity", "accepted", "response"),
    [
        (UserIdentity.with_passcode("alice", "s3cret", positive_response=True), True, b""),
        (UserIdentity.with_passcode("alice", "s3cret"), True, None),
        (UserIdentity.with_passcode("alice", "guess"), False, None),
        (None, False, None),
    ],
)
def test_identity(
    serve: Serve, dial: Dial, identity: UserIdentity | None, accepted: bool, response: bytes | None
) -> None:
    seen: list[Any] = []
    events: list[Any] = []

    def echo(request: Any) -> int:
        seen.append(request.negotiation.identity)
        return 0

    handlers = Handlers(echo=echo, identity=known_users({"alice": "s3cret"}))
    with serve(handlers, trace=events.append) as server:
        if accepted:
            with dial(server.address, identity=identity, trace=events.append) as association:
                assert association.negotiation.identity_response == response
                association.echo()
            assert seen == [identity]
        else:
            with pytest.raises(AssociationRejected) as caught:
                dial(server.address, identity=identity)
            word = "may want" if identity is None else "may not accept"
            assert word in (caught.value.hint or "")
            assert (caught.value.result, caught.value.source, caught.value.reason_diag) == (1, 2, 1)
            assert "s3cret" not in str(caught.value) + repr(caught.value.negotiation)
    assert not any(word in repr(event) for event in events for word in ("s3cret", "guess"))


# ------------------------------------------------------------------------------- everything else


@pytest.mark.parity("A.4 private transfer syntaxes", "A.6 role selection")
def test_options_roles_and_unknown_items(serve: Serve, dial: Dial) -> None:
    contexts = [
        PresentationContext(FIND, (IMPLICIT,), extended=QueryOptions(relational=True, fuzzy=True)),
        PresentationContext(CT, (IMPLICIT,), scu_role=False, scp_role=True),
        PresentationContext(UID("1.2.826.0.1.3680043.8.498.77.1"), (UID("1.2.826.0.1.3680043.8.498.77.2"),)),
    ]
    server = serve(
        Handlers(),
        contexts=[PresentationContext(FIND, (IMPLICIT,), extended=QueryOptions(fuzzy=True)), *contexts[1:]],
    )
    items = [UnknownItem(0x6F, b"from a later edition")]
    with server, dial(server.address, contexts=contexts, user_items=items) as association:
        find, ct, private = association.negotiation.contexts
        assert find.extended == QueryOptions(fuzzy=True)
        assert (ct.scu_role, ct.scp_role) == (False, True)
        assert private.accepted and private.transfer_syntax == "1.2.826.0.1.3680043.8.498.77.2"


def test_a_private_class_that_is_related_to_a_known_one_is_stored(serve: Serve, dial: Dial) -> None:
    private = UID("1.2.826.0.1.3680043.8.498.77.3")
    stored: list[str] = []
    handlers = Handlers(store=lambda request: stored.append(request.sop_class_uid) or 0)
    context = PresentationContext(private, (IMPLICIT,), related_general_sop_classes=(CT,))
    with serve(handlers) as server, dial(server.address, contexts=[context]) as association:
        (result,) = association.store([Instance(sop_class=private)])
        assert result.ok and stored == [private]


def test_a_move_whose_instances_need_more_contexts_than_one_association_has(serve: Serve, dial: Dial) -> None:
    """C-MOVE SCP: 200 classes go over two associations, the counters are of one operation."""
    classes = [UID(f"1.2.826.0.1.3680043.8.498.78.{number}") for number in range(200)]
    instances = [Instance(number, sop_class=uid) for number, uid in enumerate(classes)]
    arrived: set[str] = set()
    associations: set[str] = set()

    def store(request: Any) -> int:
        arrived.add(request.sop_class_uid)
        associations.add(request.peer)
        return 0

    support = Support(contexts={}, any_abstract_syntax=(IMPLICIT,))
    with serve(Handlers(store=store), contexts=support) as receiver:
        handlers = Handlers(move=lambda request: instances, destination=lambda title: receiver.address)
        with serve(handlers) as server, dial(server.address, contexts=[(MOVE, IMPLICIT)]) as association:
            answers = list(association.move({"QueryRetrieveLevel": "STUDY"}, destination="SCP"))
    assert (answers[-1].completed, answers[-1].failed) == (200, 0) and answers[-1].status == 0
    assert arrived == set(classes) and len(associations) > 1


def test_no_quirk_no_warning(dial: Dial) -> None:
    events: list[Any] = []
    with Scripted(Wire.released, maximum=0) as acceptor:
        association = dial(acceptor.address, contexts=[VERIFICATION], trace=events.append)
        association.release()
    assert not [e for e in events if isinstance(e, Quirk)]
