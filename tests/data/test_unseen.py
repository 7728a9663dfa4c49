"""Warnings that quote values are seen by nobody, and those of others by whoever should see them."""

from __future__ import annotations

import subprocess
import sys
import threading
import warnings

import pytest

from nbdicom.data.unseen import unseen

LIMIT = 60.0

PROGRAM = """
import threading, warnings
from pydicom import Dataset
from nbdicom.data import codec

def encode():
    for _ in range(300):
        dataset = Dataset()
        dataset.PatientName = "Doe^John"
        codec.encode(dataset, "1.2.840.10008.1.2")

encode()
before = list(warnings.filters)
threads = [threading.Thread(target=encode) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert warnings.filters == before
warnings.warn("to be seen")
"""


def test_threads_that_encode_take_no_warning_from_others() -> None:
    """What holds for the process is not changed while they do, so nobody can put back the wrong thing."""
    run = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False, timeout=LIMIT)
    assert run.returncode == 0 and "UserWarning: to be seen" in run.stderr, run.stderr


def test_only_in_this_context() -> None:
    def elsewhere() -> None:
        warnings.warn("of another thread", stacklevel=1)

    with pytest.warns(UserWarning) as told:
        with unseen():
            warnings.warn("Doe^Jane is no number", stacklevel=1)
            with unseen():
                warnings.warn("Doe^Jane again", stacklevel=1)
            warnings.warn("and again", stacklevel=1)
            thread = threading.Thread(target=elsewhere)
            thread.start()
            thread.join(LIMIT)
        warnings.warn("afterwards", stacklevel=1)
    assert [str(one.message) for one in told] == ["of another thread", "afterwards"]


@pytest.mark.parametrize("action", ["always", "error", "default"])
def test_whatever_filters_others_have(action: str) -> None:
    with warnings.catch_warnings(record=True) as told:
        for _ in range(3):
            warnings.simplefilter(action)  # type: ignore[arg-type]
            with unseen():
                warnings.warn("Doe^Jane is no number", stacklevel=1)
        warnings.resetwarnings()
        with unseen():
            warnings.warn("Doe^Jane is no number", stacklevel=1)
        assert len(warnings.filters) == 2
    assert not told


def test_text_that_is_lost_is_an_error() -> None:
    with pytest.raises(UserWarning, match="Failed"), unseen():
        warnings.warn("Failed to encode value with encodings: latin_1", stacklevel=1)
    with pytest.warns(UserWarning, match="Failed"):
        warnings.warn("Failed to encode value, says somebody else", stacklevel=1)
