"""The archive: object files and index together, and the order of work that makes an answer true.

For each object: received and hashed under a temporary name; parsed to its end and compared with the C-STORE request;
synced; given its name; the folder synced; recorded and committed; only then Success (0000H).  A failure on the way
leaves neither a file nor a row.  What of this waits for the disk is said by `nbdicom.pacs.durability`.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nbdicom.config import Limits
from nbdicom.data.values import plan_of
from nbdicom.errors import DataSetError
from nbdicom.operations.requests import Refuse, RetrieveRequest, StorableInstance, StoreRequest
from nbdicom.pacs.durability import Durability, Syncer, Unsynced
from nbdicom.pacs.header import HeaderReader
from nbdicom.pacs.index import Entry, IndexFailed
from nbdicom.pacs.query import select
from nbdicom.pacs.repair import Checked, damage_of, open_index, repair, scrub, withdraw
from nbdicom.pacs.rows import Attributes, Record
from nbdicom.pacs.storage import Incoming, ObjectStore, StoredInstance, folder_unusable, object_name, store_lock
from nbdicom.table import printable
from nbdicom.uids import UID
from nbdicom.uids import transfer_syntax as registered

__all__ = ["Archive", "Outcome"]

_log = logging.getLogger("nbdicom.pacs")

_INDEX = "index.sqlite"
_BATCH = 64  #: objects that an import records in one transaction


@dataclass(slots=True)
class Outcome:
    """What became of one object: the status that C-STORE would answer, and why."""

    instance: Any
    status: int = 0x0000
    comment: str = ""


@dataclass(slots=True)
class _Staged:
    """An object that has arrived, on its way into the store."""

    file: Incoming
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax: str
    source: str | None
    outcome: Outcome
    attributes: Attributes = field(init=False)  #: set when it has been checked
    name: str = field(init=False)  #: of its file

    def __post_init__(self) -> None:
        self.name = object_name(self.sop_instance_uid)

    def refuse(self, status: int, comment: str) -> None:
        self.outcome.status, self.outcome.comment = status, comment


@dataclass(slots=True, eq=False)
class _Waiting:
    """Objects of one sender that wait to be recorded."""

    batch: Sequence[_Staged]
    records: Sequence[Record]
    done: bool = False


class Archive:
    """One store, opened for this process alone.

    Parameters
    ----------
    root : Path
        Its folder; made if it does not exist.
    durability : {"full", "batch", "none"}
        What an answer with Success survives; see `nbdicom.pacs.durability`.
    limits : Limits, optional
        How long one object may be, how much room stays free, and what a data set may cost to read.

    Raises
    ------
    PacsError
        If the folder cannot be used, or is in use.
    """

    def __init__(self, root: Path, *, durability: Durability = "full", limits: Limits | None = None) -> None:
        durable = durability == "full"
        plan_of(0x00100010)  # loads the data dictionary (half a second): not while the first sender waits
        self._limits = limits or Limits()
        self._reader = HeaderReader(self._limits)
        self._inflating = threading.Lock()  # one at a time: what is deflated has to be held in memory
        self._busy: set[str] = set()  # SOP Instance UIDs that are being stored
        self._free = threading.Condition()
        self._durable = durable
        self._syncer: Syncer | None = None
        self._turn = threading.Lock()  # who has it records what everybody waits for
        self._queue_lock = threading.Lock()
        self._queue: list[_Waiting] = []
        self._unsynced = Unsynced(root)
        self.store = ObjectStore(root, durable=durable, free_space=self._limits.free_space)
        self._lock = store_lock(root)
        try:
            left = self.store.clear_incoming()
            if left:
                _log.info("%d files of interrupted receptions removed", left)
            self.index = open_index(root / _INDEX, durable=durable)
            try:
                repair(self.store, self.index)
                self._check_doubtful()
                if not durable:
                    self._unsynced.begin()
                if durability == "batch":
                    self._syncer = Syncer(self.index.path, self._unsynced, self._distrust)
            except BaseException:
                self.index.close()
                raise
        except OSError as error:
            self._lock.release()
            raise folder_unusable(error, root) from error
        except BaseException:
            self._lock.release()
            raise

    def close(self) -> None:
        """Close the index and let go of the folder."""
        try:
            whole = self._syncer is None or self._syncer.close()
            self.index.close()
            if whole:
                self._unsynced.end()
        finally:
            self._lock.release()

    def _distrust(self) -> None:
        """What was answered did not reach the disk: from now on nobody hears Success before his object is there."""
        self._durable = self.store.durable = True

    def _check_doubtful(self) -> None:
        """After an end out of order: what was answered but may not have reached the disk is read back."""
        since = self._unsynced.since()
        if since is None:
            return
        damaged = [found for found in scrub(self.store, self.index, self._alone, since=since) if found.damage]
        _log.warning("the last run did not end in order: %d recent objects are damaged", len(damaged))
        self._unsynced.end()

    def scrub(self) -> Iterator[Checked]:
        """Read every object back; see `nbdicom.pacs.repair.scrub`."""
        return scrub(self.store, self.index, self._alone)

    # --------------------------------------------------------------------------- reception

    def sink(self, request: StoreRequest) -> Incoming:
        """Where the data set of a C-STORE request goes."""
        if request.sop_class_uid != request.context.abstract_syntax:
            raise Refuse(0x0122, "SOP Class is not that of the presentation context")
        return self._receive(
            request.sop_class_uid, request.sop_instance_uid, request.transfer_syntax, request.calling_ae_title
        )

    def accept(self, request: StoreRequest) -> int:
        """Store the object of a C-STORE request whose data set is complete; Success, when nothing can be lost any more.

        Raises
        ------
        Refuse
            A700H out of resources; A900H the data set is another one than the request says; C000H it cannot be decoded;
            0111H there is another object with this UID.
        """
        file = request.sink
        if not isinstance(file, Incoming):
            try:
                file = self.sink(request)
                file.write([memoryview(request.data or b"")])
            except OSError as error:
                raise _out_of_resources(error) from error
        staged = _Staged(
            file,
            request.sop_class_uid,
            request.sop_instance_uid,
            request.transfer_syntax,
            request.calling_ae_title,
            Outcome(None),
        )
        self._keep([staged])
        if staged.outcome.status != 0x0000:
            raise Refuse(staged.outcome.status, staged.outcome.comment)
        return 0x0000

    def add(self, instances: Iterable[StorableInstance]) -> Iterator[Outcome]:
        """Store instances that are here already, in batches; one outcome each, in their order."""
        outcomes: list[Outcome] = []
        batch: list[_Staged] = []
        uids: set[str] = set()
        for instance in instances:
            if len(outcomes) >= _BATCH or instance.sop_instance_uid in uids:
                self._keep(batch)
                yield from outcomes
                outcomes, batch, uids = [], [], set()
            outcomes.append(Outcome(instance))
            batch += self._copy(instance, outcomes[-1])
            uids.add(instance.sop_instance_uid)
        self._keep(batch)
        yield from outcomes

    def _copy(self, instance: StorableInstance, outcome: Outcome) -> list[_Staged]:
        """The instance as if it had been received; nothing, and a reason in *outcome*, if it cannot be copied."""
        syntax = instance.transfer_syntax
        try:
            file = self._receive(instance.sop_class_uid, instance.sop_instance_uid, syntax, None)
            source = instance.open(syntax)
            try:
                for view, _ in source.chunks(1 << 20):
                    file.write([memoryview(view)])
            finally:
                source.close()
        except Refuse as refusal:
            outcome.status, outcome.comment = refusal.status, refusal.comment
        except DataSetError as error:
            outcome.status, outcome.comment = 0xC000, error.message
        except OSError as error:
            outcome.status, outcome.comment = 0xA700, error.strerror or "it cannot be copied"
        else:
            return [_Staged(file, instance.sop_class_uid, instance.sop_instance_uid, syntax, None, outcome)]
        return []

    def _receive(self, sop_class: str, sop_instance: str, syntax: UID, source: str | None) -> Incoming:
        from nbdicom.data.part10 import part10_header

        header = part10_header(
            sop_class_uid=UID(sop_class),
            sop_instance_uid=UID(sop_instance),
            transfer_syntax=syntax,
            source_ae_title=source,
        )
        return self.store.receive(header, limit=self._limits.object_size)

    def _keep(self, batch: Sequence[_Staged]) -> None:
        """Make objects part of the archive; each has its status in its outcome then."""
        try:
            for staged in batch:
                self._check(staged)
            sound = [staged for staged in batch if staged.outcome.status == 0x0000]
            if sound:
                with self._alone({staged.sop_instance_uid for staged in sound}):
                    self._record([staged for staged in sound if self._is_new(staged)])
        finally:
            for staged in batch:
                staged.file.drop()

    def _check(self, staged: _Staged) -> None:
        """The data set parses to its end, and is what the request says (PS3.4 B.2.3)."""
        try:
            staged.attributes = self._read(staged.file, staged.transfer_syntax)
        except DataSetError as error:
            _log.info("object refused: %s", printable(error.message))
            return staged.refuse(0xC000, "the data set cannot be decoded to its end")
        except OSError as error:
            return staged.refuse(0xA700, error.strerror or "cannot be read back")
        values = staged.attributes.values
        if values.get("SOPInstanceUID") != staged.sop_instance_uid:
            return staged.refuse(0xA900, "SOP Instance UID of data set and request differ")
        if values.get("SOPClassUID") != staged.sop_class_uid:
            return staged.refuse(0xA900, "SOP Class UID of data set and request differ")
        for keyword in ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"):
            # Without these an object could be stored, but never be found again.
            if not isinstance(values.get(keyword), str) or not values[keyword]:
                return staged.refuse(0xA900, f"the data set has no {keyword}")
        return None

    def _read(self, file: Incoming, transfer_syntax: str) -> Attributes:
        """What a data set says.  All but native pixel data is nearly always in the beginning, which is at hand."""
        facts = registered(transfer_syntax)
        native = facts is not None and not facts.encapsulated and not facts.converted
        at_hand = len(file.head) == file.size
        with self._inflating if facts is not None and facts.converted else nullcontext():
            if at_hand or native:
                try:
                    return self._reader.read(memoryview(file.head), transfer_syntax, size=file.size)
                except DataSetError:
                    if at_hand:
                        raise
            return self._reader.read(file.view(), transfer_syntax)

    def _is_new(self, staged: _Staged) -> bool:
        """Whether there is no object with this UID; the first one stays, and the same bytes again are no mistake.

        Their sender shall hear Success only if they are still there: what was damaged on the disk is replaced.
        """
        if not self.store.has(staged.name):  # the index would be asked for a tenth of the time of an object
            return True
        try:
            entry = self.index.entry(staged.sop_instance_uid)
            if entry is None:
                return True
        except sqlite3.Error as error:
            staged.refuse(0xA700, f"the index cannot be read: {error}")
            return False
        if entry.digest != staged.file.digest or entry.transfer_syntax != staged.transfer_syntax:
            staged.refuse(0x0111, "another object with this SOP Instance UID is stored")
            _log.warning("SOP Instance %s: another object with this UID was refused", printable(entry.sop_instance_uid))
            return False
        damage = damage_of(self.store, entry)
        if damage:
            try:
                withdraw(self.store, self.index, entry, damage)
            except (IndexFailed, OSError) as error:
                self._refuse([staged], error)
                return False
        return bool(damage)

    def _record(self, batch: Sequence[_Staged]) -> None:
        """Sync, name and record.

        Each sender has its files synced and named for itself, at the same time as others, so that the file system can bring
        them to the disk together; one commit of the index is shared by all who wait for one.
        """
        received = datetime.now(UTC).isoformat(timespec="seconds")
        # Made before any file has its name: what fails here leaves nothing behind.
        records = {staged.name: _record(staged, received) for staged in batch if self._synced(staged)}
        named = self._named([staged for staged in batch if staged.name in records])
        if not named:
            return
        waiting = _Waiting(named, [records[staged.name] for staged in named])
        with self._queue_lock:
            self._queue.append(waiting)
        with self._turn:
            if waiting.done:
                return
            with self._queue_lock:
                group, self._queue = self._queue, []
            try:
                self._commit(group)
            finally:
                for one in group:
                    one.done = True

    def _synced(self, staged: _Staged) -> bool:
        try:
            if self._durable:
                staged.file.sync()
        except OSError as error:
            self._refuse([staged], error)
            return False
        return True

    def _named(self, batch: Sequence[_Staged]) -> list[_Staged]:
        """Those whose files have their names now, for good."""
        failed = self.store.keep([(staged.file, staged.name) for staged in batch])
        for staged in batch:
            if staged.name in failed:
                self._refuse([staged], failed[staged.name])
        return [staged for staged in batch if staged.name not in failed]

    def _commit(self, group: Sequence[_Waiting]) -> None:
        """One commit for all; what cannot be recorded fails alone as far as it can."""
        try:
            errors = self.index.add_each([one.records for one in group])
            for one, error in zip(group, errors, strict=True):
                failed = error and self._recorded_anew(one, error)
                if failed:
                    self.store.remove(staged.name for staged in one.batch)
                    self._refuse(one.batch, failed)
                elif self._syncer is not None:
                    self._syncer.add(self.store.path(staged.name) for staged in one.batch)
        except BaseException as error:
            # An interrupt of the user's, say: nobody may believe that all is well.
            for one in group:
                for staged in one.batch:
                    staged.refuse(0xA700, f"not stored: {type(error).__name__}")
            raise

    def _recorded_anew(self, one: _Waiting, error: IndexFailed) -> IndexFailed | None:
        """Try again without the rows of objects whose files were gone when these came; None if that was the cause."""
        try:
            stale = [entry for staged in one.batch if (entry := self.index.entry(staged.sop_instance_uid)) is not None]
            if not stale:
                return error
            for entry in stale:
                _log.error("object %s: its file was gone; it is stored anew", entry.object)
            self.index.remove(entry.id for entry in stale)
            self.index.add(one.records)
        except IndexFailed as failed:
            return failed
        except sqlite3.Error:
            return error
        return None

    def _refuse(self, batch: Sequence[_Staged], error: Exception) -> None:
        refusal = _out_of_resources(error)
        if batch:
            _log.error("%d objects not stored: %s", len(batch), printable(refusal.comment))
        for staged in batch:
            staged.refuse(refusal.status, refusal.comment)

    @contextmanager
    def _alone(self, uids: set[str]) -> Iterator[None]:
        """Nobody else stores these objects, or takes them away."""
        with self._free:
            while self._busy & uids:
                self._free.wait()
            self._busy |= uids
        try:
            yield
        finally:
            with self._free:
                self._busy -= uids
                self._free.notify_all()

    # --------------------------------------------------------------------------- retrieval

    def instance(self, sop_instance_uid: str) -> StoredInstance | None:
        """The stored object with this SOP Instance UID."""
        entry = self.index.entry(sop_instance_uid)
        return None if entry is None else self._instance(entry)

    def select(self, request: RetrieveRequest, seconds: float | None = None) -> list[StoredInstance]:
        """The objects that a C-GET or C-MOVE request asks for; see `nbdicom.pacs.query.select`."""
        return [self._instance(entry) for entry in select(self.index, request, seconds)]

    def _instance(self, entry: Entry) -> StoredInstance:
        return StoredInstance(
            UID(entry.sop_class_uid),
            UID(entry.sop_instance_uid),
            UID(entry.transfer_syntax),
            self.store.path(entry.object),
            entry.offset,
            entry.size,
            entry.digest.hex(),
        )


def _out_of_resources(error: Exception) -> Refuse:
    # The text of an OSError may have a path in it; its reason alone is what the peer may know.
    reason = getattr(error, "strerror", None) or str(error)
    return Refuse(0xA700, f"not stored: {reason}"[:64])


def _record(staged: _Staged, received: str) -> Record:
    file = staged.file
    return Record(
        attributes=staged.attributes,
        transfer_syntax=staged.transfer_syntax,
        object=staged.name,
        size=file.offset + file.size,
        offset=file.offset,
        digest=file.digest,
        received=received,
        source=staged.source,
    )
