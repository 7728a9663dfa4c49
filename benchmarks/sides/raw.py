"""The raw limit: what plain Python sockets do with the same traffic, without any DICOM.

`echo` and `associate` exchange messages of the size that C-ECHO and an association have; `copy` sends files through two
processes into files, in writes as long as the PDUs would be, `copy_at_once` over many connections, and with ``durable`` the
acceptor does with each file what an archive has to: a digest, a sync, its name, a sync of the folder.
"""

from __future__ import annotations

import hashlib
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.sides.meter import arguments, at_once, measured, ready, report, run, slow_syncs

ECHO_REQUEST, ECHO_RESPONSE = 80, 90  #: bytes of the P-DATA-TF of a C-ECHO and of its answer
ASSOCIATE = 220  #: bytes of a small A-ASSOCIATE-RQ or -AC
RELEASE = 10
_WINDOW = 1 << 18


def receive(connection: socket.socket, view: memoryview) -> None:
    position = 0
    while position < len(view):
        size = connection.recv_into(view[position:])
        if not size:
            raise ConnectionError("closed")
        position += size


def answer(connection: socket.socket) -> None:
    """One byte says what follows: the length of the message and of its answer."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    view = memoryview(bytearray(1 << 16))
    answers = {
        b"e": (ECHO_REQUEST, bytes(ECHO_RESPONSE)),
        b"a": (ASSOCIATE, bytes(ASSOCIATE)),
        b"r": (RELEASE, bytes(RELEASE)),
    }
    with connection:
        while size := connection.recv_into(view):
            length, reply = answers[bytes(view[:1])]
            if size < length:
                receive(connection, view[size:length])
            connection.sendall(reply)


def take_files(connection: socket.socket, folder: Path, durable: bool) -> None:
    """Files, each after eight bytes of length; an empty answer byte after each, as a response would be."""
    window = memoryview(bytearray(_WINDOW))
    head = memoryview(bytearray(8))
    with connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        number = 0
        while True:
            try:
                receive(connection, head)
            except ConnectionError:
                return
            left = int.from_bytes(head, "big")
            name = folder / f"{connection.fileno()}-{number}.dcm"
            part = name.with_suffix(".part")
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            digest = hashlib.sha256()
            while left:
                size = connection.recv_into(window[: min(left, _WINDOW)])
                if not size:
                    return
                if durable:
                    digest.update(window[:size])
                os.write(descriptor, window[:size])
                left -= size
            if durable:
                os.fsync(descriptor)
            os.close(descriptor)
            part.rename(name)
            if durable:
                _sync_folder(folder)
            number += 1
            connection.sendall(b"\0")


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


def serve(options: dict[str, Any]) -> None:
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    folder = Path(options["folder"]) if "folder" in options else None
    durable = options.get("durable", False)
    slow_syncs(options.get("slow", 0.0))

    def accept() -> None:
        while True:
            connection, _ = listener.accept()
            work, extra = (answer, ()) if folder is None else (take_files, (folder, durable))
            threading.Thread(target=work, args=(connection, *extra), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    ready(listener.getsockname()[1])


def connect(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def echo(port: int, count: int) -> dict[str, Any]:
    with connect(port) as connection:
        request, view = b"e".ljust(ECHO_REQUEST, b"\0"), memoryview(bytearray(ECHO_RESPONSE))

        def work() -> None:
            for _ in range(count):
                connection.sendall(request)
                receive(connection, view)

        return measured(work)


def associate(port: int, count: int) -> dict[str, Any]:
    view = memoryview(bytearray(ASSOCIATE))
    request, release = b"a".ljust(ASSOCIATE, b"\0"), b"r".ljust(RELEASE, b"\0")

    def work() -> None:
        for _ in range(count):
            with connect(port) as connection:
                connection.sendall(request)
                receive(connection, view)
                connection.sendall(release)
                receive(connection, view[:RELEASE])

    return measured(work)


def copy(port: int, files: list[str], piece: int) -> dict[str, Any]:
    def work() -> None:
        for _ in copies(port, files, piece):
            pass

    return measured(work)


def copies(port: int, files: list[str], piece: int) -> Iterator[int]:
    """Send files one after the other; yields once when it is connected, and after each."""
    buffer = memoryview(bytearray(1 << 20))
    head = memoryview(bytearray(1))
    with connect(port) as connection:
        yield 0
        for path in files:
            with Path(path).open("rb", buffering=0) as file:
                connection.sendall(os.fstat(file.fileno()).st_size.to_bytes(8, "big"))
                while size := file.readinto(buffer):
                    # As P-DATA-TF would go out: a gathering write of pieces as long as a PDU.
                    views = [buffer[start : min(start + piece, size)] for start in range(0, size, piece)]
                    sent = connection.sendmsg(views)
                    if sent < size:
                        connection.sendall(buffer[sent:size])
            receive(connection, head)
            yield 0


def copy_at_once(options: dict[str, Any]) -> dict[str, Any]:
    """Many connections; each copies its share of the files."""

    def sender(number: int) -> Iterator[int]:
        return copies(options["port"], options["files"][number :: options["associations"]], options["piece"])

    return at_once(options["associations"], sender)


def sync_files(folder: Path, files: list[str]) -> dict[str, Any]:
    """The limit of a durable store: each object is written and synced, one after the other."""

    def work() -> None:
        for number, path in enumerate(files):
            descriptor = os.open(folder / f"{number}.dcm", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.write(descriptor, Path(path).read_bytes())
            os.fsync(descriptor)
            os.close(descriptor)

    return measured(work)


def echo_without_quickack(address: dict[str, Any], count: int) -> dict[str, Any]:
    """A correct client with TCP_NODELAY that leaves acknowledgements to the kernel."""
    from nbdicom.core.command import CEchoRQ, encode_command
    from nbdicom.core.negotiation import Proposal, context_of, propose
    from nbdicom.core.pdu import AReleaseRQ, encode_pdu

    rq = propose(
        Proposal(
            called_ae_title=address["called"], calling_ae_title="PLAIN", contexts=(context_of("Verification"),),
            max_length_received=16384,
        )
    )  # fmt: skip
    command = encode_command(CEchoRQ(message_id=1), data_set=False)
    length = len(command)
    request = b"\4\0" + (length + 6).to_bytes(4, "big") + (length + 2).to_bytes(4, "big") + b"\1\3" + command
    view = memoryview(bytearray(1 << 16))

    def one_pdu(connection: socket.socket) -> None:
        receive(connection, view[:6])
        receive(connection, view[6 : 6 + int.from_bytes(view[2:6], "big")])

    with connect(address["port"]) as connection:
        connection.sendall(encode_pdu(rq))
        one_pdu(connection)

        def work() -> None:
            for _ in range(count):
                connection.sendall(request)
                one_pdu(connection)

        told = measured(work)
        connection.sendall(encode_pdu(AReleaseRQ()))
        one_pdu(connection)
        return told


def main() -> None:
    verb, options = arguments()
    if verb == "serve":
        serve(options)
    elif verb == "echo":
        report(echo(options["port"], options["count"]))
    elif verb == "associate":
        report(associate(options["port"], options["count"]))
    elif verb == "copy":
        report(copy(options["port"], options["files"], options["piece"]))
    elif verb == "sync":
        slow_syncs(options.get("slow", 0.0))
        report(sync_files(Path(options["folder"]), options["files"]))
    elif verb == "copy_at_once":
        report(copy_at_once(options))
    elif verb == "echo_without_quickack":
        report(echo_without_quickack(options, options["count"]))
    else:
        raise SystemExit(f"{verb}?")


if __name__ == "__main__":
    run(main)
