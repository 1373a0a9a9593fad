"""Every block of commands on a page says which test runs it, or what it needs.

    <!-- tested: tests/test_readme.py::test_own_commands -->
    <!-- needs: the network -->

stand on the line before the block. Blocks that name `test_it_runs` run there as they are, in a
folder that has the files and models that pages speak of; those that name `test_it_serves` end with
a server, and those that name `test_a_dual_encoder_becomes_i3` run there one after the other.
"""

import ast
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
import requests

from i3_pyserini.cli import COMMANDS, PROGRAM, find
from i3_pyserini.command import OVERRIDES, as_command, function_of
from i3_pyserini.train.recipe import Recipe
from tests.browser import served
from tests.conftest import Run
from tests.page_world import PASSAGES, write_world
from tests.pages import ROOT, Block, command_blocks

FILES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/**/*.md")]
PAGES = sorted(path.relative_to(ROOT).as_posix() for path in FILES)
HERE = "tests/test_page_commands.py::test_it_runs"
SERVER = "tests/test_page_commands.py::test_it_serves"
UPGRADE = "tests/test_page_commands.py::test_a_dual_encoder_becomes_i3"
NEEDS = {
    "a GPU",
    "a language model",
    "a published checkpoint",
    "a Ray cluster",
    "a running server",
    "a vector store",
    "Java",
    "NFCorpus",
    "OpenSearch or Elasticsearch",
    "patched Pyserini",
    "Slurm",
    "the network",
}
BLOCKS = [block for page in PAGES for block in command_blocks(page)]
WRITING = ("--output", "--embeddings", "--tune-output", "--jsonl")  # options of files to write


def marked(test: str) -> list[Block]:
    """The blocks that say that a test runs them."""
    return [block for block in BLOCKS if test in block.values]


@pytest.mark.parametrize("page", PAGES)
def test_every_block_says_what_runs_it_or_what_it_needs(page: str) -> None:
    silent = [block.line for block in BLOCKS if block.page == page and not block.mark]
    assert not silent, f"{page}, line {silent[0]}: add <!-- tested: … --> or <!-- needs: … -->"


@pytest.mark.parametrize(
    "block",
    [block for block in BLOCKS if block.mark == "tested"],
    ids=lambda block: f"{block.page}:{block.line}",
)
def test_the_tests_that_blocks_name_exist(block: Block) -> None:
    for name in block.values:
        path, _, function = name.partition("::")
        if function:
            assert function in _functions(path), name
        else:  # CI itself
            script = (ROOT / path).read_text(encoding="utf-8").splitlines()
            assert all(command in script for command in block.commands()), name


def test_blocks_need_what_is_known() -> None:
    needed = {value for block in BLOCKS if block.mark == "needs" for value in block.values}
    assert needed <= NEEDS


def test_blocks_are_found_with_what_they_say(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    said = "```\nwrote 3 files\n```\n\n```python\npip = 1\n```\n\n"
    plain = "```\ni3-pyserini encode A \\\n  --output B  # once\n```\n\n"
    marked = "<!-- needs: a GPU, Slurm -->\n```sh\n$ make test\npassed\n```\n"
    page.write_text(said + plain + marked, encoding="utf-8")
    silent, needing = command_blocks(str(page))
    assert (silent.mark, silent.commands()) == ("", ["i3-pyserini encode A --output B"])
    assert (needing.mark, needing.values) == ("needs", ("a GPU", "Slurm"))
    assert needing.commands() == ["make test"] and needing.line == 16


@cache
def _functions(path: str) -> set[str]:
    module = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {one.name for one in module.body if isinstance(one, ast.FunctionDef)}


def commands_of_ours() -> Iterator[tuple[str, str]]:
    """Where each `i3-pyserini` command of all pages stands, and the command."""
    for block in BLOCKS:
        for line in block.commands():
            if line.startswith(f"{PROGRAM} "):
                yield f"{block.page}:{block.line}", line


@pytest.mark.slow
@pytest.mark.parametrize(("place", "line"), list(commands_of_ours()))
def test_commands_and_options_of_all_pages_exist(place: str, line: str) -> None:
    words = [word.strip("[]…") for word in re.split(r"\s+", line)[1:]]
    name = find(words)
    options = _options(name)
    for word in words:
        flag = word.partition("=")[0]
        key = flag.removeprefix("--").partition(".")[0]
        overrides = OVERRIDES in options and key in (*Recipe.model_fields, "section")
        if flag.startswith("--") and not overrides:
            plain = flag.removeprefix("--").replace("-", "_")
            assert plain in options or plain.removeprefix("no_") in options, f"{place}: {flag}"


@cache
def _options(name: str) -> set[str]:
    command = as_command(function_of(COMMANDS[name].function))
    return {"help", *command.__annotations__}


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory, tiny_bert: str) -> Path:
    return write_world(tmp_path_factory.mktemp("world"), tiny_bert)


