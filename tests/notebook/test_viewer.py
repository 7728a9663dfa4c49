"""The viewer without a browser: order, decoding, windows, frames, colour, metadata."""

import io
import threading
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom import Dataset
from pydicom.data import get_testdata_file

import nbdicom as nd
from nbdicom import privacy
from nbdicom.errors import DataSetError
from nbdicom.notebook.images import Stack, series_of
from nbdicom.notebook.metadata import Metadata, attributes

LIMIT = 60


def file(name: str) -> Path:
    return Path(str(get_testdata_file(name, download=False)))


def ct(number: int = 1, z: float = 0.0, size: int = 8, value: int = 1000, series: str = "1.2.3") -> Dataset:
    image = pydicom.dcmread(file("CT_small.dcm"))
    image.SeriesInstanceUID, image.SOPInstanceUID, image.InstanceNumber = series, f"{series}.{number}", number
    image.ImageOrientationPatient, image.ImagePositionPatient = [1, 0, 0, 0, 1, 0], [0, 0, z]
    image.Rows = image.Columns = size
    image.PixelData = np.full((size, size), value, "<i2").tobytes()
    return image


def seen(viewer) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(viewer.image.value)))


@pytest.fixture(params=[False, True], ids=["image", "canvas"])
def canvas(request) -> bool:
    if request.param:
        pytest.importorskip("anywidget")
    return request.param


def test_slices_are_in_the_order_of_space() -> None:
    images = [ct(1, z=30), ct(2, z=10), ct(3, z=20)]
    assert [frame.header.InstanceNumber for frame in series_of(images)[0].frames] == [2, 3, 1]
    del images[0].ImagePositionPatient
    assert [frame.header.InstanceNumber for frame in series_of(images)[0].frames] == [1, 2, 3]


def test_from_files_folders_and_results(tmp_path) -> None:
    for number in (1, 2):
        ct(number).save_as(tmp_path / f"{number}.dcm")
    (tmp_path / "notes.txt").write_text("no image")
    for source in (tmp_path, str(tmp_path), sorted(tmp_path.glob("*.dcm")), [tmp_path / "1.dcm", tmp_path / "2.dcm"]):
        assert len(series_of(source)[0].frames) == 2
    assert nd.view(tmp_path).slider.max == 1


@pytest.mark.parametrize("source", ["no such file", 7])
def test_what_is_no_image(source, tmp_path) -> None:
    with pytest.raises(DataSetError):
        nd.view(source)
    with pytest.raises(DataSetError, match="no DICOM object"):
        nd.view(tmp_path)


def test_an_object_without_pixels() -> None:
    with pytest.raises(DataSetError, match="none of them an image"):
        nd.view(file("rtplan.dcm"))


def test_slider_and_number_go_together(canvas) -> None:
    images = [ct(k, z=k) for k in range(1, 6)]
    for image in images:
        image.WindowCenter, image.WindowWidth = 100 * image.InstanceNumber, 50 + image.InstanceNumber
    viewer = nd.view(images, canvas=canvas)
    assert (viewer.slider.value, viewer.number.value, viewer.number.max) == (2, 3, 5)
    viewer.number.value = 5
    assert viewer.slider.value == 4 and "instance 5; 5 of 5" in viewer._says.value
    assert viewer.window == (500, 55) and viewer.preset.value == "As the object says"  # each has its own
    viewer.slider.value = 0
    assert viewer.number.value == 1 and viewer.frame.header.InstanceNumber == 1
    if canvas:
        viewer.canvas.set_state({"index": 3})  # the wheel
        assert viewer.number.value == 4


def test_windows(canvas) -> None:
    image = ct(value=1040)
    image.RescaleIntercept, image.RescaleSlope = -1000, 1
    image.WindowCenter, image.WindowWidth = [100, 1], [50, 1]
    viewer = nd.view(image, canvas=canvas)
    assert viewer.window == (100, 50) and (viewer.values == 40).all()
    assert viewer.preset.value == "As the object says"
    viewer.preset.value = "Brain"
    assert viewer.window == (40, 80)
    viewer.window = (40, 400)
    assert viewer.preset.value == "Soft tissue"
    viewer.centre.value = 90
    assert viewer.preset.value == "By hand" and viewer.window == (90, 400)
    viewer.width.value = 0
    assert "more than 0" in viewer._problem.value
    if canvas:
        viewer.canvas.set_state({"centre": 50.0, "width": 10.0})  # a drag
        assert viewer.window == (50, 10) and viewer._problem.value == ""
    else:
        viewer.window = (40, 400)
        assert (seen(viewer) == 127).all()


def test_presets_of_hounsfield_units_are_for_ct() -> None:
    assert "Lung" in nd.view(ct()).preset.options
    assert "Lung" not in nd.view(file("MR_small.dcm")).preset.options


def test_white_and_black_are_exchanged_where_the_object_says_so() -> None:
    image = ct(value=2000)
    image.PhotometricInterpretation = "MONOCHROME1"
    viewer = nd.view(image, canvas=False)
    viewer.window = (0, 10)
    assert (seen(viewer) == 0).all()


