"""pynetdicom as requestor and as acceptor, as its documentation tells to use it; nothing of nbdicom is imported here."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom import AE, AllStoragePresentationContexts, build_context, build_role, evt
from pynetdicom.sop_class import (
    CTImageStorage,
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    Verification,
)

from benchmarks.sides.meter import arguments, at_once, measured, ready, report, run

EXPLICIT, IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"


def entity(options: dict[str, Any]) -> AE:
    ae = AE(ae_title=options.get("title", "PYNETDICOM"))
    ae.maximum_pdu_size = options.get("max_length", 131_072)
    ae.maximum_associations = 512
    ae.network_timeout = 300
    return ae


def connect(options: dict[str, Any], *contexts: Any, roles: Any = ()) -> Any:
    ae = entity(options)
    for context in contexts:
        ae.add_requested_context(*context)
    association = ae.associate(
        "127.0.0.1", options["port"], ae_title=options["called"], max_pdu=ae.maximum_pdu_size, ext_neg=list(roles)
    )
    if not association.is_established:
        raise ConnectionError("no association")
    return association


def start(ae: AE, handlers: Any) -> None:
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    ready(server.socket.getsockname()[1])


# ------------------------------------------------------------------------------- acceptors


def serve(options: dict[str, Any]) -> None:
    folder = Path(options["folder"])

    def store(event: Any) -> int:
        (folder / f"{event.request.AffectedSOPInstanceUID}.dcm").write_bytes(event.encoded_dataset())
        return 0x0000

    ae = entity(options)
    ae.add_supported_context(Verification)
    ae.supported_contexts += [
        build_context(c.abstract_syntax, [EXPLICIT, IMPLICIT]) for c in AllStoragePresentationContexts
    ]
    start(ae, [(evt.EVT_C_STORE, store)])


def serve_index(options: dict[str, Any]) -> None:
    """C-FIND from a table of SQLite, a Dataset for each row, as its documentation shows it."""
    keywords = options["keywords"]

    def find(event: Any) -> Any:
        with sqlite3.connect(options["index"]) as connection:
            for row in connection.execute(f"SELECT {', '.join(keywords)} FROM studies"):
                if event.is_cancelled:
                    yield 0xFE00, None
                    return
                answer = Dataset()
                answer.QueryRetrieveLevel = "STUDY"
                for keyword, value in zip(keywords, row, strict=True):
                    setattr(answer, keyword, value)
                yield 0xFF00, answer

    ae = entity(options)
    ae.add_supported_context(StudyRootQueryRetrieveInformationModelFind)
    start(ae, [(evt.EVT_C_FIND, find)])


# ------------------------------------------------------------------------------- requestors


def echo(options: dict[str, Any]) -> dict[str, Any]:
    association = connect(options, (Verification,))

    def work() -> None:
        for _ in range(options["count"]):
            association.send_c_echo()

    told = measured(work)
    association.release()
    return told


def many_associations(options: dict[str, Any]) -> dict[str, Any]:
    contexts = [(Verification,)]
    if options["contexts"] > 1:
        classes = [context.abstract_syntax for context in AllStoragePresentationContexts]
        contexts += [(uid, EXPLICIT) for uid in classes[: options["contexts"] - 1]]

    def work() -> None:
        for _ in range(options["count"]):
            connect(options, *contexts).release()

    return measured(work)


def store(options: dict[str, Any]) -> dict[str, Any]:
    def work() -> dict[str, Any]:
        association = connect(options, (CTImageStorage, EXPLICIT))
        failed = sum(association.send_c_store(path).get("Status") != 0x0000 for path in options["files"])
        association.release()
        return {"failed": failed}

    return measured(work)


def store_at_once(options: dict[str, Any]) -> dict[str, Any]:
    def sender(number: int) -> Iterator[int | None]:
        association = connect(options, (CTImageStorage, EXPLICIT))
        yield None
        for path in options["files"][number :: options["associations"]]:
            yield association.send_c_store(path).get("Status")
        association.release()

    # A hundred processes of it, each with threads that poll, do not come to have their associations on two CPUs.
    return at_once(options["associations"], sender, processes=False)


def find(options: dict[str, Any]) -> dict[str, Any]:
    """Answers as Datasets, as they come; as a DataFrame, with the values of every keyword."""
    query = Dataset()
    query.QueryRetrieveLevel = "STUDY"
    for keyword in options["keywords"]:
        setattr(query, keyword, "")
    if options["to"] == "frame":
        import pandas

    def work() -> dict[str, Any]:
        association = connect(options, (StudyRootQueryRetrieveInformationModelFind, IMPLICIT))
        answers = [
            answer
            for status, answer in association.send_c_find(query, StudyRootQueryRetrieveInformationModelFind)
            if status and status.Status in (0xFF00, 0xFF01)
        ]
        association.release()
        if options["to"] == "frame":
            rows = [{keyword: answer.get(keyword) for keyword in options["keywords"]} for answer in answers]
            return {"count": len(pandas.DataFrame(rows))}
        return {"count": len(answers)}

    return measured(work)


def get(options: dict[str, Any]) -> dict[str, Any]:
    folder = Path(options["folder"])

    def store(event: Any) -> int:
        (folder / f"{event.request.AffectedSOPInstanceUID}.dcm").write_bytes(event.encoded_dataset())
        return 0x0000

    query = Dataset()
    query.QueryRetrieveLevel = "STUDY"
    query.StudyInstanceUID = options["study"]

    def work() -> dict[str, Any]:
        ae = entity(options)
        ae.add_requested_context(StudyRootQueryRetrieveInformationModelGet, IMPLICIT)
        ae.add_requested_context(CTImageStorage, EXPLICIT)
        association = ae.associate(
            "127.0.0.1", options["port"], ae_title=options["called"], max_pdu=ae.maximum_pdu_size,
            ext_neg=[build_role(CTImageStorage, scp_role=True)], evt_handlers=[(evt.EVT_C_STORE, store)],
        )  # fmt: skip
        for _ in association.send_c_get(query, StudyRootQueryRetrieveInformationModelGet):
            pass
        association.release()
        return {"count": sum(1 for _ in folder.iterdir())}

    return measured(work)


def hold(options: dict[str, Any]) -> None:
    held = [connect(options, (Verification,)) for _ in range(options["count"])]
    print("ready 0", flush=True)
    sys.stdin.readline()
    for association in held:
        association.send_c_echo()
    report({"alive": sum(association.is_established for association in held)})
    for association in held:
        association.abort()


def main() -> None:
    verb, options = arguments()
    acceptors = {"serve": serve, "serve_index": serve_index, "hold": hold}
    if verb in acceptors:
        acceptors[verb](options)
        return
    requestors = {
        "echo": echo, "associate": many_associations, "store": store, "store_at_once": store_at_once, "find": find,
        "get": get,
    }  # fmt: skip
    report(requestors[verb](options))


if __name__ == "__main__":
    run(main)
