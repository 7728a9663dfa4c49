"""nbdicom as SCU: echo, store, find, get and move with other people's SCPs."""

from __future__ import annotations

from pathlib import Path

import pytest

import nbdicom as nd
from nbdicom.errors import AssociationRejected, NoPresentationContext
from nbdicom.peer.notices import IncompleteTransfer, ResponseLimitReached

from . import corpus, peers
from .conftest import started
from .matrix import cell_mark

ARCHIVES = ("dcmqrscp", "orthanc", "pynetdicom")
_PEER = {"storescp": "DCMTK", "dcmqrscp": "DCMTK", "orthanc": "Orthanc", "pynetdicom": "pynetdicom"}


def by_peer(operation, *names):
    """The same test once for each SCP, each in its cell; the fixture of that name is the SCP."""

    def decorate(test):
        cases = []
        for name in names:
            tool = {"orthanc": "Orthanc", "pynetdicom": "AE", "empty_pynetdicom": "AE"}.get(name, name)
            peer = _PEER[name.removeprefix("empty_")]
            marks = cell_mark(operation, "SCU", peer, tool)
            cases.append(pytest.param(name, marks=marks, id=name.removeprefix("empty_")))
        return pytest.mark.parametrize("name", cases)(test)

    return decorate


@pytest.fixture
def scp(request, name):
    return request.getfixturevalue(name)


@pytest.fixture
def peer(scp):
    """nbdicom's view of the SCP; our title is the one that every archive knows as a destination."""
    return nd.Peer(scp.address, calling="NBDICOM")


# ------------------------------------------------------------------------------- echo


@by_peer("echo", "storescp", *ARCHIVES)
@pytest.mark.parity("A.2 C-ECHO", "A.4 Verification")
def test_echo(peer):
    report = peer.echo()
    assert report, report
    assert [step.name for step in report.steps if not step.ok] == []
    assert report.negotiation.accepted and report.negotiation.max_length_send > 0


@by_peer("echo", "storescp", *ARCHIVES)
def test_many_echoes_on_one_association(peer):
    with peer.associate(["Verification"]) as association:
        assert [association.echo() for _ in range(20)] == [0x0000] * 20


@by_peer("echo", *ARCHIVES)
def test_another_called_title_is_rejected(scp):
    stranger = nd.Peer(f"NOBODY@{scp.address.partition('@')[2]}")
    with pytest.raises(AssociationRejected) as caught:
        stranger.associate()
    rejected = caught.value
    assert (rejected.result, rejected.source, rejected.reason_diag) == (1, 1, 7)
    report = stranger.echo()
    assert not report and type(report.error) is AssociationRejected


@by_peer("echo", "storescp", *ARCHIVES)
def test_a_class_that_nobody_has_is_refused_in_its_context(peer):
    unknown = "1.2.826.0.1.3680043.8.498.77.404"
    model = "StudyRootQueryRetrieveInformationModelFind"
    with peer.associate(["Verification", model, (unknown, ["ImplicitVRLittleEndian"])]) as association:
        assert association.echo() == 0x0000
        contexts = {context.abstract_syntax: context.accepted for context in association.negotiation.contexts}
        assert len(contexts) == 3 and contexts["1.2.840.10008.1.1"]
        if not contexts[unknown]:
            with pytest.raises(NoPresentationContext):
                association.find({"QueryRetrieveLevel": "STUDY"}, model=unknown)


# ------------------------------------------------------------------------------- store


def arrived(name, scp):
    """What an SCP has, by SOP Instance UID: files or the bytes of files."""
    if name == "orthanc":
        return scp.instances()
    return corpus.in_folder(scp.folder / ("received" if name == "storescp" else "store"))


def renamed(ds, study):
    """Make an instance one of another patient, whom no query of the other tests matches."""
    ds.PatientID, ds.PatientName, ds.StudyDate, ds.AccessionNumber = "STORED", "Stored^Object", "20200101", "STORED"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = corpus.study_uid(study), corpus.series_uid(study, 1)


