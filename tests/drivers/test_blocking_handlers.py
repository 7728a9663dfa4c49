"""Handlers that end what they serve, and statuses in the words of their service (PS3.8 7.3, PS3.4)."""

from __future__ import annotations

import threading

import pytest
from scripted import FAST, LIMIT, Scripted, Wire, dial, echo_rq, when_waiting

from nbdicom.blocking import Server
from nbdicom.core.command import CEchoRSP
from nbdicom.errors import AssociationAborted, AssociationReleased, OperationFailed
from nbdicom.operations.handlers import Handlers
from nbdicom.operations.requests import EchoRequest, Refuse


@pytest.mark.parity("A.11 aborts from handlers")
def test_a_handler_aborts_its_own_association() -> None:
    """The handler runs in the thread that serves the association, and it ends that: no deadlock, no second word."""

    def echo(request: EchoRequest) -> int:
        (mine,) = [one for one in server.associations if one.peer == request.peer]
        mine.abort()
        return 0x0000

    with Server(Handlers(echo=echo), ae_title="SCP", contexts=["Verification"], timeouts=FAST) as server:
        for _ in range(2):
            with pytest.raises(AssociationAborted) as aborted:
                dial(server.address, contexts=["Verification"]).echo()
            assert aborted.value.source == 0


@pytest.mark.parity("A.4 statuses")
def test_a_failure_is_told_in_the_words_of_its_service() -> None:
    """C301H is one thing of a workitem and another of a query; the association knows which was asked."""

    def refuse(request: object) -> int:
        raise Refuse(0xC301)

    ups, find = "UnifiedProcedureStepPull", "StudyRootQueryRetrieveInformationModelFind"
    handlers = Handlers(n_action=refuse, find=refuse)  # type: ignore[arg-type]
    with Server(handlers, ae_title="SCP", contexts=[ups, find], timeouts=FAST) as server:
        with dial(server.address, contexts=[ups, find]) as association:
            with pytest.raises(OperationFailed, match="The correct Transaction UID was not provided"):
                association.n_action("UnifiedProcedureStepPush", "1.2.3", 1)
            with pytest.raises(OperationFailed, match="Unable to process"):
                list(association.find({"PatientID": ""}, model=find))


def test_what_the_peer_has_asked_is_answered_before_the_release() -> None:
    """It was read by somebody who only looked whether the association is alive (PS3.8 7.2.2)."""
    established = threading.Event()

    def script(wire: Wire) -> None:
        assert established.wait(LIMIT)
        wire.send(echo_rq(9))
        assert wire.request(CEchoRSP).message.message_id_being_responded_to == 9
        wire.released()

    with Scripted(script) as acceptor:
        association = dial(acceptor.address)
        established.set()
        while not association._driver.core.requests:
            assert association.is_alive()
        association.release()
        assert isinstance(association._driver.core.error, AssociationReleased)


def test_what_another_thread_is_answering_is_answered_before_the_release() -> None:
    established, asked, answers = threading.Event(), threading.Event(), threading.Event()

    def script(wire: Wire) -> None:
        assert established.wait(LIMIT)
        wire.send(echo_rq(9))
        assert wire.request(CEchoRSP).message.message_id_being_responded_to == 9
        wire.released()

    def echo(request: EchoRequest) -> int:
        asked.set()
        assert answers.wait(LIMIT)
        return 0x0000

    with Scripted(script) as acceptor:
        association = dial(acceptor.address, handlers=Handlers(echo=echo))
        listener = threading.Thread(target=association.listen)
        listener.start()
        established.set()
        assert asked.wait(LIMIT)
        driver = association._driver
        releasing = threading.Thread(target=association.release)
        releasing.start()
        with driver._lock:
            while not driver._waiting and driver.core.is_established:
                driver._arrived.wait(0.001)
        answers.set()
        for thread in (listener, releasing):
            thread.join(LIMIT)
        assert isinstance(driver.core.error, AssociationReleased)


def test_an_interrupt_while_listening_leaves_the_association_usable() -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    with Server(Handlers(), ae_title="SCP", contexts=["Verification"], timeouts=FAST) as server:
        with dial(server.address, contexts=["Verification"]) as association:
            when_waiting(association, interrupt)
            with pytest.raises(KeyboardInterrupt):
                association.listen(30)
            assert association.is_established
            assert association.echo() == 0x0000
