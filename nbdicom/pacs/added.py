"""What an import did, as a table: `Added`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbdicom.pacs.archive import Outcome
from nbdicom.status import Status
from nbdicom.table import Table, Tabular
from nbdicom.uids import UID

__all__ = ["Added", "flatten", "row_of"]


@dataclass(frozen=True, slots=True, repr=False)
class Added(Tabular):
    """What `Pacs.add` did: a row for each object and for each file that is none."""

    rows: tuple[tuple[str, str, str, str], ...]  #: source, SOP Class, result, detail
    stored: int
    refused: int
    skipped: int

    def __len__(self) -> int:
        return len(self.rows)

    def table(self) -> Table:
        """The rows, the ones that were not stored first."""
        marks = {"stored": "ok", "refused": "bad"}
        rows = sorted(self.rows, key=lambda row: row[2] == "stored")
        return Table(
            f"{self.stored} stored, {self.refused} refused, {self.skipped} skipped",
            ("source", "SOP Class", "result", "detail"),
            rows,
            marks=[marks.get(row[2], "") for row in rows],
        )


def row_of(outcome: Outcome) -> tuple[str, str, str, str]:
    """The row of `Added` for one object."""
    instance = outcome.instance
    source = str(getattr(instance, "path", None) or instance.sop_instance_uid)
    if outcome.status == 0x0000:
        return source, UID(instance.sop_class_uid).name, "stored", outcome.comment
    detail = f"{Status(outcome.status, 'C-STORE')}: {outcome.comment}"
    return source, UID(instance.sop_class_uid).name, "refused", detail


def flatten(sources: Any) -> Iterator[Any]:
    """Paths and Datasets from whatever holds them, however deep."""
    for source in sources:
        # A Dataset iterates over its elements; whatever else iterates holds sources.
        single = isinstance(source, (str, Path)) or hasattr(source, "group_dataset") or hasattr(source, "sop_class_uid")
        if single or not hasattr(source, "__iter__"):
            yield source
        else:
            yield from flatten(source)
