"""`ServerPanel`: a storage SCP or a PACS with a switch; its associations and what it receives, live."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbdicom.blocking.interrupt import look_up
from nbdicom.errors import NbdicomError
from nbdicom.notebook.controls import (
    Panel,
    Press,
    button,
    cancel_button,
    failure,
    grid,
    html,
    instead,
    literal,
    message,
    status_line,
    text,
    widgets,
)
from nbdicom.notebook.thumbnails import Thumbnails
from nbdicom.pacs import Pacs, demo_pacs
from nbdicom.receiver import Receiver
from nbdicom.table import Table, counted, printable

if TYPE_CHECKING:
    from nbdicom.job import Job, Snapshot
    from nbdicom.pacs.storage import StoredInstance
    from nbdicom.receiver import StoredFile

__all__ = ["ServerPanel"]

_START = "start"
_PERIOD = 0.25  #: seconds between two looks at the server
_SHOWN = 8  #: objects that were received last
_KINDS = {
    "receiver": "Storage SCP",
    "pacs": "PACS",
    "demo": "PACS with sample patients",
}
_ONE = {"patients": "patient", "studies": "study", "instances": "instance"}
_CODE = {"receiver": "nd.serve(to=", "pacs": "nd.Pacs(", "demo": "nd.demo_pacs(root="}


class ServerPanel(Panel):
    """Start and stop a storage SCP or a PACS; see who calls and what arrives.

    Parameters
    ----------
    to : str or Path
        The folder that is proposed.
    kind : str
        What is proposed: ``"receiver"``, ``"pacs"``, or ``"demo"``, a PACS with sample patients and a worklist for them.
    ae_title, host, port : str, str, int
        The address that is proposed; port 0 takes a free one.
    allow : mapping, optional
        For a PACS: who may call, and where C-MOVE goes; see `Pacs`.

    Examples
    --------
    >>> panel = ServerPanel("incoming")  # doctest: +SKIP
    >>> panel.server.received  # doctest: +SKIP
    """

    _instead = 'nbdicom.serve(to="incoming"), or nbdicom.Pacs("archive").start()'

    def __init__(
        self,
        to: str | Path = "incoming",
        *,
        kind: str = "receiver",
        ae_title: str = "NBDICOM",
        host: str = "127.0.0.1",
        port: int = 0,
        allow: Mapping[str, str | tuple[str, int]] | None = None,
    ) -> None:
        super().__init__()
        w = widgets(self._instead)
        if kind not in _KINDS:
            raise NbdicomError(f"{kind!r} is nothing to serve", hint=f"kind is one of {', '.join(_KINDS)}")
        self.server: Receiver | Pacs | None = None  #: what was started last
        self.job: Job[None] | None = None  #: the start or the stop that was asked for last
        self.allow = allow
        self.kind = w.Dropdown(
            options=[(words, name) for name, words in _KINDS.items()], value=kind, description="Serve",
            tooltip="What to serve", style={"description_width": "initial"}, layout={"width": "auto"},
        )  # fmt: skip
        self.ae_title = text("AE title", value=ae_title)
        self.host = text("Listen on", value=host, tooltip="Address of this machine; 0.0.0.0 for all")
        self.port = w.BoundedIntText(
            value=port, min=0, max=65535, description="Port (0 = free one)", tooltip="Port; 0 takes a free one",
            style={"description_width": "initial"}, layout={"width": "auto"},
        )  # fmt: skip
        self.folder = text("Folder", value=str(to))
        start = Press(self._press_start, lambda: instead(self.job, self.start))
        start.follow(self.ae_title, self.host, self.port, self.folder, enter=False)
        self.start_button = button("Start", start, icon="play", style="primary")
        self.cancel_button = cancel_button(lambda: self.job, "the start")
        self.stop_button = button("Stop", self._press_stop, icon="stop")
        self._code, self._status, self._problem = html(), html(), html()
        self._associations, self._received = html(), html()
        self.thumbnails = Thumbnails()
        self._over = threading.Event()
        self._over.set()
        self._switching = threading.Lock()  # a PACS that is asked while it stops would open its folder again
        self._lock = threading.Lock()
        self._count = self._bytes = 0
        self._last: deque[tuple[str, str, str, int]] = deque(maxlen=_SHOWN)
        for control in (self.kind, self.ae_title, self.host, self.port, self.folder):
            control.observe(lambda _: self._say_code(), "value")
        self._show(
            grid([self.kind, self.ae_title, self.host, self.port, self.folder], least="260px"),
            self._code,
            w.HBox([self.start_button, self.cancel_button, self.stop_button]),
            self._problem,
            self._status,
            self._associations,
            self._received,
            self.thumbnails.widget,
        )
        self._say_code()
        self._tell()

    @property
    def code(self) -> str:
        """The line of Python that does the same."""
        given = [literal(self.folder.value.strip()), f"ae_title={literal(self.ae_title.value.strip())}"]
        if self.host.value.strip() != "127.0.0.1":
            given.append(f"host={literal(self.host.value.strip())}")
        if self.port.value:
            given.append(f"port={self.port.value}")
        if self.allow and self.kind.value != "receiver":
            given.append(f"allow={dict(self.allow)!r}")
        return f"{_CODE[self.kind.value]}{', '.join(given)}){'.start()' if self.kind.value == 'pacs' else ''}"

    def start(self) -> Job[None] | None:
        """Listen; returns the job that starts it, None if there is no folder to use."""
        self._problem.value = ""
        folder = self.folder.value.strip()
        if not folder:
            self._problem.value = message("name a folder for what is received")
            return None
        kind, given = self.kind.value, {"ae_title": self.ae_title.value.strip(), "host": self.host.value.strip()}
        port = self.port.value

        def begin() -> None:
            if self.server is not None:
                self.server.stop()
            look_up()
            server: Receiver | Pacs
            if kind == "receiver":
                server = Receiver(folder, **given, port=port, on_stored=self._stored).start()
            else:
                make = demo_pacs if kind == "demo" else Pacs
                server = make(root=folder, **given, port=port, allow=self.allow, on_stored=self._kept).start()
            with self._lock:
                self._count = self._bytes = 0
                self._last.clear()
            self.server = server

        return self._work(_START, begin)

    def _press_start(self) -> None:
        if not self.start_button.resting:
            self.start()

    def _press_stop(self) -> None:
        if not self.stop_button.resting:
            self.stop()

    def stop(self) -> Job[None]:
        """Stop listening; what was received stays.  Returns the job that does it."""
        return self._work("stop", lambda: None if self.server is None else self.server.stop())

    # --------------------------------------------------------------------------- starting and stopping

    def _end(self) -> None:
        self.thumbnails.close()
        if self.job is not None:
            self.job.cancel()
            self.stop()  # nobody could any more

    def _work(self, what: str, action: Callable[[], None]) -> Job[None]:
        """Do it in a job: a PACS with a large folder takes its time to open, and a server to close."""
        from nbdicom.job import Job

        def work(job: Job[None]) -> None:
            with self._switching:
                action()

        self._over.set()
        job: Job[None] = Job(work, label=what)
        self.job = job
        job.watch(lambda now: self._watch(job, now))
        return job.start()

    def _watch(self, job: Job[None], now: Snapshot) -> None:
        if job is not self.job:
            return
        # A stop takes its few seconds; there is nothing to go back to.
        self.cancel_button.offer(now.state == "running" and job.label == _START)
        if not now.is_over:
            self.start_button.resting = self.stop_button.resting = f"the {job.label} is under way"
            self._status.value = status_line(f"{job.label}: {now.state}")
            return
        if now.state == "failed":
            self._problem.value = message(failure(job))
        self._tell()
        server = self.server
        if server is not None and server.running and self._over.is_set():
            self._over = over = threading.Event()
            look = threading.Thread(target=self._look, args=(server, over), name="nbdicom server panel", daemon=True)
            look.start()

    # --------------------------------------------------------------------------- live

    def _stored(self, stored: StoredFile) -> None:
        self._note(stored.calling_ae_title, stored.sop_class_uid.name, stored.sop_instance_uid, stored.bytes)
        self.thumbnails.add(stored.path)

    def _kept(self, stored: StoredInstance, calling_ae_title: str) -> None:
        self._note(calling_ae_title, stored.sop_class_uid.name, stored.sop_instance_uid, stored.size)
        self.thumbnails.add(stored.path)

    def _note(self, calling_ae_title: str, sop_class: str, sop_instance_uid: str, size: int) -> None:
        with self._lock:
            self._count += 1
            self._bytes += size
            self._last.appendleft((calling_ae_title, sop_class, sop_instance_uid, size))

    def _look(self, server: Receiver | Pacs, over: threading.Event) -> None:
        """Four looks a second are enough for eyes, and few enough for Jupyter; once more at the end."""
        while not over.wait(_PERIOD) and server.running:
            self._tell(announced=False)
        if not over.is_set():  # stopped by other hands
            self._tell()

    def _say_code(self) -> None:
        self._code.value = f"<code>{escape(printable(self.code))}</code>"

    def _tell(self, announced: bool = True) -> None:
        server = self.server
        running = server is not None and server.running
        self.start_button.resting = "it is running: stop it first" if running else ""
        self.stop_button.resting = "" if running else "it is not running"
        if server is None:
            self._status.value = status_line("stopped")
            return
        with self._lock:
            count, size, last = self._count, self._bytes, list(self._last)
        folder = server.root if isinstance(server, Pacs) else server.folder
        lines = [
            f"{f'listening as {server.address}' if running else 'stopped'}: "
            f"{counted(count, 'object')} received, {size / 1e6:.1f} MB, into {folder}"
        ]
        callers: list[Any] = []
        if running:
            with self._switching:
                if isinstance(server, Pacs) and server.running:
                    counts = [counted(n, _ONE.get(name, name)) for name, n in server.counts().items()]
                    lines.append(f"it has {', '.join(counts)}")
            callers = [
                (one.negotiation.calling_ae_title, one.peer, len(one.negotiation.accepted))
                for one in server.associations
            ]
        self._status.value = status_line(*lines, announced=announced)
        table = Table("Associations now", ("calling AE title", "from", "accepted contexts"), callers)
        self._associations.value = table._repr_html_() if callers else ""
        received = Table(
            f"Received last ({len(last)} of {count})", ("from", "SOP Class", "SOP Instance UID", "bytes"), last
        )
        self._received.value = received._repr_html_() if last else ""
