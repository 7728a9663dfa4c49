"""The ladder: who spoke, what went between them, and the states along the margin (PS3.8 Table 9-10).

Two sides have a ladder for each connection.  Where more take part, a C-MOVE with its destination for instance, each has a
line of its own and all connections are on one ladder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from textwrap import wrap
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
_PERIOD = 4  #: messages of a repetition at most: C-STORE-RQ and -RSP beside a C-MOVE-RSP are three
_MOST = 80  #: rows of one ladder; the middle is left out
_PARTIES = 5  #: that have a line on one ladder

# Text: columns of characters.
_BETWEEN, _WIDE = 53, 76  #: from the first line to the last, of two parties and of more
_STATES = 11

# Picture: columns of pixels.
_LEFT, _SPAN, _MARGIN = 210, 430, 180
_HEIGHT, _TOP = 42, 48
_LETTER = 8  #: of a title


@dataclass(frozen=True, slots=True)
class _Row:
    """One arrow, or (without one) a word about those that are not shown."""

    arrow: Arrow | None
    ends: tuple[int, int]  #: the lines of its connection, the left one first
    rightwards: bool
    states: tuple[str, str]  #: of the left and of the right end
    words: str = ""


@dataclass(frozen=True, slots=True)
class _Chart:
    """One ladder: its lines, and its rows from the top."""

    titles: tuple[str, ...]  #: of the connections
    parties: tuple[str, ...]
    rows: tuple[_Row, ...]
    count: int  #: of the arrows

    @property
    def span(self) -> int:
        """How many times as wide as a ladder of two."""
        return max(1, len(self.parties) - 1)


class Ladder:
    """Connections as ladders: text everywhere, a picture where the notebook is trusted.

    Long runs of the same messages are folded; every arrow is in ``to_frame()``.

    Parameters
    ----------
    connections : sequence of Connection
        What to draw.
    together : bool, optional
        All connections on one ladder, with a line for each AE title; by default where there are more than two.
    """

    def __init__(self, connections: Sequence[Connection], *, together: bool | None = None) -> None:
        self._connections = [connection for connection in connections if connection.arrows or connection.states]
        self._start = min((arrow.time for c in self._connections for arrow in c.arrows), default=0.0)
        parties = _parties(self._connections)
        if together is None:
            together = 2 < len(parties) <= _PARTIES
        if together:
            self._charts = [_chart(self._connections, parties)]
        else:
            self._charts = [_chart([one], one.titles) for one in self._connections]

    def __str__(self) -> str:
        if not self._connections:
            return "nothing went over the wire"
        return "\n\n".join(map(self._text, self._charts))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return with_fallback(str(self), "".join(map(self._picture, self._charts)))

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

    def _text(self, chart: _Chart) -> str:
        width = _BETWEEN if chart.span == 1 else _WIDE
        places = [round(k * width / chart.span) for k in range(len(chart.parties))]
        head = list(f"{chart.parties[0]:<{width + 1}}")
        for place, party in zip(places[1:-1], chart.parties[1:-1], strict=True):
            start = max(0, place - len(party) // 2)
            head[start : start + len(party)] = party
        head[width + 1 - len(chart.parties[-1]) :] = chart.parties[-1]
        lines = [*chart.titles, f"{'':>5} {'ms':>9} {'':>{_STATES}} {''.join(head)}"]
        for row in chart.rows:
            left, right = row.states
            middle = ["|" if k in places else " " for k in range(width + 1)]
            number = ms = ""
            start, stop = (places[end] for end in row.ends)
            room = stop - start - 1
            if row.arrow is None:
                middle[start + 1 : stop] = f"{row.words:^{room}}"[:room]
            else:
                label = f" {row.arrow.label} "[: room - 6]
                line = f"{label:-^{room - 2}}"
                middle[start + 1 : stop] = f"{line}->" if row.rightwards else f"<-{line}"
                ms = f"{(row.arrow.time - self._start) * 1000:.2f}"
                number = f"[{row.arrow.number}]"
            if row.ends[0] > 0:
                middle[start - 1 - len(left) : start - 1], left = left, ""
            if stop < width:
                middle[stop + 2 : stop + 2 + len(right)], right = right, ""
            lines.append(f"{number:>5} {ms:>9} {left:>{_STATES}} {''.join(middle)} {right}".rstrip())
        return "\n".join(map(printable, lines))

    # --------------------------------------------------------------------------- picture

    def _picture(self, chart: _Chart) -> str:
        step = _SPAN if chart.span == 1 else _SPAN * 3 // 4
        places = [_LEFT + step * k for k in range(len(chart.parties))]
        width = places[-1] + _MARGIN
        titles = [escape(printable(title)) for title in chart.titles]
        lines = [
            line for title in chart.titles for line in wrap(printable(title), width // _LETTER, break_on_hyphens=False)
        ]
        top = _TOP + 16 * (len(lines) - 1)
        bottom = top + _HEIGHT * len(chart.rows)
        drawn = "".join(self._drawn(row, places, top + _HEIGHT * k + 14) for k, row in enumerate(chart.rows))
        told = "".join(
            f"<text x='8' y='{14 + 16 * k}' font-weight='600'>{escape(line)}</text>" for k, line in enumerate(lines)
        )
        lives = "".join(
            f"<text x='{x}' y='{top - 12}' text-anchor='middle' font-weight='600'>{escape(party)}</text>"
            f"<line class='life' x1='{x}' y1='{top - 6}' x2='{x}' y2='{bottom}'/>"
            for x, party in zip(places, chart.parties, strict=True)
        )
        return (
            f"<svg role='img' aria-label='Ladder of {chart.count} messages and PDUs. {'; '.join(titles)}' "
            f"width='{width}' height='{bottom + 10}' viewBox='0 0 {width} {bottom + 10}'>{told}"
            f"<text x='100' y='{top - 12}' text-anchor='end' class='dim'>ms</text>{lives}{drawn}</svg>"
        )

    def _drawn(self, row: _Row, places: Sequence[int], y: int) -> str:
        left, right = row.states
        one, other = (places[end] for end in row.ends)
        states = (
            f"<text x='{one - 8}' y='{y + 16}' text-anchor='end' class='dim code'>{left}</text>"
            f"<text x='{other + 8}' y='{y + 16}' class='dim code'>{right}</text>"
        )
        middle = (one + other) // 2
        arrow = row.arrow
        if arrow is None:
            return f"{states}<text x='{middle}' y='{y + 8}' text-anchor='middle' class='dim'>{escape(row.words)}</text>"
        start, stop = (one, other) if row.rightwards else (other, one)
        tip = 7 if row.rightwards else -7
        kind = "bad" if arrow.is_bad else "wire"
        ms = (arrow.time - self._start) * 1000
        detail, most = printable(arrow.detail), (other - one) * 2 // 11
        short = escape(detail if len(detail) < most else f"{detail[: most - 4]} ...")
        return (
            f"<g><title>[{arrow.number}] {escape(printable(arrow.label))}: {escape(detail)}{self._times(arrow)}</title>"
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


def _parties(connections: Sequence[Connection]) -> tuple[str, ...]:
    """Who takes part, in the order of their first appearance; two AEs of one title cannot be told apart."""
    return tuple(dict.fromkeys(party for connection in connections for party in _ends(connection)))


def _ends(connection: Connection) -> tuple[str, str]:
    calling, called = connection.titles
    return calling, called if called != calling else f"{called} (acceptor)"


def _chart(connections: Sequence[Connection], parties: Sequence[str]) -> _Chart:
    """The arrows in the order of time, with the states that follow each; long runs are folded."""
    single = len(connections) == 1
    steps: list[tuple[int, _Row]] = []  # each with the number of the arrow that it belongs to
    for connection in connections:
        calling, called = (0, 1) if single else map(parties.index, _ends(connection))
        ltr = calling < called
        columns = (calling, called) if ltr else (called, calling)
        told = [_states_after(connection, role) for role in (Role.REQUESTOR, Role.ACCEPTOR)]
        states = list(zip(*(told if ltr else told[::-1]), strict=True))
        if any(states[0]):
            steps.append(
                (connection.arrows[0].number if connection.arrows else -1, _Row(None, columns, ltr, states[0]))
            )
        steps += [
            (arrow.number, _Row(arrow, columns, arrow.from_requestor == ltr, after))
            for arrow, after in zip(connection.arrows, states[1:], strict=True)
        ]
    steps.sort(key=lambda step: step[0])
    titles = tuple(f"{c.number}: {c.title}" if not single else c.title for c in connections)
    return _Chart(
        titles, tuple(parties), tuple(_folded([row for _, row in steps])), sum(len(c.arrows) for c in connections)
    )


def _folded(steps: Sequence[_Row]) -> list[_Row]:
    rows: list[_Row] = []
    index = 0
    while index < len(steps):
        period, repeats = _run(steps, index)
        shown = period * (_RUN if repeats > _RUN + 1 else repeats)
        rows += steps[index : index + shown]
        folded = period * repeats - shown
        if folded > 0:
            last = steps[index + period * repeats - 1]
            words = f"\N{VERTICAL ELLIPSIS} {folded} more like these"
            rows.append(_Row(None, last.ends, True, last.states, words))
        index += period * repeats
    if len(rows) > _MOST:
        gap = len(rows) - _MOST
        half = _MOST // 2
        rows[half : half + gap] = [
            _Row(None, rows[half].ends, True, ("", ""), f"\N{VERTICAL ELLIPSIS} {gap} rows are not shown")
        ]
    return rows


def _run(steps: Sequence[_Row], index: int) -> tuple[int, int]:
    """How many rows from *index* repeat, and how often: (1, 1) where nothing does."""
    best = (1, 1)
    for period in range(1, _PERIOD + 1):
        pattern = [_kind(row) for row in steps[index : index + period]]
        repeats = 1
        while [_kind(r) for r in steps[index + repeats * period : index + (repeats + 1) * period]] == pattern:
            repeats += 1
        if len(pattern) == period and repeats > _RUN and period * repeats > best[0] * best[1]:
            best = (period, repeats)
    return best


def _kind(row: _Row) -> tuple[object, ...]:
    arrow = row.arrow
    if arrow is None:
        return (id(row),)
    return row.ends, row.rightwards, arrow.name, int(getattr(arrow.message, "status", 0))


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
