"""Associations: one after the other, many at once, and many that do nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.rounds import Contender, Workload
from benchmarks.sides.meter import cpu, memory
from benchmarks.stage import Acceptor, Missing, Stage

_WATCHED = 3.0  #: seconds for which idle associations are watched


def associate(stage: Stage) -> Iterator[Workload]:
    """Establish and release, with 1 and with 128 presentation contexts."""
    raw, ours = stage.python("raw"), stage.python("nbdicom", folder=True)
    sides = [
        ("raw", "raw", raw, 1, False),
        ("nbdicom", "nbdicom", ours, 1, False),
        ("nbdicom, none like the last", "nbdicom", ours, 1, True),
    ]
    try:
        sides.append(("pynetdicom", "pynetdicom", stage.python("pynetdicom", folder=True), 20, False))
    except Missing as reason:
        stage.left_out["pynetdicom"] = str(reason)
    try:
        sides.append(("nbdicom to DCMTK", "nbdicom", stage.storescp(), 4, False))
    except Missing as reason:
        stage.left_out["DCMTK"] = str(reason)
    for contexts, full in ((1, 800), (128, 200)) if not stage.quick else ((128, 200),):
        contenders = []
        for name, side, acceptor, slower, unlike in sides:
            count = max(2, stage.size(full, 8) // slower)

            def work(
                side: str = side, to: Acceptor = acceptor, count: int = count, n: int = contexts, unlike: bool = unlike
            ) -> dict:
                return stage.run(side, "associate", count=count, contexts=n, unlike=unlike, **to.address)

            contenders.append(Contender(name, work, count, acceptor))
        yield Workload(
            f"associate-{contexts}", f"associations with {contexts} presentation context(s)", "/s", contenders,
            ("raw", "pynetdicom"),
        )  # fmt: skip


def together(stage: Stage) -> Iterator[Workload]:
    """8, 32 and 100 associations that store at once."""
    for associations in (8, 32, 100) if not stage.quick else (4,):
        # Forty for each at least, or what is called fairness would be chance; fewer where it would take minutes.
        files = stage.data.slices(stage.size(max(400, 40 * associations), 8))
        fewer = files[: max(associations, len(files) // 20)]
        contenders = []

        def add(
            name: str, side: str, acceptor: Acceptor, files: list[str], n: int = associations, rounds: int | None = None
        ) -> Contender:
            def work() -> dict:
                return stage.run(side, "store_at_once", associations=n, files=files, **acceptor.address)

            return Contender(name, work, sum(map(_size, files)) / 1e6, acceptor, rounds=rounds)

        contenders.append(add("nbdicom", "nbdicom", stage.python("nbdicom", folder=True), files))
        try:
            theirs = stage.python("pynetdicom", folder=True)
            contenders.append(add("pynetdicom", "pynetdicom", theirs, fewer, rounds=2))
            contenders.append(add("nbdicom to pynetdicom", "nbdicom", theirs, fewer, rounds=2))
        except Missing as reason:
            stage.left_out["pynetdicom"] = str(reason)
        yield Workload(
            f"together-{associations}", f"{associations} associations that store at once", "MB/s", contenders,
            ("pynetdicom",),
        )  # fmt: skip


def idle(stage: Stage) -> Iterator[Workload]:
    """200 associations that nobody uses: CPU seconds of the acceptor in a while, and its memory for each of them."""
    count = stage.size(200, 10)
    contenders = []
    for side in ("nbdicom", "pynetdicom"):
        try:
            acceptor = stage.python(side, folder=True)
        except Missing as reason:
            stage.left_out[side] = str(reason)
            continue

        def work(side: str = side, acceptor: Acceptor = acceptor) -> dict:
            before = memory("VmRSS", acceptor.pid)
            holder = stage.hold("nbdicom", acceptor, count)
            try:
                each = (memory("VmRSS", acceptor.pid) - before) / count
                used = cpu(acceptor.pid)
                time.sleep(_WATCHED if not stage.quick else 0.5)
                used = cpu(acceptor.pid) - used
                started = time.perf_counter()
                said, _ = holder.communicate("go\n", timeout=60)
                assert f'"alive": {count}' in said, f"of {count} associations not all are alive"
                return {"seconds": time.perf_counter() - started, "cpu": used, "memory": each}
            finally:
                holder.kill()

        contenders.append(Contender(side, work, rounds=1))
    yield Workload(
        "idle", f"{count} idle associations: CPU seconds of the acceptor in {_WATCHED:g} s, memory for each", "s",
        contenders, ("pynetdicom",),
    )  # fmt: skip


def _size(path: str) -> int:
    return Path(path).stat().st_size
