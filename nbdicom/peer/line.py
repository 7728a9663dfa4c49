"""The association of one call of a `Peer`: an idle one if there is one that fits, else a new one; again after it broke.

When the call is over the association stays open for `Timeouts.linger` seconds, for the next call.  It belongs to one call
at a time: several threads that call a peer at once have one each.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from nbdicom.blocking import Association
from nbdicom.blocking.interrupt import Interrupted
from nbdicom.core.negotiation import PresentationContext
from nbdicom.errors import NbdicomError
from nbdicom.memory import is_memory
from nbdicom.running import idle

if TYPE_CHECKING:
    from nbdicom.peer.entity import RemoteEntity

__all__ = ["Line"]


class Line:
    """The association of one call.

    Parameters
    ----------
    peer : Peer
        Whom to call.
    contexts : sequence of PresentationContext
        What to propose each time.  An association that was proposed more fits, too.
    """

    def __init__(self, peer: RemoteEntity, contexts: Sequence[PresentationContext]) -> None:
        self._peer = peer
        self._contexts = tuple(contexts)
        self._proposed = self._contexts
        self._association: Association | None = None
        self.reused = False  #: whether `association` gave one that was there before

    def association(self) -> Association:
        """An association that stands.

        That the peer has released or aborted an idle one is seen here, before anything is sent on it.

        Raises
        ------
        AssociationError, OperationTimeout
            If none can be opened.
        """
        self.reused = True
        if self._association is not None and self._association.is_alive():
            return self._association
        terms = self._peer.terms()

        def fits(other: tuple[Any, tuple[PresentationContext, ...]]) -> bool:
            return terms is not None and other[0] == terms and set(self._contexts) <= set(other[1])

        found = idle.take(self._where, fits)
        if found is not None:
            self._association, (_, self._proposed) = found
        else:
            self.reused = False
            self._association, self._proposed = self._peer.associate(self._contexts), self._contexts
        assert self._association is not None
        return self._association

    @property
    def _where(self) -> tuple[str, int]:
        return self._peer.host, self._peer.port

    @contextmanager
    def closing(self) -> Iterator[None]:
        """Let it rest at the end, or release it after an error of the peer or the network; abort when interrupted."""
        try:
            yield
        except NbdicomError:
            self._release()
            raise
        except Interrupted:
            self._rest()  # after an interrupt that was answered by C-CANCEL the association is as good as before
            raise
        except BaseException:
            if self._association is not None:
                self._association.abort()
            raise
        self._rest()

    def repeat(self) -> bool:
        """After an association that was there before broke: whether the request may go out once more, on a new one.

        Only for a request that is safe to repeat, and to which nothing has come: the peer may have closed the association
        in the moment in which it was sent.
        """
        association, self._association = self._association, None
        if association is not None:
            association.release()
        return self.reused

    def _rest(self) -> None:
        association, self._association = self._association, None
        if association is None:
            return
        terms, seconds = self._peer.terms(), self._peer.timeouts.linger
        # In memory a new one costs nothing, and nobody releases it.
        resting = seconds > 0 and not is_memory(self._peer.host)
        if resting and terms is not None and association.is_established and not association.outstanding:
            idle.put(self._where, (terms, self._proposed), association, seconds)
        else:
            association.release()

    def _release(self) -> None:
        if self._association is not None:
            self._association.release()  # nothing happens where it is over already
