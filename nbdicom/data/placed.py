"""Where every element of a data set stands in its bytes, sequences and their items included (PS3.5 section 7).

For views that show bytes and for the redaction of transcripts; whoever wants values asks `nested` or pydicom.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from nbdicom.config import Limits
from nbdicom.data.elements import CHARACTER_SET, ITEM, ITEM_END, SEQUENCE_END, UNDEFINED, element_head, undefined_end
from nbdicom.data.values import Charset, plan_of, value_of
from nbdicom.errors import DataSetError
from nbdicom.uids import transfer_syntax as registered
from nbdicom.vr import is_private_creator, tag_text

__all__ = ["PlacedElement", "placed_elements"]

_LIMITS = Limits()


class PlacedElement(NamedTuple):
    """One element, item or delimiter: the offsets of its head, its value and its end."""

    start: int
    value: int
    stop: int
    depth: int
    tag: int
    vr: str  #: from the dictionary where the encoding is implicit; "" for items and delimiters
    keyword: str  #: ``gggg,eeee`` where there is none
    shown: Any  #: the value, decoded; None for what holds other elements, the bytes for what is not text or numbers
    cut: bool = False  #: the bytes end before it does

    @property
    def holds_others(self) -> bool:
        """True for what has no value of its own: a sequence, an item, encapsulated pixel data."""
        return self.shown is None and self.tag not in (ITEM_END, SEQUENCE_END)


def placed_elements(data: bytes, transfer_syntax: str, *, cut: bool = False) -> Iterator[PlacedElement]:
    """The elements of a data set in the order of their bytes; what holds others comes before them, one depth higher.

    Parameters
    ----------
    data : bytes
        The encoded data set, or its beginning.
    transfer_syntax : str
        A little endian one that is not deflated.
    cut : bool
        Whether only the beginning is there: the last element may pass the end then.

    Raises
    ------
    DataSetError
        Where the bytes are no data set, after the elements before that place; at once if the transfer syntax does not
        place elements at bytes, or not in this order.

    Examples
    --------
    >>> from nbdicom.data import encode_elements
    >>> raw = encode_elements({"PatientID": "4711"}, "1.2.840.10008.1.2.1")
    >>> [(e.keyword, e.vr, e.shown, raw[e.value : e.stop]) for e in placed_elements(raw, "1.2.840.10008.1.2.1")]
    [('PatientID', 'LO', '4711', b'4711')]
    """
    facts = registered(transfer_syntax)
    if facts is None:
        raise DataSetError("the transfer syntax is not known, so the elements cannot be told apart")
    if facts.converted:
        raise DataSetError(f"{facts.name} is not taken apart element by element")
    yield from _Walk(memoryview(data), cut).level(0, len(data), 0, facts.implicit_vr, 0)


class _Walk:
    """Through one data set."""

    def __init__(self, view: memoryview, cut: bool) -> None:
        self._view = view
        self._cut = cut
        self._charset = Charset(("",))

    def level(self, position: int, stop: int, depth: int, implicit: bool, until: int) -> Iterator[PlacedElement]:
        """The elements from *position* to *stop*, or to the delimiter *until*, which is the last one given."""
        if depth > 2 * _LIMITS.sequence_depth:
            raise DataSetError(f"sequences nested deeper than {_LIMITS.sequence_depth}")
        view = self._view
        while position < stop:
            if self._cut and position + 12 > len(view):
                return  # too little is left of it to say what it is
            tag, raw_vr, length, value = element_head(view, position, stop, implicit)
            if tag in (ITEM_END, SEQUENCE_END):
                yield PlacedElement(position, value, value, depth, tag, "", _keyword(tag), None)
                if tag == until:
                    return
                position = value
                continue
            plan = plan_of(tag)
            vr = raw_vr.decode("latin-1") or _implicit_vr(tag, plan.vr)
            inside_implicit = implicit or vr == "UN"
            cut = False
            if length == UNDEFINED:
                try:
                    end = undefined_end(
                        view, value, stop, inside_implicit, _LIMITS, _LIMITS.elements, _LIMITS.elements
                    )[1]
                except DataSetError:
                    if not self._cut:
                        raise
                    end, cut = len(view), True
                if vr == "UN":
                    vr = "SQ"  # of undefined length it is a sequence in implicit VR (PS3.5 6.2.2 note 4)
            else:
                end = value + length
                if end > stop:
                    if not self._cut:
                        raise DataSetError(f"element ({tag >> 16:04X},{tag & 0xFFFF:04X}) passes the end")
                    end, cut = len(view), True
            parts = vr == "SQ" or length == UNDEFINED
            shown = None if parts else value_of(view[value:end], vr, self._charset)
            if tag == CHARACTER_SET:
                self._charset = Charset.of({tag: (vr, view[value:end])}, None)
            if isinstance(shown, memoryview):
                shown = bytes(shown)
            yield PlacedElement(position, value, end, depth, tag, vr, plan.name, shown, cut)
            if parts:
                yield from self._items(value, end, depth + 1, inside_implicit, bulk=vr != "SQ")
            if cut:
                return
            position = end

    def _items(self, position: int, stop: int, depth: int, implicit: bool, *, bulk: bool) -> Iterator[PlacedElement]:
        """The items of a sequence, or the fragments of encapsulated pixel data (PS3.5 A.4)."""
        view = self._view
        while position < stop:
            if self._cut and position + 8 > len(view):
                return
            tag, _, length, value = element_head(view, position, stop, True)  # items have no VR
            if tag != ITEM:
                yield PlacedElement(position, value, value, depth, tag, "", _keyword(tag), None)
                position = value
                continue
            if length == UNDEFINED:
                inside = list(self.level(value, stop, depth + 1, implicit, ITEM_END))
                end = inside[-1].stop if inside else value
            else:
                end = value + length
                if end > stop and not self._cut:
                    raise DataSetError("an item passes the end of its sequence")
                end = min(end, stop)
                inside = [] if bulk else list(self.level(value, end, depth + 1, implicit, 0))
            shown = bytes(view[value:end]) if bulk else None
            yield PlacedElement(position, value, end, depth, tag, "OB" if bulk else "", _keyword(tag), shown)
            yield from inside
            position = end


def _implicit_vr(tag: int, known: str) -> str:
    """The VR of an element that does not say it, where the dictionary is not enough.

    A private creator is in no dictionary, and is LO (PS3.5 7.8.1); of what is OB or OW, as pixels are, implicit
    encoding has OW (PS3.5 A.1).
    """
    from pydicom.datadict import dictionary_VR

    if is_private_creator(tag):
        return "LO"
    return "OW" if known == "OB" and dictionary_VR(tag) == "OB or OW" else known


def _keyword(tag: int) -> str:
    return {ITEM: "Item", ITEM_END: "ItemDelimitationItem", SEQUENCE_END: "SequenceDelimitationItem"}.get(tag, tag_text(tag))
