"""From one transfer syntax into another: what loses nothing, byte for byte; what decodes pixels, value for value."""

from __future__ import annotations

import os
import struct
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import Dataset, Sequence, dcmread
from pydicom.data import get_testdata_file
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate_extended, generate_frames
from pydicom.uid import AllTransferSyntaxes

from nbdicom.config import Limits
from nbdicom.core.streams import BytesSource
from nbdicom.data import InstanceFile, codec
from nbdicom.data.convert import (
    DeflatingSource,
    InflatingSource,
    Transcodable,
    transcodable,
    transcoded,
    transcodings,
)
from nbdicom.data.part10 import part10_header
from nbdicom.errors import DataSetError
from nbdicom.uids import UID, transfer_syntaxes

IMPLICIT, EXPLICIT = UID("1.2.840.10008.1.2"), UID("1.2.840.10008.1.2.1")
DEFLATED, BIG = UID("1.2.840.10008.1.2.1.99"), UID("1.2.840.10008.1.2.2")
NATIVE = (IMPLICIT, EXPLICIT, DEFLATED, BIG)
RLE, J2K = UID("1.2.840.10008.1.2.5"), UID("1.2.840.10008.1.2.4.90")


def image() -> Dataset:
    """Every kind of value that a byte order touches, at two levels."""
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", "1.2.3"
    ds.PatientName, ds.SpecificCharacterSet = "Äpfel^Änne", "ISO_IR 100"
    ds.Rows = ds.Columns = 4
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated = ds.BitsStored = 16
    ds.HighBit, ds.PixelRepresentation = 15, 0
    ds.PixelSpacing = [0.5, 0.25]
    ds.FrameIncrementPointer = 0x00181063
    ds.add_new(0x00089459, "FL", 2.5)
    ds.add_new(0x00720082, "SV", -(2**40))
    lut = Dataset()
    lut.LUTDescriptor = [3, 0, 16]
    lut.add_new(0x00283006, "OW", np.array([1, 256, 65535], "<u2").tobytes())
    ds.ModalityLUTSequence = Sequence([lut])
    ds.add_new(0x00660016, "OF", np.array([1.5, -2.5], "<f4").tobytes())
    ds.add_new(0x00660022, "OD", np.array([1.5, -2.5], "<f8").tobytes())
    ds.add_new(0x00660040, "OL", np.array([1, 2**30], "<u4").tobytes())
    ds.add_new(0x00081190, "UR", "http://x")
    ds.add_new(0x00420011, "OB", b"\1\2\3\4")
    ds.add_new(0x7FE00010, "OW", np.arange(16, dtype="<u2").tobytes())
    return ds


def values(ds: Any) -> Any:
    return {str(e.tag): [values(i) for i in e.value] if e.VR == "SQ" else e.value for e in ds}


@pytest.mark.parametrize("target", NATIVE, ids=lambda uid: uid.keyword)
@pytest.mark.parametrize("source", NATIVE, ids=lambda uid: uid.keyword)
def test_there_and_back_again(source: UID, target: UID, tmp_path: Path) -> None:
    original = codec.encode(image(), source)
    there = codec.encode(codec.decode(original, source), target)
    back = codec.decode(codec.encode(codec.decode(there, target), source), source)
    assert values(back) == values(codec.decode(original, source))


def test_words_are_turned_and_bytes_are_not() -> None:
    big = codec.decode(codec.encode(image(), BIG), BIG)
    assert np.frombuffer(big.PixelData, ">u2").tolist() == list(range(16))
    assert np.frombuffer(big.ModalityLUTSequence[0].LUTData, ">u2").tolist() == [1, 256, 65535]
    assert np.frombuffer(big[0x00660016].value, ">f4").tolist() == [1.5, -2.5]
    assert np.frombuffer(big[0x00660022].value, ">f8").tolist() == [1.5, -2.5]
    assert np.frombuffer(big[0x00660040].value, ">u4").tolist() == [1, 2**30]
    assert big[0x00420011].value == b"\1\2\3\4"
    assert (big.Rows, big[0x00720082].value, big[0x00089459].value) == (4, -(2**40), 2.5)


def test_pydicoms_own_big_endian_image() -> None:
    path = get_testdata_file("MR_small_bigendian.dcm", download=False)
    little = get_testdata_file("MR_small.dcm", download=False)
    instance = InstanceFile(path)
    source = instance.open(EXPLICIT)
    data = b"".join(bytes(chunk) for chunk, _ in source.chunks(1 << 20))
    converted = codec.decode(data, EXPLICIT)
    assert converted.PixelData == dcmread(little).PixelData


