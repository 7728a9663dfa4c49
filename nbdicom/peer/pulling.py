"""A pull, the verb behind `pull` of `Peer` and `AsyncPeer`: a cohort in a folder, with proof that it is complete.

What the peer says that it has is asked first (C-FIND down to the instances), what is not in the folder is fetched, and
then the peer is asked again, so that what came into a series meanwhile is fetched, too.  Complete is a series of which
every instance that the peer names is here, whole and under its own UIDs; what cannot be proven is not called complete.
"""

from __future__ import annotations

import logging
import time
from collections import Counter, deque
from collections.abc import Awaitable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from nbdicom.core.negotiation import PresentationContext
from nbdicom.errors import AssociationError, NoPresentationContext, OperationError, OperationTimeout, QueryError
from nbdicom.peer.calling import Caller, Line
from nbdicom.peer.cohort import CohortFolder, Kept, alone_in
from nbdicom.peer.content import Held, instances_in, series_in
from nbdicom.peer.missing import in_targets
from nbdicom.peer.progress import Progress, ProgressLike
from nbdicom.peer.pulled import PulledSeries, PullResult
from nbdicom.peer.query import InformationModel, Level
from nbdicom.peer.receiving import Plan, fetch
from nbdicom.peer.results import RetrieveResult
from nbdicom.peer.selection import Target
from nbdicom.privacy import words_of
from nbdicom.table import counted

__all__ = ["check_tries", "pull"]

T = TypeVar("T")
_Keys = tuple[tuple[str, str], ...]

_log = logging.getLogger("nbdicom.peer")
_UIDS = (Level.STUDY.unique_key, Level.SERIES.unique_key)
_NOT_SENT = "the peer answered Success and did not send it"


@dataclass(slots=True)
class _Part:
    """A series of the cohort; of a peer that does not tell its series, whatever was asked for."""

    level: Level
    keys: Mapping[str, str]
    asked: frozenset[str] = frozenset()  #: the instances, if not all of the series were asked for
    named: dict[str, Held] = field(default_factory=dict)  #: what should be here: all that the peer ever named, or asked
    names: bool = False  #: whether the peer says which instances it has
    counted: int | None = None  #: how many it has by its own count
    modality: str = ""

    def targets(self, here: Collection[str]) -> list[Target]:
        """What has to be fetched when so much is here: the whole series, or what is missing of it by name."""
        missing = [held for uid, held in self.named.items() if uid not in here]
        if self.named and (here or self.asked):
            return in_targets(missing)
        if not self.named and self.counted is not None and len(here) >= self.counted:
            return []
        return [Target(self.level, self.keys, len(missing) or self.counted)]

    def merge(self, other: _Part) -> None:
        """Take over what the peer says another time, or about another row of the cohort."""
        self.named |= other.named
        self.names |= other.names
        self.asked = self.asked | other.asked if self.asked and other.asked else frozenset()
        self.counted = self.counted if other.counted is None else other.counted

    def verdict(self, here: int, why: Mapping[str, int], last: str) -> tuple[str, str]:
        """The state and its reason.

        Parameters
        ----------
        here : int
            So many instances are in the folder.
        why : mapping
            How many are missing for which reason.
        last : str
            How the last request for it ended, if not well.
        """
        if why:
            reasons = "; ".join(f"{count} missing: {reason}" for reason, count in why.items())
            return "incomplete", reasons
        if self.asked:
            return "complete", "by name"
        if self.named:
            if self.counted is not None and self.counted > here:
                return "unproven", f"the peer counts {self.counted} and names {len(self.named)}, which are here"
            odd = f"; it counts {self.counted}" if self.counted is not None and self.counted < here else ""
            return "complete", f"by name{odd}"
        if self.names:
            return "incomplete" if not here else "unproven", "the peer says that it has nothing there"
        if self.counted is None:
            return ("unproven", "the peer does not say what it has") if here else ("incomplete", last or _NOT_SENT)
        if here == self.counted:
            return "complete", "by count: the peer does not name its instances"
        if here > self.counted:
            return "unproven", f"the peer counts {self.counted} and has sent {here}, and does not name them"
        return "incomplete", f"{self.counted - here} missing by the peer's count: {last or _NOT_SENT}"


async def pull(caller: Caller, plan: Plan, *, tries: int, recheck: bool, progress: ProgressLike) -> PullResult:
    """See `nbdicom.Peer.pull`.

    Raises
    ------
    AssociationError, OperationTimeout, ConnectionFailed
        If the peer cannot be asked at all; what happens later is told in the result.
    NbdicomError
        If another pull has the folder.
    """
    with alone_in(plan.folder, looks=not tries):
        return await _pull(caller, plan, tries, recheck, progress)


