"""TLS for associations: profiles by name, certificates, and which calling AE titles a certificate may use (PS3.15 Annex B).

A `TLS` says what one side wants; `client_context` and `server_context` make the `ssl` contexts of any driver from it, and
`checked` looks at the peer's certificate after the handshake.  The handshake itself is the driver's; what
an acceptor sees of it before OpenSSL does is in `nbdicom.tls_handshake`.
"""

from __future__ import annotations

import hashlib
import hmac
import ssl
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from nbdicom.address import join_address
from nbdicom.errors import ConnectionFailed, TLSFailed
from nbdicom.table import printable
from nbdicom.tls_handshake import ALPN, AcceptorContext

__all__ = [
    "PROFILES",
    "TLS",
    "PeerCertificate",
    "TLSProfile",
    "is_tls",
    "secured_in_words",
    "tls_failed",
    "why_tls_failed",
]


@dataclass(frozen=True, slots=True)
class TLSProfile:
    """What a profile allows: the oldest version, and the cipher suites of TLS 1.2 (those of 1.3 are all fit)."""

    name: str
    minimum: ssl.TLSVersion
    ciphers: str
    section: str


#: The profiles by their names.  SSL 3, TLS 1.0 and 1.1, static RSA, CBC suites, RC4, 3DES and NULL are in none of them.
PROFILES: Mapping[str, TLSProfile] = {
    profile.name: profile
    for profile in (
        TLSProfile("BCP 195", ssl.TLSVersion.TLSv1_2, "ECDHE+AESGCM:ECDHE+CHACHA20", "PS3.15 B.12, RFC 8996, RFC 9325"),
        TLSProfile("TLS 1.3", ssl.TLSVersion.TLSv1_3, "ECDHE+AESGCM", "RFC 8446"),
        TLSProfile(
            "Non-Downgrading BCP 195",
            ssl.TLSVersion.TLSv1_2,
            "ECDHE+AESGCM:DHE+AESGCM:ECDHE+CHACHA20",
            "PS3.15 B.10 (retired), for peers that have no elliptic curves",
        ),
    )
}


@dataclass(frozen=True, slots=True)
class PeerCertificate:
    """What the peer showed: ``fingerprint`` is the SHA-256 of its certificate in hexadecimal.

    ``names`` are its common names, DNS names and IP addresses; they mean nothing unless the certificate was verified.
    """

    fingerprint: str
    names: tuple[str, ...] = ()
    verified: bool = False

    def __str__(self) -> str:
        names = ", ".join(map(printable, self.names)) or "no names"
        return f"{names} (SHA-256 {self.fingerprint[:16]}...)"


