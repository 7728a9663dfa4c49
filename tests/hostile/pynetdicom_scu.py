"""pynetdicom as the requestor under test: ``python pynetdicom_scu.py FOLDER``, a line for each service.

As its documentation shows it: statuses are looked at, what arrives is written under its UID.  Nothing of nbdicom is
imported here.
"""

from __future__ import annotations

import sys
import traceback
from pathlib import Path

from pydicom.dataset import Dataset
from pynetdicom import AE, build_role, evt
from pynetdicom.sop_class import (
    CTImageStorage,
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    Verification,
)

ENOUGH = 1000


def stored(event, folder):
    dataset = event.dataset
    dataset.file_meta = event.file_meta
    dataset.save_as(Path(folder) / f"{dataset.SOPInstanceUID}.dcm", enforce_file_format=True)
    return 0x0000


def perform(service, port, folder):
    ae = AE("SCU")
    ae.connection_timeout = ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = 5
    classes = {
        "echo": [Verification],
        "find": [StudyRootQueryRetrieveInformationModelFind],
        "get": [StudyRootQueryRetrieveInformationModelGet, CTImageStorage],
    }[service]
    for sop_class in classes:
        ae.add_requested_context(sop_class, "1.2.840.10008.1.2")
    roles = [build_role(CTImageStorage, scp_role=True)] if service == "get" else []
    handlers = [(evt.EVT_C_STORE, stored, [folder])]
    association = ae.associate("127.0.0.1", port, ae_title="SCP", ext_neg=roles, evt_handlers=handlers)
    if not association.is_established:
        return "error no association"
    keys = Dataset()
    keys.QueryRetrieveLevel = "STUDY"
    keys.PatientID = ""
    keys.StudyInstanceUID = "1.2.3"
    final = None
    if service == "echo":
        final = association.send_c_echo()
    elif service == "find":
        model = StudyRootQueryRetrieveInformationModelFind
        for number, (status, _) in enumerate(association.send_c_find(keys, model)):
            final = status
            if number == ENOUGH:
                association.send_c_cancel(1, query_model=model)
    else:
        for status, _ in association.send_c_get(keys, StudyRootQueryRetrieveInformationModelGet):
            final = status
    lost = not association.is_established
    association.release()
    if final is None or "Status" not in final:
        return "error no status"
    if final.Status != 0:
        return f"error {final.Status:04X}"
    return "error association lost" if lost else "ok"


def main():
    print("ready", flush=True)
    for line in sys.stdin:
        service, port = line.split()
        try:
            said = perform(service, int(port), sys.argv[1])
        except Exception as error:
            traceback.print_exc()
            said = f"crash {type(error).__name__}"
        print(said, flush=True)


if __name__ == "__main__":
    main()
