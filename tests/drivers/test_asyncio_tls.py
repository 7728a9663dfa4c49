"""Associations of the asyncio driver that are secured by TLS, with itself and with the blocking driver (PS3.15 Annex B)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from certificates import Hospital
from scripted import Dial, Instance, Serve, Sink, Wire, Zeros, wait_until_ended

from nbdicom.config import Limits
from nbdicom.errors import AssociationError, AssociationRejected, ConnectionFailed, TLSFailed
from nbdicom.operations.handlers import Handlers
from nbdicom.tls import TLS

ON_SOCKETS = True  # nothing is secured in memory


def test_objects_there_and_back(serve: Serve, dial: Dial, hospital: Hospital) -> None:
    """Small and large ones, stored and retrieved; both sides see whose certificate it is."""
    sinks: list[Sink] = []

    def sink(request: object) -> Sink:
        sinks.append(Sink())
        return sinks[-1]

    sizes = [0, 2, 16_384, 5 << 20]
    handlers = Handlers(sink=sink, store=lambda request: 0, get=lambda request: [Zeros(3 << 20)])
    with serve(handlers, tls=hospital.server) as server, dial(server.address, tls=hospital.client) as association:
        assert association.echo() == 0
        assert association.certificate.fingerprint == hospital.pacs.fingerprint
        (there,) = server.associations
        assert there.certificate.fingerprint == hospital.modality.fingerprint
        assert all(stored.ok for stored in association.store(Zeros(size, n) for n, size in enumerate(sizes)))
        assert len(list(association.get(b"keys", sink=sink))) == 2
        assert association.echo() == 0
    assert [(one.size, one.closed) for one in sinks] == [(size, [True]) for size in [*sizes, 3 << 20]]


@pytest.mark.parametrize(
    ("client", "server"),
    [
        (lambda h: TLS(ca=h.stranger.certificate, **h.stranger.issue("modality").pair), lambda h: h.server),
        (lambda h: replace(h.client, fingerprint="00" * 32), lambda h: h.server),
        (lambda h: h.client, lambda h: None),
    ],
    ids=["an authority that is not trusted", "another certificate is expected", "no TLS there"],
)
def test_what_a_requestor_refuses(
    serve: Serve, dial: Dial, hospital: Hospital, client: Callable[..., TLS], server: Callable[..., TLS | None]
) -> None:
    with serve(Handlers(), tls=server(hospital)) as scp:
        with pytest.raises(TLSFailed) as caught:
            dial(scp.address, tls=client(hospital))
        assert str(scp.address[1]) in str(caught.value) and caught.value.hint


def test_who_speaks_plainly_is_not_served(serve: Serve, dial: Dial, hospital: Hospital) -> None:
    with serve(Handlers(), tls=hospital.server) as server:
        with pytest.raises(AssociationError):
            dial(server.address)
        with dial(server.address, tls=hospital.client) as association:
            assert all(stored.status is not None for stored in association.store([Instance()]))


def test_who_is_silent_in_the_handshake_counts_as_half_open(serve: Serve, dial: Dial, hospital: Hospital) -> None:
    """One of them makes room for each that is too much, however fast they come, and whoever speaks is served."""
    with serve(Handlers(), tls=hospital.server, limits=Limits(half_open=4)) as server:
        silent = [Wire.connect(server.address) for _ in range(20)]
        try:
            wait_until_ended(silent, 16)
            with dial(server.address, tls=hospital.client) as association:
                assert association.echo() == 0
        finally:
            for wire in silent:
                wire.close()


def test_a_certificate_is_bound_to_titles(serve: Serve, dial: Dial, hospital: Hospital) -> None:
    with serve(Handlers(), tls=replace(hospital.server, ae_titles={"modality": "SCU"})) as server:
        with dial(server.address, tls=hospital.client) as association:
            assert association.echo() == 0
        with pytest.raises(AssociationRejected):
            dial(server.address, tls=hospital.client, calling="OTHER")


def test_a_file_that_is_missing_is_said_before_anything_else(dial: Dial) -> None:
    with pytest.raises(ConnectionFailed, match="TLS"):
        dial(("127.0.0.1", 9), tls=TLS(ca="/there/is/no/such/file"))


def test_from_an_address_of_ours(serve: Serve, dial: Dial) -> None:
    with serve(Handlers()) as server, dial(server.address, bind="127.0.0.2") as association:
        assert association.echo() == 0
        assert [one.peer.split(":")[0] for one in server.associations] == ["127.0.0.2"]