@dataclass(frozen=True, kw_only=True)
class TLS:
    """How to secure associations.

    The files are read when the first association needs them.  A server that shall use new ones is started again.

    Parameters
    ----------
    ca : str or Path, optional
        Certificates that we trust, in PEM format: of authorities, or of peers themselves.  A requestor without it (and
        without *fingerprint*) trusts what the system trusts; an acceptor that asks for certificates needs it.
    certificate, key : str or Path, optional
        Our own certificate (with its chain) and its private key, in PEM format; without *key* it is in the same file.
    password : str, optional
        Of the private key.
    profile : str
        A name of `PROFILES`.  The default is today's profile of the standard: TLS 1.3, or 1.2 with forward secrecy.
    server_hostname : str, optional
        The name that the acceptor's certificate must have; by default the host that is called.
    check_hostname : bool
        False leaves the name unchecked.  Certificates of modalities often have none that fits.
    fingerprint : str, optional
        SHA-256 of the acceptor's certificate in hexadecimal: it and no other is accepted, and its name does not matter.
    crl : str or Path, optional
        Certificate revocation list in PEM format: a peer whose certificate is in it is refused.  Every authority that
        issues certificates of peers needs its list in this file.
    client_certificates : str
        Acceptor: ``"required"``, ``"optional"`` or ``"none"``.
    ae_titles : mapping, optional
        Acceptor: which calling AE titles may be used with which certificate, by a name in it or by its fingerprint.  A
        certificate that is not listed may use none; the request is rejected 1/1/3.

    Raises
    ------
    ValueError
        If the profile is none, or one that is not safe.

    Examples
    --------
    >>> TLS(ca="hospital-ca.pem", certificate="me.pem").profile
    'BCP 195'
    """

    ca: str | Path | None = None
    certificate: str | Path | None = None
    key: str | Path | None = None
    password: str | None = field(default=None, repr=False)
    profile: str = "BCP 195"
    server_hostname: str | None = None
    check_hostname: bool = True
    fingerprint: str | None = None
    crl: str | Path | None = None
    client_certificates: Literal["required", "optional", "none"] = "required"
    ae_titles: Mapping[str, str | Iterable[str]] | None = field(default=None, hash=False)

    def __post_init__(self) -> None:
        if self.profile not in PROFILES:
            raise ValueError(
                f"{self.profile!r} is no TLS profile of nbdicom; there are {', '.join(map(repr, PROFILES))}. The Basic, AES"
                " and unencrypted (NULL) profiles are retired and not safe"
            )
        if self.fingerprint is not None and len(_hex(self.fingerprint)) != 64:
            raise ValueError(
                "a fingerprint is the SHA-256 of the certificate: 64 hexadecimal digits, with or without colons"
            )
        if self.client_certificates not in ("required", "optional", "none"):
            raise ValueError(
                f"client_certificates is 'required', 'optional' or 'none', not {self.client_certificates!r}"
            )

    # --------------------------------------------------------------------------- contexts

    @cached_property
    def client_context(self) -> ssl.SSLContext:
        """For a requestor.

        Raises
        ------
        ConnectionFailed
            If a file cannot be read or holds something else; so for `server_context`.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._prepare(context)
        pinned = self.fingerprint is not None
        context.check_hostname = self.check_hostname and not pinned
        if pinned and self.ca is None:
            context.verify_mode = ssl.CERT_NONE  # `checked` compares the whole certificate
        elif self.ca is None:
            context.load_default_certs(ssl.Purpose.SERVER_AUTH)
        return context

    @cached_property
    def server_context(self) -> ssl.SSLContext:
        """For an acceptor.  It refuses who offers other application protocols only (RFC 9325 3.7)."""
        return self.new_server_context()

    def new_server_context(self, failed: Callable[[ssl.SSLError], object] | None = None) -> ssl.SSLContext:
        """As `server_context`, for a driver that does not see how its handshakes end: *failed* is told why."""
        if self.certificate is None:
            raise ConnectionFailed(
                "an acceptor needs a certificate", hint="TLS(certificate='server.pem', key='server.key')"
            )
        if self.ca is None and self.client_certificates != "none":
            raise ConnectionFailed(
                "nobody's certificate could be verified without certificates to trust",
                hint="give ca=, or client_certificates='none' to serve requestors without a certificate",
            )
        context = AcceptorContext(ssl.PROTOCOL_TLS_SERVER)
        context.failed = failed
        self._prepare(context)
        context.verify_mode = {
            "required": ssl.CERT_REQUIRED, "optional": ssl.CERT_OPTIONAL, "none": ssl.CERT_NONE,
        }[self.client_certificates]  # fmt: skip
        # No resumption: associations are few and long, and peers have stumbled over tickets.
        context.options |= ssl.OP_NO_TICKET
        context.num_tickets = 0
        return context

    def _prepare(self, context: ssl.SSLContext) -> None:
        profile = PROFILES[self.profile]
        context.minimum_version = profile.minimum
        context.set_ciphers(profile.ciphers)
        context.options |= ssl.OP_NO_COMPRESSION | getattr(ssl, "OP_NO_RENEGOTIATION", 0)
        context.options |= ssl.OP_SINGLE_ECDH_USE | ssl.OP_CIPHER_SERVER_PREFERENCE
        context.set_alpn_protocols([ALPN])
        what: str | Path | None = None
        try:
            if (what := self.ca) is not None:
                context.load_verify_locations(what)
            if (what := self.crl) is not None:
                context.load_verify_locations(what)
                context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
            if (what := self.certificate) is not None:
                # A callable, even without a password: else OpenSSL would ask for it on the terminal.
                context.load_cert_chain(what, self.key, lambda: self.password or "")
        except OSError as error:  # ssl.SSLError is one
            reason = (
                error.strerror
                if not isinstance(error, ssl.SSLError)
                else "it is no such PEM file, or the key does not fit"
            )
            raise ConnectionFailed(
                f"cannot use {printable(what)} for TLS: {reason}", hint="check path, format (PEM) and password"
            ) from error

    # --------------------------------------------------------------------------- the peer

    def checked(self, connection: ssl.SSLSocket | ssl.SSLObject, *, server: bool) -> PeerCertificate | None:
        """The peer's certificate after the handshake on *connection*; None if it showed none.

        *server* tells that we are the acceptor: a pinned certificate is that of an acceptor, and is compared only without.

        Raises
        ------
        ssl.SSLCertVerificationError
            If it is not the one that was pinned.
        """
        raw = connection.getpeercert(True)
        if not server and self.fingerprint is not None:
            shown = hashlib.sha256(raw or b"").hexdigest()
            if not hmac.compare_digest(shown, _hex(self.fingerprint)):
                raise ssl.SSLCertVerificationError(f"the certificate's SHA-256 is {shown}, another one is expected")
        if not raw:
            return None
        details = connection.getpeercert() or {}
        return PeerCertificate(hashlib.sha256(raw).hexdigest(), _names(details), bool(details))

    def titles_of(self, certificate: PeerCertificate | None) -> frozenset[str] | None:
        """The calling AE titles that a peer with this certificate may use; None for any."""
        if self.ae_titles is None:
            return None
        allowed: set[str] = set()
        if certificate is not None:
            for name, titles in self.ae_titles.items():
                by_name = certificate.verified and name in certificate.names
                if by_name or hmac.compare_digest(_hex(name).encode(), certificate.fingerprint.encode()):
                    allowed |= {titles} if isinstance(titles, str) else set(titles)
        return frozenset(allowed)


def _hex(fingerprint: str) -> str:
    return fingerprint.replace(":", "").replace(" ", "").lower()


def _names(details: Mapping[str, Any]) -> tuple[str, ...]:
    common = [value for part in details.get("subject", ()) for key, value in part if key == "commonName"]
    return tuple(dict.fromkeys([*common, *(value for _, value in details.get("subjectAltName", ()))]))


# ------------------------------------------------------------------------------- in words


def secured_in_words(connection: ssl.SSLSocket | ssl.SSLObject, certificate: PeerCertificate | None) -> str:
    """Version, cipher suite and the peer's certificate."""
    suite = connection.cipher()
    shown = f"certificate of {certificate}" if certificate else "no certificate"
    return f"{connection.version()}, {suite[0] if suite else 'no cipher suite'}; {shown}"


