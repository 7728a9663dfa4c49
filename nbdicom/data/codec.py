"""Whole data sets through pydicom: Dataset to bytes and back, and what may be re-encoded without loss (PS3.5 Annex A)."""

from __future__ import annotations

import array
import zlib
from collections.abc import Iterable, Iterator, Mapping
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

from nbdicom.config import Limits
from nbdicom.core.streams import Buffer
from nbdicom.data.elements import UNDEFINED
from nbdicom.data.flat import encode_elements
from nbdicom.data.unseen import unseen
from nbdicom.data.values import encodings_of
from nbdicom.errors import DataSetError
from nbdicom.uids import UID, TransferSyntax, transfer_syntax
from nbdicom.vr import ENCODED, TEXT

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["Codec", "codec", "deflate", "inflate", "inflated"]

_FREE = 1 << 20  #: bytes that any deflated data set may become, whatever the ratio


def inflated(chunks: Iterable[Buffer], limits: Limits, most: int) -> Iterator[bytes]:
    """Undo the deflation of a data set (PS3.5 A.5), in pieces of at most *most* bytes.

    A few kB could become gigabytes, so there are two bounds.

    Raises
    ------
    DataSetError
        If it is not deflated or would grow beyond `Limits.inflated` or `Limits.inflation_ratio`.
    """
    machine = zlib.decompressobj(-zlib.MAX_WBITS)
    taken = given = 0
    try:
        for chunk in chunks:
            taken += len(chunk)
            limit = min(limits.inflated, max(_FREE, taken * limits.inflation_ratio))
            rest = chunk
            while rest and not machine.eof:
                piece = machine.decompress(rest, min(most, limit + 1 - given))
                rest = machine.unconsumed_tail
                given += len(piece)
                if given > limit:
                    raise DataSetError(f"a deflated data set that grows beyond {limit} bytes")
                yield piece
        if end := machine.flush():
            yield end
    except zlib.error as error:
        raise DataSetError("the deflated data set is damaged") from error
    if not machine.eof:
        raise DataSetError("the deflated data set is cut off")


def inflate(data: Buffer, limits: Limits | None = None) -> bytes:
    """A whole data set, as `inflated`."""
    limits = limits or Limits()
    return b"".join(inflated([data], limits, limits.inflated + 1))


def deflate(data: bytes) -> bytes:
    """Deflate a data set (PS3.5 A.5), padded to an even length."""
    machine = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    deflated = machine.compress(data) + machine.flush()
    return deflated + b"\0" if len(deflated) & 1 else deflated


class Codec:
    """What operations are given to encode and decode data sets; it has no state."""

    def encode(self, value: Any, transfer_syntax: str) -> bytes:
        """Encode *value* in *transfer_syntax*.

        Parameters
        ----------
        value : Dataset, mapping or bytes
            A mapping has keywords (or tags) and values; bytes are taken as they are.
        transfer_syntax : str
            A transfer syntax that is not encapsulated, or that of the Dataset itself.

        Raises
        ------
        DataSetError
            If it cannot be encoded.
        """
        if isinstance(value, bytes | bytearray | memoryview):
            return bytes(value)
        if isinstance(value, Mapping):
            return encode_elements(value, transfer_syntax)
        return _encode_dataset(value, transfer_syntax)

    def decode(self, data: bytes | memoryview, transfer_syntax: str) -> Dataset:
        """The pydicom Dataset of *data*; values are converted when they are looked at.

        Raises
        ------
        DataSetError
            If the bytes are not a data set in this transfer syntax.
        """
        from pydicom.filereader import read_dataset

        facts = _facts(transfer_syntax)
        raw = inflate(data) if facts.deflated else data
        try:
            dataset = read_dataset(BytesIO(raw), facts.implicit_vr, not facts.big_endian)
        except RecursionError:
            raise DataSetError("the bytes are a data set that is nested too deep") from None
        except Exception as error:  # pydicom raises many kinds for bytes that make no sense
            raise DataSetError(f"the bytes are no data set in {facts.name}: {type(error).__name__}") from error
        dataset.set_original_encoding(facts.implicit_vr, not facts.big_endian)
        return dataset

    def convertible(self, source: str, target: str) -> bool:
        """Whether a data set in *source* may be sent in *target* without losing anything."""
        return source == target or any(source in group and target in group for group in _SAME_CONTENT)

    def instance(self, item: Any) -> Any:
        """A `StorableInstance` from a path, a Dataset, or what is one already."""
        from nbdicom.data.source import instance

        return instance(item)


