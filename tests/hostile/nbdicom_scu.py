"""nbdicom as the requestor under test, a service a line: ``python -m tests.hostile.nbdicom_scu DRIVER TIMERS FOLDER``."""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import Any

from nbdicom import aio
from nbdicom.blocking import associate
from nbdicom.config import Timeouts
from nbdicom.core.negotiation import ContextLike, PresentationContext
from nbdicom.data import FolderSink, codec
from nbdicom.data.columns import decode_columns
from nbdicom.errors import NbdicomError
from tests.drivers.scripted import CT, FIND, GET, IMPLICIT, VERIFICATION

ECHO: ContextLike = (VERIFICATION, IMPLICIT)
CONTEXTS: dict[str, list[ContextLike]] = {
    "echo": [ECHO],
    "find": [(FIND, IMPLICIT), ECHO],
    "get": [(GET, IMPLICIT), PresentationContext(CT, (IMPLICIT,), True, True), ECHO],
}
KEYS = codec.encode({"QueryRetrieveLevel": "STUDY", "PatientID": "", "StudyInstanceUID": "1.2.3"}, IMPLICIT)
ENOUGH = 1000  #: matches after which the user cancels


def read(match: Any, number: int) -> None:
    """What a user does with a match; DataSetError if it is none."""
    if number < 10:
        decode_columns([(match.data, IMPLICIT)])


def blocking(service: str, port: int, folder: str, timeouts: Timeouts) -> None:
    """One service by the blocking driver."""
    with associate(
        ("127.0.0.1", port), called="SCP", calling="SCU", contexts=CONTEXTS[service], timeouts=timeouts
    ) as association:
        if service == "echo":
            association.echo()
        elif service == "find":
            responses = association.find(KEYS)
            for number, match in enumerate(responses):
                read(match, number)
                if number == ENOUGH:
                    responses.cancel()
        else:
            for _ in association.get(KEYS, sink=FolderSink(folder)):
                pass


async def asynchronous(service: str, port: int, folder: str, timeouts: Timeouts) -> None:
    """One service by the asyncio driver."""
    async with aio.associate(
        ("127.0.0.1", port), called="SCP", calling="SCU", contexts=CONTEXTS[service], timeouts=timeouts
    ) as association:
        if service == "echo":
            await association.echo()
        elif service == "find":
            number = 0
            responses = association.find(KEYS)
            async for match in responses:
                read(match, number)
                number += 1
                if number == ENOUGH:
                    await responses.cancel()
        else:
            async for _ in association.get(KEYS, sink=FolderSink(folder)):
                pass


def main() -> None:
    """Answer each line with ``ok``, ``error KIND`` (an error that is meant for users), or ``crash KIND`` (any other)."""
    driver, timers, folder = sys.argv[1], float(sys.argv[2]), sys.argv[3]
    logging.basicConfig(level=logging.DEBUG, format="%(levelname)s %(name)s %(message)s")
    timeouts = Timeouts(
        connect=10, association=timers, artim=timers, network=timers, pdu=timers, dimse=timers, cancel=timers,
        release=timers, closing=0.02,
    )  # fmt: skip
    print("ready", flush=True)
    for line in sys.stdin:
        service, port = line.split()
        try:
            if driver == "asyncio":
                asyncio.run(asynchronous(service, int(port), folder, timeouts))
            else:
                blocking(service, int(port), folder, timeouts)
        except NbdicomError as error:
            print(f"error {type(error).__name__}", flush=True)
        except Exception as error:
            logging.exception("not an error of ours")
            print(f"crash {type(error).__name__}", flush=True)
        else:
            print("ok", flush=True)


if __name__ == "__main__":
    main()
