"""`split_queries`: what belongs together stays together, and nothing is written over."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from i3_pyserini.data import check_collection, import_collection, split_queries
from i3_pyserini.data.splitting import Groups, choose
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.folder_manifest import Manifest
from i3_pyserini.formats.qrels import read_qrels
from i3_pyserini.formats.topics import read_topics

Run = Callable[..., Any]
TOPICS = {
    "q1": "how long to boil an egg",
    "q2": "How  long to boil an EGG",  # the text of q1
    "q3": "how long to boil an egg?",  # nearly
    "q4": "who paints the old bridge",  # shares a passage with q5
    "q5": "what is photosynthesis",
    **{f"a{number}": f"{chr(97 + number) * 7} {chr(98 + number) * 9}" for number in range(15)},
}
QRELS = [
    *[(qid, f"p-{qid}", 1) for qid in TOPICS if qid != "q5"],
    *[("q5", "p-q4", 2), ("q5", "p-a1", 0), ("a3", "p-q1", 0)],
]


def write(folder: Path) -> tuple[Path, Path]:
    folder.mkdir(exist_ok=True)
    topics, qrels = folder / "topics.tsv", folder / "qrels.txt"
    topics.write_text("".join(f"{qid}\t{text}\n" for qid, text in TOPICS.items()), encoding="utf-8")
    qrels.write_text(
        "".join(f"{qid} 0 {pid} {level}\n" for qid, pid, level in QRELS), encoding="utf-8"
    )
    return topics, qrels


def parts(folder: Path, *names: str) -> list[dict[str, str]]:
    return [read_topics(str(folder / f"topics.{name}.tsv")) for name in names]


@pytest.mark.parametrize("seed", range(8))
def test_what_belongs_together_is_on_one_side(tmp_path: Path, seed: int) -> None:
    topics, qrels = write(tmp_path / "plain")
    done = split_queries(topics, qrels, count=8, seed=seed, output=tmp_path / "out")
    dev, train = parts(tmp_path / "out", "dev", "train")
    assert len(dev) == done.queries["dev"] == 8 and len(dev) + len(train) == len(TOPICS)
    assert {**dev, **train}.keys() == TOPICS.keys()
    for group in ({"q1", "q2", "q3"}, {"q4", "q5"}):
        assert group <= set(dev) or group <= set(train)
    assert (done.by_passage, done.by_text, done.by_near_text) == (1, 1, 1)
    assert (done.groups, done.largest) == (len(TOPICS) - 3, 3)
    judged = [read_qrels(tmp_path / "out" / f"qrels.{name}.txt") for name in ("dev", "train")]
    assert [set(one["query_id"]) for one in judged] == [set(dev), set(train)]
    assert sorted(row for one in judged for row in one.rows()) == sorted(QRELS)
    assert list(train) == [qid for qid in TOPICS if qid in train]  # the order of the source


def test_the_seed_alone_decides(tmp_path: Path) -> None:
    groups = [[f"q{number}"] for number in range(50)]
    found = choose(groups, 10, 1)
    assert choose(groups[::-1], 10, 1) == found and choose(groups, 10, 2) != found
    assert set(found) < set(choose(groups, 20, 1))  # a larger part holds the smaller one


def test_a_collection_folder(
    tmp_path: Path, run_module: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    topics, qrels = write(tmp_path / "plain")
    corpus = tmp_path / "plain" / "corpus.tsv"
    corpus.write_text(
        "".join(f"p-{qid}\t{text}\n" for qid, text in TOPICS.items()), encoding="utf-8"
    )
    data = tmp_path / "data"
    import_collection(corpus, output=data, topics={"all": topics}, qrels={"all": qrels})
    words = ("data", "split", data, "--names", "dev", "fit", "--share", 0.25)
    done = run_module("i3_pyserini", *words, check=True)
    assert done.stdout.startswith(f"wrote {data}: dev: 5 queries")
    assert "nearly the same text as another, kept on its side: 1 (q1 and q3)" in done.stderr
    assert "the same text as another, kept on its side: 1 (q1 and q2)" in done.stderr
    files = Manifest.load(data).files
    assert files["topics.fit.tsv"].source == f"split of {data / 'topics.all.tsv'}, seed 42"
    assert check_collection(data).files["qrels.dev.txt"] == "ok"
    before = {path.name: path.read_bytes() for path in data.glob("*.*")}
    again = run_module("i3_pyserini", *words, "--split", "all")
    assert again.returncode == 2 and "topics.dev.tsv: exists" in again.stderr
    assert {path.name: path.read_bytes() for path in data.glob("*.*")} == before
    own = run_module("i3_pyserini", "data", "split", data, "--split", "all", "--names", "all", "x")
    assert own.returncode == 2 and "topics.all.tsv: is given twice" in own.stderr
    run_module("i3_pyserini", *words, "--split", "all", "--overwrite", check=True)
    assert {path.name: path.read_bytes() for path in data.glob("*.*")} == before


def test_what_has_no_topic_or_no_judgement_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    topics, qrels = write(tmp_path)
    with topics.open("a", encoding="utf-8") as file:
        file.write("q8\tzebra crossing at night\n")
    with qrels.open("a", encoding="utf-8") as file:
        file.write("q9 0 p-q1 1\n")
    done = split_queries(topics, qrels, count=4, output=tmp_path / "out")
    said = capsys.readouterr().err
    assert "1 of 21 judged queries is not in" in said and "(q9)" in said
    assert "1 of 21 queries have no judgement; they stay" in said
    assert sum(done.queries.values()) == 21 and sum(done.judgements.values()) == len(QRELS)


def test_a_part_without_judgments(tmp_path: Path) -> None:
    topics, qrels = write(tmp_path)
    qrels.write_text("q1 0 p-q1 1\n", encoding="utf-8")
    with pytest.raises(I3Error, match="none of the 4 queries of dev is judged"):
        split_queries(topics, qrels, count=4, output=tmp_path / "out")
    assert not list((tmp_path / "out").glob("*.*"))


@pytest.mark.parametrize("name", ["topics.train.jsonl", "topics.train.tsv.gz", "qrels.dev.tsv"])
def test_other_files_of_the_same_split(tmp_path: Path, name: str) -> None:
    topics, qrels = write(tmp_path)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).touch()
    (tmp_path / "out" / "topics.train.de.tsv").touch()  # another split
    with pytest.raises(I3Error, match=f"{name}: is of the same split"):
        split_queries(topics, qrels, count=4, output=tmp_path / "out", overwrite=True)
    (tmp_path / "out" / name).unlink()
    assert split_queries(topics, qrels, count=4, output=tmp_path / "out")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"share": 0.1, "count": 2}, "cannot be combined"),
        ({"share": 1.0}, "share is 1, must be above 0 and below 1"),
        ({"overlap": 0.0}, "overlap is 0"),
        ({"overlap": 1.1}, "overlap is 1.1"),
        ({"count": 0}, "count is 0, must be at least 1"),
        ({"names": ["dev"]}, "expected two"),
        ({"names": ["dev", "a-b"]}, "'a-b'"),
        ({"names": ["dev", "dev"]}, "expected two"),
        ({"split": "train"}, "and no split"),
        ({"output": None}, "is not a folder; choose a folder as output"),
        ({"count": 20}, "leave a part empty"),
    ],
)
def test_mistakes(tmp_path: Path, options: dict[str, Any], said: str) -> None:
    topics, qrels = write(tmp_path / "plain")
    with pytest.raises(I3Error, match=said):
        split_queries(topics, qrels, **{"output": tmp_path / "out", **options})
    assert not list(tmp_path.rglob("topics.dev.tsv"))


def test_qrels_of_another_set(tmp_path: Path) -> None:
    topics, qrels = write(tmp_path)
    qrels.write_text("z1 0 p 1\n", encoding="utf-8")
    with pytest.raises(I3Error, match="do they belong together"):
        split_queries(topics, qrels, output=tmp_path / "out")


def test_a_part_that_cannot_be_filled(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    topics, qrels = write(tmp_path)
    qrels.write_text(
        "".join(f"{qid} 0 p-{qid if qid == 'a1' else ''} 1\n" for qid in TOPICS), encoding="utf-8"
    )
    done = split_queries(topics, qrels, count=5, output=tmp_path / "out")
    assert done.queries == {"dev": 1, "train": len(TOPICS) - 1}
    assert "the first part has 1 queries, not 5" in capsys.readouterr().err


def test_groups_of_groups() -> None:
    groups = Groups(["a", "b", "c", "d"])
    joined = groups.join([(0, 1), (2, 3), (1, 0), (3, 1)])
    assert joined.count == 3 and joined.pairs == [("a", "b"), ("c", "d"), ("d", "b")]
    assert groups.members() == [["a", "b", "c", "d"]]
