"""A recording as the peer of a live application: `FakePeer` is its SCP, `replay` its SCU."""

from __future__ import annotations

import os
import select
import socket
import threading
from types import TracebackType
from typing import Any, Self

from nbdicom.address import cannot_listen, join_address, listening_socket, socket_address, split_entity
from nbdicom.blocking.transport import Transport, connect
from nbdicom.core import pdu as p
from nbdicom.core.upper_layer import Role
from nbdicom.errors import TranscriptError
from nbdicom.playback.player import Player, Wire
from nbdicom.playback.script import ReplayReport, script
from nbdicom.table import Table, Tabular, counted, printable
from nbdicom.trace.recording import Recording
from nbdicom.trace.transcript import load

__all__ = ["FakePeer", "replay"]


def _recording(source: Recording | str | os.PathLike[str]) -> Recording:
    return source if isinstance(source, Recording) else load(source)


def replay(recording: Recording | str | os.PathLike[str], to: Any, *, timeout: float = 30.0) -> list[ReplayReport]:
    """Play the requestor's side of a recording against an SCP, connection after connection.

    Parameters
    ----------
    recording : Recording or path
        What was recorded, or a transcript.  In a redacted one queries ask for ``XXXX``: a PACS will answer otherwise.
    to : str or object
        ``"AET@host:port"``, or what has such an ``address``.
    timeout : float
        Seconds to wait for each thing that is to be heard.

    Returns
    -------
    list of ReplayReport
        One for each recorded connection.

    Raises
    ------
    TranscriptError
        If what has to be said was not recorded whole.
    ConnectionFailed
        If there is no connection.

    Examples
    --------
    >>> import nbdicom as nd
    >>> with nd.Server(nd.Handlers(), ae_title="ECHO", contexts=["Verification"]) as server:
    ...     peer = nd.Peer("ECHO", *server.address)
    ...     with nd.record() as wire:
    ...         ok = peer.echo().ok
    ...     [report.ok for report in replay(wire, peer)]
    [True]
    """
    title, host, port = split_entity(to)
    reports = []
    for connection in _recording(recording).connections:
        turns = script(connection, Role.REQUESTOR)
        if not turns:
            continue
        wire = Wire(connect(host, port, timeout), timeout)
        player = Player(turns, wire, called=title)
        failure = player.play()
        name = f"{connection.titles[0]} \N{RIGHTWARDS ARROW} {printable(title)}@{join_address(host, port)}"
        reports.append(ReplayReport(name, turns, player.played, failure))
    return reports


