"""The pixels of a frame: decoded by pydicom, a bounded number of them kept, and made a picture through a window.

Values stay as they are stored, with the line that leads to the units of the modality beside them: 16 bits for a pixel of a
CT, where Hounsfield units as floating point would take 64.
"""

from __future__ import annotations

import io
import math
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nbdicom.data.source import native_syntax
from nbdicom.errors import DataSetError
from nbdicom.notebook.images import Frame, aspect, group_of, window_of
from nbdicom.table import printable

if TYPE_CHECKING:
    import numpy

__all__ = ["OWN", "RANGE", "Pixels", "Stack", "Window", "decoded", "gray", "picture", "window_in"]

OWN, RANGE = "own", "range"  #: a window that each slice brings along: what its object says; all of its values

#: `OWN`, `RANGE`, or centre and width.
Window = str | Sequence[float]


@dataclass(frozen=True, slots=True, eq=False)
class Pixels:
    """One decoded frame: stored values of one sample, or colours of 8 bits."""

    stored: numpy.ndarray[Any, Any]  #: rows x columns, or rows x columns x 3
    slope: float = 1.0
    intercept: float = 0.0

    @property
    def is_colour(self) -> bool:
        """Whether there is nothing to window."""
        return self.stored.ndim == 3

    @property
    def values(self) -> numpy.ndarray[Any, Any]:
        """In the units of the modality (PS3.3 C.11.1), or the colours."""
        if self.slope == 1 and self.intercept == 0:
            return self.stored
        return self.stored * self.slope + self.intercept

    @property
    def whole(self) -> tuple[float, float]:
        """Centre and width of the window that has all values."""
        ends = [float(end) * self.slope + self.intercept for end in (self.stored.min(), self.stored.max())]
        centre, width = sum(ends) / 2, max(abs(ends[1] - ends[0]), 1.0)
        return (centre, width) if math.isfinite(centre + width) else (0.0, 1.0)  # floating point may be anything


class Stack:
    """Decoded frames, as many as fit; the ones used last are kept.  May be used by several threads.

    Parameters
    ----------
    frames : sequence of Frame
        In order.
    cache : int
        Bytes of decoded frames that are kept.
    """

    def __init__(self, frames: Sequence[Frame], *, cache: int) -> None:
        self.frames = list(frames)
        self._room = cache
        self._lock = threading.Lock()
        self._cache: OrderedDict[int, Pixels] = OrderedDict()
        self._size = 0  # bytes of what is in it

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> Pixels:
        """The pixels of a frame.

        Raises
        ------
        DataSetError
            If none of pydicom's decoders can read it.
        """
        with self._lock:
            if index in self._cache:
                self._cache.move_to_end(index)
                return self._cache[index]
        pixels = decoded(self.frames[index])
        with self._lock:
            if index not in self._cache:  # another thread may have been faster
                self._cache[index] = pixels
                self._size += pixels.stored.nbytes
            while self._size > self._room and len(self._cache) > 1:
                _, dropped = self._cache.popitem(last=False)
                self._size -= dropped.stored.nbytes
        return pixels

    def forget(self) -> None:
        """Keep no frame; whoever wants one has it decoded again."""
        with self._lock:
            self._cache.clear()
            self._size = 0

    def has(self, index: int) -> bool:
        """Whether a frame is there without decoding."""
        with self._lock:
            return index in self._cache

    @property
    def is_full(self) -> bool:
        """Whether another frame would push one out."""
        with self._lock:
            last = next(reversed(self._cache.values()), None)
            return last is not None and self._size + last.stored.nbytes > self._room


