"""Workitems: every cell of PS3.4 Table CC.1.1-2, what may be changed by whom, subscriptions, and the reports that follow."""

import struct

import pytest
from pacs_requests import encode, normalized, worklist

from nbdicom.config import Limits
from nbdicom.data.values import tag_named
from nbdicom.errors import PacsError
from nbdicom.operations.requests import Refuse
from nbdicom.pacs import Pacs
from nbdicom.pacs.workflow.database import load
from nbdicom.pacs.workflow.subscriptions import FILTERED, GLOBAL

PUSH, WATCH, PULL, QUERY, EVENT = (
    f"UnifiedProcedureStep{name}" for name in ("Push", "Watch", "Pull", "Query", "Event")
)
UPS = "1.2.840.10008.5.1.4.34.6.1"
STATE = "ProcedureStepState"
PERFORMED = {
    "UnifiedProcedureStepPerformedProcedureSequence": [
        {
            "PerformedStationNameCodeSequence": [{"CodeValue": "CAD1"}],
            "PerformedProcedureStepStartDateTime": "20260705080000",
            "PerformedProcedureStepEndDateTime": "20260705081000",
            "PerformedWorkitemCodeSequence": [{"CodeValue": "110004"}],
        }
    ]
}
CHANGE, CANCEL, SUBSCRIBE, UNSUBSCRIBE, SUSPEND = range(1, 6)


@pytest.fixture
def pacs(pacs):
    # They are known, but the PACS does not run: nothing goes out.
    pacs.allow.update(WATCHER=("127.0.0.1", 1), OTHER=("127.0.0.1", 1))
    return pacs


def pushed(handlers, uid="1.1", odd=None, **changes):
    """The status of an N-CREATE; None is Success.  *odd* is a tag and the bytes that are sent in its place."""
    attributes = {
        STATE: "SCHEDULED",
        "ScheduledProcedureStepPriority": "MEDIUM",
        "ProcedureStepLabel": "CAD",
        "ScheduledProcedureStepStartDateTime": "20260705080000",
        "InputReadinessState": "READY",
        "PatientID": "P1",
        **changes,
    }
    attributes = {keyword: value for keyword, value in attributes.items() if value is not None}
    if odd is not None:
        parts = {tag_named(keyword): encode({keyword: value}) for keyword, value in attributes.items()}
        parts |= dict([odd])
        attributes = b"".join(parts[tag] for tag in sorted(parts))
    return normalized(handlers, "n_create", PUSH, uid, attributes)


def action(handlers, number, uid="1.1", under=None, **information):
    """The status of an N-ACTION; None is Success."""
    under = under or {CHANGE: PULL}.get(number, WATCH)
    return normalized(handlers, "n_action", under, uid, information, sop_class=UPS, action_type_id=number)


def change(handlers, state, transaction="9.9", uid="1.1"):
    return action(handlers, CHANGE, uid, **{STATE: state, "TransactionUID": transaction})


def subscribe(handlers, uid="1.1", lock="FALSE", ae_title="WATCHER", **keys):
    return action(handlers, SUBSCRIBE, uid, ReceivingAE=ae_title, DeletionLock=lock, **keys)


def brought_to(handlers, state, uid="1.1"):
    """A workitem in *state*; its Transaction UID is 9.9."""
    assert pushed(handlers, uid) is None
    if state != "SCHEDULED":
        assert change(handlers, "IN PROGRESS", uid=uid) is None
    if state == "COMPLETED":
        assert normalized(handlers, "n_set", PULL, uid, {"TransactionUID": "9.9", **PERFORMED}, sop_class=UPS) is None
    if state in ("COMPLETED", "CANCELED"):
        assert change(handlers, state, uid=uid) is None


def reports(pacs):
    """What waits to be delivered: recipient, event type, event information."""
    with pacs._opened()._database.read() as connection:
        rows = connection.execute("SELECT ae_title, event_type, information FROM reports ORDER BY id").fetchall()
    return [(ae_title, event_type, load(text)) for ae_title, event_type, text in rows]


# ------------------------------------------------------------------------------- states

