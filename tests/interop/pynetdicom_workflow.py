"""pynetdicom as a modality and as a hospital, in a process of its own; nothing of nbdicom is imported here.

    python pynetdicom_workflow.py scu AET@HOST:PORT LISTEN FILES...
    python pynetdicom_workflow.py scp PORT AET same|HOST:PORT

The SCU goes through worklist, performed procedure step, storage, commitment and a workitem, and receives reports at the
port LISTEN under the AE title MODALITY; it prints one line of JSON: what it was answered.  The SCP reports commitment on the
same association, or on a new one to the address that is given.
"""

from __future__ import annotations

import json
import sys
import threading

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from pynetdicom import AE, build_role, evt
from pynetdicom.sop_class import (
    ModalityPerformedProcedureStep,
    ModalityPerformedProcedureStepRetrieve,
    ModalityWorklistInformationFind,
    StorageCommitmentPushModel,
    UnifiedProcedureStepEvent,
    UnifiedProcedureStepPull,
    UnifiedProcedureStepPush,
    UnifiedProcedureStepQuery,
    UnifiedProcedureStepWatch,
    Verification,
)

COMMITMENT_INSTANCE = "1.2.840.10008.1.20.1.1"
GLOBAL = "1.2.840.10008.5.1.4.34.5"
LIMIT = 20.0


def made(**values):
    dataset = Dataset()
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return dataset


# ------------------------------------------------------------------------------- a modality


class Reports:
    """N-EVENT-REPORTs that came to us, on whichever association."""

    def __init__(self):
        self.seen = []
        self._news = threading.Condition()

    def take(self, event):
        with self._news:
            self.seen.append([event.event_type, str(event.request.AffectedSOPInstanceUID), event.event_information])
            self._news.notify_all()
        return 0x0000, None

    def wait(self, wanted):
        with self._news:
            return self._news.wait_for(lambda: wanted(self.seen), LIMIT)


def status(response):
    """Status, and Error ID where there is one."""
    code = f"{response.Status:04X}" if response and "Status" in response else None
    return [code, f"{response.ErrorID:04X}"] if "ErrorID" in response else code


def scu(address, listen, files):
    title, _, rest = address.partition("@")
    host, _, port = rest.partition(":")
    reports = Reports()
    handlers = [(evt.EVT_N_EVENT_REPORT, reports.take)]
    listener = AE("MODALITY")
    for uid in (StorageCommitmentPushModel, UnifiedProcedureStepEvent):
        listener.add_supported_context(uid, scu_role=False, scp_role=True)
    server = listener.start_server(("127.0.0.1", int(listen)), block=False, evt_handlers=handlers)
    said = {}

    def associate(*contexts):
        ae = AE("MODALITY")
        ae.dimse_timeout = 8
        for context in contexts:
            ae.add_requested_context(*(context if isinstance(context, tuple) else (context,)))
        association = ae.associate(host, int(port), ae_title=title, evt_handlers=handlers)
        assert association.is_established, "no association"
        return association

    try:
        worklist_and_step(associate, said)
        commitment(associate, said, [dcmread(path) for path in files], reports)
        workitem(associate, said, reports)
    finally:
        server.shutdown()
    print(json.dumps(said))


def worklist_and_step(associate, said):
    step = made(
        Modality="CT", ScheduledStationAETitle="", ScheduledProcedureStepStartDate="", ScheduledProcedureStepID=""
    )
    identifier = made(PatientName="*", PatientID="", StudyInstanceUID="", ScheduledProcedureStepSequence=[step])
    association = associate(ModalityWorklistInformationFind)
    found = [ds for st, ds in association.send_c_find(identifier, ModalityWorklistInformationFind) if ds]
    association.release()
    said["worklist"] = [
        [str(ds.PatientName), ds.ScheduledProcedureStepSequence[0].ScheduledStationAETitle] for ds in found
    ]

    scheduled = made(
        StudyInstanceUID=found[0].StudyInstanceUID,
        ScheduledProcedureStepID=found[0].ScheduledProcedureStepSequence[0].ScheduledProcedureStepID,
    )
    uid = generate_uid()
    association = associate(ModalityPerformedProcedureStep, ModalityPerformedProcedureStepRetrieve)
    attributes = made(
        ScheduledStepAttributesSequence=[scheduled], PatientName=found[0].PatientName, PatientID=found[0].PatientID,
        PerformedProcedureStepID="PP1", PerformedStationAETitle="MODALITY", PerformedProcedureStepStartDate="20260705",
        PerformedProcedureStepStartTime="0810", PerformedProcedureStepStatus="IN PROGRESS", Modality="CT",
    )  # fmt: skip
    mpps = ModalityPerformedProcedureStep
    steps = [status(association.send_n_create(attributes, mpps, uid)[0])]
    steps.append(
        status(
            association.send_n_set(
                made(PerformedProcedureStepDescription="Größe", SpecificCharacterSet="ISO_IR 100"), mpps, uid
            )[0]
        )
    )
    series = made(ProtocolName="Head", SeriesInstanceUID="1.2.3.4", ReferencedImageSequence=[])
    final = made(
        PerformedProcedureStepStatus="COMPLETED", PerformedProcedureStepEndDate="20260705",
        PerformedProcedureStepEndTime="0830", PerformedSeriesSequence=[series],
    )  # fmt: skip
    steps.append(status(association.send_n_set(final, mpps, uid)[0]))
    steps.append(status(association.send_n_set(final, mpps, uid)[0]))
    response, kept = association.send_n_get(
        [0x00400252, 0x00400254, 0x00080005], ModalityPerformedProcedureStepRetrieve, uid
    )
    association.release()
    said["step"] = steps
    said["kept"] = [status(response), kept.PerformedProcedureStepStatus, kept.PerformedProcedureStepDescription]


