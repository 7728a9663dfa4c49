"""The DICOM Upper Layer state machine: PS3.8 Table 9-10 as a literal grid.

Lay `GRID` beside the standard: rows are events, columns states, each cell the action.  What an action does stands in
`nbdicom.core.upper_layer`; which state follows it stands in `NEXT` (AE-6 and AR-8 choose between two).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum, StrEnum
from typing import Self

from nbdicom.table import Table

__all__ = ["GRID", "NEXT", "TABLE", "Action", "Evt", "Sta", "state_table"]


class _Numbered(IntEnum):
    """Numbers with the standard's words for them as ``meaning``."""

    def __new__(cls, number: int, meaning: str) -> Self:
        """Attach the standard's words to the number."""
        member = int.__new__(cls, number)
        member._value_ = number
        member.meaning = meaning
        return member

    meaning: str
    __hash__ = int.__hash__  # that of an enumeration is not written in C, and every event looks into the table


class Sta(_Numbered):
    """The thirteen states (PS3.8 Tables 9-1 to 9-5)."""

    STA1 = 1, "Idle"
    STA2 = 2, "Transport connection open (awaiting A-ASSOCIATE-RQ PDU)"
    STA3 = 3, "Awaiting local A-ASSOCIATE response primitive"
    STA4 = 4, "Awaiting transport connection opening to complete"
    STA5 = 5, "Awaiting A-ASSOCIATE-AC or A-ASSOCIATE-RJ PDU"
    STA6 = 6, "Association established and ready for data transfer"
    STA7 = 7, "Awaiting A-RELEASE-RP PDU"
    STA8 = 8, "Awaiting local A-RELEASE response primitive"
    STA9 = 9, "Release collision, requestor side; awaiting A-RELEASE response primitive"
    STA10 = 10, "Release collision, acceptor side; awaiting A-RELEASE-RP PDU"
    STA11 = 11, "Release collision, requestor side; awaiting A-RELEASE-RP PDU"
    STA12 = 12, "Release collision, acceptor side; awaiting A-RELEASE response primitive"
    STA13 = 13, "Awaiting transport connection close indication"

    def __str__(self) -> str:
        return f"Sta{int(self)}"


class Evt(_Numbered):
    """The nineteen events (PS3.8 Table 9-10, first column)."""

    EVT1 = 1, "A-ASSOCIATE Request (local user)"
    EVT2 = 2, "Transport Connection Confirm (local transport service)"
    EVT3 = 3, "A-ASSOCIATE-AC PDU (received on transport connection)"
    EVT4 = 4, "A-ASSOCIATE-RJ PDU (received on transport connection)"
    EVT5 = 5, "Transport Connection Indication (local transport service)"
    EVT6 = 6, "A-ASSOCIATE-RQ PDU (received on transport connection)"
    EVT7 = 7, "A-ASSOCIATE response primitive (accept)"
    EVT8 = 8, "A-ASSOCIATE response primitive (reject)"
    EVT9 = 9, "P-DATA request primitive"
    EVT10 = 10, "P-DATA-TF PDU"
    EVT11 = 11, "A-RELEASE Request primitive"
    EVT12 = 12, "A-RELEASE-RQ PDU (received on open connection)"
    EVT13 = 13, "A-RELEASE-RP PDU"
    EVT14 = 14, "A-RELEASE Response primitive"
    EVT15 = 15, "A-ABORT Request primitive"
    EVT16 = 16, "A-ABORT PDU (received on open connection)"
    EVT17 = 17, "Transport connection closed indication (local transport service)"
    EVT18 = 18, "ARTIM timer expired (Association reject/release timer)"
    EVT19 = 19, "Unrecognized or invalid PDU received"

    def __str__(self) -> str:
        return f"Evt{int(self)}"


