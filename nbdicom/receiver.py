"""A bare SCP in a line: a folder that receives what is stored to it, or any set of handlers (PS3.4 Annex B).

The receiver is what a C-MOVE needs at its other end.  Whether the PACS knows its address is the PACS's business: register
the AE title, host and port there.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from nbdicom.address import join_address
from nbdicom.blocking.server import Server
from nbdicom.config import Limits, OperationsWindow, Timeouts
from nbdicom.core.negotiation import ContextLike, Support
from nbdicom.core.streams import DataSink
from nbdicom.operations.handlers import Handlers
from nbdicom.operations.requests import Refuse, StoreRequest
from nbdicom.running import replace_running, stopped
from nbdicom.table import Table, Tabular, printable
from nbdicom.uids import UID, transfer_syntaxes

if TYPE_CHECKING:
    import pandas

    from nbdicom.blocking.association import Association
    from nbdicom.tls import TLS

__all__ = ["Receiver", "StoredFile", "serve", "storage_support"]

_VERIFICATION = "1.2.840.10008.1.1"


def storage_support(max_length_received: int, *contexts: ContextLike) -> Support:
    """Support for Verification, *contexts*, and every other SOP Class in every transfer syntax, kept as it comes."""
    support = Support.of([_VERIFICATION, *contexts])
    every = tuple(syntax.uid for syntax in transfer_syntaxes(retired=True) if not syntax.implicit_vr)
    implicit = UID("1.2.840.10008.1.2")
    # Explicit VR Little Endian first, its implicit twin second, then what is compressed.
    order = tuple(dict.fromkeys((UID("1.2.840.10008.1.2.1"), implicit, *every)))
    return Support(contexts=support.contexts, any_abstract_syntax=order, max_length_received=max_length_received)


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One instance that was received."""

    sop_class_uid: UID
    sop_instance_uid: UID
    transfer_syntax: UID
    path: Path
    bytes: int
    calling_ae_title: str

    @classmethod
    def of(cls, request: StoreRequest) -> StoredFile:
        """What a C-STORE request has brought into its sink.

        Raises
        ------
        Refuse
            If it has no data set.
        """
        if request.sink is None:
            raise Refuse(0xC000, "no data set")
        return cls(
            request.sop_class_uid,
            request.sop_instance_uid,
            request.transfer_syntax,
            Path(request.sink.path),
            request.sink.size,
            request.calling_ae_title,
        )


