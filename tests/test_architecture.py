"""The floors of the house, held by reading every import; see docs/architecture.md."""

import ast
import graphlib
import importlib
import inspect
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import nbdicom

ROOT = Path(nbdicom.__file__).parent
TESTS = Path(__file__).parent

#: Every module by its name, and which of them are folders.
MODULES = {
    ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in ROOT.rglob("*.py")
}
PACKAGES = {name for name, path in MODULES.items() if path.name == "__init__.py"}

GROUND = {
    "nbdicom",
    "nbdicom.errors",
    "nbdicom.registry",
    "nbdicom.services",
    "nbdicom.status",
    "nbdicom.uids",
    "nbdicom.vr",
    "nbdicom.config",
    "nbdicom.table",
    "nbdicom.privacy",
    "nbdicom.address",
    "nbdicom.idle",
    "nbdicom.later",
    "nbdicom.shell",
    "nbdicom.tls_handshake",
}
NO_IO = {
    "socket", "ssl", "threading", "asyncio", "select", "selectors", "time", "logging", "pydicom", "numpy", "pandas",
    "ipywidgets", "matplotlib", "tqdm", "tabulate", "sqlite3", "os", "subprocess",
}  # fmt: skip
HEAVY = {"pydicom", "numpy", "pandas", "matplotlib", "ipywidgets", "IPython", "tqdm", "tabulate"}

#: floor -> which parts of nbdicom it may import; "data" loads pydicom lazily, so it may be imported from everywhere above.
FLOORS = {
    "core": GROUND | {"nbdicom.core"},
    "operations": GROUND | {"nbdicom.core", "nbdicom.operations"},
    "data": GROUND | {"nbdicom.core", "nbdicom.data"},
    "trace": GROUND | {"nbdicom.core", "nbdicom.data", "nbdicom.running", "nbdicom.trace"},
    "blocking": GROUND | {
        "nbdicom.memory",
        "nbdicom.core", "nbdicom.operations", "nbdicom.data", "nbdicom.running", "nbdicom.trace", "nbdicom.blocking",
        "nbdicom.tls",
    },
    "aio": GROUND | {
        "nbdicom.tls",
        "nbdicom.memory",
        "nbdicom.core", "nbdicom.operations", "nbdicom.data", "nbdicom.running", "nbdicom.trace", "nbdicom.aio",
    },
    "playback": GROUND | {"nbdicom.core", "nbdicom.trace", "nbdicom.blocking", "nbdicom.playback"},
    "pacs": GROUND | {
        "nbdicom.memory",
        "nbdicom.core", "nbdicom.operations", "nbdicom.data", "nbdicom.blocking", "nbdicom.running", "nbdicom.pacs",
        "nbdicom.tls",
    },
    "peer": GROUND | {
        "nbdicom.memory", "nbdicom.aio",
        "nbdicom.core", "nbdicom.operations", "nbdicom.data", "nbdicom.trace", "nbdicom.blocking", "nbdicom.receiver",
        "nbdicom.peer", "nbdicom.job", "nbdicom.tls", "nbdicom.running",
    },
    "notebook": GROUND | {
        "nbdicom.memory",
        "nbdicom.core", "nbdicom.operations", "nbdicom.data", "nbdicom.trace", "nbdicom.blocking", "nbdicom.peer",
        "nbdicom.pacs", "nbdicom.job", "nbdicom.shown", "nbdicom.buttons", "nbdicom.receiver", "nbdicom.running",
        "nbdicom.notebook",
    },
}  # fmt: skip

#: The same for the modules that stand in no folder.
ROOMS = {
    "buttons": GROUND,
    "shown": GROUND,
    "tls": GROUND,
    "memory": GROUND | {"nbdicom.core"},
    "running": GROUND | {"nbdicom.core", "nbdicom.memory"},
    "job": GROUND | {"nbdicom.blocking", "nbdicom.peer.notices", "nbdicom.shown", "nbdicom.buttons"},
    "receiver": GROUND | {
        "nbdicom.core", "nbdicom.operations", "nbdicom.data", "nbdicom.blocking", "nbdicom.running", "nbdicom.tls",
    },
}  # fmt: skip

#: The imports that close a circle, each inside a function, and why it is meant.
CIRCLES = {
    "nbdicom.uids": {"nbdicom.services"},  # the table of SOP Classes says what each does
    "nbdicom.data.codec": {"nbdicom.data.source"},  # the edge that operations know, and behind it files
    "nbdicom.data.elements": {"nbdicom.data.codec"},  # encodings that nobody reads flat
    "nbdicom.data.flat": {"nbdicom.data.codec"},  # or writes so
    "nbdicom.trace.recording": {  # a recording has its views, and they are loaded when somebody looks
        f"nbdicom.trace.{view}" for view in ("arrows", "ladder", "redact", "transcript", "views")
    },
    "nbdicom.peer.frames": {"nbdicom.peer.peer"},  # a table leads back to the peer that answered
    "nbdicom.peer.rows": {"nbdicom.peer.frames"},  # a table that is read from a file is one of answers again
}


