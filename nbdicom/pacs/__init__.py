"""The embedded PACS: an SQLite index, object files, and the services of PS3.4 on top (Annex A, B and C).

`schema` says what is kept, `matching` what a key means, `query` makes a question of an identifier; `storage` has the
files, `index` the database, `archive` both together; `header` reads what the index wants to know; `pacs` is the server,
`samples` and `phantoms` are its demonstration content.
"""

from nbdicom.pacs.pacs import Added, Pacs, demo_pacs

__all__ = ["Added", "Pacs", "demo_pacs"]
