"""The verb behind `echo` of both peers: verify step by step, and say at which step it fails, who says so and what to try.

The steps are those of the standard and of the network below it: name resolution, TCP connection, A-ASSOCIATE (PS3.8
7.1), the presentation context for Verification, C-ECHO (PS3.4 Annex A), release.  One real association is made; its
trace tells when each step was done.  What is loaded for it is loaded before: its time is not the network's.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nbdicom.address import join_address
from nbdicom.config import OperationsWindow
from nbdicom.core.negotiation import Negotiation
from nbdicom.core.trace import Connected, PDUReceived, PDUSent, Secured, TraceEvent, fan_out
from nbdicom.errors import (
    AssociationRejected,
    ConnectionFailed,
    NbdicomError,
    OperationTimeout,
    RemoteProtocolError,
    TLSFailed,
    system_reason,
)
from nbdicom.memory import is_memory
from nbdicom.table import Table, Tabular, printable

if TYPE_CHECKING:
    import pandas

    from nbdicom.peer.calling import Caller, Calls
    from nbdicom.peer.entity import Remote

__all__ = ["EchoReport", "Step", "examine"]

_VERIFICATION = "1.2.840.10008.1.1"


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a verification."""

    name: str
    ok: bool
    result: str
    ms: float | None = None


@dataclass(frozen=True, slots=True, repr=False)
class EchoReport(Tabular):
    """What a verification found; true if the peer answered the C-ECHO with Success.

    ``steps`` go as far as it came, ``hints`` say what to try, ``error`` is the exception that ended it,
    ``negotiation`` is the association as far as it was negotiated.
    """

    address: str
    calling: str
    steps: tuple[Step, ...]
    hints: tuple[str, ...] = ()
    error: NbdicomError | None = field(default=None, compare=False)
    negotiation: Negotiation | None = field(default=None, compare=False)

    @property
    def ok(self) -> bool:
        """Whether the peer is verified."""
        return self.error is None and all(step.ok for step in self.steps)

    def __bool__(self) -> bool:
        return self.ok

    @property
    def failed(self) -> Step | None:
        """The step that failed, or None."""
        return next((step for step in self.steps if not step.ok), None)

    @property
    def ms(self) -> float:
        """Milliseconds of all steps."""
        return sum(step.ms or 0.0 for step in self.steps)

    def table(self) -> Table:
        """One row for each step."""
        verdict = f"verified in {self.ms:.1f} ms" if self.ok else f"failed at {self.failed.name}" if self.failed else ""
        return Table(
            f"C-ECHO {self.calling} \N{RIGHTWARDS ARROW} {self.address}: {verdict}",
            ("step", "result", "ms"),
            [
                (f"{number} {step.name}", step.result, "" if step.ms is None else f"{step.ms:.1f}")
                for number, step in enumerate(self.steps, 1)
            ],
            notes=[f"\N{RIGHTWARDS ARROW} {hint}" for hint in self.hints],
            marks=["ok" if step.ok else "bad" for step in self.steps],
        )

    def to_frame(self) -> pandas.DataFrame:
        """The steps as a DataFrame, with numbers for milliseconds."""
        import pandas

        rows = [(step.name, step.ok, step.result, step.ms) for step in self.steps]
        return pandas.DataFrame(rows, columns=["step", "ok", "result", "ms"])


async def examine(caller: Caller) -> EchoReport:
    """Verify the peer; every failure is a row of the report, nothing but an interrupt is raised."""
    return await _Examination(caller).run()


