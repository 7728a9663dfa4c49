"""A real JupyterLab in headless Chromium: one server and one page for all tests, a notebook and a kernel for each.

`page.evaluate` has no timeout of its own, so nothing here awaits a command of JupyterLab inside it; what is waited for is a
condition of the page, with a limit.
"""

import contextlib
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.ports import free_port

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
_SWITCHES = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
_START = 60.0

# Started is restored: until then JupyterLab still puts its launcher in front of whatever has been opened.
_STARTED = """() => {
    const app = window.jupyterapp;
    if (!app?.restored) return false;
    if (window.restoring === undefined) {
        window.restoring = true;
        void app.restored.then(() => { window.restoring = false; });
    }
    return !window.restoring && !!document.querySelector('.jp-LauncherCard')
        && ['apputils:change-theme', 'docmanager:open', 'notebook:run-all-cells'].every(n => app.commands.hasCommand(n));
}"""
_READY = """() => {
    const widget = window.jupyterapp?.shell?.currentWidget, session = widget?.sessionContext;
    return !!(widget?.context?.isReady && session?.isReady && session.session?.kernel
        && session.session.kernel.connectionStatus === 'connected' && session.session.kernel.status === 'idle');
}"""
_DONE = """() => {
    const widget = window.jupyterapp.shell.currentWidget;
    const cells = widget.content.widgets.filter(cell => cell.model.type === 'code' && cell.model.sharedModel.source.trim());
    return cells.length > 0 && cells.every(cell => cell.model.executionCount !== null
        && cell.model.executionState !== 'running') && widget.sessionContext.session.kernel.status === 'idle';
}"""


_LENGTH = """() => {
    const panel = document.querySelector('.jp-NotebookPanel:not(.lm-mod-hidden) .jp-WindowedPanel-outer');
    return panel ? window.innerHeight - panel.clientHeight + panel.scrollHeight : document.body.scrollHeight;
}"""
_NAMELESS = re.compile(r'\s*- (button|checkbox|combobox|img|listbox|spinbutton|textbox)(?! "[^"]*\w)')


def _end_with_parent() -> None:
    """On Linux the server ends with the tests, however these end."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGTERM)


@contextlib.contextmanager
def jupyterlab(root: Path, private: Path) -> Iterator[tuple[str, str]]:
    """A server over the folder *root*, with JupyterLab, and Notebook and Voila if they are there; gives address and token.

    ``NBDICOM_KERNEL`` names another Python whose ipykernel runs the notebooks, to try the versions of ipykernel.
    """
    port = free_port()
    folders = {
        name: str(private / name.lower())
        for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTERLAB_SETTINGS_DIR",
                     "JUPYTERLAB_WORKSPACES_DIR", "IPYTHONDIR", "MPLCONFIGDIR")
    }  # fmt: skip
    quiet = Path(folders["JUPYTERLAB_SETTINGS_DIR"], "@jupyterlab", "apputils-extension")
    quiet.mkdir(parents=True)
    Path(quiet, "notification.jupyterlab-settings").write_text(
        '{"checkForUpdates": false, "doNotDisturbMode": true, "fetchNews": "false"}'
    )
    Path(folders["JUPYTERLAB_SETTINGS_DIR"], "@jupyterlab", "notebook-extension").mkdir()
    Path(
        folders["JUPYTERLAB_SETTINGS_DIR"], "@jupyterlab", "notebook-extension", "tracker.jupyterlab-settings"
    ).write_text(
        '{"windowingMode": "none", "scrollPastEnd": false}'  # all of a notebook is there, wherever one looks
    )
    if kernel := os.environ.get("NBDICOM_KERNEL"):
        folder = Path(folders["JUPYTER_DATA_DIR"], "kernels", "python3")
        folder.mkdir(parents=True)
        command = [kernel, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        (folder / "kernel.json").write_text(
            json.dumps({"argv": command, "display_name": "Python 3", "language": "python"})
        )
    token = secrets.token_hex(8)
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}",
        "--ServerApp.port_retries=0", f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={root}",
        "--LabApp.expose_app_in_browser=True", "--JupyterNotebookApp.expose_app_in_browser=True",
        "--LabApp.news_url=None", "--LabApp.extension_manager=readonly",
    ]  # fmt: skip
    with (private / "jupyterlab.log").open("wb") as log:
        environment = {k: v for k, v in os.environ.items() if k != "NBDICOM_PACS"}
        environment["JUPYTER_PREFER_ENV_PATH"] = "0"  # the folders above come first
        process = subprocess.Popen(
            command, env={**environment, **folders}, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
            start_new_session=True, preexec_fn=_end_with_parent,
        )  # fmt: skip
        try:
            _wait_for(f"http://127.0.0.1:{port}/api/status?token={token}", process)
            yield f"http://127.0.0.1:{port}", token
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(5)


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    pause = threading.Event()
    for _ in range(int(_START / 0.1)):
        if process.poll() is not None:
            raise RuntimeError(f"JupyterLab ended with {process.returncode}; see its log")
        with contextlib.suppress(OSError):
            urllib.request.urlopen(url, timeout=5).close()
            return
        pause.wait(0.1)
    raise TimeoutError(url)


@contextlib.contextmanager
def browser() -> Iterator[Any]:
    """Chromium, driven by Playwright."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=_SWITCHES)
        try:
            yield chromium
        finally:
            chromium.close()


