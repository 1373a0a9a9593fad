"""Queries from titles and first sentences."""

import json
from pathlib import Path
from typing import Any

import pytest

from i3_pyserini.data import make_queries
from i3_pyserini.data.own_words import choose, extract_queries
from i3_pyserini.data.queries import read_positives, read_queries
from i3_pyserini.data.query_files import MAX_POSITIVES, Job, Pairs, Summary, enough_room
from i3_pyserini.errors import I3Error
from i3_pyserini.formats.passage_fields import Passage
from i3_pyserini.formats.textstore import open_query_store, open_store
from i3_pyserini.formats.topics import read_topics
from tests.conftest import Done, Run, numbers

MODEL = {"source": "model", "model": "x"}
PASSAGES = [
    {"id": "p1", "title": "How to\tboil\n  an egg", "text": "Place the egg in water. Wait."},
    {"id": "p2", "title": "", "text": "No title here. None at all."},
    {"id": "p3", "title": "Two words", "text": "A title of two words. It is short."},
    {"id": "p4", "title": "HOW TO BOIL AN EGG", "text": "Cold water first.  Then heat."},
    {"id": "p5", "title": "A title without text", "text": " "},
    {"id": "p6", "text": "Only one sentence"},
    {"id": "p7", "title": "Größe der Straße", "text": "Die Straße ist groß. Über alles. «Ja.»"},
]