class Action(StrEnum):
    """The actions (PS3.8 Tables 9-6 to 9-9), with the standard's short description as ``meaning``."""

    def __new__(cls, name: str, meaning: str) -> Action:
        """Attach the standard's words to the name."""
        member = str.__new__(cls, name)
        member._value_ = name
        member.meaning = meaning
        member.method = f"_{name.lower().replace('-', '_')}"
        return member

    meaning: str
    __hash__ = str.__hash__  # as above
    method: str  #: of `nbdicom.core.upper_layer.UpperLayer`, which does it
    AE_1 = "AE-1", "Issue TRANSPORT CONNECT request primitive to local transport service"
    AE_2 = "AE-2", "Send A-ASSOCIATE-RQ PDU"
    AE_3 = "AE-3", "Issue A-ASSOCIATE confirmation (accept) primitive"
    AE_4 = "AE-4", "Issue A-ASSOCIATE confirmation (reject) primitive and close transport connection"
    AE_5 = "AE-5", "Issue Transport connection response primitive, start ARTIM timer"
    AE_6 = "AE-6", "Stop ARTIM; acceptable: issue A-ASSOCIATE indication; else send A-ASSOCIATE-RJ, start ARTIM"
    AE_7 = "AE-7", "Send A-ASSOCIATE-AC PDU"
    AE_8 = "AE-8", "Send A-ASSOCIATE-RJ PDU and start ARTIM timer"
    DT_1 = "DT-1", "Send P-DATA-TF PDU"
    DT_2 = "DT-2", "Issue P-DATA indication primitive"
    AR_1 = "AR-1", "Send A-RELEASE-RQ PDU"
    AR_2 = "AR-2", "Issue A-RELEASE indication primitive"
    AR_3 = "AR-3", "Issue A-RELEASE confirmation primitive, and close transport connection"
    AR_4 = "AR-4", "Send A-RELEASE-RP PDU and start ARTIM timer"
    AR_5 = "AR-5", "Stop ARTIM timer"
    AR_6 = "AR-6", "Issue P-DATA indication"
    AR_7 = "AR-7", "Send P-DATA-TF PDU"
    AR_8 = "AR-8", "Issue A-RELEASE indication (release collision)"
    AR_9 = "AR-9", "Send A-RELEASE-RP PDU"
    AR_10 = "AR-10", "Issue A-RELEASE confirmation primitive"
    AA_1 = "AA-1", "Send A-ABORT PDU (service-user source) and start (or restart) ARTIM timer"
    AA_2 = "AA-2", "Stop ARTIM timer if running; close transport connection"
    AA_3 = "AA-3", "Issue A-ABORT or A-P-ABORT indication and close transport connection"
    AA_4 = "AA-4", "Issue A-P-ABORT indication primitive"
    AA_5 = "AA-5", "Stop ARTIM timer"
    AA_6 = "AA-6", "Ignore PDU"
    AA_7 = "AA-7", "Send A-ABORT PDU"
    AA_8 = "AA-8", "Send A-ABORT PDU (service-provider source), issue A-P-ABORT indication, start ARTIM timer"


