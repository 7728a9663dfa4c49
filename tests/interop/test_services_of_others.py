"""Services beyond Storage and Query/Retrieve with DCMTK and Orthanc: print, worklist, commitment (PS3.4 H, K, J)."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset

import nbdicom as nd
from nbdicom.core.negotiation import PresentationContext
from nbdicom.operations.requests import NActionRequest, NCreateRequest, NEventReportRequest, NGetRequest, Refuse
from nbdicom.uids import UID

from . import peers
from .conftest import started

META = "BasicGrayscalePrintManagementMeta"
COMMITMENT = UID.of("StorageCommitmentPushModel")
WORKLIST = "ModalityWorklistInformationModelFind"


def dataset(**values: Any) -> Dataset:
    ds = Dataset()
    for keyword, value in values.items():
        setattr(ds, keyword, value)
    return ds


def reference(keyword: str, uid: str) -> Dataset:
    return dataset(ReferencedSOPClassUID=UID.of(keyword), ReferencedSOPInstanceUID=uid)


# ------------------------------------------------------------------------------- print

_PRINTER = """\
[{title}]
Aetitle = {title}
Hostname = localhost
Port = {port}
Type = {kind}
DisableNewVRs = false
DisplayFormat=1,1\\2,2
FilmDestination = MAGAZINE\\PROCESSOR
FilmSizeID = 8INX10IN
ImplicitOnly = false
MagnificationType = REPLICATE\\BILINEAR
MaxDensity = 320
MaxPDU = 32768
MediumType = PAPER
MinDensity = 20
OmitSOPClassUIDFromCreateResponse = false
PresentationLUTMatchRequired = false
PresentationLUTinFilmSession = false
ResolutionID = STANDARD
Supports12Bit = true
SupportsDecimateCrop = true
SupportsImageSize = true
SupportsPresentationLUT = true
SupportsTrim = true
"""


def print_config(folder: Path, printers: dict[str, tuple[int, str]]) -> Path:
    """A configuration of DCMTK's print tools: a database for what is printed, and the printers."""
    for name in ("spool", "database", "log"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    general = "\n".join(
        [
            "[[GENERAL]]",
            f"[APPLICATION]\nLogDirectory = {folder / 'log'}\nLogFile = general.log\nLogLevel = INFO",
            f"[PRINT]\nDirectory = {folder / 'spool'}\nMinPrintResolution = 64\\64\nMaxPrintResolution = 8192\\8192",
            f"[DATABASE]\nDirectory = {folder / 'database'}",
            "[NETWORK]\naetitle = DCMPSTATE",
            "[[COMMUNICATION]]",
        ]
    )
    parts = [_PRINTER.format(title=title, port=port, kind=kind) for title, (port, kind) in printers.items()]
    path = folder / "print.cfg"
    path.write_text("\n".join([general, *parts]))
    return path


def print_one_film(association: nd.Association) -> list[int]:
    """An image of 64 x 64 pixels on a film, from the session to its end; the statuses."""
    session = association.n_create("BasicFilmSession", {"NumberOfCopies": 1, "PrintPriority": "HIGH"})
    film = association.n_create(
        "BasicFilmBox",
        dataset(
            ImageDisplayFormat="STANDARD\\1,1",
            FilmSizeID="8INX10IN",
            ReferencedFilmSessionSequence=[reference("BasicFilmSession", session.sop_instance_uid)],
        ),
    )
    (box,) = film.dataset().ReferencedImageBoxSequence
    image = dataset(
        SamplesPerPixel=1, PhotometricInterpretation="MONOCHROME2", Rows=64, Columns=64, BitsAllocated=8, BitsStored=8,
        HighBit=7, PixelRepresentation=0, PixelAspectRatio=["1", "1"],
    )  # fmt: skip
    image.add_new("PixelData", "OB", bytes(range(64)) * 64)
    filled = association.n_set(
        box.ReferencedSOPClassUID,
        box.ReferencedSOPInstanceUID,
        dataset(ImageBoxPosition=1, BasicGrayscaleImageSequence=[image]),
    )
    printed = association.n_action("BasicFilmBox", film.sop_instance_uid, 1)
    ended = association.n_delete("BasicFilmSession", session.sop_instance_uid)
    return [int(reply.status) for reply in (session, film, filled, printed, ended)]


@pytest.fixture(scope="module")
def printed(folder: Path) -> Path:
    """What a film of ours became at dcmprscp: DCMTK's stored print."""
    port = peers.free_port()
    work = folder / "dcmprscp"

    def make() -> peers.Program:
        config = print_config(work, {"DCMPRINT": (port, "LOCALPRINTER"), "OURS": (peers.free_port(), "PRINTER")})
        argv = [peers.dcmtk("dcmprscp"), "-v", "-c", config, "-p", "DCMPRINT"]
        return peers.Program(argv, work, port, "DCMPRINT")

    with started(make) as program:
        peer = nd.Peer(program.address)
        with peer.associate([META]) as association:
            printer = association.n_get("Printer", UID.of("PrinterInstance"), ["PrinterStatus"])
            assert printer.dataset().PrinterStatus == "NORMAL"
            assert print_one_film(association) == [0x0000] * 5
            with pytest.raises(nd.OperationFailed) as failed:
                association.n_delete("BasicFilmSession", "1.2.3")
            assert failed.value.status == 0x0112
    (job,) = (work / "database").glob("SP_*.dcm")
    return job


@pytest.mark.parity("A.4 Print Management")
def test_a_film_to_dcmprscp(printed: Path) -> None:
    (hardcopy,) = printed.parent.glob("HG_*.dcm")
    image = dcmread(hardcopy)
    assert (image.Rows, image.Columns) == (64, 64)
    assert bytes(image.PixelData) == bytes(range(64)) * 64


class Printer:
    """A print SCP that prints into a list."""

    def __init__(self) -> None:
        self.instances: dict[str, Dataset] = {}
        self.films: list[dict[str, Any]] = []  #: what came out

    def create(self, request: NCreateRequest) -> Dataset:
        made = request.dataset()
        if request.sop_class_uid == UID.of("BasicFilmBox"):
            box = f"{request.sop_instance_uid}.1"
            self.instances[box] = Dataset()
            made.ReferencedImageBoxSequence = [reference("BasicGrayscaleImageBox", box)]
        self.instances[request.sop_instance_uid] = made
        return made

    def known(self, request: Any) -> Dataset:
        if request.sop_instance_uid not in self.instances:
            raise Refuse(0x0112, "no such instance")
        return self.instances[request.sop_instance_uid]

    def set(self, request: Any) -> None:
        self.known(request).update(request.dataset())

    def get(self, request: NGetRequest) -> dict[str, str]:
        return {"PrinterStatus": "NORMAL", "PrinterStatusInfo": "NORMAL", "PrinterName": "ours"}

    def action(self, request: NActionRequest) -> None:
        film = self.known(request)
        self.print(self.instances[film.ReferencedImageBoxSequence[0].ReferencedSOPInstanceUID])

    def print(self, box: Dataset) -> None:
        (image,) = box.BasicGrayscaleImageSequence
        self.films.append({"size": (image.Rows, image.Columns), "pixels": bytes(image.PixelData)})

    def delete(self, request: Any) -> None:
        self.known(request)
        del self.instances[request.sop_instance_uid]

    def handlers(self) -> nd.Handlers:
        return nd.Handlers(
            n_create=self.create, n_set=self.set, n_get=self.get, n_action=self.action, n_delete=self.delete
        )


@pytest.mark.parity("A.4 Print Management")
@pytest.mark.parametrize("options", [[], ["--session-print"], ["--noprint"]], ids=["film", "session", "none"])
def test_a_film_from_dcmprscu(printed: Path, options: list[str]) -> None:
    printer = Printer()
    handlers = printer.handlers()
    if options == ["--session-print"]:
        # The action is of the session then, which holds the one film.
        def action(request: NActionRequest) -> None:
            assert request.sop_class_uid == UID.of("BasicFilmSession")
            (film,) = [one for one in printer.instances.values() if "ReferencedImageBoxSequence" in one]
            box = printer.instances[film.ReferencedImageBoxSequence[0].ReferencedSOPInstanceUID]
            printer.print(box)

        handlers = nd.Handlers(
            n_create=printer.create, n_set=printer.set, n_get=printer.get, n_action=action, n_delete=printer.delete
        )
    with nd.Server(handlers, ae_title="OURS", contexts=[META, "PresentationLUT"], any_called=True) as server:
        work = printed.parent.parent
        config = print_config(work, {"OURS": (server.address[1], "PRINTER")})
        peers.run([peers.dcmtk("dcmprscu"), "-v", "-c", config, "-p", "OURS", *options, printed])
    row = b"".join((value << 4).to_bytes(2, "little") for value in range(64))  # in 12 bits
    films = [{"size": (64, 64), "pixels": row * 64}]
    assert printer.films == ([] if options == ["--noprint"] else films)


# ------------------------------------------------------------------------------- worklist


@pytest.mark.parity("A.4 Basic Worklist")
def test_a_worklist_of_wlmscpfs(tmp_path: Path) -> None:
    folder = tmp_path / "worklists" / "WLMSCP"
    folder.mkdir(parents=True)
    (folder / "lockfile").touch()
    for number in (1, 2, 3):
        step = dataset(
            ScheduledStationAETitle="CT1" if number < 3 else "MR1",
            ScheduledProcedureStepStartDate="20260101",
            ScheduledProcedureStepStartTime="080000",
            Modality="CT",
            ScheduledPerformingPhysicianName="",
            ScheduledProcedureStepDescription=f"step {number}",
            ScheduledProcedureStepID=f"S{number}",
        )
        entry = dataset(
            SpecificCharacterSet="ISO_IR 100",
            PatientName=f"Patient^{number}",
            PatientID=f"P{number}",
            AccessionNumber=f"A{number}",
            StudyInstanceUID=f"1.2.3.{number}",
            RequestedProcedureID=f"R{number}",
            RequestedProcedureDescription="examination",
            ScheduledProcedureStepSequence=[step],
        )
        entry.file_meta = FileMetaDataset()
        entry.file_meta.TransferSyntaxUID = UID("1.2.840.10008.1.2.1")
        entry.file_meta.MediaStorageSOPClassUID = UID.of(WORKLIST)
        entry.file_meta.MediaStorageSOPInstanceUID = f"1.2.4.{number}"
        entry.save_as(folder / f"{number}.wl", enforce_file_format=True)

    def make() -> peers.Program:
        port = peers.free_port()
        argv = [peers.dcmtk("wlmscpfs"), "-v", "-dfp", folder.parent, str(port)]
        return peers.Program(argv, tmp_path, port, "WLMSCP")

    with started(make) as program, nd.Peer(program.address).associate([WORKLIST]) as association:
        step = dataset(ScheduledStationAETitle="CT1", ScheduledProcedureStepID="")
        query = dataset(PatientName="", PatientID="", ScheduledProcedureStepSequence=[step])
        matches = [match.dataset() for match in association.find(query, model=WORKLIST)]
    assert sorted(match.PatientID for match in matches) == ["P1", "P2"]
    assert {match.ScheduledProcedureStepSequence[0].ScheduledProcedureStepID for match in matches} == {"S1", "S2"}


@pytest.mark.parity("A.4 Basic Worklist")
def test_a_worklist_for_findscu(tool: Any) -> None:
    def find(request: Any) -> Any:
        wanted = request.identifier()
        assert wanted.ScheduledProcedureStepSequence[0].Modality == "MR"
        for number in (1, 2):
            step = {"Modality": "MR", "ScheduledProcedureStepID": f"S{number}"}
            yield {"PatientID": f"P{number}", "ScheduledProcedureStepSequence": [step]}

    with nd.Server(nd.Handlers(find=find), ae_title="OURS", contexts=[WORKLIST]) as server:
        said = peers.run(
            [
                tool("findscu"), "-v", "-W", "-aec", "OURS", peers.LOOPBACK, str(server.address[1]),
                "-k", "PatientID", "-k", "ScheduledProcedureStepSequence[0].Modality=MR",
            ]
        ).stdout  # fmt: skip
    assert all(text in said for text in ("[P1", "[P2", "[S1", "[S2"))


# ------------------------------------------------------------------------------- storage commitment


@pytest.mark.parity("A.4 Storage Commitment")
def test_a_commitment_by_orthanc(orthanc: Any, files: dict[str, Path], move_port: int) -> None:
    """Orthanc reports on an association of its own, to the address that it knows our title by."""
    reports: list[NEventReportRequest] = []
    reported = threading.Event()

    def report(request: NEventReportRequest) -> None:
        reports.append(request)
        reported.set()

    uid, path = next(iter(files.items()))
    wanted = [
        dataset(ReferencedSOPClassUID=dcmread(path, stop_before_pixels=True).SOPClassUID, ReferencedSOPInstanceUID=uid),
        dataset(ReferencedSOPClassUID=UID.of("CTImageStorage"), ReferencedSOPInstanceUID="1.2.3.4.5.6"),
    ]
    request = dataset(TransactionUID="1.2.3.4.77", ReferencedSOPSequence=wanted)
    roles = PresentationContext(COMMITMENT, scu_role=True, scp_role=True)
    with nd.Server(
        nd.Handlers(n_event_report=report), ae_title="NBDICOM", port=move_port, contexts=[roles], any_called=True
    ):
        with nd.Peer(orthanc.address, calling="NBDICOM").associate([COMMITMENT]) as association:
            reply = association.n_action(COMMITMENT, UID.of("StorageCommitmentPushModelInstance"), 1, request)
            assert reply.status == 0x0000
        assert reported.wait(30)
    (told,) = reports
    answer = told.dataset()
    assert (told.event_type_id, answer.TransactionUID) == (2, "1.2.3.4.77")  # 2: failures exist
    assert [item.ReferencedSOPInstanceUID for item in answer.ReferencedSOPSequence] == [uid]
    assert [item.FailureReason for item in answer.FailedSOPSequence] == [0x0112]


@pytest.mark.parity("A.4 Storage Commitment")
def test_a_commitment_for_orthanc(orthanc: Any, move_port: int) -> None:
    """We report on an association of our own, in the role of the SCP."""
    asked: list[NActionRequest] = []
    committed = threading.Event()

    def commit(request: NActionRequest) -> None:
        asked.append(request)
        committed.set()

    with nd.Server(
        nd.Handlers(n_action=commit), ae_title="NBDICOM", port=move_port, contexts=[COMMITMENT], any_called=True
    ):
        wanted = {"DicomInstances": [[UID.of("CTImageStorage"), "1.2.3.4.5"]]}
        job = orthanc.rest("POST", "/modalities/nbdicom/storage-commitment", wanted)
        assert committed.wait(30)
    (request,) = asked
    asked_for = request.dataset()
    assert (request.action_type_id, request.sop_instance_uid) == (1, UID.of("StorageCommitmentPushModelInstance"))
    roles = PresentationContext(COMMITMENT, scu_role=False, scp_role=True)
    with nd.Peer(orthanc.address, calling="NBDICOM").associate([roles]) as association:
        information = dataset(
            TransactionUID=asked_for.TransactionUID, ReferencedSOPSequence=list(asked_for.ReferencedSOPSequence)
        )
        reply = association.n_event_report(COMMITMENT, request.sop_instance_uid, 1, information)
        assert reply.status == 0x0000
    said = orthanc.rest("GET", job["Path"])
    assert said["Status"] == "Success" and said["RemoteAET"] == "NBDICOM"
