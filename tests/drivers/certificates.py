"""Certificates for tests: an authority of their own, good and bad ones, and revocation lists."""

from __future__ import annotations

import datetime
import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from nbdicom.tls import TLS

_DAY = datetime.timedelta(days=1)


@dataclass(frozen=True)
class Files:
    """A certificate with its key, as files."""

    certificate: Path
    key: Path
    fingerprint: str

    @property
    def pair(self) -> dict[str, Path]:
        """As `TLS` takes it."""
        return {"certificate": self.certificate, "key": self.key}


class Authority:
    """An authority that issues certificates into a folder."""

    def __init__(self, folder: Path, name: str = "Hospital CA") -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        built = self._builder(self._name, self._key).issuer_name(self._name)
        built = built.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        self._certificate = built.sign(self._key, hashes.SHA256())
        self.certificate = folder / f"{name.replace(' ', '-')}.pem"
        self.certificate.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))

    def _builder(self, subject: x509.Name, key: Any, days: tuple[int, int] = (-1, 30)) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + days[0] * _DAY)
            .not_valid_after(now + days[1] * _DAY)
        )

    def issue(self, name: str, *hosts: str, days: tuple[int, int] = (-1, 30), password: str = "") -> Files:
        """A certificate for *name*, good for the *hosts*: names and addresses."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        names: list[x509.GeneralName] = []
        for host in hosts or ("127.0.0.1", "::1", "localhost"):
            try:
                names.append(x509.IPAddress(ipaddress.ip_address(host)))
            except ValueError:
                names.append(x509.DNSName(host))
        built = self._builder(subject, key, days).issuer_name(self._name)
        certificate = built.add_extension(x509.SubjectAlternativeName(names), critical=False).sign(
            self._key, hashes.SHA256()
        )
        at = self.folder / f"{name}.pem"
        at.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        secret = self.folder / f"{name}.key"
        how = serialization.BestAvailableEncryption(password.encode()) if password else serialization.NoEncryption()
        secret.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how))
        return Files(at, secret, certificate.fingerprint(hashes.SHA256()).hex())

    def revoke(self, name: str, *revoked: Files) -> Path:
        """A revocation list with these certificates."""
        now = datetime.datetime.now(datetime.UTC)
        built = x509.CertificateRevocationListBuilder().issuer_name(self._name)
        built = built.last_update(now - _DAY).next_update(now + 30 * _DAY)
        for files in revoked:
            serial = x509.load_pem_x509_certificate(files.certificate.read_bytes()).serial_number
            entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now - _DAY)
            built = built.add_revoked_certificate(entry.build())
        at = self.folder / f"{name}.crl"
        at.write_bytes(built.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        return at


class Hospital:
    """An authority, an acceptor's certificate and a requestor's, and an authority that it does not know."""

    def __init__(self, folder: Path) -> None:
        self.authority = Authority(folder)
        self.stranger = Authority(folder / "stranger", "Another CA")
        self.pacs, self.modality = self.authority.issue("pacs"), self.authority.issue("modality")
        self.server = TLS(ca=self.authority.certificate, **self.pacs.pair)
        self.client = TLS(ca=self.authority.certificate, **self.modality.pair)
