"""`find` of `Peer` and `AsyncPeer` against an SCP on loopback."""

import os
import signal
import subprocess
import sys
import threading
import warnings

import pandas as pd
import pytest

from nbdicom.core.extended import QueryOptions
from nbdicom.errors import AssociationRejected, NoPresentationContext, OperationFailed, QueryError
from nbdicom.operations.requests import Refuse
from nbdicom.peer import OptionalKeysNotSupported, Peer, Query, ResponseLimitReached, finding
from nbdicom.peer.line import Waiting, run


class Archive:
    """Answers every query with studies (or series) that it makes up, and remembers what was asked."""

    def __init__(self, count=3, pending=0xFF00, final=None):
        self.count, self.pending, self.final = count, pending, final
        self.asked = []
        self.sent = 0
        self.cancelled = threading.Event()

    def find(self, request):
        identifier = request.identifier()
        self.asked.append(identifier)
        request.pending_status = self.pending
        level = identifier.QueryRetrieveLevel
        for number in range(1, self.count + 1):
            if request.cancelled:
                self.cancelled.set()
                return
            answer = {"QueryRetrieveLevel": level, "PatientID": f"P{number}", "StudyInstanceUID": f"1.2.{number}"}
            if level == "SERIES":
                answer["StudyInstanceUID"] = str(identifier.StudyInstanceUID)
                answer["SeriesInstanceUID"] = f"{identifier.StudyInstanceUID}.{number}"
            if level == "IMAGE":
                answer["SeriesInstanceUID"] = str(identifier.SeriesInstanceUID)
                answer["SOPInstanceUID"] = f"{identifier.SeriesInstanceUID}.{number}"
            self.sent += 1
            yield answer
        if self.final is not None:
            raise Refuse(self.final)


def test_studies(scp_of_both):
    archive = Archive()
    peer = scp_of_both(find=archive.find)
    df = peer.studies(PatientName="DOE*", StudyDate=("2024-01-01", None))
    assert type(df) is pd.DataFrame
    assert df.StudyInstanceUID.tolist() == ["1.2.1", "1.2.2", "1.2.3"]
    (asked,) = archive.asked
    assert asked.QueryRetrieveLevel == "STUDY"
    assert asked.PatientName == "DOE*"
    assert asked.StudyDate == "20240101-"
    about = df.attrs["nbdicom"]
    assert about["keys"] == {"PatientName": "DOE*", "StudyDate": "20240101-"}
    assert about["responses"] == 3
    assert about["truncated"] is False
    assert about["status"].startswith("0000H")
    assert about["calling"] == "TESTER"
    assert not df.dicom.truncated


def test_levels_use_their_models(scp_of_both):
    models = []

    def find(request):
        models.append(request.model.keyword)
        return iter(())

    peer = scp_of_both(find=find)
    peer.patients()
    peer.find("study")
    peer.find("STUDY", model="patient", PatientID="P1")
    assert models == [f"{root}RootQueryRetrieveInformationModelFind" for root in ("Patient", "Study", "Patient")]


def test_one_step_down_for_all_rows_on_one_association(scp_of_both):
    archive = Archive(count=2)
    peer = scp_of_both(find=archive.find)
    studies = peer.studies()
    series = studies.dicom.series(Modality="CT")
    assert series.SeriesInstanceUID.tolist() == ["1.2.1.1", "1.2.1.2", "1.2.2.1", "1.2.2.2"]
    assert series.attrs["nbdicom"]["queries"] == 2
    assert series.attrs["nbdicom"]["keys"] == {"Modality": "CT"}
    instances = series.head(1).dicom.instances()
    assert instances.SOPInstanceUID.tolist() == ["1.2.1.1.1", "1.2.1.1.2"]
    assert peer.series(studies.iloc[0]).StudyInstanceUID.unique().tolist() == ["1.2.1"]
    assert peer.series(StudyInstanceUID=["1.2.1", "1.2.2"]).shape[0] == 4
    assert studies.dicom.find("SERIES", peer=peer).shape[0] == 4


