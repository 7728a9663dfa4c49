"""The modality worklist (PS3.4 Annex K): which scheduled procedure steps wait for which modality.

An entry is one item of a Scheduled Procedure Step Sequence with the patient, the visit and the request around it, as
Table K.6-1 has it.  Performed procedure steps (`mpps`) set its status; an entry whose step is over is not offered any more.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from uuid import uuid4

from nbdicom.errors import PacsError
from nbdicom.operations.requests import FindRequest
from nbdicom.pacs.matching import Between
from nbdicom.pacs.workflow.attributes import Keys, attributes_of, read_identifier, text_of, words
from nbdicom.pacs.workflow.database import Attributes, Database, dump, load
from nbdicom.pacs.workflow.service import Service, matching
from nbdicom.privacy import shown
from nbdicom.table import Table, counted, printable

__all__ = ["OVER", "Worklist"]

_STEPS = "ScheduledProcedureStepSequence"
_MOMENT = ("ScheduledProcedureStepStartDate", "ScheduledProcedureStepStartTime")
_STATUS = "ScheduledProcedureStepStatus"
OVER = ("COMPLETED", "DISCONTINUED")  #: statuses of entries that are not offered any more
_HIGH = "\x7f"  #: sorts after every digit

#: Attributes of the Scheduled Procedure Step Sequence's items (PS3.4 Table K.6-1, PS3.3 C.4.10); a flat entry may have
#: them among the others.
_OF_THE_STEP = words(
    """
