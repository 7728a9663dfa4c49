"""The asyncio driver and its peer with DCMTK, Orthanc and pynetdicom: echo, store, find, get and move; and as their SCP."""

from __future__ import annotations

import asyncio

import pytest

import nbdicom as nd
from nbdicom import aio
from nbdicom.core.negotiation import PresentationContext
from nbdicom.data import FolderSink, codec, instance
from nbdicom.operations.contexts import storage_contexts

from . import corpus, peers
from .test_scp import of_study

MODELS = [f"StudyRootQueryRetrieveInformationModel{service}" for service in ("Find", "Get", "Move")]
STUDY = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": corpus.study_uid(1)}


# ------------------------------------------------------------------------------- SCU


@pytest.mark.parametrize("name", ["dcmqrscp", "pynetdicom"])
def test_all_services_on_one_association(name, request, files, receiver, tmp_path):
    scp = request.getfixturevalue(name)
    wanted = of_study(files, 1)
    stored = [PresentationContext(c.abstract_syntax, c.transfer_syntaxes, scu_role=True, scp_role=True)
              for c in storage_contexts(map(instance, wanted.values()), codec)]  # fmt: skip
    folder = tmp_path / "got"
    folder.mkdir()

    async def use():
        contexts = ["Verification", *MODELS, *stored]
        host, port = peers.LOOPBACK, scp.port
        async with aio.associate(
            (host, port), called=scp.ae_title, calling="NBDICOM", contexts=contexts
        ) as association:
            for _ in range(10):
                assert await association.echo() == 0
            found = [
                m.dataset() async for m in association.find({**STUDY, "StudyInstanceUID": "", "PatientID": "IT-*"})
            ]
            assert sorted(str(one.StudyInstanceUID) for one in found) == sorted(map(corpus.study_uid, corpus.STUDIES))
            async with association.find({**STUDY, "StudyInstanceUID": "", "PatientID": "IT-*"}) as answers:
                await anext(answers)
            assert answers.status in (0xFE00, 0x0000)
            got = [one async for one in association.get(STUDY, sink=FolderSink(folder))]
            assert got[-1].status == 0 and got[-1].completed == len(wanted)
            moved = [one async for one in association.move(STUDY, destination="NBDICOM")]
            assert moved[-1].status == 0 and moved[-1].completed == len(wanted)
            assert await association.echo() == 0

    asyncio.run(use())
    corpus.assert_same(wanted, corpus.in_folder(folder), bits=False)
    assert {str(one.sop_instance_uid) for one in receiver.files} == set(wanted)


@pytest.mark.parametrize("name", ["storescp", "empty_pynetdicom"])
def test_store(name, request, files):
    scp = request.getfixturevalue(name)

    async def use():
        instances = [instance(path) for path in files.values()]
        contexts = storage_contexts(instances, codec)
        where = (peers.LOOPBACK, scp.port)
        async with aio.associate(where, called=scp.ae_title, calling="NBDICOM", contexts=contexts) as association:
            assert all([stored.ok async for stored in association.store(instances)])

    asyncio.run(use())
    there = scp.folder / "store" if name == "empty_pynetdicom" else scp.folder
    corpus.assert_same(files, corpus.in_folder(there), bits=True)


@pytest.mark.parametrize("name", ["dcmqrscp", "orthanc"])
def test_an_archive_by_the_verbs_of_a_peer(name, request, files, receiver, tmp_path):
    scp = request.getfixturevalue(name)
    wanted = of_study(files, 1)

    async def use():
        peer = nd.AsyncPeer(scp.address, calling="NBDICOM")
        assert await peer.echo()
        studies, cut = await asyncio.gather(peer.studies(PatientID="IT-*"), peer.studies(PatientID="IT-*", limit=1))
        assert sorted(studies.StudyInstanceUID) == sorted(map(corpus.study_uid, corpus.STUDIES))
        assert len(cut) == 1 and cut.dicom.truncated
        one = studies[studies.StudyInstanceUID == corpus.study_uid(1)]
        instances = await peer.instances(await peer.series(one))
        assert set(instances.SOPInstanceUID) == set(wanted)
        assert (await peer.get(one, to=tmp_path / "got")).ok
        moved = await peer.move(one, to="NBDICOM")
        assert moved.ok and moved.completed == len(wanted)

    asyncio.run(use())
    corpus.assert_same(wanted, corpus.in_folder(tmp_path / "got"), bits=False)
    assert {str(one.sop_instance_uid) for one in receiver.files} == set(wanted)


