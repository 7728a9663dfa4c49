"""The network in memory: an archive and its users where there are no sockets and no threads."""

from __future__ import annotations

import subprocess
import sys

import pytest

import nbdicom as nd
from nbdicom.errors import AssociationAborted, ConnectionFailed
from nbdicom.memory import Network, is_memory
from nbdicom.operations.handlers import Handlers
from nbdicom.operations.requests import FindRequest

#: What a browser has not got.  pydicom and pandas look at these modules when they are imported; we never do.
NOWHERE = """
import sys, threading
import nbdicom as nd
import nbdicom.blocking, nbdicom.memory, nbdicom.pacs, nbdicom.peer, nbdicom.receiver
loaded = {"socket", "select", "selectors", "ssl", "asyncio"} & set(sys.modules)
assert not loaded, loaded
import pandas, pydicom, urllib.request
import select, socket, ssl
PLATFORM
def gone(*args, **options):
    raise OSError("there is no such thing here")
for name in ("socket", "create_connection", "create_server", "socketpair", "getaddrinfo"):
    setattr(socket, name, gone)
select.select = select.poll = select.epoll = ssl.SSLContext.wrap_socket = threading.Thread.start = gone
"""

LIFE = """
import pathlib, tempfile
with nd.demo_pacs(HOST) as pacs, nd.Receiver(ae_title="WORKSTATION", HOST) as workstation:
    peer = nd.Peer(pacs)
    report = peer.echo()
    assert report, report
    studies = peer.studies()
    assert len(studies) == pacs.counts()["studies"] > 3
    assert len(peer.studies(limit=2)) == 2
    series = peer.series(studies.head(2))
    with tempfile.TemporaryDirectory() as folder:
        got = peer.get(studies.head(2), to=folder)
        assert got and len(list(pathlib.Path(folder).rglob("*.dcm"))) == len(got.to_frame()) > 0
        assert peer.store(folder)
        pacs.allow["WORKSTATION"] = ("memory", int(workstation.address.rpartition(":")[2]))
        moved = peer.move(series.head(1), to=workstation)
        assert moved and len(workstation.files) == moved.completed > 0
        assert nd.Peer(workstation).store(folder)
        with peer.associate() as association:
            with association.find({"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": ""}) as matches:
                next(matches)
            assert matches.status == 0xFE00
            assert association.echo() == 0
    assert pacs._server.associations == workstation._server.associations == []
print("lived")
"""


@pytest.mark.parametrize(
    ("platform", "host"),
    [("", 'host="memory"'), ('sys.platform = "emscripten"', "")],
    ids=["the host memory", "no sockets in the system"],
)
def test_a_hospital_without_sockets_and_threads(platform: str, host: str) -> None:
    program = NOWHERE.replace("PLATFORM", platform) + LIFE.replace("HOST", host).replace("(, ", "(").replace(", )", ")")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=100)
    assert done.stdout.endswith("lived\n"), done.stderr


def test_every_host_is_in_memory_where_there_are_no_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_memory("memory") and not is_memory("127.0.0.1")
    monkeypatch.setattr(sys, "platform", "emscripten")
    assert is_memory("127.0.0.1") and is_memory("")


def test_nobody_listens_there() -> None:
    with pytest.raises(ConnectionFailed, match="nothing listens on this port of this process"):
        nd.associate("memory:104", called="SCP", contexts=["Verification"])
    report = nd.Peer("SCP@memory:104").echo()
    assert not report and "nothing listens" in str(report)


def test_ports() -> None:
    with nd.Server(Handlers(), ae_title="SCP", contexts=["Verification"], host="memory", port=104) as server:
        assert server.address == ("memory", 104)
        with pytest.raises(ConnectionFailed, match="in use"):
            nd.Server(Handlers(), ae_title="OTHER", contexts=["Verification"], host="memory", port=104).start()
        with nd.associate("memory:104", called="SCP", contexts=["Verification"]) as association:
            assert association.echo() == 0
            assert [one.peer for one in server.associations] == [association._driver.transport.address]
        assert server.associations == []
    with nd.Server(Handlers(), ae_title="SCP", contexts=["Verification"], host="memory", port=104):
        pass
    network = Network()
    first = network.listen(0, lambda connection, address: None)
    assert network.listen(0, lambda connection, address: None) != first


def test_a_server_that_closes_aborts_its_associations() -> None:
    server = nd.Server(Handlers(), ae_title="SCP", contexts=["Verification"], host="memory").start()
    association = nd.associate(server.address, called="SCP", contexts=["Verification"])
    server.close()
    with pytest.raises(AssociationAborted):
        association.echo()
    assert not association.is_established


def test_both_sides_go_forward_step_by_step() -> None:
    """The acceptor stands still after each response, so that its peer can look at it."""
    given: list[int] = []

    def find(request: FindRequest) -> object:
        for number in range(1000):
            given.append(number)
            yield b"match "

    model = "StudyRootQueryRetrieveInformationModelFind"
    with nd.Server(Handlers(find=find), ae_title="SCP", contexts=[model], host="memory") as server:
        with nd.associate(server.address, called="SCP", contexts=[model]) as association:
            matches = association.find(b"keys", model=model)
            for count, _ in enumerate(matches, 1):
                assert len(given) <= count + 1
                if count == 10:
                    break
            matches.cancel()
            assert matches.status == 0xFE00
            assert len(given) < 14


def test_an_acceptor_asks_its_requestor() -> None:
    """The work of the requestor is done, too, when the acceptor is the one who waits."""
    model = "1.2.840.10008.1.20.1"
    told: list[int] = []

    def n_event_report(request: object) -> None:
        told.append(request.message.event_type_id)  # type: ignore[attr-defined]

    contexts = ["Verification", model]
    with nd.Server(Handlers(), ae_title="SCP", contexts=contexts, host="memory") as server:
        handlers = Handlers(n_event_report=n_event_report)
        with nd.associate(server.address, called="SCP", contexts=contexts, handlers=handlers):
            (theirs,) = server.associations
            assert theirs.n_event_report(model, "1.2.3", 1, {"TransactionUID": "1.2.4"}).status == 0
    assert told == [1]


def test_nothing_is_held_of_a_big_object() -> None:
    """Its bytes go from the source to the sink piece by piece."""

    class Counting:
        size = most = 0

        def write(self, views: list[memoryview]) -> None:
            size = sum(map(len, views))
            self.size += size
            self.most = max(self.most, size)

        def close(self, complete: bool) -> None:
            assert complete

    class Big:
        sop_class_uid = nd.UID("1.2.840.10008.5.1.4.1.1.2")
        sop_instance_uid = nd.UID("1.2.3")
        transfer_syntax = nd.UID("1.2.840.10008.1.2")

        def open(self, transfer_syntax: str) -> Big:
            return self

        def chunks(self, size: int) -> object:
            piece = bytes(size)
            for _ in range(200):
                yield piece, False
            yield piece, True

        def close(self) -> None:
            pass

    sink = Counting()
    handlers = Handlers(sink=lambda request: sink, store=lambda request: 0)
    contexts = [(Big.sop_class_uid, Big.transfer_syntax)]
    with nd.Server(handlers, ae_title="SCP", contexts=contexts, host="memory") as server:
        with nd.associate(server.address, called="SCP", contexts=contexts) as association:
            (stored,) = association.store([Big()])
            assert stored.ok
    assert sink.size > 150 << 20 and sink.most <= 1 << 18


def test_there_is_nothing_to_secure() -> None:
    with pytest.raises(ConnectionFailed, match="memory"):
        nd.associate("memory:104", called="SCP", contexts=["Verification"], tls=nd.TLS())
