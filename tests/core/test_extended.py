"""Extended, common extended negotiation and user identity: on the wire, agreed, in words (PS3.7 D.3.3.5 to D.3.3.7)."""

from typing import Any

import pytest

from nbdicom.config import OperationsWindow
from nbdicom.core import negotiation as n
from nbdicom.core import pdu as p
from nbdicom.core.extended import QueryOptions, RetrieveOptions, StorageOptions, agreed, options_of
from nbdicom.core.identity import UserIdentity
from nbdicom.operations.admission import Admission
from nbdicom.operations.handlers import known_users
from nbdicom.uids import UID

ECHO, CT = UID("1.2.840.10008.1.1"), UID("1.2.840.10008.5.1.4.1.1.2")
FIND, MOVE, GET = (UID(f"1.2.840.10008.5.1.4.1.2.2.{number}") for number in (1, 2, 3))
PRIVATE = UID("1.2.826.0.1.3680043.8.498.77.1")


def crossed(
    *contexts: n.PresentationContext, support: n.Support, **more: Any
) -> tuple[n.Negotiation, n.Negotiation, p.AAssociateRQ]:
    """What requestor and acceptor know after the bytes have crossed, and the request as it arrived."""
    ours = n.propose(n.Proposal(called_ae_title="B", calling_ae_title="A", contexts=contexts, **more))
    rq = p.decode_pdu(1, p.encode_pdu(ours)[6:])
    assert isinstance(rq, p.AAssociateRQ)
    ac, acceptor = n.negotiate(rq, support)
    answer = p.decode_pdu(2, p.encode_pdu(ac)[6:])
    assert isinstance(answer, p.AAssociateAC)
    return n.conclude(ours, answer), acceptor, rq


@pytest.mark.parametrize(
    ("options", "data"),
    [
        (QueryOptions(), "00 00 00 00 00"),
        (QueryOptions(relational=True), "01 00 00 00 00"),
        (QueryOptions(date_time=True), "00 01 00 00 00"),
        (QueryOptions(fuzzy=True), "00 00 01 00 00"),
        (QueryOptions(timezone=True), "00 00 00 01 00"),
        (QueryOptions(enhanced_conversion=True), "00 00 00 00 01"),
        (QueryOptions(empty_value=True), "00 00 00 00 00 01"),
        (QueryOptions(relational=True, multiple_value=True), "01 00 00 00 00 00 01"),
        (RetrieveOptions(relational=True), "01 00"),
        (RetrieveOptions(enhanced_conversion=True), "00 01"),
        (StorageOptions(level=2, signatures=3, coercion=1), "02 00 03 00 01 00"),
    ],
)
def test_options_are_these_bytes(options: Any, data: str) -> None:
    """PS3.4 Tables C.5-1, C.5-3, B.3-1."""
    assert bytes(options) == bytes.fromhex(data)
    assert type(options).of(bytes.fromhex(data)) == options
    assert str(options)


def test_what_the_bytes_mean_depends_on_the_class() -> None:
    for uid, kind in ((FIND, QueryOptions), (MOVE, RetrieveOptions), (GET, RetrieveOptions), (CT, StorageOptions)):
        assert type(options_of(uid, b"\1")) is kind
    for keyword in ("ModalityWorklistInformationModelFind", "UnifiedProcedureStepPull", "UnifiedProcedureStepQuery"):
        assert options_of(UID.of(keyword), b"\0\0\1") == QueryOptions(fuzzy=True)  # PS3.4 K.5, CC.3.2
        assert options_of(UID.of(keyword), b"\1\1\1\0") == QueryOptions(fuzzy=True)
    assert options_of(UID.of("UnifiedProcedureStepPush"), b"\0\0\1") == b"\0\0\1"
    assert options_of(PRIVATE, b"\1\2") == options_of(ECHO, b"\1\2") == b"\1\2"
    assert QueryOptions.of(b"\1\2\1\1\1\1\1") == QueryOptions(
        relational=True, fuzzy=True, timezone=True, enhanced_conversion=True, empty_value=True, multiple_value=True
    )


