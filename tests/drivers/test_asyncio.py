"""What is the asyncio driver's own: cancelled tasks, handlers that await or block, slow peers and slow consumers.

| cancelled while                              | then                                                                  |
|----------------------------------------------|-----------------------------------------------------------------------|
| waiting for the peer                         | C-CANCEL, drained to the final response, the association is usable    |
| in the body of the loop (``async with``)     | the same                                                              |
| between two batches of an outgoing message   | A-ABORT, closed; no PDU is torn                                       |
| waiting for the operations window            | nothing has gone out: nothing happens                                 |
| again, while it cancels                      | A-ABORT, closed at once                                               |
| it is opened, or released                    | A-ABORT, closed at once                                               |
"""

from __future__ import annotations

import asyncio
import gc
import json
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

import pytest
from scripted import (
    A_ABORT_USER,
    CONTEXTS,
    CT,
    FAST,
    FIND,
    LIMIT,
    STORE_ID,
    Instance,
    Scripted,
    Sink,
    Wire,
    Zeros,
    a_associate_rq,
    accept_all,
    echo_rq,
    message,
)

from nbdicom import aio
from nbdicom.config import Limits, OperationsWindow, Timeouts
from nbdicom.core.command import CCancelRQ, CEchoRQ, CEchoRSP, CFindRQ, CGetRQ, CMoveRQ, CStoreRQ, CStoreRSP
from nbdicom.core.negotiation import Support
from nbdicom.core.pdu import AAssociateRQ, AReleaseRQ, encode_pdu
from nbdicom.errors import AssociationAborted, AssociationError, ConnectionFailed, LocalProtocolError, OperationFailed
from nbdicom.operations.handlers import Handlers
from nbdicom.operations.requests import (
    EchoRequest,
    FindRequest,
    ReceivedInstance,
    Refuse,
    RetrieveRequest,
    StoreRequest,
)
from nbdicom.running import served_by_this_thread
from nbdicom.uids import UID


def run(work: Coroutine[Any, Any, Any]) -> None:
    """Run a test in a loop; it leaves no task behind, and nothing that a loop complains of."""
    complaints: list[str] = []

    async def whole() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: complaints.append(str(context)))
        await asyncio.wait_for(work, 3 * LIMIT)
        gc.collect()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        if others:
            _, left = await asyncio.wait(others, timeout=LIMIT)
            assert not left, f"tasks left: {left}"

    asyncio.run(whole())
    assert complaints == []


def dial(address: tuple[str, int], **changes: Any) -> Any:
    given: dict[str, Any] = {"called": "SCP", "calling": "SCU", "contexts": CONTEXTS, "timeouts": FAST, **changes}
    return aio.associate(address, **given)


def serve(handlers: Handlers, **changes: Any) -> Any:
    return aio.serve(handlers, **{"ae_title": "SCP", "contexts": CONTEXTS, "timeouts": FAST, **changes})


def wide(most: int) -> Support:
    return Support(contexts=Support.of(CONTEXTS).contexts, window=OperationsWindow(invoked=most, performed=most))


async def usable(association: aio.Association) -> None:
    assert association.is_established
    assert await association.echo() == 0
    await association.release()


async def over(association: aio.Association) -> None:
    assert not association.is_established
    with pytest.raises(AssociationError):
        await association.echo()
    await association.release()


async def cancelled(work: Coroutine[Any, Any, Any], when: Callable[[], Awaitable[object]]) -> None:
    """A task that is cancelled *when* that has happened."""
    task = asyncio.create_task(work)
    await when()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def until(condition: Callable[[], object]) -> None:
    """Let the loop go on until this is so."""
    async with asyncio.timeout(LIMIT):
        while not condition():
            await asyncio.sleep(0)


# ------------------------------------------------------------------------------- a task is cancelled