def is_tls(error: BaseException) -> bool:
    """Whether an error is one of TLS, not of the connection below it."""
    return isinstance(error, ssl.SSLError)


def why_tls_failed(error: BaseException) -> tuple[str, str]:
    """An error of the handshake in words, and what to try."""
    if isinstance(error, ssl.SSLCertVerificationError):
        words = getattr(error, "verify_message", "") or str(error.args[-1] if error.args else error)
        return f"the peer's certificate is not accepted: {printable(words)}", _certificate_hint(words.lower())
    if isinstance(error, ssl.SSLError):
        # An error of our own making has no reason of OpenSSL's.
        reason = (getattr(error, "reason", None) or str(error)).replace("_", " ").lower()
        for part, hint in _HINTS:
            if part in reason:
                return f"TLS failed: {reason}", hint
        return f"TLS failed: {printable(reason)}", "compare TLS versions, cipher suites and certificates of both sides"
    if isinstance(error, TimeoutError):
        return "the TLS handshake was not finished in time", "the peer may not speak TLS at this port"
    return (
        "the peer closed the connection during the TLS handshake",
        "it may not speak TLS at this port, or want a certificate of ours that it trusts",
    )


def tls_failed(error: OSError, host: str, port: int) -> TLSFailed:
    """The handshake with who listens there has failed."""
    words, hint = why_tls_failed(error)
    return TLSFailed(f"{join_address(host, port)}: {words}", hint=hint)


def _certificate_hint(words: str) -> str:
    if "hostname" in words or "ip address" in words:
        return "TLS(server_hostname=...) says which name is expected; fingerprint= pins a certificate without a useful name"
    if "expired" in words or "not yet valid" in words:
        return "the peer needs a new certificate; check the clocks of both machines, too"
    if "revoked" in words:
        return "the certificate was revoked: do not trust this peer until it has a new one"
    if "crl" in words:
        return "the file of TLS(crl=...) has no list of the authority that issued this certificate"
    if "sha-256" in words:
        return (
            "somebody changed the certificate, or stands in between: ask the peer's administrator for its fingerprint"
        )
    return "TLS(ca=...) names the certificates that are trusted: that of the peer's authority, or its own"


_HINTS = (
    ("wrong version number", "the peer does not speak TLS at this port"),
    ("http request", "the peer speaks HTTP at this port"),
    ("packet length too long", "the peer does not speak TLS at this port"),
    ("record layer failure", "the peer does not speak TLS at this port"),
    ("bad record mac", "bytes were changed between the two sides: by somebody, or by a device on the way"),
    ("certificate required", "the peer wants a certificate of ours: TLS(certificate=..., key=...)"),
    ("did not return a certificate", "the requestor has to show a certificate"),
    ("bad certificate", "the peer does not trust our certificate, or it does not fit"),
    ("unknown ca", "the peer does not trust the authority of our certificate"),
    ("certificate expired", "our certificate is not valid any more"),
    ("certificate revoked", "our certificate is on the peer's revocation list"),
    ("application protocol", "one of us offers other protocols than 'dicom' (ALPN)"),
    ("protocol version", "the two sides have no TLS version in common; nbdicom speaks 1.2 and 1.3"),
    ("unsupported protocol", "the two sides have no TLS version in common; nbdicom speaks 1.2 and 1.3"),
    ("handshake failure", "the two sides have no cipher suite in common, or the peer wants a certificate of ours"),
    ("no shared cipher", "the two sides have no cipher suite in common"),
)
