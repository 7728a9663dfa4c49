"""The network in memory: an archive and its users where there are no sockets and no threads."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Coroutine, Iterator
from typing import Any

import pytest

import nbdicom as nd
from nbdicom import aio
from nbdicom.core.upper_layer import WINDOW
from nbdicom.errors import AssociationAborted, ConnectionFailed, LocalProtocolError
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


#: The same from an event loop, which has use neither for sockets nor for threads.
AWAITED = """
import asyncio, pathlib, tempfile, time
class Selector:
    def select(self, timeout):
        assert timeout is not None, "nothing can happen any more"
        time.sleep(timeout)
        return []
    def close(self):
        pass
class Loop(asyncio.BaseEventLoop):
    def __init__(self):
        super().__init__()
        self._selector = Selector()
    def _process_events(self, events):
        pass
async def life(folder):
    with nd.demo_pacs(HOST) as pacs, nd.Receiver(ae_title="WORKSTATION", HOST) as workstation:
        peer = nd.AsyncPeer(pacs)
        assert await peer.echo()
        studies = await peer.studies()
        assert len(studies) == pacs.counts()["studies"] > 3
        assert len(await peer.studies(limit=2)) == 2
        series = await peer.series(studies.head(2))
        got = await peer.get(studies.head(2), to=folder)
        assert got and len(list(pathlib.Path(folder).rglob("*.dcm"))) == len(got.to_frame()) > 0
        assert await peer.store(folder)
        pacs.allow["WORKSTATION"] = ("memory", workstation.port)
        moved = await peer.move(series.head(1), to=workstation)
        assert moved and len(workstation.files) == moved.completed > 0
        assert await nd.AsyncPeer(workstation).store(folder)
        pacs.allow["NBDICOM"] = ("memory", 4711)
        assert await peer.pull(series, to=folder + "/1", method="move", listen=4711)
        asking = asyncio.ensure_future(peer.get(studies, to=folder + "/2", progress=lambda *_: asking.cancel()))
        try:
            await asking
        except asyncio.CancelledError as error:
            assert error.results.paths and not error.results
        else:
            raise AssertionError("it was cancelled")
        assert pacs._server.associations == workstation._server.associations == []
with tempfile.TemporaryDirectory() as folder, asyncio.Runner(loop_factory=Loop) as runner:
    runner.run(life(folder))
