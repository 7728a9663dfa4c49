"""Every case of the mirrored list, played by a hostile acceptor at nbdicom as the requestor, by both drivers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.hostile.acceptor_player import Stage
from tests.hostile.acceptors import ACCEPTORS, AcceptorCase
from tests.hostile.requestors import Requestor, requestor

DRIVERS = ("nbdicom", "nbdicom-aio")


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    running = Stage()
    yield running
    running.close()


@pytest.fixture(scope="module", params=DRIVERS)
def patient(request: pytest.FixtureRequest) -> Iterator[Requestor]:
    """Its timers are too long to play a part."""
    with requestor(request.param, timers=60) as one:
        yield one


@pytest.fixture(scope="module", params=DRIVERS)
def impatient(request: pytest.FixtureRequest) -> Iterator[Requestor]:
    """Its timers are short."""
    with requestor(request.param, timers=0.7) as one:
        yield one


def check(stage: Stage, one: Requestor, case: AcceptorCase) -> None:
    result = stage.run_case(one, case, patience=60.0)
    assert result.verdict == "exact", f"{result.observed} (due: {case.due} [{case.section}])"
    assert not result.flags, result.observed


@pytest.mark.parametrize("case", [case for case in ACCEPTORS if not case.timer], ids=str)
def test_a_requestor_does_as_the_standard_says(stage: Stage, patient: Requestor, case: AcceptorCase) -> None:
    check(stage, patient, case)


@pytest.mark.parametrize("case", [case for case in ACCEPTORS if case.timer], ids=str)
def test_ended_by_a_timer(stage: Stage, impatient: Requestor, case: AcceptorCase) -> None:
    check(stage, impatient, case)


def test_the_list_is_long_and_has_no_case_twice() -> None:
    names = [case.name for case in ACCEPTORS]
    assert len(names) == len(set(names)) > 200
    assert sum(case.shall for case in ACCEPTORS) >= 120
