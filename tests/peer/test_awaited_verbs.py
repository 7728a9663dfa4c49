"""The verbs of `AsyncPeer` among other tasks, and what the cancellation of theirs leaves.

What they have in common with those of `Peer` is in `test_find`, `test_transfer`, `test_missing` and `test_broken_find`.
"""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import nbdicom as nd
from nbdicom import Handlers, PresentationContext, aio
from nbdicom.data import instance
from nbdicom.errors import AssociationAborted
from nbdicom.pacs.samples import sample_instances
from nbdicom.peer.notices import IncompleteTransfer, OptionalKeysNotSupported, PeerWarning
from nbdicom.peer.pulled import PullResult
from nbdicom.peer.results import MoveResult, RetrieveResult, StoreResult

from .conftest import MODELS, PATIENT

CT = "1.2.840.10008.5.1.4.1.1.2"
CONTEXTS = ["Verification", *MODELS, PresentationContext(nd.UID(CT), scu_role=True, scp_role=True)]


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(asyncio.wait_for(work, 60))


class Scp:
    """An SCP in the loop of the test, which waits in the middle of what it does until it is told to go on."""

    def __init__(self, image: Callable[..., Any], count: int = 5) -> None:
        self.images = [image(number=number) for number in range(1, count + 1)]
        self.reached, self.go_on = asyncio.Event(), asyncio.Event()
        self.cancelled = False

    async def pause(self) -> None:
        self.reached.set()
        await self.go_on.wait()

    async def find(self, request: Any) -> Any:
        try:
            for number in range(5):
                if number == 3:
                    await self.pause()
                yield {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": f"1.2.{number}"}
        finally:
            self.cancelled = request.cancelled

    async def get(self, request: Any) -> list[Any]:
        return [instance(image) for image in self.images]

    async def store(self, request: Any) -> int:
        if request.sop_instance_uid == self.images[2].SOPInstanceUID:
            await self.pause()
        return 0

    def serve(self) -> Any:
        """It, to be entered."""
        handlers = Handlers(
            find=self.find, get=self.get, move=self.get, store=self.store,
            destination=lambda title: self.address,
        )  # fmt: skip
        return aio.serve(handlers, ae_title="SCP", contexts=CONTEXTS, host="memory")

    address: tuple[str, int] = ("", 0)


async def stopped(scp: Scp, verb: Coroutine[Any, Any, Any]) -> asyncio.CancelledError:
    """Cancel the task of a verb while the SCP waits, and what it raises then."""
    task = asyncio.ensure_future(verb)
    await scp.reached.wait()
    task.cancel()
    await asyncio.sleep(0)
    scp.go_on.set()
    with pytest.raises(asyncio.CancelledError) as caught:
        await task
    assert task.cancelled()
    return caught.value  # type: ignore[return-value]


def peer_of(server: aio.Server) -> nd.AsyncPeer:
    return nd.AsyncPeer("SCP", *server.address, timeouts=PATIENT)


def test_a_cancelled_query_is_cancelled_at_the_peer_and_keeps_what_had_come(make_ct: Any) -> None:
    async def work() -> None:
        scp = Scp(make_ct)
        async with scp.serve() as server:
            error = await stopped(scp, peer_of(server).studies())
            assert scp.cancelled and not server.associations
        kept: pd.DataFrame = error.results  # type: ignore[attr-defined]
        assert kept.StudyInstanceUID.tolist() == ["1.2.0", "1.2.1", "1.2.2"]
        assert kept.dicom.truncated and kept.dicom.provenance["incomplete"] == "interrupted"
        assert "3 answers had come" in error.__notes__[0]

    run(work())


def test_a_cancelled_retrieval_says_what_has_come(make_ct: Any, tmp_path: Path) -> None:
    async def work() -> None:
        scp = Scp(make_ct, count=30)
        scp.go_on.set()
        async with scp.serve() as server:
            verb = peer_of(server).get(
                StudyInstanceUID="1.2.3",
                SeriesInstanceUID=["1.2.3.1", "1.2.3.2"],
                to=tmp_path,
                progress=lambda done, total: task.cancel() if done == 2 else None,
            )
            task = asyncio.ensure_future(verb)
            with pytest.raises(asyncio.CancelledError) as caught:
                await task
            assert not server.associations
        kept: RetrieveResult = caught.value.results  # type: ignore[attr-defined]
        assert 2 <= len(kept.paths) < 30 and all(path.exists() for path in kept.paths) and not kept.ok
        assert [answer.message for answer in kept.answers] == ["cancelled before it was done"] * 2
        assert not list(tmp_path.glob(".*")) and "instances had come" in caught.value.__notes__[0]

    run(work())


def test_a_cancelled_move_says_how_far_it_was(make_ct: Any) -> None:
    async def work() -> None:
        scp = Scp(make_ct)
        async with scp.serve() as server:
            scp.address = server.address
            error = await stopped(scp, peer_of(server).move(StudyInstanceUID="1.2.3", to="SCP"))
        kept: MoveResult = error.results  # type: ignore[attr-defined]
        assert len(kept) == 1 and "cancelled before it was done" in kept.summary

    run(work())


def test_a_cancelled_store_says_what_was_not_sent(make_ct: Any) -> None:
    async def work() -> None:
        scp = Scp(make_ct)
        async with scp.serve() as server:
            error = await stopped(scp, peer_of(server).store(scp.images))
            assert not server.associations
        kept: StoreResult = error.results  # type: ignore[attr-defined]
        assert [row.ok for row in kept] == [True, True, False, False, False]
        assert "2 instances had been stored" in error.__notes__[0]

    run(work())


def test_a_cancelled_retrieval_by_move_says_what_has_come(make_ct: Any, tmp_path: Path) -> None:
    async def work() -> None:
        scp = Scp(make_ct, count=30)
        scp.go_on.set()
        scp.address = ("memory", 4711)
        async with scp.serve() as server:
            verb = peer_of(server).retrieve(
                StudyInstanceUID="1.2.3",
                to=tmp_path,
                method="move",
                listen="memory:4711",
                progress=lambda done, total: task.cancel() if done == 2 else None,
            )
            task = asyncio.ensure_future(verb)
            with pytest.raises(asyncio.CancelledError) as caught:
                await task
        kept: RetrieveResult = caught.value.results  # type: ignore[attr-defined]
        assert 2 <= len(kept.paths) < 30 and all(path.exists() for path in kept.paths) and not kept.ok
        assert kept.answers[0].message == "cancelled before it was done" and not list(tmp_path.glob(".*"))

    run(work())


def test_a_cancelled_pull_goes_on_the_next_time(tmp_path: Path) -> None:
    async def work() -> None:
        with nd.demo_pacs(host="memory") as pacs:
            peer = nd.AsyncPeer(pacs)
            studies = await peer.studies(ModalitiesInStudy="MR")

            def progress(done: int, total: int | None) -> None:
                if list(tmp_path.rglob("*.dcm")):
                    task.cancel()

            task = asyncio.ensure_future(peer.pull(studies, to=tmp_path, progress=progress))
            with pytest.raises(asyncio.CancelledError) as caught:
                await task
            kept: PullResult = caught.value.results  # type: ignore[attr-defined]
            assert kept.new and not kept.ok and set(kept.paths) == set(tmp_path.rglob("*.dcm"))
            result = await peer.pull(studies, to=tmp_path)
            assert result.ok and result.new + kept.new == len(result.paths)
            again = await peer.pull(studies, to=tmp_path, recheck=True)
            assert again.ok and not again.new

    run(work())


def test_what_the_peer_counts_is_waited_for(make_ct: Any, tmp_path: Path) -> None:
    """It answers the C-MOVE before the last instance has come."""

    async def work() -> None:
        scp = Scp(make_ct, count=3)
        late: list[asyncio.Task[None]] = []

        async def send() -> None:
            contexts = [(CT, "1.2.840.10008.1.2.1")]
            async with aio.associate(("memory", 4712), called="NBDICOM", contexts=contexts) as association:
                assert all([stored.ok async for stored in association.store(scp.images)])

        def move(request: Any) -> Any:
            late.append(asyncio.get_running_loop().create_task(send()))
            return [instance(image) for image in scp.images]  # to somebody else; we get them later

        handlers = Handlers(move=move, destination=lambda title: elsewhere.address)
        async with (
            aio.serve(
                Handlers(store=lambda request: 0), ae_title="NBDICOM", contexts=CONTEXTS, host="memory"
            ) as elsewhere,
            aio.serve(handlers, ae_title="SCP", contexts=CONTEXTS, host="memory") as server,
        ):
            result = await peer_of(server).retrieve(
                StudyInstanceUID="1.2.3", to=tmp_path, method="move", listen="memory:4712"
            )
            await late[0]
        assert len(result.paths) == 3

    run(work())


def test_a_timeout_leads_to_what_had_come(make_ct: Any) -> None:
    async def work() -> None:
        scp = Scp(make_ct)
        async with scp.serve() as server:
            with pytest.raises(TimeoutError) as caught:
                async with asyncio.timeout(None) as limit:
                    asyncio.get_running_loop().create_task(expire(scp, limit))
                    await peer_of(server).studies()
        assert len(caught.value.__cause__.results) == 3  # type: ignore[union-attr]

    async def expire(scp: Scp, limit: asyncio.Timeout) -> None:
        await scp.reached.wait()
        limit.reschedule(asyncio.get_running_loop().time())
        scp.go_on.set()

    run(work())


def test_a_second_cancellation_waits_for_nobody(make_ct: Any) -> None:
    """The peer does not answer the C-CANCEL: the association is aborted, and what had come is kept all the same."""

    async def work() -> None:
        scp = Scp(make_ct)
        async with scp.serve() as server:
            task = asyncio.ensure_future(peer_of(server).studies())
            await scp.reached.wait()
            task.cancel()
            for _ in range(20):
                await asyncio.sleep(0)
            assert not task.done()
            task.cancel()
            with pytest.raises(asyncio.CancelledError) as caught:
                await task
            scp.go_on.set()
        assert len(caught.value.results) == 3  # type: ignore[attr-defined]

    run(work())


def test_nothing_is_kept_where_nothing_had_come() -> None:
    async def work() -> None:
        connected = asyncio.Event()

        async def silent(reader: Any, writer: Any) -> None:
            connected.set()
            await reader.read()
            writer.close()

        server = await asyncio.start_server(silent, "127.0.0.1")
        async with server:
            task = asyncio.ensure_future(nd.AsyncPeer("SCP", *server.sockets[0].getsockname()[:2]).studies())
            await connected.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError) as caught:
                await task
            assert not hasattr(caught.value, "results")

    run(work())


