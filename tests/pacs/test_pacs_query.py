"""C-FIND and the selection of C-GET and C-MOVE (PS3.4 Annex C), asked of the handlers without a network."""

import struct

import pytest
from pacs_requests import (
    EXPLICIT,
    IMPLICIT,
    MR,
    PATIENT_ROOT,
    STUDY_ROOT,
    encode,
    find,
    find_request,
    made,
    retrieve,
    status_of,
    store,
    values,
)

from nbdicom.config import Limits
from nbdicom.core.extended import QueryOptions
from nbdicom.operations.requests import Refuse
from nbdicom.pacs import Pacs
from nbdicom.pacs.workflow.attributes import read_identifier

# Two patients; the first has two studies, the first of these two series with three and one instances.
CONTENT = [
    made(
        1, SOPInstanceUID="1.1.1.1", SeriesInstanceUID="1.1.1", StudyInstanceUID="1.1", PatientComments="likes tea",
        StudyDescription="Trauma 100%", SeriesDescription="Head", BodyPartExamined="HEAD", InstanceNumber="3",
        SliceLocation="3",
    ),
    made(
        2, SOPInstanceUID="1.1.1.2", SeriesInstanceUID="1.1.1", StudyInstanceUID="1.1", InstanceNumber="1",
        SliceLocation="1", SliceThickness="2.5",
    ),
    made(
        3, SOPInstanceUID="1.1.1.3", SeriesInstanceUID="1.1.1", StudyInstanceUID="1.1", InstanceNumber="2",
        SliceThickness=None,
    ),
    made(
        4, SOPInstanceUID="1.1.2.1", SeriesInstanceUID="1.1.2", StudyInstanceUID="1.1", Modality="SR",
        SeriesNumber="99", SOPClassUID="1.2.840.10008.5.1.4.1.1.88.67", SeriesDescription="Dose", Rows=None,
        Columns=None, PixelData=None,
    ),
    made(
        5, SOPInstanceUID="1.2.1.1", SeriesInstanceUID="1.2.1", StudyInstanceUID="1.2", SeriesDescription="Abdomen_1",
        StudyDate="20210301", StudyTime="173000", AccessionNumber="A2", StudyID="S2", ReferringPhysicianName="Roe^Jane",
        OperatorsName=("Lee^Ann", "Moe^Al"),
    ),
    made(
        6, SOPInstanceUID="2.1.1.1", SeriesInstanceUID="2.1.1", StudyInstanceUID="2.1", Modality="MR", SOPClassUID=MR,
        PatientID="P2", PatientName="Smith^Anna", PatientSex="F", PatientBirthDate="19851224", PatientComments="afraid",
        SeriesDescription="Brain", StudyDate="20210302", StudyTime="080000", AccessionNumber="B1", StudyID="S1",
    ),
]  # fmt: skip


@pytest.fixture(scope="module")
def handlers(tmp_path_factory):
    pacs = Pacs(tmp_path_factory.mktemp("query"), durability="none")
    handlers = pacs.handlers()
    for content in CONTENT:
        assert store(handlers, content) == 0x0000
    yield handlers
    pacs.stop()


# ------------------------------------------------------------------------------- one answer for each entity


@pytest.mark.parametrize(
    ("level", "model", "keyword", "expected"),
    [
        ("PATIENT", PATIENT_ROOT, "PatientID", ["P1", "P2"]),
        ("STUDY", PATIENT_ROOT, "StudyInstanceUID", ["1.1", "1.2", "2.1"]),
        ("STUDY", STUDY_ROOT, "StudyInstanceUID", ["1.1", "1.2", "2.1"]),
        ("SERIES", STUDY_ROOT, "SeriesInstanceUID", ["1.1.1", "1.1.2", "1.2.1", "2.1.1"]),
        ("IMAGE", STUDY_ROOT, "SOPInstanceUID", ["1.1.1.1", "1.1.1.2", "1.1.1.3", "1.1.2.1", "1.2.1.1", "2.1.1.1"]),
    ],
)
@pytest.mark.parity("A.10 qrscp")
def test_one_match_for_each_entity_of_the_level(handlers, level, model, keyword, expected):
    assert sorted(values(handlers, keyword, level, model)) == expected


