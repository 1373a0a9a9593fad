"""The command lines in the documentation, against the commands' own options."""

import re
import shlex
from pathlib import Path

import pytest

from i3_pyserini.cli import COMMANDS, run

ROOT = Path(__file__).parents[2]
PAGES = (
    "README.md",
    "docs/how-to/data.md",
    "docs/how-to/languages.md",
    "docs/how-to/long-documents.md",
    "docs/how-to/mining-and-distilling.md",
    "docs/how-to/queries.md",
    "docs/how-to/training-data.md",
    "docs/tutorials/csv-to-search-page.md",
    "docs/tutorials/msmarco.md",
    "docs/tutorials/own-collection.md",
)
NAMES = [name.removeprefix("data ") for name in COMMANDS if name.startswith("data ")]


def command_lines() -> list[list[str]]:
    """The words behind `i3-pyserini data` in all code blocks."""
    text = "\n".join((ROOT / page).read_text(encoding="utf-8") for page in PAGES)
    blocks = re.split(r"^```.*$", text, flags=re.MULTILINE)[1::2]
    lines = "\n".join(blocks).replace("\\\n", " ").replace("\n$ ", "\n").splitlines()
    start = "i3-pyserini data "
    return [
        shlex.split(line.removeprefix(start), comments=True)
        for line in lines
        if line.startswith(start)
    ]


def options(name: str, capsys: pytest.CaptureFixture[str]) -> set[str]:
    run(["data", name, "--help"])
    return set(re.findall(r"--[a-z-]+", capsys.readouterr().out))


@pytest.mark.parametrize("words", command_lines(), ids=" ".join)
def test_documented_command_lines_have_known_flags(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    flags = {flag for word in words if (flag := word.lstrip("[")).startswith("--")}
    assert flags <= options(words[0], capsys)


@pytest.mark.parametrize("name", NAMES)
def test_every_command_is_documented_and_has_help(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert name in {words[0] for words in command_lines()}
    assert options(name, capsys)
