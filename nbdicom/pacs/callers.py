"""Who may call a PACS, and to whom its reports may go: an AE title proves nothing, since everybody can write any."""

from __future__ import annotations

from collections.abc import Mapping

from nbdicom.address import addresses_of, is_loopback, plain_address, split_address
from nbdicom.core.negotiation import title_problem
from nbdicom.errors import PacsError
from nbdicom.memory import is_memory

__all__ = ["Callers"]


class Callers:
    """The titles that a PACS knows, and whose they are.

    Parameters
    ----------
    allow : mapping
        AE title to ``"host:port"`` or ``(host, port)``.
    host : str
        Where the PACS listens: on a loopback address and in memory every title is welcome.
    any_calling, any_host : bool
        See `nbdicom.pacs.Pacs`.

    Raises
    ------
    PacsError
        If a title or an address is none.

    Examples
    --------
    >>> callers = Callers({"CT1": "10.0.0.7:104"}, host="10.0.0.1", any_calling=False, any_host=False)
    >>> callers.welcomes("CT1", "10.0.0.7"), callers.welcomes("CT1", "10.0.0.8"), callers.welcomes("CT2", "10.0.0.7")
    (True, False, False)
    """

    def __init__(
        self, allow: Mapping[str, str | tuple[str, int]], *, host: str, any_calling: bool, any_host: bool
    ) -> None:
        self.allow = {title.strip(" "): _address(title, where) for title, where in allow.items()}
        self._is_local = is_memory(host) or is_loopback(host)
        self._any_calling = any_calling
        self._any_host = any_host

    def welcomes(self, calling_ae_title: str, host: str) -> bool:
        """Whether who calls itself so, from this *host*, is served: a title has to come from its host, too."""
        title = calling_ae_title.strip(" ")
        if self._any_calling or (title and self._is_local):
            return True
        return title in self.allow and self._is_its_host(title, host)

    def is_at_home(self, calling_ae_title: str, host: str) -> bool:
        """Whether reports for a title may go to this *host*: not where it has an address, and this is none of it.

        Where any title may call, else anybody could take the reports of another.  They go to the address then.
        """
        if calling_ae_title not in self.allow or self._is_local:
            return True
        return self._is_its_host(calling_ae_title, host)

    def _is_its_host(self, title: str, host: str) -> bool:
        return self._any_host or plain_address(host) in addresses_of(self.allow[title][0])

    def __str__(self) -> str:
        if self._any_calling or self._is_local:
            return "any AE title"
        return ", ".join(self.allow) or "nobody: give allow={...} or any_calling=True"


def _address(title: str, where: str | tuple[str, int]) -> tuple[str, int]:
    if problem := title_problem(title):
        raise PacsError(f"AE title {title!r} {problem} [PS3.5 6.2]")
    try:
        return split_address(where)
    except ValueError:
        raise PacsError(f"the address of {title} is {where!r}", hint='write it as "host:port"') from None
