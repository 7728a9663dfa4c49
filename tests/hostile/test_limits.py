"""Every field of `Limits`, and the deadlines of `Timeouts` that bound a peer: enforced where the bytes arrive."""

from __future__ import annotations

import struct
import threading
import time
import zlib
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nbdicom.blocking import Server, associate
from nbdicom.config import Limits
from nbdicom.core.association import AssociationCore, Invocation
from nbdicom.core.command import CEchoRQ, CFindRQ, CFindRSP, CStoreRQ, CStoreRSP, encode_command
from nbdicom.core.negotiation import Proposal, Support, context_of, negotiate, propose
from nbdicom.core.pdu import AAssociateAC, AAssociateRJ, check_items, encode_pdu
from nbdicom.core.streams import BytesSource
from nbdicom.core.upper_layer import Role
from nbdicom.data import codec
from nbdicom.data.elements import decode_elements
from nbdicom.errors import AssociationAborted, ConnectionFailed, DataSetError, OperationFailed, QueryError
from nbdicom.operations.accepting import Acceptor, Served
from nbdicom.operations.handlers import Handlers
from nbdicom.operations.requests import FindRequest, Refuse, StoreRequest
from nbdicom.pacs import Pacs
from nbdicom.peer import Peer
from nbdicom.status import Status
from nbdicom.uids import UID
from tests.drivers.scripted import (
    A_ABORT_USER,
    CONTEXTS,
    CT,
    FAST,
    FIND,
    FIND_ID,
    IMPLICIT,
    LIMIT,
    STORE_ID,
    Wire,
    a_abort,
    a_associate_rj,
    a_associate_rq,
    dial,
    echo_rq,
    message,
    p_data,
    pdv,
    store_rq,
    wait_until_ended,
)

TESTED = {
    "max_length_received": "test_a_pdu_that_is_longer_than_announced",
    "p_data_tf": "test_a_peer_may_be_allowed_more_than_was_announced",
    "associate_pdu": "test_a_request_that_is_too_long_is_refused_by_its_header",
    "associate_items": "test_a_request_of_too_many_items",
    "command_set": "test_a_command_set_without_end",
    "data_set": "test_a_data_set_in_memory",
    "association_memory": "test_the_memory_of_one_association",
    "server_memory": "test_the_memory_of_all_associations",
    "operations": "test_requests_that_wait",
    "responses": "test_responses_that_nobody_takes",
    "object_size": "test_an_object_that_is_too_long",
    "free_space": "test_room_is_left_on_the_disk",
    "sequence_depth": "test_a_data_set_that_costs_too_much",
    "elements": "test_a_data_set_that_costs_too_much",
    "items": "test_a_data_set_that_costs_too_much",
    "inflated": "test_a_data_set_that_costs_too_much",
    "inflation_ratio": "test_a_data_set_that_costs_too_much",
    "associations": "test_associations_in_all",
    "associations_per_host": "test_associations_of_one_host",
    "half_open": "test_half_open_connections_push_out_each_other",
    "matches": "test_matches_of_a_query",
    "queries": "test_lists_of_values_multiply",
}


def test_every_limit_has_a_test() -> None:
    assert set(TESTED) == {field.name for field in fields(Limits)}
    assert set(TESTED.values()) <= set(globals())


def serve(handlers: Handlers | None = None, *, limits: Limits | None = None, **changes: Any) -> Server:
    given: dict[str, Any] = {"ae_title": "SCP", "contexts": CONTEXTS, "timeouts": FAST, "limits": limits, **changes}
    return Server(handlers or Handlers(store=lambda request: 0), **given)


def item(kind: int, body: bytes) -> bytes:
    return struct.pack(">BxH", kind, len(body)) + body


# ------------------------------------------------------------------------------- the upper layer


