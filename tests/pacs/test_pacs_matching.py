"""Attribute matching (PS3.4 C.2.2.2): every case through both renderings of a key, SQL and Python."""

import sqlite3

import pytest

from nbdicom.operations.requests import Refuse
from nbdicom.pacs.matching import fold_name, parse_key, plain_date_time

# VR, key, values that match, values that do not
CASES = [
    # C.2.2.2.1 single value: the case counts
    ("LO", "Head", ["Head"], ["HEAD", "head", "Head 2", "", None]),
    ("CS", "CT", ["CT"], ["ct", "MR", "CTA"]),
    ("LO", "  Head ", ["Head"], ["Hea"]),
    ("SH", "100%", ["100%"], ["100", "100x"]),
    ("LO", "a_b", ["a_b"], ["axb"]),
    ("LO", "it's", ["it's"], ["its"]),
    ("LO", "' OR '1'='1", ["' OR '1'='1"], ["1", "x"]),
    ("LO", 'say "so"; --', ['say "so"; --'], ["say"]),
    ("LO", "größe", ["größe"], ["GRÖSSE", "grosse"]),
    # C.2.2.2.2 list of UID, and lists of anything else
    ("UI", "1.2.3", ["1.2.3"], ["1.2.30", "1.2"]),
    ("UI", "1.2.3\\1.2.4", ["1.2.3", "1.2.4"], ["1.2.5"]),
    ("UI", ("1.2.3", "1.2.4"), ["1.2.3", "1.2.4"], ["1.2.5"]),
    ("UI", tuple(f"1.2.{k}" for k in range(2000)), ["1.2.0", "1.2.1999"], ["1.2.2000"]),
    ("UI", "1.2.*", [], ["1.2.3"]),
    ("CS", "CT\\MR", ["CT", "MR"], ["US", "CTMR"]),
    ("LO", "A*\\*B", ["Ax", "xB"], ["xAx"]),
    # C.2.2.2.4 wild cards
    ("LO", "HEAD*", ["HEAD", "HEAD CT"], ["head ct", "A HEAD"]),
    ("LO", "*CT", ["CT", "HEAD CT"], ["CTA"]),
    ("LO", "*EA*", ["HEAD", "EA"], ["H"]),
    ("LO", "H?AD", ["HEAD", "H AD"], ["HAD", "HEEAD"]),
    ("LO", "?", ["a", "ß"], ["", "ab"]),
    ("LO", "a**b", ["ab", "axxb"], ["a"]),
    ("LO", "*?", ["x"], ["", None]),
    ("LO", "100%*", ["100% sure"], ["100 sure"]),
    ("LO", "a_*", ["a_b"], ["axb"]),
    ("LO", "[ab]*", ["[ab]x"], ["ax", "bx"]),
    ("LO", "*]", ["a]"], ["a"]),
    ("LO", "[*", ["[", "[a"], ["a"]),
    ("LO", "*'*", ["it's"], ["its"]),
    ("LO", "a*b*c*d", ["a-b-c-d", "abcbcd"], ["abdc"]),
    ("LO", "山*", ["山田"], ["田山"]),
    ("LO", "*" + "a*" * 20 + "b", ["a" * 30 + "b"], ["a" * 64]),
    # C.2.2.2.5 ranges
    ("DA", "20200115", ["20200115"], ["20200116", "20200114", None, ""]),
    ("DA", "20200101-20200131", ["20200101", "20200115", "20200131"], ["20191231", "20200201"]),
    ("DA", "20200101 - 20200131", ["20200101", "20200131"], ["20200201"]),
    ("DA", "20200101-", ["20200101", "20991231"], ["20191231", None]),
    ("DA", "-20200101", ["20200101", "19000101"], ["20200102", None]),
    ("DA", "2020.01.01-2020.01.31", ["20200115"], ["20200201"]),
    ("DA", "2020", ["20200101", "20201231"], ["20210101"]),
    ("DA", "2019-2020", ["20190101", "20201231"], ["20210101", "20181231"]),
    ("TM", "1030", ["1030", "103000", "103059.999"], ["103100", "1029"]),
    ("TM", "100000-120000", ["100000", "110000.5", "120000.000"], ["095959", "120001"]),
    ("TM", "10:00:00-12:00:00", ["110000"], ["130000"]),
    ("TM", "100000.000000-", ["100000", "235959"], ["095959.999"]),
    ("TM", "-12", ["000000", "125959"], ["130000"]),
    # ... also from a moment that is written more precisely than the value
    ("TM", "093000-100000", ["0930", "09", "10", "1000"], ["0929", "08", "1001"]),
    ("TM", "0900-0959", ["09", "0959"], ["08", "10"]),
    ("TM", "103000", ["1030", "10"], ["1031", "11"]),
    ("TM", "103000.5-", ["1030", "103000.5"], ["1029", "103000.4"]),
    ("DT", "20200101", ["20200101", "20200101120000"], ["20200102"]),
    ("DT", "20200101-20200131", ["20200115120000.5"], ["20200201000000"]),
    ("DT", "20200101120000-0500", ["20200101120000"], ["20200101120001"]),
    ("DT", "20200101120000+0100-20200101130000+0100", ["20200101123000"], ["20200101133000"]),
    ("DT", "-2020", ["20191231", "20200601"], ["20210101"]),
    ("DT", "20200101120000-20200101130000", ["202001011200", "2020010113", "20200101"], ["202001011159", "20191231"]),
    # numbers
    ("IS", "1", ["1", "01", "+1"], ["2", "11", None]),
    ("DS", "2.50", ["2.5", "2.500", "25e-1"], ["2.51"]),
    ("US", 512, ["512"], ["513"]),
    ("IS", "one", [], ["1"]),
    # person names: no case, groups, empty components at the end
    ("PN", "doe^john", ["Doe^John", "DOE^JOHN^^^", "doe^john "], ["Doe", "Doe^Johnny", "John^Doe"]),
    ("PN", "DOE*", ["Doe", "Doe^John", "doerr"], ["Adoe", None]),
    ("PN", "doe^*", ["Doe^John", "Doe"], ["Doering^A"]),
    ("PN", "doe^j*^*", ["Doe^John", "Doe^Jane^M"], ["Doe^Al"]),
    ("PN", "*^john", ["Doe^John"], ["John^Doe"]),
    ("PN", "KÖHLER*", ["Köhler^Jürgen", "ko\u0308hler"], ["Kohler"]),
    ("PN", "yamada^tarou", ["Yamada^Tarou=山田^太郎=やまだ^たろう"], ["Yamada^Jirou=山田^次郎"]),
    ("PN", "山田*", ["Yamada^Tarou=山田^太郎"], ["Yamada^Tarou"]),
    ("PN", "やまだ*", ["Yamada^Tarou=山田^太郎=やまだ^たろう"], ["Yamada^Tarou=山田^太郎"]),
    ("PN", "=山田*", ["Yamada^Tarou=山田^太郎"], ["山田^太郎"]),
    ("PN", "Yamada*=*太郎", ["Yamada^Tarou=山田^太郎"], ["Yamada^Tarou=山田^次郎", "Suzuki=山田^太郎"]),
    ("PN", "o'neil*", ["O'Neil^Pat"], ["ONeil"]),
    ("PN", "[x]*", ["[X]y"], ["xy"]),
]


