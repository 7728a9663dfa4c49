"""``python -m tests.hostile [AET@host:port] [--peers]``: play every case and print the scores.

Without an address nbdicom itself is started, by both drivers and in both roles, and played at; ``--peers`` adds the SCPs
and requestors that are installed, each started beside it.  Several of each are played at together, and each gets a part of
the cases.  The exit status is 0 if nbdicom survived everything, nothing was late or flagged, and at least 95 % of the
answers were exact.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from tests.hostile.acceptor_player import Stage
from tests.hostile.acceptors import ACCEPTORS, AcceptorCase
from tests.hostile.cases import Case, every_case
from tests.hostile.requestors import REQUESTORS, requestor
from tests.hostile.score import Playable, Result, Score, as_markdown, run_case, table
from tests.hostile.targets import NAMES, Target, external, started
from tests.interop.peers import Missing

OURS = ("nbdicom", "nbdicom-aio")
PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
SHORT, LONG = 1.5, 60.0  #: seconds of timers, for the cases about them and for the others
_TOLD = 10.0  #: seconds between two lines about the progress


class Run:
    """What the players share: options, the time that is left, and how far they are."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self._until = time.monotonic() + options.seconds
        self._lock = threading.Lock()
        self._played = self._due = 0
        self._told_at = time.monotonic()

    def share(self, every: Sequence[Playable], part: int, *, timers: bool) -> tuple[list[Playable], float]:
        """A part of the cases that are asked for, and the seconds of the timers of the peer that they are played at.

        Where *timers* can be set, the last part has the cases about them; for all others they are too long to matter.
        """
        asked, parts = [case for case in every if self.options.only in case.name], self.options.parts
        if timers and part == parts - 1:
            mine, seconds = [case for case in asked if case.timer], SHORT
        else:
            mine, seconds = [case for case in asked if not case.timer][part :: parts - timers], LONG
        with self._lock:
            self._due += len(mine)
        return mine, seconds

    @property
    def is_over(self) -> bool:
        """The time is up: what has not been played is not played."""
        return time.monotonic() > self._until

    def told(self, name: str, result: Result) -> None:
        """Another case is played."""
        options = self.options
        with self._lock:
            self._played += 1
            if options.verbose or (options.differences and (result.verdict != "exact" or result.flags or result.late)):
                print(_line(name, result), flush=True)
            elif name.startswith("nbdicom") and (result.verdict != "exact" or result.flags):
                print(_line(name, result), file=sys.stderr, flush=True)
            if time.monotonic() - self._told_at > _TOLD:
                self._told_at = time.monotonic()
                print(f"{self._played} of {self._due} played", file=sys.stderr, flush=True)

    def play(self, name: str, cases: Sequence[Playable], one: Callable[[Playable], Result]) -> Iterator[Result]:
        """Each of the cases, while there is time."""
        for case in cases:
            result = Result(case, "not played") if self.is_over else one(case)
            if result.late:
                result = one(case)  # on a busy machine anybody is late now and then
            self.told(name, result)
            yield result


def _line(name: str, result: Result) -> str:
    mark = "shall" if result.case.shall else "     "
    flags = f" FLAGS {', '.join(result.flags)}" if result.flags else ""
    due = getattr(result.case, "due", None) or getattr(result.case, "answer", None)
    late = " LATE" if result.late else ""
    return f"{name}: {result.verdict:9} {mark} {result.case.name}: {result.observed} (due: {due}){flags}{late}"


def scp(run: Run, name: str, part: int) -> Score:
    """Start an SCP, play a part of the cases at it; start it again whenever it has died or hangs."""
    cases, timers = run.share(every_case(), part, timers=name.startswith("nbdicom"))
    stack = ExitStack()
    try:
        target = stack.enter_context(started(name, timers=timers))
        score = Score(target.name)

        def one(case: Playable) -> Result:
            nonlocal target
            assert isinstance(case, Case)
            result = run_case(target, case)
            if result.verdict in ("died", "hung"):
                stack.close()
                target = stack.enter_context(started(name, timers=timers))
            return result

        score.results = list(run.play(name, cases, one))
        return score
    finally:
        stack.close()


def scp_elsewhere(run: Run, target: Target) -> Score:
    """Play all cases at an SCP that runs."""

    def one(case: Playable) -> Result:
        assert isinstance(case, Case)
        return run_case(target, case)

    run.options.parts = 1
    score = Score(target.name)
    score.results = list(run.play(target.name, run.share(every_case(), 0, timers=False)[0], one))
    return score