def test_a_pdu_that_is_longer_than_announced() -> None:
    """A protocol error (PS3.8 D.1), told by the header alone."""
    with serve(limits=Limits(max_length_received=1000)) as server:
        with Wire.associated(server.address) as wire:
            wire.send(struct.pack(">BxI", 4, 1001))
            assert wire.aborted() == a_abort(6)


def test_a_peer_may_be_allowed_more_than_was_announced() -> None:
    with serve(limits=Limits(max_length_received=1000, p_data_tf=1012)) as server:
        with Wire.associated(server.address) as wire:
            wire.send(struct.pack(">BxI", 4, 1013))
            assert wire.aborted() == a_abort(6)
        with Wire.associated(server.address) as wire:
            wire.send(struct.pack(">BxI", 4, 1012) + struct.pack(">IBB", 1008, 99, 0) + b"data")
            assert wire.aborted() == a_abort(5)  # the context is not known: the length was taken


@pytest.mark.parametrize("length", [1001, 0x7FFFFFFF, 0xFFFFFFFF])
def test_a_request_that_is_too_long_is_refused_by_its_header(length: int) -> None:
    with serve(limits=Limits(associate_pdu=1000)) as server, Wire.connect(server.address) as wire:
        wire.send(struct.pack(">BxI", 1, length))
        assert wire.rest() == A_ABORT_USER


@pytest.mark.parametrize(
    "items",
    [
        b"".join(item(0x77, b"") for _ in range(1001)),
        b"".join(item(0x20, bytes(4) + item(0x40, b"1.2") * 99) for _ in range(11)),
        b"".join(item(0x50, item(0x51, bytes(4)) * 200) for _ in range(5)),
        item(0x50, item(0x57, struct.pack(">H3sH3sH", 3, b"1.2", 3, b"1.2", 16_000) + b"\0\0" * 8000)),
    ],
    ids=["unknown", "in contexts", "in the user information", "UIDs of one sub-item"],
)
def test_a_request_of_too_many_items(items: bytes) -> None:
    """They are counted before one is read: it would be a third of a second for each MB that anybody may send."""
    rq = encode_pdu(a_associate_rq())
    rq = rq[:2] + struct.pack(">I", len(rq) - 6 + len(items)) + rq[6:] + items
    with serve(limits=Limits(associate_items=1000)) as server, Wire.connect(server.address) as wire:
        wire.send(rq)
        assert wire.rest() == A_ABORT_USER
    check_items(1, rq[6:], 2000)


def test_a_command_set_without_end() -> None:
    with serve(limits=Limits(command_set=1000)) as server, Wire.associated(server.address) as wire:
        wire.send(p_data(pdv(STORE_ID, 1, bytes(1001))))
        assert wire.aborted()[8] == 2


@pytest.mark.parametrize("kind", ["P-DATA-TF", "A-RELEASE-RQ", "half a header"])
def test_a_pdu_that_is_never_whole(kind: str) -> None:
    """`Timeouts.pdu`, from the first byte: a byte now and then does not prolong it."""
    pieces = {
        "P-DATA-TF": p_data(pdv(STORE_ID, 1, bytes(2000))),
        "A-RELEASE-RQ": bytes.fromhex("05 00 00000004 00000000"),
        "half a header": b"\x05\0\0",
    }
    over = threading.Event()
    with serve(timeouts=replace(FAST, pdu=0.3)) as server, Wire.associated(server.address) as wire:

        def trickle() -> None:
            for byte in pieces[kind][:-1]:
                try:
                    wire.send(bytes([byte]))
                except OSError:
                    return
                if over.wait(0.02):
                    return

        thread = threading.Thread(target=trickle)
        thread.start()
        try:
            assert wire.aborted() == a_abort(0)
        finally:
            over.set()
            thread.join()