def commitment(associate, said, datasets, reports):
    association = associate(*{(ds.SOPClassUID, ds.file_meta.TransferSyntaxUID) for ds in datasets})
    said["stored"] = [status(association.send_c_store(ds)) for ds in datasets]
    association.release()
    said["committed"] = []
    for stay in (True, False):  # wait for the report on the association that asked; or let it come on a new one
        transaction = generate_uid()
        references = [
            made(ReferencedSOPClassUID=ds.SOPClassUID, ReferencedSOPInstanceUID=ds.SOPInstanceUID) for ds in datasets
        ]
        missing = made(ReferencedSOPClassUID=datasets[0].SOPClassUID, ReferencedSOPInstanceUID="1.2.3.4.5")
        request = made(TransactionUID=transaction, ReferencedSOPSequence=references if stay else [*references, missing])
        association = associate(StorageCommitmentPushModel)
        response, _ = association.send_n_action(request, 1, StorageCommitmentPushModel, COMMITMENT_INSTANCE)
        arrived = False
        if stay:
            arrived = reports.wait(lambda seen, t=transaction: any(r[2].get("TransactionUID") == t for r in seen))
        association.release()
        arrived = arrived or reports.wait(
            lambda seen, t=transaction: any(r[2].get("TransactionUID") == t for r in seen)
        )
        event = next((r for r in reports.seen if r[2].get("TransactionUID") == transaction), [None, None, Dataset()])
        failed = [f"{item.FailureReason:04X}" for item in event[2].get("FailedSOPSequence", [])]
        said["committed"].append([status(response), event[0], len(event[2].get("ReferencedSOPSequence", [])), failed])


def workitem(associate, said, reports):
    uid, transaction = generate_uid(), generate_uid()
    push, pull = UnifiedProcedureStepPush, UnifiedProcedureStepPull
    association = associate(push, pull, UnifiedProcedureStepWatch, UnifiedProcedureStepQuery)
    steps = []
    subscribe = made(ReceivingAE="MODALITY", DeletionLock="TRUE")
    steps.append(status(association.send_n_action(subscribe, 3, push, GLOBAL, meta_uid=UnifiedProcedureStepWatch)[0]))
    attributes = made(
        ProcedureStepState="SCHEDULED", ScheduledProcedureStepPriority="MEDIUM", ProcedureStepLabel="CAD",
        ScheduledProcedureStepStartDateTime="20260705080000", InputReadinessState="READY", PatientID="P1",
    )  # fmt: skip
    steps.append(status(association.send_n_create(attributes, push, uid)[0]))
    query = made(ProcedureStepState="SCHEDULED", ProcedureStepLabel="", SOPInstanceUID="")
    found = [ds.SOPInstanceUID for st, ds in association.send_c_find(query, UnifiedProcedureStepQuery) if ds]

    def change(state, with_uid):
        information = made(ProcedureStepState=state, TransactionUID=with_uid)
        return status(association.send_n_action(information, 1, push, uid, meta_uid=pull)[0])

    steps += [change("IN PROGRESS", transaction), change("COMPLETED", generate_uid()), change("COMPLETED", transaction)]
    code = made(CodeValue="1", CodingSchemeDesignator="99X", CodeMeaning="x")
    performed = made(
        PerformedStationNameCodeSequence=[code], PerformedWorkitemCodeSequence=[code], OutputInformationSequence=[],
        PerformedProcedureStepStartDateTime="20260705080000", PerformedProcedureStepEndDateTime="20260705081000",
    )  # fmt: skip
    changes = made(TransactionUID=transaction, UnifiedProcedureStepPerformedProcedureSequence=[performed])
    steps.append(status(association.send_n_set(changes, push, uid, meta_uid=pull)[0]))
    steps.append(change("COMPLETED", transaction))
    response, kept = association.send_n_get([], push, uid, meta_uid=pull)
    association.release()
    reports.wait(lambda seen: sum(r[1] == uid for r in seen) >= 3)
    said["workitem"] = steps
    said["found"] = found == [uid]
    said["state"] = [status(response), kept.ProcedureStepState, "TransactionUID" in kept]
    said["events"] = [[r[0], r[2].ProcedureStepState] for r in reports.seen if r[1] == uid]


