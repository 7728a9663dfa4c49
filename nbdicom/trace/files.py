"""The files of recordings: opened to be read, and replaced when a new one is whole; what goes wrong is said in words."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from nbdicom.errors import TranscriptError, system_reason
from nbdicom.table import printable

__all__ = ["opened", "replaced"]


def opened(path: str | os.PathLike[str], mode: str = "r", encoding: str | None = None) -> IO[Any]:
    """A file with a recording, to be read.

    Raises
    ------
    TranscriptError
        If it cannot be opened.
    """
    try:
        return Path(path).open(mode, encoding=encoding)
    except OSError as error:
        reason = system_reason(error).lower()
        raise TranscriptError(
            f"{printable(path)} cannot be read: {reason}", hint="give the path of a file that a recording was saved to"
        ) from error


def replaced(path: str | os.PathLike[str], write: Callable[[IO[bytes]], object]) -> Path:
    """The file, with what *write* writes; until that is whole, what was there stays.

    Raises
    ------
    TranscriptError
        If it cannot be written.
    """
    target = Path(path)
    part = target.with_name(target.name + ".part")
    try:
        with part.open("wb") as file:
            write(file)
        return part.replace(target)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        reason = system_reason(error).lower()
        raise TranscriptError(
            f"{printable(path)} cannot be written: {reason}", hint="give the path of a file in a folder that is there"
        ) from error