def _pair(clock: Any, **limits: Any) -> AssociationCore:
    """An acceptor's core with an association, to be fed by hand."""
    core = AssociationCore(Role.ACCEPTOR, clock=clock, limits=Limits(**limits), artim=30, pdu_seconds=60)
    rq = propose(Proposal(called_ae_title="B", calling_ae_title="A", contexts=(context_of("CTImageStorage"),)))
    core.connected()
    _feed(core, encode_pdu(rq))
    core.accept(*negotiate(rq, Support.of(["CTImageStorage"], max_length_received=limits["max_length_received"])))  # type: ignore[arg-type]
    core.data_to_send()
    return core


def _feed(core: AssociationCore, data: bytes) -> None:
    view = memoryview(data)
    while view:
        buffer = core.get_buffer()
        size = min(len(buffer), len(view))
        buffer[:size] = view[:size]
        core.buffer_updated(size)
        view = view[size:]


def test_a_long_pdu_has_more_time() -> None:
    """Where no limit is announced a PDU may be long: 60 s for each MiB that has begun, so 17 kB/s are fast enough."""
    now = [1000.0]
    core = _pair(lambda: now[0], max_length_received=0)
    _feed(core, struct.pack(">BxI", 4, 10 << 20))
    assert core.deadline() == 1000 + 60 * 11
    now[0] += 659
    core.time_reached(now[0])
    assert core.is_established
    now[0] += 1
    core.time_reached(now[0])
    assert not core.is_established and isinstance(core.error, AssociationAborted)


def test_whole_pdus_have_no_deadline() -> None:
    now = [1000.0]
    core = _pair(lambda: now[0], max_length_received=1000)
    command = encode_command(
        CStoreRQ(message_id=1, affected_sop_class_uid=CT, affected_sop_instance_uid=UID("1.2.3")), data_set=True
    )
    _feed(core, p_data(pdv(1, 3, command)))
    assert core.deadline() is None
    for _ in range(3):
        now[0] += 59
        _feed(core, p_data(pdv(1, 0, b"ab"))[:5])
        assert core.deadline() == now[0] + 60
        _feed(core, p_data(pdv(1, 0, b"ab"))[5:])
        assert core.deadline() is None


# ------------------------------------------------------------------------------- memory


def finding(asked: list[int]) -> Handlers:
    def find(request: FindRequest) -> list[bytes]:
        asked.append(len(request.data))
        return []

    return Handlers(find=find)


def find_rq(size: int, message_id: int = 1) -> bytes:
    return message(FIND_ID, CFindRQ(message_id=message_id, affected_sop_class_uid=FIND), bytes(size))


def test_a_data_set_in_memory() -> None:
    asked: list[int] = []
    with serve(finding(asked), limits=Limits(data_set=1000)) as server, Wire.associated(server.address) as wire:
        for size, status in ((1002, 0xA700), (1000, 0)):
            wire.send(find_rq(size))
            assert wire.request(CFindRSP).message.status == status
        wire.release()
    assert asked == [1000]


def test_the_memory_of_one_association() -> None:
    """Requests that wait count, too; when they have been answered there is room again."""
    asked: list[int] = []
    limits = Limits(association_memory=5000)
    with serve(finding(asked), limits=limits) as server, Wire.associated(server.address) as wire:
        for _ in range(3):
            wire.send(b"".join(find_rq(2000, number) for number in (1, 2, 3)))
            statuses = [wire.request(CFindRSP).message.status for _ in (1, 2, 3)]
            assert statuses in ([0, 0, 0xA700], [0, 0, 0])  # the third may have come when the first was answered
        wire.send(find_rq(5002))
        assert wire.request(CFindRSP).message.status == 0xA700
        wire.release()
    assert set(asked) == {2000}


