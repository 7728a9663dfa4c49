"""Every case of the list, played at the embedded PACS by both drivers: survived, in time, exact, and nothing left behind."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.hostile.cases import Case, every_case
from tests.hostile.score import run_case
from tests.hostile.targets import Target, started

DRIVERS = ("nbdicom", "nbdicom-aio")


@pytest.fixture(scope="module", params=DRIVERS)
def patient(request: pytest.FixtureRequest) -> Iterator[Target]:
    """Its timers are too long to play a part."""
    with started(request.param, timers=60) as target:
        yield target


@pytest.fixture(scope="module", params=DRIVERS)
def impatient(request: pytest.FixtureRequest) -> Iterator[Target]:
    """Its timers are short."""
    with started(request.param, timers=0.7) as target:
        yield target


def check(target: Target, case: Case) -> None:
    result = run_case(target, case, patience=60.0)
    assert result.verdict == "exact", f"{result.observed} (due: {case.answer} [{case.section}])"
    assert not result.flags


@pytest.mark.parametrize("case", every_case(timers=False), ids=str)
def test_answered_as_the_standard_says(patient: Target, case: Case) -> None:
    check(patient, case)


@pytest.mark.parametrize("case", [case for case in every_case() if case.timer], ids=str)
def test_ended_by_a_timer(impatient: Target, case: Case) -> None:
    check(impatient, case)


def test_the_list_is_long_and_has_no_case_twice() -> None:
    names = [case.name for case in every_case()]
    assert len(names) == len(set(names)) > 300
    assert sum(case.shall for case in every_case()) >= 200
