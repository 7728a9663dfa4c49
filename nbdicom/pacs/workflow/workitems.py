"""Unified procedure steps (PS3.4 Annex CC): workitems that are pushed, pulled, watched, and reported about.

    N-CREATE -> SCHEDULED -> IN PROGRESS -> COMPLETED
                                        `-> CANCELED

Whoever takes a workitem gives it a Transaction UID; nobody changes it without knowing that, and it is never told
(CC.2.7.3).  What happens to a workitem is reported to those who subscribed to it (`subscriptions`).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from nbdicom.errors import PacsError
from nbdicom.operations.requests import FindRequest, NActionRequest, NCreateRequest, NGetRequest, NSetRequest, Refuse
from nbdicom.pacs.workflow.attributes import (
    Keys,
    attributes_of,
    chosen,
    joined,
    read,
    read_identifier,
    require,
    same,
    text_of,
    words,
)
from nbdicom.pacs.workflow.database import Attributes, Database, dump, load, now
from nbdicom.pacs.workflow.reports import UPS_PUSH, Reports
from nbdicom.pacs.workflow.service import Service, matching
from nbdicom.pacs.workflow.subscriptions import NO_SUCH_WORKITEM, STATE_REPORT, WELL_KNOWN, Subscriptions
from nbdicom.privacy import shown
from nbdicom.table import Table, printable

__all__ = ["Workitems"]

_STATE = "ProcedureStepState"
_SCHEDULED, _IN_PROGRESS, _COMPLETED, _CANCELED = "SCHEDULED", "IN PROGRESS", "COMPLETED", "CANCELED"
_FINAL = (_COMPLETED, _CANCELED)
_TOGETHER = 16  #: workitems that a query reads at once
_PROGRESS = "ProcedureStepProgressInformationSequence"
_ASSIGNED = ("ScheduledStationNameCodeSequence", "ScheduledHumanPerformersSequence")

# Action types (PS3.4 Tables CC.2.1-1, CC.2.2-1, CC.2.3-1)
_CHANGE_STATE, _REQUEST_CANCEL, _SUBSCRIBE, _UNSUBSCRIBE = range(1, 5)

# Statuses (PS3.4 Tables CC.2.1-2, CC.2.2-2, CC.2.5-4, CC.2.6-1, CC.2.7-1)
_ALREADY_CANCELED, _ALREADY_COMPLETED_SO = 0xB304, 0xB306
_MAY_NO_LONGER_BE_UPDATED = 0xC300
_WRONG_TRANSACTION = 0xC301
_ALREADY_IN_PROGRESS = 0xC302
_SCHEDULED_ONLY_BY_CREATE = 0xC303
_FINAL_STATE_NOT_MET = 0xC304
_NOT_SCHEDULED = 0xC309
_NOT_IN_PROGRESS = 0xC310
_IS_COMPLETED = 0xC311
_NOBODY_TO_CONTACT = 0xC312

# Event types (PS3.4 Table CC.2.4-1)
_CANCEL_REQUESTED, _PROGRESS_REPORT, _ASSIGNMENT = 2, 3, 5  # 1 and 4: see `subscriptions`

#: PS3.4 Table CC.2.5-3, N-CREATE.
_CREATED = """
ScheduledProcedureStepPriority 1
ProcedureStepLabel 1
WorklistLabel 2
ScheduledProcessingParametersSequence 2
ScheduledStationNameCodeSequence 2
ScheduledStationClassCodeSequence 2
ScheduledStationGeographicLocationCodeSequence 2
ScheduledHumanPerformersSequence 3
  HumanPerformerCodeSequence 1
  HumanPerformerName 1
  HumanPerformerOrganization 1
ScheduledProcedureStepStartDateTime 1
ScheduledWorkitemCodeSequence 2
CommentsOnTheScheduledProcedureStep 2
InputReadinessState 1
InputInformationSequence 2
PatientName 2
PatientID 2
IssuerOfPatientID 2
OtherPatientIDsSequence 2
  PatientID 1
