"""`AsyncPeer`: a remote application entity for programs that run an event loop.

What it does is what `nbdicom.Peer` does: the same verbs (`finding`, `getting`, `receiving`, `pulling`, `storing`), awaited.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from nbdicom import aio
from nbdicom.address import listening_address
from nbdicom.aio.opening import Opening
from nbdicom.config import OperationsWindow
from nbdicom.core.extended import QueryOptions
from nbdicom.core.negotiation import ContextLike
from nbdicom.core.trace import Trace, Tracer
from nbdicom.errors import AssociationError
from nbdicom.operations.handlers import Handlers
from nbdicom.operations.requests import NEventReportRequest
from nbdicom.peer import commitment, finding, getting, storing
from nbdicom.peer.awaited_line import Awaiting
from nbdicom.peer.awaited_workflow import AsyncPerformedProcedureStep, AsyncWorkitems
from nbdicom.peer.entity import DEFAULT_CONTEXTS, Remote
from nbdicom.peer.progress import ProgressLike
from nbdicom.peer.pulled import PullResult
from nbdicom.peer.pulling import check_tries, pull
from nbdicom.peer.query import Query
from nbdicom.peer.receiving import Plan, retrieve
from nbdicom.peer.report import EchoReport, examine
from nbdicom.peer.results import CommitResult, MoveResult, RetrieveResult, StoreResult, told
from nbdicom.peer.selection import each_item
from nbdicom.peer.worklist import WorklistQuery
from nbdicom.table import Table

if TYPE_CHECKING:
    import pandas
    from pydicom import Dataset

__all__ = ["AsyncPeer"]


class AsyncPeer(Remote):
    """A remote application entity; the parameters are those of `nbdicom.Peer`.

    Its verbs are those of `Peer`, with the same parameters, results, errors and warnings.  Cancelling the task that awaits
    one cancels it at the peer; ``results`` of the `asyncio.CancelledError` has what there is by then.

    Examples
    --------
    >>> import asyncio
    >>> import nbdicom as nd
    >>> async def a_day():
    ...     with nd.demo_pacs(host="memory") as pacs:
    ...         peer = nd.AsyncPeer(pacs, calling="CT1")
    ...         studies = await peer.studies(ModalitiesInStudy="MR")
    ...         return bool(await peer.echo()), len(studies), bool(await peer.workitems.create(ProcedureStepLabel="read"))
    >>> asyncio.run(a_day())
    (True, 4, True)
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

    async def echo(self) -> EchoReport:
        """Verify the peer (C-ECHO), step by step; see `Peer.echo`.

        Returns
        -------
        EchoReport
            True if the peer answered Success.  Nothing is raised but a cancellation: a failure is a row.
        """
        return await examine(Awaiting(self))

    # ------------------------------------------------------------------------------- query

    @overload
    async def find(
        self,
        level: str | Query | WorklistQuery = "STUDY",
        selection: Any = None,
        /,
        *,
        raw: Literal[False] = False,
        **keys: Any,
    ) -> pandas.DataFrame: ...

    @overload
    async def find(
        self, level: str | Query | WorklistQuery = "STUDY", selection: Any = None, /, *, raw: Literal[True], **keys: Any
    ) -> list[Dataset]: ...

    async def find(
        self,
        level: str | Query | WorklistQuery = "STUDY",
        selection: Any = None,
        /,
        *,
        limit: int | None = None,
        complete: bool | int = False,
        columns: Iterable[str] = (),
        defaults: bool = True,
        model: str | None = None,
        relational: bool = False,
        options: QueryOptions | None = None,
        parse: bool = True,
        raw: bool = False,
        progress: ProgressLike = None,
        **keys: Any,
    ) -> pandas.DataFrame | list[Dataset]:
        """Query (C-FIND, PS3.4 C.4.1); the parameters are those of `Peer.find`.

        Returns
        -------
        DataFrame
            One row for each match.  Its ``.dicom`` leads on by the blocking `Peer`; here, give the table to the next verb.

        Raises
        ------
        QueryError, OperationFailed, AssociationError
            See `Peer.find`.
        asyncio.CancelledError
            If the task is cancelled, after the C-CANCEL was answered.  What had come is in its ``results``.

        Examples
        --------
        >>> import asyncio
        >>> import nbdicom as nd
        >>> async def down():
        ...     with nd.demo_pacs(host="memory") as pacs:
        ...         peer = nd.AsyncPeer(pacs)
        ...         studies = await peer.find("STUDY", ModalitiesInStudy="MR")
        ...         return await peer.series(studies, Modality="MR")
        >>> asyncio.run(down()).Modality.unique().tolist()
        ['MR']
        """
        return await finding.find(  # type: ignore[no-any-return]
            Awaiting(self), level, selection, keys, limit=limit, complete=complete, columns=columns,
            defaults=defaults, model=model, relational=relational, options=options, parse=parse, raw=raw, progress=progress,
        )  # fmt: skip

    async def patients(self, **keys: Any) -> pandas.DataFrame:
        """Patients, in the Patient Root model; the arguments are those of `find`."""
        found: pandas.DataFrame = await self.find("PATIENT", **keys)
        return found

    async def studies(self, of: Any = None, /, **keys: Any) -> pandas.DataFrame:
        """Studies, by any of their keys or *of* these patients; the arguments are those of `find`."""
        found: pandas.DataFrame = await self.find("STUDY", of, **keys)
        return found

    async def series(self, of: Any = None, /, **keys: Any) -> pandas.DataFrame:
        """Series *of* these studies, or of ``StudyInstanceUID=``; the arguments are those of `find`."""
        found: pandas.DataFrame = await self.find("SERIES", of, **keys)
        return found

    async def instances(self, of: Any = None, /, **keys: Any) -> pandas.DataFrame:
        """Instances *of* these series, or by UIDs of study and series; the arguments are those of `find`."""
        found: pandas.DataFrame = await self.find("IMAGE", of, **keys)
        return found

    async def worklist(
        self,
        *,
        limit: int | None = None,
        columns: Iterable[str] = (),
        defaults: bool = True,
        parse: bool = True,
        progress: ProgressLike = None,
        **keys: Any,
    ) -> pandas.DataFrame:
        """Ask a Modality Worklist what is scheduled (C-FIND, PS3.4 Annex K); the parameters are those of `Peer.worklist`."""
        return await finding.worklist(  # type: ignore[no-any-return]
            Awaiting(self), keys, limit=limit, columns=columns, defaults=defaults, parse=parse, progress=progress
        )

    # ------------------------------------------------------------------------------- instances

    async def get(
        self,
        selection: Any = None,
        /,
        *,
        to: str | Path,
        level: str | None = None,
        model: str | None = None,
        associations: int = 1,
        progress: ProgressLike = None,
        raise_on_error: bool = False,
        **keys: Any,
    ) -> RetrieveResult:
        """Retrieve instances into files (C-GET, PS3.4 C.4.3); the parameters are those of `Peer.get`.

        Returns
        -------
        RetrieveResult
            What we received and stored, one row for each instance, and what did not arrive.

        Raises
        ------
        QueryError, NoPresentationContext, AssociationError, NbdicomError
            See `Peer.get`.
        asyncio.CancelledError
            If the task is cancelled, after the C-CANCEL was answered.  The result so far is in its ``results``, the files
            are where they were to go.

        Examples
        --------
        >>> import asyncio, tempfile
        >>> import nbdicom as nd
        >>> async def fetch(folder):
        ...     with nd.demo_pacs(host="memory") as pacs:
        ...         peer = nd.AsyncPeer(pacs)
        ...         return await peer.get(await peer.studies(AccessionNumber="A2100002"), to=folder)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     asyncio.run(fetch(folder)).ok
        True
        """
        return await getting.get_asked(
            Awaiting(self), selection, keys, to=to, level=level, model=model, associations=associations, progress=progress,
            raise_on_error=raise_on_error,
        )  # fmt: skip

    async def move(
        self,
        selection: Any = None,
        /,
        *,
        to: Any,
        level: str | None = None,
        model: str | None = None,
        associations: int = 1,
        progress: ProgressLike = None,
        raise_on_error: bool = False,
        **keys: Any,
    ) -> MoveResult:
        """Have the peer send instances to another AE (C-MOVE, PS3.4 C.4.2); the parameters are those of `Peer.move`.

        Returns
        -------
        MoveResult
            One row for each request, with the peer's counters.

        Raises
        ------
        QueryError, NoPresentationContext, AssociationError
            See `Peer.move`.
        asyncio.CancelledError
            See `get`.

        Examples
        --------
        >>> await peer.move(studies, to="WORKSTATION")  # doctest: +SKIP
        """
        return await getting.move_asked(
            Awaiting(self), selection, keys, to=to, level=level, model=model, associations=associations, progress=progress,
            raise_on_error=raise_on_error,
        )  # fmt: skip

    async def retrieve(
        self,
        selection: Any = None,
        /,
        *,
        to: str | Path,
        method: Literal["auto", "get", "move"] = "auto",
        listen: str | int | tuple[str, int] | None = None,
        level: str | None = None,
        model: str | None = None,
        associations: int = 1,
        progress: ProgressLike = None,
        raise_on_error: bool = False,
        **keys: Any,
    ) -> RetrieveResult:
        """Retrieve instances into files by whatever the peer offers; the parameters are those of `Peer.retrieve`.

        What is moved to us is received by a server in the same loop.  Instead of ``wait=False`` make it a task.

        Raises
        ------
        QueryError, NoPresentationContext, AssociationError, ConnectionFailed
            See `Peer.retrieve`.
        asyncio.CancelledError
            See `get`.

        Examples
        --------
        >>> await peer.retrieve(studies, to="folder", listen="0.0.0.0:11113")  # doctest: +SKIP
        """
        plan = Plan.of(
            self, selection, keys, to=to, method=method, listen=listen, level=level, model=model,
            associations=associations,
        )  # fmt: skip
        return told(await retrieve(Awaiting(self), plan, progress), raise_on_error)

    async def pull(
        self,
        selection: Any = None,
        /,
        *,
        to: str | Path,
        method: Literal["auto", "get", "move"] = "auto",
        listen: str | int | tuple[str, int] | None = None,
        level: str | None = None,
        model: str | None = None,
        tries: int = 3,
        recheck: bool = False,
        associations: int = 1,
        progress: ProgressLike = None,
        raise_on_error: bool = False,
        **keys: Any,
    ) -> PullResult:
        """Bring a cohort into a folder, with proof that it is complete; the parameters are those of `Peer.pull`.

        Instead of ``wait=False`` make it a task.

        Returns
        -------
        PullResult
            One row for each series: complete, incomplete, or unproven where the peer does not say enough, and why.

        Raises
        ------
        QueryError, NoPresentationContext, AssociationError, ConnectionFailed
            See `Peer.pull`.
        asyncio.CancelledError
            If the task is cancelled.  What the folder has by then is told in its ``results``; the same call again goes on.

        Examples
        --------
        >>> import asyncio, tempfile
        >>> import nbdicom as nd
        >>> async def bring(folder):
        ...     with nd.demo_pacs(host="memory") as pacs:
        ...         peer = nd.AsyncPeer(pacs)
        ...         return await peer.pull(await peer.studies(AccessionNumber="A2100002"), to=folder)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     asyncio.run(bring(folder)).ok
        True
        """
        check_tries(tries)
        plan = Plan.of(
            self, selection, keys, to=to, method=method, listen=listen, level=level, model=model,
            associations=associations,
        )  # fmt: skip
        pulling = pull(Awaiting(self), plan, tries=tries, recheck=recheck, progress=progress)
        return told(await pulling, raise_on_error)

    async def store(
        self,
        *items: Any,
        transcode: bool = False,
        associations: int = 1,
        progress: ProgressLike = None,
        raise_on_error: bool = False,
    ) -> StoreResult:
        """Send instances to the peer (C-STORE, PS3.4 Annex B); the parameters are those of `Peer.store`.

        Returns
        -------
        StoreResult
            One row for each file, with the peer's status; what is not DICOM in a folder is skipped and says why.

        Raises
        ------
        AssociationError
            If there is no association; one that breaks later is told in the result.
        asyncio.CancelledError
            If the task is cancelled, after the instance under way was answered.  The result so far is in its ``results``.

        Examples
        --------
        >>> import asyncio
        >>> import nbdicom as nd
        >>> from nbdicom.pacs.samples import sample_instances
        >>> async def send():
        ...     with nd.Pacs(host="memory") as pacs:
        ...         return await nd.AsyncPeer(pacs).store(next(sample_instances()))
        >>> asyncio.run(send()).ok
        True
        """
        return await storing.store(
            Awaiting(self),
            items,
            transcode=transcode,
            associations=associations,
            progress=progress,
            raise_on_error=raise_on_error,
        )

    # ------------------------------------------------------------------------------- workflow

    async def commit(
        self,
        *items: Any,
        listen: str | int | tuple[str, int] | None = None,
        timeout: float = 60.0,
        raise_on_error: bool = False,
    ) -> CommitResult:
        """Ask the peer to commit storage, and wait for its report (PS3.4 Annex J).

        The parameters are those of `Peer.commit`.

        Returns
        -------
        CommitResult
            One row for each instance: committed, or the Failure Reason, or that no report came.

        Raises
        ------
        QueryError, OperationFailed, NoPresentationContext, AssociationError
            See `Peer.commit`.

        Warns
        -----
        IncompleteTransfer
            If not everything is committed.
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
                        handlers, ae_title=self.calling, contexts=commitment.Request.listening(), host=host, port=port,
                        tls=self.listening_tls,
                    )  # fmt: skip
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
        return told(request.result(self), raise_on_error)

    def mpps(self, entry: Any = None, /, **attributes: Any) -> AsyncPerformedProcedureStep:
        """A performed procedure step (PS3.4 Annex F) for an ``async with`` block; the arguments are those of `Peer.mpps`."""
        return AsyncPerformedProcedureStep(self, entry, attributes)

    @property
    def workitems(self) -> AsyncWorkitems:
        """The workitems of the peer (PS3.4 Annex CC)."""
        return AsyncWorkitems(self)

    # ------------------------------------------------------------------------------- to look at

    def table(self) -> Table:
        """The address, and what to type next."""
        return Table(
            f"AsyncPeer {self.address}, calling AE title {self.calling}",
            ("call", "what it does"),
            [
                ("await pacs.echo()", "verify it, step by step"),
                (
                    'await pacs.studies(PatientName="DOE*")',
                    "a table of studies; also patients(), series(), instances()",
                ),
                ('await pacs.get(rows, to="folder")', "retrieve what is in a table; also move(rows, to=AET)"),
                ('await pacs.pull(rows, to="folder")', "the same with proof that all of it is there"),
                ('await pacs.store("folder")', "send files"),
                ("async with pacs.associate([...]) as a", "one association, for everything else"),
            ],
        )
