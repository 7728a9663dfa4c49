"""Long work in a thread: progress, its end, and what a cancellation leaves."""

import _thread
import contextvars
import socket
import threading
from dataclasses import replace

import pytest

from nbdicom.config import Timeouts
from nbdicom.core.negotiation import PresentationContext
from nbdicom.data import instance
from nbdicom.errors import OperationCancelled
from nbdicom.job import Job, Snapshot
from nbdicom.peer import Peer, UndecodableValues
from nbdicom.peer.notices import notify

from .peer.conftest import make_ct, scp  # noqa: F401  fixtures

LIMIT = 60
CT = "1.2.840.10008.5.1.4.1.1.2"


class Seen:
    """A view that remembers, and tells when a state was reached."""

    def __init__(self, job):
        self.snapshots = []
        self.news = threading.Condition()
        job.watch(self)

    def __call__(self, snapshot):
        with self.news:
            self.snapshots.append(snapshot)
            self.news.notify_all()

    def until(self, condition):
        with self.news:
            self.news.wait_for(lambda: any(map(condition, self.snapshots)) or self.snapshots[-1].is_over, LIMIT)
            assert any(map(condition, self.snapshots)), self.snapshots[-1]


def until_cancelled(job):
    """Work without a network that can be cancelled."""
    never = threading.Event()
    job.report(1, 10, unit="step")
    while not never.wait(0.01):
        job.check()


def test_a_result() -> None:
    job = Job(lambda job: 6 * 7, label="a product")
    assert job.state == "waiting" and not job.running
    assert job.start().wait(LIMIT) == 42
    assert job.state == "done" and job.result == 42 and not job.running
    assert "a product: done" in repr(job)


def test_without_a_thread_it_has_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    job = Job(lambda job: 6 * 7)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError):
            job.start()
    assert job.state == "waiting" and not job.running
    assert job.start().wait(LIMIT) == 42


def test_an_error_is_raised_where_one_waits_and_its_text_is_shown_nowhere() -> None:
    def fails(job):
        raise ValueError("Doe^Jane is no number")

    job = Job(fails).start()
    with pytest.raises(ValueError, match="no number"):
        job.wait(LIMIT)
    assert job.state == "failed" and "Doe" not in repr(job) and "ValueError" in repr(job)


def test_cancel() -> None:
    job = Job(until_cancelled)
    seen = Seen(job)
    job.start()
    seen.until(lambda s: s.done == 1)
    job.cancel()
    with pytest.raises(OperationCancelled):
        job.wait(LIMIT)
    assert job.state == "cancelled" and seen.snapshots[-1].state == "cancelled"


def test_an_interrupt_of_who_waits_cancels() -> None:
    job = Job(until_cancelled)
    job.watch(lambda s: _thread.interrupt_main() if s.done == 1 and s.state == "running" else None)
    job.start()
    with pytest.raises(KeyboardInterrupt):
        job.wait(LIMIT)
    assert job.state == "cancelled"


def test_a_timeout_of_who_waits_leaves_it_running() -> None:
    job = Job(until_cancelled).start()
    with pytest.raises(TimeoutError):
        job.wait(0.01)
    assert job.running
    job.cancel()
    with pytest.raises(OperationCancelled):
        job.wait(LIMIT)


def test_few_updates_and_an_exact_last_one() -> None:
    def work(job):
        for number in range(1, 20_001):
            job.report(number, 20_000, size=number * 1000)

    job = Job(work)
    seen = Seen(job)
    job.start().wait(LIMIT)
    assert seen.snapshots[-1].done == 20_000 and seen.snapshots[-1].state == "done"
    assert len(seen.snapshots) < 10 * job.snapshot.seconds + 5


def test_a_view_that_comes_while_the_job_ends_is_told_the_end_last_and_once() -> None:
    go_on, told, states = threading.Event(), threading.Event(), []
    job = Job(lambda job: go_on.wait(LIMIT)).start()

    def view(now):
        if now.is_over:
            told.set()
        else:
            go_on.set()
            told.wait(0.5)  # in which the end might overtake what is being told
        states.append(now.state)

    job.watch(view)
    job.wait(LIMIT)
    assert job._shown.wait(LIMIT) and states == ["running", "done"]


