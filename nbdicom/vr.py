"""What is known of value representations without a data dictionary (PS3.5 section 6.2)."""

from __future__ import annotations

__all__ = ["ENCODED", "INTEGERS", "NUMBERS", "SINGLE_TEXT", "TEXT"]

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
