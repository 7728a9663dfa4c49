"""Answers as a DataFrame: types, missing values, provenance, and the way on by ``.dicom``."""

import json
import warnings
from io import BytesIO

import pandas as pd
import pytest
from pydicom import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from nbdicom import privacy
from nbdicom.errors import NotDicom, QueryError
from nbdicom.peer import Peer, UndecodableValues
from nbdicom.peer.columns import parse_column
from nbdicom.peer.frames import answer_frame
from nbdicom.peer.query import Attribute, Query

IMPLICIT, EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"


def encoded(explicit=True, **values):
    """An identifier as pydicom encodes it."""
    dataset = Dataset()
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, not explicit
    write_dataset(buffer, dataset)
    return buffer.getvalue(), EXPLICIT if explicit else IMPLICIT


def frame_of(*answers, level="STUDY", parse=True, columns=(), **keys):
    query = Query.of(level, columns=columns, **keys)
    about = Peer("PACS@127.0.0.1:104").provenance(query.level, query.model)
    return answer_frame(answers, query.columns, provenance=about, parse=parse)


STUDY = {
    "PatientID": "P1",
    "PatientName": "DOE^JOHN^^",
    "PatientBirthDate": "19700131",
    "StudyDate": "20240131",
    "StudyTime": "101530.25",
    "ModalitiesInStudy": ["CT", "SR"],
    "StudyInstanceUID": "1.2.3",
    "NumberOfStudyRelatedInstances": "12",
    "QueryRetrieveLevel": "STUDY",
}


@pytest.mark.parametrize("explicit", [True, False])
def test_columns_have_types(explicit):
    df = frame_of(encoded(explicit, **STUDY), encoded(explicit, StudyInstanceUID="1.2.4"))
    assert df.StudyDate.dtype.kind == df.PatientBirthDate.dtype.kind == "M"
    assert df.StudyDate[0] == pd.Timestamp("2024-01-31")
    assert df.StudyInstanceUID.dtype == "string"
    assert df.NumberOfStudyRelatedInstances.dtype == "Int64"
    assert df.NumberOfStudyRelatedInstances.tolist() == [12, pd.NA]
    assert df.PatientName[0] == "DOE^JOHN"
    assert df.StudyTime[0] == "10:15:30.25"
    assert df.ModalitiesInStudy.tolist() == [("CT", "SR"), ()]
    assert df.PatientID.isna().tolist() == [False, True]
    assert "QueryRetrieveLevel" not in df.columns
    assert df.columns[0] == "PatientID"


def test_no_answers_have_the_same_columns_and_types():
    none, one = frame_of(), frame_of(encoded(**STUDY))
    assert list(none.columns) == list(one.columns)
    assert len(none) == 0
    assert none.dtypes.astype(str).tolist() == one.dtypes.astype(str).tolist()


def test_what_the_peer_adds_comes_last():
    df = frame_of(encoded(**STUDY, RetrieveAETitle="PACS", SpecificCharacterSet="ISO_IR 100"))
    assert df.columns[-1] == "RetrieveAETitle"
    assert "SpecificCharacterSet" not in df.columns


def test_wire_strings_tell_empty_from_absent():
    df = frame_of(encoded(**STUDY), encoded(StudyInstanceUID="1.2.4", StudyDate="", PatientName=""), parse=False)
    assert df.StudyDate.tolist() == ["20240131", ""]
    assert df.PatientID.isna().tolist() == [False, True]
    assert df.PatientName[1] == ""
    assert df.ModalitiesInStudy[0] == "CT\\SR"
    assert df.NumberOfStudyRelatedInstances[0] == "12"


def test_numbers_decimals_and_several_values():
    df = frame_of(
        encoded(Rows=512, SliceLocation="1.5", ImageType=["ORIGINAL", "PRIMARY"], SOPInstanceUID="1.2"),
        level="IMAGE",
        StudyInstanceUID="1",
        SeriesInstanceUID="2",
        columns=["SliceLocation", "ImageType"],
    )
    assert df.Rows.dtype == "Int64"
    assert df.Rows[0] == 512
    assert df.SliceLocation.dtype == "float64"
    assert df.ImageType[0] == ("ORIGINAL", "PRIMARY")


