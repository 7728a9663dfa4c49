"""The warnings of a peer: what came back is usable, but the reader should know something about it.

They are warning classes, so that a program decides with the standard tool what becomes of them:
``warnings.filterwarnings("error", category=ResponseLimitReached)`` makes a capped answer an error.
"""

from __future__ import annotations

__all__ = ["IncompleteTransfer", "OptionalKeysNotSupported", "PeerWarning", "ResponseLimitReached", "UndecodableValues"]


class PeerWarning(UserWarning):
    """Root of the warnings about what a peer answered."""


class OptionalKeysNotSupported(PeerWarning):
    """Pending status FF01H: an optional key was not used for matching or is not returned (PS3.4 C.4.1.1.4)."""


class ResponseLimitReached(PeerWarning):
    """Final status B001H: the peer has more matches than it is willing to send (PS3.4 C.4.1.1.4)."""


class UndecodableValues(PeerWarning):
    """Some values of a column are not what their value representation asks for, and are shown as missing."""


class IncompleteTransfer(PeerWarning):
    """Not everything that was to be retrieved, moved or stored has been; the result names what is missing."""
