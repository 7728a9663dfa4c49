"""nbdicom: interactive DICOM networking for Jupyter, with its own network stack.

>>> import nbdicom as nd
>>> nd.Peer("PACS@127.0.0.1:11112")  # doctest: +SKIP

This is the front door.  Everything behind it is loaded when it is first asked for: ``import nbdicom`` costs next to
nothing and loads neither pydicom nor pandas.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbdicom.later import later

__version__ = "0.1.0"

if TYPE_CHECKING:  # type checkers follow no table; a name that is imported as itself is exported
    from nbdicom import aio as aio
    from nbdicom import core as core
    from nbdicom import errors as errors
    from nbdicom import memory as memory
    from nbdicom import pacs as pacs
    from nbdicom import privacy as privacy
    from nbdicom import services as services
    from nbdicom import trace as trace
    from nbdicom import uids as uids
    from nbdicom.blocking import Association as Association
    from nbdicom.blocking import Responses as Responses
    from nbdicom.blocking import Server as Server
    from nbdicom.blocking import associate as associate
    from nbdicom.config import Limits as Limits
    from nbdicom.config import OperationsWindow as OperationsWindow
    from nbdicom.config import Timeouts as Timeouts
    from nbdicom.core.extended import QueryOptions as QueryOptions
    from nbdicom.core.extended import RetrieveOptions as RetrieveOptions
    from nbdicom.core.extended import StorageOptions as StorageOptions
    from nbdicom.core.identity import UserIdentity as UserIdentity
    from nbdicom.core.negotiation import PresentationContext as PresentationContext
    from nbdicom.errors import AssociationAborted as AssociationAborted
    from nbdicom.errors import AssociationRejected as AssociationRejected
    from nbdicom.errors import ConnectionFailed as ConnectionFailed
    from nbdicom.errors import NbdicomError as NbdicomError
    from nbdicom.errors import NoPresentationContext as NoPresentationContext
    from nbdicom.errors import OperationFailed as OperationFailed
    from nbdicom.errors import QueryError as QueryError
    from nbdicom.job import Job as Job
    from nbdicom.notebook import show as show
    from nbdicom.notebook.browser import Browser as Browser
    from nbdicom.notebook.explorer import TraceExplorer as TraceExplorer
    from nbdicom.notebook.form import QueryForm as QueryForm
    from nbdicom.notebook.grid import ResultsGrid as ResultsGrid
    from nbdicom.notebook.manager import PeerManager as PeerManager
    from nbdicom.notebook.serving import ServerPanel as ServerPanel
    from nbdicom.notebook.thumbnails import Thumbnails as Thumbnails
    from nbdicom.notebook.viewer import SeriesViewer as SeriesViewer
    from nbdicom.notebook.viewer import view as view
    from nbdicom.notebook.worklist import WorklistForm as WorklistForm
    from nbdicom.operations.handlers import Handlers as Handlers
    from nbdicom.operations.handlers import known_users as known_users
    from nbdicom.operations.requests import Refuse as Refuse
    from nbdicom.pacs import Pacs as Pacs
    from nbdicom.pacs import demo_pacs as demo_pacs
    from nbdicom.peer.awaited import AsyncPeer as AsyncPeer
    from nbdicom.peer.peer import Peer as Peer
    from nbdicom.peer.plots import latency
    from nbdicom.peer.registry import peers as peers
    from nbdicom.peer.rows import read_table as read_table
    from nbdicom.playback import FakePeer as FakePeer
    from nbdicom.playback import replay as replay
    from nbdicom.receiver import Receiver as Receiver
    from nbdicom.receiver import serve as serve
    from nbdicom.running import running_table
    from nbdicom.status import Status as Status
    from nbdicom.status import status_table as status_table
    from nbdicom.table import Table as Table
    from nbdicom.tls import TLS as TLS
    from nbdicom.trace import record as record
    from nbdicom.uids import UID as UID

    plot_latency, servers = latency, running_table

#: Public name -> the module that has it.
_EXPORTS = {
    "Association": "nbdicom.blocking",
    "AssociationAborted": "nbdicom.errors",
    "AssociationRejected": "nbdicom.errors",
    "AsyncPeer": "nbdicom.peer.awaited",
    "Browser": "nbdicom.notebook.browser",
    "ConnectionFailed": "nbdicom.errors",
    "FakePeer": "nbdicom.playback",
    "Handlers": "nbdicom.operations.handlers",
    "Job": "nbdicom.job",
    "Limits": "nbdicom.config",
    "NbdicomError": "nbdicom.errors",
    "NoPresentationContext": "nbdicom.errors",
    "OperationFailed": "nbdicom.errors",
    "OperationsWindow": "nbdicom.config",
    "Pacs": "nbdicom.pacs",
    "Peer": "nbdicom.peer.peer",
    "PeerManager": "nbdicom.notebook.manager",
    "PresentationContext": "nbdicom.core.negotiation",
    "QueryError": "nbdicom.errors",
    "QueryForm": "nbdicom.notebook.form",
    "QueryOptions": "nbdicom.core.extended",
    "Receiver": "nbdicom.receiver",
    "Refuse": "nbdicom.operations.requests",
    "Responses": "nbdicom.blocking",
    "ResultsGrid": "nbdicom.notebook.grid",
    "RetrieveOptions": "nbdicom.core.extended",
    "SeriesViewer": "nbdicom.notebook.viewer",
    "Server": "nbdicom.blocking",
    "ServerPanel": "nbdicom.notebook.serving",
    "Status": "nbdicom.status",
    "StorageOptions": "nbdicom.core.extended",
    "TLS": "nbdicom.tls",
    "Table": "nbdicom.table",
    "Thumbnails": "nbdicom.notebook.thumbnails",
    "Timeouts": "nbdicom.config",
    "TraceExplorer": "nbdicom.notebook.explorer",
    "UID": "nbdicom.uids",
    "UserIdentity": "nbdicom.core.identity",
    "WorklistForm": "nbdicom.notebook.worklist",
    "aio": "nbdicom.aio",
    "associate": "nbdicom.blocking",
    "core": "nbdicom.core",
    "demo_pacs": "nbdicom.pacs",
    "errors": "nbdicom.errors",
    "known_users": "nbdicom.operations.handlers",
    "memory": "nbdicom.memory",
    "pacs": "nbdicom.pacs",
    "peers": "nbdicom.peer.registry",
    "plot_latency": "nbdicom.peer.plots:latency",
    "privacy": "nbdicom.privacy",
    "read_table": "nbdicom.peer.rows",
    "record": "nbdicom.trace",
    "replay": "nbdicom.playback",
    "serve": "nbdicom.receiver",
    "servers": "nbdicom.running:running_table",
    "services": "nbdicom.services",
    "show": "nbdicom.notebook",
    "status_table": "nbdicom.status",
    "trace": "nbdicom.trace",
    "uids": "nbdicom.uids",
    "view": "nbdicom.notebook.viewer",
}

__all__ = sorted([*_EXPORTS, "__version__"])


__getattr__ = later(__name__, _EXPORTS)


def __dir__() -> list[str]:
    return __all__


def load_ipython_extension(shell: Any) -> None:
    """``%load_ext nbdicom``: Tab knows the keywords of a query, and tables are shown masked where they shall be.

    Making a `Peer` does the same.
    """
    from nbdicom.peer import completing, display

    completing.register(shell)
    display.register(shell.display_formatter)
