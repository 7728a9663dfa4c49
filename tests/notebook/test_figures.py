"""One image as a figure."""

from pathlib import Path

import matplotlib as mpl
import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file

import nbdicom as nd
from nbdicom.errors import DataSetError

mpl.use("Agg")


@pytest.fixture(autouse=True)
def closed_figures():
    import matplotlib.pyplot as plt

    yield
    plt.close("all")


def file(name: str) -> Path:
    return Path(str(get_testdata_file(name, download=False)))


def drawn(axes) -> np.ndarray:
    return np.asarray(axes.images[0].get_array())


def test_a_ct_in_hounsfield_units() -> None:
    axes = nd.show(file("CT_small.dcm"), window=(40, 400))
    dataset = pydicom.dcmread(file("CT_small.dcm"))
    assert np.array_equal(drawn(axes), dataset.pixel_array * dataset.RescaleSlope + dataset.RescaleIntercept)
    assert axes.images[0].get_clim() == (-160, 240)
    assert axes.get_title().startswith("CT 128")


def test_no_patient_in_the_picture() -> None:
    dataset = pydicom.dcmread(file("MR_small.dcm"))
    text = " ".join(t.get_text() for t in nd.show(dataset).findobj(mpl.text.Text))
    assert str(dataset.PatientName) not in text and str(dataset.PatientID) not in text


def test_the_objects_own_window() -> None:
    dataset = pydicom.dcmread(file("CT_small.dcm"))
    dataset.WindowCenter, dataset.WindowWidth = [100, 1], [50, 1]
    assert nd.show(dataset).images[0].get_clim() == (75, 125)


def test_colour_and_frames() -> None:
    dataset = pydicom.dcmread(file("examples_rgb_color.dcm"))
    shape = (dataset.Rows, dataset.Columns, 3)
    assert drawn(nd.show(dataset)).shape == shape
    dataset.NumberOfFrames, dataset.PixelData = 3, dataset.PixelData * 3
    axes = nd.show(dataset)
    assert drawn(axes).shape == shape and "frame 2 of 3" in axes.get_title()
    assert "frame 1 of 3" in nd.show(dataset, frame=0).get_title()
    with pytest.raises(DataSetError, match="no frame 99"):
        nd.show(dataset, frame=99)


def test_white_and_black_are_exchanged_where_the_object_says_so() -> None:
    dataset = pydicom.dcmread(file("MR_small.dcm"))
    dataset.PhotometricInterpretation = "MONOCHROME1"
    assert nd.show(dataset).images[0].get_cmap().name == "gray_r"


def test_the_middle_of_several(tmp_path: Path) -> None:
    dataset = pydicom.dcmread(file("MR_small.dcm"))
    paths = []
    for number in (3, 1, 2):
        dataset.InstanceNumber = number
        paths.append(tmp_path / f"{number}.dcm")
        dataset.save_as(paths[-1])
    assert "instance 2" in nd.show(paths).get_title()


@pytest.mark.parametrize(("source", "words"), [([], "no image"), (5, "no image")])
def test_nothing_to_show(source: object, words: str) -> None:
    with pytest.raises(DataSetError, match=words):
        nd.show(source)


def test_what_is_no_image(tmp_path: Path) -> None:
    with pytest.raises(DataSetError, match="no pixel data"):
        nd.show(file("rtplan.dcm"))
    (tmp_path / "x.txt").write_text("text")
    with pytest.raises(DataSetError, match="not a DICOM file"):
        nd.show(tmp_path / "x.txt")


@pytest.mark.parametrize(
    ("name", "words", "hint"),
    [("none.dcm", "none.dcm cannot be read: no such file", "check the path"), ("", "is a directory", "nd.view")],
    ids=["no file", "a folder"],
)
def test_what_cannot_be_read(tmp_path: Path, name: str, words: str, hint: str) -> None:
    with pytest.raises(DataSetError, match=words) as caught:
        nd.show(tmp_path / name)
    assert hint in str(caught.value)


def test_pixels_that_nobody_can_decode() -> None:
    dataset = pydicom.dcmread(file("CT_small.dcm"))
    dataset.Rows = 60_000
    with pytest.raises(DataSetError, match="cannot be decoded.*less than expected.*whether the object is complete"):
        nd.show(dataset)  # and no plugin would help


def test_floating_point_pixels() -> None:
    dataset = pydicom.dcmread(file("CT_small.dcm"))
    dataset.Rows = dataset.Columns = 2
    del dataset.PixelData, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation
    dataset.BitsAllocated, dataset.RescaleSlope, dataset.RescaleIntercept = 32, 1, 0
    dataset.FloatPixelData = np.array([0.5, 1.5, 2.5, 3.5], "<f4").tobytes()
    assert drawn(nd.show(dataset)).tolist() == [[0.5, 1.5], [2.5, 3.5]]


def test_numbers_that_are_none(tmp_path: Path) -> None:
    """What is no number in the header says nothing of frames and order."""
    for name in ("a.dcm", "b.dcm"):
        raw = file("CT_small.dcm").read_bytes()
        before = b"\x20\x00\x13\x00IS\x02\x001 "  # Instance Number
        assert before in raw
        (tmp_path / name).write_bytes(raw.replace(before, b"\x20\x00\x13\x00IS\x02\x00A1"))
    assert drawn(nd.show([tmp_path / "a.dcm", tmp_path / "b.dcm"])).shape == (128, 128)
    dataset = pydicom.dcmread(file("CT_small.dcm"))
    dataset.add_new("NumberOfFrames", "LO", "1A")
    with pytest.raises(DataSetError, match="and its header fits"):
        nd.show(dataset)
