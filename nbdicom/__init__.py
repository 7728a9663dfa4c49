"""nbdicom: interactive DICOM networking for Jupyter, with its own network stack.

>>> import nbdicom as nd
>>> nd.Peer("PACS@127.0.0.1:11112")  # doctest: +SKIP

This is the front door.  Everything behind it is loaded when it is first asked for: ``import nbdicom`` costs next to
nothing and loads neither pydicom nor pandas.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

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
    from nbdicom.peer import Peer as Peer
    from nbdicom.peer.awaited import AsyncPeer as AsyncPeer
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

#: Public name -> (module, name in it; "" is the module itself).
_EXPORTS: dict[str, tuple[str, str]] = {
    "Association": ("nbdicom.blocking", "Association"),
    "AssociationAborted": ("nbdicom.errors", "AssociationAborted"),
    "AssociationRejected": ("nbdicom.errors", "AssociationRejected"),
    "AsyncPeer": ("nbdicom.peer.awaited", "AsyncPeer"),
    "Browser": ("nbdicom.notebook.browser", "Browser"),
    "ConnectionFailed": ("nbdicom.errors", "ConnectionFailed"),
    "FakePeer": ("nbdicom.playback", "FakePeer"),
    "Handlers": ("nbdicom.operations.handlers", "Handlers"),
    "Job": ("nbdicom.job", "Job"),
    "Limits": ("nbdicom.config", "Limits"),
    "NbdicomError": ("nbdicom.errors", "NbdicomError"),
    "NoPresentationContext": ("nbdicom.errors", "NoPresentationContext"),
    "OperationFailed": ("nbdicom.errors", "OperationFailed"),
    "OperationsWindow": ("nbdicom.config", "OperationsWindow"),
    "Pacs": ("nbdicom.pacs", "Pacs"),
    "Peer": ("nbdicom.peer", "Peer"),
    "PeerManager": ("nbdicom.notebook.manager", "PeerManager"),
    "PresentationContext": ("nbdicom.core.negotiation", "PresentationContext"),
    "QueryError": ("nbdicom.errors", "QueryError"),
    "QueryForm": ("nbdicom.notebook.form", "QueryForm"),
    "QueryOptions": ("nbdicom.core.extended", "QueryOptions"),
    "Receiver": ("nbdicom.receiver", "Receiver"),
    "Refuse": ("nbdicom.operations.requests", "Refuse"),
    "Responses": ("nbdicom.blocking", "Responses"),
    "ResultsGrid": ("nbdicom.notebook.grid", "ResultsGrid"),
    "RetrieveOptions": ("nbdicom.core.extended", "RetrieveOptions"),
    "SeriesViewer": ("nbdicom.notebook.viewer", "SeriesViewer"),
    "Server": ("nbdicom.blocking", "Server"),
    "ServerPanel": ("nbdicom.notebook.serving", "ServerPanel"),
    "Status": ("nbdicom.status", "Status"),
    "StorageOptions": ("nbdicom.core.extended", "StorageOptions"),
    "TLS": ("nbdicom.tls", "TLS"),
    "Table": ("nbdicom.table", "Table"),
    "Thumbnails": ("nbdicom.notebook.thumbnails", "Thumbnails"),
    "Timeouts": ("nbdicom.config", "Timeouts"),
    "TraceExplorer": ("nbdicom.notebook.explorer", "TraceExplorer"),
    "UID": ("nbdicom.uids", "UID"),
    "UserIdentity": ("nbdicom.core.identity", "UserIdentity"),
    "WorklistForm": ("nbdicom.notebook.worklist", "WorklistForm"),
    "aio": ("nbdicom.aio", ""),
    "associate": ("nbdicom.blocking", "associate"),
    "core": ("nbdicom.core", ""),
    "demo_pacs": ("nbdicom.pacs", "demo_pacs"),
    "errors": ("nbdicom.errors", ""),
    "known_users": ("nbdicom.operations.handlers", "known_users"),
    "memory": ("nbdicom.memory", ""),
    "pacs": ("nbdicom.pacs", ""),
    "peers": ("nbdicom.peer.registry", "peers"),
    "plot_latency": ("nbdicom.peer.plots", "latency"),
    "privacy": ("nbdicom.privacy", ""),
    "read_table": ("nbdicom.peer.rows", "read_table"),
    "record": ("nbdicom.trace", "record"),
    "replay": ("nbdicom.playback", "replay"),
    "serve": ("nbdicom.receiver", "serve"),
    "servers": ("nbdicom.running", "running_table"),
    "services": ("nbdicom.services", ""),
    "show": ("nbdicom.notebook", "show"),
    "status_table": ("nbdicom.status", "status_table"),
    "trace": ("nbdicom.trace", ""),
    "uids": ("nbdicom.uids", ""),
    "view": ("nbdicom.notebook.viewer", "view"),
}

__all__ = sorted([*_EXPORTS, "__version__"])


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module 'nbdicom' has no attribute {name!r}")
    module_name, attribute = _EXPORTS[name]
    module = import_module(module_name)
    value = getattr(module, attribute) if attribute else module
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__


def load_ipython_extension(shell: Any) -> None:
    """``%load_ext nbdicom``: Tab knows the keywords of a query, and tables are shown masked where they shall be.

    Making a `Peer` does the same.
    """
    from nbdicom.peer import completing, display

    completing.register(shell)
    display.register(shell.display_formatter)
