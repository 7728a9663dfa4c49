"""SCU and SCP of each driver against each other, over loopback and in memory: every DIMSE-C service (PS3.7 9.1)."""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import scripted
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from scripted import (
    CONTEXTS,
    CT,
    EXPLICIT,
    FIND,
    FIND_ID,
    GET_ID,
    IMPLICIT,
    LIMIT,
    MOVE,
    MR,
    Dial,
    Instance,
    Scripted,
    Serve,
    Sink,
    Wire,
    Zeros,
    cancel_rq,
    message,
    store_rq,
    when_waiting,
)

from nbdicom.blocking import Association, Server
from nbdicom.config import OperationsWindow
from nbdicom.core.command import CEchoRQ, CFindRQ, CGetRQ, CStoreRQ, Request
from nbdicom.core.negotiation import PresentationContext, Support
from nbdicom.data import codec
from nbdicom.errors import (
    AssociationAborted,
    AssociationReleased,
    DataSetError,
    LocalProtocolError,
    NoPresentationContext,
    OperationFailed,
)
from nbdicom.operations.handlers import Handlers
from nbdicom.operations.listed import listed
from nbdicom.operations.requests import (
    EchoRequest,
    FindRequest,
    Match,
    ReceivedInstance,
    Refuse,
    RetrieveRequest,
    Stored,
    StoreRequest,
    SubOperations,
)
from nbdicom.status import Status
from nbdicom.uids import UID

#: instances of a retrieve that is to be cancelled: they take so many seconds that nobody is late with the C-CANCEL
MANY = 20_000


def wide(most: int) -> Support:
    """What `CONTEXTS` says, with a window."""
    narrow = Support.of(CONTEXTS)
    return Support(contexts=narrow.contexts, window=OperationsWindow(invoked=most, performed=most))


# ------------------------------------------------------------------------------- C-ECHO


def test_echo(serve: Serve, dial: Dial) -> None:
    asked: list[EchoRequest] = []

    def echo(request: EchoRequest) -> int:
        asked.append(request)
        return 0

    with serve(Handlers(echo=echo)) as server, dial(server.address) as association:
        for _ in range(3):
            assert association.echo() == 0
        assert association.is_established
        assert association.peer == f"{server.address[0]}:{server.address[1]}"
    assert [request.calling_ae_title for request in asked] == ["SCU"] * 3
    assert not association.is_established


def test_echo_that_fails_leaves_the_association_usable(serve: Serve, dial: Dial) -> None:
    statuses = iter([0x0110, 0x1234, 0x0000])
    with serve(Handlers(echo=lambda request: next(statuses))) as server, dial(server.address) as association:
        for status in (0x0110, 0x1234):
            with pytest.raises(OperationFailed) as caught:
                association.echo()
            assert caught.value.status == status
        assert association.echo() == 0


@pytest.mark.parity("A.2 state")
def test_operations_after_the_end(serve: Serve, dial: Dial) -> None:
    with serve(Handlers()) as server:
        released = dial(server.address)
        released.release()
        released.release()
        released.abort()
        aborted = dial(server.address)
        aborted.abort()
        aborted.abort()
        aborted.release()
        for association, error in ((released, AssociationReleased), (aborted, AssociationAborted)):
            with pytest.raises(error):
                association.echo()
            assert not association.is_established


@pytest.mark.parity("A.2 release", "A.2 abort")
def test_exceptions_abort_and_ends_release(serve: Serve, dial: Dial) -> None:
    ends: list[str] = []
    done = threading.Event()

    def trace(event: Any) -> None:
        if event.__class__.__name__ == "PDUReceived" and event.pdu_type in (5, 7):
            ends.append("release" if event.pdu_type == 5 else "abort")
            done.set()

    with serve(Handlers(), trace=trace) as server:
        with dial(server.address):
            pass
        assert done.wait(LIMIT)
        done.clear()
        with pytest.raises(ZeroDivisionError), dial(server.address):
            raise ZeroDivisionError
        assert done.wait(LIMIT)
    assert ends == ["release", "abort"]


# ------------------------------------------------------------------------------- C-FIND


def matches(count: int) -> Callable[[FindRequest], Iterator[bytes]]:
    def find(request: FindRequest) -> Iterator[bytes]:
        for number in range(count):
            yield b"match %d " % number

    return find


def test_find(serve: Serve, dial: Dial) -> None:
    asked: list[bytes] = []

    def find(request: FindRequest) -> Iterator[bytes]:
        asked.append(request.data)
        yield b"one "
        request.pending_status = 0xFF01
        yield b""

    with serve(Handlers(find=find)) as server, dial(server.address) as association:
        responses = association.find(b"keys", model=FIND)
        assert responses.status is None
        got = list(responses)
        assert responses.status == 0
        assert list(responses) == []
    assert [(match.data, match.status, match.transfer_syntax) for match in got] == [
        (b"one ", 0xFF00, IMPLICIT),
        (b"", 0xFF01, IMPLICIT),
    ]
    assert asked == [b"keys"]


