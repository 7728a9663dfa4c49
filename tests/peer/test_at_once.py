"""Several associations share what one call asks for, by `Peer` and `AsyncPeer`."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pydicom
import pytest

import nbdicom as nd
from nbdicom.data import instance
from nbdicom.errors import AssociationRejected, NoPresentationContext, OperationCancelled, QueryError
from nbdicom.operations.requests import Refuse
from nbdicom.peer.line import Waiting, run
from tests.peer.conftest import ct
from tests.peer.test_transfer import CT, role
from tests.ports import free_port

SERIES = [f"1.2.3.{number}" for number in range(1, 8)]
EACH = 2
LIMIT = 60.0


class Archive:
    """Seven series of two instances; *meet* is called with each retrieval."""

    def __init__(self, meet: Callable[[Any], object] = lambda request: None) -> None:
        self.meet = meet
        self.asked: list[str] = []

    def get(self, request: Any) -> list[Any]:
        series = str(request.identifier().SeriesInstanceUID)
        self.asked.append(series)
        self.meet(request)
        return [instance(ct(series, number + 1)) for number in range(EACH)]

    def find(self, request: Any) -> Iterator[dict[str, Any]]:
        query = request.identifier()
        series = str(query.get("SeriesInstanceUID", ""))
        if query.QueryRetrieveLevel == "STUDY":
            yield {"StudyInstanceUID": "1.2.3", "SOPClassesInStudy": CT}
        elif query.QueryRetrieveLevel == "SERIES":
            for one in [series] if series else SERIES:
                yield {"SeriesInstanceUID": one, "Modality": "CT", "NumberOfSeriesRelatedInstances": EACH}
        else:
            for number in range(EACH):
                yield {"SOPInstanceUID": str(ct(series, number + 1).SOPInstanceUID), "SOPClassUID": CT}


def start(scp: Any, archive: Archive, services: tuple[str, ...] = ("Find", "Get", "Move"), **options: Any) -> Any:
    """A peer that offers C-FIND, C-GET and C-MOVE."""
    models = [f"StudyRootQueryRetrieveInformationModel{service}" for service in services]
    contexts = [role(one) for one in ("Verification", CT, *models)]
    return scp(contexts=contexts, find=archive.find, get=archive.get, move=archive.get, **options)


@pytest.fixture
def serving(scp_of_both: Any) -> Callable[..., Any]:
    """``serving(archive)`` for `Peer` and `AsyncPeer`."""
    return partial(start, scp_of_both)


@pytest.fixture
def blocking(scp: Any) -> Callable[..., Any]:
    """The same for `Peer` alone."""
    return partial(start, scp)


def meeting(count: int) -> Callable[[Any], object]:
    """So many retrievals go on at the same time, or fail."""
    barrier = threading.Barrier(count, timeout=LIMIT)

    def meet(request: Any) -> None:
        try:
            barrier.wait()
        except threading.BrokenBarrierError:
            raise Refuse(0xC001, "alone") from None

    return meet


def uids_in(folder: Path) -> list[str]:
    return sorted(str(pydicom.dcmread(path).SOPInstanceUID) for path in folder.rglob("*.dcm"))


def expected(series: list[str]) -> list[str]:
    return sorted(str(ct(one, number + 1).SOPInstanceUID) for one in series for number in range(EACH))


def test_requests_go_on_at_the_same_time(serving: Any, tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    with nd.record() as wire:
        result = serving(Archive(meeting(3))).get(
            StudyInstanceUID="1.2.3", SeriesInstanceUID=SERIES[:3], to=tmp_path, associations=3,
            progress=lambda done, total: seen.append((done, total)),
        )  # fmt: skip
    assert result.ok, str(result)
    assert uids_in(tmp_path) == expected(SERIES[:3])
    assert [row.series for row in result.rows] == [one for one in SERIES[:3] for _ in range(EACH)]  # in their order
    assert [done for done, _ in seen] == sorted(done for done, _ in seen) and seen[-1] == (6, 6)
    stored = {one.number for one in wire.associations if one.role == "requestor"}
    assert len(stored) >= 3  # those that were opened in other threads are recorded, too


def test_moves_go_on_at_the_same_time(serving: Any, tmp_path: Path) -> None:
    with nd.serve(to=tmp_path, ae_title="DEST") as receiver:
        peer = serving(Archive(meeting(3)), destination=lambda title: ("127.0.0.1", receiver.port))
        moved = peer.move(StudyInstanceUID="1.2.3", SeriesInstanceUID=SERIES[:3], to="DEST", associations=3)
    assert moved.ok and moved.completed == 6, str(moved)
    assert uids_in(tmp_path) == expected(SERIES[:3])


def storing(scp: Any, store: Callable[[Any], int], **options: Any) -> Any:
    return scp(contexts=["Verification", CT], store=store, **options)


def test_instances_are_stored_at_the_same_time(scp_of_both: Any) -> None:
    met, stored = meeting(3), []

    def store(request: Any) -> int:
        stored.append(str(request.sop_instance_uid))
        if len(stored) <= 3:
            met(request)
        return 0x0000

    images = [ct(one, number + 1) for one in SERIES for number in range(EACH)]
    sent = storing(scp_of_both, store).store(images, associations=3)
    assert sent.ok, str(sent)
    assert [str(row.sop_instance_uid) for row in sent.rows] == [str(image.SOPInstanceUID) for image in images]
    assert sorted(stored) == expected(SERIES)  # each of them once


@pytest.mark.parametrize("associations", [1, 3])
def test_an_object_at_which_the_peer_aborts(scp_of_both: Any, associations: int) -> None:
    images = [ct(one, number + 1) for one in SERIES for number in range(EACH)]
    bad = {str(images[number].SOPInstanceUID) for number in (1, 6)}
    peers: list[Any] = []

    def store(request: Any) -> int:
        if str(request.sop_instance_uid) in bad:
            ours = [one for one in peers[0].server.associations if one.peer == request.peer]
            ours[0].abort()
        return 0x0000

    peers.append(storing(scp_of_both, store))
    with pytest.warns(nd.peer.notices.IncompleteTransfer):
        sent = peers[0].store(images, associations=associations)
    assert {str(row.sop_instance_uid) for row in sent.failed} == bad, str(sent)


def test_a_store_to_a_peer_that_wants_one_association(scp_of_both: Any) -> None:
    peer = storing(scp_of_both, lambda request: 0x0000, server={"limits": nd.Limits(associations=1)})
    assert peer.store([ct(one, 1) for one in SERIES], associations=4).ok


@pytest.mark.parametrize("associations", [1, 2, 5, 50])
def test_each_takes_the_next(serving: Any, tmp_path: Path, associations: int) -> None:
    archive = Archive()
    result = serving(archive).get(
        StudyInstanceUID="1.2.3", SeriesInstanceUID=SERIES, to=tmp_path, associations=associations
    )
    assert result.ok and len(result.answers) == 7
    assert sorted(archive.asked) == SERIES  # each of them once
    assert uids_in(tmp_path) == expected(SERIES)


def test_a_peer_that_wants_one_association_has_one(serving: Any, tmp_path: Path) -> None:
    archive = Archive()
    peer = serving(archive, server={"limits": nd.Limits(associations=1)})
    result = peer.get(StudyInstanceUID="1.2.3", SeriesInstanceUID=SERIES, to=tmp_path, associations=4)
    assert result.ok, str(result)
    assert sorted(archive.asked) == SERIES


def test_a_pull_from_a_peer_that_wants_one_association(blocking: Any, tmp_path: Path) -> None:
    """Neither the questions nor what is fetched fail for it."""
    peer = blocking(Archive(), server={"limits": nd.Limits(associations=1)})
    pulled = peer.pull(StudyInstanceUID="1.2.3", SeriesInstanceUID=SERIES, to=tmp_path, associations=3)
    assert [row.state for row in pulled.rows] == ["complete"] * 7, str(pulled)


def test_a_peer_that_wants_none(serving: Any, tmp_path: Path) -> None:
    peer = serving(Archive(), accept=lambda rq, address: nd.operations.handlers.Reject(2, 3, 2))
    with pytest.raises(AssociationRejected):
        peer.get(StudyInstanceUID="1.2.3", SeriesInstanceUID=SERIES, to=tmp_path, associations=4)


def test_a_peer_without_the_service(serving: Any, tmp_path: Path) -> None:
    peer = serving(Archive(), services=("Find", "Move"))
    with pytest.raises(NoPresentationContext):
        peer.get(StudyInstanceUID="1.2.3", SeriesInstanceUID=SERIES, to=tmp_path, associations=3)


@pytest.mark.parametrize("verb", ["get", "move", "retrieve", "pull", "store"])
def test_no_association_is_no_way(scp: Any, tmp_path: Path, verb: str) -> None:
    keys = {} if verb == "store" else {"StudyInstanceUID": "1.2.3", "to": tmp_path}
    with pytest.raises(QueryError, match="1 or more"):
        getattr(scp(), verb)(**keys, associations=0)


# ------------------------------------------------------------------------------- by a thread that waits


@pytest.mark.parametrize("method", ["get", "move"])
def test_a_pull_over_several_associations(blocking: Any, tmp_path: Path, method: str) -> None:
    met = meeting(3)
    archive = Archive(lambda request: met(request) if len(archive.asked) <= 3 else None)
    peer = blocking(archive, destination=lambda title: ("127.0.0.1", port))
    port = free_port()
    pulled = peer.pull(
        StudyInstanceUID="1.2.3", to=tmp_path / "cohort", method=method, listen=("127.0.0.1", port), associations=3
    )
    assert pulled.ok, str(pulled)
    assert uids_in(tmp_path / "cohort") == expected(SERIES)
    assert len((tmp_path / "cohort" / "manifest.jsonl").read_text().splitlines()) == 7 * EACH + 7
    archive.asked.clear()
    assert peer.pull(StudyInstanceUID="1.2.3", to=tmp_path / "cohort", associations=3).ok
    assert archive.asked == []  # all of it is there


def test_a_job_that_is_cancelled_stops_all_of_them(blocking: Any, tmp_path: Path) -> None:
    begun = threading.Semaphore(0)
    never = threading.Event()

    def until_cancelled(request: Any) -> None:
        begun.release()
        while not request.cancelled and not never.wait(0.01):
            pass

    archive = Archive(until_cancelled)
    job = blocking(archive).retrieve(
        StudyInstanceUID="1.2.3", SeriesInstanceUID=SERIES, to=tmp_path, associations=3, wait=False
    )
    for _ in range(3):
        assert begun.acquire(timeout=LIMIT)
    job.cancel()
    with pytest.warns(nd.peer.notices.IncompleteTransfer):
        result = job.wait()
    assert len(archive.asked) == 3  # nothing else was begun
    assert len(result.answers) == 7 and all(isinstance(one.error, OperationCancelled) for one in result.answers)
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
def test_what_one_raises_stops_the_others(blocking: Any, tmp_path: Path, error: type[BaseException]) -> None:
    def fail(done: int, total: int | None) -> None:
        if done:
            raise error

    archive = Archive()
    with pytest.raises(error):
        blocking(archive).get(
            StudyInstanceUID="1.2.3", SeriesInstanceUID=SERIES, to=tmp_path, associations=2, progress=fail
        )
    assert not [one for one in threading.enumerate() if "nbdicom-call" in one.name]


PROGRAM = """
import sys
import nbdicom as nd
peer = nd.Peer("SCP", "127.0.0.1", int(sys.argv[1]))
nd.Job(lambda job: peer.get(StudyInstanceUID=["1.2.3", "1.2.4"], to=sys.argv[2], associations=2, progress=job)).start()
sys.stdin.readline()
"""


def test_an_interpreter_that_ends_waits_for_none(blocking: Any, tmp_path: Path) -> None:
    """What a job retrieves over several associations ends with the process, as over one."""
    begun, never = threading.Semaphore(0), threading.Event()

    class Patient(Archive):
        def get(self, request: Any) -> list[Any]:
            begun.release()
            while not request.cancelled and not never.wait(0.01):
                pass
            return []

    peer = blocking(Patient())
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(peer.port), str(tmp_path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as child:  # fmt: skip
        try:
            assert begun.acquire(timeout=LIMIT) and begun.acquire(timeout=LIMIT)
            assert child.communicate("\n", LIMIT) == ("", "")
        finally:
            never.set()
            child.kill()


def test_in_memory_one_comes_after_the_other(tmp_path: Path) -> None:
    with nd.demo_pacs(host="memory") as pacs:
        peer = nd.Peer(pacs)
        studies = peer.studies(ModalitiesInStudy="CT")
        assert studies.dicom.get(to=tmp_path, associations=3).ok


def test_in_memory_what_has_not_begun_is_closed(recwarn: pytest.WarningsRecorder) -> None:
    with nd.Server(nd.Handlers(), ae_title="SCP", contexts=["Verification"], host="memory") as server:
        peer = nd.Peer("SCP", *server.address)
        with pytest.raises(NoPresentationContext):
            peer.move(StudyInstanceUID="1.2.3", SeriesInstanceUID=SERIES, to="DEST", associations=3)
    gc.collect()
    assert not [str(one.message) for one in recwarn if "never awaited" in str(one.message)]


def test_side_by_side_in_threads() -> None:
    caller = Waiting(nd.Peer("SCP@127.0.0.1:1"))
    barrier = threading.Barrier(3, timeout=LIMIT)

    async def verb(number: int) -> int:
        with suppress(threading.BrokenBarrierError):
            barrier.wait()
        return number

    async def all_of_them() -> list[int]:
        return await caller.together([verb(number) for number in range(3)])

    assert run(all_of_them()) == [0, 1, 2] and not barrier.broken
