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
    """C-STORE of CT slices over a link with 25 ms each way, with operations windows."""
    count = stage.size(200, 8)
    files = stage.data.slices(count)
    acceptor = stage.python("nbdicom", folder=True, window=32)
    proxy = stage.python("proxy", port=acceptor.port, delay=0.025)
    contenders = []
    for window in (1, 8, 32) if not stage.quick else (1, 8):

        def work(window: int = window) -> dict:
            return stage.run("nbdicom", "store", files=files, window=window, called="NBDICOM", port=proxy.port)

        contenders.append(Contender(f"window {window}", work, count, acceptor, rounds=2 if window == 1 else None))
    yield Workload("link", f"C-STORE of {count} CT slices, 25 ms each way", "/s", contenders, ("window 1",))