class Page:
    """One page at the server, in whatever front end."""

    def __init__(self, page: Any, server: str, token: str) -> None:
        self.page = page
        self._server, self._token = server, token
        page.set_default_timeout(60_000)
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("dialog", lambda dialog: dialog.accept())  # a notebook that was changed does not hold the page

    def another(self) -> "Page":
        """A page beside this one."""
        return Page(self.page.context.browser.new_page(viewport=self.page.viewport_size), self._server, self._token)

    def go(self, path: str) -> None:
        """Load an address of the server."""
        self.page.goto(f"{self._server}/{path}{'&' if '?' in path else '?'}token={self._token}", wait_until="commit")

    def leave(self) -> None:
        """Close the page."""
        self.page.close()

    def text(self) -> str:
        """What the page says, for a test that failed."""
        errors = "".join(f"\n! {error}" for error in self.errors)
        return (
            str(self.page.evaluate("() => document.querySelector('#jp-main-content-panel, body').innerText")) + errors
        )

    def command(self, name: str, arguments: str = "{}") -> None:
        """Start a command of JupyterLab or Notebook; what it does is waited for elsewhere."""
        self.page.evaluate(f"() => {{ void window.jupyterapp.commands.execute('{name}', {arguments}); }}")

    def until_ready(self, name: str) -> None:
        """Wait until a notebook is shown and its kernel can be asked."""
        self.page.wait_for_function(f"() => window.jupyterapp?.shell?.currentWidget?.context?.path === '{name}'")
        self.page.wait_for_function(_READY)

    def run_all(self) -> None:
        """Run all cells to their end."""
        self.command("notebook:run-all-cells")
        self.page.wait_for_function(_DONE, timeout=90_000)

    def shown(self) -> Any:
        """What the notebook that is shown has put out."""
        return self.page.locator("body")

    def choose(self, box: int, index: list[int] | int) -> None:
        """Choose entries of a list box when it has them."""
        chosen = self.shown().locator(".nbd-rows select").nth(box)
        chosen.locator("option").nth(max(index) if isinstance(index, list) else index).wait_for(state="attached")
        chosen.select_option(index=index)

    def nameless(self) -> list[str]:
        """What can be used in the forms of the page, and would be read out without a name."""
        forms = self.shown().locator(".nbd-form").filter(visible=True).all()
        return [line for form in forms for line in form.aria_snapshot().split("\n") if _NAMELESS.match(line)]

    def picture(self, path: Path) -> None:
        """A screenshot of everything, however long."""
        size = self.page.viewport_size
        long = self.page.evaluate(_LENGTH)
        if long > size["height"]:
            self.page.set_viewport_size({"width": size["width"], "height": min(long, 12_000)})
        self.page.screenshot(path=path)
        if long > size["height"]:
            self.page.set_viewport_size(size)


class Lab(Page):
    """A page with JupyterLab in it."""

    def __init__(self, page: Any, server: str, token: str, root: Path) -> None:
        super().__init__(page, server, token)
        self.root = root
        self.reload()

    def reload(self) -> None:
        """A page without notebooks, and a server without kernels."""
        self.page.goto("about:blank")
        self.end_kernels()
        self.go("lab?reset")
        self.page.wait_for_function(_STARTED)
        self.errors.clear()

    def end_kernels(self) -> None:
        """End all kernels, whoever started them."""
        for kernel in json.loads(self._ask("api/kernels")):
            self._ask(f"api/kernels/{kernel['id']}", "DELETE")

    def _ask(self, path: str, method: str = "GET") -> bytes:
        request = urllib.request.Request(f"{self._server}/{path}?token={self._token}", method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return bytes(answer.read())

    def write(self, name: str, cells: list[str]) -> None:
        """Write a notebook."""
        import nbformat

        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source.strip()) for source in cells])
        notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
        nbformat.write(notebook, self.root / name)

    def both_themes(self, folder: Path, name: str) -> None:
        """Screenshots in dark and in light."""
        for theme in ("Dark", "Light"):
            self.command("apputils:change-theme", f"{{theme: 'JupyterLab {theme}'}}")
            dark = "true" if theme == "Dark" else "false"
            self.page.wait_for_function(f"() => document.body.dataset.jpThemeLight !== '{dark}'")
            self.page.wait_for_function("() => !document.querySelector('#jupyterlab-splash')")
            self.picture(folder / f"{name}-{theme.lower()}.png")

    def open(self, name: str) -> None:
        """Open a notebook and wait for its kernel."""
        self.command("docmanager:open", f"{{path: '{name}'}}")
        self.until_ready(name)

    def run_cell(self, index: int) -> None:
        """Start one cell."""
        self.page.evaluate(f"() => {{ window.jupyterapp.shell.currentWidget.content.activeCellIndex = {index}; }}")
        self.command("notebook:run-cell")

    def wait_for_cell(self, index: int) -> None:
        """Wait until a cell has run."""
        cell = f"window.jupyterapp.shell.currentWidget.content.widgets[{index}].model"
        self.page.wait_for_function(f"() => {cell}.executionCount !== null && {cell}.executionState !== 'running'")

    def shown(self) -> Any:
        """The notebook that is shown."""
        return self.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)")

    def outputs(self) -> Any:
        """Its outputs."""
        return self.shown().locator(".jp-OutputArea-output")

    def close(self) -> None:
        """Close the notebook and end its kernel; at once, because closing asks whether to save what a cell still says."""
        self.page.evaluate("""() => {
            const widget = window.closing = window.jupyterapp.shell.currentWidget;
            void widget.sessionContext.shutdown().finally(() => widget.dispose());
        }""")
        self.page.wait_for_function("() => window.closing.isDisposed")
