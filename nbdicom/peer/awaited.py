"""`AsyncPeer`: a remote application entity for programs that run an event loop.

It has what goes beyond one operation on one association: storage commitment, procedure steps and workitems, with the
contents and results of `Peer`.  Queries, storage and retrieval are on the association that `AsyncPeer.associate` opens.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from uuid import uuid4

from nbdicom import aio
from nbdicom.address import listening_address
from nbdicom.aio.opening import Opening
from nbdicom.config import OperationsWindow
from nbdicom.core.negotiation import ContextLike
from nbdicom.core.trace import Trace, Tracer
from nbdicom.errors import AssociationError, NbdicomError
from nbdicom.operations.handlers import Handlers
from nbdicom.operations.requests import NEventReportRequest, Reply
from nbdicom.peer import commitment, procedure_step, workitems
from nbdicom.peer.entity import DEFAULT_CONTEXTS, Remote
from nbdicom.peer.results import CommitResult
from nbdicom.peer.selection import each_item
from nbdicom.status import Status
from nbdicom.table import counted, printable
from nbdicom.uids import UID

if TYPE_CHECKING:
    import pandas
    from pydicom import Dataset

__all__ = ["AsyncClaim", "AsyncPeer", "AsyncPerformedProcedureStep", "AsyncWorkitems"]

_IN_PROGRESS, _COMPLETED, _DISCONTINUED = "IN PROGRESS", "COMPLETED", "DISCONTINUED"


class AsyncPeer(Remote):
    """A remote application entity; the parameters are those of `nbdicom.Peer`.

    Examples
    --------
    >>> import asyncio
    >>> import nbdicom as nd
    >>> async def a_day():
    ...     with nd.demo_pacs(host="memory") as pacs:
    ...         peer = nd.AsyncPeer(pacs, calling="CT1")
    ...         return await peer.echo(), await peer.workitems.create(ProcedureStepLabel="read") is not None
    >>> asyncio.run(a_day())
    (<Status 0000H Success>, True)
    """

    def associate(
        self,
        contexts: Iterable[ContextLike] | None = None,
        *,
        handlers: Handlers | None = None,
        window: OperationsWindow | None = None,
        trace: Trace | Tracer | bool | None = None,
    ) -> Opening[aio.Association]:
        """Open an association, to be awaited or entered with ``async with`` (PS3.8 7.1); see `nbdicom.aio.associate`.

        Parameters
        ----------
        contexts : iterable, optional
            What to propose; by default Verification and Query/Retrieve.
        handlers : Handlers, optional
            Services for requests of the peer on this association; coroutine functions are welcome.
        window : OperationsWindow, optional
            Instead of that of the peer.
        trace : bool, Recorder or callable, optional
            By default what the peer was made with.
        """
        return aio.associate(
            (self.host, self.port),
            contexts=DEFAULT_CONTEXTS if contexts is None else contexts,
            handlers=handlers,
            trace=self.trace if trace is None else trace,
            **self._settings(window),
        )

    async def echo(self) -> Status:
        """Verify the peer (C-ECHO, PS3.4 Annex A); what is wrong is raised.

        Raises
        ------
        ConnectionFailed, AssociationRejected, AssociationAborted, OperationTimeout, OperationFailed
        """
        async with self.associate(["Verification"]) as association:
            return await association.echo()

    async def commit(
        self, items: Any, *, listen: str | int | tuple[str, int] | None = None, timeout: float = 60.0
    ) -> CommitResult:
        """Ask the peer to commit storage, and wait for its report (PS3.4 Annex J); see `Peer.commit`.

        Parameters
        ----------
        items : rows, a StoreResult, files, Datasets, or an iterable of these
            What shall be kept.
        listen : str, int or (str, int), optional
            Where we are to be reached, for a peer that reports on an association of its own.
        timeout : float
            Seconds to wait for the report.
        """
        request = commitment.Request(each_item(items))
        arrived = asyncio.Event()

        async def take(report: NEventReportRequest) -> None:
            request.take(report)
            arrived.set()

        handlers = Handlers(n_event_report=take)
        async with AsyncExitStack() as stack:
            if listen is not None:
                host, port = listening_address(listen)
                await stack.enter_async_context(
                    aio.serve(
                        handlers, ae_title=self.calling, contexts=commitment.Request.listening(), host=host, port=port
                    )
                )
            association = await stack.enter_async_context(self.associate([commitment.SOP_CLASS], handlers=handlers))
            await association.n_action(commitment.SOP_CLASS, commitment.INSTANCE, 1, request.information())
            try:
                if listen is None:
                    await association.listen(timeout, until=arrived.is_set)
                else:
                    await asyncio.wait_for(arrived.wait(), timeout)
            except (TimeoutError, AssociationError):
                pass  # the result says that nothing came
        return request.result(self)

    def mpps(self, entry: Any = None, /, **attributes: Any) -> AsyncPerformedProcedureStep:
        """A performed procedure step (PS3.4 Annex F) for an ``async with`` block; the arguments are those of `Peer.mpps`."""
        return AsyncPerformedProcedureStep(self, entry, attributes)

    @property
    def workitems(self) -> AsyncWorkitems:
        """The workitems of the peer (PS3.4 Annex CC)."""
        return AsyncWorkitems(self)


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
        """Workitems that match (UPS Pull, C-FIND), as a table, the first *limit* of them.

        Raises
        ------
        OperationFailed, OperationTimeout, AssociationError
            What had come is in ``results`` of the error, if anything had.
        """
        from nbdicom.peer.frames import answer_frame

        query = workitems.query_of(columns, keys)
        found: list[tuple[bytes, str]] = []

        def table(**more: Any) -> pandas.DataFrame:
            about = {**self._peer.provenance(None, None), **query.about(), "responses": len(found), **more}
            return answer_frame(found, query.columns, provenance=about, parse=True, charset=self._peer.charset)

        truncated = False
        try:
            async with (
                self._peer.associate([workitems.PULL]) as association,
                association.find(query.identifier(), model=workitems.PULL) as matches,
            ):
                async for match in matches:
                    if limit is not None and len(found) >= limit:
                        truncated = True
                        break  # leaving the block cancels
                    found.append((match.data, match.transfer_syntax))
        except NbdicomError as error:
            if found:
                kept = table(truncated=True, incomplete=printable(error.message))
                error.keep(kept, counted(len(found), "answer"))
            raise
        return table(truncated=truncated)

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
