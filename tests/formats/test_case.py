"""Names that differ only in case, which most disks of macOS and Windows take for one.

A second name of the same file stands for such a disk: both names exist, and are one file.
"""

import os
from pathlib import Path, PurePath

import pytest

from i3_pyserini.errors import I3Error
from i3_pyserini.formats.atomic import refuse_inputs, same_place
from i3_pyserini.formats.passages import Corpus


def test_an_output_that_is_an_input_by_another_case(tmp_path: Path) -> None:
    run, other = tmp_path / "run.txt", tmp_path / "Run.txt"
    run.touch()
    assert not same_place(run, other)  # this disk tells them apart
    refuse_inputs([other], [run])
    os.link(run, other)
    assert same_place(run, other)
    with pytest.raises(I3Error, match=r"Run\.txt: is the same file as run\.txt on many disks"):
        refuse_inputs([other], [run])
    with pytest.raises(I3Error, match=r"run\.txt: is given twice"):
        refuse_inputs([run], [run])


def test_files_that_are_there_twice(tmp_path: Path) -> None:
    for name in ("Run.txt", "run.txt"):
        (tmp_path / name).write_text(name, encoding="utf-8")
    assert not same_place(tmp_path / "Run.txt", tmp_path / "run.txt")
    refuse_inputs([tmp_path / "Run.txt"], [tmp_path / "run.txt"])


def test_two_outputs_that_differ_only_in_case(tmp_path: Path) -> None:
    with pytest.raises(I3Error, match=r"A\.tsv: is the same file as a\.tsv on many disks"):
        refuse_inputs([tmp_path / "a.tsv", None, tmp_path / "A.tsv"], [])
    refuse_inputs([tmp_path / "a.tsv", tmp_path / "b.tsv"], [])


def test_second_names_that_differ_in_more_are_two_files(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    os.link(tmp_path / "a", tmp_path / "b")
    refuse_inputs([tmp_path / "b"], [tmp_path / "a"])  # a new file gets the name


def test_files_of_a_folder_have_one_order_on_every_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.jsonl", "B.jsonl", "c.jsonl"):
        line = f'{{"id": "{name[0]}", "contents": "x"}}\n'
        (tmp_path / name).write_text(line, encoding="utf-8")
    expected = ["B.jsonl", "a.jsonl", "c.jsonl"]
    assert list(Corpus(tmp_path).names) == expected

    def as_windows(one: PurePath, other: PurePath) -> bool:
        return str(one).casefold() < str(other).casefold()

    monkeypatch.setattr(PurePath, "__lt__", as_windows)
    assert list(Corpus(tmp_path).names) == expected
    assert [passage.docid for passage in Corpus(tmp_path)] == ["B", "a", "c"]
