"""``nbdicom demo``: the whole line once, on sample images, without any PACS of one's own."""

from __future__ import annotations

import argparse
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from nbdicom.errors import NbdicomError

if TYPE_CHECKING:
    from nbdicom.pacs import Pacs

__all__ = ["run"]

_COLUMNS = ["PatientName", "PatientID", "StudyDate", "ModalitiesInStudy", "StudyDescription",
            "NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances"]  # fmt: skip


def run(options: argparse.Namespace) -> int:
    """Run the demonstration; 0 if everything that was retrieved is what was stored."""
    began = time.monotonic()
    retrieved = Path(options.to or tempfile.mkdtemp(prefix="nbdicom-demo-"))
    good = _demonstrate(retrieved)
    print(f"\nThat took {time.monotonic() - began:.1f} s.  The same in JupyterLab, with tables to click on:\n")
    lacking = "" if find_spec("jupyterlab") else "          (needs JupyterLab: pip install 'nbdicom[notebook]')"
    print(f"    nbdicom lab{lacking}")
    return 0 if good else 1


def _demonstrate(folder: Path) -> bool:
    import pandas

    from nbdicom.pacs import Pacs
    from nbdicom.pacs.samples import sample_instances
    from nbdicom.peer.peer import Peer

    with Pacs(ae_title="NBPACS") as pacs:
        peer = Peer(pacs.address)
        _say(f"1. A PACS listens at {pacs.address}, its archive is {pacs.root} until this ends.")

        _say("2. Sample images are sent to it (C-STORE).")
        stored = peer.store(list(sample_instances()), progress=False)
        if not stored:
            raise NbdicomError(f"the sample images could not be stored: {stored.summary}")
        print(stored.summary)
        print(", ".join(f"{count} {name}" for name, count in pacs.counts().items()), "in the archive")

        _say("3. Is it there?  Verification step by step (C-ECHO).")
        print(report := peer.echo())

        _say("4. What was negotiated?")
        with peer.associate() as association:
            print(association.negotiation)

        _say("5. Which studies are there?  peer.studies() is a DataFrame (C-FIND).")
        studies = peer.studies()
        with pandas.option_context("display.width", 120, "display.max_columns", None, "display.max_colwidth", 28):
            print(studies[_COLUMNS])

        _say("6. The largest CT series is retrieved (C-GET).")
        series = studies.dicom.series(progress=False)
        largest = series[series["Modality"] == "CT"].nlargest(1, "NumberOfSeriesRelatedInstances")
        result = largest.dicom.get(to=folder, progress=False)
        print(result.summary)

        _say("7. Is what arrived what was stored?")
        same = sum(_identical(pacs, path) for path in result.paths)
        expected = int(largest["NumberOfSeriesRelatedInstances"].iloc[0])
        good = bool(report) and bool(result) and same == len(result.paths) == expected
        verdict = "identical, byte for byte" if good else "NOT ALL IDENTICAL"
        print(f"{same} of {expected} data sets have the SHA-256 that the archive computed on arrival: {verdict}")
        print(f"The files are in {folder}:")
        for path in result.paths[:3]:
            print(f"    {path.name}")
        print(f"    ... and {len(result.paths) - 3} more")
    return good


def _say(text: str) -> None:
    print(f"\n{text}\n", flush=True)


def _identical(pacs: Pacs, path: Path) -> bool:
    from nbdicom.data import data_set_digest, read_header

    header = read_header(path)
    archived = pacs.instance(header.sop_instance_uid)
    return archived is not None and data_set_digest(path, header.data_offset) == archived.digest