def scu(run: Run, name: str, part: int) -> Score:
    """Play a part of the cases at a requestor."""
    cases, timers = run.share(ACCEPTORS, part, timers=name.startswith("nbdicom"))
    with requestor(name, timers=timers) as asking, ExitStack() as stack:
        stage = Stage()
        stack.callback(stage.close)

        def one(case: Playable) -> Result:
            assert isinstance(case, AcceptorCase)
            return stage.run_case(asking, case)

        score = Score(asking.name)
        score.results = list(run.play(name, cases, one))
        return score


def main(arguments: list[str]) -> int:
    """Play and print."""
    parser = argparse.ArgumentParser("python -m tests.hostile", description=__doc__)
    parser.add_argument("address", nargs="?", help="an SCP that runs: AET@host:port")
    parser.add_argument(
        "--peers", action="store_true", help="also DCMTK, Orthanc and pynetdicom, where they are installed"
    )
    parser.add_argument("--peer", action="append", default=[], choices=list(NAMES), help="this SCP (may be repeated)")
    parser.add_argument(
        "--requestor", action="append", default=[], choices=list(REQUESTORS), help="this requestor (may be repeated)"
    )
    parser.add_argument("--only", default="", help="cases whose name contains this")
    parser.add_argument("--verbose", action="store_true", help="a line for each case")
    parser.add_argument("--differences", action="store_true", help="a line for each case that is not exact")
    parser.add_argument(
        "--parts",
        type=int,
        default=3,
        choices=range(2, 17),
        metavar="N",
        help="how many of each peer are played at together",
    )
    parser.add_argument("--seconds", type=float, default=600, help="after so many no further case is begun")
    parser.add_argument("--page", action="store_true", help=f"write the tables into {PAGE.name}")
    options = parser.parse_args(arguments)
    run = Run(options)
    if options.address:
        print(table("Hostile requestors", "SCP", [scp_elsewhere(run, external(options.address))]))
        return 0
    chosen = bool(options.peer or options.requestor)
    every = [name for name in NAMES if name != "nbdicom-full"]
    scps = options.peer if chosen else every if options.peers else OURS
    scus = options.requestor if chosen else list(REQUESTORS) if options.peers else OURS
    jobs = [(scp, name) for name in scps] + [(scu, name) for name in scus]
    with ThreadPoolExecutor(options.parts * len(jobs)) as pool:
        parts = [[pool.submit(play, run, name, part) for part in range(options.parts)] for play, name in jobs]
        scores = [joined([part.exception() or part.result() for part in one]) for one in parts]
    tables = (
        table("Hostile requestors", "SCP", [one for one in scores[: len(scps)] if one]),
        table("Hostile acceptors", "requestor", [one for one in scores[len(scps) :] if one]),
    )
    print(*(one for one in tables if one.rows), sep="\n\n")
    if options.page:
        write(PAGE, [as_markdown(one) for one in tables])
    return 0 if all(passed(one) for one in scores if one and one.name.startswith("nbdicom")) else 1


def joined(parts: Sequence[Score | BaseException]) -> Score | None:
    """The parts of a peer's score as one; None, and the reason, where it is not installed."""
    whole: Score | None = None
    for part in parts:
        if isinstance(part, Missing):
            print(f"skipped: {part}")
            return None
        if isinstance(part, BaseException):
            raise part
        whole = whole or Score(part.name)
        whole.results += part.results
    return whole


def passed(score: Score) -> bool:
    """The bar: everything played and survived, nothing late, no flag, 95 % of the answers exact."""
    exact = score.count("exact", shall=True) >= 0.95 * score.shall
    whole = not score.count("not played")
    return whole and score.survived == score.tried and exact and not score.flags and not score.late


def write(page: Path, shown: Sequence[str]) -> None:
    """Put the tables between the page's marks."""
    text = page.read_text()
    for number, one in enumerate(shown, 1):
        begin, end = f"<!-- scores {number} -->\n", f"\n<!-- end of scores {number} -->"
        head, _, rest = text.partition(begin)
        _, _, tail = rest.partition(end)
        text = f"{head}{begin}{one}{end}{tail}"
    page.write_text(text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