STATES = ("SCHEDULED", "IN PROGRESS", "COMPLETED", "CANCELED")
#: requested state, Transaction UID: what is answered in each of STATES
TABLE = [
    ("SCHEDULED", "9.9", (0xC303, 0xC303, 0xC303, 0xC303)),
    ("IN PROGRESS", "9.9", (None, 0xC302, 0xC300, 0xC300)),
    ("IN PROGRESS", "8.8", (None, 0xC301, 0xC301, 0xC301)),
    ("IN PROGRESS", "", (0xC301, 0xC301, 0xC301, 0xC301)),
    ("COMPLETED", "9.9", (0xC310, 0xC304, 0xB306, 0xC300)),
    ("COMPLETED", "8.8", (0xC310, 0xC301, 0xC301, 0xC301)),
    ("CANCELED", "9.9", (0xC310, None, 0xC300, 0xB304)),
    ("CANCELED", "8.8", (0xC310, 0xC301, 0xC301, 0xC301)),
]


@pytest.mark.parametrize(
    ("state", "wanted", "transaction", "status"),
    [
        (state, wanted, transaction, status)
        for wanted, transaction, statuses in TABLE
        for state, status in zip(STATES, statuses, strict=True)
    ],
)
def test_change_of_state(pacs, handlers, state, wanted, transaction, status):
    brought_to(handlers, state)
    assert change(handlers, wanted, transaction) == status
    assert pacs.workitems.attributes("1.1")[STATE] == (wanted if status is None else state)


@pytest.mark.parametrize(
    ("state", "status", "after"),
    [
        ("SCHEDULED", None, "CANCELED"),
        ("IN PROGRESS", 0xC312, "IN PROGRESS"),
        ("COMPLETED", 0xC311, "COMPLETED"),
        ("CANCELED", 0xB304, "CANCELED"),
    ],
)
@pytest.mark.parametrize("under", [PUSH, WATCH])
def test_request_to_cancel(pacs, handlers, state, status, after, under):
    brought_to(handlers, state)
    assert action(handlers, CANCEL, under=under, ReasonForCancellation="wrong patient") == status
    assert pacs.workitems.attributes("1.1")[STATE] == after
    if state == "SCHEDULED":  # the final state has its reason and its time
        (progress,) = pacs.workitems.attributes("1.1")["ProcedureStepProgressInformationSequence"]
        assert progress["ReasonForCancellation"] == "wrong patient"
        assert progress["ProcedureStepCancellationDateTime"]


def test_a_completed_workitem_has_what_it_needs(pacs, handlers):
    brought_to(handlers, "IN PROGRESS")
    assert change(handlers, "COMPLETED") == 0xC304
    brought_to(handlers, "COMPLETED", "1.2")
    assert pacs.workitems.attributes("1.2")[STATE] == "COMPLETED"


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, None),
        ({STATE: "IN PROGRESS"}, 0xC309),
        ({STATE: None}, 0x0120),
        ({"ProcedureStepLabel": ""}, 0x0121),
        ({"ProcedureStepLabel": None}, 0x0120),
        ({"OtherPatientIDsSequence": [{"TypeOfPatientID": "TEXT"}]}, 0x0120),
        ({"ScheduledHumanPerformersSequence": [{"HumanPerformerName": "Doe^Jane"}]}, 0x0120),
        ({"ReferencedRequestSequence": [{"AccessionNumber": "A1"}]}, 0x0120),
        ({"ProcedureStepProgressInformationSequence": [{"ProcedureStepProgress": "0"}]}, 0x0106),
        (PERFORMED, 0x0106),
    ],
)
def test_what_is_pushed(pacs, handlers, changes, status):
    assert pushed(handlers, **changes) == status
    assert len(pacs.workitems) == (status is None)