async def _pull(caller: Caller, plan: Plan, tries: int, recheck: bool, progress: ProgressLike) -> PullResult:
    peer, started = caller.peer, time.monotonic()
    files = CohortFolder(plan.folder, source=peer.address, free_space=peer.limits.free_space)
    cohort = _Cohort(files)
    await cohort.ask(caller, plan, progress)
    if recheck:
        await cohort.recheck(caller)
    before = cohort.here()
    results: list[RetrieveResult] = []
    stop: BaseException | None = None
    stopped = "" if tries else "nothing was fetched, only looked at"
    while not stopped and len(results) < tries and (wanted := cohort.wanted()):
        try:
            result, stop = await fetch(
                caller, plan, wanted, classes=cohort.sop_classes(), progress=progress, sink=files
            )
        except NoPresentationContext:
            raise
        except (AssociationError, OperationTimeout) as error:
            stopped = error.message
            break
        results.append(result)
        cohort.damaged -= {str(row.sop_instance_uid) for row in result.rows if row.ok}
        if stop is not None:
            stopped = "cancelled before it was done"
        elif not result.paths and all(answer.error is None for answer in result.answers):
            break  # the peer has answered, and would not answer anything else
        else:
            stopped, stop = await cohort.ask_again(caller, plan)
    reasons = _reasons(results)
    rows = tuple(cohort.outcome(part, before, reasons, stopped) for part in cohort.parts.values())
    files.conclude(row.record() for row in rows)
    pulled = PullResult(
        rows=rows,
        peer=peer.address,
        seconds=time.monotonic() - started,
        folder=plan.folder,
        manifest=files.manifest,
        answers=tuple(answer for result in results for answer in result.answers),
        beside=files.beside({uid for row in rows for uid in (*row.missing, *(kept.sop_instance_uid for kept in row.files))}),
        advice=tuple(dict.fromkeys(hint for result in results if result.listened for hint in result.hints)),
        provenance=peer.provenance(Level.SERIES, plan.model),
    )
    return caller.hand_over(pulled, stop, f"{counted(pulled.new, 'new instance')} had come")


def check_tries(tries: int) -> None:
    """Refuse what is no number of tries.

    Raises
    ------
    QueryError
        If it is below 0.
    """
    if tries < 0:
        raise QueryError("tries is how often what is missing is asked for, 0 or more")


class _Cohort:
    """What the peer has of it, and what is in the folder."""

    def __init__(self, files: CohortFolder) -> None:
        self.files = files
        self.parts: dict[_Keys, _Part] = {}
        self.damaged: set[str] = set()  #: instances whose files have changed since they came

    # ------------------------------------------------------------------------------- what the peer has

    async def ask(self, caller: Caller, plan: Plan, progress: ProgressLike = False) -> None:
        """Ask what is in the targets of *plan*; what was named before stays, since a peer may forget."""
        label = f"ask {caller.peer.ae_title}"
        found: dict[int, list[_Part]] = {}
        with Progress(progress, label, unit="request", total=len(plan.targets)) as bar:
            try:
                await _ask(caller, plan, found, bar)
            finally:
                for number in sorted(found):  # whichever association brought it
                    for part in found[number]:
                        self._add(part)

    def _add(self, part: _Part) -> None:
        key = tuple(part.keys.items())
        if key in self.parts:
            self.parts[key].merge(part)
        else:
            self.parts[key] = part

    async def ask_again(self, caller: Caller, plan: Plan) -> tuple[str, BaseException | None]:
        """Ask for what may have come since; why that was not possible, or nothing, and what stopped it."""
        try:
            await self.ask(caller, plan)
        except caller.stops as stop:
            return "cancelled before the peer was asked again", stop
        except (AssociationError, OperationTimeout) as error:
            return f"the peer could not be asked again: {error.message}", None
        return "", None

    def sop_classes(self) -> set[str]:
        """Those of all instances; none if any is not known."""
        classes = {held.sop_class_uid for part in self.parts.values() for held in part.named.values()}
        return set() if "" in classes or not all(part.named for part in self.parts.values()) else classes

    # ------------------------------------------------------------------------------- what is here

    def here(self) -> set[str]:
        """The instances of the cohort that are in the folder."""
        return {uid for part in self.parts.values() for uid in self.files_of(part)}

    def files_of(self, part: _Part) -> dict[str, Kept]:
        """The instances of one part that are here, and are what they should be."""
        if part.named:
            found = [self.files.find(uid, part.keys) for uid in part.named]
        else:
            found = list(self.files.of_series(part.keys))
        return {kept.sop_instance_uid: kept for kept in found if kept is not None and not self._wrong(kept, part)}

    def wanted(self) -> list[Target]:
        """What has to be fetched."""
        return [target for part in self.parts.values() for target in part.targets(self.files_of(part))]

    async def recheck(self, caller: Caller) -> None:
        """Read every file, and find those that are no longer what they were."""
        for part in self.parts.values():
            for uid, kept in self.files_of(part).items():
                await caller.pause()
                if not self.files.is_whole(kept):
                    self.damaged.add(uid)

    def _wrong(self, kept: Kept, part: _Part) -> str:
        """Why a file is not what it should be, or nothing."""
        if kept.sop_instance_uid in self.damaged:
            return "its file has changed since it came"
        if kept.problem:
            return kept.problem
        if any(part.keys.get(key, own) != own for key, own in zip(_UIDS, (kept.study, kept.series), strict=True)):
            return "its data set names another study or series than the peer"
        return ""

    def _wrong_file(self, uid: str, part: _Part) -> str:
        kept = self.files.find(uid)
        return "" if kept is None else self._wrong(kept, part)

    # ------------------------------------------------------------------------------- what it came to

    def outcome(
        self, part: _Part, before: Collection[str], reasons: Mapping[str | _Keys, str], stopped: str
    ) -> PulledSeries:
        """The row of one part."""
        files = self.files_of(part)
        missing = tuple(uid for uid in part.named if uid not in files)
        last = stopped or reasons.get(tuple(part.keys.items()), "")
        why = Counter(
            self._wrong_file(uid, part) or stopped or reasons.get(uid) or last or _NOT_SENT for uid in missing
        )
        state, message = part.verdict(len(files), why, last)
        return PulledSeries(
            study=part.keys.get("StudyInstanceUID"),
            series=part.keys.get("SeriesInstanceUID"),
            modality=part.modality,
            named=len(part.named) if part.names else None,
            counted=part.counted,
            files=tuple(files.values()),
            new=sum(uid not in before for uid in files),
            missing=missing,
            state=state,
            message=message,
        )