PatientBirthDate 2
PatientSex 2
AdmissionID 2
IssuerOfAdmissionIDSequence 2
AdmittingDiagnosesDescription 2
AdmittingDiagnosesCodeSequence 2
ReferencedRequestSequence 2
  StudyInstanceUID 1
  AccessionNumber 2
  IssuerOfAccessionNumberSequence 2
  OrderPlacerIdentifierSequence 2
  OrderFillerIdentifierSequence 2
  RequestedProcedureID 2
  RequestedProcedureDescription 2
  RequestedProcedureCodeSequence 2
ProcedureStepState 1
ProcedureStepProgressInformationSequence 2
UnifiedProcedureStepPerformedProcedureSequence 2
"""
#: The same column: what is created empty, since nothing has been done yet.
_EMPTY = ("ProcedureStepProgressInformationSequence", "UnifiedProcedureStepPerformedProcedureSequence")
#: The same table, N-SET: what always has a value, and what is not allowed.
_VALUED = words(
    """
ScheduledProcedureStepPriority ProcedureStepLabel WorklistLabel ScheduledProcedureStepStartDateTime InputReadinessState
    """
)
_FIXED = words(
    """
PatientName PatientID PatientBirthDate PatientSex AdmissionID IssuerOfAdmissionIDSequence AdmittingDiagnosesDescription
AdmittingDiagnosesCodeSequence ReferencedRequestSequence ReplacedProcedureStepSequence
    """
)
#: The same table, final state: "P" is what a COMPLETED workitem has to have (CC.2.5.1.1).
_PERFORMED = """
UnifiedProcedureStepPerformedProcedureSequence 1
  PerformedStationNameCodeSequence 1
  PerformedProcedureStepStartDateTime 1
  PerformedWorkitemCodeSequence 1
  PerformedProcedureStepEndDateTime 1
  OutputInformationSequence 2
