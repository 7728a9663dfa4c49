"""Nobody is let in by accident, nobody is locked out, names from the wire are no paths, and logs know no patients."""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nbdicom.blocking import Server
from nbdicom.config import Limits
from nbdicom.core.command import CFindRQ, CFindRSP, CGetRQ, CGetRSP, CStoreRQ, CStoreRSP
from nbdicom.core.pdu import AAssociateAC, encode_pdu
from nbdicom.data import FolderSink, codec
from nbdicom.operations.handlers import Handlers
from nbdicom.pacs import Pacs
from nbdicom.receiver import Receiver, serve
from nbdicom.status import Status
from nbdicom.uids import UID
from tests.drivers.scripted import (
    CONTEXTS,
    CT,
    FAST,
    FIND,
    FIND_ID,
    IMPLICIT,
    STORE_ID,
    Scripted,
    Wire,
    a_associate_rj,
    a_associate_rq,
    dial,
    message,
)

# ------------------------------------------------------------------------------- nobody is let in


def test_loopback_is_the_default() -> None:
    """What listens without being told an address is not for the network."""
    with Pacs(durability="none") as pacs, Receiver() as receiver:
        servers = (pacs._server, receiver._server)
        addresses = [server.address[0] for server in servers if server is not None]
        assert addresses == ["127.0.0.1", "127.0.0.1"]
        shutil.rmtree(receiver.folder)


FRIENDS = {"FRIEND": "127.0.0.2:104", "MOBILE": "127.0.0.3:104"}
UNKNOWN_CALLED, UNKNOWN_CALLING = a_associate_rj(1, 1, 7), a_associate_rj(1, 1, 3)


@pytest.mark.parametrize(
    ("called", "calling", "host", "answer"),
    [
        ("NBPACS", "FRIEND", "127.0.0.2", None),
        ("NBPACS", "FRIEND", "127.0.0.3", UNKNOWN_CALLING),
        ("NBPACS", "MOBILE", "127.0.0.3", None),
        ("NBPACS", "MOBILE", "127.0.0.2", UNKNOWN_CALLING),
        ("NBPACS", "friend", "127.0.0.2", UNKNOWN_CALLING),
        ("NBPACS", "STRANGER", "127.0.0.2", UNKNOWN_CALLING),
        ("NBPACS", "NBPACS", "127.0.0.1", UNKNOWN_CALLING),
        ("nbpacs", "FRIEND", "127.0.0.2", UNKNOWN_CALLED),
        ("ANY", "FRIEND", "127.0.0.2", UNKNOWN_CALLED),
        ("../NBPACS", "FRIEND", "127.0.0.2", UNKNOWN_CALLED),
    ],
)
def test_a_table_of_callers(called: str, calling: str, host: str, answer: bytes | None, tmp_path: Path) -> None:
    with Pacs(tmp_path / "root", host="0.0.0.0", allow=FRIENDS, durability="none", timeouts=FAST) as pacs:
        with Wire.connect_from(host, ("127.0.0.1", pacs.port)) as wire:
            wire.send(a_associate_rq(called=called, calling=calling))
            if answer is not None:
                assert wire.rest() == answer
                return
            wire.expect(AAssociateAC)
            wire.echo()
            wire.release()


@pytest.mark.parametrize("handlers", [None, Handlers()], ids=["receiver", "server"])
@pytest.mark.parametrize(
    ("calling", "host", "answer"),
    [("FRIEND", "127.0.0.2", None), ("FRIEND", "127.0.0.3", UNKNOWN_CALLING), ("ME", "127.0.0.2", UNKNOWN_CALLING)],
)
def test_a_receiver_may_be_choosy(
    handlers: Handlers | None, calling: str, host: str, answer: bytes | None, tmp_path: Path
) -> None:
    known = {("FRIEND", "127.0.0.2")}
    scp = serve(handlers, to=tmp_path, host="0.0.0.0", calling=lambda title, where: (title, where) in known)
    port = scp.port if isinstance(scp, Receiver) else scp.address[1]
    try:
        with Wire.connect_from(host, ("127.0.0.1", port)) as wire:
            wire.send(a_associate_rq(called="NBDICOM", calling=calling))
            if answer is not None:
                assert wire.rest() == answer
                return
            wire.expect(AAssociateAC)
            wire.release()
    finally:
        scp.stop() if isinstance(scp, Receiver) else scp.close()


