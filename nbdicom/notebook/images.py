"""Images for the viewer: which frames there are in files, folders and results, and their order in space."""

from __future__ import annotations

import math
import os
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbdicom.errors import DataSetError
from nbdicom.table import counted, printable

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["Frame", "Series", "aspect", "group_of", "number_of", "rate_of", "series_of", "window_of"]

_DEFLATED = "1.2.840.10008.1.2.1.99"
_LONG = 1024  #: bytes of a value from which on the header keeps it in the file


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Frame:
    """One frame of one object; ``header`` has everything but the pixel data."""

    header: Dataset
    source: Any  #: the path, or the Dataset itself
    number: int = 0  #: of the frame in its object, from 0
    count: int = 1  #: frames of the object

    @property
    def name(self) -> str:
        """What it is, without a word about the patient."""
        header = self.header
        text = printable(header.get("Modality") or "image")
        text += f" {header.get('Rows', '?')}\N{MULTIPLICATION SIGN}{header.get('Columns', '?')}"
        if header.get("InstanceNumber") is not None:
            text += f", instance {printable(header.InstanceNumber)}"
        return text + (f", frame {self.number + 1} of {self.count}" if self.count > 1 else "")

    def __repr__(self) -> str:
        return f"<Frame: {self.name}>"

    @property
    def is_colour(self) -> bool:
        """Whether it has colours, and so no window."""
        header = self.header
        return (header.get("SamplesPerPixel") or 1) > 1 or header.get("PhotometricInterpretation") == "PALETTE COLOR"

    @property
    def is_inverted(self) -> bool:
        """Whether small values are white (PS3.3 C.7.6.3.1.2)."""
        return bool(self.header.get("PhotometricInterpretation") == "MONOCHROME1")


