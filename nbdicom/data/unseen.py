"""Warnings of pydicom that nobody shall see: they quote values, which may be a patient's.

`warnings.catch_warnings` changes what holds for the whole process, and puts back what it found.  Of two threads that do so
at once, the last one puts back what the first one had changed, and nobody sees a warning again.  So nothing is changed for
a while here: two filters stand for good, and hold for whoever has asked for them, in his own context.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["unseen"]

_asked: ContextVar[bool] = ContextVar("nbdicom_unseen", default=False)
_LOST = "Failed to encode value"  #: what pydicom says where it writes question marks for text


class _WhereAsked(type):
    def __subclasscheck__(cls, category: type) -> bool:
        return _asked.get()


class _Unseen(Warning, metaclass=_WhereAsked):
    """As the category of a filter: every warning, in a context that has asked for it, and none elsewhere."""


@contextmanager
def unseen() -> Iterator[None]:
    """While this lasts, warnings of this context go nowhere; one that text is lost is raised, as the `Warning` that it is.

    Examples
    --------
    >>> with unseen():
    ...     warnings.warn("Doe^Jane is no number")
    """
    if [one[2] for one in warnings.filters[:2]] != [_Unseen, _Unseen]:  # others have put theirs before, or ours away
        warnings.simplefilter("ignore", _Unseen)
        warnings.filterwarnings("error", _LOST, _Unseen)
    token = _asked.set(True)
    try:
        yield
    finally:
        _asked.reset(token)
