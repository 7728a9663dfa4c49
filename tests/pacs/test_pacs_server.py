"""The server around the archive: its life, its contexts, who is welcome, its errors, and its sample content."""

import os
import socket
import threading
import warnings

import pytest
from pacs_requests import CT, EXPLICIT, PATIENT_ROOT, find, made, store, values

from nbdicom.core.extended import QueryOptions, RetrieveOptions
from nbdicom.core.negotiation import PresentationContext, Proposal, negotiate, propose
from nbdicom.errors import PacsError
from nbdicom.pacs import Pacs, demo_pacs
from nbdicom.pacs.callers import Callers
from nbdicom.pacs.workflow.services import SERVED
from nbdicom.peer import Peer
from nbdicom.peer.notices import OptionsNotAgreed
from nbdicom.running import running
from nbdicom.tls import TLS
from nbdicom.uids import UID, ServiceClass, sop_classes, storage_sop_classes, transfer_syntaxes

# ------------------------------------------------------------------------------- life


def test_temporary_folder_is_removed():
    pacs = Pacs(durability="none")
    assert pacs.root is None
    with pacs:
        root = pacs.root
        assert root.is_dir()
        assert pacs.running
        assert pacs.address == f"NBPACS@127.0.0.1:{pacs.port}"
    assert not root.exists()
    assert not pacs.running


@pytest.mark.parity("A.1 server")
def test_stop_and_start_keeps_port_and_content(tmp_path):
    pacs = Pacs(tmp_path / "root", durability="none").start()
    port = pacs.port
    store(pacs.handlers(), made())
    pacs.stop()
    pacs.stop()
    pacs.start()
    assert (pacs.port, pacs.counts()["instances"]) == (port, 1)
    assert pacs.start() is pacs
    pacs.stop()


def test_a_cell_that_is_run_again_replaces_its_server(tmp_path):
    first = Pacs(tmp_path / "root", durability="none").start()
    port = first.port
    second = Pacs(tmp_path / "root", port=port, durability="none").start()
    assert (first.running, second.running, second.port) == (False, True, port)
    third = Pacs(tmp_path / "root", durability="none")
    third.add()  # needs the folder before it listens
    assert not second.running
    third.start()
    fourth = Pacs(port=third.port, durability="none").start()  # has a folder of its own, and needs the port
    assert (third.running, fourth.running) == (False, True)
    third.start()
    assert not fourth.running
    other = Pacs(ae_title="OTHER", durability="none").start()
    assert third.running
    third.stop()
    other.stop()


@pytest.mark.parametrize("what", ["counts", "start", "stop"])
def test_threads_that_do_the_same_at_once(tmp_path, what):
    """One opens the folder and listens, or closes it; for the others it is done."""
    threads = set(threading.enumerate())
    for number in range(4):
        pacs = Pacs(tmp_path / str(number), durability="none")
        if what == "stop":
            pacs.start()
        at_once, errors = threading.Barrier(3), []

        def do(pacs=pacs, at_once=at_once, errors=errors):
            at_once.wait(30)
            try:
                getattr(pacs, what)()
                assert pacs.running is (what == "start")
            except Exception as error:
                errors.append(error)

        doing = [threading.Thread(target=do) for _ in range(3)]
        for thread in doing:
            thread.start()
        for thread in doing:
            thread.join(30)
        pacs.stop()
        assert errors == []
    left = set(threading.enumerate()) - threads
    assert not [thread for thread in left if thread.name == "nbdicom NBPACS"]  # nobody listens who cannot be stopped