@pytest.mark.parametrize(
    ("asked", "answered"),
    [("01", "01"), ("01 01", "01 00"), ("01 00 01", "01 00 01"), ("01 01 01 01 01 01 01", "01 00 01 00 00 00 00"),
     ("01" * 9, "01 00 01 00 00 00 00")],
)  # fmt: skip
def test_the_answer_has_as_many_bytes_as_the_question(asked: str, answered: str) -> None:
    """PS3.4 C.5.1.1: one byte is answered by one; further ones are those of the standard."""
    assert agreed(bytes.fromhex(asked), BOTH, FIND) == bytes.fromhex(answered)


@pytest.mark.parametrize(
    "keyword",
    [
        "ModalityWorklistInformationModelFind",
        "UnifiedProcedureStepWatch",
        "ColorPaletteQueryRetrieveInformationModelFind",
    ],
)
@pytest.mark.parametrize(
    ("asked", "ours", "answered"),
    [
        (QueryOptions(fuzzy=True), QueryOptions(fuzzy=True, timezone=True), "01 01 01 00"),
        (QueryOptions(timezone=True), QueryOptions(fuzzy=True), "01 01 00 00"),
        (bytes.fromhex("01 01 01"), QueryOptions(fuzzy=True, relational=True), "01 01 01"),
        (QueryOptions(fuzzy=True, multiple_value=True), QueryOptions(multiple_value=True), "01 01 00 00"),
    ],
)
def test_a_worklist_has_four_bytes_and_the_first_two_are_one(
    keyword: str, asked: Any, ours: Any, answered: str
) -> None:
    """PS3.4 K.5.1.1 and K.5.1.2."""
    uid = UID.of(keyword)
    support = n.Support.of([n.PresentationContext(uid, extended=ours)])
    requestor, _, rq = crossed(n.PresentationContext(uid, extended=asked), support=support)
    (item,) = rq.user_information.every(p.SOPClassExtendedNegotiation)
    sent = item.service_class_application_information
    assert sent[:2] == b"\1\1" and len(sent) == (len(asked) if isinstance(asked, bytes) else 4)
    (item,) = n.negotiate(rq, support)[0].user_information.every(p.SOPClassExtendedNegotiation)
    assert item.service_class_application_information == bytes.fromhex(answered)
    assert requestor.contexts[0].extended == options_of(uid, bytes.fromhex(answered))


BOTH = QueryOptions(relational=True, fuzzy=True)


@pytest.mark.parametrize(
    ("uid", "asked", "ours", "answered"),
    [
        (FIND, BOTH, BOTH, BOTH),
        (FIND, BOTH, QueryOptions(fuzzy=True, timezone=True), QueryOptions(fuzzy=True)),
        (FIND, BOTH, QueryOptions(), QueryOptions()),
        (FIND, BOTH, None, None),
        (FIND, b"\1", BOTH, QueryOptions(relational=True)),
        (FIND, None, BOTH, None),
        (GET, RetrieveOptions(relational=True), RetrieveOptions(relational=True), RetrieveOptions(relational=True)),
        (CT, StorageOptions(level=3, coercion=2), StorageOptions(level=2), StorageOptions(level=2)),
        (PRIVATE, b"anything", b"\xff\0", b"\xff\0"),
    ],
)  # fmt: skip
@pytest.mark.parity("A.5 EVT_SOP_EXTENDED", "A.6 extended negotiation")
def test_extended_negotiation(uid: UID, asked: Any, ours: Any, answered: Any) -> None:
    support = n.Support.of([n.PresentationContext(uid, extended=ours)])
    requestor, acceptor, rq = crossed(n.PresentationContext(uid, extended=asked), support=support)
    for negotiation in (requestor, acceptor):
        (context,) = negotiation.contexts
        assert context.extended == answered
        assert context.extended_proposed == (options_of(uid, bytes(asked)) if asked is not None else None)
    items = n.negotiate(rq, support)[0].user_information.every(p.SOPClassExtendedNegotiation)
    assert [i.service_class_application_information for i in items] == (
        [] if answered is None else [bytes(answered)[: len(bytes(asked)) if uid == FIND else None]]
    )
    if asked is not None:
        assert "extended negotiation" in str(requestor) and "asked for" in str(acceptor)


