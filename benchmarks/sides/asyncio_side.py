"""nbdicom in an event loop, as requestor and as acceptor: the same protocol, moved by `nbdicom.aio`."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from typing import Any

from benchmarks.sides.meter import arguments, measured, report, run
from benchmarks.sides.nbdicom_side import PATIENT, limits, storage
from nbdicom import aio
from nbdicom.config import OperationsWindow
from nbdicom.data import FolderSink
from nbdicom.operations.handlers import Handlers
from nbdicom.receiver import storage_support


async def serve(options: dict[str, Any]) -> None:
    """Verification, and storage into a folder."""

    async def store(request: object) -> int:
        return 0x0000

    handlers = Handlers(sink=FolderSink(options["folder"]), store=store)
    support = storage_support(options.get("max_length", 131_072))
    support = replace(support, window=OperationsWindow(performed=options.get("window", 1)))
    async with aio.serve(handlers, ae_title="ASYNCIO", contexts=support, limits=limits(options)) as server:
        print(f"ready {server.address[1]}", flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


def connect(options: dict[str, Any], contexts: Any) -> Any:
    return aio.associate(
        ("127.0.0.1", options["port"]),
        called=options["called"],
        contexts=contexts,
        limits=limits(options),
        timeouts=PATIENT,
    )


async def echo(options: dict[str, Any]) -> None:
    async with connect(options, ["Verification"]) as association:
        for _ in range(options["count"]):
            await association.echo()


async def store(options: dict[str, Any]) -> dict[str, Any]:
    async with connect(options, storage()) as association:
        answered = [stored.status async for stored in association.store(options["files"])]
    return {"failed": sum(status != 0x0000 for status in answered)}


def main() -> None:
    verb, options = arguments()
    if verb == "serve":
        asyncio.run(serve(options))
    else:
        work = {"echo": echo, "store": store}[verb]
        report(measured(lambda: asyncio.run(work(options))))


if __name__ == "__main__":
    run(main)
