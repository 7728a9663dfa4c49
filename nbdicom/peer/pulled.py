"""What a pull came to: one row for each series, complete or not and why."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from nbdicom.peer.cohort import Kept
from nbdicom.peer.results import Answer, Failure, TransferResult, named, sized
from nbdicom.status import Status
from nbdicom.table import counted

if TYPE_CHECKING:
    import pandas

__all__ = ["PullResult", "PulledSeries"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PulledSeries:
    """One series of a cohort; of a peer that does not tell its series, one study or patient."""

    study: str | None
    series: str | None
    modality: str = ""
    named: int | None = None  #: instances that the peer names; None where it does not
    counted: int | None = None  #: instances by the peer's own count; None where it does not count
    files: tuple[Kept, ...] = ()  #: what is here
    new: int = 0  #: of these, what came with this pull
    missing: tuple[str, ...] = ()  #: SOP Instance UIDs
    state: str = "unproven"  #: complete, incomplete, or unproven
    message: str = ""
    status: Status | None = None

    @property
    def ok(self) -> bool:
        """Whether it is proven that all of it is here."""
        return self.state == "complete"

    @property
    def name(self) -> str:
        """The series, or what else it is."""
        if self.series:
            return f"series {self.series}"
        return f"study {self.study}" if self.study else "patient"

    @property
    def wanted(self) -> int:
        """How many instances there should be: those that are named, else as many as the peer counts."""
        known = len(self.files) + len(self.missing)
        return known if self.named is not None else max(known, self.counted or 0)

    @property
    def size(self) -> int:
        """Bytes of its files."""
        return sum(kept.bytes for kept in self.files)

    def row(self) -> tuple[object, ...]:
        """The row of the table."""
        where = self.series or self.name
        return (where, self.modality, self.named, self.counted, len(self.files), self.new, self.state, self.message)

    def record(self) -> dict[str, Any]:
        """The row of the DataFrame, and the line of the manifest."""
        return {
            "StudyInstanceUID": self.study,
            "SeriesInstanceUID": self.series,
            "Modality": self.modality or None,
            "named": self.named,
            "counted": self.counted,
            "here": len(self.files),
            "new": self.new,
            "bytes": self.size,
            "state": self.state,
            "ok": self.ok,
            "message": self.message,
        }


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class PullResult(TransferResult[PulledSeries]):
    """A cohort in a folder: true if it is proven that all of it is there."""

    folder: Path
    manifest: Path
    answers: tuple[Answer, ...] = ()  #: what the peer said to each request
    beside: int = 0  #: instances in the folder that are not of this cohort, of an earlier pull for instance
    advice: tuple[str, ...] = ()  #: what to try first, where nothing came

    _columns: ClassVar[tuple[str, ...]] = (
        "Series Instance UID", "modality", "named", "counted", "here", "new", "state", "message",
    )  # fmt: skip
    _integers: ClassVar[tuple[str, ...]] = ("named", "counted", "here", "new", "bytes")
    _mark_column: ClassVar[str] = "state"

    @property
    def paths(self) -> list[Path]:
        """The files, those of earlier pulls included."""
        return [self.folder / kept.path for row in self.rows for kept in row.files]

    @property
    def missing(self) -> tuple[str, ...]:
        """SOP Instance UIDs of what the peer has, or was asked for, and is not here."""
        return tuple(uid for row in self.rows for uid in row.missing)

    @property
    def new(self) -> int:
        """How many instances came with this pull."""
        return sum(row.new for row in self.rows)

    @property
    def bytes(self) -> int:
        """Bytes of the files."""
        return sum(row.size for row in self.rows)

    def instances(self) -> pandas.DataFrame:
        """One row for each instance, with its file and digest, or without a file."""
        from nbdicom.peer.frames import plain_frame

        records: list[dict[str, Any]] = []
        for row in self.rows:
            records += [{**kept.record(), "path": str(self.folder / kept.path), "ok": True} for kept in row.files]
            absent = {"StudyInstanceUID": row.study, "SeriesInstanceUID": row.series, "ok": False}
            records += [{"SOPInstanceUID": uid, **absent} for uid in row.missing]
        columns = [*Kept("", "", "", "", "", "", 0, "").record(), "ok"]
        about = {**self.provenance, "level": "IMAGE"}
        return plain_frame(records, integers=("bytes",), provenance=about, columns=columns)

    def _hints(self) -> list[str]:
        hints = [] if self.ok else [*self.advice, "the same call again fetches what is missing, and nothing else"]
        if self.beside:
            others = "1 instance in the folder is" if self.beside == 1 else f"{self.beside} instances in the folder are"
            hints.append(f"{others} not of this cohort: .paths and .instances() have what is")
        return hints

    @property
    def summary(self) -> str:
        """How many series are complete, and why others are not."""
        good = len(self.rows) - len(self.failed)
        here = sum(len(row.files) for row in self.rows)
        unit = "series" if all(row.series for row in self.rows) else "part"
        wanted = counted(sum(row.wanted for row in self.rows), "instance")
        text = (
            f"{good} of {counted(len(self.rows), unit)} complete: {here} of {wanted} from {self.peer} "
            f"{'is' if here == 1 else 'are'} in {self.folder} ({sized(self.bytes)}, {self.new} new, {self.seconds:.1f} s)"
        )
        failures = [Failure(row.name, f"{row.state}, {row.message}") for row in self.failed]
        return text + named(failures, unit, "NOT COMPLETE")
