"""The answers to one operation (PS3.7 9.1 and 10.1) as a table: what `Responses.to_frame` of both drivers makes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nbdicom.errors import DataSetError, NbdicomError
from nbdicom.operations.requests import Match, ReceivedInstance, Reply, Stored, SubOperations
from nbdicom.status import Status
from nbdicom.table import Table, counted, printable

__all__ = ["keep", "listed"]


def listed(service: str, status: Status | None, values: Sequence[Any]) -> Table:
    """One row for each answer.

    A match or a reply has the attributes of its data set, by their keywords; what cannot be read as a data set has a
    ``problem`` instead.

    Parameters
    ----------
    service : str
        What was asked for, such as "C-FIND".
    status : Status, optional
        The final status, where it is known.
    values : sequence
        What was delivered.
    """
    records = [_record(value) for value in values]
    columns = list(dict.fromkeys(name for record in records for name in record))
    rows = [tuple(record.get(name) for name in columns) for record in records]
    return Table(f"{service}: {printable(status or 'under way')}", columns, rows)


def keep(error: NbdicomError, service: str, status: Status | None, values: Sequence[Any]) -> None:
    """Have what had come, if anything had, in the *error* with which the answers broke off."""
    if values:
        error.keep(listed(service, status, values).to_frame(), counted(len(values), "answer"))


def _record(value: Any) -> dict[str, Any]:
    if isinstance(value, Match):
        return _attributes(value)
    if isinstance(value, Reply):
        names = {"SOPInstanceUID": str(value.sop_instance_uid), "status": str(value.status)}
        return {**names, **(_attributes(value) if value.data else {})}
    if isinstance(value, Stored):
        return {
            "SOPInstanceUID": str(value.instance.sop_instance_uid),
            "SOPClassUID": str(value.instance.sop_class_uid),
            "TransferSyntaxUID": value.transfer_syntax and str(value.transfer_syntax),
            "status": value.status and str(value.status),
            "ok": value.ok,
            "problem": value.error and value.error.message,
        }
    if isinstance(value, ReceivedInstance):
        return {
            "SOPInstanceUID": str(value.sop_instance_uid),
            "SOPClassUID": str(value.sop_class_uid),
            "TransferSyntaxUID": str(value.transfer_syntax),
            "status": str(value.status),
        }
    if isinstance(value, SubOperations):
        counts = {name: getattr(value, name) for name in ("remaining", "completed", "failed", "warning")}
        return {"status": str(value.status), **counts}
    return {"answer": value}


def _attributes(value: Match | Reply) -> dict[str, Any]:
    try:
        return {one.keyword or str(one.tag): one.value for one in value.dataset()}
    except DataSetError as error:
        return {"problem": error.message}
