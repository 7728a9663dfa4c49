"""``nbdicom find``, ``get``, ``pull``, ``move`` and ``store``: what a `Peer` does, for scripts.

The answer goes to stdout and nothing else does; the exit status is 0 where all of it succeeded.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from nbdicom.cli.parser import settings_of
from nbdicom.cli.records import plain, write_records
from nbdicom.core.extended import QueryOptions
from nbdicom.errors import WHERE_RESULTS_ARE, NbdicomError, QueryError
from nbdicom.peer.notices import IncompleteTransfer
from nbdicom.peer.peer import Peer
from nbdicom.peer.query import attribute
from nbdicom.table import printable

if TYPE_CHECKING:
    import pandas

__all__ = ["run"]

#: What a terminal has room for; --json and --csv have everything.
_TEXT_COLUMNS = {
    "PATIENT": ("PatientName", "PatientID", "PatientBirthDate", "PatientSex"),
    "STUDY": ("PatientName", "PatientID", "StudyDate", "ModalitiesInStudy", "StudyDescription", "StudyInstanceUID"),
    "SERIES": ("SeriesNumber", "Modality", "SeriesDescription", "NumberOfSeriesRelatedInstances", "SeriesInstanceUID"),
    "IMAGE": ("InstanceNumber", "SOPInstanceUID"),
    "WORKLIST": (
        "ScheduledProcedureStepStartDate", "ScheduledProcedureStepStartTime", "Modality", "ScheduledStationAETitle",
        "PatientName", "PatientID", "AccessionNumber", "ScheduledProcedureStepDescription",
    ),
}


class _Shown(Protocol):
    """A result: it is text, it is a DataFrame, and it knows whether it is complete."""

    @property
    def summary(self) -> str: ...

    @property
    def hints(self) -> tuple[str, ...]: ...

    def __bool__(self) -> bool: ...

    def to_frame(self) -> pandas.DataFrame: ...


def run(options: argparse.Namespace) -> int:
    """Do what the sub-command says."""
    warnings.simplefilter("ignore", IncompleteTransfer)  # it is said once, as an error
    peer = Peer(options.peer, **settings_of(options))
    work = {"find": _find, "get": _get, "pull": _pull, "move": _move, "store": _store}[options.command]
    return work(peer, options)


def _find(peer: Peer, options: argparse.Namespace) -> int:
    keys, columns = _keys(options.key)
    matched = list(keys)
    level = options.level or "STUDY"
    asked = QueryOptions(
        relational=options.relational,
        fuzzy=options.fuzzy,
        date_time=options.date_time,
        timezone=options.timezone,
        enhanced_conversion=options.enhanced_conversion,
    )
    parse = options.shape is None
    problem: NbdicomError | None = None
    try:
        if level.strip().upper() == "WORKLIST":
            if asked != QueryOptions() or options.model or options.complete:
                raise QueryError("a worklist has one information model, and is asked without options")
            _flatten(keys, columns)
            frame = peer.worklist(limit=options.limit, columns=columns, parse=parse, **keys)
        else:
            frame = peer.find(
                level, limit=options.limit, complete=options.complete, columns=columns, parse=parse, model=options.model,
                relational=asked.relational, options=asked if asked != QueryOptions() else None, **keys,
            )  # fmt: skip
    except NbdicomError as error:
        if error.results is None:
            raise
        frame, problem = error.results, error  # what had come is shown, and then why it is not all
    if parse:
        wanted = (*_TEXT_COLUMNS[frame.attrs["nbdicom"]["level"]], *matched, *columns)
        print(frame[[name for name in dict.fromkeys(wanted) if name in frame]].dicom.show())
    else:
        several = {str(name) for name in frame.columns if attribute(str(name)).multiple}
        records = [
            {str(name): _listed(value) if str(name) in several else plain(value) for name, value in row.items()}
            for row in frame.astype(object).to_dict("records")
        ]
        write_records(records, options.shape, list(map(str, frame.columns)))
    if problem is None:
        return 0
    if options.debug:
        raise problem
    words = str(problem).replace(WHERE_RESULTS_ARE, "they are printed above")
    print(f"nbdicom: error: {printable(words)}", file=sys.stderr)
    return 1


def _flatten(keys: dict[str, Any], columns: list[str]) -> None:
    """The attributes of the scheduled step are plain keys here; where they are given in its sequence, they become so."""
    for name in [name for name in keys if attribute(name).keyword == "ScheduledProcedureStepSequence"]:
        given = keys.pop(name)
        for keyword, value in (given[0] if isinstance(given, list) else {}).items():
            if value:
                keys[keyword] = value
            else:
                columns.append(keyword)


def _get(peer: Peer, options: argparse.Namespace) -> int:
    keys = _unique_keys(options.key)
    return _result(peer.get(to=options.to, **_how(options), **keys), options)


def _pull(peer: Peer, options: argparse.Namespace) -> int:
    keys = _unique_keys(options.key)
    cohort = None
    if options.cohort:
        from nbdicom.peer.rows import read_table

        cohort = read_table(options.cohort)
    result = peer.pull(
        cohort,
        to=options.to,
        method="move" if options.move else "auto",
        listen=options.listen,
        tries=0 if options.check else 3,
        recheck=options.recheck,
        **_how(options),
        **keys,
    )
    return _result(result, options)


def _move(peer: Peer, options: argparse.Namespace) -> int:
    keys = _unique_keys(options.key)
    return _result(peer.move(to=options.to, **_how(options), **keys), options)


def _how(options: argparse.Namespace) -> dict[str, Any]:
    """What all retrievals are told."""
    return {"level": options.level, "model": options.model, "associations": options.associations}


def _store(peer: Peer, options: argparse.Namespace) -> int:
    result = peer.store(options.paths, transcode=options.transcode, associations=options.associations)
    for row in result.skipped:
        print(printable(f"nbdicom: skipped {row.source}: {row.message}"), file=sys.stderr)
    return _result(result, options)


def _result(result: _Shown, options: argparse.Namespace) -> int:
    if options.shape is None:
        print(result)
    else:
        frame = result.to_frame().astype(object)
        records = [{str(k): plain(v) for k, v in row.items()} for row in frame.to_dict("records")]
        write_records(records, options.shape, list(map(str, frame.columns)))
    if result:
        return 0
    words = " ".join(result.summary.split())
    if options.shape is not None and result.hints:  # the table has them
        words += f" -> {'; '.join(result.hints)}"
    print(f"nbdicom: error: {printable(words)}", file=sys.stderr)
    return 1


def _keys(given: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """``Keyword=value`` as matching keys, ``Keyword`` alone as columns to return.

    ``Sequence.Keyword`` is an attribute of the one item of a sequence (PS3.4 C.2.2.2.6); ``Sequence[0].Keyword`` is, too.
    """
    keys: dict[str, Any] = {}
    columns: list[str] = []
    for text in given:
        name, equals, value = text.partition("=")
        *above, keyword = (word.strip().removesuffix("[0]") for word in name.split("."))
        if not all((*above, keyword)):
            raise QueryError(f"{text!r} is no key", hint="write Keyword=value")
        item: Any = keys
        for sequence in above:
            item = item.setdefault(sequence, [{}])[0] if isinstance(item, dict) else item
        if not isinstance(item, dict) or keyword in item:
            raise QueryError(f"{name.strip()} is given twice", hint=f"write -k '{name.strip()}=a\\b'")
        if above or (equals and value):
            item[keyword] = value
        else:
            columns.append(keyword)
    return keys, columns


def _unique_keys(given: Sequence[str]) -> dict[str, Any]:
    keys, columns = _keys(given)
    if columns:
        raise QueryError(f"{columns[0]} has no value", hint=f"write -k {columns[0]}=...")
    return {key: value.split("\\") if isinstance(value, str) and "\\" in value else value for key, value in keys.items()}


def _listed(value: Any) -> Any:
    """The values of an attribute that may have several: a list, also of one or none; what is missing is None."""
    found = plain(value)
    return found if found is None or isinstance(found, list) else str(found).split("\\") if found != "" else []
