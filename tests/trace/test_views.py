"""Ladder, states, summary, events: of both sides, of one, of what went wrong; everything escaped."""

import re
import socket

import pytest

import nbdicom as nd
from nbdicom.core import pdu as p
from nbdicom.trace import Recorder, Recording

from .conftest import FIND


@pytest.fixture
def echoed(peer: nd.Peer) -> Recorder:
    with nd.record() as wire:
        peer.echo()
    return wire


@pytest.fixture
def found(peer: nd.Peer) -> Recorder:
    with nd.record() as wire:
        peer.studies()
    return wire


def untimed(text: str) -> list[str]:
    """The lines of a ladder without the milliseconds and the port."""
    return [re.sub(r"\] +[0-9.]+ ", "] ", re.sub(r":\d+", "", line)).strip() for line in text.splitlines()]


def test_the_ladder_of_an_echo(echoed: Recorder) -> None:
    assert untimed(str(echoed.ladder())) == [
        "NBDICOM → PACS at 127.0.0.1: released",
        "ms             NBDICOM                                           PACS",
        "Sta4 |                                                    | Sta2",
        "[0]        Sta5 |----------------- A-ASSOCIATE-RQ ------------------>| Sta3",
        "[1]        Sta6 |<------------------ A-ASSOCIATE-AC -----------------| Sta6",
        "[2]             |----------------- C-ECHO-RQ (1) ------------------->|",
        "[3]             |<----------- C-ECHO-RSP (1) Success 0000H ----------|",
        "[4]        Sta7 |------------------ A-RELEASE-RQ ------------------->| Sta8",
        "[5]        Sta1 |<------------------- A-RELEASE-RP ------------------| Sta13 Sta1",
    ]


def test_the_ladder_of_one_side(peer: nd.Peer) -> None:
    with peer.associate(["Verification"], trace=True) as association:
        association.echo()
    assert untimed(str(association.trace.ladder()))[3] == (
        "[0]        Sta5 |----------------- A-ASSOCIATE-RQ ------------------>|"
    )
    assert len(association.trace) == 6


def test_arrows_have_two_ends(found: Recorder) -> None:
    frame = found.ladder().to_frame()
    assert frame["arrow"].tolist() == list(range(len(found)))
    assert frame["sent"].notna().all() and (frame["received"] >= frame["sent"]).all()
    assert frame["name"].tolist()[2:7] == ["C-FIND-RQ (1)"] + ["C-FIND-RSP (1) Pending FF00H"] * 4
    assert set(frame["from"]) == {"NBDICOM", "PACS"}


@pytest.mark.parametrize("max_pdu", [8, 40, 16_384])
def test_messages_in_many_pdus_are_one_arrow(server: nd.Server, max_pdu: int) -> None:
    with nd.record(payload=0) as wire:
        nd.Peer("PACS", *server.address, max_pdu=max_pdu).studies()
    arrows = wire.arrows
    assert len(arrows) == 10 and all(a.sent is not None and a.received is not None for a in arrows)
    assert all(len(a.pdus) > 10 for a in arrows[3:7]) == (max_pdu == 8)


def test_runs_are_folded(peer: nd.Peer, server: nd.Server) -> None:
    with nd.record() as wire:
        with peer.associate(["Verification"]) as association:
            for _ in range(20):
                association.echo()
    text = str(wire.ladder())
    assert "⋮ 34 more like these" in text and "C-ECHO-RQ (1)" in text and "C-ECHO-RQ (4)" not in text
    assert len(wire.ladder().to_frame()) == 44


def test_the_picture_says_what_it_is_and_has_a_text_for_the_untrusted(echoed: Recorder) -> None:
    shown = echoed.ladder()._repr_html_()
    assert "<svg role='img' aria-label='Ladder of 6 messages and PDUs. NBDICOM" in shown
    assert len(re.findall(r"<g><title>\[\d\] ", shown)) == 6
    assert "<pre class='nbd-text'>" in shown and "style='display:none'" in shown
    assert "[3]" in shown.partition("<svg")[0] and "<script" not in shown
    untrusted = re.sub(r"<style>.*?</style>|<svg.*?</svg>", "", shown, flags=re.S)
    assert "C-ECHO-RSP (1) Success 0000H" in untrusted


