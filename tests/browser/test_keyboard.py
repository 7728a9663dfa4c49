"""The forms by the keyboard alone: what is pressed keeps the focus, in a real JupyterLab."""

from pathlib import Path

import pytest

from .lab import Lab

pytestmark = pytest.mark.extended

CELLS = [
    """
import threading
import nbdicom as nd
go_on = threading.Event()

def slowly(request):
    go_on.wait(60)
    return []

server = nd.Server(nd.Handlers(get=slowly), ae_title="SLOW", contexts=["StudyRootQueryRetrieveInformationModelGet"]).start()
pacs = nd.Peer(nd.demo_pacs())
grid = nd.ResultsGrid(pacs.studies(), peer=nd.Peer("SLOW", *server.address), to="by the keyboard")
grid
""",
    """
panel = nd.ServerPanel("by the keyboard too", kind="pacs", ae_title="KEYS")
panel
""",
    "go_on.set()\nserver.close()\nprint(panel.server.running, grid.job.state)",
]

_FOCUS = "() => document.activeElement.innerText || document.activeElement.tagName"
_RESTS = """([name, rests]) => [...document.querySelectorAll('.nbd-form button, .jp-OutputArea button')].some(
    one => one.innerText === name && one.classList.contains('nbd-resting') === rests)"""
_MODELS = """async () => {
    const models = [];
    for (const cell of window.jupyterapp.shell.currentWidget.content.widgets) {
        const rest = [...(cell.outputArea?.widgets ?? [])];
        while (rest.length) {
            const one = rest.pop();
            const manager = one.manager ?? one._manager;
            if (manager) return Object.keys((await manager.promise)._models).length;
            rest.push(...(one.widgets ?? []));
        }
    }
}"""


def test_what_is_pressed_keeps_the_focus(lab: Lab, pictures: Path) -> None:
    """As a person without a mouse goes: Tab to a control, Space or Enter, and Tab to the next one."""
    lab.write("keyboard.ipynb", CELLS)
    lab.open("keyboard.ipynb")
    lab.run_cell(0)
    lab.wait_for_cell(0)
    out, keys = lab.outputs(), lab.page.keyboard

    def focus() -> str:
        return str(lab.page.evaluate(_FOCUS)).strip()

    def rests(name: str, yes: bool = True) -> None:
        lab.page.wait_for_function(_RESTS, arg=[name, yes])

    out.get_by_label("Rows with").focus()

    def go_to(name: str) -> None:
        for _ in range(30):
            keys.press("Tab")
            if focus() == name:
                return
        raise AssertionError(f"Tab does not lead to {name}")

    lab.page.wait_for_function("() => document.querySelectorAll('.nbd-rows option').length > 2")
    order = out.get_by_label("Sort by")
    order.focus()
    keys.press("ArrowDown")  # which would go to the next cell, and x cut it
    keys.press("x")
    lab.page.wait_for_function("() => document.activeElement.value === 'PatientID'")
    keys.press("ArrowUp")
    out.get_by_label("Rows with").focus()
    for _ in range(3):
        keys.press("Tab")
    keys.press("Home")
    out.get_by_text("1 of ").first.wait_for()
    go_to("Select none")
    keys.press("Space")
    rests("Select none")
    assert focus() == "Select none"
    lab.page.keyboard.press("Shift+Tab")
    keys.press("Enter")
    rests("Select none", False)
    go_to("Retrieve")
    keys.press("Enter")
    rests("Retrieve")
    out.get_by_text("running").first.wait_for()
    assert focus() == "Retrieve"
    keys.press("Enter")  # once more: it says why it does nothing
    out.get_by_text("a retrieval is under way").wait_for()
    go_to("Cancel")
    keys.press("Space")
    rests("Cancel")
    rests("Retrieve", False)
    assert focus() == "Cancel" and out.get_by_text("a retrieval is under way").count() == 0
    lab.run_cell(1)
    lab.wait_for_cell(1)
    out.get_by_label("AE title", exact=True).focus()
    go_to("Start")
    keys.press("Enter")
    out.get_by_text("listening as KEYS").wait_for()
    rests("Start")
    rests("Stop", False)
    assert focus() == "Start"
    keys.press("Enter")
    go_to("Stop")
    lab.picture(pictures / "keyboard.png")
    lab.run_cell(2)
    out.get_by_text("True cancelled").wait_for()
    models = lab.page.evaluate(_MODELS)
    assert models > 100
    for _ in range(2):  # the cell again: the panel of the run before is gone, in the browser, too
        lab.run_cell(1)
        lab.wait_for_cell(1)
    lab.page.wait_for_function(f"async (models) => await ({_MODELS})() <= models", arg=models)
    lab.close()
    assert lab.errors == []
