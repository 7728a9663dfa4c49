"""Each rule for an odd input, and where it is played: by its number in the standard, case or test."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.hostile.acceptors import ACCEPTORS
from tests.hostile.cases import every_case

TESTS = Path(__file__).parents[1]
REQUESTOR, ACCEPTOR, MACHINE = (
    "drivers/test_hostile_requestor.py::",
    "drivers/test_hostile_acceptor.py::",
    "core/test_machine.py::",
)

#: Rule -> where it is tested: what names of cases begin with, or a test.
ROWS: dict[str, list[str]] = {
    # PS3.8
    "9.2 Table 9-10, every cell": [MACHINE + "test_every_cell"],
    "9.3.1 unknown PDU type": [
        "Sta2: PDU of type",
        "Sta6: PDU of type",
        "acceptor: Sta5: ones",
        "acceptor: Sta6: PDU of type",
    ],
    "9.2.3 a PDU in the wrong state": [
        "Sta2: P-DATA-TF",
        "Sta6: A-ASSOCIATE-",
        "acceptor: Sta5: A-RELEASE-RQ",
        "acceptor: Sta6: A-ASSOCIATE-",
    ],
    "9.3.8 A-ABORT with any source and reason": [
        "Sta2: A-ABORT 255/255",
        "Sta6: A-ABORT 255/255",
        "acceptor: Sta6: A-ABORT 255/255",
    ],
    "9.3.4, 9.3.6-8 lengths that are not 4": [
        "Sta6: A-RELEASE-RQ of",
        "Sta6: A-ABORT of",
        "acceptor: Sta5: A-ASSOCIATE-RJ of",
    ],
    "9.3 reserved bytes": ["AC: reserved bytes", "Sta6: reserved byte", "acceptor: Sta5: reserved bytes"],
    "9.3.2 protocol version: bit 0 only": ["RJ: protocol version", "AC: protocol version"],
    "7.1.1.2 application context name": ["RJ: application context", "RJ: no application context"],
    "9.3.4 titles that are not known": ["RJ: called title unknown", REQUESTOR + "test_callers_that_are_not_known"],
    "9.3.4 local limit exceeded": [
        "hostile/test_limits.py::test_associations_in_all",
        "hostile/test_faults.py::test_f20_threads_run_out",
    ],
    "9.3.2 titles of spaces": ["RJ: called title of spaces", "RJ: calling title of spaces"],
    "9.3.2 spaces around titles": ["AC: called title with leading spaces", "AC: calling title with spaces"],
    "PS3.5 6.2 titles with other characters": ["RJ: calling title with", "RJ: called title with"],
    "9.3.3 titles of the answer are not tested": ["acceptor: Sta5: other titles"],
    "9.3.1 unknown items": ["AC: an item of type", "acceptor: Sta5: an item of type"],
    "D.2 unknown sub-items": ["AC: a user information sub-item", "acceptor: Sta5: a sub-item of type"],
    "9.3.1 order of items": ["AC: items in reverse order", "acceptor: Sta5: items in reverse order"],
    "9.2.3 lengths beyond their container": [
        "Sta2: item beyond",
        "Sta2: sub-item beyond",
        "acceptor: Sta5: item beyond",
    ],
    "9.3.2.2 context IDs": ["contexts: even ID", "contexts: ID 0", "contexts: an ID twice"],
    "9.3.2.2 128 contexts": ["contexts: 128"],
    "9.3.2.2 abstract and transfer syntaxes that are missing": [
        "contexts: no abstract syntax",
        "contexts: two abstract",
        "contexts: no transfer",
    ],
    "9.3.3.2 results of contexts": ["contexts: abstract syntax of another", "contexts: transfer syntax unknown"],
    "9.3.3.2 the transfer syntax of a refused context": [
        "acceptor: Sta5: a refused context",
        ACCEPTOR + "test_a_refused_context_needs_no_transfer_syntax",
    ],
    "7.1.1.14 no context is acceptable": ["contexts: none is acceptable", "acceptor: Sta5: no context is accepted"],
    "D.1 maximum length 0, tiny, absent": [
        "AC: maximum length 0",
        "maximum length 1:",
        "AC: no maximum length",
        "acceptor: Sta5: maximum length",
    ],
    "D.1 longer than announced": ["Sta6: P-DATA-TF longer", "acceptor: Sta6: P-DATA-TF longer"],
    "9.3.5 P-DATA-TF without PDV": ["Sta6: P-DATA-TF without", "acceptor: Sta6: P-DATA-TF without"],
    "9.3.5.1 lengths of PDVs": ["Sta6: PDV of length", "Sta6: PDV beyond", "acceptor: Sta6: PDV of"],
    "9.3.5.1 contexts of PDVs": ["Sta6: PDV in context", "acceptor: Sta6: a PDV in context"],
    "E.1 a message in two contexts": [
        "Sta6: a data set in another context",
        "Sta6: a command in two contexts",
        ACCEPTOR + "test_what_cannot_be_is_answered_with_an_abort",
    ],
    "E.1 two messages in a P-DATA-TF": [ACCEPTOR + "test_what_is_odd_but_legal_is_understood"],
    "E.1 a command before the end of a data set": ["Sta6: a command before", "acceptor: Sta6: a command before"],
    "E.1 odd and empty fragments": [
        "Sta6: an echo in odd fragments",
        "Sta6: 2 000 empty fragments",
        "acceptor: Sta6: an empty last fragment",
    ],
    "E.2 bits 2 to 7": ["Sta6: reserved bits", "acceptor: Sta6: reserved bits"],
    "9.1 bytes one by one, several PDUs at once": [
        "Sta6: a byte at a time",
        "Sta6: release with the echo",
        "acceptor: Sta6: a byte at a time",
    ],
    "9.1.4 the last word is not lost to a reset": [
        "Sta13: after our abort",
        REQUESTOR + "test_a_flood_of_garbage_after_our_abort_is_read_away",
    ],
    "9.2.3 the transport closes": [
        "Sta6: the connection ends",
        REQUESTOR + "test_the_requestor_ends_at_every_byte",
        ACCEPTOR + "test_the_connection_closes_at_every_byte_of_a_response",
    ],
    "9.1.5 ARTIM in Sta2": ["ARTIM:"],
    "9.1.5 ARTIM in Sta13": [
        REQUESTOR + "test_the_connection_stays_open_after_our_last_word",
        "drivers/test_slow_peers.py::test_a_flood_after_our_abort_is_not_read_for_ever",
    ],
    "9.2.3 PDUs in Sta13": ["Sta13:"],
    "7.2.2.7 release collision": ["acceptor: Sta7: A-RELEASE-RQ", ACCEPTOR + "test_release_collision"],
    "9.2.3 P-DATA in Sta7": ["acceptor: Sta7: P-DATA-TF", ACCEPTOR + "test_data_after_our_release_request_is_taken"],
    "7.2.2 a release while something is performed": [REQUESTOR + "test_release_with_a_request_outstanding"],
    # PS3.7 Annex D
    "D.3.3.4 roles": [
        "AC: roles",
        "AC: no role",
        "acceptor: Sta5: roles that nobody",
        "core/test_negotiation.py::test_roles",
        "drivers/test_services.py::test_get_without_the_role_of_an_scp",
    ],
    "D.3.3.3 the window": [
        "AC: a window",
        "AC: an unlimited window",
        "AC: no window",
        "acceptor: Sta5: a window",
        "core/test_negotiation.py::test_window",
    ],
    "D.3.3.3 more requests than agreed": [
        "DIMSE: 100 requests at once",
        "hostile/test_limits.py::test_requests_that_wait",
    ],
    "D.3.3.7 user identity": [
        "AC: user name",
        "AC: an unknown type of user identity",
        "AC: a positive response",
        "acceptor: Sta5: an identity",
        "drivers/test_negotiation.py::test_identity",
    ],
    "D.3.3.5, D.3.3.6 extended negotiation": ["AC: extended negotiation", "AC: common extended"],
    # PS3.7, PS3.4
    "6.3.1 command sets that are none": [
        "DIMSE: an empty command set",
        "DIMSE: noise",
        "DIMSE: a command set in",
        "DIMSE: group 0008",
        "acceptor: Sta6: no command set",
    ],
    "E.1 group length": ["DIMSE: no group length", "DIMSE: a wrong group length"],
    "C.5 unknown Command Field": ["DIMSE: Command Field", "acceptor: Sta6: Command Field"],
    "9.3 mandatory elements": ["DIMSE: no Message ID", "DIMSE: no Command Field", "DIMSE: an echo whose class"],
    "C.5 Message ID in use, and after its response": ["DIMSE: Message ID in use", "DIMSE: the same Message ID"],
    "C.5 another class than that of the context": [
        "C-STORE: a class",
        "DIMSE: an echo of another class",
        "acceptor: C-GET: a class",
    ],
    "C.5 services that a class does not have": ["DIMSE: C-FIND on Verification", "DIMSE: N-GET on Verification"],
    "E.1 Command Data Set Type": [
        "DIMSE: Command Data Set Type",
        "Sta6: a data set that the command does not",
        "acceptor: Sta6: a data set that was not",
    ],
    "a data set that is announced and does not come": [
        "timers: a data set is announced",
        "acceptor: Sta6: a data set is announced",
    ],
    "9.3 responses to what was not asked": [
        "DIMSE: a response",
        "acceptor: Sta6: a response to Message ID",
        "acceptor: C-FIND: a match, then a response",
    ],
    "9.3.2.3 C-CANCEL": [
        "DIMSE: C-CANCEL of nothing",
        "drivers/test_services.py::test_cancel",
        "operations/test_scp.py::test_find_stops_when_it_is_cancelled",
    ],
    "PS3.4 C.4.1.1.4 pending C-FIND": [
        "operations/test_scp.py::test_find_sends_one_pending_response_for_each_match",
        "acceptor: C-FIND: Pending",
        "acceptor: C-FIND: matches without end",
    ],
    "PS3.4 C.4.2.1.6 counters": [
        "operations/test_scp.py::test_move_counts_its_sub_operations",
        "acceptor: C-GET: counters that lie",
    ],
    "PS3.4 C.4.2.1.5 destinations": ["C-MOVE: to", "hostile/test_trust.py::test_objects_go_only_where_the_table_says"],
    "9.3.1.1 Move Originator": ["operations/test_scu.py::test_store_names_the_originator_of_a_move"],
    "PS3.4 B.2.3 data sets that do not fit their command": ["C-STORE: another SOP"],
    "PS3.4 B.2.3 data sets that cannot be decoded": [
        "C-STORE: noise",
        "C-STORE: a data set that is cut off",
        "acceptor: C-GET: noise",
    ],
    "PS3.4 B.2.3 out of space": [
        "hostile/test_faults.py::test_f1_disk_full",
        "hostile/test_limits.py::test_room_is_left_on_the_disk",
    ],
    "C statuses that nobody knows": ["acceptor: Sta6: status", ACCEPTOR + "test_unknown_statuses_are_failures"],
    "C.5 not authorized": ["operations/test_scp.py::test_a_refusal_is_answered_with_its_status_and_comment"],
    "PS3.4 J storage commitment": ["pacs/test_commitment.py"],
    "names are never paths": [
        "C-STORE: SOP Instance UID",
        "acceptor: C-GET: SOP Instance UID",
        "hostile/test_trust.py::test_an_scu_chooses_its_names",
    ],
}


def _names(file: str) -> set[str]:
    tree = ast.parse((TESTS / file).read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize("row", ROWS)
def test_every_rule_is_played(row: str) -> None:
    names = [str(case) for case in (*every_case(), *ACCEPTORS)]
    for place in ROWS[row]:
        file, _, name = place.partition("::")
        if file.endswith(".py"):
            assert not name and (TESTS / file).exists() or name in _names(file), place
        else:
            assert any(one.startswith(place) for one in names), place
