"""The answers to one operation, for ``async for``: they can be left, cancelled, and their task can be (PS3.7 9.3.2.3)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Generator
from contextlib import asynccontextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from nbdicom.aio.driver import Driver
from nbdicom.errors import AssociationError, NbdicomError, OperationTimeout
from nbdicom.operations.effects import Deliver
from nbdicom.operations.invoking import Answered, Invoked
from nbdicom.operations.listed import keep, listed

if TYPE_CHECKING:
    import pandas

__all__ = ["Responses"]

T = TypeVar("T")


class Responses(Answered[T]):
    """The answers to one operation, one by one.

    Iterate over it with ``async for``.  The request goes out with the first step; ``await`` the object itself to have it on
    the wire before.  Leaving the loop early, `cancel()`, an ``async with`` block, or the cancellation of the task that waits
    cancels what can be cancelled (C-FIND, C-GET, C-MOVE) and leaves the association usable.  ``status`` has the final status
    as soon as it is known.

    Raises (while iterating)
    ------------------------
    OperationFailed
        The final status is a Failure.
    OperationCancelled
        The peer says "cancelled" although nobody asked.
    OperationTimeout, AssociationError
        The association is over.
    """

    _driver: Driver

    def __init__(self, driver: Driver, invoked: Invoked) -> None:
        super().__init__(driver, invoked)
        self._begun = False

    def __await__(self) -> Generator[Any, Any, Self]:
        return self._start().__await__()

    async def _start(self) -> Self:
        """Run to the first wait: when this returns, the request is on the wire."""
        if not self._begun and not self._done:
            async with self._cancelled_by_failure():
                kind, value = await self._step(stop_at_receive=True)
            if kind is Deliver:
                self._ahead.append(value)
            elif kind is StopIteration:
                self._finish(value)
            else:
                self._waiting = True
        return self

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        if self._ahead:
            return self._ahead.pop()
        if self._done:
            raise StopAsyncIteration
        async with self._cancelled_by_failure():
            kind, value = await self._step()
        if kind is Deliver:
            return value  # type: ignore[no-any-return]
        self._finish_and_raise(value)
        raise StopAsyncIteration

    async def _step(self, *, stop_at_receive: bool = False) -> tuple[type, Any]:
        driver = self._driver
        if not self._begun:
            await driver.settle_abandoned()
            self._begun = True
        answer = None
        if self._waiting:
            answer = await driver.receive(self._invocation, self.service)
            self._waiting = False
        return await driver.advance(
            self._operation, self._invocation, resume=answer, stop_at_receive=stop_at_receive, what=self.service
        )

    @asynccontextmanager
    async def _cancelled_by_failure(self) -> AsyncIterator[None]:
        try:
            yield
        except asyncio.CancelledError:
            await self._interrupted()
            raise
        except Exception:
            await self.cancel()  # what the peer still sends for it must not meet the next operation
            raise
        except BaseException:
            self._driver.abort()
            self._end()
            raise

    async def cancel(self) -> None:
        """Cancel (C-CANCEL) and wait for the final response, at most `Timeouts.cancel` seconds; else abort.

        A C-ECHO or C-STORE cannot be cancelled: its response is awaited.  Does nothing when the operation is over.
        """
        if self._done:
            return
        self._cancelling = True
        driver, invocation = self._driver, self._invocation
        try:
            until = driver.loop.time() + driver.timeouts.cancel
            if self._cancellable and invocation.outstanding and driver.is_established:
                await driver.send_cancel(invocation)
            if driver.is_established:
                await driver.wait(lambda: not invocation.outstanding, None, until=until)
            if invocation.outstanding:
                driver.abort()
            self._clear()
        except (OperationTimeout, AssociationError):
            pass  # aborted or lost: over, which is what was asked for
        except BaseException:
            driver.abort()
            raise
        finally:
            self._end()

    async def _interrupted(self) -> None:
        """The task is cancelled: the operation is, too, before the task ends; a second time ends the association."""
        cancelling = self._driver.spawn(self.cancel())
        try:
            await asyncio.shield(cancelling)
        except asyncio.CancelledError:
            self._driver.abort()
            raise

    def _end(self) -> None:
        if not self._done:
            super()._end()
            self._driver.forget(self._invocation)

    async def to_frame(self) -> pandas.DataFrame:
        """The answers that are still to come as a DataFrame, one row for each.

        Raises
        ------
        OperationFailed, OperationCancelled, OperationTimeout, AssociationError
            As while iterating; what had come is in ``results`` of the error.
        """
        values: list[Any] = []
        try:
            async for value in self:
                values.append(value)  # noqa: PERF401  # what had come is kept when it breaks off
        except NbdicomError as error:
            keep(error, self.service, self.status, values)
            raise
        return listed(self.service, self.status, values).to_frame()

    async def __aenter__(self) -> Self:
        return await self._start()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is not None and issubclass(kind, asyncio.CancelledError):
            await self._interrupted()
        else:
            await self.cancel()