def test_the_memory_of_all_associations() -> None:
    asked: list[int] = []
    with serve(finding(asked), limits=Limits(server_memory=5000)) as server:

        def held(size: int) -> None:
            """Wait until the associations hold *size* bytes: nothing on the wire tells what has been read."""
            pause = threading.Event()
            deadline = time.monotonic() + LIMIT
            while sum(server._memory._held.values()) != size:
                assert time.monotonic() < deadline, server._memory._held
                pause.wait(0.001)

        with Wire.associated(server.address) as first, Wire.associated(server.address) as second:
            whole = find_rq(4000)
            first.send(whole[:-100])
            held(3900)
            second.send(find_rq(4000))
            assert second.request(CFindRSP).message.status == 0xA700
            first.send(whole[-100:])
            assert first.request(CFindRSP).message.status == 0
            held(0)
            second.send(find_rq(4000))
            assert second.request(CFindRSP).message.status == 0
            held(0)
            first.send(find_rq(4000)[:-100])
            held(3900)
            first.close()
            held(0)  # what an association held is given back when it ends
            second.send(find_rq(4000))
            assert second.request(CFindRSP).message.status == 0
            second.release()


def test_requests_that_wait() -> None:
    """More outstanding requests than anybody agreed to (PS3.7 D.3.3.3): 0213H, in their order."""
    with serve(limits=Limits(operations=5)) as server:
        with Wire.associated(server.address) as wire:
            wire.send(b"".join(echo_rq(number) for number in range(1, 101)))
            statuses = {wire.message().message.status for _ in range(100)}
            assert statuses == {0x0000, 0x0213}
            wire.release()


@pytest.mark.parametrize(("size", "count"), [(2, 1000), (100_000, 20)])
def test_responses_that_nobody_takes(size: int, count: int) -> None:
    """Another thread reads for its own operation; what it files for one whose iterator sleeps is bounded."""
    core = AssociationCore(
        Role.REQUESTOR, clock=lambda: 0.0, artim=30, limits=Limits(responses=500, association_memory=1_000_000)
    )
    rq = a_associate_rq()
    core.request(rq)
    core.connected()
    core.data_to_send()
    answer, _ = negotiate(rq, Support.of(CONTEXTS))
    assert isinstance(answer, AAssociateAC)
    _feed(core, encode_pdu(answer))
    invocation = Invocation()
    list(core.send(FIND_ID, CFindRQ(affected_sop_class_uid=FIND), BytesSource(b""), invocation))
    pending = message(FIND_ID, CFindRSP(message_id_being_responded_to=1, status=Status(0xFF00)), bytes(size))
    taken = 0
    for _ in range(10 * count):  # whoever takes what comes may have as many as the peer likes
        _feed(core, pending)
        invocation.inbox.popleft()
        taken += 1
    assert core.is_established and taken == 10 * count
    for _ in range(count):
        _feed(core, pending)
    assert isinstance(core.error, AssociationAborted) and "nobody has taken" in str(core.error)


def test_an_object_that_is_too_long(tmp_path: Path) -> None:
    with Pacs(tmp_path / "root", durability="none", limits=Limits(object_size=1000, free_space=0)) as pacs:
        host, port = pacs.host, pacs.port
        with Wire.associated((host, port), a_associate_rq(called="NBPACS")) as wire:
            wire.send(store_rq(bytes(1002)))
            assert wire.request(CStoreRSP).message.status == 0xA700
            wire.echo()
            wire.release()
        assert pacs.counts()["instances"] == 0


def test_room_is_left_on_the_disk(tmp_path: Path) -> None:
    with Pacs(tmp_path / "root", durability="none", limits=Limits(free_space=1 << 60)) as pacs:
        with Wire.associated((pacs.host, pacs.port), a_associate_rq(called="NBPACS")) as wire:
            wire.send(store_rq(bytes(1000)))
            assert wire.request(CStoreRSP).message.status == 0xA700
            wire.echo()
            wire.release()
        assert pacs.counts()["instances"] == 0


# ------------------------------------------------------------------------------- data sets that cost too much

EXPLICIT, DEFLATED = UID("1.2.840.10008.1.2.1"), UID("1.2.840.10008.1.2.1.99")
_SEQUENCE = struct.pack("<HHI", 0x0040, 0xA730, 0xFFFFFFFF)
_ITEM = struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
_ITEM_END, _SEQUENCE_END = struct.pack("<HHI", 0xFFFE, 0xE00D, 0), struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)


