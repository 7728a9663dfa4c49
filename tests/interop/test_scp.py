"""nbdicom as SCP: other people's SCUs at the embedded PACS."""

from __future__ import annotations

import pytest

import nbdicom as nd

from . import corpus, peers
from .matrix import cell

STUDY_1 = {uid for s in corpus.SERIES if s.study == 1
           for uid in (corpus.instance_uid(1, s.series, n + 1) for n in range(s.instances))}  # fmt: skip


def of_study(files, study):
    return {uid: path for uid, path in files.items() if uid.startswith(f"{corpus.study_uid(study)}.")}


def stored(pacs, files):
    """What the PACS has of these, by SOP Instance UID: the files."""
    found = {uid: pacs.instance(uid) for uid in files}
    assert None not in found.values(), [uid for uid, instance in found.items() if instance is None]
    for instance in found.values():
        assert corpus.digest(corpus.data_set_bytes(instance.path)) == instance.digest
    return {uid: instance.path for uid, instance in found.items()}


@pytest.fixture
def pynet():
    try:
        peers.pynetdicom()
    except peers.Missing as missing:
        pytest.skip(str(missing))
    return peers.pynetdicom_scu


# ------------------------------------------------------------------------------- echo


@cell("echo", "SCP", "DCMTK", "echoscu")
@pytest.mark.parity("A.10 echoscp")
def test_echoscu(pacs, tool):
    said = peers.run([tool("echoscu"), "-v", "-aec", pacs.ae_title, "--repeat", 10, pacs.host, pacs.port]).stdout
    assert said.count("Received Echo Response (Success)") == 10
    assert "Releasing Association" in said


@cell("echo", "SCP", "DCMTK", "echoscu")
def test_echoscu_with_another_called_title(pacs, tool):
    said = peers.run([tool("echoscu"), "-aec", "NOBODY", pacs.host, pacs.port], ok=False).stdout
    assert "Called AE Title Not Recognized" in said


@cell("echo", "SCP", "DCMTK", "echoscu")
@pytest.mark.parametrize("proposed", [1, 2, 127, 128])
def test_echoscu_with_many_contexts(pacs, tool, proposed):
    said = peers.run([tool("echoscu"), "-v", "-aec", pacs.ae_title, "-ppc", proposed, pacs.host, pacs.port]).stdout
    assert "Received Echo Response (Success)" in said


@cell("echo", "SCP", "DCMTK", "echoscu")
def test_echoscu_that_aborts_leaves_the_pacs_in_order(pacs, tool):
    peers.run([tool("echoscu"), "-aec", pacs.ae_title, "--abort", pacs.host, pacs.port])
    peers.run([tool("echoscu"), "-aec", pacs.ae_title, pacs.host, pacs.port])


@cell("echo", "SCP", "Orthanc", "REST /echo")
def test_echo_by_orthanc(pacs, orthanc_knows):
    orthanc_knows.rest("POST", "/modalities/pacs/echo", {})


@cell("echo", "SCP", "pynetdicom", "AE")
@pytest.mark.parity("A.1 implementation", "A.2 C-ECHO", "A.4 Verification", "A.5 EVT_C_ECHO")
def test_echo_by_pynetdicom(pacs, pynet):
    said = pynet("echo", pacs.address)
    assert said["statuses"] == [0x0000] and said["released"]
    assert said["implementation"] == "2.25.313577215190268403958720149635274108837"
    refused = pynet("echo", f"NOBODY@{pacs.host}:{pacs.port}")
    assert refused["rejected"] == [1, 1, 7]


# ------------------------------------------------------------------------------- store


@cell("store", "SCP", "DCMTK", "storescu")
@pytest.mark.parametrize("options", [[], ["-R"], ["-R", "+C"]], ids=["all contexts", "required", "combined"])
def test_storescu(empty_pacs, files, tool, options):
    where = ["-aec", empty_pacs.ae_title, empty_pacs.host, empty_pacs.port]
    said = peers.run([tool("storescu"), "-v", *options, *where, *files.values()]).stdout
    assert said.count("Received Store Response (Success)") == len(files)
    counts = empty_pacs.counts()
    assert (counts["patients"], counts["studies"], counts["series"], counts["instances"]) == (
        len(corpus.PATIENTS), len(corpus.STUDIES), len(corpus.SERIES), len(files),
    )  # fmt: skip
    # storescu encodes the data set anew; with default options it does so the way that our files are written.
    corpus.assert_same(files, stored(empty_pacs, files), bits=False)


