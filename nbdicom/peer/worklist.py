"""Questions to a Modality Worklist (PS3.4 Annex K): what is scheduled, for whom, where and when.

The identifier of a worklist has the attributes of the scheduled step one level down, in an item of the Scheduled
Procedure Step Sequence; here they are plain keys and plain columns, as the attributes of the patient are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from nbdicom import privacy
from nbdicom.core.extended import QueryOptions
from nbdicom.errors import QueryError
from nbdicom.peer.query import attribute
from nbdicom.peer.values import wire
from nbdicom.table import Table, Tabular
from nbdicom.uids import UID

__all__ = ["WorklistQuery"]

#: Attributes of the Scheduled Procedure Step Module (PS3.4 Table K.6-1, PS3.3 C.4.10); all others are of the levels above.
_STEP_KEYS = """ScheduledStationAETitle ScheduledProcedureStepStartDate ScheduledProcedureStepStartTime
    ScheduledProcedureStepStartDateTime ScheduledProcedureStepEndDate ScheduledProcedureStepEndTime Modality
    ScheduledPerformingPhysicianName ScheduledProcedureStepDescription ScheduledStationName
    ScheduledProcedureStepLocation ScheduledProtocolCodeSequence PreMedication ScheduledProcedureStepID
    RequestedContrastAgent ScheduledProcedureStepStatus CommentsOnTheScheduledProcedureStep
    ScheduledPerformingPhysicianIdentificationSequence ReferencedDefinedProtocolSequence
    ReferencedPerformedProtocolSequence"""
_OF_THE_STEP = frozenset(_STEP_KEYS.split())
#: What an answer has when nothing else is asked for, in the order of the columns.
_COLUMNS = """ScheduledProcedureStepStartDate ScheduledProcedureStepStartTime Modality ScheduledStationAETitle
    PatientName PatientID PatientBirthDate PatientSex ScheduledProcedureStepDescription ScheduledProcedureStepID
    ScheduledProcedureStepStatus AccessionNumber RequestedProcedureID RequestedProcedureDescription
    ScheduledPerformingPhysicianName ReferringPhysicianName StudyInstanceUID"""
_STEP = "ScheduledProcedureStepSequence"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class WorklistQuery(Tabular):
    """One C-FIND request to a worklist, checked.  Make it with `WorklistQuery.of`.

    Examples
    --------
    >>> WorklistQuery.of(Modality="CT", ScheduledProcedureStepStartDate="2026-03").matching
    {'ScheduledProcedureStepStartDate': '20260301-20260331', 'Modality': 'CT'}
    """

    keys: Mapping[str, Any]  #: keyword -> value on the wire; "" is a return key
    columns: tuple[str, ...]  #: the columns of the answer, in order
    options: QueryOptions | None = None  #: for what a worklist can be asked by extended negotiation; nothing is

    @classmethod
    def of(cls, *, columns: Iterable[str] = (), defaults: bool = True, **keys: Any) -> WorklistQuery:
        """Check a question.

        Parameters
        ----------
        columns : iterable of str
            Further attributes to return.
        defaults : bool
            Whether to ask for the usual attributes, too.
        **keys
            Matching keys, of the patient, the request or the scheduled step; see `nbdicom.peer.values.wire`.

        Raises
        ------
        QueryError
            If a keyword or a value cannot be sent.
        """
        matching = {}
        for name, value in keys.items():
            known = attribute(name)
            if known.keyword in (_STEP, "QueryRetrieveLevel"):
                raise QueryError(
                    f"{known.keyword} is not a key to give",
                    hint="give the attributes of the step themselves: Modality=..., ScheduledStationAETitle=...",
                )
            matching[known.keyword] = wire(known.keyword, known.vr, value)
        wanted = [attribute(name).keyword for name in ([columns] if isinstance(columns, str) else columns)]
        order = tuple(dict.fromkeys([*(_COLUMNS.split() if defaults else ("StudyInstanceUID",)), *matching, *wanted]))
        return cls(keys={**dict.fromkeys(order, ""), **matching}, columns=order)

    @property
    def unique(self) -> tuple[str, ...]:
        """Nothing tells one scheduled step from another for certain: two answers are the same if their bytes are."""
        return ()

    @property
    def sop_class(self) -> UID:
        """The SOP Class with which it is asked."""
        return UID.of("ModalityWorklistInformationModelFind")

    @property
    def matching(self) -> dict[str, Any]:
        """The keys that have a value."""
        return {name: value for name, value in self.keys.items() if value not in ("", None, [])}

    def about(self) -> dict[str, Any]:
        """What it is, for the provenance of the answers."""
        return {"level": "WORKLIST", "model": "ModalityWorklist"}

    def identifier(self) -> dict[str, Any]:
        """The identifier of the C-FIND request: the attributes of the step are in an item of its sequence."""
        step = {name: value for name, value in self.keys.items() if name in _OF_THE_STEP}
        above = {name: value for name, value in self.keys.items() if name not in _OF_THE_STEP}
        return {**above, _STEP: [step]}

    def table(self) -> Table:
        """The keys as a table."""
        rows = [
            (name, privacy.shown(name, value), "matching" if name in self.matching else "return")
            for name, value in self.keys.items()
        ]
        return Table("C-FIND to a Modality Worklist", ("key", "value", "use"), rows)
