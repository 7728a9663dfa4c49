"""The edge to pydicom: data sets from bytes and back, Part 10 files, sources and sinks (PS3.5, PS3.10).

`codec` is what operations are given.  `elements` finds elements in bytes and `values` says what theirs mean; from them
`columns` reads identifiers and `flat` writes them without making a Dataset, `nested` makes mappings of whole data sets,
and `placed` tells where everything stands.  `part10` knows what a file begins with; `source` turns paths and Datasets into
instances to be sent; `sink` writes what arrives.  pydicom is loaded by the first function that needs it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from nbdicom.data.codec import Codec, codec
from nbdicom.data.columns import decode_columns
from nbdicom.data.elements import decode_elements
from nbdicom.data.flat import encode_elements
from nbdicom.data.values import check_character_set, tag_of

if TYPE_CHECKING:
    from nbdicom.data.part10 import FileHeader, part10_header, read_header
    from nbdicom.data.sink import FolderSink, Part10Sink
    from nbdicom.data.source import DatasetInstance, FileSource, InstanceFile, Skipped, instance, scan

#: Where each is that has to do with files, loaded when it is asked for: not every association carries any.
_LATER = {
    "FileHeader": "part10",
    "part10_header": "part10",
    "read_header": "part10",
    "FolderSink": "sink",
    "Part10Sink": "sink",
    "DatasetInstance": "source",
    "FileSource": "source",
    "InstanceFile": "source",
    "Skipped": "source",
    "instance": "source",
    "scan": "source",
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


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'nbdicom.data' has no attribute {name!r}")
    value = getattr(import_module(f"nbdicom.data.{_LATER[name]}"), name)
    globals()[name] = value
    return value
