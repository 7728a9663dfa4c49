"""A session as packets: in order, out of order, sent twice, cut, over several links; read back it is the same session."""

import random
from pathlib import Path

import pytest

import nbdicom as nd
from nbdicom.core.machine import Sta
from nbdicom.errors import TranscriptError
from nbdicom.trace import Recorder, load, load_capture

dpkt = pytest.importorskip("dpkt", reason="dpkt is not installed")

CLIENT, SERVER = (b"\x0a\0\0\1", 50_000), (b"\x0a\0\0\2", 11_112)
LINKS = {"ethernet": 1, "raw": 12, "loopback": 0}


def segments(wire: Recorder, size: int, port: int = CLIENT[1], start: int = 0xFFFFFF00) -> list[tuple[float, object]]:
    """The session as IP packets of at most *size* bytes of payload; the sequence numbers wrap."""
    client = (CLIENT[0], port)
    sequence = {client: start, SERVER: start + 7}
    packets = []
    for number, (one, other, flags) in enumerate([(client, SERVER, dpkt.tcp.TH_SYN), (SERVER, client, 0x12)]):
        packets.append((number / 1000, packet(one, other, sequence[one], flags, b"")))
        sequence[one] += 1
    for arrow in wire.arrows:
        one, other = (client, SERVER) if arrow.from_requestor else (SERVER, client)
        data = b"".join(event.data for event in arrow.pdus)
        for at in range(0, len(data), size):
            piece = data[at : at + size]
            packets.append((1 + len(packets) / 1000, packet(one, other, sequence[one], dpkt.tcp.TH_ACK, piece)))
            sequence[one] += len(piece)
    return packets


def packet(one: tuple, other: tuple, sequence: int, flags: int, data: bytes) -> object:
    tcp = dpkt.tcp.TCP(sport=one[1], dport=other[1], seq=sequence % (1 << 32), flags=flags, data=data)
    ip = dpkt.ip.IP(src=one[0], dst=other[0], p=dpkt.ip.IP_PROTO_TCP, data=tcp)
    ip.len = len(ip)
    return ip


def write(path: Path, packets: list[tuple[float, object]], link: str = "ethernet") -> Path:
    with path.open("wb") as file:
        writer = dpkt.pcap.Writer(file, linktype=LINKS[link])
        for time, ip in packets:
            frame = {
                "ethernet": lambda ip=ip: bytes(dpkt.ethernet.Ethernet(data=ip, type=dpkt.ethernet.ETH_TYPE_IP)),
                "loopback": lambda ip=ip: b"\2\0\0\0" + bytes(ip),
                "raw": lambda ip=ip: bytes(ip),
            }[link]()
            writer.writepkt(frame, ts=time)
    return path


def same(captured: nd.trace.Recording, wire: Recorder) -> None:
    assert [a.label for a in captured.arrows] == [a.label for a in wire.arrows]
    assert [e.data for a in captured.arrows for e in a.pdus] == [e.data for a in wire.arrows for e in a.pdus]


@pytest.mark.parametrize("size", [1, 7, 1460, 100_000])
@pytest.mark.parametrize("link", LINKS)
def test_what_was_said_is_read_back(found: Recorder, tmp_path: Path, size: int, link: str) -> None:
    captured = load_capture(write(tmp_path / "wire.pcap", segments(found, min(size, 60_000)), link))
    same(captured, found)
    assert captured[3].data["PatientName"].fields[-1].value == "Marlowe^Anna0"
    assert captured.connections[0].title.startswith("NBDICOM → PACS at 10.0.0.2:11112")
    assert len(captured.connections) == 1 and str(captured.ladder()) and captured.states().steps == ()


