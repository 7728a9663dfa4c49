"""What peers do otherwise than the standard says, found in what they sent, for the trace (PS3.7 E.1, PS3.8 9.3).

All of it is put up with where it is read; here it gets its words.  It is looked for only while somebody traces.
Each text completes "the peer ...".
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct

from nbdicom.core import pdu as p
from nbdicom.core.command import (
    COMMAND_ELEMENTS,
    CCancelRQ,
    CEchoRQ,
    CEchoRSP,
    CFindRQ,
    CFindRSP,
    CGetRQ,
    CMoveRQ,
    CStoreRQ,
    CStoreRSP,
    NDeleteRQ,
    NDeleteRSP,
    NEventReportRQ,
    NGetRQ,
    NSetRQ,
    Request,
)
from nbdicom.core.dimse import Received
from nbdicom.uids import UID

__all__ = ["quirks_of_command", "quirks_of_message", "quirks_of_pdu"]

_ELEMENT = Struct("<HHI")
#: Made by the codec itself.
_OTHERS = {0x0000: ("group length", "UL"), 0x0100: ("Command Field", "US"), 0x0800: ("Command Data Set Type", "US")}
_ONE = {"US": 2, "UL": 4}
#: Messages that always have a data set, and those that never have one (PS3.7 9.3, 10.3).
_WITH_DATA_SET = (CStoreRQ, CFindRQ, CGetRQ, CMoveRQ, NSetRQ)
_WITHOUT = (CEchoRQ, CEchoRSP, CStoreRSP, CCancelRQ, NGetRQ, NDeleteRQ, NDeleteRSP)


def quirks_of_command(raw: bytes | bytearray) -> Iterator[str]:
    """The peculiarities of an encoded command set that could be read."""
    position, before, length_given = 0, -1, None
    while position + 8 <= len(raw):
        group, element, length = _ELEMENT.unpack_from(raw, position)
        value = bytes(raw[position + 8 : position + 8 + length])
        if group:
            yield "sends a data set stuck to its command set"
            return
        if element <= before:
            yield f"sends the command element (0000,{element:04X}) out of order"
        if element == 0 and length == 4:
            length_given = int.from_bytes(value, "little")
            if length_given != len(raw) - position - 12:
                yield f"gives a wrong group length: {length_given} instead of {len(raw) - position - 12}"
        yield from _of_element(element, value)
        before = element
        position += 8 + length
    if length_given is None:
        yield "sends a command set without group length"


def _of_element(element: int, value: bytes) -> Iterator[str]:
    name, vr = COMMAND_ELEMENTS.get(element) or _OTHERS.get(element) or ("", "")
    if not name:
        yield f"sends the command element (0000,{element:04X}), which PS3.7 does not define"
    elif len(value) & 1:
        yield f"sends {name} with an odd length"
    elif not value:
        yield f"leaves {name} empty: it counts as absent"
    elif vr in _ONE and len(value) > _ONE[vr]:
        yield f"sends several values of {name}: the first counts"
    elif vr == "UI" and value.endswith(b" "):
        yield f"pads {name} with a blank"
    elif vr == "UI" and not all(UID(uid.decode("latin-1").rstrip("\0 ")).is_valid for uid in value.split(b"\\")):
        yield f"sends a {name} that is no UID (PS3.5 9.1)"
    elif vr == "AE" and not _is_title(value):
        yield f"sends a {name} that is no AE title (PS3.5 6.2)"


def _is_title(value: bytes) -> bool:
    text = value.decode("latin-1").strip(" ")
    return 0 < len(text) <= 16 and all(" " <= c <= "~" and c != "\\" for c in text)


def quirks_of_message(received: Received, *, by_requestor: bool) -> Iterator[str]:
    """The peculiarities of a message that has come whole, from the side that requested the association or from the other."""
    message, context = received.message, received.context
    if isinstance(message, Request):
        as_scu = not isinstance(message, NEventReportRQ)
        if not (context.scu_role if by_requestor is as_scu else context.scp_role):  # both are the requestor's
            role = "SCU" if as_scu else "SCP"
            yield (
                f"sends a {message.name} as {role} of {context.abstract_syntax.name}, which was not agreed (PS3.7 D.3.3.4)"
            )
    has_data = received.data is not None or received.sink is not None or received.sink_error is not None
    if has_data and isinstance(message, _WITHOUT):
        yield f"sends a {message.name} with a data set"
    pending = isinstance(message, CFindRSP) and message.status.is_pending
    if not has_data and received.refused is None and (pending or isinstance(message, _WITH_DATA_SET)):
        yield f"sends a {message.name} without a data set"


def quirks_of_pdu(received: p.PDU, whole: bytes) -> Iterator[str]:
    """The peculiarities of a control PDU."""
    if isinstance(received, p.AAssociateRQ | p.AAssociateAC):
        if isinstance(received, p.AAssociateRQ) and b"\0" in whole[10:42]:  # those of an answer are not tested
            yield "pads AE titles with NUL"
        for name in _names(whole):
            if name != name.rstrip(b"\0 "):
                yield "pads UIDs in PDUs, where they are not padded (PS3.8 Annex F)"
                break
    elif isinstance(received, p.AAssociateRJ):
        triple = int(received.result), int(received.source), received.reason_diag
        if "reserved value" in p.reject_in_words(*triple):
            yield f"rejects with the reserved values {triple}"
    elif isinstance(received, p.AAbort) and int(received.source) not in (0, 2):
        yield f"aborts with the reserved source {int(received.source)}"


def _names(whole: bytes) -> Iterator[bytes]:
    """The bytes of every UID that is an item of its own."""
    for span in p.annotate(whole):
        if span.name in (
            "application_context_name",
            "abstract_syntax_name",
            "transfer_syntax_name",
            "implementation_class_uid",
        ):
            yield whole[span.start : span.stop]