def test_one_item_for_a_class_in_many_contexts() -> None:
    context = n.PresentationContext(FIND, (UID("1.2.840.10008.1.2"),), extended=BOTH)
    other = n.PresentationContext(FIND, (UID("1.2.840.10008.1.2.1"),), scp_role=True)
    rq = n.propose(n.Proposal(called_ae_title="B", calling_ae_title="A", contexts=(context, other)))
    assert [type(item).__name__ for item in rq.user_information.items[2:] if item.item_type != 0x55] == [
        "SCPSCURoleSelection", "SOPClassExtendedNegotiation"]  # fmt: skip


# ------------------------------------------------------------------------------- common extended negotiation


@pytest.mark.parametrize(
    ("related", "supported", "accepted"),
    [((CT,), [CT], True), ((UID("1.2.3"), CT), [CT], True), ((UID("1.2.3"),), [CT], False), ((), [CT], False)],
)
@pytest.mark.parity("A.5 EVT_SOP_COMMON", "A.6 common extended negotiation")
def test_a_class_that_is_related_to_one_that_is_supported(
    related: tuple[UID, ...], supported: list[UID], accepted: bool
) -> None:
    asked = n.PresentationContext(
        PRIVATE, service_class_uid=UID("1.2.840.10008.4.2"), related_general_sop_classes=related
    )
    support = n.Support.of([n.PresentationContext(uid) for uid in supported])
    requestor, acceptor, rq = crossed(asked, support=support)
    for negotiation in (requestor, acceptor):
        (context,) = negotiation.contexts
        assert (context.accepted, context.abstract_syntax) == (accepted, PRIVATE)
        assert context.related_general_sop_classes == related
        text = " ".join(str(negotiation).split())
        assert "Storage Service Class" in text and (not related or related[-1].name in text)
    # It is never answered (PS3.7 D.3.3.6).
    assert not n.negotiate(rq, support)[0].user_information.every(p.SOPClassCommonExtendedNegotiation)


# ------------------------------------------------------------------------------- user identity

SECRET = "s3cret-and-nobody's-business"
IDENTITIES = [
    UserIdentity.with_name("alice"),
    UserIdentity.with_passcode("alice", SECRET),
    UserIdentity.with_kerberos(SECRET.encode()),
    UserIdentity.with_saml(SECRET),
    UserIdentity.with_jwt(SECRET, positive_response=True),
]


@pytest.mark.parametrize("identity", IDENTITIES, ids=lambda identity: str(identity))
def test_an_identity_crosses_and_shows_no_secret(identity: UserIdentity) -> None:
    requestor, acceptor, rq = crossed(n.PresentationContext(ECHO), support=n.Support.of([ECHO]), identity=identity)
    assert acceptor.identity == requestor.identity == identity
    assert requestor.identity_response is None
    wire = p.encode_pdu(rq)
    texts = [repr(identity), str(identity), repr(rq), str(requestor), requestor._repr_html_(), repr(acceptor)]
    texts += [repr(p.without_secrets(wire)), repr(p.annotate(p.without_secrets(wire)))]
    assert not any(SECRET in text for text in texts)
    assert len(p.without_secrets(wire)) == len(wire)
    assert b"alice" in p.without_secrets(wire) or identity.name is None
    assert int(identity.kind) == rq.user_information.first(p.UserIdentityRQ).user_identity_type  # type: ignore[union-attr]


def test_an_identity_pdu_that_cannot_be_read_shows_its_fixed_part_only() -> None:
    rq = n.propose(n.Proposal(called_ae_title="B", calling_ae_title="A", contexts=(n.PresentationContext(ECHO),),
                              identity=IDENTITIES[1]))  # fmt: skip
    assert SECRET.encode() not in p.without_secrets(p.encode_pdu(rq)[:-1])