def nested(depth: int) -> bytes:
    return (_SEQUENCE + _ITEM) * depth + (_ITEM_END + _SEQUENCE_END) * depth


def with_items(count: int) -> bytes:
    return _SEQUENCE + struct.pack("<HHI", 0xFFFE, 0xE000, 0) * count + _SEQUENCE_END


def with_elements(count: int) -> bytes:
    return b"".join(struct.pack("<HHI", 0x0011 + 2 * (k >> 16), k & 0xFFFF, 0) for k in range(count))


def in_one_item(count: int) -> bytes:
    return _SEQUENCE + _ITEM + with_elements(count) + _ITEM_END + _SEQUENCE_END


def deflated(size: int) -> bytes:
    head = struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OW", 0, size)
    machine = zlib.compressobj(9, wbits=-15)
    return machine.compress(head + bytes(size)) + machine.flush()


COSTLY = {
    "sequence_depth": (nested, 10, IMPLICIT),
    "elements": (with_elements, 50, IMPLICIT),
    "items": (with_items, 20, IMPLICIT),
    "inflated": (deflated, 10_000, DEFLATED),
}


@pytest.mark.parametrize("limit", COSTLY)
def test_a_data_set_that_costs_too_much(limit: str) -> None:
    make, most, syntax = COSTLY[limit]
    limits = Limits(**{limit: most + (12 if limit == "inflated" else 0)})  # the head of the element counts
    assert decode_elements(make(most), syntax, limits)
    with pytest.raises(DataSetError):
        decode_elements(make(most + 1), syntax, limits)


def test_elements_in_sequences_count() -> None:
    assert decode_elements(in_one_item(48), IMPLICIT, Limits(elements=50))
    with pytest.raises(DataSetError, match="elements"):
        decode_elements(in_one_item(51), IMPLICIT, Limits(elements=50))


def test_what_a_few_kilobytes_may_become() -> None:
    few = deflated(8 << 20)
    assert len(few) < 10_000
    with pytest.raises(DataSetError, match="grows beyond"):
        decode_elements(few, DEFLATED)
    assert decode_elements(few, DEFLATED, Limits(inflation_ratio=2000))


def test_frames_are_no_items() -> None:
    """A slide has more frames than any sequence has items (PS3.5 A.4)."""
    head = struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OB", 0, 0xFFFFFFFF)
    frames = head + struct.pack("<HHI", 0xFFFE, 0xE000, 0) * 1000 + _SEQUENCE_END
    assert decode_elements(frames, EXPLICIT, Limits(items=10))


@pytest.mark.parametrize("bomb", ["nested", "deflated"])
def test_a_bomb_in_a_c_store(bomb: str, tmp_path: Path) -> None:
    """20 000 nested sequences, and 64 MiB of zeros in 64 kB: refused as C000H, nothing kept, the next one is served."""
    syntax = IMPLICIT if bomb == "nested" else DEFLATED
    data = nested(20_000) if bomb == "nested" else deflated(64 << 20)
    contexts = [("Verification", IMPLICIT), (CT, syntax)]
    with Pacs(tmp_path / "root", durability="none") as pacs:
        rq = a_associate_rq(contexts, called="NBPACS")  # type: ignore[arg-type]
        with Wire.associated((pacs.host, pacs.port), rq) as wire:
            command = CStoreRQ(message_id=1, affected_sop_class_uid=CT, affected_sop_instance_uid=UID("1.2.3"))
            wire.send(message(3, command, data))
            assert wire.request(CStoreRSP).message.status == 0xC000
            wire.send(message(1, CEchoRQ(message_id=2)))
            assert wire.message().message.status == 0
            wire.release()
        assert pacs.counts()["instances"] == 0


