"""``nbdicom echo``: one verification, without what queries and retrievals need.

Nothing takes as long in it as loading what it is made of; a whole `Peer` would add a twentieth.
"""

from __future__ import annotations

import argparse
import sys

from nbdicom.cli.parser import settings_of
from nbdicom.cli.records import write_records
from nbdicom.peer.entity import RemoteEntity

__all__ = ["run"]


def run(options: argparse.Namespace) -> int:
    """Verify the peer and print the steps."""
    report = RemoteEntity(options.peer, **settings_of(options)).echo()
    if options.shape is None:
        print(report)
    else:
        # Not through a DataFrame: verifying a peer takes no pandas.
        write_records(
            [{"step": s.name, "ok": s.ok, "result": s.result, "ms": s.ms} for s in report.steps], options.shape
        )
    if report:
        return 0
    print(f"nbdicom: error: {report.error or 'the peer is not verified'}", file=sys.stderr)
    return 1
