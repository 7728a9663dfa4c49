"""What makes an SCP: one function for each service, collected in a frozen `Handlers`.

A handler is a plain function (or a coroutine function, with the asyncio driver).  It gets the request and returns what is
documented here.  To refuse, raise `Refuse(status, comment)`.  Any other exception becomes a failure status, goes to the log
without data of the request, and the association goes on.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from nbdicom.core.identity import UserIdentity
from nbdicom.core.negotiation import Support
from nbdicom.core.pdu import AAssociateRQ, reject_in_words
from nbdicom.core.streams import DataSink
from nbdicom.operations.requests import (
    EchoRequest,
    FindRequest,
    NActionRequest,
    NCreateRequest,
    NDeleteRequest,
    NEventReportRequest,
    NGetRequest,
    NSetRequest,
    RetrieveRequest,
    StorableInstance,
    StoreRequest,
)

__all__ = ["Abort", "Handlers", "Reject", "known_users", "succeed"]


@dataclass(frozen=True, slots=True)
class Reject:
    """The triple of an A-ASSOCIATE-RJ (PS3.8 Table 9-21).

    Raises
    ------
    ValueError
        If the table does not have it.

    >>> Reject(1, 1, 9)
    Traceback (most recent call last):
    ...
    ValueError: no rejection of PS3.8 Table 9-21: rejected-permanent (1) by the service-user (1): reserved value (9)
    """

    result: int = 1
    source: int = 1
    reason_diag: int = 1

    def __post_init__(self) -> None:
        words = reject_in_words(self.result, self.source, self.reason_diag)
        if "reserved value" in words:
            raise ValueError(f"no rejection of PS3.8 Table 9-21: {words}")


@dataclass(frozen=True, slots=True)
class Abort:
    """No answer but an A-ABORT of the service user (PS3.8 7.3, 9.3.8), for a caller that is to be told nothing."""


def known_users(
    passcodes: Mapping[str, str], *, anonymous: bool = False
) -> Callable[[UserIdentity | None, AAssociateRQ], bool]:
    """A `Handlers.identity` that knows user names and passcodes (type 2, PS3.7 D.3.3.7).

    Parameters
    ----------
    passcodes : mapping
        User name to passcode.  An unknown name takes as long to refuse as a wrong passcode.
    anonymous : bool
        Also accept requestors that send no identity.

    Examples
    --------
    >>> users = known_users({"alice": "s3cret"})
    >>> users(UserIdentity.with_passcode("alice", "guess"), None)
    False
    """
    import secrets

    nobody = secrets.token_hex()

    def identity(identity: UserIdentity | None, rq: AAssociateRQ) -> bool:
        if identity is None:
            return anonymous
        known = passcodes.get(identity.name or "")
        right = identity.has_passcode(nobody if known is None else known)
        return right and known is not None

    return identity


def succeed(request: object) -> int:
    """The handler that has nothing against it: Success (PS3.7 C.1.1)."""
    return 0x0000


@dataclass(frozen=True, slots=True, kw_only=True)
class Handlers:
    """The services of an SCP; None answers "SOP Class not supported" (0122H), of DIMSE-N "Unrecognized operation" (0211H).

    Parameters
    ----------
    accept : callable, optional
        ``accept(rq, peer)`` is asked after the server's own checks of titles and limits: a `Support` to negotiate with
        instead of the server's, a `Reject`, an `Abort`, or None to leave it at that.
    identity : callable, optional
        ``identity(identity, rq)`` is given the `UserIdentity` of the requestor (None where it sent none, or one of a type
        that the standard does not define) and its A-ASSOCIATE-RQ.  True accepts, bytes accept and are the response that
        a Kerberos, SAML or JWT requestor may ask for, False rejects the association 1/2/1.  `known_users` makes one from
        names and passcodes.  Without it no identity is looked at, and none is confirmed (PS3.7 D.3.3.7).
    echo : callable
        ``echo(request) -> status``.
    sink : callable, optional
        ``sink(request) -> DataSink``: called when a C-STORE request has arrived, before its data set.  Without it the data
        set is collected in memory, up to `Limits.data_set`.  It and the sink are plain functions with either driver: bytes
        have to go somewhere while they come, and nobody can be awaited.  What has to be awaited belongs into ``store``.
    store : callable, optional
        ``store(request) -> status``: called when the data set is complete.  One that returns nothing is a mistake (C000H).
    find : callable, optional
        ``find(request)`` gives the matches one by one, each a Dataset, a mapping of keywords to values, or encoded bytes;
        a list of these are several that are there together, and are sent in one go.
        Its end means Success.  It may look at ``request.cancelled``; between matches that is done for it.
    get, move : callable, optional
        ``get(request)`` gives the instances to be sent, all of them (their number goes into the responses): paths,
        Datasets, or what is a `StorableInstance`.
    destination : callable, optional
        ``destination(ae_title)`` is the ``(host, port)`` of a C-MOVE destination, or ``(host, port, TLS)``; None if
        it is unknown (A801H).
    n_event_report, n_get, n_set, n_action, n_create, n_delete : callable, optional
        ``handler(request)`` returns None (Success), the data set of the response (Dataset, mapping or encoded bytes; then
        the status is Success), a status, or ``(status, data set or None)``.  N-GET needs a data set, N-DELETE has none.
        ``n_event_report`` is asked where the peer is the SCP, as after a storage commitment request of ours.

    Each service has one handler.  ``handlers | others`` joins the services of two; a service that both have is an error.

    Raises
    ------
    TypeError
        If a handler cannot be called.
    ValueError
        If two handlers are joined for one service.

    Examples
    --------
    >>> storage, printing = Handlers(store=succeed), Handlers(n_create=lambda request: None)
    >>> (storage | printing).n_create is printing.n_create
    True
    >>> storage | Handlers(store=succeed, find=lambda request: [])
    Traceback (most recent call last):
    ...
    ValueError: both have a handler for store; a service has one: let it look at the request and call the other
    """

    accept: Callable[[AAssociateRQ, str], Support | Reject | Abort | None] | None = None
    identity: Callable[[UserIdentity | None, AAssociateRQ], bool | bytes] | None = None
    echo: Callable[[EchoRequest], Any] | None = succeed
    sink: Callable[[StoreRequest], DataSink] | None = None
    store: Callable[[StoreRequest], Any] | None = None
    find: Callable[[FindRequest], Iterable[Any]] | None = None
    get: Callable[[RetrieveRequest], Iterable[StorableInstance | Any]] | None = None
    move: Callable[[RetrieveRequest], Iterable[StorableInstance | Any]] | None = None
    destination: Callable[[str], tuple[Any, ...] | None] | None = None
    n_event_report: Callable[[NEventReportRequest], Any] | None = None
    n_get: Callable[[NGetRequest], Any] | None = None
    n_set: Callable[[NSetRequest], Any] | None = None
    n_action: Callable[[NActionRequest], Any] | None = None
    n_create: Callable[[NCreateRequest], Any] | None = None
    n_delete: Callable[[NDeleteRequest], Any] | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            handler = getattr(self, field.name)
            if handler is not None and not callable(handler):
                raise TypeError(f"the handler for {field.name} is a {type(handler).__name__}, which cannot be called")
        if inspect.iscoroutinefunction(self.sink):
            raise TypeError("the handler for sink is a coroutine function; it takes bytes as they come: await in store")

    def __or__(self, other: Handlers) -> Handlers:
        """The services of both."""
        if not isinstance(other, Handlers):
            return NotImplemented
        mine, theirs = self._bound(), other._bound()
        if twice := ", ".join(name for name in mine if name in theirs):
            raise ValueError(
                f"both have a handler for {twice}; a service has one: let it look at the request and call the other"
            )
        return replace(self, **theirs)

    def _bound(self) -> dict[str, Any]:
        """The services that somebody has given a handler for."""
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: handler for name, handler in given.items() if handler is not _DEFAULTS.get(name)}


_DEFAULTS = {field.name: field.default for field in fields(Handlers)}
