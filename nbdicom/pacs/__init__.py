"""The embedded PACS: an SQLite index, object files, and the services of PS3.4 on top (Annex A, B and C).

`schema` says what is kept, `matching` what a key means, `query` makes a question of an identifier; `storage` has the
files, `index` the database and `rows` what is written there, `archive` both together, `repair` what a start puts right
and what reading all of it back finds; `header` reads what the index wants to know; `durability` says what is on the disk
when, `databases` what both files of SQLite have in common; `pacs` is the server, `callers` says whom it serves, `added`
is the result of an import; `samples` and `phantoms` are the demonstration content.
"""

from nbdicom.pacs.added import Added
from nbdicom.pacs.pacs import Pacs, demo_pacs

__all__ = ["Added", "Pacs", "demo_pacs"]