def test_instances_of_studies_need_the_series_first(scp_of_both):
    studies = scp_of_both(find=Archive().find).studies()
    with pytest.raises(QueryError, match="SeriesInstanceUID"):
        studies.dicom.instances()


def test_a_limit_cancels_and_says_truncated(scp_of_both):
    archive = Archive(count=100_000)
    peer = scp_of_both(find=archive.find)
    df = peer.studies(limit=5)
    assert len(df) == 5
    assert df.attrs["nbdicom"]["truncated"] is True
    assert "TRUNCATED" in repr(df.dicom)
    assert archive.sent < 100_000


@pytest.mark.parametrize("limit", [3, 4])
def test_a_limit_that_is_not_exceeded_is_not_truncated(scp_of_both, limit):
    df = scp_of_both(find=Archive(count=3).find).studies(limit=limit)
    assert len(df) == 3
    assert df.attrs["nbdicom"]["truncated"] is False


def test_the_peers_own_limit_is_a_warning(scp_of_both):
    peer = scp_of_both(find=Archive(final=0xB001).find)
    with pytest.warns(ResponseLimitReached, match="more matches"):
        df = peer.studies()
    assert len(df) == 3
    assert df.dicom.truncated


def test_unsupported_optional_keys_are_a_warning_once(scp_of_both):
    peer = scp_of_both(find=Archive(pending=0xFF01).find)
    with pytest.warns(OptionalKeysNotSupported, match="StudyDescription") as caught:
        peer.studies()
    assert len(caught) == 1


def test_a_key_that_is_not_supported_was_not_matched_either(scp_of_both):
    peer = scp_of_both(find=Archive(pending=0xFF01).find)
    with pytest.warns(OptionalKeysNotSupported, match="not matched either: InstitutionName, so there may be too many"):
        peer.studies(InstitutionName="Nowhere")


def test_a_key_that_is_empty_in_every_answer_was_not_matched_whatever_the_status_says(scp_of_both):
    peer = scp_of_both(find=Archive().find)
    with pytest.warns(OptionalKeysNotSupported, match="does not match ModalitiesInStudy: empty in every answer"):
        peer.studies(ModalitiesInStudy="CT")


@pytest.mark.parametrize(
    "keys, silent",
    [
        ({"StudyDescription": "Chest*"}, False),
        ({"StudyDescription": '""'}, True),  # asks for what is empty
        ({"PatientID": "P?"}, True),
        ({}, True),
    ],
)
def test_what_is_not_asked_for_may_be_empty(scp_of_both, keys, silent):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        scp_of_both(find=Archive().find).studies(**keys)
    assert (not caught) == silent


@pytest.mark.parametrize(
    "level, keys, asked",
    [
        ("STUDY", {"AccessionNumber": ["A1", "A2", "A1"]}, ["A1", "A2"]),
        ("STUDY", {"AccessionNumber": "A1\\A2"}, ["A1", "A2"]),
        ("STUDY", {"AccessionNumber": "A1"}, ["A1"]),
        ("PATIENT", {"PatientID": ["P1", "P2"]}, ["P1", "P2"]),
        ("SERIES", {"StudyInstanceUID": ["1.1", "1.2"], "Modality": ["CT", "MR"]}, ["CT", "MR", "CT", "MR"]),
        ("STUDY", {"StudyInstanceUID": ["1.2.1", "1.2.2"]}, ["1.2.1\\1.2.2"]),  # every peer knows lists of UIDs
        # All of several values are asked for at once only where an attribute may have them (PS3.4 C.2.2.2.8).
        ("STUDY", {"ModalitiesInStudy": ["CT", "PT"], "options": QueryOptions(multiple_value=True)}, ["CT\\PT"]),
        ("STUDY", {"ModalitiesInStudy": ["CT", "PT"]}, ["CT", "PT"]),
        ("STUDY", {"StudyDescription": ["a", "b"], "options": QueryOptions(multiple_value=True)}, ["a", "b"]),
    ],
)
@pytest.mark.filterwarnings("ignore::nbdicom.peer.PeerWarning")
def test_a_list_of_values_is_asked_for_one_by_one_where_the_standard_knows_one(scp_of_both, level, keys, asked):
    archive = Archive()
    scp_of_both(find=archive.find).find(level, **keys)
    name = next(name for name in reversed(keys) if name != "options")
    values = [identifier[name].value for identifier in archive.asked]
    assert [one if isinstance(one, str) else "\\".join(one) for one in values] == asked


