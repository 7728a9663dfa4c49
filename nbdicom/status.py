"""DIMSE status codes: the number, its category, and its meaning in words (PS3.7 Annex C, PS3.4 B.2.3, C.4).

A `Status` is the number itself; nothing is lost when a peer sends a code that no table knows.
"""

from __future__ import annotations

from enum import StrEnum

from nbdicom.table import Table

__all__ = ["Status", "StatusCategory", "status_table"]


class StatusCategory(StrEnum):
    """The five kinds of status (PS3.7 Annex C)."""

    SUCCESS = "Success"
    PENDING = "Pending"
    WARNING = "Warning"
    FAILURE = "Failure"
    CANCEL = "Cancel"


#: (first code, last code, services it belongs to ("" = every one), meaning, standard).  The first row that fits wins.
_ROWS: tuple[tuple[int, int, str, str, str], ...] = (
    (0x0000, 0x0000, "", "Success", "PS3.7 C.1.1"),
    (0x0105, 0x0105, "", "No such attribute", "PS3.7 C.5.9"),
    (0x0106, 0x0106, "", "Invalid attribute value", "PS3.7 C.5.7"),
    (0x0107, 0x0107, "", "Attribute list error", "PS3.7 C.4.2"),
    (0x0110, 0x0110, "", "Processing failure", "PS3.7 C.5.20"),
    (0x0111, 0x0111, "", "Duplicate SOP Instance", "PS3.7 C.5.4"),
    (0x0112, 0x0112, "", "No such SOP Instance", "PS3.7 C.5.17"),
    (0x0113, 0x0113, "", "No such event type", "PS3.7 C.5.14"),
    (0x0114, 0x0114, "", "No such argument", "PS3.7 C.5.13"),
    (0x0115, 0x0115, "", "Invalid argument value", "PS3.7 C.5.6"),
    (0x0116, 0x0116, "", "Attribute value out of range", "PS3.7 C.4.3"),
    (0x0117, 0x0117, "", "Invalid SOP Instance", "PS3.7 C.5.8"),
    (0x0118, 0x0118, "", "No such SOP Class", "PS3.7 C.5.16"),
    (0x0119, 0x0119, "", "Class-Instance conflict", "PS3.7 C.5.2"),
    (0x0120, 0x0120, "", "Missing attribute", "PS3.7 C.5.10"),
    (0x0121, 0x0121, "", "Missing attribute value", "PS3.7 C.5.11"),
    (0x0122, 0x0122, "", "SOP Class not supported", "PS3.7 C.5.24"),
    (0x0123, 0x0123, "", "No such action type", "PS3.7 C.5.12"),
    (0x0124, 0x0124, "", "Refused: not authorized", "PS3.7 C.5.25"),
    (0x0210, 0x0210, "", "Duplicate invocation", "PS3.7 C.5.3"),
    (0x0211, 0x0211, "", "Unrecognized operation", "PS3.7 C.5.23"),
    (0x0212, 0x0212, "", "Mistyped argument", "PS3.7 C.5.15"),
    (0x0213, 0x0213, "", "Resource limitation", "PS3.7 C.5.22"),
    (0xFE00, 0xFE00, "", "Cancelled: terminated by a C-CANCEL request", "PS3.7 C.3.1"),
    (0xFF00, 0xFF00, "", "Pending", "PS3.7 C.2.1"),
    (0xFF01, 0xFF01, "", "Pending: one or more optional keys were not supported", "PS3.4 C.4.1.1.4"),
    (0xA700, 0xA7FF, "C-STORE", "Refused: out of resources", "PS3.4 B.2.3"),
    (0xA900, 0xA9FF, "C-STORE", "Error: data set does not match SOP Class", "PS3.4 B.2.3"),
    (0xB000, 0xB000, "C-STORE", "Warning: coercion of data elements", "PS3.4 B.2.3"),
    (0xB006, 0xB006, "C-STORE", "Warning: elements discarded", "PS3.4 B.2.3"),
    (0xB007, 0xB007, "C-STORE", "Warning: data set does not match SOP Class", "PS3.4 B.2.3"),
    (0xC000, 0xCFFF, "C-STORE", "Error: cannot understand", "PS3.4 B.2.3"),
    (0xA700, 0xA700, "C-FIND", "Refused: out of resources", "PS3.4 C.4.1.1.4"),
    (0xA900, 0xA900, "C-FIND", "Error: data set does not match SOP Class", "PS3.4 C.4.1.1.4"),
    (0xB001, 0xB001, "C-FIND", "Warning: matching reached response limit", "PS3.4 C.4.1.1.4"),
    (0xC000, 0xCFFF, "C-FIND", "Failed: unable to process", "PS3.4 C.4.1.1.4"),
    (
        0xA701,
        0xA701,
        "C-GET C-MOVE",
        "Refused: out of resources, unable to calculate number of matches",
        "PS3.4 C.4.2.1.5",
    ),
    (0xA702, 0xA702, "C-GET C-MOVE", "Refused: out of resources, unable to perform sub-operations", "PS3.4 C.4.2.1.5"),
    (0xA801, 0xA801, "C-MOVE", "Refused: move destination unknown", "PS3.4 C.4.2.1.5"),
    (0xA900, 0xA900, "C-GET C-MOVE", "Error: data set does not match SOP Class", "PS3.4 C.4.2.1.5"),
    (
        0xB000,
        0xB000,
        "C-GET C-MOVE",
        "Warning: sub-operations complete, one or more failures or warnings",
        "PS3.4 C.4.2.1.5",
    ),
    (0xC000, 0xCFFF, "C-GET C-MOVE", "Failed: unable to process", "PS3.4 C.4.2.1.5"),
)


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

    Examples
    --------
    >>> Status(0xA801, service="C-MOVE")
    <Status A801H Failure: Refused: move destination unknown>
    >>> Status(0xFF00).is_pending
    True
    """

    service: str
    comment: str | None

    def __new__(cls, code: int, service: str = "", comment: str | None = None) -> Status:
        """Make the status of *code*."""
        self = super().__new__(cls, code)
        self.service = service
        self.comment = comment
        return self

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
        """The meaning in words, in the tables of this service first."""
        for first, last, services, meaning, _ in _ROWS:
            if first <= self <= last and (not services or self.service in services.split()):
                return meaning
        return "not defined by the standard for this service"

    def __str__(self) -> str:
        comment = f" ({self.comment})" if self.comment else ""
        return f"{int(self):04X}H {self.category}: {self.meaning}{comment}"

    def __repr__(self) -> str:
        return f"<Status {self}>"

    def __format__(self, spec: str) -> str:
        return format(int(self), spec) if spec else str(self)


def status_table() -> Table:
    """Every status that nbdicom knows by name, with the section of the standard that defines it."""
    rows = [
        (
            f"{first:04X}H" if first == last else f"{first:04X}H-{last:04X}H",
            str(_category(first)),
            services or "every service",
            meaning,
            source,
        )
        for first, last, services, meaning, source in _ROWS
    ]
    return Table("DIMSE status codes", ("code", "category", "service", "meaning", "standard"), rows)
