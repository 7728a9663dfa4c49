"""The same command set again and again: read once, and never taken for another one."""

from __future__ import annotations

import pytest

from nbdicom.config import Limits
from nbdicom.core.command import CFindRSP, encode_command
from nbdicom.core.dimse import Dimse, Received
from nbdicom.core.negotiation import ContextResult, NegotiatedContext
from nbdicom.errors import RemoteProtocolError
from nbdicom.status import Status
from nbdicom.uids import UID

FIND = UID("1.2.840.10008.5.1.4.1.2.2.1")


def received(*messages: bytes) -> list[Received]:
    got: list[Received] = []
    dimse = Dimse(Limits(), got.append)
    syntax = UID("1.2.840.10008.1.2")
    context = NegotiatedContext(
        context_id=1, abstract_syntax=FIND, proposed=(syntax,), result=ContextResult.ACCEPTANCE, transfer_syntax=syntax
    )
    dimse.contexts = {1: context}
    for message in messages:
        dimse.fragment(1, 3, memoryview(message), True)
    return got


def response(message_id: int, status: int) -> bytes:
    message = CFindRSP(message_id_being_responded_to=message_id, status=Status(status), affected_sop_class_uid=FIND)
    return encode_command(message, data_set=False)


def test_equal_command_sets_are_equal_messages_and_others_are_not() -> None:
    sent = [(1, 0xFF00), (1, 0xFF00), (2, 0xFF00), (1, 0xFF00), (1, 0xFF01), (1, 0x0000)]
    got = [one.message for one in received(*(response(*pair) for pair in sent))]
    assert [(m.message_id_being_responded_to, m.status) for m in got if isinstance(m, CFindRSP)] == sent


@pytest.mark.parametrize("before", [(), (response(1, 0xFF00),)], ids=["first", "after a response"])
def test_an_empty_command_set_is_none(before: tuple[bytes, ...]) -> None:
    with pytest.raises(RemoteProtocolError, match="no Command Field"):
        received(*before, b"")
