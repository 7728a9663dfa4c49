"""Field kinds, and the codec that they make: one declaration for encoding, decoding and showing.

A PDU or an item is a dataclass whose annotations are the rows of its table in the standard, for instance
``result: Annotated[RejectResult, U8]``.  `encode_fields` and `decode_fields` read those rows; `annotate_fields` gives
the same rows with their byte offsets.  There is no second description of any PDU (PS3.8 9.3.1; PS3.7 D.3.3).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from enum import IntEnum
from functools import cache
from typing import Any, NamedTuple, Protocol, TypeVar, get_args, get_type_hints

from nbdicom.errors import LocalProtocolError, RemoteProtocolError

__all__ = [
    "AE_TITLE",
    "COUNTED_BYTES",
    "COUNTED_UID",
    "COUNTED_UIDS",
    "REST",
    "REST_TEXT",
    "REST_UID",
    "U8",
    "U16",
    "U32",
    "Field",
    "Span",
    "annotate_fields",
    "decode_fields",
    "encode_fields",
    "reserved",
]

_T = TypeVar("_T")
_INVALID_PARAMETER = 6  # A-ABORT reason "invalid-PDU-parameter value" (PS3.8 Table 9-26)


class Span(NamedTuple):
    """Where one field stands in the bytes of a PDU, and what it says; the value is None for what only holds others."""

    start: int
    stop: int
    depth: int
    name: str
    value: object
    table: str


class Field(Protocol):
    """One kind of field: value to bytes, bytes to value."""

    def encode(self, value: Any) -> bytes:
        """The bytes of *value*."""
        ...

    def decode(self, data: memoryview, start: int, stop: int) -> tuple[Any, int]:
        """The value at *start*, and where the next field starts; the container ends at *stop*."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class _Unsigned:
    size: int

    def encode(self, value: int) -> bytes:
        try:
            return int(value).to_bytes(self.size, "big")
        except OverflowError:
            raise LocalProtocolError(f"{value} does not fit into a field of {8 * self.size} bits") from None

    def decode(self, data: memoryview, start: int, stop: int) -> tuple[int, int]:
        end = _within(start, self.size, stop)
        return int.from_bytes(data[start:end], "big"), end


@dataclass(frozen=True, slots=True, eq=False)
class _Fixed:
    """Reserved bytes: sent as given, never tested on receipt (PS3.8 9.3.1)."""

    size: int

    def encode(self, value: bytes) -> bytes:
        return value.ljust(self.size, b"\0")[: self.size]

    def decode(self, data: memoryview, start: int, stop: int) -> tuple[bytes, int]:
        end = _within(start, self.size, stop)
        return bytes(data[start:end]), end


class _AETitle:
    """16 characters of ISO 646, padded with spaces; leading and trailing spaces mean nothing (PS3.5 6.2).

    Some peers pad with NUL; that is read as padding, too.  Characters outside the repertoire are kept here: the
    acceptor has to see them to refuse them.
    """

    def encode(self, value: str) -> bytes:
        raw = value.encode("latin-1", "replace")
        if len(raw) > 16:
            raise LocalProtocolError(f"AE title {value!r} has more than 16 characters [PS3.5 6.2]")
        return raw.ljust(16)

    def decode(self, data: memoryview, start: int, stop: int) -> tuple[str, int]:
        end = _within(start, 16, stop)
        return bytes(data[start:end]).decode("latin-1").rstrip("\0 ").lstrip(" "), end


class _Bytes:
    """All bytes that are left in the container."""

    def encode(self, value: bytes) -> bytes:
        return bytes(value)

    def decode(self, data: memoryview, start: int, stop: int) -> tuple[bytes, int]:
        return bytes(data[start:stop]), stop


class _Text:
    """All bytes that are left, as text of ISO 646; a UID is not padded in PDUs (PS3.8 Annex F), but peers do it."""

    def encode(self, value: str) -> bytes:
        return value.encode("latin-1", "replace")

    def decode(self, data: memoryview, start: int, stop: int) -> tuple[str, int]:
        return bytes(data[start:stop]).decode("latin-1").rstrip("\0 "), stop