_ROOT = "1.2.840.10008.1.2"
#: Transfer syntaxes that differ in the encoding of elements alone: native pixel data, and the two kinds of references.
_SAME_CONTENT = (
    frozenset((_ROOT, f"{_ROOT}.1", f"{_ROOT}.1.99", f"{_ROOT}.2")),
    frozenset((f"{_ROOT}.4.94", f"{_ROOT}.4.95")),
    frozenset((f"{_ROOT}.4.204", f"{_ROOT}.4.205")),
)

codec: Final = Codec()


def _facts(uid: str) -> TransferSyntax:
    """What the registry says of a transfer syntax; a private one counts as encapsulated, so nobody touches it."""
    return transfer_syntax(uid) or TransferSyntax(UID(uid), "", str(uid), False)


def _body(dataset: Dataset, *, implicit_vr: bool, big_endian: bool) -> Dataset:
    """What of a Dataset is a data set; if it was read, as it has to be in the encoding that is wanted."""
    from pydicom.dataset import Dataset
    from pydicom.filewriter import correct_ambiguous_vr
    from pydicom.tag import BaseTag

    body = dataset
    tags = list(map(BaseTag, dataset.keys()))  # people give plain numbers, which pydicom keeps as they are
    if any(tag.group in (0x0000, 0x0002) or tag.element == 0 for tag in tags):
        # Command and file meta groups are no part of a data set, group lengths are retired (PS3.5 7.2).
        body = Dataset({tag: dataset.get_item(tag) for tag in tags if tag.group > 2 and tag.element})
        implicit, little_endian = dataset.original_encoding
        body.set_original_encoding(implicit, little_endian, dataset.original_character_set)
    if body.original_encoding[1] is None and not big_endian:
        return body
    carried = _carried(body, ("",), implicit_vr=implicit_vr, big_endian=big_endian)
    return correct_ambiguous_vr(carried, not big_endian)  # of what was set since it was read


def _encode_dataset(dataset: Dataset, transfer_syntax: str) -> bytes:
    from pydicom.dataset import Dataset
    from pydicom.filebase import DicomBytesIO
    from pydicom.filewriter import write_dataset

    if not isinstance(dataset, Dataset):
        raise DataSetError(
            f"a {type(dataset).__name__} cannot be encoded as a data set", hint="pass a Dataset, a mapping or bytes"
        )
    facts = _facts(transfer_syntax)
    file = DicomBytesIO()
    file.is_little_endian = not facts.big_endian
    file.is_implicit_VR = facts.implicit_vr
    try:
        with unseen():
            write_dataset(file, _body(dataset, implicit_vr=facts.implicit_vr, big_endian=facts.big_endian))
    except Warning as lost:
        raise DataSetError(
            "the Dataset has text that is not in its Specific Character Set",
            hint="dataset.SpecificCharacterSet = 'ISO_IR 192' is UTF-8, which has everything",
        ) from lost
    except Exception as error:  # a value that does not fit its VR shows in many ways, and as soon as it is looked at
        raise DataSetError(f"the Dataset cannot be encoded in {facts.name}: {type(error).__name__}") from error
    encoded = file.getvalue()
    return deflate(encoded) if facts.deflated else encoded


