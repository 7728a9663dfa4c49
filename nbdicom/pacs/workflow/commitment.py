"""Storage commitment (PS3.4 Annex J): the promise to keep objects, given after they were read back.

The N-ACTION is answered at once: the request is recorded.  The promise is the N-EVENT-REPORT.  Before it is made each object
is read from its file and its digest compared with the one that was taken when the object arrived; only if all of them
are as they were is it event type 1.  An object that is not fails with its own reason, and the others are committed all
the same: event type 2 (J.3.3).  What was promised is never deleted by this PACS, which deletes nothing.
"""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Callable
from typing import Any

from nbdicom.data.identity import data_set_digest
from nbdicom.errors import PacsError
from nbdicom.operations.requests import NActionRequest, Refuse
from nbdicom.pacs.durability import sync_folder
from nbdicom.pacs.storage import StoredInstance
from nbdicom.pacs.workflow.attributes import read, require, text_of
from nbdicom.pacs.workflow.database import Attributes, Database, dump, load, now
from nbdicom.pacs.workflow.reports import COMMITMENT, Report, Reports
from nbdicom.pacs.workflow.service import Service
from nbdicom.table import Table, counted, printable
from nbdicom.uids import ServiceClass, sop_class

__all__ = ["Commitments", "read_back"]

_log = logging.getLogger("nbdicom.pacs")

INSTANCE = "1.2.840.10008.1.20.1.1"  #: the well-known SOP Instance
_REQUESTED = """
TransactionUID 1
ReferencedSOPSequence 1
  ReferencedSOPClassUID 1
  ReferencedSOPInstanceUID 1
"""
_ALL_SAFE, _FAILURES_EXIST = 1, 2

# Failure Reasons (PS3.3 C.14.1.1)
_PROCESSING_FAILURE = 0x0110
_NO_SUCH_INSTANCE = 0x0112
_CLASS_INSTANCE_CONFLICT = 0x0119
_CLASS_NOT_SUPPORTED = 0x0122
_DUPLICATE_TRANSACTION = 0x0131


def read_back(instance: StoredInstance, *, sync: bool) -> bool:
    """Whether an object's file still has the data set that arrived; with *sync* it is brought onto the disk first.

    What the system may have in memory of the file is let go before, as far as that can be asked for, so that it is the disk
    that answers.
    """
    try:
        with instance.path.open("rb", buffering=0) as file:
            if sync:
                os.fsync(file.fileno())
                sync_folder(instance.path.parent)
            if hasattr(os, "posix_fadvise"):
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            if os.fstat(file.fileno()).st_size != instance.size:
                return False
        digest = data_set_digest(instance.path, instance.offset)
    except OSError as error:
        _log.error("commitment: an object cannot be read back: %s", error.strerror)
        return False
    return digest == instance.digest


