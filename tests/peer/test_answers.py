"""What a table of answers keeps: empty and absent, names, character sets, sequences, files, a worklist."""

from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
import pytest
from pydicom import Dataset

from nbdicom import privacy
from nbdicom.data import decode_columns, encode_elements
from nbdicom.errors import DataSetError, QueryError
from nbdicom.peer import Peer, UndecodableValues
from nbdicom.peer.frames import answer_frame
from nbdicom.peer.query import Query
from nbdicom.peer.rows import read_table
from nbdicom.peer.values import wire
from nbdicom.peer.worklist import WorklistQuery

IMPLICIT, EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"


def answers(*records, syntax=EXPLICIT):
    return [(encode_elements(record, syntax), syntax) for record in records]


def frame_of(*records, wanted=("PatientName", "StudyInstanceUID"), charset=None, **options):
    peer = Peer("PACS@127.0.0.1:104")
    about = {**peer.provenance(None, None), "responses": len(records)}
    return answer_frame(answers(*records, **options), wanted, provenance=about, charset=charset)


# ------------------------------------------------------------------------------- empty and absent


def test_empty_and_absent_in_text_and_in_counts() -> None:
    df = frame_of(
        {"PatientName": "A^B", "StudyDate": "20240101", "StudyID": "7"},
        {"PatientName": "", "StudyDate": "", "StudyID": ""},
        {"StudyInstanceUID": "1.2"},
        wanted=("PatientName", "StudyID", "StudyDate", "StudyInstanceUID"),
    )
    assert df.PatientName.tolist() == ["A^B", "", pd.NA]
    assert df.StudyID.tolist() == ["7", "", pd.NA]
    assert df.StudyDate.isna().tolist() == [False, True, True]
    assert df.attrs["nbdicom"]["missing"] == {
        "PatientName": [1, 1], "StudyID": [1, 1], "StudyDate": [1, 1], "StudyInstanceUID": [0, 2],
    }  # fmt: skip
    assert "StudyDate" in str(df.dicom.missing) and "3 answers" in str(df.dicom.missing)


# ------------------------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("name", "readable", "family", "ideographic"),
    [
        ("Doe^Jane", "Jane Doe", "Doe", ""),
        ("Köhler^Jürgen^K^Dr.^PhD", "Dr. Jürgen K Köhler, PhD", "Köhler", ""),
        ("Yamada^Tarou=山田^太郎=やまだ^たろう", "Tarou Yamada (山田 太郎)", "Yamada", "山田^太郎"),
        ("=山田^太郎", "山田 太郎", "", "山田^太郎"),
        ("", "", "", ""),
    ],
)
def test_names(name, readable, family, ideographic) -> None:
    column = frame_of({"PatientName": name, "StudyInstanceUID": "1"}).PatientName.dicom
    assert (column.readable[0], column.family[0], column.ideographic[0]) == (readable, family, ideographic)


def test_parts_of_names_and_names_of_uids() -> None:
    parts = pd.Series(["F^G^M^P^S=I=P2", None], dtype="string", index=[5, 6]).dicom
    assert [getattr(parts, part)[5] for part in ("family", "given", "middle", "prefix", "suffix")] == list("FGMPS")
    assert (parts.alphabetic[5], parts.phonetic[5]) == ("F^G^M^P^S", "P2")
    assert parts.family.isna().tolist() == [False, True]
    uids = pd.Series(["1.2.840.10008.5.1.4.1.1.2", "1.2.3"], dtype="string").dicom.uid_names
    assert uids.tolist() == ["CT Image Storage", "1.2.3"]
    assert not hasattr(pd.Series([1]), "dicom")


# ------------------------------------------------------------------------------- character sets


