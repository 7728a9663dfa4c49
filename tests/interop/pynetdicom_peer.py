"""pynetdicom in a process of its own, as an SCP or as an SCU; nothing of nbdicom is imported here.

    python pynetdicom_peer.py scp PORT AET FOLDER DESTINATIONS MAX_PDU
    python pynetdicom_peer.py scu OPERATION AET@HOST:PORT ARGUMENTS

An SCU prints one line of JSON: what it was answered.
"""

from __future__ import annotations

import json
import sys
from fnmatch import fnmatchcase
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_file_meta_info
from pydicom.uid import UID, AllTransferSyntaxes
from pynetdicom import AE, AllStoragePresentationContexts, build_role, evt
from pynetdicom.sop_class import (
    CTImageStorage,
    PatientRootQueryRetrieveInformationModelFind,
    PatientRootQueryRetrieveInformationModelGet,
    PatientRootQueryRetrieveInformationModelMove,
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
    Verification,
)

UNIQUE = {
    "PATIENT": "PatientID",
    "STUDY": "StudyInstanceUID",
    "SERIES": "SeriesInstanceUID",
    "IMAGE": "SOPInstanceUID",
}
MODELS = {
    "find": StudyRootQueryRetrieveInformationModelFind,
    "get": StudyRootQueryRetrieveInformationModelGet,
    "move": StudyRootQueryRetrieveInformationModelMove,
}
SYNTAXES = [str(uid) for uid in AllTransferSyntaxes]


# ------------------------------------------------------------------------------- SCP


class Archive:
    def __init__(self, folder: Path, destinations: dict[str, int]) -> None:
        self.folder = folder
        self.destinations = destinations

    def store(self, event):
        # The data set as it came: what we compare afterwards is bytes.
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = event.request.AffectedSOPClassUID
        meta.MediaStorageSOPInstanceUID = event.request.AffectedSOPInstanceUID
        meta.TransferSyntaxUID = event.context.transfer_syntax
        head = DicomBytesIO()
        head.write(bytes(128) + b"DICM")
        write_file_meta_info(head, meta, enforce_standard=True)
        name = f"{event.request.AffectedSOPInstanceUID}.dcm"
        (self.folder / name).write_bytes(head.getvalue() + event.request.DataSet.getvalue())
        return 0x0000

    def objects(self):
        for path in sorted(self.folder.iterdir()):
            yield dcmread(path)

    def matching(self, identifier):
        for ds in self.objects():
            if all(_matches(elem, ds) for elem in identifier):
                yield ds

    def find(self, event):
        identifier = event.identifier
        level = identifier.QueryRetrieveLevel
        seen = set()
        for ds in self.matching(identifier):
            key = ds[UNIQUE[level]].value
            if key in seen:
                continue
            seen.add(key)
            answer = Dataset()
            if "SpecificCharacterSet" in ds:
                answer.SpecificCharacterSet = ds.SpecificCharacterSet
            answer.QueryRetrieveLevel = level
            for elem in identifier:
                if elem.tag in ds:
                    answer[elem.tag] = ds[elem.tag]
                elif elem.tag not in answer:
                    answer.add_new(elem.tag, elem.VR, None)
            if event.is_cancelled:
                yield 0xFE00, None
                return
            yield 0xFF00, answer

    def get(self, event):
        found = list(self.matching(event.identifier))
        yield len(found)
        for ds in found:
            if event.is_cancelled:
                yield 0xFE00, None
                return
            yield 0xFF00, ds

    def move(self, event):
        port = self.destinations.get(event.move_destination.strip())
        if port is None:
            yield None, None
            return
        found = list(self.matching(event.identifier))
        classes = {(ds.SOPClassUID, ds.file_meta.TransferSyntaxUID) for ds in found}
        from pynetdicom import build_context

        contexts = [build_context(sop_class, syntax) for sop_class, syntax in classes]
        yield "127.0.0.1", port, {"contexts": contexts, "ae_title": event.move_destination.strip()}
        yield len(found)
        for ds in found:
            yield 0xFF00, ds


def _matches(elem, ds):
    if elem.keyword in ("QueryRetrieveLevel", "SpecificCharacterSet") or elem.is_empty:
        return True
    if elem.tag not in ds:
        return True  # a key that is no attribute of the object (a count, say) does not match on anything
    wanted, value = elem.value, ds[elem.tag].value
    if elem.VR == "UI":
        return value in ([wanted] if isinstance(wanted, str) else list(wanted))
    if elem.VR in ("DA", "TM") and "-" in str(wanted):
        low, _, high = str(wanted).partition("-")
        return (not low or low <= value) and (not high or value <= high)
    return fnmatchcase(str(value), str(wanted))


