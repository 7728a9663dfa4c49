"""Images as people look at them: five hundred slices scrolled, windows, frames that play, colour, attributes."""

import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from .lab import Lab

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

#: What the canvas shows, each time that it is drawn: the slice, the pixel in its middle, when a person asked for it, when
#: it was on the screen.  Who asked for a slice has no answer before that very slice is seen.  A message to oneself
#: comes after the frame that is being made.
WATCH = """canvas => {
    const context = canvas.getContext('2d'), channel = new MessageChannel();
    window.shown = [];
    let asked = null;
    for (const name of ['keydown', 'wheel', 'pointerdown', 'pointermove', 'input'])
        window.addEventListener(name, event => {
            if (event.type !== 'pointermove' || event.buttons) asked ??= event.timeStamp;
        }, { capture: true });
    channel.port1.onmessage = ({ data }) => window.shown.push([...data, performance.now()]);
    new MutationObserver(() => {
        const [r, g, b] = context.getImageData(canvas.width / 2, canvas.height / 2, 1, 1).data;
        const late = canvas.classList.contains('nbd-late');
        channel.port2.postMessage([+canvas.dataset.index, r, g, b, late ? null : asked]);
        if (!late) asked = null;
    }).observe(canvas, { attributes: true, attributeFilter: ['data-drawn'] });
}"""


def grey(index: int) -> int:
    """Of a slice in the window 250, 500."""
    return round(index * 255 / 500)


def until_grey(lab: Lab, wanted: int) -> None:
    lab.page.wait_for_function("(wanted) => Math.abs(window.shown.at(-1)[1] - wanted) <= 1", arg=wanted)


class Watch:
    """What one canvas has shown since the last look."""

    def __init__(self, lab: Lab, tell: Callable[[str, object], None]) -> None:
        self.page, self._tell = lab.page, tell
        self.sent = 0  #: messages from the browser to the kernel
        self.page.on("websocket", lambda socket: socket.on("framesent", self._count))

    def _count(self, _: object) -> None:
        self.sent += 1

    def begin(self, canvas: Any) -> None:
        canvas.evaluate(WATCH)

    def until(self, index: int) -> None:
        """Wait for a slice."""
        self.page.wait_for_function(
            "(index) => document.querySelector('canvas.nbd-canvas').dataset.index === String(index)"
            " && window.shown.at(-1)?.[0] === index",
            arg=index,
        )

    def until_calm(self) -> None:
        """Wait until the slice that the slider names is shown."""
        self.page.wait_for_function(
            "() => { const wanted = document.querySelector('.nbd-slider').value - 1;"
            " return window.shown.at(-1)?.[0] === wanted && !document.querySelector('.nbd-late'); }"
        )

    @contextmanager
    def measured(self, what: str) -> Iterator[list[list[float]]]:
        """What is shown meanwhile, and how long a person waited for it."""
        self.page.evaluate("() => { window.shown = []; }")
        shown: list[list[float]] = []
        before = self.sent
        yield shown
        shown += self.page.evaluate("() => window.shown")
        waited = [one[5] - one[4] for one in shown if one[4] is not None]
        steps = [after[5] - before[5] for before, after in zip(shown, shown[1:], strict=False)]
        words = f"{len(shown)} pictures, {statistics.median(steps or [0]):.0f} ms from one to the next"
        if waited:
            words += f", {statistics.median(waited):.0f} ms from the hand to the screen, {max(waited):.0f} ms at most"
        words += f", {self.sent - before} messages to the kernel"
        self._tell(what, words)
        print(f"{what}: {words}")


