"""`Peer`: one remote application entity as a person in a notebook sees it.

A Peer holds an address and opens nothing; every method opens an association (or finds one idle), does its work and leaves it
to the next for a moment.  pydicom and pandas are loaded when a method needs them, which `Peer.echo` does not.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal, overload

from nbdicom.address import listening_address
from nbdicom.core.extended import QueryOptions
from nbdicom.peer.progress import ProgressLike
from nbdicom.peer.query import Query
from nbdicom.peer.selection import each_item
from nbdicom.peer.transfers import Transfers
from nbdicom.peer.worklist import WorklistQuery

if TYPE_CHECKING:
    import pandas
    from pydicom import Dataset

    from nbdicom.peer.procedure_step import PerformedProcedureStep
    from nbdicom.peer.results import CommitResult
    from nbdicom.peer.workitems import Workitems

__all__ = ["Peer"]


class Peer(Transfers):
    """A remote application entity.

    Parameters
    ----------
    address : str or object
        ``"AET@host:port"``; or the AE title alone, with *host* and *port*; or an object that has such an ``address``, a
        running PACS or server for instance.
    host : str, optional
        Host name or IP address.
    port : int, optional
        TCP port; 104 and 11112 are the usual ones.
    calling : str
        The AE title that we call ourselves.  Many peers answer only titles that they know.
    timeouts : Timeouts, optional
        How long to wait for what.
    limits : Limits, optional
        What the peer may make us hold.
    max_pdu : int, optional
        The maximum length of a P-DATA-TF that we announce; 0 announces no limit.
    window : OperationsWindow, optional
        How many operations we propose to have outstanding at once.
    identity : UserIdentity, optional
        Who we are (PS3.7 D.3.3.7).  It is kept out of every table, text and file.
    tls : TLS, optional
        How to secure the connections (PS3.15 Annex B).
    bind : str or (str, int), optional
        Our own address, where the peer or the network asks for a certain one.
    trace : bool, Recorder or callable, optional
        True records every association with this peer in ``peer.trace``; see `nbdicom.record` for a block of code.
    charset : str, optional
        The Specific Character Set (PS3.3 C.12.1.1.2) of answers that name none although they need one, for instance
        ``"ISO_IR 100"`` (Latin-1) or ``"ISO_IR 192"`` (UTF-8).

    Raises
    ------
    ConnectionFailed
        If the address cannot be read.
    LocalProtocolError
        If an AE title is not one.

    Examples
    --------
    >>> pacs = Peer("PACS@127.0.0.1:11112", calling="NBDICOM")
    >>> pacs.address
    'PACS@127.0.0.1:11112'
    """

    # ------------------------------------------------------------------------------- query

    @overload
    def find(
        self,
        level: str | Query | WorklistQuery = "STUDY",
        selection: Any = None,
        /,
        *,
        raw: Literal[False] = False,
        **keys: Any,
    ) -> pandas.DataFrame: ...

    @overload
    def find(
        self, level: str | Query | WorklistQuery = "STUDY", selection: Any = None, /, *, raw: Literal[True], **keys: Any
    ) -> list[Dataset]: ...

    def find(
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
        """Query (C-FIND, PS3.4 C.4.1).

        Parameters
        ----------
        level : str or Query
            PATIENT, STUDY, SERIES or IMAGE (INSTANCE), in any case; or a whole `Query`, made and checked before.
        selection : DataFrame, row or mapping, optional
            Whose children to find: the keys that lead to *level* are taken from it, one query for each parent.
        limit : int, optional
            At most so many rows; the rest is cancelled (C-CANCEL), and the table says that it is truncated.
        complete : bool or int
            Of studies: where the peer cuts its answer off, ask again for parts of it, by StudyDate and within a day by
            StudyTime, until each is answered whole.  Many a PACS sends 200 or 500 matches and says Success: so an answer
            with a round number of them (100, 150, ...) is divided, too; or, with a number here, one of that many or more.
        columns : iterable of str
            Further attributes to return, by keyword or as ``"gggg,eeee"``.
        defaults, model, relational, options : optional
            See `Query.of`.
        parse : bool
            Typed columns; False leaves the wire's strings.
        raw : bool
            Return the answers as a list of pydicom Datasets instead.
        progress : bool or callable, optional
            A bar while several parents are asked for; see `nbdicom.peer.progress`.
        **keys
            Matching keys: ``PatientName="DOE*"``, ``StudyDate=("2024-01-01", None)``, ``ModalitiesInStudy="CT"``.  A
            list of values (``AccessionNumber=[...]``) makes one query for each, since few peers match several values in
            one; UIDs of the level itself go together.  Two lists make one for each combination, and `Limits.queries`
            are the most.

        Returns
        -------
        DataFrame
            One row for each match, with the unique keys of all levels; `.dicom` leads on, ``attrs["nbdicom"]`` has the
            provenance.

        Raises
        ------
        QueryError
            If the query cannot be sent, before anything is.
        OperationFailed
            If the peer answers a failure status.
        AssociationError
            If there is no association, or not to its end.  What had come is in ``results`` of the error, if anything had.

        Warns
        -----
        OptionalKeysNotSupported, ResponseLimitReached, UndecodableValues, OptionsNotAgreed
            See `nbdicom.peer.notices`.

        Examples
        --------
        >>> pacs.find("STUDY", PatientName="DOE*", limit=200)  # doctest: +SKIP
        >>> pacs.find("STUDY", StudyDate="2024", ModalitiesInStudy="MR", complete=True)  # doctest: +SKIP
        """
        from nbdicom.peer import finding
        from nbdicom.peer.line import Waiting, run

        return run(  # type: ignore[no-any-return]
            finding.find(
                Waiting(self), level, selection, keys, limit=limit, complete=complete, columns=columns,
                defaults=defaults, model=model, relational=relational, options=options, parse=parse, raw=raw,
                progress=progress,
            )
        )  # fmt: skip

    def patients(self, **keys: Any) -> pandas.DataFrame:
        """Patients, in the Patient Root model; the arguments are those of `find`."""
        found: pandas.DataFrame = self.find("PATIENT", **keys)
        return found

    def studies(self, of: Any = None, /, **keys: Any) -> pandas.DataFrame:
        """Studies, by any of their keys or *of* these patients; the arguments are those of `find`."""
        found: pandas.DataFrame = self.find("STUDY", of, **keys)
        return found

    def series(self, of: Any = None, /, **keys: Any) -> pandas.DataFrame:
        """Series *of* these studies, or of ``StudyInstanceUID=``; the arguments are those of `find`."""
        found: pandas.DataFrame = self.find("SERIES", of, **keys)
        return found

    def instances(self, of: Any = None, /, **keys: Any) -> pandas.DataFrame:
        """Instances *of* these series, or by UIDs of study and series; the arguments are those of `find`."""
        found: pandas.DataFrame = self.find("IMAGE", of, **keys)
        return found

    def worklist(
        self,
        *,
        limit: int | None = None,
        columns: Iterable[str] = (),
        defaults: bool = True,
        parse: bool = True,
        progress: ProgressLike = None,
        **keys: Any,
    ) -> pandas.DataFrame:
        """Ask a Modality Worklist what is scheduled (C-FIND, PS3.4 Annex K).

        Parameters
        ----------
        limit, columns, defaults, parse, progress : optional
            See `find`.
        **keys
            Matching keys of the patient, the request or the scheduled step: ``Modality="CT"``,
            ``ScheduledProcedureStepStartDate="2026-03-01"``, ``ScheduledStationAETitle="CT1"``.

        Returns
        -------
        DataFrame
            One row for each scheduled step; its attributes are plain columns.

        Raises
        ------
        QueryError, OperationFailed, AssociationError
            See `find`; NoPresentationContext if the peer is no worklist.

        Examples
        --------
        >>> ris.worklist(Modality="CT", ScheduledStationAETitle="CT1")  # doctest: +SKIP
        """
        from nbdicom.peer import finding
        from nbdicom.peer.line import Waiting, run

        return run(  # type: ignore[no-any-return]
            finding.worklist(
                Waiting(self), keys, limit=limit, columns=columns, defaults=defaults, parse=parse, progress=progress
            )
        )

    # ------------------------------------------------------------------------------- workflow

    def commit(
        self,
        *items: Any,
        listen: str | int | tuple[str, int] | None = None,
        timeout: float = 60.0,
        raise_on_error: bool = False,
    ) -> CommitResult:
        """Ask the peer to promise that it keeps instances (Storage Commitment, PS3.4 Annex J), and wait for its report.

        Parameters
        ----------
        *items
            The result of `store`, rows of `instances`, files or Datasets.
        listen : str, int or (str, int), optional
            Where we are to be reached for a report on a new association, as in `retrieve`.  Without it only a report on
            the association that asks is received.
        timeout : float
            Seconds to wait for the report.
        raise_on_error : bool
            Raise OperationFailed if not everything is committed, instead of a warning.

        Returns
        -------
        CommitResult
            One row for each instance: committed, or the Failure Reason, or that no report came.

        Raises
        ------
        QueryError
            If nothing was given, or *listen* is no address.
        OperationFailed, NoPresentationContext, AssociationError
            If the peer does not take the request.

        Warns
        -----
        IncompleteTransfer
            If not everything is committed.
        """
        from nbdicom.peer.commitment import commit
        from nbdicom.peer.results import told

        address = None if listen is None else listening_address(listen)
        return told(commit(self, each_item(items), listen=address, timeout=timeout), raise_on_error)

    def mpps(self, entry: Any = None, /, **attributes: Any) -> PerformedProcedureStep:
        """Perform a scheduled procedure step and keep the peer informed (MPPS, PS3.4 Annex F).

        Parameters
        ----------
        entry : row, mapping or Dataset, optional
            One entry of a worklist: patient, study and request are taken from it.
        **attributes
            Further attributes of PS3.4 Table F.7.2-1, or others instead of those of the entry.

        Returns
        -------
        PerformedProcedureStep
            For a ``with`` block: IN PROGRESS at its beginning, COMPLETED at its end, DISCONTINUED by an exception.

        Examples
        --------
        >>> with ris.mpps(worklist.iloc[0]) as step:  # doctest: +SKIP
        ...     step.add("images/")
        """
        from nbdicom.peer.procedure_step import PerformedProcedureStep

        return PerformedProcedureStep(self, entry, attributes)

    @property
    def workitems(self) -> Workitems:
        """The workitems of the peer (Unified Procedure Step, PS3.4 Annex CC): ``create``, ``find``, ``claim`` ..."""
        from nbdicom.peer.workitems import Workitems

        return Workitems(self)
