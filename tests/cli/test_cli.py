"""The contract of the command line: exit status, stdout for answers, one line on stderr for errors."""

import csv
import io
import json
import signal
import socket
from pathlib import Path
from typing import Any

import pytest

from nbdicom import Server, UserIdentity
from nbdicom.cli.parser import identity_of, make_parser
from nbdicom.cli.records import write_records
from nbdicom.operations.handlers import Handlers
from nbdicom.pacs.samples import sample_instances

from .conftest import LIMIT, from_scratch, nbdicom, serving

COMMANDS = [
    "demo", "lab", "pacs", "echo", "negotiate", "find", "get", "pull", "move", "store", "receive", "trace",
]  # fmt: skip


def one_line(stderr: str) -> str:
    lines = stderr.splitlines()
    assert len(lines) == 1, stderr
    assert lines[0].startswith("nbdicom: error: ")
    return lines[0]


# ------------------------------------------------------------------------------- echo


@pytest.mark.parity("A.10 echoscu")
def test_echo_prints_the_steps(pacs: str) -> None:
    done = from_scratch("echo", pacs)
    assert done.returncode == 0
    assert "C-ECHO" in done.stdout and "0000H Success" in done.stdout
    assert done.stderr == ""


def test_echo_as_json(pacs: str) -> None:
    steps = json.loads(nbdicom("echo", pacs, "--json").stdout)
    assert [step["ok"] for step in steps] == [True] * len(steps)
    assert steps[-2]["step"] == "C-ECHO"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda aet, host, port: f"WRONG@{host}:{port}", ["called-AE-title-not-recognized", "case-sensitive"]),
        (lambda aet, host, port: f"{aet}@nohost.invalid:{port}", ["resolved", "spelling"]),
        (lambda aet, host, port: f"{aet}@{host}:1", ["refused", "check the port"]),
        (lambda aet, host, port: f"{host}:{port}", ["AET@host:port"]),
        (lambda aet, host, port: f"{aet}@{host}", ["AET@host:port"]),
        (lambda aet, host, port: f"SEVENTEEN_LETTERS@{host}:{port}", ["16 characters"]),
    ],
    ids=["AE title", "host", "port", "no AE title", "no port", "long AE title"],
)
@pytest.mark.parametrize("command", [["echo"], ["find"], ["get", "-k", "StudyInstanceUID=1.2"]])
def test_a_wrong_address_is_one_line(pacs: str, command: list[str], change: object, words: list[str]) -> None:
    aet, _, rest = pacs.partition("@")
    host, _, port = rest.partition(":")
    done = nbdicom(command[0], change(aet, host, port), *command[1:])  # type: ignore[operator]
    assert done.returncode == 1
    line = one_line(done.stderr)
    for word in words:
        assert word in line
    assert "Traceback" not in done.stdout + done.stderr


# ------------------------------------------------------------------------------- find


@pytest.mark.parity("A.10 findscu")
def test_find_as_json_and_csv_says_the_same(pacs: str) -> None:
    arguments = ["find", pacs, "-k", "PatientName=marlowe*", "-k", "StudyID", "-k", "ModalitiesInStudy"]
    records = json.loads(nbdicom(*arguments, "--json").stdout)
    rows = list(csv.DictReader(io.StringIO(nbdicom(*arguments, "--csv").stdout)))
    assert len(records) == len(rows) == 3
    assert [row["StudyInstanceUID"] for row in rows] == [record["StudyInstanceUID"] for record in records]
    assert {record["PatientID"] for record in records} == {"NB-0001"}
    assert sorted(row["ModalitiesInStudy"] for row in rows) == ["CR", "CT", "CT\\SR"]
    assert sorted(record["ModalitiesInStudy"] for record in records) == [["CR"], ["CT"], ["CT", "SR"]]
    assert {record["StudyID"] for record in records} == {"1", "2", "3"}


def test_find_takes_several_values(pacs: str) -> None:
    records = json.loads(nbdicom("find", pacs, "-k", r"PatientID=NB-0001\NB-0002", "--json").stdout)
    assert {record["PatientID"] for record in records} == {"NB-0001", "NB-0002"}


