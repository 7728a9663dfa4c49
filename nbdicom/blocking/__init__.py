"""The blocking driver: sockets and the caller's own thread; no background thread on the requestor's side.

Whoever waits, reads.  A blocked writer reads, too.  A KeyboardInterrupt in a waiting call cancels the operation and leaves
the association usable.

From the wire up: `transport` (TCP) and `secure` (with TLS on it), `wire` (bytes between it and the core), `driver` (runs the
operations), `responses` and `association` (what a person uses), `interrupt` (how one thread stops another).  `server` is an
acceptor: `listener` has its threads, `turns` shares them out, `unserved` is for whom there is none, and `attending` does
without.
"""

from typing import TYPE_CHECKING

from nbdicom.blocking.association import Association, Responses, associate
from nbdicom.later import later

if TYPE_CHECKING:
    from nbdicom.blocking.server import Server

__all__ = ["Association", "Responses", "Server", "associate"]

__getattr__ = later(__name__, {"Server": "nbdicom.blocking.server"})  # a requestor serves nobody
