"""What is fuzzed: bytes in, and either a result or the one kind of error that is meant for bad bytes.

``python -m tests.hostile.fuzz TARGET [seconds]`` runs a target for a time (all of them in turn without a name), with atheris
where it is installed (``pip install atheris``), else with random damage to the seeds; ``--inputs 40000`` has the same damage
every time.
"""

from __future__ import annotations

import argparse
import gc
import logging
import math
import random
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FunctionType

from nbdicom.config import Limits
from nbdicom.core.association import AssociationCore
from nbdicom.core.command import (
    CEchoRQ,
    CFindRQ,
    CMoveRQ,
    CStoreRQ,
    NActionRQ,
    NGetRQ,
    NSetRQ,
    Request,
    decode_command,
    encode_command,
    response_class,
)
from nbdicom.core.dimse import Received
from nbdicom.core.machine import Sta
from nbdicom.core.negotiation import Support, conclude, negotiate
from nbdicom.core.pdu import AAssociateAC, AAssociateRQ, annotate, decode_pdu, encode_pdu
from nbdicom.core.upper_layer import Role
from nbdicom.data import codec
from nbdicom.data.codec import deflate
from nbdicom.data.columns import decode_columns
from nbdicom.errors import DataSetError, RemoteProtocolError
from nbdicom.pacs.header import HeaderReader
from nbdicom.pacs.matching import parse_key
from nbdicom.status import Status
from nbdicom.uids import UID
from tests.drivers.scripted import (
    CONTEXTS,
    CT,
    FIND,
    IMPLICIT,
    MOVE,
    a_associate_rq,
    accept_all,
    echo_rq,
    find_rq,
    message,
    store_rq,
)

__all__ = ["SEEDS", "TARGETS", "Acceptor"]

EXPLICIT, DEFLATED, BIG = UID("1.2.840.10008.1.2.1"), UID("1.2.840.10008.1.2.1.99"), UID("1.2.840.10008.1.2.2")
LIMITS = Limits(data_set=1 << 16, association_memory=1 << 17, object_size=1 << 20, inflated=1 << 20)


class Acceptor:
    """An acceptor's core with a service user that accepts what is proposed and answers what is asked, without a socket."""

    def __init__(self) -> None:
        self.now = 0.0
        self.core = AssociationCore(Role.ACCEPTOR, clock=lambda: self.now, limits=LIMITS, artim=30, pdu_seconds=60)
        self.core.connected()
        self.performed = 0
        self.sent = 0

    def feed(self, data: bytes, piece: int = 1 << 20) -> None:
        """Bytes of a requestor, in pieces; what it asks for is done."""
        position = 0
        while position < len(data) and not self.core.close_transport:
            view = self.core.get_buffer()
            size = min(len(view), piece, len(data) - position)
            view[:size] = data[position : position + size]
            self.core.buffer_updated(size)
            position += size
            self.serve()

    def serve(self) -> None:
        """Answer an association request and the requests that have come."""
        core = self.core
        if core.associate_rq is not None and core.error is None:
            try:
                core.accept(*negotiate(core.associate_rq, Support.of(CONTEXTS)))  # type: ignore[arg-type]
            except RemoteProtocolError as error:
                core.break_off(error)
        while core.requests:
            received: Received = core.requests.popleft()
            if core.state in (Sta.STA6, Sta.STA8) and core.error is None:
                request = received.message
                assert isinstance(request, Request)
                response = response_class(type(request))(
                    message_id_being_responded_to=request.message_id, status=Status(0)
                )
                for buffers in core.send(received.context.context_id, response, None, None):
                    self.sent += sum(map(len, buffers))
                self.performed += 1
            core.performed(received)
        self.sent += sum(map(len, core.data_to_send()))

    def end(self, *, stalled: bool = False) -> None:
        """The connection ends, or its peer stalls for ever: the core comes to its end."""
        if stalled:
            for _ in range(5):
                due = self.core.deadline()
                if due is None:
                    break
                self.now = due
                self.core.time_reached(due)
                self.serve()
        self.core.eof_received()
        self.serve()
        assert self.core.close_transport and self.core.state is Sta.STA1, self.core.state
        assert not self.core.dimse.receiving


def upper_layer(data: bytes) -> None:
    """`UpperLayer.buffer_updated` and everything above it, from the first byte on, in one piece and in small ones."""
    for piece in (1 << 20, 7):
        acceptor = Acceptor()
        acceptor.feed(data, piece)
        acceptor.end()


def established(data: bytes) -> None:
    """The same within an association."""
    acceptor = Acceptor()
    acceptor.feed(encode_pdu(a_associate_rq()))
    assert acceptor.core.is_established
    acceptor.feed(data)
    acceptor.end()


