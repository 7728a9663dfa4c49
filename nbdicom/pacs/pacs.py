"""The embedded PACS: an archive and the workflow around it behind one server, in a few lines and without surprises.

>>> with Pacs() as pacs:  # a temporary folder on a free loopback port
...     pacs.counts()["instances"]
0
"""

from __future__ import annotations

import logging
import shutil
import tempfile
import threading
import weakref
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, get_args

from nbdicom.address import join_address, split_address
from nbdicom.blocking.interrupt import look_up
from nbdicom.config import Limits, OperationsWindow, Timeouts
from nbdicom.core.extended import QueryOptions, RetrieveOptions
from nbdicom.core.negotiation import PresentationContext, Support, title_problem
from nbdicom.errors import ConnectionFailed, PacsError
from nbdicom.memory import is_memory
from nbdicom.operations.handlers import Handlers
from nbdicom.operations.requests import FindRequest, RetrieveRequest, StorableInstance, StoreRequest
from nbdicom.pacs.added import Added, flatten, row_of
from nbdicom.pacs.archive import Archive
from nbdicom.pacs.callers import Callers
from nbdicom.pacs.durability import Durability
from nbdicom.pacs.query import MODELS, find
from nbdicom.pacs.repair import Scrubbed
from nbdicom.pacs.storage import StoredInstance
from nbdicom.pacs.workflow.availability import Availability
from nbdicom.pacs.workflow.commitment import Commitments
from nbdicom.pacs.workflow.mpps import PerformedProcedureSteps
from nbdicom.pacs.workflow.reports import PAUSES, Reports
from nbdicom.pacs.workflow.services import SERVED, Workflow
from nbdicom.pacs.workflow.workitems import Workitems
from nbdicom.pacs.workflow.worklist import Worklist
from nbdicom.privacy import trace_of
from nbdicom.running import hold, replace_running, running, stopped
from nbdicom.table import Table, Tabular
from nbdicom.uids import DEFAULT_TRANSFER_SYNTAXES, UID, ServiceClass, sop_classes, transfer_syntaxes

if TYPE_CHECKING:
    from nbdicom.blocking.association import Association
    from nbdicom.blocking.server import Server
    from nbdicom.tls import TLS

__all__ = ["Pacs", "demo_pacs"]

_log = logging.getLogger("nbdicom.pacs")

_VERIFICATION = "1.2.840.10008.1.1"
_QUERIES, _RETRIEVALS = QueryOptions(relational=True, date_time=True), RetrieveOptions(relational=True)


