"""The loop behind `Peer.find`: one association, one C-FIND for each query, all answers in one table."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nbdicom.blocking.interrupt import Interrupted
from nbdicom.core.extended import QueryOptions
from nbdicom.core.negotiation import NegotiatedContext, PresentationContext
from nbdicom.peer.line import Line
from nbdicom.peer.notices import OptionalKeysNotSupported, OptionsNotAgreed, ResponseLimitReached, notify
from nbdicom.peer.progress import Progress, ProgressLike, Reporter
from nbdicom.peer.query import InformationModel, Query
from nbdicom.peer.selection import Target
from nbdicom.status import Status

if TYPE_CHECKING:
    import pandas

    from nbdicom.peer.peer import Peer

__all__ = ["find", "sop_classes_in_studies"]

_STUDIES = 100  #: named in one request


def find(
    peer: Peer, queries: Sequence[Query], *, limit: int | None, parse: bool, progress: ProgressLike
) -> pandas.DataFrame:
    """Send the queries, which differ in nothing but their unique keys, and make the table; see `Peer.find`."""
    from nbdicom.peer.frames import answer_frame

    started = time.monotonic()
    first = queries[0]
    identifiers: list[tuple[bytes, str]] = []
    status: Status | None = None
    truncated = capped = optional = False
    line = Line(peer, [PresentationContext(first.model.find, extended=first.options)])
    single = len(queries) == 1
    watched = callable(progress) or isinstance(progress, Reporter)
    refused: list[str] = []
    bar = Progress(
        progress if not single or watched else False, f"find at {peer.ae_title}",
        unit="match" if single and not callable(progress) else "query", total=None if single else len(queries),
    )  # fmt: skip
    counting = single and isinstance(progress, Reporter)  # one query: its matches are counted, for who can show them
    cancelled = False
    with bar, line.closing():
        for query in queries:
            try:
                association = line.association()
                refused = _not_agreed(association.negotiation.contexts)
                with association.find(query.identifier(), model=query.model.find) as responses:
                    for match in responses:
                        if limit is not None and len(identifiers) >= limit:
                            truncated = True
                            break  # leaving the block cancels
                        identifiers.append((match.data, match.transfer_syntax))
                        optional = optional or match.status == 0xFF01
                        if counting:
                            bar.advance()
            except Interrupted:
                if not identifiers:
                    raise  # nothing is lost with it
                truncated = cancelled = True
            status = responses.status
            capped = capped or status == 0xB001
            if not counting:
                bar.reach(bar.done + 1, len(queries))
            if truncated:
                break
    about = {
        **peer.provenance(first.level, first.model),
        "keys": _common_keys(queries),
        "queries": len(queries),
        "responses": len(identifiers),
        "truncated": truncated or capped,
        "status": None if status is None else str(status),
        "seconds": round(time.monotonic() - started, 3),
    }
    if cancelled:
        about["cancelled"] = True
    frame = answer_frame(identifiers, first, provenance=about, parse=parse)
    if capped:
        message = f"{peer.ae_title} has more matches than it sends (status B001H): {len(identifiers)} came"
        notify(ResponseLimitReached(f"{message}; ask for less at a time, by date for instance"), stacklevel=3)
    if refused:
        message = f"{peer.ae_title} did not agree to {', '.join(refused)}: its answers are those of a plain query"
        notify(OptionsNotAgreed(message), stacklevel=3)
    if optional:
        empty = [name for name in first.columns if name in frame and frame[name].isna().all()]
        names = f"; empty in every answer: {', '.join(empty)}" if empty else ""
        message = f"{peer.ae_title} does not support every key of this query (status FF01H)"
        notify(OptionalKeysNotSupported(message + names), stacklevel=3)
    return frame


def _not_agreed(contexts: Sequence[NegotiatedContext]) -> list[str]:
    """What was asked for by extended negotiation and not agreed to, in words."""
    for context in contexts:
        asked, answered = context.extended_proposed, context.extended
        if isinstance(asked, QueryOptions):
            given = answered if isinstance(answered, QueryOptions) else QueryOptions()
            return [
                word for word, wanted, got in zip(asked.words, bytes(asked), bytes(given), strict=True) if wanted > got
            ]
    return []


def _common_keys(queries: Sequence[Query]) -> dict[str, Any]:
    """The matching keys that all queries share, in values that JSON knows."""
    shared = dict(queries[0].matching)
    for query in queries[1:]:
        shared = {keyword: value for keyword, value in shared.items() if query.matching.get(keyword) == value}
    return {key: value if isinstance(value, (str, int, float)) else str(value) for key, value in shared.items()}


def sop_classes_in_studies(peer: Peer, targets: Sequence[Target]) -> set[str]:
    """The SOP Classes in the studies of *targets*, if the peer knows them (SOPClassesInStudy), else an empty set.

    A C-GET can propose exact presentation contexts then, see `nbdicom.peer.contexts`.
    """
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
    line = Line(peer, [PresentationContext(model)])
    found: list[tuple[bytes, str]] = []
    with line.closing():
        for keys in wanted:
            identifier = {"QueryRetrieveLevel": "STUDY", "SOPClassesInStudy": "", **keys}
            found += [(m.data, m.transfer_syntax) for m in line.association().find(identifier, model=model)]
    values = decode_columns(found).get("SOPClassesInStudy", [])
    if len(values) < len(wanted if not all(studies) else studies) or not all(values):
        return set()
    return {uid.strip(" \0") for value in values for uid in (value if isinstance(value, tuple) else (value,))}