def requestor(data: bytes) -> None:
    """A requestor that gets these bytes instead of an A-ASSOCIATE-AC."""
    core = AssociationCore(Role.REQUESTOR, clock=lambda: 0.0, limits=LIMITS, artim=30)
    core.request(a_associate_rq())
    core.connected()
    core.data_to_send()
    view = core.get_buffer()
    view[: len(data)] = data[: len(view)]
    core.buffer_updated(min(len(data), len(view)))
    core.eof_received()
    assert core.close_transport and core.error is not None


def command_set(data: bytes) -> None:
    """`decode_command`: a message that can be encoded again and is the same then, or RemoteProtocolError."""
    try:
        decoded, _ = decode_command(data)
    except RemoteProtocolError:
        return
    again, _ = decode_command(encode_command(decoded, data_set=False))
    assert type(again) is type(decoded)


def pdu(data: bytes) -> None:
    """`decode_pdu` and `annotate` agree on what is a PDU."""
    if len(data) < 6:
        return
    kind, body = data[0], data[6:]
    whole = bytes([kind, data[1]]) + len(body).to_bytes(4, "big") + body
    try:
        decode_pdu(kind, body)
    except RemoteProtocolError:
        return
    assert annotate(whole)


def negotiation(data: bytes) -> None:
    """Any A-ASSOCIATE-RQ that can be read has an answer, which concludes the negotiation at the other side."""
    try:
        rq = decode_pdu(1, data)
        assert isinstance(rq, AAssociateRQ)
        answer, ours = negotiate(rq, Support.of(CONTEXTS))
    except RemoteProtocolError:
        return
    assert {c.context_id for c in answer.presentation_contexts} == {c.context_id for c in rq.presentation_contexts}
    again = decode_pdu(2, encode_pdu(answer)[6:])
    assert isinstance(again, AAssociateAC)
    assert str(ours.table()) and ours.table()._repr_html_()
    try:
        conclude(rq, again)
    except RemoteProtocolError:
        return


