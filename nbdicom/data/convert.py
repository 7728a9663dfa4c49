"""One transfer syntax into another: what loses nothing on the fly, what decodes pixels only when somebody asks (PS3.5 A).

Deflating and inflating streams.  The other lossless conversions change the header of every element, so the data set is
read and written by pydicom; pixel data are decoded and encoded by pydicom's codecs and no others.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from nbdicom.config import Limits
from nbdicom.core.streams import Buffer, BytesSource, DataSource
from nbdicom.data.codec import codec, inflated
from nbdicom.data.unseen import unseen
from nbdicom.errors import DataSetError
from nbdicom.uids import UID, transfer_syntax

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = [
    "DeflatingSource",
    "InflatingSource",
    "Transcodable",
    "transcodable",
    "transcoded",
    "transcodings",
]

_PIECE = 1 << 18

_IMPLICIT, _EXPLICIT, _BIG = UID("1.2.840.10008.1.2"), UID("1.2.840.10008.1.2.1"), UID("1.2.840.10008.1.2.2")
_RLE, _JPEG_LS, _JPEG_2000 = "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.90"


class _Through:
    """A source whose bytes go through a machine, regrouped into chunks of the length that is asked for."""

    def __init__(self, source: DataSource) -> None:
        self._source = source

    def _pieces(self) -> Iterator[bytes]:
        raise NotImplementedError

    def _read(self) -> Iterator[Buffer]:
        for chunk, _ in self._source.chunks(_PIECE):
            yield chunk

    def chunks(self, size: int) -> Iterator[tuple[Buffer, bool]]:
        """Yield ``(view, is_last)``; the whole is of even length."""
        waiting = bytearray()
        for piece in self._pieces():
            waiting += piece
            while len(waiting) > size:
                yield bytes(waiting[:size]), False
                del waiting[:size]
        if len(waiting) & 1:
            waiting += b"\0"  # it is shorter than *size* then, which is even
        yield bytes(waiting), True

    def close(self) -> None:
        """Close the source."""
        self._source.close()


class DeflatingSource(_Through):
    """Explicit VR Little Endian, deflated while it is sent (PS3.5 A.5)."""

    def _pieces(self) -> Iterator[bytes]:
        machine = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        for chunk in self._read():
            yield machine.compress(chunk)
        yield machine.flush()


class InflatingSource(_Through):
    """A deflated data set, inflated while it is sent.

    Raises (while it is read)
    -------------------------
    DataSetError
        If it is damaged, or grows beyond `Limits.inflated` or `Limits.inflation_ratio`.
    """

    def __init__(self, source: DataSource, limits: Limits | None = None) -> None:
        super().__init__(source)
        self._limits = limits or Limits()

    def _pieces(self) -> Iterator[bytes]:
        return inflated(self._read(), self._limits, _PIECE)


# ------------------------------------------------------------------------------- pixel data


def transcodable(source: str, target: str) -> bool:
    """Whether pydicom, as it is installed here, can decode the pixel data of *source* and write them in *target*.

    Only lossless targets count: native ones, RLE, JPEG-LS and JPEG 2000 (lossless only).
    """
    from pydicom.pixels.decoders.base import get_decoder
    from pydicom.pixels.encoders.base import get_encoder

    reading, writing = transfer_syntax(source), transfer_syntax(target)
    if reading is None or writing is None or source == target:
        return source == target
    try:
        if reading.encapsulated and not get_decoder(source).is_available:
            return False
        if not writing.encapsulated:
            return target in (_EXPLICIT, _IMPLICIT, _BIG) or writing.keyword == "DeflatedExplicitVRLittleEndian"
        return target in (_RLE, _JPEG_LS, _JPEG_2000) and get_encoder(target).is_available
    except NotImplementedError:
        return False  # pydicom knows no codec for it at all


def transcodings(source: str) -> tuple[UID, ...]:
    """The transfer syntaxes into which a data set can be transcoded without losing anything, the simplest first."""
    candidates = (_EXPLICIT, _IMPLICIT, _RLE, _JPEG_LS, _JPEG_2000)
    return tuple(UID(target) for target in candidates if target != source and transcodable(source, target))


class Transcodable:
    """An instance whose pixel data may be decoded, and encoded anew, where the peer takes it in no other way.

    Parameters
    ----------
    instance : StorableInstance
        What is to be sent.  Where its own transfer syntax is accepted it goes as it is.
    """

    def __init__(self, instance: Any) -> None:
        self.instance = instance
        self.sop_class_uid: UID = instance.sop_class_uid
        self.sop_instance_uid: UID = instance.sop_instance_uid
        self.transfer_syntax: UID = instance.transfer_syntax
        self.path = getattr(instance, "path", None)

    @property
    def alternatives(self) -> tuple[UID, ...]:
        """What to propose beside its own transfer syntax."""
        return transcodings(self.transfer_syntax)

    def convertible(self, source: str, target: str) -> bool:
        """As `Codec.convertible`, with pixel data decoded and encoded."""
        return codec.convertible(source, target) or transcodable(source, target)

    def open(self, transfer_syntax: UID) -> DataSource:
        """The data set in *transfer_syntax*.

        Raises
        ------
        DataSetError, OSError
            If it cannot be read, decoded or encoded.
        """
        if codec.convertible(self.transfer_syntax, transfer_syntax):
            source: DataSource = self.instance.open(transfer_syntax)
            return source
        whole = self.instance.open(self.transfer_syntax)
        try:
            data = b"".join(bytes(chunk) for chunk, _ in whole.chunks(_PIECE))
        finally:
            whole.close()
        dataset = codec.decode(data, self.transfer_syntax)
        return BytesSource(codec.encode(transcoded(dataset, self.transfer_syntax, transfer_syntax), transfer_syntax))


def transcoded(dataset: Dataset, source: str, target: str) -> Dataset:
    """*dataset* with its pixel data decoded from *source* and, for an encapsulated *target*, encoded; it may be changed.

    Raises
    ------
    DataSetError
        If pydicom has no codec for it here, or the pixel data are damaged.
    """
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import UID as PydicomUID

    names = f"{UID(source).name} into {UID(target).name}"
    if not transcodable(source, target):
        raise DataSetError(
            f"pydicom cannot transcode {names} here", hint="its codecs are packages of their own, such as pylibjpeg"
        )
    if source == _BIG and PydicomUID(target).is_compressed:
        # pydicom would compress the bytes in the order that they have.
        dataset, source = codec.decode(codec.encode(dataset, _EXPLICIT), _EXPLICIT), _EXPLICIT
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = PydicomUID(source)
    try:
        with unseen():
            if "PixelData" in dataset and dataset.file_meta.TransferSyntaxUID.is_compressed:
                # YBR_FULL into RGB is rounded; the others are colours that only codecs have (PS3.3 C.7.6.3.1.2).
                as_rgb = dataset.get("PhotometricInterpretation") != "YBR_FULL"
                dataset.decompress(as_rgb=as_rgb, generate_instance_uid=False)
                for keyword in ("ExtendedOffsetTable", "ExtendedOffsetTableLengths"):  # of the frames as they were
                    if keyword in dataset:
                        del dataset[keyword]
            if "PixelData" in dataset and PydicomUID(target).is_compressed:
                _by_pixel(dataset)
                dataset.compress(target, generate_instance_uid=False)
    except Exception as error:  # pydicom and its plugins raise many kinds
        raise DataSetError(f"the pixel data cannot be transcoded from {names}: {type(error).__name__}") from error
    return dataset


def _by_pixel(dataset: Dataset) -> None:
    """Native colours pixel by pixel (PS3.3 C.7.6.3.1.3): pydicom takes planes for that when it compresses them."""
    samples = dataset.get("SamplesPerPixel")
    if samples != 3 or dataset.get("PlanarConfiguration") != 1:
        return
    plane = dataset.Rows * dataset.Columns * dataset.BitsAllocated // 8
    width, frame = dataset.BitsAllocated // 8, plane * samples
    data = dataset.PixelData
    ordered = bytearray(data)
    for start in range(0, len(data) // frame * frame, frame):
        for sample in range(samples):
            for part in range(width):
                values = data[start + sample * plane + part : start + (sample + 1) * plane : width]
                ordered[start + sample * width + part : start + frame : samples * width] = values
    dataset.PixelData, dataset.PlanarConfiguration = bytes(ordered), 0