@by_peer("store", "storescp", "dcmqrscp", "orthanc", "empty_pynetdicom")
@pytest.mark.parity("A.2 C-STORE", "A.4 Storage")
def test_store(name, request, files, tmp_path):
    # Other UIDs than those of the corpus, which the archives already have: nothing that arrives can be old.
    own = {}
    for number in range(1, 4):
        ds = corpus.dataset(corpus.SERIES[0], 100 + number)
        renamed(ds, 90)
        path = tmp_path / f"{number}.dcm"
        ds.save_as(path, enforce_file_format=True)
        own[str(ds.SOPInstanceUID)] = path
    scp = request.getfixturevalue(name)
    try:
        result = nd.Peer(scp.address, calling="NBDICOM").store(*own.values())
        assert result.ok and [row.status for row in result] == [0x0000] * 3, result
        there = arrived(name, scp)
        got = {uid: there[uid] for uid in own}
        # Orthanc writes files with its own encoder; the others keep what they receive.
        corpus.assert_same(own, got, bits=name != "orthanc")
    finally:
        if name == "orthanc":
            scp.clear()


@by_peer("store", "storescp", "empty_pynetdicom")
@pytest.mark.parity("A.2 C-STORE", "A.8 STORE_SEND_CHUNKED_DATASET")
def test_store_the_corpus_bit_for_bit(name, scp, peer, files):
    result = peer.store(*files.values())
    assert result.ok and len(result) == len(files), result
    corpus.assert_same(files, arrived(name.removeprefix("empty_"), scp), bits=True)


@by_peer("store", "storescp", "empty_pynetdicom")
@pytest.mark.parametrize("kind", corpus.COMPRESSED)
def test_store_without_re_encoding(name, scp, peer, kind):
    path = corpus.compressed(kind)
    result = peer.store(path)
    assert result.ok, result
    own = corpus.by_uid([path])
    there = arrived(name.removeprefix("empty_"), scp)
    assert sorted(there) == sorted(own)
    (uid,) = own
    ours, theirs = corpus.read(path), corpus.read(there[uid])
    assert theirs.file_meta.TransferSyntaxUID == ours.file_meta.TransferSyntaxUID
    sent, kept = corpus.data_set_bytes(path), corpus.data_set_bytes(there[uid])
    if kind == "Deflated" and len(sent) % 2:
        sent += b"\0"  # PS3.5 A.5: a data set of odd length gets a padding byte
    assert kept == sent


@by_peer("store", "storescp", "orthanc")
@pytest.mark.parity("A.4 private SOP Classes")
def test_store_a_private_class(name, scp, peer, tmp_path):
    ds = corpus.dataset(corpus.SERIES[0], 77)
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = corpus.PRIVATE_CLASS
    path = tmp_path / "private.dcm"
    ds.save_as(path, enforce_file_format=True)
    assert peer.store(path).ok
    there = arrived(name, scp)
    assert corpus.differences(path, there[str(ds.SOPInstanceUID)]) == []
    if name == "orthanc":
        scp.clear()


@by_peer("store", "dcmqrscp", "empty_pynetdicom")
def test_a_refused_class_fails_and_the_others_are_stored(name, request, tmp_path):
    scp = request.getfixturevalue(name)
    good = corpus.dataset(corpus.SERIES[0], 55)
    bad = corpus.dataset(corpus.SERIES[0], 56)
    bad.SOPClassUID = bad.file_meta.MediaStorageSOPClassUID = corpus.PRIVATE_CLASS
    for ds, file in ((bad, "bad.dcm"), (good, "good.dcm")):
        renamed(ds, 91)
        ds.save_as(tmp_path / file, enforce_file_format=True)
    with pytest.warns(IncompleteTransfer):
        result = nd.Peer(scp.address, calling="NBDICOM").store(tmp_path / "bad.dcm", tmp_path / "good.dcm")
    outcome = {row.sop_instance_uid: row.ok for row in result}
    assert outcome == {good.SOPInstanceUID: True, bad.SOPInstanceUID: False}
    assert str(good.SOPInstanceUID) in arrived(name.removeprefix("empty_"), scp)


