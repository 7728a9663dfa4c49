"""The verb behind `Peer.find` and `AsyncPeer.find`: one association, one C-FIND for each query, all answers in one table."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from nbdicom.core.extended import QueryOptions
from nbdicom.core.negotiation import NegotiatedContext, PresentationContext
from nbdicom.errors import (
    AssociationAborted,
    AssociationReleased,
    DataSetError,
    NbdicomError,
    OperationCancelled,
    OperationFailed,
    QueryError,
)
from nbdicom.peer.calling import Caller, Line
from nbdicom.peer.dividing import Division, divisible
from nbdicom.peer.notices import (
    OptionalKeysNotSupported,
    OptionsNotAgreed,
    ResponseLimitReached,
    notify,
    unreadable,
)
from nbdicom.peer.progress import Progress, ProgressLike, Reporter
from nbdicom.peer.query import InformationModel, Query, apart, check_number, number_apart
from nbdicom.peer.selection import Target, queries
from nbdicom.peer.worklist import WorklistQuery
from nbdicom.status import Status
from nbdicom.table import counted, printable
from nbdicom.uids import UID

if TYPE_CHECKING:
    from pydicom import Dataset

    from nbdicom.peer.entity import Remote

__all__ = ["ask", "find", "sop_classes_in_studies", "worklist"]

_STUDIES = 100  #: named in one request
_NO_VALUE = '""'  #: matches what is empty (PS3.4 C.2.2.2.7)


class Question(Protocol):
    """One C-FIND request: a `Query`, or a question to a worklist."""

    @property
    def sop_class(self) -> UID:
        """The SOP Class with which it is asked."""
        ...

    @property
    def options(self) -> QueryOptions | None:
        """What is asked for by extended negotiation."""
        ...

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of its answers."""
        ...

    @property
    def keys(self) -> Mapping[str, Any]:
        """All keys, as they go on the wire."""
        ...

    @property
    def unique(self) -> tuple[str, ...]:
        """The keys whose values tell one answer from another."""
        ...

    @property
    def matching(self) -> dict[str, Any]:
        """The keys that have a value."""
        ...

    def identifier(self) -> dict[str, Any]:
        """The identifier."""
        ...

    def about(self) -> dict[str, Any]:
        """What it is, for the provenance of the answers."""
        ...


async def find(
    caller: Caller,
    level: str | Query | WorklistQuery,
    selection: Any,
    keys: Mapping[str, Any],
    *,
    limit: int | None,
    complete: bool | int,
    parse: bool,
    raw: bool,
    progress: ProgressLike,
    **settings: Any,
) -> Any:
    """See `nbdicom.Peer.find`; the *settings* are those of `Query.of`."""
    _check(limit, caller.peer.charset)
    if not hasattr(complete, "__index__") or complete < 0:
        raise QueryError("complete is True, or the number of matches after which the peer cuts off")
    questions = queries(level, selection, keys, settings, caller.peer.limits.queries)
    return await ask(caller, questions, limit=limit, complete=complete, parse=parse, raw=raw, progress=progress)


async def worklist(
    caller: Caller,
    keys: Mapping[str, Any],
    *,
    limit: int | None,
    columns: Iterable[str],
    defaults: bool,
    parse: bool,
    progress: ProgressLike,
) -> Any:
    """See `nbdicom.Peer.worklist`."""
    _check(limit, caller.peer.charset)
    query = WorklistQuery.of(columns=columns, defaults=defaults, **keys)
    return await ask(caller, [query], limit=limit, parse=parse, progress=progress)


def _check(limit: int | None, charset: str | None) -> None:
    """Refuse what no query can be read with, before one is made.

    Raises
    ------
    QueryError, DataSetError
        If *limit* is no number of rows, or *charset* no Specific Character Set.
    """
    if limit is not None and (not hasattr(limit, "__index__") or limit < 1):
        raise QueryError("limit is a number of rows, at least 1", hint="leave it out for all rows")
    if charset:
        from nbdicom.data import check_character_set

        check_character_set(charset)


