"""C-FIND answers as a plain pandas DataFrame, and the ``.dicom`` accessor that leads from a table to the next step.

Identifiers go from the wire straight into columns; no pydicom object is made.  ``DataFrame.attrs["nbdicom"]`` says
where a table comes from, in values that JSON knows: pandas copies attrs with every operation, so nothing live may be
in it. This is the module of the peer that needs pandas; importing it registers the accessor.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from nbdicom import privacy
from nbdicom.errors import DataSetError, QueryError
from nbdicom.peer.columns import parse_column
from nbdicom.peer.notices import UndecodableValues, notify
from nbdicom.peer.query import UNIQUE_KEYS, Query, attribute
from nbdicom.table import Table

if TYPE_CHECKING:
    from nbdicom.job import Job
    from nbdicom.peer.peer import Peer
    from nbdicom.peer.results import MoveResult, RetrieveResult

__all__ = ["DicomAccessor", "answer_frame", "plain_frame"]

_KEYS = tuple(UNIQUE_KEYS.values())
_NOT_COLUMNS = frozenset({"QueryRetrieveLevel", "SpecificCharacterSet"})
_SHOWN = 60  #: rows of `DicomAccessor.table`


def answer_frame(
    identifiers: Iterable[tuple[bytes, str]], query: Query, *, provenance: Mapping[str, Any], parse: bool = True
) -> pd.DataFrame:
    """A table of C-FIND answers.

    Parameters
    ----------
    identifiers : iterable of (bytes, str)
        Encoded identifiers with their transfer syntaxes.
    query : Query
        What was asked; its columns come first and are there even if the peer returned none of them.
    provenance : mapping
        For ``attrs["nbdicom"]``.
    parse : bool
        Typed columns: dates as datetime64, whole numbers as Int64, decimal ones as float64, times and names as readable
        text, attributes with several values as tuples, everything else as text.  False leaves the wire's strings, where
        an empty value is ``""`` and an absent attribute is missing.

    Warns
    -----
    UndecodableValues
        Some values are not what their value representation asks for; they are missing in the table.  An answer that
        is no data set at all is left out.
    """
    from nbdicom.data import decode_columns

    pairs = list(identifiers)
    try:
        decoded = decode_columns(pairs)
    except DataSetError:
        readable = [pair for pair in pairs if _is_readable(pair)]
        what = f"{len(pairs) - len(readable)} of {len(pairs)} answers cannot be read as data sets; they are left out"
        notify(UndecodableValues(what), stacklevel=4)
        pairs, decoded = readable, decode_columns(readable)
    count = len(pairs)
    extra = [name for name in decoded if name not in query.columns and name not in _NOT_COLUMNS]
    columns = {}
    for name in (*query.columns, *extra):
        values: Sequence[Any] = decoded.get(name) or [None] * count
        known = attribute(name)
        columns[name] = parse_column(known, values) if parse else _as_it_came(known.vr, values)
    frame = pd.DataFrame(columns, columns=list(columns), index=pd.RangeIndex(count))
    frame.attrs["nbdicom"] = dict(provenance)
    return frame


def _is_readable(pair: tuple[bytes, str]) -> bool:
    from nbdicom.data import decode_columns

    try:
        decode_columns([pair])
    except DataSetError:
        return False
    return True


def _as_it_came(vr: str, values: Sequence[Any]) -> pd.Series[Any]:
    if any(isinstance(value, (int, float, bytes, memoryview)) for value in values):
        return pd.Series([bytes(v) if isinstance(v, memoryview) else v for v in values], dtype="object")
    return pd.Series(["\\".join(map(str, v)) if isinstance(v, tuple) else v for v in values], dtype="string")


def plain_frame(
    records: Sequence[Mapping[str, Any]], *, integers: Iterable[str] = (), provenance: Mapping[str, Any]
) -> pd.DataFrame:
    """The rows of a result as a DataFrame with the types that answers have."""
    frame = pd.DataFrame(list(records))
    for name in frame.columns:
        if name in integers:
            frame[name] = frame[name].astype("Int64")
        elif not pd.api.types.is_bool_dtype(frame[name]) and not frame[name].map(lambda v: isinstance(v, tuple)).any():
            frame[name] = frame[name].astype("string")
    frame.attrs["nbdicom"] = dict(provenance)
    return frame


@pd.api.extensions.register_dataframe_accessor("dicom")
class DicomAccessor:
    """From a table of answers to the next step: its studies, series or instances, and the instances themselves.

    It needs nothing but the key columns, so a table may have been filtered, sorted and joined before.
    """

    def __init__(self, frame: pd.DataFrame) -> None:
        if not any(key in frame.columns for key in _KEYS):
            raise AttributeError(f"no .dicom here: none of the columns is {', '.join(_KEYS)}")
        self._frame = frame

    # ------------------------------------------------------------------------------- where it comes from

    @property
    def provenance(self) -> dict[str, Any]:
        """Where the table comes from: peer, model, level, keys, status, time; empty where that was lost."""
        found = self._frame.attrs.get("nbdicom")
        return dict(found) if isinstance(found, Mapping) else {}

    @property
    def peer(self) -> Peer:
        """The peer that answered, made anew from the provenance.

        Raises
        ------
        QueryError
            If the table no longer says so: merge and CSV drop what pandas keeps in ``attrs``.
        """
        from nbdicom.peer.peer import Peer

        found = self.provenance
        if not found.get("peer"):
            raise QueryError(
                "this table no longer says which peer it came from (merge and CSV drop df.attrs)", hint="pass peer=pacs"
            )
        return Peer.from_provenance(found)

    @property
    def truncated(self) -> bool:
        """Whether the peer has more answers than the table: a limit was reached, ours or its own."""
        return bool(self.provenance.get("truncated"))

    # ------------------------------------------------------------------------------- one step down

    def find(self, level: str, *, peer: Peer | None = None, **keys: Any) -> pd.DataFrame:
        """Ask for *level* below every row, on one association; the arguments are those of `Peer.find`."""
        return (peer or self.peer).find(level, self._frame, **keys)

    def studies(self, *, peer: Peer | None = None, **keys: Any) -> pd.DataFrame:
        """The studies of these patients."""
        return self.find("STUDY", peer=peer, **keys)

    def series(self, *, peer: Peer | None = None, **keys: Any) -> pd.DataFrame:
        """The series of these studies."""
        return self.find("SERIES", peer=peer, **keys)

    def instances(self, *, peer: Peer | None = None, **keys: Any) -> pd.DataFrame:
        """The instances of these series."""
        return self.find("IMAGE", peer=peer, **keys)

    # ------------------------------------------------------------------------------- the instances themselves

    def get(self, to: Any, *, peer: Peer | None = None, **options: Any) -> RetrieveResult:
        """Retrieve by C-GET into the folder *to*; the options are those of `Peer.get`."""
        return (peer or self.peer).get(self._frame, to=to, **options)

    def move(self, to: Any, *, peer: Peer | None = None, **options: Any) -> MoveResult:
        """Have the peer send everything to the AE *to*; the options are those of `Peer.move`."""
        return (peer or self.peer).move(self._frame, to=to, **options)

    def retrieve(
        self, to: Any, method: Literal["auto", "get", "move"] = "auto", *, peer: Peer | None = None, **options: Any
    ) -> RetrieveResult | Job[RetrieveResult]:
        """Retrieve into the folder *to*, by C-GET or C-MOVE; the options are those of `Peer.retrieve`.

        ``wait=False`` returns a `Job`.
        """
        result: RetrieveResult | Job[RetrieveResult]
        result = (peer or self.peer).retrieve(self._frame, to=to, method=method, **options)
        return result

    # ------------------------------------------------------------------------------- to look at

    def table(self, limit: int = _SHOWN) -> Table:
        """The rows with whole UIDs, to read and to copy from; at most *limit* of them."""
        shown = self._frame.head(limit)
        names = [str(name) for name in shown.columns]
        rows = [
            tuple(privacy.shown(name, _shown(value)) for name, value in zip(names, row, strict=True))
            for row in shown.itertuples(index=False)
        ]
        notes = [] if len(shown) == len(self._frame) else [f"... and {len(self._frame) - limit} more rows"]
        return Table(self._caption(), names, rows, notes=notes)

    def show(self) -> Table:
        """The same as `table`, for all rows."""
        return self.table(limit=len(self._frame))

    def masked(self) -> pd.DataFrame:
        """A copy in which names and identifiers are marks (see `nbdicom.privacy`), to be shown to others.

        pandas shows the values of a DataFrame as they are, whatever `privacy.mask` says; this is what to show instead.
        UIDs are kept, so that it can still be retrieved.
        """
        copy = self._frame.copy()
        with privacy.masked():
            for name in copy.columns:
                if privacy.hides(str(name)):
                    copy[name] = [str(privacy.shown(str(name), _shown(value))) for value in copy[name]]
        return copy

    def _caption(self) -> str:
        about, count = self.provenance, len(self._frame)
        text = f"{count} row{'' if count == 1 else 's'}"
        if about.get("peer"):
            text += f", {str(about.get('level') or 'table').lower()} level, from {about['peer']}"
        if about.get("seconds") is not None:
            text += f", {about['seconds']:.2f} s"
        if about.get("status"):
            text += f", {about['status']}"
        return text + (", TRUNCATED: the peer has more" if about.get("truncated") else "")

    def __repr__(self) -> str:
        return str(self.table())

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    if value is None or value is pd.NA or value is pd.NaT or value != value:
        return ""
    if isinstance(value, pd.Timestamp):
        return f"{value:%Y-%m-%d}" if value == value.normalize() else str(value)
    return str(value)
