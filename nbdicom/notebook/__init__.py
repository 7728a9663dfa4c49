"""Views for notebooks: forms and pictures.  Tables need no module here; every object that is shown makes its own.

`form` asks, `grid` and `browser` show what came and retrieve it (`retrieval`, `lines`), `worklist` does what is
scheduled; `manager` has the saved peers, `serving` a server with a switch, `explorer` the wire. `viewer` shows
series: `images` finds and orders them, `pixels` decodes, `canvas` or `slides` draws, `metadata` tells the rest;
`thumbnails` and `figures` are pictures alone. All are made of `controls`.
"""

from nbdicom.notebook.figures import show

__all__ = ["show"]