def test_find_as_text_has_whole_uids(pacs: str, study: str) -> None:
    done = nbdicom("find", pacs, "-k", f"StudyInstanceUID={study}")
    assert done.returncode == 0
    assert study in done.stdout


@pytest.mark.parametrize(("level", "count"), [("PATIENT", 12), ("series", 2), ("IMAGE", 1)])
def test_find_at_every_level(pacs: str, study: str, level: str, count: int) -> None:
    keys = [] if level == "PATIENT" else ["-k", f"StudyInstanceUID={study}"]
    if level == "IMAGE":
        series = json.loads(nbdicom("find", pacs, "--level", "SERIES", *keys, "--json").stdout)
        keys += ["-k", f"SeriesInstanceUID={series[0]['SeriesInstanceUID']}"]
    records = json.loads(nbdicom("find", pacs, "--level", level, *keys, "--json").stdout)
    assert len(records) == count


def test_find_stops_at_its_limit(pacs: str) -> None:
    done = nbdicom("find", pacs, "--limit", 2, "--csv")
    assert len(done.stdout.splitlines()) == 3


def test_find_asks_in_parts_where_the_peer_cuts_off(pacs: str) -> None:
    whole = nbdicom("find", pacs, "-k", "StudyDate=20000101-", "--csv")
    parts = nbdicom("find", pacs, "-k", "StudyDate=20000101-", "--complete", 4, "--csv")
    assert sorted(parts.stdout.splitlines()) == sorted(whole.stdout.splitlines())
    assert parts.returncode == whole.returncode == 0 and len(whole.stdout.splitlines()) > 5


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--level", "PATIENT", "--complete"], "complete= divides"),
        (["-k", "PatentName=x"], "did you mean PatientName"),
        (["-k", "StudyDate=yesterday"], "StudyDate"),
        (["--level", "SERIES"], "StudyInstanceUID"),
        (["--level", "FLOOR"], "PATIENT"),
        (["-k", "=x"], "Keyword=value"),
        (["-k", "PatientID=1", "-k", "PatientID=2"], "given twice"),
    ],
)
def test_a_wrong_query_is_one_line(pacs: str, arguments: list[str], words: str) -> None:
    done = nbdicom("find", pacs, *arguments)
    assert done.returncode == 1
    assert words in one_line(done.stderr)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"PatientID;Name\n1;M\xfcller\n", "not text in UTF-8"),
        ("PatientID\n1\n".encode("utf-16"), "not text in UTF-8"),
        (b"", "empty"),
        (b"PatientID,Name\n1,2\n1,2,3,4\n", "cannot be read as CSV"),
    ],
)
def test_a_cohort_that_cannot_be_read_is_one_line(pacs: str, tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "cohort.csv").write_bytes(content)
    done = nbdicom("pull", pacs, "--cohort", tmp_path / "cohort.csv", "--to", tmp_path / "here")
    assert done.returncode == 1
    assert words in one_line(done.stderr)
    assert "Traceback" not in done.stderr


# ------------------------------------------------------------------------------- get, move, store


@pytest.mark.parity("A.10 getscu")
def test_get_writes_into_a_folder(pacs: str, study: str, tmp_path: Path) -> None:
    done = nbdicom("get", pacs, "-k", f"StudyInstanceUID={study}", "--to", tmp_path / "new" / "folder", "--json")
    assert done.returncode == 0, done.stderr
    records = json.loads(done.stdout)
    assert len(records) == 2
    assert all(Path(record["path"]).read_bytes()[128:132] == b"DICM" for record in records)


def test_get_writes_into_the_current_folder_by_default(pacs: str, study: str, tmp_path: Path) -> None:
    assert nbdicom("get", pacs, "-k", f"StudyInstanceUID={study}", cwd=tmp_path).returncode == 0
    assert len(list(tmp_path.glob("*.dcm"))) == 2


def test_get_of_what_is_not_there_fails(pacs: str, tmp_path: Path) -> None:
    done = nbdicom("get", pacs, "-k", "StudyInstanceUID=1.2.3.4.5", "--to", tmp_path)
    assert done.returncode == 1
    assert "no such study" in one_line(done.stderr)


