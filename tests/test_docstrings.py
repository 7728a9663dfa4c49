"""What is public is explained: every method too, with its parameters, and where in the standard it comes from."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator
from typing import Any

import pytest

import nbdicom
from nbdicom import aio

from .test_architecture import every_module

SECTION = re.compile(r"PS3\.\d+ [A-Z0-9]|PS3\.\d+ (?:Annex|Table|section)|RFC \d+")
#: Floors that speak the protocol: there a name comes from the standard, or is one of ours below.
SPEAKING = ("core", "operations", "blocking", "aio")
#: What the standard has no word for: how bytes flow, and who runs whom.
OURS = {
    "nbdicom.aio.driver", "nbdicom.aio.memory", "nbdicom.aio.opening", "nbdicom.aio.wire", "nbdicom.aio.worker",
    "nbdicom.blocking.attending",
    "nbdicom.blocking.driver", "nbdicom.blocking.interrupt", "nbdicom.blocking.listener", "nbdicom.blocking.turns",
    "nbdicom.blocking.wire",
    "nbdicom.core.streams", "nbdicom.operations.effects", "nbdicom.operations.requests.Codec",
    "nbdicom.core.association.Invocation",
}  # fmt: skip
#: Methods of an association that send nothing of a service.
SILENT = {"is_alive", "to_frame", "listen", "wait_until_served", "drop"}


def public(name: str) -> Iterator[tuple[str, Any]]:
    """The public names that a module defines itself."""
    module = importlib.import_module(name)
    for word in getattr(module, "__all__", ()):
        thing = getattr(module, word)
        if (inspect.isclass(thing) or inspect.isfunction(thing)) and thing.__module__ == name:
            yield word, thing


def members(thing: Any) -> Iterator[tuple[str, Any]]:
    """The public methods and properties that a class defines itself; what a variable of the class holds is no method."""
    if inspect.isclass(thing):
        for word, value in vars(thing).items():
            if word.startswith("_") or getattr(value, "__name__", "") == "<lambda>":
                continue
            if inspect.isfunction(value) or isinstance(value, property):
                yield word, value


@pytest.mark.parametrize("name", every_module())
def test_every_method_is_explained(name: str) -> None:
    for word, thing in public(name):
        for member, value in members(thing):
            assert inspect.getdoc(value), f"{name}.{word}.{member} has no docstring"


@pytest.mark.parametrize("name", [name for name in every_module() if name.split(".")[1] in SPEAKING])
def test_what_speaks_the_protocol_names_the_standard(name: str) -> None:
    module = importlib.import_module(name)
    if name in OURS or SECTION.search(module.__doc__ or ""):
        return
    for word, thing in public(name):
        if f"{name}.{word}" not in OURS:
            assert SECTION.search(inspect.getdoc(thing) or ""), f"{name}.{word} names no section of the standard"


@pytest.mark.parametrize("association", [nbdicom.Association, aio.Association], ids=["blocking", "asyncio"])
def test_every_service_names_its_section(association: type) -> None:
    for word, value in members(association):
        if inspect.isfunction(value) and word not in SILENT:
            assert SECTION.search(inspect.getdoc(value) or ""), word


def front_door() -> list[tuple[str, Any]]:
    found = []
    for where, module in (("nd", nbdicom), ("aio", aio)):
        for word in module.__all__:
            thing = getattr(module, word)
            if inspect.isfunction(thing):
                found.append((f"{where}.{word}", thing))
            elif inspect.isclass(thing):
                found += [(f"{where}.{word}.{member}", value) for member, value in members(thing)]
    return found


def classes() -> list[Any]:
    """What people make themselves: not what `associate` makes, nor exceptions, whose root explains what they share."""
    things = {getattr(nbdicom, word) for word in nbdicom.__all__ if inspect.isclass(getattr(nbdicom, word))}
    made_elsewhere = {nbdicom.Association, nbdicom.Responses, nbdicom.UID}
    return sorted(
        (one for one in things - made_elsewhere if not issubclass(one, nbdicom.NbdicomError)),
        key=lambda one: one.__name__,
    )


@pytest.mark.parametrize("thing", classes(), ids=lambda thing: thing.__name__)
def test_parameters_of_a_class_are_named(thing: Any) -> None:
    """Whoever asks a notebook for help sees the docstring of the class, and no comment beside a field."""
    text = inspect.getdoc(thing) or ""
    if "those of `" not in text:
        for name in inspect.signature(thing).parameters:
            assert re.search(rf"\b{name}\b", text), f"{thing.__name__} does not say what {name} is"


@pytest.mark.parametrize(("name", "thing"), front_door(), ids=[name for name, _ in front_door()])
def test_parameters_of_the_front_door_are_named(name: str, thing: Any) -> None:
    """A parameter stands in the docstring, by name; the private ones and those of properties do not count."""
    if not inspect.isfunction(thing) or "those of `" in (inspect.getdoc(thing) or ""):
        return
    text = inspect.getdoc(thing) or ""
    for parameter in inspect.signature(thing).parameters.values():
        if parameter.name not in ("self", "cls", "kind", "error", "traceback") and not parameter.name.startswith("_"):
            assert re.search(rf"\b{parameter.name}\b", text), f"{name} does not say what {parameter.name} is"
            assert parameter.annotation is not inspect.Parameter.empty, f"{name}: {parameter.name} has no type"
