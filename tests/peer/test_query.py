"""Levels, models, keywords and the rules of hierarchical queries (PS3.4 C.4.1, C.6)."""

import inspect

import pytest

from nbdicom.errors import QueryError
from nbdicom.peer import Peer, query
from nbdicom.peer.query import Attribute, InformationModel, Level, Query, attribute

UID1, UID2 = "1.2.3", "1.2.4"


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("PATIENT", "PATIENT"),
        ("patients", "PATIENT"),
        ("Study", "STUDY"),
        ("studies", "STUDY"),
        ("series", "SERIES"),
        ("IMAGE", "IMAGE"),
        ("images", "IMAGE"),
        ("instance", "IMAGE"),
        ("INSTANCES", "IMAGE"),
        (Level.STUDY, "STUDY"),
    ],
)
def test_levels_by_any_of_their_names(text, level):
    assert Level.of(text) == level


def test_an_unknown_level_names_the_known_ones():
    with pytest.raises(QueryError, match="PATIENT STUDY SERIES IMAGE"):
        Level.of("FRAME")


@pytest.mark.parametrize(
    ("model", "level", "found"),
    [
        (None, "PATIENT", "PatientRoot"),
        (None, "STUDY", "StudyRoot"),
        (None, "IMAGE", "StudyRoot"),
        ("patient", "STUDY", "PatientRoot"),
        ("Patient Root", "STUDY", "PatientRoot"),
        ("study", "SERIES", "StudyRoot"),
        ("STUDY_ROOT", "STUDY", "StudyRoot"),
        ("PatientRootQueryRetrieveInformationModelFind", "STUDY", "PatientRoot"),
        ("1.2.840.10008.5.1.4.1.2.1.1", "STUDY", "PatientRoot"),
        ("1.2.840.10008.5.1.4.1.2.2.1", "STUDY", "StudyRoot"),
    ],
)
def test_information_model(model, level, found):
    assert InformationModel.of(model, Level.of(level)).value == found


@pytest.mark.parametrize(("model", "level"), [("study", "PATIENT"), ("other", "STUDY"), ("1.2.3", "STUDY")])
def test_information_model_refused(model, level):
    with pytest.raises(QueryError):
        InformationModel.of(model, Level.of(level))


def test_sop_classes_of_the_models():
    assert InformationModel.PATIENT_ROOT.find == "1.2.840.10008.5.1.4.1.2.1.1"
    assert InformationModel.STUDY_ROOT.move == "1.2.840.10008.5.1.4.1.2.2.2"
    assert InformationModel.STUDY_ROOT.get == "1.2.840.10008.5.1.4.1.2.2.3"


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("PatientName", Attribute("PatientName", "PN", False)),
        ("0010,0010", Attribute("PatientName", "PN", False)),
        ("(0010,0010)", Attribute("PatientName", "PN", False)),
        ("00100010", Attribute("PatientName", "PN", False)),
        ("ModalitiesInStudy", Attribute("ModalitiesInStudy", "CS", True)),
        ("0009,1001", Attribute("0009,1001", "UN", False)),
        ("0009,0010", Attribute("0009,0010", "LO", False)),
        ("(0029,10E0)", Attribute("0029,10e0", "UN", False)),
    ],
)
def test_attributes_by_keyword_and_by_tag(name, found):
    assert attribute(name) == found


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("PatentName", "did you mean PatientName"),
        ("patientname", "did you mean PatientName"),
        ("StudyInstanceUid", "did you mean StudyInstanceUID"),
        ("qqqqqqqq", "PS3.6"),
        ("limt", "did you mean limit?"),
        ("column", "did you mean columns?"),
        ("0008,0000", "group lengths"),
        ("TransferSyntaxUID", "groups 0000 and 0002"),
        ("CommandField", "groups 0000"),
        ("00zz,0010", "dictionary"),
    ],
)
def test_unknown_attributes(name, words):
    with pytest.raises(QueryError) as caught:
        attribute(name)
    assert words in str(caught.value)


def test_a_study_query():
    query = Query.of("study", PatientName="DOE*", StudyDate=("2024-01-01", None), columns=["PatientAge", "0009,1001"])
    identifier = query.identifier()
    assert query.model is InformationModel.STUDY_ROOT
    assert identifier["QueryRetrieveLevel"] == "STUDY"
    assert identifier["PatientName"] == "DOE*"
    assert identifier["StudyDate"] == "20240101-"
    assert identifier["StudyInstanceUID"] == identifier["PatientAge"] == identifier["0009,1001"] == ""
    assert identifier["ModalitiesInStudy"] == identifier["NumberOfStudyRelatedInstances"] == ""
    assert query.matching == {"PatientName": "DOE*", "StudyDate": "20240101-"}
    assert query.columns[0] == "PatientID"
    assert query.columns[-3:] == ("PatientAge", "0009,1001", "StudyInstanceUID")


