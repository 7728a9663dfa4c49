"""Modality Performed Procedure Step: a modality tells that it has begun, and how it ended (PS3.4 Annex F).

N-CREATE with the status IN PROGRESS, then N-SET with COMPLETED or DISCONTINUED; after that the step is final and the SCP
refuses every change (PS3.4 F.7.2.2.2).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from nbdicom.core.negotiation import PresentationContext
from nbdicom.errors import QueryError
from nbdicom.peer.selection import records
from nbdicom.table import Table
from nbdicom.uids import UID

if TYPE_CHECKING:
    from nbdicom.peer.peer import Peer

__all__ = ["PerformedStep"]

_MPPS = UID("1.2.840.10008.3.1.2.3.3")
#: What the performed step takes over from the scheduled one (PS3.4 Table F.7.2-1).
_SCHEDULED = (
    "StudyInstanceUID", "AccessionNumber", "RequestedProcedureID", "RequestedProcedureDescription",
    "ScheduledProcedureStepID", "ScheduledProcedureStepDescription",
)  # fmt: skip
_PATIENT = ("PatientName", "PatientID", "PatientBirthDate", "PatientSex")


class PerformedStep:
    """One performed procedure step at a peer.  Begin it with `PerformedStep.begin`.

    Examples
    --------
    >>> step = PerformedStep.begin(ris, worklist.iloc[0])  # doctest: +SKIP
    >>> step.complete()  # doctest: +SKIP
    """

    def __init__(self, peer: Peer, uid: UID, scheduled: Mapping[str, Any]) -> None:
        self.peer = peer
        self.sop_instance_uid = uid
        self.status = "IN PROGRESS"
        self._scheduled = dict(scheduled)

    @classmethod
    def begin(cls, peer: Peer, scheduled: Any, *, step_id: str | None = None) -> PerformedStep:
        """Tell that the step has begun (N-CREATE).

        Parameters
        ----------
        peer : Peer
            The SCP; often the RIS that answered the worklist.
        scheduled : row, DataFrame of one row, or mapping
            The scheduled step, as `Peer.worklist` gives it.
        step_id : str, optional
            Performed Procedure Step ID; by default the scheduled one.

        Raises
        ------
        QueryError
            If it is not one step of a worklist.
        OperationFailed
            If the peer refuses it, with its status.
        """
        rows = records(scheduled)
        if len(rows) != 1:
            raise QueryError(
                f"{len(rows)} rows where one scheduled step is begun", hint="choose one row of the worklist"
            )
        row = {name: _text(value) for name, value in rows[0].items()}
        if not row.get("StudyInstanceUID"):
            raise QueryError("the row has no StudyInstanceUID", hint="pass a row of worklist()")
        now = datetime.now().astimezone()
        identifier = step_id or row.get("ScheduledProcedureStepID") or f"P{now:%y%m%d%H%M%S}"
        attributes = {
            **{name: row.get(name, "") for name in _PATIENT},
            "ScheduledStepAttributesSequence": [
                {**{name: row.get(name, "") for name in _SCHEDULED}, "ReferencedStudySequence": [],
                 "ScheduledProtocolCodeSequence": []}
            ],
            "ReferencedPatientSequence": [],
            "PerformedProcedureStepID": identifier,
            "PerformedStationAETitle": row.get("ScheduledStationAETitle") or peer.calling,
            "PerformedStationName": "",
            "PerformedLocation": "",
            "PerformedProcedureStepStartDate": f"{now:%Y%m%d}",
            "PerformedProcedureStepStartTime": f"{now:%H%M%S}",
            "PerformedProcedureStepEndDate": "",
            "PerformedProcedureStepEndTime": "",
            "PerformedProcedureStepStatus": "IN PROGRESS",
            "PerformedProcedureStepDescription": row.get("ScheduledProcedureStepDescription", ""),
            "PerformedProcedureTypeDescription": "",
            "ProcedureCodeSequence": [],
            "Modality": row.get("Modality") or "OT",
            "StudyID": row.get("RequestedProcedureID", "")[:16],
            "PerformedProtocolCodeSequence": [],
            "PerformedSeriesSequence": [],
        }  # fmt: skip
        uid = _new_uid()
        with peer.associate([PresentationContext(_MPPS)]) as association:
            reply = association.n_create(_MPPS, attributes, sop_instance=uid)
        return cls(peer, reply.sop_instance_uid or uid, row)

    @property
    def scheduled_id(self) -> str:
        """The ID of the scheduled step."""
        return str(self._scheduled.get("ScheduledProcedureStepID", ""))

    def complete(self, series: Sequence[str | Mapping[str, Any]] = ()) -> None:
        """Tell that it is done (N-SET, COMPLETED).

        Parameters
        ----------
        series : sequence of str or mapping
            The series that were made: their UIDs, or items of the Performed Series Sequence.  PS3.4 F.7.2.2.2 wants at
            least one; without any, one of the Protocol Name ``"unspecified"`` is made up.

        Raises
        ------
        OperationFailed
            If the peer refuses it; a step that has ended is refused with 0110H.
        """
        self._end("COMPLETED", series or [_new_uid()])

    def discontinue(self, series: Sequence[str | Mapping[str, Any]] = ()) -> None:
        """Tell that it was given up (N-SET, DISCONTINUED); the parameters are those of `complete`."""
        self._end("DISCONTINUED", series)

    def _end(self, status: str, series: Sequence[str | Mapping[str, Any]]) -> None:
        now = datetime.now().astimezone()
        changes = {
            "PerformedProcedureStepStatus": status,
            "PerformedProcedureStepEndDate": f"{now:%Y%m%d}",
            "PerformedProcedureStepEndTime": f"{now:%H%M%S}",
            "PerformedSeriesSequence": [_series(one) for one in series],
        }
        with self.peer.associate([PresentationContext(_MPPS)]) as association:
            association.n_set(_MPPS, self.sop_instance_uid, changes)
        self.status = status

    def table(self) -> Table:
        """What it is and how it stands."""
        rows = [
            ("status", self.status),
            ("scheduled step", self.scheduled_id),
            ("SOP Instance UID", self.sop_instance_uid),
        ]
        return Table(f"Performed procedure step at {self.peer.address}", ("what", "value"), rows)

    def __repr__(self) -> str:
        return str(self.table())

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


def _new_uid() -> UID:
    from pydicom.uid import generate_uid

    return UID(generate_uid(prefix=None))  # under 2.25: from a UUID (PS3.5 B.2)


def _series(one: str | Mapping[str, Any]) -> dict[str, Any]:
    given = {"SeriesInstanceUID": one} if isinstance(one, str) else dict(one)
    return {
        "PerformingPhysicianName": "", "OperatorsName": "", "ProtocolName": "unspecified", "SeriesDescription": "",
        "RetrieveAETitle": "", "ReferencedImageSequence": [], "ReferencedNonImageCompositeSOPInstanceSequence": [],
        **given,
    }  # fmt: skip


def _text(value: Any) -> str:
    """A value of a row on the wire; nothing for what is missing."""
    if value is None or type(value).__name__ in ("NAType", "NaTType") or (isinstance(value, float) and value != value):
        return ""
    if hasattr(value, "strftime"):
        return f"{value:%Y%m%d}"
    return value if isinstance(value, str) else ""
