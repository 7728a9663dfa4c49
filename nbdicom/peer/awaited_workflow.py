"""Procedure steps and workitems of a peer for programs that run an event loop (PS3.4 Annexes F and CC).

The contents are those of `nbdicom.peer.procedure_step` and `nbdicom.peer.workitems`; here they are sent by a task.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from uuid import uuid4

from nbdicom.operations.requests import Reply
from nbdicom.peer import procedure_step, workitems
from nbdicom.peer.awaited_line import Awaiting
from nbdicom.peer.finding import ask
from nbdicom.status import Status
from nbdicom.uids import UID

if TYPE_CHECKING:
    import pandas
    from pydicom import Dataset

    from nbdicom.peer.awaited import AsyncPeer

__all__ = ["AsyncClaim", "AsyncPerformedProcedureStep", "AsyncWorkitems"]

_IN_PROGRESS, _COMPLETED, _DISCONTINUED = "IN PROGRESS", "COMPLETED", "DISCONTINUED"


class AsyncPerformedProcedureStep(procedure_step.StepContent):
    """A step that is performed; `AsyncPeer.mpps` makes it.

    ``async with`` begins it, completes it at the end of the block, and discontinues it after an exception in it.
    """

    def __init__(self, peer: AsyncPeer, entry: Any, attributes: Mapping[str, Any]) -> None:
        super().__init__(peer, entry, attributes)
        self._peer = peer

    async def begin(self) -> Self:
        """Tell the peer that the step is in progress (N-CREATE, PS3.4 F.7.2.1)."""
        first = self._first()
        async with self._peer.associate([procedure_step.SOP_CLASS]) as association:
            await association.n_create(procedure_step.SOP_CLASS, first, sop_instance=self.sop_instance_uid)
        self.status = _IN_PROGRESS
        return self

    async def update(self, **attributes: Any) -> None:
        """Tell the peer how the step goes on (N-SET, PS3.4 F.7.2.2)."""
        await self._set(self._changes(attributes))

    async def complete(self, **attributes: Any) -> None:
        """Tell the peer that the step is completed."""
        await self._set(self._last(_COMPLETED, attributes))
        self.status = _COMPLETED

    async def discontinue(self, **attributes: Any) -> None:
        """Tell the peer that the step was discontinued."""
        await self._set(self._last(_DISCONTINUED, attributes))
        self.status = _DISCONTINUED

    async def _set(self, modifications: dict[str, Any]) -> None:
        async with self._peer.associate([procedure_step.SOP_CLASS]) as association:
            await association.n_set(procedure_step.SOP_CLASS, self.sop_instance_uid, modifications)

    async def __aenter__(self) -> Self:
        return await self.begin()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self.status == _IN_PROGRESS:
            await (self.complete() if kind is None else self.discontinue())


class AsyncWorkitems:
    """What can be asked of a peer about workitems (PS3.4 Annex CC); `AsyncPeer.workitems` makes it."""

    def __init__(self, peer: AsyncPeer) -> None:
        self._peer = peer

    async def create(self, **attributes: Any) -> UID:
        """Schedule a workitem (UPS Push, N-CREATE); what is not given has its usual value.  Returns its UID."""
        whole = workitems.scheduled(attributes)
        async with self._peer.associate([workitems.PUSH]) as association:
            reply = await association.n_create(workitems.PUSH, whole, sop_instance=f"2.25.{uuid4().int}")
        return reply.sop_instance_uid

    async def find(self, *, limit: int | None = None, columns: Iterable[str] = (), **keys: Any) -> pandas.DataFrame:
        """Workitems that match (UPS Pull, C-FIND), as a table, the first *limit* of them; see `AsyncPeer.find`."""
        query = workitems.query_of(columns, keys)
        return await ask(Awaiting(self._peer), [query], limit=limit)  # type: ignore[no-any-return]

    async def get(self, uid: str) -> Dataset:
        """The attributes of a workitem (N-GET)."""
        async with self._peer.associate([workitems.PULL]) as association:
            dataset: Dataset = (await association.n_get(workitems.PUSH, uid, meta_sop_class=workitems.PULL)).dataset()
        return dataset

    async def claim(self, uid: str) -> AsyncClaim:
        """Take a workitem: from now on we perform it (UPS Pull, Change UPS State)."""
        claim = AsyncClaim(self._peer, UID(uid))
        await claim._change(_IN_PROGRESS)
        return claim

    async def cancel(self, uid: str, reason: str = "") -> Status:
        """Ask for the cancellation of a workitem (UPS Watch, Request UPS Cancel); whoever performs it decides."""
        return (await self._watch(workitems.Action.cancel(uid, reason))).status

    async def subscribe(self, uid: str | None = None, *, receiver: str | None = None, lock: bool = False) -> Status:
        """Have *receiver* (us, if nobody is named) told about a workitem, or about all (UPS Watch)."""
        return (await self._watch(workitems.Action.subscribe(uid, receiver or self._peer.calling, lock))).status

    async def unsubscribe(self, uid: str | None = None, *, receiver: str | None = None) -> Status:
        """The opposite of `subscribe`."""
        return (await self._watch(workitems.Action.unsubscribe(uid, receiver or self._peer.calling))).status

    async def _watch(self, action: workitems.Action) -> Reply:
        async with self._peer.associate([workitems.WATCH]) as association:
            return await association.n_action(
                workitems.PUSH, action.uid, action.type_id, action.information, meta_sop_class=workitems.WATCH
            )


class AsyncClaim(workitems.ClaimContent):
    """A workitem that we perform; ``async with`` completes it at the end of the block, and cancels it after an exception."""

    def __init__(self, peer: AsyncPeer, uid: UID) -> None:
        super().__init__(uid)
        self._peer = peer

    async def update(self, **attributes: Any) -> None:
        """Set attributes of the workitem (N-SET, PS3.4 CC.2.6)."""
        changes = self._changes(attributes)
        async with self._peer.associate([workitems.PULL]) as association:
            await association.n_set(workitems.PUSH, self.sop_instance_uid, changes, meta_sop_class=workitems.PULL)

    async def progress(self, percent: float, description: str = "") -> None:
        """Tell how far the work is, in percent."""
        await self.update(**self._progress(percent, description))

    async def perform(
        self,
        *,
        station: str,
        workitem: str = "110013",
        meaning: str = "",
        scheme: str = "DCM",
        output: Iterable[Mapping[str, Any]] = (),
    ) -> None:
        """Say what was performed, which a completed workitem has to (PS3.4 CC.2.5.1.1)."""
        await self.update(**self._performed(station, workitem, meaning, scheme, output))

    async def complete(self) -> None:
        """The work is done; the attributes that `perform` sets have to be there."""
        await self._change("COMPLETED")

    async def cancel(self) -> None:
        """The work is given up."""
        await self._change("CANCELED")

    async def _change(self, state: str) -> None:
        async with self._peer.associate([workitems.PULL]) as association:
            await association.n_action(
                workitems.PUSH,
                self.sop_instance_uid,
                workitems.CHANGE_STATE,
                self._state(state),
                meta_sop_class=workitems.PULL,
            )
        self.state = state

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self.state == _IN_PROGRESS:
            await (self.complete() if kind is None else self.cancel())