OPERATIONS: dict[str, tuple[type, Callable[[aio.Association], aio.Responses[Any]]]] = {
    "C-FIND": (CFindRQ, lambda association: association.find(b"keys")),
    "C-MOVE": (CMoveRQ, lambda association: association.move(b"keys", destination="STORE")),
    "C-GET": (CGetRQ, lambda association: association.get(b"keys")),
}


@pytest.mark.parametrize("pending", [0, 3])
@pytest.mark.parametrize("service", OPERATIONS)
def test_while_waiting(service: str, pending: int) -> None:
    kind, operation = OPERATIONS[service]

    def script(wire: Wire) -> None:
        request = wire.request(kind)
        for _ in range(pending):
            wire.answer(request, 0xFF00)
        cancel = wire.request(CCancelRQ)
        assert cancel.message.message_id_being_responded_to == request.message.message_id
        wire.answer(request, 0xFF00)
        wire.answer(request, 0xFE00)
        wire.answer(wire.request(CEchoRQ), 0)
        wire.released()

    async def test(address: tuple[str, int]) -> None:
        association = await dial(address)
        responses = await operation(association)
        got: list[Any] = []

        async def iterate() -> None:
            got.extend([value async for value in responses])

        async def arrived() -> None:
            await until(lambda: association._driver.core.messages == pending and association._driver._waiters)

        await cancelled(iterate(), arrived)
        assert responses.status == 0xFE00
        assert [value async for value in responses] == []
        await usable(association)

    with Scripted(script) as acceptor:
        run(test(acceptor.address))


def test_in_the_body_of_the_loop() -> None:
    def script(wire: Wire) -> None:
        request = wire.request(CFindRQ)
        wire.answer(request, 0xFF00, b"match ")
        wire.request(CCancelRQ)
        wire.answer(request, 0xFE00)
        wire.answer(wire.request(CEchoRQ), 0)
        wire.released()

    async def test(address: tuple[str, int]) -> None:
        association = await dial(address)
        inside = asyncio.Event()

        async def iterate() -> None:
            async with association.find(b"keys") as responses:
                async for _ in responses:
                    inside.set()
                    await asyncio.Event().wait()

        await cancelled(iterate(), inside.wait)
        await usable(association)

    with Scripted(script) as acceptor:
        run(test(acceptor.address))


@pytest.mark.parametrize("service", ["C-ECHO", "C-STORE"])
def test_what_cannot_be_cancelled_is_waited_for(service: str) -> None:
    answered = threading.Event()

    def script(wire: Wire) -> None:
        request = wire.message()
        assert answered.wait(LIMIT)
        wire.answer(request, 0)
        wire.answer(wire.request(CEchoRQ), 0)
        wire.released()

    async def test(address: tuple[str, int]) -> None:
        association = await dial(address)

        async def work() -> None:
            if service == "C-ECHO":
                await association.echo()
            else:
                await anext(association.store([Instance()]))

        async def sent() -> None:
            await until(lambda: association._driver.core.outstanding and association._driver._waiters)
            asyncio.get_running_loop().call_soon(answered.set)

        await cancelled(work(), sent)
        await usable(association)

    with Scripted(script) as acceptor:
        run(test(acceptor.address))


def test_a_peer_that_does_not_hear_the_cancel_is_aborted() -> None:
    def script(wire: Wire) -> None:
        wire.request(CFindRQ)
        wire.request(CCancelRQ)
        assert wire.aborted() == A_ABORT_USER

    async def test(address: tuple[str, int]) -> None:
        association = await dial(address, timeouts=replace(FAST, cancel=0.1))
        responses = await association.find(b"keys")
        await cancelled(anext(responses), lambda: until(lambda: association._driver._waiters))
        await over(association)

    with Scripted(script) as acceptor:
        run(test(acceptor.address))


def test_again_while_it_is_cancelled() -> None:
    def script(wire: Wire) -> None:
        wire.request(CFindRQ)
        wire.request(CCancelRQ)
        assert wire.aborted() == A_ABORT_USER

    async def test(address: tuple[str, int]) -> None:
        association = await dial(address)
        responses = await association.find(b"keys")
        task = asyncio.create_task(anext(responses))
        await until(lambda: association._driver._waiters)
        task.cancel()
        await until(lambda: responses._cancelling)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await over(association)

    with Scripted(script) as acceptor:
        run(test(acceptor.address))


