"""The answers to one operation, as an iterator that can be left, cancelled and interrupted (PS3.7 9.3.2.3)."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from nbdicom.blocking.driver import Driver
from nbdicom.errors import NbdicomError
from nbdicom.operations.effects import Deliver
from nbdicom.operations.invoking import Answered, Invoked
from nbdicom.operations.listed import keep, listed

if TYPE_CHECKING:
    import pandas

__all__ = ["Responses"]

T = TypeVar("T")


class Responses(Answered[T]):
    """The answers to one operation, one by one.

    Iterate over it; leaving the loop early, `cancel()`, or a ``with`` block cancels what can be cancelled (C-FIND, C-GET,
    C-MOVE) and leaves the association usable.  ``status`` has the final status as soon as it is known.

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
        driver.settle_abandoned()
        try:
            self._start()
        except BaseException:
            self._end()
            raise

    def _start(self) -> None:
        """Run to the first wait: when this returns, the request is on the wire."""
        kind, value = self._driver.advance(self._operation, self._invocation, stepwise=True, what=self.service)
        if kind is Deliver:
            self._ahead.append(value)
        elif kind is StopIteration:
            self._finish(value)
        else:
            self._waiting = True

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        if self._ahead:
            return self._ahead.pop()
        if self._done:
            raise StopIteration
        try:
            kind, value = self._resume()
        except KeyboardInterrupt:
            self._interrupted()
            raise
        except Exception:
            self.cancel()  # what the peer still sends for it must not meet the next operation
            raise
        except BaseException:
            self._end()
            raise
        if kind is Deliver:
            return value  # type: ignore[no-any-return]
        self._finish_and_raise(value)
        raise StopIteration

    def _resume(self) -> tuple[type, Any]:
        answer = None
        if self._waiting:
            answer = self._driver.receive(self._invocation, self.service)
            self._waiting = False
        return self._driver.advance(self._operation, self._invocation, resume=answer, what=self.service)

    def cancel(self) -> None:
        """Cancel (C-CANCEL) and wait for the final response, at most `Timeouts.cancel` seconds; else abort.

        A C-ECHO or C-STORE cannot be cancelled: its response is awaited.  Does nothing when the operation is over.
        """
        if self._done:
            return
        self._cancelling = True
        try:
            self._driver.finish(self._invocation, cancellable=self._cancellable)
            self._clear()
        finally:
            self._end()

    def _interrupted(self) -> None:
        """Ctrl-C: cancel if the position in the stream is known, else abort."""
        driver = self._driver
        if not driver.resumable:
            driver.abort()
            self._end()
        else:
            self.cancel()

    def to_frame(self) -> pandas.DataFrame:
        """The answers that are still to come as a DataFrame, one row for each.

        `Peer.find` makes more of them: typed columns, and where they are from.

        Raises
        ------
        OperationFailed, OperationCancelled, OperationTimeout, AssociationError
            As while iterating; what had come is in ``results`` of the error.
        """
        values: list[Any] = []
        try:
            for value in self:
                values.append(value)  # noqa: PERF402  # what had come is kept when it breaks off
        except NbdicomError as error:
            keep(error, self.service, self.status, values)
            raise
        return listed(self.service, self.status, values).to_frame()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.cancel()
