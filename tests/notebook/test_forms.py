"""The forms without a browser: what is typed, pressed and chosen, against a demonstration PACS."""

import threading
from datetime import date

import pandas as pd
import pytest

import nbdicom as nd
from nbdicom import privacy
from nbdicom.data import instance
from nbdicom.errors import OperationCancelled, QueryError
from nbdicom.pacs.samples import sample_instances

from .waiting import LIMIT, until


@pytest.fixture(scope="module")
def pacs():
    with nd.demo_pacs() as server:
        yield nd.Peer(server)


@pytest.fixture
def form(pacs, tmp_path):
    return nd.QueryForm(pacs, to=tmp_path / "retrieved")


def texts(widget):
    """The HTML in a widget."""
    found = [widget.value] if isinstance(getattr(widget, "value", None), str) else []
    return found + [one for child in getattr(widget, "children", ()) for one in texts(child)]


def labels(widget):
    """The descriptions of everything in a widget that a person can change."""
    found = [widget.description] if hasattr(widget, "description") and widget.description else []
    return found + [one for child in getattr(widget, "children", ()) for one in labels(child)]


# ------------------------------------------------------------------------------- the form and its twin


@pytest.mark.parametrize(
    ("level", "values", "code"),
    [
        ("Studies", {}, "pacs.studies(limit=200)"),
        ("Studies", {"PatientName": "Mar*"}, 'pacs.studies(PatientName="Mar*", limit=200)'),
        ("Studies", {"StudyDate": (date(2024, 1, 31), None)}, 'pacs.studies(StudyDate=("2024-01-31", None), limit=200)'),
        ("Studies", {"StudyDate": (date(2024, 1, 31),) * 2}, 'pacs.studies(StudyDate="2024-01-31", limit=200)'),
        ("Studies", {"ModalitiesInStudy": ("CT", "MR")}, 'pacs.studies(ModalitiesInStudy=["CT", "MR"], limit=200)'),
        ("Studies", {"ModalitiesInStudy": ("CT",)}, 'pacs.studies(ModalitiesInStudy="CT", limit=200)'),
        ("Patients", {"PatientSex": "F", "PatientID": " NB-0001 "},
         'pacs.patients(PatientID="NB-0001", PatientSex="F", limit=200)'),
        ("Series", {"StudyInstanceUID": "1.2.3", "Modality": "CT"},
         'pacs.series(StudyInstanceUID="1.2.3", Modality="CT", limit=200)'),
        ("Worklist", {"Modality": "CT"}, 'pacs.worklist(Modality="CT", limit=200)'),
    ],
)  # fmt: skip
def test_the_line_of_code(form, level, values, code) -> None:
    form.level.value = level
    for keyword, value in values.items():
        controls = form.field(keyword).controls
        for control, one in zip(controls, value if len(controls) == 2 else [value], strict=True):
            control.value = one
    assert form.code == code
    assert form._code.value == "<code>" + code.replace('"', "&quot;") + "</code>"
    assert not form.search_button.disabled


def test_form_and_code_give_the_same(form, pacs) -> None:
    form.field("PatientName").controls[0].value = "M*"
    form.add_key("StudyID", "1")
    form.limit.value = 0
    results = form.search().wait(LIMIT)
    assert form.results is results and len(results) > 0
    same = eval(form.code, {"pacs": pacs})  # noqa: S307  our own line
    pd.testing.assert_frame_equal(results, same)
    assert form.query.matching == {"PatientName": "M*", "StudyID": "1"}
    assert pacs.find(form.query).equals(results)


def test_enter_searches(form) -> None:
    control = form.field("PatientName").controls[0]
    control._handle_custom_msg({"event": "submit"}, [])
    assert len(form.job.wait(LIMIT)) > 3