Modality RequestedContrastAgent ScheduledStationAETitle ScheduledProcedureStepStartDate ScheduledProcedureStepStartTime
ScheduledProcedureStepEndDate ScheduledProcedureStepEndTime ScheduledPerformingPhysicianName
ScheduledProcedureStepDescription ScheduledProtocolCodeSequence ScheduledProcedureStepID ScheduledStationName
ScheduledProcedureStepLocation PreMedication ScheduledProcedureStepStatus CommentsOnTheScheduledProcedureStep
ScheduledPerformingPhysicianIdentificationSequence ReferencedDefinedProtocolSequence
ReferencedPerformedProtocolSequence
    """
)
_REQUIRED = ("PatientName", "PatientID")
_REQUIRED_OF_THE_STEP = ("Modality", "ScheduledStationAETitle")


class Worklist(Service):
    """The worklist of a PACS.

    Examples
    --------
    >>> from nbdicom.pacs import Pacs
    >>> with Pacs() as pacs:
    ...     entry = pacs.worklist.add(
    ...         PatientName="Marlowe^Anna", PatientID="NB-0001", Modality="CT", ScheduledStationAETitle="CT1",
    ...         ScheduledProcedureStepStartDate="20260105", ScheduledProcedureStepStartTime="0930",
    ...     )
    ...     len(pacs.worklist)
    1
    """

    def __init__(self, database: Database, *, limit: int, seconds: float | None) -> None:
        super().__init__(database)
        self._limit, self._seconds = limit, seconds

    # --------------------------------------------------------------------------- content

    def add(self, entry: Any = None, /, **attributes: Any) -> Attributes:
        """Schedule a procedure step.

        Parameters
        ----------
        entry : Dataset or mapping, optional
            The attributes of Table K.6-1 by keyword; those of the scheduled procedure step either in their sequence or
            among the others.
        **attributes
            The same as keyword arguments.

        Returns
        -------
        dict
            The entry as it is offered.  What was not given and cannot be left out is made up: UIDs and identifiers, and
            the present as the time.

        Raises
        ------
        PacsError
            If patient, modality or station are missing, the values do not fit, or the step is scheduled already.
        """
        given = {**({} if entry is None else attributes_of(entry)), **attributes_of(attributes)}
        steps = given.pop(_STEPS, None) or [{}]
        if len(steps) != 1:
            raise PacsError("an entry has one scheduled procedure step", hint="add the others one by one")
        inner = {keyword: given.pop(keyword) for keyword in list(given) if keyword in _OF_THE_STEP}
        step = {**steps[0], **inner}
        for keyword, where in (*((k, given) for k in _REQUIRED), *((k, step) for k in _REQUIRED_OF_THE_STEP)):
            if not where.get(keyword):
                raise PacsError(f"a worklist entry needs {keyword}", hint=f"add(..., {keyword}=...)")
        start = datetime.now()  # noqa: DTZ005  # DICOM's dates and times are local ones
        number = uuid4().hex[:8].upper()
        step = {
            **dict(zip(_MOMENT, (f"{start:%Y%m%d}", f"{start:%H%M%S}"), strict=True)),
            "ScheduledProcedureStepID": f"S{number}",
            _STATUS: "SCHEDULED",
            **step,
        }
        whole = {
            "StudyInstanceUID": f"2.25.{uuid4().int}",
            "AccessionNumber": f"A{number}",
            "RequestedProcedureID": f"R{number}",
            "RequestedProcedureDescription": step.get("ScheduledProcedureStepDescription", ""),
            **given,
            _STEPS: [step],
        }
        with self._database.write() as connection:
            try:
                connection.execute(
                    "INSERT INTO worklist (study, step, starts, status, attributes) VALUES (?, ?, ?, ?, ?)",
                    (
                        text_of(whole, "StudyInstanceUID"),
                        text_of(step, "ScheduledProcedureStepID"),
                        "".join(text_of(step, keyword) for keyword in _MOMENT),
                        text_of(step, _STATUS),
                        dump(whole),
                    ),
                )
            except sqlite3.IntegrityError as error:
                raise PacsError(
                    "this step of this study is scheduled already", hint="remove the other entry, or take another ID"
                ) from error
        return whole

    def remove(self, study_instance_uid: str, step_id: str | None = None) -> int:
        """Take the entries of a study (or one of its steps) off the list; how many there were."""
        condition, parameters = "study = ?", [study_instance_uid]
        if step_id is not None:
            condition, parameters = f"{condition} AND step = ?", [study_instance_uid, step_id]
        with self._database.write() as connection:
            return connection.execute(f"DELETE FROM worklist WHERE {condition}", parameters).rowcount

    def entries(self, *, over: bool = False) -> list[Attributes]:
        """The entries that are offered, in the order of time; with *over* those whose step is over, too."""
        return [entry for _, entry in self._entries(None) if over or _status(entry) not in OVER]

    def __len__(self) -> int:
        return len(self.entries())

    def _entries(self, dates: Between | None) -> list[tuple[str, Attributes]]:
        condition, parameters = "1", []
        if dates is not None:
            # Rows are read by their day; what the keys mean exactly is decided on the data sets.
            condition, parameters = "starts BETWEEN ? AND ?", [dates.first, (dates.last or _HIGH) + _HIGH]
        with self._database.read() as connection:
            rows = connection.execute(
                f"SELECT study, attributes FROM worklist WHERE {condition} ORDER BY starts, id", parameters
            ).fetchall()
        return [(study, load(text)) for study, text in rows]

    # --------------------------------------------------------------------------- C-FIND

    def find(self, request: FindRequest) -> Iterator[Mapping[str, Any]]:
        """The entries that match (PS3.4 K.4.1), those that start first first."""
        identifier = read_identifier(request.data, request.transfer_syntax)
        return self._matches(Keys.of(identifier, moment=_MOMENT), request)

    def _matches(self, keys: Keys, request: FindRequest) -> Iterator[Mapping[str, Any]]:
        step = keys.returned.get(_STEPS)
        dates = None
        if step is not None:
            key = step.period.dates if step.period else step.tests.get(_MOMENT[0])
            dates = key if isinstance(key, Between) else None
        offered = (entry for _, entry in self._entries(dates) if _status(entry) not in OVER)
        return matching(offered, keys, request, limit=self._limit, seconds=self._seconds)

    # --------------------------------------------------------------------------- what performing it changes

    @staticmethod
    def progress(connection: sqlite3.Connection, study: str, step: str, status: str) -> None:
        """A procedure step is performed: its entry tells so.  Within the transaction of *connection*."""
        row = connection.execute(
            "SELECT id, attributes FROM worklist WHERE study = ? AND step = ?", (study, step)
        ).fetchone()
        if row is not None:
            entry = load(row[1])
            entry[_STEPS][0][_STATUS] = status
            connection.execute(
                "UPDATE worklist SET status = ?, attributes = ? WHERE id = ?", (status, dump(entry), row[0])
            )

    # --------------------------------------------------------------------------- to look at

    def table(self) -> Table:
        """Every entry, those that are over too."""
        rows = []
        for entry in self.entries(over=True):
            step = entry[_STEPS][0]
            values = (
                _moment(*(text_of(step, keyword) for keyword in _MOMENT)),
                text_of(step, "Modality"),
                text_of(step, "ScheduledStationAETitle"),
                shown("PatientID", text_of(entry, "PatientID")),
                shown("PatientName", text_of(entry, "PatientName")),
                text_of(step, "ScheduledProcedureStepDescription"),
                text_of(step, _STATUS),
            )
            rows.append(tuple(map(printable, values)))
        return Table(
            f"Modality worklist, {counted(len(rows), 'entry')}",
            ("start", "modality", "station", "PatientID", "PatientName", "step", "status"),
            rows,
        )


def _moment(date: str, time: str) -> str:
    """A date and a time of DICOM as people read them.

    >>> _moment("20260301", "0801"), _moment("", ""), _moment("soon", "")
    ('2026-03-01 08:01', '', 'soon')
    """
    day = f"{date[:4]}-{date[4:6]}-{date[6:]}" if len(date) == 8 and date.isdigit() else date
    hour = f"{time[:2]}:{time[2:4]}" if time[:4].isdigit() and len(time) >= 4 else time
    return f"{day} {hour}".strip()


def _status(entry: Attributes) -> str:
    return text_of(entry[_STEPS][0], _STATUS)