def test_a_long_list_of_uids_goes_in_parts(scp_of_both):
    archive = Archive(count=0)
    scp_of_both(find=archive.find).studies(StudyInstanceUID=[f"1.2.{number}" for number in range(250)])
    assert [len(identifier.StudyInstanceUID) for identifier in archive.asked] == [100, 100, 50]


@pytest.mark.filterwarnings("ignore::nbdicom.peer.PeerWarning")
def test_what_matches_two_values_of_a_list_is_one_row(scp_of_both):
    peer = scp_of_both(find=Archive().find)
    found = peer.studies(ModalitiesInStudy=["CT", "MR"], limit=3)
    assert found.StudyInstanceUID.tolist() == ["1.2.1", "1.2.2", "1.2.3"]
    assert not found.dicom.truncated
    about = found.attrs["nbdicom"]
    assert (about["keys"], about["queries"]) == ({"ModalitiesInStudy": "CT\\MR"}, 2)
    assert len(peer.find("STUDY", raw=True, ModalitiesInStudy=["CT", "MR"])) == 3


@pytest.mark.parametrize(
    "call",
    [
        lambda peer: peer.find("STUDY", columns=["InstitutionName"]),
        lambda peer: peer.studies(columns=["InstitutionName"]),
        lambda peer: peer.find("STUDY", raw=True),
        lambda peer: pd.DataFrame({"StudyInstanceUID": ["1.2"]}).dicom.series(peer=peer),
    ],
)
def test_a_warning_names_the_line_of_the_caller(scp, call):
    with pytest.warns(OptionalKeysNotSupported) as caught:
        call(scp(find=Archive(pending=0xFF01).find))
    assert {warning.filename for warning in caught} == {__file__}


def test_warnings_can_be_made_errors(scp_of_both):
    peer = scp_of_both(find=Archive(pending=0xFF01).find)
    with warnings.catch_warnings():
        warnings.simplefilter("error", OptionalKeysNotSupported)
        with pytest.raises(OptionalKeysNotSupported):
            peer.studies()


def test_a_failure_status_is_raised(scp_of_both):
    def find(request):
        raise Refuse(0xA700, "no")

    with pytest.raises(OperationFailed, match="A700H"):
        scp_of_both(find=find).studies()


def test_a_service_that_is_not_there(scp_of_both):
    peer = scp_of_both(contexts=["Verification"])
    with pytest.raises(NoPresentationContext, match="abstract-syntax-not-supported"):
        peer.studies()


def test_no_association(scp, peer_of):
    peer = scp()
    with pytest.raises(AssociationRejected):
        peer_of("OTHER", peer.host, peer.port).studies()


@pytest.mark.parametrize(
    ("level", "options", "words"),
    [
        ("SERIES", {}, "needs StudyInstanceUID"),
        ("STUDY", {"PatentName": "DOE"}, "did you mean PatientName"),
        ("STUDY", {"limit": 0}, "at least 1"),
        ("STUDY", {"limit": "2"}, "at least 1"),
        ("STUDY", {"PatientID": pd.DataFrame({"PatientID": ["1"]})}, "one column, not a table"),
        ("STUDY", {"AccessionNumber": pd.Series([1.0, None])}, "dropna"),
        ("STUDY", {"AccessionNumber": pd.Series([1.0])}, "dtype=str"),
    ],
)
def test_nothing_is_sent_for_a_query_that_cannot_be(peer_of, level, options, words):
    peer = peer_of("PACS@127.0.0.1:1")  # nobody is there to be asked
    with pytest.raises(QueryError, match=words):
        peer.find(level, **options)


