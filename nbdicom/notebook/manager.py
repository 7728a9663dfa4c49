"""`PeerManager`: the saved peers of this user: add, change, test, remove."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbdicom.errors import NbdicomError
from nbdicom.notebook.controls import (
    Panel,
    Press,
    button,
    cancel_button,
    failure,
    grid,
    html,
    list_box,
    message,
    status_line,
    text,
    widgets,
)
from nbdicom.peer.registry import Peers
from nbdicom.table import printable

if TYPE_CHECKING:
    from nbdicom.job import Job, Snapshot
    from nbdicom.peer import EchoReport, Peer

__all__ = ["PeerManager"]


class PeerManager(Panel):
    """Add, test and save peers; the list is `nbdicom.peers`.

    Parameters
    ----------
    saved : Peers, optional
        Another list than that of the user.

    Examples
    --------
    >>> manager = PeerManager()  # doctest: +SKIP
    >>> manager.peer.studies()  # doctest: +SKIP
    """

    _instead = 'nbdicom.peers.add("pacs", "PACS@10.0.0.5:104")'

    def __init__(self, saved: Peers | None = None) -> None:
        super().__init__()
        w = widgets(self._instead)
        self.saved = Peers() if saved is None else saved  # an empty list is false
        self.job: Job[EchoReport] | None = None  #: the verification that was started last
        self.choice = w.Select(
            options=[], description="Saved peers", rows=5, style={"description_width": "initial"},
            layout={"width": "auto"},
        )  # fmt: skip
        self.choice.add_class("nbd-rows")
        self.name = text("Name", "what you call it")
        self.ae_title = text("AE title", "PACS")
        self.host = text("Host", "10.0.0.5")
        self.port = w.BoundedIntText(
            value=104, min=1, max=65535, description="Port", style={"description_width": "initial"},
            layout={"width": "auto"},
        )  # fmt: skip
        self.calling = text("Calling AE title", value="NBDICOM")
        self.charset = text("Character set", "ISO_IR 100", tooltip="Character set of answers that name none")
        fields = [self.name, self.ae_title, self.host, self.port, self.calling, self.charset]
        test = Press(self._press_test, self.test).follow(*fields)
        # What was saved by the wrong name may have taken the place of another: that is not for a form to mend.
        save = Press(self.save, self._say_late).follow(*fields, enter=False)
        self._presses = test, save
        self.test_button = button("Test", test, icon="heartbeat", tooltip="Verify by C-ECHO")
        self.cancel_button = cancel_button(lambda: self.job, "the test")
        self.save_button = button("Save", save, icon="save", style="primary")
        self.remove_button = button("Remove", self.remove, icon="trash")
        self._problem, self._report = html(), html()
        self.choice.observe(lambda _: self._fill(), "value")
        self._show(
            list_box(self.choice),
            grid(fields, least="250px"),
            w.HBox([self.test_button, self.cancel_button, self.save_button, self.remove_button]),
            self._problem,
            self._report,
        )
        self._list()

    @property
    def peer(self) -> Peer:
        """The peer in the fields.

        Raises
        ------
        NbdicomError
            If they do not make one.
        """
        from nbdicom.peer import Peer

        return Peer(
            self.ae_title.value.strip(), self.host.value.strip(), self.port.value,
            calling=self.calling.value.strip(), charset=self.charset.value.strip() or None,
        )  # fmt: skip

    def test(self) -> Job[EchoReport] | None:
        """Verify the peer in the fields, step by step; None if they do not make one."""
        from nbdicom.job import Job

        peer = self._made()
        if peer is None:
            return None
        if self.job is not None:
            self.job.cancel()
        job: Job[EchoReport] = Job(lambda job: peer.echo(), label=f"C-ECHO {peer.address}")
        self.job = job
        job.watch(lambda now: self._watch(job, now))
        return job.start()

    def _press_test(self) -> None:
        if not self.test_button.resting:
            self.test()

    def save(self) -> None:
        """Save the peer in the fields under its name."""
        peer = self._made()
        if peer is not None:
            self._tried(lambda: self.saved.add(self.name.value or peer.ae_title, peer))
            self._list(self.name.value.strip() or peer.ae_title)

    def remove(self) -> None:
        """Forget the peer that is chosen in the list."""
        name = self.choice.value
        if name is None:
            self._problem.value = message("choose a saved peer first")
            return
        self._tried(lambda: self.saved.remove(name))
        self._list()

    def _end(self) -> None:
        if self.job is not None:
            self.job.cancel()

    def _watch(self, job: Job[EchoReport], now: Snapshot) -> None:
        if job is self.job:
            self.test_button.resting = "" if now.is_over else "a test is under way"
            self.cancel_button.offer(now.state == "running")
            if job.result is not None:
                self._report.value = job.result._repr_html_()
            elif now.state == "failed":
                self._report.value = message(failure(job))
            else:
                self._report.value = status_line(f"{job.label}: {now}", announced=now.state != "running")

    def _say_late(self) -> None:
        self._problem.value = message("a field has changed since it was saved: look at the list, and save again")

    def _made(self) -> Peer | None:
        made: list[Peer] = []
        self._tried(lambda: made.append(self.peer))
        return made[0] if made else None

    def _tried(self, action: Any) -> None:
        self._problem.value = ""
        try:
            action()
        except NbdicomError as error:
            self._problem.value = message(error)

    def _list(self, chosen: str | None = None) -> None:
        def fill() -> None:
            rows = [(printable(f"{name}  {self.saved[name].address}"), name) for name in self.saved]
            self.choice.options = rows
            self.choice.value = chosen if chosen in [name for _, name in rows] else None

        self._tried(fill)

    def _fill(self) -> None:
        if self.choice.value is not None:
            self._tried(lambda: self._show_saved(self.choice.value))

    def _show_saved(self, name: str) -> None:
        peer = self.saved[name]
        for press in self._presses:  # what changes now was not typed
            press.forget()
        self.name.value, self.ae_title.value, self.host.value = name, peer.ae_title, peer.host
        self.port.value, self.calling.value, self.charset.value = peer.port, peer.calling, peer.charset or ""
        self._report.value = ""
