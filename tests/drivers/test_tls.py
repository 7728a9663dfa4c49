"""TLS: what is refused really is, what is allowed works like a plain association (PS3.15 B.12, RFC 9325)."""

from __future__ import annotations

import logging
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from certificates import Files, Hospital
from scripted import FAST, FIND, LIMIT, Dial, Instance, Serve, Sink, Wire, Zeros, a_associate_rq, served

from nbdicom.blocking import Server
from nbdicom.config import OperationsWindow
from nbdicom.core.trace import Connected, Secured
from nbdicom.errors import (
    AssociationAborted,
    AssociationError,
    AssociationRejected,
    ConnectionFailed,
    OperationTimeout,
    TLSFailed,
)
from nbdicom.operations.handlers import Handlers
from nbdicom.peer import Peer
from nbdicom.tls import PROFILES, TLS
from nbdicom.tls_handshake import offered_protocols

ON_SOCKETS = True  # in memory there are no connections


@pytest.fixture
def secured(serve: Callable[..., Any]) -> Callable[..., Any]:
    """``secured(tls, handlers, **changes)``: a server with TLS, not yet started."""

    def server(tls: TLS | None, handlers: Handlers | None = None, **changes: Any) -> Any:
        return serve(handlers or Handlers(), tls=tls, **changes)

    return server


# ------------------------------------------------------------------------------- what works


@pytest.mark.parametrize("profile", PROFILES)
def test_echo(hospital: Hospital, profile: str, secured: Serve, dial: Dial) -> None:
    server, client = (replace(one, profile=profile) for one in (hospital.server, hospital.client))
    events: list[Any] = []
    with secured(server) as scp, dial(scp.address, tls=client, trace=events.append) as association:
        assert [association.echo() for _ in range(3)] == [0, 0, 0]
        certificate = association.certificate
        (there,) = scp.associations
        assert there.certificate is not None and there.certificate.fingerprint == hospital.modality.fingerprint
    assert certificate is not None and certificate.verified and "pacs" in certificate.names
    assert certificate.fingerprint == hospital.pacs.fingerprint and "127.0.0.1" in certificate.names
    kinds = [type(event) for event in events[:4]]
    assert kinds.index(Connected) < kinds.index(Secured)
    assert any(isinstance(event, Secured) and "TLSv1.3" in event.text for event in events)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("size", [0, 16_384, 5 << 20])
def test_objects_of_any_size(
    hospital: Hospital, version: ssl.TLSVersion, size: int, secured: Serve, dial: Dial
) -> None:
    """Several PDUs in a record and several records in a PDU: what OpenSSL holds back is asked for before polling."""
    sink = Sink()
    client = replace(hospital.client, profile="BCP 195")
    client.client_context.maximum_version = version
    with secured(hospital.server, Handlers(sink=lambda request: sink, store=lambda request: 0)) as scp:
        with dial(scp.address, tls=client) as association:
            (result,) = association.store([Zeros(size)])
            assert result.ok and sink.size == size and sink.closed == [True]
            assert association.echo() == 0


@pytest.mark.parity("A.11 several PDUs in a TLS read")
def test_many_small_messages_at_once(hospital: Hospital, secured: Serve, dial: Dial) -> None:
    window = OperationsWindow(invoked=0, performed=0)
    handlers = Handlers(store=lambda request: 0, find=lambda request: iter([b"12345678"] * 2000))
    with secured(hospital.server, handlers, window=window) as scp:
        with dial(scp.address, tls=hospital.client, window=window) as association:
            assert sum(result.ok for result in association.store([Instance(k) for k in range(200)])) == 200
            assert sum(1 for _ in association.find({}, model=FIND)) == 2000


def test_both_sides_stream_at_once(hospital: Hospital, secured: Serve, dial: Dial) -> None:
    """C-GET of large objects while C-STOREs of large objects go the other way would deadlock if a writer did not read."""
    objects = [Zeros(3 << 20, number) for number in range(3)]
    sinks: list[Sink] = []

    def sink(request: Any) -> Sink:
        sinks.append(Sink())
        return sinks[-1]

    with secured(hospital.server, Handlers(get=lambda request: objects, store=lambda request: 0)) as scp:
        with dial(scp.address, tls=hospital.client) as association:
            list(association.get({}, sink=sink, store=lambda request: 0))
    assert [one.size for one in sinks] == [3 << 20] * 3


