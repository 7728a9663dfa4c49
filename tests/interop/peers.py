"""Other people's programs as peers: found, started on free loopback ports, waited for, and ended for certain.

Every program runs in a process group and in a folder of its own. It is ready when it can be connected to, and nothing
here waits without a deadline.
"""

from __future__ import annotations

import functools
import importlib.metadata
import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.ports import free_port

LOOPBACK = "127.0.0.1"
START = 60.0  #: seconds until a program that was started must listen
RUN = 100.0  #: seconds for one run of a command line tool
_HERE = Path(__file__).parent


class Missing(Exception):
    """A peer is not installed; its text is the reason for skipping."""


# ------------------------------------------------------------------------------- what is there


@functools.cache
def dcmtk(tool: str) -> str:
    """The path of a tool of DCMTK; dcm4che has tools of the same names."""
    path = shutil.which(tool)
    if path is None:
        raise Missing(f"DCMTK's {tool} is not installed (Debian: apt-get install dcmtk)")
    said = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=RUN, check=False).stdout
    if "$dcmtk:" not in said:
        raise Missing(f"{path} is not DCMTK's {tool}")
    return path


@functools.cache
def dcmtk_version() -> str:
    """DCMTK's version, such as "3.6.7"."""
    said = subprocess.run(
        [dcmtk("echoscu"), "--version"], capture_output=True, text=True, timeout=RUN, check=False
    ).stdout
    return said.split(" v")[1].split()[0]


