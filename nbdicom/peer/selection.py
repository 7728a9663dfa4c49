"""What a person points at: a table of answers, some of its rows, a mapping, or UIDs; and the requests that it means.

Retrieval works from the key columns alone (PatientID, StudyInstanceUID, SeriesInstanceUID, SOPInstanceUID), so a
table may have been filtered, joined and sorted in any way before.  pandas is recognised by its shape and not loaded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nbdicom.errors import QueryError
from nbdicom.peer.query import KEYS_BY_NAME, LIST_OF_UIDS, UNIQUE_KEYS, InformationModel, Level, Query, check_number
from nbdicom.peer.values import values_of, wire
from nbdicom.peer.worklist import WorklistQuery
from nbdicom.uids import UID

__all__ = [
    "FIND_BY_NUMBER",
    "Target",
    "asked",
    "check_associations",
    "each_item",
    "keys_above",
    "keys_as_columns",
    "paths_of",
    "queries",
    "records",
    "sop_classes",
    "targets",
]

#: What to try with a list from elsewhere, which has numbers and no UIDs.
FIND_BY_NUMBER = "find the studies by their numbers first: pacs.studies(AccessionNumber=table['AccessionNumber'])"

_KEYS = tuple(UNIQUE_KEYS.values())
_ROWS = dict(zip(_KEYS, ("patients", "studies", "series", "instances"), strict=True))  #: of which a key is unique


@dataclass(frozen=True, slots=True)
class Target:
    """One entity to be retrieved, or several instances of one series (PS3.4 C.4.2.2.1, C.4.3.2.1)."""

    level: Level
    keys: Mapping[str, str | tuple[str, ...]]  #: unique keys down to the level
    expected: int | None = None  #: instances that the table counts for it

    def identifier(self) -> dict[str, str]:
        """The identifier of the C-GET or C-MOVE request."""
        values = {k: value if isinstance(value, str) else "\\".join(value) for k, value in self.keys.items()}
        return {"QueryRetrieveLevel": self.level.value, **values}

    @property
    def instances(self) -> tuple[str, ...]:
        """The instances asked for by name; empty above the IMAGE level."""
        value = self.keys.get("SOPInstanceUID", ())
        return (value,) if isinstance(value, str) else tuple(value)

    @property
    def down_to_series(self) -> dict[str, str]:
        """The unique keys of it; of instances, those of the series that they are in."""
        return {key: str(value) for key, value in self.keys.items() if key != Level.IMAGE.unique_key}

    def single(self, uids: Iterable[str]) -> list[Target]:
        """One target for each of these instances."""
        return [Target(self.level, {**self.keys, "SOPInstanceUID": uid}) for uid in uids]

    def __str__(self) -> str:
        name = {Level.PATIENT: "patient", Level.STUDY: "study", Level.SERIES: "series"}.get(self.level)
        if name == "patient":
            return "patient"  # a Patient ID is nothing for messages and logs
        if name:
            return f"{name} {self.keys[self.level.unique_key]}"
        return f"{len(self.instances)} instances" if len(self.instances) > 1 else f"instance {self.instances[0]}"


def keys_as_columns(frame: Any) -> Any:
    """A DataFrame whose unique keys are columns: `groupby` and `set_index` make labels of rows of what was a column."""
    labels = [name for name in frame.index.names if name in _KEYS and name not in frame.columns]
    return frame.reset_index(level=labels) if labels else frame


def records(selection: Any) -> list[dict[str, Any]]:
    """The rows of a selection as mappings: of a DataFrame, row, column of UIDs, mapping or Dataset, or a list of these.

    Raises
    ------
    QueryError
        If it is none of them, or does not say which of two columns is the key.
    """
    if hasattr(selection, "columns") and hasattr(selection, "to_dict"):
        table = keys_as_columns(selection)
        names = list(table.columns)
        if twice := next((key for key in _KEYS if names.count(key) > 1), None):
            raise QueryError(
                f"the table has {names.count(twice)} columns {twice}", hint="df.loc[:, ~df.columns.duplicated()] has one"
            )
        # As lists: to take the values of a column one by one costs several times as much.
        columns = {name: table.iloc[:, place].tolist() for place, name in enumerate(names) if isinstance(name, str)}
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    if hasattr(selection, "index") and hasattr(selection, "to_dict"):
        if not any(key in selection.index for key in _KEYS) and selection.name in _KEYS:
            return [{selection.name: value} for value in selection]
        return [_labelled(selection.name, selection.to_dict())]
    if hasattr(selection, "_asdict"):
        row = selection._asdict()  # of itertuples
        return [_labelled(row.pop("Index", None), row)]
    if isinstance(selection, Mapping):
        return [dict(selection)]
    if hasattr(selection, "group_dataset"):  # a Dataset, of find(raw=True) or of a file
        return [{element.keyword: element.value for element in selection if element.VR != "SQ"}]
    if hasattr(selection, "to_frame"):
        return records(selection.to_frame())  # a result table of ours
    if isinstance(selection, Iterable) and not isinstance(selection, (str, bytes)):
        return [record for item in selection for record in records(item)]
    raise QueryError(
        f"a {type(selection).__name__} says nothing about what to ask for",
        hint="pass a table of answers, rows of one, or keys: StudyInstanceUID=...",
    )


def keys_above(selection: Any, level: Level, model: InformationModel) -> list[dict[str, str]]:
    """The keys that lead from the rows of a selection to *level*: one mapping for each distinct parent.

    For a STUDY query in the Study Root model that is the PatientID.

    Raises
    ------
    QueryError
        If a row lacks one.
    """
    above = [one.unique_key for one in model.above(level)] or ["PatientID"]
    found = dict.fromkeys(tuple(_keys(record, above, level).items()) for record in records(selection))
    if not found:
        raise QueryError("the table has no rows", hint="nothing was selected, so nothing is asked")
    return [dict(items) for items in found]


def targets(
    selection: Any, keys: Mapping[str, Any], *, level: str | None = None, model: str | None = None
) -> list[Target]:
    """What is to be retrieved.

    Parameters
    ----------
    selection : object, optional
        See `records`; None to use *keys* alone.
    keys : mapping
        Unique keys as a person gives them; a list of values stands for several entities.
    level : str, optional
        By default the deepest level whose key is there in every row.
    model : str, optional
        ``"patient"`` root needs the Patient ID of everything.

    Raises
    ------
    QueryError
        If a key is missing: PS3.4 C.4.2.2.1 wants the unique keys of all levels above.
    """
    rows = [{**row, **keys} for row in (records(selection) if selection is not None else [{}])]
    if stray := [name for name in keys if name not in _KEYS]:
        raise QueryError(
            f"{stray[0]} is not a unique key; a retrieval is asked by {', '.join(_KEYS)} only [PS3.4 C.4.2.2.1]",
            hint="find first, and pass the rows that you want",
        )
    if not rows:
        raise QueryError("the table has no rows", hint="nothing was selected, so nothing is retrieved")
    at = Level.of(level) if level else _deepest(rows)
    root = InformationModel.of(model, at)
    path = [one.unique_key for one in (*root.above(at), at)]
    if at is Level.IMAGE:
        return list(_by_series(rows, path))
    found: dict[tuple[tuple[str, str], ...], int | None] = {}
    for row in rows:
        for one in _each(row, path, at):
            if any(not value or "*" in value or "?" in value for value in one.values()):
                raise QueryError(
                    "a retrieval names one entity; * and ? stand for nothing in it [PS3.4 C.4.2.2.1]",
                    hint="find first, and pass the rows that you want: pacs.patients(...).dicom.get(to=...)",
                )
            found[tuple(one.items())] = _count(row, at)
    return [Target(at, dict(items), count) for items, count in found.items()]


def asked(
    selection: Any, keys: Mapping[str, Any], level: str | None, model: str | None
) -> tuple[list[Target], InformationModel]:
    """What is to be retrieved, see `targets`, and in which model.

    Raises
    ------
    QueryError
        If a key is missing, or there is neither a selection nor a key.
    """
    if selection is None and not keys:
        raise QueryError("nothing was asked for", hint="pass rows of an answer, or keys: StudyInstanceUID=...")
    wanted = targets(selection, keys, level=level, model=model)
    return wanted, InformationModel.of(model, wanted[0].level)


def check_associations(associations: int) -> None:
    """Refuse a number of associations with which nothing can be asked.

    Raises
    ------
    QueryError
        If it is less than 1.
    """
    if associations < 1:
        raise QueryError("associations is how many may be open at once, 1 or more")


def queries(
    level: str | Query | WorklistQuery, selection: Any, keys: Mapping[str, Any], settings: Mapping[str, Any], most: int
) -> Sequence[Query | WorklistQuery]:
    """What is to be found: the query itself if it was made before, else one for each parent in *selection* or *keys*.

    Parameters
    ----------
    level, selection, keys
        See `nbdicom.Peer.find`.
    settings : mapping
        The further arguments of `Query.of`.
    most : int
        How many queries there may be.

    Raises
    ------
    QueryError
        If they do not go together, or are too many.
    """
    if isinstance(level, (Query, WorklistQuery)):
        if keys or selection is not None:
            raise QueryError("a Query is complete", hint="give the keys to Query.of, or to find without a Query")
        return [level]
    at = Level.of(level)
    if selection is None:
        return Query.each(at, **{**settings, **keys}, most=most)
    parents: list[dict[str, Any]] = list(keys_above(selection, at, InformationModel.of(settings["model"], at)))
    check_number(len(parents), most)
    if stray := next((name for name in parents[0] if name in keys), None):
        raise QueryError(f"{stray} is given twice: by the table and as a key")
    return [Query.of(at, **{**settings, **parent, **keys}) for parent in parents]


def each_item(items: Iterable[Any]) -> Iterable[Any]:
    """Lists of files as files; a Dataset can be iterated, too, but is one thing."""
    for item in items:
        if isinstance(item, (list, tuple, set, frozenset)) or (hasattr(item, "__next__") and not hasattr(item, "read")):
            yield from each_item(item)
        else:
            yield item


def sop_classes(selection: Any) -> set[UID]:
    """The SOP Classes that a table names in SOPClassUID or SOPClassesInStudy; empty if any row has none."""
    found: set[UID] = set()
    for row in records(selection) if selection is not None else ():
        value = row.get("SOPClassUID", row.get("SOPClassesInStudy"))
        values = [value] if isinstance(value, str) else list(value) if isinstance(value, (tuple, list)) else []
        values = [uid for text in values for uid in str(text).split("\\") if uid]
        if not values:
            return set()
        found.update(map(UID, values))
    return found


def paths_of(table: Any) -> list[Any]:
    """The files of a table of what was retrieved, of one of its rows, or of its column ``path``.

    Raises
    ------
    QueryError
        If it has none.
    """
    if not hasattr(table, "columns"):
        column = [table["path"]] if "path" in table.index else table.tolist()
    elif "path" in table.columns:
        column = table["path"].tolist()
    else:
        raise QueryError(
            "a table of answers has no files to be stored",
            hint="retrieve first: df.dicom.pull('folder').instances().dicom.store(peer); or df.dicom.move('AET')",
        )
    paths = [path for path in column if _has(path)]
    if not paths:
        raise QueryError("no row of the table has a file", hint="its path column is empty: nothing has arrived")
    return paths


def _labelled(label: Any, row: dict[str, Any]) -> dict[str, Any]:
    """A row of a table, unless its label is a UID that nothing else of it names: of what, only its table knew."""
    labels = label if isinstance(label, tuple) else (label,)
    named = [row.get(key) for key in _KEYS]
    if any(isinstance(one, str) and "." in one and UID(one).is_valid and one not in named for one in labels):
        raise QueryError(
            "the label of this row is a UID, and the row does not say of what",
            hint="df.reset_index() makes a column of the labels: take the row of that table",
        )
    return row


def _deepest(rows: list[dict[str, Any]]) -> Level:
    for one in reversed(Level):
        key = one.unique_key
        missing = sum(not _has(row.get(key)) for row in rows)
        if not missing:
            return one
        if missing < len(rows):  # one level up it would be more than was meant, for every row
            raise QueryError(
                f"{missing} of {len(rows)} rows have no {key}",
                hint="leave these rows out, or say by level= that something larger is meant",
            )
        if names := [str(name) for name in rows[0] if str(name).startswith(f"{key}_")]:
            raise QueryError(
                f"there is no {key}, but {' and '.join(names)}", hint="rename the column that is meant: merge made two of it"
            )
    raise QueryError("none of the key columns is there", hint=_instead(rows[0]) or f"the keys are {', '.join(_KEYS)}")


def _instead(record: Mapping[str, Any]) -> str:
    """What to try with a row that has no unique key at all."""
    if any(_has(record.get(key)) for key in _KEYS):
        return ""
    return FIND_BY_NUMBER if "AccessionNumber" in record else KEYS_BY_NAME if record else ""


def _has(value: Any) -> bool:
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return False
    if isinstance(value, float):
        return value == value
    if isinstance(value, str):
        return bool(value.strip())
    return not (isinstance(value, (list, tuple)) and not value)


def _keys(record: Mapping[str, Any], wanted: Iterable[str], level: Level) -> dict[str, str]:
    """These keys of a row, checked."""
    found = {}
    for key in wanted:
        value = record.get(key)
        if not _has(value):
            raise QueryError(
                f"{level.value} level needs {key} of everything above it, and a row has none [PS3.4 C.4.1.2.1]",
                hint=_instead(record)
                or f"ask for the {_ROWS[key]} first; their table has it as long as you keep its key columns",
            )
        if key == "PatientID" and not isinstance(value, str) and hasattr(value, "__index__"):
            raise QueryError(
                "PatientID is a number here, and may have had zeros in front: those are of somebody else",
                hint="read the file with dtype=str, or nd.read_table(path)",
            )
        found[key] = wire(key, "LO" if key == "PatientID" else "UI", value)
    return found


def _each(row: Mapping[str, Any], path: list[str], level: Level) -> Iterator[dict[str, str]]:
    """One mapping of keys for each entity of a row whose last key may have several values."""
    last = path[-1]
    if not _has(row.get(last)):
        _keys(row, path, level)  # says which one is missing
    for value in values_of(last, row[last]):
        yield _keys({**row, last: value}, path, level)


def _by_series(rows: list[dict[str, Any]], path: list[str]) -> Iterator[Target]:
    series: dict[tuple[tuple[str, str], ...], dict[str, None]] = {}
    for row in rows:
        for one in _each(row, path, Level.IMAGE):
            uid = one.pop("SOPInstanceUID")
            series.setdefault(tuple(one.items()), {})[uid] = None
    for above, instances in series.items():
        uids = tuple(instances)
        for start in range(0, len(uids), LIST_OF_UIDS):
            yield Target(Level.IMAGE, {**dict(above), "SOPInstanceUID": uids[start : start + LIST_OF_UIDS]})


def _count(row: Mapping[str, Any], level: Level) -> int | None:
    value = row.get(f"NumberOf{level.value.capitalize()}RelatedInstances")
    try:
        return int(value) if _has(value) else None  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
