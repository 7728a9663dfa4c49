"""What every test of the drivers has: each driver in each role, nothing may be left over, and nobody waits for ever.

A test that takes `dial` runs with both drivers as the requestor, one that takes `serve` with both as the acceptor; one that
takes both, and no bytes of its own, also in the memory network, where either driver meets either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import scripted
from loops import Loop, LoopServer
from scripted import CONTEXTS, DIALED, FAST

from nbdicom.blocking import Server
from nbdicom.operations.handlers import Handlers
from tests.leaks import nothing_left

DRIVERS = ["blocking", "asyncio"]
IN_MEMORY = ["blocking in memory", "asyncio in memory"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The memory network joins our drivers, nobody else has a wire to it, and what says ``ON_SOCKETS`` is about others."""
    items[:] = [item for item in items if _makes_sense(item)]


def _makes_sense(item: pytest.Item) -> bool:
    values = getattr(getattr(item, "callspec", None), "params", {})
    in_memory = values.get("scp_driver") in IN_MEMORY
    return not in_memory or ("scu_driver" in values and not getattr(item.module, "ON_SOCKETS", False))


@pytest.fixture(autouse=True)
def nothing_left_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every thread, descriptor and temporary file that a test makes is gone when it ends."""
    try:
        with nothing_left(tmp_path, monkeypatch):
            yield
    finally:
        for association in list(DIALED):
            association._driver.transport.close()
        DIALED.clear()


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Certificates."""
    from certificates import Hospital  # most tests have no use for them

    return Hospital(tmp_path_factory.mktemp("certificates"))


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
