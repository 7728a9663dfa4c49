"""The workflow database: made when it is needed, kept, brought up to date, and never thrown away silently."""

import sqlite3

import pytest
from pacs_requests import CT, made, normalized, store

from nbdicom.errors import PacsError
from nbdicom.pacs import Pacs
from nbdicom.pacs.workflow.database import Database, dump, load

ENTRY = {"PatientName": "Doe^John", "PatientID": "1", "Modality": "CT", "ScheduledStationAETitle": "CT1"}


def test_a_store_from_before_opens(tmp_path):
    """A folder that has objects and an index, and nothing else."""
    with Pacs(tmp_path, durability="none") as pacs:
        store(pacs.handlers(), made())
    for path in tmp_path.glob("workflow.sqlite*"):
        path.unlink()
    with Pacs(tmp_path, durability="none") as pacs:
        assert pacs.counts()["instances"] == 1
        pacs.worklist.add(ENTRY)
    with Pacs(tmp_path, durability="none") as pacs:
        assert len(pacs.worklist) == 1


def test_the_index_may_go_and_the_workflow_stays(tmp_path):
    with Pacs(tmp_path, durability="none") as pacs:
        store(pacs.handlers(), made())
        pacs.worklist.add(ENTRY)
    (tmp_path / "index.sqlite").write_bytes(b"rubbish" * 1000)
    with Pacs(tmp_path, durability="none") as pacs:
        assert (pacs.counts()["instances"], len(pacs.worklist)) == (1, 1)


@pytest.mark.parametrize("version", [0, 1])
def test_it_is_brought_up_to_date(tmp_path, version):
    """An empty file, and one that is as it should be."""
    path = tmp_path / "workflow.sqlite"
    Database(path).close() if version else sqlite3.connect(path).close()
    database = Database(path)
    with database.write() as connection:
        connection.execute("INSERT INTO availability VALUES ('1', 'A', 'now', '{}')")
    database.close()


@pytest.mark.parametrize("harm", ["PRAGMA user_version = 99", "PRAGMA application_id = 7"])
def test_a_file_of_another_version_or_kind_is_left_alone(tmp_path, harm):
    path = tmp_path / "workflow.sqlite"
    Database(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute(harm)
    connection.close()
    before = path.read_bytes()
    with pytest.raises(PacsError, match="newer version"):
        Pacs(tmp_path, durability="none").start()
    assert path.read_bytes() == before
    path.unlink()
    Pacs(tmp_path, durability="none").start().stop()  # the folder and the port were let go


def test_a_damaged_file_is_set_aside(tmp_path, caplog):
    with Pacs(tmp_path, durability="none") as pacs:
        pacs.worklist.add(ENTRY)
    (tmp_path / "workflow.sqlite").write_bytes(b"rubbish" * 1000)
    with Pacs(tmp_path, durability="none") as pacs:
        assert len(pacs.worklist) == 0
    (aside,) = tmp_path.glob("workflow.sqlite.damaged-*")
    assert aside.read_bytes() == b"rubbish" * 1000
    assert "set aside" in caplog.text


def test_a_file_that_cannot_be_written(pacs, handlers):
    """A full disk, say: nothing is half done, and the peer is told."""
    database = pacs._opened()._database
    database._connection.execute("PRAGMA query_only = ON")
    with pytest.raises(PacsError, match="fails"):
        pacs.worklist.add(ENTRY)
    attributes = {
        "TransactionUID": "9.1",
        "ReferencedSOPSequence": [{"ReferencedSOPClassUID": CT, "ReferencedSOPInstanceUID": "1.2"}],
    }
    with pytest.raises(PacsError):  # which an operation answers with 0110H
        normalized(
            handlers, "n_action", "StorageCommitmentPushModel", "1.2.840.10008.1.20.1.1", attributes, action_type_id=1
        )
    database._connection.execute("PRAGMA query_only = OFF")
    assert (len(pacs.worklist), pacs.reports.pending()) == (0, 0)


def test_a_transaction_is_whole_or_not_at_all(tmp_path):
    database = Database(tmp_path / "workflow.sqlite")
    with pytest.raises(ZeroDivisionError):
        with database.write() as connection:
            connection.execute("INSERT INTO availability VALUES ('1', 'A', 'now', '{}')")
            1 / 0  # noqa: B018
    with database.read() as connection:
        assert connection.execute("SELECT count(*) FROM availability").fetchone() == (0,)
    database.close()


def test_data_sets_are_kept_as_they_are():
    attributes = {
        "PatientName": "Köhler",
        "Rows": 3,
        "0009,1001": b"\x00\xff",
        "ContentSequence": [{"TextValue": ""}, {}],
    }
    assert load(dump(attributes)) == attributes
