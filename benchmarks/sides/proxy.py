"""A link with delay: what comes in goes out *delay* seconds later, in both directions, as much as there is."""

from __future__ import annotations

import queue
import socket
import threading
import time

from benchmarks.sides.meter import arguments, ready, run


def forward(source: socket.socket, target: socket.socket, delay: float) -> None:
    waiting: queue.Queue[tuple[float, bytes]] = queue.Queue()

    def deliver() -> None:
        while True:
            due, data = waiting.get()
            time.sleep(max(0.0, due - time.monotonic()))
            try:
                if not data:
                    target.shutdown(socket.SHUT_WR)
                    return
                target.sendall(data)
            except OSError:
                return

    threading.Thread(target=deliver, daemon=True).start()
    try:
        while data := source.recv(1 << 18):
            waiting.put((time.monotonic() + delay, data))
    except OSError:
        pass
    waiting.put((time.monotonic() + delay, b""))


def main() -> None:
    _, options = arguments()
    listener = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        while True:
            near, _ = listener.accept()
            far = socket.create_connection(("127.0.0.1", options["port"]))
            for end in (near, far):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for pair in ((near, far), (far, near)):
                threading.Thread(target=forward, args=(*pair, options["delay"]), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    ready(listener.getsockname()[1])


if __name__ == "__main__":
    run(main)
