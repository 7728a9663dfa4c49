"""``python -m tests.interop``: run the interoperability tests and print the matrix.

Further arguments go to pytest (``-k orthanc``, ``-x``). The exit status is 0 if nothing failed.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from . import matrix, peers


def versions() -> dict[str, str]:
    """What is installed."""
    found = {}
    for peer, version in {
        "DCMTK": peers.dcmtk_version,
        "Orthanc": peers.orthanc_version,
        "pynetdicom": peers.pynetdicom_version,
    }.items():
        try:
            found[peer] = version()
        except peers.Missing:
            found[peer] = "(not installed)"
    return found


def main(arguments: list[str]) -> int:
    recorder = matrix.Recorder()
    known = versions()
    here = Path(__file__).parent
    code = pytest.main([str(here), "-q", "--no-header", "--no-summary", *arguments], plugins=[recorder])
    print()
    print(matrix.table(recorder, known))
    return int(code)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