@pytest.mark.parametrize("count", [0, 1, 2000])
def test_find_gives_all_matches(serve: Serve, dial: Dial, count: int) -> None:
    with serve(Handlers(find=matches(count))) as server, dial(server.address) as association:
        got = [match.data for match in association.find(b"keys")]
        assert got == [b"match %d " % number for number in range(count)]
        assert association.echo() == 0


@pytest.mark.parametrize("sizes", [[1], [3, 1, 0, 2], [400], [300, 300]], ids=str)
def test_find_gives_all_matches_of_lists(serve: Serve, dial: Dial, sizes: list[int]) -> None:
    numbers = iter(range(sum(sizes)))
    lists = [[b"match %d " % next(numbers) for _ in range(size)] for size in sizes]
    with serve(Handlers(find=lambda request: lists)) as server, dial(server.address) as association:
        got = [match.data for match in association.find(b"keys")]
        assert got == [b"match %d " % number for number in range(sum(sizes))]
        assert association.echo() == 0


def test_find_that_fails(serve: Serve, dial: Dial) -> None:
    def find(request: FindRequest) -> Iterator[bytes]:
        yield b"one "
        raise Refuse(0xA700, "index is away")

    with serve(Handlers(find=find)) as server, dial(server.address) as association:
        responses = association.find(b"keys")
        assert isinstance(next(responses), Match)
        with pytest.raises(OperationFailed, match="index is away") as caught:
            next(responses)
        assert caught.value.status == responses.status == 0xA700
        assert list(responses) == []
        assert association.echo() == 0


def test_answers_as_a_frame(serve: Serve, dial: Dial) -> None:
    studies = [{"StudyInstanceUID": f"1.2.{k}", "PatientID": f"P{k}"} for k in range(3)]

    def find(request: FindRequest) -> Iterator[Any]:
        yield from studies
        if request.identifier().get("PatientID") == "broken":
            raise Refuse(0xC001, "no more")

    with serve(Handlers(find=find)) as server, dial(server.address) as association:
        frame = association.find({"StudyInstanceUID": ""}).to_frame()
        assert frame.to_dict("list") == {
            "PatientID": ["P0", "P1", "P2"],
            "StudyInstanceUID": ["1.2.0", "1.2.1", "1.2.2"],
        }
        responses = association.find({"StudyInstanceUID": ""})
        next(responses)
        assert responses.to_frame().PatientID.tolist() == ["P1", "P2"]  # what is still to come
        assert len(responses.to_frame()) == 0
        with pytest.raises(OperationFailed, match="3 answers had come") as caught:
            association.find({"PatientID": "broken"}).to_frame()
        assert caught.value.results.PatientID.tolist() == ["P0", "P1", "P2"]


def test_answers_of_each_kind_as_frames() -> None:
    instance_of = type("One", (), {"sop_instance_uid": UID("1.2"), "sop_class_uid": CT})
    values = [
        Stored(instance_of(), Status(0), None, EXPLICIT),
        Stored(instance_of(), error=OperationFailed("it is gone", status=Status(0xA700))),
        ReceivedInstance(CT, UID("1.3"), EXPLICIT, Status(0)),
        SubOperations(Status(0xFF00), remaining=3, completed=1),
        Match(b"\xff", EXPLICIT, Status(0xFF00), codec),
        "something else",
    ]
    frame = listed("C-ANY", Status(0), values).to_frame()
    assert frame.SOPInstanceUID.tolist()[:3] == ["1.2", "1.2", "1.3"] and frame.ok.tolist()[:2] == [True, False]
    assert frame.problem[1] == "it is gone" and frame.remaining[3] == 3 and frame.answer[5] == "something else"
    assert frame.problem[4]


class Endless:
    """C-FIND handler whose matches never end; it notes that it was closed."""

    def __init__(self) -> None:
        self.closed = threading.Event()
        self.given = 0

    def __call__(self, request: FindRequest) -> Iterator[bytes]:
        try:
            while True:
                self.given += 1
                yield b"match"  # of odd length: the fragment is padded by nobody
        finally:
            self.closed.set()


@pytest.fixture
def endless(serve: Serve) -> Iterator[tuple[Endless, Server]]:
    handler = Endless()
    with serve(Handlers(find=handler)) as server:
        yield handler, server


