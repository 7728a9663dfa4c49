"""What a transfer came to: one row for each instance (or request), and a summary that names every failure.

The rows of a retrieval are what *we* received and stored; the peer's counters stand beside them.  A result is true
only if everything that was asked for is there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

from nbdicom.errors import DataSetError, NbdicomError, OperationFailed
from nbdicom.peer.notices import IncompleteTransfer, notify
from nbdicom.peer.selection import Target
from nbdicom.status import Status
from nbdicom.table import Table, Tabular, counted
from nbdicom.uids import UID

if TYPE_CHECKING:
    import pandas

__all__ = [
    "Answer",
    "CommitResult",
    "Committed",
    "Failure",
    "MoveResult",
    "Moved",
    "RetrieveResult",
    "Retrieved",
    "Sent",
    "StoreResult",
    "TransferResult",
    "named",
    "not_registered",
    "sized",
    "told",
]

_SHOWN = 25  #: rows of a table on the screen; all are in the DataFrame
_NAMED = 3  #: of each reason for a failure, so many are named in the summary
_REASONS = 5  #: and so many reasons


@dataclass(slots=True, kw_only=True)
class Answer:
    """One C-GET or C-MOVE request and what the peer said to it."""

    target: Target
    status: Status | None = None
    completed: int | None = None  #: the peer's counters (PS3.4 C.4.2.1.6 to C.4.2.1.9); None where it sent none
    failed: int | None = None
    warning: int | None = None
    remaining: int | None = None
    failed_uids: tuple[UID, ...] = ()
    error: NbdicomError | None = None  #: what ended the request, if not its final response

    @property
    def ok(self) -> bool:
        """True if the peer says that everything went well and counts at least one instance, or counts nothing."""
        if self.error is not None or self.status is None or not self.status.is_success or self.failed:
            return False
        return self.completed != 0 or bool(self.warning)

    @property
    def message(self) -> str:
        """The outcome in words."""
        if self.error is not None:
            return self.error.message
        if self.status is None:
            return "not asked"
        if self.status.is_success and not self.completed and not self.warning and self.completed is not None:
            return "the peer answered Success and sent nothing: it has no such instances"
        return str(self.status)

    @property
    def total(self) -> int | None:
        """Sub-operations that the peer counts in all, or None if it does not count."""
        counts = (self.completed, self.failed, self.warning, self.remaining)
        return None if all(count is None for count in counts) else sum(count or 0 for count in counts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrieved:
    """One instance that arrived, or that should have."""

    sop_instance_uid: UID | None
    sop_class_uid: UID | None = None
    transfer_syntax: UID | None = None
    study: str | None = None
    series: str | None = None
    path: Path | None = None
    size: int | None = None  #: bytes of its data set, as it came over the wire
    status: Status | None = None
    ok: bool = False
    message: str = ""
    count: int = 1  #: instances that it stands for: the peer may count failures without naming them

    @property
    def name(self) -> str:
        """The SOP Instance UID, or how many it stands for; nothing for a request of which nobody says how many."""
        return str(self.sop_instance_uid or (f"{self.count} unnamed" if self.count else ""))

    def row(self) -> tuple[object, ...]:
        """The row of the table."""
        name = self.sop_class_uid.name if self.sop_class_uid else ""
        syntax = self.transfer_syntax.name if self.transfer_syntax else ""
        return (self.name, name, syntax, self.size, _code(self.status), self.message)

    def record(self) -> dict[str, Any]:
        """The row of the DataFrame; study and series are those of the file where the request did not name them."""
        # Read here and not while instances arrive: it takes a third of the time in which one comes.
        study, series = (self.study, self.series) if self.study and self.series else self._in_file()
        return {
            "SOPInstanceUID": self.sop_instance_uid,
            "SOPClassUID": self.sop_class_uid,
            "StudyInstanceUID": study,
            "SeriesInstanceUID": series,
            "TransferSyntaxUID": self.transfer_syntax,
            "path": str(self.path) if self.path else None,
            "bytes": self.size,
            "status": _code(self.status),
            "ok": self.ok,
            "message": self.message,
        }

    def _in_file(self) -> tuple[str | None, str | None]:
        from nbdicom.data.identity import identity_of

        if self.path is None:
            return self.study, self.series
        try:
            found = identity_of(self.path)
        except (OSError, DataSetError):  # it has been moved since, or cannot be read
            return self.study, self.series
        return self.study or found.study or None, self.series or found.series or None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One file or Dataset that was to be stored; ``skipped`` if it was not sent for a reason of its own."""

    source: str
    sop_instance_uid: UID | None = None
    sop_class_uid: UID | None = None
    transfer_syntax: UID | None = None  #: in which it was sent
    status: Status | None = None
    ok: bool = False
    skipped: bool = False
    message: str = ""
    hint: str = ""  #: what to try

    def row(self) -> tuple[object, ...]:
        """The row of the table."""
        name = self.sop_class_uid.name if self.sop_class_uid else ""
        syntax = self.transfer_syntax.name if self.transfer_syntax else ""
        return (self.source, name, syntax, _code(self.status), self.message)

    def record(self) -> dict[str, Any]:
        """The row of the DataFrame."""
        return {
            "file": self.source,
            "SOPInstanceUID": self.sop_instance_uid,
            "SOPClassUID": self.sop_class_uid,
            "TransferSyntaxUID": self.transfer_syntax,
            "status": _code(self.status),
            "ok": self.ok,
            "skipped": self.skipped,
            "message": self.message,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """One C-MOVE request."""

    answer: Answer

    @property
    def ok(self) -> bool:
        """Whether the peer moved everything."""
        return self.answer.ok

    @property
    def status(self) -> Status | None:
        """The final status."""
        return self.answer.status

    @property
    def message(self) -> str:
        """The outcome in words."""
        return self.answer.message

    def row(self) -> tuple[object, ...]:
        """The row of the table."""
        a = self.answer
        return (str(a.target), a.completed, a.failed, a.warning, a.remaining, _code(a.status), a.message)

    def record(self) -> dict[str, Any]:
        """The row of the DataFrame."""
        a = self.answer
        keys = {key: value if isinstance(value, str) else tuple(value) for key, value in a.target.keys.items()}
        return {
            "level": a.target.level.value,
            **keys,
            "completed": a.completed,
            "failed": a.failed,
            "warning": a.warning,
            "remaining": a.remaining,
            "status": _code(a.status),
            "ok": a.ok,
            "message": a.message,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed:
    """One instance for which storage commitment was asked."""

    sop_class_uid: UID
    sop_instance_uid: UID
    status: Status | None = None  #: Success, or the Failure Reason (PS3.3 C.14.1.1); None as long as nobody has said
    message: str = ""
    retrieve_from: str = ""  #: AE title

    @property
    def ok(self) -> bool:
        """Whether the peer has promised to keep it."""
        return self.status is not None and self.status.is_success

    def row(self) -> tuple[object, ...]:
        """The row of the table."""
        return (self.sop_instance_uid, self.sop_class_uid.name, _code(self.status), self.message)

    def record(self) -> dict[str, Any]:
        """The row of the DataFrame."""
        return {
            "SOPInstanceUID": self.sop_instance_uid,
            "SOPClassUID": self.sop_class_uid,
            "status": _code(self.status),
            "ok": self.ok,
            "message": self.message,
            "RetrieveAETitle": self.retrieve_from,
        }


def _code(status: Status | None) -> str | None:
    return None if status is None else f"{int(status):04X}H"


class Outcome(Protocol):
    """What a row of a result can tell."""

    @property
    def ok(self) -> bool:
        """Whether it is what was wanted."""
        ...

    @property
    def status(self) -> Status | None:
        """What the peer answered, if it did."""
        ...

    @property
    def message(self) -> str:
        """The outcome in words."""
        ...

    def row(self) -> tuple[object, ...]:
        """The row of the table."""
        ...

    def record(self) -> dict[str, Any]:
        """The row of the DataFrame."""
        ...


Row = TypeVar("Row", bound=Outcome)
R = TypeVar("R", bound="TransferResult[Any]")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class TransferResult(Tabular, Generic[Row]):
    """What all results have: rows, what failed of them, and a summary."""

    rows: tuple[Row, ...]
    peer: str  #: "AET@host:port"
    seconds: float
    provenance: dict[str, Any] = field(default_factory=dict, repr=False)

    _columns: ClassVar[tuple[str, ...]]
    _integers: ClassVar[tuple[str, ...]] = ()
    _mark_column: ClassVar[str] = "message"

    @property
    def failed(self) -> tuple[Row, ...]:
        """The rows that did not succeed."""
        return tuple(row for row in self.rows if not row.ok)

    @property
    def ok(self) -> bool:
        """True if there is something, and nothing failed."""
        return bool(self.rows) and not self.failed

    @property
    def summary(self) -> str:
        """One line for all, and the failures by name."""
        raise NotImplementedError

    def __bool__(self) -> bool:
        return self.ok

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def raise_on_failure(self) -> None:
        """Raise if not everything succeeded.

        Raises
        ------
        OperationFailed
            With the summary.
        """
        if not self.ok:
            statuses = [row.status for row in self.failed if row.status is not None]
            raise OperationFailed(self.summary, status=next((s for s in statuses if s.is_failure), Status(0x0110)))

    def tell(self) -> None:
        """Warn if not everything succeeded: the result itself may never be looked at."""
        if not self.ok:
            notify(IncompleteTransfer(self.summary))

    def table(self) -> Table:
        """Failures first; as many rows as one reads."""
        ordered = sorted(self.rows, key=lambda row: (row.ok, getattr(row, "skipped", False)))
        shown = ordered[:_SHOWN]
        notes = [] if len(shown) == len(ordered) else [f"... and {len(ordered) - len(shown)} more rows in .to_frame()"]
        notes += [f"\N{RIGHTWARDS ARROW} {hint}" for hint in self._hints()]
        return Table(
            self.summary,
            self._columns,
            [row.row() for row in shown],
            notes=notes,
            marks=["ok" if row.ok else "" if getattr(row, "skipped", False) else "bad" for row in shown],
            mark_column=self._mark_column,
        )

    @property
    def hints(self) -> tuple[str, ...]:
        """What to try."""
        return tuple(self._hints())

    def _hints(self) -> list[str]:
        return []

    def to_frame(self) -> pandas.DataFrame:
        """All rows as a DataFrame; its ``.dicom`` verbs work on what has key columns."""
        from nbdicom.peer.frames import plain_frame

        return plain_frame([row.record() for row in self.rows], integers=self._integers, provenance=self.provenance)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class RetrieveResult(TransferResult[Retrieved]):
    """What came here, by C-GET or by C-MOVE: one row for each instance, with the file that it is in.

    Study and series that the request did not name are those in the file; `to_frame` reads it for them.
    """

    folder: Path
    answers: tuple[Answer, ...] = ()
    listened: str = ""  #: of a C-MOVE: where the peer had to send to, as AE title, host and port

    _columns: ClassVar[tuple[str, ...]] = (
        "SOP Instance UID", "SOP Class", "transfer syntax", "bytes", "status", "message",
    )  # fmt: skip
    _integers: ClassVar[tuple[str, ...]] = ("bytes",)

    @property
    def paths(self) -> list[Path]:
        """The files that arrived."""
        return [row.path for row in self.rows if row.ok and row.path is not None]

    @property
    def here(self) -> str:
        """How many arrived, in words."""
        return counted(len(self.paths), "instance")

    @property
    def bytes(self) -> int:
        """Bytes of the data sets that arrived."""
        return sum(row.size or 0 for row in self.rows if row.ok)

    def _hints(self) -> list[str]:
        if self.listened and (self.ok or self.paths):
            return []
        if hints := not_registered(self.answers, self.peer, self.provenance.get("calling")):
            return hints
        if self.listened:
            return [
                f"nothing arrived at {self.listened}: {self.peer} must have this AE title with the address of this machine "
                "and this port in its configuration, and no firewall may be between"
            ]
        if self.ok or not any(answer.failed or answer.failed_uids for answer in self.answers):
            return []
        return [
            "what a peer cannot send is often compressed, or of a rare SOP Class: retrieve it by rows of instances(), "
            "from whose SOPClassUID exact presentation contexts are proposed"
        ]

    @property
    def summary(self) -> str:
        """One line for all, and the failures by name."""
        good = len(self.rows) - len(self.failed)
        text = (
            f"{good} of {counted(sum(row.count for row in self.rows), 'instance')} retrieved from {self.peer} "
            f"into {self.folder} ({sized(self.bytes)}, {self.seconds:.1f} s)"
        )
        return text + named([Failure(row.name, row.message, row.count) for row in self.failed], "instance")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class MoveResult(TransferResult[Moved]):
    """A C-MOVE: one row for each request, with the peer's counters; what arrived, only the destination knows."""

    destination: str

    _columns: ClassVar[tuple[str, ...]] = (
        "asked for", "completed", "failed", "warning", "remaining", "status", "message",
    )  # fmt: skip
    _integers: ClassVar[tuple[str, ...]] = ("completed", "failed", "warning", "remaining")

    @property
    def completed(self) -> int:
        """Instances that the peer says it has sent, with or without a warning."""
        return sum((row.answer.completed or 0) + (row.answer.warning or 0) for row in self.rows)

    @property
    def failed_uids(self) -> tuple[UID, ...]:
        """SOP Instance UIDs of those that the peer could not send, as far as it names them (PS3.4 C.4.2.1.4.2)."""
        return tuple(uid for row in self.rows for uid in row.answer.failed_uids)

    def _hints(self) -> list[str]:
        if hints := not_registered([row.answer for row in self.rows], self.peer, self.destination):
            return hints
        if self.completed or all(row.status is None or not row.status.is_failure for row in self.rows):
            return []
        return [
            f"{self.peer} may not know the AE title {self.destination!r}, not reach it, or be refused there: its log "
            "should say which"
        ]

    @property
    def summary(self) -> str:
        """One line for all, and the failures by name."""
        good = len(self.rows) - len(self.failed)
        counts = any(row.answer.total is not None for row in self.rows)
        told = f"{counted(self.completed, 'instance')} by the peer's count" if counts else "the peer does not count"
        text = (
            f"{good} of {counted(len(self.rows), 'request')} moved from {self.peer} to {self.destination}: "
            f"{told} ({self.seconds:.1f} s)"
        )
        return text + named([Failure(str(row.answer.target), row.message) for row in self.failed], "request")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class StoreResult(TransferResult[Sent]):
    """A C-STORE of many: one row for each file or Dataset, those that were skipped included."""

    _columns: ClassVar[tuple[str, ...]] = ("file", "SOP Class", "sent as", "status", "message")

    def _hints(self) -> list[str]:
        return list(dict.fromkeys(row.hint for row in self.failed if row.hint))[:_REASONS]

    @property
    def failed(self) -> tuple[Sent, ...]:
        """What was to be sent and is not at the peer."""
        return tuple(row for row in self.rows if not row.ok and not row.skipped)

    @property
    def skipped(self) -> tuple[Sent, ...]:
        """What was found in folders and is nothing to send."""
        return tuple(row for row in self.rows if row.skipped)

    @property
    def ok(self) -> bool:
        """True if something was stored and nothing failed; skipped files do not count."""
        return any(row.ok for row in self.rows) and not self.failed

    @property
    def summary(self) -> str:
        """One line for all, and the failures by name."""
        good = sum(row.ok for row in self.rows)
        wanted = counted(len(self.rows) - len(self.skipped), "instance")
        text = f"{good} of {wanted} stored at {self.peer} ({self.seconds:.1f} s)"
        if self.skipped:
            text += f", {counted(len(self.skipped), 'file')} skipped"
        if not self.rows:
            text += ": there was no file to send"
        return text + named([Failure(row.source, row.message) for row in self.failed], "instance")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class CommitResult(TransferResult[Committed]):
    """What a peer promised to keep."""

    transaction_uid: UID
    event_type: int | None = None  #: of the report: 1 all are committed, 2 failures exist; None where none came

    _columns: ClassVar[tuple[str, ...]] = ("SOP Instance UID", "SOP Class", "status", "message")

    @property
    def summary(self) -> str:
        """How many are committed, and why others are not."""
        good = len(self.rows) - len(self.failed)
        text = f"{good} of {counted(len(self.rows), 'instance')} committed by {self.peer} ({self.seconds:.1f} s)"
        failures = [Failure(str(row.sop_instance_uid), row.message) for row in self.failed]
        return text + named(failures, "instance", "NOT COMMITTED")

    def _hints(self) -> list[str]:
        if self.event_type is not None:
            return []
        return [
            "the report may come on a new association: give listen='host:port', and register our AE title there with the "
            "peer"
        ]


def not_registered(answers: Iterable[Answer], peer: str, title: object) -> list[str]:
    """What to try if a peer has moved nothing, perhaps because it does not know where *title* is.

    The standard has a status for that (PS3.4 C.4.2.1.5). Orthanc, for one, says that it is unable to process.
    """
    for answer in answers:
        status = answer.status
        if status is None or status.service != "C-MOVE" or answer.completed or answer.failed:
            continue
        if status == 0xA801 or 0xC000 <= status <= 0xCFFF:
            where = f"{peer} must have the AE title {str(title)!r} with its host and port in its configuration"
            unclear = "" if status == 0xA801 else "; some say no more than this where it is not"
            return [f"{where}, and titles are case-sensitive{unclear}"]
    return []


@dataclass(frozen=True, slots=True)
class Failure:
    """One line of a summary: what failed and why."""

    name: str
    message: str
    count: int = 1  #: instances (or requests, series) that it stands for; 0 for a request of which nobody says how many


def named(failures: Sequence[Failure], unit: str, what: str = "FAILED") -> str:
    """The failures of a summary: how many there are of a *unit*, and each reason once, with a few of those whom it met."""
    if not failures:
        return ""
    reasons: dict[str, list[Failure]] = {}
    for failure in failures:
        reasons.setdefault(failure.message, []).append(failure)
    lines = []
    for message, ones in list(reasons.items())[:_REASONS]:
        names = [one.name for one in ones]
        if len(ones) <= _NAMED:
            lines += [f"  {name}: {message}" if name else f"  {message}" for name in names]
        else:
            more = sum(one.count for one in ones[_NAMED:])
            lines.append(f"  {', '.join(names[:_NAMED])} and {more} more: {message}")
    if len(reasons) > _REASONS:
        others = sum(max(one.count, 1) for ones in list(reasons.values())[_REASONS:] for one in ones)
        lines.append(f"  and {others} more for other reasons")
    total, empty = sum(one.count for one in failures), sum(not one.count for one in failures)
    heads = [f"{counted(total, unit)} {what}"] if total else []
    heads += [f"{counted(empty, 'request')} {what}"] if empty else []
    return f"; {', '.join(heads)}:\n" + "\n".join(lines)


def sized(size: int) -> str:
    """Bytes as people read them."""
    value = float(size)
    for unit in ("bytes", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "bytes" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"


def told(result: R, raise_on_error: bool) -> R:
    """A result that is not complete speaks up."""
    if raise_on_error:
        result.raise_on_failure()
    result.tell()
    return result
