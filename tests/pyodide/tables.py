"""What runs in the browser's Python with numpy and pandas: answers as DataFrames, pixels, and a retrieval from a table.

The acceptor's handlers are our own: this Pyodide has no sqlite3, which the embedded PACS needs, and its numpy stops at
temporary arrays of 256 KiB, which the sample objects need.  The PACS is tried by `program.py`, in another Pyodide.
"""

import json
import sys
import tempfile
from fnmatch import fnmatchcase

import numpy
import pydicom
from pydicom.uid import ExplicitVRLittleEndian

import nbdicom as nd

SC = "1.2.840.10008.5.1.4.1.1.7"
MODELS = ("StudyRootQueryRetrieveInformationModelFind", "StudyRootQueryRetrieveInformationModelGet")
UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")


def made(study, series, instance, **more):
    """A small object with pixels."""
    image = pydicom.Dataset()
    image.SOPClassUID, image.SOPInstanceUID = SC, f"1.2.3.{study}.{series}.{instance}"
    image.StudyInstanceUID, image.SeriesInstanceUID = f"1.2.3.{study}", f"1.2.3.{study}.{series}"
    for keyword, value in more.items():
        setattr(image, keyword, value)
    image.Rows = image.Columns = 64
    image.SamplesPerPixel, image.PhotometricInterpretation, image.PixelRepresentation = 1, "MONOCHROME2", 0
    image.BitsAllocated, image.BitsStored, image.HighBit = 16, 12, 11
    image.PixelData = (numpy.arange(64 * 64, dtype="<u2") % 4096 + instance).tobytes()
    image.file_meta = pydicom.dataset.FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return image


MARLOWE = {"PatientName": "Marlowe^Anna", "PatientID": "NB-0001"}
OBJECTS = [
    *(made(1, 1, number, StudyDate="20210111", Modality="CR", **MARLOWE) for number in range(2)),
    *(made(2, series, 1, StudyDate="11110302", Modality="CT", **MARLOWE) for series in range(1, 4)),
    made(3, 1, 1, PatientName="Köhler^Jürgen", SpecificCharacterSet="ISO_IR 192", PatientID="NB-0002"),
]


def asked_for(request):
    """The objects that have the UIDs and the name of the identifier."""
    keys = request.identifier()
    for one in OBJECTS:
        uids = [str(keys.get(word) or one[word].value).split("\\") for word in UIDS]
        name = str(keys.get("PatientName") or "*")
        if all(one[word].value in wanted for word, wanted in zip(UIDS, uids, strict=True)) and fnmatchcase(
            str(one.PatientName), name
        ):
            yield one


def find(request):
    """One answer for each study or series: what its first object says, and how many there are."""
    keys = request.identifier()
    level = keys.QueryRetrieveLevel.title()
    together = {}
    for one in asked_for(request):
        together.setdefault(one[f"{level}InstanceUID"].value, []).append(one)
    for group in together.values():
        answer = {element.keyword: group[0][element.keyword].value for element in keys if element.keyword in group[0]}
        yield {**answer, f"NumberOf{level}RelatedInstances": len(group)}


async def main():
    """All of it; the last line that is printed tells what came of it."""
    contexts = ["Verification", *MODELS, SC]
    told = {"platform": sys.platform}
    handlers = nd.Handlers(find=find, get=lambda request: list(asked_for(request)))
    with (
        tempfile.TemporaryDirectory() as folder,
        nd.serve(handlers, ae_title="ARCHIVE", contexts=contexts) as server,
    ):
        peer = nd.Peer(server)
        studies = peer.studies(PatientName="Marlowe*")
        told["types"] = [type(studies).__name__, str(studies.StudyDate.dtype), str(studies.PatientID.dtype)]
        told["dates"] = studies.StudyDate.dt.strftime("%Y%m%d").tolist()
        told["instances"] = int(studies.NumberOfStudyRelatedInstances.sum())
        series = studies.dicom.series(progress=False)
        counts = series.groupby("StudyInstanceUID").NumberOfSeriesRelatedInstances.sum()
        told["series"] = [len(series), counts.tolist()]
        result = series.dicom.get(to=folder, progress=False)
        told["got"] = [bool(result), len(result.paths)]
        told["table"] = sorted(set(result.to_frame().status))
        sent = {one.SOPInstanceUID: one.pixel_array for one in OBJECTS}
        came = map(pydicom.dcmread, result.paths)
        told["pixels"] = all((sent[one.SOPInstanceUID] == one.pixel_array).all() for one in came)
        awaited = await nd.AsyncPeer(server).studies(PatientName="Marlowe*")
        told["awaited"] = awaited.equals(studies)
        told["html"] = "<table" in peer.echo()._repr_html_() and "Marlowe" in studies._repr_html_()
    print(json.dumps(told))
