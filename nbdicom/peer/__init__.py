"""One remote application entity as a person in a notebook sees it: verify, find, get, move, store.

``entity`` is where it is and how it is called, ``peer`` what can be asked of it; ``selection``, ``query`` and ``values``
check what is asked before anything is sent; ``report``, ``finding``, ``transfer``, ``receiving``, ``pulling`` and
``storing`` are the verbs, which stand once for `Peer` and ``awaited.AsyncPeer``; ``calling`` is what they know of who
waits, and ``asking`` shares many requests between associations; ``frames`` makes tables of answers, ``results`` tables of
transfers.
"""

from typing import TYPE_CHECKING

from nbdicom.later import later

if TYPE_CHECKING:
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

#: Loaded when it is asked for: who verifies a peer needs no queries.
_LATER = {
    "EchoReport": "nbdicom.peer.report",
    "IncompleteTransfer": "nbdicom.peer.notices",
    "InformationModel": "nbdicom.peer.query",
    "Level": "nbdicom.peer.query",
    "OptionalKeysNotSupported": "nbdicom.peer.notices",
    "Peer": "nbdicom.peer.peer",
    "PeerWarning": "nbdicom.peer.notices",
    "Query": "nbdicom.peer.query",
    "ResponseLimitReached": "nbdicom.peer.notices",
    "UndecodableValues": "nbdicom.peer.notices",
}

__getattr__ = later(__name__, _LATER)
