"""Commands that write several files, interrupted between the names that these get."""

from collections.abc import Callable
from pathlib import Path

import pytest

from i3_pyserini.data import mine_negatives, split_queries
from i3_pyserini.errors import I3Error
from i3_pyserini.search import fuse_runs, search_bm25
from tests.letters import write_collection

Command = Callable[[Path, Path], object]


def bm25(data: Path, output: Path) -> object:
    return search_bm25(
        data / "corpus",
        data / "topics.test.tsv",
        output=output / "run",
        engine="sqlite",
        index=data / "words",
        tune=data / "qrels.dev.txt",
        tune_topics=data / "topics.dev.tsv",
        tune_output=output / "dev",
        speed=output / "speed.json",
    )


def fuse(data: Path, output: Path) -> object:
    return fuse_runs([data / "a.run", data / "b.run"], output=output / "run")


def mine(data: Path, output: Path) -> object:
    return mine_negatives(
        data / "topics.train.tsv",
        data / "qrels.train.txt",
        data / "corpus",
        output=output / "negatives.tsv",
        run=data / "a.run",
        jsonl=output / "negatives.jsonl",
        cache=data,
    )


def split(data: Path, output: Path) -> object:
    names = ("one", "two")
    return split_queries(data, split="train", names=names, share=0.5, output=output)


# The command, the file that appears last, and those whose bytes are the same each time.
COMMANDS = {
    "bm25": (bm25, "run", ("dev", "run", "run.bm25.json")),
    "fuse": (fuse, "run", ("run", "run.fusion.json")),
    "mine": (mine, "negatives.tsv", ("negatives.tsv", "negatives.jsonl")),
    "split": (
        split,
        "topics.one.tsv",
        ("topics.one.tsv", "topics.two.tsv", "qrels.one.txt", "qrels.two.txt"),
    ),
}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = write_collection(tmp_path / "data")
    for name, first in (("a", 0), ("b", 3)):
        lines = [
            f"q{q} Q0 p{(first + q + n) % 21} {n} {9 - n} x\n"
            for q in range(21)
            for n in range(1, 9)
        ]
        (folder / f"{name}.run").write_text("".join(lines), encoding="utf-8")
    return folder


@pytest.mark.parametrize("name", COMMANDS)
def test_the_same_command_again_writes_what_is_missing(
    name: str, data: Path, tmp_path: Path
) -> None:
    command, last, files = COMMANDS[name]
    output = tmp_path / "output"
    command(data, output)
    before = {file: (output / file).read_bytes() for file in files}
    with pytest.raises(I3Error, match=f"{last}: exists"):
        command(data, output)
    for missing in ((last,), (last, *files[:2])):  # as after an interruption
        for file in missing:
            (output / file).unlink(missing_ok=True)
        command(data, output)
        assert {file: (output / file).read_bytes() for file in files} == before


@pytest.mark.parametrize("name", COMMANDS)
def test_a_file_of_something_else_is_never_replaced(name: str, data: Path, tmp_path: Path) -> None:
    command, last, files = COMMANDS[name]
    output = tmp_path / "output"
    for file in (one for one in files if one != last):
        output.mkdir(exist_ok=True)
        (output / file).write_text("mine\n", encoding="utf-8")
        with pytest.raises(I3Error, match=f"{file}: (exists|is of the same split)"):
            command(data, output)
        assert (output / file).read_text(encoding="utf-8") == "mine\n"
        assert not (output / last).exists()
        (output / file).unlink()


def test_the_speed_of_another_run_is_never_replaced(data: Path, tmp_path: Path) -> None:
    output = tmp_path / "output"
    bm25(data, output)
    speed = (output / "speed.json").read_bytes()
    (output / "run").rename(output / "other")
    (output / "speed.json").write_bytes(speed.replace(b'"run": "run"', b'"run": "other"'))
    with pytest.raises(I3Error, match=r"speed.json: exists"):
        bm25(data, output)
