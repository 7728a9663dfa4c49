"""Get, move and store against an SCP on loopback, by `Peer` and `AsyncPeer`."""

import os
import signal
import warnings
from pathlib import Path

import pandas as pd
import pydicom
import pytest

import nbdicom as nd
from nbdicom.core.negotiation import MAX_CONTEXTS
from nbdicom.data import instance
from nbdicom.errors import (
    AssociationAborted,
    ConnectionFailed,
    NbdicomError,
    NoPresentationContext,
    OperationFailed,
    QueryError,
)
from nbdicom.operations.requests import Refuse
from nbdicom.peer import IncompleteTransfer, Peer
from nbdicom.peer.contexts import COMMON_STORAGE, retrieve_contexts
from tests.ports import free_port

CT = "1.2.840.10008.5.1.4.1.1.2"


class Archive:
    """CT series to be had by C-GET and C-MOVE."""

    def __init__(self, *images):
        self.images = [instance(image) for image in images]
        self.datasets = images
        self.asked = []

    def get(self, request):
        identifier = request.identifier()
        self.asked.append(identifier)
        wanted = self.datasets
        for key in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
            value = identifier.get(key)
            if value:
                values = [value] if isinstance(value, str) else list(value)
                wanted = [image for image in wanted if image[key].value in values]
        return [instance(image) for image in wanted]

    def find(self, request):
        yield {"StudyInstanceUID": str(request.identifier().StudyInstanceUID), "SOPClassesInStudy": CT}


@pytest.fixture
def archive(make_ct):
    return Archive(*(make_ct(f"1.2.3.{s}", n) for s in (1, 2) for n in (1, 2, 3)))


@pytest.fixture
def pacs(scp_of_both, archive):
    return serving(scp_of_both, archive)


def serving(scp, archive):
    contexts = ["Verification", CT, *(f"StudyRootQueryRetrieveInformationModel{s}" for s in ("Find", "Get", "Move"))]
    return scp(contexts=[role(c) for c in contexts], find=archive.find, get=archive.get)


def role(context):
    from nbdicom.core.negotiation import PresentationContext, context_of

    made = context_of(context)
    return PresentationContext(made.abstract_syntax, made.transfer_syntaxes, True, True) if context == CT else made


@pytest.mark.parametrize(
    "call",
    [
        lambda pacs, to: pacs.get(StudyInstanceUID="1.2.3", to=to),
        lambda pacs, to: pacs.retrieve(StudyInstanceUID="1.2.3", to=to),
        lambda pacs, to: pacs.retrieve(StudyInstanceUID="1.2.3", to=to, wait=False),
        lambda pacs, to: pacs.retrieve(StudyInstanceUID="1.2.3", to=to, method="move", listen=0),
        lambda pacs, to: pacs.pull(StudyInstanceUID="1.2.3", to=to),
        lambda pacs, to: nd.serve(to=to),
    ],
    ids=["get", "retrieve", "retrieve in a job", "move", "pull", "a receiver"],
)
@pytest.mark.parametrize(("below", "words"), [("", "it is a file"), ("x", "Not a directory")])
def test_a_folder_that_is_none_is_said_before_anything_is_asked(scp, archive, tmp_path, call, below, words):
    pacs = serving(scp, archive)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(NbdicomError, match=f"cannot be used: {words}") as caught:
        call(pacs, tmp_path / "notes.txt" / below)
    assert "choose a folder" in str(caught.value) and not archive.asked
    assert (tmp_path / "notes.txt").read_text() == "mine"


# ------------------------------------------------------------------------------- C-GET


def test_get_a_study(pacs, archive, tmp_path):
    got = pacs.get(StudyInstanceUID="1.2.3", to=tmp_path / "new")
    assert got
    assert len(got) == 6
    assert got.failed == ()
    assert sorted(pydicom.dcmread(path).SOPInstanceUID for path in got.paths) == sorted(
        image.SOPInstanceUID for image in archive.datasets
    )
    assert all(row.path.parent == tmp_path / "new" and row.path.stat().st_size > row.size > 0 for row in got)
    assert "6 of 6 instances retrieved" in got.summary
    assert "6 of 6" in repr(got)
    assert "6 of 6" in got._repr_html_()
    assert not [path for path in (tmp_path / "new").iterdir() if path.name.startswith(".")]


