"""The exceptions of nbdicom: what happened, who said so, and what to try.

    NbdicomError
    ├─ AssociationError
    │  ├─ ConnectionFailed          name resolution or TCP; ``__cause__`` is the OSError
    │  │  └─ TLSFailed              the connection could not be secured
    │  ├─ AssociationRejected       A-ASSOCIATE-RJ: .result .source .reason_diag, in words
    │  ├─ AssociationAborted        A-ABORT or A-P-ABORT: .source .reason_diag, and who sent it
    │  ├─ AssociationReleased       an operation was asked of an association that is over
    │  └─ NoPresentationContext     nothing negotiated for this SOP class: .abstract_syntax, .refused
    ├─ ProtocolError
    │  ├─ LocalProtocolError        we were asked for what the standard forbids in this state
    │  └─ RemoteProtocolError       the peer broke a rule of the standard: .rule
    ├─ OperationError
    │  ├─ OperationFailed           the final status is a Failure: .status
    │  ├─ OperationCancelled        the final status is Cancel (FE00H)
    │  └─ OperationTimeout          silence for longer than a deadline allows (also a TimeoutError)
    ├─ DataSetError                 a data set that cannot be encoded or decoded
    ├─ TranscriptError              a recording in a file that cannot be read, or not be replayed
    ├─ QueryError                   a query that is refused before it is sent (also a ValueError)
    ├─ NotDicom                     ``.dicom`` of a table or column that is not one of DICOM (also an AttributeError)
    └─ PacsError                    the embedded PACS cannot use its folder or port, or what it was given

The text of an error is one line and carries no patient value.  ``hint`` says what to try; ``str()`` shows both.
"""

from __future__ import annotations

import errno
import linecache
import os
import sys
import textwrap
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas

    from nbdicom.status import Status
    from nbdicom.table import Table

__all__ = [
    "WHERE_RESULTS_ARE",
    "AssociationAborted",
    "AssociationError",
    "AssociationRejected",
    "AssociationReleased",
    "ConnectionFailed",
    "DataSetError",
    "LocalProtocolError",
    "NbdicomError",
    "NoPresentationContext",
    "NotDicom",
    "OperationCancelled",
    "OperationError",
    "OperationFailed",
    "OperationTimeout",
    "PacsError",
    "ProtocolError",
    "QueryError",
    "RemoteProtocolError",
    "TLSFailed",
    "TranscriptError",
    "in_words",
    "system_reason",
]

_WRAPPED: dict[str, Any] = {
    "width": 96, "subsequent_indent": "    ", "break_long_words": False, "break_on_hyphens": False,
}  # fmt: skip

#: Said of an error that has `NbdicomError.results`.
WHERE_RESULTS_ARE = "they are kept in its .results (in a notebook: import sys; sys.last_value.results)"