def test_character_sets_are_decoded():
    df = frame_of(encoded(SpecificCharacterSet="ISO_IR 192", PatientName="MÜLLER^ÄNNE", StudyInstanceUID="1.2"))
    assert df.PatientName[0] == "MÜLLER^ÄNNE"


def test_private_attributes_are_columns_by_tag():
    dataset = {"PatientID": "P"}
    df = frame_of(encoded(**dataset), columns=["0009,1001"])
    assert "0009,1001" in df.columns


def bad_identifier():
    good, _ = encoded(StudyInstanceUID="1.2.3", NumberOfStudyRelatedSeries="1", StudyDate="20240131")
    return good.replace(b"20240131", b"SECRET99").replace(b"IS\x02\x001 ", b"IS\x02\x00xy"), EXPLICIT


def test_undecodable_values_are_missing_and_named_but_not_shown():
    with pytest.warns(UndecodableValues) as caught:
        df = frame_of(bad_identifier(), encoded(**STUDY))
    assert df.StudyDate.isna().tolist() == [True, False]
    assert df.NumberOfStudyRelatedSeries.isna().all()
    text = " ".join(str(warning.message) for warning in caught)
    assert "StudyDate" in text
    assert "NumberOfStudyRelatedSeries" in text
    assert "SECRET" not in text
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert frame_of(bad_identifier(), parse=False).StudyDate[0] == "SECRET99"


def test_an_answer_that_is_no_data_set_is_left_out_and_told():
    rubbish = (b"\x08\x00\x20\x00DA\xff\xff20240131", EXPLICIT)
    with pytest.warns(UndecodableValues, match="1 of 2 answers"):
        df = frame_of(rubbish, encoded(**STUDY))
    assert df.StudyInstanceUID.tolist() == ["1.2.3"]


@pytest.mark.parametrize(
    ("keyword", "vr", "value", "shown"),
    [
        ("StudyTime", "TM", "1015", "10:15"),
        ("StudyTime", "TM", "101500.000000", "10:15:00"),
        ("AcquisitionDateTime", "DT", "20240131101500.5+0100", "2024-01-31 10:15:00.5+01:00"),
        ("AcquisitionDateTime", "DT", "2024", "2024"),
        ("PatientName", "PN", "A^B=C^D==", "A^B=C^D"),
        ("PatientName", "PN", "^^^^", ""),
        ("PatientID", "LO", ("A", "B"), "A\\B"),
        ("PatientBirthDate", "DA", "1111.11.11", pd.Timestamp("1111-11-11")),
        ("FrameIncrementPointer", "AT", 0x00181063, "0018,1063"),
        ("InstanceNumber", "IS", "+07 ", 7),
        ("SliceThickness", "DS", "1e-1", 0.1),
    ],
)
def test_values_that_people_read(keyword, vr, value, shown):
    assert parse_column(Attribute(keyword, vr, False), [value])[0] == shown


@pytest.mark.parametrize(
    ("vr", "value"),
    [
        ("IS", "1_000"), ("IS", "1.0"), ("IS", "9" * 20), ("DS", "1_000"), ("DS", "nan"), ("DS", "inf"), ("DS", "1e400"),
        ("DS", "1,5"), ("DA", "20240230"), ("DT", "20241301"), ("DT", "2024013124"), ("TM", "24"), ("UV", -1),
    ],
)  # fmt: skip
def test_what_is_no_value_of_its_vr_is_missing(vr, value):
    with pytest.warns(UndecodableValues, match=f"1 value of X cannot be read as {vr}"):
        assert parse_column(Attribute("X", vr, False), [value]).isna().all()


def test_what_is_shown_can_be_asked_for_again():
    df = frame_of(encoded(**STUDY))
    row = df.iloc[0]
    query = Query.of(
        "STUDY", **{key: row[key] for key in ("PatientName", "StudyDate", "StudyTime", "ModalitiesInStudy")}
    )
    assert query.matching == {
        "PatientName": "DOE^JOHN",
        "StudyDate": "20240131",
        "StudyTime": "101530.25",
        "ModalitiesInStudy": "CT\\SR",
    }


# ------------------------------------------------------------------------------- the accessor


@pytest.fixture
def studies():
    return frame_of(encoded(**STUDY), encoded(**{**STUDY, "StudyInstanceUID": "1.2.4", "PatientID": "P2"}))


