"""What the index learns of an object from the beginning of its data set, and what it remembers from one to the next."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pacs_requests import EXPLICIT, IMPLICIT, encode, made, store

from nbdicom.data.elements import decode_elements
from nbdicom.errors import DataSetError
from nbdicom.pacs.header import HeaderReader
from nbdicom.pacs.rows import Attributes, Record, place
from nbdicom.pacs.schema import Level

BULK = 300_000  #: bytes; more than what is at hand


#: Long texts that belong to an instance.
LONG_KEYWORDS = (
    "ImageComments", "DerivationDescription", "AcquisitionDeviceProcessingDescription", "AcquisitionComments",
    "CommentsOnRadiationDose", "DeviceDescription", "FrameComments", "ContentDescription", "TextComments",
)  # fmt: skip


def rows(attributes):
    """All that the index would write."""
    return [{**attributes.row(level), **attributes.more(level)} for level in Level]


# ------------------------------------------------------------------------------- the beginning is enough


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT])
@pytest.mark.parametrize("held", [600, 1000, 4096])
def test_the_end_of_the_pixel_data_is_not_needed(syntax, held):
    data = memoryview(encode(made(PixelData=bytes(BULK)), syntax))
    whole = HeaderReader().read(data, syntax)
    beginning = HeaderReader().read(data[:held], syntax, size=len(data))
    assert rows(beginning) == rows(whole)
    assert beginning.values == whole.values


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT])
def test_all_else_is(syntax):
    """Whatever is cut off there: an error, or the same elements."""
    data = encode(made(PixelData=bytes(64), DataSetTrailingPadding=bytes(40)), syntax)
    whole = {tag: (vr, bytes(value)) for tag, (vr, value) in decode_elements(data, syntax).items()}
    for held in range(len(data)):
        with pytest.raises(DataSetError):
            decode_elements(data[:held], syntax, size=len(data))
    assert {t: (vr, bytes(v)) for t, (vr, v) in decode_elements(data, syntax, size=len(data)).items()} == whole


@pytest.mark.parametrize("change", [-1, 1, 2, 1000])
def test_pixel_data_of_another_length_than_arrived(change):
    data = encode(made(PixelData=bytes(BULK)))
    with pytest.raises(DataSetError):
        HeaderReader().read(memoryview(data)[:4096], EXPLICIT, size=len(data) + change)


LONG_TEXT = {"ImageComments": "x" * 10_000, "TextValue": "y" * 60_000}


@pytest.mark.parametrize(
    "values",
    [
        {"PixelData": bytes(BULK)},
        {"PixelData": bytes(BULK), **LONG_TEXT},
        {"PixelData": bytes(BULK), "DataSetTrailingPadding": bytes(100)},
        {"PixelData": None, **LONG_TEXT},
        {"PixelData": None, "EncapsulatedDocument": bytes(BULK)},
    ],
    ids=["pixels", "long header", "something after the pixels", "long text", "document"],
)
def test_objects_of_every_shape_are_stored(pacs, handlers, values):
    assert store(handlers, made(**values), piece=10_000) == 0x0000
    assert pacs.counts()["instances"] == 1


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2"], ids=["deflated", "big endian"])
@pytest.mark.parametrize("size", [8, BULK])
def test_what_has_to_be_converted_is_read_whole(pacs, handlers, syntax, size):
    values = made(PixelData=os.urandom(size // 2) + bytes(size // 2))
    assert store(handlers, values, syntax, piece=10_000) == 0x0000
    assert (
        store(handlers, {**values, "SOPInstanceUID": "1.2.3.9"}, syntax, piece=10_000, sop_instance="1.2.3.8") == 0xA900
    )
    assert pacs.counts()["instances"] == 1
    data = encode(values, syntax)
    with pytest.raises(DataSetError):
        decode_elements(data, syntax, size=len(data) + 2)


@pytest.mark.parametrize("missing", [1, 10, 200, BULK])
def test_an_object_that_is_cut_off_is_refused(pacs, handlers, missing):
    values = made(PixelData=bytes(BULK))
    data = encode(values)[:-missing]
    whole = {"sop_class": values["SOPClassUID"], "sop_instance": values["SOPInstanceUID"]}
    assert store(handlers, data, piece=10_000, **whole) == 0xC000
    assert pacs.counts()["instances"] == 0


# ------------------------------------------------------------------------------- what is remembered

VALUES = st.fixed_dictionaries(
    {},
    optional={
        "PatientName": st.sampled_from(["", "Doe^John", "Müller^Jörg", "Doe^Jane ", "A\\B"]),
        "PatientID": st.sampled_from(["", "1", "01", " 1"]),
        "SpecificCharacterSet": st.sampled_from(["ISO_IR 100", "ISO_IR 192"]),
        "StudyDate": st.sampled_from(["20200101", "2020.01.01", ""]),
        "Rows": st.integers(0, 4),
        "WindowCenter": st.sampled_from(["40", "40\\400"]),
        "ImageType": st.sampled_from(["ORIGINAL", "ORIGINAL\\PRIMARY"]),
        "ImagePositionPatient": st.sampled_from(["0\\0\\1", "0\\0\\2"]),
    },
)


@given(st.lists(st.tuples(VALUES, st.sampled_from([EXPLICIT, IMPLICIT])), max_size=6))
def test_what_is_remembered_is_what_would_be_read(series):
    """The same bytes mean another thing under another character set, and nothing else of an object counts."""
    remembering = HeaderReader()
    for values, syntax in series:
        if "SpecificCharacterSet" not in values:
            values = {**values, "PatientName": values.get("PatientName", "").encode("ascii", "ignore").decode()}
        data = memoryview(encode(values, syntax))
        read = remembering.read(data, syntax)
        assert rows(read) == rows(HeaderReader().read(data, syntax)) == rows(Attributes(read.values))


def test_the_memory_has_an_end():
    reader = HeaderReader()
    for number in range(10_000):
        reader.read(memoryview(encode({"PatientID": str(number)})), EXPLICIT)
    reader.read(memoryview(encode({"PatientComments": "x" * 500})), EXPLICIT)
    assert 0 < len(reader._known) <= 4096
    assert all(len(raw) <= 64 for _, _, raw, _ in reader._known)


def test_numbers_that_json_does_not_know_are_left_out():
    assert place("SliceThickness", float("nan")) is None
    assert place("ReferencePixelX0", (1.0, float("inf"))) is None


# ------------------------------------------------------------------------------- rows that are remembered


def test_a_series_that_was_deleted_is_made_again(pacs, handlers):
    index = pacs._open().index
    assert [store(handlers, made(k)) for k in (1, 2)] == [0, 0]
    index.remove([index.entry("1.2.3.1").id, index.entry("1.2.3.2").id])
    assert pacs.counts() == {"patients": 0, "studies": 0, "series": 0, "instances": 0}
    assert store(handlers, made(3)) == 0
    assert pacs.counts() == {"patients": 1, "studies": 1, "series": 1, "instances": 1}


def test_a_series_whose_transaction_failed_is_made_again(pacs, handlers):
    index = pacs._open().index
    (pages,) = index._writer.execute("PRAGMA page_count").fetchone()
    index._writer.execute(f"PRAGMA max_page_count = {pages}")
    others = {"StudyInstanceUID": "1.2.4", "SeriesInstanceUID": "1.2.4.0", "ImageComments": "x" * 1000}
    statuses = [store(handlers, made(k, **others)) for k in range(1, 30)]
    assert 0xA700 in statuses
    index._writer.execute("PRAGMA max_page_count = 1000000")
    assert [store(handlers, made(k, **others)) for k in range(1, 30)] == [0] * 29
    assert pacs.counts() == {"patients": 1, "studies": 1, "series": 1, "instances": 29}
    (instances,) = index._writer.execute("SELECT instances FROM series").fetchone()
    assert instances == 29


def test_what_differs_within_a_series_is_kept_for_each(pacs, handlers):
    """Also of objects that are recorded together, and of a series that is remembered or looked up."""
    archive = pacs._open()
    kept = {1: "5", 2: "5", 3: "7", 4: None, 5: "5"}
    for k, thickness in kept.items():
        assert store(handlers, made(k, SliceThickness=thickness, Rows=None if k == 4 else 2)) == 0
        if k == 2:
            archive.index._rows.forget()
    with archive.index.reader() as connection:
        more = dict(connection.execute("SELECT SOPInstanceUID, more FROM instances").fetchall())
    assert more["1.2.3.1"] is None and more["1.2.3.2"] is None and more["1.2.3.5"] is None
    assert more["1.2.3.3"] == '{"SliceThickness":"7"}'
    assert more["1.2.3.4"] is not None and '"SliceThickness":""' in more["1.2.3.4"]


def test_the_memory_of_series_has_an_end_too(pacs, handlers):
    rows = pacs._open().index._rows
    for k in range(300):
        assert store(handlers, made(k, SeriesInstanceUID=f"1.2.3.0.{k}")) == 0
    assert 0 < len(rows._series) <= 256
    rows.forget()
    many = dict.fromkeys(LONG_KEYWORDS, "x" * 1000)
    for k in (1001, 1002):
        assert store(handlers, made(k, SeriesInstanceUID="1.2.3.1", **many)) == 0
    assert not rows._series
    with pacs._open().index.reader() as connection:
        (more,) = connection.execute("SELECT more FROM instances WHERE SOPInstanceUID = '1.2.3.1002'").fetchone()
    assert more is None


def test_many_are_recorded_together(pacs, handlers):
    archive = pacs._open()
    uids = [f"1.2.3.{k}" for k in range(100)]
    records = [
        Record(
            attributes=Attributes(made(k)), transfer_syntax=EXPLICIT, object=f"{k:056x}", size=1, offset=0,
            digest=bytes(32), received="2026-01-01T00:00:00+00:00",
        )
        for k in range(100)
    ]  # fmt: skip
    archive.index.add(records)
    assert pacs.counts()["instances"] == 100
    assert all(archive.index.entry(uid) for uid in uids)
