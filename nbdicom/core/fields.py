"""How a PDU, an item (PS3.8 9.3), a message (PS3.7 9.3, 10.3) or an event is shown and compared: by its fields.

`dataclass` would write and compile these methods anew for each of the seventy classes, which takes 12 ms of every start.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

__all__ = ["OfFields"]


class OfFields:
    """The base of dataclasses that are declared with ``eq=False, repr=False``."""

    __slots__ = ()

    def _values(self) -> tuple[Any, ...]:
        return tuple([getattr(self, field.name) for field in fields(self) if field.compare])  # type: ignore[arg-type]

    def __repr__(self) -> str:
        shown = [field.name for field in fields(self) if field.repr]  # type: ignore[arg-type]
        told = ", ".join([f"{name}={getattr(self, name)!r}" for name in shown])
        return f"{type(self).__qualname__}({told})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, OfFields) or other.__class__ is not self.__class__:
            return NotImplemented
        return self._values() == other._values()

    def __hash__(self) -> int:
        return hash(self._values())
