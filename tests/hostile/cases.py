"""What odd, broken and hostile requestors send, and what the standard wants answered: one list for pytest and the score.

A case is played on a connection of its own.  Those of `BEFORE` begin in Sta2, those of `WITHIN` in Sta6, after an
association for all contexts was accepted.  ``shall`` marks cases whose answer the standard words with "shall" (or fixes in
Table 9-10); for the others the answer is what is sensible, and a peer may have its reasons.
"""

from __future__ import annotations

from tests.hostile.before import BEFORE
from tests.hostile.case import Case
from tests.hostile.within import WITHIN

__all__ = ["BEFORE", "WITHIN", "Case", "every_case"]


def every_case(*, timers: bool = True) -> list[Case]:
    """All cases, with those that wait for timers of the peer or without."""
    return [case for case in (*BEFORE, *WITHIN) if timers or not case.timer]
