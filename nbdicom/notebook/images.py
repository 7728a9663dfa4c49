"""Images for the viewer: a stack of frames in the order of space, decoded by pydicom, a bounded number of them kept."""

from __future__ import annotations

import io
import os
import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbdicom.errors import DataSetError
from nbdicom.table import printable

if TYPE_CHECKING:
    import numpy
    from pydicom import Dataset

__all__ = ["Frame", "Series", "Stack", "aspect", "decoded", "gray", "picture", "rate_of", "series_of", "window_of"]

_CACHE = 256 << 20  #: bytes of decoded frames that a stack keeps
_LONG = 1024  #: bytes of a value from which on the header keeps it in the file


@dataclass(frozen=True, slots=True, eq=False)
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


@dataclass(slots=True, eq=False)
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
        count = max(1, int(header.get("NumberOfFrames") or 1))
        frames = found.setdefault(uid, Series(uid)).frames
        frames += [Frame(header, item, number, count) for number in range(count)]
    if not found:
        what = f"{seen} DICOM objects, none of them an image" if seen else "no DICOM object"
        raise DataSetError(f"there is no image to show: {what}", hint="pass files, a folder, Datasets, or a result")
    for series in found.values():
        series.frames.sort(key=_order(series.frames))
    return sorted(found.values(), key=lambda one: (_number(one.frames[0].header.get("SeriesNumber")), one.uid))


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
    elif hasattr(source, "columns") and "path" in source.columns:
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
        return dcmread(item, stop_before_pixels=True, defer_size=_LONG)
    except (InvalidDicomError, OSError):
        return None


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
            return lambda frame: (places[id(frame)], _number(frame.header.get("InstanceNumber")), frame.number)
    return lambda frame: (
        _number(frame.header.get("InstanceNumber")), str(frame.header.get("SOPInstanceUID", "")), frame.number,
    )  # fmt: skip


def _numbers(value: Any, count: int) -> tuple[float, ...] | None:
    try:
        found = tuple(round(float(one), 4) for one in value)
    except (TypeError, ValueError):
        return None
    return found if len(found) == count else None


def _number(value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        return 0


class Stack:
    """Decoded frames, as many as fit; the ones used last are kept.  May be used by several threads.

    Parameters
    ----------
    frames : sequence of Frame
        In order.
    cache : int
        Bytes of decoded frames that are kept.
    """

    def __init__(self, frames: Sequence[Frame], *, cache: int = _CACHE) -> None:
        self.frames = list(frames)
        self._room = cache
        self._lock = threading.Lock()
        self._cache: OrderedDict[int, numpy.ndarray[Any, Any]] = OrderedDict()

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> numpy.ndarray[Any, Any]:
        """The values of a frame in the units of the modality, or its colours as uint8.

        Raises
        ------
        DataSetError
            If none of pydicom's decoders can read it.
        """
        with self._lock:
            if index in self._cache:
                self._cache.move_to_end(index)
                return self._cache[index]
        values = decoded(self.frames[index])
        with self._lock:
            self._cache[index] = values
            while sum(one.nbytes for one in self._cache.values()) > self._room and len(self._cache) > 1:
                self._cache.popitem(last=False)
        return values

    def has(self, index: int) -> bool:
        """Whether a frame is there without decoding."""
        with self._lock:
            return index in self._cache

    @property
    def is_full(self) -> bool:
        """Whether another frame would push one out."""
        with self._lock:
            kept = list(self._cache.values())
        return bool(kept) and sum(one.nbytes for one in kept) + kept[-1].nbytes > self._room


def decoded(frame: Frame) -> numpy.ndarray[Any, Any]:
    """The values of a frame in the units of the modality, or its colours as uint8.

    Raises
    ------
    DataSetError
        If there is no pixel data, or none of pydicom's decoders can read it.
    """
    from pydicom.pixels.processing import apply_color_lut, apply_modality_lut
    from pydicom.pixels.utils import pixel_array

    header = frame.header
    try:
        values = pixel_array(frame.source, index=frame.number)
    except Exception as error:  # pydicom raises what its decoders raise
        syntax = getattr(getattr(header, "file_meta", None), "TransferSyntaxUID", None)
        name = printable(getattr(syntax, "name", "unknown transfer syntax"))
        raise DataSetError(
            f"the pixel data ({name}) cannot be decoded: {type(error).__name__}",
            hint="pydicom needs a plugin for this transfer syntax, for instance pylibjpeg or gdcm",
        ) from error
    if values.ndim == 3:
        return _eight_bits(values)
    if header.get("PhotometricInterpretation") == "PALETTE COLOR":
        return _eight_bits(apply_color_lut(values, header))
    return apply_modality_lut(values, _group(frame, "PixelValueTransformationSequence") or header)


def _eight_bits(values: numpy.ndarray[Any, Any]) -> numpy.ndarray[Any, Any]:
    return (values >> 8).astype("uint8") if values.dtype.itemsize > 1 else values


def _group(frame: Frame, sequence: str) -> Dataset | None:
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


def window_of(frame: Frame, values: numpy.ndarray[Any, Any]) -> tuple[float, float]:
    """Centre and width: as the object says (PS3.3 C.11.2), or the whole range of the values."""
    where = _group(frame, "FrameVOILUTSequence") or frame.header
    try:
        centre, width = (float(_first(where.get(name))) for name in ("WindowCenter", "WindowWidth"))
        if width > 0:
            return centre, width
    except (TypeError, ValueError, IndexError):
        pass  # there is none, or it is no number
    low, high = float(values.min()), float(values.max())
    return (low + high) / 2, max(high - low, 1.0)


def _first(value: Any) -> Any:
    return value if isinstance(value, int | float | str) else value[0]


def aspect(header: Dataset) -> float:
    """Height over width of a pixel (PS3.3 10.7.1.1: Pixel Spacing is row spacing, then column spacing)."""
    spacing = _numbers(header.get("PixelSpacing"), 2)
    return spacing[0] / spacing[1] if spacing and all(one > 0 for one in spacing) else 1.0


def gray(values: numpy.ndarray[Any, Any], centre: float, width: float, *, inverted: bool) -> numpy.ndarray[Any, Any]:
    """Values through a window as 8 bits (PS3.3 C.11.2.1.2, function LINEAR in its simple form)."""
    import numpy

    scaled = (values.astype(numpy.float32) - (centre - width / 2)) * (255 / max(width, 1e-9))
    numpy.clip(scaled, 0, 255, out=scaled)
    return (255 - scaled if inverted else scaled).astype(numpy.uint8)


def picture(
    frame: Frame, values: numpy.ndarray[Any, Any], window: tuple[float, float] | None = None, *, size: int | None = None
) -> bytes:
    """A frame as PNG; *size* is the longer side of a thumbnail."""
    from PIL import Image

    if values.ndim == 2:
        centre, width = window or window_of(frame, values)
        values = gray(values, centre, width, inverted=frame.header.get("PhotometricInterpretation") == "MONOCHROME1")
    image = Image.fromarray(values)
    if abs((ratio := aspect(frame.header)) - 1) > 0.01:
        image = image.resize((image.width, max(1, round(image.height * ratio))))
    if size is not None:
        image.thumbnail((size, size))
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
