"""The data that is sent: made here, the same for every side, without a patient in it."""

from __future__ import annotations

import sqlite3
import tempfile
from pathlib import Path
from random import Random
from typing import Any

from nbdicom.data.flat import encode_elements
from nbdicom.data.part10 import part10_header

__all__ = ["KEYWORDS", "Data", "fast_folder", "study_answers"]

CT = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT, IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"
_ROOT = "2.25.1796"  #: UIDs of generated objects begin like this, and all are equally long

#: The attributes of the C-FIND workloads.
KEYWORDS = (
    "StudyInstanceUID", "PatientID", "PatientName", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime",
    "AccessionNumber", "StudyDescription", "StudyID", "ReferringPhysicianName", "InstitutionName", "PatientAge",
    "PatientWeight", "AdmissionID", "RequestedProcedureID",
)  # fmt: skip


def fast_folder() -> str | None:
    """A file system in memory, so that no disk is measured; None where there is none."""
    shared = Path("/dev/shm")
    return str(shared) if shared.is_dir() else None


class Data:
    """Files, made when they are first asked for.

    Parameters
    ----------
    quick : bool
        Small ones.
    """

    study = f"{_ROOT}.1"

    def __init__(self, *, quick: bool) -> None:
        self._quick = quick
        self._folder = tempfile.TemporaryDirectory(dir=fast_folder(), prefix="nbdicom-benchmarks-")
        self._slices: list[str] = []
        self._small: list[str] = []
        self._large: dict[int, str] = {}

    def close(self) -> None:
        """Remove them."""
        self._folder.cleanup()

    def slices(self, count: int) -> list[str]:
        """CT slices of 526 kB, one series."""
        pixels = Random(1).randbytes(512 * 512 * 2)
        for number in range(len(self._slices), count):
            path = Path(self._folder.name) / f"{number:05}.dcm"
            path.write_bytes(_object(CT, f"{_ROOT}.3.{number + 10000}", number + 1, 512, pixels))
            self._slices.append(str(path))
        return self._slices[:count]

    def small(self, count: int) -> list[str]:
        """Slices of 50 kB, one series."""
        pixels = Random(3).randbytes(158 * 158 * 2)
        for number in range(len(self._small), count):
            path = Path(self._folder.name) / f"small-{number:05}.dcm"
            path.write_bytes(_object(CT, f"{_ROOT}.5.{number + 10000}", number + 1, 158, pixels))
            self._small.append(str(path))
        return self._small[:count]

    def large(self, megabytes: int) -> str:
        """One object of so many MB."""
        if megabytes not in self._large:
            path = Path(self._folder.name) / f"large-{megabytes}.dcm"
            block = Random(2).randbytes(1 << 20)
            size = megabytes * 1_000_000 & ~1
            head = _object(CT, f"{_ROOT}.4.{megabytes}", 1, 512, b"")
            with path.open("wb") as file:
                # The pixel data element is the last one: its length is put right, and its value follows.
                file.write(head[:-4] + size.to_bytes(4, "little"))
                for start in range(0, size, len(block)):
                    file.write(block[: size - start])
            self._large[megabytes] = str(path)
        return self._large[megabytes]

    def forget_large(self) -> None:
        """Large objects take memory; remove them."""
        for path in self._large.values():
            Path(path).unlink()
        self._large.clear()


def _object(sop_class: str, uid: str, number: int, rows: int, pixels: bytes) -> bytes:
    elements: dict[str, Any] = {
        "SOPClassUID": sop_class, "SOPInstanceUID": uid, "StudyInstanceUID": Data.study,
        "SeriesInstanceUID": f"{_ROOT}.2", "PatientID": "BENCH", "PatientName": "Bench^Mark", "StudyDate": "20260101",
        "StudyTime": "120000", "Modality": "CT", "SeriesNumber": "1", "InstanceNumber": str(number), "StudyID": "1",
        "AccessionNumber": "1", "SliceThickness": "1.0", "ImagePositionPatient": ["0", "0", str(number)],
        "ImageOrientationPatient": ["1", "0", "0", "0", "1", "0"], "FrameOfReferenceUID": f"{_ROOT}.5",
        "SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2", "Rows": rows, "Columns": rows,
        "PixelSpacing": ["0.7", "0.7"], "BitsAllocated": 16, "BitsStored": 16, "HighBit": 15, "PixelRepresentation": 0,
        "RescaleIntercept": "0", "RescaleSlope": "1", "WindowCenter": "40", "WindowWidth": "400", "PixelData": pixels,
    }  # fmt: skip
    header = part10_header(sop_class_uid=sop_class, sop_instance_uid=uid, transfer_syntax=EXPLICIT)
    return header + encode_elements(elements, EXPLICIT)


def studies(count: int) -> list[dict[str, str]]:
    """Studies with the attributes of `KEYWORDS`."""
    return [
        {
            "StudyInstanceUID": f"{_ROOT}.6.{number + 100000}", "PatientID": f"P{number // 3:07}",
            "PatientName": f"Family{number // 3:06}^Given", "PatientBirthDate": f"19{number % 90 + 10}0101",
            "PatientSex": "FM"[number % 2], "StudyDate": f"2025{number % 12 + 1:02}{number % 28 + 1:02}",
            "StudyTime": f"{number % 24:02}{number % 60:02}00", "AccessionNumber": f"A{number:07}",
            "StudyDescription": "CT Thorax Abdomen with contrast", "StudyID": str(number),
            "ReferringPhysicianName": "Referring^Physician", "InstitutionName": "Institution",
            "PatientAge": f"{number % 90:03}Y", "PatientWeight": "70", "AdmissionID": f"{number % 1000}",
            "RequestedProcedureID": f"{number % 100}",
        }
        for number in range(count)
    ]  # fmt: skip


def study_answers(count: int, path: Path) -> Path:
    """Identifiers of C-FIND responses, encoded, in hexadecimal lines."""
    rows = ({"QueryRetrieveLevel": "STUDY", **study} for study in studies(count))
    path.write_text("\n".join(encode_elements(row, IMPLICIT).hex() for row in rows))
    return path


def study_table(count: int, path: Path) -> Path:
    """The same studies as one table of SQLite."""
    connection = sqlite3.connect(path)
    with connection:
        connection.execute(f"CREATE TABLE studies ({', '.join(KEYWORDS)})")
        places = ", ".join("?" * len(KEYWORDS))
        connection.executemany(f"INSERT INTO studies VALUES ({places})", [tuple(s.values()) for s in studies(count)])
    connection.close()
    return path


def study_objects(count: int, folder: Path) -> list[str]:
    """One small CT object for each study, so that archives have them."""
    paths = []
    for number, study in enumerate(studies(count)):
        uid = f"{_ROOT}.7.{number + 100000}"
        elements = {
            "SOPClassUID": CT, "SOPInstanceUID": uid, "SeriesInstanceUID": f"{_ROOT}.8.{number + 100000}",
            "Modality": "CT", "SeriesNumber": "1", "InstanceNumber": "1", **study,
        }  # fmt: skip
        path = folder / f"{number}.dcm"
        header = part10_header(sop_class_uid=CT, sop_instance_uid=uid, transfer_syntax=EXPLICIT)
        path.write_bytes(header + encode_elements(elements, EXPLICIT))
        paths.append(str(path))
    return paths