def test_tags_that_nobody_has_seen_are_not_remembered_for_ever() -> None:
    from nbdicom.data.columns import decode_columns
    from nbdicom.data.values import plan_of

    for start in range(0, 30_000, 10_000):
        data = b"".join(struct.pack("<HHI", 0x0013, k, 0) for k in range(start, start + 10_000))
        decode_columns([(data, IMPLICIT)])
    assert plan_of.cache_info().currsize <= 10_000


# ------------------------------------------------------------------------------- associations


def test_associations_in_all() -> None:
    with serve(limits=Limits(associations=2)) as server:
        with Wire.associated(server.address) as first, Wire.associated(server.address) as second:
            with Wire.connect(server.address) as third:
                third.send(a_associate_rq())
                assert third.rest() == a_associate_rj(2, 3, 2)
            first.release()
            _until_admitted(server)
            second.echo()
            second.release()


def test_associations_of_one_host() -> None:
    """One address does not get all there are; another one is served."""
    with serve(limits=Limits(associations_per_host=2), host="0.0.0.0") as server:
        port = server.address[1]
        with Wire.associated(("127.0.0.1", port)) as first, Wire.associated(("127.0.0.1", port)) as second:
            with Wire.connect(("127.0.0.1", port)) as third:
                third.send(a_associate_rq())
                assert third.rest() == a_associate_rj(2, 3, 2)
            with Wire.associated_from("127.0.0.2", ("127.0.0.1", port)) as other:
                other.echo()
                other.release()
            first.release()
            second.release()


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("10.0.0.7", "10.0.0.8", False),
        ("10.0.0.7", "::ffff:10.0.0.7", True),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
        ("::1", "127.0.0.1", False),
        ("memory", "memory", True),
    ],
)
def test_a_host_with_many_addresses_is_one(first: str, second: str, same: bool) -> None:
    limits = Limits(associations_per_host=1, half_open=3)
    acceptor = Acceptor(Handlers(), ae_title="SCP", contexts=CONTEXTS, limits=limits)
    driver = SimpleNamespace(core=acceptor.new_core(time.monotonic))
    admitted = Served(driver, first)
    assert acceptor.reserve(admitted, [admitted])
    assert acceptor.reserve(Served(driver, second), [admitted]) is not same
    crowd = [Served(driver, "192.0.2.1"), Served(driver, first), Served(driver, second)]
    assert acceptor.evict(crowd) is crowd[1 if same else 0]


def _until_admitted(server: Server) -> None:
    """A place that has become free is given again as soon as its thread has ended."""
    for _ in range(1000):
        with Wire.connect(server.address) as wire:
            wire.send(a_associate_rq())
            if not isinstance(wire.pdu(), AAssociateRJ):
                wire.release()
                return
    raise AssertionError("nobody is admitted any more")


def test_half_open_connections_push_out_each_other() -> None:
    """The oldest of the busiest host goes, and there are never more; whoever says what it wants is served at any time."""
    with serve(limits=Limits(half_open=8)) as server:
        with Wire.associated(server.address) as established:
            silent = [Wire.connect(server.address) for _ in range(40)]
            try:
                wait_until_ended(silent, 32)
                with dial(server.address) as association:
                    assert association.echo() == 0
                established.echo()
                established.release()
            finally:
                for wire in silent:
                    wire.close()


def test_a_flood_from_one_host_closes_nothing_of_another() -> None:
    with serve(limits=Limits(half_open=8), host="0.0.0.0") as server:
        port = server.address[1]
        with Wire.connect_from("127.0.0.2", ("127.0.0.1", port)) as slow:
            slow.send(encode_pdu(a_associate_rq())[:50])
            flood = [Wire.connect(("127.0.0.1", port)) for _ in range(60)]
            try:
                wait_until_ended(flood, 53)
                slow.send(encode_pdu(a_associate_rq())[50:])
                slow.expect(AAssociateAC)
                slow.echo()
                slow.release()
            finally:
                for wire in flood:
                    wire.close()


# ------------------------------------------------------------------------------- queries


