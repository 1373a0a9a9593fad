"""`data check` finds what a test knows, and `data drop-leaks` what training should not."""

import csv
from pathlib import Path
from typing import Any

import pytest

from i3_pyserini.data import check_collection, drop_leaks
from i3_pyserini.data.leakage import Leaks, leak_note
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.folder_manifest import Manifest
from i3_pyserini.formats.qrels import read_qrels
from i3_pyserini.formats.topics import read_topics

PASSAGES = [
    ("p1", "The lighthouse on the northern cape", "It was built of granite. Its lamp burns oil."),
    ("p2", "Otters", "River otters eat mostly fish and crayfish. They swim well."),
    ("p3", "", "北部的灯塔用花岗岩建成。灯烧油。"),
    ("p4", "Bridges of the old town", "Seven bridges cross the river."),
]
TOPICS = {
    "train": {"t1": "how is cider made", "t2": "who built the seven bridges", "t3": "what is moss"},
    "dev": {"d1": "How is cider made?", "d2": "age of otters"},
    "test": {
        "e1": "made: how is cider",  # t1 and d1 in another order
        "e2": "the lighthouse on the northern cape",  # p1's title, which is relevant
        "e3": "bridges of the old town",  # p4's title, which is not
        "e4": "river otters eat mostly fish and crayfish",  # p2's first sentence
        "e5": "北部的灯塔用花岗岩建成",  # p3's
        "e6": "something else entirely",
    },
}
RELEVANT = {"e1": "p2", "e2": "p1", "e3": "p2", "e4": "p2", "e5": "p3", "e6": "p4"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "corpus").mkdir()
    with (tmp_path / "corpus" / "corpus.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("id", "title", "text"), *PASSAGES])
    for split, topics in TOPICS.items():
        lines = "".join(f"{qid}\t{text}\n" for qid, text in topics.items())
        (tmp_path / f"topics.{split}.tsv").write_text(lines, encoding="utf-8")
        judged = "".join(f"{qid} 0 {RELEVANT.get(qid, 'p1')} 1\n" for qid in topics)
        (tmp_path / f"qrels.{split}.txt").write_text(judged, encoding="utf-8")
    return tmp_path


def leaks_of(folder: Path, **options: Any) -> Leaks:
    found = check_collection(folder, **options).leaks
    assert found is not None
    return found


def test_every_kind_is_found_and_counted(folder: Path) -> None:
    found = leaks_of(folder)
    pairs = {(one.kind, one.qid, one.other, one.relevant) for one in found.found}
    assert pairs == {
        ("queries", "d1", "t1", None),
        ("queries", "e1", "t1", None),
        ("queries", "e1", "d1", None),
        ("title", "e2", "p1", True),
        ("title", "e3", "p4", False),
        ("first sentence", "e4", "p2", True),
        ("first sentence", "e5", "p3", True),
    }
    assert found.to_json() == {
        "dev, queries, train": 1,
        "test, first sentence, corpus": 2,
        "test, queries, dev": 1,
        "test, queries, train": 1,
        "test, title, corpus": 2,
    }
    said = str(check_collection(folder))
    assert "1 of 6 test queries is nearly a query of train (e1 and t1)" in said
    assert "2 of 6 test queries are nearly the first sentence" in said
    assert "not relevant passage (e3 and p4)" in said


def test_overlap_decides(folder: Path) -> None:
    (folder / "topics.test.tsv").write_text("e1\thow is cider really made\n", encoding="utf-8")
    (folder / "qrels.test.txt").write_text("e1 0 p2 1\n", encoding="utf-8")
    assert {one.qid for one in leaks_of(folder).found} == {"d1"}
    loose = leaks_of(folder, overlap=0.6).found
    assert {one.qid for one in loose} == {"d1", "e1"}
    (one,) = (one for one in loose if (one.qid, one.other) == ("e1", "t1"))
    assert 0.6 <= one.overlap < 0.8


def test_all_of_them_as_a_table(folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "leaks.tsv"
    with (folder / "topics.test.tsv").open("a", encoding="utf-8") as file:
        file.write('e7\twhat is "moss"\n')
    found = leaks_of(folder, output=output).found
    assert [one.texts[0] for one in found if one.qid == "e7"] == ['what is "moss"']
    rows = list(
        csv.DictReader(
            output.open(newline="", encoding="utf-8"), delimiter="\t", quoting=csv.QUOTE_NONE
        )
    )
    assert [(row["query"], row["id"]) for row in rows] == [(one.qid, one.other) for one in found]
    assert {row["relevant"] for row in rows} == {"", "yes", "no"}
    with pytest.raises(I3Error, match="exists"):
        check_collection(folder, output=output)
    with pytest.raises(I3Error, match="overlap"):
        check_collection(folder, overlap=0.3)


def test_leaks_are_dropped_from_training(folder: Path) -> None:
    done = drop_leaks(folder)
    assert (done.queries, done.dropped, done.judgements) == (2, 1, 2)
    assert list(read_topics(str(folder / "topics.clean.tsv"))) == ["t2", "t3"]
    assert set(read_qrels(str(folder / "qrels.clean.txt"))["query_id"]) == {"t2", "t3"}
    assert len(read_topics(str(folder / "topics.train.tsv"))) == 3
    assert Manifest.load(folder).has("topics.clean.tsv")
    again = leaks_of(folder).found
    assert not [one for one in again if one.other_split == "clean" and one.split == "test"]
    assert not [one for one in again if one.split == "clean"]  # a part of train is no leak of it
    assert {one.qid for one in again if one.other_split == "train"} == {"d1", "e1"}
    with pytest.raises(I3Error, match="exists"):
        drop_leaks(folder)
    assert drop_leaks(folder, against=["dev"], overwrite=True).dropped == 1
    assert drop_leaks(folder, split="test", against=["train"], name="fair").dropped == 1


def test_splits_of_which_training_is_a_part(folder: Path) -> None:
    for kind, suffix in (("topics", "tsv"), ("qrels", "txt")):
        (folder / f"{kind}.all.{suffix}").write_bytes(
            (folder / f"{kind}.train.{suffix}").read_bytes()
        )
    with pytest.raises(I3Error, match=r"nearly queries of all, dev, test; .*--against"):
        drop_leaks(folder)
    (folder / "topics.clean.jsonl").write_text('{"id": "t2", "text": "x"}\n', encoding="utf-8")
    with pytest.raises(I3Error, match="is of the same split"):
        drop_leaks(folder, against=["test"], overwrite=True)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"split": "none"}, "none"),
        ({"against": ["nowhere"]}, "nowhere"),
        ({"against": ["train"]}, "must differ"),
        ({"name": "test", "overwrite": True}, "not replaced"),
        ({"name": "a b"}, "name"),
        ({"overlap": 2.0}, "overlap"),
    ],
)
def test_bad_arguments_are_refused(folder: Path, options: dict[str, Any], word: str) -> None:
    before = sorted(folder.iterdir())
    with pytest.raises(I3Error, match=word):
        drop_leaks(folder, **options)
    assert sorted(folder.iterdir()) == before


def test_only_training_queries_leak_nothing(folder: Path) -> None:
    for split in ("dev", "test"):
        (folder / f"topics.{split}.tsv").unlink()
        (folder / f"qrels.{split}.txt").unlink()
    assert not leaks_of(folder).found
    with pytest.raises(I3Error, match="only has train"):
        drop_leaks(folder)


def test_a_folder_of_passages_is_no_collection(folder: Path) -> None:
    with pytest.raises(I3Error, match="no folder 'corpus'"):
        check_collection(folder / "corpus")


def test_a_note_for_who_trains(folder: Path) -> None:
    (line,) = leak_note(TOPICS["train"], folder / "topics.test.tsv", "validation")
    assert "1 of 6 validation" in line and "data drop-leaks" in line
    assert leak_note(TOPICS["test"], folder / "topics.train.tsv")
    assert not leak_note({"t2": TOPICS["train"]["t2"]}, folder / "topics.test.tsv")
