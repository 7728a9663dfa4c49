"""Whole data sets as mappings: what `encode_elements` writes comes back, and what pydicom writes, too."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset

from nbdicom.config import Limits
from nbdicom.data import codec, decode_columns, elements, encode_elements, nested, values
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


# ------------------------------------------------------------------------------- what it may cost


def element(tag, value=b"", length=None):
    return struct.pack("<HHI", tag >> 16, tag & 0xFFFF, len(value) if length is None else length) + value


UNDEFINED = 0xFFFFFFFF
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD


def sequence(inside, end=True):
    """An item in a sequence, both of undefined length."""
    last = element(ITEM_END) if end else b""
    return element(0x0040A730, length=UNDEFINED) + element(ITEM, length=UNDEFINED) + inside + last + element(SEQUENCE_END)


def test_every_element_is_looked_at_once(monkeypatch):
    """However deep it is: to look for the end of each item first takes the product of elements and depth."""
    looked = []

    def head(*args):
        looked.append(args[1])
        return elements_head(*args)

    elements_head = elements.element_head
    monkeypatch.setattr(elements, "element_head", head)
    monkeypatch.setattr(nested, "element_head", head, raising=False)
    data, depth = b"".join(element(0x00090010 + k) for k in range(100)), 30
    for _ in range(depth):
        data = sequence(data)
    found = decode_nested(data, IMPLICIT)
    assert len(looked) == len(set(looked)) == 100 + 4 * depth
    looked.clear()
    (items,) = decode_columns([(data, IMPLICIT)], sequences=True)["ContentSequence"]
    assert len(looked) <= 2 * (100 + 4 * depth)  # the first time to see where the sequence ends
    assert len(items) == 1
    for _ in range(depth):
        (found,) = found["ContentSequence"]
    assert len(found) == 100


def test_elements_count_on_all_levels():
    data = sequence(b"".join(element(0x00090010 + k) for k in range(30))) + element(0x0040A731)
    assert decode_nested(data, IMPLICIT, Limits(elements=32))
    with pytest.raises(DataSetError, match="more than 31 elements"):
        decode_nested(data, IMPLICIT, Limits(elements=31))


def test_the_end_of_a_sequence_ends_its_item():
    """Some encoders forget the latter."""
    data = sequence(element(0x00100020, b"7 "), end=False) + element(0x00400254, b"x ")
    assert decode_nested(data, IMPLICIT) == {
        "ContentSequence": [{"PatientID": "7"}], "PerformedProcedureStepDescription": "x",
    }  # fmt: skip


@pytest.mark.parametrize(
    "data",
    [
        sequence(element(0x00100020, b"7 "))[:-8],
        sequence(element(0x00100020, b"7 "))[:-16],
        sequence(element(0x00100020, b"7 "))[:-18],
        sequence(b"")[:16],
        element(0x0040A730, length=16) + element(ITEM, length=UNDEFINED),
        element(0x0040A730, element(ITEM, length=100)),
        element(0x0040A730, element(0x00100020)),
        element(0x00100020, length=UNDEFINED) + element(ITEM, b"ab"),
    ],
    ids=["sequence", "item", "element", "begun", "longer", "an item that is longer", "no item", "no sequence"],
)
def test_what_has_no_end(data):
    with pytest.raises(DataSetError):
        decode_nested(data, IMPLICIT)


@pytest.mark.parametrize("read", [decode_nested, lambda *args: decode_columns([args[:2]])], ids=["nested", "columns"])
@pytest.mark.parametrize(
    "value", [element(0x00100020, b"a\\" * 100_001), element(0x00280010, bytes(200_002))], ids=["text", "numbers"]
)
def test_values_without_end(read, value):
    """Of two bytes each becomes an object of sixty."""
    with pytest.raises(DataSetError, match="more than 100000 values"):
        read(value, IMPLICIT)
    assert read(value[:4] + struct.pack("<I", 1000) + value[8:1008], IMPLICIT)


@pytest.mark.parametrize("terms", [b"ISO_IR 100\\" * 20_000, b"ISO_IR 100 " * 20_000], ids=["many", "one"])
def test_a_character_set_that_is_none_by_its_length(terms, monkeypatch):
    """Its terms are neither looked up one by one nor remembered."""
    asked = []
    encodings_of = values.encodings_of
    monkeypatch.setattr(values, "encodings_of", lambda names: asked.append(names) or encodings_of(names))
    data = element(0x00080005, terms) + element(0x00100010, "Köhler".encode() + b" ")
    assert decode_nested(data, IMPLICIT)["PatientName"] == "Köhler"
    assert decode_columns([(data, IMPLICIT)])["PatientName"] == ["Köhler"]
    assert asked and all(len(names) == 1 and len(names[0]) < 100 for names in asked)


def test_what_an_identifier_may_cost():
    """Each element that the dictionary does not know is looked up in it: 20 us for eight bytes."""
    data = b"".join(element(0x00121000 + k) for k in range(101))
    assert len(decode_columns([(data, IMPLICIT)])) == 101
    with pytest.raises(DataSetError, match="more than 100 elements"):
        decode_columns([(data, IMPLICIT)], limits=Limits(elements=100))


@pytest.mark.parametrize("read", [decode_nested, elements.decode_elements])
def test_elements_beside_one_another(read, monkeypatch):
    """Of eight bytes each takes 300 of memory; in sequences, which are stepped over, there may be more of them."""
    monkeypatch.setattr(elements, "MOST_TOGETHER", 100)
    monkeypatch.setattr(nested, "MOST_TOGETHER", 100)
    data = [element(0x00090010 + k) for k in range(101)]
    assert len(read(b"".join(data[:100]), IMPLICIT)) == 100
    with pytest.raises(DataSetError, match="more than 100 elements beside one another"):
        read(b"".join(data), IMPLICIT)
    inside = [sequence(b"".join(data[:60]))[8:-8] for _ in range(10)]
    assert read(element(0x0040A730, length=UNDEFINED) + b"".join(inside) + element(SEQUENCE_END), IMPLICIT)


@pytest.mark.parametrize("undefined", [False, True])
def test_big_endian_without_end(undefined, monkeypatch):
    """It goes through pydicom, which takes 30 us for each element of eight bytes."""
    inner, outer = Dataset(), Dataset()
    inner.CodeValue, inner.CodeMeaning = "1", "two"
    outer.PatientID, outer.Rows = "7", 3
    outer.ContentSequence = [inner] * 10
    outer["ContentSequence"].is_undefined_length = inner.is_undefined_length_sequence_item = undefined
    data = codec.encode(outer, BIG)
    monkeypatch.setattr(elements, "_MOST_CONVERTED", 23)
    assert decode_nested(data, BIG)["Rows"] == 3
    monkeypatch.setattr(elements, "_MOST_CONVERTED", 22)
    with pytest.raises(DataSetError, match="more than 22 elements in big endian"):
        decode_nested(data, BIG)
    with pytest.raises(DataSetError, match="undefined length in big endian"):
        decode_nested(struct.pack(">HH2sHI", 0x0009, 0x1001, b"UN", 0, UNDEFINED) + data, BIG)