async def ask(
    caller: Caller,
    queries: Sequence[Question],
    *,
    limit: int | None = None,
    complete: bool | int = False,
    parse: bool = True,
    progress: ProgressLike = None,
    raw: bool = False,
) -> Any:
    """Send the queries, which differ in nothing but their unique keys, and make the table; see `nbdicom.Peer.find`.

    A key with several values becomes several requests where the standard knows one value; see `apart`.  What shall be
    complete is divided where its answer is cut off; see `nbdicom.peer.dividing`.

    Raises
    ------
    QueryError
        If they are more than ``Limits.queries``, before anything is sent.
    """
    peer = caller.peer
    asked = _common_keys(queries)
    whole = len(queries)
    check_number(sum(number_apart(query.keys, query.options) for query in queries), peer.limits.queries)
    if complete:
        queries = [divisible(query) for query in queries]
    queries = [replace(query, keys=keys) for query in queries for keys in apart(query.keys, query.options)]  # type: ignore[type-var]
    division = Division(complete, room=peer.limits.queries - len(queries)) if complete else None
    answers = _Answers(peer, queries, asked, division, seen=set() if len(queries) > whole else None)
    first = queries[0]
    single = len(queries) == 1
    watched = callable(progress) or isinstance(progress, Reporter)
    bar = Progress(
        progress if not single or watched else False, f"find at {peer.ae_title}",
        unit="match" if single and not callable(progress) else "query", total=None if single else len(queries),
    )  # fmt: skip
    counting = single and isinstance(progress, Reporter)  # one query: its matches are counted, for who can show them
    stopped: BaseException | None = None
    try:
        with bar:
            async with caller.line([PresentationContext(first.sop_class, extended=first.options)]) as line:
                waiting = deque(queries)
                while waiting and not answers.truncated:
                    query = waiting.popleft()
                    parts = await answers.ask(query, line, limit=limit, advance=bar.advance if counting else None)
                    waiting.extendleft(reversed(parts))
                    if not counting:
                        bar.reach(answers.asked, answers.asked + len(waiting))
    except NbdicomError as error:
        if answers.identifiers:  # what had come is not lost with what did not
            answers.broken = error.message
            error.keep(answers.table(parse=parse, raw=raw), answers.counted)
        raise
    except caller.stops as stop:
        if not answers.identifiers:
            raise  # nothing is lost with it
        stopped = stop
        answers.truncated = answers.cancelled = isinstance(stop, caller.returning)
        answers.broken = "" if answers.cancelled else "interrupted"
    frame = caller.hand_over(answers.table(parse=parse, raw=raw), stopped, f"{answers.counted} had come")
    answers.warn(frame)
    return frame


