"""One association to a peer that is opened when it is needed, and again after it broke."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from nbdicom.blocking import Association
from nbdicom.blocking.interrupt import Interrupted
from nbdicom.core.negotiation import PresentationContext
from nbdicom.errors import NbdicomError

if TYPE_CHECKING:
    from nbdicom.peer.peer import Peer

__all__ = ["Line"]


class Line:
    """The association of one call of a `Peer`.

    Parameters
    ----------
    peer : Peer
        Whom to call.
    contexts : sequence of PresentationContext
        What to propose each time.
    """

    def __init__(self, peer: Peer, contexts: Sequence[PresentationContext]) -> None:
        self._peer = peer
        self._contexts = contexts
        self._association: Association | None = None

    def association(self) -> Association:
        """An association that stands.

        Raises
        ------
        AssociationError, OperationTimeout
            If none can be opened.
        """
        if self._association is None or not self._association.is_established:
            self._association = self._peer.associate(self._contexts)
        return self._association

    @contextmanager
    def closing(self) -> Iterator[None]:
        """Release at the end, also after an error that the peer or the network told; abort when we are interrupted."""
        try:
            yield
        except (NbdicomError, Interrupted):
            self._release()  # after an interrupt that was answered by C-CANCEL the association is as good as before
            raise
        except BaseException:
            if self._association is not None:
                self._association.abort()
            raise
        self._release()

    def _release(self) -> None:
        if self._association is not None:
            self._association.release()  # nothing happens where it is over already
