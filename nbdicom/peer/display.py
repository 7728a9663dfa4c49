"""How a notebook shows a DataFrame of answers: masked while `nbdicom.privacy` says so, and with a line on where it is from.

pandas shows the values of a DataFrame whatever we think of it.  Where IPython does the showing, it asks us first; all
other tables are shown as pandas shows them.  ``print`` and ``repr`` are pandas' own: `DicomAccessor.masked` is for these.
"""

from __future__ import annotations

import sys
from html import escape
from typing import Any

import pandas as pd

from nbdicom import privacy
from nbdicom.table import printable

__all__ = ["mask_columns", "register"]

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
    from nbdicom.peer.frames import shown_text

    copy = frame.copy()
    with privacy.masked():
        for name in copy.columns:
            if privacy.hides(str(name)):
                copy[name] = [str(privacy.shown(str(name), shown_text(value))) for value in copy[name]]
    return copy


def _shown(frame: pd.DataFrame) -> pd.DataFrame:
    """What may be shown of it now."""
    if not privacy.is_masked() or not any(privacy.hides(str(name)) for name in frame.columns):
        return frame
    if len(frame) > _SHOWN:
        # pandas shows the first and the last rows of it anyway; to mask all of a large table would take seconds.
        frame = pd.concat([frame.head(_SHOWN // 2), frame.tail(_SHOWN // 2)])
    return mask_columns(frame)


def _html(frame: Any) -> str | None:
    shown: Any = _shown(frame)
    html: str | None
    if shown is frame or len(shown) == len(frame):
        html = shown._repr_html_()
    else:
        with pd.option_context("display.show_dimensions", False):
            html = f"{shown._repr_html_()}<p>{len(frame)} rows \N{MULTIPLICATION SIGN} {len(frame.columns)} columns</p>"
    about = frame.attrs.get("nbdicom")
    if html and isinstance(about, dict) and "responses" in about and hasattr(frame, "dicom"):
        html += f"<p>{escape(printable(frame.dicom.caption))}</p>"
    return html


def _plain(thing: Any, printer: Any, cycle: bool) -> None:
    if isinstance(thing, pd.Series):
        hidden = privacy.is_masked() and privacy.hides(str(thing.name))
        printer.text(repr(mask_columns(thing.head(_SHOWN).to_frame()).iloc[:, 0] if hidden else thing))
        return
    shown = _shown(thing)
    text = repr(shown)
    printer.text(text if len(shown) == len(thing) else f"{text.rsplit('[', 1)[0]}[{len(thing)} rows]")
