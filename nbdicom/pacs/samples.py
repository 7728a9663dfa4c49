"""The content of the demonstration PACS: invented patients with generated images, and real objects from pydicom.

Nothing is downloaded, and every run makes the same objects with the same UIDs, so that a store which has them already
finds duplicates.  The names are invented, or those of pydicom's own test files.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from nbdicom.core.negotiation import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from nbdicom.data.unseen import unseen
from nbdicom.pacs.phantoms import CT, ORIENTATIONS, Plane, Shape, abdomen, chest, head, pelvis, projection, render
from nbdicom.uids import UID

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["sample_instances", "sample_schedule"]

_NAMESPACE = uuid.UUID("5a0c63f8-2f6b-4a0e-9d0e-6f1c8f0d7b11")
_IMPLICIT, _EXPLICIT = UID("1.2.840.10008.1.2"), UID("1.2.840.10008.1.2.1")


def _uid(*parts: object) -> str:
    """A UID under 2.25 (PS3.5 B.2) that is the same in every run."""
    return f"2.25.{uuid.uuid5(_NAMESPACE, '/'.join(map(str, parts))).int}"


# ------------------------------------------------------------------------------- who and when

_MARLOWE = {
    "PatientName": "Marlowe^Anna", "PatientID": "NB-0001", "PatientBirthDate": "19580412", "PatientSex": "F",
    "PatientComments": "Sample patient; invented",
}  # fmt: skip
_KOEHLER = {
    "SpecificCharacterSet": "ISO_IR 192",
    "PatientName": "Köhler^Jürgen^^Dr.", "PatientID": "NB-0002", "PatientBirthDate": "19710930", "PatientSex": "M",
}  # fmt: skip
_YAMADA = {
    "SpecificCharacterSet": ["", "ISO 2022 IR 87"],
    "PatientName": "Yamada^Tarou=山田^太郎=やまだ^たろう", "PatientID": "NB-0003",
    "PatientBirthDate": "19490103", "PatientSex": "M",
}  # fmt: skip
_OKAFOR = {
    "PatientName": "Okafor^Chidi", "PatientID": "NB-0004", "PatientBirthDate": "19530815", "PatientSex": "M",
    "IssuerOfPatientID": "NBDICOM", "OtherPatientIDs": ["RT-77", "4711"],
}  # fmt: skip
_SILVA = {
    "PatientName": "Silva^Maria^Clara", "PatientID": "NB-0005", "PatientBirthDate": "19880229", "PatientSex": "F",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Study:
    """A study of a patient; its UID follows from patient and Study ID."""

    patient: Mapping[str, Any]
    study_id: str
    date: str
    time: str
    description: str
    age: str
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def uid(self) -> str:
        return _uid(self.patient["PatientID"], self.study_id)

    def attributes(self) -> dict[str, Any]:
        return {
            **self.patient,
            "StudyInstanceUID": self.uid,
            "StudyID": self.study_id,
            "StudyDate": self.date,
            "StudyTime": self.time,
            "AccessionNumber": f"A{self.date[2:4]}{self.study_id.zfill(5)}",
            "StudyDescription": self.description,
            "ReferringPhysicianName": "Adeyemi^Grace^^Dr.",
            "PatientAge": self.age,
            **self.more,
        }


# ------------------------------------------------------------------------------- series

_SCANNERS: Mapping[str, Mapping[str, Any]] = {
    "CT": {"Manufacturer": "Phantomworks", "ManufacturerModelName": "Ellipsoid 64", "StationName": "CT1",
           "KVP": "120", "ConvolutionKernel": "B30f", "ExposureTime": "500", "XRayTubeCurrent": "180"},
    "MR": {"Manufacturer": "Phantomworks", "ManufacturerModelName": "Larmor 3T", "StationName": "MR2",
           "MagneticFieldStrength": "3", "ScanningSequence": "SE", "SequenceVariant": "SK", "ScanOptions": "",
           "MRAcquisitionType": "2D", "FlipAngle": "90"},
    "CR": {"Manufacturer": "Phantomworks", "ManufacturerModelName": "Plate", "StationName": "XR1", "KVP": "110"},
}  # fmt: skip
_SOP_CLASSES = {"CT": "CTImageStorage", "MR": "MRImageStorage", "CR": "ComputedRadiographyImageStorage"}

#: Signal of the tissues in the weightings of MR.
_MR: Mapping[str, Mapping[str, float]] = {
    "T1": {"air": 5, "fat": 1050, "muscle": 380, "skull": 40, "fluid": 130, "grey": 420, "white": 620, "lesion": 250},
    "T2": {"air": 5, "fat": 520, "muscle": 180, "skull": 30, "fluid": 1100, "grey": 560, "white": 380, "lesion": 820},
    "FLAIR": {"air": 5, "fat": 560, "muscle": 190, "skull": 30, "fluid": 60, "grey": 520, "white": 400, "lesion": 980},
}
_MR_TIMES = {"T1": ("500", "12"), "T2": ("4200", "98"), "FLAIR": ("9000", "110")}


@dataclass(frozen=True, slots=True)
class _Series:
    """A stack of planes through a body."""

    number: int
    modality: str
    description: str
    body_part: str
    orientation: str
    first: float
    step: float
    count: int
    size: int
    spacing: float
    weighting: str = ""
    window: tuple[int, int] = (40, 400)
    syntax: UID = _EXPLICIT


def _stack(study: _Study, series: _Series, shapes: Sequence[Shape]) -> Iterator[Dataset]:
    """The images of a series, with a geometry that is consistent within the study's frame of reference."""
    import numpy

    values = _MR[series.weighting] if series.weighting else CT
    for k in range(series.count):
        plane = Plane(series.orientation, series.first + k * series.step, series.size, series.spacing)
        seed = series.number * 1000 + k
        if series.modality == "CR":
            image = projection(shapes, series.orientation, series.size, series.spacing, seed=seed)
        else:
            image = render(shapes, plane, values, noise=11 if series.modality == "CT" else 14, seed=seed)
        offset = 1024 if series.modality == "CT" else 0
        pixels = numpy.clip(image + offset, 0, 4095).astype("<u2")
        dataset = _image(study, series, k, pixels.tobytes())
        if series.modality != "CR":
            dataset.update(_geometry(study, series, plane))
        if series.modality == "CT":
            dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = "-1024", "1", "HU"
        if series.weighting:
            dataset.RepetitionTime, dataset.EchoTime = _MR_TIMES[series.weighting]
        yield dataset


