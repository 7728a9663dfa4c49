"""One model, three renderings: none says more than another, and a peer's text can do no harm in any."""

import html.parser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tabulate import tabulate

from nbdicom.table import Table, printable

HOSTILE = "<script>alert(1)</script>\x1b[31m\r\nFORGED"


def test_text() -> None:
    text = str(Table("Steps", ("step", "result"), [("resolve", "ok"), ("connect", None)], notes=["so it is"]))
    assert text.splitlines() == ["Steps", "step     result", "-------  --------", "resolve  ok", "connect", "so it is"]


@given(st.data(), st.integers(1, 4))
def test_a_plain_table_is_laid_out_as_tabulate_does(data: st.DataObject, width: int) -> None:
    cell = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=12)
    columns = data.draw(st.lists(cell.map(str.strip), min_size=width, max_size=width))
    rows = data.draw(st.lists(st.lists(cell, min_size=width, max_size=width), min_size=1, max_size=4))
    theirs = tabulate(rows, headers=columns, tablefmt="simple", disable_numparse=True)
    assert str(Table("t", columns, rows)).splitlines()[1:] == [line.rstrip() for line in theirs.splitlines()]


def test_a_uid_is_never_cut() -> None:
    uid = "1.2.840.113619.2.55.3.604688119.868.1.1.1.1.1.1.1.1.1.123456789"
    rows = [(uid, "many words " * 20, uid, "more words " * 20)]
    text = str(Table("t", ("a", "b", "c", "d"), rows))
    assert any(line.count(uid) == 2 for line in text.splitlines())


@pytest.mark.parametrize("place", ["title", "column", "cell", "note"])
def test_hostile_text(place: str) -> None:
    def pick(name: str) -> str:
        return HOSTILE.replace("\n", "") if name == place else "x"

    table = Table(pick("title"), (pick("column"),), [(pick("cell"),)], notes=[pick("note")])
    text, markup = str(table), table._repr_html_()
    assert "\x1b" not in text and "\r" not in text
    assert "<script>" not in markup
    assert "\x1b" not in markup


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("a\nb", "a\\nb"),
        ("\x1b[0m", "\\x1b[0m"),
        ("Köhler", "Köhler"),
        ("\u202e", "\\u202e"),
        ("山田\u3000太郎", "山田\u3000太郎"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("\u2028", "\\u2028"),
        (7, "7"),
    ],
)
def test_printable(value: object, shown: str) -> None:
    assert printable(value) == shown


class Cells(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.cells: list[str] = []
        self.headers: list[str] = []
        self._into: list[str] | None = None

    def handle_starttag(self, tag: str, attributes: object) -> None:
        self._into = {"td": self.cells, "th": self.headers}.get(tag)
        if self._into is not None:
            self._into.append("")

    def handle_endtag(self, tag: str) -> None:
        self._into = None

    def handle_data(self, data: str) -> None:
        if self._into is not None:
            self._into[-1] += data


def test_html_has_the_same_cells_without_style_or_svg() -> None:
    table = Table("t", ("a", "result"), [("1", "\N{CHECK MARK} ok"), ("2", "\N{BALLOT X} bad")], marks=["ok", "bad"])
    parser = Cells()
    parser.feed(table._repr_html_())
    assert parser.headers == ["a", "result"]
    assert parser.cells == ["1", "\N{CHECK MARK} ok", "2", "\N{BALLOT X} bad"]


def test_frame() -> None:
    frame = Table("t", ("a", "b"), [(1, None), (2, "x")]).to_frame()
    assert list(frame.columns) == ["a", "b"] and frame["a"].tolist() == [1, 2]


def test_an_empty_table() -> None:
    table = Table("nothing", ("a", "b"), [])
    assert "nothing" in str(table) and "nothing" in table._repr_html_() and len(table.to_frame()) == 0


def test_cells_of_words_and_of_sentences() -> None:
    """A UID and a time stay on one line; a sentence is not squeezed by its neighbours; a path may break."""
    uid, path, sentence = "1." + "2" * 62, "a/" + "b" * 80, "the destination of this move is not known to the peer"
    page = Table(
        "t", ("uid", "path", "message"), [(uid, path, sentence)], marks=["bad"], mark_column="message"
    )._repr_html_()
    assert f"<td class='word'>{uid}</td><td>{path}</td><td class='bad long'>{sentence}</td>" in page
