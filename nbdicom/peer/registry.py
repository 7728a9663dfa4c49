"""The peers that a person has saved: names and addresses, in one file of the user's configuration folder.

Nothing is remembered here; the file is read when it is asked for, so that two notebooks see the same.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbdicom.errors import NbdicomError, QueryError, system_reason
from nbdicom.table import Table, Tabular

if TYPE_CHECKING:
    from nbdicom.peer.peer import Peer

__all__ = ["Peers", "peers"]


class Peers(Tabular):
    """Saved peers by name: ``nbdicom.peers["pacs"]``.

    Parameters
    ----------
    path : path, optional
        The file; by default ``peers.json`` in the folder ``nbdicom`` of the user's configuration folder.  The environment
        variable ``NBDICOM_CONFIG`` names another folder.

    Examples
    --------
    >>> import tempfile
    >>> saved = Peers(Path(tempfile.mkdtemp(), "peers.json"))
    >>> saved.add("pacs", "PACS@10.0.0.5:104", calling="ME")
    >>> saved["pacs"].address
    'PACS@10.0.0.5:104'
    >>> saved.remove("pacs")
    """

    def __init__(self, path: str | Path | None = None) -> None:
        self._path = None if path is None else Path(path)

    @property
    def path(self) -> Path:
        """The file."""
        return self._path or _folder() / "peers.json"

    def add(self, name: str, peer: Peer | str, *, calling: str = "NBDICOM", charset: str | None = None) -> None:
        """Save a peer; one of the same name is replaced.

        Parameters
        ----------
        name : str
            What you call it.
        peer : Peer or str
            The peer, or its address ``"AET@host:port"``.
        calling, charset : str
            Those of `Peer`, for an address.

        Raises
        ------
        QueryError
            If it has no name, or settings that are not saved (TLS, a user identity).
        ConnectionFailed
            If it is not an address.
        """
        from nbdicom.peer.peer import Peer

        if not name.strip():
            raise QueryError("a saved peer needs a name")
        one = Peer(peer, calling=calling, charset=charset) if isinstance(peer, str) else peer
        if getattr(one, "tls", None) is not None or getattr(one, "identity", None) is not None:
            raise QueryError(
                "TLS and user identities are not saved", hint="make such a peer in code: Peer(..., tls=...)"
            )
        entry = {"address": one.address, "calling": one.calling}
        if one.charset:
            entry["charset"] = one.charset
        self._write({**self._read(), name.strip(): entry})

    def remove(self, name: str) -> None:
        """Forget a peer.

        Raises
        ------
        QueryError
            If there is none of this name.
        """
        entries = self._read()
        if name not in entries:
            raise self._unknown(name, entries)
        del entries[name]
        self._write(entries)

    def __getitem__(self, name: str) -> Peer:
        """The peer of this name.

        Raises
        ------
        QueryError
            If there is none.
        """
        from nbdicom.peer.peer import Peer

        entries = self._read()
        if name not in entries:
            raise self._unknown(name, entries)
        entry = entries[name]
        return Peer(entry["address"], calling=entry.get("calling", "NBDICOM"), charset=entry.get("charset"))

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())

    def __contains__(self, name: object) -> bool:
        return name in self._read()

    def _ipython_key_completions_(self) -> list[str]:
        return list(self)

    def table(self) -> Table:
        """Names and addresses."""
        rows = [(name, e["address"], e.get("calling"), e.get("charset")) for name, e in self._read().items()]
        notes = [f'saved in {self.path}; nbdicom.peers["name"] is the peer']
        return Table("Saved peers", ("name", "address", "calling", "character set"), rows, notes=notes)

    @staticmethod
    def _unknown(name: str, entries: dict[str, Any]) -> QueryError:
        known = ", ".join(entries) or "there are none yet: nbdicom.peers.add(name, address)"
        return QueryError(f"no saved peer is called {name!r}", hint=f"saved are: {known}")

    def _read(self) -> dict[str, Any]:
        try:
            entries = json.loads(self.path.read_text("utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise NbdicomError(f"{self.path} cannot be read: {error}", hint="correct or remove the file") from error
        if not isinstance(entries, dict) or not all(isinstance(e, dict) and "address" in e for e in entries.values()):
            raise NbdicomError(f"{self.path} is not a list of peers", hint="correct or remove the file")
        return entries

    def _write(self, entries: dict[str, Any]) -> None:
        """Replace the file as a whole: whoever reads sees the old or the new one."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            fresh = self.path.with_suffix(f".{os.getpid()}.tmp")
            fresh.write_text(json.dumps(entries, indent=2, ensure_ascii=False) + "\n", "utf-8")
            fresh.replace(self.path)
        except OSError as error:
            raise NbdicomError(
                f"{self.path} cannot be written: {system_reason(error)}", hint="NBDICOM_CONFIG names another folder"
            ) from error


def _folder() -> Path:
    """Where programs of this system keep what a user has set."""
    if chosen := os.environ.get("NBDICOM_CONFIG"):
        return Path(chosen)
    if sys.platform == "win32":
        return Path(os.environ.get("APPDATA") or Path.home() / "AppData" / "Roaming") / "nbdicom"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "nbdicom"
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "nbdicom"


#: The saved peers of this user.
peers = Peers()
