"""Requests as a driver makes them, and small objects to store, for handlers without a network."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace

from nbdicom.core.command import CFindRQ, CGetRQ, CMoveRQ, CStoreRQ, NActionRQ, NCreateRQ, NGetRQ, NSetRQ
from nbdicom.core.negotiation import NegotiatedContext, Negotiation
from nbdicom.core.pdu import ContextResult
from nbdicom.operations.requests import (
    FindRequest,
    NActionRequest,
    NCreateRequest,
    NGetRequest,
    NSetRequest,
    Refuse,
    RetrieveRequest,
    StoreRequest,
)
from nbdicom.uids import UID

EXPLICIT = UID("1.2.840.10008.1.2.1")
IMPLICIT = UID("1.2.840.10008.1.2")
CT = "1.2.840.10008.5.1.4.1.1.2"
MR = "1.2.840.10008.5.1.4.1.1.4"
PATIENT_ROOT = "1.2.840.10008.5.1.4.1.2.1"
STUDY_ROOT = "1.2.840.10008.5.1.4.1.2.2"


def made(number=1, **values):
    """The attributes of a small CT object; *number* makes its UID, a value of None leaves an attribute out."""
    base = {
        "SOPClassUID": CT,
        "SOPInstanceUID": f"1.2.3.{number}",
        "StudyInstanceUID": "1.2.3",
        "SeriesInstanceUID": "1.2.3.0",
        "PatientID": "P1",
        "PatientName": "Doe^John",
        "PatientBirthDate": "19700101",
        "PatientSex": "M",
        "StudyDate": "20200115",
        "StudyTime": "101500",
        "AccessionNumber": "A1",
        "StudyID": "S1",
        "Modality": "CT",
        "SeriesNumber": "1",
        "InstanceNumber": str(number),
        "Rows": 2,
        "Columns": 2,
        "BitsAllocated": 16,
        "ImageType": ("ORIGINAL", "PRIMARY", "AXIAL"),
        "SliceThickness": "5",
        "PixelData": bytes(8),
    }
    return {keyword: value for keyword, value in {**base, **values}.items() if value is not None}


def encode(values, syntax=EXPLICIT):
    """*values* as the bytes of a data set."""
    from nbdicom.data import codec

    return values if isinstance(values, bytes) else codec.encode(values, syntax)


def _asked(abstract_syntax, syntax, message):
    from nbdicom.data import codec

    context = NegotiatedContext(
        context_id=1,
        abstract_syntax=UID(abstract_syntax),
        proposed=(syntax,),
        result=ContextResult.ACCEPTANCE,
        transfer_syntax=syntax,
    )
    negotiation = Negotiation(calling_ae_title="TESTER", called_ae_title="NBPACS", requestor=False, contexts=(context,))
    return {
        "negotiation": negotiation, "peer": "127.0.0.1:1", "context": context, "message": message, "codec": codec,
    }  # fmt: skip


def store_request(values, syntax=EXPLICIT, **command):
    """A C-STORE request whose data set has not been received yet, and its bytes."""
    data = encode(values, syntax)
    message = CStoreRQ(
        affected_sop_class_uid=UID(command.get("sop_class") or values["SOPClassUID"]),
        affected_sop_instance_uid=UID(command.get("sop_instance") or values["SOPInstanceUID"]),
    )
    return StoreRequest(**_asked(message.affected_sop_class_uid, syntax, message)), data


def store(handlers, values, syntax=EXPLICIT, *, piece=1000, **command):
    """Do what a driver does with a C-STORE; the status that it would answer."""
    request, data = store_request(values, syntax, **command)
    try:
        request.sink = handlers.sink(request)
        for start in range(0, len(data), piece):
            request.sink.write([memoryview(data)[start : start + piece]])
        request.sink.close(True)
    except Refuse as refusal:
        return refusal.status
    except Exception:
        return 0xA700  # what an operation answers to a sink that fails
    try:
        return handlers.store(request)
    except Refuse as refusal:
        return refusal.status


def find_request(level, model=STUDY_ROOT, syntax=EXPLICIT, agreed=None, **keys):
    """A C-FIND request, on an association with these options *agreed* to."""
    uid = UID(f"{model}.1")
    identifier = {} if level is None else {"QueryRetrieveLevel": level}
    asked = _asked(uid, syntax, CFindRQ(affected_sop_class_uid=uid))
    asked["context"] = replace(asked["context"], extended=agreed)
    return FindRequest(**asked, data=encode({**identifier, **keys}, syntax))


def find(handlers, level, model=STUDY_ROOT, syntax=EXPLICIT, agreed=None, **keys):
    """The matches of a C-FIND, and its pending status."""
    request = find_request(level, model, syntax, agreed, **keys)
    matches = handlers.find(request)
    try:
        return [match for together in matches for match in together], request.pending_status
    finally:
        matches.close()


def values(handlers, keyword, level, model=STUDY_ROOT, **keys):
    """The values of one attribute in the matches of a C-FIND."""
    return [match[keyword] for match in find(handlers, level, model, **{keyword: "", **keys})[0]]


def retrieve(handlers, level, model=STUDY_ROOT, *, move=False, **keys):
    """The instances that a C-GET or C-MOVE selects."""
    uid = UID(f"{model}.{2 if move else 3}")
    message = (
        CMoveRQ(affected_sop_class_uid=uid, move_destination="DEST") if move else CGetRQ(affected_sop_class_uid=uid)
    )
    identifier = {} if level is None else {"QueryRetrieveLevel": level}
    request = RetrieveRequest(**_asked(uid, EXPLICIT, message), data=encode({**identifier, **keys}))
    return (handlers.move if move else handlers.get)(request)


def status_of(action, *args, **kwargs):
    """The status that *action* refuses with."""
    try:
        result = action(*args, **kwargs)
    except Refuse as refusal:
        return refusal.status
    return result


# ------------------------------------------------------------------------------- the workflow around the archive

_MESSAGES = {
    "n_create": (NCreateRQ, NCreateRequest, "affected"),
    "n_set": (NSetRQ, NSetRequest, "requested"),
    "n_get": (NGetRQ, NGetRequest, "requested"),
    "n_action": (NActionRQ, NActionRequest, "requested"),
}


def normalized(handlers, service, keyword, uid, attributes=None, *, sop_class=None, calling="TESTER", **command):
    """What a handler answers to a DIMSE-N request in a context of the SOP Class *keyword*; a refusal as its status."""
    kind, request, prefix = _MESSAGES[service]
    context = UID.of(keyword)
    message = kind(
        **{f"{prefix}_sop_class_uid": UID(sop_class or context), f"{prefix}_sop_instance_uid": UID(uid), **command}
    )
    asked = _asked(context, EXPLICIT, message)
    asked["negotiation"] = replace(asked["negotiation"], calling_ae_title=calling)
    data = None if attributes is None else encode(attributes)
    try:
        return getattr(handlers, service)(request(**asked, data=data))
    except Refuse as refusal:
        return refusal.status


def worklist(handlers, keyword="ModalityWorklistInformationModelFind", **keys):
    """The matches of a C-FIND in a worklist."""
    uid = UID.of(keyword)
    request = FindRequest(**_asked(uid, EXPLICIT, CFindRQ(affected_sop_class_uid=uid)), data=encode(keys))
    return list(handlers.find(request))


def die_in(owner: type, name: str, *, after: bool) -> None:
    """End this process as a kill would, before or after a method has done its work."""
    original: Callable[..., object] = getattr(owner, name)

    def dies(*args: object, **kwargs: object) -> None:
        if after:
            original(*args, **kwargs)
        os._exit(9)

    setattr(owner, name, dies)