def serve(port: int, ae_title: str, folder: Path, destinations: dict[str, int], max_pdu: int) -> None:
    ae = AE(ae_title)
    ae.maximum_pdu_size = max_pdu
    ae.require_called_aet = True
    ae.add_supported_context(Verification)
    for uid in (
        PatientRootQueryRetrieveInformationModelFind,
        PatientRootQueryRetrieveInformationModelGet,
        PatientRootQueryRetrieveInformationModelMove,
        *MODELS.values(),
    ):
        ae.add_supported_context(uid)
    for context in AllStoragePresentationContexts:
        ae.add_supported_context(context.abstract_syntax, SYNTAXES, scu_role=True, scp_role=True)
    archive = Archive(folder, destinations)
    handlers = [
        (evt.EVT_C_ECHO, lambda event: 0x0000),
        (evt.EVT_C_STORE, archive.store),
        (evt.EVT_C_FIND, archive.find),
        (evt.EVT_C_GET, archive.get),
        (evt.EVT_C_MOVE, archive.move),
    ]
    ae.start_server(("127.0.0.1", port), block=True, evt_handlers=handlers)


# ------------------------------------------------------------------------------- SCU


def call(operation: str, address: str, arguments: dict) -> dict:
    called, _, where = address.partition("@")
    host, _, port = where.rpartition(":")
    ae = AE(arguments.get("calling", "PYNETSCU"))
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = 20
    received: list[dict] = []
    handlers, negotiation = [], []
    if operation == "echo":
        ae.add_requested_context(Verification)
    elif operation == "store":
        sets = [dcmread(path) for path in arguments["files"]]
        for sop_class, syntax in {(ds.SOPClassUID, ds.file_meta.TransferSyntaxUID) for ds in sets}:
            ae.add_requested_context(sop_class, syntax)
    else:
        ae.add_requested_context(MODELS[operation])
    if operation == "get":
        folder = Path(arguments["folder"])

        def on_store(event):
            name = f"{event.request.AffectedSOPInstanceUID}.dcm"
            (folder / name).write_bytes(event.encoded_dataset())
            received.append(name)
            return arguments.get("answer", 0x0000)

        handlers = [(evt.EVT_C_STORE, on_store)]
        for uid in arguments.get("classes", [CTImageStorage]):
            ae.add_requested_context(uid, arguments.get("syntaxes", SYNTAXES[:2]))
            negotiation.append(build_role(UID(uid), scp_role=True))
    options = {"max_pdu": arguments["max_pdu"]} if "max_pdu" in arguments else {}
    assoc = ae.associate(host, int(port), ae_title=called, evt_handlers=handlers, ext_neg=negotiation, **options)
    if not assoc.is_established:
        primitive = assoc.acceptor.primitive
        names = ("result", "result_source", "diagnostic")
        rejected = [getattr(primitive, name, None) for name in names] if assoc.is_rejected else None
        return {"established": False, "rejected": rejected}
    report = {
        "established": True,
        "maximum_length": assoc.acceptor.maximum_length,
        "implementation": assoc.acceptor.implementation_class_uid,
        "version": assoc.acceptor.implementation_version_name,
        "accepted": len(assoc.accepted_contexts),
        "refused": len(assoc.rejected_contexts),
        "statuses": [],
        "identifiers": [],
        "counts": [],
        "received": received,
    }
    try:
        if operation == "echo":
            report["statuses"].append(assoc.send_c_echo().Status)
        elif operation == "store":
            report["statuses"] = [assoc.send_c_store(ds).Status for ds in sets]
        else:
            identifier = Dataset()
            for keyword, value in arguments["identifier"].items():
                setattr(identifier, keyword, value)
            if operation == "find":
                answers = assoc.send_c_find(identifier, MODELS["find"])
            elif operation == "get":
                answers = assoc.send_c_get(identifier, MODELS["get"])
            else:
                answers = assoc.send_c_move(identifier, arguments["destination"], MODELS["move"])
            for status, match in answers:
                report["statuses"].append(status.get("Status"))
                report["counts"].append(
                    [
                        status.get(name)
                        for name in (
                            "NumberOfRemainingSuboperations",
                            "NumberOfCompletedSuboperations",
                            "NumberOfFailedSuboperations",
                            "NumberOfWarningSuboperations",
                        )
                    ]
                )
                if match is not None:
                    report["identifiers"].append({elem.keyword: _plain(elem.value) for elem in match})
                if len(report["identifiers"]) == arguments.get("cancel_after"):
                    assoc.send_c_cancel(1, query_model=MODELS[operation])
            if "cancel_after" in arguments:
                ae2 = assoc.send_c_find(identifier, MODELS["find"])
                report["again"] = [status.get("Status") for status, _ in ae2]
    finally:
        assoc.release()
    report["released"] = assoc.is_released
    return report


def _plain(value):
    if value is None or isinstance(value, (int, float)):
        return value
    if isinstance(value, (list, tuple)) or type(value).__name__ == "MultiValue":
        return [_plain(item) for item in value]
    return str(value)


if __name__ == "__main__":
    if sys.argv[1] == "scp":
        serve(int(sys.argv[2]), sys.argv[3], Path(sys.argv[4]), json.loads(sys.argv[5]), int(sys.argv[6]))
    else:
        print(json.dumps(call(sys.argv[2], sys.argv[3], json.loads(sys.argv[4]))))