def test_answer_has_level_title_and_unique_keys(handlers):
    (match,), pending = find(handlers, "SERIES", SeriesInstanceUID="1.2.1", SeriesDescription="")
    assert match == {
        "QueryRetrieveLevel": "SERIES",
        "RetrieveAETitle": "NBPACS",
        "StudyInstanceUID": "1.2",
        "SeriesInstanceUID": "1.2.1",
        "SeriesDescription": "Abdomen_1",
    }
    assert pending == 0xFF00


def test_patient_root_answers_the_patient_id(handlers):
    (match,), _ = find(handlers, "STUDY", PATIENT_ROOT, StudyInstanceUID="2.1")
    assert match["PatientID"] == "P2"


def test_series_and_images_of_one_parent_are_in_order(handlers):
    assert values(handlers, "SeriesInstanceUID", "SERIES", StudyInstanceUID="1.1") == ["1.1.1", "1.1.2"]
    assert values(handlers, "InstanceNumber", "IMAGE", StudyInstanceUID="1.1", SeriesInstanceUID="1.1.1") == [
        "1",
        "2",
        "3",
    ]


@pytest.mark.parametrize(
    ("level", "keys", "expected"),
    [
        ("PATIENT", {"PatientName": "doe*"}, 1),
        ("PATIENT", {"PatientName": "D?E^JOHN"}, 1),
        ("PATIENT", {"PatientID": "P*"}, 2),
        ("PATIENT", {"PatientID": "p1"}, 0),
        ("PATIENT", {"PatientBirthDate": "19700101-19801231"}, 1),
        ("PATIENT", {"PatientSex": "F"}, 1),
        ("PATIENT", {"PatientComments": "*tea*"}, 1),
        ("STUDY", {"StudyInstanceUID": "1.1\\2.1"}, 2),
        ("STUDY", {"StudyDate": "20210101-"}, 2),
        ("STUDY", {"StudyDate": "-20201231"}, 1),
        ("STUDY", {"StudyDate": "20210301"}, 1),
        ("STUDY", {"StudyTime": "100000-180000"}, 2),
        ("STUDY", {"AccessionNumber": "A?"}, 2),
        ("STUDY", {"StudyDescription": "*100%"}, 1),
        ("STUDY", {"StudyDescription": "*%%"}, 0),
        ("STUDY", {"ReferringPhysicianName": "ROE*"}, 1),
        ("STUDY", {"ModalitiesInStudy": "SR"}, 1),
        ("STUDY", {"ModalitiesInStudy": "CT\\MR"}, 3),
        ("STUDY", {"ModalitiesInStudy": "C*"}, 2),
        ("STUDY", {"SOPClassesInStudy": MR}, 1),
        ("STUDY", {"NumberOfStudyRelatedInstances": "4"}, 1),
        ("STUDY", {"PatientName": "Smith*", "StudyDate": "2021"}, 1),  # a key of an upper level
        ("STUDY", {"PatientComments": "afraid"}, 1),
        ("SERIES", {"Modality": "CT"}, 2),
        ("SERIES", {"Modality": "ct"}, 0),
        ("SERIES", {"SeriesNumber": "099"}, 1),
        ("SERIES", {"BodyPartExamined": "HEAD", "StudyDate": "2020"}, 1),
        ("SERIES", {"SeriesDescription": "*_*"}, 1),
        ("SERIES", {"OperatorsName": "moe^al"}, 1),
        ("SERIES", {"ImageType": "AXIAL"}, 4),
        ("SERIES", {"NumberOfSeriesRelatedInstances": "3"}, 1),
        ("IMAGE", {"SOPClassUID": MR}, 1),
        ("IMAGE", {"InstanceNumber": "1"}, 1),
        ("IMAGE", {"Rows": 2}, 5),
        ("IMAGE", {"SliceThickness": "5.0"}, 4),
        ("IMAGE", {"SliceThickness": "2.5"}, 1),
        ("IMAGE", {"SliceLocation": "3"}, 1),
        ("IMAGE", {"AvailableTransferSyntaxUID": EXPLICIT}, 6),
        ("IMAGE", {"AvailableTransferSyntaxUID": IMPLICIT}, 0),
        ("IMAGE", {"PatientID": "P2", "Modality": "MR"}, 1),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else None,
)
def test_keys_of_every_level(handlers, level, keys, expected):
    matches, pending = find(handlers, level, PATIENT_ROOT, **keys)
    assert (len(matches), pending) == (expected, 0xFF00)


@pytest.mark.parametrize(
    "evil", ["'", '"', ";", "' OR 1=1 --", "%", "_", "[", "]", "[a-z]*", "\\", "x\0y", "\N{PILE OF POO}"]
)
@pytest.mark.parametrize("keyword", ["PatientID", "PatientName", "StudyDescription", "PatientComments"])
def test_what_looks_like_sql_is_text(handlers, keyword, evil):
    matches, _ = find(handlers, "STUDY", PATIENT_ROOT, **{keyword: evil})
    assert len(matches) == (3 if evil == "\\" and keyword != "PatientComments" else 0)


# ------------------------------------------------------------------------------- what is answered


def test_counts(handlers):
    (match,), pending = find(
        handlers, "PATIENT", PATIENT_ROOT, PatientID="P1",
        NumberOfPatientRelatedStudies="", NumberOfPatientRelatedSeries="", NumberOfPatientRelatedInstances="",
    )  # fmt: skip
    assert [match[f"NumberOfPatientRelated{what}"] for what in ("Studies", "Series", "Instances")] == ["2", "3", "5"]
    assert pending == 0xFF00
    (match,), _ = find(
        handlers, "STUDY", StudyInstanceUID="1.1", NumberOfStudyRelatedSeries="", NumberOfStudyRelatedInstances="",
        ModalitiesInStudy="", SOPClassesInStudy="",
    )  # fmt: skip
    assert (match["NumberOfStudyRelatedSeries"], match["NumberOfStudyRelatedInstances"]) == ("2", "4")
    assert sorted(match["ModalitiesInStudy"].split("\\")) == ["CT", "SR"]
    assert len(match["SOPClassesInStudy"].split("\\")) == 2
    assert values(handlers, "NumberOfSeriesRelatedInstances", "SERIES", SeriesInstanceUID="1.1.1",
                  NumberOfSeriesRelatedInstances="") == ["3"]  # fmt: skip


def test_any_attribute_of_the_header_can_be_asked_for(handlers):
    (match,), pending = find(
        handlers, "IMAGE", SOPInstanceUID="1.1.1.2",
        Rows=None, ImageType="", SliceThickness="", SliceLocation="", BitsAllocated=None, InstanceAvailability="",
    )  # fmt: skip
    assert pending == 0xFF00
    assert (match["Rows"], match["BitsAllocated"]) == (2, 16)
    assert match["ImageType"] == "ORIGINAL\\PRIMARY\\AXIAL"
    assert (match["SliceThickness"], match["SliceLocation"]) == ("2.5", "1")
    assert match["InstanceAvailability"] == "ONLINE"


@pytest.mark.parametrize("level", ["SERIES", "IMAGE"])
@pytest.mark.parametrize("zone", ["", "+0100", "-0500"])
def test_the_time_zone_of_an_identifier_is_no_key(tmp_path, level, zone):
    """It says how the times of the identifier are meant (PS3.4 C.4.1.1.3.1), and is answered like any other attribute."""
    with_zone = made(1, TimezoneOffsetFromUTC="+0100")
    with Pacs(tmp_path, durability="none") as pacs:
        handlers = pacs.handlers()
        store(handlers, with_zone)
        store(handlers, made(2, SeriesInstanceUID="1.2.3.9"))
        matches, _ = find(handlers, level, StudyInstanceUID="1.2.3", TimezoneOffsetFromUTC=zone)
        assert sorted(match["TimezoneOffsetFromUTC"] for match in matches) == ["", "+0100"]


def test_private_and_unknown_keys_are_not_supported_but_harm_nothing(handlers):
    request = find_request("STUDY", StudyInstanceUID="1.1")
    for tag in (b"\x09\0\x01\x10", b"\x08\0\xfe\xff", b"\x0a\x30\x82\x07"):
        request.data += tag + b"LO\x04\0abcd"
    ((match,),) = handlers.find(request)
    assert match["StudyInstanceUID"] == "1.1"
    assert request.pending_status == 0xFF01


def test_very_many_keys(handlers):
    from pydicom.datadict import DicomDictionary

    text = [entry[4] for entry in DicomDictionary.values() if entry[0] in ("LO", "SH", "CS", "DS") and entry[4]]
    text = [keyword for keyword in text if not keyword.startswith("QueryRetrieve")]
    keys = dict.fromkeys((*text[:900], "Rows", "SliceThickness"))
    (match,), _ = find(handlers, "IMAGE", SOPInstanceUID="1.1.1.2", **keys)
    assert (match["Rows"], match["SliceThickness"], match["Modality"]) == (2, "2.5", "CT")
    assert len(match) > 500


def test_an_instance_does_not_inherit_what_it_lacks(handlers):
    keys = {"SliceThickness": "", "SliceLocation": ""}
    (match,), _ = find(handlers, "IMAGE", SOPInstanceUID="1.1.1.3", **keys)
    assert (match["SliceThickness"], match["SliceLocation"]) == ("", "")
    (match,), _ = find(handlers, "SERIES", SeriesInstanceUID="1.1.1", **keys)
    assert (match["SliceThickness"], match["SliceLocation"]) == ("5", "3")  # the first instance that came


@pytest.mark.parametrize(
    ("level", "keys"),
    [
        ("STUDY", {"Modality": "CT"}),  # a key of a lower level
        ("STUDY", {"SliceThickness": ""}),
        ("PATIENT", {"ModalitiesInStudy": ""}),
        ("STUDY", {"ProcedureCodeSequence": ()}),
    ],
)
def test_unsupported_optional_keys(handlers, level, keys):
    """They match nothing and are not returned (PS3.4 C.2.2.1.3)."""
    matches, pending = find(handlers, level, PATIENT_ROOT, PatientName="", **keys)
    assert matches and all("PatientName" in match for match in matches)
    assert pending == 0xFF01
    assert not any(keyword in match for keyword in keys for match in matches)


@pytest.mark.parametrize(
    ("level", "keys", "expected"),
    [
        # keys of lower levels, and what the entities have in common that match
        ("STUDY", {"Modality": "SR"}, [{"StudyInstanceUID": "1.1", "Modality": "SR"}]),
        ("STUDY", {"Modality": "XA"}, []),
        ("STUDY", {"Modality": "CT\\SR", "StudyDate": "20200115"}, [{"StudyInstanceUID": "1.1", "Modality": ""}]),
        ("STUDY", {"SOPClassUID": MR, "PatientName": "smith*"}, [{"StudyInstanceUID": "2.1", "SOPClassUID": MR}]),
        ("STUDY", {"OperatorsName": "moe*"}, [{"StudyInstanceUID": "1.2"}]),
        ("PATIENT", {"StudyDate": "2021-", "StudyTime": "170000-"}, [{"PatientID": "P1", "StudyDate": "20210301"}]),
        ("PATIENT", {"ModalitiesInStudy": "MR"}, [{"PatientID": "P2", "ModalitiesInStudy": "MR"}]),
        (
            "PATIENT",
            {"SOPInstanceUID": "1.1.2.1", "PatientID": "P*"},
            [{"PatientID": "P1", "SOPInstanceUID": "1.1.2.1"}],
        ),
        ("SERIES", {"InstanceNumber": "2", "Modality": "CT"}, [{"SeriesInstanceUID": "1.1.1", "InstanceNumber": "2"}]),
        # one entity has to match all keys: the study has a CT series and a series called Dose, but no such CT series
        ("STUDY", {"Modality": "CT", "SeriesDescription": "Dose"}, []),
        ("STUDY", {"Modality": "SR", "SeriesDescription": "Dose"}, [{"Modality": "SR", "SeriesDescription": "Dose"}]),
        # without the unique keys above
        ("IMAGE", {"SeriesDescription": "Brain", "StudyDate": "20210302"}, [{"SOPInstanceUID": "2.1.1.1"}]),
    ],
)
def test_relational_queries(handlers, level, keys, expected):
    matches, pending = find(handlers, level, PATIENT_ROOT, agreed=QueryOptions(relational=True), **keys)
    assert [{key: match[key] for key in wanted} for match, wanted in zip(matches, expected, strict=True)] == expected
    assert pending == 0xFF00


def test_a_relational_query_without_keys_of_lower_levels_is_like_any_other(handlers):
    plain, _ = find(handlers, "STUDY", PATIENT_ROOT, PatientName="", ModalitiesInStudy="")
    relational = QueryOptions(relational=True)
    assert find(handlers, "STUDY", PATIENT_ROOT, agreed=relational, PatientName="", ModalitiesInStudy="")[0] == plain
    matches, _ = find(handlers, "STUDY", PATIENT_ROOT, agreed=relational, Modality="")  # only to be returned
    assert [match["Modality"] for match in matches] == ["", "CT", "MR"]


@pytest.mark.parametrize(
    ("level", "dates", "times", "together", "apart"),
    [
        ("STUDY", "20210301-20210302", "100000-170000", ["1.2", "2.1"], []),
        ("STUDY", "20210301-20210302", "173000-", ["1.2", "2.1"], ["1.2"]),
        ("STUDY", "20210301-20210302", "-080000", ["1.2", "2.1"], ["2.1"]),
        ("STUDY", "20210301-20210302", "-0759", ["1.2"], []),
        ("STUDY", "20210301-", "1800-", ["2.1"], []),
        ("STUDY", "20210301", "1700-1800", ["1.2"], ["1.2"]),  # of one day both readings are the same
        ("PATIENT", "20210301-20210302", "100000-170000", ["P1", "P2"], []),  # of a study below
    ],
)
def test_combined_date_time_matching(handlers, level, dates, times, together, apart):
    """PS3.4 C.2.2.2.5.3: from the first moment to the last, where both sides agreed to that; else each of its own."""
    unique = {"STUDY": "StudyInstanceUID", "PATIENT": "PatientID"}[level]

    def found(date_time):
        agreed = QueryOptions(relational=True, date_time=date_time)
        matches, _ = find(handlers, level, PATIENT_ROOT, agreed=agreed, StudyDate=dates, StudyTime=times)
        return sorted(match[unique] for match in matches)

    assert found(True) == together
    assert found(False) == apart


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT])
def test_odd_objects_spoil_no_answer(tmp_path, syntax):
    """Values that are not what their VR says are in every archive; they are left out or made plain."""
    with Pacs(tmp_path, durability="none") as pacs:
        handlers = pacs.handlers()
        odd = made(SeriesTime=b"1\xfc0", Modality=b"\xc9T", PatientSex=b"\xff", InstanceNumber="one")
        data = encode({**odd, "BodyPartExamined": b"K\xd6RPER", "ExposureTime": b"\xe9"})
        # a flag with the VR of a text, a number that is none, a negative one where only positive ones are known
        text = b"\x28\0\x14\0LO\x04\0many"
        negative = b"\x28\0\x08\x01SS\x02\0\xfb\xff"
        not_a_number = b"\x18\0\x73\x90FD\x08\0" + b"\xff" * 8
        pixels = b"\xe0\x7f\x10\0O"
        assert pixels in data
        data = data.replace(pixels, not_a_number + text + negative + pixels)
        assert store(handlers, data, sop_class=odd["SOPClassUID"], sop_instance=odd["SOPInstanceUID"]) == 0x0000
        keys = dict.fromkeys(
            ("SeriesTime", "Modality", "PatientSex", "InstanceNumber", "BodyPartExamined", "ExposureTime",
             "UltrasoundColorDataPresent", "SmallestPixelValueInSeries", "AcquisitionDuration")
        )  # fmt: skip
        (match,), _ = find(handlers, "IMAGE", syntax=syntax, **keys)
        assert encode(match, syntax)
        assert (match["Modality"], match["InstanceNumber"], match["UltrasoundColorDataPresent"]) == ("?T", "one", "")


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT])
def test_answers_can_be_encoded(handlers, syntax):
    from nbdicom.data import codec

    request = find_request(
        "IMAGE", syntax=syntax, Rows=None, ImageType="", ProcedureCodeSequence=(), StudyDate="", PatientName="",
        NumberOfStudyRelatedInstances="", AvailableTransferSyntaxUID="",
    )  # fmt: skip
    matches = [match for together in handlers.find(request) for match in together]
    decoded = [codec.decode(encode(match, syntax), syntax) for match in matches]
    assert {str(dataset.PatientName) for dataset in decoded} == {"Doe^John", "Smith^Anna"}
    assert all(dataset.QueryRetrieveLevel == "IMAGE" for dataset in decoded)


