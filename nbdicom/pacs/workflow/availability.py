"""Instance availability notifications (PS3.4 Annex R): somebody tells what can be retrieved, where, and how soon."""

from __future__ import annotations

from nbdicom.operations.requests import NCreateRequest, Refuse
from nbdicom.pacs.workflow.attributes import read, require, text_of
from nbdicom.pacs.workflow.database import Attributes, dump, load, now
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


class Availability(Service):
    """The notifications that a PACS has received."""

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


def _instances(attributes: Attributes) -> list[Attributes]:
    return [
        instance for series in attributes["ReferencedSeriesSequence"] for instance in series["ReferencedSOPSequence"]
    ]
