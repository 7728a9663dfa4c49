"""PS3.8 Table 9-10: the grid against a second transcription, and every cell fired on a bare upper layer."""

import pytest

from nbdicom.config import Limits
from nbdicom.core import pdu as p
from nbdicom.core.machine import NEXT, TABLE, Action, Evt, Sta, state_table
from nbdicom.core.upper_layer import (
    AbortIndication,
    AssociateConfirmation,
    AssociateIndication,
    PAbortIndication,
    ReleaseConfirmation,
    ReleaseIndication,
    Role,
    UpperLayer,
)
from nbdicom.errors import LocalProtocolError

#: The table by state, as the prose of PS3.8 9.2.3 goes: what each state does with each event it knows.
BY_STATE = {
    1: "1:AE-1 5:AE-5",
    2: "3:AA-1 4:AA-1 6:AE-6 10:AA-1 12:AA-1 13:AA-1 16:AA-2 17:AA-5 18:AA-2 19:AA-1",
    3: "3:AA-8 4:AA-8 6:AA-8 7:AE-7 8:AE-8 10:AA-8 12:AA-8 13:AA-8 15:AA-1 16:AA-3 17:AA-4 19:AA-8",
    4: "2:AE-2 15:AA-2 17:AA-4",
    5: "3:AE-3 4:AE-4 6:AA-8 10:AA-8 12:AA-8 13:AA-8 15:AA-1 16:AA-3 17:AA-4 19:AA-8",
    6: "3:AA-8 4:AA-8 6:AA-8 9:DT-1 10:DT-2 11:AR-1 12:AR-2 13:AA-8 15:AA-1 16:AA-3 17:AA-4 19:AA-8",
    7: "3:AA-8 4:AA-8 6:AA-8 10:AR-6 12:AR-8 13:AR-3 15:AA-1 16:AA-3 17:AA-4 19:AA-8",
    8: "3:AA-8 4:AA-8 6:AA-8 9:AR-7 10:AA-8 12:AA-8 13:AA-8 14:AR-4 15:AA-1 16:AA-3 17:AA-4 19:AA-8",
    9: "3:AA-8 4:AA-8 6:AA-8 10:AA-8 12:AA-8 13:AA-8 14:AR-9 15:AA-1 16:AA-3 17:AA-4 19:AA-8",
    10: "3:AA-8 4:AA-8 6:AA-8 10:AA-8 12:AA-8 13:AR-10 15:AA-1 16:AA-3 17:AA-4 19:AA-8",
    11: "3:AA-8 4:AA-8 6:AA-8 10:AA-8 12:AA-8 13:AR-3 15:AA-1 16:AA-3 17:AA-4 19:AA-8",
    12: "3:AA-8 4:AA-8 6:AA-8 10:AA-8 12:AA-8 13:AA-8 14:AR-4 15:AA-1 16:AA-3 17:AA-4 19:AA-8",
    13: "3:AA-6 4:AA-6 6:AA-7 10:AA-6 12:AA-6 13:AA-6 16:AA-2 17:AR-5 18:AA-2 19:AA-7",
}
TRANSCRIBED = {
    (Evt(int(event)), Sta(state)): Action(action)
    for state, row in BY_STATE.items()
    for event, action in (cell.split(":") for cell in row.split())
}

#: Next state of each action (Tables 9-6 to 9-9), by number.
AFTER = {
    "AE-1": 4, "AE-2": 5, "AE-3": 6, "AE-4": 1, "AE-5": 2, "AE-7": 6, "AE-8": 13, "DT-1": 6, "DT-2": 6, "AR-1": 7, "AR-2": 8,
    "AR-3": 1, "AR-4": 13, "AR-5": 1, "AR-6": 7, "AR-7": 8, "AR-9": 11, "AR-10": 12, "AA-1": 13, "AA-2": 1, "AA-3": 1,
    "AA-4": 1, "AA-5": 1, "AA-6": 13, "AA-7": 13, "AA-8": 13,
}  # fmt: skip


def test_the_grid_is_the_standards_table() -> None:
    assert TABLE == TRANSCRIBED
    assert len(TABLE) == 123


