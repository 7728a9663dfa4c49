"""Statuses: category by range, meaning by service (PS3.7 Annex C, PS3.4 B.2.3 and C.4)."""

import pytest

from nbdicom.status import Status, StatusCategory, status_table
from nbdicom.uids import UID, ServiceClass, sop_classes


@pytest.mark.parametrize(
    ("code", "service", "category", "words"),
    [
        (0x0000, "", "Success", "Success"),
        (0xFF00, "C-FIND", "Pending", "Pending"),
        (0xFF01, "C-FIND", "Pending", "optional keys"),
        (0xFE00, "C-MOVE", "Cancel", "C-CANCEL"),
        (0xA801, "C-MOVE", "Failure", "destination unknown"),
        (0xA700, "C-STORE", "Failure", "out of resources"),
        (0xA7FF, "C-STORE", "Failure", "out of resources"),
        (0xA900, "C-STORE", "Failure", "Data set does not match SOP Class"),
        (0xC123, "C-STORE", "Failure", "Cannot understand"),
        (0xC123, "C-FIND", "Failure", "Unable to process"),
        (0xB000, "C-STORE", "Warning", "Coercion"),
        (0xB000, "C-GET", "Warning", "failures"),
        (0xB001, "C-FIND", "Warning", "limit"),
        (0x0122, "N-GET", "Failure", "SOP Class not supported"),
        (0x0124, "", "Failure", "not authorized"),
        (0x0107, "N-GET", "Warning", "Attribute list error"),
        (0xA801, "C-STORE", "Failure", "not defined"),
        (0x1234, "C-STORE", "Failure", "not defined"),
    ],
)
def test_category_and_meaning(code: int, service: str, category: str, words: str) -> None:
    status = Status(code, service)
    assert status == code
    assert status.category == StatusCategory(category)
    assert words in status.meaning
    assert str(status).startswith(f"{code:04X}H {category}")


def test_every_code_has_exactly_one_category() -> None:
    for code in range(0x10000):
        status = Status(code)
        assert sum((status.is_success, status.is_pending, status.is_failure)) <= 1
        assert status.category in StatusCategory


def test_the_peers_comment_is_shown() -> None:
    assert str(Status(0xC001, "C-FIND", "no such key")).endswith("(no such key)")
    assert "(" not in str(Status(0xA801, "C-MOVE", "Move destination unknown"))  # which says no more than the number


def test_the_peers_comment_moves_no_cursor() -> None:
    status = Status(0xA700, "C-STORE", "disk full\x1b[2J\nall is well")
    assert str(status).isprintable() and "disk full\\x1b[2J\\nall is well" in str(status)


#: one code in the words of each service that has statuses of its own
WORDS = [
    ("CTImageStorage", "C-STORE", 0xB007, "Warning", "does not match"),
    ("HangingProtocolStorage", "C-STORE", 0xB007, "Warning", "not defined"),
    ("HangingProtocolStorage", "C-STORE", 0xC000, "Failure", "Cannot understand"),
    ("StudyRootQueryRetrieveInformationModelFind", "C-FIND", 0xB001, "Warning", "limit"),
    ("RepositoryQuery", "C-FIND", 0xA710, "Failure", "prior record key"),
    ("CompositeInstanceRootRetrieveGet", "C-GET", 0xAA02, "Failure", "extract frames"),
    ("ModalityWorklistInformationModelFind", "C-FIND", 0xC123, "Failure", "Unable to process"),
    ("ModalityWorklistInformationModelFind", "C-FIND", 0xB001, "Warning", "not defined"),
    ("HangingProtocolInformationModelMove", "C-MOVE", 0xA801, "Failure", "destination"),
    ("InventoryFind", "C-FIND", 0xA900, "Failure", "does not match"),
    ("GeneralRelevantPatientInformationQuery", "C-FIND", 0xC100, "Failure", "More than one match"),
    ("GeneralRelevantPatientInformationQuery", "C-FIND", 0xC123, "Failure", "not defined"),
    ("ProductCharacteristicsQuery", "C-FIND", 0xA700, "Failure", "resources"),
    ("ModalityPerformedProcedureStep", "N-SET", 0x0110, "Failure", "no longer be updated"),
    ("ModalityPerformedProcedureStepRetrieve", "N-GET", 0x0001, "Warning", "optional attributes"),
    ("StorageCommitmentPushModel", "", 0x0131, "Failure", "transaction UID"),
    ("UnifiedProcedureStepPush", "N-ACTION", 0xC301, "Failure", "Transaction UID"),
    ("UnifiedProcedureStepPush", "N-CREATE", 0xB300, "Warning", "modifications"),
    ("UnifiedProcedureStepQuery", "C-FIND", 0xC301, "Failure", "Unable to process"),
    ("BasicFilmSession", "N-ACTION", 0xC600, "Failure", "no Film Boxes"),
    ("BasicGrayscalePrintManagementMeta", "N-SET", 0xB604, "Warning", "demagnified"),
    ("MediaCreationManagement", "N-ACTION", 0xA510, "Failure", "initiated already"),
    ("ProceduralEventLogging", "N-ACTION", 0xC102, "Failure", "template"),
    ("RTConventionalMachineVerification", "N-ACTION", 0xC112, "Failure", "Machine Verification"),
    ("InventoryCreation", "N-ACTION", 0xB010, "Warning", "key attributes"),
    ("DisplaySystem", "N-GET", 0x0112, "Failure", "No such SOP Instance"),
    ("InstanceAvailabilityNotification", "N-CREATE", 0xC600, "Failure", "not defined"),
    ("1.2.3.4", "C-FIND", 0xA900, "Failure", "does not match"),  # private: the usual table of the DIMSE service
    ("1.2.3.4", "N-GET", 0xC600, "Failure", "not defined"),
]