def test_what_was_typed_before_enter_counts_though_it_arrives_after_it(form) -> None:
    """A front end holds a value back while the kernel is busy; the key does not wait for it."""
    control = form.field("PatientName").controls[0]
    control.value = "X"
    control._handle_custom_msg({"event": "submit"}, [])
    first = form.job
    control.value = "Marlowe*"
    assert form.job is not first
    assert set(form.job.wait(LIMIT).PatientName) == {"Marlowe^Anna"}
    until(lambda: form.results is form.job.result)
    form.clear()
    assert form.job.wait(LIMIT) is form.results, "emptying the form asks nothing"
    form.search().wait(LIMIT)
    by_code = form.job
    control.value = "Nobody"
    assert form.job is by_code


# ------------------------------------------------------------------------------- what cannot be sent


@pytest.mark.parametrize(
    ("level", "keyword", "value", "problem"),
    [
        ("Studies", "StudyDate", (date(2024, 2, 1), date(2024, 1, 1)), "ends before it begins"),
        ("Series", "StudyInstanceUID", "1.2.*", "does not allow the wildcards"),
        ("Series", "StudyInstanceUID", "1.2.x", "not a UID"),
        ("Series", "SeriesNumber", "three", "whole number"),
        ("Instances", "StudyInstanceUID", "", "StudyInstanceUID is needed"),
        ("Worklist", "ScheduledStationAETitle", "A" * 17, "longer than 16"),
    ],
)
def test_a_bad_value_is_told_at_its_control(form, level, keyword, value, problem) -> None:
    form.level.value = level
    field = form.field(keyword)
    for control, one in zip(field.controls, value if len(field.controls) == 2 else [value], strict=True):
        control.value = one
    assert problem in field.problem and "role='alert'" in field.problem
    assert form.search_button.disabled and form.search() is None
    with pytest.raises(QueryError):
        _ = form.query
    field.clear()
    assert problem not in field.problem or "needed" in problem


def test_a_missing_parent_is_told_at_its_control(form) -> None:
    form.level.value = "Instances"
    form.field("StudyInstanceUID").controls[0].value = "1.2.3"
    assert "one value for each level above" in form.field("SeriesInstanceUID").problem
    form.field("SeriesInstanceUID").controls[0].value = "1.2.3.4"
    assert not form.field("SeriesInstanceUID").problem and not form.search_button.disabled


@pytest.mark.parametrize(
    ("keyword", "problem"),
    [("PatentName", "did you mean PatientName"), ("", "type a keyword"), ("PatientName", "has a field already")],
)
def test_a_bad_further_key(form, keyword, problem) -> None:
    form.keyword.value = keyword
    form.add_button.click()
    assert problem in form._keyword.problem
    assert len(form._further) == 0


def test_an_impossible_date_in_a_further_key(form) -> None:
    form.level.value = "Patients"
    form.add_key("StudyDate")
    assert "STUDY level" in form.field("StudyDate").problem
    form.level.value = "Studies"
    form.add_key("PatientBirthDate", "2024-02-30")
    assert "not in the calendar" in form.field("PatientBirthDate").problem
    form.field("PatientBirthDate").controls[1].click()  # Remove
    with pytest.raises(QueryError, match="no field"):
        form.field("PatientBirthDate")


def test_a_private_key(form) -> None:
    form.add_key("0009,0010", "ACME")
    assert form.code == 'pacs.studies(limit=200, **{"0009,0010": "ACME"})'


def test_a_peer_that_is_not_there(tmp_path) -> None:
    form = nd.QueryForm(nd.Peer("GONE@127.0.0.1:9"), level="patients")
    with pytest.raises(nd.ConnectionFailed):
        form.search().wait(LIMIT)
    assert "refused" in form._status.value and "role='status'" in form._status.value
    assert form.cancel_button.resting and not form.search_button.disabled


def test_a_level_that_nobody_knows(pacs) -> None:
    with pytest.raises(QueryError, match="level is one of"):
        nd.QueryForm(pacs, level="frames")