def test_the_provenance_is_plain_data_and_survives(studies):
    about = studies.attrs["nbdicom"]
    assert json.loads(json.dumps(about)) == about
    assert about["peer"] == "PACS@127.0.0.1:104"
    assert about["level"] == "STUDY"
    assert about["model"] == "StudyRoot"
    for derived in (
        studies[studies.PatientID == "P1"],
        studies.head(1),
        studies.sort_values("PatientID"),
        studies.copy(),
    ):
        assert derived.dicom.peer.address == "PACS@127.0.0.1:104"


def test_settings_of_the_peer_come_along():
    peer = Peer("PACS@127.0.0.1:104", calling="ME", max_pdu=32768)
    again = Peer.from_provenance(peer.provenance(None, None))
    assert again == peer
    assert again.limits == peer.limits
    assert again.timeouts == peer.timeouts


def test_lost_provenance_says_what_to_type(studies):
    lost = pd.read_csv(BytesIO(studies.to_csv(index=False).encode()), dtype="string")
    with pytest.raises(QueryError, match="pass peer=pacs"):
        lost.dicom.series()
    merged = studies.merge(pd.DataFrame({"PatientID": ["P1"], "age": [3]}))
    if "nbdicom" not in merged.attrs:
        with pytest.raises(QueryError, match="merge and CSV"):
            _ = merged.dicom.peer


def test_other_tables_have_no_dicom():
    foreign = pd.DataFrame({"a": [1]})
    assert not hasattr(foreign, "dicom") and not hasattr(foreign["a"], "dicom")
    with pytest.raises(AttributeError, match="StudyInstanceUID"):
        _ = foreign.dicom
    with pytest.raises(NotDicom, match=r"pacs.studies\(AccessionNumber="):
        _ = pd.DataFrame({"AccessionNumber": ["A1"]}).dicom


def test_a_row_says_how_it_leads_on(studies):
    with pytest.raises(AttributeError, match=r"df.iloc\[\[0\]\] is a table"):
        _ = studies.iloc[0].dicom
    assert studies.iloc[[0]].dicom.peer == studies.dicom.peer


def test_a_table_whose_labels_are_keys_leads_on(studies):
    by_uid = studies.set_index(["PatientID", "StudyInstanceUID"])
    assert by_uid.dicom.peer.address == "PACS@127.0.0.1:104"
    assert [one.StudyInstanceUID for one in by_uid.dicom.datasets()] == ["1.2.3", "1.2.4"]


def test_a_table_of_no_columns_says_what_made_it():
    """The mask of an empty table that is made by `map` holds objects, and pandas looks for columns in it."""
    nothing = frame_of()
    mask = nothing["ModalitiesInStudy"].map(lambda modalities: "CT" in modalities)
    with pytest.raises(AttributeError, match="astype"):
        _ = nothing[mask].dicom
    with pytest.raises(QueryError, match="no rows"):
        nothing[mask.astype(bool)].dicom.series()


def test_a_table_shows_whole_uids():
    uid = "1.2.840.113619." + "2." * 20 + "123456789"
    df = frame_of(encoded(**{**STUDY, "StudyInstanceUID": uid}))
    assert uid in str(df.dicom.show())
    assert uid in df.dicom._repr_html_()
    assert "1 row, study level, from PACS@127.0.0.1:104" in repr(df.dicom)
    assert "2024-01-31" in repr(df.dicom)
    assert "CT, SR" in repr(df.dicom)


def test_long_tables_are_cut_and_say_so():
    df = frame_of(*(encoded(StudyInstanceUID=f"1.2.{n}") for n in range(100)))
    assert "... and 40 more rows" in repr(df.dicom)
    assert "more rows" not in str(df.dicom.show())


def test_a_masked_table_names_nobody_and_can_be_retrieved_from():
    df = frame_of(encoded(**STUDY))
    with privacy.masked():
        told = f"{df.dicom.table()}{df.dicom._repr_html_()}"
    assert "DOE" in str(df.dicom.table())
    hidden = df.dicom.masked()
    told += hidden.to_string() + hidden.to_html()
    assert not {secret for secret in ("DOE", "JOHN", "P1", "1970") if secret in told}
    assert hidden.StudyInstanceUID[0] == "1.2.3" and hidden.attrs == df.attrs
    assert df.PatientID[0] == "P1"