#: Text that pydicom reads as something else, or cannot write as it was.
TEXTS = [
    (b"ISO_IR 192", "K\xf6hler".encode("latin-1")),  # not what it says
    (b"ISO_IR 13 ", b"\xd4\xcf\xc0\xde\xc0\xdb\xb3 "),  # half-width katakana, as in PS3.5 H.3.2
    (b"ISO_IR 166", b"\xa1\xfe\xdb "),
    (b"GB18030 ", b"A\xff\xfe "),
    (b"ISO_IR 100", b"\x1b$B;3ED\x1b(B"),  # an escape sequence of a character set that is not named
    (b"\\ISO 2022 IR 149", b"\x1b$)C\xb1\xe8\\\x1b$)C\xb1\xe8 "),  # each value has an escape sequence of its own
    (b"nonsense", b"  \xf6 \xfc "),
]


@pytest.mark.parametrize("target", [IMPLICIT, DEFLATED, BIG], ids=lambda uid: uid.keyword)
@pytest.mark.parametrize(("charset", "text"), TEXTS, ids=[repr(charset) for charset, _ in TEXTS])
def test_text_is_carried_as_the_bytes_that_it_is(charset: bytes, text: bytes, target: UID) -> None:
    def element(tag: int, vr: bytes, value: bytes) -> bytes:
        return struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr, len(value)) + value

    inner = b"".join(
        element(tag, vr, text) for tag, vr in ((0x00080081, b"ST"), (0x00100010, b"PN"), (0x00104000, b"LT"))
    )
    items = (
        struct.pack("<HHI", 0xFFFE, 0xE000, len(inner)) + inner + bytes.fromhex("feff 00e0 ffffffff feff 0de0 00000000")
    )
    ends = [(len(items), b""), (0xFFFFFFFF, bytes.fromhex("feff dde0 00000000"))]
    for length, end in ends:
        whole = element(0x00080005, b"CS", charset) + element(0x00081030, b"LO", text)
        whole += (
            struct.pack("<HH2sHI", 0x0008, 0x1110, b"SQ", 0, length) + items + end + element(0x00100020, b"LO", text)
        )
        there = codec.encode(codec.decode(whole, EXPLICIT), target)
        assert codec.encode(codec.decode(there, target), EXPLICIT) == whole


def test_text_goes_into_another_character_set_when_somebody_asks() -> None:
    dataset = codec.decode(codec.encode(image(), EXPLICIT), EXPLICIT)
    dataset.SpecificCharacterSet = "ISO_IR 192"
    for target in NATIVE:
        encoded = codec.encode(dataset, target)
        assert str(codec.decode(encoded, target).PatientName) == "Äpfel^Änne"
        if target != DEFLATED:
            assert "Äpfel^Änne".encode() in encoded


def test_what_was_set_in_a_data_set_that_was_read() -> None:
    """A value without a certain VR, at two levels: it depends on others."""
    for source in NATIVE:
        for target in NATIVE:
            dataset = codec.decode(codec.encode(image(), source), source)
            dataset.PixelRepresentation, dataset.SmallestImagePixelValue = 1, -5
            del dataset.ModalityLUTSequence[0].LUTDescriptor
            dataset.ModalityLUTSequence[0].LUTDescriptor = [3, -7, 16]
            encoded = codec.encode(dataset, target)
            got = codec.decode(encoded, target)
            assert got.SmallestImagePixelValue == -5 and got.ModalityLUTSequence[0].LUTDescriptor == [3, -7, 16]
            assert codec.encode(got, target) == encoded


# ------------------------------------------------------------------------------- streams


class Counted(BytesSource):
    closed = 0

    def close(self) -> None:
        self.closed += 1