def test_cancel(form) -> None:
    from nbdicom.job import Job

    def until_cancelled(job):
        import threading

        while not threading.Event().wait(0.01):
            job.check()

    form.job = job = Job(until_cancelled)
    job.watch(lambda now: form._watch(job, now))
    job.start()
    form.cancel_button.click()
    with pytest.raises(OperationCancelled):
        job.wait(LIMIT)
    assert "cancelled" in form._status.value


def test_clear_and_levels_share_what_they_can(form) -> None:
    form.field("PatientName").controls[0].value = "M*"
    form.add_key("StudyID", "1")
    form.level.value = "Patients"
    assert form.keys["PatientName"] == "M*"
    form.level.value = "Studies"
    form.clear_button.click()
    assert form.keys == {}


def test_every_control_has_a_label_that_is_not_cut(form) -> None:
    for level in form.level.options:
        form.level.value = level
        named = labels(form.widget)
        for wanted in ("Find", "Further key", "Search", "Cancel", "Clear", "Folder", "Retrieve"):
            assert any(wanted in one for one in named), (level, wanted)
        for field in form._visible():
            for control in field.controls:
                assert control.description and control.style.description_width == "initial"


def test_masked(form) -> None:
    with privacy.masked():
        form.field("PatientName").controls[0].value = "Marlowe*"
        assert "Marlowe" not in form._code.value and "Marlowe" in form.code


def test_it_says_what_to_type_where_there_is_no_front_end(form) -> None:
    assert "pacs.studies(" in repr(form)
    assert "application/vnd.jupyter.widget-view+json" in form._repr_mimebundle_()


# ------------------------------------------------------------------------------- the grid


@pytest.fixture
def grid(pacs, tmp_path):
    return nd.ResultsGrid(pacs.studies(), to=tmp_path / "retrieved")


def test_rows_are_chosen(grid) -> None:
    assert grid.retrieve_button.disabled and len(grid.selection) == 0
    grid.rows.value = (0, 2)
    assert grid.selection.index.tolist() == [0, 2] and not grid.retrieve_button.disabled
    assert "2 of" in grid._count.value
    assert grid.selection.StudyInstanceUID.iloc[0] in grid._details.value
    assert not any("UID" in name for name in grid._head.value.split())


def test_the_filter_looks_at_all_rows(grid) -> None:
    grid.filter.value = "marlowe"
    assert len(grid.rows.options) == grid.frame.PatientName.str.contains("Marlowe").sum() > 0
    grid.all_button.click()
    assert set(grid.selection.PatientName) == {"Marlowe^Anna"}
    grid.filter.value = "no such thing"
    assert grid.rows.options == () and len(grid.selection) == 0


@pytest.fixture(scope="module")
def many() -> pd.DataFrame:
    count = 100_000
    numbers = [None if k == 7 else k * 7919 % count for k in range(count)]
    return pd.DataFrame({
        "StudyInstanceUID": pd.Series([f"1.2.{k}" for k in range(count)], dtype="string"),
        "PatientID": pd.Series([f"P{k}" for k in range(count)], dtype="string"),
        "StudyDate": pd.date_range("2000-01-01", periods=count, freq="D", unit="s"),
        "NumberOfStudyRelatedInstances": pd.Series(numbers, dtype="Int64"),
    })  # fmt: skip


def test_a_hundred_thousand_rows(many) -> None:
    grid = nd.ResultsGrid(many, peer=nd.Peer("GONE@127.0.0.1:9"))
    assert len(grid.rows.options) == 500 and "of 200: rows 1 to 500 of 100000" in grid._place.value
    grid.filter.value = "p99999"
    assert grid.rows.options == ((grid.rows.options[0][0], 99_999),) and grid._pages.layout.display == "none"
    grid.filter.value = ""
    grid.sort.value = "NumberOfStudyRelatedInstances"
    numbers = many.NumberOfStudyRelatedInstances.fillna(-1)
    assert [k for _, k in grid.rows.options[:2]] == [0, (numbers == 1).idxmax()]
    grid.descending.value = True
    assert grid.rows.options[0][1] == (numbers == 99_999).idxmax()
    grid.page.value = 200
    assert grid.next_button.resting and grid.rows.options[-1][1] == 7  # the one without a value
    grid.all_button.click()
    assert len(grid.selection) == len(many)


