"""`echo` of `Peer` and `AsyncPeer` tells at which step a verification fails, and never raises."""

import socket
import struct
import subprocess
import sys
import threading
import time

import pytest

from nbdicom.config import Timeouts
from nbdicom.errors import AssociationAborted
from nbdicom.operations.requests import Refuse
from nbdicom.peer.calling import Caller
from nbdicom.peer.report import EchoReport


def read_request(connection):
    """The A-ASSOCIATE-RQ, so that closing does not reset the connection."""
    header = connection.recv(6, socket.MSG_WAITALL)
    connection.recv(struct.unpack(">BxI", header)[1], socket.MSG_WAITALL)


def steps(report):
    return [(step.name.split()[0], step.ok) for step in report.steps]


def test_success(scp_of_both):
    peer = scp_of_both()
    report = peer.echo()
    assert report
    assert report.ok
    assert [step.name.split()[0] for step in report.steps] == [
        "resolve",
        "TCP",
        "A-ASSOCIATE",
        "presentation",
        "C-ECHO",
        "release",
    ]
    assert all(step.ok and step.ms >= 0 for step in report.steps)
    assert report.failed is None
    assert report.error is None
    assert "verified in" in str(report)
    assert "0000H Success" in str(report)
    assert "TESTER" in report._repr_html_()
    assert report.negotiation.accepted
    assert list(report.to_frame().columns) == ["step", "ok", "result", "ms"]


@pytest.mark.parity("A.1 failure to associate")
def test_unknown_host(peer_of):
    report = peer_of("PACS", "no-such-host.invalid", 104).echo()
    assert not report
    assert steps(report) == [("resolve", False)]
    assert "cannot be resolved" in report.failed.result
    assert any("spelling" in hint for hint in report.hints)


def test_nobody_listens(peer_of):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    report = peer_of("PACS", "127.0.0.1", port).echo()
    assert steps(report) == [("resolve", True), ("TCP", False)]
    assert "refused" in report.failed.result


def test_the_called_title_is_wrong(scp_of_both, peer_of):
    peer = scp_of_both()
    report = peer_of("OTHER", peer.host, peer.port).echo()
    assert steps(report) == [("resolve", True), ("TCP", True), ("A-ASSOCIATE", False)]
    assert "called-AE-title-not-recognized (7)" in report.failed.result
    assert any("'OTHER'" in hint for hint in report.hints)
    assert report.negotiation.rejection == (1, 1, 7)
    assert "rejected-permanent" in str(report)


def test_the_calling_title_is_unknown(scp_of_both):
    peer = scp_of_both(server={"calling": lambda title, host: title == "FRIEND"})
    report = peer.echo()
    assert "calling-AE-title-not-recognized (3)" in report.failed.result
    assert any("'TESTER'" in hint for hint in report.hints)


def test_verification_is_refused(scp_of_both):
    report = scp_of_both(contexts=["StudyRootQueryRetrieveInformationModelFind"]).echo()
    assert steps(report)[-1] == ("presentation", False)
    assert "abstract-syntax-not-supported" in report.failed.result


def test_the_status_is_a_failure(scp_of_both):
    def refuse(request):
        raise Refuse(0x0122)

    report = scp_of_both(echo=refuse).echo()
    assert steps(report)[-1] == ("C-ECHO", False)
    assert "0122H" in report.failed.result


def test_a_web_server(raw_server, peer_of):
    def http(connection):
        read_request(connection)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with raw_server(http) as port:
        report = peer_of("PACS", "127.0.0.1", port).echo()
    assert steps(report)[-1] == ("A-ASSOCIATE", False)
    assert "not DICOM" in report.failed.result
    assert any("HTTP" in hint for hint in report.hints)


def test_it_closes_without_a_word(raw_server, peer_of):
    with raw_server(read_request) as port:
        report = peer_of("PACS", "127.0.0.1", port).echo()
    assert steps(report)[-1] == ("A-ASSOCIATE", False)
    assert "closed the connection without answering" in report.failed.result


def test_it_resets(raw_server, peer_of):
    def reset(connection):
        read_request(connection)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    with raw_server(reset) as port:
        report = peer_of("PACS", "127.0.0.1", port).echo()
    assert steps(report)[-1] == ("A-ASSOCIATE", False)
    assert "reset" in report.failed.result


def test_it_aborts(raw_server, peer_of):
    def abort(connection):
        read_request(connection)
        connection.sendall(bytes.fromhex("07 00 00000004 00 00 00 00"))
        connection.recv(1)

    with raw_server(abort) as port:
        report = peer_of("PACS", "127.0.0.1", port).echo()
    assert "the peer aborted" in report.failed.result
    assert "service-user (0)" in report.failed.result
    assert report.hints


