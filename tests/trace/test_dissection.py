"""Bytes beside their fields: PDUs, items, command sets, data sets and elements, whole, cut off and broken."""

import html
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset
from pydicom.data import get_testdata_file
from pydicom.filereader import _read_file_meta_info, read_preamble

from nbdicom import privacy
from nbdicom.core import pdu as p
from nbdicom.core.command import MESSAGES, CFindRSP, encode_command
from nbdicom.core.negotiation import Proposal, context_of, propose
from nbdicom.data import encode_elements
from nbdicom.data.placed import placed_elements
from nbdicom.errors import DataSetError
from nbdicom.trace import dissect
from nbdicom.trace.dissection import Dissection, command_set, data_set, pdu
from nbdicom.uids import UID

EXPLICIT, IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"
RQ = propose(
    Proposal(
        called_ae_title="PACS",
        calling_ae_title="ME",
        contexts=(context_of("Verification"), context_of(("CT Image Storage", "JPEG2000Lossless"))),
        user_items=(
            p.UserIdentityRQ(user_identity_type=2, primary_field=b"joanna", secondary_field=b"open sesame"),
            p.SCPSCURoleSelection(sop_class_uid="1.2.840.10008.5.1.4.1.1.2", scu_role=1, scp_role=1),
        ),
    )
)


def leaves(d: Dissection) -> list:
    return [f for _, f, _ in d.walk() if not f.parts]


def value(d: Dissection, name: str) -> str:
    return next(f.value for _, f, _ in d.walk() if f.name == name)


@pytest.mark.parametrize(
    ("what", "field", "words", "table"),
    [
        (RQ, "Called AE title", "PACS", "PS3.8 Table 9-11"),
        (RQ, "Application context name", "DICOM Application Context Name (1.2.840.10008.3.1.1.1)", "PS3.8 Table 9-12"),
        (RQ, "Abstract syntax name", "Verification SOP Class (1.2.840.10008.1.1)", "PS3.8 Table 9-14"),
        (RQ, "User identity type", "username-and-passcode (2)", "PS3.7 Table D.3-14"),
        (p.AAssociateRJ(result=2, source=3, reason_diag=2), "Reason diag.", "local-limit-exceeded (2)", "PS3.8 Table 9-21"),
        (p.AAssociateRJ(result=1, source=1, reason_diag=3), "Result", "permanent (1)", "PS3.8 Table 9-21"),
        (p.AAbort(source=2, reason_diag=6), "Reason diag.", "invalid-pdu-parameter-value (6)", "PS3.8 Table 9-26"),
        (p.AAbort(source=0, reason_diag=6), "Reason diag.", "not significant (6)", "PS3.8 Table 9-26"),
        (p.MaximumLength(maximum_length_received=16384), "Maximum length received", "16384", "PS3.8 Table D.1-1"),
        (p.UserIdentityAC(server_response=b"x"), "Item type", "59H User Identity (answered)", "PS3.7 Table D.3-15"),
        (p.PresentationContextAC(context_id=3, result=4), "Result", "transfer-syntaxes-not-supported (4)",
         "PS3.8 Table 9-18"),
        (p.UnknownItem(0x7E, b"ab"), "Data", "61 62", "PS3.8 9.3.1"),
        (p.UserIdentityRQ(user_identity_type=1, primary_field=b"ada"), "Primary field", "61 64 61: ada",
         "PS3.7 Table D.3-14"),
        (p.UserIdentityRQ(user_identity_type=5, primary_field=b"ada"), "Primary field", "2a 2a 2a", "PS3.7 Table D.3-14"),
        (p.SOPClassExtendedNegotiation(
            sop_class_uid=UID.of("StudyRootQueryRetrieveInformationModelGet"), service_class_application_information=b"\1"
         ), "Service class application information", "01: relational retrieval", "PS3.7 Table D.3-11"),
        (p.SOPClassExtendedNegotiation(sop_class_uid=UID("1.2.3"), service_class_application_information=b"\1"),
         "Service class application information", "01", "PS3.7 Table D.3-11"),
    ],
)  # fmt: skip
def test_a_field_in_words(what: object, field: str, words: str, table: str) -> None:
    dissection = dissect(what)
    found = next(f for _, f, _ in dissection.walk() if f.name == field)
    assert (found.value, found.table) == (words, table)
    assert words in str(dissection) or len(words) > 40
    assert html.escape(words) in dissection._repr_html_()


@pytest.mark.parametrize("cls", [c for c in vars(p).values() if isinstance(c, type) and issubclass(c, p.Item)])
def test_every_item_can_be_looked_at_alone(cls: type) -> None:
    if cls is p.Item:
        return
    if cls is p.UnknownItem:
        item = cls(0x7E, b"")
    else:
        blank = {"UID": p.UID("1.2"), "int": 1}
        needed = {
            f.name: blank["int"] if "int" in str(f.type) else blank["UID"]
            for f in cls.__dataclass_fields__.values()
            if f.default is f.default_factory
        }
        item = cls(**needed)
    found = dissect(item)
    assert found.title.startswith(cls.name) and found.fields[0].name == "Item type"


