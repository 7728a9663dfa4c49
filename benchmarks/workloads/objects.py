"""Objects that travel: C-STORE of series and of large ones, C-GET and C-MOVE."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.rounds import Contender, Workload
from benchmarks.stage import NODELAY, Acceptor, Missing, Stage, free_memory
from tests.interop.peers import dcmtk, free_port

_THEIR_MEMORY = 10 << 30  #: bytes that pynetdicom and the files take for an object of 1.5 GB


def _megabytes(files: list[str]) -> float:
    return sum(Path(path).stat().st_size for path in files) / 1e6


def store(stage: Stage) -> Iterator[Workload]:
    """1 000 CT slices over one association, by path, into files."""
    files = stage.data.slices(stage.size(1000, 20))
    fewer = files[: stage.size(200, 5)]
    for length in (16_384, 131_072) if not stage.quick else (16_384,):
        contenders = []

        def add(
            name: str, side: str, acceptor: Acceptor, files: list[str] = files, length: int = length, **more: object
        ) -> Contender:
            def work() -> dict:
                verb = "copy" if side == "raw" else "store"
                return stage.run(side, verb, files=files, max_length=length, **acceptor.address, **more)

            return Contender(name, work, _megabytes(files), acceptor)

        ours = stage.python("nbdicom", folder=True, max_length=length)
        contenders.append(add("raw", "raw", stage.python("raw", folder=True), piece=length - 6))
        contenders.append(add("nbdicom", "nbdicom", ours))
        in_loop = stage.python("asyncio", folder=True, max_length=length)
        contenders.append(add("nbdicom asyncio", "asyncio", in_loop))
        try:
            theirs = stage.python("pynetdicom", folder=True, max_length=length)
            contenders.append(add("pynetdicom", "pynetdicom", theirs, fewer))
        except Missing as reason:
            stage.left_out["pynetdicom"] = str(reason)
        try:
            storescp = stage.storescp("--max-pdu", str(length))
            contenders.append(add("nbdicom to DCMTK", "nbdicom", storescp))
            tuned = stage.storescp("--max-pdu", str(length), env=NODELAY)
            contenders.append(_storescu(stage, "DCMTK", tuned, files, length))
            decoding = stage.storescp("--max-pdu", str(length), decoding=True, env=NODELAY)
            contenders.append(_storescu(stage, "DCMTK, decoding", decoding, files, length))
            contenders.append(_storescu(stage, "DCMTK to nbdicom", ours, files, length))
        except Missing as reason:
            stage.left_out["DCMTK"] = str(reason)
        if not stage.quick:
            try:
                contenders.append(add("nbdicom to Orthanc", "nbdicom", stage.orthanc(), fewer))
                contenders[-1].rounds = 2
            except Missing as reason:
                stage.left_out["Orthanc"] = str(reason)
        yield Workload(
            f"store-{length}", f"C-STORE of {len(files)} CT slices, maximum length {length}", "MB/s", contenders,
            ("raw", "DCMTK", "DCMTK, decoding", "pynetdicom"),
        )  # fmt: skip


def _storescu(stage: Stage, name: str, acceptor: Acceptor, files: list[str], length: int) -> Contender:
    storescu, start, folder = dcmtk("storescu"), stage.start_up("storescu"), Path(files[0]).parent
    whole = len(list(folder.glob("[0-9]*.dcm"))) == len(files)
    what = ["+sd", folder] if whole else files
    tool = [storescu, "-q", "-xe", "--max-pdu", length, "--max-send-pdu", length, "-aec", acceptor.called]

    def work() -> dict:
        return stage.tool(*tool, "127.0.0.1", acceptor.port, *what, start=start)

    return Contender(name, work, _megabytes(files), acceptor)


def durable(stage: Stage) -> Iterator[Workload]:
    """C-STORE into an archive that syncs every object before it answers: on this disk, and on one that takes its time."""
    yield _durable(stage, "durable", "", 50, 0.0)
    yield _durable(stage, "durable-slow", ", where a sync takes 5 ms more", 20, 0.005)


def _durable(stage: Stage, name: str, where: str, each: int, slow: float) -> Workload:
    associations, each = 8, stage.size(each, 2)
    files = stage.data.slices((each + 2) * associations)
    first, files = files[: 2 * associations], files[2 * associations :]
    size = _megabytes(files)

    def one_by_one(folder: Path) -> dict:
        return stage.run("raw", "sync", folder=str(folder), files=files, slow=slow)

    def copied(folder: Path) -> dict:
        to = stage.python("raw", folder=str(folder), durable=True, slow=slow)
        return stage.run("raw", "copy_at_once", port=to.port, associations=associations, files=files, piece=131_066)

    def stored(at_once: int, durability: str = "full") -> Callable[[Path], dict]:
        def work(folder: Path) -> dict:
            # An object is stored once: each round has an archive of its own, which the first ones warm up.
            to = stage.python("nbdicom", "serve_pacs", root=str(folder), durability=durability, slow=slow)
            return stage.run("nbdicom", "store_at_once", associations=at_once, files=files, first=first, **to.address)

        return work

    def emptied(work: Callable[[Path], dict]) -> Callable[[], dict]:
        """Give back what the files take in memory, for the next one to take the same again.

        On a virtual machine a page that was never used costs 10 us, for 526 kB six times what writing them costs.  Files are
        not removed: after thousands of these ext4 looks for a free inode for half a millisecond.
        """

        def all_of_it() -> dict:
            folder = stage.folder(disk=True)
            told = work(folder)
            for path in folder.rglob("*.dcm"):
                os.truncate(path, 0)
            return told

        return all_of_it

    contenders = [
        Contender("one fsync for each object", emptied(one_by_one), size),
        Contender(f"plain sockets, {associations} connections", emptied(copied), size),
        Contender("nbdicom, without a sync", emptied(stored(associations, "none")), size),
        Contender(f"nbdicom, {associations} associations", emptied(stored(associations)), size),
    ]
    if not stage.quick:
        contenders.append(Contender("nbdicom, 1 association", emptied(stored(1)), size))
    title = f"C-STORE of {len(files)} CT slices into an archive that syncs each{where}"
    return Workload(name, title, "MB/s", contenders, tuple(c.name for c in contenders[:3]))


def large(stage: Stage) -> Iterator[Workload]:
    """One object of 208 MB and one of 1.5 GB: what memory does it take?"""
    for megabytes in (208, 1500) if not stage.quick else (4,):
        files = [stage.data.large(megabytes)]
        size = _megabytes(files)
        contenders = []
        sides = ["nbdicom", "pynetdicom"]
        if megabytes > 1000 and free_memory() < _THEIR_MEMORY:
            stage.left_out["pynetdicom"] = f"not enough memory is free for it at {megabytes} MB"
            sides.remove("pynetdicom")
        for side in sides:
            try:
                acceptor = stage.python(side, folder=True)
            except Missing as reason:
                stage.left_out[side] = str(reason)
                continue

            def work(side: str = side, acceptor: Acceptor = acceptor, files: list[str] = files) -> dict:
                return stage.run(side, "store", files=files, **acceptor.address)

            contenders.append(Contender(side, work, size, acceptor, rounds=1 if side == "pynetdicom" else None))
        try:
            storescp, storescu = stage.storescp("--max-pdu", "131072", env=NODELAY), dcmtk("storescu")
            tool = [storescu, "-q", "-xe", "--max-send-pdu", 131072, "-aec", storescp.called]

            def dcmtk_work(files: list[str] = files, argv: list = tool, to: Acceptor = storescp) -> dict:
                return stage.tool(*argv, "127.0.0.1", to.port, *files)

            contenders.append(Contender("DCMTK", dcmtk_work, size, storescp))
        except Missing as reason:
            stage.left_out["DCMTK"] = str(reason)
        yield Workload(
            f"large-{megabytes}",
            f"C-STORE of one object of {megabytes} MB",
            "MB/s",
            contenders,
            ("DCMTK", "pynetdicom"),
        )
        stage.data.forget_large()


def retrieve(stage: Stage) -> Iterator[Workload]:
    """C-GET and C-MOVE of 1 000 CT slices, from dcmqrscp and from the embedded archive."""
    files = stage.data.slices(stage.size(1000, 10))
    size, study = _megabytes(files), stage.data.study
    listen = free_port()
    destinations = {"RECEIVER": listen, "MOVESCU": free_port()}
    archive = stage.python("nbdicom", "serve_pacs", root=str(stage.folder()), destinations=destinations)
    stage.run("nbdicom", "store", files=files, **archive.address)
    into = stage.folder()

    def empty() -> Path:
        for entry in into.iterdir():
            entry.unlink()
        return into

    def got(side: str, acceptor: Acceptor) -> Callable[[], dict]:
        def work() -> dict:
            told = stage.run(side, "get", study=study, folder=str(empty()), **acceptor.address)
            if told["count"] != len(files):
                raise RuntimeError(f"{told['count']} of {len(files)} arrived")
            return told

        return work

    contenders = [Contender("nbdicom", got("nbdicom", archive), size, archive)]
    theirs = None
    try:
        theirs = stage.dcmqrscp(destinations=destinations)
        stage.run("nbdicom", "store", files=files, **theirs.address)
        getscu, start = dcmtk("getscu"), stage.start_up("getscu")
        contenders.append(Contender("nbdicom from DCMTK", got("nbdicom", theirs), size, theirs))

        def tool(acceptor: Acceptor, mode: str = "+B") -> Callable[[], dict]:
            def work() -> dict:
                argv = [getscu, "-q", "-S", mode, "--max-pdu", 131072, "-aec", acceptor.called, "-od", empty()]
                keys = ["-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={study}"]
                told = stage.tool(*argv, *keys, "127.0.0.1", acceptor.port, start=start)
                if len(list(into.iterdir())) != len(files):
                    raise RuntimeError(f"{len(list(into.iterdir()))} of {len(files)} arrived")
                return told

            return work

        contenders.append(Contender("DCMTK", tool(theirs), size, theirs))
        contenders.append(Contender("DCMTK, decoding", tool(theirs, "-B"), size, theirs))
        contenders.append(Contender("DCMTK from nbdicom", tool(archive), size, archive))
    except Missing as reason:
        stage.left_out["DCMTK"] = str(reason)
    try:
        stage.need_pynetdicom()
        contenders.append(Contender("pynetdicom from nbdicom", got("pynetdicom", archive), size, archive, rounds=1))
    except Missing as reason:
        stage.left_out["pynetdicom"] = str(reason)
    yield Workload(
        "get", f"C-GET of {len(files)} CT slices", "MB/s", contenders,
        ("DCMTK", "DCMTK, decoding", "pynetdicom from nbdicom"),
    )  # fmt: skip

    receiver = stage.python("nbdicom", "receive", called="RECEIVER", folder=True, title="RECEIVER", listen=listen)
    assert receiver.folder is not None

    def moved(acceptor: Acceptor) -> Callable[[], dict]:
        def work() -> dict:
            told = stage.run("nbdicom", "move", study=study, destination="RECEIVER", **acceptor.address)
            arrived = len(list(receiver.folder.iterdir())) if receiver.folder else 0
            if arrived != len(files):
                raise RuntimeError(f"{arrived} of {len(files)} arrived")
            return told

        return work

    contenders = [Contender("nbdicom", moved(archive), size, receiver)]
    if theirs is not None:
        contenders.append(Contender("nbdicom from DCMTK", moved(theirs), size, receiver))
        movescu, at = dcmtk("movescu"), destinations["MOVESCU"]

        def movescu_work() -> dict:
            argv = [movescu, "-q", "-S", "+B", "--max-pdu", 131072, "-aet", "MOVESCU", "-aem", "MOVESCU", "-aec"]
            keys = ["-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={study}"]
            # With +B it writes where it is, whatever -od says.
            return stage.tool(
                *argv, theirs.called, "--port", at, *keys, "127.0.0.1", theirs.port, start=start, cwd=empty()
            )

        contenders.append(Contender("DCMTK", movescu_work, size, theirs))
    yield Workload("move", f"C-MOVE of {len(files)} CT slices", "MB/s", contenders, ("DCMTK",))
