"""A peer to talk to: small SCPs with handlers of the tests' own, and raw sockets that are no DICOM at all.

What `Peer` and `AsyncPeer` have in common is tested once: a test that takes `peer_of`, or `scp_of_both`, runs with each.
"""

import socket
import threading
from contextlib import contextmanager

import pytest

from nbdicom.blocking import Server
from nbdicom.config import Timeouts
from nbdicom.operations.handlers import Handlers
from nbdicom.peer import Peer

from .faces import Face

MODELS = [
    f"{root}RootQueryRetrieveInformationModel{service}"
    for root in ("Patient", "Study")
    for service in ("Find", "Move", "Get")
]
#: no timer ends anything before the peer does
PATIENT = Timeouts(connect=60, association=60, dimse=60, cancel=60, release=60)


@pytest.fixture
def scp():
    """``scp(find=..., get=...)`` starts an SCP with these handlers and returns the Peer that talks to it."""
    running = []

    def start(*, contexts=("Verification", *MODELS), ae_title="SCP", server=None, **handlers):
        one = Server(Handlers(**handlers), ae_title=ae_title, contexts=list(contexts), **(server or {})).start()
        host, port = one.address
        peer = Peer(ae_title, host, port, calling="TESTER", timeouts=PATIENT)
        peer.server = one
        running.append(peer)
        return peer

    yield start
    for peer in running:
        peer.close()
        peer.server.close()


@pytest.fixture(params=[Peer, Face], ids=["Peer", "AsyncPeer"])
def peer_of(request):
    """The class of the peer: that which blocks, and that of an event loop."""
    return request.param


@pytest.fixture
def scp_of_both(scp, peer_of):
    """What `scp` does, for the peers of both drivers."""

    def start(**options):
        blocking = scp(**options)
        peer = peer_of(blocking.ae_title, blocking.host, blocking.port, calling="TESTER", timeouts=PATIENT)
        peer.server = blocking.server
        return peer

    return start


@pytest.fixture
def raw_server():
    """``with raw_server(behave) as port``: accept one connection and let ``behave(connection)`` do what it likes."""
    return _raw_server


@contextmanager
def _raw_server(behave):
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                behave(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.close()
        thread.join(60)


def ct(series="1.2.3.1", number=1, study="1.2.3", **values):
    """A small CT image of this series."""
    from pydicom import Dataset

    image = Dataset()
    image.SpecificCharacterSet = "ISO_IR 192"
    image.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    image.SOPInstanceUID = f"{series}.{number}"
    image.PatientID, image.PatientName = "P1", "DOE^JANE"
    image.StudyInstanceUID, image.SeriesInstanceUID, image.InstanceNumber = study, series, number
    image.Rows = image.Columns = 4
    image.BitsAllocated, image.PixelRepresentation, image.SamplesPerPixel = 16, 0, 1
    image.PixelData = bytes(32)
    for keyword, value in values.items():
        setattr(image, keyword, value)
    return image


@pytest.fixture
def make_ct():
    """The function that makes a small CT image."""
    return ct