def test_pull_is_complete_and_resumes(pacs: str, study: str, tmp_path: Path) -> None:
    arguments = [
        "pull",
        pacs,
        "-k",
        f"StudyInstanceUID={study}",
        "--to",
        tmp_path / "cohort",
        "--json",
        "--associations",
        "2",
    ]
    for new in (2, 0):
        done = nbdicom(*arguments)
        assert done.returncode == 0, done.stderr
        series = json.loads(done.stdout)
        assert {one["state"] for one in series} == {"complete"} and sum(one["new"] for one in series) == new
    next((tmp_path / "cohort").rglob("*.dcm")).unlink()
    done = nbdicom(*arguments, "--check")
    assert done.returncode == 1
    assert "1 missing: nothing was fetched" in one_line(done.stderr)
    (tmp_path / "cohort.csv").write_text(f"StudyInstanceUID,mine\n{study},1\n")
    done = nbdicom("pull", pacs, "--cohort", tmp_path / "cohort.csv", "--to", tmp_path / "cohort")
    assert done.returncode == 0 and "1 new" in done.stdout


def test_move_to_an_unknown_destination_fails(pacs: str, study: str) -> None:
    done = nbdicom("move", pacs, "-k", f"StudyInstanceUID={study}", "--to", "NOWHERE")
    assert done.returncode == 1
    assert "A801H" in one_line(done.stderr)
    asked = nbdicom("move", pacs, "-k", f"StudyInstanceUID={study}", "--to", "NOWHERE", "--json")
    assert "must have the AE title 'NOWHERE'" in one_line(asked.stderr)  # no table says what to try
    assert json.loads(asked.stdout)[0]["status"] == "A801H"


@pytest.mark.parity("A.10 storescu", "A.10 movescu")
def test_store_and_move_between_two(tmp_path: Path) -> None:
    """Files in a folder, some of which are not DICOM, go to one PACS, and from there by C-MOVE to another."""
    folder = tmp_path / "files"
    (folder / "below").mkdir(parents=True)
    for number, dataset in zip(range(3), sample_instances(), strict=False):
        dataset.save_as(folder / "below" / f"{number}.dcm", enforce_file_format=True)
    uid = str(dataset.StudyInstanceUID)
    (folder / "notes.txt").write_text("not DICOM")
    with (
        serving("pacs", "--root", tmp_path / "b", "--ae-title", "B") as (_, second),
        serving("pacs", "--root", tmp_path / "a", "--ae-title", "A", "--allow", f"B={second.partition('@')[2]}") as (
            _,
            first,
        ),
    ):
        done = nbdicom("store", first, folder)
        assert done.returncode == 0, done.stderr
        assert "notes.txt" in done.stderr and "not a DICOM file" in done.stderr
        assert nbdicom("store", first, tmp_path / "nothing.dcm").returncode == 1
        done = nbdicom("move", first, "-k", f"StudyInstanceUID={uid}", "--to", "B")
        assert done.returncode == 0, done.stderr
        records = json.loads(nbdicom("find", second, "--level", "STUDY", "--json").stdout)
        assert uid in {record["StudyInstanceUID"] for record in records}


