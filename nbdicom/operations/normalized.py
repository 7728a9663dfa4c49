"""The performing side of DIMSE-N: what is answered to the six N-services (PS3.7 section 10).

The six differ in the names of their fields; what happens is the same: a handler is asked, and what it returns becomes a
status and perhaps a data set.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from nbdicom.core.command import (
    NActionRQ,
    NCreateRQ,
    NDeleteRQ,
    NEventReportRQ,
    NGetRQ,
    NSetRQ,
    Request,
)
from nbdicom.core.dimse import Received
from nbdicom.errors import AssociationError
from nbdicom.operations.effects import Operation
from nbdicom.operations.performing import (
    HANDLER_ERRORS,
    HandlerMistake,
    Link,
    answer,
    asked,
    call,
    final_status,
    verdict,
)
from nbdicom.operations.requests import (
    NActionRequest,
    NCreateRequest,
    NDeleteRequest,
    NEventReportRequest,
    NGetRequest,
    NormalizedRequest,
    NSetRequest,
    Refuse,
)
from nbdicom.services import belongs
from nbdicom.status import Status, StatusCategory
from nbdicom.uids import UID

__all__ = ["perform_normalized"]

#: request message -> (field of `Handlers`, what its handler gets)
_SERVICES: Mapping[type[Request], tuple[str, type[NormalizedRequest]]] = MappingProxyType(
    {
        NEventReportRQ: ("n_event_report", NEventReportRequest),
        NGetRQ: ("n_get", NGetRequest),
        NSetRQ: ("n_set", NSetRequest),
        NActionRQ: ("n_action", NActionRequest),
        NCreateRQ: ("n_create", NCreateRequest),
        NDeleteRQ: ("n_delete", NDeleteRequest),
    }
)

_UNRECOGNIZED_OPERATION = 0x0211  #: the one status of PS3.7 10.1 for a service that is not offered
_NO_SUCH_SOP_CLASS = 0x0118
_PROCESSING_FAILURE = 0x0110
_RESOURCE_LIMITATION = 0x0213


def perform_normalized(link: Link, received: Received, message: Request) -> Operation:
    """The operation that answers one DIMSE-N request."""
    name, kind = _SERVICES[type(message)]
    handler = getattr(link.handlers, name)
    if isinstance(message, NCreateRQ):
        # Where the SCU gives no instance UID the SCP assigns one (PS3.7 10.1.5.1.4); the handler finds it in the request.
        assigned = not message.affected_sop_instance_uid
        if assigned:
            from uuid import uuid4  # it loads `platform`: 3 ms of the start of everybody who creates nothing

            message = replace(message, affected_sop_instance_uid=UID(f"2.25.{uuid4().int}"))
        request: NormalizedRequest = NCreateRequest(
            **asked(link, received) | {"message": message}, data=received.data, assigned=assigned
        )
    else:
        request = kind(**asked(link, received), data=received.data)
    status, comment, data, error_id = _UNRECOGNIZED_OPERATION, None, None, None
    if handler is None:
        pass
    elif not belongs(request.sop_class_uid, received.context.abstract_syntax):
        status, comment = _NO_SUCH_SOP_CLASS, "SOP Class does not belong to the presentation context"
    elif received.sink_error is not None:
        status, comment = verdict(link, received, received.sink_error, _RESOURCE_LIMITATION, "cannot take the data set")
    else:
        try:
            status, data = _outcome(link, received, request, (yield from call(handler, request)))
        except AssociationError:
            raise  # ours: nobody is left to answer to
        except HANDLER_ERRORS as error:
            status, comment = verdict(link, received, error, _PROCESSING_FAILURE)
            error_id = error.error_id if isinstance(error, Refuse) else None
    fields: dict[str, Any] = {"affected_sop_instance_uid": request.sop_instance_uid or None}
    if Status(status).is_failure and isinstance(request, NCreateRequest) and request.assigned:
        fields = {}  # nothing was created, so nothing has this name
    if error_id is not None:
        fields["error_id"] = error_id
    if data is not None and isinstance(message, NEventReportRQ):
        fields["event_type_id"] = message.event_type_id
    if data is not None and isinstance(message, NActionRQ):
        fields["action_type_id"] = message.action_type_id
    yield from answer(received, status, comment, data, **fields)


def _outcome(link: Link, received: Received, request: NormalizedRequest, value: Any) -> tuple[int, bytes | None]:
    """Status and encoded data set from what a handler returned."""
    status, dataset = 0x0000, value
    if isinstance(value, tuple):
        if len(value) != 2:
            raise HandlerMistake(f"the handler gave a tuple of {len(value)}", hint="return (status, data set or None)")
        status, dataset = final_status(link, received, value[0]), value[1]
    elif isinstance(value, int):
        status, dataset = final_status(link, received, value), None
    if dataset is None:
        if status == 0x0000 and isinstance(request, NGetRequest):
            raise HandlerMistake("the handler of N-GET gave no attributes", hint="return a Dataset, or refuse")
        return status, None
    if isinstance(dataset, str | int | float):
        raise HandlerMistake(f"the handler gave a {type(dataset).__name__} where a data set is expected")
    if isinstance(request, NDeleteRequest):
        raise HandlerMistake("the handler of N-DELETE gave a data set, and its response has none")
    if Status(status).category not in (StatusCategory.SUCCESS, StatusCategory.WARNING):
        return status, None  # replies belong to what was done (PS3.7 10.1)
    return status, link.codec.encode(dataset, request.transfer_syntax) or None  # an empty one is none