def test_between_two_batches_of_a_message() -> None:
    """A-ABORT follows the last whole PDU (`aborted` fails on a torn one), and the source is closed."""
    read_on = threading.Event()

    def script(wire: Wire) -> None:
        assert read_on.wait(LIMIT)
        assert wire.aborted() == A_ABORT_USER

    async def test(address: tuple[str, int]) -> None:
        association = await dial(address)
        source = Zeros(64 << 20)
        responses = association.store([source])

        async def stuck() -> None:
            await until(lambda: association._driver._drained is not None)
            asyncio.get_running_loop().call_soon(read_on.set)

        await cancelled(anext(responses), stuck)
        assert source.closed == 1
        await over(association)

    with Scripted(script) as acceptor:
        run(test(acceptor.address))


def test_while_waiting_for_the_window() -> None:
    """Another task's operation fills it: the one that waits is gone without a trace."""
    go_on = threading.Event()

    def script(wire: Wire) -> None:
        request = wire.request(CEchoRQ)
        assert go_on.wait(LIMIT)
        wire.answer(request, 0)
        wire.answer(wire.request(CEchoRQ), 0)
        wire.released()

    async def test(address: tuple[str, int]) -> None:
        association = await dial(address)
        first = asyncio.create_task(association.echo())
        await until(lambda: association._driver.core.outstanding)
        await cancelled(association.echo(), lambda: until(lambda: len(association._driver._waiters) == 2))
        go_on.set()
        assert await first == 0
        await usable(association)

    with Scripted(script) as acceptor:
        run(test(acceptor.address))


def test_while_the_association_is_requested() -> None:
    asked = threading.Event()

    def script(wire: Wire) -> None:
        wire.expect(AAssociateRQ)
        asked.set()
        assert wire.aborted() == A_ABORT_USER

    async def test(address: tuple[str, int]) -> None:
        async def work() -> None:
            await dial(address)

        await cancelled(work(), lambda: asyncio.to_thread(asked.wait, LIMIT))

    with Scripted(script, associated=False) as acceptor:
        run(test(acceptor.address))


def test_while_it_is_released() -> None:
    asked = threading.Event()

    def script(wire: Wire) -> None:
        wire.expect(AReleaseRQ)
        asked.set()
        assert wire.aborted() == A_ABORT_USER

    async def test(address: tuple[str, int]) -> None:
        association = await dial(address)
        await cancelled(association.release(), lambda: asyncio.to_thread(asked.wait, LIMIT))
        await over(association)

    with Scripted(script) as acceptor:
        run(test(acceptor.address))


def test_what_the_peer_has_asked_is_answered_before_the_release() -> None:
    """Afterwards nothing can be: the peer would never hear that its report has arrived (PS3.8 7.2.2)."""

    def script(wire: Wire) -> None:
        wire.send(echo_rq(9))
        assert wire.request(CEchoRSP).message.message_id_being_responded_to == 9
        wire.released()

    async def test(address: tuple[str, int]) -> None:
        asked, answers = asyncio.Event(), asyncio.Event()

        async def echo(request: EchoRequest) -> int:
            asked.set()
            await answers.wait()
            return 0x0000

        association = await dial(address, handlers=Handlers(echo=echo))
        await asked.wait()
        releasing = asyncio.create_task(association.release())
        await until(lambda: association._driver._waiters)
        answers.set()
        await releasing

    with Scripted(script) as acceptor:
        run(test(acceptor.address))


def test_a_time_limit_of_the_user_leaves_the_association_usable() -> None:
    def script(wire: Wire) -> None:
        request = wire.request(CFindRQ)
        wire.request(CCancelRQ)
        wire.answer(request, 0xFE00)
        wire.answer(wire.request(CEchoRQ), 0)
        wire.released()

    async def test(address: tuple[str, int]) -> None:
        association = await dial(address)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                async for _ in association.find(b"keys"):
                    pass
        await usable(association)

    with Scripted(script) as acceptor:
        run(test(acceptor.address))


