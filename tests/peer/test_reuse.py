"""A peer keeps its association for a moment: reused, replaced, released in time, and no request twice that must not be."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from pydicom import Dataset

from nbdicom import Peer
from nbdicom.blocking import Server
from nbdicom.config import OperationsWindow, Timeouts
from nbdicom.core.trace import PDUReceived
from nbdicom.errors import AssociationAborted
from nbdicom.idle import Idle
from nbdicom.operations.handlers import Handlers
from nbdicom.peer.notices import IncompleteTransfer
from nbdicom.running import idle

LIMIT = 60.0
LONG = Timeouts(linger=60)
FIND = "StudyRootQueryRetrieveInformationModelFind"
MOVE = "StudyRootQueryRetrieveInformationModelMove"
CT = "CTImageStorage"


class Archive:
    """An SCP that notes on which association each request came, and which PDUs ended associations."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str]] = []
        self.instances: list[str | None] = []
        self.ends: list[str] = []
        self.ended = threading.Condition()
        handlers = Handlers(
            find=self.note("find", [{"PatientName": "DOE^JOHN", "StudyInstanceUID": "1.2.3"}]),
            store=self.note("store", 0),
            move=self.note("move", []),
            destination=lambda title: ("127.0.0.1", 1),
        )
        contexts = ["Verification", FIND, MOVE, CT, "PatientRootQueryRetrieveInformationModelFind"]
        self.server = Server(handlers, ae_title="SCP", contexts=contexts, trace=self.see)

    def note(self, what: str, answer: Any) -> Any:
        def handler(request: Any) -> Any:
            self.requests.append((what, request.peer))
            self.instances.append(getattr(request, "sop_instance_uid", None))
            return answer

        return handler

    def see(self, event: Any) -> None:
        if isinstance(event, PDUReceived) and event.pdu_type in (5, 7):
            with self.ended:
                self.ends.append("release" if event.pdu_type == 5 else "abort")
                self.ended.notify_all()

    def peer(self, **options: Any) -> Peer:
        host, port = self.server.address
        return Peer("SCP", host, port, **{"timeouts": LONG, **options})

    @property
    def associations(self) -> list[str]:
        """The associations on which requests came, in their order."""
        return list(dict.fromkeys(where for _, where in self.requests))

    def wait_for_ends(self, number: int) -> None:
        with self.ended:
            assert self.ended.wait_for(lambda: len(self.ends) >= number, LIMIT), self.ends


@pytest.fixture
def archive() -> Iterator[Archive]:
    made = Archive()
    idle.clear()  # what tests before this one have left to rest
    with made.server:
        yield made
        idle.clear(made.server.address)
    assert len(idle) == 0


def instance(number: int = 1) -> Dataset:
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", f"1.2.3.{number}"
    return ds


# ------------------------------------------------------------------------------- reused


def test_one_association_for_calls_that_follow_one_another(archive: Archive) -> None:
    peer = archive.peer()
    for _ in range(5):
        assert len(peer.studies()) == 1
    assert len(archive.requests) == 5 and len(archive.associations) == 1
    assert len(idle) == 1 and not archive.ends
    peer.close()
    archive.wait_for_ends(1)
    assert archive.ends == ["release"] and len(idle) == 0
    assert len(peer.studies()) == 1  # it can be called again


def test_another_peer_object_for_the_same_peer_finds_it(archive: Archive) -> None:
    archive.peer().studies()
    archive.peer().studies()
    assert len(archive.associations) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"calling": "OTHER"},
        {"window": OperationsWindow(invoked=4)},
        {"timeouts": replace(LONG, dimse=5)},
        {"trace": True},
    ],
    ids=["title", "window", "timeouts", "recorded"],
)
def test_what_differs_has_an_association_of_its_own(archive: Archive, other: dict[str, Any]) -> None:
    """And the idle one is released first: a peer that serves one association at a time would not answer."""
    archive.peer().studies()
    archive.peer(**other).studies()
    assert len(archive.associations) == 2
    archive.wait_for_ends(1)


