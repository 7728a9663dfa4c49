"""Settings as values: deadlines, limits and the operations window, all frozen and all explained where they are declared."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Limits", "OperationsWindow", "Timeouts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How long we wait, in seconds; ``None`` waits for ever.

    Examples
    --------
    >>> Timeouts(dimse=5).dimse
    5
    """

    connect: float | None = 10  #: name resolution and TCP connection
    association: float | None = 30  #: from the connection to A-ASSOCIATE-AC or -RJ, TLS included
    artim: float = 30  #: ARTIM: acceptor's wait for a whole A-ASSOCIATE-RQ; anyone's wait for the close (PS3.8 9.1.5)
    network: float | None = 60  #: no byte moved although something is expected (a PDU half received, a write blocked)
    dimse: float | None = 60  #: silence between two messages of an operation; starts anew with each pending response
    idle: float | None = 600  #: acceptor: no message at all on an established association
    cancel: float = 5  #: from C-CANCEL to the final response, before the association is aborted
    release: float = 10  #: from A-RELEASE-RQ to A-RELEASE-RP, before the association is aborted


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationsWindow:
    """Asynchronous operations window (PS3.7 D.3.3.3): how many operations may be outstanding; 0 is unlimited."""

    invoked: int = 1
    performed: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a peer may make us hold; each is enforced where the bytes arrive, none is allocated in advance."""

    max_length_received: int = 131_072  #: bytes of one P-DATA-TF that we announce (PS3.8 D.1); 0 announces "no limit"
    associate_pdu: int = 1 << 20  #: bytes of one A-ASSOCIATE-RQ or -AC
    command_set: int = 1 << 16  #: bytes of one command set
    data_set: int = 64 << 20  #: bytes of one data set that is collected in memory (a `DataSink` has no such limit)
    object_size: int = 4 << 30  #: bytes of one object that goes to a `DataSink`
    associations: int = 64  #: associations that a server serves at once
    operations: int = 256  #: requests of one peer that wait or are performed at once; further ones are answered 0213H
    matches: int = 100_000  #: C-FIND responses of one request to the embedded PACS