@pytest.mark.parametrize("host", ["127.0.0.1", "memory"])
@pytest.mark.parametrize("what", ["port", "folder", "same folder and a port", "same port and a folder", "TLS"])
def test_a_server_goes_on_where_the_new_one_cannot_start(tmp_path, host, what):
    (tmp_path / "file").write_text("")
    # In memory a port that was given by itself is given to one alone.
    ports = (101, 102) if host == "memory" else (0, 0)
    before = running()  # what other tests of this process share
    first = Pacs(tmp_path / "root", host=host, port=ports[0], durability="none").start()
    port = first.port
    with Pacs(ae_title="OTHER", host=host, port=ports[1], durability="none") as other:
        new = {
            "port": {"port": other.port},
            "folder": {"root": tmp_path / "file"},
            "same folder and a port": {"root": tmp_path / "root", "port": other.port},
            "same port and a folder": {"root": tmp_path / "file", "port": port},
            "TLS": {"port": port, "tls": TLS(ca=tmp_path / "none.pem", certificate=tmp_path / "none.pem")},
        }[what]
        with pytest.raises(PacsError, match="in use|cannot be used|cannot use|nothing in memory"):
            Pacs(host=host, durability="none", **new).start()
    with Peer(first).associate(["Verification"]) as association:
        assert association.echo() == 0
    assert (first.port, running()) == (port, [*before, first])
    first.stop()


def test_port_in_use(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PacsError, match=f"127.0.0.1:{port}.*in use"):
            Pacs(tmp_path, port=port).start()
    Pacs(tmp_path, port=port).start().stop()  # the folder was let go


def test_root_that_is_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(PacsError, match="cannot be used"):
        Pacs(tmp_path / "file").start()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_root_that_cannot_be_written(tmp_path):
    (tmp_path / "shut").mkdir(mode=0o500)
    with pytest.raises(PacsError, match="cannot be used"):
        Pacs(tmp_path / "shut").start()


@pytest.mark.parametrize(
    "kwargs",
    [
        {"ae_title": ""},
        {"ae_title": "A" * 17},
        {"durability": "some"},
        {"allow": {"A": "nowhere"}},
        {"allow": {"A": "host:0"}},
        {"allow": {"A" * 17: "host:104"}},
    ],
)
def test_settings_that_cannot_be(kwargs):
    with pytest.raises(PacsError):
        Pacs(**kwargs)


def test_views(tmp_path):
    pacs = Pacs(tmp_path / "root", allow={"A": "10.0.0.1:104", "B": ("::1", 4242)}, durability="none")
    assert "not running" in repr(pacs)
    assert "not open" in repr(pacs)
    assert not (tmp_path / "root").exists()  # looking opens nothing
    with pacs:
        assert "0 patients" in repr(pacs)
        assert "C-MOVE to A" in str(pacs.table())
        assert "<table>" in pacs._repr_html_()


# ------------------------------------------------------------------------------- who, and with what


@pytest.mark.parametrize(
    ("kwargs", "title", "welcome"),
    [
        ({}, "ANYBODY", True),
        ({"host": "localhost"}, "ANYBODY", True),
        ({"host": "::1"}, "ANYBODY", True),
        ({"host": "0.0.0.0"}, "ANYBODY", False),
        ({"host": "0.0.0.0", "allow": {"FRIEND": "10.1.1.1:104"}}, "FRIEND", True),
        ({"host": "0.0.0.0", "allow": {"FRIEND": "10.1.1.1:104"}}, "friend", False),
        ({"host": "0.0.0.0", "allow": {"FRIEND": "10.1.1.2:104"}}, "FRIEND", False),
        ({"host": "0.0.0.0", "allow": {"FRIEND": "no.such.host.invalid:104"}}, "FRIEND", False),
        ({"host": "0.0.0.0", "allow": {"FRIEND": "10.1.1.2:104"}, "any_host": True}, "FRIEND", True),
        ({"host": "0.0.0.0", "any_calling": True}, "ANYBODY", True),
    ],
)
def test_who_is_welcome(kwargs, title, welcome):
    callers = Callers(**{"allow": {}, "host": "127.0.0.1", "any_calling": False, "any_host": False, **kwargs})
    assert callers.welcomes(title, "10.1.1.1") is welcome
    assert callers.welcomes(title, "::ffff:10.1.1.1") is welcome