def test_two_steps_down_at_once_says_which_comes_first(scp_of_both):
    studies = scp_of_both(find=Archive().find).studies()
    with pytest.raises(QueryError, match="needs SeriesInstanceUID.*ask for the series first"):
        studies.dicom.instances()


def test_a_key_given_twice(scp_of_both):
    studies = scp_of_both(find=Archive().find).studies()
    with pytest.raises(QueryError, match="given twice"):
        studies.dicom.series(StudyInstanceUID="1.2.9")


def test_progress_is_told(scp_of_both):
    peer = scp_of_both(find=Archive(count=2).find)
    seen = []
    peer.series(StudyInstanceUID=["1.2.1", "1.2.2"], progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 2), (2, 2)]


def test_an_interrupt_ends_the_association(scp, monkeypatch):
    peer = scp(find=Archive(count=1000).find)
    opened = []
    associate = Peer.associate

    def spy(self, *args, **kwargs):
        opened.append(associate(self, *args, **kwargs))
        return opened[-1]

    def interrupted(done, total):
        raise KeyboardInterrupt

    monkeypatch.setattr(Peer, "associate", spy)
    with pytest.raises(KeyboardInterrupt):
        peer.series(StudyInstanceUID=["1.2.1", "1.2.2"], progress=interrupted)
    assert opened
    assert not opened[0].is_established


def test_sop_classes_of_studies(scp):
    def find(request):
        for uid in str(request.identifier().get("StudyInstanceUID")).strip("[]").replace("'", "").split(", "):
            yield {"StudyInstanceUID": uid, "SOPClassesInStudy": ["1.2.840.10008.5.1.4.1.1.2"]}

    from nbdicom.peer.selection import targets

    wanted = targets(None, {"StudyInstanceUID": ["1.2.1", "1.2.2"]})
    found = run(finding.sop_classes_in_studies(Waiting(scp(find=find)), wanted))
    assert found == {"1.2.840.10008.5.1.4.1.1.2"}


def test_a_query_that_was_made_before(scp_of_both):
    archive = Archive()
    peer = scp_of_both(find=archive.find)
    df = peer.find(Query.of("STUDY", PatientName="DOE*"))
    assert len(df) == 3
    assert archive.asked[0].PatientName == "DOE*"
    with pytest.raises(QueryError, match="complete"):
        peer.find(Query.of("STUDY"), PatientID="P1")


def test_ctrl_c_cancels_and_the_peer_is_there_again(scp_of_both):
    archive = Archive(count=100_000)

    def find(request):
        for number, answer in enumerate(archive.find(request)):
            if number == 20:
                os.kill(os.getpid(), signal.SIGINT)
            yield answer

    peer = scp_of_both(find=find)
    with pytest.raises(KeyboardInterrupt):
        peer.studies()
    archive.count = 3
    assert len(peer.studies()) == 3


def test_a_bar_is_shown_on_demand_and_closed(scp_of_both, capsys):
    peer = scp_of_both(find=Archive(count=2).find)
    peer.series(StudyInstanceUID=["1.2.1", "1.2.2"], progress=True)
    assert "2/2" in capsys.readouterr().err
    peer.series(StudyInstanceUID=["1.2.1", "1.2.2"])  # nobody watches a test
    assert capsys.readouterr().err == ""


def test_the_time_of_a_query_is_not_that_of_loading_pandas(scp):
    peer = scp(find=lambda request: iter(()))
    code = (
        "import sys, threading\n"
        "class Slow:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'pandas': threading.Event().wait(3)\n"
        "sys.meta_path.insert(0, Slow())\n"
        "from nbdicom.peer.peer import Peer\n"
        f"frame = Peer({peer.address!r}).studies()\n"
        "assert frame.attrs['nbdicom']['seconds'] < 2.5, frame.attrs\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