def data_set(data: bytes) -> None:
    """The flat decoder and the archive's look at an object: values, or DataSetError; the beginning says nothing else."""
    for syntax in (IMPLICIT, EXPLICIT, DEFLATED, BIG):
        try:
            decode_columns([(data, syntax)])
        except DataSetError:
            pass
        whole = _header(data, syntax, len(data))
        beginning = _header(data[: len(data) // 2], syntax, len(data))
        assert beginning is None or beginning == whole, "the beginning says what the whole does not"


def _header(data: bytes, syntax: str, size: int) -> str | None:
    try:
        return repr(HeaderReader(LIMITS).read(memoryview(data), syntax, size=size).values)
    except DataSetError:
        return None


def matching(data: bytes) -> None:
    """A key of a query: nothing, or something that SQL and Python can apply."""
    text = data.decode("latin-1")
    for vr in ("LO", "PN", "DA", "TM", "DT", "UI", "IS", "DS", "CS", "UT"):
        key = parse_key(vr, text)
        if key is not None:
            assert key.sql("x")[0]
            key.matches_any(text[:200])


TARGETS: Mapping[str, Callable[[bytes], None]] = {
    function.__name__: function
    for function in (upper_layer, established, requestor, command_set, pdu, negotiation, data_set, matching)
}

_RQ = encode_pdu(a_associate_rq())
_COMMANDS = (
    CEchoRQ(message_id=1),
    CFindRQ(message_id=2, affected_sop_class_uid=FIND),
    CMoveRQ(message_id=3, affected_sop_class_uid=MOVE, move_destination="DEST"),
    CStoreRQ(message_id=4, affected_sop_class_uid=CT, affected_sop_instance_uid=UID("1.2.3")),
    NGetRQ(
        message_id=5,
        requested_sop_class_uid=CT,
        requested_sop_instance_uid=UID("1.2.3"),
        attribute_identifier_list=(0x00100010,),
    ),
    NSetRQ(message_id=6, requested_sop_class_uid=CT, requested_sop_instance_uid=UID("1.2.3")),
    NActionRQ(message_id=7, requested_sop_class_uid=CT, requested_sop_instance_uid=UID("1.2.3"), action_type_id=1),
)
_VALUES = {
    "SpecificCharacterSet": "ISO_IR 192",
    "PatientName": "Ångström^Åsa=山田^太郎",
    "PatientID": "P1",
    "StudyDate": "20240131-",
    "Rows": 512,
    "StudyInstanceUID": ("1.2.3", "1.2.4"),
    "SliceThickness": "1.5",
    "PatientComments": "x" * 50,
    "RequestAttributesSequence": [{"RequestedProcedureID": "1"}, {"RequestedProcedureID": "2"}],
}
_SESSION = _RQ + echo_rq(1) + store_rq(b"data", message_id=2) + find_rq(3)

#: Good bytes for each target, from which the damaged ones are made.
SEEDS: Mapping[str, Sequence[bytes]] = {
    "upper_layer": [_SESSION, _RQ],
    "established": [echo_rq(1), store_rq(bytes(100)), find_rq(), *(message(3, c, b"ab") for c in _COMMANDS[1:3])],
    "requestor": [encode_pdu(accept_all(a_associate_rq()))],
    "command_set": [encode_command(command, data_set=True) for command in _COMMANDS],
    "pdu": [_RQ, encode_pdu(accept_all(a_associate_rq())), echo_rq(1), bytes.fromhex("07 00 00000004 00000206")],
    "negotiation": [_RQ[6:]],
    "data_set": [
        codec.encode(_VALUES, IMPLICIT),
        codec.encode(_VALUES, EXPLICIT),
        deflate(codec.encode(_VALUES, EXPLICIT)),
        codec.encode(_VALUES, BIG),
    ],
    "matching": [b"DOE^J*", b"20240101-20241231", b"1.2\\1.3", b"A?[b]*", b"1030-1200.5", b"-5"],
}


def damaged(data: bytes, generator: random.Random) -> bytes:
    """*data* with one to four mistakes in it: flipped bits, odd bytes, pieces that are gone or doubled, odd lengths."""
    changed = bytearray(data)
    for _ in range(generator.randint(1, 4)):
        if not changed:
            break
        at = generator.randrange(len(changed))
        kind = generator.randrange(5)
        if kind == 0:
            changed[at] ^= 1 << generator.randrange(8)
        elif kind == 1:
            changed[at] = generator.choice((0, 1, 0x7F, 0x80, 0xFF))
        elif kind == 2:
            del changed[at : at + generator.randint(1, 8)]
        elif kind == 3:
            changed[at:at] = changed[at : at + generator.randint(1, 16)]
        else:
            changed[at : at + 4] = generator.choice(
                (b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\0\1\0\0")
            )
    return bytes(changed)


def _random(target: str, seed: int | None, seconds: float, inputs: float) -> int:
    """Random damage; an input that breaks something is written to ``crash-TARGET``, and the error goes on."""
    generator = random.Random(seed)
    deadline, count = time.monotonic() + seconds, 0
    while count < inputs and time.monotonic() < deadline:
        data = damaged(generator.choice(SEEDS[target]), generator)
        for _ in range(generator.randrange(4)):
            data = damaged(data, generator)
        count += 1
        try:
            TARGETS[target](data)
        except Exception:
            Path(f"crash-{target}").write_bytes(data)
            raise
    return count


def main(arguments: list[str]) -> int:
    """Fuzz one target or all."""
    parser = argparse.ArgumentParser(prog="python -m tests.hostile.fuzz", description="Damage good bytes and look on.")
    parser.add_argument("target", nargs="?", choices=list(TARGETS), help="one of them; all by default")
    parser.add_argument("seconds", nargs="?", type=float, default=60.0, help="for each target")
    parser.add_argument("--inputs", type=int, help="so many for each target, the same every time, without atheris")
    options = parser.parse_args(arguments)
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)  # of which it has one for every damaged element
    warnings.simplefilter("ignore")
    names, seconds = [options.target] if options.target else list(TARGETS), options.seconds
    if options.inputs:
        for name in names:
            print(f"{name}: {_random(name, 1, math.inf, options.inputs)} inputs", flush=True)
        return 0
    try:
        import atheris
    except ImportError:
        for name in names:
            print(f"{name}: {_random(name, None, seconds, math.inf)} inputs in {seconds:.0f} s")
        return 0
    if len(names) != 1:
        print(f"atheris fuzzes one target at a time: {', '.join(TARGETS)}")
        return 2
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(SEEDS[names[0]]):
            Path(corpus, f"seed-{number}").write_bytes(seed)
        for function in gc.get_objects():  # ours only: what pydicom does is not what is looked for, and takes its time
            if isinstance(function, FunctionType) and (function.__module__ or "").startswith("nbdicom."):
                atheris.instrument_func(function)
        atheris.Setup([sys.argv[0], corpus, f"-max_total_time={seconds:.0f}", "-max_len=65536"], TARGETS[names[0]])
        atheris.Fuzz()  # ends the process
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
