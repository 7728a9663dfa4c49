"""Reports find their recipients: on the association that is open, on a new one with the roles reversed, sooner or later."""

import socket
import threading

import pytest
from pacs_requests import CT, made, store

from nbdicom.blocking import Server, associate
from nbdicom.core.negotiation import PresentationContext
from nbdicom.operations.handlers import Handlers
from nbdicom.operations.requests import Refuse
from nbdicom.pacs import Pacs
from nbdicom.uids import UID

COMMITMENT, INSTANCE = UID("1.2.840.10008.1.20.1"), "1.2.840.10008.1.20.1.1"
PUSH, WATCH, EVENT = (UID(f"1.2.840.10008.5.1.4.34.6.{k}") for k in (1, 2, 4))
GLOBAL = "1.2.840.10008.5.1.4.34.5"
SOON = 60.0  #: seconds that nothing here ever needs


class Inbox:
    """Takes N-EVENT-REPORTs; *refuse* so many of them, with *status*."""

    def __init__(self, refuse=0, status=0x0110):
        self.got = []
        self._refuse, self._status = refuse, status
        self._news = threading.Condition()
        self.handlers = Handlers(n_event_report=self._take)

    def _take(self, request):
        with self._news:
            self._refuse -= 1
            if self._refuse >= 0:
                raise Refuse(self._status, "not now")
            self.got.append((request.event_type_id, request.sop_instance_uid, request.dataset()))
            self._news.notify_all()

    def wait(self, count=1):
        with self._news:
            assert self._news.wait_for(lambda: len(self.got) >= count, SOON), f"{len(self.got)} of {count} arrived"
        return self.got


def modality(inbox, port=0, roles=True, host="127.0.0.1"):
    """An acceptor that lets its peer be the SCP."""
    role = {"scu_role": True, "scp_role": roles}
    contexts = [PresentationContext(uid, **role) for uid in (COMMITMENT, EVENT)]
    return Server(inbox.handlers, ae_title="CT1", contexts=contexts, host=host, port=port)


@pytest.fixture
def hospital(tmp_path):
    """A PACS with three objects that retries at once; not listening yet."""
    pacs = Pacs(tmp_path / "root", durability="none", report_pauses=(0.01,) * 100_000)
    for number in (1, 2, 3):
        store(pacs.handlers(), made(number))
    yield pacs
    pacs.stop()


def ask(association, transaction="9.1"):
    references = [{"ReferencedSOPClassUID": CT, "ReferencedSOPInstanceUID": f"1.2.3.{k}"} for k in (1, 2, 3)]
    information = {"TransactionUID": transaction, "ReferencedSOPSequence": references}
    association.n_action(COMMITMENT, INSTANCE, 1, information)


def dial(pacs, *contexts, inbox=None, calling="CT1"):
    return associate(
        (pacs.host, pacs.port),
        called=pacs.ae_title,
        calling=calling,
        contexts=contexts or (COMMITMENT,),
        handlers=inbox.handlers if inbox else None,
    )


def test_on_the_association_that_asked(hospital):
    hospital.start()
    inbox = Inbox()
    with dial(hospital, inbox=inbox) as association:
        ask(association)
        association.listen(SOON, until=lambda: inbox.got)
    ((event_type, uid, said),) = inbox.got
    assert (event_type, uid, said.TransactionUID, len(said.ReferencedSOPSequence)) == (1, INSTANCE, "9.1", 3)
    assert hospital.reports.wait(SOON)


def test_on_a_new_association_with_roles_reversed(hospital):
    inbox = Inbox()
    with modality(inbox) as scp:
        hospital.allow["CT1"] = scp.address
        hospital.start()
        with dial(hospital) as association:
            ask(association)
        inbox.wait()
    assert inbox.got[0][0] == 1
    assert hospital.reports.wait(SOON)


def test_without_a_thread_it_waits_for_the_next(hospital, monkeypatch):
    inbox = Inbox()
    start = threading.Thread.start

    def refuse(thread):
        if "reports to" in thread.name:
            raise RuntimeError("can't start new thread")
        start(thread)

    with modality(inbox) as scp:
        hospital.allow["CT1"] = scp.address
        hospital.start()
        with dial(hospital) as association:
            with monkeypatch.context() as patch:
                patch.setattr(threading.Thread, "start", refuse)
                ask(association)
            assert hospital.reports.pending() == 1
            ask(association, "9.2")
        inbox.wait(2)
    assert hospital.reports.wait(SOON)