@pytest.mark.parametrize(
    ("level", "keys", "unique"),
    [
        ("PATIENT", {}, ["PatientID"]),
        ("STUDY", {}, ["StudyInstanceUID"]),
        ("SERIES", {"StudyInstanceUID": UID1}, ["StudyInstanceUID", "SeriesInstanceUID"]),
        (
            "IMAGE",
            {"StudyInstanceUID": UID1, "SeriesInstanceUID": UID2},
            ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"],
        ),
        ("STUDY", {"model": "patient", "PatientID": "P1"}, ["PatientID", "StudyInstanceUID"]),
        (
            "SERIES",
            {"model": "patient", "PatientID": "P1", "StudyInstanceUID": UID1},
            ["PatientID", "StudyInstanceUID", "SeriesInstanceUID"],
        ),
        ("SERIES", {"relational": True}, ["StudyInstanceUID", "SeriesInstanceUID"]),
    ],
)
def test_unique_keys_are_always_returned(level, keys, unique):
    query = Query.of(level, defaults=False, **keys)
    assert sorted(query.columns) == sorted(unique)
    assert set(unique) <= set(query.identifier())


@pytest.mark.parametrize(
    ("level", "keys", "words"),
    [
        ("SERIES", {}, "needs StudyInstanceUID"),
        ("IMAGE", {"StudyInstanceUID": UID1}, "needs SeriesInstanceUID"),
        ("IMAGE", {"SeriesInstanceUID": UID1}, "needs StudyInstanceUID"),
        ("SERIES", {"StudyInstanceUID": None}, "needs StudyInstanceUID"),
        ("SERIES", {"StudyInstanceUID": [UID1, UID2]}, "one value"),
        ("STUDY", {"model": "patient"}, "needs PatientID"),
        ("STUDY", {"model": "patient", "PatientID": "P*"}, "without wildcards"),
        ("STUDY", {"Modality": "CT"}, "use ModalitiesInStudy"),
        ("STUDY", {"columns": ["SeriesDescription"]}, "SERIES level"),
        ("STUDY", {"SeriesInstanceUID": UID1}, "SERIES level"),
        ("PATIENT", {"StudyDate": "2024"}, "STUDY level"),
        ("SERIES", {"StudyInstanceUID": UID1, "PatientName": "DOE*"}, "find the patients by PatientName first"),
        ("SERIES", {"StudyInstanceUID": UID1, "StudyDate": "2024"}, "find the studies"),
        ("STUDY", {"PatentName": "DOE"}, "did you mean PatientName"),
        ("STUDY", {"columns": ["PatentName"]}, "did you mean PatientName"),
        ("STUDY", {"QueryRetrieveLevel": "STUDY"}, "first argument"),
        ("STUDY", {"StudyInstanceUID": "1.2*"}, "wildcards"),
        ("FRAME", {}, "not a level"),
    ],
)
def test_refused_before_anything_is_sent(level, keys, words):
    with pytest.raises(QueryError) as caught:
        Query.of(level, **keys)
    assert words in str(caught.value)
    assert "DOE" not in str(caught.value)


@pytest.mark.parametrize(
    ("level", "keys"),
    [
        ("SERIES", {"Modality": "CT", "PatientName": "DOE*"}),
        ("IMAGE", {"SOPInstanceUID": UID1}),
        ("STUDY", {"Modality": "CT"}),
    ],
)
def test_relational_queries_may_use_any_key(level, keys):
    query = Query.of(level, relational=True, **keys)
    assert query.matching == keys


def test_attributes_of_levels_above_may_be_returned():
    query = Query.of("SERIES", StudyInstanceUID=UID1, columns=["PatientName", "StudyDescription"], PatientID="P1")
    assert {"PatientName", "StudyDescription", "PatientID"} <= set(query.columns)


def test_a_patient_is_part_of_the_study_in_the_study_root_model():
    assert Query.of("STUDY", PatientName="DOE*", PatientSex="F").matching == {"PatientName": "DOE*", "PatientSex": "F"}


def test_one_query_for_each_value_above_the_level():
    queries = Query.each("SERIES", StudyInstanceUID=[UID1, UID2, UID1], Modality="CT")
    assert [query.matching["StudyInstanceUID"] for query in queries] == [UID1, UID2]
    assert all(query.matching["Modality"] == "CT" for query in queries)
    assert len(Query.each("STUDY", StudyInstanceUID=[UID1, UID2])) == 1
    with pytest.raises(QueryError, match="needs StudyInstanceUID"):
        Query.each("SERIES", Modality="CT")
    with pytest.raises(QueryError, match="empty list"):
        Query.each("SERIES", StudyInstanceUID=[])


def test_the_character_set_is_no_column():
    query = Query.of("STUDY", SpecificCharacterSet="ISO_IR 100", PatientName="MÜLLER*")
    assert "SpecificCharacterSet" not in query.columns
    assert query.identifier()["SpecificCharacterSet"] == "ISO_IR 100"


def test_a_query_shows_its_keys():
    query = Query.of("STUDY", PatientID="P1")
    assert "PatientID" in repr(query)
    assert "matching" in query._repr_html_()


def test_a_misspelt_parameter_is_told_whichever_it_is():
    parameters = inspect.signature(Peer.find).parameters.values()
    assert set(query._PARAMETERS) == {one.name for one in parameters if one.kind is one.KEYWORD_ONLY}
