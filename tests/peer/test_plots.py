"""Plots of answers: what is drawn, and what is said where there is nothing to draw."""

import matplotlib as mpl
import pandas as pd
import pytest

import nbdicom as nd
from nbdicom.errors import QueryError
from nbdicom.peer import EchoReport
from nbdicom.peer.report import Step

mpl.use("Agg")


@pytest.fixture(autouse=True)
def closed_figures():
    import matplotlib.pyplot as plt

    yield
    plt.close("all")


@pytest.fixture
def studies():
    import nbdicom.peer.frames  # noqa: F401

    frame = pd.DataFrame({
        "StudyInstanceUID": pd.Series(["1", "2", "3", "4"], dtype="string"),
        "ModalitiesInStudy": [("CT", "SR"), ("CT",), ("MR",), ()],
        "StudyDate": pd.to_datetime(["2024-01-05", "2024-01-20", "2024-03-01", None]),
        "NumberOfStudyRelatedInstances": pd.array([10, 20, 30, None], dtype="Int64"),
    })  # fmt: skip
    frame.attrs["nbdicom"] = {"level": "STUDY"}
    return frame


def test_modalities(studies) -> None:
    axes = studies.dicom.plot.modalities()
    assert [label.get_text() for label in axes.get_yticklabels()][0] == "CT"
    assert [bar.get_width() for bar in axes.patches] == [2, 1, 1]
    assert axes.get_xlabel() == "studies"


def test_one_modality_in_each_row(studies) -> None:
    series = pd.DataFrame(
        {"SeriesInstanceUID": ["1", "2", "3"], "Modality": pd.Series(["CT", "CT", pd.NA], dtype="string")}
    )
    assert [bar.get_width() for bar in series.dicom.plot.modalities().patches] == [2]


def test_rare_modalities_are_one_bar() -> None:
    frame = pd.DataFrame({"SeriesInstanceUID": list("abcdefghijklmnop"), "Modality": list("ABCDEFGHIJKLMNOP")})
    axes = frame.dicom.plot.modalities()
    assert len(axes.patches) == 12 and axes.patches[-1].get_width() == 5


@pytest.mark.parametrize(("freq", "heights"), [(None, [2, 0, 1]), ("YS", [3]), ("MS", [2, 0, 1])])
def test_over_time(studies, freq, heights) -> None:
    axes = studies.dicom.plot.over_time(freq=freq or "MS")
    assert [bar.get_height() for bar in axes.patches] == heights
    assert "1 without a date" in axes.get_title()
    assert studies.dicom.plot.over_time().patches


def test_sizes_into_given_axes(studies) -> None:
    import matplotlib.pyplot as plt

    mine = plt.subplots()[1]
    assert studies.dicom.plot.sizes(ax=mine) is mine
    assert sum(bar.get_height() for bar in mine.patches) == 3 and "1 not told" in mine.get_title()


def test_nothing_to_draw(studies) -> None:
    for axes in (
        studies.head(0).dicom.plot.modalities(),
        studies.head(0).dicom.plot.over_time(),
        studies.head(0).dicom.plot.sizes(),
    ):
        assert not axes.patches
    with pytest.raises(QueryError, match="no column StudyDate"):
        pd.DataFrame({"PatientID": ["1"]}).dicom.plot.over_time()
    with pytest.raises(QueryError, match="no report"):
        nd.plot_latency([])


def test_latency() -> None:
    steps = (Step("resolve 127.0.0.1", True, "ok", 0.1), Step("TCP connect :104", True, "ok", 2.0))
    axes = nd.plot_latency([EchoReport("P@h:104", "ME", steps)] * 3)
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        "resolve\nmedian 0.1 ms",
        "TCP connect :104\nmedian 2 ms",
    ]
    assert "3 verifications of P@h:104" in axes.get_title()
    assert nd.plot_latency(EchoReport("P@h:104", "ME", steps)) is not axes
