"""A small archive to exchange: three patients, made here, the same in every run, and how two data sets are compared."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

ROOT = "1.2.826.0.1.3680043.8.498.77"
CT, MR, CR = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.1"
#: A Storage class that no dictionary has, under a root of our own: what vendors do.
PRIVATE_CLASS = f"{ROOT}.9.1"


@dataclass(frozen=True)
class Series:
    patient_id: str
    patient_name: str
    charset: str | None
    birth_date: str
    study: int
    study_date: str
    description: str
    series: int
    modality: str
    sop_class: str
    instances: int
    transfer_syntax: str


SERIES = (
    Series("IT-1", "Doe^Jane", None, "19700101", 1, "20240105", "CHEST", 1, "CT", CT, 3, ExplicitVRLittleEndian),
    Series("IT-1", "Doe^Jane", None, "19700101", 1, "20240105", "CHEST", 2, "CT", CT, 2, ImplicitVRLittleEndian),
    Series("IT-1", "Doe^Jane", None, "19700101", 2, "20240310", "HEAD", 1, "MR", MR, 2, ExplicitVRLittleEndian),
    Series("IT-2", "Müller^Jürgen", "ISO_IR 100", "19551231", 3, "20230601", "Thorax übersicht", 1, "CR", CR, 2,
           ExplicitVRLittleEndian),
    Series("IT-3", "Roe^Richard", None, "19881111", 4, "20240105", "ABDOMEN", 1, "CT", CT, 1, ExplicitVRLittleEndian),
)  # fmt: skip
PATIENTS = tuple(dict.fromkeys(s.patient_id for s in SERIES))
STUDIES = tuple(dict.fromkeys(s.study for s in SERIES))
INSTANCES = sum(s.instances for s in SERIES)


#: The unique key of each level.
UNIQUE = {"PATIENT": "PatientID", "STUDY": "StudyInstanceUID", "SERIES": "SeriesInstanceUID", "IMAGE": "SOPInstanceUID"}


def study_uid(study: int) -> str:
    return f"{ROOT}.{study}"


def series_uid(study: int, series: int) -> str:
    return f"{ROOT}.{study}.{series}"


def instance_uid(study: int, series: int, instance: int) -> str:
    return f"{ROOT}.{study}.{series}.{instance}"


def dataset(series: Series, number: int, *, size: int = 48) -> FileDataset:
    """One instance, with what makes encoders differ: a sequence, nested items, private elements, an empty value."""
    uid = instance_uid(series.study, series.series, number)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = series.sop_class
    meta.MediaStorageSOPInstanceUID = uid
    meta.TransferSyntaxUID = series.transfer_syntax
    ds = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    if series.charset:
        ds.SpecificCharacterSet = series.charset
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.SOPClassUID, ds.SOPInstanceUID = series.sop_class, uid
    ds.StudyDate, ds.StudyTime = series.study_date, f"{8 + series.study:02d}1500"
    ds.AccessionNumber = f"ACC{series.study}"
    ds.Modality = series.modality
    ds.Manufacturer = ""
    ds.ReferringPhysicianName = "Referrer^Rita"
    ds.StudyDescription = series.description
    ds.SeriesDescription = f"{series.modality} series {series.series}"
    ds.PatientName, ds.PatientID = series.patient_name, series.patient_id
    ds.PatientBirthDate, ds.PatientSex = series.birth_date, "O"
    ds.add_new(0x00091001, "LO", "private")
    ds.add_new(0x00090010, "LO", "NBDICOM INTEROP")
    ds.StudyInstanceUID = study_uid(series.study)
    ds.SeriesInstanceUID = series_uid(series.study, series.series)
    ds.StudyID, ds.SeriesNumber, ds.InstanceNumber = str(series.study), series.series, number
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "T-D3000", "SRT", "Chest"
    step = Dataset()
    step.ScheduledProcedureStepID = f"SPS{series.study}"
    step.ScheduledProtocolCodeSequence = Sequence([code])
    ds.RequestAttributesSequence = Sequence([step])
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows = ds.Columns = size
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    pixels = np.random.default_rng([series.study, series.series, number]).integers(0, 4096, (size, size), np.uint16)
    ds.PixelData = pixels.astype("<u2").tobytes()
    ds["PixelData"].VR = "OW"
    return ds


def write(folder: Path, chosen: Iterable[Series] = SERIES) -> dict[str, Path]:
    """The instances as files, by SOP Instance UID."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {}
    for series in chosen:
        for number in range(1, series.instances + 1):
            ds = dataset(series, number)
            path = folder / f"{series.study}-{series.series}-{number}.dcm"
            ds.save_as(path, enforce_file_format=True)
            files[str(ds.SOPInstanceUID)] = path
    return files


