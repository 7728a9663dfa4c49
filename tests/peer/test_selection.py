"""What a table, a row or a key means as a request for retrieval (PS3.4 C.4.2.2.1)."""

import pandas as pd
import pytest
from pydicom import Dataset

from nbdicom.errors import QueryError
from nbdicom.peer.query import InformationModel, Level
from nbdicom.peer.selection import keys_above, sop_classes, targets

STUDIES = pd.DataFrame(
    {"PatientID": ["P1", "P1"], "StudyInstanceUID": ["1", "2"], "NumberOfStudyRelatedInstances": [3, None]}
)
INSTANCES = pd.DataFrame(
    {"StudyInstanceUID": ["1"] * 3, "SeriesInstanceUID": ["1.1", "1.1", "1.2"], "SOPInstanceUID": ["a.1", "a.2", "a.3"]}
).replace("a", "9", regex=True)


def identifiers(selection=None, **keys):
    level, model = keys.pop("level", None), keys.pop("model", None)
    return [target.identifier() for target in targets(selection, keys, level=level, model=model)]


@pytest.mark.parametrize(
    ("selection", "keys", "expected"),
    [
        (STUDIES, {}, [{"StudyInstanceUID": "1"}, {"StudyInstanceUID": "2"}]),
        (STUDIES.iloc[0], {}, [{"StudyInstanceUID": "1"}]),
        (STUDIES.StudyInstanceUID, {}, [{"StudyInstanceUID": "1"}, {"StudyInstanceUID": "2"}]),
        ({"StudyInstanceUID": "1"}, {}, [{"StudyInstanceUID": "1"}]),
        ([STUDIES.iloc[0], STUDIES.iloc[1]], {}, [{"StudyInstanceUID": "1"}, {"StudyInstanceUID": "2"}]),
        (None, {"StudyInstanceUID": "1"}, [{"StudyInstanceUID": "1"}]),
        (None, {"StudyInstanceUID": ["1", "2", "1"]}, [{"StudyInstanceUID": "1"}, {"StudyInstanceUID": "2"}]),
        (
            None,
            {"StudyInstanceUID": "1", "SeriesInstanceUID": ["3", "4"]},
            [{"StudyInstanceUID": "1", "SeriesInstanceUID": "3"}, {"StudyInstanceUID": "1", "SeriesInstanceUID": "4"}],
        ),
        (
            INSTANCES,
            {},
            [
                {"StudyInstanceUID": "1", "SeriesInstanceUID": "1.1", "SOPInstanceUID": "9.1\\9.2"},
                {"StudyInstanceUID": "1", "SeriesInstanceUID": "1.2", "SOPInstanceUID": "9.3"},
            ],
        ),
        (INSTANCES, {"level": "STUDY"}, [{"StudyInstanceUID": "1"}]),
        (STUDIES, {"level": "PATIENT"}, [{"PatientID": "P1"}]),
        (STUDIES.head(1), {"model": "patient"}, [{"PatientID": "P1", "StudyInstanceUID": "1"}]),
    ],
)
def test_requests(selection, keys, expected):
    found = identifiers(selection, **keys)
    levels = [one.pop("QueryRetrieveLevel") for one in found]
    assert found == expected
    assert len(set(levels)) == 1


def test_many_instances_are_asked_in_lists_of_a_hundred():
    found = identifiers(StudyInstanceUID="1", SeriesInstanceUID="2", SOPInstanceUID=[f"3.{n}" for n in range(250)])
    assert [one["SOPInstanceUID"].count("\\") + 1 for one in found] == [100, 100, 50]


def test_counts_of_the_table_are_expected():
    assert [target.expected for target in targets(STUDIES, {})] == [3, None]


@pytest.mark.parametrize(
    ("selection", "keys", "words"),
    [
        (pd.DataFrame({"a": [1]}), {}, "none of the key columns"),
        (STUDIES.head(0), {}, "no rows"),
        (None, {"SeriesInstanceUID": "1"}, "needs StudyInstanceUID"),
        (None, {"StudyInstanceUID": "1", "Modality": "CT"}, "not a unique key"),
        (None, {"StudyInstanceUID": []}, "empty|none of the key columns"),
        (None, {"StudyInstanceUID": "x"}, "not a UID"),
        (pd.DataFrame({"StudyInstanceUID": ["1", None]}), {}, "1 of 2 rows have no StudyInstanceUID"),
        (pd.DataFrame({"StudyInstanceUID": ["1", " "]}), {}, "1 of 2 rows have no StudyInstanceUID"),
        (None, {"PatientID": "*"}, "stand for nothing"),
        (5, {}, "int says nothing"),
        ("1.2.3", {}, "str says nothing"),
    ],
)
def test_refused(selection, keys, words):
    with pytest.raises(QueryError, match=words):
        targets(selection, keys)


def test_patient_ids_stay_out_of_messages():
    (target,) = targets(None, {"PatientID": "SECRET"})
    assert "SECRET" not in str(target)


@pytest.mark.parametrize(
    ("selection", "level", "expected"),
    [
        (STUDIES, Level.SERIES, [{"StudyInstanceUID": "1"}, {"StudyInstanceUID": "2"}]),
        (STUDIES.iloc[1], Level.SERIES, [{"StudyInstanceUID": "2"}]),
        (STUDIES, Level.STUDY, [{"PatientID": "P1"}]),
        (
            INSTANCES,
            Level.IMAGE,
            [
                {"StudyInstanceUID": "1", "SeriesInstanceUID": "1.1"},
                {"StudyInstanceUID": "1", "SeriesInstanceUID": "1.2"},
            ],
        ),
    ],
)
def test_keys_of_the_parents(selection, level, expected):
    assert keys_above(selection, level, InformationModel.of(None, level)) == expected


