"""Both ends of the memory test, each in a process of its own.

    python one_gigabyte.py scp PORT AET FOLDER DESTINATION
        An embedded PACS until it is ended; DESTINATION is the port of NBDICOM for C-MOVE.
    python one_gigabyte.py scu
        For each JSON line [method of Peer, address, arguments, keywords], one JSON line with the outcome.

The processes live long on purpose: what a small object took is the baseline for the big one, so that neither imports
nor buffers that exist once are counted.
"""

from __future__ import annotations

import json
import sys
import threading


def scp(port: str, ae_title: str, folder: str, destination: str) -> None:
    from nbdicom.pacs import Pacs

    allow = {"NBDICOM": ("127.0.0.1", int(destination))}
    with Pacs(folder, ae_title=ae_title, port=int(port), durability="none", allow=allow):
        threading.Event().wait()


def scu() -> None:
    from nbdicom.peer import Peer

    for line in sys.stdin:
        method, address, positional, keywords = json.loads(line)
        result = getattr(Peer(address), method)(*positional, progress=False, **keywords)
        print(json.dumps({"ok": result.ok, "rows": len(result), "said": str(result.summary)}), flush=True)


if __name__ == "__main__":
    {"scp": scp, "scu": scu}[sys.argv[1]](*sys.argv[2:])