@pytest.mark.parametrize(
    ("raw", "named", "fallback", "text", "doubt"),
    [
        ("Köhler".encode(), "ISO_IR 192", None, "Köhler", False),
        ("Köhler".encode("latin-1"), "ISO_IR 100", None, "Köhler", False),
        ("Köhler".encode("latin-1"), "ISO_IR 192", None, "K\ufffdhler", True),
        ("Köhler".encode("latin-1"), None, "ISO_IR 100", "Köhler", False),
        ("Иванов".encode("iso8859_5"), None, "ISO_IR 144", "Иванов", False),
        ("Köhler".encode(), None, None, "Köhler", True),
        ("Köhler".encode("latin-1"), None, None, "Köhler", True),
        ("Köhler".encode("latin-1"), "NO SUCH SET", None, "Köhler", True),
        (b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B", "\\ISO 2022 IR 87", None, "Yamada^Tarou=山田^太郎", False),
        (b"Doe", None, None, "Doe", False),
    ],
)
def test_text_and_its_character_set(raw, named, fallback, text, doubt, recwarn) -> None:
    record = {"PatientName": raw, **({"SpecificCharacterSet": named.split("\\")} if named else {})}
    df = frame_of(record, charset=fallback)
    assert df.PatientName[0] == text
    told = [str(w.message) for w in recwarn if isinstance(w.message, UndecodableValues)]
    assert bool(told) is doubt
    assert all("1 of PatientName" in one and "hler" not in one for one in told)


def doubted(frame) -> set[tuple[str, str]]:
    marks = frame.dicom.doubtful
    assert marks.shape == frame.shape and list(marks.columns) == list(frame.columns)
    return {
        (frame.StudyInstanceUID.iloc[row], name) for name in frame for row in range(len(frame)) if marks[name].iloc[row]
    }


@pytest.fixture
def some_doubtful():
    with pytest.warns(UndecodableValues, match="2 of PatientName.*doubtful says which"):
        return frame_of(
            {"PatientName": "Köhler".encode("latin-1"), "StudyInstanceUID": "1"},
            {"SpecificCharacterSet": "ISO_IR 192", "PatientName": b"M\xfcller", "StudyInstanceUID": "2"},
            {"SpecificCharacterSet": "ISO_IR 192", "PatientName": "Müller".encode(), "StudyInstanceUID": "3"},
            {"PatientName": b"Doe", "StudyInstanceUID": "4"},
        )


def test_doubtful_text_is_marked_and_the_mark_stays(some_doubtful, tmp_path) -> None:
    df, wanted = some_doubtful, {("1", "PatientName"), ("2", "PatientName")}
    assert doubted(df) == wanted
    assert doubted(df.sort_values("StudyInstanceUID", ascending=False)) == wanted
    assert doubted(df[df.StudyInstanceUID != "1"]) == {("2", "PatientName")}
    assert doubted(pd.concat([df, df.head(1)])) == wanted
    df.dicom.save(tmp_path / "df.parquet")
    assert doubted(read_table(tmp_path / "df.parquet")) == wanted
    df.dicom.save(tmp_path / "df.csv")  # keeps no provenance, so no guess; what was not readable can still be seen
    assert doubted(read_table(tmp_path / "df.csv")) == {("2", "PatientName")}


def test_the_mark_is_seen(some_doubtful) -> None:
    from IPython.core.formatters import DisplayFormatter

    from nbdicom.peer.display import register

    formatter = DisplayFormatter()
    register(formatter)
    for text in (*formatter.format(some_doubtful)[0].values(), str(some_doubtful.dicom.table())):
        assert "Köhler (?)" in text and "M\ufffdller (?)" in text and "Müller (?)" not in text and "Doe (?)" not in text
        assert "not in the character set" in text
    with privacy.masked():
        for text in (*formatter.format(some_doubtful)[0].values(), str(some_doubtful.dicom.table())):
            assert "hler" not in text and " (?)" in text
    assert "hler" not in str(some_doubtful.dicom.masked().attrs)


def test_a_doubtful_step_of_a_worklist(scp) -> None:
    step = {"Modality": "CT", "ScheduledPerformingPhysicianName": "Köhler".encode("latin-1")}
    other = {**step, "ScheduledPerformingPhysicianName": "Roe"}
    answer = [
        {"StudyInstanceUID": "1", "ScheduledProcedureStepSequence": [other]},
        {
            "StudyInstanceUID": "2",
            "PatientName": "Ö".encode("latin-1"),
            "ScheduledProcedureStepSequence": [other, step],
        },
    ]
    peer = scp(find=lambda request: answer, contexts=["ModalityWorklistInformationModelFind"])
    with pytest.warns(UndecodableValues):
        df = peer.worklist()
    marks = df.dicom.doubtful
    assert marks.ScheduledPerformingPhysicianName.tolist() == [False, False, True]
    assert marks.PatientName.tolist() == [False, True, True]


def test_the_fallback_of_a_peer(scp) -> None:
    peer = scp(find=lambda request: answer)
    answer = [{"StudyInstanceUID": "1.2", "PatientName": "Иванов".encode("iso8859_5")}]
    with_set = Peer(peer.address, charset="ISO_IR 144")
    df = with_set.studies()
    assert df.PatientName[0] == "Иванов" and df.dicom.peer.charset == "ISO_IR 144"
    assert [str(one.PatientName) for one in with_set.find("STUDY", raw=True)] == ["Иванов"]
    with pytest.raises(DataSetError, match="latin1.*ISO_IR 100"):
        Peer(peer.address, charset="latin1").studies()


# ------------------------------------------------------------------------------- sequences


CODE = {"CodeValue": "24626-4", "CodingSchemeDesignator": "LN", "CodeMeaning": "CT Chest"}


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT])
def test_sequences_are_read(syntax) -> None:
    step = {"ScheduledProtocolCodeSequence": [CODE, CODE], "Modality": "CT"}
    pairs = answers({"RequestAttributesSequence": [step], "PatientID": "1"}, syntax=syntax)
    columns = decode_columns(pairs, sequences=True)
    assert columns["RequestAttributesSequence"] == [
        ({"Modality": "CT", "ScheduledProtocolCodeSequence": (CODE, CODE)},)
    ]


