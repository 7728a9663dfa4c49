"""An acceptor: a thread for each association, and one that waits for the next (PS3.8 7.1, 9.2).

Everything that a peer can delay (its association request first of all) happens in the thread of its own association and
under a deadline, so that a silent peer keeps nobody else out.  Nothing polls.

Connections that are no association (half-open ones, and those that are ending) are counted apart from associations.  When
there are too many, the oldest of the host that has most of them makes room: a flood pushes out itself.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable
from contextvars import copy_context
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from nbdicom.address import cannot_listen, join_address
from nbdicom.blocking.association import Association, open_destination
from nbdicom.blocking.attending import Attendant
from nbdicom.blocking.driver import Driver
from nbdicom.blocking.turns import Turns
from nbdicom.config import Limits, OperationsWindow, Timeouts
from nbdicom.core.negotiation import ContextLike, Support
from nbdicom.core.trace import Trace, Tracer, tracers
from nbdicom.errors import AssociationError, ConnectionFailed, OperationTimeout
from nbdicom.memory import Connection, is_memory
from nbdicom.operations.accepting import Acceptor, Served
from nbdicom.operations.handlers import Handlers
from nbdicom.privacy import trace_of, words_of
from nbdicom.running import deaf, listening, network
from nbdicom.table import printable
from nbdicom.trace.observing import recorder_of

if TYPE_CHECKING:
    import socket

    from nbdicom.blocking.transport import Transport
    from nbdicom.blocking.unserved import Unserved
    from nbdicom.tls import TLS

__all__ = ["Server"]

_log = logging.getLogger("nbdicom.server")
#: Seconds of a wait in the kernel: an association that does nothing looks at the clock once, and sleeps on.
_PATIENCE = 10.0


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
        self._listener: _Listener | None = None
        self._lock = threading.Lock()
        self._ended = threading.Condition(self._lock)  # a connection has
        self._open = False  # new connections are let in
        # In the order of their coming, those in memory by their attendants.
        self._served: dict[object, Served[Driver]] = {}
        self._turns = Turns()
        self._chores: deque[Callable[[], object]] = deque()  # in memory: what `later` was given

    # --------------------------------------------------------------------------- life

    def start(self) -> Self:
        """Listen.

        Raises
        ------
        ConnectionFailed
            If the address cannot be listened on; the cause is the system's error.
        """
        host, port = self._requested
        if self.tls is not None:
            self.tls.server_context  # noqa: B018  # a file that is missing is said now, not to the first caller
        try:
            with self._lock:
                if self._listener is not None:
                    return self
                self._listener = self._listen(host, port)
                self._open = True
        except (OSError, OverflowError) as error:
            raise cannot_listen(error, host, port) from error
        self.tracers = tracers.get()
        listening(self)
        return self

    def _listen(self, host: str, port: int) -> _Listener:
        if is_memory(host):
            if self.tls is not None:
                raise ConnectionFailed("TLS secures nothing in memory", hint="leave tls out, or listen on an address")
            return _MemoryListener(host, port, self._begin_in_memory)
        from nbdicom.blocking.listener import SocketListener

        return SocketListener(
            host, port, self._serve_connection, full=self._is_full, reject=self._rejecting, name=self.ae_title
        )

    def _is_full(self) -> bool:
        with self._lock:
            return self.is_full(self._served.values())

    def _rejecting(self, connection: socket.socket) -> Unserved | None:
        """What rejects a connection without a thread; with TLS nothing can be said before a handshake, so it is closed."""
        from nbdicom.blocking.unserved import Unserved

        if self.tls is None:
            return Unserved(connection, self.new_core(time.monotonic), self.timeouts.artim)
        connection.close()
        return None

    @property
    def address(self) -> tuple[str, int]:
        """Host and port that it listens on (the requested ones before `start`)."""
        return self._requested if self._listener is None else self._listener.address

    @property
    def associations(self) -> list[Association]:
        """The associations that are established now."""
        with self._lock:
            return [Association(one.driver) for one in self._served.values() if one.driver.is_established]

    def wait_until_left(self, timeout: float | None = None, *, connections: int = 0) -> bool:
        """Wait until no more than so many connections are served, at most *timeout* seconds; whether that is so."""
        with self._ended:
            return self._ended.wait_for(lambda: len(self._served) <= connections, timeout)

    def close(self, timeout: float = 5.0) -> None:
        """Stop listening, abort the associations, and wait for their threads, at most *timeout* seconds."""
        deadline = time.monotonic() + timeout
        with self._lock:
            listener, self._listener = self._listener, None
            if listener is None:
                return
            self._open = False
            live = dict(self._served)
        deaf(self)
        listener.close()
        for worker, one in live.items():
            if isinstance(worker, Attendant):
                worker.stop("the server is closing")
            else:
                one.driver.request_end("the server is closing")
        listener.join(deadline)
        with self._ended:  # in memory a handler may be at work in a thread of somebody's
            busy = [worker for worker in live if isinstance(worker, Attendant) and worker.is_busy_elsewhere]
            self._ended.wait_for(
                lambda: not any(worker in self._served for worker in busy), max(0.0, deadline - time.monotonic())
            )

    def drop(self) -> None:
        """Let go of all sockets without a word: after a fork they belong to the parent process.

        Where it listens is still known here: a process that was forked may want to call the server.
        """
        listener, self._listener = self._listener, None
        served, self._served = self._served, {}
        self._lock = threading.Lock()  # the parent's may have been taken
        self._ended = threading.Condition(self._lock)
        for worker, one in served.items():
            if not isinstance(worker, Attendant):
                one.driver.transport.close()
        if listener is not None:
            self._requested = listener.address
            listener.drop()

    def later(self, function: Callable[..., object], *args: Any) -> None:
        """Have ``function(*args)`` called after a handler has returned: what it tells a peer goes out after the answer.

        It is called in a thread of its own; in memory by whoever waits for one of our associations.  That is how a report is
        sent on the association that asked for it, which is busy while the handler runs (PS3.4 J.3.3).  What it raises goes
        to the log.

        Parameters
        ----------
        function : callable
            `Association.n_event_report` of one of `associations`, for instance.
        *args
            What it is called with.
        """
        # Who records the request records what follows from it.
        work = partial(copy_context().run, self._do_later, function, args)
        if is_memory(self._requested[0]):
            self._chores.append(work)
        else:
            threading.Thread(target=work, name=f"nbdicom {self.ae_title} later", daemon=True).start()

    def _do_later(self, function: Callable[..., object], args: tuple[Any, ...]) -> None:
        try:
            function(*args)
        except Exception as error:  # nobody waits for it: the peer may be gone, say
            _log.warning("%s: what was put off failed: %s", self.ae_title, words_of(error))
            _log.debug("%s", trace_of(error))

    def _do_chores(self) -> None:
        for _ in range(len(self._chores)):  # what is put off meanwhile has to wait
            try:
                chore = self._chores.popleft()
            except IndexError:
                break  # another thread was faster
            chore()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    # --------------------------------------------------------------------------- work

    def _serve_connection(self, connection: socket.socket, address: tuple[str, int]) -> None:
        """In the thread of this connection, from its first byte to its last."""
        served = self._admit_connection(self._transport(connection), address)
        if served is not None:
            self._serve(served, address)

    def _begin_in_memory(self, connection: Connection, address: tuple[str, int]) -> None:
        """Nobody serves it in a thread: who waits for its answers does its work."""
        served = self._admit_connection(connection, address)
        if served is None:
            return
        driver = served.driver

        def over() -> None:
            served.admitted = False
            with self._lock:
                self._served.pop(attendant, None)
                self._ended.notify_all()

        attendant = Attendant(driver, lambda: self._answer(served, address), over, self._do_chores)
        with self._lock:
            self._served[attendant] = self._served.pop(served)
            closing = not self._open
            waiting = [worker for worker in self._served if isinstance(worker, Attendant)]
        connection.driver, connection.work, connection.pass_time = driver, attendant.step, attendant.pass_time
        driver.connected()
        if closing:  # since it was admitted, by another thread
            attendant.stop("the server is closing")
        for other in waiting:
            other.step()  # no time passes by itself: those that are idle for too long end now

    def _admit_connection(self, transport: Transport | Connection, address: tuple[str, int]) -> Served[Driver] | None:
        """A driver for a connection, which counts from now on, if there is room for one."""
        driver = Driver(
            self.new_core(time.monotonic),
            transport,
            peer=join_address(*address),
            handlers=self.handlers,
            timeouts=self.timeouts,
            limits=self.limits,
            open_destination=open_destination,
            turns=self._turns,
        )
        served = Served(driver, address[0])
        with self._lock:
            # Looked at and counted in one go: of those that come at the same moment each sees the others.
            full = not self._open or self.is_full(self._served.values())
            evicted = self.evict(self._served.values())
            if not full:
                self._served[served] = served
        if evicted is not None:
            _log.info("%s: too many half-open connections from %s: the oldest is closed", self.ae_title, evicted.host)
            evicted.driver.request_end("too many connections without an association")
        if full:
            transport.close()
            return None
        return served

    def _transport(self, connection: socket.socket) -> Transport:
        from nbdicom.blocking import transport

        if self.tls is None:
            limits = (_PATIENCE, (self.timeouts.idle or 2 * _PATIENCE) / 2, self.timeouts.artim / 2)
            return transport.Transport(connection, min(limits))
        from nbdicom.blocking.secure import SecureTransport

        return SecureTransport(connection, self.tls, None)

    def _serve(self, served: Served[Driver], address: tuple[str, int]) -> None:
        driver = served.driver
        tracers.set(self.tracers)  # what this association opens in its turn (C-MOVE) is recorded, too
        try:
            self._admit(served, address)
            if driver.is_established:
                driver.serve()
        except (AssociationError, OperationTimeout) as error:  # the peer's doing
            _log.info("%s: association with %s: %s", self.ae_title, driver.peer, printable(error.message))
        except Exception as error:
            # Its kind only: the text of an error may quote a patient's data.
            _log.error("%s: association with %s failed: %s", self.ae_title, driver.peer, type(error).__name__)
            _log.debug("%s", trace_of(error))
        finally:
            served.admitted = False
            driver.abort()
            with self._lock:
                self._served.pop(served, None)
                self._ended.notify_all()

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
            if (fault := core.upper_layer.fault) is not None:
                _log.info("%s: no association with %s: %s", self.ae_title, driver.peer, printable(fault.message))
            driver.close()
            return
        self._answer(served, address, titles)

    def _answer(self, served: Served[Driver], address: tuple[str, int], titles: Collection[str] | None = None) -> None:
        """Answer the association request that has come."""
        driver = served.driver
        core = driver.core
        assert core.associate_rq is not None
        with self._lock:
            room = self.reserve(served, self._served.values())
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


class _Listener(Protocol):
    """What listens, wherever."""

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        ...

    def close(self) -> None:
        """Stop listening."""
        ...

    def join(self, deadline: float) -> None:
        """Wait for the threads that served, until *deadline* at most."""
        ...

    def drop(self) -> None:
        """Let go of the sockets without a word."""
        ...


class _MemoryListener:
    """Listens in the memory of this process."""

    def __init__(self, host: str, port: int, begin: Callable[[Connection, tuple[str, int]], None]) -> None:
        self.address = host, network.listen(port, begin)

    def close(self) -> None:
        """Stop listening."""
        network.deaf(self.address[1])

    def join(self, deadline: float) -> None:
        """Nobody works in a thread."""

    def drop(self) -> None:
        """There are no sockets."""