@pytest.mark.parity("A.2 C-CANCEL")
def test_leaving_the_loop_cancels(dial: Dial, endless: tuple[Endless, Server]) -> None:
    handler, server = endless
    with dial(server.address) as association:
        for count, _ in enumerate(association.find(b"keys"), 1):
            if count == 3:
                break
        assert association.echo() == 0
        assert handler.closed.is_set()


def test_with_cancels(dial: Dial, endless: tuple[Endless, Server]) -> None:
    handler, server = endless
    with dial(server.address) as association:
        with association.find(b"keys") as responses:
            next(responses)
        assert handler.closed.is_set()
        assert responses.status == 0xFE00
        assert list(responses) == []
        assert association.echo() == 0


@pytest.mark.parametrize(
    ("context_id", "asked", "status"),
    [
        (FIND_ID, CFindRQ(message_id=1, affected_sop_class_uid=FIND), 0xFE00),
        (GET_ID, CGetRQ(message_id=1, affected_sop_class_uid=UID("1.2.840.10008.5.1.4.1.2.2.3")), 0x0000),
    ],
    ids=["C-FIND", "C-GET"],
)
def test_a_handler_that_works_sees_the_cancel(serve: Serve, context_id: int, asked: Request, status: int) -> None:
    """A search that finds nothing for long ends when nobody wants it any more; of an empty C-GET nothing is left."""
    begun, until = threading.Event(), time.monotonic() + LIMIT

    def search(request: FindRequest | RetrieveRequest) -> list[Any]:
        begun.set()
        while not request.cancelled:
            assert time.monotonic() < until, "it was never seen"
        return []

    with serve(Handlers(find=search, get=search)) as server, Wire.associated(server.address) as wire:
        wire.send(message(context_id, asked, b"keys"))
        assert begun.wait(LIMIT)
        wire.send(cancel_rq(context_id=context_id))
        assert wire.message().message.status == status
        wire.echo()
        wire.release()


def test_with_cancels_when_the_block_raises(dial: Dial, endless: tuple[Endless, Server]) -> None:
    handler, server = endless
    with dial(server.address) as association:
        with pytest.raises(ZeroDivisionError), association.find(b"keys") as responses:
            for _ in responses:
                raise ZeroDivisionError
        assert responses.status == 0xFE00
        assert association.echo() == 0


def test_cancel(dial: Dial, endless: tuple[Endless, Server]) -> None:
    handler, server = endless
    with dial(server.address) as association:
        responses = association.find(b"keys")
        next(responses)
        responses.cancel()
        responses.cancel()
        assert responses.status == 0xFE00
        assert list(responses) == []
        assert association.echo() == 0


def test_del_sends_nothing_and_the_next_operation_cancels(dial: Dial, endless: tuple[Endless, Server]) -> None:
    """A destructor does no input or output; an event loop is told to do it, without it the next operation does."""
    handler, server = endless
    with dial(server.address) as association:
        responses = association.find(b"keys")
        next(responses)
        del responses
        if isinstance(association, Association):
            assert not handler.closed.is_set()
        else:
            assert handler.closed.wait(LIMIT)
        assert [match.data for match, _ in zip(association.find(b"keys"), range(2), strict=False)] == [b"match"] * 2
        assert association.echo() == 0


def test_release_settles_what_was_dropped(dial: Dial, endless: tuple[Endless, Server]) -> None:
    handler, server = endless
    with dial(server.address) as association:
        next(association.find(b"keys"))
    assert handler.closed.wait(LIMIT)


def test_find_that_was_never_iterated(dial: Dial, endless: tuple[Endless, Server]) -> None:
    handler, server = endless
    with dial(server.address) as association:
        association.find(b"keys")
        assert association.echo() == 0


def test_find_that_was_complete_before_it_was_dropped(serve: Serve, dial: Dial) -> None:
    """The final response waits in the socket: there is nothing to cancel any more, and nothing goes wrong."""
    with serve(Handlers(find=matches(1))) as server, dial(server.address) as association:
        for _ in association.find(b"keys"):
            break
        assert association.echo() == 0


def test_find_matches_cannot_be_mixed_up_between_two_queries(serve: Serve, dial: Dial) -> None:
    """With a window two queries are answered one after the other, and each gets its own."""

    def find(request: FindRequest) -> Iterator[bytes]:
        for number in range(3):
            yield request.data + b"%d" % number

    with (
        serve(Handlers(find=find), contexts=wide(4)) as server,
        dial(server.address, window=OperationsWindow(invoked=4)) as association,
    ):
        first, second = association.find(b"a "), association.find(b"b ")
        got = [(next(second).data, next(first).data) for _ in range(3)]
        assert association.echo() == 0
        assert got == [(b"b %d" % number, b"a %d" % number) for number in range(3)]
        assert list(first) == list(second) == []
        assert first.status == second.status == 0