@pytest.mark.parametrize("size", [2, 1024, 1 << 20])
@pytest.mark.parametrize("length", [0, 1, 2, 1023, 100_000])
def test_deflating_and_inflating_streams(size: int, length: int) -> None:
    data = os.urandom(length // 2) + bytes(length - length // 2)
    deflating = DeflatingSource(Counted(data))
    chunks = [(bytes(chunk), last) for chunk, last in deflating.chunks(size)]
    assert [last for _, last in chunks] == [False] * (len(chunks) - 1) + [True]
    assert all(len(chunk) == size for chunk, _ in chunks[:-1]) and len(chunks[-1][0]) % 2 == 0
    deflated = b"".join(chunk for chunk, _ in chunks)
    assert zlib.decompress(deflated, -zlib.MAX_WBITS) == data
    inflated = [bytes(chunk) for chunk, _ in InflatingSource(BytesSource(deflated)).chunks(size)]
    assert b"".join(inflated) == data + b"\0" * (length % 2)
    deflating.close()
    assert deflating._source.closed == 1


@pytest.mark.parametrize(
    ("data", "limits", "words"),
    [
        (b"\xff" * 100, None, "damaged"),
        (zlib.compressobj(wbits=-15).compress(b"x" * 99), None, "cut off"),
        (zlib.compress(bytes(4 << 20), wbits=-15), Limits(inflated=1 << 20), "grows beyond 1048576 bytes"),
        (zlib.compress(bytes(64 << 20), wbits=-15), Limits(inflation_ratio=20), "grows beyond"),
    ],
)
def test_deflated_data_sets_that_are_none(data: bytes, limits: Limits | None, words: str) -> None:
    with pytest.raises(DataSetError, match=words):
        for _ in InflatingSource(BytesSource(data), limits).chunks(1 << 16):
            pass


def written(path: Path, data: bytes, syntax: UID) -> InstanceFile:
    header = part10_header(
        sop_class_uid=UID("1.2.840.10008.5.1.4.1.1.2"), sop_instance_uid=UID("1.2.3"), transfer_syntax=syntax
    )
    path.write_bytes(header + data)
    return InstanceFile(path)


def test_a_large_file_is_deflated_and_inflated_in_pieces(tmp_path: Path) -> None:
    """24 MB each way in a few MB of memory."""
    element = bytes.fromhex("e07f1000 4f57 0000") + (24 << 20).to_bytes(4, "little") + os.urandom(1 << 20) * 24
    plain = written(tmp_path / "plain.dcm", element, EXPLICIT)
    tracemalloc.start()
    try:
        source = plain.open(DEFLATED)
        with (tmp_path / "data").open("wb") as file:
            for chunk, _ in source.chunks(1 << 18):
                file.write(chunk)
        source.close()
        assert tracemalloc.get_traced_memory()[1] < 6 << 20
    finally:
        tracemalloc.stop()
    deflated = written(tmp_path / "deflated.dcm", (tmp_path / "data").read_bytes(), DEFLATED)
    tracemalloc.start()
    try:
        source, size = deflated.open(EXPLICIT), 0
        for chunk, _ in source.chunks(1 << 18):
            size += len(chunk)
        source.close()
        assert size == len(element) and tracemalloc.get_traced_memory()[1] < 6 << 20
    finally:
        tracemalloc.stop()


def test_a_damaged_file_is_known_before_it_is_sent(tmp_path: Path) -> None:
    instance = written(tmp_path / "damaged.dcm", zlib.compress(bytes(10_000), wbits=-15)[:-4], DEFLATED)
    with pytest.raises(DataSetError):
        instance.open(EXPLICIT)


# ------------------------------------------------------------------------------- what may become what


def test_every_transfer_syntax_of_pydicom_is_known() -> None:
    known = {entry.uid for entry in transfer_syntaxes(retired=True)}
    assert {str(uid) for uid in AllTransferSyntaxes} <= known


def test_pixels_are_never_touched_unasked() -> None:
    for entry in transfer_syntaxes(retired=True):
        for other in transfer_syntaxes(retired=True):
            allowed = codec.convertible(entry.uid, other.uid)
            native = entry.uid in NATIVE and other.uid in NATIVE
            references = {entry.uid[-2:], other.uid[-2:]} == {"94", "95"} or {entry.uid[-3:], other.uid[-3:]} == {
                "204",
                "205",
            }
            assert allowed == (native or references or entry.uid == other.uid), (entry.name, other.name)
    assert not codec.convertible("1.2.3.4", EXPLICIT) and codec.convertible("1.2.3.4", "1.2.3.4")


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("MR_small_RLE.dcm", RLE),
        ("MR_small_jp2klossless.dcm", J2K),
        ("SC_rgb_jpeg_dcmtk.dcm", UID("1.2.840.10008.1.2.4.50")),
    ],
)
@pytest.mark.parametrize("target", [EXPLICIT, IMPLICIT, BIG, DEFLATED, RLE], ids=lambda uid: uid.keyword)
def test_transcoding(name: str, source: UID, target: UID) -> None:
    path = get_testdata_file(name, download=False)
    if path is None:
        pytest.skip(f"pydicom came without {name}")
    original = dcmread(path)
    assert original.file_meta.TransferSyntaxUID == source
    if not transcodable(source, target):
        pytest.skip("pydicom has no codec for it here")
    instance = Transcodable(InstanceFile(path))
    opened = instance.open(target)
    data = b"".join(bytes(chunk) for chunk, _ in opened.chunks(1 << 20))
    opened.close()
    got = codec.decode(data, target)
    got.file_meta = FileMetaDataset()
    got.file_meta.TransferSyntaxUID = target
    assert got.SOPInstanceUID == original.SOPInstanceUID  # nothing is lost, so it is the same instance
    np.testing.assert_array_equal(got.pixel_array, original.pixel_array)