@dataclass
class _Answers:
    """What has come so far of the answers to some queries, and how it stands with them."""

    peer: Remote
    queries: Sequence[Question]
    keys: Mapping[str, Any]  #: that all queries share, as they were given
    division: Division | None  #: of what is cut off, where that is wanted
    seen: set[object] | None = None  #: what has come, where the answers to two queries may be about the same thing
    started: float = field(default_factory=time.monotonic)
    identifiers: list[tuple[bytes, str]] = field(default_factory=list)
    asked: int = 0  #: queries that were sent
    answered: int = 0  #: queries that were answered to their end
    status: Status | None = None
    truncated: bool = False
    capped: bool = False  #: the peer has a limit of its own
    optional: bool = False  #: it does not support a key
    cancelled: bool = False
    broken: str = ""  #: why there is no end
    refused: list[str] = field(default_factory=list)

    async def ask(
        self, query: Question, line: Line, *, limit: int | None, advance: Callable[[], object] | None
    ) -> Sequence[Question]:
        """Send one query, and take its answers; the questions into which it was divided, if they were cut off."""
        before, asking = len(self.identifiers), True
        self.asked += 1
        answer: list[tuple[bytes, str]] = []  # all of it, if it may have to be divided
        new: set[object] = set()  # a peer that names one entity twice in its answer to one query is taken at its word
        while asking:
            asking = False
            self.status = None
            try:
                association = await line.association()
                self.refused = _not_agreed(association.negotiation.contexts)
                responses = association.find(query.identifier(), model=query.sop_class)
                try:
                    async with responses:
                        async for match in responses:
                            if self.division is not None:
                                answer.append((match.data, match.transfer_syntax))
                            if self.seen is not None:
                                entity = _entity(query, match.data, match.transfer_syntax)
                                if entity in self.seen:
                                    continue  # a study with CT and MR matches each of the two
                                new.add(entity)
                            if limit is not None and len(self.identifiers) >= limit:
                                self.truncated = True
                                break  # leaving the block cancels
                            self.identifiers.append((match.data, match.transfer_syntax))
                            self.optional = self.optional or match.status == 0xFF01
                            if advance is not None:
                                advance()
                finally:
                    self.status = responses.status
                    if self.seen is not None:
                        self.seen |= new
            except (AssociationAborted, AssociationReleased):
                # A query is safe to repeat as long as nothing has come of it.
                asking = len(self.identifiers) == before and await line.repeat()
                if not asking:
                    raise
            except OperationCancelled:
                pass  # we have not cancelled: it is how Orthanc ends an answer that is too long
            except OperationFailed:
                parts = self._parts(query, answer)
                if not parts:
                    raise
                return parts
        self.answered += 1
        return self._parts(query, answer)

    def _parts(self, query: Question, answer: Sequence[tuple[bytes, str]]) -> Sequence[Question]:
        """What is asked since the answer was cut off, or nothing."""
        if self.truncated:
            return ()  # by us
        if self.division is None:
            self.capped = self.capped or self.status in (0xB001, 0xFE00)
            return ()
        assert isinstance(query, Query)  # nothing else is divisible
        parts = self.division.parts(query, self.status, answer)
        self.capped = bool(self.division.stuck)
        if parts and self.seen is None:
            self.seen = {_entity(query, data, syntax) for data, syntax in self.identifiers}
        return parts

    @property
    def counted(self) -> str:
        """How many have come, in words."""
        return counted(len(self.identifiers), "answer")

    def table(self, *, parse: bool, raw: bool) -> Any:
        """What has come, as a DataFrame or as Datasets."""
        if raw:
            return _datasets(self.identifiers, self.peer.charset)
        about = self.about()  # first: loading pandas is not the time of the peer
        from nbdicom.peer.frames import answer_frame

        columns = self.queries[0].columns
        return answer_frame(self.identifiers, columns, provenance=about, parse=parse, charset=self.peer.charset)

    def about(self) -> dict[str, Any]:
        """The provenance."""
        about = {
            **self.peer.provenance(None, None),
            **self.queries[0].about(),
            "keys": dict(self.keys),
            "queries": max(self.asked, len(self.queries)),
            "responses": len(self.identifiers),
            "truncated": self.truncated or self.capped or bool(self.broken),
            "status": None if self.status is None else str(self.status),
            "seconds": round(time.monotonic() - self.started, 3),
        }
        if self.division is not None:
            about["divided"] = self.division.made
        if self.cancelled:
            about["cancelled"] = True
        if self.broken:
            about["incomplete"] = printable(self.broken)
            if about["queries"] > 1:
                about["answered"] = self.answered
        return about

    def warn(self, frame: Any) -> None:
        """Tell what the reader of the table should know."""
        title = self.peer.ae_title
        if self.division is not None and self.division.stuck:
            message = f"an answer of {title} may be cut off, and was not asked for in parts, since {self.division.stuck}"
            notify(ResponseLimitReached(f"{message}: there may be more than the {len(self.identifiers)} that came"))
        elif self.capped:
            message = f"{title} has more matches than it sends (status B001H or FE00H): {len(self.identifiers)} came"
            notify(ResponseLimitReached(f"{message}; ask for less at a time, studies with complete=True for instance"))
        if self.division is not None and self.division.unmatched and not self.truncated:
            without = " or ".join(sorted(self.division.unmatched))
            message = f"{title} cuts its answers off and was asked in parts: studies without {without} may be missing"
            notify(ResponseLimitReached(message))
        if self.refused:
            message = f"{title} did not agree to {', '.join(self.refused)}: its answers are those of a plain query"
            notify(OptionsNotAgreed(message))
        empty: list[str] = []
        if self.identifiers and not isinstance(frame, list):
            from nbdicom.peer.frames import has_nothing

            empty = [name for name in self.queries[0].columns if name in frame and has_nothing(frame[name])]
        matching = self.queries[0].matching
        ignored = [name for name in empty if matching.get(name, _NO_VALUE) != _NO_VALUE]
        if self.optional:
            message = f"{title} does not support every key of this query (status FF01H)"
            if empty:
                message += f"; empty in every answer: {', '.join(empty)}"
            if ignored:
                message += f"; not matched either: {', '.join(ignored)}, so there may be too many answers"
            notify(OptionalKeysNotSupported(message))
        elif ignored:
            message = f"{title} says nothing of it, but does not match {', '.join(ignored)}: empty in every answer"
            notify(OptionalKeysNotSupported(f"{message}, so there may be too many; filter the table"))