@pytest.mark.parametrize("title", ["NOBODY", "127.0.0.1:104", "127.0.0.1", "*", "FRIEND\\OTHER", "friend", "..", " "])
def test_objects_go_only_where_the_table_says(title: str, tmp_path: Path) -> None:
    """A C-MOVE destination is a title of ours, never an address of theirs; nothing is connected to."""
    from nbdicom.core.command import CMoveRQ, CMoveRSP

    with Pacs(tmp_path / "root", allow=FRIENDS, durability="none", timeouts=FAST) as pacs:
        with Wire.associated((pacs.host, pacs.port), a_associate_rq(called="NBPACS")) as wire:
            identifier = codec.encode({"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": "1.2.3"}, IMPLICIT)
            move = CMoveRQ(
                message_id=1, affected_sop_class_uid=UID("1.2.840.10008.5.1.4.1.2.2.2"), move_destination=title
            )
            wire.send(message(5, move, identifier))
            assert wire.request(CMoveRSP).message.status == 0xA801
            wire.release()


# ------------------------------------------------------------------------------- nobody is locked out


def _silent(wire: Wire) -> None:
    """Says nothing."""


def _half_open(wire: Wire) -> None:
    wire.send(b"\x01\x00\x00\x00\x01")


def _established(wire: Wire) -> None:
    wire.send(a_associate_rq())
    wire.expect(AAssociateAC)


def _in_a_pdu(wire: Wire) -> None:
    _established(wire)
    wire.send(b"\x04\x00\x00\x00")


def _in_an_object(wire: Wire) -> None:
    _established(wire)
    command = CStoreRQ(message_id=1, affected_sop_class_uid=CT, affected_sop_instance_uid=UID("1.2.3"))
    wire.send(message(STORE_ID, command, bytes(100_000))[:-1000])


def _reads_nothing(wire: Wire) -> None:
    _established(wire)
    wire.send(message(FIND_ID, CFindRQ(message_id=1, affected_sop_class_uid=FIND), b""))


@pytest.mark.parametrize("how", [_silent, _half_open, _established, _in_a_pdu, _in_an_object, _reads_nothing])
def test_peers_that_stall_delay_nobody(how: Callable[[Wire], None]) -> None:
    def find(request: Any) -> Iterator[bytes]:
        while True:
            yield bytes(100_000)

    limits = Limits(associations_per_host=40)
    handlers = Handlers(store=lambda request: 0, find=find)
    with Server(handlers, ae_title="SCP", contexts=CONTEXTS, timeouts=FAST, limits=limits) as server:
        stalled = [Wire.connect(server.address) for _ in range(30)]
        try:
            for wire in stalled:
                how(wire)
            for _ in range(3):
                with dial(server.address) as association:
                    assert association.echo() == 0
        finally:
            for wire in stalled:
                wire.close()