@pytest.mark.parametrize(
    ("tag", "vr", "value"),
    [
        (0x00404018, b"LO", b"a\\bc"),  # ScheduledWorkitemCodeSequence: text
        (0x00404018, b"UI", b""),  # nothing is nothing, whatever it is of
        (0x00100020, b"US", b"\x07\x00"),  # PatientID: a number is as good as text
        (0x00100020, b"SQ", b"\xfe\xff\x00\xe0\x00\x00\x00\x00"),  # and an item is not
        (0x00100030, b"LO", "\xfc ".encode("latin-1")),  # PatientBirthDate
        (0x00280010, b"LO", b"many"),  # Rows
    ],
)
def test_an_odd_workitem_spoils_no_answer(handlers, tag, vr, value):
    """What is accepted can be asked for by everybody, and be sent."""
    length = struct.pack("<HI", 0, len(value)) if vr == b"SQ" else struct.pack("<H", len(value))
    odd = struct.pack("<HH2s", tag >> 16, tag & 0xFFFF, vr) + length + value
    status = pushed(handlers, "1.1", odd=(tag, odd))
    assert status == (None if value == b"" or vr == b"US" else 0x0110)
    assert pushed(handlers, "1.2") is None
    wanted = {"ScheduledWorkitemCodeSequence": [], "PatientID": "", "PatientBirthDate": "", "Rows": None}
    matches = worklist(handlers, QUERY, **wanted)
    assert [match["SOPInstanceUID"] for match in matches] == ["1.1", "1.2"][status is not None :]
    for match in matches:
        encode(match)
    assert worklist(handlers, QUERY, ScheduledWorkitemCodeSequence=[{"CodeValue": "1"}]) == []


def test_a_request_has_the_attributes_of_the_table(pacs, handlers):
    """Those of type 2 are there, without a value."""
    assert (
        pushed(handlers, ReferencedRequestSequence=[{"StudyInstanceUID": "1.2.3", "RequestedProcedureID": "R1"}])
        is None
    )
    (request,) = pacs.workitems.attributes("1.1")["ReferencedRequestSequence"]
    assert request["RequestedProcedureID"] == "R1"
    empty = ("AccessionNumber", "IssuerOfAccessionNumberSequence", "OrderPlacerIdentifierSequence",
             "OrderFillerIdentifierSequence", "RequestedProcedureDescription", "RequestedProcedureCodeSequence")  # fmt: skip
    assert not any(request[keyword] for keyword in empty)


def test_there_may_be_many(handlers):
    uids = [f"1.{number}" for number in range(1, 41)]  # more than are read at once
    for uid in uids:
        pushed(handlers, uid)
    assert [match["SOPInstanceUID"] for match in worklist(handlers, QUERY)] == uids


def test_room_is_left_on_the_disk(tmp_path):
    with_room = Pacs(tmp_path, durability="none")
    pushed(with_room.handlers(), "1.1")
    with_room.stop()
    pacs = Pacs(tmp_path, durability="none", limits=Limits(free_space=1 << 60))
    handlers = pacs.handlers()
    assert pushed(handlers, "1.2") == 0x0213
    assert normalized(handlers, "n_set", PULL, "1.1", {"ProcedureStepLabel": "CAD 2"}, sop_class=UPS) == 0x0213
    assert change(handlers, "IN PROGRESS") == 0x0213
    assert [match["SOPInstanceUID"] for match in worklist(handlers, QUERY)] == ["1.1"]
    pacs.stop()


def test_a_data_set_is_no_book(handlers):
    assert pushed(handlers, CommentsOnTheScheduledProcedureStep="x" * (17 << 20)) == 0x0213
    pushed(handlers, "1.1")
    keywords = ("ImageComments", "StudyComments", "VisitComments")
    book = [{keyword: "x" * (12 << 20)} for keyword in keywords]
    set_one = [normalized(handlers, "n_set", PULL, "1.1", page, sop_class=UPS) for page in book]
    assert set_one == [None, None, 0x0213]
    with pytest.raises(Refuse, match="A700H"):
        worklist(handlers, QUERY, PatientID=["x" * 60] * 300_000)


