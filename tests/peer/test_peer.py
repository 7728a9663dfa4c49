"""Addresses, and what a Peer shows."""

import pytest

from nbdicom.blocking import Server
from nbdicom.config import Limits, Timeouts
from nbdicom.errors import ConnectionFailed, LocalProtocolError
from nbdicom.operations.handlers import Handlers
from nbdicom.peer import Peer


class Running:
    address = "PACS@127.0.0.1:11112"


SERVER = Server(Handlers(), ae_title="SCP", contexts=["Verification"], port=11112)


@pytest.mark.parametrize(
    ("args", "parts"),
    [
        (("PACS@127.0.0.1:11112",), ("PACS", "127.0.0.1", 11112)),
        (("PACS", "pacs.example", 104), ("PACS", "pacs.example", 104)),
        (("MY PACS@host:104",), ("MY PACS", "host", 104)),
        (("A@B@host:104",), ("A@B", "host", 104)),
        (("PACS@[::1]:104",), ("PACS", "::1", 104)),
        ((Running(),), ("PACS", "127.0.0.1", 11112)),
        ((Peer("PACS@127.0.0.1:11112"),), ("PACS", "127.0.0.1", 11112)),
        ((SERVER,), ("SCP", "127.0.0.1", 11112)),
    ],
)
@pytest.mark.parity("A.1 associate")
def test_addresses(args, parts):
    peer = Peer(*args)
    assert (peer.ae_title, peer.host, peer.port) == parts
    assert Peer(peer.address) == peer


@pytest.mark.parametrize(
    ("args", "error", "words"),
    [
        (("127.0.0.1:104",), ConnectionFailed, "AET@host:port"),
        (("PACS@127.0.0.1",), ConnectionFailed, "port"),
        (("PACS@127.0.0.1:0",), ConnectionFailed, "port"),
        (("PACS@127.0.0.1:70000",), ConnectionFailed, "port"),
        (("PACS@127.0.0.1:http",), ConnectionFailed, "port"),
        (("PACS@:104",), ConnectionFailed, "host"),
        (("PACS", "127.0.0.1"), ConnectionFailed, "port"),
        ((5,), ConnectionFailed, "not an address"),
        ((Server(Handlers(), ae_title="SCP", contexts=["Verification"]),), ConnectionFailed, "port"),  # not started
        (("@127.0.0.1:104",), LocalProtocolError, "is empty"),
        (("A" * 17 + "@127.0.0.1:104",), LocalProtocolError, "16 characters"),
    ],
)
def test_addresses_that_are_none(args, error, words):
    with pytest.raises(error) as caught:
        Peer(*args)
    assert words in str(caught.value)


@pytest.mark.parity("A.1 titles")
def test_the_calling_title_is_checked():
    with pytest.raises(LocalProtocolError):
        Peer("PACS@127.0.0.1:104", calling="")


def test_settings():
    peer = Peer("PACS@h:104", timeouts=Timeouts(dimse=1), limits=Limits(matches=3), max_pdu=0)
    assert peer.timeouts.dimse == 1
    assert peer.limits.matches == 3
    assert peer.limits.max_length_received == 0


def test_it_shows_its_address_and_what_to_type():
    peer = Peer("PACS@no-such-host.invalid:104", calling="ME")  # a repr that looked for it would fail
    for text in (repr(peer), str(peer), peer._repr_html_()):
        assert "PACS@no-such-host.invalid:104" in text
        assert "pacs.echo()" in text
        assert "ME" in text


def test_peers_are_values():
    assert len({Peer("PACS@h:104"), Peer("PACS", "h", 104), Peer("PACS@h:105")}) == 2