def test_the_result_is_a_table_with_keys(pacs, tmp_path):
    df = pacs.get(StudyInstanceUID="1.2.3", SeriesInstanceUID="1.2.3.2", to=tmp_path).to_frame()
    assert df.SOPInstanceUID.dtype == "string"
    assert df.bytes.dtype == "Int64"
    assert df.StudyInstanceUID.unique().tolist() == ["1.2.3"]
    assert df.SeriesInstanceUID.unique().tolist() == ["1.2.3.2"]
    assert df.status.unique().tolist() == ["0000H"]
    assert all(Path(path).exists() for path in df.path)
    assert df.dicom.peer == Peer(pacs, calling=pacs.calling)


def test_the_table_has_the_series_that_was_not_asked_for(pacs, archive, tmp_path):
    got = pacs.get(StudyInstanceUID="1.2.3", to=tmp_path)
    series = {image.SOPInstanceUID: image.SeriesInstanceUID for image in archive.datasets}
    assert dict(got.to_frame()[["SOPInstanceUID", "SeriesInstanceUID"]].to_numpy()) == series
    got.paths[0].unlink()
    assert got.to_frame().SeriesInstanceUID.isna().tolist() == [True, *[False] * 5]


def test_get_instances_by_a_list_of_uids(pacs, archive, tmp_path):
    keys = {"StudyInstanceUID": "1.2.3", "SeriesInstanceUID": "1.2.3.1"}
    got = pacs.get(**keys, SOPInstanceUID=["1.2.3.1.1", "1.2.3.1.3"], to=tmp_path)
    assert got
    assert sorted(row.sop_instance_uid for row in got) == ["1.2.3.1.1", "1.2.3.1.3"]
    assert len(archive.asked) == 1


def test_a_peer_that_does_not_understand_lists_is_asked_one_by_one(scp_of_both, archive, tmp_path):
    def get(request):
        uid = request.identifier().SOPInstanceUID
        return archive.get(request) if isinstance(uid, str) else []

    peer = scp_of_both(contexts=[role(CT), "StudyRootQueryRetrieveInformationModelGet"], get=get)
    uids = [f"1.2.3.1.{n}" for n in (1, 2, 3)]
    got = peer.get(StudyInstanceUID="1.2.3", SeriesInstanceUID="1.2.3.1", SOPInstanceUID=uids, to=tmp_path)
    assert got, got
    assert len(got) == 3


def test_what_is_not_there_is_a_failure_not_an_empty_success(pacs, tmp_path):
    with pytest.warns(IncompleteTransfer, match="sent nothing"):
        got = pacs.get(StudyInstanceUID="9.9", to=tmp_path)
    assert not got
    assert got.paths == []
    assert "study 9.9" in got.summary
    with pytest.raises(OperationFailed, match="sent nothing"):
        pacs.get(StudyInstanceUID="9.9", to=tmp_path, raise_on_error=True)


def test_missing_instances_are_named(pacs, tmp_path):
    with pytest.warns(IncompleteTransfer, match=r"1\.2\.3\.1\.9"):
        got = pacs.get(
            StudyInstanceUID="1.2.3",
            SeriesInstanceUID="1.2.3.1",
            SOPInstanceUID=["1.2.3.1.1", "1.2.3.1.9"],
            to=tmp_path,
        )
    assert [row.sop_instance_uid for row in got.failed] == ["1.2.3.1.9"]
    assert [row.ok for row in got] == [True, False]


def test_fewer_than_the_table_counts_is_a_failure(pacs, tmp_path):
    import pandas as pd

    studies = pd.DataFrame({"StudyInstanceUID": ["1.2.3"], "NumberOfStudyRelatedInstances": [8]})
    with pytest.warns(IncompleteTransfer, match="counts 8 instances, 6 arrived"):
        got = pacs.get(studies, to=tmp_path)
    assert "6 of 8 instances" in got.summary


def test_a_refused_request_does_not_stop_the_others(scp_of_both, archive, tmp_path):
    def get(request):
        if request.identifier().SeriesInstanceUID == "1.2.3.1":
            raise Refuse(0xA701, "busy")
        return archive.get(request)

    peer = scp_of_both(contexts=[role(CT), "StudyRootQueryRetrieveInformationModelGet"], get=get)
    with pytest.warns(IncompleteTransfer, match="A701H"):
        got = peer.get(StudyInstanceUID="1.2.3", SeriesInstanceUID=["1.2.3.1", "1.2.3.2"], to=tmp_path)
    assert len(got.paths) == 3
    assert len(got.failed) == 1