def test_no_workitem_twice_and_none_that_is_not_there(handlers):
    assert pushed(handlers) is None
    assert pushed(handlers) == 0x0111
    assert pushed(handlers, GLOBAL) == 0x0117
    for number in (CHANGE, CANCEL, SUBSCRIBE, UNSUBSCRIBE):
        information = {STATE: "IN PROGRESS", "TransactionUID": "9.9", "ReceivingAE": "WATCHER", "DeletionLock": "FALSE"}
        assert action(handlers, number, "1.2", **information) == 0xC307
    assert normalized(handlers, "n_get", PUSH, "1.2") == 0xC307
    assert normalized(handlers, "n_set", PULL, "1.2", {}, sop_class=UPS) == 0xC307


@pytest.mark.parametrize(
    ("state", "transaction", "status"),
    [
        ("SCHEDULED", None, None),
        ("SCHEDULED", "9.9", 0xC310),
        ("IN PROGRESS", "9.9", None),
        ("IN PROGRESS", None, 0xC301),
        ("IN PROGRESS", "8.8", 0xC301),
        ("COMPLETED", "9.9", 0xC300),
        ("CANCELED", "9.9", 0xC300),
    ],
)
def test_who_may_set_what(pacs, handlers, state, transaction, status):
    brought_to(handlers, state)
    changes = {"WorklistLabel": "Größe"} | ({} if transaction is None else {"TransactionUID": transaction})
    assert normalized(handlers, "n_set", PULL, "1.1", changes, sop_class=UPS) == status
    assert (pacs.workitems.attributes("1.1")["WorklistLabel"] == "Größe") == (status is None)


def test_the_state_is_not_set(handlers):
    brought_to(handlers, "IN PROGRESS")
    changes = {"TransactionUID": "9.9", STATE: "COMPLETED"}
    assert normalized(handlers, "n_set", PULL, "1.1", changes, sop_class=UPS) == 0x0106


@pytest.mark.parametrize(
    ("keyword", "value", "status"),
    [
        ("ProcedureStepLabel", "other", None),
        ("ProcedureStepLabel", "", 0x0121),
        ("WorklistLabel", "", 0x0121),
        ("InputReadinessState", "", 0x0121),
        ("CommentsOnTheScheduledProcedureStep", "", None),
        ("PatientID", "P1", None),  # it is that already
        ("PatientID", "P2", 0x0106),
        ("PatientName", "Roe^Richard", 0x0106),
        ("AdmissionID", "A1", 0x0106),
        ("OtherPatientIDsSequence", [{"PatientID": "P2"}], None),
    ],
)
def test_what_may_be_set(pacs, handlers, keyword, value, status):
    """PS3.4 Table CC.2.5-3, N-SET."""
    brought_to(handlers, "SCHEDULED")
    before = pacs.workitems.attributes("1.1")[keyword]
    assert normalized(handlers, "n_set", PULL, "1.1", {keyword: value}, sop_class=UPS) == status
    assert pacs.workitems.attributes("1.1")[keyword] == (value if status is None else before)


def test_the_transaction_uid_is_never_told(handlers):
    brought_to(handlers, "IN PROGRESS")
    for under in (PUSH, PULL, WATCH):
        assert "TransactionUID" not in normalized(handlers, "n_get", under, "1.1", sop_class=UPS)
    assert normalized(handlers, "n_get", PULL, "1.1", attribute_identifier_list=(0x00081195,), sop_class=UPS) == {}
    (match,) = worklist(handlers, PULL, TransactionUID="")
    assert match["TransactionUID"] == ""


@pytest.mark.parametrize("under", [PULL, WATCH, QUERY])
def test_queries(handlers, under):
    brought_to(handlers, "SCHEDULED", "1.1")
    brought_to(handlers, "IN PROGRESS", "1.2")
    pushed(handlers, "1.3", ScheduledWorkitemCodeSequence=[{"CodeValue": "110001"}], PatientName="Köhler^J")

    def found(**keys):
        return [match["SOPInstanceUID"] for match in worklist(handlers, under, **keys)]

    assert found() == ["1.1", "1.2", "1.3"]
    assert found(**{STATE: "SCHEDULED"}) == ["1.1", "1.3"]
    assert found(ScheduledWorkitemCodeSequence=[{"CodeValue": "110001"}]) == ["1.3"]
    assert found(PatientName="köh*") == ["1.3"]
    assert found(SOPInstanceUID=["1.1", "1.2"]) == ["1.1", "1.2"]
    assert found(ScheduledProcedureStepStartDateTime="20260705-") == ["1.1", "1.2", "1.3"]
    assert worklist(handlers, under, PatientName="", SOPInstanceUID="1.3") == [
        {"SOPClassUID": UPS, "SOPInstanceUID": "1.3", "PatientName": "Köhler^J"}
    ]