@cell("store", "SCP", "DCMTK", "storescu")
@pytest.mark.parametrize(
    ("kind", "option"),
    {
        "JPEG Baseline": "-xy",
        "JPEG Extended": "-xx",
        "JPEG 2000 Lossless": "-xv",
        "JPEG 2000": "-xw",
        "JPEG-LS": "-xt",
        "RLE": "-xr",
        "Deflated": "-xd",
        "Big Endian": "-xb",
    }.items(),
)
def test_storescu_without_re_encoding(empty_pacs, tool, kind, option):
    path = corpus.compressed(kind)
    peers.run([tool("storescu"), "-aec", empty_pacs.ae_title, "-R", option, empty_pacs.host, empty_pacs.port, path])
    own = corpus.by_uid([path])
    there = stored(empty_pacs, own)
    (uid,) = own
    assert corpus.read(there[uid]).file_meta.TransferSyntaxUID == corpus.read(path).file_meta.TransferSyntaxUID
    assert corpus.differences(path, there[uid]) == []
    assert corpus.read(there[uid]).PixelData == corpus.read(path).PixelData


@cell("store", "SCP", "DCMTK", "storescu")
def test_storescu_twice_keeps_one(empty_pacs, files, tool):
    chosen = of_study(files, 1)
    argv = [tool("storescu"), "-v", "-aec", empty_pacs.ae_title, empty_pacs.host, empty_pacs.port, *chosen.values()]
    for _ in range(2):
        assert peers.run(argv).stdout.count("Received Store Response (Success)") == len(chosen)
    assert empty_pacs.counts()["instances"] == len(chosen)


@cell("store", "SCP", "Orthanc", "REST /store")
def test_store_by_orthanc(empty_pacs, orthanc, files):
    orthanc.rest("PUT", "/modalities/store", {"AET": empty_pacs.ae_title, "Host": empty_pacs.host,
                                              "Port": empty_pacs.port, "Manufacturer": "Generic"})  # fmt: skip
    said = orthanc.rest(
        "POST", "/modalities/store/store", {"Resources": orthanc.rest("GET", "/instances"), "Synchronous": True}
    )
    assert said["InstancesCount"] == len(files) and said["FailedInstancesCount"] == 0
    assert empty_pacs.counts()["instances"] == len(files)
    corpus.assert_same(files, stored(empty_pacs, files), bits=False)


@cell("store", "SCP", "pynetdicom", "AE")
@pytest.mark.parity("A.4 Storage", "A.5 EVT_C_STORE")
def test_store_by_pynetdicom(empty_pacs, pynet, files):
    said = pynet("store", empty_pacs.address, files=list(files.values()))
    assert said["statuses"] == [0x0000] * len(files) and said["released"]
    corpus.assert_same(files, stored(empty_pacs, files), bits=True)


@cell("store", "SCP", "pynetdicom", "AE")
def test_store_by_pynetdicom_without_re_encoding(empty_pacs, pynet):
    own = corpus.by_uid(map(corpus.compressed, corpus.COMPRESSED))
    said = pynet("store", empty_pacs.address, files=list(own.values()))
    assert said["statuses"] == [0x0000] * len(own)
    for uid, path in stored(empty_pacs, own).items():
        assert corpus.read(path).file_meta.TransferSyntaxUID == corpus.read(own[uid]).file_meta.TransferSyntaxUID
        assert corpus.differences(own[uid], path) == [], own[uid].name


# ------------------------------------------------------------------------------- find

#: Level, keys, and the unique keys of the answers that are right.
QUERIES = {
    "patients": ("PATIENT", {"PatientID": "IT-?"}, ["IT-1", "IT-2", "IT-3"]),
    "studies": ("STUDY", {"StudyInstanceUID": "", "PatientID": "IT-*"}, [corpus.study_uid(n) for n in (1, 2, 3, 4)]),
    "studies of a range": (
        "STUDY", {"StudyDate": "20240101-20240131", "StudyInstanceUID": ""}, [corpus.study_uid(1), corpus.study_uid(4)],
    ),
    "studies since a day": ("STUDY", {"StudyDate": "20240301-", "StudyInstanceUID": ""}, [corpus.study_uid(2)]),
    "studies by a name": ("STUDY", {"PatientName": "doe^*", "StudyInstanceUID": ""},
                          [corpus.study_uid(1), corpus.study_uid(2)]),
    "studies by modality": ("STUDY", {"ModalitiesInStudy": "MR", "StudyInstanceUID": ""}, [corpus.study_uid(2)]),
    "series": ("SERIES", {"StudyInstanceUID": corpus.study_uid(1), "SeriesInstanceUID": ""},
               [corpus.series_uid(1, 1), corpus.series_uid(1, 2)]),
    "instances": (
        "IMAGE", {"StudyInstanceUID": corpus.study_uid(1), "SeriesInstanceUID": corpus.series_uid(1, 1),
                  "SOPInstanceUID": ""},
        [corpus.instance_uid(1, 1, n) for n in (1, 2, 3)],
    ),
    "nothing": ("STUDY", {"PatientID": "NOBODY", "StudyInstanceUID": ""}, []),
}  # fmt: skip


