"""The UIDs that the network needs to know by name: SOP Classes with their Service Class, and transfer syntaxes.

The registry of PS3.6 Annex A, cut down to what negotiation uses, so that the core knows names without loading pydicom.
A test holds it against pydicom's dictionary.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from functools import cache, lru_cache
from typing import TYPE_CHECKING, NamedTuple

from nbdicom.registry import SOP_CLASS_ROWS, TRANSFER_SYNTAX_ROWS, WELL_KNOWN_ROWS

if TYPE_CHECKING:
    from nbdicom.table import Table

__all__ = [
    "DEFAULT_TRANSFER_SYNTAXES",
    "UID",
    "SOPClass",
    "ServiceClass",
    "TransferSyntax",
    "WellKnown",
    "sop_class",
    "sop_classes",
    "storage_sop_classes",
    "table",
    "transfer_syntax",
    "transfer_syntaxes",
    "well_known_instances",
]


class ServiceClass(StrEnum):
    """The service classes of PS3.4, by the name of their annex."""

    VERIFICATION = "Verification"
    MEDIA_STORAGE = "Media Storage"
    OTHER = "Retired or not a DIMSE service"
    STORAGE_COMMITMENT = "Storage Commitment"
    APPLICATION_EVENT_LOGGING = "Application Event Logging"
    MODALITY_PERFORMED_PROCEDURE_STEP = "Modality Performed Procedure Step"
    PRINT_MANAGEMENT = "Print Management"
    STORAGE = "Storage"
    MEDIA_CREATION = "Media Creation Management"
    DISPLAY_SYSTEM = "Display System Management"
    NON_PATIENT_OBJECT_STORAGE = "Non-Patient Object Storage"
    PROTOCOL_APPROVAL = "Protocol Approval Query/Retrieve"
    INVENTORY = "Inventory Query/Retrieve"
    STORAGE_MANAGEMENT = "Storage Management"
    QUERY_RETRIEVE = "Query/Retrieve"
    DEFINED_PROCEDURE_PROTOCOL = "Defined Procedure Protocol Query/Retrieve"
    BASIC_WORKLIST = "Basic Worklist Management"
    INSTANCE_AVAILABILITY = "Instance Availability Notification"
    UNIFIED_PROCEDURE_STEP = "Unified Procedure Step"
    RT_MACHINE_VERIFICATION = "RT Machine Verification"
    RELEVANT_PATIENT_INFORMATION = "Relevant Patient Information Query"
    HANGING_PROTOCOL = "Hanging Protocol Query/Retrieve"
    COLOR_PALETTE = "Color Palette Query/Retrieve"
    SUBSTANCE_ADMINISTRATION = "Substance Administration Query"
    IMPLANT_TEMPLATE = "Implant Template Query/Retrieve"


class SOPClass(NamedTuple):
    """One SOP Class of the registry."""

    uid: UID
    keyword: str
    name: str
    service_class: ServiceClass
    retired: bool


class WellKnown(NamedTuple):
    """One well-known SOP Instance, service class or application context of the registry."""

    uid: UID
    keyword: str
    name: str
    retired: bool


class TransferSyntax(NamedTuple):
    """One transfer syntax of the registry, and what an encoder has to know about it (PS3.5 Annex A)."""

    uid: UID
    keyword: str
    name: str
    retired: bool

    @property
    def implicit_vr(self) -> bool:
        """True for Implicit VR Little Endian."""
        return self.uid == _ROOT + "1.2"

    @property
    def big_endian(self) -> bool:
        """True for the retired Explicit VR Big Endian."""
        return self.uid == _ROOT + "1.2.2"

    @property
    def deflated(self) -> bool:
        """True where the whole data set is deflated (PS3.5 A.5)."""
        return self.uid in (_ROOT + "1.2.1.99", _ROOT + "1.2.4.95", _ROOT + "1.2.4.205")

    @property
    def converted(self) -> bool:
        """True where elements cannot be read as they stand: the data set is deflated, or big endian."""
        return self.deflated or self.big_endian

    @property
    def encapsulated(self) -> bool:
        """True where pixel data are encapsulated, that is compressed, and never re-encoded without being asked."""
        return not (self.implicit_vr or self.big_endian or self.deflated or self.uid == _ROOT + "1.2.1")


_COMPONENTS = re.compile(r"(?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*))*")


class UID(str):
    """A unique identifier (PS3.5 section 9): a str that knows its name.

    Examples
    --------
    >>> UID("1.2.840.10008.1.1").name
    'Verification SOP Class'
    >>> UID.of("CTImageStorage")
    UID('1.2.840.10008.5.1.4.1.1.2')
    """

    __slots__ = ()

    @property
    def name(self) -> str:
        """The name in the registry, or the UID itself where it has none."""
        entry = _SOP_CLASSES.get(self) or _TRANSFER_SYNTAXES.get(self) or _WELL_KNOWN.get(self)
        return entry.name if entry else str(self)

    @property
    def keyword(self) -> str:
        """The keyword in the registry, or ``""``."""
        entry = _SOP_CLASSES.get(self) or _TRANSFER_SYNTAXES.get(self) or _WELL_KNOWN.get(self)
        return entry.keyword if entry else ""

    @property
    def is_valid(self) -> bool:
        """True if it is 1 to 64 characters of components without leading zeros (PS3.5 9.1)."""
        return len(self) <= 64 and _has_components(self)

    @classmethod
    def of(cls, text: str) -> UID:
        """The UID that *text* means: a UID, a keyword or a name of the registry.

        Raises
        ------
        ValueError
            If it is none of them; the message offers the nearest keywords.
        """
        if text[:1].isdigit():
            return cls(text)
        found = _by_name().get(_fold(text))
        if found is None:
            near = _nearest(text)
            offer = f"; did you mean {' or '.join(near)}?" if near else "; keywords are those of PS3.6 A"
            raise ValueError(
                f"{text!r} is neither a UID nor the keyword or name of a SOP Class, transfer syntax or well-known"
                f" instance{offer}"
            )
        return found

    def __repr__(self) -> str:
        return f"UID({str(self)!r})"


@lru_cache(1024)
def _has_components(text: str) -> bool:
    return _COMPONENTS.fullmatch(text) is not None


_ROOT = "1.2.840.10008."


def _fold(text: str) -> str:
    """Compare names without case, spaces and punctuation, and without the words "SOP Class"."""
    return "".join(filter(str.isalnum, text.lower())).removesuffix("sopclass")


def _nearest(text: str) -> list[str]:
    """Three keywords that may be meant: those that begin so, else that have it in them, else that are spelt alike."""
    import difflib  # only a mistake needs it

    wanted = _fold(text)
    entries: list[SOPClass | TransferSyntax | WellKnown] = []
    for registry in (_SOP_CLASSES, _TRANSFER_SYNTAXES, _WELL_KNOWN):
        entries.extend(registry.values())
    keywords = {_fold(entry.keyword): entry.keyword for entry in sorted(entries, key=_in_use_and_short)}
    if len(wanted) > 1:
        for part in ([one for one in keywords if one.startswith(wanted)], [one for one in keywords if wanted in one]):
            if part:
                return [keywords[one] for one in part[:3]]
    return [keywords[one] for one in difflib.get_close_matches(wanted, keywords, n=3)]


def _in_use_and_short(entry: SOPClass | TransferSyntax | WellKnown) -> tuple[bool, int]:
    return entry.retired, len(entry.keyword)


def _parse_sop_classes() -> dict[str, SOPClass]:
    entries = {}
    for line in SOP_CLASS_ROWS.split("\n")[1:-1]:
        uid, keyword, service, name, retired = line.split("|")
        entries[_ROOT + uid] = SOPClass(UID(_ROOT + uid), keyword, name, ServiceClass[service], bool(retired))
    return entries


def _split(rows: str) -> Iterator[tuple[UID, str, str, bool]]:
    for line in rows.split("\n")[1:-1]:
        uid, keyword, name, retired = line.split("|")
        yield UID(_ROOT + uid), keyword, name, bool(retired)


_SOP_CLASSES = _parse_sop_classes()
_TRANSFER_SYNTAXES: dict[str, TransferSyntax] = {row[0]: TransferSyntax(*row) for row in _split(TRANSFER_SYNTAX_ROWS)}
_WELL_KNOWN: dict[str, WellKnown] = {row[0]: WellKnown(*row) for row in _split(WELL_KNOWN_ROWS)}

_Entries = Mapping[str, SOPClass] | Mapping[str, TransferSyntax] | Mapping[str, WellKnown]


def _names(entries: _Entries) -> dict[str, UID]:
    return {_fold(text): entry.uid for entry in entries.values() for text in (entry.keyword, entry.name)}


@cache
def _by_name() -> Mapping[str, UID]:
    return {**_names(_WELL_KNOWN), **_names(_SOP_CLASSES), **_names(_TRANSFER_SYNTAXES)}


#: What every DICOM implementation speaks, in our order of preference (PS3.5 10.1).
DEFAULT_TRANSFER_SYNTAXES: tuple[UID, ...] = (UID(_ROOT + "1.2.1"), UID(_ROOT + "1.2"))


def sop_class(uid: str) -> SOPClass | None:
    """The registry's entry of a SOP Class UID, or None for a private or unknown one."""
    return _SOP_CLASSES.get(uid)


