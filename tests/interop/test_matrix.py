"""The matrix itself: no cell is forgotten, and what cannot be is said to be so."""

from __future__ import annotations

import pytest

from . import matrix, test_scp, test_scu, test_variants


def cells():
    """The cells of all tests, those of single parameters included."""
    for module in (test_scp, test_scu, test_variants):
        for test in vars(module).values():
            for mark in getattr(test, "pytestmark", []):
                if mark.name == "cell":
                    yield mark.args[:3]
                if mark.name == "parametrize":
                    for case in mark.args[1]:
                        yield from (m.args[:3] for m in getattr(case, "marks", ()) if m.name == "cell")


@pytest.mark.parametrize("operation", matrix.OPERATIONS)
def test_every_cell_has_a_test_or_a_reason(operation):
    tested = set(cells())
    for role in matrix.ROLES:
        for peer in matrix.PEERS:
            key = (operation, role, peer)
            assert (key in tested) is not (key in matrix.IMPOSSIBLE), key


def test_the_table_shows_what_happened():
    recorder = matrix.Recorder()
    recorder.cells["echo", "SCU", "DCMTK"] = [
        matrix.Outcome("a", "storescp", "passed"),
        matrix.Outcome("b", "storescp", "passed"),
        matrix.Outcome("c", "dcmqrscp", "failed", "it said no"),
        matrix.Outcome("d", "echoscu", "skipped", "not installed"),
    ]
    shown = matrix.table(recorder, {"DCMTK": "3.6.7"})
    assert shown.rows[0][2] == "FAIL dcmqrscp (1); pass storescp (2); skip echoscu (1)"
    assert "C-ECHO with nbdicom as SCU, DCMTK: skipped, not installed" in shown.notes
    assert "FAILED c: it said no" in shown.notes
    assert any("Orthanc 1.10 is no C-GET SCU" in note for note in shown.notes)
    assert "cannot be" in str(shown) and "not run" in str(shown)
