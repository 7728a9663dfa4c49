"""Who is told about workitems (PS3.4 CC.2.3): subscriptions to one, to all, and to those that match keys.

For each workitem an AE is subscribed, with or without a deletion lock, or not.  A global subscription decides how that is
for workitems that are created from now on, and changes it once for those that exist (Table CC.2.3-2).  Workitems are
never deleted here, so a deletion lock is always granted.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Mapping

from nbdicom.operations.requests import Refuse
from nbdicom.pacs.query import Patience
from nbdicom.pacs.workflow.attributes import Keys, require, text_of
from nbdicom.pacs.workflow.database import Attributes, Database, dump, load
from nbdicom.pacs.workflow.reports import UPS_PUSH, Reports
from nbdicom.table import Table, Tabular, printable

__all__ = ["FILTERED", "GLOBAL", "NO_SUCH_WORKITEM", "STATE_REPORT", "WELL_KNOWN", "Subscriptions"]

_log = logging.getLogger("nbdicom.pacs")

GLOBAL = "1.2.840.10008.5.1.4.34.5"  #: UPS Global Subscription SOP Instance
FILTERED = "1.2.840.10008.5.1.4.34.5.1"  #: UPS Filtered Global Subscription SOP Instance
WELL_KNOWN = frozenset((GLOBAL, FILTERED))

NO_SUCH_WORKITEM = 0xC307
_RECIPIENT_UNKNOWN = 0xC308
_NOT_APPROPRIATE = 0xC314
STATE_REPORT, _SCP_STATUS_CHANGE = 1, 4  #: event types (PS3.4 Table CC.2.4-1)
_RESOURCE_LIMITATION = 0x0213
_NO_KEYS = ("ReceivingAE", "DeletionLock")
# Whoever creates a workitem waits until it has been compared with each of them, and so do all others.
_MOST_GLOBAL = 256  #: global subscriptions
_LONGEST_KEYS = 16_384  #: characters of the keys of one, as they are kept
_PATIENCE = 1.0  #: seconds for the comparisons of one subscription


class Subscriptions(Tabular):
    """The subscriptions of a PACS."""

    def __init__(self, database: Database, reports: Reports) -> None:
        self._database = database
        self._reports = reports

    # --------------------------------------------------------------------------- the three actions

    def subscribe(self, uid: str, information: Attributes) -> None:
        """Action 3, Subscribe to Receive UPS Event Reports."""
        require(information, "ReceivingAE 1\nDeletionLock 1")
        ae_title, lock = text_of(information, "ReceivingAE"), text_of(information, "DeletionLock")
        if lock not in ("TRUE", "FALSE"):
            raise Refuse(0x0115, "DeletionLock is TRUE or FALSE")
        if not self._reports.reachable(ae_title):
            raise Refuse(_RECIPIENT_UNKNOWN, "the receiving AE title is unknown")
        locked = lock == "TRUE"
        keys = {k: v for k, v in information.items() if k not in _NO_KEYS} if uid == FILTERED else None
        if keys is not None and len(dump(keys)) > _LONGEST_KEYS:
            raise Refuse(_RESOURCE_LIMITATION, f"keys of more than {_LONGEST_KEYS} characters")
        with self._database.write() as connection:
            waiting = self._reports.waiting(connection, ae_title, STATE_REPORT)
            if uid not in WELL_KNOWN:
                row = connection.execute("SELECT attributes FROM workitems WHERE uid = ?", (uid,)).fetchone()
                if row is None:
                    raise Refuse(NO_SUCH_WORKITEM, "no such workitem")
                self._put(connection, ae_title, uid, locked)
                self._tell_state(connection, ae_title, uid, load(row[0]), waiting)
            else:
                (others,) = connection.execute(
                    "SELECT count(*) FROM global_subscriptions WHERE ae_title <> ?", (ae_title,)
                ).fetchone()
                if others >= _MOST_GLOBAL:
                    raise Refuse(_RESOURCE_LIMITATION, f"there are {_MOST_GLOBAL} global subscriptions already")
                connection.execute(
                    "INSERT OR REPLACE INTO global_subscriptions (ae_title, lock, keys) VALUES (?, ?, ?)",
                    (ae_title, locked, None if keys is None else dump(keys)),
                )
                self._to_all(connection, ae_title, locked, keys, waiting)
        self._reports.wake(ae_title)

    def _to_all(
        self,
        connection: sqlite3.Connection,
        ae_title: str,
        locked: bool,
        keys: Attributes | None,
        waiting: Mapping[str, Attributes],
    ) -> None:
        """A global subscription reaches the workitems that exist; what an AE said of one stays (Table CC.2.3-2).

        With a lock it is followed by a report about each of them, also of those that were subscribed to (CC.2.4.3).
        """
        wanted = None if keys is None else Keys.of(keys)
        patience = Patience(_PATIENCE)
        for uid, text in connection.execute("SELECT uid, attributes FROM workitems ORDER BY rowid").fetchall():
            attributes = load(text)
            try:
                if wanted is not None and not wanted.match(attributes, patience.check):
                    continue
            except Refuse as late:
                raise Refuse(_RESOURCE_LIMITATION, "the keys take too long to compare") from late
            connection.execute(
                "INSERT OR IGNORE INTO subscriptions (ae_title, uid, lock) VALUES (?, ?, ?)", (ae_title, uid, locked)
            )
            if locked:
                self._tell_state(connection, ae_title, uid, attributes, waiting)

    def unsubscribe(self, uid: str, information: Attributes) -> None:
        """Action 4, Unsubscribe from Receiving UPS Event Reports; globally it ends all subscriptions."""
        require(information, "ReceivingAE 1")
        ae_title = text_of(information, "ReceivingAE")
        with self._database.write() as connection:
            if uid in WELL_KNOWN:
                connection.execute("DELETE FROM global_subscriptions WHERE ae_title = ?", (ae_title,))
                connection.execute("DELETE FROM subscriptions WHERE ae_title = ?", (ae_title,))
                return
            if not connection.execute("SELECT 1 FROM workitems WHERE uid = ?", (uid,)).fetchone():
                raise Refuse(NO_SUCH_WORKITEM, "no such workitem")
            connection.execute("DELETE FROM subscriptions WHERE ae_title = ? AND uid = ?", (ae_title, uid))

    def suspend(self, uid: str, information: Attributes) -> None:
        """Action 5, Suspend Global Subscription: no workitem is added to the subscriptions any more."""
        require(information, "ReceivingAE 1")
        if uid not in WELL_KNOWN:
            raise Refuse(_NOT_APPROPRIATE, "only a global subscription can be suspended")
        with self._database.write() as connection:
            connection.execute(
                "DELETE FROM global_subscriptions WHERE ae_title = ?", (text_of(information, "ReceivingAE"),)
            )

    # --------------------------------------------------------------------------- what follows from them

    def created(self, connection: sqlite3.Connection, uid: str, attributes: Attributes) -> None:
        """A new workitem: those with a global subscription that fits are subscribed to it."""
        for ae_title, lock, keys in connection.execute(
            "SELECT ae_title, lock, keys FROM global_subscriptions"
        ).fetchall():
            if keys is None or _fits(ae_title, load(keys), attributes):
                self._put(connection, ae_title, uid, bool(lock))

    def of(self, connection: sqlite3.Connection, uid: str) -> list[str]:
        """Who is subscribed to a workitem."""
        rows = connection.execute("SELECT ae_title FROM subscriptions WHERE uid = ? ORDER BY ae_title", (uid,))
        return [ae_title for (ae_title,) in rows]

    def locks(self, connection: sqlite3.Connection, uid: str) -> list[str]:
        """Who has a deletion lock on a workitem (CC.2.3.1)."""
        rows = connection.execute("SELECT ae_title FROM subscriptions WHERE uid = ? AND lock ORDER BY ae_title", (uid,))
        return [ae_title for (ae_title,) in rows]

    def restarted(self) -> None:
        """The PACS is there again, with everything that it knew: event type 4, SCP Status Change (CC.2.4.3)."""
        warm = {
            "SCPStatus": "RESTARTED",
            "SubscriptionListStatus": "WARM START",
            "UnifiedProcedureStepListStatus": "WARM START",
        }
        with self._database.write() as connection:
            # Whom the last such report has not reached will be told by that one.
            rows = connection.execute(
                "SELECT ae_title FROM global_subscriptions UNION SELECT ae_title FROM subscriptions EXCEPT"
                " SELECT ae_title FROM reports WHERE event_type = ? AND delivered IS NULL",
                (_SCP_STATUS_CHANGE,),
            ).fetchall()
            for (ae_title,) in rows:
                self._reports.add(
                    connection,
                    ae_title,
                    sop_class=UPS_PUSH,
                    sop_instance=GLOBAL,
                    event_type=_SCP_STATUS_CHANGE,
                    information=warm,
                )

    @staticmethod
    def _put(connection: sqlite3.Connection, ae_title: str, uid: str, locked: bool) -> None:
        connection.execute(
            "INSERT OR REPLACE INTO subscriptions (ae_title, uid, lock) VALUES (?, ?, ?)", (ae_title, uid, locked)
        )

    def _tell_state(
        self,
        connection: sqlite3.Connection,
        ae_title: str,
        uid: str,
        attributes: Attributes,
        waiting: Mapping[str, Attributes],
    ) -> None:
        """The initial report after a subscription: how things stand.

        Whoever subscribes a recipient again and again, and that may be somebody else, adds nothing to what it is about to
        be told.
        """
        state = {keyword: attributes.get(keyword, "") for keyword in ("ProcedureStepState", "InputReadinessState")}
        if waiting.get(uid) == state:
            return
        self._reports.add(
            connection,
            ae_title,
            sop_class=UPS_PUSH,
            sop_instance=uid,
            event_type=STATE_REPORT,
            information=state,
        )

    # --------------------------------------------------------------------------- to look at

    def table(self) -> Table:
        """Who is subscribed to what."""
        with self._database.read() as connection:
            rows = [
                (printable(ae_title), "workitems that match keys" if keys else "all workitems", _lock(lock))
                for ae_title, lock, keys in connection.execute(
                    "SELECT ae_title, lock, keys FROM global_subscriptions ORDER BY ae_title"
                )
            ] + [
                (printable(ae_title), printable(uid), _lock(lock))
                for ae_title, uid, lock in connection.execute(
                    "SELECT ae_title, uid, lock FROM subscriptions ORDER BY ae_title, uid"
                )
            ]
        return Table("Subscriptions to workitems", ("AE title", "to", "deletion lock"), rows)


def _fits(ae_title: str, keys: Attributes, attributes: Attributes) -> bool:
    """Whether a new workitem has what the keys of a subscription ask for, as far as that can be told in time."""
    try:
        return Keys.of(keys).match(attributes, Patience(_PATIENCE).check)
    except Refuse:
        _log.warning("the keys of %s take too long to compare: it is not told of a workitem", printable(ae_title))
        return False


def _lock(lock: int) -> str:
    return "yes" if lock else "no"
