"""What reading the whole archive back has found, as a table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from nbdicom.pacs.repair import Checked
from nbdicom.table import Table, Tabular, printable

__all__ = ["Scrubbed"]


@dataclass(frozen=True, slots=True, repr=False)
class Scrubbed(Tabular):
    """How many objects were read back, and which of them are not what was received."""

    checked: int
    bytes: int
    damaged: tuple[Checked, ...]

    @classmethod
    def of(cls, checks: Iterable[Checked]) -> Scrubbed:
        """Count; the sound ones are not kept."""
        count = size = 0
        damaged = []
        for check in checks:
            count += 1
            size += check.size
            if check.damage:
                damaged.append(check)
        return cls(count, size, tuple(damaged))

    def __bool__(self) -> bool:
        """True if everything is sound."""
        return not self.damaged

    def table(self) -> Table:
        """One row for each damaged object."""
        rows = [(printable(one.sop_instance_uid), one.damage, one.object) for one in self.damaged]
        title = f"{self.checked} objects ({self.bytes:,} bytes) read back, {len(rows)} damaged"
        return Table(title, ("SOP Instance UID", "damage", "object"), rows)
