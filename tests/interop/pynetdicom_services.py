"""pynetdicom for every service beyond Storage and the two Q/R models, in a process of its own; no nbdicom in here.

    python pynetdicom_services.py scp PORT AET DESTINATIONS
    python pynetdicom_services.py scu AET@HOST:PORT < CALLS

Both roles are as plain as can be: an SCP answers with what it was sent, so that a test can tell whether everything went
through; an SCU makes the calls that it reads as JSON and prints what it was answered.
"""

from __future__ import annotations

import json
import sys
import threading

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid
from pynetdicom import AE, build_context, build_role, evt

COMMITMENT = "1.2.840.10008.1.20.1"


def dataset(values: dict) -> Dataset:
    ds = Dataset()
    for keyword, value in values.items():
        setattr(ds, keyword, value)
    return ds


def plain(ds: Dataset | None) -> dict:
    return {} if ds is None else {elem.keyword: str(elem.value) for elem in ds}


def instance(sop_class: str, sop_instance: str) -> Dataset:
    """Something to be stored."""
    ds = dataset({"SOPClassUID": sop_class, "SOPInstanceUID": sop_instance, "PatientID": "interop"})
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return ds


# ------------------------------------------------------------------------------- SCP


class Echo:
    """Answers with what it gets; keeps what is created."""

    def __init__(self, destinations: dict[str, int]) -> None:
        self.created: dict[str, Dataset] = {}
        self.destinations = destinations

    def n_create(self, event):
        uid = event.request.AffectedSOPInstanceUID
        answer = Dataset()
        answer.update(event.attribute_list)
        if not uid:
            uid = generate_uid()
            answer.AffectedSOPInstanceUID = uid  # pynetdicom's way to assign one
        self.created[uid] = event.attribute_list
        return 0x0000, answer

    def n_get(self, event):
        answer = dataset({"InstanceCreatorUID": event.request.RequestedSOPInstanceUID, "PatientID": "interop"})
        tags = event.attribute_identifiers
        if tags:
            answer.PatientComments = ",".join(f"{int(tag):08X}" for tag in tags)
        return 0x0000, answer

    def n_set(self, event):
        return 0x0000, event.modification_list

    def n_action(self, event):
        answer = Dataset()
        answer.update(event.action_information)
        answer.PatientComments = str(event.action_type)
        if event.request.RequestedSOPClassUID == COMMITMENT:
            # The report comes on the same association, after the response.
            threading.Thread(target=self.report, args=(event.assoc, answer)).start()
        return 0x0000, answer

    def report(self, assoc, information):
        assoc.send_n_event_report(information, 1, COMMITMENT, UID(COMMITMENT + ".1"))

    def n_event_report(self, event):
        answer = Dataset()
        answer.update(event.event_information)
        answer.PatientComments = str(event.event_type)
        return 0x0000, answer

    def n_delete(self, event):
        return 0x0000 if event.request.RequestedSOPInstanceUID.startswith("1.2.3") else 0x0112

    def find(self, event):
        identifier = event.identifier
        for number in range(int(identifier.get("NumberOfStudyRelatedInstances") or 1)):
            answer = Dataset()
            answer.update(identifier)
            answer.PatientID = f"match {number}"
            answer.PatientComments = event.request.AffectedSOPClassUID
            yield 0xFF00, answer

    def get(self, event):
        wanted = event.identifier.SOPInstanceUID
        yield 1
        yield 0xFF00, instance(event.identifier.SOPClassesInStudy, wanted)

    def move(self, event):
        port = self.destinations.get(event.move_destination.strip())
        if port is None:
            yield None, None
            return
        sop_class = event.identifier.SOPClassesInStudy
        yield "127.0.0.1", port, {"contexts": [build_context(sop_class, ExplicitVRLittleEndian)]}
        yield 1
        yield 0xFF00, instance(sop_class, event.identifier.SOPInstanceUID)

    def handlers(self):
        return [
            (evt.EVT_N_CREATE, self.n_create),
            (evt.EVT_N_GET, self.n_get),
            (evt.EVT_N_SET, self.n_set),
            (evt.EVT_N_ACTION, self.n_action),
            (evt.EVT_N_DELETE, self.n_delete),
            (evt.EVT_N_EVENT_REPORT, self.n_event_report),
            (evt.EVT_C_FIND, self.find),
            (evt.EVT_C_GET, self.get),
            (evt.EVT_C_MOVE, self.move),
            (evt.EVT_C_STORE, lambda event: 0x0000),
        ]


