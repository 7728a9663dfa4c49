"""The viewer without a browser: order, decoding, windows, frames, colour, metadata."""

import io
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pydicom
import pytest
from PIL import Image
from pydicom import Dataset
from pydicom.data import get_testdata_file
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.tag import BaseTag

import nbdicom as nd
from nbdicom import privacy
from nbdicom.data import codec, tag_of
from nbdicom.errors import DataSetError
from nbdicom.notebook.images import aspect, series_of
from nbdicom.notebook.metadata import Metadata, attributes
from nbdicom.notebook.pixels import Pixels, Stack, decoded

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
    return np.asarray(Image.open(io.BytesIO(viewer.png())))


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


def test_a_series_is_one_line_without_a_patient() -> None:
    (series,) = series_of([ct(k) for k in range(3)])
    assert str(series.frames[0].header.PatientName) not in repr(series)
    assert repr(series).endswith(", 3 frames>") and repr(series.frames[0]) == "<Frame: CT 8×8, instance 0>"


def test_from_files_folders_and_results(tmp_path) -> None:
    for number in (1, 2):
        ct(number).save_as(tmp_path / f"{number}.dcm")
    (tmp_path / "notes.txt").write_text("no image")
    for source in (tmp_path, str(tmp_path), sorted(tmp_path.glob("*.dcm")), [tmp_path / "1.dcm", tmp_path / "2.dcm"]):
        assert len(series_of(source)[0].frames) == 2
    assert len(nd.view(tmp_path)._stack) == 2


def test_a_table_of_answers_has_nothing_to_look_at() -> None:
    with pytest.raises(DataSetError, match="retrieve first"):
        nd.view(pd.DataFrame({"StudyInstanceUID": ["1.2"]}))


@pytest.mark.parametrize("source", ["no such file", 7])
def test_what_is_no_image(source, tmp_path) -> None:
    with pytest.raises(DataSetError):
        nd.view(source)
    with pytest.raises(DataSetError, match="no DICOM object"):
        nd.view(tmp_path)


def test_an_object_without_pixels() -> None:
    with pytest.raises(DataSetError, match="none of them an image"):
        nd.view(file("rtplan.dcm"))


