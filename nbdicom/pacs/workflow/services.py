"""The workflow of a PACS as a whole: one table says which SOP Class is which service, and what may be asked under it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from nbdicom.config import Limits, Timeouts
from nbdicom.data.sink import FreeSpace
from nbdicom.operations.requests import (
    FindRequest,
    NActionRequest,
    NCreateRequest,
    NGetRequest,
    NSetRequest,
    Refuse,
)
from nbdicom.pacs.archive import Archive
from nbdicom.pacs.workflow.availability import Availability
from nbdicom.pacs.workflow.commitment import Commitments
from nbdicom.pacs.workflow.database import Database
from nbdicom.pacs.workflow.mpps import PerformedProcedureSteps
from nbdicom.pacs.workflow.reports import Reports
from nbdicom.pacs.workflow.service import UNRECOGNIZED_OPERATION, Service
from nbdicom.pacs.workflow.workitems import Workitems
from nbdicom.pacs.workflow.worklist import Worklist
from nbdicom.services import dimse_services
from nbdicom.uids import UID

if TYPE_CHECKING:
    from nbdicom.blocking.association import Association
    from nbdicom.tls import TLS

__all__ = ["SERVED", "Served", "Workflow"]

_FILE = "workflow.sqlite"
_NO_SUCH_ACTION_TYPE = 0x0123
_RESOURCE_LIMITATION = 0x0213


class Served(NamedTuple):
    """Who serves a SOP Class."""

    service: str  #: the attribute of `Workflow`
    actions: tuple[int, ...] = ()  #: the action types of its N-ACTION


#: SOP Class -> service.  Which DIMSE services it has is said in `nbdicom.services`, its action types in PS3.4 Tables J.3-1,
#: CC.2.1-1, CC.2.2-1 and CC.2.3-1.
SERVED: Mapping[str, Served] = {
    UID.of(keyword): Served(service, actions)
    for keyword, service, actions in (
        ("ModalityWorklistInformationModelFind", "worklist", ()),
        ("ModalityPerformedProcedureStep", "procedure_steps", ()),
        ("ModalityPerformedProcedureStepRetrieve", "procedure_steps", ()),
        ("ModalityPerformedProcedureStepNotification", "procedure_steps", ()),
        ("InstanceAvailabilityNotification", "availability", ()),
        ("StorageCommitmentPushModel", "commitments", (1,)),
        ("UnifiedProcedureStepPush", "workitems", (2,)),
        ("UnifiedProcedureStepWatch", "workitems", (2, 3, 4, 5)),
        ("UnifiedProcedureStepPull", "workitems", (1,)),
        ("UnifiedProcedureStepEvent", "workitems", ()),
        ("UnifiedProcedureStepQuery", "workitems", ()),
    )
}


class Workflow:
    """Everything beside storage and retrieval that a PACS serves, from one database.

    Parameters
    ----------
    root : Path
        The folder of the store.
    archive : Archive
        Its objects.
    ae_title : str
        The AE title of the PACS.
    address : callable
        ``address(ae_title)`` is the ``(host, port)`` of an AE that we may call, or None.
    durable : bool
        See `nbdicom.pacs.workflow.database.Database`.
    pauses, tls
        See `nbdicom.pacs.workflow.reports.Reports`.
    timeouts, limits
        See `nbdicom.config`.
    notify_steps, notify_availability
        Whom to tell of performed procedure steps, and of what is available.
    """

    def __init__(
        self,
        root: Path,
        archive: Archive,
        *,
        ae_title: str,
        address: Callable[[str], tuple[str, int] | None],
        durable: bool,
        pauses: Sequence[float],
        tls: TLS | None,
        timeouts: Timeouts,
        limits: Limits,
        notify_steps: Collection[str] = (),
        notify_availability: Collection[str] = (),
    ) -> None:
        self._database = database = Database(root / _FILE, durable=durable)
        self._free = FreeSpace(root, limits.free_space)
        self.reports = Reports(
            database, ae_title=ae_title, address=address, pauses=pauses, tls=tls, timeouts=timeouts, limits=limits
        )
        self.worklist = Worklist(database, limit=limits.matches, seconds=timeouts.query)
        self.availability = Availability(database, self.reports, archive, ae_title=ae_title, notify=notify_availability)
        self.procedure_steps = PerformedProcedureSteps(database, self.reports, self.availability, notify=notify_steps)
        self.commitments = Commitments(
            database, self.reports, instance=archive.instance, ae_title=ae_title, durable=durable
        )
        self.workitems = Workitems(database, self.reports, limit=limits.matches, seconds=timeouts.query)

    def start(
        self,
        associations: Callable[[], Iterable[Association]],
        later: Callable[[Callable[[], None]], None] | None = None,
    ) -> None:
        """The server listens: deliver what waits, and tell the subscribers that we are there again.

        *later* puts off work where there are no threads (`nbdicom.memory`).
        """
        self.workitems.subscriptions.restarted()
        self.reports.start(associations, later)

    def close(self) -> None:
        """Close the database, when nobody uses it any more."""
        self.reports.stop()
        self.reports.join()
        self._database.close()

    # --------------------------------------------------------------------------- handlers

    def find(self, request: FindRequest) -> Iterator[Mapping[str, Any]]:
        """C-FIND of a worklist."""
        return self._service(request, "C-FIND").find(request)

    def n_create(self, request: NCreateRequest) -> Any:
        """N-CREATE."""
        service = self._service(request, "N-CREATE")
        self._need_room()
        return service.n_create(request)

    def n_get(self, request: NGetRequest) -> Any:
        """N-GET."""
        return self._service(request, "N-GET").n_get(request)

    def n_set(self, request: NSetRequest) -> Any:
        """N-SET."""
        service = self._service(request, "N-SET")
        self._need_room()
        return service.n_set(request)

    def n_action(self, request: NActionRequest) -> Any:
        """N-ACTION."""
        service = self._service(request, "N-ACTION")
        if request.action_type_id not in SERVED[request.context.abstract_syntax].actions:
            raise Refuse(_NO_SUCH_ACTION_TYPE, "this SOP Class has no such action type")
        self._need_room()
        return service.n_action(request)

    def _need_room(self) -> None:
        """What is kept here takes no room that is to stay free: the archive on the same disk would refuse every object."""
        try:
            self._free.ask()
        except OSError as error:
            raise Refuse(_RESOURCE_LIMITATION, "not enough free space") from error

    def _service(self, request: Any, dimse: str) -> Service:
        """The service of the presentation context: under it, not under its own SOP Class, a workitem is asked for."""
        served = SERVED.get(request.context.abstract_syntax)
        if served is None or dimse not in dimse_services(request.context.abstract_syntax):
            raise Refuse(UNRECOGNIZED_OPERATION, f"this SOP Class has no {dimse}")
        service: Service = getattr(self, served.service)
        return service
