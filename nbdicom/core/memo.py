"""What a pure function of frozen values said before (for PS3.8 7.1: associations that are like an earlier one).

Who associates proposes what others proposed, and is answered the same: what came of it the last time is looked up.  Where to
compare two values field by field would cost more than it saves, the very object is looked for.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

__all__ = ["by_identity", "by_value"]

_MOST = 32  #: results that are remembered; then all are forgotten

P = ParamSpec("P")
R = TypeVar("R")


def by_value(unless: Callable[..., bool]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Remember the results of a function by its arguments, unless ``unless(result, *args)``: no secret is to be kept.

    >>> @by_value(lambda result, text: text == "secret")
    ... def length(text: str) -> int:
    ...     print("counting", text)
    ...     return len(text)
    >>> [length(text) for text in ("secret", "word", "secret", "word")]
    counting secret
    counting word
    counting secret
    [6, 4, 6, 4]
    """
    return _remembering(lambda args: args, unless)


def by_identity(unless: Callable[..., bool]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """The same for arguments that are the same objects, and not only equal.

    >>> length = by_identity(lambda result, text: False)(len)
    >>> numbers = [1, 2]
    >>> length(numbers), length(numbers)
    (2, 2)
    """
    return _remembering(lambda args: tuple(map(id, args)), unless)


def _remembering(
    key_of: Callable[[tuple[Any, ...]], Any], unless: Callable[..., bool]
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        kept: dict[Any, tuple[R, tuple[Any, ...]]] = {}

        @wraps(function)
        def remembering(*args: P.args, **kwargs: P.kwargs) -> R:
            key = key_of(args)
            found = kept.get(key)
            if found is not None:
                return found[0]
            result = function(*args, **kwargs)
            if not unless(result, *args, **kwargs):
                if len(kept) >= _MOST:
                    kept.clear()
                kept[key] = result, args  # which live on with it: nobody else gets their identity
            return result

        return remembering

    return decorate