# ------------------------------------------------------------------------------- find

#: Level, keys, and the unique keys of the answers that are right.
QUERIES = {
    "patients": ("PATIENT", {"PatientID": "IT-?"}, ["IT-1", "IT-2", "IT-3"]),
    "patients by a wildcard": ("PATIENT", {"PatientName": "Doe*", "PatientID": ""}, ["IT-1"]),
    "studies of a patient": ("STUDY", {"PatientID": "IT-1"}, [corpus.study_uid(1), corpus.study_uid(2)]),
    "studies of a day": (
        "STUDY", {"StudyDate": "20240105", "PatientID": "IT-*"}, [corpus.study_uid(1), corpus.study_uid(4)],
    ),
    "studies of a range": (
        "STUDY", {"StudyDate": "20240101-20240131", "PatientID": "IT-*"}, [corpus.study_uid(1), corpus.study_uid(4)],
    ),
    "studies until a day": ("STUDY", {"StudyDate": "-20231231", "PatientID": "IT-*"}, [corpus.study_uid(3)]),
    "studies by a list of UIDs": (
        "STUDY", {"StudyInstanceUID": [corpus.study_uid(2), corpus.study_uid(3)]},
        [corpus.study_uid(2), corpus.study_uid(3)],
    ),
    "studies by accession number": ("STUDY", {"AccessionNumber": "ACC2"}, [corpus.study_uid(2)]),
    "series of a study": (
        "SERIES", {"StudyInstanceUID": corpus.study_uid(1)}, [corpus.series_uid(1, 1), corpus.series_uid(1, 2)],
    ),
    "series by modality": (
        "SERIES", {"StudyInstanceUID": corpus.study_uid(2), "Modality": "MR"}, [corpus.series_uid(2, 1)],
    ),
    "instances of a series": (
        "IMAGE", {"StudyInstanceUID": corpus.study_uid(1), "SeriesInstanceUID": corpus.series_uid(1, 1)},
        [corpus.instance_uid(1, 1, n) for n in (1, 2, 3)],
    ),
    "nothing": ("STUDY", {"PatientID": "NOBODY"}, []),
}  # fmt: skip


@by_peer("find", *ARCHIVES)
@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parity("A.2 C-FIND")
def test_find(peer, query):
    level, keys, wanted = QUERIES[query]
    found = peer.find(level, **keys)
    assert sorted(found[corpus.UNIQUE[level]]) == sorted(wanted)
    assert found.attrs["nbdicom"]


@by_peer("find", *ARCHIVES)
def test_values_of_a_match(peer):
    found = peer.find("STUDY", StudyInstanceUID=corpus.study_uid(3), columns=["PatientBirthDate"])
    assert len(found) == 1
    row = found.iloc[0]
    assert str(row["PatientName"]) == "Müller^Jürgen"
    assert row["PatientID"] == "IT-2" and row["StudyDescription"] == "Thorax übersicht"
    assert f"{row['StudyDate']:%Y%m%d}" == "20230601"


@by_peer("find", *ARCHIVES)
@pytest.mark.parity("A.2 C-CANCEL")
def test_a_query_that_is_left_is_cancelled_and_the_association_goes_on(peer):
    with peer.associate() as association:
        for _ in range(8):
            query = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": "", "PatientID": "IT-*"}
            with association.find(query) as answers:
                next(answers)
            # FE00H if the peer was still at it, Success if it was faster: known in either case.
            assert answers.status in (0xFE00, 0x0000)
        again = association.find({"QueryRetrieveLevel": "PATIENT", "PatientID": "IT-1"},
                                 model="PatientRootQueryRetrieveInformationModelFind")  # fmt: skip
        assert [match.dataset().PatientID for match in again] == ["IT-1"]
        assert association.echo() == 0x0000