def test_an_iterator_that_is_dropped_is_cancelled_by_the_loop() -> None:
    """Without a further call of the user."""
    cancel = threading.Event()

    def script(wire: Wire) -> None:
        request = wire.request(CFindRQ)
        wire.answer(request, 0xFF00, b"match ")
        wire.request(CCancelRQ)
        cancel.set()
        wire.answer(request, 0xFE00)
        wire.answer(wire.request(CEchoRQ), 0)
        wire.released()

    async def test(address: tuple[str, int]) -> None:
        association = await dial(address)
        async for _ in association.find(b"keys"):
            break
        assert await asyncio.to_thread(cancel.wait, LIMIT)
        await usable(association)

    with Scripted(script) as acceptor:
        run(test(acceptor.address))


# ------------------------------------------------------------------------------- handlers


def test_handlers_that_await() -> None:
    """Coroutine functions and asynchronous generators, for every service."""
    stored = [Instance(number) for number in range(3)]
    arrived: list[str] = []

    async def echo(request: EchoRequest) -> int:
        await asyncio.sleep(0)
        return 0

    async def store(request: StoreRequest) -> int:
        await asyncio.sleep(0)
        arrived.append(request.sop_instance_uid)
        return 0

    async def find(request: FindRequest) -> AsyncIterator[bytes]:
        yield b"one "
        await asyncio.sleep(0)
        request.pending_status = 0xFF01
        yield b"two "
        if request.data == b"bad ":
            raise Refuse(0xA700, "away")

    async def select(request: RetrieveRequest) -> list[Instance]:
        await asyncio.sleep(0)
        return stored

    async def test() -> None:
        where: dict[str, tuple[str, int]] = {}

        async def destination(title: str) -> tuple[str, int]:
            await asyncio.sleep(0)
            return where[title]

        handlers = Handlers(echo=echo, store=store, find=find, get=select, move=select, destination=destination)
        async with serve(handlers) as server, dial(server.address) as association:
            where["SCP"] = server.address
            assert await association.echo() == 0
            assert [(m.data, m.status) async for m in association.find(b"keys")] == [
                (b"one ", 0xFF00),
                (b"two ", 0xFF01),
            ]
            with pytest.raises(OperationFailed, match="away"):
                assert [match async for match in association.find(b"bad ")] == []
            assert [s.ok async for s in association.store(stored)] == [True] * 3
            assert len([value async for value in association.get(b"keys")]) == 6
            moved = [value async for value in association.move(b"keys", destination="SCP")]
            assert moved[-1].completed == 3
            assert await association.echo() == 0
        assert len(arrived) == 6

    run(test())


def test_an_asynchronous_generator_is_closed_when_its_query_is_cancelled() -> None:
    async def test() -> None:
        closed = asyncio.Event()

        async def find(request: FindRequest) -> AsyncIterator[bytes]:
            try:
                while True:
                    yield b"match "
            finally:
                closed.set()

        async with serve(Handlers(find=find)) as server, dial(server.address) as association:
            async with association.find(b"keys") as responses:
                await anext(responses)
            assert closed.is_set()
            assert responses.status == 0xFE00

    run(test())


