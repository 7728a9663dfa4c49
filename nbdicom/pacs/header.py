"""What the index wants to know of an object: its attributes as they are on the wire, without a library's Dataset."""

from __future__ import annotations

from typing import Any

__all__ = ["read_values"]

_LONGEST = 1024  #: characters of a value that the index keeps


def read_values(data: memoryview, transfer_syntax: str) -> dict[str, Any]:
    """The short attributes of a data set, by keyword, after reading it to its end.

    Raises
    ------
    DataSetError
        If the data set cannot be read to its end.
    """
    from nbdicom.data.flat import decode_columns

    values: dict[str, Any] = {}
    for keyword, (value,) in decode_columns([(data, transfer_syntax)]).items():
        if "," not in keyword and value is not None and not isinstance(value, (bytes, memoryview)):
            values[keyword] = value
    return values