# ------------------------------------------------------------------------------- a hospital


def scp(port, title, where):
    steps = {}
    owners, watchers = {}, []

    def find(event):
        if event.context.abstract_syntax == UnifiedProcedureStepPull:
            for uid, step in steps.items():
                if step.get("ProcedureStepLabel") == event.identifier.get("ProcedureStepLabel"):
                    yield 0xFF00, made(SOPInstanceUID=uid, ProcedureStepLabel=step.ProcedureStepLabel,
                                       ProcedureStepState=step.ProcedureStepState)  # fmt: skip
            return
        item = made(Modality="CT", ScheduledStationAETitle="CT1", ScheduledProcedureStepID="S1",
                    ScheduledProcedureStepStartDate="20260705", ScheduledProcedureStepStartTime="0800")  # fmt: skip
        yield 0xFF00, made(
            SpecificCharacterSet="ISO_IR 100", PatientName="Köhler^Jürgen", PatientID="P1", StudyInstanceUID="1.2.3",
            ScheduledProcedureStepSequence=[item],
        )  # fmt: skip

    def create(event):
        steps[event.request.AffectedSOPInstanceUID] = event.attribute_list
        return 0x0000, event.attribute_list

    def modify(event):
        uid = event.request.RequestedSOPInstanceUID
        if uid in owners and event.modification_list.get("TransactionUID") != owners[uid]:
            return 0xC301, None
        steps[event.request.RequestedSOPInstanceUID].update(event.modification_list)
        return 0x0000, event.modification_list

    def get(event):
        return 0x0000, steps[event.request.RequestedSOPInstanceUID]

    def act(event):
        request = event.action_information
        uid = event.request.RequestedSOPInstanceUID
        if event.request.RequestedSOPClassUID == UnifiedProcedureStepPush:
            if event.action_type == 1:
                if owners.setdefault(uid, request.TransactionUID) != request.TransactionUID:
                    return 0xC301, None
                steps[uid].ProcedureStepState = request.ProcedureStepState
            elif event.action_type == 3:
                watchers.append(request.ReceivingAE)
            elif event.action_type == 4:
                watchers.remove(request.ReceivingAE)
            else:
                return 0xC311, None  # it is COMPLETED already
            return 0x0000, None
        good, bad = [], []
        for item in request.ReferencedSOPSequence:
            if item.ReferencedSOPInstanceUID.endswith(".404"):
                item.FailureReason = 0x0112
                bad.append(item)
            else:
                good.append(item)
        answer = made(TransactionUID=request.TransactionUID, RetrieveAETitle=title, ReferencedSOPSequence=good)
        if bad:
            answer.FailedSOPSequence = bad
        # Some time after our response has gone out; on a new association the order does not matter.
        threading.Timer(0.1, report, (event.assoc, event.assoc.requestor.ae_title, answer, 2 if bad else 1)).start()
        return 0x0000, None

    def report(association, recipient, answer, event_type):
        if where != "same":
            host, _, number = where.partition(":")
            ae = AE(title)
            ae.add_requested_context(StorageCommitmentPushModel)
            role = build_role(StorageCommitmentPushModel, scp_role=True)
            association = ae.associate(host, int(number), ae_title=recipient, ext_neg=[role])
        association.send_n_event_report(answer, event_type, StorageCommitmentPushModel, COMMITMENT_INSTANCE)
        if where != "same":
            association.release()

    ae = AE(title)
    for uid in (
        Verification, ModalityWorklistInformationFind, ModalityPerformedProcedureStep,
        ModalityPerformedProcedureStepRetrieve, StorageCommitmentPushModel, UnifiedProcedureStepPush,
        UnifiedProcedureStepPull, UnifiedProcedureStepWatch,
    ):  # fmt: skip
        ae.add_supported_context(uid)
    handlers = [
        (evt.EVT_C_FIND, find), (evt.EVT_N_CREATE, create), (evt.EVT_N_SET, modify), (evt.EVT_N_GET, get),
        (evt.EVT_N_ACTION, act),
    ]  # fmt: skip
    ae.start_server(("127.0.0.1", int(port)), block=True, evt_handlers=handlers)


if __name__ == "__main__":
    if sys.argv[1] == "scu":
        scu(sys.argv[2], sys.argv[3], sys.argv[4:])
    else:
        scp(*sys.argv[2:5])