def test_classes_that_the_peer_does_not_send_are_named(scp_of_both, archive, make_ct, tmp_path):
    other = make_ct("1.2.3.5", 1, SOPClassUID="1.2.840.10008.5.1.4.1.1.4")  # MR, for which no context is accepted
    archive.datasets = (*archive.datasets, other)
    peer = scp_of_both(contexts=[role(CT), "StudyRootQueryRetrieveInformationModelGet"], get=archive.get)
    with pytest.warns(IncompleteTransfer, match=r"1\.2\.3\.5\.1"):
        got = peer.get(StudyInstanceUID="1.2.3", to=tmp_path)
    assert len(got.paths) == 6
    assert got.answers[0].failed == 1


def test_get_is_not_offered(scp_of_both, tmp_path):
    peer = scp_of_both(contexts=["Verification"])
    with pytest.raises(NoPresentationContext):
        peer.get(StudyInstanceUID="1.2.3", to=tmp_path)


@pytest.mark.parametrize("options", [{}, {"SeriesInstanceUID": "1.2"}, {"StudyInstanceUID": "1.2", "Modality": "CT"}])
def test_nothing_is_asked_for_without_keys(peer_of, options, tmp_path):
    with pytest.raises(QueryError):
        peer_of("PACS@127.0.0.1:1").get(to=tmp_path, **options)


