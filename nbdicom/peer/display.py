"""How a notebook shows a DataFrame of answers: masked while `nbdicom.privacy` says so, and with a line on where it is from.

pandas shows the values of a DataFrame whatever we think of it.  Where IPython does the showing, it asks us first; all
other tables are shown as pandas shows them.  ``print`` and ``repr`` are pandas' own: `DicomAccessor.masked` is for these.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

import pandas as pd

from nbdicom import privacy
from nbdicom.shell import running_shell
from nbdicom.table import printable

__all__ = ["DOUBT", "WHAT_IS_DOUBTFUL", "doubtful_in", "mask_columns", "register", "shown_text"]

DOUBT = " (?)"  #: behind a value that is not in the character set which its answer names
WHAT_IS_DOUBTFUL = (
    "(?) not in the character set that the peer names: guessed, or marked; see df.dicom.doubtful, Peer(charset=)"
)
_REPLACED = "\N{REPLACEMENT CHARACTER}"

_OF_A_TAG = frozenset("0123456789abcdefABCDEF,")  #: "gggg,eeee" stands for a keyword where there is none
_SHOWN = 120  #: rows that are masked for a display; more than pandas shows of a long table


def register(formatter: Any = None) -> None:
    """Have IPython ask us how a DataFrame is shown; without IPython nothing happens.

    Parameters
    ----------
    formatter : IPython.core.formatters.DisplayFormatter, optional
        By default that of the running session.
    """
    if formatter is None:
        formatter = getattr(running_shell(), "display_formatter", None)
        if formatter is None:
            return
    formatter.formatters["text/html"].for_type(pd.DataFrame, _html)
    formatter.formatters["text/plain"].for_type(pd.DataFrame, _plain)
    formatter.formatters["text/plain"].for_type(pd.Series, _plain)


def mask_columns(frame: pd.DataFrame) -> pd.DataFrame:
    """A copy in which names and identifiers are marks, by the names of the columns."""
    copy = frame.copy()
    with privacy.masked():
        hidden = _telling_rows(copy)
        for position, label in enumerate(copy.columns):
            column = copy.iloc[:, position]
            if _tells(label):
                copy.isetitem(position, list(map(_mark, column)))
            elif any(hidden):
                values = zip(column, hidden, strict=True)
                copy.isetitem(position, [_mark(v) if hide and not _names(v) else v for v, hide in values])
            elif _has_items(column):
                copy.isetitem(position, list(map(shown_text, column)))
        copy.index, copy.columns = _masked_axis(copy.index), _masked_axis(copy.columns)
        about = copy.attrs.get("nbdicom")
        if isinstance(about, dict):  # what was asked for, and what was doubtful, may name a person, too
            told = dict(about)
            if "keys" in told:
                told["keys"] = {name: privacy.shown(name, value) for name, value in told["keys"].items()}
            if "doubtful" in told:
                told["doubtful"] = {name: rows for name, rows in told["doubtful"].items() if not privacy.hides(name)}
            copy.attrs["nbdicom"] = told
    return copy


def _tells(label: Any) -> bool:
    """Whether a label names what is hidden, also as pandas calls it: ``PatientName_x``, one of several levels."""
    if isinstance(label, tuple):
        return any(map(_tells, label))
    text = str(label)
    return privacy.hides(text) or not privacy.HIDDEN.isdisjoint(text.split("_"))


def _names(value: Any) -> bool:
    """Whether a value of a table is the name of an attribute that is hidden, as `melt` makes one of the name of a column."""
    if not isinstance(value, str):
        return False
    if len(value) == 9 and value[4] == "," and _OF_A_TAG.issuperset(value):
        return True
    return value in privacy.HIDDEN or ("_" in value and _tells(value))


def _telling_rows(frame: pd.DataFrame) -> list[bool]:
    """Which rows are about an attribute that is hidden: by their label (a row, or a table, upright), or by a value."""
    told = [_tells(label) for label in frame.index] if _has_words(frame.index) else [False] * len(frame)
    for position in range(len(frame.columns)):
        column = frame.iloc[:, position]
        if _has_words(column):
            told = [known or _names(value) for known, value in zip(told, column, strict=True)]
    return told


def _mark(value: Any) -> str:
    return str(privacy.shown("PatientID", shown_text(value)))  # whose name it has is of no importance


def _has_words(axis: pd.Index[Any] | pd.Series[Any]) -> bool:
    return axis.dtype == object or axis.dtype == "category" or pd.api.types.is_string_dtype(axis.dtype)


def _has_items(column: pd.Series[Any]) -> bool:
    """Whether there are sequences in it, which have attributes of their own."""
    if column.dtype != object:
        return False
    return any(isinstance(value, tuple) and value and isinstance(value[0], Mapping) for value in column)


def _masked_axis(axis: pd.Index[Any]) -> pd.Index[Any]:
    """Labels of rows or columns, which are values of an attribute after `set_index`, `groupby`, `pivot`."""
    hidden = [name is not None and _tells(name) for name in axis.names]
    if not any(hidden):
        return axis
    if isinstance(axis, pd.MultiIndex):
        levels = [axis.get_level_values(number) for number in range(axis.nlevels)]
        arrays = [list(map(_mark, level)) if hide else level for level, hide in zip(levels, hidden, strict=True)]
        return pd.MultiIndex.from_arrays(arrays, names=axis.names)
    return pd.Index(list(map(_mark, axis)), name=axis.name)


def _tells_somebody(frame: pd.DataFrame) -> bool:
    """Whether there is anything to hide in what is shown of a table."""
    if len(frame) > _SHOWN:
        frame = pd.concat([frame.head(_SHOWN // 2), frame.tail(_SHOWN // 2)])
    names = [*frame.columns, *frame.index.names, *frame.columns.names]
    if any(name is not None and _tells(name) for name in names):
        return True
    return any(_telling_rows(frame)) or any(
        _has_items(frame.iloc[:, position]) for position in range(len(frame.columns))
    )


def doubtful_in(frame: pd.DataFrame) -> pd.DataFrame:
    """See `DicomAccessor.doubtful`."""
    about = frame.attrs.get("nbdicom")
    known = about.get("doubtful", {}) if isinstance(about, dict) else {}
    found: dict[int, Any] = {}
    for position, name in enumerate(frame.columns):
        column, texts = frame.iloc[:, position], frozenset(known.get(name, ()))
        if pd.api.types.is_string_dtype(column.dtype) and column.dtype != object:
            found[position] = (column.isin(texts) | column.str.contains(_REPLACED, regex=False, na=False)).to_numpy(
                bool
            )
        elif texts or column.dtype == object:
            found[position] = [_REPLACED in text or text in texts for text in map(shown_text, column)]
        else:
            found[position] = [False] * len(frame)
    doubtful = pd.DataFrame(found, index=frame.index, dtype=bool)
    doubtful.columns = frame.columns
    return doubtful


def shown_text(value: Any) -> str:
    """A value of a table as people read it; nothing for what is missing."""
    if isinstance(value, (tuple, list)) or type(value).__name__ == "ndarray":  # Parquet gives arrays
        return ", ".join(shown_text(one) for one in value)
    if isinstance(value, Mapping):  # an item of a sequence: a code by its meaning, all else by its attributes
        inner = {name: privacy.shown(str(name), shown_text(one)) for name, one in value.items()}
        return str(inner.get("CodeMeaning") or "; ".join(f"{name}={one}" for name, one in inner.items()))
    if value is None or value is pd.NA or value is pd.NaT or value != value:
        return ""
    if isinstance(value, pd.Timestamp):
        return f"{value:%Y-%m-%d}" if value == value.normalize() else str(value)
    return str(value)


def _shown(frame: pd.DataFrame) -> tuple[pd.DataFrame, bool]:
    """What may be shown of it now, and whether some of it is marked as doubtful."""
    hides = privacy.is_masked() and _tells_somebody(frame)
    about = frame.attrs.get("nbdicom")
    if not hides and not (isinstance(about, dict) and about.get("doubtful")):
        return frame, False
    if len(frame) > _SHOWN:
        # pandas shows the first and the last rows of it anyway; to mask all of a large table would take seconds.
        frame = pd.concat([frame.head(_SHOWN // 2), frame.tail(_SHOWN // 2)])
    doubtful = doubtful_in(frame)
    shown = mask_columns(frame) if hides else frame.copy()
    for position in range(len(frame.columns)):
        doubts = doubtful.iloc[:, position].tolist()
        if any(doubts):
            values = zip(shown.iloc[:, position], doubts, strict=True)
            shown.isetitem(position, [f"{shown_text(one)}{DOUBT}" if doubt else one for one, doubt in values])
    return shown, bool(doubtful.any(axis=None))


def _html(frame: Any) -> str | None:
    shown: Any
    shown, doubtful = _shown(frame)
    html: str | None
    if len(shown) == len(frame):
        html = shown._repr_html_()
    else:
        with pd.option_context("display.show_dimensions", False):
            html = f"{shown._repr_html_()}<p>{len(frame)} rows \N{MULTIPLICATION SIGN} {len(frame.columns)} columns</p>"
    about = frame.attrs.get("nbdicom")
    if html and isinstance(about, dict) and "responses" in about and hasattr(frame, "dicom"):
        html += f"<p>{escape(printable(frame.dicom.caption))}</p>"
    if html and doubtful:
        html += f"<p>{escape(WHAT_IS_DOUBTFUL)}</p>"
    return html


def _obeyed_by_no_terminal(text: str) -> str:
    """What pandas lets through, a terminal would do: control characters are how a peer would say what."""
    return "\n".join(map(printable, text.split("\n")))


def _plain(thing: Any, printer: Any, cycle: bool) -> None:
    if isinstance(thing, pd.Series):
        if privacy.is_masked() and _tells_somebody(thing.to_frame()):
            name, thing = thing.name, mask_columns(thing.head(_SHOWN).to_frame()).iloc[:, 0]
            thing.name = name
        printer.text(_obeyed_by_no_terminal(repr(thing)))
        return
    shown, doubtful = _shown(thing)
    text = repr(shown)
    text = text if len(shown) == len(thing) else f"{text.rsplit('[', 1)[0]}[{len(thing)} rows]"
    text = _obeyed_by_no_terminal(text)
    printer.text(f"{text}\n{WHAT_IS_DOUBTFUL}" if doubtful else text)