@pytest.mark.parametrize(
    ("service", "under", "number"),
    [
        ("n_set", PUSH, 0), ("n_set", WATCH, 0), ("n_create", PULL, 0), ("n_get", QUERY, 0), ("n_get", EVENT, 0),
        ("n_action", PUSH, CHANGE), ("n_action", PUSH, SUBSCRIBE), ("n_action", PULL, CANCEL), ("n_action", WATCH, CHANGE),
        ("n_action", WATCH, 6), ("n_action", QUERY, CHANGE),
    ],
)  # fmt: skip
def test_each_sop_class_has_its_own_operations(handlers, service, under, number):
    pushed(handlers)
    command = {"action_type_id": number} if number else {}
    expected = 0x0211 if not number or under == QUERY else 0x0123
    assert normalized(handlers, service, under, "1.1", {}, sop_class=UPS, **command) == expected


# ------------------------------------------------------------------------------- subscriptions and reports


def test_what_a_subscriber_is_told(pacs, handlers):
    pushed(handlers)
    assert subscribe(handlers) is None
    first = {STATE: "SCHEDULED", "InputReadinessState": "READY"}
    assert reports(pacs) == [("WATCHER", 1, first)]
    change(handlers, "IN PROGRESS")
    progress = [{"ProcedureStepProgress": "50"}]
    normalized(handlers, "n_set", PULL, "1.1", sop_class=UPS, attributes={
        "TransactionUID": "9.9", "ProcedureStepProgressInformationSequence": progress})  # fmt: skip
    station = [{"CodeValue": "CAD2", "CodingSchemeDesignator": "99NB"}]
    normalized(handlers, "n_set", PULL, "1.1", sop_class=UPS, attributes={
        "TransactionUID": "9.9", "ScheduledStationNameCodeSequence": station})  # fmt: skip
    assert action(handlers, CANCEL, ReasonForCancellation="why", ContactDisplayName="Doe^Jane") is None
    normalized(handlers, "n_set", PULL, "1.1", {"TransactionUID": "9.9", **PERFORMED}, sop_class=UPS)
    change(handlers, "COMPLETED")
    assert [(event_type, information) for _, event_type, information in reports(pacs)[1:]] == [
        (1, {STATE: "IN PROGRESS", "InputReadinessState": "READY"}),
        (3, {"ProcedureStepProgressInformationSequence": progress}),
        (5, {"ScheduledStationNameCodeSequence": station}),
        (2, {"RequestingAE": "TESTER", "ReasonForCancellation": "why", "ContactDisplayName": "Doe^Jane"}),
        (1, {STATE: "COMPLETED", "InputReadinessState": "READY"}),
    ]


def test_a_cancelled_workitem_is_reported_twice(pacs, handlers):
    pushed(handlers)
    subscribe(handlers)
    action(handlers, CANCEL)
    assert [information[STATE] for _, _, information in reports(pacs)] == ["SCHEDULED", "IN PROGRESS", "CANCELED"]


@pytest.mark.parametrize(
    ("lock", "told"), [("TRUE", ["1.1", "1.2", "1.3"]), ("FALSE", ["1.3"])], ids=["with lock", "without lock"]
)
def test_global_subscription(pacs, handlers, lock, told):
    pushed(handlers, "1.1")
    pushed(handlers, "1.2")
    assert subscribe(handlers, GLOBAL, lock) is None
    pushed(handlers, "1.3")
    with pacs._opened()._database.read() as connection:
        subscribed = connection.execute("SELECT uid, lock FROM subscriptions ORDER BY uid").fetchall()
        about = [uid for (uid,) in connection.execute("SELECT subject FROM reports ORDER BY id")]
    assert subscribed == [(f"1.{k}", lock == "TRUE") for k in (1, 2, 3)]
    assert about == told


