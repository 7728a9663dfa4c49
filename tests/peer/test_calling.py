"""What is asked of a caller, and what becomes of a result that somebody stopped."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import nbdicom as nd
from nbdicom.blocking.interrupt import Interrupted
from nbdicom.peer.awaited_line import Awaiting
from nbdicom.peer.calling import Caller
from nbdicom.peer.line import Waiting, run


def test_a_thread_that_waits_has_no_loop() -> None:
    async def verb() -> None:
        await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match="waits for an event loop, and there is none"):
        run(verb())


def test_what_a_verb_raises_is_raised() -> None:
    async def verb() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(verb())


CALLERS = [
    (Waiting, nd.Peer, Interrupted, True),
    (Waiting, nd.Peer, KeyboardInterrupt, False),
    (Awaiting, nd.AsyncPeer, asyncio.CancelledError, False),
    (Awaiting, nd.AsyncPeer, KeyboardInterrupt, False),
]


@pytest.mark.parametrize(("kind", "peer", "stop", "returned"), CALLERS)
def test_what_there_is_is_returned_or_raised_with_what_stopped_it(
    kind: Any, peer: Any, stop: type[BaseException], returned: bool
) -> None:
    caller: Caller = kind(peer("SCP@memory:1"))
    assert caller.hand_over([1, 2], None, "2 rows had come") == [1, 2]
    error = stop()
    assert isinstance(error, caller.stops)
    if returned:
        assert caller.hand_over([1, 2], error, "2 rows had come") == [1, 2]
        return
    with pytest.raises(stop) as caught:
        caller.hand_over([1, 2], error, "2 rows had come")
    assert caught.value is error and error.results == [1, 2]  # type: ignore[attr-defined]
    assert error.__notes__[0].startswith("2 rows had come; they are kept in its .results")