print("lived")
"""


@pytest.mark.parametrize(
    ("life", "platform", "host"),
    [
        (LIFE, "", 'host="memory"'),
        (LIFE, 'sys.platform = "emscripten"', ""),
        (AWAITED, 'sys.platform = "emscripten"', ""),
    ],
    ids=["the host memory", "no sockets in the system", "in an event loop"],
)
def test_a_hospital_without_sockets_and_threads(life: str, platform: str, host: str) -> None:
    program = NOWHERE.replace("PLATFORM", platform) + life.replace("HOST", host).replace("(, ", "(").replace(", )", ")")
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


class Counting:
    """A sink that holds nothing."""

    size = most = 0

    def write(self, views: list[memoryview]) -> None:
        size = sum(map(len, views))
        self.size += size
        self.most = max(self.most, size)

    def close(self, complete: bool) -> None:
        assert complete


class Big:
    """An object that is longer than what may be held of it."""

    sop_class_uid = nd.UID("1.2.840.10008.5.1.4.1.1.2")
    sop_instance_uid = nd.UID("1.2.3")
    transfer_syntax = nd.UID("1.2.840.10008.1.2")

    def __init__(self, size: int = 200 << 20) -> None:
        self.size = size

    def open(self, transfer_syntax: str) -> Big:
        return self

    def chunks(self, size: int) -> object:
        piece = bytes(size)
        for _ in range(self.size // size):
            yield piece, False
        yield piece, True

    def close(self) -> None:
        pass


def test_nothing_is_held_of_a_big_object() -> None:
    """Its bytes go from the source to the sink piece by piece."""

    sink = Counting()
    handlers = Handlers(sink=lambda request: sink, store=lambda request: 0)
    contexts = [(Big.sop_class_uid, Big.transfer_syntax)]
    with nd.Server(handlers, ae_title="SCP", contexts=contexts, host="memory") as server:
        with nd.associate(server.address, called="SCP", contexts=contexts) as association:
            (stored,) = association.store([Big()])
            assert stored.ok
    assert sink.size > 150 << 20 and sink.most <= WINDOW


def test_there_is_nothing_to_secure() -> None:
    with pytest.raises(ConnectionFailed, match="memory"):
        nd.associate("memory:104", called="SCP", contexts=["Verification"], tls=nd.TLS())


FIND = "StudyRootQueryRetrieveInformationModelFind"
COMMITMENT = "1.2.840.10008.1.20.1"


def test_a_handler_asks_the_association_that_it_serves() -> None:
    """And the handler that is asked asks back: each side works while the other one waits, in one thread."""
    said: list[str] = []

    def n_action(request: object) -> None:
        (theirs,) = server.associations
        said.append("acceptor asks")
        assert theirs.n_event_report(COMMITMENT, "1.2.3", 1, {"TransactionUID": "1.2.4"}).status == 0
        said.append("acceptor knows")

    def n_event_report(request: object) -> None:
        said.append("requestor asks back")
        assert ours.echo() == 0
        said.append("requestor knows")

    contexts = ["Verification", COMMITMENT]
    with nd.Server(Handlers(n_action=n_action), ae_title="SCP", contexts=contexts, host="memory") as server:
        handlers = Handlers(n_event_report=n_event_report)
        window = nd.OperationsWindow(invoked=4, performed=4)  # or each would wait for its own operation
        options = {"called": "SCP", "contexts": contexts, "handlers": handlers, "window": window}
        with nd.associate(server.address, **options) as ours:  # type: ignore[arg-type]
            assert ours.n_action(COMMITMENT, "1.2.3", 1, {"TransactionUID": "1.2.4"}).status == 0
    assert said == ["acceptor asks", "requestor asks back", "requestor knows", "acceptor knows"]


def test_the_end_of_an_association_takes_no_time() -> None:
    """Nothing is under way in memory that somebody would have to wait for."""
    never = nd.Timeouts(closing=3600, release=3600)
    with nd.Server(Handlers(), ae_title="SCP", contexts=["Verification"], host="memory", timeouts=never) as server:
        for _ in range(3):
            with nd.associate(server.address, called="SCP", contexts=["Verification"], timeouts=never) as association:
                assert association.echo() == 0


@pytest.mark.parametrize("what", ["a request", "a look", "another connection"])
def test_an_association_that_is_idle_for_too_long_ends(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No time passes by itself; whoever looks next finds it aborted, as it would be elsewhere."""
    timeouts = nd.Timeouts(idle=5)
    options = {"called": "SCP", "contexts": ["Verification"]}
    with nd.Server(Handlers(), ae_title="SCP", contexts=["Verification"], host="memory", timeouts=timeouts) as server:
        association = nd.associate(server.address, **options)  # type: ignore[arg-type]
        assert association.echo() == 0
        now = time.monotonic()
        monkeypatch.setattr(time, "monotonic", lambda: now + 4)
        assert association.is_alive() and association.echo() == 0
        monkeypatch.setattr(time, "monotonic", lambda: now + 8)
        assert association.echo() == 0  # the last message was not so long ago
        monkeypatch.setattr(time, "monotonic", lambda: now + 14)
        if what == "a request":
            with pytest.raises(AssociationAborted):
                association.echo()
        elif what == "a look":
            assert not association.is_alive()
        else:
            with nd.associate(server.address, **options) as other:  # type: ignore[arg-type]
                assert other.echo() == 0
        assert server.associations == []


