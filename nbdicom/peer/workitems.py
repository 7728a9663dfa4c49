"""The workitems of a peer (PS3.4 Annex CC): scheduled, found, taken and finished."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from uuid import uuid4

from nbdicom.core.extended import QueryOptions
from nbdicom.core.negotiation import PresentationContext
from nbdicom.operations.requests import Reply
from nbdicom.peer.query import attribute
from nbdicom.peer.values import wire
from nbdicom.status import Status
from nbdicom.uids import UID

if TYPE_CHECKING:
    import pandas
    from pydicom import Dataset

    from nbdicom.peer.peer import Peer

__all__ = ["Claim", "Workitems"]

_PUSH, _WATCH, _PULL = (UID.of(f"UnifiedProcedureStep{name}") for name in ("Push", "Watch", "Pull"))
_GLOBAL = UID("1.2.840.10008.5.1.4.34.5")
_CHANGE_STATE, _REQUEST_CANCEL, _SUBSCRIBE, _UNSUBSCRIBE = 1, 2, 3, 4
_COLUMNS = """
SOPInstanceUID ProcedureStepState ProcedureStepLabel WorklistLabel ScheduledProcedureStepPriority
ScheduledProcedureStepStartDateTime InputReadinessState PatientName PatientID
""".split()  # noqa: SIM905


@dataclass(frozen=True, slots=True, kw_only=True)
class _WorkitemQuery:
    """A C-FIND for workitems."""

    keys: Mapping[str, Any]
    columns: tuple[str, ...]
    options: QueryOptions | None = None

    @property
    def sop_class(self) -> UID:
        return _PULL

    @property
    def matching(self) -> dict[str, Any]:
        return {name: value for name, value in self.keys.items() if value not in ("", None, [])}

    def identifier(self) -> dict[str, Any]:
        return dict(self.keys)

    def about(self) -> dict[str, Any]:
        return {"level": "WORKITEM", "model": "UnifiedProcedureStep"}


class Workitems:
    """What can be asked of a peer about workitems; `Peer.workitems` makes it.

    Examples
    --------
    >>> ris.workitems.find(ProcedureStepState="SCHEDULED")  # doctest: +SKIP
    >>> with ris.workitems.claim(uid) as work:  # doctest: +SKIP
    ...     work.progress(50)
    ...     work.perform(station="CAD1", workitem="110004")
    """

    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    def create(self, **attributes: Any) -> UID:
        """Schedule a workitem (UPS Push, N-CREATE); what is not given has its usual value.  Returns its UID."""
        now = _now()
        whole: dict[str, Any] = {
            "ProcedureStepState": "SCHEDULED",
            "ScheduledProcedureStepPriority": "MEDIUM",
            "ScheduledProcedureStepStartDateTime": now,
            "InputReadinessState": "READY",
            "ProcedureStepLabel": "unnamed",
            **{name: _wire(name, value) for name, value in attributes.items()},
        }
        with self._peer.associate([_PUSH]) as association:
            return association.n_create(_PUSH, whole, sop_instance=f"2.25.{uuid4().int}").sop_instance_uid

    def find(self, *, limit: int | None = None, columns: Iterable[str] = (), **keys: Any) -> pandas.DataFrame:
        """Workitems that match (UPS Pull, C-FIND), as a table; the arguments are those of `Peer.find`."""
        from nbdicom.peer.finding import find

        matching = {name: _wire(name, value) for name, value in keys.items()}
        order = tuple(dict.fromkeys((*_COLUMNS, *matching, *columns)))
        query = _WorkitemQuery(keys={**dict.fromkeys(order, ""), **matching}, columns=order)
        frame: pandas.DataFrame = find(self._peer, [query], limit=limit, parse=True, progress=None)
        return frame

    def get(self, uid: str) -> Dataset:
        """The attributes of a workitem (N-GET)."""
        with self._peer.associate([_PULL]) as association:
            dataset: Dataset = association.n_get(_PUSH, uid, meta_sop_class=_PULL).dataset()
        return dataset

    def claim(self, uid: str) -> Claim:
        """Take a workitem: from now on we perform it (UPS Pull, Change UPS State)."""
        return Claim(self._peer, UID(uid))

    def cancel(self, uid: str, reason: str = "") -> Status:
        """Ask for the cancellation of a workitem (UPS Watch, Request UPS Cancel); whoever performs it decides."""
        information = {"ReasonForCancellation": reason} if reason else {}
        return self._watch(uid, _REQUEST_CANCEL, information).status

    def subscribe(self, uid: str | None = None, *, receiver: str | None = None, lock: bool = False) -> Status:
        """Have *receiver* (us, if nobody is named) told about a workitem, or about all (UPS Watch)."""
        information = {"ReceivingAE": receiver or self._peer.calling, "DeletionLock": "TRUE" if lock else "FALSE"}
        return self._watch(uid or _GLOBAL, _SUBSCRIBE, information).status

    def unsubscribe(self, uid: str | None = None, *, receiver: str | None = None) -> Status:
        """The opposite of `subscribe`."""
        return self._watch(uid or _GLOBAL, _UNSUBSCRIBE, {"ReceivingAE": receiver or self._peer.calling}).status

    def _watch(self, uid: str, action: int, information: Mapping[str, Any]) -> Reply:
        with self._peer.associate([_WATCH]) as association:
            return association.n_action(_PUSH, uid, action, information, meta_sop_class=_WATCH)


class Claim:
    """A workitem that we perform: completed at the end of its ``with`` block, canceled by an exception in it."""

    def __init__(self, peer: Peer, uid: UID) -> None:
        self.sop_instance_uid = uid
        self.transaction_uid = UID(f"2.25.{uuid4().int}")
        self.state = "SCHEDULED"
        self._peer = peer
        self._started = _now()
        self._change("IN PROGRESS")

    def update(self, **attributes: Any) -> None:
        """Set attributes of the workitem (N-SET)."""
        changes = {name: _wire(name, value) for name, value in attributes.items()}
        with self._peer.associate([_PULL]) as association:
            changes["TransactionUID"] = self.transaction_uid
            association.n_set(_PUSH, self.sop_instance_uid, changes, meta_sop_class=_PULL)

    def progress(self, percent: float, description: str = "") -> None:
        """Tell how far the work is, in percent."""
        item = {"ProcedureStepProgress": f"{percent:g}", "ProcedureStepProgressDescription": description}
        self.update(ProcedureStepProgressInformationSequence=[item])

    def perform(
        self,
        *,
        station: str,
        workitem: str = "110013",
        meaning: str = "",
        scheme: str = "DCM",
        output: Iterable[Mapping[str, Any]] = (),
    ) -> None:
        """Say what was performed, which a completed workitem has to (PS3.4 CC.2.5.1.1): where, what, from when to when."""
        self.update(
            UnifiedProcedureStepPerformedProcedureSequence=[
                {
                    "PerformedStationNameCodeSequence": [_code(station, "99NBDICOM", station)],
                    "PerformedWorkitemCodeSequence": [_code(workitem, scheme, meaning or workitem)],
                    "PerformedProcedureStepStartDateTime": self._started,
                    "PerformedProcedureStepEndDateTime": _now(),
                    "OutputInformationSequence": list(output),
                }
            ]
        )

    def complete(self) -> None:
        """The work is done; the attributes that `perform` sets have to be there."""
        self._change("COMPLETED")

    def cancel(self) -> None:
        """The work is given up."""
        self._change("CANCELED")

    def _change(self, state: str) -> None:
        information = {"ProcedureStepState": state, "TransactionUID": self.transaction_uid}
        with self._peer.associate([PresentationContext(_PULL)]) as association:
            association.n_action(_PUSH, self.sop_instance_uid, _CHANGE_STATE, information, meta_sop_class=_PULL)
        self.state = state

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self.state != "IN PROGRESS":
            return
        if kind is None:
            self.complete()
        else:
            self.cancel()

    def __repr__(self) -> str:
        return f"<Claim of workitem {self.sop_instance_uid}, {self.state}>"


def _now() -> str:
    return f"{datetime.now():%Y%m%d%H%M%S}"  # noqa: DTZ005  # DICOM's dates and times are local ones


def _code(value: str, scheme: str, meaning: str) -> dict[str, str]:
    return {"CodeValue": value[:16], "CodingSchemeDesignator": scheme, "CodeMeaning": meaning}


def _wire(name: str, value: Any) -> Any:
    known = attribute(name)
    return value if known.vr == "SQ" else wire(known.keyword, known.vr, value)