def test_identities_are_compared_whole() -> None:
    one = UserIdentity.with_passcode("alice", SECRET)
    assert one == UserIdentity.with_passcode("alice", SECRET) and hash(one) == hash(
        UserIdentity.with_passcode("alice", SECRET)
    )
    for other in (*IDENTITIES[:1], *IDENTITIES[2:], UserIdentity.with_passcode("alice", SECRET[:-1]), "alice"):
        assert one != other
    assert one.has_passcode(SECRET) and not one.has_passcode(SECRET + "!")
    assert not UserIdentity.with_name("alice").has_passcode("")


def decided(identity: UserIdentity | None, handler: Any, **more: Any) -> tuple[Any, n.Negotiation | None]:
    admission = Admission(ae_title="B", support=n.Support.of([ECHO]), identity=handler)
    rq = n.propose(n.Proposal(called_ae_title="B", calling_ae_title="A", contexts=(n.PresentationContext(ECHO),),
                              identity=identity, **more))  # fmt: skip
    return admission.decide(rq, ("127.0.0.1", 1))


@pytest.mark.parametrize(
    ("identity", "handler", "response"),
    [
        (UserIdentity.with_name("alice", positive_response=True), lambda identity, rq: True, b""),
        (UserIdentity.with_name("alice"), lambda identity, rq: True, None),
        (UserIdentity.with_jwt(b"x", positive_response=True), lambda identity, rq: b"token", b"token"),
        (UserIdentity.with_jwt(b"x"), lambda identity, rq: b"token", None),
        (UserIdentity.with_jwt(b"x", positive_response=True), None, None),  # not supported: nothing is said
        (None, lambda identity, rq: identity is None, None),
        (UserIdentity(9, b"x", b"", True), lambda identity, rq: identity is None, None),  # an undefined type
        (UserIdentity.with_passcode("alice", SECRET), known_users({"alice": SECRET}), None),
        (None, known_users({}, anonymous=True), None),
    ],
)
def test_accepted_identities(identity: Any, handler: Any, response: bytes | None) -> None:
    answer, negotiation = decided(identity, handler)
    assert isinstance(answer, p.AAssociateAC) and negotiation is not None
    item = answer.user_information.first(p.UserIdentityAC)
    assert (item.server_response if item else None) == response == negotiation.identity_response


@pytest.mark.parametrize(
    ("identity", "handler"),
    [
        (UserIdentity.with_passcode("alice", "wrong"), known_users({"alice": SECRET})),
        (UserIdentity.with_passcode("bob", SECRET), known_users({"alice": SECRET})),
        (UserIdentity.with_name("alice"), known_users({"alice": ""})),
        (None, known_users({"alice": SECRET})),
        (UserIdentity.with_jwt("x"), lambda identity, rq: False),
    ],
)
def test_refused_identities(identity: Any, handler: Any) -> None:
    answer, negotiation = decided(identity, handler)
    assert negotiation is None
    assert (answer.result, answer.source, answer.reason_diag) == (1, 2, 1)


def test_an_identity_handler_that_gives_nonsense() -> None:
    with pytest.raises(TypeError, match="NoneType"):
        decided(None, lambda identity, rq: None)


# ------------------------------------------------------------------------------- in words


@pytest.mark.parity("A.3 negotiation")
def test_the_table_shows_everything_that_was_negotiated() -> None:
    support = n.Support.of(
        [n.PresentationContext(FIND, extended=QueryOptions(fuzzy=True)), n.PresentationContext(CT, scp_role=False)],
        window=OperationsWindow(invoked=1, performed=4),
    )
    requestor, acceptor, _ = crossed(
        n.PresentationContext(FIND, extended=BOTH),
        n.PresentationContext(CT, scu_role=True, scp_role=True),
        support=support,
        window=OperationsWindow(invoked=16, performed=0),
        identity=UserIdentity.with_name("alice", positive_response=True),
        user_items=(p.UnknownItem(0x7E, b"?"),),
    )
    for negotiation, window in ((requestor, "4 invoked, 1 performed"), (acceptor, "1 invoked, 4 performed")):
        text = " ".join(str(negotiation).split())
        assert f"operations window: {window} (asked for:" in text and "unlimited" in text
        assert "SCU (asked for SCU/SCP)" in negotiation._repr_html_()
        assert "asked for relational queries, fuzzy matching of names; answered fuzzy matching of names" in text
        assert "user identity: username 'alice'; not confirmed" in text