def test_dropping_one_of_two_queries_leaves_the_other(
    serve: Serve, dial: Dial, endless: tuple[Endless, Server]
) -> None:
    with (
        serve(Handlers(find=matches(500)), contexts=wide(4)) as server,
        dial(server.address, window=OperationsWindow(invoked=4)) as association,
    ):
        first, second = association.find(b"a "), association.find(b"b ")
        next(first)
        next(second)
        del first
        assert len(list(second)) == 499
        assert association.echo() == 0


def test_a_second_operation_beyond_the_window_is_refused_in_words(dial: Dial, endless: tuple[Endless, Server]) -> None:
    """One thread cannot wait for itself: with a window of 1 it has to finish (or leave) the first query."""
    handler, server = endless
    with dial(server.address) as association:
        responses = association.find(b"keys")
        next(responses)
        with pytest.raises(LocalProtocolError, match="outstanding"):
            association.echo()
        next(responses)
        responses.cancel()
        assert association.echo() == 0


def test_find_in_a_context_that_was_not_proposed(serve: Serve, dial: Dial) -> None:
    with serve(Handlers()) as server, dial(server.address, contexts=["Verification"]) as association:
        with pytest.raises(NoPresentationContext):
            association.find(b"keys")
        assert association.echo() == 0


# ------------------------------------------------------------------------------- C-STORE


@pytest.mark.parametrize("window", [1, 2, 0])
def test_store(serve: Serve, dial: Dial, window: int) -> None:
    arrived: dict[str, bytes | None] = {}

    def store(request: StoreRequest) -> int:
        arrived[request.sop_instance_uid] = request.data
        return 0xB000 if request.data == b"" else 0x0000

    instances = [Instance(number, bytes(size)) for number, size in enumerate([0, 2, 100, 16_384, 70_000, 300_000])]
    with (
        serve(Handlers(store=store), contexts=wide(0)) as server,
        dial(server.address, window=OperationsWindow(invoked=window)) as association,
    ):
        responses = association.store(instances)
        outcomes = list(responses)
        assert association.echo() == 0
    assert {i.sop_instance_uid: i.data for i in instances} == arrived
    assert [(stored.instance, stored.status, stored.ok) for stored in outcomes] == [
        (instance, 0xB000 if not instance.data else 0, True) for instance in instances
    ]
    assert [instance.closed for instance in instances] == [1] * len(instances)


@pytest.mark.parity("A.8 STORE_RECV_CHUNKED_DATASET")
def test_store_into_sinks(serve: Serve, dial: Dial) -> None:
    sinks: list[Sink] = []

    def sink(request: StoreRequest) -> Sink:
        sinks.append(Sink())
        return sinks[-1]

    def store(request: StoreRequest) -> int:
        assert request.data is None and request.sink is sinks[-1] and request.sink.closed == [True]
        return 0

    sizes = [0, 2, 1_000_000]
    with serve(Handlers(sink=sink, store=store)) as server, dial(server.address) as association:
        outcomes = list(association.store(Instance(n, bytes(size)) for n, size in enumerate(sizes)))
    assert all(stored.status == 0 for stored in outcomes)
    assert [(sink.size, sink.closed) for sink in sinks] == [(size, [True]) for size in sizes]


@pytest.mark.parametrize(
    ("failing", "status"),
    [
        (lambda: Sink(OSError(28, "No space left on device")), 0xA700),
        (lambda: Sink(ValueError("PATIENT^NAME")), 0xA700),
        (lambda: Sink(Refuse(0xA701, "quota")), 0xA701),
        (lambda: Sink(OSError(28, "No space left on device"), closing=OSError(5, "Input/output error")), 0xA700),
        (lambda: Sink(closing=OSError(5, "Input/output error")), 0xA700),
        (None, 0xA700),
    ],
    ids=["full", "bug", "Refuse", "full, and close fails", "close fails", "factory fails"],
)
def test_store_into_a_sink_that_fails(
    serve: Serve, dial: Dial, failing: Callable[[], Sink] | None, status: int
) -> None:
    """The object is refused, the association goes on."""
    sink = failing() if failing else None

    def factory(request: StoreRequest) -> Sink:
        if request.sop_instance_uid.endswith(".2"):
            if sink is None:
                raise PermissionError(13, "Permission denied")
            return sink
        return Sink()

    with serve(Handlers(sink=factory, store=lambda request: 0)) as server, dial(server.address) as association:
        outcomes = list(association.store(Instance(number, bytes(200_000)) for number in (1, 2, 3)))
        assert association.echo() == 0
    assert [stored.status for stored in outcomes] == [0, status, 0]
    assert "PATIENT" not in str(outcomes[1].status)
    if sink is not None:
        assert len(sink.closed) == 1


