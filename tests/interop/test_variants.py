"""What may differ between peers without changing the result: lengths, numbers of contexts, windows, and rude ends."""

from __future__ import annotations

from pathlib import Path

import pytest

import nbdicom as nd
from nbdicom.core.trace import PDUReceived, PDUSent
from nbdicom.errors import AssociationAborted, AssociationRejected
from nbdicom.peer.notices import IncompleteTransfer

from . import corpus, peers
from .conftest import started
from .matrix import cell

_P_DATA = 0x04
_HEADER = 6  #: bytes before what a PDU length counts


@pytest.fixture(scope="package")
def big(folder):
    """One CT image of common size: 512 x 512, more than the longest P-DATA-TF that anybody announces."""
    ds = corpus.dataset(corpus.SERIES[0], 512, size=512)
    path = folder / "big.dcm"
    ds.save_as(path, enforce_file_format=True)
    return {str(ds.SOPInstanceUID): path}


def lengths(trace, kind):
    """PDU lengths of the P-DATA-TF sent or received; the trace counts their headers, too."""
    return [event.length - _HEADER for event in trace if isinstance(event, kind) and event.pdu_type == _P_DATA]


# ------------------------------------------------------------------------------- maximum length


@cell("store", "SCU", "DCMTK", "storescp")
@pytest.mark.parametrize("maximum", [4096, 16384, 131072])
@pytest.mark.parity("A.1 limits")
def test_store_to_a_peer_that_takes_so_much(tmp_path, big, maximum):
    scp = started(peers.storescp, tmp_path, "+B", "-pdu", str(maximum))
    trace = []
    with scp, nd.Peer(scp.address).associate([corpus.CT], trace=trace.append) as association:
        assert association.negotiation.max_length_send == maximum
        (stored,) = association.store(big.values())
        assert stored.ok
        corpus.assert_same(big, corpus.in_folder(scp.folder / "received"), bits=True)
    sent = lengths(trace, PDUSent)
    assert max(sent) <= maximum and max(sent) > maximum // 2


@cell("store", "SCU", "pynetdicom", "AE")
@pytest.mark.parametrize("maximum", [0, 4096, 100_000])
def test_store_to_pynetdicom_that_takes_so_much(tmp_path, big, maximum):
    scp = started(peers.pynetdicom_scp, tmp_path, destinations={}, max_pdu=maximum)
    trace = []
    explicit = (corpus.CT, "ExplicitVRLittleEndian")
    with scp, nd.Peer(scp.address).associate([explicit], trace=trace.append) as association:
        assert association.negotiation.max_length_send == maximum
        (stored,) = association.store(big.values())
        assert stored.ok
        corpus.assert_same(big, corpus.in_folder(scp.folder / "store"), bits=True)
    if maximum:
        assert max(lengths(trace, PDUSent)) <= maximum


@pytest.fixture(scope="package")
def big_in_dcmqrscp(folder, big):
    program = started(peers.dcmqrscp, folder / "dcmqrscp-big", "+B", destinations={}, max_pdu=131072)
    try:
        peers.run([peers.dcmtk("storescu"), "-aec", program.ae_title, peers.LOOPBACK, program.port, *big.values()])
        yield program
    finally:
        program.stop()


@cell("get", "SCU", "DCMTK", "dcmqrscp")
@pytest.mark.parametrize("maximum", [0, 4096, 16384, 131072])
def test_get_with_the_length_that_we_announce(big_in_dcmqrscp, big, tmp_path, maximum):
    trace = []
    peer = nd.Peer(big_in_dcmqrscp.address, max_pdu=maximum)
    contexts = ["StudyRootQueryRetrieveInformationModelGet",
                nd.PresentationContext(nd.UID(corpus.CT), scu_role=False, scp_role=True)]  # fmt: skip
    identifier = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": corpus.study_uid(1)}
    with peer.associate(contexts, trace=trace.append) as association:
        assert association.negotiation.max_length_received == maximum
        values = list(association.get(identifier))
    (arrived,) = [value for value in values if hasattr(value, "sop_instance_uid")]
    assert arrived.data == corpus.data_set_bytes(next(iter(big.values())))
    if maximum:
        assert max(lengths(trace, PDUReceived)) <= maximum


@pytest.fixture
def pacs_that_takes(request, big):
    with nd.Pacs(ae_title="LENGTH", durability="none", limits=nd.Limits(max_length_received=request.param)) as pacs:
        yield pacs


_LENGTHS = pytest.mark.parametrize("pacs_that_takes", [0, 4096, 16384, 131072], indirect=True)


@cell("store", "SCP", "DCMTK", "storescu")
@_LENGTHS
@pytest.mark.parametrize("longest", [[], ["--max-send-pdu", "4096"]], ids=["its longest", "4096 at most"])
def test_storescu_with_the_length_that_we_announce(pacs_that_takes, big, tool, longest):
    pacs = pacs_that_takes
    peers.run([tool("storescu"), "-aec", pacs.ae_title, *longest, pacs.host, pacs.port, *big.values()])
    (uid,) = big
    corpus.assert_same(big, {uid: pacs.instance(uid).path}, bits=True)