def findscu(tool, pacs, folder, level, keys, *options):
    """The matches that DCMTK's findscu got, as data sets."""
    given = [f"{k}={v}" if v else k for k, v in {"QueryRetrieveLevel": level, **keys}.items()]
    root = "-P" if level == "PATIENT" else "-S"
    arguments = [item for key in given for item in ("-k", key)]
    where = ["-aec", pacs.ae_title, pacs.host, pacs.port]
    said = peers.run([tool("findscu"), "-v", root, "-X", "-od", folder, *options, *arguments, *where]).stdout
    return said, [corpus.read(path) for path in sorted(folder.glob("rsp*.dcm"))]


@cell("find", "SCP", "DCMTK", "findscu")
@pytest.mark.parametrize("query", QUERIES)
def test_findscu(pacs, tool, tmp_path, query):
    level, keys, wanted = QUERIES[query]
    said, found = findscu(tool, pacs, tmp_path, level, keys)
    assert "Received Final Find Response (Success)" in said
    assert sorted(ds[corpus.UNIQUE[level]].value for ds in found) == sorted(wanted)


@cell("find", "SCP", "DCMTK", "findscu")
def test_values_that_findscu_gets(pacs, tool, tmp_path):
    keys = {"StudyInstanceUID": corpus.study_uid(1), "PatientName": "", "StudyDescription": "", "ModalitiesInStudy": "",
            "NumberOfStudyRelatedSeries": "", "NumberOfStudyRelatedInstances": "", "PatientBirthDate": ""}  # fmt: skip
    _, (ds,) = findscu(tool, pacs, tmp_path, "STUDY", keys)
    assert (ds.PatientName, ds.StudyDescription, ds.ModalitiesInStudy) == ("Doe^Jane", "CHEST", "CT")
    assert (ds.NumberOfStudyRelatedSeries, ds.NumberOfStudyRelatedInstances) == (2, 5)
    assert ds.PatientBirthDate == "19700101" and ds.QueryRetrieveLevel == "STUDY"


@cell("find", "SCP", "DCMTK", "findscu")
def test_text_that_findscu_gets(pacs, tool, tmp_path):
    keys = {"StudyInstanceUID": corpus.study_uid(3), "PatientName": "", "StudyDescription": ""}
    _, (ds,) = findscu(tool, pacs, tmp_path, "STUDY", keys)
    assert (ds.PatientName, ds.StudyDescription) == ("Müller^Jürgen", "Thorax übersicht")


@cell("find", "SCP", "DCMTK", "findscu")
def test_findscu_that_cancels(pacs, tool, tmp_path):
    said, found = findscu(tool, pacs, tmp_path, "STUDY", {"StudyInstanceUID": ""}, "--cancel", "1")
    # Whoever is faster: the answers that are under way arrive in either case.
    assert "Received Final Find Response (Cancel" in said or "Received Final Find Response (Success" in said
    assert 1 <= len(found) <= len(corpus.STUDIES)


@cell("find", "SCP", "Orthanc", "REST /query")
@pytest.mark.parametrize("query", QUERIES)
def test_find_by_orthanc(pacs, orthanc_knows, query):
    level, keys, wanted = QUERIES[query]
    body = {"Level": {"PATIENT": "Patient", "STUDY": "Study", "SERIES": "Series", "IMAGE": "Instance"}[level],
            "Query": dict(keys), "Normalize": False}  # fmt: skip
    answer = orthanc_knows.rest("POST", "/modalities/pacs/query", body)
    found = orthanc_knows.rest("GET", f"{answer['Path']}/answers?expand&simplify")
    assert sorted(one[corpus.UNIQUE[level]] for one in found) == sorted(wanted)