def test_many_verbs_at_once(make_ct: Any, tmp_path: Path) -> None:
    async def work() -> None:
        scp = Scp(make_ct)
        scp.go_on.set()
        async with scp.serve() as server:
            scp.address = server.address
            peer = peer_of(server)
            found, got, moved, sent = await asyncio.gather(
                peer.studies(),
                peer.get(StudyInstanceUID="1.2.3", to=tmp_path),
                peer.move(StudyInstanceUID="1.2.3", to="SCP"),
                peer.store(scp.images),
            )
        assert len(found) == 5 and got.ok and moved.ok and moved.completed == 5 and sent.ok

    run(work())


def test_other_tasks_go_on_while_files_are_looked_at(tmp_path: Path) -> None:
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def work() -> None:
        for number in range(30):
            (tmp_path / f"{number}.txt").write_text("not DICOM")
        counting = asyncio.ensure_future(count())
        with pytest.warns(IncompleteTransfer, match="30 files skipped"):
            result = await nd.AsyncPeer("NOBODY@memory:1").store(tmp_path)
        counting.cancel()
        assert len(result.skipped) == 30 <= turns

    run(work())


def test_a_warning_names_the_line_of_the_caller(scp: Any) -> None:
    def find(request: Any) -> Iterator[dict[str, str]]:
        request.pending_status = 0xFF01
        yield {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": "1.2"}

    async def work() -> None:
        peer = scp(find=find)
        await nd.AsyncPeer(peer.ae_title, peer.host, peer.port).studies()

    with pytest.warns(OptionalKeysNotSupported) as caught:
        asyncio.run(work())
    assert {warning.filename for warning in caught} == {__file__}


def test_a_lost_association_is_told_in_the_result(make_ct: Any, tmp_path: Path) -> None:
    """And the next request has another one."""

    async def work() -> RetrieveResult:
        scp = Scp(make_ct)
        scp.go_on.set()

        async def get(request: Any) -> list[Any]:
            if request.identifier().SeriesInstanceUID == "1.2.3.2":
                server.associations[0].abort()
            return [instance(image) for image in scp.images]

        scp.get = get  # type: ignore[method-assign]
        async with scp.serve() as server:
            series = ["1.2.3.1", "1.2.3.2", "1.2.3.3"]
            with pytest.warns(IncompleteTransfer):
                return await peer_of(server).get(StudyInstanceUID="1.2.3", SeriesInstanceUID=series, to=tmp_path)

    result = run(work())
    assert [type(answer.error) for answer in result.answers] == [type(None), AssociationAborted, type(None)]


def test_a_hospital_in_one_loop(tmp_path: Path) -> None:
    """A PACS without threads and sockets, from tables to files and back, down all levels."""

    async def work() -> None:
        with (
            nd.demo_pacs(host="memory") as pacs,
            nd.Receiver(ae_title="WORKSTATION", host="memory") as workstation,
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("error", PeerWarning)
            peer = nd.AsyncPeer(pacs)
            studies = await peer.studies(ModalitiesInStudy="MR", limit=2)
            assert len(await peer.patients()) == pacs.counts()["patients"]
            series = await peer.series(studies)
            instances = await peer.instances(series.head(1))
            assert len(instances) > 1 and len(await peer.find("IMAGE", series.head(1), raw=True)) == len(instances)
            got = await peer.get(instances, to=tmp_path)
            assert got.ok and len(got.to_frame()) == len(instances)
            assert (await nd.AsyncPeer(workstation).store(got)).ok and len(workstation.files) == len(instances)
            pacs.allow["WORKSTATION"] = ("memory", workstation.port)
            moved = await peer.move(series.head(1), to=workstation)
            assert moved.ok and moved.completed == len(instances)
            assert list((await peer.worklist(limit=1)).columns)[0] == "ScheduledProcedureStepStartDate"
            pacs.allow["NBDICOM"] = ("memory", 4713)
            moved_here = await peer.retrieve(series, to=tmp_path / "here", method="move", listen="memory:4713")
            assert moved_here.ok and len(moved_here.paths) == len(await peer.instances(series))

    run(work())


def test_a_table_leads_to_a_peer_with_the_same_secrets() -> None:
    """However often it is asked; else the next step would go out without them."""
    with nd.Pacs(durability="none") as pacs:
        pacs.add(next(sample_instances()))
        peer = nd.AsyncPeer(pacs, identity=nd.UserIdentity.with_passcode("somebody", "secret"))
        found = run(peer.studies())
        for _ in range(2):
            blocking = found.dicom.peer
            assert blocking == nd.Peer(pacs) and blocking.identity is peer.identity
            del blocking
        assert "secret" not in str(found.attrs)
