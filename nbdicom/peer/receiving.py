"""Retrieving by whatever the peer offers: the verb behind `retrieve` of `Peer` and `AsyncPeer`; a pull fetches by it, too.

C-MOVE to ourselves needs a storage SCP for the time of one call.  The peer opens the association for the instances (PS3.4
C.4.2.2), so it must know our AE title, and reach this machine at the port that it has registered for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from nbdicom.address import join_address, listening_address
from nbdicom.core.streams import DataSink
from nbdicom.errors import NoPresentationContext, QueryError
from nbdicom.peer.calling import Caller
from nbdicom.peer.finding import sop_classes_in_studies
from nbdicom.peer.getting import get, move
from nbdicom.peer.progress import ProgressLike
from nbdicom.peer.query import InformationModel
from nbdicom.peer.results import MoveResult, Retrieved, RetrieveResult
from nbdicom.peer.selection import Target, asked, check_associations, sop_classes
from nbdicom.status import Status
from nbdicom.table import counted

if TYPE_CHECKING:
    from nbdicom.operations.requests import StoreRequest
    from nbdicom.peer.entity import Remote
    from nbdicom.receiver import StoredFile

__all__ = ["Plan", "fetch", "retrieve"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be retrieved, where to, and how; checked before anything is asked."""

    targets: Sequence[Target]
    model: InformationModel
    folder: Path
    method: str  #: "get", "move" or "auto"
    listen: tuple[str, int] | None  #: where we receive what is moved to us
    classes: Collection[str]  #: the SOP Classes that the selection names; empty if it does not name all
    associations: int  #: so many at once

    @classmethod
    def of(
        cls,
        peer: Remote,
        selection: Any,
        keys: Mapping[str, Any],
        *,
        to: str | Path,
        method: str,
        listen: str | int | tuple[str, int] | None,
        level: str | None,
        model: str | None,
        associations: int,
    ) -> Self:
        """See `nbdicom.Peer.retrieve`.

        Raises
        ------
        QueryError
            If a key is missing, *method* is not known, or needs a port.
        NbdicomError
            If the folder cannot be used.
        """
        from nbdicom.data.sink import made_folder

        if method not in ("auto", "get", "move"):
            raise QueryError(f"method {method!r} is not known", hint="'auto', 'get' or 'move'")
        if method == "move" and listen is None:
            raise QueryError(
                "C-MOVE needs a port on which we receive",
                hint=f"listen='0.0.0.0:11113', and register {peer.calling!r} with this machine and port at the peer",
            )
        check_associations(associations)
        wanted, root = asked(selection, keys, level, model)
        folder = made_folder(to)
        where = None if listen is None else listening_address(listen)
        return cls(wanted, root, folder, method, where, sop_classes(selection), associations)


async def retrieve(caller: Caller, plan: Plan, progress: ProgressLike) -> RetrieveResult:
    """See `nbdicom.Peer.retrieve`."""
    classes = plan.classes
    if plan.method != "move":
        classes = classes or await sop_classes_in_studies(caller, plan.targets)
    result, stop = await fetch(caller, plan, plan.targets, classes=classes, progress=progress)
    return caller.hand_over(result, stop, f"{result.here} had come")


async def fetch(
    caller: Caller,
    plan: Plan,
    targets: Sequence[Target],
    *,
    classes: Collection[str],
    progress: ProgressLike,
    sink: Callable[[StoreRequest], DataSink] | None = None,
) -> tuple[RetrieveResult, BaseException | None]:
    """Retrieve into the folder of *plan*, or *sink*, as it says; ``"auto"`` takes C-MOVE if the peer does not offer C-GET.

    Returns the result, and what stopped it (see `Caller.stops`).

    Raises
    ------
    NoPresentationContext, AssociationError, ConnectionFailed
        If the peer offers neither, or cannot be reached; if the port cannot be listened on.
    """
    if plan.method != "move":
        try:
            return await get(
                caller, targets, plan.folder, model=plan.model, classes=classes, associations=plan.associations,
                progress=progress, sink=sink,
            )  # fmt: skip
        except NoPresentationContext:
            if plan.method == "get" or plan.listen is None:
                raise
    assert plan.listen is not None
    return await _move_here(caller, plan, targets, progress=progress, sink=sink)


async def _move_here(
    caller: Caller,
    plan: Plan,
    targets: Sequence[Target],
    *,
    progress: ProgressLike,
    sink: Callable[[StoreRequest], DataSink] | None,
) -> tuple[RetrieveResult, BaseException | None]:
    """Retrieve by C-MOVE, receiving under our calling AE title."""
    from nbdicom.data import FolderSink

    assert plan.listen is not None
    started, peer = time.monotonic(), caller.peer
    into = sink or FolderSink(plan.folder, free_space=peer.limits.free_space)
    inbox = caller.inbox(plan.folder, plan.listen, into)
    moved: MoveResult | None = None
    try:
        async with inbox:
            moved, stop = await move(
                caller, targets, peer.calling, model=plan.model, associations=plan.associations, progress=progress
            )
            if stop is None:
                # Some peers answer Success before the last instance is through: what they count is waited for.
                await inbox.wait_for(moved.completed, peer.timeouts.network)
    except caller.stops as stopping:
        if moved is None:
            raise
        stop = stopping
    arrived = {uid: _retrieved(stored) for uid, stored in inbox.stored.items()}
    answers = tuple(row.answer for row in moved.rows)
    rows = list(arrived.values())
    for answer in answers:
        named = [uid for uid in answer.failed_uids if uid not in arrived]
        message = f"the peer could not send it: {answer.message}"
        rows += [Retrieved(sop_instance_uid=uid, status=answer.status, message=message) for uid in named]
        unnamed = max((answer.failed or 0) - len(named), 0)
        if unnamed or (not answer.ok and not named):
            message = f"{answer.target}: {answer.message}"
            rows.append(Retrieved(sop_instance_uid=None, status=answer.status, message=message, count=unnamed))
    late = moved.completed - len(arrived)
    if late > 0:
        message = f"the peer counts {counted(moved.completed, 'instance')} sent, {len(arrived)} arrived"
        rows.append(Retrieved(sop_instance_uid=None, message=message, count=late))
    result = RetrieveResult(
        rows=tuple(rows),
        peer=peer.address,
        seconds=time.monotonic() - started,
        folder=plan.folder,
        answers=answers,
        listened=f"{peer.calling}@{join_address(*plan.listen)}",
        provenance=moved.provenance,
    )
    return result, stop


def _retrieved(stored: StoredFile) -> Retrieved:
    return Retrieved(
        sop_instance_uid=stored.sop_instance_uid,
        sop_class_uid=stored.sop_class_uid,
        transfer_syntax=stored.transfer_syntax,
        path=stored.path,
        size=stored.bytes,
        status=Status(0x0000, "C-STORE"),
        ok=True,
        message="stored",
    )