def test_other_services_have_associations_of_their_own(archive: Archive) -> None:
    peer = archive.peer()
    peer.studies()
    assert peer.store(instance(1)).ok and peer.store(instance(2)).ok
    peer.studies()
    assert [what for what, _ in archive.requests] == ["find", "store", "store", "find"]
    assert len(archive.associations) == 3  # the two stores share one


def test_without_lingering_every_call_has_its_own(archive: Archive) -> None:
    peer = archive.peer(timeouts=Timeouts(linger=0))
    peer.studies()
    assert len(idle) == 0
    peer.studies()
    archive.wait_for_ends(2)
    assert len(archive.associations) == 2 and archive.ends == ["release"] * 2


def test_an_error_of_the_peer_releases(archive: Archive) -> None:
    peer = archive.peer()
    with pytest.warns(IncompleteTransfer):
        peer.move(StudyInstanceUID="1.2.3", to="NOBODY")
    peer.studies()
    archive.wait_for_ends(1)
    assert "abort" not in archive.ends


def test_an_association_of_the_user_is_not_shared(archive: Archive) -> None:
    peer = archive.peer()
    peer.studies()
    with peer.associate([FIND]) as association:
        archive.wait_for_ends(1)  # the idle one made room
        list(association.find({"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": ""}))
        peer.studies()
    assert len(archive.associations) == 3
    assert peer.echo()


def test_threads_have_one_each(archive: Archive) -> None:
    peer, errors = archive.peer(), list[BaseException]()

    def work() -> None:
        try:
            for _ in range(5):
                assert len(peer.studies()) == 1
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT)
    assert not errors and len(archive.requests) == 20


# ------------------------------------------------------------------------------- released in time


def test_it_is_released_when_nobody_comes_back(archive: Archive) -> None:
    """By a thread that sleeps until then and ends with the last; there is none before, and none after."""
    name = "nbdicom idle associations"
    peer = archive.peer(timeouts=Timeouts(linger=0.2))
    peer.studies()
    waiting = [thread for thread in threading.enumerate() if thread.name == name]
    assert len(waiting) <= 1  # none, if a fifth of a second is over
    archive.wait_for_ends(1)
    assert archive.ends == ["release"]
    for thread in waiting:
        thread.join(LIMIT)
    assert not any(thread.is_alive() for thread in waiting) and len(idle) == 0


PROGRAM = """
import sys, warnings
from nbdicom import Peer
from nbdicom.config import Timeouts
assert len(Peer("SCP", "127.0.0.1", int(sys.argv[1]), timeouts=Timeouts(linger=600)).studies()) == 1
"""


def test_it_is_released_when_the_interpreter_ends(archive: Archive) -> None:
    port = str(archive.server.address[1])
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error::ResourceWarning", "-c", PROGRAM, port],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    archive.wait_for_ends(1)
    assert archive.ends == ["release"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_process_has_none(archive: Archive) -> None:
    peer = archive.peer()
    peer.studies()
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.write(writing, b"ok" if len(idle) == 0 else b"no")
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reading, 2) == b"ok"
    os.close(reading)
    os.close(writing)
    assert len(peer.studies()) == 1 and len(archive.associations) == 1  # ours is as good as before


