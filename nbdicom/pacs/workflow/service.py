"""What the services of the workflow have in common: a database, the DIMSE operations they may serve, a table to look at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from nbdicom.operations.requests import (
    FindRequest,
    NActionRequest,
    NCreateRequest,
    NGetRequest,
    NSetRequest,
    Refuse,
)
from nbdicom.pacs.query import Patience
from nbdicom.pacs.workflow.attributes import Keys
from nbdicom.pacs.workflow.database import Attributes, Database
from nbdicom.table import Table, Tabular

__all__ = ["UNRECOGNIZED_OPERATION", "Service", "matching"]

UNRECOGNIZED_OPERATION = 0x0211


def matching(
    entries: Iterable[Attributes], keys: Keys, request: FindRequest, *, limit: int, seconds: float | None
) -> Iterator[Mapping[str, Any]]:
    """The answers of a C-FIND: what *keys* ask for of each of *entries* that they match.

    Raises
    ------
    Refuse
        A700H after *limit* matches, and when a match is not found within *seconds*.
    """
    patience = Patience(seconds, lambda: request.cancelled)
    found = 0
    try:
        for entry in entries:
            if not keys.match(entry, patience.check):
                continue
            if found >= limit:
                raise Refuse(0xA700, f"more than {limit} matches")
            found += 1
            yield keys.answer(entry)
            patience.again()
    except Refuse:
        if not request.cancelled:
            raise


class Service(Tabular):
    """One service; what it does not define is answered with 0211H, unrecognized operation."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, request: FindRequest) -> Iterator[Mapping[str, Any]]:
        """C-FIND: the matches."""
        raise Refuse(UNRECOGNIZED_OPERATION)

    def n_create(self, request: NCreateRequest) -> Any:
        """N-CREATE."""
        raise Refuse(UNRECOGNIZED_OPERATION)

    def n_get(self, request: NGetRequest) -> Any:
        """N-GET: the attributes."""
        raise Refuse(UNRECOGNIZED_OPERATION)

    def n_set(self, request: NSetRequest) -> Any:
        """N-SET."""
        raise Refuse(UNRECOGNIZED_OPERATION)

    def n_action(self, request: NActionRequest) -> Any:
        """N-ACTION."""
        raise Refuse(UNRECOGNIZED_OPERATION)

    def table(self) -> Table:
        """What there is."""
        raise NotImplementedError
