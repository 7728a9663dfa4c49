"""Delivery of N-EVENT-REPORTs: kept in the database until they arrive (PS3.7 10.1.1, PS3.4 F.9, J.3.3 and CC.2.4).

A report goes out on an association that its recipient has open with us, if that has a context for it, and else on a new
one, on which we propose to be the SCP.  Where neither is possible, or it is not answered with Success, it is tried again
after pauses that grow, a bounded number of times; what is left then waits for the next start, or for news of the recipient.

There is a thread for each recipient while there is something to deliver to it, and none otherwise; one that cannot be
reached keeps no other waiting.  The reports of one recipient keep their order.  Instance availability notifications, which
are N-CREATEs (PS3.4 R), go the same way, on an association of our own.  In memory there are no threads: whoever
waits for the PACS there, or for `Reports.wait`, does it.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import copy_context
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from nbdicom.config import Limits, Timeouts
from nbdicom.core.negotiation import PresentationContext
from nbdicom.errors import DataSetError, NbdicomError, OperationFailed
from nbdicom.pacs.workflow.database import Attributes, Database, dump, load, now
from nbdicom.privacy import trace_of
from nbdicom.table import Table, Tabular, printable
from nbdicom.uids import UID

if TYPE_CHECKING:
    from nbdicom.blocking.association import Association
    from nbdicom.tls import TLS

__all__ = [
    "AVAILABILITY",
    "COMMITMENT",
    "PAUSES",
    "STEP_EVENT",
    "UPS_EVENT",
    "UPS_PUSH",
    "NothingToTell",
    "Report",
    "Reports",
]

_log = logging.getLogger("nbdicom.pacs")

COMMITMENT = "1.2.840.10008.1.20.1"
UPS_PUSH = "1.2.840.10008.5.1.4.34.6.1"
UPS_EVENT = "1.2.840.10008.5.1.4.34.6.4"
STEP_EVENT = "1.2.840.10008.3.1.2.3.5"
AVAILABILITY = "1.2.840.10008.5.1.4.33"

#: Seconds between one attempt to deliver and the next; after the last one a report is left alone.  A day in all.
PAUSES: tuple[float, ...] = (1, 2, 5, 15, 60, 300, 900, *(1800,) * 46)
_KEPT = 1000  #: delivered reports that are remembered
_JOIN = 1.0  #: seconds for those who are being told; who waits for an answer to a call ends by its own deadline

#: The abstract syntax under which the reports of a SOP Class travel: a workitem is UPS Push, its events are UPS Event.
_ABSTRACT_SYNTAX: Mapping[str, str] = {UPS_PUSH: UPS_EVENT}
_DUPLICATE = 0x0111
#: Failures that are about a report itself (PS3.7 10.1.1.1.8, 10.1.5.1.6): it would be answered the same tomorrow.
_HEARD = frozenset(
    (0x0105, 0x0106, 0x0112, 0x0113, 0x0114, 0x0115, 0x0117, 0x0118, 0x0119, 0x0120, 0x0121, 0x0122, 0x0211, 0x0212)
)
_CREATED = 0  #: in the place of an event type: no event, but an N-CREATE of which we are the SCU


@dataclass(frozen=True, slots=True)
class Report:
    """One N-EVENT-REPORT (or N-CREATE).  Without an event type it is a promise: `Reports.completed_by` keeps it."""

    id: int
    ae_title: str
    sop_class: str
    sop_instance: str
    subject: str  #: what it is about: a Transaction UID, say
    event_type: int | None
    information: dict[str, Any]


class NothingToTell(NbdicomError):
    """A promise that turns out to be about nothing; it is not kept, and keeps no other report waiting."""


class _NoWay(NbdicomError):
    """Neither an association nor an address leads to the recipient."""


class _Occupied(NbdicomError):
    """The recipient's association has something to be answered first; whoever waits for that will be back."""