def test_progress_and_interrupt(pacs, tmp_path):
    seen = []
    pacs.get(StudyInstanceUID="1.2.3", to=tmp_path, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (6, 6)

    def interrupt(done, total):
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        pacs.get(StudyInstanceUID="1.2.3", to=tmp_path / "b", progress=interrupt)
    assert not [path for path in (tmp_path / "b").iterdir() if path.name.startswith(".")]
    kept = caught.value.results
    assert len(kept.paths) == 1 and not kept.ok and "1 instance had come" in caught.value.__notes__[0]
    assert pacs.get(StudyInstanceUID="1.2.3", to=tmp_path / "b")


def test_a_lost_association_keeps_what_has_arrived(scp_of_both, archive, tmp_path):
    def get(request):
        if request.identifier().SeriesInstanceUID == "1.2.3.2":
            for association in peer.server.associations:
                association.abort()
        return archive.get(request)

    peer = scp_of_both(contexts=[role(CT), "StudyRootQueryRetrieveInformationModelGet"], get=get)
    series = ["1.2.3.1", "1.2.3.2", "1.2.3.1"]
    with pytest.warns(IncompleteTransfer):
        got = peer.get(StudyInstanceUID="1.2.3", SeriesInstanceUID=series[:2], to=tmp_path)
    assert len(got.paths) == 3
    assert isinstance(got.answers[1].error, AssociationAborted)
    assert "1.2.3.2" in got.summary


@pytest.mark.parametrize("count", [0, 1, 2, 5, 9, 30, 63, 64, 127, 200])
def test_contexts_fit_into_one_association(count):
    classes = [f"1.2.3.{n}" for n in range(count)]
    contexts = retrieve_contexts(classes)
    assert len(contexts) <= MAX_CONTEXTS - 1
    assert all(context.scp_role and context.scu_role is False for context in contexts)
    assert len({context.abstract_syntax for context in contexts}) == min(count or len(COMMON_STORAGE), 127)


def test_ctrl_c_leaves_no_partial_file(scp_of_both, archive, tmp_path):
    def get(request):
        os.kill(os.getpid(), signal.SIGINT)
        return archive.get(request)

    peer = scp_of_both(contexts=[role(CT), "StudyRootQueryRetrieveInformationModelGet"], get=get)
    with pytest.raises(KeyboardInterrupt):
        peer.get(StudyInstanceUID="1.2.3", to=tmp_path)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


# ------------------------------------------------------------------------------- C-MOVE


@pytest.fixture
def receiver(tmp_path):
    from nbdicom.receiver import Receiver

    with Receiver(tmp_path / "received", ae_title="DEST") as one:
        yield one


@pytest.fixture
def mover(scp_of_both, archive, receiver):
    def destination(title):
        return ("127.0.0.1", int(receiver.address.rpartition(":")[2])) if title == "DEST" else None

    return scp_of_both(
        contexts=["StudyRootQueryRetrieveInformationModelMove"], move=archive.get, destination=destination
    )


@pytest.mark.parity("A.10 storescp", "A.10 movescu")
def test_move_to_a_receiver(mover, receiver):
    moved = mover.move(StudyInstanceUID="1.2.3", SeriesInstanceUID=["1.2.3.1", "1.2.3.2"], to=receiver)
    assert moved
    assert len(moved) == 2
    assert moved.completed == 6
    assert len(receiver.files) == 6
    assert "2 of 2 requests moved" in moved.summary
    assert moved.to_frame().completed.tolist() == [3, 3]
    assert "series 1.2.3.1" in repr(moved)


def test_an_unknown_destination_is_told(mover):
    with pytest.warns(IncompleteTransfer, match="A801H"):
        moved = mover.move(StudyInstanceUID="1.2.3", to="NOWHERE")
    assert not moved
    assert moved.completed == 0
    assert "must have the AE title 'NOWHERE'" in str(moved)


@pytest.mark.parametrize("verb", ["retrieve", "pull"])
def test_a_peer_that_does_not_know_us_and_says_little(scp_of_both, archive, tmp_path, verb):
    """Orthanc answers C000H, "unable to process", where A801H would be the word."""

    def move(request):
        raise nd.Refuse(0xC000)

    peer = scp_of_both(
        contexts=["StudyRootQueryRetrieveInformationModelMove"], move=move, destination=lambda title: ("127.0.0.1", 1)
    )
    with pytest.warns(IncompleteTransfer, match="C000H"):
        result = getattr(peer, verb)(
            StudyInstanceUID="1.2.3", to=tmp_path, listen=f"127.0.0.1:{free_port()}", method="move"
        )
    assert f"must have the AE title '{peer.calling}'" in repr(result) and "no more than this" in repr(result)


def test_an_interrupted_move_says_how_far_it_was(mover, receiver):
    def interrupt(done, total):
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        mover.move(StudyInstanceUID="1.2.3", SeriesInstanceUID=["1.2.3.1", "1.2.3.2"], to=receiver, progress=interrupt)
    first, second = caught.value.results.to_frame().message
    assert first == second == "cancelled before it was done" and "instances had been moved" in caught.value.__notes__[0]


def test_what_a_destination_refuses_is_named(scp_of_both, archive):
    with nd.Server(nd.Handlers(store=lambda request: 0), ae_title="DEST", contexts=["Verification"]) as refusing:
        peer = scp_of_both(
            contexts=["StudyRootQueryRetrieveInformationModelMove"], move=archive.get,
            destination=lambda title: refusing.address,
        )  # fmt: skip
        with pytest.warns(IncompleteTransfer):
            moved = peer.move(StudyInstanceUID="1.2.3", SeriesInstanceUID=["1.2.3.1", "1.2.3.2"], to="DEST")
    assert len(set(moved.failed_uids)) == len(moved.failed_uids) == 6
    assert "may not know the AE title 'DEST', not reach it, or be refused there" in str(moved)


def test_a_peer_that_sends_elsewhere_is_told_to_know_us(scp_of_both, archive, tmp_path):
    elsewhere, port = free_port(), free_port()
    peer = scp_of_both(
        contexts=["StudyRootQueryRetrieveInformationModelMove"],
        move=archive.get,
        destination=lambda title: ("127.0.0.1", elsewhere),
    )
    with pytest.warns(IncompleteTransfer):
        got = peer.retrieve(StudyInstanceUID="1.2.3", to=tmp_path, listen=f"127.0.0.1:{port}", method="move")
    assert f"nothing arrived at {peer.calling}@127.0.0.1:{port}: " in str(got) and "compressed" not in str(got)


def test_a_destination_is_a_title(mover):
    with pytest.raises(Exception, match="AE title"):
        mover.move(StudyInstanceUID="1.2.3", to="127.0.0.1:11112 and more")


def test_retrieve_by_move(scp_of_both, archive, tmp_path):
    port = free_port()
    peer = scp_of_both(
        contexts=["StudyRootQueryRetrieveInformationModelMove"],
        move=archive.get,
        destination=lambda title: ("127.0.0.1", port),
    )
    got = peer.retrieve(StudyInstanceUID="1.2.3", to=tmp_path, listen=f"127.0.0.1:{port}")
    assert got
    assert len(got.paths) == 6


def test_retrieve_by_move_leaves_a_receiver_of_the_same_title_alone(scp, archive, tmp_path):
    """Ours is called as we call, and so is one that somebody has running, or that of a retrieval in another thread."""
    port = free_port()
    peer = scp(
        contexts=["StudyRootQueryRetrieveInformationModelMove"],
        move=archive.get,
        destination=lambda title: ("127.0.0.1", port),
    )
    with nd.Receiver(tmp_path / "mine", ae_title=peer.calling) as mine:
        got = peer.retrieve(StudyInstanceUID="1.2.3", to=tmp_path / "got", listen=f"127.0.0.1:{port}")
        assert got and len(got.paths) == 6 and not mine.files
        assert mine.running and nd.Peer(mine).echo()
        with pytest.raises(ConnectionFailed, match="in use"):
            peer.retrieve(
                StudyInstanceUID="1.2.3", to=tmp_path / "more", listen=f"127.0.0.1:{mine.port}", method="move"
            )
        assert mine.running
    table = got.to_frame()
    assert set(zip(table.StudyInstanceUID, table.SeriesInstanceUID, strict=True)) == {
        ("1.2.3", "1.2.3.1"), ("1.2.3", "1.2.3.2"),
    }  # fmt: skip
    with pytest.raises(NoPresentationContext):
        peer.retrieve(StudyInstanceUID="1.2.3", to=tmp_path)
    with pytest.raises(QueryError, match="port on which we receive"):
        peer.retrieve(StudyInstanceUID="1.2.3", to=tmp_path, method="move")


# ------------------------------------------------------------------------------- C-STORE


@pytest.fixture
def storage(scp_of_both):
    stored = []

    def store(request):
        if request.sop_instance_uid.endswith(".13"):
            raise Refuse(0xA700, "full")
        stored.append(str(request.sop_instance_uid))
        return 0

    peer = scp_of_both(contexts=[CT], store=store)
    peer.stored = stored
    return peer


def save(image, path):
    image.file_meta = pydicom.dataset.FileMetaDataset()
    image.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    image.save_as(path, enforce_file_format=True)
    return path


def test_store_files_folders_and_datasets(storage, make_ct, tmp_path):
    folder = tmp_path / "in" / "deep"
    folder.mkdir(parents=True)
    save(make_ct(number=1), folder / "a.dcm")
    save(make_ct(number=2), folder / "b")
    (folder / "notes.txt").write_text("not DICOM")
    alone = save(make_ct(number=3), tmp_path / "c.dcm")
    sent = storage.store(tmp_path / "in", str(alone), make_ct(number=4))
    assert sent, sent
    assert sorted(storage.stored) == [f"1.2.3.1.{n}" for n in (1, 2, 3, 4)]
    assert len(sent.skipped) == 1
    assert "notes.txt" in sent.skipped[0].source
    assert "4 of 4 instances stored" in sent.summary
    assert "1 file skipped" in sent.summary
    assert sent.to_frame().skipped.sum() == 1


@pytest.mark.parametrize(
    ("item", "source", "words"),
    [
        (pydicom.Dataset(), "Dataset", "no SOP Class UID"),
        (5, "int", "cannot be sent"),
        (pd.DataFrame(), "DataFrame", "cannot be sent"),
    ],
)
def test_what_is_handed_over_and_cannot_be_sent_has_failed(storage, make_ct, item, source, words):
    with pytest.warns(IncompleteTransfer, match=words):
        sent = storage.store(make_ct(number=1), item)
    assert not sent and not sent.skipped
    assert [row.source for row in sent.failed] == [source]
    with pytest.raises(OperationFailed, match=words):
        storage.store(make_ct(number=1), item, raise_on_error=True)


def test_store_of_what_was_retrieved(storage, tmp_path):
    with nd.demo_pacs() as pacs:
        retrieved = Peer(pacs).studies(AccessionNumber="A2100002").dicom.get(tmp_path)
    assert storage.store(retrieved)
    assert sorted(storage.stored) == sorted(path.stem for path in retrieved.paths)


def test_store_of_nothing_says_so(storage, tmp_path):
    with pytest.warns(IncompleteTransfer, match="there was no file to send"):
        assert not storage.store(tmp_path)


def test_store_of_a_table_or_a_part_of_it(storage, make_ct, tmp_path):
    paths = [str(save(make_ct(number=number), tmp_path / f"{number}.dcm")) for number in (1, 2)]
    table = pd.DataFrame({"SOPInstanceUID": ["1.2.3.1.1", "1.2.3.1.2", "1.2.3.1.3"], "path": [*paths, None]})
    for item in (table, table["path"].dropna()):
        assert len(storage.store(item)) == 2
    assert len(storage.store(table.iloc[1])) == 1
    with pytest.warns(IncompleteTransfer, match="a DataFrame cannot be sent"):
        assert not storage.store(table[["SOPInstanceUID"]])


def test_home_is_expanded(storage, make_ct, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    save(make_ct(number=1), tmp_path / "1.dcm")
    assert storage.store("~/1.dcm") and storage.store(Path("~/1.dcm")) and storage.store("~/*.dcm")


def test_store_by_pattern(storage, make_ct, tmp_path):
    for number in (1, 2):
        save(make_ct(number=number), tmp_path / f"{number}.dcm")
    assert len(storage.store(str(tmp_path / "*.dcm"))) == 2


def test_failures_are_named(storage, make_ct, tmp_path):
    mr = save(make_ct(number=7, SOPClassUID="1.2.840.10008.5.1.4.1.1.4"), tmp_path / "mr.dcm")
    with pytest.warns(IncompleteTransfer) as caught:
        sent = storage.store([make_ct(number=12), make_ct(number=13)], mr, tmp_path / "missing.dcm")
    assert len(caught) == 1
    assert [row.ok for row in sorted(sent, key=lambda row: row.source)].count(True) == 1
    assert len(sent.failed) == 3
    text = sent.summary
    assert "missing.dcm" in text
    assert "mr.dcm" in text
    assert "A700H" in text
    with pytest.raises(OperationFailed):
        storage.store(make_ct(number=13), raise_on_error=True)


@pytest.mark.parametrize(
    ("aborted_at", "stored"),
    [
        ({"1.2.3.1.2"}, [1, 3, 4, 5, 6]),
        ({"1.2.3.1.2", "1.2.3.1.5"}, [1, 3, 4, 6]),
        ({"1.2.3.1.1", "1.2.3.1.2"}, [3, 4, 5, 6]),
        ({f"1.2.3.1.{number}" for number in range(2, 7)}, [1]),
    ],
)
def test_an_object_at_which_the_peer_aborts_is_not_in_the_way_of_the_others(scp_of_both, make_ct, aborted_at, stored):
    seen, arrived = [], []

    def store(request):
        uid = str(request.sop_instance_uid)
        seen.append(uid)
        if uid in aborted_at:
            for association in peer.server.associations:
                association.abort()
        else:
            arrived.append(uid)
        return 0

    peer = scp_of_both(contexts=[CT], store=store)
    with pytest.warns(IncompleteTransfer, match="abort"):
        sent = peer.store([make_ct(number=number) for number in range(1, 7)])
    assert arrived == [f"1.2.3.1.{number}" for number in stored]
    assert [str(row.sop_instance_uid) for row in sent if row.ok] == arrived
    assert len(sent.rows) == 6
    assert len(aborted_at) < 5 or len(seen) == 4  # a peer that aborts three times in a row is asked no more


def test_nothing_to_store(storage, tmp_path):
    with pytest.warns(IncompleteTransfer, match="0 of 0"):
        assert not storage.store(tmp_path)


def test_an_interrupted_store_says_what_was_stored(storage, make_ct):
    def interrupt(done, total):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        storage.store([make_ct(number=number) for number in range(1, 5)], progress=interrupt)
    assert [row.ok for row in caught.value.results] == [True, True, False, False]
    assert "2 instances had been stored" in caught.value.__notes__[0]


def test_a_complete_transfer_warns_of_nothing(storage, make_ct):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert storage.store(make_ct(number=1))


def test_a_peer_without_c_get_may_send_by_c_move(scp_of_both, tmp_path):
    peer = scp_of_both(contexts=["StudyRootQueryRetrieveInformationModelMove"])
    with pytest.raises(NoPresentationContext, match=r"listen= \(nbdicom pull --listen\)"):
        peer.get(StudyInstanceUID="1.2.3", to=tmp_path)


def test_a_pull_that_nothing_reaches_says_where_it_listened(tmp_path):
    port = free_port()
    with nd.demo_pacs(root=tmp_path / "archive", allow={"TESTER": ("127.0.0.1", free_port())}) as demo:
        peer = Peer(demo, calling="TESTER")
        studies = peer.studies(limit=1)
        with pytest.warns(IncompleteTransfer):
            pulled = peer.pull(studies, to=tmp_path / "here", method="move", listen=f"127.0.0.1:{port}")
    assert pulled.hints[0].startswith(f"nothing arrived at TESTER@127.0.0.1:{port}: ") and len(pulled.hints) == 2
