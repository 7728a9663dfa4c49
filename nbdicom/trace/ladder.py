"""The ladder: both sides of a connection, what went between them, and the states along the margin (PS3.8 Table 9-10)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from nbdicom.core.machine import Sta
from nbdicom.core.upper_layer import Role
from nbdicom.table import printable
from nbdicom.trace.arrows import Arrow, Connection
from nbdicom.trace.page import with_fallback

if TYPE_CHECKING:
    import pandas

__all__ = ["Ladder"]

_RUN = 3  #: so many repetitions are shown before the rest is folded
_MOST = 80  #: rows of one connection; the middle is left out

# Text: columns of characters.
_ARROW = 54
_STATES = 11

# Picture: columns of pixels.
_WIDTH, _LEFT, _RIGHT = 820, 210, 640
_HEIGHT, _TOP = 42, 48


@dataclass(frozen=True, slots=True)
class _Row:
    """One arrow, or (without one) a word about those that are not shown."""

    arrow: Arrow | None
    states: tuple[str, str]
    words: str = ""


class Ladder:
    """Connections as ladders: text everywhere, a picture where the notebook is trusted.

    Long runs of the same messages are folded; every arrow is in ``to_frame()``.
    """

    def __init__(self, connections: Sequence[Connection]) -> None:
        self._connections = [connection for connection in connections if connection.arrows or connection.states]
        self._start = min((arrow.time for c in self._connections for arrow in c.arrows), default=0.0)

    def __str__(self) -> str:
        if not self._connections:
            return "nothing went over the wire"
        return "\n\n".join(map(self._text, self._connections))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return with_fallback(str(self), "".join(map(self._picture, self._connections)))

    def to_frame(self) -> pandas.DataFrame:
        """Every arrow as a row: its number, connection, from, to, name, when it was sent and received, bytes."""
        import pandas

        rows = []
        for connection in self._connections:
            for arrow in connection.arrows:
                ends = connection.titles if arrow.from_requestor else connection.titles[::-1]
                times = [None if t is None else t - self._start for t in (arrow.sent, arrow.received)]
                rows.append(
                    (arrow.number, connection.number, *ends, arrow.label, *times, len(arrow.pdus), arrow.length)
                )
        columns = ["arrow", "connection", "from", "to", "name", "sent", "received", "pdus", "bytes"]
        frame = pandas.DataFrame(rows, columns=columns).astype({"sent": "float64", "received": "float64"})
        return frame.sort_values("arrow", ignore_index=True)

    # --------------------------------------------------------------------------- text

    def _text(self, connection: Connection) -> str:
        calling, called = connection.titles
        head = f"{'':>5} {'ms':>9} {'':>{_STATES}} {calling:<{_ARROW // 2}}{called:>{_ARROW // 2}}"
        lines = [connection.title, head]
        for row in _rows(connection):
            left, right = row.states
            if row.arrow is None:
                middle = f"|{row.words:^{_ARROW - 2}}|"
                lines.append(f"{'':>5} {'':>9} {left:>{_STATES}} {middle} {right}".rstrip())
                continue
            label = f" {row.arrow.label} "[: _ARROW - 8]
            line = f"{label:-^{_ARROW - 4}}"
            middle = f"|{line}->|" if row.arrow.from_requestor else f"|<-{line}|"
            ms = f"{(row.arrow.time - self._start) * 1000:.2f}"
            number = f"[{row.arrow.number}]"
            lines.append(f"{number:>5} {ms:>9} {left:>{_STATES}} {middle} {right}".rstrip())
        return "\n".join(map(printable, lines))

    # --------------------------------------------------------------------------- picture

    def _picture(self, connection: Connection) -> str:
        rows = _rows(connection)
        bottom = _TOP + _HEIGHT * len(rows)
        calling, called = map(escape, connection.titles)
        title = escape(printable(connection.title))
        drawn = "".join(self._drawn(row, _TOP + _HEIGHT * k + 14) for k, row in enumerate(rows))
        return (
            f"<svg role='img' aria-label='Ladder of {len(connection.arrows)} messages and PDUs. {title}' "
            f"width='{_WIDTH}' height='{bottom + 10}' viewBox='0 0 {_WIDTH} {bottom + 10}'>"
            f"<text x='8' y='14' font-weight='600'>{title}</text>"
            f"<text x='{_LEFT}' y='36' text-anchor='middle' font-weight='600'>{calling}</text>"
            f"<text x='{_RIGHT}' y='36' text-anchor='middle' font-weight='600'>{called}</text>"
            f"<text x='100' y='36' text-anchor='end' class='dim'>ms</text>"
            f"<line class='life' x1='{_LEFT}' y1='42' x2='{_LEFT}' y2='{bottom}'/>"
            f"<line class='life' x1='{_RIGHT}' y1='42' x2='{_RIGHT}' y2='{bottom}'/>{drawn}</svg>"
        )

    def _drawn(self, row: _Row, y: int) -> str:
        left, right = row.states
        states = (
            f"<text x='{_LEFT - 8}' y='{y + 16}' text-anchor='end' class='dim code'>{left}</text>"
            f"<text x='{_RIGHT + 8}' y='{y + 16}' class='dim code'>{right}</text>"
        )
        middle = (_LEFT + _RIGHT) // 2
        arrow = row.arrow
        if arrow is None:
            return f"{states}<text x='{middle}' y='{y + 8}' text-anchor='middle' class='dim'>{escape(row.words)}</text>"
        start, stop = (_LEFT, _RIGHT) if arrow.from_requestor else (_RIGHT, _LEFT)
        tip = 7 if arrow.from_requestor else -7
        kind = "bad" if arrow.is_bad else "wire"
        ms = (arrow.time - self._start) * 1000
        detail = escape(printable(arrow.detail))
        short = detail if len(detail) < 84 else f"{escape(printable(arrow.detail)[:80])} ..."
        return (
            f"<g><title>[{arrow.number}] {escape(printable(arrow.label))}: {detail}{self._times(arrow)}</title>"
            f"<text x='8' y='{y + 4}' class='dim'>[{arrow.number}]</text>"
            f"<text x='100' y='{y + 4}' text-anchor='end' class='dim'>{ms:.2f}</text>"
            f"<text x='{middle}' y='{y - 5}' text-anchor='middle'>{escape(printable(arrow.label))}</text>"
            f"<line class='{kind}' x1='{start}' y1='{y}' x2='{stop - tip}' y2='{y}' stroke-width='1.5'/>"
            f"<polygon class='{kind}' points='{stop},{y} {stop - tip},{y - 4} {stop - tip},{y + 4}'/>"
            f"<text x='{middle}' y='{y + 14}' text-anchor='middle' class='dim' font-size='10'>{short}</text></g>{states}"
        )

    def _times(self, arrow: Arrow) -> str:
        told = [
            f"{word} at {(time - self._start) * 1000:.2f} ms"
            for word, time in (("sent", arrow.sent), ("received", arrow.received))
            if time is not None
        ]
        return "; " + ", ".join(told)


def _rows(connection: Connection) -> list[_Row]:
    """The arrows with the states that follow each, long runs folded."""
    arrows = connection.arrows
    left = _states_after(connection, Role.REQUESTOR)
    right = _states_after(connection, Role.ACCEPTOR)
    rows: list[_Row] = []
    if left[0] or right[0]:
        rows.append(_Row(None, (left[0], right[0])))
    index = 0
    while index < len(arrows):
        period, repeats = _run(arrows, index)
        shown = period * (_RUN if repeats > _RUN + 1 else repeats)
        rows += [_Row(arrows[k], (left[k + 1], right[k + 1])) for k in range(index, index + shown)]
        folded = period * repeats - shown
        if folded > 0:
            last = index + period * repeats - 1
            rows.append(
                _Row(None, (left[last + 1], right[last + 1]), f"\N{VERTICAL ELLIPSIS} {folded} more like these")
            )
        index += period * repeats
    if len(rows) > _MOST:
        gap = len(rows) - _MOST
        half = _MOST // 2
        rows[half : half + gap] = [_Row(None, ("", ""), f"\N{VERTICAL ELLIPSIS} {gap} rows are not shown")]
    return rows


def _run(arrows: Sequence[Arrow], index: int) -> tuple[int, int]:
    """How many arrows from *index* repeat, and how often: (1, 1) where nothing does."""
    best = (1, 1)
    for period in (1, 2):
        pattern = [_kind(a) for a in arrows[index : index + period]]
        repeats = 1
        while [_kind(a) for a in arrows[index + repeats * period : index + (repeats + 1) * period]] == pattern:
            repeats += 1
        if len(pattern) == period and repeats > _RUN and period * repeats > best[0] * best[1]:
            best = (period, repeats)
    return best


def _kind(arrow: Arrow) -> tuple[object, ...]:
    return arrow.from_requestor, arrow.name, int(getattr(arrow.message, "status", 0))


def _states_after(connection: Connection, role: Role) -> list[str]:
    """The states that a side comes to before the first arrow, and after each: ``"Sta13 Sta1"``."""
    steps: list[tuple[int, Sta]] = connection.states.get(role, [])
    sending = role is Role.REQUESTOR
    edges = [a.sent_entry if a.from_requestor == sending else a.received_entry for a in connection.arrows]
    result: list[list[str]] = [[] for _ in range(len(edges) + 1)]
    at = 0
    known = [(k, edge) for k, edge in enumerate(edges) if edge is not None]
    for number, state in steps:
        while at < len(known) and known[at][1] < number:
            at += 1
        result[known[at - 1][0] + 1 if at else 0].append(str(state))
    # Before anything went over the wire only the last state is of interest.
    return [" ".join(states[-1:] if k == 0 else states) for k, states in enumerate(result)]
