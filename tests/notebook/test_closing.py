"""Closed forms leave nothing behind, and a cell that runs again closes the forms of its run before."""

import threading

import pytest
from ipywidgets.widgets import widget
from jupyter_client.manager import start_new_kernel

import nbdicom as nd
from nbdicom.shown import Cells

from .test_every_view import VIEWS, pacs  # noqa: F401  a fixture
from .waiting import LIMIT, until


def models() -> set[str]:
    return set(widget._instances)  # at once: what is public goes through them while threads make others


@pytest.mark.parametrize("name", [name for name in VIEWS if name != "Job"])
def test_a_closed_form_leaves_no_model(pacs, tmp_path, name) -> None:  # noqa: F811
    before = models()
    view = VIEWS[name](pacs, tmp_path)
    assert len(models() - before) > 10 and not view.is_closed
    view.close()
    view.close()
    until(lambda: not models() - before)
    assert view.is_closed and list(view._repr_mimebundle_()) == ["text/plain"]
    assert "closed, make another one" in repr(view) and view._instead in repr(view)


def test_what_takes_the_place_of_something_discards_it(pacs, tmp_path) -> None:  # noqa: F811
    form = nd.QueryForm(pacs, to=tmp_path)

    def use():
        for level in form.level.options[::-1]:
            form.level.value = level
        form.level.value = "Studies"
        for _ in range(2):
            form.add_key("StudyID")
            form.field("StudyID").controls[1].click()
            form.add_key("StudyID")
            form.clear()
        form.search().wait(LIMIT)
        form.grid.rows.value = (0,)
        form.grid.retrieve().wait(LIMIT)
        form.grid._retrieval.strip.wait(LIMIT)
        form.grid.show_button.click()
        assert form.grid._opening._shown.wait(LIMIT) and form.grid._images is not None

    use()
    before = len(models())
    use()
    assert len(models()) == before


def test_a_closed_form_cancels_what_it_had_begun_and_keeps_what_it_had_found(pacs) -> None:  # noqa: F811
    form = nd.QueryForm(pacs)
    results = form.search().wait(LIMIT)
    go_on = threading.Event()
    form.job = job = nd.Job(lambda job: (go_on.wait(LIMIT), job.check())).start()
    form.close()
    go_on.set()
    until(lambda: job.state == "cancelled")
    assert form.results is results and len(form.selection) == 0


def test_a_closed_panel_stops_its_server(tmp_path) -> None:
    panel = nd.ServerPanel(tmp_path)
    panel.start().wait(LIMIT)
    panel.close()
    panel.job.wait(LIMIT)
    assert not panel.server.running


@pytest.mark.parametrize(
    ("runs", "closed"),
    [
        ("1a 1b", "a"),  # the same cell shows another one
        ("1a 1a", ""),  # the same one again
        ("1a 2a 1b", ""),  # which another cell shows, too
        ("1a 2a 1b 2c", "a"),
        ("1a 1", "a"),  # nothing any more
        ("1ab 1bc", "a"),
        ("1a 2b", ""),
        ("-a -b", ""),  # nobody says which cell it is
    ],
)
def test_what_no_cell_shows_any_more_is_closed(runs, closed) -> None:
    forms = {name: object() for name in "abc"}
    gone, running = [], [None]
    cells = Cells(lambda: running[0])
    for run in runs.split():
        running[0] = None if run[0] == "-" else run[0]
        for name in run[1:]:
            cells.show(forms[name], lambda name=name: gone.append(name))
        cells.over()
    assert "".join(gone) == closed


def test_a_cell_that_runs_again_in_a_kernel() -> None:
    manager, client = start_new_kernel()
    try:

        def run(code: str, cell: str) -> str:
            content = {
                "code": code,
                "silent": False,
                "store_history": True,
                "allow_stdin": False,
                "user_expressions": {},
            }
            request = client.session.msg("execute_request", content, metadata={"cellId": cell})
            client.shell_channel.send(request)
            words = ""
            while True:
                answer = client.get_iopub_msg(timeout=LIMIT)
                if answer["parent_header"].get("msg_id") == request["header"]["msg_id"]:
                    words += answer["content"].get("text", "") + "".join(answer["content"].get("traceback", ()))
                    if answer["content"].get("execution_state") == "idle":
                        return words

        count = "print(len(ipywidgets.Widget.get_manager_state()['state']))"
        form = "form = nd.QueryForm(nd.Peer('GONE@127.0.0.1:9'))\nform"
        job = "nd.Job(lambda job: 1).start()"
        assert run("import ipywidgets, nbdicom as nd", "import") == ""
        run(form, "form")
        run(job, "job")
        once = run(count, "count")
        for _ in range(3):
            run(form, "form")
            run(job, "job")
        assert run(count, "count") == once and int(once) > 100
        assert run("first = form\nform", "elsewhere") == ""
        run(form, "form")
        assert run("print(first.is_closed, form.is_closed)", "count") == "False False\n"
        run("1", "elsewhere")
        assert run("print(first.is_closed, form.is_closed)", "count") == "True False\n"
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
