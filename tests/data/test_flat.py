"""The flat codec says what pydicom says, and refuses what is no data set with one kind of error."""

import io
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset
from pydicom.datadict import dictionary_VR
from pydicom.filereader import read_dataset

from nbdicom.data import codec, decode_columns, decode_elements, encode_elements
from nbdicom.data.columns import _Columns
from nbdicom.errors import DataSetError

IMPLICIT, EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
DEFLATED, BIG = "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2"

TEXTS = st.text(
    st.characters(codec="utf-8", exclude_characters="\\=^", exclude_categories=("Cc", "Cs")), max_size=20
).map(str.strip)
ASCII = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="\\"), max_size=16)
VALUES = {
    "PatientName": TEXTS,
    "PatientID": TEXTS,
    "StudyDescription": TEXTS,
    "InstitutionName": st.lists(TEXTS.filter(bool), min_size=2, max_size=3).map(tuple),
    "StudyDate": st.dates().map(lambda d: f"{d:%Y%m%d}".rjust(8, "0")),
    "Modality": ASCII.map(str.upper),
    "StudyInstanceUID": st.sampled_from(["", "1.2.3", "1.2.840.10008.1"]),
    "Rows": st.integers(0, 0xFFFF),
    "NumberOfStudyRelatedInstances": st.integers(0, 10**6).map(str),
    "ExposureIndex": st.just("1.5"),
    "ReferencePixelX0": st.integers(-(2**31), 2**31 - 1),
    "RealWorldValueSlope": st.floats(allow_nan=False, allow_infinity=False),
    "FrameIncrementPointer": st.integers(0, 0xFFFFFFFF),
}


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, DEFLATED, BIG])
@given(values=st.fixed_dictionaries({}, optional=VALUES))
@settings(max_examples=60, deadline=None)
@pytest.mark.parity("A.9 datasets")
def test_round_trip(syntax: str, values: dict) -> None:
    columns = decode_columns([(encode_elements(values, syntax), syntax)])
    columns.pop("SpecificCharacterSet", None)
    assert {name: column[0] for name, column in columns.items()} == values


CHARACTER_SETS = st.sampled_from(["", "ISO_IR 100", "ISO_IR 192", "\\ISO 2022 IR 87", "nonsense"])


@given(
    answers=st.lists(st.tuples(st.fixed_dictionaries({}, optional=VALUES), st.sampled_from([IMPLICIT, EXPLICIT, BIG]))),
    named=CHARACTER_SETS,
    fallback=st.sampled_from([None, "ISO_IR 144"]),
    sequences=st.booleans(),
)
@settings(max_examples=100, deadline=None)
def test_what_is_looked_up_is_what_is_read_one_by_one(answers, named, fallback, sequences) -> None:
    item = {"ScheduledProcedureStepSequence": [{"Modality": "CT"}]}
    pairs = []
    for values, syntax in answers:
        data = encode_elements({**values, **item}, syntax)
        # The name of the character set is changed under the text, so that some of it is not in it.
        head = struct.pack("<HH2sH", 8, 5, b"CS", 10) if syntax != IMPLICIT else struct.pack("<HHI", 8, 5, 10)
        pairs.append((data.replace(head + b"ISO_IR 192", head + named[:10].encode().ljust(10)), syntax))
    alike, one_by_one = {}, {}
    columns = _Columns(fallback, sequences, one_by_one)
    for pair in pairs:
        columns.take(*pair)
    assert decode_columns(pairs, fallback_charset=fallback, sequences=sequences, doubtful=alike) == columns.named()
    assert alike == one_by_one


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT])
@given(values=st.fixed_dictionaries({}, optional=VALUES))
@settings(max_examples=60, deadline=None)
def test_pydicom_reads_what_we_write(syntax: str, values: dict) -> None:
    dataset = read_dataset(io.BytesIO(encode_elements(values, syntax)), syntax == IMPLICIT, True)
    for name, value in values.items():
        theirs = dataset[name].value
        if isinstance(value, tuple):
            assert tuple(theirs) == value
        elif dictionary_VR(name) in ("IS", "DS", "FD", "US", "SL", "AT"):
            assert float(theirs) == float(value)
        else:
            assert str(theirs or "") == value


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG, DEFLATED])
def test_we_read_what_pydicom_writes(syntax: str) -> None:
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 100"
    dataset.PatientName = "Köhler^Jürgen"
    dataset.ModalitiesInStudy = ["CT", "MR"]
    dataset.Rows = 512
    inner = Dataset()
    inner.PatientID = "below"
    dataset.OtherPatientIDsSequence = [inner, Dataset()]
    dataset["OtherPatientIDsSequence"].is_undefined_length = True
    dataset.InstanceNumber = "7"
    columns = decode_columns([(codec.encode(dataset, syntax), syntax)])
    assert columns["PatientName"] == ["Köhler^Jürgen"]
    assert columns["ModalitiesInStudy"] == [("CT", "MR")]
    assert columns["Rows"] == [512] and columns["InstanceNumber"] == ["7"]
    assert bytes(columns["OtherPatientIDsSequence"][0])
    assert "PatientID" not in columns