@pytest.mark.parametrize("service", ["C-ECHO", "C-STORE", "C-FIND", "check of the caller"])
def test_a_handler_that_blocks_delays_nobody_else(service: str) -> None:
    """Plain functions run in the thread of their association: while one is stuck another association is served."""
    entered, go_on = threading.Event(), threading.Event()

    def block(*_: Any) -> int:
        entered.set()
        assert go_on.wait(LIMIT)
        return 0

    def calling(title: str, host: str) -> bool:
        return title != "SLOW" or block() == 0

    def find(request: FindRequest) -> Iterator[bytes]:
        block()
        yield b"match "

    def echo(request: EchoRequest) -> int:
        return block() if service == "C-ECHO" and request.calling_ae_title == "SLOW" else 0

    async def slow(address: tuple[str, int]) -> None:
        async with dial(address, calling="SLOW" if service[0] == "c" or service == "C-ECHO" else "SCU") as association:
            if service == "C-STORE":
                assert [stored.ok async for stored in association.store([Instance()])] == [True]
            elif service == "C-FIND":
                assert len([match async for match in association.find(b"keys")]) == 1
            else:
                assert await association.echo() == 0

    async def test() -> None:
        async with serve(Handlers(echo=echo, store=block, find=find), calling=calling) as server:
            stuck = asyncio.create_task(slow(server.address))
            assert await asyncio.to_thread(entered.wait, LIMIT)
            async with dial(server.address) as other:
                for _ in range(10):
                    assert await other.echo() == 0
            assert not stuck.done()
            go_on.set()
            await stuck

    run(test())


def test_a_plain_iterator_lives_in_one_thread() -> None:
    """As in the blocking server: what is bound to its thread (a database connection) can be used by a handler."""
    threads: set[int] = set()

    def find(request: FindRequest) -> Iterator[bytes]:
        for _ in range(20):
            threads.add(threading.get_ident())
            yield b"match "

    async def test() -> None:
        async with serve(Handlers(find=find)) as server, dial(server.address) as association:
            assert len([match async for match in association.find(b"keys")]) == 20

    run(test())
    assert len(threads) == 1 and threading.get_ident() not in threads


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, StopIteration, asyncio.CancelledError])
@pytest.mark.parametrize("plain", [True, False])
def test_what_a_handler_raises_is_its_own_mistake(error: type[BaseException], plain: bool) -> None:
    if not plain and error in (KeyboardInterrupt, StopIteration):
        return  # that is Ctrl-C in the loop itself, and impossible

    def bad(request: Any) -> int:
        raise error

    async def bad_too(request: Any) -> int:
        raise error

    async def test() -> None:
        handlers = Handlers(store=bad if plain else bad_too)
        async with serve(handlers) as server, dial(server.address) as association:
            (stored,) = [stored async for stored in association.store([Instance()])]
            assert stored.status == 0xC000
            assert await association.echo() == 0

    run(test())


def test_a_handler_uses_the_association_that_it_serves() -> None:
    """An event report comes; the handler asks its peer before it answers."""

    def script(wire: Wire) -> None:
        request = message(
            STORE_ID, CStoreRQ(message_id=5, affected_sop_class_uid=CT, affected_sop_instance_uid=UID("1.2.3")), b"data"
        )
        wire.send(request)
        wire.answer(wire.request(CEchoRQ), 0)
        assert wire.request(CStoreRSP).message.status == 0
        wire.released()

    async def test(address: tuple[str, int]) -> None:
        answered = asyncio.Event()

        opened: asyncio.Future[aio.Association] = asyncio.get_running_loop().create_future()

        async def store(request: StoreRequest) -> int:
            assert await (await opened).echo() == 0
            answered.set()
            return 0

        association = await dial(address, handlers=Handlers(store=store))
        opened.set_result(association)
        await asyncio.wait_for(answered.wait(), LIMIT)  # nobody waits for anything on the association
        await association.release()

    with Scripted(script) as acceptor:
        run(test(acceptor.address))


# ------------------------------------------------------------------------------- many tasks


@pytest.mark.parametrize("window", [1, 8, 16, 0])
def test_tasks_share_an_association(window: int) -> None:
    async def test() -> None:
        handlers = Handlers(find=lambda request: [b"match "] * 10, store=lambda request: 0)
        async with serve(handlers, contexts=wide(0)) as server:
            async with dial(server.address, window=OperationsWindow(invoked=window, performed=1)) as association:

                async def echoes() -> None:
                    for _ in range(20):
                        assert await association.echo() == 0

                async def queries() -> None:
                    for _ in range(5):
                        assert len([match async for match in association.find(b"keys")]) == 10

                async def stores() -> None:
                    async for stored in association.store(Instance(n, bytes(50_000)) for n in range(10)):
                        assert stored.ok

                await asyncio.gather(*(work() for work in (echoes, queries, stores) * 3))
                await usable(association)

    run(test())