def _entity(query: Question, data: bytes, transfer_syntax: str) -> object:
    """What an answer is about, as far as it says so."""
    from nbdicom.data import decode_columns

    try:
        values = decode_columns([(data, transfer_syntax)])
        named = tuple(values[name][0] for name in query.unique)
    except (DataSetError, KeyError):
        named = ()
    return named if named and named[-1] else data


def _not_agreed(contexts: Sequence[NegotiatedContext]) -> list[str]:
    """What was asked for by extended negotiation and not agreed to, in words."""
    for context in contexts:
        asked, answered = context.extended_proposed, context.extended
        if isinstance(asked, QueryOptions):
            given = answered if isinstance(answered, QueryOptions) else QueryOptions()
            return [
                word
                for word, wanted, got in zip(asked.words, asked.whole(), given.whole(), strict=True)
                if wanted > got
            ]
    return []


def _datasets(identifiers: Sequence[tuple[bytes, str]], charset: str | None) -> list[Dataset]:
    """The identifiers as they came; one that names no character set is read in that of the peer."""
    from nbdicom.data import codec

    found, lost = [], []
    for data, syntax in identifiers:
        try:
            dataset = codec.decode(data, syntax)
        except DataSetError:
            lost.append((data, syntax))
            continue
        if charset and not dataset.get("SpecificCharacterSet"):
            dataset.SpecificCharacterSet = charset.split("\\")
            dataset.decode()
        found.append(dataset)
    if lost:
        notify(unreadable(lost, len(identifiers)))
    return found


def _common_keys(queries: Sequence[Question]) -> dict[str, Any]:
    """The matching keys that all queries share, in values that JSON knows."""
    shared = dict(queries[0].matching)
    for query in queries[1:]:
        shared = {keyword: value for keyword, value in shared.items() if query.matching.get(keyword) == value}
    return {key: value if isinstance(value, (str, int, float)) else str(value) for key, value in shared.items()}


async def sop_classes_in_studies(caller: Caller, targets: Sequence[Target]) -> set[str]:
    """The SOP Classes in the studies of *targets*, if the peer knows them (SOPClassesInStudy), else an empty set.

    A C-GET can propose exact presentation contexts then, see `nbdicom.peer.contexts`.
    """
    try:
        return await _sop_classes_in_studies(caller, targets)
    except NbdicomError:
        return set()  # a peer without C-FIND can be retrieved from all the same


async def _sop_classes_in_studies(caller: Caller, targets: Sequence[Target]) -> set[str]:
    from nbdicom.data import decode_columns

    studies = list(dict.fromkeys(str(target.keys.get("StudyInstanceUID", "")) for target in targets))
    if all(studies):
        wanted = [
            {"StudyInstanceUID": "\\".join(studies[start : start + _STUDIES])}
            for start in range(0, len(studies), _STUDIES)
        ]
    else:
        wanted = [{"PatientID": str(target.keys["PatientID"]), "StudyInstanceUID": ""} for target in targets]
    model = InformationModel.STUDY_ROOT.find
    found: list[tuple[bytes, str]] = []
    async with caller.line([PresentationContext(model)]) as line:
        for keys in wanted:
            identifier = {"QueryRetrieveLevel": "STUDY", "SOPClassesInStudy": "", **keys}
            association = await line.association()
            async with association.find(identifier, model=model) as matches:
                found += [(match.data, match.transfer_syntax) async for match in matches]
    values = decode_columns(found).get("SOPClassesInStudy", [])
    if len(values) < len(wanted if not all(studies) else studies) or not all(values):
        return set()
    return {uid.strip(" \0") for value in values for uid in (value if isinstance(value, tuple) else (value,))}