def test_next_states() -> None:
    assert {str(a): int(s[0]) for a, s in NEXT.items() if len(s) == 1} == AFTER
    assert set(NEXT[Action.AE_6]) == {Sta.STA3, Sta.STA13}
    assert set(NEXT[Action.AR_8]) == {Sta.STA9, Sta.STA10}
    assert set(NEXT) == set(Action) == set(TABLE.values())


def test_words() -> None:
    assert len(Sta) == 13 and len(Evt) == 19 and len(Action) == 28
    assert all(member.meaning for kind in (Sta, Evt, Action) for member in kind)
    assert len(state_table()) == 123 and len(state_table(Sta.STA13)) == 10


# ------------------------------------------------------------------------------- every cell, fired

RQ = p.AAssociateRQ(called_ae_title="B", calling_ae_title="A", items=(p.ApplicationContext(),))
AC, RJ = p.AAssociateAC(), p.AAssociateRJ(result=1, source=1, reason_diag=7)
P_DATA = p.encode_pdu(
    p.PDataTF(items=(p.PresentationDataValue(context_id=1, message_control_header=2, fragment=b"data"),))
)
SENT = {
    Evt.EVT3: p.encode_pdu(AC),
    Evt.EVT4: p.encode_pdu(RJ),
    Evt.EVT6: p.encode_pdu(RQ),
    Evt.EVT10: P_DATA,
    Evt.EVT12: p.encode_pdu(p.AReleaseRQ()),
    Evt.EVT13: p.encode_pdu(p.AReleaseRP()),
    Evt.EVT16: p.encode_pdu(p.AAbort(source=2, reason_diag=6)),
    Evt.EVT19: b"\x08\x00\x00\x00\x00\x04abcd",
}
ARTIM = 30.0

#: What the actions send, say and do: PDU name and what it carries, indication, ARTIM started (True), stopped (False) or
#: left alone (None), connection closed.
EFFECTS = {
    "AE-1": (None, None, None, False),
    "AE-2": ("A-ASSOCIATE-RQ", None, None, False),
    "AE-3": (None, AssociateConfirmation, None, False),
    "AE-4": (None, AssociateConfirmation, False, True),
    "AE-5": (None, None, True, False),
    "AE-6": (None, AssociateIndication, False, False),
    "AE-7": ("A-ASSOCIATE-AC", None, None, False),
    "AE-8": ("A-ASSOCIATE-RJ", None, True, False),
    "AR-1": ("A-RELEASE-RQ", None, None, False),
    "AR-2": (None, ReleaseIndication, None, False),
    "AR-3": (None, ReleaseConfirmation, False, True),
    "AR-4": ("A-RELEASE-RP", None, True, False),
    "AR-5": (None, None, False, True),
    "AR-8": (None, ReleaseIndication, None, False),
    "AR-9": ("A-RELEASE-RP", None, None, False),
    "AR-10": (None, ReleaseConfirmation, None, False),
    "AA-1": ("A-ABORT", None, True, False),
    "AA-2": (None, None, False, True),
    "AA-3": (None, AbortIndication, False, True),
    "AA-4": (None, PAbortIndication, False, True),
    "AA-5": (None, None, False, True),
    "AA-6": (None, None, None, False),
    "AA-7": ("A-ABORT", None, None, False),
    "AA-8": ("A-ABORT", PAbortIndication, True, False),
}


class Bare:
    """An upper layer put into a state, with what it was given to the user."""

    def __init__(self, state: Sta, role: Role) -> None:
        self.now = 1000.0
        self.data: list[bytes] = []
        self.layer = UpperLayer(
            role, clock=lambda: self.now, limits=Limits(), artim=ARTIM,
            p_data=lambda context_id, header, view, end: self.data.append(bytes(view)),
        )  # fmt: skip
        self.layer._rq = RQ
        self.layer.state = state
        if state in (Sta.STA2, Sta.STA13):
            self.layer._start_artim()

    def receive(self, data: bytes) -> None:
        self.layer.get_buffer()[: len(data)] = data
        self.layer.buffer_updated(len(data))

    def fire(self, event: Evt) -> None:
        layer = self.layer
        if event in SENT:
            self.receive(SENT[event])
        elif event is Evt.EVT1:
            layer.a_associate(RQ)
        elif event in (Evt.EVT2, Evt.EVT5):
            layer.connected()
        elif event is Evt.EVT7:
            layer.a_associate_response(AC)
        elif event is Evt.EVT8:
            layer.a_associate_response(RJ)
        elif event is Evt.EVT9:
            layer.data_to_send()
            list(layer.p_data(1, b"command", None))
        elif event is Evt.EVT11:
            layer.a_release()
        elif event is Evt.EVT14:
            layer.a_release_response()
        elif event is Evt.EVT15:
            layer.a_abort()
        elif event is Evt.EVT17:
            layer.eof_received()
        elif event is Evt.EVT18:
            self.now += ARTIM
            layer.time_reached(self.now)


