"""Commands that write several files, interrupted between the names that these get."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from i3_pyserini.data import mine_negatives, split_queries
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.atomic import new_file, refuse_existing
from i3_pyserini.formats.encoded_queries import save_queries
from i3_pyserini.search import fuse_runs, search_bm25, search_topics
from tests.letters import write_collection
from tests.search.test_searcher import write_index

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


def search(data: Path, output: Path) -> object:
    return search_topics(
        data / "index",
        data / "topics.tsv",
        output=output / "run",
        encoded_queries=data / "encoded",
        speed=output / "speed.json",
    )


# The command, the file that appears last, and the others. Where times are in them, bytes differ.
COMMANDS = {
    "bm25": (bm25, "run", ("dev", "run.bm25.json", "speed.json")),
    "fuse": (fuse, "run", ("run.fusion.json",)),
    "mine": (mine, "negatives.tsv", ("negatives.jsonl",)),
    "search": (search, "run", ("speed.json",)),
    "split": (
        split,
        "qrels.one.txt",
        ("topics.two.tsv", "topics.one.tsv", "qrels.two.txt"),
    ),
}
TIMED = ("speed.json",)


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
    queries = {f"q{n}": "a" for n in range(3)}
    save_queries(folder / "encoded", queries, np.eye(3, 4, dtype="f4"))
    write_index(folder / "index", np.eye(21, 4, dtype="f4"))
    lines = [f"{qid}\t{text}\n" for qid, text in queries.items()]
    (folder / "topics.tsv").write_text("".join(lines), encoding="utf-8")
    return folder


class Stopped(BaseException):
    """As if the process were killed."""


def files_of(folder: Path) -> dict[str, bytes]:
    """Bytes of files whose bytes are the same each time; hidden files too."""
    there = [one for one in folder.iterdir() if one.is_file()] if folder.exists() else []
    names = {one.name: one for one in there if not one.name.endswith((*TIMED, ".yaml"))}
    return {
        name: b"" if name == "manifest.json" else path.read_bytes() for name, path in names.items()
    }


@pytest.mark.parametrize("name", COMMANDS)
def test_the_same_command_again_ends_as_if_undisturbed(
    name: str, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command, last, others = COMMANDS[name]
    command(data, tmp_path / "undisturbed")
    expected = files_of(tmp_path / "undisturbed")
    replace = Path.replace
    for times in range(1, len(others) + 1):
        output, left = tmp_path / f"stopped-{times}", [times]

        def stopping(
            self: Path, target: Path, output: Path = output, left: list[int] = left
        ) -> Path:
            if target.parent == output and target.name in (last, *others):
                if not left[0]:
                    raise Stopped
                left[0] -= 1
            return replace(self, target)

        monkeypatch.setattr(Path, "replace", stopping)
        with pytest.raises(Stopped):
            command(data, output)
        monkeypatch.setattr(Path, "replace", replace)
        assert sum((output / one).exists() for one in others) == times
        assert not (output / last).exists()
        command(data, output)
        assert files_of(output) == expected
        with pytest.raises(I3Error, match=f"({'|'.join((last, *others))}): exists"):
            command(data, output)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_file_of_something_else_is_never_replaced(name: str, data: Path, tmp_path: Path) -> None:
    command, _, others = COMMANDS[name]
    output = tmp_path / "output"
    output.mkdir()
    for file in others:
        (output / file).write_text("mine\n", encoding="utf-8")
        with pytest.raises(I3Error, match=f"{file}: exists"):
            command(data, output)
        assert [one.name for one in output.iterdir()] == [file]
        assert (output / file).read_text(encoding="utf-8") == "mine\n"
        (output / file).unlink()


def test_files_of_a_run_that_was_moved_away_are_never_replaced(data: Path, tmp_path: Path) -> None:
    output = tmp_path / "output"
    bm25(data, output)
    (output / "run").rename(output / "other")
    before = {one.name: one.read_bytes() for one in output.iterdir()}
    with pytest.raises(I3Error, match=r"dev: exists"):
        bm25(data, output)
    assert {one.name: one.read_bytes() for one in output.iterdir()} == before


def test_the_main_file_may_be_in_a_folder_that_is_new(data: Path, tmp_path: Path) -> None:
    main = tmp_path / "new" / "run"
    speed = tmp_path / "speed.json"
    search_bm25(
        data / "corpus",
        data / "topics.test.tsv",
        output=main,
        engine="sqlite",
        index=tmp_path / "words",
        speed=speed,
    )
    assert speed.exists() and not list(main.parent.glob(".*"))


def test_a_line_of_a_note_that_was_cut_hides_no_other_one(tmp_path: Path) -> None:
    main, other = tmp_path / "main", tmp_path / "two\u2028lines"
    (tmp_path / ".main.before").write_text('["0123', encoding="utf-8")
    with new_file(other, before=main) as file:
        file.write("one\n")
    refuse_existing(other, before=main)


def test_a_file_that_was_changed_after_the_interruption_is_kept(tmp_path: Path) -> None:
    main, other = tmp_path / "main", tmp_path / "other"
    with new_file(other, before=main) as file:
        file.write("one\n")
    refuse_existing(other, before=main)
    with pytest.raises(I3Error, match="other: exists"):
        refuse_existing(other, before=tmp_path / "another")
    other.write_text("mine\n", encoding="utf-8")
    with pytest.raises(I3Error, match="other: exists"):
        refuse_existing(other, before=main)


def test_a_long_name_can_have_files_before_it(tmp_path: Path) -> None:
    main, other = tmp_path / ("m" * 255), tmp_path / "other"
    for path in (other, main):
        with new_file(path, before=main) as file:
            file.write("one\n")
        assert len(list(tmp_path.iterdir())) == 2  # a note, which goes when `main` has its name
    with pytest.raises(I3Error, match="other: exists"):
        refuse_existing(other, before=main)
