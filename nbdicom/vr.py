"""What is known of tags and value representations without a data dictionary (PS3.5 sections 6.2 and 7)."""

from __future__ import annotations

__all__ = ["ENCODED", "INTEGERS", "NUMBERS", "SINGLE_TEXT", "TEXT", "is_private_creator", "tag_text"]

#: The formats of binary numbers, for `struct`.
NUMBERS = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d", "UV": "Q", "SV": "q", "AT": "HH"}
#: The least and the greatest number of the binary integers.
INTEGERS = {
    "US": (0, 2**16 - 1), "SS": (-(2**15), 2**15 - 1), "UL": (0, 2**32 - 1), "SL": (-(2**31), 2**31 - 1),
    "UV": (0, 2**64 - 1), "SV": (-(2**63), 2**63 - 1),
}  # fmt: skip
SINGLE_TEXT = frozenset({"LT", "ST", "UT", "UR"})  #: one value: a backslash is a character there
ENCODED = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})  #: in the Specific Character Set (PS3.5 6.1.2.3)
TEXT = SINGLE_TEXT | ENCODED | {"AE", "AS", "CS", "DA", "DS", "DT", "IS", "TM", "UI"}


def tag_text(tag: int) -> str:
    """A tag as ``gggg,eeee``, which is the name of an attribute that has no keyword.

    >>> tag_text(0x00091001)
    '0009,1001'
    """
    return f"{tag >> 16:04x},{tag & 0xFFFF:04x}"


def is_private_creator(tag: int) -> bool:
    """Whether the element reserves a block of private ones for a maker (PS3.5 7.8.1)."""
    return bool(tag >> 16 & 1) and 0x10 <= tag & 0xFFFF <= 0xFF