def test_a_missing_parent_is_refused():
    with pytest.raises(QueryError, match="needs SeriesInstanceUID"):
        keys_above(STUDIES, Level.IMAGE, InformationModel.STUDY_ROOT)


def test_sop_classes_of_a_table():
    assert sop_classes(pd.DataFrame({"SOPClassUID": ["1.2", "1.3"]})) == {"1.2", "1.3"}
    assert sop_classes(pd.DataFrame({"SOPClassesInStudy": [("1.2", "1.3"), ("1.2",)]})) == {"1.2", "1.3"}
    assert sop_classes(pd.DataFrame({"SOPClassesInStudy": [("1.2", "1.3"), ()]})) == set()
    assert sop_classes(STUDIES) == set()
    assert sop_classes(None) == set()


# ------------------------------------------------------------------------------- what pandas makes of a table

SERIES = pd.DataFrame(
    {
        "PatientID": ["P1", "P1", "P2"],
        "StudyInstanceUID": ["1.1", "1.1", "1.2"],
        "SeriesInstanceUID": ["1.1.1", "1.1.2", "1.2.1"],
    }
)


@pytest.mark.parametrize(
    ("table", "key", "count"),
    [
        (SERIES.set_index("SeriesInstanceUID"), "SeriesInstanceUID", 3),
        (SERIES.set_index(["StudyInstanceUID", "SeriesInstanceUID"]), "SeriesInstanceUID", 3),
        (SERIES.drop(columns="SeriesInstanceUID").groupby("StudyInstanceUID").first(), "StudyInstanceUID", 2),
        (SERIES.set_index("SeriesInstanceUID", drop=False), "SeriesInstanceUID", 3),
    ],
)
def test_a_key_that_labels_the_rows_is_a_key(table, key, count):
    """Without it the table would be about something larger: all studies of a patient instead of one."""
    assert [set(one) - {"QueryRetrieveLevel"} for one in identifiers(table)] == [
        {"StudyInstanceUID", "SeriesInstanceUID"} if key == "SeriesInstanceUID" else {key}
    ] * count


def test_a_row_that_has_lost_its_key_is_refused():
    table = SERIES.set_index("SeriesInstanceUID")
    with pytest.raises(QueryError, match="reset_index"):
        targets(table.iloc[0], {})
    assert len(targets(SERIES.set_index("SeriesInstanceUID", drop=False).iloc[0], {})) == 1


def test_rows_that_are_about_different_things_are_refused():
    """A left join leaves the series of some studies out; the whole of all studies is not what it means."""
    table = SERIES.assign(SeriesInstanceUID=["1.1.1", "1.1.2", None])
    with pytest.raises(QueryError, match="1 of 3 rows have no SeriesInstanceUID"):
        targets(table, {})
    assert identifiers(table, level="STUDY") == [
        {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": uid} for uid in ("1.1", "1.2")
    ]


def test_a_key_of_which_a_merge_made_two():
    with pytest.raises(QueryError, match="no SeriesInstanceUID, but SeriesInstanceUID_x and SeriesInstanceUID_y"):
        targets(SERIES.merge(SERIES, on="StudyInstanceUID"), {})


def test_a_row_of_itertuples():
    rows = list(SERIES.itertuples())
    assert identifiers(rows) == identifiers(SERIES) and identifiers(rows[0]) == identifiers(SERIES.iloc[0])
    with pytest.raises(QueryError, match="reset_index"):
        targets(next(SERIES.set_index("SeriesInstanceUID").itertuples()), {})


def test_a_dataset_is_a_row():
    one = Dataset()
    one.PatientName, one.StudyInstanceUID, one.SeriesInstanceUID = "DOE^JANE", "1.1", "1.1.1"
    assert identifiers(one) == identifiers([one]) == identifiers(SERIES.head(1))


def test_keys_that_are_no_row_say_how_they_are_given():
    keys = Dataset()
    keys.PatientName, keys.QueryRetrieveLevel = "DOE*", "STUDY"
    for ask in (
        lambda: keys_above(keys, Level.STUDY, InformationModel.STUDY_ROOT),
        lambda: keys_above({"PatientName": "DOE*"}, Level.STUDY, InformationModel.STUDY_ROOT),
        lambda: Level.of(keys),
    ):
        with pytest.raises(QueryError, match="given by name") as caught:
            ask()
        assert "(0010,0010)" not in str(caught.value)


def test_a_patient_id_that_was_read_as_a_number():
    """00471 is somebody else than 471; where the UIDs say what is meant, it is not looked at."""
    table = SERIES.assign(PatientID=[471, 471, 5])
    assert identifiers(table) == identifiers(SERIES)
    with pytest.raises(QueryError, match="dtype=str"):
        keys_above(table, Level.STUDY, InformationModel.STUDY_ROOT)
    with pytest.raises(QueryError, match="dtype=str"):
        targets(table[["PatientID"]], {})


def test_two_columns_of_one_key():
    table = pd.concat([SERIES, SERIES[["SeriesInstanceUID"]]], axis=1)
    with pytest.raises(QueryError, match="2 columns SeriesInstanceUID"):
        targets(table, {})
    assert len(targets(pd.concat([SERIES.assign(n=1), SERIES.assign(n=2)[["n"]]], axis=1), {})) == 3


def test_a_list_of_numbers_says_what_to_ask_first():
    numbers = pd.DataFrame({"AccessionNumber": ["A1"]})
    with pytest.raises(QueryError, match=r"pacs.studies\(AccessionNumber="):
        targets(numbers, {})
    with pytest.raises(QueryError, match=r"pacs.studies\(AccessionNumber="):
        keys_above(numbers, Level.STUDY, InformationModel.STUDY_ROOT)
