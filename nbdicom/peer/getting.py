"""Getting and moving: the verbs behind `get` and `move` of `Peer` and `AsyncPeer`.

One association serves all requests, or several share them.  If one breaks, what has arrived is kept, and the next request
opens another one.  Only an association that cannot be opened at all is an exception: everything later becomes rows of the
result.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from nbdicom.core.negotiation import Negotiation, PresentationContext, title_problem
from nbdicom.core.streams import DataSink
from nbdicom.errors import (
    AssociationError,
    LocalProtocolError,
    NbdicomError,
    NoPresentationContext,
    OperationError,
    OperationTimeout,
)
from nbdicom.operations.requests import ReceivedInstance, StoreRequest, SubOperations
from nbdicom.peer.asking import End, ask_each
from nbdicom.peer.calling import Answers, Caller, Calls, cancelled
from nbdicom.peer.content import Held, find_instances
from nbdicom.peer.contexts import retrieve_contexts
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
from nbdicom.peer.results import Answer, Moved, MoveResult, Retrieved, RetrieveResult, told
from nbdicom.peer.selection import Target, asked, check_associations, sop_classes
from nbdicom.privacy import words_of
from nbdicom.table import counted
from nbdicom.uids import UID

__all__ = ["get", "get_asked", "move", "move_asked"]

_log = logging.getLogger("nbdicom.peer")


async def _run(
    caller: Caller, begin: Callable[[], Answers[Any]], answer: Answer, on_value: Callable[[Any], object]
) -> None:
    """One C-GET or C-MOVE to its end, which becomes part of *answer*.

    Raises
    ------
    NoPresentationContext
        If the peer did not accept the service.
    """
    try:
        async with begin() as responses:
            while (value := await _next(responses)) is not None:
                if isinstance(value, SubOperations):
                    _count(value, answer)
                on_value(value)
            answer.status = responses.status
    except NoPresentationContext:
        raise
    except caller.stops:
        answer.error = cancelled()  # what had arrived is kept, and the result says what is missing
        raise
    except (AssociationError, OperationTimeout) as error:
        answer.error = error


async def _next(responses: Answers[Any]) -> Any:
    """The next value; None at the end."""
    try:
        return await anext(responses)
    except StopAsyncIteration:
        return None
    except OperationTimeout:
        raise
    except OperationError:
        return None  # a failure, or a cancellation by the peer: `responses.status` says which


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


# ------------------------------------------------------------------------------- C-GET


async def get_asked(
    caller: Caller,
    selection: Any,
    keys: Mapping[str, Any],
    *,
    to: str | Path,
    level: str | None,
    model: str | None,
    associations: int,
    progress: ProgressLike,
    raise_on_error: bool,
) -> RetrieveResult:
    """See `nbdicom.Peer.get`."""
    from nbdicom.data.sink import made_folder
    from nbdicom.peer.finding import sop_classes_in_studies

    check_associations(associations)
    wanted, root = asked(selection, keys, level, model)
    folder = made_folder(to)
    known = sop_classes(selection) or await sop_classes_in_studies(caller, wanted)
    result, stop = await get(
        caller, wanted, folder, model=root, classes=known, associations=associations, progress=progress
    )
    return told(caller.hand_over(result, stop, f"{result.here} had come"), raise_on_error)


async def get(
    caller: Caller,
    targets: Sequence[Target],
    folder: Path,
    *,
    model: InformationModel,
    classes: Iterable[str] = (),
    associations: int = 1,
    progress: ProgressLike = None,
    sink: Callable[[StoreRequest], DataSink] | None = None,
) -> tuple[RetrieveResult, BaseException | None]:
    """Retrieve by C-GET into files (PS3.4 C.4.3): the result, and what stopped it (see `Caller.stops`).

    Parameters
    ----------
    caller : Caller
        Who asks the peer that has the instances.
    targets : sequence of Target
        What to retrieve.
    folder : Path
        Where the files go; it is made when the first one comes.
    model : InformationModel
        With which model to ask.
    classes : iterable of str
        The SOP Classes to be expected; without any, those that archives commonly hold.
    associations : int
        So many at once.
    progress : optional
        See `nbdicom.peer.progress`.
    sink : callable, optional
        Gives the sink for each instance, which has a ``path`` and a ``size``; by default a file in *folder*.
    """
    from nbdicom.data import FolderSink

    peer, started = caller.peer, time.monotonic()
    storage = retrieve_contexts(classes)
    counts = [target.expected or len(target.instances) for target in targets]
    total = sum(counts) if all(counts) else None
    with Progress(progress, f"get from {peer.ae_title}", unit="instance", total=total) as bar:
        getting = _Getting(caller, model, sink or FolderSink(folder), bar)
        outcomes = [_Outcome(target) for target in targets]

        async def ask(association: Calls, outcome: _Outcome) -> None:
            getting.negotiated(association.negotiation)
            await getting.get(association, outcome, outcome.target, known_total=total is not None)

        contexts = [PresentationContext(model.get), *storage]
        end = await ask_each(caller, contexts, outcomes, ask, associations)
        for one in end.left:
            one.answers.append(Answer(target=one.target, error=end.error))
        stop = end.stop
        if stop is None:
            left_out = bool({*classes} - {context.abstract_syntax for context in storage})
            stop = await getting.get_missing([one for one in outcomes if one.may_lack(left_out)])
    result = RetrieveResult(
        rows=tuple(row for one in outcomes for row in (*one.arrived.values(), *one.absent())),
        peer=peer.address,
        seconds=time.monotonic() - started,
        folder=folder,
        answers=tuple(answer for one in outcomes for answer in one.answers),
        provenance=peer.provenance(Level.IMAGE, model),
    )
    return result, stop


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


@dataclass(slots=True)
class _Getting:
    """One retrieval, over as many associations as it takes."""

    caller: Caller
    model: InformationModel
    sink: Callable[[StoreRequest], DataSink]
    bar: Progress
    known: set[tuple[str, str]] = field(default_factory=set)  #: see `tried`
    declined: set[UID] = field(default_factory=set)  #: see `one_way`

    def negotiated(self, negotiation: Negotiation) -> None:
        """Note in what instances can come."""
        self.known |= tried(negotiation)
        self.declined |= one_way(negotiation)

    async def get(self, association: Calls, outcome: _Outcome, target: Target, *, known_total: bool) -> None:
        """One target, for *outcome*; instances that a list of UIDs did not bring are asked for one by one."""
        part = self.bar.part()
        arrived: set[str] = set()

        async def ask(one: Target) -> Answer:
            answer = Answer(target=one)
            outcome.answers.append(answer)

            def on_value(value: ReceivedInstance | SubOperations) -> None:
                size = 0
                if isinstance(value, ReceivedInstance):
                    row = _retrieved(value, one)
                    arrived.add(str(row.sop_instance_uid))
                    outcome.arrived[str(row.sop_instance_uid)] = row
                    size = row.size or 0
                part.reach(len(arrived), None if known_total else answer.total, size=size)

            await _run(
                self.caller,
                lambda: association.get(one.identifier(), model=self.model.get, sink=self.sink),
                answer,
                on_value,
            )
            return answer

        first = await ask(target)
        if len(target.instances) > 1 and first.error is None:
            # Not every peer understands a list of UIDs (PS3.4 C.4.2.2.2).
            named = {*arrived, *first.failed_uids}
            for single in target.single(uid for uid in target.instances if uid not in named):
                if not association.is_established:
                    break
                await ask(single)

    async def get_missing(self, outcomes: Sequence[_Outcome]) -> BaseException | None:
        """Ask once more, by name, for what has not arrived and has a presentation context that was not tried yet.

        Returns what stopped it (see `Caller.stops`).
        """
        if not outcomes:
            return None
        where: dict[str, _Outcome] = {}
        missing: list[Held] = []
        try:
            async with self.caller.line([PresentationContext(self.model.find)]) as line:
                for outcome in outcomes:
                    for one in await find_instances(line, outcome.target, self.model):
                        if one.sop_instance_uid not in outcome.arrived:
                            where[one.sop_instance_uid] = outcome
                            missing.append(one)
        except self.caller.stops as stop:
            outcomes[-1].answers.append(Answer(target=outcomes[-1].target, error=cancelled()))
            return stop
        except NbdicomError as error:
            _log.info("%s does not say what is missing: %s", self.caller.peer.ae_title, words_of(error))
            for outcome in outcomes:
                outcome.hints[""] = why_none(self.declined)
            return None
        for contexts, wanted in self._rounds(missing, where):
            stopped = await self._get_round(contexts, wanted, where)
            if stopped is not None:
                return stopped
        for one in missing:
            outcome = where[one.sop_instance_uid]
            if one.sop_instance_uid not in outcome.arrived:
                outcome.hints[one.sop_instance_uid] = why_not(one, self.declined)
        return None

    def _rounds(
        self, missing: Sequence[Held], where: Mapping[str, _Outcome]
    ) -> Iterator[tuple[list[PresentationContext], list[Target]]]:
        """What to propose and what to ask for, one association after the other."""
        known, model = self.known, self.model
        yield from in_associations(missing, known, model)
        unknown = [one for one in missing if not one.sop_class_uid]
        for contexts in (*of_other_classes(known, model), *of_other_syntaxes(known, model)) if unknown else ():
            left = [one for one in unknown if one.sop_instance_uid not in where[one.sop_instance_uid].arrived]
            if left:
                yield contexts, in_targets(left)

    async def _get_round(
        self, contexts: Sequence[PresentationContext], wanted: Sequence[Target], where: Mapping[str, _Outcome]
    ) -> BaseException | None:
        """One association for what is missing; what it comes to belongs to the targets that it was missed in."""
        owned = [(where[target.instances[0]], target) for target in wanted]

        async def ask(association: Calls, one: tuple[_Outcome, Target]) -> None:
            await self.get(association, *one, known_total=True)

        try:
            end = await ask_each(self.caller, contexts, owned, ask)
        except self.caller.stops as stop:
            end = End(owned[:1], cancelled(), stop)
        except (AssociationError, OperationTimeout) as error:
            end = End(owned[:1], error)
        for owner, target in end.left:
            owner.answers.append(Answer(target=target, error=end.error))
        return end.stop


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


async def move_asked(
    caller: Caller,
    selection: Any,
    keys: Mapping[str, Any],
    *,
    to: Any,
    level: str | None,
    model: str | None,
    associations: int,
    progress: ProgressLike,
    raise_on_error: bool,
) -> MoveResult:
    """See `nbdicom.Peer.move`."""
    check_associations(associations)
    wanted, root = asked(selection, keys, level, model)
    destination = str(getattr(to, "ae_title", to))
    if problem := title_problem(destination):
        raise LocalProtocolError(
            f"the destination of a C-MOVE is an AE title, and this one {problem} [PS3.5 6.2]",
            hint="to='STORESCP'; the peer looks its host and port up in its own configuration",
        )
    result, stop = await move(caller, wanted, destination, model=root, associations=associations, progress=progress)
    handed = caller.hand_over(result, stop, f"{counted(result.completed, 'instance')} had been moved")
    return told(handed, raise_on_error)


async def move(
    caller: Caller,
    targets: Sequence[Target],
    destination: str,
    *,
    model: InformationModel,
    associations: int = 1,
    progress: ProgressLike = None,
) -> tuple[MoveResult, BaseException | None]:
    """Have the peer send to another AE (PS3.4 C.4.2), one request for each target: the result, and what stopped it."""
    started = time.monotonic()
    answers = [Answer(target=target) for target in targets]
    with Progress(progress, f"move to {destination}", unit="instance") as bar:

        async def ask(association: Calls, answer: Answer) -> None:
            part = bar.part()

            def on_value(value: SubOperations) -> None:
                part.reach((answer.completed or 0) + (answer.failed or 0) + (answer.warning or 0), answer.total)

            await _run(
                caller,
                lambda: association.move(answer.target.identifier(), destination=destination, model=model.move),
                answer,
                on_value,
            )

        end = await ask_each(caller, [PresentationContext(model.move)], answers, ask, associations)
    for answer in end.left:
        answer.error = end.error
    result = MoveResult(
        rows=tuple(Moved(answer=answer) for answer in answers),
        peer=caller.peer.address,
        seconds=time.monotonic() - started,
        destination=destination,
        provenance=caller.peer.provenance(targets[0].level, model),
    )
    return result, end.stop