# ------------------------------------------------------------------------------- refusals and limits


@pytest.mark.parametrize(
    ("level", "model", "status"),
    [
        (None, STUDY_ROOT, 0xA900),
        ("", STUDY_ROOT, 0xA900),
        ("FRAME", STUDY_ROOT, 0xA900),
        ("study", STUDY_ROOT, 0xA900),
        ("PATIENT", STUDY_ROOT, 0xA900),
        ("SERIES", "1.2.840.10008.5.1.4.1.2.3", 0xA900),
        ("STUDY", "1.2.840.10008.5.1.4.31", 0x0122),
    ],
)
def test_level_that_the_model_does_not_have(handlers, level, model, status):
    assert status_of(find, handlers, level, model) == status


def test_identifier_that_cannot_be_decoded(handlers):
    request = find_request("STUDY")
    request.data = request.data[:-1]
    assert status_of(handlers.find, request) == 0xC000


def test_identifier_of_too_many_elements(handlers):
    """PS3.6 has 5 000 of them; each that it does not have would be looked up there, all the same."""
    for request in (find_request("STUDY"), find_request(None)):
        request.data += b"".join(struct.pack("<HH2sH", 0x0012, 0x1000 + k, b"LO", 0) for k in range(5_001))
        assert status_of(handlers.find, request) == 0xC000
    with pytest.raises(Refuse) as refusal:
        read_identifier(request.data, request.transfer_syntax)
    assert refusal.value.status == 0xC000


