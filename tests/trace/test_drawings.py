"""A ladder of three parties, and the state machine as a drawing: of everything that the grid has, and of what was taken."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator

import pytest

import nbdicom as nd
from nbdicom.core.machine import NEXT, TABLE, Sta
from nbdicom.data import instance
from nbdicom.trace import Recorder
from nbdicom.trace.diagram import state_diagram
from nbdicom.trace.ladder import Ladder
from tests.peer.conftest import ct

MOVE = "StudyRootQueryRetrieveInformationModelMove"


@pytest.fixture(scope="module")
def moved(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorder]:
    images = [instance(ct("1.2.3", number)) for number in range(1, 9)]
    with nd.Receiver(tmp_path_factory.mktemp("received"), ae_title="DEST") as receiver:
        handlers = nd.Handlers(move=lambda request: images, destination=lambda title: ("127.0.0.1", receiver.port))
        with nd.Server(handlers, ae_title="PACS", contexts=[MOVE]) as server, nd.record() as wire:
            peer = nd.Peer("PACS", *server.address)
            assert peer.move(StudyInstanceUID="1.2.3", to=receiver).completed == 8
            peer.close()
        yield wire


def svg(html: str) -> ElementTree.Element:
    return ElementTree.fromstring(re.search(r"<svg.*?</svg>", html, re.S)[0])  # type: ignore[index]


def test_three_parties_are_on_one_ladder(moved: Recorder) -> None:
    lines = [
        re.sub(r"\] +[0-9.]+ ", "] ", re.sub(r"\.1:\d+", ".1", line)).strip()
        for line in str(moved.ladder()).splitlines()
    ]
    assert lines[:5] == [
        "0: NBDICOM → PACS at 127.0.0.1: released",
        "1: PACS → DEST at 127.0.0.1: released",
        "ms             NBDICOM                             PACS                                 DEST",
        "Sta4 |                                     | Sta2                                |",
        "[0]        Sta5 |--------- A-ASSOCIATE-RQ ----------->| Sta3                                |",
    ]
    text = "\n".join(lines)
    assert "|                                Sta5 |--------- A-ASSOCIATE-RQ ----------->| Sta3" in text
    assert "|<--- C-MOVE-RSP (1) Pending FF00H ---|                                     |" in text
    assert "more like these" in text  # three messages that repeat over two connections
    assert max(map(len, str(moved.ladder()).splitlines())) <= 118


def test_the_picture_has_a_line_for_each_party(moved: Recorder) -> None:
    html = moved.ladder()._repr_html_()
    drawing = svg(html)
    places = {line.get("x1") for line in drawing.iter("line") if line.get("class") == "life"}
    assert len(places) == 3
    assert [e.text for e in drawing.iter("text") if e.text in ("NBDICOM", "PACS", "DEST")] == [
        "NBDICOM",
        "PACS",
        "DEST",
    ]
    ends = {(line.get("x1"), line.get("class")) for line in drawing.iter("line")}
    assert {x for x, kind in ends if kind == "wire"} <= places
    frame = moved.ladder().to_frame()
    assert set(zip(frame["from"], frame["to"], strict=True)) == {
        ("NBDICOM", "PACS"), ("PACS", "NBDICOM"), ("PACS", "DEST"), ("DEST", "PACS"),
    }  # fmt: skip


def test_ladders_may_be_kept_apart(moved: Recorder) -> None:
    apart = Ladder(moved.connections, together=False)
    assert apart._repr_html_().count("<svg") == 2 and str(apart).count("\n\n") == 1
    assert moved.ladder()._repr_html_().count("<svg") == 1


def test_the_drawing_has_the_whole_machine() -> None:
    drawing = svg(state_diagram({}, None, "The machine"))
    titles = [e.text or "" for e in drawing.iter("title")]
    assert [t.split(":")[0] for t in titles if t.startswith("Sta") and "\N{RIGHTWARDS ARROW}" not in t] == list(
        map(str, Sta)
    )
    drawn = {t.splitlines()[0] for t in titles if "\N{RIGHTWARDS ARROW}" in t}
    wanted = {
        f"{before} \N{RIGHTWARDS ARROW} {after}"
        for (_, before), action in TABLE.items()
        for after in NEXT[action]
        if not action.startswith("AA-")
    }
    assert drawn == wanted
    told = "\n".join(titles)
    for (event, before), action in TABLE.items():
        if not action.startswith("AA-"):
            assert f"{event} ({event.meaning}): {action}, {action.meaning}" in told, (event, before)


def test_what_was_taken_is_drawn_and_numbered(moved: Recorder) -> None:
    path = moved.states()
    html = path._repr_html_()
    drawing = svg(html)
    taken = [e for e in drawing.iter("g") if e.get("class") == "way taken"]
    steps = {(step.before, step.after) for step in path.steps}
    assert len(taken) == len(steps)
    words = " ".join(e.text or "" for e in drawing.iter("text"))
    assert "[1] Evt1 AE-1" in words and "Sta1 (now)" in words
    assert drawing.get("role") == "img" and "Sta4 → Sta5" in (drawing.get("aria-label") or "")
    assert "nbd-text" in html and "Sta1 → Sta4 → Sta5 → Sta6" in html  # for a notebook that is not trusted


def test_an_abort_is_drawn_where_it_was_taken() -> None:
    before = svg(state_diagram({}, None, ""))
    after = svg(state_diagram({(Sta.STA6, Sta.STA13): ["[5] Evt15 AA-1"]}, Sta.STA13, ""))
    count = [sum(e.get("class", "").startswith("way") for e in one.iter("g")) for one in (before, after)]
    assert count[1] == count[0] + 1