def decoded(frame: Frame) -> Pixels:
    """The pixels of a frame.

    Raises
    ------
    DataSetError
        If there is no pixel data, or none of pydicom's decoders can read it.
    """
    from pydicom.pixels.utils import pixel_array

    try:
        stored = pixel_array(_source(frame), index=frame.number)
    except Exception as error:  # pydicom raises what its decoders raise
        syntax = getattr(getattr(frame.header, "file_meta", None), "TransferSyntaxUID", None)
        name = printable(getattr(syntax, "name", "unknown transfer syntax"))
        if getattr(syntax, "is_encapsulated", False):
            what = type(error).__name__
            hint = "pydicom needs a plugin for this transfer syntax, for instance pylibjpeg or gdcm"
        else:  # nothing has to be decompressed: the object is at fault, cut off for instance
            what, hint = (
                printable(str(error)) or type(error).__name__,
                "see whether the object is complete, and its header fits",
            )
        raise DataSetError(f"the pixel data ({name}) cannot be decoded: {what}", hint=hint) from error
    try:
        return _understood(stored, frame)
    except Exception as error:  # a palette that is not there, a slope that is no number
        raise DataSetError(
            f"the pixel data cannot be shown: their palette, lookup table or rescaling is damaged ({type(error).__name__})"
        ) from error


def _source(frame: Frame) -> Any:
    """What pydicom decodes.  It takes frames out of a file, but not of a deflated one; a Dataset has to name a syntax."""
    from pydicom import Dataset, dcmread
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import UID

    syntax = getattr(getattr(frame.header, "file_meta", None), "TransferSyntaxUID", None)
    if not isinstance(frame.source, Dataset):
        return dcmread(frame.source) if syntax is not None and syntax.is_deflated else frame.source
    if syntax is not None:
        return frame.source
    named = Dataset(frame.source)  # one that a handler was given, say
    named.set_original_encoding(*frame.source.original_encoding)
    named.file_meta = FileMetaDataset()
    named.file_meta.TransferSyntaxUID = UID(native_syntax(frame.source))
    return named


def _understood(stored: numpy.ndarray[Any, Any], frame: Frame) -> Pixels:
    """What stored values mean: colours, or numbers with the line to the units of the modality."""
    from pydicom.pixels.processing import apply_color_lut, apply_modality_lut

    header = frame.header
    if stored.ndim == 3:
        return Pixels(_eight_bits(stored, int(header.BitsStored)))
    if header.get("PhotometricInterpretation") == "PALETTE COLOR":
        return Pixels(_eight_bits(apply_color_lut(stored, header), 16))
    says = group_of(frame, "PixelValueTransformationSequence") or header
    if says.get("ModalityLUTSequence"):
        return Pixels(apply_modality_lut(stored, says))
    if says.get("RescaleSlope") is None or says.get("RescaleIntercept") is None:
        return Pixels(stored)
    return Pixels(stored, float(says.RescaleSlope), float(says.RescaleIntercept))


def _eight_bits(values: numpy.ndarray[Any, Any], bits: int) -> numpy.ndarray[Any, Any]:
    """The first eight of *bits* bits."""
    return (values >> max(bits - 8, 0)).astype("uint8") if values.dtype.itemsize > 1 else values


def window_in(window: Window, frame: Frame, stack: Stack, index: int) -> tuple[float, float]:
    """Centre and width of a window on one slice; decodes it only where all of its values have to be known."""
    if not isinstance(window, str):
        centre, width = window
        return float(centre), float(width)
    own = window_of(frame) if window == OWN else None
    return own or stack[index].whole


def gray(pixels: Pixels, centre: float, width: float, *, inverted: bool) -> numpy.ndarray[Any, Any]:
    """Values through a window as 8 bits (PS3.3 C.11.2.1.2, function LINEAR in its simple form)."""
    import numpy

    width = max(width, 1e-9)
    scaled = pixels.stored.astype(numpy.float32) * (pixels.slope * 255 / width)
    scaled += (pixels.intercept - centre + width / 2) * 255 / width
    numpy.clip(scaled, 0, 255, out=scaled)
    return (255 - scaled if inverted else scaled).astype(numpy.uint8)


def picture(
    frame: Frame, pixels: Pixels, window: tuple[float, float] | None = None, *, size: int | None = None
) -> bytes:
    """A frame as PNG; *size* is the longer side of a thumbnail."""
    from PIL import Image

    values = pixels.stored
    if not pixels.is_colour:
        centre, width = window or window_of(frame) or pixels.whole
        values = gray(pixels, centre, width, inverted=frame.is_inverted)
    image = Image.fromarray(values)
    if abs((ratio := aspect(frame)) - 1) > 0.01:
        image = image.resize((image.width, max(1, round(image.height * ratio))))
    if size is not None:
        image.thumbnail((size, size))
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
