"""The examples of the documentation where there are no sockets and no threads, as in a browser.

They run in one process in which both are blocked, in an event loop that has no use for them either.  What truly cannot is
listed below with the reason, and a reason that is no longer true fails.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

#: What stands before the first block of a page that begins in the middle of things: peers at the addresses that it names.
PROLOGUES = {
    "negotiation.md": "import nbdicom as nd\npacs = nd.Peer(nd.demo_pacs())",
    "notebook.md": """
import nbdicom as nd, os
from nbdicom.pacs.samples import sample_instances
demo = nd.demo_pacs(ae_title="PACS", port=104)
os.makedirs("folder", exist_ok=True)
image = next(sample_instances())
image.PatientName, image.StudyDate, image.PatientID = "DOE^JANE", "20240601", "4711"
image.StudyInstanceUID, image.SeriesInstanceUID, image.SOPInstanceUID = "1.2.3", "1.2.4", "1.2.5"
image.file_meta.MediaStorageSOPInstanceUID = "1.2.5"
demo.add(image)
""",
    "pacs.md": "import os; os.makedirs('incoming', exist_ok=True)",
}

#: Example -> why it cannot run where there are no sockets and no threads.
CANNOT = {
    "howto.md[13]": "TLS secures a connection, and there is none",
    "tls.md[0]": "TLS secures a connection, and there is none",
    "trace.md[1]": "a fake peer plays recorded bytes to a socket",
    "nbdicom.playback.peers": "a fake peer plays recorded bytes to a socket",
    "nbdicom.memory": "it shows a host that is not in memory, and here every host is",
    "03_the_wire[9]": "the lesson sends bytes of its own to a socket",
    "03_the_wire[10]": "the lesson sends bytes of its own to a socket",
    "03_the_wire[11]": "it shows what came of these bytes",
    "03_the_wire[13]": "a fake peer plays recorded bytes to a socket",
    "06_the_clinic[0]": "three of its broken peers are plain sockets",
    "06_the_clinic[2]": "it calls these three",
    "06_the_clinic[17]": "it closes these three",
    "11_extended_negotiation[6]": "the lesson carries the bytes of both sides over sockets, and takes its time",
    "11_extended_negotiation[7]": "a fake peer plays recorded bytes to a socket",
    "11_extended_negotiation[14]": "it closes what carried the bytes",
    "12_the_life_of_an_association[7]": "the lesson carries the bytes of a machine to a socket",
    "12_the_life_of_an_association[9]": "the lesson carries the bytes of a machine to a socket",
    "12_the_life_of_an_association[11]": "the lesson opens a socket and says nothing",
    **{
        f"13_who_may_listen[{number}]": "it listens to sockets, and then secures them"
        for number in (1, 2, 3, *range(5, 16))
    },
}

#: Modules without one of these in their doctests have nothing to do with peers: their examples run elsewhere.
PEERS = ("Server(", "demo_pacs(", "Pacs(", "associate(", "serve(", "Receiver(", "Job(", "asyncio.run")

PROGRAM = r"""
import asyncio, contextlib, doctest, importlib, io, json, os, pickle, sys, tempfile, threading, time, traceback, warnings
import pydicom, pandas, urllib.request, select, socket, ssl, matplotlib
matplotlib.use("Agg")
import matplotlib.pyplot  # looks for fonts, with a timer of its own
import concurrent.futures

def gone(*args, **options):
    raise OSError("there is no such thing here")

for name in ("create_connection", "create_server", "socketpair", "getaddrinfo"):
    setattr(socket, name, gone)
socket.socket.__init__ = gone
select.select = select.poll = select.epoll = ssl.SSLContext.wrap_socket = threading.Thread.start = gone
sys.platform = "emscripten"
del os.link

fell = []  # in callbacks of the loop

class Nothing:
    "What an event loop selects from in a browser: only its timers."
    def select(self, timeout):
        if timeout is None:
            raise RuntimeError("nothing can happen any more")
        time.sleep(max(0.0, timeout))
        return []
    def close(self):
        pass

