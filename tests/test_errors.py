"""An exception as people meet it: short in a cell, a table when it is looked at, whole on demand."""

import subprocess
import sys

import pytest

import nbdicom as nd
from nbdicom import errors
from nbdicom.core.machine import Sta
from nbdicom.operations.outcome import raise_for_status
from nbdicom.operations.requests import SubOperations
from nbdicom.status import Status


@pytest.fixture
def rejected() -> errors.AssociationRejected:
    with nd.Server(nd.Handlers(), ae_title="ECHO", contexts=["Verification"]) as server:
        with pytest.raises(nd.AssociationRejected) as caught:
            nd.associate(server.address, called="OTHER", contexts=["Verification"])
    return caught.value


def test_a_rejection_renders_its_report_and_its_proposal(rejected: errors.AssociationRejected) -> None:
    rows = dict(rejected.report().rows)
    assert (rows["result"], rows["source"], rows["reason diag"]) == (1, 1, 7)
    assert "called-AE-title-not-recognized" in str(rows["happened"]) and rows["try"] == rejected.hint
    shown = rejected._repr_html_()
    assert shown.count("<table>") == 2 and "Verification" in shown
    assert rejected.to_frame()["what"].tolist()[0] == "happened"


def test_a_cause_is_named() -> None:
    with pytest.raises(nd.ConnectionFailed) as caught:
        nd.associate("127.0.0.1:1", called="PACS", contexts=["Verification"])
    assert any(name == "because of" and "Refused" in str(words) for name, words in caught.value.report().rows)


@pytest.mark.parametrize(
    "error",
    [
        errors.RemoteProtocolError("PDU of unknown type", rule="PS3.8 9.3.1"),
        errors.AssociationAborted("<b>aborted</b>\x1b[2J", source=2, reason_diag=1),
        errors.NoPresentationContext("CT: refused", abstract_syntax="1.2.3", refused="reason"),
        errors.OperationFailed("C-FIND failed", status=Status(0xA700), hint="ask for less"),
        errors.QueryError("no such keyword"),
        errors.NotDicom("no .dicom here"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_every_kind_has_a_report(error: errors.NbdicomError) -> None:
    assert error.message.split("\x1b")[0] in str(error.report())
    shown = error._repr_html_()
    assert "<b>" not in shown and "\x1b" not in shown + str(error.report())


def in_ipython(*cells: str) -> str:
    """What IPython prints for these cells."""
    program = f"""
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance(colors="nocolor")
for cell in {list(cells)!r}:
    shell.run_cell(cell, store_history=False)
"""
    done = subprocess.run([sys.executable, "-c", program], check=True, timeout=60, capture_output=True, text=True)
    return done.stdout + done.stderr


def test_in_a_cell_it_is_short_and_whole_on_demand() -> None:
    pytest.importorskip("IPython")
    cell = "import nbdicom as nd\nnd.associate('127.0.0.1:1', called='PACS', contexts=['Verification'])"
    short = in_ipython(cell)
    assert "ConnectionFailed: 127.0.0.1:1 refused the connection" in short
    assert "  try: check the port" in short and "  in line 2: nd.associate('127.0.0.1:1'" in short
    assert "Traceback" not in short and len(short.splitlines()) <= 6
    whole = in_ipython("%xmode Verbose", cell)
    assert "Traceback" in whole and "transport.py" in whole


def test_what_pandas_raises_for_us_is_short_too() -> None:
    pytest.importorskip("IPython")
    cell = "import pandas as pd, nbdicom as nd\nnd.Peer('PACS@127.0.0.1:1')\npd.DataFrame({'a': [1]}).dicom"
    short = in_ipython(cell)
    assert "NotDicom: no .dicom here" in short and "in line 3:" in short and "Traceback" not in short


def test_associations_and_servers_are_tables() -> None:
    with nd.Server(nd.Handlers(), ae_title="ECHO", contexts=["Verification"]) as server:
        assert len(server.to_frame()) == 0
        with nd.associate(server.address, called="ECHO", contexts=["Verification", "CT Image Storage"]) as association:
            association.echo()
            assert server.to_frame()["calling AE title"].tolist() == ["NBDICOM"]
            assert "NBDICOM" in server._repr_html_() and "NBDICOM" in repr(server)
            shown = association._repr_html_()
            assert "established" in shown and "abstract-syntax-not-supported (3)" in shown
            assert len(association.to_frame()) == 2
    assert "over" in association._repr_html_()


def test_sub_operations_are_a_table() -> None:
    counts = SubOperations(Status(0xB000, "C-GET"), 0, 3, 1, 0, (nd.UID("1.2.3"),))
    assert "failed: 1.2.3" in str(counts.table()) and "<td>3</td>" in counts._repr_html_()
    assert counts.to_frame()["completed"].tolist() == [3]


@pytest.mark.parametrize(
    "table", [nd.status_table(), nd.services.sop_class_table(), nd.core.machine.state_table(Sta.STA6)]
)
def test_what_the_standard_lists_is_a_table(table: nd.Table) -> None:
    assert len(table.to_frame()) == len(table) > 3 and "<table>" in table._repr_html_() and str(table)


@pytest.mark.parametrize(
    ("code", "words"),
    [(0x0110, "log"), (0x0211, "does not perform"), (0x0213, "try again later"), (0xA801, "register"), (0xC123, "log")],
    ids=lambda value: f"{value:04X}H" if isinstance(value, int) else None,
)
def test_a_failure_says_what_to_try(code: int, words: str) -> None:
    with pytest.raises(errors.OperationFailed) as failed:
        raise_for_status(Status(code), "N-CREATE")
    assert failed.value.hint is not None and words in failed.value.hint