def test_a_view_that_breaks_takes_no_other_with_it() -> None:
    job = Job(lambda job: 1)
    broken = threading.Event()

    def breaks(snapshot):
        if snapshot.is_over:
            broken.set()
            raise RuntimeError

    job.watch(breaks)
    seen = Seen(job)
    job.start().wait(LIMIT)
    assert broken.is_set() and seen.snapshots[-1].state == "done"


def test_the_work_runs_in_the_context_of_who_starts_it() -> None:
    cell = contextvars.ContextVar("cell", default="none")
    cell.set("this one")
    assert Job(lambda job: cell.get()).start().wait(LIMIT) == "this one"


def test_warnings_are_given_to_who_waits() -> None:
    def work(job):
        notify(UndecodableValues("2 values cannot be read"))
        return 1

    job = Job(work).start()
    with pytest.warns(UndecodableValues, match="2 values"):
        job.wait(LIMIT)


@pytest.mark.parametrize(
    ("snapshot", "text"),
    [
        (Snapshot("running", 3, 12, "instance", 3_000_000, 1.5),
         "running, 3 of 12 instances, 3.0 MB, 2.0 MB/s, about 4 s left"),
        (Snapshot("running", 3, None, "match", 0, 0.1), "running, 3 matches"),
        (Snapshot("failed", note="no answer"), "failed: no answer"),
    ],
)  # fmt: skip
def test_words(snapshot, text) -> None:
    assert str(snapshot) == text


# ------------------------------------------------------------------------------- with a peer


@pytest.fixture
def slow():
    """An event that lets the handlers of a slow SCP go on."""
    event = threading.Event()
    yield event
    event.set()


def test_a_query_is_cancelled(scp, slow) -> None:  # noqa: F811
    ended = threading.Event()

    def find(request):
        try:
            for number in range(LIMIT * 100):
                yield {"PatientID": "1", "StudyInstanceUID": f"1.2.{number}"}
                if slow.wait(0.01):
                    return
        finally:
            ended.set()

    peer = scp(find=find)
    job = Job(lambda job: peer.studies(progress=job), label="find")
    seen = Seen(job)
    job.start()
    seen.until(lambda s: s.done >= 1)
    job.cancel()
    frame = job.wait(LIMIT)
    assert job.state == "cancelled" and ended.wait(LIMIT)
    assert 1 <= len(frame) < LIMIT * 100 and frame.dicom.truncated and frame.attrs["nbdicom"]["cancelled"]
    assert "C-FIND" in frame.attrs["nbdicom"]["status"] or "FE00" in frame.attrs["nbdicom"]["status"]


class Held:
    """An instance whose data set is there when something has happened."""

    def __init__(self, image, happened):
        self.instance, self.happened = instance(image), happened

    def __getattr__(self, name):
        return getattr(self.instance, name)

    def open(self, transfer_syntax):
        self.happened()
        return self.instance.open(transfer_syntax)


def get_peer(scp, *instances):  # noqa: F811
    """A peer with these instances and no more."""
    contexts = [PresentationContext(CT, scu_role=True, scp_role=True), "StudyRootQueryRetrieveInformationModelGet"]
    return scp(contexts=contexts, get=lambda request: list(instances))


def test_a_retrieval_from_a_silent_peer_keeps_what_has_arrived(scp, slow, make_ct, tmp_path) -> None:  # noqa: F811
    peer = get_peer(scp, instance(make_ct(number=1)), Held(make_ct(number=2), lambda: slow.wait(LIMIT)))
    # So long it may take to answer the C-CANCEL, then A-ABORT.
    peer.timeouts = replace(peer.timeouts, cancel=0.2, artim=0.2)
    job = peer.retrieve(StudyInstanceUID="1.2.3", to=tmp_path, wait=False)
    seen = Seen(job)
    seen.until(lambda s: s.done == 1)
    job.cancel()
    with pytest.warns(UserWarning, match="cancelled"):
        result = job.wait(LIMIT)
    assert job.state == "cancelled" and not result
    assert [path.exists() for path in result.paths] == [True]
    assert "cancelled" in result.summary


