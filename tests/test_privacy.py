"""Masking: what is hidden, for how long, and what a log may say of an exception."""

import os
import re
import subprocess
import sys
import threading

import pytest
from pydicom.datadict import dictionary_VR, keyword_for_tag, tag_for_keyword

from nbdicom import privacy


@pytest.fixture(autouse=True)
def unmasked():
    yield
    privacy.mask(False)


def test_every_keyword_is_one_of_the_dictionary():
    from pydicom._dicom_dict import RepeatersDictionary

    repeated = {entry[4] for entry in RepeatersDictionary.values()}  # curves and overlays
    strangers = {keyword for keyword in privacy.HIDDEN if tag_for_keyword(keyword) is None} - repeated
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


#: PS3.15 2026c, Table E.1-1, without private attributes, curves (50xx,xxxx) and overlays (60xx,3000), (60xx,4000): group and
#: elements of what the Basic Application Level Confidentiality Profile removes or replaces.
BASIC_PROFILE = """
0000: 1000 1001
0002: 0003
0004: 1511
0008: 0012 0013 0014 0015 0017 0018 0019 0020 0021 0022 0023 0024 0025 002a 0030 0031 0032 0033 0034 0035 0050
      0054 0055 0058 0080 0081 0082 0090 0092 0094 0096 009c 009d 0106 0107 0201 1000 1010 1030 103e 1040 1041
      1048 1049 1050 1052 1060 1062 1070 1072 1080 1084 1088 1110 1111 1120 1140 1155 1195 1301 1302 1303 1304
      2111 2112 3010 4000
0010: 0010 0011 0012 0013 0014 0015 0016 0020 0021 0030 0032 0040 0041 0042 0043 0044 0045 0046 0047 0050 0101
      0102 1000 1001 1002 1005 1010 1020 1030 1040 1050 1060 1080 1081 1090 1100 2000 2110 2150 2152 2154 2155
      2160 2161 2162 2180 21a0 21b0 21c0 21d0 21f0 2203 2297 2299 4000
0012: 0010 0020 0021 0022 0023 0030 0031 0032 0040 0041 0042 0043 0050 0051 0055 0060 0071 0072 0073 0081 0082
      0086 0087
0014: 407c 407e
0016: 002b 004b 004d 004e 004f 0050 0051 0070 0071 0072 0073 0074 0075 0076 0077 0078 0079 007a 007b 007c 007d
      007e 007f 0080 0081 0082 0083 0084 0085 0086 0087 0088 0089 008a 008b 008c 008d 008e
0018: 0010 0027 0035 1000 1002 1004 1005 1007 1008 1009 100a 100b 1010 1011 1012 1014 1030 1042 1043 1072 1073
      1078 1079 11bb 1200 1201 1202 1203 1204 1205 1400 2042 4000 5011 700a 700c 700e 9074 9151 9185 9367 9369
      936a 9371 9373 937b 937f 9424 9516 9517 9623 9701 9804 9919 9937 a002 a003
0020: 000d 000e 0010 0027 0052 0200 3401 3403 3405 3406 4000 9158 9161 9164
0028: 1199 1214 4000
0032: 0012 0032 0033 0034 0035 1000 1001 1010 1011 1020 1021 1030 1032 1033 1040 1041 1050 1051 1060 1066 1067
      1070 4000
0034: 0001 0002 0005 0007
0038: 0004 0010 0011 0014 001a 001b 001c 001d 001e 0020 0021 0030 0032 0040 0050 0060 0061 0062 0064 0300 0400
      0500 4000
003a: 0020 0203 020c 0310 0314 0329 032b
0040: 0001 0002 0003 0004 0005 0006 0007 0009 000b 0010 0011 0012 0241 0242 0243 0244 0245 0250 0251 0253 0254
      0275 0280 0310 050a 0512 0513 051a 0551 0554 0555 0556 0562 0600 0602 0610 06fa 1001 1002 1004 1005 100a
      1010 1011 1101 1102 1103 1104 1400 2001 2004 2005 2008 2009 2010 2011 2016 2017 2400 3001 4005 4008 4010
      4011 4023 4025 4027 4028 4030 4034 4035 4036 4037 4050 4051 4052 a023 a024 a027 a030 a032 a033 a034 a035
      a073 a075 a078 a07a a07c a082 a088 a110 a112 a120 a121 a122 a123 a124 a13a a171 a172 a192 a193 a307 a352
      a353 a354 a358 a402 a730 b020 b034 b036 b03b b03f db06 db07 db0c db0d e004 e012
0042: 0011
0044: 0004 000b 0010 0104 0105
0050: 001b 0020 0021
0062: 0021
0064: 0003
0068: 6226 6270
006a: 0003 0005 0006
0070: 0001 0006 0082 0083 0084 0086 031a 1101 1102
0072: 000a 005e 005f 0061 0063 0065 0066 0068 006a 006b 006c 006d 006e 0070 0071
0074: 1234 1236
0088: 0140 0200 0904 0906 0910 0912
0100: 0420
0400: 0100 0105 0115 0310 0402 0403 0404 0550 0551 0552 0561 0562 0563 0564 0565 0600
2030: 0020
2100: 0040 0050 0070 0140
2200: 0002 0005
3002: 0121 0123
3006: 0002 0004 0006 0008 0009 0024 0026 0028 002d 002e 0038 004d 004e 0085 0088 00a6 00c2
3008: 0024 0025 0054 0056 0105 0162 0164 0166 0168 0250 0251
300a: 0002 0003 0004 0006 0007 000b 000e 0013 0016 0054 0072 0083 00b2 00c3 00dd 0196 01a6 01b2 0216 022c 022e
      02eb 0608 0609 0611 0615 0619 0623 062a 0650 0676 067c 067d 0700 0734 0736 073a 0741 0742 0760 0783 0785
      078e 0792 0794 079a
300c: 0113 0127
300e: 0004 0005 0008
3010: 0006 000b 000f 0013 0015 0017 001b 002d 0031 0033 0034 0035 0036 0037 0038 003b 0043 004c 004d 0054 0056
      005a 005c 0061 006e 006f 0077 007a 007b 007f 0081 0085
4000: 0010 4000
4008: 0040 0042 0100 0101 0102 0108 0109 010a 010b 010c 0111 0112 0113 0114 0115 0118 0119 011a 0200 0202 0300
      4000
fffa: fffa
fffc: fffc
"""
#: What is shown nevertheless, beside UIDs, dates and times.
PATIENT_CHARACTERISTICS = {
    "PatientSex", "PatientSexNeutered", "PatientAge", "PatientSize", "PatientWeight", "EthnicGroup",
    "EthnicGroupCodeSequence", "PreMedication",
}  # fmt: skip
REFERENCES = {  # Retain UIDs keeps them
    "ReferencedStudySequence", "ReferencedPerformedProcedureStepSequence", "ReferencedPatientSequence",
    "ReferencedImageSequence", "SourceImageSequence",
}  # fmt: skip
TIMES = {"TimezoneOffsetFromUTC", "FrameOriginTimestamp"}
DESCRIPTIONS = re.compile("(Description|Label|Name|Sites?|Agent)$")


