"""``nbdicom receive``: a storage SCP that writes into a folder and prints what comes."""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import suppress

from nbdicom.cli.pacs import ended, served_limits, served_tls
from nbdicom.receiver import Receiver, StoredFile
from nbdicom.table import printable

__all__ = ["run"]


def run(options: argparse.Namespace) -> int:
    """Receive until SIGTERM or SIGINT."""
    known = options.allow_calling
    receiver = Receiver(
        options.to,
        ae_title=options.ae_title,
        host=options.host,
        port=options.port,
        any_called=options.any_called,
        calling=(lambda title, host: title in known) if known else None,
        tls=served_tls(options),
        limits=served_limits(options),
        on_stored=_print_json if options.json else _print,
    )
    with ended() as over, receiver:
        told = sys.stderr if options.json else sys.stdout
        print(f"nbdicom receive: {receiver.address} is ready, into {receiver.folder}", file=told, flush=True)
        over.wait()
    print(f"nbdicom receive: stopped, {len(receiver.files)} received", file=sys.stderr)
    return 0


def _print(file: StoredFile) -> None:
    about = f"{file.calling_ae_title}: {file.sop_class_uid.name}, {file.transfer_syntax.name}, {file.bytes} bytes"
    _say(printable(f"{about}, {file.path}"))


def _print_json(file: StoredFile) -> None:
    record = {
        "calling_ae_title": file.calling_ae_title,
        "SOPClassUID": str(file.sop_class_uid),
        "SOPInstanceUID": str(file.sop_instance_uid),
        "transfer_syntax": str(file.transfer_syntax),
        "bytes": file.bytes,
        "path": str(file.path),
    }
    _say(json.dumps(record))


def _say(line: str) -> None:
    """In one piece, since several associations receive at once; where nobody reads it, things are stored all the same."""
    with suppress(OSError):
        print(f"{line}\n", end="", flush=True)
