"""What a notebook shows of a table: masked by one switch, with its provenance, and nothing else changed."""

import pandas as pd
import pytest

import nbdicom.peer.frames  # noqa: F401
from nbdicom import privacy
from nbdicom.peer.display import register

formatters = pytest.importorskip("IPython.core.formatters", reason="IPython is not installed")


@pytest.fixture
def show():
    formatter = formatters.DisplayFormatter()
    register(formatter)
    return lambda thing: formatter.format(thing)[0]


@pytest.fixture
def studies():
    frame = pd.DataFrame({
        "PatientName": pd.Series(["Doe^Jane", "Roe^Richard"], dtype="string"), "PatientID": ["4711", "0815"],
        "StudyInstanceUID": ["1.2.3", "1.2.4"], "StudyDescription": ["Chest", "Head"],
    })  # fmt: skip
    frame.attrs["nbdicom"] = {"peer": "P@h:104", "level": "STUDY", "responses": 2, "status": "0000H Success"}
    return frame


def test_a_table_says_where_it_is_from(show, studies) -> None:
    html = show(studies)["text/html"]
    assert "Doe^Jane" in html and "2 rows, study level, from P@h:104, 0000H Success" in html
    assert show(studies)["text/plain"] == repr(studies)
    assert "study level" not in show(studies[["StudyDescription"]])["text/html"]


def test_other_tables_are_as_pandas_shows_them(show) -> None:
    other = pd.DataFrame({"a": [1]})
    assert show(other) == {"text/html": other._repr_html_(), "text/plain": repr(other)}
    with privacy.masked():
        assert show(other) == {"text/html": other._repr_html_(), "text/plain": repr(other)}


def test_a_terminal_does_nothing_that_a_peer_says(show, studies) -> None:
    """pandas lets control characters through; IPython in a terminal would set its title, or what else the peer likes."""
    studies.loc[0, "StudyDescription"] = "Chest\x1b]0;owned\x07\x9b31m"
    for thing in (studies, studies.StudyDescription):
        text = show(thing)["text/plain"]
        assert text.replace("\n", "").isprintable() and r"Chest\x1b]0;owned\x07\x9b31m" in text
    with privacy.masked():
        assert show(studies)["text/plain"].replace("\n", "").isprintable()


def test_one_switch_masks(show, studies) -> None:
    with privacy.masked():
        for thing in (
            studies,
            studies.PatientName,
            studies.head(1),
            studies.merge(pd.DataFrame({"PatientID": ["4711"]})),
        ):
            for text in show(thing).values():
                assert not any(secret in text for secret in ("Doe", "Jane", "4711"))
        assert "1.2.3" in show(studies)["text/html"] and "Chest" in show(studies)["text/html"]
        assert studies.PatientName[0] == "Doe^Jane"  # the values are the real ones
    assert "Doe" in show(studies)["text/html"]


def test_a_large_table_is_masked_at_once(show) -> None:
    frame = pd.DataFrame({"PatientID": [f"ID{k}" for k in range(100_000)], "StudyInstanceUID": "1.2"})
    with privacy.masked():
        shown = show(frame)
    assert "100000 rows" in shown["text/html"] and "100000 rows" in shown["text/plain"]
    assert not any("ID0" in text or "ID99999" in text for text in shown.values())


#: What people do to a table before they look at it; each has names or identifiers in it somewhere.
DONE = {
    "merged with another": lambda df: df.merge(df, on="StudyInstanceUID"),
    "with names of its own": lambda df: df.add_prefix("old_"),
    "indexed": lambda df: df.set_index("PatientID"),
    "indexed by two": lambda df: df.set_index(["PatientName", "StudyDescription"]),
    "grouped": lambda df: df.groupby("PatientName").agg({"StudyDescription": "first"}),
    "grouped and counted": lambda df: df.groupby("PatientID").size(),
    "aggregated": lambda df: df.groupby("StudyDescription").agg({"PatientName": ["first", "count"]}),
    "counted": lambda df: df.PatientName.value_counts(),
    "a row": lambda df: df.iloc[0],
    "transposed": lambda df: df.T,
    "pivoted": lambda df: df.pivot(index="StudyDescription", columns="PatientID", values="StudyInstanceUID"),
    "twice": lambda df: pd.concat([df, df], axis=1),
    "melted": lambda df: df.melt(),
    "melted with keys": lambda df: df.melt(id_vars="StudyInstanceUID", var_name="attribute", value_name="what"),
    "melted with an index": lambda df: df.set_index("StudyInstanceUID").melt(ignore_index=False),
    "melted into categories": lambda df: df.melt().astype({"variable": "category"}),
    "merged and melted": lambda df: df.merge(df, on="StudyInstanceUID").melt(id_vars="StudyInstanceUID"),
    "private, melted": lambda df: df[["PatientName"]].set_axis(["0009,1001"], axis=1).melt(),
    "stacked": lambda df: df.stack(),
    "stacked, with columns": lambda df: df.stack().reset_index(),
    "in a sequence": lambda df: pd.DataFrame({"ReferencedPatientSequence": [({"PatientID": df.PatientID[0]},), ()]}),
}  # fmt: skip


@pytest.mark.parametrize("name", DONE)
def test_what_pandas_made_of_a_table_is_masked_too(show, studies, name) -> None:
    thing = DONE[name](studies)
    secrets = ("Doe", "Roe", "4711", "0815")
    assert any(secret in show(thing)["text/plain"] for secret in secrets)
    with privacy.masked():
        assert not any(secret in text for secret in secrets for text in show(thing).values())


def test_of_a_melted_table_the_rest_is_shown(show, studies) -> None:
    with privacy.masked():
        text = show(studies.melt(id_vars="StudyInstanceUID"))["text/html"]
    assert "PatientName" in text and "Chest" in text
