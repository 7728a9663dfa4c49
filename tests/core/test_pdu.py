"""PDUs and items: golden bytes by the standard's tables, properties of the codec, and lengths that lie."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nbdicom.core import pdu as p
from nbdicom.errors import LocalProtocolError, RemoteProtocolError
from nbdicom.uids import UID

ECHO, IMPLICIT = UID("1.2.840.10008.1.1"), UID("1.2.840.10008.1.2")


def hexed(text: str) -> bytes:
    return bytes.fromhex("".join(line.partition("#")[0] for line in text.splitlines()))


RQ_BYTES = hexed("""
    01 00 000000c3            # PDU-type, reserved, PDU-length
    0001 0000                 # protocol version, reserved
    41 4e 59 2d 53 43 50 20 20 20 20 20 20 20 20 20     # called AE title "ANY-SCP"
    45 43 48 4f 53 43 55 20 20 20 20 20 20 20 20 20     # calling AE title "ECHOSCU"
    00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000
    10 00 0015 312e322e3834302e31303030382e332e312e312e31          # application context
    20 00 002e 01 00 00 00                                          # presentation context 1
       30 00 0011 312e322e3834302e31303030382e312e31                #   Verification
       40 00 0011 312e322e3834302e31303030382e312e32                #   Implicit VR Little Endian
    50 00 0030                                                      # user information
       51 00 0004 00004000                                          #   maximum length 16384
       52 00 0003 312e32                                            #   implementation class UID "1.2"
       53 00 0004 0008 0002                                         #   window 8 invoked, 2 performed
       54 00 0015 0011 312e322e3834302e31303030382e312e31 01 00     #   role: SCU yes, SCP no
