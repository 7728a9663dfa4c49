"""What every test of the drivers has: each driver in each role, nothing may be left over, and nobody waits for ever.

A test that takes `dial` runs with both drivers as the requestor, one that takes `serve` with both as the acceptor; one that
takes both, and no bytes of its own, also in the memory network, where either driver meets either.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import scripted
from loops import Loop, LoopServer
from scripted import CONTEXTS, DIALED, FAST, LIMIT, descriptors

from nbdicom.blocking import Server
from nbdicom.operations.handlers import Handlers

DRIVERS = ["blocking", "asyncio"]
IN_MEMORY = ["blocking in memory", "asyncio in memory"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The memory network joins our drivers, and nobody else has a wire to it."""
    items[:] = [item for item in items if _makes_sense(item)]


def _makes_sense(item: pytest.Item) -> bool:
    values = getattr(getattr(item, "callspec", None), "params", {})
    return values.get("scp_driver") not in IN_MEMORY or "scu_driver" in values


@pytest.fixture(autouse=True)
def nothing_left_over() -> Iterator[None]:
    """Every thread and every descriptor that a test starts is gone when it ends."""
    threads, before = set(threading.enumerate()), descriptors()
    yield
    try:
        for thread in set(threading.enumerate()) - threads:
            thread.join(LIMIT)
        left = [thread.name for thread in set(threading.enumerate()) - threads]
        assert not left, f"threads left: {left}"
        new = {name: what for name, what in descriptors().items() if before.get(name) != what}
        assert not new, f"descriptors left: {new}"
    finally:
        for association in list(DIALED):
            association._driver.transport.close()
        DIALED.clear()


@pytest.fixture
def loop(nothing_left_over: None) -> Iterator[Loop]:
    """An event loop in a thread, for the asyncio driver."""
    running = Loop()
    yield running
    running.close()


@pytest.fixture(params=DRIVERS)
def scu_driver(request: pytest.FixtureRequest) -> str:
    """Which driver the requestor has."""
    return str(request.param)


@pytest.fixture(params=[*DRIVERS, *IN_MEMORY])
def scp_driver(request: pytest.FixtureRequest) -> str:
    """Which driver the acceptor has."""
    return str(request.param)


@pytest.fixture
def dial(scu_driver: str, loop: Loop) -> Callable[..., Any]:
    """``dial(address, **changes)``: an association with `CONTEXTS` and short timeouts."""
    if scu_driver == "blocking":
        return scripted.dial
    given: dict[str, Any] = {"called": "SCP", "calling": "SCU", "contexts": CONTEXTS, "timeouts": FAST}
    return lambda address, **changes: loop.associate(address, **{**given, **changes})


@pytest.fixture
def serve(scp_driver: str, loop: Loop) -> Callable[..., Any]:
    """``serve(handlers, **changes)``: a server for `CONTEXTS` with short timeouts, not yet started."""

    def server(handlers: Handlers | None = None, **changes: Any) -> Any:
        handlers = handlers or Handlers(store=lambda request: 0)
        given = {"ae_title": "SCP", "contexts": CONTEXTS, "timeouts": FAST, **changes}
        if scp_driver in IN_MEMORY:
            given = {"host": "memory", **given}
        if scp_driver.startswith("asyncio"):
            return LoopServer(loop, handlers, **given)
        return Server(handlers, **given)

    return server