def test_threads_share_a_secured_association(hospital: Hospital, secured: Serve, dial: Dial) -> None:
    window = OperationsWindow(invoked=8, performed=8)
    with (
        secured(hospital.server, window=window) as scp,
        dial(scp.address, tls=hospital.client, window=window) as shared,
    ):
        statuses: list[int] = []
        threads = [threading.Thread(target=lambda: statuses.extend(shared.echo() for _ in range(20))) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(LIMIT * 4)
        assert statuses == [0] * 80


def test_a_password_and_one_file(hospital: Hospital, tmp_path: Path, secured: Serve, dial: Dial) -> None:
    locked = hospital.authority.issue("locked", password="open sesame")
    both = tmp_path / "both.pem"
    both.write_bytes(locked.certificate.read_bytes() + locked.key.read_bytes())
    client = TLS(ca=hospital.authority.certificate, certificate=both, password="open sesame")
    assert "sesame" not in repr(client)
    with secured(hospital.server) as scp, dial(scp.address, tls=client) as association:
        assert association.echo() == 0
    with pytest.raises(ConnectionFailed, match="cannot use .*both.pem"):
        dial(("127.0.0.1", 1), tls=replace(client, password="guess"))


def test_an_acceptor_that_wants_no_certificate(hospital: Hospital, secured: Serve, dial: Dial) -> None:
    server = replace(hospital.server, client_certificates="none")
    with secured(server) as scp, dial(scp.address, tls=TLS(ca=hospital.authority.certificate)) as association:
        assert association.echo() == 0
        (there,) = scp.associations
        assert there.certificate is None


def test_a_pinned_certificate_needs_neither_authority_nor_name(hospital: Hospital, secured: Serve, dial: Dial) -> None:
    nameless = hospital.stranger.issue("nameless", "elsewhere.example")
    server = TLS(ca=hospital.authority.certificate, **nameless.pair)
    colons = ":".join(nameless.fingerprint[k : k + 2] for k in range(0, 64, 2)).upper()
    with secured(server) as scp:
        with dial(scp.address, tls=TLS(fingerprint=colons, **hospital.modality.pair)) as association:
            assert association.echo() == 0
        with pytest.raises(TLSFailed, match="another one is expected"):
            dial(scp.address, tls=TLS(fingerprint="0" * 64, **hospital.modality.pair))


def test_names(hospital: Hospital, secured: Serve, dial: Dial) -> None:
    server = TLS(ca=hospital.authority.certificate, **hospital.authority.issue("named", "pacs.example").pair)
    with secured(server) as scp:
        for client in (
            replace(hospital.client, server_hostname="pacs.example"),
            replace(hospital.client, check_hostname=False),
        ):
            with dial(scp.address, tls=client) as association:
                assert association.echo() == 0
        with pytest.raises(TLSFailed, match="IP address mismatch.*server_hostname"):
            dial(scp.address, tls=hospital.client)
        with pytest.raises(TLSFailed, match="Hostname mismatch"):
            dial(scp.address, tls=replace(hospital.client, server_hostname="other.example"))


# ------------------------------------------------------------------------------- what a requestor refuses


def test_certificates_that_a_requestor_refuses(hospital: Hospital, secured: Serve, dial: Dial) -> None:
    cases: list[tuple[Files, str]] = [
        (hospital.authority.issue("expired", days=(-30, -1)), "expired"),
        (hospital.authority.issue("early", days=(1, 30)), "not yet valid"),
        (hospital.stranger.issue("foreign"), "unable to get local issuer"),
    ]
    for files, words in cases:
        with secured(TLS(ca=hospital.authority.certificate, **files.pair)) as scp:
            with pytest.raises(TLSFailed, match=words) as caught:
                dial(scp.address, tls=hospital.client)
            assert isinstance(caught.value.__cause__, ssl.SSLCertVerificationError) and caught.value.hint


def test_a_revoked_certificate(hospital: Hospital, secured: Serve, dial: Dial) -> None:
    good, revoked = hospital.authority.issue("good"), hospital.authority.issue("revoked")
    crl = hospital.authority.revoke("list", revoked)
    checking = replace(hospital.client, crl=crl)
    with secured(TLS(ca=hospital.authority.certificate, **good.pair)) as scp:
        with dial(scp.address, tls=checking) as association:
            assert association.echo() == 0
    with secured(TLS(ca=hospital.authority.certificate, **revoked.pair)) as scp:
        with pytest.raises(TLSFailed, match="revoked"):
            dial(scp.address, tls=checking)
    # and the other way round
    with secured(replace(hospital.server, crl=crl)) as scp:
        with pytest.raises(AssociationError, match="revoked"):
            dial(scp.address, tls=TLS(ca=hospital.authority.certificate, **revoked.pair))


# ------------------------------------------------------------------------------- what an acceptor refuses


def reasons(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What a server that has been closed had said about handshakes that failed."""
    return [record.getMessage() for record in caplog.records if "no association" in record.getMessage()]


@pytest.mark.parametrize(
    ("who", "why"),
    [
        ("nobody", "TLS failed: peer did not return a certificate"),
        ("expired", "the peer's certificate is not accepted: certificate has expired"),
        ("foreign", "the peer's certificate is not accepted: unable to get local issuer certificate"),
    ],
)
def test_requestors_that_an_acceptor_refuses(
    hospital: Hospital, who: str, why: str, secured: Serve, dial: Dial, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "nbdicom")
    files = {
        "nobody": None,
        "expired": hospital.authority.issue("expired-modality", days=(-30, -1)),
        "foreign": hospital.stranger.issue("foreign-modality"),
    }[who]
    client = TLS(ca=hospital.authority.certificate, **(files.pair if files else {}))
    with secured(hospital.server) as scp:
        with pytest.raises(AssociationError, match="TLS failed: .* alert ") as caught:
            dial(scp.address, tls=client)
        assert isinstance(caught.value, TLSFailed | AssociationAborted)
        assert not scp.associations
        with dial(scp.address, tls=hospital.client) as association:  # nobody else is kept out
            assert association.echo() == 0
    (said,) = reasons(caplog)
    assert said.startswith("SCP: no association") and said.endswith(why)


def hello(address: tuple[str, int], **settings: Any) -> ssl.SSLSocket:
    """A client of our own making."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    for name, value in settings.items():
        if name == "ciphers":
            context.set_ciphers(value)
        elif name == "alpn":
            context.set_alpn_protocols(value)
        else:
            setattr(context, name, value)
    connection = socket.create_connection(address, LIMIT)
    try:
        return context.wrap_socket(connection)
    except BaseException:
        connection.close()
        raise


@pytest.mark.parametrize(
    "settings",
    [
        {"maximum_version": ssl.TLSVersion.TLSv1_1, "minimum_version": ssl.TLSVersion.TLSv1, "ciphers": "ALL:@SECLEVEL=0"},
        {"maximum_version": ssl.TLSVersion.TLSv1_2, "ciphers": "ECDHE-ECDSA-AES128-SHA256:@SECLEVEL=0"},
        {"maximum_version": ssl.TLSVersion.TLSv1_2, "ciphers": "ECDHE-ECDSA-AES256-SHA:@SECLEVEL=0"},
        {"maximum_version": ssl.TLSVersion.TLSv1_2, "ciphers": "ECDHE-ECDSA-NULL-SHA:@SECLEVEL=0"},
        {"maximum_version": ssl.TLSVersion.TLSv1_2, "ciphers": "AES128-GCM-SHA256:@SECLEVEL=0"},
        {"alpn": ["http/1.1", "h2"]},
    ],
    ids=["TLS 1.1", "CBC-SHA256", "CBC-SHA", "NULL", "static RSA", "other protocols only"],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_no_profile_allows(
    hospital: Hospital, settings: dict[str, Any], secured: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "nbdicom")
    server = replace(hospital.server, client_certificates="none")
    with secured(server) as scp:
        with pytest.raises(ssl.SSLError, match="(?i)alert"):  # not merely a connection that ends
            hello(scp.address, **settings).close()
        with hello(scp.address, alpn=["h2", "dicom"]) as good:
            assert good.selected_alpn_protocol() == "dicom"
        with hello(scp.address) as good:
            assert good.selected_alpn_protocol() is None
    (said,) = reasons(caplog)
    assert "TLS failed: " in said and ("alpn" not in settings or said.endswith("no application protocol in common"))


def test_an_acceptor_of_version_1_3_only(hospital: Hospital, secured: Serve) -> None:
    server = replace(hospital.server, client_certificates="none", profile="TLS 1.3")
    with secured(server) as scp:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            hello(scp.address, maximum_version=ssl.TLSVersion.TLSv1_2).close()


# ------------------------------------------------------------------------------- certificates and titles


@pytest.mark.parametrize(
    ("titles", "accepted"),
    [
        ({"modality": "SCU"}, True),
        ({"modality": ["OTHER", "SCU"]}, True),
        ({"modality": "OTHER"}, False),
        ({"pacs": "SCU"}, False),
        ({}, False),
        ("fingerprint", True),
    ],
)
def test_a_certificate_may_use_its_titles_only(
    hospital: Hospital, titles: Any, accepted: bool, secured: Serve, dial: Dial
) -> None:
    bound = {hospital.modality.fingerprint.upper(): "SCU"} if titles == "fingerprint" else titles
    with secured(replace(hospital.server, ae_titles=bound)) as scp:
        if accepted:
            with dial(scp.address, tls=hospital.client) as association:
                assert association.echo() == 0
        else:
            with pytest.raises(AssociationRejected) as caught:
                dial(scp.address, tls=hospital.client)
            assert (caught.value.result, caught.value.source, caught.value.reason_diag) == (1, 1, 3)


def test_without_a_certificate_there_is_no_title(hospital: Hospital, secured: Serve, dial: Dial) -> None:
    server = replace(hospital.server, client_certificates="optional", ae_titles={"modality": "SCU"})
    with secured(server) as scp, pytest.raises(AssociationRejected):
        dial(scp.address, tls=TLS(ca=hospital.authority.certificate))


# ------------------------------------------------------------------------------- the wrong language, and silence


def test_a_plain_requestor_at_a_secured_port(hospital: Hospital, secured: Serve, dial: Dial) -> None:
    with secured(hospital.server) as scp:
        with Wire.connect(scp.address) as wire:
            wire.send(a_associate_rq())
            wire.rest()  # an alert, or nothing; then the end
        with pytest.raises(AssociationError):
            dial(scp.address)


def test_a_secured_requestor_at_a_plain_port(hospital: Hospital, secured: Serve, dial: Dial) -> None:
    with secured(None) as scp, pytest.raises(TLSFailed, match="does not speak TLS"):
        dial(scp.address, tls=hospital.client)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_the_peer_is_told_that_bytes_were_changed_on_the_way(hospital: Hospital, version: ssl.TLSVersion) -> None:
    """By an alert (RFC 8446 5.2); asyncio closes the connection without one."""
    tls = replace(hospital.server, client_certificates="none")
    with Server(Handlers(), ae_title="SCP", contexts=["Verification"], tls=tls, timeouts=FAST) as server:
        with hello(server.address, maximum_version=version) as connection:
            with socket.socket(fileno=os.dup(connection.fileno())) as below:
                below.sendall(b"\x17\x03\x03" + (64).to_bytes(2, "big") + bytes(64))
            with pytest.raises(ssl.SSLError, match="(?i)bad.record.mac"):
                connection.recv(1)


def silent(wire: Wire) -> None:
    """Says nothing."""


def half(wire: Wire) -> None:
    wire.send(bytes.fromhex("16 03 01 02 00 01 00 01 fc 03 03"))


@pytest.mark.parametrize("begin", [silent, half], ids=["silent", "half a ClientHello"])
def test_a_requestor_that_stalls_is_closed_by_artim(
    hospital: Hospital, begin: Callable[[Wire], None], secured: Serve, dial: Dial
) -> None:
    """And keeps nobody else out meanwhile."""
    with secured(hospital.server, timeouts=replace(FAST, artim=0.5)) as scp, Wire.connect(scp.address) as wire:
        begin(wire)
        served(scp.address, by=dial, tls=hospital.client)
        assert wire.rest() == b""


def test_an_acceptor_that_stalls_in_the_handshake(hospital: Hospital, dial: Dial) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with pytest.raises(TLSFailed, match="not finished in time"):
            dial(listener.getsockname(), tls=hospital.client, timeouts=replace(FAST, association=0.3))


def test_the_handshake_is_a_part_of_the_time_for_an_association(hospital: Hospital, dial: Dial) -> None:
    """An acceptor takes most of `Timeouts.association` for TLS, and is silent then."""

    def slow(listener: socket.socket) -> None:
        connection = listener.accept()[0]
        threading.Event().wait(0.8 * seconds)
        with hospital.server.server_context.wrap_socket(connection, server_side=True) as secured:
            while secured.recv(1 << 16):
                pass

    seconds, begun = 2.0, time.monotonic()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=slow, args=(listener,))
        thread.start()
        with pytest.raises(OperationTimeout):
            dial(listener.getsockname(), tls=hospital.client, timeouts=replace(FAST, association=seconds))
        assert time.monotonic() - begun < 1.6 * seconds
        thread.join(LIMIT)


def test_an_acceptor_that_hangs_up_in_the_handshake(hospital: Hospital, dial: Dial) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=lambda: listener.accept()[0].close())
        thread.start()
        with pytest.raises(TLSFailed, match="closed the connection"):
            dial(listener.getsockname(), tls=hospital.client)
        thread.join(LIMIT)


def test_closing_a_server_with_a_handshake_under_way(hospital: Hospital, secured: Serve, dial: Dial) -> None:
    server = secured(hospital.server).start()
    with Wire.connect(server.address) as wire:
        half(wire)
        with dial(server.address, tls=hospital.client) as association:  # the other thread has begun by now
            assert association.echo() == 0
        server.close()
        assert wire.rest() == b""


# ------------------------------------------------------------------------------- mistakes of ours


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: TLS(profile="AES"), "retired"),
        (lambda: TLS(fingerprint="12:34"), "64 hexadecimal"),
        (lambda: TLS(client_certificates="perhaps"), "client_certificates"),  # type: ignore[arg-type]
    ],
)
def test_settings_that_are_none(make: Callable[[], TLS], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()


def test_an_acceptor_without_what_it_needs(hospital: Hospital, tmp_path: Path, secured: Serve) -> None:
    for tls, words in (
        (TLS(), "needs a certificate"),
        (TLS(**hospital.pacs.pair), "could be verified"),
        (TLS(ca=tmp_path / "none.pem", **hospital.pacs.pair), "cannot use"),
        (
            TLS(ca=hospital.authority.certificate, certificate=hospital.pacs.certificate, key=hospital.modality.key),
            "key",
        ),
    ):
        with pytest.raises(ConnectionFailed, match=words):
            secured(tls).start()


def test_the_steps_of_an_echo(hospital: Hospital, secured: Serve) -> None:
    with secured(hospital.server) as scp:
        host, port = scp.address
        report = Peer("SCP", host, port, calling="SCU", tls=hospital.client).echo()
        assert report and [step.name for step in report.steps][1:4] == [f"TCP connect :{port}", "TLS", "A-ASSOCIATE"]
        assert "certificate of pacs" in report.steps[2].result
        wrong = Peer("SCP", host, port, tls=TLS(ca=hospital.stranger.certificate)).echo()
        assert not wrong and wrong.failed is not None and wrong.failed.name == "TLS"
        assert any("TLS(ca=...)" in hint for hint in wrong.hints)


# ------------------------------------------------------------------------------- what a ClientHello offers


@pytest.fixture(scope="module")
def client_hello() -> Iterator[bytes]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_alpn_protocols(["h2", "dicom"])
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing, server_hostname="localhost").do_handshake()
    yield outgoing.read()


def test_offered_protocols(client_hello: bytes) -> None:
    assert offered_protocols(client_hello) == [b"h2", b"dicom"]
    for size in range(len(client_hello)):  # nobody decides on a part of it
        assert offered_protocols(client_hello[:size]) is None
    message = client_hello[5:]
    cut = b"".join(
        client_hello[:3] + len(piece).to_bytes(2, "big") + piece for piece in (message[:7], message[7:90], message[90:])
    )
    assert offered_protocols(cut) == [b"h2", b"dicom"]
    assert offered_protocols(b"\x01\0\0\0\0\xcd") == offered_protocols(b"GET / HTTP/1.1") == []
    assert offered_protocols(b"\x16\x03\x01\0\x04\x02\0\0\0") == []
    for size in range(4, len(message)):  # a message whose inner lengths pass its end
        lies = b"\x01" + (size - 4).to_bytes(3, "big") + message[4:size]
        assert isinstance(offered_protocols(client_hello[:3] + size.to_bytes(2, "big") + lies), list)
