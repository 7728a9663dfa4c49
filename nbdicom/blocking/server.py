"""An acceptor: one thread that accepts connections, one for each association (PS3.8 7.1, 9.2).

Everything that a peer can delay (its association request first of all) happens in the thread of its own association and
under a deadline, so that a silent peer keeps nobody else out.  Nothing polls.

Connections that are no association (half-open ones, and those that are ending) are counted apart from associations.  When
there are too many, the oldest of the host that has most of them makes room: a flood pushes out itself.
"""

from __future__ import annotations

import logging
import select
import socket
import threading
import time
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Self

from nbdicom.address import join_address
from nbdicom.blocking.association import Association, open_destination
from nbdicom.blocking.driver import Driver
from nbdicom.blocking.transport import Transport
from nbdicom.config import Limits, OperationsWindow, Timeouts
from nbdicom.core.negotiation import ContextLike, Support
from nbdicom.core.trace import Trace, Tracer, tracers
from nbdicom.errors import AssociationError, ConnectionFailed
from nbdicom.operations.accepting import Acceptor, Served
from nbdicom.operations.handlers import Handlers
from nbdicom.privacy import trace_of
from nbdicom.servers import deaf, listening
from nbdicom.table import Table, printable
from nbdicom.trace.recorder import recorder_of

if TYPE_CHECKING:
    import pandas

    from nbdicom.tls import TLS

__all__ = ["Server"]

_log = logging.getLogger("nbdicom.server")
_BACKLOG = 128