@cell("find", "SCP", "pynetdicom", "AE")
@pytest.mark.parametrize("query", ["patients", "studies of a range", "series", "instances"])
@pytest.mark.parity("A.5 EVT_C_FIND")
def test_find_by_pynetdicom(pacs, pynet, query):
    level, keys, wanted = QUERIES[query]
    if level == "PATIENT":  # the SCU asks in the Study Root model, which has no such level
        level, keys, wanted = "STUDY", {"PatientID": "IT-3", "StudyInstanceUID": ""}, [corpus.study_uid(4)]
    said = pynet("find", pacs.address, identifier={"QueryRetrieveLevel": level, **keys})
    assert said["statuses"] == [0xFF00] * len(wanted) + [0x0000]
    assert sorted(one[corpus.UNIQUE[level]] for one in said["identifiers"]) == sorted(wanted)
    assert said["released"]


@cell("find", "SCP", "pynetdicom", "AE")
@pytest.mark.parity("A.2 C-CANCEL")
def test_find_by_pynetdicom_that_cancels(pacs, pynet):
    identifier = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": ""}
    said = pynet("find", pacs.address, identifier=identifier, cancel_after=1)
    assert said["statuses"][-1] in (0xFE00, 0x0000)
    assert said["again"] == [0xFF00] * len(corpus.STUDIES) + [0x0000]  # the association is as good as new


# ------------------------------------------------------------------------------- get


@cell("get", "SCP", "DCMTK", "getscu")
@pytest.mark.parametrize("mode", ["-B", "+B"], ids=["in memory", "bit preserving"])
@pytest.mark.parametrize("study", corpus.STUDIES)
def test_getscu(pacs, tool, files, tmp_path, study, mode):
    wanted = of_study(files, study)
    said = peers.run(
        [tool("getscu"), "-v", "-S", mode, "-od", tmp_path, "-aec", pacs.ae_title, "-k", "QueryRetrieveLevel=STUDY",
         "-k", f"StudyInstanceUID={corpus.study_uid(study)}", pacs.host, pacs.port]
    ).stdout  # fmt: skip
    assert "Received C-GET Response (Success)" in said or "Success" in said
    corpus.assert_same(wanted, corpus.in_folder(tmp_path), bits=False)


@cell("get", "SCP", "DCMTK", "getscu")
def test_getscu_of_an_instance(pacs, tool, files, tmp_path):
    uid = corpus.instance_uid(1, 1, 2)
    peers.run(
        [tool("getscu"), "-S", "+B", "-od", tmp_path, "-aec", pacs.ae_title, "-k", "QueryRetrieveLevel=IMAGE",
         "-k", f"StudyInstanceUID={corpus.study_uid(1)}", "-k", f"SeriesInstanceUID={corpus.series_uid(1, 1)}",
         "-k", f"SOPInstanceUID={uid}", pacs.host, pacs.port]
    )  # fmt: skip
    corpus.assert_same({uid: files[uid]}, corpus.in_folder(tmp_path), bits=True)


@cell("get", "SCP", "pynetdicom", "AE")
@pytest.mark.parity("A.5 EVT_C_GET")
def test_get_by_pynetdicom(pacs, pynet, files, tmp_path):
    identifier = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": corpus.study_uid(1)}
    said = pynet("get", pacs.address, identifier=identifier, folder=tmp_path)
    assert said["statuses"][-1] == 0x0000 and set(said["statuses"][:-1]) <= {0xFF00}
    assert all(sum(n or 0 for n in counts) == 5 for counts in said["counts"])  # the sum is constant
    assert said["counts"][-1][1:] == [5, 0, 0]
    corpus.assert_same(of_study(files, 1), corpus.in_folder(tmp_path), bits=False)


@cell("get", "SCP", "pynetdicom", "AE")
def test_get_by_pynetdicom_that_refuses_what_it_gets(pacs, pynet, tmp_path):
    identifier = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": corpus.study_uid(1)}
    said = pynet("get", pacs.address, identifier=identifier, folder=tmp_path, answer=0xA700)
    assert said["statuses"][-1] == 0xA702
    assert said["counts"][-1][1:] == [0, 5, 0]
    assert set(said["identifiers"][-1]["FailedSOPInstanceUIDList"]) == STUDY_1


# ------------------------------------------------------------------------------- move


@cell("move", "SCP", "DCMTK", "movescu")
@pytest.mark.parametrize("study", corpus.STUDIES)
def test_movescu_to_itself(pacs, pacs_destinations, tool, files, tmp_path, study):
    wanted = of_study(files, study)
    said = peers.run(
        [tool("movescu"), "-v", "-S", "+B", "+P", pacs_destinations["MOVESCU"], "-aec", pacs.ae_title,
         "-aem", "MOVESCU", "-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={corpus.study_uid(study)}",
         pacs.host, pacs.port],
        cwd=tmp_path,  # with +B, movescu writes there and not to its output directory
    ).stdout  # fmt: skip
    assert "Received Final Move Response (Success)" in said
    corpus.assert_same(wanted, corpus.in_folder(tmp_path), bits=False)


