"""A recording as a file: JSON lines, one for the whole and one for each event; docs/trace.md describes them.

Patient values are overwritten in place before anything is written, unless that is declined (`nbdicom.trace.redact`).
"""

from __future__ import annotations

import json
import os
from dataclasses import fields
from datetime import UTC, datetime
from enum import IntEnum, StrEnum
from functools import cache
from pathlib import Path
from typing import IO, Any, get_type_hints

from nbdicom.core.command import Message, decode_command, encode_command
from nbdicom.core.events import Disconnected
from nbdicom.core.trace import (
    Connected,
    MessageReceived,
    MessageSent,
    PDUReceived,
    PDUSent,
    Quirk,
    Secured,
    Transition,
)
from nbdicom.errors import NbdicomError, TranscriptError
from nbdicom.table import printable
from nbdicom.trace.files import opened, replaced
from nbdicom.trace.recording import Entry, Recording, TracedAssociation
from nbdicom.trace.redact import redacted

__all__ = ["VERSION", "load", "save"]

VERSION = 1  #: of the format; a reader refuses what is newer
_MAGIC = "nbdicom transcript"
#: How captures begin: pcap in both orders of bytes, with micro- and nanoseconds, and pcapng.
_CAPTURES = {bytes.fromhex(magic) for magic in ("d4c3b2a1", "a1b2c3d4", "4d3cb2a1", "a1b23c4d", "0a0d0d0a")}
_MOST_EPOCH = 9e9  #: seconds since 1970: the year 2255
#: What a file has.  Notifications of an association's life are not in it: the PDUs and transitions say the same.
_WRITTEN = (Connected, Secured, PDUSent, PDUReceived, Transition, MessageSent, MessageReceived, Quirk, Disconnected)
_KINDS: dict[str, type[Any]] = {cls.__name__: cls for cls in _WRITTEN}


@cache
def _hints(cls: Any) -> dict[str, Any]:
    return get_type_hints(cls)


def save(recording: Recording, path: str | os.PathLike[str], *, redact: bool = True) -> Path:
    """Write *recording* to a file.

    Parameters
    ----------
    recording : Recording
        What was recorded, or loaded.
    path : path
        The file; it is replaced when the new one is whole.  One whose name ends in ``.pcap`` is a capture
        (`nbdicom.trace.packets`), any other one a transcript.
    redact : bool
        Overwrite patient values in place; False writes what was recorded, patients and all.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    TranscriptError
        If it cannot be written.
    """
    if Path(path).suffix.lower() == ".pcapng":  # a reader that goes by the name would be told something else
        raise TranscriptError(f"{printable(path)}: captures are written as pcap", hint="end the name in .pcap")
    what = redacted(recording) if redact else recording
    if Path(path).suffix.lower() == ".pcap":
        from nbdicom.trace.packets import write_capture

        return replaced(path, lambda file: write_capture(what, file))
    head = {
        "format": _MAGIC,
        "version": VERSION,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "epoch": what.epoch,
        "redacted": redact,
        "associations": [_written(side) for side in what.associations],
    }

    def write(file: IO[bytes]) -> None:
        file.write(json.dumps(head).encode() + b"\n")
        for entry in what.entries:
            if isinstance(entry.event, _WRITTEN):
                line = {"n": entry.number, "a": entry.association, "kind": type(entry.event).__name__}
                file.write(json.dumps(line | _written(entry.event)).encode() + b"\n")

    return replaced(path, write)


def load(path: str | os.PathLike[str]) -> Recording:
    """Read a recording: a transcript, or a capture as `load_capture` reads it.

    Raises
    ------
    TranscriptError
        If it cannot be read, is none, is of a newer version, or is damaged; the line is named.

    Examples
    --------
    >>> import nbdicom as nd, tempfile, os
    >>> with nd.Server(nd.Handlers(), ae_title="ECHO", contexts=["Verification"]) as server, nd.record() as wire:
    ...     ok = nd.Peer("ECHO", *server.address).echo().ok
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     again = load(wire.save(os.path.join(folder, "echo.jsonl")))
    >>> [arrow.name for arrow in again.arrows][:2]
    ['A-ASSOCIATE-RQ', 'A-ASSOCIATE-AC']
    """
    name = Path(path).name
    with opened(path, "rb") as start:
        if start.read(4) in _CAPTURES:
            from nbdicom.trace.capture import load_capture

            return load_capture(path)
    with opened(path, encoding="utf-8") as file:
        try:
            head = json.loads(file.readline())
            assert head["format"] == _MAGIC
            version = int(head["version"])
        except (ValueError, KeyError, TypeError, AssertionError):
            raise TranscriptError(f"{name} is no transcript and no capture", hint="Recording.save writes them") from None
        if version > VERSION:
            raise TranscriptError(
                f"{name} is a transcript of version {version}; this nbdicom reads up to {VERSION}",
                hint="a newer nbdicom wrote it: update",
            )
        number = 1  # of the line
        try:
            associations = [_read(TracedAssociation, side) for side in head["associations"]]
            epoch = None if head.get("epoch") is None else float(head["epoch"])
            if epoch is not None and not abs(epoch) < _MOST_EPOCH:
                raise ValueError
            entries = []
            for line in file:
                number += 1
                told = json.loads(line)
                event = _read(_KINDS[told["kind"]], told)
                entries.append(Entry(int(told["n"]), int(told["a"]), event))
        except (ValueError, KeyError, TypeError, AttributeError, NbdicomError) as error:
            raise TranscriptError(f"{name}, line {number}: damaged ({type(error).__name__})") from error
    return Recording(associations, entries, epoch=epoch)


def _written(value: Any) -> dict[str, Any]:
    """The fields of an event or of an association, in values that JSON knows."""
    return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Message):
        return encode_command(value, data_set=False).hex()
    if isinstance(value, IntEnum):
        return int(value)
    return str(value) if isinstance(value, StrEnum) else value


def _read(cls: type[Any], told: dict[str, Any]) -> Any:
    hints = _hints(cls)  # type: ignore[arg-type]  # a class is hashable
    return cls(**{f.name: _typed(hints[f.name], told[f.name]) for f in fields(cls)})


def _typed(kind: Any, value: Any) -> Any:
    if kind is bytes:
        return bytes.fromhex(value)
    if kind is Message:
        return decode_command(bytes.fromhex(value))[0]
    if kind in (int, float, str):
        if not isinstance(value, int | float if kind is float else kind):
            raise TypeError(kind)
        return value
    if isinstance(kind, type) and issubclass(kind, IntEnum | StrEnum):
        return kind(value)
    return value  # a number that may be absent
