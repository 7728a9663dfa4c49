"""Recordings in files: nothing of a patient in them, everything of the protocol; damaged ones say where."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nbdicom as nd
from nbdicom.core import pdu as p
from nbdicom.core.command import CFindRSP, encode_command
from nbdicom.core.events import Disconnected
from nbdicom.core.trace import MessageReceived, PDUReceived, PDUSent
from nbdicom.data import encode_elements
from nbdicom.errors import TranscriptError
from nbdicom.trace import Recorder, Recording, load
from nbdicom.trace.capture import load_capture
from nbdicom.trace.redact import redact_data_set

from .conftest import FIND
from .test_dissection import FILES, encoded

EXPLICIT, IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"


def shape(wire: Recording) -> list[tuple]:
    """What redaction must not change."""
    return [
        (e.number, e.association, type(e.event), e.event.time, getattr(e.event, "length", 0),
         len(getattr(e.event, "data", "")))
        for e in wire.entries
        if not type(e.event).__module__.endswith("events") or isinstance(e.event, Disconnected)
    ]  # fmt: skip


def conversation(peer: nd.Peer, **recording: object) -> Recorder:
    with nd.record(**recording) as wire:
        assert len(peer.studies(PatientName="Marlowe*", PatientID="SECRET")) == 4
    return wire


@pytest.mark.parametrize("max_pdu", [8, 40, 16_384])
@pytest.mark.parametrize("payload", [0, 5, 60, None])
def test_no_patient_in_a_file_and_every_length_as_it_was(
    server: nd.Server, tmp_path: Path, max_pdu: int, payload: int | None
) -> None:
    wire = conversation(nd.Peer("PACS", *server.address, max_pdu=max_pdu), payload=payload)
    path = wire.save(tmp_path / "wire.jsonl")
    text = path.read_text()
    raw = b"".join(e.event.data for e in load(path).entries if isinstance(e.event, PDUSent | PDUReceived))
    for word in ("Marlowe", "Anna", "SECRET", "Marl", "ECRE"):
        assert word not in text and word.encode().hex() not in text and word.encode() not in raw
    again = load(path)
    assert shape(again) == shape(wire)
    assert str(again.ladder()) == str(wire.ladder()) and again.summary().rows == wire.summary().rows
    assert [str(s) for s in again.states(1).states] == [str(s) for s in wire.states(1).states]


def test_what_was_written_as_it_is_comes_back_as_it_was(peer: nd.Peer, tmp_path: Path) -> None:
    wire = conversation(peer)
    again = load(wire.save(tmp_path / "whole.jsonl", redact=False))
    kept = [e for e in wire.entries if type(e.event) in {type(one.event) for one in again.entries}]
    assert list(again.entries) == kept and list(again.associations) == list(wire.associations)
    assert again[3].data["PatientName"].fields[-1].value == "Marlowe^Anna0"
    assert str(again[3]) == str(wire[3])


def test_names_and_separators(peer: nd.Peer) -> None:
    hidden = conversation(peer).redacted()
    assert hidden[2].data["PatientName"].fields[-1].value == "XXXXXXX*"
    assert hidden[2].data["QueryRetrieveLevel"].fields[-1].value == "STUDY"
    assert hidden[3].data["PatientName"].fields[-1].value == "XXXXXXX^XXXXX"
    assert hidden[3]["Status"].fields[-1].value == "FF00H Pending"


@pytest.mark.parametrize(
    ("keyword", "value", "after"),
    [
        ("PatientName", "Doe^Jane=\u5c71^\u82b1", "XXX^XXXX=XXX^XXX"),
        ("PatientID", "47 11\\AB", "XXXXX\\XX"),
        ("StudyDate", "20240229-20240301", "19000101-19000101"),
        ("PatientBirthDate", "19580412", "19000101"),
        ("StudyTime", "083000.5-", "000000.0-"),
        ("AcquisitionDateTime", "20240229083000", "19000101000000"),
        ("PatientAge", "063Y", "000Y"),
        ("PatientWeight", "70.5", "00.0"),
        ("NumberOfStudyRelatedSeries", "12", "00"),
        ("StudyInstanceUID", "1.2.3", "1.2.3"),
        ("Modality", "CT", "CT"),
        ("Rows", 512, 512),
        ("PixelData", b"picture.", bytes(8)),
        ("0009,1001", b"who knows?", bytes(10)),
        ("ScheduledProcedureStepSequence", [{"ScheduledPerformingPhysicianName": "Who^Ever"}], None),
    ],
)
@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT])
def test_the_policy_for_each_kind_of_value(keyword: str, value: object, after: object, syntax: str) -> None:
    raw = encode_elements({"SpecificCharacterSet": "ISO_IR 192", keyword: value}, syntax)
    hidden = redact_data_set(raw, syntax)
    assert len(hidden) == len(raw)
    if after is None:
        assert b"XXX^XXXX" in hidden and b"Who" not in hidden
    else:
        assert hidden == encode_elements({"SpecificCharacterSet": "ISO_IR 192", keyword: after}, syntax)


@pytest.mark.parametrize(("name", "depth"), FILES)
def test_whole_objects(name: str, depth: int) -> None:
    import pydicom
    from pydicom.data import get_testdata_file

    raw, syntax = encoded(name)
    hidden = redact_data_set(raw, syntax)
    assert len(hidden) == len(raw)
    dataset = pydicom.dcmread(str(get_testdata_file(name, download=False)))
    for element in dataset.iterall():
        if element.VR in ("PN", "LO", "SH", "LT", "ST", "UT") and len(str(element.value)) > 5:
            assert str(element.value).encode("latin-1", "replace") not in hidden
    for cut in range(0, min(len(raw), 1500), 13):
        part = redact_data_set(raw[:cut], syntax, cut=True)
        assert len(part) == cut
        assert all(a == b or b in b"\0 " for a, b in zip(hidden, part, strict=False))


@given(st.binary(max_size=200), st.sampled_from([EXPLICIT, IMPLICIT, None, "1.2.840.10008.1.2.1.99"]), st.booleans())
@settings(max_examples=300, deadline=None)
def test_what_cannot_be_read_becomes_zeros(raw: bytes, syntax: str | None, cut: bool) -> None:
    assert len(redact_data_set(raw, syntax, cut=cut)) == len(raw)
    if syntax in (None, "1.2.840.10008.1.2.1.99"):
        assert not any(redact_data_set(raw, syntax, cut=cut))


def test_a_recording_without_its_negotiation_tells_nothing(peer: nd.Peer) -> None:
    wire = Recorder(events=15, payload=None)
    with peer.associate([FIND], trace=wire) as association:
        list(association.find({"PatientID": "", "PatientName": "", "QueryRetrieveLevel": "STUDY"}))
    for side in wire.associations:
        side.associate_answer = b""
    data = b"".join(e.event.data for e in wire.redacted().entries if isinstance(e.event, PDUReceived))
    assert b"Marlowe" in b"".join(e.event.data for e in wire.entries if isinstance(e.event, PDUReceived))
    assert b"Marlowe" not in data and b"X" not in data


def test_comments_identities_and_rubbish() -> None:
    rsp = CFindRSP(message_id_being_responded_to=1, status=0xC001, error_comment="Doe^Jane not found")
    command = encode_command(rsp, data_set=False)
    rq = p.encode_pdu(
        p.AAssociateRQ(
            called_ae_title="PACS",
            calling_ae_title="ME",
            items=(
                p.UserInformation(
                    items=(p.UserIdentityRQ(user_identity_type=1, primary_field=b"joanna", secondary_field=b"pw"),)
                ),
            ),
        )
    )
    wire = Recorder(payload=None)
    trace = wire.association("requestor")
    assert trace is not None
    trace(PDUSent(0.0, 1, len(rq), rq))
    header = p.encode_pdu(
        p.PDataTF(items=(p.PresentationDataValue(context_id=1, message_control_header=3, fragment=command),))
    )
    trace(PDUReceived(1.0, 4, len(header), header))
    trace(MessageReceived(1.0, 1, rsp))
    trace(PDUReceived(2.0, 11, 60, b"\x0bMSH|^~\\&|PID|4711|Doe^Jane"))
    hidden = wire.redacted()
    text = str([e.event for e in hidden.entries]) + hidden.to_frame().to_string() + str(hidden[1])
    for word in ("Jane", "joanna", "4711", "b'pw"):
        assert word not in text
    assert "Error Comment (0000,0902)" in text and "PACS" in text and "XXXXXXXX" in text
    assert shape(hidden) == shape(wire)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is no transcript"),
        ("hello", "is no transcript"),
        ('{"format": "other"}', "is no transcript"),
        ("[1, 2]", "is no transcript"),
        ('{"format": "nbdicom transcript", "version": 99}', "version 99"),
        ('{"format": "nbdicom transcript", "version": 1}', "line 1: damaged"),
        ('{"format": "nbdicom transcript", "version": 1, "associations": []}\n{"n": 0', "line 2: damaged"),
        ('{"format": "nbdicom transcript", "version": 1, "associations": []}\n{"n": 0, "a": 0, "kind": "X"}', "line 2"),
        (
            '{"format": "nbdicom transcript", "version": 1, "associations": []}\n'
            '{"n": 0, "a": 0, "kind": "PDUSent", "time": "x", "pdu_type": 1, "length": 1, "data": "00"}',
            "line 2",
        ),
    ],
)
def test_damaged_files(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(text)
    with pytest.raises(TranscriptError, match=words):
        load(path)


@pytest.mark.parametrize("reader", [load, load_capture, nd.FakePeer, lambda path: nd.replay(path, "A@127.0.0.1:1")])
@pytest.mark.parametrize(("name", "words"), [("none", "none cannot be read: no such file"), ("", "is a directory")])
def test_what_cannot_be_read(tmp_path: Path, reader: Callable[[Path], object], name: str, words: str) -> None:
    with pytest.raises(TranscriptError, match=words):
        reader(tmp_path / name)


@pytest.mark.parametrize(("below", "words"), [("", "is a directory"), ("none/x.jsonl", "no such file or directory")])
def test_what_cannot_be_written_leaves_nothing(peer: nd.Peer, tmp_path: Path, below: str, words: str) -> None:
    with nd.record() as wire:
        peer.echo()
    (tmp_path / "folder").mkdir()
    with pytest.raises(TranscriptError, match=f"cannot be written: {words}"):
        wire.save(tmp_path / "folder" / below)
    assert [path.name for path in tmp_path.rglob("*")] == ["folder"]


def test_the_file_is_lines_of_json(peer: nd.Peer, tmp_path: Path) -> None:
    path = conversation(peer).save(tmp_path / "wire.jsonl")
    head, *lines = map(json.loads, path.read_text().splitlines())
    assert (head["format"], head["version"], head["redacted"]) == ("nbdicom transcript", 1, True)
    numbers = [line["n"] for line in lines]
    assert numbers == sorted(set(numbers)) and lines[0]["kind"] == "Transition"
    assert not list(tmp_path.glob("*.part"))
