"""DIMSE messages from fragments (PS3.7 6.3, PS3.8 Annex E): assembly, bounds, and where the data set goes.

Fragments come in as borrowed views.  A command set is joined (it is small and bounded); a data set goes to a `DataSink`
piece by piece.  At any moment one message is being received: fragments of different messages must not be mixed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from nbdicom.config import Limits
from nbdicom.core.command import CommandReader, CStoreRQ, Message, Request
from nbdicom.core.negotiation import NegotiatedContext
from nbdicom.core.streams import DataSink, MemoryBudget, MemorySink
from nbdicom.errors import RemoteProtocolError

__all__ = ["Dimse", "OpenSink", "Received"]

#: ``open_sink(context, request)`` gives the sink for the data set of a C-STORE request, or None for memory.
OpenSink = Callable[[NegotiatedContext, CStoreRQ], DataSink | None]

_MOST_VIEWS = 500  #: pieces that a sink is given at once; of a whole window they are shorter than 500 bytes then
_MOST_EMPTY = 1000  #: empty fragments of a command or a data set: legal (0 is even), but no reason for more


@dataclass(slots=True)
class Received:
    """A message that has arrived whole.

    ``data`` has the data set where it was collected in memory, ``sink`` the sink that took it elsewhere.  ``sink_error``
    is the exception of a sink that failed; the data set is lost then, the association is not.
    """

    context: NegotiatedContext
    message: Message
    data: bytes | None = None
    sink: DataSink | None = None
    sink_error: Exception | None = None
    refused: int | None = None  #: the status to answer without performing it; its data set was dropped
    cancelled: bool = False  #: a C-CANCEL request for it has arrived
    answered: bool = False  #: its final response is on its way: the peer may use its Message ID again


class Dimse:
    """Joins the fragments of one association into messages.

    Parameters
    ----------
    limits : Limits
        Bounds on command sets and data sets.
    complete : callable
        Called with each `Received` message.
    open_sink : callable, optional
        Where the data set of a C-STORE request goes.
    hear : callable, optional
        Called once before a context is declared unknown: an acceptor's first message may come in the same read as its
        A-ASSOCIATE-AC, before anybody has looked at that.
    refusal : callable, optional
        Asked with each request: the status with which it will be refused, so that its data set is dropped; None performs it.
    memory : MemoryBudget, optional
        What this association shares with others of its server.
    """

    def __init__(
        self,
        limits: Limits,
        complete: Callable[[Received], None],
        open_sink: OpenSink | None = None,
        hear: Callable[[], None] = lambda: None,
        refusal: Callable[[Request], int | None] = lambda request: None,
        memory: MemoryBudget | None = None,
    ) -> None:
        self.open_sink = open_sink
        #: gets each encoded command set that could be read
        self.command_seen: Callable[[bytearray], None] | None = None
        self._hear = hear
        self._memory = memory
        self._held = 0  # bytes of data sets in memory, of messages that nobody has taken yet
        self.contexts: Mapping[int, NegotiatedContext] = {}
        self._limits = limits
        self._complete = complete
        self._refusal = refusal
        self._command = bytearray()
        self._reader = CommandReader()
        self._views: list[memoryview] = []  # of the data set, not yet given to the sink
        self._empty = 0
        self._size = 0
        self._received: Received | None = None  # the message whose data set is arriving
        self.context: NegotiatedContext | None = None  #: of the message that is arriving
        self._sink: DataSink | None = None

    @property
    def receiving(self) -> bool:
        """True in the middle of a message."""
        return self.context is not None

    def fragment(self, context_id: int, header: int, view: memoryview, end: bool) -> None:
        """Take a piece of a fragment; *end* with the last piece of its PDV, bit 1 of *header* with the last PDV.

        Raises
        ------
        RemoteProtocolError
            If the fragment does not belong to an accepted context or to the message at hand, or grows beyond a limit.
        """
        context = self.context
        if context is None or context.context_id != context_id:
            context = self._begin(context_id)
        if not view and not header & 2:
            self._empty += 1
            if self._empty > _MOST_EMPTY:
                raise RemoteProtocolError("a message of empty fragments", rule="PS3.8 E.1")
        if header & 1:
            if self._received is not None:
                raise RemoteProtocolError("a command fragment before the end of a data set", rule="PS3.8 E.1")
            self._command += view
            if len(self._command) > self._limits.command_set:
                raise RemoteProtocolError(
                    f"a command set of more than {self._limits.command_set} bytes", rule="PS3.7 6.3.1"
                )
            if end and header & 2:
                raw, self._command, self.context = self._command, bytearray(), None
                self.command(context_id, raw)
        else:
            if self._received is None:
                raise RemoteProtocolError("a data set fragment that no command announced", rule="PS3.7 E.1")
            if view:
                self._views.append(view)
            if end and header & 2:
                self._data_complete()

    def fragments(self, context_id: int) -> list[memoryview] | None:
        """Where fragments of the data set that is arriving may be put, if it arrives in this context; not the last one."""
        context = self.context
        if self._received is None or context is None or context.context_id != context_id:
            return None
        return self._views

    def command(self, context_id: int, raw: bytearray) -> None:
        """Take a whole command set.

        Raises
        ------
        RemoteProtocolError
            See `fragment`.
        """
        context = self.contexts.get(context_id)
        if context is None or self.context is not None or len(raw) > self._limits.command_set:
            self.fragment(context_id, 3, memoryview(raw), True)  # the long way, which raises or hears
            return
        message, has_data = self._reader.decode(raw)
        if self.command_seen is not None:
            self.command_seen(raw)
        refused = self._refusal(message) if isinstance(message, Request) else None
        received = Received(context, message, None, None, None, refused)
        if not has_data:
            self._complete(received)
            return
        self.context, self._received = context, received
        self._empty = self._size = 0
        self._sink = None
        if received.refused is not None:
            return
        if isinstance(message, CStoreRQ) and self.open_sink is not None:
            try:
                self._sink = received.sink = self.open_sink(context, message)
            except Exception as error:  # sinks are foreign code: whatever they raise is their answer, not ours
                received.sink_error = error
        if self._sink is None and received.sink_error is None:
            self._sink = MemorySink(self._limits.data_set)

    def flush(self) -> None:
        """Give the borrowed views to the sink before they die; one call for many fragments, so one write."""
        views = self._views
        if not views:
            return
        self._views = []
        sink = self._sink
        if sink is None:
            return
        self._size += sum(map(len, views))
        if len(views) > _MOST_VIEWS:
            views = [memoryview(b"".join(views))]  # crumbs: one copy costs a sink less than the handling of each
        try:
            if self._size > self._limits.object_size:
                raise MemoryError(f"object of more than {self._limits.object_size} bytes")
            if isinstance(sink, MemorySink):
                self._hold(self._size)
            sink.write(views)
        except Exception as error:  # foreign code, as above
            assert self._received is not None
            self._received.sink_error = error
            self._drop_sink()

    def discard(self) -> None:
        """The association is over: what is half received will never be complete."""
        self._views = []
        self._drop_sink()
        self._received = self.context = None
        self._command.clear()
        self._held = 0
        if self._memory is not None:
            self._memory.hold(self, 0)

    def _hold(self, arriving: int) -> None:
        """Account for the data set that is arriving.

        Raises
        ------
        MemoryError
            If it is too much for this association or for the server.
        """
        if self._held + arriving > self._limits.association_memory:
            raise MemoryError(f"more than {self._limits.association_memory} bytes of data sets in memory")
        if self._memory is not None and not self._memory.hold(self, self._held + arriving):
            raise MemoryError("the server has no memory left for data sets")

    def taken(self, received: Received) -> None:
        """The message has been dealt with: its data set counts no more."""
        if received.data is not None and self._held:
            self._held -= len(received.data)
            if self._memory is not None:
                self._memory.hold(self, self._held)

    def _begin(self, context_id: int) -> NegotiatedContext:
        if self.context is not None:
            raise RemoteProtocolError("fragments of one message in two presentation contexts", rule="PS3.8 E.1")
        context = self.contexts.get(context_id)
        if context is None:
            self._hear()
            context = self.contexts.get(context_id)
        if context is None:
            raise RemoteProtocolError(
                f"a PDV in presentation context {context_id}, which is not accepted",
                rule="PS3.8 9.3.5.1",
                reason_diag=5,
            )
        self.context = context
        self._empty = self._size = 0
        return context

    def _data_complete(self) -> None:
        self.flush()
        received, sink = self._received, self._sink
        assert received is not None
        self._received = self.context = self._sink = None
        if sink is not None:
            try:
                sink.close(True)
            except Exception as error:  # foreign code, as above
                received.sink_error = error
            if isinstance(sink, MemorySink):
                received.data = sink.getvalue()
                self._held += len(received.data)
        self._complete(received)

    def _drop_sink(self) -> None:
        sink, self._sink = self._sink, None
        if sink is not None:
            try:
                sink.close(False)
            except Exception as error:  # foreign code, as above; the data set is lost already
                if self._received is not None and self._received.sink_error is None:
                    self._received.sink_error = error
            if isinstance(sink, MemorySink) and self._memory is not None:
                self._memory.hold(self, self._held)
