"""Who serves the requests of the peer on one association, and where what it stores is filed (PS3.7 7.1).

A driver has one `Serving`: it makes the operation that performs a request.  While a C-GET runs, its own handlers take the
place of those of the association: the C-STORE sub-operations of the peer are requests like any others (PS3.4 C.4.3).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from nbdicom.core.association import AssociationCore, Invocation
from nbdicom.core.command import Request
from nbdicom.core.dimse import Received
from nbdicom.core.negotiation import NegotiatedContext, Negotiation
from nbdicom.core.streams import DataSink
from nbdicom.errors import LocalProtocolError
from nbdicom.operations.effects import Operation, Send
from nbdicom.operations.handlers import Handlers
from nbdicom.operations.performing import Link
from nbdicom.operations.requests import Codec, ReceivedInstance, Refuse, StorableInstance, StoreRequest
from nbdicom.operations.scp import perform
from nbdicom.status import Status
from nbdicom.uids import UID

__all__ = ["Serving"]


class Serving:
    """Performs the requests of the peer.

    Parameters
    ----------
    core : AssociationCore
        The association; its data sets go to the sinks of the handlers from now on.
    peer : str
        "host:port", for requests and messages.
    codec : Codec
        The edge to the data set library.
    handlers : Handlers
        The services.
    associate : callable
        ``associate(address, ae_title, instances)`` opens the association of a C-MOVE.
    failed : callable
        ``failed(request, exception)`` reports what a handler raised.
    look : callable, optional
        Reads what the peer has sent, without waiting; for a driver that does not read while a handler runs.
    """

    def __init__(
        self,
        core: AssociationCore,
        *,
        peer: str,
        codec: Codec,
        handlers: Handlers,
        associate: Callable[[tuple[Any, ...], str, Sequence[StorableInstance]], Any],
        failed: Callable[[Request, BaseException], None],
        look: Callable[[], None] | None = None,
    ) -> None:
        self.handlers = self._own = handlers
        self._handling: Invocation | None = None  # whose handlers serve now
        self._core = core
        self.peer = peer
        self._codec = codec
        self._associate = associate
        self._failed = failed
        self._look = look
        self._stored: Callable[[Received, Status], None] | None = None
        self._link: Link | None = None  # what operations know, until the handlers change
        core.dimse.open_sink = self._sink_opener(handlers)

    def perform(self, received: Received) -> Operation | Send:
        """The operation that answers *received*, or the answer itself; see `nbdicom.operations.scp.perform`."""
        if self._link is None or self._link.handlers is not self.handlers:
            self._link = Link(
                negotiation=self._negotiation(),
                peer=self.peer,
                codec=self._codec,
                handlers=self.handlers,
                associate=self._associate,
                failed=self._failed,
                stored=self._stored,
                look=self._look,
            )
        return perform(self._link, received)

    def handling(self, handlers: Handlers | None, invocation: Invocation) -> None:
        """From the request of *invocation* on serve the peer with *handlers*, and file what they stored for it."""
        if handlers is not None:
            invocation.begins = lambda: self._begin(handlers, invocation)

    def end_handling(self, invocation: Invocation) -> None:
        """The operation is over: the peer is served as before, unless another operation has begun."""
        if self._handling is invocation:
            self._serve_with(self._own, None, None)

    def _begin(self, handlers: Handlers, invocation: Invocation) -> None:
        def stored(received: Received, status: Status) -> None:
            message = received.message
            assert received.context.transfer_syntax is not None
            invocation.inbox.append(
                ReceivedInstance(
                    UID(getattr(message, "affected_sop_class_uid", "")),
                    UID(getattr(message, "affected_sop_instance_uid", "")),
                    received.context.transfer_syntax,
                    status,
                    received.sink,
                    received.data,
                )
            )

        invocation.begins = None
        self._serve_with(handlers, stored, invocation)

    def _serve_with(
        self,
        handlers: Handlers,
        stored: Callable[[Received, Status], None] | None,
        invocation: Invocation | None,
    ) -> None:
        self.handlers, self._stored, self._link, self._handling = handlers, stored, None, invocation
        self._core.dimse.open_sink = self._sink_opener(handlers)

    def _sink_opener(self, handlers: Handlers) -> Callable[[NegotiatedContext, Any], DataSink | None] | None:
        factory = handlers.sink
        if factory is None:
            return None
        sound: type | None = None  # the kind of sink that was seen to be right

        def open_sink(context: NegotiatedContext, message: Any) -> DataSink | None:
            if handlers.store is None or message.affected_sop_class_uid != context.abstract_syntax:
                raise Refuse(0x0122)  # it will be refused: nothing is to be written for it
            sink = factory(
                StoreRequest(
                    negotiation=self._negotiation(),
                    peer=self.peer,
                    context=context,
                    message=message,
                    codec=self._codec,
                )
            )
            nonlocal sound
            if sink.__class__ is not sound:  # asked once: it takes as long as opening a file
                if inspect.isawaitable(sink) or inspect.iscoroutinefunction(sink.write):
                    if inspect.iscoroutine(sink):
                        sink.close()  # or Python complains that nobody awaited it
                    raise LocalProtocolError(
                        "a sink takes bytes as they come and cannot be awaited", hint="await in the handler for store"
                    )
                sound = sink.__class__
            return sink

        return open_sink

    def _negotiation(self) -> Negotiation:
        negotiation = self._core.negotiation
        assert negotiation is not None  # requests come on an association that is established
        return negotiation
