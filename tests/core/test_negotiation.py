"""Negotiation: proposals against policies, roles, windows, lengths, and the table that shows them."""

import gc
from dataclasses import replace
from typing import Any

import pytest

from nbdicom.config import OperationsWindow
from nbdicom.core import negotiation as n
from nbdicom.core import pdu as p
from nbdicom.core.identity import UserIdentity
from nbdicom.errors import LocalProtocolError, NoPresentationContext, RemoteProtocolError
from nbdicom.uids import UID

IMPLICIT, EXPLICIT, J2K = UID("1.2.840.10008.1.2"), UID("1.2.840.10008.1.2.1"), UID("1.2.840.10008.1.2.4.90")
ECHO, CT, MR = UID("1.2.840.10008.1.1"), UID("1.2.840.10008.5.1.4.1.1.2"), UID("1.2.840.10008.5.1.4.1.1.4")


def proposal(*contexts: n.PresentationContext, **more: Any) -> n.Proposal:
    return n.Proposal(called_ae_title="B", calling_ae_title="A", contexts=contexts, **more)


def both(ours: n.Proposal, support: n.Support) -> tuple[n.Negotiation, n.Negotiation]:
    """What requestor and acceptor know after the bytes have crossed."""
    rq = p.decode_pdu(1, p.encode_pdu(n.propose(ours))[6:])
    assert isinstance(rq, p.AAssociateRQ)
    ac, acceptor = n.negotiate(rq, support)
    answer = p.decode_pdu(2, p.encode_pdu(ac)[6:])
    assert isinstance(answer, p.AAssociateAC)
    return n.conclude(n.propose(ours), answer), acceptor


def context(uid: UID, *syntaxes: UID, scu: bool | None = None, scp: bool | None = None) -> n.PresentationContext:
    return n.PresentationContext(uid, syntaxes or (EXPLICIT, IMPLICIT), scu, scp)


@pytest.mark.parametrize(
    ("proposed", "supported", "result", "syntax"),
    [
        ((EXPLICIT, IMPLICIT), (EXPLICIT, IMPLICIT), 0, EXPLICIT),
        # The acceptor's preference counts, not the order asked.
        ((EXPLICIT, IMPLICIT), (IMPLICIT, EXPLICIT), 0, IMPLICIT),
        ((IMPLICIT,), (EXPLICIT, IMPLICIT), 0, IMPLICIT),
        ((J2K,), (EXPLICIT, IMPLICIT), 4, None),
        ((J2K, IMPLICIT), (EXPLICIT, J2K, IMPLICIT), 0, J2K),
        ((EXPLICIT,), None, 3, None),
    ],
)
@pytest.mark.parity("A.11 preference of the acceptor")
def test_the_acceptors_preference(proposed: Any, supported: Any, result: int, syntax: UID | None) -> None:
    support = n.Support.of([n.PresentationContext(CT, supported)] if supported else ["Verification"])
    for negotiation in both(proposal(context(CT, *proposed)), support):
        (one,) = negotiation.contexts
        assert (one.result, one.transfer_syntax, one.accepted) == (result, syntax, result == 0)
        assert one.proposed == proposed


def test_two_entries_of_one_abstract_syntax_are_one() -> None:
    """What one of them says of the roles holds, whichever comes first."""
    plain, taken = context(CT, IMPLICIT), context(CT, EXPLICIT, scu=False, scp=True)
    for entries in ((plain, taken), (taken, plain)):
        one = n.Support.of(entries).contexts[CT]
        assert set(one.transfer_syntaxes) == {IMPLICIT, EXPLICIT} and (one.scu_role, one.scp_role) == (False, True)


@pytest.mark.parity("A.4 promiscuous storage")
def test_contexts_for_everything_else() -> None:
    support = n.Support(contexts={ECHO: context(ECHO)}, any_abstract_syntax=(J2K, EXPLICIT))
    negotiation, _ = both(proposal(context(UID("1.2.3.4")), context(ECHO), context(CT, J2K, EXPLICIT)), support)
    assert [c.transfer_syntax for c in negotiation.contexts] == [EXPLICIT, EXPLICIT, J2K]


