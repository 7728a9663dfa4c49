"""Bars: where somebody looks, and not for what is over at once."""

import pytest

from nbdicom.peer import progress
from nbdicom.peer.progress import Progress


@pytest.mark.parametrize(("asked", "shown"), [(None, False), (True, True)])
def test_what_is_quick_has_no_bar_unless_one_was_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], asked: bool | None, shown: bool
) -> None:
    monkeypatch.setattr(progress, "is_interactive", lambda: True)
    with Progress(asked, "move", unit="instance") as bar:
        bar.reach(0, 5)
        bar.reach(5, 5, size=1000)
    assert bool(capsys.readouterr().err) is shown


def test_a_bar_that_the_user_has_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TQDM_DISABLE", "1")
    with Progress(True, "move", unit="instance") as bar:
        bar.reach(5, 5, size=1000)
    assert bar.done == 5
