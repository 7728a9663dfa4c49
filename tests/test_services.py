"""The table of services: complete, consistent, and the page that is made of it (PS3.4)."""

from pathlib import Path

import pytest

from nbdicom import services, uids
from nbdicom.core.command import MESSAGES
from nbdicom.uids import UID, ServiceClass, sop_class, sop_classes

PAGE = Path(__file__).parents[1] / "docs" / "services.md"


def test_the_page_is_current() -> None:
    """``python -m nbdicom.services > docs/services.md`` writes it."""
    assert PAGE.read_text() == services.page()


def test_every_service_class_has_its_annex_and_messages() -> None:
    known = {one.service_class: one for uid in sop_classes() if (one := services.service(uid.uid))}
    assert set(known) == set(ServiceClass) - {ServiceClass.OTHER}
    names = {name.rpartition("-")[0] for name in (cls.name for cls in MESSAGES.values())}
    for one in known.values():
        assert one.annex.startswith("PS3.4 ")
        assert set(one.dimse) <= names
        assert one.dimse or one.service_class is ServiceClass.MEDIA_STORAGE


@pytest.mark.parametrize("service", [one for one in ServiceClass if one not in ("Media Storage", ServiceClass.OTHER)])
def test_every_service_of_a_service_class_is_used_by_a_sop_class(service: ServiceClass) -> None:
    used = {dimse for entry in sop_classes(service) for dimse in services.dimse_services(entry.uid)}
    found = services.service(sop_classes(service)[0].uid)
    assert found is not None and used == set(found.dimse)
    assert all(services.dimse_services(entry.uid) for entry in sop_classes(service))


@pytest.mark.parametrize(
    ("keyword", "dimse"),
    [
        ("Verification", "C-ECHO"),
        ("CTImageStorage", "C-STORE"),
        ("CompositeInstanceRetrieveWithoutBulkDataGet", "C-GET"),
        ("RepositoryQuery", "C-FIND"),
        ("ColorPaletteQueryRetrieveInformationModelMove", "C-MOVE"),
        ("StorageCommitmentPushModel", "N-ACTION N-EVENT-REPORT"),
        ("ModalityPerformedProcedureStep", "N-CREATE N-SET"),
        ("UnifiedProcedureStepPull", "N-GET N-SET N-ACTION C-FIND"),
        ("BasicFilmBox", "N-CREATE N-SET N-ACTION N-DELETE"),
        ("MediaStorageDirectoryStorage", ""),
        ("DetachedStudyManagement", ""),
        ("1.2.3.4", ""),
    ],
)
def test_dimse_services_of_a_sop_class(keyword: str, dimse: str) -> None:
    assert " ".join(services.dimse_services(UID.of(keyword))) == dimse


@pytest.mark.parity("A.4 SOP Class table")
def test_what_another_toolkit_knows() -> None:
    """Every SOP Class of pynetdicom is in the table, in a service class that PS3.4 has."""
    theirs = pytest.importorskip("pynetdicom.sop_class")
    groups = [value for name, value in vars(theirs).items() if name.startswith("_") and isinstance(value, dict)]
    known = {uid for group in groups for uid in group.values() if str(uid).startswith("1.2.840.10008.")}
    assert len(known) > 250
    table = {row[0] for row in uids.table().rows}
    assert known <= table
    for uid in known:
        entry = sop_class(uid)
        assert entry is not None and entry.service_class is not ServiceClass.OTHER


def test_a_frame_of_every_sop_class() -> None:
    frame = uids.table().to_frame().set_index("keyword")
    assert len(frame) == len(sop_classes())
    assert frame.loc["StorageCommitmentPushModel", "DIMSE"] == "N-ACTION N-EVENT-REPORT"
    assert "C301H" in frame.loc["UnifiedProcedureStepPull", "statuses"]
    assert "C301H" not in frame.loc["UnifiedProcedureStepQuery", "statuses"]
    assert len(uids.table("Print Management")) == len(sop_classes(ServiceClass.PRINT_MANAGEMENT))


def test_meta_sop_classes() -> None:
    color = services.meta_sop_class(UID.of("BasicColorPrintManagementMeta"))
    assert [uid.keyword for uid in color] == ["BasicFilmSession", "BasicFilmBox", "Printer", "BasicColorImageBox"]
    assert services.meta_sop_class(UID.of("Printer")) == ()


@pytest.mark.parametrize(
    ("keyword", "dimse", "type_id", "expected"),
    [
        ("MRImageStorage", "C-STORE", None, ["MRImageStorage"]),
        ("1.2.3.4", "N-GET", None, [""]),
        ("PrintJob", "N-GET", None, ["PrintJob"]),
        (
            "BasicFilmSession",
            "N-CREATE",
            None,
            ["BasicFilmSession", "BasicGrayscalePrintManagementMeta", "BasicColorPrintManagementMeta"],
        ),
        ("BasicColorImageBox", "N-SET", None, ["BasicColorImageBox", "BasicColorPrintManagementMeta"]),
        ("UnifiedProcedureStepPush", "N-CREATE", None, ["UnifiedProcedureStepPush"]),
        ("UnifiedProcedureStepPush", "N-SET", None, ["UnifiedProcedureStepPull", "UnifiedProcedureStepPush"]),
        (
            "UnifiedProcedureStepPush",
            "N-ACTION",
            1,
            ["UnifiedProcedureStepPull", "UnifiedProcedureStepPush", "UnifiedProcedureStepWatch"],
        ),
        (
            "UnifiedProcedureStepPush",
            "N-ACTION",
            3,
            ["UnifiedProcedureStepWatch", "UnifiedProcedureStepPush", "UnifiedProcedureStepPull"],
        ),
        ("UnifiedProcedureStepPush", "N-EVENT-REPORT", None, ["UnifiedProcedureStepEvent", "UnifiedProcedureStepPush"]),
        (
            "UnifiedProcedureStepQuery",
            "C-FIND",
            None,
            ["UnifiedProcedureStepQuery", "UnifiedProcedureStepPull", "UnifiedProcedureStepWatch"],
        ),
    ],
)
def test_in_whose_context_a_service_is_asked(
    keyword: str, dimse: str, type_id: int | None, expected: list[str]
) -> None:
    assert [uid.keyword for uid in services.abstract_syntaxes(UID.of(keyword), dimse, type_id)] == expected