@pytest.fixture(scope="module")
def database():
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE names (patient, component, name)")
    connection.execute("CREATE TABLE plain (id INTEGER PRIMARY KEY, text TEXT, number INTEGER)")
    yield connection
    connection.close()


def by_sql(database, vr, key, value):
    """Match as the index would, where the attribute has a column."""
    database.execute("DELETE FROM plain")
    database.execute("DELETE FROM names")
    if vr == "PN":
        groups = fold_name(value or "")
        database.executemany("INSERT INTO names VALUES (1, ?, ?)", [(k, g) for k, g in enumerate(groups) if g])
        database.execute("INSERT INTO plain VALUES (1, NULL, NULL)")
        condition, parameters = key.sql("id")
    elif vr in ("IS", "DS", "US"):
        # The way of an INTEGER column with text that comes from the wire.
        database.execute("INSERT INTO plain (number) VALUES (?)", [value])
        condition, parameters = key.sql("number")
    else:
        stored = plain_date_time(value) if vr in ("DA", "TM", "DT") and value else value or None
        database.execute("INSERT INTO plain (text) VALUES (?)", [stored])
        condition, parameters = key.sql("text")
    return bool(database.execute(f"SELECT 1 FROM plain WHERE {condition}", parameters).fetchall())


@pytest.mark.parametrize(("vr", "asked", "yes", "no"), CASES, ids=[f"{c[0]} {str(c[1])[:30]}" for c in CASES])
def test_matching(database, vr, asked, yes, no):
    key = parse_key(vr, asked)
    assert key is not None
    for value, expected in [*((v, True) for v in yes), *((v, False) for v in no)]:
        assert key.matches_any(value) is expected, value
        if "\\" not in (value or ""):
            assert by_sql(database, vr, key, value) is expected, value


@pytest.mark.parametrize("vr", ["LO", "PN", "DA", "TM", "DT", "UI", "IS", "CS", "US", "LT"])
@pytest.mark.parametrize("asked", [None, "", "*", "**", " ", (), ("",), "\0"])
def test_universal(vr, asked):
    assert parse_key(vr, asked) is None


def test_values_of_a_multivalued_attribute():
    key = parse_key("CS", "PRIMARY")
    assert key.matches_any("ORIGINAL\\PRIMARY\\AXIAL")
    assert not key.matches_any("ORIGINAL\\SECONDARY")
    assert parse_key("PN", "roe*").matches_any("Doe^J\\Roe^K")
    assert parse_key("US", 3).matches_any(3)


def test_backslash_is_text_in_text():
    assert parse_key("LT", "a\\b").matches_any("a\\b")
    assert parse_key("ST", "see a*c").matches_any("see a\\b\\c")
    assert not parse_key("UT", "b").matches_any("a\\b")


def test_time_of_a_hostile_pattern_is_bounded():
    key = parse_key("LO", "*a" * 500 + "*b")
    assert not key.matches("a" * 2000)


def test_a_text_to_be_read_is_compared_with_no_pattern():
    for vr, value in (("LT", "a" * 16_385), ("PN", "a" * 16_385)):
        assert not parse_key(vr, "a*").matches(value) and parse_key(vr, "a*").matches(value[1:])


def test_time_of_a_hostile_name_is_bounded():
    """Marks in the wrong order are put right in the square of their number: two minutes for this one, hours for 4 MB."""
    name = "a" + "\u0316\u0301" * 200_000
    assert fold_name(name) == (name,)
    with pytest.raises(Refuse):
        parse_key("PN", name)
    assert fold_name("Ko\u0308hler") == ("k\xf6hler",)


def test_index_is_used_by_prefix_and_range():
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE x (a TEXT)")
    connection.execute("CREATE INDEX xa ON x (a)")
    for vr, asked in (("LO", "abc*"), ("LO", "abc"), ("DA", "2020-2021"), ("UI", "1\\2")):
        condition, parameters = parse_key(vr, asked).sql("a")
        plan = connection.execute(f"EXPLAIN QUERY PLAN SELECT * FROM x WHERE {condition}", parameters).fetchall()
        assert "SEARCH" in plan[0][3], (asked, plan)
    connection.close()