LOCAL = {Evt.EVT1, Evt.EVT2, Evt.EVT5, Evt.EVT7, Evt.EVT8, Evt.EVT9, Evt.EVT11, Evt.EVT14, Evt.EVT15}
ACCEPTORS = {Evt.EVT5, Evt.EVT6, Evt.EVT7, Evt.EVT8}


def roles(event: Evt, state: Sta) -> list[Role]:
    if event in ACCEPTORS or state in (Sta.STA2, Sta.STA3):
        return [Role.ACCEPTOR]
    if event in (Evt.EVT1, Evt.EVT2) or state in (Sta.STA4, Sta.STA5):
        return [Role.REQUESTOR]
    return [Role.REQUESTOR, Role.ACCEPTOR]


CELLS = [(event, state, role) for event in Evt for state in Sta for role in roles(event, state)]


@pytest.mark.parametrize(("event", "state", "role"), CELLS, ids=lambda value: str(value))
def test_every_cell(event: Evt, state: Sta, role: Role) -> None:
    bare = Bare(state, role)
    layer, action = bare.layer, TABLE.get((event, state))
    if action is None:
        if event in LOCAL:
            with pytest.raises(LocalProtocolError, match="9-10"):
                bare.fire(event)
        elif event is Evt.EVT17 or event is Evt.EVT18 or state not in (Sta.STA1, Sta.STA4):
            bare.fire(event)  # nothing is said and nothing happens
            assert layer.data_to_send() == [] and layer.indications() == []
        assert layer.state is state
        return
    before = layer.deadline()
    bare.fire(event)
    sent, said = layer.data_to_send(), layer.indications()
    if action in (Action.DT_1, Action.AR_7):
        assert layer.state is NEXT[action][0] and sent == [] and said == []
        return
    if action in (Action.DT_2, Action.AR_6):
        assert layer.state is NEXT[action][0] and sent == [] and said == [] and bare.data == [b"data"]
        return
    pdu, indication, artim, closes = EFFECTS[action]
    assert [p.PDU_TYPES[data[0]].name for data in sent] == ([pdu] if pdu else [])
    assert [type(one) for one in said] == ([indication] if indication else [])
    if artim is True:
        assert layer.deadline() == bare.now + ARTIM
    else:
        assert layer.deadline() == (None if artim is False else before)
    assert layer.close_transport is closes
    wanted = NEXT[action][0]
    if action is Action.AR_8:
        wanted = Sta.STA9 if role is Role.REQUESTOR else Sta.STA10
    assert layer.state is wanted
    assert bare.data == []
    if action is Action.AA_1:
        assert sent[0][8:] == b"\x00\x00"
    if action is Action.AA_8:
        reason = 1 if event is Evt.EVT19 else 2
        assert sent[0][8:] == bytes((2, reason))
    if action is Action.AA_7:
        reason = 1 if event is Evt.EVT19 else 2
        assert sent[0][8:] == bytes((2, reason))


def test_a_version_that_we_do_not_speak_is_rejected() -> None:
    bare = Bare(Sta.STA2, Role.ACCEPTOR)
    data = bytearray(SENT[Evt.EVT6])
    data[6:8] = b"\x00\x02"
    bare.receive(bytes(data))
    assert bare.layer.data_to_send() == [bytes.fromhex("03000000000400010202")]
    assert bare.layer.state is Sta.STA13 and bare.layer.deadline() == bare.now + ARTIM
    assert bare.layer.indications() == []