"""
_UNSPECIFIED = {  # PS3.16 CID 9300
    "CodeValue": "110513",
    "CodingSchemeDesignator": "DCM",
    "CodeMeaning": "Discontinued for unspecified reason",
}
#: What only we set.
_OURS = ("TransactionUID", "SOPClassUID", "SOPInstanceUID", "ScheduledProcedureStepModificationDateTime", _STATE)


class Workitems(Service):
    """The workitems of a PACS."""

    def __init__(self, database: Database, reports: Reports, *, limit: int, seconds: float | None) -> None:
        super().__init__(database)
        self._limit, self._seconds = limit, seconds
        self._reports = reports
        self.subscriptions = Subscriptions(database, reports)

    # --------------------------------------------------------------------------- content

    def add(self, workitem: Any = None, /, **attributes: Any) -> str:
        """Schedule a workitem.

        Parameters
        ----------
        workitem : Dataset or mapping, optional
            The attributes of Table CC.2.5-3 by keyword.
        **attributes
            The same as keyword arguments.

        Returns
        -------
        str
            Its SOP Instance UID.

        Raises
        ------
        PacsError
            If an attribute is missing or its value does not fit.
        """
        whole = {
            _STATE: _SCHEDULED,
            "ScheduledProcedureStepPriority": "MEDIUM",
            "InputReadinessState": "READY",
            "ScheduledProcedureStepStartDateTime": _date_time(),
            **({} if workitem is None else attributes_of(workitem)),
            **attributes_of(attributes),
        }
        uid = text_of(whole, "SOPInstanceUID") or f"2.25.{uuid4().int}"
        try:
            self._create(uid, whole)
        except Refuse as refusal:
            raise PacsError(f"the workitem cannot be scheduled: {refusal}") from refusal
        return uid

    def remove(self, sop_instance_uid: str) -> None:
        """Delete a workitem that is COMPLETED or CANCELED, with its subscriptions (PS3.4 CC.2.1.3, CC.2.3.3).

        Raises
        ------
        PacsError
            If there is no such workitem, it is not in a final state, or somebody has a deletion lock on it.
        """
        with self._database.write() as connection:
            row = connection.execute("SELECT state FROM workitems WHERE uid = ?", (sop_instance_uid,)).fetchone()
            if row is None:
                raise PacsError("no such workitem")
            if row[0] not in _FINAL:
                raise PacsError(f"the workitem is {row[0]}; only what is over can be deleted", hint="cancel it first")
            locks = self.subscriptions.locks(connection, sop_instance_uid)
            if locks:
                raise PacsError(
                    f"{', '.join(map(printable, locks))} asked to keep the workitem (deletion lock)",
                    hint="it unsubscribes when it has what it needs",
                )
            self._delete(connection, sop_instance_uid)

    def prune(self, days: float) -> int:
        """Delete what has been over for so many days and nobody has locked; how many workitems that were.

        Nothing is deleted by itself: how long workitems are kept is for whoever runs the PACS to decide.
        """
        until = (datetime.now(UTC) - timedelta(days=days)).isoformat(timespec="seconds")
        with self._database.write() as connection:
            rows = connection.execute(
                "SELECT uid FROM workitems WHERE state IN (?, ?) AND changed <= ?", (*_FINAL, until)
            ).fetchall()
            over = [uid for (uid,) in rows if not self.subscriptions.locks(connection, uid)]
            for uid in over:
                self._delete(connection, uid)
        return len(over)

    @staticmethod
    def _delete(connection: sqlite3.Connection, uid: str) -> None:
        connection.execute("DELETE FROM subscriptions WHERE uid = ?", (uid,))
        connection.execute("DELETE FROM workitems WHERE uid = ?", (uid,))

    def attributes(self, sop_instance_uid: str) -> Attributes | None:
        """The attributes of a workitem by keyword; None if there is no such workitem."""
        with self._database.read() as connection:
            row = connection.execute("SELECT attributes FROM workitems WHERE uid = ?", (sop_instance_uid,)).fetchone()
        return None if row is None else load(row[0])

    def __len__(self) -> int:
        with self._database.read() as connection:
            count: int = connection.execute("SELECT count(*) FROM workitems").fetchone()[0]
        return count

    # --------------------------------------------------------------------------- N-CREATE, N-SET, N-GET, C-FIND

    def n_create(self, request: NCreateRequest) -> None:
        """N-CREATE (CC.2.5): a workitem is pushed onto the worklist."""
        self._create(request.sop_instance_uid, read(request.data, request.transfer_syntax))

    def _create(self, uid: str, attributes: Attributes) -> None:
        if uid in WELL_KNOWN:
            raise Refuse(0x0117, "this SOP Instance UID is a well-known one")
        require(attributes, _CREATED)
        if text_of(attributes, _STATE) != _SCHEDULED:
            raise Refuse(_NOT_SCHEDULED, "a workitem is created as SCHEDULED")
        for keyword in _EMPTY:
            if attributes[keyword]:
                raise Refuse(0x0106, f"{keyword} of a new workitem is empty")
        attributes = {keyword: value for keyword, value in attributes.items() if keyword not in _OURS}
        attributes["WorklistLabel"] = attributes["WorklistLabel"] or "Worklist"
        attributes |= _identity(uid, _SCHEDULED)
        with self._database.write() as connection:
            if connection.execute("SELECT 1 FROM workitems WHERE uid = ?", (uid,)).fetchone():
                raise Refuse(0x0111, "this workitem has been created already")
            connection.execute(
                "INSERT INTO workitems (uid, state, changed, attributes) VALUES (?, ?, ?, ?)",
                (uid, _SCHEDULED, now(), dump(attributes)),
            )
            self.subscriptions.created(connection, uid, attributes)
            told = self._report(connection, uid, STATE_REPORT, _state_of(attributes))
            if any(attributes.get(keyword) for keyword in _ASSIGNED):
                self._report(connection, uid, _ASSIGNMENT, _assignment_of(attributes))
        self._reports.wake(*told, patiently=True)

    def n_set(self, request: NSetRequest) -> None:
        """N-SET (CC.2.6): a workitem is changed, by whoever performs it once it is in progress."""
        changes = read(request.data, request.transfer_syntax)
        transaction = text_of(changes, "TransactionUID")
        uid = request.sop_instance_uid
        with self._database.write() as connection:
            state, lock, attributes = _row(connection, uid)
            if state in _FINAL:
                raise Refuse(_MAY_NO_LONGER_BE_UPDATED, "the workitem may no longer be updated")
            if state == _SCHEDULED and transaction:
                raise Refuse(_NOT_IN_PROGRESS, "the workitem is not in progress, so it has no Transaction UID")
            if state == _IN_PROGRESS and transaction != lock:
                raise Refuse(_WRONG_TRANSACTION, "the correct Transaction UID was not provided")
            if changes.get(_STATE, state) != state:
                raise Refuse(0x0106, "the state of a workitem is changed by N-ACTION")
            for keyword, value in changes.items():
                if keyword in _FIXED and not same(value, attributes.get(keyword)):
                    raise Refuse(0x0106, f"{keyword} may not be changed")
                if keyword in _VALUED and value in ("", []):
                    raise Refuse(0x0121, f"{keyword} has no value")
            before = dict(attributes)
            changes = {k: value for k, value in changes.items() if k not in _OURS and k not in _FIXED}
            attributes = joined(attributes, changes)
            attributes |= _identity(uid, state)
            _save(connection, uid, state, lock, attributes)
            told: set[str] = set()
            if attributes.get("InputReadinessState") != before.get("InputReadinessState"):
                told |= self._report(connection, uid, STATE_REPORT, _state_of(attributes))
            if attributes.get(_PROGRESS) != before.get(_PROGRESS):
                told |= self._report(connection, uid, _PROGRESS_REPORT, {_PROGRESS: attributes.get(_PROGRESS, [])})
            if any(attributes.get(keyword) != before.get(keyword) for keyword in _ASSIGNED):
                told |= self._report(connection, uid, _ASSIGNMENT, _assignment_of(attributes))
        self._reports.wake(*told, patiently=True)

    def n_get(self, request: NGetRequest) -> Attributes:
        """N-GET (CC.2.7): the attributes of a workitem, without its Transaction UID."""
        with self._database.read() as connection:
            _, _, attributes = _row(connection, request.sop_instance_uid)
        return chosen(attributes, request.attribute_identifier_list)

    def find(self, request: FindRequest) -> Iterator[Mapping[str, Any]]:
        """C-FIND (CC.2.8): the workitems that match."""
        identifier = read_identifier(request.data, request.transfer_syntax)
        identifier = {"SOPClassUID": "", "SOPInstanceUID": "", **identifier}
        return matching(self._all(), Keys.of(identifier), request, limit=self._limit, seconds=self._seconds)

    def _all(self) -> Iterator[Attributes]:
        """Every workitem, a few at a time: together they may be more than the memory holds."""
        last = 0
        while True:
            with self._database.read() as connection:
                rows = connection.execute(
                    "SELECT rowid, attributes FROM workitems WHERE rowid > ? ORDER BY rowid LIMIT ?", (last, _TOGETHER)
                ).fetchall()
            if not rows:
                return
            yield from (load(text) for _, text in rows)
            last = rows[-1][0]

    # --------------------------------------------------------------------------- N-ACTION

    def n_action(self, request: NActionRequest) -> int | None:
        """N-ACTION (CC.2.1 to CC.2.3): change of state, request to cancel, subscriptions."""
        information = read(request.data, request.transfer_syntax)
        uid = request.sop_instance_uid
        if request.action_type_id == _CHANGE_STATE:
            return self._change_state(uid, information)
        if request.action_type_id == _REQUEST_CANCEL:
            return self._request_cancel(uid, information, request.calling_ae_title)
        if request.action_type_id == _SUBSCRIBE:
            self.subscriptions.subscribe(uid, information)
        elif request.action_type_id == _UNSUBSCRIBE:
            self.subscriptions.unsubscribe(uid, information)
        else:
            self.subscriptions.suspend(uid, information)
        return None

    def _change_state(self, uid: str, information: Attributes) -> int | None:
        """Table CC.1.1-2, the rows of "N-ACTION to change state"."""
        require(information, f"{_STATE} 1")
        wanted, transaction = text_of(information, _STATE), text_of(information, "TransactionUID")
        if wanted not in (_SCHEDULED, _IN_PROGRESS, *_FINAL):
            raise Refuse(0x0115, f"{_STATE} has no such value")
        with self._database.write() as connection:
            state, lock, attributes = _row(connection, uid)
            if wanted == _SCHEDULED:
                raise Refuse(_SCHEDULED_ONLY_BY_CREATE, "a workitem becomes SCHEDULED by N-CREATE alone")
            if not transaction or (state != _SCHEDULED and transaction != lock):
                raise Refuse(_WRONG_TRANSACTION, "the correct Transaction UID was not provided")
            if state in _FINAL and wanted == state:
                return _ALREADY_COMPLETED_SO if state == _COMPLETED else _ALREADY_CANCELED
            if state in _FINAL:
                raise Refuse(_MAY_NO_LONGER_BE_UPDATED, "the workitem may no longer be updated")
            if wanted == _IN_PROGRESS and state == _IN_PROGRESS:
                raise Refuse(_ALREADY_IN_PROGRESS, "the workitem is in progress already")
            if wanted in _FINAL and state == _SCHEDULED:
                raise Refuse(_NOT_IN_PROGRESS, "the workitem is not yet in progress")
            if wanted == _COMPLETED:
                try:
                    require(attributes, _PERFORMED)
                except Refuse as refusal:
                    raise Refuse(_FINAL_STATE_NOT_MET, refusal.comment) from refusal
            elif wanted == _CANCELED:
                _explain_cancellation(attributes, {})
            told = self._move(connection, uid, wanted, transaction, attributes)
        self._reports.wake(*told, patiently=True)
        return None

    def _request_cancel(self, uid: str, information: Attributes, ae_title: str) -> int | None:
        """CC.2.2: a workitem that nobody performs is canceled, whoever performs one is told of the wish."""
        with self._database.write() as connection:
            state, lock, attributes = _row(connection, uid)
            if state == _COMPLETED:
                raise Refuse(_IS_COMPLETED, "the workitem is COMPLETED already")
            if state == _CANCELED:
                return _ALREADY_CANCELED
            if state == _SCHEDULED:
                lock = f"2.25.{uuid4().int}"
                told = self._move(connection, uid, _IN_PROGRESS, lock, attributes)
                _explain_cancellation(attributes, information)
                told |= self._move(connection, uid, _CANCELED, lock, attributes)
            else:
                wishes = ("ReasonForCancellation", "ProcedureStepDiscontinuationReasonCodeSequence",
                          "ContactURI", "ContactDisplayName")  # fmt: skip
                event = {"RequestingAE": ae_title} | {k: information[k] for k in wishes if information.get(k)}
                told = self._report(connection, uid, _CANCEL_REQUESTED, event)
                if not told:
                    raise Refuse(_NOBODY_TO_CONTACT, "nobody who performs the workitem has subscribed to it")
        self._reports.wake(*told, patiently=True)
        return None

    def _move(
        self, connection: sqlite3.Connection, uid: str, state: str, transaction: str, attributes: Attributes
    ) -> set[str]:
        attributes[_STATE] = state
        _save(connection, uid, state, transaction, attributes)
        return self._report(connection, uid, STATE_REPORT, _state_of(attributes))

    def _report(
        self, connection: sqlite3.Connection, uid: str, event_type: int, information: Mapping[str, Any]
    ) -> set[str]:
        """A report to everybody who subscribed to a workitem (CC.2.4.3); who they are."""
        recipients = self.subscriptions.of(connection, uid)
        for ae_title in recipients:
            self._reports.add(
                connection,
                ae_title,
                sop_class=UPS_PUSH,
                sop_instance=uid,
                event_type=event_type,
                information=information,
            )
        return set(recipients)

    # --------------------------------------------------------------------------- to look at

    def table(self) -> Table:
        """Every workitem."""
        with self._database.read() as connection:
            found = connection.execute("SELECT uid, state, attributes FROM workitems ORDER BY rowid").fetchall()
        keywords = ("WorklistLabel", "ProcedureStepLabel", "ScheduledProcedureStepStartDateTime", "PatientID")
        rows = []
        for uid, state, text in found:
            attributes = load(text)
            values = (shown(keyword, text_of(attributes, keyword)) for keyword in keywords)
            rows.append(tuple(map(printable, (state, *values, uid))))
        return Table(
            f"Workitems, {len(rows)}",
            ("state", "worklist", "label", "start", "PatientID", "SOP Instance UID"),
            rows,
            marks=["ok" if row[0] == _COMPLETED else "bad" if row[0] == _CANCELED else "" for row in rows],
        )


# ------------------------------------------------------------------------------- rows and data sets


def _row(connection: sqlite3.Connection, uid: str) -> tuple[str, str | None, Attributes]:
    """State, Transaction UID and attributes of a workitem."""
    row = connection.execute(
        "SELECT state, transaction_uid, attributes FROM workitems WHERE uid = ?", (uid,)
    ).fetchone()
    if row is None:
        raise Refuse(NO_SUCH_WORKITEM, "no such workitem")
    return row[0], row[1], load(row[2])


def _save(
    connection: sqlite3.Connection, uid: str, state: str, transaction: str | None, attributes: Attributes
) -> None:
    connection.execute(
        "UPDATE workitems SET state = ?, transaction_uid = ?, changed = ?, attributes = ? WHERE uid = ?",
        (state, transaction, now(), dump(attributes), uid),
    )


def _identity(uid: str, state: str) -> Attributes:
    return {
        "SOPClassUID": UPS_PUSH,
        "SOPInstanceUID": uid,
        "ScheduledProcedureStepModificationDateTime": _date_time(),
        _STATE: state,
    }


def _date_time() -> str:
    return f"{datetime.now():%Y%m%d%H%M%S}"  # noqa: DTZ005  # DICOM's dates and times are local ones


def _state_of(attributes: Attributes) -> Attributes:
    information = {keyword: attributes.get(keyword, "") for keyword in (_STATE, "InputReadinessState")}
    for progress in attributes.get(_PROGRESS) or ():
        wishes = ("ReasonForCancellation", "ProcedureStepDiscontinuationReasonCodeSequence")
        information |= {keyword: progress[keyword] for keyword in wishes if progress.get(keyword)}
    return information


def _assignment_of(attributes: Attributes) -> Attributes:
    """Who shall do it, as far as that is known; an event has one organization, and the codes of all performers."""
    performers = attributes.get("ScheduledHumanPerformersSequence") or []
    information = {
        "ScheduledStationNameCodeSequence": attributes.get("ScheduledStationNameCodeSequence"),
        "HumanPerformerCodeSequence": [
            code for performer in performers for code in performer.get("HumanPerformerCodeSequence") or ()
        ],
        "HumanPerformerOrganization": next((text_of(p, "HumanPerformerOrganization") for p in performers), ""),
    }
    return {keyword: value for keyword, value in information.items() if value}


def _explain_cancellation(attributes: Attributes, information: Attributes) -> None:
    """When and why a workitem was canceled: required in that state, so we fill in what is missing."""
    progress = dict((attributes.get(_PROGRESS) or [{}])[0])
    for keyword in ("ReasonForCancellation", "ProcedureStepDiscontinuationReasonCodeSequence"):
        if information.get(keyword):
            progress[keyword] = information[keyword]
    contact = {
        keyword: information[keyword] for keyword in ("ContactURI", "ContactDisplayName") if information.get(keyword)
    }
    if contact:
        progress["ProcedureStepCommunicationsURISequence"] = [contact]
    progress.setdefault("ProcedureStepCancellationDateTime", _date_time())
    progress.setdefault("ProcedureStepDiscontinuationReasonCodeSequence", [dict(_UNSPECIFIED)])
    attributes[_PROGRESS] = [progress]
