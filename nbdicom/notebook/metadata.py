"""The attributes of an object as a table that can be searched; sequences are part of it, pixel data is not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from nbdicom import privacy
from nbdicom.notebook.controls import Panel, html, text, widgets
from nbdicom.table import Table, counted
from nbdicom.vr import tag_text

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["Metadata", "attributes"]

_MOST_ROWS = 300
_LONGEST = 200  #: characters of a value


def attributes(dataset: Dataset, search: str = "") -> Table:
    """The attributes of an object: tag, keyword, VR and value, with those of sequences below their sequence.

    Parameters
    ----------
    dataset : Dataset
        The object.
    search : str
        Only rows that have this in their tag, keyword or value.

    Examples
    --------
    >>> from pydicom import Dataset
    >>> dataset = Dataset()
    >>> dataset.Modality = "CT"
    >>> print(attributes(dataset))
    1 attribute
    tag        attribute    VR    value
    ---------  -----------  ----  -------
    0008,0060  Modality     CS    CT
    """
    wanted = search.strip().lower()
    every = list(_rows(dataset, 0))
    rows = [row for row in every if not wanted or any(wanted in cell.lower() for cell in row)]
    notes = [f"... and {len(rows) - _MOST_ROWS} more"] if len(rows) > _MOST_ROWS else []
    title = f"{f'{len(rows)} of ' if wanted else ''}{counted(len(every), 'attribute')}"
    return Table(title, ("tag", "attribute", "VR", "value"), rows[:_MOST_ROWS], notes=notes)


def _rows(dataset: Dataset, depth: int) -> Iterator[tuple[str, str, str, str]]:
    for tag in sorted(dataset.keys()):
        name = tag_text(int(tag))
        if int(tag) == 0x7FE00010:
            continue
        try:
            element = dataset[tag]
            keyword = element.keyword or element.name
            indent = ">" * depth  # blanks would be folded in a notebook, and those that are not are escaped
            if element.VR == "SQ":
                yield indent + name, keyword, "SQ", counted(len(element.value), "item")
                if not (privacy.is_masked() and privacy.hides(element.keyword or name)):
                    for item in element.value:
                        yield from _rows(item, depth + 1)
            else:
                shown = str(privacy.shown(element.keyword or name, _text(element.value), element.VR))
                yield indent + name, keyword, element.VR, shown
        except Exception as error:  # pydicom raises what its converters raise; one bad value hides no other
            yield name, "", "", f"cannot be read: {type(error).__name__}"


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    # Not whatever can be gone through: a person's name can, letter by letter.
    words = ", ".join(map(str, value)) if isinstance(value, Sequence) and not isinstance(value, str) else str(value)
    return words if len(words) <= _LONGEST else words[: _LONGEST - 1] + "\N{HORIZONTAL ELLIPSIS}"


class Metadata(Panel):
    """A table of attributes with a search box."""

    _instead = "print(dataset)"

    def __init__(self, dataset: Dataset | None = None) -> None:
        super().__init__()
        w = widgets(self._instead)
        self._dataset = dataset
        self.search = text("Search", "tag, keyword or value", width="320px")
        self.search.observe(lambda _: self._fill(), "value")
        self._table = html()
        self._show(self.search, w.VBox([self._table], layout={"max_height": "420px", "overflow": "auto"}))
        self._fill()

    @property
    def dataset(self) -> Dataset | None:
        """The object that is described."""
        return self._dataset

    @dataset.setter
    def dataset(self, dataset: Dataset | None) -> None:
        self._dataset = dataset
        self._fill()

    def _fill(self) -> None:
        self._table.value = "" if self._dataset is None else attributes(self._dataset, self.search.value)._repr_html_()
