"""`ServerPanel`: a storage SCP with a switch; its associations and what it receives, live."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

from nbdicom.errors import NbdicomError
from nbdicom.notebook.controls import Panel, button, grid, html, message, status_line, text, widgets
from nbdicom.notebook.thumbnails import Thumbnails
from nbdicom.receiver import Receiver
from nbdicom.table import Table

if TYPE_CHECKING:
    from nbdicom.receiver import StoredFile

__all__ = ["ServerPanel"]

_PERIOD = 0.25  #: seconds between two looks at the server
_SHOWN = 8  #: objects that were received last


class ServerPanel(Panel):
    """Start and stop a storage SCP; see who calls and what arrives.

    Parameters
    ----------
    to : str or Path
        The folder that is proposed.
    ae_title, host, port : str, str, int
        The address that is proposed; port 0 takes a free one.

    Examples
    --------
    >>> panel = ServerPanel(to="incoming")  # doctest: +SKIP
    >>> panel.receiver.received  # doctest: +SKIP
    """

    _instead = 'nbdicom.serve(to="incoming")'

    def __init__(
        self, to: str | Path = "incoming", *, ae_title: str = "NBDICOM", host: str = "127.0.0.1", port: int = 0
    ) -> None:
        super().__init__()
        w = widgets(self._instead)
        self.receiver: Receiver | None = None  #: the SCP that was started last
        self.ae_title = text("AE title", value=ae_title)
        self.host = text("Listen on", value=host, tooltip="Address of this machine; 0.0.0.0 for all")
        self.port = w.BoundedIntText(
            value=port, min=0, max=65535, description="Port (0 = free one)", style={"description_width": "initial"},
            layout={"width": "auto"},
        )  # fmt: skip
        self.folder = text("Folder", value=str(to))
        self.start_button = button("Start", self.start, icon="play", style="primary")
        self.stop_button = button("Stop", self.stop, icon="stop")
        self.stop_button.disabled = True
        self._status, self._problem, self._associations, self._received = html(), html(), html(), html()
        self.thumbnails = Thumbnails()
        self._over = threading.Event()
        self._show(
            grid([self.ae_title, self.host, self.port, self.folder], least="230px"),
            w.HBox([self.start_button, self.stop_button]),
            self._problem,
            self._status,
            self._associations,
            self._received,
            self.thumbnails.widget,
        )
        self._tell()

    def start(self) -> None:
        """Listen."""
        self._problem.value = ""
        folder = self.folder.value.strip()
        if not folder:
            self._problem.value = message("name a folder for what is received")
            return
        self.stop()
        try:
            receiver = Receiver(
                folder, ae_title=self.ae_title.value.strip(), host=self.host.value.strip(), port=self.port.value,
                on_stored=self._stored,
            ).start()  # fmt: skip
        except (NbdicomError, OSError) as error:
            self._problem.value = message(error if isinstance(error, NbdicomError) else error.strerror)
            return
        self.receiver = receiver
        self._over = over = threading.Event()
        threading.Thread(target=self._look, args=(receiver, over), name="nbdicom server panel", daemon=True).start()
        self._tell()

    def stop(self) -> None:
        """Stop listening; what was received stays."""
        self._over.set()
        if self.receiver is not None:
            self.receiver.stop()
        self._tell()

    # --------------------------------------------------------------------------- live

    def _stored(self, stored: StoredFile) -> None:
        self.thumbnails.add(stored.path)

    def _look(self, receiver: Receiver, over: threading.Event) -> None:
        """Four looks a second are enough for eyes, and few enough for Jupyter; once more at the end."""
        while not over.wait(_PERIOD) and receiver.running:
            self._tell()
        self._tell()

    def _tell(self) -> None:
        receiver = self.receiver
        running = receiver is not None and receiver.running
        self.start_button.disabled, self.stop_button.disabled = running, not running
        if receiver is None:
            self._status.value = status_line("stopped")
            return
        files = receiver.files
        size = sum(one.bytes for one in files)
        state = f"listening as {receiver.address}" if running else "stopped"
        self._status.value = status_line(
            f"{state}: {len(files)} objects received, {size / 1e6:.1f} MB, into {receiver.folder}"
        )
        callers = [
            (one.negotiation.calling_ae_title, one.peer, len(one.negotiation.accepted)) for one in receiver.associations
        ]
        table = Table("Associations now", ("calling AE title", "from", "accepted contexts"), callers)
        self._associations.value = table._repr_html_() if callers else ""
        rows = [
            (one.calling_ae_title, one.sop_class_uid.name, one.sop_instance_uid, one.bytes)
            for one in files[: -_SHOWN - 1 : -1]
        ]
        title = f"Received last ({len(rows)} of {len(files)})"
        self._received.value = (
            Table(title, ("from", "SOP Class", "SOP Instance UID", "bytes"), rows)._repr_html_() if rows else ""
        )
