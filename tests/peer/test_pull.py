"""A pull is complete only where that is proven: peers that lose, miscount, name nothing or break; and it resumes."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import re
import threading
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pandas as pd
import pydicom
import pytest

from nbdicom import AsyncPeer, Job, Peer
from nbdicom.data import codec, instance
from nbdicom.data.lock import FolderLock
from nbdicom.errors import AssociationError, NbdicomError, OperationFailed, QueryError
from nbdicom.operations.requests import Refuse
from nbdicom.peer import cohort
from nbdicom.peer.cohort import CohortFolder
from nbdicom.peer.notices import IncompleteTransfer
from tests.data.test_lock import held_elsewhere
from tests.peer.conftest import MODELS, ct
from tests.peer.test_transfer import CT, role
from tests.ports import free_port

SERIES = {"1.2.3.1": 3, "1.2.3.2": 4}


class Archive:
    """One study of two series; what it says and what it does can be bent."""

    def __init__(self) -> None:
        self.images = {str(i.SOPInstanceUID): i for s, n in SERIES.items() for i in (ct(s, k + 1) for k in range(n))}
        self.counts: dict[str, Any] = dict(SERIES)  #: NumberOfSeriesRelatedInstances
        self.unnamed: set[str] = set()  #: instances that C-FIND does not name
        self.lost: dict[str, int] = {}  #: how often an instance is not sent
        self.refused: set[str] = set()  #: levels at which C-FIND fails
        self.asked: list[Any] = []  #: identifiers of C-GET and C-MOVE

    def find(self, request: Any) -> Iterator[dict[str, Any]]:
        query = request.identifier()
        level = query.QueryRetrieveLevel
        if level in self.refused:
            raise Refuse(0xA900, "not at\nthis level")
        if level == "STUDY":
            yield {"StudyInstanceUID": "1.2.3", "SOPClassesInStudy": CT}
        series = [query.get("SeriesInstanceUID")] if query.get("SeriesInstanceUID") else list(SERIES)
        for uid in series if level != "STUDY" and query.StudyInstanceUID == "1.2.3" else ():
            if level == "SERIES":
                yield {"SeriesInstanceUID": uid, "Modality": "CT", "NumberOfSeriesRelatedInstances": self.counts[uid]}
            else:
                names = [one for one, image in self.images.items() if image.SeriesInstanceUID == uid]
                for one in names:
                    if one not in self.unnamed:
                        yield {"SOPInstanceUID": one, "SOPClassUID": CT}

    def get(self, request: Any) -> list[Any]:
        wanted = request.identifier()
        self.asked.append(wanted)
        found = []
        for uid, image in self.images.items():
            named = wanted.get("SOPInstanceUID") or uid
            series = wanted.get("SeriesInstanceUID") or image.SeriesInstanceUID
            if uid not in ([named] if isinstance(named, str) else named) or series != image.SeriesInstanceUID:
                continue
            if self.lost.get(uid):
                self.lost[uid] -= 1
            else:
                found.append(instance(image))
        return found


@pytest.fixture
def archive() -> Archive:
    return Archive()


def serving(scp: Any, archive: Archive) -> Peer:
    peer: Peer = scp(
        contexts=[role(c) for c in (CT, *MODELS)], find=lambda r: archive.find(r), get=lambda r: archive.get(r)
    )
    return peer


@pytest.fixture
def pacs(scp_of_both: Any, archive: Archive) -> Peer:
    return serving(scp_of_both, archive)


@pytest.fixture
def blocking(scp: Any, archive: Archive) -> Peer:
    """What only a `Peer` is asked for: work in a job, and the next step from a table."""
    return serving(scp, archive)


def pull(peer: Peer, to: Path, **options: Any) -> Any:
    return peer.pull(StudyInstanceUID="1.2.3", to=to, **options)


def states(result: Any) -> dict[str, str]:
    return {row.series: row.state for row in result}


def test_a_study_is_complete(pacs: Peer, archive: Archive, tmp_path: Path) -> None:
    result = pull(pacs, tmp_path / "cohort")
    assert result and result.ok
    assert states(result) == dict.fromkeys(SERIES, "complete")
    assert [(row.named, row.counted, len(row.files), row.new) for row in result] == [(3, 3, 3, 3), (4, 4, 4, 4)]
    assert "2 of 2 series complete: 7 of 7 instances" in result.summary
    assert "by name" in repr(result) and "complete" in result._repr_html_()
    for path in result.paths:
        image = pydicom.dcmread(path)
        assert path == tmp_path / "cohort" / "1.2.3" / image.SeriesInstanceUID / f"{image.SOPInstanceUID}.dcm"
    assert not list((tmp_path / "cohort").rglob(".*"))


def test_the_results_are_tables(pacs: Peer, tmp_path: Path) -> None:
    result = pull(pacs, tmp_path)
    frame = result.to_frame()
    assert frame["here"].tolist() == [3, 4] and str(frame["here"].dtype) == "Int64"
    assert frame.dicom.peer.address == pacs.address
    instances = result.instances()
    assert len(instances) == 7 and instances["ok"].all()
    assert sorted(map(Path, instances["path"])) == sorted(result.paths)


def test_the_manifest_has_digests_and_no_person(pacs: Peer, tmp_path: Path) -> None:
    result = pull(pacs, tmp_path)
    text = result.manifest.read_text()
    assert "DOE" not in text and '"P1"' not in text
    lines = [json.loads(line) for line in text.splitlines()]
    files = [line for line in lines if "sha256" in line]
    assert len(files) == 7 and {line["from"] for line in files} == {pacs.address}
    assert [line["state"] for line in lines if "state" in line] == ["complete", "complete"]
    assert len(pd.read_json(result.manifest, lines=True, dtype=str)) == 9


def test_the_second_time_nothing_is_fetched(pacs: Peer, archive: Archive, tmp_path: Path) -> None:
    pull(pacs, tmp_path)
    before = len(archive.asked)
    again = pull(pacs, tmp_path)
    assert again.ok and again.new == 0 and len(again.paths) == 7
    assert len(archive.asked) == before


def test_a_smaller_cohort_says_what_else_is_in_the_folder(pacs: Peer, tmp_path: Path) -> None:
    assert pull(pacs, tmp_path).beside == 0
    smaller = pacs.pull(StudyInstanceUID="1.2.3", SeriesInstanceUID="1.2.3.1", to=tmp_path)
    assert smaller.ok and len(smaller.paths) == 3 and smaller.beside == 4
    assert "4 instances in the folder are not of this cohort" in repr(smaller)
    next(path for path in tmp_path.rglob("*.dcm") if path not in smaller.paths).unlink()
    assert pacs.pull(StudyInstanceUID="1.2.3", SeriesInstanceUID="1.2.3.1", to=tmp_path).beside == 3


def test_an_interrupted_pull_resumes(pacs: Peer, archive: Archive, tmp_path: Path) -> None:
    def interrupt(done: int, total: int | None) -> None:
        if total == 7 and done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        pull(pacs, tmp_path, progress=interrupt)
    there = {path.stem for path in tmp_path.rglob("*.dcm")}
    kept = caught.value.results  # type: ignore[attr-defined]
    assert set(kept.paths) == set(tmp_path.rglob("*.dcm")) and "cancelled before it was done" in kept.summary
    assert 2 <= len(there) < 7
    with (tmp_path / "manifest.jsonl").open("a") as manifest:
        manifest.write('{"SOPInstanceUID": "1.2.')  # torn off by a power cut, say
    archive.asked.clear()
    result = pull(pacs, tmp_path)
    assert result.ok and result.new == 7 - len(there), result
    for one in archive.asked:  # by name in the series that was begun, as a whole in the other one
        names = one.get("SOPInstanceUID") or [uid for uid in archive.images if uid.startswith(one.SeriesInstanceUID)]
        assert not there & {names} if isinstance(names, str) else not there & set(names)
    assert pull(pacs, tmp_path).new == 0


def test_a_file_without_a_line_is_taken_over(pacs: Peer, archive: Archive, tmp_path: Path) -> None:
    result = pull(pacs, tmp_path)
    result.manifest.unlink()
    archive.asked.clear()
    again = pull(pacs, tmp_path)
    assert again.ok and again.new == 0 and not archive.asked
    assert {one.sha256 for row in again for one in row.files} == {one.sha256 for row in result for one in row.files}


@pytest.mark.parametrize("recheck", [False, True])
def test_a_file_that_has_changed(pacs: Peer, tmp_path: Path, recheck: bool) -> None:
    result = pull(pacs, tmp_path)
    shorter, other, *_ = result.paths
    shorter.write_bytes(shorter.read_bytes()[:-2])
    data = other.read_bytes()
    other.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    again = pull(pacs, tmp_path, recheck=recheck)
    assert again.ok and again.new == (2 if recheck else 1)
    assert (other.read_bytes() == data) is recheck


def test_what_is_lost_once_is_asked_for_again(pacs: Peer, archive: Archive, tmp_path: Path) -> None:
    archive.lost = {"1.2.3.1.2": 1, "1.2.3.2.4": 1}
    result = pull(pacs, tmp_path)
    assert result.ok, result


def test_what_stays_lost_is_named(pacs: Peer, archive: Archive, tmp_path: Path) -> None:
    archive.lost = {"1.2.3.1.2": 99}
    with pytest.warns(IncompleteTransfer, match=r"1\.2\.3\.1: incomplete, 1 missing: the peer answered Success"):
        result = pull(pacs, tmp_path)
    assert not result
    assert result.missing == ("1.2.3.1.2",)
    assert states(result) == {"1.2.3.1": "incomplete", "1.2.3.2": "complete"}
    assert result.instances()["ok"].tolist().count(False) == 1
    with pytest.raises(OperationFailed, match="incomplete"):
        pull(pacs, tmp_path, raise_on_error=True)
    archive.lost = {}
    assert pacs.pull(result, to=tmp_path).ok  # the result itself says what to ask for


def test_what_comes_meanwhile_is_fetched(pacs: Peer, archive: Archive, tmp_path: Path) -> None:
    def late(done: int, total: int | None) -> None:
        if done == 1:
            archive.images["1.2.3.2.5"] = ct("1.2.3.2", 5)
            archive.counts["1.2.3.2"] = 5

    result = pull(pacs, tmp_path, progress=late)
    assert result.ok and len(result.paths) == 8


@pytest.mark.parametrize(
    ("count", "named", "state", "words"),
    [
        (3, True, "complete", "by name"),
        (2, True, "complete", "it counts 2"),
        (5, True, "unproven", "the peer counts 5 and names 3"),
        ("", True, "complete", "by name"),
        (3, False, "complete", "by count"),
        (2, False, "unproven", "counts 2 and has sent 3"),
        (5, False, "incomplete", "2 missing by the peer's count"),
        ("", False, "unproven", "does not say what it has"),
    ],
)
def test_counters_that_lie(
    pacs: Peer, archive: Archive, tmp_path: Path, count: Any, named: bool, state: str, words: str
) -> None:
    archive.counts["1.2.3.1"] = count
    if not named:
        archive.refused = {"IMAGE"}
    if state == "complete" and named:
        result = pull(pacs, tmp_path)
    else:
        with pytest.warns() if state != "complete" else nullcontext():
            result = pull(pacs, tmp_path)
    (row,) = [row for row in result if row.series == "1.2.3.1"]
    assert (row.state, row.ok) == (state, state == "complete")
    assert words in row.message
    assert len(row.files) == 3


def test_a_peer_that_does_not_answer_queries(scp_of_both: Any, archive: Archive, tmp_path: Path) -> None:
    peer = scp_of_both(contexts=[role(CT), "StudyRootQueryRetrieveInformationModelGet"], get=archive.get)
    with pytest.warns(IncompleteTransfer, match="the peer does not say what it has"):
        result = pull(peer, tmp_path)
    assert [(row.name, row.state, len(row.files)) for row in result] == [("study 1.2.3", "unproven", 7)]


def test_what_the_peer_comments_is_one_line_of_the_log(
    pacs: Peer, archive: Archive, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    archive.refused = {"IMAGE"}
    with caplog.at_level("INFO", "nbdicom.peer"):
        pull(pacs, tmp_path)
    said = [line for line in caplog.messages if "does not say" in line]
    assert said and all("not at\\nthis level" in line and "\n" not in line for line in said)


def test_what_the_peer_does_not_have(pacs: Peer, tmp_path: Path) -> None:
    with pytest.warns(IncompleteTransfer, match="the peer says that it has nothing there"):
        result = pacs.pull(StudyInstanceUID="1.2.99", to=tmp_path)
    assert [row.state for row in result] == ["incomplete"]


def test_the_table_of_nothing_has_its_columns(pacs: Peer, tmp_path: Path) -> None:
    with pytest.warns(IncompleteTransfer):
        result = pacs.pull(StudyInstanceUID="9.9", to=tmp_path)
    table = result.instances()
    assert len(table) == 0 and {"SOPInstanceUID", "path", "bytes", "ok"} <= set(table.columns)
    assert table.dicom.peer.address == pacs.address


def test_instances_by_name(pacs: Peer, archive: Archive, tmp_path: Path) -> None:
    keys = {"StudyInstanceUID": "1.2.3", "SeriesInstanceUID": "1.2.3.2"}
    result = pacs.pull(**keys, SOPInstanceUID=["1.2.3.2.1", "1.2.3.2.2"], to=tmp_path)
    assert result.ok and len(result.paths) == 2
    with pytest.warns(IncompleteTransfer):
        result = pacs.pull(**keys, SOPInstanceUID=["1.2.3.2.1", "1.2.3.2.99"], to=tmp_path)
    assert result.missing == ("1.2.3.2.99",) and result.new == 0


def test_only_looking(pacs: Peer, archive: Archive, tmp_path: Path) -> None:
    with pytest.warns(IncompleteTransfer, match="nothing was fetched"):
        result = pull(pacs, tmp_path, tries=0)
    assert len(result.missing) == 7 and not archive.asked
    pull(pacs, tmp_path)
    assert pull(pacs, tmp_path, tries=0).ok


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"SeriesInstanceUID": "1.2.3.7"}, "names another study or series"),
        ({"SOPInstanceUID": "1.2.3.1.77"}, "another SOP Instance UID"),
    ],
)
def test_files_that_are_not_what_they_should_be(
    pacs: Peer, archive: Archive, tmp_path: Path, change: dict[str, str], words: str
) -> None:
    class Other:
        """Another data set than the command names."""

        def __init__(self) -> None:
            self.sop_class_uid, self.sop_instance_uid, self.transfer_syntax = CT, "1.2.3.1.1", "1.2.840.10008.1.2.1"

        def open(self, transfer_syntax: str) -> Any:
            from nbdicom.core.streams import BytesSource

            return BytesSource(codec.encode(ct("1.2.3.1", 1, **change), transfer_syntax))

    class Wrong(Archive):
        def get(self, request: Any) -> list[Any]:
            return [Other() if one.sop_instance_uid == "1.2.3.1.1" else one for one in super().get(request)]

    archive.__class__ = Wrong
    with pytest.warns(IncompleteTransfer, match=words):
        result = pull(pacs, tmp_path)
    assert result.missing == ("1.2.3.1.1",)


def test_a_peer_that_breaks_is_called_again(pacs: Peer, archive: Archive, tmp_path: Path) -> None:
    own, broken = archive.get, []

    def get(request: Any) -> Any:
        if not broken and request.identifier().get("SeriesInstanceUID") == "1.2.3.2":
            broken.append(True)
            for association in pacs.server.associations:  # type: ignore[attr-defined]
                association.abort()
        return own(request)

    archive.get = get  # type: ignore[method-assign]
    peer = pacs
    result = pull(peer, tmp_path)
    assert result.ok and len(result.paths) == 7


def test_a_peer_that_is_not_there(peer_of: Any, tmp_path: Path) -> None:
    with pytest.raises(AssociationError):
        peer_of("PACS@127.0.0.1:1").pull(StudyInstanceUID="1.2.3", to=tmp_path)
    with pytest.raises(QueryError, match="0 or more"):
        peer_of("PACS@127.0.0.1:1").pull(StudyInstanceUID="1.2.3", to=tmp_path, tries=-1)
    with pytest.raises(QueryError, match="nothing was asked for"):
        peer_of("PACS@127.0.0.1:1").pull(to=tmp_path)


def test_from_a_frame_and_in_a_job(blocking: Peer, tmp_path: Path) -> None:
    studies = blocking.studies(StudyInstanceUID="1.2.3")
    assert studies.dicom.pull(tmp_path / "a").ok
    job = studies.dicom.pull(tmp_path / "b", wait=False)
    assert isinstance(job, Job)
    assert job.wait(timeout=30).ok and "series complete" in str(job.snapshot)


def test_a_cancelled_job_tells_what_is_missing(blocking: Peer, tmp_path: Path) -> None:
    def work(job: Job[Any]) -> Any:
        def progress(done: int, total: int | None) -> None:
            if total == 7 and done == 1:
                job.cancel()
            job.check()

        return pull(blocking, tmp_path, progress=progress)

    job = Job(work, label="pull").start()
    with pytest.warns(IncompleteTransfer, match="cancelled before it was done"):
        result = job.wait(timeout=30)
    assert job.state == "cancelled" and 1 <= len(result.paths) < 7
    again = pull(blocking, tmp_path)
    assert again.ok and again.new == 7 - len(result.paths)


def test_by_move(scp_of_both: Any, archive: Archive, tmp_path: Path) -> None:
    port = free_port()
    peer = scp_of_both(
        contexts=["StudyRootQueryRetrieveInformationModelMove", "StudyRootQueryRetrieveInformationModelFind"],
        find=archive.find,
        move=archive.get,
        destination=lambda title: ("127.0.0.1", port),
    )
    archive.lost = {"1.2.3.1.2": 1}
    result = pull(peer, tmp_path, listen=f"127.0.0.1:{port}")
    assert result.ok and len(result.paths) == 7, result


def test_what_was_pulled_can_be_stored(pacs: Peer, scp: Any, tmp_path: Path) -> None:
    stored = []
    other = scp(contexts=[CT], ae_title="OTHER", store=lambda request: stored.append(request) or 0)
    result = pull(pacs, tmp_path)
    assert result.instances().dicom.store(other).ok and len(stored) == 7
    with pytest.raises(QueryError, match="has no files"):
        pacs.studies(StudyInstanceUID="1.2.3").dicom.store(other)


# ------------------------------------------------------------------------------- two at once


def in_use(peer: Peer, to: Path, **options: Any) -> str:
    with pytest.raises(NbdicomError) as caught:
        pull(peer, to, **options)
    return str(caught.value)


def test_a_second_pull_into_a_folder_is_refused(pacs: Peer, archive: Archive, tmp_path: Path) -> None:
    """While the first one is at it, wherever; that one is not disturbed, and afterwards the folder is free."""
    said: list[str] = []

    def meanwhile(done: int, total: int | None) -> None:
        if total == 7 and done == 2 and not said:
            thread = threading.Thread(target=lambda: said.extend((in_use(pacs, tmp_path), in_use(pacs, tmp_path, tries=0))))
            thread.start()
            thread.join(60)

    first = pull(pacs, tmp_path, progress=meanwhile)
    assert first.ok and len(said) == 2
    for words in said:
        assert re.search(r"another pull uses the folder .*\(this process, since .*\) -> wait until that one", words)
    lines = [json.loads(line) for line in (tmp_path / "manifest.jsonl").read_text().splitlines()]
    assert len(lines) == 9
    again = pull(pacs, tmp_path)
    assert again.ok and again.new == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.2.3", "manifest.jsonl"]


def test_a_pull_of_another_process(pacs: Peer, tmp_path: Path) -> None:
    """One that was killed left its file behind; it keeps nobody out."""
    with held_elsewhere(tmp_path / "manifest.lock") as other:
        words = in_use(pacs, tmp_path)
        assert f"process {other.pid} on " in words and not (tmp_path / "manifest.jsonl").exists()
        other.kill()
        other.wait(60)
    assert (tmp_path / "manifest.lock").exists()
    assert pull(pacs, tmp_path).ok
    assert not (tmp_path / "manifest.lock").exists()


def test_a_pull_of_two_tasks(scp: Any, archive: Archive, tmp_path: Path) -> None:
    peer = serving(scp, archive)
    keys = {"StudyInstanceUID": "1.2.3"}

    async def work() -> list[Any]:
        asking = AsyncPeer(peer.ae_title, peer.host, peer.port)
        pulls = [asking.pull(**keys, to=tmp_path / name) for name in ("one", "one", "two")]
        return await asyncio.gather(*pulls, return_exceptions=True)

    first, second, elsewhere = asyncio.run(work())
    assert first.ok and elsewhere.ok
    assert isinstance(second, NbdicomError) and "another pull uses the folder" in str(second)


def test_an_interrupt_gives_the_folder_back(pacs: Peer, tmp_path: Path) -> None:
    def interrupt(done: int, total: int | None) -> None:
        raise KeyboardInterrupt

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            pull(pacs, tmp_path, progress=interrupt)
        assert not (tmp_path / "manifest.lock").exists()
    assert pull(pacs, tmp_path).ok


def test_a_job_gives_the_folder_back(blocking: Peer, tmp_path: Path) -> None:
    with FolderLock(tmp_path / "manifest.lock"):
        job = blocking.pull(StudyInstanceUID="1.2.3", to=tmp_path, wait=False)
        with pytest.raises(NbdicomError, match="another pull uses the folder"):
            job.wait(timeout=60)
    assert blocking.pull(StudyInstanceUID="1.2.3", to=tmp_path, wait=False).wait(timeout=60).ok


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_can_only_be_read(pacs: Peer, tmp_path: Path) -> None:
    pull(pacs, tmp_path)
    (tmp_path / "manifest.jsonl").chmod(0o400)
    tmp_path.chmod(0o500)
    try:
        assert "tries=0" in in_use(pacs, tmp_path)
        looked = pull(pacs, tmp_path, tries=0)
        assert looked.ok and looked.new == 0
    finally:
        tmp_path.chmod(0o700)


def test_nothing_can_be_written(pacs: Peer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that can only be read, or a disk that is full: who only looks hears what is there."""

    def full(*args: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    pull(pacs, tmp_path)
    (tmp_path / "manifest.jsonl").unlink()
    monkeypatch.setattr(CohortFolder, "_append", full)
    monkeypatch.setattr(cohort, "FolderLock", full)
    assert "cannot be used: No space left on device" in in_use(pacs, tmp_path)
    looked = pull(pacs, tmp_path, tries=0)
    assert looked.ok and len(looked.paths) == 7


def test_where_there_are_no_locks(pacs: Peer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*args: Any) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(cohort, "FolderLock", unknown)
    assert pull(pacs, tmp_path).ok


def test_what_is_here_is_not_written_over(pacs: Peer, archive: Archive, tmp_path: Path, caplog: Any) -> None:
    """An archive sends what was not asked for, under the name of an instance that came before, of another archive say."""
    result = pull(pacs, tmp_path)
    (first,) = [path for path in result.paths if path.name == "1.2.3.1.1.dcm"]
    data = first.read_bytes()
    other = ct("1.2.3.1", 1, PatientComments="another one")
    archive.images = {"1.2.3.2.9": ct("1.2.3.2", 9), "1.2.3.1.1": other}
    archive.counts = {"1.2.3.2": 1, "1.2.3.1": 0}
    archive.get = lambda request: [instance(image) for image in archive.images.values()]  # type: ignore[method-assign]
    again = pacs.pull(StudyInstanceUID="1.2.3", SeriesInstanceUID="1.2.3.2", to=tmp_path)
    assert again.new == 1 and first.read_bytes() == data
    (beside,) = first.parent.glob("1.2.3.1.1-*.dcm")
    assert pydicom.dcmread(beside).PatientComments == "another one"
    assert "1.2.3.1.1 came with other bytes than are here" in caplog.text
    (line,) = [line for line in map(json.loads, result.manifest.read_text().splitlines()) if "beside" in line]
    assert line["beside"] == str(beside.relative_to(tmp_path)) and "path" not in line
    files = CohortFolder(tmp_path, source="test")
    kept = files.find("1.2.3.1.1")
    assert kept is not None and tmp_path / kept.path == first and files.is_whole(kept)


def test_a_manifest_names_nothing_outside_of_its_folder(pacs: Peer, tmp_path: Path) -> None:
    """Folders are passed on, and what is in them is stored elsewhere."""
    result = pull(pacs, tmp_path / "cohort")
    secret = tmp_path / "secret"
    secret.write_bytes(result.paths[0].read_bytes())
    lines = [json.loads(line) for line in result.manifest.read_text().splitlines()]
    for line, path in zip(lines, (str(secret), "../secret"), strict=False):
        line |= {"path": path, "bytes": secret.stat().st_size}
    result.manifest.write_text("".join(json.dumps(line) + "\n" for line in lines))
    again = pull(pacs, tmp_path / "cohort")
    assert again.ok and secret not in [path.resolve() for path in again.paths] and len(again.paths) == 7
