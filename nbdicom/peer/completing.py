"""Tab in a notebook: the keywords that a query may have, and the levels, where a call of a peer is being typed.

IPython completes names and parameters by itself; that ``pacs.studies(Pat`` may go on as ``PatientName=`` only we know.
Nothing is imported for it: where there is no IPython nothing happens.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from nbdicom.peer.query import LEVEL_OF_KEY, UNIQUE_KEYS, Level
from nbdicom.shell import running_shell

__all__ = ["keywords_for", "register", "values_for"]

_LEVELS = {
    "find": None, "patients": Level.PATIENT, "studies": Level.STUDY, "series": Level.SERIES, "instances": Level.IMAGE,
    "worklist": None,
}  # fmt: skip
_TRANSFERS = frozenset({"get", "move", "retrieve", "pull"})
_MIN = 3  #: letters from which on the whole data dictionary is looked through
_STRING = re.compile(r"'''.*?'''|\"\"\".*?\"\"\"|'(?:\\.|[^'\\\n])*'|\"(?:\\.|[^\"\\\n])*\"|#[^\n]*", re.S)
_CALL = re.compile(r"\.\s*(\w+)\s*\Z")
_WORD = re.compile(r"\w*\Z")
_OPEN_STRING = re.compile(r"\.\s*find\s*\(\s*(['\"])(\w*)\Z")


def register(shell: Any = None) -> None:
    """Have the running IPython ask us, too; a second time nothing happens."""
    matchers = getattr(getattr(shell or running_shell(), "Completer", None), "custom_matchers", None)
    if matchers is None or any(getattr(one, "__name__", "") == _matcher.__name__ for one in matchers):
        return
    from IPython.core.completer import context_matcher

    matchers.append(context_matcher(identifier="nbdicom.keywords")(_matcher))


def _matcher(context: Any) -> Any:
    lines = context.full_text.split("\n")
    before = "\n".join([*lines[: context.cursor_line], context.line_with_cursor[: context.cursor_position]])
    from IPython.core.completer import SimpleCompletion

    found = [SimpleCompletion(text=text, type="param") for text in (*values_for(before), *keywords_for(before))]
    return {"completions": found, "matched_fragment": _fragment(before), "suppress": bool(found)}


def _fragment(before: str) -> str:
    found = _WORD.search(before)
    return found[0] if found else ""


def keywords_for(before: str) -> list[str]:
    """How the keyword that is being typed at the end of *before* may go on, with its equals sign.

    Examples
    --------
    >>> keywords_for("pacs.studies(limit=5, PatientNa")
    ['PatientName=']
    >>> keywords_for("pacs.get(Ser")
    ['SeriesInstanceUID=']
    >>> keywords_for("print(PatientN")
    []
    """
    call = _open_call(before)
    if call is None:
        return []
    name, given = call
    word = _fragment(before)
    if re.search(r"=\s*\w*\Z|['\"]", given) or not word[:1].isalpha():  # a value, within a string, or nothing yet
        return []
    if name in _TRANSFERS:
        candidates: Iterator[str] = iter(UNIQUE_KEYS.values())
    elif name in _LEVELS:
        candidates = _keywords(_LEVELS[name], word)
    else:
        return []
    used = set(re.findall(r"(\w+)\s*=", given))
    fits = [one for one in dict.fromkeys(candidates) if one.lower().startswith(word.lower()) and one not in used]
    return [f"{one}=" for one in fits]


def values_for(before: str) -> list[str]:
    """The levels, within the first string of ``find("``.

    Examples
    --------
    >>> values_for('pacs.find("s')
    ['STUDY', 'SERIES']
    """
    found = _OPEN_STRING.search(before)
    return [] if found is None else [str(level) for level in Level if level.startswith(found[2].upper())]


def _keywords(level: Level | None, word: str) -> Iterator[str]:
    """Those of the level first, then those of the other ones, then all that begin like *word*."""
    yield from (keyword for keyword, at in LEVEL_OF_KEY.items() if level in (None, at))
    yield from LEVEL_OF_KEY
    if len(word) >= _MIN:
        from pydicom.datadict import keyword_dict

        yield from sorted(keyword for keyword in keyword_dict if keyword.lower().startswith(word.lower()))


def _open_call(before: str) -> tuple[str, str] | None:
    """The method whose parentheses are open at the end, and what stands in them so far; strings are left out."""
    bare = _STRING.sub(lambda found: "_" * len(found[0]), before)
    depth = 0
    for position in range(len(bare) - 1, -1, -1):
        letter = bare[position]
        if letter in ")]}":
            depth += 1
        elif letter in "([{":
            if depth == 0:
                found = _CALL.search(bare[:position]) if letter == "(" else None
                return (found[1], bare[position + 1 :]) if found else None
            depth -= 1
    return None
