"""How long it takes to begin: imports, and the command line as a whole process."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from importlib.util import find_spec

from benchmarks.rounds import Contender, Workload
from benchmarks.stage import Missing, Stage
from tests.interop.peers import dcmtk


def start(stage: Stage) -> Iterator[Workload]:
    """``import nbdicom`` against ``import pydicom``, then ``nbdicom echo`` against other people's echoscu."""
    times = stage.size(5, 1)

    def imports(module: str) -> Contender:
        def work() -> dict:
            # What the interpreter needs for itself is not the module's.
            bare = min(stage.tool(sys.executable, "-c", "pass")["seconds"] for _ in range(times))
            whole = min(stage.tool(sys.executable, "-c", f"import {module}")["seconds"] for _ in range(times))
            return {"seconds": max(1e-4, whole - bare)}

        return Contender(f"import {module}", work)

    modules = [module for module in ("nbdicom", "pydicom", "pynetdicom") if find_spec(module)]
    yield Workload(
        "import", "import, without the interpreter's own start", "s", [*map(imports, modules)], ("import pydicom",)
    )

    acceptor = stage.python("nbdicom", folder=True)
    port = str(acceptor.port)

    def command(name: str, *argv: str) -> Contender:
        def work() -> dict:
            return {"seconds": min(stage.tool(*argv)["seconds"] for _ in range(times))}

        return Contender(name, work)

    contenders = [
        command("nbdicom echo", sys.executable, "-m", "nbdicom", "echo", f"NBDICOM@127.0.0.1:{port}"),
        command("python", sys.executable, "-c", "pass"),
    ]
    try:
        stage.need_pynetdicom()
        argv = (sys.executable, "-m", "pynetdicom", "echoscu", "127.0.0.1", port, "-aec", "NBDICOM", "-q")
        contenders.append(command("pynetdicom echoscu", *argv))
    except Missing as reason:
        stage.left_out["pynetdicom"] = str(reason)
    try:
        contenders.append(command("DCMTK echoscu", dcmtk("echoscu"), "-q", "-aec", "NBDICOM", "127.0.0.1", port))
    except Missing as reason:
        stage.left_out["DCMTK"] = str(reason)
    if script := shutil.which("nbdicom"):
        contenders.append(command("nbdicom echo, installed", script, "echo", f"NBDICOM@127.0.0.1:{port}"))
    yield Workload(
        "command", "a C-ECHO from the command line, the whole process", "s", contenders,
        ("pynetdicom echoscu", "DCMTK echoscu", "python"),
    )  # fmt: skip
