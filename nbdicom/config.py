"""Settings as values: deadlines, limits and the operations window, all frozen and all explained where they are declared."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Limits", "OperationsWindow", "Timeouts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How long we wait, in seconds; ``None`` waits for ever.

    Parameters
    ----------
    connect : float or None
        Name resolution and TCP connection.
    association : float or None
        From the connection to A-ASSOCIATE-AC or -RJ, TLS included.
    artim : float
        ARTIM: acceptor's wait for a whole A-ASSOCIATE-RQ; anyone's wait for the close (PS3.8 9.1.5).
    network : float or None
        In a message, either way: for its end or the next 16 KiB of it; bytes alone are no news.
    dimse : float or None
        Silence between two messages of an operation; starts anew with each pending response.
    pdu : float or None
        From the first byte of a PDU to its last; for a longer one so much for each begun MiB.
    idle : float or None
        Acceptor: no message at all on an established association.
    query : float or None
        The embedded PACS: from a C-FIND, C-GET or C-MOVE request to the next match in the index.
    cancel : float
        From C-CANCEL to the final response, before the association is aborted.
    closing : float
        Acceptor: from its last PDU to the end of its side; until then a PDU gets its A-ABORT (AA-7).
    linger : float
        How long a `Peer` keeps an association after a call, for the next one; 0 releases it at once.
    release : float
        From A-RELEASE-RQ to A-RELEASE-RP, before the association is aborted.

    Examples
    --------
    >>> Timeouts(dimse=5).dimse
    5
    """

    connect: float | None = 10
    association: float | None = 30
    artim: float = 30
    network: float | None = 60
    dimse: float | None = 60
    pdu: float | None = 60
    idle: float | None = 60
    query: float | None = 60
    cancel: float = 5
    closing: float = 0.25
    linger: float = 0.5
    release: float = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationsWindow:
    """Asynchronous operations window (PS3.7 D.3.3.3): how many operations may be outstanding; 0 is unlimited.

    Parameters
    ----------
    invoked : int
        Operations of the requestor that wait for their final response.
    performed : int
        Those of the acceptor that the requestor performs, in the same way.
    """

    invoked: int = 1
    performed: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a peer may make us hold; each is enforced where the bytes arrive, none is allocated in advance.  The last one
    is what we do to a peer.

    Beyond a limit of the protocol (the first five, and `responses`) the association is aborted; beyond one of an operation
    or a data set that operation gets a failure status and the association goes on; beyond one of the server an
    association is rejected, or a connection closed.  `docs/reliability.md` has what is answered.

    Parameters
    ----------
    max_length_received : int
        Bytes of one P-DATA-TF that we announce (PS3.8 D.1); 0 announces "no limit".
    associate_pdu : int
        Bytes of one A-ASSOCIATE-RQ or -AC.
    associate_items : int
        Items and sub-items of one: 128 contexts with every transfer syntax of the standard and all that is negotiated
        for each have 9000.
    p_data_tf : int
        Bytes of one P-DATA-TF of a peer that does not keep to what we announced; 0 holds everybody to it (PS3.8
        D.1). Some peers count the header of the PDU wrongly: for them a few bytes more than `max_length_received`.
    command_set : int
        Bytes of one command set.
    data_set : int
        Bytes of one data set that is collected in memory (a `DataSink` has no such limit).
    association_memory : int
        Bytes of the data sets that one association holds in memory.
    server_memory : int
        Bytes of the data sets that all associations of a server hold in memory.
    operations : int
        Requests of one peer that wait or are performed at once; further ones are answered 0213H.
    responses : int
        Responses of one operation that have come and that nobody has taken yet.
    object_size : int
        Bytes of one object that goes to a `DataSink`.
    free_space : int
        Bytes that a store leaves free on its file system.
    sequence_depth : int
        Sequences within sequences; real data hardly exceed ten.
    elements : int
        Elements of one data set, those in sequences of undefined length included.
    items : int
        Items of one sequence of undefined length.
    inflated : int
        Bytes of a data set that came deflated.
    inflation_ratio : int
        How many times longer than it came it may become, beyond the first MiB.
    associations : int
        Associations that a server serves at once.
    associations_per_host : int
        Of these from one IPv4 address or one IPv6 /64: a machine may take any address in that.  Where many machines
        that send at once share a /64, as those of one ward may, allow more.
    half_open : int
        Connections without an association; one more, and the oldest of the busiest host (counted likewise) is
        closed.
    matches : int
        C-FIND responses of one request to the embedded PACS.
    queries : int
        C-FIND requests that one call of a `Peer` sends, where lists of values make several; more are refused unsent.

    Examples
    --------
    >>> Limits(associations=4).associations_per_host
    16
    """

    max_length_received: int = 131_072
    associate_pdu: int = 1 << 20
    associate_items: int = 16_384
    p_data_tf: int = 0
    command_set: int = 1 << 16

    data_set: int = 64 << 20
    association_memory: int = 128 << 20
    server_memory: int = 512 << 20
    operations: int = 256
    responses: int = 100_000
    object_size: int = 4 << 30
    free_space: int = 64 << 20

    sequence_depth: int = 64
    elements: int = 1_000_000
    items: int = 100_000
    inflated: int = 512 << 20
    inflation_ratio: int = 200

    associations: int = 64
    associations_per_host: int = 16
    half_open: int = 64
    matches: int = 10_000
    queries: int = 10_000
