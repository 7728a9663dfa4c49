"""Records on stdout, as JSON or CSV."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from nbdicom.table import printable

__all__ = ["plain", "write_records"]

#: What JSON may have as it is, and a terminal obeys: control characters beyond ASCII, and what turns the direction of text.
_OBEYED = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def plain(value: Any) -> Any:
    """A cell as JSON knows it; what is missing is None."""
    if isinstance(value, (tuple, list)):
        return [plain(one) for one in value]
    if isinstance(value, Mapping):
        return {str(name): plain(one) for name, one in value.items()}
    if isinstance(value, bytes):
        return value.hex()
    if value is None or value != value or str(value) in ("<NA>", "NaT"):
        return None
    return value if isinstance(value, (str, int, float, bool)) else str(value)


def write_records(records: Sequence[Mapping[str, Any]], shape: str, columns: Sequence[str] | None = None) -> None:
    """Write what ``--json`` or ``--csv`` asks for; *columns* are named where there may be no record to tell them.

    CSV has the values as they are, for programs; on a terminal what a peer sent is escaped.
    """
    if shape == "json":
        text = json.dumps(list(records), ensure_ascii=False, indent=2)
        print(_OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", text))
        return
    import csv

    names = list(columns or (records[0] if records else []))
    seen = printable if sys.stdout.isatty() else str
    writer = csv.DictWriter(sys.stdout, list(map(seen, names)), lineterminator="\n")
    writer.writeheader()
    for record in records:
        cells = {name: "\\".join(map(_cell, v)) if isinstance(v, list) else _cell(v) for name, v in record.items()}
        writer.writerow({seen(name): seen(cell) for name, cell in cells.items()})


def _cell(value: Any) -> str:
    """An item of a sequence has no form in CSV but that of JSON."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else "" if value is None else str(value)
