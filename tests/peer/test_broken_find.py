"""A C-FIND that breaks off in the middle: what had come is kept, and says so."""

from contextlib import contextmanager
from dataclasses import replace

import pandas as pd
import pytest

import nbdicom as nd
from nbdicom.cli import main
from nbdicom.config import Timeouts
from nbdicom.core.command import CFindRQ
from nbdicom.data import codec
from nbdicom.errors import (
    AssociationAborted,
    OperationFailed,
    OperationTimeout,
)
from nbdicom.peer import Peer, UndecodableValues
from tests.drivers.scripted import A_ABORT_USER, EXPLICIT, Scripted, a_abort

ROWS = 3
LIMIT = 60
#: who breaks off answers no release either
TIMEOUTS = Timeouts(
    connect=LIMIT, association=LIMIT, dimse=LIMIT, network=LIMIT, cancel=0.3, release=0.3, closing=0.02, linger=0
)


def identifier(number, level="STUDY"):
    values = {"QueryRetrieveLevel": level, "PatientID": f"P{number}", "StudyInstanceUID": f"1.2.{number}"}
    if level == "SERIES":
        values["SeriesInstanceUID"] = f"1.2.{number}.1"
    return codec.encode(values, EXPLICIT)


def answer(wire, asked, status, data=None):
    wire.answer(asked, status, data, affected_sop_class_uid=asked.message.affected_sop_class_uid)


def then(act, rows=ROWS, **changes):
    """A script: so many answers, and then *act*."""

    def script(wire):
        asked = wire.request(CFindRQ)
        level = codec.decode(asked.data, EXPLICIT).QueryRetrieveLevel
        for number in range(rows):
            wire.answer(
                asked, 0xFF00, identifier(number, level), affected_sop_class_uid=asked.message.affected_sop_class_uid
            )
        act(wire, asked)

    return script


@contextmanager
def playing(*acts, rows=ROWS, peer_of=Peer):
    timeouts = replace(TIMEOUTS, dimse=1) if is_silent in acts else TIMEOUTS
    with Scripted(*(then(act, rows) for act in acts)) as scripted:
        yield peer_of("SCP", *scripted.address, timeouts=timeouts)


def aborts(wire, asked):
    wire.send(A_ABORT_USER)


def provider_aborts(wire, asked):
    wire.send(a_abort(6))


def ends(wire, asked):
    wire.finish()
    wire.rest()


def is_silent(wire, asked):
    wire.rest()


def fails(status):
    def act(wire, asked):
        answer(wire, asked, status)
        wire.rest()

    return act


def sends_garbage(wire, asked):
    wire.send(b"\xff" * 64)
    wire.rest()


def answers_another(wire, asked):
    asked.message.message_id += 7
    fails(0)(wire, asked)