# Requestor's roles: offered (None: no item), what the acceptor allows, and what both end with (PS3.7 D.3.3.4).
ROLES = [
    (None, (None, None), (True, False)),
    (None, (True, True), (True, False)),
    ((True, True), (None, None), (True, True)),
    ((False, True), (None, None), (False, True)),
    ((True, True), (True, False), (True, False)),
    ((True, True), (False, True), (False, True)),
    ((True, False), (True, True), (True, False)),  # never 1 where 0 was offered
    ((False, True), (True, False), (False, False)),
    ((True, False), (None, None), (True, False)),
]


@pytest.mark.parametrize(("offered", "allowed", "agreed"), ROLES)
@pytest.mark.parity("A.6 role selection")
def test_roles(offered: Any, allowed: Any, agreed: Any) -> None:
    asked = context(CT, scu=offered[0], scp=offered[1]) if offered else context(CT)
    support = n.Support.of([context(CT, scu=allowed[0], scp=allowed[1])])
    for negotiation in both(proposal(asked), support):
        assert (negotiation.contexts[0].scu_role, negotiation.contexts[0].scp_role) == agreed
    rq = n.propose(proposal(asked))
    items = n.negotiate(rq, support)[0].user_information.every(p.SCPSCURoleSelection)
    assert len(items) == (1 if offered else 0)


def test_roles_that_are_not_answered_are_the_default_ones() -> None:
    rq = n.propose(proposal(context(CT, scu=True, scp=True)))
    answer = p.AAssociateAC(
        items=(p.PresentationContextAC(context_id=1, items=(p.TransferSyntaxItem(transfer_syntax_name=EXPLICIT),)),)
    )
    negotiation = n.conclude(rq, answer)
    assert (negotiation.contexts[0].scu_role, negotiation.contexts[0].scp_role) == (True, False)
    with pytest.raises(NoPresentationContext, match="role of SCP"):
        negotiation.context_for(CT, as_scu=False)


def test_roles_decide_who_may_act() -> None:
    requestor, acceptor = both(proposal(context(CT, scu=False, scp=True)), n.Support.of([context(CT)]))
    assert acceptor.context_for(CT).context_id == requestor.context_for(CT, as_scu=False).context_id == 1
    for negotiation, as_scu in ((requestor, True), (acceptor, False)):
        with pytest.raises(NoPresentationContext, match="role"):
            negotiation.context_for(CT, as_scu=as_scu)


# ------------------------------------------------------------------------------- limits


@pytest.mark.parity("A.1 contexts")
def test_128_contexts() -> None:
    contexts = [context(UID(f"1.2.3.{k}")) for k in range(128)]
    support = n.Support.of([c for c in contexts if int(c.abstract_syntax[-1]) % 2])
    negotiation, _ = both(proposal(*contexts), support)
    assert [c.context_id for c in negotiation.contexts] == list(range(1, 256, 2))
    assert len(negotiation.accepted) == 64
    for number in (0, 129):
        with pytest.raises(LocalProtocolError, match="128"):
            n.propose(proposal(*[context(CT)] * number))


def rq_with(
    *items: p.Item, info: tuple[p.Item, ...] = (p.MaximumLength(maximum_length_received=16384),)
) -> p.AAssociateRQ:
    every = (p.ApplicationContext(), *items, p.UserInformation(items=info))
    return p.AAssociateRQ(called_ae_title="B", calling_ae_title="A", items=every)


def proposed(context_id: int, *items: p.Item) -> p.PresentationContextRQ:
    usual = (p.AbstractSyntax(abstract_syntax_name=ECHO), p.TransferSyntaxItem(transfer_syntax_name=IMPLICIT))
    return p.PresentationContextRQ(context_id=context_id, items=items or usual)


@pytest.mark.parametrize(
    "contexts",
    [
        [proposed(2)],
        [proposed(0)],
        [proposed(1), proposed(1)],
        [proposed(1, p.TransferSyntaxItem(transfer_syntax_name=IMPLICIT))],
        [proposed(1, *[p.AbstractSyntax(abstract_syntax_name=ECHO)] * 2)],
    ],
    ids=["even", "zero", "twice", "no abstract syntax", "two abstract syntaxes"],
)
def test_requests_with_which_nothing_can_be_done(contexts: list[p.PresentationContextRQ]) -> None:
    with pytest.raises(RemoteProtocolError, match="PS3.8 9.3.2.2"):
        n.negotiate(rq_with(*contexts), n.Support.of(["Verification"]))


