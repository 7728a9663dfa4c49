"""TLS with DCMTK and pynetdicom at the other end, in both roles (PS3.15 Annex B)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import nbdicom as nd
from nbdicom.errors import AssociationError, TLSFailed
from tests.drivers.certificates import Authority, Files

from . import corpus, peers
from .conftest import started

_PROGRAM = Path(peers.__file__).with_name("pynetdicom_tls.py")


class Hospital:
    def __init__(self, folder: Path) -> None:
        self.authority = Authority(folder)
        self.ours, self.theirs = self.authority.issue("ours"), self.authority.issue("theirs")
        self.tls = nd.TLS(ca=self.authority.certificate, **self.ours.pair)

    def dcmtk(self, files: Files | None = None) -> list[Any]:
        """The options of DCMTK's tools: key, certificate, whom to trust."""
        files = files or self.theirs
        return ["+tls", files.key, files.certificate, "+cf", self.authority.certificate, "-pw"]


@pytest.fixture(scope="module")
def hospital(tmp_path_factory):
    return Hospital(tmp_path_factory.mktemp("hospital"))


# ------------------------------------------------------------------------------- nbdicom as SCU


@pytest.mark.parametrize("profile", ["+py", "+px", "+pz"])
def test_to_storescp(hospital, tmp_path, files, profile):
    scp = started(peers.storescp, tmp_path, *hospital.dcmtk(), profile)
    try:
        peer = nd.Peer(scp.address, tls=hospital.tls)
        report = peer.echo()
        assert report and "TLSv1." in report.steps[2].result, report
        result = peer.store(*files.values())
        assert result.ok, result
        corpus.assert_same(files, corpus.in_folder(tmp_path / "received"), bits=True)
        # It is TLS and nothing else: without it, and with a certificate that nobody trusts, there is no association.
        assert not nd.Peer(scp.address).echo()
        stranger = Authority(tmp_path / "stranger", "Nobody").issue("nobody")
        with pytest.raises(AssociationError):
            nd.Peer(scp.address, tls=nd.TLS(ca=hospital.authority.certificate, **stranger.pair)).associate()
    finally:
        scp.stop()


def test_a_retired_profile_of_storescp_is_refused(hospital, tmp_path):
    scp = started(peers.storescp, tmp_path, *hospital.dcmtk(), "+pa", "+cs", "TLS_RSA_WITH_AES_128_CBC_SHA")
    try:
        with pytest.raises(TLSFailed):
            nd.Peer(scp.address, tls=hospital.tls).associate(["Verification"])
    finally:
        scp.stop()


@pytest.fixture(scope="module")
def secured_pynetdicom(hospital, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pynetdicom-tls")

    def make():
        port = peers.free_port()
        argv = [peers.pynetdicom(), _PROGRAM, "scp", port, hospital.authority.certificate, hospital.theirs.certificate,
                hospital.theirs.key]  # fmt: skip
        return peers.Program(argv, folder, port, "PYNETDICOM")

    program = started(make)
    yield program
    program.stop()


@pytest.mark.parity("A.7 TLS")
def test_to_pynetdicom(hospital, secured_pynetdicom):
    report = nd.Peer(secured_pynetdicom.address, tls=hospital.tls).echo()
    assert report, report
    pinned = nd.TLS(fingerprint=hospital.theirs.fingerprint, **hospital.ours.pair)
    assert nd.Peer(secured_pynetdicom.address, tls=pinned).echo()


# ------------------------------------------------------------------------------- nbdicom as SCP


@pytest.fixture
def secured(hospital, tmp_path):
    with nd.Receiver(tmp_path / "in", ae_title="NBDICOM", tls=hospital.tls) as receiver:
        yield receiver


def where(receiver):
    host, _, port = receiver.address.partition("@")[2].rpartition(":")
    return ["-aec", "NBDICOM", host, port]


@pytest.mark.parametrize("profile", ["+py", "+px", "+pz"])
def test_from_echoscu(hospital, secured, tool, profile):
    peers.run([tool("echoscu"), *hospital.dcmtk(), profile, *where(secured)])


def test_from_storescu(hospital, secured, tool, files):
    peers.run([tool("storescu"), *hospital.dcmtk(), *where(secured), *files.values()])
    corpus.assert_same(files, corpus.in_folder(secured.folder), bits=False)


@pytest.mark.parametrize("how", ["no certificate", "foreign certificate", "revoked", "plain", "static RSA"])
def test_what_echoscu_is_refused_for(hospital, tmp_path, tool, how):
    revoked = hospital.authority.issue("revoked")
    tls = nd.TLS(
        ca=hospital.authority.certificate, crl=hospital.authority.revoke("list", revoked), **hospital.ours.pair
    )
    trust = ["+cf", hospital.authority.certificate]
    options = {
        "no certificate": ["+tla", "+px", *trust],
        "foreign certificate": hospital.dcmtk(Authority(tmp_path, "Nobody").issue("nobody")),
        "revoked": hospital.dcmtk(revoked),
        "plain": [],
        "static RSA": [*hospital.dcmtk(), "+pa", "+cs", "TLS_RSA_WITH_AES_128_CBC_SHA"],
    }[how]
    with nd.Receiver(tmp_path / "in", ae_title="NBDICOM", tls=tls) as receiver:
        peers.run([tool("echoscu"), "-to", "10", *options, *where(receiver)], ok=False)
        peers.run([tool("echoscu"), *hospital.dcmtk(), *where(receiver)])


@pytest.mark.parity("A.7 TLS")
def test_from_pynetdicom(hospital, secured):
    try:
        program = peers.pynetdicom()
    except peers.Missing as missing:
        pytest.skip(str(missing))
    port = where(secured)[-1]
    said = peers.run([program, _PROGRAM, "scu", port, hospital.authority.certificate, hospital.theirs.certificate,
                      hospital.theirs.key])  # fmt: skip
    assert said.stdout.split()[-1] == "0"
