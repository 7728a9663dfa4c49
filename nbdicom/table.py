"""One table model for terminal, notebook and DataFrame.

Whatever nbdicom shows as a table is a `Table`: rows of short texts made by the object that knows them, which is `Tabular`.
Text, HTML and pandas are three renderings of the same rows, so none can say more than another.  The meaning is in the
words of the cells: a notebook that is not trusted loses styles, and some readers do not see colours.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas

__all__ = ["STYLE", "Table", "Tabular", "counted", "printable"]

_JOINERS = "\u200c\u200d"
_WORD = 64  #: characters of a cell without spaces that stay on one line: a UID, a time; a path may break
_SENTENCE = 40  #: characters of a cell that wants room in a notebook
_WIDTHS_TOTAL = 118  #: characters of a text table before its widest columns are wrapped


def printable(text: object) -> str:
    r"""*text* with every control character escaped: what a peer sent must not move the cursor or forge a line.

    Spaces of any width and the joiners of Persian and Indic scripts are text.

    >>> print(printable("DOE^JANE\n"))
    DOE^JANE\n
    """
    string = str(text)
    return string if string.isprintable() else "".join(c if _is_text(c) else ascii(c)[1:-1] for c in string)


def _is_text(character: str) -> bool:
    return character.isprintable() or character in _JOINERS or unicodedata.category(character) == "Zs"


def counted(count: int, noun: str) -> str:
    """So many of something, in words that fit the number.

    >>> [counted(1, "query"), counted(2, "query"), counted(0, "match"), counted(3, "series"), counted(2, "file")]
    ['1 query', '2 queries', '0 matches', '3 series', '2 files']
    """
    if count == 1 or noun.endswith("s"):
        return f"{count} {noun}"
    if noun.endswith("y"):
        return f"{count} {noun[:-1]}ies"
    return f"{count} {noun}es" if noun.endswith("ch") else f"{count} {noun}s"


# Colours come from the front end's own variables (JupyterLab, VS Code, Sphinx theme) and end in the system's, so that
# light and dark follow the reader.
STYLE = (
    "<style>.nbd{--nbd-line:var(--jp-border-color1,var(--vscode-panel-border,#9996));"
    "--nbd-ok:var(--jp-success-color1,#1a7f37);--nbd-bad:var(--jp-error-color1,#cf222e);"
    "color:var(--jp-content-font-color1,var(--vscode-editor-foreground,var(--pst-color-text-base,CanvasText)));"
    "font-size:13px}.nbd table{border-collapse:collapse;margin:.4em 0}"
    ".nbd caption{text-align:left;font-weight:600;padding:.2em 0;color:inherit;caption-side:top;white-space:pre-line;"
    "width:max-content;max-width:min(62em,90vw)}"
    ".nbd th,.nbd td{border:1px solid var(--nbd-line);padding:.2em .55em;text-align:left!important;"
    "vertical-align:top;white-space:pre-line;max-width:36em;overflow-wrap:break-word}"
    ".nbd td.long{min-width:8em}.nbd td.word{white-space:nowrap;max-width:none}"
    ".nbd td.ok{color:var(--nbd-ok)}.nbd td.bad{color:var(--nbd-bad)}.nbd p{margin:.3em 0;white-space:pre-line}</style>"
)


@dataclass(frozen=True, slots=True)
class Table:
    """A titled table of short texts.

    Parameters
    ----------
    title : str
        The caption.
    columns : sequence of str
        Column names; `to_frame` uses them as they are.
    rows : sequence of sequences
        One entry per column; None is shown as nothing; a newline starts a new line in the cell.
    notes : sequence of str
        Lines below the table: what the numbers mean, what to try.
    marks : mapping-like sequence of str, optional
        For each row ``"ok"``, ``"bad"`` or ``""``.  It colours the cell under *mark_column*; the words say the same.
    mark_column : str
        The column that carries the mark.
    widths : sequence of int or None, optional
        Characters of each column of the text, None for as many as it needs; by default what fits into a line.

    Examples
    --------
    >>> print(Table("Steps", ("step", "result"), [("resolve", "ok"), ("connect", "refused")]))
    Steps
    step     result
    -------  --------
    resolve  ok
    connect  refused
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[object]]
    notes: Sequence[str] = ()
    marks: Sequence[str] = ()
    mark_column: str = "result"
    widths: Sequence[int | None] = field(default=())

    def _texts(self) -> list[list[str]]:
        return [["" if cell is None else _lines(cell) for cell in row] for row in self.rows]

    def __str__(self) -> str:
        rows = self._texts()
        columns = [printable(name) for name in self.columns]
        widths = list(self.widths) if self.widths else _fit(columns, rows)
        lines = _laid_out(columns, rows, widths)
        return "\n".join([_lines(self.title), *(line.rstrip() for line in lines), *map(_lines, self.notes)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from html import escape

        marks = list(self.marks) or [""] * len(self.rows)
        marked = list(self.columns).index(self.mark_column) if self.mark_column in self.columns else -1
        head = "".join(f"<th scope='col'>{escape(printable(name))}</th>" for name in self.columns)
        body = "".join(
            "<tr>"
            + "".join(
                f"<td{_classes(cell, mark if k == marked else '')}>{escape(cell)}</td>" for k, cell in enumerate(row)
            )
            + "</tr>"
            for row, mark in zip(self._texts(), marks, strict=True)
        )
        notes = "".join(f"<p>{escape(_lines(note))}</p>" for note in self.notes)
        return (
            f"<div class='nbd'>{STYLE}<table><caption>{escape(_lines(self.title))}</caption>"
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{notes}</div>"
        )

    def to_frame(self) -> pandas.DataFrame:
        """The rows as a pandas DataFrame, values as they are (not as texts)."""
        import pandas

        rows: list[list[Any]] = [list(row) for row in self.rows]
        return pandas.DataFrame(rows, columns=list(self.columns))

    def __len__(self) -> int:
        return len(self.rows)


class Tabular:
    """What is shown as its `table`, in a terminal and in a notebook."""

    __slots__ = ()

    def table(self) -> Table:
        """What it is, to look at."""
        raise NotImplementedError

    def __str__(self) -> str:
        return str(self.table())

    def __repr__(self) -> str:
        return str(self.table())

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()

    def to_frame(self) -> pandas.DataFrame:
        """What the table has, as a DataFrame."""
        return self.table().to_frame()


def _classes(cell: str, mark: str) -> str:
    """The classes of a cell: its mark; whether it is a sentence, which no other column may squeeze; or a word, a UID say."""
    names = [mark] if mark else []
    if " " in cell:
        names += ["long"] if len(cell) > _SENTENCE else []
    elif _SENTENCE // 4 < len(cell) <= _WORD and "\n" not in cell:
        names.append("word")
    return f" class='{' '.join(names)}'" if names else ""


def _lines(cell: object) -> str:
    """Escape control characters, but keep the newlines that are ours."""
    return "\n".join(printable(line) for line in str(cell).split("\n"))


def _laid_out(columns: list[str], rows: list[list[str]], widths: list[int | None]) -> list[str]:
    """The lines of a text table."""
    cells = [[text.strip() for text in row] for row in [columns, *rows]]
    if rows and not any(widths) and all(text.isascii() and "\n" not in text for row in cells for text in row):
        # Nothing to wrap, and every character is one column wide: it would come out the same, but loading tabulate takes
        # 30 ms, a sixth of the whole of `nbdicom echo`.
        full = [max(map(len, column)) for column in zip(*cells, strict=True)]
        full = [max(width, len(name) + 2) for width, name in zip(full, cells[0], strict=True)]
        cells.insert(1, ["-" * width for width in full])
        return ["  ".join(text.ljust(width) for text, width in zip(row, full, strict=True)) for row in cells]
    from tabulate import tabulate

    body = tabulate(
        rows, headers=columns, tablefmt="simple", maxcolwidths=widths if rows else None, disable_numparse=True
    )
    return body.splitlines()


def _fit(columns: Sequence[str], rows: list[list[str]]) -> list[int | None]:
    """Widths that keep the table within `_WIDTHS_TOTAL`: the widest columns give way first, but no word is broken.

    A UID that is cut cannot be copied.
    """
    cells = [[name, *(row[k] for row in rows)] for k, name in enumerate(columns)]
    natural = [max(len(line) for cell in column for line in cell.split("\n")) for column in cells]
    floors = [max([16, *(len(word) for cell in column for word in cell.split())]) for column in cells]
    widths = list(natural)
    room = _WIDTHS_TOTAL - 2 * (len(columns) - 1)
    while sum(widths) > room:
        spare = [width - floor for width, floor in zip(widths, floors, strict=True)]
        widest = spare.index(max(spare))
        if spare[widest] <= 0:
            break
        widths[widest] -= 1
    return [None if width >= full else width for width, full in zip(widths, natural, strict=True)]
