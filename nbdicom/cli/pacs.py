"""``nbdicom pacs``: the embedded PACS as a process of its own."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from nbdicom.cli.parser import tls_of
from nbdicom.config import Limits
from nbdicom.errors import PacsError

if TYPE_CHECKING:
    from nbdicom.tls import TLS

__all__ = ["ended", "run", "served_limits", "served_tls"]


def run(options: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT; or read everything back, and end."""
    from nbdicom.pacs import Pacs

    pacs = Pacs(
        options.root,
        ae_title=options.ae_title,
        host=options.host,
        port=options.port,
        any_called=options.any_called,
        any_calling=options.any_calling,
        any_host=options.any_host,
        allow=dict(map(_allowed, options.allow)),
        durability=options.durability,
        tls=served_tls(options),
        limits=served_limits(options),
    )
    if options.scrub:
        scrubbed = pacs.scrub()
        pacs.stop()
        print(scrubbed)
        return 0 if scrubbed else 1
    with ended() as over, pacs:
        if options.sample:
            from nbdicom.pacs.samples import sample_instances

            pacs.add(sample_instances())
        print(f"nbdicom pacs: {pacs.address} is ready, archive in {pacs.root}", flush=True)
        over.wait()
    print("nbdicom pacs: stopped", file=sys.stderr)
    return 0


@contextmanager
def ended() -> Iterator[threading.Event]:
    """Set by SIGTERM and SIGINT; whoever runs this inside a program of its own gets its handlers back."""
    over = threading.Event()
    before = {number: signal.signal(number, lambda *_: over.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield over
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def served_limits(options: argparse.Namespace) -> Limits:
    """What ``--max-pdu`` says of an acceptor."""
    return Limits() if options.max_pdu is None else Limits(max_length_received=options.max_pdu)


def served_tls(options: argparse.Namespace) -> TLS | None:
    """What the TLS options of an acceptor say: without certificates to trust, callers need none of their own."""
    tls = tls_of(options)
    if tls is None:
        return None
    if tls.certificate is None:
        raise PacsError("associations cannot be secured without a certificate of ours", hint="add --tls-cert PEM")
    if tls.ca is not None:
        return tls
    if tls.crl is not None:  # nobody would be asked for a certificate, and nobody's be found in the list
        raise PacsError("--tls-crl is of no use without certificates to trust", hint="add --tls-ca PEM")
    return replace(tls, client_certificates="none")


def _allowed(text: str) -> tuple[str, str]:
    title, equals, address = text.partition("=")
    if not equals or not title or not address:
        raise PacsError(f"{text!r} is no known AE", hint="write --allow AET=HOST:PORT")
    return title, address
