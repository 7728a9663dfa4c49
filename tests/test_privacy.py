"""Masking: what is hidden, for how long, and what a log may say of an exception."""

import os
import subprocess
import sys
import threading

import pytest
from pydicom.datadict import dictionary_VR, tag_for_keyword

from nbdicom import privacy


@pytest.fixture(autouse=True)
def unmasked():
    yield
    privacy.mask(False)


def test_every_keyword_is_one_of_the_dictionary():
    strangers = {keyword for keyword in privacy.HIDDEN if tag_for_keyword(keyword) is None}
    assert not strangers, strangers


def test_every_name_is_hidden_by_its_keyword_too():
    from pydicom._dicom_dict import DicomDictionary

    names = {entry[4] for entry in DicomDictionary.values() if entry[0] == "PN" and entry[4]}
    assert names <= privacy.HIDDEN


@pytest.mark.parametrize(
    "keyword", ["StudyInstanceUID", "SOPClassUID", "Modality", "StudyDate", "StudyDescription", "PatientSex", "Rows"]
)
def test_what_tables_live_by_is_shown(keyword):
    assert tag_for_keyword(keyword) is not None
    with privacy.masked():
        assert privacy.shown(keyword, "value", dictionary_VR(keyword)) == "value"


@pytest.mark.parametrize(
    ("keyword", "vr"),
    [("PatientName", ""), ("PatientID", "LO"), ("AccessionNumber", "SH"), ("0009,1001", "LO"), ("0011,0010", ""),
     ("anything", "PN"), ("anything", "UN"), ("InstitutionName", "LO"), ("zz,1001", "")],
)  # fmt: skip
def test_what_names_somebody_is_hidden(keyword, vr):
    assert privacy.shown(keyword, "Doe^Jane", vr) == "Doe^Jane"
    with privacy.masked():
        mark = privacy.shown(keyword, "Doe^Jane", vr)
        assert "Doe" not in str(mark) and mark == privacy.shown(keyword, "Doe^Jane", vr)
        assert mark != privacy.shown(keyword, "Roe^Richard", vr)


def test_the_mark_cannot_be_looked_up():
    """Another process marks the same value differently."""
    program = "from nbdicom import privacy; privacy.mask(); print([privacy.shown('StudyID', str(k)) for k in range(9)])"
    runs = {
        subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, timeout=60).stdout
        for _ in "12"
    }
    assert len(runs) == 2


def test_the_switch_and_the_blocks():
    assert not privacy.is_masked()
    privacy.mask()
    with privacy.revealed():
        assert privacy.shown("PatientID", "4711") == "4711"
        with privacy.masked():
            assert privacy.is_masked()
        assert not privacy.is_masked()
    assert privacy.is_masked()


def test_the_switch_is_the_process_s_and_a_block_is_the_thread_s():
    seen = []

    def look():
        thread = threading.Thread(target=lambda: seen.append(privacy.is_masked()))
        thread.start()
        thread.join()

    with privacy.masked():
        look()
    privacy.mask()
    with privacy.revealed():
        look()
    assert seen == [False, True]


def test_the_environment_masks_from_the_start():
    program = "from nbdicom import privacy; print(privacy.is_masked())"
    for value, masked in (("1", "True"), ("0", "False"), ("", "False")):
        run = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60,
            env={**os.environ, "NBDICOM_MASK": value},
        )  # fmt: skip
        assert run.stdout.strip() == masked


def test_an_exception_without_its_text():
    def handler():
        try:
            raise KeyError("Doe^Jane")
        except KeyError as error:
            raise ValueError("born 1970") from error

    try:
        handler()
    except ValueError as error:
        said = privacy.trace_of(error)
    assert "Doe" not in said and "1970" not in said
    assert "ValueError at test_privacy.py" in said and "because of KeyError" in said and "\n" not in said
