"""A server that is killed while it stores: what was answered with Success is there, what was not is absent or whole."""

import subprocess
import sys
from pathlib import Path

import pytest
from pacs_requests import encode, made

from nbdicom.pacs import Pacs

# Stores three objects; the third one dies at a step.  Every answer is written to the standard output at once.
CHILD = """
import sys
from pathlib import Path
sys.path.insert(0, {here!r})
from pacs_requests import die_in, made, store
from nbdicom.pacs import Pacs
from nbdicom.pacs.index import Index
from nbdicom.pacs.storage import Incoming, ObjectStore

root, step = Path(sys.argv[1]), sys.argv[2]

STEPS = {{
    "receiving": (Incoming, "write", True),
    "received": (Incoming, "close", True),
    "synced": (Incoming, "sync", True),
    "named": (Incoming, "rename", True),
    "folder synced": (ObjectStore, "keep", True),
    "before the commit": (Index, "_commit", False),
    "committed": (Index, "add_each", True),
}}
handlers = Pacs(root, durability=sys.argv[3]).handlers()
for k in (1, 2, 3):
    if k == 3:
        owner, name, after = STEPS[step]
        die_in(owner, name, after=after)
    print(k, store(handlers, made(k, PixelData=bytes([k]) * 5000)), flush=True)
"""

#: After these steps the third object is whole although nobody was told so.
WHOLE = {"named", "folder synced", "before the commit", "committed"}


STEPS = ["receiving", "received", "synced", "named", "folder synced", "before the commit", "committed"]


@pytest.mark.parametrize(
    ("durability", "step"), [*(("full", step) for step in STEPS), ("batch", "named"), ("batch", "committed")]
)
def test_killed_at(durability, step, tmp_path):
    root = tmp_path / "root"
    child = CHILD.format(here=str(Path(__file__).parent))
    run = subprocess.run(
        [sys.executable, "-c", child, str(root), step, durability],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (run.returncode, run.stdout) == (9, "1 0\n2 0\n"), run.stderr
    for _ in range(2):  # the second start finds nothing left to do
        with Pacs(root) as pacs:
            assert not (root / "unsynced").exists()
            assert pacs.counts()["instances"] == (3 if step in WHOLE else 2)
            assert not list((root / "incoming").iterdir())
            for k in (1, 2, 3) if step in WHOLE else (1, 2):
                instance = pacs.instance(f"1.2.3.{k}")
                data = instance.path.read_bytes()[instance.offset :]
                assert data == encode(made(k, PixelData=bytes([k]) * 5000))


# Stores an object, damages it, and dies while it is scrubbed.
SCRUBBED = """
import os, sys
from pathlib import Path
sys.path.insert(0, {here!r})
from pacs_requests import die_in, made, store
from nbdicom.pacs import Pacs
from nbdicom.pacs.index import Index
from nbdicom.pacs.storage import ObjectStore

pacs = Pacs(Path(sys.argv[1]))
store(pacs.handlers(), made(1))
path = pacs.instance("1.2.3.1").path
path.write_bytes(path.read_bytes()[:-1] + b"!")
owner, name, after = {{
    "to be set aside": (ObjectStore, "set_aside", False),
    "set aside": (ObjectStore, "set_aside", True),
    "forgotten": (Index, "remove", True),
}}[sys.argv[2]]
die_in(owner, name, after=after)
pacs.scrub()
"""


@pytest.mark.parametrize("step", ["to be set aside", "set aside", "forgotten"])
def test_killed_while_it_scrubs(step, tmp_path):
    """What was found to be damaged is not taken for whole at the next start."""
    child = SCRUBBED.format(here=str(Path(__file__).parent))
    command = [sys.executable, "-c", child, str(tmp_path / "root"), step]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert run.returncode == 9, run.stderr
    with Pacs(tmp_path / "root") as pacs:
        assert len(pacs.scrub().damaged) == (step == "to be set aside")
        assert pacs.instance("1.2.3.1") is None
    assert len(list((tmp_path / "root" / "damaged").iterdir())) == 1
