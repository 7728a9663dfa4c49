"""A recording as a capture: read back it is the same session, and what reads packets finds nothing wrong with them."""

import re
import shutil
import struct
import subprocess
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

import nbdicom as nd
from nbdicom.errors import TranscriptError
from nbdicom.trace import Recorder, load
from nbdicom.trace.packets import write_capture

dpkt = pytest.importorskip("dpkt", reason="dpkt is not installed")


def packets(path: Path) -> list[tuple[float, object]]:
    with path.open("rb") as file:
        return [(time, dpkt.ip.IP(raw)) for time, raw in dpkt.pcap.Reader(file)]


def said(recording: nd.trace.Recording) -> list[tuple[str, bytes]]:
    return [(a.label, b"".join(e.data for e in a.pdus)) for a in recording.arrows]


def test_it_is_the_same_session(found: Recorder, tmp_path: Path) -> None:
    path = found.save(tmp_path / "wire.pcap", redact=False)
    again = load(path)
    assert said(again) == said(found)
    assert again[3].data["PatientName"].fields[-1].value == "Marlowe^Anna0"
    (one,), (other,) = again.connections, found.connections
    assert (one.requestor.local, one.requestor.peer) == (other.requestor.local, other.requestor.peer)
    assert not list(tmp_path.glob("*.part"))


def test_the_time_of_day(found: Recorder, tmp_path: Path) -> None:
    before = datetime.now(UTC)
    assert found.began is not None and 0 < (before - found.began).total_seconds() < 60
    for name in ("wire.pcap", "wire.jsonl"):
        again = load(found.save(tmp_path / name))
        first = min(a.time for a in again.arrows) + again.epoch
        assert first == pytest.approx(found.arrows[0].time + found.epoch, abs=1e-5)
        assert again.redacted().began == again.began == again.of(0).began
    assert f"began {found.began:%Y-%m-%d %H:%M:%S}" in str(found)
    frame = found.to_frame()
    assert frame["time"].iloc[0].timestamp() == pytest.approx(found.began.timestamp(), abs=1e-5)
    assert nd.trace.Recording((), ()).began is None and nd.trace.Recording((), ()).to_frame()["time"].tolist() == []


def test_an_old_transcript_knows_no_time(found: Recorder, tmp_path: Path) -> None:
    path = found.save(tmp_path / "wire.jsonl")
    head, rest = path.read_text().split("\n", 1)
    path.write_text(head.replace(f'"epoch": {found.epoch!r}', '"was": 0') + "\n" + rest)
    again = load(path)
    assert again.began is None and "began" not in str(again) and again.to_frame()["time"].isna().all()
    assert said(load(again.save(tmp_path / "wire.pcap"))) == said(again)  # its times count from 1970
    path.write_text(head.replace(f'"epoch": {found.epoch!r}', '"epoch": 1e300') + "\n" + rest)
    with pytest.raises(TranscriptError, match="line 1: damaged"):
        load(path)


def test_packets_are_whole(found: Recorder, tmp_path: Path) -> None:
    """Checksums, the handshake, sequence numbers and acknowledgements, as whoever reads packets checks them."""
    sequence: dict[int, int] = {}
    flags = []
    for _, ip in packets(found.save(tmp_path / "wire.pcap")):
        assert dpkt.in_cksum(bytes(ip)[:20]) == 0
        raw = bytes(ip.data)
        assert dpkt.in_cksum(ip.src + ip.dst + struct.pack("!HH", 6, len(raw)) + raw) == 0
        tcp = ip.data
        assert tcp.seq == sequence.get(tcp.sport, 0)
        assert tcp.ack == sequence.get(tcp.dport, 0)
        ends = bool(tcp.flags & (dpkt.tcp.TH_SYN | dpkt.tcp.TH_FIN))
        sequence[tcp.sport] = tcp.seq + len(tcp.data) + ends
        flags.append(tcp.flags)
    assert flags[:3] == [2, 18, 16] and [bool(f & 1) for f in flags[-3:]] == [True, True, False]


def test_patients_are_not_in_it(found: Recorder, tmp_path: Path) -> None:
    assert b"Marlowe" not in found.save(tmp_path / "hidden.pcap").read_bytes()
    assert b"Marlowe" in found.save(tmp_path / "shown.PCAP", redact=False).read_bytes()