def run(main: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(asyncio.wait_for(main, 60))


def test_an_event_loop_with_an_acceptor_that_blocks() -> None:
    """The loop does the acceptor's work; its handlers run where they are called from."""
    where: list[int] = []

    def find(request: FindRequest) -> Iterator[bytes]:
        for _ in range(1000):
            where.append(threading.get_ident())
            yield b"match "

    async def main() -> None:
        async with aio.associate(server.address, called="SCP", contexts=[FIND, "Verification"]) as association:
            assert len([match async for match in association.find(b"keys", model=FIND)]) == 1000
            async with association.find(b"keys", model=FIND) as matches:
                await anext(matches)
            assert matches.status == 0xFE00
            assert await association.echo() == 0

    with nd.Server(Handlers(find=find), ae_title="SCP", contexts=[FIND, "Verification"], host="memory") as server:
        run(main())
        assert server.associations == []
    assert set(where) == {threading.get_ident()}


def test_a_blocking_call_cannot_wait_for_the_loop_of_its_own_thread() -> None:
    """It is told at once, wherever it is made."""
    told: list[str] = []

    def n_action(request: object) -> None:
        (theirs,) = blocking.associations
        try:
            theirs.n_event_report(COMMITMENT, "1.2.3", 1, {"TransactionUID": "1.2.4"})
        except LocalProtocolError as error:
            told.append(error.message)
            raise

    async def main() -> None:
        async with aio.serve(Handlers(), ae_title="SCP", contexts=["Verification"], host="memory") as server:
            with pytest.raises(ConnectionFailed, match="event loop of this thread"):
                nd.associate(server.address, called="SCP", contexts=["Verification"])

            def elsewhere() -> nd.Status:
                with nd.associate(server.address, called="SCP", contexts=["Verification"]) as association:
                    return association.echo()

            assert await asyncio.to_thread(elsewhere) == 0
        options = {"called": "SCP", "contexts": [COMMITMENT], "timeouts": nd.Timeouts(dimse=3600)}
        async with aio.associate(blocking.address, **options) as association:  # type: ignore[arg-type]
            with pytest.raises(nd.NbdicomError):
                await association.n_action(COMMITMENT, "1.2.3", 1, {"TransactionUID": "1.2.4"})

    with nd.Server(Handlers(n_action=n_action), ae_title="SCP", contexts=[COMMITMENT], host="memory") as blocking:
        run(main())
    assert told and "cannot answer a blocking call of its own thread" in told[0]


def test_the_loops_of_two_threads() -> None:
    """Each reads for itself; one that is closed is not told any more."""

    async def find(request: FindRequest) -> AsyncIterator[dict[str, str]]:
        for number in range(500):
            yield {"PatientID": str(number), "PatientComments": "x" * 3000}

    async def served() -> aio.Server:
        return await aio.serve(Handlers(find=find), ae_title="SCP", contexts=[FIND], host="memory")

    async def use() -> list[int]:
        async with aio.associate(server.address, called="SCP", contexts=[FIND]) as association:
            keys = {"QueryRetrieveLevel": "STUDY"}
            return [int(match.dataset().PatientID) async for match in association.find(keys, model=FIND)]

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        server = asyncio.run_coroutine_threadsafe(served(), loop).result(60)
        assert run(use()) == list(range(500))
        with nd.associate(server.address, called="SCP", contexts=[FIND]) as association:
            found = association.find({"QueryRetrieveLevel": "STUDY"}, model=FIND)
            assert [int(match.dataset().PatientID) for match in found] == list(range(500))
        asyncio.run_coroutine_threadsafe(server.close(), loop).result(60)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(60)
        loop.close()


def test_a_server_whose_loop_is_closed() -> None:
    async def main() -> aio.Server:
        return await aio.serve(Handlers(), ae_title="SCP", contexts=["Verification"], host="memory")

    server = run(main())
    try:
        with pytest.raises(ConnectionFailed, match="loop of the server is closed"):
            nd.associate(server.address, called="SCP", contexts=["Verification"])
    finally:
        run(server.close())


def test_nothing_is_held_of_a_big_object_in_a_loop() -> None:
    """A sender waits until the other side has read; a blocking acceptor's object goes to its sink in pieces."""
    size = 24 << 20
    stored = Big(size)
    sink = Counting()
    handlers = Handlers(sink=lambda request: sink, store=lambda request: 0, get=lambda request: [stored])
    model = "StudyRootQueryRetrieveInformationModelGet"
    roles = [
        nd.PresentationContext(Big.sop_class_uid, (Big.transfer_syntax,), scu_role=True, scp_role=True),
        nd.PresentationContext(nd.UID.of(model)),
    ]

    async def use(address: tuple[str, int]) -> None:
        async with aio.associate(address, called="SCP", contexts=roles) as association:
            assert [one.ok async for one in association.store([stored])] == [True]
            got = Counting()
            answers = association.get(b"keys", model=model, sink=lambda request: got)
            assert [answer async for answer in answers]
            assert got.size >= size and got.most <= WINDOW

    async def main() -> None:
        async with aio.serve(handlers, ae_title="SCP", contexts=roles, host="memory") as server:
            await use(server.address)
        await use(blocking.address)

    with nd.Server(handlers, ae_title="SCP", contexts=roles, host="memory") as blocking:
        run(main())
    assert sink.size >= 2 * size and sink.most <= WINDOW


def test_a_hospital_reports_without_a_thread() -> None:
    """Commitment and the events of workitems are delivered by whoever waits, on an open association or a new one."""
    heard: list[int] = []
    event = nd.UID.of("UnifiedProcedureStepEvent")
    before = set(threading.enumerate())
    watching = nd.PresentationContext(event, scu_role=True, scp_role=True)
    with (
        nd.Server(
            Handlers(n_event_report=lambda request: heard.append(request.event_type_id)),
            ae_title="WATCHER",
            contexts=[watching],
            host="memory",
        ) as watcher,
        nd.demo_pacs(host="memory", allow={"WATCHER": f"memory:{watcher.address[1]}"}, report_pauses=(0.01,)) as pacs,
    ):
        peer = nd.Peer(pacs)
        studies = peer.studies(limit=1)
        promise = peer.commit(peer.instances(peer.series(studies)), timeout=30)
        assert promise and promise.event_type == 1
        peer.workitems.subscribe(receiver="WATCHER")
        uid = peer.workitems.create(ProcedureStepLabel="to be watched")
        with peer.workitems.claim(uid) as work:
            work.perform(station="CAD1")
        assert pacs.reports.wait(30)
        assert heard.count(1) >= 3  # SCHEDULED, IN PROGRESS, COMPLETED
        assert set(threading.enumerate()) <= before


@pytest.mark.parametrize("acceptor", ["blocking", "asyncio"])
def test_answers_that_nobody_takes_for_a_while(acceptor: str) -> None:
    """The loop stops reading, in the middle of what was written if need be; nothing is lost or comes twice."""
    count, size = 1200, 10_000  # three times what may lie about

    def find(request: FindRequest) -> Iterator[dict[str, str]]:
        for number in range(count):
            yield {"PatientID": str(number), "PatientComments": "x" * size}

    async def use(address: tuple[str, int]) -> None:
        async with aio.associate(address, called="SCP", contexts=[FIND]) as association:
            matches = await association.find({"QueryRetrieveLevel": "STUDY"}, model=FIND)
            first = await anext(matches)
            while not association._driver._paused:
                await asyncio.sleep(0)
            rest = [match.dataset() async for match in matches]
        found = [first.dataset(), *rest]
        assert [int(dataset.PatientID) for dataset in found] == list(range(count))
        assert {len(dataset.PatientComments) for dataset in found} == {size}

    async def main() -> None:
        if acceptor == "blocking":
            with nd.Server(Handlers(find=find), ae_title="SCP", contexts=[FIND], host="memory") as server:
                await use(server.address)
        else:
            async with aio.serve(Handlers(find=find), ae_title="SCP", contexts=[FIND], host="memory") as server:
                await use(server.address)

    run(main())


# ------------------------------------------------------------------------------- several threads


LIMIT = 30.0  #: seconds that a thread has


def test_a_server_is_closed_while_another_thread_is_in_its_handler() -> None:
    """What the handler does is not torn from it: its association ends when it comes back, and `close` waits for that."""
    entered, came, left = threading.Event(), [], []

    def find(request: FindRequest) -> Iterator[Any]:
        yield {"PatientID": "1"}
        entered.set()
        until = time.monotonic() + LIMIT
        while server.running:
            assert time.monotonic() < until
        left.append("the handler")
        yield {"PatientID": "2"}

    def ask() -> None:
        with nd.associate(server.address, called="SCP", contexts=[FIND]) as association:
            try:
                came.extend(association.find({"PatientID": ""}, model=FIND))
            except AssociationAborted as error:
                came.append(error)

    server = nd.Server(Handlers(find=find), ae_title="SCP", contexts=[FIND], host="memory").start()
    asking = threading.Thread(target=ask)
    asking.start()
    assert entered.wait(LIMIT)
    server.close(LIMIT)
    assert left == ["the handler"] and not server.associations
    asking.join(LIMIT)
    assert isinstance(came[-1], AssociationAborted)


def test_a_handler_closes_its_own_server() -> None:
    def find(request: FindRequest) -> Iterator[Any]:
        yield {"PatientID": "1"}
        server.close(LIMIT)
        yield {"PatientID": "2"}

    server = nd.Server(Handlers(find=find), ae_title="SCP", contexts=[FIND], host="memory").start()
    with nd.associate(server.address, called="SCP", contexts=[FIND]) as association:
        with pytest.raises(AssociationAborted):
            list(association.find({"PatientID": ""}, model=FIND))
    assert not server.running and not server.associations


def test_what_is_put_off_is_done_once() -> None:
    """By whoever waits for an association of the server: while one is at it, another thread does the rest."""
    done: list[int] = []

    def the_rest() -> None:
        thread = threading.Thread(target=other.listen, args=(0.01,))
        thread.start()
        thread.join(LIMIT)
        done.append(0)

    with nd.Server(Handlers(), ae_title="SCP", contexts=["Verification"], host="memory") as server:
        with (
            nd.associate(server.address, called="SCP", contexts=["Verification"]) as association,
            nd.associate(server.address, called="SCP", contexts=["Verification"]) as other,
        ):
            server.later(the_rest)
            server.later(done.append, 1)
            server.later(done.append, 2)
            assert association.listen(0.01)
    assert done == [1, 2, 0]


def test_a_report_is_delivered_once() -> None:
    """Somebody else waits for the reports, too, while one is on its way."""
    heard: list[int] = []

    def hear(request: Any) -> int:
        heard.append(request.event_type_id)
        if len(heard) == 1:
            pacs.reports.retry()
            waiting = threading.Thread(target=pacs.reports.wait, args=(0.01,))
            waiting.start()
            waiting.join(LIMIT)
        return 0

    event = nd.PresentationContext(nd.UID.of("UnifiedProcedureStepEvent"), scu_role=True, scp_role=True)
    with nd.Server(Handlers(n_event_report=hear), ae_title="WATCHER", contexts=[event], host="memory") as watcher:
        address = f"memory:{watcher.address[1]}"
        with nd.Pacs(host="memory", allow={"WATCHER": address}, report_pauses=(0.01,)) as pacs:
            peer = nd.Peer(pacs)
            peer.workitems.subscribe(receiver="WATCHER")
            peer.workitems.create(ProcedureStepLabel="to be watched")
            assert pacs.reports.wait(LIMIT)
    assert sorted(heard) == sorted(set(heard))


@pytest.mark.parametrize("how", ["abort", "release"])
def test_an_association_that_the_server_ends_is_served_no_more(how: str) -> None:
    """Else each of them would take the place of another for ever."""
    limits = nd.Limits(associations=1)
    with nd.Server(Handlers(), ae_title="SCP", contexts=["Verification"], host="memory", limits=limits) as server:
        for _ in range(3):
            with nd.associate(server.address, called="SCP", contexts=["Verification"]) as association:
                assert association.echo() == 0
                (served,) = server.associations
                getattr(served, how)()
                assert not association.is_alive()
            assert server.wait_until_left(0) and server.associations == []