def test_five_hundred_slices_scrolled(lab: Lab, pictures: Path, record_property: Callable[[str, object], None]) -> None:
    lab.write("slices.ipynb", SERIES)
    watch = Watch(lab, record_property)
    lab.open("slices.ipynb")
    lab.run_cell(0)
    out = lab.outputs()
    canvas = out.locator("canvas.nbd-canvas[data-drawn]").first
    canvas.wait_for()
    out.get_by_text("251 of 500").wait_for()
    lab.run_cell(2)
    out.get_by_text("slice 250 window (250.0, 500.0) value 250").wait_for()
    watch.begin(canvas)
    number = out.get_by_role("spinbutton", name="Number of the slice")
    slider = out.get_by_role("slider", name="Slice")

    # Here and there, where nothing is yet.
    box = slider.bounding_box()
    with watch.measured("jump to a slice that is not there"):
        for index in (20, 480, 120, 380, 60, 440, 180, 320):
            slider.click(position={"x": 8 + index / 499 * (box["width"] - 16), "y": box["height"] / 2})
            watch.until_calm()

    # Slice by slice: each is shown, with its own pixels.
    number.fill("1")
    number.press("Enter")
    watch.until(0)
    with watch.measured("arrow keys") as shown:
        for index in range(1, 61):
            canvas.press("ArrowDown")
            watch.until(index)
    assert list(dict.fromkeys(one[0] for one in shown if one[0])) == list(range(1, 61))
    assert all(abs(one[1] - grey(one[0])) <= 1 for one in shown)

    # As fast as the wheel turns: never backwards, and none is missing where it ends.
    canvas.hover()
    with watch.measured("wheel, while slices are fetched") as shown:
        for _ in range(120):
            lab.page.mouse.wheel(0, 50)
        watch.until(180)
    assert sorted(one[0] for one in shown) == [one[0] for one in shown]
    assert all(abs(one[1] - grey(one[0])) <= 1 for one in shown)
    with watch.measured("wheel, back"):
        for _ in range(100):
            lab.page.mouse.wheel(0, -50)
        watch.until(80)

    # The slider, pulled over all of them and back.
    box = slider.bounding_box()
    lab.page.mouse.move(box["x"] + 8 + 80 / 499 * (box["width"] - 16), box["y"] + box["height"] / 2)
    lab.page.mouse.down()
    with watch.measured("slider"):
        for x in [*range(80, 500, 2), *range(500, 80, -2)]:
            lab.page.mouse.move(box["x"] + 8 + x / 499 * (box["width"] - 16), box["y"] + box["height"] / 2)
    lab.page.mouse.up()
    out.get_by_role("button", name="Play").first.focus()

    # The window, pulled: no word to the kernel is needed, and it hears of it ten times a second.
    box = canvas.bounding_box()
    lab.page.mouse.move(box["x"] + 100, box["y"] + 100)
    lab.page.mouse.down()
    sent = watch.sent
    with watch.measured("window") as shown:
        for x in range(100):
            lab.page.mouse.move(box["x"] + 100 + x, box["y"] + 100 + x // 2)
    lab.page.mouse.up()
    seconds = (shown[-1][5] - shown[0][5]) / 1000
    assert len(shown) > 50 and watch.sent - sent <= 10 * seconds + 5

    # The player.
    out.get_by_label("Frames per second").first.fill("30")
    out.get_by_label("Frames per second").first.press("Enter")
    with watch.measured("player, 30 frames per second"):
        canvas.press("Space")
        lab.page.wait_for_function("() => window.shown.length > 60")
        canvas.press("Space")
    out.get_by_role("button", name="Play").first.wait_for()

    # Windows by name, by hand, and back; what the kernel knows of it.
    canvas.press("End")
    canvas.press("PageUp")
    watch.until(489)
    out.get_by_label("Window", exact=True).select_option("Bone")
    until_grey(lab, round((489 + 500) * 255 / 1800))
    assert (out.get_by_label("Centre").input_value(), out.get_by_label("Width").input_value()) == ("400", "1800")
    out.get_by_label("Width").fill("0")
    out.get_by_label("Width").press("Enter")
    out.get_by_text("the width of a window is more than 0").wait_for()
    lab.run_cell(2)
    out.get_by_text("slice 489 window (400.0, 1800.0) value 489").wait_for()
    out.get_by_label("Window", exact=True).select_option("As the object says")
    until_grey(lab, grey(489))
    assert number.input_value() == "490"

    # Attributes, searched.
    out.get_by_role("button", name="Attributes").click()
    out.get_by_label("Search").fill("thickness")
    out.get_by_text("1 of 22 attributes").wait_for()
    assert "SliceThickness" in out.locator("table").last.inner_text()

    # Frames in colour, played.
    lab.run_cell(1)
    film = out.locator("canvas.nbd-canvas[data-drawn]").nth(1)
    film.wait_for()
    assert not out.get_by_label("Centre").nth(1).is_visible()  # colours have no window
    film.evaluate(WATCH)
    film.press("Space")
    lab.page.wait_for_function("() => window.shown.at(-1)?.[0] === 2")
    out.get_by_role("button", name="Play").last.wait_for()  # it stops at the last one
    assert lab.page.evaluate("() => window.shown.at(-1).slice(1, 4)") == [0, 0, 255]
    lab.both_themes(pictures, "images")
    assert lab.nameless() == []
    lab.close()
    assert lab.errors == []
