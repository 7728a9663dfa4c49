"""Values in words: how a field of a PDU, an item or a command set reads to a person (PS3.7, PS3.8)."""

from __future__ import annotations

from enum import IntEnum

from nbdicom.core.pdu import in_words
from nbdicom.status import Status
from nbdicom.table import printable
from nbdicom.uids import UID

__all__ = ["field_name", "value_in_words"]

_SPELLED = {
    "pdu": "PDU", "ae": "AE", "uid": "UID", "sop": "SOP", "scu": "SCU", "scp": "SCP", "id": "ID", "diag": "diag.",
}  # fmt: skip
_MOST_BYTES = 16


def field_name(name: str) -> str:
    """The name of a field as one reads it.

    >>> field_name("called_ae_title"), field_name("reserved_2")
    ('Called AE title', 'Reserved')
    """
    if not name.islower():
        return name  # it is in words already
    words = [_SPELLED.get(word, word) for word in name.split("_") if not word.isdigit()]
    text = " ".join(words)
    return text[0].upper() + text[1:]


def value_in_words(value: object) -> str:
    """A value in words, with its number or its UID.

    >>> value_in_words(UID("1.2.840.10008.1.2")), value_in_words(bytes(32))
    ('Implicit VR Little Endian (1.2.840.10008.1.2)', '00H, 32 times')
    """
    if value is None:
        return ""
    if isinstance(value, Status):
        return str(value)
    if isinstance(value, UID):
        name = value.name
        return printable(value) if name == value else f"{name} ({printable(value)})"
    if isinstance(value, IntEnum):
        return f"{in_words(type(value), int(value))} ({int(value)})"
    if isinstance(value, bytes | bytearray | memoryview):
        return _bytes_in_words(bytes(value))
    if isinstance(value, tuple):
        return ", ".join(map(value_in_words, value))
    return printable(value)


def _bytes_in_words(value: bytes) -> str:
    if not value:
        return "nothing"
    if not any(value) and len(value) > 1:
        return f"00H, {len(value)} times"
    text = value[:_MOST_BYTES].hex(" ")
    return f"{text} ... ({len(value)} bytes)" if len(value) > _MOST_BYTES else text
