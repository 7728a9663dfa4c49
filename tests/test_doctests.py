"""The examples in the docstrings run and say the truth."""

import doctest
import importlib

import pytest

from .test_architecture import every_module


@pytest.mark.parametrize("name", every_module())
def test_examples(name: str) -> None:
    module = importlib.import_module(name)
    failed, _ = doctest.testmod(module, optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    assert failed == 0