def modules(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.py"))


def imports(path: Path, *, typing_too: bool = True) -> set[str]:
    """Every module that a file imports, also inside functions; without `if TYPE_CHECKING` blocks if asked."""
    tree = ast.parse(path.read_text())
    hidden: set[ast.AST] = set()
    if not typing_too:
        for node in ast.walk(tree):
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
                hidden.update(ast.walk(node))
    found = set()
    for node in ast.walk(tree):
        if node in hidden:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            if node.module in PACKAGES:
                found |= {f"{node.module}.{alias.name}" for alias in node.names}
            else:
                found.add(node.module)
    return found


def allowed(name: str, floor: set[str]) -> bool:
    parts = name.split(".")
    return any(".".join(parts[:k]) in floor for k in range(2, len(parts) + 1)) or name in GROUND


@pytest.mark.parametrize("floor", [*FLOORS, *ROOMS])
def test_a_floor_imports_only_what_is_below_it(floor: str) -> None:
    for path in modules(ROOT / floor) if floor in FLOORS else [ROOT / f"{floor}.py"]:
        for name in imports(path):
            if name.split(".")[0] == "nbdicom":
                assert allowed(name, {**FLOORS, **ROOMS}[floor]), f"{path.relative_to(ROOT)} imports {name}"


def test_every_module_stands_on_a_floor() -> None:
    """The command line is above them all, and the ground floor below."""
    for name in MODULES.keys() - {"nbdicom", "nbdicom.__main__"}:
        first = name.split(".")[1]
        assert first in FLOORS or first in ROOMS or f"nbdicom.{first}" in GROUND or first == "cli", name


def test_circles_are_few_and_meant() -> None:
    """Without the imports of `CIRCLES` the modules have an order; with any of them they have none."""
    graph = {name: (imports(path, typing_too=False) & MODULES.keys()) - {name} for name, path in MODULES.items()}
    ordered = {name: used - CIRCLES.get(name, set()) for name, used in graph.items()}
    graphlib.TopologicalSorter(ordered).prepare()  # its error names the circle
    for name, used in CIRCLES.items():
        for one in used:
            assert one in graph[name], f"{name} does not import {one} any more"
            with pytest.raises(graphlib.CycleError):
                graphlib.TopologicalSorter({**ordered, name: ordered[name] | {one}}).prepare()


@pytest.mark.parametrize("floor", ["core", "operations"])
def test_no_io_in_the_core_and_the_operations(floor: str) -> None:
    for path in modules(ROOT / floor):
        bad = {name for name in imports(path, typing_too=False) if name.split(".")[0] in NO_IO}
        assert not bad, f"{path.relative_to(ROOT)} imports {bad}"


def test_the_ground_floor_stands_alone() -> None:
    for name in sorted(name.partition(".")[2] for name in GROUND - {"nbdicom"}):
        used = {n for n in imports(ROOT / f"{name}.py", typing_too=False) if n.startswith("nbdicom")}
        assert used <= GROUND, used


def test_every_module_has_its_place_in_a_map() -> None:
    """Whoever opens a folder is told what is in it: by its docstring, or by the page on architecture."""
    page = (ROOT.parent / "docs" / "architecture.md").read_text()
    for name in MODULES.keys() - PACKAGES - {"nbdicom.__main__"}:
        package, _, word = name.rpartition(".")
        if package == "nbdicom":
            assert f"{word}.py" in page, f"docs/architecture.md does not say what {name} is"
            continue
        told = ast.get_docstring(ast.parse(MODULES[package].read_text())) or ""
        floor = package.partition(".")[2]
        tables = floor in ("core", "operations") and (f"`{word}`", f"{floor}.{word}", f"{floor}/{word}.py")
        in_page = any(one in page for one in tables or ())
        assert f"`{word}`" in told or in_page, f"the docstring of {package} does not say what {word} is"


def test_pydicom_is_known_only_at_the_edge() -> None:
    """`data` is the edge; sample content, keyword checks and pictures may ask pydicom itself, inside functions."""
    for path in modules(ROOT):
        floor = path.relative_to(ROOT).parts[0]
        if floor not in ("data", "pacs", "peer", "notebook"):
            assert not {n for n in imports(path, typing_too=False) if n.split(".")[0] == "pydicom"}, path


def test_the_core_runs_where_the_forbidden_modules_do_not_exist() -> None:
    names = sorted(
        f"nbdicom.{floor}.{p.stem}" for floor in ("core", "operations") for p in (ROOT / floor).glob("[a-z]*.py")
    )
    program = f"""
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {HEAVY | {"asyncio", "ssl", "socket", "select", "logging"}!r}:
            raise ImportError(name + " is blocked")
sys.meta_path.insert(0, Blocked())
for name in {names!r}:
    __import__(name)
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


@pytest.mark.parametrize(
    ("program", "light"),
    [
        ("import nbdicom", HEAVY | {"nbdicom.core", "asyncio", "socket"}),
        ("import nbdicom.blocking", HEAVY - {"tabulate"}),
        (
            "import nbdicom.memory, nbdicom.pacs, nbdicom.peer.peer, nbdicom.receiver",
            {"socket", "select", "ssl", "asyncio"},
        ),
        (
            "from nbdicom.cli import main; main(['echo', 'X@127.0.0.1:1'])",
            HEAVY - {"tabulate"}
            | {"concurrent.futures", "nbdicom.blocking.server", "nbdicom.peer.query", "nbdicom.trace.recorder"},
        ),
    ],
    ids=["import nbdicom", "the driver", "what runs without sockets", "nbdicom echo"],
)
def test_light_things_stay_light(program: str, light: set[str]) -> None:
    check = f"{program}\nimport sys\nbad = {light!r} & set(sys.modules)\nassert not bad, bad"
    subprocess.run([sys.executable, "-c", check], check=True, timeout=60, capture_output=True)


def test_the_front_door_leads_everywhere() -> None:
    for name in nbdicom.__all__:
        assert getattr(nbdicom, name) is not None, name
    for name, where in nbdicom._EXPORTS.items():  # a submodule of the same name must not stand in its place
        module, _, attribute = where.partition(":")
        found = importlib.import_module(module)
        assert getattr(nbdicom, name) is (
            found if module == f"nbdicom.{name}" else getattr(found, attribute or name)
        ), name
    with pytest.raises(AttributeError, match="no attribute"):
        nbdicom.no_such_thing  # noqa: B018


def test_the_front_door_is_typed() -> None:
    """A type checker sees what `__getattr__` gives: each name imported as itself, or assigned."""
    tree = ast.parse(Path(nbdicom.__file__).read_text())
    (block,) = [node for node in tree.body if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)]
    seen = set()
    for node in block.body:
        if isinstance(node, ast.ImportFrom):
            seen |= {alias.name for alias in node.names if alias.asname == alias.name}
        elif isinstance(node, ast.Assign):
            seen |= {name.id for name in ast.walk(node.targets[0]) if isinstance(name, ast.Name)}
    assert seen | {"__version__"} == set(nbdicom.__all__)


def every_module() -> list[str]:
    return [
        m.name
        for m in pkgutil.walk_packages([str(ROOT)], "nbdicom.")
        if "__main__" not in m.name and ".lessons" not in m.name
    ]


@pytest.mark.parametrize("name", every_module())
def test_public_names_exist_and_are_explained(name: str) -> None:
    module = importlib.import_module(name)
    assert module.__doc__, name
    for public in getattr(module, "__all__", []):
        thing = getattr(module, public)
        if inspect.isclass(thing) or inspect.isfunction(thing):
            assert inspect.getdoc(thing), f"{name}.{public} has no docstring"


@pytest.mark.parametrize("path", modules(ROOT / "core") + modules(ROOT / "operations"), ids=lambda p: p.stem)
def test_the_core_names_the_standard(path: Path) -> None:
    if path.stem not in ("__init__", "effects", "handlers", "requests", "streams", "layout"):
        assert "PS3." in (ast.get_docstring(ast.parse(path.read_text())) or "") or "PS3." in path.read_text(), path


def test_nobody_sleeps() -> None:
    for path in [*modules(ROOT), *modules(TESTS)]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) == "sleep":
                assert ast.unparse(node.func) not in ("time.sleep", "sleep"), f"{path}:{node.lineno} sleeps"


def test_nobody_changes_for_a_while_what_holds_for_the_process() -> None:
    """Two threads that do so at once put back the wrong thing; `nbdicom.data.unseen` and `peer.notices` do without."""
    for path in modules(ROOT):
        for node in ast.walk(ast.parse(path.read_text())):
            assert getattr(node, "attr", getattr(node, "id", "")) not in ("catch_warnings", "redirect_stdout"), path