def jsonl(path: Path, passages: list[dict[str, str]]) -> Path:
    lines = (json.dumps(passage, ensure_ascii=False) for passage in passages)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def content(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    own = f'"dataset": "{folder.name}"'  # differs between folders
    return {str(one.relative_to(folder)): one.read_text("utf-8").replace(own, "") for one in files}


def test_titles(tmp_path: Path) -> None:
    job = Job(jsonl(tmp_path / "c.jsonl", PASSAGES), tmp_path / "out")
    assert extract_queries(job, "titles") == Summary(
        2,
        3,
        "passages without a title (2), queries of fewer than 3 words (1), passages with nothing "
        "besides (1)",
    )
    files = content(tmp_path / "out")
    assert sorted(files) == [
        "corpus/corpus.jsonl",
        "generated.tsv",
        "manifest.json",
        "qrels.train.txt",
        "topics.train.tsv",
    ]
    assert files["topics.train.tsv"] == "p1\tHow to boil an egg\np7\tGröße der Straße\n"
    assert files["qrels.train.txt"] == "p1 0 p1 1\np1 0 p4 1\np7 0 p7 1\n"
    assert files["generated.tsv"] == (
        "p1\tHow to boil an egg\np4\tHOW TO BOIL AN EGG\np7\tGröße der Straße\n"
    )
    corpus = [json.loads(line) for line in files["corpus/corpus.jsonl"].splitlines()]
    assert corpus[2].pop("contents") == "Two words\nA title of two words. It is short."
    assert all(
        line.pop("contents", line["text"]) == line["text"] for line in corpus if line["title"] == ""
    )
    assert corpus[4].pop("contents") == "A title without text\n"
    assert corpus == [
        {"id": "p1", "title": "", "text": "Place the egg in water. Wait."},
        {"id": "p2", "title": "", "text": "No title here. None at all."},
        {"id": "p3", "title": "Two words", "text": "A title of two words. It is short."},
        {"id": "p4", "title": "", "text": "Cold water first.  Then heat."},
        {"id": "p5", "title": "A title without text", "text": ""},
        {"id": "p6", "title": "", "text": "Only one sentence"},
        {"id": "p7", "title": "", "text": "Die Straße ist groß. Über alles. «Ja.»"},
    ]


def test_first_sentences(tmp_path: Path) -> None:
    job = Job(jsonl(tmp_path / "c.jsonl", PASSAGES), tmp_path / "out")
    summary = extract_queries(job, "first-sentences")
    assert summary == Summary(
        5, 5, "passages without a text (1), passages with nothing besides (1)"
    )
    files = content(tmp_path / "out")
    assert files["topics.train.tsv"] == (
        "p1\tPlace the egg in water.\np2\tNo title here.\np3\tA title of two words.\n"
        "p4\tCold water first.\np7\tDie Straße ist groß.\n"
    )
    corpus = [json.loads(line) for line in files["corpus/corpus.jsonl"].splitlines()]
    assert [passage["text"] for passage in corpus] == [
        "Wait.",
        "None at all.",
        "It is short.",
        "Then heat.",
        "",
        "Only one sentence",
        "Über alles. «Ja.»",
    ]
    assert corpus[0]["title"] == "How to\tboil\n  an egg"


def test_training_reads_the_files(tmp_path: Path) -> None:
    source = jsonl(tmp_path / "c.jsonl", PASSAGES)
    extract_queries(Job(source, tmp_path / "out"), "titles")
    out = tmp_path / "out"
    queries = {"p1": "How to boil an egg", "p7": "Größe der Straße"}
    assert read_queries(out / "topics.train.tsv") == queries
    assert read_topics(str(out / "topics.train.tsv")) == queries
    assert read_positives(out / "qrels.train.txt") == {"p1": ["p1", "p4"], "p7": ["p7"]}
    generated = open_query_store(out / "generated.tsv")
    assert [generated.get(pid) for pid in ("p4", "p3")] == [
        Passage("p4", None, "HOW TO BOIL AN EGG"),
        None,
    ]
    for corpus in (out / "corpus", out / "corpus" / "corpus.jsonl"):
        store = open_store(corpus, tmp_path / "cache")
        assert list(store.pids()) == [passage["id"] for passage in PASSAGES]
        assert store.get("p1") == Passage("p1", None, "Place the egg in water. Wait.")
        assert store.get("p3") == Passage("p3", "Two words", "A title of two words. It is short.")


def test_a_query_of_many_passages_is_left_out(tmp_path: Path) -> None:
    several = [
        {"id": f"s{n}", "title": "The second thing", "text": f"Text {n}."}
        for n in range(MAX_POSITIVES)
    ]
    many = [
        {"id": f"m{n}", "title": "The Same  Thing", "text": f"Text {n}."}
        for n in range(MAX_POSITIVES + 1)
    ]
    job = Job(jsonl(tmp_path / "c.jsonl", many + several), tmp_path / "out")
    summary = extract_queries(job, "titles")
    assert summary == Summary(1, 10, "queries of more than 10 passages (1)")
    positives = read_positives(job.output / "qrels.train.txt")
    assert positives == {"s0": [f"s{n}" for n in range(10)]}
    corpus = content(job.output)["corpus/corpus.jsonl"]
    assert corpus.count('"title": "The Same  Thing"') == MAX_POSITIVES + 1
    assert corpus.count('"title": ""') == MAX_POSITIVES
    assert "m0" not in content(job.output)["generated.tsv"]


def numbered(path: Path, count: int) -> Path:
    rows = (f"p{n}\tThe title of {n}\tIts text, {n}.\n" for n in range(count))
    path.write_text("".join(rows), encoding="utf-8")
    return path


def test_limit_depends_on_seed_and_ids_only(tmp_path: Path) -> None:
    source = numbered(tmp_path / "c.tsv", 50)

    def chosen(seed: int, limit: int, collection: Path = source) -> list[str]:
        output = tmp_path / f"{seed}-{limit}-{collection.stem}"
        extract_queries(Job(collection, output, limit, seed), "titles")
        return list(read_queries(output / "topics.train.tsv"))

    twenty = chosen(1, 20)
    assert len(twenty) == 20
    assert twenty == sorted(twenty, key=lambda pid: int(pid[1:]))  # the collection's order
    assert twenty not in (chosen(2, 20), [f"p{n}" for n in range(20)])
    assert set(chosen(1, 5)) < set(twenty)
    backwards = tmp_path / "b.tsv"
    backwards.write_text(
        "".join(reversed(source.read_text(encoding="utf-8").splitlines(keepends=True))),
        encoding="utf-8",
    )
    assert chosen(1, 20, backwards) == twenty[::-1]
    assert len(chosen(1, 50)) == len(chosen(1, 99)) == 50


def test_passages_beyond_the_limit_are_positives_of_the_same_query(tmp_path: Path) -> None:
    passages = [{"id": f"p{n}", "title": "One and the same", "text": f"{n}"} for n in range(4)]
    passages += [{"id": f"q{n}", "title": f"Title of {n}", "text": f"{n}"} for n in range(40)]
    source = jsonl(tmp_path / "c.jsonl", passages)
    store = open_store(source)
    limit, seed = 6, 0
    while True:  # a choice of some but not all passages of the shared title
        job = Job(source, tmp_path / "out", limit, seed)
        chosen = {f"p{n}" for n in range(4) if choose(store, job)[n]}
        if 0 < len(chosen) < 4:
            break
        seed += 1
    extract_queries(job, "titles")
    positives = read_positives(tmp_path / "out" / "qrels.train.txt")
    assert positives["p0"] == ["p0", "p1", "p2", "p3"]
    assert len(positives) == 1 + limit - len(chosen)
    assert "One and the same" not in content(tmp_path / "out")["corpus/corpus.jsonl"]


def test_query_ids_are_never_taken_twice(tmp_path: Path) -> None:
    source = tmp_path / "c.tsv"
    source.write_text("a\tx\na-2\ty\na-4\tz\n", encoding="utf-8")
    pairs = Pairs(1)
    pairs.add("a", ["one", "two", "ONE", "three", "four"])
    pairs.add("a-2", ["two", "five", "six"])
    pairs.add("a-4", ["seven"])
    assert pairs.group() == (7, 8)
    assert list(pairs.topics(open_store(source))) == [
        ("a", "one", ["a"]),
        ("a-3", "two", ["a", "a-2"]),
        ("a-5", "three", ["a"]),
        ("a-6", "four", ["a"]),
        ("a-2", "five", ["a-2"]),
        ("a-2-2", "six", ["a-2"]),
        ("a-4", "seven", ["a-4"]),
    ]
    assert list(pairs.passages()) == [("a", "one"), ("a-2", "two"), ("a-4", "seven")]


def test_the_same_bytes_every_time(tmp_path: Path) -> None:
    source = jsonl(tmp_path / "c.jsonl", PASSAGES)
    for name in ("one", "two"):
        extract_queries(Job(source, tmp_path / name, limit=5), "first-sentences")
    extract_queries(Job(source, tmp_path / "two", limit=5, overwrite=True), "first-sentences")
    assert content(tmp_path / "one") == content(tmp_path / "two")


@pytest.mark.parametrize(
    ("lines", "source", "said"),
    [
        ("", "titles", "c.tsv: no passages in 1 file"),
        (
            "p1\ttext one\np2\t\ttext two\n",
            "titles",
            "c.tsv: no query could be made (left out: passages without a title (2)); choose "
            "another source",
        ),
        ("p1\tone two\n", "first-sentences", "left out: passages with nothing besides (1)"),
        ("p1\ta b c\td\np1\te f g\th\n", "titles", "line 2: passage 'p1' occurs a second time"),
        ("p 1\ta b c\td\n", "titles", "line 1: id 'p 1' is empty or contains white space"),
        ("p1\ta\tb\tc\n", "titles", "c.tsv, line 1: 4 fields"),
    ],
)
def test_bad_collections_are_refused(tmp_path: Path, lines: str, source: str, said: str) -> None:
    collection = tmp_path / "c.tsv"
    collection.write_text(lines, encoding="utf-8")
    with pytest.raises(I3Error) as error:
        extract_queries(Job(collection, tmp_path / "out"), source)
    assert said in str(error.value)
    assert content(tmp_path / "out") == {}


def test_bad_outputs_are_refused_before_the_collection_is_read(tmp_path: Path) -> None:
    source = tmp_path / "c.tsv"
    source.write_text("only one field\n", encoding="utf-8")  # to be read, this would be the error

    def error(output: Path, collection: Path = source) -> str:
        with pytest.raises(I3Error) as caught:
            extract_queries(Job(collection, output), "titles")
        return str(caught.value)

    (tmp_path / "file").write_text("", encoding="utf-8")
    assert f"{tmp_path}/file/out: cannot be written" in error(tmp_path / "file" / "out")
    assert "/proc/none: cannot be written" in error(Path("/proc/none"))
    for name in ("topics.train.tsv", "qrels.train.txt", "generated.tsv", "corpus/corpus.jsonl"):
        path = tmp_path / name.replace("/", "-") / name
        path.parent.mkdir(parents=True)
        path.write_text("old", encoding="utf-8")
        assert f"{name}: exists" in error(tmp_path / name.replace("/", "-"))
        assert path.read_text(encoding="utf-8") == "old"
    assert "no such collection" in error(tmp_path / "out", tmp_path / "none.tsv")
    assert "holds the collection itself" in error(
        tmp_path / "corpus-corpus.jsonl", tmp_path / "corpus-corpus.jsonl" / "corpus"
    )


def test_a_full_disk_is_explained() -> None:
    pairs = Pairs(1)
    pairs._db.execute("PRAGMA max_page_count = 4")
    with (
        pytest.raises(I3Error, match="name a folder with more room in SQLITE_TMPDIR"),
        enough_room(),
    ):
        for number in range(1000):
            pairs.add(f"p{number}", [f"query {number}"])


def test_command(tmp_path: Path, run_module: Run) -> None:
    source = jsonl(tmp_path / "c.jsonl", PASSAGES)
    words = ("data", "queries", source, "--output", tmp_path / "o")

    def queries(*args: object) -> Done:
        return run_module("i3_pyserini", *words, *args)

    done = queries("--source", "titles", "--min-words", 2, "--cache", tmp_path / "cache")
    assert done.returncode == 0, done.stderr
    said = done.stdout.removeprefix(f"wrote {tmp_path}/o: ")
    # queries, positives; passages without a title, passages with nothing besides
    assert numbers(said) == ["3", "4", "2", "1"]
    assert len(list((tmp_path / "cache").iterdir())) == 1
    again = queries("--source", "titles")
    assert (again.returncode, again.stdout) == (2, "")
    assert again.stderr.startswith(f"error: {tmp_path}/o/topics.train.tsv: exists")
    assert "--overwrite" in again.stderr and again.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ({"limit": 0}, "limit is 0, must be at least 1"),
        ({"min_words": 0}, "min_words is 0, must be at least 1"),
        ({"seed": -1}, "seed is -1, must be at least 0"),
        ({"per_passage": 2}, "per_passage requires source model"),
        ({"model": "x"}, "model requires source model"),
        ({"source": "model"}, "source model requires model, a directory or hub name"),
        ({**MODEL, "per_passage": 0}, "per_passage is 0, must be at least 1"),
        ({**MODEL, "batch_size": 0}, "batch_size is 0, must be at least 1"),
        ({**MODEL, "batch_size": 257}, "batch_size is 257, must be at most"),
        ({**MODEL, "max_length": 0}, "max_length is 0, must be at least 1"),
    ],
)
def test_bad_arguments_are_refused(args: dict[str, Any], said: str) -> None:
    with pytest.raises(I3Error) as error:
        make_queries("c.tsv", output="o", **{"source": "titles", **args})
    assert said in str(error.value)