def test_unknown_items_are_skipped_at_every_level() -> None:
    context = n.PresentationContext(ECHO)
    _, acceptor, rq = crossed(context, support=n.Support.of([ECHO]), user_items=(p.UnknownItem(0xFE, bytes(300)),))
    assert rq.user_information.items[-1] == p.UnknownItem(0xFE, bytes(300))
    assert acceptor.accepted and not acceptor.quirks


# ------------------------------------------------------------------------------- quirks of an answer


def answered(*items: p.Item, info: tuple[p.Item, ...] = ()) -> n.Negotiation:
    rq = n.propose(n.Proposal(called_ae_title="B", calling_ae_title="A", contexts=(n.PresentationContext(ECHO),)))
    usual = (
        p.MaximumLength(maximum_length_received=16384),
        p.ImplementationClassUID(implementation_class_uid=UID("1.2")),
    )
    every = (*items, p.UserInformation(items=info or usual))
    return n.conclude(rq, p.AAssociateAC(called_ae_title="B", calling_ae_title="A", items=every))


def accepting(context_id: int, *syntaxes: str, result: int = 0) -> p.PresentationContextAC:
    named = tuple(p.TransferSyntaxItem(transfer_syntax_name=UID(syntax)) for syntax in syntaxes)
    return p.PresentationContextAC(context_id=context_id, result=result, items=named)


OK = accepting(1, "1.2.840.10008.1.2")


def test_user_items_are_sent_in_the_order_of_their_types() -> None:
    """Some old applications expect it (PS3.8 9.3.2.3)."""
    context = n.PresentationContext(FIND, scu_role=True, scp_role=True, extended=BOTH, service_class_uid=UID("1.2.3"))
    proposal = n.Proposal(
        contexts=(context,), calling_ae_title="SCU", called_ae_title="SCP", window=OperationsWindow(invoked=2, performed=2),
        identity=UserIdentity.with_name("alice", positive_response=True),
    )  # fmt: skip
    rq = n.propose(proposal)
    ac, _ = n.negotiate(
        rq, n.Support.of([context], window=OperationsWindow(invoked=4, performed=4)), (p.UserIdentityAC(),)
    )
    asked, answered = ([i.item_type for i in pdu.user_information.items] for pdu in (rq, ac))
    assert asked == [0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58]
    assert answered == [0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x59]


@pytest.mark.parametrize(
    ("items", "info", "usable", "words"),
    [
        ((OK,), (), True, None),
        ((), (), False, "does not answer the presentation contexts 1"),
        ((accepting(1),), (), False, "with no transfer syntax"),
        ((accepting(1, "1.2.3.4"),), (), False, "1.2.3.4, which was not proposed"),
        ((accepting(1, "1.2.840.10008.1.2", result=9),), (), False, "reserved result 9"),
        ((accepting(1, result=3),), (), False, "leaves the transfer syntax out"),
        ((OK, accepting(99, "1.2.840.10008.1.2")), (), True, "99, which was not proposed"),
        ((OK,), (p.ImplementationVersionName(implementation_version_name="X"),), True, "no maximum length"),
        ((OK,), (p.MaximumLength(maximum_length_received=0),), True, "no implementation class UID"),
        ((OK,), (p.SCPSCURoleSelection(sop_class_uid=ECHO, scu_role=1, scp_role=1),), True, "none were offered"),
        ((OK,), (p.UserIdentityAC(),), True, "confirms a user identity"),
        ((OK,), (p.AsynchronousOperationsWindow(),), True, "window that was not proposed"),
    ],
)  # fmt: skip
def test_quirks_of_an_answer(items: Any, info: Any, usable: bool, words: str | None) -> None:
    negotiation = answered(*items, info=info)
    assert bool(negotiation.accepted) is usable
    assert negotiation.window == OperationsWindow()
    if words is None:
        assert negotiation.quirks == ()
    else:
        assert any(words in quirk for quirk in negotiation.quirks), negotiation.quirks
        assert "quirk of the peer" in str(negotiation)