def test_colour_and_frames(canvas) -> None:
    image = pydicom.dcmread(file("examples_rgb_color.dcm"))
    frames = image.pixel_array
    image.NumberOfFrames, image.PixelData = 3, np.stack([frames, frames // 2, frames // 4]).tobytes()
    viewer = nd.view(image, canvas=canvas)
    assert "frame 2 of 3" in viewer._says.value and viewer._windows.layout.display == "none"
    viewer.number.value = 3
    assert np.array_equal(viewer.values, frames // 4)
    assert viewer.canvas.kind == "rgb" if canvas else np.array_equal(seen(viewer), frames // 4)


@pytest.mark.parametrize(
    "name",
    ["examples_ybr_color.dcm", "examples_palette.dcm", "examples_jpeg2k.dcm", "JPEG2000.dcm", "MR_small_RLE.dcm"],
)
def test_what_pydicom_decodes(name) -> None:
    path = get_testdata_file(name, download=False)
    if path is None:
        pytest.skip("pydicom ships it not")
    viewer = nd.view(path, canvas=False)
    assert bytes(viewer.image.value[:4]) == b"\x89PNG" or "needs a plugin" in viewer._problem.value


def test_what_cannot_be_decoded_is_told_and_the_rest_goes_on() -> None:
    bad = ct(1, z=1)
    bad.PixelData = b"\0\0"
    viewer = nd.view([bad, ct(2, z=2)], canvas=False)
    viewer.number.value = 1
    assert "cannot be decoded" in viewer._problem.value
    viewer.number.value = 2
    assert viewer._problem.value == "" and viewer.image.value


def test_values_of_an_enhanced_object() -> None:
    image = ct(value=100)
    del image.RescaleSlope, image.RescaleIntercept
    group, transformation, voi = Dataset(), Dataset(), Dataset()
    transformation.RescaleSlope, transformation.RescaleIntercept, transformation.RescaleType = 2, -50, "HU"
    voi.WindowCenter, voi.WindowWidth = 7, 70
    group.PixelValueTransformationSequence, group.FrameVOILUTSequence = [transformation], [voi]
    image.SharedFunctionalGroupsSequence = [group]
    viewer = nd.view(image)
    assert (viewer.values == 150).all() and viewer.window == (7, 70)


def test_pixels_that_are_not_square() -> None:
    image = ct()
    image.PixelSpacing = [2, 1]
    assert Image.open(io.BytesIO(nd.view(image, canvas=False).png())).size == (8, 16)


def test_several_series() -> None:
    viewer = nd.view([ct(1, series="1.1"), *(ct(k, z=k, series="1.2") for k in (1, 2, 3))])
    assert len(viewer.choice.options) == 2
    viewer.choice.value = 1
    assert viewer.number.max == 3


def test_the_cache_is_bounded_and_the_last_used_stay() -> None:
    stack = Stack(series_of([ct(k, z=k) for k in range(10)])[0].frames, cache=3 * 8 * 8 * 8)
    for k in range(10):
        _ = stack[k]
    assert [k for k in range(10) if stack.has(k)] == [7, 8, 9] and stack.is_full


@pytest.mark.parametrize(
    ("values", "rate"),
    [
        ({}, 10),
        ({"CineRate": 24}, 24),
        ({"FrameTime": "40"}, 25),
        ({"RecommendedDisplayFrameRate": 7, "CineRate": 24}, 7),
        ({"FrameTime": "1"}, 50),
        ({"FrameTime": "5000"}, 1),
        ({"CineRate": [1, 2]}, 10),
    ],
)
def test_frames_play_as_quickly_as_they_were_taken(values, rate) -> None:
    images = [ct(k, z=k) for k in range(3)]
    for image in images:
        for keyword, value in values.items():
            setattr(image, keyword, value)
    viewer = nd.view(images, canvas=False)
    assert viewer.rate.value == rate and viewer.player.interval == 1000 // rate
    viewer.play_button.value = True
    assert viewer.play_button.description == "Pause"
    viewer.rate.value = 5
    assert viewer.player.interval == 200


def test_frames_are_decoded_ahead() -> None:
    viewer = nd.view([ct(k, z=k) for k in range(20)])
    for thread in threading.enumerate():
        if thread.name == "nbdicom viewer":
            thread.join(LIMIT)
    assert all(viewer._stack.has(k) for k in range(20))


def test_no_patient_in_the_words() -> None:
    image = ct()
    viewer = nd.view(image)
    assert str(image.PatientName) not in viewer._says.value and str(image.PatientID) not in viewer._says.value


# ------------------------------------------------------------------------------- metadata


def test_attributes_are_searched() -> None:
    viewer = nd.view(ct())
    assert viewer.metadata.dataset is None  # nothing is made that nobody looks at
    viewer.attributes_button.value = True
    assert "SliceThickness" in viewer.metadata._table.value
    viewer.metadata.search.value = "rescale"
    assert "RescaleSlope" in viewer.metadata._table.value and "SliceThickness" not in viewer.metadata._table.value


def test_attributes_of_sequences_and_what_is_hidden() -> None:
    item = Dataset()
    item.CodeMeaning = "<b>Chest</b>"
    dataset = Dataset()
    dataset.PatientName, dataset.ProcedureCodeSequence, dataset.PixelData = "Doe^Jane", [item], b"\0\0"
    table = attributes(dataset)
    assert [row[1] for row in table.rows] == ["ProcedureCodeSequence", "CodeMeaning", "PatientName"]
    assert "<b>" not in table._repr_html_()
    with privacy.masked():
        assert "Doe" not in str(attributes(dataset)) and "Doe" not in Metadata(dataset)._table.value
        assert len(attributes(dataset, "doe")) == 0