@dataclass(slots=True, eq=False, repr=False)
class Series:
    """The frames of one series, in order."""

    uid: str
    frames: list[Frame] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Number, modality and description."""
        header = self.frames[0].header
        words = [header.get("SeriesNumber"), header.get("Modality"), header.get("SeriesDescription")]
        return printable(" ".join(str(word) for word in words if word not in (None, "")) or "series")

    def __repr__(self) -> str:
        return f"<Series: {self.name}, {counted(len(self.frames), 'frame')}>"


def series_of(source: Any) -> list[Series]:
    """The series with images in *source*.

    Parameters
    ----------
    source : object
        A file, a folder, a Dataset, a `RetrieveResult` or `Receiver`, a table with a column ``path``, or a list of these;
        a list of `Series` is what it is.

    Raises
    ------
    DataSetError
        If there is no image in it.
    """
    if isinstance(source, list) and source and all(isinstance(one, Series) for one in source):
        return list(source)
    found: dict[str, Series] = {}
    seen = 0
    for item in _items(source):
        header = _header(item)
        if header is None:
            continue
        seen += 1
        if "Rows" not in header or "Columns" not in header:
            continue
        uid = str(header.get("SeriesInstanceUID", ""))
        count = max(1, number_of(header.get("NumberOfFrames")))
        frames = found.setdefault(uid, Series(uid)).frames
        frames += [Frame(header, item, number, count) for number in range(count)]
    if not found:
        what = f"{seen} DICOM objects, none of them an image" if seen else "no DICOM object"
        raise DataSetError(f"there is no image to show: {what}", hint="pass files, a folder, Datasets, or a result")
    for series in found.values():
        series.frames.sort(key=_order(series.frames))
    return sorted(found.values(), key=lambda one: (number_of(one.frames[0].header.get("SeriesNumber")), one.uid))


def _items(source: Any) -> Iterable[Any]:
    from pydicom import Dataset

    if isinstance(source, Dataset):
        yield source
    elif isinstance(source, (str, os.PathLike)):
        path = Path(source).expanduser()
        if not path.exists():
            raise DataSetError(f"{printable(path)} does not exist")
        yield from sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]
    elif hasattr(source, "paths"):
        yield from source.paths
    elif hasattr(source, "files"):
        yield from (one.path for one in source.files)
    elif hasattr(source, "columns"):
        if "path" not in source.columns:
            raise DataSetError("a table of answers has no files", hint="retrieve first: nd.view(df.dicom.get('folder'))")
        yield from map(Path, source["path"].dropna())
    elif isinstance(source, Iterable):
        for one in source:
            yield from _items(one)
    else:
        raise DataSetError(f"a {type(source).__name__} is nothing to look at", hint="pass files, a folder or Datasets")


def _header(item: Any) -> Dataset | None:
    """Everything but the pixel data; None for what is not DICOM, which folders have, too."""
    from pydicom import Dataset, dcmread
    from pydicom.errors import InvalidDicomError

    if isinstance(item, Dataset):
        return item
    try:
        header = dcmread(item, stop_before_pixels=True, defer_size=_LONG)
        if header.file_meta.get("TransferSyntaxUID") == _DEFLATED:  # where a value is in the file says nothing there
            header = dcmread(item, stop_before_pixels=True)
    except (InvalidDicomError, OSError, zlib.error):
        return None
    return header


def _order(frames: Sequence[Frame]) -> Any:
    """Along the normal of the slices where all have the same orientation, else by Instance Number (PS3.3 C.7.6.2)."""
    orientations = {_numbers(frame.header.get("ImageOrientationPatient"), 6) for frame in frames}
    if len(orientations) == 1 and (axes := orientations.pop()) is not None:
        r, c = axes[:3], axes[3:]
        normal = (r[1] * c[2] - r[2] * c[1], r[2] * c[0] - r[0] * c[2], r[0] * c[1] - r[1] * c[0])
        positions = [_numbers(frame.header.get("ImagePositionPatient"), 3) for frame in frames]
        if all(position is not None for position in positions):
            places = {
                id(frame): round(sum(n * p for n, p in zip(normal, position or (), strict=True)), 3)
                for frame, position in zip(frames, positions, strict=True)
            }
            return lambda frame: (places[id(frame)], number_of(frame.header.get("InstanceNumber")), frame.number)
    return lambda frame: (
        number_of(frame.header.get("InstanceNumber")), str(frame.header.get("SOPInstanceUID", "")), frame.number,
    )  # fmt: skip


def _numbers(value: Any, count: int) -> tuple[float, ...] | None:
    try:
        found = tuple(round(float(one), 4) for one in value)
    except (TypeError, ValueError):
        return None
    return found if len(found) == count else None


def number_of(value: Any) -> int:
    """A whole number of a header; 0 for what is none."""
    try:
        return int(value)
    except (TypeError, ValueError):
        return 0


def group_of(frame: Frame, sequence: str) -> Dataset | None:
    """The functional group of a frame of an enhanced object: its own, or the one that all share (PS3.3 C.7.6.16)."""
    own = frame.header.get("PerFrameFunctionalGroupsSequence") or []
    shared = frame.header.get("SharedFunctionalGroupsSequence") or []
    for groups in ([own[frame.number]] if frame.number < len(own) else [], shared):
        for group in groups:
            if items := group.get(sequence):
                found: Dataset = items[0]
                return found
    return None


def rate_of(frame: Frame) -> float:
    """Frames per second that the object asks for (PS3.3 C.7.6.5), or 10; never less than one and more than 50."""
    header = frame.header
    for keyword in ("RecommendedDisplayFrameRate", "CineRate", "FrameTime"):
        try:
            value = float(header.get(keyword) or 0)
        except (TypeError, ValueError):  # several values, or none that can be read
            continue
        if value > 0:
            return min(50.0, max(1.0, 1000 / value if keyword == "FrameTime" else value))
    return 10.0


def window_of(frame: Frame) -> tuple[float, float] | None:
    """Centre and width as the object says (PS3.3 C.11.2), the first of several; None if it says none that can be used."""
    where = group_of(frame, "FrameVOILUTSequence") or frame.header
    try:
        centre, width = (float(_first(where.get(name))) for name in ("WindowCenter", "WindowWidth"))
    except (TypeError, ValueError, IndexError):
        return None
    return (centre, width) if width > 0 and math.isfinite(centre + width) else None


def _first(value: Any) -> Any:
    return value if isinstance(value, int | float | str) else value[0]


def aspect(frame: Frame) -> float:
    """Height over width of a pixel: all these attributes have the vertical number first (PS3.3 10.7.1, C.7.6.3.1.7)."""
    header = group_of(frame, "PixelMeasuresSequence") or frame.header
    for where, keyword in (
        (header, "PixelSpacing"), (frame.header, "ImagerPixelSpacing"), (frame.header, "PixelAspectRatio"),
    ):  # fmt: skip
        numbers = _numbers(where.get(keyword), 2)
        if numbers and all(one > 0 for one in numbers):
            return numbers[0] / numbers[1]
    return 1.0
