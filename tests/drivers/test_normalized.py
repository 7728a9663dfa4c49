"""DIMSE-N by each driver, in both roles, and requests that reach a requestor (PS3.7 section 10)."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from pydicom import Dataset
from scripted import A_ABORT_USER, CT, IMPLICIT, LIMIT, Dial, Scripted, Serve, Wire, message, store_rq

from nbdicom.blocking import Server, associate
from nbdicom.core.command import CStoreRSP, NEventReportRQ, NEventReportRSP
from nbdicom.core.negotiation import PresentationContext
from nbdicom.errors import AssociationAborted, NoPresentationContext, OperationFailed
from nbdicom.operations.handlers import Handlers
from nbdicom.operations.requests import (
    NActionRequest,
    NCreateRequest,
    NDeleteRequest,
    NEventReportRequest,
    NGetRequest,
    NormalizedRequest,
    NSetRequest,
    Refuse,
    StoreRequest,
)
from nbdicom.uids import UID

META, SESSION, PRINTER = UID("1.2.840.10008.5.1.1.9"), UID("1.2.840.10008.5.1.1.1"), UID("1.2.840.10008.5.1.1.16")
COMMITMENT = UID("1.2.840.10008.1.20.1")
PRINTING = [(META, IMPLICIT), (PRINTER, IMPLICIT), (COMMITMENT, IMPLICIT)]
ONE = UID("1.2.3")


@pytest.fixture
def serve(serve: Serve) -> Serve:
    """A server for `PRINTING`."""
    return partial(serve, contexts=PRINTING)


class Films:
    """Film sessions in memory: an SCP of five of the six services."""

    def __init__(self) -> None:
        self.films: dict[str, Dataset] = {}

    def handlers(self) -> Handlers:
        return Handlers(
            n_create=self.create, n_get=self.get, n_set=self.set, n_action=self.action, n_delete=self.delete
        )

    def create(self, request: NCreateRequest) -> Dataset:
        self.films[request.sop_instance_uid] = request.dataset()
        return self.films[request.sop_instance_uid]

    def _film(self, request: NormalizedRequest) -> Dataset:
        if request.sop_instance_uid not in self.films:
            raise Refuse(0x0112, "no such film session")
        return self.films[request.sop_instance_uid]

    def get(self, request: NGetRequest) -> Any:
        film = self._film(request)
        if not request.attribute_identifier_list:
            return film
        known = Dataset()
        for tag in request.attribute_identifier_list:
            if tag in film:
                known[tag] = film[tag]
        return known if len(known) == len(request.attribute_identifier_list) else (0x0107, known)

    def set(self, request: NSetRequest) -> Dataset:
        film = self._film(request)
        film.update(request.dataset())
        return film

    def action(self, request: NActionRequest) -> dict[str, Any]:
        self._film(request)
        return {"ExecutionStatus": "PENDING", "NumberOfCopies": request.action_type_id}

    def delete(self, request: NDeleteRequest) -> None:
        self._film(request)
        del self.films[request.sop_instance_uid]


@pytest.mark.parity("A.4 Print Management")
def test_a_life_of_an_instance_under_a_meta_sop_class(serve: Serve, dial: Dial) -> None:
    films = Films()
    with serve(films.handlers()) as server, dial(server.address, contexts=PRINTING) as association:
        created = association.n_create(SESSION, {"NumberOfCopies": 1}, meta_sop_class=META)
        film = created.sop_instance_uid
        assert film in films.films and created.status == 0 and created.dataset().NumberOfCopies == 1
        named = association.n_create("BasicFilmSession", sop_instance=ONE, meta_sop_class=META)
        assert named.sop_instance_uid == ONE and not named.dataset() and named.data is None
        changed = association.n_set(SESSION, film, _priority("HIGH"), meta_sop_class=META)
        assert changed.dataset().PrintPriority == "HIGH"
        everything = association.n_get(SESSION, film, meta_sop_class=META)
        assert everything.dataset().NumberOfCopies == 1 and everything.dataset().PrintPriority == "HIGH"
        one = association.n_get(SESSION, film, ["PrintPriority"], meta_sop_class=META)
        assert [element.keyword for element in one.dataset()] == ["PrintPriority"]
        partly = association.n_get(SESSION, film, ["PrintPriority", 0x00100010], meta_sop_class=META)
        assert partly.status == 0x0107 and partly.status.category == "Warning"
        printed = association.n_action(SESSION, film, 1, meta_sop_class=META)
        assert printed.dataset().ExecutionStatus == "PENDING" and printed.dataset().NumberOfCopies == 1
        assert printed.message.action_type_id == 1  # type: ignore[attr-defined]
        assert association.n_delete(SESSION, film, meta_sop_class=META).status == 0
        with pytest.raises(OperationFailed, match="no such film session") as failed:
            association.n_delete(SESSION, film, meta_sop_class=META)
        assert failed.value.status == 0x0112
        assert list(films.films) == [ONE]


def _priority(value: str) -> Dataset:
    modification = Dataset()
    modification.PrintPriority = value
    return modification


def test_a_service_nobody_handles_and_a_class_of_another_context(serve: Serve, dial: Dial) -> None:
    with serve(Handlers(n_get=lambda request: {"PrinterStatus": "NORMAL"})) as server:
        with dial(server.address, contexts=PRINTING) as association:
            with pytest.raises(OperationFailed) as failed:
                association.n_set(PRINTER, ONE, {"PrinterName": "P"})
            assert failed.value.status == 0x0211
            with pytest.raises(OperationFailed) as failed:
                association.n_get(COMMITMENT, ONE, meta_sop_class=META)
            assert failed.value.status == 0x0118
            with pytest.raises(NoPresentationContext):
                association.n_get("ModalityPerformedProcedureStep", ONE)
            assert association.n_get(PRINTER, ONE).dataset().PrinterStatus == "NORMAL"


@pytest.mark.parametrize(
    ("handler", "said"),
    [
        (lambda request: None, "no attributes"),
        (lambda request: "PATIENT^NAME", "a str"),
        (lambda request: (0x0000, ["PATIENT^NAME"]), "a list cannot be encoded"),
        (lambda request: {"Rows": "PATIENT^NAME"}, "Rows"),
        (lambda request: request.dataset().PatientName, "AttributeError"),
    ],
    ids=["nothing", "text", "list", "object", "exception"],
)
@pytest.mark.parity("A.5 handlers that misbehave", "A.8 LOG_IDENTIFIERS")
def test_a_mistake_is_answered_logged_and_survived(
    serve: Serve, dial: Dial, handler: Callable[[Any], Any], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    with serve(Handlers(n_get=handler)) as server, dial(server.address, contexts=PRINTING) as association:
        with caplog.at_level(logging.WARNING, "nbdicom"):
            for _ in range(2):  # the association goes on
                with pytest.raises(OperationFailed) as failed:
                    association.n_get(PRINTER, ONE)
                assert failed.value.status == 0x0110
    lines = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(lines) == 2
    for line in lines:
        assert line.startswith(f"N-GET-RQ from {server.address[0]}:") and said in line and "PATIENT" not in line


# ------------------------------------------------------------------------------- requests that reach a requestor


@pytest.mark.parity("A.2 requests to a requestor", "A.2 N-EVENT-REPORT")
def test_an_event_report_on_the_same_association(serve: Serve, dial: Dial) -> None:
    """Storage commitment: asked by N-ACTION, reported later by N-EVENT-REPORT on the association of the request."""
    reports: list[NEventReportRequest] = []
    replies: list[Any] = []
    reporting: list[threading.Thread] = []

    def commit(request: NActionRequest) -> None:
        transaction = request.dataset().TransactionUID

        def report() -> None:
            (association,) = server.associations
            replies.append(association.n_event_report(COMMITMENT, ONE, 1, {"TransactionUID": transaction}))

        reporting.append(threading.Thread(target=report))
        reporting[-1].start()

    with serve(Handlers(n_action=commit)) as server:
        handlers = Handlers(n_event_report=reports.append)
        with dial(server.address, contexts=PRINTING, handlers=handlers) as association:
            association.n_action(COMMITMENT, ONE, 1, {"TransactionUID": "1.2.9"})
            assert association.listen(LIMIT, until=lambda: reports)
            reporting[0].join(LIMIT)
    (report,) = reports
    assert (report.event_type_id, report.sop_instance_uid, report.dataset().TransactionUID) == (1, ONE, "1.2.9")
    assert [int(reply.status) for reply in replies] == [0]


@pytest.mark.parametrize("host", ["127.0.0.1", "memory"])
def test_what_is_put_off_until_the_answer_is_out(host: str, caplog: pytest.LogCaptureFixture) -> None:
    """A blocking server does it in a thread, in memory whoever waits does; what fails concerns nobody."""
    reports: list[NEventReportRequest] = []
    told = threading.Event()

    def commit(request: NActionRequest) -> None:
        (association,) = server.associations
        server.later(association.n_event_report, COMMITMENT, ONE, 1, {"TransactionUID": "1.2.9"})
        server.later(fails)

    def fails() -> None:
        told.set()
        raise ValueError("DOE^JOHN")

    with Server(Handlers(n_action=commit), ae_title="SCP", contexts=PRINTING, host=host) as server:
        handlers = Handlers(n_event_report=reports.append)
        options: dict[str, Any] = {"called": "SCP", "contexts": PRINTING, "handlers": handlers}
        with associate(server.address, **options) as association:
            assert association.n_action(COMMITMENT, ONE, 1, {"TransactionUID": "1.2.9"}).status == 0
            assert association.listen(LIMIT, until=lambda: reports)
            assert told.wait(LIMIT) and association.is_established
    for thread in threading.enumerate():
        if "later" in thread.name:
            thread.join(LIMIT)
    assert reports[0].dataset().TransactionUID == "1.2.9"
    assert "what was put off failed: ValueError" in caplog.text and "DOE" not in caplog.text


@pytest.mark.parity("A.4 Storage Commitment")
def test_an_event_report_on_a_new_association_needs_the_role(serve: Serve, dial: Dial) -> None:
    reports: list[NEventReportRequest] = []
    with serve(Handlers(n_event_report=reports.append)) as server:
        reversed_ = PresentationContext(COMMITMENT, (IMPLICIT,), scu_role=False, scp_role=True)
        with dial(server.address, contexts=[reversed_]) as association:
            assert association.n_event_report(COMMITMENT, ONE, 2, {"TransactionUID": "1.2.9"}).status == 0
            with pytest.raises(NoPresentationContext, match="role"):
                association.n_action(COMMITMENT, ONE, 1)
        with dial(server.address, contexts=PRINTING) as association:
            with pytest.raises(NoPresentationContext, match="role of SCP"):
                association.n_event_report(COMMITMENT, ONE, 2)
    assert [report.event_type_id for report in reports] == [2]


def event_report() -> bytes:
    rq = NEventReportRQ(message_id=5, affected_sop_class_uid=COMMITMENT, affected_sop_instance_uid=ONE, event_type_id=1)
    return message(5, rq)  # the third context of PRINTING


def test_listen_serves_until_the_peer_releases(dial: Dial) -> None:
    stored: list[StoreRequest] = []
    contexts = [*PRINTING, PresentationContext(CT, (IMPLICIT,), True, True), (CT, IMPLICIT)]

    def script(wire: Wire) -> None:
        wire.send(event_report())
        assert wire.request(NEventReportRSP).message.status == 0x0211
        wire.send(store_rq())
        assert wire.request(CStoreRSP).message.status == 0
        wire.send(bytes.fromhex("05 00 00000004 00000000"))
        wire.rest()

    def store(request: StoreRequest) -> int:
        stored.append(request)
        return 0

    with Scripted(script) as peer:
        association = dial(peer.address, contexts=contexts, handlers=Handlers(store=store))
        assert association.listen() is False
        assert not association.is_established
    assert [request.data for request in stored] == [b"data"]


def test_listen_tells_of_an_abort(dial: Dial) -> None:
    def script(wire: Wire) -> None:
        wire.send(event_report())
        wire.request(NEventReportRSP)
        wire.send(A_ABORT_USER)

    with Scripted(script) as peer:
        association = dial(peer.address, contexts=PRINTING)
        with pytest.raises(AssociationAborted):
            association.listen()


def test_listen_ends_when_its_time_is_over(serve: Serve, dial: Dial) -> None:
    with serve(Handlers()) as server, dial(server.address, contexts=PRINTING) as association:
        assert association.listen(0.01)
        assert association.listen(0)


@pytest.mark.parity("A.2 UPS contexts", "A.2 meta_uid")
def test_the_context_is_found_where_the_service_has_it(serve: Serve, dial: Dial) -> None:
    """Films in the context of a Meta SOP Class, workitems in that of the UPS SOP Class that has the service."""
    asked: list[tuple[str, str, str]] = []

    def note(request: NormalizedRequest) -> dict[str, Any]:
        asked.append((request.message.name, request.context.abstract_syntax.keyword, request.sop_class_uid.keyword))
        return {"PatientID": "1"}

    handlers = Handlers(n_create=note, n_get=note, n_set=note, n_action=note, find=lambda request: [{"PatientID": "1"}])
    names = ("Push", "Watch", "Pull")
    contexts = [(f"UnifiedProcedureStep{name}", IMPLICIT) for name in names]
    with serve(handlers, contexts=[*PRINTING, *contexts]) as server:
        with dial(server.address, contexts=[*PRINTING, *contexts]) as association:
            association.n_create(SESSION, {"NumberOfCopies": 1})
            push = "UnifiedProcedureStepPush"
            association.n_create(push, {"PatientID": "1"}, sop_instance=ONE)
            association.n_set(push, ONE, {"PatientID": "2"})
            association.n_action(push, ONE, 1)
            association.n_action(push, ONE, 3)
            association.n_get(push, ONE)
            assert len(list(association.find({"PatientID": ""}, model="UnifiedProcedureStepQuery"))) == 1
    assert asked == [
        ("N-CREATE-RQ", "BasicGrayscalePrintManagementMeta", "BasicFilmSession"),
        ("N-CREATE-RQ", push, push),
        ("N-SET-RQ", "UnifiedProcedureStepPull", push),
        ("N-ACTION-RQ", "UnifiedProcedureStepPull", push),
        ("N-ACTION-RQ", "UnifiedProcedureStepWatch", push),
        ("N-GET-RQ", push, push),
    ]