def test_destinations(pacs):
    pacs.allow = {"A": ("10.0.0.1", 104)}
    assert pacs.handlers().destination("A ") == ("10.0.0.1", 104)
    assert pacs.handlers().destination("B") is None


def accepted(pacs, *contexts):
    rq = propose(Proposal(called_ae_title="NBPACS", calling_ae_title="X", contexts=contexts))
    return negotiate(rq, pacs.support())[1].contexts


def test_every_storage_class_and_every_transfer_syntax(pacs):
    for uids in (storage_sop_classes()[:120], storage_sop_classes()[120:], [UID("1.2.999.7")]):
        assert all(c.accepted for c in accepted(pacs, *(PresentationContext(uid) for uid in uids)))
    every = [syntax.uid for syntax in transfer_syntaxes(retired=True)]
    results = accepted(pacs, *(PresentationContext(UID(CT), (uid,)) for uid in every))
    assert [c.transfer_syntax for c in results] == every
    (both,) = accepted(pacs, PresentationContext(UID(CT), (UID("1.2.840.10008.1.2.4.90"), EXPLICIT)))
    assert both.transfer_syntax == EXPLICIT


def test_services(pacs):
    served = ["1.2.840.10008.1.1", *SERVED, *(f"1.2.840.10008.5.1.4.1.2.{r}.{s}" for r in (1, 2, 3) for s in (1, 2, 3))]
    assert all(c.accepted for c in accepted(pacs, *(PresentationContext(UID(uid)) for uid in served)))
    others = [
        entry.uid
        for entry in sop_classes()
        if entry.service_class is not ServiceClass.STORAGE and entry.uid not in served
    ]
    assert not any(c.accepted for c in accepted(pacs, *(PresentationContext(uid) for uid in others[:120])))


# ------------------------------------------------------------------------------- content


def test_add_files_folders_and_data_sets(tmp_path, pacs):
    handlers = pacs.handlers()
    store(handlers, made(1))
    folder = tmp_path / "folder"
    (folder / "deeper").mkdir(parents=True)
    for k in (1, 2):
        with Pacs(durability="none") as other:
            store(other.handlers(), made(k))
            (folder / "deeper" / f"{k}.dcm").write_bytes(other.instance(f"1.2.3.{k}").path.read_bytes())
    (folder / "readme.txt").write_text("not DICOM")
    added = pacs.add(folder, tmp_path / "nowhere")
    assert (added.stored, added.refused, added.skipped, len(added)) == (2, 0, 2, 4)
    assert pacs.counts()["instances"] == 2
    assert "skipped" in str(added)
    assert "<table>" in added._repr_html_()
    assert list(added.to_frame().columns) == ["source", "SOP Class", "result", "detail"]


def test_add_tells_what_was_refused(tmp_path, pacs):
    store(pacs.handlers(), made(1))
    with Pacs(durability="none") as other:
        store(other.handlers(), made(1, PatientID="P9"))
        (tmp_path / "other.dcm").write_bytes(other.instance("1.2.3.1").path.read_bytes())
    added = pacs.add([tmp_path / "other.dcm"])
    assert (added.stored, added.refused) == (0, 1)
    assert "0111H" in added.rows[0][3]


@pytest.fixture(scope="module")
def demo():
    with demo_pacs(ae_title="DEMO") as pacs:
        yield pacs


def test_sample_content(demo):
    counts = demo.counts()
    assert counts["patients"] >= 5
    assert 150 <= counts["instances"] <= 250
    handlers = demo.handlers()
    assert {"CT", "MR", "CR", "US", "RTSTRUCT", "RTPLAN", "RTDOSE", "SR"} <= set(
        values(handlers, "Modality", "SERIES", Modality="")
    )
    years = {date[:4] for date in values(handlers, "StudyDate", "STUDY", StudyDate="")}
    assert len(years) >= 6
    per_patient = values(
        handlers,
        "NumberOfPatientRelatedStudies",
        "PATIENT",
        PATIENT_ROOT,
        NumberOfPatientRelatedStudies="",
        PatientID="NB*",
    )
    assert sum(int(count) > 1 for count in per_patient) >= 3