@pytest.mark.parametrize(("sop_class", "message", "code", "category", "words"), WORDS)
@pytest.mark.parity("A.4 statuses")
def test_a_service_has_its_own_words(sop_class: str, message: str, code: int, category: str, words: str) -> None:
    status = Status(code, message, sop_class=UID.of(sop_class))
    assert status.category == category
    assert words in status.meaning
    assert status.is_defined == (words != "not defined")
    assert status.of("") == status and Status(code, message, "no").of(status.sop_class).comment == "no"


def _theirs(name: str) -> dict[int, tuple[str, str]]:
    return dict(getattr(pytest.importorskip("pynetdicom.status"), f"{name}_SERVICE_CLASS_STATUS"))


@pytest.mark.parametrize(
    ("theirs", "service", "messages"),
    [
        ("VERIFICATION", ServiceClass.VERIFICATION, "C-ECHO"),
        ("STORAGE", ServiceClass.STORAGE, "C-STORE"),
        ("NON_PATIENT", ServiceClass.NON_PATIENT_OBJECT_STORAGE, "C-STORE"),
        ("QR_FIND", ServiceClass.QUERY_RETRIEVE, "C-FIND"),
        ("QR_MOVE", ServiceClass.QUERY_RETRIEVE, "C-MOVE"),
        ("QR_GET", ServiceClass.QUERY_RETRIEVE, "C-GET"),
        ("MODALITY_WORKLIST", ServiceClass.HANGING_PROTOCOL, "C-FIND"),
        ("MODALITY_WORKLIST", ServiceClass.BASIC_WORKLIST, "C-FIND"),
        ("RELEVANT_PATIENT", ServiceClass.RELEVANT_PATIENT_INFORMATION, "C-FIND"),
        ("SUBSTANCE_ADMINISTRATION", ServiceClass.SUBSTANCE_ADMINISTRATION, "C-FIND"),
        ("STORAGE_COMMITMENT", ServiceClass.STORAGE_COMMITMENT, "N-ACTION N-EVENT-REPORT"),
        ("APPLICATION_EVENT_LOGGING", ServiceClass.APPLICATION_EVENT_LOGGING, "N-ACTION"),
        ("MEDIA_CREATION_MANAGEMENT", ServiceClass.MEDIA_CREATION, "N-CREATE N-ACTION N-GET"),
        ("PRINT_JOB_MANAGEMENT", ServiceClass.PRINT_MANAGEMENT, "N-CREATE N-SET N-ACTION"),
        ("UNIFIED_PROCEDURE_STEP", ServiceClass.UNIFIED_PROCEDURE_STEP, "N-CREATE N-SET N-GET N-ACTION C-FIND"),
        ("RT_MACHINE_VERIFICATION", ServiceClass.RT_MACHINE_VERIFICATION, "N-CREATE N-SET N-ACTION"),
        ("STORAGE_MANAGEMENT", ServiceClass.STORAGE_MANAGEMENT, "N-ACTION"),
    ],
)
@pytest.mark.parity("A.4 statuses", "A.9 statuses")
def test_every_status_that_a_peer_may_use_has_a_name(theirs: str, service: ServiceClass, messages: str) -> None:
    """Held against the tables of another toolkit: two readings of PS3.4 agree on codes and categories."""
    uid = sop_classes(service)[0].uid
    for code, (category, _) in _theirs(theirs).items():
        named = [status for m in messages.split() if (status := Status(code, m, sop_class=uid)).is_defined]
        assert named, f"{code:04X}H"
        assert named[0].category == category


def test_no_status_is_declared_twice() -> None:
    pairs = [(row[0], row[2], message) for row in status_table().rows for message in str(row[3]).split()]
    assert len(pairs) == len(set(pairs))