def test_the_slice_is_one_wherever_it_is_chosen(canvas) -> None:
    images = [ct(k, z=k) for k in range(1, 6)]
    for image in images:
        image.WindowCenter, image.WindowWidth = 100 * image.InstanceNumber, 50 + image.InstanceNumber
    viewer = nd.view(images, canvas=canvas)
    assert viewer.index == 2 and viewer.window == (300, 53)
    viewer.index = 4
    assert viewer.frame.header.InstanceNumber == 5
    assert viewer.window == (500, 55) and viewer.preset.value == "As the object says"  # each has its own
    assert (viewer.centre.value, viewer.width.value) == (500, 55)
    if canvas:
        viewer.screen.set_state({"index": 0})  # the browser says where it is
    else:
        viewer.screen.number.value = 1
        assert viewer.screen.slider.value == 1 and "instance 1; 1 of 5" in viewer.screen.says.value
    assert viewer.index == 0 and viewer.frame.header.InstanceNumber == 1 and viewer.centre.value == 100
    for index in (-1, 5):
        with pytest.raises(DataSetError, match="the series has 5"):
            viewer.index = index


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
    with pytest.raises(DataSetError, match="more than 0"):
        viewer.window = (1, 0)
    assert viewer.window == (90, 400)
    viewer.preset.value = "Whole range"
    assert viewer.window == (40, 1) and viewer.width.value == 1
    if canvas:
        viewer.screen.set_state({"window": [50.0, 10.0]})  # a drag
        assert viewer.window == (50, 10) and viewer.preset.value == "By hand" and viewer._problem.value == ""
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
    assert "frame 2 of 3" in viewer.frame.name and viewer._windows.layout.display == "none"
    viewer.index = 2
    assert np.array_equal(viewer.values, frames // 4) and np.array_equal(seen(viewer), frames // 4)


@pytest.mark.parametrize(
    "name",
    ["examples_ybr_color.dcm", "examples_palette.dcm", "examples_jpeg2k.dcm", "JPEG2000.dcm", "MR_small_RLE.dcm"],
)
def test_what_pydicom_decodes(name) -> None:
    path = get_testdata_file(name, download=False)
    if path is None:
        pytest.skip("pydicom ships it not")
    viewer = nd.view(path, canvas=False)
    assert bytes(viewer.screen.image.value[:4]) == b"\x89PNG" or "needs a plugin" in viewer.screen.problem.value


def test_what_cannot_be_decoded_is_told_and_the_rest_goes_on() -> None:
    bad = ct(1, z=1)
    bad.PixelData = b"\0\0"
    viewer = nd.view([bad, ct(2, z=2)], canvas=False)
    viewer.index = 0
    assert "cannot be decoded" in viewer.screen.problem.value
    viewer.preset.value = "Whole range"
    viewer.index = 1
    assert viewer.screen.problem.value == "" and viewer.screen.image.value


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
    assert viewer.index == 1 and viewer.frame.header.SeriesInstanceUID == "1.2"
    viewer.index = 2
    viewer.choice.value = 0
    assert viewer.index == 0


def test_the_cache_is_bounded_and_the_last_used_stay() -> None:
    stack = Stack(series_of([ct(k, z=k) for k in range(10)])[0].frames, cache=3 * 8 * 8 * 2)
    for k in range(10):
        _ = stack[k]
    assert [k for k in range(10) if stack.has(k)] == [7, 8, 9] and stack.is_full


def test_a_frame_that_two_threads_decode_at_once_takes_its_room_once() -> None:
    both_decode = threading.Barrier(2, timeout=30)

    class Meeting:
        """A frame whose pixels nobody gets before two ask for them."""

        header, number = ct(), 0

        @property
        def source(self) -> Dataset:
            both_decode.wait()
            return self.header

    stack = Stack([Meeting()], cache=2 * 8 * 8 * 2)
    threads = [threading.Thread(target=stack.__getitem__, args=(0,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert stack.has(0) and not stack.is_full  # there is room for one more


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
    slides = nd.view(images, canvas=False).screen
    assert slides.rate.value == rate and slides.player.interval == 1000 // rate
    slides.play_button.value = True
    assert slides.play_button.description == "Pause"
    slides.rate.value = 5
    assert slides.player.interval == 200


def test_frames_are_decoded_ahead() -> None:
    viewer = nd.view([ct(k, z=k) for k in range(20)], canvas=False)
    for thread in threading.enumerate():
        if thread.name == "nbdicom viewer":
            thread.join(LIMIT)
    assert all(viewer._stack.has(k) for k in range(20))


# ------------------------------------------------------------------------------- what the browser asks for


@pytest.fixture
def asked():
    """A viewer with the canvas, and what is sent to the browser that asks it for slices."""
    pytest.importorskip("anywidget")

    def ask(viewer, *requests) -> list:
        sent = []
        viewer.screen.send = lambda content, buffers=(): sent.append((content, b"".join(buffers)))
        for content in requests:
            viewer.screen._handle_custom_msg(content, [])
        if viewer.screen._worker:
            viewer.screen._worker.join(LIMIT)
        return sent

    return ask


def test_slices_are_sent_as_they_are_stored(asked) -> None:
    images = [ct(k, z=k, value=k) for k in range(4)]
    images[3].RescaleSlope, images[3].RescaleIntercept, images[3].PhotometricInterpretation = 2, -5, "MONOCHROME1"
    images[3].WindowCenter, images[3].WindowWidth, images[3].PixelSpacing = 40, 80, [2, 1]
    viewer = nd.view(images)
    about, numbers = asked(viewer, {"series": viewer.screen.series, "frames": [3]})[0]
    assert np.array_equal(np.frombuffer(numbers, "<i2"), np.full(64, 3)) and viewer.values.dtype == float
    assert about == {
        "series": viewer.screen.series, "index": 3, "words": viewer.series[0].frames[3].name,
        "kind": "int16", "rows": 8, "columns": 8, "aspect": 2.0,
        "slope": 2.0, "intercept": -5.0, "inverted": True, "own": (40.0, 80.0), "range": (1.0, 1.0),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("dtype", "kind"),
    [("u1", "uint8"), ("i1", "int8"), ("u2", "uint16"), (">i2", "int16"), ("u4", "float32"), ("f8", "float32")],
)
def test_numbers_that_a_browser_has(dtype, kind) -> None:
    canvas = pytest.importorskip("nbdicom.notebook.canvas")
    name, numbers = canvas._numbers(Pixels(np.arange(100, dtype=dtype).reshape(10, 10)))
    assert name == kind
    assert np.array_equal(np.frombuffer(numbers.tobytes(), np.dtype(kind).newbyteorder("<")), np.arange(100))


def test_colours_and_what_cannot_be_decoded_are_sent_too(asked) -> None:
    viewer = nd.view(file("examples_rgb_color.dcm"))
    about, numbers = asked(viewer, {"series": viewer.screen.series, "frames": [0]})[0]
    assert about["kind"] == "rgb" and numbers == viewer.values.tobytes() and "own" not in about
    bad = ct()
    bad.PixelData = b"\0\0"
    viewer = nd.view(bad)
    about, numbers = asked(viewer, {"series": viewer.screen.series, "frames": [0]})[0]
    assert "cannot be decoded" in about["problem"] and not numbers


def test_what_was_asked_for_last_comes_first_and_nothing_twice(asked, monkeypatch) -> None:
    viewer = nd.view([ct(k, z=k) for k in range(9)])
    series = viewer.screen.series
    monkeypatch.setattr("nbdicom.notebook.canvas.sys.platform", "emscripten")
    with viewer.screen._lock:
        viewer.screen._wanted = [1, 2]  # two are still to be answered
    requests = [{"series": series, "frames": [7, 2]}, {"series": series - 1, "frames": [3]}, {"frames": []}]
    sent = asked(viewer, *requests, {"series": series, "frames": [-1, 9, "0", None]})
    assert [about["index"] for about, _ in sent] == [7, 1, 2]


def test_nothing_of_the_series_before_is_sent(asked) -> None:
    viewer = nd.view([ct(1, series="1.1"), *(ct(k, z=k, series="1.2") for k in (1, 2, 3))])
    before = viewer.screen.series
    viewer.choice.value = 1
    assert asked(viewer, {"series": before, "frames": [0]}) == []
    assert [about["index"] for about, _ in asked(viewer, {"series": before + 1, "frames": [0]})] == [0]


def test_a_viewer_that_nobody_looks_at_keeps_no_slices(asked) -> None:
    """As when its cell runs again; whoever comes back has them decoded anew."""
    viewer = nd.view([ct(k, z=k) for k in range(4)])
    series, stack = viewer.screen.series, viewer.screen._stack
    wanted = {"series": series, "frames": [1]}
    asked(viewer, wanted)
    assert stack.has(1)
    asked(viewer, {"series": series - 1, "left": True})
    assert stack.has(1)
    asked(viewer, {"series": series, "left": True})
    assert not stack.has(1)
    assert [about["index"] for about, _ in asked(viewer, wanted)] == [1]


def test_neither_pixels_nor_a_patient_are_in_what_a_notebook_saves(asked) -> None:
    image = ct(value=4711)
    image.PatientName, image.PatientID = "Doe^Jane", "JD-1"
    viewer = nd.view(image)
    state = viewer.screen.get_state()
    assert not [name for name, value in state.items() if isinstance(value, bytes | memoryview)]
    about, _ = asked(viewer, {"series": viewer.screen.series, "frames": [0]})[0]
    for said in (state, about):
        assert "Doe" not in str(said) and "JD-1" not in str(said)


def test_the_browser_cannot_point_beside_the_series() -> None:
    pytest.importorskip("anywidget")
    viewer = nd.view([ct(k, z=k) for k in range(3)])
    viewer.screen.set_state({"index": 99})
    assert viewer.index == 2


def test_a_modality_lut_is_applied_before() -> None:
    image = ct(value=2)
    lut = Dataset()
    lut.LUTDescriptor, lut.LUTData, lut.ModalityLUTType = [4, 0, 16], [0, 10, 700, 30], "US"
    image.ModalityLUTSequence = [lut]
    pixels = decoded(series_of(image)[0].frames[0])
    assert (pixels.values == 700).all() and pixels.whole == (700, 1)


def test_no_patient_in_the_words() -> None:
    image = ct()
    words = nd.view(image, canvas=False).screen.says.value
    assert str(image.PatientName) not in words and str(image.PatientID) not in words


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
    assert "<b>" not in table._repr_html_() and "Doe^Jane" in str(table)
    with privacy.masked():
        assert "Doe" not in str(attributes(dataset)) and "Doe" not in Metadata(dataset)._table.value
        assert len(attributes(dataset, "doe")) == 0


# ------------------------------------------------------------------------------- what objects may say


def test_colours_of_twelve_bits_are_not_black() -> None:
    image = pydicom.dcmread(file("examples_rgb_color.dcm"))
    image.Rows = image.Columns = 2
    image.BitsAllocated, image.BitsStored, image.HighBit = 16, 12, 11
    image.PixelData = np.full((2, 2, 3), 4095, "<u2").tobytes()
    assert (decoded(series_of(image)[0].frames[0]).stored == 255).all()


def deflated(image: Dataset, path: Path) -> Path:
    image.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1.99"
    image.save_as(path)
    return path


def test_a_deflated_file(tmp_path) -> None:
    viewer = nd.view(deflated(ct(value=7), tmp_path / "ct.dcm"), canvas=False)
    assert (viewer._stack[0].stored == 7).all() and not viewer.screen.problem.value
    image = pydicom.dcmread(file("examples_palette.dcm"))
    wanted = decoded(series_of(image)[0].frames[0]).stored
    found = series_of(deflated(pydicom.dcmread(file("examples_palette.dcm")), tmp_path / "palette.dcm"))
    assert np.array_equal(decoded(found[0].frames[0]).stored, wanted)


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"])
def test_a_dataset_as_a_handler_gets_it(syntax) -> None:
    dataset = codec.decode(codec.encode(ct(value=7), syntax), syntax)
    assert (decoded(series_of(dataset)[0].frames[0]).stored == 7).all() and not hasattr(dataset, "file_meta")


DAMAGED = {
    "RescaleSlope": b"abc ", "RescaleIntercept": b"1,5 ", "PixelSpacing": b"x\\y ", "WindowCenter": b"abc ",
    "NumberOfFrames": b"many", "InstanceNumber": b"1.5 ", "SeriesNumber": b"A1", "ImagePositionPatient": b"left",
    "PhotometricInterpretation": b"PALETTE COLOR ",
}  # fmt: skip


@pytest.mark.parametrize("keyword", DAMAGED)
def test_a_damaged_value_does_not_stop_the_other_slices(keyword, asked) -> None:
    bad, tag = ct(1, z=1), tag_of(keyword)
    bad[tag] = RawDataElement(BaseTag(tag), dictionary_VR(tag), len(DAMAGED[keyword]), DAMAGED[keyword], 0, False, True)
    viewer = nd.view([bad, ct(2, z=2)])
    sent = asked(viewer, {"series": viewer.screen.series, "frames": [0, 1]})
    assert len(sent) == 2 and any("problem" not in about for about, _ in sent)
    nd.view([bad, ct(2, z=2)], canvas=False)


def test_pixels_that_are_not_square_say_so_in_several_ways() -> None:
    def ratio(**values) -> float:
        image = ct()
        del image.PixelSpacing
        for name, value in values.items():
            setattr(image, name, value)
        return aspect(series_of(image)[0].frames[0])

    measures, group = Dataset(), Dataset()
    measures.PixelSpacing, group.PixelMeasuresSequence = [2, 1], [measures]
    assert ratio() == 1 and ratio(PixelSpacing=[1, 2]) == 0.5
    assert ratio(PixelAspectRatio=[4, 3]) == 4 / 3 and ratio(ImagerPixelSpacing=[0.3, 0.1]) == pytest.approx(3)
    assert ratio(SharedFunctionalGroupsSequence=[group]) == 2
    assert ratio(PixelSpacing=[1, 1], PixelAspectRatio=[4, 3]) == 1


def test_what_is_inside_a_sequence_is_marked_and_not_escaped() -> None:
    inner, outer = Dataset(), Dataset()
    inner.ReferencedSOPInstanceUID = "1.2"
    outer.ReferencedImageSequence = [inner]
    table = attributes(outer)
    assert [row[0] for row in table.rows] == ["0008,1140", ">0008,1155"]
    assert "\\xa0" not in str(table) and ">&gt;0008,1155<" in table._repr_html_()
