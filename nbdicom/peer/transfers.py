"""What a `Peer` does with instances: `get`, `move`, `retrieve`, `pull` and `store`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from nbdicom.peer.entity import RemoteEntity
from nbdicom.peer.progress import ProgressLike

if TYPE_CHECKING:
    from pathlib import Path

    from nbdicom.job import Job
    from nbdicom.peer.pulled import PullResult
    from nbdicom.peer.results import MoveResult, RetrieveResult, StoreResult, TransferResult

__all__ = ["Transfers"]

R = TypeVar("R", bound="TransferResult[Any]")


class Transfers(RemoteEntity):
    """The verbs of a `nbdicom.Peer` that bring instances from one place to another."""

    def get(
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
        """Retrieve instances into files, on the same association (C-GET, PS3.4 C.4.3).

        Parameters
        ----------
        selection : DataFrame, row or mapping, optional
            Answers of `find`: everything in them is retrieved, down from their deepest unique key.
        to : str or Path
            The folder for the files.  A file gets its name when it is whole.
        level : str, optional
            To retrieve whole studies (series) although the table is about something smaller.
        model : str, optional
            ``"patient"`` root instead of study root.
        associations : int
            So many are open at once, each for the next study, series or list of instances.  Many peers send one instance
            after the other on each, so several are faster; how many a peer allows, its administrator knows.
        progress : bool or callable, optional
            None: a bar if somebody watches; see `nbdicom.peer.progress`.
        raise_on_error : bool
            Raise OperationFailed if not everything arrived, instead of a warning.
        **keys
            Unique keys instead of a selection: ``StudyInstanceUID=...``; a list stands for several.

        Returns
        -------
        RetrieveResult
            What we received and stored, one row for each instance, and what did not arrive.

        Raises
        ------
        QueryError
            If a key is missing, before anything is sent.
        NoPresentationContext
            If the peer does not offer C-GET.
        AssociationError
            If there is no association; one that breaks later is told in the result.
        NbdicomError
            If the folder cannot be used, before anything is sent.

        Warns
        -----
        IncompleteTransfer
            If not everything arrived.
        """
        from nbdicom.peer.getting import get_asked
        from nbdicom.peer.line import Waiting, run

        return run(
            get_asked(
                Waiting(self), selection, keys, to=to, level=level, model=model,
                associations=associations, progress=progress, raise_on_error=raise_on_error,
            )
        )  # fmt: skip

    def move(
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
        """Have the peer send instances to another AE (C-MOVE, PS3.4 C.4.2).

        Parameters
        ----------
        selection, level, model, associations, progress, raise_on_error, **keys
            See `get`.
        to : str or object
            AE title of the destination, or an object that has an ``ae_title``.  The *peer* must know where that is.

        Returns
        -------
        MoveResult
            One row for each request, with the peer's counters.

        Raises
        ------
        QueryError, NoPresentationContext, AssociationError
            See `get`.
        """
        from nbdicom.peer.getting import move_asked
        from nbdicom.peer.line import Waiting, run

        return run(
            move_asked(
                Waiting(self), selection, keys, to=to, level=level, model=model,
                associations=associations, progress=progress, raise_on_error=raise_on_error,
            )
        )  # fmt: skip

    @overload
    def retrieve(
        self, selection: Any = None, /, *, to: str | Path, wait: Literal[True] = True, **options: Any
    ) -> RetrieveResult: ...

    @overload
    def retrieve(
        self, selection: Any = None, /, *, to: str | Path, wait: Literal[False], **options: Any
    ) -> Job[RetrieveResult]: ...

    def retrieve(
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
        wait: bool = True,
        **keys: Any,
    ) -> RetrieveResult | Job[RetrieveResult]:
        """Retrieve instances into files by whatever the peer offers.

        Parameters
        ----------
        selection, to, level, model, associations, progress, raise_on_error, **keys
            See `get`.
        method : str
            ``"get"``: C-GET.  ``"move"``: C-MOVE to a storage SCP that we start for the time being, under our calling
            AE title.  ``"auto"``: C-GET, and C-MOVE if the peer does not offer C-GET and *listen* is given.
        listen : str, int or (str, int), optional
            ``"host:port"`` of that storage SCP, or the port alone for all addresses of this machine.  The peer must
            have our calling AE title registered with this port at an address of this machine; with ``tls`` it must send
            secured by it.
        wait : bool
            False returns a `Job` at once: displayed it is a bar with a Cancel button, ``job.wait()`` gives the result.

        Raises
        ------
        QueryError, NoPresentationContext, AssociationError, ConnectionFailed
            See `get`; ConnectionFailed, too, if the port is taken.
        """
        from nbdicom.peer.line import Waiting, run
        from nbdicom.peer.receiving import Plan, retrieve
        from nbdicom.peer.results import told

        plan = Plan.of(  # what cannot be asked is said at once
            self, selection, keys, to=to, method=method, listen=listen, level=level, model=model,
            associations=associations,
        )  # fmt: skip

        def work(progress: ProgressLike) -> RetrieveResult:
            return run(retrieve(Waiting(self), plan, progress))

        return told(work(progress), raise_on_error) if wait else self._job("retrieve", work, raise_on_error)

    @overload
    def pull(
        self, selection: Any = None, /, *, to: str | Path, wait: Literal[True] = True, **options: Any
    ) -> PullResult: ...

    @overload
    def pull(
        self, selection: Any = None, /, *, to: str | Path, wait: Literal[False], **options: Any
    ) -> Job[PullResult]: ...

    def pull(
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
        wait: bool = True,
        **keys: Any,
    ) -> PullResult | Job[PullResult]:
        """Bring a cohort into a folder, with proof that it is complete; the same call again resumes.

        The peer is asked what it has, down to the instances; what is not in the folder is fetched; the peer is asked
        again.  Every file is checked for the UIDs in its data set and has a line in ``manifest.jsonl``, with its SHA-256.
        The files are ``<study>/<series>/<instance>.dcm``, named by their UIDs.

        Parameters
        ----------
        selection, level, model, associations, progress, raise_on_error, wait, **keys
            See `get` and `retrieve`.
        to : str or Path
            The folder; what is there from an earlier pull is not fetched again.
        method, listen
            See `retrieve`.
        tries : int
            How often what is missing is asked for; 0 fetches nothing and only says what is there.
        recheck : bool
            Read every file that is there and compare it with its SHA-256, instead of its length alone.

        Returns
        -------
        PullResult
            One row for each series: complete, incomplete, or unproven where the peer does not say enough, and why.  It is
            true if all are complete.

        Raises
        ------
        QueryError, NoPresentationContext, AssociationError, ConnectionFailed
            See `retrieve`.
        NbdicomError
            If another pull uses the folder, or it cannot be used.

        Warns
        -----
        IncompleteTransfer
            If not everything is proven to be there.

        Examples
        --------
        >>> cohort = pacs.studies(StudyDate=("2024-01-01", None), ModalitiesInStudy="CT")  # doctest: +SKIP
        >>> pacs.pull(cohort, to="cohort")  # doctest: +SKIP
        """
        from nbdicom.peer.line import Waiting, run
        from nbdicom.peer.pulling import check_tries, pull
        from nbdicom.peer.receiving import Plan
        from nbdicom.peer.results import told

        check_tries(tries)
        plan = Plan.of(
            self, selection, keys, to=to, method=method, listen=listen, level=level, model=model,
            associations=associations,
        )  # fmt: skip

        def work(progress: ProgressLike) -> PullResult:
            return run(pull(Waiting(self), plan, tries=tries, recheck=recheck, progress=progress))

        return told(work(progress), raise_on_error) if wait else self._job("pull", work, raise_on_error)

    def store(
        self,
        *items: Any,
        transcode: bool = False,
        associations: int = 1,
        progress: ProgressLike = None,
        raise_on_error: bool = False,
    ) -> StoreResult:
        """Send instances to the peer (C-STORE, PS3.4 Annex B).

        Parameters
        ----------
        *items
            Files, folders (with everything below), patterns such as ``"data/**/*.dcm"``, Datasets, the result of a
            retrieval, a table with a column ``path``, or lists of these.
        transcode : bool
            Whether pixel data may be decoded, or encoded without loss, where the peer takes them in no other way.  The
            result says in which transfer syntax each instance went.
        associations : int
            So many are open at once and share what is sent; see `get`.
        progress : bool or callable, optional
            None: a bar if somebody watches; see `nbdicom.peer.progress`.
        raise_on_error : bool
            Raise OperationFailed if not everything was stored, instead of a warning.

        Returns
        -------
        StoreResult
            One row for each file, with the peer's status; what is not DICOM in a folder is skipped and says why.

        Raises
        ------
        AssociationError
            If there is no association; one that breaks later is told in the result.

        Warns
        -----
        IncompleteTransfer
            If not everything was stored.
        """
        from nbdicom.peer.line import Waiting, run
        from nbdicom.peer.storing import store

        return run(
            store(
                Waiting(self),
                items,
                transcode=transcode,
                associations=associations,
                progress=progress,
                raise_on_error=raise_on_error,
            )
        )

    def _job(self, verb: str, work: Callable[[ProgressLike], R], raise_on_error: bool) -> Job[R]:
        """The work in a thread of its own; what is not complete is raised, if it shall be, to who waits for it."""
        from nbdicom.job import Job
        from nbdicom.peer.results import told

        return Job(
            lambda job: told(work(job), raise_on_error=False),
            label=f"{verb} from {self.ae_title}",
            finish=lambda result: result.raise_on_failure() if raise_on_error else None,
        ).start()