# ------------------------------------------------------------------------------- from one encoding into another

#: Value representations whose values pydicom leaves as bytes, and the words of which these bytes are (PS3.5 6.2, 7.3).
_WORDS = {"OW": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8}


def _carried(dataset: Dataset, inherited: tuple[str, ...], *, implicit_vr: bool, big_endian: bool) -> Dataset:
    """A copy of a data set for another encoding, in which what nobody has looked at stays the bytes that it is.

    pydicom would decode text and encode it anew.  What is not in the character set that the data set names, and half of
    what is in ISO_IR 13, would be U+FFFD or question marks then, for ever and without a word.  Numbers are numbers to it;
    streams of words are bytes, and would be written in the byte order in which they were read.
    """
    from pydicom import Dataset, Sequence
    from pydicom.dataelem import RawDataElement

    result = Dataset()
    swap = (dataset.original_encoding[1] is False) != big_endian
    named = dataset.get("SpecificCharacterSet")
    names = inherited if named is None else (named,) if isinstance(named, str) else tuple(named)
    before = dataset.original_character_set
    same_charset = encodings_of(names) == ((before,) if isinstance(before, str) else tuple(before))
    for tag in sorted(dataset.keys()):
        raw: Any = dataset.get_item(tag)
        if isinstance(raw, RawDataElement) and raw.value is not None:
            vr = _vr_of(raw, dataset, swap)
            if vr != "SQ" and (vr in TEXT or not swap) and (vr not in ENCODED or same_charset):
                result[tag] = _even(raw, vr)
                continue
        element = dataset[tag]
        size = _word(element) if swap else 0
        if element.VR == "SQ":
            items = [_carried(item, names, implicit_vr=implicit_vr, big_endian=big_endian) for item in element.value]
            made = type(element)(element.tag, "SQ", Sequence(items))
            made.is_undefined_length = element.is_undefined_length
            element = made
        elif size and isinstance(element.value, bytes):
            element = type(element)(element.tag, element.VR, _swapped_words(element.value, size))
        result.add(element)
    # It says that it was read in the encoding in which it is written: pydicom writes bytes as they are, then.
    result.set_original_encoding(implicit_vr, not big_endian, result._character_set)
    result.is_undefined_length_sequence_item = getattr(dataset, "is_undefined_length_sequence_item", False)
    return result


def _vr_of(raw: Any, dataset: Dataset, swap: bool) -> str:
    """The VR of an element that was not looked at; pydicom finds it, and looks, where it depends on others or is private."""
    from pydicom.datadict import dictionary_VR

    if raw.VR and (raw.VR != "UN" or not swap):  # UN is in the encoding that it came in, whatever that is
        return str(raw.VR)
    try:
        known = dictionary_VR(raw.tag)
    except KeyError:
        known = ""
    return known if known and " or " not in known and not raw.VR else str(dataset[raw.tag].VR)


def _even(raw: Any, vr: str) -> Any:
    """An element that was not looked at, with its VR and of even length (PS3.5 7.1.1)."""
    value = raw.value
    if raw.length == UNDEFINED:  # fragments, each of which has a length of its own
        return raw._replace(VR=vr)
    if len(value) & 1:
        value += b" " if vr in TEXT and vr != "UI" else b"\0"
    return raw._replace(VR=vr, value=value, length=len(value))


def _word(element: Any) -> int:
    """How many bytes a word of this value has; 0 where there are no words."""
    if " or " not in element.VR:
        return _WORDS.get(element.VR, 0)
    # Ambiguous in Implicit VR, where pixel data are OW (PS3.5 A.1); tables are words in any case.
    return 2 if "OW" in element.VR else 0


def _swapped_words(value: bytes, size: int) -> bytes:
    whole = len(value) // size * size
    words = array.array({2: "H", 4: "I", 8: "Q"}[size], value[:whole])
    words.byteswap()
    return words.tobytes() + value[whole:]