def test_it_says_nothing(raw_server, peer_of):
    asked = threading.Event()

    def silent(connection):
        read_request(connection)
        asked.set()
        connection.recv(1)  # until we give up

    with raw_server(silent) as port:
        report = peer_of("PACS", "127.0.0.1", port, timeouts=Timeouts(association=0.2, artim=0.2)).echo()
    assert asked.is_set()
    assert "no answer" in report.failed.result
    assert not report


@pytest.mark.parametrize("report", [EchoReport("A@b:1", "C", ())])
def test_an_empty_report_can_be_shown(report):
    assert "A@b:1" in repr(report)


def test_it_needs_neither_pydicom_nor_pandas(scp):
    peer = scp()
    code = (
        "import sys\nfrom nbdicom.peer.peer import Peer\n"
        f"report = Peer({peer.address!r}).echo()\nassert report, report\nprint(report); repr(Peer({peer.address!r}))\n"
        "loaded = {'pydicom', 'pandas', 'numpy', 'matplotlib', 'ipywidgets'} & set(sys.modules)\n"
        "assert not loaded, loaded"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_what_is_no_dicom_is_named_by_every_verb(raw_server, peer_of):
    def tls(connection):
        connection.sendall(bytes.fromhex("15 03 01 00 02 02 46"))
        read_request(connection)

    with raw_server(tls) as port:
        assert "expects TLS" in peer_of("PACS", "127.0.0.1", port).echo().hints[0]
    with raw_server(tls) as port:
        with pytest.raises(AssociationAborted, match="as a TLS alert begins.*expects TLS"):
            peer_of("PACS", "127.0.0.1", port).studies()


def test_only_a_first_answer_is_taken_for_another_service(raw_server, peer_of):
    """Later it is an application that has gone wrong, whatever its bytes look like."""

    def behave(connection):
        said = connection.recv(6, socket.MSG_WAITALL)
        request = said + connection.recv(struct.unpack(">BxI", said)[1], socket.MSG_WAITALL)
        accepted = bytearray(request)
        accepted[0] = 2
        items = 74 + 4 + int.from_bytes(request[76:78], "big")  # behind the application context
        connection.sendall(a_associate_ac(bytes(accepted[:items])))
        connection.recv(1)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with raw_server(behave) as port:
        report = peer_of("PACS", "127.0.0.1", port).echo()
    assert steps(report)[-1] == ("C-ECHO", False)
    assert "48H" in report.failed.result and "port" not in " ".join(report.hints)


def a_associate_ac(head):
    """An A-ASSOCIATE-AC whose only context is accepted, behind *head*: everything before the contexts of the request."""
    syntax = b"1.2.840.10008.1.2"
    item = b"\x40\0" + struct.pack(">H", len(syntax)) + syntax
    context = b"\x21\0" + struct.pack(">H", 4 + len(item)) + b"\1\0\0\0" + item
    user = b"\x50\0\0\x08\x51\0\0\4\0\0\x40\0"
    body = head[6:] + context + user
    return b"\2\0" + struct.pack(">I", len(body)) + body


def test_who_is_silent_after_the_association_is_no_other_service(scp_of_both, peer_of):
    over = threading.Event()
    try:
        peer = scp_of_both(echo=lambda request: over.wait(30) and 0)
        report = peer_of("SCP", peer.host, peer.port, timeouts=Timeouts(dimse=0.2, artim=0.2)).echo()
    finally:
        over.set()
    assert steps(report)[-1] == ("C-ECHO", False)
    assert "silent for 0.2 s" in report.failed.result
    assert len(report.hints) == 1 and "busy or stuck" in report.hints[0] and "TLS" not in report.hints[0]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("07 00 00000004 00 00 00 00", "callers that they do not know"),
        ("03 00 00000004 00 01 03 63", "log should say"),
    ],
    ids=["an abort", "a reserved reason"],
)
def test_a_refusal_without_a_reason_has_a_hint(raw_server, peer_of, answer, words):
    def refuse(connection):
        read_request(connection)
        connection.sendall(bytes.fromhex(answer))
        connection.recv(1)

    with raw_server(refuse) as port:
        report = peer_of("PACS", "127.0.0.1", port).echo()
    assert words in report.hints[0]


def test_times_are_those_of_the_wire(raw_server, peer_of, monkeypatch):
    """Neither loading the driver nor waiting for somebody who does not close is the network's time."""
    load = Caller.load

    def slowly(self):
        load(self)
        threading.Event().wait(0.3)

    monkeypatch.setattr(Caller, "load", slowly)

    def ssh(connection):
        read_request(connection)
        connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
        while connection.recv(1000):
            pass

    with raw_server(ssh) as port:
        began = time.monotonic()
        report = peer_of("PACS", "127.0.0.1", port, timeouts=Timeouts(artim=0.4)).echo()
        assert time.monotonic() - began > 0.3
    assert "as SSH begins" in report.failed.result
    assert report.ms < 250
