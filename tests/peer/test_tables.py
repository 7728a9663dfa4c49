"""Every table that people look at: text, HTML that needs no styles, a DataFrame; all that a peer sent is escaped."""

from __future__ import annotations

import html
import importlib
import inspect
import pkgutil
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import nbdicom as nd
from nbdicom.errors import NbdicomError
from nbdicom.operations.requests import Refuse
from nbdicom.peer.registry import Peers
from tests.peer.conftest import PATIENT, ct

EVIL = "<img src=x>"  #: a possible AE title, name of a peer, of a file, word of an Error Comment
MOVE = "StudyRootQueryRetrieveInformationModelMove"
CT = "1.2.840.10008.5.1.4.1.1.2"


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Every kind of table, of peers that send what they should not."""
    folder = tmp_path_factory.mktemp("tables")

    def refuse(request: Any) -> int:
        raise Refuse(0xA700, f"{EVIL}\x1b[2J")

    def abort(request: Any) -> Any:
        for association in server.associations:
            association.abort()
        return 0

    handlers = nd.Handlers(store=refuse, move=refuse, echo=abort)
    tables: dict[str, Any] = {}
    with (
        warnings.catch_warnings(),
        nd.Server(handlers, ae_title=EVIL, contexts=["Verification", MOVE, CT]) as server,
        nd.serve(to=folder / EVIL, ae_title=EVIL) as receiver,
        nd.Pacs(folder / "pacs", ae_title=EVIL) as pacs,
    ):
        warnings.simplefilter("ignore")
        peer = nd.Peer(EVIL, *server.address, calling=EVIL, timeouts=PATIENT)
        association = peer.associate([MOVE, "Verification", "1.2.3.4"])
        tables["association"], tables["negotiation"] = association, association.negotiation
        tables["current associations"] = server.table()
        with pytest.raises(NbdicomError) as caught:
            association.echo()
        tables["aborted association"] = caught.value
        with pytest.raises(NbdicomError) as caught:
            nd.Peer("<b>other</b>", *server.address, calling=EVIL).associate()
        tables["rejected association"] = caught.value
        tables["sub-operations"] = peer.move(StudyInstanceUID="1.2.3", to=EVIL)
        path = folder / f"{EVIL}.dcm"
        ct().save_as(path, enforce_file_format=False, implicit_vr=True, little_endian=True)
        tables["store results"] = peer.store(path)
        tables["steps of an echo"] = peer.echo()
        pacs.add(ct())
        archive = nd.Peer(pacs, calling=EVIL)
        found = archive.studies()
        tables["retrieved"] = archive.get(found, to=folder / EVIL)
        tables["pulled"] = archive.pull(found, to=folder / f"pull{EVIL}")
        tables["answers"] = found.dicom
        saved = Peers(folder / "peers.json")
        saved.add(EVIL, peer)
        tables["saved peers"], tables["peer"], tables["servers"] = saved, peer, nd.servers()
        tables["receiver"], tables["PACS"] = receiver, pacs
        tables["SOP Classes"], tables["statuses"] = nd.uids.table(), nd.status_table()
        tables["SOP Classes of a service"] = nd.services.sop_class_table()
        yield tables


NAMES = [
    "association", "negotiation", "current associations", "aborted association", "rejected association", "sub-operations",
    "store results", "steps of an echo", "retrieved", "pulled", "answers", "saved peers", "peer", "servers", "receiver",
    "PACS", "SOP Classes", "statuses", "SOP Classes of a service",
]  # fmt: skip
PLAIN = {"association", "PACS"}  #: whose text is one line that says what it is


@pytest.mark.parametrize("name", NAMES)
def test_a_table_has_three_forms_and_no_tricks(shown: dict[str, Any], name: str) -> None:
    table = shown[name]
    text, page, frame = str(table), table._repr_html_(), table.to_frame()
    assert isinstance(frame, pd.DataFrame) and (len(frame) or name == "receiver")
    for form in (text, page):
        assert "\x1b" not in form
    tags = set(re.findall(r"<(\w+)", re.sub(r"<style>.*?</style>", "", page, flags=re.S)))
    assert tags <= {
        "div",
        "table",
        "caption",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "p",
        "pre",
        "details",
        "summary",
        "span",
    }
    # Without styles, as in a notebook that is not trusted, the same words are there.
    bare = html.unescape(re.sub(r"<[^>]*>", " ", re.sub(r"<style>.*?</style>", "", page, flags=re.S)))
    words = set(re.findall(r"[\w.<=>-]{4,}", text)) if name not in PLAIN else set()
    lost = {word for word in words if word not in bare and not set(word) <= {"-"}}
    assert not lost


def test_the_tricks_were_there(shown: dict[str, Any]) -> None:
    without = {name for name in NAMES if EVIL not in str(shown[name])}
    assert without <= {
        "SOP Classes",
        "statuses",
        "SOP Classes of a service",
        "aborted association",
        "rejected association",
    }, without


def test_an_error_names_itself(shown: dict[str, Any]) -> None:
    assert "reject" in str(shown["rejected association"]) and "abort" in str(shown["aborted association"])
    assert Path(shown["pulled"].folder).name == f"pull{EVIL}"


def _public_classes() -> Iterator[type]:
    """Every class that some module of nbdicom offers to others."""
    for module in pkgutil.walk_packages(nd.__path__, "nbdicom."):
        if not module.name.endswith("__main__"):
            room = importlib.import_module(module.name)
            for name in getattr(room, "__all__", ()):
                one = getattr(room, name)
                if inspect.isclass(one) and one.__module__ == module.name:
                    yield one


def test_what_a_notebook_shows_a_terminal_shows_and_pandas_takes() -> None:
    shown = [one for one in _public_classes() if hasattr(one, "_repr_html_")]
    assert len(shown) > 30
    assert [one for one in shown if not hasattr(one, "to_frame")] == []
    assert [one for one in shown if one.__repr__ is object.__repr__] == []


def test_a_table_of_pandas_is_shown_by_a_notebook() -> None:
    """But for answers that are still to come, which nothing may take by looking at them."""
    tables = [one for one in _public_classes() if hasattr(one, "to_frame")]
    assert {one.__name__ for one in tables if not hasattr(one, "_repr_html_")} == {"Responses"}


def test_the_pacs_as_a_frame(shown: dict[str, Any]) -> None:
    frame = shown["PACS"].to_frame()
    assert dict(zip(frame["what"], frame["value"], strict=True))["studies"] == "1"
