"""Secured associations that an acceptor opens in its turn, to the destinations of C-MOVE; and servers made by one call."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from certificates import Hospital
from scripted import CT, FAST, Dial, Instance, Serve

import nbdicom as nd
from nbdicom.errors import AssociationError, OperationFailed
from nbdicom.operations.handlers import Handlers
from nbdicom.pacs import Pacs
from nbdicom.peer import IncompleteTransfer, Peer
from nbdicom.tls import TLS

ON_SOCKETS = True  # nothing is secured in memory


def test_a_handler_names_a_secured_destination(serve: Serve, dial: Dial, hospital: Hospital) -> None:
    shown: list[str | None] = []

    def store(request: Any) -> int:
        (there,) = destination.associations
        shown.extend(there.certificate.names[:1])
        return 0

    with serve(Handlers(store=store), ae_title="STORE", tls=hospital.client) as destination:
        handlers = Handlers(
            move=lambda request: [Instance(number) for number in range(3)],
            destination=lambda title: (*destination.address, hospital.server),
        )
        with serve(handlers) as server, dial(server.address) as association:
            responses = association.move(b"keys", destination="STORE")
            assert [value.completed for value in responses] == [1, 2, 3]
            assert responses.status == 0
    assert shown == ["pacs"] * 3  # with the certificate that the handler gave


@pytest.mark.parametrize("how", ["plain", "stranger"])
def test_a_destination_that_refuses_what_the_handler_names(
    serve: Serve, dial: Dial, hospital: Hospital, how: str
) -> None:
    unknown = TLS(ca=hospital.authority.certificate, **hospital.stranger.issue("stranger").pair)
    more = () if how == "plain" else (unknown,)
    stored: list[Any] = []
    with serve(Handlers(store=stored.append), ae_title="STORE", tls=hospital.client) as destination:
        handlers = Handlers(
            move=lambda request: [Instance(1), Instance(2)], destination=lambda title: (*destination.address, *more)
        )
        with serve(handlers) as server, dial(server.address) as association:
            responses = association.move(b"keys", destination="STORE")
            with pytest.raises(OperationFailed):
                list(responses)
            assert responses.status == 0xA702
            assert association.echo() == 0  # the association of the C-MOVE itself goes on
    assert not stored


def image() -> Any:
    from pydicom import Dataset

    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID, ds.PatientID, ds.PatientName = CT, "1.2.3.1", "1", "A"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = "1.2.3", "1.2.3.0"
    return ds


@pytest.mark.parametrize("secured", [True, False], ids=["move_tls", "without it"])
def test_the_pacs_moves_to_a_secured_destination(hospital: Hospital, tmp_path: Path, secured: bool) -> None:
    with nd.serve(to=tmp_path / "in", ae_title="WORKSTATION", tls=hospital.client) as receiver:
        assert isinstance(receiver, nd.Receiver)
        pacs = Pacs(
            tmp_path / "pacs", durability="none", timeouts=FAST, allow={"WORKSTATION": ("127.0.0.1", receiver.port)},
            tls=hospital.server, move_tls=hospital.server if secured else None,
        )  # fmt: skip
        with pacs:
            assert pacs.add(image()).stored == 1
            peer = Peer(pacs.address, tls=hospital.client, timeouts=FAST)
            if secured:
                assert peer.move(StudyInstanceUID="1.2.3", to=receiver).completed == 1
            else:
                with pytest.warns(IncompleteTransfer, match="A702"):
                    assert not peer.move(StudyInstanceUID="1.2.3", to=receiver)
        assert [str(stored.sop_instance_uid) for stored in receiver.files] == (["1.2.3.1"] if secured else [])


@pytest.mark.parametrize("handlers", [None, Handlers()], ids=["Receiver", "Server"])
def test_a_server_made_by_one_call(hospital: Hospital, handlers: Handlers | None, tmp_path: Path) -> None:
    folder = {} if handlers is not None else {"to": tmp_path / "received"}
    with nd.serve(handlers, ae_title="SCP", tls=hospital.server, **folder) as server:
        host, port = server.address if isinstance(server, nd.Server) else ("127.0.0.1", server.port)
        secured = Peer("SCP", host, port, tls=hospital.client, timeouts=FAST)
        assert secured.echo().ok
        secured.close()
        with pytest.raises(AssociationError):
            nd.associate((host, port), called="SCP", contexts=["Verification"], timeouts=FAST)
