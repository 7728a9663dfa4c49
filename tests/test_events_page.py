"""docs/events.md names what there is: every event and every handler, and nothing else."""

import re
from dataclasses import fields
from pathlib import Path
from typing import get_args

from nbdicom.core.trace import TraceEvent
from nbdicom.operations import requests
from nbdicom.operations.handlers import Handlers

PAGE = (Path(__file__).parents[1] / "docs" / "events.md").read_text()


def rows(heading: str) -> list[list[str]]:
    """The cells of the table under a heading."""
    section = PAGE.split(heading, 1)[1].split("\n#", 1)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def code(cells: list[str]) -> set[str]:
    return {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}


def test_every_notification_has_a_row() -> None:
    table = rows("### Notifications")
    assert sum(bool(row[0]) for row in table) == 17
    assert code([row[1] for row in table]) - {"by_peer"} == {kind.__name__ for kind in get_args(TraceEvent)}


def test_every_intervention_has_a_row() -> None:
    table = rows("### Interventions")
    assert len(table) == 15
    handlers = {field.name for field in fields(Handlers)}
    assert code([row[0] for row in rows("## What a handler may return")]) <= handlers
    named = code([row[1] for row in table]) - {"Support", "PresentationContext"}
    assert named == handlers


def test_every_attribute_of_a_request_is_told() -> None:
    """Of each handler's request those that it has; the ones of DIMSE-N are in one row."""
    kinds = {
        "all": [requests.EchoRequest],
        "store": [requests.StoreRequest],
        "find": [requests.FindRequest],
        "get": [requests.RetrieveRequest],
        "n_event_report": [
            getattr(requests, name) for name in requests.__all__ if re.fullmatch("N[A-Z].*Request", name)
        ],
    }
    common: set[str] = set()
    for handlers, told in rows("## What a request carries"):
        named = set(re.findall(r"`(\w+)(?:\(\))?`", told))
        there = {
            name
            for kind in kinds.pop(re.findall(r"\w+", handlers)[0])
            for name in dir(kind)
            if not name.startswith("_")
        }
        assert named <= there and there <= named | (common or {"codec", "look", "received"})  # those are the driver's
        common = common or there
    assert not kinds
