"""The index with a million series: how long it takes to fill, its size, and the latency of ten queries over C-FIND."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.rounds import Contender, Workload
from benchmarks.stage import Stage

#: What people ask, as C-FIND identifiers; return keys are added.
QUERIES: tuple[tuple[str, dict[str, str]], ...] = (
    ("one patient by ID", {"QueryRetrieveLevel": "STUDY", "PatientID": "{patient}"}),
    ("one patient by name", {"QueryRetrieveLevel": "STUDY", "PatientName": "{name}"}),
    ("patients whose name begins so", {"QueryRetrieveLevel": "STUDY", "PatientName": "{prefix}*"}),
    ("one study by UID", {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": "{study}"}),
    ("one accession number", {"QueryRetrieveLevel": "STUDY", "AccessionNumber": "{accession}"}),
    ("studies of a day", {"QueryRetrieveLevel": "STUDY", "StudyDate": "{date}"}),
    ("studies of a day with MR", {"QueryRetrieveLevel": "STUDY", "StudyDate": "{date}", "ModalitiesInStudy": "MR"}),
    ("series of a study", {"QueryRetrieveLevel": "SERIES", "StudyInstanceUID": "{study}"}),
    (
        "instances of a series",
        {"QueryRetrieveLevel": "IMAGE", "StudyInstanceUID": "{study}", "SeriesInstanceUID": "{series}"},
    ),
    ("nobody: a name that is not there", {"QueryRetrieveLevel": "STUDY", "PatientName": "Nobody^*"}),
)


def index(stage: Stage) -> Iterator[Workload]:
    """Load once, then each query in turn."""
    count = stage.size(1_000_000, 2_000)
    path = str(stage.folder() / "index.sqlite")
    loaded = stage.run("index", "load", path=path, count=count)
    acceptor = stage.python("index", called="NBDICOM", path=path)

    def load() -> dict:
        return loaded

    def query(keys: dict[str, str]) -> dict:
        filled = {keyword: value.format(**loaded["example"]) for keyword, value in keys.items()}
        return stage.run("index", "query", keys=filled, **acceptor.address)

    contenders = [Contender(f"load ({loaded['source']}, {loaded['bytes'] / 1e6:.0f} MB)", load, rounds=1)]
    for name, keys in QUERIES[: stage.size(len(QUERIES), 3)]:

        def work(keys: dict[str, str] = keys) -> dict:
            return query(keys)

        contenders.append(Contender(name, work, acceptor=acceptor))
    yield Workload("index", f"index of {count} series: load, then queries over C-FIND", "s", contenders)