class Commitments(Service):
    """The commitments that a PACS was asked for."""

    def __init__(
        self,
        database: Database,
        reports: Reports,
        *,
        instance: Callable[[str], StoredInstance | None],
        ae_title: str,
        durable: bool,
    ) -> None:
        super().__init__(database)
        self._reports = reports
        self._instance = instance
        self._ae_title = ae_title
        self._durable = durable
        reports.completed_by(COMMITMENT, self._result)

    def n_action(self, request: NActionRequest) -> None:
        """N-ACTION (J.3.2): a request for commitment, which is recorded and answered; the report follows."""
        if request.sop_instance_uid != INSTANCE:
            raise Refuse(0x0112, "the SOP Instance of this service has a well-known UID")
        attributes = read(request.data, request.transfer_syntax)
        require(attributes, _REQUESTED)
        ae_title, transaction = request.calling_ae_title, text_of(attributes, "TransactionUID")
        with self._database.write() as connection:
            known = self._request(connection, ae_title, transaction) is not None
            if known:
                # The first request of this UID keeps its own report; this one fails as a whole (PS3.3 C.14.1.1).
                event_type, information = _outcome(
                    transaction, [(_reference(i), _DUPLICATE_TRANSACTION) for i in attributes["ReferencedSOPSequence"]]
                )
            else:
                event_type, information = None, None
                connection.execute(
                    "INSERT INTO commitments (ae_title, transaction_uid, asked, request) VALUES (?, ?, ?, ?)",
                    (ae_title, transaction, now(), dump(attributes)),
                )
            self._reports.add(
                connection,
                ae_title,
                sop_class=COMMITMENT,
                sop_instance=INSTANCE,
                subject=transaction,
                event_type=event_type,
                information=information,
            )
        self._reports.wake(ae_title)

    @staticmethod
    def _request(connection: sqlite3.Connection, ae_title: str, transaction: str) -> Attributes | None:
        row = connection.execute(
            "SELECT request FROM commitments WHERE ae_title = ? AND transaction_uid = ?", (ae_title, transaction)
        ).fetchone()
        return None if row is None else load(row[0])

    def _result(self, report: Report) -> tuple[int, dict[str, Any]]:
        """What there is to report about a request: every object of it is read back."""
        with self._database.read() as connection:
            request = self._request(connection, report.ae_title, report.subject)
        assert request is not None  # both rows were written in one transaction
        references = [_reference(item) for item in request["ReferencedSOPSequence"]]
        # Once each: a short request may name a long object very often.
        verdicts = {reference: self._failure(*reference) for reference in dict.fromkeys(references)}
        event_type, information = _outcome(
            report.subject, [(reference, verdicts[reference]) for reference in references], self._ae_title
        )
        with self._database.write() as connection:
            connection.execute(
                "UPDATE commitments SET result = ? WHERE ae_title = ? AND transaction_uid = ?",
                (dump(information), report.ae_title, report.subject),
            )
        return event_type, information

    def _failure(self, class_uid: str, instance_uid: str) -> int:
        """Why an object cannot be committed; 0 if it can."""
        try:
            instance = self._instance(instance_uid)
        except sqlite3.Error as error:  # which says nothing about the object: to be tried again
            raise PacsError(f"the index cannot be read: {error}") from error
        if instance is None:
            entry = sop_class(class_uid)
            supported = entry is None or entry.service_class is ServiceClass.STORAGE
            return _NO_SUCH_INSTANCE if supported else _CLASS_NOT_SUPPORTED
        if instance.sop_class_uid != class_uid:
            return _CLASS_INSTANCE_CONFLICT
        if not read_back(instance, sync=not self._durable):
            _log.error("commitment: object %s is not what it was; it is not committed", printable(instance.path.name))
            return _PROCESSING_FAILURE
        return 0

    # --------------------------------------------------------------------------- to look at

    def table(self) -> Table:
        """Every request, and what became of it."""
        with self._database.read() as connection:
            found = connection.execute(
                "SELECT asked, ae_title, transaction_uid, request, result FROM commitments ORDER BY id"
            ).fetchall()
        rows, marks = [], []
        for asked, ae_title, transaction, request, result in found:
            count = len(load(request)["ReferencedSOPSequence"])
            told = None if result is None else load(result)
            failed = len(told.get("FailedSOPSequence") or ()) if told else 0
            counts = (count, count - failed, failed) if told else (count, "", "")
            rows.append(tuple(map(printable, (asked, ae_title, transaction, *counts))))
            marks.append("" if told is None else "bad" if failed else "ok")
        return Table(
            f"Storage commitment, {counted(len(rows), 'request')}",
            ("asked", "by", "Transaction UID", "instances", "committed", "failed"),
            rows,
            marks=marks,
        )


def _reference(item: Attributes) -> tuple[str, str]:
    return text_of(item, "ReferencedSOPClassUID"), text_of(item, "ReferencedSOPInstanceUID")


def _outcome(
    transaction: str, verdicts: list[tuple[tuple[str, str], int]], retrieve_from: str = ""
) -> tuple[int, dict[str, Any]]:
    """Event type and event information (PS3.4 Table J.3-2): each object is in one of the two sequences."""
    safe: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    for (class_uid, instance_uid), reason in verdicts:
        reference: dict[str, Any] = {"ReferencedSOPClassUID": class_uid, "ReferencedSOPInstanceUID": instance_uid}
        if reason:
            failed.append({**reference, "FailureReason": reason})
        else:
            safe.append(reference)
    information: dict[str, Any] = {"TransactionUID": transaction}
    if safe:
        information |= {"RetrieveAETitle": retrieve_from, "ReferencedSOPSequence": safe}
    if failed:
        information["FailedSOPSequence"] = failed
    return _FAILURES_EXIST if failed else _ALL_SAFE, information
