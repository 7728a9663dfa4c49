"""SOP Class Extended Negotiation by name: what its bytes mean for queries, retrievals and storage (PS3.7 D.3.3.5).

The standard defines the bytes for each service class: PS3.4 C.5.1.1 (C-FIND), C.5.2.1 (C-MOVE), C.5.3.1 (C-GET), K.5
(C-FIND of worklists, and CC.3.2 of workitems) and B.3.1 (Storage).  One dataclass for each, a field for each byte.  For
everything else the bytes are given and kept as they are.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self

from nbdicom.core.fields import OfFields
from nbdicom.uids import ServiceClass, sop_class

__all__ = ["Extended", "QueryOptions", "RetrieveOptions", "StorageOptions", "agreed", "in_short", "options_of", "raw"]


class _Options(OfFields):
    """What the three kinds share: one byte for each field, in their order."""

    __slots__ = ()
    words: ClassVar[tuple[str, ...]]
    always: ClassVar[int] = 0  #: bytes that are sent in any case; later editions of the standard have added more

    def __bytes__(self) -> bytes:
        whole = self.whole()
        return whole[: self.always] + whole[self.always :].rstrip(b"\0")

    def whole(self) -> bytes:
        """Every byte that the standard knows."""
        return bytes(int(value) for value in self._values())

    def _values(self) -> list[Any]:
        return [getattr(self, field.name) for field in fields(self)]  # type: ignore[arg-type]

    @classmethod
    def of(cls, information: bytes) -> Self:
        """From the bytes of an item; bytes that are missing count as 0, further ones are not looked at."""
        names = [field.name for field in fields(cls)]  # type: ignore[arg-type]
        values = information.ljust(len(names), b"\0")
        return cls(**{name: value == 1 for name, value in zip(names, values, strict=False)})

    def __str__(self) -> str:
        return ", ".join(word for word, on in zip(self.words, self._values(), strict=True) if on) or "nothing"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class QueryOptions(_Options):
    r"""Extended negotiation of a C-FIND SOP Class (PS3.4 C.5.1.1; for worklists and workitems K.5).

    The requestor asks, the acceptor agrees to what it supports; without agreement the baseline behaviour holds.  For
    worklists only ``fuzzy`` and ``timezone`` have a meaning.  The last two bytes came with the edition of 2022 and are sent
    only if they are asked for, since older acceptors do not expect them.

    Parameters
    ----------
    relational : bool
        Keys of any level, in a query for any level.
    date_time : bool
        A date and a time range are matched together.
    fuzzy : bool
        Person names are matched by sound or spelling.
    timezone : bool
        Times are adjusted to the Timezone Offset From UTC of the query.
    enhanced_conversion : bool
        Classic images are shown as enhanced multi-frame ones, or the reverse.
    empty_value : bool
        A key of two quotation marks matches what has no value (PS3.4 C.2.2.2.7).
    multiple_value : bool
        Of a key with several values each has to match, for attributes that may have several (PS3.4 C.2.2.2.8).

    Examples
    --------
    >>> bytes(QueryOptions(relational=True, fuzzy=True)).hex()
    '0100010000'
    >>> str(QueryOptions.of(b"\x01"))
    'relational queries'
    """

    relational: bool = False
    date_time: bool = False
    fuzzy: bool = False
    timezone: bool = False
    enhanced_conversion: bool = False
    empty_value: bool = False
    multiple_value: bool = False

    always = 5
    words = (
        "relational queries",
        "combined date-time matching",
        "fuzzy matching of names",
        "timezone adjustment",
        "enhanced multi-frame conversion",
        "empty value matching",
        "multiple value matching",
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class RetrieveOptions(_Options):
    """Extended negotiation of a C-MOVE or C-GET SOP Class (PS3.4 C.5.2.1, C.5.3.1).

    Parameters
    ----------
    relational : bool
        Unique keys of the levels above may be left out.
    enhanced_conversion : bool
        Classic images are sent as enhanced multi-frame ones, or the reverse.
    """

    relational: bool = False
    enhanced_conversion: bool = False

    always = 2
    words = ("relational retrieval", "enhanced multi-frame conversion")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class StorageOptions(_Options):
    """Extended negotiation of a Storage SOP Class (PS3.4 B.3.1, B.4.1): both sides tell what they do, nothing is agreed.

    Parameters
    ----------
    level : int
        What is stored: 0 some attributes, 1 those of type 1 and 2, 2 everything, 3 not applicable (SCU only).
    signatures : int
        0 unspecified, 1 may be lost, 2 checked and replaced by the SCP's own, 3 kept.
    coercion : int
        0 does not coerce, 1 may coerce, 2 not applicable (SCU only).

    Examples
    --------
    >>> bytes(StorageOptions(level=2)).hex()
    '020000000000'
    """

    level: int = 0
    signatures: int = 0
    coercion: int = 0

    always = 6
    words = ()

    def whole(self) -> bytes:
        """Six bytes, every other one reserved."""
        return bytes((self.level, 0, self.signatures, 0, self.coercion, 0))

    @classmethod
    def of(cls, information: bytes) -> Self:
        """From the bytes of an item."""
        values = information.ljust(6, b"\0")
        return cls(level=values[0], signatures=values[2], coercion=values[4])

    def __str__(self) -> str:
        return f"storage level {self.level}, digital signatures level {self.signatures}, coercion {self.coercion}"


#: By these workitems are queried (PS3.4 Tables CC.2-2, CC.2-3, CC.2-5).
_WORKITEMS = frozenset(("UnifiedProcedureStepPull", "UnifiedProcedureStepWatch", "UnifiedProcedureStepQuery"))
#: Whose C-FIND is negotiated like that of a worklist (PS3.4 U.5, X.5, BB.5, HH.5).
_LIKE_WORKLIST = (
    ServiceClass.HANGING_PROTOCOL,
    ServiceClass.COLOR_PALETTE,
    ServiceClass.IMPLANT_TEMPLATE,
    ServiceClass.DEFINED_PROCEDURE_PROTOCOL,
)

#: What stands in a `PresentationContext`: options by name, or the bytes themselves.
Extended = QueryOptions | RetrieveOptions | StorageOptions | bytes


def raw(extended: Extended, abstract_syntax: str) -> bytes:
    """The bytes that go into the item of this SOP Class."""
    information = bytes(extended)
    if isinstance(extended, QueryOptions) and _has_one_level(abstract_syntax):
        return b"\1\1" + information[2:4]
    return information


def _has_one_level(abstract_syntax: str) -> bool:
    """Whether it is queried like a worklist: bytes 1 and 2 are always 1 then, and there are four at most (PS3.4 K.5.1.1)."""
    entry = sop_class(abstract_syntax)
    if entry is None:
        return False
    if entry.service_class in _LIKE_WORKLIST:
        return entry.keyword.endswith("Find")
    return entry.service_class is ServiceClass.BASIC_WORKLIST or entry.keyword in _WORKITEMS


def options_of(abstract_syntax: str, information: bytes) -> Extended:
    """The bytes of an item by name, where the standard says what they mean for this SOP Class."""
    entry = sop_class(abstract_syntax)
    if entry is None:
        return information
    if entry.service_class is ServiceClass.STORAGE:
        return StorageOptions.of(information)
    if entry.service_class is ServiceClass.QUERY_RETRIEVE:
        querying = entry.keyword.endswith("Find") or entry.keyword == "RepositoryQuery"
        return (QueryOptions if querying else RetrieveOptions).of(information)
    if _has_one_level(abstract_syntax):
        return QueryOptions.of(b"\0\0" + information[2:4])
    return information


def agreed(asked: bytes, ours: Extended | None, abstract_syntax: str) -> bytes | None:
    """The acceptor's answer: what was asked and is supported; None is no answer, and means the baseline.

    Bytes, and what a storage SCP tells of itself, are answered as they are.
    """
    if ours is None:
        return None
    if isinstance(ours, QueryOptions | RetrieveOptions):
        # As many bytes as were asked: a requestor of an earlier edition of the standard does not know more.
        both = bytes(a & b for a, b in zip(asked, ours.whole(), strict=False))
        return (b"\1\1" + both[2:4])[: len(both)] if _has_one_level(abstract_syntax) else both
    return raw(ours, abstract_syntax)


def in_short(extended: Extended | None) -> str:
    """In words, or in hexadecimal."""
    if extended is None:
        return "no answer"
    return extended.hex(" ") + "H" if isinstance(extended, bytes) else str(extended)
