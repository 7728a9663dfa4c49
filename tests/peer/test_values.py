"""What a person writes as a key, and what goes on the wire (PS3.4 C.2.2.2)."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from nbdicom.errors import QueryError
from nbdicom.peer.values import wire

UTC = dt.UTC

CASES = [
    # universal matching, in every VR
    ("PN", None, ""),
    ("PN", "", ""),
    ("PN", "*", ""),
    ("DA", "*", ""),
    ("UI", "*", ""),
    ("US", None, ""),
    ("IS", " ", ""),
    # single values and wildcards
    ("PN", "DOE^JOHN", "DOE^JOHN"),
    ("PN", "D?E*", "D?E*"),
    ("LO", 1234, "1234"),
    ("LO", "ÄÖ", "ÄÖ"),
    ("CS", "ct", "CT"),
    ("AE", "PACS1", "PACS1"),
    ("LT", "a\\b", "a\\b"),
    ("AS", "45y", "045Y"),
    # lists
    ("UI", ["1.2", "1.3"], "1.2\\1.3"),
    ("UI", ("1.2",), "1.2"),
    ("UI", {"1.2"}, "1.2"),
    ("UI", "1.2\\1.3", "1.2\\1.3"),
    ("UI", pd.Series(["1.2", "1.3"], dtype="string"), "1.2\\1.3"),
    ("CS", ["ct", "MR"], "CT\\MR"),
    ("IS", [1, 2], "1\\2"),
    ("UI", np.array(["1.2", "1.3"]), "1.2\\1.3"),
    ("SH", np.array("A1"), "A1"),
    ("UI", (uid for uid in ["1.2"]), "1.2"),
    # numbers
    ("IS", 7, "7"),
    ("IS", "007", "7"),
    ("IS", np.int64(3), "3"),
    ("IS", -2, "-2"),
    ("DS", 1.5, "1.5"),
    ("DS", "1.5e2", "1.5e2"),
    ("DS", 1 / 3, "0.3333333333"),
    ("US", 5, 5),
    ("US", "5", 5),
    ("FD", 2, 2.0),
    ("SS", [-1, 1], (-1, 1)),
    ("US", np.uint16(9), 9),
    # dates
    ("DA", "20240131", "20240131"),
    ("DA", "2024-01-31", "20240131"),
    ("DA", dt.date(2024, 1, 31), "20240131"),
    ("DA", dt.datetime(2024, 1, 31, 10, tzinfo=UTC), "20240131"),
    ("DA", pd.Timestamp("2024-01-31 10:00"), "20240131"),
    ("DA", np.datetime64("2024-01-31"), "20240131"),
    ("DA", str(pd.Timestamp("2024-01-31")), "20240131"),
    ("DA", "2024", "20240101-20241231"),
    ("DA", "2024-02", "20240201-20240229"),
    ("DA", 20240131, "20240131"),
    # ranges
    ("DA", ("2024-01-01", None), "20240101-"),
    ("DA", (None, "2024-01-01"), "-20240101"),
    ("DA", (None, None), ""),
    ("DA", ("2024-01-01", "2024-12-31"), "20240101-20241231"),
    ("DA", slice("2024-01-01", None), "20240101-"),
    ("DA", ("2023", "2024-02"), "20230101-20240229"),
    ("DA", "20240101-20241231", "20240101-20241231"),
    ("DA", "20240101-", "20240101-"),
    ("DA", "-20240101", "-20240101"),
    ("DA", "2024-01-01-2024-12-31", "20240101-20241231"),
    ("DA", "2024-01-01 - 2024-12-31", "20240101-20241231"),
    ("DA", "2024-05-", "20240501-"),
    ("DA", "-2024-05", "-20240531"),
    ("DA", (dt.date(2024, 1, 1), pd.Timestamp("2024-02-01")), "20240101-20240201"),
    # times
    ("TM", "0930", "0930"),
    ("TM", "09:30", "0930"),
    ("TM", "09:30:15.5", "093015.5"),
    ("TM", dt.time(9, 30), "093000"),
    ("TM", dt.time(9, 30, 1, 500), "093001.000500"),
    ("TM", ("09:00", "17:00"), "0900-1700"),
    ("TM", "0900-1700", "0900-1700"),
    ("TM", "09:00-", "0900-"),
    ("TM", (None, dt.time(12)), "-120000"),
    # dates with times
    ("DT", "20240131093000.5+0100", "20240131093000.5+0100"),
    ("DT", "2024-01-31T09:30", "20240131093000"),
    ("DT", dt.datetime(2024, 1, 31, 9, 30, tzinfo=UTC), "20240131093000+0000"),
    ("DT", dt.date(2024, 1, 31), "20240131"),
    ("DT", (dt.date(2024, 1, 1), None), "20240101-"),
    ("DT", "20240101-20240201", "20240101-20240201"),
]

REFUSED = [
    ("UI", "1.2*", "wildcard"),
    ("DA", "2024*", "wildcard"),
    ("TM", "09*", "wildcard"),
    ("IS", "1?", "wildcard"),
    ("DS", "1*", "wildcard"),
    ("US", "1*", "wildcard"),
    ("AS", "04*", "wildcard"),
    ("DT", "2024*", "wildcard"),
    ("UI", "abc", "not a UID"),
    ("UI", "1" * 65, "not a UID"),
    ("UI", 5, "as text"),
    ("UI", [], "empty list"),
    ("UI", ["1.2", None], "missing"),
    ("SH", ["A1", " "], "missing"),
    ("SH", r"A1\\A2", "missing"),
    ("SH", "A1\\", "missing"),
    ("PN", float("nan"), "missing"),
    ("LO", pd.NA, "missing"),
    ("DA", pd.NaT, "missing"),
    ("UI", ["1.2", float("nan")], "missing"),
    ("PN", True, "takes text"),
    ("PN", 1.5, "takes text"),
    ("PN", b"x", "takes text"),
    ("DA", "20240230", "calendar"),
    ("DA", "yesterday", "takes a date"),
    ("DA", "2024-13-01", "calendar"),
    ("DA", ("2024-12-31", "2024-01-01"), "ends before"),
    ("DA", ["20240101", "20240201"], "not a list"),
    ("DA", (1, 2, 3), "tuple of two"),
    ("DA", slice(1, 2, 3), "step"),
    ("DA", True, "takes a date"),
    ("DA", 1.5, "takes a date"),
    ("TM", "25:00", "takes a time"),
    ("TM", "9:30", "takes a time"),
    ("TM", ("17:00", "09:00"), "ends before"),
    ("DT", "soon", "takes a date and time"),
    ("LO", pd.Series([471]), "dtype=str"),
    ("SH", pd.Series([471, None], dtype="Int64"), "dtype=str"),
    ("SH", np.array([471]), "dtype=str"),
    ("IS", (1, 10), "no ranges"),
    ("US", (1, 10), "no ranges"),
    ("DS", (1.5, 10), "no ranges"),
    ("IS", "x", "whole number"),
    ("IS", 1.5, "whole number"),
    ("IS", True, "whole"),
    ("DS", "x", "number"),
    ("DS", True, "number"),
    ("US", -1, "range"),
    ("US", 1.5, "range"),
    ("US", "x", "range"),
    ("FL", True, "range"),
    ("AS", 45, "age"),
    ("AE", "A" * 17, "16 characters"),
    ("LO", "a\nb", "control"),
    ("LT", ["a", "b"], "one value"),
    ("OB", b"x", "cannot be a key"),
    ("SQ", "x", "sequence"),
    ("UN", 1.5, "takes text"),
]


def test_a_range_of_times_goes_over_midnight_where_date_and_time_are_one():
    night = ("20:00", "08:00")
    assert wire("StudyTime", "TM", night, combined=True) == "2000-0800"
    with pytest.raises(QueryError, match="over midnight"):
        wire("StudyTime", "TM", night)
    with pytest.raises(QueryError, match="before it begins"):
        wire("StudyDate", "DA", ("2024-02-01", "2024-01-01"), combined=True)


@pytest.mark.parametrize(("vr", "value", "expected"), CASES)
def test_goes_on_the_wire(vr, value, expected):
    assert wire("SomeKey", vr, value) == expected


@pytest.mark.parametrize(("vr", "value", "words"), REFUSED)
def test_is_refused_with_the_reason(vr, value, words):
    with pytest.raises(QueryError) as caught:
        wire("SomeKey", vr, value)
    assert words in str(caught.value)
    assert "SomeKey" in str(caught.value)


def test_errors_do_not_repeat_the_value():
    for vr, value in (
        ("DA", "Doe^John"),
        ("UI", "Doe^John"),
        ("IS", "Doe^John"),
        ("TM", "Doe^John"),
        ("AS", "Doe^John"),
    ):
        with pytest.raises(QueryError) as caught:
            wire("SomeKey", vr, value)
        assert "Doe" not in str(caught.value)


def test_sequences_pass_as_mappings():
    from pydicom import Dataset

    item, inner = Dataset(), Dataset()
    inner.CodeMeaning = "x"
    item.CodeValue, item.PatientName, item.EquivalentCodeSequence = "1", "DOE^J", [inner]
    mapped = {0x00080100: "1", 0x00080121: [{0x00080104: "x"}], 0x00100010: "DOE^J"}
    assert wire("ProcedureCodeSequence", "SQ", item) == [mapped]
    assert wire("ProcedureCodeSequence", "SQ", [item]) == [mapped]
    assert wire("ProcedureCodeSequence", "SQ", {"CodeValue": "1"}) == [{"CodeValue": "1"}]
    assert wire("ProcedureCodeSequence", "SQ", "*") == []
    assert wire("ProcedureCodeSequence", "SQ", None) == ""
    with pytest.raises(QueryError, match="sequence"):
        wire("ProcedureCodeSequence", "SQ", ["x"])