@pytest.mark.parametrize("method", ["get", "move"])
def test_a_pull_by_the_verb_of_a_peer(method, dcmqrscp, files, move_port, tmp_path):
    wanted = of_study(files, 1)

    async def use():
        peer = nd.AsyncPeer(dcmqrscp.address, calling="NBDICOM")
        keys = {"StudyInstanceUID": corpus.study_uid(1), "to": tmp_path}
        result = await peer.pull(**keys, method=method, listen=move_port)
        assert result.ok and result.new == len(wanted), result
        assert (await peer.pull(**keys, tries=0)).ok

    asyncio.run(use())
    corpus.assert_same(wanted, corpus.in_folder(tmp_path), bits=False)


def test_store_by_the_verb_of_a_peer(storescp, files):
    result = asyncio.run(nd.AsyncPeer(storescp.address).store(*files.values()))
    assert result.ok and len(result) == len(files), result
    corpus.assert_same(files, corpus.in_folder(storescp.folder), bits=True)


# ------------------------------------------------------------------------------- SCP


@pytest.fixture
def archive(pacs, pacs_destinations):
    """``archive(work)`` runs ``work(address)`` in a thread while the PACS is served by an event loop."""

    def serve(work):
        async def run():
            async with aio.serve(pacs.handlers(), ae_title="LOOP", contexts=pacs.support()) as server:
                await asyncio.to_thread(work, *server.address)
                assert server.running

        asyncio.run(run())

    return serve


def test_dcmtk(archive, tool, files, tmp_path, pacs_destinations):
    wanted = of_study(files, 1)
    keys = ["-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={corpus.study_uid(1)}"]
    got, moved = tmp_path / "got", tmp_path / "moved"
    got.mkdir()
    moved.mkdir()

    def work(host: str, port: int) -> None:
        where = ["-aec", "LOOP", host, port]
        said = peers.run([tool("echoscu"), "-v", "--repeat", 10, *where]).stdout
        assert said.count("Received Echo Response (Success)") == 10
        said = peers.run([tool("storescu"), "-v", *where, *wanted.values()]).stdout
        assert said.count("Received Store Response (Success)") == len(wanted)
        said = peers.run([tool("findscu"), "-v", "-S", *keys, *where]).stdout
        assert said.count("Pending") == 1 and "Received Final Find Response (Success)" in said
        peers.run([tool("getscu"), "-v", "-S", "+B", "-od", got, *keys, *where])
        argv = [tool("movescu"), "-v", "-S", "+B", "+P", pacs_destinations["MOVESCU"], "-aem", "MOVESCU", *keys, *where]
        assert "Received Final Move Response (Success)" in peers.run(argv, cwd=moved).stdout

    archive(work)
    for folder in (got, moved):
        corpus.assert_same(wanted, corpus.in_folder(folder), bits=False)


def test_pynetdicom(archive, files, tmp_path, pacs_destinations):
    try:
        peers.pynetdicom()
    except peers.Missing as missing:
        pytest.skip(str(missing))
    wanted = of_study(files, 1)
    got, moved = tmp_path / "got", tmp_path / "moved"
    got.mkdir()

    def work(host: str, port: int) -> None:
        address = f"LOOP@{host}:{port}"
        scu = peers.pynetdicom_scu
        assert scu("echo", address)["statuses"] == [0x0000]
        said = scu("store", address, files=[str(path) for path in wanted.values()])
        assert set(said["statuses"]) == {0x0000}
        query = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": ""}
        assert scu("find", address, identifier=query)["statuses"] == [0xFF00] * len(corpus.STUDIES) + [0x0000]
        said = scu("find", address, identifier=query, cancel_after=1)
        assert said["again"] == [0xFF00] * len(corpus.STUDIES) + [0x0000]
        assert scu("get", address, identifier=STUDY, folder=got)["statuses"][-1] == 0x0000
        with nd.Receiver(moved, ae_title="PYNETSCU", port=pacs_destinations["PYNETSCU"]) as receiver:
            said = scu("move", address, identifier=STUDY, destination="PYNETSCU")
            assert said["statuses"][-1] == 0x0000 and len(receiver.files) == len(wanted)

    archive(work)
    corpus.assert_same(wanted, corpus.in_folder(got), bits=False)
    corpus.assert_same(wanted, corpus.in_folder(moved), bits=True)
