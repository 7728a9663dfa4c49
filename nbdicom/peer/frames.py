"""C-FIND answers as a plain pandas DataFrame, and the ``.dicom`` accessor that leads from a table to the next step.

Identifiers go from the wire straight into columns; no pydicom object is made.  ``DataFrame.attrs["nbdicom"]`` says
where a table comes from, in values that JSON knows: pandas copies attrs with every operation, so nothing live may be
in it. This is the module of the peer that needs pandas; importing it registers the accessor.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

import nbdicom.peer.names  # noqa: F401  registers .dicom of columns
from nbdicom import privacy
from nbdicom.errors import DataSetError, NotDicom, QueryError
from nbdicom.peer.columns import parse_column
from nbdicom.peer.display import DOUBT, WHAT_IS_DOUBTFUL, doubtful_in, mask_columns, register, shown_text
from nbdicom.peer.notices import UndecodableValues, notify, unreadable
from nbdicom.peer.query import UNIQUE_KEYS, attribute
from nbdicom.peer.selection import FIND_BY_NUMBER, keys_as_columns, paths_of
from nbdicom.table import Table, Tabular, counted

if TYPE_CHECKING:
    from pathlib import Path

    from pydicom import Dataset

    from nbdicom.job import Job
    from nbdicom.peer.peer import Peer
    from nbdicom.peer.plots import Plots
    from nbdicom.peer.pulled import PullResult
    from nbdicom.peer.results import MoveResult, RetrieveResult, StoreResult

__all__ = ["DicomAccessor", "answer_frame", "has_nothing", "plain_frame", "shown_text"]

_KEYS = tuple(UNIQUE_KEYS.values())
_NOT_COLUMNS = frozenset({"QueryRetrieveLevel", "SpecificCharacterSet"})
_STEP = "ScheduledProcedureStepSequence"
_UID_LENGTH = 64  #: PS3.5 9.1
_SHOWN = 60  #: rows of `DicomAccessor.table`


def answer_frame(
    identifiers: Iterable[tuple[bytes, str]],
    wanted: Sequence[str],
    *,
    provenance: Mapping[str, Any],
    parse: bool = True,
    charset: str | None = None,
) -> pd.DataFrame:
    """A table of C-FIND answers.

    Parameters
    ----------
    identifiers : iterable of (bytes, str)
        Encoded identifiers with their transfer syntaxes.
    wanted : sequence of str
        The columns that were asked for; they come first and are there even if the peer returned none of them.
    provenance : mapping
        For ``attrs["nbdicom"]``; how many values of each column were empty or absent is added to it.
    parse : bool
        Typed columns: dates as datetime64, whole numbers as Int64, decimal ones as float64, times and names as readable
        text, attributes with several values as tuples, sequences as tuples of mappings, everything else as text.  In text
        an empty value is ``""`` and an absent attribute is missing.  False leaves the wire's strings, where that is so in
        every column.
    charset : str, optional
        The Specific Character Set of answers that name none.

    Warns
    -----
    UndecodableValues
        Some values are not what their value representation or their character set asks for; they are missing in the
        table, or marked with U+FFFD.  An answer that is no data set at all is left out.
    """
    from nbdicom.data import decode_columns

    pairs = list(identifiers)
    doubtful: dict[str, list[int]] = {}
    options: dict[str, Any] = {"fallback_charset": charset, "sequences": True, "doubtful": doubtful}
    try:
        decoded = decode_columns(pairs, **options)
    except DataSetError:
        readable, lost = list[tuple[bytes, str]](), list[tuple[bytes, str]]()
        for pair in pairs:
            (readable if _is_readable(pair) else lost).append(pair)
        notify(unreadable(lost, len(pairs)))
        doubtful.clear()
        pairs, decoded = readable, decode_columns(readable, **options)
    if doubtful:
        names = ", ".join(f"{len(rows)} of {name}" for name, rows in doubtful.items())
        what = f"values that are not in the character set which the peer names, or it names none: {names}"
        hint = (
            "guessed, or marked with \N{REPLACEMENT CHARACTER}; df.dicom.doubtful says which, and "
            "Peer(..., charset='ISO_IR 100') how to read them"
        )
        notify(UndecodableValues(f"{what}; {hint}"))
    if _STEP in decoded:
        decoded, doubtful = _steps(decoded, doubtful)
    count = len(next(iter(decoded.values()), pairs))
    extra = [name for name in decoded if name not in wanted and name not in _NOT_COLUMNS]
    columns = {}
    missing: dict[str, list[int]] = {}
    for name in (*wanted, *extra):
        values: Sequence[Any] = decoded.get(name) or [None] * count
        known = attribute(name)
        columns[name] = parse_column(known, values) if parse else _as_it_came(known.vr, values)
        empty, absent = values.count(""), values.count(None)
        if empty or absent:
            missing[name] = [empty, absent]
    frame = pd.DataFrame(columns, columns=list(columns), index=pd.RangeIndex(count))
    about: dict[str, Any] = {**provenance, **({"missing": missing} if missing else {})}
    if doubtful:
        about["doubtful"] = {
            name: sorted({shown_text(columns[name].iloc[row]) for row in rows})
            for name, rows in doubtful.items()
            if name in columns
        }
    frame.attrs["nbdicom"] = about
    return frame


def _steps(
    decoded: Mapping[str, list[Any]], doubtful: Mapping[str, list[int]]
) -> tuple[dict[str, list[Any]], dict[str, list[int]]]:
    """A worklist: one row for each Scheduled Procedure Step, its attributes beside those of the answer (PS3.4 K.6.1).

    And the rows of what is doubtful; in a step that is what is not ASCII.
    """
    nothing: tuple[dict[str, Any], ...] = ({},)
    items = [item for value in decoded[_STEP] for item in (value or nothing)]
    counts = [len(value) if value else 1 for value in decoded[_STEP]]
    names = dict.fromkeys(name for item in items for name in item)
    flat = {
        name: [one for one, count in zip(values, counts, strict=True) for _ in range(count)]
        for name, values in decoded.items()
        if name != _STEP
    }
    inner = {name: [item.get(name) for item in items] for name in names}
    answers = [answer for answer, count in enumerate(counts) for _ in range(count)]
    rows = {
        name: [row for row, answer in enumerate(answers) if answer in doubted]
        for name, doubted in ((name, set(one)) for name, one in doubtful.items())
    }
    for row in rows.pop(_STEP, ()):
        for name, values in inner.items():
            if not shown_text(values[row]).isascii():
                rows.setdefault(name, []).append(row)
    return {**flat, **inner}, rows


def has_nothing(column: pd.Series[Any]) -> bool:
    """Whether no row has a value there."""
    return not any(
        (len(value) > 0 if isinstance(value, (str, tuple)) else True) for value in column[column.notna()].tolist()
    )


def _is_readable(pair: tuple[bytes, str]) -> bool:
    from nbdicom.data import decode_columns

    try:
        decode_columns([pair])
    except DataSetError:
        return False
    return True


def _as_it_came(vr: str, values: Sequence[Any]) -> pd.Series[Any]:
    if vr == "SQ" or any(isinstance(value, (int, float, bytes, memoryview)) for value in values):
        return pd.Series([bytes(v) if isinstance(v, memoryview) else v for v in values], dtype="object")
    return pd.Series(["\\".join(map(str, v)) if isinstance(v, tuple) else v for v in values], dtype="string")


def plain_frame(
    records: Sequence[Mapping[str, Any]],
    *,
    integers: Iterable[str] = (),
    provenance: Mapping[str, Any],
    columns: list[str] | None = None,
) -> pd.DataFrame:
    """The rows of a result as a DataFrame with the types that answers have, and *columns* also where no row has a value."""
    frame = pd.DataFrame(list(records), columns=columns)
    for name in frame.columns:
        if name in integers:
            frame[name] = frame[name].astype("Int64")
        elif not pd.api.types.is_bool_dtype(frame[name]) and not frame[name].map(lambda v: isinstance(v, tuple)).any():
            frame[name] = frame[name].astype("string")
    frame.attrs["nbdicom"] = dict(provenance)
    return frame


# pandas cuts what is longer than 50 characters, and a UID that is cut cannot be copied.  Who has chosen a width keeps it.
if pd.get_option("display.max_colwidth") == 50:
    pd.set_option("display.max_colwidth", _UID_LENGTH + 2)


@pd.api.extensions.register_dataframe_accessor("dicom")
class DicomAccessor(Tabular):
    """From a table of answers to the next step: its studies, series or instances, and the instances themselves.

    It needs nothing but the key columns, so a table may have been filtered, sorted and joined before.
    """

    def __init__(self, frame: pd.DataFrame) -> None:
        if not any(key in frame.columns or key in frame.index.names for key in _KEYS):
            if not len(frame.columns):
                # `frame[mask]` of an empty table: without rows `map` gives objects, and pandas looks for columns.
                hint = "there are no columns: a mask that chooses rows is .astype(bool)"
            elif "AccessionNumber" in frame.columns:
                hint = FIND_BY_NUMBER
            else:
                hint = "keep the key columns of an answer, or name a column as DICOM does: df.rename(columns=...)"
            raise NotDicom(f"no .dicom here: none of the columns is {', '.join(_KEYS)}", hint=hint)
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
        """Whether the peer has more answers than the table: a limit was reached, ours or its own, or the answers broke off.

        Of answers that broke off, ``provenance["incomplete"]`` says why.
        """
        return bool(self.provenance.get("truncated"))

    @property
    def missing(self) -> Table:
        """What the answers did not have: for each column how many were empty, and how many had no such attribute.

        An attribute that is absent everywhere is one that the peer does not know as a return key.  The counts are those
        of the whole answer, also where rows were selected since.
        """
        counts = self.provenance.get("missing") or {}
        total = self.provenance.get("responses")
        rows = [(name, empty, absent) for name, (empty, absent) in counts.items()]
        return Table(f"Missing values in {total} answers", ("attribute", "empty", "absent"), rows)

    @property
    def doubtful(self) -> pd.DataFrame:
        """Where the text is not what the peer meant, for certain or perhaps: True and False in the shape of the table.

        What could not be decoded has U+FFFD in it.  Where an answer named no character set although it needs one, or
        another one, its text is a guess: `Peer(..., charset=)` says how to read it.

        Examples
        --------
        >>> df[df.dicom.doubtful.any(axis=1)]  # doctest: +SKIP
        """
        return doubtful_in(self._frame)

    def datasets(self) -> list[Dataset]:
        """The rows as pydicom Datasets, made from what the table has; ``find(raw=True)`` gives those that came."""
        from nbdicom.peer.rows import datasets_of

        return datasets_of(keys_as_columns(self._frame))

    def save(self, path: str | Path) -> None:
        """Save the table as CSV or Parquet, by the ending of *path*; `nbdicom.read_table` reads it again.

        Unlike pandas' own CSV, several values are written as DICOM writes them and sequences as JSON.  Parquet keeps the
        provenance, and empty apart from absent; CSV does not.
        """
        from nbdicom.peer.rows import save

        save(self._frame, path)

    # ------------------------------------------------------------------------------- one step down

    def find(self, level: str, *, peer: Peer | None = None, **keys: Any) -> pd.DataFrame:
        """Ask for *level* below every row, on one association; the arguments are those of `Peer.find`."""
        found: pd.DataFrame = (peer or self.peer).find(level, self._frame, **keys)
        return found

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

    def pull(self, to: Any, *, peer: Peer | None = None, **options: Any) -> PullResult | Job[PullResult]:
        """Bring everything into the folder *to*, with proof that it is complete; the options are those of `Peer.pull`.

        The same call again fetches what is missing, and nothing else.
        """
        result: PullResult | Job[PullResult]
        result = (peer or self.peer).pull(self._frame, to=to, **options)
        return result

    def store(self, peer: Peer, **options: Any) -> StoreResult:
        """Send the files of the table to another peer (C-STORE): its ``path`` column says where they are.

        The options are those of `Peer.store`.

        Raises
        ------
        QueryError
            If the table has no ``path`` column: retrieve first, and use ``result.to_frame()``.
        """
        return peer.store(paths_of(self._frame), **options)

    # ------------------------------------------------------------------------------- to look at

    @property
    def plot(self) -> Plots:
        """Plots in one call each: ``.plot.modalities()``, ``.plot.over_time()``, ``.plot.sizes()``."""
        from nbdicom.peer.plots import Plots

        return Plots(self._frame)

    def table(self, limit: int = _SHOWN) -> Table:
        """The rows with whole UIDs, to read and to copy from; at most *limit* of them."""
        shown = self._frame.head(limit)
        names = [str(name) for name in shown.columns]
        doubtful = doubtful_in(shown)
        rows = [
            tuple(
                f"{privacy.shown(name, shown_text(value))}{DOUBT if doubt else ''}"
                for name, value, doubt in zip(names, row, doubts, strict=True)
            )
            for row, doubts in zip(shown.itertuples(index=False), doubtful.itertuples(index=False), strict=True)
        ]
        notes = [] if len(shown) == len(self._frame) else [f"... and {len(self._frame) - limit} more rows"]
        if doubtful.any(axis=None):
            notes.append(WHAT_IS_DOUBTFUL)
        return Table(self.caption, names, rows, notes=notes)

    def show(self) -> Table:
        """The same as `table`, for all rows."""
        return self.table(limit=len(self._frame))

    def masked(self) -> pd.DataFrame:
        """A copy in which names and identifiers are marks (see `nbdicom.privacy`), to be shown to others.

        A notebook shows tables masked by itself while `privacy.mask` says so; this is for what is printed or saved.
        UIDs are kept, so that it can still be retrieved.
        """
        return mask_columns(self._frame)

    @property
    def caption(self) -> str:
        """One line: how many rows, of what, from whom, with which final status, complete or not."""
        about, count = self.provenance, len(self._frame)
        text = counted(count, "row")
        if about.get("peer"):
            text += f", {str(about.get('level') or 'table').lower()} level, from {about['peer']}"
        if about.get("seconds") is not None:
            text += f", {about['seconds']:.2f} s"
        if about.get("divided"):
            text += f", asked in {about['queries']} queries"
        if about.get("incomplete"):
            return f"{text}, INCOMPLETE: {about['incomplete']}"
        if about.get("status"):
            text += f", {about['status'].removesuffix(': Success')}"
        return text + (", TRUNCATED: the peer has more" if about.get("truncated") else "")


register()