def test_a_peer_that_goes_away_leaves_an_incomplete_result(scp, make_ct, tmp_path) -> None:  # noqa: F811
    peer = get_peer(
        scp, instance(make_ct(number=1)), Held(make_ct(number=2), lambda: peer.server.associations[0].abort())
    )
    job = peer.retrieve(StudyInstanceUID="1.2.3", to=tmp_path, wait=False)
    with pytest.warns(UserWarning):
        result = job.wait(LIMIT)
    assert job.state == "incomplete" and len(result.paths) == 1
    assert "FAILED" in repr(job)


def test_a_cancelled_store_says_what_was_not_sent(scp, slow, make_ct) -> None:  # noqa: F811
    began = threading.Event()

    def store(request):
        if began.is_set():
            slow.wait(LIMIT)
        began.set()
        return 0

    peer = scp(store=store, contexts=["CTImageStorage"])
    peer.timeouts = replace(peer.timeouts, cancel=0.2, artim=0.2)
    job = Job(lambda job: peer.store([make_ct(number=k) for k in range(1, 4)], progress=job))
    seen = Seen(job)
    job.start()
    seen.until(lambda s: s.done == 1)
    job.cancel()
    seen.until(lambda s: s.is_over)
    assert job.state == "cancelled"
    assert [row.ok for row in job.result] == [True, False, False]


def test_nonsense_is_said_at_once(scp, tmp_path) -> None:  # noqa: F811
    from nbdicom.errors import QueryError

    with pytest.raises(QueryError, match="needs"):
        scp().retrieve(SeriesInstanceUID="1.2.3", to=tmp_path, wait=False)


def test_connecting_can_be_cancelled() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        port = listener.getsockname()[1]
        fillers = [socket.socket() for _ in range(4)]
        try:
            for one in fillers:  # a full backlog answers no further SYN
                one.setblocking(False)
                one.connect_ex(("127.0.0.1", port))
            peer = Peer("FULL", "127.0.0.1", port, timeouts=Timeouts(connect=LIMIT, association=LIMIT))
            job = Job(lambda job: (job.report(1), peer.studies()))
            seen = Seen(job)
            job.start()
            seen.until(lambda s: s.done == 1)
            job.cancel()
            with pytest.raises(OperationCancelled):
                job.wait(LIMIT / 2)
        finally:
            for one in fillers:
                one.close()


# ------------------------------------------------------------------------------- the widget


def test_the_button_cancels_and_the_line_says_so() -> None:
    job = Job(until_cancelled, label="get <b>")
    seen = Seen(job)
    bar, button, line, _, _ = job.widget().children
    assert "waiting" in line.value and button.resting
    job.start()
    seen.until(lambda s: s.done == 1)
    button.click()
    with pytest.raises(OperationCancelled):
        job.wait(LIMIT)
    assert "role='status'" in line.value and "get &lt;b&gt;: cancelled" in line.value
    assert button.resting and not button.disabled and (bar.value, bar.max, bar.bar_style) == (1, 10, "warning")


def test_what_changes_all_the_time_is_seen_and_announced_now_and_then() -> None:
    """Whoever hears a page is told each change of what is announced."""
    go_on = threading.Event()

    def work(job):
        for number in range(1, 6):
            job.report(number, 10, unit="step")
            seen.until(lambda s, number=number: s.done == number)
        go_on.wait(LIMIT)
        return "all"

    job = Job(work, label="steps")
    shown, announced = [], []
    _, _, line, said, _ = job.widget().children
    for widget in (line, said):
        widget.observe(
            lambda change: (announced if "role='status'" in change.new else shown).append(change.new), "value"
        )
    seen = Seen(job)
    job.start()
    seen.until(lambda s: s.done == 5)
    assert [number for number in range(1, 6) if any(f"{number} of 10" in text for text in shown)] == [1, 2, 3, 4, 5]
    assert len(announced) == 1 and "steps: running" in announced[0] and "role" not in line.value
    go_on.set()
    job.wait(LIMIT)
    assert len(announced) == 2 and "steps: done" in announced[1] and said.value == ""


def test_a_job_shows_itself() -> None:
    bundle = Job(lambda job: 1, label="x")._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle and "<Job x: waiting>" in bundle["text/plain"]
