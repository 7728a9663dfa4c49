"""An acceptor without a thread: its work is done step by step, by whoever waits for its answers (`nbdicom.memory`).

An operation that performs is a generator, so it can stand still: where it waits for the peer, and after each pending
response, so that the peer can look at it and cancel.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from nbdicom.blocking.driver import Driver
from nbdicom.core.association import Invocation
from nbdicom.core.dimse import Received
from nbdicom.errors import AssociationError
from nbdicom.operations.effects import Operation, Receive, Send, alone

__all__ = ["Attendant"]


class Attendant:
    """Does the work of one acceptor.

    Parameters
    ----------
    driver : Driver
        Of the association, on a connection in memory.
    answer : callable
        Answers the association request that has come.
    over : callable
        Called when the association is over and closed.
    chores : callable
        Called when the association has nothing to do: what the server has put off.
    """

    def __init__(
        self, driver: Driver, answer: Callable[[], None], over: Callable[[], None], chores: Callable[[], None]
    ) -> None:
        self._driver = driver
        self._answer = answer
        self._over = over
        self._chores = chores
        self._busy = threading.Lock()  # a handler may wait for something in its turn; it must not meet itself
        self._thread: int | None = None  # who is at it
        self._received: Received | None = None  # what is performed
        self._operation: Operation | None = None
        self._invocation = Invocation()
        self._waiting = False  # the operation stands at a Receive
        self._since = time.monotonic()
        self._stopped: str | None = None  # why the association is to end

    def step(self) -> None:
        """Do what there is to do until the peer has something to look at."""
        if not self._busy.acquire(blocking=False):
            if self._thread == threading.get_ident():
                self._driver.attend()  # a handler of ours asked the peer, whose handler asks back
            return
        self._thread = threading.get_ident()
        try:
            self._step()
        finally:
            self._thread = None
            self._busy.release()
            self._end_if_stopped()

    @property
    def is_busy_elsewhere(self) -> bool:
        """Whether another thread than this one is at it."""
        return self._thread not in (None, threading.get_ident())

    def pass_time(self) -> None:
        """No time passes by itself: an association that has been idle for too long ends when somebody looks at it."""
        if not self._driver.core.requests and self._is_overdue():
            self.step()

    def _is_overdue(self) -> bool:
        idle = self._driver.timeouts.idle
        return idle is not None and self._operation is None and time.monotonic() > self._since + idle

    def stop(self, reason: str) -> None:
        """Abort the association for *reason*; whoever is at it does so when that step is done."""
        self._stopped = reason
        self._end_if_stopped()

    def _end_if_stopped(self) -> None:
        # Looked at again after each release: a reason may come between the last look and the release.
        while self._stopped is not None and not self._driver.closed and self._busy.acquire(blocking=False):
            self._thread = threading.get_ident()
            try:
                self._driver.end(self._stopped)
                self._end()
                self._over()
            finally:
                self._thread = None
                self._busy.release()

    def _step(self) -> None:
        driver = self._driver
        core = driver.core
        if driver.closed:  # by other hands: whoever has the server may abort its associations
            self._end()
            self._over()
            return
        core.time_reached(time.monotonic())
        if core.associate_rq is not None and core.error is None:
            self._answer()
        elif self._operation is not None:
            self._go_on()
        elif core.requests and not core.is_over:
            self._begin(core.requests.popleft())
        elif self._is_overdue():
            core.give_up(f"the peer was silent for {driver.timeouts.idle:g} s")
        else:
            driver.flush()
            if core.is_established:
                self._chores()
        if core.is_over:
            self._end()
            driver.close()
            self._over()

    def _begin(self, received: Received) -> None:
        self._received = received
        performed = self._driver.serving.perform(received)
        self._operation = alone(performed) if isinstance(performed, Send) else performed
        self._invocation = Invocation()
        self._go_on()

    def _go_on(self) -> None:
        operation, invocation, driver = self._operation, self._invocation, self._driver
        assert operation is not None
        answer: Any = None
        error: BaseException | None = None
        if self._waiting:
            if invocation.inbox:
                answer = invocation.inbox.popleft()
            elif driver.core.error is not None:
                error = driver.core.error
            else:
                return  # the peer has not answered yet
            self._waiting = False
        try:
            stop, _ = driver.advance(operation, invocation, resume=answer, error=error, performing=True, stepwise=True)
        except AssociationError:
            stop = StopIteration  # over while we answered: whoever waits is told by the core
        except BaseException as interrupt:
            driver.answer_after(interrupt, operation, invocation)
            self._end()
            raise
        self._waiting = stop is Receive
        if stop is StopIteration:
            self._end()

    def _end(self) -> None:
        """The operation is over."""
        operation, received = self._operation, self._received
        self._operation = self._received = None
        self._waiting = False
        self._since = time.monotonic()
        if operation is not None and received is not None:
            operation.close()
            self._driver.core.performed(received)