class Reports(Tabular):
    """The reports of a PACS that are on their way.

    Parameters
    ----------
    database : Database
        Where they are kept.
    ae_title : str
        Our own.
    address : callable
        ``address(ae_title)`` is the ``(host, port)`` of a recipient, or None.
    pauses : sequence of float
        Seconds between attempts.
    tls : TLS, optional
        Secures the new associations.
    timeouts, limits
        Theirs.
    """

    def __init__(
        self,
        database: Database,
        *,
        ae_title: str,
        address: Callable[[str], tuple[str, int] | None],
        pauses: Sequence[float] = PAUSES,
        tls: TLS | None = None,
        timeouts: Timeouts,
        limits: Limits,
    ) -> None:
        self._database = database
        self._ae_title = ae_title
        self._address = address
        self._pauses = tuple(pauses)
        self._tls, self._timeouts, self._limits = tls, timeouts, limits
        self._completed_by: dict[str, Callable[[Report], tuple[int, dict[str, Any]]]] = {}
        self._associations: Callable[[], Iterable[Association]] | None = None  # None: not running
        self._changed = threading.Condition()
        self._threads: dict[str, threading.Thread] = {}
        # recipient -> whether to try at once; for whom something was added since their thread last looked
        self._news: dict[str, bool] = {}
        self._lines: dict[str, Association] = {}  # associations of our own
        # In memory: puts off work until somebody gives us time, and when each recipient is due.
        self._later: Callable[[Callable[[], None]], None] | None = None
        self._due: dict[str, float] = {}
        self._here: set[str] = set()  # to whom somebody delivers in this moment

    def completed_by(self, sop_class: str, function: Callable[[Report], tuple[int, dict[str, Any]]]) -> None:
        """Promises of this SOP Class are kept by ``function(report) -> (event type, event information)``.

        It may raise `NothingToTell`.
        """
        self._completed_by[sop_class] = function

    # --------------------------------------------------------------------------- life

    def start(
        self,
        associations: Callable[[], Iterable[Association]],
        later: Callable[[Callable[[], None]], None] | None = None,
    ) -> None:
        """Deliver from now on; *associations* gives those that are open with us; *later* puts off what is to be done."""
        with self._changed:
            self._associations, self._later = associations, later
        with self._database.write() as connection:
            connection.execute("UPDATE reports SET attempts = 0 WHERE delivered IS NULL")
            _forget(connection)
        self.retry()

    def retry(self) -> None:
        """Try at once what is not delivered yet."""
        with self._database.read() as connection:
            rows = connection.execute("SELECT DISTINCT ae_title FROM reports WHERE delivered IS NULL").fetchall()
        for (ae_title,) in rows:
            self.wake(ae_title)

    def stop(self) -> None:
        """Deliver nothing more; what is under way is broken off."""
        with self._changed:
            self._associations = None
            lines = list(self._lines.values())
            self._changed.notify_all()
        for line in lines:
            line.abort()

    def join(self) -> None:
        """Wait for the threads that `stop` has told to end, a moment at most: they touch nothing more."""
        deadline = time.monotonic() + _JOIN
        with self._changed:
            threads = list(self._threads.values())
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    # --------------------------------------------------------------------------- what is to be delivered

    def add(
        self,
        connection: sqlite3.Connection,
        ae_title: str,
        *,
        sop_class: str,
        sop_instance: str,
        subject: str | None = None,
        event_type: int | None = None,
        information: Mapping[str, Any] | None = None,
    ) -> None:
        """Add a report within the transaction of *connection*; call `wake` when that is committed.

        It is about the SOP Instance, if not about another *subject*.
        """
        added = connection.execute(
            "INSERT INTO reports (ae_title, sop_class, sop_instance, subject, event_type, information, made)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (ae_title, sop_class, sop_instance, subject or sop_instance, event_type, dump(information or {}), now()),
        )
        if (added.lastrowid or 0) % _KEPT == 0:  # a PACS that is never stopped does not grow for ever either
            _forget(connection)

    @staticmethod
    def waiting(connection: sqlite3.Connection, ae_title: str, event_type: int) -> dict[str, Attributes]:
        """What a recipient has not been told yet: for each SOP Instance the information of the last report of this type."""
        rows = connection.execute(
            "SELECT sop_instance, information FROM reports WHERE ae_title = ? AND delivered IS NULL AND event_type = ?"
            " ORDER BY id",
            (ae_title, event_type),
        )
        return {sop_instance: load(information) for sop_instance, information in rows}

    def wake(self, *ae_titles: str, patiently: bool = False) -> None:
        """Deliver to these recipients now; *patiently*: those to whom it just failed in their own time."""
        with self._changed:
            if self._associations is None:
                return
            if self._later is not None:
                for ae_title in ae_titles:
                    self._due[ae_title] = self._due.get(ae_title, 0.0) if patiently else 0.0
                if self._due:
                    self._later(self._work_here)
                return
            for ae_title in ae_titles:
                if ae_title in self._threads:
                    self._news[ae_title] = self._news.get(ae_title, False) or not patiently
                    self._changed.notify_all()
                    continue
                thread = threading.Thread(
                    target=copy_context().run,  # whoever records this association records what follows from it
                    args=(self._work, ae_title),
                    name=f"nbdicom reports to {printable(ae_title)}",
                    daemon=True,
                )
                try:
                    thread.start()
                except (RuntimeError, MemoryError) as error:
                    # The reports wait, and whoever adds the next one tries again.
                    _log.error("reports to %s: no thread: %s", printable(ae_title), type(error).__name__)
                    continue
                self._threads[ae_title] = thread

    def listeners(self, abstract_syntax: str) -> list[str]:
        """Who is associated with us in a way that lets it receive the events of a SOP Class."""
        associations = self._associations
        return [
            association.negotiation.calling_ae_title
            for association in (associations() if associations is not None else ())
            if _serves(association, abstract_syntax)
        ]

    def reachable(self, ae_title: str) -> bool:
        """Whether a recipient has an address, or is associated with us in a way that lets it receive events of workitems."""
        return self._address(ae_title) is not None or self._association(ae_title, UPS_EVENT) is not None

    @property
    def _running(self) -> bool:
        return self._associations is not None

    def pending(self) -> int:
        """How many reports are not delivered yet."""
        with self._database.read() as connection:
            count: int = connection.execute("SELECT count(*) FROM reports WHERE delivered IS NULL").fetchone()[0]
        return count

    def wait(self, timeout: float | None = None) -> bool:
        """Wait while something is under way or about to be tried again.

        Parameters
        ----------
        timeout : float, optional
            Seconds; None waits as long as it takes.

        Returns
        -------
        bool
            Whether everything is delivered.
        """
        if self._later is not None:
            until = None if timeout is None else time.monotonic() + timeout
            self._work_here()
            while self._due and (until is None or time.monotonic() < until):
                with self._changed:
                    self._changed.wait(0.01)  # nobody else has anything to do meanwhile
                self._work_here()
        with self._changed:
            self._changed.wait_for(lambda: not self._threads, timeout)
        return self.pending() == 0

    def _work_here(self) -> None:
        """Where there are no threads: deliver what is due; the rest is put off."""
        for ae_title, due in list(self._due.items()):
            with self._changed:
                # Another thread may deliver to the same recipient, or we ourselves further up, where it is we who wait.
                if time.monotonic() < due or not self._running or ae_title in self._here or ae_title not in self._due:
                    continue
                del self._due[ae_title]
                self._here.add(ae_title)
            pause: float | None = 0
            try:
                while pause == 0 and self._running:
                    pause = self._attempt(ae_title)
            finally:
                self._hang_up(ae_title)
                self._here.discard(ae_title)
            if pause is not None:
                self._due.setdefault(ae_title, time.monotonic() + pause)
        if self._due and self._later is not None:
            self._later(self._work_here)

    def _oldest(self, ae_title: str) -> tuple[Report, int] | None:
        with self._database.read() as connection:
            row = connection.execute(
                "SELECT id, ae_title, sop_class, sop_instance, subject, event_type, information, attempts FROM reports"
                " WHERE ae_title = ? AND delivered IS NULL ORDER BY id LIMIT 1",
                (ae_title,),
            ).fetchone()
        if row is None:
            return None
        number, title, sop_class, sop_instance, subject, event_type, information, attempts = row
        return Report(number, title, sop_class, sop_instance, subject, event_type, load(information)), attempts

    # --------------------------------------------------------------------------- one recipient's thread

    def _work(self, ae_title: str) -> None:
        try:
            while True:
                pause = self._attempt(ae_title)
                with self._changed:
                    if pause:
                        self._changed.wait_for(lambda: not self._running or self._news.get(ae_title), pause)
                    if not self._running or (pause is None and ae_title not in self._news):
                        # Whoever adds something from here on finds no thread, and starts one.
                        self._ended(ae_title)
                        break
                    self._news.pop(ae_title, None)
        except Exception as error:
            # The database fails, say.  The reports are where they were, and whoever adds the next one starts anew.
            _log.error("reports to %s: %s", printable(ae_title), type(error).__name__)
            _log.debug("%s", trace_of(error))
        finally:
            self._hang_up(ae_title)
            with self._changed:
                if self._threads.get(ae_title) is threading.current_thread():
                    self._ended(ae_title)

    def _ended(self, ae_title: str) -> None:
        self._threads.pop(ae_title, None)
        self._news.pop(ae_title, None)
        self._changed.notify_all()

    def _attempt(self, ae_title: str) -> float | None:
        """Deliver the oldest report; seconds until the next attempt, None where there shall be none."""
        found = self._oldest(ae_title)
        if found is None:
            self._hang_up(ae_title)
            return None
        report, attempts = found
        attempts += 1
        try:
            self._deliver(self._completed(report))
        except _Occupied:
            return 0.01
        except NbdicomError as error:
            self._hang_up(ae_title)
            if not self._running:
                return None
            refused, last = isinstance(error, OperationFailed), attempts > len(self._pauses)
            # What cannot be encoded will never be; it may stand in the database from before it was refused at the door.
            hopeless = isinstance(error, DataSetError | NothingToTell) or (
                isinstance(error, OperationFailed) and error.status in _HEARD
            )
            # A recipient that answers a failure again and again has heard it; the next report may be another matter.
            self._record(report, attempts, error, closed=hopeless or (refused and last))
            if hopeless:
                return 0
            if last:
                return 0 if refused else None
            return None if isinstance(error, _NoWay) else self._pauses[attempts - 1]
        if self._running:
            self._record(report, attempts, None, closed=True)
        return 0

    def _record(self, report: Report, attempts: int, error: NbdicomError | None, *, closed: bool) -> None:
        problem = "" if error is None else error.message
        if error is not None:
            _log.warning(
                "report %d to %s, attempt %d: %s", report.id, printable(report.ae_title), attempts, printable(problem)
            )
        with self._database.write() as connection:
            connection.execute(
                "UPDATE reports SET attempts = ?, problem = ?, delivered = ? WHERE id = ?",
                (attempts, problem, now() if closed else None, report.id),
            )

    def _completed(self, report: Report) -> Report:
        if report.event_type is not None:
            return report
        event_type, information = self._completed_by[report.sop_class](report)
        if event_type != _CREATED:  # what is available is found out anew for each attempt
            with self._database.write() as connection:
                connection.execute(
                    "UPDATE reports SET event_type = ?, information = ? WHERE id = ?",
                    (event_type, dump(information), report.id),
                )
        return replace(report, event_type=event_type, information=information)

    # --------------------------------------------------------------------------- ways to a recipient

    def _deliver(self, report: Report) -> None:
        abstract_syntax = _ABSTRACT_SYNTAX.get(report.sop_class, report.sop_class)
        created = report.event_type == _CREATED
        association = None if created else self._association(report.ae_title, abstract_syntax)
        if association is not None:
            if self._later is not None and not association.wait_until_served(0):
                raise _Occupied("the recipient's association is busy")
            try:
                # What the report answers has to be answered first, or the peer would take the one for the other.
                if association.wait_until_served(self._timeouts.dimse):
                    return self._send(association, report, abstract_syntax)
            except DataSetError:
                raise  # another association would not help
            except NbdicomError as error:
                if isinstance(error, OperationFailed) and self._address(report.ae_title) is None:
                    raise  # there is no other, and this is what the recipient has to say
                _log.info("report %d on the recipient's association: %s", report.id, printable(error.message))
        line = self._lines.get(report.ae_title)
        if line is None or not line.is_established or not _serves(line, abstract_syntax, as_scu=created):
            line = self._call(report.ae_title, abstract_syntax, as_scu=created)
        return self._send(line, report, abstract_syntax)

    @staticmethod
    def _send(association: Association, report: Report, abstract_syntax: str) -> None:
        assert report.event_type is not None
        if report.event_type == _CREATED:
            try:
                association.n_create(report.sop_class, report.information, sop_instance=report.sop_instance)
            except OperationFailed as error:
                if error.status != _DUPLICATE:  # else it has arrived before, and its answer was lost
                    raise
            return
        association.n_event_report(
            report.sop_class,
            report.sop_instance,
            report.event_type,
            report.information or None,
            meta_sop_class=None if abstract_syntax == report.sop_class else abstract_syntax,
        )

    def _association(self, ae_title: str, abstract_syntax: str) -> Association | None:
        """An association that the recipient has open with us, with a context in which we are the SCP."""
        associations = self._associations
        for association in associations() if associations is not None else ():
            if association.negotiation.calling_ae_title == ae_title and _serves(association, abstract_syntax):
                return association
        return None

    def _call(self, ae_title: str, abstract_syntax: str, *, as_scu: bool) -> Association:
        """A new association to the recipient; for an event it is the SCU and we are the SCP (PS3.7 D.3.3.4)."""
        from nbdicom.blocking.association import associate

        self._hang_up(ae_title)
        address = self._address(ae_title)
        if address is None:
            raise _NoWay(
                "the recipient is not associated with us, and no address is known", hint="allow={title: address}"
            )
        uid = UID(abstract_syntax)
        context = PresentationContext(uid) if as_scu else PresentationContext(uid, scu_role=False, scp_role=True)
        line = associate(
            address,
            called=ae_title,
            calling=self._ae_title,
            contexts=[context],
            tls=self._tls,
            timeouts=self._timeouts,
            limits=self._limits,
        )
        with self._changed:
            running = self._running
            if running:
                self._lines[ae_title] = line
        if not running:
            line.abort()
        return line

    def _hang_up(self, ae_title: str) -> None:
        with self._changed:
            line = self._lines.pop(ae_title, None)
        if line is not None:
            line.release()

    # --------------------------------------------------------------------------- to look at

    def table(self) -> Table:
        """The latest reports, and what keeps those that have not arrived."""
        with self._database.read() as connection:
            found = connection.execute(
                "SELECT made, ae_title, sop_class, event_type, subject, attempts, delivered, problem FROM reports"
                " ORDER BY id DESC LIMIT 100"
            ).fetchall()
        rows, marks = [], []
        for made, ae_title, sop_class, event_type, subject, attempts, delivered, problem in found:
            state = f"delivered {delivered}" if delivered and not problem else problem or "waiting"
            event = "not known yet" if event_type is None else event_type
            what = UID(sop_class).name if sop_class == AVAILABILITY else f"{UID(sop_class).name}, event type {event}"
            rows.append(tuple(map(printable, (made, ae_title, what, subject, attempts, state))))
            marks.append("ok" if delivered and not problem else "bad" if problem else "")
        return Table(
            f"Event reports, {self.pending()} to be delivered",
            ("made", "recipient", "report", "about", "attempts", "state"),
            rows,
            marks=marks,
        )


def _forget(connection: sqlite3.Connection) -> None:
    """Delivered reports are remembered for those who look, the last ones of them."""
    connection.execute(
        "DELETE FROM reports WHERE delivered IS NOT NULL AND id <= (SELECT max(id) FROM reports) - ?", (_KEPT,)
    )


def _serves(association: Association, abstract_syntax: str, *, as_scu: bool = False) -> bool:
    try:
        association.negotiation.context_for(abstract_syntax, as_scu=as_scu)
    except NbdicomError:
        return False
    return association.is_established