def test_codes_are_shown_by_their_meaning() -> None:
    df = frame_of({"StudyInstanceUID": "1", "ProcedureCodeSequence": [CODE]})
    assert df.ProcedureCodeSequence[0] == (CODE,)
    assert "CT Chest" in str(df.dicom.table()) and "24626" not in str(df.dicom.table())


# ------------------------------------------------------------------------------- back to DICOM, and to files


FULL = {
    "PatientName": "Köhler^Jürgen", "PatientID": "00471", "StudyDate": "20240131", "StudyTime": "101530.5",
    "ModalitiesInStudy": ["CT", "SR"], "StudyInstanceUID": "1." + "2345678." * 7 + "123456", "StudyID": "",
    "NumberOfStudyRelatedInstances": "12", "PatientSize": "1.75", "ProcedureCodeSequence": [CODE], "Rows": 512,
    "AcquisitionDateTime": "20240131101500.5+0100", "DateOfLastCalibration": ["20240101", "20240203"],
    "TimeOfLastCalibration": ["10", "1015"], "SelectorDTValue": ["202402", "2024020310-0500"],
    "FrameIncrementPointer": [0x00181063], "SelectorUVValue": [2**40],
}  # fmt: skip


def test_rows_as_datasets() -> None:
    df = frame_of({**FULL, "SpecificCharacterSet": "ISO_IR 192"}, {"StudyInstanceUID": "1.3"})
    one, two = df.dicom.datasets()
    assert (str(one.PatientName), one.StudyDate, one.StudyTime) == ("Köhler^Jürgen", "20240131", "101530.5")
    assert list(one.ModalitiesInStudy) == ["CT", "SR"] and one.Rows == 512 and one.NumberOfStudyRelatedInstances == 12
    assert one.ProcedureCodeSequence[0].CodeMeaning == "CT Chest" and one.StudyID == ""
    assert one.AcquisitionDateTime == "20240131101500.5+0100"
    for name in ("DateOfLastCalibration", "TimeOfLastCalibration", "SelectorDTValue"):
        assert list(one[name].value) == FULL[name]  # two dates are no range
    assert one.FrameIncrementPointer == 0x00181063 and one.SelectorUVValue == 2**40
    assert "PatientName" not in two and two.StudyInstanceUID == "1.3"


@pytest.mark.parametrize(
    "moment", ["2024", "202402", "20240203", "2024020310", "20240203101500", "2024-0500", "20240203+0100"]
)
def test_a_moment_is_as_precise_as_it_was(moment) -> None:
    [one] = frame_of({"StudyInstanceUID": "1.3", "AcquisitionDateTime": moment}).dicom.datasets()
    assert one.AcquisitionDateTime == moment


def test_numbers_that_pandas_made_are_written_as_dicom_writes_them() -> None:
    df = frame_of({"StudyInstanceUID": "1.3", "InstanceNumber": "3", "Rows": 512, "PatientWeight": "70"})
    df = df.astype({"InstanceNumber": "float64", "Rows": "float64"})
    df["PatientWeight"] /= 3
    [one] = df.dicom.datasets()
    assert (str(one.InstanceNumber), one.Rows, str(one.PatientWeight)) == ("3", 512, "23.3333333333333")


def test_raw_gives_what_came(scp) -> None:
    peer = scp(find=lambda request: [{"StudyInstanceUID": "1.2", "ProcedureCodeSequence": [CODE]}])
    found = peer.find("STUDY", raw=True)
    assert isinstance(found[0], Dataset) and found[0].ProcedureCodeSequence[0].CodeMeaning == "CT Chest"


