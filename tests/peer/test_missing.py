"""What one association has no contexts for is retrieved on further ones, and nobody notices."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset

from nbdicom import UID, Handlers, PresentationContext, Server
from nbdicom.data import codec
from nbdicom.data.part10 import part10_header, read_header
from nbdicom.data.source import InstanceFile
from nbdicom.operations.requests import FindRequest, Refuse
from nbdicom.pacs import Pacs
from nbdicom.peer.contexts import COMMON_STORAGE
from nbdicom.peer.notices import IncompleteTransfer
from nbdicom.uids import ServiceClass, sop_classes

EXPLICIT, IMPLICIT = UID("1.2.840.10008.1.2.1"), UID("1.2.840.10008.1.2")
RLE, JPEG, HEVC = UID("1.2.840.10008.1.2.5"), UID.of("JPEGBaseline8Bit"), UID.of("HEVCMP51")
STUDY = "1.2.3"
GET, FIND = (f"StudyRootQueryRetrieveInformationModel{verb}" for verb in ("Get", "Find"))

CLASSES = [entry.uid for entry in sop_classes() if entry.service_class is ServiceClass.STORAGE][:100]
CLASSES += [UID(f"1.2.826.0.1.3680043.9.{number}") for number in range(140 - len(CLASSES))]


def written(folder: Path, stored: list[tuple[str, str]], series: int = 3) -> list[Path]:
    """One file for each pair of SOP Class and transfer syntax; nobody on the way looks at pixel data."""
    files = []
    for number, (sop_class, syntax) in enumerate(stored, 1):
        ds = Dataset()
        ds.SOPClassUID, ds.SOPInstanceUID, ds.PatientID, ds.PatientName = sop_class, f"1.2.3.{number}", "1", "A"
        ds.StudyInstanceUID, ds.SeriesInstanceUID = STUDY, f"{STUDY}.0.{number % series}"
        data = codec.encode(ds, IMPLICIT if syntax == IMPLICIT else EXPLICIT)
        header = part10_header(
            sop_class_uid=UID(sop_class), sop_instance_uid=ds.SOPInstanceUID, transfer_syntax=UID(syntax)
        )
        files.append(folder / f"{number}.dcm")
        files[-1].write_bytes(header + data)
    return files


def counted(paths: Any) -> Counter[tuple[str, str]]:
    headers = map(read_header, paths)
    return Counter((str(header.sop_class_uid), str(header.transfer_syntax)) for header in headers)


@pytest.fixture
def pacs(tmp_path: Path) -> Iterator[Pacs]:
    with Pacs(tmp_path / "pacs", durability="none") as pacs:
        yield pacs


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "files").mkdir()
    return tmp_path / "files"


@pytest.mark.parametrize(
    "keys", [{"StudyInstanceUID": STUDY}, {"PatientID": "1", "model": "patient"}], ids=["", "patient"]
)
def test_a_study_of_140_sop_classes(
    pacs: Pacs, files: Path, tmp_path: Path, keys: dict[str, str], peer_of: Any
) -> None:
    stored = [(uid, EXPLICIT) for uid in CLASSES]
    assert pacs.add(*written(files, stored)).stored == 140
    result = peer_of(pacs).get(**keys, to=tmp_path / "out")
    assert result.ok and len(result) == 140, result
    assert counted(result.paths) == Counter(stored)


def test_70_sop_classes_each_in_four_transfer_syntaxes(pacs: Pacs, files: Path, tmp_path: Path, peer_of: Any) -> None:
    stored = [(uid, syntax) for uid in CLASSES[:70] for syntax in (EXPLICIT, RLE, JPEG, HEVC)]
    assert pacs.add(*written(files, stored)).stored == 280
    seen: list[tuple[int, int | None]] = []
    result = peer_of(pacs).get(
        StudyInstanceUID=STUDY, to=tmp_path / "out", progress=lambda done, total: seen.append((done, total))
    )
    assert result.ok and len(result) == 280, result
    assert counted(result.paths) == Counter(stored)  # as they were stored
    assert seen[-1] == (280, 280)


def limited(pacs: Pacs, **handlers: Any) -> tuple[Server, list[Any]]:
    """The PACS behind a server that does some things in another way, and the C-GET requests that came."""
    own, asked = pacs.handlers(), []

    def get(request: Any) -> Any:
        asked.append(request.identifier())
        assert own.get is not None
        return own.get(request)

    return Server(replace(own, **{"get": get, **handlers}), ae_title="SCP", contexts=pacs.support()), asked


def without(pacs: Pacs, *keys: str) -> Any:
    own = pacs.handlers().find
    assert own is not None

    def find(request: Any) -> Iterator[Any]:
        for found in own(request):  # type: ignore[union-attr]
            for match in found if isinstance(found, list) else [found]:
                yield {key: value for key, value in match.items() if key not in keys}

    return find


def test_a_peer_that_does_not_name_transfer_syntaxes(pacs: Pacs, files: Path, tmp_path: Path, peer_of: Any) -> None:
    stored = [(uid, EXPLICIT) for uid in CLASSES[:70]] + [(uid, s) for uid in CLASSES[:3] for s in (RLE, HEVC)]
    pacs.add(*written(files, stored))
    server, asked = limited(pacs, find=without(pacs, "AvailableTransferSyntaxUID"))
    with server:
        result = peer_of("SCP", *server.address).get(StudyInstanceUID=STUDY, to=tmp_path / "out")
    assert result.ok and counted(result.paths) == Counter(stored), result
    # A list of the three series for each of two associations: every syntax alone takes 63 contexts for each SOP Class.
    assert 1 < len(asked) <= 7


def test_a_peer_that_names_no_sop_classes(pacs: Pacs, files: Path, tmp_path: Path, peer_of: Any) -> None:
    stored = [(uid, EXPLICIT) for uid in CLASSES[:100]]  # many are not commonly held
    pacs.add(*written(files, stored))
    find = without(pacs, "AvailableTransferSyntaxUID", "SOPClassUID", "SOPClassesInStudy")
    server, asked = limited(pacs, find=find)
    with server:
        result = peer_of("SCP", *server.address).get(StudyInstanceUID=STUDY, to=tmp_path / "out")
    assert result.ok and counted(result.paths) == Counter(stored), result
    assert len(asked) > 1


def test_a_compressed_instance_of_a_proposed_class_of_a_peer_that_names_nothing(
    pacs: Pacs, files: Path, tmp_path: Path, peer_of: Any
) -> None:
    """Its SOP Class stood in two contexts, and of the compressed transfer syntaxes another one was chosen."""
    stored = [(uid, syntax) for uid in COMMON_STORAGE[8:10] for syntax in (EXPLICIT, JPEG, RLE)]
    pacs.add(*written(files, stored))
    find = without(pacs, "AvailableTransferSyntaxUID", "SOPClassUID", "SOPClassesInStudy")
    server, asked = limited(pacs, find=find)
    with server:
        result = peer_of("SCP", *server.address).get(StudyInstanceUID=STUDY, to=tmp_path / "out")
    assert result.ok and counted(result.paths) == Counter(stored), result
    assert len(asked) > 1


def test_a_peer_without_c_find(pacs: Pacs, files: Path, tmp_path: Path, peer_of: Any) -> None:
    stored = [(uid, EXPLICIT) for uid in COMMON_STORAGE] + [(CLASSES[-1], RLE)]  # the last one is not commonly held
    pacs.add(*written(files, stored))

    def find(request: Any) -> Any:
        raise Refuse(0x0122)

    server, asked = limited(pacs, find=find)
    with server, pytest.warns(IncompleteTransfer, match=rf"1\.2\.3\.{len(COMMON_STORAGE) + 1}:"):
        result = peer_of("SCP", *server.address).get(StudyInstanceUID=STUDY, to=tmp_path / "out")
    # Those that are commonly held, and what failed by name.
    assert sum(row.ok for row in result) >= 63 and not result.ok
    assert len(asked) == 1
    assert all("does not say by C-FIND what that is" in row.message for row in result.failed)


@pytest.mark.parametrize("named", [True, False], ids=["named by C-FIND", "without C-FIND"])
def test_a_role_that_was_turned_down_is_told(files: Path, tmp_path: Path, named: bool, peer_of: Any) -> None:
    """The contexts are accepted, and still nothing can come by them."""
    stored = [
        InstanceFile(path) for path in written(files, [(COMMON_STORAGE[0], EXPLICIT), (COMMON_STORAGE[1], EXPLICIT)])
    ]
    down, fine = UID(COMMON_STORAGE[0]), UID(COMMON_STORAGE[1])

    def find(request: FindRequest) -> Any:
        if not named:
            raise Refuse(0x0122)
        for one in stored:
            yield {
                **dict.fromkeys(("QueryRetrieveLevel", "StudyInstanceUID", "SeriesInstanceUID"), ""),
                "StudyInstanceUID": STUDY,
                "SeriesInstanceUID": f"{STUDY}.0",
                "SOPInstanceUID": one.sop_instance_uid,
                "SOPClassUID": one.sop_class_uid,
            }

    contexts = [GET, FIND, fine, PresentationContext(down, scp_role=False)]
    with Server(Handlers(find=find, get=lambda request: stored), ae_title="SCP", contexts=contexts) as server:
        with pytest.warns(IncompleteTransfer):
            result = peer_of("SCP", *server.address).get(StudyInstanceUID=STUDY, to=tmp_path / "out")
    assert [row.sop_instance_uid for row in result.failed] == ["1.2.3.1"]
    assert f"refused us the role of SCP, in which we would receive it, for {down.name}" in result.failed[0].message


def test_what_fails_for_another_reason_is_not_asked_for_again(
    pacs: Pacs, files: Path, tmp_path: Path, peer_of: Any
) -> None:
    pacs.add(*written(files, [(uid, RLE) for uid in CLASSES[:2]]))
    for path in (tmp_path / "pacs").rglob("*"):
        if path.is_file() and path.read_bytes()[128:132] == b"DICM":
            path.unlink()  # the index still knows them
    server, asked = limited(pacs)
    with server, pytest.warns(IncompleteTransfer):
        result = peer_of("SCP", *server.address).get(StudyInstanceUID=STUDY, to=tmp_path / "out")
    assert not result.ok and len(result.failed) == 2
    assert len(asked) == 1
    assert all("in the transfer syntax that the peer has it in (RLE Lossless)" in row.message for row in result.failed)


def test_a_peer_that_refuses_further_associations(pacs: Pacs, files: Path, tmp_path: Path, peer_of: Any) -> None:
    pacs.add(*written(files, [(uid, EXPLICIT) for uid in CLASSES]))
    server: list[Server] = []
    own = pacs.handlers().find
    assert own is not None

    def find(request: Any) -> Iterator[Any]:
        matches = list(own(request))  # type: ignore[arg-type]
        if request.identifier().QueryRetrieveLevel == "IMAGE":
            server[0].close()  # says what is missing, and is gone
        return iter(matches)

    one, _ = limited(pacs, find=find)
    server.append(one)
    with one, pytest.warns(IncompleteTransfer):
        result = peer_of("SCP", *one.address).get(StudyInstanceUID=STUDY, to=tmp_path / "out")
    assert sum(row.ok for row in result) == 127  # nothing that had arrived is lost
    assert sum(row.count for row in result.failed) == 13
