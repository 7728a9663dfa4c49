"""What pynetdicom offers, row by row, and which test shows that nbdicom offers it: the page docs/parity.md.

    python -m tests.parity > docs/parity.md

A test claims the rows that it shows by ``@pytest.mark.parity("A.5 EVT_C_ECHO", ...)``, or a whole file by
``pytestmark = pytest.mark.parity(...)``.  The rows are the text below; the claims are read from the test files.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent

#: section | what it is about
_SECTIONS = """
A.1|AE: application entities
A.2|Association
A.3|What is known of a negotiation
A.4|Services, as SCU and as SCP
A.5|Events
A.6|Extended negotiation, rejection, roles
A.7|TLS and transport
A.8|Configuration
A.9|Helpers and logging
A.10|Programs
A.11|What had to be mended there
"""

#: row | in pynetdicom | in nbdicom
_ROWS = """
A.1 titles|`ae_title`, checked|`Peer`, `associate(called=, calling=)`, `Server(ae_title=)`, checked
A.1 implementation|implementation class UID and version name|sent in every negotiation, the peer's is shown
A.1 timeouts|ACSE, DIMSE, network, connection|`Timeouts`: a deadline for each step
A.1 limits|10 associations, else 2/3/2; maximum PDU size, 0 unlimited|`Limits`
A.1 access|called title required; calling titles known|`any_called`, `calling`
A.1 contexts|requested and supported contexts, at most 128|`contexts=`; more than 128 are split over associations
A.1 associate|host name, IPv6, bind address, options|`associate`, `Peer.associate`
A.1 failure to associate|an `Association` that is not established|an exception that says who refused, and why
A.1 server|`start_server`, blocking or not, `shutdown`, `active_associations`|`Server`, `serve`, `Server.associations`
A.1 summary|`str(ae)`|every object has a text and an HTML form
A.2 state|`is_established`, `is_released`, `is_aborted`, `is_rejected`|`is_established`; exceptions tell the rest
A.2 release|`release()`|`release()`, or the end of a `with` block
A.2 abort|`abort()`|`abort()`, or an exception in a `with` block
A.2 C-ECHO|`send_c_echo`|`echo`
A.2 C-STORE|`send_c_store(dataset or path)`, priority, originator|`store(paths, Datasets or instances)`, likewise
A.2 C-FIND|`send_c_find`|`find`
A.2 C-GET|`send_c_get`|`get`
A.2 C-MOVE|`send_c_move`|`move`
A.2 C-CANCEL|`send_c_cancel`|leaving the loop, `cancel()`, Ctrl-C
A.2 N-GET|`send_n_get`|`n_get`
A.2 N-SET|`send_n_set`|`n_set`
A.2 N-ACTION|`send_n_action`|`n_action`
A.2 N-CREATE|`send_n_create`|`n_create`
A.2 N-DELETE|`send_n_delete`|`n_delete`
A.2 N-EVENT-REPORT|`send_n_event_report`|`n_event_report`
A.2 meta_uid|`meta_uid` for print Meta SOP Classes|found by itself, or `meta_sop_class`
A.2 no answer|an empty status Dataset|an exception: time-out, abort, invalid response
A.2 context choice|exact syntax first, then a conversion that loses nothing; none of compressed data|the same
A.2 UPS contexts|UPS Push falls back on the other UPS contexts|the context that has the service
A.2 sub-operations|at most 65535|the same, refused with A701H
A.2 operations window|answered (1, 1)|really used, also unlimited
A.2 requests to a requestor|served by a further thread|served by whoever waits, `listen`
A.3 negotiation|titles, contexts, roles, extended items, identity of both sides|`Negotiation`, as a table
A.4 Verification|1 SOP Class|SCU and SCP
A.4 Storage|170 SOP Classes|199, and private ones
A.4 Non-Patient Object Storage|9 SOP Classes|SCU and SCP
A.4 Query/Retrieve|13 SOP Classes|SCU and SCP
A.4 Basic Worklist|1 SOP Class|SCU and SCP
A.4 Hanging Protocol|3 SOP Classes|SCU and SCP
A.4 Color Palette|3 SOP Classes|SCU and SCP
A.4 Defined Procedure Protocol|3 SOP Classes|SCU and SCP
A.4 Implant Template|9 SOP Classes|SCU and SCP
A.4 Protocol Approval|3 SOP Classes|SCU and SCP
A.4 Inventory|3 SOP Classes|SCU and SCP
A.4 Relevant Patient Information|3 SOP Classes, at most one match|SCU and SCP; the rule is kept for the handler
A.4 Substance Administration|2 SOP Classes|SCU and SCP
A.4 Application Event Logging|2 SOP Classes|SCU and SCP
A.4 Display System|1 SOP Class|SCU and SCP
A.4 Instance Availability|1 SOP Class|SCU and SCP
A.4 Media Creation|1 SOP Class|SCU and SCP
A.4 Print Management|9 SOP Classes and 2 Meta SOP Classes|SCU and SCP
A.4 Modality Performed Procedure Step|3 SOP Classes|SCU and SCP
A.4 RT Machine Verification|2 SOP Classes|SCU and SCP
A.4 Storage Commitment|1 SOP Class; report on the same or a new association|SCU and SCP
A.4 Storage Management|1 SOP Class|SCU and SCP
A.4 Unified Procedure Step|5 SOP Classes|SCU and SCP
A.4 SOP Class table|252 UIDs, 23 service classes|`nbdicom.uids.table()`, and those that pynetdicom does not know
A.4 statuses|18 tables|`status_table(service)`; a status is told in the words of its service
A.4 service UIDs|2, for common extended negotiation|`UID.of("Storage")`
A.4 well-known instances|9|all of PS3.6
A.4 private SOP Classes|`register_uid`|any UID, without registration
A.4 private transfer syntaxes|`register_transfer_syntax`|any UID, without registration
A.4 promiscuous storage|`UNRESTRICTED_STORAGE_SERVICE`|`Support.any_abstract_syntax`, `Receiver`
A.5 EVT_CONN_OPEN|notification|`Connected`
A.5 EVT_CONN_CLOSE|notification|`Disconnected`
A.5 EVT_REQUESTED|notification|`Requested`
A.5 EVT_ACCEPTED|notification|`Accepted`
A.5 EVT_REJECTED|notification|`Rejected`
A.5 EVT_ESTABLISHED|notification|`Established`
A.5 EVT_RELEASED|notification|`Released`
A.5 EVT_ABORTED|notification|`Aborted`
A.5 EVT_ACSE_SENT|notification|the five with `by_peer` False
A.5 EVT_ACSE_RECV|notification|the five with `by_peer` True
A.5 EVT_PDU_SENT|notification|`PDUSent`
A.5 EVT_PDU_RECV|notification|`PDUReceived`
A.5 EVT_DATA_SENT|notification|`DataSent`
A.5 EVT_DATA_RECV|notification|`DataReceived`
A.5 EVT_DIMSE_SENT|notification|`MessageSent`
A.5 EVT_DIMSE_RECV|notification|`MessageReceived`
A.5 EVT_FSM_TRANSITION|notification|`Transition`
A.5 exceptions of observers|logged and swallowed|logged without their text
A.5 EVT_C_ECHO|intervention|`Handlers.echo`
A.5 EVT_C_STORE|intervention|`Handlers.store`, `sink`
A.5 EVT_C_FIND|intervention|`Handlers.find`
A.5 EVT_C_GET|intervention|`Handlers.get`
A.5 EVT_C_MOVE|intervention|`Handlers.move`, `destination`
A.5 EVT_N_GET|intervention|`Handlers.n_get`
A.5 EVT_N_SET|intervention|`Handlers.n_set`
A.5 EVT_N_ACTION|intervention|`Handlers.n_action`
A.5 EVT_N_CREATE|intervention|`Handlers.n_create`
A.5 EVT_N_EVENT_REPORT|intervention|`Handlers.n_event_report`
A.5 EVT_N_DELETE|intervention|`Handlers.n_delete`
A.5 EVT_ASYNC_OPS|intervention, ignored|`window=`, used
A.5 EVT_SOP_COMMON|intervention|by itself
A.5 EVT_SOP_EXTENDED|intervention|`PresentationContext(extended=)`
A.5 EVT_USER_ID|intervention|`Handlers.identity`
A.5 one handler|one for each intervention|one for each; two are an error
A.5 handlers that misbehave|status 0xC001 to 0xC5xx|a failure status and a line in the log
A.5 what a handler knows|attributes of `Event`|the request of its kind
A.6 operations window|`AsynchronousOperationsWindowNegotiation`|`OperationsWindow`
A.6 role selection|`build_role`, the table of outcomes|`PresentationContext(scu_role=, scp_role=)`
A.6 extended negotiation|raw bytes|`QueryOptions`, `RetrieveOptions`, `StorageOptions`, or raw bytes
A.6 common extended negotiation|`SOPClassCommonExtendedNegotiation`|`PresentationContext(service_class=, related=)`
A.6 user identity|types 1 to 5, positive response|`UserIdentity`
A.6 reject triples|1/1/3, 1/1/7, 2/2/1, 2/3/2|those of the standard; a refused identity is 1/2/1
A.6 context results|0 to 4|0 to 4, in words, with what to try
A.7 TLS|an `SSLContext` of the user|`TLS`: profiles by name, certificates bound to titles
A.7 IPv6|addresses and names|both families of a name are tried
A.7 bind address|`bind_address`|`bind=`
A.7 silent clients|block the accept loop during a TLS handshake|wait in their own thread, under a deadline
A.7 lengths|trusted|bounded where they arrive
A.7 several PDVs in a PDU|the rest is dropped|all are taken
A.8 ENFORCE_UID_CONFORMANCE|option|`UID.is_valid`; odd UIDs of peers are kept as they are
A.8 USE_SHORT_DIMSE_AET|option|titles are padded as little as the standard allows
A.8 LOG_IDENTIFIERS|two options|identifiers never go to a log
A.8 STORE_SEND_CHUNKED_DATASET|option|always: files are streams
A.8 STORE_RECV_CHUNKED_DATASET|option|`Handlers.sink`
A.8 CODECS|text of PDUs and commands|ASCII, with what peers send shown escaped
A.9 contexts|`build_context`, ready lists|keywords and names wherever a context is expected
A.9 statuses|`code_to_category`, `code_to_status`|`Status`
A.9 debug logging|`debug_logger`, text handlers|`record()`: ladder, dissection, states, frame
A.9 datasets|`dsutils`|`nbdicom.data`
A.10 echoscu|program|`nbdicom echo`, `Peer.echo`
A.10 echoscp|program|`nbdicom pacs`
A.10 findscu|program|`nbdicom find`, `Peer.find`
A.10 getscu|program|`nbdicom get`, `Peer.get`
A.10 movescu|program|`nbdicom move`, `Peer.move`
A.10 storescu|program|`nbdicom store`, `Peer.store`
A.10 storescp|program|`nbdicom receive`, `nd.serve`, `Receiver`
A.10 qrscp|program, 12 attributes, one response per instance|`nbdicom pacs`: all attributes, one answer per entity
A.10 TLS of programs|none|`--tls`
A.11 empty transfer syntax in a refused context|an A-ASSOCIATE-AC was rejected|not looked at
A.11 preference of the acceptor|took the first that was proposed|the first of its own list
A.11 reserved fields|were tested|not tested
A.11 illegal reject and abort codes|were errors|shown as they are
A.11 abort before the request is processed|hung|ends
A.11 rejection by a handler|failed|`accept` returns a `Reject`
A.11 command elements|wrong VM, empty, padded titles|read
A.11 requests that reach a requestor|while it releases|served or ignored as the state says
A.11 final responses|carried the last identifier|carry none
A.11 all sub-operations failed|was a success|A702H
A.11 failed list|had the warnings|has what failed
A.11 move originator|wrong Message ID|the right one
A.11 nothing to send|an association was opened|none is
A.11 requestor gone|the handler went on|the handler is closed
A.11 no match|no answer|Success
A.11 deflated data sets|failed|inflated, with a bound
A.11 encoding of a data set|did not match its context|is that of the context
A.11 instance UID of N-CREATE-RSP|was missing|is told
A.11 action and event type|were mandatory in responses|are read where they are
A.11 several PDUs in a TLS read|were missed|are all taken
A.11 leaks|sockets and threads|each test looks for them
A.11 aborts from handlers|deadlocks|end the association
A.11 file names from UIDs|could leave the folder|never are paths
"""


class Row(NamedTuple):
    """One row of the checklist."""

    name: str
    theirs: str
    ours: str

    @property
    def section(self) -> str:
        """A.1 to A.11."""
        return self.name.partition(" ")[0]


def _split(text: str) -> Iterator[list[str]]:
    for line in text.split("\n")[1:-1]:
        yield line.split("|")


ROWS = [Row(*cells) for cells in _split(_ROWS)]


def claims() -> dict[str, list[str]]:
    """Row -> the tests that claim it, as ``file::function``; read from the source of the tests."""
    found: dict[str, list[str]] = {}
    for path in sorted(ROOT.rglob("test_*.py")):
        text = path.read_text()
        if "mark.parity(" not in text:
            continue
        file = path.relative_to(ROOT).as_posix()
        for node in ast.parse(text).body:
            test = file
            marks: list[ast.expr] = []
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test"):
                test, marks = f"{file}::{node.name}", node.decorator_list
            elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark":
                marks = [node.value]
            for mark in marks:
                for call in ast.walk(mark):
                    if isinstance(call, ast.Call) and ast.unparse(call.func) == "pytest.mark.parity":
                        for row in call.args:
                            found.setdefault(ast.literal_eval(row), []).append(test)
    return found


def page() -> str:
    """The page in Markdown."""
    shown = claims()
    open_rows = sum(row.name not in shown for row in ROWS)
    parts = [
        "# Parity with pynetdicom",
        "Every row of what pynetdicom 3 offers, what nbdicom has for it, and the tests that show it. The page is made from"
        " the tests; do not edit it. A test claims a row by its name:\n\n"
        "```python\n"
        '@pytest.mark.parity("A.2 C-ECHO", "A.4 Verification")\n'
        "def test_echo_by_pynetdicom(...):\n"
        "```\n\n"
        "or a whole file by `pytestmark = pytest.mark.parity(...)`. The rows stand in `tests/parity.py`, and"
        " `python -m tests.parity > docs/parity.md` writes the page anew; a test tells when it is not current.",
        f"{len(ROWS) - open_rows} of {len(ROWS)} rows are shown by tests."
        + (" The others say *not shown*." if open_rows else ""),
    ]
    for section, title in _split(_SECTIONS):
        parts.append(f"## {section} {title}")
        lines = ["| row | pynetdicom | nbdicom | shown by |", "| --- | --- | --- | --- |"]
        for row in (row for row in ROWS if row.section == section):
            tests = "<br>".join(f"`{test}`" for test in shown.get(row.name, [])) or "*not shown*"
            name = row.name.removeprefix(f"{section} ")
            lines.append(f"| {name} | {row.theirs} | {row.ours} | {tests} |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    sys.stdout.write(page())
