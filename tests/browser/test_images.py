"""Images as people look at them: five hundred slices scrolled, windows, frames that play, colour, attributes."""

import statistics
from collections.abc import Callable
from pathlib import Path

import pytest

from .lab import Lab

pytest.importorskip("playwright", reason="playwright is not installed")
pytest.importorskip("jupyterlab", reason="jupyterlab is not installed")
pytestmark = pytest.mark.extended

SERIES = [
    """
import os
import numpy as np
from pydicom import Dataset
import nbdicom as nd

def image(number, pixels, **values):
    image = Dataset()
    image.SOPClassUID, image.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", f"1.2.3.{number}"
    image.StudyInstanceUID, image.SeriesInstanceUID, image.Modality = "1.2", "1.2.3", "CT"
    image.InstanceNumber, image.SeriesNumber, image.SliceThickness = number, 1, 1.5
    image.ImageOrientationPatient, image.ImagePositionPatient = [1, 0, 0, 0, 1, 0], [0, 0, number]
    image.Rows, image.Columns = pixels.shape[-2 if pixels.ndim == 2 else -3], pixels.shape[-1 if pixels.ndim == 2 else -2]
    image.BitsAllocated = image.BitsStored = 16
    image.HighBit, image.PixelRepresentation, image.SamplesPerPixel = 15, 1, 1
    image.PhotometricInterpretation, image.PixelData = "MONOCHROME2", pixels.tobytes()
    image.RescaleIntercept, image.RescaleSlope, image.WindowCenter, image.WindowWidth = 0, 1, 250, 500
    for keyword, value in values.items():
        setattr(image, keyword, value)
    image.file_meta = Dataset()
    image.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    return image

size = int(os.environ.get("NBDICOM_SLICE_SIZE", "128"))
plain = np.zeros((size, size), "<i2")
images = []
for number in range(500):
    plain[:] = number  # the grey of a slice says which it is
    images.append(image(number, plain))
viewer = nd.view(images)
viewer
""",
    """
colour = np.zeros((3, 64, 64, 3), "u1")
for frame in range(3):
    colour[frame, ..., frame] = 255  # red, green, blue
film = image(1, colour, Modality="US", SamplesPerPixel=3, PlanarConfiguration=0, PhotometricInterpretation="RGB",
             NumberOfFrames=3, BitsAllocated=8, BitsStored=8, HighBit=7, PixelRepresentation=0, Rows=64, Columns=64)
colours = nd.view(film, size=256)
colours
""",
]

#: What the canvas shows: the slice that it was told, and the pixel in its middle; and what it has shown before.
WATCH = """canvas => {
    const context = canvas.getContext('2d', { willReadFrequently: true });
    window.shown = [];
    new MutationObserver(() => {
        const [r, g, b] = context.getImageData(canvas.width / 2, canvas.height / 2, 1, 1).data;
        window.shown.push([+canvas.dataset.index, r, g, b, performance.now()]);
    }).observe(canvas, { attributes: true, attributeFilter: ['data-drawn'] });
}"""


def grey(index: int) -> int:
    """Of a slice in the window 250, 500."""
    return round(index * 255 / 500)


def until_shown(lab: Lab, index: int) -> None:
    lab.page.wait_for_function("(index) => window.shown.at(-1)?.[0] === index", arg=index, timeout=60_000)


def test_five_hundred_slices_scrolled(lab: Lab, pictures: Path, record_property: Callable[[str, object], None]) -> None:
    lab.write("slices.ipynb", SERIES)
    lab.open("slices.ipynb")
    lab.run_cell(0)
    out = lab.outputs()
    canvas = out.locator("canvas.nbd-canvas").first
    canvas.wait_for(timeout=60_000)
    out.get_by_text("251 of 500").wait_for(timeout=60_000)
    number = out.get_by_role("spinbutton", name="Number of the slice")
    number.fill("1")
    number.press("Enter")
    out.get_by_text("1 of 500", exact=False).first.wait_for(timeout=60_000)
    lab.page.wait_for_function(
        "() => document.querySelector('canvas.nbd-canvas').dataset.index === '0'", timeout=60_000
    )
    canvas.evaluate(WATCH)

    # Slice by slice: each is shown, with its own pixels.
    for index in range(1, 31):
        canvas.press("ArrowDown")
        until_shown(lab, index)
    shown = lab.page.evaluate("() => window.shown")
    assert [one[0] for one in shown if one[0]] == list(range(1, 31))
    assert all(abs(one[1] - grey(one[0])) <= 1 for one in shown)
    steps = [after[4] - before[4] for before, after in zip(shown, shown[1:], strict=False)]
    record_property("median ms from one slice to the next", round(statistics.median(steps)))
    print(f"median {statistics.median(steps):.0f} ms from one slice to the next")

    # As fast as the wheel turns: never backwards, and none is missing where it ends.
    canvas.hover()
    for _ in range(150):
        lab.page.mouse.wheel(0, 50)
    until_shown(lab, 180)
    order = [one[0] for one in lab.page.evaluate("() => window.shown")]
    assert order == sorted(order)
    out.get_by_text("181 of 500").wait_for(timeout=60_000)
    assert number.input_value() == "181"
    canvas.press("PageDown")
    until_shown(lab, 190)

    # Windows by name, by hand, and back.
    out.get_by_label("Window", exact=True).select_option("Bone")
    lab.page.wait_for_function("() => window.shown.at(-1)[1] !== 97", timeout=60_000)
    assert (out.get_by_label("Centre").input_value(), out.get_by_label("Width").input_value()) == ("400", "1800")
    out.get_by_label("Width").fill("0")
    out.get_by_label("Width").press("Enter")
    out.get_by_text("the width of a window is more than 0").wait_for(timeout=60_000)
    out.get_by_label("Window", exact=True).select_option("As the object says")
    lab.page.wait_for_function("(grey) => Math.abs(window.shown.at(-1)[1] - grey) <= 1", arg=grey(190), timeout=60_000)

    # Attributes, searched.
    out.get_by_role("button", name="Attributes").click()
    out.get_by_label("Search").fill("thickness")
    out.get_by_text("1 of 22 attributes").wait_for(timeout=60_000)
    assert "SliceThickness" in out.locator("table").last.inner_text()

    # Frames in colour, played.
    lab.run_cell(1)
    film = out.locator("canvas.nbd-canvas").nth(1)
    film.wait_for(timeout=60_000)
    film.evaluate(WATCH)
    assert not out.get_by_label("Centre").nth(1).is_visible()  # colours have no window
    out.get_by_role("button", name="Play").last.click()
    lab.page.wait_for_function("() => window.shown.at(-1)?.[0] === 2", timeout=60_000)
    out.get_by_role("button", name="Play").last.wait_for()  # it stops at the last one
    assert lab.page.evaluate("() => window.shown.at(-1).slice(1, 4)") == [0, 0, 255]
    lab.both_themes(pictures, "images")
    assert lab.nameless() == []
    lab.close()
    assert lab.errors == []