@pytest.mark.parametrize("window", [1, 4])
def test_what_tasks_retrieve_is_not_mixed_up(window: int) -> None:
    """Nothing in a C-STORE request tells to which C-GET it belongs: the second one waits for the end of the first."""

    def get(request: RetrieveRequest) -> list[Instance]:
        return [Instance(10 * int(request.data) + number) for number in range(5)]

    async def test() -> None:
        async def retrieve(series: int) -> list[str]:
            answers = [answer async for answer in association.get(b"%d " % series)]
            return [str(answer.sop_instance_uid) for answer in answers if isinstance(answer, ReceivedInstance)]

        async with (
            serve(Handlers(get=get), contexts=wide(window)) as server,
            dial(server.address, window=OperationsWindow(invoked=window)) as association,
        ):
            came = await asyncio.gather(*map(retrieve, (1, 2, 3)))
            assert came == [[f"1.2.3.{10 * series + number}" for number in range(5)] for series in (1, 2, 3)]
            assert association._driver.serving.handlers.store is None  # what it was before

    run(test())


def test_a_task_does_not_wait_for_itself() -> None:
    async def test() -> None:
        async with serve(Handlers(find=lambda request: [b"match "] * 3)) as server:
            async with dial(server.address) as association, association.find(b"keys") as responses:
                await anext(responses)
                with pytest.raises(LocalProtocolError, match="outstanding"):
                    await association.echo()

    run(test())


# ------------------------------------------------------------------------------- slow peers, slow consumers


def test_a_peer_that_reads_slowly_does_not_fill_our_memory() -> None:
    """Never more than one batch lies in the transport, whatever the size of the object."""
    size, most = 64 << 20, 0

    def script(wire: Wire) -> None:
        request = wire.request(CStoreRQ)
        assert request.data is not None and len(request.data) == size
        wire.answer(request, 0)
        wire.released()

    async def test(address: tuple[str, int]) -> None:
        association = await dial(address)
        transport = association._driver.transport

        def look(chunk: int) -> None:
            nonlocal most
            most = max(most, transport.get_write_buffer_size())

        async for stored in association.store([Zeros(size, at=look)]):
            assert stored.ok
        await association.release()

    with Scripted(script) as acceptor:
        run(test(acceptor.address))
    assert most == 0  # a source is asked for more when what it gave has gone: it uses its buffer again


def test_a_consumer_that_is_slow_stops_the_peer() -> None:
    """What nobody takes is not read beyond a bound; then everything arrives."""
    count, size = 600, 100_000

    def find(request: FindRequest) -> Iterator[bytes]:
        return (bytes(size) for _ in range(count))

    async def test() -> None:
        with_thread = Handlers(find=find)
        async with serve(with_thread) as server, dial(server.address) as association:
            driver = association._driver
            responses = await association.find(b"keys")
            await anext(responses)
            await until(lambda: driver._paused)
            assert driver.core.messages * size < 10 << 20
            assert len([match async for match in responses]) == count - 1
            assert await association.echo() == 0

    run(test())


def test_a_consumer_of_instances_that_is_slow_stops_the_peer() -> None:
    """The instances of a C-GET are requests of the peer, which are answered at once; they are bounded likewise."""
    count, size = 200, 100_000
    stored = [Instance(number, bytes(size)) for number in range(count)]

    async def test() -> None:
        async with serve(Handlers(get=lambda request: stored)) as server, dial(server.address) as association:
            driver = association._driver
            responses = await association.get(b"keys")
            await anext(responses)
            await until(lambda: driver._paused)
            assert driver.core.messages // 2 * size < 10 << 20  # each instance comes with a response
            arrived = [value async for value in responses if isinstance(value, ReceivedInstance)]
            assert len(arrived) == count - 1
            assert responses.status == 0
            assert await association.echo() == 0

    run(test())


