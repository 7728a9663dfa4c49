"""What is recorded, of whom, and how much of it is kept."""

import threading
from contextvars import copy_context

import pytest

import nbdicom as nd
from nbdicom.core.events import Disconnected
from nbdicom.core.trace import PDUReceived, PDUSent, Transition
from nbdicom.trace import Recorder

from .conftest import FIND

P_DATA = 4


def pdus(wire, association: int, kind: type) -> list:
    return [e.event for e in wire.entries if e.association == association and isinstance(e.event, kind)]


def roles(wire) -> list[str]:
    return [str(side.role) for side in wire.associations]


def test_both_sides_of_what_a_peer_does(peer: nd.Peer) -> None:
    with nd.record() as wire:
        assert len(peer.studies()) == 4
        assert peer.echo()
    assert sorted(roles(wire)) == ["acceptor", "acceptor", "requestor", "requestor"]
    for side in wire.associations:
        assert side.request.called_ae_title == "PACS" and side.outcome == "released"
        assert side.local and side.peer and side.ended is not None
    before = len(wire.entries)
    assert peer.echo()
    assert len(wire.entries) == before


def test_a_server_that_starts_in_the_block() -> None:
    with nd.record() as wire, nd.Server(nd.Handlers(), ae_title="ECHO", contexts=["Verification"]) as server:
        nd.Peer("ECHO", *server.address).echo()
    assert roles(wire) == ["requestor", "acceptor"]


def test_a_job_in_a_copied_context_is_recorded_and_another_thread_is_not(peer: nd.Peer) -> None:
    with nd.record() as wire:
        for run in (copy_context().run, lambda call: call()):
            thread = threading.Thread(target=run, args=(peer.echo,))
            thread.start()
            thread.join(60)
    assert sorted(roles(wire)) == ["acceptor", "acceptor", "requestor"]


def test_blocks_within_blocks_see_their_own(peer: nd.Peer) -> None:
    with nd.record() as outer:
        with nd.record() as inner:
            peer.echo()
        peer.echo()
    assert (len(inner.associations), len(outer.associations)) == (2, 4)


def test_the_second_association_of_a_move_is_recorded() -> None:
    with nd.demo_pacs() as pacs, nd.Receiver(ae_title="THIRD") as receiver:
        pacs.allow["THIRD"] = ("127.0.0.1", int(receiver.address.rpartition(":")[2]))
        peer = nd.Peer(pacs)
        with nd.record() as wire:
            peer.move(peer.studies(limit=1), to=receiver)
    called = {side.request.called_ae_title for side in wire.associations}
    assert called == {pacs.ae_title, "THIRD"}
    assert sorted(roles(wire)) == ["acceptor"] * (len(wire.associations) // 2) + ["requestor"] * (
        len(wire.associations) // 2
    )


def test_one_association(peer: nd.Peer) -> None:
    with peer.associate(["Verification"], trace=True) as association:
        association.echo()
    assert roles(association.trace) == ["requestor"]
    assert association.trace.associations[0].messages_sent == 1
    with peer.associate(["Verification"]) as association:
        assert association.trace is None


def test_a_peer_and_a_server_that_record(server: nd.Server) -> None:
    peer = nd.Peer("PACS", *server.address, trace=True)
    peer.echo()
    peer.studies()
    assert roles(peer.trace) == ["requestor", "requestor"]
    acceptor = nd.Server(nd.Handlers(), ae_title="ECHO", contexts=["Verification"], trace=True)
    with acceptor:
        nd.Peer("ECHO", *acceptor.address).echo()
    assert roles(acceptor.trace) == ["acceptor"]


def test_an_error_has_the_trace_of_what_led_to_it(server: nd.Server) -> None:
    with pytest.raises(nd.AssociationRejected) as caught:
        nd.associate(server.address, called="OTHER", contexts=["Verification"], trace=True)
    assert "called-AE-title-not-recognized (7)" in caught.value.trace.associations[0].outcome


