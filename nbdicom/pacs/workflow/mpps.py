"""Modality performed procedure steps (PS3.4 Annex F): what a modality does about an entry of the worklist.

    N-CREATE -> IN PROGRESS -> N-SET ... N-SET -> COMPLETED or DISCONTINUED

After its end a step is not updated any more (F.7.2.2.3).  The entries of the worklist that it refers to follow: STARTED,
then COMPLETED or DISCONTINUED.

What becomes of a step is told to others (Notification SOP Class, F.9): those whom the PACS was told to notify, and who is
associated with us for it.  At its end those who want to know get an instance availability notification of its images.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection

from nbdicom.operations.requests import NCreateRequest, NGetRequest, NSetRequest, Refuse
from nbdicom.pacs.workflow.attributes import chosen, joined, read, require, same, text_of, words
from nbdicom.pacs.workflow.availability import Availability
from nbdicom.pacs.workflow.database import Attributes, Database, dump, load, now
from nbdicom.pacs.workflow.reports import STEP_EVENT, Reports
from nbdicom.pacs.workflow.service import Service
from nbdicom.pacs.workflow.worklist import OVER, Worklist
from nbdicom.privacy import shown
from nbdicom.table import Table, printable

__all__ = ["PerformedProcedureSteps"]

_STATUS = "PerformedProcedureStepStatus"
_IN_PROGRESS = "IN PROGRESS"
_MAY_NO_LONGER_BE_UPDATED = 0xA710  #: Error ID of PS3.4 Table F.7.2-2
#: Event types of PS3.4 Table F.9.2-1, by the status that a step has got; 5, deleted, is for those who delete.
_EVENTS = {_IN_PROGRESS: 1, "COMPLETED": 2, "DISCONTINUED": 3}
_UPDATED = 4

#: PS3.4 Table F.7.2-1, N-CREATE.
_CREATED = """
ScheduledStepAttributesSequence 1
  StudyInstanceUID 1
  ReferencedStudySequence 2
  AccessionNumber 2
  RequestedProcedureID 2
  RequestedProcedureDescription 2
  ScheduledProcedureStepID 2
  ScheduledProcedureStepDescription 2
  ScheduledProtocolCodeSequence 2
PatientName 2
PatientID 2
PatientBirthDate 2
PatientSex 2
ReferencedPatientSequence 2
PerformedProcedureStepID 1
PerformedStationAETitle 1
PerformedStationName 2
PerformedLocation 2
PerformedProcedureStepStartDate 1
PerformedProcedureStepStartTime 1
PerformedProcedureStepStatus 1
PerformedProcedureStepDescription 2
PerformedProcedureTypeDescription 2
ProcedureCodeSequence 2
PerformedProcedureStepEndDate 2
PerformedProcedureStepEndTime 2
Modality 1
StudyID 2
PerformedProtocolCodeSequence 2
PerformedSeriesSequence 2
"""
#: The same table, final state.
_ENDED = """
PerformedProcedureStepEndDate 1
PerformedProcedureStepEndTime 1
"""
_SERIES = """
PerformedSeriesSequence {}
  PerformingPhysicianName 2
  ProtocolName 1
  OperatorsName 2
  SeriesInstanceUID 1
  SeriesDescription 2
  RetrieveAETitle 2
  ReferencedImageSequence 2
  ReferencedNonImageCompositeSOPInstanceSequence 2
"""
#: The standard wants a series even of a step that was discontinued (note 2); modalities that stop before the first image
#: have none, and are not refused for it.
_FINAL = {"COMPLETED": _ENDED + _SERIES.format(1), "DISCONTINUED": _ENDED + _SERIES.format(2)}
#: The same table: what N-SET is not allowed to change.
_FIXED = words(
    """
