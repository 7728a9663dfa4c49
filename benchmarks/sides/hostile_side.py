"""A peer with bad habits, in a thread beside a good one that is measured."""

from __future__ import annotations

import socket
import subprocess
import sys
from typing import Any

from benchmarks.sides.meter import arguments, measured, ready, report, run
from benchmarks.sides.raw import connect as plain_connect
from benchmarks.sides.raw import receive
from nbdicom.blocking import Server, associate
from nbdicom.core.command import CEchoRQ, CFindRQ, CStoreRQ, Message, encode_command
from nbdicom.core.negotiation import PresentationContext, Proposal, Support, propose
from nbdicom.core.pdu import encode_pdu
from nbdicom.data import FolderSink
from nbdicom.data.flat import encode_elements
from nbdicom.operations.handlers import Handlers
from nbdicom.uids import UID

CT, IMPLICIT = UID("1.2.840.10008.5.1.4.1.1.2"), UID("1.2.840.10008.1.2")
FIND = UID.of("StudyRootQueryRetrieveInformationModelFind")
CONTEXTS = (
    PresentationContext(UID("1.2.840.10008.1.1"), (IMPLICIT,)),
    PresentationContext(CT, (IMPLICIT,)),
    PresentationContext(FIND, (IMPLICIT,)),
)
_FRAGMENTS = 10_000


def serve(options: dict[str, Any]) -> None:
    answer = encode_elements(
        {"QueryRetrieveLevel": "STUDY", "PatientName": "A^B", "StudyInstanceUID": "1.2.3"}, IMPLICIT
    )
    handlers = Handlers(
        sink=FolderSink(options["folder"]), store=lambda request: 0x0000, find=lambda request: iter([answer] * 10_000)
    )
    with Server(handlers, ae_title="NBDICOM", contexts=Support.of(list(CONTEXTS))) as server:
        ready(server.address[1])


class Bad:
    """One association of a peer that does as it likes."""

    def __init__(self, options: dict[str, Any], max_length: int = 16_384) -> None:
        self.connection = plain_connect(options["port"])
        rq = propose(
            Proposal(
                called_ae_title=options["called"], calling_ae_title="BAD", contexts=CONTEXTS,
                max_length_received=max_length,
            )
        )  # fmt: skip
        self.connection.sendall(encode_pdu(rq))
        self.view = memoryview(bytearray(1 << 16))
        self.pdu()

    def pdu(self) -> int:
        """Read one PDU; its message control header, if it is a P-DATA-TF."""
        receive(self.connection, self.view[:6])
        length = int.from_bytes(self.view[2:6], "big")
        receive(self.connection, self.view[6 : 6 + length])
        return self.view[11]

    def message(self, context_id: int, message: Message, *, data_set: bool = False) -> bytes:
        return fragment(context_id, 3, encode_command(message, data_set=data_set))


def fragment(context_id: int, header: int, data: bytes) -> bytes:
    length = len(data)
    head = b"\4\0" + (length + 6).to_bytes(4, "big") + (length + 2).to_bytes(4, "big")
    return head + bytes((context_id, header)) + data


def behave(options: dict[str, Any]) -> None:
    """Be bad until killed."""
    habit = options["habit"]
    if habit == "alone":
        print("ready 0", flush=True)
        sys.stdin.read()
        return
    bad = Bad(options, max_length=8 if habit == "length 8" else 16_384)
    print("ready 0", flush=True)
    number = 0
    while True:
        number = number % 60_000 + 1
        if habit == "good":
            bad.connection.sendall(bad.message(1, CEchoRQ(message_id=number)))
            bad.pdu()
        elif habit == "segments":
            for byte in bad.message(1, CEchoRQ(message_id=number)):
                bad.connection.send(bytes((byte,)))
            bad.pdu()
        elif habit == "length 8":
            bad.connection.sendall(bad.message(1, CEchoRQ(message_id=number)))
            while bad.pdu() != 3:
                pass
        elif habit == "fragments":
            request = CStoreRQ(affected_sop_class_uid=CT, affected_sop_instance_uid=UID("2.25.17960"))
            request.message_id = number
            bad.connection.sendall(bad.message(3, request, data_set=True))
            bad.connection.sendall(fragment(3, 0, b"\0\0") * (_FRAGMENTS - 1) + fragment(3, 2, b"\0\0"))
            bad.pdu()
        else:
            request = CFindRQ(affected_sop_class_uid=FIND, message_id=number)
            bad.connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            bad.connection.sendall(bad.message(5, request, data_set=True) + fragment(5, 2, b""))
            sys.stdin.read()
            return


def beside(options: dict[str, Any]) -> dict[str, Any]:
    """The good peer: echoes while the bad one is at it, in a process of its own."""
    import json

    argv = [sys.executable, "-m", "benchmarks.sides.hostile_side", "behave", json.dumps(options)]
    bad = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert bad.stdout is not None
        bad.stdout.readline()
        address = ("127.0.0.1", options["port"])
        with associate(address, called=options["called"], contexts=["Verification"]) as association:

            def work() -> None:
                for _ in range(options["count"]):
                    association.echo()

            return measured(work)
    finally:
        bad.kill()
        bad.communicate()


def main() -> None:
    verb, options = arguments()
    if verb == "serve":
        serve(options)
    elif verb == "behave":
        behave(options)
    else:
        report(beside(options))


if __name__ == "__main__":
    run(main)