class NbdicomError(Exception):
    """Root of every exception that nbdicom raises on purpose.

    Parameters
    ----------
    message : str
        What happened and who said so, in one line, without patient values.
    hint : str, optional
        What to try next.
    """

    #: What had come before, where that is of use: the answers of a query that broke off, as `Peer.find` returns them.
    results: Any = None

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} -> {self.hint}" if self.hint else self.message

    def keep(self, results: Any, what: str) -> None:
        """Carry *results* with the error, and say *what* they are and how to get at them.

        >>> error = NbdicomError("the peer is gone", hint="ask again")
        >>> error.keep(["1.2"], "1 answer")
        >>> error.message, error.results
        ('the peer is gone; 1 answer had come', ['1.2'])
        """
        self.results = results
        self.message = f"{self.message}; {what} had come"
        self.hint = f"{WHERE_RESULTS_ARE}; {self.hint}" if self.hint else WHERE_RESULTS_ARE
        self.args = (self.message,)

    def report(self) -> Table:
        """What happened, what it is known by, what led to it and what to try, as a table.

        >>> print(LocalProtocolError("no", hint="ask again").report())
        LocalProtocolError
        what      in words
        --------  ----------
        happened  no
        try       ask again
        """
        from nbdicom.table import Table

        rows: list[tuple[str, object]] = [("happened", self.message)]
        for name, value in vars(self).items():
            if value is not None and name not in ("message", "hint", "negotiation", "results", "trace"):
                rows.append((name.replace("_", " "), value))
        because = self.__cause__
        while because is not None:
            rows.append(("because of", f"{type(because).__name__}: {because}"))
            because = because.__cause__
        rows += [("try", self.hint)] if self.hint else []
        return Table(type(self).__name__, ("what", "in words"), rows)

    def _repr_html_(self) -> str:
        negotiation = getattr(self, "negotiation", None)
        return self.report()._repr_html_() + (negotiation._repr_html_() if negotiation is not None else "")

    def to_frame(self) -> pandas.DataFrame:
        """The report as a DataFrame."""
        return self.report().to_frame()

    def _render_traceback_(self) -> list[str]:
        """What IPython prints: short, since the cause is in the message and the way to it is ours.

        ``%xmode Verbose`` brings the whole traceback back.
        """
        shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
        tracebacks = getattr(shell, "InteractiveTB", None)
        if tracebacks is not None and getattr(tracebacks, "mode", "") == "Verbose":
            whole: list[str] = tracebacks.structured_traceback(type(self), self, self.__traceback__)
            return whole
        # A notebook would break the lines in the middle of words.
        lines = textwrap.wrap(f"{type(self).__name__}: {self.message}", **_WRAPPED)
        lines += textwrap.wrap(f"  try: {self.hint}", **_WRAPPED) if self.hint else []
        lines += [f"  because of {type(self.__cause__).__name__}"] if self.__cause__ is not None else []
        if where := _where(self):
            lines.append(f"  in {where}")
        return [*lines, "  (all of it: %xmode Verbose, then %tb; as a table: import sys; sys.last_value.report())"]


def in_words(error: BaseException | None) -> str:
    """What is wrong, for a person who sees no traceback.

    The text of a foreign error may quote a patient's data, so of those only their kind is told; but a file or a folder that
    cannot be used is told with its path, which came from that person.

    >>> in_words(NbdicomError("the peer is gone", hint="ask again"))
    'the peer is gone -> ask again'
    >>> in_words(NotADirectoryError(20, "Not a directory", "incoming/1"))
    'incoming/1 cannot be used: Not a directory -> choose another path, where you may read and write'
    >>> in_words(ValueError("Doe^Jane is no number"))
    'ValueError'
    """
    if isinstance(error, NbdicomError):
        return str(error)
    if not isinstance(error, OSError) or not error.strerror:
        return type(error).__name__
    path = os.fsdecode(error.filename) if isinstance(error.filename, (str, bytes)) else ""
    if not path:
        return error.strerror
    reason = "there is a file of that name" if isinstance(error, FileExistsError) else error.strerror
    hint = "make room there" if error.errno == errno.ENOSPC else "choose another path, where you may read and write"
    return f"{path} cannot be used: {reason} -> {hint}"


def system_reason(error: BaseException) -> str:
    """Why the system does not do something, in its words alone: an `OSError` may have a path in its text.

    >>> system_reason(PermissionError(13, "Permission denied", "/home/jane")), system_reason(OSError())
    ('Permission denied', 'OSError')
    """
    return getattr(error, "strerror", None) or type(error).__name__


class AssociationError(NbdicomError):
    """The association could not be established, or ended before its work was done."""

    #: The negotiation as far as it got (`nbdicom.core.negotiation.Negotiation`), or None.
    negotiation: Any = None
    #: What was recorded of it (`nbdicom.trace.Recorder`) where ``trace=True`` was asked for, or None.
    trace: Any = None


class ConnectionFailed(AssociationError):
    """No transport connection: the name, the address, the port or TLS; ``__cause__`` has the system's error."""