def test_store_of_a_folder_without_dicom(pacs: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("not DICOM")
    done = nbdicom("store", pacs, tmp_path)
    assert "not a DICOM file" in done.stderr


# ------------------------------------------------------------------------------- pacs


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parity("A.10 qrscp")
def test_pacs_stops_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    with serving("pacs", "--root", tmp_path) as (process, address):
        assert nbdicom("echo", address).returncode == 0
        process.send_signal(number)
        assert process.wait(LIMIT) == 0
        assert process.stderr is not None and "Traceback" not in process.stderr.read()
    assert nbdicom("echo", address).returncode == 1


def test_pacs_checks_the_called_title(tmp_path: Path) -> None:
    with serving("pacs", "--root", tmp_path / "a") as (_, address):
        assert nbdicom("echo", address.replace("NBPACS", "OTHER")).returncode == 1
    with serving("pacs", "--root", tmp_path / "b", "--any-called") as (_, address):
        assert nbdicom("echo", address.replace("NBPACS", "OTHER")).returncode == 0


def test_pacs_that_cannot_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = nbdicom("pacs", "--port", 0, "--root", tmp_path / "file" / "below")
    assert done.returncode == 1
    assert "folder" in one_line(done.stderr)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = nbdicom("pacs", "--port", port, "--root", tmp_path / "b")
    assert done.returncode == 1
    assert str(port) in one_line(done.stderr)
    assert nbdicom("pacs", "--port", 0, "--root", tmp_path / "c", "--allow", "NOADDRESS").returncode == 1


def test_announced_maximum_length(pacs: str, study: str, tmp_path: Path) -> None:
    arguments = ["get", pacs, "-k", f"StudyInstanceUID={study}", "--to", tmp_path]
    assert nbdicom(*arguments, "--max-pdu", 4096).returncode == 0
    assert nbdicom(*arguments, "--max-pdu", 0).returncode == 0
    assert nbdicom(*arguments, "--max-pdu", 7).returncode == 2


# ------------------------------------------------------------------------------- demo, lab, help


@pytest.mark.parity("A.10 TLS of programs")
def test_tls(tmp_path: Path) -> None:
    from tests.drivers.certificates import Authority

    authority = Authority(tmp_path / "ca")
    ours, theirs = authority.issue("ours"), authority.issue("theirs")
    server = ["--tls-ca", authority.certificate, "--tls-cert", theirs.certificate, "--tls-key", theirs.key]
    trust = ["--tls-ca", authority.certificate]
    with serving("pacs", "--root", tmp_path / "pacs", *server) as (_, address):
        answer = nbdicom("echo", address, *trust, "--tls-cert", ours.certificate, "--tls-key", ours.key)
        assert answer.returncode == 0 and "certificate of theirs" in answer.stdout
        for options in ([], trust, ["--tls"], ["--tls-fingerprint", "0" * 64], ["--tls-ca", tmp_path / "none.pem"]):
            refused = nbdicom("echo", address, *options)
            assert refused.returncode == 1 and "nbdicom: error: " in refused.stderr, options
        wrong = nbdicom("echo", address, "--tls-fingerprint", "12")
        assert wrong.returncode == 1 and "64 hexadecimal digits" in wrong.stderr and not wrong.stdout


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--tls-ca", "ca.pem"], "--tls-cert"),
        (["--tls-cert", "pacs.pem", "--tls-crl", "crl.pem"], "--tls-ca"),
        (["--tls-cert", "pacs.pem"], "check path, format (PEM) and password"),
    ],
    ids=["no certificate", "a list without authorities", "no such file"],
)
def test_a_pacs_that_cannot_be_secured_says_why(tmp_path: Path, options: list[str], words: str) -> None:
    done = nbdicom("pacs", "--root", tmp_path / "archive", "--port", 0, *options)
    assert done.returncode == 1 and words in one_line(done.stderr)
    assert "port" not in done.stderr


@pytest.mark.parametrize("option", [["--tls"], ["--tls-fingerprint", "0" * 64]])
def test_a_pacs_has_no_options_of_a_requestor(tmp_path: Path, option: list[str]) -> None:
    """A pinned certificate is that of an acceptor: taken and not looked at, it would let everybody in."""
    assert nbdicom("pacs", "--root", tmp_path, "--port", 0, *option).returncode == 2