def serve(port: int, ae_title: str, destinations: dict[str, int], classes: list[str]) -> None:
    ae = AE(ae_title)
    for uid in classes:
        ae.add_supported_context(uid, ExplicitVRLittleEndian, scu_role=True, scp_role=True)
    ae.start_server(("127.0.0.1", port), block=True, evt_handlers=Echo(destinations).handlers())


# ------------------------------------------------------------------------------- SCU


def call(assoc, one: dict) -> dict:
    """One operation; its status and data set, of C-FIND and the like those of all responses."""
    name, data = one["call"], dataset(one.get("dataset", {}))
    uid, sop_instance = one.get("class"), one.get("instance")
    meta = {"meta_uid": one["meta"]} if "meta" in one else {}
    if name == "n_create":
        status, answer = assoc.send_n_create(data, uid, sop_instance, **meta)
    elif name == "n_get":
        status, answer = assoc.send_n_get(one.get("tags", []), uid, sop_instance, **meta)
    elif name == "n_set":
        status, answer = assoc.send_n_set(data, uid, sop_instance, **meta)
    elif name == "n_action":
        status, answer = assoc.send_n_action(data, one["type"], uid, sop_instance, **meta)
    elif name == "n_event_report":
        status, answer = assoc.send_n_event_report(data, one["type"], uid, sop_instance, **meta)
    elif name == "n_delete":
        status, answer = assoc.send_n_delete(uid, sop_instance, **meta), None
    elif name == "store":
        status, answer = assoc.send_c_store(instance(uid, sop_instance)), None
    else:
        if name == "find":
            responses = assoc.send_c_find(data, uid)
        elif name == "get":
            responses = assoc.send_c_get(data, uid)
        else:
            responses = assoc.send_c_move(data, one["destination"], uid)
        told = [(status.get("Status"), plain(answer)) for status, answer in responses]
        return {"statuses": [status for status, _ in told], "answers": [answer for _, answer in told]}
    return {"status": status.get("Status"), "answer": plain(answer)}


class Lost(Exception):
    """pynetdicom's two threads sometimes take a response from each other; the association is gone then."""


class SCU:
    def __init__(self, address: str, classes: list[str], scp: list[str]) -> None:
        called, _, where = address.partition("@")
        host, _, port = where.rpartition(":")
        self.peer = host, int(port), called
        self.ae = AE("PYNETSCU")
        self.ae.acse_timeout = self.ae.network_timeout = 20
        self.ae.dimse_timeout = 5
        for uid in classes:
            self.ae.add_requested_context(uid, ExplicitVRLittleEndian)
        self.roles = [build_role(UID(uid), scu_role=True, scp_role=True) for uid in scp]
        self.received: list[str] = []
        self.assoc = None

    def on_store(self, event):
        self.received.append(str(event.request.AffectedSOPInstanceUID))
        return 0x0000

    def association(self):
        if self.assoc is None or not self.assoc.is_established:
            host, port, called = self.peer
            handlers = [(evt.EVT_C_STORE, self.on_store)]
            self.assoc = self.ae.associate(host, port, ae_title=called, evt_handlers=handlers, ext_neg=self.roles)
        return self.assoc

    def call(self, one: dict) -> dict:
        for _ in range(5):
            association, before = self.association(), len(self.received)
            answer = call(association, one)
            if None not in (answer.get("statuses") or [answer.get("status")]):
                return answer
            del self.received[before:]
        raise Lost(one)


def scu(address: str, work: dict) -> dict:
    one = SCU(address, work["classes"], work["scp"])
    results = [one.call(each) for each in work["calls"]]
    one.association().release()
    return {"results": results, "received": one.received}


if __name__ == "__main__":
    if sys.argv[1] == "scp":
        serve(int(sys.argv[2]), sys.argv[3], json.loads(sys.argv[4]), json.loads(sys.argv[5]))
    else:
        print(json.dumps(scu(sys.argv[2], json.load(open(sys.argv[3])))))