def test_the_requestor_cannot_take_it_on_its_own_association(hospital):
    """It answers with a failure there, as those do who expect a new association."""
    inbox = Inbox()
    with modality(inbox) as scp:
        hospital.allow["CT1"] = scp.address
        hospital.start()
        unwilling = Inbox(refuse=1000)
        with dial(hospital, inbox=unwilling) as association:
            ask(association)
            association.listen(SOON, until=lambda: unwilling._refuse < 1000)
            inbox.wait()
    assert (len(unwilling.got), len(inbox.got)) == (0, 1)
    assert hospital.reports.wait(SOON)


@pytest.mark.parametrize("any_host", [False, True])
def test_a_title_that_calls_from_elsewhere_gets_no_reports_of_who_has_an_address(tmp_path, any_host):
    """Any title may call here, so anybody may call itself CT1."""
    inbox, elsewhere = Inbox(), Inbox()
    pacs = Pacs(tmp_path / "root", host="0.0.0.0", any_calling=True, any_host=any_host, durability="none")
    with modality(inbox, host="127.0.0.2") as scp, pacs:
        pacs.allow["CT1"] = scp.address
        with dial(pacs, inbox=elsewhere) as association:
            ask(association)
            if any_host:
                association.listen(SOON, until=lambda: elsewhere.got)
            else:
                inbox.wait()
        assert pacs.reports.wait(SOON)
    assert (len(inbox.got), len(elsewhere.got)) == ((0, 1) if any_host else (1, 0))


