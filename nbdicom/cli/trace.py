"""``nbdicom trace``: a recording or a capture, looked at in a terminal; saved in another format."""

from __future__ import annotations

import argparse
import sys

from nbdicom.cli.records import plain, write_records
from nbdicom.errors import TranscriptError
from nbdicom.trace.transcript import load

__all__ = ["run"]


def run(options: argparse.Namespace) -> int:
    """Print summary and ladder, or single arrows, or every event."""
    wire = load(options.file)
    if options.port is not None:
        from nbdicom.trace.recording import Recording

        sides = [side for c in wire.connections if c.address.endswith(f":{options.port}") for side in c.sides]
        numbers = {side.number for side in sides}
        wire = Recording(sides, (e for e in wire.entries if e.association in numbers), epoch=wire.epoch)
    if options.save is not None:
        path = wire.save(options.save, redact=not options.with_values)
        print(f"nbdicom: {len(wire.connections)} connections are in {path}", file=sys.stderr)
        return 0
    try:
        arrows = [wire[number] for number in options.arrows]
    except IndexError as error:
        raise TranscriptError(str(error)) from None
    if options.shape is not None:
        frame = wire.to_frame().astype(object)
        records = [{str(k): plain(v) for k, v in row.items()} for row in frame.to_dict("records")]
        write_records(records, options.shape, list(map(str, frame.columns)))
    elif arrows:
        print(*arrows, sep="\n\n")
    else:
        print(wire, wire.ladder(), sep="\n\n")
    return 0