@pytest.mark.parametrize("message", MESSAGES.values(), ids=lambda m: m.name)
def test_every_command_set_is_told_from_its_dictionary(message: type) -> None:
    values = dict.fromkeys(message.mandatory, 1)
    values |= {n: "1.2.3" for n in values if n.endswith("_uid") or n == "move_destination"}
    values |= {"status": 0} if "status" in values else {}
    made = dissect(message(**values))
    assert made.title == f"Command set of {message.name} ({message.table})"
    assert [f.start for f in made.fields] == [0, *[f.stop for f in made.fields[:-1]]]
    assert not any("Unknown" in f.name for f in made.fields)
    field = next(f for f in made.fields if f.name.startswith("Command Field"))
    assert field.value == f"{message.command_field:04X}H {message.name}"


def test_an_element_of_a_command_set_alone() -> None:
    rsp = CFindRSP(message_id_being_responded_to=7, status=0xA700)
    alone = dissect(rsp)["Status"]
    assert [(f.name, f.value) for f in alone.fields] == [
        ("Tag", "(0000,0900)"), ("Value length", "2"), ("Value", "A700H Failure: Refused: out of resources"),
    ]  # fmt: skip


def test_secrets_are_never_shown() -> None:
    d = dissect(RQ)
    for text in (str(d), d._repr_html_(), str(d["User Identity (proposed)"]), d.to_frame().to_string()):
        assert "sesame" not in text and "open" not in text
        assert b"open".hex() not in text and b"open".hex(" ") not in text


@given(st.binary(max_size=300))
@settings(max_examples=300, deadline=None)
def test_rubbish_is_shown_as_far_as_it_goes(raw: bytes) -> None:
    for d in (dissect(raw), pdu(raw), command_set(raw), data_set(raw, IMPLICIT), data_set(raw, EXPLICIT, 10_000)):
        assert str(d) and d._repr_html_()
        for field in leaves(d):
            assert 0 <= field.start <= field.stop <= len(raw)


@pytest.mark.parametrize("cut", range(0, 330, 7))
def test_a_pdu_of_which_only_the_beginning_was_kept(cut: int) -> None:
    whole = p.encode_pdu(RQ)
    d = pdu(whole[:cut], len(whole))
    assert max((f.stop for f in leaves(d)), default=0) == min(cut, len(whole))
    assert ("the first" in d.heading) == (cut < len(whole))


@pytest.mark.parametrize(("user_items", "words"), [((), "longer than what holds it"), (None, "with its secret")])
def test_a_broken_item_hides_nothing_before_it(user_items: tuple | None, words: str) -> None:
    plain = Proposal(called_ae_title="PACS", calling_ae_title="ME", contexts=(context_of("Verification"),))
    raw = p.encode_pdu(RQ if user_items is None else propose(plain))
    broken = raw[:76] + b"\xff" + raw[77:]  # the length of the first item
    d = dissect(broken)
    assert value(d, "Calling AE title") == "ME"
    assert words in d.notes[0]
    assert "sesame" not in d._repr_html_()


# ------------------------------------------------------------------------------- data sets

FILES = [
    ("CT_small.dcm", 0), ("rtplan.dcm", 6), ("test-SR.dcm", 10), ("examples_jpeg2k.dcm", 4), ("nested_priv_SQ.dcm", 4),
    ("UN_sequence.dcm", 6), ("reportsi.dcm", 8),
]  # fmt: skip


def encoded(name: str) -> tuple[bytes, str]:
    with open(str(get_testdata_file(name, download=False)), "rb") as file:
        read_preamble(file, False)
        meta = _read_file_meta_info(file)
        return file.read(), str(meta.TransferSyntaxUID)


@pytest.mark.parametrize(("name", "depth"), FILES)
def test_every_byte_of_a_data_set_has_its_place(name: str, depth: int) -> None:
    raw, syntax = encoded(name)
    elements = list(placed_elements(raw, syntax))
    position = 0
    for element in elements:
        assert element.start == position, element.keyword
        position = element.value if element.holds_others else element.stop
    assert position == len(raw)
    assert max(e.depth for e in elements) >= depth


@pytest.mark.parametrize(("name", "depth"), FILES)
def test_the_beginning_of_a_data_set(name: str, depth: int) -> None:
    raw, syntax = encoded(name)
    for cut in range(0, min(len(raw), 900), 11):
        for element in placed_elements(raw[:cut], syntax, cut=True):
            assert element.stop <= cut