def test_who_is_subscribed_often_is_told_once(pacs, handlers):
    pushed(handlers, "1.1")
    pushed(handlers, "1.2")
    for _ in range(3):
        assert subscribe(handlers, GLOBAL, lock="TRUE") is None
        assert subscribe(handlers, "1.1") is None
    assert pacs.reports.pending() == 2
    change(handlers, "IN PROGRESS")
    assert pacs.reports.pending() == 3
    for _ in range(3):
        subscribe(handlers, GLOBAL, lock="TRUE")
    assert pacs.reports.pending() == 3


def test_a_lock_on_one_workitem_outlives_a_global_subscription_without(pacs, handlers):
    pushed(handlers)
    subscribe(handlers, lock="TRUE")
    subscribe(handlers, GLOBAL, "FALSE")
    assert str(pacs.workitems.subscriptions).count("yes") == 1


def test_a_global_subscription_with_a_lock_leaves_one_without_as_it_is(pacs, handlers):
    pushed(handlers, "1.1")
    pushed(handlers, "1.2")
    subscribe(handlers, "1.1", lock="FALSE")
    with pacs._opened()._database.write() as connection:  # one that still waits would do for both
        connection.execute("UPDATE reports SET delivered = made")
    assert subscribe(handlers, GLOBAL, "TRUE") is None
    with pacs._opened()._database.read() as connection:
        subscribed = connection.execute("SELECT uid, lock FROM subscriptions ORDER BY uid").fetchall()
        about = [uid for (uid,) in connection.execute("SELECT subject FROM reports ORDER BY id")]
    assert subscribed == [("1.1", False), ("1.2", True)]
    assert about == ["1.1", "1.1", "1.2"]  # the first one after the first subscription


def test_to_whom_a_workitem_is_assigned(pacs, handlers):
    """PS3.4 Table CC.2.4-1, event type 5: what is in the workitem, and nothing that is not."""
    performers = [
        {
            "HumanPerformerCodeSequence": [{"CodeValue": number, "CodingSchemeDesignator": "99NB"}],
            "HumanPerformerName": f"Roe^{number}",
            "HumanPerformerOrganization": "Ward",
        }
        for number in "12"
    ]
    subscribe(handlers, GLOBAL)
    pushed(handlers, ScheduledHumanPerformersSequence=performers)
    (assigned,) = [information for _, event_type, information in reports(pacs) if event_type == 5]
    assert "ScheduledStationNameCodeSequence" not in assigned
    assert [code["CodeValue"] for code in assigned["HumanPerformerCodeSequence"]] == ["1", "2"]
    assert assigned["HumanPerformerOrganization"] == "Ward"
    assert normalized(handlers, "n_set", PULL, "1.1", {"ScheduledHumanPerformersSequence": []}, sop_class=UPS) is None
    assert reports(pacs)[-1] == ("WATCHER", 5, {})


def test_suspended_and_ended_subscriptions(pacs, handlers):
    pushed(handlers, "1.1")
    subscribe(handlers, GLOBAL)
    assert action(handlers, SUSPEND, "1.1", ReceivingAE="WATCHER") == 0xC314
    assert action(handlers, SUSPEND, GLOBAL, ReceivingAE="WATCHER") is None
    pushed(handlers, "1.2")
    change(handlers, "IN PROGRESS", uid="1.2")
    assert reports(pacs) == []  # only 1.1 is watched any more
    change(handlers, "IN PROGRESS", uid="1.1")
    assert len(reports(pacs)) == 1
    assert action(handlers, UNSUBSCRIBE, GLOBAL, ReceivingAE="WATCHER") is None
    change(handlers, "CANCELED", uid="1.1")
    assert len(reports(pacs)) == 1


