"""What each SOP Class does: its service class, DIMSE services and statuses, as one table (PS3.4, all annexes).

The facts stand in three places, each once: SOP Classes with their service class in `nbdicom.uids`, statuses in
`nbdicom.status`, and here the annex and the DIMSE services of each.  ``docs/services.md`` is made of them:

    python -m nbdicom.services > docs/services.md
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from nbdicom.status import status_table
from nbdicom.table import Table
from nbdicom.uids import UID, ServiceClass, SOPClass, sop_class, sop_classes

__all__ = [
    "Service",
    "abstract_syntaxes",
    "belongs",
    "dimse_services",
    "meta_sop_class",
    "page",
    "service",
    "service_table",
    "sop_class_table",
]


class Service(NamedTuple):
    """One service class of PS3.4."""

    service_class: ServiceClass
    annex: str
    dimse: tuple[str, ...]


#: service class | annex of PS3.4 | DIMSE services
_SERVICES = """
VERIFICATION|A|C-ECHO
STORAGE|B|C-STORE
QUERY_RETRIEVE|C, Y, Z|C-FIND C-MOVE C-GET
MODALITY_PERFORMED_PROCEDURE_STEP|F|N-CREATE N-SET N-GET N-EVENT-REPORT
PRINT_MANAGEMENT|H|N-CREATE N-SET N-GET N-ACTION N-DELETE N-EVENT-REPORT
MEDIA_STORAGE|I|
STORAGE_COMMITMENT|J|N-ACTION N-EVENT-REPORT
BASIC_WORKLIST|K|C-FIND
APPLICATION_EVENT_LOGGING|P|N-ACTION
RELEVANT_PATIENT_INFORMATION|Q|C-FIND
INSTANCE_AVAILABILITY|R|N-CREATE
MEDIA_CREATION|S|N-CREATE N-ACTION N-GET
HANGING_PROTOCOL|U|C-FIND C-MOVE C-GET
SUBSTANCE_ADMINISTRATION|V|C-FIND
COLOR_PALETTE|X|C-FIND C-MOVE C-GET
IMPLANT_TEMPLATE|BB|C-FIND C-MOVE C-GET
UNIFIED_PROCEDURE_STEP|CC|N-CREATE N-SET N-GET N-ACTION N-EVENT-REPORT C-FIND
RT_MACHINE_VERIFICATION|DD|N-CREATE N-SET N-GET N-ACTION N-DELETE N-EVENT-REPORT
DISPLAY_SYSTEM|EE|N-GET
NON_PATIENT_OBJECT_STORAGE|GG|C-STORE
DEFINED_PROCEDURE_PROTOCOL|HH|C-FIND C-MOVE C-GET
PROTOCOL_APPROVAL|II|C-FIND C-MOVE C-GET
INVENTORY|JJ|C-FIND C-MOVE C-GET
STORAGE_MANAGEMENT|KK|N-ACTION N-EVENT-REPORT
"""

#: SOP Classes that have fewer DIMSE services than their service class.  In Query/Retrieve the keyword says it: it ends
#: with Find, Move or Get.
_OWN_DIMSE = """
RepositoryQuery|C-FIND
ModalityPerformedProcedureStep|N-CREATE N-SET
ModalityPerformedProcedureStepRetrieve|N-GET
ModalityPerformedProcedureStepNotification|N-EVENT-REPORT
BasicFilmSession|N-CREATE N-SET N-ACTION N-DELETE
BasicFilmBox|N-CREATE N-SET N-ACTION N-DELETE
BasicGrayscaleImageBox|N-SET
BasicColorImageBox|N-SET
BasicAnnotationBox|N-SET
PrintJob|N-GET N-EVENT-REPORT
Printer|N-GET N-EVENT-REPORT
PrinterConfigurationRetrieval|N-GET
PresentationLUT|N-CREATE N-DELETE
VOILUTBox|N-CREATE N-SET N-DELETE
UnifiedProcedureStepPush|N-CREATE N-GET N-ACTION
UnifiedProcedureStepWatch|N-GET N-ACTION C-FIND
UnifiedProcedureStepPull|N-GET N-SET N-ACTION C-FIND
UnifiedProcedureStepEvent|N-EVENT-REPORT
UnifiedProcedureStepQuery|C-FIND
"""

_SUFFIXES = {"Find": "C-FIND", "Move": "C-MOVE", "Get": "C-GET"}
_META = {
    "BasicGrayscalePrintManagementMeta": "BasicGrayscaleImageBox",
    "BasicColorPrintManagementMeta": "BasicColorImageBox",
}
#: The five are one service: an instance belongs to all of them (PS3.4 CC.3.1).
_UPS = tuple(f"UnifiedProcedureStep{name}" for name in ("Push", "Pull", "Watch", "Event", "Query"))
#: Action Type ID -> whose action it is: change of state; request for cancellation; the three of subscriptions
_UPS_ACTIONS = {1: _UPS[1:2], 2: (_UPS[0], _UPS[2]), 3: _UPS[2:3], 4: _UPS[2:3], 5: _UPS[2:3]}
_OF_EVERY_META = ("BasicFilmSession", "BasicFilmBox", "Printer")


def _parse() -> Mapping[ServiceClass, Service]:
    services = {}
    for line in _SERVICES.split("\n")[1:-1]:
        name, annex, dimse = line.split("|")
        one = ServiceClass[name]
        services[one] = Service(one, ", ".join(f"PS3.4 {part}" for part in annex.split(", ")), tuple(dimse.split()))
    return MappingProxyType(services)


_BY_CLASS = _parse()
_OWN = {
    UID.of(keyword): tuple(dimse.split())
    for keyword, _, dimse in (line.partition("|") for line in _OWN_DIMSE.split("\n")[1:-1])
}


def service(sop_class_uid: str) -> Service | None:
    """The service of a SOP Class, or None for a private one, a retired one and one that is no DIMSE service.

    >>> service("1.2.840.10008.5.1.4.31").annex
    'PS3.4 K'
    """
    entry = sop_class(sop_class_uid)
    return _BY_CLASS.get(entry.service_class) if entry else None


def dimse_services(sop_class_uid: str) -> tuple[str, ...]:
    """The DIMSE services of a SOP Class; empty where PS3.4 has none for it.

    >>> dimse_services(UID.of("ModalityPerformedProcedureStepRetrieve"))
    ('N-GET',)
    """
    own = _OWN.get(UID(sop_class_uid))
    found = service(sop_class_uid)
    if own is not None or found is None:
        return own or ()
    if {"C-FIND", "C-MOVE"} <= set(found.dimse):
        keyword = UID(sop_class_uid).keyword
        return tuple(dimse for suffix, dimse in _SUFFIXES.items() if keyword.endswith(suffix))
    return found.dimse


def meta_sop_class(sop_class_uid: str) -> tuple[UID, ...]:
    """The SOP Classes that a Meta SOP Class stands for (PS3.4 H.3.2); empty for any other.

    >>> [uid.keyword for uid in meta_sop_class("1.2.840.10008.5.1.1.9")]
    ['BasicFilmSession', 'BasicFilmBox', 'Printer', 'BasicGrayscaleImageBox']
    """
    box = _META.get(UID(sop_class_uid).keyword)
    return tuple(UID.of(keyword) for keyword in (*_OF_EVERY_META, box)) if box else ()


def belongs(sop_class_uid: str, abstract_syntax: str) -> bool:
    """Whether a SOP Class may be used in a presentation context: it is its own, or both are of one service class.

    A Meta SOP Class stands for the SOP Classes of its service (PS3.4 H.3.1), a workitem that was created as UPS Push is
    pulled and watched under that class (PS3.4 CC.3.1).

    >>> belongs(UID.of("UnifiedProcedureStepPush"), UID.of("UnifiedProcedureStepPull"))
    True
    """
    if sop_class_uid == abstract_syntax:
        return True
    named, negotiated = sop_class(sop_class_uid), sop_class(abstract_syntax)
    return (
        named is not None
        and negotiated is not None
        and named.service_class is negotiated.service_class
        and named.service_class not in (ServiceClass.OTHER, ServiceClass.STORAGE)
    )


def abstract_syntaxes(sop_class_uid: str, dimse: str, type_id: int | None = None) -> tuple[UID, ...]:
    """The abstract syntaxes in whose context a DIMSE service may be asked of a SOP Class, the best first.

    For most SOP Classes that is the class itself.  A film session may also be created in the context of a print Meta SOP
    Class, and a UPS is asked and changed in that of the UPS SOP Class which has the service (PS3.4 CC.2).

    Parameters
    ----------
    sop_class_uid : str
        The SOP Class of the message.
    dimse : str
        Such as ``"N-SET"``.
    type_id : int, optional
        The Action Type ID of an N-ACTION.

    Examples
    --------
    >>> [uid.keyword for uid in abstract_syntaxes(UID.of("UnifiedProcedureStepPush"), "N-ACTION", 1)][0]
    'UnifiedProcedureStepPull'
    """
    uid = UID(sop_class_uid)
    if uid.keyword in _UPS:
        preferred = _UPS_ACTIONS.get(type_id or 0, ()) if dimse == "N-ACTION" else (uid.keyword,)
        others = [name for name in _UPS if dimse in dimse_services(UID.of(name))]
        offering = [name for name in preferred if name in others] + others
        return tuple(dict.fromkeys([*map(UID.of, offering), uid]))
    return (uid, *(meta for meta in map(UID.of, _META) if uid in meta_sop_class(meta)))


# ------------------------------------------------------------------------------- as tables


def sop_class_table(service_class: ServiceClass | str | None = None) -> Table:
    """Every SOP Class: service class, DIMSE services, its own statuses, and whether it is retired.

    Parameters
    ----------
    service_class : ServiceClass or str, optional
        Only those of one, such as ``"Print Management"``.
    """
    wanted = None if service_class is None else ServiceClass(service_class)
    rows = [_row(entry) for entry in sop_classes(wanted)]
    title = f"SOP Classes of {wanted}" if wanted else "SOP Classes"
    return Table(title, ("UID", "keyword", "name", "service class", "standard", "DIMSE", "statuses", "retired"), rows)


def _row(entry: SOPClass) -> tuple[str, ...]:
    found = _BY_CLASS.get(entry.service_class)
    dimse = dimse_services(entry.uid)
    return (
        str(entry.uid),
        entry.keyword,
        entry.name,
        str(entry.service_class),
        found.annex if found else "",
        " ".join(dimse),
        _own_statuses(entry, dimse) if dimse else "",
        "retired" if entry.retired else "",
    )


def _own_statuses(entry: SOPClass, dimse: tuple[str, ...]) -> str:
    """The codes beyond those of every service, for these DIMSE services."""
    rows = (tuple(map(str, row)) for row in status_table(entry.service_class).rows)
    own = (
        row[0] for row in rows if row[2] != "every service" and (row[3] == "all" or set(row[3].split()) & set(dimse))
    )
    return ", ".join(dict.fromkeys(own))


def service_table() -> Table:
    """Every service class: annex, DIMSE services, how many SOP Classes."""
    rows = [
        (
            str(one.service_class),
            one.annex,
            " ".join(one.dimse) or "none: files",
            str(len(sop_classes(one.service_class))),
        )
        for one in _BY_CLASS.values()
    ]
    return Table("Service classes", ("service class", "standard", "DIMSE", "SOP Classes"), rows)


def page() -> str:
    """The documentation page, in Markdown."""
    parts = [
        "# Services, SOP Classes and statuses",
        "Made from the tables of the code; do not edit. `python -m nbdicom.services > docs/services.md` writes it anew.\n"
        "In a notebook the same tables are `nbdicom.uids.table()`, `nbdicom.services.service_table()` and"
        " `nbdicom.status_table(service)`.",
        "Each service class can be used in both roles: as SCU by the methods of an association (`find(..., model=...)`,"
        " `store`, `get`, `move`, `n_get`, `n_set`, `n_action`, `n_create`, `n_delete`, `n_event_report`), as SCP by the"
        " handlers of the same names in `Handlers`. Media Storage concerns files, not the network.",
        _markdown(service_table()),
        "## Statuses of every service",
        _markdown(_without(status_table("VERIFICATION"), "service class", "DIMSE")),
    ]
    for one in _BY_CLASS.values():
        parts.append(f"## {one.service_class} ({one.annex})")
        statuses = status_table(one.service_class)
        own = [row for row in statuses.rows if row[2] != "every service"]
        if own:
            table = Table(statuses.title, statuses.columns, own)
            parts.append(_markdown(_without(table, "service class")))
        parts.append(_markdown(_without(sop_class_table(one.service_class), "service class", "standard", "name")))
    other = sop_class_table(ServiceClass.OTHER)
    parts += [
        f"## {ServiceClass.OTHER}",
        _markdown(_without(other, "service class", "standard", "DIMSE", "statuses", "name")),
    ]
    return "\n\n".join(parts) + "\n"


def _without(table: Table, *columns: str) -> Table:
    kept = [index for index, name in enumerate(table.columns) if name not in columns]
    return Table(
        table.title, tuple(table.columns[k] for k in kept), [tuple(row[k] for k in kept) for row in table.rows]
    )


def _markdown(table: Table) -> str:
    lines = [" | ".join(table.columns), " | ".join("---" for _ in table.columns)]
    lines += [" | ".join(str(cell) for cell in row) for row in table.rows]
    return "\n".join(f"| {line} |" for line in lines)


if __name__ == "__main__":
    sys.stdout.write(page())