class WithoutTime:
    _source_traceback = ()
    def __init__(self, handle):
        self.cancel, self.cancelled = handle.cancel, handle.cancelled

class Loop(asyncio.BaseEventLoop):
    def __init__(self):
        super().__init__()
        self._selector = Nothing()
    def _process_events(self, events):
        pass
    def _write_to_self(self):
        pass
    def call_exception_handler(self, context):  # a callback that fails is told to nobody else
        fell.append(repr(context.get("exception")))
    def call_at(self, when, callback, *args, context=None):  # the loop of Pyodide gives no TimerHandle
        return WithoutTime(super().call_at(when, callback, *args, context=context))

class Policy(asyncio.DefaultEventLoopPolicy):
    _loop_factory = Loop

asyncio.set_event_loop_policy(Policy())
os.chdir(tempfile.mkdtemp())
import nbdicom as nd
from nbdicom.pacs import samples
from nbdicom.running import stop_all

# The sample objects are the same each time; half of the time goes into making them.
once = [pickle.dumps(one) for one in samples.sample_instances()]
samples.sample_instances = lambda: map(pickle.loads, once)
results = {}
for name, kind, prologue, blocks in json.load(sys.stdin):
    print(name, file=sys.stderr)
    stop_all()
    with contextlib.redirect_stdout(io.StringIO()) as out, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if kind == "doctest":
            options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
            failed, _ = doctest.testmod(importlib.import_module(name), optionflags=options)
            results[name] = out.getvalue()[-2000:] if failed else ", ".join(fell)
            fell.clear()
            continue
        names = {"__name__": "__main__", "display": print}
        exec(prologue, names)
        for number, block in blocks:
            try:
                exec(compile(block, f"{name}[{number}]", "exec"), names)
                results[f"{name}[{number}]"] = ", ".join(fell)
            except BaseException:
                results[f"{name}[{number}]"] = traceback.format_exc()
            fell.clear()
stop_all()
sys.stdout.write(json.dumps(results))
"""


def pages() -> list[tuple[str, str, str, list[tuple[int, str]]]]:
    """Name, kind, prologue, and the blocks of each page with examples."""
    found = []
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        blocks = re.findall(r"^```python\n(.*?)^```", path.read_text(), flags=re.M | re.S)
        if blocks and path.name not in ("architecture.md", "parity.md"):  # pieces of code, no examples
            found.append((path.name, "page", PROLOGUES.get(path.name, ""), list(enumerate(blocks))))
    for path in sorted((ROOT / "nbdicom").rglob("*.py")):
        examples = [line for line in path.read_text().splitlines() if line.strip().startswith((">>>", "..."))]
        if any(word in line for line in examples for word in PEERS if "+SKIP" not in line):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            found.append((name, "doctest", "", []))
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        cells = [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]
        lesson = [
            (number, "".join(cell["source"]))
            for number, cell in enumerate(cells)
            if "raises-exception" not in cell["metadata"].get("tags", ())
        ]
        found.append((path.stem, "page", "", lesson))
    return found


def outcomes() -> dict[str, str]:
    """Example -> what it raised, or nothing."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], input=json.dumps(pages()), capture_output=True, text=True, timeout=400
    )
    assert done.returncode == 0, done.stderr[-4000:]
    told: dict[str, str] = json.loads(done.stdout)
    return told


@pytest.mark.timeout(420)
@pytest.mark.extended
def test_the_examples_run_without_sockets_and_threads() -> None:
    """One process for all of them: most of the time goes into what they load."""
    told = outcomes()
    assert len(told) > 80 and set(CANNOT) <= set(told)
    problems = {example: problem for example, problem in told.items() if problem and example not in CANNOT}
    assert not problems, "\n\n".join(f"{example}:\n{problem}" for example, problem in problems.items())
    can = [example for example in CANNOT if not told[example]]
    assert not can, f"these can: {can}; take them out of the list of what cannot"