def test_a_peer_that_takes_nothing_is_given_up() -> None:
    over_now = threading.Event()

    def script(wire: Wire) -> None:
        assert over_now.wait(LIMIT)

    async def test(address: tuple[str, int]) -> None:
        association = await dial(address, timeouts=replace(FAST, network=0.2))
        try:
            with pytest.raises(AssociationAborted, match="reads nothing"):
                await anext(association.store([Zeros(64 << 20)]))
            await over(association)
        finally:
            over_now.set()

    with Scripted(script) as acceptor:
        run(test(acceptor.address))


def test_a_sink_is_written_to_as_the_bytes_come() -> None:
    sinks: list[Sink] = []

    def sink(request: StoreRequest) -> Sink:
        sinks.append(Sink())
        return sinks[-1]

    async def test() -> None:
        async with serve(Handlers(sink=sink, store=lambda request: 0)) as server, dial(server.address) as association:
            async for stored in association.store([Zeros(32 << 20)]):
                assert stored.ok

    run(test())
    assert [(sink.size, sink.closed) for sink in sinks] == [(32 << 20, [True])]


# ------------------------------------------------------------------------------- the whole of a life


def test_nothing_happens_before_it_is_awaited() -> None:
    async def test() -> None:
        dial(("127.0.0.1", 9))
        serve(Handlers())
        with pytest.raises(ConnectionFailed, match="refused"):
            await dial(("127.0.0.1", 9))
        with pytest.raises(ConnectionFailed, match="refused"):
            async with dial(("localhost", 9)):
                pass

    run(test())


def test_a_server_that_closes_ends_its_associations() -> None:
    async def test() -> None:
        server = await serve(Handlers(find=lambda request: iter(lambda: b"match ", None)))
        association = await dial(server.address)
        responses = await association.find(b"keys")
        await anext(responses)
        assert "listening, 1 association\n" in repr(server)
        await server.close()
        with pytest.raises(AssociationAborted):
            async for _ in responses:
                pass
        await over(association)
        assert not server.running and server.associations == []

    run(test())


def test_an_abort_of_the_peer_is_seen_while_nobody_waits() -> None:
    """The loop always reads: the blocking driver sees it with the next call."""

    def script(wire: Wire) -> None:
        wire.answer(wire.request(CEchoRQ), 0)
        wire.send(A_ABORT_USER)

    async def test(address: tuple[str, int]) -> None:
        association = await dial(address)
        assert await association.echo() == 0
        await until(lambda: not association.is_established)
        await over(association)

    with Scripted(script) as acceptor:
        run(test(acceptor.address))


def test_two_hundred_associations() -> None:
    async def test() -> None:
        limits = Limits(associations=250, associations_per_host=250, half_open=250)
        async with serve(Handlers(), limits=limits) as server:
            opened = await asyncio.gather(*(_opened(server.address) for _ in range(200)))
            assert len(server.associations) == 200
            assert await asyncio.gather(*(association.echo() for association in opened)) == [0] * 200
            await asyncio.gather(*(association.release() for association in opened))

    async def _opened(address: tuple[str, int]) -> aio.Association:
        return await dial(address)

    run(test())


