"""Rows of a table back to DICOM, and whole tables to files and back."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from nbdicom.errors import QueryError
from nbdicom.peer.columns import as_sent, parse_column
from nbdicom.peer.query import Attribute, attribute
from nbdicom.peer.values import wire

if TYPE_CHECKING:
    from pydicom import Dataset

    from nbdicom.peer.peer import Peer

__all__ = ["datasets_of", "read_table", "save"]

_EXPLICIT = "1.2.840.10008.1.2.1"
_ITEM = re.compile(r"'[^']*'|[-+.\de]+")  # of a tuple, as pandas writes it to CSV
_WHOLE_NUMBERS = frozenset({"IS", "US", "UL", "SS", "SL", "SV", "UV"})


def datasets_of(frame: pd.DataFrame) -> list[Dataset]:
    """The rows as Datasets: what is missing is left out, ``""`` is an attribute without a value.

    Raises
    ------
    QueryError
        If a column is no attribute, or has a value that its VR does not allow.
    """
    from nbdicom.data import codec, encode_elements

    known = [attribute(str(name)) for name in frame.columns]
    columns = [frame.iloc[:, place].tolist() for place in range(len(known))]
    return [
        codec.decode(
            encode_elements(
                {one.keyword: _wire(one, value) for one, value in zip(known, row, strict=True) if not _is_missing(value)},
                _EXPLICIT,
            ),
            _EXPLICIT,
        )
        for row in zip(*columns, strict=True)
    ]


def _wire(known: Attribute, value: Any) -> Any:
    if known.vr == "SQ":
        return [{name: _wire(attribute(name), one) for name, one in item.items()} for item in value]
    if isinstance(value, (tuple, list)) or type(value).__name__ == "ndarray":  # Parquet gives arrays
        return tuple(as_sent(known.vr, one) for one in value)  # to `wire` two dates would be a range
    value = as_sent(known.vr, value)
    if isinstance(value, float) and value.is_integer() and known.vr in _WHOLE_NUMBERS:
        return int(value)  # what pandas makes of whole numbers when some are missing
    if isinstance(value, (bytes, int, float)):
        return value
    return wire(known.keyword, known.vr, value)


def _is_missing(value: Any) -> bool:
    if value is None or value is pd.NA or value is pd.NaT:
        return True
    return (isinstance(value, float) and value != value) or (isinstance(value, tuple) and not value)


# ------------------------------------------------------------------------------- files


def save(frame: pd.DataFrame, path: str | Path) -> None:
    """See `DicomAccessor.save`."""
    target = Path(path).expanduser()
    labels = [name for name in frame.index.names if name is not None and name not in frame.columns]
    copy = frame.reset_index(level=labels) if labels else frame.copy()  # a label that has a name is a column, too
    kind = _kind(target)
    for name in copy.columns:
        known = _known(str(name))
        if known is None:
            continue
        if known.vr == "SQ":
            copy[name] = pd.Series(
                [None if _is_missing(v) else json.dumps(_plain(v)) for v in copy[name]],
                index=copy.index,
                dtype="string",
            )
        elif known.multiple and kind == "csv":
            copy[name] = ["\\".join(map(str, v)) if isinstance(v, (tuple, list)) else v for v in copy[name]]
    if kind == "csv":
        copy.to_csv(target, index=False)
    else:
        copy.to_parquet(target, index=False)


def read_table(path: str | Path, *, peer: Peer | None = None) -> pd.DataFrame:
    """Read a table of answers that was saved as CSV or Parquet, with the types that it had.

    pandas alone would read the Patient ID ``"00471"`` as the number 471.  Columns that are no DICOM attributes are read as
    text.

    Parameters
    ----------
    path : str or Path
        The file; ``.csv`` (also compressed) or ``.parquet``.
    peer : Peer, optional
        Whom ``.dicom`` shall ask; CSV does not say where a table comes from.

    Raises
    ------
    QueryError
        If the ending is neither, or the file is no CSV in UTF-8.

    Examples
    --------
    >>> studies = read_table("cohort.csv", peer=pacs)  # doctest: +SKIP
    """
    import nbdicom.peer.frames  # noqa: F401  registers .dicom

    source = Path(path).expanduser()
    if _kind(source) == "csv":
        frame = _read_csv(source)
    else:
        frame = pd.read_parquet(source)
    for name in frame.columns:
        known = _known(str(name))
        text = known is None or known.vr in ("DT", "TM", "PN")  # readable already
        if known is not None and (known.vr == "SQ" or known.multiple or (_kind(source) == "csv" and not text)):
            frame[name] = parse_column(known, [_stored(known, value) for value in frame[name]])
    if peer is not None:
        frame.attrs["nbdicom"] = {**frame.attrs.get("nbdicom", {}), **peer.provenance(None, None)}
    return frame


def _read_csv(source: Path) -> pd.DataFrame:
    try:
        names = [str(name) for name in pd.read_csv(source, nrows=0, index_col=False).columns]
        # Half of the world has a decimal comma, and its spreadsheets put semicolons between the columns of a CSV file.
        between = next((one for one in ";\t" if len(names) == 1 and one in names[0]), ",")
        # Without index_col a comma too many at the end of the lines would move every value one column on.
        frame = pd.read_csv(
            source, sep=between, dtype="string", keep_default_na=False, skipinitialspace=True, index_col=False
        )
        return frame.rename(columns=str.strip)
    except UnicodeDecodeError:
        problem, hint = (
            "is not text in UTF-8",
            "save it as CSV UTF-8; pandas.read_csv(encoding=, dtype=str) reads others",
        )
    except pd.errors.EmptyDataError:
        problem, hint = "is empty", "its first line names the columns, such as StudyInstanceUID"
    except pd.errors.ParserError as error:
        problem, hint = f"cannot be read as CSV: {str(error).strip()}", "the lines have different numbers of columns"
    raise QueryError(f"{source.name} {problem}", hint=hint)


def _kind(path: Path) -> str:
    endings = [one.lower() for one in path.suffixes]
    if ".csv" in endings:
        return "csv"
    if endings[-1:] in ([".parquet"], [".pq"]):
        return "parquet"
    raise QueryError(
        f"a table is saved as .csv or .parquet, and this ends in {path.suffix!r}",
        hint="pandas.read_excel(path, dtype=str) and the like read other files; .dicom works with what they give, too",
    )


def _known(name: str) -> Attribute | None:
    try:
        return attribute(name)
    except QueryError:
        return None


def _plain(value: Any) -> Any:
    """A sequence in what JSON knows."""
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(one) for one in value]
    return value if isinstance(value, (str, int, float)) else bytes(value).hex()


def _stored(known: Attribute, value: Any) -> Any:
    """A value of a file as `parse_column` takes it."""
    if value is None or value is pd.NA:
        return None
    if known.vr == "SQ":
        return _sequence(known, value) if value else ""
    if isinstance(value, str):
        if known.multiple and value[:1] + value[-1:] == "()":
            items = _ITEM.findall(value)
            if ", ".join(items) == value[1:-1].removesuffix(","):
                value = "\\".join(one.strip("'") for one in items)
        if known.multiple and "\\" in value:
            return tuple(as_sent(known.vr, one) for one in value.split("\\"))
        return as_sent(known.vr, value)
    return tuple(as_sent(known.vr, one) for one in value) if hasattr(value, "__iter__") else value


def _sequence(known: Attribute, text: str) -> Any:
    try:
        return _tuples(json.loads(text))
    except ValueError:
        hint = "save the table by df.dicom.save: what pandas writes of a sequence cannot be read again"
        raise QueryError(f"{known.keyword} has values that are no sequence in JSON", hint=hint) from None


def _tuples(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(map(_tuples, value))
    return {key: _tuples(one) for key, one in value.items()} if isinstance(value, dict) else value
