"""Instance availability notifications (PS3.4 Annex R): somebody tells what can be retrieved, where, and how soon.

As SCP the PACS keeps what it is told.  As SCU it tells others: about the images of a performed procedure step when that is
over, and about a study when it is asked to.  What is available is found out when the notification is about to be sent.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable
from uuid import uuid4

from nbdicom.errors import PacsError
from nbdicom.operations.requests import NCreateRequest, Refuse
from nbdicom.pacs.archive import Archive
from nbdicom.pacs.workflow.attributes import read, require, text_of
from nbdicom.pacs.workflow.database import Attributes, Database, dump, load, now
from nbdicom.pacs.workflow.reports import AVAILABILITY, NothingToTell, Report, Reports
from nbdicom.pacs.workflow.service import Service
from nbdicom.table import Table, printable

__all__ = ["Availability"]

#: PS3.4 Table R.3.2-1.
_NOTIFIED = """
ReferencedPerformedProcedureStepSequence 2
  ReferencedSOPClassUID 1
  ReferencedSOPInstanceUID 1
  PerformedWorkitemCodeSequence 2
StudyInstanceUID 1
ReferencedSeriesSequence 1
  SeriesInstanceUID 1
  ReferencedSOPSequence 1
    ReferencedSOPClassUID 1
    ReferencedSOPInstanceUID 1
    InstanceAvailability 1
    RetrieveAETitle 1
