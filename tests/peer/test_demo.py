"""The whole way against the embedded PACS: find, look, fetch, send back."""

import pandas as pd
import pytest

from nbdicom.pacs import Pacs, demo_pacs
from nbdicom.peer import Peer


@pytest.fixture(scope="module")
def pacs():
    with demo_pacs(ae_title="PEERTEST") as running:
        yield Peer(running)


def test_down_the_hierarchy(pacs):
    patients = pacs.patients()
    studies = patients.dicom.studies()
    series = studies.dicom.series()
    instances = series.dicom.instances()
    assert len(patients) < len(studies) < len(series) < len(instances)
    assert studies.NumberOfStudyRelatedInstances.sum() == len(instances)
    assert series.NumberOfSeriesRelatedInstances.sum() == len(instances)
    assert sorted(studies.StudyInstanceUID) == sorted(pacs.studies().StudyInstanceUID)


def test_everything_comes_as_it_is_stored(pacs, tmp_path):
    studies = pacs.studies()
    got = studies.dicom.get(tmp_path)
    assert got, got
    assert len(got) == studies.NumberOfStudyRelatedInstances.sum()
    assert got.to_frame().TransferSyntaxUID.nunique() > 1  # compressed objects are not left behind


@pytest.mark.parametrize(
    ("keys", "test"),
    [
        ({"StudyDate": ("2021-01-01", "2021-12-31")}, lambda df: (df.StudyDate.dt.year == 2021).all()),
        ({"ModalitiesInStudy": "MR"}, lambda df: df.ModalitiesInStudy.map(lambda m: "MR" in m).all()),
        ({"PatientName": "*a*"}, lambda df: df.PatientName.str.lower().str.contains("a").all()),
    ],
)
def test_matching(pacs, keys, test):
    df = pacs.studies(**keys)
    assert 0 < len(df) < len(pacs.studies())
    assert test(df)


def test_names_of_the_world(pacs):
    name = next(name for name in pacs.patients().PatientName.dropna() if not name.isascii())
    assert pacs.patients(PatientName=name).PatientName.tolist() == [name]


def test_from_one_pacs_to_another(pacs, tmp_path):
    few = pacs.studies(ModalitiesInStudy="MR").head(1)
    files = few.dicom.get(tmp_path).paths
    with Pacs(None, ae_title="PEERTEST2") as other:
        there = Peer(other)
        sent = there.store(tmp_path)
        assert sent, sent
        assert len(sent) == len(files)
        pd.testing.assert_series_equal(
            there.studies().StudyInstanceUID, few.StudyInstanceUID.reset_index(drop=True), check_names=False
        )


def test_a_move_between_them(pacs, tmp_path):
    from nbdicom.receiver import Receiver

    with Receiver(tmp_path, ae_title="PEERDEST") as receiver:
        host, port = receiver.address.partition("@")[2].split(":")
        with demo_pacs(ae_title="PEERTEST3", allow={"PEERDEST": (host, int(port))}) as running:
            peer = Peer(running)
            series = peer.series(StudyInstanceUID=peer.studies().StudyInstanceUID[0])
            moved = series.dicom.move(receiver)
            assert moved, moved
            assert len(receiver.files) == series.NumberOfSeriesRelatedInstances.sum() == moved.completed
