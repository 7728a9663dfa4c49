"""Statuses: category by range, meaning by service (PS3.7 Annex C, PS3.4 B.2.3 and C.4)."""

import pytest

from nbdicom.status import Status, StatusCategory, status_table


@pytest.mark.parametrize(
    ("code", "service", "category", "words"),
    [
        (0x0000, "", "Success", "Success"),
        (0xFF00, "C-FIND", "Pending", "Pending"),
        (0xFF01, "C-FIND", "Pending", "optional keys"),
        (0xFE00, "C-MOVE", "Cancel", "C-CANCEL"),
        (0xA801, "C-MOVE", "Failure", "destination unknown"),
        (0xA700, "C-STORE", "Failure", "out of resources"),
        (0xA7FF, "C-STORE", "Failure", "out of resources"),
        (0xA900, "C-STORE", "Failure", "does not match SOP Class"),
        (0xC123, "C-STORE", "Failure", "cannot understand"),
        (0xC123, "C-FIND", "Failure", "unable to process"),
        (0xB000, "C-STORE", "Warning", "coercion"),
        (0xB000, "C-GET", "Warning", "failures"),
        (0xB001, "C-FIND", "Warning", "limit"),
        (0x0122, "N-GET", "Failure", "SOP Class not supported"),
        (0x0124, "", "Failure", "not authorized"),
        (0x0107, "N-GET", "Warning", "Attribute list error"),
        (0xA801, "C-STORE", "Failure", "not defined"),
        (0x1234, "C-STORE", "Failure", "not defined"),
    ],
)
def test_category_and_meaning(code: int, service: str, category: str, words: str) -> None:
    status = Status(code, service)
    assert status == code
    assert status.category == StatusCategory(category)
    assert words in status.meaning
    assert str(status).startswith(f"{code:04X}H {category}")


def test_every_code_has_exactly_one_category() -> None:
    for code in range(0x10000):
        status = Status(code)
        assert sum((status.is_success, status.is_pending, status.is_failure)) <= 1
        assert status.category in StatusCategory


def test_the_peers_comment_is_shown() -> None:
    assert str(Status(0xC001, "C-FIND", "no such key")).endswith("(no such key)")


def test_the_table() -> None:
    table = status_table()
    assert len(table) > 30
    assert all(row[4].startswith("PS3.") for row in table.rows)
