"""A folder that one has at a time: a lock on a file in it, which the system lets go when its holder ends, however it ends.

The file says who has it, and goes with the lock.  One that a killed process left behind is nobody's, and is taken over.
"""

from __future__ import annotations

import errno
import os
import time
import weakref
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

__all__ = ["FolderLock"]

#: Without following a link that somebody laid there; Windows would write text.
_OPEN = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
_BEYOND = 1024  #: the byte that is locked where others cannot read what is: behind the text
_TRIES = 100  #: where a file system tells the same file from itself, it is believed in the end that it is the same
_held: weakref.WeakSet[FolderLock] = weakref.WeakSet()


class FolderLock:
    """Has a folder from now on until it is released; of two that come at once, threads or processes, one gets it.

    Parameters
    ----------
    path : Path
        The file; its folder exists.

    Raises
    ------
    BlockingIOError
        Somebody has it; ``strerror`` says who.
    OSError
        The file cannot be made, or the file system knows no locks.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with FolderLock(Path(folder, "lock")):
    ...         first = sorted(os.listdir(folder))
    ...     first, os.listdir(folder)
    (['lock'], [])
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        for tries_left in reversed(range(_TRIES)):
            descriptor = os.open(path, _OPEN, 0o640)
            try:
                _lock(descriptor)
            except OSError as error:
                held = error.errno in (errno.EAGAIN, errno.EACCES)
                there = _is_at(path, descriptor)
                who = _holder(descriptor) if held else ""
                os.close(descriptor)
                if held and (there or not tries_left):
                    raise BlockingIOError(errno.EAGAIN, who) from error
                if not held:
                    if there:
                        with suppress(OSError):
                            path.unlink()
                    raise
            else:
                # Who had it may have removed it since we opened it: what we have is no file any more then.
                if _is_at(path, descriptor) or not tries_left:
                    break
                os.close(descriptor)
        self._descriptor: int | None = descriptor
        _held.add(self)
        with suppress(OSError):  # on a full disk nobody is told who has it
            os.truncate(descriptor, 0)
            os.lseek(descriptor, 0, os.SEEK_SET)
            os.write(descriptor, _us().encode())

    def release(self) -> None:
        """Let go of the folder; nothing happens where that was done."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is None:
            return
        _held.discard(self)
        with suppress(OSError):
            # Before it is let go, or it could be another's already; Windows removes no file that is open.
            if os.name == "posix" and _is_at(self._path, descriptor):
                self._path.unlink()
            _unlock(descriptor)  # what is about to be another program has it open for a moment, too
        os.close(descriptor)
        if os.name != "posix":
            with suppress(OSError):
                self._path.unlink()

    def drop(self) -> None:
        """Let go of it without a word: in a process that was forked it belongs to the parent."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.release()


def _us() -> str:
    machine = os.uname().nodename if hasattr(os, "uname") else os.environ.get("COMPUTERNAME", "?")
    return f"process {os.getpid()} on {machine}, since {time.strftime('%Y-%m-%d %H:%M')}"


def _holder(descriptor: int) -> str:
    """Who has it, by what stands in the file; its holder may not have written it yet."""
    os.lseek(descriptor, 0, os.SEEK_SET)
    text = os.read(descriptor, 200).decode("utf-8", "replace").strip() or "an unknown process"
    who, comma, since = text.partition(",")
    return f"this process{comma}{since}" if who == _us().partition(",")[0] else text


def _is_at(path: Path, descriptor: int) -> bool:
    """Whether the file of *descriptor* still has its name."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except OSError:
        return False


def _lock(descriptor: int) -> None:
    if os.name == "posix":
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    else:
        import msvcrt

        os.lseek(descriptor, _BEYOND, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]


def _unlock(descriptor: int) -> None:
    if os.name == "posix":
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_UN)
    else:
        import msvcrt

        os.lseek(descriptor, _BEYOND, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)  # type: ignore[attr-defined]


def _forget() -> None:
    """In a process that was forked: as long as it has a lock's file open, the parent's lock would outlive the parent."""
    for one in list(_held):
        one.drop()
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
