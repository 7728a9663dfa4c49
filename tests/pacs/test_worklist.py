"""The modality worklist: what is added is offered, and what the keys of PS3.4 Table K.6-1 find in it."""

import pytest
from pacs_requests import worklist
from pydicom import Dataset

from nbdicom import privacy
from nbdicom.errors import PacsError
from nbdicom.operations.requests import Refuse
from nbdicom.pacs import Pacs

STEPS = "ScheduledProcedureStepSequence"
#: number -> patient, modality, station, date, time
ENTRIES = {
    "1": ("Doe^John", "CT", "CT1", "20260705", "0800"),
    "2": ("Doe^Jane", "CT", "CT2", "20260705", "1030"),
    "3": ("Köhler^Jürgen", "MR", "MR1", "20260706", "0500"),
    "4": ("Silva^Maria", "MR", "MR1", "20260707", "174500"),
    "5": ("Yamada^Tarou=山田^太郎", "US", ["US1", "US2"], "20260707", "2000"),
}


@pytest.fixture
def handlers(pacs):
    for number, (name, modality, station, date, time) in ENTRIES.items():
        pacs.worklist.add(
            PatientName=name,
            PatientID=f"P{number}",
            AccessionNumber=number,
            Modality=modality,
            ScheduledStationAETitle=station,
            ScheduledProcedureStepStartDate=date,
            ScheduledProcedureStepStartTime=time,
            ScheduledProtocolCodeSequence=[{"CodeValue": f"C{number}", "CodingSchemeDesignator": "99NB"}],
        )
    return pacs.handlers()


def found(handlers, *, step=None, **keys):
    """The accession numbers of the matches."""
    if step is not None:
        keys[STEPS] = [step]
    return "".join(match["AccessionNumber"] for match in worklist(handlers, AccessionNumber="", **keys))


@pytest.mark.parametrize(
    ("keys", "wanted"),
    [
        ({}, "12345"),
        ({"PatientName": "doe*"}, "12"),
        ({"PatientName": "*j?rgen"}, "3"),
        ({"PatientName": "山田*"}, "5"),
        ({"PatientID": "P4"}, "4"),
        ({"PatientID": ""}, "12345"),
        ({"PatientBirthDate": "19700101"}, ""),
        ({"step": {}}, "12345"),
        ({"step": {"Modality": "CT"}}, "12"),
        ({"step": {"Modality": ["CT", "US"]}}, "125"),
        ({"step": {"ScheduledStationAETitle": "MR1"}}, "34"),
        ({"step": {"ScheduledStationAETitle": "US2"}}, "5"),
        ({"step": {"ScheduledStationAETitle": "CT?"}}, "12"),
        ({"step": {"ScheduledProcedureStepStartDate": "20260705"}}, "12"),
        ({"step": {"ScheduledProcedureStepStartDate": "20260706-"}}, "345"),
        ({"step": {"ScheduledProcedureStepStartDate": "-20260706"}}, "123"),
        ({"step": {"ScheduledProcedureStepStartTime": "08-12"}}, "12"),
        ({"step": {"ScheduledProcedureStepStartTime": "1745"}}, "4"),
        ({"step": {"ScheduledProcedureStepStartTime": "103000-174500"}}, "24"),
        (
            {
                "step": {
                    "ScheduledProcedureStepStartDate": "20260705-20260706",
                    "ScheduledProcedureStepStartTime": "103000-050000",
                }
            },
            "23",
        ),
        # The example of Table K.6-1: from July 5, 10 am, until July 7, 6 pm.
        (
            {
                "step": {
                    "ScheduledProcedureStepStartDate": "20260705-20260707",
                    "ScheduledProcedureStepStartTime": "1000-1800",
                }
            },
            "234",
        ),
        (
            {"step": {"ScheduledProcedureStepStartDate": "20260706-", "ScheduledProcedureStepStartTime": "0600-"}},
            "45",
        ),
        (
            {"step": {"ScheduledProcedureStepStartDate": "20260705", "ScheduledProcedureStepStartTime": "0900-1200"}},
            "2",
        ),
        ({"step": {"ScheduledProtocolCodeSequence": [{"CodeValue": "C3"}]}}, "3"),
        ({"step": {"ScheduledProtocolCodeSequence": [{"CodeValue": "C3", "CodingSchemeDesignator": "DCM"}]}}, ""),
        ({"PatientName": "Doe*", "step": {"Modality": "MR"}}, ""),
    ],
    ids=str,
)
def test_matching(handlers, keys, wanted):
    assert found(handlers, **keys) == wanted


