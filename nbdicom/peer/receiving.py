"""Retrieving by whatever the peer offers; C-MOVE to ourselves needs a storage SCP for the time of one call.

The peer opens the association for the instances (PS3.4 C.4.2.2), so it must know our AE title, and reach this machine
at the port that it has registered for it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nbdicom.core.streams import DataSink
from nbdicom.errors import NoPresentationContext, OperationCancelled, QueryError
from nbdicom.peer.line import Waiting, run
from nbdicom.peer.progress import ProgressLike
from nbdicom.peer.query import InformationModel
from nbdicom.peer.results import Retrieved, RetrieveResult
from nbdicom.peer.selection import Target
from nbdicom.peer.transfer import get, move
from nbdicom.receiver import Receiver, StoredFile
from nbdicom.status import Status
from nbdicom.table import counted

if TYPE_CHECKING:
    from nbdicom.operations.requests import StoreRequest
    from nbdicom.peer.entity import RemoteEntity

__all__ = ["check_method", "fetch", "move_here"]


def check_method(peer: RemoteEntity, method: str, listen: object) -> None:
    """Refuse what is no way to retrieve, before anything is asked.

    Raises
    ------
    QueryError
        If *method* is not known, or needs a port.
    """
    if method not in ("auto", "get", "move"):
        raise QueryError(f"method {method!r} is not known", hint="'auto', 'get' or 'move'")
    if method == "move" and listen is None:
        raise QueryError(
            "C-MOVE needs a port on which we receive",
            hint=f"listen='0.0.0.0:11113', and register {peer.calling!r} with this machine and port at the peer",
        )


def fetch(
    peer: RemoteEntity,
    targets: Sequence[Target],
    folder: Path,
    *,
    method: str,
    listen: tuple[str, int] | None,
    model: InformationModel,
    classes: Iterable[str] = (),
    associations: int = 1,
    progress: ProgressLike = None,
    sink: Callable[[StoreRequest], DataSink] | None = None,
) -> RetrieveResult:
    """Retrieve into *folder*, or *sink*, by C-GET or C-MOVE; ``"auto"`` takes C-MOVE if the peer does not offer C-GET.

    Raises
    ------
    NoPresentationContext, AssociationError, ConnectionFailed
        See `nbdicom.peer.transfer.get` and `move_here`.
    """
    if method != "move":
        try:
            getting = get(
                Waiting(peer), targets, folder, model=model, classes=classes, associations=associations,
                progress=progress, sink=sink,
            )  # fmt: skip
            return run(getting)
        except NoPresentationContext:
            if method == "get" or listen is None:
                raise
    assert listen is not None
    return move_here(
        peer, targets, folder, listen=listen, model=model, associations=associations, progress=progress, sink=sink
    )


def move_here(
    peer: RemoteEntity,
    targets: Sequence[Target],
    folder: Path,
    *,
    listen: tuple[str, int],
    model: InformationModel,
    associations: int = 1,
    progress: ProgressLike = None,
    sink: Callable[[StoreRequest], DataSink] | None = None,
) -> RetrieveResult:
    """Retrieve by C-MOVE into *folder*, or *sink*, receiving on *listen* under our calling AE title.

    Raises
    ------
    ConnectionFailed
        If the port cannot be listened on.
    NoPresentationContext, AssociationError
        If the peer does not offer C-MOVE, or cannot be reached.
    """
    started = time.monotonic()
    arrived: dict[str, Retrieved] = {}  # by SOP Instance UID: an instance that is sent twice is one file
    news = threading.Condition()

    def on_stored(stored: StoredFile) -> None:
        row = Retrieved(
            sop_instance_uid=stored.sop_instance_uid,
            sop_class_uid=stored.sop_class_uid,
            transfer_syntax=stored.transfer_syntax,
            path=stored.path,
            size=stored.bytes,
            status=Status(0x0000, "C-STORE"),
            ok=True,
            message="stored",
        )
        with news:
            arrived[str(stored.sop_instance_uid)] = row
            news.notify_all()

    receiver = Receiver(
        folder,
        ae_title=peer.calling,
        host=listen[0],
        port=listen[1],
        on_stored=on_stored,
        sink=sink,
        timeouts=peer.timeouts,
        limits=peer.limits,
    )
    with receiver:
        moving = move(Waiting(peer), targets, peer.calling, model=model, associations=associations, progress=progress)
        moved = run(moving)
        # Some peers answer Success before the last instance is through: what they count is waited for.
        cancelled = any(isinstance(row.answer.error, OperationCancelled) for row in moved.rows)
        with news:
            news.wait_for(lambda: len(arrived) >= moved.completed, timeout=0 if cancelled else peer.timeouts.network)
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
    return RetrieveResult(
        rows=tuple(rows),
        peer=peer.address,
        seconds=time.monotonic() - started,
        folder=folder,
        answers=answers,
        provenance=moved.provenance,
    )