def test_response_limit(tmp_path):
    with Pacs(tmp_path, durability="none", limits=Limits(matches=2)) as pacs:
        handlers = pacs.handlers()
        for content in CONTENT:
            store(handlers, content)
        matches = handlers.find(find_request("SERIES"))
        assert [next(matches), next(matches)]
        with pytest.raises(Refuse) as refusal:
            next(matches)
        assert refusal.value.status == 0xB001
        assert len(find(handlers, "STUDY", StudyDate="2021")[0]) == 2  # exactly the limit is no warning


def test_what_comes_after_a_limited_answer_is_seen(tmp_path):
    with Pacs(tmp_path, durability="none", limits=Limits(matches=1)) as pacs:
        handlers = pacs.handlers()
        for content in CONTENT[:2]:
            store(handlers, content)
        kept = []  # an exception holds on to its frames, and these to what they have open
        for _ in range(3):
            try:
                list(handlers.find(find_request("IMAGE")))
            except Refuse as refusal:
                kept.append(refusal)
        assert len(kept) == 3
        store(handlers, CONTENT[5])
        assert len(find(handlers, "STUDY", StudyInstanceUID="2.1")[0]) == 1


def test_matches_are_made_while_they_are_taken(handlers, monkeypatch):
    from nbdicom.pacs import query

    answer, made_so_far = query._answer, []
    monkeypatch.setattr(query, "_answer", lambda plan, row: made_so_far.append(row) or answer(plan, row))
    matches = handlers.find(find_request("IMAGE"))
    assert len(next(matches)) == len(made_so_far) == 1  # and there are more
    store(handlers, made(7, SOPInstanceUID="1.2.1.9", SeriesInstanceUID="1.2.1", StudyInstanceUID="1.2"))  # not blocked
    matches.close()
    matches.close()