def test_without_a_thread_it_is_released_at_once(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody would release it later, and the answer of the peer is not lost for that."""
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if "idle" in thread.name:
            raise RuntimeError("can't start new thread")
        start(thread)

    peer = archive.peer()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        assert len(peer.studies()) == 1
        assert len(idle) == 0
    archive.wait_for_ends(1)
    assert len(peer.studies()) == 1 and len(idle) == 1  # and the next one rests, with a thread


# ------------------------------------------------------------------------------- replaced, and nothing twice


@pytest.mark.parametrize("how", ["abort", "server restarted"])
def test_one_that_the_peer_ended_is_replaced(archive: Archive, how: str) -> None:
    peer = archive.peer()
    peer.studies()
    if how == "abort":
        (association,) = archive.server.associations
        association._driver.request_end("the peer has had enough")
        assert archive.server.wait_until_left(LIMIT)
    else:
        host, port = archive.server.address
        archive.server.close()
        archive.server._requested = (host, port)
        archive.server.start()
    assert len(peer.studies()) == 1
    assert len(archive.requests) == 2 and len(archive.associations) == 2


class Fickle:
    """Between a peer and an archive: the connection is cut when the *number*-th request has gone through."""

    def __init__(self, archive: Archive, number: int) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = self.listener.getsockname()
        self._archive, self._number = archive, number
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            while True:
                client, _ = self.listener.accept()
                self._relay(client)
        except OSError:
            pass  # closed

    def _relay(self, client: socket.socket) -> None:
        server = socket.create_connection(self._archive.server.address)
        cut = threading.Event()
        back = threading.Thread(target=self._pipe, args=(server, client, cut))
        back.start()
        with client, server:
            while data := client.recv(1 << 16):
                if data[0] == 4:  # P-DATA-TF: command and data set come in one segment here
                    self._number -= 1
                    if self._number == 0:
                        cut.set()  # the request goes through, its answer does not
                server.sendall(data)
                if cut.is_set():
                    break
            for end in (client, server):
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
            back.join(LIMIT)

    def _pipe(self, source: socket.socket, target: socket.socket, cut: threading.Event) -> None:
        try:
            while data := source.recv(1 << 16):
                if not cut.is_set():
                    target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def __enter__(self) -> Peer:
        return Peer("SCP", *self.address, timeouts=LONG)

    def __exit__(self, *_: object) -> None:
        idle.clear(self.address)
        self.listener.shutdown(socket.SHUT_RDWR)  # closing alone would not wake the thread that accepts
        self._thread.join(LIMIT)
        self.listener.close()


def test_a_query_is_repeated_once_when_the_association_breaks_under_it(archive: Archive) -> None:
    with Fickle(archive, 2) as peer:
        assert len(peer.studies()) == 1
        assert len(peer.studies()) == 1  # cut without an answer, asked again on a new association


def test_a_query_on_a_new_association_is_not_repeated(archive: Archive) -> None:
    with Fickle(archive, 1) as peer, pytest.raises(AssociationAborted):
        peer.studies()


def test_a_store_is_never_repeated(archive: Archive) -> None:
    """Whether the peer has it nobody knows: that is told, and sending again is the user's decision."""
    with Fickle(archive, 2) as peer:
        assert peer.store(instance(1)).ok
        with pytest.warns(IncompleteTransfer):
            result = peer.store(instance(2))
        assert not result.ok
        assert peer.store(instance(3)).ok
    assert archive.instances.count("1.2.3.2") <= 1
    assert archive.instances.count("1.2.3.1") == archive.instances.count("1.2.3.3") == 1


def test_a_move_is_never_repeated(archive: Archive) -> None:
    with Fickle(archive, 2) as peer:
        for _ in range(2):
            with pytest.warns(IncompleteTransfer):
                assert not peer.move(StudyInstanceUID="1.2.3", to="SOMEBODY").ok
    assert [what for what, _ in archive.requests].count("move") <= 2


def test_one_that_cannot_be_released_keeps_no_other_open(caplog: pytest.LogCaptureFixture) -> None:
    """Those that are put to rest later are released all the same, and somebody hears of it."""
    released = threading.Event()

    class Resting:
        def is_alive(self) -> bool:
            return True

        def release(self, timeout: float | None = None) -> None:
            released.set()

        def drop(self) -> None: ...

    class Broken(Resting):
        def release(self, timeout: float | None = None) -> None:
            raise RuntimeError("Doe^Jane")

    one = Idle()
    one.put("there", None, Broken(), 0.0)
    one.put("there", None, Resting(), 0.05)
    assert released.wait(LIMIT)
    assert "cannot be released: RuntimeError" in caplog.text and "Jane" not in caplog.text
