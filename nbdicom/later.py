"""Names of a package that are imported from their modules when somebody first asks for them (PEP 562).

What is not asked for costs nothing: ``nbdicom echo`` is over before half of the package could have been loaded.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

__all__ = ["later"]


def later(package: str, where: Mapping[str, str]) -> Callable[[str], Any]:
    """The ``__getattr__`` of a package.

    Parameters
    ----------
    package : str
        Its name.
    where : mapping
        For each name the module that has it; ``"module:other"`` if it is called otherwise there.  A name that is the last
        part of its module's is the module.

    Raises
    ------
    AttributeError
        From the function, for any other name.

    Examples
    --------
    >>> later("nbdicom", {"servers": "nbdicom.running:running_table"})("servers").__name__
    'running_table'
    """

    def get(name: str) -> Any:
        if name not in where:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module_name, _, attribute = where[name].partition(":")
        module = import_module(module_name)
        value = module if module_name.rpartition(".")[2] == name else getattr(module, attribute or name)
        setattr(sys.modules[package], name, value)  # asked once
        return value

    return get
