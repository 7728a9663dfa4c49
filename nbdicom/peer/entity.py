"""`RemoteEntity`: what a `Peer` is before it does anything: its address, and how associations with it are opened.

What it is asked for stands in `nbdicom.peer.peer`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Self, TypedDict

from nbdicom.address import join_address, split_entity
from nbdicom.blocking import Association, associate
from nbdicom.config import Limits, OperationsWindow, Timeouts
from nbdicom.core.identity import UserIdentity
from nbdicom.core.negotiation import ContextLike, title_problem
from nbdicom.core.trace import Trace, Tracer, tracers
from nbdicom.errors import LocalProtocolError, QueryError
from nbdicom.operations.handlers import Handlers
from nbdicom.running import idle, recalled, remember
from nbdicom.table import Table, Tabular
from nbdicom.trace.observing import recorder_of

if TYPE_CHECKING:
    from nbdicom.peer.query import InformationModel, Level
    from nbdicom.peer.report import EchoReport
    from nbdicom.tls import TLS

__all__ = ["DEFAULT_CONTEXTS", "Remote", "RemoteEntity"]

DEFAULT_CONTEXTS = (
    "Verification",
    *(f"{root}RootQueryRetrieveInformationModel{service}" for root in ("Patient", "Study")
      for service in ("Find", "Move", "Get")),
)  # fmt: skip


class _Settings(TypedDict):
    called: str
    calling: str
    timeouts: Timeouts
    limits: Limits
    window: OperationsWindow
    identity: UserIdentity | None
    tls: TLS | None
    bind: str | tuple[str, int] | None


class Remote(Tabular):
    """A remote application entity: where it is, who calls, and on which terms; see `nbdicom.Peer` for the parameters."""

    def __init__(
        self,
        address: Any,
        host: str | None = None,
        port: int | None = None,
        *,
        calling: str = "NBDICOM",
        timeouts: Timeouts | None = None,
        limits: Limits | None = None,
        max_pdu: int | None = None,
        window: OperationsWindow | None = None,
        identity: UserIdentity | None = None,
        tls: TLS | None = None,
        bind: str | tuple[str, int] | None = None,
        trace: Trace | Tracer | bool | None = None,
        charset: str | None = None,
    ) -> None:
        self.ae_title, self.host, self.port = split_entity(address, host, port)
        self.calling = calling
        for title in (self.ae_title, calling):
            if problem := title_problem(title):
                raise LocalProtocolError(f"AE title {title!r} {problem} [PS3.5 6.2]", hint="1 to 16 ASCII characters")
        self.timeouts = timeouts or Timeouts()
        limits = limits or Limits()
        self.limits = limits if max_pdu is None else replace(limits, max_length_received=max_pdu)
        self.window = window or OperationsWindow()
        self.identity = identity
        self.tls = tls
        self.bind = bind
        if tls is not None or identity is not None:
            remember(self)  # a table says whom it comes from, but no secret: `from_provenance` finds this peer again
        self.trace = recorder_of(trace)
        self.charset = charset
        if "IPython" in sys.modules:
            from nbdicom.peer.completing import register

            register()
        if "pandas" in sys.modules:  # tables that come from a file get their .dicom, and nobody waits for pandas
            import nbdicom.peer.frames  # noqa: F401

    @property
    def address(self) -> str:
        """The address in one string: ``"AET@host:port"``."""
        return f"{self.ae_title}@{join_address(self.host, self.port)}"

    @property
    def listening_tls(self) -> TLS | None:
        """What secures a port of ours to which this peer sends: what secures our calls to it.

        Raises
        ------
        QueryError
            If there is no certificate of ours in it, which an acceptor needs.
        """
        if self.tls is not None and self.tls.certificate is None:
            raise QueryError(
                "the port to which the peer sends is secured as our calls are, and a certificate of ours is missing",
                hint="TLS(certificate=..., key=...); for a peer that sends without TLS start a Receiver, and move to it",
            )
        return self.tls

    def _settings(self, window: OperationsWindow | None = None) -> _Settings:
        """What every association with it is opened with, by whichever driver."""
        return {
            "called": self.ae_title,
            "calling": self.calling,
            "timeouts": self.timeouts,
            "limits": self.limits,
            "window": window or self.window,
            "identity": self.identity,
            "tls": self.tls,
            "bind": self.bind,
        }

    def terms(self) -> tuple[Any, ...] | None:
        """What an association that is there already must have been opened with, to serve a call.

        None where every call has an association of its own: whoever records one wants to see it from its beginning.
        """
        if self.trace is not None or tracers.get():
            return None
        return tuple(self._settings().values())

    def provenance(self, level: Level | None, model: InformationModel | None) -> dict[str, Any]:
        """What a table says about where it comes from, in values that JSON knows."""
        from datetime import datetime  # a verification has no use for it

        about: dict[str, Any] = {
            "peer": self.address,
            "calling": self.calling,
            "level": None if level is None else level.value,
            "model": None if model is None else model.value,
            "when": datetime.now().astimezone().isoformat(timespec="seconds"),
        }
        for name, value, default in (("timeouts", self.timeouts, Timeouts()), ("limits", self.limits, Limits())):
            changed = {key: one for key, one in asdict(value).items() if one != asdict(default)[key]}
            if changed:
                about[name] = changed
        if self.charset:
            about["charset"] = self.charset
        return about

    @classmethod
    def from_provenance(cls, about: Mapping[str, Any]) -> Self:
        """The peer that a table says it comes from: the one of this process, if it has TLS or a user identity."""
        known = recalled(about["peer"], about.get("calling", "NBDICOM"))
        if isinstance(known, cls):
            return known
        if isinstance(known, Remote):  # for the other driver; what is secured stays secured
            settings: dict[str, Any] = {**known._settings()}
            del settings["called"]
            peer = cls(known.address, **settings, trace=known.trace, charset=known.charset)
            remember(known)  # as before: it is the one that somebody has
            return peer
        return cls(
            about["peer"],
            calling=about.get("calling", "NBDICOM"),
            timeouts=Timeouts(**about.get("timeouts", {})),
            limits=Limits(**about.get("limits", {})),
            charset=about.get("charset"),
        )

    # ------------------------------------------------------------------------------- to look at

    def table(self) -> Table:
        """The address."""
        return Table(
            f"{type(self).__name__} {self.address}, calling AE title {self.calling}", ("call", "what it does"), []
        )

    def __repr__(self) -> str:
        calling = "" if self.calling == "NBDICOM" else f", calling={self.calling!r}"
        return f"{type(self).__name__}({self.address!r}{calling})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, type(self)) and (self.address, self.calling) == (other.address, other.calling)

    def __hash__(self) -> int:
        return hash((self.address, self.calling))


class RemoteEntity(Remote):
    """A remote application entity that is called by a thread that waits."""

    def associate(
        self,
        contexts: Iterable[ContextLike] | None = None,
        *,
        handlers: Handlers | None = None,
        window: OperationsWindow | None = None,
        trace: Trace | Tracer | bool | None = None,
    ) -> Association:
        """Open an association for work at the level of DIMSE; use it in a ``with`` block.

        Parameters
        ----------
        contexts : iterable, optional
            What to propose: SOP Classes by UID, keyword or name, ``(SOP Class, transfer syntaxes)`` or
            `PresentationContext`.  By default Verification and Query/Retrieve.
        handlers : Handlers, optional
            Services for requests of the peer on this association.
        window : OperationsWindow, optional
            Instead of that of the peer.
        trace : bool, Recorder or callable, optional
            True records the association in its ``trace``; a callable gets every `TraceEvent`.  By default what the peer
            was made with.

        Raises
        ------
        ConnectionFailed, AssociationRejected, AssociationAborted, OperationTimeout
            In the order of the steps; `echo` looks at them one by one.
        """
        idle.clear((self.host, self.port))  # a peer that serves one association at a time has to be free
        return associate(
            (self.host, self.port),
            contexts=DEFAULT_CONTEXTS if contexts is None else contexts,
            handlers=handlers,
            trace=self.trace if trace is None else trace,
            **self._settings(window),
        )

    def echo(self) -> EchoReport:
        """Verify the peer (C-ECHO), step by step.

        Returns
        -------
        EchoReport
            True if the peer answered Success.  Nothing is raised: a failure is a row that says at which step, who says
            so, and what to try.
        """
        from nbdicom.peer.line import Waiting, run
        from nbdicom.peer.report import examine

        return run(examine(Waiting(self)))

    def close(self) -> None:
        """Release at once what stays open for the next call (see `Timeouts.linger`); the peer can be called again."""
        idle.clear((self.host, self.port))

    # ------------------------------------------------------------------------------- to look at

    def table(self) -> Table:
        """The address, and what to type next."""
        return Table(
            f"Peer {self.address}, calling AE title {self.calling}",
            ("call", "what it does"),
            [
                ("pacs.echo()", "verify it, step by step"),
                ('pacs.studies(PatientName="DOE*")', "a table of studies; also patients(), series(), instances()"),
                ('pacs.get(rows, to="folder")', "retrieve what is in a table; also move(rows, to=AET)"),
                ('pacs.pull(rows, to="folder")', "the same with proof that all of it is there"),
                ('pacs.store("folder")', "send files"),
                ("pacs.associate([...])", "one association, for everything else"),
            ],
            notes=["nothing is open but, for a moment after a call, its association: the next call may use it"],
        )

    def __repr__(self) -> str:
        return f"{super().__repr__()}\n{self.table()}"
