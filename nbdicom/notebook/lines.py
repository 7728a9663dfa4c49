"""The rows of a table as lines of a list: which columns, how wide, in which order, and which of them a word is in.

Nothing here is made for a row before somebody looks at it: a table may have a hundred thousand.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Hashable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from nbdicom import privacy
from nbdicom.table import printable

if TYPE_CHECKING:
    import pandas

__all__ = ["Lines", "isolated"]

_MOST_WIDTH = 26  #: characters of a column; all of it is in the details
_HEAD_WIDTH = 18  #: characters of a name that are shown even where its values are shorter
_LOOKED_AT = 500  #: rows that say how wide a column is
_SPACE = "\N{NO-BREAK SPACE}"  # a list box folds ordinary spaces


class Lines:
    """A table, to be listed.

    Columns without any value are left out, and UIDs, which are in the details of a row.

    Examples
    --------
    >>> import pandas
    >>> lines = Lines(pandas.DataFrame({"PatientID": ["B2", "A1"], "StudyInstanceUID": ["1.2", "1.3"]}))
    >>> lines.names, lines.order("PatientID"), lines.matching("a1")
    (['PatientID'], [1, 0], [1])
    """

    def __init__(self, frame: pandas.DataFrame) -> None:
        self._frame = frame
        every = [str(name) for name in frame.columns]
        some = [k for k, name in enumerate(every) if not _is_uid(name) and _has_values(frame.iloc[:, k])]
        self._columns = some or list(range(len(every)))
        self.names = [every[k] for k in self._columns]  #: of the columns that are shown
        self._words: list[str] | None = None
        few = [self.cells(k) for k in range(min(_LOOKED_AT, len(frame)))]
        #: In characters.
        self.widths = [
            min(_MOST_WIDTH, max(min(_HEAD_WIDTH, len(printable(name))), *(len(row[k]) for row in few), 0))
            for k, name in enumerate(self.names)
        ]

    @property
    def head(self) -> str:
        """The names, above their columns."""
        cut = []
        for name, width in zip(map(printable, self.names), self.widths, strict=True):
            cut.append(name if len(name) <= width else "\N{HORIZONTAL ELLIPSIS}" + _end(name, width - 1))
        return self._line(cut)

    def cells(self, position: int) -> list[str]:
        """The texts of a row."""
        named = zip(self.names, self._columns, strict=True)
        return [printable(_shown(name, self._frame.iat[position, column])) for name, column in named]

    def __getitem__(self, position: int) -> str:
        """A row as a line of text."""
        return self._line(self.cells(position))

    def _line(self, cells: Iterable[str]) -> str:
        parts = []
        for cell, width in zip(cells, self.widths, strict=True):
            cut = cell if len(cell) <= width else cell[: width - 1] + "\N{HORIZONTAL ELLIPSIS}"
            padding = _SPACE * (width - len(cut))
            parts.append(isolated(cut.replace(" ", _SPACE)) + padding)
        return (_SPACE * 2).join(parts)

    def matching(self, words: str) -> list[int]:
        """The positions of the rows that have *words* in any of their texts, upper case or lower case."""
        wanted = words.strip().lower()
        if not wanted:
            return list(range(len(self._frame)))
        if self._words is None:
            columns = [_texts(name, self._frame.iloc[:, k]) for name, k in zip(self.names, self._columns, strict=True)]
            self._words = ["\n".join(row).lower() for row in zip(*columns, strict=True)]
        return [k for k, text in enumerate(self._words) if wanted in text]

    def order(self, name: str, *, descending: bool = False) -> list[int]:
        """The positions of all rows in the order of a column: numbers and dates by size, texts by letters, nothing last."""
        from pandas.api.types import is_numeric_dtype, is_object_dtype

        column = self._frame.iloc[:, self._columns[self.names.index(name)]].reset_index(drop=True)
        if is_object_dtype(column.dtype) or not (is_numeric_dtype(column.dtype) or column.dtype.kind == "M"):
            texts = _texts(name, column)
            filled = [k for k, text in enumerate(texts) if text]
            filled.sort(key=lambda k: texts[k].casefold(), reverse=descending)
            return filled + [k for k, text in enumerate(texts) if not text]
        ordered = column.sort_values(kind="stable", ascending=not descending, na_position="last")
        return [int(k) for k in ordered.index]


def isolated(words: str) -> str:
    """*words* that may stand beside others in one line, whichever way they are written.

    Without the marks around it a name from right to left takes the numbers behind it along: they would be seen before it, a
    birth date where the name should be.

    >>> isolated("Doe^Jane"), len(isolated("\N{HEBREW LETTER ALEF}"))
    ('Doe^Jane', 3)
    """
    if words.isascii() or not any(unicodedata.bidirectional(one) in ("R", "AL", "AN") for one in words):
        return words
    return f"\N{FIRST STRONG ISOLATE}{words}\N{POP DIRECTIONAL ISOLATE}"


def _is_uid(name: str) -> bool:
    return name.endswith(("UID", "UIDs")) or name == "SOPClassesInStudy"


def _has_values(column: pandas.Series[Any]) -> bool:
    from nbdicom.peer.frames import shown_text

    found = column[column.notna()]
    return any(shown_text(value) for value in found)


def _shown(name: str, value: Any) -> str:
    from nbdicom.peer.frames import shown_text

    return str(privacy.shown(name, shown_text(value)))


def _texts(name: str, column: pandas.Series[Any]) -> Sequence[str]:
    """The texts of a whole column, by the column where that gives the same and is many times as quick."""
    if not (privacy.is_masked() and privacy.hides(name)):
        quick = _quick_texts(column)
        if quick is not None:
            return quick
    known: dict[Hashable, str] = {}  # values that come again, as most do, are written once
    texts = []
    for value in column.tolist():
        try:
            text = known.get(value)
        except TypeError:  # a list, or a mapping
            texts.append(_shown(name, value))
            continue
        if text is None:
            text = known[value] = _shown(name, value)
        texts.append(text)
    return texts


def _quick_texts(column: pandas.Series[Any]) -> list[str] | None:
    import numpy
    from pandas.api.types import is_integer_dtype, is_string_dtype

    if isinstance(column.dtype, numpy.dtype) and column.dtype.kind == "M":
        times = column.to_numpy()
        seconds = times.astype("datetime64[s]")
        if not ((times == seconds) | numpy.isnat(times)).all():
            return None
        words = numpy.datetime_as_string(seconds)
        return ["" if word == "NaT" else word.replace("T", " ").removesuffix(" 00:00:00") for word in words.tolist()]
    if is_integer_dtype(column.dtype) or (is_string_dtype(column.dtype) and column.dtype != object):
        texts: list[str] = column.astype("string").fillna("").tolist()
        return texts
    return None


def _end(name: str, width: int) -> str:
    """The end of a keyword, which is what tells it from others, from the beginning of a word on.

    >>> _end("ScheduledProcedureStepStartDate", 17), _end("abcdefghij", 4)
    ('StepStartDate', 'ghij')
    """
    words = [k for k in range(len(name) - width, len(name)) if name[k].isupper() and not name[k - 1].isupper()]
    return name[words[0] :] if words else name[-width:]
