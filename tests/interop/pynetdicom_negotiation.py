"""pynetdicom's extended negotiation, in a process of its own; nothing of nbdicom is imported here.

    python pynetdicom_negotiation.py scp PORT AET REPORT
    python pynetdicom_negotiation.py scu AET@HOST:PORT ARGUMENTS

The SCP writes what its requestors proposed into the file REPORT; an SCU prints one line of JSON: what it was answered.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from pynetdicom import AE, build_role, evt
from pynetdicom.pdu_primitives import (
    AsynchronousOperationsWindowNegotiation,
    SOPClassCommonExtendedNegotiation,
    SOPClassExtendedNegotiation,
    UserIdentityNegotiation,
)
from pynetdicom.sop_class import CTImageStorage, StudyRootQueryRetrieveInformationModelFind, Verification


def serve(port: int, title: str, report: Path) -> None:
    seen: dict = {}

    def write() -> None:
        part = report.with_suffix(".part")
        part.write_text(json.dumps(seen))
        part.replace(report)

    def user(event):
        seen["identity"] = [event.user_id_type, event.primary_field.decode(), event.secondary_field.decode()]
        write()
        return event.primary_field != b"mallory", b"response" if event.user_id_type in (3, 4, 5) else None

    def extended(event):
        seen["extended"] = {str(uid): raw.hex() for uid, raw in event.app_info.items()}
        write()
        return {uid: bytes(min(byte, 1) for byte in raw[:1]) for uid, raw in event.app_info.items()}

    def common(event):
        seen["common"] = {
            str(uid): [str(item.service_class_uid), [str(one) for one in item.related_general_sop_class_identification]]
            for uid, item in event.items.items()
        }
        write()
        return event.items

    def window(event):
        seen["window"] = [event.nr_invoked, event.nr_performed]
        write()
        return event.nr_invoked, event.nr_performed

    ae = AE(title)
    ae.add_supported_context(Verification)
    ae.add_supported_context(StudyRootQueryRetrieveInformationModelFind)
    ae.add_supported_context(CTImageStorage, scu_role=False, scp_role=True)
    handlers = [
        (evt.EVT_USER_ID, user), (evt.EVT_SOP_EXTENDED, extended), (evt.EVT_SOP_COMMON, common),
        (evt.EVT_ASYNC_OPS, window), (evt.EVT_C_ECHO, lambda event: 0x0000),
    ]  # fmt: skip
    ae.start_server(("127.0.0.1", port), block=True, evt_handlers=handlers)


def call(address: str, arguments: dict) -> dict:
    called, _, where = address.partition("@")
    host, _, port = where.rpartition(":")
    ae = AE("PYNETSCU")
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = 20
    ae.add_requested_context(Verification)
    items = []
    if "identity" in arguments:
        item = UserIdentityNegotiation()
        item.user_identity_type, primary, secondary, item.positive_response_requested = arguments["identity"]
        item.primary_field = primary.encode()
        if secondary:
            item.secondary_field = secondary.encode()
        items.append(item)
    if "window" in arguments:
        item = AsynchronousOperationsWindowNegotiation()
        item.maximum_number_operations_invoked, item.maximum_number_operations_performed = arguments["window"]
        items.append(item)
    for uid, raw in arguments.get("extended", {}).items():
        ae.add_requested_context(uid)
        item = SOPClassExtendedNegotiation()
        item.sop_class_uid, item.service_class_application_information = uid, bytes.fromhex(raw)
        items.append(item)
    for uid, (service, related) in arguments.get("common", {}).items():
        ae.add_requested_context(uid)
        item = SOPClassCommonExtendedNegotiation()
        item.sop_class_uid, item.service_class_uid = uid, service
        item.related_general_sop_class_identification = related
        items.append(item)
    for uid, (scu, scp) in arguments.get("roles", {}).items():
        ae.add_requested_context(uid)
        items.append(build_role(uid, scu_role=scu, scp_role=scp))
    assoc = ae.associate(host, int(port), ae_title=called, ext_neg=items)
    if not assoc.is_established:
        primitive = assoc.acceptor.primitive
        names = ("result", "result_source", "diagnostic")
        return {"established": False, "rejected": [getattr(primitive, name, None) for name in names]}
    answers = [item for item in assoc.acceptor.user_information if isinstance(item, UserIdentityNegotiation)]
    report = {
        "established": True,
        "accepted": sorted(str(context.abstract_syntax) for context in assoc.accepted_contexts),
        "roles": {str(c.abstract_syntax): [c.as_scu, c.as_scp] for c in assoc.accepted_contexts},
        "extended": {str(uid): raw.hex() for uid, raw in assoc.acceptor.sop_class_extended.items()},
        "window": list(assoc.acceptor.asynchronous_operations),
        "response": answers[0].server_response.decode() if answers else None,
        "echo": assoc.send_c_echo().Status,
    }
    assoc.release()
    return report


if __name__ == "__main__":
    if sys.argv[1] == "scp":
        serve(int(sys.argv[2]), sys.argv[3], Path(sys.argv[4]))
    else:
        print(json.dumps(call(sys.argv[2], json.loads(sys.argv[3]))))
