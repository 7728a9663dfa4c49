"""Asking a peer to commit storage (PS3.4 Annex J): the request, and the report, on whichever association it comes.

A peer may report on the association that asked, or open one to us, on which it is the SCP (J.3.3).  For that somebody has
to listen under our AE title at an address that the peer knows; `commit` does so if it is told where.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from nbdicom.blocking import Association, Server
from nbdicom.core.negotiation import ContextLike, PresentationContext
from nbdicom.errors import AssociationError, QueryError
from nbdicom.operations.handlers import Handlers
from nbdicom.operations.requests import NEventReportRequest, Refuse
from nbdicom.peer.results import CommitResult, Committed
from nbdicom.peer.selection import records
from nbdicom.status import Status
from nbdicom.uids import UID

if TYPE_CHECKING:
    from nbdicom.peer.entity import Remote, RemoteEntity

__all__ = ["INSTANCE", "SOP_CLASS", "Request", "commit"]

SOP_CLASS, INSTANCE = UID("1.2.840.10008.1.20.1"), UID("1.2.840.10008.1.20.1.1")
_REASONS: Mapping[int, str] = {  # PS3.3 C.14.1.1
    0x0110: "processing failure",
    0x0112: "no such object instance",
    0x0213: "resource limitation",
    0x0122: "referenced SOP Class not supported",
    0x0119: "class/instance conflict",
    0x0131: "duplicate transaction UID",
}


def commit(peer: RemoteEntity, items: Iterable[Any], *, listen: tuple[str, int] | None, timeout: float) -> CommitResult:
    """See `Peer.commit`."""
    request = Request(items)
    arrived = threading.Event()

    def take(report: NEventReportRequest) -> None:
        request.take(report)
        arrived.set()

    handlers = Handlers(n_event_report=take)
    with ExitStack() as stack:
        if listen is not None:
            host, port = listen
            stack.enter_context(
                Server(
                    handlers, ae_title=peer.calling, contexts=request.listening(), host=host, port=port,
                    tls=peer.listening_tls,
                )  # fmt: skip
            )
        association = stack.enter_context(peer.associate([SOP_CLASS], handlers=handlers))
        association.n_action(SOP_CLASS, INSTANCE, 1, request.information())
        _wait(association, arrived, timeout, elsewhere=listen is not None)
    return request.result(peer)


def _wait(association: Association, arrived: threading.Event, timeout: float, *, elsewhere: bool) -> None:
    if not elsewhere:
        try:
            association.listen(timeout, until=arrived.is_set)
        except AssociationError:
            pass  # the result says that nothing came
        return
    # One thread reads the association, the server's reads the other one; here we wait for whichever is first.
    reader = threading.Thread(target=_listen, args=(association, timeout), name="nbdicom commitment", daemon=True)
    reader.start()
    try:
        arrived.wait(timeout)
    finally:
        association.release()
        reader.join()


def _listen(association: Association, timeout: float) -> None:
    try:
        association.listen(timeout)
    except AssociationError:
        pass  # the report may still come on another one


class Request:
    """One request for commitment, and the report about it; whoever sends and waits.

    Raises
    ------
    QueryError
        If there is nothing to commit.
    """

    def __init__(self, items: Iterable[Any]) -> None:
        self._references = list(dict.fromkeys(_references(items)))
        if not self._references:
            raise QueryError(
                "nothing to commit", hint="pass the result of store, rows with SOPClassUID, files or Datasets"
            )
        self.event_type: int | None = None
        self._transaction = UID(f"2.25.{uuid4().int}")
        self._started = time.monotonic()
        self._said: dict[str, tuple[int, str]] = {}  # SOP Instance UID -> reason (0: committed), where to retrieve it

    @staticmethod
    def listening() -> list[ContextLike]:
        """What an acceptor supports to which the peer reports: the peer is the SCP of the service."""
        return [PresentationContext(SOP_CLASS, scu_role=True, scp_role=True), "Verification"]

    def information(self) -> dict[str, Any]:
        """The Action Information of the N-ACTION (PS3.4 Table J.3-1)."""
        return {
            "TransactionUID": self._transaction,
            "ReferencedSOPSequence": [
                {"ReferencedSOPClassUID": class_uid, "ReferencedSOPInstanceUID": instance_uid}
                for class_uid, instance_uid in self._references
            ],
        }

    def take(self, request: NEventReportRequest) -> None:
        """The report (PS3.4 J.3.3); raises `Refuse` for one that is about something else."""
        from nbdicom.data.nested import decode_nested

        said = decode_nested(request.data or b"", request.transfer_syntax)
        if said.get("TransactionUID") != self._transaction:
            raise Refuse(0x0115, "this Transaction UID is not ours")
        where = said.get("RetrieveAETitle", "")
        for item in said.get("ReferencedSOPSequence") or ():
            self._said[item.get("ReferencedSOPInstanceUID", "")] = 0, item.get("RetrieveAETitle", where)
        for item in said.get("FailedSOPSequence") or ():
            self._said[item.get("ReferencedSOPInstanceUID", "")] = item.get("FailureReason") or 0x0110, ""
        self.event_type = request.event_type_id

    def result(self, peer: Remote) -> CommitResult:
        """What became of it."""
        return CommitResult(
            rows=tuple(self._row(UID(class_uid), UID(instance_uid)) for class_uid, instance_uid in self._references),
            peer=peer.address,
            seconds=time.monotonic() - self._started,
            transaction_uid=self._transaction,
            event_type=self.event_type,
            provenance=peer.provenance(None, None),
        )

    def _row(self, class_uid: UID, instance_uid: UID) -> Committed:
        """What the report says about one instance."""
        if self.event_type is None:
            return Committed(sop_class_uid=class_uid, sop_instance_uid=instance_uid, message="no report came")
        reason, where = self._said.get(instance_uid, (None, ""))
        if reason is None:
            message = "the report does not mention it"
        else:
            message = _REASONS.get(reason, "failed for a reason of its own") if reason else "committed"
        return Committed(
            sop_class_uid=class_uid,
            sop_instance_uid=instance_uid,
            status=None if reason is None else Status(reason, "N-EVENT-REPORT"),
            message=message,
            retrieve_from=where,
        )


_REFERENCE = ("SOPClassUID", "SOPInstanceUID")


def _references(items: Iterable[Any]) -> Iterator[tuple[str, str]]:
    """SOP Class and SOP Instance UID of whatever stands for instances."""
    from nbdicom.data import Skipped, scan

    for item in items:
        if hasattr(item, "to_frame") or hasattr(item, "columns") or isinstance(item, Mapping):
            for record in records(item):
                if not record.get("ok", True):
                    continue
                if not all(isinstance(record.get(key), str) and record[key] for key in _REFERENCE):
                    raise QueryError("commitment needs SOPClassUID and SOPInstanceUID", hint="take rows of instances()")
                yield str(record["SOPClassUID"]), str(record["SOPInstanceUID"])
            continue
        for found in scan([item]):
            if not isinstance(found, Skipped):
                yield str(found.sop_class_uid), str(found.sop_instance_uid)
