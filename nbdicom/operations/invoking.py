"""The operations that a person can ask of an association, ready to be driven (PS3.7 7.1; PS3.4 Annexes A, B, C).

Both drivers' `Association` classes have the public methods; what a method means is written here, once: which context, what
is encoded, which operation, and what its driver has to know of it.  What does not wait they share: `Associated`, and
`Answered` for what is answered one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from nbdicom.core.association import AssociationCore, Invocation
from nbdicom.core.command import Priority, Response
from nbdicom.core.negotiation import NegotiatedContext, Negotiation, title_problem
from nbdicom.core.streams import DataSink
from nbdicom.errors import LocalProtocolError, NoPresentationContext
from nbdicom.operations import scu
from nbdicom.operations.effects import Operation
from nbdicom.operations.handlers import Handlers, succeed
from nbdicom.operations.outcome import raise_for_status
from nbdicom.operations.requests import Codec, StorableInstance, StoreRequest
from nbdicom.operations.serving import Serving
from nbdicom.services import abstract_syntaxes
from nbdicom.status import Status
from nbdicom.table import printable
from nbdicom.uids import UID

if TYPE_CHECKING:
    import pandas

__all__ = ["Answered", "Associated", "Invoked", "Invoking"]

T = TypeVar("T")

_VERIFICATION = UID("1.2.840.10008.1.1")


@dataclass(slots=True, eq=False)
class Invoked:
    """One operation, and what its driver has to know."""

    service: str
    operation: Operation
    cancellable: bool = False  #: C-CANCEL may end it
    raises: bool = True  #: a final Failure is raised
    handlers: Handlers | None = None  #: what serves the peer while it runs


@dataclass(slots=True, eq=False)
class Invoking:
    """Makes the operations of one association; each method is named as that of `Association` which explains it.

    Raises
    ------
    NoPresentationContext
        Where nothing was negotiated for the SOP Class in this role.
    DataSetError
        If what was given cannot be encoded.
    LocalProtocolError
        If a move destination is no AE title.
    """

    negotiation: Negotiation
    codec: Codec

    def echo(self) -> Invoked:
        """C-ECHO."""
        return Invoked("C-ECHO", scu.echo(self.verification()))

    def verification(self) -> NegotiatedContext:
        """The context for C-ECHO."""
        return self.negotiation.context_for(_VERIFICATION)

    def find(self, identifier: Any, model: str, priority: Priority) -> Invoked:
        """C-FIND."""
        context, data = self._encoded("C-FIND", identifier, model)
        return Invoked("C-FIND", scu.find(context, data, self.codec, priority), cancellable=True)

    def store(
        self, instances: Iterable[StorableInstance], originator: tuple[str, int] | None, priority: Priority
    ) -> Invoked:
        """C-STORE of many."""
        operation = scu.store(self.negotiation, instances, self.codec, priority=priority, originator=originator)
        return Invoked("C-STORE", operation, raises=False)

    def get(
        self,
        identifier: Any,
        model: str,
        handlers: Handlers,
        sink: Callable[[StoreRequest], DataSink] | None,
        store: Callable[[StoreRequest], Any] | None,
        priority: Priority,
    ) -> Invoked:
        """C-GET; *handlers* are those of the association."""
        context, data = self._encoded("C-GET", identifier, model)
        handlers = replace(handlers, sink=sink, store=store or succeed)
        return Invoked("C-GET", scu.get(context, data, self.codec, priority), cancellable=True, handlers=handlers)

    def move(self, identifier: Any, destination: str, model: str, priority: Priority) -> Invoked:
        """C-MOVE."""
        if problem := title_problem(destination):
            raise LocalProtocolError(f"move destination {destination!r} {problem} [PS3.5 6.2]")
        context, data = self._encoded("C-MOVE", identifier, model)
        return Invoked("C-MOVE", scu.move(context, data, destination, self.codec, priority), cancellable=True)

    # --------------------------------------------------------------------------- DIMSE-N

    def n_event_report(
        self, sop_class: str, sop_instance: str, event_type_id: int, information: Any, meta: str | None
    ) -> Invoked:
        """N-EVENT-REPORT; we are the SCP."""
        uid, context = self._context_n("N-EVENT-REPORT", sop_class, meta, as_scu=False)
        data = self._optional(information, context)
        operation = scu.n_event_report(context, uid, UID(sop_instance), event_type_id, data, self.codec)
        return Invoked("N-EVENT-REPORT", operation)

    def n_get(self, sop_class: str, sop_instance: str, tags: tuple[int, ...], meta: str | None) -> Invoked:
        """N-GET."""
        uid, context = self._context_n("N-GET", sop_class, meta)
        return Invoked("N-GET", scu.n_get(context, uid, UID(sop_instance), tags, self.codec))

    def n_set(self, sop_class: str, sop_instance: str, modification_list: Any, meta: str | None) -> Invoked:
        """N-SET."""
        uid, context = self._context_n("N-SET", sop_class, meta)
        data = self._encode(modification_list, context)
        return Invoked("N-SET", scu.n_set(context, uid, UID(sop_instance), data, self.codec))

    def n_action(
        self, sop_class: str, sop_instance: str, action_type_id: int, information: Any, meta: str | None
    ) -> Invoked:
        """N-ACTION."""
        uid, context = self._context_n("N-ACTION", sop_class, meta, action_type_id)
        data = self._optional(information, context)
        return Invoked("N-ACTION", scu.n_action(context, uid, UID(sop_instance), action_type_id, data, self.codec))

    def n_create(self, sop_class: str, attribute_list: Any, sop_instance: str | None, meta: str | None) -> Invoked:
        """N-CREATE."""
        uid, context = self._context_n("N-CREATE", sop_class, meta)
        data = self._optional(attribute_list, context)
        named = UID(sop_instance) if sop_instance else None
        return Invoked("N-CREATE", scu.n_create(context, uid, named, data, self.codec))

    def n_delete(self, sop_class: str, sop_instance: str, meta: str | None) -> Invoked:
        """N-DELETE."""
        uid, context = self._context_n("N-DELETE", sop_class, meta)
        return Invoked("N-DELETE", scu.n_delete(context, uid, UID(sop_instance), self.codec))

    # --------------------------------------------------------------------------- what they share

    def _context_n(
        self, dimse: str, sop_class: str, meta: str | None, type_id: int | None = None, *, as_scu: bool = True
    ) -> tuple[UID, NegotiatedContext]:
        uid = UID.of(sop_class)
        candidates = (UID.of(meta),) if meta else abstract_syntaxes(uid, dimse, type_id)
        return uid, self._first_of(candidates, as_scu=as_scu)

    def _first_of(self, candidates: Sequence[UID], *, as_scu: bool = True) -> NegotiatedContext:
        """The context of the first abstract syntax that was accepted; else what is wrong with the first."""
        refusals: list[NoPresentationContext] = []
        for abstract_syntax in candidates:
            try:
                return self.negotiation.context_for(abstract_syntax, as_scu=as_scu)
            except NoPresentationContext as error:
                refusals.append(error)
        raise refusals[0]

    def _encoded(self, dimse: str, identifier: Any, model: str) -> tuple[NegotiatedContext, bytes]:
        context = self._first_of(abstract_syntaxes(UID.of(model), dimse))
        return context, self._encode(identifier, context)

    def _optional(self, dataset: Any, context: NegotiatedContext) -> bytes | None:
        return None if dataset is None else self._encode(dataset, context) or None

    def _encode(self, dataset: Any, context: NegotiatedContext) -> bytes:
        assert context.transfer_syntax is not None
        return self.codec.encode(dataset, context.transfer_syntax)


class Driving(Protocol):
    """What `Associated` and `Answered` ask of a driver."""

    core: AssociationCore
    codec: Codec
    peer: str
    serving: Serving

    @property
    def negotiation(self) -> Negotiation: ...

    @property
    def is_established(self) -> bool: ...

    def abandon(self, invocation: Invocation, cancellable: bool) -> None: ...


class Associated:
    """What the `Association` classes of all drivers share."""

    _driver: Driving

    @property
    def peer(self) -> str:
        """The peer's address, "host:port"."""
        return self._driver.peer

    @property
    def negotiation(self) -> Negotiation:
        """What was proposed, accepted and refused, as a table."""
        return self._driver.negotiation

    @property
    def is_established(self) -> bool:
        """True while operations can be invoked, as far as is known without looking at the connection."""
        return self._driver.is_established

    @property
    def outstanding(self) -> int:
        """How many of our operations wait for their final response."""
        return self._driver.core.outstanding

    @property
    def _invoking(self) -> Invoking:
        return Invoking(self._driver.negotiation, self._driver.codec)

    def __repr__(self) -> str:
        state = "established" if self.is_established else "over"
        names = self._driver.core.negotiation
        who = f"{printable(names.calling_ae_title)} -> {printable(names.called_ae_title)} " if names else ""
        return f"<Association {who}{self.peer}, {state}>"

    def _repr_html_(self) -> str:
        from html import escape  # a command has no use for it

        negotiation = self._driver.core.negotiation
        table = negotiation._repr_html_() if negotiation is not None else ""
        return f"<p>{escape(repr(self).strip('<>'))}</p>{table}"

    def to_frame(self) -> pandas.DataFrame:
        """Its presentation contexts as a DataFrame."""
        return self.negotiation.to_frame()


