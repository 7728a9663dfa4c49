"""The index of the embedded archive by itself, without object files: a million series, and queries to it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.sides.meter import arguments, measured, ready, report, run
from nbdicom.blocking import Server, associate
from nbdicom.core.negotiation import PresentationContext
from nbdicom.operations.handlers import Handlers
from nbdicom.pacs.index import Index
from nbdicom.pacs.query import find
from nbdicom.pacs.rows import Attributes, Record
from nbdicom.uids import UID

IMPLICIT = UID("1.2.840.10008.1.2")
STUDY_FIND = UID.of("StudyRootQueryRetrieveInformationModelFind")
_BATCH = 5000
#: What the queries return beside their keys.
_RETURNED = (
    "PatientName",
    "PatientID",
    "StudyInstanceUID",
    "StudyDate",
    "StudyDescription",
    "AccessionNumber",
    "Modality",
)


def series(count: int) -> tuple[str, Iterator[dict[str, Any]]]:
    """Where the metadata comes from, and one mapping for each series."""
    try:
        import idc_index_data
    except ImportError:
        return "generated", generated(count)
    return "idc-index-data", public(idc_index_data.IDC_INDEX_PARQUET_FILEPATH, count)


def public(path: Path, count: int) -> Iterator[dict[str, Any]]:
    """The series of the Imaging Data Commons; their names are made up, there are none."""
    import pandas

    names = [
        "PatientID", "PatientAge", "PatientSex", "StudyInstanceUID", "StudyDate", "StudyDescription",
        "SeriesInstanceUID", "SeriesDescription", "SeriesDate", "SeriesNumber", "Modality", "BodyPartExamined",
        "Manufacturer", "ManufacturerModelName",
    ]  # fmt: skip
    table = pandas.read_parquet(path, columns=names).head(count).astype("string").fillna("")
    for number, row in enumerate(table.itertuples(index=False)):
        values = dict(zip(names, row, strict=True))
        values["StudyDate"] = values["StudyDate"].replace("-", "")
        values["SeriesDate"] = values["SeriesDate"].replace("-", "")
        values |= {"PatientName": f"{values['PatientID']}^Name", "AccessionNumber": f"A{number:08}"}
        yield values


def generated(count: int) -> Iterator[dict[str, Any]]:
    """Three series to a study, two studies to a patient."""
    for number in range(count):
        study, patient = number // 3, number // 6
        yield {
            "PatientID": f"P{patient:08}", "PatientName": f"Family{patient * 7919 % 99991:05}^Given{patient % 331:03}",
            "PatientBirthDate": f"{1930 + patient % 80}{patient % 12 + 1:02}{patient % 28 + 1:02}",
            "PatientSex": "FMO"[patient % 3], "StudyInstanceUID": f"2.25.1796.20.{study}",
            "StudyDate": f"{2005 + study % 20}{study // 20 % 12 + 1:02}{study // 240 % 28 + 1:02}",
            "StudyTime": f"{study % 24:02}{study % 60:02}00", "AccessionNumber": f"A{study:08}",
            "StudyDescription": f"Study description {study % 200}", "StudyID": str(study),
            "SeriesInstanceUID": f"2.25.1796.21.{number}", "SeriesDescription": f"Series {number % 300}",
            "SeriesNumber": str(number % 3 + 1), "Modality": ("CT", "MR", "SR", "PT")[number // 3 % 4],
            "BodyPartExamined": ("CHEST", "HEAD", "ABDOMEN")[study % 3], "Manufacturer": f"Maker {study % 12}",
        }  # fmt: skip


def record(number: int, values: dict[str, Any]) -> Record:
    uid = f"2.25.1796.22.{number}"
    return Record(
        attributes=Attributes({
            **values, "SOPClassUID": "1.2.840.10008.5.1.4.1.1.2", "SOPInstanceUID": uid, "InstanceNumber": "1",
        }),
        transfer_syntax="1.2.840.10008.1.2.1", object=f"{number:056x}", size=526_000, offset=400,
        digest=number.to_bytes(32, "big"), received="2026-01-01T00:00:00+00:00",
    )  # fmt: skip


def load(options: dict[str, Any]) -> dict[str, Any]:
    path = Path(options["path"])
    source, rows = series(options["count"])
    example: dict[str, Any] = {}

    def work() -> None:
        index = Index(path, durable=False)
        batch: list[Record] = []
        for number, values in enumerate(rows):
            if number == options["count"] // 2:
                example.update(values)
            batch.append(record(number, values))
            if len(batch) >= _BATCH:
                index.add(batch)
                batch = []
        index.add(batch)
        index.close()

    told = measured(work)
    told["source"] = source
    told["bytes"] = path.stat().st_size
    told["example"] = {
        "patient": example["PatientID"], "name": example["PatientName"], "prefix": example["PatientName"][:8],
        "study": example["StudyInstanceUID"], "series": example["SeriesInstanceUID"],
        "accession": example["AccessionNumber"], "date": example["StudyDate"],
    }  # fmt: skip
    return told


def serve(options: dict[str, Any]) -> None:
    index = Index(Path(options["path"]), durable=False)
    handlers = Handlers(find=lambda request: find(index, request, ae_title="NBDICOM", limit=1_000_000))
    contexts = [PresentationContext(STUDY_FIND, (IMPLICIT,))]
    with Server(handlers, ae_title="NBDICOM", contexts=contexts) as server:
        ready(server.address[1])
    index.close()


def query(options: dict[str, Any]) -> dict[str, Any]:
    """The time of one query to its end, the second time that it is asked; how many answers there are."""
    identifier = {**dict.fromkeys(_RETURNED, ""), **options["keys"]}
    contexts = [PresentationContext(STUDY_FIND, (IMPLICIT,))]
    with associate(("127.0.0.1", options["port"]), called=options["called"], contexts=contexts) as association:
        list(association.find(identifier))
        started = time.perf_counter()
        count = sum(1 for _ in association.find(identifier))
        return {"seconds": time.perf_counter() - started, "count": count}


def main() -> None:
    verb, options = arguments()
    if verb == "serve":
        serve(options)
    else:
        report({"load": load, "query": query}[verb](options))


if __name__ == "__main__":
    run(main)