@pytest.mark.parametrize("asked", ["köhler*", "山田*", "Yamada^Tarou", "MARLOWE^anna"])
def test_sample_names(demo, asked):
    assert len(find(demo.handlers(), "PATIENT", PATIENT_ROOT, PatientName=asked)[0]) == 1


def test_sample_content_is_the_same_every_time(demo):
    from nbdicom.pacs.samples import sample_instances

    before = demo.counts()
    added = demo.add(sample_instances())
    assert (added.refused, added.skipped) == (0, 0)  # same UID, same bytes
    assert demo.counts() == before


def test_sample_series_are_volumes(demo):
    from pydicom import dcmread

    handlers = demo.handlers()
    matches, _ = find(handlers, "IMAGE", SeriesDescription="Chest 5.0 soft", StudyDate="2021")
    assert len(matches) > 10
    places = []
    for match in matches:
        dataset = dcmread(demo.instance(match["SOPInstanceUID"]).path)
        assert len(dataset.PixelData) == 2 * dataset.Rows * dataset.Columns
        places.append(float(dataset.ImagePositionPatient[2]))
    steps = {round(b - a, 3) for a, b in zip(sorted(places), sorted(places)[1:], strict=False)}
    assert steps == {8.0}


# ------------------------------------------------------------------------------- once over the wire


def test_over_an_association(demo, tmp_path):
    from nbdicom.blocking import associate
    from nbdicom.data import codec

    study = "1.2.840.10008.5.1.4.1.2.2"
    contexts = ["1.2.840.10008.1.1", f"{study}.1", f"{study}.3", PresentationContext(UID(CT), (EXPLICIT,), True, True)]
    with associate(f"127.0.0.1:{demo.port}", called="DEMO", calling="TEST", contexts=contexts) as association:
        assert association.echo() == 0x0000
        series = [
            codec.decode(match.data, match.transfer_syntax)
            for match in association.find(
                {"QueryRetrieveLevel": "SERIES", "SeriesDescription": "Planning*", "SeriesInstanceUID": "",
                 "NumberOfSeriesRelatedInstances": "", "PatientName": ""}
            )
        ]  # fmt: skip
        assert len(series) == 1
        identifier = {"QueryRetrieveLevel": "SERIES", "SeriesInstanceUID": series[0].SeriesInstanceUID}
        got = [r for r in association.get(identifier, sink=None) if hasattr(r, "sop_instance_uid")]
    assert len(got) == int(series[0].NumberOfSeriesRelatedInstances)


# ------------------------------------------------------------------------------- extended negotiation


def test_relational_queries_are_agreed_to_and_done():
    with Pacs(durability="none") as pacs, warnings.catch_warnings():
        warnings.simplefilter("error")
        store(pacs.handlers(), made())
        found = Peer(pacs).find("STUDY", relational=True, Modality="CT")
        assert list(found["StudyInstanceUID"]) == ["1.2.3"]
        assert Peer(pacs).find("STUDY", relational=True, Modality="MR").empty


def test_what_is_not_done_is_not_agreed_to():
    asked = QueryOptions(date_time=True, fuzzy=True, timezone=True, multiple_value=True)
    words = "did not agree to fuzzy matching of names, timezone adjustment, multiple"
    with Pacs(durability="none") as pacs, pytest.warns(OptionsNotAgreed, match=words):
        Peer(pacs).find("STUDY", relational=True, options=asked)


@pytest.mark.parametrize("service", ["Get", "Move"])
def test_relational_retrieval_is_agreed_to(service):
    model = UID.of(f"StudyRootQueryRetrieveInformationModel{service}")
    asked = RetrieveOptions(relational=True, enhanced_conversion=True)
    with Pacs(durability="none") as pacs:
        association = Peer(pacs).associate([PresentationContext(model, extended=asked)])
        with association:
            assert association.negotiation.contexts[0].extended == RetrieveOptions(relational=True)
