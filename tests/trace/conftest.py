"""An acceptor of all services with made-up content, and what a conversation with it looks like."""

from collections.abc import Iterator

import pytest

import nbdicom as nd
from nbdicom.trace import Recorder

FIND = "StudyRootQueryRetrieveInformationModelFind"
GET = "StudyRootQueryRetrieveInformationModelGet"
ROWS = [{"PatientID": str(n), "PatientName": f"Marlowe^Anna{n}", "QueryRetrieveLevel": "STUDY"} for n in range(4)]


def handlers() -> nd.Handlers:
    return nd.Handlers(find=lambda request: iter(ROWS), store=lambda request: 0x0000)


@pytest.fixture
def server() -> Iterator[nd.Server]:
    contexts = ["Verification", FIND, ("CT Image Storage", "ExplicitVRLittleEndian")]
    with nd.Server(handlers(), ae_title="PACS", contexts=contexts) as one:
        yield one


@pytest.fixture
def peer(server: nd.Server) -> nd.Peer:
    return nd.Peer("PACS", *server.address)


@pytest.fixture
def found(peer: nd.Peer) -> Recorder:
    """A query and its answers, as recorded."""
    with nd.record(payload=None) as wire:
        assert len(peer.studies()) == 4
    return wire
