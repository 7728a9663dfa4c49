"""Storing: the verb behind `store` of `Peer` and `AsyncPeer`.

As many associations as the contexts need, one after the other.  Only if the first one cannot be opened that is an exception:
everything later becomes rows of the result.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from glob import glob
from pathlib import Path
from typing import Any

from nbdicom.errors import AssociationAborted, AssociationError, NbdicomError, OperationTimeout
from nbdicom.operations.requests import StorableInstance, Stored
from nbdicom.peer.calling import Caller, Calls, Line, cancelled
from nbdicom.peer.progress import Progress, ProgressLike
from nbdicom.peer.results import Sent, StoreResult, told
from nbdicom.peer.selection import each_item
from nbdicom.table import counted

__all__ = ["store"]

_ABORTS = 3  #: one after the other, and nothing stored in between: it is not the objects then


async def store(
    caller: Caller, items: Iterable[Any], *, transcode: bool, progress: ProgressLike, raise_on_error: bool
) -> StoreResult:
    """Send files, folders and Datasets (PS3.4 Annex B); see `nbdicom.Peer.store`."""
    from nbdicom.data import codec
    from nbdicom.operations.contexts import group_by_association, storage_contexts

    peer, started = caller.peer, time.monotonic()
    instances, rows = await _scanned(caller, items, transcode=transcode)
    stop: BaseException | None = None
    with Progress(progress, f"store to {peer.ae_title}", unit="instance", total=len(instances)) as bar:
        for number, group in enumerate(group_by_association(instances, codec)):
            outcome: dict[int, Stored] = {}
            association: Calls | None = None
            broken: NbdicomError | None = cancelled()  # if it is stopped
            if stop is None:
                line = caller.line(storage_contexts(group, codec))
                try:
                    association = await line.association()
                    async with line:
                        broken = await _store_group(line, association, group, outcome, bar)
                except caller.stops as stopped:
                    if number == 0 and association is None:
                        raise  # nothing is lost with it
                    stop = stopped
                except (AssociationError, OperationTimeout) as error:
                    if number == 0:
                        raise
                    broken = error
            rows += [_sent(outcome.get(id(instance)) or Stored(instance, error=broken)) for instance in group]
    result = StoreResult(
        rows=tuple(rows), peer=peer.address, seconds=time.monotonic() - started, provenance=peer.provenance(None, None)
    )
    return told(
        caller.hand_over(result, stop, f"{counted(sum(row.ok for row in rows), 'instance')} had been stored"),
        raise_on_error,
    )


async def _scanned(
    caller: Caller, items: Iterable[Any], *, transcode: bool
) -> tuple[list[StorableInstance], list[Sent]]:
    """The instances to be sent, and what cannot be or is none."""
    from nbdicom.data import Skipped, instance, scan

    given = list(_expanded(each_item(items)))
    named = {Path(item) for item in given if isinstance(item, (str, Path))}
    instances: list[StorableInstance] = []
    rows: list[Sent] = []
    for found in scan(given):
        await caller.pause()
        if isinstance(found, Skipped):
            # In a folder it is normal that there are other files; what somebody names or hands over is meant to be sent.
            path = found.path
            by_name = isinstance(path, str) or (path in named and not path.is_dir())
            rows.append(Sent(source=str(path), skipped=not by_name, message=str(found.reason)))
        else:
            instances.append(instance(found, transcode=transcode))
    return instances, rows


async def _store_group(
    line: Line, association: Calls, group: Sequence[StorableInstance], outcome: dict[int, Stored], bar: Progress
) -> NbdicomError | None:
    """Send a group on one association, and note the *outcome* by the identity of the instances.

    A peer that aborts does so at an object that it cannot read, a truncated file for instance.  That one has failed, and
    the others go on behind it, on a new association: or else the same file would be in their way each time.

    Returns why the rest was not sent, if it broke.
    """
    waiting, patience = list(group), _ABORTS
    while True:
        broken: NbdicomError | None = None
        before = len(outcome)
        try:
            async with association.store(waiting) as answers:
                async for stored in answers:
                    outcome[id(stored.instance)] = stored
                    bar.reach(bar.done + 1, size=_size_of(stored.instance))
        except (AssociationError, OperationTimeout) as error:
            broken = error
        waiting = [instance for instance in waiting if id(instance) not in outcome]
        patience = (_ABORTS if len(outcome) > before else patience) - 1
        if not isinstance(broken, AssociationAborted) or len(waiting) < 2 or not patience:
            return broken
        at_fault = waiting.pop(0)
        outcome[id(at_fault)] = Stored(at_fault, error=broken)
        await association.release()  # nothing happens where it is over already
        try:
            association = await line.association()
        except (AssociationError, OperationTimeout):
            return broken  # why it was lost says more than that it cannot be had again


def _size_of(instance: StorableInstance) -> int:
    """Bytes of its file, for the bar; 0 for a Dataset."""
    path = getattr(instance, "path", None)
    try:
        return Path(path).stat().st_size if path is not None else 0
    except OSError:
        return 0


def _sent(stored: Stored) -> Sent:
    instance = stored.instance
    if stored.error is not None:
        message = stored.error.message
    elif stored.status is None:
        message = "not sent"
    else:
        message = "stored" if stored.status.is_success else str(stored.status)
    return Sent(
        source=str(getattr(instance, "path", None) or "Dataset"),
        sop_instance_uid=instance.sop_instance_uid,
        sop_class_uid=instance.sop_class_uid,
        transfer_syntax=stored.transfer_syntax if stored.error is None else None,
        status=stored.status,
        ok=stored.ok,
        message=message,
    )


def _expanded(items: Iterable[Any]) -> Iterator[Any]:
    """Patterns such as ``data/**/*.dcm`` and results as the files that they mean; everything else as it is."""
    for item in items:
        if isinstance(paths := getattr(item, "paths", None), (tuple, list)):
            yield from paths
            continue
        if isinstance(item, str) and any(c in item for c in "*?[") and not Path(item).exists():
            matches = sorted(glob(item, recursive=True))  # noqa: PTH207  # Path.glob takes no absolute pattern
            yield from matches or [item]
        else:
            yield item
