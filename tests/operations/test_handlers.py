"""One handler for each service: what cannot be a handler, and two for the same (docs/events.md)."""

from __future__ import annotations

from dataclasses import fields

import pytest

from nbdicom.operations.handlers import Handlers, succeed

NAMES = [field.name for field in fields(Handlers)]


def handler(request: object) -> int:
    return 0x0000


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("wrong", ["store", 0x0000, [handler], {}], ids=["str", "int", "list", "dict"])
def test_what_cannot_be_called_is_no_handler(name: str, wrong: object) -> None:
    with pytest.raises(TypeError, match=name):
        Handlers(**{name: wrong})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", NAMES)
def test_services_are_joined(name: str) -> None:
    one = Handlers(**{name: handler})
    for joined in (one | Handlers(), Handlers() | one):
        assert getattr(joined, name) is handler
        assert all(getattr(joined, other) == getattr(Handlers(), other) for other in NAMES if other != name)
    assert (one | Handlers()) == one


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parity("A.5 one handler")
def test_a_service_that_is_bound_twice_is_an_error(name: str) -> None:
    one = Handlers(**{name: handler})
    with pytest.raises(ValueError, match=rf"for {name};"):
        one | Handlers(**{name: lambda request: 0})
    with pytest.raises(ValueError, match="store, n_get"):
        Handlers(store=handler, n_get=handler) | Handlers(n_get=handler, store=handler)


def test_an_echo_that_is_refused_is_a_choice_too() -> None:
    assert (Handlers(echo=None) | Handlers(store=handler)).echo is None
    assert (Handlers(store=handler) | Handlers()).echo is succeed
    with pytest.raises(ValueError, match="echo"):
        Handlers(echo=None) | Handlers(echo=handler)


def test_only_handlers_are_joined() -> None:
    with pytest.raises(TypeError):
        Handlers() | {"store": handler}  # type: ignore[operator]
