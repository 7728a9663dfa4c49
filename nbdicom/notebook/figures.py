"""One image as a figure: decoded by pydicom, windowed as the object says, without a patient's name in its title."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbdicom.errors import DataSetError
from nbdicom.table import printable

if TYPE_CHECKING:
    import numpy
    from matplotlib.axes import Axes
    from pydicom import Dataset

__all__ = ["show"]


def show(
    source: Any,
    *,
    frame: int | None = None,
    window: tuple[float, float] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw an image.

    Parameters
    ----------
    source : path, Dataset, or result of a retrieval
        Of several files (a list, a `RetrieveResult`) the one in the middle is shown, in the order of their Instance Number.
    frame : int, optional
        Which frame of a multi-frame image, from 0; the middle one by default.
    window : (float, float), optional
        Centre and width, in the units of the modality (Hounsfield units for CT); by default as the object says
        (PS3.3 C.11.2), or the whole range.
    ax : Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    Axes

    Raises
    ------
    DataSetError
        If there is no image in it, or none of pydicom's decoders can read it.

    Examples
    --------
    >>> show("image.dcm", window=(40, 400))  # doctest: +SKIP
    """
    import matplotlib.pyplot as plt

    dataset = _dataset(source)
    pixels, text = _frame(dataset, frame)
    if ax is None:
        _, ax = plt.subplots(figsize=(5, 5), layout="constrained")
    if pixels.ndim == 3:
        ax.imshow(pixels)
    else:
        low, high = _limits(dataset, pixels, window)
        inverted = dataset.get("PhotometricInterpretation") == "MONOCHROME1"
        ax.imshow(pixels, cmap="gray_r" if inverted else "gray", vmin=low, vmax=high, aspect=_aspect(dataset))
    ax.set_title(text, fontsize="medium")
    ax.set_axis_off()
    return ax


def _dataset(source: Any) -> Dataset:
    from pydicom import Dataset

    if isinstance(source, Dataset):
        return source
    paths = getattr(source, "paths", source)
    if isinstance(paths, str | os.PathLike):
        return _read(Path(paths))
    if not isinstance(paths, Sequence) or not paths:
        raise DataSetError("there is no image to show", hint="pass a file, a Dataset, or a result with files")
    several = sorted(map(_read, map(Path, paths)), key=lambda one: int(one.get("InstanceNumber") or 0))
    with_pixels = [one for one in several if "PixelData" in one] or several
    return with_pixels[len(with_pixels) // 2]


def _read(path: Path) -> Dataset:
    from pydicom import dcmread
    from pydicom.errors import InvalidDicomError

    try:
        return dcmread(path)
    except InvalidDicomError:
        raise DataSetError(f"{printable(path.name)}: not a DICOM file") from None


def _frame(dataset: Dataset, frame: int | None) -> tuple[numpy.ndarray[Any, Any], str]:
    """The pixels of one frame in the units of the modality, and a title without patient data."""
    from pydicom.pixels.processing import apply_color_lut, apply_modality_lut

    modality = printable(dataset.get("Modality") or "image")
    if "PixelData" not in dataset:
        raise DataSetError(
            f"this {modality} object has no pixel data", hint="it is not an image; look at its attributes"
        )
    try:
        pixels = dataset.pixel_array
    except Exception as error:  # pydicom raises what its decoders raise
        syntax = getattr(getattr(dataset, "file_meta", None), "TransferSyntaxUID", None)
        name = printable(getattr(syntax, "name", "unknown transfer syntax"))
        raise DataSetError(
            f"the pixel data ({name}) cannot be decoded: {type(error).__name__}",
            hint="pydicom needs a plugin for this transfer syntax, for instance pylibjpeg or gdcm",
        ) from error
    text = f"{modality} {dataset.get('Rows')}\N{MULTIPLICATION SIGN}{dataset.get('Columns')}"
    if dataset.get("InstanceNumber") is not None:
        text += f", instance {dataset.InstanceNumber}"
    colour = int(dataset.get("SamplesPerPixel") or 1) > 1
    if pixels.ndim > (3 if colour else 2):
        count = len(pixels)
        index = count // 2 if frame is None else frame
        if not 0 <= index < count:
            raise DataSetError(f"there is no frame {index}: the image has {count}, counted from 0")
        pixels = pixels[index]
        text += f", frame {index + 1} of {count}"
    if colour:
        return pixels, text
    if dataset.get("PhotometricInterpretation") == "PALETTE COLOR":
        return _eight_bits(apply_color_lut(pixels, dataset)), text
    return apply_modality_lut(pixels, dataset), text


def _eight_bits(pixels: numpy.ndarray[Any, Any]) -> numpy.ndarray[Any, Any]:
    return (pixels >> 8).astype("uint8") if pixels.dtype.itemsize > 1 else pixels


def _limits(
    dataset: Dataset, pixels: numpy.ndarray[Any, Any], window: tuple[float, float] | None
) -> tuple[float, float]:
    if window is None and dataset.get("WindowCenter") is not None and dataset.get("WindowWidth") is not None:
        window = float(_first(dataset.WindowCenter)), float(_first(dataset.WindowWidth))
    if window is not None and window[1] > 0:
        return window[0] - window[1] / 2, window[0] + window[1] / 2
    return float(pixels.min()), float(pixels.max())


def _first(value: Any) -> Any:
    return value if isinstance(value, int | float | str) else value[0]


def _aspect(dataset: Dataset) -> float:
    """Height over width of a pixel (PS3.3 10.7.1.1: Pixel Spacing is row spacing, then column spacing)."""
    spacing = dataset.get("PixelSpacing")
    return float(spacing[0]) / float(spacing[1]) if spacing and len(spacing) == 2 and spacing[1] else 1.0
