"""The verbs of both peers over TLS: to a PACS that wants it, past those that have none, and past who only pretends to."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import nbdicom as nd
from nbdicom import Handlers, aio
from nbdicom.errors import AssociationError, QueryError, TLSFailed
from nbdicom.peer.notices import IncompleteTransfer
from nbdicom.running import idle
from nbdicom.tls import TLS
from tests.drivers.certificates import Hospital
from tests.leaks import nothing_left
from tests.ports import free_port

from .conftest import PATIENT, ct

SOON = replace(PATIENT, association=0.3)
LIMIT = 60.0
KEYS = {"StudyInstanceUID": "1.2.3"}

#: Every verb of both peers that opens an association, as it is called in vain.
VERBS: dict[str, Callable[[Any, Path], Any]] = {
    "find": lambda peer, to: peer.studies(),
    "get": lambda peer, to: peer.get(**KEYS, to=to),
    "move": lambda peer, to: peer.move(**KEYS, to="ELSEWHERE"),
    "retrieve": lambda peer, to: peer.retrieve(**KEYS, to=to, listen=0),
    "pull": lambda peer, to: peer.pull(**KEYS, to=to, associations=3),
    "store": lambda peer, to: peer.store(ct(), ct(number=2), associations=2, raise_on_error=True),
    "commit": lambda peer, to: peer.commit([{"SOPClassUID": "1.2", "SOPInstanceUID": "1.2.3"}], listen=0),
}


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Hospital:
    return Hospital(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def pacs(hospital: Hospital) -> Iterator[nd.Pacs]:
    """A PACS that speaks TLS with everybody, to whom it sends, too."""
    with nd.demo_pacs(ae_title="SECURE", tls=hospital.server, move_tls=hospital.server) as pacs:
        yield pacs
    idle.clear()


@pytest.fixture
def secure(pacs: nd.Pacs, hospital: Hospital, peer_of: Any) -> Any:
    """A peer of either kind that may call it."""
    return peer_of(pacs, tls=hospital.client)


def test_every_verb(secure: Any, pacs: nd.Pacs, hospital: Hospital, tmp_path: Path) -> None:
    report = secure.echo()
    assert report and "TLSv1.3" in str(report)
    studies = secure.studies(ModalitiesInStudy="MR")
    instances = secure.instances(secure.series(studies.head(1)).head(1))
    assert len(studies) and len(instances) > 1 and len(secure.worklist(limit=1)) == 1
    got = secure.get(instances, to=tmp_path / "got", associations=2)
    assert got.ok and len(got.paths) == len(instances)
    with nd.Receiver(tmp_path / "moved", ae_title="WORKSTATION", tls=hospital.client) as workstation:
        pacs.allow["WORKSTATION"] = ("127.0.0.1", workstation.port)
        moved = secure.move(instances, to=workstation)
        assert moved.ok and moved.completed == len(workstation.files) == len(instances)
        stored = secure.__class__(workstation, tls=hospital.server).store(got, associations=3)
        assert stored.ok
    pulled = secure.pull(studies.head(2), to=tmp_path / "pulled", associations=3)
    assert pulled.ok and pulled.new == len(pulled.paths)
    assert secure.pull(studies.head(2), to=tmp_path / "pulled", recheck=True).new == 0
    assert secure.commit(instances)


def test_what_is_moved_to_us_comes_secured(secure: Any, pacs: nd.Pacs, tmp_path: Path) -> None:
    """As do reports: whoever secures a question does not want the answer to go in the open."""
    port = free_port()
    pacs.allow["NBDICOM"] = ("127.0.0.1", port)
    series = secure.series(secure.studies(ModalitiesInStudy="MR").head(1))
    here = secure.retrieve(series.head(1), to=tmp_path / "here", method="move", listen=("127.0.0.1", port))
    assert here.ok and here.paths
    pulled = secure.pull(series, to=tmp_path / "pulled", method="move", listen=("127.0.0.1", port), associations=2)
    assert pulled.ok and pulled.new
    assert secure.commit(secure.instances(series.head(1)), listen=("127.0.0.1", port))


def test_what_would_come_in_the_open_does_not_come(secure: Any, pacs: nd.Pacs, tmp_path: Path) -> None:
    port = free_port()
    pacs.allow["NBDICOM"] = ("127.0.0.1", port)
    series = secure.series(secure.studies(ModalitiesInStudy="MR").head(1)).head(1)
    pacs._move_tls, before = None, pacs._move_tls
    try:
        with pytest.warns(IncompleteTransfer):
            here = secure.retrieve(series, to=tmp_path, method="move", listen=("127.0.0.1", port))
    finally:
        pacs._move_tls = before
    assert not here.ok and not here.paths and not list(tmp_path.iterdir())


def test_whoever_is_sent_to_has_a_certificate(pacs: nd.Pacs, hospital: Hospital, peer_of: Any, tmp_path: Path) -> None:
    peer = peer_of(pacs, tls=TLS(ca=hospital.authority.certificate))
    for verb in (
        lambda: peer.retrieve(**KEYS, to=tmp_path, method="move", listen=0),
        lambda: peer.commit([{"SOPClassUID": "1.2", "SOPInstanceUID": "1.2.3"}], listen=0),
    ):
        with pytest.raises(QueryError, match=r"a certificate of ours is missing.*TLS\(certificate"):
            verb()


# ------------------------------------------------------------------------------- certificates that do not fit


def strange(hospital: Hospital) -> tuple[TLS, TLS]:
    return hospital.server, TLS(ca=hospital.stranger.certificate, **hospital.modality.pair)


def expired(hospital: Hospital) -> tuple[TLS, TLS]:
    old = hospital.authority.issue("expired", days=(-20, -10))
    return replace(hospital.server, **old.pair), hospital.client


def elsewhere(hospital: Hospital) -> tuple[TLS, TLS]:
    other = hospital.authority.issue("elsewhere", "elsewhere.example")
    return replace(hospital.server, **other.pair), hospital.client


def exchanged(hospital: Hospital) -> tuple[TLS, TLS]:
    return hospital.server, replace(hospital.client, fingerprint="00" * 32)


def revoked(hospital: Hospital) -> tuple[TLS, TLS]:
    return hospital.server, replace(hospital.client, crl=hospital.authority.revoke("revoked", hospital.pacs))


def nameless(hospital: Hospital) -> tuple[TLS, TLS]:
    return hospital.server, TLS(ca=hospital.authority.certificate)


def unknown(hospital: Hospital) -> tuple[TLS, TLS]:
    return hospital.server, replace(hospital.client, **hospital.stranger.issue("unknown").pair)


@pytest.mark.parametrize(
    ("which", "words"),
    [
        (strange, "certificate is not accepted.*TLS\\(ca="),
        (expired, "expired"),
        (elsewhere, "server_hostname="),
        (exchanged, "another one is expected"),
        (revoked, "revoked"),
        (nameless, "certificate"),
        (unknown, "unknown ca"),
    ],
)
def test_certificates_that_do_not_fit(
    hospital: Hospital, peer_of: Any, which: Callable[[Hospital], tuple[TLS, TLS]], words: str, tmp_path: Path
) -> None:
    """The first five we refuse, the others the acceptor: with TLS 1.3 that comes when our own handshake is over."""
    theirs, ours = which(hospital)
    with nd.Server(Handlers(), ae_title="SCP", contexts=["Verification"], tls=theirs) as server:
        peer = peer_of("SCP", *server.address, tls=ours, timeouts=PATIENT)
        report = peer.echo()
        assert not report and "TLS" in str(report)
        for verb in VERBS.values():
            with pytest.raises((AssociationError, QueryError), match=words):
                verb(peer, tmp_path)
        assert not server.associations
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


# ------------------------------------------------------------------------------- who has none, or is stuck


@pytest.mark.parametrize("verb", VERBS)
def test_a_peer_without_tls(hospital: Hospital, peer_of: Any, verb: str, tmp_path: Path) -> None:
    with nd.Server(Handlers(), ae_title="SCP", contexts=["Verification"]) as server:
        peer = peer_of("SCP", *server.address, tls=hospital.client, timeouts=PATIENT)
        with pytest.raises(TLSFailed, match="does not speak TLS"):
            VERBS[verb](peer, tmp_path)
        assert "does not speak TLS" in str(peer.echo())


@pytest.mark.parametrize("verb", VERBS)
def test_we_have_none(pacs: nd.Pacs, peer_of: Any, verb: str, tmp_path: Path) -> None:
    peer = peer_of(pacs, timeouts=PATIENT)
    with pytest.raises(AssociationError):
        VERBS[verb](peer, tmp_path)


@contextmanager
def acceptor(play: Callable[[socket.socket], object]) -> Iterator[tuple[str, int]]:
    """Connections are accepted, and *play* does with each what it likes; they are closed at the end."""
    ended = threading.Event()
    connections: list[socket.socket] = []

    def accept() -> None:
        while True:
            connection = listener.accept()[0]
            connections.append(connection)
            if ended.is_set():
                return
            play(connection)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield listener.getsockname()[:2]
        finally:
            ended.set()
            socket.create_connection(listener.getsockname()[:2]).close()
            thread.join(LIMIT)
            for connection in connections:
                connection.close()


def hang(connection: socket.socket) -> None:
    """Takes the ClientHello, and is stuck then."""


def half_a_hello(connection: socket.socket) -> None:
    """The beginning of a ServerHello, and never more."""
    connection.recv(1 << 14)
    connection.sendall(bytes.fromhex("16 03 03 00 7a 02 00 00 76 03 03"))


def hang_up(connection: socket.socket) -> None:
    """As a server that is stopped in the middle of the handshake."""
    connection.recv(1 << 14)
    connection.close()


@pytest.mark.parametrize(
    ("play", "words"),
    [(hang, "not finished in time"), (half_a_hello, "not finished in time"), (hang_up, "closed the connection")],
)
@pytest.mark.parametrize("verb", ["find", "pull"])
def test_a_peer_that_is_stuck_in_the_handshake(
    hospital: Hospital, peer_of: Any, play: Callable[[socket.socket], object], words: str, verb: str, tmp_path: Path
) -> None:
    """It takes `Timeouts.association`, once for each association that is tried, and nothing is left open."""
    with acceptor(play) as address:
        peer = peer_of("SCP", *address, tls=hospital.client, timeouts=SOON)
        begun = time.monotonic()
        with pytest.raises(TLSFailed, match=words):
            VERBS[verb](peer, tmp_path)
        assert time.monotonic() - begun < LIMIT / 2


@pytest.fixture
def leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with nothing_left(tmp_path, monkeypatch):
        yield


def test_a_task_is_cancelled_in_the_handshake(hospital: Hospital, leaves_nothing: None) -> None:
    """At once, and the connection is closed."""
    reached = threading.Event()
    ended: list[bytes] = []

    def play(connection: socket.socket) -> None:
        connection.settimeout(LIMIT)
        connection.recv(1 << 14)
        reached.set()
        ended.append(connection.recv(1))

    async def work(address: tuple[str, int]) -> None:
        loop = asyncio.get_running_loop()
        verb = asyncio.ensure_future(nd.AsyncPeer("SCP", *address, tls=hospital.client, timeouts=PATIENT).studies())
        assert await loop.run_in_executor(None, reached.wait, LIMIT)
        verb.cancel()
        with pytest.raises(asyncio.CancelledError):
            await verb

    with acceptor(play) as address:
        asyncio.run(asyncio.wait_for(work(address), LIMIT))
    assert ended == [b""]


def test_a_server_in_the_loop_stops_while_one_is_stuck_in_its_handshake(hospital: Hospital, leaves_nothing: None) -> None:
    """It waits for nobody, and whoever is served meanwhile is told."""

    async def work() -> None:
        loop = asyncio.get_running_loop()
        server = await aio.serve(Handlers(), ae_title="SCP", contexts=["Verification"], tls=hospital.server)
        stuck = socket.create_connection(server.address)
        stuck.sendall(bytes.fromhex("16 03 01 02 00 01 00 01 fc 03 03"))
        peer = nd.AsyncPeer("SCP", *server.address, tls=hospital.client, timeouts=PATIENT)
        assert await peer.echo()  # the other one has begun by now
        async with peer.associate(["Verification"]) as association:
            begun = loop.time()
            await server.close()
            assert loop.time() - begun < 4
            with pytest.raises(AssociationError):
                await association.echo()
        stuck.settimeout(LIMIT)
        assert stuck.recv(1) == b""
        stuck.close()
        with pytest.raises(AssociationError):
            await peer.studies()

    asyncio.run(asyncio.wait_for(work(), LIMIT))


def test_many_tasks_at_once(pacs: nd.Pacs, hospital: Hospital, tmp_path: Path) -> None:
    async def work() -> None:
        peer = nd.AsyncPeer(pacs, tls=hospital.client)
        series = await peer.series(await peer.studies(ModalitiesInStudy="MR", limit=2))
        found, got, pulled, reports = await asyncio.gather(
            asyncio.gather(*(peer.studies() for _ in range(4))),
            peer.get(series, to=tmp_path / "got", associations=2),
            peer.pull(series, to=tmp_path / "pulled", associations=2),
            asyncio.gather(*(peer.echo() for _ in range(3))),
        )
        assert len({len(frame) for frame in found}) == 1 and all(reports)
        assert got.ok and pulled.ok and len(got.paths) == len(pulled.paths)

    asyncio.run(asyncio.wait_for(work(), LIMIT))
