"""User identity: who uses the requestor's application (PS3.7 D.3.3.7).

A `UserIdentity` is a secret: its repr shows a user name at most, and comparing takes the same time wherever two differ.
On an association without TLS all of it travels in clear.
"""

from __future__ import annotations

from dataclasses import dataclass

from nbdicom.core.pdu import UserIdentityRQ, UserIdentityType, in_words
from nbdicom.table import printable

__all__ = ["UserIdentity"]


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class UserIdentity:
    """An identity as the requestor sends it; made by one of the five class methods.

    Parameters
    ----------
    kind : UserIdentityType
        What the fields mean (PS3.7 Table D.3-14).
    primary, secondary : bytes
        The fields; the secondary one is the passcode of type 2.
    positive_response : bool
        Ask the acceptor to confirm.  One that does not support user identity says nothing at all: without this nobody
        can tell whether it was looked at.

    Examples
    --------
    >>> UserIdentity.with_passcode("alice", "s3cret")
    <UserIdentity username-and-passcode 'alice'>
    """

    kind: UserIdentityType | int
    primary: bytes
    secondary: bytes = b""
    positive_response: bool = False

    @classmethod
    def with_name(cls, name: str, *, positive_response: bool = False) -> UserIdentity:
        """A user name alone (type 1)."""
        return cls(UserIdentityType.USERNAME, name.encode(), b"", positive_response)

    @classmethod
    def with_passcode(cls, name: str, passcode: str, *, positive_response: bool = False) -> UserIdentity:
        """A user name and a passcode (type 2)."""
        return cls(UserIdentityType.USERNAME_AND_PASSCODE, name.encode(), passcode.encode(), positive_response)

    @classmethod
    def with_kerberos(cls, ticket: bytes, *, positive_response: bool = False) -> UserIdentity:
        """A Kerberos service ticket (type 3)."""
        return cls(UserIdentityType.KERBEROS, ticket, b"", positive_response)

    @classmethod
    def with_saml(cls, assertion: bytes | str, *, positive_response: bool = False) -> UserIdentity:
        """A SAML assertion (type 4)."""
        return cls(UserIdentityType.SAML, _bytes(assertion), b"", positive_response)

    @classmethod
    def with_jwt(cls, token: bytes | str, *, positive_response: bool = False) -> UserIdentity:
        """A JSON Web Token (type 5)."""
        return cls(UserIdentityType.JWT, _bytes(token), b"", positive_response)

    @property
    def name(self) -> str | None:
        """The user name of types 1 and 2 (UTF-8; what is not is replaced), else None."""
        if self.kind in (UserIdentityType.USERNAME, UserIdentityType.USERNAME_AND_PASSCODE):
            return self.primary.decode("utf-8", "replace")
        return None

    def has_passcode(self, passcode: str | bytes) -> bool:
        """Whether this is a type 2 identity with this passcode; it takes the same time wherever the two differ."""
        import hmac  # it loads all of OpenSSL, which an association without a user does not need

        same = hmac.compare_digest(self.secondary, _bytes(passcode))
        return same and self.kind == UserIdentityType.USERNAME_AND_PASSCODE

    @classmethod
    def of(cls, item: UserIdentityRQ) -> UserIdentity:
        """From the item of an A-ASSOCIATE-RQ."""
        kind = item.user_identity_type
        known = UserIdentityType(kind) if kind in UserIdentityType._value2member_map_ else kind
        return cls(known, item.primary_field, item.secondary_field, item.positive_response_requested == 1)

    def item(self) -> UserIdentityRQ:
        """The item for an A-ASSOCIATE-RQ."""
        return UserIdentityRQ(
            user_identity_type=self.kind,
            positive_response_requested=int(self.positive_response),
            primary_field=self.primary,
            secondary_field=self.secondary,
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, UserIdentity):
            return NotImplemented
        import hmac

        same = hmac.compare_digest(self.primary, other.primary)
        same &= hmac.compare_digest(self.secondary, other.secondary)
        return same and (self.kind, self.positive_response) == (other.kind, other.positive_response)

    def __hash__(self) -> int:
        return hash((self.kind, self.primary, self.secondary))

    def __str__(self) -> str:
        who = f" {printable(self.name)!r}" if self.name is not None else ""
        return f"{in_words(UserIdentityType, self.kind)}{who}"

    def __repr__(self) -> str:
        return f"<UserIdentity {self}>"


def _bytes(value: bytes | str) -> bytes:
    return value.encode() if isinstance(value, str) else value