@pytest.mark.parametrize(
    ("charset", "raw", "text"),
    [
        ("ISO_IR 192", "山田^太郎".encode(), "山田^太郎"),
        ("ISO_IR 100", "Köhler".encode("latin-1"), "Köhler"),
        ("ISO_IR 144", "Люкceмбypг".encode("iso8859_5"), "Люкceмбypг"),
        ("GB18030", "王^小东".encode("gb18030"), "王^小东"),
        ("\\ISO 2022 IR 87", b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B", "Yamada^Tarou=山田^太郎"),
        # PS3.5 K.2 and I.2
        ("\\ISO 2022 IR 58", b"Wang^XiaoDong=\x1b$)A\xcd\xf5^\x1b$)A\xd0\xa1\xb6\xab=", "Wang^XiaoDong=王^小东="),
        ("\\ISO 2022 IR 149", b"Hong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7", "Hong=洪^吉洞"),
        ("", b"plain", "plain"),
    ],
)
def test_character_sets(charset: str, raw: bytes, text: str) -> None:
    data = encode_elements({"SpecificCharacterSet": charset or None, 0x00100010: raw}, EXPLICIT)
    assert decode_columns([(data, EXPLICIT)])["PatientName"] == [text]


#: Texts with the character sets that have them.
WRITTEN = [
    (("", "ISO 2022 IR 149"), "김희중"), (("", "ISO 2022 IR 58"), "张小东"), (("", "ISO 2022 IR 87"), "山田"),
    (("ISO 2022 IR 100", "ISO 2022 IR 144"), "Люк"), (("ISO 2022 IR 13", "ISO 2022 IR 87"), "ﾔﾏﾀﾞ"), ("ISO_IR 13", "ﾔﾏﾀﾞ"),
    (("ISO 2022 IR 13", "ISO 2022 IR 87"), "山田"), ("GB18030", "张小东"), ("GBK", "张小东"), ("ISO_IR 101", "Łódź"),
    ("ISO_IR 166", "สวัสดี"), (("ISO 2022 IR 100", "ISO 2022 IR 87"), "é山田"),
]  # fmt: skip


@pytest.mark.parametrize(("charset", "text"), WRITTEN)
def test_what_is_written_in_a_character_set_is_read_again(charset, text) -> None:
    """Each value, component and line by itself, and a delimiter of names in what is no name."""
    values = {
        "InstitutionName": (text, text), "StudyDescription": f"{text}^{text}={text}", "PatientName": f"A^B={text}^{text}",
        "PatientComments": f"{text}\r\n{text}\\{text}",
    }  # fmt: skip
    doubtful: dict = {}
    data = encode_elements({"SpecificCharacterSet": charset, **values}, EXPLICIT)
    columns = decode_columns([(data, EXPLICIT)], doubtful=doubtful)
    assert {name: columns[name][0] for name in values} == values and not doubtful


@pytest.mark.parametrize(
    ("charset", "text"),
    [("ISO_IR 100", "山田"), ("ISO_IR 13", "山田"), (("", "ISO 2022 IR 149"), "Łódź"), ("nonsense", "Œ")],
)
def test_what_a_character_set_has_not_is_no_question_mark(charset, text) -> None:
    """It would be a wildcard in a query, and lost in an object."""
    for name in ("PatientName", "StudyDescription"):
        with pytest.raises(DataSetError, match=f"{name} is not in the Specific Character Set"):
            encode_elements({"SpecificCharacterSet": charset, name: text}, EXPLICIT)
        dataset = Dataset()
        dataset.SpecificCharacterSet = list(charset) if isinstance(charset, tuple) else charset
        setattr(dataset, name, text)
        with pytest.raises(DataSetError, match="not in its Specific Character Set"):
            codec.encode(dataset, EXPLICIT)


def test_an_escape_sequence_that_is_not_announced_is_doubtful() -> None:
    doubtful: dict = {}
    data = encode_elements({"SpecificCharacterSet": "ISO_IR 100", 0x00100010: b"\x1b$)C\xb1\xe8"}, EXPLICIT)
    decode_columns([(data, EXPLICIT)], doubtful=doubtful)
    assert doubtful == {"PatientName": [0]}


def test_a_fallback_character_set() -> None:
    data = encode_elements({0x00100010: "Köhler".encode("latin-1")}, EXPLICIT)
    assert decode_columns([(data, EXPLICIT)], fallback_charset="ISO_IR 100")["PatientName"] == ["Köhler"]


def test_empty_and_absent_are_told_apart() -> None:
    one = (encode_elements({"PatientID": "1", "PatientName": None}, EXPLICIT), EXPLICIT)
    two = (encode_elements({"PatientID": "2"}, IMPLICIT), IMPLICIT)
    assert decode_columns([one, two, one]) == {"PatientName": ["", None, ""], "PatientID": ["1", "2", "1"]}


def test_private_and_unknown_tags() -> None:
    data = struct.pack("<HH2sH", 0x0009, 0x1001, b"LO", 4) + b"abc "
    assert decode_columns([(data, EXPLICIT)]) == {"0009,1001": ["abc"]}


def item(*parts: bytes) -> bytes:
    return struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF) + b"".join(parts) + struct.pack("<HHI", 0xFFFE, 0xE00D, 0)


