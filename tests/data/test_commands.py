"""The command lines in the documentation, against the commands' own arguments."""

import argparse
import re
import shlex
from importlib import import_module
from pathlib import Path

import pytest

from i3_pyserini.data.__main__ import COMMANDS, MODULE

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "docs/data.md", "docs/own-collection.md", "docs/reproduce.md")


def command_lines() -> list[list[str]]:
    """The words behind `python -m i3_pyserini.data` in all code blocks."""
    text = "\n".join((ROOT / page).read_text(encoding="utf-8") for page in PAGES)
    blocks = re.split(r"^```.*$", text, flags=re.MULTILINE)[1::2]
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    start = "python -m i3_pyserini.data "
    return [shlex.split(line.removeprefix(start)) for line in lines if line.startswith(start)]


def parser(name: str) -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(exit_on_error=False)
    import_module(f"{MODULE}.{name}_command").add_arguments(made)
    return made


@pytest.mark.parametrize("words", command_lines(), ids=" ".join)
def test_documented_command_lines_have_known_flags(words: list[str]) -> None:
    flags = {flag for word in words if (flag := word.lstrip("[")).startswith("--")}
    assert flags <= set(parser(words[0])._option_string_actions)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_documented_and_has_help(name: str) -> None:
    assert name in {words[0] for words in command_lines()}
    assert parser(name).format_help()
