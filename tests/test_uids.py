"""Our registry is PS3.6's, held against pydicom's dictionary."""

import pydicom.uid
import pytest
from pydicom._uid_dict import UID_dictionary

from nbdicom.uids import (
    UID,
    ServiceClass,
    sop_class,
    sop_classes,
    storage_sop_classes,
    transfer_syntax,
    transfer_syntaxes,
    well_known_instances,
)

DICOM = "1.2.840.10008."


def registry(*kinds: str) -> dict[str, tuple[str, ...]]:
    return {uid: e for uid, e in UID_dictionary.items() if e[1] in kinds and e[4] and uid.startswith(DICOM)}


def test_every_sop_class() -> None:
    theirs = {uid: (e[4], e[0], bool(e[3])) for uid, e in registry("SOP Class", "Meta SOP Class").items()}
    ours = {str(e.uid): (e.keyword, e.name, e.retired) for e in sop_classes()}
    assert {uid: ours.get(uid) for uid in theirs} == theirs
    # Added to PS3.6 after the edition that pydicom 3.0 was made from.
    assert {uid.removeprefix(DICOM + "5.1.4.1.1.") for uid in ours.keys() - theirs.keys()} <= {
        "66.7", "66.8", "9.100.1", "9.100.2",
    }  # fmt: skip


def test_every_transfer_syntax() -> None:
    theirs = {uid: (e[4], e[0], bool(e[3])) for uid, e in registry("Transfer Syntax").items()}
    ours = {str(e.uid): (e.keyword, e.name, e.retired) for e in transfer_syntaxes(retired=True)}
    assert {uid: ours.get(uid) for uid in theirs} == theirs
    # Added to PS3.6 after the edition that pydicom 3.0 was made from.
    assert {uid.removeprefix(DICOM + "1.2.") for uid in ours.keys() - theirs.keys()} <= {
        "4.110",
        "4.111",
        "4.112",
        "8.1",
    }


@pytest.mark.parity("A.4 service UIDs", "A.4 well-known instances")
def test_every_well_known_instance() -> None:
    theirs = {uid: (e[4], e[0], bool(e[3])) for uid, e in registry("Well-known SOP Instance").items()}
    assert {str(e.uid): (e.keyword, e.name, e.retired) for e in well_known_instances()} == theirs
    for uid, (keyword, name, _) in theirs.items():
        assert UID.of(keyword) == UID.of(name) == uid
    assert UID.of("StorageServiceClass") == DICOM + "4.2" and UID(DICOM + "5.1.4.34.6").keyword


@pytest.mark.parametrize("uid", [str(entry.uid) for entry in transfer_syntaxes()])
def test_facts_of_a_transfer_syntax(uid: str) -> None:
    ours, theirs = transfer_syntax(uid), pydicom.uid.UID(uid)
    assert ours is not None
    if not theirs.is_transfer_syntax or "SMPTE" in ours.name:
        return
    assert ours.implicit_vr == theirs.is_implicit_VR
    assert ours.big_endian == (not theirs.is_little_endian)
    if "JPIP" not in ours.keyword:  # "Deflate" by its definition (PS3.5 A.7), which pydicom does not tell
        assert ours.deflated == theirs.is_deflated
    if not ours.deflated:
        assert ours.encapsulated == theirs.is_encapsulated


@pytest.mark.parametrize(
    ("service", "count"),
    [
        (ServiceClass.VERIFICATION, 1),
        (ServiceClass.QUERY_RETRIEVE, 13),
        (ServiceClass.NON_PATIENT_OBJECT_STORAGE, 9),
        (ServiceClass.BASIC_WORKLIST, 1),
        (ServiceClass.MODALITY_PERFORMED_PROCEDURE_STEP, 3),
        (ServiceClass.HANGING_PROTOCOL, 3),
        (ServiceClass.COLOR_PALETTE, 3),
        (ServiceClass.IMPLANT_TEMPLATE, 9),
        (ServiceClass.DEFINED_PROCEDURE_PROTOCOL, 3),
        (ServiceClass.PROTOCOL_APPROVAL, 3),
        (ServiceClass.INVENTORY, 3),
        (ServiceClass.RELEVANT_PATIENT_INFORMATION, 3),
        (ServiceClass.SUBSTANCE_ADMINISTRATION, 2),
        (ServiceClass.APPLICATION_EVENT_LOGGING, 2),
        (ServiceClass.RT_MACHINE_VERIFICATION, 2),
        (ServiceClass.DISPLAY_SYSTEM, 1),
        (ServiceClass.MEDIA_CREATION, 1),
        (ServiceClass.STORAGE_MANAGEMENT, 1),
        (ServiceClass.INSTANCE_AVAILABILITY, 1),
    ],
)
def test_sop_classes_of_a_service(service: ServiceClass, count: int) -> None:
    assert len(sop_classes(service)) == count


def test_a_peer_knows_no_storage_class_that_we_do_not() -> None:
    theirs = pytest.importorskip("pynetdicom", reason="pynetdicom is not installed")
    known = {str(context.abstract_syntax) for context in theirs.AllStoragePresentationContexts}
    assert known <= set(storage_sop_classes())
    assert all(sop_class(uid) for uid in known)


@pytest.mark.parametrize(
    "text", ["1.2.840.10008.5.1.4.1.1.2", "CTImageStorage", "CT Image Storage", "ct image storage"]
)
def test_a_uid_from_what_people_type(text: str) -> None:
    assert UID.of(text) == "1.2.840.10008.5.1.4.1.1.2"
    assert UID.of(text).keyword == "CTImageStorage"


@pytest.mark.parametrize(
    ("text", "offer"),
    [
        ("CTImagStorage", "CTImageStorage"),  # spelt wrong
        ("RLE", "RLELossless"),  # how people call it
        ("JPEG-LS", "JPEGLSLossless"),
        ("explicit", "ExplicitVRLittleEndian"),
        ("MR", "MRImageStorage"),
        ("Worklist", "ModalityWorklistInformationModelFind"),
    ],
)
def test_a_name_that_is_not_quite_one_is_explained(text: str, offer: str) -> None:
    with pytest.raises(ValueError, match=f"did you mean .*{offer}"):
        UID.of(text)


@pytest.mark.parametrize("text", ["", "x", "!", "MPPS"])
def test_a_name_that_is_like_none_is_explained(text: str) -> None:
    with pytest.raises(ValueError, match="PS3.6"):
        UID.of(text)


@pytest.mark.parametrize(
    ("uid", "valid"),
    [("1.2.3", True), ("0.1", True), ("1.02", False), ("1..2", False), ("", False), ("1.2.", False),
     ("1." * 32 + "1", False), ("../x", False), ("..", False), ("1.2.٣", False), ("1." + "2" * 62, True)],
)  # fmt: skip
@pytest.mark.parity("A.8 ENFORCE_UID_CONFORMANCE")
def test_validity(uid: str, valid: bool) -> None:
    assert UID(uid).is_valid == valid