@functools.cache
def orthanc() -> str:
    """The path of Orthanc, which Debian puts where only root looks."""
    path = shutil.which("Orthanc", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"]))
    if path is None:
        raise Missing("Orthanc is not installed (Debian: apt-get install orthanc)")
    return path


@functools.cache
def pynetdicom() -> str:
    """The interpreter that has pynetdicom: ours."""
    if importlib.util.find_spec("pynetdicom") is None:
        raise Missing("pynetdicom is not installed (pip install pynetdicom)")
    return sys.executable


@functools.cache
def orthanc_version() -> str:
    """Orthanc's version, such as "1.10.1"."""
    return run([orthanc(), "--version"]).stdout.split()[1]


def pynetdicom_version() -> str:
    """pynetdicom's version, such as "3.0.4"."""
    pynetdicom()
    return importlib.metadata.version("pynetdicom")


# ------------------------------------------------------------------------------- programs


def environment(extra: Mapping[str, str] | None) -> dict[str, str]:
    """That of every program that is started."""
    # Proxies are not for the loopback interface; tools speak English.
    kept = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
    return {**kept, "LC_ALL": "C.UTF-8", **(extra or {})}


def _kill_group(process: subprocess.Popen[Any], number: signal.Signals) -> None:
    try:
        os.killpg(process.pid, number)  # it leads its group: start_new_session
    except (ProcessLookupError, PermissionError):
        pass


def run(
    argv: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    timeout: float = RUN,
    env: Mapping[str, str] | None = None,
    ok: bool | None = True,
) -> subprocess.CompletedProcess[str]:
    """Run a tool to its end; its output, both kinds together, is in ``stdout``.

    ``ok`` is the outcome that is wanted: True for exit status 0, False for another one, None for any.
    """
    process = subprocess.Popen(
        list(map(str, argv)),
        cwd=cwd or tempfile.gettempdir(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=environment(env),
        start_new_session=True,
    )
    try:
        said, _ = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        _kill_group(process, signal.SIGKILL)
        said, _ = process.communicate()
        raise AssertionError(f"{Path(argv[0]).name} did not end in {timeout:.0f} s\n{said[-4000:]}") from None
    finally:
        _kill_group(process, signal.SIGKILL)  # whatever it left behind
        process.wait()
    result = subprocess.CompletedProcess(argv, process.returncode, said, "")
    if ok is not None and (result.returncode == 0) is not ok:
        raise AssertionError(f"{' '.join(map(str, argv))}\nended with {result.returncode}\n{said[-4000:]}")
    return result


class Program:
    """A server of somebody else, in a folder of its own.

    Parameters
    ----------
    argv : sequence
        The command.
    folder : Path
        Where it runs and where its log goes.
    port : int
        The port on which it is ready when it can be connected to.
    ae_title : str
        The AE title under which it serves.
    """

    grace = 1.0  #: seconds between asking it to end and ending it; nobody needs what it would still save

    def __init__(
        self, argv: Sequence[str | Path], folder: Path, port: int, ae_title: str, env: Mapping[str, str] | None = None
    ) -> None:
        self.argv = list(map(str, argv))
        self.folder = folder
        self.port = port
        self.ae_title = ae_title
        self.env = env
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """``AET@host:port``."""
        return f"{self.ae_title}@{LOOPBACK}:{self.port}"

    @property
    def pid(self) -> int:
        """Its process."""
        assert self._process is not None
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether its process runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """What it has printed so far."""
        return (self.folder / "log.txt").read_text(errors="replace")

    def start(self) -> Program:
        """Start it and wait until it can be connected to; nothing if it runs."""
        if self._process is not None:
            return self
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "log.txt").open("wb") as log:
            self._process = subprocess.Popen(
                self.argv,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment(self.env),
                start_new_session=True,
            )
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise
        return self

    def _wait(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + START
        while not self._is_ready():
            try:
                self._process.wait(0.02)  # the pause between two attempts ends at once when it dies
            except subprocess.TimeoutExpired:
                pass
            else:
                raise AssertionError(f"{self.argv[0]} ended with {self._process.returncode}\n{self.log[-4000:]}")
            if time.monotonic() > deadline:
                raise AssertionError(f"{self.argv[0]} does not listen after {START:.0f} s\n{self.log[-4000:]}")

    def _is_ready(self) -> bool:
        try:
            with socket.create_connection((LOOPBACK, self.port), timeout=START):
                return True
        except OSError:
            return False

    def kill(self) -> None:
        """End it without a word, as a power cut would, and wait until it is gone; `start` starts it again."""
        process, self._process = self._process, None
        if process is not None:
            _kill_group(process, signal.SIGKILL)
            process.wait()

    def stop(self) -> None:
        """End it and everything that it started."""
        process, self._process = self._process, None
        if process is None:
            return
        _kill_group(process, signal.SIGTERM)
        try:
            process.wait(self.grace)
        except subprocess.TimeoutExpired:
            pass
        _kill_group(process, signal.SIGKILL)
        process.wait()

    def __enter__(self) -> Program:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


def storescp(folder: Path, *options: str, ae_title: str = "STORESCP") -> Program:
    """DCMTK's storage SCP; what it receives goes to ``folder/received``."""
    received = folder / "received"
    received.mkdir(parents=True, exist_ok=True)
    port = free_port()
    argv = [dcmtk("storescp"), "-v", "-aet", ae_title, "-od", received, *options, str(port)]
    return Program(argv, folder, port, ae_title)


_DCMQRSCP = """\
NetworkTCPPort  = {port}
MaxPDUSize      = {max_pdu}
MaxAssociations = 16
SpecificCharacterSet = "",override

HostTable BEGIN
{hosts}
HostTable END

VendorTable BEGIN
VendorTable END

AETable BEGIN
{ae_title}  {store}  RW  (1000, 2048mb)  ANY
AETable END
"""


def dcmqrscp(
    folder: Path, *options: str, destinations: Mapping[str, int], ae_title: str = "DCMQRSCP", max_pdu: int = 16384
) -> Program:
    """DCMTK's archive; *destinations* are the AE titles and ports of its C-MOVE."""
    store = folder / "store"
    store.mkdir(parents=True, exist_ok=True)
    port = free_port()
    hosts = "\n".join(f"h{k} = ({title}, {LOOPBACK}, {at})" for k, (title, at) in enumerate(destinations.items()))
    config = folder / "dcmqrscp.cfg"
    # Text as it is stored: an archive that converts names would hide what went over the wire.
    text = _DCMQRSCP.format(port=port, max_pdu=max_pdu, hosts=hosts, ae_title=ae_title, store=store)
    config.write_text("\n".join(line for line in text.splitlines() if not line.startswith("SpecificCharacterSet")))
    argv = [dcmtk("dcmqrscp"), "-v", "-c", config, *options]
    return Program(argv, folder, port, ae_title)


class Orthanc(Program):
    """Orthanc, with its REST interface on a second port; with *matches* no answer to a C-FIND is longer."""

    def __init__(
        self, folder: Path, *, modalities: Mapping[str, tuple[str, int]], ae_title: str = "ORTHANC", matches: int = 0
    ) -> None:
        port, self.http = free_port(), free_port()
        folder.mkdir(parents=True, exist_ok=True)
        config = {
            "Name": "interop",
            "StorageDirectory": str(folder / "storage"),
            "IndexDirectory": str(folder / "storage"),
            "Plugins": [],
            "DicomAet": ae_title,
            "DicomPort": port,
            "DicomCheckCalledAet": True,
            "HttpPort": self.http,
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False,
            "DicomAlwaysAllowEcho": True,
            "DicomAlwaysAllowStore": True,
            "DicomAlwaysAllowFind": True,
            "DicomAlwaysAllowGet": True,
            "DicomAlwaysAllowMove": True,
            "UnknownSopClassAccepted": True,
            "DicomModalities": {name: [title, LOOPBACK, at] for name, (title, at) in modalities.items()},
            "DicomScuTimeout": 10,
            "StableAge": 1,
            "SaveJobs": False,
            "HttpThreadsCount": 4,
            "OverwriteInstances": True,
            "LimitFindResults": matches,
        }
        (folder / "orthanc.json").write_text(json.dumps(config))
        super().__init__([orthanc(), folder / "orthanc.json"], folder, port, ae_title)

    def _is_ready(self) -> bool:
        try:
            self.rest("GET", "/system")
        except (urllib.error.URLError, OSError):
            return False
        return super()._is_ready()

    def rest(self, method: str, path: str, body: Any = None) -> Any:
        """One REST call; JSON both ways, but bytes stay bytes."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://{LOOPBACK}:{self.http}{path}", data=data, method=method)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=RUN) as answer:
            said: bytes = answer.read()
            if "json" in answer.headers.get("Content-Type", ""):
                return json.loads(said)
            return said

    def instances(self) -> dict[str, bytes]:
        """The files of all its instances by SOP Instance UID."""
        found = {}
        for identifier in self.rest("GET", "/instances"):
            uid = self.rest("GET", f"/instances/{identifier}")["MainDicomTags"]["SOPInstanceUID"]
            found[uid] = self.rest("GET", f"/instances/{identifier}/file")
        return found

    def clear(self) -> None:
        """Forget every patient."""
        for identifier in self.rest("GET", "/patients"):
            self.rest("DELETE", f"/patients/{identifier}")


def pynetdicom_scp(
    folder: Path, *, destinations: Mapping[str, int], ae_title: str = "PYNETDICOM", max_pdu: int = 16382
) -> Program:
    """An archive of a few lines with pynetdicom; its objects are the files in ``folder/store``."""
    (folder / "store").mkdir(parents=True, exist_ok=True)
    port = free_port()
    argv = [
        pynetdicom(), _HERE / "pynetdicom_peer.py", "scp", str(port), ae_title, folder / "store",
        json.dumps(dict(destinations)), str(max_pdu),
    ]  # fmt: skip
    return Program(argv, folder, port, ae_title)


def pynetdicom_scu(operation: str, address: str, **arguments: Any) -> Any:
    """One operation of pynetdicom as SCU, in a process of its own; what it reports."""
    argv = [pynetdicom(), _HERE / "pynetdicom_peer.py", "scu", operation, address, json.dumps(arguments, default=str)]
    said = run(argv).stdout
    return json.loads(said.splitlines()[-1])
