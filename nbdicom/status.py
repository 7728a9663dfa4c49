"""DIMSE status codes: the number, its category, and its meaning for the service that gave it (PS3.7 Annex C, PS3.4).

A `Status` is the number itself; nothing is lost when a peer sends a code that no table knows.  The same code means one
thing of a worklist and another of a printer, so a status knows the DIMSE service and the SOP Class that it belongs to.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from nbdicom.table import Table, printable
from nbdicom.uids import UID, ServiceClass, sop_class

__all__ = ["Status", "StatusCategory", "status_table"]


class StatusCategory(StrEnum):
    """The five kinds of status (PS3.7 Annex C)."""

    SUCCESS = "Success"
    PENDING = "Pending"
    WARNING = "Warning"
    FAILURE = "Failure"
    CANCEL = "Cancel"


#: code or first-last | service classes by name ("" = every one) | DIMSE services ("" = all) | meaning | standard
_TABLE = """
0000|||Success|PS3.7 C.1.1
0105|||No such attribute|PS3.7 C.5.17
0106|||Invalid attribute value|PS3.7 C.5.11
0107|||Attribute list error|PS3.7 C.4.2
0110|||Processing failure|PS3.7 C.5.21
0111|||Duplicate SOP Instance|PS3.7 C.5.8
0112|||No such SOP Instance|PS3.7 C.5.19
0113|||No such event type|PS3.7 C.5.18
0114|||No such argument|PS3.7 C.5.16
0115|||Invalid argument value|PS3.7 C.5.10
0116|||Attribute value out of range|PS3.7 C.4.3
0117|||Invalid SOP Instance|PS3.7 C.5.12
0118|||No such SOP Class|PS3.7 C.5.20
0119|||Class-Instance conflict|PS3.7 C.5.7
0120|||Missing attribute|PS3.7 C.5.13
0121|||Missing attribute value|PS3.7 C.5.14
0122|||SOP Class not supported|PS3.7 C.5.6
0123|||No such action type|PS3.7 C.5.24
0124|||Refused: not authorized|PS3.7 C.5.25
0210|||Duplicate invocation|PS3.7 C.5.9
0211|||Unrecognized operation|PS3.7 C.5.23
0212|||Mistyped argument|PS3.7 C.5.15
0213|||Resource limitation|PS3.7 C.5.22
FE00|||Terminated by a C-CANCEL request|PS3.7 C.3.1
FF00|||Pending|PS3.7 C.2.1
FF01|||one or more optional keys were not supported|PS3.4 C.4.1.1.4
A700-A7FF|STORAGE|C-STORE|Refused: out of resources|PS3.4 B.2.3
A900-A9FF|STORAGE|C-STORE|Data set does not match SOP Class|PS3.4 B.2.3
B000|STORAGE|C-STORE|Coercion of data elements|PS3.4 B.2.3
B006|STORAGE|C-STORE|Elements discarded|PS3.4 B.2.3
B007|STORAGE|C-STORE|Data set does not match SOP Class|PS3.4 B.2.3
C000-CFFF|STORAGE|C-STORE|Cannot understand|PS3.4 B.2.3
A700|NON_PATIENT_OBJECT_STORAGE|C-STORE|Refused: out of resources|PS3.4 GG.4.2
A900|NON_PATIENT_OBJECT_STORAGE|C-STORE|Data set does not match SOP Class|PS3.4 GG.4.2
C000|NON_PATIENT_OBJECT_STORAGE|C-STORE|Cannot understand|PS3.4 GG.4.2
A700|QUERY_RETRIEVE|C-FIND|Refused: out of resources|PS3.4 C.4.1.1.4
A710|QUERY_RETRIEVE|C-FIND|Invalid prior record key (Repository Query)|PS3.4 C.6.4.5.3
A900|QUERY_RETRIEVE|C-FIND|Data set does not match SOP Class|PS3.4 C.4.1.1.4
B001|QUERY_RETRIEVE|C-FIND|Matching reached response limit (Repository Query)|PS3.4 C.6.4
C000-CFFF|QUERY_RETRIEVE|C-FIND|Unable to process|PS3.4 C.4.1.1.4
A701|QUERY_RETRIEVE LIKE_WORKLIST|C-GET C-MOVE|Refused: out of resources, unable to count matches|PS3.4 C.4.2.1.5, C.4.3.1.4
A702|QUERY_RETRIEVE LIKE_WORKLIST|C-GET C-MOVE|Refused: out of resources for sub-operations|PS3.4 C.4.2.1.5, C.4.3.1.4
A801|QUERY_RETRIEVE LIKE_WORKLIST|C-MOVE|Refused: move destination unknown|PS3.4 C.4.2.1.5
A900|QUERY_RETRIEVE LIKE_WORKLIST|C-GET C-MOVE|Data set does not match SOP Class|PS3.4 C.4.2.1.5, C.4.3.1.4
AA00|QUERY_RETRIEVE|C-GET C-MOVE|None of the frames requested were found in the SOP Instance|PS3.4 Y.4.1.1.4, Y.4.2.1.4
AA01|QUERY_RETRIEVE|C-GET C-MOVE|Unable to create new object for this SOP Class|PS3.4 Y.4.1.1.4, Y.4.2.1.4
AA02|QUERY_RETRIEVE|C-GET C-MOVE|Unable to extract frames|PS3.4 Y.4.1.1.4, Y.4.2.1.4
AA03|QUERY_RETRIEVE|C-GET C-MOVE|Time-based request for a SOP Instance that is not time-based|PS3.4 Y.4.1.1.4, Y.4.2.1.4
AA04|QUERY_RETRIEVE|C-GET C-MOVE|Invalid request|PS3.4 Y.4.1.1.4, Y.4.2.1.4
B000|QUERY_RETRIEVE LIKE_WORKLIST|C-GET C-MOVE|Sub-operations complete, failures or warnings|PS3.4 C.4.2.1.5, C.4.3.1.4
C000-CFFF|QUERY_RETRIEVE LIKE_WORKLIST|C-GET C-MOVE|Unable to process|PS3.4 C.4.2.1.5, C.4.3.1.4
A700|BASIC_WORKLIST LIKE_WORKLIST|C-FIND|Refused: out of resources|PS3.4 K.4.1.1.4
A900|BASIC_WORKLIST LIKE_WORKLIST|C-FIND|Data set does not match SOP Class|PS3.4 K.4.1.1.4
C000-CFFF|BASIC_WORKLIST LIKE_WORKLIST|C-FIND|Unable to process|PS3.4 K.4.1.1.4
A700|RELEVANT_PATIENT_INFORMATION|C-FIND|Refused: out of resources|PS3.4 Q.2.1.1.4
A900|RELEVANT_PATIENT_INFORMATION|C-FIND|Data set does not match SOP Class|PS3.4 Q.2.1.1.4
C000|RELEVANT_PATIENT_INFORMATION|C-FIND|Unable to process|PS3.4 Q.2.1.1.4
C100|RELEVANT_PATIENT_INFORMATION|C-FIND|More than one match found|PS3.4 Q.2.1.1.4
C200|RELEVANT_PATIENT_INFORMATION|C-FIND|Unable to support requested template|PS3.4 Q.2.1.1.4
A700|SUBSTANCE_ADMINISTRATION|C-FIND|Refused: out of resources|PS3.4 V.4.1.1.4
A900|SUBSTANCE_ADMINISTRATION|C-FIND|Data set does not match SOP Class|PS3.4 V.4.1.1.4
C000-CFFF|SUBSTANCE_ADMINISTRATION|C-FIND|Unable to process|PS3.4 V.4.1.1.4
0001|MODALITY_PERFORMED_PROCEDURE_STEP|N-GET|Requested optional attributes are not supported|PS3.4 F.8.2.1.4
0110|MODALITY_PERFORMED_PROCEDURE_STEP|N-SET|Processing failure: the step may no longer be updated|PS3.4 F.7.2.2.4
0131|STORAGE_COMMITMENT||Duplicate transaction UID (a Failure Reason)|PS3.3 C.14.1.1
B300|UNIFIED_PROCEDURE_STEP|N-CREATE|The UPS was created with modifications|PS3.4 CC.2.5.4
C309|UNIFIED_PROCEDURE_STEP|N-CREATE|The provided value of UPS State was not SCHEDULED|PS3.4 CC.2.5.4
0001|UNIFIED_PROCEDURE_STEP|N-GET N-SET|Requested optional attributes are not supported|PS3.4 CC.2.6.4, CC.2.7.4
B305|UNIFIED_PROCEDURE_STEP|N-SET|Coerced invalid values to valid values|PS3.4 CC.2.6.4
B301|UNIFIED_PROCEDURE_STEP|N-ACTION|Deletion lock not granted|PS3.4 CC.2.3.4
B304|UNIFIED_PROCEDURE_STEP|N-ACTION|The UPS is already in the requested state of CANCELED|PS3.4 CC.2.1.4, CC.2.2.4
B306|UNIFIED_PROCEDURE_STEP|N-ACTION|The UPS is already in the requested state of COMPLETED|PS3.4 CC.2.1.4
C300|UNIFIED_PROCEDURE_STEP|N-SET N-ACTION|The UPS may no longer be updated|PS3.4 CC.2.1.4, CC.2.6.4
C301|UNIFIED_PROCEDURE_STEP|N-SET N-ACTION|The correct Transaction UID was not provided|PS3.4 CC.2.1.4, CC.2.6.4
C302|UNIFIED_PROCEDURE_STEP|N-ACTION|The UPS is already IN PROGRESS|PS3.4 CC.2.1.4
C303|UNIFIED_PROCEDURE_STEP|N-ACTION|The UPS may only become SCHEDULED via N-CREATE|PS3.4 CC.2.1.4
C304|UNIFIED_PROCEDURE_STEP|N-ACTION|The UPS does not meet the requirements of the final state asked for|PS3.4 CC.2.1.4
C307|UNIFIED_PROCEDURE_STEP|N-GET N-SET N-ACTION|No such UPS at this SCP|PS3.4 CC.2.1.4 to CC.2.3.4, CC.2.6.4, CC.2.7.4
C308|UNIFIED_PROCEDURE_STEP|N-ACTION|Receiving AE title is unknown to this SCP|PS3.4 CC.2.3.4
C310|UNIFIED_PROCEDURE_STEP|N-SET N-ACTION|The UPS is not IN PROGRESS|PS3.4 CC.2.1.4, CC.2.6.4
C311|UNIFIED_PROCEDURE_STEP|N-ACTION|The UPS is already COMPLETED|PS3.4 CC.2.2.4
C312|UNIFIED_PROCEDURE_STEP|N-ACTION|The performer cannot be contacted|PS3.4 CC.2.2.4
C313|UNIFIED_PROCEDURE_STEP|N-ACTION|The performer chooses not to cancel|PS3.4 CC.2.2.4
C314|UNIFIED_PROCEDURE_STEP|N-ACTION|The action is not appropriate for this instance|PS3.4 CC.2.3.4
C315|UNIFIED_PROCEDURE_STEP|N-ACTION|SCP does not support event reports|PS3.4 CC.2.3.4
A700|UNIFIED_PROCEDURE_STEP|C-FIND|Refused: out of resources|PS3.4 CC.2.8.4
A900|UNIFIED_PROCEDURE_STEP|C-FIND|Data set does not match SOP Class|PS3.4 CC.2.8.4
C000-CFFF|UNIFIED_PROCEDURE_STEP|C-FIND|Unable to process|PS3.4 CC.2.8.4
B600|PRINT_MANAGEMENT|N-CREATE N-SET|Memory allocation not supported|PS3.4 H.4.1.2.1.2
B601|PRINT_MANAGEMENT|N-ACTION|Film session printing (collation) is not supported|PS3.4 H.4.1.2.4.2
B602|PRINT_MANAGEMENT|N-ACTION|The Film Session has no Image Boxes (empty page)|PS3.4 H.4.1.2.4.2
B603|PRINT_MANAGEMENT|N-ACTION|The Film Box has no Image Boxes (empty page)|PS3.4 H.4.2.2.4.2
B604|PRINT_MANAGEMENT|N-SET N-ACTION|Image larger than image box, demagnified|PS3.4 H.4.1.2.4.2, H.4.2.2.4.2, H.4.3.1.2.1.2
B605|PRINT_MANAGEMENT|N-CREATE N-SET|Density out of range, limit used|PS3.4 H.4.2.2.1.2, H.4.3.1.2.1.2, H.4.9.2.1.2
B609|PRINT_MANAGEMENT|N-SET N-ACTION|Image larger than the image box, cropped|PS3.4 H.4.1.2.4.2, H.4.2.2.4.2, H.4.3.1.2.1.2
B60A|PRINT_MANAGEMENT|N-SET N-ACTION|Image larger than the image box, decimated|PS3.4 H.4.1.2.4.2, H.4.2.2.4.2, H.4.3.1.2.1.2
C600|PRINT_MANAGEMENT|N-ACTION|The Film Session has no Film Boxes|PS3.4 H.4.1.2.4.2
C601|PRINT_MANAGEMENT|N-ACTION|Unable to create Print Job, print queue is full (Film Session)|PS3.4 H.4.1.2.4.2
C602|PRINT_MANAGEMENT|N-ACTION|Unable to create Print Job, print queue is full (Film Box)|PS3.4 H.4.2.2.4.2
C603|PRINT_MANAGEMENT|N-SET N-ACTION|Image size is larger than image box size|PS3.4 H.4.1.2.4.2, H.4.2.2.4.2, H.4.3.1.2.1.2
C605|PRINT_MANAGEMENT|N-SET|Insufficient memory in printer to store the image|PS3.4 H.4.3.1.2.1.2
C613|PRINT_MANAGEMENT|N-SET N-ACTION|Combined image larger than image box|PS3.4 H.4.1.2.4.2, H.4.2.2.4.2, H.4.3.1.2.1.2
C616|PRINT_MANAGEMENT|N-CREATE N-SET|A Film Box waits to be printed; Film Session printing is not supported|PS3.4 H.4.2.2.1.2
0001|MEDIA_CREATION|N-GET|Requested optional attributes are not supported|PS3.4 S.3.2.4.4
A510|MEDIA_CREATION|N-CREATE N-ACTION|Failed: media creation has been initiated already for this SOP Instance|PS3.4 S.3.2.1.4
C201|MEDIA_CREATION|N-ACTION|Media creation request already completed|PS3.4 S.3.2.3.4
C202|MEDIA_CREATION|N-ACTION|Media creation request in progress and cannot be interrupted|PS3.4 S.3.2.3.4
C203|MEDIA_CREATION|N-ACTION|Cancellation denied for unspecified reason|PS3.4 S.3.2.3.4
B101|APPLICATION_EVENT_LOGGING|N-ACTION|Synchronization Frame of Reference UID does not match that of the SCP|PS3.4 P.2.2.4
B102|APPLICATION_EVENT_LOGGING|N-ACTION|Logged under a different Study Instance UID|PS3.4 P.2.2.4
B104|APPLICATION_EVENT_LOGGING|N-ACTION|IDs inconsistent in matching a current study; event logged|PS3.4 P.2.2.4
C101|APPLICATION_EVENT_LOGGING|N-ACTION|Procedural logging not available for this Study Instance UID|PS3.4 P.2.2.4
C102|APPLICATION_EVENT_LOGGING|N-ACTION|Event information does not match template|PS3.4 P.2.2.4
C103|APPLICATION_EVENT_LOGGING|N-ACTION|Cannot match event to a current study|PS3.4 P.2.2.4
C104|APPLICATION_EVENT_LOGGING|N-ACTION|IDs inconsistent in matching a current study; event not logged|PS3.4 P.2.2.4
C10E|APPLICATION_EVENT_LOGGING|N-ACTION|Operator not authorized to add to the Medication Administration Record|PS3.4 P.3.2.4
C110|APPLICATION_EVENT_LOGGING|N-ACTION|Patient cannot be identified from Patient ID or Admission ID|PS3.4 P.3.2.4
C111|APPLICATION_EVENT_LOGGING|N-ACTION|Update of Medication Administration Record failed|PS3.4 P.3.2.4
C112|RT_MACHINE_VERIFICATION|N-GET N-ACTION|No such Machine Verification instance|PS3.4 DD.3.2.2.3, DD.3.2.3.2
C221|RT_MACHINE_VERIFICATION|N-CREATE|Referenced Fraction Group Number does not exist in the referenced plan|PS3.4 DD.3.2.1.2
C222|RT_MACHINE_VERIFICATION|N-CREATE|No beams exist within the referenced fraction group|PS3.4 DD.3.2.1.2
C223|RT_MACHINE_VERIFICATION|N-CREATE|SCU already verifying and cannot process this request now|PS3.4 DD.3.2.1.2
C224|RT_MACHINE_VERIFICATION|N-SET|Referenced Beam Number not found within the referenced fraction group|PS3.4 DD.3.2.1.2
C225|RT_MACHINE_VERIFICATION|N-SET|Referenced device or accessory not supported|PS3.4 DD.3.2.1.2
C226|RT_MACHINE_VERIFICATION|N-SET|Referenced device or accessory not found within the referenced beam|PS3.4 DD.3.2.1.2
C227|RT_MACHINE_VERIFICATION|N-CREATE|No such object instance, referenced RT Plan not found|PS3.4 DD.3.2.1.2
B010|STORAGE_MANAGEMENT|N-ACTION|Attribute list, one or more key attributes are not supported for matching|PS3.4 KK.2.2.3
"""

#: LIKE_WORKLIST in the table: services whose annexes name K.4.1 for C-FIND, C.4.2 for C-MOVE and C.4.3 for C-GET
#: (PS3.4 U.4, X.4, BB.4, HH.4, II.4, JJ.3).
_LIKE_WORKLIST = (
    ServiceClass.HANGING_PROTOCOL,
    ServiceClass.COLOR_PALETTE,
    ServiceClass.IMPLANT_TEMPLATE,
    ServiceClass.DEFINED_PROCEDURE_PROTOCOL,
    ServiceClass.PROTOCOL_APPROVAL,
    ServiceClass.INVENTORY,
)

#: Whose table counts where the SOP Class is not known: a private one, or none was told.
_BY_MESSAGE = {
    "C-STORE": ServiceClass.STORAGE,
    "C-FIND": ServiceClass.QUERY_RETRIEVE,
    "C-GET": ServiceClass.QUERY_RETRIEVE,
    "C-MOVE": ServiceClass.QUERY_RETRIEVE,
}


class _Row(NamedTuple):
    first: int
    last: int
    services: frozenset[ServiceClass]
    messages: tuple[str, ...]
    meaning: str
    source: str

    @property
    def codes(self) -> str:
        return f"{self.first:04X}H" if self.first == self.last else f"{self.first:04X}H-{self.last:04X}H"

    def of(self, service_class: ServiceClass | None, message: str) -> bool:
        return (not self.services or service_class in self.services) and (
            not message or not self.messages or message in self.messages
        )


def _parse() -> tuple[_Row, ...]:
    rows = []
    for line in _TABLE.split("\n")[1:-1]:
        codes, services, messages, meaning, source = line.split("|")
        first, _, last = codes.partition("-")
        classes = frozenset(
            one
            for name in services.split()
            for one in (_LIKE_WORKLIST if name == "LIKE_WORKLIST" else (ServiceClass[name],))
        )
        rows.append(_Row(int(first, 16), int(last or first, 16), classes, tuple(messages.split()), meaning, source))
    # What a service says itself goes before what all say, a single code before the range that it lies in.
    return tuple(sorted(rows, key=lambda row: (not row.services, row.last - row.first)))


_ROWS = _parse()


def _service_class(sop_class_uid: str, message: str) -> ServiceClass | None:
    entry = sop_class(sop_class_uid) if sop_class_uid else None
    if entry is None or entry.service_class is ServiceClass.OTHER:
        return _BY_MESSAGE.get(message)
    return entry.service_class


def _category(code: int) -> StatusCategory:
    # PS3.7 Annex C classifies by ranges, so that a code which no service defines still has a category.
    if code == 0x0000:
        return StatusCategory.SUCCESS
    if code in (0xFF00, 0xFF01):
        return StatusCategory.PENDING
    if code == 0xFE00:
        return StatusCategory.CANCEL
    if code in (0x0001, 0x0107, 0x0116) or 0xB000 <= code <= 0xBFFF:
        return StatusCategory.WARNING
    return StatusCategory.FAILURE


class Status(int):
    """A DIMSE status (0000,0900): an int that knows its category and meaning (PS3.7 Annex C).

    Parameters
    ----------
    code : int
        0 to 0xFFFF.
    service : str, optional
        The DIMSE service that it answers, such as ``"C-FIND"``: the same code has another meaning in another service.
    comment : str, optional
        The peer's Error Comment (0000,0902).
    sop_class : str, optional
        The SOP Class UID: it tells the service class, whose table says what the code means.  Without it, and for private
        SOP Classes, the tables of Storage and Query/Retrieve stand for C-STORE and for C-FIND, C-GET and C-MOVE.

    Examples
    --------
    >>> Status(0xA801, service="C-MOVE")
    <Status A801H Failure: Refused: move destination unknown>
    >>> Status(0xC100, "C-FIND", sop_class="1.2.840.10008.5.1.4.37.1")
    <Status C100H Failure: More than one match found>
    >>> Status(0xFF00).is_pending
    True
    """

    service: str
    comment: str | None
    sop_class: str

    def __new__(cls, code: int, service: str = "", comment: str | None = None, sop_class: str = "") -> Status:
        """Make the status of *code*."""
        self = super().__new__(cls, code)
        self.service = service
        self.comment = comment
        self.sop_class = sop_class
        return self

    def of(self, sop_class: str) -> Status:
        """The same status, with the *sop_class* (its UID) that it belongs to."""
        return Status(self, self.service, self.comment, sop_class)

    @property
    def category(self) -> StatusCategory:
        """Success, Pending, Warning, Failure or Cancel."""
        return _category(self)

    @property
    def is_pending(self) -> bool:
        """True for FF00H and FF01H: more responses follow."""
        return self == 0xFF00 or self == 0xFF01

    @property
    def is_success(self) -> bool:
        """True for 0000H."""
        return self == 0

    @property
    def is_failure(self) -> bool:
        """True for every code of the category Failure, the unknown ones included."""
        return _category(self) is StatusCategory.FAILURE

    @property
    def meaning(self) -> str:
        """The meaning in words, in the table of its service first."""
        row = self._row()
        return row.meaning if row else "not defined by the standard for this service"

    @property
    def is_defined(self) -> bool:
        """True if the standard defines this code for its service, or for every service."""
        return self._row() is not None

    def _row(self) -> _Row | None:
        known = _service_class(self.sop_class, self.service)
        return next((row for row in _ROWS if row.first <= self <= row.last and row.of(known, self.service)), None)

    def __str__(self) -> str:
        said = self.comment and self.comment.casefold() not in self.meaning.casefold()  # some peers give the meaning
        comment = f" ({printable(self.comment)})" if said else ""
        meaning = "" if self.meaning == str(self.category) else f": {self.meaning}"  # Success means Success
        return f"{int(self):04X}H {self.category}{meaning}{comment}"

    def __repr__(self) -> str:
        return f"<Status {self}>"

    def __format__(self, spec: str) -> str:
        return format(int(self), spec) if spec else str(self)


def status_table(service: str | ServiceClass | None = None) -> Table:
    """The statuses of a service in words, each with the section of the standard that defines it.

    Parameters
    ----------
    service : str or ServiceClass, optional
        A service class by name, a SOP Class by UID, keyword or name, or a DIMSE service such as ``"C-MOVE"``; by default
        all of them.

    Raises
    ------
    ValueError
        If it is none of these.

    Examples
    --------
    >>> status_table("StorageManagement").rows[-1][0]
    'B010H'
    """
    wanted, message, title = _wanted(service)
    chosen = [
        row
        for row in _ROWS
        if service is None or (row.of(wanted, message) if wanted else not message or row.of(None, message))
    ]
    if wanted is None and message:
        chosen = [row for row in _ROWS if not row.messages or message in row.messages]
    rows = [
        (
            row.codes,
            str(_category(row.first)),
            ", ".join(sorted(row.services)) or "every service",
            " ".join(row.messages) or "all",
            row.meaning,
            row.source,
        )
        for row in sorted(chosen, key=lambda row: (bool(row.services), sorted(row.services), row.first))
    ]
    return Table(title, ("code", "category", "service class", "DIMSE", "meaning", "standard"), rows)


def _wanted(service: str | ServiceClass | None) -> tuple[ServiceClass | None, str, str]:
    """Which service class, which DIMSE service, and what the table is called."""
    if service is None:
        return None, "", "DIMSE status codes"
    for one in ServiceClass:
        if service in (one, one.name) or one.replace(" ", "").lower() == service.replace(" ", "").lower():
            return one, "", f"DIMSE status codes of {one}"
    if service[1:2] == "-":
        return None, service.upper(), f"DIMSE status codes of {service.upper()}"
    uid = UID.of(service)
    return _service_class(uid, ""), "", f"DIMSE status codes of {uid.name}"
