"""An acceptor in an event loop: one task for each association (PS3.8 7.1, 9.2).

Everything that a peer can delay happens in the task of its own association and under a deadline.  Handlers that are plain
functions run in a thread of their association, so that a slow one delays nobody else.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
from collections.abc import Callable, Coroutine, Iterable
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from nbdicom.address import BACKLOG, cannot_listen, listening_socket
from nbdicom.aio.association import Association, open_destination
from nbdicom.aio.driver import Driver
from nbdicom.aio.memory import Listener
from nbdicom.aio.opening import Opening
from nbdicom.config import Limits, OperationsWindow, Timeouts
from nbdicom.core.negotiation import ContextLike, Support
from nbdicom.core.trace import Trace, Tracer, tracers
from nbdicom.errors import AssociationAborted, AssociationError, ConnectionFailed, OperationTimeout
from nbdicom.memory import is_memory
from nbdicom.operations.accepting import Acceptor, Served
from nbdicom.operations.handlers import Handlers
from nbdicom.privacy import trace_of
from nbdicom.running import deaf, in_loop, listening
from nbdicom.table import printable
from nbdicom.trace.observing import recorder_of

if TYPE_CHECKING:
    import ssl

    from nbdicom.tls import TLS

__all__ = ["Server", "serve"]

_log = logging.getLogger("nbdicom.server")


def serve(handlers: Handlers, **options: Any) -> Opening[Server]:
    """A `Server` that listens, to be awaited or entered with ``async with``; nothing happens before.

    Parameters
    ----------
    handlers : Handlers
        The services; coroutine functions and asynchronous generators are welcome.
    **options
        Those of `Server`.

    Raises
    ------
    ConnectionFailed
        If the address cannot be listened on.
    """
    return Opening(Server(handlers, **options).start, Server.__aexit__)


class Server(Acceptor):
    """Serve associations with *handlers* in the running event loop.

    Parameters
    ----------
    handlers : Handlers
        The services.  Coroutine functions run in the loop.  Plain functions run in a thread, one for each association, in
        which the handlers of that association follow one another; only ``sink`` is called in the loop, since bytes must go
        somewhere at once.
    ae_title : str
        Our AE title.
    contexts : iterable or Support
        What is supported, like in `associate`.
    host : str
        Address to listen on; loopback unless you say otherwise.
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
        self.tls = tls
        self._requested = (host, port)
        self._listener: asyncio.Server | Listener | None = None
        self._address: tuple[str, int] = self._requested
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = 0  # of the loop
        self._served: dict[asyncio.Task[None], Served[Driver]] = {}  # in the order of their coming

    # --------------------------------------------------------------------------- life

    async def start(self) -> Self:
        """Listen.

        Raises
        ------
        ConnectionFailed
            If the address cannot be listened on; the cause is the system's error.
        """
        if self._listener is not None:
            return self
        host, port = self._requested
        try:
            self._listener, self._address = await self._listen(host, port)
        except (OSError, OverflowError) as error:
            raise cannot_listen(error, host, port) from error
        self.tracers = tracers.get()
        listening(self)
        return self

    async def _listen(self, host: str, port: int) -> tuple[asyncio.Server | Listener, tuple[str, int]]:
        if is_memory(host):
            if self.tls is not None:
                raise ConnectionFailed("TLS secures nothing in memory", hint="leave tls out, or listen on an address")
            listener = Listener(host, port, self._connection)
            return listener, listener.address
        factory: Callable[[], asyncio.BaseProtocol] = self._connection
        if self.tls is not None:
            context = self.tls.new_server_context(self._not_secured)  # may fail: no socket yet
            factory = lambda: _Unsecured(partial(self._begin_securing, context))  # noqa: E731
        server = await asyncio.get_running_loop().create_server(
            factory,
            # One socket for both families, not one for each: with port 0 they would have two ports.
            sock=listening_socket(host, port),
            backlog=BACKLOG,
        )
        address: tuple[str, int] = server.sockets[0].getsockname()[:2]
        self._loop, self._thread = asyncio.get_running_loop(), threading.get_ident()
        in_loop(self, address[1])
        return server, address

    def is_served_by(self, thread: int) -> bool:
        """Whether it needs *thread*, in which its event loop runs, to answer."""
        return self._listener is not None and thread == self._thread and not (self._loop and self._loop.is_closed())

    @property
    def address(self) -> tuple[str, int]:
        """Host and port that it listens on (the requested ones before `start`)."""
        return self._requested if self._listener is None else self._address

    @property
    def associations(self) -> list[Association]:
        """The associations that are established now."""
        return [Association(one.driver) for one in self._served.values() if one.driver.is_established]

    async def close(self, timeout: float = 5.0) -> None:
        """Stop listening, abort the associations, and wait for their handlers, at most *timeout* seconds."""
        if self._listener is None:
            return
        listener, self._listener = self._listener, None
        listener.close()
        deaf(self)
        live = list(self._served.values())
        await asyncio.gather(*(one.driver.stop("the server is closing", timeout) for one in live))
        if self._served:
            await asyncio.wait(list(self._served), timeout=timeout)

    def drop(self) -> None:
        """After a fork it belongs to the parent process, and to its loop, which nothing here may touch."""
        self._requested, self._listener = self.address, None
        self._served = {}

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    # --------------------------------------------------------------------------- work

    def _not_secured(self, error: Exception) -> None:
        """A handshake has failed; asyncio does not tell whose."""
        from nbdicom.tls import why_tls_failed

        _log.info("%s: no association: %s", self.ae_title, why_tls_failed(error)[0])

    def _connection(self, accepted: Callable[[Driver], None] | None = None) -> Driver:
        context = contextvars.copy_context()
        context.run(tracers.set, self.tracers)  # what it opens in its turn (C-MOVE) is recorded, too
        return Driver(
            self.new_core(asyncio.get_running_loop().time),
            handlers=self.handlers,
            timeouts=self.timeouts,
            limits=self.limits,
            open_destination=open_destination,
            accepted=accepted or self._begin,
            context=context,
            tls=self.tls,
        )

    def _begin(self, driver: Driver) -> None:
        """A connection stands that is not secured, or needs not be."""
        assert driver.transport is not None
        self._take_in(driver, driver.transport, None)

    def _begin_securing(self, context: ssl.SSLContext, plain: _Unsecured, transport: asyncio.Transport) -> None:
        """A connection stands on which TLS has to be spoken first: it is half-open from now on."""
        driver = self._connection(lambda driver: None)
        driver.calls_from(transport)
        self._take_in(driver, transport, partial(self._secure, driver, context, plain, transport))

    def _take_in(
        self, driver: Driver, transport: asyncio.Transport, secure: Callable[[], Coroutine[Any, Any, bool]] | None
    ) -> None:
        crowd = self._served.values()
        if (evicted := self.evict(crowd)) is not None:
            _log.info("%s: too many half-open connections from %s: the oldest is closed", self.ae_title, evicted.host)
            evicted.driver.abort(AssociationAborted("too many connections without an association"))
        if self.is_full(crowd):
            transport.abort()
            return
        served = Served(driver, driver.caller[0])
        task = driver.loop.create_task(self._serve(served, secure))
        self._served[task] = served
        task.add_done_callback(self._served.pop)

    async def _secure(
        self, driver: Driver, context: ssl.SSLContext, plain: _Unsecured, transport: asyncio.Transport
    ) -> bool:
        """The handshake, under ARTIM as everything before an association; whether it succeeded."""
        try:
            secured = await driver.loop.start_tls(
                transport, plain, context, server_side=True, ssl_handshake_timeout=self.timeouts.artim
            )
        except OSError as error:  # why a handshake failed the context has told, before the alert went out
            transport.abort()
            driver.connection_lost(error)
            return False
        except BaseException:
            transport.abort()
            driver.connection_lost(None)
            raise
        if secured is None:  # it was closed meanwhile: evicted, say
            driver.connection_lost(None)
            return False
        plain.hand_over(secured, driver)
        return True

    async def _serve(self, served: Served[Driver], secure: Callable[[], Coroutine[Any, Any, bool]] | None) -> None:
        driver = served.driver
        try:
            if secure is not None and not await secure():
                return
            await self._admit(served)
            if driver.is_established:
                await driver.serve()
        except (AssociationError, OperationTimeout) as error:  # the peer's doing
            _log.info("%s: association with %s: %s", self.ae_title, driver.peer, printable(error.message))
        except Exception as error:
            # Its kind only: the text of an error may quote a patient's data.
            _log.error("%s: association with %s failed: %s", self.ae_title, driver.peer, type(error).__name__)
            _log.debug("%s", trace_of(error))
        finally:
            driver.abort()

    async def _admit(self, served: Served[Driver]) -> None:
        """Wait for the association request (ARTIM bounds it) and answer it."""
        driver = served.driver
        core = driver.core
        await driver.wait(lambda: core.associate_rq is not None, None, what="A-ASSOCIATE-RQ")
        if core.associate_rq is None or core.error is not None:
            if (fault := core.upper_layer.fault) is not None:
                _log.info("%s: no association with %s: %s", self.ae_title, driver.peer, printable(fault.message))
            await driver.close()
            return
        titles = None if self.tls is None else self.tls.titles_of(driver.certificate)
        room = self.reserve(served, self._served.values())
        judge = partial(self.admission.judge, core.associate_rq, driver.caller, full=not room, titles=titles)
        # Checks of the user may block, as a look into a directory does.
        verdict = await driver.in_thread(judge) if self.admission.asks else judge()
        if core.error is not None or core.associate_rq is None:
            await driver.close()  # the peer did not wait for the answer
            return
        words = verdict.give(core)
        _log.log(logging.ERROR if verdict.is_mistake else logging.INFO, "%s: %s", self.ae_title, words)
        if verdict.is_mistake:
            assert verdict.failure is not None
            _log.debug("%s", trace_of(verdict.failure))
        driver.changed()


