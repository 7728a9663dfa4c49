"""Waiting for what a job does in another thread."""

import threading

LIMIT = 60


def until(condition) -> None:
    pause = threading.Event()
    for _ in range(LIMIT * 50):
        if condition():
            return
        pause.wait(0.02)
    raise AssertionError("it did not become true")