def test_what_was_not_recorded_is_zeros(peer: nd.Peer, tmp_path: Path) -> None:
    with nd.record(payload=16) as wire:
        peer.studies()
    again = load(wire.save(tmp_path / "wire.pcap", redact=False))
    control = ["A-ASSOCIATE-RQ", "A-ASSOCIATE-AC", "A-RELEASE-RQ", "A-RELEASE-RP"]
    assert [a.name for a in again.arrows if a.name.startswith("A-")] == control
    assert sum(side.bytes_received for side in again.associations) == sum(s.bytes_sent for s in wire.associations)


def test_what_is_no_pdu_is_not_filled_up(server: nd.Server, tmp_path: Path) -> None:
    """The first bytes of a web browser announce a PDU of a gigabyte."""
    import socket

    with nd.record() as wire, socket.create_connection(server.address) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
        connection.recv(100)
    path = wire.save(tmp_path / "wire.pcap", redact=False)
    assert path.stat().st_size < 2000 and b"GET / HTTP/1.1" in path.read_bytes()


def test_several_connections_in_memory_and_by_ipv6(tmp_path: Path) -> None:
    with nd.Server(nd.Handlers(), ae_title="A", contexts=["Verification"], host="memory") as one:
        with nd.record() as wire:
            for _ in range(2):
                assert nd.Peer(one).echo()
    again = load(wire.save(tmp_path / "memory.pcap"))
    assert len(again.connections) == 2 and said(again) == said(wire)
    with nd.Server(nd.Handlers(), ae_title="A", contexts=["Verification"], host="::1") as one, nd.record() as wire:
        assert nd.Peer(one).echo()
    again = load(wire.save(tmp_path / "v6.pcap"))
    assert said(again) == said(wire) and again.connections[0].address.startswith("[::1]:")


def test_a_long_pdu_is_several_packets(tmp_path: Path) -> None:
    from nbdicom.core.trace import Connected, PDUSent

    wire = Recorder(payload=None)
    trace = wire.association("requestor")
    assert trace is not None
    trace(Connected(0.0, "10.0.0.1:50000", "10.0.0.2:104"))
    pdu = bytes.fromhex("0400") + struct.pack(">I", 131_072) + struct.pack(">IBB", 131_068, 1, 2) + bytes(131_066)
    trace(PDUSent(1.0, 4, len(pdu), pdu))
    path = tmp_path / "wire.pcap"
    with path.open("wb") as file:
        write_capture(wire, file)
    lengths = [len(ip.data.data) for _, ip in packets(path)]
    assert sum(lengths) == len(pdu) and max(lengths) < 65_000 and len(lengths) == 3 + 5
    assert not any(ip.data.flags & 1 for _, ip in packets(path))  # it has not ended


def test_a_name_that_promises_another_format(found: Recorder, tmp_path: Path) -> None:
    with pytest.raises(TranscriptError, match=r"end the name in \.pcap"):
        found.save(tmp_path / "wire.pcapng")
    assert not list(tmp_path.iterdir())


def test_a_capture_is_played(found: Recorder, tmp_path: Path) -> None:
    path = found.save(tmp_path / "wire.pcap")
    with nd.FakePeer(path) as fake:
        assert len(nd.Peer(fake).studies()) == 4
        assert all(report.ok for report in fake.wait())


@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
def test_wireshark_reads_the_same(found: Recorder, tmp_path: Path) -> None:
    path = found.save(tmp_path / "wire.pcap", redact=False)
    port = found.connections[0].address.rpartition(":")[2]
    asked = ["tshark", "-r", str(path), "-d", f"tcp.port=={port},dicom", "-Y", "dicom or _ws.malformed", "-V"]
    said = subprocess.run(asked, capture_output=True, text=True, timeout=60, check=True).stdout
    assert "Malformed" not in said
    names = re.findall(r"A-[A-Z]+ (?:request|accept|response)|C-FIND-R(?:Q|SP)(?= ID| )", said)
    assert {"A-ASSOCIATE request", "A-ASSOCIATE accept", "A-RELEASE request", "A-RELEASE response"} <= set(names)
    tags = Counter(re.findall(r"\(([0-9a-f]{4},[0-9a-f]{4})\)\s+\d", said))
    ours = Counter(
        tag.lower()
        for arrow in found.arrows
        for part in (found[arrow.number].command, found[arrow.number].data)
        for field in (part.fields if part is not None else ())
        for tag in re.findall(r"\(([0-9A-Fa-f]{4},[0-9A-Fa-f]{4})\)", field.name)
    )
    assert tags == ours