def _geometry(study: _Study, series: _Series, plane: Plane) -> Dataset:
    from pydicom import Dataset

    dataset = Dataset()
    dataset.FrameOfReferenceUID = _uid(study.uid, "frame of reference")
    dataset.PositionReferenceIndicator = ""
    dataset.PatientPosition = "HFS"
    dataset.ImageOrientationPatient = [str(v) for v in ORIENTATIONS[plane.orientation][0]]
    dataset.ImagePositionPatient = [f"{v:.3f}" for v in plane.origin]
    dataset.SliceLocation = f"{plane.position:.3f}"
    dataset.SliceThickness = f"{abs(series.step):g}"
    dataset.PixelSpacing = [f"{series.spacing:g}"] * 2
    return dataset


def _image(study: _Study, series: _Series, k: int, pixels: bytes) -> Dataset:
    hours = int(study.time[:2])
    dataset = _object(
        study,
        _SOP_CLASSES[series.modality],
        series.number,
        k + 1,
        series.syntax,
        {
            **_SCANNERS[series.modality],
            "Modality": series.modality,
            "SeriesDescription": series.description,
            "ProtocolName": series.description,
            "BodyPartExamined": series.body_part,
            "Laterality": "",
            "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL" if series.orientation == "axial" else "OTHER"],
            "AcquisitionNumber": "1",
            "ContentDate": study.date,
            "ContentTime": f"{hours:02d}{(series.number * 7 + k // 60) % 60:02d}{k % 60:02d}",
            "AcquisitionDate": study.date,
            "SamplesPerPixel": 1,
            "PhotometricInterpretation": "MONOCHROME2",
            "Rows": series.size,
            "Columns": series.size,
            "BitsAllocated": 16,
            "BitsStored": 12,
            "HighBit": 11,
            "PixelRepresentation": 0,
            "WindowCenter": str(series.window[0]),
            "WindowWidth": str(series.window[1]),
        },
    )
    dataset.add_new("PixelData", "OW", pixels)
    return dataset


def _object(
    study: _Study, sop_class: str, number: int, instance: int, syntax: UID, values: Mapping[str, Any]
) -> Dataset:
    """An object with the attributes that every object of a study has."""
    from pydicom import Dataset

    dataset = Dataset()
    _put(dataset, values)
    _belong(dataset, study, number, instance)
    dataset.SOPClassUID = UID.of(sop_class)
    _meta(dataset, syntax)
    return dataset


def _belong(dataset: Dataset, study: _Study, number: int, instance: int) -> None:
    """Make *dataset* an object of a study: who, when, where, and UIDs of its own."""
    _put(dataset, study.attributes())
    dataset.SeriesInstanceUID = _uid(study.uid, number)
    dataset.SOPInstanceUID = _uid(study.uid, number, instance)
    dataset.SeriesNumber, dataset.InstanceNumber = str(number), str(instance)
    dataset.SeriesDate, dataset.SeriesTime = study.date, f"{study.time[:2]}{number % 60:02d}00"
    dataset.PerformedProcedureStepStartDate = study.date
    dataset.PerformedProcedureStepStartTime = study.time
    dataset.PerformedProcedureStepDescription = study.description
    dataset.OperatorsName = "Lindqvist^Per"
    dataset.InstitutionName = "Nightingale Teaching Hospital"
    dataset.InstitutionalDepartmentName = "Radiology"