@pytest.mark.parametrize(
    "name", ["MR_small.dcm", "MR_small_implicit.dcm", "MR_small_bigendian.dcm", "ExplVR_BigEnd.dcm"]
)
def test_native_pixels_into_rle(name: str) -> None:
    path = get_testdata_file(name, download=False)
    opened = Transcodable(InstanceFile(path)).open(RLE)
    got = codec.decode(b"".join(bytes(chunk) for chunk, _ in opened.chunks(1 << 20)), RLE)
    got.file_meta = FileMetaDataset()
    got.file_meta.TransferSyntaxUID = RLE
    np.testing.assert_array_equal(got.pixel_array, dcmread(path).pixel_array)


@pytest.mark.parametrize("colours", ["RGB", "YBR_FULL"])
def test_colours_are_the_numbers_that_they_were(colours: str) -> None:
    ds = image()
    ds.Rows, ds.Columns, ds.SamplesPerPixel, ds.PlanarConfiguration, ds.PhotometricInterpretation = 4, 5, 3, 0, colours
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 8, 8, 7
    pixels = os.urandom(60)
    ds.add_new(0x7FE00010, "OB", pixels)
    rle = transcoded(ds, EXPLICIT, RLE)
    frames = list(generate_frames(rle.PixelData, number_of_frames=1))
    rle.PixelData, rle.ExtendedOffsetTable, rle.ExtendedOffsetTableLengths = encapsulate_extended(frames)
    back = transcoded(rle, RLE, EXPLICIT)
    assert (back.PixelData, back.PhotometricInterpretation, back.PlanarConfiguration) == (pixels, colours, 0)
    assert "ExtendedOffsetTable" not in back and "ExtendedOffsetTableLengths" not in back


@pytest.mark.parametrize("bits", [8, 16])
def test_planes_of_colours_into_rle(bits: int) -> None:
    ds = image()
    ds.Rows, ds.Columns, ds.SamplesPerPixel, ds.PlanarConfiguration, ds.PhotometricInterpretation = 4, 5, 3, 1, "RGB"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.NumberOfFrames = bits, bits, bits - 1, 2
    planes = np.arange(2 * 3 * 4 * 5, dtype=f"<u{bits // 8}").reshape(2, 3, 4, 5) * 2
    ds.add_new(0x7FE00010, "OB" if bits == 8 else "OW", planes.tobytes())
    rle = transcoded(ds, EXPLICIT, RLE)
    np.testing.assert_array_equal(rle.pixel_array, planes.transpose(0, 2, 3, 1))


def test_what_cannot_be_transcoded() -> None:
    assert not transcodable("1.2.840.10008.1.2.4.102", EXPLICIT)  # a film
    assert not transcodable("1.2.3.4", EXPLICIT) and transcodable("1.2.3.4", "1.2.3.4")
    assert not transcodable(EXPLICIT, "1.2.840.10008.1.2.4.50")  # would lose
    assert transcodings("1.2.3.4") == () and transcodings(EXPLICIT)[0] == IMPLICIT
    with pytest.raises(DataSetError, match="cannot transcode"):
        transcoded(image(), "1.2.840.10008.1.2.4.102", EXPLICIT)
    damaged = image()
    damaged.PixelData = b"no RLE segment at all, really"
    with pytest.raises(DataSetError, match="cannot be transcoded"):
        transcoded(damaged, RLE, EXPLICIT)