@pytest.mark.parametrize("most", [0, 1, 7, 100, 10_000])
def test_payload_is_kept_up_to_its_bound(peer: nd.Peer, most: int) -> None:
    wire = Recorder(payload=most)
    with peer.associate([FIND], trace=wire) as association:
        list(association.find({"PatientID": "", "PatientName": "", "QueryRetrieveLevel": "STUDY"}))
    sent = [e for e in pdus(wire, 0, PDUSent) if e.pdu_type == P_DATA]
    received = [e for e in pdus(wire, 0, PDUReceived) if e.pdu_type == P_DATA]
    assert sent and received
    for event in sent:
        assert len(event.data) == min(event.length, 12 + most)
    for event in received:
        assert len(event.data) == (min(event.length, 12 + most) if most else 6)


@pytest.mark.parametrize("max_pdu", [8, 20, 64, 16_384])
def test_both_sides_record_the_same_bytes(server: nd.Server, max_pdu: int) -> None:
    peer = nd.Peer("PACS", *server.address, max_pdu=max_pdu)
    with nd.record(payload=None) as wire:
        with peer.associate([FIND]) as association:
            matches = list(association.find({"PatientID": "", "PatientName": "", "QueryRetrieveLevel": "STUDY"}))
    assert len(matches) == 4
    for one, other in ((0, 1), (1, 0)):
        sent, received = pdus(wire, one, PDUSent), pdus(wire, other, PDUReceived)
        assert [e.data for e in sent] == [e.data for e in received]
        assert all(len(e.data) == e.length for e in sent)


def test_the_ring_is_bounded_and_the_totals_are_not(peer: nd.Peer) -> None:
    whole, few, small = Recorder(), Recorder(events=10), Recorder(size=500)
    for wire in (whole, few, small):
        with peer.associate([FIND], trace=wire) as association:
            list(association.find({"PatientID": "", "QueryRetrieveLevel": "STUDY"}))
    assert len(few.entries) == 10
    assert sum(len(getattr(e.event, "data", b"")) for e in small.entries) <= 500
    for wire in (few, small):
        assert isinstance(wire.entries[-1].event, Disconnected)
        mine, other = wire.associations[0], whole.associations[0]
        assert (mine.pdus_sent, mine.bytes_received) == (other.pdus_sent, other.bytes_received)
        kept = len(pdus(wire, 0, PDUSent))
        assert mine.dropped_sent == mine.pdus_sent - kept


def test_associations_that_are_over_and_dropped_are_forgotten(peer: nd.Peer) -> None:
    wire = Recorder(events=40)
    for _ in range(10):
        with peer.associate(["Verification"], trace=wire):
            pass
    assert len(wire.associations) < 6


def test_what_is_no_pdu_is_recorded_too() -> None:
    import socket

    with nd.Server(nd.Handlers(), ae_title="ECHO", contexts=["Verification"], trace=True) as server:
        with socket.create_connection(server.address) as browser:
            browser.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert browser.recv(100)[0] == 7  # A-ABORT
            assert browser.recv(100) == b""
    assert pdus(server.trace, 0, PDUReceived)[0].data.startswith(b"GET /")
    assert [e.event for e in pdus(server.trace, 0, Transition)][1] == 19


def test_a_connection_that_is_cut_is_not_released() -> None:
    import socket

    with nd.Server(nd.Handlers(), ae_title="ECHO", contexts=["Verification"], trace=True) as server:
        with nd.record() as wire:
            nd.Peer(server).echo()
        with socket.create_connection(server.address) as cut:
            cut.sendall(next(entry.data for entry in pdus(wire, 0, PDUSent) if entry.pdu_type == 1))
            assert cut.recv(1000)[0] == 2  # A-ASSOCIATE-AC
        assert server.wait_until_left(60)
    assert [side.outcome for side in server.trace.associations] == ["released", "closed without release or abort"]


def test_clearing_keeps_what_is_under_way(peer: nd.Peer) -> None:
    wire = Recorder()
    with peer.associate(["Verification"], trace=wire) as association:
        wire.clear()
        assert wire.entries == ()
        association.echo()
    assert wire.associations[0].outcome == "released"
    wire.clear()
    assert wire.associations == ()
