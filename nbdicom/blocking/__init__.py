"""The blocking driver: sockets and the caller's own thread; no background thread on the requestor's side.

Whoever waits, reads.  A blocked writer reads, too.  A KeyboardInterrupt in a waiting call cancels the operation and leaves
the association usable.
"""

from typing import TYPE_CHECKING

from nbdicom.blocking.association import Association, Responses, associate
from nbdicom.later import later

if TYPE_CHECKING:
    from nbdicom.blocking.server import Server

__all__ = ["Association", "Responses", "Server", "associate"]

__getattr__ = later(__name__, {"Server": "nbdicom.blocking.server"})  # a requestor serves nobody
