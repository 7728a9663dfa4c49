"""What Tab offers in a notebook: names, parameters, keywords of queries; asked of IPython's own completer."""

from __future__ import annotations

from typing import Any

import pytest

import nbdicom as nd
from nbdicom.peer.completing import keywords_for, register, values_for

completer = pytest.importorskip("IPython.core.completer", reason="IPython is not installed")


@pytest.mark.parametrize(
    ("before", "some", "none"),
    [
        ("pacs.studies(Stu", {"StudyDate=", "StudyInstanceUID=", "StudyDescription="}, {"SeriesNumber="}),
        ("pacs.studies(stud", {"StudyDate="}, set()),
        ("pacs.series(StudyInstanceUID='1.2', Mod", {"Modality="}, set()),
        ("pacs.find('STUDY', PatientName='A(', Pat", {"PatientID="}, {"PatientName="}),
        ("df.dicom.instances(columns=['Rows'],\n    Ins", {"InstanceNumber="}, set()),
        ("pacs.worklist(ScheduledStationA", {"ScheduledStationAETitle="}, set()),
        ("pacs.studies(RescaleSl", {"RescaleSlope="}, set()),
        ("pacs.pull(Stu", {"StudyInstanceUID="}, {"StudyDate="}),
    ],
)
def test_keywords(before: str, some: set[str], none: set[str]) -> None:
    found = set(keywords_for(before))
    assert some <= found and not none & found


@pytest.mark.parametrize(
    "before",
    [
        "print(Pat",
        "pacs.studies(PatientName=Pat",
        "pacs.studies(",
        "Pat",
        "pacs.studies() Pat",
        "pacs.find('Pat",
        "x.y(Pat",
    ],
)
def test_no_keywords_where_there_are_none(before: str) -> None:
    assert keywords_for(before) == []


def test_levels() -> None:
    assert values_for("pacs.find('") == ["PATIENT", "STUDY", "SERIES", "IMAGE"]
    assert values_for("pacs.get('") == []


@pytest.fixture(scope="module")
def shell() -> Any:
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell(user_ns={"nd": nd, "pacs": nd.Peer("PACS@127.0.0.1:104")})
    shell.run_line_magic("load_ext", "nbdicom")
    register(shell)
    return shell


def offered(shell: Any, text: str) -> list[str]:
    with completer.provisionalcompleter():
        return [one.text for one in shell.Completer.completions(text, len(text))]


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("text", "some"),
    [
        ("nd.Peer", {"Peer", "PeerManager"}),
        ("pacs.pu", {"pull"}),
        ("pacs.studies(PatientN", {"PatientName="}),
        ("pacs.find('ST", {"STUDY"}),
        ("nd.Peer('X@h:1', calli", {"calling="}),
    ],
)
def test_ipython_offers(shell: Any, text: str, some: set[str]) -> None:
    assert some <= set(offered(shell, text))


def test_it_is_registered_once(shell: Any) -> None:
    names = [getattr(one, "matcher_identifier", "") for one in shell.Completer.custom_matchers]
    assert names.count("nbdicom.keywords") == 1


def test_what_a_question_mark_shows(shell: Any) -> None:
    for name in ("nd.Peer", "pacs.pull", "pacs.find", "nd.demo_pacs", "nd.record"):
        found = shell.object_inspect_mime(name)["text/plain"]
        assert "ignature" in found and "Examples" in found or "Parameters" in found, name