""")
RQ = p.AAssociateRQ(
    called_ae_title="ANY-SCP",
    calling_ae_title="ECHOSCU",
    items=(
        p.ApplicationContext(),
        p.PresentationContextRQ(
            context_id=1,
            items=(p.AbstractSyntax(abstract_syntax_name=ECHO), p.TransferSyntaxItem(transfer_syntax_name=IMPLICIT)),
        ),
        p.UserInformation(
            items=(
                p.MaximumLength(maximum_length_received=16384),
                p.ImplementationClassUID(implementation_class_uid=UID("1.2")),
                p.AsynchronousOperationsWindow(
                    maximum_number_operations_invoked=8, maximum_number_operations_performed=2
                ),
                p.SCPSCURoleSelection(sop_class_uid=ECHO, scu_role=1, scp_role=0),
            )
        ),
    ),
)


def test_the_length_of_the_golden_request() -> None:
    assert int.from_bytes(RQ_BYTES[2:6], "big") == len(RQ_BYTES) - 6


@pytest.mark.parametrize(
    ("pdu", "golden"),
    [
        (RQ, RQ_BYTES),
        (p.AAssociateRJ(result=1, source=1, reason_diag=7), hexed("03 00 00000004 00 01 01 07")),
        (p.AReleaseRQ(), hexed("05 00 00000004 00000000")),
        (p.AReleaseRP(), hexed("06 00 00000004 00000000")),
        (p.AAbort(source=2, reason_diag=6), hexed("07 00 00000004 0000 02 06")),
        (
            p.PDataTF(items=(p.PresentationDataValue(context_id=3, message_control_header=3, fragment=b"ab"),)),
            hexed("04 00 00000008 00000004 03 03 6162"),
        ),
        (
            p.AAssociateAC(
                called_ae_title="A",
                calling_ae_title="B",
                items=(
                    p.PresentationContextAC(
                        context_id=1, result=3, items=(p.TransferSyntaxItem(transfer_syntax_name=UID("1.2")),)
                    ),
                    p.UserInformation(items=(p.UserIdentityAC(server_response=b"ok"),)),
                ),
            ),
            hexed("""
                02 00 00000061 0001 0000 41202020202020202020202020202020 42202020202020202020202020202020
                0000000000000000000000000000000000000000000000000000000000000000
                21 00 000b 01 00 03 00  40 00 0003 312e32
                50 00 0008  59 00 0004 0002 6f6b
                """),
        ),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_golden_bytes(pdu: p.PDU, golden: bytes) -> None:
    golden = golden[:2] + (len(golden) - 6).to_bytes(4, "big") + golden[6:]
    assert p.encode_pdu(pdu).hex(" ") == golden.hex(" ")
    assert p.decode_pdu(golden[0], golden[6:]) == pdu


@pytest.mark.parametrize(
    ("item", "golden"),
    [
        (p.ImplementationVersionName(implementation_version_name="NB_1"), "55 00 0004 4e425f31"),
        (
            p.SOPClassExtendedNegotiation(sop_class_uid=UID("1.2"), service_class_application_information=b"\1\0\1"),
            "56 00 0008 0003 312e32 010001",
        ),
        (
            p.SOPClassCommonExtendedNegotiation(
                sop_class_uid=UID("1.2"),
                service_class_uid=UID("1.3"),
                related_general_sop_class_identification=("1.4", "1.5"),
            ),
            "57 00 0016 0003 312e32 0003 312e33 000a 0003 312e34 0003 312e35",
        ),
        (
            p.UserIdentityRQ(
                user_identity_type=2, positive_response_requested=1, primary_field=b"me", secondary_field=b"secret"
            ),
            "58 00 000e 02 01 0002 6d65 0006 736563726574",
        ),
    ],
)
def test_golden_user_items(item: p.Item, golden: str) -> None:
    data = bytes.fromhex(golden.replace(" ", ""))
    whole = p.encode_pdu(
        p.AAssociateRQ(called_ae_title="", calling_ae_title="", items=(p.UserInformation(items=(item,)),))
    )
    assert whole[78:].hex(" ") == data.hex(" ")
    assert p.decode_pdu(1, whole[6:]).user_information.items == (item,)  # type: ignore[attr-defined]


# ------------------------------------------------------------------------------- properties

uids = st.lists(st.integers(0, 10**6), min_size=1, max_size=8).map(
    lambda parts: UID(".".join(map(str, parts))[:64].rstrip("."))
)
titles = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="\\"), max_size=16)
u8, u16, u32 = st.integers(0, 255), st.integers(0, 0xFFFF), st.integers(0, 0xFFFFFFFF)
raw = st.binary(max_size=40)
unknown = st.builds(p.UnknownItem, st.integers(0xA0, 0xFF), raw)
transfer = st.builds(p.TransferSyntaxItem, transfer_syntax_name=uids)
abstract = st.builds(p.AbstractSyntax, abstract_syntax_name=uids)
user_items = st.one_of(
    st.builds(p.MaximumLength, maximum_length_received=u32),
    st.builds(p.ImplementationClassUID, implementation_class_uid=uids),
    st.builds(p.ImplementationVersionName, implementation_version_name=titles),
    st.builds(
        p.AsynchronousOperationsWindow,
        maximum_number_operations_invoked=u16,
        maximum_number_operations_performed=u16,
    ),
    st.builds(p.SCPSCURoleSelection, sop_class_uid=uids, scu_role=u8, scp_role=u8),
    st.builds(p.SOPClassExtendedNegotiation, sop_class_uid=uids, service_class_application_information=raw),
    st.builds(
        p.SOPClassCommonExtendedNegotiation,
        sop_class_uid=uids,
        service_class_uid=uids,
        related_general_sop_class_identification=st.lists(uids.map(str), max_size=3).map(tuple),
        reserved=raw,
    ),
    st.builds(
        p.UserIdentityRQ, user_identity_type=u8, positive_response_requested=u8, primary_field=raw, secondary_field=raw
    ),
    st.builds(p.UserIdentityAC, server_response=raw),
    unknown,
)
information = st.builds(p.UserInformation, items=st.lists(user_items, max_size=5).map(tuple))
application = st.builds(p.ApplicationContext, application_context_name=uids)
proposed = st.builds(
    p.PresentationContextRQ,
    context_id=u8,
    reserved=st.binary(min_size=3, max_size=3),
    items=st.lists(abstract | transfer | unknown, max_size=4).map(tuple),
)
answered = st.builds(
    p.PresentationContextAC, context_id=u8, result=u8, items=st.lists(transfer | unknown, max_size=2).map(tuple)
)


def associate(cls: Any, context: Any) -> Any:
    return st.builds(
        cls,
        protocol_version=u16,
        called_ae_title=titles,
        calling_ae_title=titles,
        reserved_2=st.binary(min_size=32, max_size=32),
        items=st.lists(application | context | information | unknown, max_size=5).map(tuple),
    )


pdus = st.one_of(
    associate(p.AAssociateRQ, proposed),
    associate(p.AAssociateAC, answered),
    st.builds(p.AAssociateRJ, reserved=u8, result=u8, source=u8, reason_diag=u8),
    st.builds(p.AReleaseRQ, reserved=st.binary(min_size=4, max_size=4)),
    st.builds(p.AReleaseRP, reserved=st.binary(min_size=4, max_size=4)),
    st.builds(p.AAbort, source=u8, reason_diag=u8),
    st.builds(
        p.PDataTF,
        items=st.lists(
            st.builds(p.PresentationDataValue, context_id=u8, message_control_header=u8, fragment=raw), max_size=4
        ).map(tuple),
    ),
)


@given(pdus)
@settings(max_examples=400, deadline=None)
def test_decoding_undoes_encoding(pdu: p.PDU) -> None:
    data = p.encode_pdu(pdu)
    assert data[0] == pdu.pdu_type and int.from_bytes(data[2:6], "big") == len(data) - 6
    assert p.decode_pdu(data[0], data[6:]) == pdu


@given(pdus)
@settings(max_examples=200, deadline=None)
def test_annotations_tile_the_pdu(pdu: p.PDU) -> None:
    data = p.encode_pdu(pdu)
    spans = list(p.annotate(data))
    leaves = [
        s for k, s in enumerate(spans) if k + 1 == len(spans) or spans[k + 1].start >= s.stop or s.start == s.stop
    ]
    position = 0
    for span in leaves:
        assert span.start == position, span
        position = span.stop
        assert span.table.startswith("PS3.")
    assert position == len(data)


@given(st.sampled_from(sorted(p.PDU_TYPES)), st.binary(max_size=300))
@settings(max_examples=400, deadline=None)
def test_rubbish_is_one_kind_of_error(pdu_type: int, body: bytes) -> None:
    try:
        p.decode_pdu(pdu_type, body)
    except RemoteProtocolError as error:
        assert error.rule.startswith("PS3.")


@pytest.mark.parametrize("stop", range(len(RQ_BYTES) - 6))
def test_every_truncation(stop: int) -> None:
    """Where an item ends the rest may be missing: that is a shorter request; anywhere else it is an error."""
    try:
        cut = p.decode_pdu(1, RQ_BYTES[6 : 6 + stop])
    except RemoteProtocolError:
        return
    assert isinstance(cut, p.AAssociateRQ) and len(cut.items) < len(RQ.items)


@pytest.mark.parametrize("where", [77, 102, 110, 131, 152, 156, 164, 171, 179])
def test_lengths_that_lie(where: int) -> None:
    """A length one or a lot too long, at every level: never past the end of what holds it."""
    for more in (1, 0x7F):
        data = bytearray(RQ_BYTES)
        data[where] = min(255, data[where] + more)
        try:
            p.decode_pdu(1, bytes(data[6:]))
        except RemoteProtocolError:
            continue


def test_unknown_items_are_kept_and_skipped() -> None:
    """PS3.8 9.3.1: items of unrecognized types shall be ignored and skipped."""
    odd = p.UnknownItem(0x99, b"whatever")
    changed = p.AAssociateRQ(called_ae_title="ANY-SCP", calling_ae_title="ECHOSCU", items=(odd, *RQ.items, odd))
    decoded = p.decode_pdu(1, p.encode_pdu(changed)[6:])
    assert decoded == changed
    assert isinstance(decoded, p.AAssociateRQ)
    assert decoded.presentation_contexts == RQ.presentation_contexts
    assert decoded.application_context_name == RQ.application_context_name


@pytest.mark.parity("A.11 reserved fields")
def test_reserved_fields_are_not_tested() -> None:
    data = bytearray(RQ_BYTES)
    data[1] = data[8] = data[9] = data[75] = data[100] = 0xFF
    data[42:74] = b"\xff" * 32
    decoded = p.decode_pdu(1, bytes(data[6:]))
    assert isinstance(decoded, p.AAssociateRQ) and decoded.presentation_contexts[0].context_id == 1


@pytest.mark.parametrize(
    ("title", "read"),
    [(b"PACS".ljust(16), "PACS"), (b"  PACS".ljust(16), "PACS"), (b"PACS".ljust(16, b"\0"), "PACS"), (b" " * 16, "")],
)
def test_ae_titles(title: bytes, read: str) -> None:
    data = RQ_BYTES[:10] + title + RQ_BYTES[26:]
    decoded = p.decode_pdu(1, data[6:])
    assert isinstance(decoded, p.AAssociateRQ) and decoded.called_ae_title == read


def test_a_title_that_is_too_long_is_ours_to_mend() -> None:
    with pytest.raises(LocalProtocolError, match="16 characters"):
        p.encode_pdu(p.AAssociateRQ(called_ae_title="A" * 17, calling_ae_title="B"))


def test_passwords_are_not_shown() -> None:
    identity = p.UserIdentityRQ(user_identity_type=2, primary_field=b"somebody", secondary_field=b"hunter2")
    assert "hunter2" not in repr(identity) and "somebody" not in repr(p.UserInformation(items=(identity,)))


@pytest.mark.parametrize(
    ("triple", "words"),
    [
        ((1, 1, 7), "called-AE-title-not-recognized (7)"),
        ((1, 1, 3), "calling-AE-title-not-recognized (3)"),
        ((1, 1, 2), "application-context-name-not-supported (2)"),
        ((1, 2, 2), "protocol-version-not-supported (2)"),
        ((2, 3, 1), "temporary-congestion (1)"),
        ((2, 3, 2), "local-limit-exceeded (2)"),
        ((1, 1, 1), "no-reason-given (1)"),
        ((1, 2, 1), "no-reason-given (1)"),
        ((9, 9, 9), "reserved value (9)"),
    ],
)
@pytest.mark.parity("A.11 illegal reject and abort codes")
def test_rejections_in_words(triple: tuple[int, int, int], words: str) -> None:
    assert p.reject_in_words(*triple).endswith(words)


@pytest.mark.parametrize(
    ("source", "reason", "words"),
    [
        (0, 99, "service-user (0)"),
        (2, 0, "not-specified (0)"),
        (2, 6, "invalid-pdu-parameter-value (6)"),
        (1, 3, "reserved value (3)"),
    ],
)
def test_aborts_in_words(source: int, reason: int, words: str) -> None:
    assert p.abort_in_words(source, reason).endswith(words)


IDENTITY = p.UserIdentityRQ(user_identity_type=2, primary_field=b"user", secondary_field=b"passcode")
#: the items of an A-ASSOCIATE PDU, and whether they are remembered
REMEMBERED: dict[str, tuple[tuple[p.Item, ...], bool]] = {
    "a proposal": (
        (p.ApplicationContext(), p.UserInformation(items=(p.MaximumLength(maximum_length_received=9),))),
        True,
    ),
    "with a user identity": ((p.UserInformation(items=(IDENTITY,)),), False),
    "with an answer to one": ((p.UserInformation(items=(p.UserIdentityAC(server_response=b"ticket"),)),), False),
    "with thousands of items": (
        (p.UserInformation(items=(p.MaximumLength(maximum_length_received=7),) * 2500),),
        False,
    ),
    "longer than any": (tuple(p.UnknownItem(unknown_type=0x99, data=bytes(4096)) for _ in range(9)), False),
}


def _twice(rq: p.AAssociateRQ) -> tuple[p.AAssociateRQ, p.AAssociateRQ]:
    """The same items under two titles, encoded and read."""
    raw = p.encode_pdu(rq)
    one, other = p.decode_pdu(1, raw[6:]), p.decode_pdu(1, raw[6:10] + b"SOMEBODY".ljust(16) + raw[26:])
    assert isinstance(one, p.AAssociateRQ) and isinstance(other, p.AAssociateRQ)
    assert one.items == other.items == rq.items
    return one, other


def test_items_that_others_send_too_are_read_once() -> None:
    context = p.PresentationContextRQ(context_id=1, items=(p.AbstractSyntax(abstract_syntax_name=UID("1.2.3")),))
    long = p.PresentationContextRQ(context_id=3, items=(p.AbstractSyntax(abstract_syntax_name=UID("1." * 200)),))
    user = p.UserInformation(items=(p.MaximumLength(maximum_length_received=7), IDENTITY))
    one, other = _twice(p.AAssociateRQ(called_ae_title="A", calling_ae_title="B", items=(context, long, user)))
    shared = [a is b for a, b in zip(one.items, other.items, strict=True)]
    assert shared == [True, False, False]
    shared = [a is b for a, b in zip(one.user_information.items, other.user_information.items, strict=True)]
    assert shared == [True, False]


@pytest.mark.parametrize("name", REMEMBERED)
def test_what_is_private_is_not_remembered(name: str) -> None:
    """What peers propose is read once, whatever their titles are; passcodes and tickets do not stay in memory."""
    items, remembered = REMEMBERED[name]
    one, other = _twice(p.AAssociateRQ(called_ae_title="A", calling_ae_title="B", items=items))
    assert (one.items is other.items) == remembered
