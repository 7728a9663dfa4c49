"""The workitems of a peer (PS3.4 Annex CC): scheduled, found, taken and finished."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from uuid import uuid4

from nbdicom.core.extended import QueryOptions
from nbdicom.operations.requests import Reply
from nbdicom.peer.query import wired
from nbdicom.status import Status
from nbdicom.uids import UID

if TYPE_CHECKING:
    import pandas
    from pydicom import Dataset

    from nbdicom.peer.entity import RemoteEntity

__all__ = [
    "CHANGE_STATE",
    "PULL",
    "PUSH",
    "WATCH",
    "Action",
    "Claim",
    "ClaimContent",
    "Workitems",
    "query_of",
    "scheduled",
]

PUSH, WATCH, PULL = (UID.of(f"UnifiedProcedureStep{name}") for name in ("Push", "Watch", "Pull"))
_GLOBAL = UID("1.2.840.10008.5.1.4.34.5")
CHANGE_STATE, _REQUEST_CANCEL, _SUBSCRIBE, _UNSUBSCRIBE = 1, 2, 3, 4
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
    unique: tuple[str, ...] = ("SOPInstanceUID",)

    @property
    def sop_class(self) -> UID:
        return PULL

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

    def __init__(self, peer: RemoteEntity) -> None:
        self._peer = peer

    def create(self, **attributes: Any) -> UID:
        """Schedule a workitem (UPS Push, N-CREATE); what is not given has its usual value.  Returns its UID."""
        whole = scheduled(attributes)
        with self._peer.associate([PUSH]) as association:
            return association.n_create(PUSH, whole, sop_instance=f"2.25.{uuid4().int}").sop_instance_uid

    def find(self, *, limit: int | None = None, columns: Iterable[str] = (), **keys: Any) -> pandas.DataFrame:
        """Workitems that match (UPS Pull, C-FIND), as a table; the arguments are those of `Peer.find`."""
        from nbdicom.peer.finding import ask
        from nbdicom.peer.line import Waiting, run

        frame: pandas.DataFrame = run(ask(Waiting(self._peer), [query_of(columns, keys)], limit=limit))
        return frame

    def get(self, uid: str) -> Dataset:
        """The attributes of a workitem (N-GET)."""
        with self._peer.associate([PULL]) as association:
            dataset: Dataset = association.n_get(PUSH, uid, meta_sop_class=PULL).dataset()
        return dataset

    def claim(self, uid: str) -> Claim:
        """Take a workitem: from now on we perform it (UPS Pull, Change UPS State)."""
        return Claim(self._peer, UID(uid))

    def cancel(self, uid: str, reason: str = "") -> Status:
        """Ask for the cancellation of a workitem (UPS Watch, Request UPS Cancel); whoever performs it decides."""
        return self._watch(Action.cancel(uid, reason)).status

    def subscribe(self, uid: str | None = None, *, receiver: str | None = None, lock: bool = False) -> Status:
        """Have *receiver* (us, if nobody is named) told about a workitem, or about all (UPS Watch)."""
        return self._watch(Action.subscribe(uid, receiver or self._peer.calling, lock)).status

    def unsubscribe(self, uid: str | None = None, *, receiver: str | None = None) -> Status:
        """The opposite of `subscribe`."""
        return self._watch(Action.unsubscribe(uid, receiver or self._peer.calling)).status

    def _watch(self, action: Action) -> Reply:
        with self._peer.associate([WATCH]) as association:
            return association.n_action(PUSH, action.uid, action.type_id, action.information, meta_sop_class=WATCH)


def scheduled(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes of a new workitem (PS3.4 Table CC.2.5-3); what is not given has its usual value."""
    return {
        "ProcedureStepState": "SCHEDULED",
        "ScheduledProcedureStepPriority": "MEDIUM",
        "ScheduledProcedureStepStartDateTime": _now(),
        "InputReadinessState": "READY",
        "ProcedureStepLabel": "unnamed",
        **{name: wired(name, value) for name, value in attributes.items()},
    }


def query_of(columns: Iterable[str], keys: Mapping[str, Any]) -> _WorkitemQuery:
    """A C-FIND for workitems (PS3.4 CC.2.8)."""
    matching = {name: wired(name, value) for name, value in keys.items()}
    order = tuple(dict.fromkeys((*_COLUMNS, *matching, *columns)))
    return _WorkitemQuery(keys={**dict.fromkeys(order, ""), **matching}, columns=order)