def test_store_goes_on_after_what_cannot_be_sent(serve: Serve, dial: Dial) -> None:
    good = [Instance(1), Instance(4)]
    bad = [Instance(2, error=DataSetError("cut off")), Instance(3, sop_class=MR)]
    with serve(Handlers(store=lambda request: 0)) as server, dial(server.address) as association:
        outcomes = list(association.store([good[0], *bad, good[1]]))
        assert association.echo() == 0
    assert {stored.instance.sop_instance_uid: stored.ok for stored in outcomes} == {
        "1.2.3.1": True,
        "1.2.3.2": False,
        "1.2.3.3": False,
        "1.2.3.4": True,
    }


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda folder: folder / "none.dcm", "No such file"),
        (lambda folder: folder, "Is a directory"),
        (lambda folder: folder / "text", "not a DICOM file"),
        (lambda folder: 42, "cannot be sent"),
    ],
    ids=["no file", "a folder", "a text", "a number"],
)
def test_store_goes_on_after_what_is_no_instance(
    serve: Serve, dial: Dial, tmp_path: Path, make: Callable[[Path], Any], words: str
) -> None:
    (tmp_path / "text").write_text("no DICOM")
    with serve(Handlers(store=lambda request: 0)) as server, dial(server.address) as association:
        outcomes = list(association.store([Instance(1), make(tmp_path), Instance(2)]))
    assert sorted(stored.instance.sop_instance_uid for stored in outcomes if stored.ok) == ["1.2.3.1", "1.2.3.2"]
    (bad,) = (stored for stored in outcomes if not stored.ok)
    assert words in str(bad.error) and bad.instance.sop_instance_uid == ""


def test_store_statuses_are_values(serve: Serve, dial: Dial) -> None:
    statuses = iter([0xA700, 0xC123, 0xB007, 0x0000])
    with serve(Handlers(store=lambda request: next(statuses))) as server, dial(server.address) as association:
        outcomes = list(association.store(Instance(number) for number in range(4)))
    assert [stored.status for stored in outcomes] == [0xA700, 0xC123, 0xB007, 0]
    assert [stored.ok for stored in outcomes] == [False, False, True, True]


def test_leaving_a_store_loop_waits_for_the_responses(dial: Dial) -> None:
    """C-STORE cannot be cancelled (PS3.7 9.3.2.3): no C-CANCEL is sent, the responses are awaited."""
    waiting = threading.Event()

    def script(wire: Wire) -> None:
        first, second, third = (wire.request(CStoreRQ) for _ in range(3))
        wire.answer(first, 0)
        assert waiting.wait(LIMIT)
        wire.answer(third, 0)
        wire.answer(second, 0)
        wire.answer(wire.request(CEchoRQ), 0)
        wire.released()

    unlimited = OperationsWindow(invoked=0, performed=0)
    with (
        Scripted(script, window=unlimited) as acceptor,
        dial(acceptor.address, window=OperationsWindow(invoked=3)) as association,
    ):
        instances = [Instance(number) for number in range(6)]
        for _ in association.store(instances):
            break
        if isinstance(association, Association):
            when_waiting(association, waiting.set)
        else:
            waiting.set()  # the event loop waits already
        assert association.echo() == 0
        assert association.is_established
    assert [instance.closed for instance in instances] == [instance.opened for instance in instances]


def test_a_transfer_of_another_class_in_a_context_is_refused_and_leaves_nothing(serve: Serve) -> None:
    """What is refused for its class must not stay in the sink as a whole object."""
    sinks: list[Sink] = []

    def sink(request: StoreRequest) -> Sink:
        sinks.append(Sink())
        return sinks[-1]

    with serve(Handlers(sink=sink, store=lambda request: 0)) as server, Wire.associated(server.address) as wire:
        wire.send(store_rq(sop_class=MR))
        assert wire.message().message.status == 0x0122
        wire.release()
    assert [True] not in [sink.closed for sink in sinks]


# ------------------------------------------------------------------------------- C-GET


def test_a_release_waits_for_the_message_that_is_being_sent(serve: Serve, dial: Dial) -> None:
    """No data follow an A-RELEASE-RQ (PS3.8 7.2): one in the middle of an object would cut it off."""

    def release(chunk: int) -> None:
        if chunk == 2:
            other.start()
            other.join(0.1)  # it waits, or has it done already

    with serve(Handlers(sink=lambda request: Sink(), store=lambda request: 0)) as server:
        association = dial(server.address)
        other = threading.Thread(target=association.release)
        (stored,) = association.store([Zeros(20 << 20, at=release)])
        other.join(LIMIT)
        assert stored.status == 0 and not association.is_established