class Server(Acceptor):
    """Serve associations with *handlers*.

    Parameters
    ----------
    handlers : Handlers
        The services.
    ae_title : str
        Our AE title.
    contexts : iterable or Support
        What is supported, like in `associate`.
    host : str
        Name or address to listen on; loopback unless you say otherwise.  ``""`` is every address, IPv4 and IPv6.
    port : int
        0 takes a free one; ``address`` tells which.
    any_called : bool
        Also serve requests that call another title.
    calling : callable, optional
        ``calling(ae_title, host) -> bool``: who may call; None lets everybody.
    window : OperationsWindow, optional
        How many operations we agree to perform (and to invoke) at once; by default what `Support` says.
    tls : TLS, optional
        Serve associations that are secured by it, and no others (PS3.15 Annex B).
    timeouts, limits : optional
        See `nbdicom.config`.
    trace : bool, Recorder or callable, optional
        True records all associations in ``server.trace``; a callable gets every `TraceEvent`.

    Examples
    --------
    >>> with Server(Handlers(), ae_title="ECHO", contexts=["Verification"]) as server:
    ...     server.ae_title
    'ECHO'
    """

    def __init__(
        self,
        handlers: Handlers,
        *,
        ae_title: str,
        contexts: Iterable[ContextLike] | Support,
        host: str = "127.0.0.1",
        port: int = 0,
        any_called: bool = False,
        calling: Callable[[str, str], bool] | None = None,
        window: OperationsWindow | None = None,
        tls: TLS | None = None,
        timeouts: Timeouts | None = None,
        limits: Limits | None = None,
        trace: Trace | Tracer | bool | None = None,
    ) -> None:
        self.tls = tls
        super().__init__(
            handlers,
            ae_title=ae_title,
            contexts=contexts,
            any_called=any_called,
            calling=calling,
            window=window,
            timeouts=timeouts,
            limits=limits,
            trace=recorder_of(trace),
        )
        self._requested = (host, port)
        self._listener: socket.socket | None = None
        self._wake: tuple[socket.socket, socket.socket] | None = None
        self._accepting: threading.Thread | None = None
        self._lock = threading.Lock()
        self._threads: dict[threading.Thread, Served[Driver]] = {}  # in the order of their coming
        self._closing = False

    # --------------------------------------------------------------------------- life

    def start(self) -> Self:
        """Listen.

        Raises
        ------
        ConnectionFailed
            If the address cannot be listened on; the cause is the system's error.
        """
        if self._listener is not None:
            return self
        host, port = self._requested
        if self.tls is not None:
            self.tls.server_context  # noqa: B018  # a file that is missing is said now, not to the first caller
        try:
            self._listener = _listen(host, port)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise ConnectionFailed(
                f"cannot listen on {join_address(host, port)}: {reason}",
                hint="choose another port (0 takes a free one) or host",
            ) from error
        self._listener.setblocking(False)
        self._closing = False
        self.tracers = tracers.get()
        listening(self)
        self._wake = socket.socketpair()
        self._accepting = threading.Thread(
            target=self._accept, args=(self._listener, self._wake[0]), name=f"nbdicom {self.ae_title}", daemon=True
        )
        self._accepting.start()
        return self

    @property
    def address(self) -> tuple[str, int]:
        """Host and port that it listens on (the requested ones before `start`)."""
        if self._listener is None:
            return self._requested
        host, port = self._listener.getsockname()[:2]
        return host, port

    @property
    def running(self) -> bool:
        """True between `start` and `close`."""
        return self._listener is not None

    @property
    def associations(self) -> list[Association]:
        """The associations that are established now."""
        with self._lock:
            return [Association(one.driver) for one in self._threads.values() if one.driver.is_established]

    def close(self, timeout: float = 5.0) -> None:
        """Stop listening, abort the associations, and wait for their threads, at most *timeout* seconds."""
        if self._listener is None or self._wake is None or self._accepting is None:
            return
        self._closing = True
        deadline = time.monotonic() + timeout
        deaf(self)
        self._wake[1].send(b"\0")
        self._accepting.join(timeout)
        self._listener.close()
        for end in self._wake:
            end.close()
        self._listener = self._wake = self._accepting = None
        with self._lock:
            live = dict(self._threads)
        for one in live.values():
            one.driver.request_end("the server is closing")
        for thread in live:
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - time.monotonic()))

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def table(self) -> Table:
        """The associations that are established now."""
        associations = [(a.peer, a.negotiation) for a in self.associations]
        return self.table_of(self.address, self.running, associations)

    def __repr__(self) -> str:
        return str(self.table()) if self.associations else f"<Server {self.table().title}>"

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()

    def to_frame(self) -> pandas.DataFrame:
        """The associations that are established now, as a DataFrame."""
        return self.table().to_frame()

    # --------------------------------------------------------------------------- work

    def _accept(self, listener: socket.socket, wake: socket.socket) -> None:
        while not self._closing:
            select.select([listener, wake], [], [])
            if self._closing:
                return
            try:
                connection, address = listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                continue
            except OSError as error:
                # Out of descriptors, say: the connections wait in the backlog; a moment later there may be room.
                _log.warning("%s: cannot accept a connection: %s", self.ae_title, error.strerror)
                select.select([wake], [], [], 0.1)
                continue
            try:
                # On a socket for both families a caller from IPv4 has an IPv6 address that contains its own.
                self._begin(connection, (address[0].removeprefix("::ffff:"), address[1]))
            except (OSError, RuntimeError) as error:
                _log.warning("%s: cannot serve a connection: %s", self.ae_title, type(error).__name__)
                connection.close()

    def _begin(self, connection: socket.socket, address: tuple[str, int]) -> None:
        with self._lock:
            full = self.is_full(self._threads.values())
            evicted = self.evict(self._threads.values())
        if evicted is not None:
            _log.info("%s: too many half-open connections from %s: the oldest is closed", self.ae_title, evicted.host)
            evicted.driver.request_end("too many connections without an association")
        if full:
            connection.close()
            return
        driver = Driver(
            self.new_core(time.monotonic),
            self._transport(connection),
            peer=join_address(*address),
            handlers=self.handlers,
            timeouts=self.timeouts,
            limits=self.limits,
            open_destination=open_destination,
        )
        served = Served(driver, address[0])
        thread = threading.Thread(
            target=self._serve, args=(served, address), name=f"nbdicom {self.ae_title} {address}", daemon=True
        )
        with self._lock:
            self._threads[thread] = served
        try:
            thread.start()
        except RuntimeError:
            with self._lock:
                del self._threads[thread]
            driver.abort()
            raise

    def _transport(self, connection: socket.socket) -> Transport:
        if self.tls is None:
            return Transport(connection)
        from nbdicom.blocking.secure import SecureTransport

        return SecureTransport(connection, self.tls, None)

    def _serve(self, served: Served[Driver], address: tuple[str, int]) -> None:
        driver = served.driver
        tracers.set(self.tracers)  # what this association opens in its turn (C-MOVE) is recorded, too
        try:
            self._admit(served, address)
            if driver.is_established:
                driver.serve()
        except AssociationError as error:
            _log.info("%s: association with %s: %s", self.ae_title, driver.peer, printable(error.message))
        except Exception as error:
            # Its kind only: the text of an error may quote a patient's data.
            _log.error("%s: association with %s failed: %s", self.ae_title, driver.peer, type(error).__name__)
            _log.debug("%s", trace_of(error))
        finally:
            served.admitted = False
            driver.abort()
            with self._lock:
                self._threads.pop(threading.current_thread(), None)

    def _admit(self, served: Served[Driver], address: tuple[str, int]) -> None:
        """Wait for the association request (ARTIM bounds it) and answer it."""
        driver = served.driver
        core = driver.core
        titles = None
        if self.tls is not None:
            try:
                # In this thread and under ARTIM: who is silent, or speaks something else, keeps nobody out.
                driver.transport.handshake(time.monotonic() + self.timeouts.artim)
            except OSError as error:
                from nbdicom.tls import why_tls_failed

                _log.info("%s: no association with %s: %s", self.ae_title, driver.peer, why_tls_failed(error)[0])
                driver.transport.close()
                return
            titles = self.tls.titles_of(driver.transport.certificate)
        driver.connected()
        driver.wait(lambda: core.associate_rq is not None, None, what="A-ASSOCIATE-RQ")
        if core.associate_rq is None or core.error is not None:
            driver.close()
            return
        with self._lock:
            room = self.reserve(served, self._threads.values())
        verdict = self.admission.judge(core.associate_rq, address, full=not room, titles=titles)
        words = verdict.give(core)
        _log.log(logging.ERROR if verdict.is_mistake else logging.INFO, "%s: %s", self.ae_title, words)
        if verdict.is_mistake:
            assert verdict.failure is not None
            _log.debug("%s", trace_of(verdict.failure))
        if core.is_established:
            driver.flush()
        else:
            served.admitted = False
            driver.close()


def _listen(host: str, port: int) -> socket.socket:
    """A socket that listens; on every address of both families where *host* says "every"."""
    if host in ("", "::") and socket.has_dualstack_ipv6():
        return socket.create_server(("", port), family=socket.AF_INET6, backlog=_BACKLOG, dualstack_ipv6=True)
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, *_, address = found[0]
    return socket.create_server(address[:2], family=family, backlog=_BACKLOG)
