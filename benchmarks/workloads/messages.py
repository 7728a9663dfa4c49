"""Small messages to and fro: C-ECHO, and C-STORE over a link with delay."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.rounds import Contender, Workload
from benchmarks.stage import NODELAY, Acceptor, Missing, Stage
from tests.interop.peers import dcmtk


def echo(stage: Stage) -> Iterator[Workload]:
    """C-ECHO after C-ECHO on one association."""
    contenders = []
    count, few = stage.size(4000, 50), stage.size(400, 10)

    def add(name: str, side: str, acceptor: Acceptor, amount: int = count, verb: str = "echo") -> None:
        def work() -> dict:
            return stage.run(side, verb, count=amount, **acceptor.address)

        contenders.append(Contender(name, work, amount, acceptor))

    add("raw", "raw", stage.python("raw"))
    ours = stage.python("nbdicom", folder=True)
    add("nbdicom", "nbdicom", ours)
    add("nbdicom asyncio", "asyncio", stage.python("asyncio", folder=True))
    try:
        add("pynetdicom", "pynetdicom", stage.python("pynetdicom", folder=True), few)
    except Missing as reason:
        stage.left_out["pynetdicom"] = str(reason)
    try:
        echoscu, start, theirs = dcmtk("echoscu"), stage.start_up("echoscu"), stage.storescp()
        for name, acceptor in (("DCMTK", stage.storescp(env=NODELAY)), ("DCMTK to nbdicom", ours)):

            def work(to: Acceptor = acceptor) -> dict:
                argv = [echoscu, "-q", "-aec", to.called, "--repeat", count, "127.0.0.1", to.port]
                return stage.tool(*argv, start=start)

            contenders.append(Contender(name, work, count, acceptor))
        add("nbdicom to DCMTK", "nbdicom", theirs)
        # 44 ms each: what a client gets that leaves acknowledgements to the kernel.
        add("plain client to DCMTK", "raw", theirs, stage.size(20, 3), "echo_without_quickack")
    except Missing as reason:
        stage.left_out["DCMTK"] = str(reason)
    try:
        orthanc = stage.orthanc()
        add("nbdicom to Orthanc", "nbdicom", orthanc)
        add("plain client to Orthanc", "raw", orthanc, stage.size(20, 3), "echo_without_quickack")
    except Missing as reason:
        stage.left_out["Orthanc"] = str(reason)
    references = ("raw", "pynetdicom", "DCMTK", "plain client to DCMTK", "plain client to Orthanc")
    yield Workload("echo", "C-ECHO on one association", "/s", contenders, references)


def link(stage: Stage) -> Iterator[Workload]:
    """C-STORE over links with delay, with operations windows: CT slices at 50 ms round trip, small objects at 10 ms."""
    yield _link(stage, "link", stage.data.slices(stage.size(200, 8)), "CT slices", 0.025, (1, 8, 32))
    yield _link(stage, "small", stage.data.small(stage.size(400, 8)), "objects of 50 kB", 0.005, (1, 8, 16, 0))


def _link(stage: Stage, name: str, files: list[str], what: str, delay: float, windows: tuple[int, ...]) -> Workload:
    acceptor = stage.python("nbdicom", folder=True, window=0)
    proxy = stage.python("proxy", port=acceptor.port, delay=delay)
    contenders = []
    slow = len(files) * 2 * delay > 8  # seconds that window 1 takes at least: twice is enough
    for window in windows if not stage.quick else windows[:2]:

        def work(window: int = window) -> dict:
            return stage.run("nbdicom", "store", files=files, window=window, called="NBDICOM", port=proxy.port)

        called = f"window {window}" if window else "window unlimited"
        contenders.append(Contender(called, work, len(files), acceptor, rounds=2 if window == 1 and slow else None))
    title = f"C-STORE of {len(files)} {what}, {delay * 1000:g} ms each way"
    return Workload(name, title, "/s", contenders, ("window 1",))