def test_a_peer_of_one_byte_a_moment_delays_nobody() -> None:
    over = threading.Event()
    with Server(Handlers(), ae_title="SCP", contexts=CONTEXTS, timeouts=FAST) as server:

        def drip() -> None:
            with Wire.connect(server.address) as wire:
                while not over.wait(0.01):
                    try:
                        wire.send(b"\x01")
                    except OSError:
                        return

        threads = [threading.Thread(target=drip) for _ in range(8)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(20):
                with dial(server.address) as association:
                    assert association.echo() == 0
        finally:
            over.set()
            for thread in threads:
                thread.join()


# ------------------------------------------------------------------------------- names are no paths

NAMES = [  # what stands in SOP Instance UIDs and elsewhere
    "../../named-by-a-peer", "/tmp/named-by-a-peer", "..", ".", "", "...", "1.2.3/../../../named-by-a-peer",
    "..\\..\\hostile", "C:\\hostile",
    "\\\\host\\share", "a" * 300, "1." * 100, "1.2\0.3", "1.2\n3", "CON", "NUL.dcm", "~", "~/hostile",
    "$HOME/hostile", "%2e%2e%2f", ".hidden", "-rf", "1.2.3.dcm", "incoming", "lock",
]  # fmt: skip


def everything(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


def _data(uid: str) -> bytes:
    return codec.encode(
        {"SOPClassUID": CT, "SOPInstanceUID": uid, "StudyInstanceUID": uid, "SeriesInstanceUID": uid, "PatientID": uid},
        IMPLICIT,
    )


@pytest.mark.parametrize("mode", ["archive", "receiver"])
def test_an_scp_chooses_its_names(mode: str, tmp_path: Path) -> None:
    """Whatever stands in SOP Instance, Study and Series Instance UID or Patient ID, all files are in the store's folder."""
    root = tmp_path / "deep" / "down" / "root"
    server: Any = (
        Pacs(root, ae_title="STORE", timeouts=FAST)
        if mode == "archive"
        else Receiver(root, ae_title="STORE", timeouts=FAST)
    )
    with server:
        address = (server.host, server.port) if mode == "archive" else server._server.address
        with Wire.associated(address, a_associate_rq(called="STORE")) as wire:
            for number, uid in enumerate(NAMES):
                command = CStoreRQ(message_id=1 + number, affected_sop_class_uid=CT, affected_sop_instance_uid=UID(uid))
                wire.send(message(STORE_ID, command, _data(uid)))
                wire.request(CStoreRSP)
            wire.release()
    files = everything(tmp_path)
    assert len(files) > 10 and all(root in path.parents for path in files)
    assert all(path.resolve().is_relative_to(root.resolve()) for path in files)
    assert not list(Path("/tmp").glob("named-by-a-peer*"))
    assert not any(path.stat().st_mode & 0o111 for path in files)


@pytest.mark.parametrize("uid", NAMES, ids=ascii)
def test_an_scu_chooses_its_names(uid: str, tmp_path: Path) -> None:
    """C-GET: what a hostile acceptor sends in its sub-operations goes into the folder that was named, or nowhere."""

    def script(wire: Wire) -> None:
        get = wire.request(CGetRQ)
        store = CStoreRQ(message_id=7, affected_sop_class_uid=CT, affected_sop_instance_uid=UID(uid))
        wire.send(message(STORE_ID, store, _data(uid)))
        wire.request(CStoreRSP)
        final = CGetRSP(message_id_being_responded_to=get.message.message_id, status=Status(0))
        final.number_of_completed_sub_operations = 1
        final.number_of_failed_sub_operations = final.number_of_warning_sub_operations = 0
        wire.send(message(get.context_id, final))
        wire.released()

    folder = tmp_path / "deep" / "down" / "here"
    with Scripted(script) as acceptor, dial(acceptor.address) as association:
        received = list(association.get(b"", sink=FolderSink(folder)))
    files = everything(tmp_path)
    assert len(files) == 1 and all(folder in path.parents for path in files), files
    assert len(received) == 2  # the instance, and the counters
    assert not list(Path("/tmp").glob("named-by-a-peer*"))


def test_a_link_in_the_folder_leads_nowhere(tmp_path: Path) -> None:
    """A link that somebody laid there is not followed: the file gets another name."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    root = tmp_path / "root"
    root.mkdir()
    (root / "1.2.3.dcm").symlink_to(victim)
    with Receiver(root, ae_title="STORE", timeouts=FAST) as receiver:
        with Wire.associated(receiver._server.address, a_associate_rq(called="STORE")) as wire:
            command = CStoreRQ(message_id=1, affected_sop_class_uid=CT, affected_sop_instance_uid=UID("1.2.3"))
            wire.send(message(STORE_ID, command, _data("1.2.3")))
            assert wire.request(CStoreRSP).message.status == 0
            wire.release()
        (stored,) = receiver.files
    assert victim.read_text() == "precious" and stored.path.parent == root and not stored.path.is_symlink()


def test_a_receiver_loses_nothing(tmp_path: Path) -> None:
    """The same object again is one file, another one under its UID is a second; both are answered with Success."""
    with Receiver(tmp_path / "here", ae_title="STORE", timeouts=FAST) as receiver:
        with Wire.associated(receiver._server.address, a_associate_rq(called="STORE")) as wire:
            for comment in ("first", "first", "second"):
                data = codec.encode(
                    {"SOPClassUID": CT, "SOPInstanceUID": "1.2.3", "PatientComments": comment}, IMPLICIT
                )
                command = CStoreRQ(message_id=1, affected_sop_class_uid=CT, affected_sop_instance_uid=UID("1.2.3"))
                wire.send(message(STORE_ID, command, data))
                assert wire.request(CStoreRSP).message.status == 0
            wire.release()
        first, again, second = receiver.files
    assert first.path == again.path != second.path
    assert sorted((tmp_path / "here").glob("*")) == sorted([first.path, second.path])
    assert b"first" in first.path.read_bytes() and b"second" in second.path.read_bytes()


# ------------------------------------------------------------------------------- privacy

SECRETS = {
    "PatientID": "4711-SECRET",
    "PatientName": "Geheim^Greta",
    "PatientBirthDate": "19331217",
    "AccessionNumber": "ACC-SECRET",
}


def test_logs_know_no_patients(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Everything at DEBUG: storing, refusing, finding, failing.  UIDs and counts are there, values of patients are not."""
    caplog.set_level(logging.DEBUG)
    whole = codec.encode(
        {
            "SOPClassUID": CT,
            "SOPInstanceUID": "1.2.3",
            "StudyInstanceUID": "1.2.3.1",
            "SeriesInstanceUID": "1.2.3.2",
            **SECRETS,
        },
        IMPLICIT,
    )
    with Pacs(tmp_path / "root", timeouts=FAST) as pacs:
        with Wire.associated((pacs.host, pacs.port), a_associate_rq(called="NBPACS")) as wire:
            command = CStoreRQ(message_id=1, affected_sop_class_uid=CT, affected_sop_instance_uid=UID("1.2.3"))
            for data in (whole, whole + b"\0\0", whole[:-3] + b"!", whole.replace(b"4711", b"4712"), whole[20:]):
                wire.send(message(STORE_ID, command, data))
                wire.request(CStoreRSP)
            for keys in ({**SECRETS}, {**SECRETS, "StudyInstanceUID": ""}, {"PatientName": "Geheim*"}):
                identifier = codec.encode({"QueryRetrieveLevel": "STUDY", **keys}, IMPLICIT)
                wire.send(message(FIND_ID, CFindRQ(message_id=1, affected_sop_class_uid=FIND), identifier))
                while wire.request(CFindRSP).message.status.is_pending:
                    pass
            wire.release()
        pacs.scrub()
        (instance,) = [pacs.instance("1.2.3")]
        assert instance is not None
        instance.path.write_bytes(b"rubbish")
        pacs.scrub()
    told = caplog.text.casefold()
    assert "1.2.3" in told
    assert not [secret for secret in ("secret", "geheim", "greta", "19331217", "4711", "4712") if secret in told]


@pytest.mark.parametrize("title", ["SCU\x1b[31m", "SCU\nERROR", "\x07", "SCU\r", "\x9b31m"])
def test_no_line_of_a_log_is_forged(title: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with Pacs(tmp_path / "root", any_called=True, timeouts=FAST) as pacs:
        with Wire.connect((pacs.host, pacs.port)) as wire:
            request = bytearray(encode_pdu(a_associate_rq(called="NBPACS")))
            request[26:42] = title.encode("latin-1").ljust(16)
            wire.send(bytes(request))
            wire.rest()
        with Wire.associated((pacs.host, pacs.port), a_associate_rq(called="NBPACS")) as wire:
            uid = UID(f"1.2.{title}")
            wire.send(
                message(
                    STORE_ID, CStoreRQ(message_id=1, affected_sop_class_uid=CT, affected_sop_instance_uid=uid), b"ab"
                )
            )
            wire.request(CStoreRSP)
            wire.release()
    for record in caplog.records:
        assert record.getMessage().isprintable(), ascii(record.getMessage())


def test_errors_know_no_patients(tmp_path: Path) -> None:
    """What a caller is told of an answer that cannot be read names attributes and counts, not values."""

    def script(wire: Wire) -> None:
        find = wire.request(CFindRQ)
        wire.answer(find, 0xFF00, codec.encode(SECRETS, IMPLICIT)[:-3])
        wire.answer(find, 0xC000, error_comment="too bad")
        wire.released()

    with Scripted(script) as acceptor:
        with dial(acceptor.address) as association:
            responses = association.find(b"")
            with pytest.raises(Exception) as caught:
                for match in responses:
                    codec.decode(match.data, IMPLICIT).to_json()
    assert not [secret for secret in ("SECRET", "Geheim", "19331217") if secret in f"{caught.value!r} {caught.value}"]
