"""The ``nbdicom`` command.

`parser` knows the arguments of every sub-command and imports nothing heavy; the module that does the work is imported
when its sub-command runs, so that ``nbdicom echo`` loads neither pydicom nor pandas: `demo`, `lab`, `pacs`, `receive`,
`echo`, `negotiate`, `trace`, and `peer` for all others. `records` prints for programs.
"""

from __future__ import annotations

import gc
import os
import sys
import warnings
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib import import_module
from typing import TYPE_CHECKING

from nbdicom.cli.parser import make_parser
from nbdicom.errors import NbdicomError, system_reason
from nbdicom.table import printable

if TYPE_CHECKING:
    from nbdicom.trace.recording import Recording

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status: 0 success, 1 failure, 2 wrong usage, 130 interrupted."""
    options, run = _load(sys.argv[1:] if arguments is None else arguments)
    if arguments is None:  # this process is the command: what is loaded stays, and its end need not look through it
        gc.freeze()
    if options.debug or getattr(options, "verbose", False):
        import logging

        logging.basicConfig(level=logging.DEBUG if options.debug else logging.INFO, format="%(name)s: %(message)s")
    warnings.showwarning = _show_warning
    try:
        with _recording(options):
            status = run(options)
        sys.stdout.flush()
    except NbdicomError as error:
        if options.debug:
            raise
        return _fail(str(error))
    except OSError as error:
        if options.debug:
            raise
        if isinstance(error, BrokenPipeError):
            # Whoever read our output has left.  The interpreter would complain once more when it flushes at its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 1
        where = f"{error.filename}: " if error.filename else ""
        return _fail(f"{where}{system_reason(error)}")
    except KeyboardInterrupt:
        print("nbdicom: interrupted", file=sys.stderr)
        return 130
    return status


def _load(arguments: Sequence[str]) -> tuple[Namespace, Callable[[Namespace], int]]:
    """What the command line says, and what does it."""
    # Loading makes no garbage, but many objects that would be looked through for it, here (15 ms) and at the end (25 ms).
    collecting = gc.isenabled()
    gc.disable()
    try:
        called = next((word for word in arguments if not word.startswith("-")), None)
        options = make_parser(called).parse_args(arguments)
        return options, import_module(options.module).run
    finally:
        if collecting:
            gc.enable()


@contextmanager
def _recording(options: Namespace) -> Iterator[None]:
    """Record what the command does, where that is asked for; it is written also where the command fails."""
    path, ladder = getattr(options, "record", None), getattr(options, "ladder", False)
    if path is None and not ladder:
        yield
        return
    from nbdicom.trace.recorder import record

    with ExitStack() as last, record(payload=None) if options.with_values else record() as wire:
        last.callback(_recorded, wire, path, ladder, options.with_values)
        yield


def _recorded(wire: Recording, path: str | None, ladder: bool, with_values: bool) -> None:
    if ladder:
        print(wire.ladder(), file=sys.stderr)
    if path is not None:
        print(f"nbdicom: recorded in {printable(wire.save(path, redact=not with_values))}", file=sys.stderr)


def _fail(text: str) -> int:
    print(f"nbdicom: error: {printable(text)}", file=sys.stderr)
    return 1


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    print(f"nbdicom: warning: {printable(message)}", file=sys.stderr)