def test_filtered_global_subscription(pacs, handlers):
    pushed(handlers, "1.1", PatientID="P1")
    pushed(handlers, "1.2", PatientID="P2")
    assert subscribe(handlers, FILTERED, "TRUE", PatientID="P2") is None
    pushed(handlers, "1.3", PatientID="P2")
    pushed(handlers, "1.4", PatientID="P1")
    with pacs._opened()._database.read() as connection:
        assert connection.execute("SELECT uid FROM subscriptions ORDER BY uid").fetchall() == [("1.2",), ("1.3",)]


def test_keys_that_take_long_hold_up_nobody(pacs, handlers, monkeypatch, caplog):
    """What is compared while a workitem is created keeps all others from the database."""
    pushed(handlers, "1.1", PatientID="P2")
    assert subscribe(handlers, FILTERED, PatientID="P*") is None
    monkeypatch.setattr("nbdicom.pacs.workflow.subscriptions._PATIENCE", 0.0)
    assert pushed(handlers, "1.2", PatientID="P2") is None
    assert "the keys of WATCHER take too long to compare" in caplog.text
    assert subscribe(handlers, FILTERED, PatientID="P?") == 0x0213
    with pacs._opened()._database.read() as connection:
        assert connection.execute("SELECT uid FROM subscriptions").fetchall() == [("1.1",)]


def test_a_get_of_attributes_by_their_tags(handlers):
    pushed(handlers, PatientID="P2")
    tags = (*range(0x00091000, 0x00091100), 0x00100020, 0x00081195)
    assert normalized(handlers, "n_get", PULL, "1.1", attribute_identifier_list=tags, sop_class=UPS) == {"PatientID": "P2"}


def test_subscriptions_have_a_limit(pacs, handlers):
    """Each is looked at whenever somebody creates a workitem."""
    assert subscribe(handlers, FILTERED, PatientID=[f"P{k}" for k in range(10_000)]) == 0x0213
    pacs.allow.update({f"AE{k}": ("127.0.0.1", 1) for k in range(257)})
    statuses = [subscribe(handlers, GLOBAL, ae_title=f"AE{k}") for k in range(257)]
    assert statuses == [None] * 256 + [0x0213]
    assert subscribe(handlers, FILTERED, ae_title="AE0", PatientID="P1") is None  # in the place of its own


def test_who_cannot_be_subscribed(handlers):
    pushed(handlers)
    assert subscribe(handlers, ae_title="STRANGER") == 0xC308
    assert subscribe(handlers, lock="MAYBE") == 0x0115
    assert action(handlers, SUBSCRIBE, ReceivingAE="WATCHER") == 0x0120


def test_workitems_without_a_network(pacs):
    uid = pacs.workitems.add(ProcedureStepLabel="Plan", PatientID="P1")
    assert pacs.workitems.attributes(uid)["WorklistLabel"] == "Worklist"
    assert "SCHEDULED" in str(pacs.workitems)
    assert pacs.workitems.attributes("1.9") is None
    with pytest.raises(PacsError, match="ProcedureStepLabel"):
        pacs.workitems.add(PatientID="P1")


def test_what_is_over_and_not_locked_can_be_deleted(pacs, handlers):
    for uid, state in (("1.1", "SCHEDULED"), ("1.2", "COMPLETED"), ("1.3", "CANCELED"), ("1.4", "COMPLETED")):
        brought_to(handlers, state, uid)
    subscribe(handlers, "1.2", lock="TRUE")
    subscribe(handlers, "1.3")
    with pytest.raises(PacsError, match="is SCHEDULED; only what is over"):
        pacs.workitems.remove("1.1")
    with pytest.raises(PacsError, match="WATCHER asked to keep"):
        pacs.workitems.remove("1.2")
    with pytest.raises(PacsError, match="no such workitem"):
        pacs.workitems.remove("9.9")
    pacs.workitems.remove("1.4")
    assert pacs.workitems.prune(1) == 0  # they are too young
    assert pacs.workitems.prune(0) == 1
    assert [pacs.workitems.attributes(f"1.{k}") is not None for k in (1, 2, 3, 4)] == [True, True, False, False]
    assert [row[1] for row in pacs.workitems.subscriptions.table().rows] == ["1.2"]