@by_peer("find", *ARCHIVES)
def test_a_limit_cuts_and_says_so(peer):
    found = peer.find("STUDY", PatientID="IT-*", limit=1)
    assert len(found) == 1 and found.attrs["nbdicom"]["truncated"]


def test_an_archive_that_cuts_its_answers_off_is_asked_in_parts(files, tmp_path):
    """Orthanc ends an answer that is too long as if somebody had cancelled it (FE00H)."""
    with started(peers.Orthanc, tmp_path / "short", modalities={}, matches=2) as orthanc:
        for path in files.values():
            orthanc.rest("POST", "/instances", path.read_bytes())
        peer = nd.Peer(orthanc.address, calling="NBDICOM")
        with pytest.warns(ResponseLimitReached, match="complete=True"):
            cut = peer.studies(StudyDate="1900-")
        assert len(cut) == 2 and cut.dicom.truncated
        whole = peer.studies(StudyDate="1900-", complete=True)
    assert set(whole.StudyInstanceUID) == {corpus.study_uid(study) for study in corpus.STUDIES}
    assert len(whole) == len(corpus.STUDIES) > 3 and not whole.dicom.truncated


# ------------------------------------------------------------------------------- get

#: What is asked for, and which series (of the corpus) are the right answer.
RETRIEVALS = {
    "a study": ({"StudyInstanceUID": corpus.study_uid(1)}, lambda s: s.study == 1),
    "a series": (
        {"StudyInstanceUID": corpus.study_uid(1), "SeriesInstanceUID": corpus.series_uid(1, 2)},
        lambda s: (s.study, s.series) == (1, 2),
    ),
    "two studies": (
        {"StudyInstanceUID": [corpus.study_uid(2), corpus.study_uid(3)]}, lambda s: s.study in (2, 3),
    ),
}  # fmt: skip


def wanted_of(files, chosen):
    return {
        uid: files[uid]
        for s in corpus.SERIES
        if chosen(s)
        for uid in (corpus.instance_uid(s.study, s.series, n + 1) for n in range(s.instances))
    }


@by_peer("get", *ARCHIVES)
@pytest.mark.parametrize("what", RETRIEVALS)
@pytest.mark.parity("A.2 C-GET")
def test_get(name, peer, what, files, tmp_path):
    keys, chosen = RETRIEVALS[what]
    result = peer.get(to=tmp_path / "got", **keys)
    assert result.ok, result
    wanted = wanted_of(files, chosen)
    assert len(result) == len(wanted)
    assert result.bytes == sum(len(corpus.data_set_bytes(path)) for path in result.paths)
    corpus.assert_same(wanted, corpus.by_uid(result.paths), bits=False)


@by_peer("get", *ARCHIVES)
def test_get_one_instance_of_a_table(peer, files, tmp_path):
    found = peer.instances(StudyInstanceUID=corpus.study_uid(1), SeriesInstanceUID=corpus.series_uid(1, 1))
    wanted = corpus.instance_uid(1, 1, 2)
    result = found[found["SOPInstanceUID"] == wanted].dicom.retrieve(to=tmp_path / "got")
    assert result.ok and len(result) == 1, result
    corpus.assert_same({wanted: files[wanted]}, corpus.by_uid(result.paths), bits=False)


@by_peer("get", *ARCHIVES)
def test_counters_of_get(peer):
    with peer.associate([
        "StudyRootQueryRetrieveInformationModelGet",
        nd.PresentationContext(nd.UID(corpus.CT), scu_role=False, scp_role=True),
    ]) as association:  # fmt: skip
        answers = association.get({"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": corpus.study_uid(1)})
        values = list(answers)
        arrived = [value for value in values if hasattr(value, "sop_instance_uid")]
        final = [value for value in values if not hasattr(value, "sop_instance_uid")][-1]
        assert answers.status == 0x0000
        assert len({one.sop_instance_uid for one in arrived}) == 5
        assert (final.completed, final.failed or 0, final.warning or 0) == (5, 0, 0)


