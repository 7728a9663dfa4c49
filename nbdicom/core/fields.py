"""How a PDU, an item (PS3.8 9.3), a message (PS3.7 9.3, 10.3) and other values are shown and compared: by their fields.

`dataclass` would write and compile these methods anew for each of eighty classes, which takes 14 ms of every start.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from functools import cache
from operator import attrgetter
from typing import Any

__all__ = ["OfFields"]


class OfFields:
    """The base of dataclasses that are declared with ``eq=False, repr=False``."""

    __slots__ = ()

    def __repr__(self) -> str:
        shown = [field.name for field in fields(self) if field.repr]  # type: ignore[arg-type]
        told = ", ".join([f"{name}={getattr(self, name)!r}" for name in shown])
        return f"{type(self).__qualname__}({told})"

    def __eq__(self, other: object) -> bool:
        if other.__class__ is not self.__class__:
            return NotImplemented
        values = _values_of(self.__class__)  # type: ignore[arg-type]  # a class is hashable
        return other is self or bool(values(self) == values(other))

    def __hash__(self) -> int:
        return hash(_values_of(self.__class__)(self))  # type: ignore[arg-type]


@cache
def _values_of(cls: Any) -> Callable[[Any], Any]:
    """What gives the values of an object of this class, as fast as what `dataclass` writes."""
    names = [field.name for field in fields(cls) if field.compare]
    return attrgetter(*names) if names else lambda value: ()
