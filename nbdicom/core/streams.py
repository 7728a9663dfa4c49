"""Data sets as streams: what the core asks of whoever gives or takes the bytes of a data set.

A data set is never joined in memory by the core.  It is sent from a `DataSource` in pieces and received into a `DataSink`
fragment by fragment.  The parties that open files live outside.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

__all__ = ["Buffer", "BytesSource", "DataSink", "DataSource", "MemoryBudget", "MemorySink"]

Buffer = bytes | bytearray | memoryview


class DataSource(Protocol):
    """An encoded data set to be sent."""

    def chunks(self, size: int) -> Iterator[tuple[Buffer, bool]]:
        """Yield ``(view, is_last)``; every view has *size* bytes but the last; a view is valid until the next one.

        An empty data set yields one empty view that is the last.
        """
        ...

    def close(self) -> None:
        """Let go of what *chunks* holds open; called once, also after a failure."""
        ...


class DataSink(Protocol):
    """Where an arriving data set goes."""

    def write(self, views: Sequence[memoryview]) -> None:
        """Take the next bytes.  The views are borrowed: use or copy them before returning.

        An exception (a full disk) does not end the association: the rest of the data set is dropped, the sink is
        closed as incomplete and the operation answers with a failure status.
        """
        ...

    def close(self, complete: bool) -> None:
        """The data set is whole (True) or will never be (False: remove what was written)."""
        ...


class BytesSource:
    """A data set that is in memory already."""

    __slots__ = ("_data",)

    def __init__(self, data: Buffer) -> None:
        self._data = memoryview(data)

    def chunks(self, size: int) -> Iterator[tuple[Buffer, bool]]:
        """Yield slices of the data."""
        data = self._data
        last = max(len(data) - 1, 0) // size * size
        for start in range(0, last, size):
            yield data[start : start + size], False
        yield data[last:], True

    def close(self) -> None:
        """Nothing is open."""


class MemorySink:
    """Collect a data set in memory, up to *limit* bytes."""

    __slots__ = ("_data", "_limit")

    def __init__(self, limit: int) -> None:
        self._data = bytearray()
        self._limit = limit

    def write(self, views: Sequence[memoryview]) -> None:
        """Copy the views.

        Raises
        ------
        MemoryError
            If the data set grows beyond the limit.
        """
        for view in views:
            self._data += view
        if len(self._data) > self._limit:
            self._data = bytearray()
            raise MemoryError(f"data set of more than {self._limit} bytes where no sink was given")

    def close(self, complete: bool) -> None:
        """Forget an incomplete data set."""
        if not complete:
            self._data = bytearray()

    def getvalue(self) -> bytes:
        """The bytes collected."""
        return bytes(self._data)


class MemoryBudget:
    """What the associations of one server hold in memory together, in bytes of data sets.

    Each holder sets its own figure, so that threads need no lock to agree; two that ask in the same moment may both get
    what is left, which is no more than one read from a socket too much.

    >>> budget = MemoryBudget(100)
    >>> budget.hold("first", 90), budget.hold("second", 20), budget.hold("first", 0), budget.hold("second", 20)
    (True, False, True, True)
    """

    __slots__ = ("_held", "_limit")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held: dict[object, int] = {}

    def hold(self, holder: object, size: int) -> bool:
        """*holder* holds *size* bytes from now on; False, and nothing is changed, if there is no room for more."""
        if size <= 0:
            self._held.pop(holder, None)
            return True
        before = self._held.get(holder, 0)
        if size > before and sum(list(self._held.values())) - before + size > self._limit:
            return False
        self._held[holder] = size
        return True