def _basic_profile():
    group = ""
    for word in BASIC_PROFILE.split():
        if word.endswith(":"):
            group = word[:-1]
        else:
            yield int(group + word, 16)


def test_the_basic_profile_is_hidden_but_for_what_tables_live_by():
    shown = set()
    for tag in _basic_profile():
        keyword = keyword_for_tag(tag) or f"{tag >> 16:04x},{tag & 0xFFFF:04x}"
        vr = dictionary_VR(tag) if "," not in keyword else ""
        if not privacy.hides(keyword, vr) and vr not in ("UI", "DA", "DT", "TM"):
            shown.add(keyword)
    assert len(list(_basic_profile())) == 652
    assert shown >= PATIENT_CHARACTERISTICS | REFERENCES
    odd = {
        keyword for keyword in shown - PATIENT_CHARACTERISTICS - REFERENCES - TIMES if not DESCRIPTIONS.search(keyword)
    }
    assert not odd, odd
    assert not {
        keyword
        for keyword in shown
        if re.search("Physician|Operator|Patient.*Name|Institution|Station|Comment", keyword)
    }


@pytest.mark.parametrize(
    "keyword", ["0010,0011", "0040,b034", "6000,3000", "OverlayData", "CurveData", "GPSLatitude", "MakerNote"]
)
def test_what_the_dictionary_does_not_know_and_what_nobody_looks_for_is_hidden(keyword):
    assert privacy.hides(keyword)