def test_what_is_answered(handlers):
    (match,) = worklist(
        handlers,
        PatientID="P3",
        PatientName="",
        PregnancyStatus="",
        ReferencedStudySequence=[],
        **{STEPS: [{"Modality": "", "ScheduledProtocolCodeSequence": []}]},
    )
    assert match == {
        "PatientName": "Köhler^Jürgen",
        "PatientID": "P3",
        "PregnancyStatus": "",
        "ReferencedStudySequence": "",
        STEPS: [
            {
                "Modality": "MR",
                "ScheduledProtocolCodeSequence": [{"CodeValue": "C3", "CodingSchemeDesignator": "99NB"}],
            }
        ],
    }


def test_an_entry_from_a_data_set(pacs):
    step, entry = Dataset(), Dataset()
    step.Modality, step.ScheduledStationAETitle, step.ScheduledProcedureStepID = "CT", "CT1", "S1"
    entry.PatientName, entry.PatientID, entry.StudyInstanceUID = "Doe^John", "P1", "1.2.3"
    entry.ScheduledProcedureStepSequence = [step]
    added = pacs.worklist.add(entry)
    assert (added["StudyInstanceUID"], added[STEPS][0]["ScheduledProcedureStepID"]) == ("1.2.3", "S1")
    assert len(added[STEPS][0]["ScheduledProcedureStepStartDate"]) == 8  # the present, where nothing was said
    assert pacs.worklist.entries() == [added]
    with pytest.raises(PacsError, match="scheduled already"):
        pacs.worklist.add(entry)
    pacs.worklist.add(entry, ScheduledProcedureStepID="S2")
    assert pacs.worklist.remove("1.2.3", "S1") == 1
    assert pacs.worklist.remove("1.2.3") == 1
    assert len(pacs.worklist) == 0


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"PatientName": "Doe^John", "PatientID": "1", "Modality": "CT"},
        {"PatientName": "Doe^John", "PatientID": "", "Modality": "CT", "ScheduledStationAETitle": "CT1"},
        {
            "PatientName": "Doe^John",
            "PatientID": "1",
            "Modality": "CT",
            "ScheduledStationAETitle": "CT1",
            "Colour": "red",
        },
    ],
)
def test_what_cannot_be_scheduled(pacs, attributes):
    with pytest.raises(PacsError):
        pacs.worklist.add(attributes)
    assert pacs.worklist.entries() == []


def test_too_many_matches(tmp_path, monkeypatch):
    from nbdicom.config import Limits

    with Pacs(tmp_path, durability="none", limits=Limits(matches=2)) as pacs:
        for number in range(3):
            pacs.worklist.add(PatientName="A", PatientID=str(number), Modality="CT", ScheduledStationAETitle="CT1")
        with pytest.raises(Refuse, match="A700H"):
            worklist(pacs.handlers(), PatientID="")


def test_it_is_kept(tmp_path, handlers, pacs):
    root = pacs.root
    pacs.stop()
    with Pacs(root, durability="full") as again:
        assert found(again.handlers()) == "12345"


def test_the_table_can_be_masked(handlers, pacs):
    assert "Silva^Maria" in str(pacs.worklist)
    with privacy.masked():
        shown = str(pacs.worklist)
    assert "Silva" not in shown
    assert "MR1" in shown


def test_specimens_stand_beside_the_step_and_protocols_in_it(pacs):
    """Table K.6-1."""
    reference = [{"ReferencedSOPClassUID": "1.2.3", "ReferencedSOPInstanceUID": "1.2.4"}]
    entry = pacs.worklist.add(
        PatientName="Doe^Jane", PatientID="1", Modality="SM", ScheduledStationAETitle="SM1",
        ScheduledSpecimenSequence=[{"ContainerIdentifier": "C1"}], ReferencedDefinedProtocolSequence=reference,
    )  # fmt: skip
    assert entry["ScheduledSpecimenSequence"] == [{"ContainerIdentifier": "C1"}]
    (step,) = entry["ScheduledProcedureStepSequence"]
    assert step["ReferencedDefinedProtocolSequence"] == reference and "ScheduledSpecimenSequence" not in step
