"""A modality's performed procedure step as a ``with`` block (PS3.4 Annex F): begun, and ended one way or the other."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from uuid import uuid4

from nbdicom.errors import LocalProtocolError, QueryError
from nbdicom.peer.query import attribute, wired
from nbdicom.peer.selection import each_item, records
from nbdicom.table import Table, Tabular
from nbdicom.uids import UID

if TYPE_CHECKING:
    from nbdicom.peer.entity import Remote, RemoteEntity

__all__ = ["SOP_CLASS", "PerformedProcedureStep", "StepContent"]

SOP_CLASS = UID.of("ModalityPerformedProcedureStep")
_STEPS = "ScheduledProcedureStepSequence"
_IN_PROGRESS, _COMPLETED, _DISCONTINUED = "IN PROGRESS", "COMPLETED", "DISCONTINUED"

#: What goes from an entry of a worklist into the Scheduled Step Attributes Sequence (PS3.4 Table F.7.2-1).
_SCHEDULED = """
StudyInstanceUID ReferencedStudySequence AccessionNumber RequestedProcedureID RequestedProcedureDescription
ScheduledProcedureStepID ScheduledProcedureStepDescription ScheduledProtocolCodeSequence
""".split()  # noqa: SIM905
_PATIENT = ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "ReferencedPatientSequence")
#: The other attributes that have to be there, empty if need be.
_EMPTY = """
PerformedStationName PerformedLocation PerformedProcedureStepDescription PerformedProcedureTypeDescription
ProcedureCodeSequence PerformedProcedureStepEndDate PerformedProcedureStepEndTime StudyID PerformedProtocolCodeSequence
PerformedSeriesSequence
""".split()  # noqa: SIM905


class StepContent(Tabular):
    """What a performed procedure step says at each point of its life, whoever sends it (PS3.4 F.7.2).

    Attributes
    ----------
    sop_instance_uid : UID
        Its name.
    status : str
        ``""`` until it begins, then IN PROGRESS, COMPLETED or DISCONTINUED.
    """

    def __init__(self, peer: Remote, entry: Any, attributes: Mapping[str, Any]) -> None:
        self.sop_instance_uid = UID(f"2.25.{uuid4().int}")
        self.status = ""
        self._at = peer.address
        self._series: dict[str, dict[str, Any]] = {}
        scheduled = _entry(entry)
        now = datetime.now()  # noqa: DTZ005  # DICOM's dates and times are local ones
        given = {name: wired(name, value) for name, value in attributes.items()}
        self._created = {
            **dict.fromkeys(_EMPTY, ""),
            "ScheduledStepAttributesSequence": [{name: scheduled.get(name, "") for name in _SCHEDULED}],
            **{name: scheduled.get(name, "") for name in _PATIENT},
            "PerformedProcedureStepID": f"P{uuid4().hex[:8].upper()}",
            "PerformedStationAETitle": peer.calling,
            "PerformedProcedureStepStartDate": f"{now:%Y%m%d}",
            "PerformedProcedureStepStartTime": f"{now:%H%M%S}",
            "PerformedProcedureStepDescription": scheduled.get("ScheduledProcedureStepDescription", ""),
            "Modality": scheduled.get("Modality", ""),
            **given,
            "PerformedProcedureStepStatus": _IN_PROGRESS,
        }
        study = self._created["ScheduledStepAttributesSequence"][0]["StudyInstanceUID"]
        if not study or not self._created["Modality"]:
            raise QueryError(
                "a performed procedure step needs StudyInstanceUID and Modality",
                hint="pass a row of worklist(), or a mapping that has them",
            )

    @property
    def study_instance_uid(self) -> UID:
        """The study to which the images of this step belong."""
        return UID(self._created["ScheduledStepAttributesSequence"][0]["StudyInstanceUID"])

    # --------------------------------------------------------------------------- what is said

    def _first(self) -> dict[str, Any]:
        """The attributes of its N-CREATE."""
        if self.status:
            raise LocalProtocolError(f"the step is {self.status} already [PS3.4 F.7.2.1]")
        return self._created

    def _changes(self, attributes: Mapping[str, Any]) -> dict[str, Any]:
        """The modifications of an N-SET."""
        if self.status != _IN_PROGRESS:
            raise LocalProtocolError(f"the step is {self.status or 'not begun'}, not in progress [PS3.4 F.7.2.2]")
        modifications = {name: wired(name, value) for name, value in attributes.items()}
        if self._series:
            modifications.setdefault("PerformedSeriesSequence", list(self._series.values()))
        return modifications

    def _last(self, status: str, attributes: Mapping[str, Any]) -> dict[str, Any]:
        """The modifications of the last N-SET."""
        now = datetime.now()  # noqa: DTZ005
        return {
            "PerformedProcedureStepEndDate": f"{now:%Y%m%d}",
            "PerformedProcedureStepEndTime": f"{now:%H%M%S}",
            **self._changes(attributes),
            "PerformedProcedureStepStatus": status,
        }

    def add(self, *items: Any) -> None:
        """Note instances that the step has made; the peer is told at its end, or by `update`.

        Parameters
        ----------
        *items
            Files, Datasets, or lists of these.
        """
        from pydicom import dcmread

        from nbdicom.data import Skipped, scan

        for found in scan(each_item(items)):
            if isinstance(found, Skipped):
                continue
            path = getattr(found, "path", None)
            head = (
                getattr(found, "dataset", None) if path is None else dcmread(path, stop_before_pixels=True, force=True)
            )
            assert head is not None
            uid = str(head.get("SeriesInstanceUID", ""))
            if uid not in self._series:
                self._series[uid] = {
                    "SeriesInstanceUID": uid,
                    "ProtocolName": str(head.get("ProtocolName") or head.get("SeriesDescription") or "unnamed"),
                    "SeriesDescription": str(head.get("SeriesDescription", "")),
                    "PerformingPhysicianName": str(head.get("PerformingPhysicianName", "")),
                    "OperatorsName": str(head.get("OperatorsName", "")),
                    "RetrieveAETitle": "",
                    "ReferencedNonImageCompositeSOPInstanceSequence": [],
                    "ReferencedImageSequence": [],
                }
            kind = "ReferencedImageSequence" if "Rows" in head else "ReferencedNonImageCompositeSOPInstanceSequence"
            self._series[uid][kind].append(
                {"ReferencedSOPClassUID": found.sop_class_uid, "ReferencedSOPInstanceUID": found.sop_instance_uid}
            )

    # --------------------------------------------------------------------------- to look at

    def table(self) -> Table:
        """What it is, and the series so far."""
        rows: list[tuple[object, ...]] = [
            ("SOP Instance UID", self.sop_instance_uid),
            ("status", self.status or "not begun"),
            ("modality", self._created["Modality"]),
            ("study", self.study_instance_uid),
        ]
        for series in self._series.values():
            count = sum(len(value) for value in series.values() if isinstance(value, list))
            rows.append(("series", f"{series['SeriesInstanceUID']}, {count} instances"))
        return Table(f"Performed procedure step at {self._at}", ("what", "value"), rows)


class PerformedProcedureStep(StepContent):
    """A step that is performed.  `Peer.mpps` makes it; see there.

    Attributes
    ----------
    sop_instance_uid : UID
        Its name.
    status : str
        ``""`` until it begins, then IN PROGRESS, COMPLETED or DISCONTINUED.
    """

    def __init__(self, peer: RemoteEntity, entry: Any, attributes: Mapping[str, Any]) -> None:
        super().__init__(peer, entry, attributes)
        self._peer = peer

    def begin(self) -> Self:
        """Tell the peer that the step is in progress (N-CREATE, PS3.4 F.7.2.1); ``with`` does it."""
        first = self._first()
        with self._peer.associate([SOP_CLASS]) as association:
            association.n_create(SOP_CLASS, first, sop_instance=self.sop_instance_uid)
        self.status = _IN_PROGRESS
        return self

    def update(self, **attributes: Any) -> None:
        """Tell the peer how the step goes on (N-SET, PS3.4 F.7.2.2)."""
        self._set(self._changes(attributes))

    def complete(self, **attributes: Any) -> None:
        """Tell the peer that the step is completed; leaving the ``with`` block does it."""
        self._set(self._last(_COMPLETED, attributes))
        self.status = _COMPLETED

    def discontinue(self, **attributes: Any) -> None:
        """Tell the peer that the step was discontinued; an exception in the ``with`` block does it."""
        self._set(self._last(_DISCONTINUED, attributes))
        self.status = _DISCONTINUED

    def _set(self, modifications: dict[str, Any]) -> None:
        with self._peer.associate([SOP_CLASS]) as association:
            association.n_set(SOP_CLASS, self.sop_instance_uid, modifications)

    def __enter__(self) -> Self:
        return self.begin()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self.status != _IN_PROGRESS:
            return  # ended in the block already
        if kind is None:
            self.complete()
        else:
            self.discontinue()


def _entry(entry: Any) -> dict[str, Any]:
    """An entry of a worklist, as a row, a mapping or a Dataset: the attributes of its step beside the others."""
    if entry is None:
        return {}
    if hasattr(entry, "group_dataset"):
        from nbdicom.data import codec
        from nbdicom.data.nested import decode_nested

        explicit = "1.2.840.10008.1.2.1"
        entry = decode_nested(codec.encode(entry, explicit), explicit)
    rows = records(entry)
    if len(rows) != 1:
        raise QueryError(
            f"a step is performed for one entry, and these are {len(rows)}", hint="pass one row: rows.iloc[0]"
        )
    (row,) = rows
    steps = row.pop(_STEPS, None) or [{}]
    flat = {**row, **steps[0]}
    wanted = (*_SCHEDULED, *_PATIENT, "Modality")
    return {name: _value(name, flat[name]) for name in wanted if name in flat}


def _value(name: str, value: Any) -> Any:
    """A value of a table as it is sent; what a table has for "nothing" is empty."""
    if attribute(name).vr == "SQ":
        return list(value) if isinstance(value, (list, tuple)) else []
    if value is None or (not isinstance(value, str) and str(value) in ("<NA>", "NaT", "nan")):
        return ""
    return wired(name, value)
