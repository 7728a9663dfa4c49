"""An association as a person uses it: calls that block, answers that are iterated (PS3.8 7, PS3.7 9)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from nbdicom.address import join_address, split_address
from nbdicom.blocking.driver import Driver
from nbdicom.blocking.responses import Responses
from nbdicom.config import Limits, OperationsWindow, Timeouts
from nbdicom.core.association import AssociationCore
from nbdicom.core.command import CEchoRSP, Priority
from nbdicom.core.identity import UserIdentity
from nbdicom.core.negotiation import ContextLike, NegotiatedContext, Proposal, contexts_of, propose
from nbdicom.core.pdu import Item
from nbdicom.core.streams import DataSink
from nbdicom.core.trace import Trace, Tracer, traced_by, tracers
from nbdicom.core.upper_layer import Role
from nbdicom.errors import AssociationAborted, AssociationError, ConnectionFailed
from nbdicom.memory import Connection, is_memory
from nbdicom.operations.contexts import storage_contexts
from nbdicom.operations.handlers import Handlers
from nbdicom.operations.invoking import Associated, Invoked
from nbdicom.operations.outcome import raise_for_status
from nbdicom.operations.requests import (
    Match,
    ReceivedInstance,
    Reply,
    StorableInstance,
    Stored,
    StoreRequest,
    SubOperations,
)
from nbdicom.operations.scu import echo_request
from nbdicom.running import network, served_by_this_thread
from nbdicom.status import Status
from nbdicom.trace.observing import recorder_of

if TYPE_CHECKING:
    from nbdicom.blocking.transport import Transport
    from nbdicom.tls import TLS, PeerCertificate

__all__ = ["Association", "Responses", "associate", "open_destination"]

_TIMEOUTS, _LIMITS, _WINDOW, _HANDLERS = Timeouts(), Limits(), OperationsWindow(), Handlers()  # where none are given


def associate(
    address: str | tuple[str, int],
    *,
    called: str,
    calling: str = "NBDICOM",
    contexts: Iterable[ContextLike],
    handlers: Handlers | None = None,
    timeouts: Timeouts | None = None,
    limits: Limits | None = None,
    window: OperationsWindow | None = None,
    identity: UserIdentity | None = None,
    tls: TLS | None = None,
    bind: str | tuple[str, int] | None = None,
    user_items: Iterable[Item] = (),
    trace: Trace | Tracer | bool | None = None,
) -> Association:
    """Request an association (PS3.8 7.1).

    Parameters
    ----------
    address : str or (str, int)
        ``"host:port"``, ``"[IPv6]:port"`` or a tuple.  The addresses of a name are tried one after the other.
    called, calling : str
        AE titles of the peer and of ourselves, at most 16 characters, case-sensitive.
    contexts : iterable
        What to propose: SOP Classes by UID, keyword or name, ``(SOP Class, transfer syntaxes)`` or `PresentationContext`.
    handlers : Handlers, optional
        Services for requests that the peer may send on this association.
    timeouts, limits, window : optional
        See `nbdicom.config`.
    identity : UserIdentity, optional
        Who we are; ``negotiation.identity_response`` has the peer's confirmation.
    tls : TLS, optional
        How to secure the connection (PS3.15 Annex B).
    bind : str or (str, int), optional
        Our own address (and port), where the peer or the network asks for a certain one.
    user_items : iterable of Item, optional
        Further items of the user information, as they are to be sent.
    trace : bool, Recorder or callable, optional
        True records the association in its ``trace`` (and in that of an exception); a callable gets every `TraceEvent`.

    Raises
    ------
    ConnectionFailed, AssociationRejected, AssociationAborted, OperationTimeout
        In the order of the steps; ``AssociationRejected.negotiation`` has the proposal.

    Examples
    --------
    >>> with associate("127.0.0.1:11112", called="PACS", contexts=["Verification"]) as a:  # doctest: +SKIP
    ...     a.echo()
    <Status 0000H Success>
    """
    timeouts, limits = timeouts or _TIMEOUTS, limits or _LIMITS
    proposal = Proposal(
        called_ae_title=called,
        calling_ae_title=calling,
        contexts=contexts_of(contexts),
        max_length_received=limits.max_length_received,
        window=window or _WINDOW,
        identity=identity,
        user_items=tuple(user_items),
    )
    rq = propose(proposal)  # what cannot be proposed is said before a connection is opened
    host, port = split_address(address)
    recorder = recorder_of(trace)
    core = AssociationCore(
        Role.REQUESTOR,
        clock=time.monotonic,
        limits=limits,
        artim=timeouts.artim,
        pdu_seconds=timeouts.pdu,
        trace=traced_by(Role.REQUESTOR, (recorder, *tracers.get())),
    )
    core.request(rq)
    try:
        transport, until = _dial(host, port, timeouts, tls, (bind, 0) if isinstance(bind, str) else bind)
        driver = Driver(
            core,
            transport,
            peer=join_address(host, port),
            handlers=handlers or _HANDLERS,
            timeouts=timeouts,
            limits=limits,
            open_destination=open_destination,
        )
        if isinstance(transport, Connection):
            transport.driver, transport.work = driver, driver.attend
        driver.establish(until)
    except AssociationError as error:
        error.trace = recorder
        raise
    return Association(driver, recorder)


def _dial(
    host: str, port: int, timeouts: Timeouts, tls: TLS | None, bind: tuple[str, int] | None
) -> tuple[Transport | Connection, float | None]:
    """A connection, secured if it shall be, and until when the association must be established."""
    if is_memory(host):
        if tls is not None:
            raise ConnectionFailed("TLS secures nothing in memory", hint="leave tls out, or connect to an address")
        return network.connect(port, Connection), None
    from nbdicom.blocking.transport import connect  # sockets are for those who use them

    if tls is not None:
        from nbdicom.blocking.secure import SecureTransport  # OpenSSL is for those who use it

        tls.client_context  # noqa: B018  # a file that is missing is said before a connection is opened
    plain = connect(host, port, timeouts.connect, bind)
    if served_by_this_thread(port) and plain.is_within_this_machine:
        plain.close()
        raise ConnectionFailed(
            f"{join_address(host, port)} is a server in the event loop of this thread, and serves nobody while a call waits",
            hint="await AsyncPeer(...) or aio.associate(...), or call from another thread: asyncio.to_thread(...)",
        )
    connected = plain.since
    until = None if timeouts.association is None else connected + timeouts.association
    if tls is None:
        return plain, until
    connection = plain.detach()
    try:
        transport = SecureTransport(connection, tls, host)
        transport.handshake(until)
    except OSError as error:
        from nbdicom.tls import tls_failed

        connection.close()
        failed = tls_failed(error, host, port)
        failed.since = connected
        raise failed from error
    except BaseException:
        connection.close()
        raise
    return transport, until


def open_destination(
    driver: Driver, address: tuple[Any, ...], ae_title: str, instances: Sequence[StorableInstance]
) -> Association:
    """The second association of a C-MOVE that *driver* performs; our title is the one that its requestor called."""
    host, port, *tls = address
    return associate(
        (host, port),
        tls=tls[0] if tls else None,
        called=ae_title,
        calling=driver.negotiation.called_ae_title,
        contexts=storage_contexts(instances, driver.codec),
        timeouts=driver.timeouts,
        limits=driver.limits,
    )


class Association(Associated):
    """An established association.  As a context manager it is released at the end, or aborted by an exception.

    Not made by hand: `associate` or a server makes it.
    """

    _driver: Driver

    def __init__(self, driver: Driver, trace: Any = None) -> None:
        self._driver = driver
        self._verification: NegotiatedContext | None = None  # once it has been looked for
        self.trace = trace  #: what was recorded (`nbdicom.trace.Recorder`), or None

    # --------------------------------------------------------------------------- what it is

    @property
    def certificate(self) -> PeerCertificate | None:
        """The certificate that the peer showed (TLS); None where there is none."""
        return self._driver.transport.certificate

    def is_alive(self) -> bool:
        """True while operations can be invoked; looks at the connection, without waiting.

        While nobody waits for the peer nobody reads: that it has released or aborted is seen here.
        """
        self._driver.look()
        return self._driver.is_established

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None:
            self.release()
        else:
            self.abort()

    # --------------------------------------------------------------------------- operations

    def echo(self) -> Status:
        """Verify the peer (C-ECHO, PS3.4 Annex A).

        Raises
        ------
        NoPresentationContext, OperationFailed, OperationTimeout, AssociationError
        """
        if self._verification is None:
            self._verification = self._invoking.verification()
        message = self._driver.ask(echo_request(self._verification), "C-ECHO").message
        assert isinstance(message, CEchoRSP)
        if message.status != 0x0000:
            raise_for_status(message.status, "C-ECHO")
        return message.status

    def find(
        self,
        identifier: Any,
        *,
        model: str = "StudyRootQueryRetrieveInformationModelFind",
        priority: Priority = Priority.MEDIUM,
    ) -> Responses[Match]:
        """Query (C-FIND, PS3.4 C.4.1).

        Parameters
        ----------
        identifier : Dataset, mapping or bytes
            The query; a mapping has keywords and values.
        model : str
            The information model, as UID or keyword.
        priority : Priority
            Most peers ignore it.

        Returns
        -------
        Responses of Match
            The request is on the wire.  Leaving the loop early cancels the query (C-CANCEL).
        """
        return Responses(self._driver, self._invoking.find(identifier, model, priority))

    def store(
        self,
        instances: Iterable[StorableInstance | Any],
        *,
        originator: tuple[str, int] | None = None,
        priority: Priority = Priority.MEDIUM,
        transcode: bool = False,
    ) -> Responses[Stored]:
        """Send instances (C-STORE, PS3.4 Annex B), as many at once as the operations window allows.

        Parameters
        ----------
        instances : iterable
            Paths, Datasets or `StorableInstance` objects.
        originator : (str, int), optional
            AE title and Message ID of the C-MOVE that this belongs to.
        priority : Priority
            Most peers ignore it.
        transcode : bool
            Whether pixel data may be decoded, or encoded without loss, where the peer takes them in no other way
            (pydicom's codecs).  Without it that is an error; other conversions that lose nothing are always made.

        Returns
        -------
        Responses of Stored
            One for each instance, with the peer's status or the error that kept it from being sent.
        """
        from nbdicom.data.source import sendable

        return Responses(
            self._driver,
            self._invoking.store((sendable(item, transcode=transcode) for item in instances), originator, priority),
        )

    def get(
        self,
        identifier: Any,
        *,
        model: str = "StudyRootQueryRetrieveInformationModelGet",
        sink: Callable[[StoreRequest], DataSink] | None = None,
        store: Callable[[StoreRequest], Any] | None = None,
        priority: Priority = Priority.MEDIUM,
    ) -> Responses[ReceivedInstance | SubOperations]:
        """Retrieve on this association (C-GET, PS3.4 C.4.3); the storage contexts need the SCP role for us.

        Parameters
        ----------
        identifier : Dataset, mapping or bytes
            Level and unique keys.
        model : str
            The information model, as UID or keyword.
        sink : callable, optional
            Where the bytes of each instance go (`Handlers.sink`); without it they are collected in memory.
        store : callable, optional
            Called with each instance that is complete (`Handlers.store`); returns the status to answer, by default Success.
        priority : Priority
            Most peers ignore it.

        Returns
        -------
        Responses
            `ReceivedInstance` for every instance that arrived, `SubOperations` for the peer's counters.
        """
        handlers = self._driver.serving.handlers
        return Responses(self._driver, self._invoking.get(identifier, model, handlers, sink, store, priority))

    def move(
        self,
        identifier: Any,
        *,
        destination: str,
        model: str = "StudyRootQueryRetrieveInformationModelMove",
        priority: Priority = Priority.MEDIUM,
    ) -> Responses[SubOperations]:
        """Have the peer send instances to a third AE (C-MOVE, PS3.4 C.4.2).

        Parameters
        ----------
        identifier : Dataset, mapping or bytes
            Level and unique keys.
        destination : str
            AE title of the receiver; the peer must know its address.
        model : str
            The information model, as UID or keyword.
        priority : Priority
            Most peers ignore it.
        """
        return Responses(self._driver, self._invoking.move(identifier, destination, model, priority))

    # --------------------------------------------------------------------------- DIMSE-N

    def n_event_report(
        self,
        sop_class: str,
        sop_instance: str,
        event_type_id: int,
        event_information: Any = None,
        *,
        meta_sop_class: str | None = None,
    ) -> Reply:
        """Tell the peer what happened (N-EVENT-REPORT, PS3.7 10.1.1); we are the SCP of the service.

        On an association that we requested this needs the SCP role for us: propose
        ``PresentationContext(..., scu_role=False, scp_role=True)``.

        Parameters
        ----------
        sop_class, sop_instance : str
            SOP Class, as UID or keyword, and SOP Instance UID.
        event_type_id : int
            Which event, as the service defines it.
        event_information : Dataset, mapping or bytes, optional
            What belongs to the event.
        meta_sop_class : str, optional
            The abstract syntax of the context to use, such as a Meta SOP Class.  By default the SOP Class itself; where that
            was not negotiated, one that stands for it: a Meta SOP Class, or for a UPS the SOP Class that has the service.

        Returns
        -------
        Reply
            The status is Success or Warning.

        Raises
        ------
        OperationFailed, NoPresentationContext, DataSetError, OperationTimeout, AssociationError
        """
        return self._reply(
            self._invoking.n_event_report(sop_class, sop_instance, event_type_id, event_information, meta_sop_class)
        )

    def n_get(
        self,
        sop_class: str,
        sop_instance: str,
        attributes: Iterable[str | int] = (),
        *,
        meta_sop_class: str | None = None,
    ) -> Reply:
        """Get attributes of a SOP Instance (N-GET, PS3.7 10.1.2): keywords or tags; none given asks for all.

        The other parameters are those of `n_event_report`.
        """
        from nbdicom.data import tag_of

        names = [attributes] if isinstance(attributes, str | int) else attributes
        tags = tuple(map(tag_of, names))
        return self._reply(self._invoking.n_get(sop_class, sop_instance, tags, meta_sop_class))

    def n_set(
        self, sop_class: str, sop_instance: str, modification_list: Any, *, meta_sop_class: str | None = None
    ) -> Reply:
        """Modify attributes of a SOP Instance (N-SET, PS3.7 10.1.3).

        *modification_list* is a Dataset, mapping or bytes; the other parameters are those of `n_event_report`.
        """
        return self._reply(self._invoking.n_set(sop_class, sop_instance, modification_list, meta_sop_class))

    def n_action(
        self,
        sop_class: str,
        sop_instance: str,
        action_type_id: int,
        action_information: Any = None,
        *,
        meta_sop_class: str | None = None,
    ) -> Reply:
        """Have the peer do something with a SOP Instance (N-ACTION, PS3.7 10.1.4).

        *action_type_id* is defined by the service, *action_information* a Dataset, mapping or bytes that belongs to it; the
        other parameters are those of `n_event_report`.
        """
        return self._reply(
            self._invoking.n_action(sop_class, sop_instance, action_type_id, action_information, meta_sop_class)
        )

    def n_create(
        self,
        sop_class: str,
        attribute_list: Any = None,
        *,
        sop_instance: str | None = None,
        meta_sop_class: str | None = None,
    ) -> Reply:
        """Create a SOP Instance (N-CREATE, PS3.7 10.1.5).

        Without *sop_instance* the peer assigns the UID; ``Reply.sop_instance_uid`` has it.  *attribute_list* is a Dataset,
        mapping or bytes; the other parameters are those of `n_event_report`.
        """
        return self._reply(self._invoking.n_create(sop_class, attribute_list, sop_instance, meta_sop_class))

    def n_delete(self, sop_class: str, sop_instance: str, *, meta_sop_class: str | None = None) -> Reply:
        """Delete a SOP Instance (N-DELETE, PS3.7 10.1.6); the parameters are those of `n_event_report`."""
        return self._reply(self._invoking.n_delete(sop_class, sop_instance, meta_sop_class))

    def listen(self, timeout: float | None = None, *, until: Callable[[], object] | None = None) -> bool:
        """Serve the peer's requests (an N-EVENT-REPORT, a C-STORE) with the handlers that `associate` was given.

        Parameters
        ----------
        timeout : float, optional
            Seconds; None serves until the association is over.
        until : callable, optional
            Asked after each message; return early as soon as it is true.

        Returns
        -------
        bool
            Whether the association is still established.

        Raises
        ------
        AssociationAborted
            If it was aborted or the connection broke while we listened.
        """
        driver = self._driver
        deadline = None if timeout is None else time.monotonic() + timeout
        try:
            driver.wait(until or (lambda: False), None, "requests", until=deadline)
        except KeyboardInterrupt:
            if not driver.resumable:
                driver.abort()
            raise
        if driver.core.error is not None:
            driver.close()
            if isinstance(driver.core.error, AssociationAborted):
                raise driver.core.error
        return self.is_established

    def wait_until_served(self, timeout: float | None = None) -> bool:
        """Wait until another thread has answered the requests of the peer that are being performed.

        For an SCP that has to tell something on an association that its requestor uses: what was asked is answered first.

        Parameters
        ----------
        timeout : float, optional
            Seconds; None waits until they are answered or the association is over.

        Returns
        -------
        bool
            Whether the association is established and nothing waits for an answer of ours.
        """
        return self._driver.wait_until_served(timeout)

    def _reply(self, invoked: Invoked) -> Reply:
        responses: Responses[Reply] = Responses(self._driver, invoked)
        (reply,) = responses
        return reply

    # --------------------------------------------------------------------------- its end

    def release(self, timeout: float | None = None) -> None:
        """Release the association in order (PS3.8 7.2); aborts if the peer does not agree in *timeout* seconds.

        Without *timeout* it is `Timeouts.release`.  Does nothing if the association is over already.
        """
        self._driver.release(timeout)

    def drop(self) -> None:
        """Let go of the connection without a word: after a fork it belongs to the parent process."""
        self._driver.transport.close()

    def abort(self) -> None:
        """Abort the association (A-ABORT, PS3.8 7.3); does nothing if it is over already."""
        self._driver.abort()
