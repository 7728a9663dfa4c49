"""Images as people look at them: five hundred slices scrolled, windows, frames that play, colour, attributes."""

import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

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
from pydicom.dataset import FileMetaDataset
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
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    return image

size = int(os.environ.get("NBDICOM_SLICE_SIZE", "512"))
plain = np.zeros((size, size), "<i2")
os.makedirs("slices", exist_ok=True)
for number in range(500):
    plain[:] = number  # the grey of a slice says which it is
    image(number, plain).save_as(f"slices/{number:03}.dcm", enforce_file_format=True)
viewer = nd.view("slices")
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
    "print('slice', viewer.index, 'window', viewer.window, 'value', viewer.values[0, 0])",
]

#: What the canvas shows, each time that it is drawn: the slice, the pixel in its middle, when it was on the screen, and how
#: long after the first thing that a person did of which nothing had been seen yet.  A message to oneself comes after the
#: frame that is being made.
WATCH = """canvas => {
    const context = canvas.getContext('2d'), channel = new MessageChannel();
    window.shown = [];
    let done = null;
    for (const name of ['keydown', 'wheel', 'pointerdown', 'pointermove', 'input'])
        window.addEventListener(name, event => { done ??= event.timeStamp; }, { capture: true });
    channel.port1.onmessage = ({ data }) => window.shown.push([...data, performance.now()]);
    new MutationObserver(() => {
        const [r, g, b] = context.getImageData(canvas.width / 2, canvas.height / 2, 1, 1).data;
        channel.port2.postMessage([+canvas.dataset.index, r, g, b, done]);
        done = null;
    }).observe(canvas, { attributes: true, attributeFilter: ['data-drawn'] });
}"""


def grey(index: int) -> int:
    """Of a slice in the window 250, 500."""
    return round(index * 255 / 500)


class Watch:
    """What one canvas has shown since the last look."""

    def __init__(self, lab: Lab, canvas: Any, tell: Callable[[str, object], None]) -> None:
        self.page, self.canvas, self._tell = lab.page, canvas, tell
        canvas.evaluate(WATCH)

    def until(self, index: int) -> None:
        """Wait for a slice."""
        self.page.wait_for_function(
            "(index) => document.querySelector('canvas.nbd-canvas').dataset.index === String(index)"
            " && window.shown.at(-1)?.[0] === index",
            arg=index,
        )

    @contextmanager
    def measured(self, what: str) -> Iterator[list[list[float]]]:
        """What is shown meanwhile, and how long a person waited for it."""
        self.page.evaluate("() => { window.shown = []; }")
        shown: list[list[float]] = []
        yield shown
        shown += self.page.evaluate("() => window.shown")
        waited = [one[5] - one[4] for one in shown if one[4] is not None]
        steps = [after[5] - before[5] for before, after in zip(shown, shown[1:], strict=False)]
        words = f"{len(shown)} pictures, {statistics.median(steps or [0]):.0f} ms from one to the next"
        if waited:
            words += f", {statistics.median(waited):.0f} ms from the hand to the screen, {max(waited):.0f} ms at most"
        self._tell(what, words)
        print(f"{what}: {words}")


def test_five_hundred_slices_scrolled(lab: Lab, pictures: Path, record_property: Callable[[str, object], None]) -> None:
    lab.write("slices.ipynb", SERIES)
    lab.open("slices.ipynb")
    lab.run_cell(0)
    out = lab.outputs()
    canvas = out.locator("canvas.nbd-canvas[data-drawn]").first
    canvas.wait_for()
    out.get_by_text("251 of 500").wait_for()
    watch = Watch(lab, canvas, record_property)
    number = out.get_by_role("spinbutton", name="Number of the slice")
    slider = out.get_by_role("slider", name="Slice")

    # From one end to the other, where nothing is yet.
    with watch.measured("jump to a slice that is not there"):
        for index in (0, 499, 120, 380, 60, 440, 180, 320):
            number.fill(str(index + 1))
            number.press("Enter")
            watch.until(index)

    # Slice by slice: each is shown, with its own pixels.
    canvas.press("Home")
    watch.until(0)
    with watch.measured("arrow keys") as shown:
        for index in range(1, 61):
            canvas.press("ArrowDown")
            watch.until(index)
    assert [one[0] for one in shown] == list(range(1, 61))
    assert all(abs(one[1] - grey(one[0])) <= 1 for one in shown)

    # As fast as the wheel turns: never backwards, and none is missing where it ends.
    canvas.hover()
    with watch.measured("wheel") as shown:
        for _ in range(120):
            lab.page.mouse.wheel(0, 50)
        watch.until(180)
    assert sorted(one[0] for one in shown) == [one[0] for one in shown]
    assert all(abs(one[1] - grey(one[0])) <= 1 for one in shown)

    # The slider, pulled over all of them and back.
    box = slider.bounding_box()
    lab.page.mouse.move(box["x"] + 8 + 180 / 499 * (box["width"] - 16), box["y"] + box["height"] / 2)
    lab.page.mouse.down()
    with watch.measured("slider"):
        for x in [*range(180, 500, 2), *range(500, 100, -2)]:
            lab.page.mouse.move(box["x"] + 8 + x / 499 * (box["width"] - 16), box["y"] + box["height"] / 2)
    lab.page.mouse.up()
    out.get_by_role("button", name="Play").first.focus()

    # The window, pulled: no word to the kernel is needed.
    box = canvas.bounding_box()
    lab.page.mouse.move(box["x"] + 100, box["y"] + 100)
    lab.page.mouse.down()
    with watch.measured("window"):
        for x in range(100):
            lab.page.mouse.move(box["x"] + 100 + x, box["y"] + 100 + x // 2)
    lab.page.mouse.up()

    # The player.
    out.get_by_label("Frames per second").first.fill("30")
    out.get_by_label("Frames per second").first.press("Enter")
    with watch.measured("player, 30 frames per second"):
        canvas.press("Space")
        lab.page.wait_for_function("() => window.shown.length > 60")
        canvas.press("Space")
    out.get_by_role("button", name="Play").first.wait_for()
