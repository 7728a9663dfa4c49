"""The edge to pydicom: data sets from bytes and back, Part 10 files, sources and sinks (PS3.5, PS3.10).

`codec` is what operations are given.  `elements` finds elements in bytes and `values` says what theirs mean; from them
`columns` reads identifiers and `flat` writes them without making a Dataset, `nested` makes mappings of whole data sets,
and `placed` tells where everything stands.  `part10` knows what a file begins with, `lock` has a folder for one at a time;
`source` turns paths and Datasets into instances to be sent; `sink` writes what arrives.  pydicom is loaded by the first
function that needs it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbdicom.data.codec import Codec, codec
from nbdicom.data.columns import decode_columns
from nbdicom.data.elements import decode_elements
from nbdicom.data.flat import encode_elements
from nbdicom.data.values import check_character_set, tag_of
from nbdicom.later import later

if TYPE_CHECKING:
    from nbdicom.data.part10 import FileHeader, part10_header, read_header
    from nbdicom.data.sink import FolderSink, Part10Sink
    from nbdicom.data.source import DatasetInstance, FileSource, InstanceFile, Skipped, instance, scan

#: Where each is that has to do with files, loaded when it is asked for: not every association carries any.
_LATER = {
    "FileHeader": "nbdicom.data.part10",
    "part10_header": "nbdicom.data.part10",
    "read_header": "nbdicom.data.part10",
    "FolderSink": "nbdicom.data.sink",
    "Part10Sink": "nbdicom.data.sink",
    "DatasetInstance": "nbdicom.data.source",
    "FileSource": "nbdicom.data.source",
    "InstanceFile": "nbdicom.data.source",
    "Skipped": "nbdicom.data.source",
    "instance": "nbdicom.data.source",
    "scan": "nbdicom.data.source",
}

__all__ = [
    "Codec",
    "DatasetInstance",
    "FileHeader",
    "FileSource",
    "FolderSink",
    "InstanceFile",
    "Part10Sink",
    "Skipped",
    "check_character_set",
    "codec",
    "decode_columns",
    "decode_elements",
    "encode_elements",
    "instance",
    "part10_header",
    "read_header",
    "scan",
    "tag_of",
]

__getattr__ = later(__name__, _LATER)