@by_peer("get", *ARCHIVES)
def test_get_of_a_class_that_we_did_not_negotiate_fails_aloud(peer):
    with peer.associate([
        "StudyRootQueryRetrieveInformationModelGet",
        nd.PresentationContext(nd.UID(corpus.MR), scu_role=False, scp_role=True),
    ]) as association:  # fmt: skip
        answers = association.get({"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": corpus.study_uid(1)})
        try:
            values = list(answers)
        except nd.OperationFailed:
            values = []
        assert [value for value in values if hasattr(value, "sop_instance_uid")] == []
        assert answers.status is not None and not answers.status.is_success, answers.status


@by_peer("get", *ARCHIVES)
@pytest.mark.parametrize("associations", [1, 3])
def test_pull(peer, files, tmp_path, associations):
    cohort = peer.find("STUDY", PatientID="IT-*")
    result = cohort.dicom.pull(tmp_path, associations=associations)
    assert result.ok, result
    corpus.assert_same(files, corpus.by_uid(result.paths), bits=False)
    result.paths[0].unlink()
    again = cohort.dicom.pull(tmp_path)
    assert again.ok and again.new == 1, again


# ------------------------------------------------------------------------------- move


@by_peer("move", *ARCHIVES)
@pytest.mark.parametrize("what", RETRIEVALS)
@pytest.mark.parity("A.2 C-MOVE")
def test_move_to_nbdicom(name, peer, receiver, what, files):
    keys, chosen = RETRIEVALS[what]
    result = peer.move(to=receiver, **keys)
    assert result.ok, result
    wanted = wanted_of(files, chosen)
    assert result.completed == len(wanted) == len(receiver.files)
    # An archive that offers several transfer syntaxes in one context leaves the choice to us, and encodes anew.
    corpus.assert_same(wanted, corpus.by_uid(Path(one.path) for one in receiver.files), bits=False)


@by_peer("move", *ARCHIVES)
def test_retrieve_by_move_in_one_call(peer, move_port, files, tmp_path):
    keys, chosen = RETRIEVALS["a series"]
    result = peer.retrieve(to=tmp_path / "got", method="move", listen=f"127.0.0.1:{move_port}", **keys)
    assert result.ok, result
    corpus.assert_same(wanted_of(files, chosen), corpus.by_uid(result.paths), bits=False)


@by_peer("move", *ARCHIVES)
@pytest.mark.parametrize("associations", [1, 3])
def test_pull_by_move(peer, move_port, files, tmp_path, associations):
    cohort = peer.find("STUDY", PatientID="IT-*").dicom.series()
    listen = f"127.0.0.1:{move_port}"
    result = peer.pull(cohort, to=tmp_path, method="move", listen=listen, associations=associations)
    assert result.ok, result
    corpus.assert_same(files, corpus.by_uid(result.paths), bits=False)


@by_peer("move", *ARCHIVES)
def test_move_to_a_title_that_the_archive_does_not_know(name, peer):
    with pytest.warns(IncompleteTransfer):
        result = peer.move(to="NOWHERE", StudyInstanceUID=corpus.study_uid(1))
    assert not result.ok and not result.completed
    (row,) = result
    assert row.status is not None and row.status.is_failure
    if name != "orthanc":  # which answers C000H
        assert row.status == 0xA801


@by_peer("move", *ARCHIVES)
def test_move_to_a_destination_that_is_away(peer):
    # Nobody listens at the port of NBDICOM now.
    with pytest.warns(IncompleteTransfer):
        result = peer.move(to="NBDICOM", StudyInstanceUID=corpus.study_uid(1))
    assert not result.ok and not result.completed, result
