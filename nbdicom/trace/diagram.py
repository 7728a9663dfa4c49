"""Table 9-10 as a drawing: the thirteen states, the transitions between them, and those that were taken (PS3.8 9.2).

States, events, actions and what follows what come from `nbdicom.core.machine`; only where a state stands on the paper is
said here.  Transitions of aborts lead from nearly every state to two others: they are drawn where they were taken.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from math import hypot
from textwrap import wrap

from nbdicom.core.machine import NEXT, TABLE, Action, Evt, Sta

__all__ = ["state_diagram"]

#: The middle of each state: requestor on the left, acceptor on the right, time downwards.
_PLACES: Mapping[Sta, tuple[int, int]] = {
    Sta.STA1: (430, 40),
    Sta.STA4: (150, 110), Sta.STA5: (150, 205), Sta.STA2: (710, 110), Sta.STA3: (710, 205),
    Sta.STA6: (430, 235),
    Sta.STA7: (250, 330), Sta.STA8: (710, 330),
    Sta.STA9: (110, 425), Sta.STA10: (390, 425),
    Sta.STA11: (110, 520), Sta.STA12: (390, 520), Sta.STA13: (710, 520),
}  # fmt: skip
_WIDTH, _HEIGHT = 930, 570
_HALF_WIDTH, _HALF_HEIGHT = 88, 29
_BENDS = (0, 40, -40, 80, -80, 130, -130, 190, -190, 260, -260, 340, -340, 430, -430)
_POINTS = 40  #: of a curve
_LETTERS = 31  #: of a line in a state

Point = tuple[float, float]


def state_diagram(taken: Mapping[tuple[Sta, Sta], Sequence[str]], now: Sta | None, title: str) -> str:
    """The drawing as SVG.

    Parameters
    ----------
    taken : mapping
        For each transition that was taken, from one state to another, the words to be written beside it.
    now : Sta, optional
        The state that is ringed.
    title : str
        What it shows, for those who do not see it.
    """
    edges: dict[tuple[Sta, Sta], list[tuple[Evt, Action]]] = {}
    for (event, before), action in TABLE.items():
        for after in NEXT[action]:
            if not action.startswith("AA-") or (before, after) in taken:
                edges.setdefault((before, after), []).append((event, action))
    been = {state for ends in taken for state in ends} | ({now} if now is not None else set())
    order = sorted(edges, key=lambda ends: ends in taken)  # what was taken is drawn last, so nothing covers it
    lines = "".join(_edge(ends, edges[ends], taken.get(ends), ends[::-1] in edges) for ends in order)
    states = "".join(_state(state, state in been, state is now) for state in Sta)
    return (
        f"<svg role='img' aria-label='{escape(title, quote=True)}' class='nbd-states' width='{_WIDTH}' "
        f"height='{_HEIGHT}' viewBox='0 0 {_WIDTH} {_HEIGHT}'>{lines}{states}</svg>"
    )


def _state(state: Sta, been: bool, now: bool) -> str:
    x, y = _PLACES[state]
    kind = " now" if now else " been" if been else ""
    lines = wrap(state.meaning, _LETTERS)
    top = y - 5.5 * len(lines) - 1
    words = "".join(
        f"<text x='{x}' y='{top + 14 + 11 * k:g}' text-anchor='middle' class='small'>{escape(line)}</text>"
        for k, line in enumerate(lines)
    )
    return (
        f"<g class='state{kind}'><title>{state}: {escape(state.meaning)}</title>"
        f"<rect x='{x - _HALF_WIDTH}' y='{y - _HALF_HEIGHT}' width='{2 * _HALF_WIDTH}' height='{2 * _HALF_HEIGHT}' rx='7'/>"
        f"<text x='{x}' y='{top + 3:g}' text-anchor='middle' font-weight='600'>{state}{' (now)' if now else ''}</text>"
        f"{words}</g>"
    )


def _edge(
    ends: tuple[Sta, Sta], steps: Iterable[tuple[Evt, Action]], words: Sequence[str] | None, both_ways: bool
) -> str:
    before, after = ends
    points = _loop(before) if before is after else _curve(before, after, both_ways)
    told = "\n".join(f"{event} ({event.meaning}): {action}, {action.meaning}" for event, action in steps)
    drawn = " ".join(f"{x:.0f},{y:.0f}" for x, y in points)
    kind = "way" if words is None else "way taken"
    # What leads to Sta1 crosses other ways in its middle.
    at = int(len(points) * (0.8 if after is Sta.STA1 else 0.5))
    return (
        f"<g class='{kind}'><title>{before} \N{RIGHTWARDS ARROW} {after}\n{escape(told)}</title>"
        f"<polyline points='{drawn}'/><polygon points='{_tip(points)}'/>{_words(points, at, words or ())}</g>"
    )


def _words(points: Sequence[Point], at: int, words: Sequence[str]) -> str:
    """Beside one of the points of a curve, with the paper behind them."""
    if not words:
        return ""
    lines = [*words[:2], *(["..."] if len(words) > 2 else [])]
    width, height = 5.2 * max(map(len, lines)) + 4, 13 * len(lines)
    x, y = points[at]
    if abs(points[-1][0] - points[0][0]) > abs(points[-1][1] - points[0][1]):
        y += height / 2 + 6 if points[0][1] == points[-1][1] else -height / 2 - 6  # over the way, or under a bow
    else:
        x += width / 2 + 6
    top = y - height / 2
    paper = f"<rect class='paper' x='{x - width / 2:.0f}' y='{top:.0f}' width='{width:.0f}' height='{height}' rx='3'/>"
    return paper + "".join(
        f"<text x='{x:.0f}' y='{top + 10 + 13 * k:.0f}' text-anchor='middle' class='small'>{escape(line)}</text>"
        for k, line in enumerate(lines)
    )


def _tip(points: Sequence[Point]) -> str:
    (x0, y0), (x, y) = points[-2], points[-1]
    length = hypot(x - x0, y - y0) or 1.0
    dx, dy = (x - x0) / length, (y - y0) / length
    return " ".join(f"{a:.1f},{b:.1f}" for a, b in (
        (x, y), (x - 9 * dx - 4 * dy, y - 9 * dy + 4 * dx), (x - 9 * dx + 4 * dy, y - 9 * dy - 4 * dx)
    ))  # fmt: skip


def _loop(state: Sta) -> list[Point]:
    """From a state to itself: a bow under it."""
    x, y = _PLACES[state]
    bottom = y + _HALF_HEIGHT
    return _bezier((x - 30, bottom), (x - 45, bottom + 44), (x + 45, bottom + 44), (x + 30, bottom))


def _curve(before: Sta, after: Sta, both_ways: bool) -> list[Point]:
    """The least bent way from one state to another that meets no third one."""
    (x0, y0), (x1, y1) = _PLACES[before], _PLACES[after]
    length = hypot(x1 - x0, y1 - y0)
    across = (-(y1 - y0) / length, (x1 - x0) / length)
    others = [place for state, place in _PLACES.items() if state not in (before, after)]
    best: list[Point] = []
    for bend in _BENDS[1 if both_ways else 0 :]:
        middle = ((x0 + x1) / 2 + across[0] * bend, (y0 + y1) / 2 + across[1] * bend)
        points = [
            point
            for point in _bezier((x0, y0), middle, middle, (x1, y1))
            if not _inside(point, (x0, y0), 0) and not _inside(point, (x1, y1), 2)
        ]
        best = best or points
        if all(0 < x < _WIDTH and 0 < y < _HEIGHT for x, y in points) and not any(
            _inside(point, place, 4) for point in points for place in others
        ):
            return points
    return best


def _bezier(start: Point, one: Point, other: Point, stop: Point) -> list[Point]:
    """Points of a cubic curve."""
    points = []
    for k in range(_POINTS + 1):
        t = k / _POINTS
        a, b, c, d = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3
        points.append((
            a * start[0] + b * one[0] + c * other[0] + d * stop[0], a * start[1] + b * one[1] + c * other[1] + d * stop[1],
        ))  # fmt: skip
    return points


def _inside(point: Point, place: Point, margin: float) -> bool:
    return abs(point[0] - place[0]) < _HALF_WIDTH + margin and abs(point[1] - place[1]) < _HALF_HEIGHT + margin
