"""The servers of this process, and threads that start and stop them at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable

from nbdicom.running import replace_running, running, running_table, stopped

LIMIT = 10.0  #: seconds that a thread has


class Service:
    """A server without a socket; *ending* is what it waits for when it is stopped."""

    ae_title = "SERVICE"
    address = "SERVICE@127.0.0.1:0"
    port = 0

    def __init__(self, ending: Callable[[], object] = lambda: None) -> None:
        self.running = False
        self._ending = ending

    def start(self) -> None:
        self.running = True

    def stop(self) -> None:
        self.running = False
        self._ending()
        stopped(self)


def known() -> list[object]:
    """Those of this test: others of this process may have servers that run."""
    return [server for server in running() if isinstance(server, Service)]


def test_a_handler_of_a_server_that_is_replaced_may_ask_who_runs() -> None:
    """The earlier server waits for its handlers when it stops; what they ask must not wait for its end."""
    seen: list[str] = []

    def handle() -> None:
        seen.append(running_table().title)

    def wait_for_the_handler() -> None:
        thread = threading.Thread(target=handle, daemon=True)
        thread.start()
        thread.join(LIMIT)

    earlier, new = Service(wait_for_the_handler), Service()
    replace_running(earlier, earlier.start)
    replace_running(new, new.start)
    assert seen and known() == [new]
    new.stop()
    assert known() == []


def test_a_server_that_is_stopped_while_it_starts_is_not_known_as_running() -> None:
    server = Service()

    def begin() -> None:
        server.start()
        server.stop()  # as another thread may

    replace_running(server, begin)
    assert known() == []
