"""One image as a figure: decoded by pydicom, windowed as the object says, without a patient's name in its title."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbdicom.errors import DataSetError, system_reason
from nbdicom.notebook.images import Frame, aspect, number_of, window_of
from nbdicom.notebook.pixels import decoded
from nbdicom.table import printable

if TYPE_CHECKING:
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
        If it cannot be read, there is no image in it, or none of pydicom's decoders can read it.

    Examples
    --------
    >>> show("image.dcm", window=(40, 400))  # doctest: +SKIP
    """
    import matplotlib.pyplot as plt

    dataset = _dataset(source)
    chosen = _chosen(dataset, frame)
    pixels = decoded(chosen)
    if ax is None:
        _, ax = plt.subplots(figsize=(5, 5), layout="constrained")
    if pixels.is_colour:
        ax.imshow(pixels.stored)
    else:
        centre, width = window if window is not None and window[1] > 0 else window_of(chosen) or pixels.whole
        low, high = centre - width / 2, centre + width / 2
        shades = "gray_r" if chosen.is_inverted else "gray"
        ax.imshow(pixels.values, cmap=shades, vmin=low, vmax=high, aspect=aspect(chosen))
    ax.set_title(chosen.name, fontsize="medium")
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
    several = sorted(map(_read, map(Path, paths)), key=lambda one: number_of(one.get("InstanceNumber")))
    with_pixels = [one for one in several if _has_pixels(one)] or several
    return with_pixels[len(with_pixels) // 2]


def _read(path: Path) -> Dataset:
    from pydicom import dcmread
    from pydicom.errors import InvalidDicomError

    try:
        return dcmread(path)
    except InvalidDicomError:
        raise DataSetError(f"{printable(path.name)}: not a DICOM file") from None
    except OSError as error:
        hint = "nd.view shows what is in a folder" if path.is_dir() else "check the path"
        reason = system_reason(error).lower()
        raise DataSetError(f"{printable(path)} cannot be read: {reason}", hint=hint) from error


def _has_pixels(dataset: Dataset) -> bool:
    return any(name in dataset for name in ("PixelData", "FloatPixelData", "DoubleFloatPixelData"))


def _chosen(dataset: Dataset, number: int | None) -> Frame:
    if not _has_pixels(dataset):
        modality = printable(dataset.get("Modality") or "image")
        raise DataSetError(
            f"this {modality} object has no pixel data", hint="it is not an image; look at its attributes"
        )
    count = max(1, number_of(dataset.get("NumberOfFrames")))
    index = count // 2 if number is None else number
    if not 0 <= index < count:
        raise DataSetError(f"there is no frame {index}: the image has {count}, counted from 0")
    return Frame(dataset, dataset, index, count)