def test_a_context_without_transfer_syntax_is_refused_alone() -> None:
    rq = rq_with(proposed(1, p.AbstractSyntax(abstract_syntax_name=ECHO)), proposed(3))
    _, negotiation = n.negotiate(rq, n.Support.of(["Verification"]))
    assert [c.result for c in negotiation.contexts] == [4, 0]


@pytest.mark.parametrize(
    ("announced", "send"), [(0, 0), (8, 8), (16384, 16384), (0xFFFFFFFF, 0xFFFFFFFF), (None, 16384)]
)
@pytest.mark.parity("A.1 limits")
def test_maximum_length(announced: int | None, send: int) -> None:
    info = () if announced is None else (p.MaximumLength(maximum_length_received=announced),)
    _, negotiation = n.negotiate(
        rq_with(proposed(1), info=info), n.Support.of(["Verification"], max_length_received=4096)
    )
    assert (negotiation.max_length_send, negotiation.max_length_received) == (send, 4096)


@pytest.mark.parametrize("length", range(1, 8))
def test_a_maximum_length_into_which_nothing_fits(length: int) -> None:
    info = (p.MaximumLength(maximum_length_received=length),)
    with pytest.raises(RemoteProtocolError, match="no fragment fits"):
        n.negotiate(rq_with(proposed(1), info=info), n.Support.of(["Verification"]))


# ------------------------------------------------------------------------------- operations window


@pytest.mark.parametrize(
    ("asked", "allowed", "requestor", "acceptor"),
    [
        ((1, 1), (1, 1), (1, 1), (1, 1)),
        ((8, 2), (16, 16), (8, 2), (2, 8)),
        ((0, 0), (16, 4), (4, 16), (16, 4)),
        ((8, 8), (0, 0), (8, 8), (8, 8)),
        ((0, 0), (0, 0), (0, 0), (0, 0)),
        ((8, 8), (1, 1), (1, 1), (1, 1)),
    ],
)
def test_window(asked: Any, allowed: Any, requestor: Any, acceptor: Any) -> None:
    """0 is unlimited; what the requestor invokes the acceptor performs (PS3.7 D.3.3.3)."""
    support = n.Support(
        contexts={ECHO: context(ECHO)}, window=OperationsWindow(invoked=allowed[0], performed=allowed[1])
    )
    window = OperationsWindow(invoked=asked[0], performed=asked[1])
    first, second = both(proposal(context(ECHO), window=window), support)
    assert (first.window.invoked, first.window.performed) == requestor
    assert (second.window.invoked, second.window.performed) == acceptor


# ------------------------------------------------------------------------------- odd answers


def test_what_a_refused_context_carries_is_not_looked_at() -> None:
    rq = n.propose(proposal(context(ECHO), context(CT), context(MR)))
    answer = p.AAssociateAC(
        items=(
            p.PresentationContextAC(
                context_id=1, result=3, items=(p.TransferSyntaxItem(transfer_syntax_name=UID("")),)
            ),
            p.PresentationContextAC(context_id=3, result=4),
            p.PresentationContextAC(context_id=99),
        )
    )
    negotiation = n.conclude(rq, answer)
    assert [(c.result, c.accepted) for c in negotiation.contexts] == [(3, False), (4, False), (2, False)]