@dataclass(frozen=True, slots=True)
class Action:
    """An N-ACTION of UPS Watch (PS3.4 CC.2.2, CC.2.3)."""

    uid: str
    type_id: int
    information: Mapping[str, Any]

    @classmethod
    def cancel(cls, uid: str, reason: str) -> Action:
        """Request UPS Cancel."""
        return cls(uid, _REQUEST_CANCEL, {"ReasonForCancellation": reason} if reason else {})

    @classmethod
    def subscribe(cls, uid: str | None, receiver: str, lock: bool) -> Action:
        """Subscribe to Receiving UPS Event Reports; of all workitems without *uid*."""
        return cls(uid or _GLOBAL, _SUBSCRIBE, {"ReceivingAE": receiver, "DeletionLock": "TRUE" if lock else "FALSE"})

    @classmethod
    def unsubscribe(cls, uid: str | None, receiver: str) -> Action:
        """Unsubscribe from Receiving UPS Event Reports."""
        return cls(uid or _GLOBAL, _UNSUBSCRIBE, {"ReceivingAE": receiver})


class ClaimContent:
    """What is said about a workitem by whoever performs it (PS3.4 CC.2.1, CC.2.6)."""

    def __init__(self, uid: UID) -> None:
        self.sop_instance_uid = uid
        self.transaction_uid = UID(f"2.25.{uuid4().int}")
        self.state = "SCHEDULED"
        self._started = _now()

    def _changes(self, attributes: Mapping[str, Any]) -> dict[str, Any]:
        return {name: wired(name, value) for name, value in attributes.items()} | {
            "TransactionUID": self.transaction_uid
        }

    def _state(self, state: str) -> dict[str, Any]:
        return {"ProcedureStepState": state, "TransactionUID": self.transaction_uid}

    @staticmethod
    def _progress(percent: float, description: str) -> dict[str, Any]:
        item = {"ProcedureStepProgress": f"{percent:g}", "ProcedureStepProgressDescription": description}
        return {"ProcedureStepProgressInformationSequence": [item]}

    def _performed(
        self, station: str, workitem: str, meaning: str, scheme: str, output: Iterable[Mapping[str, Any]]
    ) -> dict[str, Any]:
        return {
            "UnifiedProcedureStepPerformedProcedureSequence": [
                {
                    "PerformedStationNameCodeSequence": [_code(station, "99NBDICOM", station)],
                    "PerformedWorkitemCodeSequence": [_code(workitem, scheme, meaning or workitem)],
                    "PerformedProcedureStepStartDateTime": self._started,
                    "PerformedProcedureStepEndDateTime": _now(),
                    "OutputInformationSequence": list(output),
                }
            ]
        }

    def __repr__(self) -> str:
        return f"<Claim of workitem {self.sop_instance_uid}, {self.state}>"


class Claim(ClaimContent):
    """A workitem that we perform: completed at the end of its ``with`` block, canceled by an exception in it."""

    def __init__(self, peer: RemoteEntity, uid: UID) -> None:
        super().__init__(uid)
        self._peer = peer
        self._change("IN PROGRESS")

    def update(self, **attributes: Any) -> None:
        """Set attributes of the workitem (N-SET, PS3.4 CC.2.6)."""
        changes = self._changes(attributes)
        with self._peer.associate([PULL]) as association:
            association.n_set(PUSH, self.sop_instance_uid, changes, meta_sop_class=PULL)

    def progress(self, percent: float, description: str = "") -> None:
        """Tell how far the work is, in percent."""
        self.update(**self._progress(percent, description))

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
        self.update(**self._performed(station, workitem, meaning, scheme, output))

    def complete(self) -> None:
        """The work is done; the attributes that `perform` sets have to be there."""
        self._change("COMPLETED")

    def cancel(self) -> None:
        """The work is given up."""
        self._change("CANCELED")

    def _change(self, state: str) -> None:
        with self._peer.associate([PULL]) as association:
            association.n_action(PUSH, self.sop_instance_uid, CHANGE_STATE, self._state(state), meta_sop_class=PULL)
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


def _now() -> str:
    return f"{datetime.now():%Y%m%d%H%M%S}"  # noqa: DTZ005  # DICOM's dates and times are local ones


def _code(value: str, scheme: str, meaning: str) -> dict[str, str]:
    return {"CodeValue": value[:16], "CodingSchemeDesignator": scheme, "CodeMeaning": meaning}
