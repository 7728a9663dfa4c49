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

if TYPE_CHECKING:
    from nbdicom import aio, core, memory, pacs, privacy, trace
    from nbdicom.blocking import Association, Responses, Server, associate
    from nbdicom.config import Limits, OperationsWindow, Timeouts
    from nbdicom.core.extended import QueryOptions, RetrieveOptions, StorageOptions
    from nbdicom.core.identity import UserIdentity
    from nbdicom.core.negotiation import PresentationContext
    from nbdicom.errors import (
        AssociationAborted,
        AssociationRejected,
        ConnectionFailed,
        NbdicomError,
        NoPresentationContext,
        OperationFailed,
        QueryError,
    )
    from nbdicom.job import Job
    from nbdicom.notebook import show
    from nbdicom.notebook.browser import Browser
    from nbdicom.notebook.form import QueryForm
    from nbdicom.notebook.grid import ResultsGrid
    from nbdicom.notebook.manager import PeerManager
    from nbdicom.notebook.serving import ServerPanel
    from nbdicom.notebook.thumbnails import Thumbnails
    from nbdicom.notebook.viewer import SeriesViewer, view
    from nbdicom.notebook.worklist import WorklistForm
    from nbdicom.operations.handlers import Handlers, known_users
    from nbdicom.operations.requests import Refuse
    from nbdicom.pacs import Pacs, demo_pacs
    from nbdicom.peer import Peer
    from nbdicom.peer.mpps import PerformedStep
    from nbdicom.peer.plots import latency as plot_latency
    from nbdicom.peer.registry import peers
    from nbdicom.peer.rows import read_table
    from nbdicom.playback import FakePeer, replay
    from nbdicom.receiver import Receiver, serve
    from nbdicom.servers import running_table as servers
    from nbdicom.status import Status, status_table
    from nbdicom.table import Table
    from nbdicom.tls import TLS
    from nbdicom.trace import record
    from nbdicom.uids import UID

#: Public name -> (module, name in it; "" is the module itself).
_EXPORTS: dict[str, tuple[str, str]] = {
    "Association": ("nbdicom.blocking", "Association"),
    "AssociationAborted": ("nbdicom.errors", "AssociationAborted"),
    "AssociationRejected": ("nbdicom.errors", "AssociationRejected"),
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
    "PresentationContext": ("nbdicom.core.negotiation", "PresentationContext"),
    "QueryForm": ("nbdicom.notebook.form", "QueryForm"),
    "SeriesViewer": ("nbdicom.notebook.viewer", "SeriesViewer"),
    "ResultsGrid": ("nbdicom.notebook.grid", "ResultsGrid"),
    "QueryError": ("nbdicom.errors", "QueryError"),
    "QueryOptions": ("nbdicom.core.extended", "QueryOptions"),
    "Receiver": ("nbdicom.receiver", "Receiver"),
    "Refuse": ("nbdicom.operations.requests", "Refuse"),
    "Responses": ("nbdicom.blocking", "Responses"),
    "RetrieveOptions": ("nbdicom.core.extended", "RetrieveOptions"),
    "Server": ("nbdicom.blocking", "Server"),
    "Status": ("nbdicom.status", "Status"),
    "StorageOptions": ("nbdicom.core.extended", "StorageOptions"),
    "TLS": ("nbdicom.tls", "TLS"),
    "Table": ("nbdicom.table", "Table"),
    "Timeouts": ("nbdicom.config", "Timeouts"),
    "UID": ("nbdicom.uids", "UID"),
    "UserIdentity": ("nbdicom.core.identity", "UserIdentity"),
    "aio": ("nbdicom.aio", ""),
    "associate": ("nbdicom.blocking", "associate"),
    "demo_pacs": ("nbdicom.pacs", "demo_pacs"),
    "errors": ("nbdicom.errors", ""),
    "memory": ("nbdicom.memory", ""),
    "pacs": ("nbdicom.pacs", ""),
    "plot_latency": ("nbdicom.peer.plots", "latency"),
    "known_users": ("nbdicom.operations.handlers", "known_users"),
    "privacy": ("nbdicom.privacy", ""),
    "replay": ("nbdicom.playback", "replay"),
    "record": ("nbdicom.trace", "record"),
    "read_table": ("nbdicom.peer.rows", "read_table"),
    "serve": ("nbdicom.receiver", "serve"),
    "show": ("nbdicom.notebook", "show"),
    "servers": ("nbdicom.servers", "running_table"),
    "services": ("nbdicom.services", ""),
    "status_table": ("nbdicom.status", "status_table"),
    "uids": ("nbdicom.uids", ""),
    "trace": ("nbdicom.trace", ""),
    "view": ("nbdicom.notebook.viewer", "view"),
    "PeerManager": ("nbdicom.notebook.manager", "PeerManager"),
    "ServerPanel": ("nbdicom.notebook.serving", "ServerPanel"),
    "Thumbnails": ("nbdicom.notebook.thumbnails", "Thumbnails"),
    "WorklistForm": ("nbdicom.notebook.worklist", "WorklistForm"),
    "PerformedStep": ("nbdicom.peer.mpps", "PerformedStep"),
    "peers": ("nbdicom.peer.registry", "peers"),
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
