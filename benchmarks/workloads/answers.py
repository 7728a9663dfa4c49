"""C-FIND: what the requestor makes of answers, and how fast acceptors find and send them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from benchmarks import generated
from benchmarks.rounds import Contender, Workload
from benchmarks.stage import Acceptor, Missing, Stage
from tests.interop.peers import dcmtk


def _found(stage: Stage, side: str, acceptor: Acceptor, count: int, to: str) -> Callable[[], dict]:
    def work() -> dict:
        told = stage.run(side, "find", keywords=list(generated.KEYWORDS), to=to, **acceptor.address)
        if told["count"] != count:
            raise RuntimeError(f"{told['count']} of {count} answers came")
        return told

    return work


def find(stage: Stage) -> Iterator[Workload]:
    """The requestor: answers that are encoded already, as they come and as a DataFrame."""
    count = stage.size(10_000, 100)
    answers = str(generated.study_answers(count, stage.fast / "answers.txt"))
    acceptor = stage.python("nbdicom", "serve_matches", answers=answers)
    contenders = [
        Contender("nbdicom, as they come", _found(stage, "nbdicom", acceptor, count, "raw"), count, acceptor),
        Contender("nbdicom, DataFrame", _found(stage, "nbdicom", acceptor, count, "frame"), count, acceptor),
    ]
    try:
        stage.need_pynetdicom()
        few_count = stage.size(2000, 50)
        few_answers = str(generated.study_answers(few_count, stage.fast / "few.txt"))
        few = stage.python("nbdicom", "serve_matches", answers=few_answers)
        for to, name in (("raw", "as they come"), ("frame", "DataFrame")):
            work = _found(stage, "pynetdicom", few, few_count, to)
            contenders.append(Contender(f"pynetdicom, {name}", work, few_count, few))
    except Missing as reason:
        stage.left_out["pynetdicom"] = str(reason)
    try:
        findscu, start = dcmtk("findscu"), stage.start_up("findscu")
        keys = [part for keyword in generated.KEYWORDS for part in ("-k", keyword)]

        def tool() -> dict:
            argv = [findscu, "-q", "-S", "-aec", acceptor.called, "-k", "QueryRetrieveLevel=STUDY", *keys]
            return stage.tool(*argv, "127.0.0.1", acceptor.port, start=start)

        contenders.append(Contender("DCMTK", tool, count, acceptor))
    except Missing as reason:
        stage.left_out["DCMTK"] = str(reason)
    yield Workload(
        "find", f"C-FIND requestor, {count} answers of 16 attributes", "/s", contenders,
        ("pynetdicom, as they come", "pynetdicom, DataFrame", "DCMTK"),
    )  # fmt: skip


def answer(stage: Stage) -> Iterator[Workload]:
    """The acceptor: from the index of the embedded archive, from pynetdicom with SQLite, and from Orthanc."""
    count, fewer = stage.size(10_000, 60), stage.size(2000, 30)
    folder = stage.folder()
    files = generated.study_objects(count, folder)
    ours = stage.python("nbdicom", "serve_pacs", root=str(stage.folder()))
    stage.run("nbdicom", "store", files=files, **ours.address)
    contenders = [Contender("nbdicom", _found(stage, "nbdicom", ours, count, "raw"), count, ours)]
    try:
        table = str(generated.study_table(fewer, stage.fast / "studies.sqlite"))
        theirs = stage.python("pynetdicom", "serve_index", index=table, keywords=list(generated.KEYWORDS))
        contenders.append(
            Contender("pynetdicom", _found(stage, "nbdicom", theirs, fewer, "raw"), fewer, theirs, rounds=3)
        )
    except Missing as reason:
        stage.left_out["pynetdicom"] = str(reason)
    if stage.peers:
        try:
            orthanc = stage.orthanc()
            stage.run("nbdicom", "store", files=files[:fewer], **orthanc.address)
            contenders.append(Contender("Orthanc", _found(stage, "nbdicom", orthanc, fewer, "raw"), fewer, orthanc))
        except Missing as reason:
            stage.left_out["Orthanc"] = str(reason)
    yield Workload(
        "answer", f"C-FIND acceptor, {count} studies of 16 attributes", "/s", contenders, ("pynetdicom", "Orthanc")
    )
