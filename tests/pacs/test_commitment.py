"""Storage commitment: a promise only for what was read back as it came, and a reason for everything else (PS3.4 Annex J)."""

import pytest
from pacs_requests import CT, MR, made, normalized, store

from nbdicom.pacs import Pacs
from nbdicom.pacs.workflow.commitment import read_back
from nbdicom.pacs.workflow.database import load

CLASS, INSTANCE = "StorageCommitmentPushModel", "1.2.840.10008.1.20.1.1"
PRINTER = "1.2.840.10008.5.1.1.16"


@pytest.fixture(params=["full", "none"])
def pacs(request, tmp_path):
    """With and without durability: without, the promise is what brings an object onto the disk."""
    pacs = Pacs(tmp_path / "root", durability=request.param)
    for number in (1, 2, 3):
        assert store(pacs.handlers(), made(number)) == 0x0000
    yield pacs
    pacs.stop()


def references(*instances):
    return [{"ReferencedSOPClassUID": sop_class, "ReferencedSOPInstanceUID": uid} for sop_class, uid in instances]


def ask(pacs, *instances, transaction="9.1", **command):
    attributes = {"TransactionUID": transaction, "ReferencedSOPSequence": references(*instances)}
    return normalized(pacs.handlers(), "n_action", CLASS, INSTANCE, attributes, **{"action_type_id": 1, **command})


def promised(pacs, number=0):
    """What the report says that would be delivered now: event type, committed, and failed with their reasons."""
    reports = pacs.reports
    with pacs._opened()._database.read() as connection:
        rows = connection.execute("SELECT id FROM reports ORDER BY id").fetchall()
        fields = connection.execute(
            "SELECT id, ae_title, sop_class, sop_instance, subject, event_type, information FROM reports WHERE id = ?",
            rows[number],
        ).fetchone()
    from nbdicom.pacs.workflow.reports import Report

    report = reports._completed(Report(*fields[:6], load(fields[6])))
    said = report.information
    failed = {i["ReferencedSOPInstanceUID"]: i["FailureReason"] for i in said.get("FailedSOPSequence", ())}
    safe = [i["ReferencedSOPInstanceUID"] for i in said.get("ReferencedSOPSequence", ())]
    assert said.get("RetrieveAETitle", pacs.ae_title) == pacs.ae_title
    return report.event_type, safe, failed


def test_everything_is_safe(pacs):
    assert ask(pacs, (CT, "1.2.3.1"), (CT, "1.2.3.2")) is None
    assert promised(pacs) == (1, ["1.2.3.1", "1.2.3.2"], {})
    assert "9.1" in str(pacs.commitments)


def damage(path):
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("harm", "reference", "reason"),
    [
        pytest.param(damage, (CT, "1.2.3.2"), 0x0110, id="another bit"),
        pytest.param(lambda path: path.write_bytes(path.read_bytes()[:-2]), (CT, "1.2.3.2"), 0x0110, id="shorter"),
        pytest.param(lambda path: path.unlink(), (CT, "1.2.3.2"), 0x0110, id="gone"),
        pytest.param(None, (CT, "1.2.3.9"), 0x0112, id="never stored"),
        pytest.param(None, (MR, "1.2.3.2"), 0x0119, id="another class"),
        pytest.param(None, (PRINTER, "1.2.3.9"), 0x0122, id="class that is not stored"),
    ],
)
def test_one_is_not(pacs, harm, reference, reason):
    if harm is not None:
        harm(pacs.instance("1.2.3.2").path)
    assert ask(pacs, (CT, "1.2.3.1"), reference, (CT, "1.2.3.3")) is None
    assert promised(pacs) == (2, ["1.2.3.1", "1.2.3.3"], {reference[1]: reason})


def test_a_transaction_uid_is_used_once(pacs):
    ask(pacs, (CT, "1.2.3.1"))
    assert ask(pacs, (CT, "1.2.3.2")) is None
    assert promised(pacs, 1) == (2, [], {"1.2.3.2": 0x0131})
    assert promised(pacs, 0) == (1, ["1.2.3.1"], {})
    ask(pacs, (CT, "1.2.3.2"), calling="ANOTHER")  # whose Transaction UIDs are its own affair
    assert promised(pacs, 2)[0] == 1


@pytest.mark.parametrize(
    ("attributes", "uid", "number", "status"),
    [
        ({"TransactionUID": "9.1"}, INSTANCE, 1, 0x0120),
        ({"TransactionUID": "9.1", "ReferencedSOPSequence": []}, INSTANCE, 1, 0x0121),
        ({"ReferencedSOPSequence": references((CT, "1.2.3.1"))}, INSTANCE, 1, 0x0120),
        ({"TransactionUID": "9.1", "ReferencedSOPSequence": [{"ReferencedSOPClassUID": CT}]}, INSTANCE, 1, 0x0120),
        (b"\x01\x02", INSTANCE, 1, 0x0110),
        ({"TransactionUID": b"9.\xfc", "ReferencedSOPSequence": references((CT, "1.2.3.1"))}, INSTANCE, 1, 0x0110),
        ({}, "1.2.3", 1, 0x0112),
        ({}, INSTANCE, 2, 0x0123),
    ],
)
def test_requests_that_are_none(pacs, attributes, uid, number, status):
    assert normalized(pacs.handlers(), "n_action", CLASS, uid, attributes, action_type_id=number) == status
    assert pacs.reports.pending() == 0


def test_an_object_is_read_once_however_often_it_is_named(pacs, monkeypatch):
    read = []

    def counted(instance, *, sync):
        read.append(str(instance.sop_instance_uid))
        return read_back(instance, sync=sync)

    monkeypatch.setattr("nbdicom.pacs.workflow.commitment.read_back", counted)
    ask(pacs, *[(CT, "1.2.3.1"), (CT, "1.2.3.2")] * 100)
    assert promised(pacs) == (1, ["1.2.3.1", "1.2.3.2"] * 100, {})
    assert read == ["1.2.3.1", "1.2.3.2"]


def test_a_request_outlives_the_server(pacs):
    """Asked, and then the power fails before anything was read back."""
    ask(pacs, (CT, "1.2.3.1"))
    root, durability = pacs.root, pacs.durability
    pacs.stop()
    again = Pacs(root, durability=durability)
    try:
        assert again.reports.pending() == 1
        assert promised(again) == (1, ["1.2.3.1"], {})
    finally:
        again.stop()