@dataclass(frozen=True, slots=True, eq=False)
class _Counted:
    """A 16-bit length, then that many bytes read by *inner*."""

    inner: Field

    def encode(self, value: Any) -> bytes:
        raw = self.inner.encode(value)
        if len(raw) > 0xFFFF:
            raise LocalProtocolError(f"a field of {len(raw)} bytes does not fit into its 16-bit length")
        return len(raw).to_bytes(2, "big") + raw

    def decode(self, data: memoryview, start: int, stop: int) -> tuple[Any, int]:
        body = _within(start, 2, stop)
        end = _within(body, int.from_bytes(data[start:body], "big"), stop)
        return self.inner.decode(data, body, end)


@dataclass(frozen=True, slots=True, eq=False)
class _Many:
    """Values one after the other to the end of the container."""

    inner: Field

    def encode(self, value: tuple[Any, ...]) -> bytes:
        return b"".join(map(self.inner.encode, value))

    def decode(self, data: memoryview, start: int, stop: int) -> tuple[tuple[Any, ...], int]:
        values = []
        while start < stop:
            value, start = self.inner.decode(data, start, stop)
            values.append(value)
        return tuple(values), stop


U8: Field = _Unsigned(1)
U16: Field = _Unsigned(2)
U32: Field = _Unsigned(4)
AE_TITLE: Field = _AETitle()
REST: Field = _Bytes()
REST_TEXT: Field = _Text()
REST_UID: Field = _Text()
COUNTED_BYTES: Field = _Counted(_Bytes())
COUNTED_UID: Field = _Counted(_Text())
COUNTED_UIDS: Field = _Counted(_Many(_Counted(_Text())))


@cache
def reserved(size: int) -> Field:
    """The field kind of *size* reserved bytes."""
    return _Fixed(size)


def _within(start: int, size: int, stop: int) -> int:
    """The end of *size* bytes at *start*, which must not pass *stop*: lengths that lie end here."""
    if start + size > stop:
        raise RemoteProtocolError(
            f"a field of {size} bytes where {max(stop - start, 0)} are left",
            rule="PS3.8 9.3",
            reason_diag=_INVALID_PARAMETER,
        )
    return start + size


class _Row(NamedTuple):
    name: str
    kind: Field
    convert: Callable[[Any], Any] | None

    def converted(self, value: Any) -> Any:
        """The value in its own type, where it has one."""
        if self.convert is None or isinstance(value, tuple):
            return value
        try:
            return self.convert(value)
        except ValueError:
            return value  # a value that the standard reserves: kept as the number it is


@cache
def _rows(cls: type) -> tuple[_Row, ...]:
    """The rows of a PDU's or item's table, compiled once from its annotations."""
    hints = get_type_hints(cls, include_extras=True)
    rows = []
    for f in fields(cls):
        declared, kind = get_args(hints[f.name])[:2]
        types = [t for t in (get_args(declared) or (declared,)) if isinstance(t, type)]
        convert = next((t for t in types if issubclass(t, IntEnum) or (issubclass(t, str) and t is not str)), None)
        rows.append(_Row(f.name, kind, convert))
    return tuple(rows)


def encode_fields(value: Any) -> bytes:
    """The fields of a PDU or item, without its header."""
    rows = _rows(value.__class__)
    if len(rows) == 1:  # most items are a UID and nothing else
        return rows[0].kind.encode(getattr(value, rows[0].name))
    return b"".join([row.kind.encode(getattr(value, row.name)) for row in rows])


def decode_fields(cls: type[_T], data: memoryview, start: int, stop: int) -> _T:
    """Read the fields of *cls* from ``data[start:stop]``; bytes that are left over are not looked at.

    Raises
    ------
    RemoteProtocolError
        If a length passes the end of what holds it.
    """
    values: dict[str, Any] = {}
    rows: tuple[_Row, ...] = _rows(cls)  # type: ignore[arg-type]  # a class is hashable
    for row in rows:
        value, start = row.kind.decode(data, start, stop)
        values[row.name] = row.converted(value)
    return cls(**values)


def annotate_fields(cls: type, data: memoryview, start: int, stop: int, depth: int, table: str) -> Iterator[Span]:
    """The same fields with their offsets; containers are followed by what they contain.

    What stands before a broken place is given before the error is raised.
    """
    for row in _rows(cls):
        inner = getattr(row.kind, "annotate", None)
        if inner is not None:  # a container takes all that is left
            yield Span(start, stop, depth, row.name, None, table)
            yield from inner(data, start, stop, depth + 1)
            return
        value, end = row.kind.decode(data, start, stop)
        yield Span(start, end, depth, row.name, row.converted(value), table)
        start = end