@cell("store", "SCP", "pynetdicom", "AE")
@_LENGTHS
def test_pynetdicom_with_the_length_that_we_announce(pacs_that_takes, big):
    pacs = pacs_that_takes
    said = peers.pynetdicom_scu("store", pacs.address, files=list(big.values()))
    assert said["statuses"] == [0x0000] and said["maximum_length"] == pacs.limits.max_length_received
    (uid,) = big
    corpus.assert_same(big, {uid: pacs.instance(uid).path}, bits=True)


@cell("get", "SCP", "DCMTK", "getscu")
@pytest.mark.parametrize("maximum", [4096, 16384, 131072])
def test_getscu_that_takes_so_much(empty_pacs, big, tool, tmp_path, maximum):
    empty_pacs.add(big.values())
    # A P-DATA-TF that is longer than announced is an error for DCMTK, and the association ends.
    peers.run(
        [tool("getscu"), "-S", "+B", "-pdu", maximum, "-od", tmp_path, "-aec", empty_pacs.ae_title, "-k",
         "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={corpus.study_uid(1)}", empty_pacs.host, empty_pacs.port]
    )  # fmt: skip
    corpus.assert_same(big, corpus.in_folder(tmp_path), bits=True)


@cell("get", "SCP", "pynetdicom", "AE")
@pytest.mark.parametrize("maximum", [0, 8192])
def test_pynetdicom_that_takes_so_much(empty_pacs, big, tmp_path, maximum):
    empty_pacs.add(big.values())
    identifier = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": corpus.study_uid(1)}
    said = peers.pynetdicom_scu("get", empty_pacs.address, identifier=identifier, folder=tmp_path, max_pdu=maximum)
    assert said["statuses"][-1] == 0x0000
    corpus.assert_same(big, corpus.in_folder(tmp_path), bits=False)


# ------------------------------------------------------------------------------- contexts


@pytest.fixture
def many_classes(tmp_path) -> list[Path]:
    """130 instances of as many private classes: more than one association has contexts."""
    paths = []
    for number in range(130):
        ds = corpus.dataset(corpus.SERIES[0], 1000 + number, size=2)
        ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = f"{corpus.PRIVATE_CLASS}.{number + 1}"
        path = tmp_path / "many" / f"{number:03}.dcm"
        path.parent.mkdir(exist_ok=True)
        ds.save_as(path, enforce_file_format=True)
        paths.append(path)
    return paths


@cell("store", "SCU", "DCMTK", "storescp")
@pytest.mark.parity("A.1 contexts")
def test_more_classes_than_contexts(storescp, many_classes):
    result = nd.Peer(storescp.address).store(*many_classes)
    assert result.ok and len(result) == 130, result
    corpus.assert_same(corpus.by_uid(many_classes), corpus.in_folder(storescp.folder / "received"), bits=True)
    assert storescp.log.count("Association Received") >= 2


@cell("echo", "SCU", "DCMTK", "dcmqrscp")
def test_128_contexts_of_which_most_are_refused(dcmqrscp):
    unknown = [f"{corpus.PRIVATE_CLASS}.{number + 1}" for number in range(127)]
    with nd.Peer(dcmqrscp.address).associate(["Verification", *unknown]) as association:
        contexts = association.negotiation.contexts
        assert len(contexts) == 128 and [c.accepted for c in contexts] == [True] + [False] * 127
        assert association.echo() == 0x0000


# ------------------------------------------------------------------------------- windows


@cell("echo", "SCU", "DCMTK", "storescp")
def test_a_window_that_the_peer_ignores_is_1(storescp, files):
    peer = nd.Peer(storescp.address, window=nd.OperationsWindow(invoked=16, performed=16))
    with peer.associate(["Verification", corpus.CT]) as association:
        assert association.negotiation.window.invoked == 1
        assert association.echo() == 0x0000
    assert peer.store(*files.values()).ok


# ------------------------------------------------------------------------------- rude ends


@cell("echo", "SCU", "DCMTK", "storescp")
def test_a_peer_that_refuses(tmp_path):
    with started(peers.storescp, tmp_path, "--refuse") as scp:
        with pytest.raises(AssociationRejected) as caught:
            nd.Peer(scp.address).associate(["Verification"])
        assert caught.value.source in (1, 2, 3)
        assert not nd.Peer(scp.address).echo()


@cell("store", "SCU", "DCMTK", "storescp")
@pytest.mark.parametrize("option", ["--abort-after", "--abort-during"])
def test_a_peer_that_aborts_a_store(tmp_path, files, option):
    with started(peers.storescp, tmp_path, option) as scp:
        peer = nd.Peer(scp.address)
        with pytest.warns(IncompleteTransfer):
            result = peer.store(*files.values())
        assert not result.ok and len(result.failed) == len(files)
        with pytest.raises(AssociationAborted):
            association = peer.associate([corpus.CT])
            list(association.store(files.values()))
        assert not association.is_established


@cell("store", "SCP", "DCMTK", "storescu")
def test_storescu_that_aborts_at_its_end(empty_pacs, big, tool):
    where = ["-aec", empty_pacs.ae_title, empty_pacs.host, empty_pacs.port]
    peers.run([tool("storescu"), "--abort", *where, *big.values()])
    assert empty_pacs.counts()["instances"] == 1
    peers.run([tool("echoscu"), *where])