def test_an_arrow_taken_apart(found: Recorder) -> None:
    request, answer = found[2], found[3]
    assert request.command["Command Field"].fields[-1].value == "0020H C-FIND-RQ"
    assert answer["Status"].fields[-1].value == "FF00H Pending"
    assert answer.data["PatientName"].fields[-1].value == "Marlowe^Anna0"
    assert answer["PatientName"].data == answer.data["PatientName"].data
    assert found[0]["Called AE title"].fields[0].value == "PACS"
    assert found[-1].title.startswith(f"[{len(found) - 1}] A-RELEASE-RP: PACS → NBDICOM")
    assert {"part", "field"} <= set(answer.to_frame().columns)
    assert "Marlowe^Anna0" in str(answer) and "Marlowe^Anna0" in answer._repr_html_()
    with pytest.raises(IndexError, match="counted from 0"):
        found[99]
    with pytest.raises(KeyError, match="no field 'X'"):
        answer["X"]


def test_what_was_not_recorded_is_not_shown_but_named(peer: nd.Peer) -> None:
    with nd.record(payload=0) as wire:
        peer.studies()
    assert "was not recorded: record(payload=...)" in str(wire[3])
    with nd.record(payload=30) as wire:
        peer.studies()
    assert wire[3].data.heading.endswith("the first 30 recorded")


def test_the_path_through_the_state_machine(echoed: Recorder) -> None:
    path = echoed.states()
    assert [str(s) for s in path.states] == ["Sta1", "Sta4", "Sta5", "Sta6", "Sta7", "Sta1"]
    assert [(str(s.event), str(s.action), s.times) for s in path.steps] == [
        ("Evt1", "AE-1", 1), ("Evt2", "AE-2", 1), ("Evt3", "AE-3", 1), ("Evt9", "DT-1", 1), ("Evt10", "DT-2", 1),
        ("Evt11", "AR-1", 1), ("Evt13", "AR-3", 1),
    ]  # fmt: skip
    acceptor = echoed.states(1)
    assert [str(s) for s in acceptor.states] == ["Sta1", "Sta2", "Sta3", "Sta6", "Sta8", "Sta13", "Sta1"]
    assert "Sta1 → Sta4 → Sta5 → Sta6 → Sta7 → Sta1" in str(path)
    shown = path._repr_html_()
    assert shown.count("class='been'") == 7 and "AE-1 [1]" in shown and "Sta1 (now)" in shown
    assert path.to_frame()["next"].tolist()[-1] == "Sta1"
    with pytest.raises(nd.errors.LocalProtocolError, match="there are: 0, 1"):
        echoed.states(7)


@pytest.mark.parity("A.9 debug logging")
def test_events_as_a_frame(found: Recorder) -> None:
    frame = found.to_frame()
    assert len(frame) == len(found.entries)
    assert set(frame["kind"]) == {
        "PDU sent", "PDU received", "message sent", "message received", "transition", "connected",
        "requested", "accepted", "established", "released", "disconnected",
    }  # fmt: skip
    assert frame["seconds"].is_monotonic_increasing
    answers = frame[(frame["name"] == "C-FIND-RSP") & (frame["role"] == "requestor")]
    assert answers["status"].tolist() == ["FF00H Pending"] * 4 + ["0000H Success"]
    assert str(frame["bytes"].dtype) == "Int64" and str(frame["name"].dtype).startswith("str")
    assert len(Recording((), ()).to_frame()) == 0


def test_a_summary(found: Recorder) -> None:
    table = found.summary()
    assert [row[1] for row in table.rows] == ["requestor", "acceptor"]
    assert all(row[-1] == "released" for row in table.rows)
    assert str(found) == repr(found) == str(table) and "<table>" in found._repr_html_()
    assert max(map(len, str(found).splitlines())) <= 118


