"""One remote application entity as a person in a notebook sees it: verify, find, get, move, store.

``entity`` is where it is and how it is called, ``peer`` what can be asked of it; ``selection``, ``query`` and ``values``
check what is asked before anything is sent; ``finding``, ``transfer``, ``receiving``, ``pulling`` and ``storing`` are the
verbs, which stand once for `Peer` and ``awaited.AsyncPeer``, and ``calling`` is what they know of who waits; ``frames``
makes tables of answers, ``results`` tables of transfers, ``report`` the table of a verification.
"""

from nbdicom.peer.notices import (
    IncompleteTransfer,
    OptionalKeysNotSupported,
    PeerWarning,
    ResponseLimitReached,
    UndecodableValues,
)
from nbdicom.peer.peer import Peer
from nbdicom.peer.query import InformationModel, Level, Query
from nbdicom.peer.report import EchoReport

__all__ = [
    "EchoReport",
    "IncompleteTransfer",
    "InformationModel",
    "Level",
    "OptionalKeysNotSupported",
    "Peer",
    "PeerWarning",
    "Query",
    "ResponseLimitReached",
    "UndecodableValues",
]