def test_packets_out_of_order_and_sent_twice(found: Recorder, tmp_path: Path) -> None:
    packets = segments(found, 50)
    rng = random.Random(5)
    shuffled = packets[:2]
    for at in range(2, len(packets), 3):
        few = packets[at : at + 3]
        again = [rng.choice(packets[2 : at + 1])]
        times = [time for time, _ in few]
        rng.shuffle(few)
        shuffled += [(time, ip) for time, (_, ip) in zip(times, few, strict=True)] + [(times[-1], again[0][1])]
    captured = load_capture(write(tmp_path / "wire.pcap", shuffled))
    for requestors in (True, False):  # each direction is in order; which of them spoke first, lost packets may hide
        one = [a.label for a in captured.arrows if a.from_requestor == requestors]
        assert one == [a.label for a in found.arrows if a.from_requestor == requestors]


def test_several_connections_other_traffic_and_a_cut(found: Recorder, tmp_path: Path) -> None:
    first, second = segments(found, 300), segments(found, 300, port=50_001)
    web = [(9.0, packet((CLIENT[0], 7), (SERVER[0], 80), 1, 0x18, b"GET / HTTP/1.1\r\n\r\n"))]
    again = [(time + 20, ip) for time, ip in segments(found, 500, start=77)]  # the same ports once more
    mixed = [p for pair in zip(first, second, strict=True) for p in pair]
    path = write(tmp_path / "wire.pcap", [*mixed, *web, *again])
    captured = load_capture(path)
    assert len(captured.connections) == 3
    assert captured.left_out == 1 and "1 connection of the capture left out" in str(captured)
    assert load_capture(path, port=11_112).left_out == 0 and load_capture(path, port=80).left_out == 1
    assert len(load_capture(path, port=11_112).connections) == 3 and not load_capture(path, port=104).connections
    raw = path.read_bytes()
    (tmp_path / "cut.pcap").write_bytes(raw[: len(raw) - 100])
    assert len(load_capture(tmp_path / "cut.pcap").connections) == 3


def test_a_capture_is_redacted_and_replayed(found: Recorder, tmp_path: Path) -> None:
    captured = load_capture(write(tmp_path / "wire.pcap", segments(found, 1460)))
    path = captured.save(tmp_path / "wire.jsonl")
    assert b"Marlowe".hex() not in path.read_text()
    with nd.FakePeer(load(path)) as fake:
        frame = nd.Peer(fake).studies()
        (report,) = fake.wait()
    assert report.ok and frame["PatientName"].tolist() == ["XXXXXXX^XXXXX"] * 4


def test_what_is_no_capture(tmp_path: Path) -> None:
    (tmp_path / "x.pcap").write_bytes(b"hello, this is text")
    with pytest.raises(TranscriptError, match="no pcap or pcapng"):
        load_capture(tmp_path / "x.pcap")


def test_both_sides_are_told_apart_and_how_it_ended(found: Recorder, tmp_path: Path) -> None:
    packets = segments(found, 1460)
    open_ = load_capture(write(tmp_path / "open.pcap", packets[:-2]))  # without A-RELEASE
    assert [side.ended for side in open_.associations] == [None, None]
    assert {side.outcome for side in open_.associations} == {Sta.STA6.meaning}
    fin = packet(SERVER, CLIENT, packets[-1][1].data.seq, dpkt.tcp.TH_FIN | dpkt.tcp.TH_ACK, b"")
    cut = load_capture(write(tmp_path / "cut.pcap", [*packets[:-2], (9.0, fin)]))
    assert {side.outcome for side in cut.associations} == {"closed without release or abort"}
    whole = load_capture(write(tmp_path / "whole.pcap", [*packets, (9.0, fin)]))
    assert {side.outcome for side in whole.associations} == {"released"} and whole.associations[1].ended == 9.0
    for mine, theirs in zip(whole.associations, found.associations, strict=True):
        for name in ("pdus_sent", "pdus_received", "bytes_sent", "messages_sent", "messages_received"):
            assert getattr(mine, name) == getattr(theirs, name), name
    assert "made room" not in str(whole) and len(whole.arrows) == len(found.arrows)
