"""Whole data sets as mappings: what `encode_elements` writes comes back, and what pydicom writes, too."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset

from nbdicom.config import Limits
from nbdicom.data import codec, encode_elements
from nbdicom.data.nested import decode_nested
from nbdicom.errors import DataSetError

IMPLICIT, EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
DEFLATED, BIG = "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2"

LEAVES = {
    "PatientName": st.sampled_from(["", "Doe^Jane", "Köhler^Jürgen", "山田^太郎"]),
    "PatientID": st.sampled_from(["", "1", "a b"]),
    "Rows": st.integers(0, 0xFFFF),
    "ImageType": st.lists(st.sampled_from(["A", "B"]), min_size=2, max_size=3),
    "FrameIncrementPointer": st.integers(0, 0xFFFFFFFF),
    "EncapsulatedDocument": st.binary(max_size=5).map(lambda raw: raw + raw),
}
TREES = st.recursive(
    st.fixed_dictionaries({}, optional=LEAVES),
    lambda inner: st.fixed_dictionaries(
        {},
        optional={**LEAVES, "ReferencedStudySequence": st.lists(inner, max_size=3), "ContentSequence": st.lists(inner)},
    ),
    max_leaves=12,
)


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, DEFLATED])
@given(tree=TREES)
@settings(max_examples=40, deadline=None)
def test_round_trip(syntax, tree):
    assert decode_nested(encode_elements(tree, syntax), syntax) == tree


@pytest.mark.parametrize("undefined", [False, True], ids=["defined", "undefined"])
@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG])
def test_what_pydicom_writes(syntax, undefined):
    inner, middle, outer = Dataset(), Dataset(), Dataset()
    inner.CodeValue, inner.CodeMeaning = "1", "Größe"
    middle.ConceptNameCodeSequence = [inner, inner]
    middle.TextValue = "after"
    outer.SpecificCharacterSet = "ISO_IR 100"
    outer.ContentSequence = [middle, Dataset(), middle]
    outer.PatientID = "7"
    for sequence in (outer["ContentSequence"], middle["ConceptNameCodeSequence"]):
        sequence.is_undefined_length = undefined
    for item in (inner, middle):
        item.is_undefined_length_sequence_item = undefined
    code = {"CodeValue": "1", "CodeMeaning": "Größe"}
    item = {"ConceptNameCodeSequence": [code, code], "TextValue": "after"}
    wanted = {"PatientID": "7", "ContentSequence": [item, {}, item]}
    assert decode_nested(codec.encode(outer, syntax), syntax) == wanted


def test_an_item_has_a_character_set_of_its_own():
    inner, outer = Dataset(), Dataset()
    inner.SpecificCharacterSet, inner.CodeMeaning = "ISO_IR 144", "Мозг"
    outer.SpecificCharacterSet, outer.PatientName = "ISO_IR 100", "Köhler"
    outer.ProcedureCodeSequence = [inner]
    assert decode_nested(codec.encode(outer, EXPLICIT), EXPLICIT) == {
        "ProcedureCodeSequence": [{"CodeMeaning": "Мозг"}],
        "PatientName": "Köhler",
    }


def test_what_the_dictionary_does_not_know_is_bytes():
    dataset = Dataset()
    dataset.add_new(0x00091001, "LO", "ab")
    assert decode_nested(codec.encode(dataset, EXPLICIT), EXPLICIT) == {"0009,1001": b"ab"}


def _deep(levels):
    data = b""
    for _ in range(levels):
        item = struct.pack("<HHI", 0xFFFE, 0xE000, len(data)) + data
        data = struct.pack("<HHI", 0x0040, 0xA730, len(item)) + item
    return data


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(_deep(5000), id="nested too deep"),
        pytest.param(struct.pack("<HHI", 0x0040, 0xA730, 4) + b"\xfe\xff\x00\xe0", id="item without a length"),
        pytest.param(struct.pack("<HHIHHI", 0x0040, 0xA730, 8, 0x0008, 0x0005, 0), id="no item"),
        pytest.param(struct.pack("<HHIHHI", 0x0040, 0xA730, 8, 0xFFFE, 0xE000, 9), id="item longer than its sequence"),
        pytest.param(struct.pack("<HHIHHI", 0x0040, 0xA730, 8, 0xFFFE, 0xE000, 0xFFFFFFFF), id="item without an end"),
        pytest.param(struct.pack("<HHI", 0x0040, 0xA730, 24) + struct.pack("<HHI", 0xFFFE, 0xE000, 0) * 3, id="items"),
    ],
)
def test_what_is_refused(data):
    with pytest.raises(DataSetError):
        decode_nested(data, IMPLICIT, Limits(items=2))