@pytest.mark.parametrize(
    ("level", "keys", "number"),
    [
        ("STUDY", {"AccessionNumber": [f"A{n}" for n in range(51)]}, 51),
        (
            "STUDY",
            {"AccessionNumber": [f"A{n}" for n in range(9999)], "PatientID": [str(n) for n in range(9999)]},
            99980001,
        ),
        ("SERIES", {"StudyInstanceUID": [f"1.2.{n}" for n in range(50)], "Modality": ["CT", "MR"]}, 100),
        (
            "IMAGE",
            {key: [f"1.2.{n}" for n in range(9999)] for key in ("StudyInstanceUID", "SeriesInstanceUID")},
            99980001,
        ),
    ],
)
def test_lists_of_values_multiply(level: str, keys: dict[str, list[str]], number: int) -> None:
    """Told before the combinations are made, and before anything is sent: nothing listens at that port."""
    peer = Peer("SCP@127.0.0.1:1", limits=Limits(queries=50))
    with pytest.raises(QueryError, match=f"that would be {number} queries") as caught:
        peer.find(level, **keys)
    assert f"Limits(queries={number})" in str(caught.value)
    with pytest.raises(QueryError, match="that would be 51 queries"):
        peer.find("SERIES", [{"StudyInstanceUID": f"1.2.{n}"} for n in range(51)])
    with pytest.raises(ConnectionFailed):
        peer.find("STUDY", AccessionNumber=[f"A{n}" for n in range(50)])


def _ct(number: int, **values: Any) -> bytes:
    return codec.encode(
        {"SOPClassUID": CT, "SOPInstanceUID": f"1.2.3.{number}", "StudyInstanceUID": f"1.2.{number}",
         "SeriesInstanceUID": f"1.2.{number}.0", "PatientID": f"P{number}", "PatientName": "A" * 60, **values},
        IMPLICIT,
    )  # fmt: skip


def fill(pacs: Pacs, count: int) -> None:
    from pydicom.dataset import Dataset

    def made() -> Iterator[Dataset]:
        for number in range(1, count + 1):
            dataset = codec.decode(_ct(number), IMPLICIT)
            dataset.set_original_encoding(True, True)
            yield dataset

    assert pacs.add(made()).stored == count