@pytest.mark.parametrize("ending", ["csv", "csv.gz", "parquet"])
def test_files_keep_types_and_values(tmp_path, ending) -> None:
    df = frame_of({**FULL, "SpecificCharacterSet": "ISO_IR 192"}, {"StudyInstanceUID": "1.3", "PatientName": ""})
    df["age group"] = pd.Series(["b", "a"], dtype="string")
    path = tmp_path / f"studies.{ending}"
    df.dicom.save(path)
    again = read_table(path, peer=Peer("OTHER@127.0.0.1:104") if "csv" in ending else None)
    assert again.dtypes.astype(str).tolist() == df.dtypes.astype(str).tolist() or ending == "parquet"
    for name in df.columns:
        for before, after in zip(df[name], again[name], strict=True):
            if before is pd.NA or before is pd.NaT or before != before:
                assert after is pd.NA or after is pd.NaT or after != after or after in ("", ()), name
            else:
                assert after == before, name
    assert again.PatientID[0] == "00471"
    assert again.dicom.peer.address == ("OTHER@127.0.0.1:104" if "csv" in ending else "PACS@127.0.0.1:104")


def test_what_pandas_itself_saves_leads_on(tmp_path) -> None:
    df = frame_of({**FULL, "SpecificCharacterSet": "ISO_IR 192"})
    df.to_parquet(tmp_path / "plain.parquet")
    again = pd.read_parquet(tmp_path / "plain.parquet")
    assert again.dicom.peer.address == "PACS@127.0.0.1:104"
    assert "CT, SR" in str(again.dicom.table()) and "CT Chest" in str(again.dicom.table())


def test_labels_of_rows_that_have_a_name_are_saved(tmp_path) -> None:
    df = frame_of({**FULL, "SpecificCharacterSet": "ISO_IR 192"}).set_index("StudyInstanceUID")
    df.dicom.save(tmp_path / "LABELS.CSV")
    again = read_table(tmp_path / "LABELS.CSV", peer=Peer("OTHER@127.0.0.1:104"))
    assert again.StudyInstanceUID.tolist() == df.index.tolist()
    assert again.dicom.datasets()[0] == df.dicom.datasets()[0]


UID_1, UID_2 = "1.2.840.1", "1.2.840.2"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (f"StudyInstanceUID,PatientID\n{UID_1},007\n{UID_2},008\n", "utf-8"),
        (f"StudyInstanceUID;PatientID\n{UID_1};007\n{UID_2};008\n", "utf-8-sig"),
        (f"StudyInstanceUID\tPatientID\n{UID_1}\t007\n{UID_2}\t008\n", "utf-8"),
        (f"StudyInstanceUID , PatientID\n{UID_1}, 007\n{UID_2}, 008\n", "utf-8"),
        (f"StudyInstanceUID,PatientID\n{UID_1},007,\n{UID_2},008,\n", "utf-8"),
    ],
    ids=["commas", "semicolons", "tabs", "spaces", "a comma too many"],
)
@pytest.mark.filterwarnings("ignore:Length of header")  # a word of pandas on what is beyond the last column
def test_files_as_spreadsheets_write_them(text, encoding, tmp_path) -> None:
    path = tmp_path / "cohort.csv"
    path.write_text(text, encoding=encoding)
    table = read_table(path)
    assert table.PatientID.tolist() == ["007", "008"] and table.StudyInstanceUID.tolist() == [UID_1, UID_2]


def test_what_pandas_itself_writes_to_csv(tmp_path) -> None:
    names = ["StudyInstanceUID", "StudyDate", "ModalitiesInStudy", "ProcedureCodeSequence"]
    df = frame_of({**FULL, "SpecificCharacterSet": "ISO_IR 192"})[names]
    df.to_csv(tmp_path / "plain.csv")
    with pytest.raises(QueryError, match="ProcedureCodeSequence.*df.dicom.save"):
        read_table(tmp_path / "plain.csv")
    df.drop(columns="ProcedureCodeSequence").to_csv(tmp_path / "plain.csv")
    again = read_table(tmp_path / "plain.csv")
    assert again.ModalitiesInStudy[0] == df.ModalitiesInStudy[0] == ("CT", "SR")
    assert again.StudyDate.equals(df.StudyDate)


def test_an_ending_that_nobody_knows(tmp_path) -> None:
    with pytest.raises(QueryError, match="parquet"):
        frame_of(FULL).dicom.save(tmp_path / "studies.xlsx")


# ------------------------------------------------------------------------------- display, keys, size


