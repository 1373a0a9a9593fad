"""The start of the search page: name of the collection, example queries."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from i3_pyserini.formats.textstore import open_store
from i3_pyserini.serve.examples import EXAMPLES, Examples, find_examples, name_of


def corpus_of(folder: Path, titles: Sequence[str]) -> Path:
    corpus = folder / "corpus" / "corpus.jsonl"
    corpus.parent.mkdir(parents=True)
    lines = [
        json.dumps({"id": f"d{row}", "title": title, "text": f"text {row} a b c d e f g"})
        for row, title in enumerate(titles)
    ]
    corpus.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return corpus


def examples_of(corpus: Path) -> Examples:
    return find_examples(corpus, open_store(corpus))


def test_topics_beside_the_corpus(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path, ["a title"])
    (tmp_path / "topics.train.tsv").write_text("1\tof training\n", encoding="utf-8")
    lines = [f"{number}\tquery {number}\n" for number in range(60)]
    (tmp_path / "topics.dev.tsv").write_text(
        f"{''.join(lines)}60\t{'long ' * 40}\n", encoding="utf-8"
    )
    found = examples_of(corpus)
    assert found.source == "from topics.dev.tsv, beside the corpus"
    assert found.queries == [f"query {number}" for number in range(0, 60, 10)]
    (tmp_path / "topics.dev.tsv").unlink()
    assert examples_of(corpus).queries == ["of training"]


def test_topics_that_cannot_be_read_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = corpus_of(tmp_path, ["a title"])
    (tmp_path / "queries.tsv").write_text("no tab here\n", encoding="utf-8")
    assert examples_of(corpus).queries == ["a title"]
    assert "queries.tsv" in capsys.readouterr().err


def test_titles_from_all_parts(tmp_path: Path) -> None:
    found = examples_of(corpus_of(tmp_path, [f"<b>Title</b> {row}" for row in range(600)]))
    assert "titles" in found.source and len(found.queries) == EXAMPLES
    rows = [int(query.removeprefix("Title ")) for query in found.queries]
    assert rows == sorted(rows) and rows[0] < 100 and rows[-1] >= 400


def test_first_words(tmp_path: Path) -> None:
    found = examples_of(corpus_of(tmp_path, ["", ""]))
    assert "first words" in found.source
    assert found.queries == ["text 0 a b c d e", "text 1 a b c d e"]


def test_names(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path / "faq", ["a title"])
    assert name_of(corpus) == name_of(corpus.parent) == "faq"
    (tmp_path / "faq" / "manifest.json").write_text('{"collection": "known"}', encoding="utf-8")
    assert name_of(corpus) == "known"
    assert name_of(tmp_path / "shop.csv.gz") == "shop"