def test_what_has_no_place_for_elements() -> None:
    with pytest.raises(DataSetError, match="not taken apart"):
        list(placed_elements(b"", "1.2.840.10008.1.2.1.99"))
    with pytest.raises(DataSetError, match="not known"):
        list(placed_elements(b"", "1.2.3"))
    assert "not known" in data_set(b"abc", "1.2.3").notes[0]


def test_an_element_alone_and_in_a_sequence() -> None:
    d = dissect({"PatientName": "Doe^Jane", "ScheduledProcedureStepSequence": [{"Modality": "CT"}]})
    assert [(f.name, f.value, f.stop - f.start) for f in d["PatientName"].fields] == [
        ("Tag", "(0010,0010)", 4), ("VR", "PN", 2), ("Value length", "8", 2), ("Value", "Doe^Jane", 8),
    ]  # fmt: skip
    assert d["Modality"].data[-2:] == b"CT"
    assert d[1]["Modality"].data == d["Modality"].data
    with pytest.raises(KeyError, match="no field 'PatientID'"):
        d["PatientID"]
    dataset = Dataset()
    dataset.PatientID = "4711"
    assert value(dissect(dataset), "PatientID (0010,0020) LO") == "4711"
    implicit = dissect(encode_elements({"PatientID": "4711"}, IMPLICIT), IMPLICIT)
    assert implicit.fields[0].table == "PS3.5 Table 7.1-3"


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT])
def test_the_vr_that_implicit_encoding_does_not_say(syntax: str) -> None:
    """A private creator is text (PS3.5 7.8.1), pixels and waveforms are OW (PS3.5 A.1); a maker's own is not known."""
    dataset = Dataset()
    dataset.private_block(0x0029, "ACME 1", create=True).add_new(0x01, "LO", "ours")
    dataset.WaveformData, dataset.PixelData = b"\1\0", b"\0\1"
    dataset["WaveformData"].VR = dataset["PixelData"].VR = "OW"
    dataset.ICCProfile = b"\0\0"
    d = dissect(dataset, syntax)
    own = ("LO", "ours") if syntax == EXPLICIT else ("UN", "6f 75 72 73")
    assert [field.name for field in d.fields] == [
        "ICCProfile (0028,2000) OB", "Private creator (0029,0010) LO", f"Private (0029,1001) {own[0]}",
        "WaveformData (5400,1010) OW", "PixelData (7FE0,0010) OW",
    ]  # fmt: skip
    assert [d[1].fields[-1].value, d[2].fields[-1].value] == ["ACME 1", own[1]]
    assert dissect(b"\x08\0\xff\xffUN\0\0\0\0\0\0").fields[0].name == "Unknown (0008,FFFF) UN"


def test_character_sets_are_read() -> None:
    d = dissect({"SpecificCharacterSet": "ISO_IR 192", "PatientName": "Müller^Jörg"})
    assert value(d, "PatientName (0010,0010) PN") == "Müller^Jörg"


def test_masked_values_are_in_no_view() -> None:
    d = dissect({"Modality": "CT", "PatientID": "4711", "OtherPatientIDsSequence": [{"IssuerOfPatientID": "SECRET"}]})
    assert "4711" in str(d) and "SECRET" in d._repr_html_()
    with privacy.masked():
        for text in (str(d), d._repr_html_(), d.to_frame().to_string(), str(d["PatientID"]), d[2]._repr_html_()):
            for word in ("4711", "SECRET"):
                assert word not in text and word.encode().hex() not in text and word.encode().hex(" ") not in text
        assert "CT" in str(d)


@pytest.mark.filterwarnings("ignore:Found unknown escape sequence")
def test_what_a_peer_sent_is_escaped() -> None:
    evil = "<img src=x>"
    d = dissect(p.AAssociateRQ(called_ae_title=evil, calling_ae_title="\x1b[31m"))
    assert "<img" not in d._repr_html_() and "\x1b" not in str(d)
    assert "<img" not in dissect({"PatientID": evil, "PatientName": "\x1b[2J"})._repr_html_()


def test_fields_light_up_their_bytes_without_script() -> None:
    shown = dissect(p.AAbort(source=2, reason_diag=1))._repr_html_()
    rows = re.findall(r"<tr class='r(\d+)' tabindex='0' ", shown)
    assert rows == [str(k) for k in range(6)]
    for k in rows:
        assert f".nbd:has(.r{k}:hover) .h{k}" in shown and re.search(rf"<span class='[^']*\bh{k}\b", shown)
    assert "<script" not in shown and " onclick" not in shown


def test_long_data_is_shown_in_part() -> None:
    d = dissect(encode_command(CFindRSP(message_id_being_responded_to=1, status=0), data_set=False) + bytes(100_000))
    assert len(d._repr_html_()) < 200_000 and "bytes more" in d._repr_html_() and "more fields" in str(d)
