"""``python -m tests.hostile.soak [minutes]``: mixed load on an embedded PACS; then nothing is lost and nothing has grown.

Senders store, query, retrieve, cancel, abort and vanish in the middle.  In the first half of the time the PACS is killed
every 20 seconds and started again; in the second half its memory is watched.  At the end every object that was acknowledged
is there and identical.
"""

from __future__ import annotations

import hashlib
import random
import sys
import threading
import time
from collections import Counter
from pathlib import Path

from nbdicom.blocking import Association, associate
from nbdicom.config import Timeouts
from nbdicom.core.negotiation import ContextLike, PresentationContext
from nbdicom.data import codec
from nbdicom.errors import NbdicomError
from nbdicom.pacs import Pacs
from tests.drivers.scripted import CT, FIND, GET, IMPLICIT, VERIFICATION, Instance, Wire, a_associate_rq, store_rq
from tests.hostile.targets import Target, started

__all__ = ["Load"]

CONTEXTS: list[ContextLike] = [
    (VERIFICATION, IMPLICIT),
    (FIND, IMPLICIT),
    (GET, IMPLICIT),
    PresentationContext(CT, (IMPLICIT,), True, True),
]
KILL_EVERY = 20.0  #: seconds
GROWTH = 50 << 20  #: bytes by which the PACS may grow in the second half; its index has a cache