def test_the_table() -> None:
    table = status_table()
    assert len(table) > 120
    assert all(str(row[5]).startswith("PS3.") for row in table.rows)
    assert len(table.to_frame()) == len(table)


@pytest.mark.parametrize(
    ("service", "code", "words"),
    [
        (ServiceClass.PRINT_MANAGEMENT, "B604H", "demagnified"),
        ("Print Management", "B604H", "demagnified"),
        ("PRINT_MANAGEMENT", "B604H", "demagnified"),
        ("BasicFilmBox", "B604H", "demagnified"),
        ("Basic Film Box SOP Class", "B604H", "demagnified"),
        ("C-MOVE", "A801H", "destination"),
        ("HangingProtocolInformationModelMove", "A801H", "destination"),
        ("1.2.840.10008.5.1.4.31", "A900H", "does not match"),
    ],
)
def test_the_table_of_a_service(service: str, code: str, words: str) -> None:
    table = status_table(service)
    (row,) = [row for row in table.rows if row[0] == code]
    assert words in str(row[4])
    assert table.rows[0][:2] == ("0000H", "Success")
    assert len(table) < 60


def test_a_service_that_nobody_knows() -> None:
    with pytest.raises(ValueError, match="neither"):
        status_table("Coffee Making")


#: the section that defines a status, as it was read in the standard: (service, code) and the source in the table
SECTIONS = [
    *[
        ("C-ECHO" if code in (0x0122, 0x0210, 0x0211, 0x0212) else "N-GET", code, f"PS3.7 C.5.{number}")
        for code, number in {
            0x0122: 6, 0x0119: 7, 0x0111: 8, 0x0210: 9, 0x0115: 10, 0x0106: 11, 0x0117: 12, 0x0120: 13, 0x0121: 14,
            0x0212: 15, 0x0114: 16, 0x0105: 17, 0x0113: 18, 0x0112: 19, 0x0118: 20, 0x0110: 21, 0x0213: 22, 0x0211: 23,
            0x0123: 24, 0x0124: 25,
        }.items()
    ],
    (ServiceClass.NON_PATIENT_OBJECT_STORAGE, 0xC000, "PS3.4 GG.4.2"),
    (ServiceClass.QUERY_RETRIEVE, 0xA710, "PS3.4 C.6.4.5.3"),
    (ServiceClass.QUERY_RETRIEVE, 0xAA02, "PS3.4 Y.4.1.1.4, Y.4.2.1.4"),
    (ServiceClass.HANGING_PROTOCOL, 0xA900, "PS3.4 K.4.1.1.4"),
    (ServiceClass.RELEVANT_PATIENT_INFORMATION, 0xC100, "PS3.4 Q.2.1.1.4"),
    (ServiceClass.SUBSTANCE_ADMINISTRATION, 0xA700, "PS3.4 V.4.1.1.4"),
    (ServiceClass.UNIFIED_PROCEDURE_STEP, 0xC308, "PS3.4 CC.2.3.4"),
    (ServiceClass.UNIFIED_PROCEDURE_STEP, 0xC310, "PS3.4 CC.2.1.4, CC.2.6.4"),
    (ServiceClass.UNIFIED_PROCEDURE_STEP, 0xC312, "PS3.4 CC.2.2.4"),
    (ServiceClass.PRINT_MANAGEMENT, 0xC602, "PS3.4 H.4.2.2.4.2"),
    (ServiceClass.PRINT_MANAGEMENT, 0xC605, "PS3.4 H.4.3.1.2.1.2"),
    (ServiceClass.MEDIA_CREATION, 0xA510, "PS3.4 S.3.2.1.4"),
    (ServiceClass.MEDIA_CREATION, 0xC201, "PS3.4 S.3.2.3.4"),
    (ServiceClass.STORAGE_MANAGEMENT, 0xB010, "PS3.4 KK.2.2.3"),
]  # fmt: skip


@pytest.mark.parametrize(("service", "code", "source"), SECTIONS)
def test_a_status_names_the_section_that_defines_it(service: object, code: int, source: str) -> None:
    sources = {row[5] for row in status_table(service).rows if row[0] == f"{code:04X}H"}
    assert source in sources


def test_storage_of_what_is_of_no_patient_has_no_ranges() -> None:
    """GG.4.2 has A700H, A900H and C000H; storage (B.2.3) has ranges."""
    uid = sop_classes(ServiceClass.NON_PATIENT_OBJECT_STORAGE)[0].uid
    assert Status(0xC000, "C-STORE", sop_class=uid).is_defined
    assert not any(Status(code, "C-STORE", sop_class=uid).is_defined for code in (0xA701, 0xA9FF, 0xC001))