def sequence(*items: bytes) -> bytes:
    return (
        struct.pack("<HH2sHI", 0x0008, 0x1140, b"SQ", 0, 0xFFFFFFFF)
        + b"".join(items)
        + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
    )


AFTER = struct.pack("<HH2sH", 0x0010, 0x0020, b"LO", 2) + b"ID"


@pytest.mark.parametrize("depth", [1, 2, 10, 60])
def test_nested_sequences_are_stepped_over(depth: int) -> None:
    nested = sequence(item())
    for _ in range(depth - 1):
        nested = sequence(item(nested), item())
    assert decode_columns([(nested + AFTER, EXPLICIT)])["PatientID"] == ["ID"]


def test_nesting_has_an_end() -> None:
    bomb = struct.pack("<HH2sHI", 0x0008, 0x1140, b"SQ", 0, 0xFFFFFFFF) + struct.pack(
        "<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF
    )
    with pytest.raises(DataSetError, match="deep"):
        decode_elements(bomb * 20_000, EXPLICIT)


@given(st.binary(max_size=200), st.sampled_from([IMPLICIT, EXPLICIT, DEFLATED]))
@settings(max_examples=300, deadline=None)
def test_rubbish_is_one_kind_of_error(data: bytes, syntax: str) -> None:
    try:
        decode_columns([(data, syntax)])
    except DataSetError:
        pass


def test_every_truncation_is_an_error_or_a_shorter_data_set() -> None:
    whole = encode_elements({"PatientID": "1", "StudyInstanceUID": "1.2", "Rows": 3}, EXPLICIT)
    for stop in range(len(whole)):
        try:
            assert len(decode_elements(whole[:stop], EXPLICIT)) < 3
        except DataSetError:
            pass


@pytest.mark.parametrize(
    "values",
    [
        {"PatentName": "x"},
        {"Rows": 70_000},
        {"Rows": "many"},
        {"Modality": "Ä"},
        {"gggg,eeee": "x"},
        {"StudyDate": "ä"},
        {"PatientWeight": float("inf")},
    ],
)
def test_values_that_do_not_fit(values: dict) -> None:
    with pytest.raises(DataSetError) as caught:
        encode_elements(values, EXPLICIT)
    assert "many" not in str(caught.value) and "70" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1 / 3, "0.33333333333333"),
        (-1e-10 / 3, "-3.333333333e-11"),
        (1234567890123456.0, "1234567890123456"),
        (0.5, "0.5"),
    ],
)
def test_a_decimal_has_at_most_sixteen_characters(value: float, text: str) -> None:
    data = encode_elements({"PatientWeight": value, "PixelSpacing": [value, 2], "InstanceNumber": 3.0}, EXPLICIT)
    columns = decode_columns([(data, EXPLICIT)])
    assert columns == {"PatientWeight": [text], "InstanceNumber": ["3"], "PixelSpacing": [(text, "2")]}


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT])
def test_a_dataset_within_a_mapping_is_what_it_says(syntax: str) -> None:
    """People give what they have: items of another data set, or one made by pydicom, nested and with other characters."""
    inner, item, whole = Dataset(), Dataset(), Dataset()
    inner.CodeValue, inner.CodeMeaning = "1", "Größe"
    item.ReferencedSOPInstanceUID, item.ConceptNameCodeSequence = "1.2.3", [inner]
    item.InstanceNumber, item.SliceThickness = 3, "1.5"
    whole.ReferencedSOPSequence = [item, Dataset()]
    for given_as in (whole.ReferencedSOPSequence, [item, Dataset()]):
        encoded = encode_elements({"ReferencedSOPSequence": given_as, "TransactionUID": "1.2"}, syntax)
        read = codec.decode(encoded, syntax)
        first, second = read.ReferencedSOPSequence
        assert (first.ReferencedSOPInstanceUID, first.InstanceNumber, first.SliceThickness) == ("1.2.3", 3, 1.5)
        assert first.ConceptNameCodeSequence[0].CodeMeaning == "Größe"
        assert len(second) == 0
    alone = codec.decode(encode_elements({"ReferencedSOPSequence": item}, syntax), syntax)
    assert alone.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == "1.2.3"