class _Unsecured(asyncio.Protocol):
    """A connection until its TLS handshake is done; *begin* is given it and the transport.

    What comes with the end of the handshake is kept for the driver, whose turn it is then.
    """

    def __init__(self, begin: Callable[[_Unsecured, asyncio.Transport], None]) -> None:
        self._begin = begin
        self._came: list[bytes] = []
        self._ended = False
        self._lost: list[Exception | None] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Nothing is read before the handshake begins."""
        assert isinstance(transport, asyncio.Transport)
        transport.pause_reading()
        self._begin(self, transport)

    def data_received(self, data: bytes) -> None:
        """The handshake is done."""
        self._came.append(data)

    def eof_received(self) -> bool:
        """It was done for nothing."""
        self._ended = True
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over already."""
        self._lost.append(exc)

    def hand_over(self, secured: asyncio.Transport, driver: Driver) -> None:
        """From now on it is the driver's."""
        secured.set_protocol(driver)
        driver.connection_made(secured)
        for data in self._came:
            view = memoryview(data)
            while view and not driver.closed:
                window = driver.get_buffer(len(view))
                size = min(len(window), len(view))
                window[:size] = view[:size]
                driver.buffer_updated(size)
                view = view[size:]
        if self._ended:
            driver.eof_received()
        for error in self._lost:
            driver.connection_lost(error)