@pytest.mark.parametrize("items", [(), (p.TransferSyntaxItem(transfer_syntax_name=J2K),)], ids=["none", "not proposed"])
def test_an_acceptance_that_cannot_be_used(items: tuple[p.Item, ...]) -> None:
    answer = p.AAssociateAC(items=(p.PresentationContextAC(context_id=1, result=0, items=items),))
    negotiation = n.conclude(n.propose(proposal(context(ECHO))), answer)
    assert negotiation.accepted == ()
    with pytest.raises(NoPresentationContext):
        negotiation.context_for(ECHO)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"identity": UserIdentity.with_saml(bytes(1 << 16))}, "65536 bytes"),
        ({"identity": UserIdentity.with_passcode("a" * 40_000, "b" * 40_000)}, "User Identity"),
        ({"window": OperationsWindow(invoked=1 << 16)}, "16 bits"),
        ({"max_length_received": 1 << 32}, "32 bits"),
        ({"max_length_received": -1}, "32 bits"),
    ],
)
def test_what_does_not_fit_is_said_before_there_is_a_connection(more: dict[str, Any], words: str) -> None:
    with pytest.raises(LocalProtocolError, match=words):
        n.propose(proposal(context(ECHO), **more))


@pytest.mark.parametrize("title", ["", "   ", "A" * 17, "A\\B", "A\nB", "Ä"])
@pytest.mark.parity("A.1 titles")
def test_titles_that_are_none(title: str) -> None:
    assert n.title_problem(title)
    with pytest.raises(LocalProtocolError, match="PS3.5 6.2"):
        n.propose(n.Proposal(called_ae_title=title, calling_ae_title="A", contexts=(context(ECHO),)))


# ------------------------------------------------------------------------------- asking for a context


def negotiated() -> n.Negotiation:
    support = n.Support.of([context(CT, EXPLICIT, J2K), context(ECHO)])
    return both(proposal(context(CT, EXPLICIT), context(CT, J2K), context(MR), context(ECHO, J2K)), support)[0]


@pytest.mark.parametrize(
    ("syntax", "context_id"),
    [(EXPLICIT, 1), (J2K, 3), (None, 1), (IMPLICIT, 1)],
    ids=["exact", "compressed", "any", "convertible"],
)
@pytest.mark.parity("A.2 context choice")
def test_the_context_for_an_object(syntax: UID | None, context_id: int) -> None:
    def convertible(source: str, target: str) -> bool:
        return {source, target} <= {EXPLICIT, IMPLICIT}

    assert negotiated().context_for(CT, syntax, convertible=convertible).context_id == context_id


@pytest.mark.parametrize(
    ("uid", "syntax", "words"),
    [
        (CT, UID("1.2.840.10008.1.2.4.50"), "accepted only with Explicit"),
        (MR, None, "abstract-syntax-not-supported \\(3\\) -> the peer does not offer"),
        (ECHO, None, "transfer-syntaxes-not-supported \\(4\\) -> propose another"),
        (UID("1.2.3.4"), None, "not among the 4"),
    ],
)
def test_no_context_for_an_object(uid: UID, syntax: UID | None, words: str) -> None:
    with pytest.raises(NoPresentationContext, match=words) as caught:
        negotiated().context_for(uid, syntax)
    assert caught.value.abstract_syntax == uid


def test_an_encoding_that_was_refused_is_told_with_its_result() -> None:
    support = n.Support.of([context(CT, EXPLICIT)])
    negotiation = both(proposal(context(CT, EXPLICIT), context(CT, J2K)), support)[0]
    with pytest.raises(NoPresentationContext, match="for which it said transfer-syntaxes-not-supported \\(4\\)"):
        negotiation.context_for(CT, J2K)


# ------------------------------------------------------------------------------- the table


@pytest.mark.parity("A.1 summary", "A.3 negotiation", "A.6 context results")
def test_the_table_has_every_context_in_words() -> None:
    negotiation = negotiated()
    text, html = str(negotiation), negotiation._repr_html_()
    for words in ("2 of 4", "CT Image Storage", CT, "abstract-syntax-not-supported (3)",
                  "the peer does not offer this service", "JPEG 2000", "maximum length", "operations window"):  # fmt: skip
        assert set(words.split()) <= set(text.split()) or words in text  # a long cell is wrapped
        assert words in html
    assert list(negotiation.to_frame()["ID"]) == [1, 3, 5, 7]


def test_a_rejection_in_the_table() -> None:
    rq = n.propose(proposal(context(ECHO)))
    negotiation = n.conclude(rq, p.AAssociateRJ(result=1, source=1, reason_diag=7))
    assert "called-AE-title-not-recognized (7)" in str(negotiation)
    assert "not negotiated" in str(negotiation) and negotiation.accepted == ()