class Receiver(Tabular):
    """Receive instances into a folder.

    Parameters
    ----------
    to : str or Path, optional
        The folder; it is made if it is not there.  By default a new temporary one, which is kept.
    ae_title : str
        Our AE title.  A receiver of the same title that an earlier run of the cell started is stopped when this one
        starts.
    host, port : str, int
        Where to listen; port 0 takes a free one.
    any_called : bool
        Also receive what is sent to another title.
    calling : callable, optional
        ``calling(ae_title, host) -> bool``: who may call; None lets everybody who reaches the port.
    window : OperationsWindow, optional
        How many operations we agree to perform (and to invoke) at once; by default 16 (and 1).
    tls : TLS, optional
        Serve associations that are secured by it, and no others (PS3.15 Annex B).
    on_stored : callable, optional
        Called with each `StoredFile`, in the thread of its association.
    sink : callable, optional
        Takes a `StoreRequest` and gives the sink for its data set, which has a ``path`` and a ``size``; by default a file
        in the folder.
    timeouts, limits : optional
        See `nbdicom.config`.

    Examples
    --------
    >>> with Receiver() as receiver:
    ...     len(receiver.files)
    0
    """

    def __init__(
        self,
        to: str | Path | None = None,
        *,
        ae_title: str = "NBDICOM",
        host: str = "127.0.0.1",
        port: int = 0,
        any_called: bool = False,
        calling: Callable[[str, str], bool] | None = None,
        window: OperationsWindow | None = None,
        tls: TLS | None = None,
        on_stored: Callable[[StoredFile], None] | None = None,
        sink: Callable[[StoreRequest], DataSink] | None = None,
        timeouts: Timeouts | None = None,
        limits: Limits | None = None,
    ) -> None:
        from nbdicom.data import FolderSink

        self.ae_title = ae_title
        self.folder = Path(tempfile.mkdtemp(prefix="nbdicom-")) if to is None else Path(to)
        limits = limits or Limits()
        self._on_stored = on_stored
        self._lock = threading.Lock()
        self._files: list[StoredFile] = []
        self._server = Server(
            Handlers(sink=sink or FolderSink(self.folder, free_space=limits.free_space), store=self._store),
            ae_title=ae_title,
            contexts=storage_support(limits.max_length_received),
            host=host,
            port=port,
            any_called=any_called,
            calling=calling,
            window=window,
            tls=tls,
            timeouts=timeouts,
            limits=limits,
        )

    def _store(self, request: StoreRequest) -> int:
        stored = StoredFile.of(request)
        with self._lock:
            self._files.append(stored)
        if self._on_stored is not None:
            self._on_stored(stored)
        return 0x0000

    def start(self) -> Self:
        """Listen.

        Raises
        ------
        ConnectionFailed
            If the port is taken or not allowed.
        NbdicomError
            If the folder cannot be used.
        """
        replace_running(self, self._listen)
        return self

    def _listen(self) -> None:
        from nbdicom.data.sink import made_folder

        made_folder(self.folder)
        self._server.start()

    @contextmanager
    def beside(self) -> Iterator[Self]:
        """Listen for as long as this lasts, beside another receiver of the same AE title, which goes on.

        Raises
        ------
        ConnectionFailed, NbdicomError
            As `start`; a port that the other one has is taken.
        """
        try:
            self._listen()
            yield self
        finally:
            self._server.close()

    def stop(self) -> None:
        """Stop listening and abort what is under way."""
        self._server.close()
        stopped(self)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._server.address[1]

    @property
    def address(self) -> str:
        """``AET@host:port``, as `Peer` takes it."""
        host, port = self._server.address
        return f"{self.ae_title}@{join_address(host, port)}"

    @property
    def running(self) -> bool:
        """True between `start` and `stop`."""
        return self._server.running

    @property
    def associations(self) -> list[Association]:
        """The associations that are established now."""
        return self._server.associations

    @property
    def files(self) -> list[StoredFile]:
        """What has been received so far."""
        with self._lock:
            return list(self._files)

    @property
    def received(self) -> pandas.DataFrame:
        """What has been received so far, as a DataFrame with one row for each instance."""
        import pandas

        files = self.files  # more may come meanwhile
        columns = {
            "SOPInstanceUID": [str(f.sop_instance_uid) for f in files],
            "SOPClassUID": [str(f.sop_class_uid) for f in files],
            "path": [str(f.path) for f in files],
            "bytes": [f.bytes for f in files],
            "calling_ae_title": [f.calling_ae_title for f in files],
        }
        return pandas.DataFrame(columns)

    def table(self) -> Table:
        """Address, folder, and what has been received by SOP Class."""
        counts: dict[UID, list[int]] = {}
        for stored in self.files:
            count = counts.setdefault(stored.sop_class_uid, [0, 0])
            count[0] += 1
            count[1] += stored.bytes
        rows = [(printable(uid.name), *count) for uid, count in counts.items()]
        state = "listening" if self._server.running else "stopped"
        return Table(f"Receiver {self.address}, {state}, into {self.folder}", ("SOP Class", "instances", "bytes"), rows)


def serve(
    handlers: Handlers | None = None,
    *,
    to: str | Path | None = None,
    ae_title: str = "NBDICOM",
    host: str = "127.0.0.1",
    port: int = 0,
    contexts: Iterable[ContextLike] = ("Verification",),
    any_called: bool = False,
    calling: Callable[[str, str], bool] | None = None,
    window: OperationsWindow | None = None,
    tls: TLS | None = None,
) -> Receiver | Server:
    """Start an SCP: a `Receiver` into the folder *to*, or a `Server` with your own *handlers* and *contexts*.

    Parameters
    ----------
    handlers : Handlers, optional
        Services of your own; without any, a `Receiver`.
    to : path, optional
        The folder of the receiver; without one, a temporary one.
    ae_title, host, port
        Who and where it is: loopback and a free port (0) unless you say otherwise.
    contexts : iterable
        What your own handlers serve, like in `associate`.
    any_called : bool
        Also serve requests that call another title.
    calling : callable, optional
        ``calling(ae_title, host) -> bool``: who may call; None lets everybody who reaches the port.
    window : OperationsWindow, optional
        How many operations we agree to perform (and to invoke) at once; by default 16 (and 1).
    tls : TLS, optional
        Serve associations that are secured by it, and no others (PS3.15 Annex B).

    Examples
    --------
    >>> with serve(ae_title="STORESCP") as scp:
    ...     scp.address.startswith("STORESCP@127.0.0.1:")
    True
    """
    if handlers is None:
        receiver = Receiver(
            to, ae_title=ae_title, host=host, port=port, any_called=any_called, calling=calling, window=window, tls=tls
        )
        return receiver.start()
    server = Server(
        handlers,
        ae_title=ae_title,
        contexts=contexts,
        host=host,
        port=port,
        any_called=any_called,
        calling=calling,
        window=window,
        tls=tls,
    )
    return server.start()
