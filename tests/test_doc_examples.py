"""The examples of the pages that explain how something is done run as they stand, from the first to the last."""

import re
import shutil
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

import nbdicom as nd
from tests.drivers.certificates import Authority
from tests.ports import free_port

DOCS = Path(__file__).parents[1] / "docs"
PORT = "11113"  #: that a page names; another test may have it


def blocks_of(name: str) -> list[tuple[str, str]]:
    """Language and text of each block that is run."""
    return re.findall(r"^```(python|sh)\n(.*?)^```", (DOCS / name).read_text(), flags=re.M | re.S)


@pytest.mark.parametrize("name", ["asyncio.md", "dimse_n.md", "events.md", "howto.md", "memory.md", "pull.md"])
def test_the_examples_of_a_page(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    port = str(free_port())
    blocks = blocks_of(name)
    assert blocks
    names: dict[str, object] = {"__name__": name}
    for number, (language, block) in enumerate(blocks):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            if language == "python":
                exec(compile(block.replace(PORT, port), f"{name}[{number}]", "exec"), names)
            elif shutil.which("openssl") is None:
                pytest.skip("openssl is not installed")
            else:
                subprocess.run(["bash", "-euc", block], check=True, capture_output=True, timeout=60)
    assert "Traceback" not in capsys.readouterr().err


def test_the_tests_of_a_page_pass(tmp_path: Path) -> None:
    """A page shows how to test with an embedded PACS: pytest runs what it shows."""
    (block,) = (block for _, block in blocks_of("howto.md") if "@pytest.fixture" in block)
    (tmp_path / "test_shown.py").write_text(block)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(tmp_path),
        str(tmp_path),
    ]
    done = subprocess.run(command, cwd=DOCS.parent, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0 and "2 passed" in done.stdout, done.stdout + done.stderr


def test_the_examples_of_the_page_on_recordings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is recorded first is played to a PACS that stands where the page says that one does."""
    monkeypatch.chdir(tmp_path)
    with nd.demo_pacs(ae_title="LIVE") as live:
        names: dict[str, object] = {}
        for number, (_, block) in enumerate(blocks_of("trace.md")):
            exec(compile(block.replace("PACS@10.0.0.5:104", live.address), f"trace.md[{number}]", "exec"), names)
    assert (tmp_path / "wire.jsonl").stat().st_size


def test_the_examples_of_the_page_on_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = Authority(tmp_path, "hospital-ca")
    authority.issue("workstation")
    pacs = authority.issue("pacs")
    monkeypatch.chdir(tmp_path)
    ((_, block),) = blocks_of("tls.md")
    with nd.Pacs(ae_title="PACS", durability="none", tls=nd.TLS(ca=authority.certificate, **pacs.pair)) as secure:
        there = block.replace("PACS@pacs.hospital.example:2762", secure.address).replace("2762", str(free_port()))
        names: dict[str, Any] = {}
        exec(compile(there, "tls.md", "exec"), names)
        report = names["pacs"].echo()
    assert report and any(step.name == "TLS" for step in report.steps), report