"""
_AVAILABILITIES = ("ONLINE", "NEARLINE", "OFFLINE", "UNAVAILABLE")  #: PS3.3 C.4.23.1.1
_STEP, _STUDY = "step", "study"  #: what a notification is about
_MPPS = "1.2.840.10008.3.1.2.3.3"
_REFERENCES = ("ReferencedImageSequence", "ReferencedNonImageCompositeSOPInstanceSequence")


class Availability(Service):
    """The notifications that a PACS has received, and those that it sends.

    Parameters
    ----------
    database, reports, archive
        Of the same PACS.
    ae_title : str
        Its own title, from which its objects are retrieved.
    notify : collection of str
        AE titles that are told.
    """

    def __init__(
        self, database: Database, reports: Reports, archive: Archive, *, ae_title: str, notify: Collection[str] = ()
    ) -> None:
        super().__init__(database)
        self._reports = reports
        self._archive = archive
        self._ae_title = ae_title
        self._notify = tuple(notify)
        reports.completed_by(AVAILABILITY, self._found_out)

    # --------------------------------------------------------------------------- told to others

    def announce(self, study_instance_uid: str, *recipients: str) -> int:
        """Notify others of what is here of a study.

        Parameters
        ----------
        study_instance_uid : str
            The study.
        *recipients : str
            AE titles; by default those that the PACS was told to notify.

        Returns
        -------
        int
            How many are going to be told; `Pacs.reports` shows what becomes of it.

        Raises
        ------
        PacsError
            If nothing of the study is here, or nobody is to be told.
        """
        told = recipients or self._notify
        if not told:
            raise PacsError(
                "nobody is to be notified", hint='Pacs(notify_availability=["RIS"]), or name the recipients'
            )
        if not self._of_study(study_instance_uid):
            raise PacsError("nothing of this study is here")
        with self._database.write() as connection:
            self._promise(connection, told, _STUDY, study_instance_uid)
        self._reports.wake(*told)
        return len(told)

    def step_is_over(self, connection: sqlite3.Connection, uid: str) -> set[str]:
        """A performed procedure step has ended: who is going to be told of its images."""
        self._promise(connection, self._notify, _STEP, uid)
        return set(self._notify)

    def _promise(self, connection: sqlite3.Connection, recipients: Iterable[str], what: str, uid: str) -> None:
        for ae_title in recipients:
            self._reports.add(
                connection,
                ae_title,
                sop_class=AVAILABILITY,
                sop_instance=f"2.25.{uuid4().int}",
                subject=f"{what} {uid}",
            )

    def _found_out(self, report: Report) -> tuple[int, Attributes]:
        """What is available now of what a notification is about (Table R.3.2-1).

        Raises
        ------
        NothingToTell
            For a step without images in a study of which nothing is here: a notification has one instance at least.
        """
        what, _, uid = report.subject.partition(" ")
        steps: list[Attributes] = []
        study, found = uid, []
        if what == _STEP:
            with self._database.read() as connection:
                row = connection.execute("SELECT attributes FROM performed_steps WHERE uid = ?", (uid,)).fetchone()
            step = load(row[0]) if row else {}
            scheduled = step.get("ScheduledStepAttributesSequence") or [{}]
            study = text_of(scheduled[0], "StudyInstanceUID")
            steps = [
                {"ReferencedSOPClassUID": _MPPS, "ReferencedSOPInstanceUID": uid, "PerformedWorkitemCodeSequence": []}
            ]
            found = list(_referenced(step))
        if not found:  # a step that names no images: what is here of its study
            found = self._of_study(study)
        if not found:
            raise NothingToTell("there are no instances to tell of")
        series: dict[str, list[Attributes]] = {}
        for series_uid, class_uid, instance_uid in found:
            here = self._archive.instance(instance_uid) is not None
            series.setdefault(series_uid, []).append(
                {
                    "ReferencedSOPClassUID": class_uid,
                    "ReferencedSOPInstanceUID": instance_uid,
                    "InstanceAvailability": "ONLINE" if here else "UNAVAILABLE",
                    "RetrieveAETitle": self._ae_title,
                }
            )
        return 0, {
            "ReferencedPerformedProcedureStepSequence": steps,
            "StudyInstanceUID": study,
            "ReferencedSeriesSequence": [
                {"SeriesInstanceUID": uid, "ReferencedSOPSequence": instances} for uid, instances in series.items()
            ],
        }

    def _of_study(self, study_instance_uid: str) -> list[tuple[str, str, str]]:
        with self._archive.index.reader() as connection:
            return connection.execute(
                "SELECT s.SeriesInstanceUID, i.SOPClassUID, i.SOPInstanceUID FROM studies t JOIN series s ON s.study = t.id"
                " JOIN instances i ON i.series = s.id WHERE t.StudyInstanceUID = ? ORDER BY s.id, i.id",
                (study_instance_uid,),
            ).fetchall()

    # --------------------------------------------------------------------------- told to us

    def n_create(self, request: NCreateRequest) -> None:
        """N-CREATE (R.3.2.1): a notification arrives."""
        attributes = read(request.data, request.transfer_syntax)
        require(attributes, _NOTIFIED)
        for instance in _instances(attributes):
            if text_of(instance, "InstanceAvailability") not in _AVAILABILITIES:
                raise Refuse(
                    0x0106, f"InstanceAvailability is {', '.join(_AVAILABILITIES[:-1])} or {_AVAILABILITIES[-1]}"
                )
        with self._database.write() as connection:
            known = "SELECT 1 FROM availability WHERE uid = ?"
            if connection.execute(known, (request.sop_instance_uid,)).fetchone():
                raise Refuse(0x0111, "this notification has been received already")
            connection.execute(
                "INSERT INTO availability (uid, source, received, attributes) VALUES (?, ?, ?, ?)",
                (request.sop_instance_uid, request.calling_ae_title, now(), dump(attributes)),
            )

    def notifications(self) -> list[Attributes]:
        """The data sets of the notifications, the first first."""
        with self._database.read() as connection:
            rows = connection.execute("SELECT attributes FROM availability ORDER BY rowid").fetchall()
        return [load(text) for (text,) in rows]

    def table(self) -> Table:
        """One row for each notification and availability."""
        with self._database.read() as connection:
            found = connection.execute(
                "SELECT received, source, attributes FROM availability ORDER BY rowid"
            ).fetchall()
        rows = []
        for received, source, text in found:
            attributes = load(text)
            groups: dict[tuple[str, str], int] = {}
            for instance in _instances(attributes):
                key = text_of(instance, "InstanceAvailability"), text_of(instance, "RetrieveAETitle")
                groups[key] = groups.get(key, 0) + 1
            for (how, where), count in groups.items():
                values = received, source, text_of(attributes, "StudyInstanceUID"), count, how, where
                rows.append(tuple(map(printable, values)))
        return Table(
            "Instance availability notifications",
            ("received", "told by", "study", "instances", "availability", "retrieve from"),
            rows,
        )


def _referenced(step: Attributes) -> Iterable[tuple[str, str, str]]:
    """Series, SOP Class and SOP Instance of what a performed procedure step has made."""
    for series in step.get("PerformedSeriesSequence") or ():
        for keyword in _REFERENCES:
            for reference in series.get(keyword) or ():
                yield (
                    text_of(series, "SeriesInstanceUID"),
                    text_of(reference, "ReferencedSOPClassUID"),
                    text_of(reference, "ReferencedSOPInstanceUID"),
                )


def _instances(attributes: Attributes) -> list[Attributes]:
    return [
        instance for series in attributes["ReferencedSeriesSequence"] for instance in series["ReferencedSOPSequence"]
    ]