def test_get(serve: Serve, dial: Dial) -> None:
    stored = [Instance(number, bytes(size)) for number, size in enumerate([0, 10, 100_000])]

    def get(request: RetrieveRequest) -> list[Instance]:
        assert request.data == b"keys"
        return stored

    with serve(Handlers(get=get)) as server, dial(server.address) as association:
        responses = association.get(b"keys")
        values = list(responses)
        assert responses.status == 0
        assert association.echo() == 0
    received = [value for value in values if isinstance(value, ReceivedInstance)]
    counters = [value for value in values if isinstance(value, SubOperations)]
    assert [(r.sop_instance_uid, r.data, r.status, r.transfer_syntax) for r in received] == [
        (i.sop_instance_uid, i.data, 0, IMPLICIT) for i in stored
    ]
    assert [(c.remaining, c.completed) for c in counters] == [(2, 1), (1, 2), (None, 3)]


def test_a_handler_gives_what_can_be_sent_to_a_get(serve: Serve, dial: Dial, tmp_path: Path) -> None:
    """Files, Datasets, and what is an instance already, one by one."""
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID, dataset.PatientID = CT, "1.2.3.77", "7"
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = IMPLICIT
    written = copy.deepcopy(dataset)
    written.SOPInstanceUID = "1.2.3.78"
    written.save_as(tmp_path / "one.dcm", enforce_file_format=True)

    def get(request: RetrieveRequest) -> Iterator[Any]:
        yield from (dataset, tmp_path / "one.dcm", Instance(79))

    with serve(Handlers(get=get)) as server, dial(server.address) as association:
        values = list(association.get(b"keys"))
    received = [(v.sop_instance_uid, v.status) for v in values if isinstance(v, ReceivedInstance)]
    assert received == [("1.2.3.77", 0), ("1.2.3.78", 0), ("1.2.3.79", 0)]


def test_get_into_sinks(serve: Serve, dial: Dial) -> None:
    sinks: list[Sink] = []

    def sink(request: StoreRequest) -> Sink:
        sinks.append(Sink())
        return sinks[-1]

    stored = [Instance(number, bytes(50_000)) for number in range(3)]
    with serve(Handlers(get=lambda request: stored)) as server, dial(server.address) as association:
        received = [v for v in association.get(b"keys", sink=sink) if isinstance(v, ReceivedInstance)]
    assert [r.sink for r in received] == sinks
    assert [(s.size, s.closed) for s in sinks] == [(50_000, [True])] * 3


def test_get_of_which_we_refuse_one(serve: Serve, dial: Dial) -> None:
    def store(request: StoreRequest) -> int:
        if request.sop_instance_uid == "1.2.3.1":
            raise Refuse(0xA700, "disk full")
        return 0

    stored = [Instance(number) for number in range(3)]
    with serve(Handlers(get=lambda request: stored)) as server, dial(server.address) as association:
        responses = association.get(b"keys", store=store)
        values = list(responses)
        assert responses.status == 0xB000
        assert association.echo() == 0
    received = [value for value in values if isinstance(value, ReceivedInstance)]
    assert [value.status for value in received] == [0, 0xA700, 0]
    final = values[-1]
    assert isinstance(final, SubOperations)
    assert (final.completed, final.failed) == (2, 1)


def test_get_that_fails_altogether(serve: Serve, dial: Dial) -> None:
    with serve(Handlers(get=lambda request: [Instance(1)])) as server, dial(server.address) as association:
        responses = association.get(b"keys", store=lambda request: 0xC000)
        with pytest.raises(OperationFailed) as caught:
            list(responses)
        assert caught.value.status == 0xA702
        assert association.echo() == 0


def test_get_cancelled(serve: Serve, dial: Dial) -> None:
    stored = [Instance(1, bytes(1000))] * MANY
    with serve(Handlers(get=lambda request: stored)) as server, dial(server.address) as association:
        with association.get(b"keys") as responses:
            for value in responses:
                if isinstance(value, SubOperations):
                    break
        assert responses.status == 0xFE00
        assert association.echo() == 0
        assert association.is_established


def test_get_dropped(serve: Serve, dial: Dial) -> None:
    stored = [Instance(1, bytes(1000))] * MANY
    with serve(Handlers(get=lambda request: stored)) as server, dial(server.address) as association:
        for _ in association.get(b"keys"):
            break
        assert association.echo() == 0


def test_get_without_the_role_of_an_scp(serve: Serve, dial: Dial) -> None:
    """The acceptor may not send where we did not propose to be SCP: each sub-operation fails in its own words."""
    contexts = [*CONTEXTS[:-1], PresentationContext(CT, (IMPLICIT,))]
    with (
        serve(Handlers(get=lambda request: [Instance(1)])) as server,
        dial(server.address, contexts=contexts) as association,
    ):
        with pytest.raises(OperationFailed) as caught:
            list(association.get(b"keys"))
        assert caught.value.status == 0xA702
        assert association.echo() == 0