class Answered(Generic[T]):
    """What the `Responses` classes of all drivers share: one operation, and how far it is."""

    _driver: Driving

    def __init__(self, driver: Driving, invoked: Invoked) -> None:
        self.service = invoked.service
        self.status: Status | None = None
        self._driver = driver
        self._operation = invoked.operation
        self._cancellable = invoked.cancellable
        self._raises = invoked.raises
        self._invocation = Invocation()
        driver.serving.handling(invoked.handlers, self._invocation)
        self._cancelling = False
        self._done = False
        self._waiting = False  # the operation stands at a Receive
        self._ahead: list[T] = []  # delivered before the first wait

    def _finish(self, status: Any) -> None:
        """The operation has come to its end."""
        self.status = status if isinstance(status, Status) else Status(0)
        self._end()

    def _finish_and_raise(self, status: Any) -> None:
        """Likewise, for whoever iterates: a Failure is raised."""
        self._finish(status)
        assert self.status is not None
        if self._raises:
            raise_for_status(self.status, self.service, cancelling=self._cancelling)

    def _clear(self) -> None:
        """What has come and nobody wants is forgotten, but for the final status."""
        inbox = self._invocation.inbox
        for received in inbox:
            message = getattr(received, "message", None)
            if isinstance(message, Response) and not message.status.is_pending:
                self.status = message.status
        inbox.clear()

    def _end(self) -> None:
        """Nothing more will come of it."""
        if not self._done:
            self._done = True
            self._operation.close()
            self._driver.serving.end_handling(self._invocation)

    def __del__(self) -> None:
        # No I/O here: the association cancels it before its next operation, or the event loop does.
        if not getattr(self, "_done", True):
            if self._invocation.outstanding:
                self._driver.abandon(self._invocation, self._cancellable)
            self._end()

    def __repr__(self) -> str:
        return f"<Responses {self.service}: {self.status or 'under way'}>"
