"""The examples of the pages about handlers and services run as they stand, from the first to the last."""

import re
import warnings
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"


@pytest.mark.parametrize("name", ["asyncio.md", "dimse_n.md", "events.md", "memory.md", "pull.md"])
def test_the_examples_of_a_page(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", (DOCS / name).read_text(), flags=re.M | re.S)
    assert blocks
    names: dict[str, object] = {"__name__": name}
    for number, block in enumerate(blocks):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            exec(compile(block, f"{name}[{number}]", "exec"), names)
    assert "Traceback" not in capsys.readouterr().err