def test_until_it_arrives(hospital):
    """Nobody listens, then somebody who refuses, then somebody who does not: the pauses go by, the report stays."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    hospital.allow["CT1"] = ("127.0.0.1", port)
    hospital.start()
    with dial(hospital) as association:
        ask(association)
    inbox = Inbox(refuse=3)
    with modality(inbox, port):
        inbox.wait()
    assert hospital.reports.wait(SOON)
    assert "delivered" in str(hospital.reports)


def test_it_outlives_the_server(tmp_path, hospital):
    hospital.start()
    with dial(hospital) as association:
        ask(association)
    assert not hospital.reports.wait(SOON)  # no address, nobody there: it waits, and no thread waits with it
    assert "no address is known" in " ".join(str(hospital.reports).split())
    hospital.stop()
    inbox = Inbox()
    with modality(inbox) as scp:
        with Pacs(tmp_path / "root", durability="none", allow={"CT1": scp.address}) as again:
            inbox.wait()
            assert again.reports.wait(SOON)


def test_a_recipient_without_an_address_asks_again(hospital):
    hospital.start()
    with dial(hospital) as association:
        ask(association, "9.1")
    assert not hospital.reports.wait(SOON)
    inbox = Inbox()
    with dial(hospital, inbox=inbox) as association:
        ask(association, "9.2")
        association.listen(SOON, until=lambda: len(inbox.got) >= 2)
    assert [said.TransactionUID for _, _, said in inbox.got] == ["9.1", "9.2"]


def test_attempts_are_bounded(tmp_path):
    inbox = Inbox(refuse=1000)
    with modality(inbox) as scp:
        with Pacs(tmp_path, durability="none", allow={"CT1": scp.address}, report_pauses=(0.01, 0.01)) as pacs:
            with dial(pacs) as association:
                ask(association)
            assert pacs.reports.wait(SOON)  # it has been heard, three times, and refused
            assert inbox._refuse == 997
            assert "not now" in str(pacs.reports)


def test_a_report_that_cannot_be_sent_keeps_no_other_waiting(hospital):
    hospital.start()
    reports = hospital.reports
    with reports._database.write() as connection:
        told = {"TransactionUID": "9.\xfc"}
        reports.add(connection, "CT1", sop_class=COMMITMENT, sop_instance=INSTANCE, event_type=1, information=told)
    inbox = Inbox()
    with dial(hospital, inbox=inbox) as association:
        ask(association)
        association.listen(SOON, until=lambda: inbox.got)
    assert reports.wait(SOON)
    assert "a value of TransactionUID does not fit its VR UI" in [row[-1] for row in reports.table().rows]


@pytest.mark.parametrize("status", [0x0112, 0x0113, 0x0211])
def test_a_report_that_its_recipient_cannot_take_keeps_no_other_waiting(tmp_path, status):
    inbox = Inbox(refuse=1, status=status)
    with modality(inbox) as scp:
        with Pacs(tmp_path, durability="none", allow={"CT1": scp.address}, report_pauses=(SOON,)) as pacs:
            with dial(pacs) as association:
                ask(association, "9.1")
                ask(association, "9.2")
            assert pacs.reports.wait(SOON / 2)
    assert [said.TransactionUID for _, _, said in inbox.got] == ["9.2"]


@pytest.mark.parametrize("status", [0x0110, 0x0113])
def test_what_a_recipient_without_an_address_refuses_keeps_no_other_waiting(tmp_path, status):
    inbox = Inbox(refuse=2 if status == 0x0110 else 1, status=status)
    with Pacs(tmp_path, durability="none", report_pauses=(0.01,)) as pacs:
        with dial(pacs, inbox=inbox) as association:
            ask(association, "9.1")
            ask(association, "9.2")
            association.listen(SOON, until=lambda: inbox.got)
            assert pacs.reports.wait(SOON)
        assert "N-EVENT-REPORT failed" in str(pacs.reports)
    assert [said.TransactionUID for _, _, said in inbox.got] == ["9.2"]


def test_a_peer_that_does_not_agree_to_the_roles(tmp_path):
    inbox = Inbox()
    with modality(inbox, roles=False) as scp:
        with Pacs(tmp_path, durability="none", allow={"CT1": scp.address}, report_pauses=(0.01,)) as pacs:
            with dial(pacs) as association:
                ask(association)
            # Nothing that the standard allows to be sent there; the report stays.
            assert not pacs.reports.wait(SOON)
            assert "not in the role of SCP" in " ".join(str(pacs.reports).split())
    assert inbox.got == []


def test_a_recipient_that_is_stuck_keeps_no_other_waiting(hospital):
    inbox = Inbox()
    with socket.create_server(("127.0.0.1", 0)) as silent, modality(inbox) as scp:
        hospital.allow.update(STUCK=silent.getsockname(), CT1=scp.address)
        hospital.start()
        for calling in ("STUCK", "CT1"):
            with dial(hospital, calling=calling) as association:
                ask(association)
        inbox.wait()
        hospital.stop()  # does not wait for the one that is stuck


def test_reports_of_workitems(hospital):
    """Subscribed over one association, told on new ones; and told that the PACS is there again."""
    inbox = Inbox()
    with modality(inbox) as scp:
        hospital.allow["CT1"] = scp.address
        hospital.start()
        with dial(hospital, WATCH) as association:
            information = {"ReceivingAE": "CT1", "DeletionLock": "FALSE"}
            association.n_action(PUSH, GLOBAL, 3, information, meta_sop_class=WATCH)
            uid = hospital.workitems.add(ProcedureStepLabel="CAD")
            association.n_action(PUSH, uid, 2, {}, meta_sop_class=WATCH)
        told = inbox.wait(3)
        assert [said.ProcedureStepState for _, _, said in told] == ["SCHEDULED", "IN PROGRESS", "CANCELED"]
        assert {about for _, about, _ in told} == {uid}
        assert hospital.reports.wait(SOON)
        hospital.stop()
        hospital.start()
        event_type, about, said = inbox.wait(4)[3]
        assert (event_type, about, said.SCPStatus) == (4, GLOBAL, "RESTARTED")


def test_a_watcher_is_told_on_its_own_association(hospital):
    hospital.start()
    inbox = Inbox()
    with dial(hospital, WATCH, EVENT, inbox=inbox, calling="VIEWER") as association:
        information = {"ReceivingAE": "VIEWER", "DeletionLock": "FALSE"}
        association.n_action(PUSH, GLOBAL, 3, information, meta_sop_class=WATCH)
        uid = hospital.workitems.add(ProcedureStepLabel="CAD")
        association.listen(SOON, until=lambda: inbox.got)
    assert inbox.got[0][:2] == (1, uid)


def test_delivered_reports_are_not_kept_for_ever(hospital):
    """Without a restart, too; what nobody has been told yet stays."""
    reports = hospital.reports
    about = {"sop_class": COMMITMENT, "sop_instance": INSTANCE, "event_type": 1}
    with reports._database.write() as connection:
        reports.add(connection, "CT1", subject="waits", **about)
        for _ in range(2100):
            reports.add(connection, "CT1", **about)
            connection.execute("UPDATE reports SET delivered = made WHERE subject <> 'waits'")
        rows = connection.execute("SELECT subject, count(*) FROM reports GROUP BY subject ORDER BY subject").fetchall()
    assert [subject for subject, _ in rows] == [INSTANCE, "waits"]
    assert 1000 <= rows[0][1] <= 2000
