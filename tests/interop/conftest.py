"""The peers, each started once for all tests that need it, filled by means that are not under test."""

from __future__ import annotations

import urllib.request

import pytest

from nbdicom.pacs import Pacs
from nbdicom.receiver import Receiver

from . import corpus, peers


def pytest_configure(config):
    config.addinivalue_line("markers", "cell(operation, role, peer, tool): a cell of the interoperability matrix")


def pytest_collection_modifyitems(items):
    """Mark the tests of this folder.

    pynetdicom's requestor now and then does not see a response that comes within half a millisecond (3.0.4; on the wire it
    is there, whole and right), so a test of interoperability may fail before it passes, and the report says so.
    """
    for item in items:
        if "/interop/" in item.path.as_posix():
            item.add_marker(pytest.mark.interop)
            item.add_marker(pytest.mark.flaky(reruns=2))


@pytest.fixture(scope="package", autouse=True)
def _no_proxy():
    """Nothing here goes further than the loopback interface."""
    urllib.request.install_opener(urllib.request.build_opener(urllib.request.ProxyHandler({})))
    yield
    urllib.request.install_opener(None)  # the next one who asks makes one as ever


@pytest.fixture(scope="package")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("interop")


@pytest.fixture(scope="package")
def files(folder):
    """The corpus as files, by SOP Instance UID."""
    return corpus.write(folder / "corpus")


def started(make, *args, **kwargs):
    """Start a peer, or skip with the reason why there is none."""
    try:
        program = make(*args, **kwargs)
    except peers.Missing as missing:
        pytest.skip(str(missing))
    return program.start()


@pytest.fixture
def tool():
    """The path of a tool of DCMTK, or a skip."""

    def find(name):
        try:
            return peers.dcmtk(name)
        except peers.Missing as missing:
            pytest.skip(str(missing))

    return find


# ------------------------------------------------------------------------------- SCPs of others


@pytest.fixture(scope="package")
def move_port():
    """The port at which every archive believes the AE title NBDICOM to be."""
    return peers.free_port()


@pytest.fixture
def receiver(tmp_path, move_port):
    """nbdicom as the destination of a C-MOVE."""
    with Receiver(tmp_path / "moved", ae_title="NBDICOM", port=move_port) as running:
        yield running


@pytest.fixture
def storescp(tmp_path):
    program = started(peers.storescp, tmp_path / "storescp", "+B", "+xa", "-pm")
    yield program
    program.stop()


@pytest.fixture(scope="package")
def dcmqrscp(folder, files, move_port):
    """dcmqrscp with the corpus, stored there by DCMTK's own storescu."""
    program = started(peers.dcmqrscp, folder / "dcmqrscp", "+B", destinations={"NBDICOM": move_port})
    try:
        peers.run([peers.dcmtk("storescu"), "-aec", program.ae_title, peers.LOOPBACK, program.port, *files.values()])
        yield program
    finally:
        program.stop()


@pytest.fixture(scope="package")
def empty_orthanc(folder, move_port):
    program = started(peers.Orthanc, folder / "orthanc", modalities={"nbdicom": ("NBDICOM", move_port)})
    yield program
    program.stop()


@pytest.fixture
def orthanc(empty_orthanc, files):
    """Orthanc with the corpus, put there through REST."""
    present = len(empty_orthanc.rest("GET", "/instances"))
    if present != len(files):
        empty_orthanc.clear()
        for path in files.values():
            empty_orthanc.rest("POST", "/instances", path.read_bytes())
    return empty_orthanc


@pytest.fixture(scope="package")
def pynetdicom(folder, files, move_port):
    """An archive of pynetdicom with the corpus, copied into its folder."""
    program = started(peers.pynetdicom_scp, folder / "pynetdicom", destinations={"NBDICOM": move_port})
    for uid, path in files.items():
        (program.folder / "store" / f"{uid}.dcm").write_bytes(path.read_bytes())
    yield program
    program.stop()


@pytest.fixture
def empty_pynetdicom(tmp_path):
    program = started(peers.pynetdicom_scp, tmp_path / "pynetdicom", destinations={})
    yield program
    program.stop()


# ------------------------------------------------------------------------------- nbdicom as SCP


@pytest.fixture
def empty_pacs():
    """An embedded PACS without content."""
    with Pacs(ae_title="NBPACS", durability="none") as pacs:
        yield pacs


@pytest.fixture(scope="package")
def pacs_destinations():
    """The titles and ports to which the embedded PACS may move."""
    return {title: peers.free_port() for title in ("MOVESCU", "STORESCP", "PYNETSCU")}


@pytest.fixture(scope="package")
def pacs(files, pacs_destinations):
    """An embedded PACS with the corpus."""
    allow = {title: (peers.LOOPBACK, port) for title, port in pacs_destinations.items()}
    with Pacs(ae_title="NBPACS2", durability="none", allow=allow) as running:
        added = running.add(files.values())
        assert added.stored == len(files)
        yield running
