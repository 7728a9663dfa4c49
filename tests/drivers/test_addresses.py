"""Where we connect and listen: IPv4, IPv6, names with several addresses, our own address, one deadline for all of it."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest
from scripted import FAST, LIMIT, Dial, Instance, Serve

from nbdicom.address import join_address, split_address
from nbdicom.errors import ConnectionFailed
from nbdicom.operations.handlers import Handlers
from nbdicom.peer import Peer
from nbdicom.receiver import Receiver
from nbdicom.trace.recorder import Recorder

ON_SOCKETS = True  # in memory there are no connections


def has_loopback_6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


needs_ipv6 = pytest.mark.skipif(not has_loopback_6(), reason="the IPv6 loopback address ::1 is not configured")


@pytest.fixture
def at(serve: Callable[..., Any]) -> Callable[..., Any]:
    """``at(host, **changes)``: a server that listens there, not yet started."""
    return lambda host="127.0.0.1", **changes: serve(Handlers(), host=host, **changes)


@pytest.mark.parametrize(
    ("listening", "called"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("localhost", "localhost"),
        pytest.param("::1", "::1", marks=needs_ipv6),
        pytest.param("", "127.0.0.1", marks=needs_ipv6),
        pytest.param("", "::1", marks=needs_ipv6),
        pytest.param("::", "127.0.0.1", marks=needs_ipv6),
        pytest.param("0.0.0.0", "127.0.0.1"),
        pytest.param("127.0.0.1", "localhost", marks=needs_ipv6),  # its first address may be ::1, where nobody listens
    ],
)
@pytest.mark.parity("A.7 IPv6", "A.1 associate")
def test_families(listening: str, called: str, at: Serve, dial: Dial) -> None:
    wire = Recorder()
    with at(listening, trace=wire) as server:
        port = server.address[1]
        with dial((called, port), trace=wire) as association:
            assert association.echo() == 0
            assert association.peer == join_address(called, port)
            (there,) = server.associations
            # A caller from IPv4 has an IPv4 address, also where the socket is one for both families.
            ours = split_address(there.peer)[0]
            assert ours in ("127.0.0.1", "::1") and (called == "localhost" or ours == called)
    (connection,) = wire.connections  # both sides call its ends by the same addresses
    assert len(connection.sides) == 2


@needs_ipv6
def test_the_address_of_a_server_is_one_for_a_peer(tmp_path: Any) -> None:
    with Receiver(tmp_path, host="::1", ae_title="SCP") as receiver:
        assert receiver.address.startswith("SCP@[::1]:")
        peer = Peer(receiver)
        assert peer.address == receiver.address and peer.host == "::1"
        report = peer.echo()
        assert report, report


def test_a_receiver_goes_on_where_the_new_one_cannot_listen(tmp_path: Any) -> None:
    with Receiver(tmp_path, ae_title="SCP") as first, socket.create_server(("127.0.0.1", 0)) as taken:
        with pytest.raises(ConnectionFailed, match="in use"):
            Receiver(tmp_path, ae_title="SCP", port=taken.getsockname()[1]).start()
        assert Peer(first).echo()
        with Receiver(tmp_path, ae_title="SCP", port=first.port) as second:  # the cell is run again
            assert not first.running and Peer(second).echo()


@pytest.mark.parametrize("bind", ["127.0.0.2", ("127.0.0.2", 0)])
@pytest.mark.parity("A.7 bind address", "A.1 associate")
def test_our_own_address(bind: Any, at: Serve, dial: Dial) -> None:
    with at() as server, dial(server.address, bind=bind) as association:
        assert association.echo() == 0
        (there,) = server.associations
        assert there.peer.startswith("127.0.0.2:")


def test_our_own_address_in_a_peer(at: Serve) -> None:
    with at() as server:
        host, port = server.address
        with Peer("SCP", host, port, bind="127.0.0.3").associate(["Verification"]) as association:
            association.echo()
            (there,) = server.associations
            assert there.peer.startswith("127.0.0.3:")


@pytest.mark.parametrize(
    ("bind", "words"),
    [
        ("192.0.2.1", "Cannot assign requested address"),
        pytest.param("::1", "no address of the family", marks=needs_ipv6),
    ],
)
def test_an_address_that_is_not_ours(bind: str, words: str, at: Serve, dial: Dial) -> None:
    with at() as server, pytest.raises(ConnectionFailed) as caught:
        dial(server.address, bind=bind)
    assert words in str(caught.value)


@pytest.mark.parametrize("host", ["no-such-host.invalid", "192.0.2.1"])
def test_a_host_that_cannot_be_listened_on(host: str, at: Serve) -> None:
    with pytest.raises(ConnectionFailed, match="cannot listen on"):
        at(host).start()


# ------------------------------------------------------------------------------- several addresses


@pytest.fixture
def deaf() -> Iterator[tuple[str, int]]:
    """An address that does not answer: its queue is full, and the system drops what comes."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        for _ in range(8):
            caller = stack.enter_context(socket.socket())
            caller.settimeout(0.1)
            try:
                caller.connect(address)
            except TimeoutError:
                break
        else:
            pytest.skip("this system answers although the queue is full")
        yield address


def resolving(monkeypatch: pytest.MonkeyPatch, *found: tuple[str, int]) -> None:
    """A name server that gives these addresses for ``pacs.example``."""
    real = socket.getaddrinfo

    def getaddrinfo(host: Any, *rest: Any, **more: Any) -> Any:
        if host != "pacs.example":
            return real(host, *rest, **more)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in found]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


def test_the_first_address_that_answers(monkeypatch: pytest.MonkeyPatch, at: Serve, dial: Dial) -> None:
    with at() as server, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # nobody listens on it
        resolving(monkeypatch, closed.getsockname(), server.address)
        with dial(("pacs.example", 104)) as association:
            assert association.echo() == 0


def test_a_dead_address_costs_its_share_of_the_time(
    monkeypatch: pytest.MonkeyPatch, deaf: tuple[str, int], at: Serve, dial: Dial
) -> None:
    with at() as server:
        resolving(monkeypatch, deaf, server.address)
        with dial(("pacs.example", 104), timeouts=replace(FAST, connect=2)) as association:
            assert association.echo() == 0


def test_all_addresses_together_have_one_deadline(
    monkeypatch: pytest.MonkeyPatch, deaf: tuple[str, int], dial: Dial
) -> None:
    resolving(monkeypatch, *[deaf] * 100)
    began = time.monotonic()
    with pytest.raises(ConnectionFailed, match="did not answer within 0.5 s"):
        dial(("pacs.example", 104), timeouts=replace(FAST, connect=0.5))
    assert 0.4 < time.monotonic() - began < LIMIT  # a hundred times 0.5 s would be longer


# ------------------------------------------------------------------------------- no deadline at all


def test_without_any_deadline(at: Serve, dial: Dial) -> None:
    never = replace(FAST, connect=None, association=None, network=None, dimse=None, pdu=None, idle=None)
    with at(timeouts=never) as server, dial(server.address, timeouts=never) as association:
        assert association.echo() == 0
        (result,) = association.store([Instance(1)])
        assert result.status == 0x0122  # nobody handles it, which is an answer