def test_await_in_a_notebook_cell() -> None:
    """The loop of a kernel runs already: a cell simply awaits."""
    if find_spec("nbclient") is None:
        pytest.skip("nbclient is not installed")
    cells = [
        "from nbdicom import Handlers, aio",
        "server = await aio.serve(Handlers(), ae_title='SCP', contexts=['Verification'])",
        "association = await aio.associate(server.address, called='SCP', contexts=['Verification'])",
        "print(int(await association.echo()))",
        "await association.release(); await server.close(); print(association)",
    ]
    program = (
        "import json, sys, nbclient\n"
        "from nbformat.v4 import new_code_cell, new_notebook\n"
        "notebook = new_notebook(cells=list(map(new_code_cell, json.load(sys.stdin))))\n"
        "nbclient.NotebookClient(notebook, timeout=60, kernel_name='python3').execute()\n"
        "print([output['text'] for cell in notebook.cells for output in cell.get('outputs', [])])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=json.dumps(cells),
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    assert "'0\\n'" in done.stdout and ", over>" in done.stdout


def test_a_wire_of_another_kind() -> None:
    """A requestor of bytes against the asyncio server: the association is requested, used and released."""

    async def test() -> None:
        def play(address: tuple[str, int]) -> None:
            with Wire.associated(address, a_associate_rq(["Verification", CT, FIND])) as wire:
                wire.echo()
                wire.release()

        async with serve(Handlers()) as server:
            await asyncio.to_thread(play, server.address)

    run(test())


# ------------------------------------------------------------------------------- a call that waits


@pytest.mark.parametrize("in_loop", [True, False], ids=["in the loop", "beside it"])
def test_a_call_that_waits_for_the_loop_of_its_own_thread_is_told(in_loop: bool) -> None:
    """It would wait for its deadline, and be told that nothing at this port speaks DICOM."""
    from nbdicom.blocking import associate

    patient = Timeouts(association=20)

    async def test() -> None:
        server = await aio.serve(Handlers(), ae_title="SCP", contexts=["Verification"])

        def call() -> bool:
            with associate(server.address, called="SCP", contexts=["Verification"], timeouts=patient) as association:
                return association.echo().is_success

        if in_loop:
            with pytest.raises(ConnectionFailed, match="event loop of this thread.*AsyncPeer"):
                call()
        assert await asyncio.to_thread(call)
        port = server.address[1]
        await server.close()
        assert not served_by_this_thread(port)

    asyncio.run(test())


@pytest.mark.parametrize("answered", [False, True], ids=["not answered", "released"])
def test_a_loop_that_ends_with_what_was_cancelled_leaves_no_connection_open(answered: bool) -> None:
    """Nobody would close it: the timers that bound how long we wait for the peer end with the loop."""

    async def test() -> tuple[socket.socket, socket.socket]:
        loop = asyncio.get_running_loop()
        listener = socket.create_server(("127.0.0.1", 0))
        listener.setblocking(False)

        async def call() -> None:
            async with aio.associate(listener.getsockname(), called="SCP", contexts=["Verification"]):
                pass  # releases it

        task = asyncio.ensure_future(call())
        peer, _ = await loop.sock_accept(listener)
        await loop.sock_recv(peer, 1 << 16)
        if answered:
            await loop.sock_sendall(peer, encode_pdu(accept_all(a_associate_rq(["Verification"]))))
            assert (await loop.sock_recv(peer, 1 << 16))[:1] == b"\x05"
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        return listener, peer

    listener, peer = asyncio.run(test())
    gc.collect()  # what nobody has closed is told here
    with listener, peer:
        peer.setblocking(True)
        assert peer.recv(1 << 16)[:1] == b"\x07" and not peer.recv(1)


STUCK = """
import asyncio, threading
from nbdicom import Handlers, aio

async def work():
    reached, stuck = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def echo(request):
        loop.call_soon_threadsafe(reached.set)
        stuck.wait()

    server = await aio.serve(Handlers(echo=echo), ae_title="SCP", contexts=["Verification"])
    async with aio.associate(server.address, called="SCP", contexts=["Verification"]) as association:
        asked = asyncio.ensure_future(association.echo())
        await reached.wait()
        await server.close(0.1)
        await asyncio.wait([asked])
        print(type(asked.exception()).__name__)

asyncio.run(work())
"""


def test_a_handler_that_blocks_for_ever_keeps_no_interpreter_from_ending() -> None:
    run = subprocess.run([sys.executable, "-c", STUCK], capture_output=True, text=True, timeout=LIMIT, check=False)
    assert (run.stdout, run.returncode) == ("AssociationAborted\n", 0), run.stderr
