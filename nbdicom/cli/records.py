"""Records on stdout, as JSON or CSV."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["plain", "write_records"]


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
    """Write what ``--json`` or ``--csv`` asks for; *columns* are named where there may be no record to tell them."""
    if shape == "json":
        json.dump(list(records), sys.stdout, ensure_ascii=False, indent=2)
        print()
        return
    import csv

    names = list(columns or (records[0] if records else []))
    writer = csv.DictWriter(sys.stdout, names, lineterminator="\n")
    writer.writeheader()
    for record in records:
        writer.writerow({name: "\\".join(map(_cell, v)) if isinstance(v, list) else _cell(v) for name, v in record.items()})


def _cell(value: Any) -> Any:
    """An item of a sequence has no form in CSV but that of JSON."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else "" if value is None else str(value)