@pytest.fixture
def here(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own for a test, which it works in."""
    shutil.copytree(world, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


@pytest.mark.slow
@pytest.mark.parametrize("block", marked(HERE), ids=lambda block: f"{block.page}:{block.line}")
@pytest.mark.usefixtures("here")
def test_it_runs(block: Block, run_module: Run) -> None:
    _run(words_of(block), run_module)


@pytest.mark.slow
@pytest.mark.parametrize("block", marked(SERVER), ids=lambda block: f"{block.page}:{block.line}")
def test_it_serves(block: Block, here: Path, run_module: Run) -> None:
    *before, (program, command, index, *options) = words_of(block)
    assert (program, command) == (PROGRAM, "serve")
    _run(before, run_module)
    with served(Path(index), here, *options) as address:
        page = requests.get(address, timeout=60).text
    assert f"{PASSAGES} passages" in page


@pytest.mark.slow
@pytest.mark.usefixtures("here")
def test_a_dual_encoder_becomes_i3(run_module: Run) -> None:
    """All blocks of the page, one after the other; the new model ranks as the encoder does."""
    said = _run([words for block in marked(UPGRADE) for words in words_of(block)], run_module)
    before, created = re.findall(r"^run\.(?:before|created)\.txt +(.+)$", said, re.MULTILINE)[:2]
    assert before == created


def words_of(block: Block) -> list[list[str]]:
    """The words of each command of a block; brackets around what is optional are left out."""
    return [shlex.split(re.sub(r"[\[\]]", "", line)) for line in block.commands()]


def _run(commands: list[list[str]], run_module: Run) -> str:
    """Runs commands, which must succeed, and returns what they print."""
    _remove_outputs(commands)
    said = []
    for words in commands:
        program, *rest = (file for word in words for file in _expanded(word))
        if program == "pip":  # the tests' own environment has all extras
            continue
        if program == "make":  # its own environment has to be there
            dry = [str(shutil.which("make")), "--dry-run", "--directory", str(ROOT), *rest]
            subprocess.run(dry, check=True, stdout=subprocess.DEVNULL)
            continue
        assert program == PROGRAM or (program, rest[0]) == ("python", "-m"), words
        done = run_module(*(["i3_pyserini", *rest] if program == PROGRAM else rest[1:]))
        assert done.returncode == 0, f"{shlex.join(words)}: {done.stderr[-1000:]}"
        said.append(done.stdout)
    return "".join(said)


def _remove_outputs(commands: list[list[str]]) -> None:
    """Removes what the commands are to write and the world has already, for other pages."""
    named: set[str] = set()
    for words in commands:
        pairs = {*pairwise(words)}
        for option, name in pairs:
            if option in WRITING and name not in named and ("--update", name) not in pairs:
                path = Path(name)
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        named |= {*words[2:]}


def _expanded(word: str) -> list[str]:
    """The files that a pattern stands for, as a shell has them; other words as they are."""
    return (sorted(map(str, Path().glob(word))) if "*" in word else []) or [word]
