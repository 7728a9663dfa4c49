"""The arguments of every sub-command."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import nbdicom
from nbdicom.config import Timeouts
from nbdicom.errors import ConnectionFailed, NbdicomError

if TYPE_CHECKING:
    from nbdicom.core.identity import UserIdentity
    from nbdicom.tls import TLS

__all__ = ["identity_of", "make_parser", "settings_of", "tls_of"]

#: options of `nbdicom find` that are asked for by extended negotiation (PS3.4 C.5.1.1)
_OPTIONS = {
    "relational": "relational queries: keys of every level",
    "fuzzy": "fuzzy matching of names",
    "date-time": "combined date-time matching",
    "timezone": "timezone adjustment",
    "enhanced-conversion": "enhanced multi-frame conversion",
}
#: of `nbdicom.config.Timeouts`, those of a requestor
_TIMEOUTS = ("connect", "association", "network", "dimse", "pdu", "cancel", "release")
_PEER = "AET@HOST:PORT of the peer, for instance PACS@127.0.0.1:11112"


def make_parser(called: str | None = None) -> argparse.ArgumentParser:
    """The parser of the ``nbdicom`` command; ``module`` in its result names the module that does the work.

    Where it is known which command is *called*, the others are named without their arguments: those take 6 ms to declare.
    """
    parser = argparse.ArgumentParser(
        prog="nbdicom",
        description="Interactive DICOM networking for Jupyter, on the command line.",
        epilog="Start with: nbdicom demo",
    )
    parser.add_argument("--version", action="version", version=f"nbdicom {nbdicom.__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, (module, declare, text) in _COMMANDS.items():
        sub = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        if called in (None, name):
            sub.add_argument("--debug", action="store_true", help="log what happens, and show tracebacks of errors")
            sub.set_defaults(module=f"nbdicom.cli.{module}", command=name)
            declare(sub)
    return parser


def _demo(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--to", metavar="DIR", help="folder for the retrieved files (default: a new temporary one)")


def _lab(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--no-browser", action="store_true", help="only print the address of JupyterLab")
    sub.add_argument(
        "--folder",
        default="nbdicom-notebooks",
        metavar="DIR",
        help="working copy of the notebooks (default: %(default)s)",
    )
    sub.add_argument("jupyter", nargs="*", metavar="-- ARG", help="further arguments for jupyter lab, after --")


def _pacs(sub: argparse.ArgumentParser) -> None:
    _acceptor(sub, "NBPACS")
    sub.add_argument(
        "--root", required=True, metavar="DIR", help="folder of the archive; it is made if it is not there"
    )
    sub.add_argument(
        "--any-calling",
        action="store_true",
        help="serve every caller; else, unless the address is a loopback one, only those of --allow",
    )
    sub.add_argument(
        "--allow",
        action="append",
        default=[],
        metavar="AET=HOST:PORT",
        help="a known AE: it may call from this host, and is a C-MOVE destination; may be repeated",
    )
    sub.add_argument("--any-host", action="store_true", help="let the titles of --allow call from any address")
    sub.add_argument("--sample", action="store_true", help="put the sample images into the archive first")
    sub.add_argument(
        "--durability",
        choices=("full", "batch", "none"),
        default="full",
        help="what an object that was answered with Success survives (default: %(default)s, a power cut)",
    )
    sub.add_argument(
        "--scrub", action="store_true", help="read every object back, print what is damaged, and end; nothing is served"
    )
    _max_pdu(sub)
    _record(sub)
    _served_tls(sub)


def _find(sub: argparse.ArgumentParser) -> None:
    _peer(sub)
    _keys(sub, "attribute to match, or only to return where there is no value; may be repeated", "; WORKLIST")
    for name, text in _OPTIONS.items():
        sub.add_argument(f"--{name}", action="store_true", help=f"ask for {text} (extended negotiation)")
    sub.add_argument(
        "--charset", metavar="NAME", help="character set of answers that name none, such as ISO_IR 100 or ISO_IR 192"
    )
    sub.add_argument("--limit", type=_positive, metavar="N", help="stop after N rows (the rest is cancelled)")
    sub.add_argument(
        "--complete",
        type=_positive,
        nargs="?",
        const=True,
        default=False,
        metavar="N",
        help="of studies: where the peer cuts its answer off (after N matches), ask again in parts, by StudyDate",
    )


def _get(sub: argparse.ArgumentParser) -> None:
    _peer(sub)
    _keys(sub, "unique key of what is retrieved, such as StudyInstanceUID=...; may be repeated")
    _associations(sub)
    sub.add_argument("--to", default=".", metavar="DIR", help="the folder (default: the current one)")


def _pull(sub: argparse.ArgumentParser) -> None:
    _peer(sub)
    _keys(sub, "unique key of what is pulled, such as StudyInstanceUID=...; may be repeated")
    _associations(sub)
    sub.add_argument("--cohort", metavar="FILE", help="a table with the unique keys, .csv or .parquet, instead of -k")
    sub.add_argument(
        "--to", required=True, metavar="DIR", help="the folder; what is there already is not fetched again"
    )
    sub.add_argument(
        "--listen",
        metavar="HOST:PORT",
        help="where we receive by C-MOVE if the peer offers no C-GET; it must know our AE title with this address",
    )
    sub.add_argument("--move", action="store_true", help="take C-MOVE although the peer offers C-GET")
    sub.add_argument("--check", action="store_true", help="fetch nothing: compare the folder with what the peer has")
    sub.add_argument("--recheck", action="store_true", help="read every file again and compare it with its digest")


def _move(sub: argparse.ArgumentParser) -> None:
    _peer(sub)
    _keys(sub, "unique key of what is moved, such as StudyInstanceUID=...; may be repeated")
    _associations(sub)
    sub.add_argument("--to", required=True, metavar="AET", help="AE title of the destination; the peer must know it")


def _store(sub: argparse.ArgumentParser) -> None:
    _peer(sub)
    _associations(sub)
    sub.add_argument(
        "--transcode", action="store_true", help="decode or losslessly encode pixel data where the peer wants it so"
    )
    sub.add_argument("paths", nargs="+", metavar="PATH", help="a DICOM file, or a folder with all that is below it")


def _negotiate(sub: argparse.ArgumentParser) -> None:
    _peer(sub)
    sub.add_argument(
        "-c", "--context", action="append", default=[], metavar="SOPClass[=TransferSyntax,...]",
        help="what to propose, by keyword or UID; may be repeated (default: query/retrieve, workflow and usual storage)",
    )  # fmt: skip
    sub.add_argument("--scp", action="store_true", help="ask for the SCP role, too, as a C-GET does for storage")


def _receive(sub: argparse.ArgumentParser) -> None:
    _acceptor(sub, "NBDICOM")
    sub.add_argument("--to", default=".", metavar="DIR", help="the folder (default: the current one)")
    sub.add_argument(
        "--allow-calling", action="append", metavar="AET", help="receive from this title only; may be repeated"
    )
    sub.add_argument("--json", action="store_true", help="print a line of JSON for each object")
    _max_pdu(sub)
    _record(sub)
    _served_tls(sub)


def _trace(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("file", metavar="FILE", help="what --record wrote, or a capture of tcpdump or Wireshark")
    sub.add_argument("arrows", nargs="*", type=int, metavar="ARROW", help="take this arrow of the ladder apart")
    sub.add_argument("--port", type=_port, metavar="N", help="only connections to this port")
    sub.add_argument(
        "--save", metavar="FILE", help="write it as a transcript, or as a capture where the name ends in .pcap"
    )
    _with_values(sub)
    _shape(sub)


def _acceptor(sub: argparse.ArgumentParser, title: str) -> None:
    sub.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    sub.add_argument(
        "--port", type=_port, default=11112, help="port to listen on, 0 for a free one (default: %(default)s)"
    )
    sub.add_argument("--ae-title", default=title, metavar="T", help="our AE title (default: %(default)s)")
    sub.add_argument("--any-called", action="store_true", help="serve requests for other AE titles, too")
    sub.add_argument("-v", "--verbose", action="store_true", help="log who associates, and who is refused and why")


def _peer(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("peer", metavar="PEER", help=_PEER)
    sub.add_argument("--calling", default="NBDICOM", metavar="AET", help="our AE title (default: %(default)s)")
    sub.add_argument("--bind", metavar="ADDRESS", help="our own address to call from, where there are several")
    sub.add_argument(
        "--user",
        metavar="NAME",
        help="show this user name to the peer; the password is asked for, or taken from the environment: NBDICOM_PASSWORD",
    )
    sub.add_argument(
        "--timeout", action="append", default=[], type=_timeout, metavar="NAME=SECONDS",
        help=f"how long to wait: {', '.join(_TIMEOUTS)}; may be repeated",
    )  # fmt: skip
    _max_pdu(sub)
    _record(sub)
    _tls(sub)
    _shape(sub)


def _shape(sub: argparse.ArgumentParser) -> None:
    shape = sub.add_mutually_exclusive_group()
    shape.add_argument("--json", action="store_const", const="json", dest="shape", help="print JSON")
    shape.add_argument("--csv", action="store_const", const="csv", dest="shape", help="print CSV")


def _keys(sub: argparse.ArgumentParser, text: str, more: str = "") -> None:
    sub.add_argument("-k", "--key", action="append", default=[], metavar="Keyword=value", help=text)
    sub.add_argument("--level", metavar="LEVEL", help=f"PATIENT, STUDY, SERIES or IMAGE{more}")
    sub.add_argument(
        "--model", choices=("patient", "study"), help="root of the information model (default: what suits the level)"
    )


def _associations(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "--associations", type=_positive, default=1, metavar="N",
        help="so many at once, which share the work (default: %(default)s)",
    )  # fmt: skip


def _max_pdu(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "--max-pdu", type=_length, metavar="N", help="maximum length of a P-DATA-TF that we announce; 0 is no limit"
    )


def _record(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "--record", metavar="FILE", help="what went over the wire, for nbdicom trace; a .pcap is one for Wireshark, too"
    )
    sub.add_argument("--ladder", action="store_true", help="print in the end what went over the wire (stderr)")
    _with_values(sub)


def _with_values(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "--with-values", action="store_true", help="write values of patients, too, which are overwritten otherwise"
    )


def _tls(sub: argparse.ArgumentParser) -> None:
    group = sub.add_argument_group("TLS", "with one of these the connection is secured")
    group.add_argument("--tls", action="store_true", help="secure it, with what the system trusts")
    group.add_argument("--tls-ca", metavar="PEM", help="certificates to trust: of authorities, or of peers themselves")
    group.add_argument("--tls-cert", metavar="PEM", help="our certificate")
    group.add_argument("--tls-key", metavar="PEM", help="its private key (default: in the same file)")
    group.add_argument("--tls-fingerprint", metavar="HEX", help="SHA-256 of the one certificate to accept")
    group.add_argument("--tls-crl", metavar="PEM", help="certificate revocation list")


def _served_tls(sub: argparse.ArgumentParser) -> None:
    group = sub.add_argument_group("TLS", "with these only associations that are secured are served")
    group.add_argument("--tls-cert", metavar="PEM", help="our certificate")
    group.add_argument("--tls-key", metavar="PEM", help="its private key (default: in the same file)")
    group.add_argument(
        "--tls-ca",
        metavar="PEM",
        help="certificates to trust: a caller has to show one of these, or one that they issued",
    )
    group.add_argument("--tls-crl", metavar="PEM", help="certificate revocation list; needs --tls-ca")


def tls_of(options: argparse.Namespace) -> TLS | None:
    """What the TLS options say; None where there are none."""
    given = {
        "ca": options.tls_ca,
        "certificate": options.tls_cert,
        "key": options.tls_key,
        "fingerprint": getattr(options, "tls_fingerprint", None),  # an acceptor pins nobody's certificate
        "crl": options.tls_crl,
    }
    given = {name: value for name, value in given.items() if value is not None}
    if not given and not getattr(options, "tls", False):
        return None
    from nbdicom.tls import TLS

    try:
        return TLS(**given)
    except ValueError as error:
        raise ConnectionFailed(str(error)) from error


def settings_of(options: argparse.Namespace) -> dict[str, Any]:
    """What a `nbdicom.Peer` is made with, besides its address."""
    return {
        "calling": options.calling,
        "max_pdu": options.max_pdu,
        "tls": tls_of(options),
        "identity": identity_of(options),
        "bind": options.bind,
        "timeouts": Timeouts(**dict(options.timeout)),
        "charset": getattr(options, "charset", None),
    }


def identity_of(options: argparse.Namespace) -> UserIdentity | None:
    """What ``--user`` says, with the password from elsewhere: everybody on a machine can read a command line.

    An empty password means the user name alone (PS3.7 D.3.3.7, type 1).
    """
    if options.user is None:
        return None
    from nbdicom.core.identity import UserIdentity

    password = os.environ.get("NBDICOM_PASSWORD")
    if password is None:
        if sys.stdin is None or not sys.stdin.isatty():
            raise NbdicomError(
                "there is no password for the user of --user",
                hint="set NBDICOM_PASSWORD (empty: the name alone is sent), or call in a terminal, where it is asked for",
            )
        from getpass import getpass

        password = getpass(f"Password of {options.user}: ")
    # Asked for, so that it can be said whether the peer looked at it: one that ignores the item does not answer it.
    if password:
        return UserIdentity.with_passcode(options.user, password, positive_response=True)
    return UserIdentity.with_name(options.user, positive_response=True)


def _port(text: str) -> int:
    if text.isdigit() and int(text) < 65536:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a port from 0 to 65535")


def _timeout(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    try:
        seconds = float(value)
    except ValueError:
        seconds = 0.0
    if name in _TIMEOUTS and 0 < seconds < 1e6:
        return name, seconds
    raise argparse.ArgumentTypeError(f"{text!r} is not NAME=SECONDS, with one of {', '.join(_TIMEOUTS)}")


def _positive(text: str) -> int:
    if text.isdigit() and int(text) > 0:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a positive number")


def _length(text: str) -> int:
    if text.isdigit() and (int(text) == 0 or 1024 <= int(text) < 1 << 32):
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is neither 0 nor a length from 1024 on")


#: command -> (module that does the work, what declares its arguments, what it does)
_COMMANDS: dict[str, tuple[str, Callable[[argparse.ArgumentParser], object], str]] = {
    "demo": ("demo", _demo, "show the whole line: a PACS with sample images, queried and retrieved from"),
    "lab": ("lab", _lab, "open the notebooks in JupyterLab, with a sample PACS beside them"),
    "pacs": ("pacs", _pacs, "run the embedded PACS until it is stopped"),
    "echo": ("echo", _peer, "verify a peer step by step (C-ECHO)"),
    "negotiate": ("negotiate", _negotiate, "ask a peer what it accepts, and for nothing else (A-ASSOCIATE)"),
    "find": ("peer", _find, "query a peer (C-FIND)"),
    "get": ("peer", _get, "retrieve from a peer into a folder (C-GET)"),
    "pull": ("peer", _pull, "bring a cohort into a folder, with proof that it is complete; resumes"),
    "move": ("peer", _move, "have a peer send to another one (C-MOVE)"),
    "store": ("peer", _store, "send files and folders to a peer (C-STORE)"),
    "receive": ("receive", _receive, "receive objects into a folder, and print what comes (C-STORE)"),
    "trace": ("trace", _trace, "show a recording or a capture: summary, ladder, single messages"),
}