# ------------------------------------------------------------------------------- C-GET and C-MOVE


@pytest.mark.parametrize(
    ("level", "model", "keys", "expected"),
    [
        ("PATIENT", PATIENT_ROOT, {"PatientID": "P2"}, ["2.1.1.1"]),
        ("STUDY", STUDY_ROOT, {"StudyInstanceUID": "1.1"}, ["1.1.1.2", "1.1.1.3", "1.1.1.1", "1.1.2.1"]),
        (
            "STUDY",
            PATIENT_ROOT,
            {"PatientID": "P1", "StudyInstanceUID": ("1.1", "2.1")},
            ["1.1.1.2", "1.1.1.3", "1.1.1.1", "1.1.2.1"],
        ),
        (
            "STUDY",
            STUDY_ROOT,
            {"StudyInstanceUID": ("2.1", "1.1")},
            ["1.1.1.2", "1.1.1.3", "1.1.1.1", "1.1.2.1", "2.1.1.1"],
        ),
        ("SERIES", STUDY_ROOT, {"StudyInstanceUID": "1.1", "SeriesInstanceUID": "1.1.2"}, ["1.1.2.1"]),
        ("SERIES", STUDY_ROOT, {"SeriesInstanceUID": "1.1.2"}, ["1.1.2.1"]),  # upper unique key missing
        ("SERIES", STUDY_ROOT, {"StudyInstanceUID": "2.1", "SeriesInstanceUID": "1.1.2"}, []),
        ("IMAGE", STUDY_ROOT, {"SOPInstanceUID": ("1.1.1.1", "1.1.1.2", "9.9")}, ["1.1.1.2", "1.1.1.1"]),
        ("IMAGE", STUDY_ROOT, {"SOPInstanceUID": "1.1.1.*"}, []),
    ],
)
@pytest.mark.parametrize("move", [False, True])
def test_selection(handlers, level, model, keys, expected, move):
    instances = retrieve(handlers, level, model, move=move, **keys)
    assert [instance.sop_instance_uid for instance in instances] == expected
    assert len(instances) == len(expected)


@pytest.mark.parametrize(
    ("level", "keys"),
    [(None, {"StudyInstanceUID": "1.1"}), ("STUDY", {}), ("STUDY", {"StudyInstanceUID": ""}),
     ("IMAGE", {"StudyInstanceUID": "1.1"}), ("PATIENT", {"PatientID": "P1"})],
)  # fmt: skip
def test_selection_without_its_unique_key(handlers, level, keys):
    assert status_of(retrieve, handlers, level, **keys) == 0xA900


def test_what_is_retrieved_is_what_was_stored(handlers):
    (instance,) = retrieve(handlers, "IMAGE", SOPInstanceUID="2.1.1.1")
    source = instance.open(instance.transfer_syntax)
    try:
        assert b"".join(bytes(view) for view, _ in source.chunks(64)) == encode(CONTENT[5])
    finally:
        source.close()


def test_a_request_is_shown_without_what_it_asks_for():
    shown = repr(find_request("PATIENT", PATIENT_ROOT, PatientName="DOE*"))
    assert shown.startswith("<FindRequest of ") and "Patient Root" in shown and "DOE" not in shown
