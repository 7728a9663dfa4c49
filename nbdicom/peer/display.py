"""How a notebook shows a DataFrame of answers: masked while `nbdicom.privacy` says so, and with a line on where it is from.

pandas shows the values of a DataFrame whatever we think of it.  Where IPython does the showing, it asks us first; all
other tables are shown as pandas shows them.  ``print`` and ``repr`` are pandas' own: `DicomAccessor.masked` is for these.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from html import escape
from typing import Any

import pandas as pd

from nbdicom import privacy
from nbdicom.table import printable

__all__ = ["DOUBT", "WHAT_IS_DOUBTFUL", "doubtful_in", "mask_columns", "register", "shown_text"]

DOUBT = " (?)"  #: behind a value that is not in the character set which its answer names
WHAT_IS_DOUBTFUL = (
    "(?) not in the character set that the peer names: guessed, or marked; see df.dicom.doubtful, Peer(charset=)"
)
_REPLACED = "\N{REPLACEMENT CHARACTER}"

_SHOWN = 120  #: rows that are masked for a display; more than pandas shows of a long table


def register(formatter: Any = None) -> None:
    """Have IPython ask us how a DataFrame is shown; without IPython nothing happens.

    Parameters
    ----------
    formatter : IPython.core.formatters.DisplayFormatter, optional
        By default that of the running session.
    """
    if formatter is None:
        ipython = sys.modules.get("IPython")
        shell = ipython.get_ipython() if ipython is not None else None
        formatter = getattr(shell, "display_formatter", None)
        if formatter is None:
            return
    formatter.formatters["text/html"].for_type(pd.DataFrame, _html)
    formatter.formatters["text/plain"].for_type(pd.DataFrame, _plain)
    formatter.formatters["text/plain"].for_type(pd.Series, _plain)


def mask_columns(frame: pd.DataFrame) -> pd.DataFrame:
    """A copy in which names and identifiers are marks, by the names of the columns."""
    copy = frame.copy()
    with privacy.masked():
        for name in copy.columns:
            if privacy.hides(str(name)):
                copy[name] = [str(privacy.shown(str(name), shown_text(value))) for value in copy[name]]
        about = copy.attrs.get("nbdicom")
        if isinstance(about, dict):  # what was asked for, and what was doubtful, may name a person, too
            told = dict(about)
            if "keys" in told:
                told["keys"] = {name: privacy.shown(name, value) for name, value in told["keys"].items()}
            if "doubtful" in told:
                told["doubtful"] = {name: rows for name, rows in told["doubtful"].items() if not privacy.hides(name)}
            copy.attrs["nbdicom"] = told
    return copy


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
    hides = privacy.is_masked() and any(privacy.hides(str(name)) for name in frame.columns)
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
    if shown is frame or len(shown) == len(frame):
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


def _plain(thing: Any, printer: Any, cycle: bool) -> None:
    if isinstance(thing, pd.Series):
        hidden = privacy.is_masked() and privacy.hides(str(thing.name))
        printer.text(repr(mask_columns(thing.head(_SHOWN).to_frame()).iloc[:, 0] if hidden else thing))
        return
    shown, doubtful = _shown(thing)
    text = repr(shown)
    text = text if len(shown) == len(thing) else f"{text.rsplit('[', 1)[0]}[{len(thing)} rows]"
    printer.text(f"{text}\n{WHAT_IS_DOUBTFUL}" if doubtful else text)