GRID = """
       Sta1  Sta2  Sta3  Sta4  Sta5  Sta6  Sta7  Sta8  Sta9  Sta10 Sta11 Sta12 Sta13
Evt1   AE-1  .     .     .     .     .     .     .     .     .     .     .     .
Evt2   .     .     .     AE-2  .     .     .     .     .     .     .     .     .
Evt3   .     AA-1  AA-8  .     AE-3  AA-8  AA-8  AA-8  AA-8  AA-8  AA-8  AA-8  AA-6
Evt4   .     AA-1  AA-8  .     AE-4  AA-8  AA-8  AA-8  AA-8  AA-8  AA-8  AA-8  AA-6
Evt5   AE-5  .     .     .     .     .     .     .     .     .     .     .     .
Evt6   .     AE-6  AA-8  .     AA-8  AA-8  AA-8  AA-8  AA-8  AA-8  AA-8  AA-8  AA-7
Evt7   .     .     AE-7  .     .     .     .     .     .     .     .     .     .
Evt8   .     .     AE-8  .     .     .     .     .     .     .     .     .     .
Evt9   .     .     .     .     .     DT-1  .     AR-7  .     .     .     .     .
Evt10  .     AA-1  AA-8  .     AA-8  DT-2  AR-6  AA-8  AA-8  AA-8  AA-8  AA-8  AA-6
Evt11  .     .     .     .     .     AR-1  .     .     .     .     .     .     .
Evt12  .     AA-1  AA-8  .     AA-8  AR-2  AR-8  AA-8  AA-8  AA-8  AA-8  AA-8  AA-6
Evt13  .     AA-1  AA-8  .     AA-8  AA-8  AR-3  AA-8  AA-8  AR-10 AR-3  AA-8  AA-6
Evt14  .     .     .     .     .     .     .     AR-4  AR-9  .     .     AR-4  .
Evt15  .     .     AA-1  AA-2  AA-1  AA-1  AA-1  AA-1  AA-1  AA-1  AA-1  AA-1  .
Evt16  .     AA-2  AA-3  .     AA-3  AA-3  AA-3  AA-3  AA-3  AA-3  AA-3  AA-3  AA-2
Evt17  .     AA-5  AA-4  AA-4  AA-4  AA-4  AA-4  AA-4  AA-4  AA-4  AA-4  AA-4  AR-5
Evt18  .     AA-2  .     .     .     .     .     .     .     .     .     .     AA-2
Evt19  .     AA-1  AA-8  .     AA-8  AA-8  AA-8  AA-8  AA-8  AA-8  AA-8  AA-8  AA-7
"""


def _parse(grid: str) -> dict[tuple[Evt, Sta], Action]:
    header, *rows = [line.split() for line in grid.strip().splitlines()]
    states = [Sta[name.upper()] for name in header]
    table = {}
    for name, *cells in rows:
        for state, cell in zip(states, cells, strict=True):
            if cell != ".":
                table[Evt[name.upper()], state] = Action[cell.replace("-", "_")]
    return table


TABLE: Mapping[tuple[Evt, Sta], Action] = _parse(GRID)

#: The state after each action (PS3.8 Tables 9-6 to 9-9).  Two states: the action chooses, the first unless it says so.
NEXT: Mapping[Action, tuple[Sta, ...]] = {
    Action.AE_1: (Sta.STA4,),
    Action.AE_2: (Sta.STA5,),
    Action.AE_3: (Sta.STA6,),
    Action.AE_4: (Sta.STA1,),
    Action.AE_5: (Sta.STA2,),
    Action.AE_6: (Sta.STA3, Sta.STA13),
    Action.AE_7: (Sta.STA6,),
    Action.AE_8: (Sta.STA13,),
    Action.DT_1: (Sta.STA6,),
    Action.DT_2: (Sta.STA6,),
    Action.AR_1: (Sta.STA7,),
    Action.AR_2: (Sta.STA8,),
    Action.AR_3: (Sta.STA1,),
    Action.AR_4: (Sta.STA13,),
    Action.AR_5: (Sta.STA1,),
    Action.AR_6: (Sta.STA7,),
    Action.AR_7: (Sta.STA8,),
    Action.AR_8: (Sta.STA9, Sta.STA10),
    Action.AR_9: (Sta.STA11,),
    Action.AR_10: (Sta.STA12,),
    Action.AA_1: (Sta.STA13,),
    Action.AA_2: (Sta.STA1,),
    Action.AA_3: (Sta.STA1,),
    Action.AA_4: (Sta.STA1,),
    Action.AA_5: (Sta.STA1,),
    Action.AA_6: (Sta.STA13,),
    Action.AA_7: (Sta.STA13,),
    Action.AA_8: (Sta.STA13,),
}


def state_table(state: Sta | None = None) -> Table:
    """Table 9-10 with words, whole or for one state."""
    rows = [
        (str(sta), str(evt), evt.meaning, str(action), action.meaning, " or ".join(map(str, NEXT[action])))
        for (evt, sta), action in sorted(TABLE.items(), key=lambda cell: (cell[0][1], cell[0][0]))
        if state in (None, sta)
    ]
    title = "Upper layer state machine (PS3.8 Table 9-10)" + (f", {state}: {state.meaning}" if state else "")
    return Table(title, ("state", "event", "meaning", "action", "does", "next"), rows)