class FakePeer(Tabular):
    """An SCP that says what a recorded one said.

    The first connection that is made to it is answered like the first of the recording, and so on; further ones are
    aborted.  Use it in a ``with`` block, and give it to `Peer`.

    Parameters
    ----------
    recording : Recording or path
        What was recorded, of one side or of both, or a transcript.
    host, port : str, int
        Where to listen; port 0 takes a free one.
    timeout : float
        Seconds to wait for each thing that is to be heard.
    repeat : bool
        After the last connection begin with the first again.

    Raises
    ------
    TranscriptError
        If what it has to say was not recorded whole.

    Examples
    --------
    >>> import nbdicom as nd
    >>> with nd.Server(nd.Handlers(), ae_title="ECHO", contexts=["Verification"]) as server, nd.record() as wire:
    ...     ok = nd.Peer("ECHO", *server.address).echo().ok
    >>> with FakePeer(wire) as fake:
    ...     nd.Peer(fake).echo().ok
    True
    """

    def __init__(
        self,
        recording: Recording | str | os.PathLike[str],
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        timeout: float = 30.0,
        repeat: bool = False,
    ) -> None:
        found = [c for c in _recording(recording).connections if c.arrows]
        if not found:
            raise TranscriptError("nothing went over the wire in this recording, so there is nothing to replay")
        self.ae_title = found[0].titles[1]
        self._scripts = [(c, script(c, Role.ACCEPTOR)) for c in found]
        self._requested = (host, port)
        self._timeout = timeout
        self._repeat = repeat
        self._changed = threading.Condition()
        self._reports: list[ReplayReport] = []
        self._threads: list[threading.Thread] = []
        self._listener: socket.socket | None = None
        self._wake: tuple[socket.socket, socket.socket] | None = None

    def start(self) -> Self:
        """Listen.

        Raises
        ------
        ConnectionFailed
            If the address cannot be listened on.
        """
        try:
            self._listener = listening_socket(*self._requested)
        except (OSError, OverflowError) as error:
            raise cannot_listen(error, *self._requested) from error
        self._listener.setblocking(False)
        self._wake = socket.socketpair()
        thread = threading.Thread(target=self._accept, args=(self._listener, self._wake[0]), daemon=True)
        self._threads = [thread]
        thread.start()
        return self

    def stop(self) -> None:
        """Stop listening; connections that are played come to their end or to their time limit."""
        if self._listener is None or self._wake is None:
            return
        self._wake[1].send(b"\0")
        accepting, *_ = self._threads
        accepting.join(self._timeout)  # first: until then more may come
        for thread in self._threads[1:]:
            thread.join(self._timeout)
        self._listener.close()
        for end in self._wake:
            end.close()
        self._listener = self._wake = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def address(self) -> str:
        """``AET@host:port``, as `Peer` takes it."""
        host, port = self._requested if self._listener is None else self._listener.getsockname()[:2]
        return f"{self.ae_title}@{join_address(host, port)}"

    @property
    def reports(self) -> list[ReplayReport]:
        """How the connections went that are over."""
        with self._changed:
            return list(self._reports)

    def wait(self, count: int | None = None, timeout: float = 30.0) -> list[ReplayReport]:
        """Wait at most *timeout* seconds until *count* connections are over, by default as many as were recorded.

        Gives the reports of those that are over.
        """
        wanted = len(self._scripts) if count is None else count
        with self._changed:
            self._changed.wait_for(lambda: len(self._reports) >= wanted, timeout)
            return list(self._reports)

    def table(self) -> Table:
        """One row for each connection that is over."""
        rows = [(r.title, f"{r.played} of {len(r.turns)}", r.failure or "as recorded") for r in self.reports]
        return Table(
            f"Fake peer {self.address}: {counted(len(self._scripts), 'recorded connection')}",
            ("connection", "played", "result"),
            rows,
            marks=["ok" if report.ok else "bad" for report in self.reports],
        )

    def _accept(self, listener: socket.socket, wake: socket.socket) -> None:
        number = 0
        while True:
            ready, _, _ = select.select([listener, wake], [], [])
            if wake in ready:
                return
            try:
                connection, address = listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                continue  # who called has gone again, and nobody waits here for the next: we may be told to stop
            thread = threading.Thread(
                target=self._play, args=(connection, join_address(*socket_address(address)), number), daemon=True
            )
            self._threads.append(thread)
            thread.start()
            number += 1

    def _play(self, connection: socket.socket, peer: str, number: int) -> None:
        wire = Wire(Transport(connection), self._timeout)
        if number >= len(self._scripts) and not self._repeat:
            Player((), wire).give_up(p.AAbort(source=p.AbortSource.SERVICE_USER))
            wire.leave()
            report = ReplayReport(f"from {peer}", (), 0, f"only {len(self._scripts)} connections were recorded")
        else:
            recorded, turns = self._scripts[number % len(self._scripts)]
            player = Player(turns, wire)
            failure = player.play()
            report = ReplayReport(f"{recorded.titles[0]} \N{RIGHTWARDS ARROW} {self.ae_title} from {peer}", turns,
                                  player.played, failure)  # fmt: skip
        with self._changed:
            self._reports.append(report)
            self._changed.notify_all()
