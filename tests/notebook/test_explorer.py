"""The wire, arrow by arrow: what is chosen is shown, with the line of code that shows the same."""

from __future__ import annotations

import html

import pytest

import nbdicom as nd
from nbdicom.core.machine import Sta
from nbdicom.trace import Recorder

pytest.importorskip("ipywidgets", reason="ipywidgets is not installed")


@pytest.fixture
def wire() -> Recorder:
    with nd.Server(nd.Handlers(), ae_title="<b>ECHO", contexts=["Verification"]) as server, nd.record() as wire:
        assert nd.Peer("<b>ECHO", *server.address).echo()
    return wire


def test_an_arrow_is_chosen(wire: Recorder) -> None:
    explorer = nd.TraceExplorer(wire)
    assert len(explorer.arrows.options) == 6 and explorer.arrows.value == 0
    assert "NBDICOM → <b>ECHO  A-ASSOCIATE-RQ" in explorer.arrows.options[0][0]
    explorer.arrows.value = 3
    assert explorer.code.value == "<code>wire[3]</code>"
    assert explorer.selected is not None and explorer.selected.arrow.name == "C-ECHO-RSP"
    assert "Command Field" in html.unescape(explorer.shown.value)
    assert "<b>ECHO" not in explorer.shown.value


def test_the_states_at_that_moment(wire: Recorder) -> None:
    explorer = nd.TraceExplorer(wire)
    explorer.view.value = "States"
    path = ["Sta1 → Sta4 → Sta5", "Sta1 → Sta4 → Sta5 → Sta6"]
    for number, states in enumerate(path):
        explorer.arrows.value = number
        assert f"<p>{states}</p>" in explorer.shown.value
    assert explorer.code.value == "<code>wire.states(0, until=1)</code>"
    explorer.view.value = "Ladder"
    assert "<svg" in explorer.shown.value and explorer.code.value == "<code>wire.ladder()</code>"


@pytest.mark.parametrize(("side", "after"), [(0, [5, 6, 6, 6, 7, 1]), (1, [3, 6, 6, 6, 8, 1])])
def test_a_path_until_each_arrow(wire: Recorder, side: int, after: list[int]) -> None:
    assert [wire.states(side, until=k).states[-1] for k in range(6)] == [Sta(n) for n in after]
    assert wire.states(side, until=5).steps == wire.states(side).steps
    assert "Sta6 now" in wire.states(side, until=2).title


def test_arrows_are_found_by_words(wire: Recorder) -> None:
    explorer = nd.TraceExplorer(wire)
    explorer.find.value = "c-echo success"
    assert [number for _, number in explorer.arrows.options] == [3] and explorer.arrows.value == 3
    explorer.find.value = "C-FIND"
    assert explorer.arrows.options == () and explorer.selected is None
    assert "no arrow has the words C-FIND" in explorer.message.value and explorer.shown.value == ""
    explorer.find.value = ""
    assert len(explorer.arrows.options) == 6 and explorer.message.value == ""


def test_a_recording_that_grows() -> None:
    recorder = Recorder()
    explorer = nd.TraceExplorer(recorder)
    assert "nothing went over the wire yet" in explorer.message.value
    with nd.Server(nd.Handlers(), ae_title="ECHO", contexts=["Verification"]) as server:
        nd.Peer("ECHO", *server.address, trace=recorder).echo()
    explorer.refresh_button.click()
    assert len(explorer.arrows.options) == 6 and explorer.message.value == ""
