"""What a peer answered, as events, and what it should have answered, as patterns of events."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from nbdicom.core.pdu import AAbort, AAssociateAC, AAssociateRJ, AReleaseRP

__all__ = [
    "Abort", "Accepted", "Answer", "Closed", "Either", "Event", "Message", "Rejected", "Released", "Releases", "Responds",
    "Served", "Several",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that a peer did: a PDU, a DIMSE response, the answer to our probe, the end of the connection, or nothing."""

    kind: str  #: AC, RJ, ABORT, RP, RSP, ECHO, END, SILENT, JUNK; of a requestor also RQ, RELEASE and names of messages
    pdu: object = None
    status: int | None = None

    def __str__(self) -> str:
        if isinstance(self.pdu, AAssociateRJ):
            return f"RJ {int(self.pdu.result)}/{int(self.pdu.source)}/{self.pdu.reason_diag}"
        if isinstance(self.pdu, AAbort):
            return f"ABORT {int(self.pdu.source)}/{self.pdu.reason_diag}"
        return self.kind if self.status is None else f"{self.kind} {self.status:04X}"


class Answer:
    """A pattern of events."""

    messages = 0  #: DIMSE responses that it waits for

    def match(self, events: Sequence[Event]) -> int | None:
        """How many events at the beginning are this answer; None if they are another one."""
        raise NotImplementedError

    def fits(self, events: Sequence[Event]) -> bool:
        """Whether the events are this answer and nothing else but a decent end."""
        used = self.match(events)
        return used is not None and all(event.kind in ("END", "RP") for event in events[used:])


def _first(events: Sequence[Event], kind: str) -> object:
    return events[0].pdu if events and events[0].kind == kind else None


class Abort(Answer):
    """A-ABORT of a source (None is any) and one of some reasons (none is any; with source 0 none is tested, PS3.8 9.3.8)."""

    def __init__(self, source: int | None = None, *reasons: int) -> None:
        self.source, self.reasons = source, reasons

    def match(self, events: Sequence[Event]) -> int | None:
        pdu = _first(events, "ABORT")
        if not isinstance(pdu, AAbort) or (self.source is not None and int(pdu.source) != self.source):
            return None
        return 1 if self.source != 2 or not self.reasons or pdu.reason_diag in self.reasons else None

    def __str__(self) -> str:
        source = "" if self.source is None else f" {self.source}/{' or '.join(map(str, self.reasons)) or '*'}"
        return f"ABORT{source}"


class Rejected(Answer):
    """A-ASSOCIATE-RJ with one of some triples; none is any."""

    def __init__(self, *triples: tuple[int, int, int]) -> None:
        self.triples = triples

    def match(self, events: Sequence[Event]) -> int | None:
        pdu = _first(events, "RJ")
        if not isinstance(pdu, AAssociateRJ):
            return None
        return 1 if not self.triples or (int(pdu.result), int(pdu.source), pdu.reason_diag) in self.triples else None

    def __str__(self) -> str:
        return " or ".join("RJ {}/{}/{}".format(*triple) for triple in self.triples) or "RJ"


class Closed(Answer):
    """The connection is closed without a word."""

    def match(self, events: Sequence[Event]) -> int | None:
        return 1 if events and events[0].kind == "END" else None

    def __str__(self) -> str:
        return "closed"


class Released(Answer):
    """A-RELEASE-RP."""

    def match(self, events: Sequence[Event]) -> int | None:
        return 1 if isinstance(_first(events, "RP"), AReleaseRP) else None

    def __str__(self) -> str:
        return "RP"


class Releases(Answer):
    """A requestor's A-RELEASE-RQ: it has what it wanted, or knows that it will not get it."""

    def match(self, events: Sequence[Event]) -> int | None:
        return 1 if events and events[0].kind == "RELEASE" else None

    def __str__(self) -> str:
        return "RELEASE"


class Responds(Answer):
    """A requestor's message of this name, such as the C-STORE-RSP of a retrieval."""

    def __init__(self, name: str) -> None:
        self.name = name

    def match(self, events: Sequence[Event]) -> int | None:
        return 1 if events and events[0].kind == self.name else None

    def __str__(self) -> str:
        return self.name


class Accepted(Answer):
    """A-ASSOCIATE-AC with these results of contexts and without these sub-items; then (if *echo*) an echo works."""

    def __init__(
        self,
        *,
        results: Mapping[int, Collection[int]] | None = None,
        without: Collection[int] = (),
        echo: bool = True,
    ) -> None:
        self.results, self.without, self.echo = results, without, echo

    def match(self, events: Sequence[Event]) -> int | None:
        pdu = _first(events, "AC")
        if not isinstance(pdu, AAssociateAC):
            return None
        if self.results is not None:
            found = {context.context_id: int(context.result) for context in pdu.presentation_contexts}
            if found.keys() != self.results.keys() or any(found[k] not in v for k, v in self.results.items()):
                return None
        if any(item.item_type in self.without for item in pdu.user_information.items):
            return None
        if not self.echo:
            return 1
        return 2 if len(events) > 1 and events[1].kind == "ECHO" else None

    def __str__(self) -> str:
        return "AC, echo" if self.echo else "AC"


class Message(Answer):
    """A DIMSE response with one of some statuses; none is any; those to *skip* may come before it."""

    messages = 1

    def __init__(self, *statuses: int, skip: Collection[int] = ()) -> None:
        self.statuses, self.skip = frozenset(statuses), skip

    def match(self, events: Sequence[Event]) -> int | None:
        for number, event in enumerate(events):
            if event.kind != "RSP":
                return None
            if event.status not in self.skip:
                return number + 1 if not self.statuses or event.status in self.statuses else None
        return None

    def __str__(self) -> str:
        shown = sorted(self.statuses)
        return f"RSP {' or '.join(f'{s:04X}' for s in shown[:3])}{' or ...' if len(shown) > 3 else ''}".strip()


class Several(Answer):
    """One answer after the other."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = answers
        self.messages = sum(answer.messages for answer in answers)

    def match(self, events: Sequence[Event]) -> int | None:
        used = 0
        for answer in self.answers:
            more = answer.match(events[used:])
            if more is None:
                return None
            used += more
        return used

    def __str__(self) -> str:
        shown = [str(answer) for answer in self.answers]
        return ", ".join(shown if len(shown) < 5 else [*shown[:3], "..."])


class Served(Several):
    """These responses, and the association goes on: an echo works, and so does the release."""

    def match(self, events: Sequence[Event]) -> int | None:
        used = super().match(events)
        return used + 1 if used is not None and len(events) > used and events[used].kind == "ECHO" else None

    def __str__(self) -> str:
        return f"{super().__str__()}, echo".lstrip(", ")


class Either(Answer):
    """One of several answers."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = answers
        self.messages = max(answer.messages for answer in answers)

    def match(self, events: Sequence[Event]) -> int | None:
        return next((used for answer in self.answers if (used := answer.match(events)) is not None), None)

    def fits(self, events: Sequence[Event]) -> bool:
        return any(answer.fits(events) for answer in self.answers)

    def __str__(self) -> str:
        return " or ".join(map(str, self.answers))