@pytest.mark.parametrize(
    ("act", "error", "words"),
    [
        (aborts, AssociationAborted, "aborted"),
        (provider_aborts, AssociationAborted, "aborted"),
        (ends, AssociationAborted, "connection"),
        (is_silent, OperationTimeout, "1 s"),
        (fails(0xA700), OperationFailed, "A700H"),
        (fails(0xC001), OperationFailed, "C001H"),
        (sends_garbage, AssociationAborted, "PDU of unknown type"),
        (answers_another, AssociationAborted, "Message ID"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_had_come_is_kept(peer_of, act, error, words):
    with playing(act, peer_of=peer_of) as peer, pytest.raises(error, match=words) as caught:
        peer.studies()
    kept = caught.value.results
    assert type(kept) is pd.DataFrame and kept.StudyInstanceUID.tolist() == ["1.2.0", "1.2.1", "1.2.2"]
    assert "3 answers had come" in str(caught.value) and ".results" in str(caught.value)
    about = kept.dicom.provenance
    assert about["responses"] == 3 and about["truncated"] is True and about["peer"] == peer.address
    assert about["incomplete"] and about["incomplete"] in caught.value.message
    assert "INCOMPLETE" in kept.dicom.caption and kept.dicom.truncated
    assert "P1" not in str(caught.value) and "P1" not in str(caught.value.report())


def test_nothing_is_kept_where_nothing_had_come(peer_of):
    with playing(aborts, rows=0, peer_of=peer_of) as peer, pytest.raises(AssociationAborted) as caught:
        peer.studies()
    assert caught.value.results is None and "had come" not in str(caught.value)


def test_what_earlier_queries_brought_is_kept(peer_of):
    def goes_on(wire, asked):
        fails_next = then(fails(0xC000), rows=1)
        answer(wire, asked, 0)
        fails_next(wire)

    with playing(goes_on, peer_of=peer_of) as peer, pytest.raises(OperationFailed) as caught:
        peer.series(StudyInstanceUID=["1.2.1", "1.2.2", "1.2.3"])
    kept = caught.value.results
    assert len(kept) == 4
    assert (kept.dicom.provenance["answered"], kept.dicom.provenance["queries"]) == (1, 3)


def test_the_rows_lead_on_and_survive_a_file(tmp_path):
    with playing(aborts) as peer, pytest.raises(AssociationAborted) as caught:
        peer.studies()
    kept = caught.value.results
    assert kept.dicom.peer == peer
    kept.dicom.save(tmp_path / "kept.parquet")
    assert "INCOMPLETE" in nd.read_table(tmp_path / "kept.parquet").dicom.caption


def test_datasets_are_kept_as_datasets(peer_of):
    with playing(fails(0xC001), peer_of=peer_of) as peer, pytest.raises(OperationFailed) as caught:
        peer.find("STUDY", raw=True)
    assert [one.StudyInstanceUID for one in caught.value.results] == ["1.2.0", "1.2.1", "1.2.2"]


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
def test_an_identifier_that_is_no_data_set_takes_no_other_with_it(raw):
    no_end = b"\x40\0\x30\xa7SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\0\xe0\xff\xff\xff\xff"  # of a sequence and its item
    broken = identifier(9) + no_end

    def goes_on(wire, asked):
        answer(wire, asked, 0xFF00, broken)
        answer(wire, asked, 0xFF00, identifier(7))
        answer(wire, asked, 0)
        wire.released()

    with playing(goes_on) as peer, pytest.warns(UndecodableValues, match="1 of 5 answers") as caught:
        found = peer.find("STUDY", raw=raw)
    uids = [one.StudyInstanceUID for one in found] if raw else found.StudyInstanceUID.tolist()
    assert uids == ["1.2.0", "1.2.1", "1.2.2", "1.2.7"]
    ((data, syntax),) = caught[0].message.answers
    assert data == broken and syntax == EXPLICIT
    assert caught[0].filename == __file__


def test_an_interrupt_keeps_what_had_come(peer_of):
    def is_whole(wire, asked):
        answer(wire, asked, 0)
        wire.rest()

    def interrupted(done, total):
        raise KeyboardInterrupt

    with playing(is_whole, peer_of=peer_of) as peer, pytest.raises(KeyboardInterrupt) as caught:
        peer.series(StudyInstanceUID=["1.2.1", "1.2.2"], progress=interrupted)
    assert "3 answers had come" in caught.value.__notes__[0] and ".results" in caught.value.__notes__[0]
    assert len(caught.value.results) == 3
    assert caught.value.results.dicom.provenance["incomplete"] == "interrupted"


def test_the_form_shows_what_had_come():
    with playing(aborts) as peer:
        form = nd.QueryForm(peer)
        with pytest.raises(AssociationAborted):
            form.search().wait(LIMIT)
    shown = form._status.value
    assert "role='alert'" in shown and "aborted" in shown and "INCOMPLETE" in shown
    assert "3 answers had come" in shown and "shown below" in shown and "sys." not in shown
    assert form.results.StudyInstanceUID.tolist() == ["1.2.0", "1.2.1", "1.2.2"]
    assert len(form.grid.rows.options) == 3 and form.grid.widget.layout.display == ""
    assert not form.search_button.disabled and form.cancel_button.resting


def test_the_browser_shows_what_had_come():
    with playing(fails(0xC001)) as peer:
        browser = nd.Browser(peer)
        with pytest.raises(OperationFailed):
            browser.load().wait(LIMIT)
    shown = browser._status.value
    assert "role='alert'" in shown and "C001H" in shown and "Patients: 3, INCOMPLETE" in shown
    assert len(browser.lists["PATIENT"].options) == 3 and not browser.lists["PATIENT"].disabled


@pytest.mark.parametrize("shape", [[], ["--json"], ["--csv"]])
def test_the_command_prints_what_had_come(shape, capsys):
    with playing(aborts) as peer:
        assert main(["find", str(peer.address), *shape]) == 1
    said = capsys.readouterr()
    assert "1.2.0" in said.out and "1.2.2" in said.out
    assert "3 answers had come" in said.err and "printed above" in said.err and "1.2.0" not in said.err