class _Examination:
    """The steps that were done, with the time that each took."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._peer = caller.peer
        self._steps: list[Step] = []
        self._hints: list[str] = []
        self._error: NbdicomError | None = None
        self._negotiation: Negotiation | None = None
        self._since = 0.0
        self._events: list[TraceEvent] = []
        self._seen = 0  # of them, those of the steps that are done

    async def run(self) -> EchoReport:
        peer = self._peer
        self._caller.load()
        self._since = time.monotonic()
        try:
            await self._examine()
        except NbdicomError as error:
            self._fail(self._steps_name(), error)
        except OSError as error:
            self._fail(self._steps_name(), ConnectionFailed(f"the system says: {system_reason(error)}"))
        return EchoReport(
            address=peer.address,
            calling=peer.calling,
            steps=tuple(self._steps),
            hints=tuple(dict.fromkeys(self._hints)),
            error=self._error,
            negotiation=self._negotiation,
        )

    async def _examine(self) -> None:
        if not await self._resolve():
            return
        association = await self._associate()
        if association is None:
            return
        try:
            self._negotiation = association.negotiation
            context = association.negotiation.context_for(_VERIFICATION)
            syntax = context.transfer_syntax.name if context.transfer_syntax else ""
            self._done("presentation context", f"Verification accepted, {syntax}")
            status = await association.echo()
            self._answered("C-ECHO", str(status))
            if not status.is_success:
                self._hints.append("the peer answers, but not with Success: its log or its administrator knows why")
        finally:
            await association.release()
        self._answered("release", "ok")

    # ------------------------------------------------------------------------------- steps

    async def _resolve(self) -> bool:
        peer = self._peer
        if is_memory(peer.host):
            self._done(f"resolve {printable(peer.host)}", "the memory of this process")
            return True
        try:
            found = await self._caller.resolve()
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or "not a host name"
            self._fail(
                f"resolve {printable(peer.host)}",
                ConnectionFailed(
                    f"the name cannot be resolved: {reason}", hint="check the spelling, or use the host's IP address"
                ),
            )
            return False
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        self._done(f"resolve {printable(peer.host)}", "ok" if addresses == [peer.host] else ", ".join(addresses))
        return True

    async def _associate(self) -> Calls | None:
        peer = self._peer
        tcp = f"TCP connect :{peer.port}"
        try:
            association = await self._caller.open(
                [_VERIFICATION],
                window=OperationsWindow(),  # one C-ECHO needs none
                trace=fan_out(self._events.append, peer.trace),
            )
        except TLSFailed as error:
            self._done(tcp, "ok", error.since)
            self._fail("TLS", error, result=error.message.removeprefix(f"{join_address(peer.host, peer.port)}: "))
            return None
        except ConnectionFailed as error:
            self._fail(tcp, error, result=_connection(error))
            return None
        except NbdicomError as error:
            self._connected(tcp)
            self._negotiation = getattr(error, "negotiation", None)
            self._fail("A-ASSOCIATE", error, result=_association(error))
            return None
        self._connected(tcp)
        negotiation = association.negotiation
        name = negotiation.peer_implementation_version_name or negotiation.peer_implementation_class_uid or "unnamed"
        self._answered("A-ASSOCIATE", f"accepted; the peer's implementation is {printable(name)}{_user(negotiation)}")
        return association

    def _connected(self, tcp: str) -> None:
        """The trace tells when the connection stood, and since when it is secured."""
        for event in self._events:
            if isinstance(event, Connected):
                self._done(tcp, "ok", event.time)
            elif isinstance(event, Secured):
                self._done("TLS", event.text, event.time)

    def _steps_name(self) -> str:
        """The step that was under way."""
        names = ("resolve", "TCP", "A-ASSOCIATE", "presentation context", "C-ECHO", "release")
        return names[min(len(self._steps), len(names) - 1)]

    def _done(self, name: str, result: str, at: float | None = None) -> None:
        now = at or time.monotonic()
        self._steps.append(Step(name, True, result, max(0.0, now - self._since) * 1000))
        self._since = now

    def _answered(self, name: str, result: str, *, ok: bool = True) -> None:
        """A step whose time is that of the wire: from the PDU that asked to the last one, be it our A-ABORT."""
        new, self._seen = self._events[self._seen :], len(self._events)
        times = [event.time for event in new if isinstance(event, PDUSent | PDUReceived)]
        begun = times[0] if times else self._since
        self._since = times[-1] if len(times) > 1 else time.monotonic()  # alone it is the one that asked
        self._steps.append(Step(name, ok, result, max(0.0, self._since - begun) * 1000))

    def _fail(self, name: str, error: NbdicomError, *, result: str | None = None) -> None:
        self._answered(name, result or error.message, ok=False)
        self._error = error
        self._hints += _hints(error, self._peer)


# ------------------------------------------------------------------------------- in words


def _user(negotiation: Negotiation) -> str:
    """Whether the peer confirmed who we are, where it was asked to (PS3.7 D.3.3.7)."""
    if negotiation.identity is None or not negotiation.identity.positive_response:
        return ""
    confirmed = negotiation.identity_response is not None
    return "; it confirmed the user" if confirmed else "; it did NOT confirm the user, and may not have looked at it"


def _connection(error: ConnectionFailed) -> str:
    cause: Any = error.__cause__
    if isinstance(cause, ConnectionRefusedError):
        return "refused: nothing listens on this port"
    if isinstance(cause, ConnectionResetError):
        return "reset by the peer, or by a firewall in between"
    if isinstance(cause, TimeoutError):
        return f"no answer ({error.message})"
    return error.message


def _association(error: NbdicomError) -> str:
    if isinstance(error, AssociationRejected):
        return error.message.removeprefix("the peer rejected the association: ")
    cause = error.__cause__
    if isinstance(cause, RemoteProtocolError):
        return f"the answer is not DICOM: {cause.message}"
    if isinstance(cause, ConnectionResetError):
        return "the peer reset the connection instead of answering"
    if isinstance(error, OperationTimeout):
        return f"connected, but no answer: {error.message}"
    return error.message


def _hints(error: NbdicomError, peer: Remote) -> list[str]:
    hints = [error.hint] if error.hint else []
    if isinstance(error, AssociationRejected):
        reason = (error.source, error.reason_diag)
        if reason == (1, 7):
            hints.append(f"the called AE title was {peer.ae_title!r}: try Peer('<title>@{peer.host}:{peer.port}')")
        elif reason == (1, 3):
            hints.append(f"the calling AE title was {peer.calling!r}: try Peer(..., calling='<title>')")
    return hints
