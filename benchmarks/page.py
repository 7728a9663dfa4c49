"""docs/performance.md from docs/performance.json: ``python -m benchmarks.page [FROM [TO]]``."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

__all__ = ["page", "table"]

_SOURCE, _TARGET = "docs/performance.json", "docs/performance.md"
_INTRODUCTION = """\
# Performance

This page is made by `python -m benchmarks.page` from the figures that `python -m benchmarks --json` wrote to
`{source}`; do not edit it. Every contender runs in processes of its own, on the same generated data, in turn,
several rounds; figures are medians, and ratios are medians of the ratios of each round. Trust the ratios, not the digits:
on a machine that is shared a ratio moves by up to a third, and where the load is higher than the number of CPUs (it stands
at each workload) latencies say more about the others than about us.

*raw* is what plain Python sockets reach with the same traffic and no DICOM. *DCMTK* writes data sets as they come (`+B`);
*DCMTK, decoding* is what storescp and getscu do unless they are told. Both have TCP_NODELAY, without which they wait 44 ms
for each object. The start-up of DCMTK's tools is not counted, except where the whole process is what is measured; pandas and
pydicom are loaded before the clock runs, ours and pynetdicom's.
Associations are measured with a requestor that says the same each time, which both sides remember, and with one where *none
is like the last*: another title, which costs nothing, and another maximum length, so that it is negotiated anew.

Storing with full durability is measured twice: on the disk of the machine, where two cores are what limits, and with a wait
after every sync, on all sides alike, where the syncs are. *Plain sockets* have eight connections there, and do with each
file what an archive has to: SHA-256, sync, name, sync of the folder. *Without a sync* is our archive with eight associations
and `durability="none"`: what syncing costs is the difference. Each sender has stored two objects before the clock runs.
"""


def number(value: float | None) -> str:
    """A figure with three digits that count."""
    if value is None:
        return ""
    if value >= 1000:
        return f"{value:,.0f}".replace(",", " ")
    return f"{value:.3g}"


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table in Markdown, readable as text, too."""
    lines = [list(head), *map(list, rows)]
    widths = [max(len(line[k]) for line in lines) for k in range(len(lines[0]))]
    texts = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    ]
    return "\n".join([texts[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *texts[1:]])


def workload_table(result: dict[str, Any]) -> str:
    """One row for each contender."""
    contenders = result["contenders"]
    references = list(dict.fromkeys(name for told in contenders.values() for name in told["ratios"]))
    head = ["contender", result["unit"], *(f"x {name}" for name in references), "CPU s", "memory MB"]
    return table(head, (_row(name, told, references) for name, told in contenders.items()))


def _row(name: str, told: dict[str, Any], references: list[str]) -> Iterator[str]:
    yield name
    yield number(told["median"])
    for reference in references:
        yield number(told["ratios"].get(reference))
    sides = told["requestor"], told["acceptor"]
    yield " / ".join(number(side["cpu"]) for side in sides if side.get("cpu") is not None)
    yield " / ".join(number(side["memory"] / (1 << 20)) for side in sides if side.get("memory") is not None)


def target_table(targets: list[dict[str, Any]]) -> str:
    """What was to be reached, and what was."""
    words = {True: "met", False: "not met", None: "not measured"}
    rows = ((row["work"], row["target"], number(row["measured"]), words[row["met"]]) for row in targets)
    return table(("work", "target", "measured", ""), rows)


def page(told: dict[str, Any], source: str) -> str:
    """The whole page."""
    parts = [_INTRODUCTION.format(source=source)]
    machine = "; ".join(f"{name}: {value}" for name, value in told["machine"].items())
    parts.append(f"{machine}.\n")
    parts.append(f"## Targets\n\n{target_table(told['targets'])}\n")
    parts.append(
        "## Figures\n\nCPU seconds and memory (what was needed beyond what the process had when it began) are those of"
        " requestor / acceptor for one run; of DCMTK's tools the whole process.\n"
    )
    for name, result in told["workloads"].items():
        said = f"`{name}`, {result['rounds']} rounds, load before {result['load_before']:g}"
        said += f"; {result['date']}, `{result['command']}`." if "command" in result else "."
        failures = "".join(f"\n\n*{who} failed: {why}*" for who, why in result["failures"].items())
        left_out = "".join(f"\n\n*Left out: {who}: {why}*" for who, why in result.get("left_out", {}).items())
        title = result["title"][0].upper() + result["title"][1:]
        parts.append(f"### {title}\n\n{said}\n\n{workload_table(result)}{failures}{left_out}\n")
    return "\n".join(parts)


def main() -> None:
    source, target = (sys.argv[1:3] + [_SOURCE, _TARGET][len(sys.argv) - 1 :])[:2]
    Path(target).write_text(page(json.loads(Path(source).read_text()), source))


if __name__ == "__main__":
    main()