class Load:
    """What several senders do, and what they were promised."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.acknowledged: dict[str, bytes] = {}  # SOP Instance UID -> SHA-256 of the data set
        self.done: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.over = threading.Event()
        self.down = threading.Event()  # the PACS is being killed and started again
        self._lock = threading.Lock()

    def sender(self, which: int) -> None:
        """Work until it is over."""
        generator = random.Random(which)
        number = 0
        while not self.over.is_set():
            try:
                with associate(
                    self.target.address, called=self.target.called, calling=f"SOAK{which}", contexts=CONTEXTS,
                    timeouts=Timeouts(dimse=20, association=10, connect=5),
                ) as association:  # fmt: skip
                    for _ in range(generator.randint(1, 30)):
                        number += 1
                        what = generator.choices(list(self.WORK), [work[1] for work in self.WORK.values()])[0]
                        self.WORK[what][0](self, association, generator, which, number)
                        with self._lock:
                            self.done[what] += 1
                        if what in ("abort", "vanish"):
                            break
            except NbdicomError as error:
                with self._lock:
                    self.errors[f"{type(error).__name__}{' (killed)' if self.down.is_set() else ''}"] += 1
                self.over.wait(0.05)

    def store(self, association: Association, generator: random.Random, which: int, number: int) -> None:
        instance = Instance(0, self.data(which, number, generator.choice((100, 10_000, 300_000))))
        instance.sop_instance_uid = type(CT)(f"1.2.826.0.1.{which}.{number}")
        (result,) = association.store([instance])
        if result.status is not None and result.status == 0:
            with self._lock:
                self.acknowledged[str(instance.sop_instance_uid)] = hashlib.sha256(instance.data).digest()

    @staticmethod
    def data(which: int, number: int, size: int) -> bytes:
        values = {
            "SOPClassUID": CT,
            "SOPInstanceUID": f"1.2.826.0.1.{which}.{number}",
            "StudyInstanceUID": f"1.2.826.0.2.{which}",
            "SeriesInstanceUID": f"1.2.826.0.3.{which}.{number // 50}",
            "PatientID": f"P{which}",
            "PatientName": "Soak^Test",
            "InstanceNumber": str(number),
            "PixelData": bytes([number & 0xFF, which]) * (size // 2),
        }
        return codec.encode(values, IMPLICIT)

    def echo(self, association: Association, generator: random.Random, which: int, number: int) -> None:
        assert association.echo() == 0

    def find(self, association: Association, generator: random.Random, which: int, number: int) -> None:
        keys = {"QueryRetrieveLevel": "IMAGE", "StudyInstanceUID": f"1.2.826.0.2.{which}", "SOPInstanceUID": ""}
        for _ in association.find(codec.encode(keys, IMPLICIT)):
            pass

    def cancel(self, association: Association, generator: random.Random, which: int, number: int) -> None:
        responses = association.find(codec.encode({"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": ""}, IMPLICIT))
        next(responses, None)
        responses.cancel()

    def get(self, association: Association, generator: random.Random, which: int, number: int) -> None:
        with self._lock:
            mine = [uid for uid in self.acknowledged if uid.split(".")[5] == str(which)]
        if not mine:
            return
        uid = generator.choice(mine)
        keys = {"QueryRetrieveLevel": "IMAGE", "StudyInstanceUID": f"1.2.826.0.2.{which}", "SOPInstanceUID": uid}
        for got in association.get(codec.encode(keys, IMPLICIT)):
            data = getattr(got, "data", None)
            if data is not None:
                assert hashlib.sha256(data).digest() == self.acknowledged[uid], f"{uid} comes back with other bytes"

    def abort(self, association: Association, generator: random.Random, which: int, number: int) -> None:
        association.abort()

    def vanish(self, association: Association, generator: random.Random, which: int, number: int) -> None:
        """A peer that resets its connection in the middle of an object."""
        try:
            with Wire.associated(self.target.address, a_associate_rq(called=self.target.called)) as wire:
                whole = store_rq(self.data(which, number, 100_000))
                wire.send(whole[: generator.randrange(len(whole))])
                wire.reset()
        except (OSError, AssertionError):
            pass  # it is being killed

    WORK = {
        "store": (store, 50), "echo": (echo, 20), "find": (find, 5), "get": (get, 10), "cancel": (cancel, 4),
        "abort": (abort, 2), "vanish": (vanish, 3),
    }  # fmt: skip


def main(minutes: float) -> int:
    """Drive the load, kill the PACS now and then, and check."""
    with started("nbdicom-full", timers=30) as target:
        load = Load(target)
        senders = [threading.Thread(target=load.sender, args=(which,)) for which in range(8)]
        for sender in senders:
            sender.start()
        begun = time.monotonic()
        half, end = begun + 30 * minutes, begun + 60 * minutes
        memory: list[int] = []
        kills = 0
        assert target.program is not None
        while time.monotonic() < half:
            load.over.wait(min(KILL_EVERY, max(0.1, half - time.monotonic())))
            load.down.set()
            target.program.kill()
            target.program.start()
            load.down.clear()
            kills += 1
        while time.monotonic() < end:
            load.over.wait(min(10.0, max(0.1, end - time.monotonic())))
            memory.append(target.memory())
        load.over.set()
        for sender in senders:
            sender.join(60)
        assert target.store is not None
        target.program.stop()
        lost, wrong = check(target.store / "root", load.acknowledged)
        print(f"{minutes:g} minutes: {dict(load.done)}; killed {kills} times; told: {dict(load.errors)}")
        print(f"{len(load.acknowledged)} objects acknowledged, {lost} lost, {wrong} with other bytes")
        print("memory of the PACS, every 10 s, MB: " + " ".join(f"{size / 1e6:.0f}" for size in memory))
        grown = memory[-1] - memory[0] > GROWTH
        return 1 if lost or wrong or grown else 0


def check(root: Path, acknowledged: dict[str, bytes]) -> tuple[int, int]:
    """How many objects are missing, and how many are not what was sent."""
    lost = wrong = 0
    with Pacs(root, ae_title="SOAKED") as pacs:
        assert pacs.scrub(), "damaged objects"
        for uid, digest in acknowledged.items():
            instance = pacs.instance(uid)
            if instance is None:
                lost += 1
            elif hashlib.sha256(instance.path.read_bytes()[instance.offset :]).digest() != digest:
                wrong += 1
    return lost, wrong


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if len(sys.argv) > 1 else 5.0))