def test_what_is_chosen_stays_chosen_on_every_page(many) -> None:
    grid = nd.ResultsGrid(many, peer=nd.Peer("GONE@127.0.0.1:9"))
    assert grid.previous_button.resting and not grid.next_button.resting
    grid.rows.value = (3, 4)
    grid.next_button.click()
    assert grid.rows.value == () and grid.page.value == 2
    grid.rows.value = (501,)
    assert grid.selection.index.tolist() == [3, 4, 501]
    assert "3 of 100000 rows selected, 2 of them on other pages" in grid._count.value
    grid.previous_button.click()
    assert grid.rows.value == (3, 4)
    grid.rows.value = (4,)
    assert grid.selection.index.tolist() == [4, 501]
    grid.sort.value, grid.descending.value = "PatientID", True
    assert grid.selection.index.tolist() == [4, 501]
    grid.all_button.click()
    grid.rows.value = (99_999,)  # begins anew
    assert grid.selection.index.tolist() == [99_999]
    grid.none_button.click()
    assert len(grid.selection) == 0 and grid.none_button.resting and grid.retrieve_button.disabled


MIXED = pd.DataFrame({
    "StudyInstanceUID": ["1", "2", "3", "4"],
    "PatientName": pd.Series(["doe^b", "Doe^A", None, ""], dtype="string"),
    "SeriesNumber": pd.Series([10, None, 9, 2], dtype="Int64"),
    "StudyDate": pd.to_datetime(["2024-02-01", None, "2023-01-31", "2024-01-01"]),
    "SliceThickness": [2.5, 10.0, float("nan"), -1.0],
    "ModalitiesInStudy": [("MR", "CT"), ("CT",), (), None],
    "When": pd.to_datetime(["2024-02-01 10:00:00.5", "2024-02-01 09:00", None, "2024-02-01"], format="ISO8601"),
    "Codes": [[{"CodeMeaning": "b"}], [{"CodeMeaning": "a"}], None, []],
    "Empty": ["", None, "", ""],
})  # fmt: skip


@pytest.mark.parametrize(
    ("name", "upwards", "downwards"),
    [
        ("PatientName", [1, 0, 2, 3], [0, 1, 2, 3]),
        ("SeriesNumber", [3, 2, 0, 1], [0, 2, 3, 1]),
        ("StudyDate", [2, 3, 0, 1], [0, 3, 2, 1]),
        ("SliceThickness", [3, 0, 1, 2], [1, 0, 3, 2]),
        ("ModalitiesInStudy", [1, 0, 2, 3], [0, 1, 2, 3]),
        ("When", [3, 1, 0, 2], [0, 1, 3, 2]),
        ("Codes", [1, 0, 2, 3], [0, 1, 2, 3]),
    ],
)
def test_sorted_as_what_they_are_and_nothing_last(name, upwards, downwards) -> None:
    grid = nd.ResultsGrid(MIXED, peer=nd.Peer("GONE@127.0.0.1:9"))
    assert "Empty" not in grid.sort.options and "StudyInstanceUID" not in grid.sort.options
    grid.sort.value = name
    assert [k for _, k in grid.rows.options] == upwards
    grid.descending.value = True
    assert [k for _, k in grid.rows.options] == downwards


@pytest.mark.parametrize(
    ("words", "found"),
    [("DOE", [0, 1]), ("2024-0", [0, 1, 3]), ("10:00", [0]), ("mr, ct", [0]), ("9", [1, 2]), ("00:00", [0, 1])],
)
def test_the_filter_reads_what_is_shown(words, found) -> None:
    grid = nd.ResultsGrid(MIXED, peer=nd.Peer("GONE@127.0.0.1:9"))
    grid.filter.value = words
    assert [k for _, k in grid.rows.options] == found