def test_a_uid_is_never_cut() -> None:
    uid = "1." + "2345678." * 7 + "123456"
    assert len(uid) == 64
    df = frame_of({"StudyInstanceUID": uid})
    assert uid in repr(df) and uid in df._repr_html_()


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        (date(2024, 2, 29), "20240229"),
        (datetime(2024, 2, 29, 12, 0, tzinfo=UTC), "20240229"),
        (pd.Timestamp("2024-02-29"), "20240229"),
        (np.datetime64("2024-02-29"), "20240229"),
        (pd.Period("2024-02"), "20240201-20240229"),
        (pd.Interval(pd.Timestamp("2024-01-01"), pd.Timestamp("2024-02-29"), closed="both"), "20240101-20240229"),
        (pd.Interval(pd.Timestamp("2024-01-01"), pd.Timestamp("2024-03-01"), closed="left"), "20240101-20240229"),
        (pd.Interval(pd.Timestamp("2023-12-31"), pd.Timestamp("2024-02-29")), "20240101-20240229"),
        (pd.Interval(pd.Timestamp("2024-01-01 12:00"), pd.Timestamp("2024-02-29 12:00")), "20240101-20240229"),
        ((pd.Timestamp("2024-01-01"), None), "20240101-"),
        (slice("2024-01-01", "2024-02"), "20240101-20240229"),
        (pd.Series(["2024-01-01"]).astype("datetime64[s]")[0], "20240101"),
    ],
)
def test_dates_of_python_and_pandas_as_keys(value, sent) -> None:
    assert Query.of("STUDY", StudyDate=value).matching["StudyDate"] == sent


def test_a_column_as_a_key() -> None:
    assert wire("ModalitiesInStudy", "CS", pd.Series(["ct", "MR"])) == "CT\\MR"


def test_many_thousand_rows() -> None:
    one = encode_elements({**FULL, "ProcedureCodeSequence": None, "SpecificCharacterSet": "ISO_IR 192"}, EXPLICIT)
    uid = FULL["StudyInstanceUID"].encode()
    pairs = [(one.replace(uid, uid[:-6] + b"%06d" % k), EXPLICIT) for k in range(20_000)]
    df = answer_frame(pairs, Query.of("STUDY").columns, provenance={"peer": "P@h:1"})
    assert len(df) == 20_000 and df.StudyInstanceUID.is_unique
    # A view does not walk through the rows that it does not show.
    assert "and 19940 more rows" in str(df.dicom.table()) and len(df.dicom._repr_html_()) < 100_000


# ------------------------------------------------------------------------------- a worklist


def test_the_identifier_of_a_worklist() -> None:
    query = WorklistQuery.of(Modality="ct", PatientName="DOE*", ScheduledProcedureStepStartDate=date(2026, 3, 1))
    identifier = query.identifier()
    step = identifier["ScheduledProcedureStepSequence"][0]
    assert (step["Modality"], step["ScheduledProcedureStepStartDate"]) == ("CT", "20260301")
    assert identifier["PatientName"] == "DOE*" and "Modality" not in identifier
    assert identifier["AccessionNumber"] == "" and step["ScheduledStationAETitle"] == ""
    assert "QueryRetrieveLevel" not in identifier
    assert "PatientName" in str(query)


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"Modalty": "CT"}, "did you mean Modality"),
        ({"ScheduledProcedureStepSequence": []}, "attributes of the step"),
        ({"ScheduledProcedureStepStartDate": "2026-02-30"}, "not in the calendar"),
    ],
)
def test_bad_questions_to_a_worklist(keys, problem) -> None:
    with pytest.raises(QueryError, match=problem):
        WorklistQuery.of(**keys)


def test_a_worklist(scp) -> None:
    asked = []

    def find(request):
        asked.append(request.identifier())
        for number in (1, 2):
            yield {
                "PatientName": "DOE^JANE",
                "PatientID": "P1",
                "AccessionNumber": "A1",
                "StudyInstanceUID": f"1.2.{number}",
                "ScheduledProcedureStepSequence": [
                    {
                        "Modality": "CT",
                        "ScheduledProcedureStepStartDate": "20260301",
                        "ScheduledProcedureStepID": f"S{number}",
                    }
                ],
            }

    peer = scp(find=find, contexts=["ModalityWorklistInformationModelFind"])
    df = peer.worklist(Modality="CT")
    assert asked[0].ScheduledProcedureStepSequence[0].Modality == "CT"
    assert df.ScheduledProcedureStepID.tolist() == ["S1", "S2"]
    assert df.ScheduledProcedureStepStartDate[0] == pd.Timestamp("2026-03-01")
    assert df.columns[0] == "ScheduledProcedureStepStartDate" and df.PatientName[0] == "DOE^JANE"
    assert df.attrs["nbdicom"]["level"] == "WORKLIST"
    assert len(peer.worklist(limit=1)) == 1
