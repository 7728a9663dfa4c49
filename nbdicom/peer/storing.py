"""Storing: the verb behind `store` of `Peer` and `AsyncPeer`.

As many associations as the contexts need, one after the other, or several that share what has the same contexts.  Only if
none can be opened that is an exception: everything later becomes rows of the result.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from glob import glob
from pathlib import Path
from typing import Any

from nbdicom.core.presentation import TRANSCODE_IT
from nbdicom.errors import AssociationAborted, AssociationError, NbdicomError, OperationTimeout
from nbdicom.operations.outcome import what_to_try
from nbdicom.operations.requests import StorableInstance, Stored
from nbdicom.peer.asking import ask_each
from nbdicom.peer.calling import Caller, Calls, cancelled
from nbdicom.peer.progress import Progress, ProgressLike
from nbdicom.peer.results import Sent, StoreResult, told
from nbdicom.peer.selection import check_associations, each_item, paths_of
from nbdicom.table import counted

__all__ = ["store"]

_BUNDLES = 4  #: for each of several associations
_ABORTS = 3  #: one after the other, and nothing stored in between: it is not the objects then


@dataclass(slots=True, eq=False)
class _Bundle:
    """Instances that one association sends."""

    waiting: list[StorableInstance]
    patience: int = _ABORTS
    broken: NbdicomError | None = None  #: why what still waits was not sent


async def store(
    caller: Caller,
    items: Iterable[Any],
    *,
    transcode: bool,
    associations: int,
    progress: ProgressLike,
    raise_on_error: bool,
) -> StoreResult:
    """Send files, folders and Datasets (PS3.4 Annex B); see `nbdicom.Peer.store`."""
    from nbdicom.data import codec
    from nbdicom.operations.contexts import group_by_association, storage_contexts

    check_associations(associations)
    peer, started = caller.peer, time.monotonic()
    instances, rows = await _scanned(caller, items, transcode=transcode)
    stop: BaseException | None = None
    with Progress(progress, f"store to {peer.ae_title}", unit="instance", total=len(instances)) as bar:
        storing = _Storing(bar)
        for number, group in enumerate(group_by_association(instances, codec)):
            bundles = _bundles(group, associations)
            error: NbdicomError | None = cancelled()  # if it is stopped
            if stop is None:
                try:
                    end = await ask_each(caller, storage_contexts(group, codec), bundles, storing.send, associations)
                    error, stop = end.error, end.stop
                except caller.stops as stopped:
                    if number == 0:
                        raise  # nothing is lost with it
                    stop = stopped
                except (AssociationError, OperationTimeout) as failure:
                    if number == 0:
                        raise
                    error = failure
            unsent = {id(one): bundle.broken or error for bundle in bundles for one in bundle.waiting}
            rows += [_sent(storing.outcome.get(id(one)) or Stored(one, error=unsent[id(one)]), transcode) for one in group]
    result = StoreResult(
        rows=tuple(rows), peer=peer.address, seconds=time.monotonic() - started, provenance=peer.provenance(None, None)
    )
    return told(
        caller.hand_over(result, stop, f"{counted(sum(row.ok for row in rows), 'instance')} had been stored"),
        raise_on_error,
    )


def _bundles(group: Sequence[StorableInstance], associations: int) -> list[_Bundle]:
    """All of it for one association; for several so many bundles that none has to wait long for the last."""
    size = len(group) if associations == 1 else max(1, len(group) // (_BUNDLES * associations))
    return [_Bundle(list(group[start : start + size])) for start in range(0, len(group), size)]


@dataclass(slots=True)
class _Storing:
    """What became of the instances, by their identity."""

    bar: Progress
    outcome: dict[int, Stored] = field(default_factory=dict)

    async def send(self, association: Calls, bundle: _Bundle) -> bool:
        """Send a bundle; True if what is left of it is to be sent on another association.

        A peer that aborts does so at an object that it cannot read, a truncated file for instance.  That one has failed,
        and the others go on behind it: or else the same file would be in their way each time.
        """
        before, broken, part = len(bundle.waiting), None, self.bar.part()
        try:
            async with association.store(bundle.waiting) as answers:
                async for stored in answers:
                    self.outcome[id(stored.instance)] = stored
                    part.reach(part.done + 1, size=_size_of(stored.instance))
        except (AssociationError, OperationTimeout) as error:
            broken = error
        finally:
            bundle.waiting = [instance for instance in bundle.waiting if id(instance) not in self.outcome]
        bundle.broken = broken
        bundle.patience = (_ABORTS if len(bundle.waiting) < before else bundle.patience) - 1
        if not isinstance(broken, AssociationAborted) or len(bundle.waiting) < 2 or not bundle.patience:
            return False
        at_fault = bundle.waiting.pop(0)
        self.outcome[id(at_fault)] = Stored(at_fault, error=broken)
        await association.release()  # nothing happens where it is over already
        return True  # if there is none, why this one was lost says more than that


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


def _size_of(instance: StorableInstance) -> int:
    """Bytes of its file, for the bar; 0 for a Dataset."""
    path = getattr(instance, "path", None)
    try:
        return Path(path).stat().st_size if path is not None else 0
    except OSError:
        return 0


def _sent(stored: Stored, transcode: bool) -> Sent:
    instance = stored.instance
    hint = ""
    if stored.error is not None:
        message, hint = stored.error.message, stored.error.hint or ""
        if transcode and hint == TRANSCODE_IT:
            hint = "what is sent can be encoded in no transfer syntax that the peer takes: see docs/transfer_syntaxes.md"
    elif stored.status is None:
        message = "not sent"
    else:
        message = "stored" if stored.status.is_success else str(stored.status)
        hint = what_to_try(stored.status, "C-STORE") if stored.status.is_failure else ""
    return Sent(
        source=str(getattr(instance, "path", None) or "Dataset"),
        sop_instance_uid=instance.sop_instance_uid,
        sop_class_uid=instance.sop_class_uid,
        transfer_syntax=stored.transfer_syntax if stored.error is None else None,
        status=stored.status,
        ok=stored.ok,
        message=message,
        hint=hint,
    )


def _expanded(items: Iterable[Any]) -> Iterator[Any]:
    """Patterns such as ``data/**/*.dcm``, results and tables as the files that they mean; everything else as it is."""
    for item in items:
        if isinstance(paths := getattr(item, "paths", None), (tuple, list)):
            yield from paths
            continue
        if hasattr(item, "to_dict") and hasattr(item, "index") and "path" in getattr(item, "columns", ("path",)):
            yield from paths_of(item)
            continue
        if isinstance(item, (str, Path)) and str(item).startswith("~"):
            item = type(item)(Path(item).expanduser())
        if isinstance(item, str) and any(c in item for c in "*?[") and not Path(item).exists():
            matches = sorted(glob(item, recursive=True))  # noqa: PTH207  # Path.glob takes no absolute pattern
            yield from matches or [item]
        else:
            yield item