def test_the_texts_of_a_column_are_those_of_its_values() -> None:
    from nbdicom.notebook.lines import Lines, _texts

    lines = Lines(MIXED)
    for k, name in enumerate(MIXED.columns):
        if name in lines.names:
            column = [lines.cells(row)[lines.names.index(name)] for row in range(len(MIXED))]
            assert list(_texts(name, MIXED.iloc[:, k])) == column, name


def test_a_name_from_right_to_left_leaves_the_columns_where_they_are() -> None:
    from nbdicom.notebook.browser import _says
    from nbdicom.notebook.lines import Lines
    from nbdicom.peer.query import Level

    names = ["\u05d9\u05e9\u05e8\u05d0\u05dc", "Doe^Jane"]
    frame = pd.DataFrame({"PatientName": names, "PatientID": ["98765", "1"], "PatientBirthDate": ["1980-02-03"] * 2})
    lines = Lines(frame)
    assert lines[0].startswith(f"\u2068{names[0]}\u2069") and lines[0].index("98765") - lines[1].index("1") == 2
    assert _says(frame, 0, Level.PATIENT) == f"\u2068{names[0]}\u2069  98765  1980-02-03"
    assert _says(frame, 1, Level.PATIENT) == "Doe^Jane  1  1980-02-03"


def test_what_a_peer_sent_is_escaped() -> None:
    evil = pd.DataFrame(
        {"StudyInstanceUID": ["1.2"], "PatientName": ["<script>alert(1)</script>\x1b[2J"], "<b>": ["x"]}
    )
    grid = nd.ResultsGrid(evil, peer=nd.Peer("GONE@127.0.0.1:9"))
    grid.rows.value = (0,)
    assert "<script>" not in grid._details.value and "<b>" not in grid._head.value.replace("<b>", "", 0)
    assert "\x1b" not in grid.rows.options[0][0]


def test_masked_rows(pacs) -> None:
    with privacy.masked():
        grid = nd.ResultsGrid(pacs.studies())
        grid.rows.value = (0,)
        assert "Marlowe" not in str(grid.rows.options) and "Marlowe" not in grid._details.value
        grid.filter.value = "marlowe"
        assert grid.rows.options == ()


def test_retrieve(grid) -> None:
    grid.rows.value = (0,)
    job = grid.retrieve()
    result = job.wait(LIMIT)
    assert result.ok and len(result.paths) == grid.frame.NumberOfStudyRelatedInstances[0]
    assert grid.result is result and not grid.show_button.disabled
    progress, strip = grid._jobs.children
    assert "done" in progress.children[2].value
    until(lambda: any(label.endswith(")</div>") for label in texts(strip)))


def test_pictures_of_what_comes_again(grid) -> None:
    for _ in range(2):
        grid.rows.value = (0,)
        grid.retrieve().wait(LIMIT)
        until(lambda: any(label.endswith(")</div>") for label in texts(grid._jobs.children[1])))


def test_what_cannot_be_retrieved(grid, pacs) -> None:
    assert grid.retrieve() is None and "nothing is selected" in grid._problem.value
    grid.rows.value = (0,)
    grid.folder.value = " "
    assert grid.retrieve() is None and "folder" in grid._problem.value
    lost = pd.DataFrame({"StudyInstanceUID": ["1.2"]})
    grid = nd.ResultsGrid(lost)
    grid.rows.value = (0,)
    assert grid.retrieve() is None and "pass peer=pacs" in grid._problem.value


# ------------------------------------------------------------------------------- the browser


def test_down_the_levels(pacs, tmp_path) -> None:
    browser = nd.Browser(pacs, to=tmp_path)
    assert browser.selection is None and browser.retrieve() is None
    browser.name.value = "Marlowe*"
    browser.load().wait(LIMIT)
    patients, studies, series, instances = browser.lists.values()
    assert len(patients.options) == 1 and "Marlowe^Anna" in patients.options[0][0] and studies.disabled
    for box, below in ((patients, studies), (studies, series), (series, instances)):
        box.value = 0
        list(browser._loading.values())[-1].wait(LIMIT)
        assert len(below.options) > 0 and not below.disabled
    instances.value = 0
    assert browser.selection.SOPInstanceUID.iloc[0] in browser._details.value
    assert browser.retrieve_button.description == "Retrieve this instance"
    assert len(browser.retrieve().wait(LIMIT).paths) == 1
    patients.value = None
    patients.value = 0
    list(browser._loading.values())[-1].wait(LIMIT)
    assert instances.options == () and browser.retrieve_button.description == "Retrieve this patient"
    assert browser.frame("studies") is not None and browser.frame("instances") is None


