"""nbdicom as the SCP under test: ``python -m tests.hostile.nbdicom_peer PORT FOLDER TIMERS DRIVER DURABILITY``."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
import threading
from typing import cast

from nbdicom import aio
from nbdicom.config import Timeouts
from nbdicom.pacs import Pacs
from nbdicom.pacs.durability import Durability

__all__ = ["TITLE"]

TITLE = "NBHOSTILE"


async def serve_asyncio(pacs: Pacs, port: int) -> None:
    """The services of *pacs* by the asyncio driver, until SIGTERM."""
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    server = aio.Server(
        pacs.handlers(), ae_title=TITLE, contexts=pacs.support(), port=port, timeouts=pacs.timeouts, limits=pacs.limits
    )
    async with server:
        await ended.wait()


def main() -> None:
    """Serve until SIGTERM."""
    port, folder, timers = int(sys.argv[1]), sys.argv[2], float(sys.argv[3])
    driver, durability = sys.argv[4], cast("Durability", sys.argv[5])
    logging.basicConfig(level=logging.DEBUG, format="%(levelname)s %(name)s %(message)s")
    # A player on a busy machine needs more than the usual quarter of a second for what it says after our last word.
    timeouts = Timeouts(
        artim=timers, network=timers, pdu=timers, idle=timers, dimse=timers, closing=min(3.0, timers / 2)
    )
    pacs = Pacs(folder, ae_title=TITLE, port=port, durability=durability, timeouts=timeouts)
    if driver == "aio":
        asyncio.run(serve_asyncio(pacs, port))
        pacs.stop()
        return
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    with pacs:
        ended.wait()


if __name__ == "__main__":
    main()