@pytest.mark.parity("A.8 CODECS")
def test_what_a_peer_sends_cannot_leave_its_cell() -> None:
    hostile = "<b>\x1b[2J"
    info = (
        p.ImplementationVersionName(implementation_version_name=hostile),
        p.ImplementationClassUID(implementation_class_uid=UID(hostile)),
    )
    rq = p.AAssociateRQ(
        called_ae_title=hostile,
        calling_ae_title=hostile,
        items=(
            proposed(
                1,
                p.AbstractSyntax(abstract_syntax_name=UID(hostile)),
                p.TransferSyntaxItem(transfer_syntax_name=UID(hostile)),
            ),
            p.UserInformation(items=info),
        ),
    )
    _, negotiation = n.negotiate(rq, n.Support.of(["Verification"]))
    assert "\x1b" not in str(negotiation)
    assert "<b>" not in negotiation._repr_html_() and "\x1b" not in negotiation._repr_html_()


@pytest.mark.parametrize(
    ("like", "uid", "count"),
    [
        ("Verification", ECHO, 2),
        (ECHO, ECHO, 2),
        (("CT Image Storage", "JPEG2000Lossless"), CT, 1),
        ((CT, [J2K, EXPLICIT]), CT, 2),
    ],
)
@pytest.mark.parity("A.9 contexts")
def test_contexts_from_what_people_type(like: Any, uid: UID, count: int) -> None:
    made = n.context_of(like)
    assert made.abstract_syntax == uid and len(made.transfer_syntaxes) == count


def test_what_is_said_under_another_title_is_negotiated_anew_but_for_the_contexts() -> None:
    """What peers propose is remembered, who they are is not."""
    support = n.Support.of([CT])
    for calling in ("ONE", "OTHER", ""):
        rq = p.AAssociateRQ(called_ae_title="B", calling_ae_title=calling, items=n.propose(proposal(context(CT))).items)
        ac, acceptor = n.negotiate(rq, support)
        requestor = n.conclude(rq, ac)
        for negotiation in (acceptor, requestor):
            assert (negotiation.calling_ae_title, negotiation.called_ae_title) == (calling, "B")
            assert len(negotiation.accepted) == 1
        assert ac.calling_ae_title == calling
        assert bool(acceptor.quirks) == (calling == ""), acceptor.quirks
        assert not requestor.quirks
    changed = p.AAssociateAC(called_ae_title="X", calling_ae_title="Y", items=ac.items)
    assert ["other AE titles" in quirk for quirk in n.conclude(rq, changed).quirks] == [True]
    (quirk,) = n.conclude(rq, replace(ac, protocol_version=2)).quirks
    assert "protocol version 2" in quirk


def test_no_passcode_stays_in_memory() -> None:
    def associate() -> None:
        identity = UserIdentity.with_passcode("user", "nobody else has this one", positive_response=True)
        rq = p.decode_pdu(1, p.encode_pdu(n.propose(proposal(context(CT), identity=identity)))[6:])
        assert isinstance(rq, p.AAssociateRQ)
        ac, acceptor = n.negotiate(rq, n.Support.of([CT]), (p.UserIdentityAC(server_response=b"nor this one"),))
        answer = p.decode_pdu(2, p.encode_pdu(ac)[6:])
        assert isinstance(answer, p.AAssociateAC)
        requestor = n.conclude(rq, answer)
        assert requestor.identity == acceptor.identity == identity
        assert requestor.identity_response == b"nor this one"

    associate()
    gc.collect()
    said = [one for one in gc.get_objects() if isinstance(one, p.UserIdentityRQ | p.UserIdentityAC)]
    assert not [
        one for one in said if b"this one" in getattr(one, "secondary_field", getattr(one, "server_response", b""))
    ]


@pytest.mark.parametrize("like", ["Verification", n.PresentationContext(ECHO), ["Verification"]])
def test_one_name_is_one_context(like: Any) -> None:
    assert [context.abstract_syntax for context in n.contexts_of(like)] == [ECHO]