#: Files of pydicom's own in transfer syntaxes that nobody re-encodes.
COMPRESSED = {
    "JPEG Baseline": "SC_rgb_jpeg_dcmtk.dcm",
    "JPEG Extended": "JPGExtended.dcm",
    "JPEG-LS": "MR_small_jpeg_ls_lossless.dcm",
    "JPEG 2000 Lossless": "MR_small_jp2klossless.dcm",
    "JPEG 2000": "JPEG2000.dcm",
    "RLE": "MR_small_RLE.dcm",
    "Deflated": "image_dfl.dcm",
    "Big Endian": "MR_small_bigendian.dcm",
}


def compressed(name: str) -> Path:
    """A file that comes with pydicom; nothing is downloaded."""
    found = get_testdata_file(COMPRESSED[name], download=False)
    assert isinstance(found, str)
    return Path(found)


# ------------------------------------------------------------------------------- comparing


def data_set_bytes(source: Path | bytes) -> bytes:
    """What follows the File Meta Information: the data set as it went over the wire."""
    content = source if isinstance(source, bytes) else source.read_bytes()
    assert content[128:132] == b"DICM", "not a Part 10 file"
    assert content[132:140] == b"\x02\x00\x00\x00UL\x04\x00", "no File Meta Information Group Length"
    return content[144 + int.from_bytes(content[140:144], "little") :]


def read(source: Path | bytes) -> FileDataset:
    return dcmread(DicomBytesIO(source) if isinstance(source, bytes) else source)


def differences(ours: Path | bytes, theirs: Path | bytes) -> list[str]:
    """The elements in which two data sets differ, as tags; group lengths and padding do not count."""
    first, second = read(ours), read(theirs)

    def elements(ds: Dataset) -> dict[str, object]:
        kept = (elem for elem in ds if elem.tag.element != 0 and elem.tag != 0xFFFCFFFC)
        return {str(elem.tag): (elem.VR, elem.value) for elem in kept}

    a, b = elements(first), elements(second)
    return sorted(tag for tag in a.keys() | b.keys() if not _same(a.get(tag), b.get(tag)))


def _same(a: object, b: object) -> bool:
    if a is None or b is None:
        return False
    (vr_a, value_a), (vr_b, value_b) = a, b  # type: ignore[misc]
    if vr_a == vr_b or {vr_a, vr_b} <= {"OB", "OW", "UN"}:
        return bool(value_a == value_b)
    # Private elements lose their VR in Implicit VR: LO becomes UN, bytes.
    return "UN" in (vr_a, vr_b) and _raw(value_a) == _raw(value_b)


def _raw(value: object) -> bytes:
    return (value if isinstance(value, bytes) else str(value).encode()).rstrip(b" \0")


def assert_same(wanted: dict[str, Path], got: dict[str, Path] | dict[str, bytes], *, bits: bool) -> None:
    """All the instances, and each of them equal: bit for bit, or element by element where a peer encodes anew."""
    assert sorted(got) == sorted(wanted)
    for uid, path in wanted.items():
        assert differences(path, got[uid]) == [], uid
        if bits:
            assert data_set_bytes(path) == data_set_bytes(got[uid]), f"{uid}: equal, but not bit for bit"


def by_uid(files: Iterable[Path]) -> dict[str, Path]:
    """Files by the SOP Instance UID in them."""
    return {str(dcmread(path, stop_before_pixels=True).SOPInstanceUID): path for path in files}


def in_folder(folder: Path) -> dict[str, Path]:
    """The DICOM files of a folder by SOP Instance UID."""
    return by_uid(_dicom_files(folder))


def _dicom_files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                if file.read(132)[128:] == b"DICM":
                    yield path


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