def _put(dataset: Dataset, values: Mapping[str, Any]) -> None:
    for keyword, value in values.items():
        setattr(dataset, keyword, value)


def _meta(dataset: Dataset, syntax: str) -> None:
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import UID as PydicomUID

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = PydicomUID(syntax)
    meta.ImplementationClassUID = PydicomUID(IMPLEMENTATION_CLASS_UID)
    meta.ImplementationVersionName = IMPLEMENTATION_VERSION_NAME
    dataset.file_meta = meta


# ------------------------------------------------------------------------------- the patients


def _generated() -> Iterator[Dataset]:
    lung, soft, brain = (-550, 1500), (40, 400), (35, 90)

    xray = _Study(_MARLOWE, "1", "20210111", "083000", "Chest PA and lateral", "062Y")
    yield from _stack(xray, _Series(1, "CR", "PA", "CHEST", "coronal", 0, 1, 1, 256, 1.6, "", (1900, 3600)), chest())
    yield from _stack(
        xray, _Series(2, "CR", "LATERAL", "CHEST", "sagittal", 0, 1, 1, 256, 1.6, "", (2100, 3800)), chest()
    )
    first = _Study(_MARLOWE, "2", "20210302", "101500", "CT Chest with contrast", "062Y")
    body = chest(nodule=8)
    yield from _stack(first, _Series(2, "CT", "Chest 5.0 soft", "CHEST", "axial", -92, 8, 24, 256, 1.5, "", soft), body)
    yield from _stack(first, _Series(3, "CT", "Lung cor", "CHEST", "coronal", -66, 12, 12, 256, 1.5, "", lung), body)
    follow_up = _Study(_MARLOWE, "3", "20220517", "094500", "CT Chest follow-up", "064Y")
    body = chest(nodule=13)
    yield from _stack(
        follow_up, _Series(2, "CT", "Chest 5.0 soft", "CHEST", "axial", -92, 8, 24, 256, 1.5, "", soft, _IMPLICIT), body
    )

    comment = {"StudyComments": "Größe des Befunds?"}
    brain_study = _Study(_KOEHLER, "1", "20230614", "141000", "MR Brain", "051Y", comment)
    body = head(lesion=(30, -22, 32))
    for number, weighting, orientation, start, step, count in (
        (2, "T1", "sagittal", -60, 8, 15), (3, "T2", "axial", -54, 7, 20), (4, "FLAIR", "axial", -54, 7, 20),
    ):  # fmt: skip
        window = (450, 900) if weighting != "T2" else (600, 1200)
        name = f"{weighting} {orientation[:3]}"
        yield from _stack(
            brain_study,
            _Series(number, "MR", name, "BRAIN", orientation, start, step, count, 128, 1.8, weighting, window),
            body,
        )
    again = _Study(_KOEHLER, "2", "20240620", "150500", "MR Brain follow-up", "052Y")
    yield from _stack(
        again,
        _Series(3, "MR", "T2 axi", "BRAIN", "axial", -54, 7, 20, 128, 1.8, "T2", (600, 1200)),
        head(lesion=(30, -22, 32), radius=6),
    )

    liver = _Study(_YAMADA, "1", "20201105", "113000", "CT Abdomen", "071Y")
    yield from _stack(
        liver, _Series(2, "CT", "Abdomen venous", "ABDOMEN", "axial", -80, 8, 22, 256, 1.5, "", soft), abdomen()
    )

    emergency = _Study(_SILVA, "1", "20191224", "230400", "CT Head", "031Y")
    bleed = head(lesion=(-34, 10, 26), radius=12, tissue="bleed")
    yield from _stack(emergency, _Series(2, "CT", "Head 5.0", "HEAD", "axial", -56, 8, 18, 256, 0.9, "", brain), bleed)
    control = _Study(_SILVA, "2", "20191226", "070000", "CT Head control", "031Y")
    smaller = head(lesion=(-34, 10, 26), radius=8, tissue="bleed")
    yield from _stack(control, _Series(2, "CT", "Head 5.0", "HEAD", "axial", -56, 8, 18, 256, 0.9, "", brain), smaller)


def _radiotherapy() -> Iterator[Dataset]:
    """A planning CT, and pydicom's structure set, plan and dose in the same study."""
    planning = _Study(_OKAFOR, "1", "20250218", "082000", "RT planning prostate", "071Y")
    yield from _stack(
        planning, _Series(2, "CT", "Planning 5.0", "PELVIS", "axial", -70, 7, 20, 256, 1.7, "", (40, 400)), pelvis()
    )
    for number, name in ((10, "rtstruct.dcm"), (11, "rtplan.dcm"), (12, "rtdose.dcm")):
        yield from _adopted(name, planning, number, 1)