def test_a_user(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[UserIdentity] = []

    def identity(one: UserIdentity | None, rq: Any) -> bool:
        assert one is not None
        shown.append(one)
        return one.has_passcode("s3cret") or one.name == "bob"

    with Server(Handlers(identity=identity), ae_title="SCP", contexts=["Verification"]) as server:
        at = f"SCP@127.0.0.1:{server.address[1]}"
        confirmed = nbdicom("echo", at, "--user", "alice", NBDICOM_PASSWORD="s3cret")
        assert confirmed.returncode == 0 and "it confirmed the user" in confirmed.stdout
        assert nbdicom("echo", at, "--user", "bob", NBDICOM_PASSWORD="").returncode == 0
        asked = {"positive_response": True}
        assert shown == [UserIdentity.with_passcode("alice", "s3cret", **asked), UserIdentity.with_name("bob", **asked)]
        wrong = nbdicom("echo", at, "--user", "alice", "--debug", NBDICOM_PASSWORD="wr0ng")
        assert wrong.returncode == 1 and "wr0ng" not in wrong.stdout + wrong.stderr
        assert "NBDICOM_PASSWORD" in one_line(nbdicom("echo", at, "--user", "alice").stderr)
        assert len(shown) == 3  # without a password nobody was called
    with Server(Handlers(), ae_title="SCP", contexts=["Verification"]) as server:  # looks at no identity
        at = f"SCP@127.0.0.1:{server.address[1]}"
        assert "did NOT confirm the user" in nbdicom("echo", at, "--user", "bob", NBDICOM_PASSWORD="").stdout
    # in a terminal it is asked for
    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr("getpass.getpass", lambda prompt: "typed" if "alice" in prompt else "")
    options = make_parser().parse_args(["echo", "SCP@127.0.0.1:1", "--user", "alice"])
    assert identity_of(options) == UserIdentity.with_passcode("alice", "typed", positive_response=True)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_an_address_of_ours() -> None:
    called: list[str] = []

    def calling(title: str, host: str) -> bool:
        called.append(host)
        return True

    with Server(Handlers(), ae_title="SCP", contexts=["Verification"], calling=calling) as server:
        at = f"SCP@127.0.0.1:{server.address[1]}"
        assert nbdicom("echo", at, "--bind", "127.0.0.2").returncode == 0
        assert called == ["127.0.0.2"]
        refused = nbdicom("echo", at, "--bind", "192.0.2.1")  # nobody's (RFC 5737)
        assert refused.returncode == 1 and "nbdicom: error: " in refused.stderr
        assert called == ["127.0.0.2"]


def test_find_asks_for_options(pacs: str) -> None:
    answer = nbdicom("find", pacs, "-k", "PatientName=NOBODY", "--fuzzy", "--relational")
    assert answer.returncode == 0
    assert "did not agree to" in answer.stderr and "fuzzy matching of names" in answer.stderr
    assert "relational queries" not in answer.stderr  # that is done


def test_demo_shows_the_whole_line(tmp_path: Path) -> None:
    done = from_scratch("demo", "--to", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    for words in (
        "instances stored",
        "0000H Success",
        "presentation contexts",
        "StudyDate",
        "identical",
        "nbdicom lab",
    ):
        assert words in done.stdout
    assert len(list(tmp_path.glob("*.dcm"))) == 24


def test_lab_copies_notebooks_and_leaves_those_that_are_there(tmp_path: Path) -> None:
    from nbdicom.cli.lab import _copy_notebooks

    _copy_notebooks(tmp_path)
    first = tmp_path / "00_first_light.ipynb"
    first.write_text("mine")
    _copy_notebooks(tmp_path)
    assert first.read_text() == "mine"
    assert len(list(tmp_path.glob("*.ipynb"))) >= 3


def test_the_page_knows_every_option() -> None:
    page = (Path(__file__).parents[2] / "docs" / "cli.md").read_text()
    actions = next(a for a in make_parser()._actions if a.choices)
    assert actions.choices is not None
    assert sorted(actions.choices) == sorted(COMMANDS)
    for name, parser in actions.choices.items():
        assert f"nbdicom {name}" in page
        for action in parser._actions:
            for option in action.option_strings:
                assert f"`{option}" in page or f" {option}" in page or f"[{option}" in page, (name, option)


def test_version() -> None:
    assert from_scratch("--version").stdout.startswith("nbdicom ")


NASTY = "Doe^\x1b]0;owned\x07Jane\x9b31m \u202edetrever\nnext"


@pytest.mark.parametrize("shape", ["json", "csv"])
@pytest.mark.parametrize("terminal", [True, False])
def test_what_a_peer_sent_moves_no_terminal(shape: str, terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs read it as it is: JSON says the same with escapes, CSV has none and goes as it is into files and pipes."""
    out = io.StringIO()
    monkeypatch.setattr(out, "isatty", lambda: terminal)
    monkeypatch.setattr("sys.stdout", out)
    write_records([{"PatientName": NASTY, "InstanceNumber": 7}], shape)
    text = out.getvalue()
    if shape == "json":
        assert json.loads(text) == [{"PatientName": NASTY, "InstanceNumber": 7}]
    elif not terminal:
        assert list(csv.DictReader(io.StringIO(text, newline=""))) == [{"PatientName": NASTY, "InstanceNumber": "7"}]
        return
    assert text.replace("\n", "").isprintable()
