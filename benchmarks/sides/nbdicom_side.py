"""nbdicom as requestor and as acceptor, by its public interface."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.sides.meter import arguments, at_once, measured, ready, report, run, slow_syncs
from nbdicom.blocking import Association, Server, associate
from nbdicom.config import Limits, OperationsWindow, Timeouts
from nbdicom.core.negotiation import PresentationContext
from nbdicom.data import FolderSink
from nbdicom.operations.handlers import Handlers, succeed
from nbdicom.receiver import storage_support
from nbdicom.uids import UID

CT = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT, IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"
PATIENT = Timeouts(association=300.0, dimse=300.0)  #: of a hundred at once some peers let each wait for a minute
STUDY_FIND = "StudyRootQueryRetrieveInformationModelFind"


def limits(options: dict[str, Any]) -> Limits:
    """All peers are on one host here, and ask for more than one would be given."""
    return Limits(
        max_length_received=options.get("max_length", 131_072), associations=512, associations_per_host=512,
        half_open=512, matches=1_000_000,
    )  # fmt: skip


def connect(options: dict[str, Any], contexts: Any, window: int = 1, calling: str = "NBDICOM") -> Association:
    return associate(
        ("127.0.0.1", options["port"]), called=options["called"], calling=calling, contexts=contexts,
        limits=limits(options), window=OperationsWindow(invoked=window), timeouts=PATIENT,
    )  # fmt: skip


def storage() -> list[Any]:
    return [PresentationContext(UID(CT), (UID(EXPLICIT),))]


# ------------------------------------------------------------------------------- acceptors


def serve(options: dict[str, Any]) -> None:
    """Verification, and storage into a folder."""
    handlers = Handlers(sink=FolderSink(options["folder"]), store=succeed)
    support = storage_support(options.get("max_length", 131_072))
    support = replace(support, window=OperationsWindow(performed=options.get("window", 1)))
    with Server(handlers, ae_title="NBDICOM", contexts=support, limits=limits(options)) as server:
        ready(server.address[1])


def serve_matches(options: dict[str, Any]) -> None:
    """C-FIND with answers that are encoded already: what limits is the requestor."""
    answers = [bytes.fromhex(line) for line in Path(options["answers"]).read_text().split()]
    together = [answers[start : start + 100] for start in range(0, len(answers), 100)]
    handlers = Handlers(find=lambda request: together)
    contexts = [PresentationContext(UID.of(STUDY_FIND), (UID(IMPLICIT),))]
    with Server(handlers, ae_title="NBDICOM", contexts=contexts, limits=limits(options)) as server:
        ready(server.address[1])


def serve_pacs(options: dict[str, Any]) -> None:
    """The embedded archive."""
    from nbdicom import Pacs

    durability = options.get("durability", "none")
    if durability != "none":  # without syncs there is none to take longer
        _slow_disk(options.get("slow", 0.0))
    allow = {title: ("127.0.0.1", port) for title, port in options.get("destinations", {}).items()}
    with Pacs(
        options["root"], ae_title="NBDICOM", durability=durability, allow=allow, limits=limits(options),
    ) as pacs:  # fmt: skip
        ready(pacs.port)


def _slow_disk(seconds: float) -> None:
    """Syncs that take longer: those of SQLite, which are made in C, by a wait after each commit."""
    from nbdicom.pacs.index import Index

    if not seconds:
        return
    slow_syncs(seconds)
    add_each = Index.add_each

    def slow(index: Index, parts: Any) -> Any:
        told = add_each(index, parts)
        time.sleep(seconds)
        return told

    Index.add_each = slow  # type: ignore[method-assign]


def receive(options: dict[str, Any]) -> None:
    """A receiver that listens on a port that others know."""
    from nbdicom import Receiver

    with Receiver(options["folder"], ae_title=options["title"], port=options["listen"], limits=limits(options)):
        ready(options["listen"])


# ------------------------------------------------------------------------------- requestors


def echo(options: dict[str, Any]) -> dict[str, Any]:
    with connect(options, ["Verification"]) as association:

        def work() -> None:
            for _ in range(options["count"]):
                association.echo()

        return measured(work)


def many_associations(options: dict[str, Any]) -> dict[str, Any]:
    contexts: list[Any] = ["Verification"]
    if options["contexts"] > 1:
        from nbdicom.uids import sop_classes

        # Once each, then again with another transfer syntax: 128 contexts whatever the dictionary has.
        classes = [entry.uid for entry in sop_classes()]
        pairs = [(uid, (UID(syntax),)) for syntax in (EXPLICIT, IMPLICIT) for uid in classes]
        contexts = [PresentationContext(*pair) for pair in pairs[: options["contexts"] - 1]] + ["Verification"]

    def work() -> None:
        for number in range(options["count"]):
            # Each has a title and a maximum length of its own, which neither side has seen before.
            if options["unlike"]:
                one = {**options, "max_length": 16_384 + number}
                connect(one, contexts, calling=f"NUMBER {number}").release()
            else:
                connect(options, contexts).release()

    return measured(work)


def store(options: dict[str, Any]) -> dict[str, Any]:
    def work() -> dict[str, Any]:
        with connect(options, storage(), options.get("window", 1)) as association:
            answered = [stored.status for stored in association.store(options["files"])]
        return {"failed": sum(status != 0x0000 for status in answered)}

    return measured(work)


def store_at_once(options: dict[str, Any]) -> dict[str, Any]:
    """Many associations; each stores its share of the files, and before the clock runs, its share of the first ones."""

    def sender(number: int) -> Iterator[int | None]:
        with connect(options, storage()) as association:
            for _ in association.store(options.get("first", [])[number :: options["associations"]]):
                pass
            yield None
            for stored in association.store(options["files"][number :: options["associations"]]):
                yield stored.status

    return at_once(options["associations"], sender)


def find(options: dict[str, Any]) -> dict[str, Any]:
    identifier = {"QueryRetrieveLevel": "STUDY", **dict.fromkeys(options["keywords"], "")}

    def raw() -> dict[str, Any]:
        with connect(options, [PresentationContext(UID.of(STUDY_FIND), (UID(IMPLICIT),))]) as association:
            return {"count": sum(1 for _ in association.find(identifier))}

    def frame() -> dict[str, Any]:
        from nbdicom import Peer

        peer = Peer(f"{options['called']}@127.0.0.1:{options['port']}")
        return {"count": len(peer.find("STUDY", columns=options["keywords"], defaults=False))}

    if options["to"] == "frame":
        # pandas and pydicom's dictionary are loaded before the clock runs, on every side.
        import pydicom.datadict  # noqa: F401

        import nbdicom.peer.frames  # noqa: F401

    return measured(frame if options["to"] == "frame" else raw)


def get(options: dict[str, Any]) -> dict[str, Any]:
    contexts = [
        PresentationContext(UID.of("StudyRootQueryRetrieveInformationModelGet"), (UID(IMPLICIT),)),
        PresentationContext(UID(CT), (UID(EXPLICIT),), scu_role=False, scp_role=True),
    ]
    identifier = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": options["study"]}

    def work() -> dict[str, Any]:
        with connect(options, contexts) as association:
            for _ in association.get(identifier, sink=FolderSink(options["folder"])):
                pass
        return {"count": sum(1 for _ in Path(options["folder"]).iterdir())}

    return measured(work)


def move(options: dict[str, Any]) -> dict[str, Any]:
    contexts = [PresentationContext(UID.of("StudyRootQueryRetrieveInformationModelMove"), (UID(IMPLICIT),))]
    identifier = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": options["study"]}

    def work() -> dict[str, Any]:
        completed = 0
        with connect(options, contexts) as association:
            for counts in association.move(identifier, destination=options["destination"]):
                completed = counts.completed or completed
        return {"count": completed}

    return measured(work)


def hold(options: dict[str, Any]) -> None:
    """Associations that do nothing until standard input ends."""
    held = [connect(options, ["Verification"]) for _ in range(options["count"])]
    print("ready 0", flush=True)
    sys.stdin.readline()
    for association in held:
        association.echo()
    report({"alive": sum(association.is_established for association in held)})
    for association in held:
        association.abort()


def main() -> None:
    verb, options = arguments()
    acceptors = {
        "serve": serve,
        "serve_matches": serve_matches,
        "serve_pacs": serve_pacs,
        "receive": receive,
        "hold": hold,
    }
    if verb in acceptors:
        acceptors[verb](options)
        return
    if verb in ("find", "get", "move"):
        import pydicom.datadict  # noqa: F401  loaded before the clock runs, as pynetdicom has it

    requestors = {
        "echo": echo, "associate": many_associations, "store": store, "store_at_once": store_at_once, "find": find,
        "get": get, "move": move,
    }  # fmt: skip
    report(requestors[verb](options))


if __name__ == "__main__":
    run(main)
