"""Retrieving, moving and storing: the loops behind `Peer.get`, `Peer.move` and `Peer.store`.

One association serves all requests; if it breaks, what has arrived is kept, and the next request opens another one.
Only an association that cannot be opened at all is an exception: everything later becomes rows of the result.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from glob import glob
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbdicom.blocking import Association, Responses
from nbdicom.blocking.interrupt import Interrupted
from nbdicom.core.negotiation import PresentationContext
from nbdicom.core.streams import DataSink
from nbdicom.errors import (
    AssociationAborted,
    AssociationError,
    NbdicomError,
    NoPresentationContext,
    OperationCancelled,
    OperationError,
    OperationTimeout,
)
from nbdicom.operations.requests import ReceivedInstance, StorableInstance, Stored, StoreRequest, SubOperations
from nbdicom.peer.content import Held, find_instances
from nbdicom.peer.contexts import retrieve_contexts
from nbdicom.peer.line import Line
from nbdicom.peer.missing import (
    in_associations,
    in_targets,
    of_other_classes,
    of_other_syntaxes,
    one_way,
    tried,
    why_none,
    why_not,
)
from nbdicom.peer.progress import Progress, ProgressLike
from nbdicom.peer.query import InformationModel, Level
from nbdicom.peer.results import Answer, Moved, MoveResult, Retrieved, RetrieveResult, Sent, StoreResult
from nbdicom.peer.selection import Target
from nbdicom.privacy import words_of
from nbdicom.table import counted
from nbdicom.uids import UID

if TYPE_CHECKING:
    from nbdicom.peer.entity import RemoteEntity

__all__ = ["get", "move", "store"]

_log = logging.getLogger("nbdicom.peer")


def _each(
    line: Line, targets: Sequence[Target], answers: Sequence[Answer]
) -> Iterator[tuple[Target, Association | NbdicomError]]:
    """Each target with an association to ask on, or with the error because of which it cannot be asked.

    *answers* are those that there are so far: after one that was cancelled nothing more is asked.

    Raises
    ------
    AssociationError, OperationTimeout
        If not even the first one can be asked.
    """
    dead: NbdicomError | None = None
    for position, target in enumerate(targets):
        if answers and isinstance(answers[-1].error, OperationCancelled):
            dead = answers[-1].error
        if dead is not None:
            yield target, dead
            continue
        try:
            association = line.association()
        except Interrupted:
            if position == 0:
                raise
            dead = _cancelled()
            yield target, dead
        except (AssociationError, OperationTimeout) as error:
            if position == 0:
                raise
            dead = error
            yield target, error
        else:
            yield target, association


def _run(begin: Callable[[], Responses[Any]], answer: Answer, on_value: Callable[[Any], object]) -> None:
    """One C-GET or C-MOVE to its end, which becomes part of *answer*.

    Raises
    ------
    NoPresentationContext
        If the peer did not accept the service.
    """
    try:
        with begin() as responses:
            for value in _until_the_end(responses):
                if isinstance(value, SubOperations):
                    _count(value, answer)
                on_value(value)
            answer.status = responses.status
    except NoPresentationContext:
        raise
    except Interrupted:
        answer.error = _cancelled()  # what had arrived is kept, and the result says what is missing
    except (AssociationError, OperationTimeout) as error:
        answer.error = error


def _cancelled() -> OperationCancelled:
    return OperationCancelled("cancelled before it was done")


def _count(value: SubOperations, answer: Answer) -> None:
    """Take over the counters of a response; one that it leaves out stays as it was (PS3.4 C.4.2.1.6 to C.4.2.1.9)."""
    counted = False
    for name in ("completed", "failed", "warning", "remaining"):
        if (count := getattr(value, name)) is not None:
            setattr(answer, name, count)
            counted = True
    answer.failed_uids = value.failed_sop_instance_uids or answer.failed_uids
    if not value.status.is_pending and value.remaining is None and answer.remaining is not None:
        # A final response says nothing about what remains, unless it was cancelled: nothing does, if it counts at all.
        answer.remaining = 0 if counted or not value.status.is_failure else answer.remaining


def _until_the_end(responses: Responses[Any]) -> Iterator[Any]:
    try:
        yield from responses
    except OperationTimeout:
        raise
    except OperationError:
        pass  # a failure, or a cancellation by the peer: `responses.status` says which


# ------------------------------------------------------------------------------- C-GET


def get(
    peer: RemoteEntity,
    targets: Sequence[Target],
    folder: Path,
    *,
    model: InformationModel,
    classes: Iterable[str] = (),
    progress: ProgressLike = None,
    sink: Callable[[StoreRequest], DataSink] | None = None,
) -> RetrieveResult:
    """Retrieve by C-GET into files (PS3.4 C.4.3).

    Parameters
    ----------
    peer : Peer
        Who has the instances.
    targets : sequence of Target
        What to retrieve.
    folder : Path
        Where the files go; it is made when the first one comes.
    model : InformationModel
        With which model to ask.
    classes : iterable of str
        The SOP Classes to be expected; without any, those that archives commonly hold.
    progress : optional
        See `nbdicom.peer.progress`.
    sink : callable, optional
        Gives the sink for each instance, which has a ``path`` and a ``size``; by default a file in *folder*.
    """
    from nbdicom.data import FolderSink

    started = time.monotonic()
    sink = sink or FolderSink(folder)
    outcomes: list[_Outcome] = []
    answers: list[Answer] = []
    known: set[tuple[str, str]] = set()
    declined: set[UID] = set()
    storage = retrieve_contexts(classes)
    line = Line(peer, [PresentationContext(model.get), *storage])
    counts = [target.expected or len(target.instances) for target in targets]
    total = sum(counts) if all(counts) else None
    with Progress(progress, f"get from {peer.ae_title}", unit="instance", total=total) as bar:
        with line.closing():
            for target, where in _each(line, targets, answers):
                one = _Outcome(target)
                outcomes.append(one)
                if isinstance(where, NbdicomError):
                    one.answers.append(Answer(target=target, error=where))
                else:
                    _get_one(where, one, target, sink, model, bar, known_total=total is not None)
                    known |= tried(where.negotiation)
                    declined |= one_way(where.negotiation)
                answers += one.answers
        left_out = bool({*classes} - {context.abstract_syntax for context in storage})
        _get_missing(peer, [one for one in outcomes if one.may_lack(left_out)], known, declined, sink, model, bar)
    return RetrieveResult(
        rows=tuple(row for one in outcomes for row in (*one.arrived.values(), *one.absent())),
        peer=peer.address,
        seconds=time.monotonic() - started,
        folder=folder,
        answers=tuple(answer for one in outcomes for answer in one.answers),
        provenance=peer.provenance(Level.IMAGE, model),
    )


@dataclass(slots=True)
class _Outcome:
    """What one target came to."""

    target: Target
    answers: list[Answer] = field(default_factory=list)
    arrived: dict[str, Retrieved] = field(default_factory=dict)  #: by UID: an instance that is sent twice is one file
    hints: dict[str, str] = field(default_factory=dict)  #: by UID: why it may not have come, and what to try

    def absent(self) -> list[Retrieved]:
        rows = _absent(self.target, self.answers, list(self.arrived.values()))
        everything = self.hints.get("", "")
        return [
            replace(row, message=f"{row.message}; {hint}")
            if (hint := self.hints.get(str(row.sop_instance_uid), everything))
            else row
            for row in rows
        ]

    def may_lack(self, left_out: bool) -> bool:
        """Whether there may be instances for which there was no presentation context.

        *left_out*: there were more SOP Classes than contexts; then a peer may have sent less and not counted it.
        """
        return all(answer.error is None for answer in self.answers) and (left_out or bool(self.absent()))


def _get_missing(
    peer: RemoteEntity,
    outcomes: Sequence[_Outcome],
    known: Collection[tuple[str, str]],
    declined: Collection[UID],
    sink: Any,
    model: InformationModel,
    bar: Progress,
) -> None:
    """Ask once more, by name, for what has not arrived and has a presentation context that was not tried yet."""
    if not outcomes:
        return
    where: dict[str, _Outcome] = {}
    missing: list[Held] = []
    line = Line(peer, [PresentationContext(model.find)])
    try:
        with line.closing():
            for outcome in outcomes:
                for one in find_instances(line, outcome.target, model):
                    if one.sop_instance_uid not in outcome.arrived:
                        where[one.sop_instance_uid] = outcome
                        missing.append(one)
    except Interrupted:
        outcomes[-1].answers.append(Answer(target=outcomes[-1].target, error=_cancelled()))
        return
    except NbdicomError as error:
        _log.info("%s does not say what is missing: %s", peer.ae_title, words_of(error))
        for outcome in outcomes:
            outcome.hints[""] = why_none(declined)
        return

    def rounds() -> Iterator[tuple[list[PresentationContext], list[Target]]]:
        yield from in_associations(missing, known, model)
        unknown = [one for one in missing if not one.sop_class_uid]
        for contexts in (*of_other_classes(known, model), *of_other_syntaxes(known, model)) if unknown else ():
            left = [one for one in unknown if one.sop_instance_uid not in where[one.sop_instance_uid].arrived]
            if left:
                yield contexts, in_targets(left)

    for contexts, wanted in rounds():
        line = Line(peer, contexts)
        asked: list[Answer] = []
        try:
            with line.closing():
                for target, association in _each(line, wanted, asked):
                    outcome = where[target.instances[0]]
                    if isinstance(association, NbdicomError):
                        outcome.answers.append(Answer(target=target, error=association))
                    else:
                        _get_one(association, outcome, target, sink, model, bar, known_total=True)
                    asked.append(outcome.answers[-1])
        except Interrupted:
            asked.append(Answer(target=wanted[0], error=_cancelled()))
            where[wanted[0].instances[0]].answers.append(asked[-1])
        except (AssociationError, OperationTimeout) as error:
            where[wanted[0].instances[0]].answers.append(Answer(target=wanted[0], error=error))
        if asked and isinstance(asked[-1].error, OperationCancelled):
            return
    for one in missing:
        outcome = where[one.sop_instance_uid]
        if one.sop_instance_uid not in outcome.arrived:
            outcome.hints[one.sop_instance_uid] = why_not(one, declined)


def _get_one(
    association: Association,
    outcome: _Outcome,
    target: Target,
    sink: Any,
    model: InformationModel,
    bar: Progress,
    *,
    known_total: bool,
) -> None:
    """One target, for *outcome*; instances that a list of UIDs did not bring are asked for one by one."""
    arrived: dict[str, Retrieved] = {}
    before = bar.done

    def ask(one: Target) -> Answer:
        answer = Answer(target=one)

        def on_value(value: ReceivedInstance | SubOperations) -> None:
            size = 0
            if isinstance(value, ReceivedInstance):
                row = _retrieved(value, one)
                arrived[str(row.sop_instance_uid)] = row
                size = row.size or 0
            total = None if known_total or answer.total is None else before + answer.total
            bar.reach(before + len(arrived), total, size=size)

        _run(lambda: association.get(one.identifier(), model=model.get, sink=sink), answer, on_value)
        return answer

    answers = [ask(target)]
    if len(target.instances) > 1 and answers[0].error is None:
        # Not every peer understands a list of UIDs (PS3.4 C.2.2.2.2).
        named = {*arrived, *answers[0].failed_uids}
        for single in target.single(uid for uid in target.instances if uid not in named):
            if not association.is_established:
                break
            answers.append(ask(single))
    outcome.answers += answers
    outcome.arrived |= arrived


def _retrieved(value: ReceivedInstance, target: Target) -> Retrieved:
    good = not value.status.is_failure
    path = getattr(value.sink, "path", None) if good else None
    return Retrieved(
        sop_instance_uid=value.sop_instance_uid,
        sop_class_uid=value.sop_class_uid,
        transfer_syntax=value.transfer_syntax,
        study=_one_of(target, "StudyInstanceUID"),
        series=_one_of(target, "SeriesInstanceUID"),
        path=Path(path) if path is not None else None,
        size=getattr(value.sink, "size", None) if good else None,
        status=value.status,
        ok=good,
        message="stored" if value.status.is_success else f"we answered {value.status}",
    )


def _absent(target: Target, answers: Sequence[Answer], arrived: Sequence[Retrieved]) -> Iterator[Retrieved]:
    """What should have arrived and did not, by name as far as anybody names it."""
    have = {row.sop_instance_uid for row in arrived}
    last = answers[-1]
    absent = partial(
        Retrieved,
        study=_one_of(target, "StudyInstanceUID"),
        series=_one_of(target, "SeriesInstanceUID"),
        status=last.status,
    )
    reasons: dict[str, str] = {}
    for answer in answers:
        because = f"the peer could not send it: {answer.message}"
        for uid in (*answer.failed_uids, *answer.target.instances):
            if uid not in have:
                reasons[uid] = because if uid in answer.failed_uids else answer.message
    for uid, message in reasons.items():
        yield absent(sop_instance_uid=UID(uid), message=message)
    told = max((answer.total or 0) for answer in answers)
    unnamed = max(told, target.expected or 0) - len(have) - len(reasons)
    if unnamed > 0:
        who = "the peer counts" if told >= (target.expected or 0) else "the table counts"
        message = f"{who} {counted(max(told, target.expected or 0), 'instance')}, {len(have)} arrived: {last.message}"
        yield absent(sop_instance_uid=None, message=message, count=unnamed)
    elif not reasons and (not last.ok or not have):
        message = last.message
        if last.ok or (last.error is None and last.status is not None and last.status.is_success):
            message = f"the peer answered Success and sent nothing: it has no such {target.level.value.lower()}"
        yield absent(sop_instance_uid=None, message=f"{target}: {message}", count=0)


def _one_of(target: Target, key: str) -> str | None:
    value = target.keys.get(key)
    return value if isinstance(value, str) else None


# ------------------------------------------------------------------------------- C-MOVE


def move(
    peer: RemoteEntity,
    targets: Sequence[Target],
    destination: str,
    *,
    model: InformationModel,
    progress: ProgressLike = None,
) -> MoveResult:
    """Have the peer send to another AE (PS3.4 C.4.2): one request for each target."""
    started = time.monotonic()
    answers: list[Answer] = []
    line = Line(peer, [PresentationContext(model.move)])
    with Progress(progress, f"move to {destination}", unit="instance") as bar, line.closing():
        for target, where in _each(line, targets, answers):
            answer = Answer(target=target)
            answers.append(answer)
            if isinstance(where, NbdicomError):
                answer.error = where
                continue
            before = bar.done

            def on_value(value: SubOperations, answer: Answer = answer, before: int = before) -> None:
                done = (answer.completed or 0) + (answer.failed or 0) + (answer.warning or 0)
                bar.reach(before + done, None if answer.total is None else before + answer.total)

            def begin(association: Association = where, target: Target = target) -> Responses[SubOperations]:
                return association.move(target.identifier(), destination=destination, model=model.move)

            _run(begin, answer, on_value)
    return MoveResult(
        rows=tuple(Moved(answer=answer) for answer in answers),
        peer=peer.address,
        seconds=time.monotonic() - started,
        destination=destination,
        provenance=peer.provenance(targets[0].level, model),
    )


# ------------------------------------------------------------------------------- C-STORE

_ABORTS = 3  #: one after the other, and nothing stored in between: it is not the objects then


def store(
    peer: RemoteEntity, items: Iterable[Any], *, transcode: bool = False, progress: ProgressLike = None
) -> StoreResult:
    """Send files, folders and Datasets (PS3.4 Annex B), with as many associations as the contexts need."""
    from nbdicom.data import Skipped, codec, instance, scan
    from nbdicom.operations.contexts import group_by_association, storage_contexts

    started = time.monotonic()
    given = list(_expanded(items))
    named = {Path(item) for item in given if isinstance(item, (str, Path))}
    rows: list[Sent] = []
    instances: list[StorableInstance] = []
    for found in scan(given):
        if isinstance(found, Skipped):
            # In a folder it is normal that there are other files; what somebody names or hands over is meant to be sent.
            path = found.path
            by_name = isinstance(path, str) or (path in named and not path.is_dir())
            rows.append(Sent(source=str(path), skipped=not by_name, message=str(found.reason)))
        else:
            instances.append(instance(found, transcode=transcode))
    with Progress(progress, f"store to {peer.ae_title}", unit="instance", total=len(instances)) as bar:
        cancelled: OperationCancelled | None = None
        for number, group in enumerate(group_by_association(instances, codec)):
            if cancelled is not None:
                rows += [_sent(Stored(instance, error=cancelled)) for instance in group]
                continue
            line = Line(peer, storage_contexts(group, codec))
            try:
                association = line.association()
            except (AssociationError, OperationTimeout) as error:
                if number == 0:
                    raise
                rows += [_sent(Stored(instance, error=error)) for instance in group]
                continue
            with line.closing():
                sent, cancelled = _store_group(line, association, group, bar)
            rows += sent
    return StoreResult(
        rows=tuple(rows), peer=peer.address, seconds=time.monotonic() - started, provenance=peer.provenance(None, None)
    )


def _store_group(
    line: Line, association: Association, group: Sequence[StorableInstance], bar: Progress
) -> tuple[list[Sent], OperationCancelled | None]:
    """Send a group on one association; if it breaks or is cancelled, what was not sent is reported as that.

    A peer that aborts does so at an object that it cannot read, a truncated file for instance.  That one has failed, and
    the others go on behind it, on a new association: or else the same file would be in their way each time.
    """
    outcome: dict[int, Stored] = {}
    waiting, patience = list(group), _ABORTS
    while True:
        broken: NbdicomError | None = None
        before = len(outcome)
        try:
            for stored in association.store(waiting):
                outcome[id(stored.instance)] = stored
                bar.reach(bar.done + 1, size=_size_of(stored.instance))
        except Interrupted:
            broken = _cancelled()
        except (AssociationError, OperationTimeout) as error:
            broken = error
        waiting = [instance for instance in waiting if id(instance) not in outcome]
        patience = (_ABORTS if len(outcome) > before else patience) - 1
        if not isinstance(broken, AssociationAborted) or len(waiting) < 2 or not patience:
            break
        at_fault = waiting.pop(0)
        outcome[id(at_fault)] = Stored(at_fault, error=broken)
        association.release()  # nothing happens where it is over already
        try:
            association = line.association()
        except (AssociationError, OperationTimeout):
            break  # why it was lost says more than that it cannot be had again
    rows = [_sent(outcome.get(id(instance)) or Stored(instance, error=broken)) for instance in group]
    return rows, broken if isinstance(broken, OperationCancelled) else None


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