ScheduledStepAttributesSequence PatientName PatientID PatientBirthDate PatientSex ReferencedPatientSequence
PerformedProcedureStepID PerformedStationAETitle PerformedStationName PerformedLocation PerformedProcedureStepStartDate
PerformedProcedureStepStartTime Modality StudyID IssuerOfPatientID IssuerOfPatientIDQualifiersSequence
OtherPatientIDsSequence AdmissionID IssuerOfAdmissionIDSequence ServiceEpisodeID IssuerOfServiceEpisodeIDSequence
ServiceEpisodeDescription
    """
)


class PerformedProcedureSteps(Service):
    """The performed procedure steps that a PACS was told of.

    Parameters
    ----------
    database, reports, availability
        Of the same PACS.
    notify : collection of str
        AE titles that are told of each event.
    """

    def __init__(
        self, database: Database, reports: Reports, availability: Availability, *, notify: Collection[str] = ()
    ) -> None:
        super().__init__(database)
        self._reports = reports
        self._availability = availability
        self._notify = tuple(notify)

    def n_create(self, request: NCreateRequest) -> None:
        """N-CREATE (F.7.2.1): a step begins."""
        attributes = read(request.data, request.transfer_syntax)
        require(attributes, _CREATED)
        if text_of(attributes, _STATUS) != _IN_PROGRESS:
            raise Refuse(0x0106, f"{_STATUS} of a new step is IN PROGRESS")
        uid = request.sop_instance_uid
        with self._database.write() as connection:
            if self._row(connection, uid) is not None:
                raise Refuse(0x0111, "this step has been created already")
            connection.execute(
                "INSERT INTO performed_steps (uid, status, source, changed, attributes) VALUES (?, ?, ?, ?, ?)",
                (uid, _IN_PROGRESS, request.calling_ae_title, now(), dump(attributes)),
            )
            _tell_worklist(connection, attributes, "STARTED")
            told = self._tell(connection, uid, _EVENTS[_IN_PROGRESS])
        self._reports.wake(*told, patiently=True)

    def n_set(self, request: NSetRequest) -> None:
        """N-SET (F.7.2.2): a step goes on, or ends."""
        changes = read(request.data, request.transfer_syntax)
        uid = request.sop_instance_uid
        with self._database.write() as connection:
            row = self._row(connection, uid)
            if row is None:
                raise Refuse(0x0112, "no such performed procedure step")
            status, attributes = row
            if status != _IN_PROGRESS:
                raise Refuse(
                    0x0110,
                    "Performed Procedure Step Object may no longer be updated",
                    error_id=_MAY_NO_LONGER_BE_UPDATED,
                )
            for keyword in changes.keys() & _FIXED:
                if not same(changes.pop(keyword), attributes.get(keyword)):
                    raise Refuse(0x0106, f"{keyword} may not be changed")
            attributes = joined(attributes, changes)
            status = text_of(attributes, _STATUS)
            if status in _FINAL:
                require(attributes, _FINAL[status])
                _tell_worklist(connection, attributes, status)
            elif status != _IN_PROGRESS:
                raise Refuse(0x0106, f"{_STATUS} is IN PROGRESS, COMPLETED or DISCONTINUED")
            connection.execute(
                "UPDATE performed_steps SET status = ?, changed = ?, attributes = ? WHERE uid = ?",
                (status, now(), dump(attributes), uid),
            )
            told = self._tell(connection, uid, _UPDATED if status == _IN_PROGRESS else _EVENTS[status])
            if status in _FINAL:
                told |= self._availability.step_is_over(connection, uid)
        self._reports.wake(*told, patiently=True)

    def _tell(self, connection: sqlite3.Connection, uid: str, event_type: int) -> set[str]:
        """A report to each who wants to know, and who they are."""
        recipients = {*self._notify, *self._reports.listeners(STEP_EVENT)}
        for ae_title in sorted(recipients):
            self._reports.add(connection, ae_title, sop_class=STEP_EVENT, sop_instance=uid, event_type=event_type)
        return recipients

    def n_get(self, request: NGetRequest) -> Attributes:
        """N-GET (F.8.2.1): the attributes of a step."""
        with self._database.read() as connection:
            row = self._row(connection, request.sop_instance_uid)
        if row is None:
            raise Refuse(0x0112, "no such performed procedure step")
        return chosen(row[1], request.attribute_identifier_list)

    @staticmethod
    def _row(connection: sqlite3.Connection, uid: str) -> tuple[str, Attributes] | None:
        row = connection.execute("SELECT status, attributes FROM performed_steps WHERE uid = ?", (uid,)).fetchone()
        return None if row is None else (row[0], load(row[1]))

    # --------------------------------------------------------------------------- to look at

    def attributes(self, sop_instance_uid: str) -> Attributes | None:
        """The attributes of a step by keyword; None if there is no such step."""
        with self._database.read() as connection:
            row = self._row(connection, sop_instance_uid)
        return None if row is None else row[1]

    def table(self) -> Table:
        """Every step, the latest first."""
        with self._database.read() as connection:
            found = connection.execute(
                "SELECT uid, status, source, changed, attributes FROM performed_steps ORDER BY changed DESC, rowid DESC"
            ).fetchall()
        rows = []
        for uid, status, source, changed, text in found:
            step = load(text)
            patient, number = (shown(k, text_of(step, k)) for k in ("PatientID", "PerformedProcedureStepID"))
            series = len(step.get("PerformedSeriesSequence") or ())
            values = changed, status, source, text_of(step, "Modality"), patient, number, series, uid
            rows.append(tuple(map(printable, values)))
        return Table(
            f"Performed procedure steps, {len(rows)}",
            ("changed", "status", "told by", "modality", "PatientID", "step", "series", "SOP Instance UID"),
            rows,
            marks=["ok" if row[1] in OVER[:1] else "bad" if row[1] in OVER else "" for row in rows],
        )


def _tell_worklist(connection: sqlite3.Connection, attributes: Attributes, status: str) -> None:
    for scheduled in attributes.get("ScheduledStepAttributesSequence") or ():
        study, step = text_of(scheduled, "StudyInstanceUID"), text_of(scheduled, "ScheduledProcedureStepID")
        Worklist.progress(connection, study, step, status)