@pytest.mark.parametrize("way", ["retrieve", "pull"])
def test_pictures_appear_while_objects_arrive(way, tmp_path) -> None:
    first, second = [one for one in sample_instances() if one.Modality == "CT"][:40:39]
    assert first.SeriesInstanceUID != second.SeriesInstanceUID
    first.StudyInstanceUID = second.StudyInstanceUID = "1.2"
    first_is_seen = threading.Event()

    class Awaited:
        """The second image, which is sent when there is a picture of the first."""

        def __init__(self, image) -> None:
            self.instance = instance(image)

        def __getattr__(self, name):
            return getattr(self.instance, name)

        def open(self, transfer_syntax):
            assert first_is_seen.wait(LIMIT)
            return self.instance.open(transfer_syntax)

    def wanted(request):
        series = request.identifier().get("SeriesInstanceUID")
        return [one for one in (first, second) if not series or one.SeriesInstanceUID in series]

    def find(request):
        level = request.identifier().QueryRetrieveLevel
        return [
            {"PatientID": "1", "StudyInstanceUID": "1.2", "SeriesInstanceUID": one.SeriesInstanceUID}
            | ({"SOPInstanceUID": one.SOPInstanceUID, "SOPClassUID": one.SOPClassUID} if level == "IMAGE" else {})
            for one in wanted(request)[: 1 if level == "STUDY" else None]
        ]

    def get(request):
        return [Awaited(one) if one is second else instance(one) for one in wanted(request)]

    models = [f"StudyRootQueryRetrieveInformationModel{name}" for name in ("Find", "Get")]
    contexts = [*models, nd.PresentationContext(first.SOPClassUID, scu_role=True, scp_role=True)]
    with nd.Server(nd.Handlers(find=find, get=get), ae_title="SLOW", contexts=contexts).start() as server:
        browser = nd.Browser(nd.Peer("SLOW", *server.address), to=tmp_path)
        browser.load().wait(LIMIT)
        browser.lists["PATIENT"].value = 0
        list(browser._loading.values())[-1].wait(LIMIT)
        browser.lists["STUDY"].value = 0
        browser.way.value = way
        job = browser.retrieve()

        def pictures() -> int:
            return sum("<img alt='Image of series" in text for text in texts(browser._jobs))

        until(lambda: pictures() == 1)
        assert not job.snapshot.is_over
        first_is_seen.set()
        assert len(job.wait(LIMIT).paths) == 2
        until(lambda: pictures() == 2)


def test_a_peer_without_the_patient_root(tmp_path) -> None:
    model = "StudyRootQueryRetrieveInformationModelFind"
    answers = [{"PatientID": "1", "PatientName": "A^B", "StudyInstanceUID": f"1.{k}"} for k in range(3)]
    server = nd.Server(nd.Handlers(find=lambda request: answers), ae_title="SR", contexts=[model]).start()
    try:
        host, port = server.address
        browser = nd.Browser(nd.Peer("SR", host, port))
        browser.load().wait(LIMIT)
        assert [label for label, _ in browser.lists["PATIENT"].options] == ["A^B  1"]
    finally:
        server.close()


def test_from_a_retrieval_to_its_images(grid) -> None:
    grid.filter.value = "marlowe"
    grid.all_button.click()
    grid.retrieve().wait(LIMIT)
    grid.show_button.click()
    until(lambda: {"Window", "Attributes"} <= set(labels(grid._viewer)))
