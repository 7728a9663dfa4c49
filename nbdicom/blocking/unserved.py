"""Connections for which there is no thread: rejected by the thread that accepts, which waits for none of them.

A requestor that is merely closed on does not know why; A-ASSOCIATE-RJ 2/3/2 (local-limit-exceeded, PS3.8 9.3.4) tells it
to try again later.  It is due when the A-ASSOCIATE-RQ is whole, so the connection is looked at whenever it has something
to read, until the request has come, the peer has closed, or ARTIM is over.
"""

from __future__ import annotations

import socket
import time

from nbdicom.core.association import AssociationCore
from nbdicom.core.pdu import AAssociateRJ, RejectResult, RejectSource

__all__ = ["Unserved"]

_LOCAL_LIMIT_EXCEEDED = 2
_LINGER = 2.0  #: seconds that the peer has to close after the last word, so that no reset destroys it


class Unserved:
    """A connection that will be rejected.

    Parameters
    ----------
    connection : socket.socket
        It belongs to us from now on.
    core : AssociationCore
        An acceptor's, that is not connected yet.
    artim : float
        Seconds in which the request has to come.
    """

    def __init__(self, connection: socket.socket, core: AssociationCore, artim: float) -> None:
        self._connection = connection
        connection.setblocking(False)
        self._core = core
        self._last_word = False
        self.until = time.monotonic() + artim  #: when it is closed at the latest
        core.connected()

    def fileno(self) -> int:
        """The descriptor to wait for."""
        return self._connection.fileno()

    def step(self) -> bool:
        """Look what there is to read, without waiting; True if that was all, and it can be closed."""
        try:
            if self._step():
                return True
        except (BlockingIOError, InterruptedError):
            pass
        except OSError:
            return True  # the peer is gone
        return time.monotonic() >= self.until

    def _step(self) -> bool:
        core = self._core
        if self._last_word:
            return not self._connection.recv(1 << 16)
        size = self._connection.recv_into(core.get_buffer())
        if not size:
            return True
        core.buffer_updated(size)
        if core.associate_rq is not None:
            core.reject(
                AAssociateRJ(
                    result=RejectResult.TRANSIENT,
                    source=RejectSource.PRESENTATION,
                    reason_diag=_LOCAL_LIMIT_EXCEEDED,
                )
            )
        if waiting := core.data_to_send():
            self._connection.send(b"".join(waiting))
            self._connection.shutdown(socket.SHUT_WR)
            self._last_word, self.until = True, time.monotonic() + _LINGER
        return core.close_transport

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
