"""A process that is forked has no servers: threads, sockets and folders are the parent's, and nothing there breaks them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")

BEGIN = f"""
import os, select, signal, socket, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
import nbdicom as nd
from nbdicom.running import running, stop_all
from pacs_requests import made, store, store_request

def forked(work):
    ready, told = os.pipe()
    child = os.fork()
    if not child:
        os.close(ready)
        assert running() == []
        work()
        os.write(told, b"ready")
        os.close(told)
        sys.exit()  # in order, with all that is done at the end of an interpreter
    os.close(told)
    assert os.read(ready, 5) == b"ready", work
    os.close(ready)
    return child
"""

# The parent has a PACS, and one that is open and does not listen, in which an object is half received.  The children do
# one thing after the other; then everything of the parent is as it was.
CHILDREN = """
pacs = nd.Pacs(ae_title="PACS", host=sys.argv[1]).start()
held = nd.Pacs(ae_title="HELD", durability="batch")
for one in (pacs, held):
    assert store(one.handlers(), made(1)) == 0
address, root = pacs.address, held.root
request, data = store_request(made(2))
request.sink = held.handlers().sink(request)
request.sink.write([memoryview(data)])

def nothing():
    assert pacs.address == address and not pacs.running

def call():
    if pacs.host != "memory":
        assert nd.Peer(pacs).echo()

def another():
    with nd.Pacs(ae_title="PACS", host=pacs.host) as mine:
        assert nd.Peer(mine).echo()

def stop():
    pacs.stop()
    held.stop()
    stop_all()

def fill():
    assert store(held.handlers(), made(3)) == 0 and held.root != root

for work in (nothing, call, another, stop, fill):
    assert os.waitstatus_to_exitcode(os.waitpid(forked(work), 0)[1]) == 0, work
assert running() == [pacs] and pacs.address == address
assert nd.Peer(pacs).echo() and pacs.counts()["instances"] == 1
if pacs.host != "memory":  # nobody has woken the thread that waits for the next connection
    assert not select.select([pacs._server._listener._wake[0]], [], [], 0)[0]
request.sink.close(True)
assert held.handlers().store(request) == 0 and held.counts()["instances"] == 2
assert (root / "unsynced").exists()
pacs.stop()
held.stop()
print("as it was")
"""

# A child that lives on has no copy of the socket that listens: else who calls would wait for an answer for ever.
PORT = """
server = nd.Server(nd.Handlers(), ae_title="ECHO", contexts=["Verification"], host=sys.argv[1]).start()
host, port = server.address
goes_on, go_on = os.pipe()
child = forked(lambda: None if os.fork() else (os.close(go_on), os.read(goes_on, 1), os._exit(0)))
server.close()
try:
    socket.create_connection((host, port), 30)
except ConnectionRefusedError:
    nd.Server(nd.Handlers(), ae_title="ECHO", contexts=["Verification"], port=port).start().close()
    print("as it was")
"""

# And none of the lock of a folder: else nobody could use it, although its PACS has stopped.
FOLDER = """
pacs = nd.Pacs(sys.argv[2], ae_title="PACS", host=sys.argv[1], durability="none").start()
goes_on, go_on = os.pipe()
child = forked(lambda: None if os.fork() else (os.close(go_on), os.read(goes_on, 1), os._exit(0)))
pacs.stop()
with nd.Pacs(sys.argv[2], ae_title="ANOTHER", host=sys.argv[1], durability="none"):
    print("as it was")
"""


@pytest.mark.parametrize(
    ("program", "host"), [(CHILDREN, "127.0.0.1"), (CHILDREN, "memory"), (PORT, "127.0.0.1"), (FOLDER, "memory")]
)
def test_what_a_child_does_is_its_own_affair(program, host, tmp_path):
    run = subprocess.run(
        [sys.executable, "-c", BEGIN + program, host, str(tmp_path / "root")],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert (run.stdout, run.returncode) == ("as it was\n", 0), run.stderr
