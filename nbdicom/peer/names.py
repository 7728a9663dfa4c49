"""``.dicom`` of a column: the parts of person names (PS3.5 6.2.1), and what UIDs are called (PS3.6 Annex A)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

from nbdicom.errors import NotDicom
from nbdicom.peer.query import UNIQUE_KEYS
from nbdicom.uids import UID

__all__ = ["ColumnAccessor", "readable"]


def readable(name: str) -> str:
    """A person name as people write it; the ideographic group follows in brackets.

    >>> readable("Köhler^Jürgen^^Dr.")
    'Dr. Jürgen Köhler'
    >>> readable("Yamada^Tarou=山田^太郎=やまだ^たろう")
    'Tarou Yamada (山田 太郎)'
    """
    groups = name.split("=")
    family, given, middle, prefix, suffix = (*groups[0].split("^"), *[""] * 5)[:5]
    text = " ".join(part for part in (prefix, given, middle, family) if part) + (f", {suffix}" if suffix else "")
    other = " ".join(part for part in groups[1].split("^") if part) if len(groups) > 1 else ""
    return f"{text} ({other})" if text and other else text or other


@pd.api.extensions.register_series_accessor("dicom")
class ColumnAccessor:
    """The parts of the names in a column, or the names of the UIDs in it.

    Examples
    --------
    >>> names = pd.Series(["Köhler^Jürgen^^Dr."], dtype="string")
    >>> names.dicom.family[0], names.dicom.given[0], names.dicom.readable[0]
    ('Köhler', 'Jürgen', 'Dr. Jürgen Köhler')
    """

    def __init__(self, column: pd.Series[Any]) -> None:
        if any(key in column.index for key in UNIQUE_KEYS.values()):
            raise NotDicom(
                "a row has no .dicom",
                hint="df.iloc[[0]] is a table of one row; pacs.series(row), pacs.get(row, to=...) take a row",
            )
        if not (pd.api.types.is_string_dtype(column.dtype) or column.dtype == object):
            raise NotDicom("no .dicom here: it is for columns of person names and of UIDs")
        self._column = column

    def _mapped(self, function: Callable[[str], str]) -> pd.Series[Any]:
        values = [function(value) if isinstance(value, str) else pd.NA for value in self._column]
        return pd.Series(values, index=self._column.index, name=self._column.name, dtype="string")

    def _component(self, number: int) -> pd.Series[Any]:
        def part(name: str) -> str:
            parts = name.partition("=")[0].split("^")
            return parts[number] if len(parts) > number else ""

        return self._mapped(part)

    @property
    def readable(self) -> pd.Series[Any]:
        """The names as people write them: prefix, given, middle and family name, suffix."""
        return self._mapped(readable)

    @property
    def family(self) -> pd.Series[Any]:
        """Family names, of the alphabetic group."""
        return self._component(0)

    @property
    def given(self) -> pd.Series[Any]:
        """Given names, of the alphabetic group."""
        return self._component(1)

    @property
    def middle(self) -> pd.Series[Any]:
        """Middle names, of the alphabetic group."""
        return self._component(2)

    @property
    def prefix(self) -> pd.Series[Any]:
        """Name prefixes such as ``"Dr."``."""
        return self._component(3)

    @property
    def suffix(self) -> pd.Series[Any]:
        """Name suffixes such as ``"PhD"``."""
        return self._component(4)

    def _group(self, number: int) -> pd.Series[Any]:
        return self._mapped(lambda name: (*name.split("="), "", "", "")[number])

    @property
    def alphabetic(self) -> pd.Series[Any]:
        """The first component group: the name in letters, as ``"Family^Given"``."""
        return self._group(0)

    @property
    def ideographic(self) -> pd.Series[Any]:
        """The second component group: the name in characters such as Kanji or Hanja."""
        return self._group(1)

    @property
    def phonetic(self) -> pd.Series[Any]:
        """The third component group: how the characters are spoken."""
        return self._group(2)

    @property
    def uid_names(self) -> pd.Series[Any]:
        """What the UIDs are called: SOP Classes, transfer syntaxes; a UID without a name stays as it is."""
        return self._mapped(lambda uid: UID(uid).name)
