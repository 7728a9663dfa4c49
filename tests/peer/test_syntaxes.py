"""Every transfer syntax goes through as it is; pixel data are transcoded where somebody asks for it, and only there."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.data import get_testdata_file
from pydicom.uid import AllTransferSyntaxes

from nbdicom import UID, Peer, Receiver, Server
from nbdicom.config import OperationsWindow
from nbdicom.core.negotiation import PresentationContext, Support
from nbdicom.data import codec
from nbdicom.data.codec import deflate
from nbdicom.data.part10 import part10_header, read_header
from nbdicom.errors import OperationFailed
from nbdicom.operations.handlers import Handlers
from nbdicom.pacs import Pacs
from nbdicom.peer.notices import IncompleteTransfer
from nbdicom.uids import transfer_syntax

CT, EXPLICIT, IMPLICIT = UID.of("CTImageStorage"), UID("1.2.840.10008.1.2.1"), UID("1.2.840.10008.1.2")
BIG, RLE = UID("1.2.840.10008.1.2.2"), UID("1.2.840.10008.1.2.5")
PRIVATE = UID("1.2.840.113709.1.2.2")


def data_set(number: int, syntax: str) -> bytes:
    """A small data set in any transfer syntax; nobody on the way looks at its pixel data."""
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID = CT, f"1.2.3.{number}"
    ds.PatientID, ds.PatientName = "1", "A"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = "1.2.3", "1.2.3.0"
    facts = transfer_syntax(syntax)
    encoded = codec.encode(ds, syntax if facts and (facts.implicit_vr or facts.big_endian) else EXPLICIT)
    return deflate(encoded) if facts and facts.deflated else encoded


def written(folder: Path, syntaxes: list[UID]) -> dict[str, Path]:
    files = {}
    for number, syntax in enumerate(syntaxes, 1):
        uid = f"1.2.3.{number}"
        files[uid] = folder / f"{uid}.dcm"
        header = part10_header(sop_class_uid=CT, sop_instance_uid=uid, transfer_syntax=syntax)
        files[uid].write_bytes(header + data_set(number, syntax))
    return files


def contents(paths: Any) -> dict[str, tuple[str, str]]:
    """SOP Instance UID -> transfer syntax and digest of the data set."""
    found = {}
    for path in paths:
        header = read_header(path)
        data = Path(path).read_bytes()[header.data_offset :]
        found[str(header.sop_instance_uid)] = (str(header.transfer_syntax), hashlib.sha256(data).hexdigest())
    return found


def test_every_transfer_syntax_is_sent_as_it_is(tmp_path: Path) -> None:
    files = written(tmp_path, [UID(str(uid)) for uid in AllTransferSyntaxes] + [UID.of("JPIPHTJ2KReferencedDeflate")])
    with Receiver(tmp_path / "in") as receiver:
        result = Peer(receiver, window=OperationsWindow(invoked=16)).store(*files.values())
        assert result.ok, result
        assert contents(stored.path for stored in receiver.files) == contents(files.values())


def test_a_private_transfer_syntax_is_sent_as_it_is(tmp_path: Path) -> None:
    files = written(tmp_path, [PRIVATE])
    support = Support.of([PresentationContext(CT, (EXPLICIT, PRIVATE))])
    seen: list[Any] = []
    handlers = Handlers(store=lambda request: seen.append((request.transfer_syntax, request.data)) or 0)
    with Server(handlers, ae_title="SCP", contexts=support) as server:
        host, port = server.address
        assert Peer("SCP", host, port).store(*files.values()).ok
    assert seen == [(PRIVATE, data_set(1, PRIVATE))]


def test_every_transfer_syntax_comes_back_as_it_was_stored(tmp_path: Path, peer_of: Any) -> None:
    """C-GET proposes each of them alone where the SOP Class is known, so nothing has to be converted."""
    # What the archive can read the header of; it takes no text formats and no private encodings.
    fit = [UID(str(uid)) for uid in AllTransferSyntaxes if not uid.endswith((".6.1", ".6.2", ".1.20"))]
    files = written(tmp_path, fit)
    with Pacs(tmp_path / "pacs", durability="none") as pacs:
        peer = peer_of(pacs)
        assert peer.store(*files.values()).ok
        result = peer.get(StudyInstanceUID="1.2.3", to=tmp_path / "out")
        assert result.ok, result
        assert contents((tmp_path / "out").glob("*.dcm")) == contents(files.values())


# ------------------------------------------------------------------------------- transcoding


@pytest.fixture
def compressed() -> Path:
    return Path(str(get_testdata_file("MR_small_RLE.dcm", download=False)))


def taking(folder: Path, *syntaxes: UID) -> tuple[Server, list[Dataset]]:
    """An SCP of one MR class in these transfer syntaxes, and what it got."""
    got: list[Dataset] = []

    def store(request: Any) -> int:
        ds = request.dataset()
        ds.file_meta = Dataset()
        ds.file_meta.TransferSyntaxUID = request.transfer_syntax
        got.append(ds)
        return 0

    support = Support.of([PresentationContext(UID.of("MRImageStorage"), syntaxes)])
    return Server(Handlers(store=store), ae_title="SCP", contexts=support), got


@pytest.mark.parametrize("syntaxes", [(IMPLICIT,), (EXPLICIT, IMPLICIT)], ids=["implicit only", "both"])
def test_decoded_for_a_peer_that_takes_native_pixels_only(
    tmp_path: Path, compressed: Path, syntaxes: tuple[UID, ...], peer_of: Any
) -> None:
    server, got = taking(tmp_path, *syntaxes)
    with server:
        peer = peer_of("SCP", *server.address)
        with pytest.warns(IncompleteTransfer):
            refused = peer.store(compressed)
        assert not refused.ok and not got  # never silently
        assert "transcode=True, --transcode" in str(refused)
        result = peer.store(compressed, transcode=True)
        assert result.ok and next(iter(result)).transfer_syntax == syntaxes[0]
    (ds,) = got
    original = dcmread(compressed)
    assert ds.SOPInstanceUID == original.SOPInstanceUID
    np.testing.assert_array_equal(np.frombuffer(ds.PixelData, "<i2").reshape(64, 64), original.pixel_array)


def test_encoded_for_a_peer_that_takes_one_compression_only(tmp_path: Path) -> None:
    native = Path(str(get_testdata_file("MR_small.dcm", download=False)))
    server, got = taking(tmp_path, RLE)
    with server:
        result = Peer("SCP", *server.address).store(native, transcode=True)
        assert result.ok and next(iter(result)).transfer_syntax == RLE
    assert len(got) == 1


def test_what_is_accepted_as_it_is_is_not_transcoded(tmp_path: Path, compressed: Path) -> None:
    server, got = taking(tmp_path, EXPLICIT, RLE)
    with server:
        result = Peer("SCP", *server.address).store(compressed, transcode=True)
        assert result.ok and next(iter(result)).transfer_syntax == RLE
    assert got[0].PixelData == dcmread(compressed).PixelData


@pytest.mark.parametrize("transcode", [False, True])
def test_the_archive_transcodes_when_it_is_told_to(tmp_path: Path, compressed: Path, transcode: bool) -> None:
    mr, get = UID.of("MRImageStorage"), UID.of("StudyRootQueryRetrieveInformationModelGet")
    study = str(dcmread(compressed).StudyInstanceUID)
    with Pacs(tmp_path / "pacs", durability="none", transcode=transcode) as pacs:
        peer = Peer(pacs)
        assert peer.store(compressed).ok
        wanted = PresentationContext(mr, (EXPLICIT,), scu_role=False, scp_role=True)
        with peer.associate([get, wanted]) as association:
            answers = association.get({"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": study})
            data = []
            try:
                data = [one.data for one in answers if getattr(one, "data", None)]
            except OperationFailed:
                assert not transcode
    if transcode:
        assert len(data) == 1
        pixels = np.frombuffer(codec.decode(data[0], EXPLICIT).PixelData, "<i2").reshape(64, 64)
        np.testing.assert_array_equal(pixels, dcmread(compressed).pixel_array)
    else:
        assert data == []


def test_who_asks_for_what_cannot_be_encoded_is_not_told_to_ask(tmp_path: Path) -> None:
    native = Path(str(get_testdata_file("MR_small.dcm", download=False)))
    server, _ = taking(tmp_path, UID.of("JPEG2000Lossless"))
    with server, pytest.warns(IncompleteTransfer):
        assert "transcode=True" in Peer("SCP", *server.address).store(native).hints[0]
        hints = Peer("SCP", *server.address).store(native, transcode=True).hints
    assert len(hints) == 1 and "can be encoded in no transfer syntax" in hints[0]