class TLSFailed(ConnectionFailed):
    """The connection stood (since ``since``), but could not be secured; ``__cause__`` has the error of the handshake."""

    since: float | None = None


class AssociationRejected(AssociationError):
    """The peer answered A-ASSOCIATE-RJ (PS3.8 Table 9-21).

    ``result``, ``source`` and ``reason_diag`` are the numbers of the PDU.
    """

    def __init__(self, message: str, *, result: int, source: int, reason_diag: int, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.result = result
        self.source = source
        self.reason_diag = reason_diag


class AssociationAborted(AssociationError):
    """The association ended by A-ABORT (PS3.8 Table 9-26), by a lost connection, or by our own abort.

    ``source`` and ``reason_diag`` are None where no PDU was received.
    """

    def __init__(
        self, message: str, *, source: int | None = None, reason_diag: int | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.source = source
        self.reason_diag = reason_diag


class AssociationReleased(AssociationError):
    """The association was released; open a new one for further operations."""


class NoPresentationContext(AssociationError):
    """No accepted presentation context serves this SOP class (and transfer syntax, and role).

    ``abstract_syntax`` is what was needed, ``refused`` the acceptor's words where it was proposed.
    """

    def __init__(
        self, message: str, *, abstract_syntax: str, refused: str | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.abstract_syntax = abstract_syntax
        self.refused = refused


class ProtocolError(NbdicomError):
    """A rule of PS3.7 or PS3.8 was broken."""


class LocalProtocolError(ProtocolError):
    """The caller asked for something that the standard does not allow in this state."""


class RemoteProtocolError(ProtocolError):
    """The peer sent what the standard forbids.

    Parameters
    ----------
    message : str
        What was received.
    rule : str
        The rule that it broke, as a section of the standard, such as ``"PS3.8 9.3.5"``.
    source, reason_diag : int
        What our A-ABORT says about it (PS3.8 Table 9-26).
    hint : str, optional
        What to try, where that can be told from what was received.
    """

    def __init__(
        self, message: str, *, rule: str, source: int = 2, reason_diag: int = 0, hint: str | None = None
    ) -> None:
        super().__init__(f"{message} [{rule}]", hint=hint)
        self.rule = rule
        self.source = source
        self.reason_diag = reason_diag


class OperationError(NbdicomError):
    """A DIMSE operation did not succeed."""


class OperationFailed(OperationError):
    """The peer's final status is a Failure; ``status`` has the number, its meaning and the peer's own comment."""

    def __init__(self, message: str, *, status: Status, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.status = status


class OperationCancelled(OperationError):
    """The operation ended because of a C-CANCEL request (status FE00H)."""


class OperationTimeout(OperationError, TimeoutError):
    """The peer was silent for longer than the deadline of this wait."""


class DataSetError(NbdicomError):
    """A data set cannot be encoded or decoded in the transfer syntax at hand."""


class TranscriptError(NbdicomError):
    """A file that is no recording or a damaged one, or a recording that cannot be replayed."""


class QueryError(NbdicomError, ValueError):
    """A query that cannot be sent: an unknown keyword, an impossible value, a missing key of an upper level."""


class NotDicom(NbdicomError, AttributeError):
    """``.dicom`` of a table without unique keys, of a row, or of a column of numbers; `hasattr` is False there."""


class PacsError(NbdicomError):
    """The embedded PACS cannot start (folder, port, TLS, a database of a newer version), or not take what it was given."""


def _where(error: BaseException) -> str:
    """The line of the caller's own code that led to *error*: the last one of neither us nor pandas."""
    found = ""
    step = error.__traceback__
    while step is not None:
        frame = step.tb_frame
        if not str(frame.f_globals.get("__name__", "")).startswith(("nbdicom", "pandas.")):
            line = linecache.getline(frame.f_code.co_filename, step.tb_lineno, frame.f_globals).strip()
            found = f"line {step.tb_lineno}: {line}" if line else f"line {step.tb_lineno}"
        step = step.tb_next
    return found