def _real() -> Iterator[Dataset]:
    """Objects of pydicom's test files: some join the invented patients' studies, the others keep their patients."""
    report = _Study(_MARLOWE, "3", "20220517", "094500", "CT Chest follow-up", "064Y")
    yield from _adopted("reportsi.dcm", report, 90, 1, SeriesDescription="Report")
    echo = _Study(_YAMADA, "2", "20240909", "160000", "Ultrasound", "075Y")
    yield from _adopted("examples_rgb_color.dcm", echo, 1, 1, SeriesDescription="Still")
    yield from _adopted("examples_jpeg2k.dcm", echo, 1, 2, SeriesDescription="Still")
    for name in (
        "CT_small.dcm", "MR_small.dcm", "examples_overlay.dcm", "examples_palette.dcm",
        "examples_ybr_color.dcm", "J2K_pixelrep_mismatch.dcm", "waveform_ecg.dcm",
    ):  # fmt: skip
        for dataset in _file(name):
            # UIDs of our own: whoever stores the original as well shall not be told that it is a duplicate.
            for level in ("Study", "Series", "SOP"):
                setattr(dataset, f"{level}InstanceUID", _uid(name, level))
            _meta(dataset, dataset.file_meta.TransferSyntaxUID)
            yield dataset


def _file(name: str) -> Iterator[Dataset]:
    """One of the files that are part of the pydicom package; another version of it may lack one."""
    from pydicom import dcmread
    from pydicom.data import get_testdata_file

    path = get_testdata_file(name, download=False)
    if isinstance(path, str):
        with unseen():  # some of them are there because they are odd
            dataset = dcmread(path, force=True)
        yield dataset


def _adopted(name: str, study: _Study, number: int, instance: int, **values: Any) -> Iterator[Dataset]:
    for dataset in _file(name):
        syntax = getattr(getattr(dataset, "file_meta", None), "TransferSyntaxUID", _IMPLICIT)
        _belong(dataset, study, number, instance)
        _put(dataset, values)
        _meta(dataset, syntax)
        yield dataset


def sample_instances() -> Iterator[Dataset]:
    """The sample objects one by one, as pydicom Datasets with file meta information.

    Examples
    --------
    >>> first = next(sample_instances())
    >>> str(first.PatientName), first.Modality
    ('Marlowe^Anna', 'CR')
    """
    yield from _generated()
    yield from _radiotherapy()
    yield from _real()


#: patient, days from today, time, modality, station, what for
_SCHEDULE: tuple[tuple[Mapping[str, Any], int, str, str, str, str], ...] = (
    (_MARLOWE, 0, "083000", "CT", "CT1", "CT Chest follow-up"),
    (_SILVA, 0, "091500", "CT", "CT1", "CT Head control"),
    (_KOEHLER, 0, "101500", "MR", "MR2", "MR Brain follow-up"),
    (_YAMADA, 0, "140000", "US", "US1", "Ultrasound abdomen"),
    (_OKAFOR, 1, "080000", "CT", "CT1", "CT Pelvis, planning"),
    (_MARLOWE, 1, "113000", "CR", "XR1", "Chest PA and lateral"),
)


def sample_schedule(today: date) -> Iterator[dict[str, Any]]:
    """Entries of a modality worklist for some of the sample patients, *today* and on the day after.

    Examples
    --------
    >>> first = next(sample_schedule(date(2026, 1, 5)))
    >>> first["PatientName"], first["ScheduledProcedureStepStartDate"], first["ScheduledStationAETitle"]
    ('Marlowe^Anna', '20260105', 'CT1')
    """
    kept = ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "IssuerOfPatientID")
    for number, (patient, days, time, modality, station, description) in enumerate(_SCHEDULE, 1):
        yield {
            **{keyword: patient[keyword] for keyword in kept if keyword in patient},
            "StudyInstanceUID": _uid(patient["PatientID"], "scheduled", number),
            "AccessionNumber": f"A26{number:05d}",
            "ReferringPhysicianName": "Adeyemi^Grace^^Dr.",
            "RequestedProcedureID": f"RP{number}",
            "RequestedProcedureDescription": description,
            "Modality": modality,
            "ScheduledStationAETitle": station,
            "ScheduledStationName": station,
            "ScheduledProcedureStepStartDate": f"{today + timedelta(days):%Y%m%d}",
            "ScheduledProcedureStepStartTime": time,
            "ScheduledPerformingPhysicianName": "Lindqvist^Per",
            "ScheduledProcedureStepDescription": description,
            "ScheduledProcedureStepID": f"SPS{number}",
        }