class Pacs(Tabular):
    """A small hospital that speaks DICOM: storage and retrieval, worklist, procedure steps, commitment, workitems.

    Parameters
    ----------
    root : path, optional
        The folder that keeps everything; made if it does not exist.  None takes a temporary one, which `stop` removes.
    ae_title : str
        Its AE title.
    host : str
        Address to listen on; loopback unless you say otherwise.
    port : int
        0 takes a free one; `address` tells which.
    any_called : bool
        Also serve requests that call another title.
    any_calling : bool
        Serve every caller.  On a loopback address every caller is welcome anyway; elsewhere only those of *allow*.
    any_host : bool
        Serve the titles of *allow* from whatever address they call, and tell them reports there; else only from the host
        that stands there.
    allow : mapping
        AE title to ``"host:port"`` or ``(host, port)``: who may call, the destinations of C-MOVE, and where reports (of
        storage commitment, of workitems) are delivered when their recipient is not associated with us.
    notify_steps : collection of str
        AE titles of *allow* that are told of the events of performed procedure steps (N-EVENT-REPORT, PS3.4 F.9).  Who is
        associated with us for that is told, too.
    notify_availability : collection of str
        AE titles of *allow* that get an instance availability notification (N-CREATE, PS3.4 R) when a performed procedure
        step is over, or by ``availability.announce``.
    durability : {"full", "batch", "none"}
        ``"full"``: an object that was answered with Success survives a power cut.  ``"batch"``: a second later it does;
        at once it survives the end of this process.  ``"none"``: only that.  See docs/reliability.md.
    report_pauses : sequence of float
        Seconds between one attempt to deliver a report and the next; after the last one it waits for the next start.
    limits, timeouts : optional
        See `nbdicom.config`.
    window : OperationsWindow, optional
        How many operations we agree to perform (and to invoke) at once; by default 16 (and 1).
    tls : TLS, optional
        Serve associations that are secured by it, and no others (PS3.15 Annex B).
    move_tls : TLS, optional
        For the associations to the destinations of C-MOVE and of reports; without it they are plain.
    transcode : bool
        C-GET and C-MOVE: whether pixel data may be decoded, or encoded without loss, for a peer that takes them in no other
        way.  Without it such an object is a failed sub-operation.
    on_stored : callable, optional
        Called with the `StoredInstance` of each object that a C-STORE brought, and with the calling AE title, in the thread
        of its association, after the object has been stored and before it is answered.

    Examples
    --------
    >>> pacs = Pacs(ae_title="ARCHIVE").start()
    >>> pacs.address.startswith("ARCHIVE@127.0.0.1:")
    True
    >>> pacs.stop()
    """

    def __init__(
        self,
        root: Path | str | None = None,
        *,
        ae_title: str = "NBPACS",
        host: str = "127.0.0.1",
        port: int = 0,
        any_called: bool = False,
        any_calling: bool = False,
        any_host: bool = False,
        allow: Mapping[str, str | tuple[str, int]] | None = None,
        notify_steps: Collection[str] = (),
        notify_availability: Collection[str] = (),
        durability: Durability = "full",
        report_pauses: Sequence[float] = PAUSES,
        limits: Limits | None = None,
        timeouts: Timeouts | None = None,
        window: OperationsWindow | None = None,
        tls: TLS | None = None,
        move_tls: TLS | None = None,
        transcode: bool = False,
        on_stored: Callable[[StoredInstance, str], object] | None = None,
    ) -> None:
        if problem := title_problem(ae_title):
            raise PacsError(f"AE title {ae_title!r} {problem} [PS3.5 6.2]")
        if durability not in get_args(Durability):
            raise PacsError(f"durability {durability!r} is none of {', '.join(get_args(Durability))}")
        self.ae_title = ae_title.strip(" ")
        self.durability = durability
        self.limits = limits or Limits()
        self.timeouts = timeouts or Timeouts()
        self.report_pauses = tuple(report_pauses)
        self._callers = Callers(allow or {}, host=host, any_calling=any_calling, any_host=any_host)
        self._notify = tuple(notify_steps), tuple(notify_availability)
        self._window = window
        self._tls, self._move_tls = tls, move_tls
        self._transcode = transcode
        self._on_stored = on_stored
        self._requested = (host, port)
        self._any_called = any_called
        self._root = None if root is None else Path(root).expanduser().absolute()
        self._temporary: Path | None = None
        self._removal: weakref.finalize[..., Pacs] | None = None
        self._archive: Archive | None = None
        self._workflow: Workflow | None = None
        self._server: Server | None = None
        self._life = threading.RLock()  # one thread starts or stops it at a time
        self._opening = threading.RLock()  # one opens or closes the folder

    # --------------------------------------------------------------------------- life

    def start(self) -> Self:
        """Open the folder and listen, in place of a server of this process with the same AE title.

        That one is stopped, unless we cannot start: then it goes on.

        Raises
        ------
        PacsError
            If the folder cannot be used or is in use, the port is taken, or a file of *tls* cannot be read.
        """
        if self._server is not None:
            return self
        replace_running(self, self._begin)
        return self

    def _begin(self) -> None:
        with self._life:
            if self._server is not None:
                return  # another thread was faster
            opened = self._archive is None
            try:
                self._server = self._listen()
            except BaseException:
                if opened:
                    self._close()
                raise

    def _listen(self) -> Server:
        from nbdicom.blocking.server import Server

        handlers = self.handlers()
        host, port = self._requested
        server = Server(
            handlers,
            ae_title=self.ae_title,
            contexts=self.support(),
            host=host,
            port=port,
            any_called=self._any_called,
            calling=self._callers.welcomes,
            window=self._window,
            tls=self._tls,
            timeouts=self.timeouts,
            limits=self.limits,
        )

        def recipients() -> list[Association]:
            return [
                one
                for one in server.associations
                if self._callers.is_at_home(one.negotiation.calling_ae_title, split_address(one.peer)[0])
            ]

        try:
            server.start()
        except ConnectionFailed as error:  # the port, or a file of TLS: it says which, and what to try
            raise PacsError(f"{self.ae_title}: {error.message}", hint=error.hint) from error
        try:
            self._opened().start(recipients, server.later if is_memory(host) else None)
        except BaseException:
            server.close()
            raise
        return server

    def stop(self) -> None:
        """Stop listening, end the associations, close the folder (and remove it if it is a temporary one)."""
        with self._life:
            server, self._server = self._server, None
            if self._workflow is not None:
                self._workflow.reports.stop()
            if server is not None:
                self._requested = (self._requested[0], server.address[1])  # the next start keeps the address
                server.close()
            self._close()
            stopped(self)

    def _close(self) -> None:
        with self._opening:
            workflow, self._workflow = self._workflow, None
            if workflow is not None:
                workflow.close()
            archive, self._archive = self._archive, None
            if archive is not None:
                archive.close()
            self._temporary = None
            if self._removal is not None:
                self._removal()

    def drop(self) -> None:
        """Let go of everything without a word: after a fork it belongs to the parent process."""
        if self._server is not None:
            self._requested = (self._requested[0], self._server.address[1])
        if self._removal is not None:
            self._removal.detach()
        self._parents = (self._archive, self._workflow)  # SQLite must not even close here what it opened there
        self._server = self._archive = self._workflow = self._temporary = self._removal = None
        self._life, self._opening = threading.RLock(), threading.RLock()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def running(self) -> bool:
        """True between `start` and `stop`."""
        return self._server is not None

    @property
    def associations(self) -> list[Association]:
        """The associations that are established now."""
        return [] if self._server is None else self._server.associations

    @property
    def allow(self) -> dict[str, tuple[str, int]]:
        """AE title to host and port; what is put there holds from then on."""
        return self._callers.allow

    @allow.setter
    def allow(self, allow: dict[str, tuple[str, int]]) -> None:
        self._callers.allow = allow

    @property
    def host(self) -> str:
        """The address that it listens on."""
        return self._requested[0]

    @property
    def port(self) -> int:
        """The port that it listens on; the requested one before `start`."""
        return self._requested[1] if self._server is None else self._server.address[1]

    @property
    def address(self) -> str:
        """``"AET@host:port"``, as `Peer` takes it."""
        return f"{self.ae_title}@{join_address(self.host, self.port)}"

    @property
    def root(self) -> Path | None:
        """The folder; None for a temporary one that has not been made yet."""
        return self._root or self._temporary

    def _open(self) -> Archive:
        with self._opening:
            if self._archive is None:
                self._archive = self._open_folder()
            return self._archive

    def _open_folder(self) -> Archive:
        hold(self)
        root = self._root
        for other in running():
            # A cell that is run again asks for the folder that its first run still has.
            if isinstance(other, Pacs) and other is not self and other.ae_title == self.ae_title:
                if root is not None and other.root == root and other.running:
                    other.stop()
        if root is None:
            root = self._temporary = Path(tempfile.mkdtemp(prefix="nbdicom-pacs-"))
            # A notebook's kernel ends without a word; the folder shall go with it.
            self._removal = weakref.finalize(self, shutil.rmtree, root, ignore_errors=True)
        durable = self.durability == "full"
        archive = Archive(root, durability=self.durability, limits=self.limits)
        try:
            self._workflow = Workflow(
                root,
                archive,
                ae_title=self.ae_title,
                address=self.allow.get,
                durable=durable,
                pauses=self.report_pauses,
                tls=self._move_tls,
                timeouts=self.timeouts,
                limits=self.limits,
                notify_steps=self._notify[0],
                notify_availability=self._notify[1],
            )
        except BaseException:
            archive.close()
            raise
        return archive

    def _opened(self) -> Workflow:
        self._open()
        assert self._workflow is not None
        return self._workflow

    # --------------------------------------------------------------------------- services

    def support(self) -> Support:
        """What is negotiated: storage in any transfer syntax, every other service that is served in the default ones.

        Every SOP Class of another service is refused, Non-Patient Object Storage too: nothing here could find such an
        object again.  A SOP Class that nobody knows may be a private storage class, and is accepted.
        """
        served = {_VERIFICATION, *SERVED, *(f"{root}.{service}" for root in MODELS for service in (1, 2, 3))}
        contexts = {uid: PresentationContext(UID(uid)) for uid in sorted(served)}
        for root in MODELS:
            # Asked by extended negotiation, and agreed to as far as it is done: see `nbdicom.pacs.query`.
            for service, options in ((1, _QUERIES), (2, _RETRIEVALS), (3, _RETRIEVALS)):
                contexts[f"{root}.{service}"] = PresentationContext(UID(f"{root}.{service}"), extended=options)
        for entry in sop_classes():
            if entry.uid not in served and entry.service_class is not ServiceClass.STORAGE:
                contexts[entry.uid] = PresentationContext(entry.uid, ())
        others = (s.uid for s in transfer_syntaxes(retired=True) if s.uid not in DEFAULT_TRANSFER_SYNTAXES)
        return Support(
            contexts=contexts,
            any_abstract_syntax=(*DEFAULT_TRANSFER_SYNTAXES, *others),
            max_length_received=self.limits.max_length_received,
        )

    def handlers(self) -> Handlers:
        """The services as `Handlers`, for a server of your own; opens the folder."""
        archive, workflow = self._open(), self._opened()

        def query(request: FindRequest) -> Iterator[Any]:
            if request.model in SERVED:
                return workflow.find(request)
            return find(
                archive.index, request, ae_title=self.ae_title, limit=self.limits.matches, seconds=self.timeouts.query
            )

        def store(request: StoreRequest) -> int:
            status = archive.accept(request)
            if self._on_stored is not None:
                self._tell_stored(archive.instance(request.sop_instance_uid), request)
            return status

        return Handlers(
            sink=archive.sink,
            store=store,
            find=query,
            get=self._select,
            move=self._select,
            destination=self._destination,
            n_create=workflow.n_create,
            n_get=workflow.n_get,
            n_set=workflow.n_set,
            n_action=workflow.n_action,
        )

    # --------------------------------------------------------------------------- content

    def add(self, *sources: Any) -> Added:
        """Store files, folders and data sets without a network.

        Parameters
        ----------
        *sources : path, Dataset, or iterable of these
            Folders are searched through; files that are not DICOM are skipped, with the reason.

        Returns
        -------
        Added
            A table; ``stored``, ``refused`` and ``skipped`` count its rows.
        """
        from nbdicom.data.source import Skipped, scan

        rows: list[tuple[str, str, str, str]] = []

        def instances() -> Iterator[StorableInstance]:
            for found in scan(flatten(sources)):
                look_up()
                if isinstance(found, Skipped):
                    rows.append((str(found.path), "", "skipped", found.reason))
                else:
                    yield found

        rows.extend(row_of(outcome) for outcome in self._open().add(instances()))
        results = [row[2] for row in rows]
        return Added(tuple(rows), *(results.count(word) for word in ("stored", "refused", "skipped")))

    def _tell_stored(self, stored: StoredInstance | None, request: StoreRequest) -> None:
        assert self._on_stored is not None
        if stored is None:  # somebody took it away since
            return
        try:
            self._on_stored(stored, request.calling_ae_title)
        except Exception as error:  # the object is stored, and its sender shall hear nothing else
            _log.warning("on_stored failed: %s", type(error).__name__)
            _log.debug("%s", trace_of(error))

    def _select(self, request: RetrieveRequest) -> Sequence[StorableInstance]:
        found = self._open().select(request, self.timeouts.query)
        if not self._transcode:
            return found
        from nbdicom.data.convert import Transcodable

        return [Transcodable(instance) for instance in found]

    def _destination(self, title: str) -> tuple[Any, ...] | None:
        address = self.allow.get(title.strip(" "))
        return address if address is None or self._move_tls is None else (*address, self._move_tls)

    def counts(self) -> dict[str, int]:
        """How many patients, studies, series and instances there are."""
        return self._open().index.counts()

    def scrub(self) -> Scrubbed:
        """Read every object back and compare it with the digest that was taken when it was received.

        What is damaged is no longer offered, and its file is moved to the folder ``damaged``.  The PACS may run meanwhile.

        Returns
        -------
        Scrubbed
            How many objects were read, and which are damaged.
        """
        archive = self._open()
        return Scrubbed.of(archive.scrub())

    def instance(self, sop_instance_uid: str) -> StoredInstance | None:
        """A stored instance by its *sop_instance_uid*: its file, size, SHA-256 of its data set; None if it is not here."""
        return self._open().instance(sop_instance_uid)

    # --------------------------------------------------------------------------- the workflow around it

    @property
    def worklist(self) -> Worklist:
        """The modality worklist: ``add``, ``remove``, ``entries``."""
        return self._opened().worklist

    @property
    def procedure_steps(self) -> PerformedProcedureSteps:
        """The performed procedure steps that modalities told of."""
        return self._opened().procedure_steps

    @property
    def availability(self) -> Availability:
        """The instance availability notifications that arrived."""
        return self._opened().availability

    @property
    def commitments(self) -> Commitments:
        """The storage commitments that were asked for, and what became of them."""
        return self._opened().commitments

    @property
    def workitems(self) -> Workitems:
        """The workitems of the unified worklist: ``add``, ``attributes``, ``subscriptions``."""
        return self._opened().workitems

    @property
    def reports(self) -> Reports:
        """The event reports that are on their way to others: ``pending``, ``retry``."""
        return self._opened().reports

    # --------------------------------------------------------------------------- views

    def table(self) -> Table:
        """Where it is, who may call, and what it has."""
        rows: list[tuple[str, object]] = [
            ("address", f"{self.address} ({'running' if self.running else 'not running'})"),
            ("folder", f"{self._root}" if self._root else f"{self._temporary or ''} (temporary)".strip()),
            ("durability", self.durability),
            ("callers", str(self._callers)),
            *((f"C-MOVE to {title}", join_address(host, port)) for title, (host, port) in self.allow.items()),
        ]
        if self._archive is not None:
            rows += [(name, str(count)) for name, count in self.counts().items()]
            rows += [("worklist entries", str(len(self.worklist))), ("workitems", str(len(self.workitems)))]
        return Table(f"PACS {self.ae_title}", ("what", "value"), rows)

    def __repr__(self) -> str:
        state = "running" if self.running else "not running"
        content = ", ".join(f"{n} {name}" for name, n in self.counts().items()) if self._archive else "not open"
        return f"<Pacs {self.address}, {state}: {content}>"


def demo_pacs(**kwargs: Any) -> Pacs:
    """A running PACS with sample patients, and a worklist for them, for lessons, tests and a first look.

    Parameters
    ----------
    **kwargs
        Those of `Pacs`; without a *root* its folder is a temporary one.

    Examples
    --------
    >>> with demo_pacs() as pacs:
    ...     pacs.counts()["patients"] >= 5
    True
    """
    from nbdicom.pacs.samples import sample_instances, sample_schedule

    # Whoever tries things out by hand is slow, and may well have many connections.
    pacs = Pacs(**{"durability": "none", "timeouts": Timeouts(idle=600), **kwargs})
    try:
        added = pacs.add(sample_instances())
        if added.refused:
            _log.warning("%d of %d sample objects were refused", added.refused, len(added))
        known = {entry["StudyInstanceUID"] for entry in pacs.worklist.entries(over=True)}
        for entry in sample_schedule(date.today()):  # noqa: DTZ011  # the day of whoever works there
            if entry["StudyInstanceUID"] not in known:
                pacs.worklist.add(entry)
        return pacs.start()
    except BaseException:
        pacs.stop()
        raise
