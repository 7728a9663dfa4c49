"""Handlers that end what they serve (PS3.8 7.3)."""

from __future__ import annotations

import pytest
from scripted import FAST, dial

from nbdicom.blocking import Server
from nbdicom.errors import AssociationAborted
from nbdicom.operations.handlers import Handlers
from nbdicom.operations.requests import EchoRequest


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
