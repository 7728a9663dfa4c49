"""What runs in the browser's Python: no sockets, no threads, no numpy and no pandas (pydicom works without them)."""

import json
import sys
import tempfile
from pathlib import Path

import nbdicom as nd
from nbdicom import aio
from nbdicom.data.part10 import part10_header

SC = "1.2.840.10008.5.1.4.1.1.7"
EXPLICIT = "1.2.840.10008.1.2.1"


def made(folder, count):
    """Small objects of one study."""
    from nbdicom.data.flat import encode_elements

    for number in range(1, count + 1):
        uid = f"1.2.3.4.5.{number}"
        elements = {
            "SOPClassUID": SC, "SOPInstanceUID": uid, "StudyInstanceUID": "1.2.3", "SeriesInstanceUID": "1.2.3.4",
            "PatientID": "P1", "PatientName": "Doe^Jane", "StudyDate": "20240101", "Modality": "OT",
        }  # fmt: skip
        header = part10_header(sop_class_uid=SC, sop_instance_uid=uid, transfer_syntax=EXPLICIT)
        Path(folder, f"{number}.dcm").write_bytes(header + encode_elements(elements, EXPLICIT))


async def echoes(address):
    """One C-ECHO by asyncio to an acceptor that is not, and one to one that is."""
    async with aio.associate(address, called="NBPACS", contexts=["Verification"]) as association:
        first = await association.echo()
    async with aio.serve(nd.Handlers(), ae_title="ECHO", contexts=["Verification"]) as server:
        async with aio.associate(server.address, called="ECHO", contexts=["Verification"]) as association:
            second = await association.echo()
    return [int(first), int(second)]


async def awaited(peer, folder):
    """The same by the verbs of an `AsyncPeer`: how many were found, have come twice, and were stored."""
    found = await peer.find("STUDY", raw=True, PatientName="Doe*")
    result = await peer.get(StudyInstanceUID=str(found[0].StudyInstanceUID), to=folder)
    pulled = await peer.pull(StudyInstanceUID="1.2.3", to=Path(folder, "pulled"))
    return [len(found), len(result.paths), pulled.new, sum(row.ok for row in (await peer.store(result)).rows)]


async def main():
    """All of it; the last line that is printed tells what came of it."""
    told = {"platform": sys.platform}
    with (
        tempfile.TemporaryDirectory() as root,
        tempfile.TemporaryDirectory() as files,
        tempfile.TemporaryDirectory() as got,
        nd.Pacs(root, ae_title="NBPACS") as pacs,
        nd.Receiver(ae_title="WORKSTATION") as workstation,
    ):
        peer = nd.Peer(pacs)
        told["echo"] = bool(peer.echo())
        made(files, 12)
        told["stored"] = sum(row.ok for row in peer.store(files).rows)
        with nd.record() as wire:
            told["found"] = [str(study.StudyInstanceUID) for study in peer.find("STUDY", raw=True, PatientName="Doe*")]
        told["arrows"] = [
            line.split("-- ")[1].split(" --")[0] for line in str(wire.ladder()).splitlines() if "-- " in line
        ]
        told["dissected"] = "Affected SOP Class UID" in str(wire[2])
        result = peer.get(StudyInstanceUID="1.2.3", to=got)
        told["got"] = [bool(result), sorted(path.name for path in result.paths)]
        told["again"] = len(peer.get(StudyInstanceUID="1.2.3", to=got).paths)
        told["files"] = len(list(Path(got).rglob("*.dcm")))
        pacs.allow["WORKSTATION"] = ("memory", workstation.port)
        told["moved"] = [bool(peer.move(StudyInstanceUID="1.2.3", to=workstation)), len(workstation.files)]
        told["aio"] = await echoes(("memory", pacs.port))
        told["awaited"] = await awaited(nd.AsyncPeer(pacs), got)

    print(json.dumps(told))
