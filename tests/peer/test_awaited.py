"""`AsyncPeer`: the workflow of a hospital from an event loop, over sockets and in memory."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Coroutine, Iterator
from typing import Any

import pytest

import nbdicom as nd
from nbdicom.errors import LocalProtocolError, OperationFailed
from nbdicom.operations.requests import Refuse
from nbdicom.pacs.samples import sample_instances

ENTRY = {"StudyInstanceUID": "1.2.3", "Modality": "CT", "PatientID": "P1", "PatientName": "Doe^John"}


@pytest.fixture(params=["127.0.0.1", "memory"])
def pacs(request: pytest.FixtureRequest) -> Iterator[nd.Pacs]:
    with nd.Pacs(durability="none", report_pauses=(0.01,) * 100, host=request.param) as pacs:
        yield pacs


@pytest.fixture
def peer(pacs: nd.Pacs) -> nd.AsyncPeer:
    return nd.AsyncPeer(pacs, calling="CT1")


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(asyncio.wait_for(work, 60))


def test_echo_and_what_is_on_an_association(peer: nd.AsyncPeer) -> None:
    async def work() -> None:
        assert await peer.echo()
        async with peer.associate() as association:
            keys = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": ""}
            assert [match async for match in association.find(keys)] == []

    run(work())
    assert repr(peer).startswith("AsyncPeer('NBPACS@")
    assert "await pacs.studies(" in str(peer.table())


def test_a_procedure_step(pacs: nd.Pacs, peer: nd.AsyncPeer) -> None:
    async def work() -> None:
        async with peer.mpps(ENTRY) as step:
            assert step.status == "IN PROGRESS"
            await step.update(PerformedProcedureStepDescription="Head")
            step.add([next(sample_instances())])
        assert step.status == "COMPLETED"
        with pytest.raises(LocalProtocolError, match="COMPLETED, not in progress"):
            await step.update(PerformedProcedureStepDescription="late")
        with pytest.raises(ZeroDivisionError):
            async with peer.mpps(ENTRY) as other:
                raise ZeroDivisionError
        assert other.status == "DISCONTINUED"

    run(work())
    assert sorted(row[1] for row in pacs.procedure_steps.table().rows) == ["COMPLETED", "DISCONTINUED"]


@pytest.mark.parametrize("rows", [0, 2])
def test_workitems_of_a_query_that_breaks_off_are_kept(rows: int) -> None:
    def find(request: Any) -> Iterator[dict[str, str]]:
        yield from ({"SOPInstanceUID": f"1.2.{k}"} for k in range(rows))
        raise Refuse(0xC001, "no more")

    with nd.Server(nd.Handlers(find=find), ae_title="UPS", contexts=["UnifiedProcedureStepPull"]) as server:
        peer = nd.AsyncPeer("UPS", *server.address)
        with pytest.raises(OperationFailed, match="C001H") as caught:
            run(peer.workitems.find())
    kept = caught.value.results
    assert (kept is None) == (rows == 0)
    if rows:
        assert kept["SOPInstanceUID"].tolist() == ["1.2.0", "1.2.1"] and "2 answers had come" in str(caught.value)
        assert kept.dicom.truncated and "INCOMPLETE" in kept.dicom.caption


def test_workitems(pacs: nd.Pacs, peer: nd.AsyncPeer) -> None:
    pacs.allow["WATCHER"] = ("127.0.0.1", 1)

    async def work() -> None:
        uid = await peer.workitems.create(ProcedureStepLabel="CAD")
        await peer.workitems.create(ProcedureStepLabel="other")
        assert await peer.workitems.subscribe(uid, receiver="WATCHER") == 0
        found = await peer.workitems.find(ProcedureStepLabel="CAD")
        assert list(found["SOPInstanceUID"]) == [uid]
        assert (await peer.workitems.find(limit=1)).dicom.truncated
        assert len(await peer.workitems.find(limit=2)) == 2
        assert not (await peer.workitems.find(limit=2)).dicom.truncated
        async with await peer.workitems.claim(uid) as claim:
            await claim.progress(50, "half")
            await claim.perform(station="CAD1")
        assert claim.state == "COMPLETED"
        assert (await peer.workitems.get(uid)).ProcedureStepState == "COMPLETED"
        assert await peer.workitems.unsubscribe(uid, receiver="WATCHER") == 0
        with pytest.raises(OperationFailed, match="C301H"):
            await peer.workitems.claim(uid)
        again = await peer.workitems.create()
        with pytest.raises(ZeroDivisionError):
            async with await peer.workitems.claim(again) as claim:
                raise ZeroDivisionError
        assert claim.state == "CANCELED"
        assert await peer.workitems.cancel(again) == 0xB304

    run(work())


def test_commitment_on_an_association_of_the_peer() -> None:
    images = [next(sample_instances())]
    model = nd.UID.of("StorageCommitmentPushModel")
    reports: list[Any] = []

    async def work() -> Any:
        async def n_action(request: Any) -> None:
            reports.append(request.dataset())
            asyncio.get_running_loop().create_task(report(request.dataset()))

        async def report(wanted: Any) -> None:
            role = nd.PresentationContext(model, scu_role=False, scp_role=True)
            async with nd.aio.associate(("memory", 4711), called="CT1", contexts=[role]) as association:
                told = {"TransactionUID": wanted.TransactionUID, "ReferencedSOPSequence": wanted.ReferencedSOPSequence}
                await association.n_event_report(model, f"{model}.1", 1, told)

        handlers = nd.Handlers(n_action=n_action)
        async with nd.aio.serve(handlers, ae_title="ARCHIVE", contexts=[model], host="memory") as server:
            peer = nd.AsyncPeer("ARCHIVE", *server.address, calling="CT1")
            return await peer.commit(images, listen="memory:4711", timeout=30)

    committed = run(work())
    assert committed.ok and len(committed) == 1


def test_a_report_that_never_comes() -> None:
    model = "StorageCommitmentPushModel"

    async def work() -> Any:
        handlers = nd.Handlers(n_action=lambda request: None)
        async with nd.aio.serve(handlers, ae_title="ARCHIVE", contexts=[model], host="memory") as server:
            peer = nd.AsyncPeer("ARCHIVE", *server.address)
            return await peer.commit([next(sample_instances())], timeout=0.05)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = run(work())
    assert not result.ok and result.event_type is None and "no report came" in str(result)