def test_a_store_request_outside_a_get_is_refused(serve: Serve, dial: Dial) -> None:
    """The handlers of a C-GET serve while it runs, not longer."""
    with serve(Handlers(get=lambda request: [Instance(1)])) as server, dial(server.address) as association:
        before = association._driver.serving.handlers
        list(association.get(b"keys"))
        assert association._driver.serving.handlers is before


# ------------------------------------------------------------------------------- C-MOVE


@pytest.mark.parametrize("title", ["", "A" * 17, "A\\B", "Ä"])
def test_a_move_to_what_is_no_title_is_not_asked_for(serve: Serve, dial: Dial, title: str) -> None:
    with serve(Handlers()) as server, dial(server.address) as association:
        with pytest.raises(LocalProtocolError, match="move destination"):
            association.move(b"keys", destination=title)
        assert association.outstanding == 0 and association.echo() == 0


def test_move(serve: Serve, dial: Dial) -> None:
    arrived: list[tuple[str, str | None, int | None]] = []

    def store(request: StoreRequest) -> int:
        message = request.message
        arrived.append(
            (
                request.calling_ae_title,
                message.move_originator_application_entity_title,
                message.move_originator_message_id,
            )
        )
        return 0

    stored = [Instance(number, bytes(1000)) for number in range(3)]
    with serve(Handlers(store=store), ae_title="STORE") as destination:
        handlers = Handlers(
            move=lambda request: stored, destination=lambda title: destination.address if title == "STORE" else None
        )
        with serve(handlers) as server, dial(server.address) as association:
            responses = association.move(b"keys", destination="STORE")
            values = list(responses)
            assert responses.status == 0
            assert [(v.remaining, v.completed) for v in values] == [(2, 1), (1, 2), (None, 3)]
            with pytest.raises(OperationFailed) as caught:
                list(association.move(b"keys", destination="NOWHERE", model=MOVE))
            assert caught.value.status == 0xA801
            assert association.echo() == 0
    assert arrived == [("SCP", "SCU", 1)] * 3


