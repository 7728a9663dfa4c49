"""What an acceptor is, whoever drives it: its title, its services, whom it lets in (PS3.8 7.1)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Generic, Protocol, TypeVar

from nbdicom.address import join_address, network_of
from nbdicom.config import Limits, OperationsWindow, Timeouts
from nbdicom.core.association import AssociationCore
from nbdicom.core.negotiation import ContextLike, Support, title_problem
from nbdicom.core.streams import MemoryBudget
from nbdicom.core.trace import Trace, Tracer, traced_by
from nbdicom.core.upper_layer import Role
from nbdicom.errors import AssociationReleased, LocalProtocolError
from nbdicom.operations.admission import Admission
from nbdicom.operations.handlers import Handlers
from nbdicom.operations.invoking import Associated
from nbdicom.table import Table, Tabular, counted, printable

__all__ = ["Acceptor", "Served"]


class _Drives(Protocol):
    """What a driver of any kind has."""

    core: AssociationCore


D = TypeVar("D", bound=_Drives)


@dataclass(slots=True, eq=False)
class Served(Generic[D]):
    """A connection that is served by a driver."""

    driver: D
    host: str
    admitted: bool = False  #: it counts as an association
    evicted: bool = False  #: it has been told to go
    network: str = field(init=False)  #: whose it counts as: see `nbdicom.address.network_of`

    def __post_init__(self) -> None:
        """Tell the network once: it is looked at with every connection that comes."""
        self.network = network_of(self.host)


class Acceptor(Tabular):
    """What the servers of all drivers share; the parameters are those of `Server`.

    Raises
    ------
    LocalProtocolError
        If the AE title is not one (PS3.5 6.2).
    """

    _listener: object | None = None

    def __init__(
        self,
        handlers: Handlers,
        *,
        ae_title: str,
        contexts: Iterable[ContextLike] | Support,
        any_called: bool = False,
        calling: Callable[[str, str], bool] | None = None,
        window: OperationsWindow | None = None,
        timeouts: Timeouts | None = None,
        limits: Limits | None = None,
        trace: Trace | Tracer | None = None,
    ) -> None:
        if problem := title_problem(ae_title):
            raise LocalProtocolError(f"AE title {ae_title!r} {problem} [PS3.5 6.2]")
        self.ae_title = ae_title
        self.handlers = handlers
        self.timeouts = timeouts or Timeouts()
        self.limits = limits or Limits()
        self.trace = trace  #: what collects the trace, if anything does
        self.tracers: tuple[Tracer, ...] = ()  #: who else records for the time being; see `nbdicom.record`
        support = (
            contexts
            if isinstance(contexts, Support)
            else Support.of(list(contexts), max_length_received=self.limits.max_length_received)
        )
        if window is not None:
            support = replace(support, window=window)
        self.admission = Admission(
            ae_title=ae_title,
            support=support,
            any_called=any_called,
            calling=calling,
            accept=handlers.accept,
            identity=handlers.identity,
        )
        self._memory = MemoryBudget(self.limits.server_memory)

    def new_core(self, clock: Callable[[], float]) -> AssociationCore:
        """The protocol side of an association that begins now."""
        return AssociationCore(
            Role.ACCEPTOR,
            clock=clock,
            limits=self.limits,
            artim=self.timeouts.artim,
            pdu_seconds=self.timeouts.pdu,
            memory=self._memory,
            trace=traced_by(Role.ACCEPTOR, (self.trace, *self.tracers)),
        )

    def is_full(self, served: Collection[Served[D]]) -> bool:
        """No room for another connection, whoever it is."""
        return len(served) >= self.limits.associations + 2 * self.limits.half_open

    def evict(self, served: Iterable[Served[D]]) -> Served[D] | None:
        """Who of *served*, in the order of their coming, has to make room for a new connection, if somebody has."""
        crowd = [one for one in served if not one.admitted and not one.evicted]
        if len(crowd) < self.limits.half_open:
            return None
        ((busiest, _),) = Counter(one.network for one in crowd).most_common(1)
        oldest = next(one for one in crowd if one.network == busiest)
        oldest.evicted = True
        return oldest

    def reserve(self, new: Served[D], served: Iterable[Served[D]]) -> bool:
        """Count a connection as an association, if there is room for one."""
        # Who has released may call again at once; that it has closed its connection, too, is seen a moment later.
        networks = [
            one.network
            for one in served
            if one.admitted and not isinstance(one.driver.core.error, AssociationReleased)
        ]
        new.admitted = (
            len(networks) < self.limits.associations and networks.count(new.network) < self.limits.associations_per_host
        )
        return new.admitted

    @property
    def address(self) -> tuple[str, int]:
        """Host and port that it listens on (the requested ones before it does)."""
        raise NotImplementedError

    @property
    def running(self) -> bool:
        """True between `start` and `close`."""
        return self._listener is not None

    @property
    def associations(self) -> Sequence[Associated]:
        """The associations that are established now."""
        raise NotImplementedError

    def table(self) -> Table:
        """The associations that are established now, under a line about the acceptor."""
        rows = [
            (printable(one.negotiation.calling_ae_title), one.peer, len(one.negotiation.accepted))
            for one in self.associations
        ]
        return Table(
            f"{self.ae_title}@{join_address(*self.address)}, {'listening' if self.running else 'not listening'}, "
            f"{counted(len(rows), 'association')}",
            ("calling AE title", "from", "presentation contexts"),
            rows,
        )

    def __repr__(self) -> str:
        return str(self.table()) if self.associations else f"<Server {self.table().title}>"