def sop_classes(service_class: ServiceClass | None = None) -> list[SOPClass]:
    """Every SOP Class of the registry, or those of one service class, in the order of their UIDs in PS3.6."""
    return [entry for entry in _SOP_CLASSES.values() if service_class in (None, entry.service_class)]


def storage_sop_classes() -> list[UID]:
    """The SOP Classes of the Storage Service Class (PS3.4 B.5), those that are retired too."""
    return [entry.uid for entry in sop_classes(ServiceClass.STORAGE)]


def transfer_syntax(uid: str) -> TransferSyntax | None:
    """The registry's entry of a transfer syntax UID, or None for a private or unknown one."""
    return _TRANSFER_SYNTAXES.get(uid)


def transfer_syntaxes(*, retired: bool = False) -> list[TransferSyntax]:
    """Every transfer syntax of the registry."""
    return [entry for entry in _TRANSFER_SYNTAXES.values() if retired or not entry.retired]


def well_known_instances() -> list[WellKnown]:
    """The SOP Instances that exist once and for all, such as that of Storage Commitment (PS3.6 Annex A)."""
    return [entry for entry in _WELL_KNOWN.values() if entry.name.endswith("SOP Instance")]


def table(service_class: ServiceClass | str | None = None) -> Table:
    """Every SOP Class with its service class, DIMSE services and statuses; ``.to_frame()`` makes a DataFrame.

    Parameters
    ----------
    service_class : ServiceClass or str, optional
        Only the SOP Classes of one service class, such as ``"Storage Commitment"``.

    Examples
    --------
    >>> table("Instance Availability Notification").rows[0][5]
    'N-CREATE'
    """
    from nbdicom.services import sop_class_table  # it stands above this module

    return sop_class_table(service_class)
