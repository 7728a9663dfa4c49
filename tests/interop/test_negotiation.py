"""Every item of extended negotiation with pynetdicom at the other end, in both roles (PS3.7 D.3.3)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import nbdicom as nd
from nbdicom.core.negotiation import PresentationContext, Support
from nbdicom.errors import AssociationRejected
from nbdicom.uids import UID

from . import peers
from .conftest import started

FIND, CT = UID("1.2.840.10008.5.1.4.1.2.2.1"), UID("1.2.840.10008.5.1.4.1.1.2")
PRIVATE, STORAGE = UID("1.2.826.0.1.3680043.8.498.77.5"), UID("1.2.840.10008.4.2")
_PROGRAM = Path(peers.__file__).with_name("pynetdicom_negotiation.py")


@pytest.fixture(scope="module")
def report(folder):
    return folder / "negotiation.json"


@pytest.fixture(scope="module")
def scp(folder, report):
    """pynetdicom as the acceptor; it tells in a file what was proposed."""

    def make() -> peers.Program:
        port = peers.free_port()
        argv = [peers.pynetdicom(), _PROGRAM, "scp", str(port), "PYNETDICOM", report]
        return peers.Program(argv, folder / "negotiation", port, "PYNETDICOM")

    program = started(make)
    yield program
    program.stop()


def associated(scp: peers.Program, report: Path, contexts: list[Any], **more: Any) -> tuple[nd.Association, dict]:
    """An association that was used, and what pynetdicom saw of its request."""
    report.unlink(missing_ok=True)
    peer = nd.Peer(scp.address)
    with nd.associate((peer.host, peer.port), called=peer.ae_title, contexts=contexts, **more) as association:
        assert association.echo() == 0x0000
    return association, json.loads(report.read_text())


@pytest.mark.parametrize(
    ("identity", "seen", "response"),
    [
        (nd.UserIdentity.with_name("alice"), [1, "alice", ""], None),
        (nd.UserIdentity.with_passcode("alice", "s3cret"), [2, "alice", "s3cret"], None),
        (nd.UserIdentity.with_kerberos(b"ticket", positive_response=True), [3, "ticket", ""], b"response"),
        (nd.UserIdentity.with_saml("assertion", positive_response=True), [4, "assertion", ""], b"response"),
        (nd.UserIdentity.with_jwt("token", positive_response=True), [5, "token", ""], b"response"),
    ],
    ids=lambda value: repr(value) if isinstance(value, nd.UserIdentity) else "",
)
@pytest.mark.parity("A.6 user identity")
def test_identity_to_pynetdicom(scp, report, identity, seen, response):
    association, there = associated(scp, report, ["Verification"], identity=identity)
    assert there["identity"] == seen
    assert association.negotiation.identity_response == response


def test_an_identity_that_pynetdicom_refuses(scp):
    peer = nd.Peer(scp.address, identity=nd.UserIdentity.with_name("mallory"))
    with pytest.raises(AssociationRejected) as caught:
        peer.associate(["Verification"])
    rejected = caught.value
    # So says pynetdicom; the standard 1, 1, 1.
    assert (rejected.result, rejected.source, rejected.reason_diag) == (2, 2, 1)


@pytest.mark.parity("A.6 extended negotiation")
def test_extended_negotiation_to_pynetdicom(scp, report):
    contexts = ["Verification", PresentationContext(FIND, extended=nd.QueryOptions(relational=True, fuzzy=True))]
    association, there = associated(scp, report, contexts)
    assert there["extended"] == {str(FIND): "0100010000"}
    assert association.negotiation.contexts[1].extended == nd.QueryOptions(relational=True)


@pytest.mark.parity("A.6 common extended negotiation")
def test_common_extended_negotiation_to_pynetdicom(scp, report):
    contexts = ["Verification", PresentationContext(PRIVATE, related_general_sop_classes=(CT,))]
    _, there = associated(scp, report, contexts)
    assert there["common"] == {str(PRIVATE): [str(STORAGE), [str(CT)]]}


@pytest.mark.parity("A.6 operations window")
def test_a_window_to_pynetdicom(scp, report):
    association, there = associated(scp, report, ["Verification"], window=nd.OperationsWindow(invoked=8, performed=0))
    assert there["window"] == [8, 0]
    assert association.negotiation.window == nd.OperationsWindow()  # pynetdicom performs one at a time


@pytest.mark.parity("A.6 role selection")
def test_roles_to_pynetdicom(scp, report):
    contexts = ["Verification", PresentationContext(CT, scu_role=True, scp_role=True)]
    association, _ = associated(scp, report, contexts, identity=nd.UserIdentity.with_name("alice"))
    context = association.negotiation.contexts[1]
    assert (context.scu_role, context.scp_role) == (False, True)


# ------------------------------------------------------------------------------- nbdicom as the acceptor


@pytest.fixture
def ours():
    """nbdicom as the acceptor, and the negotiations that it made."""
    made: list[Any] = []

    def echo(request: Any) -> int:
        made.append(request.negotiation)
        return 0

    def identity(given: nd.UserIdentity | None, rq: Any) -> bool | bytes:
        if given is None or given.name is not None:
            return given is None or given.has_passcode("s3cret")
        return b"our response"

    support = Support.of(
        [
            "Verification",
            PresentationContext(FIND, extended=nd.QueryOptions(fuzzy=True, timezone=True)),
            PresentationContext(CT, scu_role=False, scp_role=True),
        ],
        window=nd.OperationsWindow(invoked=1, performed=4),
    )
    with nd.Server(nd.Handlers(echo=echo, identity=identity), ae_title="NBDICOM", contexts=support) as server:
        host, port = server.address
        yield f"NBDICOM@{host}:{port}", made


def pynetdicom(address: str, **arguments: Any) -> dict:
    try:
        argv = [peers.pynetdicom(), _PROGRAM, "scu", address, json.dumps(arguments)]
    except peers.Missing as missing:
        pytest.skip(str(missing))
    return json.loads(peers.run(argv).stdout.splitlines()[-1])


@pytest.mark.parametrize(
    ("identity", "established", "response"),
    [
        ([2, "alice", "s3cret", True], True, ""),
        ([2, "alice", "s3cret", False], True, None),
        ([2, "alice", "guess", True], False, None),
        ([3, "ticket", "", True], True, "our response"),
        ([5, "token", "", False], True, None),
    ],
)
@pytest.mark.parity("A.5 EVT_USER_ID")
def test_identity_from_pynetdicom(ours, identity, established, response):
    address, made = ours
    said = pynetdicom(address, identity=identity)
    assert said["established"] is established
    if established:
        assert (said["response"] or None) == (response or None) and said["echo"] == 0
        assert made[0].identity.primary == identity[1].encode()
    else:
        assert said["rejected"] == [1, 2, 1] and not made


@pytest.mark.parity("A.5 EVT_SOP_EXTENDED", "A.5 EVT_SOP_COMMON")
def test_everything_else_from_pynetdicom(ours):
    address, made = ours
    said = pynetdicom(
        address,
        window=[16, 2],
        extended={FIND: "0101010000"},
        common={PRIVATE: [STORAGE, [CT]]},
        roles={CT: [True, True]},
    )
    assert said["echo"] == 0
    assert said["window"] == [4, 1]
    assert said["extended"] == {str(FIND): "0000010000"}
    assert str(PRIVATE) in said["accepted"]  # as a kind of CT, which is supported
    assert said["roles"][str(CT)] == [False, True]
    (negotiation,) = made
    assert negotiation.window == nd.OperationsWindow(invoked=1, performed=4)
    assert next(c for c in negotiation.contexts if c.abstract_syntax == FIND).extended == nd.QueryOptions(fuzzy=True)
