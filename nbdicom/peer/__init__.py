"""One remote application entity as a person in a notebook sees it: verify, find, get, move, store.

What is asked: `selection` (what a person points at), `query`, `worklist` and `values` check it before anything is
sent.

The verbs stand once for both peers: `report` (echo), `finding` (and `dividing`, where an answer is cut off), `getting`
(get and move), `receiving` (retrieve), `pulling` and `storing`. `calling` is what they know of who waits, `asking`
shares many requests between associations, and two know how: `line` in a thread, `awaited_line` in an event loop.
`contexts`, `content` and `missing` are what a C-GET proposes, what a peer says that it has, and what did not come;
`cohort` is the folder of a pull, `progress` the bar.

The peers: `entity` is where one is and how it is called; `peer` and `transfers` are `Peer`, `awaited` is `AsyncPeer`;
`commitment`, `procedure_step` and `workitems` are the workflow, `awaited_workflow` the same in an event loop;
`registry` has the peers that a person has saved.

What comes back: `results` and `pulled` of transfers, `frames` of queries: `columns` makes their values, `names` their
parts, `rows` leads back from a table, to files, too; `notices` are the warnings, `plots`, `display` and `completing`
are for notebooks.
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