@cell("move", "SCP", "DCMTK", "movescu, storescp")
def test_movescu_to_storescp(pacs, pacs_destinations, tool, files, tmp_path):
    received = tmp_path / "received"
    received.mkdir()
    port = pacs_destinations["STORESCP"]
    argv = [tool("storescp"), "-aet", "STORESCP", "+B", "+xa", "-od", received, port]
    with peers.Program(argv, tmp_path, port, "STORESCP"):
        said = peers.run(
            [tool("movescu"), "-v", "-S", "-aec", pacs.ae_title, "-aem", "STORESCP", "-k", "QueryRetrieveLevel=SERIES",
             "-k", f"StudyInstanceUID={corpus.study_uid(1)}", "-k", f"SeriesInstanceUID={corpus.series_uid(1, 1)}",
             pacs.host, pacs.port]
        ).stdout  # fmt: skip
        assert "Received Final Move Response (Success)" in said
    wanted = {uid: path for uid, path in files.items() if uid.startswith(f"{corpus.series_uid(1, 1)}.")}
    corpus.assert_same(wanted, corpus.in_folder(received), bits=True)


@cell("move", "SCP", "DCMTK", "movescu")
def test_movescu_to_a_title_that_is_not_known(pacs, tool):
    said = peers.run(
        [tool("movescu"), "-v", "-S", "-aec", pacs.ae_title, "-aem", "NOWHERE", "-k", "QueryRetrieveLevel=STUDY",
         "-k", f"StudyInstanceUID={corpus.study_uid(1)}", pacs.host, pacs.port], ok=None
    ).stdout  # fmt: skip
    assert "MoveDestinationUnknown" in said


@cell("move", "SCP", "Orthanc", "REST /retrieve")
@pytest.mark.parametrize("study", [1, 3])
def test_move_by_orthanc(orthanc, files, study):
    with nd.Pacs(ae_title="MOVEPACS", durability="none",
                 allow={orthanc.ae_title: (peers.LOOPBACK, orthanc.port)}) as pacs:  # fmt: skip
        pacs.add(files.values())
        orthanc.rest("PUT", "/modalities/move", {"AET": pacs.ae_title, "Host": pacs.host, "Port": pacs.port,
                                                 "Manufacturer": "Generic"})  # fmt: skip
        orthanc.clear()
        query = {"Level": "Study", "Query": {"StudyInstanceUID": corpus.study_uid(study)}}
        path = orthanc.rest("POST", "/modalities/move/query", query)["Path"]
        assert orthanc.rest("GET", f"{path}/answers") == ["0"]
        orthanc.rest("POST", f"{path}/retrieve", {"TargetAet": orthanc.ae_title, "Synchronous": True})
        corpus.assert_same(of_study(files, study), orthanc.instances(), bits=False)


@cell("move", "SCP", "pynetdicom", "AE")
@pytest.mark.parity("A.5 EVT_C_MOVE")
def test_move_by_pynetdicom(pacs, pacs_destinations, pynet, files, tmp_path):
    with nd.Receiver(tmp_path, ae_title="PYNETSCU", port=pacs_destinations["PYNETSCU"]) as receiver:
        identifier = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": corpus.study_uid(1)}
        said = pynet("move", pacs.address, identifier=identifier, destination="PYNETSCU")
        assert said["statuses"][-1] == 0x0000 and said["counts"][-1][1:] == [5, 0, 0]
        assert all(sum(n or 0 for n in counts) == 5 for counts in said["counts"])
        assert len(receiver.files) == 5
        corpus.assert_same(of_study(files, 1), corpus.in_folder(tmp_path), bits=True)
    away = pynet("move", pacs.address, identifier=identifier, destination="PYNETSCU")
    assert away["statuses"][-1] == 0xA702 and away["counts"][-1][1:] == [0, 5, 0]
    unknown = pynet("move", pacs.address, identifier=identifier, destination="NOWHERE")
    assert unknown["statuses"] == [0xA801]


@pytest.fixture
def orthanc_knows(empty_orthanc, pacs):
    """Orthanc with the embedded PACS as its modality "pacs"."""
    known = {"AET": pacs.ae_title, "Host": pacs.host, "Port": pacs.port, "Manufacturer": "Generic"}
    empty_orthanc.rest("PUT", "/modalities/pacs", known)
    return empty_orthanc
