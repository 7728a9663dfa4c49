"""`echo` of `Peer` and `AsyncPeer` tells at which step a verification fails, and never raises."""

import socket
import struct
import subprocess
import sys
import threading

import pytest

from nbdicom.config import Timeouts
from nbdicom.operations.requests import Refuse
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