@pytest.mark.parametrize("fault", ["nobody listens", "wrong title", "class refused"])
def test_move_to_a_destination_that_takes_nothing(
    serve: Serve, dial: Dial, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    stored = [Instance(number) for number in range(2)]
    contexts = ["Verification"] if fault == "class refused" else CONTEXTS
    title = "OTHER" if fault == "wrong title" else "STORE"
    with serve(Handlers(store=lambda request: 0), ae_title=title, contexts=contexts) as destination:
        address = destination.address
        if fault == "nobody listens":
            destination.close()
        handlers = Handlers(move=lambda request: stored, destination=lambda title: address)
        with serve(handlers) as server, dial(server.address) as association:
            responses = association.move(b"keys", destination="STORE")
            values: list[SubOperations] = []
            with pytest.raises(OperationFailed):
                values.extend(responses)
            assert responses.status == 0xA702
            assert (values[-1].completed, values[-1].failed) == (0, 2)
            assert association.echo() == 0
    why = {"nobody listens": "refused", "wrong title": "rejected", "class refused": "refused"}[fault]
    assert any("C-MOVE-RQ" in line and why in line for line in caplog.messages), caplog.messages


def test_move_cancelled(serve: Serve, dial: Dial) -> None:
    stored = [Instance()] * MANY
    ended = threading.Event()

    def trace(event: Any) -> None:
        if event.__class__.__name__ == "PDUReceived" and event.pdu_type == 5:
            ended.set()

    with serve(Handlers(store=lambda request: 0), ae_title="STORE", trace=trace) as destination:
        handlers = Handlers(move=lambda request: stored, destination=lambda title: destination.address)
        with serve(handlers) as server, dial(server.address) as association:
            responses = association.move(b"keys", destination="STORE")
            next(responses)
            responses.cancel()
            assert responses.status == 0xFE00
            assert association.echo() == 0
        assert ended.wait(LIMIT)  # the sub-association is released


def test_move_whose_destination_dies_midway(serve: Serve, dial: Dial) -> None:
    stored = [Instance(number) for number in range(4)]

    def dies(wire: Wire) -> None:
        first = wire.message()
        wire.answer(first, 0)
        wire.message()
        wire.reset()

    with Scripted(dies) as destination:
        handlers = Handlers(move=lambda request: stored, destination=lambda title: destination.address)
        with serve(handlers) as server, dial(server.address) as association:
            responses = association.move(b"keys", destination="STORE")
            values = list(responses)
            assert responses.status == 0xB000
            assert [(v.remaining, v.completed, v.failed) for v in values] == [(3, 1, 0), (None, 1, 3)]
            assert association.echo() == 0


# ------------------------------------------------------------------------------- many threads, one association


@pytest.mark.parametrize("window", [1, 8, 0])
def test_threads_share_an_association(serve: Serve, dial: Dial, window: int) -> None:
    errors: list[BaseException] = []
    start = threading.Barrier(8)

    def work() -> None:
        try:
            start.wait(LIMIT)
            for _ in range(50):
                assert association.echo() == 0
        except BaseException as error:
            errors.append(error)

    with (
        serve(Handlers(find=matches(3)), contexts=wide(0)) as server,
        dial(server.address, window=OperationsWindow(invoked=window)) as association,
    ):
        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(2 * LIMIT)
        assert not any(thread.is_alive() for thread in threads)
        assert errors == []
        assert association.echo() == 0


@pytest.mark.parametrize("window", [1, 4])
def test_what_threads_retrieve_is_not_mixed_up(serve: Serve, window: int) -> None:
    """Nothing in a C-STORE request tells to which C-GET it belongs: the second one waits for the end of the first."""
    came: dict[int, list[object]] = {}
    start = threading.Barrier(3)

    def get(request: RetrieveRequest) -> list[Instance]:
        return [Instance(10 * int(request.data) + number) for number in range(5)]

    def work(series: int) -> None:
        start.wait(LIMIT)
        try:
            answers = list(association.get(b"%d " % series))
            came[series] = [a.sop_instance_uid for a in answers if isinstance(a, ReceivedInstance)]
        except BaseException as error:
            came[series] = [error]

    with (
        serve(Handlers(get=get), contexts=wide(0)) as server,
        scripted.dial(server.address, window=OperationsWindow(invoked=window)) as association,
    ):
        threads = [threading.Thread(target=work, args=(series,)) for series in (1, 2, 3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(2 * LIMIT)
        assert came == {series: [f"1.2.3.{10 * series + number}" for number in range(5)] for series in (1, 2, 3)}
        assert association._driver.serving.handlers.store is None  # what it was before


def test_a_second_retrieval_in_one_thread_is_refused_in_words(serve: Serve, dial: Dial) -> None:
    stored = [Instance(number) for number in range(MANY)]
    with (
        serve(Handlers(get=lambda request: stored), contexts=wide(0)) as server,
        dial(server.address, window=OperationsWindow(invoked=4)) as association,
    ):
        first = association.get(b"keys")
        next(first)
        with pytest.raises(LocalProtocolError, match="whose instances"):
            list(association.get(b"keys"))
        first.cancel()
        assert first.status == 0xFE00
        assert association.echo() == 0


@pytest.mark.parity("A.11 leaks")
def test_threads_of_several_services(serve: Serve, dial: Dial) -> None:
    errors: list[BaseException] = []
    start = threading.Barrier(6)

    def echoes() -> None:
        for _ in range(30):
            assert association.echo() == 0

    def queries() -> None:
        for _ in range(10):
            assert len(list(association.find(b"keys"))) == 20

    def stores() -> None:
        assert all(stored.ok for stored in association.store(Instance(n, bytes(100_000)) for n in range(10)))

    def work(job: Callable[[], None]) -> None:
        try:
            start.wait(LIMIT)
            job()
        except BaseException as error:
            errors.append(error)

    handlers = Handlers(find=matches(20), store=lambda request: 0)
    with (
        serve(handlers, contexts=wide(0)) as server,
        dial(server.address, window=OperationsWindow(invoked=0)) as association,
    ):
        threads = [threading.Thread(target=work, args=(job,)) for job in (echoes, queries, stores) * 2]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(2 * LIMIT)
        assert not any(thread.is_alive() for thread in threads)
        assert errors == []


@pytest.mark.parametrize("what", ["sink", "write"])
def test_a_sink_cannot_be_awaited(serve: Serve, dial: Dial, what: str, caplog: pytest.LogCaptureFixture) -> None:
    """Not silently either: an object whose bytes nobody awaited must not be answered with Success."""

    class Slow:
        async def write(self, views: Any) -> None:
            raise AssertionError

        def close(self, complete: bool) -> None:
            pass

    async def sink(request: Any) -> Slow:
        return Slow()

    def factory(request: Any) -> Any:
        return Slow() if what == "write" else sink(request)

    with pytest.raises(TypeError, match="await in store"):
        Handlers(sink=sink)  # type: ignore[arg-type]
    with serve(Handlers(sink=factory, store=lambda request: 0)) as server, dial(server.address) as association:
        (stored,) = association.store([Instance(1)])
        assert not stored.ok and stored.status.is_failure
        assert association.echo() == 0
    assert "cannot be awaited" in caplog.text
