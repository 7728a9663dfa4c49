"""The warnings of a peer: what came back is usable, but the reader should know something about it.

They are warning classes, so that a program decides with the standard tool what becomes of them:
``warnings.filterwarnings("error", category=ResponseLimitReached)`` makes a capped answer an error.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

__all__ = [
    "IncompleteTransfer",
    "OptionalKeysNotSupported",
    "OptionsNotAgreed",
    "PeerWarning",
    "ResponseLimitReached",
    "UndecodableValues",
    "collected",
    "notify",
    "unreadable",
]


class PeerWarning(UserWarning):
    """Root of the warnings about what a peer answered."""


class OptionalKeysNotSupported(PeerWarning):
    """An optional key was not used for matching or is not returned.

    The peer says so by the pending status FF01H (PS3.4 C.4.1.1.4), or it does not, and a key that was to be matched is
    empty in every answer.
    """


class OptionsNotAgreed(PeerWarning):
    """The peer did not agree to what was asked for by extended negotiation; the baseline holds (PS3.4 C.5.1.1)."""


class ResponseLimitReached(PeerWarning):
    """The peer has more matches than it sends (B001H, PS3.4 C.6.4), or may have; see ``complete=`` of `Peer.find`."""


class UndecodableValues(PeerWarning):
    """Some values of a column are not what their value representation asks for, and are shown as missing.

    ``answers`` has the bytes of those answers, with their transfer syntaxes, that are no data sets at all.
    """

    answers: tuple[tuple[bytes, str], ...] = ()


class IncompleteTransfer(PeerWarning):
    """Not everything that was to be retrieved, moved or stored has been; the result names what is missing."""


_HERE = str(Path(__file__).parents[1])  #: the folder of this package
_collector: ContextVar[list[PeerWarning] | None] = ContextVar("nbdicom_notices", default=None)


@contextmanager
def collected() -> Iterator[list[PeerWarning]]:
    """Collect what would be warned of: for a form, which shows it beside its table.

    Unlike ``warnings.catch_warnings`` it is right in a thread, and touches no warning of anybody else.
    """
    notices: list[PeerWarning] = []
    token = _collector.set(notices)
    try:
        yield notices
    finally:
        _collector.reset(token)


def notify(notice: PeerWarning) -> None:
    """Warn, or give the notice to whoever collects them; the warning names the line of the caller that is not ours."""
    notices = _collector.get()
    if notices is None:
        warnings.warn(notice, stacklevel=_outside())
    else:
        notices.append(notice)


def _outside() -> int:
    """How far it is from `notify` up to a line outside this package, as `warnings.warn` counts.

    Each line has warnings of its own: one of ours would be blamed for all, and they might be shown once for all.
    """
    frame, distance = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_HERE):
        frame, distance = frame.f_back, distance + 1
    return distance


def unreadable(answers: Sequence[tuple[bytes, str]], total: int) -> UndecodableValues:
    """The notice about *answers*, some of *total*, that are no data sets."""
    what = f"{len(answers)} of {total} answers cannot be read as data sets; they are left out, their bytes are in"
    notice = UndecodableValues(f"{what} the .answers of this warning")
    notice.answers = tuple(answers)
    return notice
