"""Ports for programs and servers that have to be told one before they listen."""

from __future__ import annotations

import random
import socket
from pathlib import Path

__all__ = ["free_port"]

_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_FIRST = 10_000  #: below are those that have an owner
_used: set[int] = set()


def free_port() -> int:
    """A TCP port of the loopback interface that nobody listens on, and that was not given out before.

    It is none of those that the system gives out by itself: until somebody listens there, another test, in another process,
    could be given the same.
    """
    end = int(_RANGE.read_text().split()[0]) if _RANGE.exists() else 32_768
    while True:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", random.SystemRandom().randrange(_FIRST, end) if end > 2 * _FIRST else 0))
            except OSError:
                continue  # somebody listens there
            port: int = probe.getsockname()[1]
        if port not in _used:
            _used.add(port)
            return port