async def _ask(caller: Caller, plan: Plan, found: dict[int, list[_Part]], bar: Progress) -> None:
    """Ask what each target consists of; what comes is put into *found*, by the number of the target."""
    left = deque(enumerate(plan.targets))

    async def on_one_association(alone: bool) -> None:
        async with caller.line([PresentationContext(plan.model.find)]) as line:
            while left:
                try:
                    number, target = left.popleft()
                except IndexError:
                    break  # another association was faster
                found[number] = []
                try:
                    await _ask_one(line, target, plan.model, found[number])
                except (AssociationError, OperationTimeout):
                    if alone:
                        raise
                    left.appendleft((number, target))
                    break
                bar.part().reach(1)

    several = min(plan.associations, len(plan.targets))
    if several > 1:
        await caller.together([on_one_association(alone=False) for _ in range(several)])
    await on_one_association(alone=True)  # what is left by those that the peer did not want


async def _ask_one(line: Line, target: Target, model: InformationModel, parts: list[_Part]) -> None:
    """What *target* consists of, as far as the peer says."""
    if target.level is Level.IMAGE:
        keys = target.down_to_series
        part = _Part(Level.SERIES, keys, frozenset(target.instances))
        part.named = {uid: Held(keys, uid, "") for uid in target.instances}
        await _name(line, part, model)
        parts.append(part)
        return
    found = await _said(series_in(line, target, model))
    if not found:
        parts.append(_Part(target.level, target.down_to_series, names=found is not None, counted=target.expected))
    for series in found or ():
        part = _Part(Level.SERIES, series.keys, counted=series.counted, modality=series.modality)
        await _name(line, part, model)
        parts.append(part)


async def _name(line: Line, part: _Part, model: InformationModel) -> None:
    """Ask for the names of the instances of a series."""
    found = await _said(instances_in(line, part.keys, model)) or []
    part.names = bool(found)
    part.named |= {one.sop_instance_uid: one for one in found if not part.asked or one.sop_instance_uid in part.asked}


async def _said(asking: Awaitable[T]) -> T | None:
    """The answer; None from a peer that does not answer such questions."""
    try:
        return await asking
    except OperationTimeout:
        raise
    except (OperationError, NoPresentationContext) as error:
        _log.info("the peer does not say what it has: %s", words_of(error))
        return None


def _reasons(results: Sequence[RetrieveResult]) -> dict[str | _Keys, str]:
    """Why something did not come: by SOP Instance UID, and by the keys of what was asked for."""
    reasons: dict[str | _Keys, str] = {}
    for result in results:
        for answer in result.answers:
            if not answer.ok:
                reasons[tuple(answer.target.down_to_series.items())] = answer.message
        for row in result.failed:
            if row.sop_instance_uid is not None:
                reasons[str(row.sop_instance_uid)] = row.message
    return reasons