def test_matches_of_a_query(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Pacs(tmp_path / "root", durability="none", limits=Limits(matches=3)) as pacs:
        fill(pacs, 5)
        with Wire.associated((pacs.host, pacs.port), a_associate_rq(called="NBPACS")) as wire:
            wire.send(message(FIND_ID, CFindRQ(message_id=1, affected_sop_class_uid=FIND),
                              codec.encode({"QueryRetrieveLevel": "STUDY"}, IMPLICIT)))  # fmt: skip
            statuses = [wire.request(CFindRSP).message.status for _ in range(4)]
            assert statuses == [0xFF00] * 3 + [0xB001]
            wire.release()
    assert "more than 3 matches" in caplog.text


def test_a_query_that_takes_too_long(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A pattern that has to be tried everywhere, on 300 names: the clock is looked at while SQLite works."""
    timeouts = replace(FAST, query=0.0)
    with Pacs(tmp_path / "root", durability="none", timeouts=timeouts, limits=Limits(half_open=4)) as pacs:
        fill(pacs, 300)
        pattern = "*".join("A" * 25) + "B"
        with Wire.associated((pacs.host, pacs.port), a_associate_rq(called="NBPACS")) as wire:
            keys = {"QueryRetrieveLevel": "STUDY", "PatientName": pattern, "StudyDescription": "*x*"}
            from nbdicom.pacs.query import Patience

            steps, Patience.STEPS = Patience.STEPS, 100
            try:
                wire.send(
                    message(FIND_ID, CFindRQ(message_id=1, affected_sop_class_uid=FIND), codec.encode(keys, IMPLICIT))
                )
                assert wire.request(CFindRSP).message.status == 0xA700
            finally:
                Patience.STEPS = steps
            wire.echo()
            wire.release()
    assert "given up" in caplog.text


UPS_QUERY, WORKLIST = UID("1.2.840.10008.5.1.4.34.6.3"), UID("1.2.840.10008.5.1.4.31")


@pytest.mark.parametrize("keys", [{"PatientComments": "x*"}, {"PatientID": "*", "OtherPatientIDs": ["x*", "y?"]}])
def test_a_comparison_in_python_that_takes_too_long(keys: dict[str, Any], tmp_path: Path) -> None:
    """What has no column is compared by us, while SQLite does not look at the clock."""
    with Pacs(tmp_path / "root", durability="none", timeouts=replace(FAST, query=0.0)) as pacs:
        fill(pacs, 3)
        pacs.workitems.add(ProcedureStepLabel="CAD", PatientComments="none")
        pacs.worklist.add(PatientName="A", PatientID="1", Modality="CT", ScheduledStationAETitle="CT1")
        for model, level in ((FIND, {"QueryRetrieveLevel": "STUDY"}), (UPS_QUERY, {}), (WORKLIST, {})):
            contexts = [(model, [IMPLICIT])]
            with associate((pacs.host, pacs.port), called="NBPACS", contexts=contexts) as association:
                responses = association.find({**level, **keys}, model=model)
                with pytest.raises(OperationFailed, match="A700H"):
                    list(responses)


@pytest.mark.parametrize("stars", ["*", "****", "*" * 10_000])
def test_asterisks_are_one(stars: str) -> None:
    from nbdicom.pacs.matching import parse_key

    key = parse_key("LO", f"A{stars}B")
    assert key is not None and key.sql("x")[1][-1] == "A*B"
    assert key.matches("A" + "x" * 10_000 + "B")


def test_a_wildcard_is_no_regular_expression() -> None:
    """`(a+)+$` and its like: the time is bounded by the product of lengths, and brackets are text."""
    from nbdicom.pacs.matching import parse_key

    key = parse_key("LO", "*a" * 1000 + "b")
    assert key is not None and not key.matches("a" * 5000)
    key = parse_key("UT", "*" + "?a" * 2000 + "b")
    assert key is not None and not key.matches("a" * 200_000)  # four minutes, if it began again at each of them
    for pattern in ("*" + "a" * 4096, ["a*"] * 501):
        with pytest.raises(Refuse, match="A700H"):
            parse_key("LO", pattern)
    literal = parse_key("LO", "[ab]*")
    assert literal is not None and literal.matches("[ab]x") and not literal.matches("ax")


# ------------------------------------------------------------------------------- what is sent


def test_a_peer_that_does_not_read_is_not_read() -> None:
    """Nothing piles up: while an answer cannot be written, no further request is performed."""
    performed: list[int] = []
    big = bytes(1 << 20)

    def find(request: FindRequest) -> Iterator[bytes]:
        performed.append(1)
        for _ in range(64):
            yield big

    timeouts = replace(FAST, network=0.5)
    with serve(Handlers(find=find), timeouts=timeouts) as server, Wire.associated(server.address) as wire:
        wire.send(b"".join(find_rq(2, number) for number in range(1, 50)))
        with dial(server.address) as association:
            assert association.echo() == 0
        assert server.wait_until_left(LIMIT)
    assert len(performed) == 1


def test_a_sink_is_not_bound_by_memory() -> None:
    class Counting:
        size = 0

        def write(self, views: Any) -> None:
            self.size += sum(map(len, views))

        def close(self, complete: bool) -> None:
            pass

    sink = Counting()
    limits = Limits(data_set=1000, association_memory=1000, server_memory=1000)

    def store(request: StoreRequest) -> int:
        return 0

    with serve(Handlers(sink=lambda request: sink, store=store), limits=limits) as server:
        with Wire.associated(server.address) as wire:
            wire.send(store_rq(bytes(1_000_000)))
            assert wire.request(CStoreRSP).message.status == 0
            wire.release()
    assert sink.size == 1_000_000