def test_one_connection_of_many(peer: nd.Peer) -> None:
    with nd.record() as wire:
        peer.echo()
        peer.studies()
    assert len(wire.connections) == 2
    second = wire.of(wire.connections[1].requestor.number)
    assert len(second.connections) == 1 and second[2].arrow.name == "C-FIND-RQ"
    with pytest.raises(IndexError):
        wire.of(99)


def test_rejections_and_aborts_are_told_in_words(server: nd.Server) -> None:
    with nd.record() as wire:
        with pytest.raises(nd.AssociationRejected):
            nd.associate(server.address, called="OTHER", contexts=["Verification"])
        nd.associate(server.address, called="PACS", contexts=["Verification"]).abort()
    text = str(wire.ladder())
    assert "called-AE-title-not-recognized (7)" in text and "aborted by the service-user (0)" in text
    assert wire[1].pdus[0].fields[-1].value == "called-AE-title-not-recognized (7)"
    assert "class='bad'" in wire.ladder()._repr_html_()


def test_nothing_listens(server: nd.Server) -> None:
    host, port = server.address
    server.close()
    with nd.record() as wire, pytest.raises(nd.ConnectionFailed):
        nd.associate((host, port), called="PACS", contexts=["Verification"])
    assert len(wire.associations) == 1
    assert str(wire.ladder()) and str(wire.summary()) and wire.ladder()._repr_html_()
    assert [str(s) for s in wire.states().states] == ["Sta1", "Sta4"]


EVIL = "<img src=x>"


def test_everything_that_a_peer_sent_is_escaped() -> None:
    with nd.Server(nd.Handlers(), ae_title="ECHO", contexts=["Verification"], any_called=True, trace=True) as server:
        for title in (EVIL, "\x1b[31mred", "';alert(1)//"):
            items = (p.ApplicationContext(), p.UserInformation(items=(p.MaximumLength(maximum_length_received=0),)))
            rq = p.encode_pdu(p.AAssociateRQ(called_ae_title="ECHO", calling_ae_title=title, items=items))
            with socket.create_connection(server.address) as peer:
                peer.sendall(rq)
                assert peer.recv(1)
                peer.sendall(b"<script>alert(1)</script>")
                while peer.recv(1000):
                    pass
    wire = server.trace
    wire.settle()
    views = [wire, wire.ladder(), wire.states(), *(wire[k] for k in range(len(wire)))]
    for view in views:
        for tag in ("<img", "<script"):
            assert tag not in view._repr_html_()
        assert "\x1b" not in str(view) and "\x1b" not in view._repr_html_()
    assert any("PDU of unknown type 3CH" in arrow.name for arrow in wire.arrows)
    assert not set("<'") & set(wire.to_mermaid())


def test_a_recording_in_which_the_beginning_made_room(peer: nd.Peer) -> None:
    wire = Recorder(events=15)
    with nd.record() as whole:
        with peer.associate([FIND], trace=wire) as association:
            list(association.find({"PatientID": "", "QueryRetrieveLevel": "STUDY"}))
    assert wire.associations[0].request.called_ae_title == "PACS"
    assert [a.name for a in wire.arrows][-2:] == ["A-RELEASE-RQ", "A-RELEASE-RP"]
    assert "earlier PDUs made room" in str(wire) and "PACS" in str(wire.ladder())
    assert len(whole) == 10 and wire[-3].data is None
    assert wire[-4].data["PatientID"].fields[-1].value == "3"


def test_a_sequence_diagram(echoed: Recorder) -> None:
    diagram = echoed.to_mermaid()
    assert diagram.splitlines()[:4] == [
        "sequenceDiagram",
        "    participant R0 as NBDICOM",
        "    participant A0 as PACS",
        "    R0->>A0: A-ASSOCIATE-RQ",
    ]
    assert diagram._repr_mimebundle_()["text/vnd.mermaid"] == diagram
